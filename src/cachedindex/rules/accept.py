"""Which representations of a page a request accepts, and as which one an answer is kept."""

from __future__ import annotations

from collections.abc import Sequence

from cachedindex.model import Request


def forms(request: Request) -> Sequence[str]:
    """Return the representations of a page that the request names, the one that it prefers first.

    "json" (PEP 691) or "html" (PEP 503). One that it only does not rule out is not among them: who says nothing, or
    `*/*`, reads HTML. What is no page has one form, without a name.
    """
    if request.kind != "page":
        return [""]
    wanted: dict[str, float] = {}
    for item in request.headers.get("accept", "").split(","):
        media, *parameters = (part.strip() for part in item.lower().split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        form = "json" if media.endswith("+json") else "html"
        wanted[form] = max(wanted.get(form, 0.0), _number(quality))
    named = [form for form in ("html", "json") if wanted.get(form)]
    return sorted(named, key=lambda form: -wanted[form]) or ["html"]


def kept_form(request: Request, content_type: str) -> str:
    """Return the form as which an answer is kept: the preferred one, as an index may not speak it and never will.

    But JSON that came to who prefers HTML, by an index that does not weigh, is not for those who read HTML only.
    """
    named = forms(request)
    return "json" if "json" in named and "json" in content_type.lower() else named[0]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # A quality that is no number says nothing, as for a missing one.
        return 1.0
