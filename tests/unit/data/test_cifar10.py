"""CIFAR-10's archive: what is written is read again, the real one is read, a hostile one ends in one sentence."""

import gzip
import importlib.util
import io
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from archives import CLASSES, DATA, pixels, real_data, refused, samples
from archives import scratch as scratch  # a fixture that every test here uses
from hypothesis import given, settings
from hypothesis import strategies as st

from ganflow.data.formats import cifar10
from ganflow.data.formats.cifar10 import FOLDER, META, Cifar10
from ganflow.errors import UserError


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
    alike = {f"data_batch_{number}__bin": record for number in range(1, 6)}
    cifar(tmp_path, gzip.compress(tar(members(**alike))))
    first = next(Cifar10().samples(tmp_path, "train"))
    assert first.label == 7
    assert first.image.getpixel((5, 3)) == (1, 2, 3 * 32 + 5)


def test_cifar_members_in_any_order_with_their_folder(tmp_path):
    entries = [entry(f"{FOLDER}/", tarfile.DIRTYPE), *reversed(members(readme__html=b"hello"))]
    cifar(tmp_path, gzip.compress(tar(entries)))
    assert len(list(Cifar10().samples(tmp_path, "train"))) == 10


def renamed(entries, *changes):
    for before, after in changes:
        entries = [(name.replace(before, after, 1), content) for name, content in entries]
    return entries


ADDED = [("__MACOSX/._x", b"x" * 120), (f"{FOLDER}/.DS_Store", b"y" * 6148), (f"{FOLDER}/._test_batch.bin", b"z")]
PACKED = {
    "from the folder above": [entry("./", tarfile.DIRTYPE), *renamed(members(), (FOLDER, f"./{FOLDER}"))],
    "from inside": renamed(members(), (f"{FOLDER}/", "./")),
    "without a folder": renamed(members(), (f"{FOLDER}/", "")),
    "by macOS": [*ADDED, *members()],
    "with extended headers": [entry("long", tarfile.GNUTYPE_LONGNAME, size=700), *members()],
}


@pytest.mark.parametrize("how", PACKED)
def test_cifar_as_people_pack_it(tmp_path, how):
    cifar(tmp_path, gzip.compress(tar(PACKED[how])))
    assert len(list(Cifar10().samples(tmp_path, "train"))) == 10
    assert Cifar10().classes(tmp_path) == CLASSES


def test_cifar_as_tarfile_packs_it(tmp_path):
    """In the pax format, with a clock that is no whole number."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 0.5
            archive.addfile(member, io.BytesIO(content))
    assert len(list(Cifar10().samples(cifar(tmp_path, packed.getvalue()), "train"))) == 10


def test_cifar_batches_may_differ_in_size(tmp_path):
    uneven = members(data_batch_2__bin=batch(5), data_batch_5__bin=batch(1), test_batch__bin=batch(4))
    cifar(tmp_path, gzip.compress(tar(uneven)))
    assert len(list(Cifar10().samples(tmp_path, "train"))) == 2 + 5 + 2 + 2 + 1
    stated = Cifar10().check(tmp_path / "cifar-10-binary.tar.gz")
    assert stated == "train: 2 + 5 + 2 + 2 + 1 images; validation: 4 images"


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.DIRTYPE])
def test_cifar_headers_without_end_are_refused_in_a_second(tmp_path, kind):
    """Nested extended headers ended tarfile by a RecursionError; 300,000 folders took it 102 seconds."""
    header = entry(FOLDER if kind == tarfile.DIRTYPE else "x", kind).tobuf(tarfile.USTAR_FORMAT)
    cifar(tmp_path, gzip.compress(header * 300_000 + tar(members()), 1))
    began = time.process_time()
    refused(Cifar10(), tmp_path, "holds more than 1000 members")
    assert time.process_time() - began < 1


def test_cifar_sparse_map_without_end_is_refused_in_a_second(tmp_path):
    """Its numbers are read until a line ends, which tarfile does in quadratic time."""
    about = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    headers = entry("x", tarfile.XHDTYPE, size=len(about)).tobuf() + about.ljust(512, b"\0")
    content = headers + entry(f"{FOLDER}/test_batch.bin", size=16 << 20).tobuf() + b"1" * (16 << 20)
    began = time.process_time()
    refused(Cifar10(), cifar(tmp_path, gzip.compress(content, 1)), "test_batch.bin")
    assert time.process_time() - began < 1


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
    "label": (members(data_batch_5__bin=batch(2) + batch(1, 10)), "data_batch_5.bin", "record 2", "label 10"),
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
    refused(Cifar10(), cifar(tmp_path, bytes(good)), "damaged or not a tar.gz")


def test_cifar_flipped_bits_never_crash(tmp_path):
    good = gzip.compress(tar(members()), mtime=0)
    for position in range(0, len(good), len(good) // 40):
        if not 3 < position < 10:  # flags, time and system of the gzip header mean nothing to the content
            flipped = bytearray(good)
            flipped[position] ^= 16
            refused(Cifar10(), cifar(tmp_path, bytes(flipped)))


GOOD_TAR = tar(members())


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_cifar_any_change_of_the_tar_is_read_or_refused(tmp_path_factory, data):
    """Headers are where a tar can lie: names, sizes, kinds, checksums."""
    content = bytearray(GOOD_TAR)
    headers = [offset for offset in range(0, len(content), 512) if content[offset + 257 : offset + 262] == b"ustar"]
    assert len(headers) == 7
    for _ in range(data.draw(st.integers(1, 4))):
        header = data.draw(st.sampled_from(headers))
        change = data.draw(st.binary(min_size=1, max_size=12))
        at = header + data.draw(st.integers(0, 500))
        content[at : at + len(change)] = change
        if data.draw(st.booleans()):  # with a right checksum, or tarfile stops there
            block = content[header : header + 512]
            block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:]))
            content[header : header + 512] = block
    del content[data.draw(st.integers(0, len(content) * 2)) :]
    folder = cifar(tmp_path_factory.mktemp("cifar"), gzip.compress(bytes(content), 1))
    try:
        assert len(list(Cifar10().samples(folder, "train"))) == 10
    except UserError as error:
        assert str(folder) in str(error) and "\n" not in str(error)


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
