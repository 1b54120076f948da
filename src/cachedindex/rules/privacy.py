"""Who may see what: which part of a request may be a credential, for whom an answer is kept, and who is served it.

Everything that stores, serves or shows something asks here. Three answers decide: whether a request identifies its
asker (`Identity`), how far the peer was verified (`Route.trust`), and what upstream saw beyond that (`Disclosure`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cachedindex.model import Answer, Disclosure, Identity, Request

GAINED = "gained"
"""The scope of what was answered to a credential that was added below our edge: nobody can take its digest before."""

_NEUTRAL_HEADERS = frozenset({
    "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection", "content-type",
    "dnt", "host", "if-range", "keep-alive", "pragma", "range", "te", "upgrade-insecure-requests", "user-agent",
    "x-requested-with",
})  # fmt: skip
"""What a request may say without identifying its asker: every other header may be a credential."""
ADDED_HEADERS = frozenset({"if-none-match", "if-modified-since", "proxy-authorization"})
"""What a request may gain on its way: our own validators, and what identifies the asker to a proxy only."""
_LASTING = ("basic", "bearer", "token")
"""The schemes whose Authorization is the same each time. Digest, Negotiate and signatures are not."""
_TRUST = ("http", "unverified", "ca", "tls")
"""How far a peer is verified, from the least on."""
_STORED_HEADERS = (
    "content-type", "content-encoding", "content-disposition", "etag", "last-modified", "cache-control", "age", "date",
    "expires",    "x-pypi-last-serial",
)  # fmt: skip
_LATER_VERSION = re.compile(r"vnd\.pypi\.simple\.v(?!1\+)")
"""A version of the index API that a client of version 1 must not be given (PEP 691)."""


# Before asking: whose request is it?


def revealing(names: Iterable[str]) -> str | None:
    """Return the first header, of lower-case names, that may be a credential; None if there is none."""
    return next((name for name in names if name not in _NEUTRAL_HEADERS), None)


def is_lasting(authorization: str) -> bool:
    """Return whether an Authorization stays the same, so that what it got can be found by it again."""
    return authorization.partition(" ")[0].lower() in _LASTING


def credential(userinfo: str, authorization: str, certificate: str) -> str:
    """Return all that identifies an asker as one text; nothing for a request that anybody could make."""
    parts = (userinfo, authorization, certificate)
    return "\n".join(parts) if any(parts) else ""


def unscoped(request: Request) -> str | None:
    """Return why nothing can be kept for whoever makes a request; None for everybody's, and for one with a scope."""
    header = revealing(request.headers)
    if request.identity.credential:
        return "asked with credentials"
    if header:
        return f"{header} may be a credential, or ask for something else"
    return "a query may be a secret, or a signature that expires" if "?" in request.url else None


def is_anybodys(request: Request) -> bool:
    """Return whether a request shows nothing that upstream could revoke."""
    return not request.identity.scope and not request.identity.shared


def opened(request: Request) -> Request:
    """Return a request to an index that is shared: whoever reads the cache may read what its credentials get."""
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    return replace(request, headers=headers, identity=Identity(shared=True))


def may_have_gained(request: Request) -> bool:
    """Return whether an answer to this request may have been kept for a credential that it does not show."""
    return request.identity.may_gain and not request.identity.scope


def inherited(page: Request, file: Request) -> Request:
    """Return the request for a file that a page promises, as one for those who may know of it.

    What only a private page lists is private as well, even if the file itself is to be had without credentials, as its
    address may be the secret. But what a credential got is not for a request without one: each has its own scope. What
    a shared page lists is shared, wherever it lies.
    """
    scope = page.identity.scope
    if scope and not (scope == GAINED and file.identity.may_gain):
        scope = f"{scope}-anybody"
    return replace(file, identity=replace(file.identity, scope=scope, shared=page.identity.shared))


def must_be_asked(request: Request) -> bool:
    """Return whether only upstream can say that the credential of a scope still holds, so that no copy is fresh."""
    return request.identity.scope == GAINED


# On the way: what did upstream see?


def trusted_less(trust: str, first: str) -> bool:
    """Return whether a hop's peer was verified less than the first one's, so that its answer must not stand for it."""
    return _TRUST.index(trust.partition(" ")[0]) < _TRUST.index(first.partition(" ")[0])


def disclosed(names: Iterable[str], authorization: str, known: str) -> Disclosure:
    """Return what a request shows as it leaves, by its lower-case header names, beyond the Authorization that is known.

    What it was asked with is kept with it, and is no disclosure.
    """
    added = set(names) - ADDED_HEADERS
    gained = "authorization" in added and authorization != known
    return Disclosure(other=revealing(added - {"authorization"}) is not None, gained=gained)


# After the answer: what may be kept, and for whom?


def exceeds(request: Request, answer: Answer) -> bool:
    """Return whether upstream saw more than the request shows, so that its answer must not change a copy."""
    saw, identity = answer.disclosure, request.identity
    return saw.other or (saw.gained and identity.scope != GAINED and not identity.shared)


def unstorable(request: Request, answer: Answer) -> bool:
    """Return whether an answer that is sound must not be stored for whoever finds the request's record."""
    control = answer.headers.get("cache-control", "").lower()
    if exceeds(request, answer) or "no-store" in control:
        return True
    if _LATER_VERSION.search(answer.headers.get("content-type", "").lower()):  # One record serves all clients.
        return True
    return "private" in control and not (request.identity.scope or request.identity.shared)


def kept_for(request: Request, answer: Answer) -> Request:
    """Return the request under whose scope an answer may be kept: this user's own, if a credential was added below."""
    identity = request.identity
    is_added = answer.disclosure.gained and not identity.scope and not identity.shared
    return request.within(GAINED) if is_added else request


def storable(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers, by lower-case name, that a record keeps: none that could be a cookie, a token or a name."""
    return {name: headers[name] for name in _STORED_HEADERS if name in headers}
