"""What the plan refuses beforehand, with a sentence that says what to do: conditions that a dataset can't have, and
methods that need what it lacks."""

from pathlib import Path

import pytest

from ganflow import config
from ganflow.errors import UserError
from ganflow.stages import plan

TINY = Path("profiles/tiny.yaml").read_text()
BEDROOMS = "resolution: 32, shard_size: 40}"
DCGAN = "{network: {dcgan: {width: 4}}, objective: non_saturating, optimizer: {adam: {lr: 2.0e-4}}"


def planned(folder: Path, text: str) -> None:
    (folder / "params.yaml").write_text(text)
    plan.planned(config.load(folder / "params.yaml"))


def with_conditions(listed: str) -> str:
    assert BEDROOMS in TINY
    return TINY.replace(BEDROOMS, f"resolution: 32, shard_size: 40, conditions: {listed}}}", 1)


COUNTERPART = "counterpart: {attribute: %s, values: [%s]}"


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("[edge]", "there is no such component"),
        ("[edges, edges]", "is listed twice"),
        ("[{edges: {threshold: 0}}]", "threshold"),
        ("[{low_resolution: {factor: 5}}]", "low_resolution: factor = 5 does not divide the resolution 32"),
        (f"[{{{COUNTERPART % ('weather', 'a, b')}}}]", "attribute = 'weather': the scenes have time, bed, window, rug"),
        (f"[{{{COUNTERPART % ('time', 'day, noon')}}}]", "time is one of day, evening, night, not 'noon'"),
        (f"[{{{COUNTERPART % ('time', 'day, day')}}}]", "are equal"),
    ],
)
def test_conditions_that_can_not_be_made_are_refused(tmp_path, listed, said):
    with pytest.raises(UserError) as caught:
        planned(tmp_path, with_conditions(listed))
    assert "datasets.rendered_bedrooms.conditions" in str(caught.value) and said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_conditions_that_can_be_made_are_planned(tmp_path):
    planned(
        tmp_path,
        with_conditions(f"[edges, greyscale, blurred, caption, attributes, {{{COUNTERPART % ('bed', 'red, blue')}}}]"),
    )


def test_only_rendered_images_have_a_scene(tmp_path):
    official = TINY.replace(
        "  rendered_bedrooms: {format: lsun_bedroom, source: {rendered: {train: 64, validation: 16}}",
        "  bedrooms: {format: lsun_bedroom, source: official",
        1,
    )
    assert official != TINY
    planned(tmp_path, official)
    planned(tmp_path, official.replace(BEDROOMS, "resolution: 32, shard_size: 40, conditions: [edges]}", 1))
    with pytest.raises(UserError, match="caption: is known of rendered images alone, and the source is 'official'"):
        planned(tmp_path, official.replace(BEDROOMS, "resolution: 32, shard_size: 40, conditions: [caption]}", 1))


def test_points_are_not_accompanied(tmp_path):
    toy = Path("profiles/toy.yaml").read_text()
    place = toy.index("format: points")
    with pytest.raises(UserError, match="accompany images, and datasets.* are points; remove them"):
        planned(tmp_path, toy[:place] + "conditions: [edges], " + toy[place:])


def test_a_translation_needs_its_condition(tmp_path):
    translating = "{network: {unet: {width: 2}}, method: pix2pix, optimizer: adam"
    assert DCGAN in TINY
    with pytest.raises(UserError, match="no such condition; name it in its `conditions`"):
        planned(tmp_path, TINY.replace(DCGAN, translating, 1))
