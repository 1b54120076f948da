"""Small real distributions, made on the spot: wheels, and an sdist whose build backend must come from the index."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import tarfile
import zipfile
from pathlib import Path
from textwrap import indent

_BACKEND = """
import os, zipfile
from tinybackend_wheel import wheel
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, version = open("NAME").read().split()
    filename, content = wheel(name, version)
    with open(os.path.join(wheel_directory, filename), "wb") as file:
        file.write(content)
    return filename
build_editable = build_wheel
"""


def wheel(
    name: str, version: str, requires: tuple[str, ...] = (), code: str = "", entry_points: str = ""
) -> tuple[str, bytes]:
    """Return a wheel's file name and bytes; its one module knows its version, and has more code if given."""
    info = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    lines += [f"Requires-Dist: {requirement}\n" for requirement in requires]
    files = {
        f"{name}.py": f"version = {version!r}\n{code}",
        f"{info}/METADATA": "".join(lines),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entry_points:
        files[f"{info}/entry_points.txt"] = entry_points
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{name}-{version}-py3-none-any.whl", content.getvalue()


def add_wheel(folder: Path, name: str, version: str, requires: tuple[str, ...] = ()) -> Path:
    filename, content = wheel(name, version, requires)
    (folder / filename).write_bytes(content)
    return folder / filename


def add_star(folder: Path, projects: int) -> None:
    """Add projects of three versions each, and `star`, which requires all of them."""
    names = tuple(f"project_{number:03}" for number in range(projects))
    for version in ("0.8", "0.9", "1.0"):
        for name in names:
            add_wheel(folder, name, version)
        add_wheel(folder, "star", version, names)


def add_recipe(folder: Path, wheels: Path) -> str:
    """Add the real zc.recipe.egg by the name that buildout looks for, and return its version."""
    (wheel,) = wheels.glob("zc*recipe*.whl")
    shutil.copy(wheel, folder / wheel.name.replace("zc_recipe_egg", "zc.recipe.egg"))
    return wheel.name.split("-")[1]


def add_trial(folder: Path) -> None:
    """Add `trial`, a recipe that runs the Python code of its option `do`."""
    code = """
class Recipe:
    def __init__(self, buildout, name, options):
        self.buildout, self.options = buildout, options
        options["do"]
    def install(self):
        exec(self.options["do"], {"buildout": self.buildout, "options": self.options})
        return ()
    update = install
"""
    filename, content = wheel("trial", "1.0", (), code, "[zc.buildout]\ndefault = trial:Recipe\n")
    (folder / filename).write_bytes(content)


def add_extension(folder: Path, name: str, code: str) -> None:
    """Add a buildout extension whose function of that name is `code`."""
    entry_points = f"[zc.buildout.extension]\ndefault = {name}:{name}\n"
    filename, content = wheel(name, "1.0", (), f"def {name}(buildout):\n{indent(code, '    ')}", entry_points)
    (folder / filename).write_bytes(content)


def add_backend(folder: Path) -> Path:
    """Add the wheel of a PEP 517 backend that needs nothing else."""
    filename, content = wheel("tinybackend", "1.0")
    path = folder / filename
    path.write_bytes(content)
    # The backend makes wheels with this very module, which it carries along.
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("tinybackend_api.py", _BACKEND)
        archive.writestr("tinybackend_wheel.py", Path(__file__).read_text("utf-8"))
    return path


def add_sdist(folder: Path, name: str, version: str) -> Path:
    """Add an sdist that only an isolated build with `tinybackend` can install."""
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for filename, text in _sources(name, version).items():
            member = tarfile.TarInfo(f"{name}-{version}/{filename}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def add_checkout(folder: Path, name: str, version: str) -> Path:
    """Add a folder with the same sources, and the setup.py that buildout's `develop` asks for."""
    checkout = folder / name
    checkout.mkdir()
    files = {**_sources(name, version), "setup.py": "from setuptools import setup\nsetup()\n"}
    for filename, text in files.items():
        (checkout / filename).write_text(text)
    return checkout


def _sources(name: str, version: str) -> dict[str, str]:
    return {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "NAME": f"{name} {version}",
        "pyproject.toml": '[build-system]\nrequires = ["tinybackend"]\nbuild-backend = "tinybackend_api"\n',
    }
