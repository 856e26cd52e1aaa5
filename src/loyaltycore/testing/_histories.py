"""Strategies for what happens over time: orders with returns, whole memberships, facts; calls on points beside it.

Everything is built by the library's own verbs, from calls drawn one by one: a failing history shrinks by losing calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final, TypeVar, cast, final

import attrs
from hypothesis import strategies as st

from loyaltycore._code_blocks import Block
from loyaltycore._formula import Counted, EarnedPoints, Formula, Shape, sums_by_times
from loyaltycore._frozen import FrozenMap
from loyaltycore.basket import Basket, Line, PriceState, Return
from loyaltycore.codec import FACTS
from loyaltycore.coupons import CouponGranted, RedeemedCoupon
from loyaltycore.errors import Accepted, RefusedError
from loyaltycore.facts import Fact, Posting
from loyaltycore.gift_cards import CardGoods, CardIssued, CardUses
from loyaltycore.identity import CODE_LENGTH_LIMIT, ID_LENGTH_LIMIT
from loyaltycore.ledger import MovedLot, Overdraft, Part, Released, Renewed
from loyaltycore.memberships import Membership, OffersFreed, OffersHeld, OrderCounted
from loyaltycore.orders import CardPayment, NeedOf, OfferCost, OfferNeed, Order, OrderLine, OrderPlaced, OrderReturned
from loyaltycore.periods import Lasting, Period, Term
from loyaltycore.points import POINTS, Basis
from loyaltycore.program import Program
from loyaltycore.quantities import Money, Rounding
from loyaltycore.testing._calls import FIRST_DAY, PointsCall, points_accounts, points_histories
from loyaltycore.testing._rewards_drawn import STEPS, Beside, own_reward_fields, reward_fields, reward_step

__all__ = [
    "PointsCall",
    "ShopHistory",
    "fact_kinds",
    "facts",
    "memberships",
    "orders",
    "points_accounts",
    "points_histories",
    "shop_histories",
]

_KINDS: Final = ("order", "return", "amount", "gift", "action", "join", "shipping")
LINES_LIMIT: Final = 4
QUANTITY_LIMIT: Final = 4
PRICE_LIMIT: Final = 30_000
SHIPPING_LIMIT: Final = 300
"""Small numbers find what large ones do, and read better when a test fails."""

T = TypeVar("T")


@final
@attrs.frozen(kw_only=True)
class ShopHistory:
    """Where a member's purchases, returns and actions led.

    Attributes:
        membership: The member.
        orders: Each order with its returns, in the order placed.
        at: The instant of the last thing that happened.
        beside: The coupons and payouts of the member's rewards, and the referrals of friends; ``beside.view`` goes to what takes
            rewards back, such as a return.
    """

    membership: Membership
    orders: tuple[Order, ...]
    at: datetime
    beside: Beside = Beside()


def shop_histories(program: Program, *, steps_limit: int = 6) -> st.SearchStrategy[ShopHistory]:
    """Draw what a member did in a program's shop: gifts, actions, orders with codes and burned points, returns.

    Where the program has them, also tiers granted by hand, rewards taken, chosen and given back, and friends brought.

    Args:
        program: Whose rules apply; it is asked for every quote.
        steps_limit: The most things that happen.

    Example:
        >>> from hypothesis import find
        >>> program = Program.parse('''
        ... program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }
        ... ''')
        >>> find(shop_histories(program), lambda history: len(history.orders) == 1).orders[0].version
        1
    """
    return st.builds(_shop_after, st.just(program), st.lists(_shop_steps(program), max_size=steps_limit))


def memberships(program: Program, *, steps_limit: int = 6) -> st.SearchStrategy[Membership]:
    """Draw members as a program's own rules make them.

    Args:
        program: Whose rules apply.
        steps_limit: The most things that happened to a member.

    Example:
        >>> from hypothesis import find
        >>> program = Program.parse('''
        ... program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }
        ... ''')
        >>> find(memberships(program), lambda member: member.order_count == 1).order_count
        1
    """
    return shop_histories(program, steps_limit=steps_limit).map(lambda history: history.membership)


@final
@attrs.frozen(kw_only=True)
class _ShopStep:
    """One thing that happens in a shop.

    Attributes:
        wait: Since the one before.
        kind: What happens.
        number: Points of a gift, money of an amount or of shipping; or which action or order it is about, counted round.
        basket: Of an order.
        codes: Of an order.
        burn: Points asked to burn.
        units: How many units of each line come back, counted round.
    """

    wait: timedelta
    kind: str
    number: int
    basket: Basket
    codes: tuple[str, ...]
    burn: int
    units: tuple[int, ...]


def _shop_steps(program: Program) -> st.SearchStrategy[_ShopStep]:
    """Draw what can happen in a program's shop: its codes, its currency, the tags its rules exclude."""
    tags = set(program.book.stacking.exclude_tags)
    for rule in program.earning:
        tags |= rule.exclude.tags | rule.only.tags
    tags |= set() if program.burning is None else program.burning.exclude_tags
    codes = {code for offer in program.book.offers for code in offer.codes}
    is_rewarding = bool(program.rewards or program.milestones or program.referrals or program.tiers)
    return _steps_of(program.currency, (*sorted(codes), "NONSENSE"), tuple(sorted(tags)), is_rewarding=is_rewarding)


@cache  # Hypothesis prepares a strategy when it is first drawn from: many programs share one
def _steps_of(
    currency: str, codes: tuple[str, ...], tags: tuple[str, ...], *, is_rewarding: bool
) -> st.SearchStrategy[_ShopStep]:
    line = st.tuples(
        st.integers(0, PRICE_LIMIT),
        st.integers(1, QUANTITY_LIMIT),
        st.sampled_from("pqr"),
        st.sampled_from([(), *((tag,) for tag in tags)]),
    )
    lines = st.lists(line, min_size=1, max_size=LINES_LIMIT)
    return st.builds(
        _ShopStep,
        wait=st.integers(0, 40).map(lambda count: timedelta(days=count)),
        kind=st.sampled_from((*_KINDS, *(STEPS if is_rewarding else ()))),
        number=st.integers(1, 2_000),
        basket=st.builds(_basket_of, st.just(currency), lines, st.none() | st.integers(0, 900)),
        codes=st.lists(st.sampled_from(codes), max_size=2).map(tuple),
        burn=st.sampled_from((0, 0, 1, 500, 100_000)),
        units=st.tuples(*[st.integers(0, QUANTITY_LIMIT)] * LINES_LIMIT),
    )


def _basket_of(currency: str, found: Sequence[tuple[int, int, str, tuple[str, ...]]], shipping: int | None) -> Basket:
    return Basket(
        [
            Line(str(place), Money(price, currency), quantity, product_id=product, tags=tags)
            for place, (price, quantity, product, tags) in enumerate(found)
        ],
        shipping=None if shipping is None else Money(shipping, currency),
        currency=currency,
    )


def _shop_after(program: Program, steps: Sequence[_ShopStep]) -> ShopHistory:
    history = ShopHistory(membership=Membership.open("m-42"), orders=(), at=program.starts_at)
    for place, step in enumerate(steps):
        history = attrs.evolve(history, at=history.at + step.wait)
        try:
            history = _after_step(program, history, step, ref=f"{place}/x")
        except RefusedError:
            continue
    return history


def _after_step(program: Program, history: ShopHistory, step: _ShopStep, *, ref: str) -> ShopHistory:
    membership, at = history.membership, history.at
    match step.kind:
        case "join":
            return _settled(program, history, membership.join(at=at))
        case "gift":
            return _settled(program, history, membership.earn(step.number, ref=ref, expires_at=None, at=at))
        case "action":
            action = _round([*program.actions, "unknown"], step.number)
            return _settled(program, history, program.record(action, membership, ref=ref, at=at))
        case "order":
            quote = program.quote(step.basket, membership, codes=step.codes, burn=step.burn, at=at)
            placed = program.place(quote, membership, order_id=ref, at=at)
            assert placed.member is not None  # a member placed it
            kept = attrs.evolve(history, orders=(*history.orders, placed.order.state))
            return _after(kept, placed.member, placed.beside)
        case "return" | "amount" | "shipping":
            return _after_return(program, history, step, ref=ref) if history.orders else history
    made, beside = reward_step(program, membership, history.beside, step.kind, number=step.number, ref=ref, at=at)
    return _after(history, made, beside)


def _settled(program: Program, history: ShopHistory, posting: Posting[Membership]) -> ShopHistory:
    """Give what follows from a posting as well: gifts and milestones."""
    return _after(history, *program.settle(history.membership, posting, view=history.beside.view, at=history.at))


def _after(history: ShopHistory, posting: Posting[Membership], beside: Iterable[Posting[Any]]) -> ShopHistory:
    return attrs.evolve(history, membership=posting.state, beside=history.beside.after(beside))


def _after_return(program: Program, history: ShopHistory, step: _ShopStep, *, ref: str) -> ShopHistory:
    place = step.number % len(history.orders)
    order = history.orders[place]
    placed = order.placed
    assert placed is not None  # only placed orders are kept
    if step.kind == "amount":
        back = Return(amount=Money(step.number, program.currency))
    elif step.kind == "shipping":
        back = Return(shipping=Money(step.number, program.currency))
    else:
        units = {
            line.line_id: min(wanted, line.quantity) for line, wanted in zip(placed.lines, step.units, strict=False) if wanted
        } or {placed.lines[0].line_id: 1}
        back = Return(lines=units)
    view = history.beside.view
    refunded = program.refund(order, history.membership, back=back, return_id=ref, view=view, at=history.at)
    assert refunded.member is not None  # it is the member's order
    kept = (*history.orders[:place], refunded.order.state, *history.orders[place + 1 :])
    return _after(attrs.evolve(history, orders=kept), refunded.member, refunded.beside)


def _round(items: Sequence[T], number: int) -> T:
    return items[number % len(items)]


@st.composite
def orders(draw: st.DrawFn, *, currency: str = "EUR", returns_limit: int = 3) -> Order:
    """Draw a placed order, and returns of it: by units, by amount, of shipping.

    What its points are based on is drawn too: one or two rules, by steps, flat or a share, on list, discounted or paid prices,
    with lines that earn nothing, lines that count several times, and shipping.

    Args:
        draw: Given by Hypothesis.
        currency: Of all its amounts.
        returns_limit: The most returns drawn; those that ask too much are left out.

    Example:
        >>> from hypothesis import find
        >>> find(orders(returns_limit=0), lambda order: order.placed.points > 0).placed.points
        1
    """
    placed = draw(_placed(currency))
    order = Order.open(placed.order_id).folded([placed])
    for number in range(draw(st.integers(0, returns_limit))):
        answer = order.plan(draw(_backs(placed)), return_id=f"r-{number}", at=placed.at)
        if isinstance(answer, Accepted):
            order = order.folded([answer.value])
    return order


def _backs(placed: OrderPlaced) -> st.SearchStrategy[Return]:
    """Draw what may come back of an order, and a little more than may."""
    units = st.sampled_from(placed.lines).flatmap(lambda line: st.tuples(st.just(line.line_id), st.integers(1, line.quantity)))
    by_units = units.map(lambda one: Return(lines=FrozenMap([one])))
    by_amount = st.integers(1, 500).map(lambda minor: Return(amount=Money(minor, placed.currency)))
    shipping = st.integers(1, SHIPPING_LIMIT).map(lambda minor: Money(minor, placed.currency))
    goods = by_units | by_amount
    with_shipping = st.builds(lambda back, money: attrs.evolve(back, shipping=money), goods, shipping)
    return goods | shipping.map(lambda money: Return(shipping=money)) | with_shipping


_STEPS: Final = (1, 7, 100)
"""Minor units a step of the drawn orders: the least there is, one that few prices are a multiple of, and a plain one."""

_TIMES: Final = ((1, 1), (1, 1), (3, 2), (2, 1), (0, 1))
"""How many times a line counts, as the two halves of a fraction."""


@final
@attrs.frozen(kw_only=True)
class _DrawnLine:
    """What a line is booked from.

    Attributes:
        price: List price of one unit.
        quantity: Units.
        discount_percent: What offers take off.
        burn_percent: What burned points take off the rest.
        burn_points: The points, if they take anything off.
        times: How many times it counts for points.
        excluded: Whether it earns nothing.
        disqualified: Whether it counts for no tier.
    """

    price: int
    quantity: int
    discount_percent: int
    burn_percent: int
    burn_points: int
    times: tuple[int, int]
    excluded: bool
    disqualified: bool

    def prices(self) -> dict[Basis, int]:
        """Give its price by basis."""
        listed = self.price * self.quantity
        offered = listed - listed * self.discount_percent // 100
        paid = offered - offered * self.burn_percent // 100
        return {Basis.LIST: listed, Basis.DISCOUNTED: offered, Basis.PAID: paid}

    def booked(self, line_id: str) -> OrderLine:
        """Book it."""
        prices = self.prices()
        listed, offered, paid = prices[Basis.LIST], prices[Basis.DISCOUNTED], prices[Basis.PAID]
        return OrderLine(
            line_id=line_id,
            product_id=f"p-{line_id}",
            quantity=self.quantity,
            list_minor=listed,
            discount_minor=listed - offered,
            burn_minor=offered - paid,
            burn_points=self.burn_points if paid < offered else 0,
            qualifies=not self.disqualified,
        )


@final
@attrs.frozen(kw_only=True)
class _DrawnRule:
    """What a rule of earning is booked from.

    Attributes:
        basis: Of which price.
        formula: What it gives.
        multiplied: Whether lines count as often as they say.
        with_shipping: Whether shipping counts.
    """

    basis: Basis
    formula: Formula
    multiplied: bool
    with_shipping: bool

    def booked(self, name: str, lines: Sequence[_DrawnLine], shipping_minor: int) -> EarnedPoints | None:
        """Book what an order earns by it; ``None`` for nothing."""
        counted = list[Counted]()
        for place, line in enumerate(lines):
            minor = 0 if line.excluded else line.prices()[self.basis]
            if minor:
                counted.append(Counted(str(place), minor, *(line.times if self.multiplied else (1, 1))))
        if self.with_shipping and shipping_minor:
            counted.append(Counted("", shipping_minor))
        points = self.formula.of(sums_by_times(counted))
        if not points:
            return None
        return EarnedPoints(rule=name, points=points, formula=self.formula, counted=tuple(counted), available_at=FIRST_DAY)


def _drawn_rules() -> st.SearchStrategy[_DrawnRule]:
    counts = st.integers(1, 60)
    steps = st.builds(Formula, shape=st.just(Shape.STEP), points=counts, per_minor=st.sampled_from(_STEPS))
    flat = st.builds(Formula, shape=st.just(Shape.FLAT), points=counts)
    share = st.builds(
        Formula, shape=st.just(Shape.SHARE), points=counts, per_minor=st.sampled_from(_STEPS), rounding=st.sampled_from(Rounding)
    )
    at_least = st.sampled_from((0, 0, 500))
    formulas = st.builds(lambda formula, least: attrs.evolve(formula, at_least_minor=least), steps | flat | share, at_least)
    return st.builds(
        _DrawnRule, basis=st.sampled_from(Basis), formula=formulas, multiplied=st.booleans(), with_shipping=st.booleans()
    )


def _placed(currency: str) -> st.SearchStrategy[OrderPlaced]:
    """Draw what could have been booked: shares that fit the lines, burned points where money was burned."""
    percents = st.integers(0, 100)
    line = st.builds(
        _DrawnLine,
        price=st.integers(0, 500),
        quantity=st.integers(1, QUANTITY_LIMIT),
        discount_percent=percents,
        burn_percent=percents,
        burn_points=st.integers(0, 90),
        times=st.sampled_from(_TIMES),
        excluded=st.booleans(),
        disqualified=st.booleans(),
    )
    return st.builds(
        _order_of,
        st.lists(line, min_size=1, max_size=LINES_LIMIT),
        rules=st.lists(_drawn_rules(), min_size=1, max_size=2),
        shipping_minor=st.integers(0, SHIPPING_LIMIT),
        currency=st.just(currency),
    )


def _order_of(found: Sequence[_DrawnLine], *, rules: Sequence[_DrawnRule], shipping_minor: int, currency: str) -> OrderPlaced:
    lines = tuple(line.booked(str(place)) for place, line in enumerate(found))
    earned = [rule.booked(f"rule-{place}", found, shipping_minor) for place, rule in enumerate(rules)]
    return OrderPlaced(
        order_id="1001",
        member_id="m-42",
        currency=currency,
        lines=lines,
        shipping_minor=shipping_minor,
        burn_points=sum(line.burn_points for line in lines),
        earned=tuple(one for one in earned if one is not None),
        at=FIRST_DAY,
    )


def facts() -> st.SearchStrategy[Fact]:
    """Draw facts of every kind, each field anything it may hold; they need not follow one another.

    Example:
        >>> from hypothesis import find
        >>> find(facts(), lambda fact: fact.kind == "member.joined").kind
        'member.joined'
    """
    return st.one_of(list(fact_kinds().values()))


def fact_kinds() -> dict[type[Fact], st.SearchStrategy[Fact]]:
    """Give the strategy of each kind of fact."""
    own, kinds = _own_fields(), dict[type[Fact], st.SearchStrategy[Fact]]()
    by_name = {**_fields(), "order": st.deferred(lambda: kinds[OrderPlaced])}  # what a reservation holds
    for kind in FACTS:
        if kind is CardIssued:
            kinds[kind] = st.sampled_from(_CURRENCIES).flatmap(_card_issued)
            continue
        drawn = {f.name: own[kind, f.name] if (kind, f.name) in own else by_name[f.name] for f in attrs.fields(kind)}
        kinds[kind] = cast("st.SearchStrategy[Fact]", st.builds(kind, **drawn))
    return kinds


def _own_fields() -> dict[tuple[type[Fact], str], st.SearchStrategy[object]]:
    """Draw the fields whose name means another type elsewhere."""
    ids, slugs = _ids(), _slugs()
    names = st.lists(slugs, max_size=2, unique=True).map(lambda found: tuple(sorted(found)))
    return {
        **{(kind, "offers"): names for kind in (OrderCounted, OffersHeld, OffersFreed)},
        (CouponGranted, "ref"): ids | st.just(""),
        (OrderPlaced, "member_id"): st.none() | ids,
        (Renewed, "expires_at"): _instants(),
        (Released, "lots"): st.lists(ids, max_size=3).map(tuple),
        (OrderReturned, "lines"): st.dictionaries(ids, st.integers(1, 1_000_000), max_size=3).map(FrozenMap[str, int]),
        **own_reward_fields(_instants()),
    }


def _instants() -> st.SearchStrategy[datetime]:
    return st.datetimes(datetime(1990, 1, 1), datetime(2110, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


_CURRENCIES: Final = ("EUR", "JPY", "KWD")


def _slugs() -> st.SearchStrategy[str]:
    return st.sampled_from(("order", "base", "review", "a.b:c-d_e"))


def _ids() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20) | st.just("x" * ID_LENGTH_LIMIT)


def _fields() -> dict[str, st.SearchStrategy[object]]:
    """Draw each field by its name; fields of one name are of one type."""
    ids = _ids()
    slugs = _slugs()
    counts, wholes = st.integers(1, 2**63 - 1), st.integers(0, 2**63 - 1)
    instants = _instants()
    parts = st.lists(st.builds(Part, ids, counts), min_size=1, max_size=3).map(tuple)
    line = st.builds(
        OrderLine,
        line_id=ids,
        product_id=ids,
        quantity=st.integers(1, 1_000_000),
        list_minor=wholes,
        discount_minor=wholes,
        burn_minor=wholes,
        burn_points=wholes,
        qualifies=st.booleans(),
    )
    earned = st.builds(
        EarnedPoints,
        rule=slugs,
        account=slugs,
        points=counts,
        formula=st.builds(
            Formula,
            shape=st.sampled_from(Shape),
            points=counts,
            per_minor=counts,
            rounding=st.sampled_from(Rounding),
            at_least_minor=wholes,
        ),
        counted=st.lists(st.builds(Counted, ids | st.just(""), counts, wholes, counts), max_size=3).map(tuple),
        carried=st.booleans(),
        available_at=instants,
        expires_at=st.none() | instants,
        awaits=st.sampled_from(("", "delivered")),
    )
    return {
        "at": instants,
        "account": st.just(POINTS),
        **dict.fromkeys(("member_id", "order_id", "return_id", "ref", "burn_ref", "earn_ref", "adjustment_ref", "actor"), ids),
        "rule": slugs,
        "reason": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50),
        "units": counts,
        "parts": parts,
        **dict.fromkeys(("available_at", "until"), instants),
        **dict.fromkeys(("expires_at", "final_at", "ordered_at"), st.none() | instants),
        "day": st.dates(date(1990, 1, 1), date(2110, 1, 1)),
        "currency": st.sampled_from(_CURRENCIES),
        "lines": st.lists(line, max_size=3).map(tuple),
        "offers": st.lists(_offer_costs(ids, slugs), max_size=2).map(tuple),
        "gifts": st.dictionaries(ids, counts, max_size=2).map(FrozenMap[str, int]),
        **dict.fromkeys(("coupons", "withdrawn"), st.lists(slugs, max_size=2).map(tuple)),
        "earned": st.lists(earned, max_size=2).map(tuple),
        "codes": st.lists(st.text(min_size=1, max_size=CODE_LENGTH_LIMIT), max_size=2).map(tuple),
        **dict.fromkeys(("digest", "program"), st.sampled_from(("", "0123456789abcdef" * 2))),
        **dict.fromkeys(
            ("qualifying_minor", "shipping_minor", "burn_points", "amount_minor", "money_minor", "points_revoked"), wholes
        ),
        **dict.fromkeys(("points_given_back", "list_minor", "discount_minor"), wholes),
        **_ledger_fields(),
        **_rights_fields(),
        **reward_fields(ids, slugs, _needs(ids)),
    }


def _offer_costs(ids: st.SearchStrategy[str], slugs: st.SearchStrategy[str]) -> st.SearchStrategy[OfferCost]:
    """Draw what offers cost, with what they need of the goods that are kept."""
    return st.builds(
        lambda offer_id, minor, lines, kept: OfferCost(offer_id=offer_id, discount_minor=minor, lines=lines, **kept),
        slugs,
        st.integers(0, 2**63 - 1),
        st.dictionaries(ids, st.integers(1, 2**63 - 1), max_size=2).map(FrozenMap[str, int]),
        _needs(ids),
    )


def _needs(ids: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw what something needs of the goods that are kept, in one way."""
    needs = st.builds(
        OfferNeed,
        of=st.sampled_from(NeedOf),
        at_least=st.integers(1, 2**63 - 1),
        lines=st.lists(ids, max_size=2).map(tuple),
    )
    return st.lists(needs, max_size=2).map(
        lambda found: {"needs": tuple(found), "ways": (tuple(range(len(found))),) if found else ()}
    )


def _ledger_fields() -> dict[str, st.SearchStrategy[object]]:
    """Draw the fields that only facts of accounts have."""
    ids, instants, counts = _ids(), _instants(), st.integers(1, 2**63 - 1)
    lasting = st.builds(
        Lasting,
        st.integers(1, 40).map(lambda months: Term(Period(months=months))),
        st.sampled_from(("UTC", "Europe/Paris")),
        sliding=st.booleans(),
    )
    moved = st.builds(MovedLot, units=counts, granted_at=instants, available_at=instants, expires_at=st.none() | instants)
    return {
        **dict.fromkeys(("debtor_id", "to", "giver"), ids),
        **dict.fromkeys(("late", "taken_back"), st.booleans()),
        "awaits": st.sampled_from(("", "delivered")),
        "event": st.sampled_from(("delivered", "a.b:c-d_e")),
        "lasts": st.none() | lasting,
        "lots": st.lists(moved, max_size=3).map(tuple),
        "minor": st.integers(-(2**63), 2**63 - 1),
        "overdraft": st.sampled_from(Overdraft),
    }


def _rights_fields() -> dict[str, st.SearchStrategy[object]]:
    """Draw the fields that only facts of coupons, campaigns, codes and gift cards have, and what orders hold of them."""
    ids, slugs, instants, counts = _ids(), _slugs(), _instants(), st.integers(1, 2**63 - 1)
    coupons = st.lists(st.builds(RedeemedCoupon, campaign_id=slugs, coupon_id=ids), max_size=2).map(tuple)
    block = st.builds(
        lambda start, length, **fields: Block(start=start, stop=start + length, **fields),
        st.integers(0, 2**40),
        st.integers(1, 2**20),
        campaign_id=slugs,
        key_id=ids,
        ref=ids,
        words_digest=st.sampled_from(("", "0123456789abcdef" * 2)),
        holder_bound=st.booleans(),
    )
    return {
        **dict.fromkeys(("coupon_id", "card_id", "line_id", "by"), ids),
        "pepper_id": ids | st.just(""),
        "campaign_id": slugs,
        "holder": ids | st.just(""),
        **dict.fromkeys(("starts_at", "ends_at"), st.none() | instants),
        **dict.fromkeys(("coupons_redeemed", "coupons_granted"), coupons),
        "card_payments": st.lists(st.builds(CardPayment, card_id=ids, minor=counts), max_size=2).map(tuple),
        "counters": st.dictionaries(ids.map("offer/{}/orders".format), counts, max_size=2).map(FrozenMap[str, int]),
        "offers_per_member": st.lists(slugs, max_size=2, unique=True).map(lambda found: tuple(sorted(found))),
        "to_cards": st.dictionaries(ids, counts, max_size=2).map(FrozenMap[str, int]),
        "cards_cancelled": st.lists(ids, max_size=2).map(tuple),
        "space_id": slugs.map("{}/H1############".format),
        "check_value": st.just("0123456789abcdef"),
        "block": block,
    }


def _card_issued(currency: str) -> st.SearchStrategy[CardIssued]:
    """Draw how a gift card began: all its money is of one currency."""
    ids, words = _ids(), st.lists(_slugs(), max_size=2, unique=True).map(lambda found: tuple(sorted(found)))
    money = st.none() | st.integers(1, 2**63 - 1).map(lambda minor: Money(minor, currency))
    goods = st.builds(
        CardGoods,
        **dict.fromkeys(("tags", "products", "categories", "brands", "exclude_tags", "exclude_products"), words),
        price=st.sampled_from(PriceState),
        price_from=st.none() | st.integers(0, 1_000).map(lambda minor: Money(minor, currency)),
        price_to=st.none() | st.integers(1_001, 10**9).map(lambda minor: Money(minor, currency)),
    )
    return st.builds(
        CardIssued,
        card_id=ids,
        ref=ids,
        currency=st.just(currency),
        loaded_minor=st.integers(0, 2**63 - 1),
        uses=st.sampled_from(CardUses),
        minimum=money,
        goods=st.none() | goods,
        last_four=st.sampled_from(("", "7QX2")),
        order_id=st.none() | ids,
        line_id=st.none() | ids,
        replaces=ids | st.just(""),
        at=_instants(),
    )
