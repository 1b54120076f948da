"""Measures what an installed hook costs at the start of a Python: `python -m bench.start [ROUNDS]`.

Two environments of the Python that runs it, alike but for the hook, start in turns, so that other programs disturb both
alike. It prints the medians of the differences in milliseconds, in all and of CPU, which a busy machine changes less;
each should be at most 1.0.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from bench.spent import compared, spent

SOURCE = Path(__file__).parent.parent / "src"


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 250
    with tempfile.TemporaryDirectory(prefix="cachedindex-start-") as folder:
        starts = [[str(environment(Path(folder) / name)), "-c", "pass"] for name in ("without", "with")]
        install = [sys.executable, "-m", "cachedindex", "hook", "install", "--python", starts[1][0]]
        subprocess.run(install, cwd=SOURCE, check=True, stdout=subprocess.DEVNULL)
        pairs = [(spent(starts[0], os.environ), spent(starts[1], os.environ)) for _ in range(rounds)]
    print(f"{rounds} rounds of {platform.python_implementation()} {platform.python_version()}")
    for what, found in compared("in all", pairs).items():
        bare = statistics.median(before for before, _ in found) * 1000
        more = statistics.median(after - before for before, after in found) * 1000
        print(f"{what}: {bare:.2f} ms without the hook, {more:+.2f} ms with it (paired median)")


def environment(folder: Path) -> Path:
    """Return the python of a new environment."""
    venv.create(folder)
    return folder / "bin/python"


if __name__ == "__main__":
    main()
