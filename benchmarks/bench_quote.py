"""What a quote costs, beside the bare arithmetic of the same prices."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from benchmarks._harness import Pair, bench
from loyaltycore import Basket, Line, Membership, Money, Program

PROGRAM = Path("examples/velo/program.toml")
AT = datetime(2026, 7, 1, 10, tzinfo=UTC)
TEN_FROM = 5_000
"""From this many cents on the program gives ten per cent."""


def compare(lines: int) -> Pair:
    """Price so many lines for a member, with ten per cent off and 500 points burned."""
    program = Program.load(PROGRAM)
    member = Membership.open("m-42").earn(800, ref="welcome", expires_at=None, at=AT).state
    prices = [1_250 + 37 * number for number in range(lines)]
    basket = Basket([Line(str(number), Money(price, "EUR")) for number, price in enumerate(prices)], currency="EUR")

    def bare() -> int:
        listed = sum(prices)
        discount = (listed * 10 + 50) // 100
        shares = [discount * price // listed for price in prices]
        shares[0] += discount - sum(shares)
        left = [price - share for price, share in zip(prices, shares, strict=True)]
        return sum(left) - 500

    def ours() -> int:
        return program.quote(Basket(basket.lines, currency="EUR"), member, burn=500, at=AT).total.minor_units

    if sum(prices) >= TEN_FROM:
        assert ours() == bare()
    return Pair(ours, bare)


@bench("program.quote, 1 line", unit="µs", against="the bare arithmetic")
def quote_1() -> Pair:
    """One line."""
    return compare(1)


@bench("program.quote, 10 lines", unit="µs", against="the bare arithmetic")
def quote_10() -> Pair:
    """Ten lines."""
    return compare(10)


@bench("program.quote, 100 lines", unit="µs", against="the bare arithmetic")
def quote_100() -> Pair:
    """A hundred lines."""
    return compare(100)
