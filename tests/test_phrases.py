"""The little phrases of a program file: each says one thing, or is refused with what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._phrases import (
    TIER_WINDOW,
    read_earn,
    read_expires,
    read_pending,
    read_percent,
    read_period,
    read_step,
    read_term,
    read_tier_window,
)
from loyaltycore.errors import UsageError
from loyaltycore.periods import (
    Awaiting,
    Calendar,
    Expires,
    OnDate,
    Pending,
    Period,
    Sliding,
    Term,
    Through,
    UntilDay,
    YearDay,
    check_policies,
    opens_and_ends,
)
from loyaltycore.quantities import Rate
from loyaltycore.tiers import CalendarMonths, CalendarYears, Lifetime, MembershipYears, TierWindow

AFTER_A_CENTURY = datetime(2126, 1, 1, tzinfo=UTC)

READERS: list[Callable[[str], object]] = [
    read_term,
    read_period,
    read_percent,
    read_expires,
    read_pending,
    read_tier_window,
    lambda text: read_step(text, currency="EUR"),
    lambda text: read_earn(text, currency="EUR"),
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


class TestEarn:
    @pytest.mark.parametrize(
        "text,expected",
        [
            ("1 per 1.00", (1, 100)),
            ("50 an order", 50),
            ("1 an order", 1),
            ("5 %", Rate.percent("5")),
            ("2.5%", Rate.percent("2.5")),
            ("150 %", Rate.percent("150")),
        ],
    )
    def test_step_flat_or_percent(self, text: str, expected: object) -> None:
        """Each form is its own kind of value."""
        assert read_earn(text, currency="EUR") == expected

    @pytest.mark.parametrize(
        "text", ["", "50", "50 per order", "50 a order", "1.5 an order", "-5 %", "5 percent", "1000000000 an order"]
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        """The message names the three forms."""
        with pytest.raises(UsageError, match=r'^must be "POINTS per AMOUNT", "POINTS an order" or a percentage, such as'):
            read_earn(text, currency="EUR")

    @pytest.mark.parametrize("text", ["0 an order", "0 %", "0.00 %", "000 an order"])
    def test_nothing_is_not_given(self, text: str) -> None:
        """A rule that gives nothing is a mistake."""
        with pytest.raises(UsageError, match=r"^must give more than nothing, got"):
            read_earn(text, currency="EUR")

    def test_a_step_is_checked_as_ever(self) -> None:
        """With its own messages."""
        with pytest.raises(UsageError, match=r"^must give at least 1 point per more than nothing"):
            read_earn("0 per 1.00", currency="EUR")


class TestExpires:
    @pytest.mark.parametrize(
        "text,expected",
        [
            ("never", None),
            ("30 days", Term(Period(days=30))),
            ("12 months, end of month", Term(Period(months=12), through_end_of=Through.MONTH)),
            ("12 months after last activity", Sliding(Term(Period(months=12)))),
            ("1 year, end of year after last activity", Sliding(Term(Period(years=1), through_end_of=Through.YEAR))),
            ("1 January", YearDay(1, 1)),
            ("29 February", YearDay(2, 29)),
            ("31 March", YearDay(3, 31)),
            ("30 April", YearDay(4, 30)),
            ("01 May", YearDay(5, 1)),
            ("1 June", YearDay(6, 1)),
            ("1 July", YearDay(7, 1)),
            ("1 August", YearDay(8, 1)),
            ("1 September", YearDay(9, 1)),
            ("1 October", YearDay(10, 1)),
            ("1 November", YearDay(11, 1)),
            ("31 December", YearDay(12, 31)),
            ("2026-12-31", UntilDay(date(2026, 12, 31))),
        ],
    )
    def test_ends(self, text: str, expected: Expires) -> None:
        """Never, a term, a sliding term, a day of the year, a date."""
        assert read_expires(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "Never",
            "12 months after",
            "after last activity",
            " after last activity",
            "1 january",
            "1. January",
            "1 Jan",
            "January 1",
            "2026-1-1",
            "31/12/2026",
            "until 2026-12-31",
            "on 2026-12-01",
            "at once",
            "12 months after last activity ",
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        """The message names every form."""
        with pytest.raises(UsageError, match=r'^must be "never", a term such as .* or a date such as "2026-12-31", got'):
            read_expires(text)

    @pytest.mark.parametrize(
        "text", ["0 May", "30 February", "31 April", "99 December", "2026-02-29", "2026-13-01", "0000-01-01"]
    )
    def test_days_that_no_calendar_has(self, text: str) -> None:
        """A slip in a date is told apart from another form."""
        with pytest.raises(UsageError, match=rf"^must be a day that the calendar has, got '{text}'$"):
            read_expires(text)

    @pytest.mark.parametrize("text", ["9001-01-01", "0002-12-31"])
    def test_days_at_the_ends_of_the_calendar(self, text: str) -> None:
        """They could not be told in every zone."""
        with pytest.raises(UsageError, match=r"^day must lie in the years 3 to 9000"):
            read_expires(text)

    def test_no_longer_than_a_century(self) -> None:
        """As any term."""
        with pytest.raises(UsageError, match=r"^must be at most 100 years"):
            read_expires("101 years after last activity")


class TestPending:
    @pytest.mark.parametrize(
        "text,expected",
        [
            ("at once", None),
            ("30 days", Term(Period(days=30))),
            ("1 month, end of month", Term(Period(months=1), through_end_of=Through.MONTH)),
            ("on 2026-12-01", OnDate(date(2026, 12, 1))),
            ("on delivered within 60 days", Awaiting("delivered", Term(Period(days=60)))),
            (
                "on review:published within 1 year, end of year",
                Awaiting("review:published", Term(Period(years=1), through_end_of=Through.YEAR)),
            ),
        ],
    )
    def test_waits(self, text: str, expected: Pending) -> None:
        """At once, a term, a date, an event before a deadline."""
        assert read_pending(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "At once",
            "never",
            "2026-12-01",
            "on",
            "on 1 January",
            "on delivered",
            "on delivered within",
            "on delivered within 60",
            "on the delivery within 60 days",
            "on delivered  within 60 days",
            "delivered within 60 days",
            "on delivered within 2026-12-01",
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        """The message names every form."""
        with pytest.raises(UsageError, match=r'^must be "at once", a term such as .* or "on EVENT within TERM", got'):
            read_pending(text)

    @pytest.mark.parametrize("event", ["a/b", "-a", "x" * 65, "é"])
    def test_an_event_is_a_name(self, event: str) -> None:
        """Like every name in a program."""
        with pytest.raises(UsageError, match=r"^EVENT must be 1 to 64 letters, digits"):
            read_pending(f"on {event} within 60 days")

    def test_days_that_no_calendar_has(self) -> None:
        """A slip in a date is told apart from another form."""
        with pytest.raises(UsageError, match=r"^must be a day that the calendar has, got 'on 2026-02-30'$"):
            read_pending("on 2026-02-30")


class TestTierWindow:
    @pytest.mark.parametrize(
        "text,expected",
        [
            ("12 months", Period(months=12)),
            ("90 days", Period(days=90)),
            ("calendar year", CalendarYears()),
            ("1 calendar year", CalendarYears()),
            ("2 calendar years", CalendarYears(years=2)),
            ("100 calendar years", CalendarYears(years=100)),
            ("calendar year from 1 April", CalendarYears(YearDay(4, 1))),
            ("2 calendar years from 29 February", CalendarYears(YearDay(2, 29), years=2)),
            ("calendar quarter", CalendarMonths(3)),
            ("2 calendar quarters", CalendarMonths(6)),
            ("calendar month", CalendarMonths(1)),
            ("4 calendar months", CalendarMonths(4)),
            ("membership year", MembershipYears()),
            ("3 membership years", MembershipYears(years=3)),
            ("lifetime", Lifetime()),
        ],
    )
    def test_windows(self, text: str, expected: TierWindow | Period) -> None:
        """A length, years and months of the calendar, years of the membership, or all time."""
        assert read_tier_window(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "12",
            "year",
            "Calendar year",
            "calendar  year",
            "calendar years ",
            "calendar week",
            "calendar year from April",
            "calendar year from 1 Avril",
            "calendar year from 2026-04-01",
            "calendar year, end of month",
            "12 months, end of month",
            "membership month",
            "2 lifetimes",
            "1.5 calendar years",
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        """The message names every form."""
        with pytest.raises(UsageError) as error:
            read_tier_window(text)
        assert str(error.value) == f"must be {TIER_WINDOW}, got {text!r}"

    @pytest.mark.parametrize(
        "text,message",
        [
            ("calendar quarter from 1 April", r"^must be a calendar year where it begins on a day of its own, got '"),
            ("membership year from 1 April", r"^must be a calendar year where it begins on a day of its own, got '"),
            ("calendar year from 31 April", r"^must be a day that the calendar has, got 'calendar year from 31 April'$"),
            ("0 calendar years", r"^years must be a whole number in \[1, 100\], got 0$"),
            ("101 membership years", r"^years must be a whole number in \[1, 100\], got 101$"),
            ("5 calendar months", r"^months must be one of 1, 2, 3, 4, 6, got 5$"),
            ("3 calendar quarters", r"^months must be one of 1, 2, 3, 4, 6, got 9$"),
            ("0 days", "^a period must be longer than nothing"),
            ("101 years", "^must be at most 100 years"),
        ],
    )
    def test_what_no_calendar_has(self, text: str, message: str) -> None:
        """A form that is known, and a number or a day that is none."""
        with pytest.raises(UsageError, match=message):
            read_tier_window(text)


class TestFuzz:
    @given(
        st.sampled_from(READERS),
        st.text(max_size=30)
        | st.from_regex(r"[0-9]{1,6} (per|days|%|an order|March)[ ,.0-9a-z]{0,12}", fullmatch=True)
        | st.from_regex(r"(on )?[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True)
        | st.from_regex(r"([0-9]{1,6} )?(calendar|membership) (year|quarter)s?( from [0-9]{1,3} (April|June))?", fullmatch=True)
        | st.from_regex(r"on [a-z]{1,3} within [0-9]{1,6} (day|year)s?", fullmatch=True),
    )
    def test_any_text_is_read_or_refused(self, read: Callable[[str], object], text: str) -> None:
        """A value, or one error; what is read can be used for a hundred years."""
        try:
            value = read(text)
        except UsageError:
            return
        if isinstance(value, Term | YearDay):
            assert value.end_after(AFTER_A_CENTURY, calendar=Calendar("Pacific/Apia")) > AFTER_A_CENTURY

    @given(
        st.sampled_from(["at once", "100 years", "on 9000-12-31", "on 0003-01-01", "on x within 100 years, end of year"]),
        st.sampled_from(
            ["never", "100 years, end of year", "29 February", "9000-12-31", "0003-01-01", "5217 weeks after last activity"]
        ),
        st.sampled_from(["Pacific/Kiritimati", "America/Adak", "UTC"]),
    )
    def test_what_is_read_never_fails_at_a_checkout(self, pending: str, expires: str, zone: str) -> None:
        """Where the two go together, there is an answer for a hundred years, in every zone."""
        wait, end = read_pending(pending), read_expires(expires)
        try:
            check_policies(wait, end)
        except UsageError:
            return
        terms = opens_and_ends(wait, end, at=AFTER_A_CENTURY, calendar=Calendar(zone))
        assert terms is not None or isinstance(end, UntilDay)
