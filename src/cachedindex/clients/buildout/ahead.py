"""Has look-ups begun before buildout makes them: it asks in a line, page, file, page, file.

None is begun before an index has answered buildout itself: with fresh copies, nothing is worked out here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cachedindex.clients.buildout.pages import BuildoutPages

if TYPE_CHECKING:
    from cachedindex.clients.buildout.foresight import Foresight
    from cachedindex.lookup.ahead import Ahead

MOVED = "this zc.buildout installs in another way; it makes its look-ups one after the other"
_OURS = "_cachedindex_install"


def attach(pages: BuildoutPages, easy_install: Any) -> bool:
    """Surround what installs in `zc/buildout/easy_install.py` (zc.buildout 3.3 to 6.0.1).

    Returns whether this zc.buildout has the functions for that.
    """
    installer: Any = getattr(easy_install, "Installer", None)
    if not hasattr(installer, "install") or not hasattr(installer, "_get_dist"):
        return False
    original, get = installer.install, installer._get_dist  # noqa: SLF001 - its name in all these releases

    @functools.wraps(original)
    def install(self: Any, specs: Any, *more: Any, **named: Any) -> Any:
        ours = _begun(self, specs, easy_install, pages)
        try:
            return original(self, specs, *more, **named)
        finally:
            if ours:
                vars(self).pop(_OURS, None)
                ours.end()

    @functools.wraps(get)
    def _get_dist(self: Any, requirement: Any, ws: Any, *more: Any, **named: Any) -> Any:
        ours = vars(self).get(_OURS)
        if ours is None:
            return get(self, requirement, ws, *more, **named)
        ours.begin(ws)
        found = get(self, requirement, ws, *more, **named)
        ours.got(requirement, found)
        return found

    installer.install, installer._get_dist = install, _get_dist  # noqa: SLF001
    return True


def _begun(installer: Any, specs: Any, easy_install: Any, pages: BuildoutPages) -> _Install | None:
    """Return what is expected of an installation; None if it may not be, or if buildout is offline."""
    try:
        ahead = pages.look_ahead() if installer._dest is not None else None  # noqa: SLF001
        if ahead is None:
            return None
        ours = vars(installer)[_OURS] = _Install(installer, specs, easy_install, pages, ahead)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        pages.report.internal_error(error)
        return None
    return ours


class _Install:
    """One working set of buildout's. What it will ask for is worked out only once look-ups are begun ahead at all."""

    def __init__(self, installer: Any, specs: Any, easy_install: Any, pages: BuildoutPages, ahead: Ahead) -> None:
        self._installer, self._easy_install, self._pages, self._ahead = installer, easy_install, pages, ahead
        # An iterator would be read twice.
        self._specs: Sequence[str] = tuple(specs) if isinstance(specs, (list, tuple, set)) else ()
        self._working_set: Any = None
        self._got: list[tuple[Any, Any]] = []
        """The distributions that are known, each with the requirement that it is for."""
        self._foresight: Foresight | None = None
        self._is_over = False

    def start(self) -> None:
        """Expect what follows from all that is known by now."""
        if self._is_over:
            return
        try:
            from cachedindex.clients.buildout.foresight import Foresight  # noqa: PLC0415 - not with fresh copies

            self._foresight = Foresight(self._installer, self._easy_install, self._ahead)
            self._foresight.begin(self._specs, self._working_set)
        except Exception:  # noqa: BLE001 - whatever it is, buildout installs without it
            self._foresight = None
            self._ahead.end()
            self._pages.report.warn(MOVED)
        for requirement, dist in self._got:
            self._follow(requirement, dist)

    def begin(self, working_set: Any) -> None:
        """Begin with the first distribution that is looked for: only then the working set is known."""
        if self._working_set is None:
            self._working_set = working_set
            self._ahead.at_start(self.start)

    def got(self, requirement: Any, dists: Iterable[Any]) -> None:
        """Expect what a distribution requires, or note it for later."""
        for dist in dists:
            self._got.append((requirement, dist))
            self._follow(requirement, dist)

    def end(self) -> None:
        """Expect nothing more: buildout has its working set. Nothing of that is kept until look-ups are begun ahead."""
        self._is_over = True
        if self._foresight:
            self._foresight.end()
        self._foresight = self._installer = self._working_set = None
        self._got.clear()
        self._ahead.drop()

    def _follow(self, requirement: Any, dist: Any) -> None:
        if self._foresight and not self._ahead.has_ended:
            with suppress(Exception):  # What is wrong with its metadata is buildout's to say.
                self._foresight.requires(requirement, dist, self._working_set)
