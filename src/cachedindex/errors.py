"""The exceptions of cachedindex: one root, and one child for each thing that a caller treats differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn


class CachedIndexError(Exception):
    """Everything that cachedindex itself raises; its text is meant for the person who runs the build."""


class SettingsError(CachedIndexError):
    """An option's name or value is wrong, in a place where its author is the one who reads the message."""


class StoreUnavailable(CachedIndexError):
    """The cache folder could not be read or written; the look-up goes on without it."""


class NotAsked(CachedIndexError):
    """Upstream was not asked for a reason of this machine's own, which tells nothing of upstream."""


class DeadlinePassed(CachedIndexError):
    """Work under a deadline was not done in time; it goes on, and nobody waits for it any more.

    `url` and `connected` are as in UpstreamFailed.
    """

    def __init__(self, text: str, *, url: str = "", connected: bool = True) -> None:
        super().__init__(text)
        self.url = url
        self.connected = connected


class CopyLost(CachedIndexError):
    """A record's blob is gone or damaged; the look-up goes on as one without a copy."""


class UpstreamFailed(CachedIndexError):
    """Upstream gave no answer: refused, broke off, ran into the client's own timeout, or into ours.

    `original` is the client's own exception object, which is what the client gets when no copy can stand in; `hops` are
    its own responses that redirected it before. `url` is what was asked for when it failed, which a redirect may have
    led to; nothing stands for the request's own URL. If it was not `connected`, no index of that origin could have
    answered.
    """

    def __init__(
        self,
        cause: str,
        original: Exception | None = None,
        hops: Sequence[Any] = (),
        *,
        url: str = "",
        connected: bool = True,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.original = original
        self.hops = hops
        self.url = url
        self.connected = connected


class IndexMissing(CachedIndexError):
    """An index that is down may have what is needed, nothing of it is stored, and missing-index = fail."""


def assert_never(value: NoReturn) -> NoReturn:
    """Have mypy see that a match is exhaustive; as typing's own, which is there from Python 3.11 on."""
    raise AssertionError(f"{value!r} was not expected here")
