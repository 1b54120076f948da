"""Our block in somebody else's file."""

from __future__ import annotations

import pytest

from cachedindex.rules import block

THEIRS = {
    "a line": b"import site\n",
    "no line end": b"import site",
    "empty": b"",
    "blank lines": b"import site\n\n\n",
    "CRLF": b"import site\r\nimport os\r\n",
    "CRLF without the last": b"import site\r\nimport os",
    "CR": b"import site\r",
    "latin-1": b"# coding: latin-1\nname = '\xe9'\n",
    "UTF-8 with a BOM": b"\xef\xbb\xbfname = '\xc3\xa9'\n",
    "an indented end": b"if True:\n    pass\n",
    "words like ours": b"# cachedindex is installed here, `cachedindex hook install` has done it\n# >>> conda <<<\n",
}
each_text = pytest.mark.parametrize("theirs", THEIRS.values(), ids=THEIRS)


@each_text
def test_it_comes_last_and_goes_without_a_trace(theirs: bytes) -> None:
    text = block.added(theirs)
    assert text.startswith(theirs)
    assert block.is_in(text)
    assert not block.is_in(theirs)
    assert block.without(text) == theirs
    assert block.without(theirs) == theirs
    compile(text, "sitecustomize.py", "exec")


@each_text
def test_what_was_written_behind_it_stays(theirs: bytes) -> None:
    text = block.added(theirs) + b"last = 1"
    left = block.without(text)
    assert left
    assert left.startswith(theirs)
    assert left.removeprefix(theirs) in (b"last = 1", b"\nlast = 1", b"\r\nlast = 1")
    compile(left, "sitecustomize.py", "exec")


def test_it_has_the_line_ends_of_the_file() -> None:
    assert b"\n" not in block.added(THEIRS["CRLF"]).replace(b"\r\n", b"")


@each_text
def test_all_of_them_go(theirs: bytes) -> None:
    once = block.added(theirs)
    assert block.without(block.added(block.added(once))) == theirs
    again = block.without(once + b"between = 1\n" + block.added(b""))
    assert again is not None
    assert again.removeprefix(theirs) in (b"between = 1\n", b"\nbetween = 1\n", b"\r\nbetween = 1\n")


def test_whatever_is_in_it_is_ours() -> None:
    text = block.added(b"import site\n").replace(b"    pass\n", b"    raise\n    # theirs\n")
    assert block.without(text) == b"import site\n"


@pytest.mark.parametrize("number", [1, -1], ids=["first", "last"])
def test_nobody_knows_where_it_begins_or_ends_without_its_marks(number: int) -> None:
    lines = block.added(b"import site\n").splitlines(keepends=True)
    del lines[2 if number == 1 else -1]
    with pytest.raises(ValueError, match="first or its last line"):
        block.without(b"".join(lines))
    with pytest.raises(ValueError, match="first or its last line"):
        block.without(block.added(b"".join(lines)))
    assert block.is_in(b"".join(lines))


def test_an_indented_one_and_one_at_the_end_of_the_file_are_found() -> None:
    lines = block.added(b"").strip().splitlines()
    indented = b"if True:\n" + b"\n".join(b"    " + line for line in lines)
    assert block.without(indented) == b"if True:"


def test_one_that_was_made_a_comment_is_none() -> None:
    text = b"".join(b"# " + line for line in block.added(b"import site\n").splitlines(keepends=True))
    assert not block.is_in(text)
    assert block.without(text) == text


def test_a_file_that_was_made_for_it_goes_with_it_unless_somebody_wrote_there() -> None:
    assert block.without(block.MADE) is None
    assert block.without(block.MADE + b"import site\n") == b"import site\n"
    assert block.without(b"import site\n" + block.MADE) == b"import site"
    assert block.without(b"") == b""


def test_the_file_of_0_1_0() -> None:
    mark = b"# Written by `cachedindex hook install`; `cachedindex hook remove` takes it away.\n"
    old = mark + b"import os\nif True:\n    _run_hidden()\n"
    assert block.is_in(old)
    assert block.without(old) is None
    assert block.without(old + b"import site\n") == b"import site\n"
    assert block.without(old[:-4]) is None
