"""What a page promises for one file is what it promises for that file among all others."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from cachedindex.model import Record
from cachedindex.rules import pages, promised

URL = "https://index.example/simple/z/"
JSON, HTML = "application/vnd.pypi.simple.v1+json", "text/html"
A, B, C = (letter * 64 for letter in "abc")

FILES: list[dict[str, Any]] = [
    {"filename": "z-1.whl", "url": "/z-1.whl", "hashes": {"sha256": A}, "core-metadata": {"sha256": B}},
    {"core-metadata": {"sha256": C}, "hashes": {"sha256": B}, "url": "z-1.1.whl", "filename": "z-1.1.whl"},
    {"filename": "z-1+local.whl", "url": "https://cdn.example/z-1%2Blocal.whl", "hashes": {"sha256": B}},
    {"filename": "z-2+local.whl", "url": "https://cdn.example/z-2%2blocal.whl?a=b", "hashes": {"sha256": C}},
    {"filename": "z-3!.whl", "url": "https://cdn.example/z-3!.whl", "hashes": {"sha256": C}},
    {"filename": "z-4.whl", "url": "https://cdn.example/z-4.whl", "hashes": {"sha256": A},
     "yanked": '{"url": "z-4.whl"'},
    {"filename": "z-4.whl", "url": "https://cdn.example/z-4.whl", "hashes": {"sha256": B}, "yanked": "} {"},
    {"filename": "ż-5.whl", "url": "https://cdn.example/%C5%BC-5.whl", "hashes": {"sha256": A}},
    {"filename": "z-6.whl", "url": "https://cdn.example/z-6.whl", "hashes": {"md5": "00"}},
    {"filename": "z-7.whl", "url": "https://cdn.example/z-7.whl", "dist-info-metadata": {"sha256": C}, "hashes": {}},
    {"filename": "z-1.whl", "url": "https://u:p@cdn.example/z-1.whl#sha256=00", "hashes": {"sha256": C}},
    {"filename": "z-8.whl", "url": "//[/z-8.whl", "hashes": {"sha256": C}},
    {"more": {"url": "https://other.example/x"}, "url": "z-11.whl", "filename": "z-11.whl", "hashes": {"sha256": A}},
    {"filename": "z-12.whl", "url": "z-12.whl", "hashes": {"sha256": B}, "yanked": "<base href='//other.example/'>"},
]  # fmt: skip
ANCHORS = f"""
<a href="../z-1.whl#sha256={A}" data-core-metadata="sha256={B}" data-requires-python=">=3.8, <4">z-1.whl</a><br/>
<A HREF='z-1.1.whl#sha256={B}'>z-1.1.whl</A> <a href="z-1.whl.asc">z-1.whl.asc</a>
<a href=https://cdn.example/z-1%2Blocal.whl#sha256={B} data-dist-info-metadata=sha256={C}>z-1+local.whl</a>
<a data-yanked="for z-4.whl <" href="z-4.whl#sha256={A}">z-4.whl</a><a href="z-4.whl#sha256={B}">z-4.whl</a>
<a href="z-6.whl">z-6.whl</a><a name="z-9.whl">z-9.whl</a> z-10.whl <a href="x/z-1.whl?sig=a#sha256={C}">z-1.whl</a>
"""
PAGES = [
    (JSON, json.dumps({"name": "z", "files": FILES}, ensure_ascii=False)),
    (JSON, json.dumps({"files": FILES, "name": "z", "versions": ["z-1.whl"]}, indent=2)),
    (HTML, f"<title>Links for z</title>{ANCHORS}"),
    (HTML, f'<base target="x"><base href="https://other.example/a/"><title>Links for z</title>{ANCHORS}</body>'),
]


def record(content_type: str, text: str, final: str = URL) -> Record:
    """Return the record of a page."""
    body = text.encode()
    return Record(URL, final, {"content-type": content_type}, 0, 0, 0, len(body), sha256(body).hexdigest(), body)


def all_promises(page: Record) -> dict[str, dict[str, str]]:
    """Return what the whole page promises, by the name of the file."""
    found: dict[str, dict[str, str]] = {}
    for link in pages.stored(page).links:
        name = unquote(urlsplit(link.url).path.rpartition("/")[2])
        promises = {link.url: link.sha256, f"{link.url}.metadata": link.metadata_sha256}
        found.setdefault(name, {}).update({url: digest for url, digest in promises.items() if digest})
    return found


@pytest.mark.parametrize(("content_type", "text"), PAGES, ids=["JSON", "indented", "HTML", "base"])
def test_one_file_among_all(content_type: str, text: str) -> None:
    page = record(content_type, text)
    expected = all_promises(page)
    assert len(expected) >= 5
    listing = promised.listing(page)
    for name, promises in expected.items():
        assert promised.promises(listing, name) == promises, name
        assert promised.promises(listing, f"{name}.metadata") == promises, name


@pytest.mark.parametrize("name", ["z-10.whl", "z-9.whl", "z", "", "z-99.whl", "{", "z-6.whl", "(", "z-1.whl.asc"])
@pytest.mark.parametrize(("content_type", "text"), PAGES, ids=["JSON", "indented", "HTML", "base"])
def test_a_name_that_is_no_file_of_the_page(content_type: str, text: str, name: str) -> None:
    promises = promised.promises(promised.listing(record(content_type, text)), name)
    known = [each for found in all_promises(record(content_type, text)).values() for each in found.items()]
    assert all(promise in known for promise in promises.items())


def test_a_page_that_was_redirected_promises_what_its_end_lists() -> None:
    text = json.dumps({"name": "z", "files": [{"url": "z-1.whl", "hashes": {"sha256": A}}]})
    listing = promised.listing(record(JSON, text, "https://cdn.example/pages/index.v1.json"))
    assert promised.promises(listing, "z-1.whl") == {"https://cdn.example/pages/z-1.whl": A}


def test_a_page_that_is_no_page_promises_nothing() -> None:
    for text in (
        "",
        "{",
        "z-1.whl",
        '{"url": 7, "filename": "z-1.whl"}',
        "{" * 1000 + "z-1.whl",
        '{"url":' + "[" * 100_000 + "z-1.whl",
    ):
        assert promised.promises(promised.listing(record(JSON, text)), "z-1.whl") == {}


@pytest.mark.parametrize(("content_type", "text"), PAGES, ids=["JSON", "indented", "HTML", "base"])
def test_what_a_page_lists_and_says_of_one_file(content_type: str, text: str) -> None:
    listing = promised.listing(record(content_type, text))
    names = promised.names(listing)
    assert [name for name in names if "1" in name][:2] == ["z-1.whl", "z-1.1.whl"]
    assert len(names) == len(set(names))
    found = promised.entry(listing, "z-1.1.whl")
    assert found
    if content_type == JSON:
        assert found == FILES[1]
        assert promised.entry(listing, "z-99.whl") is None
    else:
        assert found["href"] == f"z-1.1.whl#sha256={B}"


@pytest.mark.parametrize(
    ("content_type", "text"),
    [(JSON, '"filename": "z-1.whl"'), (HTML, "z-1.whl"), (HTML, "<a>x</a> z-1.whl"), (HTML, "<a z-1.whl")],
)
def test_of_a_file_that_is_in_no_entry_a_page_says_nothing(content_type: str, text: str) -> None:
    assert promised.entry(promised.listing(record(content_type, text)), "z-1.whl") is None


PLAIN: list[dict[str, Any]] = [
    {"filename": "z-1-py3-none-any.whl", "url": "/a/z-1-py3-none-any.whl", "core-metadata": {"sha256": A}},
    {"url": "z-1.zip", "filename": "Z-1.zip", "yanked": "for z-2.zip"},
    {"filename": "z-1.zip", "url": "https://cdn.example/z-1.zip", "hashes": {"sha256": B}},
    {"filename": "z-1.zip.asc", "url": "z-1.zip.asc", "yanked": 'is \\ "z-1.zip" \u00e9'},
]


@pytest.mark.parametrize("indent", [None, 2])
def test_all_files_of_a_page_by_their_names(indent: int | None) -> None:
    text = json.dumps({"name": "url", "files": PLAIN}, indent=indent)
    assert promised.files(text) == ["z-1-py3-none-any.whl", "z-1.zip", "z-1.zip", "z-1.zip.asc"]
    assert [entry for _, entry in promised.entries(text, "z-1.zip")] == PLAIN[1:3]
    assert list(promised.entries(text, "z-2.zip")) == []


@pytest.mark.parametrize(
    "more",
    [
        '{"filename": "z", "url": "https://cdn.example/z%2D2.zip"}',
        '{"filename": "z", "url": "https://cdn.example/z-2.zip#egg=y-2"}',
        '{"filename": "z", "url": "https://cdn.example/z-2.zip?name=/y-2.zip"}',
        '{"filename": "z", "\\u0075rl": "z-2.zip"}',
        '{"filename": "z", "url": "z-\\u0032.zip"}',
        '{"url": "z-2.zip"}',
        '{"filename": "z", "more": {"url": "y.zip"}, "url": "z-2.zip"}',
        '{"filename": "z", "url": "z-2.zip", "yanked": "{"}',
        '{"filename": "z", "url": 7}',
        '{"filename": "z", "url": "https://cdn.example/z-2.zip/"}',
        '{"filename": "z", "url": "z-2.zip", "more": [ {} ]}',
        '{"filename": "z", "url": "z-2.zip"',
    ],
)
def test_a_page_whose_files_are_not_certain(more: str) -> None:
    """Whoever wants to know them has to read it as a whole."""
    text = f'{{"files": [{json.dumps(PLAIN[0])}, {more}]}}'
    assert promised.files(text) is None


@pytest.mark.parametrize("more", ['"gone": [{}]', '"files": [{}]'])
@pytest.mark.parametrize("page", ['{{"files": [{0}], {1}}}', '{{{1}, "files": [{0}]}}'])
def test_a_page_with_two_lists_of_objects(page: str, more: str) -> None:
    """Which of them are files is for whoever reads the page as a whole."""
    assert promised.files(page.format(json.dumps(PLAIN[2]), more.format(json.dumps(PLAIN[2])))) is None


@pytest.mark.parametrize("page", ['{{"latest":{0},"files":[]}}', '{{"files": [{{"url": "y.zip", "more" : {0}}}]}}'])
def test_an_object_that_is_the_value_of_a_key_is_no_file(page: str) -> None:
    text = page.format('{"filename": "z-1.zip", "url": "z-1.zip"}')
    assert list(promised.entries(text, "z-1.zip")) == []
