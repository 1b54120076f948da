"""The documentation as a site: `python3 tasks.py docs` has Sphinx build it.

The folder of the pages is the checkout, so that every link between them leads to the same page on the site as it does
on a code host. The contents are those of README.md beside this file; what the site has more is made while it is built.
"""

from __future__ import annotations

import html
import os
import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

import cachedindex
from cachedindex.commands import line

CHECKOUT = Path(__file__).parent.parent
CONTENTS = CHECKOUT / "docs/README.md"

project = "cachedindex"
author = project_copyright = "the cachedindex authors"
release = cachedindex.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "README"
exclude_patterns = [path.name for path in CHECKOUT.iterdir() if path.is_dir() and path.name != "docs"]

nitpicky = True
# Of others, whose documentation would have to be fetched for it.
nitpick_ignore_regex = [("py:.*", r"(?!cachedindex\b).*")]
autoclass_content = "both"
autodoc_class_signature = "mixed"
default_role = "code"
highlight_language = "text"
myst_heading_anchors = 4
smartquotes = False  # They would make one dash of the two before an option.

html_theme = "furo"
html_title = f"cachedindex {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> dict[str, bool]:
    """Have Sphinx call the functions below."""
    app.connect("source-read", add_contents)
    app.connect("source-read", add_help)
    app.connect("html-page-context", help_readers, priority=600)  # After the theme.
    app.connect("build-finished", begin)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_contents(app: Sphinx, name: str, text: list[str]) -> None:
    """Put the contents below the first page, where only the side bar shows them."""
    if name != app.config.root_doc:
        return
    sections = {"Overview": ["docs/README"]}
    for section in CONTENTS.read_text("utf-8").split("\n## ")[1:]:
        pages = re.findall(r"^\* \[.+?\]\((\S+)\.md\)", section, re.MULTILINE)
        sections[section.partition(":")[0]] = [f"docs/{page}" for page in pages]
    sections["The project"] = ["CHANGES", "SECURITY", "CONTRIBUTING", "ARCHITECTURE"]
    for heading, pages in sections.items():
        text[0] += "\n".join(["\n```{toctree}", ":hidden:", f":caption: {heading}", *pages, "```\n"])


def add_help(_: Sphinx, name: str, text: list[str]) -> None:
    """Put what `--help` prints below the heading of each command."""
    if name != "docs/reference/command-line":
        return
    os.environ.update(COLUMNS="80", PYTHON_COLORS="0")  # argparse asks the terminal otherwise.
    _, commands = line.known()

    def with_help(heading: re.Match[str]) -> str:
        # On one line, as a blank one would end what Markdown takes for HTML.
        says = html.escape(commands[heading[1]].format_help().rstrip()).replace("\n", "&#10;")
        shown = f"<code>cachedindex {heading[1]} --help</code>"
        return f"{heading[0]}\n\n<details class=help><summary>{shown}</summary><pre tabindex=0>{says}</pre></details>\n"

    text[0] = re.sub(r"^## `cachedindex (\w+).*$", with_help, text[0], flags=re.MULTILINE)


def help_readers(_: Sphinx, __: str, ___: str, context: dict[str, str], ____: object) -> None:
    """Have keys scroll what is wider than a screen, and give the headings of the side bar their level."""
    wide = r'<pre(?=>)|<div(?= class="table-wrapper)'
    context["body"] = re.sub(wide, r'\g<0> tabindex="0"', context.get("body", ""))
    tree = context["furo_navigation_tree"]
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def begin(app: Sphinx, failure: Exception | None) -> None:
    """Give the site a first page under the name that servers look for."""
    if failure is None and app.builder.format == "html":
        shutil.copy(app.outdir / "README.html", app.outdir / "index.html")
