"""What an account costs, beside a loop over plain tuples that does the same arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks._harness import Pair, bench
from loyaltycore import Basket, Line, Money, Program
from loyaltycore._purchase import Purchase, earn_on_order
from loyaltycore.conditions import Situation
from loyaltycore.facts import Fact
from loyaltycore.ledger import Burned, Granted, Part
from loyaltycore.points import POINTS, Basis, PointsAccount

START = datetime(2026, 1, 1, tzinfo=UTC)
FACTS = 1_000
BURN_EACH = 5


def history() -> tuple[list[Fact], list[tuple[str, str, int]]]:
    """Make a thousand facts, every fifth a burn from one lot, and the same as plain tuples."""
    facts: list[Fact] = []
    plain: list[tuple[str, str, int]] = []
    for number in range(FACTS):
        at = START + timedelta(hours=number)
        if number % BURN_EACH == BURN_EACH - 1:
            lot_id = f"order-{number - 1}/order"
            facts.append(Burned(account=POINTS, ref=f"order-{number}", parts=(Part(lot_id, 30),), at=at))
            plain.append(("burn", lot_id, 30))
        else:
            expires_at = START + timedelta(days=365, hours=number)
            facts.append(
                Granted(
                    account=POINTS,
                    ref=f"order-{number}",
                    rule="order",
                    units=100,
                    available_at=at,
                    expires_at=expires_at,
                    at=at,
                )
            )
            plain.append(("earn", f"order-{number}/order", 100))
    return facts, plain


def sum_plain(plain: list[tuple[str, str, int]]) -> int:
    """Fold the tuples into what is left on each lot."""
    lots: dict[str, list[int]] = {}
    for kind, lot_id, units in plain:
        if kind == "earn":
            lots[lot_id] = [units, 0]
        else:
            lots[lot_id][1] += units
    return sum(granted - burned for granted, burned in lots.values())


@bench("ledger.replay, 1,000 facts", unit="µs", against="a loop over plain tuples with the same sums")
def ledger_replay() -> Pair:
    """Fold a history into an account that is ready for a command; the value is the time of one fact."""
    facts, plain = history()
    end = START + timedelta(days=100)
    assert PointsAccount.replay("m-42", facts).available(at=end) == sum_plain(plain)
    return Pair(lambda: PointsAccount.replay("m-42", facts), lambda: sum_plain(plain), items=FACTS)


@bench("points.burn, 1,000 open lots against 10", unit="µs", against="the same burn with 10 open lots")
def burn_lots() -> Pair:
    """Burn points of an account with a thousand lots, beside one with ten."""

    def account(lots: int) -> PointsAccount:
        made = PointsAccount.open("m-42")
        for number in range(lots):
            made = made.earn(100, ref=f"order-{number}", expires_at=START + timedelta(days=365 + number), at=START).state
        return made

    many, few, at = account(1_000), account(10), START + timedelta(days=1)
    return Pair(lambda: many.burn(250, ref="order-x", at=at), lambda: few.burn(250, ref="order-x", at=at))


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
        situation=Situation(
            currency="EUR", goods_minor=sum(listed), is_member=False, order_count=0, codes=(), at=START, calendar=program.calendar
        ),
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
