"""Values as JSON text, one text for equal values, and tables of numbers as CSV text."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any


def canonical_json(value: Any) -> str:
    """Sorted keys, no spaces, ASCII; NaN and infinities are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def readable_json(value: Any) -> str:
    """Sorted keys, indented, with a line end; NaN and infinities are refused."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def csv_columns(text: str) -> dict[str, list[float]]:
    """{column: numbers} of a table with a header; raises ValueError without a row or for a cell without a number."""
    rows = list(csv.DictReader(io.StringIO(text)))
    try:
        return {column: [float(row[column]) for row in rows] for column in rows[0]}
    except (TypeError, IndexError):
        raise ValueError("not a table of numbers") from None
