"""Which versions of a page pip's newest one is looked for among."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pip._internal.index import package_finder
from pip._vendor.packaging.specifiers import SpecifierSet
from pip._vendor.packaging.version import Version

from cachedindex.clients.pip import newest, versions
from cachedindex.clients.pip.cut import Cut
from cachedindex.run.report import Report

KNOWN = [Version(f"1.{number}") for number in reversed(range(800))]


def test_it_is_not_looked_for_among_all() -> None:
    """Each is searched for in the whole page, and all of them may be for other Pythons."""
    found = list(versions.newest(SimpleNamespace(), "many", SpecifierSet("<1.700"), KNOWN))
    assert found[0] == Version("1.699")
    assert len(found) < 20


@pytest.mark.parametrize("name", newest._NAMES)
def test_a_pip_that_lacks_what_is_called_searches_by_itself(capsys: pytest.CaptureFixture[str], name: str) -> None:
    known = {each: getattr(package_finder.PackageFinder, each) for each in (*newest._NAMES, "find_all_candidates")}
    finder = type("PackageFinder", (), {each: known[each] for each in known if each != name})
    module: Any = SimpleNamespace(PackageFinder=finder, SUPPORTED_EXTENSIONS=package_finder.SUPPORTED_EXTENSIONS)
    newest.attach(module, Cut(package_finder), Report())
    assert {each: vars(finder)[each] for each in known if each != name} == {
        each: known[each] for each in known if each != name
    }
    assert "looks at all versions of a project at once" in capsys.readouterr().err
