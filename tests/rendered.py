"""A JSON page as HTML, as a large public index writes it; of the standard library only."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any


def rendered(page: Mapping[str, Any]) -> str:
    """Return the HTML of a page."""
    name, links = html.escape(page["name"]), "".join(map(_anchor, page["files"]))
    return f"<!DOCTYPE html>\n<html>\n<head><title>Links for {name}</title></head>\n<body>\n{links}</body>\n</html>\n"


def _anchor(file: Mapping[str, Any]) -> str:
    digest, beside = file["hashes"].get("sha256"), file.get("core-metadata")
    is_beside = f"sha256={beside['sha256']}" if isinstance(beside, Mapping) else beside and "true"
    attributes = {
        "href": file["url"] + (f"#sha256={digest}" if digest and "#" not in file["url"] else ""),
        "data-requires-python": file.get("requires-python"),
        "data-dist-info-metadata": is_beside,
        "data-core-metadata": is_beside,
        "data-yanked": file.get("yanked"),
    }
    words = "".join(f' {name}="{html.escape(str(text))}"' for name, text in attributes.items() if text)
    return f"<a{words}>{html.escape(file['filename'])}</a><br />\n"
