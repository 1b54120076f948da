from __future__ import annotations

from hashlib import sha256
from json import dumps, loads

import pytest
from hypothesis import given, strategies as st

from cachedindex.model import Record
from cachedindex.store.record import asked, blob_of, decode, encode, is_sound, renewed

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
        barred=draw(st.booleans()),
    )


@given(records())
def test_what_was_encoded_is_decoded(record: Record) -> None:
    assert decode(encode(record), record.url) == record


@given(records(), st.data())
def test_every_cut_is_a_miss_and_damage(record: Record, data: st.DataObject) -> None:
    raw = encode(record)
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    assert decode(cut, record.url) is None
    assert not is_sound(cut)


@given(records())
def test_when_it_was_asked_for_is_known_without_the_page(record: Record) -> None:
    raw = encode(record)
    header = raw[: len(raw) - len(record.page or b"")]
    assert asked(header, record.url) == asked(header, None) == record.asked
    assert asked(header, f"{record.url}x") is asked(header[:-1], None) is asked(b"x" + header, None) is None


@given(records(), st.data())
def test_every_flipped_bit_is_a_miss_and_damage(record: Record, data: st.DataObject) -> None:
    raw = bytearray(encode(record))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert decode(bytes(raw), record.url) is None
    assert not is_sound(bytes(raw))


@pytest.mark.parametrize(
    "record", [Record("u", "f", {"a": "b"}, 1.5, 2, 3, 5, "a" * 64, None, ("b", 4.0)),
               Record("u", "f", {}, 1, 2, 3, 4, sha256(b"page").hexdigest(), b"page")],
)  # fmt: skip
def test_every_cut_and_every_bit_of_one_record_exhaustively(record: Record) -> None:
    raw = encode(record)
    assert all(decode(raw[:end], "u") is None for end in range(len(raw)))
    for place in range(len(raw)):
        for bit in range(8):
            flipped = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
            assert decode(flipped, "u") is None


@given(st.binary(max_size=300))
def test_whatever_lies_there_is_a_miss_and_no_error(raw: bytes) -> None:
    assert decode(raw, "url") is None


json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(json | st.dictionaries(st.sampled_from([*Record._fields, "body"]), json))
def test_whatever_somebody_vouches_for_is_no_error(header: object) -> None:
    line = dumps({**header, "url": "url"} if isinstance(header, dict) else header).encode()
    raw = b"cachedindex-record-1 %s\n%s\n" % (sha256(line).hexdigest().encode(), line)
    decode(raw, "url")
    blob_of(raw)


@given(records())
def test_a_pointer_names_its_blob_and_a_page_none(record: Record) -> None:
    assert blob_of(encode(record)) == ((record.sha256, record.size) if record.page is None else ("", 0))


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
    raw = b"%s\n%s\n" % (first, header)
    assert decode(raw, "url") is None
    assert is_sound(raw)
    assert blob_of(raw)[0] == "a" * 64


@given(records())
def test_another_urls_record_is_a_miss(record: Record) -> None:
    assert decode(encode(record), record.url + "x") is None


PAGE = b"<a href=six-1.0.whl>six</a>\n"
PAGES_RECORD = Record(
    url="https://index.example/simple/six/",
    final="https://index.example/simple/six/",
    headers={"etag": '"é"', "content-type": "text/html"},
    asked=10.5,
    checked=11.0,
    took=0.5,
    size=28,
    sha256="dabb467c8006b18b55a79f4045fb456cd00eb09583f732b76cc93e803d76022f",
    page=PAGE,
    form="html",
    expired=True,
)
PAGES_BYTES = (
    b"cachedindex-record-1 993794df3022048cc024bef5d2d6c969d5130c6060f13f7776f8557381a2a0c4\n"
    b'{"asked":10.5,"body":true,"checked":11.0,"expired":true,"final":"https://index.example/simple/six/",'
    b'"form":"html","headers":{"content-type":"text/html","etag":"\\"\\u00e9\\""},'
    b'"sha256":"dabb467c8006b18b55a79f4045fb456cd00eb09583f732b76cc93e803d76022f","size":28,"took":0.5,'
    b'"url":"https://index.example/simple/six/"}\n' + PAGE
)
FILES_RECORD = Record(
    url="https://files.example/six-1.0.whl",
    final="https://files.example/six-1.0.whl",
    headers={},
    asked=10.5,
    checked=11.0,
    took=0.5,
    size=5,
    sha256="ba59926159d2aa256eb8739b8da7e2b574b960e1202c6d624cbe981cef996c91",
)
FILES_BYTES = (
    b"cachedindex-record-1 04268433c1e0526e650efdec421252fa93cc49e8a03b5659175bebb6c776e314\n"
    b'{"asked":10.5,"body":false,"checked":11.0,"expired":false,"final":"https://files.example/six-1.0.whl",'
    b'"form":"","headers":{},"sha256":"ba59926159d2aa256eb8739b8da7e2b574b960e1202c6d624cbe981cef996c91",'
    b'"size":5,"took":0.5,"url":"https://files.example/six-1.0.whl"}\n'
)


@pytest.mark.parametrize(("raw", "record"), [(PAGES_BYTES, PAGES_RECORD), (FILES_BYTES, FILES_RECORD)])
def test_the_format_is_that_of_release_0_1_0(raw: bytes, record: Record) -> None:
    """But for the spaces at the end of a header."""
    assert decode(raw, record.url) == record
    _, header, body = encode(record).split(b"\n", 2)
    assert [header.rstrip(), body] == raw.split(b"\n", 2)[1:]


@pytest.mark.parametrize(("field", "value"), [("asked", "1"), ("headers", []), ("size", None), ("more", 1)])
def test_a_record_with_other_types_or_more_fields_is_a_miss_but_sound(field: str, value: object) -> None:
    header = loads(encode(Record("url", "url", {}, 0, 0, 0, 5, "a" * 64)).splitlines()[1])
    line = dumps({**header, field: value}).encode()
    raw = b"cachedindex-record-1 %s\n%s\n" % (sha256(line).hexdigest().encode(), line)
    assert decode(raw, "url") is None
    assert is_sound(raw)


times = st.floats(1e9, 2e9)


@given(records(), times, times, st.floats(0, 60))
def test_a_renewal_is_the_beginning_of_what_it_renews(
    record: Record, asked: float, checked: float, took: float
) -> None:
    record = record._replace(asked=min(record.asked, asked))
    raw, new = encode(record), record._replace(asked=asked, checked=checked, took=took, expired=False)
    beginning = renewed(raw, new)
    assert beginning is not None
    assert decode(beginning + raw[len(beginning) :], record.url) == new
    assert renewed(raw[: len(beginning)], new) == beginning  # The body need not be read.


@given(records(), st.sampled_from(["url", "final", "sha256", "form"]))
def test_only_a_record_of_the_same_body_is_renewed(record: Record, field: str) -> None:
    assert renewed(encode(record._replace(**{field: "another"})), record) is None
    assert renewed(encode(record._replace(barred=not record.barred)), record) is None
    assert renewed(encode(record)[1:], record) is renewed(b"", record) is None


def test_a_renewal_with_much_longer_headers_has_no_room() -> None:
    record = Record("url", "url", {}, 0, 0, 0, 5, "a" * 64)
    assert renewed(encode(record), record._replace(headers={"etag": "e" * 64})) is None


def test_a_size_that_is_no_number_counts_for_nothing() -> None:
    header = dumps({"sha256": "a" * 64, "size": "large"}).encode()
    raw = b"cachedindex-record-1 %s\n%s\n" % (sha256(header).hexdigest().encode(), header)
    assert blob_of(raw) == ("a" * 64, 0)
