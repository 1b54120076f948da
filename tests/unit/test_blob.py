from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from cachedindex.store import blob


def test_a_blob_is_sound_if_it_has_the_digest_in_its_name_or_is_gone(tmp_path: Path) -> None:
    path = tmp_path / sha256(b"wheel").hexdigest()
    assert blob.is_sound(path), "there is nothing wrong with it any more"
    path.write_bytes(b"wheel")
    assert blob.is_sound(path)
    path.write_bytes(b"whee!")
    assert not blob.is_sound(path)
