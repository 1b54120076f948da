"""The zc.buildout extension: buildout's own look-ups go through the opener, those of its pips through the hook."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cachedindex import config
from cachedindex.assembly import Process, assemble
from cachedindex.clients import children, opener
from cachedindex.errors import SettingsError
from cachedindex.report import Report, finish
from cachedindex.store.runs import Run

_active: list[Process] = []
"""buildout calls every installed extension, so it may come here twice: once is enough."""


def extension(buildout: Any) -> None:
    """Activate for this buildout; entry point of the group `zc.buildout.extension` (zc.buildout 6.0.1, buildout.py)."""
    if _active:
        return
    try:
        options = _options(buildout)
        _activate(options, config.load(options, f"[{config.SECTION}]"))
    except SettingsError as error:
        import zc.buildout  # noqa: PLC0415 - it is what calls us

        raise zc.buildout.UserError(str(error)) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and must not break the build
        Report().broken(error)


def _options(buildout: Any) -> dict[str, str]:
    """Return the section's options, with a path as buildout reads paths, and offline where buildout is."""
    options = dict(buildout[config.SECTION]) if config.SECTION in buildout else {}
    if options.get("cache-dir"):
        base = Path(buildout["buildout"]["directory"])
        options["cache-dir"] = str(base / (config.expanded(options["cache-dir"]) or options["cache-dir"]))
    if buildout["buildout"].get("offline") == "true":
        options.setdefault("offline", "true")
    return options


def _activate(options: Mapping[str, str], loaded: config.Loaded) -> None:
    own_run = None if Run.handed_down() or loaded.settings.disable else _begin()
    process = assemble(loaded, run=own_run)
    _active.append(process)
    if process.cache is None:
        return
    opener.install(process.cache)
    _cover_pip(process, children.environment(os.environ, own_run, {**options, **children.given(os.environ)}))


def _begin() -> Run:
    run = Run.begin()
    atexit.register(finish, run)
    return run


def _cover_pip(process: Process, environment: Mapping[str, str]) -> None:
    """Hand the environment to the pip that installs each distribution, and to nothing else that buildout starts."""
    from zc.buildout import easy_install  # noqa: PLC0415 - it is there, since it is what calls us

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
