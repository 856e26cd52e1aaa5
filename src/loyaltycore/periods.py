"""Time: periods of the calendar, windows, local days, weekly schedules, and when points open and end.

Invariants:
    1. A window is never empty: ``starts_at < ends_at`` when both are given; ``starts_at`` is inside, ``ends_at`` is not.
    2. A period is counted from its anchor, never chained: 31 January plus two months is 31 March.
    3. Local days follow one another without gap or overlap: a day lasts from its first instant to the first instant of the
       next, whatever the clocks do that night.
    4. ``Term.end_after(at)`` is later than ``at`` and never earlier for a later ``at``; so are the ends of ``YearDay``,
       ``Sliding`` and ``Lasting``.
    5. What ``opens_and_ends`` gives ends later than it opens, and neither is earlier for what is earned later.

>>> from datetime import UTC, datetime
>>> paris = Calendar("Europe/Paris")
>>> term = Term(Period(months=12), through_end_of=Through.MONTH)
>>> term.end_after(datetime(2026, 7, 6, tzinfo=UTC), calendar=paris).isoformat()
'2027-07-31T22:00:00+00:00'

Source: calendar arithmetic as in python-dateutil's ``relativedelta`` (the last day of a shorter month); zones from the IANA
database; days that come again as in RFC 5545.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, TypeAlias, assert_never, final
from zoneinfo import ZoneInfo

import attrs
from dateutil.relativedelta import relativedelta

from loyaltycore._checks import check_day, check_instant, check_kind, check_several, check_whole, keep_in_utc, shown
from loyaltycore._recurrence import Days, is_on, read_rule
from loyaltycore.errors import UsageError

__all__ = [
    "AS_RULES",
    "AsRules",
    "Awaiting",
    "Calendar",
    "Expires",
    "Lasting",
    "OnDate",
    "Pending",
    "Period",
    "Recurrence",
    "Schedule",
    "Sliding",
    "Term",
    "Terms",
    "Through",
    "UntilDay",
    "Weekday",
    "Window",
    "YearDay",
    "check_instant",
    "check_policies",
    "opens_and_ends",
]

PERIOD_LIMIT: Final = 36_525
"""A hundred years of days; the same bound serves months and years, far inside the calendar's own."""

EVENT_LIMIT: Final = 64
"""Characters of the name of an event that is waited for: as long as any name a program defines."""

FIXED_FROM: Final = date(3, 1, 1)
FIXED_TO: Final = date(9000, 12, 31)
"""The days a policy may name: far enough inside the calendar's own for every zone, and for the terms that follow them."""

_TICK: Final = timedelta(microseconds=1)
_LEAP_YEAR: Final = 2024
_MONTHS: Final = 12


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
        return _after(_reached(self, anchor, check_kind("calendar", calendar, Calendar)), calendar)


def _reached(term: Term, anchor: datetime, calendar: Calendar) -> date:
    """Give the last local day of a term."""
    return _last_day(term.period.after(calendar.day_of(anchor)), term.through_end_of)


def _after(last: date, calendar: Calendar) -> datetime:
    """Give the first instant after a local day."""
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


@final
@attrs.frozen
class Recurrence:
    """Days that come again, by local days: the first Sunday of every month, every second Friday.

    The rule is written as in RFC 5545 (iCalendar), of which it knows ``FREQ`` (``YEARLY``, ``MONTHLY``, ``WEEKLY``, ``DAILY``),
    ``INTERVAL``, ``BYDAY`` (``SU``, and by the month or year ``1SU`` for the first, ``-1FR`` for the last), ``BYMONTHDAY``
    (``-1`` is the last) and ``BYMONTH``. Weeks begin on Monday. A day that a month lacks does not come in that month. An end is
    a ``Window``, hours are a ``Schedule``.

    Attributes:
        rule: For example ``"FREQ=MONTHLY;BYDAY=1SU"``; kept as written.
        starts_on: No day before it, and what the rule leaves unsaid is as on this day. Needed where ``INTERVAL`` is above 1.

    Example:
        >>> fridays = Recurrence("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", starts_on=date(2026, 7, 3))
        >>> [day for day in (3, 10, 17, 18) if fridays.contains(date(2026, 7, day))]
        [3, 17]
    """

    rule: str
    starts_on: date | None = attrs.field(default=None, kw_only=True)
    _days: Days = attrs.field(
        init=False,
        eq=False,
        repr=False,
        default=attrs.Factory(lambda self: read_rule(self.rule, starts_on=self.starts_on), takes_self=True),
    )

    def contains(self, day: date) -> bool:
        """Say whether a local day is one of them.

        Args:
            day: A local day.

        Raises:
            UsageError: No day of the years 2 to 9998.
        """
        return is_on(self._days, check_day("day", day))


@final
@attrs.frozen
class YearDay:
    """A day that every year has: points can be used through the end of the next one.

    Attributes:
        month: 1 to 12.
        day: 1 to the last of the month; 29 February is the 28th in years that have none.
    """

    month: int
    day: int

    def __attrs_post_init__(self) -> None:
        """Refuse a day that no year has."""
        check_whole("month", self.month, low=1, high=_MONTHS)
        check_whole("day", self.day, low=1, high=_last_day(date(_LEAP_YEAR, self.month, 1), Through.MONTH).day)

    def on_or_after(self, day: date) -> date:
        """Give the first such day that is not before another.

        Args:
            day: A local day.

        Raises:
            UsageError: No day of the years 2 to 9998.

        Example:
            >>> YearDay(2, 29).on_or_after(date(2027, 1, 1)), YearDay(2, 29).on_or_after(date(2027, 3, 1))
            (datetime.date(2027, 2, 28), datetime.date(2028, 2, 29))
        """
        same_year = self._of(check_day("day", day).year)
        return same_year if same_year >= day else self._of(day.year + 1)

    def _of(self, year: int) -> date:
        return date(year, self.month, 1) + relativedelta(day=self.day)

    def end_after(self, anchor: datetime, *, calendar: Calendar) -> datetime:
        """Give the first instant after the next such day that is later than the anchor's own, in UTC.

        Args:
            anchor: From when points can be used, timezone-aware; on the day itself, the one of the next year counts.
            calendar: Whose local days count.

        Raises:
            UsageError: A naive time, or an end after the year 9998.

        Example:
            >>> from datetime import UTC, datetime
            >>> new_year, utc = YearDay(1, 1), Calendar("UTC")
            >>> new_year.end_after(datetime(2026, 12, 31, 23, tzinfo=UTC), calendar=utc).isoformat()
            '2027-01-02T00:00:00+00:00'
        """
        check_kind("calendar", calendar, Calendar)
        return _after(self.on_or_after(calendar.day_of(anchor) + timedelta(days=1)), calendar)


def _check_fixed(day: date) -> None:
    if not FIXED_FROM <= check_day("day", day) <= FIXED_TO:
        msg = f"day must lie in the years {FIXED_FROM.year} to {FIXED_TO.year}, got {shown(day)}"
        raise UsageError(msg)


@final
@attrs.frozen
class UntilDay:
    """One day of the calendar: whenever points are earned, they can be used through its end.

    What would open only after it is not given at all.

    Attributes:
        day: The last local day.
    """

    day: date

    def __attrs_post_init__(self) -> None:
        """Refuse what is no day, and those at the ends of the calendar."""
        _check_fixed(self.day)


@final
@attrs.frozen
class Sliding:
    """A term that begins anew with every activity of the account.

    Points that wait count as an activity of the day on which they open, so that no end comes before it.

    Attributes:
        term: Counted from the last activity.
    """

    term: Term

    def __attrs_post_init__(self) -> None:
        """Refuse what is no term."""
        check_kind("term", self.term, Term)


Expires: TypeAlias = Term | YearDay | UntilDay | Sliding | None
"""When points end, counted from when they can be used; ``None`` is never."""


class AsRules(StrEnum):
    """Says that points end as those of the program's first rule for the main account do."""

    AS_RULES = "as rules"


AS_RULES: Final = AsRules.AS_RULES
"""As the program's rules say: of what gives points and says no end of its own."""


@final
@attrs.frozen
class OnDate:
    """Points wait for a day of the calendar; once it has begun, new ones are there at once.

    Attributes:
        day: A local day; they can be used from its first instant.
    """

    day: date

    def __attrs_post_init__(self) -> None:
        """Refuse what is no day, and those at the ends of the calendar."""
        _check_fixed(self.day)


@final
@attrs.frozen
class Awaiting:
    """Points wait for something to happen, and lapse when it has not happened in time.

    Attributes:
        event: The shop's own name for it, for example ``"delivered"``: 1 to 64 printable characters without blanks.
        within: For how long they wait, from when they were earned.
    """

    event: str
    within: Term

    def __attrs_post_init__(self) -> None:
        """Refuse an event without a name, and what is no term."""
        name = check_kind("event", self.event, str)
        if not 1 <= len(name) <= EVENT_LIMIT or not name.isprintable() or " " in name:
            msg = f"event must be 1 to {EVENT_LIMIT} printable characters without blanks, got {shown(name)}"
            raise UsageError(msg)
        check_kind("within", self.within, Term)


Pending: TypeAlias = Term | OnDate | Awaiting | None
"""Until when points wait, counted from when they are earned; ``None`` is at once."""


@final
@attrs.frozen
class Lasting:
    """How long something lasts whose beginning is not known yet: it is counted from a release, or from the last activity.

    It carries its zone, so that a stored one needs nothing else to be read.

    Attributes:
        term: Counted from what is waited for.
        zone: IANA name: whose local days count.
        sliding: Whether it is counted anew from every activity of the account.
        until: Runs on through the end of the next such day of the year; ``None`` ends with the term.
    """

    term: Term
    zone: str
    sliding: bool = attrs.field(default=False, kw_only=True)
    until: YearDay | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse what is no term, no zone, no flag or no day."""
        check_kind("term", self.term, Term)
        Calendar(self.zone)
        check_kind("sliding", self.sliding, bool)
        if self.until is not None:
            check_kind("until", self.until, YearDay)

    def ends_after(self, anchor: datetime) -> datetime:
        """Give the first instant after it, in UTC.

        Args:
            anchor: The release, or the last activity, timezone-aware.

        Returns:
            Always later than the anchor, and never earlier for a later anchor.

        Raises:
            UsageError: A naive time, or an end after the year 9998.

        Example:
            >>> from datetime import UTC, datetime
            >>> Lasting(Term(Period(months=6)), "Europe/Paris").ends_after(datetime(2026, 7, 6, tzinfo=UTC)).isoformat()
            '2027-01-06T23:00:00+00:00'
        """
        calendar = Calendar(self.zone)
        last = _reached(self.term, anchor, calendar)
        return _after(last if self.until is None else self.until.on_or_after(last), calendar)


@final
@attrs.frozen(kw_only=True)
class Terms:
    """From when to when points can be used.

    Attributes:
        available_at: First instant inside. While an event is waited for, the deadline instead: they lapse at it.
        expires_at: First instant after; ``None`` is never, or as ``lasts`` says.
        awaits: The event that is waited for; empty when none is.
        lasts: How the end is found once its beginning is known; ``None`` when ``expires_at`` says it.
    """

    available_at: datetime
    expires_at: datetime | None
    awaits: str = ""
    lasts: Lasting | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse naive times, an empty window and two ends."""
        check_instant("available_at", self.available_at)
        keep_in_utc(self, "available_at", "expires_at")
        if self.expires_at is not None and self.expires_at <= self.available_at:
            msg = f"expires_at must be after {self.available_at}, got {self.expires_at}"
            raise UsageError(msg)
        if self.expires_at is not None and self.lasts is not None:
            msg = f"expires_at or lasts may be said, not both, got {self.expires_at} and {shown(self.lasts)}"
            raise UsageError(msg)


def check_policies(pending: Pending, expires: Expires) -> None:
    """Take a way to wait and a way to end that can go together: for whoever keeps the two as settings.

    Args:
        pending: How points wait.
        expires: How they end.

    Raises:
        UsageError: No policy, or a last day before the day on which they would open.

    Example:
        >>> check_policies(OnDate(date(2027, 1, 1)), UntilDay(date(2026, 12, 31)))
        Traceback (most recent call last):
            ...
        loyaltycore.errors.UsageError: expires must not be before pending is over, on 2027-01-01, got 2026-12-31
    """
    _check_policy("pending", pending, Term, OnDate, Awaiting)
    _check_policy("expires", expires, Term, YearDay, UntilDay, Sliding)
    if isinstance(expires, UntilDay) and isinstance(pending, OnDate) and expires.day < pending.day:
        msg = f"expires must not be before pending is over, on {pending.day}, got {expires.day}"
        raise UsageError(msg)


def _check_policy(name: str, policy: object, *kinds: type) -> None:
    if policy is not None and not isinstance(policy, kinds):
        msg = f"{name} must be None or of type {', '.join(kind.__name__ for kind in kinds)}, got {shown(policy)}"
        raise UsageError(msg)


def opens_and_ends(pending: Pending, expires: Expires, *, at: datetime, calendar: Calendar) -> Terms | None:
    """Work out from when to when points can be used that are earned at an instant.

    Args:
        pending: How they wait.
        expires: How they end, counted from when they can be used.
        at: When they are earned, timezone-aware.
        calendar: Whose local days count.

    Returns:
        ``None`` when they could never be used, because their last day is over before they open: then nothing is given. While
        an event is waited for, ``lasts`` carries an end that is counted from it; a fixed last day also ends the wait. A
        sliding end is always in ``lasts``. The end is later than the opening, and neither is earlier for a later ``at``.

    Raises:
        UsageError: See ``check_policies``; a naive time, or an end after the year 9998.

    Example:
        >>> from datetime import UTC, datetime
        >>> terms = opens_and_ends(
        ...     Term(Period(days=30)), YearDay(1, 1), at=datetime(2026, 7, 6, tzinfo=UTC), calendar=Calendar("UTC")
        ... )
        >>> terms.available_at.isoformat(), terms.expires_at.isoformat()
        ('2026-08-06T00:00:00+00:00', '2027-01-02T00:00:00+00:00')
    """
    check_policies(pending, expires)
    check_kind("calendar", calendar, Calendar)
    earned_at = check_instant("at", at)
    opens_at = _opens(pending, earned_at, calendar)
    awaits = pending.event if isinstance(pending, Awaiting) else ""
    if isinstance(expires, UntilDay):
        ends_at = _after(expires.day, calendar)
        # An event must come while there is still something to use.
        opens_at = min(opens_at, ends_at - _TICK) if awaits else opens_at
        fits = earned_at < opens_at if awaits else opens_at < ends_at
        return Terms(available_at=opens_at, expires_at=ends_at, awaits=awaits) if fits else None
    lasts = _lasting(expires, calendar.zone)
    if awaits or lasts is None or lasts.sliding:
        return Terms(available_at=opens_at, expires_at=None, awaits=awaits, lasts=lasts)
    return Terms(available_at=opens_at, expires_at=lasts.ends_after(opens_at))


def _lasting(expires: Term | YearDay | Sliding | None, zone: str) -> Lasting | None:
    match expires:
        case None:
            return None
        case Term():
            return Lasting(expires, zone)
        case YearDay():
            return Lasting(Term(Period(days=1)), zone, until=expires)
        case Sliding():
            return Lasting(expires.term, zone, sliding=True)
    assert_never(expires)


def _opens(pending: Pending, at: datetime, calendar: Calendar) -> datetime:
    match pending:
        case None:
            return at
        case Term():
            return pending.end_after(at, calendar=calendar)
        case OnDate():
            return max(at, calendar.first_instant(pending.day))
        case Awaiting():
            return pending.within.end_after(at, calendar=calendar)
    assert_never(pending)
