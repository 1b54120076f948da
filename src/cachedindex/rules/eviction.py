"""What is deleted to keep the cache folder small: what was unused for long, then the least recently used.

To sort all that lies there would take memory and time for everything before anything is deleted. So a first pass only
adds up how much was last used how long ago, and the sums show from which age on all has to go. Ages count as equal if
they differ by less than about 2 %: of the youngest that go, a part stays, whichever comes last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import inf, log2
from types import MappingProxyType

_LOW_WATER = 0.9
"""The share of the limit down to which entries are deleted, so that not every store exceeds the limit again."""
_STEPS = 32
"""Steps of age from one second to two, from two to four, and so on: 700 of them for 60 days."""

_NONE: Mapping[int, float] = MappingProxyType({})


class Cut:
    """Which entries go: those above one age, and of those at that age as many as make up the rest."""

    def __init__(self, now: float = 0.0, age: float = inf, rest: float = 0.0) -> None:
        """`now` is when the ages were taken, in seconds since the epoch; `age` is a step, `rest` an amount."""
        self.now = now
        self.age = age
        self.rest = rest

    def takes(self, used: float, amount: float) -> bool:
        """Return whether an entry goes that was last used then; one that was used since the ages were taken stays."""
        age = _age(self.now, used)
        if age != self.age:
            return age > self.age
        self.rest -= amount
        return self.rest + amount > 0


class Ages:
    """How much was last used how long ago."""

    def __init__(self, now: float, sums: Mapping[int, float] = _NONE) -> None:
        """`now` is in seconds since the epoch by the file system's clock; `sums` are the amounts so far, by step."""
        self.now = now
        self.sums = defaultdict(float, sums)

    def add(self, used: float, amount: float) -> None:
        """Add what was last used then, in seconds since the epoch."""
        self.sums[_age(self.now, used)] += amount

    def beyond(self, limit: float) -> Cut:
        """Return what goes so that the limit is kept with some room, the least recently used first."""
        total = sum(self.sums.values())
        return self.without(total - limit * _LOW_WATER) if total > limit else Cut()

    def without(self, surplus: float) -> Cut:
        """Return what goes so that so much less is left."""
        for age in sorted(self.sums, reverse=True):
            if self.sums[age] >= surplus:
                return Cut(self.now, age, surplus)
            surplus -= self.sums[age]
        return Cut()


def _age(now: float, used: float) -> int:
    """Return the step of an age; -1 if it is negative."""
    return int(log2(1.0 + now - used) * _STEPS) if used <= now else -1
