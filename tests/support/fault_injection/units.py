"""The units of an experiment, as its own sources list them."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Unit:
    """One unit of an experiment, as its own sources list it."""

    name: str  # as on the command line
    address: str  # DVC's
    inputs: tuple[str, ...]
    output: str

    @property
    def stage(self) -> str:
        return self.name.partition(" ")[0]


LISTING = """
import json
from ganflow import config
from ganflow.stages.units import units
found = units(config.load(), "cpu")
about = [[str(u), u.kind.address(*u.axes), [str(i) for i in u.inputs], str(u.output)] for u in found]
print(json.dumps(about))
"""


def units_of(folder: Path, environment: dict[str, str]) -> list[Unit]:
    """The units of the experiment in a clone, in an order in which they can be done."""
    done = subprocess.run(
        [sys.executable, "-c", LISTING], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return [Unit(name, address, tuple(inputs), output) for name, address, inputs, output in json.loads(done.stdout)]
