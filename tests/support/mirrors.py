"""Servers of files that behave, and that misbehave in every way."""

import hashlib
import itertools
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest

from ganflow import artifacts
from ganflow.data import http_transfer
from ganflow.data.fetching import fetch
from ganflow.errors import UserError

CONTENT = np.random.default_rng(0).bytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = np.random.default_rng(1).bytes(300_000)
PAGE = b"<!DOCTYPE html><html><body>We are busy</body></html>"
CUT = 200_000  # bytes after which a connection breaks


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "SCRATCH", tmp_path / "scratch")
    monkeypatch.setattr(http_transfer, "PAUSE", 0.001)
    monkeypatch.setattr(http_transfer, "TIMEOUT", (2.0, 0.4))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


class Answer(SimpleNamespace):
    """How a server answers one request.

    `cut`: bytes after which it breaks off, `stall`: it falls silent there, `trickle`: it sends a byte now and then;
    `shift`, `total`: lies about the range; `after`: Retry-After; `to`: where it redirects.
    """

    content, status, ranges, etag, cut, length = CONTENT, 200, True, None, None, True
    stall, trickle, total, shift, after, to = False, False, None, 0, None, None


@contextmanager
def serving(*answers):
    """A server that gives each answer once and the last for ever; yields (url, the ranges asked for)."""
    asked, turns = [], itertools.chain(answers, itertools.repeat(answers[-1]))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            answer = next(turns)
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            asked.append(wanted and int(wanted[1]))
            if answer.status != 200:
                self.send_response(answer.status)
                self.send_header("Content-Length", "0")
                for name, value in (("Retry-After", answer.after), ("Location", answer.to)):
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                return
            start, content = 0, answer.content
            condition = self.headers.get("If-Range")
            if wanted and answer.ranges and (condition is None or condition == answer.etag):
                start = int(wanted[1]) + answer.shift
                self.send_response(206)
                end, total = len(content) - 1, answer.total or len(content)
                self.send_header("Content-Range", f"bytes {start}-{end}/{total}")
            else:
                self.send_response(200)
            if answer.length:
                self.send_header(
                    "Content-Length", answer.length if answer.length is not True else str(len(content) - start)
                )
            else:
                self.close_connection = True
            if answer.etag:
                self.send_header("ETag", answer.etag)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content[start : answer.cut])
            if answer.stall:
                self.wfile.flush()
                time.sleep(0.8)
            for byte in content[answer.cut or 0 :][:40] if answer.trickle else b"":
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)
            self.close_connection = True

        def log_message(self, *args):
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass

    with Quiet(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/archive.tar.gz", asked
        finally:
            server.shutdown()
            thread.join()


def refused(location, target, *words, digest=DIGEST, size=None):
    """The fetch ends in a sentence with the location and these words, and leaves nothing."""
    with pytest.raises(UserError) as caught:
        fetch((location,), target, digest, size)
    for word in (location, *words):
        assert str(word) in str(caught.value)
    assert not list(target.parent.glob("*archive*")), "nothing wrong may lie at the target or beside it"
