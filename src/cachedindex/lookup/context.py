"""The values that the steps of a look-up pass on: the look-up itself, its exchange with upstream, or its failure."""

from __future__ import annotations

from http import HTTPStatus

from cachedindex.errors import StoreUnavailable, UpstreamFailed
from cachedindex.model import Answer, Body, Keyring, Otherwise, Record, Request
from cachedindex.named import NamedTuple
from cachedindex.options import Settings
from cachedindex.rules.judge import Meaning

_UNWELCOME = (
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
    HTTPStatus.TOO_MANY_REQUESTS,
)  # fmt: skip


class Lookup(NamedTuple):
    """One look-up."""

    request: Request
    """With its kind and its scope settled."""
    settings: Settings
    """Those for its URL."""
    record: Record | None = None
    """The record that is stored for it, if any: the one by which upstream is asked."""
    newest: Record | None = None
    """The one that stands in for upstream's answer, if that is another: in another form, and checked later."""
    absence: Record | None = None
    """The record that its index did not have it, if that is all that is known, and recent enough to count."""
    keyring: Keyring | None = None
    """Where the client could still get credentials for it; None if it cannot, or if they did not help."""
    otherwise: Otherwise | None = None
    """Other ways to ask, as of a mirror; None if there are none."""


class Exchange(NamedTuple):
    """The result of one exchange with upstream, as far as its body has been read."""

    answer: Answer
    meaning: Meaning
    record: Record | None = None
    """The new or renewed record, even if the disk did not take it; None as long as the body is to be read."""
    problem: StoreUnavailable | None = None
    """Why the change could not be stored."""


class Begun(NamedTuple):
    """A look-up that was begun before the client made it, and what has become of it."""

    lookup: Lookup
    exchange: Exchange | None = None
    """None if upstream failed, or if there is a copy that needs no check."""
    failure: UpstreamFailed | None = None
    may_stand: bool = True
    """Whether something stands in if upstream fails."""
    beginning: Body | None = None
    """What has been read of a body that the client reads on."""

    @property
    def is_bad(self) -> bool:
        """Return whether upstream failed, or wants to be left alone, or wants to know who asks."""
        if self.exchange is None:
            return self.failure is not None
        return self.exchange.meaning.is_down or _is_refusal(self.exchange)

    @property
    def is_final(self) -> bool:
        """Return whether the client would not ask again: a bad answer may be due to so many requests at once.

        If a copy, or an absence, may stand in, a deadline that has passed is not waited for again, and a page that is
        not sound is not asked for again.
        """
        if self.failure:
            return self.may_stand and self.failure.original is None
        return not self.is_bad or (self.may_stand and self.exchange is not None and not _is_refusal(self.exchange))

    def close(self) -> None:
        """Give back what the client does not take."""
        if self.exchange:
            self.exchange.answer.body.close()
        if self.beginning:
            self.beginning.close()


def _is_refusal(exchange: Exchange) -> bool:
    status = exchange.answer.status
    is_noted = exchange.meaning.note in ("failed", "limited")
    return is_noted or status in _UNWELCOME or status >= HTTPStatus.INTERNAL_SERVER_ERROR
