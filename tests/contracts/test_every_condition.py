"""Every condition that accompanies images: of the shape, size and values that it promises, and equal each time."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import pytest
from PIL import Image

from ganflow.components import component_class, names
from ganflow.data.decoding import center_crop_resize
from ganflow.data.interfaces import Condition, Given
from ganflow.data.scenes import bedrooms, objects
from ganflow.data.shards import BLOCK
from ganflow.data.sources.rendered import RenderedScene

SIDE = 32
SCENES = pytest.mark.parametrize("scenes", [bedrooms, objects], ids=["bedrooms", "objects"])
EVERY = pytest.mark.parametrize("name", names(Condition))
REQUIRED = {  # settings that have no default, by the scenes that they are of
    "counterpart": {
        bedrooms: {"attribute": "time", "values": ("day", "night")},
        objects: {"attribute": "colour", "values": ("red", "blue")},
    },
}
REFUSED = [  # (name, settings, a word of the reason)
    ("counterpart", {"attribute": "weather", "values": ("sun", "rain")}, "weather"),
    ("counterpart", {"attribute": "bed", "values": ("blue", "plaid")}, "plaid"),
    ("counterpart", {"attribute": "bed", "values": ("plaid", "blue")}, "plaid"),
    ("counterpart", {"attribute": "time", "values": ("blue", "red")}, "blue"),
    ("low_resolution", {"factor": 3}, "3"),
    ("low_resolution", {"factor": 5}, "5"),
]


def example(name: str, scenes) -> Condition:
    """A condition with the settings that it requires for some scenes."""
    found = component_class(Condition, name, "where")
    wanted = {key for key, field in found.model_fields.items() if field.is_required()}
    settings = REQUIRED.get(name, {}).get(scenes, {})
    assert wanted <= settings.keys(), f"{name} requires {sorted(wanted)}: name settings for it in REQUIRED"
    return found.model_validate(settings)


class Untouched:
    """A scene that nobody may ask anything."""

    def __getattr__(self, name: str):
        raise AssertionError(f"asked the scene for {name}, and needs_scene is false")


class Narrow:
    """A scene that knows no more than the interface does."""

    def __init__(self, scenes, index: int):
        self._scene = RenderedScene(scenes.__name__, 1, index)
        self.attributes, self.caption = self._scene.attributes, self._scene.caption

    def picture(self, changed: Mapping[str, str]) -> Image.Image:
        return self._scene.picture(changed)


def given(scenes, index: int, scene=None) -> Given:
    fitted = partial(center_crop_resize, resolution=SIDE)
    image = fitted(RenderedScene(scenes.__name__, 1, index).picture({}))
    image.setflags(write=False)
    return Given(image, fitted, scene)


@EVERY
def test_every_condition_says_what_it_is(name):
    found = component_class(Condition, name, "where")
    assert 5 < len(found.about) < 80 and "\n" not in found.about and not found.about.endswith(".")
    assert found.kind in ("image", "text", "attributes")
    assert isinstance(found.needs_scene, bool)


@SCENES
@EVERY
def test_every_condition_is_made_of_any_picture_as_it_promises(name, scenes):
    one = example(name, scenes)
    for index in range(6):
        scene = Narrow(scenes, index)
        made, again = (one.made(given(scenes, index, scene)) for _ in range(2))
        match one.kind:
            case "image":
                assert made.shape == one.shape(SIDE) and made.dtype == np.uint8
                assert made.ndim == 3 and made.shape[2] in (1, 3)
                assert np.array_equal(made, again)
            case "text":
                assert isinstance(made, str) and made == again
            case "attributes":
                assert isinstance(made, dict) and made == again
    if one.kind != "image":
        with pytest.raises(TypeError, match="has no shape"):
            one.shape(SIDE)


@EVERY
def test_every_image_has_its_shape_at_other_sizes_too(name):
    one = example(name, objects)
    for side in (8, 16, 48):
        if one.kind == "image" and one.refusal(objects.ATTRIBUTES, side) is None:
            fitted, scene = partial(center_crop_resize, resolution=side), Narrow(objects, 0)
            assert one.made(Given(fitted(scene.picture({})), fitted, scene)).shape == one.shape(side)


@SCENES
@EVERY
def test_every_text_and_all_attributes_are_what_shards_can_hold(name, scenes):
    one, known = example(name, scenes), scenes.ATTRIBUTES
    if one.kind == "image":
        return
    shown = given(scenes, 0)
    for index in range(200):
        made = one.made(shown._replace(drawn=Narrow(scenes, index)))
        if one.kind == "text":
            assert 1 <= len(made.encode()) <= BLOCK and "\0" not in made and made == made.strip()
        else:
            assert list(made) == list(known) and all(made[key] in known[key] for key in known)


@SCENES
@EVERY
def test_every_condition_says_whether_it_needs_a_scene(name, scenes):
    one = example(name, scenes)
    if one.needs_scene:
        with pytest.raises(LookupError, match="needs_scene"):
            one.made(given(scenes, 0))
    else:
        assert np.array_equal(one.made(given(scenes, 0)), one.made(given(scenes, 0, Untouched())))


@SCENES
@EVERY
def test_every_condition_takes_good_settings(name, scenes):
    assert example(name, scenes).refusal(scenes.ATTRIBUTES, SIDE) is None


@pytest.mark.parametrize(("name", "settings", "word"), REFUSED)
def test_settings_that_do_not_fit_the_images_are_refused_in_a_sentence(name, settings, word):
    one = component_class(Condition, name, "where").model_validate(settings)
    reason = one.refusal(bedrooms.ATTRIBUTES, SIDE)
    assert word in reason and len(reason) > 20 and "\n" not in reason


def test_a_counterpart_of_one_value_is_refused():
    with pytest.raises(ValueError, match="are equal; name two different ones"):
        component_class(Condition, "counterpart", "where")(attribute="bed", values=("blue", "blue"))
