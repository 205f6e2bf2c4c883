"""Every study: findings as JSON with a caption and finite numbers, the same every time, and a figure of them."""

import json
import math

import pytest
import torch
from operations import portable_operations_only
from portable_runs import smallest_counts

from ganflow.components import component_class, names
from ganflow.reporting.study_figures import study_figure
from ganflow.studies.interfaces import Study


def shortest(name: str) -> Study:
    return component_class(Study, name, "where")(**smallest_counts(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", names(Study))
def test_every_study_keeps_the_contract(name, monkeypatch):
    torch.use_deterministic_algorithms(True)
    with portable_operations_only():
        made = shortest(name).run().as_json()
    kept = json.loads(json.dumps(made, allow_nan=False))
    assert kept["numbers"] == made["numbers"] and all(math.isfinite(number) for number in made["numbers"].values())
    assert made["caption"].endswith(".") and made["panels"]
    assert study_figure(kept).startswith(b"\x89PNG")
    assert json.loads(json.dumps(shortest(name).run().as_json())) == kept
