"""What an amount earns, counted cent by cent: slow, plain, and sharing no arithmetic with the library."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor

from loyaltycore.orders import Formula, Shape
from loyaltycore.quantities import Rounding

__all__ = ["by_hand", "rounded"]


def by_hand(formula: Formula, kept: Iterable[tuple[Fraction, int]]) -> int:
    """Lay every cent on a pile, those that count most often below; each whole step counts as often as its last cent does.

    Args:
        formula: What an amount gives.
        kept: How many times, and how many cents.
    """
    pile = sorted((times for times, minor in kept for _ in range(minor)), reverse=True)
    if not pile or len(pile) < formula.at_least_minor:
        return 0
    match formula.shape:
        case Shape.STEP:
            worth = formula.points * sum(pile[formula.per_minor - 1 :: formula.per_minor], Fraction(0))
        case Shape.FLAT:
            worth = formula.points * pile[0]
        case Shape.SHARE:
            worth = sum(pile, Fraction(0)) * formula.points / formula.per_minor
    return rounded(worth, formula.rounding)


def rounded(worth: Fraction, rounding: Rounding) -> int:
    """Round what is not below zero."""
    below, above = floor(worth), ceil(worth)
    middle = Fraction(below + above, 2)
    match rounding:
        case Rounding.DOWN:
            return below
        case Rounding.UP:
            return above
        case Rounding.HALF_UP:
            return above if worth >= middle else below
        case Rounding.HALF_DOWN:
            return above if worth > middle else below
        case Rounding.HALF_EVEN:
            return round(worth)
