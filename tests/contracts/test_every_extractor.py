"""Every extractor: facts of its weights; and where they come without a network, features that depend on an image
alone."""

import re

import pytest
import torch
from inception_weights import pictures

from ganflow.artifacts import digest_file
from ganflow.components import component_class, names
from ganflow.evaluation.interfaces import Extractor

NAMES = names(Extractor)


@pytest.mark.parametrize("name", NAMES)
def test_facts_of_the_weights(name):
    kind = component_class(Extractor, name, "where")
    assert kind().resize and "\n" not in kind().resize
    assert isinstance(kind.fetched, bool) and kind.bytes > 0
    assert kind.literature is None or re.fullmatch("[0-9a-f]{64}", kind.literature)


@pytest.mark.parametrize("name", [name for name in NAMES if not component_class(Extractor, name, "where").fetched])
def test_an_extractor_without_a_network(name, tmp_path):
    extractor = component_class(Extractor, name, "where")()
    for file in ("a", "b"):
        extractor.provide(tmp_path / file)
    assert digest_file(tmp_path / "a") == digest_file(tmp_path / "b")
    assert (tmp_path / "a").stat().st_size == pytest.approx(extractor.bytes, rel=0.01)
    network, images = extractor.network(tmp_path / "a"), pictures(5)
    assert not network.training
    with torch.no_grad():
        features, logits = network(images)
        some, _ = network(images[3:])
    assert features.dtype == logits.dtype == torch.float32 and features.dim() == logits.dim() == 2
    assert features.isfinite().all() and torch.allclose(some, features[3:], atol=1e-4)
    assert len(features.unique(dim=0)) == 5
