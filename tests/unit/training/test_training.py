"""The training loop: the same bytes however often it is killed and resumed, and a state that survives damage."""

import json
import shutil
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from ganflow.methods.adversarial import Adversarial, parts
from ganflow.training.images import class_labels, from_stored, latent_vectors, to_pixels
from PIL import Image
from safetensors.torch import load_file

from ganflow.components import names
from ganflow.config import Choice, CriticSteps, Training, Variant
from ganflow.data.interfaces import Sample
from ganflow.data.reader import Shards
from ganflow.data.scenes import objects
from ganflow.data.writing import write_shards
from ganflow.errors import UserError
from ganflow.evaluation.images import generated_images
from ganflow.methods import constraints, objectives, optimizers
from ganflow.methods.interfaces import Update
from ganflow.networks.interfaces import codes
from ganflow.randomness import generator
from ganflow.training import loop
from ganflow.training.loop import Run
from ganflow.training.state import Checkpoints, State
from ganflow.training.weights import load_generator, save_tensors

PLAIN = {"dcgan": {"width": 4, "norm": "none", "weight_std": None}}
NORMALISED = {"dcgan": {"width": 4}}
RESNET = {"resnet": {"width": 4}}
DECAYING = {"adam": {"lr": 1e-3, "decay": "linear"}}
DEQUANTISED = {"dequantise": True, "generator_batch": 2}
BOOSTED = {"steps": 2, "boost": 4, "boost_first": 2, "boost_every": 5}


def plain(**changes) -> Variant:
    chosen = {"network": PLAIN, "objective": "non_saturating", "optimizer": "adam", "critic_steps": BOOSTED}
    return Variant.model_validate(chosen | changes)


def sensible_variants() -> dict[str, Variant]:
    """Every component at least once: those of one kind with a partner that fits it, and several at a time."""
    gp = {"objective": "wasserstein", "constraint": "gradient_penalty"}
    found = {
        "dcgan": plain(network=NORMALISED),
        "wgan": plain(network=NORMALISED, objective="wasserstein", constraint="weight_clipping", optimizer="rmsprop"),
        "ac_gan": plain(network=RESNET, conditioning="auxiliary", optimizer=DECAYING, training=DEQUANTISED, **gp),
        "two_families": plain(critic_network={"mlp": {"width": 4}}, constraint="spectral_norm"),
    }
    for kind, package in (("objective", objectives), ("constraint", constraints), ("optimizer", optimizers)):
        for name in names(package):
            for objective in ({kind: name}, {kind: name} | gp, {kind: name, "objective": "wasserstein"}):
                with suppress(UserError):
                    parts("v", plain(**objective), (16, 16, 3))
                    found[name] = plain(**objective)
                    break
    for name in names(Conditioning):
        found[f"conditioned_{name}"] = plain(network=NORMALISED, conditioning=name)
    return found


VARIANTS = sensible_variants()
WGAN_GP, DCGAN, WGAN = "wasserstein", "dcgan", "wgan"
# `wasserstein` found the gradient penalty, `none` is the constraint
assert set(VARIANTS) >= {*names(Objective), *names(Constraint), *names(Optimizer)}


def drawing(index: int) -> Image.Image:
    return objects.render(0, index)[1]


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> dict[int, tuple[Shards, Shards]]:
    folder = tmp_path_factory.mktemp("shards")
    for split, count in (("train", 40), ("validation", 10)):
        samples = [Sample(f"{i:08d}", partial(drawing, i), i % 3) for i in range(count)]
        settings = {"dataset": "d", "split": split, "shard_size": 16, "classes": ("a", "b", "c")}
        for resolution in (16, 32):
            write_shards(samples, folder / str(resolution) / split, shape=(resolution, resolution, 3), **settings)
    return {
        side: (Shards(folder / str(side) / "train"), Shards(folder / str(side) / "validation")) for side in (16, 32)
    }


def settings(**changes) -> Training:
    small = {"iterations": 8, "batch_size": 6, "latent": 5, "journal_every": 2, "sample_every": 3, "grid": 2}
    return Training.model_validate(small | {"checkpoint_every": 2, "ema": 0.9} | changes)


def run(shards, name: str, training: Training, seed: int = 0) -> Run:
    variant = VARIANTS[name]
    training = Training.model_validate(training.model_dump() | variant.training)
    side = 32 if variant.network.name == "resnet" else 16
    method = Adversarial(name, variant, training, (side, side, 3), seed, "cpu", classes=3)
    return Run(name, method, training, seed, "cpu", *shards[side])


def result(work: Run, folder: Path, state) -> dict:
    weights = {key: module.state_dict() for key, module in work.method.modules.items()}
    weights["averaged"] = work.averaged.state_dict()
    bits = {f"{k}/{n}": t.numpy().tobytes() for k, tensors in weights.items() for n, t in tensors.items()}
    grids = {file.name: file.read_bytes() for file in (folder / "samples").iterdir()}
    return {"weights": bits, "grids": grids, "journal": json.dumps(state.journal, sort_keys=True)}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", VARIANTS)
def test_killed_and_resumed_twice_gives_the_same_bits(shards, tmp_path, monkeypatch, name, precision):
    training = settings(precision=precision)
    undisturbed = run(shards, name, training)
    expected = result(undisturbed, tmp_path / "a", undisturbed.to_the_end(tmp_path / "a"))

    folder, step = tmp_path / "b", Run.step
    for steps_until_kill in (14, 7):
        left = iter(range(steps_until_kill))

        def killed(self, *arguments, left=left):
            if next(left, None) is None:
                raise Killed
            return step(self, *arguments)

        monkeypatch.setattr(Run, "step", killed)
        with pytest.raises(Killed):
            run(shards, name, training).to_the_end(folder)
    monkeypatch.setattr(Run, "step", step)
    resumed = run(shards, name, training)
    assert result(resumed, folder, resumed.to_the_end(folder)) == expected
    assert resumed.images_used < undisturbed.images_used
    assert undisturbed.images_used == (3 * 4 + 5 * 2) * training.batch_size  # boosted at 0, 1 and 5


def test_a_damaged_checkpoint_falls_back_to_the_one_before(shards, tmp_path, capsys):
    training = settings()
    work = run(shards, WGAN_GP, training)
    expected = result(work, tmp_path / "a", work.to_the_end(tmp_path / "a"))
    kept = sorted((tmp_path / "a").glob("*.safetensors"))
    assert [int(file.name.split("-")[0]) for file in kept] == [6, 8]
    newest = bytearray(kept[-1].read_bytes())
    newest[len(newest) // 2] ^= 1
    kept[-1].write_bytes(newest)
    again = run(shards, WGAN_GP, training)
    assert result(again, tmp_path / "a", again.to_the_end(tmp_path / "a")) == expected
    assert "damaged; going on from the checkpoint before" in capsys.readouterr().err
    assert again.images_used == (2 + 2) * training.batch_size  # iterations 6 and 7, two critic steps each


def test_a_checkpoint_cut_short_or_a_partial_one_is_passed_over(shards, tmp_path):
    work = run(shards, DCGAN, settings())
    work.to_the_end(tmp_path)
    for file in tmp_path.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:50])
    (tmp_path / ".000000009-ab.safetensors.partial").write_bytes(b"half")
    fresh = Checkpoints(tmp_path, work.method.modules, work.method.optimizers).load()
    assert fresh.iteration == 0 and fresh.journal == []


def test_checkpoints_hold_no_pickle(shards, tmp_path):
    run(shards, DCGAN, settings()).to_the_end(tmp_path)
    for file in tmp_path.glob("*.safetensors"):
        load_file(file)


def test_seeds_differ_and_journal_rows_are_whole(shards, tmp_path):
    rows = {}
    for seed in (0, 1):
        state = run(shards, WGAN, settings(), seed).to_the_end(tmp_path / str(seed))
        rows[seed] = state.journal
    assert rows[0] != rows[1]
    assert [row["iteration"] for row in rows[0]] == [2, 4, 6, 8]
    slopes = {f"validation_gradient_norm{part}" for part in ("", "_q10", "_q50", "_q90", "_max")}
    losses = {"iteration", "critic_loss", "estimate", "generator_loss", "validation_critic_loss", "validation_estimate"}
    assert set(rows[0][0]) == losses | slopes | {"validation_estimate_over_slope"}
    for row in rows[0]:
        expected = row["validation_estimate"] / row["validation_gradient_norm_max"]
        assert row["validation_estimate_over_slope"] == pytest.approx(expected)


def columns_of(shards, name: str, folder: Path) -> set[str]:
    return set(run(shards, name, settings(iterations=2)).to_the_end(folder).journal[-1])


def test_what_the_journal_says_of_each_kind_of_method(shards, tmp_path):
    sigmoid = columns_of(shards, DCGAN, tmp_path / "a")
    assert "validation_accuracy" in sigmoid and "validation_estimate_over_slope" not in sigmoid
    penalised = columns_of(shards, WGAN_GP, tmp_path / "b")
    assert {"penalty", "gradient_norm", "gradient_norm_q10", "gradient_norm_q50", "gradient_norm_q90"} <= penalised
    classified = columns_of(shards, "conditioned_auxiliary", tmp_path / "c")
    assert {"class_loss", "class_accuracy", "generator_class_loss"} <= classified


def test_looking_at_a_critic_changes_nothing(shards, tmp_path):
    """Journal rows are measured, with gradients in the critic's input, and leave the training's bits as they are."""
    often, rarely = settings(journal_every=1), settings(journal_every=8, checkpoint_every=8)
    for name in (WGAN, WGAN_GP, "spectral_norm"):
        works = []
        for training in (often, rarely):
            works.append(run(shards, name, training))
            works[-1].to_the_end(tmp_path / f"{name}{training.journal_every}")
        for key, module in works[0].method.modules.items():
            other = works[1].method.modules[key].state_dict()
            assert all(torch.equal(value, other[part]) for part, value in module.state_dict().items()), (name, key)


def test_a_conditional_generator_is_saved_and_loaded_and_its_grid_has_a_class_a_row(shards, tmp_path):
    work = run(shards, "conditioned_concat", settings(grid=4))
    work.to_the_end(tmp_path)
    latent = latent_vectors(16, 5, "cpu", 0, "grid")
    about = {
        "module": "generator",
        "network": NORMALISED["dcgan"],
        "shape": (16, 16, 3),
        "latent": 5,
        "classes": 3,
        "scale": 1.0,
    }
    about |= {"network": {"name": "dcgan", "settings": NORMALISED["dcgan"]}, "scale": work.method.image_scale}
    save_tensors(tmp_path / "g.safetensors", work.averaged.state_dict(), about)
    module, known = load_generator(tmp_path / "g.safetensors")
    rows = torch.tensor([0, 1, 2, 0]).repeat_interleave(4)
    with torch.no_grad():
        pixels = to_pixels(module(codes(latent, rows, known["classes"])))
    shown = np.asarray(Image.open(tmp_path / "samples" / "000000008.png"))
    assert np.array_equal(shown, pixels.reshape(4, 4, 16, 16, 3).transpose(0, 2, 1, 3, 4).reshape(64, 64, 3))
    images = generated_images(module, 6, 5, 4, 0, "cpu", known["classes"])
    assert images.shape == (6, 3, 16, 16)


def test_real_images_come_with_their_own_labels(shards, monkeypatch):
    """Each batch's labels are those of its images, and a step reads them once."""
    work = run(shards, "conditioned_auxiliary", settings())
    train, _ = shards[16]
    seen = []
    critic = work.method.updates[0]

    def looked(draws):
        seen.append((draws.real, draws.labels()))
        return critic.loss(draws)

    work.method.updates = (replace(critic, loss=looked),)
    work._iterate(State(), defaultdict(list))
    pixels = from_stored(torch.from_numpy(train.samples(np.arange(40)))).flatten(1)
    for real, labels in seen:
        indices = [int((pixels == image.flatten()).all(1).nonzero()[0, 0]) for image in real]
        assert labels.tolist() == train.labels(np.array(indices)).tolist()


def test_drawn_classes_are_uniform():
    drawn = class_labels(30_000, 10, "cpu", 0, "test").bincount(minlength=10)
    assert drawn.min() > 2_800 and drawn.max() < 3_200
    assert class_labels(4, 0, "cpu", 0, "test").tolist() == [0] * 4


def test_wgan_gp_learns_one_colour(tmp_path):
    """A generator that need only learn one colour comes near it within seconds."""
    samples = [Sample(f"{i:08d}", partial(Image.new, "RGB", (16, 16), (200, 40, 90)), None) for i in range(8)]
    for split in ("train", "validation"):
        write_shards(samples, tmp_path / split, dataset="d", split=split, shape=(16, 16, 3), shard_size=8, classes=())
    data = Shards(tmp_path / "train"), Shards(tmp_path / "validation")
    training = settings(iterations=150, batch_size=8, journal_every=50, checkpoint_every=150, sample_every=150)
    adam = Choice.model_validate({"adam": {"lr": 3e-3, "betas": [0.0, 0.9]}})
    chosen = VARIANTS[WGAN_GP].model_copy(update={"optimizer": adam, "critic_steps": CriticSteps(steps=2)})
    work = Run("one colour", Adversarial("v", chosen, training, (16, 16, 3), 0, "cpu"), training, 0, "cpu", *data)
    state = work.to_the_end(tmp_path / "scratch")
    with torch.no_grad():
        colour = to_pixels(work.averaged(latent_vectors(16, 5, "cpu", 0, "test"))).mean((0, 1, 2))
    assert np.abs(colour - (200, 40, 90)).max() < 30
    assert abs(state.journal[-1]["estimate"]) < abs(state.journal[0]["estimate"])


def test_a_diverging_training_is_said_so(shards, tmp_path):
    work = run(shards, WGAN_GP, settings())
    with torch.no_grad():
        work.method.modules["critic"][0].bias.fill_(float("nan"))
    with pytest.raises(UserError, match="critic_loss is nan at iteration 2: the training diverged; lower"):
        work.to_the_end(tmp_path)


def test_the_loop_runs_any_list_of_updates(shards, tmp_path):
    work = run(shards, DCGAN, settings(iterations=2))
    calls = []
    critic, generator_update = work.method.updates

    def spy(update: Update, name: str, times: int) -> Update:
        return Update(
            name,
            update.trains,
            update.loss,
            lambda iteration: times,
            update.uses_real,
            before=lambda: calls.append(name),
        )

    work.method.updates = (spy(critic, "first", 1), spy(generator_update, "second", 2), spy(critic, "third", 1))
    state = work.to_the_end(tmp_path)
    assert calls == ["first", "second", "second", "third"] * 2
    assert state.position == 4


def test_random_numbers_depend_on_seed_purpose_and_step_alone():
    one = generator(0, "a", 1).standard_normal(4)
    assert np.array_equal(one, generator(0, "a", 1).standard_normal(4))
    for other in (generator(1, "a", 1), generator(0, "b", 1), generator(0, "a", 2), generator(0, "a", 1, 0)):
        assert not np.array_equal(one, other.standard_normal(4))


def test_random_numbers_stay_what_they_are():
    """Results hang on these: a change of numpy or of the key derivation must not pass unseen."""
    assert generator(0, "latent/critic", 3, 1).integers(0, 2**32, 3).tolist() == [2517790975, 333699930, 2994712516]


def test_pixels_go_to_images_and_back():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    images = from_stored(torch.from_numpy(pixels))
    assert images.min() == -1 and images.max() == 1
    assert np.allclose(images[0, 0].flatten(), 2 * (np.arange(256) / 255 - 0.5), rtol=0, atol=1.2e-7)
    as_on_a_gpu = torch.from_numpy(pixels).float().sub_(127.5).mul_(1 / 127.5).permute(0, 3, 1, 2)
    assert torch.equal(images, as_on_a_gpu) and images.stride() == as_on_a_gpu.stride()
    assert images.data_ptr() % 64 == 0
    assert np.array_equal(to_pixels(images), pixels)


def test_every_latent_of_a_run_is_drawn_once(shards, tmp_path, monkeypatch):
    seen = []
    original = loop.latent_vectors

    def recorded(*arguments):
        seen.append(arguments[4:])
        return original(*arguments)

    monkeypatch.setattr(loop, "latent_vectors", recorded)
    run(shards, WGAN_GP, settings(iterations=3)).to_the_end(tmp_path)
    steps = [purpose for purpose in seen if purpose[0] in ("critic", "generator")]
    assert len(steps) == len(set(steps)) == (4 + 4 + 2) + 3
    shutil.rmtree(tmp_path)
