"""Writes a page to the file that a person has named, and its stylesheet beside it."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from cachedindex.run import page
from cachedindex.run.subject import Subject
from cachedindex.store import disk

_STYLESHEET = Path(__file__).with_name("page.css")
_OURS = b"/* The stylesheet of a report of cachedindex"


def write_page(path: Path, subject: Subject) -> Path:
    """Write a page, each file whole or not at all, and return the path of its stylesheet.

    Raises OSError if that fails, or if something would be replaced that is no file, or not our stylesheet.
    """
    if path.suffix.lower() == ".css" or (path.exists() and not path.is_file()):
        raise OSError(errno.EINVAL, "a page needs a file, such as report.html")
    style, sheet = _STYLESHEET.read_bytes(), path.with_suffix(".css")
    if sheet.exists() and not (sheet.is_file() and sheet.read_bytes().startswith(_OURS)):
        raise OSError(errno.EEXIST, f"its stylesheet would replace {sheet}, which is another one")
    text = page.as_html(subject, quote(os.fsencode(sheet.name)))
    _replace(sheet, style)  # First, so that no page is there without it.
    _replace(path, text.encode(errors="backslashreplace"))
    return sheet


def _replace(path: Path, content: bytes) -> None:
    target = path.resolve()
    new = disk.temporary(target)
    try:
        with new.open("xb") as file:
            file.write(content)
        new.replace(target)
    except OSError:
        with suppress(OSError):  # It was not made.
            new.unlink()
        raise
