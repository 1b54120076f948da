from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from cachedindex.model import Kind, Request, Route
from cachedindex.rules import layout, urls

PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"


def request(url: str, kind: Kind = "page", accepts: str = "", trust: str = "tls", proxy: str = "") -> Request:
    return Request("GET", url, kind, {"accept": accepts}, None, Route(trust, proxy))


def path_of(request: Request) -> Sequence[str]:
    return layout.record_paths(request)[0]


def test_a_persons_way_to_a_record() -> None:
    page = path_of(request("https://index.example:8443/simple/zope.interface/", accepts=PIP))
    assert list(page[:-1]) == ["index.example_8443", "simple", "zope-interface"]
    assert page == path_of(request("https://index.example:8443/simple/Zope_Interface/", accepts=PIP))
    assert page[-1].startswith("page.json.")
    file = path_of(request("https://files.example/ab/cd/six-1.0.whl", "file"))
    assert list(file[:-1]) == ["files.example", "files"]
    assert file[-1].startswith("six-1.0.whl.")


@pytest.mark.parametrize(
    "url",
    ["https://index.example/../../etc/passwd", "https://index.example/%2e%2e/%2e%2e/x/", "https://index.example/a%00b/",
     "https://index.example/.git/.x", "https://index.example/%2fetc/", "https://index.example/" + "x" * 5000 + "/",
     "https://index.example" + "/y" * 5000,
     "https://index.example/CON:a|b?/", "https://../x/"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["page", "file"])
def test_no_url_leads_out_of_the_folder(url: str, kind: Kind) -> None:
    path = path_of(request(url, kind))
    assert len(path) <= 10
    for segment in path:
        assert segment not in ("", ".", "..")
        assert not segment.startswith(".")
        assert len(segment) <= 110
        assert not set(segment) & set('/\\:*?"<>|\0')


@pytest.mark.parametrize("name", ["con", "NUL", "aux.tar.gz", "com1", "lpt9.whl", "prn."])
def test_no_segment_is_a_device_of_windows(name: str) -> None:
    for kind in ("page", "file"):
        path = path_of(request(f"https://{name}/{name}/{name}", kind))  # type: ignore[arg-type]
        for segment in path:
            assert segment.lower().partition(".")[0] not in ("con", "nul", "aux", "com1", "lpt9", "prn")
    assert path_of(request("https://index.example/simple/conda/"))[2] == "conda"


@given(st.text(max_size=200), st.sampled_from(["page", "file", "other"]))
def test_every_segment_can_be_a_file_on_any_system(path: str, kind: Kind) -> None:
    try:
        asked = request(f"https://index.example/{path}", kind)
        segments = path_of(asked)
    except ValueError:  # No URL.
        return
    for segment in segments:
        assert re.fullmatch(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*", segment)
        assert not segment.endswith(".")


def test_the_key_tells_url_representation_and_trust_apart() -> None:
    url = "https://index.example/simple/six/"
    requests = [
        request(url),
        request(url, accepts=PIP),
        request(url, trust="unverified"),
        request(url, trust="ca /etc/ssl/other.pem"),
        request("https://index.example/simple/six"),
        request("https://index.example/other/six/"),
        request("https://mirror.example/simple/six/"),
    ]
    assert len({tuple(path_of(one)) for one in requests}) == len(requests)


def test_health_is_kept_for_an_origin_as_it_is_reached() -> None:
    url = "https://index.example/simple/six/"
    same = {layout.health_name(request(url)), layout.health_name(request("https://index.example/other/"))}
    assert len(same) == 1
    others = {
        layout.health_name(request(url, proxy="proxy.example:3128")),
        layout.health_name(request(url, trust="http")),
        layout.health_name(request("https://index.example:8443/simple/six/")),
    }
    assert len(same | others) == 4


SIX, FLASK = (request(f"https://index.example/simple/{name}/", accepts=PIP) for name in ("six", "flask"))
ANOTHER = request("https://index.example/token/simple/six/", accepts=PIP)
WHEEL = request("https://index.example/simple/six-1.0.whl", "file")


def test_an_event_says_what_it_is_about_if_that_is_everybodys() -> None:
    assert layout.subject(SIX) == SIX.url


@pytest.mark.parametrize("scope", ["0" * 32, "gained", layout.OF_USER])
def test_an_event_does_not_name_what_is_private(scope: str) -> None:
    six, flask, wheel = (layout.subject(each.within(scope)) for each in (SIX, FLASK, WHEEL))
    assert len({six, flask, wheel, layout.subject(SIX.within("another"))}) == 4
    assert not any(secret in subject for subject in (six, flask, wheel) for secret in ("six", "flask", scope))
    assert [subject.endswith("/") for subject in (six, flask, wheel)] == [True, True, False]
    # One index is one repository all the same, and another one is another.
    assert urls.repository(six) == urls.repository(flask) == urls.repository(wheel)
    assert urls.repository(six) != urls.repository(layout.subject(ANOTHER.within(scope)))


def test_an_event_names_the_index_unless_its_path_may_hold_a_token() -> None:
    assert urls.repository(layout.subject(SIX.within("0" * 32))) == "https://index.example/simple/"
    assert "simple" not in layout.subject(SIX.within(layout.OF_USER))
    assert layout.subject(SIX.within(layout.OF_USER)).startswith("https://index.example/")


def test_the_name_of_a_lock_does_not_show_a_scope() -> None:
    assert layout.preferred_key(SIX) == layout.key(SIX, "json")
    private = [layout.preferred_key(SIX.within(scope)) for scope in ("mine", "yours")]
    assert len({*private, layout.preferred_key(SIX)}) == 3
    assert not any("mine" in name or "yours" in name for name in private)


def test_only_pages_have_one_name_however_their_project_is_spelled() -> None:
    one, other = "https://index.example/src/Zope.Interface/", "https://index.example/src/zope-interface/"
    assert path_of(request(one)) == path_of(request(other))
    assert path_of(request(one, "other"))[-1].startswith("Zope.Interface.")
    assert layout.key(request(one, "other"), "") != layout.key(request(other, "other"), "")


def test_a_long_path_is_shortened_where_a_system_wants_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scope does not count: the records of all scopes lie beside each other."""
    monkeypatch.setattr(layout, "_LONGEST_PATH", 90)
    layout._record_path.cache_clear()
    short = request("https://index.example/simple/six/")
    assert list(path_of(short)[:-1]) == ["index.example", "simple", "six"]
    long = request("https://packages.company.example/artifactory/api/pypi/everything-there-is/simple/some-project/")
    assert list(path_of(long)[:-1]) == ["packages.company.exa", "some-project"]
    file = request("https://packages.company.example/files/" + "some-project-" * 20 + "1.0-py3-none-any.whl", "file")
    assert path_of(file)[:-1] == ("packages.company.exa", "files")
    for each in (short, long, file):
        own = path_of(each.within("0" * 32))
        assert own[:-1] == path_of(each)[:-1]
        assert own[-1] == f"{path_of(each)[-1]}.{'0' * 32}"
        assert len("/".join(own)) <= 90 + 33
    layout._record_path.cache_clear()
