"""Offers as values: what one is, how several meet, what has been used of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Final, final

import attrs

from loyaltycore._checks import check_count, check_kind, check_mapping, check_several, check_whole, shown
from loyaltycore._coupon import Coupon, ReadCode
from loyaltycore._earning import Span, Times
from loyaltycore._frozen import FrozenMap
from loyaltycore._payouts import Payout
from loyaltycore.basket import Filter
from loyaltycore.benefits import (
    SHIPPING_BENEFITS,
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    FixedPrice,
    Gift,
    Level,
    Per,
    PercentOff,
    PointsTimes,
    Single,
    check_benefit,
    filters_of,
    moneys_of,
    singles,
)
from loyaltycore.conditions import (
    AllOf,
    Base,
    CodePresented,
    Condition,
    CouponHeld,
    Not,
    ProductsAtLeast,
    QuantityAtLeast,
    Situation,
    SpendAtLeast,
    holds,
    leaves,
    unmet,
)
from loyaltycore.errors import Detail, Reason, Refusal, UsageError
from loyaltycore.gift_cards import GiftCard
from loyaltycore.identity import check_slug, labels
from loyaltycore.periods import Window
from loyaltycore.quantities import Money, Over, Rate
from loyaltycore.wire import instant_text

__all__ = [
    "LANES",
    "NO_VIEW",
    "OPEN_LIMITS",
    "AppliedOffer",
    "Combines",
    "FreedBy",
    "GiftGiven",
    "Lane",
    "Limits",
    "Mode",
    "Offer",
    "Returns",
    "Span",
    "Stacking",
    "Times",
    "Used",
    "View",
    "own_lane",
]


class Lane(StrEnum):
    """Where an offer works; lanes are gone through in this order."""

    PRODUCT = "product"
    BASKET = "basket"
    SHIPPING = "shipping"


LANES: Final = tuple(Lane)
"""The lanes in their order."""


class Mode(StrEnum):
    """How offers meet.

    ``ALL``: every offer whose conditions hold applies, one after the other. ``PRIORITY``: the same, but at most one offer a
    lane takes something off a unit: the first by priority. ``BEST``: of all sets that are allowed so, the one that is best for
    the customer.
    """

    ALL = "all"
    PRIORITY = "priority"
    BEST = "best"


class Combines(StrEnum):
    """What an offer allows beside itself: any other, none after it in the order, or none at all (an exclusive offer)."""

    ANY = "any"
    LAST = "last"
    ALONE = "alone"


class Returns(StrEnum):
    """What a return does to discounts: each unit keeps its share, or offers that what is kept no longer earns are withdrawn."""

    KEEP = "keep"
    REPRICE = "reprice"


def _check_above_zero(name: str, amount: object) -> None:
    if amount is not None and check_kind(name, amount, Money).minor_units <= 0:
        msg = f"{name} must be above 0, got {amount}"
        raise UsageError(msg)


class FreedBy(StrEnum):
    """What gives a use back: an order that is given up before it is paid, or also one that comes back whole."""

    CANCELLED = "cancelled"
    RETURNED = "returned"


_ANY_TIMES: Final = Times()


def _times(times: Times | int | None) -> Times:
    if times is None:
        return _ANY_TIMES
    return Times(lifetime=times) if isinstance(times, int) else times


@final
@attrs.frozen(kw_only=True)
class Limits:
    """How much of an offer there is, over all orders; ``None`` is no limit.

    Attributes:
        total: Orders it applies to: so many ever, or ``Times`` in spans of local time.
        per_member: Orders of one member it applies to, likewise; a guest has none of his own to count.
        budget: What it takes off, above 0.
        units: Units it takes something off.
        over: What the order that reaches the budget or the units gets: what is left, or nothing at all.
        freed_by: What gives a use back.

    Example:
        >>> Limits(total=500, per_member=Times(per_month=1)).total
        Times(per_day=None, per_week=None, per_month=None, per_year=None, lifetime=500)
    """

    total: Times = attrs.field(default=Times(), converter=_times)
    per_member: Times = attrs.field(default=Times(), converter=_times)
    budget: Money | None = None
    units: int | None = None
    over: Over = Over.TRUNCATE
    freed_by: FreedBy = FreedBy.CANCELLED

    def __attrs_post_init__(self) -> None:
        """Refuse limits of nothing."""
        check_kind("over", self.over, Over)
        check_kind("freed_by", self.freed_by, FreedBy)
        for name in ("total", "per_member"):
            check_kind(name, getattr(self, name), Times)
        if self.units is not None:
            check_count("units", self.units)
        _check_above_zero("budget", self.budget)

    @property
    def are_open(self) -> bool:
        """Whether there is no limit."""
        return self.total == self.per_member == _ANY_TIMES and self.budget is None and self.units is None

    @property
    def are_shared(self) -> bool:
        """Whether there is a limit that all members share."""
        return self.total != _ANY_TIMES or self.budget is not None or self.units is not None

    @property
    def are_members(self) -> bool:
        """Whether there is a limit for each member."""
        return self.per_member != _ANY_TIMES


OPEN_LIMITS: Final = Limits()
"""Of an offer there is no end."""


def _by_span(counts: Mapping[Span, int]) -> FrozenMap[Span, int]:
    found = check_mapping("uses in a span", counts)
    for span, count in found.items():
        check_kind("span", span, Span)
        check_whole(f"uses {span}", count, low=0)
    return FrozenMap(found)


@final
@attrs.frozen(kw_only=True)
class Used:
    """What was used of an offer before this order.

    Attributes:
        times: Orders it applied to.
        by_member: Of them, orders of the member who asks.
        spent_minor: What it took off, in minor units.
        units: Units it took something off.
        times_in: Orders of the present day, week, month or year it applied to, by ``Span``; of a span that is not named, none.
        by_member_in: Of them, orders of the member who asks.
    """

    times: int = 0
    by_member: int = 0
    spent_minor: int = 0
    units: int = 0
    times_in: FrozenMap[Span, int] = attrs.field(default=FrozenMap[Span, int](), converter=_by_span)
    by_member_in: FrozenMap[Span, int] = attrs.field(default=FrozenMap[Span, int](), converter=_by_span)

    def __attrs_post_init__(self) -> None:
        """Check the numbers."""
        for name in ("times", "by_member", "spent_minor", "units"):
            check_whole(name, getattr(self, name), low=0)

    def in_span(self, span: Span) -> int:
        """Tell how many orders of a span it applied to."""
        return self.times if span is Span.EVER else self.times_in.get(span, 0)

    def by_member_in_span(self, span: Span) -> int:
        """Tell how many orders of the member's, of a span, it applied to."""
        return self.by_member if span is Span.EVER else self.by_member_in.get(span, 0)


_UNUSED: Final = Used()


def _used(used: Mapping[str, Used]) -> FrozenMap[str, Used]:
    found = check_mapping("used", used)
    for offer_id, one in found.items():
        check_kind(f"used of {shown(offer_id)}", one, Used)
    return FrozenMap(found)


def _read(codes: Mapping[str, ReadCode]) -> FrozenMap[str, ReadCode]:
    found = check_mapping("codes", codes)
    for one in found.values():
        check_kind("what a code came to", one, ReadCode)
    return FrozenMap(found)


def _refused(refusals: Mapping[str, Refusal]) -> FrozenMap[str, Refusal]:
    found = check_mapping("refused_cards", refusals)
    for one in found.values():
        check_kind("why a card was not looked at", one, Refusal)
    return FrozenMap(found)


def _payouts(payouts: Mapping[str, Payout]) -> FrozenMap[str, Payout]:
    found = check_mapping("payouts", payouts)
    return FrozenMap({payout_id: check_kind("each of payouts", payout, Payout) for payout_id, payout in found.items()})


def _cards(cards: Mapping[str, GiftCard]) -> FrozenMap[str, GiftCard]:
    found = check_mapping("cards", cards)
    for card_id, card in found.items():
        if check_kind("gift card", card, GiftCard).card_id != card_id:
            msg = f"cards must be given by their ids, got {shown(card.card_id)} as {shown(card_id)}"
            raise UsageError(msg)
    return FrozenMap(found)


def _coupons(coupons: Iterable[Coupon]) -> tuple[Coupon, ...]:
    return check_several("coupons", coupons, Coupon)


@final
@attrs.frozen(kw_only=True)
class View:
    """What was loaded for a quote besides the member.

    Attributes:
        used: How much of each offer is used up, by offer id; of one that is not named nothing was used.
        out_of_stock: Products that cannot be given.
        codes: What codes that a machine made came to, by the text as it was entered.
        coupons: Coupons that the member holds, as they are now.
        stopped: Campaigns that were stopped, by id.
        cards: Gift cards that are to pay, as they are now, by their own ids.
        refused_cards: Why gift cards were not looked at, by the ids that stand for them.
        payouts: What the shop pays the member outside, as it is now, by id.
    """

    used: FrozenMap[str, Used] = attrs.field(default=FrozenMap[str, Used](), converter=_used)
    out_of_stock: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    codes: FrozenMap[str, ReadCode] = attrs.field(default=FrozenMap[str, ReadCode](), converter=_read, repr=False)
    coupons: tuple[Coupon, ...] = attrs.field(default=(), converter=_coupons)
    stopped: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    cards: FrozenMap[str, GiftCard] = attrs.field(default=FrozenMap[str, GiftCard](), converter=_cards)
    refused_cards: FrozenMap[str, Refusal] = attrs.field(default=FrozenMap[str, Refusal](), converter=_refused)
    payouts: FrozenMap[str, Payout] = attrs.field(default=FrozenMap[str, Payout](), converter=_payouts)

    def used_of(self, offer_id: str) -> Used:
        """Tell what was used of an offer."""
        return self.used.get(offer_id, _UNUSED)

    def coupon(self, coupon_id: str) -> Coupon | None:
        """Find a coupon by its id: of those the member holds, and of those that codes came to."""
        presented = (read.coupon for read in self.codes.values())
        return next((one for one in (*self.coupons, *presented) if one is not None and one.coupon_id == coupon_id), None)


NO_VIEW: Final = View()
"""Nothing was used, everything is in stock."""


def _share(share: Rate | str | int) -> Rate:
    return share if isinstance(share, Rate) else Rate.percent(share)


def _at_most(at_most: Mapping[Lane, int]) -> FrozenMap[Lane, int]:
    found = check_mapping("at_most", at_most)
    for lane, count in found.items():
        check_kind("lane", lane, Lane)
        check_count(f"at_most of {lane}", count)
    return FrozenMap(found)


@final
@attrs.frozen
class Stacking:
    """The stated policy for offers that meet.

    Attributes:
        mode: See ``Mode``.
        exclude_tags: Lines with one of these tags are touched by no offer, and do not count towards a threshold.
        at_most: Offers of a lane that take something off one unit; of a lane that is not named 1, and any number in ``ALL``.
        offers_at_most: Offers of one order; ``None`` no limit.
        discount_limit: What all offers together take off the goods at most, above 0; ``None`` no limit.
        discount_share: The share of the list prices of the goods they may touch that all offers together take off at most, as a
            ``Rate`` or a percentage such as ``"30"``; ``None`` no limit.
        returns: What a return does to discounts.
    """

    mode: Mode
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels, kw_only=True)
    at_most: FrozenMap[Lane, int] = attrs.field(default=FrozenMap[Lane, int](), converter=_at_most, kw_only=True)
    offers_at_most: int | None = attrs.field(default=None, kw_only=True)
    discount_limit: Money | None = attrs.field(default=None, kw_only=True)
    discount_share: Rate | None = attrs.field(default=None, converter=attrs.converters.optional(_share), kw_only=True)
    returns: Returns = attrs.field(default=Returns.KEEP, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the mode and the limits."""
        check_kind("mode", self.mode, Mode)
        if self.offers_at_most is not None:
            check_count("offers_at_most", self.offers_at_most)
        _check_above_zero("discount_limit", self.discount_limit)
        if self.discount_share is not None and not 0 < check_kind("discount_share", self.discount_share, Rate).factor <= 1:
            msg = f"discount_share must be above 0 and at most 100 %, got {shown(self.discount_share)}"
            raise UsageError(msg)
        check_kind("returns", self.returns, Returns)

    def most(self, lane: Lane) -> int | None:
        """Tell how many offers of a lane may take something off one unit; ``None`` any number."""
        return self.at_most.get(lane, None if self.mode is Mode.ALL else 1)


def own_lane(give: Benefit) -> Lane:
    """Give the lane where a benefit works unless it is said: shipping for what is only off shipping, the basket for the rest."""
    about_shipping = all(isinstance(one, SHIPPING_BENEFITS) for one in singles(check_benefit(give)))
    return Lane.SHIPPING if about_shipping else Lane.BASKET


@final
@attrs.frozen
class Offer:
    """A benefit under a condition.

    Attributes:
        offer_id: The program's name for it.
        when: What must hold; of ``all_of()`` nothing.
        give: What it gives.
        lane: Where it works: the shipping lane for what is off shipping, the basket lane for the rest, unless said.
        priority: The higher goes first; of equal ones those for narrower goods, then by id.
        window: When it runs; ``None`` always.
        base: Which prices a percentage is of: list prices, or what the offers before it have left.
        combines: What it allows beside itself.
        group: Of the offers of one group one applies at most; ``None`` is in none.
        discount_limit: It takes off at most so much, above 0; ``None`` no limit.
        limits: How much of it there is, over all orders.
    """

    offer_id: str
    when: Condition = attrs.field(default=AllOf(()), kw_only=True)
    give: Benefit = attrs.field(kw_only=True)
    lane: Lane = attrs.field(
        default=attrs.Factory(lambda self: own_lane(check_benefit(self.give)), takes_self=True), kw_only=True
    )
    priority: int = attrs.field(default=0, kw_only=True)
    window: Window | None = attrs.field(default=None, kw_only=True)
    base: Base = attrs.field(default=Base.LIST, kw_only=True)
    combines: Combines = attrs.field(default=Combines.ANY, kw_only=True)
    group: str | None = attrs.field(default=None, kw_only=True)
    discount_limit: Money | None = attrs.field(default=None, kw_only=True)
    limits: Limits = attrs.field(default=OPEN_LIMITS, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the id, the parts and the numbers."""
        check_slug("offer_id", self.offer_id)
        next(leaves(self.when), None)
        check_benefit(self.give)
        check_kind("lane", self.lane, Lane)
        if self.window is not None:
            check_kind("window", self.window, Window)
        check_whole("priority", self.priority, low=-1_000_000, high=1_000_000)
        check_kind("base", self.base, Base)
        check_kind("combines", self.combines, Combines)
        if self.group is not None:
            check_slug("group", self.group)
        _check_above_zero("discount_limit", self.discount_limit)
        check_kind("limits", self.limits, Limits)

    @cached_property
    def rank(self) -> tuple[int, int, int, str]:
        """Place in the total order of offers: by lane, priority, how narrow its goods are, id.

        Of equal priority, offers that name products go before those that name categories, brands, tags or prices, and these
        before those for all goods: a product's own offer is not lost to a general one by its name.
        """
        return (self.lane_place, -self.priority, max(map(_breadth, singles(self.give))), self.offer_id)

    @property
    def codes(self) -> frozenset[str]:
        """The folded codes that open it."""
        return frozenset(_codes(self.when))

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The goods its condition counts."""
        counting = SpendAtLeast | QuantityAtLeast | ProductsAtLeast
        return tuple(part.of for part in leaves(self.when) if isinstance(part, counting))

    @property
    def moneys(self) -> Iterator[Money]:
        """Every amount it names: those of a program are all in its currency."""
        yield from (part.amount for part in leaves(self.when) if isinstance(part, SpendAtLeast))
        yield from (bound for only in self.filters for bound in only.bounds)
        yield from moneys_of(self.give)
        yield from (amount for amount in (self.discount_limit, self.limits.budget) if amount is not None)

    @property
    def speaks_of_lines(self) -> bool:
        """Whether it takes something off lines, so that one line of two units and two lines of one differ."""
        return any(
            (isinstance(one, AmountOff) and one.per is Per.LINE)
            or (isinstance(one, PercentOff) and one.rounded_per is Level.LINE)
            for one in singles(self.give)
        )

    @cached_property
    def lane_place(self) -> int:
        """Place of its lane among the lanes."""
        return LANES.index(self.lane)

    @cached_property
    def is_limited(self) -> bool:
        """Whether there is only so much of it, over all orders."""
        return not self.limits.are_open

    @cached_property
    def uses_something_up(self) -> bool:
        """Whether it is worth saving for another order: there is only so much of it, or it takes a coupon of its own."""
        own = (part.campaign_id for part in leaves(self.when) if isinstance(part, CouponHeld))
        return self.is_limited or self.offer_id in own

    @cached_property
    def picks_units(self) -> bool:
        """Whether it may reach some units of a product at one price and not the others, or turn out to be too much."""
        return (
            self.limits.units is not None
            or self.limits.over is Over.REFUSE
            or any(
                isinstance(one, BundlePrice | BuyGet | Gift)
                or (isinstance(one, PercentOff | AmountOff | FixedPrice) and not one.units.are_all)
                for one in singles(self.give)
            )
        )

    @cached_property
    def follows_others(self) -> bool:
        """Whether its condition looks at what the offers before it have left."""
        return any(isinstance(part, SpendAtLeast) and part.base is Base.RUNNING for part in leaves(self.when))

    def holds(self, situation: Situation, used: Used = _UNUSED) -> bool:
        """Say whether nothing keeps it from applying, besides other offers, and not what: the quickest way to ask.

        A condition that looks at what other offers leave is asked at its turn, not here.
        """
        return (
            (self.follows_others or holds(self.when, situation))
            and (self.window is None or self.window.contains(situation.at))
            and not (self.is_limited and self._used_up(used))
        )

    def refusals(self, situation: Situation, used: Used = _UNUSED, *, left: Sequence[int] | None = None) -> tuple[Refusal, ...]:
        """List what keeps it from applying, besides other offers.

        Args:
            situation: What conditions see.
            used: What was used of it before.
            left: What the offers before have left of each group; ``None`` where there are none.
        """
        found = [*unmet(self.when, situation, left=left), *self._out_of_time(situation)]
        if self.is_limited:
            found += self._used_up(used)
        return tuple(sorted(found, key=lambda refusal: refusal.reason.precedence)) if len(found) > 1 else tuple(found)

    def _out_of_time(self, situation: Situation) -> list[Refusal]:
        window, at = self.window, situation.at
        if window is None or window.contains(at):
            return []
        if window.starts_at is not None and at < window.starts_at:
            first = situation.calendar.day_of(window.starts_at)
            when = {"starts_at": instant_text(window.starts_at), "starts_on": first.isoformat()}
            return [Refusal(Reason.OFFER_NOT_STARTED, {"offer_id": self.offer_id, **when})]
        assert window.ends_at is not None  # one that has begun and holds an instant no more has ended
        last = situation.calendar.day_of(window.ends_at - timedelta.resolution)
        when = {"ended_at": instant_text(window.ends_at), "last_on": last.isoformat()}
        return [Refusal(Reason.OFFER_EXPIRED, {"offer_id": self.offer_id, **when})]

    def limit_refusal(self, wanted: AppliedOffer, used: Used) -> Refusal:
        """Say which limit leaves too little for what it would give, where it gives all or nothing."""
        units, budget = self.limits.units, self.limits.budget
        if budget is None or (units is not None and used.units + wanted.units > units):
            return Refusal(Reason.OFFER_LIMIT_REACHED, {"offer_id": self.offer_id, "limit": units or 0})
        details: dict[str, Detail] = {"limit_minor": budget.minor_units, "currency": budget.currency}
        return Refusal(Reason.OFFER_BUDGET_REACHED, {"offer_id": self.offer_id, **details})

    def _used_up(self, used: Used) -> list[Refusal]:
        limits, found = self.limits, list[Refusal]()
        for span in Span:
            for reason, limit, count in (
                (Reason.OFFER_LIMIT_REACHED, getattr(limits.total, span), used.in_span(span)),
                (Reason.OFFER_MEMBER_LIMIT_REACHED, getattr(limits.per_member, span), used.by_member_in_span(span)),
            ):
                if limit is not None and count >= limit:
                    found.append(Refusal(reason, {"offer_id": self.offer_id, "limit": limit, "period": span.value}))
        if limits.units is not None and used.units >= limits.units:
            found.append(Refusal(Reason.OFFER_LIMIT_REACHED, {"offer_id": self.offer_id, "limit": limits.units}))
        if limits.budget is not None and used.spent_minor >= limits.budget.minor_units:
            details: dict[str, Detail] = {"limit_minor": limits.budget.minor_units, "currency": limits.budget.currency}
            found.append(Refusal(Reason.OFFER_BUDGET_REACHED, {"offer_id": self.offer_id, **details}))
        return found


_OF_PRODUCTS, _OF_KINDS, _OF_ALL = range(3)


def _breadth(single: Single) -> int:
    """Say how much a benefit means: some products, some kinds of goods, or all."""
    filters = filters_of(single)
    if not filters or any(only.is_open for only in filters):
        return _OF_ALL
    return _OF_PRODUCTS if all(only.products for only in filters) else _OF_KINDS


def _codes(condition: Condition) -> Iterator[str]:
    """Give the codes that help a condition to hold: not those that must be absent."""
    match condition:
        case CodePresented():
            yield condition.folded
        case Not():
            return
        case _:
            for part in getattr(condition, "parts", ()):
                yield from _codes(part)


@final
@attrs.frozen
class GiftGiven:
    """Units that come free, beside what is bought.

    Attributes:
        product_id: Which product.
        quantity: How many.
    """

    product_id: str
    quantity: int


@final
@attrs.frozen(kw_only=True)
class AppliedOffer:
    """An offer at work.

    Attributes:
        offer_id: Which.
        lane: Where.
        shares: What it takes off each unit group, in their order, in minor units.
        shipping_minor: What it takes off shipping.
        frees_shipping: Whether shipping costs nothing, known or not.
        eases_shipping: Whether it takes something off shipping whose price is not known yet.
        units: Units of goods it takes something off.
        cut_minor: What it would take off besides, but for a limit: its own, its budget's, or that of all offers together.
        gifts: What comes free.
        bonus: Points on top.
        times: How goods count several times for points.
        coupons: Coupons to come, by name.
    """

    offer_id: str
    lane: Lane
    shares: tuple[int, ...]
    shipping_minor: int = 0
    frees_shipping: bool = False
    eases_shipping: bool = False
    units: int = 0
    cut_minor: int = 0
    gifts: tuple[GiftGiven, ...] = ()
    bonus: tuple[BonusPoints, ...] = ()
    times: tuple[PointsTimes, ...] = ()
    coupons: tuple[str, ...] = ()

    @property
    def goods_minor(self) -> int:
        """What it takes off the goods."""
        return sum(self.shares)

    @property
    def discount_minor(self) -> int:
        """What it takes off in all."""
        return sum(self.shares) + self.shipping_minor
