"""Values as JSON text, one text for equal values, and tables of numbers as CSV text."""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

DEEPEST = 100  # levels of nesting in a JSON text


def canonical_json(value: Any) -> str:
    """Sorted keys, no spaces, ASCII; NaN and infinities are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def readable_json(value: Any) -> str:
    """Sorted keys, indented, with a line end; NaN and infinities are refused."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError also for what Python reads beyond RFC 8259 or no float64, int64 or
    UTF-8 can hold: NaN, 1e999, 10**400, a repeated key, half of a surrogate pair, nesting without end."""
    try:
        value = json.loads(
            text, parse_constant=_finite, parse_float=_finite, parse_int=_int64, object_pairs_hook=_distinct
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if text.count("[") + text.count("{") > DEEPEST:
        _check_depth(value)
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        nested = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [inner for values in nested for inner in values]
    if level:
        raise ValueError(f"nested deeper than {DEEPEST} levels")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]}: not a finite number")
    return number


def _int64(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{text[:20]}: an integer beyond 64 bits")
    return number


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def csv_columns(text: str) -> dict[str, list[float]]:
    """{column: numbers} of a table with a header; raises ValueError without a row, for a repeated column, and for a
    cell without a finite number."""
    try:
        [columns, *rows] = csv.reader(io.StringIO(text), strict=True)
        if not rows or len(set(columns)) < len(columns):
            raise ValueError("no row, or a repeated column")
        return {name: [_finite(cell) for cell in cells] for name, *cells in zip(columns, *rows, strict=True)}
    except csv.Error as error:
        raise ValueError(str(error)) from None
