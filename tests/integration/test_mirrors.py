"""An index is dead, and a declared mirror has the files: what the real clients make of it."""

from __future__ import annotations

import base64
import http.server
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.index import Index, serving

CACHEDINDEX = (sys.executable, "-m", "cachedindex")
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
SECTION = """
[cachedindex:own]
url = {index}
mirrors = {mirrors}
{more}
"""


@pytest.fixture
def files(distributions: Path, tmp_path: Path) -> Path:
    """Give a folder with the same distributions."""
    return Path(shutil.copytree(distributions, tmp_path / "mirrored"))


@pytest.fixture
def mirror(files: Path) -> Iterator[Index]:
    with serving(files) as mirror:
        yield mirror


@pytest.fixture
def declare(index: Index, mirror: Index, tmp_path: Path, environment: dict[str, str]) -> Callable[..., None]:
    """Give a function that declares the mirror, or others, for the index."""

    def declare(*urls: str, more: str = "") -> None:
        path = tmp_path / "cachedindex.cfg"
        path.write_text(SECTION.format(index=index.url, mirrors=" ".join(urls or [mirror.url]), more=more))
        environment["CACHEDINDEX_CONFIG"] = str(path)

    return declare


@pytest.fixture(params=["pip==23.2.1", "pip==26.3"])
def install(
    run: Run, python_with: Callable[..., Path], index: Index, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., Ran]:
    pip = (python_with(request.param), "-m", "pip")

    def install(folder: str, *requirements: str, **variables: str) -> Ran:
        command = [*CACHEDINDEX, "run", "--", *pip, "install", "-q", "--target", tmp_path / folder, *requirements]
        return run(*command, **{"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0"} | variables)

    return install


def installed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.dist-info"))


def test_a_healthy_build_does_not_ask_the_mirror(
    install: Callable[..., Ran], declare: Callable[..., None], mirror: Index
) -> None:
    declare(more="mirror-pages = yes")
    ran = install("A", "alpha", "source")
    assert ran.code == 0, ran.err
    assert ran.ours == []
    assert mirror.seen == []


def test_files_come_by_their_hash(
    install: Callable[..., Ran], declare: Callable[..., None], index: Index, mirror: Index, tmp_path: Path, run: Run
) -> None:
    """The pages of the index are stored, and its files are gone."""
    declare()
    assert install("A", "alpha").code == 0
    shutil.rmtree(tmp_path / "cache/blobs-v1")
    index.close()

    second = install("B", "alpha", **EXPIRED)

    assert second.code == 0, second.err
    assert installed(tmp_path / "A") == installed(tmp_path / "B")
    assert any("from mirrors" in line and mirror.origin in line for line in second.ours), second.err
    mirror.close()
    third = install("C", "alpha", **EXPIRED)
    assert third.code == 0, third.err


@pytest.mark.parametrize("lies", [False, True], ids=["its page says so", "its page lies"])
def test_another_file_under_the_name_is_refused(
    install: Callable[..., Ran],
    declare: Callable[..., None],
    index: Index,
    mirror: Index,
    files: Path,
    tmp_path: Path,
    lies: bool,
) -> None:
    declare()
    assert install("A", "epsilon").code == 0
    shutil.rmtree(tmp_path / "cache/blobs-v1")
    wheel = files / "epsilon-1.0-py3-none-any.whl"
    if lies:
        mirror.fault(faults.body(wheel.read_bytes() + b"evil", "application/octet-stream"), "/files/")
    else:
        wheel.unlink()
        packages.add_wheel(files, "epsilon", "1.0", ("alpha",))
    index.close()

    second = install("B", "epsilon", **EXPIRED)

    assert second.code != 0
    assert installed(tmp_path / "B") == []
    assert "from mirrors" not in second.err
    assert any(seen.path.startswith("/files/") for seen in mirror.seen) == lies


def test_the_second_mirror_has_what_the_first_lacks(
    install: Callable[..., Ran], declare: Callable[..., None], index: Index, mirror: Index, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with serving(tmp_path / "empty") as empty:
        declare(empty.url, mirror.url)
        assert install("A", "epsilon").code == 0
        shutil.rmtree(tmp_path / "cache/blobs-v1")
        index.close()
        assert install("B", "epsilon", **EXPIRED).code == 0
        assert empty.seen


def test_a_page_of_a_mirror_counts_only_if_that_is_said(
    install: Callable[..., Ran], declare: Callable[..., None], index: Index, mirror: Index, tmp_path: Path
) -> None:
    declare()
    index.refuse()
    refused = install("A", "alpha")
    assert refused.code != 0
    assert mirror.seen == []

    declare(more="mirror-pages = yes")
    ran = install("B", "alpha", "source")
    assert ran.code == 0, ran.err
    assert len(installed(tmp_path / "B")) == 6
    assert "pages" in ran.ours[-1]
    assert "from mirrors" in ran.ours[-1]
    assert mirror.origin in ran.ours[-1]

    index.heal()
    index.seen.clear()
    mirror.seen.clear()
    again = install("C", "alpha")
    assert again.code == 0, again.err
    assert index.pages_seen(), "the index itself is asked as soon as it is back"
    assert mirror.seen == []


def test_a_release_build_may_refuse_the_pages_of_a_mirror(
    install: Callable[..., Ran], declare: Callable[..., None], index: Index
) -> None:
    declare(more="mirror-pages = yes")
    index.close()
    ran = install("A", "epsilon", CACHEDINDEX_FAIL_ON_STALE="yes")
    assert ran.code == 123, ran.err


def test_no_credential_of_the_index_reaches_a_mirror(
    install: Callable[..., Ran], declare: Callable[..., None], index: Index, mirror: Index, tmp_path: Path
) -> None:
    secret = "Basic " + base64.b64encode(b"user:secret").decode()
    index.fault(faults.unless("Authorization", secret))
    own = index.url.replace("://", "://user:secret@")
    declare(more="mirror-pages = yes")
    assert install("A", "epsilon", PIP_INDEX_URL=own).code == 0
    for blobs in (tmp_path / "cache").rglob("blobs-v1"):
        shutil.rmtree(blobs)
    index.close()
    ran = install("B", "epsilon", PIP_INDEX_URL=own, **EXPIRED)
    assert ran.code == 0, ran.err
    cold = install("C", "alpha", PIP_INDEX_URL=own, **EXPIRED)
    assert cold.code == 0, cold.err
    assert mirror.seen
    assert not any("authorization" in seen.headers or "cookie" in seen.headers for seen in mirror.seen)


def test_a_dead_mirror_costs_little_and_changes_nothing(
    install: Callable[..., Ran], declare: Callable[..., None], index: Index, mirror: Index
) -> None:
    declare(more="mirror-pages = yes")
    index.close()
    mirror.fault(faults.hang)
    ran = install("A", "alpha", CACHEDINDEX_TIMEOUT="0.3")
    assert ran.code != 0
    assert "could not get alpha, of which nothing is stored" in ran.ours[-1]
    assert "it refused the connection" in ran.ours[-1]
    assert len(mirror.seen) <= 2


def test_a_buildout_gets_its_files_from_a_mirror(
    buildout: Callable[..., Ran], declare: Callable[..., None], index: Index, mirror: Index, files: Path,
    tmp_path: Path, distributions: Path,
) -> None:  # fmt: skip
    for path in distributions.iterdir():
        shutil.copy2(path, files)
    declare()
    assert buildout("A").code == 0
    shutil.rmtree(tmp_path / "cache/blobs-v1")
    index.close()
    ran = buildout("B", options="index-ttl = 0")
    assert ran.code == 0, ran.err
    assert mirror.origin in ran.err


def test_a_cold_buildout_takes_the_pages_of_a_mirror(
    buildout: Callable[..., Ran], declare: Callable[..., None], index: Index, mirror: Index, files: Path,
    distributions: Path,
) -> None:  # fmt: skip
    for path in distributions.iterdir():
        shutil.copy2(path, files)
    declare(more="mirror-pages = yes")
    index.close()
    ran = buildout("A", PIP_RETRIES="0")
    assert ran.code == 0, ran.err
    assert "from mirrors" in ran.ours[-1]


@pytest.mark.parametrize("option", ["mirrors", "mirror-pages"])
def test_only_an_index_has_mirrors(run: Run, option: str) -> None:
    said = run(*CACHEDINDEX, "doctor", **{f"CACHEDINDEX_{option.upper().replace('-', '_')}": "yes"}).out
    assert "it belongs in the section of one index" in said


TWO_ADDRESSES = """
import socket, sys
import requests, cachedindex

resolve = socket.getaddrinfo
def twice(host, *given, **named):
    own = ("127.0.0.1", "127.0.0.2") if host == "index.example" else (host,)
    return [each for address in own for each in resolve(address, *given, **named)]
socket.getaddrinfo = twice

url, cache = sys.argv[1:]
session = requests.Session()
session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=cache))
for name in ("alpha", "beta"):
    response = session.get(f"{url}{name}/", timeout=1)
    print(response.status_code, name in response.text)
"""


def test_an_index_is_asked_at_another_address_before_any_mirror(
    run: Run, declare: Callable[..., None], index: Index, mirror: Index, tmp_path: Path
) -> None:
    url = f"http://index.example:{index.port}/simple/"
    index.fault(faults.hang)
    second = http.server.ThreadingHTTPServer(("127.0.0.2", index.port), Second)
    threading.Thread(target=second.serve_forever, daemon=True).start()
    declare(more="mirror-pages = yes")
    path = tmp_path / "cachedindex.cfg"
    path.write_text(path.read_text().replace(index.url, url))
    try:
        ran = run(sys.executable, "-c", TWO_ADDRESSES, url, tmp_path / "cache", CACHEDINDEX_TIMEOUT="1")
    finally:
        second.shutdown()
        second.server_close()
    assert ran.out.splitlines() == ["200 True", "200 True"], ran.err
    assert mirror.seen == []


class Second(http.server.BaseHTTPRequestHandler):
    """What answers at the second address."""

    def do_GET(self) -> None:
        project = self.path.strip("/").rpartition("/")[2]
        page = f'<html><title>Links for {project}</title><a href="/f/{project}-1.0.tar.gz">x</a></html>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
