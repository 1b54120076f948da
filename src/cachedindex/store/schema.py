"""Which fields a format on the disk has: one of another release has others."""

from __future__ import annotations

from collections.abc import Mapping

Types = Mapping[str, type | tuple[type, ...]]
"""The type of each field's value, by the field's name in the format."""

NUMBER = (int, float)


def fits(fields: Mapping[str, object], types: Types) -> bool:
    """Return whether a JSON object has exactly these fields, with values of these types."""
    return fields.keys() == types.keys() and all(map(isinstance, map(fields.get, types), types.values()))
