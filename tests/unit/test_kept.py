"""What the record of a run keeps of a command, a job and a URL."""

from __future__ import annotations

import pytest

from cachedindex.model import Kind, Outcome, Readers
from cachedindex.rules import kept
from tests.values import replace


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["pip", "install", "six==1.16", "flask>=2"], "pip install six==1.16 flask>=2"),
        (["/v/bin/pip3.11", "install", "-q", "six"], "pip3.11 install -q six"),
        (
            ["pip", "wheel", "-w", "out", "--no-deps", "six", "--proxy", "ci:s3cret@proxy"],
            "pip wheel -w out --no-deps six ...",
        ),
        (
            ["pip", "install", "-r", "requirements.txt", "-c", "c/all.txt"],
            "pip install -r requirements.txt -c c/all.txt",
        ),
        (["python3", "-m", "pip", "download", "alpha[x,y]~=1.0"], "python3 -m pip download alpha[x,y]~=1.0"),
        (["/site-packages/pip/__main__.py", "install", "six"], "pip install six"),
        (["uv", "pip", "install", "six"], "uv pip install six"),
        (["pip", "install", "https://ci:s3cret@index.example/six-1.0.whl"], "pip install ..."),
        (["pip", "install", "six", "--index-url", "https://ci:s3cret@index.example/"], "pip install six ..."),
        (["pip", "install", "-r", "https://index.example/r.txt?token=s3cret"], "pip install ..."),
        (["pip", "install", "git+https://s3cret@index.example/x"], "pip install ..."),
        (["pip", "install", "x @ file:///s3cret"], "pip install ..."),
        (["pip", "config", "set", "global.index-url", "s3cret"], "pip ..."),
        (["bin/buildout", "-c", "x.cfg"], "buildout ..."),
        (["env", "TOKEN=s3cret", "pip", "install", "x"], "env ..."),
        (["sh", "-c", "TOKEN=s3cret pip install x"], "sh ..."),
        (["poetry", "config", "http-basic.company", "ci", "s3cret"], "poetry ..."),
        (["mysql", "-m", "s3cret"], "mysql ..."),
        (["make", "PASSWORD=s3cret"], "make ..."),
        (["python3", "upload.py", "s3cret"], "python3 ..."),
        (["python3", "-m"], "python3 ..."),
        (["python3", "-m", "pip"], "python3 -m pip"),
        (["pip"], "pip"),
        (["pip", "install", "-r"], "pip install ..."),
        (["pip", "install", "-r", "r.txt", "https://ci:s3cret@index.example/"], "pip install -r r.txt ..."),
        (["poetry", "install", "s3cret"], "poetry ..."),
        (["__main__.py"], "__main__.py"),
        (["-c", "s3cret"], "python ..."),
        (["tox"], "tox"),
        ([""], "python"),
        ([], "python"),
    ],
    ids=str,
)
def test_a_command_is_kept_without_what_may_be_a_password(words: list[str], command: str) -> None:
    assert kept.command(words) == command


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("python -m pip download -d here alpha ...", "python -m pip download ..."),
        ("pip install", "pip install"),
        ("buildout ...", "buildout ..."),
        ("tox", "tox"),
        ("python -m build ...", "python ..."),
    ],
)
def test_of_a_run_with_private_look_ups_others_see_no_project(command: str, program: str) -> None:
    assert kept.program(command) == program


@pytest.mark.parametrize(
    ("environ", "job"),
    [
        ({}, ("", "")),
        ({"JOB_NAME": "folder/nightly", "BUILD_NUMBER": "17"}, ("folder/nightly", "17")),
        (
            {"GITLAB_CI": "true", "CI_PROJECT_PATH": "a/b", "CI_JOB_NAME": "test: [3.11]", "CI_JOB_ID": "99"},
            ("a/b test: [3.11]", "99"),
        ),
        (
            {
                "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "a/b", "GITHUB_WORKFLOW": "CI", "GITHUB_JOB": "test",
                "GITHUB_RUN_ID": "5", "GITHUB_TOKEN": "s3cret",
            },
            ("a/b CI test", "5"),
        ),
        ({"GITLAB_CI": "true"}, ("", "")),
    ],
    ids=str,
)  # fmt: skip
def test_a_job_has_the_name_that_its_server_gives_it(environ: dict[str, str], job: tuple[str, str]) -> None:
    assert kept.job(environ) == job


@pytest.mark.parametrize(
    ("kind", "seen_by", "path", "index", "shown"),
    [
        ("page", "all", "/simple/six/", "", "/simple/six/"),
        ("page", "all", "/t/AbCdEfGh12345678xyz/simple/six/", "", "/t/***/simple/six/"),
        ("page", "user", "/s3cret/simple/six/", "https://index.example/***ab12/", "/***ab12/six/"),
        ("page", "user", "/s3cret/simple/six/", "", "/***/six/"),
        ("page", "user", "/simple/six/", "https://index.example/simple/", "/simple/six/"),
        ("page", "user", "/", "https://index.example/***ab12/", "/***ab12/"),
        ("file", "user", "/s3cret/aa/six-1.0.tar.gz", "", "/***/six-1.0.tar.gz"),
        ("file", "user", "/s3cret", "", "/***"),
        ("other", "user", "/download/s3cret", "", "/***"),
        ("other", "all", "", "", ""),
    ],
)
def test_a_private_url_is_kept_without_its_path(
    kind: Kind, seen_by: Readers, path: str, index: str, shown: str
) -> None:
    origin = "https://index.example"
    outcome = Outcome("hit", kind, f"{origin}{path}", origin, "", seen_by=seen_by, shown_index=index)
    assert kept.shown(outcome) == replace(outcome, url=f"{origin}{shown}", shown_index="")
