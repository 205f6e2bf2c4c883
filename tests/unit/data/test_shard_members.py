"""Members of a shard: a forgery whose checksums are right is refused by the one rule that it breaks."""

from pathlib import Path

import numpy as np
import pytest
from small_shards import CLASSES, make

from ganflow.data import shard_members
from ganflow.data.reader import Shards
from ganflow.data.shard_members import check_members
from ganflow.data.shards import BLOCK
from ganflow.errors import UserError


class Shard:
    """The bytes of a shard of three labelled samples, where they start, and their layout."""

    def __init__(self, folder: Path, encoding: str = "raw", count: int = 3):
        make(folder, count=count, shard_size=count, encoding=encoding)
        index = Shards(folder).index
        self.path = folder / index.shards[0].name
        self.content = bytearray(self.path.read_bytes())
        self.layout = index.layout
        stride = self.layout.stride
        self.starts = np.arange(count) * stride if stride else np.load(folder / "offsets.npy")

    def check(self) -> int:
        return check_members(self.path, memoryview(self.content), self.layout, self.starts, len(CLASSES), -1)

    def header(self, sample: int, at: int, **fields: bytes) -> None:
        """Changes fields of a header, and its checksum with them."""
        start = int(self.starts[sample]) + at
        for name, value in fields.items():
            place = start + {"key": 0, "size": 124}[name]
            self.content[place : place + len(value)] = value
        self.content[start + 148 : start + 156] = b" " * 8
        checksum = sum(self.content[start : start + BLOCK])
        self.content[start + 148 : start + 156] = b"%06o\0 " % checksum

    def refused(self, *words: str) -> None:
        with pytest.raises(UserError) as caught:
            self.check()
        assert all(word in str(caught.value) for word in (str(self.path), *words)), caught.value


def test_a_shard_shorter_than_a_sample_is_refused(tmp_path):
    """A shard of compressed images may be as short as its index says."""
    shard = Shard(tmp_path, "webp", count=1)
    shard.content, shard.starts = shard.content[:BLOCK], shard.starts[:1]
    shard.refused("has 512 bytes, less than a sample of its layout")


def test_a_shard_that_is_whole_has_ascending_keys_whose_last_is_told(tmp_path):
    shard = Shard(tmp_path)
    assert shard.check() == 2
    shard.header(2, 0, key=b"00000010")
    shard.header(2, shard.layout.header, key=b"00000010")
    assert shard.check() == 10


@pytest.mark.parametrize("key", [b"0000000:", b"0000001/"])  # which would be 10 and 9
def test_a_key_is_written_in_digits(tmp_path, key):
    shard = Shard(tmp_path)
    shard.header(2, 0, key=key)
    shard.header(2, shard.layout.header, key=key)
    shard.refused("its sample 2 is not a .npy of uint8 (8, 8, 3)")


@pytest.mark.parametrize("carried", [1, -1])
def test_a_size_is_written_in_octal_digits(tmp_path, carried):
    """The same value, with a digit of 8 or more, or of less than none."""
    shard = Shard(tmp_path)
    digits = [int(digit) for digit in f"{shard.layout.npy_bytes:011o}"]
    place = next(place for place in range(10, 0, -1) if digits[place - 1] >= carried)
    digits[place - 1] -= carried
    digits[place] += 8 * carried
    shard.header(1, shard.layout.header, size=bytes(ord("0") + digit for digit in digits))
    shard.refused("its sample 1 is not a .npy")


def test_no_digit_of_a_size_is_minus_one(tmp_path):
    """A size of 8 n - 1, within the same blocks, which a WebP with zeros behind it may have: n and a digit of -1."""
    shard = Shard(tmp_path, "webp")
    end = int(shard.starts[2] - shard.starts[1]) - shard.layout.content
    size = next(size for size in range(end, 0, -1) if size % 64 == 7)
    shard.header(1, shard.layout.header, size=b"%011o" % size)
    assert shard.check() == 2
    shard.header(1, shard.layout.header, size=b"%010o/" % (size // 8 + 1))
    shard.refused("its sample 1 is not a .webp")


def test_a_size_of_other_bytes_in_as_many_blocks_is_refused(tmp_path):
    shard = Shard(tmp_path)
    shard.header(1, shard.layout.header, size=b"%011o" % (shard.layout.npy_bytes - 1))
    shard.refused("its sample 1 is not a .npy")


@pytest.mark.parametrize("encoding", ["raw", "webp"])
def test_samples_start_at_blocks_within_the_shard(tmp_path, encoding):
    shard = Shard(tmp_path, encoding)
    for starts, sample in (
        (shard.starts + 1, 0),
        (np.array([*shard.starts[:2], 10**9 * BLOCK]), 1),
        (np.array([*shard.starts[:2], len(shard.content) - BLOCK]), 1),
    ):
        shard.starts = starts
        shard.refused(f"its sample {sample} is not a .")


def test_the_last_sample_ends_within_the_shard(tmp_path):
    shard = Shard(tmp_path, "webp")
    shard.header(2, shard.layout.header, size=b"%011o" % len(shard.content))
    shard.refused("its sample 2 is not a .webp")


@pytest.mark.parametrize("at_once", [1, 2, 3, 2048])
def test_samples_follow_one_another_without_a_gap_wherever_they_are_read_together(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(shard_members, "AT_ONCE", at_once)
    assert Shard(tmp_path / "whole", "webp", 5).check() == 4
    for before in range(1, 5):
        shard = Shard(tmp_path / str(before), "webp", 5)
        place = int(shard.starts[before])
        shard.content = shard.content[:place] + bytes(20 * BLOCK) + shard.content[place:]
        shard.starts = shard.starts + np.where(np.arange(5) >= before, 20 * BLOCK, 0)
        shard.refused(f"its sample {before - 1} is not a .webp")


def test_nothing_stands_after_the_last_sample_but_its_padding(tmp_path):
    for more in (b"\0" * 10240, b"\0" * 512):
        shard = Shard(tmp_path / str(len(more)))
        shard.content += more
        shard.refused("does not end after its last sample, at byte ")
    shard = Shard(tmp_path / "junk")
    shard.content[-1] = 1
    shard.refused("does not end after its last sample, at byte ")


@pytest.mark.parametrize(
    ("size", "label"), [(2, b"3"), (1, b"10"), (0, b"99"), (2, b"99"), (0, b""), (1, b"3" + bytes(9) + b"4")]
)
def test_a_label_is_the_number_of_a_class_in_as_many_digits_as_its_header_says(tmp_path, size, label):
    shard = Shard(tmp_path)
    shard.header(1, 0, size=b"%011o" % size)
    place = int(shard.starts[1]) + shard.layout.label
    shard.content[place : place + BLOCK] = label.ljust(BLOCK, b"\0")
    shard.refused("its sample 1 is not labelled by a .cls of a number in 0..11 before its image")


def test_a_label_has_the_header_of_a_label(tmp_path):
    shard = Shard(tmp_path)
    shard.content[int(shard.starts[1]) + 300] ^= 1  # of its owner
    shard.refused("its sample 1 is not labelled by a .cls")
