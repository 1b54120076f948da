"""What indexes say of storing, and for how long; and addresses that change while the file stays the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran
from tests.field.conftest import installed, settings
from tests.index import Handler, Index

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}


def saying(control: str) -> faults.Fault:
    """Have the index answer as it does, with this Cache-Control."""

    def fault(handler: Handler) -> bool:
        status, headers, content = handler.answer()
        handler.reply(status, {**headers, "Cache-Control": control}, content)
        return False

    return fault


FORBIDDEN = saying("no-cache, no-store, must-revalidate")


def test_an_index_forbids_storing(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # uv#16959, uv#15480, test-infra#8238: one option stores it all the same, and an outage says that it is forbidden.
    index.fault(FORBIDDEN)
    assert pip_install("A", "alpha").code == 0
    index.refuse()
    second = pip_install("B", "alpha", "--retries", "0")
    assert second.code == 1
    assert "it forbids to store its answers" in second.ours[-1]


def test_an_index_forbids_storing_and_an_option_overrides_it(
    pip_install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    index.fault(FORBIDDEN)
    own = settings(tmp_path, index, "store = always", path="")
    assert pip_install("A", "alpha", **own).code == 0
    index.refuse()
    second = pip_install("B", "alpha", **own, **EXPIRED)
    assert second.code == 0, second.err
    assert installed(tmp_path / "A") == installed(tmp_path / "B")


def test_private_is_said_to_an_anonymous_client(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # Rails' default: this user may keep it (RFC 9111, section 5.2.2.7).
    index.fault(saying("max-age=0, private, must-revalidate"))
    assert pip_install("A", "alpha").code == 0
    index.refuse()
    second = pip_install("B", "alpha", **EXPIRED)
    assert second.code == 0, second.err
    assert installed(tmp_path / "A") == installed(tmp_path / "B")


@pytest.mark.parametrize("obeyed", [False, True])
def test_must_revalidate(pip_install: Callable[..., Ran], index: Index, tmp_path: Path, obeyed: bool) -> None:
    # test-infra#8238, RFC 9111, section 5.2.2.2: served stale, unless an option says that the index means it.
    index.fault(saying("max-age=0, must-revalidate"))
    own = settings(tmp_path, index, "stale-if-error = never") if obeyed else {}
    assert pip_install("A", "alpha", **own).code == 0
    index.refuse()
    second = pip_install("B", "alpha", "--retries", "0", **own)
    assert second.code == (1 if obeyed else 0), second.err


def test_a_page_changes_within_its_time_to_live(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # socket-python-cli#290: a page without max-age is fresh for a minute; one option has it asked for each time.
    assert pip_install("A", "--no-deps", "alpha").code == 0
    packages.add_wheel(index.folder, "alpha", "2.0")
    for folder, own, version in (("B", {}, "1.0"), ("C", settings(tmp_path, index, "index-ttl = 0"), "2.0")):
        ran = pip_install(folder, "--no-deps", "alpha", **own)
        assert ran.code == 0, ran.err
        assert installed(tmp_path / folder) == [f"alpha-{version}.dist-info"]


def test_links_are_signed_anew_in_each_answer(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # terraform-aws-serverless-pypi, pip#10790: foo.whl?sig=...#sha256=... is the same file, whatever its signature.
    index.speaks_json = False
    numbers = count()

    def sign(page: bytes) -> bytes:
        signed = page.replace(b"#sha256=", b"?sig=s3cr3t%d#sha256=" % next(numbers))
        return re.sub(rb' data-core-metadata="[^"]*"', b"", signed)  # Only the file itself can be signed.

    index.fault(faults.altered(sign), "^/simple/")
    index.fault(_signed, "^/files/")
    assert pip_install("A", "alpha").code == 0
    index.seen.clear()
    second = pip_install("B", "alpha", **EXPIRED)
    assert second.code == 0, second.err
    assert not [seen.path for seen in index.seen if ".whl?" in seen.path]
    index.refuse()
    third = pip_install("C", "alpha", **EXPIRED)
    assert third.code == 0, third.err
    assert installed(tmp_path / "A") == installed(tmp_path / "C")
    blobs = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and "page" not in path.name]
    assert not [path for path in blobs if b"s3cr3t" in path.read_bytes()]


def _signed(handler: Handler) -> bool:
    return "?sig=" in handler.path or faults.status(403)(handler)


def test_a_lock_file_names_each_wheel(pip_install: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # pip#13876, uv#20393: a second install from a lock asks for nothing, as with the bare pip.
    index.fault(saying("max-age=31536000, immutable"), "^/files/")
    wheel = next(index.folder.glob("epsilon-1.0-*"))
    lock = tmp_path / "pylock.toml"
    lock.write_text(f"""
lock-version = "1.0"
created-by = "tests"
[[packages]]
name = "epsilon"
version = "1.0"
[[packages.wheels]]
name = "{wheel.name}"
url = "{index.origin}/files/{wheel.name}"
[packages.wheels.hashes]
sha256 = "{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
""")
    assert pip_install("A", "-r", str(lock)).code == 0
    index.seen.clear()
    second = pip_install("B", "-r", str(lock))
    assert second.code == 0, second.err
    assert index.seen == []
    index.refuse()
    assert pip_install("C", "-r", str(lock)).code == 0
