"""LSUN's photographs: what is written is read again, the real ones are read, a broken one is named."""

import re
import struct
import zipfile
import zlib

import lmdb
import numpy as np
import pytest
from archives import DATA, pixels, real_data, samples
from archives import scratch as scratch  # a fixture that every test here uses
from lsun_archives import data_mdb, encoded, gradient, lsun, one
from PIL import Image

from ganflow import artifacts
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.interfaces import CorruptImage


def out_of_memory(*args, **options):
    raise MemoryError


def read_one(folder, value):
    [sample] = LsunBedroom().samples(one(folder, value), "train")
    return np.asarray(sample.image)


def test_lsun_round_trip_is_lossless_and_in_order(tmp_path):
    drawn = {"train": [pixels(64, 80) for _ in range(20)], "validation": [pixels(33, 17)]}
    form = LsunBedroom()
    form.write(tmp_path, lambda split: samples(drawn[split]), ())
    assert form.classes(tmp_path) == ()
    for split, arrays in drawn.items():
        found = list(form.samples(tmp_path, split))
        assert [sample.key for sample in found] == [f"{index:08d}" for index in range(len(arrays))]
        assert all(sample.label is None for sample in found)
        assert all(np.array_equal(np.asarray(s.image), array) for s, array in zip(found, arrays, strict=True))
    with zipfile.ZipFile(tmp_path / "bedroom_train_lmdb.zip") as archive:
        assert archive.namelist() == [f"bedroom_train_lmdb/{name}" for name in ("", "data.mdb", "lock.mdb")]
        archive.extractall(tmp_path)
    with lmdb.open(str(tmp_path / "bedroom_train_lmdb"), readonly=True, lock=False) as made, made.begin() as reading:
        assert all(len(key) == 40 and int(key, 16) >= 0 for key in reading.cursor().iternext(values=False))
    assert len(list(artifacts.SCRATCH.rglob("*.mdb"))) == 2
    form.discard(tmp_path)
    assert not list(artifacts.SCRATCH.rglob("*.*"))


def test_lsun_keys_may_hold_any_bytes(tmp_path):
    one(tmp_path, encoded(Image.new("RGB", (16, 16))), b"\x00\xff/../\n")
    assert next(LsunBedroom().samples(tmp_path, "train")).key == "00000000"


@real_data
@pytest.mark.parametrize(("split", "count"), [("train", 631), ("validation", 100)])
def test_real_bedrooms(split, count):
    found = list(LsunBedroom().samples(DATA / "lsun_bedroom", split))
    assert len(found) == count
    for sample in found:
        image = sample.image
        assert image.mode == "RGB" and min(image.size) == 256


def test_lsun_empty_database_has_no_sample(tmp_path):
    assert not list(LsunBedroom().samples(lsun(tmp_path, data_mdb(tmp_path / "made", {})), "train"))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_lsun_encodings_are_sniffed(tmp_path, form):
    assert read_one(tmp_path, encoded(Image.new("RGB", (16, 16), (250, 0, 0)), form)).mean((0, 1)) == pytest.approx(
        (250, 0, 0), abs=3
    )


def test_lsun_image_modes(tmp_path):
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None], 3, axis=2)
    assert np.array_equal(read_one(tmp_path, encoded(gradient())), grey)
    deep = Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257)
    assert deep.mode == "I;16"
    assert np.array_equal(read_one(tmp_path, encoded(deep)), grey)
    assert np.array_equal(read_one(tmp_path, encoded(gradient("P"))), grey)
    assert set(read_one(tmp_path, encoded(Image.new("1", (16, 16), 1))).ravel()) == {255}
    assert tuple(read_one(tmp_path, encoded(Image.new("RGBA", (16, 16), (0, 0, 0, 0))))[0, 0]) == (255, 255, 255)
    half = read_one(tmp_path, encoded(Image.new("LA", (16, 16), (0, 128))))
    assert half[0, 0] == pytest.approx((127, 127, 127), abs=1)
    assert tuple(read_one(tmp_path, encoded(Image.new("P", (16, 16), 0), transparency=0))[0, 0]) == (255, 255, 255)
    cyan = read_one(tmp_path, encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=100))
    assert cyan[4, 4] == pytest.approx((0, 255, 255), abs=3)


def test_lsun_inks_without_adobes_marker_are_not_inverted(tmp_path):
    inks = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 255)), "JPEG", quality=100)  # cyan, written inverted
    marker = inks.index(b"\xff\xee")
    plain = inks[:marker] + inks[marker + 2 + struct.unpack_from(">H", inks, marker + 2)[0] :]
    assert read_one(tmp_path, plain)[4, 4] == pytest.approx((0, 255, 255), abs=3)


TURNS = [
    None,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_90,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_270,
]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_lsun_turns_upright(tmp_path, orientation):
    upright = Image.fromarray(pixels(20, 40))
    turn, exif = TURNS[orientation - 1], Image.Exif()
    exif[0x0112] = orientation
    lying = upright if turn is None else upright.transpose(turn)
    assert np.array_equal(read_one(tmp_path, encoded(lying, "PNG", exif=exif)), np.asarray(upright))


def test_lsun_broken_exif_is_of_no_importance(tmp_path):
    grey = Image.new("RGB", (16, 16), (90, 90, 90))
    assert read_one(tmp_path, encoded(grey, "JPEG", exif=b"Exif\0\0garbage")).shape == (16, 16, 3)


def deep_png(values, transparent):
    """A 16-bit grey PNG with a transparent value."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 0, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"tRNS", struct.pack(">H", transparent)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def test_lsun_transparent_in_16_bit_grey(tmp_path):
    values = np.arange(256).reshape(16, 16) * 257
    expected = np.arange(256).reshape(16, 16)
    expected[0, 7] = 255
    assert np.array_equal(read_one(tmp_path, deep_png(values, 7 * 257))[..., 0], expected)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def giant_png(side=40_000):
    """A PNG whose header promises `side` x `side` pixels and whose content is nothing."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b"not an image", "12 bytes that are not WEBP, JPEG or PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not WEBP"),
        (encoded(gradient(), "BMP"), "not WEBP"),
        (encoded(gradient(), "GIF"), "not WEBP"),
        (encoded(Image.fromarray(pixels(64, 64)))[:-900], r"^\d+ bytes that can't be decoded: "),
        (encoded(Image.fromarray(pixels(64, 64)), "JPEG")[:500], "^500 bytes that can't be decoded: "),
        (encoded(Image.fromarray(pixels(64, 64)), "WEBP")[:500], "^500 bytes that can't be decoded: "),
        (encoded(Image.fromarray(pixels(15, 300))), "300x15 pixels, expected sides of at least 16"),
        (giant_png(), "more than 178956970 pixels"),
        (giant_png(9_000), f"9000x9000 pixels would take {10 * 9000**2} bytes of memory, expected at most {1 << 28}$"),
    ],
    ids=["empty", "text", "svg", "bmp", "gif", "cut png", "cut jpeg", "cut webp", "tiny", "bomb", "81 megapixels"],
)
def test_lsun_broken_image_is_named(tmp_path, value, reason):
    [sample] = LsunBedroom().samples(one(tmp_path, value, b"\x00key"), "train")
    with pytest.raises(CorruptImage) as caught:
        _ = sample.image
    assert caught.value.key == "hex 006b6579"
    assert re.search(reason, caught.value.reason) and " at 0x" not in caught.value.reason


def test_lsun_want_of_memory_is_no_fault_of_the_image(tmp_path, monkeypatch):
    [sample] = LsunBedroom().samples(one(tmp_path, encoded(gradient())), "train")
    monkeypatch.setattr(Image, "open", out_of_memory)
    with pytest.raises(MemoryError):
        _ = sample.image
