"""Which versions of a page pip's newest one is looked for among."""

from __future__ import annotations

from types import SimpleNamespace

from pip._vendor.packaging.specifiers import SpecifierSet
from pip._vendor.packaging.version import Version

from cachedindex.clients.pip import versions

KNOWN = [Version(f"1.{number}") for number in reversed(range(800))]


def test_it_is_not_looked_for_among_all() -> None:
    """Each is searched for in the whole page, and all of them may be for other Pythons."""
    found = list(versions.newest(SimpleNamespace(), "many", SpecifierSet("<1.700"), KNOWN))
    assert found[0] == Version("1.699")
    assert len(found) < 20
