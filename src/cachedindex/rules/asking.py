"""Which commands of a package client may ask an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_COMMANDS: Mapping[str, str] = {
    "pip": "download index install lock wheel",
    "pip-compile": "",
    "pip-sync": "",
    "uv": "add build export lock remove run sync tree",
    "uv pip": "compile install sync",
    "uv tool": "install run upgrade",
    "uvx": "",
    "pipenv": "install lock sync uninstall update upgrade",
    "pdm": "add build fix install lock outdated publish remove search self sync update use",
    "poetry": "add install lock publish remove search self sync update",
    "buildout": "",
    "conda": "create install update upgrade",
    "conda env": "create update",
    "mamba": "create install update upgrade",
    "micromamba": "create install update upgrade",
}
"""By client and group of commands; all of its commands, if none is named."""
_OTHERS = ("run", "shell", "exec", "uninstall", "remove", "list", "show", "freeze", "check", "config", "cache", "help")
"""What follows one of these, if it asks nothing itself, is no command of the client."""
_NOTHING = ("--help", "-h", "--version", "-V", "--no-index")
"""With these, a client asks nothing."""


def asking(client: str, words: Sequence[str]) -> str | None:
    """Return the command by which a client may ask an index, or "" if each of its commands may; None if it does not.

    `words` are the client's own.
    """
    group = client
    for number, word in enumerate(words):
        if group in _COMMANDS and word in _COMMANDS[group].split():
            return None if _needs_nothing(client, words[number:]) else word
        if f"{client} {word}" in _COMMANDS:
            group = f"{client} {word}"
        elif word in _OTHERS:
            return None
    return "" if _COMMANDS.get(client) == "" and not _needs_nothing(client, words) else None


def _needs_nothing(client: str, words: Sequence[str]) -> bool:
    """Return whether a command prints its help, or has all that it needs; buildout calls its pips so."""
    is_local = "--no-deps" in words and words[-1].endswith(".whl") and "://" not in words[-1]
    return bool(set(words) & set(_NOTHING)) or (client == "pip" and is_local)
