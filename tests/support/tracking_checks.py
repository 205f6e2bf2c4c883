"""What MLflow must show of the synthetic runs."""

from synthetic_runs import BETTER, DATASETS, EXTRACTOR, FLAG, FRECHET, VARIANTS

from ganflow.reporting.mlflow_dataset import FINGERPRINT
from ganflow.reporting.mlflow_run import PARENT, PUBLISHED
from ganflow.reporting.runs import RunRecord


def check_shown(client, shown, runs: list[RunRecord]) -> None:
    """Every dataset and every run stands there once, finished, with all that it has."""
    parents = {run.info.run_id: run for run in shown if PARENT not in run.data.tags}
    children = {run.data.tags[FINGERPRINT]: run for run in shown if PARENT in run.data.tags}
    assert sorted(run.info.run_name for run in parents.values()) == sorted(DATASETS)
    assert len(shown) == len(parents) + len(children) == len(DATASETS) + len(runs)
    for parent in parents.values():
        assert parent.info.status == "FINISHED" and parent.data.params["source.name"] == "rendered"
        [checks, *_] = [run.score["checks"] for run in runs if run.dataset == parent.data.tags["dataset"]]
        expected = {f"{check}_{name}": v for check, found in checks.items() for name, v in found["scores"].items()}
        assert parent.data.metrics == expected and parent.data.metrics["held_out_sliced_wasserstein"] == 0.0123
        note = parent.data.tags["mlflow.note.content"]
        assert "| wgan_gp | 1 |" in note and "| held-out real samples |  |" in note and "(higher)" in note
    for run in runs:
        there = children[run.manifest["fingerprint"]]
        check_run(client, there, run)
        assert parents[there.data.tags[PARENT]].data.tags["dataset"] == run.dataset
    models = client.search_logged_models([shown[0].info.experiment_id])
    assert sorted(model.source_run_id for model in models) == sorted(run.info.run_id for run in children.values())
    assert {model.status for model in models} == {"READY"}


def check_run(client, there, run: RunRecord) -> None:
    identity, tags = there.info.run_id, there.data.tags
    assert (there.info.status, there.info.run_name) == ("FINISHED", f"{run.variant} {run.seed} {run.dataset}")
    assert there.info.end_time >= there.info.start_time
    assert tags[PUBLISHED] == run.score_fingerprint and tags["version.torch"] == "2.14.1"
    assert (tags["dataset"], tags["variant"], tags["seed"]) == (run.dataset, run.variant, str(run.seed))
    assert tags["digest.data/shards"] == "1" * 64
    assert there.data.params["training.iterations"] == "6"
    assert there.data.params["network.settings.width"] == "64"
    assert there.data.params["method.settings.critic_steps.steps"] == "2"
    assert there.data.params["objective.name"] == "wasserstein"
    best = run.score["best"]
    for score in [*BETTER, f"{FRECHET}_std"]:
        assert there.data.metrics[score] == run.score["scores"][score]
        assert there.data.metrics[f"best/{score}"] == best["scores"][score]
    assert there.data.metrics["best/iteration"] == best["iteration"]
    assert (tags["extractor"], tags["extractor.sha256"]) == ("efficientnet_lite0", EXTRACTOR["sha256"])
    assert tags.get("flags") == (FLAG if run.dataset == "rendered_objects" else None)
    curve = sorted(client.get_metric_history(identity, f"curve/{FRECHET}"), key=lambda metric: metric.step)
    assert [(one.step, one.value) for one in curve] == list(
        zip(run.curve["iteration"], run.curve[FRECHET], strict=True)
    )
    assert "neighbours.png" in [file.path for file in client.list_artifacts(identity)]
    [known] = there.inputs.dataset_inputs
    assert (known.dataset.name, known.dataset.digest, known.tags[0].value) == (run.dataset, "1" * 12, "training")
    for column in set(run.journal) - {"iteration"}:
        name = f"{column}/{VARIANTS[run.variant][2]}" if column.endswith("estimate") else column
        history = sorted(client.get_metric_history(identity, name), key=lambda metric: metric.step)
        expected = list(zip(run.journal["iteration"], run.journal[column], strict=True))
        assert [(metric.step, metric.value) for metric in history] == expected
    images = [file.path for file in client.list_artifacts(identity, "images")]
    steps = sorted(int(path.split("+")[2]) for path in images if path.endswith(".png"))
    assert steps == [iteration for iteration, _ in run.samples]
