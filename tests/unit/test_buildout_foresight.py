"""What a buildout's look-ups are expected to be: what its own installer would ask for, and no more."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cachedindex.clients.buildout import ahead
from cachedindex.clients.buildout.foresight import Foresight
from cachedindex.clients.buildout.pages import BuildoutPages
from cachedindex.lookup.beginnings import Came
from cachedindex.model import Record, Request
from cachedindex.options import Settings
from tests.unit.test_candidates import files

pytestmark = pytest.mark.filterwarnings("ignore")  # Of names that nobody gives a file any more.
easy_install: Any = pytest.importorskip("zc.buildout.easy_install")
INDEX = "https://index.example/simple/"
HASH = f"#sha256={'0' * 64}"
Then = Callable[[Came | None], object]


class Looks:
    """Takes what is expected."""

    def __init__(self) -> None:
        self.pages: dict[str, Then] = {}
        self.files: list[str] = []
        self.has_ended = False

    def expect_page(self, url: str, then: Then) -> None:
        self.pages.setdefault(url, then)

    def expect_file(self, url: str) -> None:
        self.files.append(url)

    def at_start(self, work: Callable[[], object]) -> None:
        work()

    def drop(self) -> None:
        """Forget nothing."""

    def end(self) -> None:
        self.has_ended = True

    @property
    def projects(self) -> list[str]:
        """The projects of all pages, in the order in which they were expected."""
        return [url.removeprefix(INDEX).strip("/") for url in self.pages]


class Building:
    """An installer of buildout's with a folder of eggs, and what is expected of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.looks = Looks()
        self.working_set = easy_install.pkg_resources.WorkingSet([])
        (folder / "eggs").mkdir()

    def egg(self, name: str, version: str = "1.0", requires: str = "", where: str = "") -> str:
        """Add an egg, and return its folder."""
        tag = f"py{easy_install.pkg_resources.PY_MAJOR}"
        info = self.folder / (where or "eggs") / f"{name}-{version}-{tag}.egg/EGG-INFO"
        info.mkdir(parents=True)
        (info / "PKG-INFO").write_text(f"Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n")
        (info / "requires.txt").write_text(requires)
        return str(info.parent)

    def foresee(self, *specs: str, index: str = INDEX, **options: Any) -> Foresight:
        easy_install.clear_index_cache()
        self.installer = easy_install.Installer(str(self.folder / "eggs"), index=index, **options)
        foresight = Foresight(self.installer, easy_install, cast("Any", self.looks))
        foresight.begin(specs, self.working_set)
        return foresight

    def come(self, project: str, body: str, base: str = "https://files.example/") -> list[str]:
        """Have a page come, and return the files that are expected then."""
        url = f"{INDEX}{project}/"
        page = f"<html><title>Links for {project}</title>{body}</html>".encode()
        record = Record(url, base, {"content-type": "text/html"}, 0, 0, 0, len(page), "", page)
        self.looks.pages[url](Came(Request("GET", url, "page"), record, lambda: BytesIO(page)))
        return [file.removesuffix(HASH).removeprefix(base) for file in self.looks.files]


@pytest.fixture
def building(tmp_path: Path) -> Building:
    return Building(tmp_path)


def links(names: Iterable[str], **attributes: str) -> str:
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return "".join(f'<a href="{name}{HASH}"{more}>{name}</a>\n' for name in names)


# -- pages -------------------------------------------------------------------------------------------------------------


def test_the_pages_of_all_roots_the_pinned_ones_first(building: Building) -> None:
    building.foresee("flask", "Six", "zope.interface[test]", "never; python_version < '3'", versions={"six": "1.16.0"})
    assert building.looks.projects == ["six", "flask", "zope-interface"]


def test_what_a_distribution_requires(building: Building) -> None:
    foresight = building.foresee("star")
    location = building.egg("star", requires="six\nflask[async]>1\n\n[more]\nclick\n", where="elsewhere")
    (star,) = easy_install.pkg_resources.find_distributions(location)
    parse = easy_install.pkg_resources.Requirement.parse
    foresight.requires(parse("star"), star, building.working_set)
    assert building.looks.projects == ["star", "flask", "six"], "in the order in which buildout asks for them"
    foresight.requires(parse("star[more]"), star, building.working_set)
    assert building.looks.projects == ["star", "flask", "six", "click"]
    foresight.requires(parse("star[none]"), star, building.working_set)
    foresight.requires(parse("star>9"), star, building.working_set)
    assert len(building.looks.pages) == 4


@pytest.mark.parametrize(
    ("options", "spec", "expected"),
    [
        ({}, "star", ["star"]),
        ({"newest": False}, "star", ["six"]),
        ({"newest": False}, "star>1", ["star"]),
        ({"versions": {"star": "1.0"}}, "star", ["six"]),
        ({"versions": {"star": "1.0", "six": "2.0"}}, "star", []),
        ({}, "star==1.0", ["six"]),
        ({}, "star===1.0", ["star"]),
        ({"versions": {"star": "1.1"}}, "star", ["star"]),
        ({"versions": {"star": "1.1"}}, "star<1.1", []),
        ({"versions": {"star": ">=1.0"}}, "star", ["star"]),
        ({"versions": {"star": ">=1.0"}, "newest": False}, "star", ["six"]),
    ],
)
def test_what_is_installed_and_may_stay_is_not_asked_for_but_what_it_requires(
    building: Building, options: dict[str, Any], spec: str, expected: list[str]
) -> None:
    building.egg("star", requires="six>=2")
    building.egg("six", "2.0")
    building.egg("six", "1.0")
    if "newest" in options and spec == "star":
        expected = []  # Neither is `six`.
    building.foresee(spec, **options)
    assert building.looks.projects == expected


def test_a_final_version_stays_rather_than_a_newer_one(building: Building) -> None:
    building.egg("star", "1.0", requires="six")
    building.egg("star", "2.0b1", requires="flask")
    building.foresee("star", newest=False)
    assert building.looks.projects == ["six"]


def test_a_develop_egg_stays(building: Building, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout/Star.egg-info"
    checkout.mkdir(parents=True)
    (checkout / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: Star\nVersion: 0.1\n")
    (checkout / "requires.txt").write_text("six\n")
    develop = tmp_path / "develop-eggs"
    develop.mkdir()
    (develop / "Star.egg-link").write_text(f"{checkout.parent}\n.")
    building.egg("star")
    building.foresee("star", path=[str(develop)])
    assert building.looks.projects == ["six"]


def test_what_the_working_set_has_is_not_asked_for_unless_it_is_a_root(building: Building) -> None:
    for name, requires in (("star", "six[more]\nflask>1\n"), ("six", "[more]\nclick\n"), ("flask", "")):
        for dist in easy_install.pkg_resources.find_distributions(building.egg(name, "1.0", requires, "elsewhere")):
            building.working_set.add(dist)
    foresight = building.foresee("six")
    star = building.working_set.by_key["star"]
    foresight.requires(star.as_requirement(), star, building.working_set)
    assert building.looks.projects == ["six", "click"], "of two that conflict, buildout says so"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"allow_hosts": ("*.example",)}, ["six"]),
        ({"allow_hosts": ("elsewhere.example",)}, []),
        ({"index": "file:///simple"}, []),
        ({"index": "/simple"}, []),
    ],
)
def test_only_what_buildout_may_ask(building: Building, options: dict[str, Any], expected: list[str]) -> None:
    building.foresee("six", **options)
    assert building.looks.projects == expected


def test_each_page_once(building: Building) -> None:
    foresight = building.foresee("six")
    building.installer._index.fetched_urls[f"{INDEX}flask/"] = True
    foresight.begin(["flask", "click"], building.working_set)
    assert building.looks.projects == ["six", "click"]


def test_nothing_is_said_of_a_conflict(building: Building, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        building.foresee("star>2", "six", versions={"star": "1.0"})
    assert building.looks.projects == ["six"]
    assert not [record for record in caplog.records if "star" in record.getMessage()]


def test_a_user_of_whom_only_buildout_knows(building: Building, own_home: Path) -> None:
    server = f"[server]\nrepository={INDEX}six\nusername=jane\npassword=secret\n"
    (own_home / ".pypirc").write_text(f"[distutils]\nindex-servers =\n    server\n{server}")
    building.foresee("six", "flask")
    assert building.looks.projects == ["flask"]


def test_what_buildout_holds_is_left_as_it_is(building: Building) -> None:
    """A working set that finds a project by another spelling writes that into the requirement, which buildout keeps."""
    for name, requires in (("star", "foo_bar>=2"), ("foo.bar", "")):
        for dist in easy_install.pkg_resources.find_distributions(building.egg(name, "1.0", requires, "elsewhere")):
            building.working_set.add(dist)
    foresight = building.foresee("six")
    star = building.working_set.by_key["star"]
    before = [requirement.key for requirement in star.requires()]
    foresight.requires(star.as_requirement(), star, building.working_set)
    assert [requirement.key for requirement in star.requires()] == before


def test_what_is_wrong_with_one_requirement_is_buildouts_to_say(building: Building) -> None:
    building.egg("bad", "1.0", requires="pytz>dev")
    building.foresee("bad", "six", versions={"bad": "1.0"})
    assert building.looks.projects == ["six"]


def test_a_pypirc_that_cannot_be_read(building: Building, own_home: Path) -> None:
    """buildout does not read it for a URL that has a user."""
    (own_home / ".pypirc").write_text("broken\n[a\n")
    building.foresee("six")
    assert building.looks.projects == []
    private = INDEX.replace("//", "//jane:secret@")
    building.foresee("six", index=private)
    assert list(building.looks.pages) == [f"{private}six/"]


# -- files -------------------------------------------------------------------------------------------------------------

WHEEL = "six-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([WHEEL, "six-1.1-py3-none-any.whl"], [WHEEL]),
        ([WHEEL, "six-1.0.tar.gz", "six-1.0-py3.13.egg"], [WHEEL]),
        (["six-1.0.tar.gz", "six-1.1.tar.gz", "six-0.9.tar.gz"], ["six-1.0.tar.gz"]),
        (["six-1.0-cp27-none-any.whl", "six-1.0.zip"], ["six-1.0.zip"]),
        (["six-1.0-cp27-none-any.whl"], []),
        (["six-1.1.tar.gz"], []),
        ([WHEEL, "six-1.0%2Blocal-py3-none-any.whl"], []),
        ([WHEEL, "six-1.0+local-py3-none-any.whl"], []),
        ([WHEEL, "six-1.0.tar.gz?signature=1"], [WHEEL]),
        (["six-1.0.tar.gz?signature=1"], []),
        (["a%20b/six-1.0.tar.gz"], []),
        (["%7Eu/six-1.0.tar.gz", "p/six-1.0.tar.gz"], []),
        ([f"p/{WHEEL}", "%7Eu/six-1.0.tar.gz"], [f"p/{WHEEL}"]),
        ([], []),
    ],
)
def test_the_file_of_a_pinned_distribution(building: Building, names: list[str], expected: list[str]) -> None:
    building.foresee("six", versions={"six": "1.0"})
    assert building.come("six", links(names)) == expected


def test_a_link_in_a_comment_is_none(building: Building) -> None:
    building.foresee("six", versions={"six": "1.0"})
    body = f"{links(['p/six-1.0.tar.gz'])}<!-- {links(['z/six-1.0.tar.gz'])} --><!--SERIAL 1-->"
    assert building.come("six", body) == ["p/six-1.0.tar.gz"]


def test_no_file_without_a_pin(building: Building) -> None:
    building.foresee("six>=1.0", "flask", versions={"flask": "==1.*"})
    assert building.come("six", links([WHEEL])) == []
    assert building.come("flask", links(["flask-1.0.tar.gz"])) == []


@pytest.mark.parametrize(("requires", "expected"), [("&gt;=3", [WHEEL]), ("&lt;3", ["six-1.0.zip"])])
def test_a_python_that_a_file_is_not_for(building: Building, requires: str, expected: list[str]) -> None:
    building.foresee("six", versions={"six": "1.0"})
    body = links([WHEEL], data_requires_python=requires) + links(["six-1.0.zip"])
    assert building.come("six", body) == expected


def test_a_host_that_may_not_be_asked(building: Building) -> None:
    building.foresee("six", versions={"six": "1.0"}, allow_hosts=("index.example",))
    assert building.come("six", links([WHEEL])) == []


@pytest.mark.parametrize("found", ["find-links", "download-cache", "a page of find-links"])
def test_what_may_be_found_elsewhere(
    building: Building, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "found").mkdir()
    (tmp_path / "found/six-1.0.tar.gz").touch()
    if found == "download-cache":
        monkeypatch.setattr(easy_install.Installer, "_download_cache", str(tmp_path / "found"))
    where = "https://links.example/" if found == "a page of find-links" else str(tmp_path / "found")
    building.foresee("six", versions={"six": "1.0"}, links=[] if found == "download-cache" else [where])
    assert building.looks.projects == ["six"]
    assert building.come("six", links([WHEEL])) == []


def test_a_download_cache_that_lacks_it(building: Building, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "found").mkdir()
    monkeypatch.setattr(easy_install.Installer, "_download_cache", str(tmp_path / "found"))
    building.foresee("six", versions={"six": "1.0"})
    assert building.come("six", links([WHEEL])) == [WHEEL]


def test_a_password_in_the_address_of_the_index_is_known_to_buildout_only(building: Building) -> None:
    private = INDEX.replace("//", "//jane:secret@")
    building.foresee("six", versions={"six": "1.0"}, index=private)
    ((url, then),) = building.looks.pages.items()
    assert url == f"{private}six/"
    building.looks.pages[f"{INDEX}six/"] = then
    assert building.come("six", links([WHEEL])) == []


def test_a_page_that_did_not_come_or_comes_too_late(building: Building) -> None:
    foresight = building.foresee("six", versions={"six": "1.0"})
    building.looks.pages[f"{INDEX}six/"](None)
    foresight.end()
    assert building.come("six", links([WHEEL])) == []


def test_it_is_the_file_that_buildout_takes(building: Building) -> None:
    """Of a page with all kinds of names, for each version that may be pinned."""
    names = list(files(60))
    plain = [f"https://files.example/{name}{HASH}" for name in names]
    body = links(plain)
    index = easy_install.AllowHostsPackageIndex(INDEX)
    for link in plain:
        index.process_url(link)
    index.obtain = lambda requirement: requirement
    versions = sorted({dist.version for dist in index["zope.interface"] if "!" not in dist.version})
    chosen = 0
    for version in random.Random(7).sample(versions, 40):
        building.looks = Looks()
        building.foresee("zope.interface", versions={"zope.interface": version})
        found = building.come("zope-interface", body)
        building.installer._index = index
        index.obtain = index.__getitem__
        required = building.installer._constrain(easy_install.pkg_resources.Requirement.parse("zope.interface"))
        index.obtain = lambda requirement: requirement
        taken = building.installer._obtain(required)
        assert found == [taken.location.removesuffix(HASH).removeprefix("https://files.example/")][: len(found)]
        chosen += len(found)
    assert chosen > 20


# -- where it is put ---------------------------------------------------------------------------------------------------


def module(**more: Any) -> Any:
    """Return what is given as buildout's module, with an installer that a test may change."""
    installer = type("Installer", (easy_install.Installer,), {})
    return SimpleNamespace(**{**vars(easy_install), "Installer": installer, **more})


@pytest.fixture
def pages() -> Any:
    """Give what stands before the cache; the lines that it prints are in `said`."""
    said: list[str] = []
    looks = Looks()
    cache = SimpleNamespace(ahead=looks)
    report = SimpleNamespace(warn=said.append)
    pages: Any = BuildoutPages(cast("Any", SimpleNamespace(cache=cache, settings=Settings(), report=report)))
    pages.said, pages.looks = said, looks
    return pages


def installing(module: Any, folder: Path, *, offline: bool = False) -> None:
    """Install what is there, so that nothing is looked up."""
    installer = module.Installer(None if offline else str(folder), index=INDEX)
    installer.install(["zc.buildout"])


@pytest.mark.parametrize("offline", [False, True])
def test_an_installation_expects_nothing_if_all_is_there_or_buildout_is_offline(
    pages: Any, tmp_path: Path, offline: bool
) -> None:
    ours = module()
    assert ahead.attach(pages, ours)
    installing(ours, tmp_path, offline=offline)
    assert pages.looks.projects == []
    assert pages.said == []


def test_a_buildout_that_has_moved_is_one_line(pages: Any, tmp_path: Path) -> None:
    ours = module(AllowHostsPackageIndex=None)
    assert ahead.attach(pages, ours)
    installing(ours, tmp_path)
    assert pages.said == [ahead.MOVED]
    assert pages.looks.has_ended


def test_an_error_of_ours_is_one_line(pages: Any, tmp_path: Path) -> None:
    errors: list[Exception] = []
    pages._process.cache = SimpleNamespace(ahead=None)  # It has nothing that looks ahead.
    pages.report.internal_error = errors.append
    ours = module()
    assert ahead.attach(pages, ours)
    installing(ours, tmp_path)
    assert list(map(type, errors)) == [AttributeError]


@pytest.mark.parametrize("name", ["install", "_get_dist"])
def test_another_installer_is_left_as_it_is(pages: Any, name: str) -> None:
    other = type("Installer", (), {each: None for each in ("install", "_get_dist") if each != name})
    before = dict(vars(other))
    assert not ahead.attach(pages, SimpleNamespace(Installer=other))
    assert dict(vars(other)) == before


@pytest.mark.parametrize(("settings", "looks"), [({}, True), ({"ahead": 0}, False), ({"offline": True}, False)])
def test_when_it_is_on(settings: dict[str, Any], looks: bool) -> None:
    cache = SimpleNamespace(ahead=None, look_ahead=lambda most: most)
    process: Any = SimpleNamespace(cache=cache, settings=Settings(**settings))
    assert bool(BuildoutPages(process).look_ahead()) is looks
    process.cache = None
    assert BuildoutPages(process).look_ahead() is None
    assert BuildoutPages(process).ahead is None
