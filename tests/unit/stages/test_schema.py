"""params.schema.json: in step with the models, true of every profile, and strict about mistakes."""

import json

import jsonschema
import pytest
from repository import TOP
from ruamel.yaml import YAML

from ganflow.stages.schema import SCHEMA, schema

TINY = (TOP / "profiles/tiny.yaml").read_text()


def errors(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema())
    return [error.message for error in validator.iter_errors(YAML(typ="safe").load(text))]


def test_the_committed_schema_is_that_of_the_models():
    assert json.loads((TOP / SCHEMA).read_text()) == schema(), "run `python -m ganflow schema`"


@pytest.mark.parametrize("profile", sorted((TOP / "profiles").glob("*.yaml")), ids=lambda path: path.stem)
def test_profiles_are_valid_and_point_editors_at_it_once_they_are_params_yaml(profile):
    assert errors(profile.read_text()) == []
    assert profile.read_text().startswith("# yaml-language-server: $schema=params.schema.json\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("batch_size: 8", "batchsize: 8"),
        ("width: 4}}, objective", "widht: 4}}, objective"),
        ("objective: wasserstein", "objective: wassersten"),
        ("iterations: 6", "iterations: 0"),
        ("critic_steps: 2", "critic_steps: 0"),
        ("critic_steps: 2", "critic_steps: 2, training: {iteration: 3}"),
        ("format: cifar10", "format: cifar"),
    ],
)
def test_mistakes(before, after):
    assert before in TINY
    assert errors(TINY.replace(before, after)) != []
