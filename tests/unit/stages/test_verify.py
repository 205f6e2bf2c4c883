"""verify: what is whole is called equal; whatever was altered is named, whoever altered it, and nothing else is."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from damage import cut, flip
from made_up_units import record
from safetensors.numpy import save_file

from ganflow import config
from ganflow.artifacts import MANIFEST, change_manifest, write_manifest
from ganflow.errors import UserError
from ganflow.locks import holder
from ganflow.stages import repair, verify
from ganflow.stages.execution import lock_path
from ganflow.stages.outcomes import DIVERGED
from ganflow.stages.units import Unit

RUN = Path("results/tiny/runs/rendered_objects/dcgan/0")
TRAIN = "train rendered_objects dcgan 0"


@pytest.fixture
def said(known, capfd):
    """What verify prints, line by line; its code is 1 if it names anything, else 0."""

    def run(code: int = 1, **changes) -> list[str]:
        capfd.readouterr()
        options = {"subset": 1.0, "rerun": None, "published": False, "brief": False, "repair": None} | changes
        assert verify.run(config.load(), **options) == code
        return capfd.readouterr().out.splitlines()

    return run


def test_what_is_whole_is_called_equal_with_all_its_bytes(known, said):
    sizes = [path.stat().st_size for unit in known.values() for path in unit.output.rglob("*") if path.is_file()]
    manifests = [(unit.output / MANIFEST).stat().st_size for unit in known.values()]
    read = f"{len(sizes) - len(manifests)} files, {(sum(sizes) - sum(manifests)) / 1e6:.1f} MB read"
    assert said(0) == [f"{len(known)} units, {read}: all equal"]


@pytest.mark.parametrize(
    ("damage", "fault"),
    [(flip, "has the sha256"), (lambda path: cut(path, 1), "has 0 bytes"), (Path.unlink, "is missing")],
)
def test_a_damaged_file_is_named_by_its_manifest_and_by_the_lock(said, damage, fault):
    damage(RUN / "inner/note.txt")
    first, second, last = said()
    assert first.startswith(f"{TRAIN}: {RUN}/inner/note.txt {fault}") and first.endswith(f"--repair {RUN}`")
    assert second.startswith(f"{TRAIN}: {RUN}: is not what dvc.lock records (")
    assert last.endswith(": 2 differ")


def test_a_manifest_that_is_true_of_other_files_is_not_what_the_lock_records(said):
    change_manifest(RUN, {"stage": "another"})
    named = said()[:-1]
    assert named[0].startswith(f"{TRAIN}: {RUN}: is not what dvc.lock records (")
    assert all(line.startswith("report: not what today's ") for line in named[1:])  # it shows how its inputs were made


def test_a_unit_that_is_not_there_is_named_and_the_rest_is_read(known, said):
    (RUN / MANIFEST).unlink()
    (known["report"].output / MANIFEST).write_text("{}")
    *named, last = said()
    assert f"{TRAIN}: {RUN}: not there or not finished; run `dvc repro`" in named
    assert sum(line.startswith(f"{TRAIN}: ") for line in named) == 1
    assert f"report: {known['report'].output / MANIFEST}: not a manifest of this version" in "\n".join(named)
    assert last.startswith(f"{len(known)} units, {3 * (len(known) - 2)} files, ")


def test_an_altered_manifest_hides_no_other_unit(known, said):
    text = (RUN / MANIFEST).read_text()
    (RUN / MANIFEST).write_text(text.replace('"stage": "train"', '"stage": "trail"'))
    (known["studies"].output / "journal.csv").unlink()
    named = said()[:-1]
    assert [line for line in named if line.startswith(f"{TRAIN}: {RUN / MANIFEST}: altered")]
    assert [line for line in named if line.startswith("studies: ") and "journal.csv is missing" in line]


def test_a_file_that_no_manifest_names_is_named(said):
    (RUN / "stray.txt").write_text("not ours")
    first, second, _ = said()
    assert first == f"{TRAIN}: {RUN}/stray.txt: not in the manifest" and "dvc.lock" in second


def test_what_other_parameters_made_is_not_what_todays_would_make(known, said):
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("lr: 2.0e-4", "lr: 3.0e-4"))
    stale = [line for line in said() if line.startswith(TRAIN)]
    assert len(stale) == 1 and "not what today's parameters, code, versions and inputs would make (" in stale[0]
    params.write_text(params.read_text().replace("lr: 3.0e-4", "lr: 2.0e-4"))
    change_manifest(RUN, {"digest": "0" * 64})
    record(list(known.values()))
    assert [line for line in said() if f"{TRAIN}: not what today's parameters" in line]


def test_what_the_lock_lacks_is_named_and_without_a_lock_there_is_nothing_to_lack(known, said):
    record([unit for name, unit in known.items() if name != TRAIN])
    [first, _] = said()
    assert first == f"{TRAIN}: {RUN}: is not in dvc.lock; run `dvc repro`, which records it"
    Path("dvc.lock").unlink()
    assert said(0)[-1].endswith("all equal")


def test_a_damaged_lock_is_named_once_and_the_files_are_read_all_the_same(said):
    Path("dvc.lock").write_text(Path("dvc.lock").read_text()[:-5])
    (RUN / "journal.csv").unlink()
    first, second, _ = said()
    assert first.startswith("dvc.lock: cut off or damaged") and f"{RUN}/journal.csv is missing" in second


def test_a_share_is_held_against_manifests_and_not_against_the_lock(said):
    change_manifest(RUN, {"stage": "another"})
    assert not [line for line in said(subset=0.05) if "dvc.lock" in line]


def test_what_other_inputs_made_is_not_what_todays_would_make(said):
    change_manifest(Path("data/shards/rendered_objects"), {"content": "0" * 64})
    assert [line for line in said() if line.startswith(f"{TRAIN}: not what today's parameters, code, versions and inp")]


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_a_share_of_the_bytes_is_read_and_no_more_than_one_file_beyond(known, said, share):
    [line] = said(0, subset=share)
    files = int(line.split(" files")[0].split()[-1])
    assert (files == 3 * len(known)) == (share == 1.0) and files >= len(known)
    outputs = {str(number): {"bytes": 100} for number in range(20)}
    assert len(verify._sample(outputs, share)) == round(20 * share)
    assert sorted(verify._sample({"empty": {"bytes": 0}}, 1.0)) == ["empty"]


def test_units_are_named_by_name_folder_or_a_path_inside_and_come_in_their_order(known):
    names = ["report", TRAIN, str(RUN / "inner/note.txt"), f"{RUN}/", str(Path("data/extractor").absolute())]
    assert [str(unit) for unit in verify.named(known, names, "verify")] == ["extractor", TRAIN, "report"]
    for wrong in ("nothing", "results", "train rendered_objects"):
        with pytest.raises(UserError, match=f"verify: there is no unit '{wrong}'; there is: .*{TRAIN}"):
            verify.named(known, [TRAIN, wrong], "verify")


def test_a_repair_is_of_what_is_named_and_then_that_is_read(known, said, monkeypatch):
    asked = []
    monkeypatch.setattr(repair, "repair", lambda _, chosen, everything: asked.append((list(chosen), everything)))
    (RUN / "journal.csv").unlink()
    assert said(0, repair=["report"])[-1].startswith("1 units, 3 files")
    assert said(1, repair=[TRAIN])[-1].endswith(": 2 differ")
    said(1, repair=[])
    everything = list(known.values())
    assert asked == [([known["report"]], False), ([known[TRAIN]], False), (everything, True)]


def test_what_is_published_is_compared_instead_and_divergences_are_said_unless_briefly(known, said, monkeypatch):
    compared = []

    def compare(experiment, units, brief):
        compared.append(brief)
        return 0

    monkeypatch.setattr(verify, "compare_with_published", compare)
    monkeypatch.setattr(verify, "say_divergences", lambda units: print(len(units)) or DIVERGED)
    assert said(DIVERGED, published=True) == [str(len(known))] and said(0, published=True, brief=True) == []
    assert compared == [False, True]
    (RUN / "journal.csv").unlink()
    assert said(1)[-1] == str(len(known))  # a difference weighs more


# ---- computing again


@pytest.fixture
def again(known, monkeypatch, tmp_path):
    """What computing a unit again gives: a copy of its output, changed by the function that is set as its `change`."""

    def recomputed(unit: Unit) -> Path:
        assert holder(lock_path(unit))  # nobody replaces the output meanwhile
        folder = tmp_path / "again"
        shutil.copytree(unit.output, folder / unit.output)
        recomputed.change(folder / unit.output)
        change_manifest(folder / unit.output, {})
        recomputed.folders.append(folder)
        return folder

    recomputed.folders, recomputed.change = [], lambda folder: None
    monkeypatch.setattr(verify, "recomputed", recomputed)
    return recomputed


def remade(folder: Path) -> None:
    """Writes the manifest for what is in a folder now."""
    write_manifest(folder, {})


def test_what_is_computed_again_is_equal_and_leaves_no_folder(known, said, again):
    assert said(0, rerun=[TRAIN]) == [f"{TRAIN}: equal", "1 units computed again: all equal"]
    assert len(said(0, rerun=[])) == len(known) + 1 == len(again.folders)
    assert not any(folder.exists() for folder in again.folders) and holder(lock_path(known[TRAIN])) is None


def text(content: str):
    return lambda path: path.write_text(content)


LAST = "iteration,loss\n1,0.5\n2,"
FAR = "of its largest number"
CHANGES = {
    "close": ("journal.csv", text(f"{LAST}0.2501\n"), f"(by 5.0e-05 {FAR}: close)"),
    "just close": ("journal.csv", text(f"{LAST}0.2519\n"), f"(by 9.5e-04 {FAR}: close)"),
    "not close": ("journal.csv", text(f"{LAST}0.2522\n"), f"(by 1.1e-03 {FAR}: not close)"),
    "smaller": ("journal.csv", text(f"{LAST}0.2\n"), f"(by 2.5e-02 {FAR}: not close)"),
    "a row less": ("journal.csv", text("iteration,loss\n1,0.5\n"), ""),
    "no number": ("journal.csv", text("none\n"), ""),
    "torn weights": ("weights.safetensors", text("torn"), ""),
    "words": ("inner/note.txt", text("1"), ""),
    "other words": ("inner/note.txt", lambda path: path.write_text(path.read_text().replace("train", "trial")), ""),
    "gone": ("inner/note.txt", Path.unlink, "(in one of the two only)"),
    "weights": (
        "weights.safetensors",
        lambda path: save_file({"weight": np.array([0, 1, 2, 5], np.float32)}, path),
        f"(by 6.7e-01 {FAR}: not close)",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_computed_otherwise_is_named_with_how_far_it_is(said, again, change):
    name, changing, how = CHANGES[change]

    def changed(folder: Path) -> None:
        changing(folder / name)
        remade(folder)

    again.change = changed
    assert said(rerun=[TRAIN]) == [f"{TRAIN}: differs: {name} {how}".strip(), "1 units computed again: 1 differ"]


def test_a_new_file_differs_and_so_does_damage_that_the_manifest_does_not_know(said, again):
    def changed(folder: Path) -> None:
        (folder / "new").write_text("more")
        remade(folder)

    again.change = changed
    before = (RUN / "journal.csv").read_bytes()
    assert said(rerun=[TRAIN])[0] == f"{TRAIN}: differs: new (in one of the two only)"
    again.change = lambda folder: (folder / "journal.csv").write_bytes(before)
    (RUN / "journal.csv").write_text("iteration,loss\n1,0.5\n2,0.25\n3,0\n")
    assert said(rerun=[TRAIN])[0] == f"{TRAIN}: differs: journal.csv"
    (RUN / "journal.csv").write_text("none\n")
    again.change = lambda folder: (folder / "journal.csv").write_text("nothing\n")
    assert said(rerun=[TRAIN])[0] == f"{TRAIN}: differs: journal.csv"
    sound = (RUN / "weights.safetensors").read_bytes()
    (RUN / "weights.safetensors").write_text("torn")
    again.change = lambda folder: (folder / "weights.safetensors").write_bytes(sound)
    assert said(rerun=[TRAIN])[0] == f"{TRAIN}: differs: journal.csv, weights.safetensors"
