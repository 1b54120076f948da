"""Checks what would be released: `python3 tasks.py release-check`, in two minutes on two cores.

Each step says what it does, and the first one that fails ends it:

* Two builds, of copies that differ in folder, umask, modes and times, come out the same, byte for byte.
* The sdist has every file that git has; twine and pyroma have nothing to say.
* The wheel and the sdist are installed into environments of their own.
* The sdist's tests pass where it lies alone: `tests/unit`, those of the documentation, and the commands of the README
  with that wheel. With `--all` it is the whole suite, which takes as long as that of the checkout.

`--into FOLDER` leaves the wheel and the sdist there. `--tag v1.2.3` fails unless that is their version, and CHANGES.md
has the date of it, and pyproject.toml real addresses. The tools and what they need come from the index that pip uses.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks import WORKERS, copy_checkout

from tests.environments import CHECKOUT, WHEEL

TOOLS = ("build>=1.2", "pyroma>=5", "twine>=6.1")
QUICK = ("tests/unit", "tests/test_docs.py", "tests/test_layers.py")
README = ("tests/integration/test_shown_commands.py", "-k", "README")


def main(words: list[str]) -> int:
    """Do all steps; SystemExit with what is wrong."""
    parser = argparse.ArgumentParser(prog="tasks.py release-check")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--into", metavar="FOLDER", type=Path)
    parser.add_argument("--tag")
    chosen = parser.parse_args(words)
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(int(time.time())))
    with tempfile.TemporaryDirectory(prefix="cachedindex-release-") as name:
        folder = Path(name)
        with step("the tools"):
            tools = environment(folder / "tools", *TOOLS)
        with step("two builds"):
            sdist, wheel = built_twice(folder, tools)
        with step("what twine and pyroma say"):
            run(tools, "-m", "twine", "check", "--strict", sdist, wheel)
            run(tools, "-m", "pyroma", "--min=10", sdist)
            complete(sdist)
        if chosen.tag:
            named(chosen.tag, wheel)
        with step("an environment with the wheel"):
            run(environment(folder / "of-wheel", wheel), "-m", "cachedindex", "--version")
        with step("an environment with the sdist, and what its tests need"):
            tests = environment(folder / "of-sdist", f"{sdist}[test]")
            run(tests, "-m", "cachedindex", "--version")
        alone = folder / "alone"
        shutil.unpack_archive(sdist, alone, filter="data")
        (alone,) = alone.iterdir()
        os.environ[WHEEL] = str(wheel)
        for chosen_tests in [()] if chosen.all else [QUICK, README]:
            with step(f"the sdist's tests: {' '.join(chosen_tests) or 'all'}"):
                tested(tests, alone, *chosen_tests)
        if chosen.into:
            chosen.into.mkdir(parents=True, exist_ok=True)
            for path in (sdist, wheel):
                shutil.copy(path, chosen.into)
    print(f"{wheel.name} and {sdist.name} can be released")
    return 0


@contextmanager
def step(says: str) -> Iterator[None]:
    """Print what a step is about, and how long it took."""
    print(f"release-check: {says}", flush=True)
    began = time.monotonic()
    yield
    print(f"release-check: {says}: {time.monotonic() - began:.0f} s", flush=True)


def run(python: Path, *arguments: object, cwd: Path = CHECKOUT.parent) -> None:
    """Run a module of an environment to its end, from a folder that has none of ours; SystemExit if it fails."""
    command = [str(word) for word in (python, *arguments)]
    if code := subprocess.run(command, cwd=cwd, check=False).returncode:
        raise SystemExit(f"release-check: {' '.join(command)}: exit code {code}")


def environment(folder: Path, *requirements: object) -> Path:
    """Return the Python of a new environment with these requirements."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    run(python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *requirements)
    return python


def built_twice(folder: Path, tools: Path) -> list[Path]:
    """Build two copies of the checkout that differ in all that must not matter; return the sdist and the wheel."""
    builds, found = [], []
    for name, umask in (("first", 0o002), ("another/folder/second", 0o077)):
        copy, out = folder / name, folder / f"{name}-built"
        copy_checkout(copy)
        for path in copy.rglob("*"):
            path.chmod((0o777 if path.stat().st_mode & 0o100 else 0o666) & ~umask)
            os.utime(path, (1e9 + umask, 1e9 + umask))
        command = [tools, "-m", "build", "--outdir", out, copy]
        with (folder / f"{name}.log").open("wb") as log:
            builds.append(subprocess.Popen(command, cwd=folder, umask=umask, stdout=log, stderr=subprocess.STDOUT))
        found.append((out, folder / f"{name}.log"))
    for build in builds:
        build.wait()
    if any(build.returncode for build in builds):
        raise SystemExit("\n".join(log.read_text()[-3000:] for _, log in found))
    first, second = (sorted(out.iterdir()) for out, _ in found)
    for one, other in zip(first, second, strict=True):
        if digest(one) != digest(other) or one.name != other.name:
            raise SystemExit(f"release-check: {one.name} comes out in two ways")
    return first[::-1]


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def complete(sdist: Path) -> None:
    """Fail if the sdist lacks a file that git has, or has one that git has not, as one that an editor left."""
    if not (CHECKOUT / ".git").exists():
        print("NOT CHECKED, FOR WANT OF GIT: whether the sdist has every file")
        return
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    with tarfile.open(sdist) as archive:
        held = {member.name.partition("/")[2] for member in archive if member.isfile()}
    known = set(listed.split("\0")) - {""}
    if missing := sorted(known - held):
        raise SystemExit(f"release-check: the sdist has no {', '.join(missing)}; see MANIFEST.in")
    more = {name for name in held - known if not name.startswith("src/cachedindex.egg-info/")}
    if more := more - {"PKG-INFO", "setup.cfg"}:  # setuptools makes these.
        raise SystemExit(f"release-check: git does not know {', '.join(sorted(more))}, which the sdist has")


def named(tag: str, wheel: Path) -> None:
    """Fail unless a tag is that of the wheel's version, and the changes have a date for it."""
    version = wheel.name.split("-")[1]
    if tag != f"v{version}":
        raise SystemExit(f"release-check: the tag is {tag}, and the version is {version}")
    if f"\n## {version} (2" not in (CHECKOUT / "CHANGES.md").read_text("utf-8"):
        raise SystemExit(f"release-check: CHANGES.md has no date for {version}")
    if ".example" in (CHECKOUT / "pyproject.toml").read_text("utf-8"):
        raise SystemExit("release-check: pyproject.toml has placeholders for the project's addresses")


def tested(python: Path, alone: Path, *chosen: str) -> None:
    """Run tests of the unpacked sdist; what they fetch from the index is that of the checkout."""
    run(python, "-m", "pytest", "-q", *WORKERS, "-o", f"cache_dir={CHECKOUT / '.pytest_cache'}", *chosen, cwd=alone)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
