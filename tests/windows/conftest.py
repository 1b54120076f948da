"""What the tests of Windows have in common: each is about something that Windows alone has."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

import cachedindex
from tests.conftest import Ran, Run

_READ, _EXISTING, _NOBODY_ELSE = 0x80000000, 3, 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.windows)


@pytest.fixture
def open_session(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., requests.Session]]:
    """Give a function that opens a session of a build script, with a cache folder below its home."""
    for name in ("CACHEDINDEX_RUN", "CACHEDINDEX_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    opened: list[requests.Session] = []

    def open_session(**options: object) -> requests.Session:
        opened.append(requests.Session())
        adapter = cachedindex.CachedIndexAdapter(**{"cache_dir": own_home / "cache", **options})
        opened[-1].mount("http://", adapter)
        return opened[-1]

    yield open_session
    for session in opened:
        session.close()


@pytest.fixture
def command(run: Run) -> Callable[..., Ran]:
    """Give a function that runs a command of ours."""
    return lambda *words, **more: run(sys.executable, "-m", "cachedindex", *words, **more)


@contextmanager
def held(path: Path, seconds: float) -> Iterator[None]:
    """Have a file open for so long as a virus scanner may: nobody else can open, replace or remove it."""
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.CreateFileW.restype = ctypes.c_void_p
    kernel.CloseHandle.argtypes = [ctypes.c_void_p]
    handle = kernel.CreateFileW(str(path), _READ, _NOBODY_ELSE, None, _EXISTING, 0, None)
    assert handle != ctypes.c_void_p(-1).value, ctypes.get_last_error()  # type: ignore[attr-defined]
    with pytest.raises(PermissionError):
        path.open("rb")
    release = threading.Timer(seconds, kernel.CloseHandle, (handle,))
    release.start()
    try:
        yield
    finally:
        release.join()
