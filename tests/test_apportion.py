"""The bare split: parts that sum to the whole."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._apportion import Remainder, apportion
from loyaltycore.quantities import allocate

WEIGHTS = st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any)


class TestApportion:
    @pytest.mark.parametrize(
        "total,weights,remainder,parts",
        [
            (10, (6, 6, 2), Remainder.LARGEST, [4, 4, 2]),
            (11, (6, 6, 2), Remainder.LARGEST, [5, 5, 1]),
            (100, (1, 1, 1), Remainder.LARGEST, [34, 33, 33]),
            (100, (1, 1, 1), Remainder.FIRST, [34, 33, 33]),
            (101, (1, 1, 1), Remainder.FIRST, [35, 33, 33]),
            (101, (0, 1, 1, 1, 0), Remainder.LAST, [0, 33, 33, 35, 0]),
            (101, (0, 1, 1, 1, 0), Remainder.FIRST, [0, 35, 33, 33, 0]),
            (9, (1, 1, 1), Remainder.LAST, [3, 3, 3]),
            (0, (1, 2), Remainder.FIRST, [0, 0]),
        ],
    )
    def test_table(self, total: int, weights: tuple[int, ...], remainder: Remainder, parts: list[int]) -> None:
        """What is left goes to who was cut most, or to the first or last that has a weight."""
        assert apportion(total, weights, remainder) == parts

    @pytest.mark.law(1)
    @given(st.integers(0, 10_000), WEIGHTS, st.sampled_from(Remainder))
    def test_parts_sum_to_the_whole(self, total: int, weights: list[int], remainder: Remainder) -> None:
        """Whoever gets the rest; without a weight there is no part; the largest remainder stays within one of the exact share."""
        parts = apportion(total, weights, remainder)
        assert sum(parts) == total
        assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)
        if remainder is Remainder.LARGEST:
            exact = [Fraction(total * weight, sum(weights)) for weight in weights]
            assert all(abs(part - share) < 1 for part, share in zip(parts, exact, strict=True))

    @given(st.integers(0, 10_000), WEIGHTS, st.sampled_from(Remainder))
    def test_is_what_allocate_gives(self, total: int, weights: list[int], remainder: Remainder) -> None:
        """The one that checks what it is handed gives the same."""
        assert tuple(apportion(total, weights, remainder)) == allocate(total, weights, remainder=remainder)
