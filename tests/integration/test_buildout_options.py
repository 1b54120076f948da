"""What a buildout's own options do is what they do without us: the same requests, versions and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import packages
from tests.conftest import Ran, Run
from tests.index import Index, serving
from tests.integration.conftest import eggs

CONFIG = """
[buildout]
{extension}
index = {index.url}
parts = tool
{buildout}

[tool]
recipe = trial
{part}
do =
    from zc.buildout import easy_install
    from pathlib import Path
    settings = buildout["buildout"]
    working_set = easy_install.install(
        options.get("eggs", "alpha").split(), settings["eggs-directory"],
        links=options.get("find-links", settings.get("find-links", "")).split(),
        index=options.get("index", settings["index"]),
        newest=settings["newest"] == "true", allow_hosts=settings["allow-hosts"].split())
    Path("found").write_text(" ".join(sorted(map(str, working_set))))
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Index]:
    """Give a second index, which has a newer alpha than the first."""
    folder = tmp_path / "other"
    folder.mkdir()
    packages.add_wheel(folder, "alpha", "3.0")
    with serving(folder) as other:
        yield other


@pytest.fixture
def build(
    run: Run, with_buildout: Callable[..., Path], index: Index, other: Index, distributions: Path, tmp_path: Path
) -> Build:
    """Give a function that runs one configuration, with the extension or without it, and returns what came of it."""
    packages.add_trial(distributions)
    packages.add_wheel(distributions, "alpha", "2.0")
    packages.add_wheel(distributions, "alpha", "2.1b1")

    def build(extension: str, buildout: str, part: str, *arguments: str) -> tuple[object, ...]:
        workspace = tmp_path / ("with" if extension else "without")
        workspace.mkdir(exist_ok=True)
        texts = [text.format(index=index, other=other) for text in (buildout, part)]
        config = CONFIG.format(extension=extension, index=index, buildout=texts[0], part=texts[1])
        (workspace / "buildout.cfg").write_text(config)
        index.seen.clear()
        other.seen.clear()
        command = with_buildout().with_name("buildout")
        ran = run(command, *arguments, cwd=workspace, PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1")
        found = workspace / "found"
        return (
            ran.code,
            said(ran),
            found.read_text() if found.exists() else "",
            eggs(workspace),
            [seen.path for seen in index.seen],
            [seen.path for seen in other.seen],
        )

    return build


Build = Callable[..., tuple[object, ...]]
EXTENSION = "extensions = cachedindex"


def said(ran: Ran) -> list[str]:
    return [line for line in (ran.out + ran.err).splitlines() if line.startswith(("Error", "root: ", "  "))]


@pytest.mark.parametrize(
    ("buildout", "part", "chosen"),
    [
        ("", "", "alpha 2.0"),
        ("prefer-final = false", "", "alpha 2.1b1"),
        ("", "index = {other.url}", "alpha 3.0"),
        ("", "find-links = {other.url}alpha/", "alpha 3.0"),
        ("find-links = {other.origin}/files/alpha-3.0-py3-none-any.whl", "", "alpha 3.0"),
        ("allow-hosts = 127.0.0.1:9", "", ""),
        ("versions = pinned\n[pinned]\nalpha = 1.0\n[buildout]", "", "alpha 1.0"),
        ("", "eggs = nothing", ""),
    ],
)
def test_it_is_as_without_us(build: Build, buildout: str, part: str, chosen: str) -> None:
    without = build("", buildout, part)
    assert build(EXTENSION, buildout, part) == without
    assert chosen in str(without[2])


def test_newest_is_as_without_us(build: Build, distributions: Path) -> None:
    for extension in ("", EXTENSION):
        assert "alpha 1.0" in str(build(extension, "", "", "versions:alpha=1.0")[2])
    older = [build(extension, "", "", "-N") for extension in ("", EXTENSION)]
    assert older[0] == older[1]
    assert "alpha 1.0" in str(older[0][2])
    newest = [build(extension, "[cachedindex]\nindex-ttl = 0", "") for extension in ("", EXTENSION)]
    assert newest[0] == newest[1]
    assert newest[0][2] == "alpha 2.0"
