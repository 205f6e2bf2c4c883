"""Trainings that diverge: what is recorded, and that nothing that is not finite is left."""

import json

import pytest
import torch
from safetensors.torch import load_file
from trainings import VARIANTS, plain, run_killed, settings, trainer, write_splits
from trainings import few_statistics as few_statistics  # a fixture that every test here uses

from ganflow.errors import UserError
from ganflow.evaluation.generated_samples import evaluation_samples, generate_samples
from ganflow.training.divergence import (
    Diverged,
    Divergence,
    NotFinite,
    check_tensors,
    read_divergence,
    refuse_diverged,
    write_divergence,
)
from ganflow.training.weights import load_generator

WILD = {"adam": {"lr": 1e30}}
OFTEN = {"iterations": 4, "journal_every": 2, "sample_every": 1, "snapshot_every": 1}


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    return write_splits(tmp_path_factory.mktemp("splits"))


def wild(name: str, **changes):
    return VARIANTS[name].model_copy(update={"optimizer": plain(optimizer=WILD | changes).optimizer})


def kept(folder) -> list[int]:
    """The iterations of the grids and snapshots in a folder, whose tensors are finite."""
    for file in folder.glob("snapshots/*.safetensors"):
        check_tensors(load_file(file).items())
    return [int(file.stem.partition("-")[0]) for kind in ("samples", "snapshots") for file in folder.glob(f"{kind}/*")]


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp", "vae", "began", "both_normalised"])
def test_a_divergence_has_iteration_value_and_remedy_in_every_method(splits, tmp_path, name):
    with pytest.raises(Diverged) as raised:
        trainer(splits[16], wild(name), settings(**OFTEN)).run(tmp_path)
    found = raised.value.divergence
    assert 1 <= found.iteration <= 4 and set(found.values.values()) <= {"nan", "inf", "-inf"}
    assert f"diverged at iteration {found.iteration}: {min(found.values)} is " in str(raised.value)
    assert "lower the variant's learning rate" in found.remedy
    assert ("constrain its critic" in found.remedy) == (name not in ("vae", "began"))
    assert max(kept(tmp_path)) < found.iteration
    assert len(raised.value.journal) == found.finite_until // 2
    assert not list(tmp_path.glob(f"{found.iteration:09d}-*.safetensors"))  # nothing to resume from


def test_points_diverge_as_images_do_before_a_solver_fails(splits, tmp_path):
    toy = plain(network={"toy_mlp": {"width": 4}}, objective="wasserstein", constraint="gradient_penalty")
    chosen = toy.model_copy(update={"optimizer": plain(optimizer=WILD).optimizer})
    with pytest.raises(Diverged, match="diverged at iteration 1"):
        trainer(splits[0], chosen, settings(**OFTEN, checkpoint_every=2)).run(tmp_path)


def test_a_divergence_is_the_same_after_a_kill_and_names_the_last_snapshot(splits, tmp_path):
    def work():
        made = trainer(splits[16], VARIANTS["wgan_gp"], settings(journal_every=2, snapshot_every=1))
        step = made.step

        def breaking(player, draws):
            values = step(player, draws)
            if player.name == "critic" and draws.step[0] == 4:
                with torch.no_grad():
                    made.model.modules["critic"][0].bias.fill_(float("nan"))
            return values

        made.step = breaking
        return made

    found = []
    for name, kills in (("once", ()), ("killed", (9, 4))):
        with pytest.raises(Diverged) as raised:
            run_killed(work, tmp_path / name, kills)
        found.append((raised.value.divergence, json.dumps(raised.value.journal, sort_keys=True)))
    assert found[0] == found[1]
    divergence, journal = found[0]
    assert (divergence.iteration, divergence.finite_until, divergence.snapshot) == (5, 4, 4)
    assert [row["iteration"] for row in json.loads(journal)] == [2, 4] and max(kept(tmp_path / "once")) == 4


def exploded(splits, tmp_path):
    """The file of a generator with finite weights, of which no sample is finite."""
    work = trainer(splits[16], VARIANTS["wgan_gp"], settings(ema=0))
    with torch.no_grad():
        for parameter in work.model.modules["generator"].parameters():
            parameter.copy_(torch.where(parameter < 0, -3e38, 3e38))
    return work, tmp_path / "generator.safetensors"


def test_samples_that_are_not_finite_are_neither_drawn_nor_scored(splits, tmp_path):
    work, file = exploded(splits, tmp_path)
    with pytest.raises(NotFinite, match="samples: nan"):
        work.write_samples(tmp_path, 0)
    assert not list(tmp_path.rglob("*.png"))
    work.about |= {"seed": 0}
    work.save(file, "generator", 8)
    module, about = load_generator(file)
    with pytest.raises(NotFinite, match="choose weights of an earlier iteration"):
        generate_samples(module, 6, 5, 4, 0, "cpu")
    evaluation = type("Evaluation", (), {"images": 6, "batch_size": 4, "batch_norm": "running"})
    with pytest.raises(Diverged) as raised:
        evaluation_samples(evaluation, module, about, "cpu")
    assert raised.value.divergence.iteration == raised.value.divergence.finite_until == 8
    assert raised.value.divergence.values == {"samples": "nan"}


def test_a_record_reads_back_and_a_damaged_one_is_named(tmp_path):
    assert read_divergence(tmp_path) is None
    refuse_diverged(tmp_path)
    known = Divergence(iteration=1200, values={"b": "inf", "a": "nan"}, finite_until=0, snapshot=None, remedy="rest")
    write_divergence(tmp_path, known)
    assert read_divergence(tmp_path) == known
    said = "diverged at iteration 1,200: a is nan (one of 2 that are not finite)"
    assert known.sentence == f"{said}; no row of its journal is finite; rest"
    with pytest.raises(Diverged, match="iteration 1,200"):
        refuse_diverged(tmp_path)
    for text in ("[]", "{}", "null", '{"iteration": 1e400}', "{"):
        (tmp_path / "divergence.json").write_text(text)
        with pytest.raises(UserError, match="divergence.json: damaged; run `python -m ganflow verify --repair"):
            read_divergence(tmp_path)
