from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cachedindex.rules.permissions import is_trusted, refusal, safest


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o2755, 0o2775, 0o2770, 0o500])
def test_a_mode_that_says_plainly_who_may_write(mode: int) -> None:
    assert refusal("/c", 0o040000 | mode, lambda: False) is None


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o1777, "sticky bit"),
        (0o3775, "install -d -m 2775 -g GROUP FOLDER"),
        (0o777, "chmod go-w /c"),
        (0o2777, "every user of this host"),
        (0o702, "every user of this host"),
        (0o775, "chgrp GROUP /c && chmod 2775 /c"),
        (0o770, "setgid"),
    ],
)
def test_a_mode_that_does_not(mode: int, said: str) -> None:
    found = refusal("/c", 0o040000 | mode, lambda: False)
    assert found is not None
    assert said in str(found)
    assert "\n" not in str(found)


def test_a_private_group_or_an_access_list_is_meant() -> None:
    assert refusal("/c", 0o040775, lambda: True) is None
    assert refusal("/c", 0o041775, lambda: True) is not None
    assert refusal("/c", 0o040777, lambda: True) is not None


@given(st.integers(0, 0o3777), st.booleans())
def test_what_we_make_is_never_refused(mode: int, is_meant: bool) -> None:
    made = safest(mode, is_meant=is_meant)
    assert refusal("/c", made, lambda: is_meant) is None
    assert made & ~mode == 0


@pytest.mark.parametrize(
    ("mode", "is_meant", "made"),
    [
        (0o2775, False, 0o2775),
        (0o775, True, 0o775),
        (0o775, False, 0o755),
        (0o777, True, 0o775),
        (0o1777, False, 0o755),
        (0o700, False, 0o700),
    ],
)
def test_a_new_folder_keeps_what_is_meant(mode: int, is_meant: bool, made: int) -> None:
    assert safest(mode, is_meant=is_meant) == made


@pytest.mark.parametrize(
    ("mode", "owner", "group", "trusted"),
    [
        (0o755, 0, 5, True),
        (0o755, 7, 5, True),
        (0o755, 8, 5, False),
        (0o2775, 8, 5, True),
        (0o2775, 8, 6, False),
        (0o2755, 8, 5, False),
        (0o775, 8, 5, False),
    ],
)
def test_whose_folder_may_be_used_if_everybody_could_have_made_it(
    mode: int, owner: int, group: int, trusted: bool
) -> None:
    assert is_trusted(mode, owner, group, user=7, groups={5}) is trusted
