"""Keeps programs that cachedindex does not cover offline, if `offline` is set: by a switch of their own, or by a no."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cachedindex.hook import _cachedindex_children as children

SWITCHES: Mapping[str, str] = {"UV_OFFLINE": "1"}
"""The variables that keep a program offline, wherever below a run it is started."""


def refusal(command: Sequence[str]) -> str | None:
    """Return why a command cannot be kept offline; None if it can, or asks nothing."""
    name, words = children.name_of(command[0]).removesuffix(".exe"), command[1:]
    if re.fullmatch(r"python[0-9.]*", name) and words[:1] == ["-m"] and len(words) > 1:
        name, words = words[1], words[2:]
    if name not in ("uv", "uvx") or "--no-offline" not in words:
        return None
    return f"{name} --no-offline: it could reach the network without cachedindex, which offline = true forbids"
