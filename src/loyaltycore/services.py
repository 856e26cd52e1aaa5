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

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar, assert_never, cast, final

import attrs

from loyaltycore._checks import check_whole
from loyaltycore.basket import Basket, Return
from loyaltycore.coupons import read_codes
from loyaltycore.errors import ConflictError, Detail, DuplicateError, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Append, Change, Command, Fact, Posting
from loyaltycore.identity import Key, StreamId, check_id, member_stream, order_stream
from loyaltycore.ledger import Adjusted, AdjustmentReversed, Granted
from loyaltycore.members import Profile
from loyaltycore.memberships import MemberJoined, Membership
from loyaltycore.orders import Order, OrderPlaced, OrderReturned
from loyaltycore.periods import check_instant
from loyaltycore.program import ORDER_RULE, Asked, Overview, Program, Quote
from loyaltycore.quantities import Money
from loyaltycore.repositories import Receipt, Repository, StoredStream
from loyaltycore.wire import coded_digest, instant_text, plain

__all__ = ["ACTOR", "Loyalty", "utc_now"]

ACTOR: Final = "shop"
"""Who acts when nobody is named."""

SKEW: Final = timedelta(minutes=5)
"""How far the clocks of a shop's servers may lie apart: a purchase just before the last fact is booked at that fact's instant."""

RETRIES_LIMIT: Final = 100
"""More would hide a fault."""

A = TypeVar("A")
F = TypeVar("F", bound=Fact)


@final
@attrs.frozen
class _Load:
    """Ask for streams."""

    streams: tuple[StreamId, ...]


@final
@attrs.frozen
class _AskReceipt:
    """Ask what a command did."""

    command: Command


@final
@attrs.frozen
class _Commit:
    """Ask to keep changes."""

    command: Command
    changes: tuple[Change, ...]


_Call: TypeAlias = _Load | _AskReceipt | _Commit
_Steps: TypeAlias = Generator[_Call, Any, A]
"""A service, written once: it yields calls of the port and is sent their answers; a driver runs it, here a synchronous one."""


def utc_now() -> datetime:
    """Give the present instant: the default clock of ``Loyalty``, and the only one in the library."""
    return datetime.now(UTC)  # noqa: TID251 - the one clock, injected


@final
@attrs.frozen
class Loyalty:
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
    ) -> Quote:
        """Price a basket; see ``Program.quote``.

        Args:
            basket: In the program's currency.
            member_id: Whose; ``None`` for a guest.
            profile: What the shop tells about the person.
            codes: As typed.
            burn: Points to burn.
        """
        asked = Asked(basket=basket, member_id=member_id, profile=profile or Profile(), codes=codes, burn=burn)
        return self._run(self._quote(asked))

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
        return _the(MemberJoined, self._run(self._of_member(member_id, command, lambda member, at: member.join(at=at))))

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

        return _the(Granted, self._run(self._of_member(member_id, command, decide)))

    def adjust_down(self, points: int, *, member_id: str, ref: str, reason: str, actor: str) -> Adjusted:
        """Take points away by hand, once for each ``ref``.

        Args:
            points: At least 1, at most what is available.
            member_id: Whose.
            ref: The shop's own name for it, for example a ticket.
            reason: In the shop's words.
            actor: Who does it.

        Raises:
            RefusedError: ``points_insufficient`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        key = Key(f"adjust_down:{check_id('ref', ref)}")
        command = Command.of(member_stream(member_id), key, actor=actor, points=points, reason=reason)

        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            return membership.adjust_down(points, ref=ref, reason=reason, actor=actor, at=at)

        return _the(Adjusted, self._run(self._of_member(member_id, command, decide)))

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
            actor: Who gives them.

        Raises:
            UsageError: A value out of range or an empty window.
            RefusedError: ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        if rule in {ORDER_RULE, *self.program.actions}:
            msg = f"rule must not be that of orders or of an action, got {rule!r}"
            raise UsageError(msg)
        home = member_stream(member_id)
        terms = {"expires_at": _instant(expires_at), "available_at": _instant(available_at)}
        command = Command.of(home, Key(f"earn:{check_id('ref', ref)}"), actor=actor, points=points, rule=rule, **terms)

        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            return membership.earn(points, ref=ref, expires_at=expires_at, available_at=available_at, rule=rule, at=at)

        return _the(Granted, self._run(self._of_member(member_id, command, decide)))

    def reverse_adjustment(self, adjustment_ref: str, *, member_id: str, ref: str, actor: str) -> AdjustmentReversed:
        """Undo what ``adjust_down`` took, once for each ``ref``.

        Args:
            adjustment_ref: The ``ref`` of the adjustment.
            member_id: Whose.
            ref: The shop's own name for undoing it.
            actor: Who does it.

        Raises:
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
            ConflictError: The race was lost more often than ``retries``.
        """
        key = Key(f"reverse_adjustment:{check_id('ref', ref)}")
        command = Command.of(member_stream(member_id), key, actor=actor, adjustment_ref=adjustment_ref)

        def decide(membership: Membership, at: datetime) -> Posting[Membership]:
            posting = membership.reverse_adjustment(adjustment_ref, ref=ref, at=at)
            if not posting.facts:
                details: dict[str, Detail] = {"burn_ref": adjustment_ref, "asked_points": 0, "left_points": 0}
                raise RefusedError(Refusal(Reason.BURN_EXCEEDED, details))
            return posting

        return _the(AdjustmentReversed, self._run(self._of_member(member_id, command, decide)))

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

    def _quote(self, asked: Asked) -> _Steps[Quote]:
        streams = self.program.needs(asked.member_id).streams
        membership = _membership((yield from self._load(streams)) if streams else {}, asked.member_id)
        at = _not_before_last(membership, check_instant("clock()", self.clock()))
        return self.program.quote(asked.basket, membership, profile=asked.profile, codes=asked.codes, burn=asked.burn, at=at)

    def _membership(self, member_id: str) -> _Steps[Membership]:
        stream = member_stream(member_id)
        return Membership.replay(member_id, (yield from self._load((stream,)))[stream].facts)

    def _overview(self, member_id: str) -> _Steps[Overview]:
        membership = yield from self._membership(member_id)
        return self.program.overview(membership, at=check_instant("clock()", self.clock()))

    def _order(self, order_id: str) -> _Steps[Order]:
        stream = order_stream(order_id)
        return Order.replay(order_id, (yield from self._load((stream,)))[stream].facts)

    def _place(self, asked: Asked, quote: Quote | None, order_id: str, actor: str) -> _Steps[OrderPlaced]:
        home = order_stream(order_id)
        command = Command.of(
            home,
            Key("place"),
            actor=actor,
            basket=_basket_digest(asked.basket),
            member_id=asked.member_id,
            profile=plain(asked.profile),
            codes=_folded(asked.codes),
            burn=asked.burn,
        )

        def decide(loaded: Mapping[StreamId, StoredStream], at: datetime) -> tuple[Change, ...]:
            membership = _membership(loaded, asked.member_id)
            order = Order.replay(order_id, loaded[home].facts)
            if order.placed is not None:
                return ()
            at = _not_before_last(membership, at)
            if quote is None:
                placed = self.program.place_unseen(asked, membership, order_id=order_id, at=at)
            else:
                placed = self.program.place(quote, membership, order_id=order_id, order=order, at=at)
            return (*placed.order.changes, *(placed.member.changes if placed.member is not None else ()))

        facts = yield from self._once(command, self.program.needs(asked.member_id, order_id=order_id).streams, decide)
        return _the(OrderPlaced, facts[home])

    def _refund(self, order_id: str, return_id: str, back: Return, actor: str) -> _Steps[OrderReturned]:
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
            membership = _membership(loaded, placed.member_id)
            order = Order.replay(order_id, loaded[home].facts)
            refunded = self.program.refund(order, membership, back=back, return_id=return_id, at=at)
            return (*refunded.order.changes, *(refunded.member.changes if refunded.member is not None else ()))

        facts = yield from self._once(command, self.program.needs(placed.member_id, order_id=order_id).streams, decide)
        return _the(OrderReturned, facts[home])

    def _of_member(
        self, member_id: str, command: Command, decide: Callable[[Membership, datetime], Posting[Membership]]
    ) -> _Steps[tuple[Fact, ...]]:
        """Do a command that one member's state decides, and answer with the facts it stored."""
        home = command.home

        def changes(loaded: Mapping[StreamId, StoredStream], at: datetime) -> tuple[Change, ...]:
            return decide(Membership.replay(member_id, loaded[home].facts), at).changes

        facts = yield from self._once(command, (home,), changes)
        return facts[home]

    def _once(
        self,
        command: Command,
        streams: tuple[StreamId, ...],
        decide: Callable[[Mapping[StreamId, StoredStream], datetime], tuple[Change, ...]],
    ) -> _Steps[Mapping[StreamId, tuple[Fact, ...]]]:
        """Do a command once, and answer with the facts it stored, however often it is called."""
        for attempt in range(self.retries + 1):
            receipt = yield from self._receipt(command)
            if receipt is not None:
                return receipt.facts
            loaded = yield from self._load(streams)
            changes = decide(loaded, check_instant("clock()", self.clock()))
            if changes:
                try:
                    yield _Commit(command, changes)
                except ConflictError:
                    if attempt == self.retries:
                        raise
                    continue
                except DuplicateError:
                    pass
                else:
                    return {change.stream: change.facts for change in changes if isinstance(change, Append)}
            # The same call was faster, between our receipt and our commit: its receipt answers.
            receipt = yield from self._receipt(command)
            if receipt is not None:
                return receipt.facts
            if not changes:
                details: dict[str, Detail] = {"key": command.key, "fields": ("ref",)}
                raise RefusedError(Refusal(Reason.KEY_REUSED, details))
        msg = f"{command.key!r} in {command.home!r} lost every race"
        raise ConflictError(msg)

    def _load(self, streams: tuple[StreamId, ...]) -> _Steps[Mapping[StreamId, StoredStream]]:
        return cast("Mapping[StreamId, StoredStream]", (yield _Load(streams)))

    def _receipt(self, command: Command) -> _Steps[Receipt | None]:
        receipt = cast("Receipt | None", (yield _AskReceipt(command)))
        if receipt is not None:
            command.check_same(receipt.command)
        return receipt

    def _run(self, steps: _Steps[A]) -> A:
        """Drive a service over a synchronous repository."""
        answer: object = None
        error: Exception | None = None
        while True:
            try:
                call = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as stop:
                return cast("A", stop.value)
            answer, error = None, None
            try:
                answer = self._answer(call)
            except (ConflictError, DuplicateError) as raised:
                error = raised

    def _answer(self, call: _Call) -> object:
        match call:
            case _Load():
                return self.repository.load(call.streams)
            case _AskReceipt():
                return self.repository.receipt(call.command.home, call.command.key)
            case _Commit():
                self.repository.commit(call.command, call.changes)
                return None
        assert_never(call)


def _membership(loaded: Mapping[StreamId, StoredStream], member_id: str | None) -> Membership | None:
    return None if member_id is None else Membership.replay(member_id, loaded[member_stream(member_id)].facts)


def _not_before_last(membership: Membership | None, at: datetime) -> datetime:
    """Lift an instant to the member's last fact, where only another server's clock can have put it later."""
    last_at = None if membership is None else membership.ledger.last_at
    return last_at if last_at is not None and at < last_at <= at + SKEW else at


def _basket_digest(basket: Basket) -> str:
    """Write down all that a shop said of a basket, short: it is hashed at every purchase."""
    lines = []
    for line in basket.lines:
        regular = None if line.regular_price is None else line.regular_price.minor_units
        labels = [sorted(line.categories), sorted(line.tags)]
        lines.append([line.line_id, line.product_id, line.unit_price.minor_units, line.quantity, regular, *labels])
    shipping = None if basket.shipping is None else basket.shipping.minor_units
    form = [basket.currency, shipping, basket.market, basket.channel, lines]
    return coded_digest(form, purpose="lc.basket")


def _folded(codes: Iterable[str]) -> list[str]:
    """Give codes as they are read, in one order: typed in other letters, or twice, it is the same order."""
    read, unread = read_codes(tuple(codes))
    # What cannot be read is text of any kind: its marks are written out, so that it can be digested.
    return sorted({*read.values(), *(text.encode("ascii", "backslashreplace").decode() for text in unread)})


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)


def _the(kind: type[F], facts: Sequence[Fact]) -> F:
    """Give the one fact of a kind that answers a call."""
    return next(fact for fact in facts if isinstance(fact, kind))
