"""The hook in a distribution's own interpreter, whose sitecustomize.py is a configuration file of a package.

It changes the interpreter that other tests start. So it runs by itself, and only in the root of `tests/newest/run.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Ran, Run
from tests.index import Index

pytestmark = pytest.mark.skipif(
    not os.environ.get("IN_NEWEST_ROOT"), reason="SKIPPED: it runs in the root of `python3 tasks.py test-newest`"
)
CACHEDINDEX = (sys.executable, "-m", "cachedindex")
IS_ON = "import sys; print('_cachedindex_hook' in sys.modules)"
OWN = Path(os.path.realpath(sys.executable))
LIBRARY = Path(sysconfig.get_paths()["stdlib"])
EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0", "PIP_NO_CACHE_DIR": "1"}


@pytest.fixture
def conffile() -> Iterator[Path]:
    """Give the file that the interpreter's sitecustomize.py leads to, which is as it was after the test."""
    path = (LIBRARY / "sitecustomize.py").resolve()
    if not path.exists():
        pytest.skip(f"SKIPPED: {OWN} has no sitecustomize.py, as Debian's PyPy has none")
    before = path.read_bytes()
    yield path
    for left in LIBRARY.glob("_cachedindex_base.py"):
        left.unlink()
    path.write_bytes(before)


@pytest.fixture
def hook(run: Run) -> Callable[[str], Ran]:
    """Give a function that runs `cachedindex hook` for the interpreter itself."""

    def hook(action: str) -> Ran:
        return run(*CACHEDINDEX, "hook", action, "--base", "--python", OWN)

    return hook


@pytest.fixture
def package(conffile: Path) -> str:
    """Give the name of the package that has the configuration file."""
    query = subprocess.run(["dpkg", "-S", conffile], capture_output=True, text=True, check=True)
    return query.stdout.partition(":")[0]


def test_it_is_there_in_all_environments_and_goes_without_a_trace(
    run: Run, hook: Callable[[str], Ran], conffile: Path, tmp_path: Path
) -> None:
    assert (LIBRARY / "sitecustomize.py").is_symlink()
    before = conffile.read_bytes()
    assert run(OWN, "-m", "venv", "--without-pip", "before").code == 0
    for action, on in (("install", "True"), ("install", "True"), ("remove", "False")):
        did = hook(action)
        assert (did.code, did.err) == (0, "")
        assert run(OWN, "-m", "venv", "--clear", "--without-pip", "after").code == 0
        for python in (OWN, tmp_path / "before/bin/python", tmp_path / "after/bin/python"):
            for options in ((), ("-I",), ("-E",), ("-P",), ("-X", "dev", "-W", "error")):
                ran = run(python, *options, "-c", IS_ON)
                assert (ran.out.strip(), ran.err) == (on, ""), (python, options)
            assert run(python, "-S", "-c", IS_ON).out == "False\n"
        assert (f"by a block in {conffile}" in hook("status").out) == (on == "True")
    assert conffile.read_bytes() == before
    assert not list(LIBRARY.glob("_cachedindex*"))


def test_a_pip_of_an_environment_survives_an_outage(
    run: Run, hook: Callable[[str], Ran], conffile: Path, index: Index, tmp_path: Path
) -> None:
    assert run(OWN, "-m", "venv", "made").code == 0
    assert hook("install").code == 0
    install = (tmp_path / "made/bin/python", "-I", "-m", "pip", "install", "-q", "--index-url", index.url, "--target")
    first = run(*install, "A", "alpha", "source", **EXPIRED)
    assert (first.code, first.err) == (0, "")
    index.close()
    second = run(*install, "B", "alpha", "source", **EXPIRED)
    assert second.code == 0, second.err
    assert len(second.ours) == 1
    assert "served 7 pages stale" in second.ours[0]


def test_what_pip_refuses_here_it_refuses_with_the_hook(run: Run, hook: Callable[[str], Ran], conffile: Path) -> None:
    """An interpreter that says EXTERNALLY-MANAGED (PEP 668)."""
    install = ("/usr/bin/python3", "-m", "pip", "install", "--no-index", "nothing")
    before = run(*install)
    assert "externally-managed-environment" in before.err
    assert hook("install").code == 0
    assert run(*install) == before


def test_an_upgrade_of_the_package_keeps_it(
    run: Run, hook: Callable[[str], Ran], conffile: Path, package: str, tmp_path: Path
) -> None:
    """By a package of a newer version, whose configuration file has changed as well."""
    before = conffile.read_bytes()
    assert hook("install").code == 0
    with_block = conffile.read_bytes()
    original, newer = repacked(package, conffile, tmp_path)
    dpkg = ("dpkg", "--force-confdef", "--force-confold", "--force-depends", "--force-downgrade", "-i")
    try:
        upgraded = run(*dpkg, newer, DEBIAN_FRONTEND="noninteractive")
        assert upgraded.code == 0, upgraded.err
        assert conffile.read_bytes() == with_block
        assert run(OWN, "-I", "-c", IS_ON).out == "True\n"
        assert hook("remove").code == 0
        assert conffile.read_bytes() == before
    finally:
        assert run(*dpkg, original).code == 0
        conffile.with_name("sitecustomize.py.dpkg-dist").unlink(missing_ok=True)


def repacked(package: str, conffile: Path, folder: Path) -> tuple[Path, Path]:
    """Return the files of an installed package, and of a newer version whose configuration file has one line more."""
    subprocess.run(["apt-get", "-qq", "download", package], cwd=folder, capture_output=True, check=True)
    (original,) = folder.glob("*.deb")
    new = folder / "new"
    subprocess.run(["dpkg-deb", "-R", original, new], check=True)
    control = new / "DEBIAN/control"
    control.write_text(re.sub(r"^(Version: .*)$", r"\1+newer", control.read_text(), flags=re.MULTILINE))
    with (new / conffile.relative_to("/")).open("a") as file:
        file.write("# as the newer package has it\n")
    subprocess.run(["dpkg-deb", "-b", new, folder / "newer.deb"], capture_output=True, check=True)
    return original, folder / "newer.deb"
