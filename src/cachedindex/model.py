"""The values that travel between the layers: frozen, without behaviour that could touch a disk or a socket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

Kind = Literal["page", "file", "other"]
Ended = Literal["hit", "revalidated", "miss", "stale", "late", "negative", "passed", "refused", "failed"]


def number(text: str) -> int | None:
    """Return the number that a header says, or None: to Python a superscript is a digit, too, but no number."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


class Body(Protocol):
    """What every source of bytes has in common: BytesIO, an open blob, urllib3's and http.client's responses."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, all of them for -1, and none at the end."""
        ...

    def close(self) -> None:
        """Give the source back, read to its end or not."""
        ...


@dataclass(frozen=True)
class Route:
    """How a request reaches its origin."""

    trust: str = "tls"
    """How the peer is verified. What came with less trust never answers a request that asks for more."""
    proxy: str = ""
    """Host and port of the proxy in effect, or nothing."""


@dataclass(frozen=True)
class Identity:
    """Who asks, as far as it decides what may be kept and served."""

    credential: str = field(default="", repr=False)
    """What identifies the asker: it goes no further than to be made a scope, and is never stored or shown."""
    may_gain: bool = False
    """Whether handlers below the client's edge may add a credential that nobody sees before."""
    scope: str = ""
    """Who may see what is stored: nothing for everybody, otherwise this user with this credential's digest."""
    shared: bool = False
    """Whoever reads this cache may read this index, whatever credentials it wants."""


@dataclass(frozen=True)
class Request:
    """One look-up, as a client asked for it."""

    method: str
    url: str
    """Without credentials and without a fragment."""
    kind: Kind
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By lower-case name. The only place where an Authorization may live, hence never printed."""
    sha256: str | None = None
    """What the bytes must hash to: promised by a page that this process was served, or by the URL's fragment."""
    route: Route = Route()
    identity: Identity = Identity()
    aside: str = ""
    """Why the cache leaves it to the client, if its headers do not show it: a body, another encoding."""

    @property
    def remembered_as(self) -> str:
        """The name of this look-up in a health log: another credential may have been answered otherwise."""
        scope = self.identity.scope
        return f"{self.url}#{scope}" if scope else self.url

    def within(self, scope: str) -> Request:
        """Return the request as one of a scope, without the credential that led to it."""
        return replace(self, identity=replace(self.identity, credential="", scope=scope))


@dataclass(frozen=True)
class Completeness:
    """Whether a body is all that upstream has to say."""

    whole: bool = True
    """False if the body is known to be shorter than was announced."""
    ends: bool = True
    """False if nothing on the wire tells its end from a break: no length, no last chunk, no encoding's own end."""


@dataclass(frozen=True)
class Disclosure:
    """What upstream saw of the client beyond what the request says."""

    other: bool = False
    """Other credentials went out along the redirects, or a hop was trusted less than the first: not to be stored."""
    gained: bool = False
    """A handler below the client's edge added a credential: the answer is this user's alone."""


@dataclass(frozen=True)
class Native:
    """The client's own response that an answer was made of; what it says beside the body is not lost."""

    response: Any
    is_read: bool = False
    """Whether somebody has begun to read its body: then the client cannot be given it any more."""

    def being_read(self) -> Native:
        """Return it as one whose body somebody reads."""
        return replace(self, is_read=True)


@dataclass(frozen=True)
class Answer:
    """What came back for a request: from upstream, from the store, or made here."""

    status: int
    reason: str
    url: str
    """The address at the end of the redirects."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: Body
    completeness: Completeness = Completeness()
    disclosure: Disclosure = Disclosure()
    age: float = 0.0
    """Seconds for which a cache of the client's own had kept it."""
    native: Native | None = None

    @property
    def announced(self) -> int | None:
        """The bytes that the body has on the wire, as its header says."""
        return number(self.headers.get("content-length", ""))

    @property
    def untouched(self) -> Any:
        """The client's own response, if nobody has read its body: then it is what the client gets; else None."""
        return self.native.response if self.native and not self.native.is_read else None


class Send(Protocol):
    """The client's own way of asking upstream, to the end of the redirects."""

    def __call__(self, headers: Mapping[str, str], *, patient: bool) -> Answer:
        """Send the request with these headers added, and return the answer; a page is read whole by then.

        `patient` is with the client's own connections and retries; otherwise it is one try, on connections that nobody
        else uses, since it may run in a thread of its own. Raises UpstreamFailed around the client's exception.
        """
        ...


@dataclass(frozen=True)
class Record:
    """What the store keeps for one URL."""

    url: str
    final: str
    """Where the redirects ended, without query: the base of the page's relative links."""
    headers: Mapping[str, str]
    asked: float
    """When the request for it began, in seconds since the epoch."""
    checked: float
    """When upstream last said that it is so: the time of the last 200 or 304, in seconds since the epoch."""
    took: float
    """Seconds from the request to the whole answer."""
    size: int
    sha256: str
    page: bytes | None = None
    """The body, decoded; None where the bytes are the blob that `sha256` names."""
    form: str = ""
    """Which representation of a page was asked for: "json" or "html"; nothing for what is no page."""
    expired: bool = False
    """Whether it is to be asked for again before its time, as a run that it was served to has failed."""


EventKind = Literal["failed", "unreachable", "limited", "answered", "probing", "doubted", "removed"]


@dataclass(frozen=True)
class Event:
    """Something that an origin did, as the processes of one host tell each other."""

    what: EventKind
    at: float
    url: str
    cause: str = ""
    took: float = 0.0
    """Seconds of an answer; of a limit, the seconds for which it is to be left alone."""


@dataclass(frozen=True)
class Health:
    """What this host remembers of one repository, or of an origin as a whole; the fold of its events."""

    failed: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """For each URL: when it failed last, and of what."""
    opened: float | None = None
    """Since when the breaker has been open."""
    pause: float = 0.0
    """How many seconds it stays open before a probe."""
    probing: tuple[float, str] | None = None
    """When somebody began to probe, and the token that tells whether it was this process."""
    limited: tuple[float, str] | None = None
    """Until when it asked to be left alone, and what it answered."""
    took: float = 0.0
    """Seconds of the last answer that was slow enough to note."""
    doubted: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """URLs whose latest answer may be a removal or an outage: since when, and that answer's digest."""
    answered: float | None = None
    """When a URL that is not in doubt last gave a sound answer, noted while another one was."""


@dataclass(frozen=True)
class RunMemory:
    """What a run remembers of an origin's look-ups that had no copy; the fold of their events."""

    failed: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """For each repository, or "" for the origin as a whole: when a look-up failed after all the client's patience, and
    of what, if no later one was answered."""
    missing: Mapping[str, float] = field(default_factory=dict)
    """URLs that the origin said it does not have, and when."""


@dataclass(frozen=True)
class Outcome:
    """How one look-up ended."""

    ended: Ended
    kind: Kind
    url: str
    origin: str
    why: str
    age: float | None = None
    """Seconds since upstream last confirmed what was served; None where that says nothing."""
