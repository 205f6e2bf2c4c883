"""`python -m ganflow` and the command `ganflow`. Outside its environment it prints one sentence with the remedy. In a
clone, the sources of that clone run, independent of the installed copy of the package."""

import os
import sys


def start() -> int:
    """Runs the command line; this file also runs on Python versions that are too old for the rest of the package."""
    if sys.version_info < (3, 11):  # noqa: UP036
        return _refuse(f"needs Python 3.11, and this is {sys.version.split()[0]}")
    here = os.path.join("src", "ganflow", "__main__.py")
    if os.path.isfile(here) and not os.path.samefile(here, __file__):
        return _run_sources_of(os.path.abspath("src"))
    from ganflow.stages.cli import main

    try:
        return main()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ganflow"):
            raise
        return _refuse(f"the package {error.name} is not installed for {sys.executable}")


def _run_sources_of(folder: str) -> int:
    """Replaces this process by one that imports from `folder`, as clones may share an environment."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
    os.execv(sys.executable, [sys.executable, "-m", "ganflow", *sys.argv[1:]])


def _refuse(reason: str) -> int:
    sys.stderr.write(f"ganflow: {reason}; run `make environment`, then `. .venv/bin/activate`\n")
    return 2


if __name__ == "__main__":
    sys.exit(start())
