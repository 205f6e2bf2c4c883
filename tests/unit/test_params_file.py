"""params.yaml as people and editors leave it: one sentence with the line for each, in no time, and no traceback."""

import time

import pytest
from repository import TOP

from ganflow import config
from ganflow.components import component
from ganflow.config import Choice
from ganflow.errors import UserError
from ganflow.methods.interfaces import Optimizer
from ganflow.params_file import parse_yaml, read_yaml

TINY = (TOP / "profiles/tiny.yaml").read_text()
TENFOLD = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
MERGED = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9))

REFUSED = {  # what is written: what is said
    "experiment: ti\x01ny": r"line 1: not valid YAML: holds the control character U\+0001; remove it",
    f"x: {'[' * 300}{']' * 300}": r"line 1: nested more than 50 deep",
    f"x: {'{a: ' * 3000}1{'}' * 3000}": r"line 1: nested more than 50 deep",
    "".join(f"{' ' * depth}a:\n" for depth in range(900)): r"line 50: nested more than 50 deep",
    f"a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n{TENFOLD}": r"line 5: holds more than 100,000 values by its aliases",
    f"a0: &a0 {{k: 1}}\n{MERGED}": r"line 6: holds more than 100,000 values by its aliases",
    "seeds: &s [*s]": r"line 1: holds more than 100,000 values by its aliases",
    "a: &s 1\nseeds: &s [*s]": r"line 2: holds more than 100,000 values by its aliases",
    f"iterations: 1{'0' * 22}": r"line 1: 1000\S+: write a whole number of at most 18 decimal digits",
    f"iterations: 1{'0' * 5000}": r"line 1: 1000\S+\.\.\.: write a whole number",
    "iterations: 010": r"line 1: 010: write a whole number of at most 18 decimal digits, without leading 0",
    "iterations: 0x1F": r"line 1: 0x1F: write a whole number of at most 18",
    "iterations: 1_000": r"line 1: 1_000: write a whole number of at most 18",
    "experiment: no": r'line 1: `no` is a word in YAML 1\.2 and false in 1\.1; write false, or "no" as a word',
    "variants:\n  On: 1": r'line 2: `On` is a word in YAML 1\.2 and true in 1\.1; write true, or "On" as a word',
    "seeds: [!!int abc]": r"line 1: abc: write a whole number",
    "rate: !!float abc": r"not valid YAML: could not convert string to float: 'abc'",
    "really: !!bool abc": r"not valid YAML: 'abc'",
    "day: 9999-99-99": r"not valid YAML: month must be in 1\.\.12",
    "a: 1\nb: 2\na: 3": r'line 3: not valid YAML: found duplicate key "a"',
    "a:\n\tb: 1": r"line 2: not valid YAML: found character '\\t' .*; write spaces instead of tabs",
    "a: 1\n---\nb: 1": r"line 2: not valid YAML: but found another document",
    "": r"must be a mapping of keys to values",
}


@pytest.mark.parametrize("text", REFUSED, ids=[f"{number}-{text[:12]!r}" for number, text in enumerate(REFUSED)])
def test_one_sentence_in_no_time(text):
    began = time.process_time()
    with pytest.raises(UserError, match=rf"^params\.yaml:? {REFUSED[text]}") as refused:
        parse_yaml(text, "params.yaml")
    assert "\n" not in str(refused.value) and str(refused.value).isprintable() and len(str(refused.value)) < 200
    assert time.process_time() - began < 5


def test_aliases_and_merges_of_a_page_are_read():
    text = 'base: &base {lr: 1.0e-4, betas: [0.0, 0.9]}\none: {<<: *base, lr: 2e-4}\nother: *base\nword: "no"\n'
    read = parse_yaml(text, "params.yaml")
    assert read["one"] == {"lr": 2e-4, "betas": [0.0, 0.9]} and read["other"] == read["base"] and read["word"] == "no"


def test_a_byte_order_mark_and_line_ends_of_windows_are_read_and_another_encoding_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(TINY.encode())
    expected = config.load(path)
    path.write_bytes(b"\xef\xbb\xbf" + TINY.replace("\n", "\r\n").encode())
    assert config.load(path) == expected
    for content, line in ((f"# a\n# \xe9\n{TINY}".encode("latin-1"), 2), (TINY.encode("utf-16"), 1)):
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"params\.yaml line {line}: not UTF-8 text; save the file in that"):
            read_yaml(path)


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "1e400"])
def test_numbers_that_are_not_finite_are_refused_everywhere(tmp_path, number):
    (tmp_path / "params.yaml").write_text(TINY.replace("iterations: 6,", f"iterations: 6, ema: {number},"))
    with pytest.raises(UserError, match=r"training\.ema\.decay = (-?inf|nan): input should be a finite number"):
        config.load(tmp_path / "params.yaml")
    settings = parse_yaml(f"lr: {number}", "params.yaml")
    with pytest.raises(UserError, match=r"optimizer\.adam\.lr = (-?inf|nan): input should be a finite number"):
        component(Optimizer, Choice(name="adam", settings=settings), "optimizer")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("seeds: [0]", 'seeds: [0]\n"\\e[31mred\\n": 1', r"'\\x1b\[31mred\\n': unknown key"),
        ("seeds: [0]", 'seeds: ["\\e[31mred\\r"]', r"seeds\.0 = '\\x1b\[31mred\\r': input should be a valid integer"),
        ("experiment: tiny", f"experiment: {'a' * 9999}", r"experiment = 'a{76}\.\.\.: string should have at most 60"),
        ("iterations: 6", "iterations: 1000000000000000", r"iterations = 10{15}: input should be less than or equal"),
        (
            "batch_size: 8",
            "batch_size: 1000000000",
            r"training\.batch_size = 10{9}: input should be less",
        ),
    ],
)
def test_keys_and_values_are_told_in_one_line_of_plain_text(tmp_path, before, after, said):
    assert before in TINY
    (tmp_path / "params.yaml").write_text(TINY.replace(before, after))
    with pytest.raises(UserError, match=said) as refused:
        config.load(tmp_path / "params.yaml")
    sentence = str(refused.value).removeprefix(str(tmp_path))
    assert sentence.isprintable() and len(sentence) < 200
