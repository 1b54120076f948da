"""Which representations of a page a request accepts, and under which one its answer is stored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from cachedindex.model import Kind, Request

_PAGE_MEDIA = re.compile(r"\*/\*|text/\*|text/html|application/xhtml\+xml|application/vnd\.pypi\.simple\..*")


@lru_cache(maxsize=64)
def forms(kind: Kind, header: str) -> Sequence[str]:
    """Return the representations of a page that an Accept header names, in its order of preference.

    They are "json" (PEP 691) and "html" (PEP 503). Without the header, or with `*/*`, the form is HTML, which every
    client reads. Anything but a page has one form, with an empty name.
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
def readable(named: Sequence[str]) -> Sequence[str]:
    """Return the forms of the records that can serve a request which names these: of JSON, HTML can be made.

    Not the reverse: HTML has neither the sizes nor the times of uploads (PEP 700), and does not show whether its index
    has them.
    """
    return named if "json" in named or "html" not in named else (*named, "json")


@lru_cache(maxsize=64)
def is_of_a_page(header: str) -> bool:
    """Return whether an Accept header only names media types that an index page may have."""
    return all(_PAGE_MEDIA.fullmatch(item.partition(";")[0].strip().lower()) for item in header.split(","))


def kept_form(request: Request, content_type: str) -> str:
    """Return the form under which an answer is stored: the preferred one, even if an index does not offer that.

    Otherwise such an index would be asked for it each time. But if an index ignores the order of preference, JSON is
    stored as JSON, since the HTML record also serves clients that read nothing else.
    """
    named = forms(request.kind, request.headers.get("accept", ""))
    return "json" if "json" in named and "json" in content_type.lower() else named[0]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # A malformed quality counts as a missing one.
        return 1.0
