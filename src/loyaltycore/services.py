"""``Loyalty``: the whole checkout over one repository.

Each call asks for its receipt first, loads in one round trip, decides with the pure program, and commits all or nothing; when
another call was faster it loads and decides again. Called twice, it does once and answers the same.

Invariants:
    1. A repeated call answers with exactly the fact first stored.
    2. The receipt is asked before deciding: a retry after a lost answer never hears "insufficient".
    3. A call that raises has changed nothing.

>>> from datetime import UTC, datetime, timedelta
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
from datetime import UTC, datetime
from typing import Final, TypeAlias, TypeVar, final

import attrs

from loyaltycore._checks import check_count, check_whole
from loyaltycore._statement import Statement, statement
from loyaltycore._steps import (
    Service,
    Steps,
    basket_digest,
    count_or_none,
    folded_codes,
    gives_back,
    instant_or_none,
    loaded_membership,
    not_before_last,
    the,
    until_now,
)
from loyaltycore.basket import Basket, Return
from loyaltycore.errors import Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Change, Command, Fact, Posting
from loyaltycore.identity import Key, StreamId, check_id, check_slug, member_stream, order_stream
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
from loyaltycore.memberships import MemberJoined, Membership
from loyaltycore.orders import Order, OrderPlaced, OrderReturned
from loyaltycore.periods import Window, check_instant
from loyaltycore.points import POINTS, Transferred
from loyaltycore.program import ORDER_RULE, Asked, Overview, Program, Quote
from loyaltycore.quantities import Money
from loyaltycore.repositories import Repository, StoredStream
from loyaltycore.wire import Json, plain

__all__ = ["ACTOR", "Loyalty", "utc_now"]

ACTOR: Final = "shop"
"""Who acts when nobody is named."""

RETRIES_LIMIT: Final = 100
"""More would hide a fault."""

_Moved: TypeAlias = Transferred[Membership, Membership]

A = TypeVar("A")
F = TypeVar("F", bound=Fact)


def utc_now() -> datetime:
    """Give the present instant: the default clock of ``Loyalty``, and the only one in the library."""
    return datetime.now(UTC)  # noqa: TID251 - the one clock, injected


@final
@attrs.frozen
class Loyalty(Service):
    """A program at work over a repository.

    Attributes:
        program: The rules.
        repository: Any that keeps the contract of ``Repository``.
        clock: Gives the present instant, timezone-aware.
        retries: How often a call that lost a race loads and decides again, 0 to 100; 0 inside a transaction of the caller's,
            which would read the same again.
    """

    program: Program
    repository: Repository
    clock: Callable[[], datetime] = attrs.field(default=utc_now, kw_only=True)
    retries: int = attrs.field(default=5, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the number of retries."""
        check_whole("retries", self.retries, low=0, high=RETRIES_LIMIT)

    def quote(
        self,
        basket: Basket,
        *,
        member_id: str | None = None,
        profile: Profile | None = None,
        codes: Iterable[str] = (),
        burn: int = 0,
        order_id: str | None = None,
    ) -> Quote:
        """Price a basket; see ``Program.quote``.

        Args:
            basket: In the program's currency.
            member_id: Whose; ``None`` for a guest.
            profile: What the shop tells about the person.
            codes: As typed.
            burn: Points to burn.
            order_id: The order it is to become, where points are held in its name.
        """
        asked = Asked(basket=basket, member_id=member_id, profile=profile or Profile(), codes=codes, burn=burn)
        return self._run(self._quote(asked, order_id))

    def place(self, quote: Quote, *, order_id: str, actor: str = ACTOR) -> OrderPlaced:
        """Book exactly what was quoted, once.

        Args:
            quote: What the shopper saw.
            order_id: The shop's own; called again with the same quote's basket, member, codes and burn, it answers the same.
            actor: Who asks.

        Raises:
            RefusedError: ``quote_changed`` when something moved since; ``key_reused`` for another order under this id.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._run(self._place(quote.asked, quote, order_id, actor))

    def place_unseen(
        self,
        basket: Basket,
        *,
        order_id: str,
        member_id: str | None = None,
        profile: Profile | None = None,
        codes: Iterable[str] = (),
        burn: int = 0,
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
            actor: Who asks.

        Raises:
            RefusedError: ``key_reused`` for another order under this id.
            ConflictError: The race was lost more often than ``retries``.
        """
        asked = Asked(basket=basket, member_id=member_id, profile=profile or Profile(), codes=codes, burn=burn)
        return self._run(self._place(asked, None, order_id, actor))

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
        back = Return(lines=lines or {}, amount=amount, shipping=shipping)
        return self._run(self._refund(order_id, return_id, back, actor))

    def join(self, member_id: str) -> MemberJoined:
        """Make somebody a member, once.

        Args:
            member_id: The shop's own, opaque.
        """
        command = Command.of(member_stream(member_id), Key("join"), actor=ACTOR)
        return the(MemberJoined, self._run(self._of_member(member_id, command, lambda member, at: member.join(at=at))))

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
        key = Key(f"record:{check_id('ref', ref)}")
        command = Command.of(member_stream(member_id), key, actor=actor, action=action)

        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            return self.program.record(action, membership, ref=ref, at=at)

        return the(Granted, self._run(self._of_member(member_id, command, decide)))

    def adjust_down(self, points: int, *, member_id: str, ref: str, reason: str, account: str = POINTS, actor: str) -> Adjusted:
        """Take points away by hand, once for each ``ref``.

        Args:
            points: At least 1, at most what is available.
            member_id: Whose.
            ref: The shop's own name for it, for example a ticket.
            reason: In the shop's words.
            account: Which of the member's accounts.
            actor: Who does it.

        Raises:
            RefusedError: ``points_insufficient`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
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

    def overview(self, member_id: str) -> Overview:
        """Gather what "my account" shows.

        Args:
            member_id: The shop's own; one never seen has nothing.
        """
        return self._run(self._overview(member_id))

    def earn(
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

        Args:
            points: At least 1.
            member_id: Whose.
            ref: The shop's own name for it, for example a ticket.
            expires_at: First instant at which they can no longer be burned; ``None`` never.
            available_at: First instant at which they can be burned; ``None`` is at once.
            rule: Names what they are given for.
            reason: In the shop's words.
            account: Which of the member's accounts.
            actor: Who gives them.

        Raises:
            UsageError: A value out of range or an empty window.
            RefusedError: ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        if rule in {ORDER_RULE, *self.program.rule_ids}:
            msg = f"rule must not be that of orders or of an action, got {rule!r}"
            raise UsageError(msg)
        terms = {"expires_at": instant_or_none(expires_at), "available_at": instant_or_none(available_at)}

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
            **terms,
        )

    def reverse_adjustment(
        self, adjustment_ref: str, *, member_id: str, ref: str, account: str = POINTS, actor: str
    ) -> AdjustmentReversed:
        """Undo what ``adjust_down`` took, once for each ``ref``.

        Args:
            adjustment_ref: The ``ref`` of the adjustment.
            member_id: Whose.
            ref: The shop's own name for undoing it.
            account: Which of the member's accounts.
            actor: Who does it.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._book(
            AdjustmentReversed,
            f"reverse_adjustment:{check_id('ref', ref)}",
            lambda membership, at: gives_back(membership.reverse_adjustment(adjustment_ref, ref=ref, at=at), adjustment_ref),
            member_id=member_id,
            account=account,
            actor=actor,
            adjustment_ref=adjustment_ref,
        )

    def burn(self, points: int, *, member_id: str, ref: str, account: str = POINTS, actor: str = ACTOR) -> Burned:
        """Take points for something else than an order of the program, once for each ``ref``; first what the program says.

        Args:
            points: At least 1, at most what is available.
            member_id: Whose.
            ref: The shop's own name for what they pay.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            RefusedError: ``points_insufficient``, ``at_before_last`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
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

    def refund_burn(
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

        Args:
            burn_ref: The ``ref`` of the burn, or of the hold that was captured.
            points: At least 1; ``None`` is all that is left of it.
            member_id: Whose.
            ref: The shop's own name for giving them back.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """

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

    def hold(self, points: int, *, member_id: str, ref: str, until: datetime, account: str = POINTS, actor: str = ACTOR) -> Held:
        """Set points aside while something waits for its payment, once for each ``ref``; then ``capture`` or ``void``.

        Args:
            points: At least 1, at most what is available.
            member_id: Whose.
            ref: The shop's own name for what they are to pay.
            until: First instant at which the hold ends by itself.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            UsageError: An end that has passed.
            RefusedError: ``points_insufficient``, ``at_before_last`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
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

    def capture(
        self, hold_ref: str, points: int | None = None, *, member_id: str, account: str = POINTS, actor: str = ACTOR
    ) -> Captured:
        """Burn what was held, once; what is left of the hold goes back. It never fails for balance.

        Args:
            hold_ref: The ``ref`` of the hold; the burn has the same.
            points: At least 1, at most what was held; ``None`` is all.
            member_id: Whose.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            RefusedError: ``hold_not_found``, ``hold_resolved``, ``hold_exceeded`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._book(
            Captured,
            f"capture:{check_id('hold_ref', hold_ref)}",
            lambda membership, at: membership.capture(hold_ref, points, at=at),
            member_id=member_id,
            account=account,
            actor=actor,
            points=count_or_none(points),
        )

    def void(self, hold_ref: str, *, member_id: str, account: str = POINTS, actor: str = ACTOR) -> Voided:
        """Give a hold up, once.

        Args:
            hold_ref: The ``ref`` of the hold.
            member_id: Whose.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            RefusedError: ``hold_not_found``, ``hold_resolved`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._book(
            Voided,
            f"void:{check_id('hold_ref', hold_ref)}",
            lambda membership, at: membership.void(hold_ref, at=at),
            member_id=member_id,
            account=account,
            actor=actor,
        )

    def release(self, event: str, *, member_id: str, ref: str, actor: str = ACTOR) -> tuple[Released, ...]:
        """Make available what an order or an action earned and what waits for an event, once, on every account.

        Args:
            event: What happened, such as ``"delivered"``.
            member_id: Whose.
            ref: The order or the action.
            actor: Who asks.

        Raises:
            RefusedError: ``earning_not_found``, ``release_too_late`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        key = Key(f"release:{check_id('ref', ref)}:{check_slug('event', event)}")
        command = Command.of(member_stream(member_id), key, actor=actor)

        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            return self.program.release(event, membership, ref=ref, at=at)

        facts = self._run(self._of_member(member_id, command, decide))
        return tuple(fact for fact in facts if isinstance(fact, Released))

    def touch(self, *, member_id: str, ref: str, account: str = POINTS, actor: str = ACTOR) -> Touched:
        """Note that a member was active, once for each ``ref``: ends that are counted from the last activity move on.

        Args:
            member_id: Who.
            ref: The shop's own name for what the member did.
            account: Which of the member's accounts.
            actor: Who asks.

        Raises:
            RefusedError: ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        return self._book(
            Touched,
            f"touch:{check_id('ref', ref)}",
            lambda membership, at: membership.touch(ref=ref, at=at),
            member_id=member_id,
            account=account,
            actor=actor,
        )

    def transfer(
        self, points: int, *, member_id: str, to: str, ref: str, account: str = POINTS, actor: str = ACTOR
    ) -> TransferredOut:
        """Give points to another member with the terms they have, once for each ``ref``: both accounts move, or none.

        Args:
            points: At least 1, at most what is available.
            member_id: Who gives; a repeated call finds its receipt there.
            to: Who gets them.
            ref: The shop's own name for the transfer.
            account: Of both members.
            actor: Who asks.

        Raises:
            UsageError: A transfer to oneself.
            RefusedError: ``points_insufficient``, ``at_before_last`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        passed = {"account": check_slug("account", account), "points": check_count("points", points), "to": to}
        command = Command.of(member_stream(member_id), Key(f"transfer:{check_id('ref', ref)}"), actor=actor, **passed)

        def decide(giver: Membership, taker: Membership, at: datetime) -> _Moved:
            return giver.transfer(points, to=taker, ref=ref, at=not_before_last(giver, at))

        return the(TransferredOut, self._run(self._between(command, member_id, to, account, decide)))

    def undo_transfer(
        self, transfer_ref: str, *, member_id: str, taker: str, account: str = POINTS, actor: str = ACTOR
    ) -> TransferUndone:
        """Undo a transfer, once; what the taker has spent of it becomes a debt there.

        Args:
            transfer_ref: The ``ref`` of the transfer.
            member_id: Who gave.
            taker: Who got the points.
            account: Of both members.
            actor: Who asks.

        Raises:
            RefusedError: ``transfer_not_found`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        key = Key(f"undo_transfer:{check_id('transfer_ref', transfer_ref)}")
        command = Command.of(member_stream(member_id), key, actor=actor, account=check_slug("account", account), taker=taker)

        def decide(giver: Membership, taken: Membership, at: datetime) -> _Moved:
            return giver.undo_transfer(transfer_ref, taker=taken, at=at)

        return the(TransferUndone, self._run(self._between(command, member_id, taker, account, decide)))

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

    def _quote(self, asked: Asked, order_id: str | None) -> Steps[Quote]:
        streams = self.program.needs(asked.member_id).streams
        membership = loaded_membership((yield from self._load(streams)) if streams else {}, asked.member_id)
        at = not_before_last(membership, check_instant("clock()", self.clock()))
        return self.program.quote(
            asked.basket, membership, profile=asked.profile, codes=asked.codes, burn=asked.burn, order_id=order_id, at=at
        )

    def _membership(self, member_id: str) -> Steps[Membership]:
        stream = member_stream(member_id)
        return Membership.replay(member_id, (yield from self._load((stream,)))[stream].facts)

    def _overview(self, member_id: str) -> Steps[Overview]:
        membership = yield from self._membership(member_id)
        return self.program.overview(membership, at=check_instant("clock()", self.clock()))

    def _statement(self, member_id: str, window: Window, account: str) -> Steps[Statement]:
        stream = member_stream(member_id)
        facts = (yield from self._load((stream,)))[stream].facts
        if window.ends_at is None:
            now = check_instant("clock()", self.clock())
            window = attrs.evolve(window, ends_at=until_now(facts, now=now))
        return statement(facts, window=window, account=account)

    def _order(self, order_id: str) -> Steps[Order]:
        stream = order_stream(order_id)
        return Order.replay(order_id, (yield from self._load((stream,)))[stream].facts)

    def _place(self, asked: Asked, quote: Quote | None, order_id: str, actor: str) -> Steps[OrderPlaced]:
        home = order_stream(order_id)
        command = Command.of(
            home,
            Key("place"),
            actor=actor,
            basket=basket_digest(asked.basket),
            member_id=asked.member_id,
            profile=plain(asked.profile),
            codes=folded_codes(asked.codes),
            burn=asked.burn,
        )

        def decide(loaded: Mapping[StreamId, StoredStream], at: datetime) -> tuple[Change, ...]:
            membership = loaded_membership(loaded, asked.member_id)
            order = Order.replay(order_id, loaded[home].facts)
            if order.placed is not None:
                return ()
            at = not_before_last(membership, at)
            if quote is None:
                placed = self.program.place_unseen(asked, membership, order_id=order_id, at=at)
            else:
                placed = self.program.place(quote, membership, order_id=order_id, order=order, at=at)
            return (*placed.order.changes, *(placed.member.changes if placed.member is not None else ()))

        facts = yield from self._once(command, self.program.needs(asked.member_id, order_id=order_id).streams, decide)
        return the(OrderPlaced, facts[home])

    def _refund(self, order_id: str, return_id: str, back: Return, actor: str) -> Steps[OrderReturned]:
        home = order_stream(order_id)
        money = {"amount": plain(back.amount), "shipping": plain(back.shipping)}
        key = Key(f"refund:{check_id('return_id', return_id)}")
        command = Command.of(home, key, actor=actor, lines=plain(back.lines), **money)
        # Whose order it is stands in the order; it never changes, so it may be read ahead.
        first = yield from self._load((home,))
        placed = Order.replay(order_id, first[home].facts).placed
        if placed is None:
            raise RefusedError(Refusal(Reason.ORDER_NOT_FOUND, {"order_id": order_id}))

        def decide(loaded: Mapping[StreamId, StoredStream], at: datetime) -> tuple[Change, ...]:
            membership = loaded_membership(loaded, placed.member_id)
            order = Order.replay(order_id, loaded[home].facts)
            refunded = self.program.refund(order, membership, back=back, return_id=return_id, at=at)
            return (*refunded.order.changes, *(refunded.member.changes if refunded.member is not None else ()))

        facts = yield from self._once(command, self.program.needs(placed.member_id, order_id=order_id).streams, decide)
        return the(OrderReturned, facts[home])

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
    ) -> F:
        """Do a command on one account of a member, and answer with its one fact of a kind."""
        command = Command.of(member_stream(member_id), Key(key), actor=actor, account=check_slug("account", account), **passed)

        def on_account(membership: Membership, at: datetime) -> Posting[Membership]:
            turned = membership.on(account)
            return decide(turned, not_before_last(turned, at))

        return the(kind, self._run(self._of_member(member_id, command, on_account)))

    def _between(
        self,
        command: Command,
        giver_id: str,
        taker_id: str,
        account: str,
        decide: Callable[[Membership, Membership, datetime], _Moved],
    ) -> Steps[tuple[Fact, ...]]:
        """Do a command on two members at once, and answer with the facts of the giver, who is its home."""
        streams = (command.home, member_stream(taker_id))

        def changes(loaded: Mapping[StreamId, StoredStream], at: datetime) -> tuple[Change, ...]:
            giver, taker = (
                Membership.replay(member_id, loaded[stream].facts).on(account)
                for member_id, stream in zip((giver_id, taker_id), streams, strict=True)
            )
            moved = decide(giver, taker, at)
            # One side alone would make points of nothing, or lose them: another transfer has this name there.
            return (*moved.giver.changes, *moved.taker.changes) if moved.giver.facts and moved.taker.facts else ()

        facts = yield from self._once(command, streams, changes)
        return facts[command.home]

    def _of_member(
        self, member_id: str, command: Command, decide: Callable[[Membership, datetime], Posting[Membership]]
    ) -> Steps[tuple[Fact, ...]]:
        """Do a command that one member's state decides, and answer with the facts it stored."""
        home = command.home

        def changes(loaded: Mapping[StreamId, StoredStream], at: datetime) -> tuple[Change, ...]:
            return decide(Membership.replay(member_id, loaded[home].facts), at).changes

        facts = yield from self._once(command, (home,), changes)
        return facts[home]
