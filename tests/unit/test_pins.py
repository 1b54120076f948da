"""A page cut down to one version, and which requirements allow that."""

from __future__ import annotations

import pytest

from cachedindex.rules import pins

PAGE = """<!DOCTYPE html><html><head><title>Links for zope.interface</title></head><body>
<h1>Links for zope.interface</h1>
{links}
</body></html>"""


def page(*files: str) -> str:
    link = '<a href="../../files/ab/{0}#sha256=00" data-requires-python="&gt;=3.8" >{0}</a><br />'
    return PAGE.format(links="\n".join(map(link.format, files)))


@pytest.mark.parametrize(
    ("specifiers", "version"),
    [
        ([("==", "1.0")], "1.0"),
        ([("==", "v1.0.0rc1.post2")], "v1.0.0rc1.post2"),
        ([("==", "2.0.dev3")], "2.0.dev3"),
        ([("==", "1.*")], None),
        ([("==", "1!1.0")], None),
        ([("==", "1.0+local")], None),
        ([("===", "1.0")], None),
        ([(">=", "1.0")], None),
        ([("==", "1.0"), ("!=", "2.0")], None),
        ([], None),
    ],
)
def test_exact(specifiers: list[tuple[str, str]], version: str | None) -> None:
    assert pins.exact(specifiers) == version


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        ("1.0", ["zope.interface-1.0.tar.gz", "zope_interface-1.0.0-py3-none-any.whl"]),
        ("1.0.0", ["zope.interface-1.0.tar.gz", "zope_interface-1.0.0-py3-none-any.whl"]),
        ("1.10", ["zope_interface-1.10-cp313-cp313-linux_x86_64.whl"]),
        ("2.0", ["zope.interface-2.0-py2.7-win32.egg", "zope.interface-2.0a1.zip", "Zope.Interface-2.0.post1.zip"]),
        ("2.0a1", ["zope.interface-2.0-py2.7-win32.egg", "zope.interface-2.0a1.zip", "Zope.Interface-2.0.post1.zip"]),
    ],
)
def test_only_files_of_the_release_are_left(version: str, kept: list[str]) -> None:
    files = [
        "zope.interface-1.0.tar.gz",
        "zope_interface-1.0.0-py3-none-any.whl",
        "zope_interface-1.10-cp313-cp313-linux_x86_64.whl",
        "zope.interface-2.0-py2.7-win32.egg",
        "zope.interface-2.0a1.zip",
        "Zope.Interface-2.0.post1.zip",
        "zope_interface-10.0.tar.gz",
    ]
    cut = pins.only(page(*files), "zope.interface", version)
    assert cut is not None
    assert [name for name in files if f">{name}</a>" in cut] == kept
    assert cut.startswith("<!DOCTYPE html>")
    assert cut.endswith("</body></html>")


def test_what_cannot_be_told_is_left() -> None:
    odd = ["zope.interface-1!1.0.tar.gz", "zopeinterface-3.0.tar.gz", "zope.interface-dev.tar.gz", "other-3.0.tar.gz"]
    cut = pins.only(page("zope.interface-1.0.tar.gz", "zope.interface-3.0.tar.gz", *odd), "zope.interface", "1.0")
    assert cut == page("zope.interface-1.0.tar.gz", *odd)


def test_a_page_without_the_version_is_not_cut() -> None:
    assert pins.only(page("zope.interface-1.0.tar.gz"), "zope.interface", "3.0") is None


def test_a_quoted_name_and_an_anchor_that_is_not_closed() -> None:
    text = "<a href='/f/alpha-1.0%2Dpy3-none-any.whl'>x</a>\n<a href=/f/alpha-2.0.zip>y\n<a href='/f/alpha-1.0.zip'>z"
    cut = pins.only(text, "alpha", "1.0")
    assert cut == "<a href='/f/alpha-1.0%2Dpy3-none-any.whl'>x</a>\n<a href='/f/alpha-1.0.zip'>z"


@pytest.mark.parametrize(("version", "kept"), [("2.0", True), ("2", True), ("0.0", False)])
def test_zeros_at_the_end_of_a_release_mean_nothing(version: str, kept: bool) -> None:
    cut = pins.only(page("x-2.zip", "x-2.1.zip", "x-1.0.0.zip"), "x", version)
    assert (cut is not None) is kept
    assert cut is None or [name in cut for name in ("x-2.zip", "x-2.1.zip", "x-1.0.0.zip")] == [True, False, False]


def test_a_link_that_leads_nowhere_stays() -> None:
    text = '<a href="http://[bad/x-2.0.zip">x</a><a href="x-2.0.zip">x</a><a href="x-1.0.zip">x</a>'
    assert pins.only(text, "x", "1.0") == '<a href="http://[bad/x-2.0.zip">x</a><a href="x-1.0.zip">x</a>'
