"""publish: publishes runs to MLflow; a command and not a stage, so that restored runs are published too."""

from typing import TYPE_CHECKING

from ganflow.artifacts import MANIFEST, SCRATCH, read_manifest
from ganflow.config import Experiment
from ganflow.reporting import watch
from ganflow.reporting.mlflow_run import UnfinishedRun
from ganflow.reporting.publishing import publish
from ganflow.reporting.runs import DivergedRun, RunRecord, load_run, parted
from ganflow.reporting.tracking_store import TrackingStore
from ganflow.stages.execution import device_of, fingerprint
from ganflow.stages.graph import RESULTS, STAGES
from ganflow.stages.units import Unit, units

if TYPE_CHECKING:
    from ganflow.stages.snapshot_scores import SnapshotScores

LOCAL = "http://127.0.0.1:5000"  # where `make ui` serves


def run(experiment: Experiment, follow: bool = False) -> None:
    """Publishes the finished runs of results/<experiment>; publishing twice changes nothing."""
    store = TrackingStore.from_environment()
    if follow:
        from ganflow.stages.snapshot_scores import SnapshotScores  # imports torch, which plain publishing doesn't need

        curves = SnapshotScores(experiment)
        trainings = [unit for unit in units(experiment, device_of(experiment)) if unit.stage == "train"]

        def poll() -> tuple[list[RunRecord | DivergedRun], list[UnfinishedRun]]:
            runs = finished(experiment)
            return runs, unfinished(trainings, runs, curves)

        watch.watch(experiment, poll, store)
    runs = finished(experiment)
    if not runs:
        print("MLflow: no run is finished; run `dvc repro`")
        return
    new, known, page = publish(experiment, runs, store)
    rest = len(experiment.runs) - len(runs)
    print(f"MLflow: {new} runs published, {known} already published" + (f", {rest} are not finished" if rest else ""))
    for run in parted(runs)[1]:
        print(f"MLflow: {run.name}: status FAILED: {run.divergence}")
    print(f"{'' if store.server else '`make ui` shows them: '}{store.server or LOCAL}{page}")


def finished(experiment: Experiment) -> list[RunRecord | DivergedRun]:
    """The runs of params.yaml that are trained, and scored with their current weights, or diverged."""
    found: list[RunRecord | DivergedRun] = []
    for run in experiment.runs:
        axes = run.dataset, run.variant, str(run.seed)
        trained, scores = (STAGES[stage].folder(experiment.experiment, *axes) for stage in ("train", "evaluate"))
        if (trained / MANIFEST).is_file() and (scores / MANIFEST).is_file():
            scored = read_manifest(scores).get("inputs", {}).get(trained.as_posix())
            if scored and scored == read_manifest(trained).get("content"):
                found.append(load_run(RESULTS / experiment.experiment, *run))
    return found


def unfinished(
    trainings: list[Unit], finished: list[RunRecord | DivergedRun], curves: "SnapshotScores"
) -> list[UnfinishedRun]:
    """The trainings in progress, from their newest checkpoints, with the scores of their snapshots."""
    done = {(run.dataset, run.variant, str(run.seed)) for run in finished}
    found = []
    for unit in trainings:
        if unit.axes in done or not all((folder / MANIFEST).is_file() for folder in unit.inputs):
            continue
        known = fingerprint(unit)
        journal, samples, metadata = watch.read_checkpoint(SCRATCH / "train" / known[:32])
        if samples:
            dataset, variant, seed = unit.axes
            about = {"fingerprint": known, "parameters": unit.parameters, "versions": unit.versions} | metadata
            about["inputs"] = unit.input_digests()
            curve = curves.of(dataset, variant, known)
            found.append(UnfinishedRun(dataset, variant, int(seed), about, journal, samples, curve))
    return found
