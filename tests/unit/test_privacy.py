from __future__ import annotations

import base64
from io import BytesIO

import pytest

from cachedindex.model import Answer, Disclosure, Identity, Request
from cachedindex.rules import privacy
from cachedindex.rules.privacy import GAINED, USER
from tests.values import replace

URL = "https://index.example/simple/six/"
PAGE = Request("GET", URL, "page", {})
MINE = PAGE.within("mine")
ADDED = PAGE.within(GAINED)
SHARED = replace(PAGE, identity=Identity(shared=True))
UNKEPT = privacy.unkept(PAGE)
OWN = PAGE.within(USER)
FILE = Request("GET", "https://files.example/six-1.0.whl", "other", {})
PRONE = replace(FILE, identity=Identity(may_gain=True))
HIDING = replace(FILE, identity=Identity(gains=True))
V1, V2 = "application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v2+json"


@pytest.mark.parametrize(
    ("trust", "first", "less"),
    [("tls", "tls", False), ("unverified", "tls", True), ("http", "tls", True), ("ca /x", "tls", True),
     ("tls", "http", False), ("tls", "ca /x", False), ("http", "unverified", True),
     ("unknown", "http", True), ("http", "unknown", False)],
)  # fmt: skip
def test_how_much_a_peer_is_trusted(trust: str, first: str, less: bool) -> None:
    assert privacy.trusted_less(trust, first) is less


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (PAGE, None),
        (replace(PAGE, headers={"accept": "text/html", "user-agent": "pip/26.3", "cache-control": "max-age=0"}), None),
        (MINE, None),
        (replace(PAGE, identity=Identity("secret")), "asked with credentials"),
        (replace(PAGE, headers={"authorization": "Digest x"}), "authorization may be a credential"),
        (replace(PAGE, headers={"cookie": "x"}), "cookie may be a credential"),
        (replace(PAGE, headers={"private-token": "x"}), "private-token may be a credential"),
        (replace(PAGE, headers={"x-forwarded-user": "x"}), "x-forwarded-user may be a credential"),
        (replace(PAGE, url=f"{URL}?token=x"), "a query may be a secret"),
        (replace(PAGE, identity=Identity(gains=True)), "asked with credentials"),
        (replace(PAGE, identity=Identity(gains=True, scope=GAINED)), None),
        (replace(FILE, url=f"{FILE.url}?sha256={'a' * 64}", kind="file", sha256="a" * 64), None),
        (replace(PAGE, headers={"host": "index.example"}), None),
        (replace(PAGE, headers={"host": "INDEX.EXAMPLE"}), None),
        (replace(PAGE, headers={"host": "other.example"}), "it names another host"),
    ],
)
def test_for_which_request_nothing_can_be_kept(request_: Request, why: str | None) -> None:
    said = privacy.unscoped(request_)
    assert said is None if why is None else said and said.startswith(why)


@pytest.mark.parametrize(
    ("authorization", "lasting"),
    [("Basic eDp5", True), ("bearer x", True), ("token x", True), ("Digest x", False), ("Negotiate x", False),
     ("AWS4-HMAC-SHA256 x", False), ("", False)],
)  # fmt: skip
def test_which_authorization_stays_the_same(authorization: str, lasting: bool) -> None:
    assert privacy.is_lasting(authorization) is lasting


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a:b", "", ""), ("", "a:b", "")), (("a", "b", ""), ("a", "", "b")), (("a", "", ""), ("b", "", ""))],
)
def test_credentials_differ_by_place_and_value(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert privacy.credential(*one) != privacy.credential(*other)


def test_a_request_that_anybody_could_make_has_no_credential() -> None:
    assert privacy.credential("", "", "") == ""


@pytest.mark.parametrize(
    ("page", "file", "scope", "shared"),
    [
        (PAGE, FILE, "", False),
        (MINE, FILE, "mine-anybody", False),
        (ADDED, FILE, f"{GAINED}-anybody", False),
        (ADDED, PRONE, GAINED, False),
        (ADDED, HIDING, GAINED, False),
        (MINE, PRONE, "mine-anybody", False),
        (SHARED, FILE, "", True),
        (OWN, FILE, USER, False),
        (OWN, PRONE, USER, False),
        (replace(OWN, identity=Identity(scope=USER, shared=True)), FILE, USER, True),
    ],
)
def test_what_the_files_of_a_page_inherit(page: Request, file: Request, scope: str, shared: bool) -> None:
    inherited = privacy.inherited(page, file)
    assert (inherited.identity.scope, inherited.identity.shared) == (scope, shared)


@pytest.mark.parametrize(
    ("names", "authorization", "known", "shown"),
    [
        ((), "", "", Disclosure()),
        (("accept", "user-agent"), "", "", Disclosure()),
        (("if-none-match", "proxy-authorization"), "", "", Disclosure()),
        (("authorization",), "Basic x", "Basic x", Disclosure()),
        (("authorization",), "Basic x", "", Disclosure(gained=True)),
        (("authorization",), "Basic x", "Basic y", Disclosure(gained=True)),
        (("cookie",), "", "", Disclosure(other=True)),
        (("x-token", "authorization"), "Basic x", "", Disclosure(other=True, gained=True)),
    ],
)
def test_what_a_request_shows_as_it_leaves(
    names: tuple[str, ...], authorization: str, known: str, shown: Disclosure
) -> None:
    assert privacy.disclosed(names, authorization, known) == shown


def answer(shown: Disclosure = Disclosure(), **headers: str) -> Answer:  # noqa: B008 - it is frozen
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, "OK", URL, named, BytesIO(), disclosure=shown)


OTHER, GAINS = Disclosure(other=True), Disclosure(gained=True)


@pytest.mark.parametrize(
    ("request_", "got", "unstorable", "kept_for"),
    [
        (PAGE, answer(), False, ""),
        (PAGE, answer(OTHER), True, ""),
        (MINE, answer(OTHER), True, "mine"),
        (PAGE, answer(GAINS), True, GAINED),
        (ADDED, answer(GAINS), False, GAINED),
        (MINE, answer(GAINS), True, "mine"),
        (SHARED, answer(GAINS), False, ""),
        (SHARED, answer(OTHER), True, ""),
        (PAGE, answer(cache_control="no-store"), True, ""),
        (MINE, answer(cache_control="max-age=3, No-Store"), True, "mine"),
        (PAGE, answer(cache_control="private"), False, ""),
        (UNKEPT, answer(cache_control="private"), True, ""),
        (UNKEPT, answer(), False, ""),
        (UNKEPT, answer(GAINS), True, ""),
        (MINE, answer(cache_control="private"), False, "mine"),
        (SHARED, answer(cache_control="private"), False, ""),
        # devpi says so of every page of a mirror in its healthy state: its "stale" means "not asked just now"
        (PAGE, answer(cache_control="no-store", x_devpi_serial="7"), False, ""),
        (UNKEPT, answer(cache_control="private, no-store", x_devpi_serial="7"), True, ""),
        (PAGE, answer(OTHER, cache_control="no-store", x_devpi_serial="7"), True, ""),
        (PAGE, answer(content_type=V1), False, ""),
        (PAGE, answer(content_type=V2), True, ""),
    ],
)
def test_what_may_be_kept_and_for_whom(request_: Request, got: Answer, unstorable: bool, kept_for: str) -> None:
    assert privacy.unstorable(request_, got) is unstorable
    assert privacy.kept_for(request_, got).identity.scope == kept_for


KEPT = ["content-type", "content-encoding", "etag", "last-modified", "cache-control", "age", "expires", "vary",
        "x-pypi-last-serial"]  # fmt: skip
TELLING = ["set-cookie", "www-authenticate", "authorization", "location", "link", "x-amz-id", "x-request-id", "server"]


@pytest.mark.parametrize("name", KEPT)
def test_a_record_has_what_decides_how_it_is_served_and_renewed(name: str) -> None:
    assert privacy.storable({name: "x"}) == {name: "x"}


@pytest.mark.parametrize("name", TELLING)
def test_a_record_keeps_no_header_that_could_identify_somebody(name: str) -> None:
    assert privacy.storable({name: "x", "etag": "1"}) == {"etag": "1"}


def test_a_request_to_a_shared_index_keeps_no_credential() -> None:
    mine = replace(PAGE, headers={"authorization": "Basic x", "accept": "text/html"}, identity=Identity("secret"))
    opened = privacy.opened(mine)
    assert opened.headers == {"accept": "text/html"}
    assert opened.identity == Identity(shared=True)


@pytest.mark.parametrize(
    ("request_", "scopes"),
    [
        (FILE, (USER,)),
        (PRONE, (USER, GAINED)),
        (HIDING, ()),
        (PRONE.within(GAINED), ()),
        (MINE, ()),
        (OWN, ()),
        (UNKEPT, ()),
        (SHARED, ()),
        (replace(FILE, identity=Identity("secret")), ()),
    ],
)
def test_where_else_a_copy_may_be(request_: Request, scopes: tuple[str, ...]) -> None:
    assert privacy.may_be_own(request_) == scopes


def test_what_was_answered_to_a_credential_that_nobody_saw_is_asked_for() -> None:
    assert privacy.must_be_asked(PRONE.within(GAINED))
    assert not any(map(privacy.must_be_asked, (FILE, PRONE, MINE, OWN)))


@pytest.mark.parametrize(
    ("request_", "got", "page", "own"),
    [
        (PAGE, answer(), b"<a href=x>", False),
        (PAGE, answer(cache_control="max-age=0, Private, must-revalidate"), b"", True),
        (FILE, answer(cache_control="private"), b"", True),
        (PAGE, answer(), b"<a href=https://u:p@index.example/x>", True),
        (FILE, answer(), b"<a href=https://u:p@index.example/x>", False),
        (MINE, answer(cache_control="private"), b"", False),
        (SHARED, answer(cache_control="private"), b"", False),
    ],
)
def test_what_is_one_users_alone(request_: Request, got: Answer, page: bytes, own: bool) -> None:
    assert privacy.is_one_users(request_, got.headers, page) is own
    assert privacy.lies_under(request_, got.headers, page) is not own


def test_what_an_unseen_credential_may_have_got_lies_elsewhere() -> None:
    for unseen in ({"may_gain": True}, {"gains": True}):
        asked = PAGE._replace(identity=PAGE.identity._replace(**unseen))
        assert not privacy.lies_under(asked, {}, b"<a href=x>")


@pytest.mark.parametrize(
    ("scope", "takes"), [("", False), (USER, False), (GAINED, False), ("abc", True), ("abc-anybody", False)]
)
def test_which_scopes_take_a_credential(scope: str, takes: bool) -> None:
    assert privacy.takes_credential(scope) is takes


def test_a_credential_that_a_page_linked_is_the_pages() -> None:
    file = replace(FILE, identity=Identity("of the link"))
    assert privacy.inherited(MINE, file, linked=True).identity == Identity(scope="mine-anybody")
    assert privacy.inherited(MINE, file).identity.credential


@pytest.mark.parametrize(
    ("got", "always", "never"),
    [
        (answer(), False, True),
        (answer(cache_control="no-store"), False, True),
        (answer(OTHER, cache_control="no-store"), True, True),
        (answer(content_type=V2), True, True),
        (answer(cache_control="no-store", x_devpi_serial="7"), False, True),
    ],
)
def test_an_option_overrides_what_an_index_says_of_storing(got: Answer, always: bool, never: bool) -> None:
    assert privacy.unstorable(PAGE, got, store="always") is always
    assert privacy.unstorable(PAGE, got, store="never") is never


GERMAN = replace(PAGE, headers={"accept-language": "de", "user-agent": "pip/26.3", "accept": "text/html"})


@pytest.mark.parametrize(
    ("request_", "vary", "varies"),
    [
        (PAGE, "", False),
        (PAGE, "Accept-Language", False),  # Nobody has asked for a language.
        (GERMAN, "Accept-Language", True),
        (GERMAN, "accept-encoding, ACCEPT-LANGUAGE", True),
        (GERMAN, "User-Agent, Accept", False),  # devpi
        (GERMAN, "Origin, Authorization, Cookie", False),
        (PAGE, "*", True),
    ],
)
def test_what_varies_by_more_than_is_in_the_key(request_: Request, vary: str, varies: bool) -> None:
    assert privacy.varies(request_, {"vary": vary}) is varies
    assert privacy.unstorable(request_, answer(vary=vary)) is varies
    assert not privacy.unstorable(request_, answer(vary=vary), store="always")


@pytest.mark.parametrize(("userinfo", "sent"), [("u:p", b"u:p"), ("u", b"u:"), ("u%40x:p%3A", b"u@x:p:")])
def test_the_credential_of_a_link_is_that_of_a_request_with_it(userinfo: str, sent: bytes) -> None:
    assert privacy.of_userinfo(userinfo) == privacy.credential("", f"Basic {base64.b64encode(sent).decode()}", "")


def test_of_which_requests_nothing_private_is_kept() -> None:
    unkept = privacy.unkept(PAGE)
    assert not unkept.identity.keeps
    assert not privacy.inherited(unkept, FILE).identity.keeps
    assert not privacy.inherited(PAGE, privacy.unkept(FILE)).identity.keeps
    assert privacy.inherited(PAGE, FILE).identity.keeps


@pytest.mark.parametrize(("scope", "unseen"), [("", GAINED), ("abc", f"abc-{GAINED}")])
def test_a_credential_that_nobody_sees_has_a_scope_of_its_own_beside_another(scope: str, unseen: str) -> None:
    assert privacy.unseen(scope) == unseen
    assert privacy.must_be_asked(PAGE.within(unseen))


def test_an_index_whose_path_may_hold_a_token_is_shown_without_it() -> None:
    shown = privacy.shown_index(PAGE.within(USER))
    assert shown.startswith("https://index.example/***")
    assert "simple" not in shown
    assert shown != privacy.shown_index(replace(PAGE, url="https://index.example/another/six/").within(USER))
    assert privacy.shown_index(PAGE) == privacy.shown_index(MINE) == "https://index.example/simple/"


@pytest.mark.parametrize(
    ("request_", "got", "page", "readers"),
    [
        (PAGE, None, b"", "all"),
        (PAGE, answer(), b"<a href=x>", "all"),
        (SHARED, answer(cache_control="private"), b"", "all"),
        # a scope is this user's, and without one nothing is kept of a credential
        (MINE, answer(), b"", "user"),
        (MINE, None, b"", "user"),
        (replace(PAGE, identity=Identity("secret")), answer(), b"", "nobody"),
        (replace(PAGE, identity=Identity(gains=True)), None, b"", "nobody"),
        # what upstream has shown to be private
        (PAGE, answer(GAINS), b"", "user"),
        (PAGE, answer(OTHER), b"", "user"),
        (PAGE, answer(cache_control="private"), b"", "user"),
        (PAGE, answer(), b"<a href=https://u:p@index.example/x>", "user"),
        (PAGE, replace(answer(), status=401), b"", "user"),
        (PAGE, replace(answer(), status=403), b"", "user"),
        (PAGE, replace(answer(), status=404), b"", "all"),
        (UNKEPT, answer(GAINS), b"", "nobody"),
        (UNKEPT, answer(), b"", "all"),
    ],
)
def test_who_may_learn_that_a_request_was_made(
    request_: Request, got: Answer | None, page: bytes, readers: str
) -> None:
    assert privacy.seen_by(request_, got, page) == readers
