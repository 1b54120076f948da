"""A process in our group, by which we know whether a signal reached the whole group or only us.

It blocks every signal, so that one that was sent to the group stays pending in it. No system says this to the receiver.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Container

_NONE = 0
"""The number of no signal."""
_PATIENCE = 1.0
"""Seconds for an answer, which takes microseconds unless somebody has stopped the witness."""


class Witness:
    """Make it after the command: a signal in between then arrives twice, and never not at all.

    OSError if there is no process or descriptor to be had. Its maker has blocked every signal.
    """

    def __init__(self, command: int) -> None:
        """`command` is the number of the process that ends if this one is killed: SIGKILL cannot be forwarded."""
        questions, self._ask = os.pipe()
        self._answer, answers = os.pipe()
        self._turn = 0
        self.pid = os.fork()
        if not self.pid:
            _serve(questions, answers, command)
        os.close(questions)
        os.close(answers)

    def has_seen(self, number: int) -> bool:
        """Return whether a signal has reached the witness since this was asked last; False if it does not answer."""
        return self._answered(number) == b"\1"

    def is_stopped(self) -> bool:
        """Return whether it does not answer, as SIGSTOP, which nobody can block, has reached it."""
        return self._answered(_NONE) is None

    def _answered(self, number: int) -> bytes | None:
        """Return the answer about a signal: nothing if somebody has killed the witness, None if none comes in time.

        Each has the number of its question: one that comes late is no answer to the next question.
        """
        self._turn = (self._turn + 1) % 256
        try:
            os.write(self._ask, bytes([self._turn, number]))
            while select.select([self._answer], [], [], _PATIENCE)[0]:
                answer = os.read(self._answer, 2)
                if not answer or answer[0] == self._turn:
                    return answer[1:]
        except OSError:
            return b""
        return None

    def dismiss(self) -> None:
        """End it, once the command has ended."""
        os.kill(self.pid, signal.SIGKILL)
        os.close(self._ask)
        os.close(self._answer)
        os.waitpid(self.pid, 0)


def descriptors() -> list[int]:
    """Return the open descriptors of this process, and one that listed them and is closed; none if it is not known."""
    try:
        return [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208 - the names are numbers
    except OSError:  # There is no /proc in a chroot.
        return []


def _serve(questions: int, answers: int, command: int) -> None:
    try:
        _close_all_but((questions, answers))
        while question := os.read(questions, 2):
            turn, number = question
            has_seen = number in signal.sigpending()
            if has_seen:
                signal.sigwait({number})
            os.write(answers, bytes([turn, has_seen]))
        os.kill(command, signal.SIGKILL)
    finally:
        os._exit(0)


def _close_all_but(kept: Container[int]) -> None:
    """Hold nothing that somebody waits to be closed."""
    for number in descriptors():
        if number not in kept:
            try:
                os.close(number)
            except OSError:  # That of the listing.
                continue
