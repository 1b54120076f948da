from __future__ import annotations

import pytest

from cachedindex.clients import outsiders


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("uv --no-offline sync", "uv --no-offline"),
        ("/opt/bin/uv.exe --no-offline sync", "uv --no-offline"),
        ("python3.12 -m uv --no-offline sync", "uv --no-offline"),
        ("pipx install six", None),
        ("pipenv sync", None),
        ("poetry lock", None),
        ("pdm add six", None),
        ("uv sync", None),
        ("python -m", None),
        ("python -m pip install pipx", None),
        ("make install", None),
    ],
)
def test_what_cannot_be_kept_offline(command: str, said: str | None) -> None:
    why = outsiders.refusal(command.split())
    assert (why and why.partition(":")[0]) == said
