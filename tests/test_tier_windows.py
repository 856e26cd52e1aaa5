"""Windows of tiers and their days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._tier_windows import (
    FOREVER,
    CalendarMonths,
    CalendarYears,
    FixedFrame,
    Frame,
    Lifetime,
    LifetimeFrame,
    MembershipYears,
    Rolling,
    RollingFrame,
    check_window,
    frame_of,
    shifted,
)
from loyaltycore.errors import UsageError
from loyaltycore.periods import Period, YearDay
from tests.odd_values import answers_or_refuses

DAY = timedelta(days=1)
DAYS = st.dates(date(2019, 1, 1), date(2033, 12, 31))
MONTHS = st.integers(-40, 40)
ROLLING = st.builds(RollingFrame, st.integers(0, 26), st.integers(1, 40))
FIXED = st.builds(FixedFrame, DAYS, st.sampled_from((1, 2, 3, 5, 6, 12, 24, 1200)))


class TestShifted:
    @given(DAYS, MONTHS, st.integers(-400, 400))
    def test_goes_as_a_period_does(self, day: date, months: int, days: int) -> None:
        """Months first, into a shorter month on its last day; then days. Both ways."""
        if months * days >= 0 and (months or days):
            way = 1 if months + days > 0 else -1
            assert shifted(day, months, days) == Period(months=abs(months), days=abs(days)).after(day, count=way)
        assert shifted(day, 0, 0) == day

    @pytest.mark.parametrize(
        "day,months,days,expected",
        [
            (date(2024, 1, 31), 1, 0, date(2024, 2, 29)),
            (date(2025, 1, 31), 1, 1, date(2025, 3, 1)),
            (date(2024, 2, 29), 12, 0, date(2025, 2, 28)),
            (date(2024, 12, 28), 1, 0, date(2025, 1, 28)),
            (date(2024, 1, 15), -1, 0, date(2023, 12, 15)),
            (date(9998, 12, 31), 0, 0, date(9998, 12, 31)),
            (date(9998, 12, 30), 0, 1, date(9998, 12, 31)),
            (date(9998, 12, 31), 0, 1, FOREVER),
            (date(9998, 11, 30), 1, 0, date(9998, 12, 30)),
            (date(9998, 12, 1), 1, 0, FOREVER),
            (date(2026, 1, 1), 10**9, 0, FOREVER),
            (date(2026, 1, 1), 0, 10**12, FOREVER),
            (date(9999, 12, 31), 0, 5, FOREVER),
            (date(2, 1, 2), 0, -1, date(2, 1, 1)),
            (date(2, 1, 1), 0, -1, date.min),
            (date(2, 2, 1), -1, 0, date(2, 1, 1)),
            (date(2, 1, 1), -1, 0, date.min),
            (date(2026, 1, 1), 0, -(10**12), date.min),
        ],
    )
    def test_table(self, day: date, months: int, days: int, expected: date) -> None:
        """The ends of months, of years and of the calendar."""
        assert shifted(day, months, days) == expected


class TestFrames:
    @given(ROLLING | FIXED, DAYS, st.integers(0, 500))
    def test_later_counts_and_keeps_longer(self, frame: Frame, day: date, more: int) -> None:
        """What comes later counts no shorter, and is kept no shorter."""
        later = day + more * DAY
        assert day <= frame.counts_through(day) <= frame.counts_through(later)
        for count in (1, 2, 5):
            assert frame.counts_through(day) <= frame.kept_through(day, count) <= frame.kept_through(later, count)
        assert frame.kept_through(day, 1) <= frame.kept_through(day, 2)

    @given(ROLLING | FIXED, DAYS)
    def test_first_of_a_window(self, frame: Frame, day: date) -> None:
        """From its first day on everything counts on the day, and nothing before."""
        first = frame.first_of(day)
        assert first <= day <= frame.counts_through(first)
        assert frame.counts_through(first - DAY) < day

    @given(FIXED, DAYS)
    def test_windows_follow_one_another(self, frame: FixedFrame, day: date) -> None:
        """Each day lies in one window, and the next one begins on the day after."""
        first, last, following = frame.first_of(day), frame.last_of(day), frame.next_after(day)
        assert first <= day <= last == frame.counts_through(day)
        assert following == last + DAY == frame.first_of(following)
        assert frame.first_of(last) == first
        assert frame.kept_through(day, 1) == frame.last_of(following)
        assert frame.kept_through(day, 2) == frame.kept_through(following, 1)

    def test_rolling(self) -> None:
        """Every day has its own window, and none begins."""
        frame = RollingFrame(12, 0)
        assert frame.counts_through(date(2024, 2, 29)) == date(2025, 2, 28)
        assert frame.kept_through(date(2024, 2, 29), 4) == date(2028, 2, 29)
        assert frame.first_of(date(2025, 2, 28)) == date(2024, 2, 28)
        assert frame.first_of(date(2025, 3, 1)) == date(2024, 3, 1)
        assert frame.last_of(date(2025, 3, 1)) is None
        assert frame.next_after(date(2025, 3, 1)) == FOREVER

    def test_rolling_from_before_the_calendar(self) -> None:
        """Where the period is longer than all of time before, everything counts."""
        assert RollingFrame(12 * 2030, 0).first_of(date(2026, 1, 1)) == date.min
        assert RollingFrame(12 * 8000, 0).counts_through(date(2026, 1, 1)) == FOREVER

    def test_lifetime(self) -> None:
        """Everything counts, for ever."""
        frame, day = LifetimeFrame(), date(2026, 1, 1)
        assert frame.counts_through(day) == frame.kept_through(day, 1) == frame.next_after(day) == FOREVER
        assert (frame.first_of(day), frame.last_of(day)) == (date.min, None)

    def test_a_window_beyond_the_calendar_never_ends(self) -> None:
        """The last window there is has no last day."""
        frame = FixedFrame(date(9998, 6, 1), 12)
        assert frame.last_of(date(9998, 6, 1)) == frame.kept_through(date(9998, 1, 1), 1) == FOREVER
        assert frame.last_of(date(9998, 1, 1)) == date(9998, 5, 31)

    @pytest.mark.parametrize(
        "window,joined_on,day,first,last",
        [
            (CalendarYears(), None, date(2026, 12, 31), date(2026, 1, 1), date(2026, 12, 31)),
            (CalendarYears(YearDay(4, 1)), None, date(2026, 3, 31), date(2025, 4, 1), date(2026, 3, 31)),
            (CalendarYears(YearDay(2, 29)), None, date(2026, 2, 28), date(2026, 2, 28), date(2027, 2, 27)),
            (CalendarYears(YearDay(2, 29)), None, date(2028, 2, 28), date(2027, 2, 28), date(2028, 2, 28)),
            (CalendarYears(years=2), None, date(2026, 5, 1), date(2026, 1, 1), date(2027, 12, 31)),
            (CalendarYears(years=2), date(2025, 1, 1), date(2025, 5, 1), date(2024, 1, 1), date(2025, 12, 31)),
            (CalendarMonths(1), None, date(2026, 2, 28), date(2026, 2, 1), date(2026, 2, 28)),
            (CalendarMonths(3), None, date(2026, 5, 31), date(2026, 4, 1), date(2026, 6, 30)),
            (CalendarMonths(6), None, date(1999, 12, 31), date(1999, 7, 1), date(1999, 12, 31)),
            (MembershipYears(), date(2024, 2, 29), date(2025, 2, 28), date(2025, 2, 28), date(2026, 2, 27)),
            (MembershipYears(), date(2024, 2, 29), date(2023, 2, 27), date(2022, 2, 28), date(2023, 2, 27)),
            (MembershipYears(2), date(2025, 7, 6), date(2027, 7, 5), date(2025, 7, 6), date(2027, 7, 5)),
            (MembershipYears(), None, date(2026, 7, 6), date(2026, 1, 1), date(2026, 12, 31)),
        ],
    )
    def test_table(self, window: Any, joined_on: date | None, day: date, first: date, last: date) -> None:  # noqa: ANN401  # any of them
        """The window of a day, first and last day."""
        frame = frame_of(window, joined_on=joined_on)
        assert (frame.first_of(day), frame.last_of(day)) == (first, last)

    def test_frames_of_the_others(self) -> None:
        """A rolling window counts months and days; a lifetime nothing."""
        assert frame_of(Rolling(Period(years=1, months=2, weeks=3, days=4)), joined_on=None) == RollingFrame(14, 25)
        assert frame_of(Lifetime(), joined_on=date(2026, 1, 1)) == LifetimeFrame()


class TestWindows:
    def test_a_period_is_a_rolling_window(self) -> None:
        """It is what most programs say."""
        assert check_window(Period(months=12)) == Rolling(Period(months=12))
        for window in (Rolling(Period(days=1)), CalendarYears(), CalendarMonths(12 // 4), MembershipYears(), Lifetime()):
            assert check_window(window) is window

    @pytest.mark.parametrize(
        "make,message",
        [
            (lambda: Rolling(30), "period must be of type Period"),  # type: ignore[arg-type]
            (lambda: CalendarYears(1), "starts must be of type YearDay"),  # type: ignore[arg-type]
            (lambda: CalendarYears(years=0), r"years must be a whole number in \[1, 100\]"),
            (lambda: CalendarYears(years=101), r"years must be a whole number in \[1, 100\]"),
            (lambda: CalendarMonths(5), "months must be one of 1, 2, 3, 4, 6, got 5"),
            (lambda: CalendarMonths(12), "months must be one of 1, 2, 3, 4, 6, got 12"),
            (lambda: CalendarMonths(1.0), "months must be a whole number"),  # type: ignore[arg-type]
            (lambda: MembershipYears(0), r"years must be a whole number in \[1, 100\]"),
            (lambda: MembershipYears(101), r"years must be a whole number in \[1, 100\]"),
            (lambda: check_window("12 months"), "window must be a Period or one of the windows of tiers, got '12 months'"),
        ],
    )
    def test_refused(self, make: Any, message: str) -> None:  # noqa: ANN401  # wrong on purpose
        """What is no window is told so."""
        with pytest.raises(UsageError, match=f"^{message}"):
            make()

    def test_longest(self) -> None:
        """A hundred years are a window still."""
        assert CalendarYears(years=100).years == MembershipYears(100).years == 100

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Rolling, period=Period(days=1))
        answers_or_refuses(CalendarYears, starts=YearDay(1, 1), years=1)
        answers_or_refuses(CalendarMonths, months=1)
        answers_or_refuses(MembershipYears, years=1)
        answers_or_refuses(check_window, window=Lifetime())
