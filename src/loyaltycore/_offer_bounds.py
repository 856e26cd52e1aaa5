"""What offers could save at most: how the search for the best set knows that a branch cannot win.

Invariants:
    1. No set of offers saves more than the bound says, whatever was given before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, assert_never, final

from loyaltycore._goods import Goods
from loyaltycore._offer_kinds import LANES, Offer
from loyaltycore._prices import Prices
from loyaltycore.basket import Filter, UnitGroup
from loyaltycore.benefits import (
    SHIPPING_BENEFITS,
    AmountOff,
    BonusPoints,
    BundlePrice,
    BuyGet,
    Fill,
    FixedPrice,
    FreeShipping,
    Gift,
    Level,
    NextCoupon,
    Per,
    PercentOff,
    PointsTimes,
    QuantityLadder,
    Reward,
    ShippingAmountOff,
    ShippingPercentOff,
    ShippingPrice,
    Single,
    SpendLadder,
    Spread,
    singles,
)
from loyaltycore.quantities import Rate, Remainder, Rounding

__all__ = ["Bounds", "most_of"]

_TABLE_LIMIT: Final = 200_000
"""Offers times groups up to which each group has a bound of its own; the sums are enough for more."""


@final
class Bounds:
    """What offers from a place on could save, for each place of an order."""

    __slots__ = ("_by_group", "_eases", "_in_all")

    def __init__(self, offers: Sequence[Offer], goods: Goods, shipping_minor: int) -> None:
        """Work the bounds out.

        Args:
            offers: In their order.
            goods: The basket's.
            shipping_minor: What shipping costs; 0 while not known.
        """
        most = [most_of(offer, goods, shipping_minor) for offer in offers]
        self._in_all = [*accumulate(reversed(most), initial=0)][::-1]
        eases = [any(_eases(one) for one in singles(offer.give)) for offer in offers]
        self._eases = [*accumulate(reversed(eases), lambda one, other: one or other, initial=False)][::-1]
        self._by_group: list[dict[int, dict[int, tuple[int, int]]]] | None = None
        if len(offers) * len(goods.groups) <= _TABLE_LIMIT:
            after: dict[int, dict[int, tuple[int, int]]] = {lane: {} for lane in range(len(LANES))}
            self._by_group = [after]
            for offer in reversed(offers):
                lane = dict(after[offer.lane_place])
                for place, minor in _by_place(offer, goods):
                    # Offers that pick units may share a group, each its own units; of those that reach all of it, one does.
                    picked, whole = lane.get(place, (0, 0))
                    lane[place] = (picked + minor, whole) if offer.picks_units else (picked, max(whole, minor))
                after = {**after, offer.lane_place: lane}
                self._by_group.insert(0, after)

    def most(self, prices: Prices, place: int, needed: int) -> int:
        """Bound what the offers from a place on save.

        Args:
            prices: What was given before.
            place: Of the first of them.
            needed: What is asked for; a bound below it is worked out no further.
        """
        in_all = self._in_all[place]
        if in_all < needed or self._by_group is None:
            return in_all
        by_lane, minor = self._by_group[place], prices.shipping_left or 0 if self._eases[place] else 0
        for run in prices.runs:
            could = 0
            for lane, by_place in by_lane.items():
                most = prices.most[lane]
                assert most is not None  # where sets are compared each lane has a limit
                could += sum(by_place.get(run.place, (0, 0))) * (most - run.reached[lane]) if by_place else 0
            minor += min(run.left, could)
        return min(in_all, minor)


def _eases(single: Single) -> bool:
    return isinstance(single, SHIPPING_BENEFITS) or (isinstance(single, AmountOff) and single.spread is Spread.GOODS_AND_SHIPPING)


def _given(offer: Offer, goods: Goods) -> Iterable[Single]:
    """Give the single benefits that an offer gives for a basket."""
    match offer.give:
        case SpendLadder() as ladder:
            reached = ladder.at(goods.of(ladder.of).list_minor)
        case QuantityLadder() as ladder:
            reached = ladder.at(goods.of(ladder.of).units)
        case _:
            return singles(offer.give)
    return () if reached is None else (reached,)


def _by_place(offer: Offer, goods: Goods) -> Iterator[tuple[int, int]]:
    """Bound what an offer takes off each group."""
    found, units = dict[int, int](), sum(group.quantity for group in goods.groups)
    for single in _given(offer, goods):
        for only in _goods_of(single):
            for place in goods.of(only).places:
                found[place] = found.get(place, 0) + _off_group(single, goods.groups[place], units)
    return ((place, min(minor, goods.groups[place].list_minor)) for place, minor in found.items())


def _goods_of(single: Single) -> Sequence[Filter]:
    """Give the goods that a benefit takes something off."""
    match single:
        case PercentOff() | AmountOff() | FixedPrice():
            return (single.goods,)
        case BuyGet():
            return (single.get.of,)
        case BundlePrice():
            return [part.of for part in single.parts]
        case Gift():
            return (Filter(products=[single.product_id]),)
        case _:
            return ()


def _off_group(single: Single, group: UnitGroup, units: int) -> int:
    """Bound what a benefit takes off a group: its exact share, and the odd minor units that rounding may bring its units."""
    match single:
        case PercentOff():
            odd = group.quantity if single.remainder is Remainder.LARGEST else units
            return single.rate.of_whole(group.list_minor, rounding=Rounding.UP) + odd
        case AmountOff():
            return single.amount.minor_units * (group.quantity if single.per is Per.UNIT else 1)
        case FixedPrice():
            return max(0, group.unit_minor - single.price.minor_units) * group.quantity
        case BuyGet():
            return Rate.percent(single.percent).of_whole(group.list_minor, rounding=Rounding.UP) + group.quantity
        case _:
            return group.list_minor


def most_of(offer: Offer, goods: Goods, shipping_minor: int) -> int:
    """Bound what an offer saves in any set: what it would save of list prices if it met the dearest units, and no floor."""
    most = sum(_most_of(single, goods, shipping_minor) for single in _given(offer, goods))
    return most if offer.discount_limit is None else min(most, offer.discount_limit.minor_units)


def _most_of(single: Single, goods: Goods, shipping_minor: int) -> int:
    """Bound what a benefit saves."""
    match single:
        case PercentOff():
            units = _dearest(goods, single.goods, single.units.at_most)
            if single.rounded_per is Level.UNIT:
                return sum(single.amount_off(minor) * count for minor, count in units)
            lines = len(units) if single.rounded_per is Level.LINE else 0
            return single.amount_off(sum(minor * count for minor, count in units)) + lines
        case AmountOff():
            units, amount = _dearest(goods, single.goods, single.units.at_most), single.amount.minor_units
            return amount * {Per.UNIT: sum(count for _, count in units), Per.LINE: len(units)}.get(single.per, 1)
        case FixedPrice():
            units, price = _dearest(goods, single.goods, single.units.at_most), single.price.minor_units
            return sum(max(0, minor - price) * count for minor, count in units)
        case BuyGet():
            sets = goods.of(single.get.of).units // single.get.units
            sets = sets if single.times is None else min(sets, single.times)
            units = _dearest(goods, single.get.of, sets * single.get.units)
            # Of each product apart it is rounded each time.
            products = goods.of(single.get.of).products if single.reward is Reward.SAME else 0
            return single.amount_off(sum(minor * count for minor, count in units)) + products
        case BundlePrice():
            return sum(goods.of(part.of).list_minor for part in single.parts)
        case Gift():
            units = _dearest(goods, Filter(products=[single.product_id]), single.quantity)
            return sum(minor * count for minor, count in units) if single.fill is Fill.MISSING else 0
        case FreeShipping() | ShippingPercentOff() | ShippingAmountOff() | ShippingPrice():
            return shipping_minor
        case BonusPoints() | PointsTimes() | NextCoupon():
            return 0
    assert_never(single)


def _dearest(goods: Goods, only: Filter, limit: int | None) -> list[tuple[int, int]]:
    """Give the dearest units that a filter means, as prices and numbers."""
    groups = sorted((goods.groups[place] for place in goods.of(only).places), key=lambda group: -group.unit_minor)
    units, left = list[tuple[int, int]](), limit
    for group in groups:
        count = group.quantity if left is None else min(group.quantity, left)
        if not count:
            break
        units.append((group.unit_minor, count))
        left = None if left is None else left - count
    return units
