"""Buildout's own index objects with our two methods, beside stock: the same candidates in the same order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cachedindex.clients.buildout import candidates
from cachedindex.clients.buildout.pages import BuildoutPages
from cachedindex.options import Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # Of names that nobody gives a file any more.
easy_install: Any = pytest.importorskip("zc.buildout.easy_install")
PAGE = "https://index.example/simple/zope-interface/"


def files(releases: int) -> Iterator[str]:
    """Yield the names that a project's files have had over the years, in an order of their own, some of them twice."""
    rng = random.Random(7)
    names = []
    for number in range(releases):
        version = rng.choice(
            ["{0}.{1}", "{0}.{1}.0", "{0}.{1}a1", "{0}.{1}.post2", "v{0}.{1}", "{0}.{1}.dev3", "{1}!{0}.0"]
        )
        version = version.format(number // 20, number % 20)
        names += [f"zope.interface-{version}.tar.gz", f"zope_interface-{version}.zip"]
        names += [f"Zope.Interface-{version}-py{minor}.egg" for minor in ("2.7", "3.13")]
        tags = ("py3-none-any", "cp313-cp313-win_amd64")
        names += [f"zope_interface-{version.lstrip('v')}-{tag}.whl" for tag in tags if "!" not in version]
    names += ["zope.interface-dev.zip", "zope-interface.zip", "other-1.0.zip", "zope.interface-1.0-win32.exe"]
    rng.shuffle(names)
    yield from (*names, *names[:50])


def index_class() -> Any:
    """Return a class of buildout's index that a test may change."""
    return type("Index", (easy_install.AllowHostsPackageIndex,), {})


def changed(**more: Any) -> Any:
    """Return what our methods are given as buildout's module."""
    names = {"EnvironmentMixin": easy_install.EnvironmentMixin, "normalize_name": easy_install.normalize_name}
    return SimpleNamespace(**{**names, "AllowHostsPackageIndex": index_class(), **more})


def filled(kind: Any, names: list[str]) -> Any:
    index = kind("https://index.example/simple/")
    for name in names:
        index.process_url(f"https://files.example/{name}#sha256=00")
    return index


def listed(index: Any) -> dict[str, list[tuple[str, ...]]]:
    return {name: [(dist.location, dist.project_name, dist.version) for dist in index[name]] for name in index}


def test_the_candidates_are_the_same_one_by_one() -> None:
    module, names = changed(), list(files(60))
    assert candidates.attach(module)
    stock, ours = filled(index_class(), names), filled(module.AllowHostsPackageIndex, names)
    assert listed(ours) == listed(stock)
    assert len(ours["zope.interface"]) > 100
    assert ours["nothing"] == []


def test_links_that_come_between_two_reads() -> None:
    module, names = changed(), list(files(20))
    candidates.attach(module)
    both = [filled(kind, names[:60]) for kind in (index_class(), module.AllowHostsPackageIndex)]
    for step in range(60, len(names), 7):
        for index in both:
            for name in names[step : step + 7]:
                index.process_url(f"https://files.example/{name}")
        assert listed(both[0]) == listed(both[1])


def test_what_somebody_takes_out_may_come_back() -> None:
    module = changed()
    candidates.attach(module)
    index = filled(module.AllowHostsPackageIndex, ["six-1.0.zip", "six-2.0.zip"])
    gone = index["six"][0]
    index.remove(gone)
    assert [dist.version for dist in index["six"]] == ["1.0"]
    index.add(gone)
    index.add(gone)
    assert [dist.version for dist in index["six"]] == ["2.0", "1.0"]


def test_a_large_page_is_compared_link_by_link_only(monkeypatch: pytest.MonkeyPatch) -> None:
    module, names, read = changed(), [f"six-1.{number}.zip" for number in range(2000)], [0]
    candidates.attach(module)
    kind: Any = easy_install.pkg_resources.Distribution
    original = kind.hashcmp

    def counted(self: Any) -> object:
        read[0] += 1
        return original.fget(self)

    monkeypatch.setattr(kind, "hashcmp", property(counted))
    assert len(filled(module.AllowHostsPackageIndex, names)["six"]) == len(names)
    assert read[0] < 5 * len(names), "stock reads it for each pair"


class Other(easy_install.EnvironmentMixin):  # type: ignore[misc]
    def add(self, dist: Any) -> None:
        self.dists.append(dist)


@pytest.mark.parametrize(
    "other",
    [
        {"EnvironmentMixin": None},
        {"AllowHostsPackageIndex": None},
        {"normalize_name": None},
        {"EnvironmentMixin": Other},
        {"EnvironmentMixin": Other, "AllowHostsPackageIndex": type("Index", (Other,), {})},
    ],
)
def test_another_buildout_is_left_as_it_is(other: dict[str, Any]) -> None:
    module = changed(**other)
    before = dict(vars(module.AllowHostsPackageIndex or Other))
    assert not candidates.attach(module)
    assert dict(vars(module.AllowHostsPackageIndex or Other)) == before


@pytest.mark.parametrize(
    ("wanted", "is_slow", "trims"),
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_a_page_is_cut_to_a_pin_if_a_person_or_the_buildout_needs_it(
    wanted: bool | None, is_slow: bool, trims: bool
) -> None:
    process: Any = SimpleNamespace(settings=Settings(trim_to_pins=wanted))
    with BuildoutPages(process, is_slow=is_slow).search("", "six", "1.0") as search:
        assert (search.version == "1.0") is trims
