from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import repeat

import pytest

from cachedindex.clients import bodies
from cachedindex.clients.bodies import Whole, unzipped, with_page
from cachedindex.clients.common import request_of
from cachedindex.model import Answer, Native
from tests.values import replace

PAGE = request_of("GET", "https://index.example/simple/six/", {}, trust="tls")
HTML, JSON = {"content-type": "text/html"}, {"content-type": "application/vnd.pypi.simple.v1+json"}
CHUNKED = {**HTML, "transfer-encoding": "chunked"}
UNREAD = Answer(
    200, "OK", PAGE.url, {**HTML, "content-length": "4", "content-encoding": "x"}, BytesIO(), native=Native(object())
)
MIB = b"<a> " * (1 << 18)


def read_as(whole: Whole) -> tuple[Iterator[bytes], Callable[[bytes], Whole]]:
    return iter([b""]), lambda _: whole


def test_a_page_is_read_whole() -> None:
    answer = with_page(PAGE, UNREAD, *read_as(Whole(b"decoded", 4)))
    assert (answer.body.read(), answer.headers, answer.completeness.whole, answer.untouched) == (
        b"decoded", {**HTML, "content-length": "7"}, True, None,
    )  # fmt: skip
    assert answer.native
    assert answer.native.response is UNREAD.untouched


def test_a_page_that_was_announced_longer_is_not_whole() -> None:
    assert not with_page(PAGE, UNREAD, *read_as(Whole(b"abc", 3))).completeness.whole


@pytest.mark.parametrize(
    ("headers", "whole", "sound", "ends"),
    [
        ({}, Whole(b"x", 1), True, False),
        ({"content-length": "1"}, Whole(b"x", 1), True, True),
        ({"transfer-encoding": "chunked"}, Whole(b"x", 1), True, True),
        ({"content-encoding": "gzip"}, Whole(b"x", 9, ended=True), True, True),
        ({"content-encoding": "gzip"}, Whole(b"x", 9, cut=True), False, False),
    ],
)
def test_what_tells_the_end_of_a_page(headers: dict[str, str], whole: Whole, sound: bool, ends: bool) -> None:
    answer = with_page(PAGE, replace(UNREAD, headers={**HTML, **headers}), *read_as(whole))
    assert (answer.completeness.whole, answer.completeness.ends) == (sound, ends)


def test_what_cannot_be_decoded_is_left_to_the_client() -> None:
    answer = with_page(PAGE, UNREAD, *read_as(Whole(b"\x00", 4, cut=True, encoded=True)))
    assert (answer.headers["content-encoding"], answer.body.read(), answer.completeness.whole) == ("x", b"\x00", False)


ZIPPED = gzip.compress(b"one", mtime=0)


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (ZIPPED, Whole(b"one", len(ZIPPED), ended=True)),
        (ZIPPED + gzip.compress(b"two", mtime=0), Whole(b"onetwo", len(ZIPPED) * 2, ended=True)),
        (ZIPPED * 5000, Whole(b"one" * 5000, len(ZIPPED) * 5000, ended=True)),
        (gzip.compress(bytes(range(256)) * 999, mtime=0) + ZIPPED[:-1], None),
        (ZIPPED + b"\0\0", Whole(b"one", len(ZIPPED) + 2, ended=True)),
        (ZIPPED[:-1], Whole(b"one", len(ZIPPED) - 1, cut=True)),
        (ZIPPED[:10], Whole(b"", 10, cut=True)),
        (b"", Whole(b"", 0)),
        (b"plain", Whole(b"plain", 5, cut=True, encoded=True)),
    ],
)
def test_gzip_and_its_end(data: bytes, whole: Whole | None) -> None:
    found = unzipped(data)
    assert found == whole if whole else (found.cut, found.body) == (True, bytes(range(256)) * 999 + b"one")


@pytest.mark.parametrize(
    "answer",
    [
        replace(UNREAD, status=404),
        replace(UNREAD, headers={**HTML, "content-length": str(1 << 40)}),
        replace(UNREAD, headers={"content-type": "application/octet-stream"}),
        replace(UNREAD, headers={"transfer-encoding": "chunked"}),
    ],
    ids=["no 200", "too long", "of another type", "of no type"],
)
def test_what_is_no_page_stays_unread(answer: Answer) -> None:
    def read() -> Iterator[bytes]:
        raise AssertionError("read all the same")
        yield b""

    assert with_page(PAGE, answer, read(), lambda _: pytest.fail("read all the same")) is answer


class Counted:
    """A body that goes on for ever, and counts what was read of it."""

    def __init__(self, *begin: bytes) -> None:
        self.came = 0
        self._begin = begin

    def pieces(self) -> Iterator[bytes]:
        for piece in (*self._begin, *repeat(MIB, 1000)):
            self.came += len(piece)
            yield piece


@pytest.mark.parametrize(
    ("headers", "begin", "most"),
    [
        (CHUNKED, b"<html>", 66 << 20),
        (HTML, b"<html>", 66 << 20),
        (CHUNKED, b"x" * 10_000, 1 << 16),
        (CHUNKED, b"<a>PK\0\1" * 1000, 1 << 16),
        (JSON, b"x" * 10_000, 1 << 16),
        (JSON, b'\r\n{"files": [' + b" " * 10_000, 66 << 20),
        ({**CHUNKED, "content-encoding": "gzip"}, b"\x1f\x8b\0" * 4096, 66 << 20),
    ],
)
def test_what_is_longer_than_any_page_is_streamed(headers: dict[str, str], begin: bytes, most: int) -> None:
    body = Counted(b"\n", begin)
    answer = with_page(PAGE, replace(UNREAD, headers=headers), body.pieces(), lambda _: pytest.fail("read whole"))
    assert answer.is_streamed
    assert answer.untouched is None
    assert body.came <= most
    assert answer.headers.get("content-encoding") == headers.get("content-encoding")
    came = body.came
    assert answer.body.read(1) == b"\n"
    assert answer.body.read(len(begin)) == begin
    assert answer.body.read(1 << 16) == MIB[: 1 << 16]
    assert body.came <= max(came, 2 << 20), "what was not read yet is not kept"
    answer.body.close()


def test_what_is_streamed_can_be_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_LONGEST_PAGE", 10)
    pieces = [b"<html>", b"<body>", b"1", b"2"]
    answer = with_page(PAGE, replace(UNREAD, headers=CHUNKED), iter(pieces), lambda _: pytest.fail("read whole"))
    assert answer.body.read(4) == b"<htm"
    assert answer.body.read() == b"l><body>12"
    assert answer.body.read(5) == b""


def test_a_page_of_unknown_length_is_read_whole() -> None:
    pieces = [b"<html>", b"</html>"]
    answer = with_page(PAGE, replace(UNREAD, headers=CHUNKED), iter(pieces), lambda body: Whole(body, len(body)))
    assert answer.body.read() == b"<html></html>"
    assert not answer.is_streamed
