"""A server that none of us wrote, as a process: started, killed, hung, and ended whatever becomes of its test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LONGEST = 60.0
"""Seconds that a server may need until it listens: a devpi-server needs nine on an idle machine."""


class NoStart(Exception):
    """The server does not start; the text is what it said."""


class Daemon:
    """One process with those that it starts, in the foreground and in a session of their own."""

    def __init__(self, command: Sequence[object], port: int, folder: Path, variables: Mapping[str, str]) -> None:
        """`port` is where it is going to listen, `folder` takes what it prints."""
        self._command = [str(word) for word in command]
        self._port = port
        self._folder = folder
        self._variables = {**os.environ, **variables}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it listens; raises NoStart. Do nothing if it runs."""
        if self._process:
            return
        said = self._folder / "said.log"
        with said.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._variables, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + _LONGEST
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise NoStart(f"{self._command[0]}: {said.read_text('utf-8', 'replace')[-1000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """Have it gone at once, so that connections are refused."""
        if self._process:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            # Children of Apache outlive it for a moment, and go on listening: the next one could not.
            until = time.monotonic() + _LONGEST
            while self._listens():
                assert time.monotonic() < until, f"{self._command[0]} cannot be killed"
                time.sleep(0.02)

    def hang(self) -> None:
        """Have it answer nothing, while the kernel goes on accepting connections for it."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End its hanging."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Have it read its configuration again."""
        self.kill()
        self.start()

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            with suppress(ProcessLookupError):  # It may have ended by itself.
                os.killpg(self._process.pid, number)

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._port)) == 0
