"""`snakemake -n` says what would run and changes nothing; a forced job is computed again."""

import hashlib
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from repository import TOP
from snakemake_interface_common.exceptions import WorkflowError

from ganflow.artifacts import read_json

IGNORED = {".dvc/tmp", ".snakemake", ".git"}  # notes of the engines
RUN = "results/tiny/runs/rendered_objects/wgan_gp"


def listing(folder: Path) -> dict[str, tuple[int, str]]:
    """{path: (date, digest)} of all files and folders of a clone."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not any(name.startswith(other) for other in IGNORED) and "__pycache__" not in name:
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[name] = (path.lstat().st_mtime_ns, digest)
    return found


def counts(said: str) -> dict[str, int]:
    """{rule: number of jobs} of Snakemake's table."""
    table = said[said.rindex("Job stats:") :]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def test_a_dry_run_foresees_the_jobs_and_changes_nothing(reproduced):
    clone = reproduced("clone")
    assert "Nothing to be done" in clone.run("snakemake --dry-run 2>&1").stdout
    clone.edit("params.yaml", "seeds: [0]", "seeds: [1]")
    clone.edit("params.yaml", "directions: 16", "directions: 17")
    before = listing(clone.folder)
    said = clone.run("snakemake --dry-run 2>&1").stdout
    assert listing(clone.folder) == before
    both = dict.fromkeys(("reference", "train", "generate", "evaluate"), 2)
    assert counts(said) == both | {"report": 1, "all": 1, "total": 10}
    assert f"{RUN}/1" in said and f"{RUN}/0" not in said and "--force" not in said
    assert counts(clone.run(f"snakemake --dry-run {RUN}/1 2>&1").stdout) == {"train": 1, "total": 1}
    assert listing(clone.folder) == before


def test_a_forced_job_is_computed_again_to_the_same_bytes(reproduced):
    clone = reproduced("clone")
    before = clone.digests()
    finished = {}
    told = "dvc repro --force --single-item STAGE".replace("STAGE", "train@rendered_objects-wgan_gp-0")
    snakemake = f"snakemake --cores 2 {RUN}/0"
    commands = (snakemake, f"{snakemake} --force", f"{snakemake} --forcerun train --until train", told)
    for command in commands:
        clone.run(command)
        finished[command] = read_json(clone.folder / "logs/train/rendered_objects-wgan_gp-0.json")["finished"]
    assert [finished[command] for command in commands] == sorted({*finished.values()})
    assert clone.digests() == before


def test_jobs_of_an_executor_are_not_forced_in_vain(monkeypatch):
    monkeypatch.syspath_prepend(TOP)
    from workflow.command_line import Asked
    from workflow.freshness import require

    settings = {"deployment_settings": SimpleNamespace(deployment_method=set()), "dryrun": False}
    local = SimpleNamespace(**settings, output_settings=SimpleNamespace(quiet=None))
    require(local, Asked(all_again=True, executor="local"))
    require(local, Asked(executor="slurm"))
    for asked in (Asked(all_again=True, executor="slurm"), Asked(again=frozenset({"train"}), executor="slurm")):
        with pytest.raises(WorkflowError, match=r"don't learn that they are forced.*run `dvc repro --force --single"):
            require(local, asked)
