"""Reads an untrusted LMDB file: every page number, offset, size and key order is checked.

LMDB's own library maps the file and trusts it: a truncated file or an invalid page number crashes the process. Here the
tree is walked by plain reads, and each fault raises BadArchive. Layout: MDB_meta, MDB_page and MDB_node in mdb.c of
LMDB 0.9 (data version 1, 64 bit, little-endian), one database of unique keys in the order of their bytes.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from ganflow.data.faults import BadArchive

META = struct.Struct("<16xII16xI44xIHHQQQQQQQ")  # ends with the main database, the last page and the transaction
PAGE = struct.Struct("<Q2xHHH")  # number, flags, end of the node offsets, start of the nodes
NODE = struct.Struct("<HHHH")  # size or page number in two halves, flags, size of the key that follows
MAGIC, VERSION = 0xBEEFC0DE, 1
SMALLEST_PAGE, LARGEST_PAGE = 512, 1 << 16  # bytes
MAX_DEPTH = 32  # levels, as in LMDB
BRANCH, LEAF = 1, 2  # flags of a page
KINDS = 0x6F  # mask of the flags that give the kind of a page
LONG_VALUE, DATABASE = 1, 2  # flags of a node whose value is on overflow pages, or a database
HEAD = 2 * LARGEST_PAGE  # bytes that hold both meta pages
EMPTY = 2**64 - 1  # page number of an empty tree's root


class Entry(NamedTuple):
    """A key, and the offset and size of its value in the file."""

    key: bytes
    offset: int
    size: int


def is_lmdb(path: Path) -> bool:
    """Whether a file begins as LMDB files do."""
    with path.open("rb") as file:
        return file.read(PAGE.size + 4)[PAGE.size :] == MAGIC.to_bytes(4, "little")


class LmdbHead:
    """The newest meta page of an LMDB file, by which it can be told what the file holds: `count` entries."""

    def __init__(self, start: bytes, size: int, archive: Path, member: str):
        """`start`: the first HEAD bytes of `size`. Raises BadArchive, which names the archive and the member, unless
        the file can hold every page that its meta page declares."""
        self.archive, self.member = archive, member
        metas = [self._meta(start, 0)]
        self.page_size = metas[0][2]
        if self.page_size not in {1 << bit for bit in range(9, 17)}:
            self._fail(f"pages of {self.page_size} bytes, expected a power of two from {SMALLEST_PAGE}")
        metas.append(self._meta(start, self.page_size))
        newest = max(metas, key=lambda meta: meta[-1])
        self.flags, self.depth, self.count, self.root, self.last_page = (newest[at] for at in (4, 5, 9, 10, 11))
        if size < (self.last_page + 1) * self.page_size:
            expected = (self.last_page + 1) * self.page_size
            self._fail(f"truncated: has {size} bytes, expected at least {expected}")
        if self.flags or self.depth > MAX_DEPTH or (self.root == EMPTY) != (self.count == 0):
            self._fail(
                f"a database of flags {self.flags}, depth {self.depth} and {self.count} entries, expected 0 and "
                f"at most {MAX_DEPTH}"
            )

    def _meta(self, start: bytes, offset: int) -> tuple[int, ...]:
        meta = META.unpack(start[offset : offset + META.size].ljust(META.size, b"\0"))
        if meta[:2] != (MAGIC, VERSION) or (offset and meta[2] != offset):
            self._fail(f"not an LMDB file of version {VERSION}")
        return meta

    def _fail(self, fault: str) -> NoReturn:
        raise BadArchive(self.archive, f"{self.member}: {fault}")


class LmdbFile(LmdbHead):
    """An LMDB file open for reading; `archive` and `member` name it in messages."""

    def __init__(self, path: Path, archive: Path, member: str):
        self.path, self.file = path, path.open("rb")
        self.size = os.fstat(self.file.fileno()).st_size
        try:
            super().__init__(self.file.read(HEAD), self.size, archive, member)
        except BadArchive:
            self.file.close()
            raise

    def entries(self) -> Iterator[Entry]:
        """The entries in key order; raises BadArchive at the first fault. As keys must ascend, there are no cycles."""
        last, count = b"", 0
        for entry in self._walk(self.root, self.depth) if self.count else ():
            if count and entry.key <= last:
                self._fail(f"the keys do not ascend: entry {count} has {entry.key.hex()} after {last.hex()}")
            last, count = entry.key, count + 1
            yield entry
        if count != self.count:
            self._fail(f"holds {count} entries, expected {self.count}")

    def close(self) -> None:
        self.file.close()

    def _walk(self, number: int, depth: int) -> Iterator[Entry]:
        """The entries of the subtree of a page, of `depth` levels including the page."""
        page = self._page(number, BRANCH if depth > 1 else LEAF)
        for node in self._nodes(number, page):
            low, high, flags, key_size = NODE.unpack_from(page, node)
            value = node + NODE.size + key_size
            size = low | high << 16
            if depth > 1:
                yield from self._walk(size | flags << 32, depth - 1)
                continue
            if flags & DATABASE:
                name = page[node + NODE.size : value]
                self._fail(
                    f"holds the named database {name!r}, expected the photographs in the unnamed main database: write "
                    "them there, by `lmdb.open` without max_dbs"
                )
            if flags == LONG_VALUE and value + 8 <= self.page_size:
                first_page = int.from_bytes(page[value : value + 8], "little")
                offset = first_page * self.page_size + PAGE.size
                inside = first_page >= 2 and offset + size <= (self.last_page + 1) * self.page_size
            else:
                offset = number * self.page_size + value
                inside = flags == 0 and value + size <= self.page_size
            if not inside:
                self._fail(f"page {number}: an entry of {size} bytes at byte {offset} with flags {flags} is not inside")
            yield Entry(page[node + NODE.size : value], offset, size)

    def _page(self, number: int, kind: int) -> bytes:
        if not 2 <= number <= self.last_page:
            self._fail(f"refers to page {number}, expected 2 to {self.last_page}")
        page = os.pread(self.file.fileno(), self.page_size, number * self.page_size)
        found, flags, *_ = PAGE.unpack_from(page)
        if found != number or flags & KINDS != kind:
            self._fail(f"page {number}: is marked as page {found} of kind {flags & KINDS}, expected kind {kind}")
        return page

    def _nodes(self, number: int, page: bytes) -> tuple[int, ...]:
        """Offsets of the nodes of a page; each node and its key are inside the page."""
        *_, end, _ = PAGE.unpack_from(page)
        count, rest = divmod(end - PAGE.size, 2)
        if rest or not 1 <= count <= (self.page_size - PAGE.size) // 2:
            self._fail(f"page {number}: its list of nodes ends at byte {end}, expected an even one inside the page")
        nodes = struct.unpack_from(f"<{count}H", page, PAGE.size)
        if min(nodes) < end or max(nodes) + NODE.size > self.page_size:
            self._fail(f"page {number}: a node is outside of it")
        if any(node + NODE.size + NODE.unpack_from(page, node)[3] > self.page_size for node in nodes):
            self._fail(f"page {number}: a key extends beyond it")
        return nodes
