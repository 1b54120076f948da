"""An index with all that a client needs to reach it: by address, by address over TLS, or by a name over TLS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.index import Index, serving
from tests.names import HOST, Names, naming

if TYPE_CHECKING:
    import trustme

Door = Literal["address", "TLS", "name"]
"""How a client comes in. What is stored is stored for a URL, so that a fault at one door needs a cache filled there."""
_TRUST = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def new_authority() -> trustme.CA:
    """Return an authority that signs certificates; skip the test that needs one if this Python has no trustme."""
    why = "SKIPPED FOR WANT OF trustme: cryptography, which it needs, has no wheel for this Python"
    authority: trustme.CA = pytest.importorskip("trustme", reason=why).CA()
    return authority


def trusting(bundle: Path) -> dict[str, str]:
    """Return the variables by which every client trusts these authorities."""
    return dict.fromkeys(_TRUST, str(bundle))


@dataclass
class Site:
    """One door of one index."""

    index: Index
    door: Door
    prefix: Sequence[str] = ()
    """What goes before a client's command."""
    bundle: Path | None = None
    """The certificates to trust."""
    names: Names | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which every client uses this index."""
        trust = trusting(self.bundle) if self.bundle else {}
        return {**trust, "PIP_INDEX_URL": self.index.url}

    def heal(self) -> None:
        """Be as if nothing had happened."""
        self.index.heal()
        if self.names:
            self.names.behaviour = "answers"


@contextmanager
def opened(distributions: Path, door: Door, folder: Path) -> Iterator[Site]:
    """Serve the distributions by a door; NoNames where this machine has no names of ours. `folder` takes what it needs.

    Pages have a serial, as those of the public index do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(distributions, door, folder) as site:
        site.index.headers["X-PyPI-Last-Serial"] = "100"
        yield site


@contextmanager
def _opened(distributions: Path, door: Door, folder: Path) -> Iterator[Site]:
    if door == "address":
        with serving(distributions) as index:
            yield Site(index, door)
        return
    authority, bundle = new_authority(), folder / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    if door == "TLS":
        with serving(distributions, authority=authority) as index:
            yield Site(index, door, bundle=bundle)
    else:
        with naming(folder) as names, serving(distributions, HOST, authority) as index:
            yield Site(index, door, names.prefix, bundle, names)
