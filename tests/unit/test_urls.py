from __future__ import annotations

import pytest

from cachedindex.rules import urls

JSON = "application/vnd.pypi.simple.v1+json"
A = "a" * 64


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@index.example/simple/?token=1#x", "https://index.example/simple/"),
        ("https://index.example:8443/a", "https://index.example:8443/a"),
        ("https://a@b@index.example/", "https://index.example/"),
    ],
)
def test_what_may_be_shown(url: str, shown: str) -> None:
    assert urls.public(url) == shown


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Index.Example/simple/", "https://index.example"),
        ("https://index.example:443/", "https://index.example"),
        ("http://index.example:8080/", "http://index.example:8080"),
        ("http://[::1]:80/", "http://::1"),
        ("http://index.example:99999/", "http://index.example:99999"),
        ("https:///simple/", "https://"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert urls.origin(url) == origin


@pytest.mark.parametrize(
    ("url", "accept", "sha256", "kind"),
    [
        ("https://index.example/simple/six/", "", None, "page"),
        ("https://index.example/simple/six", JSON, None, "page"),
        ("https://index.example/links.html", "", None, "page"),
        ("https://index.example/six-1.0.whl", "", None, "other"),
        ("https://index.example/six-1.0.whl", "", A, "file"),
        ("https://index.example/requirements.txt", "text/html", None, "other"),
    ],
)
def test_kinds(url: str, accept: str, sha256: str | None, kind: str) -> None:
    assert urls.kind(url, accept, sha256) == kind


@pytest.mark.parametrize(
    ("fragment", "digest"),
    [(f"sha256={A}", A), ("sha256=short", None), (f"md5={A}", None), ("", None), (f"sha256={A.upper()}", None)],
)
def test_what_a_fragment_promises(fragment: str, digest: str | None) -> None:
    assert urls.promised(fragment) == digest


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        ("https://index.example/simple/six/", "https://index.example/simple/"),
        ("https://index.example/simple/six", "https://index.example/simple/"),
        ("https://index.example/simple/", "https://index.example/"),
        ("https://index.example/six/", "https://index.example/"),
        ("https://index.example/", "https://index.example/"),
        ("https://index.example", "https://index.example/"),
        ("https://Index.example:443/simple/six/?a=1#scope", "https://index.example/simple/"),
        ("https://index.example/links/all.html", "https://index.example/links/"),
        ("https://index.example/cfg/base.cfg", "https://index.example/cfg/"),
        # the folders of one index's files
        ("https://index.example/packages/0a/9f/0123456789abcdef/six-1.0.zip", "https://index.example/packages/"),
        ("https://index.example/root/+f/0a9/0123456789abc/six-1.0.zip", "https://index.example/root/+f/"),
        ("https://index.example/cafe/six/", "https://index.example/cafe/"),
    ],
)
def test_the_part_of_an_origin_that_fails_by_itself(url: str, repository: str) -> None:
    assert urls.repository(url) == repository


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://index.example/simple/Zope.Interface/", "https://index.example/simple/zope-interface/"),
        ("https://index.example/simple/zope%2Einterface/", "https://index.example/simple/zope-interface/"),
        ("https://index.example/simple/a__b/?a=1", "https://index.example/simple/a-b/?a=1"),
        ("https://index.example/simple/six", "https://index.example/simple/six"),
        ("https://Index.example/", "https://Index.example/"),
        ("https://index.example/simple/_x_/", "https://index.example/simple/_x_/"),
        ("https://index.example/links/All.Html", "https://index.example/links/All.Html"),
        ("https://index.example/a%2FB/", "https://index.example/a%2FB/"),
    ],
)
def test_a_page_has_one_url_however_its_project_is_spelled(url: str, page: str) -> None:
    assert urls.page(url) == page


@pytest.mark.parametrize(
    ("header", "url", "is_its"),
    [
        ("index.example", "https://index.example/simple/", True),
        (" Index.Example ", "https://u:p@index.example/simple/", True),
        ("index.example", "https://index.example:8443/simple/", True),
        ("index.example:8443", "https://index.example:8443/simple/", True),
        ("index.example:8444", "https://index.example:8443/simple/", False),
        ("other.example", "https://index.example/simple/", False),
        ("", "https://index.example/simple/", False),
    ],
)
def test_whether_a_host_header_names_the_host_of_a_url(header: str, url: str, is_its: bool) -> None:
    assert urls.is_host_of(header, url) is is_its


def test_a_file_is_stored_without_its_query_which_may_be_a_signature() -> None:
    assert urls.of_file("https://files.example/six-1.0.whl?sig=1", A) == f"https://files.example/six-1.0.whl?sha256={A}"
    assert urls.of_file("https://files.example/six-1.0.whl", A) == "https://files.example/six-1.0.whl"


@pytest.mark.parametrize(
    ("url", "project"),
    [
        ("https://index.example/simple/Zope.Interface/", "zope-interface"),
        ("https://files.example/zope_interface-1.0.tar.gz", "zope-interface"),
        ("https://files.example/zope%2Einterface-1.0.tar.gz", "zope-interface"),
        ("https://files.example/base.cfg", "https://files.example/base.cfg"),
    ],
)
def test_the_project_of_a_page_and_of_its_files(url: str, project: str) -> None:
    assert urls.project_of(url) == project


@pytest.mark.parametrize(
    ("segment", "is_token"),
    [
        ("glpat-abcdefgh", True),
        ("eyJ12345678", True),
        ("eyJ1234567", False),
        ("aB3" * 6, True),
        ("a" * 32, True),
        ("a" * 40, False),
        ("simple", False),
        ("zope-interface", False),
        ("", False),
    ],
)
def test_which_part_of_a_path_looks_like_a_token(segment: str, is_token: bool) -> None:
    assert urls.is_token(segment) is is_token
