"""The zc.buildout extension: buildout's own look-ups go through the opener, those of its pips through the hook."""

from __future__ import annotations

import atexit
import functools
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cachedindex import config
from cachedindex.assembly import Process, assemble
from cachedindex.clients import buildout_finder, children, opener
from cachedindex.errors import SettingsError
from cachedindex.report import Report, finish
from cachedindex.store.runs import Run

_active: list[Process] = []
"""buildout calls every installed extension, so it may come here twice: once is enough."""
_succeeded = threading.Event()


def extension(buildout: Any) -> None:
    """Activate for this buildout; entry point of the group `zc.buildout.extension` (zc.buildout 6.0.1, buildout.py)."""
    if _active:
        return
    try:
        options = _options(buildout)
        sections = {name: dict(buildout[name]) for name in buildout if config.is_index_section(name)}
        loaded = config.load(
            options, f"[{config.SECTION}]", sections={f"[{name}]": of for name, of in sections.items()}
        )
        _activate(options, sections, loaded)
    except SettingsError as error:
        import zc.buildout  # noqa: PLC0415 - it is what calls us

        raise zc.buildout.UserError(str(error)) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        Report().broken(error)


def unload(_buildout: Any) -> None:
    """Take note that the build has succeeded; entry point of the group `zc.buildout.unloadextension`.

    It is called at the end of a successful `install`, and at no other time (zc.buildout 6.0.1, buildout.py).
    """
    _succeeded.set()


def _options(buildout: Any) -> dict[str, str]:
    """Return the section's options, with paths as buildout reads paths, and offline where buildout is."""
    options = dict(buildout[config.SECTION]) if config.SECTION in buildout else {}
    base = Path(buildout["buildout"]["directory"])
    for name in ("cache-dir", "lock-dir"):
        if options.get(name):
            options[name] = str(base / (config.expanded(options[name]) or options[name]))
    if buildout["buildout"].get("offline") == "true":
        options.setdefault("offline", "true")
    return options


def _activate(options: Mapping[str, str], sections: Mapping[str, Mapping[str, str]], loaded: config.Loaded) -> None:
    own_run = None if Run.handed_down() or loaded.settings.disable else Run.begin()
    process = assemble(loaded, run=own_run)
    _active.append(process)
    if own_run:
        atexit.register(_finish, own_run, process)
    if process.cache is None:
        return
    from zc.buildout import UserError, easy_install  # noqa: PLC0415 - they are there, since they are what calls us

    opener.install(process.cache, UserError)
    buildout_finder.attach(process.cache, easy_install)
    handed = process.run.hand_down(sections) if process.run and sections else None
    options = {**options, **children.given(os.environ)}
    _cover_pip(process, easy_install, children.environment(os.environ, own_run, options, handed))


def _finish(run: Run, process: Process) -> None:
    finish(run, process.store, failed=not _succeeded.is_set())


def _cover_pip(process: Process, easy_install: Any, environment: Mapping[str, str]) -> None:
    """Hand the environment to the pip that installs each distribution, and to nothing else that buildout starts."""
    original = getattr(easy_install, "call_pip_install", None)
    if original is None:
        process.report.complain("this zc.buildout starts pip in another way; that pip works on without the cache")
        return

    @functools.wraps(original)
    def call_pip_install(*arguments: Any, **named: Any) -> Any:
        with _in_environment(environment):
            return original(*arguments, **named)

    easy_install.call_pip_install = call_pip_install


@contextmanager
def _in_environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
