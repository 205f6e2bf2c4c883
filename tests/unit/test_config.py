"""params.yaml: what it means; what is refused stands in test_mistakes.py."""

import json
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from ganflow import config
from ganflow.errors import UserError
from ganflow.params_file import LARGEST_FILE

TOP = Path(__file__).resolve().parents[2]
PROFILES = sorted((TOP / "profiles").glob("*.yaml"))


def test_the_committed_experiment_is_the_quickstart():
    assert (TOP / "params.yaml").read_bytes() == (TOP / "profiles/quickstart.yaml").read_bytes()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_profiles_are_valid_and_read_alike_by_both_yaml_versions(profile):
    config.load(profile)
    assert yaml.safe_load(profile.read_text()) == YAML(typ="safe").load(profile.read_text())


def test_models_are_frozen():
    experiment = config.load(TOP / "profiles/tiny.yaml")
    with pytest.raises(Exception, match="frozen"):
        experiment.training.iterations = 7


def test_a_variant_changes_the_training_section():
    experiment = config.load(TOP / "profiles/quickstart.yaml")
    assert experiment.training_of("dcgan").iterations == 600
    assert experiment.training_of("wgan_gp_plain").iterations == experiment.training.iterations
    assert experiment.training_of("dcgan").batch_size == experiment.training.batch_size


def test_files_that_are_no_experiment(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        config.load(tmp_path / "absent.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(UserError, match="must be a mapping"):
        config.load(tmp_path / "list.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        config.load(tmp_path / "binary.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(UserError, match="larger than"):
        config.load(tmp_path / "large.yaml")


def test_boosted_critic_steps():
    steps = config.CriticSteps(steps=5, boost=100)
    assert [steps.at(i) for i in (0, 24, 25, 499, 500, 501)] == [100, 100, 5, 5, 100, 5]
    assert {config.CriticSteps(steps=5).at(i) for i in range(2000)} == {5}


def test_choices_are_read_back_as_they_are_written():
    for value in ("none", {"gradient_penalty": {"weight": 1.0}}, {"gradient_penalty": None}):
        choice = config.Choice.model_validate(value)
        assert config.Choice.model_validate(json.loads(choice.model_dump_json())) == choice


def test_noise_on_eight_bits_is_refused_for_points(tmp_path):
    text = (TOP / "profiles/toy.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("\ntraining: {", "\ntraining: {dequantise: true, "))
    with pytest.raises(UserError, match=r"dequantise is noise on 8-bit images, and datasets\.\w+ are points"):
        config.load(tmp_path / "params.yaml")
