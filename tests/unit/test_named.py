"""A named tuple of ours is what typing makes of the same class."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from cachedindex import named


class Ours(named.NamedTuple):
    """Two fields."""

    first: no_such_type  # type: ignore[name-defined] # noqa: F821 - nobody reads it
    second: int = 2
    """With a default."""

    @property
    def both(self) -> tuple[object, ...]:
        return (*self,)

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {self.first}"


class Theirs(typing.NamedTuple):
    """Two fields."""

    first: int
    second: int = 2


def test_a_class_has_its_fields_and_defaults_and_the_rest_of_its_body() -> None:
    assert (Ours._fields, Ours._field_defaults) == (Theirs._fields, Theirs._field_defaults)
    assert (Ours.__module__, Ours.__qualname__, Ours.__doc__) == (__name__, "Ours", Theirs.__doc__)
    assert Ours(1).both == (1, 2)
    assert repr(Ours(1)) == "Ours of 1"


def test_a_value_is_a_tuple_that_can_be_replaced_matched_copied_and_pickled() -> None:
    value = Ours(1)._replace(second=3)
    assert value == Theirs(1, 3) == (1, 3)
    match value:
        case Ours(first, second):
            assert (first, second) == (1, 3)
        case _:
            pytest.fail("no match")
    assert copy.copy(value) == pickle.loads(pickle.dumps(value)) == value
    with pytest.raises(AttributeError):
        value.second = 4  # type: ignore[misc]


def test_arguments_are_checked_as_those_of_a_function() -> None:
    with pytest.raises(TypeError, match="first"):
        Ours()
    with pytest.raises(TypeError, match="third"):
        Ours(1, third=3)
