"""Which offers a basket could meet at all: found by what they need, not by asking each one.

For each offer one *key* is kept of what it cannot do without: a code, a product, a category, a brand, a tag, a tier, a market, a
time, an amount. A basket shows its own keys, and only the offers that wait for one of them are asked. An offer without any such
need is always asked.

Invariants:
    1. An offer that is left out does not apply: every key is necessary.
    2. What is found is in the total order of offers.

Complexity:
    O(keys of the basket + log n + what is found) for n offers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeAlias, final

from loyaltycore._goods import ALL_GOODS
from loyaltycore._offer_kinds import Offer
from loyaltycore.basket import Filter
from loyaltycore.benefits import (
    AmountOff,
    BundlePrice,
    BuyGet,
    FixedPrice,
    PercentOff,
    PointsTimes,
    Single,
    filters_of,
    singles,
)
from loyaltycore.conditions import (
    AllOf,
    AnyOf,
    CodePresented,
    Condition,
    CouponHeld,
    During,
    InMarket,
    InTier,
    IsMember,
    MemberTagged,
    PaidBy,
    ProductsAtLeast,
    QuantityAtLeast,
    Situation,
    SpendAtLeast,
    ViaChannel,
)
from loyaltycore.periods import Window

__all__ = ["OfferIndex"]

_Key: TypeAlias = tuple[str, str]


class _Need(NamedTuple):
    """One of these keys must be there; the lower the order, the fewer baskets have one."""

    order: int
    keys: frozenset[_Key]


class _Time(NamedTuple):
    """The instant must lie in a window."""

    order: int
    window: Window


class _Spend(NamedTuple):
    """All goods together must cost so much at list prices."""

    order: int
    minor: int


_Needs: TypeAlias = _Need | _Time | _Spend
_CODE, _PRODUCT, _LABEL, _PERSON, _TIME, _SPEND, _MEMBER = range(7)


def _labelled(order: int, name: str, values: Iterable[str]) -> _Need:
    return _Need(order, frozenset((name, value) for value in values))


def _of_goods(only: Filter) -> list[_Needs]:
    """Say what goods must show where some are needed that a filter takes."""
    found = list[_Needs]()
    for order, name, values in (
        (_PRODUCT, "product", only.products),
        (_LABEL, "category", only.categories),
        (_LABEL, "brand", only.brands),
        (_LABEL, "tag", only.tags),
    ):
        if values:
            found.append(_labelled(order, name, values))
    return found


def _of_condition(condition: Condition) -> list[_Needs]:
    """List what a condition cannot hold without."""
    match condition:
        case AllOf():
            return [need for part in condition.parts for need in _of_condition(part)]
        case AnyOf():
            return _of_any(condition)
        case CodePresented():
            return [_labelled(_CODE, "code", [condition.folded])]
        case CouponHeld():
            return [_labelled(_CODE, "coupon", [condition.campaign_id])]
        case SpendAtLeast():
            return [*_of_goods(condition.of), _Spend(_SPEND, condition.amount.minor_units)]
        case QuantityAtLeast() | ProductsAtLeast():
            return _of_goods(condition.of)
        case During():
            return [] if condition.window is None else [_Time(_TIME, condition.window)]
        case _:
            return _of_person(condition)


def _of_person(condition: Condition) -> list[_Needs]:
    match condition:
        case InTier():
            return [_labelled(_PERSON, "tier", condition.tiers)]
        case MemberTagged():
            return [_labelled(_PERSON, "member tag", condition.tags)]
        case InMarket():
            return [_labelled(_PERSON, "market", condition.markets)]
        case ViaChannel():
            return [_labelled(_PERSON, "channel", condition.channels)]
        case PaidBy():
            return [_labelled(_PERSON, "payment", condition.payments)]
        case IsMember():
            return [_labelled(_MEMBER, "member", [""])]
        case _:
            return []


def _of_any(condition: AnyOf) -> list[_Needs]:
    """Say what every way needs: the keys of all ways together."""
    best = [min(_of_condition(part), default=None, key=lambda need: need.order) for part in condition.parts]
    ways = [need for need in best if isinstance(need, _Need)]
    if len(ways) < len(best):
        return []
    return [_Need(max(need.order for need in ways), frozenset[_Key]().union(*[need.keys for need in ways]))]


def _of_single(single: Single) -> list[_Needs]:
    """List what a benefit gives nothing without."""
    match single:
        case PercentOff() | AmountOff() | FixedPrice() | PointsTimes():
            return _of_goods(filters_of(single)[0])
        case BundlePrice() | BuyGet():
            return [need for only in filters_of(single) for need in _of_goods(only)]
        case _:
            return []


def _of_offer(offer: Offer) -> _Needs | None:
    """Choose the need that the fewest baskets meet; ``None`` where every basket must be asked."""
    needs = _of_condition(offer.when)
    if offer.window is not None:
        needs.append(_Time(_TIME, offer.window))
    several = list(singles(offer.give))
    if len(several) == 1:
        needs += _of_single(several[0])
    return min(needs, default=None, key=lambda need: need.order)


@final
class _Times:
    """Windows by the instants they hold: a tree over the spans between their ends."""

    __slots__ = ("_bounds", "_nodes", "_size")

    def __init__(self, windows: Sequence[tuple[Window, int]]) -> None:
        self._bounds = sorted({bound for window, _ in windows for bound in _ends(window)})
        self._size = len(self._bounds) + 1
        self._nodes: list[list[int]] = [[] for _ in range(2 * self._size)]
        for window, number in windows:
            starts, ends = _ends(window)
            low, high = self._span(starts) + self._size, self._span(ends) + self._size
            while low < high:
                if low & 1:
                    self._nodes[low].append(number)
                    low += 1
                if high & 1:
                    high -= 1
                    self._nodes[high].append(number)
                low, high = low >> 1, high >> 1

    def _span(self, at: datetime) -> int:
        """Give the place of the span that begins at an end, or holds an instant."""
        return bisect_right(self._bounds, at)

    def at(self, at: datetime) -> list[int]:
        """Give the offers whose windows hold an instant."""
        found, node = list[int](), self._span(at) + self._size
        while node:
            found += self._nodes[node]
            node >>= 1
        return found


_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def _ends(window: Window) -> tuple[datetime, datetime]:
    return (
        _FIRST if window.starts_at is None else window.starts_at,
        _LAST if window.ends_at is None else window.ends_at,
    )


@final
class OfferIndex:
    """Offers by what they need."""

    __slots__ = ("_always", "_amounts", "_by_amount", "_by_key", "_times")

    def __init__(self, offers: Sequence[Offer]) -> None:
        """Sort offers by their needs.

        Args:
            offers: In their total order.
        """
        self._always: list[int] = []
        self._by_key: dict[_Key, list[int]] = {}
        timed, priced = list[tuple[Window, int]](), list[tuple[int, int]]()
        for number, offer in enumerate(offers):
            match _of_offer(offer):
                case _Need() as need:
                    for key in need.keys:
                        self._by_key.setdefault(key, []).append(number)
                case _Time() as time:
                    timed.append((time.window, number))
                case _Spend() as spend:
                    priced.append((spend.minor, number))
                case _:
                    self._always.append(number)
        self._times = _Times(timed)
        priced.sort()
        self._amounts, self._by_amount = [minor for minor, _ in priced], [number for _, number in priced]

    def candidates(self, situation: Situation) -> list[int]:
        """Give the places of the offers that could apply, in their order."""
        found = [*self._always, *self._times.at(situation.at)]
        by_key = self._by_key
        if by_key:
            for place in situation.goods.open_places:
                for key in situation.groups[place].labels:
                    if key in by_key:
                        found += by_key[key]
            for key in _of_who_asks(situation):
                if key in by_key:
                    found += by_key[key]
        if self._amounts:
            found += self._by_amount[: bisect_right(self._amounts, situation.goods.of(ALL_GOODS).list_minor)]
        return sorted(set(found)) if found else found


def _of_who_asks(situation: Situation) -> list[_Key]:
    """Give the keys that a situation shows besides its goods."""
    keys = [("code", code) for code in situation.codes]
    keys += [("coupon", campaign_id) for campaign_id in situation.coupons]
    keys += [("member tag", tag) for tag in situation.profile.tags]
    for name, value in (
        ("tier", situation.tier),
        ("market", situation.market),
        ("channel", situation.basket.channel),
        ("payment", situation.basket.payment),
        ("member", "" if situation.is_member else None),
    ):
        if value is not None:
            keys.append((name, value))
    return keys
