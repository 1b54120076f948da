"""A body that is stored as it passes to the client, and published only if it is complete and as promised."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from cachedindex.errors import StoreUnavailable
from cachedindex.model import Body, Record
from cachedindex.store.blob import NewBlob

_CHUNK = 1 << 16


class Tee:
    """A Body around another one; the client reads the same bytes, to the same end or the same exception."""

    def __init__(
        self, source: Body, blob: NewBlob, announced: int | None, publish: Callable[[NewBlob], Record | None]
    ) -> None:
        """`announced` is the size in bytes, if it is known; `publish` stores a complete blob."""
        self._source = source
        self._blob: NewBlob | None = blob
        self._announced = announced
        self._publish = publish
        self._watchers: list[Callable[[Tee], None]] = []
        self.closed = False
        self.record: Record | None = None
        """The record that was stored at the end."""
        self.problem: StoreUnavailable | None = None
        """Why it could not be stored."""
        self.is_broken = False
        """Whether upstream did not send all of it."""
        self.is_another = False
        """Whether all of it came, but not the bytes that were promised."""

    def when_settled(self, watcher: Callable[[Tee], None]) -> None:
        """Call `watcher` once, when it is known whether something was stored."""
        self._watchers.append(watcher)

    def __del__(self) -> None:
        """Settle if the client dropped the body unread."""
        with suppress(Exception):  # At the interpreter's end, the modules that this needs may be gone.
            self._settle(complete=False)

    def read(self, size: int = -1, /) -> bytes:
        """Return the source's next bytes."""
        try:
            data = self._source.read(size)
        except BaseException:
            self.is_broken = True
            self._settle(complete=False)
            raise
        if self._blob and data:
            try:
                self._blob.write(data)
            except StoreUnavailable as error:
                self.problem = error
                self._settle(complete=False)
        if size != 0 and (not data or size < 0):
            self.closed = True  # urllib3 takes this for the end.
            self.is_broken = self._blob is not None and self._announced not in (None, self._blob.size)
        if self.closed or (self._blob and self._blob.size == self._announced):
            self._settle(complete=True)
        return data

    def reopened(self) -> BinaryIO | None:
        """Return what passes, open to be read from its start; None if that is not possible. StoreUnavailable."""
        return self._blob.reopened() if self._blob else None

    def drain(self) -> bytes:
        """Read the rest, for the store and for the caller."""
        parts = []
        while data := self.read(_CHUNK):
            parts.append(data)
        self._source.close()
        return b"".join(parts)

    def discard(self) -> None:
        """Read the rest for the store alone, in little memory."""
        while self.read(_CHUNK):
            pass
        self._source.close()

    def close(self) -> None:
        """Close the source; a body that was not read to its end is not stored."""
        self.closed = True
        self._settle(complete=False)
        self._source.close()

    def _settle(self, *, complete: bool) -> None:
        blob, self._blob = self._blob, None
        if blob is None:
            return
        try:
            if complete and self._announced in (None, blob.size):
                self.record = self._publish(blob)
                self.is_another = self.record is None
        except StoreUnavailable as error:
            self.problem = error
        finally:
            blob.abandon()
        for watcher in self._watchers:
            watcher(self)


class Continued:
    """A Body whose beginning somebody has read into the store already."""

    def __init__(self, beginning: Body, rest: Body) -> None:
        """`beginning` ends where `rest` goes on."""
        self._beginning = beginning
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        if size < 0:
            return self._beginning.read() + self._rest.read()
        return self._beginning.read(size) or self._rest.read(size)

    def close(self) -> None:
        """Close both."""
        self._beginning.close()
        self._rest.close()
