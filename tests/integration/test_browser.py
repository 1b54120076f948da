"""The HTML page in a real Chromium, under the policy with which Jenkins serves what a build leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cachedindex.model import Ended, Outcome, Run
from cachedindex.run import files
from cachedindex.run.subject import Subject
from cachedindex.store.runs import Summed, sum_up
from cachedindex.upkeep.growth import Growth
from tests import browser
from tests.browser import Site

_POLICY = "sandbox; default-src 'none'; img-src 'self'; style-src 'self'"
_NOW = 1_800_000_000.0
_HOUR = 3600.0
pytestmark = pytest.mark.xdist_group("browser")


def look_up(ended: Ended, project: str, at: float, **more: Any) -> Outcome:
    why = "no answer within 3 s" if ended in ("stale", "failed") else ""
    url = more.pop("url", f"https://packages.company.example/artifactory/api/pypi/pypi-virtual/simple/{project}/")
    return Outcome(ended, "page", url, url[: url.index("/", 9)], why, at=at, **more)


def a_run(number: int, projects: int = 40) -> tuple[str, Run, Summed]:
    began = _NOW - (20 - number) * 6 * _HOUR
    is_down = number in (11, 19)
    ended: Ended = "stale" if is_down else "miss" if number in (0, 14) else "hit"
    found = [
        look_up(ended, f"project-with-a-rather-long-name-{each}", began + each, age=each * _HOUR, took=0.2)
        for each in range(projects)
    ]
    if is_down:
        found.append(look_up("failed", "<b>docopt</b>", began + 50.0))
    run = Run("pip install -r requirements.txt", "folder/nightly", str(number), began, 60.0, int(is_down), 0, found)
    return f"20270115T080000Z.{number:08}", run, Summed(run, sum_up(found))


def subjects() -> dict[str, Subject]:
    found = [a_run(number) for number in range(20)]
    stored = Growth(20, 9, 4_000_000, [(_NOW - (60 - day) * 86400.0, day * 7_000_000) for day in range(60)])
    return {
        "run": Subject(found[-1:], _NOW, before=[summed for *_, summed in found[:-1]], stored=stored),
        "days": Subject(found, _NOW, since=_NOW - 7 * 86400.0, stored=stored),
        "healthy": Subject([a_run(3, 4000)], _NOW),
        "empty": Subject([], _NOW),
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a browser, and where the pages are served."""
    folder = tmp_path_factory.mktemp("pages")
    for name, subject in subjects().items():
        files.write_page(folder / f"{name}.html", subject)
    with browser.opened(folder, {"Content-Security-Policy": _POLICY}) as site:
        yield site


each_page = pytest.mark.parametrize("name", ["run", "days", "healthy", "empty"])


@each_page
def test_a_page_is_complete_under_the_policy_of_jenkins(site: Site, name: str) -> None:
    context = site.browser.new_context(viewport={"width": 360, "height": 800})
    tab = context.new_page()
    problems: list[str] = []
    answered: dict[str, int] = {}
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("requestfailed", lambda request: problems.append(request.url))
    tab.on("response", lambda response: answered.update({response.url: response.status}))
    response = tab.goto(f"{site.url}/{name}.html")
    assert response.headers["content-security-policy"] == _POLICY
    assert problems == []
    answered.pop(f"{site.url}/favicon.ico", None)
    assert answered == {f"{site.url}/{name}.html": 200, f"{site.url}/{name}.css": 200}
    tab.screenshot()  # It waits for the stylesheet and the fonts.
    assert problems == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@each_page
def test_a_page_fits_a_phone_and_a_screen_and_every_reader(site: Site, name: str, scheme: str) -> None:
    context = site.browser.new_context(color_scheme=scheme, bypass_csp=True)  # For axe's script, and the measuring.
    tab = context.new_page()
    for width in (360, 1400):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.goto(f"{site.url}/{name}.html")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 23, 29)"}[scheme]
        bars = tab.evaluate(
            "[...document.querySelectorAll('svg[role=img]')].map(svg => svg.getBoundingClientRect().width)"
        )
        assert all(0 < wide <= width for wide in bars)
    assert browser.violations(tab) == []
    context.close()


def test_a_page_without_its_stylesheet_has_coloured_pictures_all_the_same(site: Site) -> None:
    context = site.browser.new_context(bypass_csp=True)
    tab = context.new_page()
    tab.route("**/*.css", lambda route: route.abort())
    tab.goto(f"{site.url}/run.html")
    fill = "getComputedStyle(document.querySelector('#from-picture-title ~ rect')).fill"
    assert tab.evaluate(fill) == "rgb(179, 89, 0)"
    context.close()


def test_a_table_that_is_wider_than_a_phone_scrolls_by_its_keys(site: Site) -> None:
    context = site.browser.new_context(viewport={"width": 360, "height": 800}, bypass_csp=True)
    tab = context.new_page()
    tab.goto(f"{site.url}/days.html")
    tab.focus(".scroll:has(#lookups-table)")
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.activeElement.scrollLeft > 0")
    context.close()
