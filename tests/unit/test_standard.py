"""Which loaded modules are the standard library's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cachedindex import standard


def test_what_this_python_has_loaded_of_the_standard_library_is_its_own() -> None:
    import ctypes
    import select
    import socket

    del ctypes, select, socket
    assert not {"ctypes", "_ctypes", "select", "socket", "_socket"} & set(standard._foreign())


@pytest.mark.parametrize(
    ("path", "expected"),
    [(("site-packages", "secrets.py"), False), (("json", "__init__.py"), True), (("secrets.py",), True)],
)
def test_where_a_module_of_the_standard_library_is(path: tuple[str, ...], expected: bool) -> None:
    assert standard._is_standard(str(Path(os.__file__).parent.joinpath(*path))) is expected
    assert not standard._is_standard(str(Path(sys.prefix, "project", path[-1])))
