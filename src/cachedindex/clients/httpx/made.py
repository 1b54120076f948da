"""How a transport of httpx was made: whom it trusts, which certificate it shows, and which proxy it asks."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from cachedindex.clients import tls
from cachedindex.named import NamedTuple

_BUNDLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables from which httpx takes other authorities (httpx 0.28, httpx2 2.16)."""
_REMEMBERED = "_cachedindex_tls"
_showing: set[int] = set()
"""The contexts of remembered transports into which a certificate was loaded, by id."""


class Tls(NamedTuple):
    """What a transport was told of TLS: nothing of it can be read from a ready `ssl.SSLContext`."""

    trust: str
    certificate: str = ""
    hides: bool = False
    """Whether it may show a certificate that nobody knows of."""


def tls_of(verify: Any = True, cert: str | Sequence[str | None] | None = None, *, trust_env: bool = True) -> Tls:  # noqa: FBT002 - as httpx has it
    """Return what these arguments of HTTPTransport come to."""
    certificate = tls.certificate(cert)
    if isinstance(verify, (bool, str, os.PathLike)):
        return Tls(_trust_in(verify, trust_env=trust_env), certificate)
    if certificate:
        _showing.add(id(verify))
    return Tls(_trust_of(verify), certificate, hides=not _is_of_the_system(verify) or id(verify) in _showing)


def of(transport: Any) -> Tls:
    """Return what is known of a ready transport; one that was not remembered may hold any certificate.

    What somebody else's transport does is not known either, so that its copies are for its own class.
    """
    remembered: Tls | None = getattr(transport, _REMEMBERED, None)
    if remembered:
        return remembered
    context = getattr(getattr(transport, "_pool", None), "_ssl_context", None)
    kind = type(transport)
    return Tls(_trust_of(context) if context else f"ca {kind.__module__}.{kind.__qualname__}", hides=True)


def remember(transport: Any, known: Tls) -> None:
    """Have `of` return this for a transport."""
    setattr(transport, _REMEMBERED, known)


def remember_all(httpx: ModuleType) -> None:
    """Have the transports remembered that this copy of httpx makes from now on."""
    original = httpx.HTTPTransport.__init__
    if original.__module__ == __name__:
        return

    @functools.wraps(original, assigned=())
    def init(
        transport: Any,
        verify: Any = True,  # noqa: FBT002 - as above
        cert: Any = None,
        trust_env: bool = True,  # noqa: FBT001, FBT002
        *more: Any,
        **named: Any,
    ) -> None:
        original(transport, verify, cert, trust_env, *more, **named)
        remember(transport, tls_of(verify, cert, trust_env=trust_env))

    httpx.HTTPTransport.__init__ = init


def proxy_of(transport: Any) -> str:
    """Return host and port of the proxy that a transport asks; empty if there is none."""
    pool = getattr(transport, "_pool", None)
    url = getattr(pool, "_proxy_url", None) or getattr(getattr(pool, "_proxy", None), "url", None)
    return f"{url.host.decode()}:{url.port or ''}".rstrip(":") if url else ""


def _trust_in(verify: bool | str | os.PathLike[str], *, trust_env: bool) -> str:  # noqa: FBT001
    if verify is False:
        return "unverified"
    named = next(filter(None, map(os.environ.get, _BUNDLES)), None) if trust_env else None
    path = named if verify is True else os.fspath(verify)
    try:
        return tls.trust_in(Path(path)) if path else "tls"
    except OSError:  # There is no such bundle: the client will fail and report it.
        return "unknown"


def _trust_of(context: Any) -> str:
    """Return the trust of a context, by the authorities that are loaded."""
    if context.verify_mode == ssl.CERT_NONE or not context.check_hostname:
        return "unverified"
    if _is_of_the_system(context):
        return "tls"
    return f"ca {sha256(b''.join(sorted(context.get_ca_certs(binary_form=True)))).hexdigest()}"


def _is_of_the_system(context: Any) -> bool:
    """Return whether a context verifies as the operating system does, as pip does by default since 24.2."""
    return type(context).__module__.partition(".")[0] == "truststore"
