"""Ladders: ordered thresholds, under tiers, referral rewards and spend thresholds.

Invariants:
    1. Thresholds rise strictly; ``at`` never falls when the number rises.
    2. Below the first rung ``at`` is ``None``.
    3. Below the top ``at(x + shortfall(x))`` is the next rung and ``at(x + shortfall(x) − 1)`` is not; at the top there is no
       shortfall.

>>> tiers = Ladder.of({0: "bronze", 30000: "silver", 100000: "gold"})
>>> tiers.at(29999), tiers.shortfall(29999), tiers.at(30000), tiers.shortfall(100000)
('bronze', 1, 'silver', None)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar, final

import attrs

from loyaltycore._checks import check_mapping, check_several, check_whole
from loyaltycore.errors import UsageError

__all__ = ["RUNGS_LIMIT", "Ladder", "Rung"]

RUNGS_LIMIT: Final = 100
"""More rungs than any program has shown; a longer list is a mistake in a file."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@final
@attrs.frozen
class Rung(Generic[T_co]):
    """One step of a ladder.

    Attributes:
        threshold: The least number that reaches it, in the ladder's unit (minor units, points, friends).
        value: What it is or gives.
    """

    threshold: int
    value: T_co

    def __attrs_post_init__(self) -> None:
        """Refuse a threshold that is no whole number."""
        check_whole("threshold", self.threshold)
        if self.value is None:
            msg = "the value of a rung must not be None: that is the answer below the first rung"
            raise UsageError(msg)


def _tuple_of_rungs(rungs: Iterable[Rung[T]]) -> tuple[Rung[T], ...]:
    return check_several("rungs", rungs, Rung, limit=RUNGS_LIMIT)


@final
@attrs.frozen
class Ladder(Generic[T_co]):
    """Thresholds in rising order, each with a value.

    Attributes:
        rungs: At least one, at most 100, thresholds strictly rising.
    """

    rungs: tuple[Rung[T_co], ...] = attrs.field(converter=_tuple_of_rungs)

    def __attrs_post_init__(self) -> None:
        """Refuse an empty or unordered ladder."""
        if not self.rungs:
            msg = f"a ladder must have 1 to {RUNGS_LIMIT} rungs, got none"
            raise UsageError(msg)
        for lower, upper in zip(self.rungs, self.rungs[1:], strict=False):
            if upper.threshold <= lower.threshold:
                msg = f"thresholds must rise, got {lower.threshold} before {upper.threshold}"
                raise UsageError(msg)

    @classmethod
    def of(cls, rungs: Mapping[int, T]) -> Ladder[T]:
        """Take thresholds and values in any order.

        Args:
            rungs: Value by threshold.

        Raises:
            UsageError: No mapping, or one with no rung, too many, or a threshold that is no whole number.
        """
        found = check_mapping("rungs", rungs, limit=RUNGS_LIMIT)
        return Ladder(sorted([Rung(threshold, value) for threshold, value in found.items()], key=lambda rung: rung.threshold))

    def index(self, number: int) -> int:
        """Count the rungs reached: 0 below the first, ``len(rungs)`` at the top.

        Complexity:
            O(log n).
        """
        return bisect_right(self.rungs, check_whole("number", number), key=lambda rung: rung.threshold)

    def at(self, number: int) -> T_co | None:
        """Give the value of the highest rung reached, ``None`` below the first.

        Args:
            number: In the ladder's unit; ``number == threshold`` has reached it.
        """
        reached = self.index(number)
        return self.rungs[reached - 1].value if reached else None

    def next(self, number: int) -> Rung[T_co] | None:
        """Give the lowest rung not reached yet, ``None`` at the top."""
        reached = self.index(number)
        return self.rungs[reached] if reached < len(self.rungs) else None

    def shortfall(self, number: int) -> int | None:
        """Say how much is missing to the next rung, at least 1; ``None`` at the top."""
        following = self.next(number)
        return None if following is None else following.threshold - number
