"""The real zc.buildout with the extension, three eggs of which one is an sdist, and the pips that it starts."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import BUILDOUT, Ran, Run
from tests.index import Index
from tests.integration.conftest import eggs

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}

Buildout = Callable[..., Ran]


@pytest.mark.usefixtures("measured_environments")
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
    options = "cache-dir = kept\nlock-dir = ${buildout:parts-directory}/locks\nmax-size = 1 GB\nindex-ttl = soon"
    ran = buildout("A", "cachedindex:index-ttl=1 h", options=options, CACHEDINDEX_CACHE_DIR="")
    assert ran.code == 0, ran.err
    assert (tmp_path / "A/kept/records-v1").is_dir()
    assert not (tmp_path / "A/kept/locks-v1").exists(), "nor by its pips"
    assert (tmp_path / "A/parts/locks/locks-v1").is_dir()
    assert ran.ours == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("time-out = 3", "Error: [cachedindex]: time-out: there is no such option; did you mean timeout?"),
        ("timeout = soon", "Error: [cachedindex]: timeout = soon: write a number of seconds"),
        ("max-size = much", "Error: [cachedindex]: max-size = much: write a number of bytes"),
        ("timeout = ${nowhere:seconds}", "Error: The referenced section, 'nowhere', was not defined."),
        ("\n[cachedindex.local]\nindex-ttl = 1 h", "Error: [cachedindex.local]: url: is missing: write the URL"),
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
@pytest.mark.usefixtures("measured_environments")
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


@pytest.mark.usefixtures("measured_environments")
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


WITH_PASSWORD = """
import sys, urllib.request
from zc.buildout import buildout
passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
passwords.add_password(None, {origin!r}, "julia", "correct-horse")
urllib.request.install_opener(urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords)))
buildout.main(["-n"])
"""


def test_a_private_index_whose_password_another_handler_knows(
    python: Path, index: Index, recipe: str, run: Run, tmp_path: Path
) -> None:
    """As an extension that asks a keyring does: the password is added below us, after a 401."""
    credential = base64.b64encode(b"julia:correct-horse").decode()
    index.fault(faults.unless("Authorization", f"Basic {credential}"))

    def buildout(folder: str, **variables: str) -> Ran:
        (tmp_path / folder).mkdir()
        config = BUILDOUT.format(extensions="cachedindex", index=index.url, recipe=recipe, options="")
        (tmp_path / folder / "buildout.cfg").write_text(config)
        url = index.url.replace("//", "//julia:correct-horse@")
        code = WITH_PASSWORD.format(origin=index.origin)
        return run(python, "-c", code, cwd=tmp_path / folder, PIP_INDEX_URL=url, PIP_NO_CACHE_DIR="1", **variables)

    first = buildout("A")
    assert first.code == 0, first.err
    index.close()
    second = buildout("B", **EXPIRED)
    assert second.code == 0, second.err
    assert eggs(tmp_path / "A") == eggs(tmp_path / "B")
    assert "pages stale" in second.ours[-1]
    assert_private(tmp_path / "cache", credential)


def assert_private(cache: Path, credential: str) -> None:
    stored = [path for path in cache.rglob("*") if path.is_file()]
    telling = (b"correct-horse", credential.encode())
    assert not [path for path in stored if any(secret in path.read_bytes() for secret in telling)]
    assert not (cache / "records-v1").exists()


def test_a_private_index_whose_address_has_the_password(build: Buildout, index: Index, tmp_path: Path) -> None:
    credential = base64.b64encode(b"julia:correct-horse").decode()
    index.fault(faults.unless("Authorization", f"Basic {credential}"), "/simple/")
    config = small(index, f"{ALPHA}find()", LISTED).replace("http://", "http://julia:correct-horse@")
    assert build("A", config).code == 0
    index.close()
    second = build("B", config, **EXPIRED)
    assert second.code == 0, second.err
    assert "found 1.0" in second.out
    (line,) = second.ours
    assert "6 pages stale" in line
    assert "correct-horse" not in line
    assert_private(tmp_path / "cache", credential)


# -- where it is switched on -------------------------------------------------------------------------------------------


def small(index: Index, text: str, more: str = "") -> str:
    """Return a configuration with one part, a recipe that runs Python code."""
    lines = "\n".join(f"    {line}" for line in text.splitlines())
    return f"[buildout]\nindex = {index.url}\nparts = trial\n{more}\n[trial]\nrecipe = trial\ndo =\n{lines}\n"


@pytest.fixture
def build(run: Run, python: Path, index: Index, distributions: Path, tmp_path: Path) -> Callable[..., Ran]:
    """Give a function that runs a configuration of its own in a new folder."""
    packages.add_trial(distributions)

    def build(folder: str, config: str, *arguments: str, python: Path = python, **variables: str) -> Ran:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "buildout.cfg").write_text(config)
        command = (python.with_name("buildout"), *arguments)
        return run(*command, cwd=tmp_path / folder, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", **variables)

    return build


LISTED = "extensions = cachedindex\n"
ALPHA = """
from zc.buildout import easy_install
settings = buildout["buildout"]
def find(**more):
    found = easy_install.install(["alpha"], settings["eggs-directory"], index=settings["index"], **more)
    print("found", found.by_key["alpha"].version)
"""


def test_one_line_in_the_users_defaults_is_enough(build: Buildout, index: Index, tmp_path: Path) -> None:
    defaults = tmp_path / "home/.buildout"
    defaults.mkdir()
    (defaults / "default.cfg").write_text(f"[buildout]\n{LISTED}[cachedindex]\nindex-ttl = 1 h\ntimeout = 1 s\n")
    assert build("A", small(index, "pass")).code == 0
    index.close()
    second = build("B", small(index, "pass", "[cachedindex]\ntimeout += 2"))
    assert second.code == 1
    assert "Error: [cachedindex]: timeout = 1 s 2: write" in second.out + second.err, "buildout's own +="
    assert build("C", small(index, "pass", "[cachedindex]\ntimeout = ${times:short}\n[times]\nshort = 2 s")).code == 0


def test_our_section_needs_no_extension(build: Buildout, index: Index, bare_buildout: Path) -> None:
    ran = build("A", small(index, "pass", "[cachedindex]\ntimeout = 3 s"), python=bare_buildout)
    assert ran.code == 0
    assert "cachedindex" not in (ran.out + ran.err).replace(str(bare_buildout), "")


def test_it_is_never_looked_up(build: Buildout, index: Index) -> None:
    assert build("A", small(index, "pass", LISTED), "buildout:newest=true").code == 0
    assert "/simple/cachedindex/" not in index.pages_seen()


def test_nothing_reaches_what_a_recipe_starts(build: Buildout, index: Index) -> None:
    code = f"{ALPHA}find()\nimport os, subprocess\nsubprocess.run(['env'], check=True)"
    ran = build("A", small(index, code, LISTED), CACHEDINDEX_CACHE_DIR="", PYTHONPATH="/own")
    assert ran.code == 0, ran.err
    assert "PYTHONPATH=/own\n" in ran.out
    assert [line for line in ran.out.splitlines() if line.startswith("CACHEDINDEX_")] == ["CACHEDINDEX_CACHE_DIR="]
    assert ran.out.count("PIP_DISABLE_PIP_VERSION_CHECK") == 1, "the test's own"


def test_the_names_of_2012(build: Buildout, index: Index, tmp_path: Path) -> None:
    section = """
[cachedindex]
eggs_directory = ${buildout:directory}/kept
index = https://index.example/simple
update_interval = 24
timeout = 3
"""
    ran = build("A", small(index, "pass", LISTED + section), CACHEDINDEX_CACHE_DIR="")
    assert ran.code == 0, ran.err
    assert (tmp_path / "A/kept/records-v1").is_dir()
    (line,) = ran.ours
    assert line.startswith("cachedindex: [cachedindex]: index: has no effect")


def test_a_buildout_that_upgrades_itself_is_one_run(
    build: Buildout, wheelhouse: Callable[..., Path], index: Index, run: Run, tmp_path: Path
) -> None:
    for wheel in wheelhouse("zc.buildout==6.0.0").glob("zc*buildout*.whl"):
        shutil.copy(wheel, index.folder / wheel.name.replace("zc_buildout", "zc.buildout"))
    config = small(index, "pass", LISTED)
    assert build("A", config, "bootstrap").code == 0
    pip = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1"}
    first = run(tmp_path / "A/bin/buildout", "versions:zc.buildout=6.0.0", cwd=tmp_path / "A", **pip)
    assert "Restarting." in first.out
    assert first.code == 0, first.err
    assert build("B", config, "bootstrap").code == 0
    index.close()
    second = run(tmp_path / "B/bin/buildout", "versions:zc.buildout=6.0.0", cwd=tmp_path / "B", **pip, **EXPIRED)
    assert second.code == 0, second.err
    assert "Restarting." in second.out
    (line,) = second.ours
    assert "served 2 pages stale" in line, "zc.buildout's by the first process, the recipe's by the second"


# -- pages at the speed of pins ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("measured_environments")
def test_a_pinned_projects_page_is_cut_and_stored_whole(
    build: Buildout, index: Index, distributions: Path, tmp_path: Path
) -> None:
    for version in ("2.0", "3.0"):
        packages.add_wheel(distributions, "alpha", version)
    config = small(
        index,
        f"{ALPHA}find()\nfind(versions={{'alpha': '2.0'}}, newest=True)\nfind(versions={{}}, newest=True)",
        f"{LISTED}versions = pins\n[pins]\nalpha = 1.0\n[cachedindex]\ntrim-to-pins = yes\nindex-ttl = 1 h",
    )
    ran = build("A", config, "-vv")
    assert ran.code == 0, ran.err
    found = [line for line in ran.out.splitlines() if line.startswith("found ")]
    assert found == ["found 1.0", "found 2.0", "found 3.0"]
    before, _, _ = ran.out.partition("found 1.0")
    assert "alpha-1.0-py3-none-any.whl" in before
    assert "alpha-2.0-py3-none-any.whl" not in before
    assert index.pages_seen().count("/simple/alpha/") == 1
    (page,) = (tmp_path / "cache").rglob("alpha/page.html.*")
    assert "alpha-3.0-py3-none-any.whl" in page.read_text()


def test_without_trim_to_pins_a_page_is_as_it_is(build: Buildout, index: Index, distributions: Path) -> None:
    packages.add_wheel(distributions, "alpha", "2.0")
    ran = build("A", small(index, f"{ALPHA}find()", f"{LISTED}versions = pins\n[pins]\nalpha = 1.0"), "-vv")
    assert "alpha-2.0-py3-none-any.whl" in ran.out


# -- errors ------------------------------------------------------------------------------------------------------------


def test_an_index_that_answers_5xx_is_no_missing_project(build: Buildout, index: Index) -> None:
    index.fault(faults.status(503), "/simple/alpha/")
    ran = build("A", small(index, f"{ALPHA}find()", LISTED))
    assert ran.code == 1
    assert "Couldn't find a distribution for 'alpha'" in ran.out + ran.err
    (line,) = ran.ours
    assert f"could not get alpha, of which nothing is stored ({index.origin}: it answered 503" in line
    assert "/simple/" not in index.pages_seen(), "the list of all projects"


def test_an_index_that_lacks_a_project_is_scanned(build: Buildout, index: Index) -> None:
    ran = build("A", small(index, f"{ALPHA.replace('alpha', 'nothing')}find()", LISTED))
    assert ran.code == 1
    assert index.pages_seen()[-2:] == ["/simple/nothing/", "/simple/"]
    assert ran.ours == []


@pytest.mark.usefixtures("measured_environments")
def test_an_index_that_is_gone_is_said(build: Buildout, index: Index) -> None:
    index.close()
    ran = build("A", small(index, "pass", LISTED))
    assert ran.code == 1
    assert "Couldn't find a distribution for 'trial'" in ran.out + ran.err
    assert ran.ours == [
        f"cachedindex: could not get trial, of which nothing is stored ({index.origin}: it refused the connection)"
    ]


WAITS = """
import time, urllib.request
for attempt in range(5):
    try:
        print("found", urllib.request.urlopen("{origin}/ready/").read().decode())
        break
    except OSError:
        pass
"""


def test_a_recipe_may_wait_for_a_server(build: Buildout, index: Index) -> None:
    ready = faults.body(b"<html>it is ready</html>")
    index.fault(faults.becoming(faults.status(404), faults.reset, faults.status(503), ready), "/ready/")
    ran = build("A", small(index, WAITS.format(origin=index.origin), LISTED))
    assert ran.code == 0, ran.err
    assert "found <html>it is ready</html>" in ran.out
    assert ran.ours == []


@pytest.mark.slow
@pytest.mark.parametrize("where", ["/simple/alpha/", "/files/alpha"])
def test_a_timeout_in_the_middle_is_no_internal_error(build: Buildout, index: Index, where: str) -> None:
    index.fault(faults.stall, where)  # For the 15 s that are fixed in buildout.
    ran = build("A", small(index, f"{ALPHA}find()", LISTED))
    assert ran.code == 1
    assert "internal error" not in ran.out + ran.err
    assert "it did not answer in time" in ran.out + ran.err


# -- beside others -----------------------------------------------------------------------------------------------------


OWN_OPENER = """
import urllib.request
class Auth(urllib.request.BaseHandler):
    def http_request(self, req):
        req.add_unredirected_header("Authorization", "Basic secret")
        return req
urllib.request.install_opener(urllib.request.build_opener(Auth()))
"""


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_an_extension_may_install_an_opener_of_its_own(
    build: Buildout, index: Index, distributions: Path, tmp_path: Path, name: str
) -> None:
    packages.add_extension(distributions, name, OWN_OPENER)
    index.fault(faults.unless("authorization", "Basic secret"), "alpha")
    ran = build("A", small(index, f"{ALPHA}find()", f"extensions = cachedindex {name}"))
    assert ran.code == 0, ran.err
    assert "found 1.0" in ran.out
    stored = {path.relative_to(tmp_path / "cache").parts[0] for path in (tmp_path / "cache").rglob("*alpha*")}
    assert stored == {"private-v1"}, "what needed credentials"


FORKS = f"""{ALPHA}
find()
import os, sys
if (child := os.fork()) == 0:
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
find(links=[settings["index"] + "beta/"], newest=True)
"""
PROCESSES = f"""{ALPHA}
import multiprocessing
with multiprocessing.get_context("fork").Pool(1) as pool:
    pool.apply(print, ("in a pool",))
process = multiprocessing.get_context("fork").Process(target=find)
process.start(), process.join()
assert process.exitcode == 0
find()
"""


@pytest.mark.parametrize("code", [FORKS, PROCESSES], ids=["fork", "multiprocessing"])
def test_a_recipe_may_fork(build: Buildout, index: Index, code: str) -> None:
    assert build("A", small(index, code, LISTED)).code == 0
    index.close()
    second = build("B", small(index, code, LISTED), **EXPIRED)
    assert second.code == 0, second.err
    assert "found 1.0" in second.out
    (line,) = second.ours
    assert "pages stale" in line
    again = build("C", small(index, code, LISTED), CACHEDINDEX_INDEX_TTL="1 h")
    assert (again.code, again.ours) == (0, []), "a child's end is no failure of the build, which expires its pages"
