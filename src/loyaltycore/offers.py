"""Offers: a condition, a benefit, and how offers share a basket.

Invariants:
    1. Every offer in the book gets an answer: applied, or refused with reasons.
    2. Shares are given to unit groups once; an offer's discount is the sum of its shares, and no unit falls below its floor.
    3. The order of the lines, of the codes and of the offers in the book never decides; nor does splitting a line, but for
       amounts and rounding per line.
    4. An offer that gives nothing is not applied.
    5. In ``best`` no allowed set of offers is better for the customer, where the evaluation says ``optimal``.
    6. A nudge is shown only when adding exactly what it says gets the offer applied and the basket cheaper, or richer in points
       or gifts, than without the offer, and one minor unit, or one unit, less does not.

>>> from datetime import UTC, datetime
>>> from loyaltycore.basket import Basket
>>> from loyaltycore.benefits import PercentOff
>>> from loyaltycore.conditions import spend_at_least
>>> from loyaltycore.quantities import Money
>>> ten = Offer("ten-from-fifty", when=spend_at_least(Money.of("50", "EUR")), give=PercentOff("10"))
>>> book = OfferBook([ten], stacking=Stacking(Mode.BEST))
>>> situation = book.situation(Basket.of("EUR", {"helmet": "79.90"}), at=datetime(2026, 7, 1, tzinfo=UTC))
>>> [(applied.offer_id, applied.discount_minor) for applied in book.evaluate(situation).applied]
[('ten-from-fifty', 799)]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from typing import Any, Final, final

import attrs

from loyaltycore._checks import check_kind, check_several
from loyaltycore._frozen import FrozenMap
from loyaltycore._nudges import Nudge, NudgeOrder, find_nudges
from loyaltycore._offer_index import OfferIndex
from loyaltycore._offer_kinds import (
    NO_VIEW,
    AppliedOffer,
    Combines,
    FreedBy,
    GiftGiven,
    Lane,
    Limits,
    Mode,
    Offer,
    Returns,
    Span,
    Stacking,
    Times,
    Used,
    View,
)
from loyaltycore._offer_search import STEPS_LIMIT, Table, choose, turn_of, worth_of
from loyaltycore._offer_warnings import OfferWarning, WarningKind
from loyaltycore._prices import Prices
from loyaltycore.basket import Basket
from loyaltycore.benefits import BonusPoints, Gift, singles
from loyaltycore.conditions import Situation
from loyaltycore.errors import Accepted, CurrencyMismatchError, Reason, Refusal, Refused, UsageError
from loyaltycore.members import Profile
from loyaltycore.periods import Calendar
from loyaltycore.quantities import Money

__all__ = [
    "NO_VIEW",
    "OFFERS_LIMIT",
    "STEPS_LIMIT",
    "AppliedOffer",
    "Combines",
    "Evaluation",
    "FreedBy",
    "GiftGiven",
    "Lane",
    "Limits",
    "Mode",
    "Nudge",
    "NudgeOrder",
    "Offer",
    "OfferBook",
    "OfferWarning",
    "Returns",
    "Span",
    "Stacking",
    "Times",
    "Used",
    "View",
    "WarningKind",
]

_NO_PROFILE: Final = Profile()
_UTC: Final = Calendar("UTC")

OFFERS_LIMIT: Final = 100_000
"""Offers of one book."""


@final
@attrs.frozen(kw_only=True)
class Evaluation:
    """What a book says to a basket.

    Attributes:
        applied: In the order they were given: by lane, priority, in ``best`` the deepest discount, narrower goods, id.
        optimal: ``False`` when ``best`` had too many sets to compare them all; then they are the best that were.
        book: The offers.
        situation: What the conditions saw.
        view: What was used, and what is out of stock.
    """

    applied: tuple[AppliedOffer, ...]
    optimal: bool = True
    book: OfferBook = attrs.field(repr=False)
    situation: Situation = attrs.field(repr=False)
    view: View = attrs.field(default=NO_VIEW, repr=False)

    @property
    def goods_minor(self) -> int:
        """What all offers take off the goods."""
        return sum(offer.goods_minor for offer in self.applied)

    @property
    def shipping_minor(self) -> int:
        """What all offers take off shipping."""
        return sum(offer.shipping_minor for offer in self.applied)

    @property
    def frees_shipping(self) -> bool:
        """Whether shipping costs nothing, known or not."""
        return any(offer.frees_shipping for offer in self.applied)

    @property
    def gifts(self) -> tuple[GiftGiven, ...]:
        """What comes free, in the order of the offers."""
        return tuple(gift for offer in self.applied for gift in offer.gifts)

    @property
    def bonus(self) -> tuple[BonusPoints, ...]:
        """Points on top, in the order of the offers."""
        return tuple(bonus for offer in self.applied for bonus in offer.bonus)

    @property
    def coupons(self) -> tuple[str, ...]:
        """Coupons to come, in the order of the offers."""
        return tuple(coupon for offer in self.applied for coupon in offer.coupons)

    @property
    def worth(self) -> tuple[int, int, int, int, int, int]:
        """What a customer compares, more being better: money off, shipping eased while its price is unknown, points, gifts."""
        return worth_of(self.applied)

    @cached_property
    def refused(self) -> FrozenMap[str, tuple[Refusal, ...]]:
        """Why each other offer is not applied, by its id.

        Complexity:
            Asks every offer of the book; ``verdict`` asks one.
        """
        applied = {offer.offer_id for offer in self.applied}
        return FrozenMap({o.offer_id: self._refusals(o) for o in self.book.offers if o.offer_id not in applied})

    def verdict(self, offer_id: str) -> Accepted[AppliedOffer] | Refused:
        """Answer for one offer: applied, or why not.

        Returns:
            ``offer_not_found`` for an id the book does not have.
        """
        for applied in self.applied:
            if applied.offer_id == offer_id:
                return Accepted(applied)
        offer = self.book.offer(offer_id)
        if offer is None:
            return Refused((Refusal(Reason.OFFER_NOT_FOUND, {"offer_id": offer_id}),))
        return Refused(self._refusals(offer))

    def _refusals(self, offer: Offer) -> tuple[Refusal, ...]:
        """Say why an offer is not applied: by itself, then beside the others."""
        if offer.offer_id in self.view.stopped:
            return (Refusal(Reason.CAMPAIGN_STOPPED, {"campaign_id": offer.offer_id}),)
        left = self.left_before(offer) if offer.follows_others else None
        refusals = offer.refusals(self.situation, self.view.used_of(offer.offer_id), left=left)
        if refusals:
            return refusals
        alone = self.book.prices(self.situation).give(offer, self.view)
        if alone is None:
            return (self._without_effect(offer),)
        return (Refusal(Reason.OFFER_SUPERSEDED, {"offer_id": offer.offer_id, "by": self._winner(offer, alone)}),)

    def _without_effect(self, offer: Offer) -> Refusal:
        """Say why an offer gives nothing by itself."""
        if offer.is_limited:
            unlimited = attrs.evolve(offer, limits=Limits())
            wanted = self.book.prices(self.situation).give(unlimited, self.view)
            if wanted is not None:
                return offer.limit_refusal(wanted, self.view.used_of(offer.offer_id))
        for single in singles(offer.give):
            if isinstance(single, Gift) and single.product_id in self.view.out_of_stock:
                return Refusal(Reason.GIFT_UNAVAILABLE, {"offer_id": offer.offer_id, "product_id": single.product_id})
        return Refusal(Reason.OFFER_WITHOUT_EFFECT, {"offer_id": offer.offer_id})

    def left_before(self, offer: Offer) -> list[int]:
        """Give what the applied offers before an offer's place leave of each group."""
        left = [group.list_minor for group in self.situation.groups]
        table = Table((), self.situation, self.book.stacking, self.view)

        def place_of(one: Offer) -> tuple[Any, ...]:
            return turn_of(table, one) if table.stacking.mode is Mode.BEST else one.rank

        place = place_of(offer)
        for applied in self.applied:
            before = self.book.offer(applied.offer_id)
            if before is not None and place_of(before) < place:
                left = [rest - share for rest, share in zip(left, applied.shares, strict=True)]
        return left

    def _winner(self, offer: Offer, alone: AppliedOffer) -> str:
        """Name the applied offer that an offer gave way to.

        One that stands alone, or after which none comes; then one of its group, of its goods and lane, of its lane, of its goods.
        Outside ``best`` only those that were given before it count.
        """
        in_turn = self.book.stacking.mode is not Mode.BEST

        def closeness(applied: AppliedOffer) -> tuple[bool, ...]:
            other = self.book.offer(applied.offer_id)
            assert other is not None  # it was applied from this book
            before = other.rank < offer.rank
            ends_it = other.combines is Combines.ALONE or (other.combines is Combines.LAST and before)
            same_group = offer.group is not None and offer.group == other.group
            share_goods = any(mine and theirs for mine, theirs in zip(alone.shares, applied.shares, strict=True))
            same_lane = applied.lane is offer.lane
            nearness = (ends_it, before or not in_turn, same_group, share_goods and same_lane, same_lane, share_goods)
            return tuple(not near for near in nearness)

        return min(self.applied, key=closeness).offer_id if self.applied else offer.offer_id


def _by_rank(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    return tuple(sorted(check_several("offers", offers, Offer, limit=OFFERS_LIMIT), key=lambda offer: offer.rank))


@final
@attrs.frozen
class OfferBook:
    """All offers of a program, and the policy under which they meet.

    It is sorted out once, so that a quote costs what could apply, not what is in the book.

    Attributes:
        offers: In their total order, at most 100,000; ids are unique, and no code belongs to two.
        stacking: How they meet.
    """

    offers: tuple[Offer, ...] = attrs.field(converter=_by_rank)
    stacking: Stacking = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse doubles, and amounts of several currencies."""
        check_kind("stacking", self.stacking, Stacking)
        seen: dict[str, str] = {}
        for offer in self.offers:
            for name in (f"id {offer.offer_id}", *(f"code {code}" for code in sorted(offer.codes))):
                if name in seen:
                    msg = f"{name} belongs to two offers: {seen[name]} and {offer.offer_id}"
                    raise UsageError(msg)
                seen[name] = offer.offer_id
        currencies = sorted({money.currency for money in self._moneys})
        if len(currencies) > 1:
            raise CurrencyMismatchError(currencies[0], currencies[1])

    @property
    def _moneys(self) -> Iterator[Money]:
        for offer in self.offers:
            yield from offer.moneys
        if self.stacking.discount_limit is not None:
            yield self.stacking.discount_limit

    @cached_property
    def currency(self) -> str | None:
        """The one currency of all amounts it names; ``None`` where it names none, and fits any basket."""
        return next((money.currency for money in self._moneys), None)

    @cached_property
    def _index(self) -> OfferIndex:
        return OfferIndex(self.offers)

    @cached_property
    def _by_id(self) -> dict[str, Offer]:
        return {offer.offer_id: offer for offer in self.offers}

    @cached_property
    def _by_code(self) -> dict[str, Offer]:
        return {code: offer for offer in self.offers for code in offer.codes}

    @cached_property
    def limited(self) -> tuple[Offer, ...]:
        """The offers of which there is only so much for all members together."""
        return tuple(offer for offer in self.offers if offer.limits.are_shared)

    @cached_property
    def limited_per_member(self) -> tuple[Offer, ...]:
        """The offers of which one member has only so many."""
        return tuple(offer for offer in self.offers if offer.limits.are_members)

    @cached_property
    def speaks_of_lines(self) -> bool:
        """Whether some offer takes something off lines: then each line is a group of its own."""
        return any(offer.speaks_of_lines for offer in self.offers)

    def offer(self, offer_id: str) -> Offer | None:
        """Find an offer by its id."""
        return self._by_id.get(offer_id)

    @property
    def codes(self) -> frozenset[str]:
        """All codes that people made, folded."""
        return frozenset(self._by_code)

    def offer_of_code(self, folded: str) -> Offer | None:
        """Find the offer a code belongs to."""
        return self._by_code.get(folded)

    def situation(
        self,
        basket: Basket,
        *,
        is_member: bool = False,
        order_count: int = 0,
        codes: Iterable[str] = (),
        coupons: Iterable[str] = (),
        tier: str | None = None,
        points: int = 0,
        past_list_minor: int = 0,
        past_discount_minor: int = 0,
        profile: Profile = _NO_PROFILE,
        gives_points: bool = True,
        at: datetime,
        calendar: Calendar = _UTC,
    ) -> Situation:
        """Gather what the conditions of this book see of a basket: the fields of ``Situation``.

        Args:
            basket: What is bought.
            is_member: Whether a member asks; guests are legal.
            order_count: Orders the member has placed before.
            codes: As typed.
            coupons: The campaigns of which a coupon can be redeemed now, by id.
            tier: The member's tier.
            points: Points available to burn.
            past_list_minor: What the goods of the member's orders cost before offers.
            past_discount_minor: What offers took off them.
            profile: What the shop told about the person.
            gives_points: Whether points are given at all.
            at: The instant of the question, timezone-aware.
            calendar: Whose local days and hours count; those of UTC unless said, so say it where hours or days matter.
        """
        return Situation(
            basket=basket,
            groups=basket.line_groups() if self.speaks_of_lines else basket.unit_groups(),
            exclude_tags=self.stacking.exclude_tags,
            is_member=is_member,
            order_count=order_count,
            codes=codes,
            coupons=coupons,
            tier=tier,
            points=points,
            past_list_minor=past_list_minor,
            past_discount_minor=past_discount_minor,
            profile=profile,
            gives_points=gives_points,
            at=at,
            calendar=calendar,
        )

    def evaluate(self, situation: Situation, *, view: View = NO_VIEW, without: frozenset[str] = frozenset()) -> Evaluation:
        """Decide which offers apply, and what each takes off what.

        Args:
            situation: What conditions see, as ``situation`` gathers it.
            view: What was used of each offer, and what is out of stock.
            without: Ids of offers that are left out, as if they were not in the book.

        Raises:
            CurrencyMismatchError: A basket of another currency than the book's amounts.
            UsageError: A situation of other excluded tags or groups than this book's.

        Complexity:
            O(offers that could apply · groups), and in ``best`` at most ``STEPS_LIMIT`` times that.
        """
        without = without | view.stopped
        if self.currency not in {None, situation.basket.currency}:
            raise CurrencyMismatchError(str(self.currency), situation.basket.currency)
        by_line = len(situation.groups) == len(situation.basket.lines)
        if situation.exclude_tags != self.stacking.exclude_tags or (self.speaks_of_lines and not by_line):
            msg = "situation must be one that this book made, by its situation(), got another book's or one made by hand"
            raise UsageError(msg)
        candidates = list[Offer]()
        for number in self._index.candidates(situation):
            offer = self.offers[number]
            if offer.offer_id not in without and offer.holds(situation, view.used_of(offer.offer_id)):
                candidates.append(offer)
        applied, optimal = choose(Table(candidates, situation, self.stacking, view))
        return Evaluation(applied=applied, optimal=optimal, book=self, situation=situation, view=view)

    def prices(self, situation: Situation) -> Prices:
        """Give the prices of a basket before all offers."""
        return Table((), situation, self.stacking, NO_VIEW).prices()

    def nudges(self, situation: Situation, *, view: View = NO_VIEW, order: NudgeOrder = NudgeOrder.NEAREST) -> tuple[Nudge, ...]:
        """List the offers that are only a little away; each is verified by quoting the basket with exactly that more.

        Args:
            situation: What conditions see.
            view: What was used of each offer, and what is out of stock.
            order: Nearest first, or most worth first.
        """
        return find_nudges(self, situation, view, order)
