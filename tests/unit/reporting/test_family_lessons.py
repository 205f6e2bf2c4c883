"""The lessons of the wider family: missed modes with an encoder, reconstructions, likelihoods, and translations."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_points import point_run

from ganflow.reporting.lessons import encoders, lessons_of, likelihoods, paired, reconstructions, unpaired
from ganflow.reporting.runs import RunRecord

NETWORK = {"name": "toy_mlp", "settings": {"width": 128}}
ADAM = {"name": "adam", "settings": {}}
OF_A_GAN = {"objective": {"name": "non_saturating"}, "constraint": {"name": "none"}, "conditioning": {"name": "none"}}


def run_of(folder: Path, method: str, seed: int = 0, **changes) -> RunRecord:
    """A run on points that a method has trained."""
    made = point_run(folder / method / str(seed), method, None, 2)
    settings = {"network": NETWORK, "optimizer": ADAM, "method": {"name": method}}
    if method == "adversarial":
        settings |= OF_A_GAN
    parameters = {"training": {"iterations": 9, "grid": 2, "latent": 7}, "optimizers": {}, "compute": {}}
    manifest = {"settings": settings, "parameters": parameters}
    score = {"scores": {"missed_modes": 3.0}, "better": {"missed_modes": "lower"}, "order": ["missed_modes"]}
    return replace(made, seed=seed, manifest=manifest, score=score, **changes)


def missing(run: RunRecord, modes: float) -> RunRecord:
    return replace(run, score=run.score | {"scores": {"missed_modes": modes}})


@pytest.mark.parametrize(
    ("mrgan", "mdgan", "shown"), [((2, 1), (1, 0), True), ((2, 3), (1, 0), False), ((1, 1), (4, 0), False)]
)
def test_each_encoder_must_keep_modes_in_every_seed(tmp_path, mrgan, mdgan, shown):
    counts = {"adversarial": (3, 5), "mrgan": mrgan, "mdgan": mdgan}
    runs = [missing(run_of(tmp_path, method, seed), modes[seed]) for method, modes in counts.items() for seed in (0, 1)]
    found = encoders.lesson(runs)
    assert found and found.shown == shown
    assert "adversarial misses 3 to 5 modes, mrgan" in found.sentence and "in each of 2 seeds" in found.sentence
    assert [picture.words.split()[0] for picture in found.pictures] == ["adversarial", "mrgan", "mdgan"]
    alone = encoders.lesson([run for run in runs if run.variant != "mdgan"])
    assert alone and alone.shown == (max(mrgan) < 3) and len(alone.pictures) == 2


def test_an_encoder_is_compared_with_a_gan_of_its_networks_and_with_modes_alone(tmp_path):
    gan, other = run_of(tmp_path, "adversarial"), run_of(tmp_path, "mrgan")
    assert encoders.lesson([gan]) is None and encoders.lesson([other]) is None
    wider = gan.manifest["settings"] | {"network": {"name": "toy_mlp", "settings": {"width": 9}}}
    assert encoders.lesson([replace(gan, manifest=gan.manifest | {"settings": wider}), other]) is None
    unscored = [replace(run, score=run.score | {"scores": {}}) for run in (gan, other)]
    assert encoders.lesson(unscored) is None


@pytest.mark.parametrize(
    ("held_out", "training", "shown"),
    [((7.0, 5.0), (7.0, 4.95), True), ((7.0, 5.0), (7.0, 4.8), False), ((5.0, 7.0), (5.0, 7.0), False)],
)
def test_bits_must_fall_and_be_alike_on_images_that_were_not_seen(tmp_path, held_out, training, shown):
    columns = {"validation_bits_per_dimension": held_out, "training_bits_per_dimension": training}
    journal = {"iteration": np.array([1.0, 9.0])} | {name: np.array(values) for name, values in columns.items()}
    run = run_of(tmp_path, "autoregressive", journal=journal)
    found = likelihoods.lesson([run, run_of(tmp_path, "mrgan")])
    assert found and found.shown == shown and len(found.pictures) == 1
    assert f"has {held_out[1]:.2f} bits per dimension on held-out images and {training[1]:.2f} on" in found.sentence
    assert likelihoods.lesson([run_of(tmp_path, "mrgan")]) is None


@pytest.mark.parametrize(("noise", "shown"), [(0, True), (20, True), (150, False)])
def test_reconstructions_explain_the_variance_that_an_independent_count_says(tmp_path, noise, shown):
    draw = np.random.default_rng(0)
    side, real = 4, draw.integers(60, 190, (16, 4, 4, 3))
    made = (real + draw.integers(-noise, noise + 1, real.shape)).clip(0, 255)
    rows = [np.concatenate(list(images[start : start + 8]), 1) for start in (0, 8) for images in (real, made)]
    grid = np.concatenate(rows).astype(np.uint8)
    expected = 1 - ((real - made) ** 2).sum() / (16 * real.var(axis=0)).sum()
    assert reconstructions.explained(grid, side) == pytest.approx(expected, abs=1e-12)

    folder = tmp_path / "vae run"
    (folder / "grids").mkdir(parents=True)
    Image.fromarray(grid).save(folder / "grids/reconstructions.png")
    sample = folder / "sample.png"  # without points beside it
    Image.fromarray(grid[: 2 * side, : 2 * side]).save(sample)
    run = replace(run_of(tmp_path, "vae"), folder=folder, samples=[(9, sample)])
    found = reconstructions.lesson([run, run_of(tmp_path, "mrgan")])
    assert found and found.shown == shown
    assert f"from 7 numbers its reconstructions explain {expected:.0%} of the variance" in found.sentence
    assert [lesson.name for lesson in lessons_of([run], {})] == ["reconstructions"]
    assert reconstructions.lesson([run_of(tmp_path, "vae")]) is None  # points


def translating(folder: Path, method: str, name: str = "", seed: int = 0, target: str = "x", **about) -> RunRecord:
    """A run that translates, with its grid: images of 0, translations of 90, and counterparts of 100."""
    run = run_of(folder / name, method, seed)
    settings = run.manifest["settings"] | {"method": {"name": method, "settings": about.pop("settings", {})}}
    score = {"scores": about.pop("scores", {}), "protocol": {"translation": {"target": target}}}
    grid = np.repeat(np.array(about.pop("grid", (0, 90, 100)), np.uint8), 4)[None, :, None].repeat(8, 0).repeat(3, 2)
    (run.folder / "grids").mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid).save(run.folder / "grids/translations.png")
    return replace(run, variant=name or method, manifest=run.manifest | {"settings": settings}, score=score)


@pytest.mark.parametrize(
    ("sharp", "blurred", "shown"),
    [
        (((21, 30), (22, 31)), ((19, 44), (20, 45)), True),
        (((21, 30), (22, 46)), ((19, 44), (20, 45)), False),  # farther as a set in one seed
        (((21, 30), (19, 31)), ((19, 44), (20, 45)), False),  # nearer pixel by pixel in one seed
    ],
)
def test_a_critic_pays_in_pixels_for_what_it_gains_as_a_set(tmp_path, sharp, blurred, shown):
    runs = [
        translating(
            tmp_path,
            "pix2pix",
            name,
            seed,
            settings={"adversarial": weight},
            scores={"mean_error": float(error), "sliced_wasserstein": float(distance)},
        )
        for name, weight, values in (("with", 1.0, sharp), ("without", 0.0, blurred))
        for seed, (error, distance) in enumerate(values)
    ]
    found = paired.lesson(runs)
    assert found and found.shown == shown and len(found.pictures) == 2
    assert "without has the mean error 19.0 to 20.0 and the sliced Wasserstein distance 44 to 45" in found.sentence
    assert paired.lesson(runs[:2]) is None and paired.lesson([run_of(tmp_path, "mrgan")]) is None
    unscored = [replace(run, score=run.score | {"scores": {"mean_error": 1.0}}) for run in runs]
    assert paired.lesson(unscored) is None


@pytest.mark.parametrize(("other", "shown"), [((0, 90, 100), True), ((0, 250, 100), False), ((0, 200, 100), False)])
def test_every_translation_without_pairs_must_be_nearer_than_its_image(tmp_path, other, shown):
    runs = [translating(tmp_path, "cyclegan"), translating(tmp_path, "discogan", grid=other)]
    found = unpaired.lesson([*runs, translating(tmp_path, "dualgan", target=""), run_of(tmp_path, "mrgan")])
    assert found and found.shown == shown and len(found.pictures) == 2
    assert "cyclegan on" in found.sentence and " 10.0 and 100.0; discogan" in found.sentence
    assert f"{abs(other[1] - 100):.1f} and 100.0 (" in found.sentence
    assert unpaired.lesson([run_of(tmp_path, "mrgan")]) is None
    assert [one.name for one in lessons_of(runs, {})] == ["unpaired"]
