"""Publishing: MLflow shows what the files say, once, whatever was killed, repeated, deleted or done at once."""

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from test_report import experiment_of, make_runs

from ganflow.artifacts import write_json, write_manifest
from ganflow.reporting import publishing
from ganflow.reporting.publishing import FINGERPRINT, PUBLISHED, publish
from ganflow.reporting.runs import RunRecord, load_runs

PUBLISH = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_report import experiment_of
from ganflow.reporting.publishing import publish
from ganflow.reporting.runs import load_runs
experiment = experiment_of((1,))
print(json.dumps([*publish(experiment, load_runs(experiment, Path("results"))), "mlflow" in sys.modules]))
"""
RUNS = 6


def start() -> subprocess.Popen:
    source = Path(__file__).parents[1] / "src"
    command = [sys.executable, "-c", PUBLISH, str(Path(__file__).parent)]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(source)}, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen) -> list:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


def published():
    """(client, active runs) of mlflow.db here, read from a copy: MLflow keeps its connections by name."""
    from mlflow import MlflowClient

    copy = Path(f"{uuid.uuid4()}.db").absolute()
    shutil.copy("mlflow.db", copy)
    client = MlflowClient(f"sqlite:///{copy}")
    return client, client.search_runs([client.get_experiment_by_name("synthetic").experiment_id])


def check(runs) -> None:
    """Every run stands there once, finished, with its journal and its grids."""
    client, shown = published()
    by_fingerprint = {run.data.tags[FINGERPRINT]: run for run in shown}
    assert len(shown) == len(by_fingerprint) == len(runs)
    for run in runs:
        there = by_fingerprint[run.manifest["fingerprint"]]
        assert (there.info.status, there.info.run_name) == ("FINISHED", run.name) and PUBLISHED in there.data.tags
        assert there.info.end_time >= there.info.start_time
        assert there.data.params["training.iterations"] == "6"
        assert there.data.params["network.settings.width"] == "64"
        assert there.data.metrics["sliced_wasserstein"] == run.score["scores"]["sliced_wasserstein"]
    run = runs[-1]
    there = by_fingerprint[run.manifest["fingerprint"]]
    for column in set(run.journal) - {"iteration"}:
        history = sorted(client.get_metric_history(there.info.run_id, column), key=lambda metric: metric.step)
        assert [(m.step, m.value) for m in history] == list(
            zip(run.journal["iteration"], run.journal[column], strict=True)
        )
    images = [file.path for file in client.list_artifacts(there.info.run_id, "images") if file.path.endswith(".png")]
    assert len(images) == len(run.samples)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = experiment_of((1,))
    make_runs(tmp_path / "results", experiment)
    return load_runs(experiment, Path("results"))


def test_two_at_once_on_no_database_then_again_then_without_the_database(runs):
    answers = [answer(process) for process in [start(), start()]]
    assert sorted(a[:2] for a in answers) == [[0, RUNS], [RUNS, 0]]
    check(runs)
    before = time.monotonic()
    assert answer(start()) == [0, RUNS, False]  # without importing MLflow
    assert time.monotonic() - before < 5
    for file in Path().glob("mlflow.db*"):
        file.unlink()
    assert answer(start())[:2] == [RUNS, 0]
    check(runs)


def test_a_run_cut_off_halfway_is_made_again_and_none_is_left_running(runs, monkeypatch):
    experiment, whole, database = experiment_of((1,)), publishing._publish, Path("mlflow.db").absolute()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    def cut_off(client, home, run):
        if run is runs[2]:
            client.log_image = interrupted
        whole(client, home, run)

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_publish", cut_off)
        with pytest.raises(KeyboardInterrupt):
            publish(experiment, runs, database)
    assert [run.info.status for run in published()[1]].count("RUNNING") == 1
    assert publish(experiment, runs, database) == (RUNS - 2, 2)
    check(runs)


def test_scores_computed_anew_replace_the_published_ones(runs, tmp_path):
    experiment, database = experiment_of((1,)), Path("mlflow.db").absolute()
    assert publish(experiment, runs, database) == (RUNS, 0)
    again = make_score(tmp_path / "results/synthetic", runs[0], 0.5)
    assert publish(experiment, load_runs(experiment, Path("results")), database) == (1, RUNS - 1)
    check([again, *runs[1:]])


def make_score(top: Path, run: RunRecord, value: float) -> RunRecord:
    """The run with another score on disk and in the record."""
    folder = top.joinpath("scores", run.dataset, run.variant, str(run.seed))
    score = run.score | {"scores": {"sliced_wasserstein": value}}
    write_json(folder / "score.json", score)
    write_manifest(folder, {"stage": "evaluate", "fingerprint": "scored anew"})
    return replace(run, score=score, scored="scored anew")
