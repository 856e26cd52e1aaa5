"""Strategies for offers: conditions, benefits, how they meet, whole books.

Filters and amounts are kept few and close together, so that offers meet on the same goods.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, time
from functools import partial
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from loyaltycore.basket import Filter, PriceState
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
    AnyOf,
    Base,
    CodePresented,
    Condition,
    CouponHeld,
    During,
    InMarket,
    InTier,
    IsMember,
    MemberTagged,
    Not,
    NthOrder,
    PaidBy,
    PastDiscount,
    PointsAtLeast,
    ProductsAtLeast,
    QuantityAtLeast,
    SpendAtLeast,
    ViaChannel,
)
from loyaltycore.offers import Combines, FreedBy, Lane, Limits, Mode, Offer, OfferBook, Returns, Stacking, Times
from loyaltycore.periods import Period, Recurrence, Schedule, Term, Weekday, Window
from loyaltycore.quantities import Money, Over, Rate, Remainder, Rounding

__all__ = ["PRODUCTS", "benefits", "conditions", "filters", "offer_books", "offers", "stackings"]

PRODUCTS: Final[Mapping[str, Collection[str]]] = {
    "helmet": (),
    "bell": (),
    "lock": ("sale",),
    "gift-card-50": ("gift-card",),
}
"""Tags by product id: what baskets are made of when a test does not say."""

_RULES: Final = ("FREQ=MONTHLY;BYDAY=1SU", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "FREQ=WEEKLY;BYDAY=MO,FR")

_INSTANTS: Final = st.integers(0, 52).map(lambda weeks: datetime.fromtimestamp(1_767_225_600 + weeks * 604_800, tz=UTC))
"""Week by week through 2026: windows that often hold one another's ends."""


def _amounts(currency: str, low: int, high: int) -> SearchStrategy[Money]:
    return st.builds(Money, st.integers(low, high), st.just(currency))


def _subsets(words: Collection[str]) -> SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(sorted(words))) if words else st.just(frozenset())


def _shares() -> SearchStrategy[Rate]:
    return st.sampled_from(("10", "50", "100", "33.3", "0.01")).map(Rate.percent)


def _windows() -> SearchStrategy[Window]:
    """Draw windows, open at one side, both or neither."""
    return st.builds(
        lambda pair, starts, ends: Window(starts_at=min(pair) if starts else None, ends_at=max(pair) if ends else None),
        st.frozensets(_INSTANTS, min_size=2, max_size=2),
        st.booleans(),
        st.booleans(),
    )


def filters(
    currency: str = "EUR",
    *,
    products: Mapping[str, Collection[str]] = PRODUCTS,
    categories: Collection[str] = (),
    brands: Collection[str] = (),
    max_price_minor: int = 100_000,
) -> SearchStrategy[Filter]:
    """Draw filters of goods: that leave nothing out, that say one thing, or several.

    Args:
        currency: Of the price bounds.
        products: Tags by product id: what is on sale in your shop.
        categories: The categories to choose from, or none.
        brands: The brands to choose from, or none.
        max_price_minor: The highest price bound, in minor units.

    Example:
        >>> from hypothesis import given
        >>> from loyaltycore.basket import Basket, Line
        >>> bell = Basket([Line("bell", Money.of("12.50", "EUR"))]).unit_groups()[0]
        >>> @given(filters())
        ... def test_excluded_goods_are_never_meant(only):
        ...     assert not ("bell" in only.exclude_products and only.takes(bell))
        >>> test_excluded_goods_are_never_meant()
    """
    tags = sorted({tag for found in products.values() for tag in found})
    bounds = _amounts(currency, 0, max_price_minor)
    parts: dict[str, SearchStrategy[object]] = {
        name: _some(words)
        for name, words in (
            ("products", products),
            ("tags", tags),
            ("categories", categories),
            ("brands", brands),
            ("exclude_products", products),
            ("exclude_tags", tags),
        )
        if words
    }
    parts |= {"price": st.sampled_from(PriceState), "price_from": bounds, "price_to": bounds}
    one_thing = [part.map(partial(_filter_of, name)) for name, part in parts.items()]
    several = st.fixed_dictionaries({}, optional=parts).map(_in_bounds).map(lambda said: Filter(**said))
    return st.one_of(st.just(Filter()), *one_thing, several)


def _some(words: Collection[str]) -> SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(sorted(words)), min_size=1)


def _filter_of(name: str, value: Any) -> Filter:  # noqa: ANN401 - of the type that the attribute has
    return Filter(**{name: value})


def _in_bounds(said: dict[str, Any]) -> dict[str, Any]:
    """Let the lower price bound be the lower one."""
    if "price_from" in said and "price_to" in said:
        said |= {"price_from": min(said["price_from"], said["price_to"]), "price_to": max(said["price_from"], said["price_to"])}
    return said


def conditions(
    currency: str = "EUR",
    *,
    only: SearchStrategy[Filter] | None = None,
    codes: Collection[str] = ("SUMMER10", "WELCOME"),
    campaigns: Collection[str] = ("sorry", "welcome"),
    max_amount_minor: int = 100_000,
) -> SearchStrategy[Condition]:
    """Draw conditions of every kind but a shop's own, alone, turned around, and put together.

    Args:
        currency: Of the thresholds.
        only: The filters that thresholds count by; ``filters(currency)`` unless said.
        codes: The codes to choose from, or none.
        campaigns: The campaigns whose coupons are asked for, or none.
        max_amount_minor: The highest threshold, in minor units.

    Example:
        >>> from hypothesis import given
        >>> from loyaltycore.conditions import Situation, holds
        >>> from loyaltycore.testing.strategies import baskets, instants
        >>> @given(conditions(), baskets(), instants())
        ... def test_a_condition_or_its_opposite_holds(condition, basket, at):
        ...     seen = Situation(basket=basket, at=at)
        ...     assert holds(condition, seen) is not holds(~condition, seen)
        >>> test_a_condition_or_its_opposite_holds()
    """
    of = filters(currency) if only is None else only
    names = ("FR", "web", "card", "club")
    amounts = _amounts(currency, 1, max_amount_minor)
    single: list[SearchStrategy[Condition]] = [
        st.builds(SpendAtLeast, amounts, of=of, base=st.sampled_from(Base)),
        st.builds(QuantityAtLeast, st.integers(1, 9), of=of, across=st.sampled_from(Across)),
        st.builds(ProductsAtLeast, st.integers(1, 4), of=of),
        st.just(IsMember()),
        st.builds(InTier, _some(["silver", "gold"])),
        st.builds(MemberTagged, _some(names)),
        st.builds(InMarket, _some(names)),
        st.builds(ViaChannel, _some(names)),
        st.builds(PaidBy, _some(names)),
        st.builds(NthOrder, st.integers(1, 3)),
        st.builds(PointsAtLeast, st.integers(1, 999)),
        st.builds(PastDiscount, _shares()),
        st.builds(lambda window: During(window=window), _windows()),
        st.builds(
            lambda days, ends: During(schedule=Schedule(weekdays=days, ends=ends)), _some_days(), st.none() | st.just(time(18))
        ),
        st.builds(lambda rule: During(recurrence=Recurrence(rule)), st.sampled_from(_RULES)),
    ]
    opened: list[Condition] = [*map(CodePresented, sorted(codes)), *map(CouponHeld, sorted(campaigns))]
    if opened:
        single.append(st.sampled_from(opened))
    return st.recursive(
        st.one_of(single),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(AllOf), st.lists(inner, min_size=1, max_size=3).map(AnyOf), inner.map(Not)
        ),
        max_leaves=4,
    )


def _some_days() -> SearchStrategy[frozenset[Weekday]]:
    return st.frozensets(st.sampled_from(Weekday), min_size=1)


def benefits(
    currency: str = "EUR",
    *,
    only: SearchStrategy[Filter] | None = None,
    products: Collection[str] = tuple(PRODUCTS),
    max_amount_minor: int = 100_000,
) -> SearchStrategy[Benefit]:
    """Draw benefits of every kind: single ones, several at once, and ladders.

    Args:
        currency: Of all amounts.
        only: The filters of the goods they are off; ``filters(currency)`` unless said.
        products: What may be a gift.
        max_amount_minor: The highest amount or price, in minor units.

    Example:
        >>> from hypothesis import given
        >>> from loyaltycore.benefits import moneys_of
        >>> @given(benefits("JPY"))
        ... def test_amounts_are_of_one_currency(benefit):
        ...     assert {amount.currency for amount in moneys_of(benefit)} <= {"JPY"}
        >>> test_amounts_are_of_one_currency()
    """
    of = filters(currency) if only is None else only
    prices = _amounts(currency, 0, max_amount_minor)
    single: SearchStrategy[Single] = st.one_of(
        *_off_goods(of, prices.filter(lambda price: price.minor_units > 0)),
        st.builds(FixedPrice, prices, of=of, units=_units()),
        *_sets(of, prices),
        st.just(FreeShipping()),
        st.builds(ShippingPercentOff, _percents(), rounding=st.sampled_from(Rounding)),
        st.builds(ShippingAmountOff, prices.filter(lambda price: price.minor_units > 0)),
        st.builds(ShippingPrice, prices),
        st.builds(Gift, st.sampled_from(sorted(products)), st.integers(1, 3), fill=st.sampled_from(Fill)),
        st.builds(BonusPoints, st.integers(1, 999), expires=st.none() | st.just(Term(Period(months=12)))),
        st.builds(PointsTimes, st.sampled_from(("1.5", "2", "3")).map(Rate.times), of=of),
        st.sampled_from(("welcome-back", "next-time")).map(NextCoupon),
    )
    spent = st.dictionaries(prices, single, min_size=1, max_size=3)
    counted = st.dictionaries(st.integers(1, 9), single, min_size=1, max_size=3)
    return st.one_of(
        single,
        st.lists(single, min_size=1, max_size=3).map(_once).map(Several),
        st.builds(SpendLadder, spent, of=of),
        st.builds(QuantityLadder, counted, of=of),
    )


def _once(found: list[Single]) -> list[Single]:
    """Leave out all bonus points but the first."""
    bonus = [one for one in found if isinstance(one, BonusPoints)]
    return [one for one in found if not isinstance(one, BonusPoints) or one is bonus[0]]


def _percents() -> SearchStrategy[str]:
    return st.sampled_from(("10", "20", "50", "100", "33.3", "2.5", "0.01"))


def _units() -> SearchStrategy[Units]:
    """Draw all units, or some of them."""
    some = st.none() | st.integers(1, 4)
    chosen = st.builds(
        Units,
        first=st.sampled_from(Pick),
        at_most=some,
        each_at_most=some,
        sets_of=st.integers(1, 3),
        skip=st.integers(0, 3),
        every=st.integers(1, 3),
    )
    return st.just(Units()) | chosen


def _off_goods(of: SearchStrategy[Filter], amounts: SearchStrategy[Money]) -> tuple[SearchStrategy[Single], ...]:
    remainders, tags = st.sampled_from(Remainder), _subsets(["low-margin", "sale"])
    return (
        st.builds(
            PercentOff,
            _percents(),
            of=of,
            units=_units(),
            exclude_tags=tags,
            rounding=st.sampled_from(Rounding),
            rounded_per=st.sampled_from(Level),
            remainder=remainders,
        ),
        st.builds(AmountOff, amounts, per=st.just(Per.BASKET), spread=st.sampled_from(Spread), remainder=remainders),
        st.builds(
            AmountOff,
            amounts,
            per=st.just(Per.SHARED),
            of=of,
            units=_units(),
            spread=st.sampled_from(Spread),
            remainder=remainders,
        ),
        st.builds(AmountOff, amounts, per=st.just(Per.LINE), of=of, exclude_tags=tags, remainder=remainders),
        st.builds(AmountOff, amounts, per=st.just(Per.UNIT), of=of, units=_units(), remainder=remainders),
    )


def _sets(of: SearchStrategy[Filter], prices: SearchStrategy[Money]) -> tuple[SearchStrategy[Single], ...]:
    parts, times = st.builds(Part, st.integers(1, 3), of), st.none() | st.integers(1, 3)
    return (
        st.builds(BundlePrice, prices, parts=st.lists(parts, min_size=1, max_size=3), times=times, first=st.sampled_from(Pick)),
        st.builds(
            _buy_get,
            buy=parts,
            get=parts,
            percent=_percents(),
            reward=st.sampled_from(Reward),
            times=times,
            rounding=st.sampled_from(Rounding),
        ),
        st.builds(
            lambda paid, free, only, many: n_for_m(paid + free, paid, of=only, times=many),
            st.integers(1, 3),
            st.integers(1, 2),
            of,
            times,
        ),
    )


def _buy_get(*, buy: Part, get: Part, reward: Reward, **said: Any) -> BuyGet:  # noqa: ANN401 - the other fields
    """Let one get what one buys where the reward is within a set."""
    return BuyGet(buy=buy, get=Part(get.units, buy.of) if reward is Reward.CHEAPEST_OF_SET else get, reward=reward, **said)


def offers(
    currency: str = "EUR",
    *,
    when: SearchStrategy[Condition] | None = None,
    give: SearchStrategy[Benefit] | None = None,
    max_amount_minor: int = 100_000,
) -> SearchStrategy[Offer]:
    """Draw offers: in every lane, of several priorities, exclusive or not, in groups, limited or not.

    Args:
        currency: Of all amounts.
        when: Their conditions; ``conditions(currency)``, or none, unless said.
        give: Their benefits; ``benefits(currency)`` unless said.
        max_amount_minor: The highest limit, in minor units.

    Example:
        >>> from hypothesis import given
        >>> @given(offers("KWD"))
        ... def test_one_currency(offer):
        ...     assert {amount.currency for amount in offer.moneys} <= {"KWD"}
        >>> test_one_currency()
    """
    amounts = st.none() | _amounts(currency, 1, max_amount_minor)
    counts = st.none() | st.integers(1, 5)
    limited = st.builds(
        Limits,
        total=_times(counts),
        per_member=_times(counts),
        budget=amounts,
        units=counts,
        over=st.sampled_from(Over),
        freed_by=st.sampled_from(FreedBy),
    )
    gives = benefits(currency) if give is None else give
    return st.builds(
        lambda offer_id, benefit, lane, **said: Offer(offer_id, give=benefit, **said, **({} if lane is None else {"lane": lane})),
        st.integers(1, 99).map("offer-{}".format),
        gives,
        st.none() | st.sampled_from(Lane),
        when=st.just(AllOf(())) | (conditions(currency) if when is None else when),
        priority=st.integers(-1, 1),
        window=st.none() | _windows(),
        base=st.sampled_from(Base),
        combines=st.just(Combines.ANY) | st.sampled_from(Combines),
        group=st.none() | st.sampled_from(("deals", "codes")),
        discount_limit=amounts,
        limits=st.just(Limits()) | limited,
    )


def _times(counts: SearchStrategy[int | None]) -> SearchStrategy[Times | int | None]:
    """Draw how often: ever, or in spans too."""
    return counts | st.builds(Times, per_day=counts, per_week=counts, per_month=counts, per_year=counts, lifetime=counts)


def stackings(
    currency: str = "EUR", *, exclude_tags: Collection[str] = ("gift-card",), max_amount_minor: int = 100_000
) -> SearchStrategy[Stacking]:
    """Draw ways for offers to meet: in every mode, with and without limits.

    Args:
        currency: Of the limit.
        exclude_tags: Any set of these is excluded from offers.
        max_amount_minor: The highest limit, in minor units.

    Example:
        >>> from hypothesis import given
        >>> @given(stackings())
        ... def test_a_limit_is_one(stacking):
        ...     assert all(stacking.most(lane) == count for lane, count in stacking.at_most.items())
        >>> test_a_limit_is_one()
    """
    return st.builds(
        Stacking,
        st.sampled_from(Mode),
        exclude_tags=_subsets(exclude_tags),
        at_most=st.dictionaries(st.sampled_from(Lane), st.integers(1, 3), max_size=2),
        offers_at_most=st.none() | st.integers(1, 3),
        discount_limit=st.none() | _amounts(currency, 1, max_amount_minor),
        discount_share=st.none() | _shares(),
        returns=st.sampled_from(Returns),
    )


def offer_books(
    currency: str = "EUR",
    *,
    of: SearchStrategy[Offer] | None = None,
    stacking: SearchStrategy[Stacking] | None = None,
    max_offers: int = 6,
) -> SearchStrategy[OfferBook]:
    """Draw books of offers; of offers that share an id or a code, the first.

    Args:
        currency: Of all amounts.
        of: Their offers; ``offers(currency)`` unless said.
        stacking: How they meet; ``stackings(currency)`` unless said.
        max_offers: The most offers.

    Example:
        >>> from hypothesis import given
        >>> from loyaltycore.testing.strategies import baskets, instants
        >>> @given(offer_books(), baskets(), instants())
        ... def test_a_basket_never_costs_less_than_nothing(book, basket, at):
        ...     assert 0 <= book.evaluate(book.situation(basket, at=at)).goods_minor <= basket.subtotal.minor_units
        >>> test_a_basket_never_costs_less_than_nothing()
    """
    return st.builds(
        lambda found, policy: OfferBook(_without_doubles(found), stacking=policy),
        st.lists(offers(currency) if of is None else of, max_size=max_offers),
        stackings(currency) if stacking is None else stacking,
    )


def _without_doubles(found: Collection[Offer]) -> list[Offer]:
    """Leave out offers with the id or the code of one before."""
    kept, taken = list[Offer](), set[str]()
    for offer in found:
        names = {offer.offer_id, *(f"code {code}" for code in offer.codes)}
        if taken.isdisjoint(names):
            kept.append(offer)
            taken |= names
    return kept
