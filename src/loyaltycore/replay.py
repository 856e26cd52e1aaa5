"""Replay: a shop's whole history through a program, before anyone signs it.

Every row of the history ends in exactly one bucket; what could not be booked is counted with its reason. The store can be
replayed into again: what is there already is recognised and changes nothing.

Invariants:
    1. ``sum(report.buckets.values()) == report.read``.
    2. Twice the same history into new stores gives the same report and the same facts.
    3. The books balance: what was granted, less what was revoked and burned, is what the lots hold.

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
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol, assert_never, final

import attrs

from loyaltycore._columns import ColumnMap, read_rows
from loyaltycore._frozen import FrozenMap
from loyaltycore._history import Acted, Bucket, Cancelled, Event, HistoryError, Joined, Ordered, ReturnedLines, Tally, read_jsonl
from loyaltycore.basket import Return
from loyaltycore.errors import Accepted, LoyaltyError, Reason, RefusedError
from loyaltycore.facts import Fact
from loyaltycore.identity import StreamId, within
from loyaltycore.ledger import Adjusted, AdjustmentReversed, Books, Burned, BurnRefunded, Granted, Revoked
from loyaltycore.memberships import Membership
from loyaltycore.orders import OrderPlaced
from loyaltycore.program import Program
from loyaltycore.repositories import Enumerable, Repository, every_stream
from loyaltycore.services import Loyalty
from loyaltycore.wire import instant_text

__all__ = ["Bucket", "ColumnMap", "HistoryError", "Report", "StoredRepository", "replay", "summarise"]

ACTOR: Final = "replay"
"""Who acts in what a replay books by itself: adjustments for late returns."""

_PAGE: Final = 500
"""Members loaded at once for the summary."""


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
        offers: Uses and cost in minor units, by offer.
        ends_at: The last instant of the history, at which points are summed up; ``None`` for an empty one.
        balanced: Whether the books balance, computed twice: over all facts, and over all lots.
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
    ends_at: datetime | None
    balanced: bool

    def to_dict(self) -> dict[str, Any]:
        """Write it as JSON values, without times of running or sizes of anything: twice the same is the same bytes."""
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
            "balanced": self.balanced,
        }


def replay(
    program: Program,
    histories: Sequence[Path],
    repository: StoredRepository,
    *,
    columns: ColumnMap | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Book a history and sum it up.

    Args:
        program: The rules.
        histories: Files of events (JSON Lines), or of order lines (CSV) when ``columns`` is given; plain or gzipped, each
            sorted by time.
        repository: Where it is booked; best a new one.
        columns: What the columns of CSV files mean.
        progress: Called with the bytes read since the last call.

    Raises:
        HistoryError: A file cannot be read to its end; what was booked before stays booked.
        UsageError: The map's currency is not the program's.
    """
    tally = Tally()
    fold = _Fold(program, repository, tally)
    for event in _merged(program, histories, columns, tally, progress):
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
        seen = 0
        for event, position in events:
            if progress is not None and position > seen:
                progress(position - seen)
                seen = position
            yield event

    return heapq.merge(*(read(path) for path in histories), key=lambda event: event.at)


class _Purchases:
    """Where each member bought each product, latest first, and how much of it has not come back.

    Kept in a temporary database on disk, so that memory follows the open work, not the length of the history.
    """

    def __init__(self) -> None:
        self.db = sqlite3.connect("", isolation_level=None)
        self.db.execute("PRAGMA journal_mode = OFF")
        self.db.execute(
            "CREATE TABLE bought (member TEXT, product TEXT, place INTEGER, order_id TEXT, line_id TEXT, units INTEGER,"
            " PRIMARY KEY (member, product, place)) WITHOUT ROWID"
        )
        self.db.execute("BEGIN")
        self.place = 0

    def add(self, placed: OrderPlaced) -> None:
        """Remember an order's lines."""
        rows = []
        for line in placed.lines:
            self.place += 1
            rows.append((placed.member_id, line.product_id, self.place, placed.order_id, line.line_id, line.quantity))
        self.db.executemany("INSERT INTO bought VALUES (?, ?, ?, ?, ?, ?)", rows)

    def take(self, member_id: str, product_id: str, units: int) -> list[tuple[str, str, int]]:
        """Take units back from the latest purchases: order, line and units of each."""
        taken, emptied, left = list[tuple[str, str, int]](), list[tuple[str, str, int]](), units
        rows = self.db.execute(
            "SELECT place, order_id, line_id, units FROM bought WHERE member = ? AND product = ? ORDER BY place DESC",
            (member_id, product_id),
        )
        cut: tuple[int, int] | None = None
        for place, order_id, line_id, bought in rows:
            part = min(left, bought)
            taken.append((order_id, line_id, part))
            left -= part
            if part < bought:
                cut = (bought - part, place)
            else:
                emptied.append((member_id, product_id, place))
            if left == 0:
                break
        rows.close()
        self.db.executemany("DELETE FROM bought WHERE member = ? AND product = ? AND place = ?", emptied)
        if cut is not None:
            self.db.execute(
                "UPDATE bought SET units = ? WHERE member = ? AND product = ? AND place = ?",
                (cut[0], member_id, product_id, cut[1]),
            )
        return taken


class _Fold:
    """Books events one by one, each at its own time."""

    def __init__(self, program: Program, repository: StoredRepository, tally: Tally) -> None:
        self.now = datetime.min.replace(tzinfo=UTC)
        self.ends_at: datetime | None = None
        self.shop = Loyalty(program, repository, clock=lambda: self.now)
        self.tally = tally
        self.purchases = _Purchases()
        self.seen: set[tuple[str, ...]] = set()
        self.late: dict[str, Counter[str]] = {}
        self.orders: Counter[str] = Counter()
        self.offers: dict[str, Counter[str]] = {}

    def take_in(self, event: Event) -> None:
        """Book one event and count its rows."""
        if self.ends_at is not None and event.at < self.ends_at:
            self.tally.beside["events_out_of_order"] += 1
        latest = event.at if self.ends_at is None else max(event.at, self.ends_at)
        # Points cannot be burned before what already happened; everything else is booked at its own time.
        self.now = latest if isinstance(event, Ordered) and event.burn else event.at
        self.ends_at = latest
        if isinstance(event, Cancelled):
            self._cancelled(event)
            return
        rows = event.rows if isinstance(event, Ordered) else 1
        key = _key(event)
        repeated = key in self.seen
        self.seen.add(key)
        try:
            bucket = self._booked(event, repeated=repeated)
        except RefusedError as no:
            self.tally.beside[f"refused.{type(event).__name__.lower()}.{no.refusal.reason.value}"] += 1
            bucket = Bucket.REFUSED
        except LoyaltyError as error:
            self.tally.beside[f"refused.{type(event).__name__.lower()}.{type(error).__name__}"] += 1
            bucket = Bucket.REFUSED
        self.tally.buckets[Bucket.REPEATED if repeated and bucket is not Bucket.REFUSED else bucket] += rows

    def _booked(self, event: Joined | Ordered | ReturnedLines | Acted, *, repeated: bool) -> Bucket:
        match event:
            case Joined():
                self.shop.join(event.member_id)
                return Bucket.JOIN
            case Acted():
                self.shop.record(event.action, member_id=event.member_id, ref=event.ref)
                return Bucket.ACTION
            case Ordered():
                return self._ordered(event, repeated=repeated)
            case ReturnedLines():
                return self._returned(event.order_id, event.return_id, event.back)
        assert_never(event)

    def _ordered(self, event: Ordered, *, repeated: bool) -> Bucket:
        placed = self.shop.place_unseen(
            event.basket,
            order_id=event.order_id,
            member_id=event.member_id,
            codes=event.codes,
            burn=event.burn,
            actor=ACTOR,
        )
        if not repeated:
            self.orders["member" if event.member_id is not None else "guest"] += 1
            for offer in placed.offers:
                self.offers.setdefault(offer.offer_id, Counter()).update(uses=1, cost_minor=offer.discount_minor)
            if placed.burn_points < event.burn:
                self.tally.beside["burns_cut"] += 1
            self.tally.beside["codes_not_applied"] += len(set(event.codes)) - len(set(placed.codes))
            if placed.member_id is not None:
                self.purchases.add(placed)
        return Bucket.SALE_GUEST if event.member_id is None else Bucket.SALE_MEMBER

    def _returned(self, order_id: str, return_id: str, back: Return) -> Bucket:
        """Refund; after the return window the points are adjusted instead, as far as there are any."""
        try:
            self.shop.refund(order_id, return_id=return_id, lines=back.lines or None, amount=back.amount, actor=ACTOR)
        except RefusedError as no:
            if no.refusal.reason is not Reason.REFUND_WINDOW_CLOSED:
                raise
            self._adjust_late(order_id, return_id, back)
            return Bucket.RETURN_LATE
        return Bucket.RETURN_MATCHED

    def _adjust_late(self, order_id: str, return_id: str, back: Return) -> None:
        order = self.shop.order(order_id)
        assert order.placed is not None  # it has a window that closed
        came_late = self.late.setdefault(order_id, Counter())
        returned = {line_id: order.returned.get(line_id, 0) + units for line_id, units in came_late.items()}
        open_again = attrs.evolve(
            order, placed=attrs.evolve(order.placed, final_at=None), returned=order.returned.updated(returned)
        )
        answer = open_again.plan(back, return_id=return_id, at=self.now)
        if not isinstance(answer, Accepted):
            raise RefusedError(*answer.refusals)
        came_late.update(back.lines)
        member_id, owed = order.placed.member_id, answer.value.points_revoked
        if member_id is None or owed == 0:
            return
        taken = min(owed, self.shop.overview(member_id).balance.available)
        self.tally.beside["points_late_not_taken"] += owed - taken
        if taken:
            reason = f"late return {return_id} of order {order_id}"
            self.shop.adjust_down(taken, member_id=member_id, ref=within(order_id, return_id), reason=reason, actor=ACTOR)

    def _cancelled(self, event: Cancelled) -> None:
        """Match what came back to the member's latest purchases, and book it order by order."""
        by_order: dict[str, Counter[str]] = {}
        parts: list[tuple[int, list[tuple[str, str, int]]]] = []
        for product_id, units in event.items:
            taken = self.purchases.take(event.member_id, product_id, units)
            parts.append((units, taken))
            for order_id, line_id, part in taken:
                by_order.setdefault(order_id, Counter())[line_id] += part
        booked = {order_id: self._came_back(event, order_id, lines) for order_id, lines in by_order.items()}
        for units, taken in parts:
            matched = sum(part for _, _, part in taken)
            if matched == 0:
                bucket = Bucket.RETURN_UNMATCHED
            elif matched < units:
                bucket = Bucket.RETURN_PARTLY_MATCHED
            else:
                # Of several orders the row is counted with the worst that became of it.
                outcomes = {booked[order_id] for order_id, _, _ in taken}
                bucket = next(one for one in _WORST_FIRST if one in outcomes)
            self.tally.buckets[bucket] += 1
            self.tally.beside["units_returned_unmatched"] += units - matched

    def _came_back(self, event: Cancelled, order_id: str, lines: Mapping[str, int]) -> Bucket:
        try:
            return self._returned(order_id, event.return_id, Return(lines=FrozenMap(lines)))
        except RefusedError as no:
            self.tally.beside[f"refused.cancelled.{no.refusal.reason.value}"] += 1
            return Bucket.REFUSED


_WORST_FIRST: Final = (Bucket.REFUSED, Bucket.RETURN_LATE, Bucket.RETURN_MATCHED)


def _key(event: Joined | Ordered | ReturnedLines | Acted) -> tuple[str, ...]:
    match event:
        case Joined():
            return ("join", event.member_id)
        case Ordered():
            return ("order", event.order_id)
        case ReturnedLines():
            return ("return", event.order_id, event.return_id)
        case Acted():
            return ("action", event.member_id, event.ref)
    assert_never(event)


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
    """Sum a store up: every member's lots and facts.

    Args:
        program: For tiers, and named in the report.
        repository: What is summed up.
        at: The instant at which points are pending, available or expired; ``None`` for an empty store.
        tally: Counts of the history that was read.
        orders: Orders booked by kind.
        offers: Uses and cost by offer.
    """
    counted, sums = tally or Tally(), _Sums()
    instant = at or datetime.min.replace(tzinfo=UTC)
    for membership, facts in _every_member(repository):
        sums.members += 1
        sums.add(facts)
        sums.books += membership.books(at=instant)
        sums.available += membership.available(at=instant)
        status = program.tier(membership, at=instant) if at is not None else None
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
        ends_at=at,
        balanced=sums.balanced,
    )


def _every_member(repository: StoredRepository) -> Iterator[tuple[Membership, Sequence[Fact]]]:
    """Load all members, some at a time."""
    page: list[StreamId] = []
    for stream in every_stream(repository, "member"):
        page.append(stream)
        if len(page) == _PAGE:
            yield from _members(repository, page)
            page = []
    if page:
        yield from _members(repository, page)


def _members(repository: Repository, page: Sequence[StreamId]) -> Iterator[tuple[Membership, Sequence[Fact]]]:
    for stream, stored in repository.load(page).items():
        yield Membership.replay(stream.partition("/")[2], stored.facts), stored.facts
