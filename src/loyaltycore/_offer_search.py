"""Which offers apply together: all, the first by priority, or the set that is best for the customer.

Every set of offers is worth what it gives when its members are given in one order: that of the book, and in ``best``, where
priority leaves it open, the deepest discount first. The search goes through the offers in that order, once with and once without
each, and leaves a branch as soon as all that is still to come could not make up what it lacks; offers that share nothing are
searched apart.

Invariants:
    1. An exclusive offer applies alone or not at all; of one group one applies at most; none after one that is last.
    2. Where it says ``optimal``, no allowed set is better for the customer.
    3. The answer depends on the set of offers only, not on how they were handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple, TypeAlias, final

from loyaltycore._goods import ALL_GOODS
from loyaltycore._offer_bounds import Bounds, most_of
from loyaltycore._offer_kinds import AppliedOffer, Combines, Lane, Mode, Offer, Stacking, View
from loyaltycore._prices import Prices
from loyaltycore.benefits import (
    AmountOff,
    FreeShipping,
    Gift,
    PointsTimes,
    ShippingAmountOff,
    ShippingPercentOff,
    ShippingPrice,
    Spread,
    filters_of,
    singles,
)
from loyaltycore.conditions import Situation, unmet

__all__ = ["COMPETING_LIMIT", "STEPS_LIMIT", "Table", "choose", "turn_of", "worth_of"]

COMPETING_LIMIT: Final = 12
"""Competing offers up to which the best set is always found."""

STEPS_LIMIT: Final = 2 ** (COMPETING_LIMIT + 1)
"""Offers that the search for the best set tries, over all sets: enough to compare all sets of 12."""

_GATHERED_LIMIT: Final = 64
"""Offers from which a good set is gathered before the search: those that save most by themselves."""

_FEWEST_STEPS: Final = 256
_WORK_LIMIT: Final = 100_000
"""Of more than 12 competing offers fewer are tried where the basket is large: groups times steps stay below this."""

_Set: TypeAlias = tuple[AppliedOffer, ...]
_Worth: TypeAlias = tuple[int, int, int, int, int, int]
_Turn: TypeAlias = tuple[Any, ...]


class Table(NamedTuple):
    """What a choice is made of.

    Attributes:
        offers: Whose conditions hold at list prices, in the total order.
        situation: What conditions see.
        stacking: How offers meet.
        view: What was used, what is out of stock.
    """

    offers: Sequence[Offer]
    situation: Situation
    stacking: Stacking
    view: View

    def prices(self) -> Prices:
        """Give the prices before all offers."""
        shipping = self.situation.basket.shipping
        shipping_minor = None if shipping is None else shipping.minor_units
        return Prices(self.situation.goods, self.stacking, shipping_minor, gives_points=self.situation.gives_points)


def choose(table: Table) -> tuple[_Set, bool]:
    """Choose the offers that apply.

    Returns:
        What each gives, in the total order, and whether no allowed set is better in ``BEST``.
    """
    if not table.offers:
        return (), True
    if table.stacking.mode is Mode.BEST:
        return _best(table)
    for offer in table.offers:
        if offer.combines is Combines.ALONE:
            alone = _given(table, [offer])
            if alone:
                return alone, True
    return _given(table, [offer for offer in table.offers if offer.combines is not Combines.ALONE]), True


@final
class _Giving:
    """Offers given so far: their prices, and what stands in the way of the next."""

    __slots__ = ("applied", "groups", "is_over", "offers", "prices", "saved", "table")

    def __init__(self, table: Table) -> None:
        self.table, self.prices = table, table.prices()
        self.applied: list[AppliedOffer] = []
        self.offers: list[Offer] = []
        self.groups: frozenset[str] = frozenset()
        self.is_over = False
        self.saved = 0

    def copy(self) -> _Giving:
        """Give one that goes on apart from this."""
        twin = object.__new__(_Giving)
        twin.table, twin.prices = self.table, self.prices.copy()
        twin.applied, twin.offers = self.applied[:], self.offers[:]
        twin.groups, twin.is_over, twin.saved = self.groups, self.is_over, self.saved
        return twin

    def may(self, offer: Offer) -> bool:
        """Say whether what was given before allows an offer."""
        most = self.table.stacking.offers_at_most
        return (
            not self.is_over
            and (offer.group is None or offer.group not in self.groups)
            and (most is None or len(self.applied) < most)
            and not (offer.follows_others and unmet(offer.when, self.table.situation, left=self.prices.left()))
        )

    def add(self, offer: Offer) -> bool:
        """Give an offer; say whether it gave anything."""
        given = self.prices.give(offer, self.table.view)
        if given is None:
            return False
        self.applied.append(given)
        self.offers.append(offer)
        self.saved += given.discount_minor
        if offer.group is not None:
            self.groups |= {offer.group}
        self.is_over = offer.combines is Combines.LAST
        return True


def _given(table: Table, offers: Iterable[Offer]) -> _Set:
    """Give offers one after the other, each where those before it allow it."""
    giving = _Giving(table)
    for offer in offers:
        if giving.may(offer):
            giving.add(offer)
    return tuple(giving.applied)


def worth_of(applied: Iterable[AppliedOffer]) -> _Worth:
    """Give what a customer compares, more being better: money, unknown shipping, points, multiples of points, gifts, coupons."""
    money = unknown = points = times = gifts = coupons = 0
    for offer in applied:
        money += offer.discount_minor
        unknown += 2 * (offer.frees_shipping and offer.shipping_minor == 0) + offer.eases_shipping
        points += sum(bonus.points for bonus in offer.bonus)
        # Thousandths are enough to tell multiples of points apart, and add up exactly.
        times += sum(int(1000 * (one.times.factor - 1)) for one in offer.times)
        gifts += sum(gift.quantity for gift in offer.gifts)
        coupons += len(offer.coupons)
    return (money, unknown, points, times, gifts, coupons)


def _key(giving: _Giving) -> tuple[object, ...]:
    """Give the order of sets, the best being the lowest: worth, then fewer claims, fewer offers, priority, id."""
    claims = sum(1 for offer in giving.offers if offer.uses_something_up)
    worth = tuple(-part for part in worth_of(giving.applied))
    return (worth, claims, len(giving.offers), sorted(offer.rank for offer in giving.offers))


def _best(table: Table) -> tuple[_Set, bool]:
    """Find the best set: the best of those that combine, or one exclusive offer."""
    together = [offer for offer in table.offers if offer.combines is not Combines.ALONE]
    turns = {offer.offer_id: turn_of(table, offer) for offer in together}
    together.sort(key=lambda one: turns[one.offer_id])
    search = _Search(table, turns)
    giving, optimal = _Giving(table), True
    chosen = list[Offer]()
    for part in _apart(table, together):
        found, exact = search.best_of(sorted(part, key=lambda one: turns[one.offer_id]))
        chosen += found
        optimal = optimal and exact
    for offer in sorted(chosen, key=lambda one: turns[one.offer_id]):
        giving.add(offer)  # allowed apart, allowed together: they share nothing
    for offer in table.offers:
        if offer.combines is Combines.ALONE:
            alone = _Giving(table)
            if alone.may(offer) and alone.add(offer) and _key(alone) < _key(giving):
                giving = alone
    return tuple(giving.applied), optimal


def turn_of(table: Table, offer: Offer) -> _Turn:
    """Give an offer's place in the order in which a set is given: by lane and priority, then the deepest discount first.

    How deep it is, is what it takes off by itself, of the list prices of the units it takes something off. So a unit that two
    offers of one lane mean goes to the one that takes more off it, whatever their names.
    """
    prices = table.prices()
    alone, depth = prices.give(offer, table.view), Fraction(0)
    if alone is not None and alone.goods_minor:
        depth = Fraction(alone.goods_minor, prices.lowered_list_minor())
    lane, priority, *rest = offer.rank
    return (lane, priority, -depth, *rest)


@final
class _Search:
    """Goes through sets of offers that share something."""

    __slots__ = ("best", "best_key", "best_saved", "bounds", "limit", "offers", "steps", "table", "turns")

    def __init__(self, table: Table, turns: Mapping[str, _Turn]) -> None:
        self.table, self.turns, self.steps = table, turns, 0
        self.limit = STEPS_LIMIT
        if len(turns) > COMPETING_LIMIT:
            self.limit = min(STEPS_LIMIT, max(_FEWEST_STEPS, _WORK_LIMIT // max(1, len(table.situation.groups))))
        self.offers: Sequence[Offer] = ()
        self.bounds = Bounds((), table.situation.goods, 0)
        self.best, self.best_saved = _Giving(table), 0
        self.best_key = _key(self.best)

    def best_of(self, offers: Sequence[Offer]) -> tuple[list[Offer], bool]:
        """Find the best set of some offers, given in their order.

        Returns:
            The set, and whether all sets were compared.
        """
        goods, shipping = self.table.situation.goods, self.table.situation.basket.shipping
        shipping_minor = 0 if shipping is None else shipping.minor_units
        self.offers = [offer for offer in offers if most_of(offer, goods, shipping_minor) or self._may_give(offer)]
        self.bounds = Bounds(self.offers, goods, shipping_minor)
        # Good sets are the ones to beat, and the answer where no search is left.
        self.best, self.best_saved = _Giving(self.table), 0
        self.best_key = _key(self.best)
        self._compare(self._of(self.offers))
        self._gather()
        exact = self._go()
        return self.best.offers, exact

    def _of(self, offers: Iterable[Offer]) -> _Giving:
        """Give a set of offers in their order."""
        giving = _Giving(self.table)
        for offer in offers:
            if giving.may(offer):
                giving.add(offer)
        return giving

    def _gather(self) -> None:
        """Gather a set from the offers that save most by themselves, each where it makes the set better."""
        alone = [(self._of([offer]), offer) for offer in self.offers]
        chosen = list[Offer]()
        for giving, offer in sorted(alone, key=lambda one: (-one[0].saved, self.turns[one[1].offer_id]))[:_GATHERED_LIMIT]:
            self._compare(giving)
            together = self._of(sorted([*chosen, offer], key=lambda one: self.turns[one.offer_id]))
            if _key(together) <= self.best_key:
                self._compare(together)
                chosen.append(offer)

    def _may_give(self, offer: Offer) -> bool:
        """Say whether an offer that takes no money off may give something else.

        By itself; or a gift after another offer has used up the units of it, which cost nothing, in the basket.
        """
        is_gift = any(isinstance(single, Gift) for single in singles(offer.give))
        return is_gift or self.table.prices().give(offer, self.table.view) is not None

    def _go(self) -> bool:
        """Compare all sets, with an offer before without it; say whether that was possible."""
        ahead = [(_Giving(self.table), 0)]
        while ahead:
            giving, place = ahead.pop()
            if giving.saved + self.bounds.most(giving.prices, place, self.best_saved - giving.saved) < self.best_saved:
                continue
            if place == len(self.offers):
                self._compare(giving)
                continue
            offer, taken = self.offers[place], None
            if giving.may(offer):
                if self.steps >= self.limit:
                    self._compare(giving)
                    return False
                self.steps += 1
                taken = giving.copy()
            ahead.append((giving, place + 1))
            if taken is not None and taken.add(offer):
                ahead.append((taken, place + 1))
        return True

    def _compare(self, giving: _Giving) -> None:
        key = _key(giving)
        if key < self.best_key:
            self.best, self.best_key, self.best_saved = giving, key, giving.saved


def _apart(table: Table, offers: Sequence[Offer]) -> list[list[Offer]]:
    """Part the offers into those that share goods, shipping or a group; all are one where a rule spans all."""
    stacking = table.stacking
    spans_all = (
        stacking.discount_limit is not None
        or stacking.discount_share is not None
        or stacking.offers_at_most is not None
        or any(offer.follows_others or offer.combines is Combines.LAST for offer in offers)
    )
    if spans_all:
        return [list(offers)]
    parts = list[tuple[set[object], list[Offer]]]()
    for offer in offers:
        marks, own = _marks(table, offer), [offer]
        apart = list[tuple[set[object], list[Offer]]]()
        for other_marks, others in parts:
            if marks.isdisjoint(other_marks):
                apart.append((other_marks, others))
            else:
                marks |= other_marks
                own = [*others, *own]
        parts = [*apart, (marks, own)]
    return [part for _, part in parts]


def _marks(table: Table, offer: Offer) -> set[object]:
    """Name what an offer may share with others."""
    marks: set[object] = set() if offer.group is None else {offer.group}
    goods = table.situation.goods
    for single in singles(offer.give):
        match single:
            case Gift():
                marks |= goods.of(ALL_GOODS).place_set
            case FreeShipping() | ShippingPercentOff() | ShippingAmountOff() | ShippingPrice():
                marks.add(Lane.SHIPPING)
            case PointsTimes():
                pass
            case _:
                marks = marks.union(*[goods.of(only).place_set for only in filters_of(single)])
                if isinstance(single, AmountOff) and single.spread is Spread.GOODS_AND_SHIPPING:
                    marks.add(Lane.SHIPPING)
    return marks
