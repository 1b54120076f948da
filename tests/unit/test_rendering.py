"""A page in JSON as HTML, which is to say the same to pip's own reader and to ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cachedindex.model import Record
from cachedindex.rules import pages, rendering

URL = "https://index.example/simple/zope-interface/"
JSON = "application/vnd.pypi.simple.v1+json"
A, B = "a" * 64, "b" * 64
FILES: list[dict[str, Any]] = [
    {
        "filename": "zope.interface-1.0.tar.gz",
        "url": "../../files/zope.interface-1.0.tar.gz",
        "hashes": {"md5": "0" * 32, "sha256": A},
        "requires-python": ">=3.8, <4",
        "yanked": 'it said "<b>" & broke',
        "gpg-sig": True,
        "size": 10,
        "upload-time": "2024-01-01T00:00:00Z",
    },
    {
        "filename": "zope_interface-2.0-py3-none-any.whl",
        "url": "https://files.example/a%2Bb/zope_interface-2.0-py3-none-any.whl?x=1&y=2",
        "hashes": {"sha256": B},
        "core-metadata": {"sha256": A},
        "yanked": True,
        "provenance": "https://index.example/provenance",
    },
    {
        "filename": "zope_interface-3.0-py3-none-any.whl",
        "url": "zope_interface-3.0-py3-none-any.whl#egg=x",
        "hashes": {},
        "dist-info-metadata": True,
        "yanked": False,
        "gpg-sig": False,
    },
]
PAGE = {
    "meta": {"api-version": "1.4", "_last-serial": 7, "tracks": ["https://up.example/simple/zope-interface/"]},
    "name": "zope.interface",
    "project-status": {"status": "deprecated", "reason": "Zürich"},
    "alternate-locations": ["https://other.example/simple/zope-interface/"],
    "files": FILES,
}
HTML = f"""<!DOCTYPE html>
<html>
<head>
<meta name="pypi:repository-version" content="1.4">
<meta name="pypi:project-status" content="deprecated">
<meta name="pypi:project-status-reason" content="Zürich">
<meta name="pypi:tracks" content="https://up.example/simple/zope-interface/">
<meta name="pypi:alternate-locations" content="https://other.example/simple/zope-interface/">
<title>Links for zope.interface</title>
</head>
<body>
<h1>Links for zope.interface</h1>
<a href="../../files/zope.interface-1.0.tar.gz#sha256={A}" data-requires-python="&gt;=3.8, &lt;4"\
 data-yanked="it said &quot;&lt;b&gt;&quot; &amp; broke" data-gpg-sig="true">zope.interface-1.0.tar.gz</a><br />
<a href="https://files.example/a%2Bb/zope_interface-2.0-py3-none-any.whl?x=1&amp;y=2#sha256={B}"\
 data-dist-info-metadata="sha256={A}" data-core-metadata="sha256={A}" data-yanked=""\
 data-provenance="https://index.example/provenance">zope_interface-2.0-py3-none-any.whl</a><br />
<a href="zope_interface-3.0-py3-none-any.whl#egg=x"\
 data-dist-info-metadata="true" data-core-metadata="true" data-gpg-sig="false"\
>zope_interface-3.0-py3-none-any.whl</a><br />
</body>
</html>
<!--SERIAL 7-->
"""


def record(page: object, media: str = JSON) -> Record:
    body = json.dumps(page).encode()
    headers = {"content-type": media, "etag": '"1"', "last-modified": "x", "cache-control": "max-age=1"}
    return Record(URL, URL, headers, 0, 0, 0, len(body), "", body, "json")


def test_a_page() -> None:
    rendered = rendering.as_html(record(PAGE))
    assert rendered.page is not None
    assert rendered.page.decode() == HTML
    assert rendered.size == len(rendered.page)
    assert rendered.headers == {"content-type": "text/html; charset=utf-8", "cache-control": "max-age=1"}
    assert rendered == rendering.as_html(record(json.loads(json.dumps(PAGE)))), "the same bytes each time"


def test_our_reader_finds_the_same() -> None:
    asked = record(PAGE)
    found, expected = (pages.stored(each) for each in (rendering.as_html(asked), asked))
    assert found.links == expected.links
    assert (found.status, found.serial) == (expected.status, expected.serial)


def test_pip_finds_the_same() -> None:
    collector = pytest.importorskip("pip._internal.index.collector")

    def links(of: Record) -> list[tuple[Any, ...]]:
        content = collector.IndexContent(of.page, of.headers["content-type"], "utf-8", URL)
        return [
            (link.url_without_fragment, link.filename, link.as_hashes().is_hash_allowed("sha256", link.hash or ""),
             link.requires_python, link.yanked_reason, link.metadata_file_data)
            for link in collector.parse_links(content)
        ]  # fmt: skip

    found = links(record(PAGE))
    assert len(found) == len(FILES)
    assert links(rendering.as_html(record(PAGE))) == found


@pytest.mark.parametrize("name", ["sha512", "sha384", "sha224", "sha1", "md5"])
def test_another_hash_is_better_than_none(name: str) -> None:
    file = {"filename": "z-1.zip", "url": "z-1.zip", "hashes": {"blake2b": "x", name: "00"}}
    page = rendering.as_html(record({"name": "z", "files": [file]})).page or b""
    assert f'href="z-1.zip#{name}=00"'.encode() in page


def test_the_list_of_all_projects() -> None:
    page = rendering.as_html(record({"projects": [{"name": "Zope.Interface"}, {"name": "six"}]})).page or b""
    assert b'<a href="zope-interface/">Zope.Interface</a>' in page
    assert pages.read("https://index.example/simple/", "text/html", page).projects == 2


def test_what_is_no_json_of_an_index_stays() -> None:
    """An index that has no JSON answers a request for JSON with HTML."""
    html = record("", "text/html")
    assert rendering.as_html(html) is html


@pytest.mark.parametrize("page", [[], {}, {"name": "z", "files": [{}]}, {"name": "z", "files": [3]}])
def test_malformed_json_is_not_rendered(page: object) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)):
        rendering.as_html(record(page))


def test_a_page_without_a_serial_gets_none() -> None:
    body = json.dumps({"name": "six", "files": []}).encode()
    record = Record(URL, URL, {"content-type": JSON}, 0, 0, 0, len(body), "", body, "json")
    assert b"SERIAL" not in (rendering.as_html(record).page or b"")
