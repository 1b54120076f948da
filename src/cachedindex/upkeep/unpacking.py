"""Adds the records and blobs of a bundle to those of everybody."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cachedindex.upkeep import bundle
from cachedindex.upkeep.adding import BLOB, LONGEST_RECORD, Added, Adding, TooMuch
from cachedindex.upkeep.bundle import Member

_MOST_REASONS = 100
"""Reasons that are kept: a megabyte may unpack to millions of members that are none of ours."""


@dataclass
class Unpacked(Added):
    """What a bundle has brought."""

    refused: int = 0
    """Members that were not added."""
    reasons: list[str] = field(default_factory=list)
    """A line for each of the first ones, with the reason."""
    missing: list[str] = field(default_factory=list)
    """The names of members that are listed in the bundle, and are not in it."""
    cut: str = ""
    """Why the rest of it could not be read; empty if there is no rest."""


def unpack(root: Path, file: BinaryIO, most: float) -> Unpacked:
    """Add what is in a bundle to a cache folder; `most` is how many bytes it may bring.

    Raises Foreign if it is no bundle, and StoreUnavailable if the folder cannot be written.
    """
    unpacking = _Unpacking(root, most)
    try:
        for member in bundle.members(file):
            unpacking.take(member)
    except (bundle.Damaged, TooMuch) as error:
        unpacking.done.cut = str(error)
    return unpacking.end()


class _Unpacking:
    """The reading of one bundle."""

    def __init__(self, root: Path, most: float) -> None:
        self._listed: dict[str, None] = {}
        self._is_whole = False
        self.done = Unpacked()
        self._adding = Adding(root, most, self.done)

    def take(self, member: Member) -> None:
        """Add a member, or say why not."""
        if why := self._refusal(member):
            self.done.refused += 1
            if len(self.done.reasons) < _MOST_REASONS:
                self.done.reasons.append(f"{member.name}: {why}")
        self._listed.pop(member.name, None)

    def end(self) -> Unpacked:
        """Return what came of it all."""
        if not self._is_whole and not self.done.cut:
            self.done.cut = "it has no end, so it was cut"
        self.done.missing = list(self._listed)
        return self.done

    def _refusal(self, member: Member) -> str:
        """Add a member; return why it is not added, or nothing."""
        if not member.is_file:
            return "it is no plain file"
        if blob := BLOB.fullmatch(member.name):
            return self._adding.blob(blob[2], member.size, member.chunks)
        if member.size > LONGEST_RECORD:
            return "it is too long"
        if member.name in (bundle.CONTENTS, bundle.END):
            self._list(member)
            return ""
        return self._adding.record(member.name, member.whole())

    def _list(self, member: Member) -> None:
        names = dict.fromkeys(member.whole().decode("utf-8", "replace").splitlines())
        if member.name == bundle.CONTENTS:
            self._listed = names
        else:
            self._is_whole = True
            self._listed = {name: None for name in self._listed if name not in names}
