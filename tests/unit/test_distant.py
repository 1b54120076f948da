"""The engine with a remote: when it is worth asking, and what it costs to know that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cachedindex.errors import UpstreamFailed
from cachedindex.model import RemoteUse
from cachedindex.options import Settings
from cachedindex.remote import helper, memory
from cachedindex.remote.helper import Interpreter
from cachedindex.run.folder import RunFolder
from cachedindex.store.store import Store
from tests.unit.test_cache import PAGE, World
from tests.values import replace

REMOTE = "s3://builds/prefix"


class Remote(World):
    """A run that has a remote; `looks` counts what was looked into to know whether it is worth asking."""

    def __init__(self, folder: Path) -> None:
        self.run = RunFolder(folder / "run")
        self.run.folder.mkdir()
        self.looks: Counter[str] = Counter()
        super().__init__(folder / "cache", Settings(timeout=30.0, remote=REMOTE))

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any) -> Any:
            self.looks[name] += 1
            return function(*arguments)

        return counting

    def fails(self, *projects: str) -> None:
        """Look up the pages of these projects, which nobody has."""
        self.reply = self.fail
        for project in projects:
            with suppress(UpstreamFailed):
                self.get(replace(PAGE, url=f"https://index.example/simple/{project}/"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    world = Remote(tmp_path)
    monkeypatch.setattr(memory, "asked_by", world.counted("asked by", memory.asked_by))
    monkeypatch.setattr(Store, "is_barred", world.counted("barred", Store.is_barred))
    has_nothing = world.counted("asked", lambda *_: RemoteUse(REMOTE, "outage", asked=1))
    monkeypatch.setattr(helper, "answer", has_nothing)
    yield world
    world.over.set()


def test_as_long_as_an_index_is_well_nothing_is_read_because_of_the_remote(world: Remote) -> None:
    assert world.run
    memory.begin(world.run.folder, Interpreter.own())
    assert world.get()[1] == "miss"
    assert world.looks == {}


def test_a_remote_that_has_failed_costs_one_look_in_each_process(world: Remote) -> None:
    world.fails("a", "b", "c", "d")
    assert world.looks == {"asked by": 1}


def test_a_remote_that_has_failed_in_another_process_is_not_asked_again(world: Remote) -> None:
    assert world.run
    memory.begin(world.run.folder, Interpreter.own())
    world.fails("a", "b")
    assert world.looks["asked"] == 2
    memory.note(world.report, RemoteUse(REMOTE, "outage", problem="does not answer in time"))
    world.fails("c", "d")
    assert world.looks["asked"] == 2


def test_what_the_remote_was_asked_for_is_not_asked_for_again(world: Remote) -> None:
    assert world.run
    memory.begin(world.run.folder, Interpreter.own())
    world.fails("a", "a", "a")
    assert world.looks["asked"] == 1
