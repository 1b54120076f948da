from __future__ import annotations

import pytest

from cachedindex.rules import downloads


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"[buildout]\nparts =\n", None),
        (b"# a comment\n; and another\n\n[versions]\n", None),
        (b"<!DOCTYPE html><form>", "HTML"),
        (b"Please log in.", "a text that is no configuration"),
        (b"[ not a section ]", "a text that is no configuration"),
        (b"", "a text that is no configuration"),
    ],
)
def test_what_stands_in_place_of_a_configuration(text: bytes, what: str | None) -> None:
    assert downloads.unlike("https://index.example/base.cfg", None, "text/plain", text) == what
