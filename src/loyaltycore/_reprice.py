"""What an applied offer needs of the goods that are kept, frozen at purchase for programs that price returns anew.

Only what speaks of goods is needed: nobody stops being a member, nor to have entered a code, by a return. Goods are counted at
list prices, so that no other offer's end brings down this one.

Invariants:
    1. An offer that stands is still earned by what is kept: what its condition counts, one whole set of what is bought together,
       the first rung of a ladder.
    2. Only what was met at purchase is a way to stand.
    3. At most 64 ways are kept, and which ones does not depend on the order in which conditions are written side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations
from typing import Final, NamedTuple, TypeAlias, assert_never, final

from loyaltycore.basket import Filter
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BundlePrice,
    BuyGet,
    FixedPrice,
    PercentOff,
    QuantityLadder,
    Reward,
    Several,
    SpendLadder,
)
from loyaltycore.conditions import (
    Across,
    AllOf,
    AnyOf,
    Base,
    Condition,
    Not,
    ProductsAtLeast,
    QuantityAtLeast,
    Situation,
    SpendAtLeast,
    unmet,
)
from loyaltycore.offers import Offer
from loyaltycore.orders import NeedOf, OfferNeed

__all__ = ["needs_of"]

_WAYS_LIMIT: Final = 64
"""Ways kept of one offer: conditions that multiply would fill an order with more than anybody reads."""

_PARTS_LIMIT: Final = 4
"""Parts of a set of which every few are looked at together: 15 are asked for at most, of ten parts it would be 1,023."""


class _All(NamedTuple):
    """All of these are needed; none asks for nothing."""

    parts: tuple[_Wants, ...]


class _Any(NamedTuple):
    """One of these is enough; none was never met."""

    parts: tuple[_Wants, ...]


_Wants: TypeAlias = "OfferNeed | _All | _Any"
_Way: TypeAlias = frozenset[int]
"""Needs that are met together, by their place."""

_NOTHING: Final = _All(())
_NEVER: Final = _Any(())


def needs_of(offer: Offer, situation: Situation) -> tuple[tuple[OfferNeed, ...], tuple[tuple[int, ...], ...]]:
    """Give what an applied offer needs, and the ways to meet it, each by the places of its needs.

    Args:
        offer: Of the book.
        situation: Under which it applied.

    Returns:
        Both empty where no goods decide. Of more than 64 ways those with the fewest needs.
    """
    wants = _All((_of_condition(offer.when, situation), _of_benefit(offer.give, situation)))
    known = sorted(set(_leaves(wants)), key=_key)
    ways = _Ways(known).of(wants)
    if not any(ways):
        return (), ()
    used = sorted(frozenset[int]().union(*ways))
    places = {place: new for new, place in enumerate(used)}
    return tuple([known[place] for place in used]), tuple(sorted(tuple(sorted(places[one] for one in way)) for way in ways))


def _key(need: OfferNeed) -> tuple[str, int, tuple[str, ...]]:
    return (need.of.value, need.at_least, need.lines)


def _leaves(wants: _Wants) -> Iterator[OfferNeed]:
    if isinstance(wants, OfferNeed):
        yield wants
    else:
        for part in wants.parts:
            yield from _leaves(part)


@final
class _Ways:
    """The ways to meet what is wanted, the least of them, with needs by their place in one order."""

    __slots__ = ("_places", "_weaker")

    def __init__(self, needs: Sequence[OfferNeed]) -> None:
        """Learn which needs ask for less of what others ask for.

        Args:
            needs: All there are, in the order of their keys.
        """
        self._places = {need: place for place, need in enumerate(needs)}
        self._weaker = list[_Way]()
        alike = dict[tuple[NeedOf, tuple[str, ...]], list[int]]()
        for place, need in enumerate(needs):
            before = alike.setdefault((need.of, need.lines), [])
            self._weaker.append(frozenset(before))
            before.append(place)

    def of(self, wants: _Wants) -> list[_Way]:
        """Give the ways, those with the fewest needs first; none where it was not met."""
        match wants:
            case OfferNeed():
                return [frozenset([self._places[wants]])]
            case _Any():
                return self._least(chain.from_iterable(self.of(part) for part in wants.parts))
            case _All():
                found = [_Way()]
                # In an order of their own: how a condition is written must not decide which ways are left out.
                for ways in sorted((self.of(part) for part in wants.parts), key=lambda ways: (len(ways), [*map(_order, ways)])):
                    found = self._least(one | other for one in found for other in ways)
                return found
            case _:
                assert_never(wants)

    def _least(self, ways: Iterable[_Way]) -> list[_Way]:
        """Leave out ways that ask for all that another does, and all beyond the limit.

        One that asks for no more than another has no more needs, and lower ones: it comes first.
        """
        found = list[_Way]()
        for way in sorted({self._tightest(way) for way in ways}, key=_order):
            met = way.union(*[self._weaker[place] for place in way])
            if not any(other <= met for other in found):
                found.append(way)
            if len(found) == _WAYS_LIMIT:
                break
        return found

    def _tightest(self, way: _Way) -> _Way:
        """Ask for the most of each thing, and not for less of it besides."""
        return way.difference(*[self._weaker[place] for place in way])


def _order(way: _Way) -> tuple[int, list[int]]:
    return (len(way), sorted(way))


def _of_condition(condition: Condition, situation: Situation, *, is_turned: bool = False) -> _Wants:
    """Give how a condition was met, or how it was not where it is turned around."""
    match condition:
        case Not():
            return _of_condition(condition.condition, situation, is_turned=not is_turned)
        case AllOf() | AnyOf():
            parts = tuple([_of_condition(part, situation, is_turned=is_turned) for part in condition.parts])
            # Not all of them is one of them not, and the other way round.
            return _All(parts) if isinstance(condition, AllOf) is not is_turned else _Any(parts)
        case SpendAtLeast(base=Base.RUNNING) if is_turned:
            return _NOTHING  # what the offers before had left is not known here
        case SpendAtLeast() | QuantityAtLeast() | ProductsAtLeast() if not is_turned:
            return _of_goods(condition, situation)
        case _:
            # Fewer goods never bring about what must not be.
            return _NEVER if bool(unmet(condition, situation)) is not is_turned else _NOTHING


def _of_goods(condition: SpendAtLeast | QuantityAtLeast | ProductsAtLeast, situation: Situation) -> _Wants:
    match condition:
        case SpendAtLeast():
            found = _counted(NeedOf.SPEND, condition.amount.minor_units, condition.of, situation)
        case QuantityAtLeast() if condition.across is Across.PRODUCT:
            return _one_of(_of_one_price(condition.units, condition.of, situation))
        case QuantityAtLeast():
            found = _counted(NeedOf.UNITS, condition.units, condition.of, situation)
        case ProductsAtLeast():
            found = _counted(NeedOf.PRODUCTS, condition.products, condition.of, situation)
        case _:
            assert_never(condition)
    return _NEVER if found is None else found


def _of_one_price(units: int, only: Filter, situation: Situation) -> Iterator[list[OfferNeed]]:
    """Ask for so many units of one product at one price, of any that had so many."""
    alike = dict[tuple[str, int], list[int]]()
    for place in situation.goods.of(only).places:
        group = situation.groups[place]
        alike.setdefault((group.product_id, group.unit_minor), []).append(place)
    for places in alike.values():
        yield from _set([(places, units)], situation)


def _of_benefit(give: Benefit, situation: Situation) -> _Wants:
    """Give what a benefit itself asks for: one set of what is bought together, the first rung of a ladder.

    One that was not reached at purchase gave nothing, and asks for nothing.
    """
    match give:
        case Several():
            return _All(tuple([_of_benefit(single, situation) for single in give.benefits]))
        case SpendLadder():
            found = _counted(NeedOf.SPEND, give.rungs[0][0].minor_units, give.of, situation)
        case QuantityLadder():
            found = _counted(NeedOf.UNITS, give.rungs[0][0], give.of, situation)
        case BuyGet() if give.reward is Reward.SAME:
            products = list(_of_one_product(give, situation))
            return _one_of(products) if products else _NOTHING
        case BuyGet():
            return _of_set([(give.buy.of, give.buy.units), (give.get.of, give.get.units)], situation)
        case BundlePrice():
            return _of_set([(part.of, part.units) for part in give.parts], situation)
        case PercentOff() | AmountOff() | FixedPrice():
            # Of one unit nothing need be said: where none that is meant is kept, nothing was taken off what is.
            units = give.units.skip + (give.units.sets_of - 1) * give.units.every + 1
            found = _counted(NeedOf.UNITS, units, give.goods, situation) if units > 1 else None
        case _:
            return _NOTHING
    return _NOTHING if found is None else found


def _of_one_product(give: BuyGet, situation: Situation) -> Iterator[list[OfferNeed]]:
    """Ask for one set of one product, at whatever prices, of any that had one."""
    by_product = dict[str, tuple[list[int], list[int]]]()
    for which, only in enumerate((give.buy.of, give.get.of)):
        for place in situation.goods.of(only).places:
            by_product.setdefault(situation.groups[place].product_id, ([], []))[which].append(place)
    for buys, gets in by_product.values():
        yield from _set(_merged([(tuple(buys), give.buy.units), (tuple(gets), give.get.units)]), situation)


def _of_set(parts: Iterable[tuple[Filter, int]], situation: Situation) -> _Wants:
    """Ask for the units of one set."""
    found = list(_set(_merged([(situation.goods.of(of).places, units) for of, units in parts]), situation))
    return _All(tuple(found[0])) if found else _NOTHING


def _merged(parts: Iterable[tuple[tuple[int, ...], int]]) -> list[tuple[tuple[int, ...], int]]:
    """Put parts of the same goods together."""
    units = dict[tuple[int, ...], int]()
    for places, count in parts:
        units[places] = units.get(places, 0) + count
    return list(units.items())


def _set(parts: Sequence[tuple[Sequence[int], int]], situation: Situation) -> Iterator[list[OfferNeed]]:
    """Ask for the units of one set, as groups by place, where they were there.

    Some units make a set where every few of its parts find as many units as they ask for together, in whatever they mean.
    """
    sizes = range(1, len(parts) + 1) if len(parts) <= _PARTS_LIMIT else (1, len(parts))
    found = list[OfferNeed]()
    for few in chain.from_iterable(combinations(parts, size) for size in sizes):
        places = sorted(set(chain.from_iterable(places for places, _ in few)))
        needed = sum(units for _, units in few)
        if sum(situation.groups[place].quantity for place in places) < needed:
            return
        # Where the parts have no goods in common, what each asks for says it all.
        if len(few) == 1 or len(places) < sum(len(places) for places, _ in few):
            found.append(_need(NeedOf.UNITS, needed, places, situation))
    yield found


def _one_of(sets: Iterable[list[OfferNeed]]) -> _Any:
    """Ask for one of several sets, none of which has goods in common with another."""
    in_order = sorted([sorted(needs, key=_key) for needs in sets], key=lambda needs: (len(needs), [*map(_key, needs)]))
    return _Any(tuple([_All(tuple(needs)) for needs in in_order[:_WAYS_LIMIT]]))


def _counted(of: NeedOf, at_least: int, only: Filter, situation: Situation) -> OfferNeed | None:
    """Ask for so much of some goods, where there was so much."""
    matching = situation.goods.of(only)
    found = {NeedOf.SPEND: matching.list_minor, NeedOf.UNITS: matching.units, NeedOf.PRODUCTS: matching.products}[of]
    return _need(of, at_least, matching.places, situation) if found >= at_least > 0 else None


def _need(of: NeedOf, at_least: int, places: Sequence[int], situation: Situation) -> OfferNeed:
    """Name the lines of some groups; nothing for all lines of the basket."""
    if len(places) == len(situation.groups):
        return OfferNeed(of=of, at_least=at_least)
    lines = sorted(units.line_id for place in places for units in situation.groups[place].lines)
    return OfferNeed(of=of, at_least=at_least, lines=tuple(lines))
