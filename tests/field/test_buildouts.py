"""The real buildout against an index that behaves as a real one does."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests import index as faults, packages
from tests.conftest import Ran
from tests.field.conftest import assert_hidden, below, login, settings, with_token
from tests.index import Handler, Index, serving
from tests.integration.conftest import eggs
from tests.sites import new_authority, trusting

EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0", "CACHEDINDEX_TIMEOUT": "1"}
SMALL = "py:eggs=epsilon"


@pytest.mark.parametrize("outage", [True, False], ids=["outage", "fresh"])
def test_a_buildout_is_served_what_a_pip_has_stored(
    buildout: Callable[..., Ran], pip_install: Callable[..., Ran], index: Index, tmp_path: Path, outage: bool
) -> None:
    # buildout#573: pip asks for JSON, buildout reads HTML only; one node's builds have one copy of each page.
    kept = {} if outage else {"CACHEDINDEX_INDEX_TTL": "1 h"}
    assert buildout("A", "py:eggs=epsilon", **kept).code == 0
    assert pip_install("target", "alpha", "source", **kept).code == 0
    index.seen.clear()
    if outage:
        index.close()
    second = buildout("B", **(EXPIRED if outage else kept))
    assert second.code == 0, second.err
    assert len(eggs(tmp_path / "B")) == 7
    assert index.seen == []


def test_a_pip_is_served_what_a_buildout_has_stored(
    buildout: Callable[..., Ran], pip_install: Callable[..., Ran], index: Index
) -> None:
    # HTML has no upload times, so that pip ends, and blames the index; the last line says what was stored.
    assert buildout("A", SMALL).code == 0
    index.close()
    second = pip_install("B", "epsilon", "--uploaded-prior-to", "2020-01-01", **EXPIRED)
    assert second.code != 0
    assert "what is stored is HTML, which has no upload times" in second.ours[-1]
    third = pip_install("C", "epsilon", **EXPIRED)
    assert third.code == 0, third.err


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(403),  # tuna#2603, tuna#2605, InkyPi#292: a firewall that dislikes the client
        faults.status(429, {"Retry-After": "60"}),  # airflow#50716
        faults.body(b"<html><body></body></html>"),  # pypicloud#101, devpi#569: each project is empty at once
        faults.body(faults.PORTAL),
    ],
    ids=["403", "429", "empty", "login"],
)
def test_an_index_that_answers_badly_is_an_outage(
    buildout: Callable[..., Ran], index: Index, tmp_path: Path, fault: faults.Fault
) -> None:
    assert buildout("A", SMALL).code == 0
    index.fault(fault, "^/simple/")
    second = buildout("B", SMALL, **EXPIRED)
    assert second.code == 0, second.err
    assert eggs(tmp_path / "A") == eggs(tmp_path / "B")
    (line,) = second.ours
    assert "served 2 pages stale" in line


def test_a_nightly_index_lists_its_newest_egg_only(
    buildout: Callable[..., Ran], index: Index, distributions: Path, tmp_path: Path
) -> None:
    # vllm#17804, vllm#44515; devpi#436: a private upload hides all that was there.
    assert buildout("A", SMALL).code == 0
    (distributions / "epsilon-1.0-py3-none-any.whl").unlink()
    packages.add_wheel(distributions, "epsilon", "2.0")
    second = buildout("B", SMALL, "versions:epsilon=2.0", **EXPIRED)
    assert second.code == 0, second.err
    assert any(name.startswith("epsilon-2.0") for name in eggs(tmp_path / "B"))
    assert second.ours == []


def test_find_links_without_distributions_end_no_buildout(buildout: Callable[..., Ran], index: Index) -> None:
    # Plone's find-links, EasyNewsletter#4: a folder's listing that has no distribution.
    listing = b"<html><head><title>Index of /links/</title></head><body><a href='../'>..</a></body></html>"
    index.fault(faults.body(listing), "^/links/")
    folder = f"buildout:find-links={index.origin}/links/"
    for name in ("A", "B"):
        ran = buildout(name, SMALL, folder, options="missing-index = fail", **EXPIRED)
        assert ran.code == 0, ran.err
        assert ran.ours == []


def sends(header: str) -> Callable[[Index], None]:
    return lambda index: index.headers.update({"Cache-Control": header})


def signs_its_links(index: Index) -> None:
    number = count()

    def signed(handler: Handler) -> bool:
        return faults.altered(lambda page: page.replace(b".whl#", b".whl?sig=%d#" % next(number)))(handler)

    index.fault(signed, "^/simple/")


def has_a_token_in_its_links(index: Index) -> None:
    start = index.origin.replace("//", "//julia:correct-horse@").encode()
    index.fault(faults.altered(lambda page: page.replace(b"../../files", start + b"/files")), "^/simple/")


@pytest.mark.parametrize(
    ("behave", "options"),
    [
        (sends("no-cache, no-store, must-revalidate"), "store = always"),  # uv#16959, pytorch/test-infra#8238
        (sends("max-age=0, private, must-revalidate"), ""),  # the default of Rails, to anonymous clients too
        (sends("must-revalidate"), ""),  # test-infra#8238; docs/explanation says why it is served
        (signs_its_links, ""),  # terraform-aws-serverless-pypi, pip#10790
        (has_a_token_in_its_links, ""),  # gemfury#45
    ],
    ids=["no-store", "private", "must-revalidate", "signed", "token"],
)
def test_a_buildout_survives_the_outage_of_an_index_that_wants_no_cache(
    buildout: Callable[..., Ran], index: Index, tmp_path: Path, behave: Callable[[Index], None], options: str
) -> None:
    behave(index)
    assert buildout("A", SMALL, options=options).code == 0
    assert buildout("B", SMALL, options=options, **EXPIRED).ours == []
    index.close()
    third = buildout("C", SMALL, options=options, **EXPIRED)
    assert third.code == 0, third.err
    assert eggs(tmp_path / "A") == eggs(tmp_path / "C")
    shared = tmp_path / "cache/records-v1"
    assert not any(b"correct-horse" in path.read_bytes() for path in shared.rglob("*") if path.is_file())


def test_a_buildout_has_a_token_that_is_new_in_each_job(
    buildout: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    # uv#3009, uv#8563: GitLab, CodeArtifact, Artifact Registry.
    index.fault(login)
    for job in ("A", "B", "C"):
        if job == "C":
            index.close()
        token = f"buildout:index={with_token(index, job)}"
        index.seen.clear()
        ran = buildout(job, SMALL, token, options="share = user", **(EXPIRED if job == "C" else {}))
        assert ran.code == 0, ran.err
        assert job == "A" or index.seen == []
    assert eggs(tmp_path / "A") == eggs(tmp_path / "C")


def test_a_buildout_has_a_token_in_the_path(buildout: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    # pip-tools#697, dependabot-core#4539: who knows the URL has the token.
    index.fault(below("s3cr3t"), "^/s3cr3t/")
    own = settings(tmp_path, index, "private = true", path="s3cr3t/")
    secret = f"buildout:index={index.origin}/s3cr3t/simple/"
    assert buildout("A", SMALL, secret, **own).code == 0
    assert_hidden(tmp_path / "cache", "s3cr3t")
    index.close()
    second = buildout("B", SMALL, secret, **own, **EXPIRED)
    assert second.code == 0, second.err
    assert eggs(tmp_path / "A") == eggs(tmp_path / "B")
    assert "s3cr3t" not in "".join(second.ours)


def test_the_bundle_of_a_buildout_lies_elsewhere_in_each_job(
    buildout: Callable[..., Ran], distributions: Path, tmp_path: Path
) -> None:
    # safe-chain#147, pip-tools#612: a temporary copy of the same bundle for each job.
    authority = new_authority()
    with serving(distributions, authority=authority) as index:
        there = f"buildout:index={index.url}"
        for job in ("A", "B", "C"):
            authority.cert_pem.write_to_path(str(tmp_path / f"{job}.pem"))
            if job == "C":
                index.fault(faults.status(503))
            index.seen.clear()
            trusted = trusting(tmp_path / f"{job}.pem")
            ran = buildout(job, SMALL, there, **trusted, **(EXPIRED if job == "C" else {}))
            assert ran.code == 0, ran.err
            assert job != "B" or index.seen == []
    assert eggs(tmp_path / "A") == eggs(tmp_path / "C")
