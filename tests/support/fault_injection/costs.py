"""What it costs that every stage reads its inputs before it opens them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MEASURE = """
import contextlib, io, json, statistics, time
from pathlib import Path
from ganflow import config
from ganflow.artifacts import read_manifest
from ganflow.stages.execution import log_path
from ganflow.stages.inputs import check_inputs
from ganflow.stages.units import units
found = {}
for unit in units(config.load(), "cpu"):
    if not unit.inputs:
        continue
    about = found.setdefault(unit.stage, {"bytes": 0, "checking": 0.0, "stage": 0.0, "units": 0})
    about["units"] += 1
    about["bytes"] += sum(e["bytes"] for folder in unit.inputs for e in read_manifest(folder)["outputs"].values())
    taken = []
    for _ in range(3):
        began = time.process_time()
        with contextlib.redirect_stderr(io.StringIO()):
            check_inputs(unit)
        taken.append(time.process_time() - began)
    about["checking"] += statistics.median(taken)
    about["stage"] += json.loads(log_path(unit, ".json").read_text())["seconds"]
print(json.dumps(found))
"""


def of_inputs(folder: Path) -> dict[str, Any]:
    """{stage: units, bytes read, seconds of a core for that (median of 3, files in memory), seconds of the whole stage}
    of a finished experiment, whose logs have the latter."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]
