"""Days that come again, as RFC 5545 writes them: the rule is read once, and any day is judged by itself.

A day is never looked for by counting on from the first one, so that the answer costs the same in any year.

>>> first_sundays = read_rule("FREQ=MONTHLY;BYDAY=1SU", starts_on=None)
>>> is_on(first_sundays, date(2026, 7, 5)), is_on(first_sundays, date(2026, 7, 12))
(True, False)

Source: RFC 5545, section 3.3.10; weeks begin on Monday, as they do there unless WKST says otherwise.
"""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, assert_never

from loyaltycore._checks import check_day, shown
from loyaltycore.errors import UsageError

__all__ = ["Days", "Frequency", "is_on", "read_rule"]

RULE_LIMIT: Final = 500
"""Characters of a rule: every day of the month and every month, named one by one, take less."""

INTERVAL_LIMIT: Final = 1_000
"""Of the periods from one to the next: nobody plans further."""

_PARTS: Final = ("FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYMONTH")
_WEEKDAYS: Final = {name: place for place, name in enumerate(("MO", "TU", "WE", "TH", "FR", "SA", "SU"))}
_BY_DAY: Final = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,4}")
_WEEK: Final = 7
_IN_MONTH: Final = 5
_IN_YEAR: Final = 53
_FIRST_TRIED: Final = date(2001, 1, 1)
_DAYS_TRIED: Final = 10_227
"""28 years, in which every date of the calendar falls on every day of the week."""


class Frequency(StrEnum):
    """The period in which the days lie."""

    YEARLY = "YEARLY"
    MONTHLY = "MONTHLY"
    WEEKLY = "WEEKLY"
    DAILY = "DAILY"


class Days(NamedTuple):
    """What a rule says, read; an empty set leaves nothing out.

    Attributes:
        frequency: The period.
        interval: One period in so many, counted from that of ``starts_on``.
        months: 1 to 12.
        month_days: 1 to 31, or -1 to -31 from the end of the month.
        weekdays: 0 is Monday; the number before it counts those of the month or the year, from its end below 0, 0 means all.
        in_year: Whether that number counts those of the year.
        starts_on: No day before it; ``None`` where every period counts.
    """

    frequency: Frequency
    interval: int
    months: frozenset[int]
    month_days: frozenset[int]
    weekdays: frozenset[tuple[int, int]]
    in_year: bool
    starts_on: date | None


def read_rule(rule: object, *, starts_on: date | None) -> Days:
    """Read a rule.

    Args:
        rule: ``"FREQ=MONTHLY;BYDAY=1SU"``, in large or small letters.
        starts_on: What DTSTART is there: what the rule leaves unsaid is as on that day.

    Raises:
        UsageError: No rule, a part that is not read here, or one that names no day at all.
    """
    said = _split(rule)
    frequency = _frequency(said)
    in_year = frequency is Frequency.YEARLY and "BYMONTH" not in said
    days = Days(
        frequency=frequency,
        interval=_numbers(said, "INTERVAL", low=1, high=INTERVAL_LIMIT, default=(1,))[0],
        months=frozenset(_numbers(said, "BYMONTH", low=1, high=12)),
        month_days=frozenset(_numbers(said, "BYMONTHDAY", low=-31, high=31)),
        weekdays=_weekdays(said, frequency, high=_IN_YEAR if in_year else _IN_MONTH),
        in_year=in_year,
        starts_on=None if starts_on is None else check_day("starts_on", starts_on),
    )
    if frequency is Frequency.WEEKLY and days.month_days:
        msg = f"BYMONTHDAY must not stand in a WEEKLY rule, got {shown(rule)}"
        raise UsageError(msg)
    if "INTERVAL" in said and "," in said["INTERVAL"]:
        msg = f"INTERVAL must be one number, got {shown(said['INTERVAL'])}"
        raise UsageError(msg)
    if days.interval > 1 and starts_on is None:
        msg = f"starts_on must be said where INTERVAL is above 1, got none for {shown(rule)}"
        raise UsageError(msg)
    days = _completed(days, rule)
    if not _has_any(days):
        msg = f"rule must name a day that some year has, got {shown(rule)}"
        raise UsageError(msg)
    return days


def is_on(days: Days, day: date) -> bool:
    """Say whether a local day is one of them.

    Complexity:
        O(1), however far the day lies from the first.
    """
    return (days.starts_on is None or _is_reached(days, days.starts_on, day)) and _is_named(days, day)


def _split(rule: object) -> dict[str, str]:
    if not isinstance(rule, str) or len(rule) > RULE_LIMIT:
        msg = f'rule must be text of at most {RULE_LIMIT} characters such as "FREQ=MONTHLY;BYDAY=1SU", got {shown(rule)}'
        raise UsageError(msg)
    said: dict[str, str] = {}
    for part in rule.upper().split(";"):
        name, _, text = part.partition("=")
        if name not in _PARTS or name in said or not text:
            msg = f'rule must say {", ".join(_PARTS)}, each at most once, as in "FREQ=MONTHLY;BYDAY=1SU", got {shown(rule)}'
            raise UsageError(msg)
        said[name] = text
    return said


def _frequency(said: dict[str, str]) -> Frequency:
    try:
        return Frequency(said.get("FREQ", ""))
    except ValueError as error:
        msg = f"FREQ must be one of {', '.join(Frequency)}, got {shown(said.get('FREQ', 'none'))}"
        raise UsageError(msg) from error


def _numbers(said: dict[str, str], name: str, *, low: int, high: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
    if name not in said:
        return default
    texts = said[name].split(",")
    found = tuple(int(text) for text in texts if _WHOLE.fullmatch(text))
    if len(found) < len(texts) or not all(low <= number <= high and number for number in found):
        msg = f"{name} must be whole numbers in [{low}, {high}]{' without 0' if low < 0 else ''}, got {shown(said[name])}"
        raise UsageError(msg)
    return found


def _weekdays(said: dict[str, str], frequency: Frequency, *, high: int) -> frozenset[tuple[int, int]]:
    found = set[tuple[int, int]]()
    for text in said["BYDAY"].split(",") if "BYDAY" in said else ():
        match = _BY_DAY.fullmatch(text)
        number = int(match[1]) if match is not None and match[1] else None
        counted = frequency in {Frequency.YEARLY, Frequency.MONTHLY}
        if match is None or (number is not None and not (counted and 1 <= abs(number) <= high)):
            numbered = f", with a number up to {high} before it or none" if counted else ", without a number before it"
            msg = f"BYDAY must be of {', '.join(_WEEKDAYS)}{numbered}, got {shown(text)}"
            raise UsageError(msg)
        found.add((number or 0, _WEEKDAYS[match[2]]))
    return frozenset(found)


def _completed(days: Days, rule: object) -> Days:
    """Take from the first day what the rule leaves unsaid: a yearly one without more comes on the day of the year it began."""
    if days.month_days or days.weekdays or days.frequency is Frequency.DAILY:
        return days
    first = days.starts_on
    if first is None:
        msg = f"rule must say BYDAY or BYMONTHDAY where starts_on is not given, got {shown(rule)}"
        raise UsageError(msg)
    match days.frequency:
        case Frequency.YEARLY:
            return days._replace(months=days.months or frozenset({first.month}), month_days=frozenset({first.day}))
        case Frequency.MONTHLY:
            return days._replace(month_days=frozenset({first.day}))
        case Frequency.WEEKLY:
            return days._replace(weekdays=frozenset({(0, first.weekday())}))
    assert_never(days.frequency)


def _has_any(days: Days) -> bool:
    return any(_is_named(days, _FIRST_TRIED + timedelta(days=number)) for number in range(_DAYS_TRIED))


def _is_reached(days: Days, starts_on: date, day: date) -> bool:
    """Say whether a day lies in a period that counts, and not before the first day."""
    return day >= starts_on and (_period(days.frequency, day) - _period(days.frequency, starts_on)) % days.interval == 0


def _period(frequency: Frequency, day: date) -> int:
    """Number the period of a day."""
    match frequency:
        case Frequency.YEARLY:
            return day.year
        case Frequency.MONTHLY:
            return day.year * 12 + day.month
        case Frequency.WEEKLY:
            return (day.toordinal() - 1) // _WEEK  # the first day of the calendar is a Monday
        case Frequency.DAILY:
            return day.toordinal()
    assert_never(frequency)


def _is_named(days: Days, day: date) -> bool:
    """Say whether the month, the day of the month and the day of the week are right."""
    if days.months and day.month not in days.months:
        return False
    month_length = monthrange(day.year, day.month)[1]
    if days.month_days and days.month_days.isdisjoint((day.day, day.day - month_length - 1)):
        return False
    if not days.weekdays:
        return True
    place, length = (day.timetuple().tm_yday, 365 + isleap(day.year)) if days.in_year else (day.day, month_length)
    weekday = day.weekday()
    numbers = (0, (place - 1) // _WEEK + 1, -((length - place) // _WEEK) - 1)
    return not days.weekdays.isdisjoint([(number, weekday) for number in numbers])
