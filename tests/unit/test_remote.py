"""What goes to a remote and comes from there, over a store that does what each test wants of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cachedindex.errors import StoreUnavailable
from cachedindex.lookup.copies import Copies
from cachedindex.model import NOT_STORED, Kind, Record, RemoteUse
from cachedindex.options import Settings
from cachedindex.remote import around, ask, bring, manifest, memory, send
from cachedindex.remote.around import Around
from cachedindex.remote.ask import Asking
from cachedindex.remote.bring import Brought
from cachedindex.remote.objects import Found, Unanswered
from cachedindex.remote.send import Sending
from cachedindex.rules import layout
from cachedindex.run.folder import RunFolder
from cachedindex.run.report import Report
from cachedindex.store import record
from cachedindex.store.blob import NewBlob
from cachedindex.store.store import Store, Tree
from cachedindex.upkeep.adding import Adding
from tests import stored
from tests.stored import DAY
from tests.values import replace

URL = "s3://builds/prefix"
JOB = "nightly"
WHEEL = b"PK" + bytes(1000)
PAGE = b'<!DOCTYPE html><html><body><a href="six-1.0.whl">six-1.0.whl</a></body></html>'
PAGE_URL, FILE_URL = "https://index.example/simple/six/", "https://files.example/six-1.0.whl"
LOOKED_UP: list[tuple[str, Kind]] = [(PAGE_URL, "page"), (FILE_URL, "file")]


class Objects:
    """A store in memory. `before` is called with the verb and the name of each request, and may raise."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda _verb, _name: None
        self.sent: Callable[[bytes], Iterator[bytes]] = lambda data: iter([data])
        """Yields the parts in which an object arrives."""

    def __call__(self, url: str, patience: float) -> Objects:
        assert url == URL
        return self

    def read(self, name: str) -> Found | None:
        data = self._heard("read", name)
        return None if data is None else Found(len(data), {"e_tag": sha256(data).hexdigest()}, self.sent(data))

    def version(self, name: str) -> tuple[int, dict[str, Any]] | None:
        data = self._heard("version", name)
        return None if data is None else (len(data), {"e_tag": sha256(data).hexdigest()})

    def add(self, name: str, data: bytes) -> bool:
        if self._heard("add", name) is not None:
            return False
        self.held[name] = data
        return True

    def replace(self, name: str, data: bytes, version: dict[str, Any]) -> bool:
        there = self._heard("replace", name)
        if there is None or version != {"e_tag": sha256(there).hexdigest()}:
            return False
        self.held[name] = data
        return True

    def _heard(self, verb: str, name: str) -> bytes | None:
        self.asked.append((verb, name))
        self.before(verb, name)
        return self.held.get(name)


class Node:
    """A host with a cache folder, and what the remote of its runs is known to have."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder, is_alone=False)
        self.known: manifest.Manifest | None = None
        self.unsound: set[str] = set()

    def put(self, checked: float = 0.0, body: bytes = PAGE) -> None:
        """Have a page and a file that were checked so long ago."""
        moment = time.time() - checked
        page = replace(stored.page("six"), url=PAGE_URL)
        made = Record(
            PAGE_URL,
            PAGE_URL,
            {"content-type": "text/html"},
            moment,
            moment,
            0.1,
            len(body),
            digest(body),
            body,
            "html",
        )
        self.store.put(page, made)
        stored.put_file(self.store, "six-1.0.whl", WHEEL)

    def bring(self, job: str = JOB) -> RemoteUse:
        brought = Brought(URL, self.store.root, 1e9, time.monotonic() + 60)
        brought.bring(job)
        self.known, self.unsound = brought.known, brought.unsound
        return brought.use

    def send(self, job: str = JOB) -> RemoteUse:
        sending = Sending(URL, self.store.root, time.monotonic() + 60)
        sending.send(job, LOOKED_UP, self.known, self.unsound)
        return sending.use

    def page(self) -> bytes | None:
        found = self.store.get(replace(stored.page("six"), headers={"accept": "text/html"}))
        return found and found.page

    def has_file(self) -> bool:
        found = self.store.get(stored.file("six-1.0.whl", WHEEL))
        opened = found and self.store.open_blob(stored.file("six-1.0.whl", WHEEL), found)
        if opened:
            opened.close()
        return bool(opened)


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Objects:
    held = Objects()
    for module in (bring, send, ask):
        monkeypatch.setattr(module, "Objects", held)
    return held


@pytest.fixture
def a(tmp_path: Path, objects: Objects) -> Node:
    node = Node(tmp_path / "a")
    node.put()
    return node


@pytest.fixture
def b(tmp_path: Path, objects: Objects) -> Node:
    return Node(tmp_path / "b")


def names(objects: Objects) -> list[str]:
    return sorted(name.partition("/")[0] for name in objects.held)


def key(objects: Objects, beginning: str) -> str:
    return next(name for name in objects.held if name.startswith(beginning))


def test_what_one_node_used_another_one_has_before_it_begins(a: Node, b: Node, objects: Objects) -> None:
    sent = a.send()
    assert (sent.sent, sent.left, sent.problem) == (4, 0, "")
    assert names(objects) == ["blobs-v1", "jobs-v1", "records-v1", "records-v1"]
    came = b.bring()
    assert (came.asked, came.found, came.refused, came.left, came.problem) == (3, 3, 0, 0, "")
    assert b.page() == PAGE
    assert b.has_file()


def test_what_is_here_and_as_new_is_not_asked_for(a: Node, objects: Objects) -> None:
    a.send()
    objects.asked.clear()
    assert a.bring().asked == 0
    assert objects.asked == [("read", manifest.name(JOB))]
    a.send()
    assert len(objects.asked) == 1, "nor is anything sent"


def test_only_what_is_newer_there_comes(a: Node, b: Node) -> None:
    b.put(checked=DAY, body=PAGE.replace(b"1.0", b"0.9"))
    a.send()
    came = b.bring()
    assert (came.asked, came.found) == (1, 1)
    assert b.page() == PAGE


def test_another_job_brings_nothing_of_it(a: Node, b: Node) -> None:
    a.send()
    assert b.bring("weekly").asked == 0
    assert b.page() is None


def test_what_two_jobs_use_is_there_once(a: Node, objects: Objects) -> None:
    a.send()
    a.known = None
    sent = a.send("weekly")
    assert names(objects) == ["blobs-v1", "jobs-v1", "jobs-v1", "records-v1", "records-v1"]
    assert sent.sent_bytes == len(objects.held[manifest.name("weekly")])


@pytest.mark.parametrize(
    "change", [lambda raw: raw[:-1], lambda raw: raw[:-1] + b"x", lambda _: b"", lambda raw: raw + b"x"]
)
@pytest.mark.parametrize("beginning", ["blobs-v1", "records-v1/files", "records-v1/index"])
def test_other_bytes_are_refused_and_put_right_again(
    a: Node, b: Node, objects: Objects, beginning: str, change: Callable[[bytes], bytes]
) -> None:
    a.send()
    name = key(objects, beginning)
    right = objects.held[name]
    objects.held[name] = change(right)
    came = b.bring()
    assert (came.refused, came.problem) == (1, "")
    assert (b.page() == PAGE, b.has_file()) == ("index" not in beginning, "index" in beginning)
    b.put()
    b.send()
    assert Node(b.store.root.parent / "c").bring().refused == 0
    if beginning == "blobs-v1":
        assert objects.held[name] == right


def test_another_page_under_the_name_is_refused(a: Node, b: Node, objects: Objects) -> None:
    other = Record(
        "https://index.example/simple/evil/",
        "",
        {"content-type": "text/html"},
        1.0,
        1.0,
        0.1,
        len(PAGE),
        digest(PAGE),
        PAGE,
        "html",
    )
    a.send()
    objects.held[key(objects, "records-v1/index")] = record.encode(other)
    assert b.bring().refused == 1
    assert b.page() is None


def test_a_page_whose_links_hold_credentials_neither_leaves_nor_comes(a: Node, b: Node, objects: Objects) -> None:
    a.send()
    secret = PAGE.replace(b"six-1.0.whl", b"https://user:secret@files.example/six-1.0.whl", 1)
    b.put(body=secret)
    b.send()
    assert not any(b"secret" in data for data in objects.held.values())
    objects.held[key(objects, "records-v1/index")] = record.encode(
        Record(
            PAGE_URL,
            PAGE_URL,
            {"content-type": "text/html"},
            1.0,
            time.time(),
            0.1,
            len(secret),
            digest(secret),
            secret,
            "html",
        )
    )
    node = Node(b.store.root.parent / "c")
    assert node.bring().refused == 1
    assert node.page() is None


def test_an_address_with_a_token_does_not_leave(a: Node, objects: Objects) -> None:
    url = "https://index.example/glpat-aB3dE5gH7jK9mN/simple/six/"
    moment = time.time()
    made = Record(url, url, {"content-type": "text/html"}, moment, moment, 0.1, len(PAGE), digest(PAGE), PAGE, "html")
    a.store.put(replace(stored.page("six"), url=url), made)
    Sending(URL, a.store.root, time.monotonic() + 60).send(JOB, [(url, "page")], None, set())
    assert objects.held == {}


def test_what_is_this_users_alone_does_not_leave(a: Node, objects: Objects) -> None:
    request = stored.page("internal").within(layout.OF_USER)
    stored.put(a.store, request, PAGE)
    Sending(URL, a.store.root, time.monotonic() + 60).send(JOB, [(request.url, "page")], None, set())
    assert objects.held == {}


def test_what_was_purged_or_refused_here_does_not_come_back(a: Node, b: Node) -> None:
    a.send()
    b.put()
    b.store.bar(stored.page("six"))
    b.bring()
    assert b.page() is None


@pytest.mark.parametrize("newer_first", [True, False])
def test_of_two_pages_that_are_sent_at_once_the_newer_one_stays(
    a: Node, b: Node, objects: Objects, newer_first: bool
) -> None:
    """Another node sends its own page whenever this one has looked what is there."""
    newer = PAGE.replace(b"1.0", b"1.1")
    a.put(body=newer) if newer_first else a.put(checked=DAY)
    b.put(checked=DAY) if newer_first else b.put(body=newer)
    is_over = False

    def at_the_same_moment(verb: str, name: str) -> None:
        nonlocal is_over
        if verb == "add" and name.startswith("records-v1/index") and not is_over:
            is_over = True
            b.send()

    objects.before = at_the_same_moment
    a.send()
    assert is_over
    there = record.decode(objects.held[key(objects, "records-v1/index")])
    assert there is not None
    assert there.page == newer
    assert len(manifest.decoded(objects.held[manifest.name(JOB)])) == 2


def test_a_node_that_is_killed_leaves_whole_objects_only(a: Node, b: Node, objects: Objects) -> None:
    def killed(verb: str, name: str) -> None:
        if verb == "add" and name.startswith("records-v1/files"):
            raise SystemExit

    objects.before = killed
    sending = Sending(URL, a.store.root, time.monotonic() + 60)
    with pytest.raises(SystemExit):
        sending.send(JOB, LOOKED_UP, None, set())
    objects.before = lambda _verb, _name: None
    b.put()
    assert b.send().problem == ""
    node = Node(b.store.root.parent / "c")
    assert node.bring().found == 3
    assert node.has_file()


def test_a_store_that_fails_is_left_alone_after_three_objects(a: Node, b: Node, objects: Objects) -> None:
    a.send()

    def fail(verb: str, name: str) -> None:
        if not name.startswith("jobs"):
            raise Unanswered("answers 503")

    objects.before = fail
    came = b.bring()
    assert (came.problem, came.found) == ("answers 503", 0)


def test_an_object_that_is_gone_is_sent_again(a: Node, b: Node, objects: Objects) -> None:
    a.send()
    del objects.held[key(objects, "blobs-v1")]
    assert b.bring().found == 1
    b.put()
    b.send()
    assert key(objects, "blobs-v1")


def test_a_full_disk_here_ends_the_bringing_and_is_no_error(a: Node, b: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    a.send()
    brought = Brought(URL, b.store.root, 10.0, time.monotonic() + 60)
    brought.bring(JOB)
    assert "max-size" in brought.use.problem


def test_a_file_that_is_still_coming_at_the_end_leaves_no_part(a: Node, b: Node, objects: Objects) -> None:
    """The folder takes no more than half a page beside it, and takes that only after the file has begun."""
    a.send()
    has_begun, is_over = threading.Event(), threading.Event()

    def stall(data: bytes) -> Iterator[bytes]:
        if data == WHEEL:
            yield data[:10]
            has_begun.set()
            is_over.wait(60)
        yield data

    def wait(_verb: str, name: str) -> None:
        assert not name.startswith("records-v1/index") or has_begun.wait(60)

    objects.sent, objects.before = stall, wait
    brought = Brought(URL, b.store.root, len(WHEEL) + 10, time.monotonic() + 60)
    brought.bring(JOB)
    assert "max-size" in brought.use.problem
    assert not b.has_file()
    assert parts(b) == []
    is_over.set()


def test_a_write_that_has_begun_is_waited_for_before_the_process_ends(
    a: Node, b: Node, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    a.send()
    has_begun, may_end = threading.Event(), threading.Event()
    written, end, events = NewBlob.write, Adding.end, []

    def write(blob: NewBlob, data: bytes) -> None:
        has_begun.set()
        assert may_end.wait(60)
        written(blob, data)
        events.append("written")

    def end_while_it_writes(adding: Adding) -> None:
        may_end.set()
        end(adding)
        events.append("ended")

    def wait(_verb: str, name: str) -> None:
        assert not name.startswith("records-v1/index") or has_begun.wait(60)

    objects.before = wait
    monkeypatch.setattr(NewBlob, "write", write)
    monkeypatch.setattr(Adding, "end", end_while_it_writes)
    Brought(URL, b.store.root, len(WHEEL) + 10, time.monotonic() + 60).bring(JOB)
    assert events == ["written", "ended"]
    assert parts(b) == []


def parts(node: Node) -> list[Path]:
    """Return the files that are not whole yet."""
    return list(node.store.root.rglob("*.tmp"))


def test_a_part_of_the_folder_that_another_user_has_is_no_failure(
    a: Node, b: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds it first in a week says it; all others bring the rest."""
    a.send()
    new_blob = Tree.new_blob

    def denied(tree: Tree, promised: str | None) -> object:
        if promised == digest(WHEEL):
            raise StoreUnavailable("cannot write to a part of it", is_known=True)
        return new_blob(tree, promised)

    monkeypatch.setattr(Tree, "new_blob", denied)
    came = b.bring()
    assert (came.problem, came.left) == ("", 0)
    assert b.page() == PAGE


def test_a_folder_that_takes_nothing_is_said_once(a: Node, b: Node, tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "run").mkdir()
    report = Report(said.append, RunFolder(tmp_path / "run"))
    full = StoreUnavailable("cannot write to /cache: No space left on device")
    memory.note(report, RemoteUse(URL, "before", problem=f"{NOT_STORED}: {full}"))
    Copies(b.store, report).report(full)
    (line,) = said
    assert "No space left on device" in line


def test_a_remote_that_hangs_costs_one_run_of_a_host_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uses: list[RemoteUse] = []
    said: list[str] = []
    (tmp_path / "cache").mkdir()

    def bring(url: str = URL) -> None:
        run = RunFolder.begin()
        settings = Settings(remote=url, remote_timeout=5.0)
        Around(settings, tmp_path / "cache", run, Report(said.append, run), ["pip", "install", "six"]).bring()
        run.remove_folder()

    def answer(*_: object) -> RemoteUse:
        uses.append(use)
        return use

    monkeypatch.setattr(around, "answer", answer)
    use = RemoteUse(URL, "before", problem="answers 503", took=0.1)
    bring()
    use = use._replace(problem="does not answer in time", took=4.6)
    bring()
    assert len(uses) == 2, "one that fails at once costs nothing"
    bring()
    assert len(uses) == 2
    assert [line.startswith(f"remote: {URL} ") for line in said] == [True] * 3
    bring("s3://another")
    assert len(uses) == 3
    for mark in (tmp_path / "cache").rglob("remote.*"):
        stored.age(mark, 61)
    bring()
    assert len(uses) == 4


def test_one_object_in_an_outage(a: Node, b: Node, objects: Objects) -> None:
    a.send()
    asking = Asking(URL, b.store.root, 1e9, time.monotonic() + 60)
    asking.ask_for_blob(digest(WHEEL))
    assert (asking.use.asked, asking.use.found, asking.use.received) == (1, 1, len(WHEEL))
    asking = Asking(URL, b.store.root, 1e9, time.monotonic() + 60)
    asking.ask_for_records([key(objects, "records-v1/index"), "records-v1/index.example/x/page.json.0"], PAGE_URL)
    assert (asking.use.asked, asking.use.found, asking.use.refused) == (2, 1, 0)
    assert b.page() == PAGE
    asking.ask_for_records([key(objects, "records-v1/index")], "https://index.example/simple/other/")
    assert asking.use.refused == 1


def test_what_is_used_is_put_again_before_a_store_deletes_it(
    a: Node, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    a.send()
    a.bring()
    objects.asked.clear()
    later = time.time() + 15 * DAY
    monkeypatch.setattr(send.time, "time", lambda: later)
    assert a.send().sent == 4
    assert {verb for verb, name in objects.asked if name.startswith("blobs")} == {"version", "replace"}


def test_an_object_that_is_not_understood_costs_no_other(a: Node, b: Node, objects: Objects) -> None:
    a.send()

    def fail(_verb: str, name: str) -> None:
        if name.startswith("records-v1/index"):
            raise ValueError("whatever it is, it is ours")

    objects.before = fail
    came = b.bring()
    assert (came.found, came.left, came.problem) == (2, 1, "")
    assert b.has_file()


def test_a_record_that_no_node_takes_is_put_right(a: Node, b: Node, objects: Objects) -> None:
    """It is of this URL, each byte is as its header says, and it is later than any other."""
    a.send()
    name = key(objects, "records-v1/index")
    right = record.decode(objects.held[name])
    assert right is not None
    objects.held[name] = record.encode(replace(right, headers={"set-cookie": "a=b"}, checked=time.time() + 30))
    assert b.bring().refused == 1
    b.put()
    b.send()
    assert Node(b.store.root.parent / "c").bring().refused == 0


def test_a_page_from_a_clock_that_is_ahead_is_taken_for_want_of_another_one_only(a: Node, b: Node) -> None:
    a.put(checked=-DAY / 2)
    a.send()
    b.put(checked=DAY, body=PAGE.replace(b"1.0", b"0.9"))
    assert b.bring().asked == 0, "it would count as checked just now in each run of that half day"
    node = Node(b.store.root.parent / "c")
    assert node.bring().found == 3
    assert node.page() == PAGE


def test_what_a_clock_has_dated_that_is_days_ahead_is_put_right(a: Node, b: Node, objects: Objects) -> None:
    a.put(checked=-30 * DAY)
    a.send()
    newer = PAGE.replace(b"1.0", b"1.1")
    b.put(body=newer)
    b.bring()
    b.send()
    there = record.decode(objects.held[key(objects, "records-v1/index")])
    assert there is not None
    assert there.page == newer
    assert all(used.checked < time.time() + DAY for used in manifest.decoded(objects.held[manifest.name(JOB)]).values())
