"""The keyring that pip asks after a 401, before it asks a person (pip 20.3 to 26.3, network/auth.py, handle_401)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from cachedindex.run.report import Report

if TYPE_CHECKING:
    from requests import PreparedRequest


class PipKeyring:
    """The keyring of one pip session; a session's own functions ask it."""

    def __init__(self, auth: Any, report: Report) -> None:
        """`auth` is the session's, and `report` prints that this pip asks its keyring in another way."""
        self._auth = auth
        self._report = report

    def is_there(self) -> bool:
        """Return whether pip would ask a keyring; one that no command line names is not asked with --no-input."""
        if not getattr(self._auth, "use_keyring", getattr(self._auth, "prompting", False)):
            return False
        provider = getattr(self._auth, "keyring_provider", None)
        return provider is None or bool(getattr(provider, "has_keyring", True))

    def has(self, url: str) -> bool:
        """Return whether pip would get a name and a password from its keyring."""
        find = getattr(self._auth, "_get_new_credentials", None)
        if not callable(find):
            self._report.warn("this pip asks its keyring in another way; private copies stay unused in an outage")
            return False
        _, password = find(url, allow_netrc=False, allow_keyring=True)
        return bool(password)


def of(session: Any, report: Report, request: PreparedRequest) -> PipKeyring | None:
    """Return the keyring that a session would ask if this request were answered with a 401; None if it would not.

    A name without a password, as an index's URL may have it, is no credential yet: the keyring has the password.
    """
    authorization = str(request.headers.get("authorization", ""))
    if session.auth is None or (authorization and not _is_name_alone(authorization)):
        return None
    return PipKeyring(session.auth, report)


def _is_name_alone(authorization: str) -> bool:
    scheme, _, encoded = authorization.partition(" ")
    try:
        return scheme.lower() == "basic" and base64.b64decode(encoded).endswith(b":")
    except (binascii.Error, ValueError):
        return False
