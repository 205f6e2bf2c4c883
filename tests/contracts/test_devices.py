"""What a GPU needs of every training, checked without one: a step in which the host never waits for the device, the
same operations with the same shapes every time, and none that is not deterministic there."""

from collections import defaultdict
from contextlib import nullcontext

import pytest
import torch
from devices import META, operations_of, without_waiting
from models import IMAGES, built, step_draws, variant
from portable_runs import components
from torch import nn
from trainings import VARIANTS as TRAINED
from trainings import settings, trainer, write_splits

from ganflow.components import component_class, names
from ganflow.config import Variant
from ganflow.methods.interfaces import Model, Optimizer, Player, to_host
from ganflow.training import loop
from ganflow.training.batches import Resident
from ganflow.training.state import State


def shape_of(chosen: Variant) -> tuple[int, ...]:
    """The shape of the samples that a variant of `components` is trained on."""
    [dataset] = chosen.datasets
    side = dataset.rpartition("_")[2]
    return (int(side), int(side), IMAGES[2]) if dataset.startswith("rendered_") else (2,)


def every_step() -> dict[str, dict]:
    """The variants of `components` whose steps differ: a step has no optimiser, and no samples but their shape."""
    found = {}
    for name, chosen in components(1)["variants"].items():
        made = Variant.model_validate(chosen)
        alike = made.model_dump_json(exclude={"datasets", "optimizer", "optimizers"})
        found.setdefault((shape_of(made), alike), (name, chosen))
    return dict(found.values())


VARIANTS = every_step()


def step(model: Model, player: Player, number: int, shape: tuple[int, ...]) -> None:
    """A player's step but for its optimiser, on the device without values."""
    for name, module in model.modules.items():
        module.train().requires_grad_(name in player.trains)
        module.zero_grad(set_to_none=True)
    draws = step_draws(number, shape=shape, purpose=player.name, device=META, roles=model.roles)
    player.before()
    loss, values = player.loss(draws)
    loss.backward()
    player.after()
    assert all(value.device.type == META for value in (loss, *values.values()))
    assert any(p.grad is not None for name in player.trains for p in model.modules[name].parameters())


@pytest.fixture(autouse=True)
def without_autocast(monkeypatch):
    """torch has none for this device."""
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **named: nullcontext())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "network_bottleneck")) for name in VARIANTS]
)
def test_steps_never_wait_and_always_do_the_same(name):
    chosen = Variant.model_validate(VARIANTS[name])
    shape = shape_of(chosen)
    model = built(chosen, shape, device=META)
    for player in model.players:
        first, *later = (operations_of(lambda p=player, n=number: step(model, p, n, shape)) for number in range(3))
        assert first and later[0] == later[1]  # the first may try a way of the gradient that does not fit the network


@pytest.mark.parametrize("name", names(Optimizer))
def test_optimisers_never_wait(name):
    layer = nn.Linear(3, 2)
    optimizer = component_class(Optimizer, name, "where")().build(layer.parameters(), "critic")
    for number in range(3):
        layer(torch.full((4, 3), float(number))).square().sum().backward()
        with without_waiting() as ran:
            optimizer.step()
        assert ran
    assert all(tensor.dim() == 0 or tensor.shape in ((2, 3), (2,)) for tensor in state_of(optimizer))


def state_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """The state of an optimiser, all of which lies on the device of the parameters."""
    found = [value for values in optimizer.state.values() for value in values.values()]
    assert all(isinstance(value, torch.Tensor) for value in found)
    return found


@pytest.mark.parametrize("changes", [{"conditioning": "auxiliary"}, {"conditioning": "concat"}, {}], ids=str)
def test_whole_iterations_with_data_labels_and_averages_never_wait(tmp_path, monkeypatch, changes):
    """With RMSProp: torch has no fused Adam on the device without values."""
    splits = write_splits(tmp_path)[16]
    monkeypatch.setattr(loop, "batches_of", Resident)
    chosen = variant(optimizer="rmsprop", objective="wasserstein", constraint="gradient_penalty", **changes)
    chosen = chosen.model_copy(update={"network": TRAINED["wgan_gp"].network})
    work = trainer(splits, chosen, settings(dequantise=True, batch_size=6), device=META)
    state, sums = State(), defaultdict(list)
    for _ in range(3):
        with without_waiting() as ran:
            work.iterate(state, sums)
            state.iteration += 1
        assert len(ran) > 100
    assert state.positions == {"samples": 3}
    assert all(value.device.type == META for values in sums.values() for value in values)


def masked(x: torch.Tensor) -> torch.Tensor:
    return x[x > 0]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (lambda x: x.sum().item(), "waits for aten._local_scalar_dense"),
        (lambda x: float(x.sum()), "waits for aten._local_scalar_dense"),
        (lambda x: 1 if x.sum() > 0 else 0, "waits for aten._local_scalar_dense"),
        (lambda x: to_host([{"x": x.sum()}]), "_to_copy copies from"),
        (lambda x: x.cpu(), "_to_copy copies from"),
        (lambda x: x.nonzero(), "waits for aten.nonzero"),
        (masked, "waits for a mask"),
        (lambda x: torch.equal(x, x), "waits for aten.equal"),
        (lambda x: x.unique(), "waits for aten._unique2"),
        (lambda x: x + torch.ones(4).to(META), "_to_copy copies from"),
        (lambda x: x.copy_(torch.ones(4)), "copy_ copies from"),
        (lambda x: x + torch.tensor([0.1, 0.2, 0.3, 0.4], device=META), "tensor copies from the host"),
        (lambda x: x.median(0), "median.dim is not deterministic"),
        (
            lambda x: torch.autograd.grad(
                nn.functional.adaptive_avg_pool2d(x.requires_grad_()[None, None], 2).sum(), x
            ),
            "_adaptive_avg_pool2d_backward.default is not deterministic",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_waits_or_is_not_deterministic_is_found(run, said):
    x = torch.ones(4, 4, device=META) if "pool" in said else torch.ones(4, device=META)
    with pytest.raises(AssertionError, match=said), without_waiting():
        run(x)
