"""Benefits: what an offer gives, rounded once."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore.benefits import FreeShipping, PercentOff, check_benefit
from loyaltycore.errors import UsageError

PERCENTS = st.integers(1, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)


class TestPercentOff:
    @pytest.mark.parametrize(
        "percent,list_minor,expected",
        [
            ("25", 1999, 500),  # 499.75
            ("10", 4, 0),
            ("10", 5, 1),
            ("50", 1, 1),
            ("2.5", 100, 3),  # 2.5, half up
            ("2.5", 99, 2),
            ("100", 12345, 12345),
            ("0.01", 4999, 0),
            ("0.01", 5000, 1),
            (10, 9240, 924),
            (Decimal("33.3"), 1000, 333),
            ("10", 0, 0),
        ],
    )
    def test_is_rounded_half_up_once(self, percent: str | int | Decimal, list_minor: int, expected: int) -> None:
        """Known answers around the half."""
        assert PercentOff(percent).amount_off(list_minor) == expected

    @pytest.mark.law(20)
    @given(PERCENTS, st.integers(0, 10**9))
    def test_never_gives_more_than_there_is(self, percent: Decimal, list_minor: int) -> None:
        """Between nothing and all, within half a minor unit of the exact share."""
        off = PercentOff(percent).amount_off(list_minor)
        assert 0 <= off <= list_minor
        assert abs(off - Fraction(percent) * list_minor / 100) <= Fraction(1, 2)

    @pytest.mark.parametrize("percent", ["0", "100.01", "101", "ten", "", 10.0, True, None, "NaN", Decimal("Infinity")])
    def test_other_percentages_are_refused(self, percent: object) -> None:
        """Above nothing, at most everything, and exact."""
        with pytest.raises(UsageError, match="percent"):
            PercentOff(percent)  # type: ignore[arg-type]

    def test_negative_percentages_are_refused(self) -> None:
        """A rate is never below nothing."""
        with pytest.raises(UsageError, match="factor must be a Fraction of at least 0"):
            PercentOff("-1")

    @pytest.mark.parametrize(
        "written,kept", [("10", "10"), ("10.0", "10"), ("2.50", "2.5"), (100, "100"), (Decimal("1E+1"), "10"), ("010", "10")]
    )
    def test_is_kept_in_one_form(self, written: str, kept: str) -> None:
        """Equal percentages are equal benefits, however they were written."""
        assert PercentOff(written).percent == kept
        assert PercentOff(written) == PercentOff(kept)

    def test_excluded_tags(self) -> None:
        """Several labels, as everywhere."""
        assert PercentOff("10", exclude_tags=["a", "a", "b"]).exclude_tags == {"a", "b"}
        with pytest.raises(UsageError):
            PercentOff("10", exclude_tags="low")


class TestFreeShipping:
    def test_all_are_equal(self) -> None:
        """There is nothing to tell them apart."""
        assert FreeShipping() == FreeShipping()


class TestCheckBenefit:
    @pytest.mark.parametrize("benefit", [PercentOff("10"), FreeShipping()])
    def test_takes_those_of_the_union(self, benefit: PercentOff | FreeShipping) -> None:
        """What an offer can give."""
        assert check_benefit(benefit) is benefit

    @pytest.mark.parametrize("other", ["10", None, PercentOff])
    def test_refuses_the_rest(self, other: object) -> None:
        """A text, nothing, the class itself."""
        with pytest.raises(UsageError, match="a benefit must be one of this module's"):
            check_benefit(other)
