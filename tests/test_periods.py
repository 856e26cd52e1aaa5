"""Periods, windows, local days and schedules."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from loyaltycore._phrases import read_expires, read_pending
from loyaltycore.errors import UsageError
from loyaltycore.periods import (
    EVENT_LIMIT,
    FIXED_FROM,
    FIXED_TO,
    PERIOD_LIMIT,
    Awaiting,
    Calendar,
    Expires,
    Lasting,
    OnDate,
    Pending,
    Period,
    Recurrence,
    Schedule,
    Sliding,
    Term,
    Terms,
    Through,
    UntilDay,
    Weekday,
    Window,
    YearDay,
    check_instant,
    check_policies,
    opens_and_ends,
)
from loyaltycore.testing.strategies import calendars, instants, periods, terms, windows
from loyaltycore.wire import coder, parse_instant, plain
from tests.odd_values import answers_or_refuses

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "periods.json").read_text(encoding="utf-8"))

PARIS = Calendar("Europe/Paris")
JULY = datetime(2026, 7, 1, tzinfo=UTC)
AUGUST = datetime(2026, 8, 1, tzinfo=UTC)
# Half past two comes twice: the second time, an hour later, by the same clocks.
FIRST = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"))
SECOND = FIRST.replace(fold=1)


class TestWindow:
    @pytest.mark.parametrize(
        "starts_at,ends_at,inside",
        [
            (JULY, AUGUST, [False, True, True, False]),
            (JULY, None, [False, True, True, True]),
            (None, AUGUST, [True, True, True, False]),
            (None, None, [True, True, True, True]),
        ],
    )
    def test_start_is_inside_and_end_is_not(
        self, starts_at: datetime | None, ends_at: datetime | None, inside: list[bool]
    ) -> None:
        """The start is inside, the end is not; either may be missing."""
        window = Window(starts_at=starts_at, ends_at=ends_at)
        second = timedelta(seconds=1)
        assert [window.contains(at) for at in (JULY - second, JULY, AUGUST - second, AUGUST)] == inside

    @pytest.mark.parametrize("ends_at", [JULY, JULY - timedelta(microseconds=1)])
    def test_is_never_empty(self, ends_at: datetime) -> None:
        """An end at or before the start is a mistake."""
        with pytest.raises(UsageError, match=r"^ends_at must be after 2026-07-01 00:00:00\+00:00, got"):
            Window(starts_at=JULY, ends_at=ends_at)

    @pytest.mark.parametrize("name", ["starts_at", "ends_at"])
    def test_needs_zones(self, name: str) -> None:
        """A naive time is refused by name."""
        with pytest.raises(UsageError, match=rf"^{name} must be a timezone-aware datetime"):
            Window(**{"starts_at": None, "ends_at": None, name: datetime(2026, 7, 1)})  # noqa: DTZ001
        with pytest.raises(UsageError, match=r"^at must be a timezone-aware datetime"):
            Window(starts_at=None, ends_at=None).contains(datetime(2026, 7, 1))  # noqa: DTZ001

    def test_sees_through_a_doubled_hour(self) -> None:
        """From 2:30 to 2:30 an hour passes when summer time ends, though the clocks say none does."""
        window = Window(starts_at=FIRST, ends_at=SECOND)
        assert window.contains(FIRST)
        assert window.contains(FIRST + timedelta(minutes=10))
        assert not window.contains(SECOND)
        with pytest.raises(UsageError, match="ends_at must be after"):
            Window(starts_at=SECOND, ends_at=FIRST)

    @given(windows(), instants())
    def test_zone_of_the_question_does_not_count(self, window: Window, at: datetime) -> None:
        """One instant, one answer; and equal windows are equal whatever their zones."""
        assert window.contains(at) == window.contains(at.astimezone(UTC))
        assert pickle.loads(pickle.dumps(window)) == window

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Window, starts_at=JULY, ends_at=AUGUST)
        answers_or_refuses(Window(starts_at=JULY, ends_at=AUGUST).contains, at=JULY)


class TestPeriod:
    @pytest.mark.parametrize("unit", ["years", "months", "weeks", "days"])
    def test_bounds(self, unit: str) -> None:
        """From one to a hundred years of days, in whole numbers."""
        assert getattr(Period(**{unit: 1}), unit) == 1
        assert getattr(Period(**{unit: PERIOD_LIMIT}), unit) == PERIOD_LIMIT
        for bad in (-1, PERIOD_LIMIT + 1):
            with pytest.raises(UsageError, match=rf"^{unit} must be a whole number in \[0, 36525\], got {bad}$"):
                Period(**{unit: bad})

    @pytest.mark.law(3)
    @pytest.mark.parametrize("bad", [1.0, True, "1", None])
    def test_whole_numbers_only(self, bad: int) -> None:
        """Half a month is no period."""
        with pytest.raises(UsageError, match=r"^months must be a whole number"):
            Period(months=bad)

    @pytest.mark.parametrize("period", [{}, {"days": 0, "years": 0}])
    def test_is_longer_than_nothing(self, period: dict[str, int]) -> None:
        """A period of nothing would end where it starts."""
        with pytest.raises(UsageError, match="a period must be longer than nothing"):
            Period(**period)

    @pytest.mark.parametrize(
        "period,anchor,count,expected",
        [
            (Period(months=1), date(2027, 1, 31), 1, date(2027, 2, 28)),
            (Period(months=1), date(2027, 1, 31), 2, date(2027, 3, 31)),
            (Period(months=1), date(2027, 3, 31), -1, date(2027, 2, 28)),
            (Period(months=1), date(2027, 3, 31), 0, date(2027, 3, 31)),
            (Period(years=1), date(2024, 2, 29), 1, date(2025, 2, 28)),
            (Period(years=1), date(2024, 2, 29), 4, date(2028, 2, 29)),
            (Period(weeks=1, days=1), date(2026, 7, 1), 3, date(2026, 7, 25)),
            (Period(years=1, months=1, weeks=1, days=1), date(2026, 1, 31), 1, date(2027, 3, 8)),
        ],
    )
    def test_is_counted_from_the_anchor(self, period: Period, anchor: date, count: int, expected: date) -> None:
        """In one step, never chained."""
        assert period.after(anchor, count=count) == expected

    @pytest.mark.law(4)
    @given(periods(), st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 20))
    def test_goes_forward(self, period: Period, anchor: date, count: int) -> None:
        """More times is later, and each is later than the anchor."""
        days = [anchor, *(period.after(anchor, count=nth) for nth in range(1, count + 1))]
        assert all(earlier < later for earlier, later in pairwise(days))

    @pytest.mark.law(4)
    @given(periods(), st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 400), st.integers(0, 20))
    def test_is_monotone_in_the_anchor(self, period: Period, anchor: date, days: int, count: int) -> None:
        """A later anchor never gives an earlier day."""
        assert period.after(anchor, count=count) <= period.after(anchor + timedelta(days=days), count=count)

    @given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 240))
    def test_months_keep_the_day_where_there_is_one(self, anchor: date, count: int) -> None:
        """The naive way: count the months, and cut the day to the length of the month reached."""
        month = anchor.month - 1 + count
        year, month = anchor.year + month // 12, month % 12 + 1
        first_of_next = date(year + month // 12, month % 12 + 1, 1)
        day = min(anchor.day, (first_of_next - timedelta(days=1)).day)
        assert Period(months=1).after(anchor, count=count) == date(year, month, day)

    @pytest.mark.parametrize("count", [10**4, -(10**4), 10**18, -(10**18)])
    def test_stays_in_the_calendar(self, count: int) -> None:
        """A day that no calendar has is refused."""
        with pytest.raises(UsageError, match=r"counted -?\d+ times from 2026-07-01 leaves the calendar$"):
            Period(years=1).after(date(2026, 7, 1), count=count)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Period, years=1, months=1, weeks=1, days=1)
        answers_or_refuses(Period(years=1).after, anchor=date(2026, 7, 1), count=1)


class TestCalendar:
    @pytest.mark.parametrize(
        "zone",
        ["", "Paris", "Europe", "Europe/Paris ", "/etc/passwd", "../Paris", "x" * 5000, "\0", "\ud800", None, 1, ["UTC"]],
        ids=count(),
    )
    def test_zone_must_be_known(self, zone: str) -> None:
        """An IANA name, nothing else."""
        with pytest.raises(UsageError, match=r"^zone must be"):
            Calendar(zone)

    @pytest.mark.parametrize("case", GOLDEN["first_instants"], ids=lambda case: f"{case['zone']} {case['day']}")
    def test_first_instant_golden(self, case: dict[str, str]) -> None:
        """Known answers, above all where midnight is skipped, doubled, or the whole day is missing."""
        first = Calendar(case["zone"]).first_instant(date.fromisoformat(case["day"]))
        assert first == parse_instant(case["at"])
        assert first.tzinfo is UTC

    @pytest.mark.parametrize("case", GOLDEN["days"], ids=lambda case: f"{case['zone']} {case['at']}")
    def test_day_of_golden(self, case: dict[str, str]) -> None:
        """Known answers, above all where clocks go back over midnight."""
        assert Calendar(case["zone"]).day_of(parse_instant(case["at"])) == date.fromisoformat(case["day"])

    @pytest.mark.law(4)
    @given(calendars(), instants())
    @example(Calendar("America/St_Johns"), datetime(2010, 11, 7, 2, 45, tzinfo=UTC))
    @example(Calendar("Pacific/Apia"), datetime(2011, 12, 30, 10, tzinfo=UTC))
    def test_a_day_lasts_to_the_next(self, calendar: Calendar, at: datetime) -> None:
        """Every instant lies in exactly one local day."""
        day = calendar.day_of(at)
        assert calendar.first_instant(day) <= at < calendar.first_instant(day + timedelta(days=1))

    @given(calendars(), instants())
    def test_first_instant_is_the_first(self, calendar: Calendar, at: datetime) -> None:
        """A second before, the clocks show an earlier day; from then on, none earlier than the day."""
        day = calendar.day_of(at)
        first = calendar.first_instant(day)
        assert calendar.local(first).date() >= day
        assert calendar.local(first - timedelta(seconds=1)).date() < day

    @pytest.mark.law(4)
    @given(calendars(), instants(), st.timedeltas(timedelta(0), timedelta(days=3)))
    @example(Calendar("America/St_Johns"), datetime(2010, 11, 7, 2, 30, tzinfo=UTC), timedelta(minutes=1))
    def test_days_never_go_back(self, calendar: Calendar, at: datetime, later: timedelta) -> None:
        """Not even when the clocks do, and show the day before once more."""
        assert calendar.day_of(at) <= calendar.day_of(at.astimezone(UTC) + later)

    def test_local_is_what_the_clocks_show(self) -> None:
        """The same instant, in the zone."""
        assert PARIS.local(JULY).isoformat() == "2026-07-01T02:00:00+02:00"

    @pytest.mark.parametrize("day", [date(1, 12, 31), date(9999, 1, 1), JULY, "2026-07-01", None])
    def test_a_day_is_a_date(self, day: date) -> None:
        """No instant, and none at the ends of the calendar."""
        with pytest.raises(UsageError, match=r"^day must be a date of the years 2 to 9998, got"):
            PARIS.first_instant(day)

    @pytest.mark.parametrize("ask", [PARIS.local, PARIS.day_of])
    def test_naive_times_are_refused(self, ask: Callable[[datetime], object]) -> None:
        """The zone of the machine is never taken instead."""
        with pytest.raises(UsageError, match=r"^at must be a timezone-aware datetime"):
            ask(datetime(2026, 7, 1))  # noqa: DTZ001

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Calendar, zone="UTC")
        answers_or_refuses(PARIS.local, at=JULY)
        answers_or_refuses(PARIS.day_of, at=JULY)
        answers_or_refuses(PARIS.first_instant, day=date(2026, 7, 1))
        assert pickle.loads(pickle.dumps(PARIS)) == PARIS


class TestTerm:
    @pytest.mark.parametrize("case", GOLDEN["terms"], ids=lambda case: case["name"])
    def test_end_after_golden(self, case: dict[str, Any]) -> None:
        """Known answers: the nights of both changes, short months, leap years, odd zones."""
        term = Term(Period(**case["period"]), through_end_of=Through(case["through"]))
        end = term.end_after(parse_instant(case["anchor"]), calendar=Calendar(case["zone"]))
        assert end == parse_instant(case["end"])
        assert end.tzinfo is UTC

    @pytest.mark.law(4)
    @given(terms(), instants(), calendars())
    def test_end_is_later_than_the_anchor(self, term: Term, at: datetime, calendar: Calendar) -> None:
        """Nothing expires as it is earned."""
        assert term.end_after(at, calendar=calendar) > at

    @pytest.mark.law(4)
    @given(terms(), instants(), calendars(), st.timedeltas(timedelta(0), timedelta(days=40)))
    @example(Term(Period(days=1)), datetime(2010, 11, 7, 2, 30, tzinfo=UTC), Calendar("America/St_Johns"), timedelta(minutes=30))
    def test_expiry_is_monotone_in_time(self, term: Term, at: datetime, calendar: Calendar, later: timedelta) -> None:
        """What is earned later never expires earlier."""
        first = term.end_after(at, calendar=calendar)
        assert first <= term.end_after(at.astimezone(UTC) + later, calendar=calendar)

    @given(terms(), instants(), calendars())
    def test_end_begins_a_local_day(self, term: Term, at: datetime, calendar: Calendar) -> None:
        """The last day counts whole: the end is the first instant of a local day."""
        end = term.end_after(at, calendar=calendar)
        assert end == calendar.first_instant(calendar.day_of(end))
        assert calendar.day_of(end - timedelta(microseconds=1)) < calendar.day_of(end)

    def test_through_the_day_unless_said(self) -> None:
        """A plain period ends with its last day."""
        assert Term(Period(days=1)) == Term(Period(days=1), through_end_of=Through.DAY)
        assert pickle.loads(pickle.dumps(Term(Period(days=1)))) == Term(Period(days=1))

    @pytest.mark.parametrize("at", [datetime(9998, 12, 31, tzinfo=UTC), datetime(9990, 1, 1, tzinfo=UTC)])
    def test_stays_in_the_calendar(self, at: datetime) -> None:
        """An end that no calendar has is refused."""
        with pytest.raises(UsageError, match=r"leaves the calendar$"):
            Term(Period(years=10)).end_after(at, calendar=PARIS)
        with pytest.raises(UsageError, match=r"^day must be a date of the years 2 to 9998"):
            Term(Period(days=1), through_end_of=Through.YEAR).end_after(datetime(9998, 6, 1, tzinfo=UTC), calendar=PARIS)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Term, period=Period(days=1), through_end_of=Through.MONTH)
        answers_or_refuses(Term(Period(days=1)).end_after, anchor=JULY, calendar=PARIS)


TUESDAYS = Schedule(weekdays=[Weekday.TUESDAY], starts=time(16), ends=time(18))


class TestSchedule:
    @pytest.mark.parametrize(
        "local,expected",
        [
            ("2026-07-07T15:59:59.999999", False),
            ("2026-07-07T16:00:00", True),
            ("2026-07-07T17:59:59.999999", True),
            ("2026-07-07T18:00:00", False),
            ("2026-07-08T16:00:00", False),
            ("2026-12-08T16:00:00", True),
        ],
    )
    def test_runs_by_local_clocks(self, local: str, *, expected: bool) -> None:
        """From four to six on Tuesdays, summer and winter."""
        at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/Paris"))
        assert TUESDAYS.contains(at.astimezone(UTC), calendar=PARIS) is expected

    def test_whole_days(self) -> None:
        """Without times it runs from midnight to midnight."""
        weekend = Schedule(weekdays={Weekday.SUNDAY, Weekday.SATURDAY})
        assert weekend.weekdays == (Weekday.SATURDAY, Weekday.SUNDAY)
        friday = datetime(2026, 7, 3, 22, tzinfo=UTC)
        assert weekend.contains(friday, calendar=PARIS)
        assert not weekend.contains(friday - timedelta(microseconds=1), calendar=PARIS)
        assert not weekend.contains(friday + timedelta(days=2), calendar=PARIS)

    def test_needs_a_calendar(self) -> None:
        """Local clocks are somewhere."""
        with pytest.raises(UsageError, match=r"^calendar must be of type Calendar, got 'Europe/Paris'$"):
            TUESDAYS.contains(JULY, calendar="Europe/Paris")  # type: ignore[arg-type]

    def test_weekdays_are_put_in_order(self) -> None:
        """Monday first, each once, whatever was given; equal schedules are equal."""
        days = list(reversed(Weekday)) * 2
        assert Schedule(weekdays=days).weekdays == tuple(Weekday)
        assert pickle.loads(pickle.dumps(TUESDAYS)) == TUESDAYS

    @pytest.mark.parametrize(
        "wrong,message",
        [
            ({"weekdays": []}, "weekdays must name at least one day"),
            ({"weekdays": "monday"}, "weekdays must be several values"),
            ({"weekdays": ["monday"]}, "each of weekdays must be one of monday, tuesday"),
            ({"weekdays": None}, "weekdays must be several values"),
            ({"starts": time(1, tzinfo=UTC)}, "must be local times without a zone"),
            ({"ends": time(20, tzinfo=UTC)}, "must be local times without a zone"),
            ({"ends": time(16)}, "ends must be after 16:00:00, got 16:00:00"),
            ({"ends": time(15)}, "ends must be after 16:00:00, got 15:00:00"),
            ({"starts": "16:00"}, "starts must be of type time"),
            ({"ends": 18}, "ends must be of type time"),
        ],
    )
    def test_wrong_values(self, wrong: dict[str, Any], message: str) -> None:
        """Each field is checked by name."""
        good: dict[str, Any] = {"weekdays": [Weekday.MONDAY], "starts": time(16), "ends": time(18)}
        with pytest.raises(UsageError, match=message):
            Schedule(**{**good, **wrong})

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Schedule, weekdays=[Weekday.MONDAY], starts=time(16), ends=time(18))
        answers_or_refuses(TUESDAYS.contains, at=JULY, calendar=PARIS)


TICK = timedelta(microseconds=1)


def year_days() -> st.SearchStrategy[YearDay]:
    """Draw days that every year has, 29 February among them."""
    return st.dates(date(2024, 1, 1), date(2024, 12, 31)).map(lambda day: YearDay(day.month, day.day))


def days() -> st.SearchStrategy[date]:
    """Draw days of the years in which instants are drawn."""
    return st.dates(date(2000, 1, 1), date(2100, 12, 31))


def waits() -> st.SearchStrategy[Pending]:
    """Draw every way to wait."""
    events = st.builds(Awaiting, st.sampled_from(["delivered", "reviewed"]), terms(max_years=1))
    return st.none() | terms(max_years=1) | st.builds(OnDate, days()) | events


def ends() -> st.SearchStrategy[Expires]:
    """Draw every way to end."""
    return st.none() | terms() | year_days() | st.builds(UntilDay, days()) | st.builds(Sliding, terms())


def opened(pending: Pending, expires: Expires, at: datetime, calendar: Calendar) -> Terms | None:
    """Work terms out, where the two can go together."""
    try:
        check_policies(pending, expires)
    except UsageError:
        reject()
    return opens_and_ends(pending, expires, at=at, calendar=calendar)


class TestRecurrence:
    def test_days_come_again(self) -> None:
        """The first Sunday of each month, and no other day."""
        sundays = Recurrence("FREQ=MONTHLY;BYDAY=1SU")
        assert [day for day in range(1, 32) if sundays.contains(date(2026, 7, day))] == [5]
        assert sundays.contains(date(1999, 8, 1))

    def test_first_day_is_the_first(self) -> None:
        """What the rule leaves unsaid is as on it, and nothing comes before it."""
        fortnights = Recurrence("FREQ=WEEKLY;INTERVAL=2", starts_on=date(2026, 7, 3))
        assert [day for day in range(1, 32) if fortnights.contains(date(2026, 7, day))] == [3, 17, 31]
        assert not fortnights.contains(date(2026, 6, 19))

    def test_equal_by_what_is_said(self) -> None:
        """By the rule as it is written, and by the first day."""
        one = Recurrence("FREQ=MONTHLY;BYDAY=1SU")
        assert one == Recurrence("FREQ=MONTHLY;BYDAY=1SU")
        assert hash(one) == hash(Recurrence("FREQ=MONTHLY;BYDAY=1SU"))
        assert one != Recurrence("FREQ=MONTHLY;BYDAY=1SU", starts_on=date(2026, 1, 1))
        assert pickle.loads(pickle.dumps(one)) == one
        assert pickle.loads(pickle.dumps(one)).contains(date(2026, 7, 5))
        assert eval(repr(one)) == one
        assert plain(one) == {"is": "Recurrence", "rule": "FREQ=MONTHLY;BYDAY=1SU", "starts_on": None}

    @pytest.mark.parametrize("rule", ["", "FREQ=MONTHLY", "FREQ=MONTHLY;BYDAY=1SU;COUNT=3", 1])
    def test_refused(self, rule: str) -> None:
        """What is read is in test_recurrence.py; here, that it is read when it is made."""
        with pytest.raises(UsageError, match="rule must"):
            Recurrence(rule)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Recurrence, rule="FREQ=DAILY", starts_on=date(2026, 7, 1))
        answers_or_refuses(Recurrence("FREQ=DAILY").contains, day=date(2026, 7, 1))


class TestYearDay:
    @pytest.mark.parametrize("case", GOLDEN["year_days"], ids=lambda case: case["name"])
    def test_end_after_golden(self, case: dict[str, Any]) -> None:
        """Known answers: on the day itself, over the end of the year, leap years, the night midnight is skipped."""
        end = YearDay(*case["year_day"]).end_after(parse_instant(case["anchor"]), calendar=Calendar(case["zone"]))
        assert end == parse_instant(case["end"])
        assert end.tzinfo is UTC

    @pytest.mark.law(4)
    @given(year_days(), instants(), calendars())
    @example(YearDay(12, 30), datetime(2011, 12, 29, 22, tzinfo=UTC), Calendar("Pacific/Apia"))
    def test_end_is_later_than_the_anchor(self, year_day: YearDay, at: datetime, calendar: Calendar) -> None:
        """Nothing expires as it is earned, not even on the day itself; and within about a year it does."""
        end = year_day.end_after(at, calendar=calendar)
        assert at < end <= at.astimezone(UTC) + timedelta(days=368)

    @pytest.mark.law(4)
    @given(year_days(), instants(), calendars(), st.timedeltas(timedelta(0), timedelta(days=400)))
    def test_expiry_is_monotone_in_time(self, year_day: YearDay, at: datetime, calendar: Calendar, later: timedelta) -> None:
        """What is earned later never expires earlier."""
        end = year_day.end_after(at.astimezone(UTC) + later, calendar=calendar)
        assert year_day.end_after(at, calendar=calendar) <= end

    @given(year_days(), days())
    def test_on_or_after_is_the_first(self, year_day: YearDay, day: date) -> None:
        """A walk from day to day finds the same."""
        is_it = (day + timedelta(days=more) for more in count())
        may_be_the_28th = (year_day.month, year_day.day) == (2, 29)
        expected = next(
            one
            for one in is_it
            if (one.month, one.day) == (year_day.month, year_day.day)
            or (may_be_the_28th and (one + timedelta(days=1)).day == 1 and one.month == 2)
        )
        assert year_day.on_or_after(day) == expected

    @pytest.mark.parametrize("month,day", [(0, 1), (13, 1), (1, 0), (1, 32), (2, 30), (4, 31), (1, True), ("1", 1)])
    def test_a_day_that_no_year_has(self, month: int, day: int) -> None:
        """There is no 30 February to wait for."""
        with pytest.raises(UsageError, match=r"^(month|day) must be a whole number in \[1, (12|31|29|30)\], got"):
            YearDay(month, day)

    @pytest.mark.parametrize("month,last", list(enumerate([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], start=1)))
    def test_the_last_day_of_a_month(self, month: int, last: int) -> None:
        """Each month up to its last day, and not further."""
        assert YearDay(month, last).day == last
        with pytest.raises(UsageError, match=rf"^day must be a whole number in \[1, {last}\], got {last + 1}$"):
            YearDay(month, last + 1)

    def test_stays_in_the_calendar(self) -> None:
        """An end that no calendar has is refused."""
        with pytest.raises(UsageError, match=r"^day must be a date of the years 2 to 9998"):
            YearDay(1, 1).end_after(datetime(9998, 6, 1, tzinfo=UTC), calendar=PARIS)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(YearDay, month=1, day=1)
        answers_or_refuses(YearDay(1, 1).on_or_after, day=date(2026, 7, 1))
        answers_or_refuses(YearDay(1, 1).end_after, anchor=JULY, calendar=PARIS)


class TestPolicies:
    @pytest.mark.parametrize("kind", [UntilDay, OnDate])
    def test_a_fixed_day_lies_inside_the_calendar(self, kind: Callable[[date], object]) -> None:
        """Its first instant can be told in every zone, so a checkout never fails for it."""
        assert kind(FIXED_FROM) == kind(date(3, 1, 1))
        assert kind(FIXED_TO) == kind(date(9000, 12, 31))
        for day in (FIXED_FROM - timedelta(days=1), FIXED_TO + timedelta(days=1)):
            with pytest.raises(UsageError, match=r"^day must lie in the years 3 to 9000, got"):
                kind(day)

    @pytest.mark.parametrize("event", ["", " ", "on delivery", "x" * (EVENT_LIMIT + 1), "a\n", "\ud800", 1, None])
    def test_an_event_has_a_name(self, event: str) -> None:
        """One that a stored fact can hold and a program file can say."""
        with pytest.raises(UsageError, match=r"^event must be"):
            Awaiting(event, Term(Period(days=1)))

    def test_the_longest_name(self) -> None:
        """As long as any name a program defines."""
        assert Awaiting("x" * EVENT_LIMIT, within=Term(Period(days=1))).event == "x" * 64

    @pytest.mark.parametrize(
        "policy",
        [
            YearDay(1, 31),
            UntilDay(date(2026, 12, 31)),
            Sliding(Term(Period(months=6))),
            OnDate(date(2026, 12, 1)),
            Awaiting("delivered", Term(Period(days=60))),
        ],
        ids=lambda policy: type(policy).__name__,
    )
    def test_policies_are_values(self, policy: object) -> None:
        """They can be pickled, and a program's digest sees them."""
        assert pickle.loads(pickle.dumps(policy)) == policy
        written = plain(policy)
        assert written["is"] == type(policy).__name__

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(UntilDay, day=date(2026, 7, 1))
        answers_or_refuses(OnDate, day=date(2026, 7, 1))
        answers_or_refuses(Sliding, term=Term(Period(days=1)))
        answers_or_refuses(Awaiting, event="delivered", within=Term(Period(days=1)))


class TestLasting:
    @pytest.mark.law(4)
    @given(terms(), calendars(), st.none() | year_days(), instants())
    def test_end_is_later_than_the_anchor(self, term: Term, calendar: Calendar, until: YearDay | None, at: datetime) -> None:
        """Nothing expires as it is released."""
        assert Lasting(term, calendar.zone, until=until).ends_after(at) > at

    @pytest.mark.law(4)
    @given(terms(), calendars(), st.none() | year_days(), instants(), st.timedeltas(timedelta(0), timedelta(days=400)))
    def test_expiry_is_monotone_in_time(
        self, term: Term, calendar: Calendar, until: YearDay | None, at: datetime, later: timedelta
    ) -> None:
        """A later activity never moves the end to an earlier day."""
        lasting = Lasting(term, calendar.zone, sliding=True, until=until)
        assert lasting.ends_after(at) <= lasting.ends_after(at.astimezone(UTC) + later)

    @given(terms(), calendars(), instants())
    def test_a_term_ends_where_it_does_without(self, term: Term, calendar: Calendar, at: datetime) -> None:
        """It only carries the zone along."""
        assert Lasting(term, calendar.zone).ends_after(at) == term.end_after(at, calendar=calendar)

    @given(year_days(), calendars(), instants())
    def test_a_day_of_the_year_ends_where_it_does_without(self, year_day: YearDay, calendar: Calendar, at: datetime) -> None:
        """A day, and on to the next such day: the next one later than the anchor's own."""
        lasting = Lasting(Term(Period(days=1)), calendar.zone, until=year_day)
        assert lasting.ends_after(at) == year_day.end_after(at, calendar=calendar)

    def test_runs_on_from_where_the_term_ends(self) -> None:
        """Half a year, and on to the end of January."""
        lasting = Lasting(Term(Period(months=6)), "UTC", until=YearDay(1, 31))
        assert lasting.ends_after(datetime(2026, 7, 31, tzinfo=UTC)) == datetime(2027, 2, 1, tzinfo=UTC)
        assert lasting.ends_after(datetime(2026, 8, 1, tzinfo=UTC)) == datetime(2028, 2, 1, tzinfo=UTC)

    @given(term=terms(), calendar=calendars(), until=st.none() | year_days(), sliding=st.booleans())
    def test_wire_form(self, term: Term, calendar: Calendar, until: YearDay | None, *, sliding: bool) -> None:
        """A lot keeps it; what is left at its default is not written."""
        lasting = Lasting(term, calendar.zone, sliding=sliding, until=until)
        written = coder(Lasting).encode(lasting)
        assert coder(Lasting).decode(json.loads(json.dumps(written))) == lasting
        assert ("sliding" in written) is sliding
        assert ("until" in written) is (until is not None)

    @pytest.mark.parametrize(
        "wrong,message",
        [
            ({"term": Period(days=1)}, "term must be of type Term"),
            ({"zone": "Paris"}, "zone must be an IANA time zone"),
            ({"sliding": 1}, "sliding must be of type bool"),
            ({"until": date(2026, 1, 1)}, "until must be of type YearDay"),
        ],
    )
    def test_wrong_values(self, wrong: dict[str, Any], message: str) -> None:
        """Each field is checked by name."""
        good: dict[str, Any] = {"term": Term(Period(days=1)), "zone": "UTC"}
        with pytest.raises(UsageError, match=message):
            Lasting(**{**good, **wrong})

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Lasting, term=Term(Period(days=1)), zone="UTC", sliding=True, until=YearDay(1, 1))
        answers_or_refuses(Lasting(Term(Period(days=1)), "UTC").ends_after, anchor=JULY)


class TestTerms:
    def test_wire_form(self) -> None:
        """An order keeps the terms of what it earned."""
        full = Terms(available_at=JULY, expires_at=None, awaits="delivered", lasts=Lasting(Term(Period(days=1)), "UTC"))
        for terms_ in (full, Terms(available_at=JULY, expires_at=AUGUST), Terms(available_at=JULY, expires_at=None)):
            assert coder(Terms).decode(json.loads(json.dumps(coder(Terms).encode(terms_)))) == terms_

    @pytest.mark.parametrize("ends_at", [JULY, JULY - TICK])
    def test_is_never_empty(self, ends_at: datetime) -> None:
        """An end at or before the opening is a mistake."""
        with pytest.raises(UsageError, match=r"^expires_at must be after"):
            Terms(available_at=JULY, expires_at=ends_at)

    def test_has_one_end(self) -> None:
        """A known end, or how it will be found."""
        with pytest.raises(UsageError, match=r"^expires_at or lasts may be said, not both"):
            Terms(available_at=JULY, expires_at=AUGUST, lasts=Lasting(Term(Period(days=1)), "UTC"))

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(Terms, available_at=JULY, expires_at=AUGUST)


class TestCheckPolicies:
    @pytest.mark.parametrize(
        "pending,expires",
        [
            (None, Sliding(Term(Period(days=1)))),
            (Term(Period(years=1)), Sliding(Term(Period(days=1)))),
            (OnDate(date(2026, 12, 31)), Sliding(Term(Period(days=1)))),
            (Awaiting("delivered", Term(Period(years=5))), Sliding(Term(Period(days=1)))),
            (OnDate(date(2026, 12, 31)), UntilDay(date(2026, 12, 31))),
            (OnDate(date(2026, 12, 31)), Term(Period(days=1))),
            (Term(Period(years=9)), UntilDay(date(2026, 12, 31))),
        ],
    )
    def test_go_together(self, pending: Pending, expires: Expires) -> None:
        """Nearly all do: what ends is counted from where the wait is over, or from later."""
        check_policies(pending, expires)
        assert opens_and_ends(pending, expires, at=datetime(2016, 1, 1, tzinfo=UTC), calendar=PARIS) is not None

    @pytest.mark.parametrize(
        "pending,expires,message",
        [
            (OnDate(date(2027, 1, 1)), UntilDay(date(2026, 12, 31)), "expires must not be before pending is over, on 2027-01-01"),
            ("30 days", None, "pending must be None or of type Term, OnDate, Awaiting, got '30 days'"),
            (None, "never", "expires must be None or of type Term, YearDay, UntilDay, Sliding, got 'never'"),
            (YearDay(1, 1), None, "pending must be None or of type"),
            (None, OnDate(date(2026, 1, 1)), "expires must be None or of type"),
        ],
    )
    def test_do_not_go_together(self, pending: Pending, expires: Expires, message: str) -> None:
        """A program that would never give anything is refused when it is made, not at a checkout."""
        with pytest.raises(UsageError, match=message):
            check_policies(pending, expires)
        with pytest.raises(UsageError, match=message):
            opens_and_ends(pending, expires, at=JULY, calendar=PARIS)


class TestOpensAndEnds:
    @pytest.mark.parametrize("case", GOLDEN["opens_and_ends"], ids=lambda case: case["name"])
    def test_golden(self, case: dict[str, Any]) -> None:
        """Known answers for each way to wait with each way to end."""
        found = opens_and_ends(
            read_pending(case["pending"]),
            read_expires(case["expires"]),
            at=parse_instant(case["at"]),
            calendar=Calendar(case["zone"]),
        )
        if case["opens"] is None:
            assert found is None
            return
        assert found is not None
        assert found.available_at == parse_instant(case["opens"])
        assert found.expires_at == (None if case["ends"] is None else parse_instant(case["ends"]))
        assert found.awaits == case.get("awaits", "")
        assert (found.lasts is not None) is ("lasts" in case)
        if found.lasts is not None:
            released_at, ends_at = case["lasts"]["from"], case["lasts"]["to"]
            assert found.lasts.ends_after(parse_instant(released_at)) == parse_instant(ends_at)
            assert found.lasts.sliding is case["lasts"].get("sliding", False)

    @pytest.mark.law(4)
    @given(waits(), ends(), instants(), calendars())
    @example(
        OnDate(date(2011, 12, 30)), UntilDay(date(2011, 12, 30)), datetime(2011, 12, 1, tzinfo=UTC), Calendar("Pacific/Apia")
    )
    def test_ends_later_than_it_opens(self, pending: Pending, expires: Expires, at: datetime, calendar: Calendar) -> None:
        """Nothing opens before it was earned, and nothing expires as it opens."""
        found = opened(pending, expires, at, calendar)
        if found is None:
            assert isinstance(expires, UntilDay)
            return
        assert found.available_at >= at
        assert found.expires_at is None or found.available_at < found.expires_at
        if found.awaits:
            assert found.available_at > at

    @pytest.mark.law(4)
    @given(waits(), ends(), instants(), calendars(), st.timedeltas(timedelta(0), timedelta(days=400)))
    def test_terms_are_monotone_in_time(
        self, pending: Pending, expires: Expires, at: datetime, calendar: Calendar, later: timedelta
    ) -> None:
        """What is earned later neither opens nor ends earlier; and once nothing is given, nothing ever is again."""
        first = opened(pending, expires, at, calendar)
        second = opens_and_ends(pending, expires, at=at.astimezone(UTC) + later, calendar=calendar)
        if first is None or second is None:
            assert second is None
            return
        assert first.available_at <= second.available_at
        if first.expires_at is not None:
            assert second.expires_at is not None
            assert first.expires_at <= second.expires_at
        assert first.lasts == second.lasts

    @pytest.mark.law(4)
    @given(terms(max_years=1), terms(), instants(), calendars())
    def test_a_release_ends_like_an_opening(self, wait: Term, term: Term, at: datetime, calendar: Calendar) -> None:
        """Points that are released at an instant last as long as points that open at it: the end is counted from there."""
        found = opens_and_ends(Awaiting("delivered", wait), term, at=at, calendar=calendar)
        assert found is not None
        assert found.lasts is not None
        opening = opens_and_ends(None, term, at=found.available_at, calendar=calendar)
        assert opening is not None
        assert found.lasts.ends_after(found.available_at) == opening.expires_at

    @pytest.mark.parametrize(
        "at,given_",
        [("2026-12-31T22:59:59.999998Z", True), ("2026-12-31T22:59:59.999999Z", False), ("2026-12-31T23:00:00Z", False)],
    )
    def test_a_last_day_ends_the_wait_for_an_event(self, at: str, *, given_: bool) -> None:
        """Down to the last instant in which the event could come and leave something to use."""
        pending, until = Awaiting("delivered", Term(Period(days=60))), UntilDay(date(2026, 12, 31))
        found = opens_and_ends(pending, until, at=parse_instant(at), calendar=PARIS)
        assert (found is not None) is given_

    @pytest.mark.parametrize("at,given_", [("2026-12-31T22:59:59.999999Z", True), ("2026-12-31T23:00:00Z", False)])
    def test_nothing_is_given_after_the_last_day(self, at: str, *, given_: bool) -> None:
        """The last day counts whole."""
        found = opens_and_ends(None, UntilDay(date(2026, 12, 31)), at=parse_instant(at), calendar=PARIS)
        assert (found is not None) is given_

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(opens_and_ends, pending=None, expires=None, at=JULY, calendar=PARIS)
        answers_or_refuses(opens_and_ends, pending=Term(Period(days=1)), expires=YearDay(1, 1), at=JULY, calendar=PARIS)


class TestCheckInstant:
    def test_stands_where_times_are(self) -> None:
        """Other floors take it from here."""
        assert check_instant("at", FIRST) + timedelta(hours=1) == check_instant("at", SECOND)
