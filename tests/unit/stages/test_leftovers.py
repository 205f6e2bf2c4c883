"""Leftovers: what nothing needs any more is named with its size and reason; what anyone may need is kept."""

import os
from pathlib import Path

import pytest
from repository import TOP

from ganflow import config
from ganflow.artifacts import MANIFEST, SCRATCH, digest_value, scratch, write_file, write_manifest
from ganflow.locks import held
from ganflow.stages import status
from ganflow.stages.cli import main
from ganflow.stages.execution import fingerprint, lock_path, scratch_of
from ganflow.stages.leftovers import leftovers
from ganflow.stages.units import Unit, units

TINY = (TOP / "profiles/tiny.yaml").read_text()
RUN = ("rendered_objects", "dcgan", "0")
ARCHIVE = f"{{location: local/a.zip, sha256: {'a' * 64}}}"
FILES = f"{{files: {{archives: {{bedroom_train_lmdb.zip: {ARCHIVE}, bedroom_val_lmdb.zip: {ARCHIVE}}}}}}}"


@pytest.fixture
def shards(tmp_path, monkeypatch) -> Path:
    """The current folder has the tiny experiment, of which one dataset's shards are there."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TINY)
    folder = Path("data/shards/rendered_objects")
    make_shards(folder, "some")
    return folder


def make_shards(folder: Path, content: str) -> None:
    write_file(folder / "index.json", content)
    write_manifest(folder, {})


def known() -> dict[str, Unit]:
    return {str(unit): unit for unit in units(config.load(), "cpu")}


def training() -> Unit:
    return known()[f"train {' '.join(RUN)}"]


def begun(unit: Unit, size: int = 1000) -> Path:
    """The scratch folder of a unit that was begun."""
    folder = scratch_of(unit, fingerprint(unit))
    (folder / "samples").mkdir(exist_ok=True)
    (folder / "samples/000000000.png").write_bytes(bytes(size))
    return folder


def found(*done: Unit) -> dict[Path, str]:
    return {one.path: one.why for one in leftovers(list(known().values()), {unit.output for unit in done})}


@pytest.mark.slow
def test_a_training_that_is_to_be_done_keeps_its_checkpoints_and_an_older_one_does_not(shards):
    folder = begun(training())
    assert found() == {}
    assert found(training()) == {}  # the report, which reads the run, is to be done
    everything = known().values()
    assert found(*everything) == {folder: f"train {' '.join(RUN)} is done"}

    make_shards(shards, "others")
    new = begun(training())
    assert found() == {folder: f"train {' '.join(RUN)} with other inputs"} and new != folder

    Path("params.yaml").write_text(TINY.replace("lr: 2.0e-4", "lr: 3.0e-4"))
    why = f"train {' '.join(RUN)} with other parameters, code or versions"
    assert found() == {folder: why, new: why}
    Path("params.yaml").write_text(TINY.replace("  dcgan: {", "  other: {"))
    assert found() == dict.fromkeys((folder, new), f"train {' '.join(RUN)} is not in params.yaml")


def test_while_inputs_are_made_again_nothing_that_may_fit_them_is_old(shards):
    named = begun(training())
    unnamed = scratch("train", "f" * 64)
    write_file(unnamed / "file", b"1")
    (shards / MANIFEST).unlink()
    assert found() == {}
    (named / "unit.json").write_text("[]")
    assert found() == {}
    Path("params.yaml").write_text(TINY.replace("lr: 2.0e-4", "lr: 3.0e-4"))
    scratch_of(training(), "e" * 64)
    assert found() == {}


def test_what_a_running_process_works_on_is_kept(shards):
    unit = training()
    folder, unnamed = begun(unit), scratch("lsun", "f" * 64)
    recomputed = SCRATCH / "recompute" / f"train-{'-'.join(RUN)}"
    partial = unit.output.with_name(".0.partial")
    for made in (unnamed, recomputed, partial):
        write_file(made / "file", b"1")
    Path("params.yaml").write_text(TINY.replace("  dcgan: {", "  other: {"))
    assert set(found()) == {folder, unnamed, recomputed, partial}
    with held(lock_path(unit), "a training that params.yaml no longer names"):
        assert found() == {}
    with held(folder.with_suffix(".lock"), "a download"):
        assert folder not in found()
    [old] = [one for one in leftovers(list(known().values()), set()) if one.path == folder]
    with held(lock_path(unit), "one that began since"), pytest.raises(Exception, match="is at it; wait"):
        old.delete()
    assert (folder / "samples/000000000.png").exists()


def test_downloads_are_kept_until_their_shards_are_there(shards):
    text = TINY.replace("{rendered: {train: 64, validation: 16}}", FILES).replace("rendered_bedrooms:", "bedrooms:")
    Path("params.yaml").write_text(text)
    by_digest, by_address = scratch("download", "a" * 64), scratch("download", digest_value(["local/a.zip"]))
    unpacked = scratch("lsun", digest_value("data/raw/bedrooms"))
    old = scratch("download", "b" * 64)
    for folder in (by_digest, by_address, unpacked, old):
        write_file(folder / "part", b"1")
    every = known()
    download, shard = (every[f"{stage} bedrooms"] for stage in ("download", "shard"))
    why = "of no unit of params.yaml that is to be done"
    assert found() == found(download) == {old: why}
    assert found(download, shard) == dict.fromkeys((by_digest, by_address, unpacked, old), why)


def test_the_weights_of_the_extractor_are_kept_until_they_are_used(shards):
    from ganflow.evaluation.extractors.inception import SHA256

    Path("params.yaml").write_text(TINY.replace("extractor:", "extractor: inception #"))
    write_file(scratch("download", SHA256) / "part", b"1")
    every = known()
    assert found() == found(every["extractor"]) == {}
    assert len(found(*every.values())) == 1


def test_links_are_not_followed_and_what_is_not_ours_is_not_touched(shards, tmp_path, capfd):
    mine = tmp_path / "mine"
    write_file(mine / "deep/file", b"the user's")
    old = scratch("train", "f" * 64)
    (old / "linked").symlink_to(mine)
    (SCRATCH / "train/0123456789abcdef0123456789abcdef").symlink_to(mine)
    (SCRATCH / "linked").symlink_to(mine)
    write_file(SCRATCH / "notes/of mine/file", b"1")
    Path("params.yaml").write_text(TINY.replace("  dcgan: {", "  other: {"))
    make_shards(Path("data/shards/rendered_bedrooms"), "some")
    assert main(["clean", "--remove"]) == 0
    assert not old.exists() and not list(SCRATCH.glob("train/*"))
    assert (mine / "deep/file").read_bytes() == b"the user's" and (SCRATCH / "notes/of mine/file").exists()


def test_what_stands_beside_outputs(shards):
    output = training().output
    for name in (".0.partial", ".0.old"):
        write_file(output.with_name(name) / "file", b"1")
    write_file(Path("results/another/report/index.html"), "page")
    write_file(Path("results/another/.report.old/index.html"), "page")
    partial = output.with_name(".0.partial")
    gone = Path("results/another/.report.old")
    why = {partial: "left by a killed stage that was filling it", gone: "an older results/another/report"}
    assert found() == why  # the older run has no successor yet: the next training puts it back
    write_file(output / "file", b"1")
    assert found() == why | {output.with_name(".0.old"): f"an older {output}"}


def test_nothing_is_deleted_unless_it_is_asked_for(shards, capfd, monkeypatch):
    old = begun(training(), 3_000_000)
    os.link(old / "samples/000000000.png", old / "samples/again.png")
    Path("params.yaml").write_text(TINY.replace("lr: 2.0e-4", "lr: 3.0e-4"))
    current = begun(training())
    assert main(["clean"]) == 0
    said = capfd.readouterr().out.splitlines()
    assert said[0].split(None, 2)[:2] == ["3", "MB"] and f"{old}: train {' '.join(RUN)} with other param" in said[0]
    assert said[1:] == ["3 MB in 1 folders; `python -m ganflow clean --remove` deletes them"] and old.exists()

    assert main(["status"]) == 0
    assert "left over" not in capfd.readouterr().out
    monkeypatch.setattr(status, "LARGE", 1e6)
    assert main(["status"]) == 0
    told = "left over: 3 MB that nothing needs any more; `python -m ganflow clean` says what"
    assert told in capfd.readouterr().out

    assert main(["clean", "--remove"]) == 0
    assert capfd.readouterr().out.endswith("3 MB deleted\n")
    assert not old.exists() and (current / "samples/000000000.png").exists() and (shards / MANIFEST).exists()
    assert main(["clean"]) == 0
    assert capfd.readouterr().out == "nothing is left over\n"


def test_a_file_with_a_link_elsewhere_frees_nothing(shards, tmp_path):
    old = scratch("download", "b" * 64)
    write_file(old / "part", bytes(1000))
    os.link(old / "part", tmp_path / "archive")
    write_file(old / "state.json", "{}")
    [one] = leftovers(list(known().values()), set())
    assert (one.path, one.bytes) == (old, 2)
