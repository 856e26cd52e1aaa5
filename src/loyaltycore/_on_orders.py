"""What a program decides of an order that was reserved or placed: confirm, cancel, attach and refund."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

import attrs

from loyaltycore._booking import (
    book_attached,
    book_cancelled,
    book_order,
    book_return,
    earned_now,
    is_given_up,
    with_facts,
)
from loyaltycore._checks import check_kind
from loyaltycore._decisions import (
    Attached,
    Cancelled,
    Placed,
    Refunded,
    check_member,
    check_same_return,
    order_posting,
    taken_since,
)
from loyaltycore._of_members import OfMembers
from loyaltycore._redeeming import freeing, holding
from loyaltycore._referring import referral_placed, referral_returned, still_qualifies
from loyaltycore._rewards_due import settle, settle_return
from loyaltycore._settling import (
    Beside,
    beside_attached,
    beside_cancelled,
    beside_confirmed,
    beside_returned,
    counters_kept,
    coupons_to_come,
    facts_cancelled,
    facts_placed,
    facts_returned,
    offers_kept,
)
from loyaltycore.basket import Return
from loyaltycore.errors import Reason, Refusal, Refused, RefusedError
from loyaltycore.facts import Posting
from loyaltycore.memberships import Membership
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.orders import (
    Order,
    OrderAttached,
    OrderCancelled,
    OrderPlaced,
)
from loyaltycore.periods import Period, Term, check_instant
from loyaltycore.referrals import Referral

__all__ = ["OnOrders"]

_CARD_RESTORE: Final = Term(Period(months=12))
"""How long money can be used that comes back to a gift card which has expired, where the program says nothing."""


class OnOrders(OfMembers, Protocol):
    """The calls of a program on an order that there is."""

    __slots__ = ()

    @property
    def returns(self) -> Term | None:
        """How long an order can be returned."""

    def confirm(
        self,
        order: Order,
        membership: Membership | None = None,
        *,
        referral: Referral | None = None,
        view: View = NO_VIEW,
        at: datetime,
    ) -> Placed:
        """Book a reserved order, because it was paid: as it was set aside, whatever has changed since.

        A paid order is never refused: after its time has run out, and after it was cancelled, it is booked as well, with
        ``fact.late``. What it is to burn is then taken below zero where it must be. Points that a cap of today no longer leaves
        are not given; to a late one they are.

        Args:
            order: As it is now.
            membership: As it is now; must be the order's member.
            referral: The member's own, as a friend whom somebody referred.
            view: The order's coupons and gift cards, where it has some: ``needs`` names their streams.
            at: Timezone-aware.

        Returns:
            The postings to keep; without facts when it was placed already.

        Raises:
            RefusedError: ``order_not_found`` where it was never reserved; ``key_reused`` where the shop has used the order's id
                for something else of the member meanwhile.
            UsageError: Another member's state.
        """
        check_instant("at", at)
        if order.placed is not None:
            check_member(order.placed.member_id, membership)
            again = None if membership is None else membership.posting(())
            return Placed(fact=order.placed, order=order_posting(order, ()), member=again)
        reserved = order.reserved
        if reserved is None:
            raise RefusedError(Refusal(Reason.ORDER_NOT_FOUND, {"order_id": order.order_id}))
        check_member(order.member_id, membership)
        late = not order.is_reserved(at=at)
        earned, since = reserved.order.earned, reserved.order.at
        if membership is not None:
            late = late or is_given_up(membership, reserved.order)
            earned = earned_now(self.earning, earned, membership, since=since, calendar=self.calendar, capped=not late)
        placed = attrs.evolve(reserved.order, earned=earned, ordered_at=since, late=late, final_at=self._final_at(at), at=at)
        beside = beside_confirmed(placed, view, self.campaigns, self.calendar)
        member, beside = self._member_placed(membership, placed, beside, referral)
        return Placed(
            fact=placed,
            order=order_posting(order, (placed,)),
            member=member,
            beside=beside,
            # A paid order is never refused: it may take a limit beyond its end, and nothing else does.
            claims=holding(placed.counters, order_id=order.order_id, at=at),
        )

    def cancel(self, order: Order, membership: Membership | None = None, *, view: View = NO_VIEW, at: datetime) -> Cancelled:
        """Give a reserved order up: what was held for it is free.

        A reservation frees what it holds by itself when its time has run out; cancelling is only sooner.

        Args:
            order: As it is now.
            membership: As it is now; must be the order's member.
            view: The order's coupons and gift cards, as for ``confirm``.
            at: Timezone-aware.

        Returns:
            The postings to keep; without facts when it was cancelled already.

        Raises:
            RefusedError: ``order_not_found`` where it was never reserved; ``order_placed`` where it was booked: refund it.
            UsageError: Another member's state.
        """
        check_instant("at", at)
        if order.placed is not None:
            raise RefusedError(Refusal(Reason.ORDER_PLACED, {"order_id": order.order_id}))
        if order.reserved is None:
            raise RefusedError(Refusal(Reason.ORDER_NOT_FOUND, {"order_id": order.order_id}))
        check_member(order.member_id, membership)
        fact = OrderCancelled(order_id=order.order_id, at=at if order.cancelled_at is None else order.cancelled_at)
        facts = (fact,) if order.cancelled_at is None else ()
        if not facts:
            again = None if membership is None else membership.posting(())
            return Cancelled(fact=fact, order=order_posting(order, ()), member=again)
        member, order_id = None, order.order_id
        beside = beside_cancelled(order.reserved.order, view, at=at)
        if membership is not None:
            freed = book_cancelled(membership, order_id, at=at)
            named = with_facts(freed, facts_cancelled(membership, order_id, at=at))
            member, beside = settle(self, membership, named, beside=beside, at=at)
        return Cancelled(
            fact=fact,
            order=order_posting(order, facts),
            member=member,
            beside=beside,
            claims=freeing(order.reserved.order.counters, order_id=order_id, at=at),
        )

    def attach(
        self,
        order: Order,
        membership: Membership,
        *,
        referral: Referral | None = None,
        view: View = NO_VIEW,
        at: datetime,
    ) -> Attached:
        """Give a guest's order to a member: what it would have given at purchase, as caps allow now, less what came back since.

        Points, coupons to come, what counts for tiers and milestones, and the referral of a new member. Prices stay as they were
        paid.

        Args:
            order: As it is now.
            membership: As it is now.
            referral: The member's own, as a friend whom somebody referred.
            view: Campaigns that were stopped give no coupon.
            at: Timezone-aware.

        Raises:
            RefusedError: ``order_not_found`` where it was never placed; ``order_has_member``; ``key_reused`` where the order's id
                names something else of the member.
        """
        check_instant("at", at)
        check_kind("membership", membership, Membership)
        placed, order_id = order.placed, order.order_id
        if placed is None:
            raise RefusedError(Refusal(Reason.ORDER_NOT_FOUND, {"order_id": order_id}))
        if placed.member_id is not None:
            raise RefusedError(Refusal(Reason.ORDER_HAS_MEMBER, {"order_id": order_id, "member_id": placed.member_id}))
        earned = earned_now(self.earning, placed.earned, membership, since=placed.since, calendar=self.calendar)
        granted = coupons_to_come(
            () if order.is_all_back else placed.coupons,
            self.campaigns,
            stopped=view.stopped,
            order_id=order_id,
            member_id=membership.member_id,
        )
        member_id = membership.member_id
        fact = OrderAttached(order_id=order_id, member_id=member_id, earned=earned, coupons_granted=granted, at=at)
        own = attrs.evolve(
            placed,
            member_id=member_id,
            earned=earned,
            coupons_granted=granted,
            offers_per_member=offers_kept(order, self.book),
            ordered_at=placed.since,
            at=at,
        )
        member = book_attached(
            membership,
            own,
            taken_since(own, order.returns.values()),
            overdraft=self.overdraft,
            restore=self.restore,
            calendar=self.calendar,
        )
        given = beside_attached(own, self.campaigns, self.calendar)
        named = with_facts(member, facts_placed(membership, own, given))
        member, beside = settle(self, membership, named, beside=given, at=at)
        joined = () if referral is None else self._referral_attached(referral, placed, order, membership)
        return Attached(fact=fact, order=order_posting(order, (fact,)), member=member, beside=(*beside, *joined))

    def refund(
        self,
        order: Order,
        membership: Membership | None = None,
        *,
        back: Return,
        return_id: str,
        referral: Referral | None = None,
        view: View = NO_VIEW,
        at: datetime,
    ) -> Refunded:
        """Take back some of an order: money, points earned, points burned and what counts for tiers, each exactly.

        Args:
            order: As it is now.
            membership: As it is now; must be the order's member.
            back: Units by line, or an amount.
            return_id: The shop's own; the same one again changes nothing.
            referral: The member's own, as a friend whom somebody referred.
            view: The order's coupons and gift cards, as for ``confirm``; and the coupons and payouts of the member's rewards,
                which ``rewards_to_load`` names.
            at: Timezone-aware.

        Raises:
            RefusedError: What ``Order.plan`` refuses; ``card_spent`` for a gift card that was bought and used; ``key_reused``
                for another return under this id; ``points_insufficient``
                where the program's overdraft is ``reject``.
            UsageError: Another member's state; a view without the coupons and payouts of a reward that goes.
        """
        known = order.returns.get(return_id)
        if known is not None:
            check_member(order.member_id, membership)
            check_same_return(known, back)
            again = None if membership is None else membership.posting(())
            return Refunded(fact=known, order=order_posting(order, ()), member=again)
        answer = order.plan(back, return_id=return_id, calendar=self.calendar, at=at)
        if isinstance(answer, Refused):
            raise RefusedError(*answer.refusals)
        fact, placed = answer.value, order.placed
        assert placed is not None  # plan refuses an order that was never placed
        check_member(placed.member_id, membership)
        member = None
        if membership is not None:
            fact, member = book_return(
                membership,
                order.taken_by(fact),
                fact,
                overdraft=self.overdraft,
                restore=self.restore,
                calendar=self.calendar,
            )
        until = (self.restore or _CARD_RESTORE).end_after(at, calendar=self.calendar)
        fact, beside = beside_returned(order, fact, view, self.book, card_until=until)
        if member is not None and membership is not None:
            member = with_facts(member, facts_returned(membership, order, fact, beside, self.book))
            member, beside = settle_return(self, membership, member, beside=beside, view=view, at=at)
            member, beside = settle(self, membership, member, beside=beside, at=at)
        if referral is not None:
            beside = (*beside, *_changing((referral_returned(referral, order, fact),)))
        kept = counters_kept(order, fact, self.book)
        return Refunded(
            fact=fact,
            order=order_posting(order, (fact,)),
            member=member,
            beside=beside,
            claims=freeing(placed.counters, order_id=order.order_id, at=at, but=kept),
        )

    def _member_placed(
        self, membership: Membership | None, placed: OrderPlaced, beside: Beside, referral: Referral | None
    ) -> tuple[Posting[Membership] | None, Beside]:
        """Book an order for its member, with what it brings about; and what it does to the referral of a friend."""
        if membership is None:
            return None, beside
        facts = facts_placed(membership, placed, beside)
        posting = book_order(membership, placed, burn_first=self.burn_first, beside=facts, calendar=self.calendar)
        posting, beside = settle(self, membership, posting, beside=beside, at=placed.at)
        joined = () if referral is None else self._referral_placed(referral, placed)
        return posting, (*beside, *joined)

    def _referral_placed(self, referral: Referral, placed: OrderPlaced) -> Beside:
        """Let an order qualify the friend whom somebody referred."""
        posting = referral_placed(referral, placed, program=self.referrals, calendar=self.calendar)
        return _changing((posting,))

    def _referral_attached(self, referral: Referral, placed: OrderPlaced, order: Order, before: Membership) -> Beside:
        """Let an order that found its member qualify the friend, as it would have at purchase, where enough of it was kept."""
        if placed.referral is None or not still_qualifies(placed, order):
            return ()
        if placed.referral.first_only and before.order_count > 0:
            return ()
        # Who joined with the code only after this order was a customer already.
        if referral.joined_at is None or placed.since < referral.joined_at:
            return ()
        return _changing((referral_placed(referral, placed, program=self.referrals, calendar=self.calendar),))

    def _final_at(self, at: datetime) -> datetime | None:
        """Say when an order booked at an instant can no longer come back."""
        return None if self.returns is None else self.returns.end_after(at, calendar=self.calendar)


def _changing(postings: Beside) -> Beside:
    """Leave out what changes nothing."""
    return tuple(posting for posting in postings if posting.facts)
