"""Every study: findings as JSON with a caption and finite numbers, the same every time, and a figure of them."""

import json
import math

import pytest
import torch
from annotated_types import Ge

from ganflow.components import component_class, names
from ganflow.reporting.study_figures import study_figure
from ganflow.studies.interfaces import Study


def shortest(name: str) -> Study:
    """The study with its counts as small as they may be."""
    found = component_class(Study, name, "where")
    fields = {key: field for key, field in found.model_fields.items() if key != "seed"}
    least = {key: mark.ge for key, field in fields.items() for mark in field.metadata if isinstance(mark, Ge)}
    return found(**least)


@pytest.mark.parametrize("name", names(Study))
def test_every_study_keeps_the_contract(name, monkeypatch):
    torch.use_deterministic_algorithms(True)
    made = shortest(name).run().as_json()
    kept = json.loads(json.dumps(made, allow_nan=False))
    assert kept["numbers"] == made["numbers"] and all(math.isfinite(number) for number in made["numbers"].values())
    assert made["caption"].endswith(".") and made["panels"]
    assert study_figure(kept).startswith(b"\x89PNG")
    assert json.loads(json.dumps(shortest(name).run().as_json())) == kept
