"""What a helper process does: one task, which it reads as JSON, and to which it answers in JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from cachedindex.model import RemoteUse
from cachedindex.remote import manifest
from cachedindex.remote.ask import Asking, probe
from cachedindex.remote.bring import Brought
from cachedindex.remote.send import Sending

_KNOWN = "remote-known"
"""What the remote is known to have, for the end of the run: beside the other files of that."""
_EACH = 0.2
"""Seconds after which it is looked whether the process that waits for the answer still lives."""


def main() -> None:
    """Do the task, and end at once: threads may still wait for a store."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    task = json.load(sys.stdin)
    threading.Thread(target=_end_with, args=[task["parent"]], daemon=True).start()
    try:
        use = {"bring": _bring, "send": _send, "ask": _ask, "probe": _probe}[task["do"]](task)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours; its text may have been a store's
        use = RemoteUse(task["url"], "before", problem=f"is not asked: internal error, {type(error).__name__}")
    sys.stdout.write(json.dumps(use._asdict()))
    sys.stdout.flush()
    os._exit(0)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EACH)
    os._exit(1)


def _bring(task: dict[str, Any]) -> RemoteUse:
    brought = Brought(task["url"], Path(task["root"]), task["most"], task["until"])
    brought.bring(task["job"])
    known = f"{json.dumps(sorted(brought.unsound))}\n".encode() + manifest.encoded(brought.known)
    with suppress(OSError):  # Without it, the remote is asked again at the end.
        Path(task["run"], _KNOWN).write_bytes(known)
    return brought.use


def _send(task: dict[str, Any]) -> RemoteUse:
    sending = Sending(task["url"], Path(task["root"]), task["until"])
    known, unsound = _known(Path(task["run"], _KNOWN))
    sending.send(task["job"], map(tuple, task["looked_up"]), known, unsound)
    return sending.use


def _known(path: Path) -> tuple[manifest.Manifest | None, set[str]]:
    try:
        names, _, raw = path.read_bytes().partition(b"\n")
        return manifest.decoded(raw), set(json.loads(names))
    except (OSError, ValueError):  # The time was up before it was written, or the disk was full.
        return None, set()


def _ask(task: dict[str, Any]) -> RemoteUse:
    asking = Asking(task["url"], Path(task["root"]), task["most"], task["until"])
    if digest := task.get("digest"):
        asking.ask_for_blob(digest)
    else:
        asking.ask_for_records(task["names"], task["page"])
    return asking.use


def _probe(task: dict[str, Any]) -> RemoteUse:
    return probe(task["url"], task["until"])
