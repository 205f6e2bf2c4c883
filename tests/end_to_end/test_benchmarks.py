"""The benchmarks run, small and untimed, and print a table with every contender."""

import os
import subprocess
import sys

import pytest
import torch
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
        (
            "gpu",
            16,
            [
                "| DCGAN, dcgan, 32 px: gradients in float32 against float64",
                "| DCGAN, bfloat16: resident and streamed batches | equal | yes |",
                "| DCGAN, float32: killed and resumed, and undisturbed | equal | yes |",
                "| ours, bfloat16 |",
                "| 2 |",
                "frechet_distance_efficientnet_lite0 of 1e+09 or less: after 1 iterations",
            ],
            ["--device", "cpu", "--width", "4", "--cases", "6-6", "--repeats", "1", "--threads", "1"]
            + ["--iterations", "2", "--scored", "16", "--drawn", "50", "--target", "1e9"],
        ),
        ("contention", 4, ["| 1 |", "sharing / spinning"], ["--width", "4", "--milliseconds", "100", "--most", "1"]),
        (
            "extractors",
            10,
            ["Rendered objects", "Rendered bedrooms", "| classifier |", "| EfficientNet-Lite0, 64 px |"],
            ["--resolutions", "64"],
        ),
    ],
)
def test_it_runs(name, images, rows, more):
    command = [sys.executable, f"benchmarks/{name}.py", "--images", str(images), "--rounds", "1", *more]
    done = subprocess.run(command, cwd=TOP, env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert all(row in done.stdout for row in [*rows, "images/s", "; Python"])


@pytest.mark.slow
def test_scale_measures_engines_and_sharding(environment):
    command = [sys.executable, "benchmarks/scale.py", "--small", "--rounds", "1", "--parts", "decoding", "stages"]
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = ["| images | 150 |", "| 2 processes |", "| stages | 24 |", "| dvc repro |", "| snakemake --dry-run"]
    assert all(row in done.stdout for row in rows)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_one_of_gpus_says_in_a_sentence_that_there_is_none():
    command = [sys.executable, "benchmarks/gpu.py"]
    done = subprocess.run(command, cwd=TOP, env=os.environ, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "gpu.py: torch finds no CUDA device here; run it on a machine with a GPU, or try it with `--device cpu`\n"
    )


@pytest.mark.slow
def test_the_one_of_the_quickstart_tells_lessons_scores_and_orders(tmp_path, environment):
    command = [sys.executable, "benchmarks/quickstart.py", "--seeds", "1", "--rivals", "--resolutions"]
    command += ["--iterations", "4", "--images", "600", "--variants", "gan_mlp", "wgan_gp_mlp"]
    command += ["--folder", str(tmp_path / "kept"), "--sheet", str(tmp_path / "sheet.png")]
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    rows = [
        "| the quickstart's | The GAN collapses; the same networks with WGAN-GP do not | 0 of 1 |",
        "| wgan_gp_mlp |",
        "| held_out |",
    ]
    rows += ["| rendered_objects, 1 seeds |", "| pixels at 8 | sliced_wasserstein |", "; Python"]
    assert all(row in done.stdout for row in rows), done.stdout
    assert (tmp_path / "sheet.png").exists() and (tmp_path / "kept/results/quickstart/scores").exists()
