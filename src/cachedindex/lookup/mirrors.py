"""The mirrors of an index: other indexes with the same files, for what the index itself does not deliver.

They are asked if the index gave no answer, not at another address of its name either, and no copy may stand in: each
under the deadline, as nobody, and by the circuit breaker of its own origin. A file is taken from any of them if it has
the sha256 that a page of the index promises. A page decides what is installed, so that it needs the option
`mirror-pages`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import BinaryIO, cast

from cachedindex.errors import CopyLost, NotAsked, Shortage, UpstreamFailed
from cachedindex.lookup import addresses
from cachedindex.lookup.attempts import Attempts
from cachedindex.lookup.context import Exchange, Lookup
from cachedindex.lookup.copies import Copies
from cachedindex.lookup.promises import Promises
from cachedindex.lookup.tee import Tee
from cachedindex.model import AsNobody, Body, Record, Request, Send
from cachedindex.named import NamedTuple
from cachedindex.options import Settings
from cachedindex.rules import pages, privacy, promised, urls
from cachedindex.rules.decide import is_fresh, validators

_CHUNK = 1 << 16
_IN_MEMORY = 1 << 24
_ACCEPTED = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_FILE_HEADERS: Mapping[str, str] = {"content-type": "application/octet-stream"}
"""Those of a mirror could give a file another name; no digest vouches for them."""


class Found(NamedTuple):
    """What a mirror has."""

    there: Request
    """What it was asked."""
    record: Record
    body: BinaryIO
    """Every byte is verified if it is a file."""


class Mirrors:
    """The mirrors of all indexes, as one process asks them."""

    def __init__(
        self,
        settings: Settings,
        copies: Copies,
        promises: Promises,
        attempts: Attempts,
        clock: Callable[[], float],
    ) -> None:
        """`clock` returns seconds since the epoch."""
        self._settings = settings
        self._copies = copies
        self._promises = promises
        self._attempts = attempts
        self._clock = clock
        self._deaf: set[str] = set()
        """The repositories that did not answer at another address of their name either."""

    def pages_of(self, lookup: Lookup) -> tuple[str, ...]:
        """Return the pages at mirrors that may help a look-up: for a page of the index, or for a file that it lists."""
        request = lookup.request
        is_whole = request.method == "GET" and "range" not in request.headers
        if lookup.otherwise is None or lookup.settings.offline or not is_whole:
            return ()
        if request.kind == "page":
            return self._settings.at_mirrors(request.url) if lookup.settings.mirror_pages else ()
        page = self._promises.page_of(request) if request.kind == "file" else None
        return self._settings.at_mirrors(page.url) if page else ()

    def asked_again(self, lookup: Lookup) -> Exchange | None:
        """Return the exchange with the index itself at another address, before any mirror; None if that is in vain.

        What asks by a proxy has its name looked up there.
        """
        request, index = lookup.request, urls.repository(lookup.request.url)
        if lookup.otherwise is None or request.route.proxy or index in self._deaf or not self.pages_of(lookup):
            return None
        again = addresses.at_another(request.url, lookup.otherwise.afresh)
        try:
            exchange = self._attempts.tried(lookup._replace(record=None, newest=None), again)
        except (NotAsked, UpstreamFailed):
            self._deaf.add(index)
            return None
        if exchange.meaning.is_down:
            exchange.answer.body.close()
            self._deaf.add(index)
            return None
        return exchange

    def found(self, lookup: Lookup) -> Found | None:
        """Return what the first mirror has that can serve a look-up; None if none can."""
        find = self._page if lookup.request.kind == "page" else self._file
        for url in self.pages_of(lookup):
            try:
                if lookup.otherwise and (found := find(lookup, url, lookup.otherwise.as_nobody)):
                    return found
            except (NotAsked, UpstreamFailed, Shortage, CopyLost):  # The next one may have it.
                pass
        return None

    def _page(self, lookup: Lookup, url: str, as_nobody: AsNobody) -> Found | None:
        """Return the page of a mirror, which is asked for it each time; not one that anybody on the way may change."""
        asked = as_nobody(url)
        if asked is None or privacy.trusted_less(asked[0].route.trust, lookup.request.route.trust):
            return None
        there, record = self._asked(lookup, *asked)
        if record is None or not pages.names_files(record.page or b""):
            return None
        return Found(there, record, self._copies.body(there, record))

    def _file(self, lookup: Lookup, url: str, as_nobody: AsNobody) -> Found | None:
        """Return the file of the same name and digest that a page of a mirror links."""
        request, asked = lookup.request, as_nobody(url, _ACCEPTED)
        _, record = self._asked(lookup, *asked) if asked else (None, None)
        name, digest = urls.filename(request.url), request.sha256 or ""
        links = promised.addresses(promised.listing(record), name, digest) if record else ()
        remote = [link for link in links if link.startswith(("http://", "https://"))]  # Not a device of this machine.
        named = as_nobody(urls.bare(remote[0])) if remote else None
        return self._fetched(lookup, *named) if named else None

    def _asked(self, lookup: Lookup, there: Request, send: Send) -> tuple[Request, Record | None]:
        """Return the request for a page of a mirror with its scope, and its record as it is now, if there is one.

        NotAsked and UpstreamFailed as for an attempt. A copy never stands in, as the mirror stands in for another
        index; a fresh one is good enough to find a file whose digest is known.
        """
        settings = self._settings.for_url(there.url)
        there, forms = self._find(lookup, there, settings)
        record = next(iter(forms), None)
        if lookup.request.kind == "file" and record and is_fresh(there, record, settings, self._clock()):
            return there, record
        checked_by = validators(there, record) if record else {}
        exchange = self._attempts.admitted(Lookup(there, settings, record), checked_by, send)
        self._copies.report(exchange.problem)
        exchange.answer.body.close()
        return there, exchange.record

    def _find(self, lookup: Lookup, there: Request, settings: Settings) -> tuple[Request, Sequence[Record]]:
        """Return the request for something of a mirror with its scope, and its records.

        What is asked for in place of something private is this user's alone: its name may be private, too.
        """
        is_private = bool(lookup.request.identity.scope) or settings.private
        return self._copies.find(there, settings.share, private=is_private)

    def _fetched(self, lookup: Lookup, there: Request, send: Send) -> Found | None:
        """Return the file that a look-up is for, asked of a mirror, if it has the digest that was promised."""
        request, digest = lookup.request, lookup.request.sha256 or ""
        there = there._replace(kind="file", sha256=digest, url=urls.of_file(there.url, digest))
        settings = self._settings.for_url(there.url)
        there, forms = self._find(lookup, there, settings)
        if known := next((form for form in forms if form.sha256 == digest), None):
            return Found(there, as_promised(request, known.size, self._clock()), self._copies.body(there, known))
        exchange = self._attempts.admitted(Lookup(there, settings), {}, send)
        if exchange.answer.status != HTTPStatus.OK:
            exchange.answer.body.close()
            return None
        body, size = _verified(exchange.answer.body, digest)
        record = as_promised(request, size, self._clock())
        if exchange.record or (isinstance(exchange.answer.body, Tee) and exchange.answer.body.record):
            self._copies.keep_beside(there, request, record)
        return Found(there, record, body)


def as_promised(request: Request, size: int, now: float) -> Record:
    """Return the record of a file as its own index would have given it, at a time in seconds since the epoch."""
    return Record(request.url, urls.public(request.url), _FILE_HEADERS, now, now, 0.0, size, request.sha256 or "")


def _verified(body: Body, digest: str) -> tuple[BinaryIO, int]:
    """Return all bytes of a body, and how many there are; UpstreamFailed unless they have the digest.

    Nothing of them is given to the client before that is known: it would take the end of its build for its index's.
    """
    kept = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - the client closes it
    found, size = sha256(), 0
    try:
        while data := body.read(_CHUNK):
            found.update(data)
            size += kept.write(data)
        if found.hexdigest() != digest:
            raise UpstreamFailed("it has another file under this name")
        kept.seek(0)
    except Exception as error:  # Whatever its client raises if it breaks off, or there is no room.
        kept.close()
        raise UpstreamFailed(str(error), error) from error
    finally:
        body.close()
    return kept, size
