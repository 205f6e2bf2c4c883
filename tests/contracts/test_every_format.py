"""Every format: facts of its official archives, archives that are written and read back, and damage that is refused."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganflow import artifacts
from ganflow.components import component_class, names
from ganflow.data import SPLITS
from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.interfaces import Format, Sample
from ganflow.data.sources.rendered import Rendered
from ganflow.data.sources.sampled import Sampled
from ganflow.errors import UserError

COUNTS = {"train": 60, "validation": 20}


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "SCRATCH", tmp_path / "scratch")


def of(name: str) -> Format:
    return component_class(Format, name, "where")()


def written(form: Format, folder: Path) -> Path:
    """The archives of a format with synthetic samples."""
    folder.mkdir()
    source = Sampled(distribution="eight_gaussians", **COUNTS) if form.points else Rendered(**COUNTS)
    source.provide(form, folder)
    return folder


def read(form: Format, folder: Path) -> dict[str, list[tuple[str, int | None, np.ndarray]]]:
    """{split: (key, label, pixels or point)} of all samples."""
    found = {split: [(s.key, s.label, contents(form, s)) for s in form.samples(folder, split)] for split in SPLITS}
    form.discard(folder)
    return found


def contents(form: Format, sample: Sample) -> np.ndarray:
    made = sample.content() if form.points else sample.image
    assert form.points or made.mode == "RGB"
    return np.asarray(made)


def check_facts(form: Format) -> None:
    """Addresses, sizes and digests of official archives that can be true; points have no official archives."""
    assert form.archives and len({archive.name for archive in form.archives}) == len(form.archives)
    assert set(form.images) == set(SPLITS)
    for archive in form.archives:
        assert re.fullmatch(r"[\w.-]+", archive.name), archive.name
        if form.points:
            continue
        assert isinstance(archive.urls, tuple) and archive.urls, f"{archive.name} has no address"
        assert all(re.fullmatch(r"https?://[^/\s]+/\S+", url) for url in archive.urls), archive.urls
        assert archive.bytes > 100, f"{archive.name} has no size"
        assert re.fullmatch("[0-9a-f]{64}", archive.sha256), f"{archive.name} has no sha256"
        assert len(set(archive.sha256)) > 4, f"{archive.name}: {archive.sha256} is nobody's digest"
    digests = [archive.sha256 for archive in form.archives if not form.points]
    assert len(set(digests)) == len(digests)
    assert form.points or all(count > 0 for count in form.images.values())


def check_round_trip(form: Format, folder: Path) -> None:
    """The archives that were written hold what went in, every time the same bytes."""
    one, other = (written(form, folder / name) for name in ("one", "other"))
    names = {archive.name for archive in form.archives}
    assert {path.name for path in one.iterdir()} == names
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)
    samples, classes = read(form, one), form.classes(one)
    assert {split: len(found) for split, found in samples.items()} == COUNTS
    for found in samples.values():
        assert len({key for key, _, _ in found}) == len(found)
        if form.labelled:
            assert {label for _, label, _ in found} <= set(range(len(classes))) and len(classes) > 1
        else:
            assert {label for _, label, _ in found} == {None} and classes == ()
    for split, again in read(form, one).items():
        for (key, label, pixels), (same_key, same_label, same) in zip(samples[split], again, strict=True):
            assert (key, label) == (same_key, same_label) and np.array_equal(pixels, same)
    check_contents(form, samples)


def check_contents(form: Format, samples: dict[str, list]) -> None:
    """Points are exactly what was sampled; images look like what was rendered, whatever their compression."""
    went_in: dict[str, list[Sample]] = {}

    class Recorder(type(form)):
        def write(self, folder, split_samples, classes):
            went_in.update({split: list(split_samples(split)) for split in SPLITS})

    source = Sampled(distribution="eight_gaussians", **COUNTS) if form.points else Rendered(**COUNTS)
    source.provide(Recorder(), Path("unused"))
    for split, found in samples.items():
        matched = zip(went_in[split], sorted(found) if form.labelled else found, strict=True)
        for sample, (_, label, content) in matched if form.labelled else ():
            assert sample.label == label
            assert likeness(form, sample, content) > 0.9
        if not form.labelled:  # the archive may have an order of its own
            for sample in went_in[split][:3]:
                assert max(likeness(form, sample, content) for _, _, content in found) > 0.9


def likeness(form: Format, sample: Sample, content: np.ndarray) -> float:
    """1 for an equal point; of images the correlation of their grey values at 16 x 16 pixels."""
    if form.points:
        return float(np.array_equal(sample.content(), content))
    small = [
        np.asarray(image.convert("L").resize((16, 16)), float) for image in (sample.image, Image.fromarray(content))
    ]
    return float(np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1])


@pytest.mark.parametrize("name", names(Format))
def test_the_facts_of_every_format(name):
    check_facts(of(name))


@pytest.mark.parametrize("name", names(Format))
def test_every_format_reads_what_it_writes(name, tmp_path):
    check_round_trip(of(name), tmp_path)


DAMAGE = {
    "cut short": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "another file": lambda content: b"<html>Not Found</html>" * 50,
}


@pytest.mark.parametrize("damage", [*DAMAGE, "absent"])
@pytest.mark.parametrize("name", names(Format))
def test_every_format_refuses_damaged_archives_with_a_sentence(name, tmp_path, damage):
    form = of(name)
    folder = written(form, tmp_path / "archives")
    for archive in form.archives:
        path = folder / archive.name
        whole = path.read_bytes()
        path.unlink() if damage == "absent" else path.write_bytes(DAMAGE[damage](whole))
        with pytest.raises(UserError) as caught:
            read(form, folder)
        assert "\n" not in str(caught.value) and len(str(caught.value)) > 20
        path.write_bytes(whole)
    read(form, folder)


@pytest.mark.parametrize(
    "broken",
    [{"sha256": "0" * 64}, {"sha256": ""}, {"urls": ()}, {"urls": ("",)}, {"urls": "https://a.b/c"}, {"bytes": 0}],
    ids=str,
)
def test_facts_that_cannot_be_true_are_found(broken):
    class Broken(Cifar10):
        archives = (Cifar10.archives[0]._replace(**broken),)

    with pytest.raises(AssertionError):
        check_facts(Broken())


def test_a_format_that_cannot_write_or_writes_something_else_is_found(tmp_path):
    class Raising(Cifar10):
        def write(self, folder, split_samples, classes):
            raise RuntimeError("can not write")

    class Swapped(Cifar10):
        def write(self, folder, split_samples, classes):
            super().write(folder, lambda split: list(split_samples(split))[::-1], classes)

    with pytest.raises(RuntimeError, match="can not write"):
        check_round_trip(Raising(), tmp_path)
    (tmp_path / "swapped").mkdir()
    with pytest.raises(AssertionError):
        check_round_trip(Swapped(), tmp_path / "swapped")
