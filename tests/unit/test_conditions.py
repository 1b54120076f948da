from __future__ import annotations

import json

import pytest

from cachedindex.model import Record
from cachedindex.rules import conditions
from cachedindex.rules.conditions import Conditions

JSON = {
    "name": "six",
    "files": [
        {"filename": "six-1.0.tar.gz", "url": "six-1.0.tar.gz", "yanked": False, "requires-python": None},
        {"filename": "six-1.1.tar.gz", "url": "six-1.1.tar.gz", "yanked": True, "requires-python": ">=3.8"},
        {"filename": "six-1.2.tar.gz", "url": "six-1.2.tar.gz", "yanked": "it deletes files"},
        {"filename": "six-1.3.tar.gz", "url": "six-1.3.tar.gz"},
    ],
}
HTML = """<html><body>
<a href="six-1.0.tar.gz">six-1.0.tar.gz</a>
<a href="six-1.1.tar.gz" data-yanked data-requires-python="&gt;=3.8">six-1.1.tar.gz</a>
<a href="six-1.2.tar.gz" data-yanked="it deletes files">six-1.2.tar.gz</a>
<a href="six-1.3.tar.gz" data-yanked-by="nobody">six-1.3.tar.gz</a>
</body></html>"""
EXPECTED = {
    "six-1.0.tar.gz": Conditions(),
    "six-1.1.tar.gz": Conditions("", ">=3.8"),
    "six-1.2.tar.gz": Conditions("it deletes files"),
    "six-1.3.tar.gz": Conditions(),
}


@pytest.mark.parametrize(("form", "body"), [("json", json.dumps(JSON)), ("html", HTML)])
def test_what_a_page_says_of_its_files(form: str, body: str) -> None:
    url = "https://index.example/simple/six/"
    stored = Record(url, url, {}, 0.0, 0.0, 0.0, len(body), "", page=body.encode(), form=form)
    assert conditions.of_files(stored) == EXPECTED
