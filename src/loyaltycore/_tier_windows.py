"""Windows of tiers: over which days things count together, and through which day a tier is kept.

A window says what a member's tier is counted over. Its *frame* is the same thing for one member, whose own years are known.

Invariants:
    1. What counts on a day counts through that day at least, and no longer than what comes later.
    2. A tier is kept the longer, the later it was reached.
    3. What would leave the calendar never ends.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Final, Protocol, TypeAlias, assert_never, final

import attrs

from loyaltycore._checks import FIRST_YEAR, LAST_YEAR, check_kind, check_whole, shown
from loyaltycore.errors import UsageError
from loyaltycore.periods import Period, YearDay

__all__ = [
    "FOREVER",
    "CalendarMonths",
    "CalendarYears",
    "FixedFrame",
    "Frame",
    "Lifetime",
    "LifetimeFrame",
    "MembershipYears",
    "Rolling",
    "RollingFrame",
    "TierWindow",
    "check_window",
    "frame_of",
    "shifted",
]

FOREVER: Final = date.max
"""In the place of a last day: there is none."""

YEARS_LIMIT: Final = 100
"""Years of one window: as long as anybody's membership."""

_LONG_AGO: Final = date.min
_ANCHOR_YEAR: Final = 2000
_MONTHS: Final = 12
_WHOLE_MONTHS: Final = (1, 2, 3, 4, 6)
_ALL_MONTHS_HAVE: Final = 28
_DAY: Final = timedelta(days=1)


@final
@attrs.frozen
class Rolling:
    """What happened at most so long before counts; a tier is kept for as long, from the day it was reached.

    Attributes:
        period: Counted from the local day of a purchase, which is the first of it.
    """

    period: Period

    def __attrs_post_init__(self) -> None:
        """Refuse what is no period."""
        check_kind("period", self.period, Period)


@final
@attrs.frozen
class CalendarYears:
    """What happened in the same year counts; a tier is kept through the end of the next.

    Attributes:
        starts: The first day of each year; 29 February is the 28th in years that have none.
        years: How many of them are one window, at most 100; several are counted from the year 2000.
    """

    starts: YearDay = YearDay(1, 1)
    years: int = attrs.field(default=1, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse what is no day of the year, and no years."""
        check_kind("starts", self.starts, YearDay)
        check_whole("years", self.years, low=1, high=YEARS_LIMIT)


@final
@attrs.frozen
class CalendarMonths:
    """What happened in the same months counts; a tier is kept through the end of the next ones.

    Attributes:
        months: 1 for months, 3 for quarters, 6 for half years; 2 and 4 as well. They are counted from January.
    """

    months: int

    def __attrs_post_init__(self) -> None:
        """Refuse what does not make a year."""
        if check_whole("months", self.months) not in _WHOLE_MONTHS:
            msg = f"months must be one of {', '.join(map(str, _WHOLE_MONTHS))}, got {self.months}"
            raise UsageError(msg)


@final
@attrs.frozen
class MembershipYears:
    """What happened in the same year of the membership counts; a tier is kept through the end of the next.

    The years begin on the local day of joining. Before joining is known they are calendar years: years that began with the
    first purchase would all begin elsewhere when an older one is found.

    Attributes:
        years: How many of them are one window, at most 100.
    """

    years: int = 1

    def __attrs_post_init__(self) -> None:
        """Refuse no years."""
        check_whole("years", self.years, low=1, high=YEARS_LIMIT)


@final
@attrs.frozen
class Lifetime:
    """All that ever happened counts, and a tier once reached is never lost."""


TierWindow: TypeAlias = Rolling | CalendarYears | CalendarMonths | MembershipYears | Lifetime
"""Over which days things count together for a tier, and with it how long the tier is kept."""


def check_window(window: object) -> TierWindow:
    """Take a window, or a period, which is a rolling one.

    Raises:
        UsageError: Anything else.
    """
    if isinstance(window, Period):
        return Rolling(window)
    if not isinstance(window, Rolling | CalendarYears | CalendarMonths | MembershipYears | Lifetime):
        msg = f"window must be a Period or one of the windows of tiers, got {shown(window)}"
        raise UsageError(msg)
    return window


class Frame(Protocol):
    """The days of one member's windows."""

    def counts_through(self, day: date, /) -> date:
        """Give the last day on which what happened on a day counts."""
        ...

    def kept_through(self, day: date, /, count: int) -> date:
        """Give the last day of the ``count``-th stretch for which what was reached on a day is kept."""
        ...

    def first_of(self, day: date, /) -> date:
        """Give the first day that counts together with a day."""
        ...

    def last_of(self, day: date, /) -> date | None:
        """Give the last day of a day's window; ``None`` where every day has its own, or it never ends."""
        ...

    def next_after(self, day: date, /) -> date:
        """Give the first day of the window after a day's own."""
        ...


def frame_of(window: TierWindow, *, joined_on: date | None) -> Frame:
    """Give the days of a window for one member.

    Args:
        window: The window.
        joined_on: The local day of joining; ``None`` when it is not known.
    """
    match window:
        case Rolling(period):
            return RollingFrame(period.years * _MONTHS + period.months, period.weeks * 7 + period.days)
        case CalendarYears():
            return FixedFrame(window.starts.on_or_after(date(_ANCHOR_YEAR, 1, 1)), window.years * _MONTHS)
        case CalendarMonths(months):
            return FixedFrame(date(_ANCHOR_YEAR, 1, 1), months)
        case MembershipYears(years):
            return FixedFrame(joined_on or date(_ANCHOR_YEAR, 1, 1), years * _MONTHS)
        case Lifetime():
            return LifetimeFrame()
    assert_never(window)


@final
@attrs.frozen
class RollingFrame:
    """Each day has its own window, which ends with it.

    Attributes:
        months: Of the period.
        days: Of the period, beside the months.
    """

    months: int
    days: int

    def counts_through(self, day: date, /) -> date:
        """Give the day that lies the period after."""
        return shifted(day, self.months, self.days)

    def kept_through(self, day: date, /, count: int) -> date:
        """Give the day that lies so many periods after, counted in one step."""
        return shifted(day, self.months * count, self.days * count)

    def first_of(self, day: date, /) -> date:
        """Give the first day of which the period still reaches this one."""
        first = shifted(day, -self.months, -self.days)
        # Months differ in length: the day found by going back may lie a few days beside it.
        while first > _LONG_AGO and self.counts_through(first - _DAY) >= day:
            first -= _DAY
        while self.counts_through(first) < day:
            first += _DAY
        return first

    def last_of(self, _day: date, /) -> date | None:
        """Give nothing: tomorrow has another window."""
        return None

    def next_after(self, _day: date, /) -> date:
        """Give no day: nothing begins anew."""
        return FOREVER


@final
@attrs.frozen
class FixedFrame:
    """Windows of whole months that follow one another, counted from an anchor in one step.

    Attributes:
        anchor: The first day of one of them.
        months: How long each is.
    """

    anchor: date
    months: int

    def _number(self, day: date) -> int:
        between = (day.year - self.anchor.year) * _MONTHS + day.month - self.anchor.month
        number = between // self.months
        return number if self._start(number) <= day else number - 1

    def _start(self, number: int) -> date:
        return shifted(self.anchor, number * self.months, 0)

    def _last(self, number: int) -> date:
        following = self._start(number + 1)
        return FOREVER if following == FOREVER else following - _DAY

    def counts_through(self, day: date, /) -> date:
        """Give the last day of its window."""
        return self._last(self._number(day))

    def kept_through(self, day: date, /, count: int) -> date:
        """Give the last day of the window so many after its own."""
        return self._last(self._number(day) + count)

    def first_of(self, day: date, /) -> date:
        """Give the first day of its window."""
        return self._start(self._number(day))

    def last_of(self, day: date, /) -> date:
        """Give the last day of its window."""
        return self.counts_through(day)

    def next_after(self, day: date, /) -> date:
        """Give the first day of the window after its own."""
        return self._start(self._number(day) + 1)


@final
@attrs.frozen
class LifetimeFrame:
    """One window, which has no end."""

    def counts_through(self, _day: date, /) -> date:
        """Count for ever."""
        return FOREVER

    def kept_through(self, _day: date, /, count: int) -> date:  # noqa: ARG002  # kept for ever, however often it is counted
        """Keep for ever."""
        return FOREVER

    def first_of(self, _day: date, /) -> date:
        """Give the first day there is."""
        return _LONG_AGO

    def last_of(self, _day: date, /) -> date | None:
        """Give nothing: it does not end."""
        return None

    def next_after(self, _day: date, /) -> date:
        """Give no day: nothing begins anew."""
        return FOREVER


def shifted(day: date, months: int, days: int) -> date:
    """Go months and then days from a day, as ``Period.after`` does, in a fraction of its time.

    Returns:
        The day; ``date.max`` where it leaves the calendar forwards, ``date.min`` backwards.
    """
    if months:
        year, month = divmod(day.year * _MONTHS + day.month - 1 + months, _MONTHS)
        if not FIRST_YEAR <= year <= LAST_YEAR:
            return _LONG_AGO if year < FIRST_YEAR else FOREVER
        month += 1
        day = date(year, month, day.day if day.day <= _ALL_MONTHS_HAVE else min(day.day, monthrange(year, month)[1]))
    if days:
        try:
            day += timedelta(days=days)
        except OverflowError:
            return FOREVER if days > 0 else _LONG_AGO
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            return FOREVER if days > 0 else _LONG_AGO
    return day
