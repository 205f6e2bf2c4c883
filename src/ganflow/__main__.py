"""`python -m ganflow` and the command `ganflow`. Outside its environment it prints one sentence with the remedy. In a
clone, the sources of that clone run, independent of the installed copy of the package."""

import atexit
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


def _leave(codes: "list[int]") -> None:
    """Ends the process at once, if it has an exit code and its last words arrive. The memory goes back to the system as
    one: taking torch's modules apart object by object lasts as long as a fifth of their import."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads them; the interpreter's own end knows what to do
        return
    if codes:
        os._exit(codes[0])


if __name__ == "__main__":
    found: "list[int]" = []
    atexit.register(_leave, found)  # registered first, so called last: after all that libraries have to finish
    found.append(start())
    sys.exit(found[0])
