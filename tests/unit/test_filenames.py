from __future__ import annotations

import pytest

from cachedindex.rules import filenames, pages


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        ("six-1.17.0-py2.py3-none-any.whl", "six", "1.17.0"),
        ("six-1.17.0-py2.py3-none-any.whl.metadata", "six", "1.17.0"),
        ("zope_interface-7.2-1-cp311-cp311-linux_x86_64.whl", "zope-interface", "7.2"),
        ("zc.buildout-3.3.tar.gz", "zc-buildout", "3.3"),
        ("foo-2bar-1.0.tar.gz", "foo-2bar", "1.0"),
        ("foo-3-1.0.zip", "foo-3", "1.0"),
        ("foo-1.0-1.tar.gz", "foo", "1.0-1"),
        ("foo-bar-1.0rc1.post2.dev3+local.4.tar.bz2", "foo-bar", "1.0rc1.post2.dev3+local.4"),
        ("zc.recipe.egg-2.0.7-py3.11.egg", "zc-recipe-egg", "2.0.7"),
        ("lxml-3.4.0-py2.7-win32.egg", "lxml", "3.4.0"),
        ("lxml-3.4.0.win32-py2.7.exe", "lxml", "3.4.0"),
        ("pytz-2004b-snapshot.tar.gz", "pytz", "2004b-snapshot"),
        ("noversion.tar.gz", "noversion", ""),
        ("a-b-c-d-1.0.tar.gz", "a-b-c-d", "1.0"),
        ("lxml-5.0-cp311-cp311-linux_x86_64.whl", "lxml", "5.0"),
        ("foo-bar-1.0.whl", "foo-bar", "1.0"),
        ("noversion.whl", "noversion", ""),
        ("foo-2x.tar.gz", "foo", "2x"),
    ],
)
def test_what_a_name_says(filename: str, project: str, version: str) -> None:
    assert filenames.parsed(filename) == (project, version)


@pytest.mark.parametrize("filename", ["versions.cfg", "page.html", "", "six"])
def test_what_is_no_distribution(filename: str) -> None:
    assert filenames.parsed(filename) is None


@pytest.mark.parametrize(
    "spellings",
    [("1.0", "1", "v1.0.0", "01.0"), ("1.0a1", "1.0-alpha.1", "1A01"), ("1.0rc", "1.0c0", "1.0-preview"),
     ("1.0-1", "1.0.post1", "1.0rev1"), ("1.0.dev", "1.0-dev0"), ("2!1.0+a.b", "2!1+A-b", "2!1.0+a_b"), ("Odd", "odd")],
)  # fmt: skip
def test_spellings_of_one_version(spellings: tuple[str, ...]) -> None:
    assert len(set(map(filenames.canonical, spellings))) == 1


def test_versions_differ() -> None:
    versions = ("1.0", "1.1", "1.0a1", "1.0rc1", "1.0.post1", "1.0.dev1", "1!1.0", "1.0+a")
    assert len(set(map(filenames.canonical, versions))) == len(versions)


def test_the_order_of_versions() -> None:
    versions = ["odd", "0.9", "1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1.dev1", "1.0.post1", "1.9"]
    versions += ["1.10", "1!0"]
    assert sorted(set(versions), key=filenames.order) == versions


def test_the_order_of_what_has_a_number_or_none() -> None:
    versions = ["1.0.dev", "1.0.dev2", "1.0a", "1.0a2", "1.0rc", "1.0rc1", "1.0", "1.0+a", "1.0+b", "1.0.post", "1.0-1"]
    versions += ["1.0.post2", "1.0-3"]
    places = [filenames.order(version) for version in versions]
    assert places == sorted(places)
    assert len(set(places)) == len(places)


@pytest.mark.parametrize(
    "spellings", [("1.0a", "1.0a0"), ("1.0.dev", "1.0.dev0"), ("1.0.post", "1.0.post0"), ("1.0-1", "1.0.post1")]
)
def test_spellings_of_one_version_have_one_place(spellings: tuple[str, str]) -> None:
    assert len(set(map(filenames.order, spellings))) == 1


def test_the_releases_of_a_page() -> None:
    names = ["six-1.10.tar.gz", "six-1.9.zip", "six-1.9.0-py3-none-any.whl", "six.tar.gz", "page.html"]
    page = pages.Page(pages.Link(f"https://files.example/{name}", name, None, None) for name in names)
    found = filenames.by_version(page)
    assert list(found) == ["1.9", "1.10"]
    assert [(each.version, len(each.files)) for each in found.values()] == [("1.9", 2), ("1.10", 1)]
