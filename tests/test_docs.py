"""What the documentation says of files, commands, options and tests is so."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import cachedindex
from cachedindex.commands.line import COMMANDS, known
from cachedindex.options import OPTIONS, Settings, truth
from tests import covered
from tests.conftest import CHECKOUT

PAGES = [*sorted(CHECKOUT.glob("*.md")), *sorted((CHECKOUT / "docs").rglob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))


def code(page: Path) -> Iterator[str]:
    """Yield what a page shows as code: indented and fenced lines, continued ones joined, and what is in backticks."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    yield from (line for block in fenced for line in block.splitlines())
    yield from re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", text)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        there = page.parent / path if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_every_page_is_in_the_contents() -> None:
    """The side bar of the site is made from them."""
    contents = CHECKOUT / "docs/README.md"
    listed = re.findall(r"^\* \[.+?\]\((\S+)\)", contents.read_text("utf-8"), re.MULTILINE)
    pages = [page.relative_to(contents.parent).as_posix() for page in (CHECKOUT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(set(pages) - {"README.md"})


@each_page
def test_every_path_and_module_is_there(page: Path) -> None:
    for line in code(page):
        for path in re.findall(r"(?<![\w./-])((?:tests|bench|docs|src|\.ci|\.github)/[\w./-]*)", line):
            assert (CHECKOUT / path).exists(), path
        for module in re.findall(r"python3? -m (bench(?:\.\w+)*)", line):
            assert (CHECKOUT / f"{module.replace('.', '/')}.py").is_file(), module


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_every_module_that_is_named_is_there(name: str) -> None:
    """Such a name is a path below the checkout, the package or the tests."""
    for path in re.findall(r"`([\w/]+\.py)`", (CHECKOUT / name).read_text("utf-8")):
        folders = (CHECKOUT, CHECKOUT / "src/cachedindex", CHECKOUT / "tests")
        assert any((folder / path).is_file() for folder in folders), path


def own_options() -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each command's name with the spellings of each of its options."""
    for name, command in known()[1].items():
        yield from ((name, action.option_strings) for action in command._actions if action.option_strings)


def commands_in(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each cachedindex command in a page's code, and its arguments without the command to be run."""
    for line in code(page):
        for name, arguments in re.findall(r"(?:(?<![\w./=-])|(?<=bin/))cachedindex ([a-z]+)(.*)", line):
            yield name, re.split(r"(?:^| )(?:--|&&|#|>)(?: |$)|;", arguments)[0]


@each_page
def test_every_command_is_one(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser, _ = known()
    for name, arguments in commands_in(page):
        assert name in COMMANDS, f"cachedindex {name}"
        words = shlex.split(re.sub(r"\[options\]|[\[\]…]|\|.*?(?= \[|$)", "", arguments))
        if (
            name in ("hook", "export", "get", "import", "warm") and not words
        ):  # It is the command that is meant, not a call of it.
            continue
        try:
            parser.parse_args([name, *words, *(["--", "true"] if name == "run" else [])])
        except (SystemExit, argparse.ArgumentError) as error:
            pytest.fail(f"cachedindex {name} {arguments}: {error} {capsys.readouterr().err}")


def test_the_reference_of_the_command_line_has_the_commands_and_their_options() -> None:
    text = (CHECKOUT / "docs/reference/command-line.md").read_text("utf-8")
    found = re.findall(r"^## (`cachedindex (\w+).*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    sections = {name: section for section, name in found}
    assert set(sections) == set(COMMANDS)
    of_all = {"--help", *(f"--{name}" for name in OPTIONS)}
    for name, spellings in own_options():
        says = [each for each in spellings if re.search(rf"(?<![\w-]){each}(?![\w-])", sections[name])]
        assert says or not of_all.isdisjoint(spellings), f"cachedindex {name} {spellings}"


def test_the_reference_of_the_api_has_the_public_names() -> None:
    text = (CHECKOUT / "docs/reference/api.md").read_text("utf-8")
    assert set(re.findall(r"^\.\. auto\w+:: cachedindex\.(\w+)$", text, re.MULTILINE)) == set(cachedindex.__all__)


def test_every_option_is_in_the_reference() -> None:
    text = (CHECKOUT / "docs/reference/options.md").read_text("utf-8")
    table = text.partition("\n\n")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == list(OPTIONS)


def test_every_default_of_an_option_is_the_one_that_counts() -> None:
    text = (CHECKOUT / "docs/reference/options.md").read_text("utf-8")
    defaults = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", text, re.MULTILINE))
    assert len(defaults) > len(OPTIONS) / 2
    del defaults["lock-dir"]  # It is another option.
    counting = Settings()._asdict()
    for name, default in defaults.items():
        value = OPTIONS[name].parse(default) if name in OPTIONS else truth(default)
        assert value == counting[name.replace("-", "_")], name


def test_every_guarantee_names_a_test_that_is_there() -> None:
    text = (CHECKOUT / "docs/reference/guarantees.md").read_text("utf-8")
    named = re.findall(r"`([a-z_/]+\.py)`((?:,? `test_\w+`)*)", text)
    assert len(named) > 10
    for path, tests in named:
        source = (CHECKOUT / "tests" / path).read_text("utf-8")
        for test in re.findall(r"test_\w+", tests):
            assert f"def {test}(" in source, f"{path} has no {test}"


@pytest.mark.parametrize("page", covered.PAGES, ids=lambda page: page.name)
def test_the_table_of_what_is_covered_is_that_of_the_tests(page: Path) -> None:
    assert page.read_text("utf-8") == covered.written(page), "python -m tests.covered writes it"


def test_each_row_of_what_is_covered_names_a_test_that_is_there() -> None:
    for row in covered.ROWS:
        assert f"def {row.test}(" in (CHECKOUT / "tests" / row.file).read_text("utf-8"), row
