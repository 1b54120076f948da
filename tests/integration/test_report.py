"""What `cachedindex report` and the options `report`, `summary`, `log` and `messages` show of real runs."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cachedindex.commands.line import main
from cachedindex.model import Ended, Outcome, Run as RunRecord
from cachedindex.run import written
from cachedindex.store import runs
from tests.conftest import CHECKOUT, Ran, Run
from tests.index import Index
from tests.values import replace

CACHEDINDEX = (sys.executable, "-m", "cachedindex")
PIP = (sys.executable, "-m", "pip")
ORIGIN = "https://index.example"


def page(ended: Ended, project: str, **more: object) -> Outcome:
    made = Outcome(ended, "page", f"{ORIGIN}/simple/{project}/", ORIGIN, "", None, at=1.0)
    return replace(made, **more)  # type: ignore[arg-type]


def wheel(ended: Ended, **more: object) -> Outcome:
    return page(ended, "", kind="file", url=f"{ORIGIN}/f/six-1.16-py3-none-any.whl", sha256="ab" * 32, **more)


RUN = RunRecord(
    "pip install six", "nightly", "7", 1e9, 2.0, 1, 0,
    (
        page("hit", "six", age=5.0),
        wheel("miss", at=2.0, took=0.25),
        page("stale", "flask", age=7200.0, at=3.0, why="no answer within 3 s"),
        page("failed", "a|b", at=4.0, why="<b>it</b> *refused*"),
    ),
)  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CACHEDINDEX_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir(mode=0o700)
    return tmp_path / "cache"


Told = Callable[..., str]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    def told(*words: str, code: int = 0) -> str:
        assert main(["report", *words]) == code
        return capsys.readouterr().out

    return told


def test_the_last_run_is_told_with_what_was_no_mere_hit(cache: Path, told: Told) -> None:
    runs.write(cache, replace(RUN, started=1e8, outcomes=()))
    name = runs.write(cache, RUN)
    out = told()
    assert out.startswith(f"run {name}, ")
    assert (
        "pip install six of nightly #7: 2 s, exit code 1\n4 look-ups, 50% from the cache, 1 stale, 1 could not be had"
        in out
    )
    lines = [line.split() for line in out.partition("\noutcome ")[2].splitlines()[1:]]
    assert [line[0] for line in lines] == ["failed", "stale", "miss"]
    assert lines[2][1:3] == ["six-1.16-py3-none-any.whl", "1.16"]
    assert "2 h" in out
    assert out == told("last") == told(name) == told(name[:12])
    assert "six  " in told("--all").partition("\noutcome ")[2].replace("six-1.16", "")


def test_the_json_has_the_documented_fields_and_no_others(cache: Path, told: Told) -> None:
    runs.write(cache, RUN)
    found = json.loads(told("--json"))
    text = (CHECKOUT / "docs/reference/command-line.md").read_text("utf-8")
    for head, value in {"field of RUN": found["runs"][0], "field of a look-up": found["runs"][0]["lookups"][0]}.items():
        table = text.partition(f"| {head} |")[2].partition("\n\n")[0]
        names = [
            name for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall("`(.*?)`", cell)
        ]
        assert sorted(names) == sorted(value)
    assert found["schema"] == 1
    assert found["runs"][0]["counts"]["stale"] == 1
    assert found["runs"][0]["exit_code"] == 1
    file = found["runs"][0]["lookups"][1]
    assert (file["project"], file["file"], file["version"], file["took"]) == (
        "six",
        "six-1.16-py3-none-any.whl",
        "1.16",
        0.25,
    )
    assert sorted(found["runs"][0]["counts"]) == sorted({each for group in written.COUNTED.values() for each in group})


def test_markdown_does_not_carry_the_words_of_an_index(cache: Path, told: Told) -> None:
    runs.write(cache, RUN)
    out = told("--markdown")
    assert out.startswith("### cachedindex: 4 look-ups, 50% from the cache, 1 stale, 1 could not be had\n")
    assert r"| a\|b |" in out
    assert r"\<b\>it\</b\> \*refused\*" in out
    rows = [line for line in out.splitlines() if line.startswith("| failed")]
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == len(written.DETAILS) + 1


def test_the_summary_of_a_cold_build_stays_small(cache: Path, told: Told) -> None:
    runs.write(cache, replace(RUN, outcomes=[page("miss", f"project{number}") for number in range(3000)]))
    out = told("--markdown")
    assert len(out) < 100_000
    assert "\n2700 more\n" in out


def test_a_job_has_its_own_last_run_and_a_time_has_all(cache: Path, told: Told) -> None:
    now = time.time()
    for number, job in enumerate(("a", "b", "a", "c")):
        runs.write(cache, replace(RUN, job=job, build=str(number), started=now - 86400 * (4 - number)))
    assert "of a #2:" in told("--job", "a")
    assert "3 runs: 12 look-ups" in told("--since", "3.5 d")
    assert "1 runs" in told("--since", "3.5 d", "--job", "a")
    assert [run["build"] for run in json.loads(told("--since", "90 d", "--json"))["runs"]] == ["0", "1", "2", "3"]
    assert "0 runs" in told("--since", "1 s")


@pytest.mark.parametrize("words", [(), ("2001",), ("--job", "x")])
def test_a_run_that_is_not_there_is_said(cache: Path, told: Told, words: tuple[str, ...]) -> None:
    if words:
        runs.write(cache, replace(RUN, started=0.0))
    assert told(*words, code=1) == f"there is no such run in {cache}\n"
    assert json.loads(told(*words, "--json", code=1))["runs"] == []


def test_a_wrong_time_is_a_wrong_option(cache: Path, told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told("--since", "soon", code=2)
    assert main(["report", "--since", "soon"]) == 2
    assert "--since soon: write a number of seconds" in capsys.readouterr().err


def test_every_command_of_the_reference_runs(
    cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.write(cache, replace(RUN, started=time.time()))
    monkeypatch.chdir(cache.parent)  # One of them writes a page.
    text = (CHECKOUT / "docs/reference/command-line.md").read_text("utf-8")
    shown = re.findall(r"^    cachedindex ((?:report|status).*)$", text, re.MULTILINE)
    assert len(shown) >= 3
    for words in shown:
        assert main(shlex.split(words)) in (0, 1), capsys.readouterr().err
        assert capsys.readouterr().out


@pytest.fixture
def pip(run: Run, index: Index, tmp_path: Path) -> Callable[..., Ran]:
    def pip(*options: str, project: str = "epsilon", **variables: str) -> Ran:
        command = (*CACHEDINDEX, "run", *options, "--", *PIP, "download", "-q", "-d", "here", project)
        return run(*command, **{"PIP_INDEX_URL": index.url, "PIP_NO_CACHE_DIR": "1", **variables})

    return pip


def test_a_run_writes_its_report_and_its_summary(pip: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "github.md").write_text("before\n")
    options = ("--report", "report.json", "--summary", "auto")
    for _ in range(2):
        ran = pip(*options, GITHUB_STEP_SUMMARY=str(tmp_path / "github.md"))
        assert (ran.code, ran.ours) == (0, [])
    found = json.loads((tmp_path / "report.json").read_text())["runs"]
    assert [run["id"] for run in found] == runs.names(tmp_path / "cache")[-1:]
    assert {each["outcome"] for each in found[0]["lookups"]} == {"hit"}
    summary = (tmp_path / "github.md").read_text()
    assert summary.startswith("before\n### cachedindex: ")
    assert summary.count("### cachedindex: ") == 2
    assert pip("--summary", "own.md").code == pip("--summary", "auto").code == 0
    assert (tmp_path / "own.md").read_text().count("### cachedindex: ") == 1


def test_a_report_that_cannot_be_written_is_one_line(pip: Callable[..., Ran], tmp_path: Path) -> None:
    ran = pip("--report", "nowhere/report.json")
    assert (ran.code, len(ran.ours)) == (0, 1)
    assert "cannot write nowhere/report.json: No such file" in ran.ours[0]


@pytest.mark.parametrize(
    ("policy", "code"), [("no", 0), ("yes", 123), ("2 d", 0), ("0.1 s", 123)], ids=["no", "yes", "young", "old"]
)
def test_a_policy_for_stale_copies_fails_a_run_that_succeeded(
    pip: Callable[..., Ran], index: Index, policy: str, code: int
) -> None:
    assert pip("--fail-on-stale", policy).code == 0
    index.refuse()
    ran = pip("--fail-on-stale", policy, CACHEDINDEX_INDEX_TTL="0")
    assert ran.code == code, ran.err
    assert any("fail-on-stale ends the run with 123" in line for line in ran.ours) is bool(code)


def test_a_command_that_fails_keeps_its_own_code(run: Run, tmp_path: Path) -> None:
    ran = run(*CACHEDINDEX, "run", "--fail-on-stale", "yes", "--", sys.executable, "-c", "raise SystemExit(7)")
    assert ran.code == 7


def test_each_look_up_is_a_line_where_that_is_wanted(pip: Callable[..., Ran], index: Index, tmp_path: Path) -> None:
    ran = pip("-v", "--log", "log.txt")
    assert ran.code == 0
    assert [line for line in ran.ours if line.startswith("cachedindex: miss page")] == [
        f"cachedindex: miss page {index.url}epsilon/"
    ]
    assert "epsilon-1.0-py3-none-any.whl" in ran.err
    log = (tmp_path / "log.txt").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+ (miss|passed) (page|file) http", line) for line in log)
    assert len(log) == len(ran.ours)


def test_a_quiet_run_prints_nothing_and_logs_all_the_same(
    pip: Callable[..., Ran], index: Index, tmp_path: Path
) -> None:
    assert pip().code == 0
    index.refuse()
    ran = pip("-q", "--log", str(tmp_path / "log.txt"), CACHEDINDEX_INDEX_TTL="0", CACHEDINDEX_TTL="misspelt")
    assert (ran.code, ran.ours) == (0, [])
    log = (tmp_path / "log.txt").read_text()
    assert "there is no such option" in log
    assert "stale page" in log
    assert "served 1 page stale" in log


@pytest.mark.parametrize("options", [(), ("--private", "true")])
def test_no_password_is_in_the_log_and_no_private_path(
    pip: Callable[..., Ran], index: Index, tmp_path: Path, options: tuple[str, ...]
) -> None:
    url = index.url if options else index.url.replace("://", "://ci:correct-horse@")
    ran = pip("-v", "--log", "log.txt", *options, PIP_INDEX_URL=url)
    assert ran.code == 0
    log = (tmp_path / "log.txt").read_text()
    assert "/epsilon/" in log
    assert ("/simple/" in log, "/***" in log) == ((False, True) if options else (True, True))
    assert "correct-horse" not in log + ran.err


def test_a_log_that_cannot_be_written_is_one_line(pip: Callable[..., Ran]) -> None:
    ran = pip("--log", "/proc/nowhere/log.txt")
    assert (ran.code, len(ran.ours)) == (0, 1)
    assert "cannot write to the log /proc/nowhere/log.txt" in ran.ours[0]
