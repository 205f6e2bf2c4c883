"""The benchmarks run, small and untimed, and print a table with every contender."""

import os
import subprocess
import sys

import pytest
from conftest import TOP


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rows", "sizes"),
    [
        ("reading", ["webdataset, PNG, its default pipeline", "ours, raw", "image folder, PNG", "LMDB, PNG"], []),
        ("writing", ["webdataset.ShardWriter, npy", "tarfile, npy", "ours, raw", "ours, webp"], []),
        ("sharding", ["decoding alone", "ours, lanczos", "ours, box", "PSNR"], []),
        ("extractors", ["Drawn objects", "Drawn bedrooms", "classifier", "Lite0, 128 px"], ["--images", "10"]),
        ("frechet", ["scipy.linalg.sqrtm", "torch-fidelity", "ours", "relative difference"], ["--dimension", "64"]),
    ],
)
def test_it_runs(name, rows, sizes):
    command = [sys.executable, f"benchmarks/{name}.py", "--images", "100", "--rounds", "1", *sizes]
    done = subprocess.run(command, cwd=TOP, env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert all(row in done.stdout for row in [*rows, "| images/s |", "one thread; Python"])
