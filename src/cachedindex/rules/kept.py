"""What the record of a run keeps of a command, a job and a URL: nothing that may be a credential."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from cachedindex.model import Outcome
from cachedindex.rules import urls

_MASK = "***"
_REST = "..."
"""Stands for words that are not kept."""
_PIPS = ("install", "download", "wheel")
"""The commands of pip, and of uv's pip, whose words are requirements, paths and options."""
_FLAGS = ("-q", "-v", "-U", "--quiet", "--upgrade", "--no-deps", "--pre", "--user")
_FILES = ("-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-d", "--dest", "-w", "-t", "--target")
_HARMLESS = r"[A-Za-z0-9._/\[\],-]+(?:[=!<>~]=[A-Za-z0-9.*+!]+)?"
"""A path, or a requirement; it has no colon, no @ and no single =, as a URL, a password or a variable would."""
_JENKINS = ("JOB_NAME", "BUILD_NUMBER")
_GITLAB = ("CI_PROJECT_PATH", "CI_JOB_NAME", "CI_JOB_ID")
_GITHUB = ("GITHUB_REPOSITORY", "GITHUB_WORKFLOW", "GITHUB_JOB", "GITHUB_RUN_ID")
_SERVERS = (("GITHUB_ACTIONS", _GITHUB), ("GITLAB_CI", _GITLAB), ("JOB_NAME", _JENKINS))
"""The variable by which each server is known, and those that name the job; the last one is the number of the run."""


def command(words: Sequence[str]) -> str:
    """Return the program, and of a pip what it is to install.

    Any other word may be a password, as in `poetry config http-basic.company user PASSWORD`.
    """
    names = [_program(words[0] if words else "")]
    rest = list(words[1:])
    if rest[:1] == ["-m"] and len(rest) > 1 and names[0].startswith(("python", "pypy")):
        names += rest[:2]
        rest = rest[2:]
    if rest[:1] == ["pip"]:  # uv pip install
        names.append(rest.pop(0))
    is_pip = re.fullmatch(r"pip[\d.]*", names[-1])
    if is_pip and rest and rest[0] in _PIPS:
        names.append(rest.pop(0))
        while rest and (count := _harmless(rest)):
            names += rest[:count]
            rest = rest[count:]
    return " ".join([*names, *([_REST] if rest else [])])


def program(kept: str) -> str:
    """Return of a command that is kept what does not say what is installed, for a run with private look-ups."""
    words = kept.split(" ")
    verbs = [number for number, word in enumerate(words) if word in _PIPS]
    shown = words[: verbs[0] + 1 if verbs else 1]
    return " ".join(shown if len(shown) == len(words) else [*shown, _REST])


def job(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the name of the job and the number of its run, as the CI server's variables have them; empty for neither.

    Jenkins, GitLab (job variables) and GitHub (default variables) document these names.
    """
    for known_by, names in _SERVERS:
        if environ.get(known_by):
            *texts, number = [environ.get(name, "") for name in names]
            return " ".join(filter(None, texts)), number
    return "", ""


def shown(outcome: Outcome) -> Outcome:
    """Return an outcome with the URL that may be shown: not the path of what is private, except that of its index."""
    url = outcome.url
    if outcome.seen_by != "all":
        folder, _, last = urlsplit(url).path.removesuffix("/").rpartition("/")
        if outcome.kind == "page":
            url = f"{outcome.shown_index or f'{outcome.origin}/{_MASK}/'}{f'{last}/' if last else ''}"
        else:  # The address of a file may be the secret; so may be the whole of any other.
            url = f"{outcome.origin}/{_MASK}" + (f"/{last}" if folder and outcome.kind == "file" else "")
    url = urls.without_tokens(url)
    return outcome if url == outcome.url and not outcome.shown_index else outcome._replace(url=url, shown_index="")


def _program(word: str) -> str:
    """Return the name of a program; a module that is run as one is called by its package."""
    *folders, name = word.replace("\\", "/").split("/")
    if name == "__main__.py" and folders:
        return folders[-1]
    return "python" if name in ("", "-", "-c", "-m") else name  # As sys.argv has it.


def _harmless(words: Sequence[str]) -> int:
    """Return how many words at the beginning can be kept: none, a requirement or a flag, or an option with its file."""
    if words[0] in _FILES and len(words) > 1 and re.fullmatch(_HARMLESS, words[1]):
        return 2
    is_requirement = re.fullmatch(_HARMLESS, words[0]) and not words[0].startswith("-")
    return 1 if is_requirement or words[0] in _FLAGS else 0
