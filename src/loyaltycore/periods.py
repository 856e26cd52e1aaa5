"""Time: periods of the calendar, windows, local days and weekly schedules.

Invariants:
    1. A window is never empty: ``starts_at < ends_at`` when both are given; ``starts_at`` is inside, ``ends_at`` is not.
    2. A period is counted from its anchor, never chained: 31 January plus two months is 31 March.
    3. Local days follow one another without gap or overlap: a day lasts from its first instant to the first instant of the
       next, whatever the clocks do that night.
    4. ``Term.end_after(at)`` is later than ``at`` and never earlier for a later ``at``.

>>> from datetime import UTC, datetime
>>> paris = Calendar("Europe/Paris")
>>> term = Term(Period(months=12), through_end_of=Through.MONTH)
>>> term.end_after(datetime(2026, 7, 6, tzinfo=UTC), calendar=paris).isoformat()
'2027-07-31T22:00:00+00:00'

Source: calendar arithmetic as in python-dateutil's ``relativedelta`` (the last day of a shorter month); zones from the IANA
database.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, assert_never, final
from zoneinfo import ZoneInfo

import attrs
from dateutil.relativedelta import relativedelta

from loyaltycore._checks import check_day, check_instant, check_kind, check_several, check_whole, keep_in_utc, shown
from loyaltycore.errors import UsageError

__all__ = ["Calendar", "Period", "Schedule", "Term", "Through", "Weekday", "Window", "check_instant"]

PERIOD_LIMIT: Final = 36_525
"""A hundred years of days; the same bound serves months and years, far inside the calendar's own."""


@final
@attrs.frozen(kw_only=True)
class Window:
    """A span of time, open at its end.

    Attributes:
        starts_at: First instant inside, timezone-aware, kept in UTC; ``None`` has no beginning.
        ends_at: First instant after, timezone-aware, kept in UTC; ``None`` never ends.
    """

    starts_at: datetime | None
    ends_at: datetime | None

    def __attrs_post_init__(self) -> None:
        """Refuse naive times and an empty window."""
        keep_in_utc(self, "starts_at", "ends_at")
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            msg = f"ends_at must be after {self.starts_at}, got {self.ends_at}"
            raise UsageError(msg)

    def contains(self, at: datetime) -> bool:
        """Say whether an instant lies inside.

        Args:
            at: The instant, timezone-aware; ``at == ends_at`` is outside.

        Raises:
            UsageError: A naive time.

        Example:
            >>> from datetime import UTC, datetime
            >>> july = Window(starts_at=datetime(2026, 7, 1, tzinfo=UTC), ends_at=datetime(2026, 8, 1, tzinfo=UTC))
            >>> july.contains(datetime(2026, 7, 1, tzinfo=UTC)), july.contains(datetime(2026, 8, 1, tzinfo=UTC))
            (True, False)
        """
        instant = check_instant("at", at)
        return (self.starts_at is None or self.starts_at <= instant) and (self.ends_at is None or instant < self.ends_at)


@final
@attrs.frozen(kw_only=True)
class Period:
    """A length of calendar time: ``Period(months=12)``, ``Period(days=30)``.

    Attributes:
        years: At least 0.
        months: At least 0.
        weeks: At least 0.
        days: At least 0; one of the four is above 0.
    """

    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0

    def __attrs_post_init__(self) -> None:
        """Refuse an empty or backward period."""
        for name in ("years", "months", "weeks", "days"):
            check_whole(name, getattr(self, name), low=0, high=PERIOD_LIMIT)
        if not (self.years or self.months or self.weeks or self.days):
            msg = "a period must be longer than nothing, got Period()"
            raise UsageError(msg)

    def after(self, anchor: date, *, count: int = 1) -> date:
        """Give the day that lies this period after an anchor.

        Args:
            anchor: A local day.
            count: How many times the period, counted from the anchor in one step; may be negative.

        Raises:
            UsageError: No day, or one outside the years 2 to 9998, before or after.

        Example:
            >>> Period(months=1).after(date(2027, 1, 31)), Period(months=1).after(date(2027, 1, 31), count=2)
            (datetime.date(2027, 2, 28), datetime.date(2027, 3, 31))
            >>> Period(years=1).after(date(2024, 2, 29), count=4)
            datetime.date(2028, 2, 29)
        """
        check_day("anchor", anchor)
        check_whole("count", count)
        months = (self.years * 12 + self.months) * count
        try:
            return check_day("the day reached", anchor + relativedelta(months=months, days=(self.weeks * 7 + self.days) * count))
        except (ValueError, OverflowError) as error:
            msg = f"{self!r} counted {count} times from {anchor} leaves the calendar"
            raise UsageError(msg) from error


class Weekday(StrEnum):
    """Days of the week, Monday first."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_WEEK: Final = tuple(Weekday)


@final
@attrs.frozen
class Calendar:
    """Local days in one time zone.

    Attributes:
        zone: IANA name, for example ``"Europe/Paris"``.
    """

    zone: str

    def __attrs_post_init__(self) -> None:
        """Refuse a zone that is not in the database."""
        try:
            ZoneInfo(check_kind("zone", self.zone, str))
        except (KeyError, ValueError, OSError) as error:
            msg = f"zone must be an IANA time zone such as 'Europe/Paris', got {shown(self.zone)}"
            raise UsageError(msg) from error

    def local(self, at: datetime) -> datetime:
        """Show an instant on the clocks of the zone."""
        return check_instant("at", at).astimezone(ZoneInfo(self.zone))

    def day_of(self, at: datetime) -> date:
        """Give the local day of an instant: the last day that has begun.

        That is the day on the clocks, but for the hour in which clocks set back over midnight show the day before once more.

        Example:
            >>> calendar, at = Calendar("America/St_Johns"), datetime(2010, 11, 7, 2, 31, tzinfo=UTC)  # back from 00:01
            >>> calendar.local(at).isoformat(), calendar.day_of(at).isoformat()
            ('2010-11-06T23:01:00-03:30', '2010-11-07')
        """
        instant = check_instant("at", at)
        clock = self.local(instant).date()
        following = clock + timedelta(days=1)
        return following if self._begins(following) <= instant else clock

    def first_instant(self, day: date) -> datetime:
        """Give the first instant of a local day, in UTC: midnight, or whatever comes first where midnight is skipped.

        Example:
            >>> Calendar("America/Sao_Paulo").first_instant(date(2018, 11, 4)).isoformat()  # no midnight that night
            '2018-11-04T03:00:00+00:00'
        """
        return check_instant("the first instant", self._begins(check_day("day", day)))

    def _begins(self, day: date) -> datetime:
        zone = ZoneInfo(self.zone)
        midnight = datetime.combine(day, time(), tzinfo=zone)  # the first of two, where the clocks show it twice
        at = midnight.astimezone(UTC)
        if at.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
            return at
        return _first_after_gap(day, zone=zone, around=at)


def _first_after_gap(day: date, *, zone: ZoneInfo, around: datetime) -> datetime:
    """Halve the two days around a skipped midnight down to the second at which the clocks reach the day."""
    low, high = around - timedelta(days=1), around + timedelta(days=1)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (low, middle) if middle.astimezone(zone).date() >= day else (middle, high)
    return high


class Through(StrEnum):
    """Up to the end of which span a term runs on: its last day, or the month, quarter or year that holds it."""

    DAY = "day"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


def _last_day(day: date, through: Through) -> date:
    match through:
        case Through.DAY:
            return day
        case Through.MONTH:
            return day + relativedelta(day=31)
        case Through.QUARTER:
            return day + relativedelta(month=(day.month + 2) // 3 * 3, day=31)
        case Through.YEAR:
            return day + relativedelta(month=12, day=31)
    assert_never(through)


@final
@attrs.frozen
class Term:
    """How long something lasts: a period from a local day, through the end of that day, month, quarter or year.

    Attributes:
        period: Counted from the local day of the anchor.
        through_end_of: ``Through.MONTH`` with twelve months is "12 months, end of month".
    """

    period: Period
    through_end_of: Through = attrs.field(default=Through.DAY, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse what is no period or no span."""
        check_kind("period", self.period, Period)
        check_kind("through_end_of", self.through_end_of, Through)

    def end_after(self, anchor: datetime, *, calendar: Calendar) -> datetime:
        """Give the first instant after the term, in UTC.

        Args:
            anchor: The instant it starts to run, timezone-aware.
            calendar: Whose local days count.

        Returns:
            Always later than the anchor, and never earlier for a later anchor.

        Raises:
            UsageError: A naive time, or an end after the year 9998.

        Example:
            >>> from datetime import UTC, datetime
            >>> evening = datetime(2027, 1, 30, 23, 30, tzinfo=UTC)  # the 31st in Paris
            >>> Term(Period(months=1)).end_after(evening, calendar=Calendar("Europe/Paris")).isoformat()
            '2027-02-28T23:00:00+00:00'
        """
        check_kind("calendar", calendar, Calendar)
        last = _last_day(self.period.after(calendar.day_of(anchor)), self.through_end_of)
        return calendar.first_instant(last + timedelta(days=1))


def _by_week(days: Iterable[Weekday]) -> tuple[Weekday, ...]:
    return tuple(sorted(set(check_several("weekdays", days, Weekday, limit=100)), key=_WEEK.index))


@final
@attrs.frozen(kw_only=True)
class Schedule:
    """Hours that come back every week, by local clocks: Tuesdays from 16:00 to 18:00.

    Attributes:
        weekdays: The days it runs, at least one.
        starts: Local time of day, inside.
        ends: Local time of day, outside; ``None`` runs to the end of the day. It never passes midnight.
    """

    weekdays: tuple[Weekday, ...] = attrs.field(converter=_by_week)
    starts: time = time()
    ends: time | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse an empty schedule and times that carry a zone."""
        if not self.weekdays:
            msg = "weekdays must name at least one day, got none"
            raise UsageError(msg)
        check_kind("starts", self.starts, time)
        if self.ends is not None:
            check_kind("ends", self.ends, time)
        if self.starts.tzinfo is not None or (self.ends is not None and self.ends.tzinfo is not None):
            msg = f"starts and ends must be local times without a zone, got {self.starts!r}, {self.ends!r}"
            raise UsageError(msg)
        if self.ends is not None and self.ends <= self.starts:
            msg = f"ends must be after {self.starts}, got {self.ends}"
            raise UsageError(msg)

    def contains(self, at: datetime, *, calendar: Calendar) -> bool:
        """Say whether it runs at an instant.

        Args:
            at: The instant, timezone-aware.
            calendar: Whose clocks count.

        Raises:
            UsageError: A naive time.

        Example:
            >>> from datetime import UTC, datetime
            >>> happy_hours = Schedule(weekdays=[Weekday.TUESDAY], starts=time(16), ends=time(18))
            >>> happy_hours.contains(datetime(2026, 7, 7, 15, 59, tzinfo=UTC), calendar=Calendar("Europe/Paris"))
            True
        """
        local = check_kind("calendar", calendar, Calendar).local(at)
        clock = local.time()
        return _WEEK[local.weekday()] in self.weekdays and self.starts <= clock and (self.ends is None or clock < self.ends)
