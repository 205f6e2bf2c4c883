"""How cost grows: seconds by images sharded, iterations trained, seeds of an experiment, and stages of an engine that
has nothing to do; three sizes each, as tables and as a figure.

The engines run on outputs that are made up: a no-op compares their dates and digests, and never opens them.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clones import TOP, clone

Curves = dict[str, list[tuple[int, list[float]]]]  # {name: [(size, seconds of each round)]}


def timed(rounds: int, work: Callable[..., object], *arguments: object) -> list[float]:
    """Seconds of a call in each of some rounds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work(*arguments)
        took.append(time.perf_counter() - began)
    return took


def tiny(folder: Path, changes: dict[str, str]) -> Callable[[str], str]:
    """A shell in a clone with the tiny experiment, changed."""
    params = (TOP / "profiles/tiny.yaml").read_text()
    for before, after in changes.items():
        assert before in params, before
        params = params.replace(before, after)
    return clone(folder, params)


def sharding(folder: Path, sizes: list[int], rounds: int) -> Curves:
    """Seconds by the number of CIFAR-10 images, which need no decoding."""
    from measuring import cifar

    return sharded(*cifar(folder, max(sizes)), 32, folder, sizes, rounds)


def decoding(folder: Path, sizes: list[int], rounds: int) -> Curves:
    """Seconds by the number of photographs, decoded and resized to 64 pixels."""
    from measuring import bedrooms

    return sharded(*bedrooms(folder, max(sizes)), 64, folder, sizes, rounds)


def sharded(form: Any, described: str, side: int, folder: Path, sizes: list[int], rounds: int) -> Curves:
    print(f"images: {described}", file=sys.stderr)
    found: Curves = {}
    for processes, name in enumerate(("1 process", "2 processes"), start=1):
        found[name] = [(size, timed(rounds, shard, form, folder, side, size, processes)) for size in sizes]
    return found


def shard(form: Any, archive: Path, side: int, size: int, processes: int) -> None:
    from ganflow.data.writing import write_shards

    with tempfile.TemporaryDirectory(dir=archive) as place:
        write_shards(
            itertools.islice(form.samples(archive, "train"), size),
            Path(place),
            dataset="measured",
            split="train",
            shape=(side, side, 3),
            shard_size=10_000,
            classes=form.classes(archive),
            processes=processes,
        )


def iterations(folder: Path, sizes: list[int], rounds: int) -> Curves:
    """Seconds of a training stage, from the start of its process to its end, by its iterations."""
    found: Curves = {"dcgan": [], "wgan_gp": []}
    for size in sizes:
        shell = tiny(folder / f"iterations-{size}", {"iterations: 6": f"iterations: {size}"})
        shell("dvc repro --quiet shard@rendered_objects")
        for variant in found:
            stage = f"python -m ganflow train rendered_objects {variant} 0"
            found[variant].append((size, timed(rounds, shell, stage)))
    return found


def seeds(folder: Path, sizes: list[int], rounds: int) -> Curves:
    """Seconds of a whole experiment by its seeds, from nothing."""
    found: Curves = {"dvc repro": [], "snakemake --cores 2": []}
    for size in sizes:
        for engine in found:
            took: list[float] = []
            for number in range(rounds):
                place = folder / f"seeds-{size}-{engine.split()[0]}-{number}"
                took += timed(1, tiny(place, {"seeds: [0]": f"seeds: {list(range(size))}"}), engine)
            found[engine].append((size, took))
    return found


def stages(folder: Path, sizes: list[int], rounds: int) -> Curves:
    """Seconds of an engine that has nothing to do, by the stages of the experiment; `sizes` are numbers of seeds."""
    found: Curves = {"dvc repro": [], "snakemake --dry-run --cores 2": []}
    for size in sizes:
        shell = tiny(folder / f"stages-{size}", {"seeds: [0]": f"seeds: {list(range(size))}"})
        shell("dvc repro --quiet plan")
        count = int(shell(f"{sys.executable} {Path(__file__).resolve()} --make-up"))
        shell("dvc commit --quiet --force")
        for engine in found:
            said = shell(engine)
            assert "up to date" in said or "Nothing to be done" in said, said
            found[engine].append((count, timed(rounds, shell, engine)))
    return found


def make_up() -> None:
    """Makes up the outputs of all stages but the plan in this folder, and prints the number of stages."""
    from dvc.repo import Repo

    with Repo() as repo:
        known = repo.index.stages
        for stage in known:
            for out in stage.outs if stage.addressing != "plan" else ():
                Path(str(out)).mkdir(parents=True)
                (Path(str(out)) / "manifest.json").write_text(json.dumps({"content": stage.addressing}))
        print(len(known))


def show(title: str, axis: str, curves: Curves) -> None:
    """Prints the seconds of each curve by size: the median, and the range where there were several rounds."""
    sizes = [size for size, _ in next(iter(curves.values()))]
    print(f"\n{title}\n\n| {axis} | {' | '.join(f'{size:,}' for size in sizes)} |\n| --- |{' ---: |' * len(sizes)}")
    for name, points in curves.items():
        cells = [
            f"{statistics.median(took):.3g} s" + (f" ({min(took):.3g} to {max(took):.3g})" if len(took) > 1 else "")
            for _, took in points
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def draw(found: dict[tuple[str, str], Curves], path: Path) -> None:
    """Draws each table as a panel with linear axes from zero, so that a straight line is what grows in proportion."""
    from drawing import finish, panels, save

    figure, axes = panels(len(found))
    for panel, ((title, axis), curves) in zip(axes, found.items(), strict=True):
        for (name, points), marker in zip(curves.items(), "os", strict=True):
            xs = [size for size, _ in points]
            medians = [statistics.median(took) for _, took in points]
            below = [middle - min(took) for middle, (_, took) in zip(medians, points, strict=True)]
            above = [max(took) - middle for middle, (_, took) in zip(medians, points, strict=True)]
            panel.errorbar(xs, medians, [below, above], marker=marker, label=name, capsize=3)
        panel.set_xlim(0, None)
        finish(panel, title, axis, "seconds")
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), help="which to measure (default: all)"
    )
    parser.add_argument("--small", action="store_true", help="the smallest size of each")
    parser.add_argument("--figure", type=Path, help="where to draw what was measured (default: nowhere)")
    parser.add_argument("--make-up", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make_up:
        make_up()
        return
    from measuring import machine

    found: dict[tuple[str, str], Curves] = {}
    for part in options.parts:
        measure, sizes, title, axis = PARTS[part]
        with tempfile.TemporaryDirectory(prefix="ganflow-benchmark-") as folder:
            found[title, axis] = measure(Path(folder), sizes[: 1 if options.small else None], options.rounds)
        show(title, axis, found[title, axis])
    if options.figure:
        draw(found, options.figure)
    machine(("torch", "dvc", "snakemake"), 1)


PARTS = {
    "sharding": (sharding, [5000, 20_000, 50_000], "Sharding CIFAR-10", "images"),
    "decoding": (decoding, [150, 300, 600], "Sharding photographs at 64 pixels", "images"),
    "iterations": (iterations, [250, 1000, 4000], "A training stage, tiny networks", "iterations"),
    "seeds": (seeds, [1, 2, 4], "The tiny experiment from nothing", "seeds"),
    "stages": (stages, [1, 4, 16], "Nothing to do", "stages"),
}

if __name__ == "__main__":
    main()
