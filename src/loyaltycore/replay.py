"""Replay: a shop's whole history through a program, before anyone signs it.

Every row of the history ends in exactly one bucket; what could not be booked is counted with its reason. Events are booked in
order of time; at one instant joinings come first, then codes and coupons, tiers given by hand, orders, gift cards, returns,
actions, and rewards that are taken or chosen, each by its id. Before an event, friends' rewards are given that have fallen due.

Invariants:
    1. ``sum(report.buckets.values()) == report.read``.
    2. Twice the same history into new stores gives the same report and the same facts.
    3. The books balance: what was granted, less what was revoked and burned, is what the lots hold.
    4. A history that is sorted by time, replayed again into its own store, changes nothing and gives the same report.
    5. Memory follows the members and what is open, not the length of the history.
    6. What left gift cards is what reached orders.

>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from loyaltycore.program import Program
>>> from loyaltycore.store.memory import MemoryRepository
>>> program = Program.parse('''
... program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }
... points = { earn = "1 per 1.00", basis = "paid", pending = "30 days", expires = "12 months", overdraft = "carry" }
... ''')
>>> line = '{"line_id": "1", "unit_price": "79.90"}'
>>> row = '{"kind": "order", "at": "2026-07-01T10:00:00Z", "order_id": "1001", "member_id": "m-42", "lines": [' + line + "]}"
>>> with TemporaryDirectory() as folder:
...     history = Path(folder, "history.jsonl")
...     _ = history.write_text(row)
...     report = replay(program, [history], MemoryRepository())
>>> report.members, report.points["pending"], report.balanced
(1, 79, True)
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, assert_never, final

import attrs

from loyaltycore._card_steps import card_id_of
from loyaltycore._columns import ColumnMap, read_rows
from loyaltycore._frozen import FrozenMap
from loyaltycore._history import (
    Acted,
    Bucket,
    Cancelled,
    CardMade,
    Chosen,
    CodesIssued,
    CouponGranted,
    Event,
    GrantName,
    HistoryError,
    Joined,
    Ordered,
    ReturnedLines,
    RewardAsked,
    Tally,
    TierLifted,
    read_jsonl,
)
from loyaltycore._notes import ORDERS_PLACE, Notes, key_of
from loyaltycore._payouts import Payout
from loyaltycore._referral import Referral
from loyaltycore._referral_insight import RANKS, Rank, leaderboard
from loyaltycore._rewarding import take
from loyaltycore._standing import Standing
from loyaltycore._takings import takings
from loyaltycore._waiting import Waiting
from loyaltycore.basket import Return
from loyaltycore.coupons import CodeBook
from loyaltycore.coupons import CouponGranted as GrantedFact
from loyaltycore.errors import Reason, Refusal, Refused, RefusedError, UsageError
from loyaltycore.facts import Append, Change, Command, Expect, Fact
from loyaltycore.gift_cards import CardNumbers
from loyaltycore.identity import CounterId, Key, StreamId, campaign_stream, member_stream, order_stream, within
from loyaltycore.ledger import Adjusted, AdjustmentReversed, Books, Burned, BurnRefunded, Granted, Revoked
from loyaltycore.memberships import Membership
from loyaltycore.orders import Order
from loyaltycore.program import Program
from loyaltycore.repositories import Claimed, Cursor, Due, Enumerable, Receipt, Repository, StoredStream, every_stream
from loyaltycore.services import Attempts, Loyalty
from loyaltycore.wire import instant_text, plain

__all__ = ["Bucket", "ColumnMap", "HistoryError", "Report", "StoredRepository", "replay", "summarise"]

ACTOR: Final = "replay"
"""Who acts in what a replay books by itself: adjustments for late returns."""

NOBODYS_CODE: Final = "?"
"""A text that is no code."""

_MEMBER: Final = "member/"

_RECENT_LIMIT: Final = 1_000
"""Members kept as they were read: at one instant a shop meets few of its members."""

_PAGE: Final = 500
"""Members loaded at once for the summary."""


_OneRow: TypeAlias = (
    Joined | CodesIssued | CouponGranted | TierLifted | Ordered | CardMade | ReturnedLines | Acted | RewardAsked | Chosen
)
"""All but what is booked order by order."""


class StoredRepository(Repository, Enumerable, Protocol):
    """A repository that can also list its streams, so that it can be summed up."""


@final
@attrs.frozen(kw_only=True)
class Report:
    """What a history came to.

    Attributes:
        program: Name and version.
        digest: Of the program.
        read: Rows read.
        buckets: Rows by bucket.
        beside: Counts of what is worth knowing besides the buckets: refusals by reason, duplicates, burns cut.
        members: Members in the store.
        orders: Orders booked, of members and guests.
        points: Where all points are: earned, pending, available, debt, burned, adjusted, expired, revoked.
        tiers: Members by tier at the end.
        quarters: Members by tier at the end of each quarter, and how many stood higher (``up``) and lower (``down``) than at the
            end of the quarter before; at most the last 40.
        rewards: By what gave them: how many were ``given`` and ``taken_back``; the points they cost and gave, without those taken
            back; how many of their coupons were used; and ``cost_minor``, what those took off orders and what was paid outside.
        referrals: Friends by what became of them, what friends brought each other to, and what it cost; empty without a referral
            program.
        advocates: The ten best, by friends who counted; those with as many by their ids.
        offers: Uses and cost in minor units, by offer; those of campaigns too.
        campaigns: What each campaign of the program gave out, and what its orders brought and cost.
        gift_cards: What was sold, loaded, paid and left, in minor units of the program's currency; empty without gift cards.
        ends_at: The last instant of the history, at which points are summed up; where it is empty, that of the store, and
            ``None`` when that is empty too.
        balanced: Whether the books balance, computed twice: over all facts, and over all lots; and those of gift cards, by what
            the cards say and by what orders say.
    """

    program: str
    digest: str
    read: int
    buckets: Mapping[str, int]
    beside: Mapping[str, int]
    members: int
    orders: Mapping[str, int]
    points: Mapping[str, int]
    tiers: Mapping[str, int]
    offers: Mapping[str, Mapping[str, int]]
    campaigns: Mapping[str, Mapping[str, int]] = FrozenMap[str, Mapping[str, int]]()
    gift_cards: Mapping[str, int] = FrozenMap[str, int]()
    quarters: Mapping[str, Mapping[str, int]] = FrozenMap[str, Mapping[str, int]]()
    rewards: Mapping[str, Mapping[str, int]] = FrozenMap[str, Mapping[str, int]]()
    referrals: Mapping[str, int | str | None] = FrozenMap[str, int | str | None]()
    advocates: tuple[Rank, ...] = ()
    ends_at: datetime | None
    balanced: bool

    def to_dict(self) -> dict[str, Any]:
        """Write it as JSON values, without times of running or sizes of anything: twice the same is the same bytes.

        What there is none of, such as campaigns or gift cards, is not named.
        """
        by_name = {"campaigns": self.campaigns, "tiers_by_quarter": self.quarters, "rewards": self.rewards}
        several = {title: {name: dict(one) for name, one in found.items()} for title, found in by_name.items() if found}
        advocates = [{"place": one.place, "member_id": one.advocate_id, "friends": one.friends} for one in self.advocates]
        return {
            "program": self.program,
            "digest": self.digest,
            "ends_at": None if self.ends_at is None else instant_text(self.ends_at),
            "lines": {"read": self.read, "buckets": dict(self.buckets), "beside": dict(self.beside)},
            "members": self.members,
            "orders": dict(self.orders),
            "points": dict(self.points),
            "tiers": dict(self.tiers),
            "offers": {offer_id: dict(one) for offer_id, one in self.offers.items()},
            **several,
            **({"gift_cards": dict(self.gift_cards)} if self.gift_cards else {}),
            **({"referrals": {**self.referrals, "advocates": advocates}} if self.referrals else {}),
            "balanced": self.balanced,
        }


def replay(
    program: Program,
    histories: Sequence[Path],
    repository: StoredRepository,
    *,
    columns: ColumnMap | None = None,
    codes: CodeBook | None = None,
    card_numbers: CardNumbers | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Book a history and sum it up.

    Args:
        program: The rules.
        histories: Files of events (JSON Lines), or of order lines (CSV) when ``columns`` is given; plain or gzipped, each
            sorted by time.
        repository: Where it is booked; best a new one. Nobody else should write into it meanwhile.
        columns: What the columns of CSV files mean.
        codes: Reads the codes that a machine made; needed where a campaign of the program has such.
        card_numbers: Makes the numbers of gift cards, one for each ``ref``, the same every time; nobody is told them. Needed
            where the history makes gift cards.
        progress: Called before each event with the bytes read since the last call; what it raises stops the replay between
            two commits.

    Raises:
        HistoryError: A file cannot be read to its end, the map's currency is not the program's, or it makes gift cards and there
            are no ``card_numbers``, or codes that a machine makes and there are no ``codes``; what was booked before stays
            booked.
        UsageError: There are ``codes``, and they lack those of a campaign.
        ConflictError: Others wrote, and were faster again and again.
    """
    tally = Tally()
    events = _merged(program, histories, columns, tally, progress)
    with Notes() as notes:
        fold = _Fold(program, repository, tally, notes, codes=codes, card_numbers=card_numbers)
        for event in events:
            fold.take_in(event)
    return summarise(program, repository, at=fold.ends_at, tally=tally, orders=fold.orders, offers=fold.offers)


def _merged(
    program: Program,
    histories: Sequence[Path],
    columns: ColumnMap | None,
    tally: Tally,
    progress: Callable[[int], None] | None,
) -> Iterator[Event]:
    """Give the events of all files in order of time."""
    if columns is not None and columns.currency != program.currency:
        msg = f"the column map's currency {columns.currency} is not the program's {program.currency}"
        raise HistoryError(msg)

    def read(path: Path) -> Iterator[Event]:
        events = read_jsonl(path, tally, currency=program.currency) if columns is None else read_rows(path, columns, tally)
        before = 0
        for event, position in events:
            if progress is not None:
                progress(position - before)
                before = position
            yield event

    return _ordered(heapq.merge(*(read(path) for path in histories), key=_instant))


def _ordered(events: Iterable[Event]) -> Iterator[Event]:
    """Put what happened at one instant in order, whatever the order of the rows and the files."""
    for _, together in groupby(events, key=_instant):
        yield from sorted(together, key=key_of)


def _instant(event: Event) -> datetime:
    return event.at


@final
class _Recent:
    """A repository that keeps the members seen lately as they were read: a replay is its one writer, or hears of a conflict."""

    def __init__(self, inner: Repository) -> None:
        self.inner = inner
        self.kept: dict[StreamId, StoredStream] = {}
        # What one thread has read must not be kept after another has written: each call is whole.
        self.turn = threading.Lock()

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        with self.turn:
            found = {stream: self.kept.pop(stream) for stream in streams if stream in self.kept}
            missing = [stream for stream in streams if stream not in found]
            found.update(self.inner.load(missing) if missing else {})
            self.kept.update({stream: stored for stream, stored in found.items() if stream.startswith(_MEMBER)})
            while len(self.kept) > _RECENT_LIMIT:
                del self.kept[next(iter(self.kept))]
            return found

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        return self.inner.receipt(home, key)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        written = [change for change in changes if isinstance(change, Append)]
        with self.turn:
            before = {change.stream: self.kept.pop(change.stream, None) for change in written}
            self.inner.commit(command, changes)  # where it fails, what was kept may be old, and is forgotten
            for change in written:
                stored = before[change.stream]
                if stored is not None:
                    facts = (*stored.facts, *change.facts)
                    self.kept[change.stream] = StoredStream(len(facts), facts)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        return self.inner.claimed(counters, key=key, at=at)

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        return self.inner.due(before=before, after=after, limit=limit)


_UNLIMITED: Final = Attempts(per_client=None, per_member=None, per_shop=None)
"""A history guesses nothing."""


class _Fold:
    """Books events one by one, each at its own time."""

    def __init__(
        self,
        program: Program,
        repository: Repository,
        tally: Tally,
        notes: Notes,
        *,
        codes: CodeBook | None,
        card_numbers: CardNumbers | None,
    ) -> None:
        self.now = datetime.min.replace(tzinfo=UTC)
        self.ends_at: datetime | None = None
        self.repository = Waiting(_Recent(repository))
        self.codes, self.card_numbers = codes, card_numbers
        self.shop = Loyalty(
            program, self.repository, clock=lambda: self.now, codes=codes, card_numbers=card_numbers, attempts=_UNLIMITED
        )
        self.tally = tally
        self.notes = notes
        self.orders: Counter[str] = Counter()
        self.offers: dict[str, Counter[str]] = {}

    def take_in(self, event: Event) -> None:
        """Book one event and count its rows."""
        latest = event.at if self.ends_at is None else max(event.at, self.ends_at)
        self.tally.beside["events_out_of_order"] += event.at < latest
        self._settle_friends(latest)
        # Points cannot be burned before what already happened; everything else is booked at its own time.
        self.now = latest if isinstance(event, RewardAsked) or (isinstance(event, Ordered) and event.burn) else event.at
        self.ends_at = latest
        if isinstance(event, Cancelled):
            self._cancelled(event)
            return
        self._check_keys(event)
        try:
            bucket = self._booked(event)
        except (RefusedError, UsageError) as error:
            bucket = self._refused(event, error)
        self.tally.buckets[bucket] += event.rows if isinstance(event, Ordered) else 1

    def _settle_friends(self, latest: datetime) -> None:
        """Give, and take back, what friends' orders have brought their advocates by now: an order may use it."""
        due_at = self.repository.next_at()
        if due_at is None or due_at > latest:
            return
        self.now = latest
        for failed in self.shop.sweep().failed:
            raise failed.error

    def _check_keys(self, event: Event) -> None:
        """Stop at the first event that a key is missing for: it would be refused, and all that follows from it."""
        if isinstance(event, CardMade) and self.card_numbers is None:
            msg = f"gift card {event.ref!r} is made: there must be card_numbers, from the key of the gift cards"
            raise HistoryError(msg)
        campaign = self.shop.program.campaigns.get(event.campaign_id) if isinstance(event, CodesIssued | CouponGranted) else None
        if campaign is not None and campaign.space_id is not None and self.codes is None:
            msg = f"campaign {campaign.campaign_id!r} has codes that a machine makes: there must be codes, from their key"
            raise HistoryError(msg)

    def _refused(self, event: Event, error: RefusedError | UsageError) -> Bucket:
        why = error.refusal.reason.value if isinstance(error, RefusedError) else type(error).__name__
        self.tally.beside[f"refused.{type(event).__name__.lower()}.{why}"] += 1
        return Bucket.REFUSED

    def _booked(self, event: _OneRow) -> Bucket:
        match event:
            case Joined():
                self._join(event)
                bucket = Bucket.JOIN
            case Acted():
                self.shop.record(event.action, member_id=event.member_id, ref=event.ref)
                bucket = Bucket.ACTION
            case CodesIssued():
                self.shop.issue_codes(event.campaign_id, event.count, ref=event.ref, by=ACTOR)
                bucket = Bucket.CODES
            case CouponGranted():
                self.shop.grant(event.campaign_id, member_id=event.member_id, ref=event.ref, by=ACTOR)
                bucket = Bucket.GRANT
            case CardMade():
                self._make_card(event)
                bucket = Bucket.CARD
            case Ordered():
                return self._ordered(event)
            case ReturnedLines():
                self._check_known(event.order_id)
                bucket = self._returned(event.order_id, event.return_id, event.back)
            case _:
                bucket = self._given(event)
        return bucket if self.notes.is_first(event) else Bucket.REPEATED

    def _given(self, event: TierLifted | RewardAsked | Chosen) -> Bucket:
        match event:
            case TierLifted():
                self.shop.grant_tier(
                    event.tier, member_id=event.member_id, ref=event.ref, reason=event.reason, until=event.until, by=ACTOR
                )
                return Bucket.TIER_GRANT
            case RewardAsked():
                self._take(event)
                return Bucket.REWARD
            case Chosen():
                self._check_offered(event)
                self.shop.rewards.choose(event.reward_id, event.option, member_id=event.member_id, actor=ACTOR)
                return Bucket.CHOOSE
        assert_never(event)

    def _take(self, event: RewardAsked) -> None:
        try:
            self.shop.rewards.take(event.reward_id, member_id=event.member_id, ref=event.ref, actor=ACTOR)
        except RefusedError as no:
            if no.refusal.reason is not Reason.AT_BEFORE_LAST:
                raise
            # The store knows what came after: an earlier replay refused it too, for a reason that only that time knew.
            stream, program = member_stream(event.member_id), self.shop.program
            facts = self.repository.load([stream])[stream].facts
            known = Membership.replay(event.member_id, [fact for fact in facts if fact.at <= self.now])
            status = program.tier(known, at=self.now)
            take(program, event.reward_id, known, ref=event.ref, tier=None if status is None else status.tier, at=self.now)
            raise

    def _join(self, event: Joined) -> None:
        program = self.shop.program.referrals
        if program is None:
            self.tally.beside["friends_without_referrals"] += event.referred_by is not None
            self.shop.join(event.member_id)
            return
        code = None if event.referred_by is None else self._code_of(event.referred_by)
        self.shop.join(event.member_id, referral_code=code, identity_hashes=event.identity_hashes)

    def _code_of(self, member_id: str) -> str:
        """Give the code that a member brings friends with; somebody unknown brings them with one that nobody has."""
        if self.shop.membership(member_id).version:
            return self.shop.referrals.code(member_id).code
        return NOBODYS_CODE

    def _ordered(self, event: Ordered) -> Bucket:
        granted = [self._granted(name) for name in event.coupons]
        of_rewards = self._of_rewards(event)
        coupons = [*(grant.coupon_id for grant in granted if grant is not None), *of_rewards]
        cards = [self._number(ref) for ref in event.gift_cards if self._is_made(ref)]
        placed = self.shop.place_unseen(
            event.basket,
            order_id=event.order_id,
            member_id=event.member_id,
            codes=(*event.codes, *(self._code(grant) for grant in granted if grant is not None and not grant.holder)),
            coupons=[*(grant.coupon_id for grant in granted if grant is not None and grant.holder), *of_rewards],
            burn=event.burn,
            gift_cards=cards,
            actor=ACTOR,
        )
        if not self.notes.is_first(event):
            return Bucket.REPEATED
        for offer in placed.offers:
            self.offers.setdefault(offer.offer_id, Counter()).update(uses=1, cost_minor=offer.discount_minor)
        self.tally.beside["burns_cut"] += placed.burn_points < event.burn
        redeemed = {one.coupon_id for one in placed.coupons_redeemed}
        made = sum(self._coupon_of(code) in redeemed for code in set(event.codes)) if redeemed else 0
        self.tally.beside["codes_not_applied"] += len(set(event.codes)) - len(set(placed.codes)) - made
        presented = len(event.coupons) + max(len(event.rewards), len(of_rewards))
        self.tally.beside["coupons_not_redeemed"] += presented - len(redeemed.intersection(coupons))
        self.tally.beside["gift_cards_not_paid"] += len(event.gift_cards) - len(placed.card_payments)
        if event.member_id is None:
            self.orders["guest"] += 1
            return Bucket.SALE_GUEST
        self.orders["member"] += 1
        self.notes.bought(placed)
        return Bucket.SALE_MEMBER

    def _of_rewards(self, event: Ordered) -> list[str]:
        """Give the coupons of the rewards that are named, as far as they were given by this time, used since or not."""
        if not event.rewards or event.member_id is None:
            return []
        held = self.shop.membership(event.member_id).rewards
        given = [held[name] for name in dict.fromkeys(event.rewards) if name in held]
        return [coupon_id for reward in given if reward.at <= self.now for coupon_id in reward.coupons]

    def _granted(self, name: GrantName) -> GrantedFact | None:
        """Find what was granted under a name; ``None`` where nothing was, or not yet at this time."""
        receipt = self.repository.receipt(campaign_stream(name.campaign_id), Key(f"grant:{name.ref}"))
        facts = () if receipt is None else (fact for several in receipt.facts.values() for fact in several)
        return next((fact for fact in facts if isinstance(fact, GrantedFact) and fact.at <= self.now), None)

    def _code(self, grant: GrantedFact) -> str:
        assert self.codes is not None  # only coupons with codes are granted to whoever has them
        return self.codes.code(grant.coupon_id)

    def _coupon_of(self, code: str) -> str | None:
        """Name the coupon of a code that a machine made."""
        try:
            return None if self.codes is None else self.shop.coupon(code).coupon_id
        except RefusedError:
            return None

    def _make_card(self, event: CardMade) -> None:
        self.shop.cards.issue(
            event.amount,
            ref=event.ref,
            entropy=self._entropy(event.ref),
            expires_at=event.expires_at,
            order_id=event.order_id,
            line_id=event.line_id,
            actor=ACTOR,
        )

    def _is_made(self, ref: str) -> bool:
        """Whether there is a gift card of this name, and was at this time."""
        issued = self.shop.cards.card(card_id_of(ref)).issued
        return self.card_numbers is not None and issued is not None and issued.at <= self.now

    def _number(self, ref: str) -> str:
        assert self.card_numbers is not None  # there is such a card
        return self.card_numbers.number(self._entropy(ref))

    def _entropy(self, ref: str) -> bytes:
        """Give the entropy of a card: the same every time, and known to nobody without the pepper."""
        assert self.card_numbers is not None  # whoever makes a card was asked for it
        name = self.card_numbers.number(blake2b(ref.encode(), digest_size=32, person=b"lc.replay.card").digest())
        return bytes.fromhex(self.card_numbers.digests(name)[-1])  # the oldest pepper's: it outlives a rotation

    def _check_known(self, order_id: str) -> None:
        """Refuse an order that is in the store from an earlier replay, but at this time was not placed yet."""
        if self.notes.knows(ORDERS_PLACE, order_id):
            return
        placed = self.shop.order(order_id).placed
        if placed is not None and placed.at > self.now:
            raise RefusedError(Refusal(Reason.ORDER_NOT_FOUND, {"order_id": order_id}))

    def _check_offered(self, event: Chosen) -> None:
        """Refuse a choice that is in the store from an earlier replay, but at this time was neither offered nor made yet."""
        held = self.shop.membership(event.member_id).rewards.get(event.reward_id)
        if held is not None and held.at > self.now:
            raise RefusedError(Refusal(Reason.REWARD_NOT_FOUND, {"reward_id": event.reward_id}))

    def _returned(self, order_id: str, return_id: str, back: Return) -> Bucket:
        """Refund; after the return window the points are adjusted instead, as far as there are any."""
        try:
            self.shop.refund(
                order_id, return_id=return_id, lines=back.lines, amount=back.amount, shipping=back.shipping, actor=ACTOR
            )
        except RefusedError as no:
            if no.refusal.reason is not Reason.REFUND_WINDOW_CLOSED:
                raise
            self._adjust_late(self.shop.order(order_id), return_id, back)
            return Bucket.RETURN_LATE
        return Bucket.RETURN_MATCHED

    def _adjust_late(self, order: Order, return_id: str, back: Return) -> None:
        """Take the points of a return that came too late: a command of its own, so that a later replay finds what it did."""
        assert order.placed is not None  # it has a window that closed
        command = Command.of(order_stream(order.order_id), Key(f"late:{return_id}"), actor=ACTOR, back=plain(back))
        receipt = self.repository.receipt(command.home, command.key)
        if receipt is not None:
            command.check_same(receipt.command)
        earlier = self.notes.late(order.order_id)
        if return_id in earlier:
            return
        open_again = attrs.evolve(order, placed=attrs.evolve(order.placed, final_at=None)).folded(earlier.values())
        answer = open_again.plan(back, return_id=return_id, at=self.now)
        if isinstance(answer, Refused):
            raise RefusedError(*answer.refusals)
        member_id, owed = order.placed.member_id, answer.value.points_revoked
        if receipt is None:
            facts = self._taken_late(command, order, member_id, owed, return_id)
        else:
            facts = receipt.facts.get(member_stream(member_id), ()) if member_id is not None else ()
        if member_id is not None:
            self.tally.beside["points_late_not_taken"] += owed - sum(_units(fact) for fact in facts if isinstance(fact, Adjusted))
        self.notes.came_late(answer.value)

    def _taken_late(self, command: Command, order: Order, member_id: str | None, owed: int, return_id: str) -> tuple[Fact, ...]:
        """Commit the adjustment; where nothing can be taken, that nothing was."""
        expect, facts, changes = Expect(stream=command.home, version=order.version), tuple[Fact, ...](), tuple[Change, ...]()
        if member_id is not None and owed:
            stream = member_stream(member_id)
            membership = Membership.replay(member_id, self.repository.load([stream])[stream].facts)
            taken = min(owed, membership.available(at=self.now))
            if taken:
                ref, reason = within(order.order_id, return_id), f"late return {return_id} of order {order.order_id}"
                posting = membership.posting(
                    membership.ledger.adjust_down(taken, ref=ref, reason=reason, actor=ACTOR, at=self.now)
                )
                facts, changes = posting.facts, posting.changes
        self.repository.commit(command, (expect, *changes))
        return facts

    def _cancelled(self, event: Cancelled) -> None:
        """Match what came back to the member's latest purchases, and book it order by order."""
        member_id, by_order = event.member_id, dict[str, Counter[str]]()
        rows = [(product_id, units, self.notes.take(member_id, product_id, units)) for product_id, units in event.items]
        for one in (one for _, _, taken in rows for one in taken):
            by_order.setdefault(one.order_id, Counter())[one.line_id] += one.units
        booked = {order_id: self._came_back(event, order_id, lines) for order_id, lines in by_order.items()}
        for product_id, units, taken in rows:
            self.notes.give_back(member_id, product_id, [one for one in taken if booked[one.order_id] in _NOT_BOOKED])
            unmatched = units - sum(one.units for one in taken)
            outcomes = {booked[one.order_id] for one in taken}
            if unmatched:
                outcomes.add(Bucket.RETURN_PARTLY_MATCHED if taken else Bucket.RETURN_UNMATCHED)
            # Of several orders the row is counted with the worst that became of it.
            self.tally.buckets[next(one for one in _WORST_FIRST if one in outcomes)] += 1
            self.tally.beside["units_returned_unmatched"] += unmatched

    def _came_back(self, event: Cancelled, order_id: str, lines: Mapping[str, int]) -> Bucket:
        back = Return(lines=FrozenMap(lines))
        try:
            bucket = self._returned(order_id, event.return_id, back)
        except (RefusedError, UsageError) as error:
            return self._refused(event, error)
        part = ReturnedLines(at=event.at, return_id=event.return_id, order_id=order_id, back=back)
        return bucket if self.notes.is_first(part) else Bucket.REPEATED


_NOT_BOOKED: Final = (Bucket.REFUSED, Bucket.REPEATED)

_WORST_FIRST: Final = (
    *_NOT_BOOKED,
    Bucket.RETURN_UNMATCHED,
    Bucket.RETURN_PARTLY_MATCHED,
    Bucket.RETURN_LATE,
    Bucket.RETURN_MATCHED,
)


@final
@attrs.define
class _Sums:
    """What all members' facts and lots add up to."""

    members: int = 0
    books: Books = Books()
    facts: Counter[str] = attrs.Factory(Counter)
    available: int = 0
    tiers: Counter[str] = attrs.Factory(Counter)

    def add(self, facts: Iterable[Fact]) -> None:
        """Add movements up without the lots they move."""
        for fact in facts:
            match fact:
                case Granted():
                    self.facts["earned"] += fact.units
                case Revoked():
                    self.facts["revoked"] += _units(fact)
                case Burned():
                    self.facts["burned"] += _units(fact)
                case BurnRefunded():
                    self.facts["burned"] -= _units(fact)
                case Adjusted():
                    self.facts["adjusted"] += _units(fact)
                case AdjustmentReversed():
                    self.facts["adjusted"] -= _units(fact)
                case _:
                    pass

    @property
    def balanced(self) -> bool:
        """Law 5 over everything: the facts' sums are the lots' sums, and the lots' sums agree with what is left."""
        taken = self.facts["burned"] + self.facts["adjusted"]
        by_facts = (self.facts["earned"], self.facts["revoked"], taken)
        return self.books.balanced and by_facts == (self.books.granted, self.books.revoked, self.books.burned)


def _units(fact: Revoked | Burned | BurnRefunded | Adjusted | AdjustmentReversed) -> int:
    return sum(part.units for part in fact.parts)


def summarise(
    program: Program,
    repository: StoredRepository,
    *,
    at: datetime | None,
    tally: Tally | None = None,
    orders: Mapping[str, int] | None = None,
    offers: Mapping[str, Mapping[str, int]] | None = None,
) -> Report:
    """Sum a store up: every member's lots and facts, its campaigns and its gift cards.

    Args:
        program: For tiers, and named in the report.
        repository: What is summed up.
        at: The instant at which points are pending, available or expired; ``None`` takes the latest of any member's facts.
        tally: Counts of the history that was read.
        orders: Orders booked by kind.
        offers: Uses and cost by offer.
    """
    counted, sums = tally or Tally(), _Sums()
    ends_at = at or max((fact.at for _, facts in _every_member(repository) for fact in facts), default=None)
    instant = ends_at or datetime.max.replace(tzinfo=UTC)  # an empty store has no member to look at
    standing = Standing(program, at=instant)
    for membership, facts in _every_member(repository):
        sums.members += 1
        sums.add(facts)
        standing.add(membership.member_id, facts)
        sums.books += membership.books(at=instant)
        sums.available += membership.available(at=instant)
        status = program.tier(membership, at=instant)
        if status is not None:
            sums.tiers[status.tier or "none"] += 1
    books = sums.books
    points = {
        "earned": books.granted,
        "pending": books.pending,
        "available": sums.available,
        "live": books.live,
        "debt": books.debt,
        "burned": sums.facts["burned"],
        "adjusted": sums.facts["adjusted"],
        "expired": books.expired,
        "revoked": books.revoked,
    }
    others = takings(program, repository, coupons=standing.coupons, at=instant)
    standing.add_orders(others.rewards)
    standing.add_payouts(Payout.replay(payout_id, facts) for payout_id, facts in _every(repository, "payout"))
    referrals = [Referral.replay(friend_id, facts) for friend_id, facts in _every(repository, "referral")]
    friends = standing.friends(referrals, members=sums.members, campaigns=others.campaigns, members_minor=others.members_minor)
    names = [rung.value for rung in program.tiers.ladder.rungs] if program.tiers is not None else []
    return Report(
        program=f"{program.name} {program.version}",
        digest=program.digest,
        read=counted.read,
        buckets={bucket.value: counted.buckets[bucket] for bucket in Bucket if counted.buckets[bucket]},
        beside={name: counted.beside[name] for name in sorted(counted.beside) if counted.beside[name]},
        members=sums.members,
        orders={name: (orders or {}).get(name, 0) for name in ("member", "guest")},
        points=points,
        tiers={name: sums.tiers[name] for name in [*names, "none"] if sums.tiers[name] or name in names},
        offers={offer_id: dict(one) for offer_id, one in sorted((offers or {}).items())},
        campaigns=others.campaigns,
        gift_cards=others.gift_cards,
        quarters=standing.quarters(),
        rewards=standing.given(),
        referrals=friends,
        advocates=leaderboard(referrals)[:RANKS] if friends else (),
        ends_at=ends_at,
        balanced=sums.balanced and others.balanced,
    )


def _every_member(repository: StoredRepository) -> Iterator[tuple[Membership, Sequence[Fact]]]:
    """Load all members, some at a time."""
    for member_id, facts in _every(repository, "member"):
        yield Membership.replay(member_id, facts), facts


def _every(repository: StoredRepository, kind: str) -> Iterator[tuple[str, Sequence[Fact]]]:
    """Load all streams of a kind, some at a time, each by what it is called."""
    page: list[StreamId] = []
    for stream in every_stream(repository, kind):
        page.append(stream)
        if len(page) == _PAGE:
            yield from _loaded(repository, page)
            page = []
    if page:
        yield from _loaded(repository, page)


def _loaded(repository: Repository, page: Sequence[StreamId]) -> Iterator[tuple[str, Sequence[Fact]]]:
    for stream, stored in repository.load(page).items():
        yield stream.partition("/")[2], stored.facts
