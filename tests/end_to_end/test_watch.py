"""Following: MLflow shows a training while it goes on, and the training does not know."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image
from repository import TOP
from tracking import free_port

from ganflow.config import load
from ganflow.reporting import watch
from ganflow.reporting.mlflow_run import PARENT, UnfinishedRun
from ganflow.reporting.runs import load_runs
from ganflow.reporting.tracking_store import TrackingStore
from ganflow.reporting.watch import read_checkpoint
from ganflow.stages.cli import main

PARAMS = """
experiment: live
seeds: [0]
compute: {threads: 1, device: cpu}
datasets: {rendered_objects: {format: cifar10, source: {rendered: {train: 100, validation: 20}}, resolution: 16}}
variants: {dcgan: {network: {dcgan: {width: 4}}, objective: non_saturating, optimizer: adam}}
training:
  {iterations: 2000, batch_size: 8, latent: 8, journal_every: 20, sample_every: 400, checkpoint_every: 20, grid: 2,
   snapshot_every: 100}
evaluation:
  images: 32
  batch_size: 16
  metrics: [{sliced_wasserstein: {patches: 4, directions: 16}}]
  curve: {metric: {sliced_wasserstein: {patches: 2, directions: 8}}, images: 16}
"""
CURVE = "curve/sliced_wasserstein"
AXES = ("rendered_objects", "dcgan", "0")


def start(*arguments: str, environment) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(["ganflow", *arguments], env=environment | {"PYTHONPATH": str(TOP / "src")}, **pipes)


def shown():
    """(client, run) of the training in mlflow.db; None before it is there."""
    if not Path("mlflow.db").exists():
        return None
    with TrackingStore(Path("mlflow.db").absolute()).client() as client:
        if (home := client.get_experiment_by_name("live")) is None:
            return None
        found = [run for run in client.search_runs([home.experiment_id]) if PARENT in run.data.tags]
        return (client, *found) if found else None


def until(condition, process: subprocess.Popen):
    for _ in range(600):
        if found := condition():
            return found
        assert process.poll() is None, process.communicate()
        time.sleep(0.3)  # each look reads a database that the watcher writes
    raise AssertionError("nothing to see after three minutes")


def in_training():
    """The training's run once it has a journal, scores of snapshots, and grids."""
    found = shown()
    ready = found and CURVE in found[1].data.metrics and found[0].list_artifacts(found[1].info.run_id, "images")
    return found[1] if ready else None


@pytest.mark.slow
def test_a_training_is_shown_while_it_goes_on_and_is_the_same_run_in_the_end(tmp_path, monkeypatch, environment):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    for stage in ("extractor", "download", "shard", "extract", "reference"):
        assert main([stage, *AXES[: stage != "extractor"]]) == 0
    watcher = start("publish", "--follow", environment=environment)
    training = start("train", *AXES, environment=environment)
    seen = until(in_training, watcher)
    assert (seen.info.status, seen.data.params["training.iterations"]) == ("RUNNING", "2000")
    assert training.poll() is None  # it goes on
    watcher.send_signal(signal.SIGINT)
    assert watcher.wait(timeout=120) == 130
    assert shown()[1].info.status == "KILLED"
    again = start("publish", "--follow", environment=environment)
    assert training.wait() == 0
    for stage in ("generate", "evaluate"):
        assert main([stage, *AXES]) == 0
    out, _ = again.communicate(timeout=60)
    assert again.returncode == 0 and "1 already published" in out
    client, run = shown()
    assert (run.info.run_id, run.info.status) == (seen.info.run_id, "FINISHED")
    [record] = load_runs(load(), Path("results"))
    for column in set(record.journal) - {"iteration"}:
        name = f"{column}/jensen-shannon" if column.endswith("estimate") else column
        history = sorted(client.get_metric_history(run.info.run_id, name), key=lambda metric: metric.step)
        expected = list(zip(record.journal["iteration"], record.journal[column], strict=True))
        assert [(metric.step, metric.value) for metric in history] == expected
    curve = sorted(client.get_metric_history(run.info.run_id, CURVE), key=lambda metric: metric.step)
    scored = list(zip(record.curve["iteration"], record.curve["sliced_wasserstein"], strict=True))
    assert len(scored) == 20 and [(metric.step, metric.value) for metric in curve] == scored
    images = [file.path for file in client.list_artifacts(run.info.run_id, "images") if file.path.endswith(".png")]
    assert sorted(int(path.split("+")[2]) for path in images) == [iteration for iteration, _ in record.samples]
    assert run.data.metrics["sliced_wasserstein"] == record.score["scores"]["sliced_wasserstein"]
    assert run.data.params["optimizer.settings.lr"] == "0.0002" and run.outputs.model_outputs


def test_a_server_that_is_down_ends_no_follower(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.1)
    Path("params.yaml").write_text(PARAMS)
    looks = iter(range(5))

    def look():
        if next(looks) == 4:
            raise KeyboardInterrupt
        return [], []

    with pytest.raises(KeyboardInterrupt):
        watch.watch(load(), look, TrackingStore(server=f"http://127.0.0.1:{free_port()}"))
    assert capsys.readouterr().err.count("MLflow can't write there") == 1


def test_an_interrupted_first_look_leaves_nothing_running(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    about = {"fingerprint": "f", "parameters": {}, "versions": {}, "metric_names": {}}
    about |= {"inputs": {"data/shards/rendered_objects": "1" * 64}}
    run = UnfinishedRun("rendered_objects", "dcgan", 0, about, {}, [(0, tmp_path / "grid.png")])

    Image.new("RGB", (8, 8)).save("grid.png")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "log_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        watch.watch(load(), lambda: ([], [run]), TrackingStore())
    assert shown()[1].info.status == "KILLED"


def test_a_grid_that_was_cut_off_is_written_again_under_its_own_name(tmp_path, monkeypatch):
    """MLflow writes a picture, then a small copy of it; between the two anything may end the watcher."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    about = {"fingerprint": "f", "parameters": {}, "versions": {}, "metric_names": {}}
    about |= {"inputs": {"data/shards/rendered_objects": "1" * 64}}
    run = UnfinishedRun("rendered_objects", "dcgan", 0, about, {}, [(0, Path("grid.png")), (400, Path("grid.png"))])
    Image.new("RGB", (8, 8), "red").save("grid.png")
    store = TrackingStore(Path("mlflow.db"))
    looks = iter(range(2))

    def look():
        if next(looks) == 1:
            raise KeyboardInterrupt
        return [], [run]

    def images() -> list[str]:
        return sorted(str(path) for path in Path("mlartifacts").rglob("samples+step+400*"))

    def followed() -> list[str]:
        nonlocal looks
        looks = iter(range(2))
        with pytest.raises(KeyboardInterrupt):
            watch.watch(load(), look, store)
        return images()

    monkeypatch.setattr(watch, "POLL_SECONDS", 0.0)
    before = followed()
    copy, picture = sorted(map(Path, before), key=lambda path: path.suffix, reverse=True)
    copy.unlink()
    picture.write_bytes(b"cut off")
    assert followed() == before and len(before) == 2
    with Image.open(picture) as shown_again:
        assert shown_again.getpixel((0, 0)) == (255, 0, 0)


def test_a_damaged_checkpoint_is_skipped(tmp_path):
    for number, content in ((1, b"no checkpoint"), (2, b"\x08\0\0\0\0\0\0\0{}      ")):
        (tmp_path / f"{number:09d}-abc.safetensors").write_bytes(content)
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/000000000.png").touch()
    assert read_checkpoint(tmp_path) == ({}, [(0, tmp_path / "samples/000000000.png")], {"metric_names": {}})
