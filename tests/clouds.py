"""Object stores as Google and Azure have them, in memory: as much of their APIs as a remote uses.

<https://cloud.google.com/storage/docs/xml-api/overview>
<https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-rest-api>
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from tests.between import Reading
from tests.index import Handler, Index

ACCOUNT = "buildsaccount"
KEY = "dGhlLXNlY3JldC1vZi10aGUtYWNjb3VudA=="
_BUCKET = "builds"


class Held(NamedTuple):
    """An object, and the number of the put by which it came to be: both stores tell two by that."""

    content: bytes
    generation: int


class Cloud(Index, ABC):
    """A store with one bucket; `url` is the value of the option `remote`."""

    scheme: str

    def __init__(self) -> None:
        super().__init__(Path())
        self.prefix = f"{_BUCKET}/objects"
        self.url = f"{self.scheme}://{self.prefix}"
        self.held: dict[str, Held] = {}
        self.guard = threading.Lock()
        self.generations = count(1)

    @property
    @abstractmethod
    def variables(self) -> Mapping[str, str]:
        """What a program needs in its environment to come there, as somebody who may do everything."""

    def keys(self, below: str = "") -> list[str]:
        """Return the names of all objects below the prefix, without it."""
        start = f"{self.prefix}/{below}"
        return sorted(name.removeprefix(f"{self.prefix}/") for name in self.held if name.startswith(start))

    def read(self, key: str) -> bytes:
        """Return an object; KeyError if there is none."""
        return self.held[f"{self.prefix}/{key}"].content


class _Handler(Reading, ABC):
    index: Cloud  # type: ignore[assignment]

    def answer(self, path: str | None = None) -> tuple[int, dict[str, str], bytes]:
        name = unquote((path or self.path).partition("?")[0]).lstrip("/")
        with self.index.guard:
            there = self.index.held.get(name)
            if self.command == "PUT":
                if status := self.refusal(there):
                    return status, {}, b""
                there = self.index.held[name] = Held(self.content, next(self.index.generations))
                return HTTPStatus.CREATED, _said(there), b""
        return (HTTPStatus.OK, _said(there), there.content) if there else (HTTPStatus.NOT_FOUND, {}, b"")

    @abstractmethod
    def refusal(self, there: Held | None) -> int:
        """Return the status with which a put in the place of an object is refused, or 0."""


def _said(held: Held) -> dict[str, str]:
    number = str(held.generation)
    return {"ETag": f'"{number}"', "x-goog-generation": number, "Last-Modified": formatdate(usegmt=True)}


class _GoogleHandler(_Handler):
    def refusal(self, there: Held | None) -> int:
        wanted = self.headers.get("x-goog-if-generation-match")
        is_right = wanted in (None, str(there.generation) if there else "0")
        return 0 if is_right else HTTPStatus.PRECONDITION_FAILED


class Google(Cloud):
    """Google Cloud Storage."""

    scheme = "gs"

    @property
    def handler(self) -> type[Handler]:
        return _GoogleHandler

    @property
    def variables(self) -> Mapping[str, str]:
        account = {"gcs_base_url": self.origin, "disable_oauth": True, "client_email": "", "private_key": ""}
        return {
            "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({**account, "private_key_id": ""}),
            "GOOGLE_ALLOW_HTTP": "true",
        }


class _AzureHandler(_Handler):
    def refusal(self, there: Held | None) -> int:
        if not self.headers.get("Authorization", "").startswith(f"SharedKey {ACCOUNT}:"):
            return HTTPStatus.FORBIDDEN
        if self.headers.get("x-ms-blob-type") != "BlockBlob":
            return HTTPStatus.BAD_REQUEST
        if there and self.headers.get("If-None-Match") == "*":
            return HTTPStatus.CONFLICT  # Not 412: BlobAlreadyExists.
        wanted = self.headers.get("If-Match")
        is_right = wanted is None or (there is not None and wanted == _said(there)["ETag"])
        return 0 if is_right else HTTPStatus.PRECONDITION_FAILED


class Azure(Cloud):
    """Azure Blob Storage."""

    scheme = "az"

    @property
    def handler(self) -> type[Handler]:
        return _AzureHandler

    @property
    def variables(self) -> Mapping[str, str]:
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": self.origin,
            "AZURE_ALLOW_HTTP": "true",
        }


@contextmanager
def serving(kind: type[Cloud]) -> Iterator[Cloud]:
    """Have a store of a kind for a block."""
    cloud = kind()
    try:
        yield cloud
    finally:
        cloud.close()
