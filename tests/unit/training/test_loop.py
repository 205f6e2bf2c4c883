"""The training loop: the same bytes however often it is killed and resumed, and any players in their order."""

from collections import defaultdict
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from models import variant
from PIL import Image
from torch import Tensor, nn
from trainings import VARIANTS, Splits, plain, result, run_killed, settings, trainer, write_splits
from trainings import few_statistics as few_statistics  # a fixture that every test here uses

from ganflow.data.interfaces import Sample
from ganflow.data.reader import Shards
from ganflow.data.writing import write_shards
from ganflow.evaluation.generated_samples import generate_samples
from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.interfaces import Export, Model, Player, Values
from ganflow.methods.optimizers.adam import Adam
from ganflow.methods.recipes.adversarial import CriticSteps
from ganflow.networks.building import Blueprint
from ganflow.networks.codes import codes
from ganflow.training.loop import Trainer
from ganflow.training.pixels import from_stored, to_pixels
from ganflow.training.state import State
from ganflow.training.weights import load_generator

KILLS = (14, 7)  # steps after which a training is killed


@pytest.fixture(scope="module")
def splits(tmp_path_factory) -> dict[int, Splits]:
    return write_splits(tmp_path_factory.mktemp("shards"))


def made(splits: dict[int, Splits], name: str, seed: int = 0, **changes) -> Trainer:
    return trainer(splits[32 if name == "ac_gan" else 16], VARIANTS[name], settings(**changes), seed)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["dcgan", "ac_gan", "two_families", "both_normalised"])
def test_killed_and_resumed_twice_gives_the_same_bits(splits, tmp_path, name, precision):
    make = partial(made, splits, name, precision=precision, snapshot_every=3)
    undisturbed = make()
    expected = result(undisturbed, tmp_path / "a", undisturbed.run(tmp_path / "a"))
    resumed, state = run_killed(make, tmp_path / "b", KILLS)
    assert result(resumed, tmp_path / "b", state) == expected
    assert resumed.images_used < undisturbed.images_used
    assert undisturbed.images_used == (3 * 4 + 5 * 2) * 6  # boosted at 0, 1 and 5


@pytest.mark.slow
def test_seeds_differ_and_journal_rows_are_whole(splits, tmp_path):
    rows = {seed: made(splits, "wgan", seed).run(tmp_path / str(seed)).journal for seed in (0, 1)}
    assert rows[0] != rows[1]
    assert [row["iteration"] for row in rows[0]] == [2, 4, 6, 8]
    norms = {f"validation_gradient_norm{part}" for part in ("", "_q10", "_q50", "_q90", "_max")}
    losses = {"iteration", "critic_loss", "estimate", "generator_loss"}
    alike = {f"{split}_{name}" for split in ("training", "validation") for name in ("critic_loss", "estimate")}
    assert set(rows[0][0]) == losses | alike | norms | {"validation_estimate_over_gradient_norm"}
    for row in rows[0]:
        expected = row["validation_estimate"] / row["validation_gradient_norm_max"]
        assert row["validation_estimate_over_gradient_norm"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [
        ("dcgan", {"validation_accuracy"}, {"validation_estimate_over_gradient_norm", "penalty"}),
        ("wgan_gp", {"penalty", "gradient_norm", "gradient_norm_q10", "gradient_norm_q50", "gradient_norm_q90"}, set()),
        ("auxiliary", {"class_loss", "class_accuracy", "generator_class_loss"}, {"penalty"}),
        ("vae", {"vae_loss", "kl_divergence", "validation_reconstruction_loss"}, {"critic_loss", "estimate"}),
        ("began", {"k", "convergence", "validation_convergence"}, {"critic_loss", "estimate"}),
        ("ebgan", {"real_energy", "fake_energy", "pulling_away", "validation_critic_loss"}, {"estimate"}),
        ("infogan", {"information", "continuous_information", "validation_purity"}, {"estimate"}),
        ("mdgan", {"manifold_critic_loss", "reconstruction_error", "mode_loss"}, {"estimate"}),
    ],
)
def test_what_the_journal_says_of_each_kind_of_method(splits, tmp_path, name, there, absent):
    columns = set(made(splits, name, iterations=2).run(tmp_path).journal[-1])
    assert there <= columns and not absent & columns


@pytest.mark.parametrize(
    "name", ["dcgan", "wgan_gp", "two_families", "auxiliary", "vae", "began", "ebgan", "infogan", "mdgan"]
)
def test_both_splits_are_measured_alike(splits, name):
    """With the same samples in both splits, the values are the same; and all of them exist for both."""
    _, held_out = splits[16]
    row = trainer((held_out, held_out), VARIANTS[name], settings()).validate()
    pairs = {key: f"validation_{key.removeprefix('training_')}" for key in row if key.startswith("training_")}
    assert pairs and {key: row[key] for key in pairs} == {key: row[other] for key, other in pairs.items()}
    others = {key for key in row if key not in pairs and key not in pairs.values()}
    once = {"validation_distance", "validation_purity"}  # and gradient norms: of the critic as a whole, measured once
    assert all("gradient_norm" in key for key in others - once)


@pytest.mark.parametrize(("images", "parts"), [(100, (6,)), (13, (6,)), (4, (4,)), (12, (6,))])
def test_a_critic_is_measured_as_it_was_trained(splits, images, parts):
    """By the statistics of each whole batch, real and generated apart; running statistics play no part and stay."""
    train, held_out = splits[16]
    work = trainer((train, held_out), VARIANTS["dcgan"], settings(validation_images=images))
    with torch.no_grad():
        for module in work.model.modules.values():
            for norm in (m for m in module.modules() if isinstance(m, nn.BatchNorm2d)):
                norm.running_mean.fill_(3.0)
    before = {name: deepcopy(module.state_dict()) for name, module in work.model.modules.items()}
    row = work.validate()
    for name, module in work.model.modules.items():
        assert all(torch.equal(value, before[name][key]) for key, value in module.state_dict().items())
    for prefix, shards in (("training", train), ("validation", held_out)):
        losses = []
        for part, size in enumerate(parts):
            real = from_stored(torch.from_numpy(shards.samples(np.arange(part * 6, part * 6 + size))))
            latent = Draws(0, "cpu", "validation", (part,), size).normal("latent", (size, 5))
            generator, critic = (deepcopy(work.model.modules[name]).train() for name in ("generator", "critic"))
            with torch.no_grad():
                fake = generator(latent)
                scores = [critic(images)[:, 0].double() for images in (real, fake)]
            losses.append(float(-scores[0].sigmoid().log().mean() - (-scores[1]).sigmoid().log().mean()))
        assert row[f"{prefix}_critic_loss"] == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wgan", "wgan_gp", "two_families", "vae", "began"])
def test_measuring_changes_nothing(splits, tmp_path, name):
    """Journal rows and grids, with gradients in the critic's input and recomputed statistics, leave the training's bits
    as they are."""
    often, rarely = {"journal_every": 1, "sample_every": 1}, {"journal_every": 8, "checkpoint_every": 8}
    works = []
    for number, changes in enumerate((often, rarely)):
        works.append(made(splits, name, **changes))
        works[-1].run(tmp_path / str(number))
    for key, module in works[0].exported().items():
        other = works[1].exported()[key].state_dict()
        assert all(torch.equal(value, other[part]) for part, value in module.state_dict().items()), key


def test_a_conditional_generator_is_saved_and_loaded_and_its_grid_has_a_class_a_row(splits, tmp_path):
    work = made(splits, "concat", grid=4)
    work.run(tmp_path)
    work.save(tmp_path / "g.safetensors", "generator_ema", 8)
    module, known = load_generator(tmp_path / "g.safetensors")
    latent = Draws(0, "cpu", "grid", (), 16).normal("latent", (16, 5))
    rows = torch.tensor([0, 1, 2, 0]).repeat_interleave(4)
    with torch.no_grad():
        pixels = to_pixels(module(codes(latent, rows, known["classes"])))
    shown = np.asarray(Image.open(tmp_path / "samples" / "000000008.png"))
    assert np.array_equal(shown, pixels.reshape(4, 4, 16, 16, 3).transpose(0, 2, 1, 3, 4).reshape(64, 64, 3))
    images = generate_samples(module, 6, 5, 4, 0, "cpu", known["classes"])
    assert images.shape == (6, 3, 16, 16)


def test_real_images_come_with_their_own_labels(splits):
    """Each batch's labels are those of its images, in each of a role's batches."""
    work, given = made(splits, "auxiliary"), []
    train, _ = splits[16]
    critic = work.model.players[0]

    def recorded(draws: Draws) -> tuple[Tensor, Values]:
        given.append((draws.batch().values, draws.batch().labels))
        return critic.loss(draws)

    work.model.players = (replace(critic, loss=recorded),)
    work.iterate(State(), defaultdict(list))
    pixels = from_stored(torch.from_numpy(train.samples(np.arange(40)))).flatten(1)
    assert len(given) == 4
    for real, labels in given:
        indices = [int((pixels == image.flatten()).all(1).nonzero()[0, 0]) for image in real]
        assert labels.tolist() == train.labels(np.array(indices)).tolist()


@pytest.mark.slow
def test_wgan_gp_learns_one_colour(tmp_path):
    """A generator that need only learn one colour comes near it within seconds."""
    samples = [Sample(f"{i:08d}", partial(Image.new, "RGB", (16, 16), (200, 40, 90)), None) for i in range(8)]
    for split in ("train", "validation"):
        write_shards(samples, tmp_path / split, dataset="d", split=split, shape=(16, 16, 3), shard_size=8, classes=())
    data = Shards(tmp_path / "train"), Shards(tmp_path / "validation")
    every = {"journal_every": 50, "checkpoint_every": 150, "sample_every": 150}
    adam = {"adam": {"lr": 3e-3, "betas": [0.0, 0.9]}}
    chosen = plain(objective="wasserstein", constraint="gradient_penalty", optimizer=adam, critic_steps=2)
    work = trainer(data, chosen, settings(iterations=150, batch_size=8, **every))
    state = work.run(tmp_path / "scratch")
    with torch.no_grad():
        latent = Draws(0, "cpu", "test", (), 16).normal("latent", (16, 5))
        colour = to_pixels(work.scored(latent)).mean((0, 1, 2))
    assert np.abs(colour - (200, 40, 90)).max() < 30
    assert abs(state.journal[-1]["estimate"]) < abs(state.journal[0]["estimate"])


def test_rates_fall_linearly_and_depend_on_the_iteration_alone(splits):
    chosen = variant(optimizer={"rmsprop_tf1": {"lr": 0.5, "decay": "linear"}})
    work = trainer(splits[16], chosen, settings(iterations=4))
    rates = []
    for iteration in (0, 1, 2, 3, 1):
        work.set_rates(iteration)
        rates.append({group["lr"] for one in work.optimizers.values() for group in one.param_groups})
    assert rates == [{0.5}, {0.375}, {0.25}, {0.125}, {0.375}]


def test_players_have_optimisers_of_their_own(splits):
    """Two rates (TTUR, arXiv 1706.08500), one of which decays."""
    critic = {"adam": {"lr": 4e-4, "decay": "linear"}}
    work = trainer(splits[16], variant(optimizer={"adam": {"lr": 1e-4}}, optimizers={"critic": critic}))
    for iteration, rate in ((0, 4e-4), (4, 2e-4)):
        work.set_rates(iteration)
        rates = {name: one.param_groups[0]["lr"] for name, one in work.optimizers.items()}
        assert rates == pytest.approx({"critic": rate, "generator": 1e-4})
    other = trainer(splits[16], variant(optimizers={"generator": "rmsprop"}))
    assert {name: type(one).__name__ for name, one in other.optimizers.items()} == {
        "critic": "Adam",
        "generator": "RMSPropSteps",
    }


class Toy(Model):
    """A linear generator and two critics of means: one player trains both critics, two take data, and the state counts
    the steps of the last player."""

    held_out_loss, charts, summary = "distance", (), ("toy",)

    def __init__(self):
        torch.manual_seed(7)
        self.modules = {name: nn.Linear(2, 2) for name in ("generator", "first", "second")}
        self.state = {"steps": torch.zeros((), dtype=torch.int64)}
        adam = Adam(lr=1e-2)
        self.calls: list[str] = []
        self.players = (
            Player("pair", ("first", "second"), self._pair, adam, lambda i: 1 + i % 2, roles=(SAMPLES,)),
            Player("late", ("second",), self._late, adam, roles=(SAMPLES,), before=partial(self.calls.append, "b")),
            Player("generator", ("generator",), self._generator, adam, batches=3, after=self._count),
        )
        plan = Blueprint({"name": "none"}, "generator", {})
        self.exports = {"generator": Export(self.modules["generator"], plan, "latent", "samples", averaged=True)}

    def _count(self) -> None:
        self.state["steps"].add_(1)

    def _pair(self, draws: Draws) -> tuple[Tensor, Values]:
        self.calls.append("pair")
        real = draws.batch().values
        loss = (self.modules["first"](real) - self.modules["second"](real)).square().mean()
        return loss, {"pair_loss": loss.detach()}

    def _late(self, draws: Draws) -> tuple[Tensor, Values]:
        self.calls.append("late")
        loss = (self.modules["second"](draws.batch().values) - draws.uniform("target", (draws.size, 2))).abs().mean()
        return loss, {"late_loss": loss.detach()}

    def _generator(self, draws: Draws) -> tuple[Tensor, Values]:
        self.calls.append("generator")
        assert draws.size == 18
        fake = self.modules["generator"](draws.normal("latent", (draws.size, 2)))
        loss = self.modules["first"](fake).square().mean() * (1 + self.state["steps"])
        return loss, {"generator_loss": loss.detach(), "steps": self.state["steps"].float()}

    def validation(self, draws: Draws) -> Values:
        return {"distance": draws.batch().values.mean()}

    def sample(self, module: nn.Module, draws: Draws, labels: Tensor) -> Tensor:
        return module(draws.normal("latent", (draws.size, 2)))


def toy(splits: Splits) -> Trainer:
    return Trainer("toy", Toy(), settings(), 0, "cpu", *splits)


def test_the_loop_runs_any_model(splits, tmp_path):
    """Two players that take data, one that trains two modules, and a state; killed and resumed, the same bits."""
    undisturbed = toy(splits[0])
    state = undisturbed.run(tmp_path / "a")
    expected = result(undisturbed, tmp_path / "a", state)
    assert undisturbed.model.calls[:7] == ["pair", "b", "late", "generator", "pair", "pair", "b"]
    assert state.positions == {SAMPLES: 4 * 1 + 4 * 2 + 8}  # a batch for each step of each player that takes data
    assert undisturbed.model.state["steps"] == 8 and state.journal[-1]["steps"] == 6.5
    resumed, state = run_killed(lambda: toy(splits[0]), tmp_path / "b", (9, 11))
    assert result(resumed, tmp_path / "b", state) == expected and resumed.model.state["steps"] == 8


def test_every_batch_and_every_number_of_a_run_is_drawn_once(splits, tmp_path, monkeypatch):
    drawn, original = [], Draws._stream

    def recorded(self, name):
        drawn.append((name, self.purpose, self.step))
        return original(self, name)

    monkeypatch.setattr(Draws, "_stream", recorded)
    work = trainer(splits[16], VARIANTS["wgan_gp"], settings(iterations=3))
    positions = []
    batches = work.batches[SAMPLES]
    at = batches.at
    monkeypatch.setattr(batches, "at", lambda position: positions.append(position) or at(position))
    work.run(tmp_path)
    steps = [one for one in drawn if one[1] in ("critic", "generator")]
    latent = [one for one in steps if one[0] == "latent"]
    assert len(latent) == len(set(latent)) == (4 + 4 + 2) + 3
    assert len({one for one in steps if one[0] == "uniform"}) == 4 + 4 + 2
    assert positions == list(range(4 + 4 + 2))


def test_only_a_player_that_trains_a_module_changes_it(splits):
    work = made(splits, "dcgan")
    for player in work.model.players:
        before = {name: [p.clone() for p in m.parameters()] for name, m in work.model.modules.items()}
        work.step(player, work.draws(player, (0, 0), {}))
        for name, module in work.model.modules.items():
            moved = any(not torch.equal(p, old) for p, old in zip(module.parameters(), before[name], strict=True))
            assert moved == (name in player.trains)


def test_critic_steps_are_those_of_the_iteration(splits):
    work = made(splits, "dcgan")
    assert [work.model.players[0].repeat(i) for i in range(8)] == [
        CriticSteps(steps=2, boost=4, boost_first=2, boost_every=5).at(i) for i in range(8)
    ]


def test_snapshots_are_of_what_is_scored(splits, tmp_path: Path):
    made(splits, "vae", snapshot_every=3).run(tmp_path)
    names = {file.name for file in (tmp_path / "snapshots").iterdir()}
    assert names == {f"{at:09d}-{name}.safetensors" for at in (3, 6) for name in ("generator", "generator_ema")}
    for name in names:
        module, about = load_generator(tmp_path / "snapshots" / name)
        assert about["iteration"] == int(name[:9]) and module(torch.zeros(2, 5)).shape == (2, 3, 16, 16)
