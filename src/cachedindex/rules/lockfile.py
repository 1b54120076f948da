"""What a `pylock.toml` (PEP 751) locks, as requirements for a pip that cannot read it itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NEWER = ("extras", "dependency_groups")
"""Variables of a marker that only a lock file has."""


def requirements(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line of a requirements file for each package of a lock file that lies at an index or is an archive.

    The hashes have pip take the locked file that fits its target. Raises LookupError, TypeError or AttributeError for
    what is no lock file.
    """
    for package in document["packages"]:
        files: Sequence[Mapping[str, Any]] = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
        marker = package.get("marker", "")
        condition = f" ; {marker}" if marker and not any(name in marker for name in _NEWER) else ""
        if archive := package.get("archive"):
            if "url" in archive:
                yield f"{package['name']} @ {archive['url']}{condition}{_hashes([archive])}"
        elif files:
            yield f"{package['name']}=={package['version']}{condition}{_hashes(files)}"


def _hashes(files: Sequence[Mapping[str, Any]]) -> str:
    found = dict.fromkeys(f"{name}:{digest}" for file in files for name, digest in file.get("hashes", {}).items())
    return "".join(f" --hash={each}" for each in found)
