"""Publishing to a tracking server: the real one, killed and restarted; and servers that are down, slow or failing."""

import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from generators import LATENT
from repository import TOP
from tracking import Server, free_port, make_trained
from tracking_checks import check_shown

from ganflow.errors import UserError
from ganflow.reporting import publishing
from ganflow.reporting.publishing import publish
from ganflow.reporting.tracking_store import TrackingStore
from ganflow.training.pixels import to_pixels
from ganflow.training.weights import load_generator


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_trained(tmp_path / "results")


@pytest.fixture
def server(trained):
    made = Server()
    yield made
    made.kill()


@pytest.mark.slow
def test_a_server_killed_in_the_middle_and_restarted_has_everything_once(server, trained, monkeypatch):
    experiment, runs = trained
    store, whole = TrackingStore(server=server.uri), publishing.finish
    server.start()

    def killing(client, home, there, run, dataset):
        if run is runs[2]:
            log_image = client.log_image
            client.log_image = lambda *args, **settings: (log_image(*args, **settings), server.kill())
        whole(client, home, there, run, dataset)

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "finish", killing)
        with pytest.raises(UserError) as error:
            publish(experiment, runs, store)
    assert f"{server.uri}: MLflow can't write there" in str(error.value) and "2 of 6 runs are published" in str(
        error.value
    )
    server.start()
    assert publish(experiment, runs, store)[:2] == (4, 2)
    assert publish(experiment, runs, store)[:2] == (0, 6)
    with store.client() as client:
        shown = client.search_runs([client.get_experiment_by_name("synthetic").experiment_id])
        check_shown(client, shown, runs)
    check_loads_back(server, shown, monkeypatch)


def check_loads_back(server, shown, monkeypatch) -> None:
    import mlflow

    monkeypatch.setattr(sys, "path", sys.path[:])
    mlflow.set_tracking_uri(server.uri)
    [run] = [run for run in shown if run.info.run_name == "wgan 1 rendered_objects"]
    model = mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")
    mlflow.set_tracking_uri(None)
    latent = np.random.default_rng(5).standard_normal((3, LATENT), np.float32)
    module, _ = load_generator("results/synthetic/runs/rendered_objects/wgan/1/generator.safetensors")
    assert np.array_equal(model.predict(latent), to_pixels(module(torch.from_numpy(latent))))


class Failing(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(503)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def test_a_server_that_is_down_slow_or_failing_costs_seconds_and_one_sentence(trained, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadingHTTPServer(("127.0.0.1", 0), Failing) as failing:
        threading.Thread(target=failing.serve_forever, daemon=True).start()
        for port in (free_port(), silent.getsockname()[1], failing.server_port):
            before = time.monotonic()
            with pytest.raises(UserError) as error:
                publish(*trained, TrackingStore(server=f"http://127.0.0.1:{port}"))
            assert time.monotonic() - before < 10
            assert str(error.value).endswith(
                "0 of 6 runs are published; run `python -m ganflow publish` again to continue"
            )
        failing.shutdown()


@pytest.mark.parametrize(
    ("uri", "said"),
    [("http://127.0.0.1:{}", "start it, or unset MLFLOW_TRACKING_URI"), ("file:///x", "change or unset it")],
)
def test_the_command_says_it_in_one_sentence_and_ends_with_2(trained, environment, uri, said):
    environment |= {"MLFLOW_TRACKING_URI": uri.format(free_port()), "PYTHONPATH": str(TOP / "src")}
    command = [sys.executable, "-m", "ganflow", "publish"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert done.stderr.startswith("ganflow: ") and said in done.stderr
    assert not Path("mlflow.db").exists()
