"""Books of offers and baskets that meet on the same few goods, for the laws of offers.

Everything is chosen from short lists, so that most examples have offers that apply, tie, and get in one another's way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from hypothesis import strategies as st

from loyaltycore.basket import Basket, Filter, Line, PriceState
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    Fill,
    FixedPrice,
    FreeShipping,
    Gift,
    Level,
    NextCoupon,
    Part,
    Per,
    PercentOff,
    Pick,
    PointsTimes,
    QuantityLadder,
    Reward,
    Several,
    ShippingAmountOff,
    ShippingPercentOff,
    ShippingPrice,
    Single,
    SpendLadder,
    Spread,
    Units,
    n_for_m,
)
from loyaltycore.conditions import (
    Across,
    AllOf,
    Base,
    Condition,
    Situation,
    code_presented,
    contains,
    coupon_held,
    during,
    first_order,
    in_market,
    in_tier,
    is_member,
    member_tagged,
    paid_by,
    past_discount_at_least,
    points_at_least,
    products_at_least,
    quantity_at_least,
    spend_at_least,
    via_channel,
)
from loyaltycore.members import Profile
from loyaltycore.offers import (
    NO_VIEW,
    Combines,
    FreedBy,
    Lane,
    Limits,
    Mode,
    Offer,
    OfferBook,
    Span,
    Stacking,
    Times,
    Used,
    View,
)
from loyaltycore.periods import Recurrence, Schedule, Weekday, Window
from loyaltycore.quantities import Money, Over, Rate, Remainder, Rounding

__all__ = ["AT", "CURRENCIES", "Case", "baskets", "benefits_of", "cases", "line_free", "picking_cases"]

AT = datetime(2026, 7, 1, 10, tzinfo=UTC)
CURRENCIES = ("EUR", "JPY", "KWD")
EARLY, LATE = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)
ALWAYS = AllOf(())
BONUS = BonusPoints(50, expires=None)


class Case(NamedTuple):
    """A book, and what it sees."""

    book: OfferBook
    situation: Situation
    view: View


def _mixed(kind: Callable[..., Any], count: int, **choices: Sequence[Any]) -> list[Any]:
    """Make so many values, going through each list of choices at a pace of its own."""
    paces = dict(zip(choices, (1, 2, 3, 5, 7, 11, 13), strict=False))
    return [
        kind(**{name: some[(place * paces[name] + place // len(some)) % len(some)] for name, some in choices.items()})
        for place in range(count)
    ]


def _filters(currency: str) -> tuple[Filter, ...]:
    return (
        Filter(),
        Filter(products=["p"]),
        Filter(products=["q", "r"]),
        Filter(tags=["sale"]),
        Filter(categories=["c"], exclude_products=["p"]),
        Filter(brands=["b"]),
        Filter(price_from=Money(100, currency)),
        Filter(price_to=Money(100, currency), exclude_tags=["low"]),
        Filter(price=PriceState.REGULAR),
        Filter(price=PriceState.REDUCED),
    )


UNITS = (
    Units(),
    Units(),
    Units(at_most=1),
    Units(first=Pick.DEAREST, at_most=2),
    Units(sets_of=2),
    Units(skip=1),
    Units(every=2),
    Units(first=Pick.DEAREST, skip=1, every=3),
    Units(each_at_most=1),
    Units(first=Pick.DEAREST, each_at_most=2, at_most=3),
)
PERCENTS = ("10", "50", "33.3", "100", "2.5")


def _moneys(currency: str, *minors: int) -> tuple[Money, ...]:
    return tuple(Money(minor, currency) for minor in minors)


@cache
def benefits_of(currency: str) -> tuple[Benefit, ...]:
    """Give benefits of every kind."""
    off, prices, of = _moneys(currency, 1, 7, 100, 250, 999), _moneys(currency, 0, 3, 90, 100, 500), _filters(currency)
    goods_and_shipping = (Spread.GOODS, Spread.GOODS_AND_SHIPPING)
    singles = [
        *_mixed(
            PercentOff,
            70,
            percent=PERCENTS,
            of=of,
            units=UNITS,
            rounded_per=tuple(Level),
            rounding=tuple(Rounding),
            remainder=tuple(Remainder),
            exclude_tags=((), ("low",), ()),
        ),
        *_mixed(AmountOff, 15, amount=off, per=(Per.BASKET,), spread=goods_and_shipping, remainder=tuple(Remainder)),
        *_mixed(
            AmountOff,
            30,
            amount=off,
            per=(Per.SHARED,),
            of=of,
            units=UNITS,
            spread=goods_and_shipping,
            remainder=tuple(Remainder),
        ),
        *_mixed(AmountOff, 10, amount=off, per=(Per.LINE,), of=of, remainder=tuple(Remainder)),
        *_mixed(AmountOff, 20, amount=off, per=(Per.UNIT,), of=of, units=UNITS, exclude_tags=((), (), ("low",))),
        *_mixed(FixedPrice, 30, price=prices, of=of, units=UNITS),
        *_mixed(
            _bundle,
            40,
            price=_moneys(currency, 0, 90, 150, 500, 1200),
            of=of,
            other=of[::-1],
            units=(1, 2, 3),
            times=(None, 1, 2),
        ),
        *_mixed(
            _buy_get,
            60,
            buys=(1, 2, 1, 3),
            of=of,
            gets=(1, 1, 2),
            other=(*of, None, None, None),
            percent=("100", "100", "50", "33.3"),
            reward=tuple(Reward),
            times=(None, None, 1, 2),
        ),
        n_for_m(3, 2),
        n_for_m(2, 1, of=of[1], times=1),
        *_mixed(ShippingPercentOff, 6, percent=PERCENTS, rounding=tuple(Rounding)),
        *_mixed(ShippingPrice, 8, price=prices),
        *_mixed(ShippingAmountOff, 3, amount=off),
        *_mixed(Gift, 8, product_id=("p", "q", "z"), quantity=(1, 2, 4), fill=tuple(Fill)),
        *[FreeShipping()] * 4,
        *_mixed(PointsTimes, 3, times=(Rate.times("2"), Rate.times("1.5")), of=of),
        *[BONUS, NextCoupon("back")] * 4,
    ]
    rungs = singles[3::9]
    several = [Several(some) for some in zip(singles[::11], singles[5::13], strict=False)]
    ladders: list[Benefit] = [
        SpendLadder({Money(start, currency): one, Money(start + 300, currency): two}, of=only)
        for start, one, two, only in zip((0, 100, 500) * 4, rungs, rungs[5:], itertools.cycle(of), strict=False)
    ]
    ladders += [
        QuantityLadder({1: one, 3: two}, of=only)
        for one, two, only in zip(rungs[2:14], rungs[9:], itertools.cycle(of), strict=False)
    ]
    return (*singles, *several, *ladders)


def _bundle(*, price: Money, of: Filter, other: Filter, units: int, **said: Any) -> BundlePrice:  # noqa: ANN401
    parts = [Part(units, of)] if units == 2 else [Part(units, of), Part(1, other)]
    return BundlePrice(price, parts=parts, **said)


def _buy_get(*, buys: int, of: Filter, gets: int, other: Filter | None, **said: Any) -> BuyGet:  # noqa: ANN401 - of its fields
    if other is not None and other != of and said["reward"] is Reward.CHEAPEST_OF_SET:
        said["reward"] = Reward.CHEAPEST
    return BuyGet(buy=Part(buys, of), get=Part(gets, of if other is None else other), **said)


@cache
def _conditions(currency: str) -> tuple[Condition, ...]:
    of = _filters(currency)
    windows = (Window(starts_at=EARLY, ends_at=LATE), Window(starts_at=LATE, ends_at=None), Window(starts_at=None, ends_at=AT))
    singles: list[Condition] = [
        *_mixed(spend_at_least, 8, amount=_moneys(currency, 1, 100, 400), of=of, base=(Base.LIST, Base.RUNNING)),
        *_mixed(quantity_at_least, 8, units=(1, 2, 3), of=of, across=tuple(Across)),
        *_mixed(products_at_least, 4, products=(1, 2), of=of),
        *(contains(only) for only in of),
        is_member(),
        in_tier("gold"),
        member_tagged("club"),
        in_market("FR"),
        via_channel("web"),
        paid_by("card"),
        first_order(),
        points_at_least(100),
        past_discount_at_least("10"),
        coupon_held("welcome"),
        *(during(window=window) for window in windows),
        during(schedule=Schedule(weekdays=[Weekday.WEDNESDAY])),
        during(recurrence=Recurrence("FREQ=MONTHLY;BYMONTHDAY=1")),
    ]
    several: list[Condition] = [one & two for one, two in zip(singles, singles[9:], strict=False)]
    several += [one | two for one, two in zip(singles, singles[5:], strict=False)]
    turned = [~one for one in singles[::3]]
    return (*singles, *several, *turned, (several[2] | singles[0]) & ~singles[20], ~(singles[1] | singles[24]))


WINDOWS = (Window(starts_at=EARLY, ends_at=LATE), Window(starts_at=None, ends_at=AT), Window(starts_at=AT, ends_at=None))


@cache
def _settings(currency: str) -> tuple[dict[str, Any], ...]:
    """Give what else may be said of an offer; half of them nothing."""
    said: list[dict[str, Any]] = [
        {"base": Base.RUNNING},
        {"base": Base.RUNNING},
        {"combines": Combines.LAST},
        {"combines": Combines.ALONE},
        {"group": "g"},
        {"group": "g", "base": Base.RUNNING},
        *({"discount_limit": limit} for limit in _moneys(currency, 5, 120)),
        *({"limits": Limits(budget=limit)} for limit in _moneys(currency, 60, 300)),
        {"limits": Limits(units=2)},
        {"limits": Limits(units=3, total=2)},
        {"limits": Limits(per_member=1)},
        {"limits": Limits(total=Times(per_day=2, per_year=9))},
        {"limits": Limits(per_member=Times(per_week=2, per_month=3, lifetime=2), freed_by=FreedBy.RETURNED)},
        {"limits": Limits(budget=Money(300, currency), over=Over.REFUSE)},
        {"limits": Limits(units=3, over=Over.REFUSE)},
        *({"window": window} for window in WINDOWS),
    ]
    return (*({} for _ in said), *said)


@cache
def _stackings(currency: str) -> tuple[dict[str, Any], ...]:
    said: list[dict[str, Any]] = [
        {"exclude_tags": ["card"]},
        {"exclude_tags": ["card"], "at_most": {Lane.BASKET: 2, Lane.PRODUCT: 3}},
        {"at_most": {Lane.BASKET: 1, Lane.SHIPPING: 2}},
        {"offers_at_most": 2},
        {"discount_limit": Money(150, currency)},
        {"discount_share": Rate.percent("30"), "exclude_tags": ["card"]},
    ]
    return (*({} for _ in said), *said)


GOODS = (
    {"product_id": "p"},
    {"product_id": "p", "categories": ["c"]},
    {"product_id": "q", "tags": ["sale"], "brand": "b"},
    {"product_id": "q", "brand": "b", "categories": ["c"]},
    {"product_id": "r", "tags": ["low"]},
    {"product_id": "r", "tags": ["card"]},
)
PRICES = (0, 1, 5, 99, 100, 100, 333, 1000)


@st.composite
def baskets(draw: st.DrawFn, currency: str, *, lines_limit: int = 4) -> Basket:
    """Draw baskets of few products at few prices, some reduced, some with a floor."""
    found = draw(
        st.lists(
            st.tuples(
                st.sampled_from(GOODS),
                st.sampled_from(PRICES),
                st.integers(1, 6),
                st.sampled_from((0, 0, 0, 50, 100)),
                st.sampled_from((None, None, None, 0, 10)),
            ),
            max_size=lines_limit,
        )
    )
    shipping = draw(st.sampled_from((None, 0, 490, 77)))
    place, market = draw(st.sampled_from(((None, None), ("web", "FR"), ("till", "DE"))))
    return Basket(
        [
            Line(
                f"l{number}",
                Money(price, currency),
                quantity,
                floor_price=Money(price * floor // 100, currency) if floor else None,
                regular_price=None if above is None else Money(price + above, currency),
                **goods,  # type: ignore[arg-type]  # the fields of a line
            )
            for number, (goods, price, quantity, floor, above) in enumerate(found)
        ],
        shipping=None if shipping is None else Money(shipping, currency),
        channel=place,
        market=market,
        payment=draw(st.sampled_from((None, "card"))),
        currency=currency,
    )


FACTS: tuple[dict[str, Any], ...] = (
    {},
    {"is_member": True, "gives_points": False},
    {"is_member": True, "tier": "gold", "points": 500, "profile": Profile(tags=["club"], market="FR"), "codes": ["SUMMER10"]},
    {"is_member": True, "order_count": 3, "past_list_minor": 1000, "past_discount_minor": 100, "codes": ["X-1", "summer1o"]},
    {"is_member": True, "coupons": ["welcome", "sorry"]},
)
VIEWS = (
    NO_VIEW,
    NO_VIEW,
    View(out_of_stock=["z", "q"]),
    View(stopped=["a", "d"], used={"c": Used(times=2, times_in={Span.DAY: 1, Span.YEAR: 9})}),
    View(used={name: Used(times=2, times_in={Span.DAY: 2}, by_member_in={Span.MONTH: 3, Span.WEEK: 1}) for name in "bc"}),
    View(used={name: Used(by_member=1, by_member_in={Span.WEEK: 2}, times_in={Span.DAY: 1}) for name in "ab"}),
    View(
        used={"a": Used(times=1, by_member=1, spent_minor=50, units=1), "b": Used(times=2, by_member=2, spent_minor=290, units=2)}
    ),
)


@st.composite
def _offers(draw: st.DrawFn, currency: str, name: str, gives: Sequence[Benefit], *, conditional: bool) -> Offer:
    give = draw(st.sampled_from(gives))
    when: Condition = ALWAYS
    if conditional and draw(st.integers(0, 2)) == 0:
        when = draw(st.sampled_from(_conditions(currency)))
    if draw(st.integers(0, 9)) == 0:
        when &= code_presented("SUMMER10" if name == "a" else f"CODE-{name}")
    lane = draw(st.sampled_from((None, None, Lane.PRODUCT, Lane.BASKET)))
    own_lane: dict[str, Any] = {} if lane is None else {"lane": lane}
    return Offer(
        name, when=when, give=give, priority=draw(st.integers(-1, 1)), **own_lane, **draw(st.sampled_from(_settings(currency)))
    )


@st.composite
def picking_cases(draw: st.DrawFn, *, offers_limit: int = 4) -> Case:
    """Draw offers that pick some units of few goods of small prices: what one reaches another does not, cent by cent."""
    of = st.sampled_from((Filter(products=["p"]), Filter(products=["p"]), Filter(), Filter(products=["q", "r"])))
    units = st.sampled_from((UNITS[2], UNITS[3], UNITS[7], UNITS[0]))
    few = st.integers(1, 4).map(lambda minor: Money(minor, "EUR"))
    gives: st.SearchStrategy[Benefit] = st.one_of(
        st.builds(AmountOff, few, per=st.just(Per.SHARED), of=of, units=units),
        st.builds(FixedPrice, st.just(Money(1, "EUR")), of=of, units=units),
        st.builds(
            PercentOff,
            st.sampled_from(PERCENTS),
            of=of,
            units=units,
            rounding=st.sampled_from(Rounding),
            rounded_per=st.sampled_from((Level.OFFER, Level.UNIT)),
            remainder=st.sampled_from(Remainder),
        ),
        st.builds(
            _buy_get,
            buys=st.just(1),
            of=of,
            gets=st.integers(1, 2),
            other=st.none() | of,
            percent=st.sampled_from(PERCENTS),
            reward=st.sampled_from(Reward),
        ),
        st.builds(_bundle, price=few, of=of, other=of, units=st.integers(1, 2)),
    )
    offers = [
        Offer(
            name,
            give=draw(gives),
            lane=draw(st.sampled_from((Lane.BASKET, Lane.BASKET, Lane.PRODUCT))),
            priority=draw(st.integers(0, 1)),
            base=draw(st.sampled_from((Base.LIST, Base.LIST, Base.RUNNING))),
        )
        for name in "abcde"[: draw(st.integers(2, offers_limit))]
    ]
    book = OfferBook(offers, stacking=Stacking(Mode.BEST, at_most={Lane.PRODUCT: draw(st.integers(1, 2))}))
    lines = [
        Line(name, Money(minor, "EUR"), quantity, floor_price=Money(floor, "EUR"))
        for name, minor, quantity, floor in draw(
            st.lists(
                st.tuples(
                    st.sampled_from("pqr"),
                    st.sampled_from((3, 5, 10, 2, 1)),
                    st.integers(1, 6),
                    st.sampled_from((0, 0, 0, 1, 3)),
                ),
                min_size=1,
                max_size=3,
                unique_by=lambda found: found[0],
            )
        )
    ]
    return Case(book, book.situation(Basket(lines, currency="EUR"), at=AT), NO_VIEW)


def line_free(benefit: Benefit | Single) -> bool:
    """Say whether a benefit is the same for one line of two and for two lines of one."""
    match benefit:
        case Several():
            return all(line_free(one) for one in benefit.benefits)
        case SpendLadder() | QuantityLadder():
            return all(line_free(one) for _, one in benefit.rungs)
        case AmountOff():
            return benefit.per is not Per.LINE and benefit.remainder is Remainder.LARGEST
        case PercentOff():
            return benefit.rounded_per is not Level.LINE and benefit.remainder is Remainder.LARGEST
        case _:
            return True


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    mode: Mode | None = None,
    offers_limit: int = 5,
    lines_limit: int = 4,
    conditional: bool = True,
    only: Callable[[Benefit], bool] | None = None,
) -> Case:
    """Draw a book and a basket for it.

    Args:
        draw: As Hypothesis gives it.
        mode: How offers meet; any unless said.
        offers_limit: The most offers.
        lines_limit: The most lines.
        conditional: Whether some offers have conditions.
        only: Which benefits; all unless said.
    """
    currency = draw(st.sampled_from(CURRENCIES))
    gives = tuple(one for one in benefits_of(currency) if only is None or only(one))
    count = draw(st.integers(1, offers_limit))
    offers = [draw(_offers(currency, "abcdefghjkmnp"[place], gives, conditional=conditional)) for place in range(count)]
    stacking = Stacking(mode or draw(st.sampled_from(Mode)), **draw(st.sampled_from(_stackings(currency))))
    book = OfferBook(offers, stacking=stacking)
    at = draw(st.sampled_from((AT, AT, EARLY, LATE)))
    situation = book.situation(draw(baskets(currency, lines_limit=lines_limit)), at=at, **draw(st.sampled_from(FACTS)))
    return Case(book, situation, draw(st.sampled_from(VIEWS)))
