"""JSON and CSV texts: what is valid gives its value, and what no artifact holds is refused."""

import json

import pytest

from ganflow.serialization import DEEPEST, canonical_json, csv_columns, csv_text, parse_json


@pytest.mark.parametrize("value", [None, [], {}, 3, -(2**63), 1e308, "é\n\x1b", "\U0001f600", {"a": [1, {"b": 0.1}]}])
def test_json_values_come_back(value):
    assert parse_json(canonical_json(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False, indent=2)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NaN",
        "[-Infinity]",
        '{"a": 1e999}',
        '{"a": -1e999}',
        "1" + "0" * 400,
        "1" * 5000,
        str(2**63),
        '{"a": 1, "a": 1}',
        '["\\ud800"]',
        '{"\\uDFFF": 1}',
        "[" * 100_000,
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
        '{"a":' * 400 + "1" + "}" * 400,
        "[1] 2",
        "\ufeff[]",
    ],
)
def test_what_no_artifact_holds_is_refused(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_deep_values_within_the_limit_come_back():
    assert parse_json("[" * DEEPEST + "]" * DEEPEST) is not None


def test_tables_come_back():
    assert csv_columns(csv_text(["a", "b"], [[1, 2.5], [3, -1e300]])) == {"a": [1.0, 3.0], "b": [2.5, -1e300]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        "a,a\n1,2\n",
        "a,b\n1\n",
        "a\n1,2\n",
        "a\nnan\n",
        "a\n1e999\n",
        "a\nx\n",
        "a\n\0\n",
        'a\n"1\n',
        "a\n\n1\n",
    ],
)
def test_what_is_no_table_of_numbers_is_refused(text):
    with pytest.raises(ValueError):
        csv_columns(text)


def test_a_cell_without_end_is_refused():
    with pytest.raises(ValueError):
        csv_columns("a\n" + "1" * 1_000_000)
