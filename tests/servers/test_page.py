"""The docs say of each server what it sends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import page
from tests.servers.conftest import of_each
from tests.servers.server import Server


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offered")
    page.offer_one(folder)
    return folder


@of_each(page.PLAYED)
def test_the_docs_have_what_the_server_sends(server: Server) -> None:
    assert page.row(server) in page.written(), "python -m tests.servers.page writes it anew"


def test_the_docs_have_a_row_for_each_server() -> None:
    rows = page.written().removeprefix(page.HEAD).splitlines()
    assert [row.split(" | ")[0] for row in rows] == [f"| {kind.name}" for kind in page.PLAYED]
