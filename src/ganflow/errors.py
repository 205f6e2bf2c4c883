"""The exception for errors outside the code, and suggestions for unknown names."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """An error outside the code (file, key, value, network, disk): one sentence with fault and remedy, no traceback."""


def suggestion(name: str, known: Iterable[str], label: str = "known") -> str:
    """The remedy for an unknown name: the closest known one, or a list of all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean `{near[0]}`?" if near else f"{label}: {', '.join(names) or 'none'}"
