"""Measures whether a look-up costs the same however many there were: `python -m bench.flat [--quick] [--million]`.

Each row compares the median cost of a thing when there are few with that when there are many, in one run. Nothing is
asked of a network. The exit code is 1 if a ratio is over what noise explains.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from bench.table import table
from cachedindex.clients.bodies import unzipped
from cachedindex.errors import UpstreamFailed
from cachedindex.lookup.cache import Cache
from cachedindex.lookup.upstream import Upstream
from cachedindex.model import Answer, Record, Request
from cachedindex.options import Settings
from cachedindex.run.folder import RunFolder
from cachedindex.run.report import Report
from cachedindex.store import health_log, record
from cachedindex.store.store import Store

_INDEX = "https://index.example/simple/"
_TYPE = "application/vnd.pypi.simple.v1+json"
_FEW = 10
_WARM = 20
"""Look-ups before anything is measured: the first ones import what they need."""
MAY_BE = 2.0
"""The allowed ratio: far below that of anything that grows with the number."""


class Amounts(NamedTuple):
    """How many there are at most."""

    look_ups: int = 10_000
    records: int = 100_000
    absences: int = 300
    pages: int = 3_000
    members: int = 100_000


QUICK = Amounts(look_ups=60, records=200, absences=40, pages=60, members=200)


class Row(NamedTuple):
    """What a thing costs in seconds if there are few, and if there are many."""

    what: str
    few: tuple[int, float]
    many: tuple[int, float]

    @property
    def ratio(self) -> float:
        """How many times as much it costs if there are many."""
        return self.many[1] / self.few[1]

    @property
    def cells(self) -> Sequence[str]:
        """The row as texts."""
        costs = [f"{seconds * 1000:.3f} ms ({number})" for number, seconds in (self.few, self.many)]
        return [self.what, *costs, f"x {self.ratio:.2f}"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if anything is not flat."""
    parser = argparse.ArgumentParser(prog="python -m bench.flat", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see whether it works")
    parser.add_argument("--million", action="store_true", help="with a million records in the folder")
    chosen = parser.parse_args(arguments)
    amounts = QUICK if chosen.quick else Amounts(records=1_000_000) if chosen.million else Amounts()
    rows = list(measured(amounts))
    print(table(["cost of", "few", "many", "ratio"], [row.cells for row in rows]))
    return int(not chosen.quick and any(row.ratio > MAY_BE for row in rows))


def measured(amounts: Amounts) -> Iterator[Row]:
    """Yield the rows."""
    for measure in (look_ups, records, absences, outage, promises, members):
        with tempfile.TemporaryDirectory(prefix="cachedindex-flat-") as folder:
            yield from measure(Path(folder), amounts)


def look_ups(folder: Path, amounts: Amounts) -> Iterator[Row]:
    """Look pages up in one process, none of which is stored, and then again."""
    cache = _cache(folder, Settings(index_ttl=86400.0))
    names = [f"project-{number}" for number in range(amounts.look_ups)]
    yield _row("a page that is not stored", [_seconds(cache, _page(name), _given) for name in names])
    yield _row("a fresh page", [_seconds(cache, _page(name), _unreachable) for name in names])


def records(folder: Path, amounts: Amounts) -> Iterator[Row]:
    """Look the same pages up in a folder of few records and of many."""
    costs = []
    for number in (100, amounts.records):
        place = folder / str(number)
        _fill(Store(place), number)
        cache = _cache(place, Settings(index_ttl=86400.0))
        taken = [_seconds(cache, _page(f"project-{each % 100}"), _unreachable) for each in range(200)]
        costs.append((number, statistics.median(taken[_WARM:])))
    yield Row("a fresh page beside other records", *costs)


def absences(folder: Path, amounts: Amounts) -> Iterator[Row]:
    """Ask an extra index for pages that it does not have."""
    with _run() as run:
        cache = _cache(folder, Settings(), run)
        names = [f"project-{number}" for number in range(amounts.absences)]
        yield _row("a 404", [_seconds(cache, _page(name), _absent) for name in names])


def outage(folder: Path, amounts: Amounts) -> Iterator[Row]:
    """Look expired pages up while their index is down."""
    with _run() as run:
        cache = _cache(folder, Settings(index_ttl=0.0), run)
        names = [f"project-{number}" for number in range(amounts.pages)]
        for name in names:
            _seconds(cache, _page(name), _given)
        yield _row("a stale page", [_seconds(cache, _page(name), _unreachable) for name in names])


def promises(folder: Path, amounts: Amounts) -> Iterator[Row]:
    """Look up a file of each page that was given, the last ones first: each page is read for its files only."""
    costs = []
    for number in (_FEW + _WARM, amounts.pages):
        cache = _cache(folder / str(number), Settings(index_ttl=86400.0))
        names = [f"project-{each}" for each in range(number)]
        for name in names:
            _seconds(cache, _page(name), _given)
        taken = [_seconds(cache, _file(name), _wheel) for name in names[-_FEW - _WARM :]]
        costs.append((number, statistics.median(taken[_WARM:])))
    yield Row("a file that a page promises", *costs)


def members(_: Path, amounts: Amounts) -> Iterator[Row]:
    """Decode a page that gzip made in many parts."""
    costs = []
    # Below that, the memory of one decoder serves the next one without a look at the system.
    for number in (amounts.members // 5, amounts.members):
        data = gzip.compress(b"<a href=x>x</a>" * 10) * number
        taken = []
        for _time in range(5):
            began = time.perf_counter()
            assert unzipped(data).ended
            taken.append((time.perf_counter() - began) / number)
        costs.append((number, min(taken)))
    yield Row("a part of a body in gzip", *costs)


def _row(what: str, taken: Sequence[float]) -> Row:
    """Compare the first look-ups with the last ones."""
    first, last = taken[_WARM : _WARM + _FEW], taken[-max(_FEW, len(taken) // 10) :]
    return Row(what, (_WARM + _FEW, statistics.median(first)), (len(taken), statistics.median(last)))


def _cache(folder: Path, settings: Settings, run: RunFolder | None = None) -> Cache:
    own = run.folder if run else None
    store, report = Store(folder), Report(lambda _: None, run)
    return Cache(store, Upstream(store, health_log.of_host(folder, own), health_log.of_run(own)), settings, report)


@contextmanager
def _run() -> Iterator[RunFolder]:
    run = RunFolder.begin()
    try:
        yield run
    finally:
        run.remove_folder()


def _seconds(cache: Cache, request: Request, send: Callable[[Request], Answer]) -> float:
    """Return what a look-up takes, without what its upstream takes."""
    asked: list[float] = []

    def timed(headers: Mapping[str, str], *, patient: bool) -> Answer:
        began = time.perf_counter()
        try:
            return send(request)
        finally:
            asked.append(time.perf_counter() - began)

    began = time.perf_counter()
    answer = cache.answer(request, timed)
    if isinstance(answer, Answer):
        answer.body.read()
        answer.body.close()
    return time.perf_counter() - began - sum(asked)


def _page(name: str) -> Request:
    return Request("GET", f"{_INDEX}{name}/", "page", {"accept": _TYPE})


def _file(name: str) -> Request:
    return Request("GET", f"https://files.example/{name}-1.0-py3-none-any.whl", "other", {})


def _body(name: str) -> bytes:
    files = [
        {"filename": file, "url": f"https://files.example/{file}", "hashes": {"sha256": _digest(name)}}
        for file in [f"{name}-1.0-py3-none-any.whl", *(f"{name}-0.{number}.tar.gz" for number in range(20))]
    ]
    return json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": files}).encode()


def _digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def _given(request: Request) -> Answer:
    body = _body(request.url.split("/")[-2])
    return Answer(200, "OK", request.url, {"content-type": _TYPE, "content-length": str(len(body))}, BytesIO(body))


def _wheel(request: Request) -> Answer:
    body = request.url.rpartition("/")[2].removesuffix("-1.0-py3-none-any.whl").encode()
    return Answer(200, "OK", request.url, {"content-length": str(len(body))}, BytesIO(body))


def _absent(request: Request) -> Answer:
    return Answer(404, "Not Found", request.url, {"content-length": "0"}, BytesIO())


def _unreachable(_: Request) -> Answer:
    raise UpstreamFailed("connection refused", OSError("refused"), connected=False)


def _fill(store: Store, number: int) -> None:
    """Store so many pages; not by `put`, which would take minutes for a million of them."""
    now = time.time()
    for each in range(number):
        request = _page(f"project-{each}")
        body = _body(f"project-{each}")
        new = Record(
            request.url,
            request.url,
            {"content-type": _TYPE},
            now,
            now,
            0.1,
            len(body),
            sha256(body).hexdigest(),
            body,
            "json",
        )
        if each == 0:
            store.put(request, new)
            continue
        path = store.root / store.record_name(request, new)
        path.parent.mkdir()
        path.write_bytes(record.encode(new))


if __name__ == "__main__":
    sys.exit(main())
