"""The values that the layers exchange: frozen, and without access to a disk or a socket."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, Protocol

from cachedindex.named import NamedTuple

Kind = Literal["page", "file", "other"]
Readers = Literal["all", "user", "nobody"]
Ended = Literal[
    "hit", "revalidated", "miss", "stale", "absent", "mirrored", "late", "negative", "passed", "refused", "failed"
]

_EMPTY: Mapping[str, Any] = MappingProxyType({})


def number(text: str) -> int | None:
    """Return a header's decimal number, or None if it is none; `str.isdigit` would accept superscripts as well."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _shown(values: NamedTuple, but: str) -> str:
    """Return the values in words, without the one that may be secret."""
    fields = (f"{name}={value!r}" for name, value in values._asdict().items() if name != but)
    return f"{type(values).__name__}({', '.join(fields)})"


class Body(Protocol):
    """A source of bytes: a BytesIO, an open blob, a response of urllib3 or http.client."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; the whole rest for -1; no bytes at the end."""
        ...

    def close(self) -> None:
        """Release the source, even if it was not read to its end."""
        ...


class Route(NamedTuple):
    """How a request reaches its origin."""

    trust: str = "tls"
    """How the peer is verified. An answer that was fetched with less trust is never served to a request with more."""
    proxy: str = ""
    """Host and port of the proxy in effect; empty if there is none."""


class Identity(NamedTuple):
    """Who made a request, as far as that decides what may be stored and served."""

    credential: str = ""
    """The credential, which is only used to compute the scope, and never stored or shown."""
    may_gain: bool = False
    """Whether handlers below our edge may add a credential, which is unknown when the look-up begins."""
    gains: bool = False
    """Whether a credential may be added there that nobody can see, as a certificate in an SSLContext."""
    scope: str = ""
    """The credential scope: whose records this request may see. Empty for everybody's."""
    keeps: bool = True
    """Whether answers that are this user's alone may be stored."""
    certified: bool = False
    """Whether a certificate of the client is part of the credential."""
    shared: bool = False
    """Whether everybody who may read the scope may read the answers to this request, whatever its credential."""

    def __repr__(self) -> str:
        """Leave out the credential."""
        return _shown(self, but="credential")


class Request(NamedTuple):
    """What a client asks for in one look-up."""

    method: str
    url: str
    """Without credentials and without a fragment."""
    kind: Kind
    headers: Mapping[str, str] = _EMPTY
    """By lower-case name. Never printed, since one of them may be an Authorization."""
    sha256: str | None = None
    """The digest that a page promised which this process was served, or that the URL's fragment promises."""
    route: Route = Route()
    identity: Identity = Identity()
    aside: str = ""
    """Why the cache leaves the request to the client, if the headers do not show it: a body, another encoding."""
    of_recipe: bool = False
    """Whether a recipe asks instead of an index reader: for all that is known, its URL is no index's."""

    def __repr__(self) -> str:
        """Leave out the headers."""
        return _shown(self, but="headers")

    def within(self, scope: str) -> Request:
        """Return the request with this scope in place of its credential, before it is stored, shown or reported."""
        return self._replace(identity=self.identity._replace(credential="", scope=scope))


class Completeness(NamedTuple):
    """Whether a body is all that upstream meant to send."""

    whole: bool = True
    """False if the body is known to be shorter than was announced."""
    ends: bool = True
    """False if nothing on the wire marks its end: no length, no last chunk, no encoding with an end of its own."""


class Disclosure(NamedTuple):
    """What upstream saw of the client beyond what the request says."""

    other: bool = False
    """Other credentials went out along the redirects, or a hop was trusted less than the first: not to be stored."""
    gained: bool = False
    """A handler below the client's edge added a credential: the answer is this user's alone."""


class Native(NamedTuple):
    """The client's own response that an answer was made of: it has attributes that an Answer lacks."""

    response: Any
    is_read: bool = False
    """Whether somebody has begun to read its body, so that the client can no longer be given this response."""

    def being_read(self) -> Native:
        """Return the same response, marked as read."""
        return self._replace(is_read=True)


class Answer(NamedTuple):
    """The answer to a request: from upstream, from the store, or made here."""

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
    """Seconds that the answer has been in the client's own cache; 0 if it comes from upstream."""
    native: Native | None = None
    is_streamed: bool = False
    """Whether somebody has begun to read its body, and left the rest to the client: it is too long for a page."""

    @property
    def announced(self) -> int | None:
        """The length of the body on the wire in bytes, as its header says."""
        return number(self.headers.get("content-length", ""))

    @property
    def untouched(self) -> Any:
        """The client's own response, which it is given if nobody has read the body; else None."""
        return self.native.response if self.native and not self.native.is_read else None


class Send(Protocol):
    """Sends a request upstream in the client's own way, and follows its redirects."""

    def __call__(self, headers: Mapping[str, str], *, patient: bool) -> Answer:
        """Send the request with these headers added, and return the answer; a page is read whole by then.

        A `patient` one uses the client's own connections and retries; any other is one try, on connections that nobody
        else uses, since it may run in a thread of its own. Raises UpstreamFailed around the client's exception.
        """
        ...


class AsNobody(Protocol):
    """Asks for another URL than that of a look-up, in the client's own way, but without anything that identifies it."""

    def __call__(self, url: str, accept: str | None = None) -> tuple[Request, Send] | None:
        """Return the request for a URL, and what sends it as one try; None if the client might add a credential.

        `accept` is the header, if it is to be another one than the client's.
        """
        ...


class Otherwise(NamedTuple):
    """Other ways in which a client can ask than its own, for a look-up that is not answered."""

    as_nobody: AsNobody
    afresh: Send
    """Sends the same request as one try, on a new connection."""


class Keyring(Protocol):
    """Where a client gets the credentials for a request after a 401, without asking a person."""

    def is_there(self) -> bool:
        """Return whether there is one, without asking it."""
        ...

    def has(self, url: str) -> bool:
        """Ask it, and return whether it has credentials for a URL."""
        ...


class Record(NamedTuple):
    """What the store keeps for one URL."""

    url: str
    final: str
    """The URL at the end of the redirects, without its query: the base of the page's relative links."""
    headers: Mapping[str, str]
    asked: float
    """When the request for it began, in seconds since the epoch."""
    checked: float
    """When upstream last confirmed it, by a 200 or a 304, in seconds since the epoch."""
    took: float
    """Seconds from the request to the whole answer."""
    size: int
    sha256: str
    page: bytes | None = None
    """The body, decoded; None if the bytes are in the blob that `sha256` names."""
    form: str = ""
    """The representation that was asked for: "json" or "html"; empty for anything but a page."""
    expired: bool = False
    """Whether it is expired before its time, since a run that it was served to has failed."""
    barred: bool = False
    """Whether upstream has answered 401 since to a client of this scope: it is served to no such client any more."""


EventKind = Literal["failed", "unreachable", "abrupt", "limited", "answered", "probing", "doubted", "removed"]


class Event(NamedTuple):
    """Something that an origin did, as the processes of a host, or of a run, report it to each other."""

    what: EventKind
    at: float
    url: str
    cause: str = ""
    took: float = 0.0
    """Seconds of an answer; of a limit, the seconds for which it is to be left alone."""


class Doubted(NamedTuple):
    """A URL whose latest answer may be a removal or an outage."""

    first: float
    """When the first doubtful answer came, in seconds since the epoch."""
    since: float
    """Since when they have all been the same."""
    digest: str
    """Of the latest one."""


class Health(NamedTuple):
    """What this host remembers of one repository, or of an origin as a whole; the fold of its events."""

    failed: Mapping[str, tuple[float, str]] = _EMPTY
    """For each URL: when it failed last, and why."""
    opened: float | None = None
    """When the breaker opened; None if it is closed."""
    pause: float = 0.0
    """How many seconds it stays open before a probe."""
    probing: tuple[float, str] | None = None
    """When a process began to probe, and the token by which it recognizes that it was the first."""
    limited: tuple[float, str] | None = None
    """Until when it asked to be left alone, and what it answered."""
    took: float = 0.0
    """Seconds of the last answer that was slow enough to note."""
    doubted: Mapping[str, Doubted] = _EMPTY
    """By URL."""
    answered: float | None = None
    """When a URL last gave a sound answer while another one was in doubt."""


class RunMemory(NamedTuple):
    """What a run remembers of look-ups at an origin that had no copy; the fold of their events."""

    failed: Mapping[str, tuple[float, str]] = _EMPTY
    """For each repository, or "" for the origin as a whole: when a look-up last failed with all the client's retries,
    and why, if no later one was answered."""
    missing: Mapping[str, float] = _EMPTY
    """The URLs that the origin does not have, and when it said so."""
    alone: Mapping[str, str] = _EMPTY
    """For each repository of which a single page failed, and at once: the URL of that page."""


class Outcome(NamedTuple):
    """How one look-up ended."""

    ended: Ended
    kind: Kind
    url: str
    origin: str
    why: str
    age: float | None = None
    """Seconds since upstream last confirmed the copy that was served, or is too old for that; None if there is none."""
    at: float = 0.0
    """When it ended, in seconds since the epoch."""
    sha256: str = ""
    """Of the page or file that the client was given; empty if it is not known."""
    took: float = 0.0
    """Seconds from the request to the end of upstream's answer; 0 if there was none."""
    seen_by: Readers = "all"
    """Who may learn of it afterwards: all who may read the folder, this user alone, or nobody."""
    shown_index: str = ""
    """Of a page that not all may see, its index as it may be shown."""


Phase = Literal["before", "outage", "after"]
"""When a run has to do with its remote: before its command, in place of a dead index, and after its command."""


NOT_STORED = "has what cannot be stored here"
"""What the problem of a RemoteUse begins with if it is not the remote's: the cache folder does not take what comes."""


class RemoteUse(NamedTuple):
    """What a run had of its remote in one phase."""

    place: str
    """The URL of the remote, which has no credentials in it."""
    phase: Phase
    asked: int = 0
    """How many objects were asked for."""
    found: int = 0
    """How many of these were there, sound, and are in the cache folder now."""
    refused: int = 0
    """How many were not what their names say."""
    sent: int = 0
    """How many objects were sent."""
    left: int = 0
    """How many were not brought or sent in time."""
    received: int = 0
    """Bytes of objects."""
    sent_bytes: int = 0
    latency: float = 0.0
    """The median of the seconds in which an answer began; 0 if there was none."""
    took: float = 0.0
    """Seconds that the run waited for it."""
    problem: str = ""
    """Why the remote was of no use from then on; empty if it answered."""


class Run(NamedTuple):
    """What is kept of one run: nothing in it may be a credential."""

    command: str
    job: str
    """The name that the CI server gives to the job; empty for a run of a person."""
    build: str
    """The number of this run of the job."""
    started: float
    """In seconds since the epoch."""
    duration: float
    """In seconds."""
    code: int | None
    """The exit code of the command, or the signal that ended it as a negative number; None if it is not known."""
    damaged: int = 0
    """How many damaged files were set aside."""
    outcomes: Sequence[Outcome] = ()
    """How its look-ups ended; their URLs are those that may be shown."""
    left_out: int = 0
    """How many look-ups are counted, but not among the outcomes."""
    uncovered: Sequence[str] = ()
    """The clients that ran below the command and were not covered, each with its place."""
    remote: Sequence[RemoteUse] = ()
    """What it had of its remote, for each phase in which it had to do with it."""
