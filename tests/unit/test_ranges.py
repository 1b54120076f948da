from __future__ import annotations

import pytest

from cachedindex.rules.ranges import wanted

STORED = {"etag": '"1"', "last-modified": "Wed, 01 Jan 2020 00:00:00 GMT"}


@pytest.mark.parametrize(
    ("asked", "size", "part"),
    [
        ({}, 10, "whole"),
        ({"range": "bytes=0-0"}, 10, range(1)),
        ({"range": "bytes=2-4"}, 10, range(2, 5)),
        ({"range": "bytes=2-"}, 10, range(2, 10)),
        ({"range": "bytes=2-99"}, 10, range(2, 10)),
        ({"range": "bytes=-3"}, 10, range(7, 10)),
        ({"range": "bytes=-99"}, 10, range(10)),
        ({"range": " Bytes = 2 - 4 "}, 10, range(2, 5)),
        # none that there are
        ({"range": "bytes=10-"}, 10, "none"),
        ({"range": "bytes=10-12"}, 10, "none"),
        ({"range": "bytes=-0"}, 10, "none"),
        ({"range": "bytes=0-"}, 0, "none"),
        ({"range": "bytes=-5"}, 0, "none"),
        # ignored: RFC 9110, section 14.2
        ({"range": "bytes=0-1,4-5"}, 10, "whole"),
        ({"range": "bytes=4-2"}, 10, "whole"),
        ({"range": "bytes=-"}, 10, "whole"),
        ({"range": "bytes=a-b"}, 10, "whole"),
        ({"range": "lines=1-2"}, 10, "whole"),
        ({"range": "bytes"}, 10, "whole"),
        # on a condition
        ({"range": "bytes=2-4", "if-range": '"1"'}, 10, range(2, 5)),
        ({"range": "bytes=2-4", "if-range": '"2"'}, 10, "whole"),
        ({"range": "bytes=2-4", "if-range": 'W/"1"'}, 10, "whole"),
        ({"range": "bytes=2-4", "if-range": "Wed, 01 Jan 2020 00:00:00 GMT"}, 10, range(2, 5)),
        ({"range": "bytes=2-4", "if-range": "Thu, 02 Jan 2020 00:00:00 GMT"}, 10, "whole"),
        ({"if-range": '"2"'}, 10, "whole"),
    ],
)
def test_which_part(asked: dict[str, str], size: int, part: object) -> None:
    assert wanted(asked, STORED, size) == part


def test_a_weak_validator_of_the_copy_fits_nothing() -> None:
    asked = {"range": "bytes=2-4", "if-range": 'W/"1"'}
    assert wanted(asked, {"etag": 'W/"1"'}, 10) == "whole"
