"""The caches of pip and uv, which may hold what was taken out of ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cachedindex import standard
from cachedindex.store import system

_ADVICE = {"pip": "pip cache purge", "uv": "uv cache clean {}"}


def caches(environ: Mapping[str, str], project: str) -> Iterator[str]:
    """Yield a line for each cache of this user, for root of every user, that there is; `project` may be empty."""
    for program, advice in _ADVICE.items():
        for folder in dict.fromkeys(_folders(program, environ)):
            if _is_there(folder):
                yield f"{program}'s own cache {folder} may have it: `{advice.format(project).strip()}` as its owner"


def _folders(program: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield where the cache of a program may be: pip 20 to 26 and uv 0.1 to 0.13 follow the same rules on Linux."""
    if named := environ.get(f"{program.upper()}_CACHE_DIR"):
        yield Path(named)
    if base := environ.get("XDG_CACHE_HOME"):
        yield Path(base, program)
    if system.IS_WINDOWS and (local := environ.get("LOCALAPPDATA")):
        yield Path(local, program, "cache")
    below = "Library/Caches" if sys.platform == "darwin" and program == "pip" else ".cache"
    yield from (home / below / program for home in _homes(environ))


def _homes(environ: Mapping[str, str]) -> Iterator[Path]:
    if home := environ.get("HOME"):
        yield Path(home)
    if system.is_root():
        with standard.library():
            import pwd  # noqa: PLC0415 - Windows has none

        yield from (Path(user.pw_dir) for user in pwd.getpwall())


def _is_there(folder: Path) -> bool:
    try:
        return folder.is_dir() and any(folder.iterdir())
    except OSError:  # It is another user's, who is not to be searched.
        return False
