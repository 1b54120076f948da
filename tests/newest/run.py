"""Runs the suite below the newest Pythons, in a root of Debian testing: `python3 tasks.py test-newest`.

It needs root, debootstrap, and a Debian whose apt says from where the root comes; without them it says what is not
tested, and ends with 0. The root takes a minute and 1.5 GB, and is kept in `.newest`, or in the folder that
TEST_NEWEST_ROOT names. Nothing is mounted there while no test runs, so that it can be deleted.

What it runs without arguments takes some minutes: all unit tests, and the integration tests that depend on the Python.
`--whole` runs the whole suite on each, which takes half an hour on each. Further arguments go to pytest instead.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import tasks
import tomllib

CHECKOUT = Path(__file__).parent.parent.parent.absolute()
ROOT = Path(os.environ.get("TEST_NEWEST_ROOT") or CHECKOUT / ".newest").absolute()
PYTHONS = {"3.14": "python3.14", "3.15": "python3.15", "PyPy": "pypy3"}
"""The commands of Debian's packages; that of 3.14 is its `python3`, too."""
PACKAGES = ("python3-pip", *(f"{command}-venv" for command in PYTHONS.values()))
OF_THE_PYTHON = {
    "3.14": ("hook", "start", "forks", "children"),
    "3.15": ("hook", "installed_hook", "start", "forks", "children", "process"),
    "PyPy": ("forks",),
}
"""The integration tests that depend most on the Python: what it loads, how it starts, and how it starts programs."""
NOT_FOR_PYPY = re.compile(r",remote\b|^trustme\b.*")
"""Of the extra `test`: obstore, and cryptography below trustme, have no wheel for PyPy 8. Their tests are left out."""
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_ENTER = """
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/run" || exit 125
root=$1; shift
chroot "$root" "$@"
exit $?
"""
"""The first process of its own namespaces: the mounts, and all that was started there, end with it."""


def main(arguments: list[str]) -> int:
    """Make the root, and run on each Python what the arguments say; return the worst exit code."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if why := why_not():
        print(f"NOT TESTED: {', '.join(PYTHONS)}: {why}")
        return 0
    begun, worst = time.monotonic(), 0
    for name in PYTHONS:
        try:
            make_root()
            bring_checkout()
            python = environment(name)
        except subprocess.CalledProcessError as error:  # No network, or Debian testing has moved on.
            said = (error.stdout or b"") + (error.stderr or b"")
            print(
                f"NOT TESTED: {name}: {error.cmd[0]} ended with {error.returncode}",
                said.decode(errors="replace")[-2000:],
            )
        else:
            worst = max(worst, test(name, python, arguments))
    print(f"Newest Pythons: {time.monotonic() - begun:.0f} s; the root is {ROOT}")
    return worst


def why_not() -> str:
    """Return why no root can be made here; nothing if one can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "only root can make a root of Debian"
    missing = [name for name in ("debootstrap", "apt-get", "unshare", "chroot") if not shutil.which(name)]
    if missing:
        return f"there is no {', '.join(missing)}"
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False).returncode:
        return "this container may not mount anything"
    return "" if mirror() else "apt has no Debian to get it from"


def mirror() -> str:
    """Return the place that this machine's apt gets Debian from."""
    command = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Identifier: Packages"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return next((uri for label, _, uri in (line.partition(" ") for line in said.splitlines()) if label == "Debian"), "")


def make_root() -> None:
    """Make the root, unless it is there as this file makes it."""
    done = ROOT / "made"
    wanted = " ".join(PACKAGES)
    if done.exists() and done.read_text("utf-8") == wanted:
        return
    print(f"Making a root of Debian testing in {ROOT}, which takes a minute", flush=True)
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "testing", ROOT, mirror()],
                   capture_output=True, check=True)  # fmt: skip
    for name in ("hosts", "resolv.conf", "pip.conf", AUTHORITIES.relative_to("/etc")):
        if (Path("/etc") / name).exists():
            shutil.copyfile(Path("/etc") / name, ROOT / "etc" / name)
    inside("apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES, capture_output=True)
    done.write_text(wanted, "utf-8")


def bring_checkout() -> None:
    """Copy the checkout into the root: what its tests leave behind is none of the checkout's."""
    copy = ROOT / "checkout"
    kept = copy / ".pytest_cache"  # It has the real distributions that the tests have fetched.
    for path in copy.iterdir() if copy.exists() else ():
        if path != kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    tasks.copy_checkout(copy)


def test(name: str, python: str, arguments: list[str]) -> int:
    """Run on one Python what the arguments say, and return the exit code."""
    begun = time.monotonic()
    if arguments == ["--whole"]:
        chosen = ["tests", "--ignore=tests/newest"]
    elif arguments:
        chosen = arguments
    else:
        chosen = [
            "-m",
            "not slow",
            "tests/unit",
            *(f"tests/integration/test_{each}.py" for each in OF_THE_PYTHON[name]),
        ]
    workers = ["-n", str((os.cpu_count() or 1) + 1), "--dist", "loadgroup"]
    print(f"\n{name}: {' '.join(chosen)}", flush=True)
    codes = [inside(python, "-m", "pytest", "-q", *workers, *chosen, check=False)]
    if not arguments or arguments == ["--whole"]:  # By itself: it changes the interpreter that the others start.
        codes.append(inside(python, "-m", "pytest", "-q", "tests/newest", check=False))
    print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    return max(codes)


def environment(name: str) -> str:
    """Return the path, inside the root, of a Python with what the tests need."""
    python, done = f"/env/{name}/bin/python", ROOT / "env" / name / "made"
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    wanted = [NOT_FOR_PYPY.sub("", each) if name == "PyPy" else each for each in extras["test"]]
    if not done.exists() or done.read_text("utf-8") != str(wanted):
        inside(PYTHONS[name], "-m", "venv", "--clear", f"/env/{name}", capture_output=True)
        install = (python, "-m", "pip", "install", "-q", "--prefer-binary", "-e", "/checkout")
        inside(*install, *filter(None, wanted), capture_output=True)
        done.write_text(str(wanted), "utf-8")
    return python


def inside(*command: str, check: bool = True, capture_output: bool = False) -> int:
    """Run a command in the root, in the copy of the checkout if there is one; return its exit code."""
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "IN_NEWEST_ROOT": "1", "HOME": "/root"}
    if AUTHORITIES.exists():
        environ["PIP_CERT"] = str(AUTHORITIES)
    enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    folder = "/checkout" if (ROOT / "checkout").exists() else "/"
    words: Sequence[str | Path] = [*enter, "sh", "-c", _ENTER, "sh", ROOT, "env", "--chdir", folder, *command]
    return subprocess.run(words, env=environ, check=check, capture_output=capture_output).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
