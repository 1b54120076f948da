"""The values of the package, as tests change them."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

Value = TypeVar("Value", bound=NamedTuple)


def replace(value: Value, **changes: Any) -> Value:
    """Return the value with other fields, as copy.replace does from Python 3.13 on."""
    return value._replace(**changes)
