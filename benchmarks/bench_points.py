"""What it costs to say what an order earns, beside the bare arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks._harness import Pair, bench
from loyaltycore import Basket, Line, Money, Program
from loyaltycore._purchase import Purchase, earn_on_order
from loyaltycore.conditions import Situation
from loyaltycore.points import Basis

START = datetime(2026, 1, 1, tzinfo=UTC)

EARNING = """
program = { name = "bench", version = 1, currency = "EUR", zone = "UTC", starts_on = 2026-01-01 }
[points]
earn = "1 per 1.00"
basis = "paid"
earn_exclude_tags = ["gift-card"]
expires = "never"
overdraft = "carry"
[[points.multipliers]]
times = "2"
only = { categories = ["parts"] }
"""
CARD_EACH = 10


def earn_order(lines: int) -> Pair:
    """Work out what so many lines earn: every other counts twice, every tenth is a gift card and earns nothing."""
    program = Program.parse(EARNING)
    prices = [1_250 + 37 * number for number in range(lines)]
    cards = [number % CARD_EACH == CARD_EACH - 1 for number in range(lines)]
    basket = Basket(
        [
            Line(
                f"{number:04}",
                Money(price, "EUR"),
                tags=["gift-card"] if card else [],
                categories=["parts"] if number % 2 else [],
            )
            for number, (price, card) in enumerate(zip(prices, cards, strict=True))
        ]
    )
    groups = basket.unit_groups()
    listed = tuple(group.list_minor for group in groups)
    purchase = Purchase(
        basket=basket,
        groups=groups,
        prices=dict.fromkeys(Basis, listed),
        shipping_minor=0,
        situation=Situation(basket=basket, at=START, calendar=program.calendar),
        ledgers={},
        carried=None,
    )

    def bare() -> int:
        counted = [0 if card else price for price, card in zip(prices, cards, strict=True)]
        twice = sum(counted[1::2])
        points = twice // 100 + sum(counted) // 100
        weights = [price * (1 + number % 2) for number, price in enumerate(counted)]
        whole = sum(weights)
        shares = [points * weight // whole for weight in weights]
        shares[0] += points - sum(shares)
        return sum(shares)

    def ours() -> int:
        return sum(earn_on_order(program.earning, program.combine, purchase).shares)

    assert ours() == bare()
    return Pair(ours, bare)


@bench("points.earn_order, 1 line", unit="µs", against="the bare arithmetic")
def earn_order_1() -> Pair:
    """One line."""
    return earn_order(1)


@bench("points.earn_order, 10 lines", unit="µs", against="the bare arithmetic")
def earn_order_10() -> Pair:
    """Ten lines."""
    return earn_order(10)


@bench("points.earn_order, 100 lines", unit="µs", against="the bare arithmetic")
def earn_order_100() -> Pair:
    """A hundred lines."""
    return earn_order(100)
