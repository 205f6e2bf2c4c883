"""The benchmarks run, small and untimed, and print a table with every contender."""

import os
import subprocess
import sys

import pytest
from repository import TOP


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "images", "rows", "more"),
    [
        ("reading", 100, ["webdataset, PNG, its default pipeline", "ours, raw", "image folder, PNG", "LMDB, PNG"], []),
        ("writing", 100, ["webdataset.ShardWriter, npy", "tarfile, npy", "ours, raw", "ours, webp"], []),
        ("sharding", 100, ["decoding alone", "ours, lanczos", "ours, box", "PSNR"], []),
        ("arithmetic", 4, ["DCGAN, 32 px", "WGAN-GP, 64 px", "| native |", "| portable |"], ["--width", "4"]),
        ("frechet", 100, ["scipy.linalg.sqrtm", "torch-fidelity", "relative difference"], ["--dimension", "64"]),
        (
            "step",
            4,
            ["DCGAN, dcgan, 32 px", "| usual, not detached |", "| ours |", "| of the peak | MiB |"],
            ["--width", "4", "--cases", "6-6"],
        ),
        ("contention", 4, ["| 1 |", "sharing / spinning"], ["--width", "4", "--milliseconds", "100", "--most", "1"]),
        (
            "extractors",
            10,
            ["Rendered objects", "Rendered bedrooms", "| classifier |", "| EfficientNet-Lite0, 96 px |"],
            [],
        ),
    ],
)
def test_it_runs(name, images, rows, more):
    command = [sys.executable, f"benchmarks/{name}.py", "--images", str(images), "--rounds", "1", *more]
    done = subprocess.run(command, cwd=TOP, env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert all(row in done.stdout for row in [*rows, "images/s", "; Python"])


@pytest.mark.slow
def test_scale_measures_engines_and_sharding():
    command = [sys.executable, "benchmarks/scale.py", "--small", "--rounds", "1", "--parts", "decoding", "stages"]
    done = subprocess.run(command, cwd=TOP, env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = ["| images | 150 |", "| 2 processes |", "| stages | 24 |", "| dvc repro |", "| snakemake --dry-run"]
    assert all(row in done.stdout for row in rows)
