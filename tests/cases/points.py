"""Points: calendar cases, and how ours says them."""

from __future__ import annotations

from datetime import date, datetime

from loyaltycore.periods import Calendar, Period, Term, Through
from tests.cases import Case, Differs, Expression

__all__ = ["CASES"]

THROUGH = {"end_of_day": Through.DAY, "end_of_quarter": Through.QUARTER, "end_of_year": Through.YEAR}


def period_of(text: str) -> Period:
    """Read ``13 months`` or ``2 months from anchor``."""
    count, unit = text.removesuffix(" from anchor").split()
    return Period(**{unit.rstrip("s") + "s": int(count)})


def same(ours: object, expected: object) -> None:
    """Complain when ours is another answer."""
    if ours != expected:
        text = f"{ours}, not {expected}"
        raise Differs(text)


def day_reached(case: Case) -> None:
    """Count a period from a local day."""
    same(period_of(case["add"]).after(date.fromisoformat(case["anchor"])), date.fromisoformat(case["expect"]))


def end_of_term(case: Case) -> None:
    """Say when a term ends that starts at an instant."""
    term = Term(period_of(case["add"]), through_end_of=THROUGH[case["rounding"]])
    end = term.end_after(datetime.fromisoformat(case["earned_utc"]), calendar=Calendar(case["tz"]))
    same(end, datetime.fromisoformat(case["expect_exclusive_utc"]))


def first_instant(case: Case) -> None:
    """Say when a local day begins."""
    first = Calendar(case["tz"]).first_instant(date.fromisoformat(case["local_midnight"]))
    same(first, datetime.fromisoformat(case["expect_first_instant"]))


CASES: dict[str, Expression] = {
    "dates-1": day_reached,
    "dates-2": day_reached,
    "dates-3": day_reached,
    "dates-4": day_reached,
    "dates-5": end_of_term,
    "dates-6": end_of_term,
    "dates-7": end_of_term,
    "dates-8": first_instant,
}
