"""What disks, people and killed programs do to files: kinds of damage, by name."""

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path


def flipped(at: float) -> Callable[[Path], None]:
    """Inverts one bit at a share of the file's length."""

    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(at * (len(content) - 1))] ^= 1 << random.Random(path.name).randrange(8)
        path.write_bytes(content)

    return flip


def flip(path: Path, number: int = 0) -> None:
    """Inverts one bit, another for each number; size, date and permissions stay."""
    about = path.stat()
    path.chmod(0o644)
    flipped(random.Random(f"{path.parent.name}/{path.name}/{number}").random())(path)
    path.chmod(about.st_mode)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def cut(path: Path, number: int = 0) -> None:
    """Leaves a part of the beginning: a half, then nothing, then other shares."""
    about = path.stat()
    path.chmod(0o644)
    os.truncate(path, (about.st_size // 2, 0, about.st_size - 1, about.st_size // 3)[number % 4])
    path.chmod(about.st_mode)


def other(path: Path) -> None:
    """Another content of the same kind, from a file beside it; none if there is no such file."""
    others = [found.read_bytes() for found in sorted(path.parent.glob(f"*{path.suffix}"))]
    path.write_bytes(next((content for content in others if content != path.read_bytes()), b""))


def folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)
    (path / "inside/file").write_text("text")


def link(path: Path) -> None:
    """A link to the file, which is moved."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def dvc_object(top: Path, name: str) -> Path:
    """The object of a DVC cache or remote for a file by its md5, or for the digest of a folder."""
    return top / "files/md5" / name[:2] / name[2:]


def md5_of(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


DAMAGE: dict[str, Callable[[Path], None]] = {
    **{f"flip-{at:.0%}": flipped(at) for at in (0.0, 0.1, 0.5, 1.0)},
    **{"cut": cut, "delete": Path.unlink, "folder": folder, "other": other, "link": link},
}
