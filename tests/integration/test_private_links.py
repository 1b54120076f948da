"""What is one user's alone without a credential in the request: signed links, links with tokens, `private`, options."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest
import requests

import cachedindex
from cachedindex.model import Record
from cachedindex.store import record
from tests import index as faults
from tests.index import JSON, Index

NAME = "alpha-1.0-py3-none-any.whl"
Open = Callable[..., requests.Session]


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    for name in ("CACHEDINDEX_RUN", "CACHEDINDEX_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def open_session(tmp_path: Path) -> Iterator[Open]:
    """Give a function that opens a session as another process would: it remembers nothing of the others."""
    opened: list[requests.Session] = []
    numbers = count()

    def open_session(**options: object) -> requests.Session:
        session = requests.Session()
        different = {"max_idle": f"{60 + next(numbers)} d"}
        session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=tmp_path / "cache", **different, **options))
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        session.close()


def records(tmp_path: Path, tree: str = "") -> list[Record]:
    """Return the records of the tree of everybody, or of this user's own."""
    folder = tmp_path / "cache" / tree / "records-v1"
    found = [record.decode(path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [each for each in found if each]


def own(tmp_path: Path) -> list[Record]:
    return records(tmp_path, f"private-v1/{os.getuid()}")


def linking(index: Index, link: Callable[[int], str], form: str) -> None:
    """Have the page of alpha link its wheel by another link each time."""
    digest, numbers = sha256((index.folder / NAME).read_bytes()).hexdigest(), count()

    def page(handler: faults.Handler) -> bool:
        url = link(next(numbers))
        if form == "json":
            files = [{"url": url, "filename": NAME, "hashes": {"sha256": digest}}]
            return faults.body(json.dumps({"name": "alpha", "files": files}).encode(), JSON)(handler)
        anchor = f'<title>Links for alpha</title><a href="{url}#sha256={digest}">{NAME}</a>'
        return faults.body(anchor.encode())(handler)

    index.fault(page, "^/simple/alpha/")


def link_of(session: requests.Session, index: Index, headers: dict[str, str] | None = None) -> str:
    """Ask for the page, and return its link, as an installer asks for it."""
    page = session.get(f"{index.url}alpha/", headers={"Accept": f"{JSON}, text/html;q=0.1", **(headers or {})})
    assert page.status_code == 200
    url = page.json()["files"][0]["url"] if "json" in page.headers["content-type"] else page.text.split('"')[1]
    return requests.compat.urljoin(page.url, url.partition("#")[0])  # type: ignore[no-any-return]


def files_seen(index: Index) -> int:
    return sum(NAME in seen.path for seen in index.seen)


LINKS = {
    "signed": lambda number: f"/files/{NAME}?X-Amz-Signature={number}secret",
    "relative": lambda number: f"../../files/{NAME}?version={number}",
}


@pytest.mark.parametrize("form", ["html", "json"])
@pytest.mark.parametrize("link", LINKS)
def test_a_file_is_found_whatever_its_query(
    open_session: Open, index: Index, tmp_path: Path, form: str, link: str
) -> None:
    linking(index, LINKS[link], form)
    content = (index.folder / NAME).read_bytes()
    for _ in range(3):
        session = open_session(index_ttl=0)
        assert session.get(link_of(session, index)).content == content
    assert files_seen(index) == 1
    index.close()
    session = open_session(index_ttl=0)
    assert session.get(link_of(session, index)).content == content
    tree = own(tmp_path) if link == "signed" else records(tmp_path)
    assert [each.url for each in tree if each.page is None] == [
        f"{index.origin}/files/{NAME}?sha256={sha256(content).hexdigest()}"
    ]
    assert not any("secret" in repr(each) for each in records(tmp_path))
    assert not any("secret" in repr(each) for each in own(tmp_path) if each.page is None)


def test_two_files_that_differ_in_their_query_are_two(open_session: Open, index: Index) -> None:
    """As pip asks for `six.whl?sig=x.metadata` beside `six.whl?sig=x`."""
    contents = {f"/files/{NAME}?part=1": b"one", f"/files/{NAME}?part=2": b"two"}
    links = "".join(f'<a href="{url}#sha256={sha256(data).hexdigest()}">x</a>' for url, data in contents.items())
    index.fault(faults.body(f"<title>Links for alpha</title>{links}".encode()), "^/simple/alpha/")
    index.fault(lambda handler: faults.body(contents[handler.path])(handler), "^/files/")
    for _ in range(2):
        session = open_session()
        session.get(f"{index.url}alpha/")
        for url, data in contents.items():
            assert session.get(f"{index.origin}{url}").content == data
        assert session.get(f"{index.origin}/files/{NAME}?part=1#sha256={'0' * 64}").content == b"one"
    assert len([seen for seen in index.seen if seen.path in contents]) == 2 + 2


def test_a_redirect_to_a_signed_address_leaves_no_trace_of_it(open_session: Open, index: Index, tmp_path: Path) -> None:
    digest = sha256((index.folder / NAME).read_bytes()).hexdigest()
    anchor = f'<title>Links for alpha</title><a href="/get/{NAME}#sha256={digest}">x</a>'
    index.fault(faults.body(anchor.encode()), "^/simple/alpha/")
    index.fault(faults.redirect(f"/files/{NAME}?sig=secret"), "^/get/")
    for _ in range(2):
        session = open_session()
        assert session.get(link_of(session, index)).ok
    assert files_seen(index) == 2, "the redirect, and its target"
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


@pytest.mark.parametrize("form", ["html", "json"])
def test_a_page_whose_links_have_tokens_is_one_users(
    open_session: Open, index: Index, tmp_path: Path, form: str
) -> None:
    linking(index, lambda number: f"http://u:token{number}@{index.origin.partition('//')[2]}/files/{NAME}", form)
    for _ in range(2):
        session = open_session(index_ttl=0)
        assert session.get(link_of(session, index)).ok
    assert files_seen(index) == 1
    index.close()
    session = open_session(index_ttl=0)
    assert session.get(link_of(session, index)).ok
    assert not records(tmp_path)
    assert not (tmp_path / "cache/blobs-v1").exists()
    assert len(own(tmp_path)) == 2
    encoded = base64.b64encode(b"u:token0").decode()
    assert not any("token" in repr(each) or encoded in repr(each) for each in own(tmp_path) if each.page is None)


def test_what_is_private_is_kept_for_its_user(open_session: Open, index: Index, tmp_path: Path) -> None:
    index.headers["Cache-Control"] = "max-age=60, private, must-revalidate"
    for _ in range(2):
        session = open_session()
        assert session.get(link_of(session, index)).ok
    assert len(index.seen) == 2
    index.close()
    session = open_session(index_ttl=0)
    assert session.get(link_of(session, index)).ok
    assert not records(tmp_path)
    assert len(own(tmp_path)) == 2


def test_what_becomes_private_is_everybodys_no_longer(open_session: Open, index: Index, tmp_path: Path) -> None:
    open_session().get(f"{index.url}alpha/")
    assert len(records(tmp_path)) == 1
    index.headers["Cache-Control"] = "private"
    for _ in range(2):
        assert open_session(index_ttl=0).get(f"{index.url}alpha/").ok
    assert (len(records(tmp_path)), len(own(tmp_path))) == (0, 1)


def test_share_user_finds_it_whatever_the_token(open_session: Open, index: Index, tmp_path: Path) -> None:
    for token in ("Bearer one-token", "Digest two-token"):
        session = open_session(share="user", index_ttl="1 h")
        headers = {"Authorization": token}
        assert session.get(link_of(session, index, headers), headers=headers).ok
    assert len(index.seen) == 2
    index.close()
    session = open_session(share="user", index_ttl=0)
    assert session.get(link_of(session, index)).ok
    assert not records(tmp_path)
    assert len(own(tmp_path)) == 2
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and b"token" in path.read_bytes()]


def test_an_expired_token_is_not_everybodys(open_session: Open, index: Index) -> None:
    index.fault(faults.unless("Authorization", "Bearer good"))
    good, bad = ({"Authorization": f"Bearer {word}"} for word in ("good", "bad"))
    assert open_session(share="user", index_ttl=0).get(f"{index.url}alpha/", headers=good).ok
    assert open_session(share="user", index_ttl=0).get(f"{index.url}alpha/", headers=bad).status_code == 401
    index.close()
    assert open_session(share="user", index_ttl=0).get(f"{index.url}alpha/", headers=good).ok


def test_a_private_index_is_kept_for_its_user(open_session: Open, index: Index, tmp_path: Path) -> None:
    for _ in range(2):
        session = open_session(private=True)
        assert session.get(link_of(session, index)).ok
    assert len(index.seen) == 2
    index.close()
    assert link_of(open_session(private=True, index_ttl=0), index)
    assert not records(tmp_path)
    assert len(own(tmp_path)) == 2


def test_nothing_private_is_kept_if_that_is_said(open_session: Open, index: Index, tmp_path: Path) -> None:
    session = open_session(private=False)
    for _ in range(2):
        assert session.get(f"{index.url}alpha/", auth=("u", "p")).ok
    linking(index, LINKS["signed"], "html")
    for _ in range(2):
        link_of(session, index)
    index.heal()
    index.headers["Cache-Control"] = "private"
    for _ in range(2):
        link_of(session, index)
    assert len(index.seen) == 6
    assert not records(tmp_path)
    assert not (tmp_path / "cache/private-v1").exists()
    del index.headers["Cache-Control"]
    for _ in range(2):
        assert session.get(f"{index.url}beta/").ok
    assert len(index.seen) == 7


def test_a_folder_that_is_only_read_keeps_nothing_private_and_says_nothing(
    open_session: Open, index: Index, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_session().get(f"{index.url}beta/")
    index.headers["Cache-Control"] = "private"
    session = open_session(read_only=True)
    for _ in range(2):
        assert session.get(link_of(session, index)).ok
    assert not own(tmp_path)
    assert not caplog.records


def test_an_index_that_repeats_the_clients_own_credentials_in_its_links(open_session: Open, index: Index) -> None:
    linking(index, lambda _: f"http://julia:horse@{index.origin.partition('//')[2]}/files/{NAME}", "html")
    auth = ("julia", "horse")
    for _ in range(2):
        session = open_session(index_ttl="1 h")
        headers = {"Authorization": requests.auth._basic_auth_str(*auth)}
        assert session.get(link_of(session, index, headers), auth=auth).ok
        assert session.get(f"{index.url}beta/", auth=auth).ok
    assert len(index.seen) == 3
    assert open_session(index_ttl="1 h").get(f"{index.url}beta/", auth=auth).ok
    assert len(index.seen) == 3, "whatever was asked before"
