"""What the documentation says of the tests is so."""

from __future__ import annotations

import re

from tests.conftest import CHECKOUT


def test_every_guarantee_names_a_test_that_is_there() -> None:
    text = (CHECKOUT / "docs/reference/guarantees.md").read_text("utf-8")
    named = re.findall(r"`([a-z_/]+\.py)`((?:,? `test_\w+`)*)", text)
    assert len(named) > 10
    for path, tests in named:
        source = (CHECKOUT / "tests" / path).read_text("utf-8")
        for test in re.findall(r"test_\w+", tests):
            assert f"def {test}(" in source, f"{path} has no {test}"
