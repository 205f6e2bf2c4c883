"""This repository, and copies of it to run commands and engines in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PAIRS = {"dcgan": "rendered_bedrooms", "wgan_gp": "rendered_objects"}


def environment_of(cache: Path) -> dict[str, str]:
    """The environment of a command in a clone: this interpreter's programs first, no settings of the user."""
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "XDG_CACHE_HOME": str(cache),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@localhost",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@localhost",
    }


def copy_files(folder: Path, top: Path = TOP) -> Path:
    """Copies the files of a repository that are tracked, or new and not ignored, into a folder, with their dates."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=top, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (top / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(top / name, folder / name, follow_symlinks=False)
    return folder


def ran(said: str) -> set[str]:
    """The stages that DVC says it ran, rather than restored or passed over."""
    return set(re.findall(r"Running stage '([^']+)'", said))


class Clone:
    """A repository in a folder of its own, and the environment of the commands that run there."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder, self.environment = folder, environment

    @classmethod
    def fresh(cls, folder: Path, environment: dict[str, str], top: Path = TOP) -> "Clone":
        """A copy of a repository's files, by default this one's, as a git repository of its own, with the tiny
        experiment, each of whose variants is trained on one dataset."""
        copy_files(folder, top)
        (folder / "dvc.lock").unlink(missing_ok=True)
        shutil.copy(folder / "profiles/tiny.yaml", folder / "params.yaml")
        clone = cls(folder, environment)
        for variant, dataset in PAIRS.items():
            clone.edit("params.yaml", f"  {variant}: {{", f"  {variant}: {{datasets: [{dataset}], ")
        clone.run("git init --quiet && python -m ganflow runs")
        clone.run("git add --all && git commit --quiet --message start")
        return clone

    def copy(self, folder: Path) -> "Clone":
        """The clone and all that was made in it, at another place."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--archive", self.folder, folder], check=True)
        return Clone(folder, self.environment)

    def run(self, command: str, check: bool = True, **settings: str) -> subprocess.CompletedProcess[str]:
        """Runs a shell command at the top of the copy."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment | settings,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert not check or done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def digests(self) -> dict[str, str]:
        """{path: md5} of every output in dvc.lock."""
        from ruamel.yaml import YAML

        lock = YAML(typ="safe").load((self.folder / "dvc.lock").read_text())
        return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}

    def edit(self, name: str, before: str, after: str) -> None:
        """Replaces a text that stands once or more in a file."""
        text = (self.folder / name).read_text()
        assert before in text, f"{name} does not hold {before!r}"
        (self.folder / name).write_text(text.replace(before, after))
