"""The little phrases of a program file: each says one thing, or is refused with what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._phrases import read_percent, read_period, read_step, read_term
from loyaltycore.errors import UsageError
from loyaltycore.periods import Calendar, Period, Term, Through
from loyaltycore.quantities import Rate

READERS: list[Callable[[str], object]] = [
    read_term,
    read_period,
    read_percent,
    lambda text: read_step(text, currency="EUR"),
]


class TestStep:
    @pytest.mark.parametrize(
        "text,currency,expected",
        [
            ("1 per 1.00", "EUR", (1, 100)),
            ("1 per 1", "EUR", (1, 100)),
            ("3 per 0.01", "EUR", (3, 1)),
            ("1 per 100", "JPY", (1, 100)),
            ("2 per 0.125", "KWD", (2, 125)),
            ("999999999 per 50.00", "EUR", (999_999_999, 5000)),
        ],
    )
    def test_points_and_minor_units(self, text: str, currency: str, expected: tuple[int, int]) -> None:
        """Whole points for an amount of the program's currency."""
        assert read_step(text, currency=currency) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "1",
            "1 per",
            "per 1.00",
            "1 per 1.",
            "1 per .5",
            "1 per -1",
            "1.5 per 1",
            "1 for 1.00",
            " 1 per 1",
            "1 per 1.00 ",
            "1 PER 1",
            "1000000000 per 1",
            "0 per 1.00",
            "1 per 0.00",
            "1 per 0.001",
            "1 per 1,00",
            "\uff11 per 1",
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        """No rounding is guessed, and nothing is given for nothing."""
        with pytest.raises(UsageError):
            read_step(text, currency="EUR")


class TestTerm:
    @pytest.mark.parametrize(
        "text,expected",
        [
            ("1 day", Term(Period(days=1))),
            ("30 days", Term(Period(days=30))),
            ("2 weeks", Term(Period(weeks=2))),
            ("12 months, end of month", Term(Period(months=12), through_end_of=Through.MONTH)),
            ("1 year, end of quarter", Term(Period(years=1), through_end_of=Through.QUARTER)),
            ("1 year, end of year", Term(Period(years=1), through_end_of=Through.YEAR)),
            ("1 year, end of day", Term(Period(years=1))),
            ("100 years", Term(Period(years=100))),
            ("1200 months", Term(Period(months=1200))),
            ("5217 weeks", Term(Period(weeks=5217))),
            ("36525 days", Term(Period(days=36525))),
        ],
    )
    def test_terms(self, text: str, expected: Term) -> None:
        """A period, through the end of a day, month, quarter or year."""
        assert read_term(text) == expected

    @pytest.mark.parametrize("text", ["101 years", "1201 months", "5218 weeks", "36526 days", "99999 years"])
    def test_no_longer_than_a_century(self, text: str) -> None:
        """A longer one is a mistake, and would one day leave the calendar in the middle of a checkout."""
        with pytest.raises(UsageError, match="must be at most 100 years"):
            read_term(text)

    @pytest.mark.parametrize(
        "text", ["", "0 days", "12", "days", "-1 days", "1.5 years", "12 months,end of month", "12 months, end of week", "1 hour"]
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        """One grammar, and no other."""
        with pytest.raises(UsageError):
            read_term(text)

    def test_period_has_no_end(self) -> None:
        """A window of tiers is a length alone."""
        assert read_period("12 months") == Period(months=12)
        with pytest.raises(UsageError, match=r'must be "N days\|weeks\|months\|years"'):
            read_period("12 months, end of month")
        with pytest.raises(UsageError):
            read_period("12")


class TestPercent:
    @pytest.mark.parametrize(
        "text,percent", [("50 %", "50"), ("50%", "50"), ("2.5 %", "2.5"), ("0 %", "0"), ("100 %", "100"), ("150 %", "150")]
    )
    def test_percentages(self, text: str, percent: str) -> None:
        """With or without the space."""
        assert read_percent(text) == Rate.percent(percent)

    @pytest.mark.parametrize("text", ["", "50", "%", "-1 %", "1.5.5 %", "50  %", "fifty %", "50 % "])
    def test_anything_else_is_refused(self, text: str) -> None:
        """A number and the sign."""
        with pytest.raises(UsageError, match="must be a percentage"):
            read_percent(text)


class TestFuzz:
    @given(
        st.sampled_from(READERS),
        st.text(max_size=30) | st.from_regex(r"[0-9]{1,6} (per|days|%)[ ,.0-9a-z]{0,12}", fullmatch=True),
    )
    def test_any_text_is_read_or_refused(self, read: Callable[[str], object], text: str) -> None:
        """A value, or one error; what is read can be used for a hundred years."""
        try:
            value = read(text)
        except UsageError:
            return
        if isinstance(value, Term):
            at = datetime(2126, 1, 1, tzinfo=UTC)
            assert value.end_after(at, calendar=Calendar("Pacific/Apia")) > at
