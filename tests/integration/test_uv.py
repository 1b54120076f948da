"""The real uv through `cachedindex run`, which sets it offline if its index is down."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachedindex.clients.uv import indexes
from cachedindex.store import system
from tests import index as faults, packages
from tests.conftest import Ran, Run
from tests.index import Index, serving

CACHEDINDEX = (sys.executable, "-m", "cachedindex")
SHORT = {"CACHEDINDEX_TIMEOUT": "0.5"}


@pytest.fixture(scope="session")
def uv(python_with: Callable[..., Path]) -> Path:
    return python_with("uv").parent / "uv"


@pytest.fixture
def run_uv(run: Run, uv: Path, index: Index, tmp_path: Path) -> Callable[..., Ran]:
    """Give a function that runs uv through us, in a project that needs `alpha`."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project/pyproject.toml").write_text(
        '[project]\nname = "project"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["alpha"]\n'
    )

    def run_uv(*words: object, **variables: str) -> Ran:
        settings = {
            "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never",
            "UV_HTTP_TIMEOUT": "1", "UV_HTTP_RETRIES": "0", "UV_DEFAULT_INDEX": index.url,
        }  # fmt: skip
        return run(*CACHEDINDEX, "run", "--", uv, *words, cwd=tmp_path / "project", **{**settings, **variables})

    return run_uv


@pytest.mark.parametrize(
    "fault", [faults.hang, faults.reset, faults.status(503), faults.body(faults.PORTAL)],
    ids=["hang", "reset", "503", "login page"],
)  # fmt: skip
def test_a_sync_with_a_dead_index_and_a_warm_cache(
    run_uv: Callable[..., Ran], index: Index, tmp_path: Path, fault: faults.Fault
) -> None:
    first = run_uv("sync")
    assert (first.code, first.ours) == (0, []), first.err
    lock = (tmp_path / "project/uv.lock").read_bytes()
    assert run_uv("pip", "install", "--target", "A", "alpha").ours == []
    index.fault(fault)
    index.seen.clear()

    (tmp_path / "project/.venv").rename(tmp_path / "gone")
    second = run_uv("sync", **SHORT)
    assert second.code == 0, second.err
    assert (tmp_path / "project/uv.lock").read_bytes() == lock
    (line,) = second.ours
    assert line.startswith(f"cachedindex: {index.url}: ")
    assert line.endswith("uv uses its own cache (UV_OFFLINE=1)")
    third = run_uv("pip", "install", "--target", "B", "alpha", **SHORT)
    assert third.code == 0, third.err
    assert set(index.pages_seen()) == {"/simple/pip/"}
    assert len(index.seen) == 1 or "no index page" in line, "one question for all"


def test_an_index_that_answers_leaves_uv_alone(run_uv: Callable[..., Ran], index: Index) -> None:
    assert run_uv("sync").ours == []
    index.fault(faults.status(404))
    failed = run_uv("pip", "install", "--target", "A", "nowhere")
    assert failed.code != 0
    assert failed.ours == []
    assert "offline" not in failed.err.lower()


def test_what_needs_no_index_asks_none(run_uv: Callable[..., Ran], index: Index) -> None:
    index.fault(faults.reset)
    for words in (["--version"], ["cache", "dir"], ["publish", "--help"], ["venv", "made"]):
        ran = run_uv(*words)
        assert (ran.code, ran.ours) == (0, [])
    for wish in ("--offline", "--refresh", "--refresh-package=nowhere"):
        ran = run_uv("pip", "install", wish, "nowhere", "--target", "A")
        assert ran.ours == []
        assert "cannot be used with" not in ran.err
    assert run_uv("pip", "install", "nowhere", "--target", "A", CACHEDINDEX_DISABLE="true").ours == []
    assert "/simple/pip/" not in index.pages_seen()


@pytest.fixture
def another_index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "another"
    folder.mkdir()
    packages.add_wheel(folder, "zeta", "1.0", ())
    with serving(folder) as index:
        yield index


def test_one_index_that_answers_is_enough(run_uv: Callable[..., Ran], index: Index, another_index: Index) -> None:
    index.fault(faults.hang)
    ran = run_uv("pip", "install", "--target", "A", "zeta", UV_INDEX=f"company={another_index.url}", **SHORT)
    assert ran.code == 0, ran.err
    assert ran.ours == []


ZETA = ("pip", "install", "--target")


@pytest.mark.parametrize(
    "fault", [faults.hang, faults.status(503), faults.body(faults.PORTAL)], ids=["hang", "503", "login page"]
)
@pytest.mark.parametrize("dead", ["first", "last"])
def test_one_of_two_indexes_that_is_dead_is_an_outage_for_what_it_has(
    run_uv: Callable[..., Ran], index: Index, another_index: Index, fault: faults.Fault, dead: str
) -> None:
    both = {"UV_INDEX": f"company={another_index.url}", **SHORT}
    for name in ("alpha", "zeta"):
        assert run_uv(*ZETA, name, name, **both).ours == []
    down, well = (another_index, index) if dead == "first" else (index, another_index)
    down.fault(fault)
    packages.add_wheel(well.folder, "theta", "1.0", ())
    of_dead = run_uv(*ZETA, "A", "zeta" if dead == "first" else "alpha", **both)
    assert of_dead.code == 0, of_dead.err
    assert of_dead.ours[-1].endswith("its own cache (UV_OFFLINE=1)")
    if dead == "last" and "no index page" not in of_dead.ours[-1]:
        of_well = run_uv(*ZETA, "B", "theta", **both)
        assert (of_well.code, of_well.ours) == (0, []), "what is new on the index that answers is found"


def test_a_program_is_run_on_uvs_own_cache_if_the_first_index_is_dead(
    run_uv: Callable[..., Ran], index: Index, another_index: Index
) -> None:
    both = {"UV_INDEX": f"company={another_index.url}", **SHORT}
    run_with = ("run", "--with", "alpha", "--no-project", "python", "-c", "import alpha")
    assert run_uv(*run_with, **both).code == 0
    index.fault(faults.hang)
    assert "UV_OFFLINE" not in run_uv(*run_with, **both).err
    index.heal()
    another_index.fault(faults.hang)
    ran = run_uv(*run_with, **both)
    assert ran.code == 0, ran.err
    assert ran.ours[-1].endswith("uv uses its own cache (UV_OFFLINE=1)")


def test_a_pip_that_has_found_the_index_down_says_it_for_uv(
    run_uv: Callable[..., Ran], run: Run, index: Index, tmp_path: Path
) -> None:
    install = (*CACHEDINDEX, "run", "--", sys.executable, "-m", "pip", "install", "--target", "A", "alpha")
    pip = {"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", "CACHEDINDEX_INDEX_TTL": "0"}
    assert run(*install, **pip).code == 0
    assert run_uv("sync").code == 0
    index.seen.clear()
    proxy = {"HTTP_PROXY": "http://user:secret@127.0.0.1:9", "http_proxy": "http://user:secret@127.0.0.1:9"}
    assert run(*install, "--upgrade", **pip, **proxy).code == 0
    ran = run_uv("sync", **proxy)
    assert ran.code == 0, ran.err
    assert "its proxy refused the connection" in ran.ours[0]
    logs = [path.read_text() for path in (tmp_path / "cache/health-v1").rglob("*") if path.is_file()]
    (log,) = [text for text in logs if "failed" in text]
    assert "/simple/alpha/" in log, "it is pip's"
    assert "/simple/pip/" not in log, "uv's index was not asked once more"


def test_a_cache_that_holds_nothing_is_not_lived_on(run_uv: Callable[..., Ran], index: Index) -> None:
    index.fault(faults.status(503), "/simple/pip/")
    ran = run_uv("tool", "run", "--from", "alpha", "python", "-c", "pass")
    assert (ran.code, ran.ours) == (0, []), ran.err


def test_what_the_cache_lacks_is_asked_for_after_all(run_uv: Callable[..., Ran], index: Index) -> None:
    assert run_uv("pip", "install", "--target", "A", "epsilon").code == 0
    index.fault(faults.status(503), "/simple/pip/")
    ran = run_uv("pip", "install", "--target", "B", "alpha")
    assert ran.code == 0, ran.err
    assert [line.rpartition("; ")[2] for line in ran.ours] == [
        "uv uses its own cache (UV_OFFLINE=1)", "it is run again, online"
    ]  # fmt: skip


def test_a_program_is_run_once(run_uv: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    assert run_uv("sync").code == 0
    index.fault(faults.status(503))
    code = f"open({str(tmp_path / 'ran')!r}, 'a').write('once'); raise SystemExit(1)"
    ran = run_uv("run", "python", "-c", code)
    assert (ran.code, (tmp_path / "ran").read_text()) == (1, "once")
    compiled = run_uv("pip", "compile", "-")
    assert "run again" not in compiled.err, "what came on its standard input is gone"


def test_offline_is_uvs_too(run_uv: Callable[..., Ran], index: Index) -> None:
    assert run_uv("sync").code == 0
    index.seen.clear()
    ran = run_uv("sync", CACHEDINDEX_OFFLINE="true")
    assert ran.code == 0
    assert "offline = true; uv uses its own cache" in ran.ours[0]
    assert index.seen == []


@pytest.mark.parametrize(
    ("words", "variables", "file", "expected"),
    [
        ([], {}, "", ["https://default.example/simple/"]),
        (["--default-index", "https://a.example/s"], {}, "", ["https://a.example/s/"]),
        (["--index-url=https://u:p@a.example/s/"], {}, "", ["https://a.example/s/"]),
        (["-i", "https://a.example"], {"UV_INDEX_URL": "https://b.example"}, "",
         ["https://a.example/", "https://b.example/"]),
        (["--index", "co=https://a.example?x=1"], {}, "", ["https://a.example/", "https://default.example/simple/"]),
        ([], {"UV_DEFAULT_INDEX": "https://a.example"}, "", ["https://a.example/"]),
        ([], {"UV_INDEX": "co=https://a.example https://b.example"}, "",
         ["https://a.example/", "https://b.example/", "https://default.example/simple/"]),
        ([], {"UV_INDEX_URL": "file:///srv/simple"}, "", []),
        ([], {}, '[[tool.uv.index]]\nurl = "https://a.example"\n',
         ["https://a.example/", "https://default.example/simple/"]),
        ([], {}, '[[tool.uv.index]]\nurl = "https://a.example"\ndefault = true\n', ["https://a.example/"]),
        ([], {}, '[tool.uv.pip]\nindex-url = "https://a.example"\n', ["https://a.example/"]),
        (["-r", "requirements.txt"], {}, "", ["https://b.example/", "https://default.example/simple/"]),
        (["-ihttps://a.example"], {}, "", ["https://a.example/"]),
        (["sed", "-i", "s/a/b/"], {}, "", ["https://default.example/simple/"]),
        (["-rnested"], {}, "", ["https://b.example/", "https://default.example/simple/"]),
        (["--requirements=nested"], {}, "", ["https://b.example/", "https://default.example/simple/"]),
        (["-r", "https://a.example/requirements.txt"], {}, "", None),
        (["python", "-c", "x" * 9000], {}, "", ["https://default.example/simple/"]),
        (["own.py"], {}, "", None),
        (["plain.py"], {}, "", ["https://default.example/simple/"]),
        (["https://a.example/script.py"], {}, "", None),
        (["--project=other"], {}, "", ["https://c.example/", "https://default.example/simple/"]),
        ([], {"UV_PROJECT": "other"}, "", ["https://c.example/", "https://default.example/simple/"]),
        (["--config-file=uv.toml"], {}, "", None),
        (["--find-links", "https://a.example"], {}, "", None),
        (["long.txt"], {}, "", None),
        ([], {"ALL_PROXY": "http://proxy.example"}, "", None),
        ([], {"UV_INDEX": "http://[index.example/simple"}, "", None),
        ([], {"UV_CONFIG_FILE": "somewhere"}, "", None),
        ([], {}, "[tool.uv", None),
        ([], {}, "[tool]\nuv = 1", None),
        ([], {}, '[tool.uv.index]\nurl = "https://a.example"', None),
        ([], {}, "[tool.uv]\nfind-links = ['https://a.example']", None),
    ],
)  # fmt: skip
def test_the_indexes_that_uv_would_ask(
    words: list[str],
    variables: dict[str, str],
    file: str,
    expected: list[str] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if (file or "other" in str((words, variables))) and expected and sys.version_info < (3, 11):
        expected = None
    uv = tmp_path / "uv"
    uv.write_text(
        "#!/bin/sh\necho '--default-index <DEFAULT_INDEX>'\necho '  The default package index (by default:'\n"
        "echo '<https://default.example/simple>).'\n"
    )
    uv.chmod(0o755)
    (tmp_path / "pyproject.toml").write_text(file)
    (tmp_path / "requirements.txt").write_text("six\n--extra-index-url https://b.example/\n")
    (tmp_path / "long.txt").touch()
    os.truncate(tmp_path / "long.txt", 17 << 20)
    (tmp_path / "nested").write_text("-r requirements.txt\n-r nested\n")
    (tmp_path / "own.py").write_text("# /// script\n# [[tool.uv.index]]\n# url = 'https://a.example'\n# ///\n")
    (tmp_path / "plain.py").write_text("# /// script\n# dependencies = ['six']\n# ///\nindex = 1\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/uv.toml").write_text('extra-index-url = ["https://c.example"]\n')
    monkeypatch.chdir(tmp_path)
    found = indexes.of([str(uv), "sync", *words], {"XDG_CONFIG_HOME": str(tmp_path / "config"), **variables})
    assert (found and sorted(found)) == expected


def test_a_uv_that_does_not_say_what_its_default_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert indexes.of(["/bin/true", "sync"], {"XDG_CONFIG_HOME": str(tmp_path)}) is None
    assert indexes.of([str(tmp_path / "nowhere"), "sync"], {"XDG_CONFIG_HOME": str(tmp_path)}) is None


def test_on_windows_the_settings_of_a_user_and_of_the_host_are_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {"APPDATA": tmp_path / "user", "PROGRAMDATA": tmp_path / "host"}
    for folder in folders.values():
        (folder / "uv").mkdir(parents=True)
        (folder / "uv/uv.toml").write_text(f'extra-index-url = ["https://{folder.name}.example/"]\n')
    monkeypatch.setattr(system, "IS_WINDOWS", True)
    monkeypatch.chdir(tmp_path)
    variables = {name: str(folder) for name, folder in folders.items()}
    found = indexes.of(["uv", "sync", "--default-index", "https://own.example/"], variables)
    assert found == ["https://user.example/", "https://host.example/", "https://own.example/"]


@pytest.mark.slow
def test_the_real_uv_says_what_its_default_is(uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (default,) = indexes.of([str(uv), "sync"], {"XDG_CONFIG_HOME": str(tmp_path)}) or ()
    assert default.startswith("https://")
    assert default.endswith("/simple/")
