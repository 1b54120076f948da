"""A cache folder that does not answer, as on a mount whose server is gone, costs a build a second or two."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.hostile.conftest import Mount, needed
from tests.index import Index

CLIENT = """
import sys
import requests, cachedindex

url, cache = sys.argv[1:]
session = requests.Session()
session.mount("http://", cachedindex.CachedIndexAdapter(cache_dir=cache))
for name in ("alpha", "beta"):
    print(session.get(f"{url}{name}/").status_code)
"""


def test_a_build_on_a_frozen_disk_goes_on_without_us(mount: Mount, index: Index, tmp_path: Path) -> None:
    needed("fsfreeze of util-linux", "mkfs.ext4 of e2fsprogs")
    image, folder = tmp_path / "disk", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    mount(folder, "-o", "loop", image)
    folder.chmod(0o755)

    def build() -> tuple[str, str]:
        command = [sys.executable, "-c", CLIENT, index.url, str(folder / "cache")]
        built = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return built.stdout, built.stderr

    assert build() == ("200\n200\n", "")
    subprocess.run(["fsfreeze", "--freeze", folder], check=True)
    try:
        out, err = build()
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", folder], check=True)
    assert out == "200\n200\n"
    assert err == f"cachedindex: {folder / 'cache'} does not answer; the build continues without the cache\n"
    asked = len(index.seen)
    assert build() == ("200\n200\n", "")
    assert len(index.seen) == asked, "the copies are there"
