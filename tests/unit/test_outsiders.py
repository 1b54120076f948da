from __future__ import annotations

import pytest

from cachedindex.clients import outsiders


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("pipx install six", "pipx install"),
        ("/opt/bin/pipx --quiet upgrade-all", "pipx upgrade-all"),
        ("python3.12 -m pipx run six", "pipx run"),
        ("uv --no-offline sync", "uv --no-offline"),
        ("pipx.exe run six", "pipx run"),
        ("pipenv sync", None),
        ("poetry lock", None),
        ("pdm add six", None),
        ("pipx list", None),
        ("uv sync", None),
        ("python -m", None),
        ("python -m pip install pipx", None),
        ("make install", None),
    ],
)
def test_what_cannot_be_kept_offline(command: str, said: str | None) -> None:
    why = outsiders.refusal(command.split())
    assert (why and why.partition(":")[0]) == said
