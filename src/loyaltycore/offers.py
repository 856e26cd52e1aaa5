"""Offers: a condition, a benefit, and how offers share a basket.

Invariants:
    1. Every offer in the book gets an answer: applied, or refused with reasons.
    2. Shares are given to unit groups once; an offer's discount is the sum of its shares, and no group goes below zero.
    3. The order of the lines, of the codes and of the offers in the book never decides.
    4. An offer that gives nothing is not applied.
    5. A nudge is shown only when spending exactly its amount more gets the offer applied and the basket cheaper than without
       the offer, and one minor unit less does not.

>>> from datetime import UTC, datetime
>>> from loyaltycore.basket import Basket
>>> from loyaltycore.conditions import spend_at_least
>>> from loyaltycore.quantities import Money
>>> ten = Offer("ten-from-fifty", when=spend_at_least(Money.of("50", "EUR")), give=PercentOff("10"))
>>> book = OfferBook([ten], stacking=Stacking(Mode.BEST))
>>> groups = Basket.of("EUR", {"helmet": "79.90"}).unit_groups()
>>> at = datetime(2026, 7, 1, tzinfo=UTC)
>>> seen = Situation(currency="EUR", goods_minor=7990, is_member=False, order_count=0, codes=(), at=at)
>>> [(applied.offer_id, applied.discount_minor) for applied in book.evaluate(groups, shipping_minor=None, situation=seen).applied]
[('ten-from-fifty', 799)]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from itertools import product
from math import prod
from typing import Final, assert_never, final

import attrs

from loyaltycore._checks import check_kind, check_whole
from loyaltycore._frozen import FrozenMap
from loyaltycore.basket import UnitGroup
from loyaltycore.benefits import Benefit, FreeShipping, PercentOff, check_benefit
from loyaltycore.conditions import CodePresented, Condition, Situation, SpendAtLeast, parts_of, unmet
from loyaltycore.errors import Accepted, Reason, Refusal, Refused, UsageError
from loyaltycore.identity import check_slug, labels
from loyaltycore.messages import Language, say
from loyaltycore.periods import Window
from loyaltycore.quantities import Money, allocate
from loyaltycore.wire import instant_text

__all__ = [
    "COMBINATIONS_LIMIT",
    "OFFERS_LIMIT",
    "AppliedOffer",
    "Evaluation",
    "Lane",
    "Mode",
    "Nudge",
    "Offer",
    "OfferBook",
    "Stacking",
]

OFFERS_LIMIT: Final = 10_000
"""Offers of one book."""

COMBINATIONS_LIMIT: Final = 4_096
"""Sets of offers that ``best`` compares; beyond it each lane takes its own best, and the result says it may not be optimal."""


class Lane(StrEnum):
    """Where an offer works; in ``best`` and ``priority`` at most one offer a lane applies."""

    PRODUCT = "product"
    BASKET = "basket"
    SHIPPING = "shipping"


class Mode(StrEnum):
    """How offers meet: all of them, the first by priority in each lane, or the set that is best for the customer."""

    ALL = "all"
    PRIORITY = "priority"
    BEST = "best"


@final
@attrs.frozen
class Stacking:
    """The stated policy for offers that meet.

    Attributes:
        mode: See ``Mode``.
        exclude_tags: Lines with one of these tags are touched by no offer, and do not count towards a threshold.
    """

    mode: Mode
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the mode."""
        check_kind("mode", self.mode, Mode)


def _own_lane(give: Benefit) -> Lane:
    return Lane.SHIPPING if isinstance(give, FreeShipping) else Lane.BASKET


@final
@attrs.frozen
class Offer:
    """A benefit under a condition.

    Attributes:
        offer_id: The program's name for it.
        when: What must hold.
        give: What it gives.
        lane: Where it works: the shipping lane for free shipping, the basket lane for the rest, unless said.
        priority: The higher goes first; equal ones by id.
        window: When it runs; ``None`` always.
    """

    offer_id: str
    when: Condition = attrs.field(kw_only=True)
    give: Benefit = attrs.field(kw_only=True)
    lane: Lane = attrs.field(default=attrs.Factory(lambda self: _own_lane(self.give), takes_self=True), kw_only=True)
    priority: int = attrs.field(default=0, kw_only=True)
    window: Window | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the id and the priority."""
        check_slug("offer_id", self.offer_id)
        parts_of(self.when)
        check_benefit(self.give)
        check_kind("lane", self.lane, Lane)
        if self.window is not None:
            check_kind("window", self.window, Window)
        check_whole("priority", self.priority, low=-1_000_000, high=1_000_000)

    @property
    def rank(self) -> tuple[int, str]:
        """Place in the total order of offers."""
        return (-self.priority, self.offer_id)

    @property
    def codes(self) -> frozenset[str]:
        """The folded codes it asks for."""
        return frozenset(part.folded for part in parts_of(self.when) if isinstance(part, CodePresented))

    @property
    def thresholds(self) -> tuple[Money, ...]:
        """The amounts that must be spent."""
        return tuple(part.amount for part in parts_of(self.when) if isinstance(part, SpendAtLeast))

    def refusals(self, situation: Situation) -> tuple[Refusal, ...]:
        """List what keeps it from applying, besides other offers."""
        found = list(unmet(self.when, situation))
        window, at = self.window, situation.at
        if window is not None and window.starts_at is not None and at < window.starts_at:
            first = situation.calendar.day_of(window.starts_at)
            when = {"starts_at": instant_text(window.starts_at), "starts_on": first.isoformat()}
            found.append(Refusal(Reason.OFFER_NOT_STARTED, {"offer_id": self.offer_id, **when}))
        if window is not None and window.ends_at is not None and at >= window.ends_at:
            last = situation.calendar.day_of(window.ends_at - timedelta.resolution)
            when = {"ended_at": instant_text(window.ends_at), "last_on": last.isoformat()}
            found.append(Refusal(Reason.OFFER_EXPIRED, {"offer_id": self.offer_id, **when}))
        return tuple(sorted(found, key=lambda refusal: refusal.reason.precedence))


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
    """

    offer_id: str
    lane: Lane
    shares: tuple[int, ...]
    shipping_minor: int = 0
    frees_shipping: bool = False

    @property
    def discount_minor(self) -> int:
        """What it takes off in all."""
        return sum(self.shares) + self.shipping_minor


@final
@attrs.frozen(kw_only=True)
class Evaluation:
    """What a book says to a basket.

    Attributes:
        applied: In the order they were applied: by lane, priority, id.
        refused: Why each other offer is not, by its id.
        optimal: ``False`` when ``best`` had too many sets to compare them all.
    """

    applied: tuple[AppliedOffer, ...]
    refused: FrozenMap[str, tuple[Refusal, ...]]
    optimal: bool = True

    @property
    def goods_minor(self) -> int:
        """What all offers take off the goods."""
        return sum(sum(offer.shares) for offer in self.applied)

    @property
    def shipping_minor(self) -> int:
        """What all offers take off shipping."""
        return sum(offer.shipping_minor for offer in self.applied)

    @property
    def frees_shipping(self) -> bool:
        """Whether shipping costs nothing, known or not."""
        return any(offer.frees_shipping for offer in self.applied)

    @property
    def worth(self) -> tuple[int, bool]:
        """What is compared: money off, then shipping freed while its price is unknown."""
        freed_unknown = any(offer.frees_shipping and offer.shipping_minor == 0 for offer in self.applied)
        return (self.goods_minor + self.shipping_minor, freed_unknown)

    def verdict(self, offer_id: str) -> Accepted[AppliedOffer] | Refused:
        """Answer for one offer: applied, or why not.

        Returns:
            ``offer_not_found`` for an id the book does not have.
        """
        for offer in self.applied:
            if offer.offer_id == offer_id:
                return Accepted(offer)
        return Refused(self.refused.get(offer_id, (Refusal(Reason.OFFER_NOT_FOUND, {"offer_id": offer_id}),)))


@final
@attrs.frozen
class Nudge:
    """How little more gets a reward.

    Attributes:
        offer_id: The offer that would apply.
        missing: The exact amount of goods to add.
        give: What it would give.
    """

    offer_id: str
    missing: Money
    give: Benefit

    def text(self, language: Language = "en") -> str:
        """Say it to a shopper.

        Args:
            language: ``"en"`` or ``"fr"``.
        """
        match self.give:
            case PercentOff():
                return say("nudge.percent_off", language, missing=self.missing, percent=self.give.percent)
            case FreeShipping():
                return say("nudge.free_shipping", language, missing=self.missing)
        assert_never(self.give)


def _by_rank(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    return tuple(sorted(offers, key=lambda offer: offer.rank))


@final
@attrs.frozen
class OfferBook:
    """All offers of a program, and the policy under which they meet.

    Attributes:
        offers: In their total order; ids are unique, and no code belongs to two.
        stacking: How they meet.
    """

    offers: tuple[Offer, ...] = attrs.field(converter=_by_rank)
    stacking: Stacking = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse doubles."""
        if len(self.offers) > OFFERS_LIMIT:
            msg = f"a book must have at most {OFFERS_LIMIT} offers, got {len(self.offers)}"
            raise UsageError(msg)
        seen: dict[str, str] = {}
        for offer in self.offers:
            for name in (f"id {offer.offer_id}", *(f"code {code}" for code in sorted(offer.codes))):
                if name in seen:
                    msg = f"{name} belongs to two offers: {seen[name]} and {offer.offer_id}"
                    raise UsageError(msg)
                seen[name] = offer.offer_id

    def goods_minor(self, groups: Iterable[UnitGroup]) -> int:
        """Sum the list prices of the goods that offers may touch."""
        return sum(group.list_minor for group in groups if not group.tags & self.stacking.exclude_tags)

    def offer_of_code(self, folded: str) -> Offer | None:
        """Find the offer a code belongs to."""
        return next((offer for offer in self.offers if folded in offer.codes), None)

    def evaluate(self, groups: Sequence[UnitGroup], *, shipping_minor: int | None, situation: Situation) -> Evaluation:
        """Decide which offers apply, and what each takes off what.

        Args:
            groups: The basket's units in their one order.
            shipping_minor: What shipping costs; ``None`` while not known.
            situation: What conditions see; its ``goods_minor`` is this book's.

        Complexity:
            O(offers × groups), and up to ``COMBINATIONS_LIMIT`` sets in ``best``.
        """
        refused: dict[str, tuple[Refusal, ...]] = {}
        lanes: dict[Lane, list[Offer]] = {lane: [] for lane in Lane}
        for offer in self.offers:
            refusals = offer.refusals(situation) or self._without_effect(offer, groups, shipping_minor)
            if refusals:
                refused[offer.offer_id] = refusals
            else:
                lanes[offer.lane].append(offer)
        chosen, optimal = self._choose(lanes, groups, shipping_minor)
        applied = self._apply(chosen, groups, shipping_minor)
        winners = {offer.lane: offer.offer_id for offer in reversed(applied)}
        ids = {offer.offer_id for offer in applied}
        for offer in (offer for candidates in lanes.values() for offer in candidates if offer.offer_id not in ids):
            # One that has an effect alone and none here gave way to something: in its lane, or to what left nothing to take off.
            by = winners.get(offer.lane, applied[0].offer_id)
            refused[offer.offer_id] = (Refusal(Reason.OFFER_SUPERSEDED, {"offer_id": offer.offer_id, "by": by}),)
        return Evaluation(
            applied=applied,
            refused=FrozenMap({o.offer_id: refused[o.offer_id] for o in self.offers if o.offer_id in refused}),
            optimal=optimal,
        )

    def nudges(self, groups: Sequence[UnitGroup], *, shipping_minor: int | None, situation: Situation) -> tuple[Nudge, ...]:
        """List the offers that are only an amount away, nearest first; each is verified by quoting it.

        Args:
            groups: The basket's units.
            shipping_minor: What shipping costs; ``None`` while not known counts as something.
            situation: What conditions see.
        """
        found = list[Nudge]()
        for offer in self.offers:
            refusals = offer.refusals(situation)
            if len(refusals) != 1 or refusals[0].reason is not Reason.BASKET_BELOW_THRESHOLD:
                continue
            missing = refusals[0].details["missing_minor"]
            assert isinstance(missing, int)  # what the threshold puts there
            if self._rewards(offer, missing, groups, shipping_minor, situation) and not self._applies(
                offer, missing - 1, groups, shipping_minor, situation
            ):
                found.append(Nudge(offer.offer_id, Money(missing, situation.currency), offer.give))
        return tuple(sorted(found, key=lambda nudge: (nudge.missing.minor_units, nudge.offer_id)))

    def _probe(self, extra: int, groups: Sequence[UnitGroup], shipping_minor: int | None, situation: Situation) -> Evaluation:
        probed = (*groups, UnitGroup(product_id="", unit_minor=extra, quantity=1)) if extra else tuple(groups)
        seen = attrs.evolve(situation, goods_minor=situation.goods_minor + extra)
        return self.evaluate(probed, shipping_minor=shipping_minor, situation=seen)

    def _applies(
        self, offer: Offer, extra: int, groups: Sequence[UnitGroup], shipping_minor: int | None, situation: Situation
    ) -> bool:
        answer = self._probe(extra, groups, shipping_minor, situation).verdict(offer.offer_id)
        return isinstance(answer, Accepted)

    def _rewards(
        self, offer: Offer, extra: int, groups: Sequence[UnitGroup], shipping_minor: int | None, situation: Situation
    ) -> bool:
        """Say whether, with so much more, the offer applies and the basket is cheaper than the same without the offer."""
        if not self._applies(offer, extra, groups, shipping_minor, situation):
            return False
        without = attrs.evolve(self, offers=[other for other in self.offers if other != offer])
        return (
            self._probe(extra, groups, shipping_minor, situation).worth
            > without._probe(extra, groups, shipping_minor, situation).worth  # noqa: SLF001 - the same class
        )

    def _touches(self, offer: Offer, group: UnitGroup) -> bool:
        own = offer.give.exclude_tags if isinstance(offer.give, PercentOff) else frozenset()
        return not group.tags & (self.stacking.exclude_tags | own)

    def _without_effect(self, offer: Offer, groups: Sequence[UnitGroup], shipping_minor: int | None) -> tuple[Refusal, ...]:
        """Refuse an offer that would take nothing off, taken alone."""
        if self._apply([offer], groups, shipping_minor):
            return ()
        return (Refusal(Reason.OFFER_WITHOUT_EFFECT, {"offer_id": offer.offer_id}),)

    def _apply(
        self, offers: Iterable[Offer], groups: Sequence[UnitGroup], shipping_minor: int | None
    ) -> tuple[AppliedOffer, ...]:
        """Apply a set of offers, one after the other in their total order, each on list prices."""
        left = [group.list_minor for group in groups]
        shipping_left = shipping_minor
        applied = list[AppliedOffer]()
        for offer in sorted(offers, key=lambda offer: (_LANES.index(offer.lane), offer.rank)):
            match offer.give:
                case PercentOff():
                    shares = self._percent_shares(offer, offer.give, groups, left)
                    if any(shares):
                        applied.append(AppliedOffer(offer_id=offer.offer_id, lane=offer.lane, shares=shares))
                        left = [rest - share for rest, share in zip(left, shares, strict=True)]
                case FreeShipping():
                    if shipping_left != 0:
                        applied.append(_freed(offer, len(groups), shipping_left or 0))
                        shipping_left = 0
                case _:
                    assert_never(offer.give)
        return tuple(applied)

    def _percent_shares(
        self, offer: Offer, give: PercentOff, groups: Sequence[UnitGroup], left: Sequence[int]
    ) -> tuple[int, ...]:
        weights = [group.list_minor if self._touches(offer, group) else 0 for group in groups]
        shares = allocate(give.amount_off(sum(weights)), weights)
        return tuple(min(share, rest) for share, rest in zip(shares, left, strict=True))

    def _choose(
        self, lanes: dict[Lane, list[Offer]], groups: Sequence[UnitGroup], shipping_minor: int | None
    ) -> tuple[list[Offer], bool]:
        candidates = [offers for offers in lanes.values() if offers]
        match self.stacking.mode:
            case Mode.ALL:
                return [offer for offers in candidates for offer in offers], True
            case Mode.PRIORITY:
                return [offers[0] for offers in candidates], True
            case Mode.BEST:
                return self._best(candidates, groups, shipping_minor)
        assert_never(self.stacking.mode)

    def _best(
        self, candidates: list[list[Offer]], groups: Sequence[UnitGroup], shipping_minor: int | None
    ) -> tuple[list[Offer], bool]:
        """Compare every allowed set; ties go to fewer offers, then to priority, then to the id."""

        def key(offers: Sequence[Offer]) -> tuple[object, ...]:
            applied = self._apply(offers, groups, shipping_minor)
            money, frees = Evaluation(applied=applied, refused=FrozenMap()).worth
            return (-money, not frees, len(offers), sorted(offer.rank for offer in offers))

        if prod(len(offers) + 1 for offers in candidates) > COMBINATIONS_LIMIT:
            return [min(offers, key=lambda offer: key([offer])) for offers in candidates], False
        sets = ([offer for offer in some if offer is not None] for some in product(*([None, *offers] for offers in candidates)))
        return min(sets, key=key), True


_LANES: Final = tuple(Lane)


def _freed(offer: Offer, groups: int, shipping_minor: int) -> AppliedOffer:
    return AppliedOffer(
        offer_id=offer.offer_id, lane=offer.lane, shares=(0,) * groups, shipping_minor=shipping_minor, frees_shipping=True
    )
