"""The engine with an index that has mirrors: when they are asked, and what is taken from them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from cachedindex.errors import NotAsked, UpstreamFailed
from cachedindex.lookup import addresses
from cachedindex.model import Answer, Identity, Otherwise, Request, Route, Send
from cachedindex.options import Settings
from cachedindex.rules.decide import Pass
from cachedindex.store.store import Store
from tests.unit.test_cache import FILE_URL, GOOD, JSON, PAGE, WHEEL, World

FILE = Request("GET", FILE_URL, "other", {})
FIRST, SECOND = "https://first.example/simple/", "https://second.example/root/"
DIGEST = sha256(WHEEL).hexdigest()


def listing(name: str = "six-1.0.whl", digest: str | None = DIGEST, **more: object) -> bytes:
    """Return the page of a mirror, whose files have addresses of its own."""
    hashes = {"sha256": digest} if digest else {}
    return json.dumps(
        {"name": "six", "files": [{"filename": name, "url": f"/f/{name}", "hashes": hashes, **more}]}
    ).encode()


class Mirrored(World):
    """An index with two mirrors; `there` has what they answer, by URL."""

    def __init__(self, folder: Path, **options: Any) -> None:
        own = {"mirrors": (FIRST, SECOND), **options}
        super().__init__(folder, Settings(timeout=30.0, indexes=(("https://index.example/simple/", own),)))
        self.there: dict[str, Callable[[], Answer]] = {}
        self.seen: list[str] = []
        self.afresh: Send = lambda *_, **__: self.fail()

    def as_nobody(self, url: str, accept: str | None = None) -> tuple[Request, Send] | None:
        def send(_headers: Mapping[str, str], *, patient: bool) -> Answer:
            assert not patient
            self.seen.append(url)
            return self.there.get(url, lambda: self.answer(b"", 404))()._replace(url=url)

        headers = {"accept": accept} if accept else {}
        return Request("GET", url, "page" if url.endswith("/") else "other", headers), send

    def get(self, request: Request = PAGE) -> tuple[bytes, str]:
        answer = self.cache.answer(request, self.send, None, Otherwise(self.as_nobody, self.afresh))
        assert not isinstance(answer, Pass)
        body = answer.body.read()
        answer.body.close()
        return body, self.report.outcomes[-1].ended

    def has(self, url: str, body: bytes, **headers: str) -> None:
        self.there[url] = lambda: Answer(
            200, "OK", url, {**JSON, "content-length": str(len(body)), **headers}, BytesIO(body)
        )

    def promise(self) -> None:
        """Give the client the page of the index, and have the index fail from then on."""
        assert self.get()[0] == GOOD
        self.reply = self.fail


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Mirrored]:
    world = Mirrored(tmp_path)
    yield world
    world.over.set()


def test_a_file_is_taken_by_its_digest(world: Mirrored) -> None:
    world.promise()
    world.has(f"{FIRST}six/", listing())
    world.has("https://first.example/f/six-1.0.whl", WHEEL)
    assert world.get(FILE) == (WHEEL, "mirrored")
    assert world.report.outcomes[-1].why == "it is gone; https://first.example had it"
    world.seen.clear()
    assert world.get(FILE) == (WHEEL, "hit")
    world.cache = world.another_process()
    world.get()
    assert world.get(FILE) == (WHEEL, "hit")
    assert world.seen == []


def test_headers_of_a_mirror_count_for_nothing(world: Mirrored) -> None:
    world.promise()
    world.has(f"{FIRST}six/", listing())
    name = {"content-disposition": 'attachment; filename="other-9.whl"'}
    world.has("https://first.example/f/six-1.0.whl", WHEEL, **name)
    answer = world.cache.answer(FILE, world.send, None, Otherwise(world.as_nobody, world.afresh))
    assert isinstance(answer, Answer)
    answer.body.close()
    assert answer.url == FILE_URL
    assert answer.headers.keys() <= {"content-type", "content-length", "cache-status", "accept-ranges"}


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("data", [WHEEL + b"x", WHEEL[:-1], b"evil" * 1_000_000], ids=["longer", "cut", "large"])
def test_another_file_is_refused(tmp_path: Path, data: bytes, read_only: bool) -> None:
    world = Mirrored(tmp_path)
    if read_only:
        world.store = Store(tmp_path, read_only=True)
        world.cache = world.another_process()
    world.promise()
    for mirror in (FIRST, SECOND):
        world.has(f"{mirror}six/", listing(digest=None))
    world.has("https://first.example/f/six-1.0.whl", data)
    with pytest.raises(UpstreamFailed):
        world.get(FILE)
    assert world.report.outcomes[-1].ended == "failed"
    world.has("https://second.example/f/six-1.0.whl", WHEEL)
    assert world.get(FILE) == (WHEEL, "mirrored")


@pytest.mark.parametrize("url", ["file:///dev/zero", "ftp://first.example/f/six-1.0.whl", "data:,six-1.0.whl"])
def test_a_link_to_what_is_no_web_address_is_not_followed(world: Mirrored, url: str) -> None:
    world.promise()
    world.has(f"{FIRST}six/", listing(url=url))
    world.has(f"{SECOND}six/", listing())
    world.has("https://second.example/f/six-1.0.whl", WHEEL)
    assert world.get(FILE) == (WHEEL, "mirrored")
    assert url not in world.seen


@pytest.mark.parametrize("page", [listing(digest="0" * 64), listing("six-1.1.whl"), b"<form action=login>", b"{}"])
def test_a_page_that_does_not_link_the_file_is_not_followed(world: Mirrored, page: bytes) -> None:
    world.promise()
    world.has(f"{FIRST}six/", page)
    with pytest.raises(UpstreamFailed):
        world.get(FILE)
    assert world.seen == [f"{FIRST}six/", f"{SECOND}six/"]


def test_metadata_is_taken_by_its_own_digest(world: Mirrored) -> None:
    digest = sha256(b"metadata").hexdigest()
    page = listing(**{"core-metadata": {"sha256": digest}})
    world.reply = lambda: world.answer(page)
    world.get()
    world.reply = world.fail
    world.has(f"{FIRST}six/", page)
    world.has("https://first.example/f/six-1.0.whl.metadata", b"metadata")
    file = FILE._replace(url="https://index.example/f/six-1.0.whl.metadata")
    assert world.get(file) == (b"metadata", "mirrored")


def test_a_page_of_a_mirror_does_not_count_by_default(world: Mirrored) -> None:
    world.reply = world.fail
    world.has(f"{FIRST}six/", GOOD)
    with pytest.raises(UpstreamFailed):
        world.get()
    assert world.seen == []


def test_a_page_of_a_mirror_stands_in_if_that_is_said(tmp_path: Path) -> None:
    world = Mirrored(tmp_path, mirror_pages=True)
    world.reply = world.fail
    world.has(f"{SECOND}six/", listing())
    world.has("https://second.example/f/six-1.0.whl", WHEEL)
    for _ in range(2):
        assert world.get() == (listing(), "mirrored")
    file = FILE._replace(url="https://second.example/f/six-1.0.whl")
    world.reply = lambda: world.answer(WHEEL, content_length=str(len(WHEEL)))
    assert world.get(file) == (WHEEL, "miss")
    assert world.get(file) == (WHEEL, "hit")
    world.reply = lambda: world.answer(GOOD)
    world.now += 60
    world.cache = world.another_process()
    assert world.get() == (GOOD, "miss")


def test_the_own_copy_wins_over_a_mirror_as_long_as_it_may_stand_in(tmp_path: Path) -> None:
    world = Mirrored(tmp_path, mirror_pages=True)
    world.has(f"{FIRST}six/", listing("six-2.0.whl"))
    world.promise()
    world.now += 1000
    assert world.get() == (GOOD, "stale")
    assert world.seen == []
    world.now += 40 * 86400
    assert world.get() == (listing("six-2.0.whl"), "mirrored")
    record = world.store.get(PAGE)
    assert record
    assert record.page == GOOD, "a mirror's page replaces none of the index"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_answer_of_the_index_is_an_answer(tmp_path: Path, status: int) -> None:
    world = Mirrored(tmp_path, mirror_pages=True)
    world.has(f"{FIRST}six/", listing())
    world.reply = lambda: world.answer(b"", status)
    world.get()
    assert world.seen == []


@pytest.mark.parametrize("body", [b"<form action=login><input></form>", b"{", b""])
def test_a_sound_page_of_a_mirror_stands_in_for_one_that_is_not(tmp_path: Path, body: bytes) -> None:
    world = Mirrored(tmp_path, mirror_pages=True)
    world.has(f"{FIRST}six/", listing())
    world.reply = lambda: world.answer(body, 200 if body else 503)
    assert world.get() == (listing(), "mirrored")


def test_a_page_that_was_asked_for_without_tls_does_not_stand_in_for_one_with_it(tmp_path: Path) -> None:
    world = Mirrored(tmp_path, mirror_pages=True, mirrors=("http://plain.example/simple/",))
    world.as_nobody = lambda url, *_: (  # type: ignore[assignment, method-assign, misc]
        Request("GET", url, "page", {}, route=Route("http")),
        lambda *_, **__: pytest.fail("it was asked"),
    )
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.get()


def test_an_empty_page_of_a_mirror_is_none(tmp_path: Path) -> None:
    world = Mirrored(tmp_path, mirror_pages=True)
    world.has(f"{FIRST}six/", json.dumps({"name": "six", "files": []}).encode())
    world.reply = world.fail
    with pytest.raises(UpstreamFailed):
        world.get()


def test_a_mirror_that_fails_is_left_alone(tmp_path: Path) -> None:
    world = Mirrored(tmp_path, mirror_pages=True)
    world.reply = world.fail
    for name in ("six", "flask", "docopt", "attrs"):
        for mirror in (FIRST, SECOND):
            world.there[f"{mirror}{name}/"] = world.fail
        url = f"https://index.example/simple/{name}/"
        with pytest.raises(UpstreamFailed):
            world.get(PAGE._replace(url=url))
        world.cache = world.another_process()
    assert len(world.seen) == 4, "two failures open the breaker of each"


def test_after_a_failure_the_index_has_the_deadline_for_what_a_mirror_may_have(world: Mirrored) -> None:
    world.promise()
    world.has(f"{FIRST}six/", listing())
    with pytest.raises(UpstreamFailed):
        world.get(FILE)
    world.asked.clear()
    world.has("https://first.example/f/six-1.0.whl", WHEEL)
    assert world.get(FILE) == (WHEEL, "mirrored")
    assert [patient for _, patient in world.asked] in ([False], [])


def test_offline_asks_no_mirror(tmp_path: Path) -> None:
    world = Mirrored(tmp_path, mirror_pages=True, offline=True)
    assert world.get()[1] == "refused"
    assert world.seen == []


def test_a_file_of_a_private_page_is_private(world: Mirrored) -> None:
    own = PAGE._replace(identity=Identity("user:secret"))
    world.get(own)
    world.reply = world.fail
    world.has(f"{FIRST}six/", listing())
    world.has("https://first.example/f/six-1.0.whl", WHEEL)
    file = FILE._replace(identity=own.identity)
    assert world.get(file) == (WHEEL, "mirrored")
    assert world.get(file) == (WHEEL, "hit")
    root = world.store.root
    assert not [path for path in root.rglob("*") if "six" in path.name and "private-v1" not in path.parts]
    assert not list((root / "blobs-v1").rglob("*"))
    health = b"".join(path.read_bytes() for path in (root / "health-v1").rglob("*") if path.is_file())
    assert b"six" not in health


class Names:
    """A name with some addresses, each asked in its turn."""

    def __init__(self, *known: str) -> None:
        self.known = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in known]

    def __call__(self, *_: Any, **__: Any) -> Any:
        return list(self.known)


def first_address() -> str:
    return str(socket.getaddrinfo("index.example", 443)[0][4][0])


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names("192.0.2.1", "192.0.2.2")
    monkeypatch.setattr(socket, "getaddrinfo", names)
    return names


@pytest.mark.usefixtures("names")
def test_before_any_mirror_another_address_is_tried(tmp_path: Path) -> None:
    world = Mirrored(tmp_path, mirror_pages=True)
    world.reply = lambda: world.refuse(connected=True)
    world.has(f"{FIRST}six/", listing())
    asked: list[str] = []

    def afresh(_headers: Mapping[str, str], *, patient: bool) -> Answer:
        asked.append(first_address())
        return world.answer(GOOD)

    world.afresh = afresh
    assert world.get() == (GOOD, "miss")
    assert asked == ["192.0.2.2"]
    assert world.seen == []
    assert first_address() == "192.0.2.1"


@pytest.mark.usefixtures("names")
def test_another_address_is_tried_in_vain_once(tmp_path: Path) -> None:
    world = Mirrored(tmp_path, mirror_pages=True)
    world.reply = lambda: world.answer(b"", 503)
    asked: list[str] = []

    def afresh(_headers: Mapping[str, str], *, patient: bool) -> Answer:
        asked.append(first_address())
        return world.answer(b"", 503)

    world.afresh = afresh
    for _ in range(2):
        for name in ("six", "flask"):
            world.has(f"{FIRST}{name}/", listing().replace(b'"six"', f'"{name}"'.encode()))
            assert world.get(PAGE._replace(url=f"https://index.example/simple/{name}/"))[1] == "mirrored"
    assert asked == ["192.0.2.2"]


def test_a_name_with_one_address_is_not_asked_again(names: Names) -> None:
    names.known.pop()
    with pytest.raises(NotAsked):
        addresses.at_another(PAGE.url, lambda *_, **__: pytest.fail("it was asked"))({}, patient=False)
