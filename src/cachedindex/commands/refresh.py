"""`cachedindex refresh`: ask the indexes now for pages that are stored."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence

from cachedindex import standard
from cachedindex.clients.urllib import pages
from cachedindex.commands import flags, place
from cachedindex.errors import SettingsError
from cachedindex.process import Process, join
from cachedindex.rules import privacy, urls
from cachedindex.store import private
from cachedindex.upkeep import inventory
from cachedindex.upkeep.inventory import Entry

_AT_ONCE = 4
_UNANSWERED = 1


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "refresh",
        "ask the indexes now for pages that are stored",
        "Ask the indexes for the stored pages of these projects; their next look-up asks for the private.",
        "cachedindex refresh six",
        "cachedindex refresh NAME ... | --all [options]",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="the projects")
    parser.add_argument("--all", action="store_true", help="all projects of which a page is stored")
    flags.add_to(parser, ("cache-dir", "timeout", "lock-dir"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask, and return 0; 1 if an index gave no sound answer. SettingsError for a wrong argument."""
    if bool(arguments.names) == arguments.all:
        raise SettingsError("command line: name the projects, or write --all")
    loaded, environ = flags.load(arguments)
    if loaded.settings.offline or loaded.settings.disable:
        raise SettingsError("nothing is asked with offline = true or disable = true")
    found = place.changeable(loaded, environ)
    if found is None:
        print(place.empty(loaded, environ))
        return 0
    names = {urls.normalized(name) for name in arguments.names}
    wish = tuple(names) or (":all:",)
    settings = loaded.settings._replace(
        report=None, summary=None, refresh=wish, cache_dir=str(found.root), lock_dir=str(found.shared)
    )
    process = join("refresh", loaded._replace(settings=settings), say=lambda _: None)
    entries = inventory.read(found.root, private.folder_of_user(found.root)).entries
    chosen = [entry for entry in entries if entry.is_page and not entry.is_purged]
    chosen = [entry for entry in chosen if not names or entry.project in names]
    code = _refreshed(process, chosen)
    for name in sorted(names - {entry.project for entry in chosen}):
        print(f"{name}: no page is stored")
    process.report.forget()
    return code


def _refreshed(process: Process, chosen: Sequence[Entry]) -> int:
    """Have all these pages revalidated, those that anybody may ask for at once; return the exit code."""
    for entry in chosen:
        _expire(process, entry)
    public = [entry for entry in chosen if _is_public(entry)]
    if process.cache:
        _ask(process, public)
    why = {outcome.url: outcome.why for outcome in process.report.outcomes}
    left = 0
    for entry in chosen:
        is_asked, word = _result(entry, why, is_asked=entry in public)
        left += not is_asked
        print(f"{entry.shown} ({entry.record.form}): {word}")
    return _UNANSWERED if left else 0


def _expire(process: Process, entry: Entry) -> None:
    """Have the next look-up ask in any case: what cannot be asked for here needs the client's own credentials."""
    if process.store:
        process.store.expire(entry.file.path.relative_to(process.store.root).as_posix())


def _is_public(entry: Entry) -> bool:
    """Return whether it is known how to ask for a page, and no credential is needed."""
    request = entry.request_by_trust
    return request is not None and request.route.trust != "unverified" and entry.scope in ("", privacy.USER)


def _ask(process: Process, public: Iterable[Entry]) -> None:
    with standard.library():
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - no other command needs it

    if process.cache is None:
        return
    look_up = pages.through(process.cache)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for entry in public:
            pool.submit(look_up, entry.record.url, entry.record.form)


def _result(entry: Entry, why: Mapping[str, str], *, is_asked: bool) -> tuple[bool, str]:
    """Return whether a page was heard of, and what to say of it."""
    if not is_asked:
        return True, "the next look-up asks for it, with its own credentials"
    after = entry.whole()
    if after is None:
        return True, "the index has it no more"
    if after.checked > entry.record.checked and not after.expired:
        return True, "unchanged" if after.sha256 == entry.record.sha256 else "new"
    return False, f"{why.get(urls.public(entry.record.url)) or 'no answer'}; the copy stays"
