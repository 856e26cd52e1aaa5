"""Nudges: how little more gets a reward.

A nudge is found from what an offer lacks, and shown only after it was tried: the basket is quoted with a probe of exactly that
more, with the offer and without it, and again with one minor unit, or one unit, less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias, assert_never, final

import attrs

from loyaltycore._goods import ALL_GOODS
from loyaltycore._offer_kinds import AppliedOffer, Offer, View
from loyaltycore._rewards import nudge_text
from loyaltycore.basket import Basket, Filter, Line, PriceState, UnitGroup
from loyaltycore.benefits import (
    Benefit,
    BundlePrice,
    BuyGet,
    QuantityLadder,
    SpendLadder,
    singles,
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
from loyaltycore.errors import Accepted, Reason, Refused, UsageError
from loyaltycore.messages import Language
from loyaltycore.quantities import Money

__all__ = ["NUDGES_LIMIT", "Nudge", "NudgeOrder", "find_nudges"]

NUDGES_LIMIT: Final = 10
"""Nudges of one quote: nobody reads more."""

TRIED_LIMIT: Final = 60
"""Offers that are tried for the nudges of one quote, nearest first."""

_GROWING: Final = frozenset({Reason.BASKET_BELOW_THRESHOLD, Reason.QUANTITY_BELOW_THRESHOLD, Reason.PRODUCTS_BELOW_THRESHOLD})
"""What more goods can mend."""

DOUBLINGS_LIMIT: Final = 6
"""How often what is missing is doubled where it is not enough: offers seldom take off more."""

_PROBE: Final = "~probe"
"""Names the lines of a probe; a shop's own line of that name is given another number."""


class NudgeOrder(StrEnum):
    """Which nudges come first: those with the least to add, or those that save the most."""

    NEAREST = "nearest"
    WORTH = "worth"


@final
@attrs.frozen(kw_only=True)
class Nudge:
    """How little more gets a reward: an amount of goods, a number of units, or a number of other products.

    Attributes:
        offer_id: The offer that would apply.
        give: What it would give: of a ladder, the benefit of the next rung.
        discount_limit: What the offer takes off at most; ``None`` where nothing limits it.
        of: The goods to add; where units are to be of one product, the one of which the basket holds most at one price.
        across: Whether the units to add are to be of one product at one price: any that ``of`` means, where it names none.
        missing: The exact amount of goods to add; ``None`` where units or products are counted.
        missing_units: The exact number of units to add; ``None`` where they are not counted.
        missing_products: The exact number of other products to add; ``None`` where they are not counted.
        gain_minor: What the offer saves on the basket with that added, in minor units; 0 where it gives points or gifts.
        currency: Of the gain.
    """

    offer_id: str
    give: Benefit
    discount_limit: Money | None = None
    of: Filter = ALL_GOODS
    across: Across = Across.BASKET
    missing: Money | None = None
    missing_units: int | None = None
    missing_products: int | None = None
    gain_minor: int = 0
    currency: str

    def text(self, language: Language = "en") -> str:
        """Say it to a shopper.

        Args:
            language: ``"en"``, ``"fr"`` or a catalogue of another language.
        """
        return nudge_text(self, language)


class _Book(Protocol):
    """What finding needs of a book of offers."""

    @property
    def offers(self) -> tuple[Offer, ...]: ...

    def situation(self, basket: Basket, *, at: datetime) -> Situation: ...

    def evaluate(self, situation: Situation, *, view: View, without: frozenset[str] = ...) -> _Answer: ...


class _Answer(Protocol):
    """What finding needs of an evaluation."""

    @property
    def worth(self) -> tuple[int, ...]: ...

    def left_before(self, offer: Offer) -> list[int]: ...

    def verdict(self, offer_id: str) -> Accepted[AppliedOffer] | Refused: ...


_Measure: TypeAlias = Literal["minor", "units", "products"]


class _Lack(NamedTuple):
    """What one part of an offer lacks."""

    measure: _Measure
    missing: int
    of: Filter
    across: Across = Across.BASKET


@final
@attrs.frozen
class _Lead:
    """An offer that may be near: what to add, and what it would give."""

    offer: Offer
    give: Benefit
    lack: _Lack
    now_minor: int

    @property
    def distance(self) -> tuple[bool, int, str]:
        """Amounts before numbers, the least first."""
        return (self.lack.measure != "minor", self.lack.missing, self.offer.offer_id)


def find_nudges(book: _Book, situation: Situation, view: View, order: NudgeOrder) -> tuple[Nudge, ...]:
    """List what is only a little away, each verified; at most ``NUDGES_LIMIT``.

    Complexity:
        O(offers) to find those that could be near, and a few quotes for each that is tried.
    """
    now = book.evaluate(situation, view=view)
    leads = [lead for offer in book.offers for lead in _leads(offer, situation, view, now)]
    found = list[Nudge]()
    for lead in sorted(leads, key=lambda lead: lead.distance)[:TRIED_LIMIT]:
        nudge = _verified(book, lead, situation, view)
        if nudge is not None:
            found.append(nudge)
        if len(found) == NUDGES_LIMIT:
            break
    if order is NudgeOrder.WORTH:
        found.sort(key=lambda nudge: (-nudge.gain_minor, nudge.offer_id))
    return tuple(found)


def _leads(offer: Offer, situation: Situation, view: View, now: _Answer) -> Iterator[_Lead]:
    """Give what would make an offer apply, or a ladder reach its next rung."""
    left = now.left_before(offer) if offer.follows_others else None
    refusals = offer.refusals(situation, view.used_of(offer.offer_id), left=left)
    if any(refusal.reason not in _GROWING for refusal in refusals):
        return
    if refusals:
        lack = _together(_lacks(offer.when, situation, left))
        if lack is not None:
            yield _Lead(offer, _at_first(offer.give), lack, now.worth[0])
        return
    rung = _next_rung(offer.give, situation)
    if rung is not None:
        yield _Lead(offer, *rung, now.worth[0])
    applies = isinstance(now.verdict(offer.offer_id), Accepted)
    for single in () if applies else singles(offer.give):
        if isinstance(single, BuyGet | BundlePrice):
            short = _short(single, situation)
            if short is not None:
                yield _Lead(offer, offer.give, short, now.worth[0])


def _at_first(give: Benefit) -> Benefit:
    """Give a ladder's first benefit, or the benefit itself."""
    return give.rungs[0][1] if isinstance(give, SpendLadder | QuantityLadder) else give


def _lacks(condition: Condition, situation: Situation, left: list[int] | None) -> list[_Lack] | None:
    """List what more goods must bring for a condition to hold; ``None`` where they cannot."""
    match condition:
        case AllOf():
            found = [_lacks(part, situation, left) for part in condition.parts]
            return None if None in found else [lack for lacks in found for lack in lacks or ()]
        case AnyOf():
            ways = [lacks for part in condition.parts if (lacks := _lacks(part, situation, left)) is not None]
            return min(ways, default=None, key=lambda lacks: (len(lacks), sum(lack.missing for lack in lacks)))
        case Not():
            return None if unmet(condition, situation, left=left) else []
        case _:
            refusals = unmet(condition, situation, left=left)
            return [_lack(condition, refusals[0].details)] if refusals and _grows(condition) else None if refusals else []


def _grows(condition: Condition) -> bool:
    return isinstance(condition, SpendAtLeast | QuantityAtLeast | ProductsAtLeast)


def _lack(condition: Condition, details: object) -> _Lack:
    match condition:
        case SpendAtLeast():
            return _Lack("minor", _missing(details, "missing_minor"), condition.of)
        case QuantityAtLeast():
            return _Lack("units", _missing(details, "missing_units"), condition.of, condition.across)
        case _:
            assert isinstance(condition, ProductsAtLeast)  # nothing else grows
            return _Lack("products", _missing(details, "missing_products"), condition.of)


def _missing(details: object, name: str) -> int:
    missing = details[name]  # type: ignore[index]  # the details of a refusal
    assert isinstance(missing, int)  # what a threshold puts there
    return missing


def _together(lacks: list[_Lack] | None) -> _Lack | None:
    """Make one lack of several: one line can bring an amount, one unit and one product at once."""
    assert lacks  # refusals that all grow lack something
    first = max(lacks, key=lambda lack: (lack.measure == "minor", lack.missing))
    for lack in lacks:
        one_line = lack.measure == first.measure or lack.missing == 1
        if not one_line or (lack.of != first.of and not lack.of.is_open and not first.of.is_open):
            return None
    narrowest = next((lack.of for lack in lacks if not lack.of.is_open), ALL_GOODS)
    return first._replace(of=narrowest)


def _next_rung(give: Benefit, situation: Situation) -> tuple[Benefit, _Lack] | None:
    """Give the rung above the one that is reached, and what it takes."""
    match give:
        case SpendLadder():
            spent = situation.goods.of(give.of).list_minor
            above = [(start.minor_units, one) for start, one in give.rungs if start.minor_units > spent]
            return None if not above else (above[0][1], _Lack("minor", above[0][0] - spent, give.of))
        case QuantityLadder():
            units = situation.goods.of(give.of).units
            higher = [(start, one) for start, one in give.rungs if start > units]
            return None if not higher else (higher[0][1], _Lack("units", higher[0][0] - units, give.of))
        case _:
            return None


def _short(give: BuyGet | BundlePrice, situation: Situation) -> _Lack | None:
    """Say how many units a first set lacks, where only one of its parts does, or all of them together."""
    parts = list(give.parts) if isinstance(give, BundlePrice) else [give.buy, give.get]
    goods = situation.goods
    missing = [(part.units - goods.of(part.of).units, part.of) for part in parts]
    short = [(units, of) for units, of in missing if units > 0]
    if len(short) > 1 and len({of for _, of in short}) > 1:
        return None
    places = {place for part in parts for place in goods.of(part.of).places}
    in_all = sum(part.units for part in parts) - sum(situation.groups[place].quantity for place in places)
    if in_all <= 0 and not short:
        return None
    # What is short of one part; or of all, which the goods of the widest part may bring.
    widest = max(parts, key=lambda part: (goods.of(part.of).units, part.of.is_open)).of
    return _Lack("units", max(in_all, max((units for units, _ in short), default=0)), short[0][1] if short else widest)


def _verified(book: _Book, lead: _Lead, situation: Situation, view: View) -> Nudge | None:
    """Try a lead: with exactly so much more it must pay, with one less it must not."""
    lack = _of_one(lead.lack, situation) if lead.lack.across is Across.PRODUCT else lead.lack
    if lack.measure == "minor" and lack.of.price_from is not None:
        lack = lack._replace(missing=max(lack.missing, lack.of.price_from.minor_units))
    if lead.offer.follows_others and lack.measure == "minor":
        # What is added is reduced too, by the offers before: how much it takes is tried out.
        lack = _least(book, lead, lack, situation, view)
    gain = _gain(book, lead, lack, situation, view)
    if gain is None:
        return None
    less = lack._replace(missing=lack.missing - 1)
    if less.missing and _gain(book, lead, less, situation, view) is not None:
        return None
    currency = situation.basket.currency
    # What is saved on goods of which the basket has none depends on a price that nobody has said yet.
    has_price = lack.measure == "minor" or situation.goods.of(lack.of).places
    return Nudge(
        offer_id=lead.offer.offer_id,
        give=lead.give,
        discount_limit=lead.offer.discount_limit,
        of=lack.of,
        across=lack.across,
        missing=Money(lack.missing, currency) if lack.measure == "minor" else None,
        missing_units=lack.missing if lack.measure == "units" else None,
        missing_products=lack.missing if lack.measure == "products" else None,
        gain_minor=gain if has_price else 0,
        currency=currency,
    )


def _of_one(lack: _Lack, situation: Situation) -> _Lack:
    """Name the product that units are to be of, and its price where it has several; any will do where there is none yet."""
    most = _most_of(lack, situation)
    if most is None:
        return lack
    of = Filter(products=[most.product_id])
    if not situation.goods.of(of).place_set <= situation.goods.of(lack.of).place_set:
        of = attrs.evolve(lack.of, products=[most.product_id])
    if len({situation.groups[place].unit_minor for place in situation.goods.of(of).places}) > 1:
        price = Money(most.unit_minor, situation.basket.currency)
        of = attrs.evolve(of, price_from=price, price_to=price)
    return lack._replace(of=of)


def _least(book: _Book, lead: _Lead, lack: _Lack, situation: Situation, view: View) -> _Lack:
    """Find the least amount that pays, where what is missing now may not be enough."""

    def pays(minor: int) -> bool:
        more = lack._replace(missing=minor)
        return _gain(book, lead, more, situation, view) is not None

    high = lack.missing
    for _ in range(DOUBLINGS_LIMIT):
        if pays(high):
            break
        high *= 2
    low = lack.missing
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if pays(middle) else (middle + 1, high)
    return lack._replace(missing=high)


def _gain(book: _Book, lead: _Lead, lack: _Lack, situation: Situation, view: View) -> int | None:
    """Give what the offer saves on the basket with a probe; ``None`` where it is not applied or not worth it.

    Nor where a limit cuts what it gives, nor where all offers together then save less than they do now. Of a ladder, only the
    rung it leads to counts.
    """
    try:
        basket = attrs.evolve(situation.basket, lines=[*situation.basket.lines, *_probe(lack, situation)])
    except UsageError:
        return None  # more than any basket holds
    probed = attrs.evolve(situation, basket=basket, groups=book.situation(basket, at=situation.at).groups)
    if isinstance(lead.offer.give, SpendLadder | QuantityLadder) and lead.give is not _rung_of(lead.offer.give, probed):
        return None
    offer_id = lead.offer.offer_id
    beside = book.evaluate(probed, view=view)
    verdict = beside.verdict(offer_id)
    if isinstance(verdict, Refused) or _is_cut(verdict.value, lead.offer) or beside.worth[0] < lead.now_minor:
        return None
    without = book.evaluate(probed, view=view, without=frozenset({offer_id}))
    return beside.worth[0] - without.worth[0] if beside.worth > without.worth else None


def _is_cut(applied: AppliedOffer, offer: Offer) -> bool:
    """Say whether an offer gives less than it says: not where it says itself how much it takes off at most."""
    own = offer.discount_limit
    return applied.cut_minor > 0 and (own is None or applied.discount_minor < own.minor_units)


def _rung_of(give: SpendLadder | QuantityLadder, situation: Situation) -> Benefit | None:
    matching = situation.goods.of(give.of)
    return give.at(matching.list_minor) if isinstance(give, SpendLadder) else give.at(matching.units)


def _probe(lack: _Lack, situation: Situation) -> list[Line]:
    """Make the lines that bring what is lacking, with just the labels the filter asks for."""
    taken = {line.line_id for line in situation.basket.lines}
    names = (name for number in range(len(taken) + lack.missing + 1) if (name := f"{_PROBE}-{number}") not in taken)
    match lack.measure:
        case "minor":
            return [_probe_line(next(names), lack.of, lack.missing, 1, situation)]
        case "units":
            most = _most_of(lack, situation) if lack.across is Across.PRODUCT else None
            if most is not None:
                return [_again(next(names), most, lack.missing, situation)]
            return [_probe_line(next(names), lack.of, _unit_minor(lack.of, situation), lack.missing, situation)]
        case "products":
            minor, held = _unit_minor(lack.of, situation), {group.product_id for group in situation.groups}
            products = iter(sorted(lack.of.products - lack.of.exclude_products - held))
            lines = [_probe_line(next(names), lack.of, minor, 1, situation) for _ in range(lack.missing)]
            if not lack.of.products:
                return lines
            return [attrs.evolve(line, product_id=product) for line, product in zip(lines, products, strict=False)]
    assert_never(lack.measure)


def _probe_line(name: str, of: Filter, minor: int, quantity: int, situation: Situation) -> Line:
    currency = situation.basket.currency
    return Line(
        name,
        Money(minor, currency),
        quantity,
        product_id=min(of.products - of.exclude_products, default=name),
        categories=[min(of.categories)] if of.categories else (),
        tags=[min(of.tags)] if of.tags else (),
        brand=min(of.brands, default=None),
        regular_price=Money(minor + 1, currency) if of.price is PriceState.REDUCED else None,
    )


def _unit_minor(of: Filter, situation: Situation) -> int:
    """Give a price that a unit to add may have: that of the cheapest such goods in the basket, or else of its dearest goods."""
    groups = situation.groups
    like = [groups[place].unit_minor for place in situation.goods.of(of).places]
    minor = min(like) if like else max([group.unit_minor for group in groups], default=0)
    low = 1 if of.price_from is None else of.price_from.minor_units
    high = max(low, minor) if of.price_to is None else of.price_to.minor_units
    return min(max(minor, low), high)


def _most_of(lack: _Lack, situation: Situation) -> UnitGroup | None:
    """Give the largest group of the product, at one price, of which there are most units of what is lacking."""
    groups = [situation.groups[place] for place in situation.goods.of(lack.of).places]
    alike = Counter[tuple[str, int]]()
    for group in groups:
        alike[group.product_id, group.unit_minor] += group.quantity
    return max(groups, default=None, key=lambda group: (alike[group.product_id, group.unit_minor], group.quantity))


def _again(name: str, group: UnitGroup, quantity: int, situation: Situation) -> Line:
    """Make a line of more units of a group."""
    currency = situation.basket.currency
    return Line(
        name,
        Money(group.unit_minor, currency),
        quantity,
        product_id=group.product_id,
        categories=group.categories,
        tags=group.tags,
        brand=group.brand,
        regular_price=None if group.regular_minor is None else Money(group.regular_minor, currency),
        floor_price=Money(group.floor_minor, currency) if group.floor_minor else None,
    )
