"""Reading LMDB files: what its own library reads, and for damaged ones a sentence, never a crash or an endless loop."""

import struct

import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganflow.data.lmdb_file import NODE, PAGE, LmdbFile
from ganflow.errors import UserError

PAGE_SIZE = 4096


def write(folder, *changes):
    """A data.mdb after some transactions, each {key: value, or None to delete it}."""
    with lmdb.open(str(folder), map_size=1 << 28, lock=False) as environment:
        for change in changes:
            with environment.begin(write=True) as transaction:
                for key, value in change.items():
                    if value is None:
                        transaction.delete(key)
                    else:
                        transaction.put(key, value)
    return folder / "data.mdb"


def read(path):
    file = LmdbFile(path, path, "here")
    with path.open("rb") as values:
        return [(entry.key, values.seek(entry.offset) and values.read(entry.size)) for entry in file.entries()]


def by_lmdb(path):
    with (
        lmdb.open(str(path), subdir=False, readonly=True, lock=False) as environment,
        environment.begin() as transaction,
    ):
        return list(transaction.cursor())


def entries(count, seed=0):
    """Many short values and some long ones, enough for a tree of three levels."""
    rng = np.random.default_rng(seed)
    return {f"{i:040d}".encode(): rng.bytes(9000 if i % 7 == 0 else 30) for i in rng.permutation(count)}


KEYS = st.binary(min_size=1, max_size=511)
VALUES = st.one_of(st.none(), st.binary(max_size=60), st.integers(0, 20_000).map(bytes))


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.dictionaries(KEYS, VALUES, max_size=30), max_size=4))
def test_reads_what_lmdb_reads(tmp_path_factory, changes):
    path = write(tmp_path_factory.mktemp("lmdb"), *changes)
    assert read(path) == by_lmdb(path)


def test_reads_a_tree_of_three_levels_after_deletions(tmp_path):
    many = entries(5000)
    path = write(tmp_path, many, dict.fromkeys(list(many)[::3]))
    file = LmdbFile(path, path, "here")
    assert file.depth == 3 and file.count == 5000 - 1667
    assert read(path) == by_lmdb(path) == sorted(item for i, item in enumerate(many.items()) if i % 3)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The bytes of a tree of three levels, by long keys, and the numbers of its branch and leaf pages."""
    few = {key.zfill(300): value for key, value in entries(500).items()}
    content = write(tmp_path_factory.mktemp("tree"), few).read_bytes()
    flags = {n: PAGE.unpack_from(content, n * PAGE_SIZE)[:2] for n in range(2, len(content) // PAGE_SIZE)}
    pages = {kind: [n for n, found in flags.items() if found == (n, kind)] for kind in (1, 2)}
    assert len(pages[1]) >= 3 and len(pages[2]) >= 50
    return content, pages


def reads_or_refuses(path):
    try:
        return len(read(path))
    except UserError as error:
        assert str(error).startswith(f"{path}: here: ") and "\n" not in str(error)
        return str(error)


@pytest.mark.parametrize("seed", range(200))
def test_flipped_bits_of_the_tree(tmp_path, tree, seed):
    content, pages = bytearray(tree[0]), tree[1]
    rng = np.random.default_rng(seed)
    for page in rng.choice([0, 1, *pages[1], *rng.choice(pages[2], 3)], rng.integers(1, 4)):
        content[page * PAGE_SIZE + rng.integers(0, 160 if page < 2 else PAGE_SIZE)] ^= 1 << rng.integers(8)
    (tmp_path / "data.mdb").write_bytes(content)
    reads_or_refuses(tmp_path / "data.mdb")


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=20_000), keep=st.integers(0, 12_000))
def test_any_bytes_after_a_good_begin(tmp_path_factory, tree, content, keep):
    path = tmp_path_factory.mktemp("any") / "data.mdb"
    path.write_bytes(tree[0][:keep] + content)
    assert "here: " in reads_or_refuses(path)


def nodes(content, page):
    end = PAGE.unpack_from(content, page * PAGE_SIZE)[2]
    offsets = struct.unpack_from(f"<{(end - 16) // 2}H", content, page * PAGE_SIZE + 16)
    return [page * PAGE_SIZE + offset for offset in offsets]


def child(content, node):
    low, high, top, _ = NODE.unpack_from(content, node)
    return low | high << 16 | top << 32


def points_to(content, node, page):
    struct.pack_into("<HHH", content, node, page & 0xFFFF, page >> 16 & 0xFFFF, page >> 32)


@pytest.mark.parametrize(("to", "words"), [("itself", "kind"), ("a sister", "ascend"), ("nowhere", "refers to page")])
def test_a_tree_that_runs_in_circles_or_out_of_the_file(tmp_path, tree, to, words):
    content, pages = bytearray(tree[0]), tree[1]
    page = next(page for page in pages[1] if child(content, nodes(content, page)[0]) in pages[2])
    for node in nodes(content, page):
        sister = child(content, nodes(content, page)[0])
        points_to(content, node, {"itself": page, "a sister": sister, "nowhere": 2**40}[to])
    (tmp_path / "data.mdb").write_bytes(content)
    assert words in reads_or_refuses(tmp_path / "data.mdb")


def test_a_value_beyond_the_end(tmp_path, tree):
    content, pages = bytearray(tree[0]), tree[1]
    long = next(node for node in nodes(content, pages[2][0]) if NODE.unpack_from(content, node)[2] == 1)
    for size in (10**9, 2**32 - 1):
        struct.pack_into("<HH", content, long, size & 0xFFFF, size >> 16)
        (tmp_path / "data.mdb").write_bytes(content)
        assert f"an entry of {size} bytes" in reads_or_refuses(tmp_path / "data.mdb")


def test_other_kinds_of_database_are_refused(tmp_path):
    with lmdb.open(str(tmp_path), map_size=1 << 20, max_dbs=2, lock=False) as environment:
        environment.open_db(b"named", dupsort=True)
    assert "here: holds the named database b'named', expected" in reads_or_refuses(tmp_path / "data.mdb")
