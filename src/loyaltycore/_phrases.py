"""The little phrases of a program file: "1 per 1.00", "12 months, end of month", "50 %".

One small grammar for all of them, documented in ``docs/reference/program-file.md``.

>>> read_step("1 per 1.00", currency="EUR")
(1, 100)
>>> read_term("12 months, end of month")
Term(period=Period(years=0, months=12, weeks=0, days=0), through_end_of=<Through.MONTH: 'month'>)
"""

from __future__ import annotations

import re
from typing import Final

from loyaltycore.errors import UsageError
from loyaltycore.periods import Period, Term, Through
from loyaltycore.quantities import Money, Rate

__all__ = ["ALWAYS", "AT_ONCE", "NEVER", "STEP", "TERM", "read_percent", "read_period", "read_step", "read_term"]

STEP: Final = '"POINTS per AMOUNT", such as "1 per 1.00"'
TERM: Final = '"N days|weeks|months|years", with ", end of day|month|quarter|year" if wanted, such as "12 months, end of month"'
NEVER: Final = "never"
AT_ONCE: Final = "at once"
ALWAYS: Final = "always"

_STEP: Final = re.compile(r"([0-9]{1,9}) per ([0-9]+(?:\.[0-9]+)?)")
_TERM: Final = re.compile(r"([0-9]{1,5}) (day|week|month|year)s?(?:, end of (day|month|quarter|year))?")
_LONGEST: Final = {"day": 36_525, "week": 5_217, "month": 1_200, "year": 100}
_PERCENT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")


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
