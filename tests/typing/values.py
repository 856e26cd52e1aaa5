"""What type checkers make of the lowest floors; read by mypy and pyright, never run.

A line with an ignore must be an error: an ignore that is not needed is one itself.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import assert_type

from loyaltycore.basket import Basket
from loyaltycore.facts import Posting
from loyaltycore.ladders import Ladder, Rung
from loyaltycore.periods import Calendar, Period, Window
from loyaltycore.quantities import Money, Rate, Rounding, allocate, total


def money(price: Money, prices: list[Money]) -> None:
    """Amounts stay amounts, and their numbers are asked for by name."""
    assert_type(Money.of("12.90", "EUR"), Money)
    assert_type(price + price, Money)
    assert_type(price.decimal, Decimal)
    assert_type(price < Money.zero("EUR"), bool)
    assert_type(total("EUR", prices), Money)
    assert_type(allocate(10, (1, 2)), tuple[int, ...])
    assert_type(Rate.percent("10").of(price, rounding=Rounding.HALF_UP), Money)


def money_refuses(price: Money) -> None:
    """What would lose money is no type."""
    Money.of(12.9, "EUR")  # type: ignore[arg-type]
    price + 1  # type: ignore[operator]
    price.minor_units = 1  # type: ignore[misc]
    Rate.percent("10").of(price)  # type: ignore[call-arg]


def times(window: Window, period: Period, calendar: Calendar, at: datetime, day: date) -> None:
    """Days and instants are told apart."""
    assert_type(window.contains(at), bool)
    assert_type(period.after(day), date)
    assert_type(calendar.first_instant(day), datetime)
    window.contains(day)  # type: ignore[arg-type]


def generics(ladder: Ladder[str], posting: Posting[Basket]) -> None:
    """A ladder knows what stands on its rungs, a posting what state it leads to."""
    assert_type(Ladder.of({0: "bronze", 30_000: "silver"}), Ladder[str])
    assert_type(ladder.at(1), str | None)
    assert_type(ladder.next(1), Rung[str] | None)
    assert_type(posting.state, Basket)
