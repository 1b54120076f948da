"""A real Chromium, and pages that a server of this machine has."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

_CHROMIUM = shutil.which("chromium")


class Site(NamedTuple):
    """A browser of Playwright's, and where it finds the pages."""

    browser: Any
    url: str


@contextmanager
def opened(folder: Path, headers: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Serve a folder, each answer with these headers, and start a browser; without one the test is skipped."""
    if not _CHROMIUM:
        pytest.skip("SKIPPED FOR WANT OF A BROWSER: chromium is not installed, see .ci/run")
    playwright = pytest.importorskip("playwright.sync_api", reason="SKIPPED FOR WANT OF PLAYWRIGHT: see tasks.py")
    (folder / "favicon.ico").touch()  # A server has one.

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        with playwright.sync_playwright() as started:
            browser = started.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
            yield Site(browser, f"http://127.0.0.1:{server.server_port}")
            browser.close()
        server.shutdown()


def violations(tab: Any) -> list[tuple[str, str, str]]:
    """Return what keeps somebody from reading a page, as axe finds it: the rule, how bad it is, and the first place."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab).response["violations"]
    return [(each["id"], each["impact"], each["nodes"][0]["html"]) for each in found]
