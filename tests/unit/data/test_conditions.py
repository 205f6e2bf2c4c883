"""Conditions in shards: any reader finds what accompanies an image, and so do ours; each is made as it says."""

import itertools
import json
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageFilter
from small_shards import arrays, refused, unreadable

from ganflow.components import components_of
from ganflow.config import Choice
from ganflow.data.conditions.counterpart import Counterpart
from ganflow.data.conditions.edges import Edges
from ganflow.data.decoding import center_crop_resize
from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.interfaces import Condition, Given, Sample
from ganflow.data.reader import Shards
from ganflow.data.scenes import bedrooms, objects
from ganflow.data.shards import BLOCK, tar_header
from ganflow.data.sources.rendered import Rendered, RenderedScene
from ganflow.data.writing import write_shards
from ganflow.errors import UserError

SIDE, SEED, FIRST = 16, 3, "toys-train-000000.tar"
fitted = partial(center_crop_resize, resolution=SIDE)
COUNTERPART = {"counterpart": {"attribute": "colour", "values": ["red", "blue"]}}
LISTED = ["edges", "caption", {"low_resolution": {"factor": 2}}, "attributes", COUNTERPART, "greyscale", "blurred"]
CONDITIONS = components_of(Condition, map(Choice.model_validate, LISTED), "conditions")
IMAGES = [name for name, condition in CONDITIONS.items() if condition.kind == "image"]


def drawn(count: int = 8, labelled: bool = True) -> list[Sample]:
    pictures = [partial(RenderedScene(objects.__name__, SEED, index).picture, {}) for index in range(count)]
    labels = [objects.label_of(SEED, index) if labelled else None for index in range(count)]
    return [Sample(f"{i:08d}", *given) for i, given in enumerate(zip(pictures, labels, strict=True))]


def write(folder: Path, given: list[Sample], **options) -> Shards:
    """Shards of pictures of objects with all the conditions."""
    source = Rendered(train=100, validation=20, seed=SEED)
    about = {"dataset": "toys", "split": "train", "shape": (SIDE, SIDE, 3), "shard_size": 3, "conditions": CONDITIONS}
    about |= {"classes": () if given[0].label is None else objects.CLASSES, "attributes": source.attributes(Cifar10())}
    write_shards(given, folder, **about | {"scene": partial(source.scene, Cifar10(), "train")} | options)
    return Shards(folder)


def expected(index: int) -> dict[str, object]:
    """Picture `index`, and what accompanies it."""
    image, found = fitted(objects.render(SEED, index)[1]), objects.attributes(SEED, index)
    picture = Image.fromarray(image)
    other = {"red": "blue", "blue": "red"}.get(found["colour"], found["colour"])
    return {
        "image": image,
        "edges": slopes(image, 160),
        "low_resolution": np.asarray(picture.resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC)),
        "greyscale": np.asarray(picture.convert("L"))[..., None],
        "blurred": np.asarray(picture.filter(ImageFilter.GaussianBlur(2.0))),
        "counterpart": fitted(objects.render(SEED, index, {"colour": other})[1]),
        "caption": objects.caption(SEED, index),
        "attributes": found,
    }


def slopes(values: np.ndarray, threshold: int) -> np.ndarray:
    """Sobel's operator, with the border repeated: 0 where |horizontal| + |vertical| >= threshold, else 255."""
    grey = np.pad(np.asarray(Image.fromarray(values).convert("L")), 1, "edge").tolist()
    found = np.empty((*values.shape[:2], 1), np.uint8)
    for y, x in np.ndindex(values.shape[:2]):
        across = sum(weight * (grey[y + n][x + 2] - grey[y + n][x]) for n, weight in enumerate((1, 2, 1)))
        down = sum(weight * (grey[y + 2][x + n] - grey[y][x + n]) for n, weight in enumerate((1, 2, 1)))
        found[y, x] = 0 if abs(across) + abs(down) >= threshold else 255
    return found


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("encoding", ["raw", "webp"])
def test_what_accompanies_an_image_is_read_by_its_index_in_all_shards_or_in_a_part(tmp_path, encoding, labelled):
    found = write(tmp_path, drawn(labelled=labelled), encoding=encoding)
    found.verify()
    indices = np.random.default_rng(0).integers(0, 8, 20)
    every = [expected(index) for index in range(8)]
    chosen = [index for index, one in enumerate(every) if one["attributes"]["colour"] == "red"]
    part = found.part({"colour": "red"})
    assert len(found.index.shards) == 3 and part.shape == (SIDE, SIDE, 3) and 0 < part.count == len(chosen) < 8
    backwards = np.arange(part.count)[::-1]
    for name in ("image", *IMAGES):
        whole, partly = (one.samples if name == "image" else partial(one.images, name) for one in (found, part))
        assert np.array_equal(whole(indices), [every[index][name] for index in indices])
        assert np.array_equal(partly(backwards), [every[index][name] for index in chosen[::-1]])
        assert whole(indices[:0]).shape == (0, *every[0][name].shape)
    assert found.texts("caption", indices) == [every[index]["caption"] for index in indices]
    known, numbers = found.index.attributes, found.attributes(indices)
    assert known == objects.ATTRIBUTES and numbers.dtype == np.int64
    read = [{name: known[name][number] for name, number in zip(known, row, strict=True)} for row in numbers]
    assert read == [every[index]["attributes"] for index in indices]
    if labelled:
        assert part.labels(backwards).tolist() == [objects.label_of(SEED, index) for index in chosen[::-1]]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("encoding", ["raw", "webp"])
def test_webdataset_reads_what_accompanies_an_image(tmp_path, encoding, labelled):
    wds = pytest.importorskip("webdataset")
    write(tmp_path, drawn(5, labelled), encoding=encoding)
    urls = [str(path) for path in sorted(tmp_path.glob("*.tar"))]
    found = list(wds.WebDataset(urls, shardshuffle=False).decode("pil"))
    assert [sample["__key__"] for sample in found] == [f"{index:08d}" for index in range(5)]
    for index, sample in enumerate(found):
        wanted = expected(index)
        for name in IMAGES:  # which webdataset makes RGB
            assert np.array_equal(sample[f"{name}.png"], np.broadcast_to(wanted[name], (*wanted[name].shape[:2], 3)))
        assert (sample["caption.txt"], sample["attributes.json"]) == (wanted["caption"], wanted["attributes"])
        assert np.array_equal(sample["npy" if encoding == "raw" else "webp"], wanted["image"])
        assert sample.get("cls") == (objects.label_of(SEED, index) if labelled else None)


def test_two_processes_and_one_that_was_stopped_and_went_on_write_the_same_bytes(tmp_path):
    write(tmp_path / "one", drawn())
    write(tmp_path / "two", drawn(), processes=2)
    stopped = [*drawn()[:7], drawn()[7]._replace(content=unreadable)]
    with pytest.raises(UserError, match="broken"):
        write(tmp_path / "stopped", stopped, resume_folder=tmp_path / "kept")
    assert len(list((tmp_path / "kept").glob("*.json"))) == 2
    write(tmp_path / "resumed", drawn(), resume_folder=tmp_path / "kept")
    one, *others = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "two", "resumed"))
    assert others == [one, one]


def test_a_text_is_kept_as_it_is_and_one_that_is_empty_or_too_long_is_refused(tmp_path):
    def told(said: str) -> list[str]:
        about = {"conditions": {"caption": CONDITIONS["caption"]}, "scene": lambda key: SimpleNamespace(caption=said)}
        return write(tmp_path, drawn(1), **about).texts("caption", np.arange(1))

    for said in ("x" * 512, "\u00e4" * 256, "a\nb "):
        assert told(said) == [said]
    for said in ("", "x" * 513, "\u00e4" * 257):
        with pytest.raises(ValueError, match=f"caption: {len(said.encode())} bytes, expected 1 to 512"):
            told(said)


# ---- files that are not as they should be


def replaced(folder: Path, name: str, at: int, content: bytes) -> None:
    """Makes shards, and writes over the second sample, from `at` bytes into the tar header of a condition."""
    index = write(folder, drawn(3)).index
    with (folder / FIRST).open("r+b") as file:
        file.seek(index.layout.stride + index.layout.condition_headers[list(CONDITIONS).index(name)] + at)
        file.write(content)


MAY_BE = {"edges.png": [415], "caption.txt": [1, 512], "attributes.json": [1, 512]}  # sizes
FORGED = {
    "edges.png": [("1.edges.png", 414), ("2.edges.png", 415), ("1.edges.jpg", 415), ("1.sketch.png", 415)],
    "caption.txt": [("1.caption.txt", 0), ("1.caption.txt", 513), ("0.caption.txt", 9), ("1.caption.json", 9)],
    "attributes.json": [("1.attributes.json", 0), ("1.attributes.txt", 9), ("1.caption.txt", 9)],
}


@pytest.mark.parametrize("extension", FORGED)
def test_a_forged_member_is_refused_when_the_shards_are_opened(tmp_path, extension):
    name = extension.partition(".")[0]
    for size in MAY_BE[extension]:
        replaced(tmp_path, name, 0, tar_header(f"00000001.{extension}", size))
        assert Shards(tmp_path).count == 3
    for forged, size in FORGED[extension]:
        replaced(tmp_path, name, 0, tar_header(f"0000000{forged}", size))
        refused(tmp_path, f"{FIRST}: its sample 1 is not accompanied by a .{extension} of its size before its image")


CAT = b'{"object": "cat", "colour": '
BAD = [b"{", b"[]", b"3", b"\0", b"\xff\xfe", b"[" * 512, b'{"a":' * 102, CAT + b"[" * 200 + b"]" * 200 + b"}"]
BAD += [CAT + value + b"}" for value in (b'"pink"', b"null", b"[]", b"{}", b"1e999", b'"\\ud800"', b'"red\xff"')]


@pytest.mark.parametrize("content", [*BAD, b'{"object": "cat"}'])
def test_attributes_that_are_none_of_those_known_are_told_when_they_are_read(tmp_path, content):
    replaced(tmp_path, "attributes", BLOCK, content.ljust(BLOCK, b"\0"))
    found = Shards(tmp_path)
    assert found.attributes(np.array([0, 2])).shape == (2, 2)
    for read in (lambda: found.attributes(np.arange(3)), lambda: found.selected({"object": "cat"})):
        with pytest.raises(UserError, match=f"^{tmp_path}.*sample 1: its attributes (are not those|is no UTF-8).*$"):
            read()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"size": "big"}, "nothing is known of the size of its samples"),
        ({"colour": "pink"}, "no sample has the colour 'pink'; choose of: red, orange, blue, purple, teal"),
        ({"class": "dog"}, "no sample has the class 'dog'; choose of: boat, car, cat"),
        ({"class": "cat", "object": "dog"}, "no sample has the object 'dog'; choose of: boat, car, cat"),
        ({"class": "cat", "object": "car"}, "no sample has {class: cat, object: car}"),
    ],
)
def test_samples_that_nobody_has_are_told_in_a_line(tmp_path, where, said):
    found = write(tmp_path, drawn(10))
    for read in (found.selected, found.part):
        with pytest.raises(UserError, match=f"^{tmp_path}: {re.escape(said)}.*$"):
            read(where)
    assert found.selected({"class": "cat", "object": "cat"}).tolist() == [3]


@pytest.mark.parametrize(
    ("at", "changes", "said"),
    [
        (1, {"name": "edges"}, "its conditions are not different ones of images"),
        (0, {"shape": None}, "a condition has a shape, and is no image"),
        (1, {"shape": [1, 1, 1]}, "a condition has a shape, and is no image"),
        (0, {"shape": [16, 16, 2]}, "conditions.0.shape.2"),
        (0, {"shape": [16, 16, 3]}, "shards.0.stride"),
        (0, {"name": "../edges"}, "conditions.0.name"),
        (None, {"dtype": "float32", "shape": [768]}, "its conditions are not different ones of images"),
    ],
)
def test_an_index_of_conditions_that_cannot_be_is_refused(tmp_path, at, changes, said):
    write(tmp_path, drawn(1))
    index = json.loads((tmp_path / "index.json").read_text())
    (index if at is None else index["conditions"][at]).update(changes)
    (tmp_path / "index.json").write_text(json.dumps(index))
    refused(tmp_path, "index.json: ", said)


# ---- how they are made


def test_edges_are_where_the_slope_reaches_the_threshold():
    step = np.zeros((4, 4, 3), np.uint8)
    step[:, 2:] = 100  # across it, 1 + 2 + 1 times 100
    assert Edges(threshold=400).made(Given(step, fitted))[..., 0].tolist() == [[255, 0, 0, 255]] * 4
    assert (Edges(threshold=401).made(Given(step, fitted)) == 255).all()
    for image, threshold in zip(arrays(4, 9), (1, 160, 700, 2040), strict=True):
        assert np.array_equal(Edges(threshold=threshold).made(Given(image, fitted)), slopes(image, threshold))


def test_a_counterpart_swaps_two_values_and_leaves_all_others():
    others = {"day": "night", "night": "day", "evening": "evening"}
    scenes = [RenderedScene(bedrooms.__name__, SEED, index) for index in range(8)]
    assert {scene.attributes["time"] for scene in scenes} == others.keys()
    for scene, values in itertools.product(scenes, [("day", "night"), ("night", "day")]):
        image, time = fitted(scene.picture({})), scene.attributes["time"]
        made = Counterpart(attribute="time", values=values).made(Given(image, fitted, scene))
        assert np.array_equal(made, fitted(bedrooms.render(SEED, scene.index, {"time": others[time]})))
        assert np.array_equal(made, image) == (time == "evening")
