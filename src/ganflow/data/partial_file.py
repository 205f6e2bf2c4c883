"""The part of a file that a download has brought, which survives the process.

Its sha256 is taken while it grows; a part found at the start is read once for that, because hashlib can't save and
restore its state.
"""

import hashlib
import os
from pathlib import Path

from ganflow import artifacts
from ganflow.progress import Progress


class PartialFile:
    """The bytes of a file that are there: `part` in a folder; `state.json` says of which answer and how long it is.

    `total`: bytes of the whole, once known; `version`: ETag or date of it at `location`; `joined`: put together from
    several answers, so that only the digest can say whether they belong together.
    """

    def __init__(self, folder: Path):
        self.path, self.state = folder / "part", folder / "state.json"
        about = artifacts.read_json(self.state) if self.state.exists() else {}
        self.total: int | None = about.get("total")
        self.location, self.version = about.get("location", ""), about.get("version", "")
        self.joined: bool = about.get("joined", False)
        if not about:
            self.path.unlink(missing_ok=True)
        self.path.touch()
        self.hash, self.hashed = hashlib.sha256(), 0

    @property
    def have(self) -> int:
        """Bytes there."""
        return self.path.stat().st_size

    @property
    def complete(self) -> bool:
        return self.have == self.total

    def describe(self, **about: int | str | bool | None) -> None:
        """Records what is known of the part."""
        vars(self).update(about)
        known = {"total": self.total, "location": self.location, "version": self.version, "joined": self.joined}
        artifacts.write_json(self.state, known)

    def forget(self) -> None:
        """Begins with no byte, in a new file: the old one may be linked to a target, or to a cache of it."""
        self.path.unlink()
        self.path.touch()
        self.state.unlink(missing_ok=True)
        self.total, self.location, self.version, self.joined = None, "", "", False
        self.hash, self.hashed = hashlib.sha256(), 0

    def shrink(self, size: int) -> None:
        """Takes back what came after the first `size` bytes."""
        if size == 0:
            return self.forget()
        os.truncate(self.path, size)
        self.hashed = -1  # unknown

    def sha256(self) -> str:
        """The digest of the bytes there; those that this process did not bring itself are read for it."""
        if self.hashed != self.have:
            self.hash, self.hashed = hashlib.sha256(), 0
            with self.path.open("rb") as file, Progress("reading what is there", self.have, "B") as progress:
                while block := file.read(artifacts.BLOCK):
                    self.hash.update(block)
                    self.hashed += len(block)
                    progress.advance(len(block))
        return self.hash.hexdigest()
