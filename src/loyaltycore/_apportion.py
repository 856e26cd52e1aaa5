"""Splitting a whole number by weights: the bare arithmetic, for callers that have checked what they hand in.

>>> apportion(1000, (1, 1, 1), Remainder.LARGEST)
[334, 333, 333]
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import assert_never

__all__ = ["Remainder", "apportion"]


class Remainder(StrEnum):
    """Who gets the minor units that are left when a total is split.

    ``LARGEST``: those whose exact share was cut the most, ties to the earlier part. ``FIRST``, ``LAST``: that one part among
    those with a weight above zero, so that what has no share never gets one.
    """

    LARGEST = "largest"
    FIRST = "first"
    LAST = "last"


def apportion(total: int, weights: Sequence[int], remainder: Remainder) -> list[int]:
    """Split a total in proportion to weights; the parts sum to it.

    Args:
        total: At least 0.
        weights: Whole numbers of at least 0, and one of them above 0.
        remainder: Who gets what is left after each exact share was cut to whole.

    Complexity:
        O(n log n).
    """
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    left = total - sum(parts)
    if left == 0:
        return parts
    match remainder:
        case Remainder.LARGEST:
            by_cut = sorted(range(len(weights)), key=lambda place: (-(total * weights[place] % whole), place))
            for place in by_cut[:left]:
                parts[place] += 1
        case Remainder.FIRST:
            parts[next(place for place, weight in enumerate(weights) if weight)] += left
        case Remainder.LAST:
            parts[max(place for place, weight in enumerate(weights) if weight)] += left
        case _:
            assert_never(remainder)
    return parts
