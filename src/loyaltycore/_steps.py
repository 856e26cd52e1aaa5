"""What services are made of: the steps that ask a repository, and what is read out of its answers.

A service is written once, as steps that yield calls of the port and are sent their answers; a driver runs them, a synchronous
one or one that awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar, cast, final

import attrs

from loyaltycore._attempts import Attempts
from loyaltycore._checks import check_count, check_instant
from loyaltycore._code_book import CodeBook, SpaceBlocks
from loyaltycore._code_space import AvoidedWords
from loyaltycore._frozen import FrozenMap, HistoryNeeded
from loyaltycore._payouts import Payout
from loyaltycore._snapshots import compact, restored, tallied
from loyaltycore.basket import Basket
from loyaltycore.coupons import Campaign, Coupon, read_codes
from loyaltycore.errors import (
    ConflictError,
    CorruptStateError,
    Detail,
    DuplicateError,
    LimitReachedError,
    Reason,
    Refusal,
    RefusedError,
    UsageError,
)
from loyaltycore.facts import Change, Claim, Command, Expect, Fact, Posting
from loyaltycore.gift_cards import CardNumbers, GiftCard
from loyaltycore.identity import (
    CounterId,
    Key,
    StreamId,
    campaign_stream,
    card_stream,
    coupon_stream,
    member_stream,
    order_stream,
    payout_stream,
    referral_stream,
    space_stream,
)
from loyaltycore.memberships import Membership
from loyaltycore.offers import View
from loyaltycore.orders import Order
from loyaltycore.program import Program
from loyaltycore.quantities import Money
from loyaltycore.referrals import Referral
from loyaltycore.repositories import Claimed, Cursor, Projecting, Receipt, Snapshot, Snapshots, SnapshotStream, StoredStream
from loyaltycore.wire import coded_digest, instant_text

__all__ = [
    "SKEW",
    "AskClaimed",
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
    "Sight",
    "Steps",
    "basket_digest",
    "check_avoid",
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
class AskClaimed:
    """Ask what is held of counters, in all and by one key."""

    counters: tuple[CounterId, ...]
    key: Key
    at: datetime


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
        states: Every member, order, coupon, gift card, campaign and space of codes that changes, as it is afterwards.
        at: The instant of the command.
        transaction: What the repository writes through: a cursor, a connection, a session; ``None`` where that goes without
            saying.
    """

    command: Command
    states: tuple[Any, ...]
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


Call: TypeAlias = Load | LoadTails | AskClaimed | AskReceipt | Commit | KeepSnapshot | ListDue | ListStreams | Rename
Steps: TypeAlias = Generator[Call, Any, A]
"""A service: it yields calls of the port and is sent their answers."""

Postings: TypeAlias = tuple[Posting[Any] | Claim, ...]
"""What a command decides: a posting for every stream it looked at, and what it claims."""

Stored: TypeAlias = Mapping[StreamId, tuple[Fact, ...]]
"""The facts that a command stored, by stream."""


@final
@attrs.frozen
class Loaded:
    """Streams as they were loaded, and counters.

    Attributes:
        streams: From their snapshots on, or whole.
        taken: What others hold of each counter.
    """

    streams: Mapping[StreamId, SnapshotStream]
    taken: Mapping[CounterId, int] = FrozenMap[CounterId, int]()

    def member(self, member_id: str) -> Membership:
        """Give a member as loaded."""
        return restored(member_id, self.streams[member_stream(member_id)])

    def member_or_none(self, member_id: str | None) -> Membership | None:
        """Give a member as loaded; ``None`` for a guest."""
        return None if member_id is None else self.member(member_id)

    def order(self, order_id: str) -> Order:
        """Give an order as loaded."""
        return Order.replay(order_id, self.streams[order_stream(order_id)].facts)

    def campaign(self, campaign_id: str) -> Campaign:
        """Give the switch of a campaign as loaded."""
        return Campaign.replay(campaign_id, self.streams[campaign_stream(campaign_id)].facts)

    def space(self, space_id: str) -> SpaceBlocks:
        """Give the blocks of a space as loaded."""
        return SpaceBlocks.replay(space_id, self.streams[space_stream(space_id)].facts)

    def coupon(self, issued: Coupon) -> Coupon:
        """Give a coupon as loaded, from what is known of it without any fact."""
        return issued.folded(self.streams[coupon_stream(issued.coupon_id)].facts)

    def referral_or_none(self, member_id: str | None) -> Referral | None:
        """Give the referral of a friend as loaded; ``None`` for a guest, and where it was not asked for."""
        stream = None if member_id is None else self.streams.get(referral_stream(member_id))
        return None if member_id is None or stream is None else Referral.replay(member_id, stream.facts)

    def beside(self) -> View:
        """Give the coupons, gift cards and payouts that were loaded."""
        named = [(kind, name) for kind, _, name in (stream.partition("/") for stream in self.streams)]
        return View(
            coupons=[self.coupon(Coupon.issued(name)) for kind, name in named if kind == "coupon"],
            cards={name: self.card(name) for kind, name in named if kind == "gift_card"},
            payouts={name: self.payout(name) for kind, name in named if kind == "payout"},
        )

    def payout(self, payout_id: str) -> Payout:
        """Give a payout as loaded."""
        return Payout.replay(payout_id, self.streams[payout_stream(payout_id)].facts)

    def card(self, card_id: str) -> GiftCard:
        """Give a gift card as loaded."""
        return GiftCard.replay(card_id, self.streams[card_stream(card_id)].facts)


@final
@attrs.frozen(kw_only=True)
class Sight:
    """What a command looks at.

    Attributes:
        streams: Known before anything is loaded.
        more: Names those that are known only when these are there; ``None`` for none.
        follows: Whether what is loaded so may name more again.
        counters: Limits that all share.
        key: Who asks about the counters: what it holds itself does not count.
    """

    streams: tuple[StreamId, ...]
    more: Callable[[Loaded, datetime], tuple[StreamId, ...]] | None = None
    follows: bool = False
    counters: Callable[[datetime], tuple[CounterId, ...]] | None = None
    key: Key = Key("-")


Decide: TypeAlias = Callable[[Loaded, datetime], Postings]
"""What a command decides on what was loaded."""


class Service:
    """Does each command once, and again from the start when another was faster."""

    __slots__ = ()

    program: Program
    repository: Any
    clock: Callable[[], datetime]
    retries: int
    project: Any
    snapshot_every: int
    codes: CodeBook | None
    card_numbers: CardNumbers | None
    attempts: Attempts
    avoid: AvoidedWords

    def _once(self, command: Command, sight: Sight | tuple[StreamId, ...], decide: Decide) -> Steps[Stored]:
        """Do a command once, and answer with the facts it stored, however often it is called."""
        for attempt in range(self.retries + 1):
            receipt = yield from self._receipt(command)
            if receipt is not None:
                return receipt.facts
            loaded, at, decided = yield from self._seen(sight, lambda loaded, at: (loaded, at, decide(loaded, at)))
            postings = [one for one in decided if isinstance(one, Posting)]
            is_empty = not any(posting.facts for posting in postings)
            if not is_empty:
                states = tuple(posting.state for posting in postings if posting.facts and posting.state is not None)
                try:
                    yield Commit(command, _changes(decided), Projected(command, states, at))
                except (ConflictError, LimitReachedError):
                    # Where a limit was reached meanwhile, the decision is another one now.
                    if attempt == self.retries:
                        raise
                    continue
                except DuplicateError:
                    pass
                else:
                    yield from self._keep_snapshots(loaded, postings, at)
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

    def _seen(self, sight: Sight | tuple[StreamId, ...], look: Callable[[Loaded, datetime], A]) -> Steps[A]:
        """Look at streams as they are; at all of their facts, where their snapshots do not know enough."""
        seen = sight if isinstance(sight, Sight) else Sight(streams=sight)
        if not seen.streams:
            return look((yield from self._more(seen, Loaded({}))), self._now())
        if self._reads_snapshots():
            tails = cast("Mapping[StreamId, SnapshotStream]", (yield LoadTails(seen.streams)))
            try:
                return look((yield from self._more(seen, Loaded(tails))), self._now())
            except (HistoryNeeded, CorruptStateError):
                if all(stream.snapshot is None for stream in tails.values()):
                    raise
        return look((yield from self._more(seen, (yield from self._whole(seen.streams)))), self._now())

    def _more(self, sight: Sight, loaded: Loaded) -> Steps[Loaded]:
        """Load what is known only now, and ask about the counters."""
        at = self._now()
        while sight.more is not None:
            more = tuple(stream for stream in sight.more(loaded, at) if stream not in loaded.streams)
            if not more:
                break
            loaded = Loaded({**loaded.streams, **(yield from self._whole(more)).streams})
            if not sight.follows:
                break
        counters = () if sight.counters is None else sight.counters(at)
        if counters:
            claimed = cast("Mapping[CounterId, Claimed]", (yield AskClaimed(counters, sight.key, at)))
            loaded = Loaded(loaded.streams, {name: one.total - one.mine for name, one in claimed.items()})
        return loaded

    def _whole(self, streams: tuple[StreamId, ...]) -> Steps[Loaded]:
        """Load all facts of streams."""
        stored = cast("Mapping[StreamId, StoredStream]", (yield Load(streams)))
        return Loaded({name: SnapshotStream(version=one.version, facts=one.facts) for name, one in stored.items()})

    def _reads_snapshots(self) -> bool:
        """Whether snapshots are worth it: not for rules that look at everything, nor where the shop's own hook might."""
        may = self.snapshot_every > 0 and self.project is None and not self.program.looks_back
        return may and isinstance(self.repository, Snapshots)

    def _keep_snapshots(self, loaded: Loaded, postings: Iterable[Posting[Any]], at: datetime) -> Steps[None]:
        """Keep what members came to whose facts have become many since the last time."""
        if not self._reads_snapshots():
            return
        for posting in postings:
            member = posting.state
            if not isinstance(member, Membership) or not posting.facts:
                continue
            since = len(loaded.streams[posting.stream].facts) + len(posting.facts)
            if since >= self.snapshot_every:
                try:
                    kept = tallied(member, self.program.tiers, calendar=self.program.calendar, at=at)
                    yield KeepSnapshot(posting.stream, compact(kept))
                except Exception:  # noqa: BLE001, S112 - the command is kept, and its answer matters; a snapshot only saves reading
                    continue

    def _receipt(self, command: Command) -> Steps[Receipt | None]:
        receipt = cast("Receipt | None", (yield AskReceipt(command)))
        if receipt is not None:
            command.check_same(receipt.command)
        return receipt

    def _now(self) -> datetime:
        return check_instant("clock()", self.clock())


def check_service(program: Program, codes: CodeBook | None, project: object, repository: object) -> None:
    """Refuse a hook that a repository could never call, and a book that lacks codes of the program.

    Without a book nothing is refused: a worker that only sweeps or refunds needs no keys.
    """
    known = frozenset[str]() if codes is None else frozenset(space.space_id for space in codes.spaces)
    for campaign in program.campaigns.values() if codes is not None else ():
        if campaign.space_id is not None and campaign.space_id not in known:
            msg = (
                f"codes must be a CodeBook with the space of campaign {campaign.campaign_id!r}, {campaign.space_id!r}, "
                f"got {', '.join(sorted(map(repr, known))) or 'none'}"
            )
            raise UsageError(msg)
    for code in sorted(program.book.codes) if codes is not None else ():
        if codes is not None and codes.looks_like_one(code):
            msg = f"code {code!r} must be another one: it looks like one that a machine made"
            raise UsageError(msg)
    if project is not None and not isinstance(repository, Projecting):
        msg = f"project needs a repository that has commit_then, got {type(repository).__name__}"
        raise UsageError(msg)


def _changes(postings: Postings) -> tuple[Change, ...]:
    """Give what is to be committed: what was looked at and not written must not have moved."""
    changes = list[Change]()
    for one in postings:
        if isinstance(one, Claim):
            changes.append(one)
        else:
            changes += one.changes or (Expect(stream=one.stream, version=one.version),)
    return tuple(changes)


# ---- what is read out of answers, and out of what a shop passed ----


def gives_back(posting: Posting[Membership], burn_ref: str) -> Posting[Membership]:
    """Refuse to give back what was given back before: the answer would have no fact."""
    if not posting.facts:
        details: dict[str, Detail] = {"burn_ref": burn_ref, "asked_points": 0, "left_points": 0}
        raise RefusedError(Refusal(Reason.BURN_EXCEEDED, details))
    return posting


def not_before_last(membership: Membership | None, at: datetime, *cards: GiftCard) -> datetime:
    """Lift an instant to the last fact of the member or a gift card, where only another server's clock can have put it later."""
    ledgers = [*(() if membership is None else (membership.ledger,)), *(card.ledger for card in cards)]
    lasts = [ledger.last_at for ledger in ledgers if ledger.last_at is not None]
    ahead: list[datetime] = [last_at for last_at in lasts if at < last_at <= at + SKEW]
    return max(ahead, default=at)


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


def check_avoid(words: Iterable[str] | AvoidedWords) -> AvoidedWords:
    """Take words that no code may hold."""
    return AvoidedWords.of(words)


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
