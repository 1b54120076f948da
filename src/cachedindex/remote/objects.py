"""The objects of a remote, each of them whole, as obstore gets and puts them; the only module that imports obstore.

No text of an exception gets out: it may quote an answer, in which a store repeats the key that a request was signed by.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

from cachedindex.named import NamedTuple

_CHUNK = 1 << 20
_RETRIES = 2
"""A store that is asked by hundreds of hosts answers 503 now and then (AWS: "reduce your request rate")."""
_FIRST_PAUSE = timedelta(milliseconds=100)
_PREFIXES = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}
_WEB = ("allow_http", "allow_invalid_certificates", "proxy_url", "proxy_excludes", "proxy_ca_certificate")
_SIGNS = (
    # Azure's, Google's and Amazon's clients say these if neither the environment nor the machine gives any.
    (r"Account must be specified|Invalid Access Key|service account file|pem file|token request|/latest/api/token",
     "cannot be asked: the environment has no credentials for it, or such as cannot be read"),
    (r"builder error", "is not at an https: address; AWS_ALLOW_HTTP=true (GOOGLE_, AZURE_) allows others"),
    (r"\bkind: Timeout\b|\bTimedOut\b", "does not answer in time"),
    (r"\bstatus(?: code)?: (\d{3})\b", r"answers \1"),
    (r"error sending request|kind: Connect", "cannot be reached"),
)  # fmt: skip
"""What is wrong, by what stands in the text of an exception; the first one counts."""
_REFUSALS = ("PermissionDeniedError", "UnauthenticatedError")
_UNLIKE = ("AlreadyExistsError", "PreconditionError")
_IMPOSSIBLE = ("NotSupportedError", "NotImplementedError")


class Unanswered(Exception):
    """The remote has not done what it was asked for; the text goes on from its name, and holds no secret."""


class Found(NamedTuple):
    """An object that is there."""

    size: int
    version: dict[str, Any]
    """What distinguishes it from one that takes its place."""
    chunks: Iterator[bytes]
    """Raises Unanswered if they end too early."""

    def whole(self, most: int) -> bytes:
        """Return all bytes, if they are not more than `most`; else nothing."""
        return b"".join(self.chunks) if self.size <= most else b""


class Objects:
    """The objects below the URL of a remote. Its methods raise Unanswered, and may be called in several threads."""

    def __init__(self, url: str, patience: float) -> None:
        """`patience` is how many seconds one answer may take. Unanswered if obstore is missing, or has another API."""
        self._is_local = url.startswith("file:")
        with _answering():
            self._obstore: Any = import_module("obstore")
            self._store = _opened(import_module("obstore.store"), url, timedelta(seconds=max(patience, 0.001)))

    def read(self, name: str) -> Found | None:
        """Return an object as soon as its first bytes are there; None if there is none."""
        with _answering():
            try:
                got = self._obstore.get(self._store, name)
            except FileNotFoundError:
                return None
            meta = got.meta
            return Found(meta["size"], _version(meta), _chunks(got))

    def version(self, name: str) -> tuple[int, dict[str, Any]] | None:
        """Return the size and the version of an object; None if there is none."""
        with _answering():
            try:
                meta = self._obstore.head(self._store, name)
            except FileNotFoundError:
                return None
            return meta["size"], _version(meta)

    def add(self, name: str, data: bytes) -> bool:
        """Put an object, unless there is one; return whether it was put."""
        return self._put(name, data, "create")

    def replace(self, name: str, data: bytes, version: dict[str, Any]) -> bool:
        """Put an object in the place of this version, unless there is another one; return whether it was put.

        A folder has no such condition: there, the later one of two at the same moment stays.
        """
        return self._put(name, data, "overwrite" if self._is_local else version)

    def _put(self, name: str, data: bytes, mode: Any) -> bool:
        with _answering():
            try:
                # In one piece: what is put in several is not there until its end, but stays and costs if that fails.
                self._obstore.put(self._store, name, data, mode=mode, use_multipart=False)
            except Exception as error:
                if type(error).__name__ in _UNLIKE:
                    return False
                raise
            return True


def _opened(stores: Any, url: str, patience: timedelta) -> Any:
    """Return the store of a URL, with the credentials that obstore finds in the environment."""
    if url.startswith("file:"):
        return stores.from_url(url, mkdir=True)
    web = {**_web(url.partition(":")[0]), "timeout": patience, "connect_timeout": patience}
    retries = {"max_retries": _RETRIES, "retry_timeout": patience, "backoff": {"init_backoff": _FIRST_PAUSE}}
    # A server of files, even if its name is one of those by which obstore recognizes a cloud's.
    opened = stores.HTTPStore.from_url if url.startswith("https:") else stores.from_url
    return opened(url, client_options=web, retry_config=retries)


def _web(scheme: str) -> dict[str, str]:
    """Return the options of a connection that the environment has: ours would take the place of all of them."""
    prefix = _PREFIXES.get(scheme)
    found = {name: os.environ.get(f"{prefix}{name.upper()}") for name in _WEB} if prefix else {}
    return {name: text for name, text in found.items() if text}


def _version(meta: Any) -> dict[str, Any]:
    return {name: meta[name] for name in ("e_tag", "version") if meta[name] is not None}


def _chunks(got: Any) -> Iterator[bytes]:
    with _answering():
        for chunk in got.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)


@contextmanager
def _answering() -> Iterator[None]:
    """Turn whatever a block raises into Unanswered."""
    try:
        yield
    except Unanswered:
        raise
    except ImportError:
        raise Unanswered("needs obstore: pip install 'cachedindex[remote]'") from None
    except Exception as error:  # noqa: BLE001 - obstore raises builtin ones, too, and a lie may lead it to any
        raise Unanswered(_why(error)) from None


def _why(error: Exception) -> str:
    """Return what is wrong, in words of ours."""
    if type(error).__name__ in _REFUSALS:
        return "refuses what these credentials ask for (remote-read-only sends nothing)"
    if isinstance(error, FileNotFoundError):
        return "has no such bucket"
    for sign, words in _SIGNS:
        if found := re.search(sign, str(error)):
            return found.expand(words)
    return f"does not work ({type(error).__name__})"
