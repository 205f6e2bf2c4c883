"""What tests of MLflow share: finished runs with generators, and the real server on a free port of loopback."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from generators import write_generator
from synthetic_runs import experiment_of, make_runs

from ganflow.artifacts import content_digest, write_json, write_manifest
from ganflow.config import Experiment
from ganflow.reporting.runs import RunRecord, load_runs


def make_trained(results: Path, seeds: tuple[int, ...] = (1,)) -> tuple[Experiment, list[RunRecord]]:
    """The synthetic runs of the report's tests, each with a small generator, and a params.yaml here that names them."""
    experiment = experiment_of(seeds)
    make_runs(results, experiment)
    runs = load_runs(experiment, results)
    for run in runs:
        about = {"dataset": run.dataset, "variant": run.variant, "seed": run.seed}
        write_generator(run.folder / "generator.safetensors", experiment.datasets[run.dataset].resolution, about)
        trained = content_digest(run.folder)
        folder = f"{results.name}/synthetic/runs/{run.dataset}/{run.variant}/{run.seed}"
        scores = results.joinpath("synthetic", "scores", run.dataset, run.variant, str(run.seed))
        write_manifest(scores, {"stage": "evaluate", "fingerprint": run.score_fingerprint, "inputs": {folder: trained}})
    write_json(Path("params.yaml"), experiment.model_dump(mode="json"))
    return experiment, runs


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class Server:
    """`mlflow server` as `make ui` starts it, in the present folder; it can be killed and started again."""

    def __init__(self):
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        program = Path(sys.executable).with_name("mlflow")
        command = [program, "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "mlartifacts"]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with open("server.log", "ab") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=1)
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(Path("server.log").read_text())

    def kill(self) -> None:
        if self.process:
            os.killpg(self.process.pid, 9)
            self.process.wait()
            self.process = None
