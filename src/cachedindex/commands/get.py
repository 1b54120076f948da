"""`cachedindex get`: download one URL through the cache, for recipes and scripts that call curl."""

from __future__ import annotations

import argparse
import netrc
import os
import shutil
import sys
import tempfile
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from cachedindex.clients.common import cause
from cachedindex.clients.urllib import download
from cachedindex.commands import flags
from cachedindex.errors import IndexMissing, SettingsError
from cachedindex.process import join
from cachedindex.rules import urls
from cachedindex.store import disk

_FAILED = 1
_IN_MEMORY = 8 << 20
"""Bytes of an answer for standard output that are not written to a temporary file first."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "get",
        "download one URL through the cache",
        "Download a URL; in an outage, write what was downloaded before.",
        "cachedindex get https://index.example/constraints.txt -o constraints.txt",
        "cachedindex get URL [-o FILE] [--sha256 DIGEST] [-n] [options]",
    )
    parser.add_argument("url", metavar="URL")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="the file to write; - for standard output")
    parser.add_argument("--sha256", metavar="DIGEST", default="", help="fail unless the file has this digest")
    parser.add_argument("-n", "--netrc", action="store_true", help="take user and password from ~/.netrc")
    flags.add_to(parser, ("cache-dir", "timeout", "stale-if-error", "offline", "messages", "lock-dir", "disable"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Download, and return 0; 1 if there is no sound answer and no copy. SettingsError for a wrong argument."""
    url, digest = arguments.url, arguments.sha256.lower()
    if not url.startswith(("http://", "https://")) or not urlsplit(url).hostname:
        raise SettingsError(f"command line: {urls.public(url)}: write a URL that begins with http:// or https://")
    if digest and not urls.is_sha256(digest):
        raise SettingsError("command line: --sha256: write 64 hexadecimal digits")
    loaded, _ = flags.load(arguments)
    userinfo = _of_netrc(url) if arguments.netrc else ""
    cache = join("get", loaded, begin=True).cache
    try:
        with _output(arguments.output) as file:
            found = _copied(download.pieces(url, cache, digest, userinfo), file)
            if digest and found != digest:
                raise download.CutShort(f"it has the sha256 {found}")
    except urllib.error.HTTPError as error:
        return _failed(url, f"it answered {error.code} {error.reason}")
    except download.CutShort as error:
        return _failed(url, str(error))
    except IndexMissing as error:
        return _failed(url, str(error))
    except (OSError, HTTPException, ValueError) as error:
        return _failed(url, cause(error))
    return 0


def _failed(url: str, why: str) -> int:
    print(f"cachedindex: {urls.public(url)}: {why}", file=sys.stderr)
    return _FAILED


def _of_netrc(url: str) -> str:
    try:
        return download.of_netrc(url)
    except FileNotFoundError:
        return ""
    except (OSError, netrc.NetrcParseError) as error:
        raise SettingsError(f"~/.netrc cannot be read: {error}") from error


def _copied(pieces: Iterator[bytes], file: IO[bytes]) -> str:
    """Write an answer into a file, and return its sha256; SettingsError if the file cannot be written."""
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
        with _writing(getattr(file, "name", "")):
            file.write(piece)
    return digest.hexdigest()


@contextmanager
def _output(name: str) -> Iterator[IO[bytes]]:
    """Give a file whose content is put out as a whole, at the end, and not at all after an exception."""
    path = Path(name).resolve()
    if name != "-" and not (path.exists() and not path.is_file()):
        with _replacing(path) as file:
            yield file
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spooled:
        yield spooled
        spooled.seek(0)
        with _writing(name), open(sys.stdout.fileno() if name == "-" else path, "wb", closefd=name != "-") as file:
            shutil.copyfileobj(spooled, file)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that takes the place of another one at the end."""
    new = disk.temporary(path)
    with _writing(str(path)):
        file = new.open("xb")
    try:
        with file:
            yield file
        with _writing(str(path)):
            new.replace(path)
    finally:
        with suppress(OSError):  # It has taken its place.
            new.unlink()


@contextmanager
def _writing(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Nobody reads it any more.
        raise SystemExit(_FAILED) from None
    except OSError as error:
        raise SettingsError(f"{name}: cannot be written: {error.strerror}") from error
