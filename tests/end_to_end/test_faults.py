"""Faults at events of real commands: killed, on a full disk, with limits, or without permission, a stage ends with the
bytes of an undisturbed run, and says in a sentence what stopped it.

`make faults` runs the long form, with damaged files, both engines, publishing and several at once, and measures it.
"""

import random
from pathlib import Path

import pytest
from fault_injection import kills, shortage
from fault_injection.trials import GOOD, Experiment, Trial
from repository import TOP
from served.programs import Programs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def experiment(tiny_experiment, preloaded):
    served = Programs(preloaded.folder, TOP / "src", tiny_experiment.environment, preloaded.owner)
    return Experiment(tiny_experiment.folder, served)


@pytest.fixture
def copy(experiment, tmp_path) -> Path:
    return experiment.copy(tmp_path / "copy")


@pytest.fixture
def firsts(experiment):
    """The first unit of each stage."""
    return [experiment.of_stage(stage)[0] for stage in dict.fromkeys(unit.stage for unit in experiment.units)]


def good(trials: list[Trial], outcome: str = "") -> bool:
    """Whether there are trials, and all ended as promised, or with one outcome."""
    bad = [trial for trial in trials if (trial.outcome != outcome if outcome else trial.outcome not in GOOD)]
    assert not bad, bad
    return bool(trials)


def test_killed_at_each_place_in_the_code_and_anywhere_in_each_stage(experiment, copy, firsts):
    known: set[tuple[str, str]] = set()
    for unit in firsts:
        events = experiment.events(copy, unit)
        assert [kind for kind, _, _ in events if kind in ("rename", "fsync")], unit
        at = {*kills.places(events, known), random.Random(unit.name).randint(1, len(events))}
        assert good(list(kills.kill_stage(experiment, copy, unit, sorted(at), over=True)), "equal")
    assert len(known) > 30


def test_dvc_killed_at_its_own_writes(experiment, copy):
    unit = experiment.of_stage("studies")[0]
    events = experiment.events_of_engine(copy, kills.DVC.making(unit), unit, keep_output=True)
    at = [number for number, (_, path, _) in enumerate(events, start=1) if path in ("dvc.lock", ".dvc/tmp/rwlock")]
    assert good(list(kills.kill_engine(experiment, copy, kills.DVC, unit, at[:: len(at) // 3])), "equal")


def test_a_disk_that_fills_at_each_place_that_takes_space(experiment, copy, firsts):
    known: set[tuple[str, str]] = set()
    tried = []
    for unit in firsts:
        at = shortage.taking_space(experiment.events(copy, unit), known)
        tried += shortage.full_disk(experiment, copy, unit, at)
    assert good(tried, "named") and len(tried) > 15


@pytest.mark.parametrize("stage", ["shard", "evaluate"])
def test_limits_of_files_and_descriptors(experiment, copy, stage):
    unit = experiment.of_stage(stage)[-1]
    for name, limit, value in (
        (shortage.FILES, "RLIMIT_FSIZE", 1 << 10),
        (shortage.DESCRIPTORS, "RLIMIT_NOFILE", 4),
    ):
        trials = shortage.limited_once(experiment, copy, unit, name, {"limits": {limit: value}}, str(value))
        assert good(list(trials), "named")


def test_folders_that_may_not_be_written_or_read(experiment, copy):
    unit = experiment.of_stage("evaluate")[0]
    assert good(list(shortage.shut_folders(experiment, copy, unit, 0o555, [str(Path(unit.output).parent), "logs"])))
    assert good(list(shortage.shut_folders(experiment, copy, unit, 0, [unit.output])))
    assert good(list(shortage.shut_folders(experiment, copy, unit, 0, [unit.inputs[0], "results"])), "named")
