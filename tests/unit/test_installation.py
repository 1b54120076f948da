"""What root installs as the hook is nobody else's to change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cachedindex.errors import SettingsError
from cachedindex.run.installation import Place, install_hook

pytestmark = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="SKIPPED FOR WANT OF ROOT")


@pytest.mark.parametrize(("user", "group", "mode"), [(12345, 0, 0o644), (0, 12345, 0o664)])
def test_root_refuses_a_configuration_that_another_user_may_change(
    tmp_path: Path, user: int, group: int, mode: int
) -> None:
    place, config = tmp_path / "site", tmp_path / "ours.cfg"
    place.mkdir()
    config.touch()
    install_hook(Place(place), "/bin/false", str(config))
    config.chmod(mode)
    os.chown(config, user, group)
    with pytest.raises(SettingsError, match="another user than root may change it"):
        install_hook(Place(place), "/bin/false", str(config))


def test_an_environment_of_that_user_may_have_it(tmp_path: Path) -> None:
    place, config = tmp_path / "site", tmp_path / "ours.cfg"
    place.mkdir()
    config.touch()
    for path in (place, config):
        os.chown(path, 12345, 0)
    install_hook(Place(place), "/bin/false", str(config))
    assert len(list(place.iterdir())) == 3
