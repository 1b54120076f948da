"""What a lock file locks, as requirements."""

from __future__ import annotations

import pytest

from cachedindex.rules import lockfile


def test_its_packages_become_requirements_with_all_their_hashes() -> None:
    document = {
        "packages": [
            {
                "name": "six",
                "version": "1.17.0",
                "marker": "python_version >= '3'",
                "wheels": [{"hashes": {"sha256": "aa"}}, {"hashes": {"sha256": "bb"}}],
                "sdist": {"hashes": {"sha256": "cc"}},
            },
            {"name": "seven", "version": "1", "marker": "'x' in extras", "wheels": [{}]},
            {"name": "eight", "archive": {"url": "https://files.example/eight.zip", "hashes": {"sha256": "dd"}}},
            {"name": "nine", "vcs": {"type": "git"}},
            {"name": "ten", "directory": {"path": "."}},
            {"name": "eleven", "archive": {"path": "eleven.zip"}},
        ]
    }
    assert list(lockfile.requirements(document)) == [
        "six==1.17.0 ; python_version >= '3' --hash=sha256:aa --hash=sha256:bb --hash=sha256:cc",
        "seven==1",
        "eight @ https://files.example/eight.zip --hash=sha256:dd",
    ]


@pytest.mark.parametrize("document", [{}, {"packages": [1]}, {"packages": 1}, {"packages": [{"wheels": [{}]}]}])
def test_what_is_no_lock_file_is_an_error(document: dict[str, object]) -> None:
    with pytest.raises((LookupError, TypeError, AttributeError)):
        list(lockfile.requirements(document))
