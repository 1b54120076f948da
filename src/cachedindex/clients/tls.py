"""What distinguishes a bundle of authorities and a client's certificate: what the files hold, not their paths."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path


def trust_in(path: Path) -> str:
    """Return the trust that is in these authorities. OSError if there is no such file or folder.

    Each job may have the same bundle under another path (safe-chain#147).
    """
    found = path.stat()
    # A folder of certificates has no content of its own; it is taken for what lies there by its path.
    return f"ca {path if path.is_dir() else _digest(path, found.st_mtime_ns, found.st_size)}"


def certificate(cert: str | Sequence[str | None] | None) -> str:
    """Return what distinguishes a client's certificate: paths, and digests of what they hold now."""
    if not cert:
        return ""
    paths = [Path(path) for path in ((cert,) if isinstance(cert, str) else cert) if path]
    try:
        return "\n".join(f"{path} {sha256(path.read_bytes()).hexdigest()}" for path in paths)
    except OSError:  # The client will fail and report it; until then the certificate equals no other.
        return f"{paths} {time.time()}"


@lru_cache(maxsize=16)
def _digest(path: Path, _changed: int, _size: int) -> str:
    return sha256(path.read_bytes()).hexdigest()
