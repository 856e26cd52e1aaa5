"""The little phrases of a program file: "1 per 1.00", "12 months, end of month", "on delivered within 60 days", "50 %".

One small grammar for all of them, documented in ``docs/reference/program-file.md``.

>>> read_step("1 per 1.00", currency="EUR")
(1, 100)
>>> read_term("12 months, end of month")
Term(period=Period(years=0, months=12, weeks=0, days=0), through_end_of=<Through.MONTH: 'month'>)
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug
from loyaltycore.periods import Awaiting, Expires, OnDate, Pending, Period, Sliding, Term, Through, UntilDay, YearDay
from loyaltycore.quantities import Money, Rate
from loyaltycore.tiers import CalendarMonths, CalendarYears, Lifetime, MembershipYears, TierWindow

__all__ = [
    "ALWAYS",
    "AT_ONCE",
    "EARN",
    "EXPIRES",
    "NEVER",
    "PENDING",
    "STEP",
    "TERM",
    "TIER_WINDOW",
    "read_earn",
    "read_expires",
    "read_pending",
    "read_percent",
    "read_period",
    "read_step",
    "read_term",
    "read_tier_window",
]

STEP: Final = '"POINTS per AMOUNT", such as "1 per 1.00"'
TERM: Final = '"N days|weeks|months|years", with ", end of day|month|quarter|year" if wanted, such as "12 months, end of month"'
NEVER: Final = "never"
AT_ONCE: Final = "at once"
ALWAYS: Final = "always"
EARN: Final = '"POINTS per AMOUNT", "POINTS an order" or a percentage, such as "1 per 1.00", "50 an order" or "5 %"'
EXPIRES: Final = (
    f'"{NEVER}", a term such as "12 months, end of month", "TERM after last activity", '
    'a day of the year such as "1 January" or a date such as "2026-12-31"'
)
PENDING: Final = f'"{AT_ONCE}", a term such as "30 days", "on DATE" such as "on 2026-12-01" or "on EVENT within TERM"'
LIFETIME: Final = "lifetime"
TIER_WINDOW: Final = (
    '"N days|weeks|months|years", such as "12 months", "calendar year|quarter|month", "calendar year from 1 April", '
    f'"membership year" or "{LIFETIME}"'
)

_STEP: Final = re.compile(r"([0-9]{1,9}) per ([0-9]+(?:\.[0-9]+)?)")
_TERM: Final = re.compile(r"([0-9]{1,5}) (day|week|month|year)s?(?:, end of (day|month|quarter|year))?")
_LONGEST: Final = {"day": 36_525, "week": 5_217, "month": 1_200, "year": 100}
_PERCENT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")
_FLAT: Final = re.compile(r"([0-9]{1,9}) an order")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ON_DATE: Final = re.compile(rf"on ({_DATE.pattern})")
_ON_EVENT: Final = re.compile(r"on (\S+) within (.+)")
_SLIDING: Final = " after last activity"
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_YEAR_DAY: Final = re.compile(rf"([0-9]{{1,2}}) ({'|'.join(_MONTHS)})")
_SPANS: Final = re.compile(
    rf"(?:([0-9]{{1,5}}) )?(calendar (?:year|quarter|month)|membership year)s?(?: from ({_YEAR_DAY.pattern}))?"
)


def read_step(text: str, *, currency: str) -> tuple[int, int]:
    """Read "1 per 1.00" as points and minor units.

    Raises:
        UsageError: Another form, or a step of nothing.
    """
    found = _STEP.fullmatch(text)
    if found is None:
        msg = f"must be {STEP}, got {text!r}"
        raise UsageError(msg)
    points, per = int(found[1]), Money.of(found[2], currency)
    if points < 1 or per.minor_units < 1:
        msg = f"must give at least 1 point per more than nothing, got {text!r}"
        raise UsageError(msg)
    return points, per.minor_units


def read_earn(text: str, *, currency: str) -> tuple[int, int] | int | Rate:
    """Read how much a rule gives.

    Returns:
        Points and minor units for "1 per 1.00", points for "50 an order", a rate for "5 %".

    Raises:
        UsageError: Another form, or one that gives nothing.
    """
    flat, percent = _FLAT.fullmatch(text), _PERCENT.fullmatch(text)
    if flat is None and percent is None and not _STEP.fullmatch(text):
        msg = f"must be {EARN}, got {text!r}"
        raise UsageError(msg)
    if flat is not None:
        gives: int | Rate = int(flat[1])
    elif percent is not None:
        gives = read_percent(text)
    else:
        return read_step(text, currency=currency)
    if gives in {0, Rate.percent("0")}:
        msg = f"must give more than nothing, got {text!r}"
        raise UsageError(msg)
    return gives


def read_expires(text: str) -> Expires:
    """Read when points end: "never", a term, "12 months after last activity", "1 January" or "2026-12-31".

    Raises:
        UsageError: Another form, or a day that no calendar has.
    """
    if text == NEVER:
        return None
    if text.endswith(_SLIDING):
        return Sliding(_term(text.removesuffix(_SLIDING), text, EXPIRES))
    if _DATE.fullmatch(text):
        return UntilDay(_day(text, text))
    return _year_day(text, text) if _YEAR_DAY.fullmatch(text) else _term(text, text, EXPIRES)


def read_pending(text: str) -> Pending:
    """Read until when points wait: "at once", "30 days", "on 2026-12-01" or "on delivered within 60 days".

    Raises:
        UsageError: Another form, a day that no calendar has, or an event that is no name.
    """
    if text == AT_ONCE:
        return None
    on_date, on_event = _ON_DATE.fullmatch(text), _ON_EVENT.fullmatch(text)
    if on_date is not None:
        return OnDate(_day(on_date[1], text))
    if on_event is not None:
        return Awaiting(check_slug("EVENT", on_event[1]), within=_term(on_event[2], text, PENDING))
    return _term(text, text, PENDING)


def _term(part: str, whole: str, allowed: str) -> Term:
    """Read the term in a longer phrase; a message shows the whole."""
    if not _TERM.fullmatch(part):
        msg = f"must be {allowed}, got {whole!r}"
        raise UsageError(msg)
    return read_term(part)


def _day(part: str, whole: str) -> date:
    try:
        return date.fromisoformat(part)
    except ValueError as error:
        msg = f"must be a day that the calendar has, got {whole!r}"
        raise UsageError(msg) from error


def _year_day(part: str, whole: str) -> YearDay:
    number, month = part.split(" ")
    try:
        return YearDay(_MONTHS.index(month) + 1, int(number))
    except UsageError as error:
        msg = f"must be a day that the calendar has, got {whole!r}"
        raise UsageError(msg) from error


def read_term(text: str) -> Term:
    """Read "30 days" or "12 months, end of month".

    Raises:
        UsageError: Another form.
    """
    found = _TERM.fullmatch(text)
    if found is None:
        msg = f"must be {TERM}, got {text!r}"
        raise UsageError(msg)
    if int(found[1]) > _LONGEST[found[2]]:
        msg = f"must be at most 100 years, got {text!r}"
        raise UsageError(msg)
    period = Period(**{f"{found[2]}s": int(found[1])})
    return Term(period, through_end_of=Through(found[3] or "day"))


def read_period(text: str) -> Period:
    """Read "12 months".

    Raises:
        UsageError: Another form, or one with an end.
    """
    if "," in text:
        msg = f'must be "N days|weeks|months|years", got {text!r}'
        raise UsageError(msg)
    return read_term(text).period


def read_tier_window(text: str) -> TierWindow | Period:
    """Read over which time tiers count: "12 months", "calendar year from 1 April", "membership year" or "lifetime".

    Raises:
        UsageError: Another form, a day that no calendar has, or months that do not make a year.
    """
    if text == LIFETIME:
        return Lifetime()
    spans = _SPANS.fullmatch(text)
    if spans is None:
        if not _TERM.fullmatch(text) or "," in text:
            msg = f"must be {TIER_WINDOW}, got {text!r}"
            raise UsageError(msg)
        return read_period(text)
    count, span, day = int(spans[1] or 1), spans[2], spans[3]
    if day is not None and span != "calendar year":
        msg = f"must be a calendar year where it begins on a day of its own, got {text!r}"
        raise UsageError(msg)
    if span == "calendar year":
        return CalendarYears(_year_day(day or "1 January", text), years=count)
    if span == "membership year":
        return MembershipYears(years=count)
    return CalendarMonths(count * 3 if span == "calendar quarter" else count)


def read_percent(text: str) -> Rate:
    """Read "50 %".

    Raises:
        UsageError: Another form.
    """
    found = _PERCENT.fullmatch(text)
    if found is None:
        msg = f'must be a percentage such as "50 %", got {text!r}'
        raise UsageError(msg)
    return Rate.percent(found[1])
