"""Common functions of the benchmarks: interleaved timing, tables of ratios, the machine, and the images."""

import argparse
import contextlib
import io
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import torch

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "src"))

from ganflow.data.formats.cifar10 import Cifar10  # noqa: E402 (the package beside these scripts)
from ganflow.data.formats.lsun_bedroom import LsunBedroom  # noqa: E402
from ganflow.data.interfaces import Format  # noqa: E402
from ganflow.data.sources.rendered import Rendered  # noqa: E402

REAL = TOP.parent / "shared" / "data"  # real images, if available; else rendered ones are used
PACKAGES = ("torch", "numpy", "pillow", "webdataset", "lmdb")


def arguments(description: str, images: int = 20_000, rounds: int = 7, **others: int) -> argparse.Namespace:
    """The command line of a benchmark; `others` are further integer options with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--images", type=int, default=images, help=f"images of the data set (default: {images:,})")
    parser.add_argument(
        "--rounds", type=int, default=rounds, help=f"rounds, in each of which all contenders run (default: {rounds})"
    )
    for name, default in others.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default:,}")
    return parser.parse_args()


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """An empty folder; torch is limited to one thread."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="ganflow-benchmark-") as folder:
        yield Path(folder)


def cifar(folder: Path, images: int) -> tuple[Format, str]:
    """Writes a CIFAR-10 archive with this number of training images; returns the format and a description."""
    script = REAL / "cifar10" / "make_cifar_archive.py"
    archive = folder / Cifar10.archives[0].name
    if script.exists():
        command = [sys.executable, script, archive, "--train", str(images), "--test", "10"]
        subprocess.run(command, check=True, capture_output=True)
        return Cifar10(), "CIFAR-10 (once through JPEG)"
    Rendered(train=images, validation=10).provide(Cifar10(), folder)
    return Cifar10(), "rendered objects"


def bedrooms(folder: Path, images: int) -> tuple[Format, str]:
    """Writes the LSUN-bedroom archives, rendered ones of this size; returns the format and a description."""
    real = REAL / "lsun_bedroom"
    if real.is_dir():
        for archive in LsunBedroom.archives:
            shutil.copy(real / archive.name, folder)
        return LsunBedroom(), "bedroom photographs of LSUN's layout (WebP, short side 256)"
    Rendered(train=images, validation=10).provide(LsunBedroom(), folder)
    return LsunBedroom(), "rendered bedrooms (lossless WebP)"


def interleaved(contenders: dict[str, Callable[[], int]], rounds: int) -> dict[str, list[float]]:
    """Images/s of each contender in each round after a warm-up; a contender returns its number of images."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            with contextlib.redirect_stderr(io.StringIO()):
                began = time.perf_counter()
                count = run()
                took = time.perf_counter() - began
            if number:
                rates[name].append(count / took)
    return rates


def show(
    title: str, rates: dict[str, list[float]], baseline: str, more: dict[str, dict[str, str]] | None = None
) -> None:
    """Prints a table: median images/s, and the ratio to the baseline of the same round (median and range); `more`
    columns hold {contender: text}."""
    more = more or {}
    head = ["what", "images/s", f"times `{baseline}`", *more]
    print(f"\n{title}\n\n| {' | '.join(head)} |\n| --- |{' ---: |' * (len(head) - 1)}")
    for name, found in rates.items():
        ratios = [rate / base for rate, base in zip(found, rates[baseline], strict=True)]
        columns = [name, f"{statistics.median(found):,.0f}", spread(ratios), *(texts[name] for texts in more.values())]
        print(f"| {' | '.join(columns)} |")


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def machine(packages: tuple[str, ...] = PACKAGES, threads: int = 1) -> None:
    """Prints the processor, the number of threads and the versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    processor = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    versions = ", ".join(f"{package} {version(package).partition('+')[0]}" for package in packages)
    used = "one thread" if threads == 1 else f"{threads} threads"
    print(f"\n{processor}; {used}; Python {platform.python_version()}, {versions}")
