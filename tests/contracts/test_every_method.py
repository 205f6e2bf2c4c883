"""Every method, objective, constraint, conditioning and optimiser trains on images and points or is refused with a
sentence; killed and resumed it leaves the same bytes; what it saves loads back."""

from contextlib import suppress
from functools import partial

import pytest
import torch
from models import IMAGES, built, networks_of, of_a_method, one_iteration, step_draws, task, variant
from trainings import BOOSTED, PLAIN, Splits, result, run_killed, settings, trainer, write_splits
from trainings import few_statistics as few_statistics  # a fixture that every test here uses

from ganflow.components import component_class, named_class, names
from ganflow.config import Variant
from ganflow.errors import UserError
from ganflow.methods.components import Conditioning, Constraint, Objective
from ganflow.methods.interfaces import Export, Method, Optimizer
from ganflow.methods.tasks import method_of
from ganflow.reporting.charts import TITLES
from ganflow.training import step_times
from ganflow.training.averaging import AveragedExport
from ganflow.training.weights import load_export

POINTS = (2,)
NETWORKS = {IMAGES: PLAIN, POINTS: {"toy_mlp": {"width": 8, "layers": 2}}}
WGAN = {"objective": "wasserstein"}
WGAN_GP = WGAN | {"constraint": "gradient_penalty"}


def of_method(name: str, shape: tuple[int, ...]) -> Variant:
    """A variant with a method, by its default settings."""
    if named_class(Method.folder, name, "where").model_fields.keys() >= {"objective"}:
        return variant(network=NETWORKS[shape])
    for family in networks_of(name) if shape == IMAGES else ():
        return variant(**of_a_method(family, name, IMAGES[0]))
    return variant(network=NETWORKS[shape], method=name)


@pytest.fixture(scope="module")
def splits(tmp_path_factory) -> dict[tuple[int, ...], Splits]:
    found = write_splits(tmp_path_factory.mktemp("shards"))
    return {IMAGES: found[16], POINTS: found[0]}


def refused(chosen: Variant, shape: tuple[int, ...]) -> bool:
    """Whether a method refuses a variant, and then with one sentence that names a key of it."""
    try:
        method_of(task(chosen, shape))
    except UserError as error:
        assert str(error).startswith("params.yaml: variants.v") and "\n" not in str(error) and len(str(error)) > 60
        return True
    return False


@pytest.mark.parametrize("shape", NETWORKS, ids=["images", "points"])
@pytest.mark.parametrize("name", names(Method))
def test_every_method_trains_or_is_refused(name, shape):
    chosen = of_method(name, shape)
    if refused(chosen, shape):
        return
    model = built(chosen, shape)
    assert [player.name for player in model.players] == list(named_class(Method.folder, name, "where").players)
    assert {key for player in model.players for key in player.trains} <= model.modules.keys()
    assert model.scored in model.exports and model.summary
    scored = model.exports[model.scored]
    assert (scored.takes, scored.gives) == ("latent and images" if scored.translation else "latent", "samples")
    one_iteration(model, shape)


@pytest.mark.parametrize("shape", NETWORKS, ids=["images", "points"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * bool(networks_of(name))) for name in names(Method)]
)
def test_every_method_keeps_the_contract_of_trainings(splits, tmp_path, monkeypatch, name, shape):
    """Killed and resumed it leaves the same bytes; its charts name columns of its journal; its exports load back."""
    chosen = of_method(name, shape)
    if refused(chosen, shape):
        return
    make = partial(trainer, splits[shape], chosen, settings(snapshot_every=3))
    work = make()
    state = work.run(tmp_path / "a")
    expected = result(work, tmp_path / "a", state)
    resumed, resumed_state = run_killed(make, tmp_path / "b", (5, 3))
    assert result(resumed, tmp_path / "b", resumed_state) == expected
    columns = set(state.journal[0])
    assert {chart.column for chart in work.model.charts} | {work.model.held_out_loss} <= columns
    assert set(work.model.metric_names) <= columns
    assert {chart.figure for chart in work.model.charts} <= TITLES.keys() - {"scores"}
    assert all(chart.title and chart.label for chart in work.model.charts)
    assert work.model.flags(state.journal) == []  # too few rows
    for file, module in work.exported().items():
        work.save(tmp_path / f"{file}.safetensors", file, state.iteration)
        export = work.model.exports[file.removesuffix("_ema")]
        loaded, about = load_export(tmp_path / f"{file}.safetensors")
        assert (about["takes"], about["gives"], about["module"]) == (export.takes, export.gives, file)
        loaded.to(memory_format=torch.channels_last)  # another layout may round otherwise
        given = inputs(export, about, shape)
        module.eval()
        with torch.no_grad():
            assert torch.equal(loaded(*given), module(*given) * export.scale)
    assert {f"grids/{grid.name}.png" for grid in work.model.grids} <= expected["files"].keys()
    monkeypatch.setattr(step_times, "MIN_SECONDS", 0.0)
    assert set(step_times.measured(make()).steps) == {player.name for player in work.model.players}


def inputs(export: Export, about: dict, shape: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    """Four inputs of an exported module."""
    if export.takes == "latent":
        return (torch.randn(4, export.blueprint.arguments["latent"] + about["classes"]),)
    if export.translation:
        channels = export.blueprint.arguments["channels"]
        return torch.randn(4, about["latent"]), step_draws(shape=shape).batch().values[:, :channels]
    samples = step_draws(shape=shape).batch().values
    extra = export.blueprint.arguments["channels"] - samples.shape[1]
    return (torch.cat([samples, samples[:, :1].expand(-1, extra, *samples.shape[2:])], 1),)


def combinations() -> dict[str, Variant]:
    """Every objective, constraint, conditioning and optimiser at least once, with a partner that fits it."""
    found = {}
    partners = ({}, WGAN_GP, WGAN)
    for kind, key in ((Objective, "objective"), (Constraint, "constraint"), (Optimizer, "optimizer")):
        for name in names(kind):
            for partner in partners:
                chosen = variant(network=PLAIN, critic_steps=BOOSTED, **(partner | {key: name}))
                if not refused(chosen, IMAGES):
                    found[f"{key}-{name}"] = chosen
                    break
    for name in names(Conditioning):
        found[f"conditioning-{name}"] = variant(conditioning=name, critic_steps=BOOSTED)
    return found


COMBINATIONS = combinations()


def test_every_component_fits_something():
    for kind, key in ((Objective, "objective"), (Constraint, "constraint"), (Optimizer, "optimizer")):
        assert {f"{key}-{name}" for name in names(kind)} <= COMBINATIONS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", COMBINATIONS)
def test_killed_and_resumed_twice_gives_the_same_bits(splits, tmp_path, name, precision):
    make = partial(trainer, splits[IMAGES], COMBINATIONS[name], settings(precision=precision, iterations=6))
    work = make()
    expected = result(work, tmp_path / "a", work.run(tmp_path / "a"))
    resumed, state = run_killed(make, tmp_path / "b", (14, 7))
    assert result(resumed, tmp_path / "b", state) == expected
    assert resumed.images_used < work.images_used == (3 * 4 + 3 * 2) * 6


def objectives() -> list:
    """Every objective, and each value of a setting that is a choice among names."""
    found = []
    for name in names(Objective):
        fields = component_class(Objective, name, "where").model_json_schema()["properties"]
        several = [(key, value) for key, field in fields.items() for value in field.get("enum", ())]
        found += [{name: {key: value}} for key, value in several] or [name]
    return found


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("constraint", names(Constraint))
@pytest.mark.parametrize("objective", objectives(), ids=str)
def test_every_pair_trains_or_is_refused_with_a_sentence(objective, constraint, norm):
    network = {"dcgan": {"width": 4, "critic_norm": norm}}
    chosen = variant(network=network, objective=objective, constraint=constraint)
    if not refused(chosen, IMAGES):
        one_iteration(built(chosen))


@pytest.mark.parametrize("constraint", names(Constraint))
def test_a_constraint_of_generators_trains_one_or_is_refused(constraint):
    chosen = variant(network=PLAIN, generator_constraint=constraint)
    allowed = component_class(Constraint, constraint, "where").for_generators or constraint == "none"
    assert refused(chosen, IMAGES) != allowed
    with suppress(UserError):
        one_iteration(built(chosen))


@pytest.mark.parametrize("conditioning", names(Conditioning))
@pytest.mark.parametrize(
    "network", [{"dcgan": {"width": 4, "norm": "none"}}, {"mlp": {"width": 16}}], ids=["dcgan", "mlp"]
)
@pytest.mark.parametrize("constraint", ["gradient_penalty", "spectral_norm"])
def test_every_conditioning_trains_every_network(conditioning, network, constraint):
    """With four hidden units, ReLU leaves none alive for four latent vectors in 2 of 200 seeds; with 16 in none."""
    one_iteration(built(variant(network=network, constraint=constraint, conditioning=conditioning)))


@pytest.mark.parametrize("conditioning", names(Conditioning))
def test_a_conditioning_that_uses_labels_is_refused_without_them(conditioning):
    chosen = variant(conditioning=conditioning)
    uses = component_class(Conditioning, conditioning, "where").uses_labels
    try:
        method_of(task(chosen, labelled=False))
    except UserError as error:
        assert uses and "needs classes, and datasets.d has none" in str(error)
    else:
        assert not uses


@pytest.mark.parametrize("name", names(Optimizer))
def test_every_optimiser_lowers_a_loss_at_the_rate_that_it_is_given(name):
    optimizer = component_class(Optimizer, name, "where")(lr=1e-2)
    assert optimizer.rate(0, 10) == optimizer.rate(9, 10) == 1e-2
    falling = optimizer.model_copy(update={"decay": "linear"})
    assert [falling.rate(i, 4) for i in range(4)] == pytest.approx([1e-2, 7.5e-3, 5e-3, 2.5e-3])
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    made = optimizer.build([weight], "critic")
    assert {group["lr"] for group in made.param_groups} == {1e-2}
    losses = []
    for _ in range(50):
        made.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        made.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.9 * losses[0]
    for group in made.param_groups:
        group["lr"] = 0.0
    before = weight.detach().clone()
    made.step()
    assert torch.equal(before, weight)


def test_averages_are_kept_of_what_says_so(splits):
    for name in names(Method):
        work = trainer(splits[IMAGES], of_method(name, IMAGES))
        assert {key for key, export in work.model.exports.items() if export.averaged} == set(work.averaged)
        assert all(isinstance(average, AveragedExport) for average in work.averaged.values())
