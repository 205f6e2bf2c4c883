"""The partial file of a download, which survives a kill."""

import hashlib
import os
from pathlib import Path

from pydantic import Field, ValidationError

from ganflow import artifacts
from ganflow.config import Model
from ganflow.progress import Progress, log


class _About(Model):
    total: int | None = Field(None, ge=0)
    location: str = ""
    version: str = ""
    joined: bool = False


class PartialFile:
    """The bytes of a download received so far: the file `part` in a folder, described by `state.json`.

    `total`: size of the complete file, if known. `version`: its ETag or Last-Modified at `location`. `joined`: whether
    the bytes come from several responses, so that only the digest shows whether they belong to one file. The sha256 is
    updated as bytes arrive; bytes of an earlier process are read once, because hashlib can't save its state.
    """

    def __init__(self, folder: Path):
        self.path, self.state = folder / "part", folder / "state.json"
        if self.path.is_symlink() or not self.path.is_file():
            artifacts.remove(self.path)
            self.path.touch()
        about = self._recorded()
        self.total, self.location, self.version, self.joined = about.total, about.location, about.version, about.joined
        self.hash, self.hashed = hashlib.sha256(), 0

    def _recorded(self) -> "_About":
        """What state.json says; of bytes without it no more is known than that they need be compared."""
        try:
            return _About.model_validate(artifacts.read_sealed(self.state))
        except ValueError as error:
            if self.size:
                fault = "holds another record" if isinstance(error, ValidationError) else error
                log(f"{self.state}: {fault}; the {self.size} bytes received are compared with those of the server")
            artifacts.remove(self.state)
            return _About(joined=self.size > 0)

    @property
    def size(self) -> int:
        """Bytes received."""
        return self.path.stat().st_size

    @property
    def complete(self) -> bool:
        return self.size == self.total

    def record(self, **about: int | str | bool | None) -> None:
        """Updates `total`, `location`, `version` and `joined`, here and in state.json."""
        vars(self).update(about)
        known = {"total": self.total, "location": self.location, "version": self.version, "joined": self.joined}
        artifacts.write_sealed(self.state, known)

    def reset(self) -> None:
        """Discards all bytes and creates a new file: the old one may be hard-linked to a target or to a cache."""
        self.path.unlink()
        self.path.touch()
        self.state.unlink(missing_ok=True)
        self.total, self.location, self.version, self.joined = None, "", "", False
        self.hash, self.hashed = hashlib.sha256(), 0

    def truncate(self, size: int) -> None:
        """Discards everything after the first `size` bytes."""
        if size == 0:
            return self.reset()
        os.truncate(self.path, size)
        self.hashed = -1  # unknown

    def sha256(self) -> str:
        """The digest of the bytes received; reads the file if another process received some of them."""
        if self.hashed != self.size:
            self.hash, self.hashed = hashlib.sha256(), 0
            with self.path.open("rb") as file, Progress("hash partial download", self.size, "B") as progress:
                while block := file.read(artifacts.BLOCK):
                    self.hash.update(block)
                    self.hashed += len(block)
                    progress.advance(len(block))
        return self.hash.hexdigest()
