"""Trainings on small data in memory or in shards, and kills: what tests of the loop and of every component share."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from models import CONDITIONS, stored
from PIL import Image

from ganflow.config import Training, Variant
from ganflow.data.interfaces import Sample
from ganflow.data.reader import Shards
from ganflow.data.scenes import objects
from ganflow.data.writing import write_shards
from ganflow.methods.interfaces import Data, Task
from ganflow.methods.tasks import method_of
from ganflow.training import loop
from ganflow.training.loop import Trainer
from ganflow.training.state import State

PLAIN = {"dcgan": {"width": 4, "norm": "none", "weight_std": None}}
NORMALISED = {"dcgan": {"width": 4}}
RESNET = {"resnet": {"width": 4}}
BOOSTED = {"steps": 2, "boost": 4, "boost_first": 2, "boost_every": 5}

Splits = tuple[Shards, Shards]


@pytest.fixture(autouse=True)
def few_statistics(monkeypatch) -> None:
    """Batch-norm statistics of averages by four batches of `settings` instead of 171: for modules that import this, of
    which none asks how good they are."""
    monkeypatch.setattr(loop, "STATISTICS", 24)


def plain(**changes) -> Variant:
    """A DCGAN without normalisation whose critic has more steps at iterations 0, 1 and 5."""
    chosen = {"network": PLAIN, "objective": "non_saturating", "optimizer": "adam", "critic_steps": BOOSTED}
    return Variant.model_validate(chosen | changes)


VARIANTS = {
    "dcgan": plain(network=NORMALISED),
    "wgan": plain(network=NORMALISED, objective="wasserstein", constraint="weight_clipping", optimizer="rmsprop"),
    "wgan_gp": plain(objective="wasserstein", constraint="gradient_penalty"),
    "ac_gan": plain(
        network=RESNET,
        objective="wasserstein",
        constraint="gradient_penalty",
        conditioning="auxiliary",
        optimizer={"adam": {"lr": 1e-3, "decay": "linear"}},
        training={"dequantise": True, "generator_batch": 2},
    ),
    "two_families": plain(critic_network={"mlp": {"width": 4}}, constraint="spectral_norm"),
    "both_normalised": plain(constraint="spectral_norm", generator_constraint="spectral_norm"),
    "concat": plain(network=NORMALISED, conditioning="concat"),
    "auxiliary": plain(network=NORMALISED, conditioning="auxiliary"),
    "vae": Variant(network=NORMALISED, method={"vae": {"deviation": 0.5}}, optimizer="adam"),
    "ebgan": Variant(network=PLAIN, method={"ebgan": {"margin": 25.0, "pulling_away": 0.1}}, optimizer="adam"),
    "mdgan": Variant(network=NORMALISED, method="mdgan", optimizer="adam"),
    "infogan": Variant(network=NORMALISED, method={"infogan": {"categories": 3}}, optimizer="adam"),
    "began": Variant(network=PLAIN, method={"began": {"gamma": 1.0, "rate": 0.1}}, optimizer="adam"),
}


def settings(**changes) -> Training:
    """Eight iterations with a moving average."""
    small = {"iterations": 8, "batch_size": 6, "latent": 5, "journal_every": 2, "sample_every": 3, "grid": 2}
    return Training.model_validate(small | {"checkpoint_every": 2, "ema": 0.9} | changes)


def drawing(index: int) -> Image.Image:
    """A rendered object."""
    return objects.render(0, index)[1]


def write_splits(folder: Path) -> dict[int, Splits]:
    """Training and held-out shards of rendered objects in three classes by their resolution, and under 0 of points in
    the plane."""
    found = {}
    for resolution in (16, 32, 0):
        for split, count in (("train", 40), ("validation", 10)):
            about = {"dataset": "d", "split": split, "shard_size": 16, "classes": ("car", "boat", "cat")}
            if resolution:
                made = [Sample(f"{i:08d}", partial(drawing, i), i % 3) for i in range(count)]
                write_shards(
                    made,
                    folder / str(resolution) / split,
                    shape=(resolution, resolution, 3),
                    conditions=CONDITIONS,
                    **about,
                )
            else:
                points = stored(count, (2,))
                made = [Sample(f"{i:08d}", partial(np.asarray, point), i % 3) for i, point in enumerate(points)]
                write_shards(made, folder / "0" / split, shape=(2,), **about)
        found[resolution] = tuple(Shards(folder / str(resolution) / split) for split in ("train", "validation"))
    return found


def trainer(
    splits: Splits, variant: Variant, training: Training | None = None, seed: int = 0, device: str = "cpu"
) -> Trainer:
    """The trainer of a variant on these shards."""
    merged = Training.model_validate((training or settings()).model_dump() | variant.training)
    train, held_out = splits
    conditions = CONDITIONS if len(train.shape) == 3 else {}
    asked = Task("v", variant, merged, train.shape, bool(train.classes), "datasets.d", conditions)
    model = method_of(asked).build(asked, Data(len(train.classes), train.first), seed, device)
    header = {"shape": list(train.shape), "latent": model.latent, "classes": model.classes}
    header |= {"dataset": "d", "variant": "v", "seed": seed}
    return Trainer("v", model, merged, seed, device, train, held_out, header)


def result(work: Trainer, folder: Path, state: State) -> dict:
    """All that a training leaves, comparable by ==: weights, averages, state, grids, snapshots and journal."""
    weights = {key: module.state_dict() for key, module in (work.model.modules | work.exported()).items()}
    weights["state"] = dict(work.model.state)
    bits = {f"{k}/{n}": t.numpy().tobytes() for k, tensors in weights.items() for n, t in tensors.items()}
    kinds = ("samples", "snapshots", "grids")
    files = {str(f.relative_to(folder)): f.read_bytes() for kind in kinds for f in (folder / kind).glob("*")}
    return {"weights": bits, "files": files, "journal": json.dumps(state.journal, sort_keys=True)}


class Killed(BaseException):
    """The end of a process, as its step sees it."""


def kill_after(make, folder: Path, steps: int) -> None:
    """Runs what `make()` gives, killed after so many steps of players."""
    step, left = Trainer.step, iter(range(steps))

    def killed(self, *arguments):
        if next(left, None) is None:
            raise Killed
        return step(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", killed)
        with pytest.raises(Killed):
            make().run(folder)


def run_killed(make, folder: Path, kills: tuple[int, ...]) -> tuple[Trainer, State]:
    """Runs what `make()` gives, killed after so many steps of players each time, and then to its end."""
    for steps in kills:
        kill_after(make, folder, steps)
    resumed = make()
    return resumed, resumed.run(folder)
