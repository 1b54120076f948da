"""The look-ups of the real zc.buildout, oldest and newest, that are begun before buildout makes them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.index import Handler, Index
from tests.integration.conftest import eggs

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
OFF = {"CACHEDINDEX_AHEAD": "0"}
AWAY = faults.slow(0.03)
"""As long as an answer must take for anything to be begun ahead."""
PROJECTS = 6
RUN = (sys.executable, "-m", "cachedindex", "run", "--")

CONFIG = """
[buildout]
index = {index}
parts = py
versions = versions
{more}

[versions]
zc.recipe.egg = {recipe}
{pins}

[py]
recipe = zc.recipe.egg
eggs = {eggs}
interpreter = py
"""
PINS = "star = 1.0\n" + "".join(f"project-{number:03} = 1.0\n" for number in range(PROJECTS))


class Covered(NamedTuple):
    """A release of zc.buildout, and how it is covered."""

    release: str
    by_run: bool


Both = Callable[..., tuple[Ran, Ran, Counter[str]]]


NEWEST, OLDEST = Covered("newest", by_run=False), Covered("3.3", by_run=True)
newest = pytest.mark.parametrize("covered", [NEWEST], indirect=True)
"""A test in which nothing is unpacked: for each distribution that it unpacks, this release starts a pip."""
oldest = pytest.mark.parametrize("covered", [OLDEST], indirect=True)


@pytest.fixture(
    params=[
        NEWEST,
        pytest.param(Covered("5.2", by_run=True), marks=pytest.mark.slow),
        pytest.param(Covered("4.2", by_run=False), marks=pytest.mark.slow),
        pytest.param(OLDEST, marks=pytest.mark.slow),
    ],
    ids=lambda covered: covered.release,
)
def covered(request: pytest.FixtureRequest) -> Covered:
    found: Covered = request.param
    return found


@pytest.fixture
def distributions(tmp_path: Path) -> Path:
    """Give a folder with `star`, which requires six others."""
    folder = tmp_path / "distributions"
    folder.mkdir()
    packages.add_star(folder, PROJECTS)
    return folder


@pytest.fixture
def build(
    run: Run, with_buildout: Callable[..., Path], recipe_egg: Callable[..., str], index: Index, covered: Covered,
    tmp_path: Path,
) -> Callable[..., Ran]:  # fmt: skip
    """Give a function that builds in a new folder from an index that is some way away.

    Distributions that are `installed` lie among its eggs.
    """
    index.fault(AWAY)
    python, recipe = with_buildout(covered.release), recipe_egg(covered.release)
    (tmp_path / "found/dist").mkdir(parents=True)

    def build(
        folder: str, *arguments: str, wanted: str = "star", installed: str = "", pins: str = "", more: str = "",
        **variables: str,
    ) -> Ran:  # fmt: skip
        workspace = tmp_path / folder
        shutil.copytree(tmp_path / "found", workspace / "found")
        extensions = "" if covered.by_run else "extensions = cachedindex\n"
        text = CONFIG.format(index=index.url, recipe=recipe, pins=pins, eggs=wanted, more=f"{extensions}{more}")
        (workspace / "buildout.cfg").write_text(text)
        eggs = workspace / ("eggs" if covered.release in ("3.3", "4.2") else "eggs/v5")  # Since 5.0.
        wanted_eggs = [path for pattern in installed.split() for path in index.folder.glob(pattern)]
        for wheel in wanted_eggs:
            name, version = wheel.name.split("-")[:2]
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(eggs / f"{name}-{version}-py{sys.version_info[0]}.{sys.version_info[1]}.egg")
        before = RUN if covered.by_run else ()
        own = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1"}
        return run(*before, python.with_name("buildout"), *arguments, cwd=workspace, **{**own, **variables})

    return build


def asked(index: Index) -> Counter[str]:
    """Return what was asked, and forget it."""
    found = Counter(seen.path for seen in index.seen)
    index.seen.clear()
    return found


def plain(said: str) -> str:
    """Return what a buildout said without folders, which differ from run to run."""
    return re.sub(r"(?<=/)(ahead|without)\b|/tmp/\S+|tmp\w+", "", said)


PATIENT = {"CACHEDINDEX_TIMEOUT": "60 s"}
"""A busy machine may have a request wait for the next one for longer than an index has."""


def at_once(width: int) -> faults.Fault:
    """Return a fault that lets requests through only if there are so many at once; buildout makes one at a time."""
    barrier = threading.Barrier(width)

    def wait(_handler: Handler) -> bool:
        barrier.wait(60)
        return True

    return wait


@pytest.fixture
def both(build: Callable[..., Ran], index: Index, tmp_path: Path) -> Both:
    """Give a function that builds twice from the same store, without and with look-ups begun ahead.

    It returns both, and what was asked the second time.
    """
    cache, kept = tmp_path / "cache", tmp_path / "kept"

    def both(*arguments: str, **named: str) -> tuple[Ran, Ran, Counter[str]]:
        cache.mkdir(exist_ok=True)
        shutil.copytree(cache, kept)
        asked(index)
        without = build("without", *arguments, **{**named, **OFF})
        before = asked(index)
        shutil.rmtree(cache)
        kept.rename(cache)
        ahead = build("ahead", *arguments, **named)
        after = asked(index)
        assert ahead.code == without.code, ahead.err
        assert after == before or ahead.code  # A build that fails does not get to ask for all.
        assert not before - after
        assert eggs(tmp_path / "ahead") == eggs(tmp_path / "without")
        assert plain(ahead.out) == plain(without.out)
        assert plain(ahead.err) == plain(without.err)
        return without, ahead, after

    return both


def test_it_asks_what_buildout_would_ask_and_buildout_says_what_it_would_say(both: Both) -> None:
    _, ahead, seen = both("-vv", pins=PINS, installed="zc*.whl project_00[345]-1.0-*")
    assert ahead.code == 0, ahead.err
    assert "/simple/star/" in seen
    assert sum(path.endswith(".whl") for path in seen) == PROJECTS - 2
    assert ahead.ours == []


def test_pages_and_files_are_asked_for_at_once(
    build: Callable[..., Ran], index: Index, covered: Covered, tmp_path: Path
) -> None:
    """Of `star`, buildout itself has to get the file before anybody knows what it requires.

    3.3 empties the module that chooses for a moment at each link, so that on a busy machine a file may be left to it.
    """
    for pattern in ("/simple/project[-_]", *([r"project_.*\.whl$"] if covered.release != "3.3" else [])):
        index.faults.insert(0, (re.compile(pattern), at_once(2)))
    ran = build("A", pins=PINS, **PATIENT)
    assert ran.code == 0, ran.err
    assert len(eggs(tmp_path / "A")) == PROJECTS + 2


ALL = "*-1.0-py3-none-any.whl zc*.whl"
"""What is installed if all is."""


@newest
@pytest.mark.parametrize("state", ["nothing stored", "expired"])
def test_pages_of_what_is_installed_are_asked_for_at_once(build: Callable[..., Ran], index: Index, state: str) -> None:
    """Without pins, buildout looks for newer versions of all, in each run."""
    index.validators = True
    if state == "expired":
        assert build("before", installed=ALL).code == 0
    asked(index)
    index.faults.insert(0, (re.compile("/simple/project[-_]"), at_once(2)))
    ran = build("A", installed=ALL, **EXPIRED, **PATIENT)
    assert ran.code == 0, ran.err
    assert ran.ours == []
    assert set(asked(index).values()) == {1}


@newest
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["-N"], {"installed": ALL}),
        (["-o"], {"installed": "zc*.whl star-1.0-*"}),
        ([], {"installed": ALL, "pins": PINS}),
        ([], {"installed": "zc*.whl star-1.0-* project_00[1-4]-1.0-*", "pins": PINS}),
        (["-v", "versions:project-001=0.7"], {"installed": ALL}),
        ([], {"installed": ALL, "more": "allow-hosts = elsewhere.example"}),
        ([], {"installed": ALL, "more": "find-links = found\nprefer-final = false"}),
        ([], {"installed": "*-1.0-py3-none-any.whl", "more": "install-from-cache = true\ndownload-cache = found"}),
        ([], {"installed": ALL, "wanted": "twin[more]\n    nothing; python_version < '3'"}),
        ([], {"installed": ALL, "wanted": "star\n    missing"}),
    ],
    ids=lambda given: " ".join(given)[:40],
)
def test_it_asks_the_same_whatever_buildout_is_asked_to_do(
    both: Both, index: Index, tmp_path: Path, arguments: list[str], named: dict[str, str]
) -> None:
    packages.add_wheel(index.folder, "twin", "1.0", ("project-000", "project-001; extra == 'more'"))
    for wheel in index.folder.glob("*-1.0-*.whl"):
        shutil.copy(wheel, tmp_path / "found")
        shutil.copy(wheel, tmp_path / "found/dist")
    both(*arguments, **named)


@oldest
@pytest.mark.parametrize(
    "more", ["", "download-cache = found", "find-links = found/star-1.0-py3-none-any.whl", "newest = false"]
)
def test_it_asks_for_the_same_files(both: Both, index: Index, tmp_path: Path, more: str) -> None:
    for name in ("star", "project_002"):
        shutil.copy(index.folder / f"{name}-1.0-py3-none-any.whl", tmp_path / "found")
        shutil.copy(index.folder / f"{name}-1.0-py3-none-any.whl", tmp_path / "found/dist")
    _, ahead, seen = both(pins=PINS, more=more)
    assert ahead.code == 0, ahead.err
    assert set(seen.values()) == {1}


@newest
@pytest.mark.parametrize(
    ("state", "code"),
    [("nothing stored", 401), ("nothing stored", 404), ("nothing stored", 429), ("expired", 403), ("expired", 429),
     ("expired", 503)],
)  # fmt: skip
def test_a_bad_answer_is_the_last(
    build: Callable[..., Ran], index: Index, tmp_path: Path, state: str, code: int
) -> None:
    """Of the pages that `star` requires, all are bad; buildout goes on with what is installed."""
    if state == "expired":
        assert build("before", installed=ALL).code == 0
    index.faults.insert(0, (re.compile("/simple/project"), faults.status(code)))
    asked(index)
    without = build("without", installed=ALL, **EXPIRED, **OFF)
    before = asked(index)
    shutil.rmtree(tmp_path / "cache/health-v1", ignore_errors=True)
    ahead = build("ahead", installed=ALL, **EXPIRED)
    assert ahead.code == without.code == 0
    assert bool(ahead.ours) == bool(without.ours), ahead.err
    assert plain(ahead.out) == plain(without.out)
    assert max((asked(index) - before).values(), default=0) <= 1


@newest
@pytest.mark.parametrize(
    "fault", [faults.hang, faults.reset, faults.drip_body, faults.stall], ids=lambda fault: fault.__name__
)
def test_an_index_that_falls_silent_in_between_costs_one_wave(
    build: Callable[..., Ran], index: Index, fault: faults.Fault
) -> None:
    assert build("before", installed=ALL).code == 0
    index.faults.insert(0, (re.compile("/simple/project"), fault))
    asked(index)
    ran = build("A", installed=ALL, CACHEDINDEX_TIMEOUT="0.3", **EXPIRED)
    assert ran.code == 0, ran.err
    (line,) = ran.ours
    assert f"served {PROJECTS} pages stale" in line
    assert max(asked(index).values()) <= 2


@newest
def test_an_interrupt_ends_buildout_at_once(
    with_buildout: Callable[..., Path], build: Callable[..., Ran], index: Index, environment: dict[str, str],
    tmp_path: Path,
) -> None:  # fmt: skip
    assert build("A", installed=ALL).code == 0
    index.faults.insert(0, (re.compile("/simple/project"), faults.hang))
    asked(index)
    shutil.rmtree(tmp_path / "cache")
    command = ["env", "--default-signal=INT", str(with_buildout(NEWEST.release).with_name("buildout"))]
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path / "A", stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(index.pages_seen()) < 3:  # More than buildout itself has under way.
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode


@newest
@pytest.mark.cpython("-X importtime")
@pytest.mark.parametrize("state", ["off", "fresh", "nothing stored"])
def test_what_is_not_needed_is_not_loaded(build: Callable[..., Ran], state: str) -> None:
    variables = {"CACHEDINDEX_INDEX_TTL": "600", **(OFF if state == "off" else {})}
    if state == "fresh":
        assert build("before", installed=ALL, **variables).code == 0
    ran = build("A", installed=ALL, PYTHONPROFILEIMPORTTIME="1", **variables)
    assert ran.code == 0
    loaded = set(re.findall(r"cachedindex\.(\S+)", ran.err))
    whole = {"lookup.beginnings", "clients.buildout.foresight"}
    heard = {"lookup.ahead", "lookup.pool"}
    expected = {"off": set[str](), "fresh": heard, "nothing stored": heard | whole}[state]
    assert loaded & (heard | whole) == expected


@newest
@pytest.mark.parametrize("where", ["the address", ".pypirc"])
def test_a_private_index_is_asked_as_buildout_would_ask_it(
    both: Both, index: Index, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.faults.insert(0, (re.compile("/simple/"), faults.unless("authorization", "Basic amFuZTpzZWNyZXQ=")))
    if where == ".pypirc":
        server = f"[server]\nrepository={index.url}\nusername=jane\npassword=secret\n"
        (tmp_path / "home/.pypirc").write_text(f"[distutils]\nindex-servers =\n    server\n{server}")
    else:
        monkeypatch.setattr(index, "url", index.url.replace("://", "://jane:secret@"))
    _, ahead, seen = both("-v", installed=ALL)
    assert ahead.code == 0, ahead.err
    assert set(seen.values()) == {1}
