"""Fetching: whatever a server does, the target holds the right bytes or is absent, and the message says what came."""

import errno
import hashlib
import itertools
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from damage import DAMAGE
from disk_order import recorded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mirrors import CONTENT, Answer, serving
from mirrors import quick as quick  # a fixture that every test here uses

from ganflow import artifacts, progress
from ganflow.data import fetching, http_transfer
from ganflow.data.faults import BadArchive
from ganflow.data.fetching import fetch
from ganflow.data.formats.cifar10 import ARCHIVE, Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.interfaces import Format
from ganflow.data.sources.files import Files
from ganflow.data.sources.official import Official
from ganflow.data.sources.rendered import Rendered
from ganflow.errors import UserError
from ganflow.params_file import checked


class Opaque(LsunBedroom):
    """Archives of which nothing but the bytes is looked at."""

    def check(self, path):
        return Format.check(self, path)


OTHER = np.random.default_rng(1).bytes(300_000)
PAGE = b"<!DOCTYPE html><html><body>We are busy</body></html>"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
CUT = 200_000  # bytes after which a connection breaks


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


def refused(location, target, *words, digest=DIGEST, size=None):
    with pytest.raises(UserError) as caught:
        fetch((location,), target, digest, size)
    for word in (location, *words):
        assert str(word) in str(caught.value)
    assert not list(target.parent.glob("*archive*")), "nothing wrong may lie at the target or beside it"


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


# ---- mirrors


def test_the_next_mirror_is_tried_and_the_error_lists_the_fault_of_each(tmp_path, capfd):
    with (
        serving(Answer(status=404)) as (gone, _),
        serving(Answer(content=PAGE)) as (busy, _),
        serving(Answer(content=OTHER)) as (wrong, _),
        serving(Answer()) as (good, asked),
    ):
        bad = (gone, busy, str(tmp_path / "nowhere"), wrong)
        fetch((*bad, good), tmp_path / "archive", DIGEST)
        assert (tmp_path / "archive").read_bytes() == CONTENT and asked == [None]
        assert f"{gone}: answered HTTP 404 Not Found, expected the file; check the address; trying {busy}" in (
            capfd.readouterr().err
        )
        with pytest.raises(UserError) as caught:
            fetch(bad, tmp_path / "other", "0" * 64)
    for location, what in zip(
        bad, ("HTTP 404", "web page", "No such file", hashlib.sha256(OTHER).hexdigest()), strict=True
    ):
        assert re.search(f"{re.escape(location)}: [^;]*{what}", str(caught.value))
    assert "other: no mirror provides it" in str(caught.value) and "\n" not in str(caught.value)


def test_a_mirror_goes_on_where_another_stopped(tmp_path):
    with (
        serving(Answer(cut=CUT, etag='"a"'), Answer(status=404)) as (one, _),
        serving(Answer(etag='"b"')) as (two, asked),
    ):
        fetch((one, two), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert asked[0] == CUT and len(asked) == 1


def test_parts_of_different_files_are_not_accepted(tmp_path):
    with serving(Answer(content=OTHER, cut=CUT), Answer(status=404)) as (one, _), serving(Answer()) as (two, asked):
        fetch((one, two), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert asked == [CUT, None]


@pytest.mark.parametrize(
    "page", [Answer(content=PAGE), Answer(content=PAGE, length=False, ranges=False), Answer(status=416)]
)
def test_a_mirror_that_sends_something_else_costs_no_byte(tmp_path, page):
    with (
        serving(Answer(cut=CUT), Answer(status=404)) as (one, _),
        serving(page, Answer(status=404)) as (two, _),
        serving(Answer()) as (three, asked),
    ):
        fetch((one, two, three), tmp_path / "archive", DIGEST, len(CONTENT))
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert asked == [CUT]


def test_an_answer_that_begins_anew_is_compared_and_its_cut_costs_no_byte(tmp_path):
    anew = [Answer(ranges=False, cut=cut) for cut in (100_000, 250_000)]
    with serving(Answer(cut=CUT), *anew, Answer()) as (url, asked):
        fetch((url,), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert asked == [None, CUT, CUT, 250_000]


def test_a_shorter_file_replaces_a_longer_part(tmp_path):
    short = CONTENT[:150_000]
    with serving(Answer(cut=CUT, etag='"a"'), Answer(content=short, etag='"b"')) as (url, _):
        fetch((url,), tmp_path / "archive", hashlib.sha256(short).hexdigest())
    assert (tmp_path / "archive").read_bytes() == short


def test_a_redirect_is_followed_and_told(tmp_path):
    with serving(Answer()) as (there, _), serving(Answer(status=302, to=there)) as (url, _):
        fetch((url,), tmp_path / "here" / "archive", DIGEST)
    with serving(Answer(content=PAGE)) as (there, _), serving(Answer(status=302, to=there)) as (url, _):
        refused(
            url, tmp_path / "there" / "archive", "web page", f"from {there}, to which it redirects", digest="0" * 64
        )


MISDEEDS = st.one_of(
    st.sampled_from(
        [
            {"status": 503},
            {"status": 404},
            {"content": PAGE},
            {"content": PAGE, "length": False},
            {"content": OTHER},
            {"content": OTHER, "cut": CUT},
            {"content": CONTENT + b"x", "length": False},
            {"content": CONTENT[:-9], "length": False, "ranges": False},
            {"shift": 1},
            {"total": 10**6},
            {"total": 10**30},
            {"length": "9" * 5000},
            {"length": "-1"},
            {"etag": "\xff", "cut": CUT},
        ]
    ),
    st.fixed_dictionaries(
        {"cut": st.integers(0, len(CONTENT)), "ranges": st.booleans(), "etag": st.sampled_from([None, '"e"'])}
    ),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(MISDEEDS, max_size=5), second=st.lists(MISDEEDS, max_size=5), known=st.booleans())
def test_whatever_two_mirrors_do_only_the_right_bytes_arrive(tmp_path_factory, first, second, known):
    folder = tmp_path_factory.mktemp("any")
    with (
        pytest.MonkeyPatch.context() as patch,
        serving(*(Answer(**deed) for deed in first), Answer()) as (one, _),
        serving(*(Answer(**deed) for deed in second), Answer()) as (two, _),
    ):
        patch.setattr(artifacts, "SCRATCH", folder / "scratch")
        patch.setattr(http_transfer, "PAUSE", 0.0)
        for _ in range(12):  # each run uses up a misdeed at least, or succeeds
            try:
                fetch((one, two), folder / "archive", DIGEST, len(CONTENT) if known else None)
                break
            except UserError as error:
                assert not (folder / "archive").exists() and one in str(error) and "\n" not in str(error)
        assert (folder / "archive").read_bytes() == CONTENT


# ---- what was downloaded is not downloaded again


def test_what_was_downloaded_is_not_downloaded_again_unless_altered(tmp_path):
    target = tmp_path / "raw" / "archive"
    with serving(Answer(), Answer(status=404)) as (url, asked):
        for _ in range(2):
            assert fetch((url,), target, DIGEST) == DIGEST
            assert list(target.parent.iterdir()) == [target]
        target.unlink()
        fetch((url,), target, DIGEST)
        assert len(asked) == 1
        target.rename(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").write_bytes(OTHER)  # it may be one file with the part
        refused(url, target, "HTTP 404")
        assert len(asked) == 2 and (tmp_path / "elsewhere").read_bytes() == OTHER


def test_a_failure_of_the_second_archive_does_not_cost_the_first(tmp_path, monkeypatch):
    """The second is the larger one: what is wrong with a small archive is known before a large one is asked for."""
    form = Opaque()
    with (
        serving(Answer(status=404), Answer(content=OTHER + b"x")) as (url, _),
        serving(Answer(content=OTHER), Answer(status=404)) as (two, asked),
    ):
        train, validation = form.archives
        digest, small_digest = (hashlib.sha256(content).hexdigest() for content in (OTHER + b"x", OTHER))
        small = (
            train._replace(urls=(url,), bytes=len(OTHER) + 1, sha256=digest),
            validation._replace(urls=(two,), bytes=len(OTHER), sha256=small_digest),
        )
        monkeypatch.setattr(Opaque, "archives", small)
        with pytest.raises(UserError, match="404"), artifacts.atomic_directory(tmp_path / "raw") as folder:
            Official().provide(form, folder)
        assert not (tmp_path / "raw").exists()
        with artifacts.atomic_directory(tmp_path / "raw") as folder:
            assert Official().provide(form, folder) == {train.name: digest, validation.name: small_digest}
        assert len(asked) == 1
    for found in (digest, small_digest):
        artifacts.discard_scratch("download", found)
    assert not list(artifacts.SCRATCH.rglob("*.*")) and (tmp_path / "raw" / train.name).read_bytes() == OTHER + b"x"


def test_two_at_once_download_once(tmp_path):
    with serving(Answer()) as (url, asked), ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: fetch((url,), tmp_path / name, DIGEST), ("a", "b")))
        assert len(asked) == 1
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == CONTENT


def test_a_digest_that_is_known_is_not_taken_again(tmp_path):
    (tmp_path / "archive").write_bytes(CONTENT)
    (tmp_path / "other").write_bytes(OTHER)
    artifacts.write_manifest(tmp_path, {}, {"archive": "taken on the way"})
    assert artifacts.read_json(tmp_path / "manifest.json")["outputs"] == {
        "archive": {"bytes": len(CONTENT), "sha256": "taken on the way"},
        "other": {"bytes": len(OTHER), "sha256": hashlib.sha256(OTHER).hexdigest()},
    }


def test_a_download_that_is_known_by_its_digest_is_not_replaced_by_one_that_is_not(tmp_path):
    """Both were begun: a part of each is kept, and what has a digest goes on with its own."""
    target = tmp_path / "archive"
    with serving(Answer(cut=CUT), Answer(status=404), Answer(), Answer(etag='"b"')) as (url, asked):
        refused(url, target, "HTTP 404")
        refused(url, target, f"sha256: {DIGEST}", digest=None)
        assert fetch((url,), target, DIGEST) == DIGEST
    assert asked == [None, CUT, None, CUT] and target.read_bytes() == CONTENT


@pytest.mark.parametrize("remote", [True, False])
def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch, remote):
    target, source = tmp_path / "raw/archive", tmp_path / "source"
    source.write_bytes(CONTENT)
    with serving(Answer()) as (url, _):
        seen = recorded(monkeypatch)
        fetch((url if remote else str(source),), target, DIGEST)
    of_target = [event for event in seen if event[-1] in (".archive.partial", "archive")]
    linked = [event for event in of_target if event[0] == "link"]
    assert of_target[len(linked) :] == [("fsync", ".archive.partial"), ("replace", ".archive.partial", "archive")]
    assert len(linked) == remote and list(target.parent.iterdir()) == [target]


def test_a_download_is_copied_where_no_link_can_be_made_if_there_is_room(tmp_path, monkeypatch):
    def refuse(*files):
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "archive"
    with serving(Answer()) as (url, asked):
        with monkeypatch.context() as patch:
            free = {target.parent: len(CONTENT) - 1}  # enough in the scratch folder
            patch.setattr(fetching.shutil, "disk_usage", lambda path: SimpleNamespace(free=free.get(path, 10**9)))
            refused(url, target, "make room")
        assert fetch((url,), target, DIGEST) == DIGEST and len(asked) == 1
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, OSError), (errno.EDQUOT, OSError), (errno.EIO, UserError)]
)
def test_a_copy_that_fails_leaves_nothing_and_a_full_disk_is_no_fault_of_the_source(
    tmp_path, monkeypatch, number, error
):
    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    (tmp_path / "source").write_bytes(CONTENT)
    monkeypatch.setattr(fetching, "_clone", fail)
    with pytest.raises(error, match=os.strerror(number)):
        fetch((str(tmp_path / "source"),), tmp_path / "raw/archive", DIGEST)
    assert not list((tmp_path / "raw").iterdir())


def test_room_for_exactly_the_file_is_enough(tmp_path, monkeypatch):
    (tmp_path / "source").write_bytes(CONTENT)
    for free in (len(CONTENT) - 1, len(CONTENT)):
        monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        if free < len(CONTENT):
            refused(str(tmp_path / "source"), tmp_path / "archive", f"{free} bytes free", "make room")
    assert fetch((str(tmp_path / "source"),), tmp_path / "archive", DIGEST) == DIGEST


def test_a_link_that_a_killed_fetch_left_beside_the_target_is_replaced(tmp_path):
    target = tmp_path / "archive"
    with serving(Answer()) as (url, _):
        refused(url, target, f"sha256: {DIGEST}", digest=None)
        [part] = artifacts.SCRATCH.rglob("part")
        (tmp_path / ".archive.partial").hardlink_to(part)
        assert fetch((url,), target, DIGEST) == DIGEST
    assert target.read_bytes() == CONTENT and not (tmp_path / ".archive.partial").exists()


# ---- local files and the sources


@pytest.mark.parametrize("as_url", [False, True])
def test_local_file(tmp_path, as_url):
    source = tmp_path / "a file ü%"
    source.write_bytes(CONTENT)
    location = source.as_uri() if as_url else str(source)
    fetch((location,), tmp_path / "raw" / "archive", DIGEST, len(CONTENT))
    assert (tmp_path / "raw" / "archive").read_bytes() == CONTENT
    refused(location, tmp_path / "archive", DIGEST, "0" * 64, digest="0" * 64)
    refused(location, tmp_path / "archive", f"sha256: {DIGEST}", digest=None)
    refused(location, tmp_path / "archive", len(CONTENT), 5, size=5)


def test_a_local_copy_is_the_users_no_more(tmp_path):
    source, target = tmp_path / "source", tmp_path / "archive"
    source.write_bytes(CONTENT)
    assert fetch((str(source),), target, DIGEST) == DIGEST
    source.write_bytes(OTHER)
    with source.open("r+b") as file:
        file.write(b"changed in place")
    assert target.read_bytes() == CONTENT


def test_blocks_are_shared_where_the_file_system_can(tmp_path, monkeypatch):
    """With a stand-in for the kernel's cloning, which few file systems know: what it cloned is hashed, not copied."""
    (tmp_path / "source").write_bytes(CONTENT)
    asked = []

    def clone(copy, request, source):
        asked.append(request)
        os.pwrite(copy, os.pread(source, len(CONTENT), 0), 0)

    monkeypatch.setattr(fetching.fcntl, "ioctl", clone)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    fetch((str(tmp_path / "source"),), tmp_path / "archive", DIGEST)
    assert (tmp_path / "archive").read_bytes() == CONTENT and asked == [0x40049409]
    # it is the copy that counts
    monkeypatch.setattr(fetching.fcntl, "ioctl", lambda copy, *_: os.pwrite(copy, OTHER, 0))
    refused(str(tmp_path / "source"), tmp_path / "other/file", hashlib.sha256(OTHER).hexdigest())


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(str(tmp_path / "pipe"), tmp_path / "archive", "not a regular file")


@pytest.mark.parametrize(
    "location",
    ["/nowhere/archive", "file://elsewhere/archive", "file:///nowhere/archive", "ftp://host/x", "s3://b/k", "."],
)
def test_places_that_cannot_be_read(tmp_path, location):
    refused(location, tmp_path / "archive")


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("ftp://host/x", "ftp:// is not supported; write a path, file:///, http:// or https://"),
        ("s3://~/x", "s3:// is not supported; write a path, file:///, http:// or https://"),
        ("/nowhere/archive", "No such file or directory; check the path"),
        ("nowhere", f"No such file or directory ({Path.cwd()}/nowhere); check the path"),
        ("/" + "a" * 300, "can't be read (File name too long); check the path"),
        ("/a\0b", "can't be read (embedded null byte); check the path"),
    ],
)
def test_what_is_wrong_with_a_place_is_told_and_no_other_is_tried(tmp_path, capfd, location, sentence):
    with pytest.raises(UserError) as caught:
        fetch((location,), tmp_path / "archive", DIGEST)
    assert str(caught.value) == f"{location}: {sentence}" and "trying" not in capfd.readouterr().err


def test_a_file_that_may_not_be_read_is_told_before_anything_is_written(tmp_path, monkeypatch):
    def refuse(path, *mode):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    (tmp_path / "source").write_bytes(CONTENT)
    monkeypatch.setattr(Path, "open", refuse)
    refused(str(tmp_path / "source"), tmp_path / "archive", "source: can't be read (Permission denied); check the path")


def test_a_folder_may_stand_for_the_one_file_in_it_and_an_address_is_no_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/data").write_bytes(CONTENT)
    for place in (f"{tmp_path}/folder", f"{tmp_path}/folder/", f"{tmp_path}/folder/data"):
        target = tmp_path / "deep/er/archive"
        assert fetch((place,), target, DIGEST, unpacked="data") == DIGEST and target.read_bytes() == CONTENT
        target.unlink()
    with serving(Answer()) as (url, _):
        assert fetch((url,), target, DIGEST, unpacked="data") == DIGEST


def test_official_source_checks_the_official_digest(tmp_path, monkeypatch):
    content, digest = cifar_archive(tmp_path)
    with serving(Answer(content=content)) as (url, _):
        small = ARCHIVE._replace(urls=(url,), bytes=len(content), sha256=digest)
        monkeypatch.setattr(Cifar10, "archives", (small,))
        Official().provide(Cifar10(), tmp_path)
        assert (tmp_path / ARCHIVE.name).read_bytes() == content
        monkeypatch.setattr(Cifar10, "archives", (small._replace(bytes=ARCHIVE.bytes, sha256=ARCHIVE.sha256),))
        with pytest.raises(UserError, match=str(ARCHIVE.bytes)):
            Official().provide(Cifar10(), tmp_path / "again")


def cifar_archive(folder):
    """The bytes and the sha256 of a small archive of CIFAR-10's format, written as `mine` in a folder."""
    folder.mkdir(exist_ok=True)
    Rendered(train=5, validation=1).provide(Cifar10(), folder)
    (folder / ARCHIVE.name).rename(folder / "mine")
    return (folder / "mine").read_bytes(), artifacts.digest_file(folder / "mine")


def files(**places):
    return checked(Files, {"archives": places}, "datasets.d.source.files")


def test_files_source(tmp_path):
    content, digest = cifar_archive(tmp_path)
    place = {"location": str(tmp_path / "mine"), "sha256": digest}
    several = {"location": [str(tmp_path / "nowhere"), str(tmp_path / "mine")], "sha256": digest}
    assert files(**{ARCHIVE.name: several}).provide(Cifar10(), tmp_path / "first") == {ARCHIVE.name: digest}
    files(**{ARCHIVE.name: place}).provide(Cifar10(), tmp_path / "raw")
    assert (tmp_path / "raw" / ARCHIVE.name).read_bytes() == content
    with pytest.raises(UserError, match=f"sha256: {digest}"):
        files(**{ARCHIVE.name: {"location": place["location"]}}).provide(Cifar10(), tmp_path / "other")
    with pytest.raises(UserError, match="did you mean `cifar-10-binary.tar.gz`"):
        files(**{"cifar-10-binary.tgz": place}).provide(Cifar10(), tmp_path / "other")
    with pytest.raises(UserError, match=r"bedroom_val_lmdb.zip` is missing"):
        files(**{"bedroom_train_lmdb.zip": place}).provide(LsunBedroom(), tmp_path / "other")
    for wrong in ([], [""], "", 5):
        with pytest.raises(UserError, match="location"):
            files(**{ARCHIVE.name: place | {"location": wrong}})
    for wrong in ("abc", digest[:-1], digest + "0"):
        with pytest.raises(UserError, match=r"sha256 = '\w+': a sha256 has 64 hex digits, and this has \d+ characters"):
            files(**{ARCHIVE.name: place | {"sha256": wrong}})
    with pytest.raises(UserError, match="sha256"):
        files(**{ARCHIVE.name: place | {"sha256": 5}})


@pytest.mark.parametrize("written", ["{0:X}", " {0}\n", "sha256:{0}", "{0}  cifar-10-binary.tar.gz"])
def test_a_sha256_as_tools_print_it(tmp_path, written):
    _, digest = cifar_archive(tmp_path)
    shown = digest.upper() if "X" in written else written.format(digest)
    place = {"location": str(tmp_path / "mine"), "sha256": shown}
    assert files(**{ARCHIVE.name: place}).provide(Cifar10(), tmp_path / "raw") == {ARCHIVE.name: digest}


def test_paths_as_people_write_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "a:b", "data:c", "%20?#"):
        (tmp_path / name).write_bytes(CONTENT)
    good = ("~/mine", "mine", "./mine", "file:mine", f"file://{tmp_path}/mine", f"file://localhost{tmp_path}/mine")
    for number, location in enumerate((*good, "a:b", "data:c", "%20?#", f"{tmp_path}//mine")):
        fetch((location,), tmp_path / "raw" / str(number), DIGEST)
        assert (tmp_path / "raw" / str(number)).read_bytes() == CONTENT
    refused("~nobody-of-this-name/x", tmp_path / "raw/archive", "write the whole path")
    refused("C:\\data\\x", tmp_path / "raw/archive", "No such file or directory", tmp_path)
    refused("mine\0", tmp_path / "raw/archive", "can't be read")


@pytest.mark.parametrize("location", ["file://mine", "file://~/mine"])
def test_the_cure_of_a_relative_file_url_works(tmp_path, monkeypatch, location):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_bytes(CONTENT)
    with pytest.raises(UserError) as caught:
        fetch((location,), tmp_path / "archive", DIGEST)
    cure = re.search("write the path alone: (.+)", str(caught.value))[1]
    fetch((cure,), tmp_path / "archive", DIGEST)


def test_the_cures_of_a_folder_in_place_of_an_archive_work(tmp_path):
    content, digest = cifar_archive(tmp_path / "my data")
    (tmp_path / "my data" / "mine").rename(tmp_path / "my data" / ARCHIVE.name)
    with pytest.raises(UserError, match="is a folder, expected a file; write ") as caught:
        files(**{ARCHIVE.name: {"location": f"{tmp_path}/my data/", "sha256": digest}}).provide(Cifar10(), tmp_path)
    cure = re.search("; write (.+)", str(caught.value))[1]
    files(**{ARCHIVE.name: {"location": cure, "sha256": digest}}).provide(Cifar10(), tmp_path / "one")
    with tarfile.open(tmp_path / "one" / ARCHIVE.name) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    [unpacked] = (tmp_path / "out").iterdir()
    with pytest.raises(UserError, match="is a folder") as caught:
        files(**{ARCHIVE.name: {"location": str(unpacked), "sha256": digest}}).provide(Cifar10(), tmp_path)
    command, packed = re.search("pack it by `(.+)` and write (.+)", str(caught.value)).groups()
    subprocess.run(command, shell=True, check=True)
    place = {"location": packed, "sha256": artifacts.digest_file(Path(packed))}
    files(**{ARCHIVE.name: place}).provide(Cifar10(), tmp_path / "two")
    one, two = (
        [np.asarray(sample.image) for sample in Cifar10().samples(tmp_path / name, "train")] for name in ("one", "two")
    )
    assert len(one) == 5 and np.array_equal(one, two)
    with pytest.raises(UserError, match=r"is a folder.*official name is bedroom_val_lmdb.zip"):
        fetch((str(tmp_path),), tmp_path / "bedroom_val_lmdb.zip", DIGEST)


def test_a_bad_archive_is_told_with_the_users_own_path_before_a_larger_one_is_fetched(tmp_path):
    for name in ("train", "val"):
        (tmp_path / name).write_bytes(b"not a zip")
    digest = artifacts.digest_file(tmp_path / "val")
    places = {
        f"bedroom_{name}_lmdb.zip": {"location": str(tmp_path / name), "sha256": digest} for name in ("train", "val")
    }
    source = files(**places)
    with pytest.raises(BadArchive) as caught:
        source.provide(LsunBedroom(), tmp_path / "raw")
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["bedroom_val_lmdb.zip"]
    told = str(source.told(caught.value))
    assert told.startswith(f"{tmp_path}/val: damaged or not a zip (File is not a zip file); put a sound archive there")
    assert "source.files.archives.bedroom_val_lmdb.zip.sha256" in told and "raw" not in told
