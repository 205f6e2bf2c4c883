"""Experiments in which every component that computes takes part at its smallest, and all their units in one process,
which an emulator of other CPUs can run: `python portable_runs.py NAME THREADS`, in an empty folder."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from ganflow import arithmetic

PROFILES = Path(__file__).resolve().parents[2] / "profiles"
DCGAN = {"dcgan": {"width": 4, "norm": "none", "weight_std": None}}
PARTNERS = [
    {"objective": "non_saturating"},
    {"objective": "wasserstein"},
    {"objective": "wasserstein", "constraint": "gradient_penalty"},
]
POINTS = "eight_gaussians"
TRAINING = {
    "iterations": 2,
    "batch_size": 4,
    "latent": 8,
    "journal_every": 1,
    "sample_every": 2,
    "checkpoint_every": 1,
    "grid": 2,
    "validation_images": 8,
    "ema": 0.5,
}


def quick(threads: int) -> dict[str, Any]:
    """The tiny profile's objects alone, WGAN-GP's run alone, scored by its pixels."""
    from ganflow.params_file import read_yaml

    found = read_yaml(PROFILES / "tiny.yaml")
    del found["datasets"]["rendered_bedrooms"], found["variants"]["dcgan"], found["evaluation"]["extractor"]
    found["compute"]["threads"] = threads
    found["evaluation"]["metrics"] = [{"sliced_wasserstein": {"patches": 4, "directions": 16}}]
    return found


def tiny(threads: int) -> dict[str, Any]:
    """The tiny profile with all metrics, points and studies, from the download to the report; a variant a dataset."""
    from ganflow.components import names
    from ganflow.params_file import read_yaml
    from ganflow.studies.interfaces import Study

    found = read_yaml(PROFILES / "tiny.yaml")
    images = list(found["datasets"])
    found["compute"]["threads"] = threads
    for dataset, variant in zip(images, found["variants"].values(), strict=True):
        variant["datasets"] = [dataset]
    found["evaluation"]["images"] = 20
    found["datasets"][POINTS] = points(POINTS)
    found["variants"]["points"] = gan(POINTS, side=0, network={"toy_mlp": {"width": 8}}, constraint="gradient_penalty")
    found["evaluation"]["metrics"] += [
        "duplicates",
        "manifold",
        {"kernel_distance": {"subsets": 2, "subset_size": 16}},
        {"classifier_score": {}},
        {"classes": {"components": 2}},
        "exact_em",
        "missed_modes",
        "high_quality_samples",
    ]
    return found | {"studies": [{name: smallest_counts(name)} for name in names(Study)]}


def smallest_counts(study: str) -> dict[str, Any]:
    """Settings of a study: each count as small as it may be."""
    from annotated_types import Ge

    from ganflow.components import component_class
    from ganflow.studies.interfaces import Study

    fields = component_class(Study, study, "where").model_fields.items()
    return {key: mark.ge for key, field in fields if key != "seed" for mark in field.metadata if isinstance(mark, Ge)}


def points(distribution: str, dimension: int = 2) -> dict[str, Any]:
    """A small dataset of points."""
    sampled = {"distribution": distribution, "train": 64, "validation": 32}
    return {"format": "points", "dimension": dimension, "source": {"sampled": sampled}, "shard_size": 48}


def objects(resolution: int) -> dict[str, Any]:
    """A small dataset of images, with every condition."""
    from ganflow.components import names
    from ganflow.data.interfaces import Condition

    rendered = {"train": 40, "validation": 20}
    counterpart = {"attribute": "colour", "values": ["red", "blue"]}
    conditions = [name if name != "counterpart" else {name: counterpart} for name in names(Condition)]
    about = {"format": "cifar10", "source": {"rendered": rendered}, "conditions": conditions}
    return about | {"resolution": resolution}


def gan(*datasets: str, side: int = 16, **changes: Any) -> dict[str, Any]:
    """A GAN with Adam, but for `changes`; Wasserstein and with a constraint if they need it."""
    from models import task

    from ganflow.config import Variant
    from ganflow.errors import UserError
    from ganflow.methods.tasks import method_of

    chosen = {"network": DCGAN, "optimizer": "adam"} | changes
    for partner in PARTNERS if "method" not in changes else ({},):
        with suppress(UserError):
            method_of(task(Variant.model_validate(partner | chosen), (side, side, 3) if side else (2,)))
            return partner | chosen | {"datasets": list(datasets)}
    raise AssertionError(f"no objective fits {chosen}")


def components(threads: int) -> dict[str, Any]:
    """Trainings with every method, objective, constraint, conditioning, optimizer, network family and distribution."""
    from models import methods_of, networks_of, of_a_method

    from ganflow.components import component_class, names
    from ganflow.data.interfaces import Distribution
    from ganflow.methods.components import Conditioning, Constraint, Objective
    from ganflow.methods.interfaces import Method, Optimizer
    from ganflow.networks.interfaces import Network

    variants, sides = {}, {16}
    kinds = {"objective": Objective, "constraint": Constraint, "conditioning": Conditioning, "optimizer": Optimizer}
    for key, kind in kinds.items():
        for name in names(kind):
            variants[f"{key}_{name}"] = gan("rendered_16", **{key: name})
    for name in names(Method):
        if name != "adversarial" and not networks_of(name):
            variants[f"method_{name}"] = gan("rendered_16", method=name)
    for name in names(Network):
        family = component_class(Network, name, "where")
        if family.specialised:
            side, known = min(family.resolutions), methods_of(family)
            sides.add(side)
            for method in known:  # each with one of its networks, and each network with one method
                if method == known[0] or networks_of(method)[0] == name:
                    chosen = of_a_method(name, method, side)
                    variants[f"{method}_{name}"] = gan(f"rendered_{side}", side=side, **chosen)
            continue
        settings = {"width": 4} if "width" in family.model_fields else {}
        if side := min(family(**settings).resolutions, default=0):
            sides.add(side)
        variants[f"network_{name}"] = gan(f"rendered_{side}" if side else POINTS, side=side, network={name: settings})
    datasets = {f"rendered_{side}": objects(side) for side in sorted(sides)}
    for name in names(Distribution):
        datasets[name] = points(name, component_class(Distribution, name, "where")().dimension)
        variants[f"points_{name}"] = {
            **gan(POINTS, side=0, network={"toy_mlp": {"width": 8}}, constraint="gradient_penalty"),
            "datasets": [name],
        }
    return {
        "experiment": "components",
        "seeds": [0],
        "compute": {"threads": threads, "device": "cpu"},
        "datasets": datasets,
        "variants": variants,
        "training": TRAINING,
        "evaluation": {"images": 8, "batch_size": 8, "metrics": ["sliced_wasserstein", "missed_modes"]},
    }


EXPERIMENTS = {"quick": quick, "scored": quick, "tiny": tiny, "components": components}
LEFT_OUT = {  # the metrics of components are those of `tiny`
    "components": {"extractor", "extract", "reference", "generate", "evaluate", "studies", "report"},
    "quick": {"report"},
    "scored": {"report"},
}


def commands(name: str) -> Iterator[list[str]]:
    """The stages of an experiment in an order in which they can run."""
    from ganflow import config
    from ganflow.stages.units import units

    yield ["plan"]
    for unit in units(config.load(), "cpu"):
        if unit.stage not in LEFT_OUT.get(name, ()):
            yield [unit.stage, *unit.axes]


def run(name: str, threads: int) -> None:
    """Runs an experiment in the current folder, stage by stage, without a child process if `threads` is 1.

    An emulator takes thirty times as long: parameters are parsed once, and statistics of batch norm are those of few.
    """
    arithmetic.configure(threads, "portable")
    Path("params.yaml").write_text(json.dumps(EXPERIMENTS[name](threads)))
    from ganflow import config
    from ganflow.stages.cli import main
    from ganflow.training import loop

    config.load = cache(config.load)
    loop.STATISTICS = 16
    for command in commands(name):
        if main(command):
            raise SystemExit(f"{' '.join(command)}: failed")


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))
