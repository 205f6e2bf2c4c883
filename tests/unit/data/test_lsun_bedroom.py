"""LSUN's archives: what is written is read again, the real ones are read, a hostile one ends in one sentence."""

import io
import pickle
import re
import struct
import zipfile
import zlib
from types import SimpleNamespace

import lmdb
import numpy as np
import pytest
from archives import DATA, pixels, real_data, refused, samples
from archives import scratch as scratch  # a fixture that every test here uses
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from repository import TOP
from ruamel.yaml import YAML

from ganflow import artifacts
from ganflow.config import Experiment
from ganflow.data import zip_file
from ganflow.data.faults import BadArchive
from ganflow.data.formats import lsun_bedroom
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.interfaces import CorruptImage
from ganflow.data.sources.files import Files
from ganflow.errors import UserError
from ganflow.params_file import checked
from ganflow.stages import download, shard


def encoded(image, form="PNG", **options):
    packed = io.BytesIO()
    image.save(packed, form, **options)
    return packed.getvalue()


def data_mdb(folder, entries):
    folder.mkdir(exist_ok=True)
    with lmdb.open(str(folder), map_size=1 << 26, lock=False) as environment, environment.begin(write=True) as change:
        for key, value in entries.items():
            change.put(key, value)
    return (folder / "data.mdb").read_bytes()


def lsun(folder, content, name="bedroom_train_lmdb", compression=zipfile.ZIP_DEFLATED):
    """The training zip, of one data.mdb or of (name or ZipInfo, content) entries."""
    entries = content if isinstance(content, list) else [(f"{name}/", b""), (f"{name}/data.mdb", content)]
    with zipfile.ZipFile(folder / f"{name}.zip", "w", compression) as archive:
        for member, value in entries:
            archive.writestr(member, value)
    return folder


def out_of_memory(*args, **options):
    raise MemoryError


def link(name, mode=0o120777):
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    return member


def one(folder, value, key=b"0" * 40):
    return lsun(folder, data_mdb(folder / "made", {key: value}))


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


def test_lsun_empty_database_has_no_sample(tmp_path):
    assert not list(LsunBedroom().samples(lsun(tmp_path, data_mdb(tmp_path / "made", {})), "train"))


def gradient(mode="L"):
    return Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert(mode)


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


GOOD = (f"{lsun_bedroom.ARCHIVES['train'].name.removesuffix('.zip')}/data.mdb", b"x")
HOSTILE_ZIPS = {
    "missing": ([("bedroom_train_lmdb/lock.mdb", b"")], "data.mdb", "expected in the archive"),
    "duplicate": ([GOOD, GOOD], "twice"),
    "extra": ([GOOD, ("bedroom_train_lmdb/run.sh", b"")], "run.sh", "official"),
    "outside": ([GOOD, ("../data.mdb", b"x")], "../data.mdb"),
    "absolute": ([("/bedroom_train_lmdb/data.mdb", b"x")], "/bedroom_train_lmdb/data.mdb"),
    "other folder": ([("bedroom/data.mdb", b"x")], "'bedroom/data.mdb' is not in the official", "without their folder"),
    "with and without its folder": ([GOOD, ("data.mdb", b"x")], "twice"),
    "other split": ([("bedroom_val_lmdb/data.mdb", b"x")], "bedroom_val_lmdb"),
    "bomb": ([(GOOD[0], bytes(70 << 20))], 70 << 20, "at most"),
    "lock bomb": ([GOOD, ("bedroom_train_lmdb/lock.mdb", bytes(2 << 20))], "lock.mdb", "at most"),
    "text": ([(GOOD[0], b"hello")], "not an LMDB file"),
    "link": ([(link(GOOD[0]), b"/etc/passwd")], "data.mdb", "is a link"),
    "link beside": ([GOOD, (link("bedroom_train_lmdb/lock.mdb"), b"/etc/passwd")], "lock.mdb", "is a link"),
    "device": ([GOOD, (link("bedroom_train_lmdb/lock.mdb", 0o020666), b"")], "lock.mdb", "device"),
    "below a member": ([GOOD, ("bedroom_train_lmdb/lock.mdb/../../x", b"")], "../../x"),
    "zeros": ([(GOOD[0], bytes(100_000))], "not an LMDB file"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", HOSTILE_ZIPS)
def test_lsun_hostile_members(tmp_path, case):
    entries, *words = HOSTILE_ZIPS[case]
    refused(LsunBedroom(), lsun(tmp_path, entries), tmp_path / "bedroom_train_lmdb.zip", *words)


def test_lsun_unusual_packing_is_refused(tmp_path):
    lsun(tmp_path, data_mdb(tmp_path / "made", {b"k": b"v"}), compression=zipfile.ZIP_LZMA)
    refused(LsunBedroom(), tmp_path, "stored or deflated")


def patched(path, signature, offset, value):
    """Writes bytes at an offset of the last record of a zip that has this signature."""
    content = bytearray(path.read_bytes())
    at = content.rindex(signature) + offset
    content[at : at + len(value)] = value
    path.write_bytes(content)


CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"
LIES = {
    "encrypted": (CENTRAL, 8, b"\x01\x00", "encrypted"),
    "unpacks to less": (CENTRAL, 24, struct.pack("<I", 30_000), "expected 30000"),
    "unpacks to 4 GB": (CENTRAL, 24, struct.pack("<I", 2**32 - 2), "expected at most"),
    "other place": (CENTRAL, 42, struct.pack("<I", 2**31), "damaged"),
    "other name": (CENTRAL, 46, b"bedroom_train_lmdb/lock.mdb", "lock.mdb"),
    "crc": (CENTRAL, 16, b"\0\0\0\0", "CRC"),
    "list of members": (END, 12, struct.pack("<I", 2**30), "damaged"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lsun_zip_that_lies(tmp_path, lie):
    path = one(tmp_path, encoded(gradient())) / "bedroom_train_lmdb.zip"
    *where, words = LIES[lie]
    patched(path, *where)
    refused(LsunBedroom(), tmp_path, path, words)


def test_lsun_list_of_members_that_would_fill_memory(tmp_path):
    path = tmp_path / "bedroom_train_lmdb.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number:0100d}", b"")
    refused(LsunBedroom(), tmp_path, path, "central directory has", artifacts.BLOCK)


def test_lsun_zip64_lie(tmp_path):
    """A member that says by its 64-bit field that it has 2^60 bytes."""
    path = one(tmp_path, encoded(gradient())) / "bedroom_train_lmdb.zip"
    content = path.read_bytes()
    central, end = content.rindex(CENTRAL), content.rindex(END)
    entry = bytearray(content[central:end])
    entry[24:28], entry[30:32] = b"\xff" * 4, struct.pack("<H", 12)
    name = 46 + len("bedroom_train_lmdb/data.mdb")
    entry[name:name] = struct.pack("<HHQ", 1, 8, 2**60)
    size = struct.unpack_from("<I", content, end + 12)[0] + 12
    tail = bytearray(content[end:])
    tail[12:16] = struct.pack("<I", size)
    path.write_bytes(content[:central] + entry + tail)
    refused(LsunBedroom(), tmp_path, "data.mdb", f"unpacks to {2**60} bytes, expected at most")


def test_lsun_is_unpacked_once_even_if_the_process_is_killed(tmp_path):
    one(tmp_path, encoded(gradient()))
    next(LsunBedroom().samples(tmp_path, "train"))
    [data] = artifacts.SCRATCH.rglob("*.mdb")
    inode = data.stat().st_ino
    [sample] = LsunBedroom().samples(tmp_path, "train")
    assert data.stat().st_ino == inode and sample.image.size == (16, 16)
    one(tmp_path, encoded(Image.new("RGB", (20, 20))))
    [sample] = LsunBedroom().samples(tmp_path, "train")
    assert sample.image.size == (20, 20), "another archive is unpacked anew"
    data.write_bytes(b"half")  # as a kill leaves it
    [sample] = LsunBedroom().samples(tmp_path, "train")
    assert sample.image.size == (20, 20)


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_lsun_data_that_was_altered_since_it_was_unpacked_is_unpacked_again(tmp_path, capfd, at):
    one(tmp_path, encoded(gradient()))
    next(LsunBedroom().samples(tmp_path, "train"))
    [data] = artifacts.SCRATCH.rglob("*.mdb")
    whole = data.read_bytes()
    content = bytearray(whole)
    content[int(at * len(content))] ^= 4
    data.write_bytes(content)
    [_] = LsunBedroom().samples(tmp_path, "train")
    assert data.read_bytes() == whole
    assert f"{data}: is not what the archive holds; it is extracted again" in capfd.readouterr().err
    target = tmp_path / "the user's"
    data.rename(target)
    for there in (data.mkdir, lambda: data.symlink_to(target)):
        artifacts.remove(data)
        there()
        [_] = LsunBedroom().samples(tmp_path, "train")
        assert data.read_bytes() == target.read_bytes() == whole and not data.is_symlink()


def test_lsun_pictures_are_read_by_other_processes(tmp_path):
    values = {f"{index:040d}".encode(): encoded(Image.fromarray(pixels())) for index in range(6)}
    values[b"f" * 40] = b"broken"
    found = list(LsunBedroom().samples(lsun(tmp_path, data_mdb(tmp_path / "made", values)), "train"))
    again = [pickle.loads(pickle.dumps(sample)) for sample in found]
    assert all(len(pickle.dumps(sample)) < 1000 for sample in found)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(found[:6], again[:6], strict=True))
    with pytest.raises(CorruptImage) as caught:
        _ = again[6].image
    assert pickle.loads(pickle.dumps(caught.value)).key == "f" * 40


def test_lsun_data_cut_short_in_a_valid_zip(tmp_path):
    values = {f"{index:040d}".encode(): encoded(Image.fromarray(pixels())) for index in range(20)}
    whole = data_mdb(tmp_path / "made", values)
    for size in (len(whole) - 4096, len(whole) // 2, 8192, 4096, 4095, 100, 0):
        refused(LsunBedroom(), lsun(tmp_path, whole[:size]), "data.mdb")
    refused(LsunBedroom(), lsun(tmp_path, whole[: len(whole) // 2]), "truncated", len(whole) // 2)
    assert len(list(LsunBedroom().samples(lsun(tmp_path, whole), "train"))) == 20


@pytest.mark.parametrize("where", ["data", "cut", "directory", "not a zip"])
def test_lsun_damaged_zip(tmp_path, where):
    path = one(tmp_path, encoded(Image.fromarray(pixels()))) / "bedroom_train_lmdb.zip"
    content = bytearray(path.read_bytes())
    match where:
        case "data":
            content[len(content) // 2] ^= 1
        case "cut":
            del content[len(content) // 2 :]
        case "directory":
            content[content.rindex(b"PK\x01\x02") + 10] ^= 0xFF
        case "not a zip":
            content = b"<html>busy</html>"
    path.write_bytes(content)
    refused(LsunBedroom(), tmp_path, path)


@settings(max_examples=200, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
def test_lsun_any_change_of_the_zip_is_read_or_refused(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("lsun")
    path = one(folder, encoded(gradient())) / "bedroom_train_lmdb.zip"
    content = bytearray(path.read_bytes())
    for where, change in changes:  # half of them from the end, where the list of members is
        at = int(where * len(content)) if where < 0.5 else int(len(content) - (1 - where) * 400)
        content[at : at + len(change)] = change
    path.write_bytes(content)
    try:
        assert len([sample.image for sample in LsunBedroom().samples(folder, "train")]) <= 1
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error)


ADDED = [("__MACOSX/bedroom_train_lmdb/._data.mdb", b"x"), ("bedroom_train_lmdb/.DS_Store", b"y"), ("Thumbs.db", b"z")]


@pytest.mark.parametrize(
    ("names", "added"), [("", []), ("./bedroom_train_lmdb/", []), ("bedroom_train_lmdb/", ADDED), ("", ADDED)]
)
def test_lsun_zips_as_people_pack_them(tmp_path, names, added):
    content = data_mdb(tmp_path / "made", {b"k": encoded(gradient())})
    lsun(tmp_path, [(f"{names}data.mdb", content), (f"{names}lock.mdb", b"l" * 8192), *added])
    [sample] = LsunBedroom().samples(tmp_path, "train")
    assert sample.image.size == (16, 16)


def test_lsun_extracted_folder_is_given_instead_of_the_zip(tmp_path):
    content = data_mdb(tmp_path / "bedroom_train_lmdb", {b"k": encoded(gradient()), b"l": encoded(gradient())})
    (tmp_path / "bedroom_train_lmdb/lock.mdb").write_bytes(b"")
    lsun(tmp_path, data_mdb(tmp_path / "held out", {b"k": encoded(gradient())}), "bedroom_val_lmdb")
    digest, small = artifacts.digest_bytes(content), artifacts.digest_file(tmp_path / "bedroom_val_lmdb.zip")
    for location in ("bedroom_train_lmdb", "bedroom_train_lmdb/", "bedroom_train_lmdb/data.mdb"):
        archives = {
            "bedroom_train_lmdb.zip": {"location": f"{tmp_path}/{location}", "sha256": digest},
            "bedroom_val_lmdb.zip": {"location": f"{tmp_path}/bedroom_val_lmdb.zip", "sha256": small},
        }
        source = checked(Files, {"archives": archives})
        assert source.provide(LsunBedroom(), tmp_path / "raw")["bedroom_train_lmdb.zip"] == digest
        assert len([sample.image for sample in LsunBedroom().samples(tmp_path / "raw", "train")]) == 2
        assert not list(artifacts.SCRATCH.rglob("*.mdb")), "it need not be extracted"
    archives["bedroom_train_lmdb.zip"] = {"location": f"{tmp_path}/bedroom_train_lmdb", "sha256": "0" * 64}
    with pytest.raises(
        UserError, match=f"bedroom_train_lmdb/data.mdb: its {len(content)} bytes have the sha256 {digest}"
    ):
        checked(Files, {"archives": archives}).provide(LsunBedroom(), tmp_path / "raw")


def checks(folder, *words):
    """What the check of the training archive says of one that it refuses, or states of one that it does not."""
    form, path = LsunBedroom(), folder / "bedroom_train_lmdb.zip"
    if not words:
        return form.check(path)
    with pytest.raises(BadArchive) as caught:
        form.check(path)
    for word in (path, *words):
        assert str(word) in str(caught.value)
    return None


def test_lsun_check_of_an_archive(tmp_path, monkeypatch):
    good, bad = encoded(gradient()), b"not an image"
    values = {f"{index:040d}".encode(): good for index in range(200)}
    assert checks(lsun(tmp_path, data_mdb(tmp_path / "a", values))) == "200 photographs"
    assert checks(lsun(tmp_path, data_mdb(tmp_path / "b", values | {b"0": bad}))) == "201 photographs"
    checks(
        lsun(tmp_path, data_mdb(tmp_path / "c", dict.fromkeys(values, bad))), "none of its first 8", "'0000", "12 bytes"
    )
    checks(lsun(tmp_path, data_mdb(tmp_path / "d", {})), "holds no photograph")
    whole = data_mdb(tmp_path / "e", values)
    checks(lsun(tmp_path, whole.replace(f"{150:040d}".encode(), b"0" * 40)), "data.mdb: the keys do not ascend")
    monkeypatch.setattr(lsun_bedroom, "SMALL", 1000)  # of a large archive, what stands at its beginning
    monkeypatch.setattr(zip_file, "_extract", None)
    assert checks(lsun(tmp_path, whole)) == "200 photographs"
    checks(lsun(tmp_path, whole[:-4096]), "truncated")
    checks(lsun(tmp_path, data_mdb(tmp_path / "f", {})), "holds no photograph")
    checks(lsun(tmp_path, [(GOOD[0], b"hello")]), "not an LMDB file")
    (tmp_path / "bedroom_train_lmdb.zip").write_bytes(whole)
    assert checks(tmp_path) == "200 photographs"
    assert not list(artifacts.SCRATCH.rglob("*.*")), "a check leaves nothing behind"


def test_lsun_altered_extraction_is_not_used(tmp_path):
    one(tmp_path, encoded(gradient()))
    [before] = LsunBedroom().samples(tmp_path, "train")
    pixels_before = np.asarray(before.image)
    [data] = artifacts.SCRATCH.rglob("*.mdb")
    content = bytearray(data.read_bytes())
    content[content.index(b"IDAT") + 12] ^= 1
    data.write_bytes(content)
    [again] = LsunBedroom().samples(tmp_path, "train")
    assert np.array_equal(np.asarray(again.image), pixels_before)


def test_lsun_wants_room_on_the_disk(tmp_path, monkeypatch):
    one(tmp_path, encoded(gradient()))
    monkeypatch.setattr(zip_file.shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    refused(LsunBedroom(), tmp_path, "10 bytes free", "make room")


def settings_of(tmp_path, **dataset):
    """The tiny experiment with the archives of a folder as its only dataset."""
    places = {
        path.name: {"location": str(path), "sha256": artifacts.digest_file(path)} for path in tmp_path.glob("*.zip")
    }
    settings = YAML(typ="safe").load((TOP / "profiles/tiny.yaml").read_text())
    chosen = {"format": "lsun_bedroom", "source": {"files": {"archives": places}}, "resolution": 16}
    return checked(Experiment, settings | {"datasets": {"bedrooms": chosen | dataset}})


def test_stages_tell_the_users_own_file_and_cure(tmp_path, monkeypatch):
    """A fault that only reading everything can find is told by `shard`, of the file that the user gave."""
    monkeypatch.chdir(tmp_path)
    values = {f"{index:040d}".encode(): encoded(gradient()) for index in range(200)}
    good = data_mdb(tmp_path / "a", values)
    damaged = good.replace(f"{150:040d}".encode(), b"0" * 40)
    lsun(tmp_path, damaged)
    lsun(tmp_path, good, "bedroom_val_lmdb")
    monkeypatch.setattr(lsun_bedroom, "SMALL", 1000)
    path = tmp_path / "bedroom_train_lmdb.zip"
    wrong = settings_of(tmp_path)
    download.run(wrong, "bedrooms")
    with pytest.raises(UserError) as caught:
        shard.run(wrong, "bedrooms")
    assert str(caught.value).startswith(f"{path}: bedroom_train_lmdb/data.mdb: the keys do not ascend: ")
    assert "put a sound archive there, and its sha256 into params.yaml" in str(caught.value)
    assert not (tmp_path / "data/shards/bedrooms").exists()
    lsun(tmp_path, good)  # the cure
    right = settings_of(tmp_path)
    download.run(right, "bedrooms")
    shard.run(right, "bedrooms")
    lsun(tmp_path, [(GOOD[0], b"hello")])
    with pytest.raises(
        UserError, match=f"^{path}: bedroom_train_lmdb/data.mdb: not an LMDB file.*; put a sound archive"
    ):
        download.run(settings_of(tmp_path), "bedrooms")
    assert (tmp_path / "data/raw/bedrooms/manifest.json").exists(), "what was good is still there"


def test_validation_is_sharded_before_train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broken = dict.fromkeys((f"{index:040d}".encode() for index in range(10, 20)), b"broken")
    values = {f"{index:040d}".encode(): encoded(gradient()) for index in range(10)}
    lsun(tmp_path, data_mdb(tmp_path / "a", values))
    lsun(tmp_path, data_mdb(tmp_path / "b", values | broken), "bedroom_val_lmdb")
    experiment = settings_of(tmp_path)
    download.run(experiment, "bedrooms")
    monkeypatch.setattr(shard, "write_shards", (work := Recorder(shard.write_shards)))
    with pytest.raises(UserError, match="bedrooms validation: 10 of the first 20 images can't be used"):
        shard.run(experiment, "bedrooms")
    assert work.splits == ["validation"]


class Recorder:
    """Calls a function and records the splits that it was called for."""

    def __init__(self, function):
        self.function, self.splits = function, []

    def __call__(self, *args, split, **options):
        self.splits.append(split)
        return self.function(*args, split=split, **options)


def test_stages_leave_out_broken_images_and_leave_nothing_in_the_scratch_folder(tmp_path, monkeypatch):
    values = {f"{index:040d}".encode(): encoded(Image.fromarray(pixels())) for index in range(6)}
    values[f"{2:040d}".encode()] = b"broken"
    lsun(tmp_path, data_mdb(tmp_path / "made", values))
    lsun(tmp_path, data_mdb(tmp_path / "held out", {b"k": encoded(gradient())}), "bedroom_val_lmdb")
    monkeypatch.chdir(tmp_path)
    for most, fine in ((0.1, True), (0.0, False)):
        experiment = settings_of(tmp_path, max_corrupt=most)
        if fine:
            download.run(experiment, "bedrooms")
            shard.run(experiment, "bedrooms")
        else:
            with pytest.raises(UserError, match="bedrooms train: 1 of the first 6 images can't be used"):
                shard.run(experiment, "bedrooms")
        found = artifacts.read_json(tmp_path / "data/shards/bedrooms/manifest.json")["skipped"]
        assert found == {
            "train": [
                {
                    "key": f"{2:040d}",
                    "reason": "6 bytes that are not WEBP, JPEG or PNG",
                    "sample": "00000002",
                }
            ],
            "validation": [],
        }
        if fine:
            assert not list(artifacts.SCRATCH.rglob("*.*"))


@real_data
@pytest.mark.parametrize(("split", "count"), [("train", 631), ("validation", 100)])
def test_real_bedrooms(split, count):
    found = list(LsunBedroom().samples(DATA / "lsun_bedroom", split))
    assert len(found) == count
    for sample in found:
        image = sample.image
        assert image.mode == "RGB" and min(image.size) == 256
