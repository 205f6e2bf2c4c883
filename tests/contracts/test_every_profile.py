"""Every profile: it is sensible, its networks build, and its datasets go through the code of every stage that computes
nothing."""

import json

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from models import stored
from PIL import Image
from profile_runs import make_results
from repository import TOP

from ganflow import config
from ganflow.components import component_class
from ganflow.config import Experiment
from ganflow.data import SPLITS
from ganflow.data.interfaces import Format
from ganflow.methods.interfaces import Data
from ganflow.methods.tasks import method_of, task_of
from ganflow.reporting.literature_scores import literature_for
from ganflow.reporting.mlflow_dataset import dataset_input, fingerprint
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import load_runs
from ganflow.stages import plan
from ganflow.stages.cost_model import CostModel
from ganflow.stages.measurements import Measurements
from ganflow.stages.selection import runs_named, weights_named
from ganflow.stages.units import units

DOT = Image.new("RGB", (1, 1))
PROFILES = sorted((TOP / "profiles").glob("*.yaml"))
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)


@pytest.fixture
def experiment(profile, tmp_path, monkeypatch) -> Experiment:
    """The profile as params.yaml of an empty folder, the present one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes(profile.read_bytes())
    return config.load()


def combinations(experiment: Experiment) -> list[tuple[str, str]]:
    """(dataset, variant) of the runs."""
    return list(dict.fromkeys((run.dataset, run.variant) for run in experiment.runs))


@each_profile
def test_every_variant_is_sensible_and_builds(experiment):
    """On the meta device: shapes without memory, so that the papers' networks build in a moment."""
    for dataset, variant in combinations(experiment):
        described = experiment.datasets[dataset]
        form = component_class(Format, described.format, "where")
        task = task_of(experiment, dataset, variant, form.labelled)
        method = method_of(task)
        data = Data(2 if form.labelled else 0, lambda count, shape=described.shape: stored(count, shape))
        with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
            for module in ("family_model", "adversarial_model"):
                patch.setattr(f"ganflow.methods.{module}.initialise", lambda network, module, *_: module)
            patch.setattr("ganflow.methods.constraints.spectral_norm.SpectralNorm.prepare", lambda *_: None)
            model = method.build(task, data, 0, "meta")
        assert {player.name for player in model.players} <= set(method.players)
        assert model.summary and model.charts


@each_profile
def test_every_unit_is_planned(experiment):
    plan.run(experiment)
    planned = list(units(experiment, "cpu"))
    assert all(len(unit.digest) == 64 and unit.inputs is not None for unit in planned)
    trained = {unit.axes for unit in planned if unit.stage == "train"}
    assert trained == {(run.dataset, run.variant, str(run.seed)) for run in experiment.runs}
    for stage in ("download", "shard", "extract", "reference"):
        assert {unit.axes for unit in planned if unit.stage == stage} == {(name,) for name in experiment.datasets}


@each_profile
def test_every_run_is_found_by_its_name(experiment):
    for run in experiment.runs:
        assert runs_named(experiment, f"{run.dataset}/{run.variant}/{run.seed}") == [tuple(run)]
        assert len(runs_named(experiment, f"{run.dataset}/{run.variant}")) == len(experiment.seeds)
        assert weights_named(experiment, f"{run.dataset}/{run.variant}", None).name == "generator.safetensors"


@pytest.mark.slow
@each_profile
def test_every_dataset_is_an_input_in_mlflow(experiment):
    for name, dataset in experiment.datasets.items():
        inputs = {f"data/shards/{name}": "1" * 64}
        found = dataset_input(name, dataset, inputs).dataset
        source = json.loads(found.source)
        assert found.name == name and found.digest == "1" * 12
        if dataset.source.name == "official":
            archives = component_class(Format, dataset.format, "where").archives
            assert found.source_type == "http" and source == {"url": archives[0].urls[0]}
        else:
            assert source["tags"]["mlflow.source.name"] == f"ganflow.data.sources.{dataset.source.name}"
        assert f'shape\\": {[-1, *dataset.shape]}' in found.schema
        assert len(fingerprint(name, dataset, inputs)) == 64


@pytest.mark.slow
@each_profile
def test_every_dataset_has_a_cost(experiment, tmp_path, monkeypatch):
    """Downloads and shards of official archives by their size, of synthetic ones by a few that are made here."""
    monkeypatch.setattr(Measurements, "start", 3.0)  # seconds of imports, the same for all
    model = CostModel(experiment, "cpu", tmp_path / "scratch")
    for unit in units(experiment, "cpu"):
        if unit.stage not in ("download", "shard", "extractor"):
            continue
        cost = model.cost(unit)
        assert cost.units == 1 and cost.bytes >= 0 and cost.seconds >= 0
        if unit.stage == "extractor":
            continue
        dataset = experiment.datasets[unit.axes[0]]
        form = component_class(Format, dataset.format, "where")
        assert cost.bytes > 0 and cost.images > 0
        if dataset.source.name == "official":
            assert cost.images == sum(form.images[split] for split in SPLITS)
            assert unit.stage != "download" or cost.fetched == sum(archive.bytes for archive in form.archives)


@pytest.mark.slow
@each_profile
def test_every_dataset_is_in_the_report(experiment, tmp_path, monkeypatch):
    """With made-up runs of one variant and one seed: table, header, charts and published numbers of every dataset.

    Figures are composed and not drawn: tests/unit/reporting draws each kind.
    """
    monkeypatch.setattr("ganflow.reporting.figures.fit", lambda figure: None)
    monkeypatch.setattr(FigureCanvasAgg, "print_png", lambda canvas, file, **how: DOT.save(file, "png"))
    firsts = {dataset: variant for dataset, variant in reversed(combinations(experiment))}
    chosen = {variant: experiment.variants[variant] for variant in dict.fromkeys(firsts.values())}
    few = experiment.model_copy(update={"variants": chosen, "seeds": experiment.seeds[:1]})
    make_results(tmp_path / "results", few)
    runs = load_runs(few, tmp_path / "results")
    assert [(run.dataset, run.variant, run.seed) for run in runs] == [tuple(run) for run in few.runs]
    write_report(few, runs, tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    for name, dataset in few.datasets.items():
        assert f'id="{name}"' in page
        assert all(one.source in page for one in literature_for(dataset))
    shown = json.loads((tmp_path / "report/metrics.json").read_text())
    told = {(dataset, variant) for dataset, found in shown.items() for variant in found}
    assert told == {(run.dataset, run.variant) for run in few.runs} and told >= set(firsts.items())


@pytest.mark.parametrize("kind", ["mlp", "points"])
def test_only_the_loss_differs_between_the_gan_and_wgan_gp_of_the_quickstart(kind):
    variants = config.load(TOP / "profiles/quickstart.yaml").variants
    gan, penalised = (variants[f"{name}_{kind}"].model_dump() for name in ("gan", "wgan_gp"))
    assert {key for key in gan if gan[key] != penalised[key]} == {"method"}
    one, other = (made["method"]["settings"] for made in (gan, penalised))
    assert {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)} == {"objective", "constraint"}


def test_side_and_generators_rate_differ_between_the_penalties_of_the_distances():
    variants = config.load(TOP / "profiles/distances.yaml").variants
    one, two = (variants[name].model_dump() for name in ("wgan_gp", "wgan_gp_two_sided"))
    assert one["method"]["settings"]["constraint"] == {"gradient_penalty": {"weight": 1.0, "one_sided": True}}
    del one["method"]["settings"]["constraint"]["gradient_penalty"]["one_sided"]
    assert one.pop("optimizers").keys() == {"generator"} and two.pop("optimizers") == {}
    assert one == two


def test_faithful_presets_differ_in_what_the_papers_vary_alone():
    """WGAN-GP's figure 2: one recipe for each loss, whatever the network."""
    experiment = config.load(TOP / "profiles/papers-lsun.yaml")
    for loss in ("dcgan", "lsgan", "wgan", "wgan_gp"):
        nets = ("baseline", "constant_filters", "mlp", "no_norm", "gated", "tanh", "resnet101")
        made = [experiment.variants[f"{loss}_{net}"] for net in nets]
        recipes = []
        for variant in made:
            dumped = variant.model_dump(exclude={"network"})
            dumped["method"]["settings"].pop("critic_network", None)
            recipes.append(dumped)
        assert all(recipe == recipes[0] for recipe in recipes)
        assert all(not variant.training for variant in made)
    assert experiment.training.ema is None


def test_table_3_is_trained_in_the_two_towers_of_its_code():
    variants = config.load(TOP / "profiles/papers-cifar10.yaml").variants
    table3 = [variant for name, variant in variants.items() if name.startswith("table3")]
    assert [variant.network.settings for variant in table3] == [{"towers": 2}] * 2
    assert all(variant.training["generator_batch"] == 2 for variant in table3)
