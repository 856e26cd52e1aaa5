"""Strategies for what happens over time: calls on a points account, orders with returns, whole memberships, facts.

Everything is built by the library's own verbs, from calls drawn one by one: a failing history shrinks by losing calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final, Literal, TypeAlias, TypeVar, assert_never, cast, final

import attrs
from hypothesis import strategies as st

from loyaltycore._frozen import FrozenMap
from loyaltycore.basket import Basket, Line, Return
from loyaltycore.codec import FACTS
from loyaltycore.errors import Accepted, RefusedError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import CODE_LENGTH_LIMIT, ID_LENGTH_LIMIT
from loyaltycore.ledger import Overdraft, Part
from loyaltycore.memberships import Membership
from loyaltycore.orders import EarnedPoints, OfferCost, Order, OrderLine, OrderPlaced, OrderReturned
from loyaltycore.points import POINTS, Basis, PointsAccount
from loyaltycore.program import Program
from loyaltycore.quantities import Money

__all__ = [
    "PointsCall",
    "ShopHistory",
    "facts",
    "memberships",
    "orders",
    "points_accounts",
    "points_histories",
    "shop_histories",
]

FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Where histories without a program begin."""

LINES_LIMIT: Final = 4
QUANTITY_LIMIT: Final = 4
PRICE_LIMIT: Final = 30_000
SHIPPING_LIMIT: Final = 300
"""Small numbers find what large ones do, and read better when a test fails."""

Verb: TypeAlias = Literal["earn", "burn", "refund_burn", "revoke", "adjust_down", "reverse_adjustment"]

T = TypeVar("T")

_REFS: Final = ("a", "b", "c", "a/b", "é")
_VERBS: Final[tuple[Verb, ...]] = ("earn", "burn", "refund_burn", "revoke", "adjust_down", "reverse_adjustment")


@final
@attrs.frozen(kw_only=True)
class PointsCall:
    """One call of a verb on a points account, as plain values: it can be made on any account.

    Attributes:
        verb: Which.
        ref: What it is called for.
        of: What it reverses; only the three reversing verbs look at it.
        points: How many; ``None``, for a reversing verb, is all that is left.
        rule: Which rule earned the points.
        pending: How long earned points wait.
        life: How long they can be burned then; ``None`` for ever.
        at: When.
    """

    verb: Verb
    ref: str
    of: str
    points: int | None
    rule: str
    pending: timedelta
    life: timedelta | None
    at: datetime

    def on(self, account: PointsAccount, *, overdraft: Overdraft = Overdraft.CARRY) -> Posting[PointsAccount]:
        """Make the call.

        Args:
            account: Of any member.
            overdraft: What happens when a revocation takes more than is left.

        Raises:
            RefusedError: As the verb says.
        """
        match self.verb:
            case "earn":
                opens_at = self.at + self.pending
                expires_at = None if self.life is None else opens_at + self.life
                return account.earn(
                    self.points or 1, ref=self.ref, rule=self.rule, available_at=opens_at, expires_at=expires_at, at=self.at
                )
            case "burn":
                return account.burn(self.points or 1, ref=self.ref, at=self.at)
            case "refund_burn":
                return account.refund_burn(self.of, self.points, ref=self.ref, at=self.at)
            case "revoke":
                return account.revoke(self.of, self.points, ref=self.ref, overdraft=overdraft, at=self.at)
            case "adjust_down":
                return account.adjust_down(self.points or 1, ref=self.ref, reason="goodwill", actor="desk", at=self.at)
            case "reverse_adjustment":
                return account.reverse_adjustment(self.of, ref=self.ref, at=self.at)
        assert_never(self.verb)


def _points_steps() -> st.SearchStrategy[tuple[PointsCall, timedelta, timedelta]]:
    """Draw a call, how long after the one before it comes, and how far back it is dated."""
    days = st.integers(0, 12).map(lambda count: timedelta(days=count))
    call = st.builds(
        PointsCall,
        verb=st.sampled_from(_VERBS),
        ref=st.sampled_from(_REFS),
        of=st.sampled_from(_REFS),
        points=st.none() | st.integers(1, 60),
        rule=st.sampled_from(("base", "bonus")),
        pending=days,
        life=st.none() | st.integers(1, 40).map(lambda count: timedelta(days=count)),
        at=st.just(FIRST_DAY),
    )
    return st.tuples(call, days, st.sampled_from((timedelta(), timedelta(), timedelta(), timedelta(days=15))))


def _dated(steps: Sequence[tuple[PointsCall, timedelta, timedelta]]) -> tuple[PointsCall, ...]:
    clock, calls = FIRST_DAY, list[PointsCall]()
    for call, wait, back in steps:
        clock += wait
        calls.append(attrs.evolve(call, at=clock - back))
    return tuple(calls)


def points_histories(*, calls_limit: int = 12) -> st.SearchStrategy[tuple[PointsCall, ...]]:
    """Draw calls on one points account, some of them backdated, some that will be refused, some repeated.

    Args:
        calls_limit: The most calls drawn.

    Example:
        >>> from hypothesis import find
        >>> calls = find(points_histories(), lambda calls: len(calls) > 1)
        >>> [call.verb for call in calls]
        ['earn', 'earn']
    """
    return st.lists(_points_steps(), max_size=calls_limit).map(_dated)


def points_accounts(*, calls_limit: int = 12) -> st.SearchStrategy[PointsAccount]:
    """Draw accounts as calls leave them; refused calls leave nothing.

    Args:
        calls_limit: The most calls made.

    Example:
        >>> from hypothesis import find
        >>> find(points_accounts(), lambda account: account.version > 0).version
        1
    """
    return points_histories(calls_limit=calls_limit).map(_account_after)


def _account_after(calls: Sequence[PointsCall]) -> PointsAccount:
    account = PointsAccount.open("m-42")
    for call in calls:
        try:
            account = call.on(account).state
        except RefusedError:
            continue
    return account


@final
@attrs.frozen(kw_only=True)
class ShopHistory:
    """Where a member's purchases, returns and actions led.

    Attributes:
        membership: The member.
        orders: Each order with its returns, in the order placed.
        at: The instant of the last thing that happened.
    """

    membership: Membership
    orders: tuple[Order, ...]
    at: datetime


def shop_histories(program: Program, *, steps_limit: int = 6) -> st.SearchStrategy[ShopHistory]:
    """Draw what a member did in a program's shop: gifts, actions, orders with codes and burned points, returns.

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
    kind: Literal["order", "return", "amount", "gift", "action", "join", "shipping"]
    number: int
    basket: Basket
    codes: tuple[str, ...]
    burn: int
    units: tuple[int, ...]


def _shop_steps(program: Program) -> st.SearchStrategy[_ShopStep]:
    """Draw what can happen in a program's shop: its codes, its currency, the tags its rules exclude."""
    tags = set(program.book.stacking.exclude_tags)
    for rule in (program.earning, program.burning):
        tags |= set() if rule is None else rule.exclude_tags
    codes = {code for offer in program.book.offers for code in offer.codes}
    return _steps_of(program.currency, (*sorted(codes), "NONSENSE"), tuple(sorted(tags)))


@cache  # Hypothesis prepares a strategy when it is first drawn from: many programs share one
def _steps_of(currency: str, codes: tuple[str, ...], tags: tuple[str, ...]) -> st.SearchStrategy[_ShopStep]:
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
        kind=st.sampled_from(("order", "return", "amount", "gift", "action", "join", "shipping")),
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
            return attrs.evolve(history, membership=membership.join(at=at).state)
        case "gift":
            return attrs.evolve(history, membership=membership.earn(step.number, ref=ref, expires_at=None, at=at).state)
        case "action":
            action = _round([*program.actions, "unknown"], step.number)
            return attrs.evolve(history, membership=program.record(action, membership, ref=ref, at=at).state)
        case "order":
            quote = program.quote(step.basket, membership, codes=step.codes, burn=step.burn, at=at)
            placed = program.place(quote, membership, order_id=ref, at=at)
            assert placed.member is not None  # a member placed it
            return attrs.evolve(history, membership=placed.member.state, orders=(*history.orders, placed.order.state))
        case "return" | "amount" | "shipping":
            return _after_return(program, history, step, ref=ref) if history.orders else history
    assert_never(step.kind)


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
    refunded = program.refund(order, history.membership, back=back, return_id=ref, at=history.at)
    assert refunded.member is not None  # it is the member's order
    kept = (*history.orders[:place], refunded.order.state, *history.orders[place + 1 :])
    return attrs.evolve(history, membership=refunded.member.state, orders=kept)


def _round(items: Sequence[T], number: int) -> T:
    return items[number % len(items)]


@st.composite
def orders(draw: st.DrawFn, *, currency: str = "EUR", returns_limit: int = 3) -> Order:
    """Draw a placed order, and returns of it: by units, by amount, of shipping.

    What its points are based on is drawn too: list, discounted or paid prices, with lines that earn nothing.

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
        excluded: Whether it earns nothing.
        disqualified: Whether it counts for no tier.
    """

    price: int
    quantity: int
    discount_percent: int
    burn_percent: int
    burn_points: int
    excluded: bool
    disqualified: bool

    def booked(self, line_id: str, basis: Basis) -> OrderLine:
        """Book it in an order whose points are based on these prices."""
        listed = self.price * self.quantity
        offered = listed - listed * self.discount_percent // 100
        paid = offered - offered * self.burn_percent // 100
        prices = {Basis.LIST: listed, Basis.DISCOUNTED: offered, Basis.PAID: paid}
        return OrderLine(
            line_id=line_id,
            product_id=f"p-{line_id}",
            quantity=self.quantity,
            list_minor=listed,
            discount_minor=listed - offered,
            burn_minor=offered - paid,
            burn_points=self.burn_points if paid < offered else 0,
            earning_minor=0 if self.excluded else prices[basis],
            qualifies=not self.disqualified,
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
        excluded=st.booleans(),
        disqualified=st.booleans(),
    )
    return st.builds(
        _order_of,
        st.lists(line, min_size=1, max_size=LINES_LIMIT),
        basis=st.sampled_from(Basis),
        step_points=st.integers(1, 60),
        step_minor=st.sampled_from(_STEPS),
        shipping_minor=st.integers(0, SHIPPING_LIMIT),
        currency=st.just(currency),
    )


def _order_of(
    found: Sequence[_DrawnLine], *, basis: Basis, step_points: int, step_minor: int, shipping_minor: int, currency: str
) -> OrderPlaced:
    lines = tuple(line.booked(str(place), basis) for place, line in enumerate(found))
    points = step_points * (sum(line.earning_minor for line in lines) // step_minor)
    earned = list[EarnedPoints]()
    if points:
        earned.append(
            EarnedPoints(rule="order", points=points, step_points=step_points, step_minor=step_minor, available_at=FIRST_DAY)
        )
    return OrderPlaced(
        order_id="1001",
        member_id="m-42",
        currency=currency,
        lines=lines,
        shipping_minor=shipping_minor,
        burn_points=sum(line.burn_points for line in lines),
        earned=tuple(earned),
        at=FIRST_DAY,
    )


def facts() -> st.SearchStrategy[Fact]:
    """Draw facts of every kind, each field anything it may hold; they need not follow one another.

    Example:
        >>> from hypothesis import find
        >>> find(facts(), lambda fact: fact.kind == "member.joined").kind
        'member.joined'
    """
    return st.one_of(list(_fact_kinds().values()))


def _fact_kinds() -> dict[type[Fact], st.SearchStrategy[Fact]]:
    """Give the strategy of each kind of fact."""
    by_name, own = _fields(), _own_fields()
    return {
        kind: cast(
            "st.SearchStrategy[Fact]",
            st.builds(
                kind, **{f.name: own[kind, f.name] if (kind, f.name) in own else by_name[f.name] for f in attrs.fields(kind)}
            ),
        )
        for kind in FACTS
    }


def _own_fields() -> dict[tuple[type[Fact], str], st.SearchStrategy[object]]:
    """Draw the fields whose name means another type elsewhere."""
    ids = _ids()
    return {
        (OrderPlaced, "member_id"): st.none() | ids,
        (OrderReturned, "lines"): st.dictionaries(ids, st.integers(1, 1_000_000), max_size=3).map(FrozenMap[str, int]),
    }


def _ids() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20) | st.just("x" * ID_LENGTH_LIMIT)


def _fields() -> dict[str, st.SearchStrategy[object]]:
    """Draw each field by its name; fields of one name are of one type."""
    ids = _ids()
    slugs = st.sampled_from(("order", "base", "review", "a.b:c-d_e"))
    counts, wholes = st.integers(1, 2**63 - 1), st.integers(0, 2**63 - 1)
    instants = st.datetimes(datetime(1990, 1, 1), datetime(2110, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
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
        earning_minor=wholes,
        qualifies=st.booleans(),
    )
    earned = st.builds(
        EarnedPoints,
        rule=slugs,
        points=counts,
        step_points=counts,
        step_minor=counts,
        available_at=instants,
        expires_at=st.none() | instants,
    )
    return {
        "at": instants,
        "account": st.just(POINTS),
        **dict.fromkeys(("member_id", "order_id", "return_id", "ref", "burn_ref", "earn_ref", "adjustment_ref", "actor"), ids),
        "rule": slugs,
        "reason": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50),
        "units": counts,
        "parts": parts,
        "available_at": instants,
        **dict.fromkeys(("expires_at", "final_at"), st.none() | instants),
        "day": st.dates(date(1990, 1, 1), date(2110, 1, 1)),
        "currency": st.sampled_from(("EUR", "JPY", "KWD")),
        "lines": st.lists(line, max_size=3).map(tuple),
        "offers": st.lists(st.builds(OfferCost, offer_id=slugs, discount_minor=wholes), max_size=2).map(tuple),
        "earned": st.lists(earned, max_size=2).map(tuple),
        "codes": st.lists(st.text(min_size=1, max_size=CODE_LENGTH_LIMIT), max_size=2).map(tuple),
        **dict.fromkeys(("digest", "program"), st.sampled_from(("", "0123456789abcdef" * 2))),
        **dict.fromkeys(
            ("qualifying_minor", "shipping_minor", "burn_points", "amount_minor", "money_minor", "points_revoked"), wholes
        ),
        "points_given_back": wholes,
    }
