from __future__ import annotations

import json
from urllib.parse import urljoin

import pytest

from cachedindex.model import Kind, Record, Request
from cachedindex.rules import pages
from cachedindex.rules.pages import Link, NoIndexPage, Page

URL = "https://index.example/simple/zope-interface/"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html; charset=utf-8"
A, B = "a" * 64, "b" * 64


def as_json(*files: object, name: str = "zope.interface", **more: object) -> bytes:
    return json.dumps({"name": name, "files": files, **more}).encode()


def test_a_json_page() -> None:
    body = as_json(
        {"url": "../../f/z-1.whl", "filename": "z-1.whl", "hashes": {"sha256": A}, "core-metadata": {"sha256": B}},
        {"url": "https://files.example/z-1.zip#sha256=x", "filename": "z-1.zip", "hashes": {"md5": "x"}},
        {"url": "z-2.whl", "filename": "z-2.whl", "hashes": {}, "core-metadata": True},
    )
    assert pages.read(URL, JSON, body).links == (
        Link("https://index.example/f/z-1.whl", "z-1.whl", A, B),
        Link("https://files.example/z-1.zip", "z-1.zip", None, None),
        Link(f"{URL}z-2.whl", "z-2.whl", None, None),
    )


def test_an_html_page() -> None:
    body = f"""<a href="../../f/z-1.whl#sha256={A}" data-requires-python=">=3.8" data-core-metadata="sha256={B}">z</a>
    <A HREF='https://files.example/z-1.tar.gz?x=1&amp;y=2'>z</A> <a href=z-2.zip>z</a> <a href="/about">about</a>"""
    assert pages.read(URL, HTML, body.encode()).links == (
        Link("https://index.example/f/z-1.whl", "z-1.whl", A, B),
        Link("https://files.example/z-1.tar.gz?x=1&y=2", "z-1.tar.gz", None, None),
        Link(f"{URL}z-2.zip", "z-2.zip", None, None),
    )


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, as_json()),
        (JSON, b'{"projects": [{"name": "a"}, {"name": "b"}]}'),
        (HTML, b"<title>Links for zope-interface</title>"),
        (HTML, b'<meta name="pypi:repository-version" content="1.0">'),
        (HTML, b'<a href="a/">a</a><a href="/simple/zope-interface/b/">b</a>'),
    ],
)
def test_pages_without_files(content_type: str, body: bytes) -> None:
    assert pages.read(URL, content_type, body).links == ()


def test_a_link_that_leads_nowhere_makes_no_page_unsound() -> None:
    good = Link(f"{URL}z-1.zip", "z-1.zip", None, None)
    for bad in ("http://[bad/z-0.zip", "http://b\u2100d.example/z-0.zip"):  # Its host has a slash in it (NFKC).
        assert pages.read(URL, HTML, f'<a href="{bad}">z</a><a href="z-1.zip">z</a>'.encode()).links == (good,)
        files = ({"url": bad, "filename": "z-0.zip"}, {"url": "z-1.zip", "filename": "z-1.zip"})
        assert pages.read(URL, JSON, as_json(*files)).links == (good,)


@pytest.mark.parametrize(
    ("before", "start"),
    [
        (b"", "https://files.example/x/"),
        (b"<base target=_blank>", "https://files.example/x/"),
        (b'<base href="">', URL),
    ],
)
def test_links_start_from_the_first_base_that_a_page_names(before: bytes, start: str) -> None:
    body = before + b'<base href="https://files.example/x/"><a href="z-1.zip">z</a>'
    assert pages.read(URL, HTML, body).links[0].url == f"{start}z-1.zip"


def test_attributes_may_hold_bare_brackets() -> None:
    body = b"""<a data-requires-python='>=3.8, <4' href="z-1.zip">z</a>
    <a data-requires-python=">3,<a" href="z-2.zip">z</a>"""
    assert [link.filename for link in pages.read(URL, HTML, body).links] == ["z-1.zip", "z-2.zip"]


def test_a_broken_page_takes_no_longer_than_a_good_one() -> None:
    # Quadratic, this would take minutes; the suite's time is the assertion.
    with pytest.raises(NoIndexPage):
        pages.read(URL, HTML, b'<a "' * 250_000)
    with pytest.raises(NoIndexPage):
        pages.read(URL, HTML, b"<a " + b"x" * 2_000_000 + b">")


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        (JSON, b'{"files": [', "broken JSON"),
        (JSON, b"[" * 1_000_000, "broken JSON"),
        (JSON, b"[]", "JSON, but no index page"),
        (JSON, b'{"error": "down"}', "JSON, but no index page"),
        (JSON, as_json(name="six"), "another project's page"),
        (JSON, as_json({"filename": "z"}), "no URL"),
        (HTML, b"<form action=/login>", "HTML, but no index page"),
        (HTML, b"", "HTML, but no index page"),
        (HTML, b'<a href="https://status.example/">status</a>', "HTML, but no index page"),
        ("application/octet-stream", b"x", "application/octet-stream instead of an index page"),
        ("", b"x", "a body without a type instead of an index page"),
    ],
)
def test_what_is_no_index_page(content_type: str, body: bytes, said: str) -> None:
    with pytest.raises(NoIndexPage, match=said):
        pages.read(URL, content_type, body)


@pytest.mark.parametrize(
    ("page", "file", "may"),
    [
        ("https://index.example/simple/zope-interface/", "https://f.example/zope.interface-5.0.tar.gz", True),
        ("https://index.example/simple/zope-interface/", "https://f.example/zope_interface-5.0-x.whl.metadata", True),
        ("https://index.example/simple/zope/", "https://f.example/zope.interface-5.0.tar.gz", True),
        ("https://index.example/simple/six/", "https://f.example/zope.interface-5.0.tar.gz", False),
        ("https://index.example/links.html", "https://f.example/zope.interface-5.0.tar.gz", True),
    ],
)
def test_which_page_may_list_a_file(page: str, file: str, may: bool) -> None:
    assert (pages.group(page) in pages.groups_of(file)) is may


@pytest.mark.parametrize(
    ("page", "sample", "is_flat"),
    [
        ("https://h.example/wheels/", b'<a href="alpha-1.0.tar.gz#sha256=00">', True),
        ("https://h.example/alpha/", b'<a href="alpha-1.0.tar.gz">...<a href="beta-1.0-py3-none-any.whl">', True),
        ("https://h.example/simple/pyyaml/", b'<a href="../../ab/PyYAML-3.1.zip">PyYAML-3.1.zip</a>', False),
        ("https://h.example/simple/six/", b'{"files":[{"filename":"six-1.0.whl","url":"x/six-1.0.whl"}]}', False),
        ("https://h.example/simple/six/", b"<html>nothing</html>", False),
    ],
)
def test_a_page_is_flat_if_it_lists_files_of_others(page: str, sample: bytes, is_flat: bool) -> None:
    assert (pages.group(page, sample) == "") is is_flat


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "", None),
        ("", "abc", None),
        ("abcd", "abcde", None),
        ("abcd", "ab", None),
        ("abcde", "abc", None),
        ("abcd", "a", "it lost 3 of its 4 files"),
        ("abcd", "", "it lists none of the files that it had"),
        ("abcd", "wxyz", "it lists none of the files that it had"),
    ],
)
def test_what_a_page_lost(before: str, after: str, said: str | None) -> None:
    def page(names: str) -> Page:
        return Page(tuple(Link(f"https://f.example/{name}", name, None, None) for name in names))

    assert pages.lost(page(before), page(after)) == said


@pytest.mark.parametrize(
    ("url", "page", "is_anothers"),
    [
        (URL, "<title>Links for six</title><a href='six-1.zip'>", True),
        (URL, "<h1>Links for six</h1>", True),
        (URL, "<title>Links for Zope_Interface</title>", False),
        (URL, "<title>Links for all of us</title><a href='six-1.zip'>", False),
        (URL, "<title>Links for six</title><a href='zope.interface-1.zip'>", False),  # only the title is odd
        ("https://index.example/links.html", "<title>Links for six</title>", False),
    ],
)
def test_html_that_says_whose_it_is(url: str, page: str, is_anothers: bool) -> None:
    if not is_anothers:
        assert pages.read(url, HTML, page.encode())
        return
    with pytest.raises(NoIndexPage, match="another project's page"):
        pages.read(url, HTML, page.encode())


@pytest.mark.parametrize(
    "meta",
    [
        b'<meta name="pypi:project-status" content="quarantined">',
        b"<META content=quarantined name=pypi:project-status />",
        b'<meta name="pypi:repository-version" content="1.4"><meta\n name="pypi:project-status" content="Quarantined">',
    ],
)
def test_a_quarantine_however_it_is_written(meta: bytes) -> None:
    assert pages.read(URL, HTML, b"<title>Links for zope-interface</title>" + meta).status == "quarantined"


def test_serial_and_status() -> None:
    html = b"<title>Links for zope-interface</title><meta name='pypi:project-status' content='archived'><!--SERIAL 7-->"
    page = pages.read(URL, HTML, html)
    assert (page.status, page.serial) == ("archived", 7)
    page = pages.read(URL, JSON, as_json(meta={"_last-serial": 8}, **{"project-status": {"status": "quarantined"}}))
    assert (page.status, page.serial) == ("quarantined", 8)
    assert pages.serial(page, {"x-pypi-last-serial": "9"}) == 9
    assert pages.serial(page, {"x-pypi-last-serial": "x"}) == 8
    odd = pages.read(URL, JSON, as_json(meta=[], **{"project-status": "?"}))
    assert (odd.status, odd.serial) == ("active", None)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (0, 0, None),
        (0, 5, None),
        (4, 2, None),
        (5, 2, "it lists 2 projects of 5"),
        (4, 1, "it lists 1 projects of 4"),
        (4, 0, "it lists 0 projects of 4"),
    ],
)
def test_what_a_project_list_lost(before: int, after: int, said: str | None) -> None:
    def html(count: int) -> bytes:
        return b"<title>Simple index</title>" + b"".join(b"<a href='p%d/'>p</a>" % number for number in range(count))

    def as_list(count: int) -> bytes:
        return json.dumps({"projects": [{"name": f"p{number}"} for number in range(count)]}).encode()

    root = "https://index.example/simple/"
    for media, form in ((HTML, html), (JSON, as_list)):
        assert pages.lost(pages.read(root, media, form(before)), pages.read(root, media, form(after))) == said


def test_html_with_a_hole_in_it_is_no_page() -> None:
    with pytest.raises(NoIndexPage, match="zeros"):
        pages.read(URL, HTML, b"<a href='z-1.zip'>z</a>" + bytes(9))


@pytest.mark.parametrize(
    "body",
    [
        b"<body></body>",  # pypicloud#101, for a project that it does not have
        b"<!DOCTYPE html><html><head></head><body></body></html>",
        (
            b"<html><title>Index of /dist</title><h1>Index of /dist</h1><a href='?C=N;O=D'>Name</a>"
            b"<a href='/'>Parent Directory</a><a href='README.txt'>README.txt</a></html>"
        ),
        b"<html><body><a name=top></a><a href='https://index.example/other/'>x</a></body></html>",
    ],
)
def test_a_page_that_lists_nothing(body: bytes) -> None:
    assert pages.read(URL, HTML, body).links == ()


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body><form action=/login><input type=password></form></body></html>",
        b"<html><body><input type=password></body></html>",
        b"<html><head><script>location = '/login'</script></head></html>",
        b"<html><head><meta http-equiv='refresh' content='0; url=/login'></head><body></body></html>",
        b"<html><body><iframe src=/login></iframe></body></html>",
        b"<html><body><a href='https://login.example/'>Log in</a></body></html>",
        b"<html><body><a href='//login.example/'>Log in</a></body></html>",
        b"<html><body><a href='mailto:support@login.example'>Help</a></body></html>",
        b"<html><body><a href='//[/'>Help</a></body></html>",
        b"Service unavailable",
        b"  ",
    ],
)
def test_a_portals_page_lists_nothing_either_but_is_no_page(body: bytes) -> None:
    with pytest.raises(NoIndexPage):
        pages.read(URL, HTML, body)


@pytest.mark.parametrize(
    "body",
    [
        b'<a href="https://u:p@index.example/x">',
        b'<a href="//u@index.example/x">',
        rb'{"url": "https:\/\/u:p@index.example\/x"}',
        rb'{"url": "https://u:p\u0040index.example/x"}',
        b'<a href="https://u:p&#64;index.example/x">',
        b'<a href="https://u:p&#x40;index.example/x">',
        b'<a href="https://u:p&commat;index.example/x">',
        b'<a href="x.whl?X-Amz-Signature=1">',
        b'<a href="x.whl?se=1&amp;sig=1">',
        b'<a href="x.whl?AWSAccessKeyId=1">',
        rb'{"url": "x.whl?a=1\u0026access_token=1"}',
        b'<a href="https:&#x2F;&#x2F;u:p@index.example&#x2F;x">',
        b'<a href="https:&sol;&sol;u:p@index.example/x">',
        rb'{"url": "https:\u002F\u002fu:p@index.example/x"}',
        b'<a href="x.whl?token&#x3D;1">',
        b'<a href="x.whl&quest;token&equals;1">',
        rb'{"url": "x.whl?token\u003d1"}',
        b'<a href="x.whl?exp=1&amp;hmac=1">',
    ],
)
def test_a_page_that_holds_credentials(body: bytes) -> None:
    assert pages.holds_credentials(b"before " + body + b" after")


@pytest.mark.parametrize(
    "body",
    [b"", b'<a href="x.whl?version=1" data-requires-python="&gt;=3">', b'<a href="https://index.example/a@1/x">',
     b"mailto:me@index.example", b"// comment @ x", b"token=1",
     b'<a href="x.whl?author=1" title="&#64; a &#x2F; b">'],
)  # fmt: skip
def test_a_page_that_holds_none(body: bytes) -> None:
    assert not pages.holds_credentials(body)


def test_the_group_of_a_page_with_a_long_word_is_found_in_linear_time() -> None:
    """Such as a page with a token of 200 kB; in quadratic time this would not end."""
    assert pages.group(URL, b"a" * 200_000 + b" zope.interface-1.0.tar.gz " + b"b" * 200_000 + b".whl") == pages.group(
        URL
    )


@pytest.mark.parametrize("media", ["application/json", JSON])
def test_links_are_relative_to_the_end_of_the_redirects(media: str) -> None:
    link = Link("https://cdn.example/z/z-1.zip", "z-1.zip", None, None)
    json_page, html_page = as_json({"url": "z-1.zip", "filename": "z-1.zip"}), b"<a href=z-1.zip>z</a>"
    assert pages.read(URL, media, json_page, "https://cdn.example/z/").links == (link,)
    assert pages.read(URL, HTML, html_page, "https://cdn.example/z/").links == (link,)


def test_a_folder_of_files_lists_no_projects() -> None:
    assert pages.read(URL, HTML, b"<a href=z-1.zip>z</a><a href=z-2.zip>z</a>").projects == 0
    assert pages.read(URL, JSON, as_json()).projects == 0


@pytest.mark.parametrize("body", [b'<html><a href="http://[bad/">x</a></html>', b'<h1>x</h1><a href="//[">x</a>'])
def test_html_whose_only_link_is_malformed_is_no_index_page(body: bytes) -> None:
    with pytest.raises(NoIndexPage):
        pages.read(URL, HTML, body)


def test_a_malformed_base_is_none() -> None:
    body = b'<base href="http://[bad/"><a href=z-1.zip>z</a>'
    assert pages.read(URL, HTML, body).links == (Link(f"{URL}z-1.zip", "z-1.zip", None, None),)


@pytest.mark.parametrize("file", [7, None, "z-1.zip", {}, {"url": 7}])
def test_a_file_without_a_url_makes_no_page(file: object) -> None:
    with pytest.raises(NoIndexPage, match="no URL"):
        pages.read(URL, JSON, as_json(file))


@pytest.mark.parametrize("hashes", [{"sha256": 7}, {"sha256": "short"}, {"sha256": None}, [], "x"])
def test_what_is_no_sha256_promises_nothing(hashes: object) -> None:
    (link,) = pages.read(URL, JSON, as_json({"url": "z-1.zip", "hashes": hashes, "core-metadata": hashes})).links
    assert (link.sha256, link.metadata_sha256) == (None, None)


def test_metadata_under_its_older_name() -> None:
    """Before PEP 714 it was `dist-info-metadata`."""
    body = f"<a href=z-1.whl data-dist-info-metadata=sha256={B}>z</a>".encode()
    (html,) = pages.read(URL, HTML, body).links
    (from_json,) = pages.read(URL, JSON, as_json({"url": "z-1.whl", "dist-info-metadata": {"sha256": B}})).links
    assert html.metadata_sha256 == from_json.metadata_sha256 == B


@pytest.mark.parametrize(("last", "serial"), [(7, 7), ("7", None), (None, None)])
def test_a_serial_is_a_number(last: object, serial: int | None) -> None:
    assert pages.read(URL, JSON, as_json(meta={"_last-serial": last})).serial == serial


@pytest.mark.parametrize(
    ("content_type", "body", "is_closed"),
    [
        (HTML, b"<html><a></html>", True),
        (HTML, b"<html><a>", False),
        (HTML, b"<a href=x>", True),
        (JSON, b'{"name": "<html>"', True),
    ],
)
def test_html_that_was_opened_is_to_be_closed(content_type: str, body: bytes, is_closed: bool) -> None:
    assert pages.is_closed(content_type, body) is is_closed


@pytest.mark.parametrize(
    ("kind", "url", "is_read"),
    [
        ("page", URL, True),
        ("other", "https://index.example/base.cfg", True),
        ("other", "https://index.example/z-1.zip", False),
        ("file", "https://index.example/base.cfg", False),
    ],
)
def test_what_is_judged_by_its_whole_body(kind: Kind, url: str, is_read: bool) -> None:
    assert pages.is_read_whole(Request("GET", url, kind)) is is_read


OTHERWISE = "https://index.example/simple/Zope.Interface/"


@pytest.mark.parametrize(
    ("content_type", "body", "url", "is_for"),
    [
        (JSON, as_json(), OTHERWISE, True),
        (JSON, b'{"projects": []}', OTHERWISE, False),
        (HTML, b"<title>Links for zope.interface</title>", OTHERWISE, True),
        (HTML, b"<title>Links for another</title>", OTHERWISE, False),
        # a folder of find-links says whose it is by its files only
        (HTML, b"<a href=zope.interface-1.0.zip>z</a>", OTHERWISE, True),
        (HTML, b"<a href=six-1.0.zip>z</a>", OTHERWISE, False),
        (HTML, b"<title>Links for zope.interface</title>", "https://index.example/simple/zope/", False),
        (JSON, as_json(), "https://index.example/other/zope-interface/", False),
        (HTML, None, OTHERWISE, False),
    ],
)
def test_for_which_spelling_a_record_is_as_well(content_type: str, body: bytes | None, url: str, is_for: bool) -> None:
    record = Record(URL, URL, {"content-type": content_type}, 0, 0, 0, 0, "", body)
    assert pages.is_for(record, url) is is_for


@pytest.mark.parametrize(
    "target",
    ["/files/z-1.zip", "/files//z-1.zip#sha256=0", "/../z-1.zip", "/a/./z-1.zip", "/z-1.zip?a=/..",
     "//cdn.example/z-1.zip", "/z-1.zip;a", "../z-1.zip", "/", "/.z-1.zip"],
)  # fmt: skip
@pytest.mark.parametrize("url", [URL, "HTTPS://index.example/simple/z/", "https://index.example"])
def test_a_link_is_joined_as_urllib_does(url: str, target: str) -> None:
    assert pages._joined(url, target) == urljoin(url, target)


def test_the_links_of_a_page_are_made_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is stored for the first time is compared with none."""
    joined: list[str] = []
    monkeypatch.setattr(pages, "_joined", lambda _url, target: joined.append(target) or target)
    page = pages.read(URL, JSON, as_json(*({"url": f"z-{number}.zip", "filename": "z"} for number in range(9))))
    assert not joined
    assert len(page.links) == len(page.links) == len(joined) == 9


@pytest.mark.parametrize(
    ("content_type", "beginning", "may_be"),
    [
        (JSON, b'{"files": [', True),
        ("application/json; charset=utf-8", b"\xef\xbb\xbf\r\n[", True),
        (JSON, b"<html>", False),
        (HTML, b"\n<!DOCTYPE html>", True),
        ("TEXT/HTML", b"{}", False),
        (HTML, b"PK\x03\x04\0<", False),
        (JSON, b"{\0", False),
    ],
)
def test_how_a_page_may_begin(content_type: str, beginning: bytes, may_be: bool) -> None:
    assert pages.is_type(content_type)
    assert pages.may_begin_with(content_type, beginning) is may_be


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/zip", "application/jsonlines"])
def test_a_type_that_no_page_has(content_type: str) -> None:
    assert not pages.is_type(content_type)


@pytest.mark.parametrize(
    ("body", "has"),
    [(b"<a href=z-1.zip>", True), (b'{"url": "x/z-1.0.tar.gz"}', True), (b"z-1.txt", False), (b"", False)],
)
def test_whether_a_page_names_a_distribution(body: bytes, has: bool) -> None:
    assert pages.names_files(body) is has
