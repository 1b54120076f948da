"""For buildout's `develop`, which runs this file, and for archives that come out the same wherever they are built.

All metadata is in `pyproject.toml`.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import time
from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist

EPOCH = "SOURCE_DATE_EPOCH"
"""The variable with the time, in seconds since 1970, that all files of an archive are to have."""
if EPOCH in os.environ:
    os.umask(0o022)  # setuptools heeds it for the times in a wheel, and gives its files the modes of the umask.


class SameSdist(sdist):
    """Packs the same bytes from the same files: setuptools takes times, modes and owners as they are here."""

    def make_archive(self, base_name: str, *_: object, base_dir: str, **__: object) -> str:
        """Pack the folder `base_dir`; what else distutils names is not for an sdist."""
        when = int(os.environ.get(EPOCH, time.time()))

        def same(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime, member.uid, member.gid, member.uname, member.gname = when, 0, 0, "", ""
            member.mode = 0o755 if member.mode & 0o100 else 0o644
            return member

        name = f"{base_name}.tar.gz"
        Path(name).parent.mkdir(parents=True, exist_ok=True)  # Whoever calls this file by hand has none.
        with gzip.GzipFile(name, "wb", mtime=when) as file, tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(base_dir, filter=same)
        return name


setup(cmdclass={"sdist": SameSdist})
