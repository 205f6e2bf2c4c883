"""The rendered image sets: pure functions of (seed, index), of the promised sizes, balanced, varied, and told apart."""

import hashlib
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.scenes import bedrooms, objects
from ganflow.data.sources.rendered import FIRST_INDEX, Rendered

SEEDS = st.integers(0, 2**63)
INDICES = st.integers(0, 2**40)

DIGEST_IN_FRESH_PROCESS = """
import hashlib
from ganflow.data.scenes import bedrooms, objects
digest = hashlib.sha256()
for index in range(30):
    label, picture = objects.render(5, index)
    digest.update(bedrooms.render(5, index).tobytes() + bytes([label]) + picture.tobytes())
print(digest.hexdigest())
"""


def pixels_of_bedroom(seed, index):
    return bedrooms.render(seed, index).tobytes()


def pixels_of_object(seed, index):
    label, picture = objects.render(seed, index)
    return bytes([label]) + picture.tobytes()


BOTH = pytest.mark.parametrize("pixels", [pixels_of_bedroom, pixels_of_object])


@pytest.fixture(scope="module")
def thousand_bedrooms():
    return np.stack([np.asarray(bedrooms.render(3, index)) for index in range(1000)])


@settings(deadline=None)
@given(seed=SEEDS, index=INDICES)
def test_a_bedroom_is_an_rgb_picture_of_the_promised_size(seed, index):
    picture = bedrooms.render(seed, index)
    assert (picture.mode, picture.size) == ("RGB", bedrooms.SIZE) == ("RGB", (80, 64))


@settings(deadline=None)
@given(seed=SEEDS, index=INDICES)
def test_an_object_is_a_label_and_an_rgb_picture_of_the_promised_size(seed, index):
    label, picture = objects.render(seed, index)
    assert 0 <= label < len(objects.CLASSES) == 10
    assert (picture.mode, picture.size) == ("RGB", objects.SIZE) == ("RGB", (32, 32))


@BOTH
def test_the_order_of_drawing_changes_nothing(pixels):
    forwards = {index: pixels(1, index) for index in range(40)}
    backwards = {index: pixels(1, index) for index in reversed(range(40))}
    assert forwards == backwards


@BOTH
def test_another_seed_draws_another_set(pixels):
    assert not {pixels(1, index) for index in range(40)} & {pixels(2, index) for index in range(40)}


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_a_fresh_process_with_another_hash_seed_draws_the_same(hash_seed):
    here = hashlib.sha256()
    for index in range(30):
        here.update(pixels_of_bedroom(5, index) + pixels_of_object(5, index))
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    there = subprocess.run(
        [sys.executable, "-c", DIGEST_IN_FRESH_PROCESS], env=environment, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here.hexdigest()


@pytest.mark.slow
def test_no_two_of_a_thousand_bedrooms_are_equal(thousand_bedrooms):
    assert len({picture.tobytes() for picture in thousand_bedrooms}) == 1000


@pytest.mark.slow
def test_bedrooms_vary_in_every_part_of_the_picture(thousand_bedrooms):
    spread = thousand_bedrooms.std(axis=0).mean(axis=2)  # (64, 80), in levels of 0..255
    assert spread.mean() > 35
    assert spread.min() > 8


@pytest.mark.slow
def test_half_of_the_bedrooms_are_mirrored_so_their_mean_is_symmetric(thousand_bedrooms):
    mean = thousand_bedrooms.mean(axis=0)
    assert np.abs(mean - mean[:, ::-1]).mean() < 4


@settings(deadline=None)
@given(seed=SEEDS, block=st.integers(0, 2**36))
def test_every_block_of_ten_holds_each_class_once(seed, block):
    labels = [objects.render(seed, index)[0] for index in range(10 * block, 10 * block + 10)]
    assert sorted(labels) == list(range(10))


def test_the_order_of_labels_depends_on_seed_and_block():
    orders = {
        tuple(objects.label_of(seed, 10 * block + i) for i in range(10)) for seed in range(5) for block in range(5)
    }
    assert len(orders) == 25


def test_no_two_of_a_thousand_objects_are_equal():
    assert len({pixels_of_object(3, index) for index in range(1000)}) == 1000


# ---- attributes

SCENES = pytest.mark.parametrize("scenes", [bedrooms, objects], ids=["bedrooms", "objects"])


def pixels_of(scenes, seed, index, changed=None):
    rendered = scenes.render(seed, index) if changed is None else scenes.render(seed, index, changed)
    return (rendered if scenes is bedrooms else rendered[1]).tobytes()


@SCENES
def test_its_own_attributes_leave_a_picture_as_it_is(scenes):
    for index in range(40):
        found = scenes.attributes(1, index)
        assert found == scenes.attributes(1, index) and list(found) == list(scenes.ATTRIBUTES)
        assert pixels_of(scenes, 1, index, found) == pixels_of(scenes, 1, index, {}) == pixels_of(scenes, 1, index)


@SCENES
def test_every_value_of_an_attribute_gives_another_picture(scenes):
    for index, (name, values) in itertools.product(range(10), scenes.ATTRIBUTES.items()):
        pictures = {value: pixels_of(scenes, 1, index, {name: value}) for value in values}
        assert len(set(pictures.values())) == len(values) > 1
        assert pictures[scenes.attributes(1, index)[name]] == pixels_of(scenes, 1, index)


@SCENES
def test_a_changed_attribute_changes_no_other(scenes):
    """A picture with two changes is the same however they are put together."""
    (one, one_values), (other, other_values) = list(scenes.ATTRIBUTES.items())[:2]
    for index in range(10):
        own = scenes.attributes(1, index)
        changes = {one: one_values[0], other: other_values[-1]}
        assert pixels_of(scenes, 1, index, changes) == pixels_of(scenes, 1, index, own | changes)
    with pytest.raises((KeyError, ValueError)):
        scenes.render(1, 0, {one: "of no such value"})


def test_the_label_of_an_object_is_its_attribute_even_if_that_is_changed():
    for index, (label, name) in enumerate(enumerate(objects.CLASSES)):
        assert objects.attributes(1, index)["object"] == objects.CLASSES[objects.render(1, index)[0]]
        assert objects.render(1, index, {"object": name})[0] == label


@SCENES
def test_captions_differ_where_attributes_do_and_nowhere_else(scenes):
    values = [tuple(scenes.attributes(2, index).values()) for index in range(2000)]
    captions = [scenes.caption(2, index) for index in range(2000)]
    every = set(itertools.product(*scenes.ATTRIBUTES.values()))
    assert set(values) == every
    assert len(set(captions)) == len(every) == len(set(zip(values, captions, strict=True)))


@SCENES
def test_three_hundred_scenes_have_every_value_and_none_has_another(scenes):
    found = [scenes.attributes(4, index) for index in range(300)]
    for name, values in scenes.ATTRIBUTES.items():
        counts = {value: sum(one[name] == value for one in found) for value in values}
        assert sum(counts.values()) == 300 and min(counts.values()) >= 300 / len(values) / 3


@pytest.mark.parametrize(("form", "scenes"), [(Cifar10(), objects), (LsunBedroom(), bedrooms)])
@pytest.mark.parametrize("split", FIRST_INDEX)
def test_the_scene_of_a_sample_is_the_one_that_its_archive_shows(tmp_path, monkeypatch, form, scenes, split):
    monkeypatch.setattr("ganflow.artifacts.SCRATCH", tmp_path / "scratch")
    source = Rendered(train=5, validation=5, seed=9)
    source.provide(form, tmp_path)
    samples = list(form.samples(tmp_path, split))
    assert len(samples) == 5 and source.attributes(form) == scenes.ATTRIBUTES
    for index, sample in enumerate(samples, FIRST_INDEX[split]):
        scene = source.scene(form, split, sample.key)
        assert scene.picture({}).tobytes() == sample.image.tobytes()
        assert (scene.attributes, scene.caption) == (scenes.attributes(9, index), scenes.caption(9, index))


# ---- classes


def labelled_objects(seed, count):
    labels, pictures = zip(*(objects.render(seed, index) for index in range(count)), strict=True)
    return np.stack([np.asarray(picture).ravel() for picture in pictures]) / 255, np.array(labels)


@pytest.mark.slow
def test_a_small_classifier_tells_the_classes_apart():
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    train_pictures, train_labels = labelled_objects(seed=0, count=2000)
    test_pictures, test_labels = labelled_objects(seed=1, count=500)
    classifier = make_pipeline(PCA(50, svd_solver="randomized", random_state=0), SVC())
    accuracy = classifier.fit(train_pictures, train_labels).score(test_pictures, test_labels)
    assert accuracy >= 0.95
