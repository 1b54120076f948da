"""For buildout's `develop`, which runs this file; all metadata is in `pyproject.toml`."""

from setuptools import setup

setup()
