"""What services are made of: the steps that ask a repository, and what is read out of its answers.

A service is written once, as steps that yield calls of the port and are sent their answers; a driver runs them, a synchronous
one or one that awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar, cast, final

import attrs

from loyaltycore._checks import check_count, check_instant
from loyaltycore._frozen import HistoryNeeded
from loyaltycore._snapshots import compact, restored
from loyaltycore.basket import Basket
from loyaltycore.coupons import read_codes
from loyaltycore.errors import (
    ConflictError,
    CorruptStateError,
    Detail,
    DuplicateError,
    Reason,
    Refusal,
    RefusedError,
    UsageError,
)
from loyaltycore.facts import Change, Command, Expect, Fact, Posting
from loyaltycore.identity import StreamId, member_stream, order_stream
from loyaltycore.memberships import Membership
from loyaltycore.orders import Order
from loyaltycore.program import Program
from loyaltycore.quantities import Money
from loyaltycore.repositories import Cursor, Projecting, Receipt, Snapshot, Snapshots, SnapshotStream, StoredStream
from loyaltycore.wire import coded_digest, instant_text

__all__ = [
    "SKEW",
    "AskReceipt",
    "Call",
    "Commit",
    "Decide",
    "KeepSnapshot",
    "ListDue",
    "ListStreams",
    "Load",
    "LoadTails",
    "Loaded",
    "Postings",
    "Projected",
    "Rename",
    "Service",
    "Steps",
    "basket_digest",
    "check_service",
    "count_or_none",
    "folded_codes",
    "gives_back",
    "instant_or_none",
    "not_before_last",
    "the",
    "until_now",
]

SKEW: Final = timedelta(minutes=5)
"""How far the clocks of a shop's servers may lie apart: a purchase just before the last fact is booked at that fact's instant."""

_TICK: Final = timedelta(microseconds=1)

A = TypeVar("A")
F = TypeVar("F", bound=Fact)


# ---- what a service asks ----


@final
@attrs.frozen
class Load:
    """Ask for streams."""

    streams: tuple[StreamId, ...]


@final
@attrs.frozen
class LoadTails:
    """Ask for streams from their snapshots on."""

    streams: tuple[StreamId, ...]


@final
@attrs.frozen
class AskReceipt:
    """Ask what a command did."""

    command: Command


@final
@attrs.frozen
class Projected:
    """What a shop may write into tables of its own within a commit.

    Attributes:
        command: What is done.
        states: Every member and order that changes, as it is afterwards.
        at: The instant of the command.
        transaction: What the repository writes through: a cursor, a connection, a session; ``None`` where that goes without
            saying.
    """

    command: Command
    states: tuple[Membership | Order, ...]
    at: datetime
    transaction: Any = None


@final
@attrs.frozen
class Commit:
    """Ask to keep changes, and to project what they come to."""

    command: Command
    changes: tuple[Change, ...]
    projected: Projected


@final
@attrs.frozen
class KeepSnapshot:
    """Ask to keep what a stream came to."""

    stream: StreamId
    snapshot: Snapshot


@final
@attrs.frozen
class ListDue:
    """Ask for streams that time brings something for."""

    before: datetime
    after: Cursor | None
    limit: int


@final
@attrs.frozen
class ListStreams:
    """Ask for streams of a kind."""

    kind: str
    after: StreamId | None


@final
@attrs.frozen
class Rename:
    """Ask to take an id out of everything."""

    old: StreamId
    new: StreamId
    facts: Mapping[StreamId, Sequence[Fact]]


Call: TypeAlias = Load | LoadTails | AskReceipt | Commit | KeepSnapshot | ListDue | ListStreams | Rename
Steps: TypeAlias = Generator[Call, Any, A]
"""A service: it yields calls of the port and is sent their answers."""

Postings: TypeAlias = tuple[Posting[Any], ...]


Stored: TypeAlias = Mapping[StreamId, tuple[Fact, ...]]
"""The facts that a command stored, by stream."""


@final
@attrs.frozen
class Loaded:
    """Streams as they were loaded.

    Attributes:
        streams: From their snapshots on, or whole.
    """

    streams: Mapping[StreamId, SnapshotStream]

    def member(self, member_id: str) -> Membership:
        """Give a member as loaded."""
        return restored(member_id, self.streams[member_stream(member_id)])

    def member_or_none(self, member_id: str | None) -> Membership | None:
        """Give a member as loaded; ``None`` for a guest."""
        return None if member_id is None else self.member(member_id)

    def order(self, order_id: str) -> Order:
        """Give an order as loaded."""
        return Order.replay(order_id, self.streams[order_stream(order_id)].facts)


Decide: TypeAlias = Callable[[Loaded, datetime], Postings]
"""What a command decides on what was loaded: a posting for every stream it looked at."""


class Service:
    """Does each command once, and again from the start when another was faster."""

    __slots__ = ()

    program: Program
    repository: Any
    clock: Callable[[], datetime]
    retries: int
    project: Any
    snapshot_every: int

    def _once(self, command: Command, streams: tuple[StreamId, ...], decide: Decide) -> Steps[Stored]:
        """Do a command once, and answer with the facts it stored, however often it is called."""
        for attempt in range(self.retries + 1):
            receipt = yield from self._receipt(command)
            if receipt is not None:
                return receipt.facts
            loaded, at, postings = yield from self._seen(streams, lambda loaded, at: (loaded, at, decide(loaded, at)))
            is_empty = not any(posting.facts for posting in postings)
            if not is_empty:
                states = tuple(posting.state for posting in postings if posting.facts)
                try:
                    yield Commit(command, _changes(postings), Projected(command, states, at))
                except ConflictError:
                    if attempt == self.retries:
                        raise
                    continue
                except DuplicateError:
                    pass
                else:
                    yield from self._keep_snapshots(loaded, postings)
                    return {posting.stream: posting.facts for posting in postings if posting.facts}
            # The same call was faster, between our receipt and our commit: its receipt answers.
            receipt = yield from self._receipt(command)
            if receipt is not None:
                return receipt.facts
            if is_empty:
                details: dict[str, Detail] = {"key": command.key, "fields": ("ref",)}
                raise RefusedError(Refusal(Reason.KEY_REUSED, details))
        msg = f"{command.key!r} in {command.home!r} lost every race"
        raise ConflictError(msg)

    def _seen(self, streams: tuple[StreamId, ...], look: Callable[[Loaded, datetime], A]) -> Steps[A]:
        """Look at streams as they are; at all of their facts, where their snapshots do not know enough."""
        if not streams:
            return look(Loaded({}), self._now())
        if self._reads_snapshots():
            tails = cast("Mapping[StreamId, SnapshotStream]", (yield LoadTails(streams)))
            try:
                return look(Loaded(tails), self._now())
            except (HistoryNeeded, CorruptStateError):
                if all(stream.snapshot is None for stream in tails.values()):
                    raise
        return look((yield from self._whole(streams)), self._now())

    def _whole(self, streams: tuple[StreamId, ...]) -> Steps[Loaded]:
        """Load all facts of streams."""
        stored = cast("Mapping[StreamId, StoredStream]", (yield Load(streams)))
        return Loaded({name: SnapshotStream(version=one.version, facts=one.facts) for name, one in stored.items()})

    def _reads_snapshots(self) -> bool:
        """Whether snapshots are worth it: not for rules that look at everything, nor where the shop's own hook might."""
        may = self.snapshot_every > 0 and self.project is None and not self.program.looks_back
        return may and isinstance(self.repository, Snapshots)

    def _keep_snapshots(self, loaded: Loaded, postings: Postings) -> Steps[None]:
        """Keep what members came to whose facts have become many since the last time."""
        if not self._reads_snapshots():
            return
        for posting in postings:
            member = posting.state
            since = len(loaded.streams[posting.stream].facts) + len(posting.facts)
            if isinstance(member, Membership) and posting.facts and since >= self.snapshot_every:
                try:
                    yield KeepSnapshot(posting.stream, compact(member))
                except Exception:  # noqa: BLE001, S112 - the command is kept, and its answer matters; a snapshot only saves reading
                    continue

    def _receipt(self, command: Command) -> Steps[Receipt | None]:
        receipt = cast("Receipt | None", (yield AskReceipt(command)))
        if receipt is not None:
            command.check_same(receipt.command)
        return receipt

    def _now(self) -> datetime:
        return check_instant("clock()", self.clock())


def check_service(program: Program, project: object, repository: object) -> None:
    """Refuse a hook that a repository could never call, and limits that nothing would keep."""
    limited = [offer.offer_id for offer in program.book.offers if not offer.limits.are_open]
    if limited:
        # Whoever asks the pure program counts the uses himself, and tells them by its `view`.
        msg = f"offers with limits cannot be kept by a service yet, because nothing counts their uses: {', '.join(limited[:5])}"
        raise UsageError(msg)
    if project is not None and not isinstance(repository, Projecting):
        msg = f"project needs a repository that has commit_then, got {type(repository).__name__}"
        raise UsageError(msg)


def _changes(postings: Postings) -> tuple[Change, ...]:
    """Give what is to be committed: what was looked at and not written must not have moved."""
    changes = list[Change]()
    for posting in postings:
        changes += posting.changes or (Expect(stream=posting.stream, version=posting.version),)
    return tuple(changes)


# ---- what is read out of answers, and out of what a shop passed ----


def gives_back(posting: Posting[Membership], burn_ref: str) -> Posting[Membership]:
    """Refuse to give back what was given back before: the answer would have no fact."""
    if not posting.facts:
        details: dict[str, Detail] = {"burn_ref": burn_ref, "asked_points": 0, "left_points": 0}
        raise RefusedError(Refusal(Reason.BURN_EXCEEDED, details))
    return posting


def not_before_last(membership: Membership | None, at: datetime) -> datetime:
    """Lift an instant to the member's last fact, where only another server's clock can have put it later."""
    last_at = None if membership is None else membership.ledger.last_at
    return last_at if last_at is not None and at < last_at <= at + SKEW else at


def until_now(facts: Iterable[Fact], *, now: datetime) -> datetime:
    """Give the end of a window up to now, or up to the last fact where another server's clock ran ahead."""
    return max([now, *(fact.at for fact in facts)]) + _TICK


def basket_digest(basket: Basket) -> str:
    """Write down all that a shop said of a basket, short: it is hashed at every purchase."""
    lines = []
    for line in basket.lines:
        prices = [_minor(price) for price in (line.unit_price, line.regular_price, line.floor_price)]
        labels = [sorted(line.categories), sorted(line.tags), line.brand]
        lines.append([line.line_id, line.product_id, line.quantity, *prices, *labels])
    form = [basket.currency, _minor(basket.shipping), basket.market, basket.channel, basket.payment, lines]
    return coded_digest(form, purpose="lc.basket")


def _minor(money: Money | None) -> int | None:
    return None if money is None else money.minor_units


def folded_codes(codes: Iterable[str]) -> list[str]:
    """Give codes as they are read, in one order: typed in other letters, or twice, it is the same order."""
    read, unread = read_codes(tuple(codes))
    # What cannot be read is text of any kind: its marks are written out, so that it can be digested.
    return sorted({*read.values(), *(text.encode("ascii", "backslashreplace").decode() for text in unread)})


def count_or_none(points: int | None) -> int | None:
    """Take a number of points, of at least one, where there is one."""
    return None if points is None else check_count("points", points)


def instant_or_none(at: datetime | None) -> str | None:
    """Write an instant, where there is one."""
    return None if at is None else instant_text(at)


def the(kind: type[F], facts: Sequence[Fact]) -> F:
    """Give the one fact of a kind that answers a call."""
    return next(fact for fact in facts if isinstance(fact, kind))
