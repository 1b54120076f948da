from __future__ import annotations

import os
from pathlib import Path

import pytest

from cachedindex import sources
from cachedindex.errors import SettingsError
from cachedindex.store import system


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_HOST_FILE", tmp_path / "etc" / "cachedindex.cfg")
    monkeypatch.setattr(sources, "_HOST_FOLDER", tmp_path / "var")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    cache = "LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"
    return {"XDG_CONFIG_HOME": str(tmp_path / "home"), cache: str(tmp_path / "home-cache")}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_the_precedence_of_places(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "etc/cachedindex.cfg", "[cachedindex]\ntimeout = 1\nindex-ttl = 1\noffline = true\nrefresh = a\n")
    write(tmp_path / "home/cachedindex.cfg", "[cachedindex]\ntimeout = 2\nindex-ttl = 2\noffline = false\n")
    named = write(tmp_path / "named.cfg", "[cachedindex]\ntimeout = 3\nindex-ttl = 3\n")
    environ["CACHEDINDEX_CONFIG"] = str(named)

    loaded = sources.load({"timeout": "4"}, "own", environ)
    assert (loaded.settings.timeout, loaded.settings.index_ttl) == (4, 3)
    assert (loaded.settings.offline, loaded.settings.refresh) == (False, ("a",))
    assert loaded.warnings == ()

    environ["CACHEDINDEX_TIMEOUT"] = "5"
    assert sources.load({"timeout": "4"}, "own", environ).settings.timeout == 5


def test_sections_of_single_indexes(tmp_path: Path, environ: dict[str, str]) -> None:
    text = "[cachedindex:one]\nurl = https://one.example/\ntimeout = 1\n"
    write(
        tmp_path / "etc/cachedindex.cfg", text + "[cachedindex.two]\nurl = https://two.example/\ntimeout = 2\n[other]\n"
    )
    own = {"cachedindex.three": {"url": "https://three.example/", "timeout": "3"}}
    loaded = sources.load({}, "[cachedindex]", environ, own)
    urls = (f"https://{name}.example/x/" for name in ("one", "two", "three", "four"))
    assert [loaded.settings.for_url(url).timeout for url in urls] == [1, 2, 3, 3]
    assert loaded.warnings == ()


def test_what_is_wrong_in_a_section_of_one_index(tmp_path: Path, environ: dict[str, str]) -> None:
    path = write(tmp_path / "etc/cachedindex.cfg", "[cachedindex:one]\nurl = https://one.example/\nttl = 1\n")
    (warning,) = sources.load(environ=environ).warnings
    assert warning.startswith(f"{path}: [cachedindex:one]: ttl: there is no such option; did you mean index-ttl?")
    with pytest.raises(SettingsError, match=r"\[cachedindex\.two\]: url: is missing"):
        sources.load({}, "[cachedindex]", environ, {"cachedindex.two": {}})


def test_several_files_may_be_named(tmp_path: Path, environ: dict[str, str]) -> None:
    one = write(tmp_path / "one.cfg", "[cachedindex]\ntimeout = 1\n")
    two = write(tmp_path / "two.cfg", "[cachedindex]\ntimeout = 2\nindex-ttl = 2\n")
    environ["CACHEDINDEX_CONFIG"] = f"{one}{os.pathsep}{two}"
    loaded = sources.load(environ=environ)
    assert (loaded.settings.timeout, loaded.settings.index_ttl) == (1, 2)


def test_nothing_is_read_from_the_working_directory(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "pull-request/cachedindex.cfg", "[cachedindex]\ndisable = true\n")
    monkeypatch.chdir(tmp_path / "pull-request")
    assert not sources.load(environ=environ).settings.disable


def test_a_clients_own_mistakes_are_errors(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        sources.load({"time-out": "3", "offline": "perhaps"}, "[cachedindex]", environ)
    assert str(caught.value).splitlines() == [
        "[cachedindex]: time-out: there is no such option; did you mean timeout?",
        "[cachedindex]: offline = perhaps: write true or false",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cachedindex]\ntimeout = soon\n", "timeout = soon: write a number"),
        ("[cachedindex]\nnew-in-2030 = 1\n", "new-in-2030: there is no such option"),
        ("[other]\n", "there is no section [cachedindex]"),
        ("timeout = 3", "no section headers"),
    ],
)
def test_a_nodes_mistakes_are_warnings(tmp_path: Path, environ: dict[str, str], text: str, said: str) -> None:
    path = write(tmp_path / "etc/cachedindex.cfg", text)
    loaded = sources.load(environ=environ)
    assert loaded.settings == sources.load(environ={}).settings
    (warning,) = loaded.warnings
    assert warning.startswith(str(path))
    assert said in warning


def test_an_environments_mistakes_are_warnings_and_our_own_variables_none(environ: dict[str, str]) -> None:
    environ |= {"CACHEDINDEX_RUN": "/x", "CACHEDINDEX_TTL": "3", "CACHEDINDEX_OFFLINE": "", "CACHEDINDEX_TIMEOUT": "2"}
    loaded = sources.load(environ=environ)
    assert loaded.settings.timeout == 2
    assert loaded.warnings == (
        "environment: CACHEDINDEX_TTL: there is no such option; did you mean CACHEDINDEX_INDEX_TTL?",
    )


def test_a_file_that_was_named_and_is_not_there_is_a_warning(tmp_path: Path, environ: dict[str, str]) -> None:
    environ["CACHEDINDEX_CONFIG"] = str(tmp_path / "gone.cfg")
    (warning,) = sources.load(environ=environ).warnings
    assert "gone.cfg: there is no such file, but CACHEDINDEX_CONFIG names it" in warning


def test_an_empty_file_says_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "etc/cachedindex.cfg", "# nothing yet\n")
    assert sources.load(environ=environ).warnings == ()


def test_a_files_folder_is_relative_to_the_file(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "etc/cachedindex.cfg", "[cachedindex]\ncache-dir = kept\n")
    assert sources.cache_folder(sources.load(environ=environ).settings, environ) == tmp_path / "etc/kept"


def test_an_unreadable_file_is_a_warning(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "etc/cachedindex.cfg").mkdir(parents=True)
    (warning,) = sources.load(environ=environ).warnings
    assert "cannot be read" in warning


def test_the_folder_that_was_set(environ: dict[str, str], tmp_path: Path) -> None:
    chosen = sources.load({"cache-dir": str(tmp_path / "x")}, "own", environ).settings
    assert sources.cache_folder(chosen, environ) == tmp_path / "x"


def test_the_hosts_folder_where_it_can_be_written_else_the_users(environ: dict[str, str], tmp_path: Path) -> None:
    chosen = sources.load(environ=environ).settings
    assert sources.cache_folder(chosen, environ) == tmp_path / "home-cache" / "cachedindex"
    (tmp_path / "var").mkdir()
    assert sources.cache_folder(chosen, environ) == tmp_path / "var"


def test_no_folder_at_all(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by modes: they do not bind root, and CI runs as root.
    monkeypatch.setattr(system, "may_write", lambda _: False)
    assert sources.cache_folder(sources.load(environ=environ).settings, environ) is None
