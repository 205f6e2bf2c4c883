"""`python -m ganflow`. It says so in a sentence if this is not the environment that ganflow is installed in."""

import sys


def start():
    """Runs the command line; written so that a Python too old for the rest of the package reads this file."""
    if sys.version_info < (3, 11):  # noqa: UP036
        return _refuse(f"needs Python 3.11, and this is {sys.version.split()[0]}")
    from ganflow.stages.cli import main

    try:
        return main()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ganflow"):
            raise
        return _refuse(f"the package {error.name} is not installed for {sys.executable}")


def _refuse(reason):
    sys.stderr.write(f"ganflow: {reason}; run `make environment`, then `. .venv/bin/activate`\n")
    return 2


if __name__ == "__main__":
    sys.exit(start())
