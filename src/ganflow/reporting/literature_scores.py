"""Published scores with the protocols that their sources state."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ganflow.config import Dataset
from ganflow.reporting.literature import PublishedScore

Numbers = dict[str, tuple[float, ...]]  # {score: (value, deviation)}


def _each(common: PublishedScore, *rows: tuple[str, str, Numbers]) -> Iterator[PublishedScore]:
    """Yields one entry per score of each (method, kind, numbers) of a source with one protocol."""
    for method, kind, numbers in rows:
        for score, (value, *deviation) in numbers.items():
            found = replace(common, method=method, kind=kind, score=score, value=value)
            yield replace(found, deviation=deviation[0] if deviation else None)


def _protocol(dataset: str, source: str, images: int | None = None, **facts: Any) -> PublishedScore:
    return PublishedScore(dataset, "", "", 0, None, source, images=images, **facts)


PAPER = _protocol("cifar10", "Gulrajani et al., arXiv 1704.00028, table 3", 50_000, extractor="TensorFlow", splits=10)
MIMICRY = _protocol("cifar10", "torch-mimicry, README", 50_000, real_images=50_000, extractor="TensorFlow")
COLLECTIONS = _protocol("cifar10", "pytorch-gan-collections, README", 50_000, split="train")
STUDIO = _protocol(
    "cifar10", "PyTorch-StudioGAN, benchmark table", 50_000, split="train", chosen="best", extractor="StudioGAN's"
)
LOGS = _protocol(
    "cifar10", "PyTorch-StudioGAN, logs of 2020", 10_000, split="test", chosen="final", extractor="StudioGAN's"
)
CHECKPOINT = _protocol("cifar10", "mmgeneration, configs/sngan_proj: one checkpoint, two pipelines")
LSUN = _protocol(
    "lsun_bedroom", "torch-mimicry, README", 50_000, real_images=50_000, extractor="TensorFlow", resolution=128
)
MMGENERATION = _protocol("lsun_bedroom", "mmgeneration, configs", 50_000, extractor="mmgeneration's", resolution=64)

PUBLISHED = (
    *_each(PAPER, ("WGAN-GP, ResNet", "wgan_gp", {"inception_score": (7.86, 0.07)})),
    *_each(
        replace(PAPER, conditional=True),
        ("WGAN-GP, ResNet, conditional (AC-GAN)", "wgan_gp", {"inception_score": (8.42, 0.10)}),
    ),
    *_each(
        replace(MIMICRY, split="train"),
        ("WGAN-GP, ResNet", "wgan_gp", {"inception_score": (7.33, 0.02), "fid": (22.29, 0.06), "kid": (0.0204,)}),
    ),
    *_each(
        MIMICRY,
        ("WGAN-GP, by TTUR's paper, after 53,000 iterations", "wgan_gp", {"fid": (29.3,)}),
        ("WGAN-GP, reproduced", "wgan_gp", {"fid": (26.08, 0.12)}),
        ("SNGAN", "", {"inception_score": (7.97,), "fid": (16.77,)}),
        ("SSGAN", "", {"inception_score": (8.17,), "fid": (14.65,)}),
    ),
    *_each(replace(MIMICRY, images=10_000, real_images=10_000), ("DCGAN, reproduced", "gan", {"fid": (28.95, 0.42)})),
    *_each(
        replace(MIMICRY, conditional=True), ("cGAN-PD, conditional", "", {"inception_score": (8.25,), "fid": (10.84,)})
    ),
    *_each(
        COLLECTIONS,
        ("DCGAN", "gan", {"inception_score": (6.01, 0.05), "fid": (42.72,)}),
        ("WGAN, CNN", "wgan", {"inception_score": (6.62, 0.09), "fid": (40.03,)}),
        ("WGAN-GP, CNN, flips", "wgan_gp", {"inception_score": (7.66, 0.10), "fid": (19.83,)}),
        ("WGAN-GP, ResNet, flips", "wgan_gp", {"inception_score": (7.95, 0.14), "fid": (16.95,)}),
        ("SNGAN, CNN, flips", "", {"inception_score": (7.84,), "fid": (17.81,)}),
        ("SNGAN, ResNet, flips", "", {"inception_score": (8.31,), "fid": (14.32,)}),
    ),
    *_each(
        STUDIO,
        ("DCGAN", "gan", {"inception_score": (6.11,), "fid": (48.29,)}),
        ("LSGAN", "lsgan", {"inception_score": (6.55,), "fid": (40.22,)}),
        ("WGAN", "wgan", {"inception_score": (3.59,), "fid": (107.68,)}),
        ("WGAN-GP", "wgan_gp", {"inception_score": (5.22,), "fid": (53.98,)}),
        ("DRAGAN", "", {"inception_score": (6.59,), "fid": (34.69,)}),
    ),
    *_each(
        replace(STUDIO, conditional=True), ("ACGAN, conditional", "", {"inception_score": (7.19,), "fid": (33.39,)})
    ),
    *_each(
        LOGS,
        ("WGAN-GP", "wgan_gp", {"inception_score": (7.46,), "fid": (29.46,)}),
        ("WGAN", "wgan", {"inception_score": (2.55,), "fid": (164.1,)}),
        ("DCGAN", "gan", {"inception_score": (4.09,), "fid": (137.4,)}),
    ),
    *_each(
        replace(LOGS, chosen="best"),
        ("WGAN-GP", "wgan_gp", {"fid": (25.85,)}),
        ("WGAN", "wgan", {"fid": (159.09,)}),
        ("DCGAN", "gan", {"fid": (49.03,)}),
    ),
    *_each(
        replace(CHECKPOINT, extractor="StudioGAN's"), ("SNGAN", "", {"inception_score": (8.677,), "fid": (13.248,)})
    ),
    *_each(
        replace(CHECKPOINT, extractor="mmgeneration's"), ("SNGAN", "", {"inception_score": (9.372,), "fid": (10.201,)})
    ),
    *_each(
        LSUN,
        ("SNGAN", "", {"inception_score": (2.30,), "fid": (25.87,)}),
        ("SSGAN", "", {"inception_score": (2.12,), "fid": (12.02,)}),
        ("InfoMax-GAN", "", {"inception_score": (2.22,), "fid": (12.13,)}),
    ),
    *_each(MMGENERATION, ("LSGAN", "lsgan", {"fid": (30.74,)}), ("GGAN, hinge loss", "", {"fid": (85.66,)})),
    *_each(replace(MMGENERATION, resolution=128), ("LSGAN", "lsgan", {"fid": (51.55,)})),
)


def literature_for(dataset: Dataset) -> list[PublishedScore]:
    """The published scores for a dataset; none for a synthetic one of the same format."""
    if dataset.source.name == "rendered":
        return []
    return [one for one in PUBLISHED if (one.dataset, one.resolution) == (dataset.format, dataset.resolution)]
