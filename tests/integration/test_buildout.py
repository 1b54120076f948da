"""The real zc.buildout with the extension, three eggs of which one is an sdist, and the pips that it starts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import environments, index as faults, packages
from tests.conftest import Ran, Run
from tests.index import Index

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}

CONFIG = """
[buildout]
extensions = cachedindex
index = {index}
parts = py
versions = versions
allow-picked-versions = false

[versions]
zc.recipe.egg = {recipe}
alpha = 1.0
beta = 1.0
gamma = 1.0
delta = 1.0
epsilon = 1.0
source = 2.0
# Other versions than those that are installed beside buildout:
requests = 2.31.0
urllib3 = 1.26.18
filelock = 3.12.4

[cachedindex]
{options}

[py]
recipe = zc.recipe.egg
eggs = alpha
       source
interpreter = py
"""


@pytest.fixture(scope="session")
def python(python_with: Callable[..., Path], our_wheel: Path) -> Path:
    """Give a Python with the newest zc.buildout, this package, and the libraries that the project pins otherwise."""
    python = python_with("zc.buildout", "requests", "filelock")
    environments.install(python, our_wheel.parent, "--no-deps", our_wheel)
    return python


@pytest.fixture
def recipe(wheelhouse: Callable[..., Path], distributions: Path) -> str:
    """Put the real zc.recipe.egg into the index, and give its version."""
    return packages.add_recipe(distributions, wheelhouse("zc.recipe.egg"))


@pytest.fixture
def buildout(run: Run, python: Path, index: Index, recipe: str, tmp_path: Path) -> Callable[..., Ran]:
    """Give a function that runs the buildout in a new folder."""

    def buildout(folder: str, *arguments: str, options: str = "", **variables: str) -> Ran:
        workspace = tmp_path / folder
        workspace.mkdir()
        (workspace / "buildout.cfg").write_text(CONFIG.format(index=index.url, recipe=recipe, options=options))
        command = python.with_name("buildout")
        return run(command, *arguments, cwd=workspace, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **variables)

    return buildout


Buildout = Callable[..., Ran]


def eggs(workspace: Path) -> list[str]:
    return sorted(path.name for path in (workspace / "eggs/v5").iterdir())


def test_it_survives_a_refused_connection(buildout: Buildout, index: Index, run: Run, tmp_path: Path) -> None:
    first = buildout("A")
    assert first.code == 0, first.err
    assert first.ours == []
    assert "/simple/tinybackend/" in index.pages_seen()
    index.close()

    second = buildout("B", **EXPIRED)

    assert second.code == 0, second.err
    assert eggs(tmp_path / "A") == eggs(tmp_path / "B")
    assert len(eggs(tmp_path / "B")) == 7
    (line,) = second.ours
    assert "served 8 pages stale" in line
    assert f"{index.origin}: it refused the connection" in line
    imported = run(tmp_path / "B/bin/py", "-c", "import alpha, source; print(alpha.version, source.version)")
    assert imported.out.split() == ["1.0", "2.0"]


def test_a_hanging_index_is_waited_for_twice_in_all_processes_together(buildout: Buildout, index: Index) -> None:
    assert buildout("A").code == 0
    index.fault(faults.hang)
    index.seen.clear()

    second = buildout("B", options="timeout = 0.3 s", **EXPIRED)

    assert second.code == 0, second.err
    assert len(index.seen) == 2
    assert "no answer within 0.3 s" in second.ours[-1]


def test_a_fresh_cache_asks_nothing(buildout: Buildout, index: Index) -> None:
    assert buildout("A", options="index-ttl = 10 min").code == 0
    index.seen.clear()
    second = buildout("B", options="index-ttl = 10 min")
    assert second.code == 0
    assert index.seen == []
    assert second.ours == []


def test_options_of_the_section(buildout: Buildout, index: Index, tmp_path: Path) -> None:
    ran = buildout(
        "A", "cachedindex:index-ttl=1 h", options="cache-dir = kept\nindex-ttl = soon", CACHEDINDEX_CACHE_DIR=""
    )
    assert ran.code == 0, ran.err
    assert (tmp_path / "A/kept/records-v1").is_dir()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("time-out = 3", "Error: [cachedindex]: time-out: there is no such option; did you mean timeout?"),
        ("timeout = soon", "Error: [cachedindex]: timeout = soon: write a number of seconds"),
    ],
)
def test_a_wrong_option_is_a_users_error(buildout: Buildout, options: str, said: str) -> None:
    ran = buildout("A", options=options)
    assert ran.code == 1
    assert said in ran.out + ran.err
    assert "internal error" not in ran.out + ran.err


def test_a_wrong_option_elsewhere_is_one_warning(buildout: Buildout) -> None:
    ran = buildout("A", CACHEDINDEX_TIMEOUT="soon")
    assert ran.code == 0, ran.err
    (line,) = ran.ours
    assert line.startswith("cachedindex: environment: CACHEDINDEX_TIMEOUT = soon: write a number of seconds")


def test_disabled_it_leaves_no_trace(buildout: Buildout, tmp_path: Path) -> None:
    assert buildout("A", options="disable = true").code == 0
    assert not (tmp_path / "cache").exists()


def test_offline_serves_what_there_is(buildout: Buildout, index: Index) -> None:
    assert buildout("A").code == 0
    index.seen.clear()
    second = buildout("B", options="offline = true", **EXPIRED)
    assert second.code == 0, second.err
    assert index.seen == []
    assert "(" + index.origin + ": offline = true)" in second.ours[-1]


def test_buildouts_offline_is_ours(buildout: Buildout, index: Index) -> None:
    assert buildout("A").code == 0
    index.seen.clear()
    ran = buildout("B", "buildout:offline=true", **EXPIRED)
    assert "can't install one in offline (no-install) mode" in ran.out + ran.err, "as without us"
    assert index.seen == []
    assert "offline = true" in ran.ours[-1]


def test_its_pips_do_not_look_for_newer_ones(buildout: Buildout, environment: dict[str, str], index: Index) -> None:
    del environment["PIP_DISABLE_PIP_VERSION_CHECK"]
    assert buildout("A").code == 0
    assert "/simple/pip/" not in index.pages_seen()


def test_in_a_run_the_run_says_the_line(
    buildout: Buildout, python: Path, index: Index, run: Run, tmp_path: Path
) -> None:
    assert buildout("A").code == 0
    index.close()
    shutil.rmtree(tmp_path / "A/eggs")
    command = (python, "-m", "cachedindex", "run", "--", python.with_name("buildout"))
    ran = run(*command, cwd=tmp_path / "A", PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **EXPIRED)
    assert ran.code == 0, ran.err
    (line,) = ran.ours
    assert "served 8 pages stale" in line


def newcomer(folder: Path, version: str) -> None:
    packages.add_wheel(folder, "newcomer", version, ())


@pytest.mark.parametrize("fresh", [True, False])
def test_what_was_not_there_is_installed_as_soon_as_it_is(
    buildout: Buildout, index: Index, distributions: Path, tmp_path: Path, fresh: bool
) -> None:
    more = {} if fresh else EXPIRED
    asked = buildout("A", "py:eggs=newcomer", "versions:newcomer=1.0", **more)
    assert asked.code == 1
    newcomer(distributions, "1.0")
    first = buildout("B", "py:eggs=newcomer", "versions:newcomer=1.0", **more)
    assert first.code == 0, first.err
    newcomer(distributions, "2.0")
    index.seen.clear()
    second = buildout("C", "py:eggs=newcomer", "versions:newcomer=2.0", **more)
    assert second.code == 0, second.err
    assert "newcomer-2.0-py" in " ".join(eggs(tmp_path / "C"))
    assert index.pages_seen().count("/simple/newcomer/") == 1, "the page that lacked it"


def test_a_build_that_failed_has_its_pages_asked_for_again(buildout: Buildout, index: Index) -> None:
    assert buildout("A").code == 0
    assert buildout("B", "versions:alpha=9").code == 1
    index.seen.clear()
    assert buildout("C").code == 0
    assert "/simple/alpha/" in index.pages_seen()
    index.seen.clear()
    assert buildout("D").code == 0
    assert index.seen == []


def test_a_missing_index_may_end_the_build(buildout: Buildout, index: Index) -> None:
    index.fault(faults.status(503), "/simple/alpha/")
    ran = buildout("A", options="missing-index = fail")
    assert ran.code == 1
    assert f"Error: cachedindex: {index.url}alpha/: it answered 503" in ran.out + ran.err
    assert "internal error" not in ran.out + ran.err


def test_options_of_one_index_reach_its_pips(buildout: Buildout, index: Index) -> None:
    section = f"\n[cachedindex.local]\nurl = {index.url}\nindex-ttl = 1 h"
    assert buildout("A", options=section).code == 0
    index.headers["Cache-Control"] = "no-cache"
    assert buildout("B", options=section, CACHEDINDEX_REFRESH=":all:").code == 0
    index.seen.clear()
    assert buildout("C", options=section).code == 0
    assert index.seen == [], "no-cache would be asked again, by the isolated build's pip as well"


def test_a_cache_that_cannot_be_written_breaks_nothing(buildout: Buildout, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    ran = buildout("A")
    assert ran.code == 0, ran.err
    assert len(eggs(tmp_path / "A")) == 7
    (line,) = ran.ours
    assert str(tmp_path / "cache") in line
