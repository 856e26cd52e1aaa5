"""What an applied offer needs of the goods that are kept, frozen at purchase for programs that price returns anew.

Only what speaks of goods is needed: nobody stops being a member, nor to have entered a code, by a return. Goods are counted at
list prices, so that no other offer's end brings down this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import TypeAlias, assert_never

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

_Way: TypeAlias = frozenset[OfferNeed]
_NOTHING: _Way = frozenset()


def needs_of(offer: Offer, situation: Situation) -> tuple[tuple[OfferNeed, ...], tuple[tuple[int, ...], ...]]:
    """Give what an applied offer needs, and the ways to meet it, each by the places of its needs.

    Args:
        offer: Of the book.
        situation: Under which it applied.

    Returns:
        Both empty where no goods decide.
    """
    ways = _least(_together([list(_of_condition(offer.when, situation)), list(_of_benefit(offer.give, situation))]))
    if _NOTHING in ways:
        return (), ()
    needs = sorted({need for way in ways for need in way}, key=_key)
    places = {need: place for place, need in enumerate(needs)}
    return tuple(needs), tuple(sorted(tuple(sorted(places[need] for need in way)) for way in ways))


def _key(need: OfferNeed) -> tuple[str, int, tuple[str, ...]]:
    return (need.of.value, need.at_least, need.lines)


def _together(parts: Iterable[Sequence[_Way]]) -> list[_Way]:
    """Give the ways that meet every part: one way of each. A part that nothing met asks for nothing."""
    return [_tightest(frozenset().union(*some)) for some in product(*[ways or [_NOTHING] for ways in parts])]


def _tightest(way: _Way) -> _Way:
    """Ask for the most of each thing, and not for less of it besides."""
    return frozenset([need for need in way if not any(_asks_no_more(need, other) for other in way if other != need)])


def _least(ways: Iterable[_Way]) -> set[_Way]:
    """Leave out ways that ask for all that another does, and more."""
    found = set(ways)
    return {way for way in found if not any(_is_easier(other, way) for other in found if other != way)}


def _is_easier(way: _Way, other: _Way) -> bool:
    return all(any(_asks_no_more(need, harder) for harder in other) for need in way)


def _asks_no_more(need: OfferNeed, other: OfferNeed) -> bool:
    return need.of is other.of and need.lines == other.lines and need.at_least <= other.at_least


def _of_condition(condition: Condition, situation: Situation) -> Iterator[_Way]:
    """Give the ways in which a condition was met; none where it was not."""
    match condition:
        case AllOf():
            parts = [_least(_of_condition(part, situation)) for part in condition.parts]
            if all(parts):
                yield from _together([sorted(ways, key=lambda way: sorted(map(_key, way))) for ways in parts])
        case AnyOf():
            for part in condition.parts:
                yield from _of_condition(part, situation)
        case SpendAtLeast() | QuantityAtLeast() | ProductsAtLeast():
            yield from _of_goods(condition, situation)
        case Not():
            yield _NOTHING  # fewer goods never bring about what must not be
        case _:
            if not unmet(condition, situation):
                yield _NOTHING


def _of_goods(condition: SpendAtLeast | QuantityAtLeast | ProductsAtLeast, situation: Situation) -> Iterator[_Way]:
    match condition:
        case SpendAtLeast():
            yield from _counted(NeedOf.SPEND, condition.amount.minor_units, condition.of, situation)
        case QuantityAtLeast() if condition.across is Across.PRODUCT:
            yield from _of_one_product(condition.units, condition.of, situation)
        case QuantityAtLeast():
            yield from _counted(NeedOf.UNITS, condition.units, condition.of, situation)
        case ProductsAtLeast():
            yield from _counted(NeedOf.PRODUCTS, condition.products, condition.of, situation)
        case _:
            assert_never(condition)


def _of_benefit(give: Benefit, situation: Situation) -> Iterator[_Way]:
    """Give what a benefit itself asks for: one set of what is bought together, the first rung of a ladder."""
    match give:
        case Several():
            for single in give.benefits:
                found = list(_of_benefit(single, situation))
                yield from found or [_NOTHING]
        case SpendLadder():
            yield from _counted(NeedOf.SPEND, give.rungs[0][0].minor_units, give.of, situation)
        case QuantityLadder():
            yield from _counted(NeedOf.UNITS, give.rungs[0][0], give.of, situation)
        case BuyGet() if give.reward is Reward.SAME:
            yield from _of_one_product(give.buy.units + give.get.units, give.buy.of, situation)
        case BuyGet():
            yield from _sets([(give.buy.of, give.buy.units), (give.get.of, give.get.units)], situation)
        case BundlePrice():
            yield from _sets([(part.of, part.units) for part in give.parts], situation)
        case PercentOff() | AmountOff() | FixedPrice():
            # Of one unit nothing need be said: where none that is meant is kept, nothing was taken off what is.
            units = give.units.skip + (give.units.sets_of - 1) * give.units.every + 1
            yield from _counted(NeedOf.UNITS, units, give.goods, situation) if units > 1 else ()
        case _:
            pass


def _sets(parts: Iterable[tuple[Filter, int]], situation: Situation) -> Iterator[_Way]:
    """Ask for the units of one set, those of equal goods together."""
    units = dict[Filter, int]()
    for of, count in parts:
        units[of] = units.get(of, 0) + count
    yield from _together([list(_counted(NeedOf.UNITS, count, of, situation)) for of, count in units.items()])


def _counted(of: NeedOf, at_least: int, only: Filter, situation: Situation) -> Iterator[_Way]:
    """Ask for so much of some goods, where there was so much."""
    matching = situation.goods.of(only)
    found = {NeedOf.SPEND: matching.list_minor, NeedOf.UNITS: matching.units, NeedOf.PRODUCTS: matching.products}[of]
    if found >= at_least > 0:
        yield frozenset([OfferNeed(of=of, at_least=at_least, lines=_lines(matching.places, situation))])


def _of_one_product(units: int, only: Filter, situation: Situation) -> Iterator[_Way]:
    """Ask for so many units of one product at one price, of any that had so many."""
    for place in situation.goods.of(only).places:
        if situation.groups[place].quantity >= units:
            yield frozenset([OfferNeed(of=NeedOf.UNITS, at_least=units, lines=_lines([place], situation))])


def _lines(places: Sequence[int], situation: Situation) -> tuple[str, ...]:
    """Name the lines of some groups; nothing for all lines of the basket."""
    if len(places) == len(situation.groups):
        return ()
    return tuple(sorted(units.line_id for place in places for units in situation.groups[place].lines))
