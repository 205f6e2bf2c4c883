"""Scores of translations: what is translated, against what, and by which metrics."""

import math

import numpy as np
import pytest
import torch
from models import of_a_method, variant
from torch import nn
from trainings import few_statistics as few_statistics  # a fixture that every test here uses
from trainings import settings, trainer, write_splits

from ganflow.config import Choice, Evaluation
from ganflow.errors import UserError
from ganflow.evaluation.generated_samples import Given, evaluation_samples, given_to, scores_distributions
from ganflow.evaluation.interfaces import Samples
from ganflow.evaluation.metrics.translation_error import TranslationError
from ganflow.evaluation.suite import MetricSuite
from ganflow.reporting.generator_model import GeneratorModel
from ganflow.training.weights import load_generator

EDGES = {"translation": {"source": "edges", "target": "samples", "where": {}}}
CARS = {"translation": {"source": "samples", "target": "", "where": {"class": "car"}}}


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("shards"))[16]


@pytest.fixture(scope="module")
def weights(splits, tmp_path_factory):
    """The weights of a translator from edges after two iterations."""
    folder = tmp_path_factory.mktemp("weights")
    chosen = variant(**of_a_method("unet", "pix2pix", 16))
    work = trainer(splits, chosen, settings(iterations=2, ema=None))
    work.run(folder)
    work.save(folder / "generator.safetensors", "generator", 2)
    return folder / "generator.safetensors"


class Same(nn.Module):
    """Returns the images that it is given."""

    def forward(self, latent, images):
        return images.expand(-1, 3, -1, -1)


def about(translation: dict, latent: int = 0) -> dict:
    return translation | {"latent": latent, "seed": 0, "classes": 0, "iteration": 1}


def evaluation(images: int, *metrics: str) -> Evaluation:
    chosen = {"images": images, "batch_size": 3, "metrics": list(metrics) or ["translation_error"]}
    return Evaluation.model_validate(chosen)


def test_held_out_images_are_translated_in_their_order(splits):
    held_out = splits[1]
    given = Given(EDGES, held_out, "cpu")
    assert given.count == held_out.count == 10
    samples = evaluation_samples(evaluation(100), Same(), about(EDGES), "cpu", given=given)
    edges = held_out.images("edges", np.arange(10)).repeat(3, axis=3).transpose(0, 3, 1, 2)
    assert np.array_equal(samples.numpy(), edges)
    assert np.array_equal(given.targets(4).numpy(), held_out.samples(np.arange(4)).transpose(0, 3, 1, 2))
    assert torch.equal(given.at(8, 4), given.at(0, 10)[[8, 9, 0, 1]])


def test_of_a_domain_only_its_images_are_translated(splits):
    given = Given(CARS, splits[1], "cpu")
    samples = evaluation_samples(evaluation(100), Same(), about(CARS), "cpu", given=given)
    cars = splits[1].samples(np.flatnonzero(splits[1].labels(np.arange(10)) == 0))
    assert np.array_equal(samples.numpy(), cars.transpose(0, 3, 1, 2)) and given.count == 4
    with pytest.raises(UserError, match="no sample has the class 'dog'; choose of: car, boat, cat"):
        Given({"translation": CARS["translation"] | {"where": {"class": "dog"}}}, splits[1], "cpu")


def test_translations_are_compared_with_the_data_only_if_they_are_as_many_and_of_all_of_it(splits):
    everything, cars = (Given(which, splits[1], "cpu") for which in (EDGES, CARS))
    assert scores_distributions(None, evaluation(1000))
    assert scores_distributions(everything, evaluation(10)) and not scores_distributions(everything, evaluation(11))
    assert not scores_distributions(cars, evaluation(4))


def test_the_suite_has_the_metrics_that_apply(tmp_path):
    chosen = evaluation(10, "sliced_wasserstein", "translation_error")
    both = MetricSuite(chosen, tmp_path, False, translations=True)
    assert [*both.metrics] == ["sliced_wasserstein", "translation_error"]
    assert [*MetricSuite(chosen, tmp_path, False).metrics] == ["sliced_wasserstein"]
    assert [*MetricSuite(chosen, tmp_path, False, distributions=False, translations=True).metrics] == [
        "translation_error"
    ]


def test_the_error_of_translations_image_by_image():
    draw = np.random.default_rng(0)
    one, other = draw.integers(0, 256, (2, 5, 3, 4, 6), dtype=np.uint8)
    found = TranslationError().score({}, Samples(), Samples(torch.from_numpy(one), targets=torch.from_numpy(other)))
    errors, ratios = [], []
    for image, target in zip(one.tolist(), other.tolist(), strict=True):
        pairs = list(zip(np.ravel(image).tolist(), np.ravel(target).tolist(), strict=True))
        errors.append(sum(abs(a - b) for a, b in pairs) / len(pairs))
        ratios.append(20 * math.log10(255) - 10 * math.log10(sum((a - b) ** 2 for a, b in pairs) / len(pairs)))
    assert found == pytest.approx({"mean_error": sum(errors) / 5, "psnr": sum(ratios) / 5}, rel=1e-12)
    equal = TranslationError().score({}, Samples(), Samples(torch.from_numpy(one), targets=torch.from_numpy(one)))
    assert equal["mean_error"] == 0 and math.isfinite(equal["psnr"]) and equal["psnr"] > 100


def test_saved_translators_are_loaded_with_what_they_translate(weights, splits):
    module, found = load_generator(weights)
    assert found["translation"] == EDGES["translation"] and found["latent"] > 0
    given = Given(found, splits[1], "cpu")
    first, second = (evaluation_samples(evaluation(10), module, found, "cpu", given=given) for _ in range(2))
    assert torch.equal(first, second) and first.shape == (10, 3, 16, 16)
    assert given_to({"translation": None}, weights.parent, "cpu") is None


def test_mlflow_translates_images(weights, splits):
    images = splits[1].images("edges", np.arange(3))
    one, other = (GeneratorModel(str(weights)).predict(images) for _ in range(2))
    assert one.shape == (3, 16, 16, 3) and one.dtype == np.uint8 and np.array_equal(one, other)
    assert Choice(**load_generator(weights)[1]["network"]).name == "unet"
