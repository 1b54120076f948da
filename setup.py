"""All metadata of cachedindex; `pyproject.toml` holds the settings of tools only."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'__version__ = "(.+)"', (here / "src/cachedindex/__init__.py").read_text("utf-8"))
if not version:
    raise SystemExit("setup.py: src/cachedindex/__init__.py holds no version")

extras = {
    "requests": ["requests>=2.28"],
    "locks": ["filelock>=3.12"],
    "buildout": ["zc.buildout>=4.2"],
    "cli": ["rich>=13"],
}
extras["all"] = sorted(requirement for requirements in extras.values() for requirement in requirements)
extras["test"] = [*extras["all"], "pytest>=8", "hypothesis>=6", "trustme>=1.1"]
extras["dev"] = [*extras["test"], "mypy>=1.15", "ruff>=0.9", "types-requests"]

setup(
    name="cachedindex",
    version=version[1],
    description="Builds survive a package index that is slow, wrong or gone, from inside pip and zc.buildout",
    long_description=(here / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    package_dir={"": "src"},
    packages=find_packages("src"),
    package_data={"cachedindex": ["py.typed"]},
    # No install_requires: buildout would resolve it against the project's [versions], and fail the build over a pin.
    extras_require=extras,
    entry_points={
        "console_scripts": ["cachedindex = cachedindex.__main__:command_line"],
        "virtualenv.activate": ["cachedindex = cachedindex.clients.virtualenv:Carrier"],
        "zc.buildout.extension": ["default = cachedindex.clients.buildout.extension:extension"],
        "zc.buildout.unloadextension": ["default = cachedindex.clients.buildout.extension:unload"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Framework :: Buildout :: Extension",
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Software Development :: Build Tools",
        "Typing :: Typed",
    ],
)
