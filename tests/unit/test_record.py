from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, strategies as st

from cachedindex.model import Record
from cachedindex.store.record import decode, encode

text = st.text(max_size=20)
moments = st.floats(0, 4e9)


@st.composite
def records(draw: st.DrawFn) -> Record:
    page = draw(st.none() | st.binary(max_size=200))
    return Record(
        url=draw(text),
        final=draw(text),
        headers=draw(st.dictionaries(text, text, max_size=4)),
        asked=draw(moments),
        checked=draw(moments),
        took=draw(moments),
        size=draw(st.integers(0, 2**40)) if page is None else len(page),
        sha256=draw(st.text("0123456789abcdef", min_size=64, max_size=64))
        if page is None
        else sha256(page).hexdigest(),
        page=page,
        form=draw(st.sampled_from(["", "html", "json"])),
        expired=draw(st.booleans()),
    )


@given(records())
def test_what_was_encoded_is_decoded(record: Record) -> None:
    assert decode(encode(record), record.url) == record


@given(records(), st.data())
def test_every_cut_is_a_miss(record: Record, data: st.DataObject) -> None:
    raw = encode(record)
    assert decode(raw[: data.draw(st.integers(0, len(raw) - 1))], record.url) is None


@given(records(), st.data())
def test_every_flipped_bit_is_a_miss(record: Record, data: st.DataObject) -> None:
    raw = bytearray(encode(record))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert decode(bytes(raw), record.url) is None


@given(records(), st.binary(min_size=1, max_size=10))
def test_what_follows_a_record_makes_it_a_miss(record: Record, more: bytes) -> None:
    assert decode(encode(record) + more, record.url) is None


def test_a_cut_of_the_last_newline_is_a_miss() -> None:
    record = Record("url", "url", {}, 0, 0, 0, 5, "a" * 64)
    assert decode(encode(record)[:-1], "url") is None


@pytest.mark.parametrize("field", ["took", "body", "url", "size"])
def test_a_record_of_another_release_is_a_miss(field: str) -> None:
    record = Record("url", "url", {}, 0, 0, 0, 5, "a" * 64)
    header = encode(record).splitlines()[1].replace(b'"%s"' % field.encode(), b'"another"')
    first = b"cachedindex-record-1 " + sha256(header).hexdigest().encode()
    assert decode(b"%s\n%s\n" % (first, header), "url") is None


@given(records())
def test_another_urls_record_is_a_miss(record: Record) -> None:
    assert decode(encode(record), record.url + "x") is None
