"""What a quote costs beside the offers of @medusajs/promotion and django-oscar, in the same run.

Ten lines meet 10, 100 or 1,000 offers, each of which takes 0.10 off some goods: nothing is rounded on any side, and all offers
that match apply on all sides. Of ten offers five are for a category, two for a product, one for the whole basket from an amount,
one for a category from an amount, and one for a category behind a code; the shopper enters one code where one matches. What does
not match is for goods that are not in the basket, from an amount it does not reach, or behind a code that was not entered.

Ours is the whole quote, of a basket made anew from ready lines, as when a page asks again; what a line remembers of itself is
known then, and the cases called ``anew`` make the lines too. Beside it medusa computes what its offers take off, without the
database its own filter asks; oscar loads the basket anew, applies the offers and reads the total. Every side must come to the
same total before it is timed; with the peers, all of this takes some ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from itertools import chain, combinations
from pathlib import Path
from typing import Literal, TypeAlias, final

import attrs

from benchmarks._harness import Elsewhere, Pair, bench
from benchmarks._peers import Peer, Process
from loyaltycore import Basket, Line, Money, Program
from loyaltycore.basket import Filter
from loyaltycore.benefits import AmountOff, Per, PercentOff
from loyaltycore.conditions import Condition, all_of, code_presented, spend_at_least
from loyaltycore.offers import Lane, Mode, Offer, OfferBook, Stacking

Matching: TypeAlias = Literal["miss", "tenth", "all"]

AT = datetime(2026, 7, 1, 10, tzinfo=UTC)
SCRIPTS = Path(__file__).parent / "peers"
LINES = 10
COUNTS = (10, 100, 1_000)

MEDUSA = Peer(
    name="medusa",
    runs_on="node",
    packages=("@medusajs/promotion@2.21.2", "@medusajs/framework@2.21.2"),
    script=SCRIPTS / "medusa.mjs",
)
OSCAR = Peer(
    name="oscar",
    runs_on="python",
    packages=("django-oscar==4.2.1", "django-treebeard==7.0.3", "Django==5.2.19"),
    script=SCRIPTS / "oscar_shop.py",
)

LONG_SECONDS = 5
"""What takes a peer longer is not done again: oscar needs minutes for a thousand offers that match."""

BARE = """
[program]
name = "bare"
version = 1
currency = "EUR"
zone = "UTC"
starts_on = 2026-01-01
[stacking]
mode = "all"
"""
"""A program that has nothing but offers."""


@final
@attrs.frozen(kw_only=True)
class Goods:
    """A line, as every side is told of it."""

    product: str
    category: str
    price: str
    quantity: int


@final
@attrs.frozen(kw_only=True)
class Deal:
    """An offer, as every side is told of it: so much off these goods, once; ``None`` asks for nothing."""

    id: str
    amount: str = "0.10"
    category: str | None = None
    product: str | None = None
    minimum: str | None = None
    code: str | None = None


@final
@attrs.frozen(kw_only=True)
class Case:
    """What every side is to work out."""

    lines: tuple[Goods, ...]
    offers: tuple[Deal, ...]
    codes: tuple[str, ...]


KINDS = (*["category"] * 5, *["product"] * 2, "basket from", "category from", "code")


def deal(number: int, kind: str, place: int | None) -> Deal:
    """Make an offer; with a place it matches the line there, without it matches nothing."""
    goods, minimum = (f"x-{number}", "5000.00") if place is None else (str(place), "50.00")
    return Deal(
        id=f"o-{number}",
        category=f"c-{goods}" if kind in {"category", "category from", "code"} else None,
        product=f"p-{goods}" if kind == "product" else None,
        minimum=minimum if kind in {"basket from", "category from"} else None,
        code=f"CODE-{number}" if kind == "code" else None,
    )


def case(matching: Matching, count: int) -> Case:
    """Make so many offers, of which none, one in ten or all match."""
    deals: list[Deal] = []
    codes: list[str] = []
    met = 0
    for number in range(count):
        matches = matching == "all" or (matching == "tenth" and number % 10 == 0)
        order = met if matches else number - met
        kind = KINDS[(order + order // 10) % 10]
        if matches and kind == "code":
            # A shopper enters one code: the next ones that would match are for all.
            kind = "category" if codes else kind
        deals.append(deal(number, kind, met % LINES if matches else None))
        met += matches
        if matches and kind == "code":
            codes.append(f"CODE-{number}")
    goods = [
        Goods(product=f"p-{place}", category=f"c-{place}", price=f"{60 + place}.00", quantity=1 + place % 2)
        for place in range(LINES)
    ]
    return Case(lines=tuple(goods), offers=tuple(deals), codes=tuple(codes))


def offer(told: Deal) -> Offer:
    """Say it in our words."""
    goods = Filter(categories=[told.category] if told.category else [], products=[told.product] if told.product else [])
    asked: list[Condition] = []
    if told.minimum is not None:
        asked.append(spend_at_least(Money.of(told.minimum, "EUR")))
    if told.code is not None:
        asked.append(code_presented(told.code))
    return Offer(told.id, when=all_of(*asked), give=AmountOff(Money.of(told.amount, "EUR"), per=Per.SHARED, of=goods))


def program(offers: Iterable[Offer], mode: Mode) -> Program:
    """Make a program of nothing but these."""
    return attrs.evolve(Program.parse(BARE), book=OfferBook(offers, stacking=Stacking(mode)))


def basket_lines(goods: Iterable[Goods]) -> list[Line]:
    """Make the lines of a basket."""
    return [
        Line(one.product, Money.of(one.price, "EUR"), one.quantity, product_id=one.product, categories=[one.category])
        for one in goods
    ]


def quoting(asked: Case, *, anew: bool = False) -> Callable[[], Money]:
    """Give what is timed of ours: a quote of ready lines, or of lines made anew."""
    priced = program(map(offer, asked.offers), Mode.ALL)
    if anew:
        return lambda: priced.quote(Basket(basket_lines(asked.lines)), codes=asked.codes, at=AT).total
    lines = basket_lines(asked.lines)
    return lambda: priced.quote(Basket(lines), codes=asked.codes, at=AT).total


@cache
def at_work(peer: Peer) -> Process:
    """Start a peer once for all its cases."""
    return peer.start()


def beside(peer: Peer, matching: Matching, count: int, *, anew: bool = False) -> Pair:
    """Prepare both sides, which must come to the same."""
    asked = case(matching, count)
    ours, process = quoting(asked, anew=anew), at_work(peer)
    first = process.prepare(attrs.asdict(asked))
    if ours().decimal != first.total:
        msg = f"{peer.name} must come to the same total as ours, {ours()}, got {first.total}"
        raise AssertionError(msg)
    again = process.seconds if first.seconds < LONG_SECONDS else lambda loops: first.seconds * loops
    return Pair(ours, Elsewhere(again))


BESIDE_MEDUSA = partial(bench, unit="µs", against="the offers of @medusajs/promotion 2.21.2", peers=(MEDUSA,))
BESIDE_OSCAR = partial(bench, unit="µs", against="the offers of django-oscar 4.2.1", peers=(OSCAR,))
MATCHING: tuple[Matching, ...] = ("miss", "tenth", "all")

for matching in MATCHING:
    for count in COUNTS:
        BESIDE_MEDUSA(f"offers.{matching}_{count}")(partial(beside, MEDUSA, matching, count))
        BESIDE_OSCAR(f"offers.{matching}_{count}.oscar")(partial(beside, OSCAR, matching, count))
    BESIDE_MEDUSA(f"offers.{matching}_1000.anew")(partial(beside, MEDUSA, matching, 1_000, anew=True))


@bench("offers.miss_10000", unit="µs", against="our own quote with 100 offers that do not match")
def miss_10000() -> Pair:
    """A quote costs what matches."""
    many, few = quoting(case("miss", 10_000)), quoting(case("miss", 100))
    assert many() == few()
    return Pair(many, few)


@final
@attrs.frozen
class Rival:
    """An offer that competes: a percentage off some lines, in one lane."""

    lane: Lane
    percent: int
    places: frozenset[int]


RIVALS = (
    *(Rival(Lane.PRODUCT, 10 + 7 * number % 40, frozenset({number, number + 1, (number + 5) % LINES})) for number in range(9)),
    *(Rival(Lane.BASKET, 5 * number, frozenset(range(2 * number, LINES))) for number in (1, 2, 3)),
)
"""Twelve that overlap: at most one of a lane applies to a unit."""


@bench("offers.best_12", unit="ms", against="comparing all 4,096 sets in plain arithmetic")
def best_12() -> Pair:
    """The best of twelve competing offers for ten lines."""
    prices = [6_000 + 100 * place for place in range(LINES)]
    goods = [
        Goods(product=f"p-{place}", category=f"c-{place}", price=f"{price // 100}.00", quantity=1)
        for place, price in enumerate(prices)
    ]
    offers = [
        Offer(
            f"o-{number:02}",
            when=all_of(),
            give=PercentOff(rival.percent, of=Filter(categories=[f"c-{place}" for place in rival.places])),
            lane=rival.lane,
        )
        for number, rival in enumerate(RIVALS)
    ]
    best, lines = program(offers, Mode.BEST), basket_lines(goods)

    def ours() -> Money:
        return best.quote(Basket(lines), at=AT).total

    def brute() -> int:
        # In the library's order: by lane, the deepest first, equal ones by number.
        in_turn = sorted(RIVALS, key=lambda rival: (list(Lane).index(rival.lane), -rival.percent))
        sets = chain.from_iterable(combinations(in_turn, size) for size in range(len(in_turn) + 1))
        return sum(prices) - max(taken_off(rivals, prices) for rivals in sets)

    assert best.quote(Basket(lines), at=AT).offers.optimal
    assert ours().minor_units == brute()
    return Pair(ours, brute)


def taken_off(rivals: Sequence[Rival], prices: Sequence[int]) -> int:
    """Work out one set: each reaches what no other of its lane has reached before it, and takes its share of list prices."""
    left = list(prices)
    reached: dict[Lane, set[int]] = {lane: set() for lane in Lane}
    for rival in rivals:
        for place in rival.places - reached[rival.lane]:
            left[place] -= min(left[place], prices[place] * rival.percent // 100)
        reached[rival.lane] |= rival.places
    return sum(prices) - sum(left)
