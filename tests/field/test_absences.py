"""An extra index that has few of the projects, as piwheels, a company's or PyTorch's, and is down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran
from tests.field.conftest import installed
from tests.index import Index, serving

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0", "CACHEDINDEX_TIMEOUT": "1", "PIP_RETRIES": "0", "PIP_TIMEOUT": "8"}


@pytest.fixture
def extra(tmp_path: Path) -> Iterator[Index]:
    """Give an index that has none of the projects that are wanted."""
    folder = tmp_path / "extra"
    folder.mkdir()
    packages.add_wheel(folder, "own", "1.0")
    with serving(folder) as extra:
        yield extra


@pytest.mark.parametrize("missing", ["warn", "fail"])
@pytest.mark.parametrize("how", ["hang", "refuse"])
def test_an_extra_index_that_lacks_most_projects_is_down(
    pip_install: Callable[..., Ran], extra: Index, tmp_path: Path, how: str, missing: str
) -> None:
    # piwheels#60, piwheels#64, piwheels#307: it answers 404 for most projects, and then nothing.
    both = {"PIP_EXTRA_INDEX_URL": extra.url, "CACHEDINDEX_MISSING_INDEX": missing, **EXPIRED}
    assert pip_install("A", "alpha", "own", **both).code == 0
    extra.refuse() if how == "refuse" else extra.fault(faults.hang)
    extra.seen.clear()
    for folder in ("B", "C"):
        ran = pip_install(folder, "alpha", "own", **both)
        assert ran.code == 0, ran.err
        assert installed(tmp_path / folder) == installed(tmp_path / "A")
        (line,) = ran.ours
        assert "served 1 page stale" in line
        assert "took 5 pages as missing" in line
        assert "nothing is stored" not in line
    assert len(extra.seen) <= 3, "two deadlines, and one probe if this machine is busy"


def test_it_gets_the_project_later(pip_install: Callable[..., Ran], extra: Index, tmp_path: Path) -> None:
    both = {"PIP_EXTRA_INDEX_URL": extra.url, **EXPIRED}
    assert pip_install("A", "--no-deps", "alpha", **both).code == 0
    packages.add_wheel(extra.folder, "alpha", "2.0")
    for folder in ("B", "C"):
        ran = pip_install(folder, "--no-deps", "alpha", **both)
        assert (ran.code, ran.ours) == (0, [])
        assert installed(tmp_path / folder) == ["alpha-2.0.dist-info"]
    extra.refuse()
    assert pip_install("D", "--no-deps", "alpha", **both).code == 0
    assert installed(tmp_path / "D") == ["alpha-2.0.dist-info"]


def test_what_it_has_just_got_is_found_though_it_hangs_for_others(
    pip_install: Callable[..., Ran], extra: Index, tmp_path: Path
) -> None:
    both = {"PIP_EXTRA_INDEX_URL": extra.url, **EXPIRED}
    assert pip_install("A", "--no-deps", "alpha", "beta", "gamma", **both).code == 0
    packages.add_wheel(extra.folder, "alpha", "2.0")
    extra.fault(faults.hang, "beta|gamma")
    assert pip_install("B", "--no-deps", "beta", "gamma", **both).code == 0
    ran = pip_install("C", "--no-deps", "alpha==2.0", **both)
    assert ran.code == 0, ran.err
    assert installed(tmp_path / "C") == ["alpha-2.0.dist-info"]
