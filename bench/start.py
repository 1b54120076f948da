"""Measures what an installed hook costs at the start of a Python: `python -m bench.start [ROUNDS]`.

Two environments, alike but for the hook, start in turns, so that other programs disturb both alike. It prints the
median of the differences in milliseconds, which should be at most 1.0.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src"


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 250
    with tempfile.TemporaryDirectory(prefix="cachedindex-start-") as folder:
        without, with_hook = (environment(Path(folder) / name) for name in ("without", "with"))
        install = [sys.executable, "-m", "cachedindex", "hook", "install", "--python", str(with_hook)]
        subprocess.run(install, cwd=SOURCE, check=True, stdout=subprocess.DEVNULL)
        pairs = [(seconds(without), seconds(with_hook)) for _ in range(rounds)]
    bare = statistics.median(before for before, _ in pairs) * 1000
    more = statistics.median(after - before for before, after in pairs) * 1000
    print(f"{rounds} rounds: {bare:.2f} ms without the hook, {more:+.2f} ms with it (paired median)")


def environment(folder: Path) -> Path:
    """Return the python of a new environment."""
    venv.create(folder)
    return folder / "bin/python"


def seconds(python: Path) -> float:
    """Return the seconds that a Python takes to start and end."""
    begun = time.perf_counter()
    subprocess.run([python, "-c", "pass"], check=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
