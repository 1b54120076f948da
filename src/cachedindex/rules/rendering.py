"""A page in JSON (PEP 691) as the HTML of the same index (PEP 503), for clients that read nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from html import escape
from typing import Any

from cachedindex.model import Record
from cachedindex.rules import urls

_JSON = "application/vnd.pypi.simple.v1+json"
_HASHES = ("sha256", "sha512", "sha384", "sha224", "sha1", "md5")
"""Those that a link may carry and a client verifies, in the order in which one is chosen (zc.buildout, HashChecker)."""


def as_html(record: Record) -> Record:
    """Return a record with the HTML of its page, always the same bytes; as it is, if it is no JSON of PEP 691.

    Its validators go, as they are those of the JSON. Raises what reading malformed JSON raises.
    """
    if not record.headers.get("content-type", "").startswith(_JSON):
        return record
    page = "".join(_lines(json.loads(record.page or b""))).encode()
    kept = {name: value for name, value in record.headers.items() if name not in ("etag", "last-modified")}
    headers = {**kept, "content-type": "text/html; charset=utf-8"}
    return record._replace(page=page, size=len(page), sha256=sha256(page).hexdigest(), headers=headers)


def _lines(page: Any) -> Iterator[str]:
    match page:
        case {"name": str(name), "files": list(files)}:
            title, anchors = f"Links for {name}", map(_file, files)
        case {"projects": list(projects)}:
            title, anchors = "Simple index", map(_project, projects)
        case _:
            raise ValueError("no page of an index")
    yield "<!DOCTYPE html>\n<html>\n<head>\n"
    for name, content in _meta(page):
        yield f'<meta name="pypi:{name}" content="{escape(content)}">\n'
    yield f"<title>{escape(title)}</title>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
    yield from anchors
    yield "</body>\n</html>\n"
    last = _part(page, "meta").get("_last-serial")
    if isinstance(last, int):
        yield f"<!--SERIAL {last}-->\n"


def _meta(page: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is said of the whole page: PEP 629, PEP 792, PEP 708."""
    meta, status = _part(page, "meta"), _part(page, "project-status")
    yield "repository-version", str(meta.get("api-version", "1.0"))
    if "status" in status:
        yield "project-status", str(status["status"])
    if "reason" in status:
        yield "project-status-reason", str(status["reason"])
    yield from (("tracks", str(url)) for url in _list(meta, "tracks"))
    yield from (("alternate-locations", str(url)) for url in _list(page, "alternate-locations"))


def _project(project: Any) -> str:
    name = str(project["name"])
    return f'<a href="{escape(urls.normalized(name))}/">{escape(name)}</a><br />\n'


def _file(file: Any) -> str:
    url, hashes = str(file["url"]), _part(file, "hashes")
    chosen = next((name for name in _HASHES if name in hashes), "")
    target = f"{url.partition('#')[0]}#{chosen}={hashes[chosen]}" if chosen else url
    written = "".join(f' {name}="{escape(value)}"' for name, value in _attributes(file))
    return f'<a href="{escape(target)}"{written}>{escape(str(file["filename"]))}</a><br />\n'


def _attributes(file: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if file.get("requires-python"):
        yield "data-requires-python", str(file["requires-python"])
    metadata = file.get("core-metadata") or file.get("dist-info-metadata")
    if metadata:
        digest = metadata.get("sha256") if isinstance(metadata, dict) else None
        for name in ("data-dist-info-metadata", "data-core-metadata"):  # pip before 23.1 reads the first (PEP 714).
            yield name, f"sha256={digest}" if digest else "true"
    yanked = file.get("yanked")
    if yanked:
        yield "data-yanked", yanked if isinstance(yanked, str) else ""
    if isinstance(file.get("gpg-sig"), bool):
        yield "data-gpg-sig", str(file["gpg-sig"]).lower()
    if file.get("provenance"):
        yield "data-provenance", str(file["provenance"])


def _part(container: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = container.get(name)
    return part if isinstance(part, dict) else {}


def _list(container: Mapping[str, Any], name: str) -> Iterable[Any]:
    part = container.get(name)
    return part if isinstance(part, list) else ()
