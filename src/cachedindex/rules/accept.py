"""Which representations of a page a request accepts, and as which one an answer is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from cachedindex.model import Kind, Request

_OF_A_PAGE = re.compile(r"\*/\*|text/\*|text/html|application/xhtml\+xml|application/vnd\.pypi\.simple\..*")


@lru_cache(maxsize=64)
def forms(kind: Kind, header: str) -> Sequence[str]:
    """Return the representations of a page that an Accept header names, in its order of preference.

    "json" (PEP 691) or "html" (PEP 503). A representation that it only does not rule out is not among them: a client
    that says nothing, or `*/*`, reads HTML. Everything but a page has one form, without a name.
    """
    if kind != "page":
        return ("",)
    wanted: dict[str, float] = {}
    for item in header.split(","):
        media, *parameters = (part.strip() for part in item.lower().split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        form = "json" if media.endswith("+json") else "html"
        wanted[form] = max(wanted.get(form, 0.0), _number(quality))
    named = [form for form in ("html", "json") if wanted.get(form)]
    return tuple(sorted(named, key=lambda form: -wanted[form])) or ("html",)


@lru_cache(maxsize=64)
def is_of_a_page(header: str) -> bool:
    """Return whether an Accept header names nothing but representations that an index page may have."""
    return all(_OF_A_PAGE.fullmatch(item.partition(";")[0].strip().lower()) for item in header.split(","))


def kept_form(request: Request, content_type: str) -> str:
    """Return the form as which an answer is kept: the preferred one, as an index may not speak it and never will.

    But JSON that an index sends to a client that prefers HTML is kept as JSON, since others read HTML only.
    """
    named = forms(request.kind, request.headers.get("accept", ""))
    return "json" if "json" in named and "json" in content_type.lower() else named[0]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # A quality that is no number means nothing, like a missing one.
        return 1.0
