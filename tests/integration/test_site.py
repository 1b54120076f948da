"""The documentation as a site: built without a warning, and looked at in a real Chromium."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tasks import SPHINX

from cachedindex.commands.line import COMMANDS
from tests import browser
from tests.browser import Site
from tests.environments import CHECKOUT
from tests.test_docs import PAGES

pytestmark = pytest.mark.xdist_group("site")
NAMES = [page.relative_to(CHECKOUT).with_suffix(".html").as_posix() for page in PAGES]
KINDS = ("index.html", "docs/reference/options.html", "docs/reference/command-line.html", "docs/reference/api.html",
         "docs/how-to/jenkins.html", "search.html?q=breaker", "genindex.html")  # fmt: skip
"""A page of each kind: axe takes seconds for one."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the site, of which no warning was given."""
    pytest.importorskip("sphinx", reason="SKIPPED FOR WANT OF SPHINX: the extra `docs` has it")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, *SPHINX, "-d", folder / "doctrees", CHECKOUT, folder / "html"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    process = subprocess.run(command, cwd=CHECKOUT, env=environ, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (0, "")
    return folder / "html"


@pytest.fixture(scope="module")
def site(built: Path) -> Iterator[Site]:
    with browser.opened(built) as site:
        yield site


def test_it_has_every_page_and_a_first_one(built: Path) -> None:
    assert [name for name in (*NAMES, "index.html", "search.html") if not (built / name).is_file()] == []
    contents = (built / "index.html").read_text("utf-8")
    assert [name for name in NAMES[1:] if f'href="{name}"' not in contents and name != "README.html"] == []


def test_the_reference_has_what_the_code_says(built: Path) -> None:
    api = (built / "docs/reference/api.html").read_text("utf-8")
    assert "Wrap an adapter, by default a new HTTPAdapter" in api
    commands = (built / "docs/reference/command-line.html").read_text("utf-8")
    assert [name for name in COMMANDS if f"usage: cachedindex {name} " not in commands] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_and_a_screen(site: Site, scheme: str) -> None:
    context = site.browser.new_context(color_scheme=scheme)
    tab = context.new_page()
    problems: list[Any] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))

    def failed(request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # A page that is left ends what it was still asking for.
            problems.append(request.url)

    tab.on("requestfailed", failed)
    for name in (*NAMES, *KINDS):
        tab.goto(f"{site.url}/{name}")
        for width in (360, 1400):
            tab.set_viewport_size({"width": width, "height": 800})
            wide = tab.evaluate("document.documentElement.scrollWidth")
            # The link of a title, which is shown when it is pointed at, was a line of its own.
            below = tab.evaluate("""() => {
                const link = document.querySelector("article h1 > .headerlink"), title = document.createRange()
                if (!link) return 0
                title.selectNodeContents(link.parentNode)
                title.setEndBefore(link)
                return link.getBoundingClientRect().top - title.getBoundingClientRect().bottom
            }""")
            if wide > width or below > 0:
                problems.append((name, width, wide, below))
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(ground) < 3 * 128) is (scheme == "dark")
    assert problems == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_of_page_can_be_read_by_everybody(site: Site, scheme: str) -> None:
    context = site.browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800})
    tab = context.new_page()
    found = {}
    for name in KINDS:
        tab.goto(f"{site.url}/{name}")
        found[name] = [each for each in browser.violations(tab) if each[1] in ("serious", "critical")]
    assert [page for page in found.items() if page[1]] == []
    context.close()


def test_a_word_is_found(site: Site) -> None:
    tab = site.browser.new_page()
    tab.goto(f"{site.url}/search.html?q=breaker")
    tab.wait_for_selector("#search-results li a")
    tab.close()
