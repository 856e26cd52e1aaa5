"""``AsyncLoyalty``: the same checkout over a repository that is awaited.

The steps are those of ``Loyalty``; only who runs them differs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import final

import attrs

from loyaltycore._attempts import Attempts
from loyaltycore._card_desks import AsyncCardDesk
from loyaltycore._checks import check_kind, check_whole
from loyaltycore._code_book import CodeBook
from loyaltycore._code_space import AvoidedWords
from loyaltycore._coupon_steps import Batch, Grant, UsableCoupon
from loyaltycore._driver import AsyncDriver
from loyaltycore._forget_steps import alias_or_new
from loyaltycore._member_desks import AsyncReferralDesk, AsyncRewardDesk
from loyaltycore._service import (
    ACTOR,
    RETRIES_LIMIT,
    SNAPSHOT_EVERY,
    SWEEP_LIMIT,
    Swept,
    asked_for,
    back_of,
    utc_now,
)
from loyaltycore._statement import Statement
from loyaltycore._steps import (
    Projected,
    check_avoid,
    check_service,
)
from loyaltycore.basket import Basket
from loyaltycore.coupons import Campaign, Coupon
from loyaltycore.gift_cards import CardNumbers
from loyaltycore.ledger import (
    Adjusted,
    AdjustmentReversed,
    Burned,
    BurnRefunded,
    Captured,
    Granted,
    Held,
    Released,
    Touched,
    TransferredOut,
    TransferUndone,
    Voided,
)
from loyaltycore.members import Profile
from loyaltycore.memberships import MemberJoined, Membership, TierGranted, TierGrantEnded
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.orders import Order, OrderAttached, OrderCancelled, OrderPlaced, OrderReserved, OrderReturned
from loyaltycore.periods import Window
from loyaltycore.points import POINTS
from loyaltycore.program import Overview, Program, Quote
from loyaltycore.quantities import Money
from loyaltycore.repositories import AsyncRepository, Cursor
from loyaltycore.tiers import TierAnswer

__all__ = ["AsyncLoyalty"]


@final
@attrs.frozen
class AsyncLoyalty(AsyncDriver):
    """A program at work over a repository that is awaited; every call of ``Loyalty``, by the same name.

    Attributes:
        program: The rules.
        repository: Any that keeps the contract of ``AsyncRepository``.
        clock: Gives the present instant, timezone-aware.
        retries: How often a call that lost a race loads and decides again, 0 to 100.
        project: Awaited within each commit with what changed; see ``Loyalty``.
        snapshot_every: After so many facts of a member what they come to is kept beside them; see ``Loyalty``.
        codes: Reads and spells codes; see ``Loyalty``.
        card_numbers: Makes and reads the numbers of gift cards; see ``Loyalty``.
        attempts: How many codes and card numbers may be tried; see ``Loyalty``.
        avoid: Words that no code given one by one holds.
    """

    program: Program
    repository: AsyncRepository
    clock: Callable[[], datetime] = attrs.field(default=utc_now, kw_only=True)
    retries: int = attrs.field(default=5, kw_only=True)
    project: Callable[[Projected], Awaitable[None]] | None = attrs.field(default=None, kw_only=True)
    snapshot_every: int = attrs.field(default=SNAPSHOT_EVERY, kw_only=True)
    codes: CodeBook | None = attrs.field(default=None, kw_only=True)
    card_numbers: CardNumbers | None = attrs.field(default=None, kw_only=True)
    attempts: Attempts = attrs.field(default=Attempts(), kw_only=True)
    avoid: AvoidedWords = attrs.field(default=AvoidedWords(()), converter=check_avoid, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the numbers, that the hook could be called, and that every code of the program could be read."""
        check_whole("retries", self.retries, low=0, high=RETRIES_LIMIT)
        check_whole("snapshot_every", self.snapshot_every, low=0)
        check_kind("attempts", self.attempts, Attempts)
        check_service(self.program, self.codes, self.project, self.repository)

    @property
    def cards(self) -> AsyncCardDesk:
        """Gift cards: make, load, look up, block, replace; each call as ``Loyalty.cards`` has it, awaited."""
        return AsyncCardDesk(self)

    @property
    def rewards(self) -> AsyncRewardDesk:
        """Rewards: each call as ``Loyalty.rewards`` has it, awaited."""
        return AsyncRewardDesk(self)

    @property
    def referrals(self) -> AsyncReferralDesk:
        """Members who bring friends: each call as ``Loyalty.referrals`` has it, awaited."""
        return AsyncReferralDesk(self)

    async def quote(
        self,
        basket: Basket,
        *,
        member_id: str | None = None,
        profile: Profile | None = None,
        codes: Iterable[str] = (),
        burn: int = 0,
        coupons: Iterable[str] = (),
        gift_cards: Iterable[str] = (),
        cards: Iterable[str] = (),
        client: str | None = None,
        order_id: str | None = None,
        view: View = NO_VIEW,
    ) -> Quote:
        """Price a basket; see ``Program.quote``.

        As ``Loyalty.quote``, awaited.
        """
        asked = asked_for(basket, member_id, profile, codes=codes, burn=burn, coupons=coupons, cards=cards)
        return await self._run(self._quote(asked, order_id, view, gift_cards=gift_cards, client=client))

    async def place(self, quote: Quote, *, order_id: str, view: View = NO_VIEW, actor: str = ACTOR) -> OrderPlaced:
        """Book exactly what was quoted, once.

        As ``Loyalty.place``, awaited.
        """
        return await self._run(self._place(check_kind("quote", quote, Quote).asked, quote, order_id, actor, view))

    async def place_unseen(
        self,
        basket: Basket,
        *,
        order_id: str,
        member_id: str | None = None,
        profile: Profile | None = None,
        codes: Iterable[str] = (),
        burn: int = 0,
        coupons: Iterable[str] = (),
        gift_cards: Iterable[str] = (),
        view: View = NO_VIEW,
        actor: str = ACTOR,
    ) -> OrderPlaced:
        """Book an order that was paid elsewhere, at a till or in another system, at what it comes to now, once.

        As ``Loyalty.place_unseen``, awaited.
        """
        asked = asked_for(basket, member_id, profile, codes=codes, burn=burn, coupons=coupons)
        return await self._run(self._place(asked, None, order_id, actor, view, gift_cards=gift_cards))

    async def reserve(
        self, quote: Quote, *, order_id: str, hold_for: timedelta, view: View = NO_VIEW, actor: str = ACTOR
    ) -> OrderReserved:
        """Set an order aside exactly as quoted, once, while the shopper pays elsewhere: the points it is to burn are held.

        As ``Loyalty.reserve``, awaited.
        """
        return await self._run(self._reserve(quote, order_id, hold_for, actor, view))

    async def confirm(self, order_id: str, *, actor: str = ACTOR) -> OrderPlaced:
        """Book a reserved order because it was paid, once: exactly what was reserved, however long ago.

        As ``Loyalty.confirm``, awaited.
        """
        return await self._run(self._confirm(order_id, actor))

    async def cancel(self, order_id: str, *, actor: str = ACTOR) -> OrderCancelled:
        """Give a reserved order up, once: what was held for it is free at once.

        As ``Loyalty.cancel``, awaited.
        """
        return await self._run(self._cancel(order_id, actor))

    async def refund(
        self,
        order_id: str,
        *,
        return_id: str,
        lines: Mapping[str, int] | None = None,
        amount: Money | None = None,
        shipping: Money | None = None,
        actor: str = ACTOR,
    ) -> OrderReturned:
        """Take back units or an amount of an order, once; ``.money`` is what the shopper gets back.

        As ``Loyalty.refund``, awaited.
        """
        return await self._run(self._refund(order_id, return_id, back_of(lines, amount, shipping), actor))

    async def attach(self, order_id: str, *, member_id: str, actor: str = ACTOR) -> OrderAttached:
        """Give a guest's order to the member it turned out to be of, once: with the points it earned when it was placed.

        As ``Loyalty.attach``, awaited.
        """
        return await self._run(self._attach(order_id, member_id, actor))

    async def grant(self, campaign_id: str, *, member_id: str | None = None, ref: str, by: str) -> Grant:
        """Give one coupon of a campaign to one person, once for each ``ref``; ``.code`` is what to send.

        As ``Loyalty.grant``, awaited.
        """
        return await self._run(self._grant(campaign_id, member_id, ref, by))

    async def issue_codes(
        self, campaign_id: str, count: int, *, ref: str, avoid: Iterable[str] | AvoidedWords = (), by: str
    ) -> Batch:
        """Take a batch of codes of a campaign, once for each ``ref``, for whoever gets them; ``.codes()`` gives them.

        As ``Loyalty.issue_codes``, awaited.
        """
        return await self._run(self._issue(campaign_id, count, ref, avoid, by))

    async def stop(self, campaign_id: str, *, reason: str = "", by: str) -> Campaign:
        """Stop a campaign at once: none of its codes and coupons opens anything, in any basket, until ``resume``.

        As ``Loyalty.stop``, awaited.
        """
        return await self._run(self._stop(campaign_id, reason, by))

    async def resume(self, campaign_id: str, *, by: str) -> Campaign:
        """Let a campaign that was stopped go on.

        As ``Loyalty.resume``, awaited.
        """
        return await self._run(self._resume(campaign_id, by))

    async def coupons(self, member_id: str) -> tuple[UsableCoupon, ...]:
        """List the coupons that a member holds: those that end soonest first, at most 50.

        As ``Loyalty.coupons``, awaited.
        """
        return await self._run(self._coupons(member_id))

    async def coupon(self, code: str) -> Coupon:
        """Read a code for whoever helps its holder: the coupon as it is, with its orders. It counts as no attempt.

        As ``Loyalty.coupon``, awaited.
        """
        return await self._run(self._coupon(code))

    async def revoke_coupon(self, coupon_id: str, *, reason: str, by: str) -> Coupon:
        """Take a coupon back, once: nobody can redeem it any more. An order that holds it may still be confirmed.

        As ``Loyalty.revoke_coupon``, awaited.
        """
        return await self._run(self._revoke(coupon_id, reason, by))

    async def join(
        self, member_id: str, *, referral_code: str | None = None, identity_hashes: Iterable[str] = ()
    ) -> MemberJoined:
        """Make somebody a member, once; and the friend of whoever's code it is.

        As ``Loyalty.join``, awaited.
        """
        return await self._run(self._join(member_id, referral_code, identity_hashes))

    async def grant_tier(
        self, tier: str, *, member_id: str, ref: str, until: datetime | None, reason: str, by: str
    ) -> TierGranted:
        """Grant a tier by hand, once for each ``ref``: until it ends the member stands at least there.

        As ``Loyalty.grant_tier``, awaited.
        """
        return await self._run(self._grant_tier(tier, member_id, ref=ref, until=until, reason=reason, by=by))

    async def end_tier_grant(self, ref: str, *, member_id: str, reason: str, by: str) -> TierGrantEnded:
        """End a tier that was granted by hand, once, before its time; of one whose time was over, it says since when.

        As ``Loyalty.end_tier_grant``, awaited.
        """
        return await self._run(self._end_tier_grant(ref, member_id, reason=reason, by=by))

    async def explain_tier(self, member_id: str) -> TierAnswer | None:
        """Say why a member stands where he stands; ``None`` in a program without tiers.

        As ``Loyalty.explain_tier``, awaited.
        """
        return await self._run(self._explain_tier(member_id))

    async def record(self, action: str, *, member_id: str, ref: str, actor: str = ACTOR) -> Granted:
        """Give the points of a named action, once for each ``ref``.

        As ``Loyalty.record``, awaited.
        """
        return await self._run(self._record(action, member_id, ref, actor))

    async def overview(self, member_id: str) -> Overview:
        """Gather what "my account" shows.

        As ``Loyalty.overview``, awaited.
        """
        return await self._run(self._overview(member_id))

    async def earn(
        self,
        points: int,
        *,
        member_id: str,
        ref: str,
        expires_at: datetime | None,
        available_at: datetime | None = None,
        rule: str = "gift",
        reason: str = "",
        account: str = POINTS,
        actor: str,
    ) -> Granted:
        """Give points by hand, once for each ``ref``: goodwill, a balance brought from another system.

        As ``Loyalty.earn``, awaited.
        """
        steps = self._earn(
            points,
            member_id=member_id,
            ref=ref,
            expires_at=expires_at,
            available_at=available_at,
            rule=rule,
            reason=reason,
            account=account,
            actor=actor,
        )
        return await self._run(steps)

    async def adjust_down(
        self, points: int, *, member_id: str, ref: str, reason: str, account: str = POINTS, actor: str
    ) -> Adjusted:
        """Take points away by hand, once for each ``ref``.

        As ``Loyalty.adjust_down``, awaited.
        """
        return await self._run(
            self._adjust_down(points, member_id=member_id, ref=ref, reason=reason, account=account, actor=actor)
        )

    async def reverse_adjustment(
        self, adjustment_ref: str, *, member_id: str, ref: str, account: str = POINTS, actor: str
    ) -> AdjustmentReversed:
        """Undo what ``adjust_down`` took, once for each ``ref``.

        As ``Loyalty.reverse_adjustment``, awaited.
        """
        return await self._run(
            self._reverse_adjustment(adjustment_ref, member_id=member_id, ref=ref, account=account, actor=actor)
        )

    async def burn(self, points: int, *, member_id: str, ref: str, account: str = POINTS, actor: str = ACTOR) -> Burned:
        """Take points for something else than an order of the program, once for each ``ref``; first what the program says.

        As ``Loyalty.burn``, awaited.
        """
        return await self._run(self._burn(points, member_id=member_id, ref=ref, account=account, actor=actor))

    async def refund_burn(
        self,
        burn_ref: str,
        points: int | None = None,
        *,
        member_id: str,
        ref: str,
        account: str = POINTS,
        actor: str = ACTOR,
    ) -> BurnRefunded:
        """Give burned points back, once for each ``ref``; those of lots that have expired as the program's ``restore`` says.

        As ``Loyalty.refund_burn``, awaited.
        """
        return await self._run(self._refund_burn(burn_ref, points, member_id=member_id, ref=ref, account=account, actor=actor))

    async def hold(
        self, points: int, *, member_id: str, ref: str, until: datetime, account: str = POINTS, actor: str = ACTOR
    ) -> Held:
        """Set points aside while something waits for its payment, once for each ``ref``; then ``capture`` or ``void``.

        As ``Loyalty.hold``, awaited.
        """
        return await self._run(self._hold(points, member_id=member_id, ref=ref, until=until, account=account, actor=actor))

    async def capture(
        self, hold_ref: str, points: int | None = None, *, member_id: str, account: str = POINTS, actor: str = ACTOR
    ) -> Captured:
        """Burn what was held, once; what is left of the hold goes back. It never fails for balance.

        As ``Loyalty.capture``, awaited.
        """
        return await self._run(self._capture(hold_ref, points, member_id=member_id, account=account, actor=actor))

    async def void(self, hold_ref: str, *, member_id: str, account: str = POINTS, actor: str = ACTOR) -> Voided:
        """Give a hold up, once.

        As ``Loyalty.void``, awaited.
        """
        return await self._run(self._void(hold_ref, member_id=member_id, account=account, actor=actor))

    async def release(self, event: str, *, member_id: str, ref: str, actor: str = ACTOR) -> tuple[Released, ...]:
        """Make available what an order or an action earned and what waits for an event, once, on every account.

        As ``Loyalty.release``, awaited.
        """
        return await self._run(self._release(event, member_id, ref, actor))

    async def touch(self, *, member_id: str, ref: str, account: str = POINTS, actor: str = ACTOR) -> Touched:
        """Note that a member was active, once for each ``ref``: ends that are counted from the last activity move on.

        As ``Loyalty.touch``, awaited.
        """
        return await self._run(self._touch(member_id=member_id, ref=ref, account=account, actor=actor))

    async def transfer(
        self, points: int, *, member_id: str, to: str, ref: str, account: str = POINTS, actor: str = ACTOR
    ) -> TransferredOut:
        """Give points to another member with the terms they have, once for each ``ref``: both accounts move, or none.

        As ``Loyalty.transfer``, awaited.
        """
        return await self._run(self._transfer(points, member_id=member_id, to=to, ref=ref, account=account, actor=actor))

    async def undo_transfer(
        self, transfer_ref: str, *, member_id: str, taker: str, account: str = POINTS, actor: str = ACTOR
    ) -> TransferUndone:
        """Undo a transfer, once; what the taker has spent of it becomes a debt there.

        As ``Loyalty.undo_transfer``, awaited.
        """
        return await self._run(self._undo_transfer(transfer_ref, member_id=member_id, taker=taker, account=account, actor=actor))

    async def statement(self, member_id: str, *, window: Window, account: str = POINTS) -> Statement:
        """Tell what happened on an account in a window, line by line, with the why and the balance after each.

        As ``Loyalty.statement``, awaited.
        """
        return await self._run(self._statement(member_id, window, account))

    async def membership(self, member_id: str) -> Membership:
        """Give a member's whole state, to look at.

        As ``Loyalty.membership``, awaited.
        """
        return await self._run(self._membership(member_id))

    async def order(self, order_id: str) -> Order:
        """Give an order as it stands, with its returns.

        As ``Loyalty.order``, awaited.
        """
        return await self._run(self._order(order_id))

    async def sweep(self, limit: int = SWEEP_LIMIT, *, after: Cursor | None = None) -> Swept:
        """Write down what time has brought: points that expired, holds that ran out; and give what is due for friends.

        As ``Loyalty.sweep``, awaited.
        """
        return await self._run(self._sweep(limit, after))

    async def forget(self, member_id: str, *, alias: str | None = None) -> int:
        """Take a member's id out of everything that is kept, and leave the books as they are.

        As ``Loyalty.forget``, awaited.
        """
        return await self._run(self._forget(member_id, alias_or_new(alias)))
