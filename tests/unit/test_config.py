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
    assert experiment.training_of("wgan_gp_mlp").iterations == experiment.training.iterations
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


def test_choices_are_read_back_as_they_are_written():
    for value in ("none", {"gradient_penalty": {"weight": 1.0}}, {"gradient_penalty": None}):
        choice = config.Choice.model_validate(value)
        assert config.Choice.model_validate(json.loads(choice.model_dump_json())) == choice


def test_noise_on_eight_bits_is_refused_for_points(tmp_path):
    text = (TOP / "profiles/toy.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("\ntraining: {", "\ntraining: {dequantise: true, "))
    with pytest.raises(UserError, match=r"dequantise is noise on 8-bit images, and datasets\.\w+ are points"):
        config.load(tmp_path / "params.yaml")


TWO = """
experiment: two
seeds: [0, 1]
datasets:
  ring: {format: points, dimension: 2, source: {sampled: {distribution: eight_gaussians, train: 40, validation: 20}}}
  rendered_objects: {format: cifar10, source: {rendered: {train: 40, validation: 20}}, resolution: 16}
variants:
  toy: {network: toy_mlp, objective: non_saturating, optimizer: adam, datasets: [ring]}
  vae: {network: dcgan, method: vae, optimizer: adam, datasets: [rendered_objects]}
training: {iterations: 4}
evaluation: {metrics: [exact_em]}
"""


def two(tmp_path, before: str = "", after: str = "") -> config.Experiment:
    assert before in TWO
    (tmp_path / "params.yaml").write_text(TWO.replace(before, after) if before else TWO)
    return config.load(tmp_path / "params.yaml")


def test_a_variant_is_trained_on_the_datasets_that_it_names(tmp_path):
    runs = two(tmp_path).runs
    expected = [
        (dataset, name, seed) for dataset, name in (("ring", "toy"), ("rendered_objects", "vae")) for seed in (0, 1)
    ]
    assert [tuple(run) for run in runs] == expected
    everywhere = two(tmp_path, ", datasets: [ring]", "").runs
    assert {(run.dataset, run.variant) for run in everywhere} == {
        ("ring", "toy"),
        ("rendered_objects", "toy"),
        ("rendered_objects", "vae"),
    }


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "[ring]",
            "[rings]",
            r"variants\.toy\.datasets: there is no dataset 'rings'; name some of ring, rendered_objects",
        ),
        ("[ring]", "[rendered_objects]", r"datasets\.ring: no variant is trained on it; remove it, or name it"),
        ("[ring]", "[]", r"variants\.toy\.datasets: is empty; name at least 1"),
        ("method: vae", "method: vae, objective: wasserstein", "has both `method` and settings of `adversarial`"),
        ("objective: non_saturating, ", "", r"variants\.toy\.method: is missing; add it"),
    ],
)
def test_mistakes_of_variants(tmp_path, before, after, said):
    with pytest.raises(UserError, match=said):
        two(tmp_path, before, after)


def test_a_moving_average_is_a_number_or_a_mapping(tmp_path):
    def ema(text: str) -> config.MovingAverage | None:
        return two(tmp_path, "iterations: 4", f"iterations: 4, ema: {text}").training.ema

    assert ema("0.9") == config.MovingAverage(decay=0.9) and ema("0") is None
    assert ema("{decay: 0.9, ramp_up: true, batch_norm: copied}") == config.MovingAverage(
        decay=0.9, ramp_up=True, batch_norm="copied"
    )
    for text, said in (("1.5", r"ema\.decay = 1\.5"), ("{ramp_up: true}", r"ema\.decay: is missing"), ("true", "ema")):
        with pytest.raises(UserError, match=said):
            ema(text)
