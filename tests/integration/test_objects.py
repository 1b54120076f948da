"""The S3 server of the tests is a real one in what the cache relies on: conditions hold, and a kill loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import index
from tests.between import Between, between
from tests.objects import BUCKET, READER, STRANGER, WRITER, Identity, Objects

pytest.importorskip("obstore", reason="SKIPPED FOR WANT OF obstore: pip install --editable .[objects]")
from obstore import exceptions
from obstore.store import S3Store

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("objects")]
AT_ONCE = 4
ROUNDS = 5
"""Of those that wait for one object, the server lets one go on each second."""


def store(objects: Objects, who: Identity = WRITER, endpoint: str = "") -> S3Store:
    return S3Store(
        BUCKET, prefix=objects.prefix, endpoint=endpoint or objects.endpoint, access_key_id=who.key,
        secret_access_key=who.secret, region="us-east-1", client_options={"allow_http": True, "timeout": "30s"},
        retry_config={"max_retries": 0},
    )  # fmt: skip


@pytest.fixture
def before(objects: Objects) -> Iterator[Between]:
    with between(objects.endpoint) as server:
        yield server


def test_of_those_that_create_one_object_at_once_one_does(objects: Objects) -> None:
    stores = [store(objects) for _ in range(AT_ONCE)]

    def create(number: int, key: str) -> bool:
        try:
            stores[number].put(key, str(number).encode(), mode="create")
        except exceptions.AlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for each in range(ROUNDS):
            done = list(pool.map(create, range(AT_ONCE), [f"key-{each}"] * AT_ONCE))
            assert done.count(True) == 1, done
            assert objects.read(f"key-{each}") == str(done.index(True)).encode()


def test_of_those_that_replace_one_object_at_once_one_does(objects: Objects) -> None:
    stores = [store(objects) for _ in range(AT_ONCE)]

    def replace(number: int, tag: str) -> str | None:
        try:
            return str(stores[number].put("key", tag.encode() + b"%d" % number, mode={"e_tag": tag})["e_tag"])
        except exceptions.PreconditionError:
            return None

    tag = str(stores[0].put("key", b"first")["e_tag"])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(ROUNDS):
            tags = list(pool.map(replace, range(AT_ONCE), [tag] * AT_ONCE))
            (winner,) = (number for number, new in enumerate(tags) if new)
            assert objects.read("key") == tag.encode() + b"%d" % winner
            tag = str(tags[winner])


def test_a_kill_leaves_what_was_stored(objects: Objects) -> None:
    store(objects).put("folder/key", b"kept" * 100_000)
    objects.kill()
    with pytest.raises(exceptions.BaseError):
        store(objects).get("folder/key")
    objects.start()
    assert bytes(store(objects).get("folder/key").bytes()) == b"kept" * 100_000
    store(objects).put("folder/other", b"new")
    assert objects.keys() == objects.keys("folder") == ["folder/key", "folder/other"]


def test_a_reader_reads_and_a_stranger_does_not(objects: Objects) -> None:
    store(objects).put("key", b"content")
    assert bytes(store(objects, READER).get("key").bytes()) == b"content"
    for refused in (
        lambda: store(objects, READER).put("key", b"other"),
        lambda: store(objects, STRANGER).get("key"),
    ):
        with pytest.raises(exceptions.PermissionDeniedError):
            refused()
    assert objects.read("key") == b"content"


def test_what_lies_there_can_be_changed_past_it(objects: Objects) -> None:
    store(objects).put("key", b"content")
    objects.write("key", b"other")
    assert bytes(store(objects).get("key").bytes()) == b"other"
    objects.delete("key")
    with pytest.raises(FileNotFoundError):
        store(objects).get("key")


def test_what_stands_between_passes_on_and_lies_on_demand(objects: Objects, before: Between) -> None:
    ours = store(objects, endpoint=before.origin)
    ours.put("key", b"content" * 1000)
    assert bytes(ours.get("key").bytes()) == b"content" * 1000
    assert ours.head("key")["size"] == 7000
    assert [seen.method for seen in before.seen] == ["PUT", "GET", "HEAD"]
    for fault in (index.status(503), index.status(403), index.cut, index.reset):
        before.fault(fault)
        with pytest.raises(exceptions.BaseError):
            ours.get("key").bytes()
        before.heal()
    before.fault(index.altered(bytes.upper))
    assert bytes(ours.get("key").bytes()) == b"CONTENT" * 1000
    before.heal()
    assert bytes(ours.get("key").bytes()) == b"content" * 1000
