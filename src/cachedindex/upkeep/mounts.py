"""The file system that a folder lies in: its kind, and the space that it has left."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cachedindex.store import system

_MOUNTINFO = system.of_host("/proc/self/mountinfo")
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs",
            "fuse.glusterfs", "fuse.ceph-fuse")  # fmt: skip


@dataclass(frozen=True)
class FileSystem:
    """One mounted file system."""

    kind: str
    """As mount(8) names it; "unknown" if the system does not say."""
    free: int
    """Bytes that this user may still write."""
    names: int | None
    """Files that may still be made; None if the file system has no such limit."""

    @property
    def is_network(self) -> bool:
        """Whether other hosts may write there, by other clocks and locks."""
        return self.kind in _NETWORK


def file_system(folder: Path) -> FileSystem:
    """Return the file system of a folder; OSError if the system does not say how full it is."""
    status = os.statvfs(folder) if hasattr(os, "statvfs") else None
    names = status.f_favail if status and status.f_files else None
    return FileSystem(_kind(folder), shutil.disk_usage(folder).free, names)


def _kind(folder: Path) -> str:
    """Return the kind of the mount whose point is nearest above the folder; the last one, if there are several."""
    try:
        lines = _MOUNTINFO.read_text("utf-8", "surrogateescape").splitlines() if _MOUNTINFO else []
    except OSError:  # Only Linux has it.
        return "unknown"
    above = {str(parent) for parent in (folder.resolve(), *folder.resolve().parents)}
    best, kind = "", "unknown"
    for line in lines:
        # proc(5): … mount point (5th), options, optional fields, "-", kind.
        mount, _, source = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount.split()[4])
        if point in above and len(point) >= len(best):
            best, kind = point, source.split()[0]
    return kind
