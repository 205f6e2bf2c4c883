"""Valid JSON, CSV and safetensors files of another shape: every command that reads one ends with one sentence that
names the file and the cure, also where the manifest vouches for it, and `status` and `verify` go on to the end."""

import json
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from plain_reports import undrawn

from ganflow import config
from ganflow.artifacts import MANIFEST, SEAL, digest_bytes, digest_value, read_manifest, write_json
from ganflow.errors import UserError
from ganflow.reporting.charts import charts
from ganflow.reporting.publishing import _stamped
from ganflow.reporting.runs import load_runs
from ganflow.reporting.tables import as_csv, as_metrics, score_tables
from ganflow.stages import publish
from ganflow.stages.cli import main
from ganflow.stages.graph import RESULTS

OBJECTS, AXES = "rendered_objects", ("rendered_objects", "wgan_gp", "0")
RUN, GENERATED, SCORES = (Path("results/tiny", folder, *AXES) for folder in ("runs", "generated", "scores"))
SHARDS, FEATURES, REFERENCE = (Path("data", folder, OBJECTS) for folder in ("shards", "features", "reference"))
VALUES: tuple[Any, ...] = (None, True, -1, 0.5, 2**62, 1e308, "x", "\n\x1b[2J", [], {}, [[]], {"a": None}, ["x"] * 3)
WHOLE = {
    "empty": b"",
    "list": b"[]",
    "mapping": b"{}",
    "null": b"null",
    "text": b'"a"',
    "number": b"3",
    "NaN": b"NaN",
    "infinite": b'{"a": 1e999}',
    "10**400": b'{"a": 1' + b"0" * 400 + b"}",
    "deep list": b"[" * 200_000,
    "deep mapping": b'{"a":' * 400 + b"1" + b"}" * 400,
    "twice": b'{"outputs": {}, "outputs": {}}',
    "surrogate": b'{"\\ud800": "\\udfff"}',
    "latin-1": b'{"a": "\xe9"}',
    "huge": b"huge",  # as long as no such file is
}


class Case(NamedTuple):
    """A file, what was done to it, and its bytes then."""

    kind: str
    content: bytes


def of_json(content: bytes, draw: random.Random, count: int) -> Iterator[Case]:
    """The same value with one entry, at any depth, left out, renamed by one bit, or replaced."""
    for _ in range(count):
        value = json.loads(content)
        place, key = draw.choice(list(entries(value)))
        kind = draw.choice(["absent", "renamed", "replaced", "replaced"])
        if kind == "absent":
            del place[key]
        elif kind == "replaced":
            place[key] = draw.choice(VALUES)
        elif isinstance(key, str) and key:
            letter = draw.randrange(len(key))
            place[key[:letter] + chr(ord(key[letter]) ^ 1 << draw.randrange(5)) + key[letter + 1 :]] = place.pop(key)
        yield Case(kind, json.dumps(value).encode())


def entries(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from entries(inner)


def of_csv(content: bytes, draw: random.Random, count: int) -> Iterator[Case]:
    """The same table with a cell that is no number, a column renamed or given twice, a row cut or left out."""
    lines = content.decode().splitlines()
    for kind in draw.sample(
        ["cell", "1e999", "nan", "renamed", "twice", "row cut", "row left out", "header only"], count
    ):
        cells = [line.split(",") for line in lines]
        column = draw.randrange(len(cells[0]))
        match kind:
            case "renamed":
                cells[0][column] += "x"
            case "twice":
                cells[0][column] = cells[0][column - 1]
            case "row cut":
                cells[-1].pop()
            case "row left out":
                cells.pop()
            case "header only":
                cells = cells[:1]
            case _:
                cells[-1][column] = {"cell": "x"}.get(kind, kind)
        yield Case(kind, "\n".join(map(",".join, [*cells, []])).encode())


def of_header(content: bytes, draw: random.Random, count: int) -> Iterator[Case]:
    """The same tensors with another header, or other metadata in it."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    about = header["__metadata__"]["ganflow"].encode()

    def packed(changed: bytes) -> bytes:
        return len(changed).to_bytes(8, "little") + changed + content[8 + length :]

    for case in of_json(about, draw, count // 2):
        header["__metadata__"]["ganflow"] = case.content.decode()
        yield Case(f"metadata {case.kind}", packed(json.dumps(header).encode()))
    for case in of_json(content[8 : 8 + length], draw, count // 4):
        yield Case(f"header {case.kind}", packed(case.content))
    for kind in draw.sample(sorted(WHOLE), count // 4):
        yield Case(f"header {kind}", packed(WHOLE[kind]))


def cases(path: Path, draw: random.Random, whole: int, count: int) -> Iterator[Case]:
    content = path.read_bytes()
    if path.suffix != ".safetensors":
        yield from (Case(kind, WHOLE[kind]) for kind in draw.sample(sorted(WHOLE), whole))
    made = {".json": of_json, ".csv": of_csv, ".safetensors": of_header}[path.suffix]
    yield from made(content, draw, count if path.suffix != ".csv" else min(count, 8))


def unit_of(path: Path) -> Path:
    """The folder of the manifest that vouches for a file."""
    return next(folder for folder in path.parents if (folder / MANIFEST).exists())


def write(path: Path, case: Case, signed: bool) -> None:
    """Writes it; `signed`: with a manifest that says that it is what was written."""
    path.write_bytes(case.content)
    if case.content == WHOLE["huge"]:
        os.truncate(path, 1 << 30)
    with suppress(ValueError, RecursionError, AttributeError, TypeError):
        if signed and path.name == MANIFEST:
            about = json.loads(case.content)
            write_json(path, {**about, SEAL: digest_value({key: about[key] for key in about.keys() - {SEAL}})})
        elif signed:
            folder = unit_of(path)
            about = json.loads((folder / MANIFEST).read_bytes())
            entry = {"bytes": path.stat().st_size, "sha256": digest_bytes(case.content)}
            about["outputs"][path.relative_to(folder).as_posix()] = entry
            write_json(folder / MANIFEST, {**about, SEAL: digest_value({k: about[k] for k in about.keys() - {SEAL}})})


def command(*words: str) -> Callable[[], int]:
    return lambda: main(list(words))


def reporting() -> int:
    """What `report` reads and computes, but for its pictures."""
    try:
        tables = score_tables(runs := load_runs(config.load(), RESULTS))
        charts(runs), as_csv(tables), as_metrics(tables)
    except UserError as error:
        print(error)
        return 2
    return 0


def publishing() -> int:
    """What `publish` reads."""
    try:
        publish.finished(config.load())
    except UserError as error:
        print(error)
        return 2
    return 0


READERS = {
    "accept": command("accept"),
    "compare": command("compare", f"{OBJECTS}/wgan_gp", f"{OBJECTS}/dcgan"),
    "evaluate": command("evaluate", *AXES),
    "extract": command("extract", OBJECTS),
    "generate": command("generate", *AXES),
    "interpolate": command("interpolate", str(RUN), "--rows", "1", "--steps", "2"),
    "publish": publishing,
    "reference": command("reference", OBJECTS),
    "report": reporting,
    "sample": command("sample", str(RUN), "--images", "1"),
    "shard": command("shard", OBJECTS),
    "status": command("status"),
    "verify": command("verify"),
}
READ = {  # file: who opens it
    Path("data/raw", OBJECTS, MANIFEST): ["shard", "accept"],
    SHARDS / MANIFEST: ["extract", "evaluate", "status", "verify"],
    SHARDS / "train/index.json": ["extract", "generate", "evaluate"],
    FEATURES / MANIFEST: ["reference", "evaluate"],
    FEATURES / "train.safetensors": ["reference", "evaluate"],
    REFERENCE / MANIFEST: ["evaluate", "accept"],
    REFERENCE / "checks.json": ["evaluate"],
    REFERENCE / "sliced_wasserstein.safetensors": ["evaluate"],
    RUN / MANIFEST: ["evaluate", "compare", "report", "publish", "accept", "status", "verify"],
    RUN / "journal.csv": ["evaluate", "compare", "report", "publish"],
    RUN / "generator.safetensors": ["generate", "evaluate", "sample", "interpolate"],
    RUN / "snapshots/000000002-generator.safetensors": ["generate"],
    GENERATED / MANIFEST: ["evaluate", "status", "verify"],
    GENERATED / "curve.csv": ["evaluate", "compare", "report", "publish"],
    GENERATED / "final.safetensors": ["evaluate"],
    SCORES / MANIFEST: ["compare", "report", "publish", "status"],
    SCORES / "score.json": ["compare", "report", "publish"],
    SCORES / "neighbours.json": ["compare", "report", "publish"],
}
ENDS = {0: "done", 1: "differs", 2: "refused"}


def kept() -> dict[Path, bytes]:
    """All files but large ones, logs and scratch."""
    found = (path for top in ("data", "results") for path in Path(top).rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in found if path.stat().st_size < 4 << 20}


def restore(before: dict[Path, bytes]) -> None:
    for path, content in before.items():
        if not path.exists() or path.stat().st_size != len(content) or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def test_a_file_of_another_shape_is_told_in_a_sentence_by_every_command_that_reads_it(finished, capfd):
    before, ends = kept(), Counter()
    for path, readers in READ.items():
        draw = random.Random(str(path))
        folder = unit_of(path)
        for case in cases(path, draw, 3, 4):
            name, signed = draw.choice(readers), draw.random() < 0.7
            write(path, case, signed)
            capfd.readouterr()
            code = READERS[name]()
            said = "".join(capfd.readouterr())
            about = f"{path}, {case.kind}, signed: {signed}, {name}: {case.content[:300]!r}\n{said}"
            assert "Traceback" not in said and (code or 0) in ENDS, about
            if code == 2:
                told = [line for line in said.splitlines() if str(folder) in line]
                assert len(told) == 1 and any(cure in told[0] for cure in ("dvc repro", "verify --repair", "choose")), (
                    about
                )
            if name in ("status", "verify"):
                assert code != 2 and re.match(r"next:|nothing to do|\d+ units, ", said.splitlines()[-1]), about
            ends[path.as_posix(), case.kind, name, ENDS[code or 0]] += 1
            restore(before)
    for (path, kind, name, end), count in sorted(ends.items()):
        print(f"{path:80} {kind:22} {name:12} {end} {count}")
    assert ends.total() >= 100
    refused = sum(count for (*_, end), count in ends.items() if end != "done")
    assert refused >= 0.6 * ends.total(), "the mutations are too harmless"


def test_status_and_verify_name_every_damaged_manifest_and_go_on(finished, capfd):
    damage = {SHARDS: "[]", FEATURES: "null", REFERENCE: '{"outputs": {"a": {}}}', GENERATED: "{", SCORES: "1" * 400}
    for folder, content in damage.items():
        (folder / MANIFEST).write_text(content)
    for name, code in (("status", 0), ("verify", 1)):
        assert main([name]) == code
        said = capfd.readouterr().out.splitlines()
        for folder in damage:
            assert any(f"{folder / MANIFEST}: " in line and f"verify --repair {folder}" in line for line in said), (
                folder
            )
        assert any("dcgan 1" in line or "done" in line for line in said) and len(said) > len(damage) + 1


def test_a_manifest_that_lacks_its_units_digest_is_told_and_ends_nothing(finished, capfd):
    with undrawn():
        assert main(["report"]) == 0
    manifest = {key: value for key, value in read_manifest(RUN).items() if key not in ("digest", SEAL)}
    write_json(RUN / MANIFEST, manifest | {SEAL: digest_value(manifest)})
    for command, codes in ((["status"], {0}), (["status", "--brief"], {0}), (["verify"], {0, 1})):
        assert main(command) in codes


@pytest.mark.parametrize("content", ["[]", "null", '{"finished": "now"}', '{"seconds": NaN}', "", None])
def test_a_damaged_log_never_fails_finished_work(finished, content):
    log = Path("logs/shard", f"{OBJECTS}.json")
    log.unlink()
    log.mkdir() if content is None else log.write_text(content)
    shards = (SHARDS / MANIFEST).read_bytes()
    assert main(["shard", OBJECTS]) == 0 and (SHARDS / MANIFEST).read_bytes() == shards
    if content is not None:
        assert json.loads(log.read_text())["seconds"] >= 0


def test_logs_that_cannot_be_written_never_fail_the_work(finished, capfd):
    shutil.rmtree("logs")
    Path("logs").write_text("a file in the place of the folder")
    assert main(["shard", OBJECTS]) == 0
    said = capfd.readouterr().err
    assert f"logs/shard/{OBJECTS}.log: not written" in said and "is finished all the same" in said


@pytest.mark.parametrize("content", ["[]", '{"device": "gpu", "units": {}}', '{"device": "cpu"}', "1e999"])
def test_a_damaged_plan_is_told_with_its_cure(finished, capfd, content):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("device: cpu", "device: auto"))
    assert main(["plan"]) == 0
    Path("build/plan.json").write_text(content)
    capfd.readouterr()
    assert main(["status"]) == 2
    assert re.search(r"build/plan.json: .*; run `python -m ganflow plan`", capfd.readouterr().err)
    assert main(["plan"]) == 0 and not main(["status"])


@pytest.mark.parametrize("content", ["[]", '{"database": 1, "published": [], "page": ""}', "NaN", "{"])
def test_a_damaged_stamp_of_publishing_counts_as_none(tmp_path, content):
    (tmp_path / "stamp.json").write_text(content)
    (tmp_path / "mlflow.db").touch()
    assert _stamped(tmp_path / "stamp.json", tmp_path / "mlflow.db") == {}
