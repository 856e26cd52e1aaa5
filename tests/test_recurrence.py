"""Days that come again: read from the rule, and the same as those that counting on from the first one finds."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, example, given
from hypothesis import strategies as st

from loyaltycore._recurrence import INTERVAL_LIMIT, RULE_LIMIT, Days, Frequency, is_on, read_rule
from loyaltycore.errors import UsageError

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
EVERY_DAY = Days(Frequency.DAILY, 1, frozenset(), frozenset(), frozenset(), in_year=False, starts_on=None)
START = date(2024, 2, 29)


def by_counting(rule: str, starts_on: date, *, days: int) -> list[date]:
    """Count on from the first day, as dateutil does."""
    first = datetime.combine(starts_on, time(), UTC)
    found = rrulestr(rule, dtstart=first).between(first, first + timedelta(days=days - 1), inc=True)
    return [day.date() for day in found]


def judged(rule: str, starts_on: date | None, *, since: date, days: int) -> list[date]:
    """Judge each day by itself."""
    read = read_rule(rule, starts_on=starts_on)
    return [day for day in (since + timedelta(days=number) for number in range(days)) if is_on(read, day)]


def is_refused(rule: str, starts_on: date) -> bool:
    """Say whether a rule names no day at all: the only thing that can be wrong with one that is drawn."""
    try:
        read_rule(rule, starts_on=starts_on)
    except UsageError as error:
        if not str(error).startswith("rule must name a day that some year has"):
            raise
        return True
    return False


def several(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Draw one value or more, as a rule lists them."""
    return st.lists(values, min_size=1, max_size=3).map(",".join)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Draw rules of every kind, also some that no year has a day for."""
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]))
    said = [f"FREQ={frequency}"]
    if draw(st.booleans()):
        said.append(f"INTERVAL={draw(st.integers(1, 5))}")
    months = draw(st.booleans())
    if months:
        said.append(f"BYMONTH={draw(several(st.integers(1, 12).map(str)))}")
    if frequency != "WEEKLY" and draw(st.booleans()):
        said.append(f"BYMONTHDAY={draw(several((st.integers(1, 31) | st.integers(-31, -1)).map(str)))}")
    if draw(st.booleans()):
        high = 0 if frequency in {"WEEKLY", "DAILY"} else 53 if frequency == "YEARLY" and not months else 5
        # All of them with a number or none: of both kinds together dateutil takes only the days that are in both.
        counted = high > 0 and draw(st.booleans())
        numbers = (st.integers(1, high) | st.integers(-high, -1)).map(str) if counted else st.just("")
        said.append(f"BYDAY={draw(several(st.builds(str.__add__, numbers, st.sampled_from(WEEKDAYS))))}")
    return ";".join(said)


class TestIsOn:
    @given(rules(), st.dates(date(2019, 1, 1), date(2029, 12, 31)))
    @example("FREQ=YEARLY", date(2024, 2, 29))
    @example("FREQ=MONTHLY", date(2026, 1, 31))
    @example("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU", date(2026, 7, 5))
    @example("FREQ=YEARLY;BYDAY=53TH,-53TH", date(2026, 1, 1))
    @example("FREQ=YEARLY;BYMONTH=2;BYDAY=-1SU", date(2027, 12, 31))
    @example("FREQ=DAILY;INTERVAL=3;BYMONTHDAY=-1", date(2026, 1, 31))
    def test_each_day_judged_by_itself_is_as_counted_from_the_first(self, rule: str, starts_on: date) -> None:
        """The same days as dateutil finds, whatever the rule; one that is refused has no day in 28 years."""
        if is_refused(rule, starts_on):
            without_interval = ";".join(part for part in rule.split(";") if not part.startswith("INTERVAL"))
            assert by_counting(without_interval, starts_on, days=4 * 366) == []
        else:
            assert judged(rule, starts_on, since=starts_on, days=400) == by_counting(rule, starts_on, days=400)

    @pytest.mark.parametrize("rule", ["FREQ=YEARLY;INTERVAL=4", "FREQ=MONTHLY;INTERVAL=17;BYDAY=TH", "FREQ=WEEKLY;INTERVAL=53"])
    def test_long_intervals(self, rule: str) -> None:
        """Counted from the period of the first day, over twelve years."""
        days = 12 * 366
        assert judged(rule, START, since=START, days=days) == by_counting(rule, START, days=days) != []

    @given(rules(), st.dates(date(2019, 1, 1), date(2029, 12, 31)))
    def test_nothing_before_the_first_day(self, rule: str, starts_on: date) -> None:
        """The rule begins on its first day."""
        assume(not is_refused(rule, starts_on))
        assert judged(rule, starts_on, since=starts_on - timedelta(days=400), days=400) == []

    def test_days_with_a_number_and_without_add_up(self) -> None:
        """Mondays, and the first Sunday."""
        assert [day.day for day in judged("FREQ=MONTHLY;BYDAY=MO,1SU", None, since=date(2026, 7, 1), days=31)] == [
            5,
            6,
            13,
            20,
            27,
        ]

    @pytest.mark.parametrize(
        "rule,expected",
        [
            ("FREQ=MONTHLY;BYDAY=1SU", [5]),
            ("FREQ=MONTHLY;BYDAY=-1FR", [31]),
            ("FREQ=WEEKLY;BYDAY=TU,TH", [2, 7, 9, 14, 16, 21, 23, 28, 30]),
            ("FREQ=MONTHLY;BYMONTHDAY=1,-1", [1, 31]),
            ("FREQ=YEARLY;BYMONTH=7;BYMONTHDAY=14", [14]),
            ("FREQ=YEARLY;BYMONTH=7;BYDAY=2MO", [13]),
            ("FREQ=YEARLY;BYDAY=27WE", [8]),
            ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", []),
            ("FREQ=DAILY;BYMONTH=8", []),
        ],
    )
    def test_july_2026(self, rule: str, expected: list[int]) -> None:
        """Rules that people write, without a first day; 1 July is a Wednesday."""
        assert [day.day for day in judged(rule, None, since=date(2026, 7, 1), days=31)] == expected

    def test_a_day_that_a_month_lacks_does_not_come(self) -> None:
        """No 31 February, and none on 28 February or 3 March instead."""
        assert judged("FREQ=MONTHLY", date(2026, 1, 31), since=date(2026, 1, 1), days=120) == [
            date(2026, 1, 31),
            date(2026, 3, 31),
        ]
        assert judged("FREQ=YEARLY", START, since=date(2025, 1, 1), days=4 * 366) == [date(2028, 2, 29)]


class TestReadRule:
    def test_what_is_left_unsaid_is_as_on_the_first_day(self) -> None:
        """The day of the year, of the month, of the week."""
        assert read_rule("FREQ=YEARLY", starts_on=START)[2:4] == (frozenset({2}), frozenset({29}))
        assert read_rule("FREQ=YEARLY;BYMONTH=3", starts_on=START)[2:4] == (frozenset({3}), frozenset({29}))
        assert read_rule("FREQ=MONTHLY", starts_on=START).month_days == frozenset({29})
        assert read_rule("FREQ=WEEKLY", starts_on=START).weekdays == frozenset({(0, 3)})
        assert read_rule("FREQ=DAILY", starts_on=None) == EVERY_DAY

    def test_what_is_said_is_kept(self) -> None:
        """A first day adds nothing to a rule that says its days."""
        assert read_rule("FREQ=MONTHLY;BYDAY=SU", starts_on=START).month_days == frozenset()
        assert read_rule("FREQ=YEARLY;BYMONTHDAY=1", starts_on=START).months == frozenset()
        assert read_rule("INTERVAL=1000;FREQ=WEEKLY;BYDAY=SU,MO", starts_on=START) == Days(
            Frequency.WEEKLY,
            INTERVAL_LIMIT,
            frozenset(),
            frozenset(),
            frozenset({(0, 6), (0, 0)}),
            in_year=False,
            starts_on=START,
        )

    def test_letters_may_be_small(self) -> None:
        """As in RFC 5545."""
        assert read_rule("freq=monthly;byday=+1su", starts_on=None) == read_rule("FREQ=MONTHLY;BYDAY=1SU", starts_on=None)

    def test_numbers_before_days_count_the_year_only_where_no_month_is_said(self) -> None:
        """The 53rd Sunday is one of a year, the fifth one of a month."""
        assert read_rule("FREQ=YEARLY;BYDAY=53SU", starts_on=None).in_year
        assert not read_rule("FREQ=YEARLY;BYMONTH=5;BYDAY=5SU", starts_on=None).in_year
        assert not read_rule("FREQ=MONTHLY;BYDAY=5SU", starts_on=None).in_year

    @pytest.mark.parametrize(
        "rule,message",
        [
            (None, "rule must be text of at most 500 characters"),
            ("FREQ=DAILY;" + "B" * RULE_LIMIT, "rule must be text of at most 500 characters"),
            ("", "rule must say FREQ, INTERVAL, BYDAY, BYMONTHDAY, BYMONTH, each at most once"),
            ("FREQ=MONTHLY;COUNT=2", "rule must say FREQ, .* got 'FREQ=MONTHLY;COUNT=2'"),
            ("FREQ=DAILY;FREQ=DAILY", "rule must say FREQ, .* each at most once"),
            ("FREQ=DAILY;", "rule must say"),
            ("FREQ=DAILY;BYMONTH", "rule must say"),
            ("FREQ=DAILY; BYMONTH=1", "rule must say"),
            ("BYMONTH=1", "FREQ must be one of YEARLY, MONTHLY, WEEKLY, DAILY, got 'none'"),
            ("FREQ=HOURLY", "FREQ must be one of YEARLY, MONTHLY, WEEKLY, DAILY, got 'HOURLY'"),
            ("FREQ=DAILY;INTERVAL=0", r"INTERVAL must be whole numbers in \[1, 1000\], got '0'"),
            ("FREQ=DAILY;INTERVAL=1001", r"INTERVAL must be whole numbers in \[1, 1000\], got '1001'"),
            ("FREQ=DAILY;INTERVAL=1,2", "INTERVAL must be one number, got '1,2'"),
            ("FREQ=DAILY;INTERVAL=2", "starts_on must be said where INTERVAL is above 1, got none for 'FREQ=DAILY;INTERVAL=2'"),
            ("FREQ=DAILY;BYMONTH=13", r"BYMONTH must be whole numbers in \[1, 12\], got '13'"),
            ("FREQ=DAILY;BYMONTH=1,", r"BYMONTH must be whole numbers in \[1, 12\], got '1,'"),
            ("FREQ=DAILY;BYMONTH=-1", r"BYMONTH must be whole numbers in \[1, 12\], got '-1'"),
            ("FREQ=MONTHLY;BYMONTHDAY=0", r"BYMONTHDAY must be whole numbers in \[-31, 31\] without 0, got '0'"),
            ("FREQ=MONTHLY;BYMONTHDAY=32", r"BYMONTHDAY must be whole numbers in \[-31, 31\] without 0, got '32'"),
            ("FREQ=MONTHLY;BYMONTHDAY=-32", r"BYMONTHDAY must be whole numbers in \[-31, 31\] without 0"),
            ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY must not stand in a WEEKLY rule"),
            ("FREQ=WEEKLY;BYDAY=1SU", "BYDAY must be of MO, TU, WE, TH, FR, SA, SU, without a number before it, got '1SU'"),
            ("FREQ=DAILY;BYDAY=-1SU", "BYDAY must be of .*, without a number before it, got '-1SU'"),
            ("FREQ=MONTHLY;BYDAY=6SU", "BYDAY must be of .*, with a number up to 5 before it or none, got '6SU'"),
            ("FREQ=MONTHLY;BYDAY=-6SU", "BYDAY must be of .*, with a number up to 5 before it or none, got '-6SU'"),
            ("FREQ=YEARLY;BYMONTH=1;BYDAY=6SU", "BYDAY must be of .*, with a number up to 5 before it or none"),
            ("FREQ=YEARLY;BYDAY=54SU", "BYDAY must be of .*, with a number up to 53 before it or none, got '54SU'"),
            ("FREQ=MONTHLY;BYDAY=0SU", "BYDAY must be of .*, got '0SU'"),
            ("FREQ=MONTHLY;BYDAY=SO", "BYDAY must be of .*, got 'SO'"),
            ("FREQ=MONTHLY", "rule must say BYDAY or BYMONTHDAY where starts_on is not given, got 'FREQ=MONTHLY'"),
            ("FREQ=YEARLY;BYMONTH=1", "rule must say BYDAY or BYMONTHDAY where starts_on is not given"),
            ("FREQ=WEEKLY", "rule must say BYDAY or BYMONTHDAY where starts_on is not given"),
            ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "rule must name a day that some year has, got"),
            ("FREQ=MONTHLY;BYDAY=1SU;BYMONTHDAY=20", "rule must name a day that some year has"),
        ],
    )
    def test_refused(self, rule: object, message: str) -> None:
        """Each part by its name."""
        with pytest.raises(UsageError, match=f"^{message}"):
            read_rule(rule, starts_on=None)

    def test_first_day_is_a_day(self) -> None:
        """No instant, and no text."""
        with pytest.raises(UsageError, match=r"^starts_on must be a date"):
            read_rule("FREQ=DAILY", starts_on=datetime(2026, 7, 1, tzinfo=UTC))

    def test_rarest_days_are_found(self) -> None:
        """A leap day on a Monday comes once in 28 years: it is some day."""
        leap_monday = read_rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", starts_on=None)
        assert is_on(leap_monday, date(2044, 2, 29))
        assert not is_on(leap_monday, START)
