from __future__ import annotations

import pytest

from cachedindex.model import Kind, Request, Route
from cachedindex.rules import accept

JSON = "application/vnd.pypi.simple.v1+json"
PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"


def request(url: str, kind: Kind = "page", accepts: str = "", trust: str = "tls", proxy: str = "") -> Request:
    return Request("GET", url, kind, {"accept": accepts}, None, Route(trust, proxy))


@pytest.mark.parametrize(
    ("accepts", "forms"),
    [(PIP, ["json", "html"]), ("", ["html"]), ("text/html", ["html"]), ("*/*", ["html"]),
     ("text/html, a/b+json;q=0.5", ["html", "json"]), ("a/b+json;q=x", ["json"]), ("a/b+json, text/html;q=0", ["json"]),
     ("a/b+json, text/html", ["html", "json"]), ("a/b+json;q=x, text/html", ["html", "json"]),
     ("text/html;q=0", ["html"])],
)  # fmt: skip
def test_the_representations_that_a_request_names(accepts: str, forms: list[str]) -> None:
    assert list(accept.forms("page", accepts)) == forms


def test_json_serves_whoever_reads_html() -> None:
    assert list(accept.readable(("html",))) == ["html", "json"]
    assert list(accept.readable(("json",))) == ["json"]
    assert list(accept.readable(accept.forms("page", PIP))) == ["json", "html"]
    assert list(accept.readable(("",))) == [""]


def test_what_is_no_page_has_one_form() -> None:
    assert list(accept.forms("file", PIP)) == [""]


@pytest.mark.parametrize(
    ("accepts", "content_type", "form"),
    [
        (PIP, JSON, "json"),
        # an index that has no JSON is not asked for it each time
        (PIP, "text/html", "json"),
        # one that ignores the order of preference: the HTML record serves others, too
        ("text/html, a/b+json;q=0.5", JSON.upper(), "json"),
        ("text/html, a/b+json;q=0.5", "text/html", "html"),
        ("text/html", JSON, "html"),
        ("", "text/html", "html"),
    ],
)
def test_under_which_form_an_answer_is_stored(accepts: str, content_type: str, form: str) -> None:
    assert accept.kept_form(request("https://index.example/simple/six/", accepts=accepts), content_type) == form
