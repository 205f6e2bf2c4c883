"""The quickstart with more seeds: which of its lessons each seed shows, the scores of its variants beside settings that
were not chosen, and which scores put variants in the order that the eye sees.

Runs params.yaml in a clone, with RIVALS and without the study of distances, then scores the same trainings again with
EfficientNet-Lite0. Prints tables, and with --sheet draws the samples of every training.
"""

import argparse
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import yaml
from clones import TOP, clone

WORSE, BETTER = "gan_mlp", "wgan_gp_mlp"  # as the eye sees them, in every seed
RIVALS: dict[str, dict[str, Any]] = {  # what both have instead: pairs that differ in nothing but the loss
    "three_steps": {"critic_steps": 3},
    "higher_rate": {"optimizer": {"adam": {"lr": 2.0e-3, "betas": [0.5, 0.9]}}},
    "falling_rate": {"optimizer": {"adam": {"lr": 2.0e-3, "betas": [0.5, 0.9], "decay": "linear"}}},
    "two_rates": {"optimizers": {"critic": {"adam": {"lr": 2.0e-3, "betas": [0.5, 0.9]}}}},
    "longer": {"training": {"iterations": 1200}},
    "raw": {"training": {"ema": None}},
}
SHOWN = (
    "near_duplicates",
    "missed_modes",
    "missed_classes",
    "high_quality",
    "frechet",
    "sliced",
    "exact_em",
    "precision",
)


def params(seeds: int, rivals: Sequence[str]) -> dict[str, Any]:
    """params.yaml of the quickstart with more seeds, with a pair of variants for each rival, without studies."""
    chosen = yaml.safe_load((TOP / "params.yaml").read_text())
    variants = chosen["variants"]
    for rival, name in product(rivals, (WORSE, BETTER)):
        changes = RIVALS[rival]
        training = variants[name].get("training", {}) | changes.get("training", {})
        variants[f"{name}_{rival}"] = variants[name] | changes | {"training": training}
    return chosen | {"seeds": list(range(seeds)), "variants": variants, "studies": []}


def of_variants(chosen: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The experiment with some of its variants, the datasets that these are for, and the metrics that apply there."""
    from ganflow.components import component_class
    from ganflow.evaluation.interfaces import Metric

    variants = {name: chosen["variants"][name] for name in names}
    used = {name for variant in variants.values() for name in variant["datasets"]}
    datasets = {name: about for name, about in chosen["datasets"].items() if name in used}
    formats = {about["format"] for about in datasets.values()}
    lacking = "images" if formats == {"points"} else "points" if "points" not in formats else None

    def applies(metric: str | dict[str, Any]) -> bool:
        [name] = metric if isinstance(metric, dict) else [metric]
        compares = component_class(Metric, name, "evaluation.metrics").compares
        return {"features": "images"}.get(compares, compares) != lacking

    evaluation = chosen["evaluation"]
    metrics = [metric for metric in evaluation["metrics"] if applies(metric)]
    return chosen | {"variants": variants, "datasets": datasets, "evaluation": evaluation | {"metrics": metrics}}


def loaded(folder: Path) -> list[Any]:
    """The runs of the clone's experiment with their scores; names those that diverged and have none."""
    from ganflow.config import load
    from ganflow.reporting.runs import load_runs, parted

    scored, diverged = parted(load_runs(load(folder / "params.yaml"), folder / "results"))
    for run in diverged:
        print(f"{run.name}: not counted: {run.divergence.sentence}")
    return scored


def table(head: list[str], rows: list[list[str]]) -> None:
    print(f"\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def show_lessons(runs: list[Any], names: dict[str, list[str]]) -> None:
    """For each seed alone, which lessons the variants of the quickstart, or of a rival, show."""
    from ganflow.reporting.lessons import lessons_of

    rows, sentences = [], []
    for settings, variants in names.items():
        own = [run for run in runs if run.variant in variants]
        seeds = sorted({run.seed for run in own})
        found = {seed: lessons_of([run for run in own if run.seed == seed], {}) for seed in seeds}
        for name, title in {lesson.name: lesson.title for lessons in found.values() for lesson in lessons}.items():
            shown = [lesson.shown for lessons in found.values() for lesson in lessons if lesson.name == name]
            rows.append([settings, title, f"{sum(shown)} of {len(shown)}"])
        for seed, lessons in found.items():
            sentences += [f"{settings}, seed {seed}, {lesson.name}: {lesson.sentence}" for lesson in lessons]
    table(["settings", "lesson", "seeds that show it"], rows)
    print("", *sentences, sep="\n")


def show_scores(runs: list[Any]) -> None:
    """Mean, deviation and range over seeds of the scores of each variant, and those of held-out real samples."""
    from ganflow.reporting.charts import by_variant

    for dataset in dict.fromkeys(run.dataset for run in runs):
        mine = by_variant(run for run in runs if run.dataset == dataset)
        first = next(iter(mine.values()))[0].score
        names = [name for name in first["order"] if name.startswith(SHOWN)]
        rows = []
        for variant, seeds in mine.items():
            values = [[run.score["scores"][name] for run in seeds] for name in names]
            rows.append([variant, *(spread(found) for found in values)])
        for check, about in first["checks"].items():
            rows.append([check, *(f"{about['scores'].get(name, float('nan')):.4g}" for name in names)])
        table([f"{dataset}, {len(next(iter(mine.values())))} seeds", *names], rows)


def spread(values: list[float]) -> str:
    """Mean, sample deviation and range."""
    if len(values) == 1:
        return f"{values[0]:.4g}"
    return f"{mean(values):.4g} ± {stdev(values):.2g} ({min(values):.4g} to {max(values):.4g})"


def orders(runs: list[Any], extractor: str) -> list[list[str]]:
    """For each score: in how many seeds the better variant of the eye is better, and within the scale."""
    rows = []
    scored = {(run.variant, run.seed): run.score for run in runs if run.variant in (WORSE, BETTER)}
    seeds = sorted({seed for _, seed in scored})
    for name in scored[BETTER, seeds[0]]["order"]:
        direction = scored[BETTER, seeds[0]]["better"][name]
        sign = 1 if direction == "lower" else -1
        pairs = [[sign * scored[variant, seed]["scores"][name] for variant in (BETTER, WORSE)] for seed in seeds]
        checks = scored[BETTER, seeds[0]]["checks"].values()
        worst = max(sign * check["scores"][name] for check in checks)
        agree, within = sum(a < b for a, b in pairs), sum(a < worst for a, _ in pairs)
        apart = max(a for a, _ in pairs) < min(b for _, b in pairs)
        rows.append(
            [extractor, name, f"{agree} of {len(seeds)}", "yes" if apart else "no", f"{within} of {len(seeds)}"]
        )
    return rows


def sheet(runs: list[Any], path: Path) -> None:
    """The last samples of every training: a row for each variant and a column for each seed."""
    from PIL import Image

    from ganflow.reporting.charts import by_variant

    rows = [[Image.open(run.samples[-1][1]).convert("RGB") for run in seeds] for seeds in by_variant(runs).values()]
    side = max(picture.width for row in rows for picture in row) + 8
    whole = Image.new("RGB", (side * len(rows[0]), side * len(rows)), "white")
    for down, row in enumerate(rows):
        for across, picture in enumerate(row):
            whole.paste(picture, (side * across, side * down))
    whole.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="default: 5")
    parser.add_argument("--cores", type=int, default=2, help="of Snakemake (default: 2)")
    parser.add_argument("--resolutions", type=int, nargs="*", default=[64], help="of EfficientNet-Lite0 (default: 64)")
    parser.add_argument("--rivals", nargs="*", choices=RIVALS, default=list(RIVALS), help="default: all")
    parser.add_argument(
        "--variants",
        nargs="+",
        help=f"which of the quickstart's to run, {WORSE} and {BETTER} among them (default: all)",
    )
    parser.add_argument("--iterations", type=int, help="of every training (default: the quickstart's)")
    parser.add_argument("--images", type=int, help="for training, of each dataset (default: the quickstart's)")
    parser.add_argument("--folder", type=Path, help="a new folder to run in, which is kept (default: a temporary one)")
    parser.add_argument("--sheet", type=Path, help="where to draw all samples (default: nowhere)")
    options = parser.parse_args()
    from measuring import machine

    own = options.variants or list(params(1, [])["variants"])
    names = {"the quickstart's": own} | {rival: [f"{WORSE}_{rival}", f"{BETTER}_{rival}"] for rival in options.rivals}
    chosen = of_variants(params(options.seeds, options.rivals), [name for group in names.values() for name in group])
    for part in [chosen, *chosen["variants"].values()] if options.iterations else ():
        part["training"] = part.get("training", {}) | {"iterations": options.iterations}
    for dataset in chosen["datasets"].values() if options.images else ():
        dataset["source"] = {kind: about | {"train": options.images} for kind, about in dataset["source"].items()}
    with tempfile.TemporaryDirectory(prefix="ganflow-benchmark-") as place:
        folder = options.folder or Path(place) / "clone"
        shell = clone(folder, yaml.safe_dump(chosen, sort_keys=False))
        shell(f"snakemake --cores {options.cores} --quiet all")
        runs = loaded(folder)
        show_lessons(runs, names)
        show_scores(runs)
        if options.sheet:
            sheet(runs, options.sheet)
        [(extractor, settings)] = chosen["evaluation"]["extractor"].items()
        rows = orders(runs, f"{extractor} at {settings['resolution']}")
        chosen = of_variants(chosen, [WORSE, BETTER])
        for resolution in options.resolutions:
            chosen["evaluation"]["extractor"] = {"efficientnet_lite0": {"resolution": resolution}}
            (folder / "params.yaml").write_text(yaml.safe_dump(chosen, sort_keys=False))
            shell(f"python -m ganflow runs && snakemake --cores {options.cores} --quiet all")
            rows += orders(loaded(folder), f"efficientnet_lite0 at {resolution}")
    table(["extractor", "score", f"{BETTER} before {WORSE}", "ranges apart", "within the scale"], rows)
    machine(("torch",), chosen["compute"]["threads"])


if __name__ == "__main__":
    main()
