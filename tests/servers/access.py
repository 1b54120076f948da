"""How a server knows its users: by passwords, or by client certificates, which it may revoke."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.servers.server import Server
from tests.sites import new_authority, trusting

if TYPE_CHECKING:
    import trustme

USERS = ("alice", "bob", "visitor")
"""The last one is never revoked: by its credentials these tests ask for themselves."""


class Access(Protocol):
    """One way of knowing users."""

    def prepare(self, server: Server) -> None:
        """Write what a new server needs, which admits all users."""

    def variables(self, server: Server, user: str) -> Mapping[str, str]:
        """Return the variables by which pip comes as a user; as "nobody", without credentials; as "mallory", with
        wrong ones."""  # fmt: skip

    def admit(self, server: Server, users: Sequence[str]) -> None:
        """Have the server admit these users only."""


class Passwords:
    """Basic authentication by a file that nginx and pypiserver read, each time."""

    def prepare(self, server: Server) -> None:
        self.admit(server, USERS)
        server.visitor.auth = ("visitor", "visitor-secret")

    def variables(self, server: Server, user: str) -> Mapping[str, str]:
        known = f"{user}:{user}-secret@" if user != "nobody" else ""
        return server.kind.flags(server.url.replace("://", f"://{known}"))

    def admit(self, server: Server, users: Sequence[str]) -> None:
        digests = {user: base64.b64encode(sha1(f"{user}-secret".encode()).digest()).decode() for user in users}
        _replace(server.folder / "users", "".join(f"{user}:{{SHA}}{digest}\n" for user, digest in digests.items()))


class Certificates:
    """Client certificates of an authority that also signs the server's, and its list of those that are revoked."""

    def prepare(self, server: Server) -> None:
        authority, folder = new_authority(), server.folder
        server.options["authority"] = authority
        authority.cert_pem.write_to_path(folder / "authority.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        for user in USERS:
            authority.issue_cert(f"{user}.example").private_key_and_cert_chain_pem.write_to_path(folder / f"{user}.pem")
        stranger = new_authority().issue_cert("mallory.example")
        stranger.private_key_and_cert_chain_pem.write_to_path(folder / "mallory.pem")
        server.visitor.verify = str(folder / "authority.pem")
        server.visitor.cert = str(folder / "visitor.pem")
        self._revoke(server, ())

    def variables(self, server: Server, user: str) -> Mapping[str, str]:
        own = {} if user == "nobody" else {"PIP_CLIENT_CERT": str(server.folder / f"{user}.pem")}
        return {**server.kind.flags(server.url), **trusting(server.folder / "authority.pem"), **own}

    def admit(self, server: Server, users: Sequence[str]) -> None:
        self._revoke(server, [user for user in USERS if user not in users])
        server.daemon.restart()

    @staticmethod
    def _revoke(server: Server, users: Sequence[str]) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        authority: trustme.CA = server.options["authority"]
        issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
        key = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
        now = dt.datetime.now(dt.timezone.utc)
        day = dt.timedelta(days=1)
        revoked = x509.CertificateRevocationListBuilder(issuer.subject, now - day, now + day)
        for user in users:
            theirs = x509.load_pem_x509_certificate((server.folder / f"{user}.pem").read_bytes())
            entry = x509.RevokedCertificateBuilder(theirs.serial_number, now - day).build()
            revoked = revoked.add_revoked_certificate(entry)
        signed = revoked.sign(key, hashes.SHA256())  # type: ignore[arg-type]
        _replace(server.folder / "revoked.pem", signed.public_bytes(serialization.Encoding.PEM).decode())


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
