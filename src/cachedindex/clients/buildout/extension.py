"""zc.buildout: its own look-ups go through the opener, those of its pips through the hook.

`cachedindex run` covers it from before its first read; the extension does from when it is loaded, and brings the
options of the project.
"""

from __future__ import annotations

import atexit
import functools
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cachedindex import sources
from cachedindex.clients.buildout import finder, pips
from cachedindex.clients.buildout.pages import BuildoutPages
from cachedindex.clients.urllib import opener
from cachedindex.errors import SettingsError
from cachedindex.options import from_2012
from cachedindex.process import assemble
from cachedindex.run import environment
from cachedindex.run.folder import Run
from cachedindex.run.report import Report, finish
from cachedindex.store.store import Store

_PLACE = f"[{sources.SECTION}]"


class Cover:
    """What is in force in this process, for as long as it lives."""

    def __init__(self, easy_install: Any, user_error: type[Exception]) -> None:
        """Put it before all look-ups of the modules of zc.buildout; until `use`, it does nothing."""
        self._pages = BuildoutPages()
        self._pips = pips.Pips(easy_install, self._pages)
        self._finds = finder.attach(self._pages, easy_install, user_error)
        opener.install(self._pages, user_error)
        self._store: Store | None = None
        self.extended = False
        """Whether the extension was called: then it is called at the end of a successful build, too."""
        self.succeeded = threading.Event()
        self.run = None if Run.handed_down() else Run.begin()
        if self.run:
            atexit.register(self._finish, self.run)

    def use(
        self, loaded: sources.Loaded, options: Mapping[str, str], sections: Mapping[str, Mapping[str, str]]
    ) -> None:
        """Go by these settings from now on; `options` and `sections` are what pips have to be told of them."""
        process = assemble(loaded, run=self.run)
        self._pages.cache, self._pages.trim = process.cache, loaded.settings.trim_to_pins
        self._store = process.store
        if process.cache is None:
            # `cachedindex run` covers pips by itself.
            self._pips.environment = {sources.variable("disable"): "true"}
            return
        handed = process.run.hand_down(sections) if process.run and sections else None
        self._pips.environment = environment.for_children(
            os.environ, self.run, {**options, **environment.given(os.environ)}, handed
        )
        if not self._finds:
            process.report.complain(
                "this zc.buildout finds versions in another way; one that is new is found once a page has expired"
            )
        if not self._pips.covered:
            process.report.complain("this zc.buildout starts pip in another way; that pip works on without the cache")

    def _finish(self, run: Run) -> None:
        finish(run, self._store, failed=self.extended and not self.succeeded.is_set())


_cover: list[Cover] = []
"""At most one: buildout calls every installed extension, listed or not, and perhaps after `run` has been here."""


def attach() -> None:
    """Cover buildout from before its first read, by the node's own settings."""
    loaded = sources.load()
    if not loaded.settings.disable:
        _covered().use(loaded, {}, {})


def extension(buildout: Any) -> None:
    """Activate for this buildout; entry point of the group `zc.buildout.extension` (zc.buildout 6.0.1, buildout.py)."""
    if _cover and _cover[0].extended:
        return
    from zc.buildout import UserError  # noqa: PLC0415 - it is there, since it is what calls us

    try:
        options, remarks = _options(buildout)
        sections = {name: dict(buildout[name]) for name in buildout if sources.is_index_section(name)}
        loaded = sources.load(options, _PLACE, sections=sections)
        if loaded.settings.disable and not _cover:
            return
        cover = _covered()
        cover.extended = True
        cover.use(replace(loaded, warnings=(*remarks, *loaded.warnings)), options, sections)
        _hand_down_at_restart(buildout, cover)
    except SettingsError as error:
        raise UserError(str(error)) from None
    except UserError:  # Of buildout's own substitution.
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        Report().broken(error)


def unload(_buildout: Any) -> None:
    """Take note that the build has succeeded; entry point of the group `zc.buildout.unloadextension`.

    It is called at the end of a successful `install`, and at no other time (zc.buildout 6.0.1, buildout.py).
    """
    for cover in _cover:
        cover.succeeded.set()


def _covered() -> Cover:
    if not _cover:
        from zc.buildout import UserError, easy_install  # noqa: PLC0415 - they are there, since they are what calls us

        _cover.append(Cover(easy_install, UserError))
    return _cover[0]


def _options(buildout: Any) -> tuple[dict[str, str], list[str]]:
    """Return the section's options, with paths as buildout reads paths, and offline where buildout is; and remarks."""
    # Not `in buildout`, which takes one whose substitution fails for one that is not there.
    section = dict(buildout[sources.SECTION]) if sources.SECTION in buildout.keys() else {}  # noqa: SIM118
    options, remarks = from_2012(section, _PLACE)
    base = Path(buildout["buildout"]["directory"])
    for name in ("cache-dir", "lock-dir"):
        if options.get(name):
            options[name] = str(base / (sources.expanded(options[name]) or options[name]))
    if buildout["buildout"].get("offline") == "true":
        options.setdefault("offline", "true")
    return options, list(map(str, remarks))


def _hand_down_at_restart(buildout: Any, cover: Cover) -> None:
    """Make a buildout that was upgraded, and is started anew as a child, a part of this run (6.0.1, buildout.py)."""
    original = getattr(buildout, "_maybe_upgrade", None)
    if original is None or cover.run is None:
        return
    variables = environment.of_run(cover.run)

    @functools.wraps(original)
    def maybe_upgrade() -> None:
        try:
            with pips.in_environment(variables):
                original()
        except SystemExit as end:
            if not end.code:
                cover.succeeded.set()
            raise

    buildout._maybe_upgrade = maybe_upgrade  # noqa: SLF001
