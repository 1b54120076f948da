"""What a look-up would come to now, and with its index dead: by the rules that decide each look-up, in words."""

from __future__ import annotations

from cachedindex.errors import NotAsked, assert_never
from cachedindex.lookup.cache import Cache
from cachedindex.lookup.context import Lookup
from cachedindex.lookup.origin import Origin
from cachedindex.lookup.upstream import Upstream
from cachedindex.model import Doubted, Request
from cachedindex.named import NamedTuple
from cachedindex.rules.decide import (
    AskOpenly,
    AskOrChallenge,
    Challenge,
    Decision,
    Fetch,
    Pass,
    Refuse,
    Revalidate,
    Serve,
    TryOnce,
    patience,
)
from cachedindex.run.summary import ago


class Preview(NamedTuple):
    """One look-up, as it would be."""

    lookup: Lookup
    decision: Decision
    held: str
    """Why upstream would not be asked for what has a copy; empty if it would be."""
    doubt: Doubted | None
    """What upstream has answered that may be a removal or an outage."""
    seconds: float
    """How long upstream might take if a copy can be served instead."""

    @property
    def now(self) -> str:
        """What would be done now."""
        return _now(self)

    @property
    def in_outage(self) -> str:
        """What the client would get if its index did not answer."""
        return _in_outage(self.lookup, self.decision)

    @property
    def survives(self) -> bool:
        """Whether the client would get something other than an error if its index did not answer."""
        match self.decision:
            case Serve():
                return True
            case Revalidate() | AskOpenly():
                return self.lookup.record is not None or self.lookup.absence is not None
            case _:
                return False


def preview(cache: Cache, upstream: Upstream, request: Request) -> Preview:
    """Return what a look-up would come to; nothing is asked, claimed or changed."""
    lookup, decision = cache.considered(request)
    origin = upstream.origin(lookup.request, lookup.record.final if lookup.record else "")
    health = origin.health()
    seconds = patience(lookup.request, lookup.record, health, lookup.settings)
    return Preview(lookup, decision, _held(origin), health.doubted.get(origin.subject), seconds)


def _held(origin: Origin) -> str:
    try:
        origin.considered()
    except NotAsked as reason:
        return str(reason)
    return ""


def _now(seen: Preview) -> str:  # noqa: PLR0911 - one for each decision
    match seen.decision:
        case Serve(why, stale):
            return f"the copy is served {'stale, ' if stale else ''}without asking: {why}"
        case Revalidate(validators):
            how = f" with {' and '.join(sorted(validators))}" if validators else ""
            asked = f"asked{how}, for {ago(seen.seconds)} in all" if not seen.held else seen.held
            return f"upstream is {asked}; without a sound answer {_stands_in(seen.lookup)}"
        case Fetch():
            return f"the client asks in its own way, with its own retries: {_lack(seen.lookup)}"
        case TryOnce(failed):
            return f"upstream is asked once ({failed})"
        case AskOpenly():
            return f"upstream is asked, whatever is known of it; without an answer {_stands_in(seen.lookup)}"
        case AskOrChallenge():
            return "upstream is asked; without an answer, the client is asked for the credentials of a private copy"
        case Challenge(why):
            return f"the client is asked for the credentials of a private copy: {why}"
        case Refuse(status, why):
            return f"the client gets {status}: {why}"
        case Pass(why):
            return f"it is left to the client: {why}"
        case _:
            return assert_never(seen.decision)


def _in_outage(lookup: Lookup, decision: Decision) -> str:
    match decision:
        case Serve():
            return "the copy is served"
        case Revalidate() | AskOpenly() if lookup.record or lookup.absence:
            return _stands_in(lookup)
        case AskOrChallenge() | Challenge():
            return "the private copy is served to a client with its credentials"
        case Refuse(status, _):
            return f"the client gets {status}"
        case _:
            return f"the client fails: {_lack(lookup)}"


def _stands_in(lookup: Lookup) -> str:
    if lookup.record:
        return "the copy is served stale"
    return "the client gets a 404, as the index did not have it" if lookup.absence else "the client fails"


def _lack(lookup: Lookup) -> str:
    is_old = lookup.record is not None and lookup.request.kind != "file"
    return "the copy is too old to stand in" if is_old else "nothing is stored"
