from __future__ import annotations

import math
from pathlib import Path

import pytest

from cachedindex.clients.buildout.eggproxy import translated
from cachedindex.errors import SettingsError
from cachedindex.options import INDEX_OPTIONS, OPTIONS, Problem, Settings, duration, merge, read, read_index


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("1.5", 1.5), ("90 s", 90), ("10min", 600), ("10 minutes", 600), ("2 H", 7200),
     ("30 d", 2_592_000), ("1 week", 604_800)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "10 parsecs", "1 2", "1e3"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write a number of seconds"):
        duration(text)


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("cache-dir", " /srv/cache ", "/srv/cache"),
        ("index-ttl", "10 min", 600),
        ("index-ttl", "0", 0),
        ("timeout", "5", 5),
        ("stale-if-error", "never", 0),
        ("stale-if-error", "Unlimited", math.inf),
        ("stale-if-error", "1 d", 86_400),
        ("offline", "Yes", True),
        ("read-only", "yes", True),
        ("max-size", "500 MB", 500_000_000),
        ("max-size", "1.5GiB", 1_610_612_736),
        ("max-size", "10000", 10_000),
        ("max-size", "Unlimited", math.inf),
        ("max-idle", "60 d", 5_184_000),
        ("max-idle", "unlimited", math.inf),
        ("lock-dir", "/run/cachedindex", "/run/cachedindex"),
        ("offline", "off", False),
        ("disable", "1", True),
        ("refresh", "Zope.Interface six,  :all:", ("Zope.Interface", "six", ":all:")),
    ],
)
def test_right_values(option: str, text: str, value: object) -> None:
    assert read({option: text}, "here") == ({option.replace("-", "_"): value}, [])


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("timeout", "0", "here: timeout = 0: must be longer than 0"),
        ("timeout", "fast", "here: timeout = fast: write a number of seconds"),
        ("stale-if-error", "always", "or never, or unlimited"),
        ("offline", "maybe", "write true or false"),
        ("max-size", "0", "write a number of bytes"),
        ("max-size", "10 bytes", '"500 MB", "10 GB"; or unlimited'),
        ("max-size", "-1 GB", "write a number of bytes"),
        ("max-idle", "0", "longer than 0"),
        ("max-idle", "never", "or unlimited"),
        ("lock-dir", "", "write the path of a folder"),
        ("cache-dir", " ", "write the path of a folder"),
        ("refresh", "six ../etc", "write names of projects"),
        ("time-out", "3", "here: time-out: there is no such option; did you mean timeout?"),
        ("index_ttl", "3", "did you mean index-ttl?"),
        ("zzz", "3", "the options are cache-dir, index-ttl"),
    ],
)
def test_wrong_ones_name_place_option_value_and_the_right_one(option: str, text: str, said: str) -> None:
    values, (problem,) = read({option: text, "offline" if option != "offline" else "disable": "true"}, "here")
    assert said in str(problem)
    assert values in ({"offline": True}, {"disable": True})


def test_an_earlier_place_wins() -> None:
    assert merge({"timeout": 1.0}, {"timeout": 2.0, "offline": True}) == Settings(timeout=1.0, offline=True)


def test_every_option_is_a_setting() -> None:
    known = {name.replace("-", "_") for name in (*OPTIONS, *INDEX_OPTIONS)} - {"url"}
    assert {*known, "indexes"} == set(Settings._fields)


def test_a_problem_without_a_value() -> None:
    assert str(Problem("place", "option", "advice")) == "place: option: advice"


def test_the_reference_lists_every_option() -> None:
    reference = Path(__file__).parents[2] / "docs/reference/options.md"
    rows = [line.split("|")[1].strip() for line in reference.read_text("utf-8").splitlines() if line.startswith("| `")]
    of_one = [name for name in INDEX_OPTIONS if name not in OPTIONS and name != "url"]
    assert rows == [f"`{name}`" for name in (*OPTIONS, *of_one)]


@pytest.mark.parametrize(
    "text", ["", "mirror.example", "https://user:secret@mirror.example/", "https://mirror.example/?x"]
)
def test_a_mirror_is_a_url_without_a_user(text: str) -> None:
    values, (problem,) = read_index({"url": INDEX, "mirrors": text}, "here")
    assert "write the URLs of mirrors" in str(problem)
    assert "secret" not in str(problem)
    assert values == {"indexes": ((INDEX, {}),)}


def test_where_a_page_is_at_the_mirrors() -> None:
    text = "https://a.example/simple\n  https://b.example/root/, https://c.example/"
    values, _ = read_index({"url": INDEX, "mirrors": text}, "here")
    settings = merge(values)
    at = ("https://a.example/simple/six/", "https://b.example/root/six/")
    assert settings.at_mirrors(f"{INDEX}six/") == settings.at_mirrors("https://INDEX.example:443/simple/six") == at
    assert settings.at_mirrors(INDEX) == settings.at_mirrors(f"{INDEX}six/?token=x") == ()
    assert settings.at_mirrors("https://other.example/simple/six/") == ()


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("/a /b", ("/a", "/b")),
        ("/a\n  /b c\n", ("/a", "/b c")),
        ("/a b\n", ("/a b",)),
        ("  ~/a  ", ("~/a",)),
    ],
)
def test_folders_are_separated_by_lines_or_by_spaces(text: str, paths: tuple[str, ...]) -> None:
    assert read({"also-read": text}, "here") == ({"also_read": paths}, [])


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket",
        "s3://bucket/team/builds",
        "gs://bucket.name/prefix",
        "az://container/prefix",
        "https://files.example:8443/store",
        "file:///srv/store",
    ],
)
def test_a_remote_is_the_url_of_an_object_store(url: str) -> None:
    assert read({"remote": f" {url}/ "}, "here") == ({"remote": url}, [])


@pytest.mark.parametrize(
    "text",
    ["", "bucket", "s3://", "s3://key:secret@bucket/a", "s3://bucket/a?x=secret", "s3://bucket/../other", "http://a/b",
     "file://server/share", "https://user:secret@files.example/a", "s3://bucket/a b"],
)  # fmt: skip
def test_a_remote_has_no_credentials_and_no_way_out_of_its_prefix(text: str) -> None:
    values, (problem,) = read({"remote": text}, "here")
    assert "write s3://BUCKET/PREFIX" in str(problem)
    assert "secret" not in str(problem)
    assert values == {}


INDEX = "https://index.example/simple/"


@pytest.mark.parametrize(
    ("url", "beginning"),
    [
        (INDEX, INDEX),
        ("https://user:secret@index.example/simple", INDEX),
        ("https://index.example", "https://index.example/"),
    ],
)
def test_where_an_index_begins(url: str, beginning: str) -> None:
    values, problems = read_index({"url": url, "index-ttl": "5"}, "here")
    assert (values, problems) == ({"indexes": ((beginning, {"index_ttl": 5.0}),)}, [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"index-ttl": "5"}, "here: url: is missing"),
        ({"url": "index.example"}, "here: url = index.example: write the URL of an index"),
        ({"url": INDEX + "?token=1"}, "write the URL of an index"),
        ({"url": INDEX, "cache-dir": "/x"}, "here: cache-dir: there is no such option"),
        ({"url": INDEX, "missing-index": "stop"}, "missing-index = stop: write warn or fail"),
    ],
)
def test_wrong_sections_of_an_index(options: dict[str, str], said: str) -> None:
    _, (problem,) = read_index(options, "here")
    assert said in str(problem)


def test_the_longest_beginning_counts() -> None:
    settings = merge(
        {"timeout": 9.0, "indexes": ((INDEX, {"timeout": 1.0}), ("https://index.example/", {"timeout": 2.0}))}
    )
    urls = (f"{INDEX}six/", INDEX.rstrip("/"), "https://index.example/other/", "https://index.example.evil.example/")
    assert [settings.for_url(url).timeout for url in urls] == [1.0, 1.0, 2.0, 9.0]


@pytest.mark.parametrize(
    "written",
    ["https://INDEX.example/a+b/", "https://index.example:443/a+b/", "https://user:x@index.example/a%2Bb",
     "https://index.example/a%2bb/", "HTTPS://index.example/a+b/"],
)  # fmt: skip
@pytest.mark.parametrize(
    "asked",
    ["https://index.example/a+b/six/", "https://index.example/a%2Bb/six/", "https://Index.Example:443/a+b/six/"],
)
def test_an_index_is_found_however_its_url_is_written(written: str, asked: str) -> None:
    values, problems = read_index({"url": written, "timeout": "1"}, "[cachedindex:x]")
    assert problems == []
    settings = merge(values)
    assert settings.for_url(asked).timeout == 1.0
    assert settings.for_url("https://index.example:8443/a+b/six/").timeout == 3.0
    assert settings.for_url("http://index.example/a+b/six/").timeout == 3.0


def test_an_earlier_place_wins_over_what_a_later_one_says_of_one_index() -> None:
    of_index = {"indexes": ((INDEX, {"timeout": 1.0, "offline": True}),)}
    earlier = merge({"timeout": 5.0}, of_index).for_url(INDEX)
    assert (earlier.timeout, earlier.offline) == (5.0, True)
    later = merge(of_index, {"timeout": 5.0}).for_url(INDEX)
    assert (later.timeout, later.offline) == (1.0, True)
    same = merge({"timeout": 5.0, **of_index}).for_url(INDEX)
    assert same.timeout == 1.0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"eggs_directory": "/var/www"}, {"cache-dir": "/var/www"}),
        ({"update_interval": "24"}, {"index-ttl": "24 h"}),
        ({"always_refresh": "1"}, {"index-ttl": "0"}),
        ({"always_refresh": "0"}, {}),
        ({"always_refresh": "1", "update_interval": "24"}, {"index-ttl": "0"}),
        ({"timeout": "3"}, {"timeout": "3"}),
        ({"update_interval": "24", "index-ttl": "5 min", "eggs_directory": "/a", "cache-dir": "/b"},
         {"index-ttl": "5 min", "cache-dir": "/b"}),
    ],
)  # fmt: skip
def test_the_names_of_2012_keep_their_meaning(old: dict[str, str], new: dict[str, str]) -> None:
    assert translated(old, "here") == (new, [])
    assert read(new, "here")[1] == []


def test_a_name_of_2012_without_a_meaning_is_remarked_upon() -> None:
    options, remarks = translated({"index": "http://index.example/simple"}, "here")
    assert options == {}
    assert list(map(str, remarks)) == [
        "here: index: has no effect, as every index that a client asks is covered: remove it"
    ]


@pytest.mark.parametrize(
    "url", ["https://me:secret@index.example/?x", "https://index.example/?token=secret", "//me:secret@x"]
)
def test_a_problem_shows_no_credential(url: str) -> None:
    _, (problem,) = read_index({"url": url}, "here")
    assert "secret" not in str(problem)


@pytest.mark.parametrize("old", [{"update_interval": "1.5 d"}, {"always_refresh": "maybe"}])
def test_a_wrong_value_of_2012_is_named_as_it_was_written(old: dict[str, str]) -> None:
    ((name, text),) = old.items()
    with pytest.raises(SettingsError, match=f"here: {name} = {text}: write"):
        translated(old, "here")
