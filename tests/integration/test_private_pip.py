"""Private indexes through the real pip, with its credentials where people keep them."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Index

USER, PASSWORD = "julia", "correct-horse"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
KEYRING = f"""
import os
class Credential:
    username, password = {USER!r}, os.environ.get("FAKE_PASSWORD", {PASSWORD!r})
def get_credential(service, username):
    return Credential
def get_password(service, username):
    return Credential.password
"""


@pytest.fixture(params=["pip==23.2.1", "pip==26.3"])
def pip(request: pytest.FixtureRequest, python_with: Callable[..., Path]) -> list[object]:
    return [python_with(request.param), "-m", "pip"]


@pytest.fixture
def private(index: Index) -> Index:
    index.fault(faults.unless("Authorization", f"Basic {BASIC}"))
    return index


Install = Callable[..., Ran]


@pytest.fixture
def install(run: Run, pip: list[object], private: Index, tmp_path: Path) -> Install:
    def install(folder: str, *options: str, url: str = private.url, silent: bool = True, **variables: str) -> Ran:
        silence = ["--no-input"] if silent else []
        command = [*pip, "install", *options, *silence, "--target", tmp_path / folder, "alpha"]
        cachedindex = (sys.executable, "-m", "cachedindex", "run", "--")
        return run(*cachedindex, *command, PIP_INDEX_URL=url, PIP_NO_CACHE_DIR="1", PIP_RETRIES="0", **variables)

    return install


def installed(folder: Path) -> int:
    return len(list(folder.glob("*.dist-info")))


def leaks(folder: Path, *said: Ran) -> list[str]:
    """Return where a secret is, below a folder or in what was said."""
    texts = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    texts |= {f"output {number}": (ran.out + ran.err).encode() for number, ran in enumerate(said)}
    return [place for place, text in texts.items() for secret in (PASSWORD, BASIC) if secret.encode() in text]


def holds(install: Install, private: Index, tmp_path: Path, *options: str, **variables: str) -> None:
    """Check that a build with these options survives an outage, and leaves no trace of who asked."""
    first = install("A", *options, **variables)
    assert first.code == 0, first.err
    private.close()
    second = install("B", *options, **variables, **EXPIRED)
    assert second.code == 0, second.err
    assert installed(tmp_path / "B") == 5
    assert "served 5 pages stale" in second.ours[-1]
    assert not leaks(tmp_path / "cache", first, second)
    assert not (tmp_path / "cache/records-v1").exists()


def test_credentials_in_the_url(install: Install, private: Index, tmp_path: Path) -> None:
    url = private.url.replace("//", f"//{USER}:{PASSWORD}@")
    holds(install, private, tmp_path, url=url)
    wrong = private.url.replace("//", f"//{USER}:wrong@")
    assert install("C", url=wrong, **EXPIRED).code != 0
    assert install("D", **EXPIRED).code != 0


def test_credentials_in_a_netrc(install: Install, private: Index, tmp_path: Path) -> None:
    netrc = tmp_path / "home/.netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}")
    netrc.chmod(0o600)
    holds(install, private, tmp_path)
    netrc.unlink()
    assert install("C", **EXPIRED).code != 0


def test_credentials_in_a_keyring_that_pip_asks_after_a_401(install: Install, private: Index, tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/keyring.py").write_text(KEYRING)
    options, variables = ("--keyring-provider", "import"), {"PYTHONPATH": str(tmp_path / "modules")}
    holds(install, private, tmp_path, *options, **variables)
    assert install("C", *options, **variables, FAKE_PASSWORD="wrong", **EXPIRED).code != 0
    assert install("D", *options, **variables, CACHEDINDEX_OFFLINE="1").code == 0
    assert install("E", **EXPIRED).code != 0


def test_a_keyring_completes_the_name_in_the_url(install: Install, private: Index, tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/keyring.py").write_text(KEYRING)
    variables = {"PYTHONPATH": str(tmp_path / "modules"), "url": private.url.replace("//", f"//{USER}@")}
    holds(install, private, tmp_path, "--keyring-provider", "import", **variables)


def test_no_person_is_asked_for_the_credentials_of_a_copy(install: Install, private: Index, tmp_path: Path) -> None:
    assert install("A", url=private.url.replace("//", f"//{USER}:{PASSWORD}@")).code == 0
    private.close()
    ran = install("B", silent=False)
    assert ran.code == 1
    assert "User for" not in ran.out
    assert "EOFError" not in ran.err
    assert "could not get " in ran.ours[-1]


def test_a_private_copy_does_not_make_a_slow_public_index_fail(
    install: Install, private: Index, tmp_path: Path
) -> None:
    assert install("A", url=private.url.replace("//", f"//{USER}:{PASSWORD}@")).code == 0
    private.heal()
    private.seen.clear()
    private.fault(faults.slow(4.5), "/alpha/")
    assert install("B", silent=False).code == 0
    assert private.pages_seen().count("/simple/alpha/") == 1


def test_share_works_over_private_copies(install: Install, private: Index, tmp_path: Path) -> None:
    url, shared = private.url.replace("//", f"//{USER}:{PASSWORD}@"), {"CACHEDINDEX_SHARE": "1"}
    assert install("A", url=url).code == 0
    first = install("B", url=url, **shared)
    assert (first.code, first.ours) == (0, []), first.err
    assert installed(tmp_path / "B") == 5
    private.refuse()
    outage = install("C", url=url, **shared, **EXPIRED)
    assert outage.code == 0, outage.err
    private.heal()
    private.fault(faults.unless("Authorization", f"Basic {BASIC}"))
    for name, options in (("D", shared), ("E", {})):
        healthy = install(name, url=url, **options, **EXPIRED)
        assert healthy.code == 0, healthy.err
        assert "401" not in healthy.err


def test_a_healthy_keyring_build_asks_once_and_then_hits(install: Install, private: Index, tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/keyring.py").write_text(KEYRING)
    options, variables = ("--keyring-provider", "import"), {"PYTHONPATH": str(tmp_path / "modules")}
    assert install("A", *options, **variables).code == 0
    private.seen.clear()
    second = install("B", *options, **variables)
    assert second.code == 0, second.err
    assert second.ours == []
    # Only what asks who it is; the rest is fresh.
    assert [("authorization" in seen.headers) for seen in private.seen] == [False]
