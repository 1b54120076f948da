"""`cachedindex get`, as a recipe calls it in place of curl."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Handler, Index, Seen

GET = (sys.executable, "-m", "cachedindex", "get")
TEXT = b"alpha==1.0\n"
SHORT = {"CACHEDINDEX_TIMEOUT": "0.5"}


@pytest.fixture
def text(index: Index) -> str:
    """Give the URL of a file of constraints."""
    index.fault(faults.body(TEXT, "text/plain"), "/constraints.txt")
    return f"{index.origin}/constraints.txt"


@pytest.fixture
def get(run: Run) -> Callable[..., Ran]:
    def get(*words: object, **variables: str) -> Ran:
        return run(*GET, *words, **variables)

    return get


Get = Callable[..., Ran]


def test_what_was_downloaded_once_is_there_in_an_outage(get: Get, index: Index, text: str, tmp_path: Path) -> None:
    first = get(text)
    assert (first.code, first.out, first.err) == (0, TEXT.decode(), "")
    assert get(text, "-o", "constraints.txt").code == 0
    assert len(index.seen) == 2, "each time it is asked for"
    index.close()
    second = get(text, "-o", "constraints.txt", **SHORT)
    assert (second.code, second.out) == (0, "")
    assert (tmp_path / "constraints.txt").read_bytes() == TEXT
    (line,) = second.ours
    assert line.startswith("cachedindex: served 1 ")


def test_below_a_run_it_is_a_part_of_it(run: Run, index: Index, text: str, tmp_path: Path) -> None:
    recipe = f"'{sys.executable}' -m cachedindex get {text} -o A && '{sys.executable}' -m cachedindex get {text} -o B"
    below = (*GET[:-1], "run", "--", "sh", "-c", recipe)
    healthy = run(*below)
    assert (healthy.code, healthy.err) == (0, "")
    index.close()
    ran = run(*below, **SHORT)
    assert ran.code == 0, ran.err
    assert (tmp_path / "A").read_bytes() == (tmp_path / "B").read_bytes() == TEXT
    (line,) = ran.ours
    assert line.startswith("cachedindex: served 2 downloads stale")


@pytest.mark.parametrize("offline", ["--offline", "--offline=true"])
def test_offline_it_is_served_without_asking(get: Get, index: Index, text: str, offline: str) -> None:
    get(text)
    index.seen.clear()
    assert get(offline, text).out == TEXT.decode()
    assert index.seen == []


def test_without_a_copy_it_fails_and_the_file_stays(get: Get, index: Index, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("before")
    for url, why in ((f"{index.origin}/nothing.txt", "it answered 404"), (f"{index.url}nowhere/", "it answered 404")):
        ran = get(url, "-o", "old")
        assert (ran.code, ran.out) == (1, "")
        assert why in ran.err
    index.close()
    ran = get(f"{index.origin}/another.txt", "-o", "old")
    assert (ran.code, "it refused the connection" in ran.err) == (1, True), ran.err
    assert (tmp_path / "old").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_half_an_answer_is_none(get: Get, index: Index, tmp_path: Path) -> None:
    index.fault(faults.cut, "/files/")
    name = "alpha-1.0-py3-none-any.whl"
    for words in (["-o", "file"], []):
        ran = get(f"{index.origin}/files/{name}", *words)
        assert (ran.code, ran.out) == (1, ""), ran.err
        assert "it answer" in ran.err or "broke off" in ran.err
    assert not (tmp_path / "file").exists()


def test_a_digest_is_checked(get: Get, index: Index, tmp_path: Path) -> None:
    url = f"{index.origin}/files/alpha-1.0-py3-none-any.whl"
    content = (index.folder / "alpha-1.0-py3-none-any.whl").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert get(url, "--sha256", digest.upper(), "-o", "wheel").code == 0
    assert (tmp_path / "wheel").read_bytes() == content
    wrong = get(url, "--sha256", "0" * 64, "-o", "wrong")
    assert (wrong.code, digest in wrong.err) == (1, True)
    assert not (tmp_path / "wrong").exists()
    index.close()
    assert get(url, "--sha256", digest, "-o", "again").code == 0
    assert (tmp_path / "again").read_bytes() == content


def private(handler: Handler) -> bool:
    """Answer with the text, or 401 to whoever is not known."""
    return faults.unless("authorization", "Basic bWU6c2VjcmV0")(handler) and faults.body(TEXT, "text/plain")(handler)


def test_a_password_is_its_owners(get: Get, index: Index, text: str, tmp_path: Path) -> None:
    index.faults.insert(0, (re.compile(""), private))
    inside = text.replace("http://", "http://me:secret@")
    assert get(text).code == 1
    first = get(inside)
    assert first.out == TEXT.decode(), first.err
    (tmp_path / "home/.netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "home/.netrc").chmod(0o600)
    assert get(text).code == 1, "as curl without -n"
    assert get("-n", text).out == TEXT.decode()
    index.close()
    assert get("-n", text, **SHORT).out == TEXT.decode()
    without = get(text, **SHORT)
    assert (without.code, without.out) == (1, "")
    assert "secret" not in get(inside.replace("constraints", "nothing")).err


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_password_follows_a_redirect_on_its_own_host_only(get: Get, index: Index, text: str, elsewhere: bool) -> None:
    target = text.replace("127.0.0.1", "localhost") if elsewhere else text
    index.fault(faults.redirect(target), "/here")
    assert get(f"{index.origin}/here".replace("http://", "http://me:secret@")).out == TEXT.decode()
    assert [with_password(seen) for seen in index.seen] == [True, not elsewhere]


def with_password(seen: Seen) -> bool:
    return "authorization" in seen.headers


def test_a_file_that_cannot_be_written(get: Get, text: str) -> None:
    ran = get(text, "-o", "nowhere/file")
    assert ran.code == 2
    assert "nowhere" in ran.err
    assert "No such file" in ran.err
    assert get(text, "-o", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()


def test_a_reader_that_goes_away(run: Run, index: Index) -> None:
    index.fault(faults.body(b"x" * 1_000_000), "/large.txt")
    command = f"'{sys.executable}' -m cachedindex get {index.origin}/large.txt | head -c 1; echo ${{PIPESTATUS[0]}}"
    ran = run("bash", "-c", command)
    assert ran.out == "x1\n"
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("words", [["ftp://index.example/x"], ["index.example"], ["http://x.example", "--sha256", "1"]])
def test_a_wrong_argument(get: Get, words: list[str]) -> None:
    ran = get(*words)
    assert (ran.code, len(ran.ours)) == (2, 1)


def test_without_a_folder_it_downloads(get: Get, text: str) -> None:
    assert get(text, CACHEDINDEX_DISABLE="true").out == TEXT.decode()
    assert get("--disable", text).out == TEXT.decode()
