"""Publishing: MLflow shows what the files say, once, whatever was killed, repeated, deleted, moved or done at once."""

import ast
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from generators import LATENT
from PIL import Image
from repository import TOP
from synthetic_runs import experiment_of
from tracking import make_trained
from tracking_checks import check_shown

from ganflow.artifacts import change_manifest, write_json, write_manifest
from ganflow.errors import UserError
from ganflow.reporting.mlflow_dataset import FINGERPRINT, commit_tag
from ganflow.reporting.mlflow_model import NEEDS
from ganflow.reporting.mlflow_run import PARENT
from ganflow.reporting.publishing import publish
from ganflow.reporting.runs import RunRecord, load_runs
from ganflow.reporting.tracking_store import ARTIFACTS, TrackingStore
from ganflow.stages import publish as stage
from ganflow.training.pixels import to_pixels
from ganflow.training.weights import load_generator

PUBLISH = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from synthetic_runs import experiment_of
from ganflow.reporting.publishing import publish
from ganflow.reporting.runs import load_runs
from ganflow.reporting.tracking_store import TrackingStore
experiment = experiment_of((1,))
found = publish(experiment, load_runs(experiment, Path("results")), TrackingStore())
print(json.dumps([found.new, found.known, sorted({"mlflow", "mlflow.server", "flask", "torch"} & set(sys.modules))]))
"""
RUNS = 6


def start() -> subprocess.Popen:
    command = [sys.executable, "-c", PUBLISH, str(TOP / "tests/support")]
    return subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(TOP / "src")}, stdout=subprocess.PIPE, text=True
    )


def answer(process: subprocess.Popen) -> list:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


def published():
    """(client, active runs) of mlflow.db here, read from a copy: MLflow keeps its connections by name."""
    copy = Path(f"{uuid.uuid4()}.db").absolute()
    shutil.copy("mlflow.db", copy)
    with TrackingStore(copy).client() as client:
        return client, client.search_runs([client.get_experiment_by_name("synthetic").experiment_id])


def check(runs: list[RunRecord]) -> None:
    check_shown(*published(), runs)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_trained(tmp_path / "results")[1]


@pytest.fixture
def database(runs, once) -> None:
    """A database without runs, here; MLflow takes seconds to make the tables of one."""

    def fill(folder: Path) -> None:
        with TrackingStore(folder / "mlflow.db").client():
            pass

    shutil.copy(once("empty database", fill) / "mlflow.db", "mlflow.db")


@pytest.fixture
def experiment():
    return experiment_of((1,))


def test_eight_at_once_on_no_database_then_again_then_without_the_database(runs):
    answers = [answer(process) for process in [start() for _ in range(8)]]
    assert sorted(a[:2] for a in answers) == [[0, RUNS]] * 7 + [[RUNS, 0]]
    assert [RUNS, 0, ["mlflow"]] in answers  # the database needs no server, and publishing no torch
    check(runs)
    before = time.monotonic()
    assert answer(start()) == [0, RUNS, []]
    assert time.monotonic() - before < 5
    for file in Path().glob("mlflow.db*"):
        file.unlink()
    assert answer(start())[:2] == [RUNS, 0]
    check(runs)


@pytest.mark.parametrize(
    "method", ["create_run", "log_batch", "log_inputs", "log_image", "log_model_artifacts", "log_outputs", "set_tag"]
)
def test_a_publisher_cut_off_anywhere_goes_on_and_nothing_is_there_twice(
    runs, database, experiment, monkeypatch, method
):
    from mlflow import MlflowClient

    whole = getattr(MlflowClient, method)
    calls = iter(range(1000))

    def cut_off(self, *arguments, **settings):
        if next(calls) == 5:
            raise KeyboardInterrupt
        return whole(self, *arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, method, cut_off)
        with pytest.raises(KeyboardInterrupt):
            publish(experiment, runs, TrackingStore(Path("mlflow.db")))
    left = ARTIFACTS / "synthetic/half/.artifact.uploading.1234"  # of a kill while MLflow copies
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    new, known, _ = publish(experiment, runs, TrackingStore(Path("mlflow.db")))
    assert new + known == RUNS and new >= 1
    assert not left.exists()
    check(runs)


def test_a_run_says_what_was_edited_since_the_commit(tmp_path, monkeypatch, environment):
    def tags() -> dict[str, str]:
        commit_tag.cache_clear()  # a process asks once
        return commit_tag()

    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.lock"):
        Path(name).write_text("as committed")
    assert tags() == {}
    for command in ("init --quiet", "add --all", "commit --quiet --message start"):
        subprocess.run(["git", *command.split()], check=True, env=environment)
    assert list(tags()) == ["mlflow.source.git.commit"]
    Path("dvc.lock").write_text("what a run writes")
    assert list(tags()) == ["mlflow.source.git.commit"]
    Path("params.yaml").write_text("edited")
    assert tags()["uncommitted"] == "params.yaml"


def test_scores_computed_anew_replace_the_published_ones(runs, database, experiment):
    assert publish(experiment, runs, TrackingStore())[:2] == (RUNS, 0)
    again = make_score(Path("results/synthetic"), runs[0], 0.5)
    assert publish(experiment, load_runs(experiment, Path("results")), TrackingStore())[:2] == (1, RUNS - 1)
    check([again, *runs[1:]])


def test_runs_that_stand_there_twice_or_are_left_running_are_put_right(runs, database, experiment):
    publish(experiment, runs, TrackingStore())
    with TrackingStore().client() as client:
        home = client.get_experiment_by_name("synthetic").experiment_id
        for tags in ({FINGERPRINT: runs[0].manifest["fingerprint"]}, {FINGERPRINT: "gone", PARENT: "some"}):
            client.create_run(home, tags=tags)
    publish(experiment, runs, TrackingStore())
    client, shown = published()
    [abandoned] = [run for run in shown if run.data.tags[FINGERPRINT] == "gone"]
    assert abandoned.info.status == "KILLED"
    check_shown(client, [run for run in shown if run is not abandoned], runs)


def test_a_moved_folder_shows_its_images_and_its_generators_load_back_bit_equal_without_a_clone(
    runs, database, experiment
):
    publish(experiment, runs, TrackingStore())
    os.rename(Path.cwd(), moved := Path.cwd().with_name("moved"))
    os.chdir(moved)
    latent = np.random.default_rng(5).standard_normal((3, LATENT), np.float32)
    np.save("latent.npy", latent)
    client, shown = published()
    [run] = [run for run in shown if run.info.run_name == "wgan_gp 1 rendered_objects"]
    [output] = run.outputs.model_outputs
    picture = next(f.path for f in client.list_artifacts(run.info.run_id, "images") if f.path.endswith(".png"))
    sample = f"results/synthetic/runs/rendered_objects/wgan_gp/1/samples/{int(picture.split('+')[2]):09d}.png"
    shown = Image.open(client.download_artifacts(run.info.run_id, picture))
    assert np.array_equal(shown, Image.open(sample))
    folder = client.get_logged_model(output.model_id).artifact_location.replace("mlflow-artifacts:", "mlartifacts")
    predict = (
        f"import mlflow, numpy; model = mlflow.pyfunc.load_model({folder!r}); import ganflow; print(ganflow.__file__);"
        "numpy.save('images.npy', model.predict(numpy.load('latent.npy')));"
        "numpy.save('example.npy', model.predict(model.input_example)); print(model.metadata.signature)"
    )
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    said = subprocess.run([sys.executable, "-c", predict], env=variables, capture_output=True, text=True, check=True)
    assert f"/{output.model_id}/artifacts/code/ganflow/" in said.stdout and f"(-1, {LATENT})" in said.stdout
    module, _ = load_generator(moved / "results/synthetic/runs/rendered_objects/wgan_gp/1/generator.safetensors")
    assert np.array_equal(np.load("images.npy"), to_pixels(module(torch.from_numpy(latent))))
    assert np.load("example.npy").shape == (4, 16, 16, 3)
    copied = [ast.parse(file.read_text()) for file in Path(folder, "code").rglob("*.py")]
    imported = {name.partition(".")[0] for tree in copied for name in imports(tree)}
    packages = {"PIL": "pillow", "ruamel": "ruamel.yaml"}
    needed = {packages.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"ganflow"}}
    assert needed | {"mlflow"} == set(NEEDS)
    assert {line.partition("==")[0] for line in Path(folder, "requirements.txt").read_text().split()} == set(NEEDS)


def imports(tree: ast.AST) -> list[str]:
    nodes = list(ast.walk(tree))
    return [node.module for node in nodes if isinstance(node, ast.ImportFrom)] + [
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    ]


def test_a_damaged_database_is_named(runs, database, experiment):
    Path("mlflow.db").write_text("no database")
    with pytest.raises(UserError, match="mlflow.db: MLflow can't write there .* move it away; 0 of "):
        publish(experiment, runs, TrackingStore())
    Path("mlflow.db").rename("away.db")
    assert answer(start())[0] == len(runs)  # a new process, as MLflow keeps open what it opened


def test_the_runs_of_params_that_are_not_finished_are_left_out(runs, database, experiment, capsys):
    (runs[0].folder / "manifest.json").unlink()  # in training
    change_manifest(runs[1].folder, {"content": "0" * 64})  # trained anew, and scored as it was before
    stage.run(experiment)
    assert "4 runs published, 0 already published, 2 are not finished" in capsys.readouterr().out
    assert len([run for run in published()[1] if PARENT in run.data.tags]) == 4


def make_score(top: Path, run: RunRecord, value: float) -> RunRecord:
    """The run with another score on disk and in the record."""
    folder = top.joinpath("scores", run.dataset, run.variant, str(run.seed))
    score = run.score | {"scores": run.score["scores"] | {"sliced_wasserstein": value}}
    write_json(folder / "score.json", score)
    write_manifest(folder, {"stage": "evaluate", "fingerprint": "scored anew"})
    return replace(run, score=score, score_fingerprint="scored anew")
