"""One server: whatever it does, the target holds the right bytes or is absent, and the message says what came."""

import hashlib
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from damage import DAMAGE
from mirrors import CONTENT, CUT, DIGEST, OTHER, PAGE, Answer, refused, serving
from mirrors import quick as quick  # a fixture that every test here uses

from ganflow import artifacts, progress
from ganflow.data import fetching, http_transfer
from ganflow.data.fetching import fetch


def test_downloads_and_leaves_nothing_behind(tmp_path):
    target = tmp_path / "raw" / "archive"
    with serving(Answer()) as (url, asked):
        fetch((url,), target, DIGEST, len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert asked == [None]
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("etag", [None, '"one"'])
def test_goes_on_after_resets(tmp_path, etag):
    cuts = [Answer(cut=cut, etag=etag) for cut in (100_000, CUT)]
    with serving(*cuts, Answer(etag=etag)) as (url, asked):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert asked[0] is None and 0 < asked[1] <= 100_000 < asked[2] <= CUT


def test_goes_on_after_a_stall(tmp_path):
    with serving(Answer(cut=CUT, stall=True), Answer()) as (url, asked):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert len(asked) == 2 and asked[1] > 0


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_tries_again_when_the_server_is_busy(tmp_path, status):
    with serving(Answer(status=status), Answer(status=status), Answer()) as (url, asked):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert len(asked) == 3


@pytest.mark.parametrize("unclear", ["soon", "1 Jan 2030 00:00:00 -0000"])
def test_waits_as_long_as_the_server_asks_within_bounds(tmp_path, monkeypatch, unclear):
    waited = []
    monkeypatch.setattr(http_transfer.time, "sleep", waited.append)
    busy = [Answer(status=503, after=after) for after in ("7", "99999", "Wed, 21 Oct 2065 07:28:00 GMT", unclear)]
    with serving(*busy, Answer()) as (url, asked):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert waited[:3] == [7, http_transfer.LONGEST_PAUSE, http_transfer.LONGEST_PAUSE] and 0 < waited[3] < 0.1


def test_a_trickle_is_a_stall(tmp_path, monkeypatch):
    monkeypatch.setattr(http_transfer, "WINDOW", 0.2)
    with serving(Answer(cut=CUT, trickle=True), Answer()) as (url, asked):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert CUT < asked[1] < CUT + 40


def test_starts_again_where_there_are_no_ranges(tmp_path):
    with serving(Answer(cut=CUT, ranges=False), Answer(ranges=False)) as (url, asked):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert asked[1]


@pytest.mark.parametrize("wrong", [{"shift": 7}, {"total": 400_000}, {"status": 416}])
def test_never_joins_a_wrong_range(tmp_path, wrong):
    with serving(Answer(cut=CUT), Answer(**wrong), Answer()) as (url, asked):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert asked[2] is None


@pytest.mark.parametrize("etags", [('"one"', '"two"'), (None, None)])
def test_file_that_changed_between_parts(tmp_path, etags):
    with serving(Answer(content=OTHER, cut=CUT, etag=etags[0]), Answer(etag=etags[1])) as (url, asked):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert len(asked) == (2 if etags[0] else 3)


def test_gives_up_with_what_it_has(tmp_path):
    with serving(Answer(cut=CUT, ranges=False)) as (url, asked):
        refused(url, tmp_path / "archive", "gave up", "bytes are kept", "run again")
        assert len(asked) <= http_transfer.TRIES + 2
    with serving(Answer(status=503)) as (url, asked):
        refused(url, tmp_path / "archive", "HTTP 503")
        assert len(asked) == http_transfer.TRIES


def test_nobody_answers(tmp_path):
    refused("http://127.0.0.1:9/archive", tmp_path / "archive", "gave up")


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_is_not_there_is_not_asked_for_twice(tmp_path, status):
    with serving(Answer(status=status)) as (url, asked):
        refused(url, tmp_path / "archive", f"HTTP {status}", "check the address")
    assert len(asked) == 1


def test_wrong_digest_names_the_one_found(tmp_path):
    with serving(Answer(content=OTHER)) as (url, _):
        refused(url, tmp_path / "archive", hashlib.sha256(OTHER).hexdigest(), DIGEST, len(OTHER))
        refused(url, tmp_path / "archive", hashlib.sha256(OTHER).hexdigest(), size=len(OTHER))
    with serving(Answer()) as (url, asked):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert asked == [None], "wrong bytes are never built upon"


def test_what_has_another_digest_is_not_gone_on_with(tmp_path):
    with serving(Answer(content=OTHER), Answer()) as (url, asked):
        refused(url, tmp_path / "archive", hashlib.sha256(OTHER).hexdigest())
        assert not sum(part.stat().st_size for part in artifacts.SCRATCH.rglob("part"))
        assert fetch((url,), tmp_path / "archive", DIGEST) == DIGEST and asked == [None, None]


def test_page_instead_of_the_file(tmp_path):
    with serving(Answer(content=PAGE)) as (url, _):
        refused(url, tmp_path / "archive", "web page", "We are busy")
        refused(url, tmp_path / "archive", len(PAGE), len(CONTENT), size=len(CONTENT))


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x"], ids=["short", "long"])
def test_wrong_length(tmp_path, content, length):
    with serving(Answer(content=content, length=length)) as (url, _):
        refused(url, tmp_path / "archive", len(CONTENT), size=len(CONTENT))


def test_answer_without_length(tmp_path):
    with serving(Answer(length=False, ranges=False)) as (url, _):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT


def test_without_a_digest_the_error_states_it_and_the_download_is_kept(tmp_path):
    with serving(Answer()) as (url, asked):
        for missing in (None, ""):
            refused(url, tmp_path / "archive", f"sha256: {DIGEST}", digest=missing)
        fetch((url,), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert len(asked) == 1


def test_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with serving(Answer()) as (url, _):
        refused(url, tmp_path / "archive", "1000 bytes free", "make room")
    (tmp_path / "source").write_bytes(CONTENT)
    refused(str(tmp_path / "source"), tmp_path / "archive", "1000 bytes free", "make room")


FETCH = """
import sys
from pathlib import Path
from ganflow import artifacts
from ganflow import progress
from ganflow.data import fetching, http_transfer
from ganflow.data.faults import BadArchive
artifacts.SCRATCH = Path(sys.argv[3])
fetching.fetch((sys.argv[1],), Path(sys.argv[2]), sys.argv[4])
"""


def test_goes_on_after_a_killed_process(tmp_path):
    target = tmp_path / "archive"
    with serving(Answer(cut=CUT, stall=True), Answer()) as (url, asked):
        environment = os.environ | {"PYTHONPATH": str(Path(fetching.__file__).parents[2])}
        killed = subprocess.Popen(
            [sys.executable, "-c", FETCH, url, target, artifacts.SCRATCH, DIGEST], env=environment
        )
        deadline = time.monotonic() + 20
        while not any(part.stat().st_size > 100_000 for part in artifacts.SCRATCH.rglob("part")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert not target.exists()
        fetch((url,), target, DIGEST)
    assert target.read_bytes() == CONTENT
    assert asked[1] > 100_000


@pytest.mark.parametrize("etag", [None, '"one"'])
@pytest.mark.parametrize("complete", [False, True])
def test_whatever_happens_to_a_partial_download_the_right_bytes_arrive(tmp_path, capfd, etag, complete):
    """Nine kinds of damage to what a killed download leaves, cut off or complete: said where bytes were received."""
    target = tmp_path / "archive"
    for name, kind in itertools.product(("part", "state.json"), DAMAGE):
        with serving(*[Answer(etag=etag)] * complete, Answer(cut=CUT, etag=etag), Answer(status=404)) as (url, _):
            if complete:
                fetch((url,), target, DIGEST)
                target.unlink()
            else:
                refused(url, target, "404")
        folder = artifacts.scratch("download", DIGEST)
        assert {path.name for path in folder.iterdir()} == {"part", "state.json"}
        DAMAGE[kind](folder / name)
        capfd.readouterr()
        with serving(Answer(etag=etag)) as (url, _):
            fetch((url,), target, DIGEST, len(CONTENT))
        assert target.read_bytes() == CONTENT, (name, kind)
        said = capfd.readouterr().err
        assert "Traceback" not in said
        assert name != "state.json" or "the 200000 bytes received" in said or "the 300000 bytes received" in said
        assert not (name == "part" and kind.startswith("flip")) or f"{folder / 'part'}: not the file expected" in said
        artifacts.discard_scratch("download", DIGEST)
        target.unlink()


@pytest.mark.parametrize("known", [{}, [], None, {"total": -1}, {"total": 10**400}, {"joined": 1}, {"other": 1}])
def test_a_state_of_another_shape_is_no_state(tmp_path, known):
    folder = artifacts.scratch("download", DIGEST)
    (folder / "part").write_bytes(OTHER[:1000])
    artifacts.write_sealed(folder / "state.json", known)
    with serving(Answer()) as (url, _):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT


def test_lines_instead_of_a_bar_where_there_is_no_terminal(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with serving(Answer()) as (url, _):
        fetch((url,), tmp_path / "archive", DIGEST)
    printed = capfd.readouterr()
    assert (
        re.search(r"archive: \S+kB \(\d+%\), \S+B/s, 00:00 left", printed.err)
        and "\r" not in printed.err
        and not printed.out
    )
