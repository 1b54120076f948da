"""A fork has a copy of its parent's objects, and leaves what they stand for alone; in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="SKIPPED FOR WANT OF FORK, which Windows has not")

DOWNLOAD = """
import os, sys
from io import BytesIO
from pathlib import Path
from cachedindex.model import Request
from cachedindex.store.store import Store
from cachedindex.lookup.tee import Tee

store = Store(Path(sys.argv[1]))
blob = store.new_blob(Request("GET", "https://files.example/six-1.0.whl", "file"))
tee = Tee(BytesIO(b"whole wheel"), blob, 11, lambda blob: blob.commit())
assert tee.read(5) == b"whole"
if (child := os.fork()) == 0:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
tee.drain()
print(tee.problem)
"""

LOCK = """
import os, sys
from pathlib import Path
from cachedindex.store.locks import Locks

root = Path(sys.argv[1])
locks = Locks(root / "locks", root)
lock = locks.try_lock("page")
kept, end = os.pipe()
if (child := os.fork()) == 0:
    os.close(end)
    os.read(kept, 1)
    os._exit(0)
lock.release()
print(locks.try_lock("page") is not None)
"""

COLLECTION = """
import os, sys
from pathlib import Path
from cachedindex.store import locks

root = Path(sys.argv[1])
kept, end = os.pipe()
with locks.holding(root / "gc.lock", root):
    if (child := os.fork()) == 0:
        os.close(end)
        os.read(kept, 1)
        os._exit(0)
with locks.holding(root / "gc.lock", root) as alone:
    print(alone)
"""

PLACES = """
import os, threading
from contextlib import suppress
from cachedindex.errors import DeadlinePassed
from cachedindex.lookup import deadline

let_go = threading.Event()
def ask(work, seconds):
    return deadline.call_with_deadline(work, seconds, lambda: seconds, lambda _: None, "index")
for _ in range(8):
    with suppress(DeadlinePassed):
        ask(let_go.wait, 0.001)
if (child := os.fork()) == 0:
    try:
        os._exit(0 if ask(lambda: 42, 60.0) == 42 else 1)
    finally:
        os._exit(2)
print(os.waitpid(child, 0)[1])
"""


ANOTHER = """
import os, threading, warnings
from contextlib import suppress
from cachedindex.errors import DeadlinePassed
from cachedindex.lookup import deadline

def warned():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)
    return [each.category.__name__ for each in caught]

let_go = threading.Event()
with suppress(DeadlinePassed):
    deadline.call_with_deadline(let_go.wait, 0.001, lambda: 0.001, lambda _: None, "index")
print(warned())
threading.Thread(target=let_go.wait).start()
print(warned())
let_go.set()
"""


def said(code: str, folder: Path) -> str:
    command = [sys.executable, "-W", "error", "-c", code, folder]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return ran.stdout.strip() + ran.stderr


def test_a_fork_that_ends_leaves_its_parents_download_alone(tmp_path: Path) -> None:
    assert said(DOWNLOAD, tmp_path / "cache") == "None"
    (blob,) = (path for path in (tmp_path / "cache/blobs-v1").rglob("*") if path.is_file())
    assert blob.read_bytes() == b"whole wheel"


def test_a_lock_is_free_again_though_a_fork_lives_on(tmp_path: Path) -> None:
    assert said(LOCK, tmp_path) == "True"


def test_a_fork_has_all_its_places_to_ask(tmp_path: Path) -> None:
    assert said(PLACES, tmp_path) == "0"


def test_a_collection_is_over_though_a_fork_lives_on(tmp_path: Path) -> None:
    assert said(COLLECTION, tmp_path) == "True"


def test_a_program_is_warned_of_a_fork_beside_its_own_threads_only(tmp_path: Path) -> None:
    """By Python 3.12 and later."""
    expected = ["DeprecationWarning"] if sys.version_info >= (3, 12) else []
    assert said(ANOTHER, tmp_path) == f"[]\n{expected}"
