"""What is answered to credentials: stored for this user, found with the same ones only, and never a trace of them."""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

import cachedindex
from cachedindex.errors import StoreUnavailable
from cachedindex.store.private import Private
from cachedindex.store.store import Store
from tests import index as faults
from tests.conftest import SOURCE
from tests.index import JSON, Index
from tests.sites import new_authority

if TYPE_CHECKING:
    import trustme

USER, PASSWORD = "julia", "correct-horse"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
AUTH = (USER, PASSWORD)
WHEEL = "files/alpha-1.0-py3-none-any.whl"


def keys(folder: Path, *secrets: str) -> list[str]:
    """Return what below a folder, its names included, holds any of these."""
    found = []
    for path in folder.rglob("*"):
        text = str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b"")
        found += [f"{secret} in {path}" for secret in secrets if secret.encode() in text]
    return found


@pytest.fixture
def private(index: Index) -> Index:
    """Give an index that answers to one password only."""
    index.fault(faults.unless("Authorization", f"Basic {BASIC}"))
    return index


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    for name in ("CACHEDINDEX_RUN", "CACHEDINDEX_CONFIG", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


Open = Callable[..., requests.Session]


@pytest.fixture
def open_session(tmp_path: Path) -> Iterator[Open]:
    opened: list[requests.Session] = []

    def open_session(**options: object) -> requests.Session:
        session = requests.Session()
        adapter = cachedindex.CachedIndexAdapter(**{"cache_dir": tmp_path / "cache", **options})
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        session.close()


def page_and_file(session: requests.Session, index: Index, **arguments: Any) -> list[int]:
    page = session.get(f"{index.url}alpha/", headers={"Accept": JSON}, **arguments)
    return [page.status_code, session.get(f"{index.origin}/{WHEEL}", **arguments).status_code]


def test_the_same_credentials_find_it_and_others_do_not(open_session: Open, private: Index, tmp_path: Path) -> None:
    assert page_and_file(open_session(), private, auth=AUTH) == [200, 200]
    asked = len(private.seen)
    assert page_and_file(open_session(), private, auth=AUTH) == [200, 200]
    assert len(private.seen) == asked
    for auth in ((USER, "wrong"), ("another", PASSWORD), None):
        assert page_and_file(open_session(), private, auth=auth) == [401, 401]
    private.close()
    assert page_and_file(open_session(index_ttl=0), private, auth=AUTH) == [200, 200]
    for auth in ((USER, "wrong"), ("another", PASSWORD)):
        with pytest.raises(requests.ConnectionError):
            open_session(index_ttl=0).get(f"{private.url}alpha/", headers={"Accept": JSON}, auth=auth)
    assert not keys(tmp_path / "cache", PASSWORD, BASIC, USER)
    assert not (tmp_path / "cache/records-v1").exists()
    assert not (tmp_path / "cache/blobs-v1").exists()


def test_its_folder_is_one_users_alone_whatever_the_umask(open_session: Open, private: Index, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o2775)
    before = os.umask(0)
    try:
        page_and_file(open_session(), private, auth=AUTH)
    finally:
        os.umask(before)
    own = tmp_path / f"cache/private-v1/{os.getuid()}"
    assert (own.parent.stat().st_mode & 0o7777) == 0o3775
    for path in (own, *own.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_public_copy_never_answers_for_credentials_nor_the_reverse(open_session: Open, index: Index) -> None:
    for auth in (None, AUTH, None, AUTH):
        open_session().get(f"{index.url}alpha/", auth=auth)
    assert [("authorization" in seen.headers) for seen in index.seen] == [False, True]


def test_a_header_that_is_another_one_each_time_is_not_stored(open_session: Open, index: Index, tmp_path: Path) -> None:
    headers = {"Authorization": "AWS4-HMAC-SHA256 Signature=1"}
    for _ in range(2):
        open_session().get(f"{index.url}alpha/", headers=headers)
    assert len(index.seen) == 2
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("control", "stored"), [("private", True), ("no-store", False), ("max-age=60", True)])
def test_private_is_what_it_is_and_no_store_is_honoured(
    open_session: Open, index: Index, control: str, stored: bool
) -> None:
    index.headers["Cache-Control"] = control
    for _ in range(2):
        open_session(index_ttl="1 h").get(f"{index.url}alpha/", auth=AUTH)
    assert len(index.seen) == 1 + (not stored)


def test_netrc_is_a_credential(open_session: Open, private: Index, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}")
    (tmp_path / ".netrc").chmod(0o600)
    assert page_and_file(open_session(), private) == [200, 200]
    private.close()
    assert page_and_file(open_session(index_ttl=0), private) == [200, 200]
    (tmp_path / ".netrc").unlink()
    with pytest.raises(requests.ConnectionError):
        open_session(index_ttl=0).get(f"{private.url}alpha/", headers={"Accept": JSON})


def test_a_file_that_only_a_private_page_tells_of_is_private(open_session: Open, index: Index, tmp_path: Path) -> None:
    for _ in range(2):
        session = open_session()
        session.get(f"{index.url}alpha/", headers={"Accept": JSON}, auth=AUTH)
        assert session.get(f"{index.origin}/{WHEEL}").ok
    assert len(index.seen) == 2
    assert not (tmp_path / "cache/records-v1").exists()
    assert not (tmp_path / "cache/blobs-v1").exists()


def test_a_cookie_says_no_more_than_the_credential_beside_it(
    open_session: Open, private: Index, tmp_path: Path
) -> None:
    private.headers["Set-Cookie"] = "session=telltale"
    for _ in range(2):
        session = open_session()
        for name in ("alpha", "beta"):
            assert session.get(f"{private.url}{name}/", auth=AUTH).ok
    assert len(private.seen) == 2
    # But without it, it tells who asks.
    session.get(f"{private.url}gamma/", auth=AUTH)
    assert session.get(f"{private.url}gamma/").status_code == 401
    assert not keys(tmp_path / "cache", "telltale")


def test_share_keeps_it_for_everybody_whatever_the_token(open_session: Open, index: Index, tmp_path: Path) -> None:
    index.headers["Cache-Control"] = "private"
    for token in ("Bearer one-token", "Digest two-token"):
        session = open_session(share=True, index_ttl="1 h")
        headers = {"Authorization": token}
        session.get(f"{index.url}alpha/", headers={**headers, "Accept": JSON})
        assert session.get(f"{index.origin}/{WHEEL}", headers=headers).ok
    assert len(index.seen) == 2
    assert not (tmp_path / "cache/private-v1").exists()
    assert not keys(tmp_path / "cache", "one-token", "two-token")


def test_a_folder_that_is_not_ours_alone_is_not_used(open_session: Open, private: Index, tmp_path: Path) -> None:
    own = tmp_path / f"cache/private-v1/{os.getuid()}"
    own.mkdir(parents=True)
    own.chmod(0o777)
    for _ in range(2):
        assert page_and_file(open_session(), private, auth=AUTH) == [200, 200]
    assert not list(own.iterdir())
    with pytest.raises(StoreUnavailable, match="not belong to this user alone"):
        Private(tmp_path / "cache", lambda: None).scope("x")


def test_processes_of_one_user_make_one_secret(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cachedindex.store.store import Store;"
        "sys.stdin.readline(); print(Store(Path(sys.argv[1])).private.scope('x'))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", code, str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(8)]
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    assert len({process.communicate()[0] for process in processes}) == 1
    assert {path.name for path in (tmp_path / "cache/private-v1").iterdir()} == {"README", str(os.getuid())}


# -- a client certificate ----------------------------------------------------------------------------------------------


FULL = """
import resource, sys
from pathlib import Path
from cachedindex.errors import StoreUnavailable
from cachedindex.store.private import Private

resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
for _ in range(3):
    try:
        Private(Path(sys.argv[1]), lambda: None).scope("credential")
    except StoreUnavailable as error:
        print(error)
"""


def test_a_folder_that_takes_no_secret_is_left_without_a_trace(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=True)
    assert ran.stdout.count("File too large") == 3
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]


def test_a_client_certificate_is_a_credential(open_session: Open, index: Index, tmp_path: Path) -> None:
    authority = new_authority()
    server, bundle = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tmp_path / "authority.pem"
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(server)
    authority.cert_pem.write_to_path(str(bundle))
    server.verify_mode = ssl.CERT_REQUIRED
    index._server.socket = server.wrap_socket(index._server.socket, server_side=True)
    url = index.url.replace("http://127.0.0.1", "https://localhost") + "alpha/"
    mine = tmp_path / "mine.pem"

    def get(**options: object) -> bytes:
        return open_session(**options).get(url, cert=str(mine), verify=str(bundle)).content

    authority.issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(str(mine))
    first = get()
    index.close()
    assert get(index_ttl=0) == first
    with pytest.raises(requests.ConnectionError):
        open_session(index_ttl=0).get(url, verify=str(bundle))
    authority.issue_cert("you@example.org").private_key_and_cert_chain_pem.write_to_path(str(mine))
    with pytest.raises(requests.ConnectionError):
        get(index_ttl=0)
    assert not (tmp_path / "cache/records-v1").exists()


def test_a_certificate_that_is_refused_finds_nothing_any_more(
    open_session: Open, distributions: Path, tmp_path: Path
) -> None:
    ours, theirs = new_authority(), new_authority()
    mine, bundle = tmp_path / "mine.pem", tmp_path / "authority.pem"
    ours.issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(str(mine))
    ours.cert_pem.write_to_path(str(bundle))
    with faults.serving(distributions, "localhost", ours) as index:

        def get(**options: object) -> int:
            session = open_session(**options)
            return session.get(f"{index.url}alpha/", cert=str(mine), verify=str(bundle)).status_code

        def require(authority: trustme.CA) -> None:
            assert index.certificate
            # With TLS 1.3, the client may hear that the connection is closed before it hears why.
            index.certificate.maximum_version = ssl.TLSVersion.TLSv1_2
            index.certificate.verify_mode = ssl.CERT_REQUIRED
            authority.configure_trust(index.certificate)

        require(ours)
        assert get() == 200
        index.heal()  # With a new context, which knows no authority yet.
        require(theirs)
        with pytest.raises(requests.ConnectionError, match="ALERT"):
            get(index_ttl=0)
        index.heal()
        assert get(index_ttl=0) == 200, "nobody was kept from asking"
        require(theirs)
        with pytest.raises(requests.ConnectionError, match="ALERT"):
            get(index_ttl=0)
        index.close()
        with pytest.raises(requests.ConnectionError, match="refused"):
            get(index_ttl=0)


# -- another user ------------------------------------------------------------------------------------------------------


ANOTHER = """
import os, sys
os.umask(0o022)
uid, source, libraries, cache, url = sys.argv[1:]
os.setgid(54321)
os.setgroups([54321])
os.setuid(int(uid))
os.environ["HOME"] = "/nonexistent"
sys.path[:0] = [source, libraries]
import requests, cachedindex
session = requests.Session()
session.trust_env = False
session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=cache, trust_env=False))
response = session.get(url, auth=("julia", "correct-horse"))
print(response.status_code, response.headers.get("Cache-Status", "asked").partition(";")[0])
for top, folders, names in os.walk(cache):
    for name in (*folders, *names):
        if "private-v1" in top:
            print(os.path.join(top, name))
"""


def test_another_user_with_the_same_password_asks_for_himself(private: Index) -> None:
    if os.name != "posix" or os.getuid():
        pytest.skip("SKIPPED FOR WANT OF ROOT: two users are needed")
    import tempfile

    with tempfile.TemporaryDirectory(prefix="cachedindex-test-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        cache = home / "cache"
        cache.mkdir()
        os.chown(cache, 0, 54321)
        cache.chmod(0o2775)
        shutil.copytree(SOURCE, home / "source", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        libraries = home / "libraries"
        libraries.mkdir()
        for name in ("requests", "urllib3", "idna", "certifi", "charset_normalizer"):
            shutil.copytree(Path(__import__(name).__file__ or "").parent, libraries / name)
        python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
        if python is None:
            pytest.skip("SKIPPED FOR WANT OF A PYTHON that every user may run")

        def get(uid: int) -> list[str]:
            paths = map(str, (home / "source", libraries, cache))
            command = [python, "-c", ANOTHER, str(uid), *paths, f"{private.url}alpha/"]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stderr
            return ran.stdout.splitlines()

        assert get(54321)[0] == "200 asked"
        assert get(54321)[0] == "200 cachedindex"
        first, *seen = get(54322)
        assert first == "200 asked"
        assert not [path for path in seen if "/54321/" in path]
        assert get(54322)[0] == "200 cachedindex"
        assert len(private.seen) == 2


# -- what is remembered of it ------------------------------------------------------------------------------------------


def test_what_one_credential_is_refused_another_one_is_asked_for(
    open_session: Open, private: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some indexes say 404 rather than 401 to those whom they do not know."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("CACHEDINDEX_RUN", str(tmp_path / "run"))
    private.heal()

    def hidden(handler: faults.Handler) -> bool:
        return handler.headers.get("Authorization") == f"Basic {BASIC}" or faults.status(404)(handler)

    private.fault(hidden)
    session = open_session(negative="1 h")
    for _ in range(2):
        assert session.get(f"{private.url}alpha/", auth=(USER, "wrong")).status_code == 404
        assert session.get(f"{private.url}alpha/").status_code == 404
    assert len(private.seen) == 2
    assert session.get(f"{private.url}alpha/", auth=AUTH).status_code == 200


def test_a_run_that_fails_has_private_pages_asked_for_again(open_session: Open, private: Index, tmp_path: Path) -> None:
    for _ in range(2):
        session = open_session(index_ttl="1 h")
        session.get(f"{private.url}alpha/", auth=AUTH)
    store = Store(tmp_path / "cache")
    (path,) = store.private.folder.rglob("page.*")
    store.expire(path.relative_to(store.root).as_posix())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    session.get(f"{private.url}alpha/", auth=AUTH)
    assert len(private.seen) == 2


def test_what_everybody_can_read_does_not_name_what_is_private(
    open_session: Open, private: Index, tmp_path: Path
) -> None:
    for _ in range(2):
        assert page_and_file(open_session(index_ttl=0), private, auth=AUTH) == [200, 200]
    private.close()
    session = open_session(index_ttl=0)
    assert session.get(f"{private.url}alpha/", headers={"Accept": JSON}, auth=AUTH).ok
    with pytest.raises(requests.ConnectionError):
        session.get(f"{private.url}beta/", auth=AUTH)
    cache = tmp_path / "cache"
    scopes = {path.name.rpartition(".")[2] for path in cache.rglob("private-v1/*/records-v1/**/page.*")}
    assert list((cache / "health-v1").rglob("*"))
    for name in ("health-v1", "locks-v1"):
        assert not keys(cache / name, "alpha", "beta", *scopes)


def test_a_token_in_a_path_is_named_nowhere_else(open_session: Open, index: Index, tmp_path: Path) -> None:
    url = f"{index.origin}/simple/alpha/"
    options = {"private": True, "index_ttl": 0}
    assert open_session(**options).get(url).ok
    index.close()
    for _ in range(2):
        assert open_session(**options).get(url).ok
    with pytest.raises(requests.ConnectionError):
        open_session(**options).get(f"{index.origin}/simple/beta/")
    cache = tmp_path / "cache"
    for name in ("health-v1", "locks-v1"):
        assert not keys(cache / name, "simple", "alpha", "beta")


def test_control_characters_do_not_reach_a_terminal(
    open_session: Open, private: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("CACHEDINDEX_RUN", str(tmp_path / "run"))
    private.heal()

    def hostile(handler: faults.Handler) -> bool:
        handler.wfile.write(b"HTTP/1.1 503 \x1b[31mbusy\x07\r\nContent-Length: 0\r\n\r\n")
        return False

    private.fault(hostile)
    url = f"{private.url}alpha/"
    with pytest.raises(cachedindex.CachedIndexError) as caught:
        open_session(missing_index="fail").get(url)
    assert "\x1b" not in str(caught.value)
    assert "\\x1b" in str(caught.value)


def test_a_token_in_a_path_is_in_no_message(
    open_session: Open, index: Index, distributions: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"private": True, "index_ttl": 0}
    with faults.serving(distributions) as other:
        session = open_session(**options)
        assert session.get(f"{other.origin}/simple/alpha/").ok
        index.close()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{index.origin}/simple/alpha/")
        session.close()
    with pytest.raises(cachedindex.CachedIndexError) as caught:
        open_session(missing_index="fail", **options).get(f"{index.origin}/simple/beta/")
    said = [str(caught.value), *(record.getMessage() for record in caplog.records)]
    assert any("could not be asked for alpha" in line for line in said)
    assert not any("simple" in line for line in said)
    assert all(index.origin in line for line in said)
