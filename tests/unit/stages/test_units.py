"""The plan: a unit's digest changes when, and only when, the unit would have to be done again."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ganflow import config
from ganflow.artifacts import MANIFEST, content_digest, scratch, write_file, write_manifest
from ganflow.errors import UserError
from ganflow.params_file import checked
from ganflow.stages import digests as code
from ganflow.stages import plan, units
from ganflow.stages.execution import fingerprint
from ganflow.stages.units import unit_of

JUDGED = {"extract", "reference", "generate", "evaluate"}
TINY = (Path(__file__).resolve().parents[3] / "profiles/tiny.yaml").read_text()


@pytest.fixture(scope="module")
def unedited(tmp_path_factory) -> dict[tuple[str, ...], str]:
    """The digests of the tiny experiment by the present sources."""
    return digests(tmp_path_factory.mktemp("unedited"))


def digests(tmp_path: Path, before: str = "", after: str = "") -> dict[tuple[str, ...], str]:
    assert before in TINY
    path = tmp_path / "params.yaml"
    path.write_text(TINY.replace(before, after) if before else TINY)
    return {(unit.stage, *unit.axes): unit.digest for unit in units.units(config.load(path), "cpu")}


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("lr: 2.0e-4", "lr: 1.0e-4", {"train * dcgan"}),
        ("critic_steps: 2", "critic_steps: 3", {"train * wgan_gp"}),
        ("iterations: 6", "iterations: 8", {"train"}),
        ("shard_size: 40}\n  rendered_objects", "shard_size: 20}\n  rendered_objects", {"shard rendered_bedrooms"}),
        ("train: 64", "train: 65", {"download rendered_bedrooms"}),
        ("images: 32\n", "images: 30\n", JUDGED),
        ("resolution: 32}}\n  metrics", "resolution: 64}}\n  metrics", JUDGED | {"extractor"}),
        ("directions: 16", "directions: 17", {"reference", "evaluate"}),
        ("directions: 8", "directions: 9", {"generate", "evaluate"}),
        ("threads: 1", "threads: 2", JUDGED | {"train"}),
        ("device: cpu", "device: cpu, arithmetic: native", JUDGED | {"download", "train", "report"}),
    ],
)
def test_a_changed_parameter_changes_what_hangs_on_it(tmp_path, before, after, changed):
    one, other = digests(tmp_path), digests(tmp_path, before, after)

    def matches(unit: tuple[str, ...]) -> bool:
        return any(all(w in ("*", p) for w, p in zip(words.split(), unit, strict=False)) for words in changed)

    assert {unit for unit in one if one[unit] != other[unit]} == {unit for unit in one if matches(unit)}


def test_the_device_is_part_of_what_computes_on_it(tmp_path):
    (tmp_path / "params.yaml").write_text(TINY)
    experiment = config.load(tmp_path / "params.yaml")
    differ = {
        unit.stage
        for unit, other in zip(units.units(experiment, "cpu"), units.units(experiment, "cuda"), strict=True)
        if unit.digest != other.digest
    }
    assert differ == {"extract", "reference", "train", "generate", "evaluate"}


def test_a_unit_depends_on_the_modules_it_runs_and_no_others(tmp_path):
    (tmp_path / "params.yaml").write_text(TINY)
    experiment = config.load(tmp_path / "params.yaml")
    code = unit_of(experiment, "cpu", "train", "rendered_bedrooms", "wgan_gp", "0").code
    assert {
        "ganflow.stages.train",
        "ganflow.training.loop",
        "ganflow.methods.constraints.gradient_penalty",
        "ganflow.methods.objectives.wasserstein",
        "ganflow.networks.families.dcgan",
        "ganflow.randomness",
        "ganflow.data.reader",
    } <= set(code)
    for unused in ("constraints.weight_clipping", "objectives.least_squares", "optimizers.rmsprop"):
        assert f"ganflow.methods.{unused}" not in code
    assert not any(module.startswith(("ganflow.reporting", "ganflow.evaluation")) for module in code)
    reference = unit_of(experiment, "cpu", "reference", "rendered_bedrooms").code
    assert "ganflow.training.loop" not in reference
    drawn = unit_of(experiment, "cpu", "download", "rendered_bedrooms").code
    assert "ganflow.data.scenes.bedrooms" in drawn and "ganflow.data.scenes.objects" not in drawn


@pytest.mark.parametrize(
    ("module", "changed"),
    [
        ("methods.constraints.gradient_penalty", lambda stage, axes: stage == "train" and axes[1] == "wgan_gp"),
        ("training.loop", lambda stage, axes: stage == "train"),
        ("networks.families.dcgan", lambda stage, axes: stage in ("train", "generate", "evaluate")),
        ("evaluation.metrics.sliced_wasserstein", lambda stage, axes: stage in ("reference", "generate", "evaluate")),
        ("evaluation.metrics.frechet_distance", lambda stage, axes: stage in ("reference", "evaluate")),
        ("evaluation.metrics.exact_em", lambda stage, axes: False),
        ("evaluation.extractors.efficientnet_lite0", lambda stage, axes: stage in JUDGED | {"extractor"}),
        ("evaluation.extractors.inception", lambda stage, axes: False),
        ("data.scenes.objects", lambda stage, axes: stage == "download" and axes == ("rendered_objects",)),
        (
            "data.formats.lsun_bedroom",
            lambda stage, axes: stage in ("download", "shard") and axes[0].endswith("bedrooms"),
        ),
        ("reporting.figures", lambda stage, axes: stage == "report"),
        ("reporting.page", lambda stage, axes: stage == "report"),
        ("reporting.publishing", lambda stage, axes: False),
        ("data.decoding", lambda stage, axes: stage == "shard" or (stage, *axes) == ("download", "rendered_bedrooms")),
        ("data.writing", lambda stage, axes: stage == "shard"),
        ("data.reader", lambda stage, axes: stage in JUDGED | {"train"}),
        ("tensor_files", lambda stage, axes: stage in JUDGED | {"train"}),
        ("data.image_codec", lambda stage, axes: stage in JUDGED | {"train", "shard"}),
        ("methods.interfaces", lambda stage, axes: stage == "train"),
        ("methods.draws", lambda stage, axes: stage in ("train", "generate", "evaluate")),
        ("networks.layers", lambda stage, axes: stage in ("train", "generate", "evaluate")),
        ("arithmetic", lambda stage, axes: stage in JUDGED | {"train", "studies"}),
        ("stages.devices", lambda stage, axes: stage in JUDGED | {"train"}),
        ("portable_operations", lambda stage, axes: stage in {"reference", "train", "evaluate"}),
        ("progress", lambda stage, axes: False),
        ("errors", lambda stage, axes: False),
        ("config", lambda stage, axes: False),
        ("artifacts", lambda stage, axes: False),
        ("data.fetching", lambda stage, axes: False),
        ("stages.units", lambda stage, axes: False),
        ("stages.cli", lambda stage, axes: False),
        ("methods.constraints.weight_clipping", lambda stage, axes: False),
    ],
)
def test_an_edited_module_changes_the_units_that_run_it(tmp_path, monkeypatch, unedited, module, changed):
    before = unedited
    original = code.module_digest
    monkeypatch.setattr(code, "module_digest", lambda m: "edited" if m == f"ganflow.{module}" else original(m))
    after = digests(tmp_path)
    found = {unit for unit in before if before[unit] != after[unit]}
    assert found == {unit for unit in before if changed(unit[0], unit[1:])}


def test_every_file_of_the_package_is_a_module_or_lies_in_a_package():
    """The digest of a package covers the files in its folder that are no modules."""
    files = [path for path in code.PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix for path in files} == {".py", ".css", ".js", ".jinja"}
    assert all((path.parent / "__init__.py").exists() for path in files)


@pytest.mark.parametrize(("source", "archive"), [("official", "urls"), ("files", "location")])
def test_a_download_depends_on_addresses_and_digests_alone(tmp_path, source, archive):
    name, place = "cifar-10-binary.tar.gz", {"location": "/somewhere", "sha256": "0" * 64}
    chosen = "official" if source == "official" else {"files": {"archives": {name: place}}}
    content = YAML(typ="safe").load(TINY)
    content["datasets"] = {"real": {"format": "cifar10", "source": chosen, "resolution": 32}}
    experiment = checked(config.Experiment, content)
    unit = unit_of(experiment, "cpu", "download", "real")
    assert (unit.code, unit.versions) == ({}, {})
    assert len(unit.parameters["archives"][name]["sha256"]) == 64 and archive in unit.parameters["archives"][name]
    assert unit_of(experiment, "cpu", "shard", "real").code


def test_other_inputs_or_parameters_never_meet_an_old_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = set()
    for text in (TINY, TINY.replace("lr: 2.0e-4", "lr: 3.0e-4")):
        Path("params.yaml").write_text(text)
        unit = unit_of(config.load(), "cpu", "train", "rendered_bedrooms", "dcgan", "0")
        for content in ("one", "other"):
            shards = Path("data/shards/rendered_bedrooms")
            write_file(shards / "index.json", content)
            write_manifest(shards, {})
            seen.add(scratch("train", fingerprint(unit)))
    assert len(seen) == 4


def test_the_plan_is_read_as_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = digests(tmp_path)
    plan.run(config.load())
    written = json.loads(Path("build/plan.json").read_text())
    assert written["device"] == "cpu"
    for path, digest in expected.items():
        node = written["units"]
        for key in path:
            node = node[key]
        assert node == digest


def test_results_that_are_no_longer_named_are_set_aside_not_lost(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digests(tmp_path)
    for variant in ("dcgan", "old"):
        run = Path("results/tiny/runs/rendered_bedrooms", variant, "0")
        run.mkdir(parents=True)
        (run / "journal.csv").write_text(variant)
    plan.run(config.load())
    assert Path("results/tiny/runs/rendered_bedrooms/dcgan/0/journal.csv").exists()
    assert not Path("results/tiny/runs/rendered_bedrooms/old/0").exists()
    assert Path("results/tiny/retired/runs/rendered_bedrooms/old/0/journal.csv").read_text() == "old"


def test_unknown_components_are_refused_by_name(tmp_path):
    for before, after, said in (
        ("format: lsun_bedroom", "format: lsun_bedrom", "did you mean `lsun_bedroom`"),
        (
            "{rendered: {train: 64, validation: 16}}",
            "{rendered: {train: 64}}",
            r"source\.rendered\.validation: is missing",
        ),
        ("network: {dcgan: {width: 4}}", "network: vnet", "network = .vnet.: there is no such component"),
    ):
        with pytest.raises(UserError, match=said):
            digests(tmp_path, before, after)


def test_a_unit_that_params_yaml_does_not_name(tmp_path):
    (tmp_path / "params.yaml").write_text(TINY)
    with pytest.raises(UserError, match="there is no train rendered_bedrooms lsgan 0; there is: .*wgan_gp 0"):
        unit_of(config.load(tmp_path / "params.yaml"), "cpu", "train", "rendered_bedrooms", "lsgan", "0")


def test_the_short_form_of_a_variant_has_the_units_and_digests_of_the_long_one(tmp_path):
    settings = "objective: wasserstein, constraint: gradient_penalty, "
    adam = "optimizer: {adam: {lr: 1.0e-4, betas: [0.0, 0.9]}}"
    short = f"{settings}{adam}, critic_steps: 2"
    long = f"method: {{adversarial: {{{settings}critic_steps: 2}}}}, {adam}"
    assert digests(tmp_path) == digests(tmp_path, short, long)


def test_a_variant_of_one_dataset_has_units_of_that_one_alone(tmp_path):
    found = digests(tmp_path, "critic_steps: 2", "critic_steps: 2, datasets: [rendered_objects]")
    every = digests(tmp_path)
    assert every.keys() - found.keys() == {
        (stage, "rendered_bedrooms", "wgan_gp", "0") for stage in ("train", "generate", "evaluate")
    }
    same = {unit for unit in found if unit[0] in ("download", "shard", "train", "extract")}
    assert all(found[unit] == every[unit] for unit in same)


def test_inputs_that_another_version_made_are_refused(tmp_path):
    (tmp_path / MANIFEST).write_text('{"stage": "shard"}')
    with pytest.raises(UserError, match="not a manifest of this version; run `python -m ganflow verify --repair .*`"):
        content_digest(tmp_path)
