"""What ``Loyalty`` and ``AsyncLoyalty`` do, written once, as steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeAlias, TypeVar, final

import attrs

from loyaltycore._booking import book_report
from loyaltycore._checks import check_count, check_kind, check_whole
from loyaltycore._forget_steps import ForgetSteps
from loyaltycore._redeeming import claim_key
from loyaltycore._referral_steps import ReferralSteps
from loyaltycore._rewards_due import reward_streams
from loyaltycore._settling import beside_streams, moved_on
from loyaltycore._statement import Statement, statement
from loyaltycore._steps import (
    Decide,
    ListDue,
    Loaded,
    Postings,
    Sight,
    Steps,
    basket_digest,
    count_or_none,
    folded_codes,
    gives_back,
    instant_or_none,
    not_before_last,
    the,
    until_now,
)
from loyaltycore.basket import Basket, Return
from loyaltycore.errors import CorruptStateError, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Command, Fact, Posting
from loyaltycore.identity import (
    Key,
    StreamId,
    campaign_stream,
    card_stream,
    check_id,
    check_slug,
    member_stream,
    order_stream,
    referral_stream,
)
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
from loyaltycore.memberships import Membership, TierGranted, TierGrantEnded
from loyaltycore.offers import View
from loyaltycore.orders import Order, OrderAttached, OrderCancelled, OrderPlaced, OrderReserved, OrderReturned
from loyaltycore.periods import Window, check_instant
from loyaltycore.points import Transferred
from loyaltycore.program import ORDER_RULE, Asked, Cancelled, Overview, Placed, Quote, Refunded
from loyaltycore.quantities import Money
from loyaltycore.referrals import Referral
from loyaltycore.repositories import Cursor, Due
from loyaltycore.tiers import TierAnswer
from loyaltycore.wire import Json, plain

__all__ = [
    "ACTOR",
    "RETRIES_LIMIT",
    "SNAPSHOT_EVERY",
    "SWEEP_LIMIT",
    "Failed",
    "Steward",
    "Swept",
    "asked_for",
    "back_of",
    "utc_now",
]

ACTOR: Final = "shop"
"""Who acts when nobody is named."""

RETRIES_LIMIT: Final = 100
"""More would hide a fault."""

SNAPSHOT_EVERY: Final = 20
"""Facts of a member between two snapshots, unless said."""

SWEEP_LIMIT: Final = 1000
"""Streams of one sweep, unless said."""

_PAGE: Final = 200
"""Streams asked for at once in a sweep."""

_TICK: Final = timedelta(microseconds=1)
_HOLD_LIMIT: Final = timedelta(days=366)

_Moved: TypeAlias = Transferred[Membership, Membership]

F = TypeVar("F", bound=Fact)


class _OnOrder(Protocol):
    """What the program does to an order and its member."""

    def __call__(
        self,
        order: Order,
        membership: Membership | None,
        /,
        *,
        referral: Referral | None,
        view: View,
        at: datetime,
    ) -> Placed | Cancelled | Refunded: ...


@final
@attrs.frozen
class Failed:
    """A stream that a sweep could not do.

    Attributes:
        stream: Which.
        error: Why.
    """

    stream: StreamId
    error: Exception


@final
@attrs.frozen(kw_only=True)
class Swept:
    """What a sweep did.

    Attributes:
        done: Streams whose due was written down.
        failed: Those that could not be done; the others were, all the same.
        cursor: Where the next sweep goes on; ``None`` when nothing is left.
    """

    done: int
    failed: tuple[Failed, ...]
    cursor: Cursor | None


class Steward(ReferralSteps, ForgetSteps):
    """Every call of ``Loyalty``, as steps."""

    __slots__ = ()

    # ---- from the basket to the order ----

    def _quote(
        self, asked: Asked, order_id: str | None, view: View, *, gift_cards: Iterable[str] = (), client: str | None = None
    ) -> Steps[Quote]:
        may_try = yield from self._try_codes(asked, client)
        asked, refused = yield from self._with_cards(asked, gift_cards, client)
        view = attrs.evolve(view, refused_cards=refused)

        def look(loaded: Loaded, at: datetime) -> Quote:
            membership = loaded.member_or_none(asked.member_id)
            seen = self._view(asked, loaded, view, at, refused=not may_try)
            return self.program.quote(
                asked.basket,
                membership,
                profile=asked.profile,
                codes=asked.codes,
                burn=asked.burn,
                coupons=asked.coupons,
                cards=asked.cards,
                order_id=order_id,
                view=seen,
                at=not_before_last(membership, at, *seen.cards.values()),
            )

        return (yield from self._seen(self._sight_of(asked, order_id), look))

    def _sight_of(self, asked: Asked, order_id: str | None, *, places: bool = False) -> Sight:
        """Say what a quote looks at, or an order that is placed: the order too."""
        needs = self.program.needs(asked.member_id, order_id=order_id if places else None)
        cards = tuple(card_stream(card_id) for card_id in asked.cards)
        return self._sight((*needs.streams, *cards), asked, Key("-") if order_id is None else claim_key(order_id))

    def _place(
        self,
        asked: Asked,
        quote: Quote | None,
        order_id: str,
        actor: str,
        view: View,
        *,
        gift_cards: Iterable[str] = (),
    ) -> Steps[OrderPlaced]:
        # An order that was paid elsewhere is no guess, and is not refused for the guesses of others.
        asked, _ = yield from self._with_cards(asked, gift_cards, None, counted=False)

        def decide(loaded: Loaded, at: datetime) -> Postings:
            membership, order = loaded.member_or_none(asked.member_id), loaded.order(order_id)
            if order.placed is not None:
                return ()
            seen = self._view(asked, loaded, view, at, before=quote)
            self._check_readable(quote)
            at = not_before_last(membership, at, *seen.cards.values())
            referral = loaded.referral_or_none(asked.member_id)
            if quote is None:
                placed = self.program.place_unseen(
                    asked, membership, order_id=order_id, order=order, referral=referral, view=seen, at=at
                )
            else:
                placed = self.program.place(
                    quote, membership, order_id=order_id, order=order, referral=referral, view=seen, at=at
                )
            return (*placed.postings, *self._guards(loaded, _opened(placed.fact)), *placed.claims)

        command = _of_order("place", asked, order_id, actor)
        facts = yield from self._once(command, self._sight_of(asked, order_id, places=True), decide)
        return the(OrderPlaced, facts[command.home])

    def _reserve(self, quote: Quote, order_id: str, hold_for: timedelta, actor: str, view: View) -> Steps[OrderReserved]:
        asked = check_kind("quote", quote, Quote).asked
        if not timedelta(0) < check_kind("hold_for", hold_for, timedelta) <= _HOLD_LIMIT:
            msg = f"hold_for must be above 0 and at most {_HOLD_LIMIT.days} days, got {hold_for}"
            raise UsageError(msg)

        def decide(loaded: Loaded, at: datetime) -> Postings:
            membership, order = loaded.member_or_none(asked.member_id), loaded.order(order_id)
            seen = self._view(asked, loaded, view, at, before=quote)
            self._check_readable(quote)
            at = not_before_last(membership, at, *seen.cards.values())
            until = at + hold_for
            reserved = self.program.reserve(quote, membership, order_id=order_id, order=order, until=until, view=seen, at=at)
            return (*reserved.postings, *self._guards(loaded, _opened(reserved.fact.order)), *reserved.claims)

        command = _of_order("reserve", asked, order_id, actor)
        facts = yield from self._once(command, self._sight_of(asked, order_id, places=True), decide)
        return the(OrderReserved, facts[command.home])

    def _confirm(self, order_id: str, actor: str) -> Steps[OrderPlaced]:
        booked = [fact for fact in (yield from self._order_facts(order_id)) if isinstance(fact, OrderPlaced)]
        if booked:
            return booked[0]  # whoever booked it: a paid order is never refused
        command = Command.of(order_stream(order_id), Key("confirm"), actor=actor)
        facts = yield from self._on_order(command, order_id, self.program.confirm)
        return the(OrderPlaced, facts)

    def _cancel(self, order_id: str, actor: str) -> Steps[OrderCancelled]:
        cancelled = [fact for fact in (yield from self._order_facts(order_id)) if isinstance(fact, OrderCancelled)]
        if cancelled:
            return cancelled[0]
        command = Command.of(order_stream(order_id), Key("cancel"), actor=actor)

        def cancel(
            order: Order, membership: Membership | None, *, referral: Referral | None, view: View, at: datetime
        ) -> Cancelled:
            del referral  # nothing was placed that could qualify a friend
            return self.program.cancel(order, membership, view=view, at=at)

        return the(OrderCancelled, (yield from self._on_order(command, order_id, cancel)))

    def _refund(self, order_id: str, return_id: str, back: Return, actor: str) -> Steps[OrderReturned]:
        money = {"amount": plain(back.amount), "shipping": plain(back.shipping)}
        key = Key(f"refund:{check_id('return_id', return_id)}")
        command = Command.of(order_stream(order_id), key, actor=actor, lines=plain(back.lines), **money)

        friends = list[StreamId]()

        def refund(
            order: Order, membership: Membership | None, *, referral: Referral | None, view: View, at: datetime
        ) -> Refunded:
            done = self.program.refund(order, membership, back=back, return_id=return_id, referral=referral, view=view, at=at)
            friends[:] = [posting.stream for posting in done.beside if isinstance(posting.state, Referral)]
            return done

        returned = the(OrderReturned, (yield from self._on_order(command, order_id, refund)))
        for stream in friends:
            try:
                yield from self._settle_referral(stream)
            except Exception:  # noqa: BLE001, S112 - the return is kept, and its answer matters; a sweep takes back what is left
                continue
        return returned

    def _on_order(self, command: Command, order_id: str, act: _OnOrder) -> Steps[tuple[Fact, ...]]:
        """Do a command on an order and whoever it belongs to, and answer with the facts of the order."""
        while True:
            seen = yield from self._known_order(order_id)
            try:
                streams = self.program.needs(seen.member_id, order_id=order_id, order=seen).streams
                sight = Sight(streams=streams, more=_beside_order(seen.member_id), follows=True)
                facts = yield from self._once(command, sight, self._acting(seen, act))
            except _OwnerMovedError:
                continue  # it found its member, or its member was forgotten, between two looks; each happens once
            return facts[command.home]

    def _acting(self, seen: Order, act: _OnOrder) -> Decide:
        """Act on an order as it was seen, with all that it may move beside."""

        def decide(loaded: Loaded, at: datetime) -> Postings:
            order = loaded.order(seen.order_id)
            if order.member_id != seen.member_id or beside_streams(order) != beside_streams(seen):
                raise _OwnerMovedError
            view = loaded.beside()
            done = act(
                order,
                loaded.member_or_none(order.member_id),
                referral=loaded.referral_or_none(order.member_id),
                view=view,
                at=not_before_last(None, at, *view.cards.values()),
            )
            return (*done.postings, *done.claims)

        return decide

    def _order_facts(self, order_id: str) -> Steps[tuple[Fact, ...]]:
        stream = order_stream(order_id)
        return (yield from self._whole((stream,))).streams[stream].facts

    def _attach(self, order_id: str, member_id: str, actor: str) -> Steps[OrderAttached]:
        def decide(loaded: Loaded, at: datetime) -> Postings:
            attached = self.program.attach(
                loaded.order(order_id),
                loaded.member(member_id),
                referral=loaded.referral_or_none(member_id),
                view=View(stopped=self._stopped(loaded)),
                at=at,
            )
            return (*attached.postings, *self._guards(loaded, self.program.coupons_to_come))

        command = Command.of(order_stream(order_id), Key("attach"), actor=actor, member_id=check_id("member_id", member_id))
        switches = tuple(map(campaign_stream, self.program.coupons_to_come))
        sight = Sight(streams=(*self.program.needs(member_id, order_id=order_id).streams, *switches))
        facts = yield from self._once(command, sight, decide)
        return the(OrderAttached, facts[command.home])

    # ---- members ----

    def _record(self, action: str, member_id: str, ref: str, actor: str) -> Steps[Granted]:
        key = Key(f"record:{check_id('ref', ref)}")
        command = Command.of(member_stream(member_id), key, actor=actor, action=action)

        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            return self.program.record(action, membership, ref=ref, at=at)

        return the(Granted, (yield from self._of_member(member_id, command, decide)))

    def _release(self, event: str, member_id: str, ref: str, actor: str) -> Steps[tuple[Released, ...]]:
        key = Key(f"release:{check_id('ref', ref)}:{check_slug('event', event)}")
        command = Command.of(member_stream(member_id), key, actor=actor)

        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            return self.program.release(event, membership, ref=ref, at=at)

        facts = yield from self._of_member(member_id, command, decide)
        return tuple(fact for fact in facts if isinstance(fact, Released))

    def _membership(self, member_id: str) -> Steps[Membership]:
        return (yield from self._whole((member_stream(member_id),))).member(member_id)

    def _overview(self, member_id: str) -> Steps[Overview]:
        def look(loaded: Loaded, at: datetime) -> Overview:
            return self.program.overview(loaded.member(member_id), referral=loaded.referral_or_none(member_id), at=at)

        referral = () if self.program.referrals is None else (referral_stream(member_id),)
        return (yield from self._seen((member_stream(member_id), *referral), look))

    def _grant_tier(
        self, tier: str, member_id: str, *, ref: str, until: datetime | None, reason: str, by: str
    ) -> Steps[TierGranted]:
        key = Key(f"grant_tier:{check_id('ref', ref)}")
        if until is not None:
            check_instant("until", until)
        command = Command.of(member_stream(member_id), key, actor=by, tier=tier, until=instant_or_none(until), reason=reason)

        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            return self.program.grant_tier(tier, membership, ref=ref, until=until, reason=reason, actor=by, at=at)

        return the(TierGranted, (yield from self._of_member(member_id, command, decide)))

    def _end_tier_grant(self, ref: str, member_id: str, *, reason: str, by: str) -> Steps[TierGrantEnded]:
        key = Key(f"end_tier_grant:{check_id('ref', ref)}")
        command = Command.of(member_stream(member_id), key, actor=by, reason=reason)

        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            return self.program.end_tier_grant(ref, membership, reason=reason, actor=by, at=at)

        grant = (yield from self._membership(member_id)).tier_grants.get(ref)
        if grant is not None and grant.until is not None and grant.until <= self._now():
            receipt = yield from self._receipt(command)
            if receipt is None:  # its time was over: there is nothing to end
                return TierGrantEnded(ref=ref, at=grant.until)
        return the(TierGrantEnded, (yield from self._of_member(member_id, command, decide, undoes=True)))

    def _explain_tier(self, member_id: str) -> Steps[TierAnswer | None]:
        def look(loaded: Loaded, at: datetime) -> TierAnswer | None:
            return self.program.explain_tier(loaded.member(member_id), at=at)

        return (yield from self._seen((member_stream(member_id),), look))

    def _statement(self, member_id: str, window: Window, account: str) -> Steps[Statement]:
        stream = member_stream(member_id)
        check_kind("window", window, Window)
        facts = (yield from self._whole((stream,))).streams[stream].facts
        if window.ends_at is None:
            window = attrs.evolve(window, ends_at=until_now(facts, now=self._now()))
        return statement(facts, window=window, account=account)

    def _order(self, order_id: str) -> Steps[Order]:
        return (yield from self._whole((order_stream(order_id),))).order(order_id)

    def _known_order(self, order_id: str) -> Steps[Order]:
        """Give an order before a command on it: whose it is must be known to load the member."""
        order = yield from self._order(order_id)
        if order.placed is None and order.reserved is None:
            raise RefusedError(Refusal(Reason.ORDER_NOT_FOUND, {"order_id": order_id}))
        return order

    # ---- points by hand ----

    def _earn(
        self,
        points: int,
        *,
        member_id: str,
        ref: str,
        expires_at: datetime | None,
        available_at: datetime | None,
        rule: str,
        reason: str,
        account: str,
        actor: str,
    ) -> Steps[Granted]:
        if check_kind("rule", rule, str) in {ORDER_RULE, *self.program.rule_ids}:
            msg = f"rule must not be that of orders or of an action, got {rule!r}"
            raise UsageError(msg)

        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            return membership.earn(
                points,
                ref=ref,
                expires_at=expires_at,
                available_at=available_at,
                rule=rule,
                reason=reason,
                actor=actor,
                at=at,
            )

        return self._book(
            Granted,
            f"earn:{check_id('ref', ref)}",
            decide,
            member_id=member_id,
            account=account,
            actor=actor,
            points=points,
            rule=rule,
            reason=reason,
            expires_at=instant_or_none(expires_at),
            available_at=instant_or_none(available_at),
        )

    def _adjust_down(self, points: int, *, member_id: str, ref: str, reason: str, account: str, actor: str) -> Steps[Adjusted]:
        return self._book(
            Adjusted,
            f"adjust_down:{check_id('ref', ref)}",
            lambda membership, at: membership.adjust_down(points, ref=ref, reason=reason, actor=actor, at=at),
            member_id=member_id,
            account=account,
            actor=actor,
            points=points,
            reason=reason,
        )

    def _reverse_adjustment(
        self, adjustment_ref: str, *, member_id: str, ref: str, account: str, actor: str
    ) -> Steps[AdjustmentReversed]:
        return self._book(
            AdjustmentReversed,
            f"reverse_adjustment:{check_id('ref', ref)}",
            lambda membership, at: gives_back(membership.reverse_adjustment(adjustment_ref, ref=ref, at=at), adjustment_ref),
            member_id=member_id,
            account=account,
            actor=actor,
            adjustment_ref=adjustment_ref,
        )

    def _burn(self, points: int, *, member_id: str, ref: str, account: str, actor: str) -> Steps[Burned]:
        order = self.program.burn_first.order
        return self._book(
            Burned,
            f"burn:{check_id('ref', ref)}",
            lambda membership, at: membership.burn(points, ref=ref, order=order, at=at),
            member_id=member_id,
            account=account,
            actor=actor,
            points=check_count("points", points),
        )

    def _refund_burn(
        self, burn_ref: str, points: int | None, *, member_id: str, ref: str, account: str, actor: str
    ) -> Steps[BurnRefunded]:
        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            restore = self.program.restore
            until = None if restore is None else restore.end_after(at, calendar=self.program.calendar)
            return gives_back(membership.refund_burn(burn_ref, points, ref=ref, extended_until=until, at=at), burn_ref)

        return self._book(
            BurnRefunded,
            f"refund_burn:{check_id('ref', ref)}",
            decide,
            member_id=member_id,
            account=account,
            actor=actor,
            burn_ref=check_id("burn_ref", burn_ref),
            points=count_or_none(points),
        )

    def _hold(self, points: int, *, member_id: str, ref: str, until: datetime, account: str, actor: str) -> Steps[Held]:
        order = self.program.burn_first.order
        return self._book(
            Held,
            f"hold:{check_id('ref', ref)}",
            lambda membership, at: membership.hold(points, ref=ref, until=until, order=order, at=at),
            member_id=member_id,
            account=account,
            actor=actor,
            points=check_count("points", points),
        )

    def _capture(self, hold_ref: str, points: int | None, *, member_id: str, account: str, actor: str) -> Steps[Captured]:
        return self._book(
            Captured,
            f"capture:{check_id('hold_ref', hold_ref)}",
            lambda membership, at: membership.capture(hold_ref, points, at=at),
            member_id=member_id,
            account=account,
            actor=actor,
            points=count_or_none(points),
        )

    def _void(self, hold_ref: str, *, member_id: str, account: str, actor: str) -> Steps[Voided]:
        return self._book(
            Voided,
            f"void:{check_id('hold_ref', hold_ref)}",
            lambda membership, at: membership.void(hold_ref, at=at),
            member_id=member_id,
            account=account,
            actor=actor,
        )

    def _touch(self, *, member_id: str, ref: str, account: str, actor: str) -> Steps[Touched]:
        return self._book(
            Touched,
            f"touch:{check_id('ref', ref)}",
            lambda membership, at: membership.touch(ref=ref, at=at),
            member_id=member_id,
            account=account,
            actor=actor,
        )

    def _transfer(self, points: int, *, member_id: str, to: str, ref: str, account: str, actor: str) -> Steps[TransferredOut]:
        passed = {"account": check_slug("account", account), "points": check_count("points", points), "to": to}
        command = Command.of(member_stream(member_id), Key(f"transfer:{check_id('ref', ref)}"), actor=actor, **passed)

        def decide(giver: Membership, taker: Membership, at: datetime) -> _Moved:
            return giver.transfer(points, to=taker, ref=ref, at=not_before_last(giver, at))

        return the(TransferredOut, (yield from self._between(command, member_id, to, account, decide)))

    def _undo_transfer(self, transfer_ref: str, *, member_id: str, taker: str, account: str, actor: str) -> Steps[TransferUndone]:
        key = Key(f"undo_transfer:{check_id('transfer_ref', transfer_ref)}")
        command = Command.of(member_stream(member_id), key, actor=actor, account=check_slug("account", account), taker=taker)

        def decide(giver: Membership, taken: Membership, at: datetime) -> _Moved:
            return giver.undo_transfer(transfer_ref, taker=taken, at=at)

        return the(TransferUndone, (yield from self._between(command, member_id, taker, account, decide)))

    def _book(
        self,
        kind: type[F],
        key: str,
        decide: Callable[[Membership, datetime], Posting[Membership]],
        *,
        member_id: str,
        account: str,
        actor: str,
        **passed: Json,
    ) -> Steps[F]:
        """Do a command on one account of a member, and answer with its one fact of a kind."""
        command = Command.of(member_stream(member_id), Key(key), actor=actor, account=check_slug("account", account), **passed)

        def on_account(membership: Membership, at: datetime) -> Posting[Membership]:
            turned = membership.on(account)
            return decide(turned, not_before_last(turned, at))

        return the(kind, (yield from self._of_member(member_id, command, on_account)))

    def _between(
        self,
        command: Command,
        giver_id: str,
        taker_id: str,
        account: str,
        decide: Callable[[Membership, Membership, datetime], _Moved],
    ) -> Steps[tuple[Fact, ...]]:
        """Do a command on two members at once, and answer with the facts of the giver, who is its home."""

        def both(loaded: Loaded, at: datetime) -> Postings:
            giver, taker = loaded.member(giver_id).on(account), loaded.member(taker_id).on(account)
            moved = decide(giver, taker, at)
            settled = (*self._settled(loaded, giver, moved.giver, at), *self._settled(loaded, taker, moved.taker, at))
            # One side alone would make points of nothing, or lose them: another transfer has this name there.
            return settled if moved.giver.facts and moved.taker.facts else ()

        facts = yield from self._once(command, (command.home, member_stream(taker_id)), both)
        return facts[command.home]

    # ---- what time brings ----

    def _sweep(self, limit: int, after: Cursor | None) -> Steps[Swept]:
        check_whole("limit", limit, low=1)
        before, done, failed, cursor = self._now() + _TICK, 0, list[Failed](), after
        while done < limit:
            page: tuple[Due, ...] = tuple((yield ListDue(before, cursor, min(_PAGE, limit - done))))
            if not page:
                return Swept(done=done, failed=tuple(failed), cursor=None)
            for due in page:
                cursor = due.cursor
                try:
                    is_done = yield from self._report(due)
                except Exception as error:  # noqa: BLE001 - one stream that fails must not keep the others waiting
                    failed.append(Failed(due.stream, error))
                else:
                    done += is_done
        return Swept(done=done, failed=tuple(failed), cursor=cursor)

    def _report(self, due: Due) -> Steps[bool]:
        """Write down what time brought for one stream, and say whether anything could be: some wait for an earlier program."""
        kind, _, member_id = due.stream.partition("/")
        if kind == "gift_card":
            yield from self._report_card(due.stream, member_id)
            return True
        if kind == "referral":
            return (yield from self._settle_referral(due.stream))
        if kind != "member":
            msg = f"this version knows nothing that time brings for {due.stream!r}"
            raise CorruptStateError(msg)
        # Two sweeps at once see one version, and write one report; the next one sees another.
        version = yield from self._seen((due.stream,), lambda loaded, _: loaded.streams[due.stream].version)
        ref = f"sweep-{version}"
        command = Command.of(due.stream, Key(ref), actor="sweep")
        yield from self._of_member(member_id, command, lambda membership, at: book_report(membership, ref=ref, at=at))
        return True

    def _report_card(self, stream: StreamId, card_id: str) -> Steps[None]:
        version = (yield from self._whole((stream,))).streams[stream].version
        ref = f"sweep-{version}"
        command = Command.of(stream, Key(ref), actor="sweep")

        def decide(loaded: Loaded, at: datetime) -> Postings:
            cards = {name: loaded.card(name) for kind, name in _named(loaded.streams) if kind == "gift_card"}
            # What a hold on a card that was replaced gives back is to be used on the card in its place.
            return moved_on(cards[card_id].report_expired(ref=ref, at=at), cards, ref=ref, at=at)

        yield from self._once(command, Sight(streams=(stream,), more=_in_the_place_of(), follows=True), decide)


def utc_now() -> datetime:
    """Give the present instant: the default clock of ``Loyalty``, and the only one in the library."""
    return datetime.now(UTC)  # noqa: TID251 - the one clock, injected


class _OwnerMovedError(Exception):
    """An order is another's than at the look before."""


def _named(streams: Iterable[StreamId]) -> Iterator[tuple[str, str]]:
    for stream in streams:
        kind, _, name = stream.partition("/")
        yield kind, name


def _in_the_place_of() -> Callable[[Loaded, datetime], tuple[StreamId, ...]]:
    """Name the cards that took the place of those of an order: what comes back to these goes on to them."""

    def more(loaded: Loaded, _: datetime) -> tuple[StreamId, ...]:
        cards = [loaded.card(name) for kind, name in _named(loaded.streams) if kind == "gift_card"]
        return tuple(card_stream(card.replaced_by) for card in cards if card.replaced_by)

    return more


def _beside_order(member_id: str | None) -> Callable[[Loaded, datetime], tuple[StreamId, ...]]:
    """Name what an order may move beside its own: cards in the place of others, and what the member's gifts were."""
    replaced = _in_the_place_of()

    def more(loaded: Loaded, at: datetime) -> tuple[StreamId, ...]:
        member = loaded.member_or_none(member_id)
        return (*replaced(loaded, at), *(() if member is None else reward_streams(member)))

    return more


def _opened(placed: OrderPlaced) -> tuple[str, ...]:
    """Name the offers of an order that may be those of campaigns."""
    return tuple(cost.offer_id for cost in placed.offers)


def _of_order(verb: str, asked: Asked, order_id: str, actor: str) -> Command:
    """Name what was asked of an order: all that the shop passed, never the time."""
    return Command.of(
        order_stream(order_id),
        Key(verb),
        actor=actor,
        basket=basket_digest(asked.basket),
        member_id=asked.member_id,
        profile=plain(asked.profile),
        codes=folded_codes(asked.codes),
        burn=asked.burn,
        **({"coupons": sorted(asked.coupons)} if asked.coupons else {}),
        **({"cards": list(asked.cards)} if asked.cards else {}),
    )


def asked_for(
    basket: Basket,
    member_id: str | None,
    profile: Profile | None,
    *,
    codes: Iterable[str],
    burn: int,
    coupons: Iterable[str] = (),
    cards: Iterable[str] = (),
) -> Asked:
    """Gather what a shop asks a quote for."""
    return Asked(
        basket=basket, member_id=member_id, profile=profile or Profile(), codes=codes, burn=burn, coupons=coupons, cards=cards
    )


def back_of(lines: Mapping[str, int] | None, amount: Money | None, shipping: Money | None) -> Return:
    """Gather what comes back."""
    return Return(lines=lines or {}, amount=amount, shipping=shipping)
