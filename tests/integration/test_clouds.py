"""Runs whose remote is Google's object store or Azure's, as far as those differ from S3."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests import index as faults
from tests.clouds import KEY, Azure, Cloud, Google, serving
from tests.conftest import Run
from tests.index import Fault, Index
from tests.nodes import Node, send_at_once

pytest.importorskip("obstore", reason="SKIPPED FOR WANT OF obstore: pip install --editable .[remote]")
from cachedindex.remote.objects import Objects, Unanswered

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}


@pytest.fixture(params=[Google, Azure], ids=lambda kind: kind.__name__.lower())
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with serving(request.param) as cloud:
        yield cloud


@pytest.fixture
def node(run: Run, cloud: Cloud, index: Index, python_with: Callable[..., Path], tmp_path: Path) -> Callable[..., Node]:
    """Give a function that makes a new node."""
    pip = python_with("pip==26.3")

    def node(name: str, **more: str) -> Node:
        options = {"CACHEDINDEX_REMOTE": cloud.url, "CACHEDINDEX_REMOTE_TIMEOUT": "30 s", "CACHEDINDEX_JOB": "nightly"}
        return Node(tmp_path / name, run, pip, {"PIP_INDEX_URL": index.url, **options, **cloud.variables, **more})

    return node


@pytest.fixture
def objects(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """Give the store as a helper process sees it."""
    for name, value in cloud.variables.items():
        monkeypatch.setenv(name, value)
    return Objects(cloud.url, 30.0)


def test_what_one_node_has_built_a_new_one_builds_with_every_index_dead(
    node: Callable[..., Node], cloud: Cloud, index: Index
) -> None:
    one = node("one")
    assert one.installs("alpha", "source").ours == []
    assert {name.partition("/")[0] for name in cloud.keys("")} == {"blobs-v1", "jobs-v1", "records-v1"}
    assert not any(KEY.encode() in held.content for held in cloud.held.values())
    index.refuse()
    two = node("two")
    ran = two.installs("alpha", "source", **EXPIRED)
    assert ran.code == 0, ran.err
    assert two.installed == one.installed != []
    assert two.uses()["before"].found == two.uses()["before"].asked > 0


def refused(*methods: str) -> Fault:
    """Refuse these requests, and repeat in the answer by what they were signed, as Azure does."""

    def fault(handler: faults.Handler) -> bool:
        signed = handler.headers.get("Authorization", "").encode()
        return handler.command not in methods or faults.status(403, body=signed)(handler)

    return fault


@pytest.mark.parametrize("methods", [("PUT",), ("GET", "HEAD", "PUT")], ids=["writing", "all"])
def test_what_is_forbidden_is_one_line(node: Callable[..., Node], cloud: Cloud, methods: tuple[str, ...]) -> None:
    one = node("one")
    cloud.fault(refused(*methods))
    ran = one.installs("alpha")
    assert ran.code == 0, ran.err
    (line,) = ran.ours
    assert line.startswith(f"cachedindex: remote: {cloud.url} refuses what these credentials ask for")
    assert "SharedKey" not in ran.out + ran.err
    assert cloud.keys() == []


def test_of_two_nodes_that_send_at_once_the_newer_page_stays(cloud: Cloud, objects: Objects, tmp_path: Path) -> None:
    send_at_once(cloud, tmp_path)


def test_an_object_is_put_once_and_replaced_only_as_it_was_read(objects: Objects) -> None:
    assert objects.read("folder/a+b.json") is None
    assert objects.version("folder/a+b.json") is None
    assert objects.add("folder/a+b.json", b"first")
    assert not objects.add("folder/a+b.json", b"another")
    found = objects.read("folder/a+b.json")
    assert found
    assert found.whole(100) == b"first"
    assert objects.replace("folder/a+b.json", b"second", found.version)
    assert not objects.replace("folder/a+b.json", b"third", found.version)
    there = objects.version("folder/a+b.json")
    assert there
    assert there[0] == len(b"second")
    assert objects.replace("folder/a+b.json", b"fourth", there[1])


def test_a_cut_object_is_none(objects: Objects, cloud: Cloud) -> None:
    objects.add("key", b"content" * 1000)
    cloud.fault(faults.cut)
    with pytest.raises(Unanswered):
        objects.read("key").whole(10_000)  # type: ignore[union-attr]


ACCOUNT = '{"client_email": "ci", "private_key": "no key", "private_key_id": "1"}'
UNUSABLE: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "no account": ("az", {}),
    "a key of another kind": ("az", {"AZURE_STORAGE_ACCOUNT_NAME": "builds", "AZURE_STORAGE_ACCOUNT_KEY": "no key!"}),
    "no file": ("gs", {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/ci.json"}),
    "no account in the file": ("gs", {"GOOGLE_SERVICE_ACCOUNT_KEY": "{}"}),
    "no key in the file": ("gs", {"GOOGLE_SERVICE_ACCOUNT_KEY": ACCOUNT}),
}
PLAIN: Mapping[str, Mapping[str, str]] = {
    "s3": {"AWS_ENDPOINT_URL": "{}", "AWS_ACCESS_KEY_ID": "ci", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "x"},
    "gs": {"GOOGLE_SERVICE_ACCOUNT_KEY": '{{"gcs_base_url": "{}", "disable_oauth": true, "client_email": "",'
                                         ' "private_key": "", "private_key_id": ""}}'},
    "az": {"AZURE_STORAGE_ENDPOINT": "{}", "AZURE_STORAGE_ACCOUNT_NAME": "ci", "AZURE_STORAGE_ACCOUNT_KEY": "c2Vj"},
}  # fmt: skip


def answered(monkeypatch: pytest.MonkeyPatch, scheme: str, variables: Mapping[str, str]) -> str:
    """Return what is said of a store that is asked with these variables in the environment."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Unanswered) as said:
        Objects(f"{scheme}://builds/prefix", 5.0).read("key")
    return str(said.value)


@pytest.mark.parametrize("what", UNUSABLE)
def test_credentials_that_cannot_be_used_are_named_as_what_is_wrong(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = answered(monkeypatch, *UNUSABLE[what])
    assert said == "cannot be asked: the environment has no credentials for it, or such as cannot be read"


@pytest.mark.parametrize("scheme", PLAIN)
def test_an_address_without_tls_has_to_be_allowed(scheme: str, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {name: text.format(index.origin) for name, text in PLAIN[scheme].items()}
    assert "ALLOW_HTTP=true" in answered(monkeypatch, scheme, variables)
    assert index.seen == []
