"""``Loyalty``: the whole checkout over one repository.

Each call asks for its receipt first, loads in one round trip, decides with the pure program, and commits all or nothing; when
another call was faster it loads and decides again. Called twice, it does once and answers the same.

Invariants:
    1. A repeated call answers with exactly the fact first stored.
    2. The receipt is asked before deciding: a retry after a lost answer never hears "insufficient".
    3. A call that raises has changed nothing.

>>> from datetime import UTC, datetime
>>> from loyaltycore.basket import Basket
>>> from loyaltycore.store.memory import MemoryRepository
>>> program = Program.parse('''
... program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }
... points = { earn = "1 per 1.00", basis = "paid", pending = "30 days", expires = "12 months", overdraft = "carry" }
... ''')
>>> shop = Loyalty(program, MemoryRepository(), clock=lambda: datetime(2026, 7, 1, 10, tzinfo=UTC))
>>> quote = shop.quote(Basket.of("EUR", {"helmet": "79.90"}), member_id="m-42")
>>> shop.place(quote, order_id="1001") == shop.place(quote, order_id="1001")
True
>>> shop.overview("m-42").balance.pending
79
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import final

import attrs

from loyaltycore._async_services import AsyncLoyalty
from loyaltycore._attempts import Attempts
from loyaltycore._card_desks import CardDesk
from loyaltycore._card_steps import IssuedCard
from loyaltycore._checks import check_kind, check_whole
from loyaltycore._code_book import CodeBook
from loyaltycore._code_space import AvoidedWords
from loyaltycore._coupon_steps import Batch, Grant, UsableCoupon
from loyaltycore._forget_steps import alias_or_new
from loyaltycore._member_desks import ReferralDesk, RewardDesk
from loyaltycore._points_calls import PointsCalls
from loyaltycore._reward_steps import PayoutPage
from loyaltycore._rewarding import RewardAnswer
from loyaltycore._service import (
    ACTOR,
    RETRIES_LIMIT,
    SNAPSHOT_EVERY,
    SWEEP_LIMIT,
    Failed,
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
from loyaltycore.ledger import Granted
from loyaltycore.members import Profile
from loyaltycore.memberships import MemberJoined, Membership, TierGranted, TierGrantEnded
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.orders import Order, OrderAttached, OrderCancelled, OrderPlaced, OrderReserved, OrderReturned
from loyaltycore.periods import Window
from loyaltycore.points import POINTS
from loyaltycore.program import Overview, Program, Quote
from loyaltycore.quantities import Money
from loyaltycore.repositories import Cursor, Repository
from loyaltycore.tiers import TierAnswer

__all__ = [
    "ACTOR",
    "AsyncLoyalty",
    "Attempts",
    "Batch",
    "CardDesk",
    "Failed",
    "Grant",
    "IssuedCard",
    "Loyalty",
    "PayoutPage",
    "Projected",
    "ReferralDesk",
    "RewardAnswer",
    "RewardDesk",
    "Swept",
    "UsableCoupon",
    "utc_now",
]


@final
@attrs.frozen
class Loyalty(PointsCalls):
    """A program at work over a repository.

    Attributes:
        program: The rules.
        repository: Any that keeps the contract of ``Repository``.
        clock: Gives the present instant, timezone-aware.
        retries: How often a call that lost a race loads and decides again, 0 to 100.
        project: Called within each commit with what changed, to keep tables of the shop's own up to date; what it raises undoes
            the commit. Needs a repository that has ``commit_then``.
        snapshot_every: After so many facts of a member what they come to is kept beside them, where the repository has
            ``Snapshots``; 0 never does. With ``project`` members are read whole.
        codes: Reads and spells the codes that a machine makes; needed where a campaign of the program has such.
        card_numbers: Makes and reads the numbers of gift cards; needed where there are some.
        attempts: How many codes and card numbers may be tried in a span of time.
        avoid: Words that no code given one by one holds.
    """

    program: Program
    repository: Repository
    clock: Callable[[], datetime] = attrs.field(default=utc_now, kw_only=True)
    retries: int = attrs.field(default=5, kw_only=True)
    project: Callable[[Projected], None] | None = attrs.field(default=None, kw_only=True)
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
    def cards(self) -> CardDesk:
        """Gift cards: make, load, look up, block, replace."""
        return CardDesk(self)

    @property
    def rewards(self) -> RewardDesk:
        """Rewards: what a member can have, take, give back, choose; and what the shop pays outside."""
        return RewardDesk(self)

    @property
    def referrals(self) -> ReferralDesk:
        """Members who bring friends: codes, who brought whom, the leaderboard, the report."""
        return ReferralDesk(self)

    def quote(
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

        Args:
            basket: In the program's currency.
            member_id: Whose; ``None`` for a guest.
            profile: What the shop tells about the person.
            codes: As typed, at most 5; each is an attempt.
            burn: Points to burn.
            coupons: Coupons of the member's that are chosen, by id; ``coupons`` lists them.
            gift_cards: Numbers of gift cards as typed, at most 5, which pay in this order; each is an attempt, and stands in no
                quote.
            cards: Gift cards that were found before, by their own ids, as ``quote.cards`` and ``cards.find`` name them: so that
                a shop's session keeps no number. They pay first.
            client: Which device asks, in the shop's own words, such as an address: attempts are counted for each.
            order_id: The order it is to become, where points are held in its name.
            view: What is out of stock: an offer does not give it.
        """
        asked = asked_for(basket, member_id, profile, codes=codes, burn=burn, coupons=coupons, cards=cards)
        return self._run(self._quote(asked, order_id, view, gift_cards=gift_cards, client=client))

    def place(self, quote: Quote, *, order_id: str, view: View = NO_VIEW, actor: str = ACTOR) -> OrderPlaced:
        """Book exactly what was quoted, once.

        Args:
            quote: What the shopper saw.
            order_id: The shop's own; called again with the same quote's basket, member, codes and burn, it answers the same.
            view: What is out of stock now.
            actor: Who asks.

        Raises:
            RefusedError: ``quote_changed`` when something moved since; ``key_reused`` for another order under this id;
                ``order_reserved`` or ``order_cancelled`` for one that was reserved.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._place(check_kind("quote", quote, Quote).asked, quote, order_id, actor, view))

    def place_unseen(
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

        Args:
            basket: In the program's currency.
            order_id: The shop's own; ``place`` and this answer the same for the same one.
            member_id: Whose; ``None`` for a guest.
            profile: What the shop tells about the person.
            codes: As typed; those that do not apply are left out, and no order is refused for them.
            burn: Points to burn; as many as are allowed are taken.
            coupons: Coupons of the member's that are chosen, by id; those that cannot be redeemed are left out.
            gift_cards: Numbers of gift cards as read, which pay as much as they can in this order.
            view: What is out of stock: an offer does not give it.
            actor: Who asks.

        Raises:
            RefusedError: ``key_reused`` for another order under this id.
            ConflictError: The race was lost more often than ``retries``.
        """
        asked = asked_for(basket, member_id, profile, codes=codes, burn=burn, coupons=coupons)
        return self._run(self._place(asked, None, order_id, actor, view, gift_cards=gift_cards))

    def reserve(
        self, quote: Quote, *, order_id: str, hold_for: timedelta, view: View = NO_VIEW, actor: str = ACTOR
    ) -> OrderReserved:
        """Set an order aside exactly as quoted, once, while the shopper pays elsewhere: the points it is to burn are held.

        Then ``confirm`` it when it is paid, or ``cancel`` it. What is held is free again by itself when the time has run out.

        Args:
            quote: What the shopper saw.
            order_id: The shop's own; called again with the same quote's basket, member, codes and burn, it answers the same.
            hold_for: How long, above 0 and at most 366 days; longer than a payment page stays open.
            view: What is out of stock now.
            actor: Who asks.

        Raises:
            RefusedError: ``quote_changed`` when something moved since; ``key_reused`` for another order under this id;
                ``order_placed`` for one that was booked; ``order_cancelled`` for one that was given up.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._reserve(quote, order_id, hold_for, actor, view))

    def confirm(self, order_id: str, *, actor: str = ACTOR) -> OrderPlaced:
        """Book a reserved order because it was paid, once: exactly what was reserved, however long ago.

        A paid order is never refused: when the hold had run out, or the order was cancelled, ``.late`` says so, and the points
        it was to burn are taken all the same. An order that was placed at once is answered as it was placed.

        Args:
            order_id: The shop's own.
            actor: Who asks.

        Raises:
            RefusedError: ``order_not_found`` for one that was never reserved.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._confirm(order_id, actor))

    def cancel(self, order_id: str, *, actor: str = ACTOR) -> OrderCancelled:
        """Give a reserved order up, once: what was held for it is free at once.

        Args:
            order_id: The shop's own.
            actor: Who asks.

        Raises:
            RefusedError: ``order_not_found`` for one that was never reserved; ``order_placed`` for one that was booked:
                refund it.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._cancel(order_id, actor))

    def refund(
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

        Args:
            order_id: The shop's own.
            return_id: The shop's own, unique in the order.
            lines: Units by line id; or
            amount: Money without goods, of what was paid for goods.
            shipping: What comes back of shipping, alone or with the rest.
            actor: Who asks.

        Raises:
            RefusedError: See ``Program.refund``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._refund(order_id, return_id, back_of(lines, amount, shipping), actor))

    def attach(self, order_id: str, *, member_id: str, actor: str = ACTOR) -> OrderAttached:
        """Give a guest's order to the member it turned out to be of, once: with the points it earned when it was placed.

        What a cap leaves is looked at now; points of what came back meanwhile are taken back again at once.

        Args:
            order_id: The shop's own.
            member_id: Whose it is.
            actor: Who asks.

        Raises:
            RefusedError: ``order_not_found``; ``order_has_member``; ``key_reused`` for another member, or where the order's id
                names something else of the member.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._attach(order_id, member_id, actor))

    def grant(self, campaign_id: str, *, member_id: str | None = None, ref: str, by: str) -> Grant:
        """Give one coupon of a campaign to one person, once for each ``ref``; ``.code`` is what to send.

        Args:
            campaign_id: One of the program's, whose codes a machine makes, or which has none.
            member_id: Who alone may redeem it; ``None`` gives it to whoever has the code, such as a visitor who left an address.
            ref: The shop's own name for why, such as a ticket; the same again answers with the same coupon.
            by: Who gives it.

        Raises:
            RefusedError: ``campaign_not_found``, ``campaign_stopped``, ``campaign_closed``, ``codes_exhausted`` or
                ``key_reused``.
            UsageError: A campaign with one code for everybody; one without codes, for nobody.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._grant(campaign_id, member_id, ref, by))

    def issue_codes(self, campaign_id: str, count: int, *, ref: str, avoid: Iterable[str] | AvoidedWords = (), by: str) -> Batch:
        """Take a batch of codes of a campaign, once for each ``ref``, for whoever gets them; ``.codes()`` gives them.

        Nothing is stored for each code. Words to avoid make the batch shorter.

        Args:
            campaign_id: One of the program's, whose codes a machine makes.
            count: How many, at least 1.
            ref: The shop's own name for the batch, such as the mailing.
            avoid: Words that no code may hold, at least three letters long; the same again when the batch is asked for again.
            by: Who asks.

        Raises:
            RefusedError: ``campaign_not_found``, ``campaign_stopped``, ``campaign_closed``, ``codes_exhausted`` or
                ``key_reused``.
            UsageError: A campaign without codes that a machine makes.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._issue(campaign_id, count, ref, avoid, by))

    def stop(self, campaign_id: str, *, reason: str = "", by: str) -> Campaign:
        """Stop a campaign at once: none of its codes and coupons opens anything, in any basket, until ``resume``.

        Orders that were reserved with it may still be confirmed.

        Args:
            campaign_id: One of the program's.
            reason: In the shop's words.
            by: Who stops it.

        Raises:
            RefusedError: ``campaign_not_found``.
        """
        return self._run(self._stop(campaign_id, reason, by))

    def resume(self, campaign_id: str, *, by: str) -> Campaign:
        """Let a campaign that was stopped go on.

        Args:
            campaign_id: One of the program's.
            by: Who lets it go on.

        Raises:
            RefusedError: ``campaign_not_found``.
        """
        return self._run(self._resume(campaign_id, by))

    def coupons(self, member_id: str) -> tuple[UsableCoupon, ...]:
        """List the coupons that a member holds: those that end soonest first, at most 50.

        Args:
            member_id: Whose.
        """
        return self._run(self._coupons(member_id))

    def coupon(self, code: str) -> Coupon:
        """Read a code for whoever helps its holder: the coupon as it is, with its orders. It counts as no attempt.

        Args:
            code: As typed.

        Raises:
            RefusedError: ``code_unknown``, with how far it was read.
            UsageError: There is no ``CodeBook``.
        """
        return self._run(self._coupon(code))

    def revoke_coupon(self, coupon_id: str, *, reason: str, by: str) -> Coupon:
        """Take a coupon back, once: nobody can redeem it any more. An order that holds it may still be confirmed.

        Args:
            coupon_id: As ``grant``, ``coupons`` and ``coupon`` name it.
            reason: In the shop's words.
            by: Who does it.

        Raises:
            RefusedError: ``coupon_not_found`` for one without a campaign.
        """
        return self._run(self._revoke(coupon_id, reason, by))

    def join(self, member_id: str, *, referral_code: str | None = None, identity_hashes: Iterable[str] = ()) -> MemberJoined:
        """Make somebody a member, once; and the friend of whoever's code it is.

        A bad code never stops a sign-up, and raises nothing: ``overview(member_id).referral`` has the one answer to show. Whose
        code was refused may call again with another one.

        Args:
            member_id: The shop's own, opaque.
            referral_code: As typed, or as it came with a link; ``None`` where nobody brought the member.
            identity_hashes: What the person is recognised by, hashed by the shop, such as a payment card or a device: two members
                of one hash do not refer each other.
        """
        return self._run(self._join(member_id, referral_code, identity_hashes))

    def grant_tier(self, tier: str, *, member_id: str, ref: str, until: datetime | None, reason: str, by: str) -> TierGranted:
        """Grant a tier by hand, once for each ``ref``: until it ends the member stands at least there.

        Args:
            tier: One of the program's.
            member_id: Whom.
            ref: The shop's own name for the grant, such as a ticket.
            until: First instant at which it no longer holds; ``None`` holds until ``end_tier_grant``.
            reason: In the shop's words.
            by: Who grants it.

        Raises:
            RefusedError: ``tier_unknown`` or ``key_reused``.
            UsageError: An end that has passed.
        """
        return self._run(self._grant_tier(tier, member_id, ref=ref, until=until, reason=reason, by=by))

    def end_tier_grant(self, ref: str, *, member_id: str, reason: str, by: str) -> TierGrantEnded:
        """End a tier that was granted by hand, once, before its time; of one whose time was over, it says since when.

        Args:
            ref: The shop's own name for the grant.
            member_id: Whose.
            reason: In the shop's words.
            by: Who ends it.

        Raises:
            RefusedError: ``tier_grant_not_found``; ``key_reused`` for another reason, or by somebody else.
        """
        return self._run(self._end_tier_grant(ref, member_id, reason=reason, by=by))

    def explain_tier(self, member_id: str) -> TierAnswer | None:
        """Say why a member stands where he stands; ``None`` in a program without tiers.

        Args:
            member_id: Whose.
        """
        return self._run(self._explain_tier(member_id))

    def record(self, action: str, *, member_id: str, ref: str, actor: str = ACTOR) -> Granted:
        """Give the points of a named action, once for each ``ref``.

        Args:
            action: One of the program's.
            member_id: Whose.
            ref: The shop's own name for this one.
            actor: Who asks.

        Raises:
            RefusedError: See ``Program.record``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._record(action, member_id, ref, actor))

    def overview(self, member_id: str) -> Overview:
        """Gather what "my account" shows.

        Args:
            member_id: The shop's own; one never seen has nothing.
        """
        return self._run(self._overview(member_id))

    def statement(self, member_id: str, *, window: Window, account: str = POINTS) -> Statement:
        """Tell what happened on an account in a window, line by line, with the why and the balance after each.

        Args:
            member_id: Whose; of one never seen nothing is told.
            window: The span; without an end it goes up to now, or to the last fact where a clock ran ahead.
            account: Which of the member's accounts.

        Raises:
            UsageError: A window that begins after it ends.
        """
        return self._run(self._statement(member_id, window, account))

    def membership(self, member_id: str) -> Membership:
        """Give a member's whole state, to look at.

        Args:
            member_id: The shop's own; one never seen has nothing.
        """
        return self._run(self._membership(member_id))

    def order(self, order_id: str) -> Order:
        """Give an order as it stands, with its returns.

        Args:
            order_id: The shop's own; one never placed has ``placed`` ``None``.
        """
        return self._run(self._order(order_id))

    def sweep(self, limit: int = SWEEP_LIMIT, *, after: Cursor | None = None) -> Swept:
        """Write down what time has brought: points that expired, holds that ran out; and give what is due for friends.

        No balance, tier or hold waits for it; the rewards of referrals do.

        Each stream is a commit of its own; one that fails is named and does not hold up the others. Run again, or in two places
        at once, it writes nothing twice.

        Args:
            limit: At most so many streams are done, at least 1.
            after: Where an earlier sweep stopped; ``None`` starts with what is due longest.
        """
        return self._run(self._sweep(limit, after))

    def forget(self, member_id: str, *, alias: str | None = None) -> int:
        """Take a member's id out of everything that is kept, and leave the books as they are.

        An alias stands in its place: in the member's own stream, in orders, in transfers, and in free text that names it.
        Nothing leads back. Where orders can be listed, all of them are looked through.

        Args:
            member_id: The shop's own.
            alias: A name that says nothing, and that nobody has; made at random where none is given.

        Returns:
            The number of streams that were rewritten; 0 when nothing is known of the member, as after it was forgotten.

        Raises:
            UsageError: A repository that cannot rename; an alias that somebody has.
            ConflictError: The member, or an order of the member's, was written to each time.
        """
        return self._run(self._forget(member_id, alias_or_new(alias)))
