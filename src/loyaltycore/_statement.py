"""Statements: what happened on an account, line by line, each with its why and the balance after it.

What the mere passing of time did stands between what was recorded: points that became available, that expired, that were no
longer set aside. It is told in the order recorded: what was dated back before a fact that was known already stands after it.
When a fact was written down is not recorded, so one that is dated after all that were known counts from its own instant.

Invariants:
    1. ``opening`` and the points of all lines sum to ``closing``; each line's ``balance`` is the sum so far.
    2. ``closing`` is what the account says at the last instant of the window, by what was recorded up to then: live points less
       debts.
    3. Every fact of the account that became known in the window is a line, in the order recorded, and time never runs back.
    4. A window that is cut in two gives the same lines, and the first half closes as the second opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import heappop, heappush
from typing import Final, NamedTuple, final

import attrs

from loyaltycore._checks import check_kind
from loyaltycore._formula import POINTS
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import UsageError
from loyaltycore.facts import Fact
from loyaltycore.ledger import (
    Captured,
    ExpiryReported,
    Granted,
    Held,
    Ledger,
    LedgerFact,
    Lot,
    Part,
    Released,
    Renewed,
    Settled,
    SettlementUndone,
    TransferredIn,
    Voided,
)
from loyaltycore.messages import Language, date_text, number_text, say
from loyaltycore.periods import Calendar, Lasting, Window
from loyaltycore.wire import instant_text, parse_instant

__all__ = ["Movement", "Statement", "StatementLine", "statement", "until_text"]

REFS_SHOWN: Final = 3
"""References that a line of text names; beyond them it says how many more there are."""

_TICK: Final = timedelta(microseconds=1)


class Movement(StrEnum):
    """What a line of a statement tells: a fact, or what time did."""

    EARNED = "earned"
    BECAME_AVAILABLE = "became_available"
    EXPIRED = "expired"
    LAPSED = "lapsed"
    RELEASED = "released"
    BURNED = "burned"
    BURN_REFUNDED = "burn_refunded"
    RENEWED = "renewed"
    REVOKED = "revoked"
    ADJUSTED = "adjusted"
    ADJUSTMENT_REVERSED = "adjustment_reversed"
    HELD = "held"
    CAPTURED = "captured"
    VOIDED = "voided"
    HOLD_ENDED = "hold_ended"
    SETTLED = "settled"
    SETTLEMENT_UNDONE = "settlement_undone"
    FORGIVEN = "forgiven"
    FORGIVENESS_TAKEN_BACK = "forgiveness_taken_back"
    TRANSFERRED_OUT = "transferred_out"
    TRANSFERRED_IN = "transferred_in"
    TRANSFER_UNDONE = "transfer_undone"
    TOUCHED = "touched"
    EXPIRY_REPORTED = "expiry_reported"


@final
@attrs.frozen(kw_only=True)
class StatementLine:
    """One thing that happened on an account.

    Attributes:
        at: When it came to count; never before the line above.
        position: Place of the fact among all that were recorded, from 1; ``None`` for what time did.
        movement: What happened.
        ref: The shop's own name for it; empty for what time did to lots.
        units: How many points it is about.
        points: By how many it changed the balance: 0 for points that wait, or that had expired already.
        balance: Live points less debts, after it; below zero it is owed.
        lots: Which lots, with their units.
        why: What else the fact says, in text: rule, reason, actor, policy, ends, other references.
        dated_at: The instant that the fact names, where that is earlier; ``None`` otherwise.
    """

    at: datetime
    position: int | None
    movement: Movement
    ref: str
    units: int
    points: int
    balance: int
    lots: tuple[Part, ...]
    why: FrozenMap[str, str] = FrozenMap[str, str]()
    dated_at: datetime | None = None

    def text(self, language: Language = "en", *, calendar: Calendar) -> str:
        """Say the line to a person, without its day and its numbers.

        Args:
            language: ``"en"`` or ``"fr"``.
            calendar: Whose local days are named.
        """
        earned = [self.why["earn_ref"]] if self.why.get("earn_ref") else [_ref_of(part.lot_id) for part in self.lots]
        refs = [_ref_of(self.why["debtor_id"])] if "debtor_id" in self.why else list(dict.fromkeys(earned))
        named = ", ".join(refs[:REFS_SHOWN]) + (f" + {len(refs) - REFS_SHOWN}" if len(refs) > REFS_SHOWN else "")
        said: dict[str, str] = {**self.why, "ref": self.ref, "refs": named, "units": number_text(self.units, language)}
        told = say(f"statement.{self.movement.value}", language, **said)
        for key, days in self._clauses(calendar):
            told = say("statement.more", language, told=told, clause=say(key, language, **{**said, **days}))
        return told

    def _clauses(self, calendar: Calendar) -> Iterable[tuple[str, dict[str, str]]]:
        """Name what else is worth saying, with the days that it needs."""
        opens_at = self.why.get("available_at")
        is_waiting = opens_at is not None and self.at < parse_instant(opens_at)
        if "awaits" in self.why and opens_at is not None:
            yield "clause.awaits", {"awaited_on": _last_day(opens_at, calendar)}
        elif is_waiting and opens_at is not None:
            yield "clause.available_at", {"available_on": calendar.day_of(parse_instant(opens_at)).isoformat()}
        if "expires_at" in self.why:
            yield "clause.expires_at", {"last_on": _last_day(self.why["expires_at"], calendar)}
        if self.why.get("lasts") == "sliding":
            yield "clause.sliding", {}
        if "until" in self.why:
            yield _until(parse_instant(self.why["until"]), calendar)
        yield from ((f"clause.{name}", {}) for name in ("late", "reason", "actor") if name in self.why)
        if self.why.get("overdraft") in {"settle", "forgive"}:
            yield f"clause.{self.why['overdraft']}", {}
        if self.dated_at is not None:
            yield "clause.dated_at", {"dated_on": calendar.day_of(self.dated_at).isoformat()}


def _ref_of(lot_id: str) -> str:
    return lot_id.rpartition("/")[0]


def _last_day(end: str, calendar: Calendar) -> str:
    """Name the last local day before an instant."""
    return calendar.day_of(parse_instant(end) - _TICK).isoformat()


def _until(end: datetime, calendar: Calendar) -> tuple[str, dict[str, str]]:
    """Choose how an end is said: by its last day where it ends with one, by the time of day where it is in the middle."""
    last_on, day = calendar.day_of(end - _TICK), calendar.day_of(end)
    if last_on != day:
        return "until.day", {"until_on": last_on.isoformat()}
    clock = calendar.local(end)
    time = clock.strftime("%H:%M:%S" if clock.second else "%H:%M")
    return "until.time", {"until_on": clock.date().isoformat(), "until_time": time}


def until_text(end: datetime, language: Language, *, calendar: Calendar) -> str:
    """Say to a person until when something lasts.

    Args:
        end: The first instant after it.
        language: ``"en"`` or ``"fr"``.
        calendar: Whose local days and clocks are named.

    Example:
        >>> from datetime import UTC, datetime
        >>> paris = Calendar("Europe/Paris")
        >>> until_text(datetime(2026, 7, 11, 22, tzinfo=UTC), "en", calendar=paris)  # midnight in Paris
        'through 11 July 2026'
        >>> until_text(datetime(2026, 7, 11, 10, 15, tzinfo=UTC), "en", calendar=paris)
        'until 12:15 on 11 July 2026'
    """
    key, said = _until(end, calendar)
    return say(key, language, **said)


@final
@attrs.frozen(kw_only=True)
class Statement:
    """What happened on an account in a window, and the balance before and after.

    Attributes:
        account: Which of a member's accounts.
        window: The span it covers.
        opening: The balance before the first line.
        closing: The balance after the last.
        lines: In the order in which they became known.
    """

    account: str
    window: Window
    opening: int
    closing: int
    lines: tuple[StatementLine, ...]

    def text(self, language: Language = "en", *, calendar: Calendar) -> str:
        """Lay the statement out for a person: day, change, balance and what happened, a line each.

        Args:
            language: ``"en"`` or ``"fr"``.
            calendar: Whose local days are named. There is no default: near midnight another zone names another day.

        Raises:
            UsageError: Another language, or no calendar.
        """
        check_kind("calendar", calendar, Calendar)
        rows = [
            (
                date_text(calendar.day_of(line.at), language),
                ("+" if line.points > 0 else "") + number_text(line.points, language),
                number_text(line.balance, language),
                line.text(language, calendar=calendar),
            )
            for line in self.lines
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        told = [f"{day:<{widths[0]}}  {points:>{widths[1]}}  {left:>{widths[2]}}  {what}" for day, points, left, what in rows]
        opening = say("statement.opening", language, points=number_text(self.opening, language))
        closing = say("statement.closing", language, points=number_text(self.closing, language))
        return "\n".join([self._title(language, calendar), opening, *(told or [say("statement.nothing", language)]), closing])

    def _title(self, language: Language, calendar: Calendar) -> str:
        assert self.window.ends_at is not None  # statement() asks for an end
        through_on = calendar.day_of(self.window.ends_at - _TICK).isoformat()
        if self.window.starts_at is None:
            return say("statement.title_open", language, through_on=through_on)
        from_on = calendar.day_of(self.window.starts_at).isoformat()
        return say("statement.title", language, from_on=from_on, through_on=through_on)


def statement(facts: Iterable[Fact], *, window: Window, account: str = POINTS) -> Statement:
    """Tell what happened on an account in a window.

    Args:
        facts: All facts of the member or of the account, from the first, in the order recorded.
        window: It must have an end: what time will bring after the last fact is not a matter of record.
        account: Which of a member's accounts.

    Raises:
        UsageError: A window without an end.
        CorruptStateError: A fact that cannot follow.

    Example:
        >>> from datetime import UTC, datetime
        >>> from loyaltycore.points import PointsAccount
        >>> july, august, ends = (datetime(2026, month, 1, tzinfo=UTC) for month in (7, 8, 9))
        >>> first = PointsAccount.open("m-42").earn(120, ref="order-1", expires_at=august, at=july)
        >>> second = first.state.burn(100, ref="order-2", at=july)
        >>> told = statement([*first.facts, *second.facts], window=Window(starts_at=july, ends_at=ends))
        >>> [(line.movement.value, line.points, line.balance) for line in told.lines]
        [('earned', 120, 120), ('burned', -100, 20), ('expired', -20, 0)]
        >>> print(told.text(calendar=Calendar("UTC")))
        Points, 1 July 2026 to 31 August 2026
        Balance before: 0
        1 July 2026    +120  120  earned for order-1 (base): 120; usable through 31 July 2026
        1 July 2026    −100   20  burned for order-2: 100
        1 August 2026   −20    0  expired (order-1): 20
        Balance: 0

    Complexity:
        O(lines · log lots), beside folding the facts.
    """
    ends_at = check_kind("window", window, Window).ends_at
    if ends_at is None:
        msg = f"window must have an end, got {window!r}"
        raise UsageError(msg)
    walk = _Walk(account, window)
    for position, fact in enumerate(facts, 1):
        if isinstance(fact, LedgerFact) and fact.account == account:
            if max(fact.at, walk.clock or fact.at) >= ends_at:
                break  # nothing after it can be earlier: the clock never runs back
            walk.book(position, fact)
    walk.advance(ends_at)
    return Statement(account=account, window=window, opening=walk.opening, closing=walk.balance, lines=tuple(walk.lines))


class _Due(NamedTuple):
    """Something that time will bring: the end of a hold, of a span, or an instant of a lot, in this order."""

    at: datetime
    place: int
    name: str


_HOLD, _SPAN, _LOT = range(3)


class _Walk:
    """Goes through facts and through time, and keeps what each lot counts for at the instant reached."""

    def __init__(self, account: str, window: Window) -> None:
        self.ledger = Ledger(account=account)
        self.window = window
        self.clock: datetime | None = None
        self.opening = self.balance = 0
        self.lines: list[StatementLine] = []
        self.counted: dict[str, int] = {}
        self.held: dict[str, int] = {}
        self.holding: set[str] = set()
        self.spans: dict[int, dict[str, None]] = {}
        self.due: list[_Due] = []

    def advance(self, before: datetime) -> None:
        """Let time pass, up to an instant that is not reached itself."""
        while self.due and self.due[0].at < before:
            self._pass(self.due[0].at)

    def book(self, position: int, fact: LedgerFact) -> None:
        """Take a fact in, when it became known: at its own instant, or at the clock where that is later."""
        self.advance(fact.at + _TICK)
        now = self.clock = max(fact.at, self.clock or fact.at)
        before, self.ledger = self.ledger, self.ledger.folded((fact,))
        parts, new = _parts(fact, before), _opened(fact)
        lots = {*new, *(part.lot_id for part in parts)}
        if isinstance(fact, Settled | SettlementUndone):
            lots.add(fact.debtor_id)
        if isinstance(fact, Held) and now < fact.until:
            self._keep(fact.ref, parts, 1)
            heappush(self.due, _Due(fact.until, _HOLD, fact.ref))
        if isinstance(fact, Captured | Voided):
            lots |= self._let_go(fact.ref)
        for lot_id in new:
            self._expect(self.ledger.lots[lot_id], now)
        lots |= self._moved_spans(before, now)
        points = sum(self._recount(lots).values())
        self.balance += points
        self._write(
            StatementLine(
                at=now,
                position=position,
                movement=_movement(fact),
                ref=fact.ref,
                units=fact.units if isinstance(fact, ExpiryReported) else sum(part.units for part in parts),
                points=points,
                balance=self.balance,
                lots=parts,
                why=_why(fact),
                dated_at=fact.at if fact.at < now else None,
            )
        )

    def _pass(self, instant: datetime) -> None:
        """Let everything happen that an instant brings: holds end first, then lots open and end."""
        self.clock, lots = instant, dict[str, None]()
        while self.due and self.due[0].at == instant:
            _, place, name = heappop(self.due)
            if place == _HOLD and name in self.holding:
                parts = self.ledger.holds[name].parts
                changed = self._recount(self._let_go(name))
                self._tell(Movement.HOLD_ENDED, parts, sum(changed.values()), ref=name)
            elif place == _SPAN and self.ledger.spans[int(name) - 1].ends_at == instant:
                lots |= self.spans[int(name)]
            elif place == _LOT:
                lots[name] = None
        changed = self._recount(lots)
        for movement, sign in ((Movement.EXPIRED, -1), (Movement.BECAME_AVAILABLE, 1)):
            parts = tuple(Part(lot_id, sign * points) for lot_id, points in changed.items() if sign * points > 0)
            if parts:
                self._tell(movement, parts, sign * sum(part.units for part in parts))
        waited = [self.ledger.lots[lot_id] for lot_id in lots if self.ledger.lots[lot_id].awaits]
        lapsed = tuple(Part(lot.lot_id, lot.remaining) for lot in waited if lot.available_at == instant and lot.remaining > 0)
        if lapsed:
            self._tell(Movement.LAPSED, lapsed, 0)

    def _tell(self, movement: Movement, parts: tuple[Part, ...], points: int, *, ref: str = "") -> None:
        """Write a line of what time did."""
        assert self.clock is not None  # time passes only after a first fact
        self.balance += points
        units = sum(part.units for part in parts)
        self._write(
            StatementLine(
                at=self.clock,
                position=None,
                movement=movement,
                ref=ref,
                units=units,
                points=points,
                balance=self.balance,
                lots=parts,
            )
        )

    def _write(self, line: StatementLine) -> None:
        if self.window.starts_at is not None and line.at < self.window.starts_at:
            self.opening = line.balance
        else:
            self.lines.append(line)

    def _recount(self, lots: Iterable[str]) -> Mapping[str, int]:
        """Work out anew what lots count for, and say by how much each changed."""
        changed: dict[str, int] = {}
        for lot_id in sorted(lots):
            counts = self._counts(self.ledger.lots[lot_id])
            changed[lot_id] = counts - self.counted.get(lot_id, 0)
            self.counted[lot_id] = counts
        return changed

    def _counts(self, lot: Lot) -> int:
        """Give what a lot adds to the balance: what is left of it, where it is live or owed."""
        assert self.clock is not None  # there is no lot before a first fact
        left = lot.remaining - self.held.get(lot.lot_id, 0)
        ends_at = self.ledger.spans[lot.span - 1].ends_at if lot.span else lot.expires_at
        is_live = not lot.awaits and lot.available_at <= self.clock and (ends_at is None or self.clock < ends_at)
        return left if left < 0 or is_live else 0

    def _keep(self, ref: str, parts: Iterable[Part], sign: int) -> None:
        for part in parts:
            self.held[part.lot_id] = self.held.get(part.lot_id, 0) + sign * part.units
        self.holding ^= {ref}

    def _let_go(self, ref: str) -> set[str]:
        """End a hold that counts, and name its lots."""
        if ref not in self.holding:
            return set()
        parts = self.ledger.holds[ref].parts
        self._keep(ref, parts, -1)
        return {part.lot_id for part in parts}

    def _expect(self, lot: Lot, now: datetime) -> None:
        """Remember the instants of a lot that are still to come."""
        for instant in (lot.available_at, lot.expires_at):
            if instant is not None and now < instant:
                heappush(self.due, _Due(instant, _LOT, lot.lot_id))
        if lot.span:
            self.spans.setdefault(lot.span, {})[lot.lot_id] = None

    def _moved_spans(self, before: Ledger, now: datetime) -> set[str]:
        """Remember common ends that moved, and name the lots of those that came back to life, or ended, by it."""
        lots: set[str] = set()
        for number, span in enumerate(self.ledger.spans, 1):
            was = before.spans[number - 1].ends_at if number <= len(before.spans) else None
            if was != span.ends_at and now < span.ends_at:
                heappush(self.due, _Due(span.ends_at, _SPAN, str(number)))
                lots |= self.spans.get(number, {}).keys() if was is not None and was <= now else set()
        return lots


def _movement(fact: LedgerFact) -> Movement:
    return Movement.EARNED if isinstance(fact, Granted) else Movement(fact.kind.partition(".")[2])


def _parts(fact: LedgerFact, before: Ledger) -> tuple[Part, ...]:
    """Give the lots of a fact with their units: those it made, those it names, or those of the hold it resolves."""
    match fact:
        case Granted():
            return (Part(fact.lot_id, fact.units),)
        case TransferredIn():
            return tuple(Part(lot_id, lot.units) for lot_id, lot in zip(_opened(fact), fact.lots, strict=True))
        case Released():
            lots = [before.lots[lot_id] for lot_id in fact.lots]
            return tuple(Part(lot.lot_id, lot.remaining) for lot in lots if lot.remaining > 0)
        case Voided():
            return before.holds[fact.ref].parts
    parts: tuple[Part, ...] = getattr(fact, "parts", ())
    return parts


def _opened(fact: LedgerFact) -> tuple[str, ...]:
    """Name the lots that a fact made, or that it gave another window."""
    match fact:
        case Granted():
            return (fact.lot_id,)
        case Released():
            return fact.lots
        case Renewed():
            return tuple(f"{fact.ref}/renewed-{number}" for number in range(1, len(fact.parts) + 1))
        case TransferredIn():
            return tuple(f"{fact.ref}/moved-{number}" for number in range(1, len(fact.lots) + 1))
    return ()


_SAID_ELSEWHERE: Final = frozenset({"at", "account", "ref", "parts", "units", "lots"})


def _why(fact: LedgerFact) -> FrozenMap[str, str]:
    """Write out what else a fact says; what is empty is left out."""
    found: dict[str, str] = {}
    for field in attrs.fields(type(fact)):
        value = getattr(fact, field.name)
        if field.name in _SAID_ELSEWHERE or value is None or value == "" or value is False:
            continue
        if isinstance(value, datetime):
            found[field.name] = instant_text(value)
        elif isinstance(value, Lasting):
            found[field.name] = "sliding" if value.sliding else "from release"
        else:
            found[field.name] = "yes" if value is True else str(value)
    return FrozenMap(found)
