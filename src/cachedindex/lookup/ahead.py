"""Look-ups that are begun before the client makes them; what they come to is handed over when it does.

An edge says what the client will most likely ask for. Nothing is asked before the client itself has got a sound answer
at the same place, and then only in the way in which it asked: with its headers, credentials, proxy and certificates.
Nothing is given, reported, or noted of a failure, for which the client has not asked.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from cachedindex.errors import Unheard
from cachedindex.lookup.pool import Pool
from cachedindex.model import Request
from cachedindex.options import PATIENCE_LIMIT
from cachedindex.rules import downloads, limits, urls
from cachedindex.rules.decide import wants_check

if TYPE_CHECKING:
    from cachedindex.lookup.beginnings import Beginnings, Came
    from cachedindex.lookup.context import Begun
    from cachedindex.model import Send

    Like = Callable[[str], tuple[Request, Send] | None]
    """Returns the request for a URL, and what sends it, as the client would make them; None if that is not known."""
    Then = Callable[[Came | None], object]
    """Takes what a look-up has come to; None if it is not stored."""

_WORTH = 0.01
"""Seconds that an answer must have taken: below that, threads cost a client more than they save."""
_REST = 1.0
"""Seconds that a limit of requests needs to take more, if upstream does not say how many."""
_LONGEST_REST = 3.0
"""Seconds: urllib3 waits for longer by itself, and a copy can stand in."""
_LIMITING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_SOUND = (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class Ahead:
    """The look-ups of one process that are expected, under way, or done."""

    def __init__(self, beginnings: Callable[[], Beginnings], promised: Callable[[Request], Request], most: int) -> None:
        """`promised` returns the request for a file by the pages that the client was given; at once are `most`.

        `beginnings` is called once look-ups are begun ahead at all, as a build with fresh copies needs none.
        """
        self._make_beginnings = beginnings
        self._beginnings: Beginnings
        self._at_start: list[Callable[[], object]] = []
        self._promised = promised
        self._pool = Pool(most)
        self._guard = threading.Lock()
        self._process = os.getpid()
        self._likes: dict[str, Like] = {}
        self._sound: set[str] = set()
        self._answered: dict[str, float] = {}
        """When each place last gave an answer to a look-up that was begun ahead, by time.monotonic()."""
        self._early: dict[str, _Early] = {}
        self._unheard: defaultdict[str, list[_Early]] = defaultdict(list)
        """Those at places where the client has not asked yet, or has got no sound answer."""
        self._asked: set[str] = set()
        """The URLs that the client has asked for, and those that are expected."""
        self._has_ended = False
        self._rests_until = 0.0
        """By time.monotonic(): when the client may ask again after a limit of requests."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is begun in this run, so that there is no need to guess.

        A forked child begins nothing: it has none of its parent's threads, and one of those may have held a lock.
        """
        return self._has_ended or self._process != os.getpid()

    def at_start(self, work: Callable[[], object]) -> None:
        """Do what is needed before a guess, in the client's thread: once look-ups are begun ahead at all, or now."""
        if self.has_ended:
            return
        if self._sound:
            work()
        else:
            self._at_start.append(work)

    def later(self, work: Callable[[], object]) -> None:
        """Run a guess in a thread, once look-ups are begun ahead at all: a build with fresh copies needs none."""
        if not self.has_ended:
            self._pool.add(lambda: self._guess(work))

    def expect_page(self, url: str, then: Then) -> None:
        """Begin the look-up of a project page, unless the client has asked for it, or does not ask there at all."""
        self._expect(_Early(url, urls.repository(url), then))

    def expect_file(self, url: str, then: Then = lambda _: None, *, given: bool = False) -> None:
        """Begin the look-up of a file that a page lists which was read ahead, or which the client was `given`."""
        promised = self._promised if given else self._beginnings.foretold
        self._expect(_Early(url, urls.origin(url), then, promised), first=not given)

    def drop(self) -> None:
        """Forget what is not yet under way: the client has decided."""
        if self._process != os.getpid():
            return
        self._pool.clear()
        with self._guard:
            self._unheard.clear()

    def end(self) -> None:
        """Begin nothing more in this run."""
        self._has_ended = True
        self.drop()

    def heard(self, request: Request, like: Like, sent: Sequence[tuple[int, float]]) -> None:
        """Note a look-up of the client's own, and what was `sent` for it: statuses and seconds."""
        if self.has_ended or request.method != "GET" or "range" in request.headers or wants_check(request):
            return
        is_page = request.kind == "page"
        if not is_page and not downloads.is_distribution(request.url.removesuffix(".metadata")):
            return
        place = urls.repository(request.url) if is_page else urls.origin(request.url)
        is_new, self._likes[place] = place not in self._likes, like
        status, took = sent[-1] if sent else (0, 0.0)
        if status in _SOUND and took >= _WORTH and place not in self._sound:
            self._begin(place, took)
        elif self._sound and is_new:
            self._release(place)

    def _begin(self, place: str, took: float) -> None:
        """Begin look-ups at a place; and at others, as far as there are copies that need no check."""
        is_first = not self._sound
        if is_first:
            self._beginnings = self._make_beginnings()
            for work in self._at_start:
                work()
        self._sound.add(place)
        if is_first:
            self._pool.start(took)
        for known in list(self._likes) if is_first else [place]:
            self._release(known)

    def take(self, request: Request) -> Begun | None:
        """Return the look-up that the client makes now, if it was begun ahead; wait for one that is under way."""
        if request.method != "GET" or "range" in request.headers or self._process != os.getpid():
            return None
        with self._guard:
            self._asked.add(request.url)
            early = self._early.pop(request.url, None)
            if early is None or not early.is_begun:
                return None
        begun = early.taken()
        if begun and early.request != self._promised(request):  # Another user, or another form.
            self.end()
            begun.close()
            return None
        return begun

    def rest(self) -> None:
        """Wait until upstream takes requests again, if those that were made ahead have met its limit.

        The client alone might not have met it. urllib3 repeats a 429 only if that says when (urllib3 2, util/retry.py).
        """
        while (left := self._rests_until - time.monotonic()) > 0:
            time.sleep(left)

    def _rest_for(self, begun: Begun) -> None:
        if begun.exchange and begun.exchange.answer.status in _LIMITING:
            seconds = limits.wait(begun.exchange.answer, time.time()) or _REST
            self._rests_until = max(self._rests_until, time.monotonic() + min(seconds, _LONGEST_REST))

    def _expect(self, early: _Early, *, first: bool = False) -> None:
        if self.has_ended:
            return
        with self._guard:
            if early.url in self._asked:
                return
            self._asked.add(early.url)
            self._early[early.url] = early
            if early.place not in self._likes or not self._sound:
                self._unheard[early.place].append(early)
                return
        self._pool.add(lambda: self._ask(early), first=first)

    def _release(self, place: str) -> None:
        with self._guard:
            waiting = self._unheard.pop(place, ())
        for early in waiting:
            self._pool.add(lambda early=early: self._ask(early))  # type: ignore[misc]

    def _ask(self, early: _Early) -> None:
        """Carry out one look-up, in a thread of the pool, and guess on."""
        with self._guard:
            if self._has_ended or self._early.get(early.url) is not early:  # The client was quicker.
                return
            early.is_begun = True
        came, began = None, time.monotonic()
        try:
            came = self._come(early)
        except Unheard:
            if self._put_back(early):
                return
        except BaseException:  # noqa: BLE001 - whatever it is, the client meets it when it asks
            self.end()
        early.done.set()
        if early.begun:
            self._pool.felt(time.monotonic() - began)
        self._guess(lambda: early.then(came))

    def _put_back(self, early: _Early) -> bool:
        """Have a look-up wait until the client has been answered there; return whether nobody waits for it."""
        with self._guard:
            if self._early.get(early.url) is not early:
                return False
            early.is_begun = False
            self._unheard[early.place].append(early)
            return True

    def _come(self, early: _Early) -> Came | None:
        began = time.monotonic()
        like = self._likes[early.place](early.spelled)
        if like is None or like[0].url != early.url:  # The client would be asking for the same by another spelling.
            return None
        request, send = like
        early.request = early.promised(request)
        begun = self._beginnings.begin(request, early.request, send, early.promised, may_ask=early.place in self._sound)
        if begun is None:
            return None
        if begun.is_bad:
            self._rest_for(begun)
            self.end()
        elif begun.exchange:
            self._answered[early.place] = time.monotonic()
        is_alive = self._answered.get(early.place, began) > began
        # A deadline that has passed while others were answered may be due to so many at once: the client asks alone.
        if not begun.is_final or (begun.failure and is_alive):
            begun.close()
            return None
        if begun.exchange or begun.failure:
            early.begun = self._beginnings.received(begun, early.goes_on)
            if early.begun is None:  # The next one could not be kept until the client asks, either.
                self.end()
                begun.close()
                return None
            begun = early.begun
        return self._beginnings.came(begun)

    def _guess(self, work: Callable[[], object]) -> None:
        with suppress(Exception):  # An odd page or metadata, which pip reads by itself: it costs speed only.
            work()


class _Early:
    """One look-up, from the guess on until the client takes it."""

    def __init__(
        self, url: str, place: str, then: Then, promised: Callable[[Request], Request] = lambda request: request
    ) -> None:
        self.spelled = url
        """With the user that it may have."""
        self.url, self.place, self.then, self.promised = urls.bare(url), place, then, promised
        self.is_begun = False
        self.request: Request | None = None
        self.begun: Begun | None = None
        self.done = threading.Event()
        self._moved = time.monotonic()
        self._is_wanted = False

    def taken(self) -> Begun | None:
        """Return what it has come to, for the client; None if the client has to ask itself."""
        self._is_wanted, self._moved = True, time.monotonic()
        while not self.done.wait(1):
            if time.monotonic() - self._moved > PATIENCE_LIMIT:
                return None
        return self.begun

    def goes_on(self) -> bool:
        """Return whether to read on, as the client does not want it yet."""
        self._moved = time.monotonic()
        return not self._is_wanted
