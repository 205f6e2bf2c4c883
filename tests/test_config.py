"""params.yaml: what is refused, and that every refusal is a sentence that names key, value and cure."""

import json
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from ganflow import config
from ganflow.errors import UserError

TOP = Path(__file__).resolve().parents[1]
PROFILES = sorted((TOP / "profiles").glob("*.yaml"))
TINY = (TOP / "profiles/tiny.yaml").read_text()


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


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("batch_size: 8", "batchsize: 8", r"training\.batchsize: unknown key; did you mean `batch_size`\?"),
        ("iterations: 6", "iterations: 0", r"training\.iterations = 0: .*greater than or equal to 1"),
        ("iterations: 6", "iterations: '6'", r"training\.iterations = '6': .*valid integer"),
        ("iterations: 6, ", "", r"training\.iterations: is missing"),
        ("seeds: [0]", "seeds: [0, 0]", r"seeds: each seed may stand there once"),
        ("seeds: [0]", "seeds: []", r"seeds: .*at least 1"),
        ("experiment: tiny", "experiment: Tiny-1", r"experiment = 'Tiny-1': a name has lower-case"),
        ("rendered_objects:", "cifar10:", r"datasets\.cifar10: .*begins with `rendered_`"),
        ("checkpoint_every: 2", "checkpoint_every: 3", r"checkpoint_every = 3 must be a multiple of journal_every = 2"),
        (
            "critic_steps: 2",
            "critic_step: 2",
            r"variants\.wgan_gp\.critic_step: unknown key; did you mean `critic_steps`",
        ),
        (
            "critic_steps: 2",
            "critic_steps: 2, training: {iteration: 3}",
            r"variants\.wgan_gp\.training\.iteration: unknown",
        ),
        ("device: cpu", "device: gpu", r"compute\.device = 'gpu'"),
        ("resolution: 32", "resolution: 4", r"datasets\.rendered_bedrooms\.resolution = 4"),
        ("source: {rendered: {train: 64, validation: 16}}", "source: [1]", r"source: write a name, or a name with"),
        ("experiment: tiny", "experiment: tiny\nexperiment: other", r"not valid YAML"),
        ("experiment: tiny", "experiment: !!python/object:os.system x", r"YAML|constructor|experiment"),
        ("experiment: tiny", "experiment: [", r"not valid YAML"),
    ],
)
def test_mistakes(tmp_path, before, after, said):
    assert before in TINY
    path = tmp_path / "params.yaml"
    path.write_text(TINY.replace(before, after))
    with pytest.raises(UserError, match=said) as error:
        config.load(path)
    assert "Traceback" not in str(error.value) and "pydantic" not in str(error.value)


def test_files_that_are_no_experiment(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        config.load(tmp_path / "absent.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(UserError, match="must be a mapping"):
        config.load(tmp_path / "list.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        config.load(tmp_path / "binary.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * (config.LARGEST_FILE + 1))
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
