"""publish: shows every finished run in MLflow; a command and not a stage, for restored runs are published too."""

from ganflow.config import Experiment
from ganflow.reporting.publishing import publish
from ganflow.reporting.runs import load_runs
from ganflow.stages.units import RESULTS


def run(experiment: Experiment) -> None:
    """Brings mlflow.db up to date with results/<experiment>; publishing twice changes nothing."""
    new, known = publish(experiment, load_runs(experiment, RESULTS))
    print(f"MLflow: {new} runs published, {known} were there already; `make ui` shows them")
