"""What a person wants to have stored, as commands of pip and buildout that ask for all of it and install nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cachedindex import standard
from cachedindex.errors import SettingsError
from cachedindex.named import NamedTuple
from cachedindex.rules import lockfile
from cachedindex.run import newnode
from cachedindex.run.several import Job

_FILE = re.compile(r".*\.(?:txt|in|toml|cfg)", re.IGNORECASE)
_LOCK = re.compile(r"pylock(?:\.[^.]+)?\.toml")
_VERSION = re.compile(r"\d+(?:\.\d+){0,2}")
_OLDEST = (3, 10)
"""An older Python's own pip is not covered."""
_ASKS_NOBODY = {"PIP_NO_CACHE_DIR": "1", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""pip's own cache would hide files from us: those that it has, and what builds the wheels that it has built."""
_PROBE = "import sys; print(*sys.version_info[:2])"
_PATIENCE = 30.0


class Wanted(NamedTuple):
    """What a person names."""

    names: Sequence[str] = ()
    """Requirements, as in a command of pip."""
    files: Sequence[str] = ()
    """Requirements files, lock files (PEP 751) and configurations of buildout."""
    constraints: Sequence[str] = ()
    pythons: Sequence[str] = ()
    """Interpreters, or versions."""
    platforms: Sequence[str] = ()
    """Tags of wheels; several for the same target are separated by commas."""


class _Target(NamedTuple):
    """For which Python and platform a pip asks."""

    name: str
    before: Sequence[str] = ()
    """Words before the command of pip, and after it."""
    after: Sequence[str] = ()
    is_foreign: bool = False
    """Whether this machine cannot build for it: so an sdist does not say what it requires there."""


def sorted_out(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return those of these words that are requirements, and those that are files."""
    # Not by Path, which raises an OSError for a word that is too long to be a name, or in a folder of somebody else.
    files = [word for word in words if _FILE.fullmatch(word) and os.path.isfile(word)]  # noqa: PTH113
    return [word for word in words if word not in files], files


def jobs(wanted: Wanted, environ: Mapping[str, str], scratch: Path) -> list[Job]:
    """Return the commands that ask for all of it; SettingsError for what cannot be asked for.

    They work in folders below `scratch`.
    """
    for file in (*wanted.files, *wanted.constraints):
        if "://" not in file and not Path(file).is_file():
            raise SettingsError(f"command line: {file}: there is no such file")
    buildouts = [file for file in wanted.files if file.endswith(".cfg")]
    locks = [file for file in wanted.files if _LOCK.fullmatch(Path(file).name)]
    plain = [file for file in wanted.files if file not in (*buildouts, *locks)]
    found: list[Job] = []
    if plain or wanted.names or locks:
        pip = _pip(environ)
        reads_locks = bool(locks) and _reads_locks(pip, environ)
        for target in _targets(wanted, environ):
            if plain or wanted.names:
                words = [*wanted.names, *_each("-r", plain), *_each("-c", wanted.constraints)]
                words += ["--only-binary", ":all:"] if target.is_foreign else []
                named = " ".join([*plain, *wanted.names]) + (" (wheels only)" if target.is_foreign else "")
                found.append(_download(named, pip, target, words, scratch / f"pip-{len(found)}"))
            for lock in locks:
                folder = scratch / f"pip-{len(found)}"
                file = lock if reads_locks and not target.is_foreign else _as_requirements(lock, folder)
                found.append(_download(lock, pip, target, ["--no-deps", "-r", file], folder))
    return [*found, *(_buildout(file, environ, scratch / f"buildout-{at}") for at, file in enumerate(buildouts))]


def _pip(environ: Mapping[str, str]) -> list[str]:
    found = shutil.which("pip", path=environ.get("PATH"))
    return [found] if found else [sys.executable, "-m", "pip"]


def _download(name: str, pip: Sequence[str], target: _Target, words: Sequence[str], folder: Path) -> Job:
    folder.mkdir()
    command = [*pip, *target.before, "download", "--progress-bar", "off", "--dest", str(folder), *target.after, *words]
    return Job(f"{name}{target.name}", command, Path.cwd(), {**_ASKS_NOBODY, "TMPDIR": str(folder)})


def _each(option: str, values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield from (option, value)


def _targets(wanted: Wanted, environ: Mapping[str, str]) -> Iterator[_Target]:
    for python in wanted.pythons or ("",):
        for platform in wanted.platforms or ("",):
            yield _target(python, platform, environ)


def _target(python: str, platform: str, environ: Mapping[str, str]) -> _Target:
    """Return a target: with an interpreter of this machine, pip asks as that would."""
    name = " for " + " on ".join(filter(None, [python and f"Python {python}", platform])) if python or platform else ""
    is_version = _VERSION.fullmatch(python) is not None
    program = shutil.which(f"python{python}" if is_version else python, path=environ.get("PATH")) if python else None
    version = _version_of(program) if program else None
    if python and not is_version and version is None:
        raise SettingsError(f"command line: --python {python}: there is no such Python; write a path, or as in 3.12")
    if not platform and (not python or (program and version and version >= _OLDEST)):
        return _Target(name, ("--python", program) if program else ())
    number = python if is_version else ".".join(map(str, version)) if version else ""
    after = _each("--python-version", filter(None, [number]))
    return _Target(name, (), [*after, *_each("--platform", filter(None, platform.split(",")))], is_foreign=True)


def _version_of(program: str) -> tuple[int, int] | None:
    """Return the version of an interpreter; None for what does not run, as a shim of pyenv."""
    try:
        ran = subprocess.run([program, "-c", _PROBE], capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603 - the user names it
        major, minor = map(int, ran.stdout.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return major, minor


def _reads_locks(pip: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether a pip reads lock files; none does so for another platform or Python (pip 26.1 to 26.3)."""
    words = [*pip, "download", "--help"]
    ran = subprocess.run(words, env={**environ}, capture_output=True, text=True, check=False)  # noqa: S603 - the user's own pip
    return "pylock" in ran.stdout


def _as_requirements(lock: str, folder: Path) -> str:
    """Write what is in a lock file, which lists all that is required, as a requirements file beside a folder."""
    file = folder.with_suffix(".txt")
    file.write_text("\n".join(_locked(lock)), "utf-8")
    return str(file)


def _locked(path: str) -> list[str]:
    try:
        with standard.library():
            import tomllib  # noqa: PLC0415 - new in Python 3.11
    except ImportError:
        raise SettingsError(
            f"{path}: this pip does not read it for this target, and this Python not at all: use Python 3.11"
        ) from None
    try:
        return list(lockfile.requirements(tomllib.loads(Path(path).read_text("utf-8"))))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path}: it is no lock file: {error}") from error


def _buildout(path: str, environ: Mapping[str, str], folder: Path) -> Job:
    """Return a buildout of this configuration with places of its own: all else that it asks for is what recipes do."""
    program = next(filter(None, map(_program, _buildouts(path, environ))), None)
    if program is None:
        raise SettingsError(f"{path}: there is no buildout: put one on PATH, or install cachedindex[buildout]")
    for name in ("eggs", "downloads", "extends", "bin"):
        (folder / name).mkdir(parents=True)
    command = newnode.command([program, "-c", str(Path(path).resolve())], folder, environ)
    return Job(path, command, Path(path).resolve().parent, {**_ASKS_NOBODY, "TMPDIR": str(folder)})


def _buildouts(path: str, environ: Mapping[str, str]) -> Iterator[str | Path | None]:
    yield Path(path).resolve().parent / "bin/buildout"
    yield shutil.which("buildout", path=environ.get("PATH"))
    yield Path(sys.executable).with_name("buildout")


def _program(path: str | Path | None) -> str | None:
    return str(path) if path and Path(path).is_file() else None
