"""The exceptions of cachedindex: one root, and a subclass for each failure that a caller treats differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn


class CachedIndexError(Exception):
    """The root of all exceptions of cachedindex; the text is meant for the person who runs the build."""


class SettingsError(CachedIndexError):
    """An option's name or value is wrong, and the person who set it will read the message."""


class StoreUnavailable(CachedIndexError):
    """The cache folder could not be read or written; the look-up goes on without it."""

    def __init__(self, text: str, *, is_known: bool = False) -> None:
        """`is_known` is whether a build before this one has said so."""
        super().__init__(text)
        self.is_known = is_known


class NotAsked(CachedIndexError):
    """Upstream was not asked: the breaker holds the look-up back, or too many attempts still wait for it."""


class Unheard(NotAsked):
    """A look-up is not begun ahead, as the client itself has got no sound answer there yet."""


class Shortage(CachedIndexError):
    """An attempt failed for want of something on this side, such as a thread or memory: it says nothing of upstream.

    `original` is the exception that says what is wanting; the client's own, if the client was asking.
    """

    def __init__(self, cause: str, original: Exception) -> None:
        super().__init__(cause)
        self.original = original


class DeadlinePassed(CachedIndexError):
    """Work under a deadline was not done in time; it goes on, but nobody waits for it any more.

    `url` and `connected` are as in UpstreamFailed.
    """

    def __init__(self, text: str, *, url: str = "", connected: bool = True) -> None:
        super().__init__(text)
        self.url = url
        self.connected = connected


class CopyLost(CachedIndexError):
    """A record's blob is gone or damaged; the look-up goes on as one without a copy."""


class UpstreamFailed(CachedIndexError):
    """Upstream gave no answer: it refused, broke off, or ran into the client's timeout or ours.

    `original` is the client's own exception object, which the client gets if no copy can stand in; `hops` are its own
    responses that redirected it before. `url` is what failed, if a redirect had led there. If it is not `connected`, no
    index of that origin could have answered. If it is `personal`, whoever has another certificate, or another password
    for the proxy, may be answered; if it is `final`, upstream has refused this client, and no copy may stand in.
    """

    def __init__(
        self,
        cause: str,
        original: Exception | None = None,
        hops: Sequence[Any] = (),
        *,
        url: str = "",
        connected: bool = True,
        personal: bool = False,
        final: bool = False,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.original = original
        self.hops = hops
        self.url = url
        self.connected = connected
        self.personal = personal
        self.final = final
        self.broken = False
        """Whether an answer had begun and broke off at once, which says more of the page than of its index."""
        self.abrupt = False
        """Whether it hung up at once instead of answering, or answered in vain: other pages may be well."""


class IndexMissing(CachedIndexError):
    """An index that is down may have the project, none of its pages for it is stored, and missing-index = fail."""


def assert_never(value: NoReturn) -> NoReturn:
    """Make mypy check that a match is exhaustive; typing has this function from Python 3.11 on."""
    raise AssertionError(f"{value!r} was not expected here")
