"""Gives our modules the standard library's own modules, whatever lies before them on sys.path.

A project's `secrets.py` beside a build script, or in the folder of a `python -m pip`, is found first. We must not get
it, and the project must get it afterwards. This module itself imports only what every Python has loaded at its start,
or has built in.
"""

import gc
import os
import sys
from _frozen_importlib_external import PathFinder
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_PACKAGE = __name__.partition(".")[0]
_HOME = os.path.dirname(getattr(os, "__file__", ""))  # noqa: PTH120 - pathlib would come from sys.path
_COMPILED = os.path.join(_HOME, "lib-dynload")  # noqa: PTH118
if os.name == "nt":
    _COMPILED = os.path.join(os.path.dirname(_HOME), "DLLs")  # noqa: PTH118, PTH120
_PLACES = [_HOME, _COMPILED]
_importing: set[int] = set()
"""The threads that are in a `library()`."""
_mode: list[str] = []
"""What the process had set for lazy imports, if that does not hold now."""


class library:  # noqa: N801 - used as a function; contextlib would come from sys.path
    """For the time of a block, import modules of the standard library from its own place, and leave no trace.

    Modules of these names that are loaded and are not the standard library's are out of the way. What was loaded here
    and would be found elsewhere by this process is forgotten, so that its next import finds that. Nothing is imported
    only when it is used, after the block, as with `python -X lazy_imports=all` (PEP 810).
    """

    def __enter__(self) -> None:
        """Begin; a block within another one changes nothing."""
        self._thread = get_ident()
        self._is_outermost = self._thread not in _importing
        if self._is_outermost:
            _importing.add(self._thread)
            self._before = set(sys.modules)
            self._hidden = {name: sys.modules.pop(name) for name in _foreign()}
            _import_at_once()

    def __exit__(self, *_: object) -> None:
        """End."""
        if self._is_outermost:
            _importing.discard(self._thread)
            if _mode and not _importing:
                sys.set_lazy_imports(_mode.pop())  # type: ignore[attr-defined]
            for name in _shadowed(sys.modules.keys() - self._before):
                sys.modules.pop(name, None)
            sys.modules.update(self._hidden)


class _Finder:
    """Finds our modules, so that they are executed in a `library()`, and those of the standard library within one."""

    @staticmethod
    def find_spec(name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Return the spec of a module that is ours, or wanted by ours; None for any other one."""
        if name.startswith(f"{_PACKAGE}."):
            spec = PathFinder.find_spec(name, path, target)
            if spec and spec.loader:
                spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
            return spec
        if path is None and name in sys.stdlib_module_names and get_ident() in _importing:
            return PathFinder.find_spec(name, _PLACES)
        return None


class _Loader:
    """Executes a module in a `library()` by its own loader, which it gets back afterwards.

    Nothing of it is garbage, so that nobody looks for some meanwhile: in a pip, which has much, that took 3 to 8 ms.
    """

    def __init__(self, loader: object) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def exec_module(self, module: object) -> None:
        """Execute the module."""
        module.__spec__.loader = module.__loader__ = self._loader  # type: ignore[attr-defined]
        collects = gc.isenabled()
        gc.disable()
        try:
            with library():
                self._loader.exec_module(module)  # type: ignore[attr-defined]
        finally:
            if collects:
                gc.enable()


def begin() -> None:
    """Have all our modules imported in this way, once in a process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _import_at_once() -> None:
    """End that all imports of this process are lazy, until no thread is in a `library()` any more."""
    if sys.version_info >= (3, 15) and sys.get_lazy_imports() == "all":
        sys.set_lazy_imports("normal")
        _mode.append("all")


def _foreign() -> "Iterator[str]":
    """Yield the loaded modules that have a name of the standard library and come from elsewhere."""
    for name in list(sys.modules):
        if name.partition(".")[0] in sys.stdlib_module_names:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file and not _is_standard(file):
                yield name


def _is_standard(file: str) -> bool:
    below = file.removeprefix(_HOME + os.sep)
    is_below = below != file and not below.startswith(("site-packages", "dist-packages"))
    return is_below or file.startswith(_COMPILED + os.sep)


def _shadowed(added: set[str]) -> "Iterator[str]":
    """Yield those of some loaded modules of the standard library that this process would find elsewhere."""
    found: dict[str, bool] = {}
    for name in added:
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            if top not in found:
                found[top] = _is_elsewhere(top)
            if found[top]:
                yield name


def _is_elsewhere(name: str) -> bool:
    home = sys.path.index(_HOME) if _HOME in sys.path else None  # What comes after it is not found.
    spec = PathFinder.find_spec(name, sys.path[:home])
    return bool(spec and spec.origin and os.path.isabs(spec.origin) and not _is_standard(spec.origin))  # noqa: PTH117
