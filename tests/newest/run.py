"""Runs the suite below the newest Pythons, in a root of Debian testing: `python3 tasks.py test-newest`.

It needs root, debootstrap, and a Debian whose apt says from where the root comes; without them it says what is not
tested, and ends with 0. If a root or an environment cannot be made, as without a network, it says so, and ends with 75
unless a test has failed. The root takes a minute and 1.5 GB, and is kept in `.newest`, or in the folder that
TEST_NEWEST_ROOT names. Nothing is mounted there while no test runs, so that it can be deleted.

What it runs without arguments takes some minutes: all unit tests, and the integration tests that depend on the Python.
`--whole` runs the whole suite on each, which takes half an hour on each. Further arguments go to pytest instead.
`--only 3.14` leaves the other Pythons out; it may be there more than once.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import tasks

CHECKOUT = Path(__file__).parent.parent.parent.absolute()
ROOT = Path(os.environ.get("TEST_NEWEST_ROOT") or CHECKOUT / ".newest").absolute()
PYTHONS = {"3.14": "python3.14", "3.15": "python3.15", "PyPy": "pypy3"}
"""The commands of Debian's packages; that of 3.14 is its `python3`, too."""
PACKAGES = ("procps", "python3-pip", *(f"{command}-venv" for command in PYTHONS.values()))
OF_THE_PYTHON = {
    "3.14": ("hook", "start", "forks", "children"),
    "3.15": ("hook", "installed_hook", "start", "shadows", "forks", "children", "process"),
    "PyPy": ("run", "transparent", "forks", "children"),
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
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")
"""Starts it. This command ends it by a kill only: it waits for its child, whatever other signal it gets."""
_NOT_TO_THE_END = 75
"""The exit code if something that is not this project's kept a Python from being tested (EX_TEMPFAIL in sysexits.h)."""
_LONGEST_STEP = 600.0
"""Seconds for one step of making the root and the environments: each takes one or two minutes on an idle machine."""


class NotInstallable(Exception):
    """This project itself cannot be installed on a Python; the text is what pip said."""


def main(arguments: list[str]) -> int:
    """Make the root, and run on each Python what the arguments say; return the worst exit code."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--only", action="append", choices=PYTHONS)
    options, arguments = parser.parse_known_args(arguments)
    if why := why_not():
        print(f"NOT TESTED: {', '.join(PYTHONS)}: {why}")
        return 0
    # As on an interrupt: subprocess.run kills what it waits for, if it is left by an exception.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    begun, worst, untested = time.monotonic(), 0, 0
    for name in options.only or PYTHONS:
        try:
            make_root()
            bring_checkout()
            python = environment(name)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            # No network, or Debian testing has moved on.
            said = (error.stdout or b"") + (error.stderr or b"")
            print(f"NOT TESTED: {name}: {error}\n{said.decode(errors='replace')[-2000:]}")
            untested = _NOT_TO_THE_END
        except NotInstallable as error:
            print(f"{name}: this project cannot be installed: {error}")
            worst = max(worst, 1)
        else:
            worst = max(worst, test(name, python, arguments))
    print(f"Newest Pythons: {time.monotonic() - begun:.0f} s; the root is {ROOT}")
    return worst or untested


def why_not() -> str:
    """Return why no root can be made here; nothing if one can."""
    if sys.version_info < (3, 11):
        return "that is done by Python 3.11 or newer, which can read pyproject.toml"
    if os.name != "posix" or os.geteuid() != 0:
        return "only root can make a root of Debian"
    missing = [name for name in ("debootstrap", "apt-get", "unshare", "chroot") if not shutil.which(name)]
    if missing:
        return f"there is no {', '.join(missing)}"
    if subprocess.run([*_ALONE, "true"], capture_output=True, check=False).returncode:
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
    # With mounts of its own: if it is killed, it leaves /proc mounted, which the next rmtree would go into.
    bootstrap = ("debootstrap", "--variant=minbase", "--include=ca-certificates", "testing", ROOT, mirror())
    subprocess.run([*_ALONE, *bootstrap], capture_output=True, timeout=_LONGEST_STEP, check=True)
    for name in ("hosts", "resolv.conf", "pip.conf", AUTHORITIES.relative_to("/etc")):
        if (Path("/etc") / name).exists():
            shutil.copyfile(Path("/etc") / name, ROOT / "etc" / name)
    inside("apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES, is_step=True)
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
    codes = [inside(python, "-m", "pytest", "-q", *workers, *chosen)]
    if not arguments or arguments == ["--whole"]:  # By itself: it changes the interpreter that the others start.
        codes.append(inside(python, "-m", "pytest", "-q", "tests/newest"))
    print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    return max(codes)


def environment(name: str) -> str:
    """Return the path, inside the root, of a Python with what the tests need; NotInstallable if it cannot have ours."""
    import tomllib  # Since 3.11, see `why_not`.

    python, done = f"/env/{name}/bin/python", ROOT / "env" / name / "made"
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    wanted = [NOT_FOR_PYPY.sub("", each) if name == "PyPy" else each for each in extras["test"]]
    if not done.exists() or done.read_text("utf-8") != str(wanted):
        inside(PYTHONS[name], "-m", "venv", "--clear", f"/env/{name}", is_step=True)
        install, ours = (python, "-m", "pip", "install", "-q", "--prefer-binary"), ("-e", "/checkout")
        inside(*install, "setuptools", is_step=True)
        try:
            inside(*install, "--no-deps", "--no-build-isolation", *ours, is_step=True)  # With nothing from elsewhere.
        except subprocess.CalledProcessError as error:
            raise NotInstallable(error.stderr.decode(errors="replace")) from error
        inside(*install, *ours, *filter(None, wanted), is_step=True)
        done.write_text(str(wanted), "utf-8")
    return python


def inside(*command: str, is_step: bool = False) -> int:
    """Run a command in the root, in the copy of the checkout if there is one; return its exit code.

    A step of making something prints nothing, and has to succeed in time: it raises a SubprocessError otherwise.
    """
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "IN_NEWEST_ROOT": "1", "HOME": "/root"}
    if AUTHORITIES.exists():
        environ["PIP_CERT"] = str(AUTHORITIES)
    folder = "/checkout" if (ROOT / "checkout").exists() else "/"
    words: Sequence[str | Path] = [*_ALONE, "sh", "-c", _ENTER, "sh", ROOT, "env", "--chdir", folder, *command]
    longest = _LONGEST_STEP if is_step else None
    return subprocess.run(words, env=environ, check=is_step, capture_output=is_step, timeout=longest).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
