"""Values as JSON text, one text for equal values: of names, of metadata and of .json files."""

import json
from typing import Any


def canonical_json(value: Any) -> str:
    """Sorted keys, no spaces, ASCII; NaN and infinities are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def readable_json(value: Any) -> str:
    """Sorted keys, indented, with a line end; NaN and infinities are refused."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"
