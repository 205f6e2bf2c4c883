"""Moving averages: the decay's schedule, and statistics of batch normalisation that belong to the averaged weights."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from trainings import VARIANTS, result, run_killed, settings, trainer, write_splits

from ganflow.config import MovingAverage
from ganflow.evaluation.generated_samples import generate_samples
from ganflow.methods.draws import Draws
from ganflow.methods.interfaces import Export
from ganflow.networks.building import Blueprint
from ganflow.training.averaging import STATISTICS, AveragedExport, decay_at

BATCH = 64
RAMPED = {"decay": 0.9, "ramp_up": True}


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("shards"))[16]


def averaged(module: nn.Module, **changes) -> AveragedExport:
    export = Export(module, Blueprint(None, "generator", {}), "latent", "samples", averaged=True)
    return AveragedExport(export, MovingAverage.model_validate({"decay": 0.9} | changes))


def test_the_decay_ramps_up_as_tensorflows_does():
    """ExponentialMovingAverage with num_updates: min(decay, (1 + num_updates) / (10 + num_updates))."""
    ramped, plain = MovingAverage(**RAMPED), MovingAverage(decay=0.9)
    assert [decay_at(ramped, t) for t in (0, 1, 8, 79, 80, 81, 10**6)] == pytest.approx(
        [1 / 10, 2 / 11, 9 / 18, 80 / 89, 81 / 90, 0.9, 0.9]
    )
    assert {decay_at(plain, t) for t in range(100)} == {0.9}


@pytest.mark.parametrize("changes", [{}, {"ramp_up": True}], ids=["constant", "ramp"])
def test_averages_against_the_recursion_in_float64(changes):
    module = nn.Linear(3, 2).double()
    average, expected = averaged(module, **changes), module.weight.detach().numpy().copy()
    for iteration in range(30):
        with torch.no_grad():
            module.weight.add_(torch.randn(2, 3))
        average.update(iteration)
        decay = min(0.9, (1 + iteration) / (10 + iteration)) if changes else 0.9
        expected = decay * expected + (1 - decay) * module.weight.detach().numpy()
    assert average.module.weight.numpy() == pytest.approx(expected, rel=1e-12)
    assert not any(p.requires_grad for p in average.module.parameters())


def normalised(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 6), nn.BatchNorm1d(6))


def codes(count: int, purpose: str) -> list[Draws]:
    return [Draws(0, "cpu", purpose, (part,), BATCH) for part in range(count)]


def sample(module: nn.Module, draws: Draws) -> torch.Tensor:
    return module(draws.normal("latent", (draws.size, 4)).to(next(module.parameters()).dtype))


def of_other_weights(**changes) -> AveragedExport:
    """An average whose running statistics are those of very different current weights."""
    module = normalised(0)
    average = averaged(module, **changes)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape))
    for draws in codes(200, "training"):
        sample(module, draws)
    average.update(0)
    return average


def test_recomputed_statistics_are_the_means_of_the_batches_of_the_averaged_network():
    average = of_other_weights()
    plain = deepcopy(average.module).double()
    average.recompute_statistics(codes(16, "statistics"), sample)
    first, second = [], []
    with torch.no_grad():
        for draws in codes(16, "statistics"):
            z = draws.normal("latent", (BATCH, 4)).double().numpy()
            w1, b1, w2, b2 = (p.numpy() for p in (plain[0].weight, plain[0].bias, plain[3].weight, plain[3].bias))
            hidden = z @ w1.T + b1
            first.append((hidden.mean(0), hidden.var(0, ddof=1)))
            gain, bias = plain[1].weight.numpy(), plain[1].bias.numpy()
            normal = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5) * gain + bias
            last = np.maximum(normal, 0) @ w2.T + b2
            second.append((last.mean(0), last.var(0, ddof=1)))
    for norm, statistics in ((average.module[1], first), (average.module[4], second)):
        mean, variance = (np.mean(values, axis=0) for values in zip(*statistics, strict=True))
        assert norm.running_mean.numpy() == pytest.approx(mean, rel=1e-4, abs=1e-5)
        assert norm.running_var.numpy() == pytest.approx(variance, rel=1e-4)
        assert norm.momentum == 0.1
    assert not average.module.training and STATISTICS >= 1000


def test_recomputed_statistics_bring_images_nearer_to_those_by_batch_statistics():
    distances = {}
    for kind in ("recomputed", "copied"):
        average = of_other_weights(batch_norm=kind)
        average.recompute_statistics(codes(16, "statistics"), sample)
        fresh = Draws(0, "cpu", "fresh", (), 2048)
        by_batch = deepcopy(average.module).train()
        with torch.no_grad():
            away = sample(average.module.eval(), fresh) - sample(by_batch, fresh)
        distances[kind] = float(away.square().mean().sqrt())
    assert distances["recomputed"] < 0.1 < 0.5 < distances["copied"]


@pytest.mark.slow
def test_a_trainings_averaged_generator_makes_its_images_by_running_statistics_too(splits, tmp_path):
    """Root mean square between images by running and by batch statistics, in units of the images' deviation."""
    distances = {}
    for kind in ("recomputed", "copied"):
        chosen = {"iterations": 40, "sample_every": 40, "checkpoint_every": 40, "journal_every": 40}
        work = trainer(splits, VARIANTS["dcgan"], settings(ema={"decay": 0.98, "batch_norm": kind}, **chosen))
        work.run(tmp_path / kind)
        running, batch = (
            generate_samples(work.scored, 512, work.training.latent, 512, 0, "cpu", batch_norm=by).double()
            for by in ("running", "batch")
        )
        distances[kind] = float((running - batch).square().mean().sqrt() / batch.std())
    assert distances["recomputed"] < 0.08 < 0.15 < distances["copied"]
    assert MovingAverage(decay=0.5).batch_norm == "recomputed"


def test_copied_statistics_are_those_of_the_current_weights():
    average = of_other_weights(batch_norm="copied")
    before = average.module[1].running_mean.clone()
    average.recompute_statistics(codes(4, "statistics"), sample)
    assert torch.equal(average.module[1].running_mean, before)
    assert torch.equal(before, average.current[1].running_mean)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["recomputed", "copied"])
def test_killed_and_resumed_gives_the_same_averages(splits, tmp_path, kind):
    def make():
        chosen = {"ema": RAMPED | {"batch_norm": kind}, "snapshot_every": 3, "iterations": 7}
        return trainer(splits, VARIANTS["dcgan"], settings(**chosen))

    undisturbed = make()
    expected = result(undisturbed, tmp_path / "a", undisturbed.run(tmp_path / "a"))
    resumed, state = run_killed(make, tmp_path / "b", (13, 5))
    assert result(resumed, tmp_path / "b", state) == expected


def test_the_scored_module_is_the_average_where_there_is_one(splits):
    work = trainer(splits, VARIANTS["vae"])
    assert set(work.exported()) == {"generator", "encoder", "generator_ema"}
    assert work.scored is work.averaged["generator"].module
    raw = trainer(splits, VARIANTS["vae"], settings(ema=0))
    assert set(raw.exported()) == {"generator", "encoder"} and raw.scored is raw.model.modules["generator"]
