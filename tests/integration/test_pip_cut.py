"""What pip takes from a page without the wheels that it cannot use is what it takes from the whole page."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests import packages
from tests.conftest import Run
from tests.environments import CHECKOUT
from tests.index import Index

VERSIONS = ("22.3.1", "23.2.1", "26.3")
TAGS = (
    "py3-none-any", "py2.py3-none-any", "cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp38-abi3-manylinux_2_17_x86_64",
    "cp311-cp311-macosx_11_0_arm64", "cp312-cp312-musllinux_1_2_aarch64", "pp310-pypy310_pp73-manylinux_2_17_x86_64",
    "cp311-cp311-win_amd64", "cp37-abi3-win_amd64", "cp313-cp313-win_amd64", "cp313-cp313t-win_amd64",
    "py3-none-win_amd64", "cp314-cp314-linux_armv7l",
)  # fmt: skip
ODD = (
    "many-2.0.tar.gz", "many-2.0.zip", "many-macosx10-2.0.zip", "other-2.0-cp39-cp39-win32.whl", "many-2.0.exe", "many",
    "many-2.0-7-cp39-cp39-win32.whl", "many-2.0-7-cp311-cp311-manylinux_2_17_x86_64.whl", "many-2.0-cp39-win32.whl",
    "Many-2.0-CP39-cp39-win32.whl", "many-2.0-cp39-cp39-win32.WHL", "many-2.0-cp39-cp39-win32.whl#egg=many",
    "many-2.0%2Blocal-cp311-cp311-win_amd64.whl?sig=a%2Fb", "many-2%2E0-py3-none-any.whl?x.whl",
    "a%2Fmany-2.1-py3-none-any.whl", "many-not!a!version-cp39-cp39-win32.whl",
    "many-2.0-cp311-cp311-win_amd64.whl/", "many-2.0-py2-none-any.whl",
)  # fmt: skip
PLAIN = ("1.0", "1.0.0", "1.1", "1.2", "1.10", "2.0a1", "2.0rc1", "2.0", "2.0.post1", "2.1.dev3", "3.0b2", "1!0.5",
         "1.0+local.1", "2004b")  # fmt: skip
ENDINGS = (*(f"-{tags}.whl" for tags in TAGS), "-1-py3-none-any.whl", "-2b-py3-none-any.whl", ".tar.gz", ".zip", ".exe",
           "-py3.11.egg", ".tar.gz.asc", ".win32-py2.7.exe")  # fmt: skip
RARE = ("-2.0.tar.xz", "-1.0-1.tar.gz", "-1.1-py3.11.tar.gz", "-not-a-version.zip", "-0.9-final.tar.gz", "-2.0%61.zip")


def files() -> list[dict[str, Any]]:
    """Return the files of a page: every kind of name, sound and odd, yanked or not, for all Pythons or for some."""
    names = [f"many-1.{number}-{tags}.whl" for number, tags in enumerate(TAGS)] + list(ODD)
    kinds = product(names, (None, ">=3.11", "<3.12,>=3.8"), (None, "broken"))
    return [
        {
            "filename": re.sub("[?#].*", "", name),
            "url": f"https://files.example/{place}/{name}",
            "hashes": {},
            **({"requires-python": python} if python else {}),
            **({"yanked": yanked} if yanked else {}),
        }
        for place, (name, python, yanked) in enumerate(kinds)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_the_candidates_are_the_same(run: Run, python_with: Callable[..., Path], version: str, tmp_path: Path) -> None:
    """For all targets, as JSON and as HTML, with the words of pip about Requires-Python."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/many.json").write_text(json.dumps({"name": "many", "files": files()}))
    ran = run(python_with(f"pip=={version}"), CHECKOUT / "tests/links.py", CHECKOUT / "src", tmp_path / "pages")
    assert ran.code == 0, ran.err
    searches, links, left_out, targets = map(int, re.findall(r"\d+", ran.out))
    assert searches == 2 * 2 * targets
    assert left_out > links / 5


def page(number: int) -> list[dict[str, Any]]:
    """Return the files of a page, by chance: versions that are yanked, or for other Pythons, or not at all usable."""
    chance = random.Random(number)
    versions = chance.sample(PLAIN, chance.randrange(1, 12))
    names = [f"many-{one}{chance.choice(ENDINGS)}" for one in versions for _ in range(chance.randrange(1, 5))]
    names += [f"many{chance.choice(RARE)}"] if number % 3 == 0 else []
    return [
        {
            "filename": name,
            "url": f"https://files.example/{place}/{name}",
            "hashes": {"sha256": f"{place:064}"},
            **({"requires-python": chance.choice((">=3.12", "<3.11", ">=3.8", "x"))} if chance.random() < 0.4 else {}),
            **({"yanked": chance.choice((True, "for many-9.0.tar.gz {}"))} if chance.random() < 0.3 else {}),
        }
        for place, name in enumerate(names)
    ]


def late() -> list[dict[str, Any]]:
    """Return the files of a page: the newest are for a later Python, and the URL of the very newest ends oddly."""
    names = ["late-1.0.tar.gz", *(f"late-2.{number}.tar.gz" for number in range(30)), "late-3.0.tar.gz/"]
    later = [*(None for _ in range(8)), *(">=3.99" for _ in range(23)), None]
    return [
        {"filename": name.rstrip("/"), "url": f"https://files.example/{name}", "hashes": {}, "requires-python": python}
        for name, python in zip(names, later, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_candidates_come_in_the_same_turn(
    run: Run, python_with: Callable[..., Path], version: str, tmp_path: Path
) -> None:
    """The newest version first, and then the others: for two indexes, all targets, and several requirements."""
    (tmp_path / "pages").mkdir()
    for number, project in enumerate(("many", *(f"many-{number}" for number in range(12)))):
        made = json.dumps({"name": project, "files": page(number) if number else files()})
        (tmp_path / f"pages/{project}.json").write_text(made.replace("many-", f"{project.replace('-', '_')}-"))
    for project, encoding in (("marked", "utf-8-sig"), ("wide", "utf-16-le")):
        made = json.dumps({"name": project, "files": page(3)}).replace("many-", f"{project}-")
        (tmp_path / f"pages/{project}.json").write_text(made, encoding)
    (tmp_path / "pages/late.json").write_text(json.dumps({"files": late()}))
    ran = run(python_with(f"pip=={version}"), CHECKOUT / "tests/turns.py", CHECKOUT / "src", tmp_path / "pages")
    assert ran.code == 0, ran.out
    compared, enough = map(int, re.findall(r"\d+", ran.out))
    assert enough > compared / 8


@pytest.mark.parametrize("arguments", [(), ("--log", "log")])
def test_a_person_who_reads_the_debug_log_sees_the_whole_page(
    run: Run, index: Index, distributions: Path, python_with: Callable[..., Path], arguments: tuple[str, ...]
) -> None:
    wheel = packages.add_wheel(distributions, "elsewhere", "1.0")
    wheel.rename(distributions / "elsewhere-1.0-py2-none-any.whl")
    pip = (python_with("pip==26.3"), "-m", "pip", *arguments, "download", "elsewhere")
    ran = run(sys.executable, "-m", "cachedindex", "run", "--", *pip, PIP_INDEX_URL=index.url)
    assert ran.code == 1
    assert "(from versions: none)" in ran.err
    if arguments:
        assert "none of the wheel's tags (py2-none-any)" in (distributions.parent / "log").read_text()


@pytest.mark.parametrize("version", ["25.0.1", "25.2"])
def test_a_pip_says_what_it_finds_odd_in_a_wheels_name(
    run: Run, index: Index, distributions: Path, python_with: Callable[..., Path], version: str
) -> None:
    """These warn of names that are not normalized, of wheels that they could not use as well."""
    packages.add_wheel(distributions, "ma_ny", "1.0")
    wheel = packages.add_wheel(distributions, "ma_ny", "0.9").read_bytes()
    for odd in ("ma_ny-0.7_1", "ma__ny-0.8", "ma__ny-1.0", "ma_ny-0.8_1", "ma_ny-0.8_2", "ma_ny-0.8.x", "ma_ny-\u0663"):
        (distributions / f"{odd}-cp39-cp39-win32.whl").write_bytes(wheel)
    pip = (python_with(f"pip=={version}"), "-m", "pip")
    for command in (("index", "versions", "ma-ny"), ("download", "-q", "ma-ny"), ("download", "-q", "ma-ny>1")):
        bare = run(*pip, *command, PIP_INDEX_URL=index.url)
        ours = run(sys.executable, "-m", "cachedindex", "run", "--", *pip, *command, PIP_INDEX_URL=index.url)
        said = [line for line in ours.err.splitlines() if not line.startswith("cachedindex: ")]
        assert (sorted(said), ours.out) == (sorted(bare.err.splitlines()), bare.out)
        assert "not correctly normalised" in bare.err
