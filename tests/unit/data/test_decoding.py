"""Decoding: a JPEG that lacks a part is told from a complete one, and memory stays within what is allowed."""

import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganflow.data import decoding
from ganflow.data.decoding import LARGEST_IN_MEMORY, decode, memory_of
from ganflow.data.interfaces import CorruptImage
from ganflow.data.jpeg_completeness import with_more_data


def encoded(image, form="JPEG", **options):
    packed = io.BytesIO()
    image.save(packed, form, **options)
    return packed.getvalue()


def picture(rng, mode, width, height):
    """Noise, or a few blurred colours, or nothing but the grey with which libjpeg fills what is missing."""
    kind = rng.integers(3)
    size = (height, width, 3) if kind else (4, 4, 3)
    colours = np.full((height, width, 3), 128) if kind == 2 else rng.integers(0, 256, size)
    return Image.fromarray(colours.astype(np.uint8)).resize((width, height)).convert(mode)


def jpeg(rng):
    """A JPEG of any mode, size and coding."""
    mode = ["RGB", "RGB", "L", "CMYK"][rng.integers(4)]
    options = {"quality": int(rng.integers(5, 100)), "progressive": rng.random() < 0.5, "optimize": rng.random() < 0.5}
    if mode == "RGB":
        options["subsampling"] = int(rng.integers(3))
    if rng.random() < 0.3:
        options["restart_marker_blocks"] = int(rng.integers(2, 9))
    return encoded(picture(rng, mode, *map(int, rng.integers(16, 90, 2))), **options)


def test_complete_jpegs_of_all_kinds_are_used():
    rng = np.random.default_rng(0)
    for _ in range(150):
        value = jpeg(rng)
        assert with_more_data(value) is not None
        decode(value, "k")


def test_a_jpeg_that_was_cut_and_closed_again_is_refused():
    """In 300 cuts of all kinds, those that are let through have changed no pixel visibly, but for one in a hundred."""
    rng, unseen = np.random.default_rng(1), 0
    for _ in range(100):
        value = jpeg(rng)
        whole = np.asarray(decode(value, "k")).astype(int)
        for cut in rng.integers(value.index(b"\xff\xda") + 14, len(value) - 2, 3):
            try:
                found = decode(value[:cut] + b"\xff\xd9", "k")
            except CorruptImage as corrupt:
                assert "cut short" in corrupt.reason or "can't be decoded" in corrupt.reason
            else:
                unseen += bool((abs(np.asarray(found) - whole) > 8).any())
    assert unseen <= 3


def test_a_jpeg_without_its_last_scans_is_refused():
    value = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), progressive=True)
    scans = [at for at in range(len(value)) if value[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    tables = value.rindex(b"\xff\xc4", 0, scans[-1])
    for end in (tables, scans[-1]):
        with pytest.raises(CorruptImage, match="that was cut short: they end before its image does"):
            decode(value[:end] + b"\xff\xd9", "k")


def test_16_bit_grey_is_rounded_to_8_bits():
    every = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    grey = np.asarray(decode(encoded(Image.fromarray(every), "PNG"), "k"))[..., 0]
    assert np.array_equal(grey, np.round(every / 257.0))


def test_libraries_print_no_warning():
    palette = Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32)).convert("P")
    value = encoded(palette, "PNG", transparency=bytes(range(256)))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        decode(value, "k")
        with pytest.raises(CorruptImage):
            decode(encoded(Image.new("1", (10_000, 10_000)), "PNG"), "k")
    assert not said


MEASURE = """
import io, os, sys
from pathlib import Path
from PIL import Image
from ganflow.data.decoding import center_crop_resize, decode
def memory(name):
    return int(Path("/proc/self/status").read_text().split(name + ":")[1].split()[0]) * 1024
for large in sorted(Path(sys.argv[1]).glob("*.large")):
    if os.fork():  # each in a process of its own, which has imported all
        assert os.wait()[1] == 0
        continue
    decode(large.with_suffix(".small").read_bytes(), "small")
    value = large.read_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    center_crop_resize(decode(value, "large"), 64)
    print(large.stem, memory("VmHWM") - before, sep=":", flush=True)
    os._exit(0)
"""
SIDE = 2048
KINDS = {
    "jpeg": ("RGB", "JPEG", {}),
    "progressive": ("RGB", "JPEG", {"progressive": True, "subsampling": 0}),
    "png": ("RGB", "PNG", {"compress_level": 0}),
    "grey": ("I;16", "PNG", {"compress_level": 0}),
    "transparent": ("RGBA", "PNG", {"compress_level": 0}),
    "webp": ("RGB", "WEBP", {"method": 0}),
    "transparent webp": ("RGBA", "WEBP", {"method": 0}),
}


def large(kind: str) -> tuple[bytes, bytes]:
    """A large image of a kind, and a part of it."""
    mode, form, options = KINDS[kind]
    values = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE)
    image = (
        Image.fromarray(values) if mode == "I;16" else Image.fromarray((values // 16).astype(np.uint8)).convert(mode)
    )
    if mode == "RGBA":
        image.putalpha(77)
    return encoded(image, form, **options), encoded(image.crop((0, 0, 32, 32)), form, **options)


@pytest.mark.slow
def test_memory_is_what_was_foreseen(tmp_path):
    foreseen = {}
    for kind in KINDS:
        value, small = large(kind)
        (tmp_path / f"{kind}.large").write_bytes(value)
        (tmp_path / f"{kind}.small").write_bytes(small)
        foreseen[kind] = memory_of(Image.open(io.BytesIO(value)))
    environment = {"PYTHONPATH": str(Path(decoding.__file__).parents[2])}
    command = [sys.executable, "-c", MEASURE, tmp_path]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    taken = {kind: int(count) for kind, _, count in (line.partition(":") for line in said.splitlines())}
    assert taken.keys() == KINDS.keys()
    for kind, count in taken.items():
        assert foreseen[kind] / 2 < count <= foreseen[kind] + (4 << 20), kind


def test_photographs_of_24_megapixels_are_within_the_limit():
    assert memory_of(Image.open(io.BytesIO(encoded(Image.new("RGB", (6000, 4000)))))) <= LARGEST_IN_MEMORY
