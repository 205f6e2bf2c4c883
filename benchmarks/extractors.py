"""Extractors: how well and how fast their Frechet distance ranks known degradations of held-out images.

The floor of a candidate is the distance between features of n training images and of several disjoint sets of n
held-out ones. The first set is degraded with increasing strength. Each step should increase the distance: it counts as
correct, wrong (a decrease), or hidden (a change within two standard deviations of the floor). The resolving power is
the increase at the weakest strength in those standard deviations.
"""

import argparse
import io
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from measuring import machine, workplace
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, interpolate, relu

from ganflow.data import SPLITS
from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.interfaces import Format
from ganflow.data.reader import Shards
from ganflow.data.sources.rendered import Rendered
from ganflow.data.writing import write_shards
from ganflow.evaluation.extraction import extract
from ganflow.evaluation.extractors.efficientnet_lite0 import EfficientNetLite0
from ganflow.evaluation.interfaces import Samples
from ganflow.evaluation.metrics.frechet_distance import FrechetDistance
from ganflow.evaluation.sample_sets import real_labels, real_samples
from ganflow.randomness import generator

EPOCHS, BATCH, RATE, WIDTH = 4, 64, 0.1, 16  # of the small classifier
TRAINING = 15  # times as many images as a set has, for the classifier

# ---- degradations of images, uint8 (n, 3, H, W), by a strength


def blurred(images: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """`sigma` in pixels of an image of 32."""
    scaled = sigma * images.shape[-1] / 32
    return _rounded(gaussian_filter(images.astype(np.float32), (0, 0, scaled, scaled)))


def noisy(images: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """`deviation` in levels of 255."""
    return _rounded(images + deviation * rng.standard_normal(images.shape, np.float32))


def compressed(images: np.ndarray, quality: int, rng: np.random.Generator) -> np.ndarray:
    def once(image: np.ndarray) -> np.ndarray:
        packed = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(packed, "JPEG", quality=quality)
        return np.asarray(Image.open(packed)).transpose(2, 0, 1)

    return np.stack([once(image) for image in images])


def peppered(images: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Sets a share of the pixels to black or white."""
    draw = rng.random((len(images), 1, *images.shape[2:]))
    return np.where(draw < share / 2, 0, np.where(draw < share, 255, images)).astype(np.uint8)


def covered(images: np.ndarray, part: float, rng: np.random.Generator) -> np.ndarray:
    """A grey square at a random position; `part`: its side relative to the image's."""
    side, made = round(part * images.shape[-1]), images.copy()
    for image in made:
        top, left = rng.integers(images.shape[-1] - side + 1, size=2)
        image[:, top : top + side, left : left + side] = 127
    return made


def faded(images: np.ndarray, kept: float, rng: np.random.Generator) -> np.ndarray:
    """Reduces the saturation to the share `kept`."""
    grey = images.mean(1, keepdims=True)
    return _rounded(grey + kept * (images - grey))


def _rounded(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


PIXELS: dict[str, tuple[Callable, tuple[float, ...]]] = {  # degradations of single images, with increasing strength
    "blur": (blurred, (0.3, 0.5, 0.8, 1.2)),
    "noise": (noisy, (2, 5, 10, 20)),
    "JPEG": (compressed, (95, 80, 50, 20)),
    "salt and pepper": (peppered, (0.002, 0.01, 0.03, 0.1)),
    "covered": (covered, (0.125, 0.25, 0.375, 0.5)),
    "faded": (faded, (0.9, 0.75, 0.5, 0)),
}
REPEATS = (2, 4, 16)  # copies of each image, for collapse
CLASSES = (0.7, 0.5, 0.2)  # shares of the classes that are kept, averaged over ORDERS orders of removal
ORDERS = 8
SEEN = 2  # standard deviations of the floor

# ---- images


@dataclass
class Pool:
    """Training images of a dataset, and held-out ones."""

    about: str
    train: Samples
    held: Samples


def pool_of(form: Format, raw: Path, side: int, about: str) -> Pool:
    """Reads the samples from shards. Splits without labels are joined and halved, as their sizes may differ much."""
    parts = []
    for split in SPLITS:
        known = {"dataset": "pool", "split": split, "shape": (side, side, 3), "shard_size": 10_000}
        write_shards(form.samples(raw, split), raw / split, classes=form.classes(raw), **known)
        shards = Shards(raw / split)
        every = np.arange(shards.count)
        parts.append(Samples(values=real_samples(shards, every), labels=real_labels(shards, every)))
    form.discard(raw)
    train, held = parts
    if "labels" not in train.known:
        every = torch.cat([train.values, held.values])
        train, held = (Samples(values=half) for half in every.split((len(every) + 1) // 2))
    return Pool(f"{about}, {side} px", train, held)


def labelled(raw: Path, archive: Path | None, images: int, draws: int) -> Pool:
    """CIFAR-10, or rendered objects."""
    raw.mkdir()
    if archive:
        shutil.copy(archive, raw / Cifar10.archives[0].name)
        return pool_of(Cifar10(), raw, 32, "CIFAR-10")
    Rendered(train=TRAINING * images, validation=draws * images).provide(Cifar10(), raw)
    return pool_of(Cifar10(), raw, 32, "Rendered objects")


def unlabelled(raw: Path, archives: Path | None, images: int, draws: int) -> Pool:
    """Photographs of bedrooms, or rendered ones."""
    raw.mkdir()
    if archives:
        for archive in LsunBedroom.archives:
            shutil.copy(archives / archive.name, raw)
        return pool_of(LsunBedroom(), raw, 64, "Bedroom photographs")
    Rendered(train=draws * images, validation=draws * images).provide(LsunBedroom(), raw)
    return pool_of(LsunBedroom(), raw, 64, "Rendered bedrooms")


# ---- candidates


class Classifier(nn.Module):
    """A small residual network on 32 pixels; features (n, 8 WIDTH) and logits (n, k) of images, uint8 (n, 3, H, W)."""

    def __init__(self, classes: int):
        super().__init__()
        widths = [WIDTH, 2 * WIDTH, 4 * WIDTH, 8 * WIDTH]
        self.stem = self._layer(3, WIDTH)
        self.wider = nn.ModuleList(self._layer(few, many) for few, many in zip(widths, widths[1:], strict=False))
        self.beside = nn.ModuleList(self._layer(many, many) for many in widths[1:])
        self.head = nn.Linear(widths[-1], classes)

    @staticmethod
    def _layer(few: int, many: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(few, many, 3, padding=1, bias=False), nn.BatchNorm2d(many), nn.ReLU())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        values = images.float()
        if images.shape[-1] != 32:
            values = interpolate(values, (32, 32), mode="bilinear", align_corners=False, antialias=True)
        values = self.stem(values / 64 - 2)
        for wider, beside in zip(self.wider, self.beside, strict=True):
            values = nn.functional.max_pool2d(wider(values), 2)
            values = values + relu(beside(values))
        features = values.mean((2, 3))
        return features, self.head(features)


def trained(samples: Samples) -> nn.Module:
    """The classifier after EPOCHS with flips and shifts; stochastic gradient descent, one cycle of rates."""
    torch.manual_seed(0)
    network = Classifier(int(samples.labels.max()) + 1).to(memory_format=torch.channels_last)
    steps = EPOCHS * (len(samples) // BATCH)
    optimizer = torch.optim.SGD(network.parameters(), RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    padded = nn.functional.pad(samples.values, (2, 2, 2, 2))
    for epoch in range(EPOCHS):
        rng = generator(0, "classifier", epoch)
        for chosen in torch.from_numpy(rng.permutation(len(samples))).split(BATCH)[: len(samples) // BATCH]:
            top, left = rng.integers(5, size=2)
            batch = padded[chosen, :, top : top + 32, left : left + 32]
            batch = batch.flip(3) if rng.random() < 0.5 else batch
            loss = cross_entropy(network(batch)[1], samples.labels[chosen], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


class Thumbnails(nn.Module):
    """The naive baseline: means over 8 x 8 squares of the image are its features; no logits."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = adaptive_avg_pool2d(images.float(), 8).flatten(1)
        return features, features[:, :0]


# ---- measurement


@dataclass
class Measured:
    """Of one candidate: the floor of each draw, the scores of the first and of its degradations, images a second."""

    floor: list[float]
    scores: dict[str, list[float]]
    rate: float
    dimension: int

    def rises(self, name: str) -> list[float]:
        """Of each step, from the draw as it is to the greatest strength, in standard deviations of the floor."""
        spread = statistics.stdev(self.floor)
        return [
            (after - before) / spread for before, after in zip(self.scores[name], self.scores[name][1:], strict=False)
        ]

    def row(self) -> list[str]:
        """What the summary says of it."""
        steps = [rise for name in self.scores for rise in self.rises(name)]
        told, wrong = sum(rise > SEEN for rise in steps), sum(rise < -SEEN for rise in steps)
        order = min(spearmanr(range(len(scores)), scores).statistic for scores in self.scores.values())
        power = statistics.median(self.rises(name)[0] for name in self.scores)
        floor = f"{statistics.mean(self.floor):.4g} +- {statistics.stdev(self.floor):.2g}"
        counts = [f"{told} of {len(steps)}", f"{wrong}", f"{len(steps) - told - wrong}"]
        return [f"{self.dimension:,}", *counts, f"{order:.2g}", f"{power:.3g}", floor, f"{self.rate:,.0f}"]


def degraded(first: Samples) -> dict[str, list[Samples]]:
    """Images by degradation and strength."""
    return {
        name: [
            Samples(values=torch.from_numpy(change(first.values.numpy(), strength, generator(0, name, step))))
            for step, strength in enumerate(strengths)
        ]
        for name, (change, strengths) in PIXELS.items()
    }


def measured(network: nn.Module, pool: Pool, worse: dict[str, list[Samples]], count: int, draws: int) -> Measured:
    """All scores of one candidate; features are reused for sets with repeated or omitted images."""
    seen, began = 0, time.perf_counter()

    def features(samples: Samples) -> Samples:
        nonlocal seen
        seen += len(samples)
        return Samples(features=extract(network, samples.values, "features")[0], labels=samples.known.get("labels"))

    real = features(pool.train.take(slice(count)))
    held = features(pool.held.take(slice(draws * count)))
    made = {name: [features(samples) for samples in steps] for name, steps in worse.items()}
    rate = seen / (time.perf_counter() - began)

    metric = FrechetDistance()
    prepared = metric.prepare(real)

    def distance(samples: Samples) -> float:
        return metric.score(prepared, real, samples)["frechet_distance"]

    floor = [distance(held.take(slice(draw * count, (draw + 1) * count))) for draw in range(draws)]
    first = held.take(slice(count))
    made["collapse"] = [first.take(torch.arange(count) // times * times) for times in REPEATS]
    scores = {name: [floor[0], *(distance(samples) for samples in steps)] for name, steps in made.items()}
    if "labels" in held.known:
        left = [[distance(few) for few in losing(held, count, order)] for order in range(ORDERS)]
        scores["classes lost"] = [floor[0], *(statistics.mean(step) for step in zip(*left, strict=True))]
    return Measured(floor, scores, rate, real.features.shape[1])


def losing(held: Samples, count: int, order: int) -> list[Samples]:
    """Sets of equal size with fewer and fewer classes."""
    classes = int(held.labels.max()) + 1
    ranks = torch.from_numpy(generator(0, "classes lost", order).permutation(classes))[held.labels]
    kept = [held.take(ranks < round(share * classes)) for share in CLASSES]
    return [few.take(torch.arange(count) % len(few)) for few in kept]


def compare(candidates: dict[str, nn.Module], pool: Pool, images: int, draws: int) -> None:
    """Measures every candidate on a pool and prints the tables."""
    count = min(images, len(pool.held) // draws)
    worse = degraded(pool.held.take(slice(count)))
    found = {name: measured(network, pool, worse, count, draws) for name, network in candidates.items()}
    print(f"\n{pool.about}: n = {count:,}, floor of {draws} draws\n")
    columns = ["what", "features", "steps ranked", "wrong", "hidden", "worst rank correlation", "resolving power"]
    show([*columns, "floor", "images/s"], [[name, *here.row()] for name, here in found.items()])
    print("\nRises, step by step, in standard deviations of the floor:\n")
    names = list(next(iter(found.values())).scores)
    show(
        ["what", *names],
        [[c, *(", ".join(f"{rise:.2g}" for rise in here.rises(n)) for n in names)] for c, here in found.items()],
    )


def show(columns: list[str], rows: list[list[str]]) -> None:
    """Prints a table."""
    print(*(f"| {' | '.join(row)} |" for row in (columns, ["---", *["---:"] * (len(columns) - 1)], *rows)), sep="\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000, help="images of a set (default: 1000)")
    parser.add_argument("--rounds", type=int, default=5, help="disjoint draws of held-out images (default: 5)")
    parser.add_argument(
        "--resolutions", type=int, nargs="+", default=[64, 96, 128], help="of EfficientNet-Lite0 (default: 64 96 128)"
    )
    parser.add_argument("--cifar10", type=Path, help="archive of CIFAR-10's format (absent: rendered objects)")
    parser.add_argument("--bedrooms", type=Path, help="folder of the archives of LSUN's format (absent: rendered)")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    draws = max(2, options.rounds)
    with workplace() as folder:
        objects = labelled(folder / "objects", options.cifar10, options.images, draws)
        began = time.perf_counter()
        classifier = trained(objects.train)
        took = time.perf_counter() - began
        logits = extract(classifier, objects.held.values, "classes")[1]
        right = float((logits.argmax(1) == objects.held.labels).double().mean())
        print(f"The classifier: {len(objects.train):,} images, {took:.0f} s, {right:.1%} of held-out ones right")

        weights = folder / "weights"
        candidates: dict[str, nn.Module] = {"thumbnails": Thumbnails(), "classifier": classifier}
        for resolution in options.resolutions:
            extractor = EfficientNetLite0(resolution=resolution)
            extractor.provide(weights)
            candidates[f"EfficientNet-Lite0, {resolution} px"] = extractor.network(weights)
        compare(candidates, objects, options.images, draws)
        compare(
            candidates, unlabelled(folder / "bedrooms", options.bedrooms, options.images, draws), options.images, draws
        )
        machine()


if __name__ == "__main__":
    main()
