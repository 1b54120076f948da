"""Reads an HTML page strictly: every element is closed in its place, and every id and reference is right."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

VOID = {"link", "meta"}
ELEMENTS = {
    "html", "head", "title", "body", "header", "main", "footer", "section", "h1", "h2", "p", "span", "strong", "b",
    "code", "time", "dl", "dt", "dd", "div", "ul", "li", "figure", "figcaption", "details", "summary", "table",
    "caption", "thead", "tbody", "tr", "th", "td", "svg", "desc", "rect", *VOID,
}  # fmt: skip
REFERENCES = ("aria-labelledby", "aria-describedby", "for")
"""Attributes whose words are ids."""


class Document(HTMLParser):
    """A page, with its elements in their order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def named(self, *names: str) -> list[tuple[str, dict[str, str]]]:
        return [(name, attributes) for name, attributes in self.elements if name in names]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def check(self) -> None:
        """Fail for a page that is not what any reader and Jenkins' policy can take."""
        assert {name for name, _ in self.elements} <= ELEMENTS
        for name, attributes in self.elements:
            assert "style" not in attributes, name
            assert not any(attribute.startswith("on") for attribute in attributes), name
            assert "src" not in attributes, name
            assert ("href" in attributes) is (name == "link"), name
        ids = Counter(attributes["id"] for _, attributes in self.elements if "id" in attributes)
        assert set(ids.values()) <= {1}
        asked = {
            word for _, attributes in self.elements for name in REFERENCES for word in attributes.get(name, "").split()
        }
        assert asked <= set(ids)
        levels = [int(name[1]) for name, _ in self.named("h1", "h2")]
        assert levels == [1] + [2] * (len(levels) - 1)
        assert self.named("html")[0][1]["lang"] == "en"
        assert all(attributes["scope"] in ("row", "col") for _, attributes in self.named("th"))
        assert len(self.named("table")) == len(self.named("caption"))
        for _, attributes in self.named("svg"):
            assert attributes.get("aria-hidden") or (attributes["role"] == "img" and attributes["aria-labelledby"])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute of {tag} is there twice"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")
