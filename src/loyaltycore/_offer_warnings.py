"""What a person should know of a book of offers before it meets a shopper: names that decide, and offers that cannot apply.

Invariants:
    1. An offer that is said never to apply is applied to no basket, from the start of the program on.
    2. An offer that is said to stand behind another applies only where that one takes nothing, or gives nothing.
    3. The order in which offers were handed in does not decide what is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, final

import attrs

from loyaltycore._offer_kinds import Combines, Lane, Mode, Offer, Stacking
from loyaltycore.basket import Filter, PriceState
from loyaltycore.benefits import (
    SHIPPING_BENEFITS,
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    Fill,
    FixedPrice,
    Gift,
    NextCoupon,
    PercentOff,
    PointsTimes,
    QuantityLadder,
    Several,
    Single,
    SpendLadder,
    filters_of,
    singles,
)
from loyaltycore.conditions import (
    AllOf,
    AnyOf,
    Base,
    CodePresented,
    Condition,
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
from loyaltycore.periods import Window

__all__ = ["OfferWarning", "WarningKind", "warnings_of"]

_SHOWN: Final = 3
"""Offers named in one sentence; all of them are in ``offer_ids``."""

_COMPARED: Final = 32
"""Offers that may meet are compared one with another up to so many; where more hang together all of them are named."""


class WarningKind(StrEnum):
    """What is odd.

    ``NEVER_APPLIES``: no basket gets the offer. ``SHADOWED``: it applies only where another gives nothing, and that one is
    for everybody and goes first. ``ORDER_MATTERS``: the result depends on who goes first, and only the ids say who does.
    """

    NEVER_APPLIES = "never_applies"
    SHADOWED = "shadowed"
    ORDER_MATTERS = "order_matters"


@final
@attrs.frozen(kw_only=True)
class OfferWarning:
    """One thing to look at in a book of offers; the program works all the same.

    Attributes:
        kind: What is odd.
        offer_ids: The offers meant, in their total order.
        because: Why, as the end of a sentence.
    """

    kind: WarningKind
    offer_ids: tuple[str, ...]
    because: str

    @property
    def text(self) -> str:
        """Say it in one sentence."""
        several = len(self.offer_ids) > 1
        names = ", ".join(self.offer_ids[:_SHOWN])
        more = f" and {len(self.offer_ids) - _SHOWN} more" if len(self.offer_ids) > _SHOWN else ""
        who = f"offer{'s' if several else ''} {names}{more}"
        match self.kind:
            case WarningKind.NEVER_APPLIES:
                return f"{who} can never apply: {self.because}"
            case WarningKind.SHADOWED:
                return f"{who} can apply only where another gives nothing: {self.because}"
            case _:
                return f"{who} have the same lane and priority, so that their ids decide: {self.because}; give them priorities"


class _Book(Protocol):
    """What is asked of a book of offers."""

    @property
    def offers(self) -> tuple[Offer, ...]: ...

    @property
    def stacking(self) -> Stacking: ...


def warnings_of(book: _Book, *, tiers: frozenset[str] | None, starts_at: datetime | None) -> tuple[OfferWarning, ...]:
    """List what a person should know of a book.

    Args:
        book: The offers and how they meet.
        tiers: The tiers there are; ``None`` where they are not known.
        starts_at: When the program starts; ``None`` where it always ran.

    Returns:
        By kind, then by the first offer named. Offers of which the same is true are named together.

    Complexity:
        O(n log n) for n offers, besides the labels of their filters.
    """
    terms = _Terms(book.stacking, tiers, starts_at)
    never, left = defaultdict[str, list[Offer]](list), list[Offer]()
    for offer in book.offers:
        why = _never(offer, terms)
        if why is None:
            left.append(offer)
        else:
            never[why].append(offer)
    shadowed = defaultdict[tuple[WarningKind, str], list[Offer]](list)
    for offer, kind, why in _shadowed(left, terms):
        shadowed[kind, why].append(offer)
    found = [
        *((WarningKind.NEVER_APPLIES, why, offers) for why, offers in never.items()),
        *((kind, why, offers) for (kind, why), offers in shadowed.items()),
        *((WarningKind.ORDER_MATTERS, why, offers) for why, offers in _unordered(left, terms)),
    ]
    kinds = list(WarningKind)
    found.sort(key=lambda one: (kinds.index(one[0]), one[2][0].rank, one[1]))
    return tuple(OfferWarning(kind=kind, offer_ids=tuple(o.offer_id for o in offers), because=why) for kind, why, offers in found)


class _Terms(NamedTuple):
    """What offers stand in.

    Attributes:
        stacking: How they meet.
        tiers: The tiers there are; ``None`` where not known.
        starts_at: When the program starts.
    """

    stacking: Stacking
    tiers: frozenset[str] | None
    starts_at: datetime | None


# Offers that can never apply.

_Literal: TypeAlias = tuple[Condition, bool]
"""A condition that must hold, or must not."""


def _never(offer: Offer, terms: _Terms) -> str | None:
    """Say why no basket gets an offer; ``None`` where some may."""
    asked: list[_Literal] = [(offer.when, True)]
    if offer.window is not None:
        asked.append((During(window=offer.window), True))
    return _clash(asked, (), terms) or _gives_nothing(offer.give, terms.stacking.exclude_tags)


def _clash(asked: Sequence[_Literal], known: Sequence[_Literal], terms: _Terms) -> str | None:
    """Say why these cannot hold together with those that are known."""
    singly, ways = list(known), list[list[_Literal]]()
    for literal in asked:
        _part(literal, singly, ways)
    must = [condition for condition, holds in singly if holds]
    must_not = [condition for condition, holds in singly if not holds]
    for rule in _CLASHES:
        found = rule(must, must_not, terms)
        if found is not None:
            return found
    for way in ways:
        clashes = [_clash([one], singly, terms) for one in way]
        if None not in clashes:
            return clashes[0] if clashes else "it forbids what always holds"
    return None


def _part(literal: _Literal, singly: list[_Literal], ways: list[list[_Literal]]) -> None:
    """Take a condition apart: what must hold, or not, and ways of which one is enough."""
    condition, holds = literal
    match condition:
        case Not():
            _part((condition.condition, not holds), singly, ways)
        case AllOf() | AnyOf() if isinstance(condition, AllOf) is holds:
            for part in condition.parts:
                _part((part, holds), singly, ways)
        case AllOf() | AnyOf():
            ways.append([(part, holds) for part in condition.parts])
        case _:
            singly.append(literal)


def _known_by(condition: Condition) -> object:
    return condition.folded if isinstance(condition, CodePresented) else condition


def _asked_and_forbidden(must: Sequence[Condition], must_not: Sequence[Condition], _terms: _Terms) -> str | None:
    both = {_known_by(condition) for condition in must} & {_known_by(condition) for condition in must_not}
    tags_not = frozenset[str]().union(*[condition.tags for condition in must_not if isinstance(condition, MemberTagged)])
    tagged = any(isinstance(condition, MemberTagged) and condition.tags <= tags_not for condition in must)
    return "its condition asks for a thing and forbids it" if both or tagged else None


class _OneOf(NamedTuple):
    """A fact of which a sale has one.

    Attributes:
        kind: The condition that asks for it.
        values: Which it asks for.
        name: In a sentence.
    """

    kind: type[Condition]
    values: Callable[[Any], frozenset[str]]
    name: str


_ONE_OF: Final = (
    _OneOf(InTier, lambda condition: condition.tiers, "tier"),
    _OneOf(InMarket, lambda condition: condition.markets, "market"),
    _OneOf(ViaChannel, lambda condition: condition.channels, "channel"),
    _OneOf(PaidBy, lambda condition: condition.payments, "way to pay"),
    _OneOf(NthOrder, lambda condition: frozenset([str(condition.number)]), "number of the order"),
)


def _values(fact: _OneOf, must: Iterable[Condition]) -> frozenset[str] | None:
    """Give the values that all conditions allow; ``None`` where none asks."""
    sets = [fact.values(condition) for condition in must if isinstance(condition, fact.kind)]
    return frozenset.intersection(*sets) if sets else None


def _no_value_left(must: Sequence[Condition], must_not: Sequence[Condition], terms: _Terms) -> str | None:
    for fact in _ONE_OF:
        allowed = _values(fact, must)
        if allowed is None:
            continue
        forbidden = [fact.values(condition) for condition in must_not if isinstance(condition, fact.kind)]
        if not allowed.difference(*forbidden):
            return f"no {fact.name} meets all that it asks for"
        if fact.kind is InTier and terms.tiers is not None and allowed.isdisjoint(terms.tiers):
            return f"the program has no tier {' or '.join(sorted(allowed))}"
    return None


def _threshold(condition: Condition) -> tuple[object, Any] | None:
    """Give what a condition counts, and from which number on it holds."""
    match condition:
        case SpendAtLeast():
            return (SpendAtLeast, condition.of, condition.base), condition.amount.minor_units
        case QuantityAtLeast():
            return (QuantityAtLeast, condition.of, condition.across), condition.units
        case ProductsAtLeast():
            return (ProductsAtLeast, condition.of), condition.products
        case PointsAtLeast():
            return PointsAtLeast, condition.points
        case PastDiscount():
            return PastDiscount, condition.share.factor
        case _:
            return None


def _at_least_and_below(must: Sequence[Condition], must_not: Sequence[Condition], _terms: _Terms) -> str | None:
    below = [found for condition in must_not if (found := _threshold(condition)) is not None]
    for condition in must:
        found = _threshold(condition)
        if found is not None and any(what == found[0] and limit <= found[1] for what, limit in below):
            return "it asks for at least so much and for less than that"
    return None


def _of_guests(must: Sequence[Condition], must_not: Sequence[Condition], _terms: _Terms) -> str | None:
    """Guests have no tier, no points and no orders behind them."""
    of_members = any(
        isinstance(condition, InTier | PointsAtLeast | PastDiscount) or (isinstance(condition, NthOrder) and condition.number > 1)
        for condition in must
    )
    return "it asks guests for what only members have" if of_members and IsMember() in must_not else None


_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def _span(windows: Iterable[Window | None]) -> tuple[datetime, datetime]:
    """Give the first instant inside all windows, and the first after one of them."""
    found = [window for window in windows if window is not None]
    starts = max((window.starts_at for window in found if window.starts_at is not None), default=_FIRST)
    return starts, min((window.ends_at for window in found if window.ends_at is not None), default=_LAST)


def _windows(must: Iterable[Condition]) -> Iterator[Window | None]:
    return (condition.window for condition in must if isinstance(condition, During))


def _no_time(must: Sequence[Condition], _must_not: Sequence[Condition], terms: _Terms) -> str | None:
    starts, ends = _span(_windows(must))
    if ends <= starts:
        return "its windows have no instant in common"
    return "its window ends before the program starts" if terms.starts_at is not None and ends <= terms.starts_at else None


def _no_goods_to_count(must: Sequence[Condition], _must_not: Sequence[Condition], terms: _Terms) -> str | None:
    for condition in must:
        if isinstance(condition, SpendAtLeast | QuantityAtLeast | ProductsAtLeast):
            if _takes_nothing(condition.of, terms.stacking.exclude_tags):
                return "no offer touches the goods that it counts"
            products = condition.of.products - condition.of.exclude_products
            if isinstance(condition, ProductsAtLeast) and products and len(products) < condition.products:
                return "it asks for more products than it names"
    return None


_CLASHES: Final = (
    _asked_and_forbidden,
    _no_value_left,
    _at_least_and_below,
    _of_guests,
    _no_time,
    _no_goods_to_count,
)


def _takes_nothing(only: Filter, exclude_tags: frozenset[str]) -> bool:
    """Say whether all that a filter asks for is excluded too."""
    no_tag_left = bool(only.tags) and only.tags <= only.exclude_tags | exclude_tags
    return no_tag_left or (bool(only.products) and only.products <= only.exclude_products)


def _gives_nothing(give: Benefit, exclude_tags: frozenset[str]) -> str | None:
    """Say why a benefit gives nothing, whatever is bought."""
    if isinstance(give, QuantityLadder | SpendLadder) and _takes_nothing(give.of, exclude_tags):
        starts_later = isinstance(give, QuantityLadder) or give.at(0) is None
        if starts_later:
            return "no offer touches the goods that its ladder counts"
    if all(_is_of_nothing(single, exclude_tags) for single in singles(give)):
        return "no offer touches the goods that its benefit is of"
    return None


def _is_of_nothing(single: Single, exclude_tags: frozenset[str]) -> bool:
    return any(_takes_nothing(only, exclude_tags) for only in filters_of(single))


# Offers behind others.


def _always_holds(offer: Offer, starts_at: datetime | None) -> bool:
    """Say whether nothing but other offers keeps an offer from applying, from the start of the program on."""
    window = offer.window
    runs = window is None or (
        window.ends_at is None and (window.starts_at is None or (starts_at is not None and window.starts_at <= starts_at))
    )
    return runs and offer.when == AllOf(()) and offer.limits.are_open


def _always_gives(give: Benefit) -> bool:
    """Say whether a benefit gives something whatever is bought; points on top are for goods that offers may touch."""
    parts = give.benefits if isinstance(give, Several) else (give,)
    return any(isinstance(part, NextCoupon) for part in parts)


def _gives_to_all(give: Benefit, exclude_tags: frozenset[str]) -> bool:
    """Say whether a benefit gives something to nearly every basket: it is of all goods, or of none."""
    parts = give.benefits if isinstance(give, Several) else (give,)
    return any(
        isinstance(part, (*SHIPPING_BENEFITS, Gift, BonusPoints, NextCoupon))
        or (isinstance(part, PercentOff | AmountOff | PointsTimes) and _is_open(filters_of(part)[0], exclude_tags))
        for part in parts
    )


def _is_open(only: Filter, exclude_tags: frozenset[str]) -> bool:
    """Say whether a filter means all goods that offers touch."""
    return attrs.evolve(only, exclude_tags=only.exclude_tags - exclude_tags).is_open


def _is_of_all_goods(offer: Offer, exclude_tags: frozenset[str]) -> bool:
    """Say whether an offer takes something off every unit that offers touch."""
    give = offer.give
    if not isinstance(give, PercentOff | AmountOff) or offer.discount_limit is not None or not give.units.are_all:
        return False
    return _is_open(give.goods, exclude_tags)


_OF_GOODS: Final = (PercentOff, AmountOff, FixedPrice, BundlePrice, BuyGet)


def _takes_goods(offer: Offer) -> bool:
    """Say whether an offer reaches units of goods."""
    return any(isinstance(one, _OF_GOODS) or (isinstance(one, Gift) and one.fill is Fill.MISSING) for one in singles(offer.give))


def _shadowed(offers: Sequence[Offer], terms: _Terms) -> Iterator[tuple[Offer, WarningKind, str]]:
    """Find the offers that stand behind one which always goes first: by lane or priority, as equal ones are unordered."""
    if terms.stacking.mode is Mode.BEST:
        return
    behind = _Behind(terms)
    for offer in offers:
        if offer.combines is Combines.ALONE:
            behind.add(offer)
    for offer in offers:
        first = behind.first_before(offer)
        if first is not None:
            why, before = first
            always = before.combines is Combines.ALONE and _always_gives(before.give)
            yield offer, WarningKind.NEVER_APPLIES if always else WarningKind.SHADOWED, why
        if offer.combines is not Combines.ALONE:
            behind.add(offer)


@final
class _Behind:
    """Offers without a condition, each the first of its kind."""

    __slots__ = ("_alone", "_by_group", "_by_lane", "_last", "_terms")

    def __init__(self, terms: _Terms) -> None:
        self._terms = terms
        self._alone: Offer | None = None
        self._last: Offer | None = None
        self._by_group: dict[str, Offer] = {}
        self._by_lane = defaultdict[Lane, list[Offer]](list)

    def add(self, offer: Offer) -> None:
        """Remember an offer that others may stand behind."""
        exclude_tags = self._terms.stacking.exclude_tags
        if not _always_holds(offer, self._terms.starts_at) or not _gives_to_all(offer.give, exclude_tags):
            return
        if offer.combines is Combines.ALONE:
            self._alone = self._alone or offer
            return
        if offer.combines is Combines.LAST:
            self._last = self._last or offer
        if offer.group is not None:
            self._by_group.setdefault(offer.group, offer)
        elif _is_of_all_goods(offer, exclude_tags):
            self._by_lane[offer.lane].append(offer)

    def first_before(self, offer: Offer) -> tuple[str, Offer] | None:
        """Give an offer that always goes before one, and why nothing is left to it."""
        alone, last = self._alone, self._last
        if alone is not None and (offer.combines is not Combines.ALONE or _is_before(alone, offer)):
            return f"{alone.offer_id} has no condition, is exclusive and goes first", alone
        if offer.combines is Combines.ALONE:
            return None
        if last is not None and _is_before(last, offer):
            return f"{last.offer_id} has no condition and no offer applies after it", last
        same = None if offer.group is None else self._by_group.get(offer.group)
        if same is not None and _is_before(same, offer):
            return f"{same.offer_id} has no condition and is the first of their group", same
        most = self._terms.stacking.most(offer.lane)
        before = [one for one in self._by_lane[offer.lane][:most] if _is_before(one, offer)]
        if most is not None and len(before) == most and all(isinstance(one, _OF_GOODS) for one in singles(offer.give)):
            first = before[0]
            return f"{first.offer_id} has no condition, is of all goods and goes before them in their lane", first
        return None


def _is_before(one: Offer, other: Offer) -> bool:
    """Say whether an offer goes first by what its author wrote, and not by its id."""
    return one.rank[:-1] < other.rank[:-1]


# Offers whose ids decide.


def _unordered(offers: Sequence[Offer], terms: _Terms) -> Iterator[tuple[str, list[Offer]]]:
    """Find the offers that only their ids put in order, and whose result depends on who goes first."""
    level = defaultdict[tuple[int, ...], list[Offer]](list)
    for offer in offers:
        level[offer.rank[:-1]].append(offer)
    for equals in level.values():
        if len(equals) > 1:
            yield from _of_level(equals, terms)


def _of_level(equals: Sequence[Offer], terms: _Terms) -> Iterator[tuple[str, list[Offer]]]:
    """Find what is unordered among offers of one lane, priority and breadth."""
    stacking = terms.stacking
    together = [offer for offer in equals if offer.combines is not Combines.ALONE]
    if stacking.mode is not Mode.BEST:
        alone = [offer for offer in equals if offer.combines is Combines.ALONE]
        for meeting in _meeting(alone, _sale, terms):
            yield "the first exclusive one keeps the others out", meeting
        yield from _of_groups(equals, terms)
        yield from _of_count(together, terms)
    for meeting in _meeting(together, _sale, terms):
        if any(offer.combines is Combines.LAST for offer in meeting):
            yield "no offer applies after one of them", meeting
    yield from _of_prices("unit", [offer for offer in together if _takes_goods(offer)], _goods, terms)
    yield from _of_prices("shipping price", [offer for offer in together if _eases_shipping(offer)], _sale, terms)
    if any(offer.follows_others for offer in together):
        for meeting in _meeting([offer for offer in together if offer.follows_others or _takes_goods(offer)], _sale, terms):
            if any(offer.follows_others for offer in meeting):
                yield "a threshold looks at what the others leave", meeting


def _of_count(together: Sequence[Offer], terms: _Terms) -> Iterator[tuple[str, list[Offer]]]:
    most = terms.stacking.offers_at_most
    if most is not None:
        for meeting in _meeting(together, _sale, terms):
            if len(meeting) > most:
                yield f"at most {most} of an order apply", meeting


def _of_prices(
    name: str, offers: Sequence[Offer], space: Callable[[Offer], _Space], terms: _Terms
) -> Iterator[tuple[str, list[Offer]]]:
    """Find the offers that take something off one price: only so many may, or each looks at what is left of it."""
    most = terms.stacking.most(offers[0].lane) if offers else None
    # In the best set a price goes to the offer that takes more off it, whatever the names.
    in_turn = terms.stacking.mode is not Mode.BEST
    for meeting in _meeting(offers, space, terms):
        if in_turn and most is not None and len(meeting) > most:
            yield f"at most {most} of them takes something off a {name}", meeting
        if most != 1 and _depends(meeting):
            yield f"what one takes off a {name} changes what another does", meeting


def _of_groups(equals: Sequence[Offer], terms: _Terms) -> Iterator[tuple[str, list[Offer]]]:
    groups = defaultdict[str, list[Offer]](list)
    for offer in equals:
        if offer.group is not None:
            groups[offer.group].append(offer)
    for name, offers in groups.items():
        for meeting in _meeting(offers, _sale, terms):
            yield f"only the first of group {name} applies", meeting


def _eases_shipping(offer: Offer) -> bool:
    return any(isinstance(one, SHIPPING_BENEFITS) for one in singles(offer.give))


def _depends(meeting: Sequence[Offer]) -> bool:
    """Say whether what an offer takes off depends on what was taken before: an amount where another frees goods, for one."""
    gives = [(offer.base is Base.RUNNING, one) for offer in meeting for one in singles(offer.give)]
    frees = any(isinstance(one, Gift) or (isinstance(one, PercentOff | BuyGet) and one.percent == "100") for _, one in gives)
    return any(
        isinstance(one, (FixedPrice, BundlePrice, *SHIPPING_BENEFITS))
        or (running and isinstance(one, PercentOff | BuyGet))
        or (frees and isinstance(one, AmountOff))
        for running, one in gives
    )


class _Space(NamedTuple):
    """Where an offer may apply: for each fact the values it asks for, and spans of time and price; ``None`` any."""

    values: tuple[frozenset[str] | None, ...]
    spans: tuple[tuple[Any, Any], ...]


def _sale(offer: Offer) -> _Space:
    """Give the sales that an offer may apply to."""
    must: list[_Literal] = []
    _part((offer.when, True), must, [])
    conditions = [condition for condition, holds in must if holds]
    span = _span([offer.window, *_windows(conditions)])
    return _Space(tuple(_values(fact, conditions) for fact in _ONE_OF), (span,))


def _goods(offer: Offer) -> _Space:
    """Give the sales, and the goods, that an offer may take something off."""
    sale = _sale(offer)
    filters = [only for one in singles(offer.give) for only in _filters(one)]
    states = [None if only.price is PriceState.ANY else frozenset([only.price.value]) for only in filters]
    named = [[only.products or None for only in filters], [only.brands or None for only in filters], states]
    low = min(0 if only.price_from is None else only.price_from.minor_units for only in filters)
    highs = [None if only.price_to is None else only.price_to.minor_units + 1 for only in filters]
    high = None if None in highs else max(high for high in highs if high is not None)
    return _Space((*sale.values, *map(_union, named)), (*sale.spans, (low, float("inf") if high is None else high)))


def _filters(single: Single) -> Sequence[Filter]:
    """Give the goods that a benefit may take something off."""
    match single:
        case Gift():
            return [Filter(products=[single.product_id])]
        case _:
            return filters_of(single) if isinstance(single, _OF_GOODS) else ()


def _union(sets: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    return None if None in sets else frozenset[str]().union(*[one for one in sets if one is not None])


def _meeting(offers: Sequence[Offer], space: Callable[[Offer], _Space], terms: _Terms) -> Iterator[list[Offer]]:
    """Part offers into those that may meet in one basket; who meets nobody is left out."""
    if len(offers) > 1:
        placed = [(offer, space(offer)) for offer in offers]
        for part in _apart(placed):
            known = part
            if len(part) <= _COMPARED:
                known = [one for one in part if any(other is not one and _may_meet(one, other, terms) for other in part)]
            if known:
                yield [offer for offer, _ in known]


def _may_meet(one: tuple[Offer, _Space], other: tuple[Offer, _Space], terms: _Terms) -> bool:
    """Say whether two offers may apply to one basket: not where one asks for what the other forbids."""
    # Of a group ``best`` takes the better one, so that they are never in one set; elsewhere the first of them goes.
    of_one_group = one[0].group is not None and one[0].group == other[0].group
    if not _overlap(one[1], other[1]) or (of_one_group and terms.stacking.mode is Mode.BEST):
        return False
    # What others leave is not the same for both: each looks at its turn.
    if one[0].follows_others or other[0].follows_others:
        return True
    return _clash([(one[0].when, True), (other[0].when, True)], (), terms) is None


_Placed: TypeAlias = list[tuple[Offer, _Space]]


def _overlap(one: _Space, other: _Space) -> bool:
    values = zip(one.values, other.values, strict=True)
    spans = zip(one.spans, other.spans, strict=True)
    return all(mine is None or theirs is None or not mine.isdisjoint(theirs) for mine, theirs in values) and all(
        mine[0] < theirs[1] and theirs[0] < mine[1] for mine, theirs in spans
    )


def _apart(placed: _Placed) -> list[_Placed]:
    """Part offers by one fact after the other into those that hang together."""
    parts = [placed]
    for place in range(len(placed[0][1].values)):
        parts = [found for part in parts for found in _by_value(part, place)]
    for place in range(len(placed[0][1].spans)):
        parts = [found for part in parts for found in _by_span(part, place)]
    return [part for part in parts if len(part) > 1]


def _by_value(part: _Placed, place: int) -> list[_Placed]:
    """Part offers that share no value, even by others between them; all are one where one takes any value."""
    if any(space.values[place] is None for _, space in part):
        return [part]
    chief = list(range(len(part)))

    def find(number: int) -> int:
        while chief[number] != number:
            chief[number] = chief[chief[number]]
            number = chief[number]
        return number

    holder = dict[str, int]()
    for number, (_, space) in enumerate(part):
        for value in space.values[place] or ():
            chief[find(number)] = find(holder.setdefault(value, number))
    found = defaultdict[int, _Placed](list)
    for number, one in enumerate(part):
        found[find(number)].append(one)
    return list(found.values())


def _by_span(part: _Placed, place: int) -> list[_Placed]:
    """Part offers whose spans do not touch, even by others between them; each part is in the order it was."""
    order = sorted(range(len(part)), key=lambda number: part[number][1].spans[place][0])
    found, end = list[list[int]](), None
    for number in order:
        start, stop = part[number][1].spans[place]
        if end is None or start >= end:
            found.append([])
            end = stop
        found[-1].append(number)
        end = max(end, stop)
    return [[part[number] for number in sorted(numbers)] for numbers in found]
