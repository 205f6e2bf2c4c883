"""Shards that somebody made up, under an index that is true of them, are refused before an image is decoded."""

import hashlib
import io
import json
import re
import shutil
import tarfile

import numpy as np
import pytest
from small_shards import make, refused

from ganflow.data.reader import Shards
from ganflow.errors import UserError


def test_headers_are_looked_at_before_an_image_is_decoded(tmp_path):
    make(tmp_path, encoding="webp")
    with (tmp_path / "toys-train-000000.tar").open("r+b") as file:
        for place in (1024 + 300, 1536):  # the owner of the first image, and the image
            file.seek(place)
            file.write(b"none")
    refused(tmp_path, "000000.tar: its sample 0 is not a .webp")


def packed(members):
    """A tar of (name, content)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def with_content(members, at, content):
    return [*members[:at], (members[at][0], content), *members[at + 1 :]]


def swapped(members, at):
    return [*members[:at], members[at + 1], members[at], *members[at + 2 :]]


FORGED = {  # of the members of a shard: those of sample i are 2 i, its label, and 2 i + 1
    "a label is missing": lambda m: m[:4] + m[5:],
    "an image is missing": lambda m: m[:5] + m[6:],
    "a label in words": lambda m: with_content(m, 4, b"ten"),
    "a label of no class": lambda m: with_content(m, 4, b"12"),
    "a negative label": lambda m: with_content(m, 4, b"-1"),
    "a label with a blank": lambda m: with_content(m, 4, b" 3"),
    "a label with a zero before it": lambda m: with_content(m, 4, b"03"),
    "a label and more": lambda m: with_content(m, 4, b"3" + b"\0" * 20 + b"4"),
    "an image before its label": lambda m: swapped(m, 4),
    "a third member": lambda m: [*m[:5], (m[4][0].replace("cls", "json"), b"{}"), *m[5:]],
    "a sample twice": lambda m: m[:6] + m[4:6] + m[8:],
    "samples in another order": lambda m: m[:4] + m[6:8] + m[4:6] + m[8:],
    "another sample's label": lambda m: with_content(m, 4, m[4][1])[:4] + [m[6]] + m[5:],
    "a member after the last": lambda m: [*m, ("more", b"x")],
}


def forge(folder, members):
    """Replaces the first shard by one of these members, with an index that is true of it."""
    content = packed(members)
    (folder / "toys-train-000000.tar").write_bytes(content)
    places = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            places.setdefault(member.name.partition(".")[0], member.offset)
    index = json.loads((folder / "index.json").read_text())
    count = index["shards"][0]["count"]
    if index["offsets"]:
        starts = [*places.values(), *[0] * count][:count]
        rest = np.load(folder / "offsets.npy")[count:]
        np.save(folder / "offsets.npy", np.concatenate([np.array(starts, "<i8"), rest]))
        index["offsets"] = hashlib.sha256((folder / "offsets.npy").read_bytes()).hexdigest()
    index["shards"][0] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("encoding", ["raw", "webp"])
def test_forged_shards_with_a_true_index_are_refused(tmp_path, encoding):
    """The exhaustive list: each way to forge a shard is named when it is opened, and the shard itself still opens."""
    make(tmp_path / "good", count=10, shard_size=6, encoding=encoding)
    with tarfile.open(tmp_path / "good/toys-train-000000.tar") as archive:
        members = [(member.name, archive.extractfile(member).read()) for member in archive]
    shutil.copytree(tmp_path / "good", tmp_path / "same")
    forge(tmp_path / "same", members)
    Shards(tmp_path / "same").verify()
    for name, forged in FORGED.items():
        folder = tmp_path / name
        shutil.copytree(tmp_path / "good", folder)
        forge(folder, forged(members))
        with pytest.raises(UserError) as caught:
            Shards(folder)
        assert re.search(r"000000\.tar: (its sample \d is not|does not end)|shards\.0\.bytes", str(caught.value)), name


def test_an_image_of_another_shape_is_refused(tmp_path):
    make(tmp_path)
    with tarfile.open(tmp_path / "toys-train-000000.tar") as archive:
        members = [(member.name, archive.extractfile(member).read()) for member in archive]
    other = io.BytesIO()
    np.save(other, np.zeros((4, 16, 3), np.uint8))
    forge(tmp_path, with_content(members, 3, other.getvalue()))
    refused(tmp_path, "000000.tar: its sample 1 is not a .npy of uint8 (8, 8, 3)")


def test_keys_ascend_from_shard_to_shard(tmp_path):
    make(tmp_path, count=6)
    one, two = (tmp_path / f"toys-train-00000{number}.tar" for number in range(2))
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)
    refused(tmp_path, "000001.tar: its sample 0 is not")
