"""LSUN's zips: damaged, packed otherwise, or made to do harm."""

import struct
import zipfile

import pytest
from archives import refused
from archives import scratch as scratch  # a fixture that every test here uses
from lsun_archives import GOOD, data_mdb, encoded, gradient, lsun, one

from ganflow import artifacts
from ganflow.data.formats.lsun_bedroom import LsunBedroom


def link(name, mode=0o120777):
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    return member


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


CENTRAL = b"PK\x01\x02"


END = b"PK\x05\x06"


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
