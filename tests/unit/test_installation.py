"""The hook's files in an environment: which a Python needs, and that what root installs is nobody else's to change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cachedindex.errors import SettingsError
from cachedindex.run.installation import Place, install_hook, remove_hook

NO_PYTHON = "/no/such/python"
"""What cannot be run compiles nothing, and takes no time."""
for_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="SKIPPED FOR WANT OF ROOT")


@pytest.mark.parametrize(
    ("version", "endings"), [((3, 10), {".py", ".pth"}), ((3, 17), {".py", ".pth"}), ((3, 18), {".py", ".start"})]
)
def test_a_python_gets_the_files_that_it_reads(tmp_path: Path, version: tuple[int, int], endings: set[str]) -> None:
    """Import lines are the cheaper way as long as there are any (PEP 829); a `.start` file would switch them off."""
    for left in ("pth", "start"):
        (tmp_path / f"_cachedindex_start.{left}").write_text("of an older release")
    place = Place(tmp_path, version=version)
    install_hook(place, NO_PYTHON)
    assert {path.suffix for path in tmp_path.iterdir()} == endings
    assert [path.name for path in place.installed()] == place.needed()


def test_all_files_of_older_releases_are_removed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    install_hook(place, NO_PYTHON)
    (tmp_path / "_cachedindex_start.start").write_text("of 0.1.0")
    assert remove_hook(place, NO_PYTHON)
    assert not list(tmp_path.iterdir())


@for_root
@pytest.mark.parametrize(("user", "group", "mode"), [(12345, 0, 0o644), (0, 12345, 0o664)])
def test_root_refuses_a_configuration_that_another_user_may_change(
    tmp_path: Path, user: int, group: int, mode: int
) -> None:
    place, config = tmp_path / "site", tmp_path / "ours.cfg"
    place.mkdir()
    config.touch()
    install_hook(Place(place), NO_PYTHON, str(config))
    config.chmod(mode)
    os.chown(config, user, group)
    with pytest.raises(SettingsError, match="another user than root may change it"):
        install_hook(Place(place), NO_PYTHON, str(config))


@for_root
def test_an_environment_of_that_user_may_have_it(tmp_path: Path) -> None:
    place, config = tmp_path / "site", tmp_path / "ours.cfg"
    place.mkdir()
    config.touch()
    for path in (place, config):
        os.chown(path, 12345, 0)
    install_hook(Place(place), NO_PYTHON, str(config))
    assert len(list(place.iterdir())) == 2
