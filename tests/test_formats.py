"""Formats: what is written is read again, the real archives are read, and a hostile archive ends in one sentence."""

import gzip
import hashlib
import importlib.util
import io
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import lmdb
import numpy as np
import pytest
from PIL import Image

from ganflow import artifacts
from ganflow.data.formats import cifar10, lsun_bedroom
from ganflow.data.formats.cifar10 import FOLDER, META, Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.interfaces import Sample
from ganflow.data.sources.rendered import Rendered
from ganflow.errors import UserError

DATA = Path(__file__).parents[2] / "shared" / "data"
CLASSES = tuple(["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"])
RNG = np.random.default_rng(0)
real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real images are not at {DATA}")


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "SCRATCH", tmp_path / "scratch")


def pixels(height=32, width=32):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def samples(arrays, labels=None):
    return [
        Sample(str(index), Image.fromarray(array).copy, labels and labels[index]) for index, array in enumerate(arrays)
    ]


def refused(form, folder, *words, split="train"):
    with pytest.raises(UserError) as caught:
        for sample in form.samples(folder, split):
            assert sample.image.mode == "RGB"
    for word in words:
        assert str(word) in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- CIFAR-10


def batch(count=2, label=3):
    return b"".join(bytes([label]) + pixels().tobytes() for _ in range(count))


def members(**changes):
    """The members of a small archive as (name, content), with changes by the last part of the name."""
    content = {f"data_batch_{n}.bin": batch() for n in range(1, 6)}
    content |= {"test_batch.bin": batch(), "batches.meta.txt": "\n".join(CLASSES).encode() + b"\n\n"}
    content |= {name.replace("__", "."): value for name, value in changes.items()}
    return [(f"{FOLDER}/{name}", value) for name, value in content.items() if value is not None]


def tar(entries):
    """A tar of (name, content) and of TarInfo entries."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry, io.BytesIO(bytes(entry.size)))
            else:
                member = tarfile.TarInfo(entry[0])
                member.size = len(entry[1])
                archive.addfile(member, io.BytesIO(entry[1]))
    return packed.getvalue()


def cifar(folder, content):
    (folder / "cifar-10-binary.tar.gz").write_bytes(content)
    return folder


def entry(name, kind=tarfile.REGTYPE, target="", size=0):
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, target, size
    return member


def test_cifar_round_trip(tmp_path):
    drawn = {"train": [pixels() for _ in range(10)], "validation": [pixels() for _ in range(3)]}
    labels = {"train": list(range(10)), "validation": [9, 0, 9]}
    form = Cifar10()
    form.write(tmp_path, lambda split: samples(drawn[split], labels[split]), CLASSES)
    assert form.classes(tmp_path) == CLASSES
    for split in drawn:
        found = list(form.samples(tmp_path, split))
        assert [sample.label for sample in found] == labels[split]
        assert [sample.key for sample in found] == [f"{index:08d}" for index in range(len(found))]
        assert all(
            np.array_equal(np.asarray(sample.image), array) for sample, array in zip(found, drawn[split], strict=True)
        )


def test_cifar_planes_are_red_green_blue_by_rows(tmp_path):
    record = bytes([7]) + bytes([1]) * 1024 + bytes([2]) * 1024 + bytes(range(256)) * 4
    cifar(tmp_path, gzip.compress(tar(members(data_batch_1__bin=record))))
    first = next(Cifar10().samples(tmp_path, "train"))
    assert first.label == 7
    assert first.image.getpixel((5, 3)) == (1, 2, 3 * 32 + 5)


def test_cifar_members_in_any_order_with_their_folder(tmp_path):
    entries = [entry(f"{FOLDER}/", tarfile.DIRTYPE), *reversed(members(readme__html=b"hello"))]
    cifar(tmp_path, gzip.compress(tar(entries)))
    assert len(list(Cifar10().samples(tmp_path, "train"))) == 10


@pytest.mark.parametrize("count", [4, 0, 12])
def test_cifar_write_refuses_uneven_batches(tmp_path, count):
    with pytest.raises(UserError, match="multiple of 5"):
        Cifar10().write(tmp_path, lambda split: samples([pixels()] * count, [0] * count), CLASSES)


HOSTILE_TARS = {
    "missing": (members(data_batch_3__bin=None), "data_batch_3.bin", "expected"),
    "missing meta": (members(batches__meta__txt=None), META),
    "duplicate": ([*members(), members()[0]], "data_batch_1.bin", "twice"),
    "extra": (members(extra__bin=b"x"), "extra.bin", "not a member"),
    "short": (members(test_batch__bin=batch()[:-1]), "test_batch.bin", 2 * 3073 - 1, 3073),
    "empty": (members(test_batch__bin=b""), "test_batch.bin", "0 bytes"),
    "oversized": (members(data_batch_2__bin=bytes(3073 * 10_001)), "data_batch_2.bin", 3073 * 10_001, 30_730_000),
    "long meta": (members(batches__meta__txt=b"a" * 5000), META, 5000, 4096),
    "label": (members(data_batch_5__bin=batch() + batch(1, 10)), "data_batch_5.bin", "record 2", "label 10"),
    "nine classes": (members(batches__meta__txt="\n".join(CLASSES[:9]).encode()), META, "found 9"),
    "same classes": (members(batches__meta__txt="\n".join(["cat"] * 10).encode()), META, "expected 10"),
    "odd classes": (members(batches__meta__txt="\n".join([*CLASSES[:9], "\x1b[2J"]).encode()), META),
    "symlink": ([entry(f"{FOLDER}/data_batch_1.bin", tarfile.SYMTYPE, "/etc/passwd"), *members()], "b'2'", "regular"),
    "hard link": ([entry(f"{FOLDER}/data_batch_1.bin", tarfile.LNKTYPE, "x"), *members()], "regular file"),
    "device": ([entry(f"{FOLDER}/readme.html", tarfile.CHRTYPE), *members()], "readme.html", "regular file"),
    "sparse": ([entry(f"{FOLDER}/readme.html", tarfile.GNUTYPE_SPARSE), *members()], "readme.html"),
    "outside": ([("../evil.bin", b"x"), *members()], "../evil.bin"),
    "absolute": ([("/tmp/evil.bin", b"x"), *members()], "/tmp/evil.bin"),
    "other folder": ([entry("elsewhere", tarfile.DIRTYPE), *members()], "elsewhere"),
    "pickles": ([("cifar-10-batches-py/data_batch_1", b"x")], "pickle", "cifar-10-binary.tar.gz"),
    "pickle folder": ([entry("cifar-10-batches-py", tarfile.DIRTYPE)], "pickle", "cifar-10-binary.tar.gz"),
    "nothing": ([], "expected"),
}


@pytest.mark.parametrize("case", HOSTILE_TARS)
def test_cifar_hostile_members(tmp_path, case):
    entries, *words = HOSTILE_TARS[case]
    cifar(tmp_path, gzip.compress(tar(entries), 1))
    refused(Cifar10(), tmp_path, tmp_path / "cifar-10-binary.tar.gz", *words)
    assert not Path("/tmp/evil.bin").exists()


def test_cifar_bomb_is_refused_before_it_fills_memory(tmp_path):
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as zipped:
        zipped.write(tar(members()))
        for _ in range(200):
            zipped.write(bytes(1 << 20))
    refused(Cifar10(), cifar(tmp_path, packed.getvalue()), "unpacks to more than", cifar10.LARGEST_TAR)


@pytest.mark.parametrize("where", ["middle", "checksum", "cut", "cut before checksum", "header", "garbage after"])
def test_cifar_damaged_gzip(tmp_path, where):
    good = bytearray(gzip.compress(tar(members()), mtime=0))
    match where:
        case "middle":
            good[len(good) // 2] ^= 4
        case "checksum":
            good[-6] ^= 1
        case "cut":
            del good[len(good) * 2 // 3 :]
        case "cut before checksum":
            del good[-8:]
        case "header":
            good = b"<html>busy</html>"
        case "garbage after":
            good += b"x" * 100
    refused(Cifar10(), cifar(tmp_path, bytes(good)), "damaged or not a tar.gz", "download it again")


def test_cifar_flipped_bits_never_crash(tmp_path):
    good = gzip.compress(tar(members()), mtime=0)
    for position in range(0, len(good), len(good) // 40):
        if not 3 < position < 10:  # flags, time and system of the gzip header mean nothing to the content
            flipped = bytearray(good)
            flipped[position] ^= 16
            refused(Cifar10(), cifar(tmp_path, bytes(flipped)))


def test_absent_archives(tmp_path):
    refused(Cifar10(), tmp_path, "no such archive")
    refused(LsunBedroom(), tmp_path, "no such archive")


# ---- LSUN bedroom


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
    """The training zip, of one data.mdb or of (name, content) entries."""
    entries = content if isinstance(content, list) else [(f"{name}/", b""), (f"{name}/data.mdb", content)]
    with zipfile.ZipFile(folder / f"{name}.zip", "w", compression) as archive:
        for member, value in entries:
            archive.writestr(member, value)
    return folder


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
    assert not list(artifacts.SCRATCH.rglob("*.mdb"))


def test_lsun_keys_may_hold_any_bytes(tmp_path):
    one(tmp_path, encoded(Image.new("RGB", (9, 9))), b"\x00\xff/../\n")
    assert next(LsunBedroom().samples(tmp_path, "train")).key == "00000000"


def test_lsun_empty_database_has_no_sample(tmp_path):
    assert not list(LsunBedroom().samples(lsun(tmp_path, data_mdb(tmp_path / "made", {})), "train"))


def gradient(mode="L"):
    return Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert(mode)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_lsun_encodings_are_sniffed(tmp_path, form):
    assert read_one(tmp_path, encoded(Image.new("RGB", (8, 8), (250, 0, 0)), form)).mean((0, 1)) == pytest.approx(
        (250, 0, 0), abs=3
    )


def test_lsun_image_modes(tmp_path):
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None], 3, axis=2)
    assert np.array_equal(read_one(tmp_path, encoded(gradient())), grey)
    deep = Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257)
    assert deep.mode == "I;16"
    assert np.array_equal(read_one(tmp_path, encoded(deep)), grey)
    assert np.array_equal(read_one(tmp_path, encoded(gradient("P"))), grey)
    assert set(read_one(tmp_path, encoded(Image.new("1", (4, 4), 1))).ravel()) == {255}
    assert tuple(read_one(tmp_path, encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0))))[0, 0]) == (255, 255, 255)
    half = read_one(tmp_path, encoded(Image.new("LA", (4, 4), (0, 128))))
    assert half[0, 0] == pytest.approx((127, 127, 127), abs=1)
    assert tuple(read_one(tmp_path, encoded(Image.new("P", (4, 4), 0), transparency=0))[0, 0]) == (255, 255, 255)
    cyan = read_one(tmp_path, encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", quality=100))
    assert cyan[4, 4] == pytest.approx((0, 255, 255), abs=3)


def test_lsun_turns_upright(tmp_path):
    image = Image.new("RGB", (20, 10), "black")
    image.paste("white", (0, 0, 5, 10))  # the left edge is the top of the upright picture
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = read_one(tmp_path, encoded(image, "PNG", exif=exif))
    assert upright.shape == (20, 10, 3)
    assert upright[:5].min() == 255 and upright[5:].max() == 0


def giant_png():
    """A PNG whose header promises 40,000 x 40,000 pixels and whose content is nothing."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not an image",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(gradient(), "BMP"),
        encoded(gradient(), "GIF"),
        encoded(Image.fromarray(pixels(64, 64)))[:-900],
        encoded(Image.fromarray(pixels(64, 64)), "JPEG")[:500],
        encoded(Image.fromarray(pixels(64, 64)), "WEBP")[:500],
        giant_png(),
        giant_png().replace(struct.pack(">II", 40_000, 40_000), struct.pack(">II", 9_000, 9_000)),
    ],
    ids=["empty", "text", "svg", "bmp", "gif", "cut png", "cut jpeg", "cut webp", "bomb", "81 megapixels"],
)
def test_lsun_broken_image_is_named(tmp_path, value):
    refused(LsunBedroom(), one(tmp_path, value, b"\x00key"), tmp_path / "bedroom_train_lmdb.zip", r"\x00key", "picture")


GOOD = (f"{lsun_bedroom.ARCHIVES['train'].name.removesuffix('.zip')}/data.mdb", b"x")
HOSTILE_ZIPS = {
    "missing": ([("bedroom_train_lmdb/lock.mdb", b"")], "data.mdb", "expected in the archive"),
    "duplicate": ([GOOD, GOOD], "twice"),
    "extra": ([GOOD, ("bedroom_train_lmdb/run.sh", b"")], "run.sh", "official"),
    "outside": ([GOOD, ("../data.mdb", b"x")], "../data.mdb"),
    "absolute": ([("/bedroom_train_lmdb/data.mdb", b"x")], "/bedroom_train_lmdb/data.mdb"),
    "other split": ([("bedroom_val_lmdb/data.mdb", b"x")], "bedroom_val_lmdb"),
    "bomb": ([(GOOD[0], bytes(70 << 20))], 70 << 20, "at most"),
    "lock bomb": ([GOOD, ("bedroom_train_lmdb/lock.mdb", bytes(2 << 20))], "lock.mdb", "at most"),
    "text": ([(GOOD[0], b"hello")], "not an LMDB file"),
    "link": ([(GOOD[0], b"/etc/passwd")], "not an LMDB file"),
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


def test_lsun_data_cut_short_in_a_valid_zip(tmp_path):
    values = {f"{index:040d}".encode(): encoded(Image.fromarray(pixels())) for index in range(20)}
    whole = data_mdb(tmp_path / "made", values)
    for size in (len(whole) - 4096, len(whole) // 2, 8192, 4096, 4095, 100, 0):
        refused(LsunBedroom(), lsun(tmp_path, whole[:size]), "data.mdb")
    refused(LsunBedroom(), lsun(tmp_path, whole[: len(whole) // 2]), "cut short", len(whole) // 2)
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


def test_lsun_wants_room_on_the_disk(tmp_path, monkeypatch):
    one(tmp_path, encoded(gradient()))
    monkeypatch.setattr(lsun_bedroom.shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    refused(LsunBedroom(), tmp_path, "10 bytes free", "make room")


# ---- rendered archives, and the real ones

RENDER = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
os.umask(int(sys.argv[2], 8))
from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.sources.rendered import Rendered
os.makedirs(sys.argv[1]); os.chdir(sys.argv[1])
for form in (Cifar10(), LsunBedroom()):
    Rendered(train=25, validation=7, seed=3).deliver(form, Path("."))
"""


def test_rendered_archives_are_equal_bytes_everywhere(tmp_path):
    digests = []
    for name, changes, umask in (
        ("a", {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "MALLOC_PERTURB_": "85"}, "022"),
        ("b", {"PYTHONHASHSEED": "2", "TZ": "UTC", "LC_ALL": "C", "MALLOC_PERTURB_": "170"}, "077"),
    ):
        source = Path(cifar10.__file__).parents[3]
        environment = os.environ | changes | {"PYTHONPATH": str(source)}
        subprocess.run([sys.executable, "-c", RENDER, tmp_path / name, umask], env=environment, check=True)
        files = sorted((tmp_path / name).glob("*.*"))
        digests.append({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files})
    assert digests[0] == digests[1]
    assert len(digests[0]) == 3


def test_rendered_splits_differ_and_do_not_depend_on_counts(tmp_path):
    found = {}
    for train, validation in ((10, 10), (5, 4)):
        folder = tmp_path / str(train)
        folder.mkdir()
        Rendered(train=train, validation=validation).deliver(Cifar10(), folder)
        found[train] = {
            split: [sample.image.tobytes() for sample in Cifar10().samples(folder, split)]
            for split in ("train", "validation")
        }
    assert found[5]["train"] == found[10]["train"][:5]
    assert found[5]["validation"] == found[10]["validation"][:4]
    assert not set(found[10]["train"]) & set(found[10]["validation"])


@real_data
@pytest.mark.parametrize(("split", "count"), [("train", 631), ("validation", 100)])
def test_real_bedrooms(split, count):
    found = list(LsunBedroom().samples(DATA / "lsun_bedroom", split))
    assert len(found) == count
    for sample in found:
        image = sample.image
        assert image.mode == "RGB" and min(image.size) == 256


@real_data
def test_real_cifar(tmp_path, monkeypatch):
    script = DATA / "cifar10" / "make_cifar_archive.py"
    spec = importlib.util.spec_from_file_location("make_cifar_archive", script)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    expected = maker.records({"train": 1000, "test": 200})
    monkeypatch.setattr(maker, "records", lambda limits: expected)
    monkeypatch.setattr(sys, "argv", ["make", str(tmp_path / "cifar-10-binary.tar.gz")])
    maker.main()
    assert Cifar10().classes(tmp_path) == CLASSES
    for split, rows in (("train", expected["train"]), ("validation", expected["test"])):
        found = list(Cifar10().samples(tmp_path, split))
        assert len(found) == len(rows)
        for sample, row in zip(found, rows, strict=True):
            assert sample.label == row[0]
            assert b"".join(band.tobytes() for band in sample.image.split()) == row[1:]
