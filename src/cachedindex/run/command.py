"""Runs a command as env(1) does: in our place, or below us with everything that we were given."""

from __future__ import annotations

import _thread
import errno
import os
import signal
import stat
import sys
import time
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

from cachedindex.named import NamedTuple
from cachedindex.run.report import say
from cachedindex.run.watch import Watch
from cachedindex.run.witness import Witness, descriptors
from cachedindex.store import system

_LOST = 125
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
_POLL = 0.01
"""Seconds between two glances at the pending signals, on a system that cannot wait for one and for a time at once."""
_GLANCE = 0.1
"""Seconds between two glances at the command, as long as this process has other threads."""
_ELSEWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT)
"""With these, and with EACCES, execvp(3) goes on to the next folder of PATH."""


class Attempt(NamedTuple):
    """One of the ways in which a command is run."""

    variables: Mapping[str, str] = MappingProxyType({})
    after: Container[int | None] = ()
    """The exit codes of the attempt before this one after which it is made."""
    says: str = ""
    """What is said before it."""


def become(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command in place of this process; return an exit code only if it cannot be run, or has ended."""
    if system.IS_WINDOWS:
        return _run_child(command, environ)
    _set_variables(environ)
    # Python ignores these two from its start, and does not say what they were: default, unless a program is at odds.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    error = _execute(command)
    found = error.errno != errno.ENOENT
    _say_why(command, error.strerror or str(error) if found else "not found")
    return _NOT_EXECUTABLE if found else _NOT_FOUND


def _run_child(command: Sequence[str], environ: Mapping[str, str]) -> int:
    from cachedindex.run import child  # noqa: PLC0415 - on Windows only

    code, why = child.run(command, environ)
    if why:
        _say_why(command, why)
    return code


def _say_why(command: Sequence[str], why: str) -> None:
    line = f"cachedindex run: {command[0]}: {why}\n"
    with suppress(OSError, AttributeError, ValueError):  # There is no stderr, or it is full.
        os.write(sys.stderr.fileno(), line.encode(system.encoding(sys.stderr), "backslashreplace"))


def run_below(
    command: Sequence[str], environ: Mapping[str, str], *, once: bool = True, watch: Watch | None = None
) -> int | None:
    """Run the command as a child, and return its exit code; a negative one is the signal that ended it.

    None if no process can be started. Unless it is run `once`, its pipes stay open here. `watch` looks at it meanwhile.
    """
    if system.IS_WINDOWS:
        return _run_child(command, environ)
    given = signal.getsignal(signal.SIGCHLD)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    # With SIG_IGN, which a parent may have handed down, the system keeps no exit code of a child.
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    try:
        pid = _fork()
        if pid is None:
            return None
        if not pid:
            _child(command, environ, mask, ignored=given == signal.SIG_IGN)
        return _Below(pid, watch).wait(once=once)
    finally:
        while _received(0.0):  # They came for the command, which has ended. Another thread may take one meanwhile.
            pass
        signal.signal(signal.SIGCHLD, given)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _fork() -> int | None:
    try:
        return os.fork()
    except OSError:  # By a limit of the user (EAGAIN), of a control group, or for want of memory.
        return None


def _child(
    command: Sequence[str], environ: Mapping[str, str], mask: set[int | signal.Signals], *, ignored: bool
) -> NoReturn:
    code = _LOST
    try:
        if ignored:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = become(command, environ)
    finally:
        os._exit(code)


class _Below:
    """A command that runs below us."""

    def __init__(self, pid: int, watch: Watch | None) -> None:
        self._pid = pid
        self._watch = watch
        self._witness: Witness | None = None
        self._was_witness_stopped = False
        """Whether it was, since we were last continued."""

    def wait(self, *, once: bool) -> int:
        """Hand on each signal that reached us alone, stop when the command stops, and return its exit code."""
        # Without a witness, a signal to the group reaches the command twice.
        with suppress(OSError):
            self._witness = Witness(self._pid)
        if once:
            _let_go()
        try:
            return self._wait()
        finally:
            if self._witness:
                self._witness.dismiss()

    def _wait(self) -> int:
        while True:
            # Before the command is looked at: a thread that ends right after that may have taken its signal.
            is_alone = not _thread._count()  # noqa: SLF001 - threading would have to be loaded
            if (code := self._ended()) is not None:
                return code
            number = self._next_signal(is_alone=is_alone)
            if number is not None and number != signal.SIGCHLD:
                self._was_witness_stopped &= number != signal.SIGCONT
                if not self._is_of_group(number):
                    with suppress(OSError):  # A sudo: whoever sent this to us may not send it there either.
                        os.kill(self._pid, number)

    def _next_signal(self, *, is_alone: bool) -> int | None:
        """Wait for a signal, and look at the command now and then; None if it is time to see whether that has ended.

        A signal that comes while we do not wait goes to another thread, as that of an attempt at an index that hangs.
        """
        if self._watch:
            return _received(self._watch.look(self._pid))
        return signal.sigwait(signal.valid_signals()) if is_alone else _received(_GLANCE)

    def _is_of_group(self, number: int) -> bool:
        return self._witness is not None and self._witness.has_seen(number)

    def _ended(self) -> int | None:
        """Return the command's exit code; None if it goes on. As the first process of a container, we get orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                say("the command's exit code is lost: another program has taken it")
                return _LOST
            if not pid:
                return None
            if not os.WIFSTOPPED(status):
                if pid == self._pid:
                    return os.waitstatus_to_exitcode(status)
            elif pid == self._pid:
                self._stop(os.WSTOPSIG(status))
            elif self._witness and pid == self._witness.pid:
                self._was_witness_stopped = True
                os.kill(pid, signal.SIGCONT)
                self._is_of_group(signal.SIGCONT)

    def _stop(self, number: int) -> None:
        """Stop as the command did, so that its shell sees it, until somebody continues us."""
        is_continued = signal.SIGCONT in signal.sigpending()
        if is_continued or (number == signal.SIGSTOP and self._is_group_stopped()):
            return
        if number != signal.SIGSTOP:
            signal.signal(number, signal.SIG_DFL)
        # Blocked until the next line, so that it is one with that of the terminal.
        os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        self._is_of_group(number)

    def _is_group_stopped(self) -> bool:
        """Return whether a SIGSTOP was sent to the whole group: then we were stopped as well, or are about to be.

        If somebody has continued us meanwhile, nobody would do so after we had stopped ourselves once more.
        """
        return self._was_witness_stopped or (self._witness is not None and self._witness.is_stopped())


def _received(seconds: float) -> int | None:
    """Wait for a signal, all of which are blocked; None if there is none in so many seconds."""
    if hasattr(signal, "sigtimedwait"):
        received = signal.sigtimedwait(signal.valid_signals(), seconds)
        return received.si_signo if received else None
    # PyPy and macOS have none. An alarm would take the place of the one that whoever started us may have set.
    ends = time.monotonic() + seconds
    while not (pending := signal.sigpending()) and time.monotonic() < ends:
        time.sleep(_POLL)
    return signal.sigwait(pending) if pending else None


def _let_go() -> None:
    """Close the command's pipes and sockets here: else their other end would not see that the command closed them.

    Files stay open: a lock of fcntl(2) belongs to this process, and would go with the first descriptor. So does stderr.
    """
    with suppress(OSError):  # Then they stay open.
        null = os.open(os.devnull, os.O_RDWR)
        for number in descriptors():
            with suppress(OSError):  # It listed the others, and is closed.
                mode = os.fstat(number).st_mode
                if number != 2 and os.get_inheritable(number) and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):  # noqa: PLR2004
                    os.dup2(null, number, inheritable=False)
        os.close(null)


def _execute(command: Sequence[str]) -> OSError:
    """Execute the command as execvp(3) does; return why it cannot be."""
    name, *arguments = command
    folders = [""] if "/" in name else os.environ.get("PATH", os.defpath).split(os.pathsep)
    failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in (os.path.join(folder, name) for folder in folders if name):  # noqa: PTH118 - "" is this folder
        try:
            try:
                os.execv(path, [*command])  # noqa: S606 - the user asked for it
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                os.execv("/bin/sh", ["/bin/sh", path, *arguments])  # noqa: S606 - a script without #!
        except OSError as error:
            if error.errno == errno.EACCES:
                failure = error
            elif error.errno not in _ELSEWHERE or "/" in name:
                return error
    return failure


def _set_variables(environ: Mapping[str, str]) -> None:
    """Set what differs in our own environment, which is then executed with: so all else in it stays as it is."""
    for name, text in environ.items():
        if os.environ.get(name) != text:
            os.environ[name] = text
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]
    _take_back_locale()


def _take_back_locale() -> None:
    """Remove the LC_CTYPE that Python has set in the locale "C" (PEP 538), if the environment had none at our start."""
    if os.environ.get("LC_CTYPE") not in ("C.UTF-8", "C.utf8", "UTF-8"):
        return
    with suppress(OSError):  # There is no /proc.
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
        before = [entry for entry in given if entry.startswith(b"LC_CTYPE=")]
        if before:
            os.environ["LC_CTYPE"] = os.fsdecode(before[0].partition(b"=")[2])
        else:
            del os.environ["LC_CTYPE"]
