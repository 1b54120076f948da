"""Set everything up in `.venv` and do one of the project's jobs, as in `python3 tasks.py test`.

demo: a real pip build and a real buildout, each twice, the second time with an index that cannot be reached.
test: the linters, the type checker and all tests, whose coverage is measured; further arguments go to pytest, and then
nothing is measured unless --cov is one of them.
test-windows: the tests of what a system has differently, on a Python for Windows: this one, or one that is made below
wine, in a minute; further arguments go to pytest in place of tests/systems.txt.
test-newest: the tests that depend on the Python, below CPython 3.14 and 3.15 and PyPy, in a root of Debian testing that
is made for it. It needs root and debootstrap; --only 3.14 leaves the others out, --whole runs all tests there, and
further arguments go to pytest.
docs: the documentation as a site, in `build/site`; any warning is an error.
release-check: what would be released, built and tested; `tests/release.py` has its options.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).parent.absolute()
ENVIRONMENT = HERE / ".venv"
TOOLS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
WORKERS = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "loadgroup")
"""For pytest; one more than there are processors, as many tests wait for a moment."""
MADE_HERE = (
    ".git", ".venv", ".newest", ".windows", ".bench", ".hypothesis", ".coverage*", ".*_cache",
    "__pycache__", "*.egg-info", "build", "dist",
)  # fmt: skip
"""What lies in a checkout and is no part of it. `.windows` has a link to /, which would be copied without an end."""
SPHINX = ("-m", "sphinx", "-W", "--keep-going", "-E", "-q", "-c", "docs")
"""For Python; then come the folder of the pages and that of the site."""


def main() -> int:
    """Do what the command line says."""
    jobs = {
        "demo": demo,
        "test": test,
        "test-windows": test_windows,
        "test-newest": test_newest,
        "docs": docs,
        "release-check": release_check,
    }
    arguments = sys.argv[1:]
    if sys.version_info < (3, 10):  # noqa: UP036 - whoever runs this file may have an older one
        print("cachedindex needs Python 3.10 or newer; this is", sys.version.split()[0])
        return 2
    if not arguments or arguments[0] not in jobs:
        print(__doc__)
        return 2
    if arguments[0] != "test-newest":  # It has environments of its own.
        set_up()
    return jobs[arguments[0]](arguments[1:])


def set_up() -> None:
    """Make the environment, or bring it up to date."""
    python = TOOLS / ("python.exe" if os.name == "nt" else "python")
    if not python.exists():
        print("Setting up .venv, which takes half a minute", flush=True)
        venv.create(ENVIRONMENT, with_pip=True)
    done = ENVIRONMENT / "set-up"
    browser = shutil.which("chromium") or ""
    wanted = browser + "".join((HERE / name).read_text("utf-8") for name in ("pyproject.toml", "setup.py"))
    if not done.exists() or done.read_text("utf-8") != wanted:
        run(python, "-m", "pip", "install", "-q", "--upgrade", "pip")
        run(python, "-m", "pip", "install", "-q", "--editable", f"{HERE}[dev]")
        for extra in ("objects", *(["browser"] if browser else [])):
            install = [python, "-m", "pip", "install", "-q", "--editable", f"{HERE}[{extra}]"]
            if subprocess.run(install, check=False).returncode:
                print(f"NOT INSTALLED, AND NOT TESTED WITH: what is in the extra {extra}", flush=True)
        done.write_text(wanted, "utf-8")


def test(arguments: list[str]) -> int:
    """Run the checks, all of them, and return the worst exit code."""
    checks = [
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy"],
        ["pytest", *WORKERS, *(arguments or ["--cov"])],
    ]
    return max(abs(subprocess.run([TOOLS / name, *rest], cwd=HERE, check=False).returncode) for name, *rest in checks)


def test_windows(arguments: list[str]) -> int:
    """Run the tests of Windows on a Python for Windows, and return pytest's exit code."""
    below = [] if os.name == "nt" else ["-m", "tests.windows.wine"]
    chosen = arguments or ["-n", str(os.cpu_count() or 1), "@tests/systems.txt"]
    pytest = ["-m", "pytest", "--timeout=120", "--timeout-method=thread", *chosen]
    return subprocess.run([TOOLS / "python", *below, *pytest], cwd=HERE, check=False).returncode


def docs(_: list[str]) -> int:
    """Build the site, and say where it begins."""
    site = HERE / "build/site"
    run(TOOLS / "python", *SPHINX, "-d", site.with_name("doctrees"), HERE, site)
    print(f"{site}/index.html")
    return 0


def release_check(arguments: list[str]) -> int:
    """Build what would be released, and test it."""
    return subprocess.run([TOOLS / "python", "-m", "tests.release", *arguments], cwd=HERE, check=False).returncode


def test_newest(arguments: list[str]) -> int:
    """Run the tests below the newest Pythons, and return the worst exit code."""
    return subprocess.run([sys.executable, "-m", "tests.newest.run", *arguments], cwd=HERE, check=False).returncode


def demo(_: list[str]) -> int:
    """Build online, then with an index that cannot be reached, and show that the results are the same."""
    folder = Path(tempfile.mkdtemp(prefix="cachedindex-demo-"))
    # pip's own cache is off, so that nothing but ours can help.
    online = {**os.environ, "CACHEDINDEX_CACHE_DIR": str(folder / "cache"), "PIP_NO_CACHE_DIR": "1"}
    # A port that is taken but not listened on: every connection is refused, to whatever index it would go.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere)
        offline = {**online, **proxies, "no_proxy": "", "NO_PROXY": "", "CACHEDINDEX_INDEX_TTL": "0"}
        try:
            said = [*pip_twice(folder, online, offline), *buildout_twice(folder, online, offline)]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print("\nBoth builds came out the same without an index. What stood in for it:")
    print("\n".join(said))
    return 0


def pip_twice(folder: Path, online: dict[str, str], offline: dict[str, str]) -> list[str]:
    """Install two wheels with what they need, and an sdist, which takes an isolated build; return what was said."""
    said: list[str] = []
    install = ["cachedindex", "run", "--", TOOLS / "pip", "install", "--quiet", "--target"]
    for number, (name, environ) in enumerate((("online", online), ("without an index", offline)), 1):
        print(f"\n[{number}/4] pip, {name}: cachedindex run -- pip install requests flask docopt", flush=True)
        target = folder / f"pip-{number}"
        said += watch(TOOLS / install[0], *install[1:], target, "requests", "flask", "docopt", env=environ)
    same(*(sorted(path.name for path in (folder / f"pip-{number}").glob("*.dist-info")) for number in (1, 2)))
    return said


def buildout_twice(folder: Path, online: dict[str, str], offline: dict[str, str]) -> list[str]:
    """Build this checkout's buildout.cfg; return what was said."""
    said: list[str] = []
    for number, (name, environ) in enumerate((("online", online), ("without an index", offline)), 3):
        print(f"\n[{number}/4] buildout, {name}: buildout with `extensions = cachedindex`", flush=True)
        workspace = folder / f"buildout-{number}"
        workspace.mkdir()
        shutil.copy(HERE / "buildout.cfg", workspace)
        said += watch(TOOLS / "buildout", "-q", cwd=workspace, env=environ)
    same(*(sorted(path.name for path in (folder / f"buildout-{number}/eggs").rglob("*.egg")) for number in (3, 4)))
    return said


def same(first: list[str], second: list[str]) -> None:
    """End the demonstration when two builds differ."""
    if not first or first != second:
        raise SystemExit(f"the builds differ:\n{first}\n{second}")
    print(f"      {len(second)} distributions, the same versions as online", flush=True)


def run(*command: object) -> None:
    """Run a command to its end, and end with it when it fails."""
    code = subprocess.run([str(part) for part in command], cwd=HERE, check=False).returncode
    if code:
        raise SystemExit(f"{command[0]} ended with exit code {code}")


def copy_checkout(folder: Path) -> None:
    """Copy this checkout into a folder, without what was made in it."""
    ignore = shutil.ignore_patterns(*MADE_HERE)
    shutil.copytree(HERE, folder, symlinks=True, ignore=ignore, dirs_exist_ok=True)


def watch(*command: object, env: dict[str, str], cwd: Path = HERE) -> list[str]:
    """Run a command as `run` does, and return the lines that cachedindex printed."""
    words = [str(part) for part in command]
    with subprocess.Popen(words, cwd=cwd, env=env, stderr=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stderr or ():
            print(f"      {line}", end="", flush=True)
            lines.append(line.rstrip())
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with exit code {process.returncode}")
    return [line for line in lines if line.startswith("cachedindex: ")]


if __name__ == "__main__":
    sys.exit(main())
