"""`cachedindex explain`: what a look-up would come to now, step by step, and why this version."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request as Asked

from cachedindex import sources
from cachedindex.clients.common import request_of
from cachedindex.clients.pip import configured
from cachedindex.clients.urllib import pages as indexes
from cachedindex.clients.urllib.opener import proxy_of
from cachedindex.commands import flags, show, versions
from cachedindex.errors import SettingsError
from cachedindex.lookup.preview import Preview, preview
from cachedindex.model import Identity, Run
from cachedindex.named import NamedTuple
from cachedindex.process import Process, join
from cachedindex.rules import filenames, pages, privacy, urls
from cachedindex.rules.decide import lifetime
from cachedindex.run.summary import ago
from cachedindex.store import others, private, runs
from cachedindex.upkeep import inventory
from cachedindex.upkeep.inventory import Entry

_RUNS = 50
"""So many runs are looked through for versions that they were given, the latest ones."""
_LOST = 1


class Place(NamedTuple):
    """Where something may be looked up."""

    url: str
    """It may have a user and a password."""
    known: str
    """From where it is known."""
    sha256: str = ""
    """Of a file, as a stored page promises it."""
    scope: str = ""
    """The scope of the page that promises it, or under which a page is stored."""
    form: str = "json"


class Explained(NamedTuple):
    """A place, and what a look-up would come to there."""

    place: Place
    seen: Preview
    said: indexes.Said | None = None
    """What the index says now, if it was asked."""

    @property
    def shown(self) -> str:
        """The URL as it may be shown."""
        request = self.seen.lookup.request
        return f"{privacy.shown_index(request)}{urls.project(request.url)}/" if request.kind == "page" else request.url

    @property
    def page(self) -> pages.Page | None:
        """The page that would be served, if one is stored."""
        record = self.seen.lookup.record
        return pages.stored(record) if record and record.page is not None else None


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of the command line."""
    parser = flags.add_command(
        commands,
        "explain",
        "say what a look-up would come to now, and why",
        "Say of each index what is stored, whether it would be asked now, and what would be left in an outage.",
        "cachedindex explain six==1.17.0 --ask",
        "cachedindex explain NAME[==VERSION] | URL [--ask] [--json] [options]",
    )
    parser.add_argument("what", metavar="WHAT", help="NAME, NAME==VERSION, or the URL of a page or a file")
    parser.add_argument("--ask", action="store_true", help="ask the indexes what they have now, and store nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    flags.add_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print it, and return 0; 1 if nothing would be had in an outage. SettingsError for a wrong argument."""
    loaded, environ = flags.load(arguments)
    # Read-only, so that a look does not count as a use.
    settings = loaded.settings._replace(read_only=True, report=None, summary=None)
    process = join("explain", loaded._replace(settings=settings, warnings=()), say=lambda _: None)
    if process.store is None:
        raise SettingsError("there is no cache: it is disabled, or its folder cannot be used; see cachedindex doctor")
    root = process.store.root
    also = [other for other in sources.also_read(settings, root) if others.problem(other) is None]
    known = inventory.read(root, private.folder_of_user(root), *also).entries
    entries = [each for each in known if not each.is_purged]
    name, _, version = (part.strip() for part in arguments.what.partition("=="))
    if "://" in arguments.what:
        name, version, places = "", "", [_named(arguments.what, entries)]
    else:
        name = urls.normalized(name)
        places = _places(name, entries, configured.indexes(environ))
    found = [_explained(process, place, ask=arguments.ask) for place in places]
    files = [each for each in entries if name and each.project == name and not each.record.form]
    process.report.forget()
    given = versions.given(name, _last_runs(root)) if name else {}
    if arguments.json:
        document = {"asked for": arguments.what, "places": [_document(each, files, version) for each in found]}
        show.as_json({**document, "given": {each: given[each]._asdict() for each in given}})
    else:
        for each in found:
            print("\n".join(_lines(each, files, version)))
        if given:
            print(f"builds were given: {versions.shown(given)}")
        for other in also:
            print(f"{other} is read as well: what is stored may lie there")
        if not found:
            print(f"no page of {name} is stored, and no index is known")
    return 0 if any(_survives(each, files, version) for each in found) else _LOST


def _survives(each: Explained, files: Sequence[Entry], version: str) -> bool:
    return each.seen.survives and (not version or versions.files_of(each.page, files, version) > 0)


def _last_runs(root: Path) -> Iterator[Run]:
    """Yield the last runs, beginning with the latest."""
    return filter(None, (runs.read(root, each) for each in reversed(runs.names(root)[-_RUNS:])))


def _places(name: str, entries: Sequence[Entry], asked: Sequence[str]) -> list[Place]:
    """Return the pages of a project: those that pip would ask for, and those that are stored."""
    found = {urls.public(f"{index}{name}/"): Place(f"{index}{name}/", "pip's configuration") for index in asked}
    stored = sorted((each for each in entries if each.project == name and each.record.form), key=_by_use)
    for each in stored:
        place = Place(each.record.url, "what is stored", scope=each.scope, form=_form(each))
        known = found.setdefault(urls.page(each.record.url), place)
        if known.scope and not each.scope:
            found[urls.page(each.record.url)] = place
    return list(found.values())


def _by_use(entry: Entry) -> tuple[bool, str]:
    return entry.record.form == "html", entry.record.url


def _form(entry: Entry) -> str:
    return "html" if entry.record.form == "html" else "json"


def _named(url: str, entries: Sequence[Entry]) -> Place:
    """Return the place of one URL: of a file, with the hash that a stored page promises."""
    spelled = inventory.spelled(url)
    for each in entries:
        if not each.record.form and inventory.spelled(each.record.url) == spelled:
            return Place(url, "command line", each.record.sha256, each.scope)
    for page in (each for each in entries if each.is_page):
        whole = None if spelled.endswith("/") else page.whole()
        for link in pages.stored(whole).links if whole else ():
            if link.sha256 and inventory.spelled(link.url) == spelled:
                return Place(url, "command line", link.sha256, page.scope)
    stored = next((each for each in entries if urls.page(each.record.url) == urls.page(urls.public(url))), None)
    return Place(url, "command line", scope=stored.scope if stored else "", form=_form(stored) if stored else "json")


def _explained(process: Process, place: Place, *, ask: bool) -> Explained:
    if process.cache is None or process.upstream is None:
        raise SettingsError("there is no cache")
    fragment = f"#sha256={place.sha256}" if place.sha256 else ""
    is_page = not place.sha256 and urls.kind(urls.public(place.url), "", None) == "page"
    accept = dict(indexes.headers(place.form)) if is_page else {}
    trust = "tls" if place.url.lower().startswith("https:") else "http"
    proxy = proxy_of(Asked(urls.bare(place.url)))  # noqa: S310 - nothing is asked by it
    request = request_of("GET", place.url + fragment, accept, trust=trust, proxy=proxy)
    if place.scope and not request.identity.credential:
        request = request._replace(identity=Identity(scope=place.scope, shared=True))
    said = indexes.said(urls.bare(place.url), place.form) if ask and is_page and not place.scope else None
    return Explained(place, preview(process.cache, process.upstream, request), said)


def _lines(each: Explained, files: Sequence[Entry], version: str) -> Iterator[str]:
    yield f"{each.shown}  (known from {each.place.known})"
    yield f"  stored: {_stored(each)}"
    if each.page and each.page.links:
        yield f"  versions: {versions.named(each.page)}"
    if version:
        yield f"  {version}: {versions.why(each.seen.lookup.record, each.page, files, version)}"
    if each.seen.doubt:
        yield f"  in doubt since {ago(time.time() - each.seen.doubt.first)}: it answered as if it had been removed"
    yield f"  now: {each.seen.now}"
    yield f"  if the index is down: {each.seen.in_outage}"
    settings = each.seen.lookup.settings
    if settings.mirrors:
        what = "its page, and its files" if settings.mirror_pages else "its files, by the sha256 that its page promises"
        yield f"  without an answer or a copy: {', '.join(settings.mirrors)} may have {what}"
    if each.said:
        yield f"  the index says now: {_said(each)}"
    if each.page and each.page.links:
        listed = versions.with_files(each.page, files)
        yield f"  files stored: {', '.join(listed) or 'none'}"


def _stored(each: Explained) -> str:
    lookup, now = each.seen.lookup, time.time()
    if lookup.record is None:
        if lookup.absence:
            return f"nothing; {ago(now - lookup.absence.checked)} ago the index did not have it"
        return "nothing"
    record, settings = lookup.record, lookup.settings
    age = now - record.checked
    parts = [f"{record.form or 'file'}, checked {ago(age)} ago", f"for {_whom(lookup.request.identity.scope)}"]
    if lookup.request.kind != "file":
        left = lifetime(record, settings) - age
        is_fresh = left > 0 and not record.expired
        parts.append(f"fresh for {ago(left)}" if is_fresh else "expired")
        parts.append(f"serves an outage for {ago(max(left, 0.0) + settings.stale_if_error + min(left, 0.0))}"
                     if settings.stale_if_error < float("inf") else "serves any outage")  # fmt: skip
        validators = [name for name in ("etag", "last-modified") if name in record.headers]
        parts.append(f"with {' and '.join(validators)}" if validators else "without a validator")
    return ", ".join(parts)


def _whom(scope: str) -> str:
    return "everybody" if not scope else "this user" if scope == privacy.USER else "this user, with credentials"


def _said(each: Explained) -> str:
    """Return what the index has that the stored page lacks, and the reverse."""
    if each.said is None or each.said.page is None:
        return each.said.why if each.said else ""
    return versions.compared(each.page, each.said.page)


def _document(each: Explained, files: Sequence[Entry], version: str) -> Mapping[str, Any]:
    lookup, seen = each.seen.lookup, each.seen
    record = lookup.record
    return {
        "url": each.shown,
        "known from": each.place.known,
        "stored": record and {
            "form": record.form or None,
            "checked": record.checked,
            "lifetime": None if lookup.request.kind == "file" else lifetime(record, lookup.settings),
            "expired": record.expired,
            "validators": [name for name in ("etag", "last-modified") if name in record.headers],
            "for": _whom(lookup.request.identity.scope),
        },
        "absent since": lookup.absence and lookup.absence.checked,
        "versions": [release.version for release in filenames.by_version(each.page).values()] if each.page else [],
        "versions with files": versions.with_files(each.page, files)[::-1],
        "version": versions.why(record, each.page, files, version) if version else None,
        "doubted since": seen.doubt and seen.doubt.first,
        "held": seen.held or None,
        "decision": type(seen.decision).__name__,
        "now": seen.now,
        "in an outage": seen.in_outage,
        "survives": seen.survives,
        "index says": _said(each) if each.said else None,
    }  # fmt: skip
