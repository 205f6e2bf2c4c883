"""dvc.lock: the outputs that DVC recorded, and the digest by which it names a folder."""

import hashlib
import json
from pathlib import Path

from ganflow.params_file import read_yaml

LOCK = Path("dvc.lock")


def recorded_by_dvc() -> dict[str, str]:
    """{path: md5} of the outputs in dvc.lock."""
    stages = read_yaml(LOCK).get("stages", {}) if LOCK.exists() else {}
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", ())}


def dvc_digest(folder: Path) -> str:
    """DVC's md5 of a folder: of the JSON list of its files' md5s and relative paths, sorted."""
    entries = []
    for path in folder.rglob("*"):
        if path.is_file() and path.name != ".snakemake_timestamp":
            with path.open("rb") as file:
                md5 = hashlib.file_digest(file, "md5").hexdigest()
            entries.append({"md5": md5, "relpath": path.relative_to(folder).as_posix()})
    listed = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
    return hashlib.md5(listed.encode()).hexdigest() + ".dir"
