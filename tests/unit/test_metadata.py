"""The metadata in a stored wheel: exactly what was promised, or nothing."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest

from cachedindex.lookup import metadata
from cachedindex.model import Record

URL = "http://index.example/files/alpha-1.0-py3-none-any.whl.metadata"
TEXT = b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n"


def zipped(**files: bytes) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return body.getvalue()


WHEEL = zipped(alpha=b"", **{"alpha-1.0.dist-info__METADATA": TEXT, "vendored__b-2.dist-info__METADATA": b"other"})

_PLACE = WHEEL.index(b"METADATA") + 12
DAMAGED = WHEEL[:_PLACE] + bytes([WHEEL[_PLACE] ^ 0xFF]) + WHEEL[_PLACE + 1 :]


def of_wheel(content: bytes, sha256: str = hashlib.sha256(TEXT).hexdigest()) -> Record | None:
    stored = Record(URL.removesuffix(".metadata"), "", {"etag": "x"}, 1.0, 2.0, 0.1, len(content), "0" * 64)
    body = io.BytesIO(content)
    try:
        return metadata.of_wheel(stored, body, URL, sha256)
    finally:
        assert body.closed


def test_it_is_served_as_old_as_the_wheel() -> None:
    found = of_wheel(WHEEL)
    assert found
    assert (found.page, found.url, found.final, found.size, found.checked) == (TEXT, URL, URL, len(TEXT), 2.0)
    assert found.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert "etag" not in found.headers


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\3\4 cut", WHEEL[:-30], DAMAGED, zipped(METADATA=TEXT), zipped(a=b"")],
)
def test_there_is_none_in_what_is_no_wheel(content: bytes) -> None:
    assert of_wheel(content) is None


def test_other_metadata_than_were_promised_are_none() -> None:
    assert of_wheel(WHEEL, "1" * 64) is None


def test_metadata_beyond_all_measure_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_LONGEST", len(TEXT) - 1)
    assert of_wheel(WHEEL) is None
