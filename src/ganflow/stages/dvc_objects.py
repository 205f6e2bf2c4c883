"""Objects of DVC's cache and its remotes, each read before it is believed.

DVC itself takes a read-only object of its cache for what its name says, without reading it, and whatever a remote sends
for what was asked for.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganflow.artifacts import SCRATCH, digest_file

if TYPE_CHECKING:
    from dvc.repo import Repo

DIRECTORY = ".dir"  # the suffix of an object that lists the files of a folder
NAME = re.compile(r"[0-9a-f]{32}(\.dir)?")
STAMP = ".snakemake_timestamp"  # Snakemake's own file in a folder, which .dvcignore names
ON_THE_WAY = SCRATCH / "repair"


def md5_file(path: Path) -> str:
    """md5 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def files_of(folder: Path) -> dict[str, str]:
    """{relative path: md5} of the files of a folder; empty if it is not there."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != STAMP)
    return {path.relative_to(folder).as_posix(): md5_file(path) for path in files}


def directory_object(files: dict[str, str]) -> tuple[str, bytes]:
    """The name and the bytes of the object by which DVC records a folder of some files."""
    listed = [{"md5": md5, "relpath": name} for name, md5 in sorted(files.items())]
    content = json.dumps(listed, sort_keys=True).encode()
    return hashlib.md5(content).hexdigest() + DIRECTORY, content


class Objects:
    """The cache of a repository, and its remotes, the default one first; `say` is told of everything unsound."""

    def __init__(self, repo: "Repo", say: Callable[[str], None]):
        self.cache: Any = repo.cache.local
        self._repo, self._say = repo, say
        names, default = list(repo.config["remote"]), repo.config["core"].get("remote")
        self._remotes: dict[str, Any] = dict.fromkeys(sorted(names, key=lambda name: name != default))
        self._read: dict[str, bool] = {}

    def path(self, md5: str) -> Path:
        """Where the cache keeps an object."""
        return Path(self.cache.oid_to_path(md5))

    def all(self) -> list[str]:
        """The names of all objects in the cache, without what another DVC is just writing into a shared one."""
        return sorted(filter(NAME.fullmatch, self.cache.all())) if Path(self.cache.path).is_dir() else []

    def sound(self, md5: str) -> bool:
        """Whether the cache holds an object; one that is not what its name says is dropped."""
        if md5 not in self._read:
            path = self.path(md5)
            self._read[md5] = path.is_file() and md5_file(path) == md5.removesuffix(DIRECTORY)
            if path.is_file() and not self._read[md5]:
                path.unlink()
                self._say(f"cache: {_shown(path)}: is not what its name says: dropped")
        return self._read[md5]

    def holding(self, size: int, sha256: str) -> str | None:
        """The md5 of the object with a content of this size, in bytes, and sha256."""
        sizes = ((md5, self.path(md5)) for md5 in self.all() if self.path(md5).stat().st_size == size)
        return next((md5 for md5, path in sizes if digest_file(path) == sha256 and self.sound(md5)), None)

    def put(self, md5: str, path: Path) -> None:
        """Takes a copy of a file, which has this md5, into the cache."""
        self.cache.add(str(path.absolute()), self.cache.fs, md5)
        self._read[md5] = True

    def put_directory(self, files: dict[str, str]) -> None:
        """Takes the list of a folder's files into the cache."""
        name, content = directory_object(files)
        with _temporary() as path:
            path.write_bytes(content)
            self.put(name, path)

    def directory(self, name: str) -> dict[str, str]:
        """{relative path: md5} of a folder that the cache holds."""
        return {entry["relpath"]: entry["md5"] for entry in json.loads(self.path(name).read_bytes())}

    def fetch(self, md5: str, folder: str | None = None) -> str | None:
        """Takes an object, of a file in the `folder` of this name, from the first remote whose copy is sound; returns
        the remote's name, or None if there is none."""
        for name in list(self._remotes):
            with _temporary() as path:
                if self._received(name, md5, folder, path):
                    self.put(md5, path)
                    return name
        return None

    def _received(self, remote: str, md5: str, folder: str | None, path: Path) -> bool:
        """Whether a remote has an object, and it is what its name says; a remote that fails is not asked again."""
        try:
            store = self._remotes[remote] = self._remotes[remote] or self._repo.cloud.get_remote_odb(remote)
            there = store.oid_to_path(md5)
            store.fs.get_file(there, str(path))
        except FileNotFoundError:
            return False
        except Exception as error:  # of whatever library the remote's kind needs
            del self._remotes[remote]
            reason = " ".join(str(error).split()) or type(error).__name__
            self._say(f"remote {remote!r}: can't be read ({reason}): passed over")
            return False
        if md5_file(path) == md5.removesuffix(DIRECTORY):
            return True
        listed = f" and {store.oid_to_path(folder)}" if folder else ""  # DVC believes that what is listed is there
        push = f"delete it{listed} and run `dvc push --remote {remote}`"
        self._say(f"remote {remote!r}: {there}: is not what its name says: not used; {push}")
        return False


@contextmanager
def _temporary() -> Iterator[Path]:
    """A path for a file on its way into the cache."""
    shutil.rmtree(ON_THE_WAY, ignore_errors=True)
    ON_THE_WAY.mkdir(parents=True)
    try:
        yield ON_THE_WAY / "object"
    finally:
        shutil.rmtree(ON_THE_WAY, ignore_errors=True)


def _shown(path: Path) -> str:
    """A path as a user would write it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
