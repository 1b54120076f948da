"""Who may see what: which part of a request may be a credential, and for which requests an answer is stored.

All code that stores, serves or shows anything asks here. Three values decide: who made a request (`Identity`), how far
the peer was verified (`Route.trust`), and what upstream saw beyond the request (`Disclosure`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Literal
from urllib.parse import unquote

from cachedindex.model import Answer, Disclosure, Identity, Readers, Request
from cachedindex.rules import layout, pages, urls

Sharing = Literal["user", "all"]
"""The option `share`: who may be served the answers to a credential, apart from those who show the same one."""
Storing = Literal["auto", "always", "never"]
"""The option `store`: as the index says, in spite of its `no-store`, or not at all."""
GAINED = "gained"
"""The scope of an answer to a credential that was added below our edge: it is seen too late for a scope of its own."""
USER = layout.OF_USER
_ANYBODY = "-anybody"
"""Follows the scope of a page in that of a file that was asked for without a credential."""

_NEUTRAL_HEADERS = frozenset({
    "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection", "content-type",
    "dnt", "host", "if-range", "keep-alive", "pragma", "range", "te", "upgrade-insecure-requests", "user-agent",
    "x-requested-with",
})  # fmt: skip
"""Headers that identify nobody: every other one may be a credential."""
_OF_A_PART = frozenset({"host", "if-range", "range"})
"""Of these headers, those that are of use for one URL only."""
ADDED_HEADERS = frozenset({"if-none-match", "if-modified-since", "proxy-authorization"})
"""Headers that may be added on the way: our own validators, and a credential that only a proxy sees."""
_LASTING = ("basic", "bearer", "token")
"""The schemes whose Authorization is the same in each request, unlike Digest, Negotiate and signatures."""
_TRUST = ("unknown", "http", "unverified", "ca", "tls")
"""How far a peer is verified, the least first."""
_STORED_HEADERS = (
    "content-type", "content-encoding", "content-disposition", "etag", "last-modified", "cache-control", "age", "date",
    "expires", "pragma", "vary", "x-pypi-last-serial",
)  # fmt: skip
_KEYED = frozenset({
    "accept", "accept-encoding", "authorization", "cache-control", "cookie", "host", "if-range", "pragma", "range",
    "user-agent",
})  # fmt: skip
"""Headers by which an answer may vary: they are in a record's key, or bypass it, or do not change what a page says.
devpi varies by User-Agent, and means by that whether it is an installer (devpi-server 6.20)."""
_LATER_VERSION = re.compile(r"vnd\.pypi\.simple\.v(?!1\+)")
"""A version of the index API that a client of version 1 must not be given (PEP 691)."""


# Before asking: who makes the request?


def neutral(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that identify nobody; of a whole answer, not of a part of one, nor a later check of one."""
    return {name: text for name, text in headers.items() if name.lower() in _NEUTRAL_HEADERS - _OF_A_PART}


def revealing(names: Iterable[str]) -> str | None:
    """Return the first header, of lower-case names, that may be a credential; None if there is none."""
    return next((name for name in names if name not in _NEUTRAL_HEADERS), None)


def is_lasting(authorization: str) -> bool:
    """Return whether an Authorization is the same in each request, so that its answers can be found again."""
    return authorization.partition(" ")[0].lower() in _LASTING


def credential(userinfo: str, authorization: str, certificate: str) -> str:
    """Return all credentials of a request as one text; empty for a request that anybody could make."""
    parts = (userinfo, authorization, certificate)
    return "\n".join(parts) if any(parts) else ""


def of_userinfo(userinfo: str) -> str:
    """Return the credential of a request that has this user and password in its Authorization."""
    user, _, password = userinfo.partition(":")
    encoded = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return credential("", f"Basic {encoded}", "")


def unscoped(request: Request) -> str | None:
    """Return why no answer to a request can be stored; None if it has a scope, or anybody could make it."""
    header = revealing(request.headers)
    if request.identity.credential or (request.identity.gains and not request.identity.scope):
        return "asked with credentials"
    if request.headers.get("host") and not urls.is_host_of(request.headers["host"], request.url):
        return "it names another host than its URL, whose pages may differ"
    if header:
        return f"{header} may be a credential, or change the answer"
    is_query = "?" in request.url and not request.sha256
    return "a query may be a secret, or a signature that expires" if is_query else None


def is_everybodys(request: Request) -> bool:
    """Return whether what answers a request is kept, if at all, where everybody may read it who may read the folder."""
    return not request.identity.scope and unscoped(request) is None


def is_anybodys(request: Request) -> bool:
    """Return whether a request shows nothing that upstream could revoke."""
    return request.identity.scope in ("", USER) and not request.identity.shared


def opened(request: Request, scope: str = "") -> Request:
    """Return a request whose answers are for all who may read this scope, by default for everybody."""
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    return request._replace(headers=headers, identity=Identity(scope=scope, shared=True))


def unkept(request: Request) -> Request:
    """Return a request of whose answers nothing is stored that would be this user's alone."""
    return request._replace(identity=request.identity._replace(keeps=False))


def shown_index(request: Request) -> str:
    """Return the index of a page as it may be shown: not its path, if that may hold a token."""
    index = urls.repository(request.url)
    if request.identity.scope != USER:
        return index
    return f"{urls.origin(index)}/***{sha256(index.encode()).hexdigest()[:4]}/"  # Two of one host are two.


def may_be_own(request: Request) -> tuple[str, ...]:
    """Return the scopes of this user in which there may be an answer to a request that shows no credential."""
    identity = request.identity
    if identity.credential or identity.gains or identity.scope or identity.shared or not identity.keeps:
        return ()
    return (USER, GAINED) if identity.may_gain else (USER,)


def inherited(page: Request, file: Request, *, linked: bool = False) -> Request:
    """Return the request for a file, with what it inherits of the page that promises it.

    A file that only a private page lists is private, even if it can be fetched without credentials, since its address
    may be the secret. But an answer to a credential is not for requests without one, so the two have different scopes.
    A file that a shared page lists is shared, on whatever host it is. If the credential was `linked` by the page, it is
    no other one than the page's: it may be new in each version of the page.
    """
    scope = page.identity.scope
    if scope != USER and scope and not (_is_gained(scope) and (file.identity.may_gain or file.identity.gains)):
        scope = f"{scope}{_ANYBODY}"
    keeps = page.identity.keeps and file.identity.keeps
    identity = file.identity._replace(scope=scope, shared=page.identity.shared, keeps=keeps)
    return file._replace(identity=identity._replace(credential="") if linked else identity)


def takes_credential(scope: str) -> bool:
    """Return whether a scope is that of a credential, which a client can show."""
    return scope not in ("", USER) and not _is_gained(scope) and not scope.endswith(_ANYBODY)


def unseen(scope: str) -> str:
    """Return the scope for a credential beside which there may be one that nobody sees."""
    return f"{scope}-{GAINED}" if scope else GAINED


def _is_gained(scope: str) -> bool:
    """Return whether a scope includes a credential that was added below our edge."""
    return scope.rpartition("-")[2] == GAINED


def must_be_asked(request: Request) -> bool:
    """Return whether only upstream can say that the credential of a scope still holds, so that no copy is fresh."""
    return _is_gained(request.identity.scope)


# On the way: what does upstream see?


def trusted_less(trust: str, first: str) -> bool:
    """Return whether a hop's peer was verified less than the first one, so that its answer must not be stored."""
    return _TRUST.index(trust.partition(" ")[0]) < _TRUST.index(first.partition(" ")[0])


def disclosed(names: Iterable[str], authorization: str, known: str) -> Disclosure:
    """Return what a request discloses as it leaves, given its header names in lower case and its Authorization.

    The one that is `known` is no disclosure: the look-up began with it, and its scope depends on it.
    """
    added = set(names) - ADDED_HEADERS
    gained = "authorization" in added and authorization != known
    return Disclosure(other=revealing(added - {"authorization"}) is not None, gained=gained)


# After the answer: may it be stored, and under which scope?


def exceeds(request: Request, answer: Answer) -> bool:
    """Return whether upstream saw more than the request shows, so that its answer must not change a copy."""
    saw, identity = answer.disclosure, request.identity
    return saw.other or (saw.gained and not _is_gained(identity.scope) and not identity.shared)


def unstorable(request: Request, answer: Answer, page: bytes = b"", store: Storing = "auto") -> bool:
    """Return whether a sound answer must not be stored under any scope; `page` is the body of a page."""
    if exceeds(request, answer) or store == "never" or is_forbidden(answer, store):
        return True
    if store == "auto" and varies(request, answer.headers):
        return True
    if _LATER_VERSION.search(answer.headers.get("content-type", "").lower()):  # One record serves all clients.
        return True
    return not request.identity.keeps and is_one_users(request, answer.headers, page)


def varies(request: Request, headers: Mapping[str, str]) -> bool:
    """Return whether an answer is for requests with the same value of a header that is in no key (RFC 9111, 4.1)."""
    names = {name.strip().lower() for name in headers.get("vary", "").split(",")}
    return "*" in names or any(name in request.headers and name not in _KEYED for name in names)


def is_forbidden(answer: Answer, store: Storing) -> bool:
    """Return whether the index forbids to store an answer (RFC 9111, section 5.2.2.5), and no option overrides that.

    devpi says `no-store` of every page of a mirror, and of an index that has one as base, unless it has asked the
    mirror just now (devpi-server 6.20): its users expect a devpi that is down to be carried all the same.
    """
    forbids = "no-store" in answer.headers.get("cache-control", "").lower()
    return forbids and store == "auto" and "x-devpi-serial" not in answer.headers


def is_one_users(request: Request, headers: Mapping[str, str], page: bytes = b"") -> bool:
    """Return whether an answer to a request without credentials is for this user alone.

    That is what `private` means (RFC 9111, section 5.2.2.7); Rails says it of everything by default.
    """
    if request.identity.scope or request.identity.shared:
        return False
    is_private = "private" in headers.get("cache-control", "").lower()
    return is_private or (request.kind == "page" and pages.holds_credentials(page))


def lies_under(request: Request, headers: Mapping[str, str], page: bytes) -> bool:
    """Return whether an answer to a request is stored under the request's own scope, as far as is known of it here."""
    if request.identity.scope or request.identity.shared:
        return True
    return not (request.identity.may_gain or request.identity.gains or is_one_users(request, headers, page))


def kept_for(request: Request, answer: Answer) -> Request:
    """Return the request with the scope for its answer: this user's own if a credential was added below our edge."""
    identity = request.identity
    is_added = answer.disclosure.gained and identity.keeps and not identity.scope and not identity.shared
    return request.within(GAINED) if is_added else request


def seen_by(request: Request, answer: Answer | None = None, page: bytes = b"") -> Readers:
    """Return who may learn from the record of a run that a request was made; `answer` is upstream's, if there is one.

    What is refused to a request without credentials is asked for with them next, and its name is as private.
    """
    identity = request.identity
    if identity.scope:
        return "user"
    if identity.credential or identity.gains:
        return "nobody"
    if answer is None or identity.shared:
        return "all"
    is_refused = answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    is_own = answer.disclosure.gained or answer.disclosure.other or is_one_users(request, answer.headers, page)
    return "all" if not is_refused and not is_own else "user" if identity.keeps else "nobody"


def storable(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers, by lower-case name, that a record has: none that could hold a cookie, a token or a name."""
    return {name: headers[name] for name in _STORED_HEADERS if name in headers}
