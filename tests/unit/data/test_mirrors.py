"""Several servers of one file: the next is tried, goes on where another stopped, and only the right bytes arrive."""

import hashlib
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mirrors import CONTENT, CUT, DIGEST, OTHER, PAGE, Answer, refused, serving
from mirrors import quick as quick  # a fixture that every test here uses

from ganflow import artifacts
from ganflow.data import http_transfer
from ganflow.data.fetching import fetch
from ganflow.errors import UserError


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


@pytest.mark.slow
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
