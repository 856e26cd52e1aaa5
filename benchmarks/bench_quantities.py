"""What exact shares cost, beside the loop one would write first."""

from __future__ import annotations

from fractions import Fraction

from benchmarks._harness import Pair, bench
from loyaltycore.quantities import allocate

WEIGHTS = tuple(range(1, 101))
TOTAL = 9_999


def with_fractions(total: int, weights: tuple[int, ...]) -> list[int]:
    """Give the largest remainders one each, in exact fractions."""
    whole = sum(weights)
    exact = [Fraction(total * weight, whole) for weight in weights]
    parts = [int(share) for share in exact]
    by_cut = sorted(range(len(weights)), key=lambda place: parts[place] - exact[place])
    for place in by_cut[: total - sum(parts)]:
        parts[place] += 1
    return parts


@bench("allocate, 100 weights", unit="µs", against="largest remainders with fractions.Fraction")
def allocate_100() -> Pair:
    """Split one amount over a hundred units."""
    assert list(allocate(TOTAL, WEIGHTS)) == with_fractions(TOTAL, WEIGHTS)
    return Pair(lambda: allocate(TOTAL, WEIGHTS), lambda: with_fractions(TOTAL, WEIGHTS))
