"""bfloat16 against float32: scores of CIFAR-10 over the iterations, with and without it, from several seeds each.

Runs the pipeline in a clone (native arithmetic on a CPU, where bfloat16 may be emulated and slow), then prints the mean
and the standard deviation over the seeds at each scored iteration, and the difference of each seed's two trainings,
which start from the same weights and see the same images and latent vectors. Draws benchmarks/precision.svg.
"""

import argparse
import csv
import statistics
import tempfile
from pathlib import Path

from clones import clone

PRECISIONS = ("float32", "bfloat16")
PARTS = 8  # of a training; the weights at the end of each are scored
Scores = dict[int, list[float]]  # {iteration: the score of each seed}


def params(options: argparse.Namespace, name: str, source: str) -> str:
    """params.yaml of the comparison: each method in both precisions."""
    every = options.iterations // PARTS
    lines = [
        "experiment: precision",
        f"seeds: {list(range(options.seeds))}",
        f"compute: {{threads: {options.threads}, device: {options.device}, arithmetic: native}}",
        f"datasets: {{{name}: {{format: cifar10, resolution: 32, shard_size: 10000, source: {source}}}}}",
        "variants:",
    ]
    adam = "{adam: {lr: 2.0e-4, betas: [0.5, 0.999]}}"
    methods = {
        "dcgan": f"network: {{dcgan: {{width: {options.width}}}}}, objective: non_saturating, optimizer: {adam}",
        "wgan_gp": f"network: {{dcgan: {{width: {options.width}, critic_norm: none}}}}, objective: wasserstein, "
        f"constraint: gradient_penalty, critic_steps: {options.critic_steps}, "
        "optimizer: {adam: {lr: 2.0e-4, betas: [0.0, 0.9]}}",
    }
    for method in options.methods:
        for precision in PRECISIONS:
            lines.append(f"  {method}_{precision}: {{{methods[method]}, training: {{precision: {precision}}}}}")
    lines += [
        f"training: {{iterations: {options.iterations}, batch_size: {options.batch}, latent: 64, "
        f"journal_every: {every}, sample_every: {options.iterations}, snapshot_every: {every}, "
        f"checkpoint_every: {every}, validation_images: {options.batch}}}",
        f"evaluation: {{images: {options.images}, batch_size: 100, real_images: {5 * options.images}, "
        "metrics: [frechet_distance], "
        "extractor: {efficientnet_lite0: {resolution: 64}}, "
        f"curve: {{metric: frechet_distance, images: {options.images}}}}}",
    ]
    return "\n".join(lines) + "\n"


def dataset(archive: Path | None) -> tuple[str, str]:
    """Name and source of the data set: the archive of the command line, or rendered images in its format."""
    if archive is None:
        return "rendered_objects", "{rendered: {train: 2000, validation: 400}}"
    from ganflow.artifacts import digest_file

    at = f"{{location: {archive.resolve()}, sha256: {digest_file(archive)}}}"
    return "cifar10", f"{{files: {{archives: {{cifar-10-binary.tar.gz: {at}}}}}}}"


def scores_of(generated: Path, variant: str, seeds: int) -> Scores:
    """The scores of the weights of each seed at the end of each part."""
    found: Scores = {}
    for seed in range(seeds):
        with (generated / variant / str(seed) / "curve.csv").open() as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            [name] = row.keys() - {"iteration"}
            found.setdefault(int(row["iteration"]), []).append(float(row[name]))
    return found


def show(method: str, scores: dict[str, Scores]) -> None:
    """Prints a row for each scored iteration."""
    head = [
        "iteration",
        *(f"{precision}: mean ± sd" for precision in PRECISIONS),
        "bfloat16 - float32, of one seed: mean (range)",
    ]
    print(f"\n{method}\n\n| {' | '.join(head)} |\n|{' ---: |' * len(head)}")
    exact, short = (scores[precision] for precision in PRECISIONS)
    for iteration in exact:
        pair = exact[iteration], short[iteration]
        cells = [f"{statistics.mean(found):.1f} ± {_deviation(found):.1f}" for found in pair]
        gaps = [b - a for a, b in zip(*pair, strict=True)]
        gap = f"{statistics.mean(gaps):+.1f} ({min(gaps):+.1f} to {max(gaps):+.1f})"
        print(f"| {iteration:,} | {' | '.join(cells)} | {gap} |")


def _deviation(found: list[float]) -> float:
    return statistics.stdev(found) if len(found) > 1 else 0.0


def draw(scores: dict[str, dict[str, Scores]], path: Path) -> None:
    """Draws every seed's curve, one panel a method, float32 solid and bfloat16 dashed."""
    from drawing import finish, panels, save

    figure, axes = panels(len(scores))
    for panel, (method, curves) in zip(axes, scores.items(), strict=True):
        for (precision, found), style, colour in zip(
            curves.items(), ("-", "--"), ("tab:blue", "tab:orange"), strict=True
        ):
            for number, values in enumerate(zip(*found.values(), strict=True)):
                panel.plot(list(found), values, style, color=colour, label=None if number else precision, alpha=0.8)
        finish(panel, method, "iteration", "Fréchet distance, EfficientNet-Lite0")
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cifar10", type=Path, help="CIFAR-10's archive (default: rendered objects)")
    parser.add_argument("--methods", nargs="+", choices=("dcgan", "wgan_gp"), default=["dcgan", "wgan_gp"])
    for name, default in {"iterations": 2000, "seeds": 3, "width": 16, "batch": 32, "images": 1000}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default:,}")
    parser.add_argument("--critic-steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--cores", type=int, default=2, help="of Snakemake (default: 2)")
    parser.add_argument("--figure", type=Path, help="where to draw (default: nowhere)")
    options = parser.parse_args()
    from measuring import machine

    name, source = dataset(options.cifar10)
    with tempfile.TemporaryDirectory(prefix="ganflow-benchmark-") as place:
        folder = Path(place) / "clone"
        clone(folder, params(options, name, source))(f"snakemake --cores {options.cores} --quiet all")
        generated = folder / "results/precision/generated" / name
        scores = {
            method: {
                precision: scores_of(generated, f"{method}_{precision}", options.seeds) for precision in PRECISIONS
            }
            for method in options.methods
        }
    for method, found in scores.items():
        show(method, found)
    if options.figure:
        draw(scores, options.figure)
    machine(("torch",), options.threads)


if __name__ == "__main__":
    main()
