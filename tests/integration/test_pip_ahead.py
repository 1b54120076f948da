"""The look-ups of the real pip, oldest and newest, that are begun before pip makes them."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.index import Handler, Index, serving

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
OFF = {"CACHEDINDEX_AHEAD": "0"}
AWAY = faults.slow(0.03)
"""As long as an answer must take for anything to be begun ahead."""
PROJECTS = 6


@pytest.fixture(params=["pip==23.2.1", "pip==26.3"])
def pip(request: pytest.FixtureRequest, python_with: Callable[..., Path]) -> list[object]:
    return [sys.executable, "-m", "cachedindex", "run", "--", python_with(request.param), "-m", "pip"]


@pytest.fixture
def distributions(tmp_path: Path) -> Path:
    """Give a folder with `star`, which requires six others, and with what else the tests need."""
    folder = tmp_path / "distributions"
    folder.mkdir()
    packages.add_star(folder, PROJECTS)
    packages.add_backend(folder)
    packages.add_sdist(folder, "source", "2.0")
    packages.add_wheel(folder, "twin", "1.0", ("project-000", "project-001; extra == 'more'"))
    packages.add_wheel(folder, "twin", "2.0rc1", ("project-002",))
    return folder


@pytest.fixture
def install(run: Run, pip: list[object], index: Index, tmp_path: Path) -> Callable[..., Ran]:
    """Give a function that installs into a new folder from an index that is some way away."""
    index.fault(AWAY)

    def install(folder: str, *arguments: object, **variables: str) -> Ran:
        command = [*pip, "install", "--target", tmp_path / folder, *arguments]
        own = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "PIP_PROGRESS_BAR": "off"}
        return run(*command, **{**own, **variables})

    return install


def installed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.dist-info"))


def asked(index: Index) -> Counter[str]:
    """Return what was asked, and forget it."""
    found = Counter(seen.path for seen in index.seen)
    index.seen.clear()
    return found


def plain(said: str) -> str:
    """Return what a pip said without speeds and folders, which differ from run to run."""
    return re.sub(r"[\d.]+ [kM]?B/s|(?<=/)(ahead|without)\b|/tmp/\S+|0:00:\d\d", "", said)


def at_once(width: int) -> faults.Fault:
    """Return a fault that lets requests through only if there are so many at once."""
    barrier = threading.Barrier(width)

    def wait(_handler: Handler) -> bool:
        barrier.wait(60)
        return True

    return wait


@pytest.fixture
def both(install: Callable[..., Ran], index: Index, tmp_path: Path) -> Callable[..., tuple[Ran, Ran, Counter[str]]]:
    """Give a function that installs twice from the same store, without and with look-ups begun ahead.

    It returns both, and what was asked the second time.
    """
    cache, kept = tmp_path / "cache", tmp_path / "kept"

    def both(*arguments: object, **variables: str) -> tuple[Ran, Ran, Counter[str]]:
        cache.mkdir(exist_ok=True)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(cache, kept)
        asked(index)
        without = install("without", *arguments, **OFF, **variables)
        before = asked(index)
        shutil.rmtree(cache)
        kept.rename(cache)
        ahead = install("ahead", *arguments, **variables)
        after = asked(index)
        assert ahead.code == without.code, ahead.err
        assert after == before or ahead.code  # A build that fails does not get to ask for all.
        assert not before - after
        assert installed(tmp_path / "ahead") == installed(tmp_path / "without")
        return without, ahead, after

    return both


@pytest.mark.parametrize("state", ["nothing stored", "expired", "no-store"])
def test_it_asks_what_pip_would_ask_and_pip_says_what_it_would_say(
    both: Callable[..., tuple[Ran, Ran, Counter[str]]], install: Callable[..., Ran], index: Index, state: str
) -> None:
    index.validators = True
    index.headers = {"Cache-Control": "no-store"} if state == "no-store" else {}
    if state == "expired":
        assert install("before", "star", "twin[more]").code == 0
    without, ahead, seen = both("star", "twin[more]", **(EXPIRED if state == "expired" else {}))
    assert ahead.code == 0, ahead.err
    assert set(seen.values()) == {1}
    assert plain(ahead.out) == plain(without.out)
    assert ahead.err == without.err


@pytest.mark.parametrize("state", ["nothing stored", "expired"])
def test_a_verbose_pip_says_the_same(
    both: Callable[..., tuple[Ran, Ran, Counter[str]]], install: Callable[..., Ran], index: Index, state: str
) -> None:
    index.validators = True
    if state == "expired":
        assert install("before", "star").code == 0
    without, ahead, _ = both("-v", "star", **(EXPIRED if state == "expired" else {}))
    assert plain(ahead.out) == plain(without.out)
    assert ahead.err == without.err


def test_pages_metadata_and_files_are_asked_for_at_once(
    install: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    for pattern in ("/simple/project-", r"project_.*\.metadata", r"project_.*\.whl$"):
        index.faults.insert(0, (re.compile(pattern), at_once(3)))
    assert install("A", "star").code == 0
    assert len(installed(tmp_path / "A")) == PROJECTS + 1
    assert set(asked(index).values()) == {1}


@pytest.mark.cpython("-X importtime")
@pytest.mark.parametrize("state", ["off", "fresh", "nothing stored"])
def test_what_is_not_needed_is_not_loaded(install: Callable[..., Ran], state: str) -> None:
    variables = {"CACHEDINDEX_INDEX_TTL": "600", **(OFF if state == "off" else {})}
    if state == "fresh":
        assert install("before", "star", **variables).code == 0
    ran = install("A", "star", PYTHONPROFILEIMPORTTIME="1", **variables)
    assert ran.code == 0
    loaded = set(re.findall(r"cachedindex\.(\S+)", ran.err))
    assert "clients.pip.resolver" in loaded
    whole = {"lookup.beginnings", "clients.pip.foresight", "clients.pip.likely"}
    heard = {"lookup.ahead", "lookup.pool", "clients.pip.ahead"}
    expected = {"off": set[str](), "fresh": heard, "nothing stored": heard | whole}[state]
    assert loaded & (heard | whole) == expected


def test_expired_pages_are_asked_for_at_once(install: Callable[..., Ran], index: Index) -> None:
    assert install("A", "star").code == 0
    index.validators = True
    assert install("B", "star", **EXPIRED).code == 0
    asked(index)
    index.faults.insert(0, (re.compile("/simple/project-"), at_once(3)))
    assert install("C", "star", **EXPIRED).code == 0
    assert asked(index) == {f"/simple/{name}/": 1 for name in ("star", *(f"project-00{n}" for n in range(PROJECTS)))}


def hashed(folder: Path, *names: str) -> str:
    """Return requirements with the hashes of their wheels."""
    wheels = [folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl" for name in names]
    return "".join(
        f"{name}==1.0 --hash=sha256:{faults.sha256(wheel)}\n" for name, wheel in zip(names, wheels, strict=True)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--no-deps", "star", "twin"), ("-c", "constraints.txt", "star", "twin"), ("--pre", "star", "twin"),
        ("star", "source"), ("--require-hashes", "-r", "hashed.txt"), ("--no-binary", "source", "star", "source"),
        ("star", "twin[more]", "twin<1.5"), ("-r", "lines.txt"), ("star", "twin>=9"), ("star", "nothing"),
        ("--find-links", "found", "--no-index", "star"), ("--find-links", "found", "star", "twin"),
        ("--only-binary", ":all:", "star==0.8"), ("--prefer-binary", "star", "project_001==0.9", "project_003<1"),
        ("--require-hashes", "-r", "sdist.txt"), ("./mine", "star"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_it_asks_the_same_whatever_pip_is_asked_to_do(
    both: Callable[..., tuple[Ran, Ran, Counter[str]]], index: Index, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "constraints.txt").write_text("project_000<1\nproject_001==0.8\n")
    (tmp_path / "hashed.txt").write_text(hashed(index.folder, "project-000", "project-001", "project-002"))
    packages.add_wheel(index.folder, "source", "1.0")
    sdist = faults.sha256(packages.add_sdist(index.folder, "source", "1.0"))
    (tmp_path / "sdist.txt").write_text(f"{hashed(index.folder, 'project-000')}source==1.0 --hash=sha256:{sdist}\n")
    twin = f"twin @ {index.origin}/files/twin-1.0-py3-none-any.whl"
    (tmp_path / "lines.txt").write_text(f"star; python_version > '3'\nmissing; python_version < '3'\n{twin}\n")
    (tmp_path / "found").mkdir()
    packages.add_star(tmp_path / "found", PROJECTS)
    packages.add_checkout(tmp_path, "mine", "1.0")
    if "./mine" in arguments:  # Its name may be nobody else's to know.
        packages.add_wheel(index.folder, "star", "3.0", ("mine", "project_000"))
    both(*arguments)


@pytest.mark.parametrize("pip", ["pip==26.3"], indirect=True)
def test_no_index_is_asked_for_what_a_lock_file_names(
    both: Callable[..., tuple[Ran, Ran, Counter[str]]], index: Index, tmp_path: Path
) -> None:
    lines = ['lock-version = "1.0"', 'created-by = "somebody"']
    for name in ("project-000", "project-001"):
        wheel = index.folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
        lines += ["[[packages]]", f'name = "{name}"', 'version = "1.0"', "[[packages.wheels]]",
                  f'name = "{wheel.name}"', f'url = "{index.origin}/files/{wheel.name}"',
                  f'hashes = {{sha256 = "{faults.sha256(wheel)}"}}']  # fmt: skip
    (tmp_path / "pylock.toml").write_text("\n".join(lines))
    others = hashed(index.folder, "star", *(f"project-{number:03}" for number in range(2, PROJECTS)))
    (tmp_path / "hashed.txt").write_text(others)
    _, ahead, seen = both("-r", "pylock.toml", "-r", "hashed.txt")
    assert ahead.code == 0, ahead.err
    assert "/simple/project-002/" in seen
    assert "/simple/project-000/" not in seen


@pytest.mark.parametrize(
    "arguments", [("pip",), ("-U", "pip"), ("-U", "--upgrade-strategy", "eager", "star")], ids=" ".join
)
def test_what_is_installed_and_may_stay_is_not_asked_for(
    run: Run, pip: list[object], index: Index, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """`star` requires a pip, and there is one: the dry run is in an environment, not in an empty folder."""
    packages.add_wheel(index.folder, "pip", "99.0")
    packages.add_wheel(index.folder, "star", "2.0", ("pip", "project-000"))
    index.fault(AWAY)
    seen = []
    for cache, variables in (("off", OFF), ("on", {})):
        command = [*pip, "install", "-q", "--dry-run", *arguments, "star"]
        own = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "CACHEDINDEX_CACHE_DIR": str(tmp_path / cache)}
        assert run(*command, **own, **variables).code == 0
        seen.append(asked(index))
    assert seen[0] == seen[1]
    assert ("/simple/pip/" in seen[1]) == ("-U" in arguments)


def test_a_second_index_is_asked_for_what_it_may_have(
    both: Callable[..., tuple[Ran, Ran, Counter[str]]], tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    packages.add_wheel(tmp_path / "more", "project_001", "1.1")
    with serving(tmp_path / "more") as second:
        second.fault(AWAY)
        _, ahead, _ = both("star", PIP_EXTRA_INDEX_URL=second.url)
        assert ahead.code == 0, ahead.err
        assert "project_001-1.1.dist-info" in installed(tmp_path / "ahead")
        assert set(asked(second).values()) == {2}  # Without, and with.


@pytest.mark.parametrize("kind", ["a newer wheel", "a newer sdist", "the same wheel", "an older wheel", "no use"])
def test_what_a_folder_offers_is_not_asked_for_at_an_index(
    both: Callable[..., tuple[Ran, Ran, Counter[str]]], index: Index, tmp_path: Path, kind: str
) -> None:
    found = tmp_path / "found"
    found.mkdir()
    version = {"the same wheel": "1.0", "an older wheel": "0.1"}.get(kind, "9.0")
    for number in range(PROJECTS):
        if kind == "a newer sdist":
            packages.add_sdist(found, f"project_{number:03}", version)
        else:
            wheel = packages.add_wheel(found, f"project_{number:03}", version)
            if kind == "no use":
                wheel.rename(found / wheel.name.replace("py3-none-any", "cp27-cp27m-win32"))
    _, ahead, seen = both("star", "--find-links", found)
    assert ahead.code == 0, ahead.err
    assert set(seen.values()) == {1}


@pytest.mark.parametrize("pip", ["pip==25.2", "pip==26.3"], indirect=True)
def test_a_guess_is_not_heard(both: Callable[..., tuple[Ran, Ran, Counter[str]]], index: Index, tmp_path: Path) -> None:
    """pip's own code, which has the last word in a guess, logs what it does, and warns of odd names (pip 25.2)."""
    found = tmp_path / "found"
    found.mkdir()
    for number in range(PROJECTS):
        wheel = packages.add_wheel(found, f"project_{number:03}", "1.0")
        (found / f"project_{number:03}-9.0+cpu-cp39-cp39-win32.whl").write_bytes(wheel.read_bytes())
        (index.folder / f"project__{number:03}-1.0-cp39-cp39-win32.whl").write_bytes(wheel.read_bytes())
    without, ahead, _ = both("-vvv", "star", "--find-links", found)
    assert ahead.err == without.err
    assert ahead.out.count("Given no hashes") == without.out.count("Given no hashes")


def test_the_credentials_are_those_of_pip(both: Callable[..., tuple[Ran, Ran, Counter[str]]], index: Index) -> None:
    index.faults.insert(0, (re.compile(""), faults.unless("authorization", "Basic amFuZTpzZWNyZXQ=")))
    private = index.url.replace("://", "://jane:secret@")
    _, ahead, seen = both("star", PIP_INDEX_URL=private)
    assert ahead.code == 0, ahead.err
    assert set(seen.values()) == {1}


def registry(prefix: str, user: str, projects: str, strangers: list[str]) -> faults.Fault:
    """Return a fault that serves some projects, pages and files, below a path, to one user; it notes who else asks."""
    credential = f"Basic {base64.b64encode(f'{user}:{user}'.encode()).decode()}"

    def fault(handler: Handler) -> bool:
        if handler.headers.get("authorization") != credential:
            strangers.append(handler.path)
            return faults.status(401)(handler)
        path = handler.path.removeprefix(prefix)
        code, headers, content = handler.answer(path if re.search(projects, path) else "/nothing")
        if "simple" in path:
            content = content.replace(b'"/files/', f'"{prefix}/files/'.encode())
        AWAY(handler)
        handler.reply(code, headers, content)
        return False

    return fault


def later(fault: faults.Fault) -> faults.Fault:
    """Return a fault that comes after those of others."""
    return lambda handler: AWAY(handler) and fault(handler)


def test_each_index_of_a_host_is_asked_as_its_own_user(
    both: Callable[..., tuple[Ran, Ran, Counter[str]]], index: Index
) -> None:
    strangers: list[str] = []
    index.faults.insert(0, (re.compile("^/p/1/"), registry("/p/1", "jane", "star", strangers)))
    index.faults.insert(0, (re.compile("^/p/2/"), registry("/p/2", "john", "project", strangers)))
    one, two = (f"http://{user}@127.0.0.1:{index.port}/p/" for user in ("jane:jane", "john:john"))
    _, ahead, seen = both("star", PIP_INDEX_URL=f"{one}1/simple/", PIP_EXTRA_INDEX_URL=f"{two}2/simple/")
    assert strangers == []
    assert ahead.code == 0, ahead.err
    assert set(seen.values()) == {1}


@pytest.mark.parametrize("slow", ["1", "2"])
@pytest.mark.parametrize("arguments", [("star",), ("-r", "hashed.txt")], ids=" ".join)
def test_of_two_indexes_with_the_same_files_the_last_one_is_asked(
    both: Callable[..., tuple[Ran, Ran, Counter[str]]],
    index: Index,
    tmp_path: Path,
    arguments: tuple[str, ...],
    slow: str,
) -> None:
    """As of two repositories of one server: pip takes the last of the candidates that it likes best."""
    projects = [f"project-{number:03}" for number in range(PROJECTS)]
    (tmp_path / "hashed.txt").write_text(hashed(index.folder, "star", *projects))
    for name in ("1", "2"):
        serve = registry(f"/p/{name}", "jane", "", [])
        index.faults.insert(0, (re.compile(f"^/p/{name}/"), later(serve) if name == slow else serve))
    one, two = (f"http://jane:jane@127.0.0.1:{index.port}/p/{name}/simple/" for name in ("1", "2"))
    _, ahead, seen = both(*arguments, PIP_INDEX_URL=one, PIP_EXTRA_INDEX_URL=two)
    assert ahead.code == 0, ahead.err
    assert "/p/2/files/project_000-1.0-py3-none-any.whl" in seen
    assert set(seen.values()) == {1}


@pytest.mark.parametrize("pip", ["pip==26.3"], indirect=True)
@pytest.mark.parametrize("state", ["nothing stored", "fresh", "expired"])
@pytest.mark.parametrize("name", ["star", "project_003", ":all:"])
def test_what_pip_is_to_refresh_is_asked_for_as_such_and_nothing_else(
    both: Callable[..., tuple[Ran, Ran, Counter[str]]],
    install: Callable[..., Ran],
    index: Index,
    name: str,
    state: str,
) -> None:
    """Since pip 26.2; a pip that has no such option refreshes every page."""
    index.validators = True
    if state != "nothing stored":
        assert install("before", "star").code == 0
    lifetime = {"CACHEDINDEX_INDEX_TTL": "0" if state == "expired" else "600"}
    _, ahead, seen = both("star", "--refresh-package", name, **lifetime)
    assert ahead.code == 0, ahead.err
    pages = [path for path in seen if path.startswith("/simple/")]
    everything = name == ":all:" or state != "fresh"
    assert len(pages) == (PROJECTS + 1 if everything else 1)
    assert set(seen.values()) == {1}


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("state", ["nothing stored", "expired"])
def test_a_bad_answer_is_the_last(
    install: Callable[..., Ran], index: Index, tmp_path: Path, code: int, state: str
) -> None:
    """Of the pages that `star` requires, all are bad; without copies, the build fails as it would."""
    if state == "expired":
        assert install("A", "star").code == 0
    index.faults.insert(0, (re.compile("/simple/project-"), faults.status(code)))
    variables = {**(EXPIRED if state == "expired" else {}), "PIP_RETRIES": "0"}
    asked(index)
    without = install("B", "star", **OFF, **variables)
    before = asked(index)
    shutil.rmtree(tmp_path / "cache/health-v1", ignore_errors=True)
    ahead = install("C", "star", **variables)
    assert ahead.code == without.code
    assert bool(ahead.ours) == bool(without.ours), ahead.err
    assert installed(tmp_path / "C") == installed(tmp_path / "B")
    assert max((asked(index) - before).values(), default=0) <= 1


@pytest.mark.parametrize(
    "fault", [faults.hang, faults.reset, faults.drip_body, faults.stall], ids=lambda fault: fault.__name__
)
def test_an_index_that_falls_silent_in_between_costs_one_wave(
    install: Callable[..., Ran], index: Index, tmp_path: Path, fault: faults.Fault
) -> None:
    assert install("A", "star").code == 0
    index.faults.insert(0, (re.compile("/simple/project-"), fault))
    asked(index)
    ran = install("B", "star", CACHEDINDEX_TIMEOUT="0.3", **EXPIRED)
    assert ran.code == 0, ran.err
    assert installed(tmp_path / "B") == installed(tmp_path / "A")
    (line,) = ran.ours
    assert "served 6 pages stale" in line
    # Once ahead and once by pip, and each once more, as a connection that was kept may have been closed just then.
    assert max(asked(index).values()) <= 4


def test_an_interrupt_ends_pip_at_once(
    pip: list[object], index: Index, environment: Mapping[str, str], tmp_path: Path
) -> None:
    index.fault(faults.hang, "/simple/project-")
    index.fault(AWAY)
    command = [str(part) for part in (*pip, "install", "--target", tmp_path / "A", "star")]
    variables = {**environment, "PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1"}
    default = ["env", "--default-signal=INT"]  # A shell has its background jobs ignore it, and all below them.
    with subprocess.Popen(
        [*default, *command], env=variables, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(index.pages_seen()) < 3:  # More than pip itself has under way.
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode
    assert "Traceback" not in said


def test_what_lies_in_the_folder_of_a_download_is_not_asked_for(
    pip: list[object], run: Run, index: Index, tmp_path: Path
) -> None:
    index.fault(AWAY)
    variables = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", **EXPIRED}
    command = [*pip, "download", "-d", tmp_path / "files", "star"]

    def prepare() -> None:
        """Leave the folder without the first file, and no copies: only then pip asks where the files are."""
        (star,) = (tmp_path / "files").glob("star-*")
        star.unlink()
        shutil.rmtree(tmp_path / "cache")
        asked(index)

    assert run(*command, **variables).code == 0
    prepare()
    assert run(*command, **OFF, **variables).code == 0
    before = asked(index)
    prepare()
    assert run(*command, **variables).code == 0
    assert asked(index) == before


def test_an_index_may_be_spelled_in_any_way(both: Callable[..., tuple[Ran, Ran, Counter[str]]], index: Index) -> None:
    _, ahead, seen = both("star", PIP_INDEX_URL=f"HTTP://LOCALHOST:{index.port}/simple/")
    assert ahead.code == 0, ahead.err
    assert set(seen.values()) == {1}
