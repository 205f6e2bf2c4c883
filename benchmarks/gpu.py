"""A GPU in one command: whether it computes what it should, how fast, and how soon it reaches a score.

Prints Markdown tables to paste into benchmarks/README.md. First whether it is right: gradients against float64 on the
CPU, and trainings whose bytes must be equal. Then images/s of our step and of the usual one (see step.py) in float32,
TF32 and bfloat16, with the peak memory of each; ours with deterministic algorithms, the usual one with those that torch
chooses. Last the pipeline's own stages: the score of a training's snapshots, with the seconds of training up to each;
FID with `--inception WEIGHTS`, else the Frechet distance by the extractor that needs no download.

Uses the first GPU that is visible. Ends with 1 if a comparison fails, and with 2 without a GPU. `--device cpu` runs the
same on a CPU, but for TF32.
"""

import argparse
import contextlib
import csv
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from ganflow import arithmetic  # noqa: E402 (the package beside these scripts)
from ganflow.artifacts import read_json  # noqa: E402

PARTS = ("correctness", "speed", "score")
SNAPSHOTS = 8  # of the training that is scored
CRITIC_STEPS = 5  # of that training
NO_GPU = "gpu.py: torch finds no CUDA device here; run it on a machine with a GPU, or try it with `--device cpu`"


def precisions(device: str) -> list[str]:
    """The precisions of a device."""
    return ["float32", "tf32", "bfloat16"] if device == "cuda" else ["float32", "bfloat16"]


def correctness(options: argparse.Namespace, cases: list[Any]) -> bool:
    """Prints what is compared and what was seen; whether all of it is right."""
    from device_checks import Runs, against_float64, equal_trainings, write_data

    print("\n| what | seen | right |\n| --- | --- | --- |")
    rights = []

    def row(what: str, seen: str, right: bool) -> None:
        rights.append(right)
        print(f"| {what} | {seen} | {'yes' if right else '**no**'} |", flush=True)

    arithmetic.exact("native")
    for case in cases:
        row(*against_float64(case, options.width, options.device))
    with tempfile.TemporaryDirectory(prefix="ganflow-benchmark-") as place:
        data = write_data(Path(place) / "data", 3 * options.images)
        for precision, method in itertools.product(precisions(options.device), sorted({case[0] for case in cases})):
            arithmetic.exact("native", tf32=precision == "tf32")
            runs = Runs(method, options.width, options.images, precision, options.device, data)
            for check in equal_trainings(runs, f"{method}, {precision}", Path(place) / f"{method}-{precision}"):
                row(*check)
    return all(rights)


def speed(options: argparse.Namespace, cases: list[Any]) -> None:
    """Prints a table for each case: images/s and peak memory by way and precision."""
    from measuring import interleaved, show, spread

    for case in cases:
        method, family, side, critic_steps = case
        contenders, memory = {}, {}
        for precision, way in itertools.product(precisions(options.device), ("usual", "ours")):
            run, peak = contender_of(way, case, precision, options)
            contenders[f"{way}, {precision}"], memory[f"{way}, {precision}"] = run, peak
        rates = interleaved(contenders, options.rounds)
        ratios = {
            name: spread([a / b for a, b in zip(found, rates[f"usual, {name.split(', ')[1]}"], strict=True)])
            for name, found in rates.items()
        }
        title = (
            f"{method}, {family}, {side} px, width {options.width}, batch {options.images}, {critic_steps} critic steps"
        )
        show(title, rates, "usual, float32", {"times `usual` of the same precision": ratios, "MiB": memory})


def contender_of(way: str, case: Any, precision: str, options: argparse.Namespace) -> tuple[Callable[[], int], str]:
    """Some iterations of a case done one way, to their end on the device, and the memory that they take there."""
    import torch
    from step import contender

    on_gpu = options.device == "cuda"
    reduced = torch.bfloat16 if precision == "bfloat16" else None
    held = torch.cuda.memory_allocated() if on_gpu else 0
    iteration = contender(way, case, options, reduced, options.device)

    def run() -> int:
        arithmetic.exact("native", tf32=precision == "tf32")
        if way == "usual":
            torch.set_deterministic_debug_mode("default")
        for _ in range(options.repeats):
            iteration()
        if on_gpu:
            torch.cuda.synchronize()
        return options.repeats * case[3] * options.images

    if not on_gpu:
        return run, "not measured"
    torch.cuda.reset_peak_memory_stats()
    run()
    return run, f"{(torch.cuda.max_memory_allocated() - held) / 2**20:,.0f}"


def experiment(options: argparse.Namespace) -> dict[str, Any]:
    """params.yaml of the training that is scored: WGAN-GP with a DCGAN's networks, 32 px."""
    from precision import dataset

    name, source = dataset(options.cifar10)
    if options.cifar10 is None:
        source = {"rendered": {"train": options.drawn, "validation": 10 * options.images}}
    extractor: Any = {"efficientnet_lite0": {"resolution": 64}}
    if options.inception:
        from ganflow.evaluation.extractors.inception import SHA256

        extractor = {"inception": {"weights": str(options.inception.resolve()), "sha256": SHA256}}
    every = max(1, options.iterations // SNAPSHOTS)
    return {
        "experiment": "gpu",
        "seeds": [0],
        "compute": {"threads": options.threads, "device": options.device, "arithmetic": "native"},
        "datasets": {name: {"format": "cifar10", "source": source, "resolution": 32, "shard_size": 10_000}},
        "variants": {
            "wgan_gp": {
                "network": {"dcgan": {"width": options.width, "critic_norm": "none"}},
                "objective": "wasserstein",
                "constraint": "gradient_penalty",
                "critic_steps": CRITIC_STEPS,
                "optimizer": {"adam": {"lr": 2e-4, "betas": [0.0, 0.9]}},
            }
        },
        "training": {
            "iterations": options.iterations,
            "batch_size": options.images,
            "precision": options.precision,
            "journal_every": every,
            "sample_every": options.iterations,
            "snapshot_every": every,
            "checkpoint_every": every,
        },
        "evaluation": {
            "images": options.scored,
            "batch_size": 100,
            "extractor": extractor,
            "metrics": ["frechet_distance"],
            "curve": {"metric": "frechet_distance", "images": options.scored},
        },
    }


def score(options: argparse.Namespace) -> None:
    """Prints the score of each snapshot with the seconds of training up to it, and when the target was reached."""
    with tempfile.TemporaryDirectory(prefix="ganflow-benchmark-") as place, contextlib.chdir(place):
        params = experiment(options)
        Path("params.yaml").write_text(json.dumps(params))  # JSON is YAML
        [name] = params["datasets"]
        run = [name, "wgan_gp", "0"]
        stages = [["plan"], ["download", name], ["shard", name], ["extractor"], ["extract", name]]
        for command in [*stages, ["train", *run], ["generate", *run]]:
            pipeline(command)
        rate = read_json(Path(f"logs/train/{'-'.join(run)}.json"))["images_per_second"]
        with Path("results/gpu/generated", *run, "curve.csv").open() as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    [column] = rows[0].keys() - {"iteration"}
    print(f"\nWGAN-GP, dcgan, width {options.width}, batch {options.images}, {options.precision}, {name}:")
    print(f"\n| iteration | seconds | {column} of {options.scored:,} images |\n| ---: | ---: | ---: |")
    reached = ""
    for row in rows:
        seconds = row["iteration"] * CRITIC_STEPS * options.images / rate
        print(f"| {row['iteration']:,.0f} | {seconds:,.1f} | {row[column]:,.2f} |")
        if options.target is not None and row[column] <= options.target and not reached:
            reached = f"after {row['iteration']:,.0f} iterations, {seconds:,.1f} seconds"
    print(f"\nAt {rate:,.0f} images/s of training, journal and checkpoints included.")
    if options.target is not None:
        print(f"{column} of {options.target:g} or less: {reached or 'not reached'}.")


def pipeline(command: list[str]) -> None:
    """A stage of the pipeline, in this process; ends it if the stage fails."""
    from ganflow.stages.cli import main as stage

    if code := stage(command):
        raise SystemExit(code)


def machine_of(options: argparse.Namespace) -> None:
    """Prints the GPU with its software, and the host."""
    import torch
    from measuring import machine

    machine(("torch",), options.threads)
    if options.device == "cuda":
        about, cudnn = torch.cuda.get_device_properties(0), torch.backends.cudnn.version()
        memory, capability = about.total_memory / 2**30, f"{about.major}.{about.minor}"
        print(
            f"{about.name}, {memory:.0f} GiB, compute capability {capability}; CUDA {torch.version.cuda}, cuDNN {cudnn}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: all")
    for name, (default, about) in {
        "width": (64, "of the networks"),
        "images": (64, "of a batch"),
        "rounds": (5, "of the comparison of speed"),
        "repeats": (10, "iterations in each round"),
        "iterations": (8000, "of the training that is scored"),
        "scored": (10_000, "generated images, and real ones at most, of each score"),
        "drawn": (20_000, "rendered images to train on, without --cifar10"),
        "threads": (2, "of the host"),
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{about} (default: {default:,})")
    parser.add_argument("--cases", default="1-7", help="first and last of step.py's (default: all)")
    parser.add_argument("--precision", choices=("float32", "tf32", "bfloat16"), default="float32", help="of that one")
    parser.add_argument("--cifar10", type=Path, help="CIFAR-10's archive (default: rendered objects)")
    parser.add_argument("--inception", type=Path, help="the published weights of the Inception network, for FID")
    parser.add_argument("--target", type=float, help="the score whose time is asked for")
    options = parser.parse_args()
    arithmetic.configure(options.threads, "native")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.partition(",")[0]  # stages take one that no other stage holds
    import torch
    from step import CASES

    if options.device == "cuda" and not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    torch.set_num_threads(options.threads)
    first, last = map(int, options.cases.split("-"))
    cases = CASES[first - 1 : last]
    right = correctness(options, cases) if "correctness" in options.parts else True
    if "speed" in options.parts:
        speed(options, cases)
    if "score" in options.parts:
        score(options)
    machine_of(options)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
