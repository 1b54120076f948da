"""One node of a fleet: `python -m bench.node FILE` makes the builds that a file names, and prints JSON of each.

Each is made by `cachedindex run` itself, with its helper processes. Only its command is none of its own: it is forked
from this process, which has imported what a client needs, since a thousand clients would take longer to start than all
else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import requests
from tests.index import JSON

import cachedindex.clients.requests.script
from cachedindex.commands import line, run
from cachedindex.model import RemoteUse
from cachedindex.store import runs


class Job(NamedTuple):
    """What the builds of one name look up."""

    name: str
    files: Mapping[str, str]
    """By project: the file that is downloaded."""


class Node(NamedTuple):
    """A host with a folder of its own, and what it builds, one after the other."""

    folder: str
    simple: str
    """The URL of the index."""
    remote: str
    variables: Mapping[str, str]
    jobs: Sequence[Job]

    @property
    def cache(self) -> Path:
        """The cache folder."""
        return Path(self.folder) / "cache"


class Built(NamedTuple):
    """One build."""

    number: int
    """Counted from 0 on this node."""
    job: str
    is_known: bool
    """Whether the node had made one of this job before."""
    code: int
    began: float
    """Seconds until its command began."""
    uses: Sequence[RemoteUse]
    """What it had of the remote."""

    def total(self, field: str) -> int:
        """Return the sum of a number of all uses."""
        return sum(getattr(use, field) for use in self.uses)


def encoded(value: Node | Built) -> str:
    """Return a node or a build as a line of JSON."""
    fields = value._asdict()
    parts = ("jobs", "uses")
    return json.dumps(
        {each: [part._asdict() for part in fields[each]] if each in parts else fields[each] for each in fields}
    )


def built(text: str) -> Built:
    """Return the build that a line is about."""
    fields = json.loads(text)
    return Built(**{**fields, "uses": [RemoteUse(**use) for use in fields["uses"]]})


def main() -> int:
    """Make the builds, and print what became of each."""
    fields = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    node = Node(**{**fields, "jobs": [Job(**job) for job in fields["jobs"]]})
    known: set[str] = set()
    for number, job in enumerate(node.jobs):
        before = runs.names(node.cache)
        code, began = _forked(node, job)
        uses = _uses(node.cache, set(runs.names(node.cache)).difference(before))
        print(encoded(Built(number, job.name, job.name in known, code, began, uses)), flush=True)
        known.add(job.name)
    return 0


def _forked(node: Node, job: Job) -> tuple[int, float]:
    """Make a build in a process of its own; return its exit code, and the seconds until its command began."""
    clock = Path(node.folder) / "began"
    asked = time.monotonic()
    child = os.fork()
    if not child:
        code = 1
        try:
            code = _run(node, job, clock)
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, float(clock.read_text()) - asked


def _run(node: Node, job: Job, clock: Path) -> int:
    """Be `cachedindex run` for one build."""

    def below(command: Sequence[str], environ: Mapping[str, str], **_: Any) -> int:
        clock.write_text(str(time.monotonic()))
        child = os.fork()
        if not child:
            code = 1
            try:
                os.environ.update(environ)
                code = _looked_up(node.simple, job)
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    os.environ.update({**node.variables, "CACHEDINDEX_CACHE_DIR": str(node.cache)})
    run.__dict__["run_below"] = below
    return line.main(["run", "--remote", node.remote, "--job", job.name, "--", "build", job.name])


def _looked_up(index: str, job: Job) -> int:
    """Be the client: get the page and the file of each project; return 1 if there was another answer than 200."""
    session = requests.Session()
    session.trust_env = False
    session.mount(urljoin(index, "/"), cachedindex.clients.requests.script.CachedIndexAdapter())
    code = 0
    for project, file in job.files.items():
        page = session.get(f"{index}{project}/", headers={"Accept": JSON})
        download = session.get(urljoin(index, f"/files/{file}"))
        code = code if page.ok and download.ok and download.content else 1
    session.close()
    return code


def _uses(cache: Path, names: Iterable[str]) -> Sequence[RemoteUse]:
    found = [runs.summed(cache, name) for name in names]
    return [use for each in found if each for use in each.run.remote]


if __name__ == "__main__":
    sys.exit(main())
