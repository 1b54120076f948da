"""Has look-ups begun before pip makes them: it asks in a line, page, metadata, page, metadata, file, file.

None is begun before an index has answered pip itself: with fresh copies, nothing is worked out here.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cachedindex.clients.pip.sessions import CLIENT
from cachedindex.process import Process, join
from cachedindex.rules import urls

if TYPE_CHECKING:
    from cachedindex.clients.pip.foresight import Foresight
    from cachedindex.lookup.ahead import Ahead

_OURS = "_cachedindex_resolve"
_MOVED = "this pip resolves in another way; it makes its look-ups one after the other"


def attach(resolver_module: ModuleType) -> None:
    """Surround the resolver of pip's `_internal/resolution/resolvelib/resolver.py` (pip 23.2 to 26.3)."""
    process = join(CLIENT)
    if process.cache is None or _may_lose_trust():
        return
    try:
        from pip._internal.operations.prepare import RequirementPreparer  # noqa: PLC0415 - only in a pip

        resolver: Any = resolver_module.Resolver
        preparer: Any = RequirementPreparer
        inside = (resolver.resolve, preparer.prepare_linked_requirement, preparer._complete_partial_requirements)  # noqa: SLF001
    except (ImportError, AttributeError):
        process.report.warn(_MOVED)
        return
    ahead = process.cache.look_ahead(process.settings.ahead)
    resolver.resolve = _resolving(inside[0], ahead, process)
    preparer.prepare_linked_requirement = _prepared(inside[1])
    preparer._complete_partial_requirements = _downloading(inside[2], ahead)  # noqa: SLF001


def _may_lose_trust() -> bool:
    """Return whether two threads that connect at once could leave pip's TLS context without any verification.

    On macOS and Windows, truststore before 0.10.1 switches it off while it connects, without a lock (pip up to 25.0).
    """
    if sys.platform not in ("darwin", "win32"):
        return False
    try:
        from pip._vendor.truststore import SSLContext  # noqa: PLC0415 - only in a pip
    except ImportError:
        return False
    return "_ctx_lock" not in SSLContext.__init__.__code__.co_names


def _resolving(original: Callable[..., Any], ahead: Ahead, process: Process) -> Callable[..., Any]:
    @functools.wraps(original)
    def resolve(self: Any, root_reqs: Any, *more: Any, **named: Any) -> Any:
        ours, roots = _Resolve(self, ahead, process), list(root_reqs)
        with suppress(AttributeError):  # A preparer that is elsewhere: what it finds is not followed.
            vars(self.factory.preparer)[_OURS] = ours
        ahead.at_start(ours.start)
        ours.guess(lambda foresight: foresight.begin(roots))
        try:
            return original(self, roots, *more, **named)
        finally:
            ours.end()

    return resolve


def _prepared(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def prepare_linked_requirement(self: Any, req: Any, *more: Any, **named: Any) -> Any:
        found = original(self, req, *more, **named)
        ours = vars(self).get(_OURS)
        if ours and req.name:
            # pip has read it by now; another thread must not be the first to do so.
            with suppress(Exception):  # What is wrong with it is pip's to say, if it ever needs that.
                requires = found.metadata.get_all("Requires-Dist", [])
                ours.guess(lambda foresight: foresight.requires(req.name, requires))
        return found

    return prepare_linked_requirement


def _downloading(original: Callable[..., Any], ahead: Ahead) -> Callable[..., Any]:
    @functools.wraps(original)
    def _complete_partial_requirements(self: Any, partially_downloaded_reqs: Any, *more: Any, **named: Any) -> Any:
        wanted = list(partially_downloaded_reqs)
        if ours := vars(self).get(_OURS):
            ours.end()
        with suppress(Exception):  # pip downloads them one by one.
            for url in [req.link.url_without_fragment for req in wanted if req.link]:
                if urls.is_lasting(url):
                    ahead.expect_file(url, given=True)
        try:
            return original(self, wanted, *more, **named)
        finally:
            ahead.drop()

    return _complete_partial_requirements


class _Resolve:
    """One resolve of pip's. What it will ask for is worked out only once look-ups are begun ahead at all."""

    def __init__(self, resolver: Any, ahead: Ahead, process: Process) -> None:
        self._resolver, self._ahead, self._process = resolver, ahead, process
        self._foresight: Foresight | None = None
        self._is_over = False

    def start(self) -> None:
        if self._is_over:
            return
        try:
            from cachedindex.clients.pip.foresight import Foresight  # noqa: PLC0415 - not in a build with fresh copies

            self._foresight = Foresight(self._resolver, self._ahead)
        except Exception:  # noqa: BLE001 - whatever it is, pip resolves without it
            self._process.report.warn(_MOVED)

    def guess(self, work: Callable[[Foresight], object]) -> None:
        """Guess on in a thread, once there is a foresight."""
        self._ahead.later(lambda: self._foresight and work(self._foresight))

    def end(self) -> None:
        """Guess nothing more: pip has decided."""
        self._is_over = True
        if self._foresight:
            self._foresight.end()
        self._ahead.drop()
