"""Asks for the sdists that pip leaves out, as its own cache has the wheels that it made of them: a new node needs them.

pip looks into that cache for every sdist (pip 22.2 to 26.3, cache.py, WheelCache.get_cache_entry), and asks the index
for none of which it has a wheel. So a node whose builds always succeed may lack what an outage on another one takes.
They are asked for at the end of the pip that left them out, as only its session has the credentials, certificates and
proxies; each of them once, since then it is stored, and once in a run if it is not; and not at all if this pip has seen
a failure of an index. What their builds need is not asked for: nobody knows it before the sdist is read, and most
builds need the same few wheels.
"""

from __future__ import annotations

import atexit
import functools
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from cachedindex.clients.pip import sessions
from cachedindex.lookup.deadline import call_with_deadline
from cachedindex.process import Process
from cachedindex.rules import urls
from cachedindex.run.summary import SUMMARIZED

_MOST = 20
"""Sdists that one pip asks for; the next one asks for more."""
_SECONDS = 10.0
"""For all of them together. Only a thread bounds an answer that drips."""
_LARGEST = 50e6
"""Bytes of one of them."""
_CHUNK = 1 << 16


def attach(process: Process) -> None:
    """Remember which sdists pip leaves out, and ask for them at its exit."""
    if process.store is None or process.store.read_only or process.settings.offline:
        return
    try:
        from pip._internal.cache import WheelCache  # noqa: PLC0415 - only in a pip

        original = WheelCache.get_cache_entry
    except (ImportError, AttributeError):
        process.report.warn("this pip keeps its wheels in another way; sdists of which it has wheels are not stored")
        return
    left_out: dict[str, None] = {}

    @functools.wraps(original)
    def get_cache_entry(self: Any, link: Any, *more: Any, **named: Any) -> Any:
        entry = original(self, link, *more, **named)
        if entry is not None and (url := _promised(link)):
            left_out[url] = None
        return entry

    WheelCache.get_cache_entry = get_cache_entry  # type: ignore[method-assign]
    atexit.register(lambda: _ask(process, list(left_out)))


def _promised(link: Any) -> str | None:
    """Return the URL of an sdist with the sha256 that its page promises; None without one: it is never fresh."""
    url, digest = str(link.url).partition("#")[0], (getattr(link, "_hashes", None) or {}).get("sha256", "")
    is_remote = url.startswith(("http://", "https://")) and not link.is_wheel
    return f"{url}#sha256={digest}" if is_remote and urls.is_sha256(digest) else None


def _ask(process: Process, left_out: list[str]) -> None:
    report, timeout = process.report, process.settings.timeout
    has_failed = any(outcome.ended in SUMMARIZED for outcome in report.outcomes)
    if not left_out or not sessions.latest or has_failed:
        return
    (session,) = sessions.latest
    wanted = [url for url in left_out[:_MOST] if report.run is None or report.run.is_first_to_say(f"asked for {url}")]
    if process.cache and process.cache.ahead:
        process.cache.ahead.end()  # There is nothing to guess, and nothing to import for it: pip 26.3 refuses that now.
    with report.quiet(), suppress(Exception, KeyboardInterrupt):  # The build is done, and is as good without.
        session.auth.prompting = False  # No person is asked for a password.
        call_with_deadline(
            partial(_fetch_all, session, wanted, timeout), _SECONDS, lambda: _SECONDS, lambda _: None, "sdists"
        )


def _fetch_all(session: Any, wanted: list[str], timeout: float) -> None:
    end = time.monotonic() + _SECONDS
    for url in wanted:
        _fetch(session, url, min(timeout, end - time.monotonic()), end)


def _fetch(session: Any, url: str, timeout: float, end: float) -> None:
    """Read a file to its end, so that it is stored, unless it is stored already, too large or too slow."""
    if timeout <= 0:
        return
    adapter = session.get_adapter(url)
    adapter.max_retries = type(adapter.max_retries)(0, read=False)
    response = session.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=timeout)
    is_stored = "; hit" in response.headers.get("cache-status", "")
    is_small = int(response.headers.get("content-length") or _LARGEST + 1) <= _LARGEST
    if response.ok and is_small and not is_stored:
        for _ in _in_time(response.raw, end):
            pass
    response.close()


def _in_time(body: Any, end: float) -> Iterator[bytes]:
    while time.monotonic() < end and (data := body.read(_CHUNK)):
        yield data
