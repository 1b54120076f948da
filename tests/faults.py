"""Every fault of an upstream by its name, and how it begins: the one table that the tests and the bench go by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests import index
from tests.sites import Door, Site, new_authority

Begin = Callable[[Site], None]
PAGES = "^/simple/"


@dataclass(frozen=True)
class Fault:
    """One fault."""

    begin: Begin
    door: Door = "address"
    failure: bool = True
    """Whether the origin fails, so that the breaker opens. Otherwise answers come at once, and are wrong: every page
    is asked for, once."""
    hops: int = 1
    """How many requests one look-up takes at most."""


def answering(fault: index.Fault, pattern: str = "") -> Begin:
    return lambda site: site.index.fault(fault, pattern)


def wrong_certificate(site: Site) -> None:
    site.index.certificate = index.certificate(new_authority(), site.index.host)


def naming(behaviour: Literal["denies", "is silent"]) -> Begin:
    def begin(site: Site) -> None:
        assert site.names, "a fault of names needs the door with a name"
        site.names.behaviour = behaviour

    return begin


def login(site: Site) -> None:
    site.index.fault(index.redirect("/login"), "^/(simple|files)/")
    site.index.fault(index.body(index.PORTAL), "^/login")


_without_newest = index.altered(index.without_newest, X_PyPI_Last_Serial="90")

FAULTS = {
    "refused": Fault(lambda site: site.index.refuse()),
    "accepts and never answers": Fault(answering(index.hang)),
    "SYN not answered": Fault(lambda site: site.index.overflow()),
    "headers at 1 byte/s": Fault(answering(index.drip_headers)),
    "body at 1 byte/s": Fault(answering(index.drip_body)),
    "half a body, then silence": Fault(answering(index.stall)),
    "reset": Fault(answering(index.reset)),
    "wrong certificate": Fault(wrong_certificate, "TLS"),
    "unknown name": Fault(naming("denies"), "name"),
    "name look-up hangs": Fault(naming("is silent"), "name"),
    "500": Fault(answering(index.status(500))),
    "502": Fault(answering(index.status(502))),
    "503 with Retry-After 30": Fault(answering(index.status(503, {"Retry-After": "30"}))),
    "429": Fault(answering(index.status(429))),
    "body shorter than Content-Length": Fault(answering(index.cut), failure=False),
    "chunked without an end": Fault(answering(index.chunked_without_end, PAGES), failure=False),
    "gzip cut": Fault(answering(index.gzip_cut, PAGES), failure=False),
    "login portal": Fault(answering(index.body(index.PORTAL)), failure=False),
    "302 to a login page": Fault(login, failure=False, hops=2),
    "empty list": Fault(answering(index.altered(index.without_files), PAGES), failure=False),
    "broken JSON of the right length": Fault(answering(index.altered(index.with_a_hole), PAGES), failure=False),
    "another project's page": Fault(answering(index.another_projects, PAGES), failure=False),
    "older serial": Fault(answering(_without_newest, PAGES), failure=False),
    "404 for one page": Fault(answering(index.status(404), "^/simple/project-007/"), failure=False),
    "404 for all": Fault(answering(index.status(404)), failure=False),
    "redirect loop": Fault(answering(index.looping), failure=False, hops=31),
    "200 with no body": Fault(answering(index.altered(lambda _: b"")), failure=False),
    # pip has up to 16 look-ups under way when one of them fails, and asks again for those that got no answer.
    "flapping": Fault(lambda site: site.index.fault(index.flapping()), hops=20),
}
