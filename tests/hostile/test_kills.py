"""Writers, readers and an evictor on one folder, killed at random: no wrong byte, no failed build, nothing torn.

CACHEDINDEX_HOSTILE_SECONDS is for how long (30), CACHEDINDEX_HOSTILE_SEED repeats a run's choices, and
CACHEDINDEX_HOSTILE_FOLDERS names the folder as each of several mounts shows it, parted by colons.
"""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from itertools import cycle
from pathlib import Path

import pytest

from cachedindex.store import record
from tests.conftest import CHECKOUT, Run
from tests.hostile import selfdescribing
from tests.index import Index

SECONDS = float(os.environ.get("CACHEDINDEX_HOSTILE_SECONDS", "30"))
SEED = os.environ.get("CACHEDINDEX_HOSTILE_SEED") or str(random.randrange(10**6))
ROLES = [*["writer"] * 8, *["reader"] * 2, *["offline"] * 2, "evictor"]
COLLECTS = importlib.util.find_spec("cachedindex.commands.gc") is not None
A_DAY = 86_400
Recorded = Callable[[str, object], None]


class Crowd:
    """Processes with roles on a folder; one that ends is followed by another of its role."""

    def __init__(self, origin: str, folders: list[Path], environment: Mapping[str, str], told: Path) -> None:
        self._origin = origin
        self._folders = cycle(folders)
        self._environment = environment
        self._seeds = random.Random(SEED)
        self._told = told.open("ab")
        self._failed = told.with_suffix(".failed").open("ab")
        self.processes = [self._begin(role) for role in ROLES]
        self.failed: list[tuple[str, int]] = []

    def _begin(self, role: str) -> tuple[str, subprocess.Popen[bytes]]:
        folder = next(self._folders)
        module = ("tests.hostile.worker", role, self._origin, folder, str(self._seeds.random()))
        limit = {}
        if role == "evictor" and COLLECTS:
            module, limit = ("cachedindex", "gc"), {"CACHEDINDEX_MAX_SIZE": "1 MB"}
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=CHECKOUT,
            env={**self._environment, **limit, "CACHEDINDEX_CACHE_DIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if module[0] == "cachedindex" else self._told,
            stderr=self._failed,
        )
        return role, process

    def kill_at_random(self, chance: random.Random) -> bool:
        """Kill one when some moments have passed; return whether it was still alive."""
        number = chance.randrange(len(self.processes))
        role, process = self.processes[number]
        try:
            code = process.wait(chance.uniform(0.02, 0.25))
        except subprocess.TimeoutExpired:
            process.kill()
        else:
            self._note(role, code)
        self._reap(process)
        self.processes[number] = self._begin(role)
        return process.returncode < 0

    def end(self) -> None:
        for _, process in self.processes:
            process.stdin.close()  # type: ignore[union-attr]
        for role, process in self.processes:
            self._note(role, process.wait(60))
        self._told.close()
        self._failed.close()

    def _note(self, role: str, code: int) -> None:
        if code:
            self.failed.append((role, code))

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        process.stdin.close()  # type: ignore[union-attr]


@contextmanager
def crowd(*arguments: object) -> Iterator[Crowd]:
    crowd = Crowd(*arguments)  # type: ignore[arg-type]
    try:
        yield crowd
    finally:
        crowd.end()


def halves(root: Path) -> Iterator[str]:
    """Yield what is neither whole nor a stray that the collector takes."""
    for path in root.rglob("*"):
        if path.is_dir() or path.name.endswith(".tmp"):
            continue
        tree, raw = path.relative_to(root).parts[0], path.read_bytes()
        if tree == "blobs-v1" and sha256(raw).hexdigest() != path.name:
            yield f"{path}: {len(raw)} bytes that are not its own"
        if tree == "records-v1" and record.decode(raw) is None:
            yield f"{path}: {raw[:300]!r}"


@pytest.mark.slow
def test_killed_at_random_nothing_wrong_is_served_and_nothing_fails(
    environment: dict[str, str], index: Index, run: Run, tmp_path: Path, record_property: Recorded
) -> None:
    named = os.environ.get("CACHEDINDEX_HOSTILE_FOLDERS")
    folders = [Path(folder) for folder in named.split(":")] if named else [tmp_path / "cache"]
    index.fault(selfdescribing.answers())
    chance, killed, begun = random.Random(SEED), 0, time.monotonic()
    with crowd(index.origin, folders, environment, tmp_path / "told") as workers:
        while time.monotonic() < begun + SECONDS:
            killed += workers.kill_at_random(chance)

    told = (tmp_path / "told").read_text().splitlines()
    ended = Counter(line.partition(" ")[0] for line in told)
    strays = list(folders[0].rglob("*.tmp"))
    kinds = ", ".join(f"{count} {kind}" for kind, count in ended.most_common())
    result = f"{killed} kills in {SECONDS:.0f} s; {ended.total()} look-ups: {kinds}; strays: {len(strays)}"
    repeat = f"{result}; CACHEDINDEX_HOSTILE_SEED={SEED} repeats it"
    record_property("result", result)
    assert [line for line in told if line.startswith("wrong")] == [], repeat
    assert workers.failed == [], f"{repeat}\n{(tmp_path / 'told.failed').read_text()[-3000:]}"
    assert list(halves(folders[0])) == [], repeat
    assert killed, repeat
    assert ended["hit"], repeat
    assert ended["asked"], repeat

    if COLLECTS:
        for stray in strays:
            os.utime(stray, (time.time() - A_DAY,) * 2)
        assert run(sys.executable, "-m", "cachedindex", "gc", CACHEDINDEX_CACHE_DIR=str(folders[0])).code == 0
        assert not list(folders[0].rglob("*.tmp"))
