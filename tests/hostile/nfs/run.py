"""The kill loop on two NFSv4.2 mounts with caches of their own, in a kernel that runs as an ordinary process.

`python tests/hostile/nfs/run.py [SECONDS]`, as root, on Debian with user-mode-linux, kmod, nfs-kernel-server and gcc.
It writes its result into docs/reference/guarantees.md.
"""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import cachedindex

HERE = Path(__file__).parent.absolute()
CHECKOUT = HERE.parents[2]
PAGE = CHECKOUT / "docs/reference/guarantees.md"
BEGIN, END = "<!-- written by tests/hostile/nfs/run.py -->", "<!-- up to here -->"
BOOT_AND_REPORT = 300
"""Seconds beside those of the kill loop, on a kernel that is about five times as slow as its host."""


def main(seconds: int) -> int:
    """Run the guest to its end, and record what came of it."""
    with tempfile.TemporaryDirectory(prefix="cachedindex-nfs-") as folder:
        out = Path(folder)
        run_guest(out, seconds)
        log = tail(out / "log")
        if not (out / "result.xml").exists():
            print(tail(out / "console"), log, "The guest came to no result.", sep="\n")
            return 2
        passed, line = result(out)
    text = PAGE.read_text("utf-8")
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{line}\n{END}", text, flags=re.DOTALL), "utf-8")
    print(line if passed else f"{log}\n{line}")
    return 0 if passed else 1


def run_guest(out: Path, seconds: int) -> None:
    """Boot a kernel whose root is this machine's and whose first process is init.sh."""
    wide = out / "wide_state.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", wide, HERE / "wide_state.c"], check=True)
    words = {"OUT": out, "CHECKOUT": CHECKOUT, "PYTHON": sys.executable, "SECONDS_OF_KILLS": seconds}
    kernel = ["linux.uml", "mem=2G", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", f"init={HERE}/init.sh",
              "con=null", "con0=null,fd:1", *(f"{name}={value}" for name, value in words.items())]  # fmt: skip
    # HOME, since it leaves a socket there.
    environ = {**os.environ, "LD_PRELOAD": str(wide), "HOME": str(out)}
    with (out / "console").open("wb") as console:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": console, "stderr": console}
        process = subprocess.Popen(kernel, env=environ, start_new_session=True, **pipes)
        try:
            process.wait(seconds + BOOT_AND_REPORT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def tail(path: Path) -> str:
    """Return the end of a log, which the guest may not even have begun."""
    return path.read_text(errors="replace")[-6000:] if path.exists() else ""


def result(out: Path) -> tuple[bool, str]:
    """Return whether the loop passed, and the line that says on what and how."""
    (suite,) = ET.parse(out / "result.xml").iter("testsuite")
    counts = [suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")]
    passed = counts == ["1", "0", "0", "0"]
    found = next((entry.attrib["value"] for entry in suite.iter("property")), "it did not come to its end")
    query = ["dpkg-query", "-Wf", "${Version}", "nfs-kernel-server"]
    server = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    kernel = (out / "kernel").read_text().strip()
    said = [
        time.strftime("%Y-%m-%d"),
        f"Linux {kernel} in user mode",
        f"nfs-kernel-server {server}",
        f"Python {platform.python_version()}",
        f"cachedindex {cachedindex.__version__}: {'passed' if passed else '**failed**'}",
        found,
    ]
    return passed, ", ".join(said) + "."


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 60))
