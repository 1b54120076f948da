"""What a look-up without a copy may ask the remote of its run for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cachedindex.lookup.answers import Answers
from cachedindex.lookup.context import Lookup
from cachedindex.lookup.copies import Copies
from cachedindex.lookup.distant import Distant
from cachedindex.lookup.given import GivenPages
from cachedindex.model import Request
from cachedindex.options import Settings
from cachedindex.remote import memory
from cachedindex.remote.helper import Interpreter
from cachedindex.run.folder import RunFolder
from cachedindex.run.report import Report
from cachedindex.store.store import Store
from tests import stored
from tests.values import replace

TOKEN = "glpat-aB3dE5gH7jK9mN"
PAGE = stored.page("six")
FILE = stored.file("six-1.0.whl", b"PK")


@pytest.mark.parametrize(
    ("request_", "may_ask"),
    [
        (PAGE, True),
        (replace(PAGE, url=f"https://index.example/{TOKEN}/simple/six/"), False),
        (PAGE.within("user"), False),
        (replace(PAGE, headers={"x-api-key": "s3cret"}), False),
        (FILE, True),
        (replace(FILE, url=f"https://files.example/{TOKEN}/six-1.0.whl"), True),  # By its digest alone.
        (replace(FILE, sha256=None), False),
    ],
)
def test_no_name_goes_there_that_may_be_secret(tmp_path: Path, request_: Request, may_ask: bool) -> None:
    settings, report, store = Settings(remote="s3://builds/prefix"), Report(run=RunFolder(tmp_path)), Store(tmp_path)
    memory.begin(tmp_path, Interpreter.own())
    copies = Copies(store, report)
    answers = Answers(copies, GivenPages(), report, time.time)
    distant = Distant(
        settings, store.root, report, copies, answers, lambda _: pytest.fail("it was looked up"), time.time
    )
    assert distant.may_have(Lookup(request_, settings)) is may_ask
