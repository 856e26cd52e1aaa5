"""Repositories that lie, each in one way: the conformance kit must name the clause that each breaks.

``Plain`` tells the truth, in steps that a liar replaces one of. ``CANARIES`` lists the liars by contract and clause.
"""

# A method means what the same one of the contract means, and a liar may not look at what it is given.
# ruff: noqa: ARG002, D102

from __future__ import annotations

import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from itertools import groupby
from threading import Lock, RLock
from typing import ClassVar, Final, TypeAlias, cast

import attrs

from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact, Posting
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.ledger import (
    Adjusted,
    Captured,
    Granted,
    Ledger,
    LedgerFact,
    Lot,
    Overdraft,
    Part,
    Reversal,
    Take,
)
from loyaltycore.points import PointsAccount
from loyaltycore.repositories import Claimed, Cursor, Due, Receipt, StoredStream

__all__ = ["CANARIES", "POINTS_CANARIES", "Plain", "PlainAccounts", "RebuildsAccounts"]

LockType: TypeAlias = AbstractContextManager[bool]

GAP_SECONDS: Final = 0.002
"""Between check and act, where a liar leaves a gap: long enough for another thread."""


class Plain:
    """An honest repository in dictionaries."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.facts: dict[StreamId, list[Fact]] = {}
        self.dues: dict[StreamId, datetime] = {}
        self.receipts: dict[tuple[StreamId, Key], Receipt] = {}
        self.counters: dict[CounterId, dict[Key, Claim]] = {}

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        with self.lock:
            return {stream: self.stored(stream) for stream in streams}

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        with self.lock:
            return self.receipts.get(self.command_id(home, key))

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        with self.locked():
            self.check(command, changes)
            self.write(command, changes)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        with self.lock:
            return {counter: self.answer(self.live(counter, at), key) for counter in counters}

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        with self.lock:
            waiting = [(due_at, stream) for stream, due_at in self.dues.items() if self.is_due(due_at, before)]
        listed = [
            Due(stream=stream, due_at=due_at, cursor=Cursor(f"{due_at.isoformat()} {stream}"))
            for due_at, stream in self.in_order(waiting)
        ]
        return self.page([due for due in listed if self.follows(due, after)], limit)

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
        with self.lock:
            return sorted(s for s in self.facts if s.startswith(f"{kind}/") and (after is None or s > after))[:limit]

    # ---- the steps of a commit ----

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self.lock:
            yield

    def check(self, command: Command, changes: Sequence[Change]) -> None:
        self.check_command(command)
        self.check_versions(changes)
        self.check_limits(changes)

    def check_command(self, command: Command) -> None:
        if self.command_id(command.home, command.key) in self.receipts:
            raise DuplicateError(command.key)

    def check_versions(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, Append):
                self.check_version(change.stream, change.expected_version)
            elif isinstance(change, Expect):
                self.check_version(change.stream, change.version)

    def check_version(self, stream: StreamId, version: int) -> None:
        if self.stored(stream).version != version:
            raise ConflictError(stream)

    def check_limits(self, changes: Iterable[Change]) -> None:
        claims = [change for change in changes if isinstance(change, Claim)]
        for claim in claims:
            live = self.live(claim.counter, claim.at)
            mine = live.get(claim.key, 0)
            live |= {other.key: other.amount for other in claims if other.counter == claim.counter}
            if self.is_over(claim, mine=mine, total=sum(live.values())):
                raise LimitReachedError(claim.counter)

    def is_over(self, claim: Claim, *, mine: int, total: int) -> bool:
        return claim.limit is not None and claim.amount > mine and total > claim.limit

    def write(self, command: Command, changes: Sequence[Change]) -> None:
        for change in changes:
            self.write_change(change)
        appended = {change.stream: change.facts for change in changes if isinstance(change, Append)}
        self.receipts[self.command_id(command.home, command.key)] = Receipt(command=command, facts=appended)

    def write_change(self, change: Change) -> None:
        match change:
            case Append():
                self.facts[change.stream] = [*self.facts.get(change.stream, []), *map(self.kept, change.facts)]
                self.write_due(change.stream, change.due_at)
            case Claim():
                self.write_claim(self.counters.setdefault(change.counter, {}), change)
            case Expect():
                pass

    def write_due(self, stream: StreamId, due_at: datetime | None) -> None:
        self.dues.pop(stream, None)
        if due_at is not None:
            self.dues[stream] = due_at

    def write_claim(self, held: dict[Key, Claim], claim: Claim) -> None:
        held[claim.key] = claim

    # ---- what a liar sees otherwise ----

    def stored(self, stream: StreamId) -> StoredStream:
        facts = self.facts.get(stream, [])
        return StoredStream(len(facts), tuple(facts))

    def command_id(self, home: StreamId, key: Key) -> tuple[StreamId, Key]:
        return home, key

    def kept(self, fact: Fact) -> Fact:
        return fact

    def live(self, counter: CounterId, at: datetime) -> dict[Key, int]:
        return {key: claim.amount for key, claim in self.counters.get(counter, {}).items() if self.is_live(claim, at)}

    def is_live(self, claim: Claim, at: datetime) -> bool:
        return claim.until is None or at < claim.until

    def answer(self, live: Mapping[Key, int], key: Key) -> Claimed:
        return Claimed(total=sum(live.values()), mine=live.get(key, 0))

    def is_due(self, due_at: datetime, before: datetime) -> bool:
        return due_at < before

    def in_order(self, waiting: Iterable[tuple[datetime, StreamId]]) -> list[tuple[datetime, StreamId]]:
        return sorted(waiting)

    def follows(self, due: Due, after: Cursor | None) -> bool:
        return after is None or due.cursor > after

    def page(self, listed: Sequence[Due], limit: int) -> Sequence[Due]:
        return listed[:limit]


# ---- loading ----


class AnswersWhatItKnows(Plain):
    """A stream never written is missing from the answer."""

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        return {stream: stored for stream, stored in super().load(streams).items() if stored.version}


class StartsAtOne(Plain):
    """A stream never written has version 1."""

    def stored(self, stream: StreamId) -> StoredStream:
        stored = super().stored(stream)
        return stored if stored.version else StoredStream(1)

    def check_version(self, stream: StreamId, version: int) -> None:
        if super().stored(stream).version != version:
            raise ConflictError(stream)


class TakesFewIds(Plain):
    """Its database refuses a statement with a thousand ids."""

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        if len(streams) > 999:
            msg = "too many SQL variables"
            raise RuntimeError(msg)
        return super().load(streams)


class ForgetsTheLast(Plain):
    """An off-by-one: the last fact is not loaded."""

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        loaded = super().load(streams)
        return {
            stream: StoredStream(max(0, stored.version - 1), stored.facts[: max(0, stored.version - 1)])
            for stream, stored in loaded.items()
        }


class SortsVersionsAsText(Plain):
    """Fact 10 comes before fact 2."""

    def stored(self, stream: StreamId) -> StoredStream:
        facts = super().stored(stream).facts
        places = sorted(range(len(facts)), key=str)
        return StoredStream(len(facts), tuple(facts[place] for place in places))


class CountsCommits(Plain):
    """The version is the number of commits, not of facts."""

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        loaded = super().load(streams)
        return {stream: attrs.evolve(stored, version=min(1, stored.version)) for stream, stored in loaded.items()}


class IgnoresCase(Plain):
    """Its database takes a and A for one letter."""

    def stored(self, stream: StreamId) -> StoredStream:
        facts = self.facts.get(StreamId(stream.casefold()), [])
        return StoredStream(len(facts), tuple(facts))

    def write_change(self, change: Change) -> None:
        if isinstance(change, Append):
            change = attrs.evolve(change, stream=StreamId(change.stream.casefold()))
        super().write_change(change)


class MendsText(Plain):
    """Text is normalised on its way in."""

    def kept(self, fact: Fact) -> Fact:
        return attrs.evolve(fact, reason=self.mended(fact.reason)) if isinstance(fact, Adjusted) else fact

    def mended(self, text: str) -> str:
        return unicodedata.normalize("NFC", text)


class HoldsThreeByteText(MendsText):
    """Characters beyond the first 65,536 become question marks."""

    def mended(self, text: str) -> str:
        return "".join(c if ord(c) < 0x10000 else "?" for c in text)


class CutsText(MendsText):
    """A column holds 65,535 bytes."""

    def mended(self, text: str) -> str:
        return text.encode()[:65_535].decode(errors="ignore")


class StripsText(MendsText):
    """Spaces at the ends are lost."""

    def mended(self, text: str) -> str:
        return text.strip()


class KeepsSeconds(Plain):
    """Instants lose their microseconds."""

    def kept(self, fact: Fact) -> Fact:
        return attrs.evolve(fact, at=fact.at.replace(microsecond=0))


class SortsByInstant(Plain):
    """Facts come back as they happened, not as they were told."""

    def stored(self, stream: StreamId) -> StoredStream:
        stored = super().stored(stream)
        return attrs.evolve(stored, facts=tuple(sorted(stored.facts, key=lambda fact: fact.at)))


class SortsWhatItAppends(Plain):
    """The facts of one append are written as they happened."""

    def write_change(self, change: Change) -> None:
        if isinstance(change, Append):
            change = attrs.evolve(change, facts=sorted(change.facts, key=lambda fact: fact.at))
        super().write_change(change)


class TurnsTiesAround(Plain):
    """Of the facts of one instant, the last told comes first."""

    def stored(self, stream: StreamId) -> StoredStream:
        stored = super().stored(stream)
        runs = (reversed(list(run)) for _, run in groupby(stored.facts, key=lambda fact: fact.at))
        return attrs.evolve(stored, facts=tuple(fact for run in runs for fact in run))


class KeepsEqualFactsOnce(Plain):
    """A fact that is told twice is kept once."""

    def stored(self, stream: StreamId) -> StoredStream:
        facts = tuple(dict.fromkeys(super().stored(stream).facts))
        return StoredStream(len(facts), facts)

    def check_version(self, stream: StreamId, version: int) -> None:
        if super().stored(stream).version != version:
            raise ConflictError(stream)


class SortsByAccount(Plain):
    """Each account has a table of its own, and they are read one after another."""

    def stored(self, stream: StreamId) -> StoredStream:
        stored = super().stored(stream)
        return attrs.evolve(stored, facts=tuple(sorted(stored.facts, key=lambda fact: getattr(fact, "account", ""))))


class KnowsOneAccount(Plain):
    """Everything is on the main account."""

    def kept(self, fact: Fact) -> Fact:
        return attrs.evolve(fact, account="points") if isinstance(fact, LedgerFact) else fact


class ForgetsHowLong(Plain):
    """How an end is counted has no column."""

    def kept(self, fact: Fact) -> Fact:
        return attrs.evolve(fact, lasts=None) if isinstance(fact, Granted) else fact


class ForgetsLateness(Plain):
    """Every capture came in time."""

    def kept(self, fact: Fact) -> Fact:
        return attrs.evolve(fact, late=False) if isinstance(fact, Captured) else fact


# ---- committing ----


class WritesAsItGoes(Plain):
    """A commit that fails in the middle leaves its first half."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        with self.lock:
            self.check_command(command)
            for change in changes:
                self.check_versions([change])
                self.check_limits([change])
                self.write_change(change)
            self.write(command, ())


class WritesTheReceiptFirst(Plain):
    """A refused command has used its key."""

    def check(self, command: Command, changes: Sequence[Change]) -> None:
        self.check_command(command)
        self.write(command, ())
        self.check_versions(changes)
        self.check_limits(changes)


class ChokesHalfWay(Plain):
    """A fact it cannot write stops it, and what it wrote before stays."""

    def kept(self, fact: Fact) -> Fact:
        if fact.kind.startswith("kit."):
            raise TypeError(fact.kind)
        return fact


class LosesClaims(Plain):
    """Claims are not written."""

    def write_claim(self, held: dict[Key, Claim], claim: Claim) -> None:
        """Write nothing."""


class LosesReceipts(Plain):
    """Receipts are not written."""

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        return None


class ComparesNoVersions(Plain):
    """Whoever writes last is appended."""

    def check_version(self, stream: StreamId, version: int) -> None:
        """Let everything pass."""


class ComparesOneWay(Plain):
    """A version from the future passes."""

    def check_version(self, stream: StreamId, version: int) -> None:
        if self.stored(stream).version > version:
            raise ConflictError(stream)


class IgnoresExpectations(Plain):
    """What was read and not written may have moved."""

    def check_versions(self, changes: Iterable[Change]) -> None:
        super().check_versions(change for change in changes if isinstance(change, Append))


class WritesExpectations(Plain):
    """An expectation counts as a write, and moves the version."""

    def write_change(self, change: Change) -> None:
        super().write_change(change)
        if isinstance(change, Expect) and change.version:
            self.facts[change.stream] = [*self.facts[change.stream], *self.facts[change.stream][:1]]


class ChecksThenActs(Plain):
    """Two writers may both find the version free."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        self.check(command, changes)
        if any(isinstance(change, Append) for change in changes) and not any(isinstance(c, Claim) for c in changes):
            time.sleep(GAP_SECONDS)
        with self.lock:
            self.write(command, changes)


class ReadsExpectationsEarly(Plain):
    """Expectations are compared before the lock is taken."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        expected = [change for change in changes if isinstance(change, Expect)]
        with self.lock:
            self.check(command, changes)
        if expected:
            time.sleep(GAP_SECONDS)
        with self.lock:
            self.check(command, [change for change in changes if change not in expected])
            self.write(command, changes)


class ReadsKnownStreamsEarly(ReadsExpectationsEarly):
    """Only expectations of streams that are there are compared before the lock is taken."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        if any(isinstance(change, Expect) and change.version for change in changes):
            super().commit(command, changes)
        else:
            Plain.commit(self, command, changes)


class GivesUpWhenBusy(Plain):
    """A busy database is an error of its own."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        if not self.lock.acquire(blocking=False):
            msg = "database is locked"
            raise RuntimeError(msg)
        try:
            time.sleep(GAP_SECONDS / 10)
            yield
        finally:
            self.lock.release()


class LocksAsItGoes(Plain):
    """Streams and counters are locked in the order of the changes: two who cross wait for one another for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.locks = defaultdict[str, LockType](Lock)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        with ExitStack() as held:
            for name in dict.fromkeys(self.locked_by(change) for change in changes):
                held.enter_context(self.locks[name])
                time.sleep(GAP_SECONDS)
            super().commit(command, changes)

    def locked_by(self, change: Change) -> str:
        return "" if isinstance(change, Claim) else change.stream


class LocksCountersAsItGoes(LocksAsItGoes):
    """Only counters are locked in the order of the changes."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        if len(changes) > 1 and all(isinstance(change, Claim) for change in changes):
            super().commit(command, changes)
        else:
            Plain.commit(self, command, changes)

    def locked_by(self, change: Change) -> str:
        return change.counter if isinstance(change, Claim) else ""


class LosesForEver(Plain):
    """Two streams at once are never free."""

    def check_versions(self, changes: Iterable[Change]) -> None:
        kept = list(changes)
        if [type(change) for change in kept] == [Append, Append]:
            raise ConflictError
        super().check_versions(kept)


class KeepsKeysInTheProcess(Plain):
    """Two repositories over one store each know only the commands that they made themselves."""

    store: ClassVar[Plain] = Plain()

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.facts, self.dues = self.store.lock, self.store.facts, self.store.dues
        self.counters = self.store.counters


class CountsRetries(Plain):
    """A repeated command is refused, and has claimed once more."""

    def check_command(self, command: Command) -> None:
        try:
            super().check_command(command)
        except DuplicateError:
            for held in self.counters.values():
                for key, claim in held.items():
                    held[key] = attrs.evolve(claim, amount=claim.amount + 1)
            raise


class DoesItAgain(Plain):
    """A command sent twice is done twice."""

    def check_command(self, command: Command) -> None:
        """Let everything pass."""


class SwallowsRepeats(Plain):
    """A command sent twice is passed over without a word."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        try:
            super().commit(command, changes)
        except DuplicateError:
            return


class ComparesFingerprints(Plain):
    """Another content under a used key is done."""

    def check_command(self, command: Command) -> None:
        known = self.receipt(command.home, command.key)
        if known is not None and known.command.fingerprint == command.fingerprint:
            raise DuplicateError(command.key)


class ForgetsOldKeys(Plain):
    """Only the last twenty commands are known."""

    def check_command(self, command: Command) -> None:
        if self.command_id(command.home, command.key) in list(self.receipts)[-20:]:
            raise DuplicateError(command.key)


class IgnoresCaseOfKeys(Plain):
    """Two keys that differ by case are one."""

    def command_id(self, home: StreamId, key: Key) -> tuple[StreamId, Key]:
        return home, Key(key.casefold())


class LooksForRepeatsOnce(Plain):
    """A command sent twice at once is done twice."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        self.check_command(command)
        if all(isinstance(change, Claim) for change in changes):
            time.sleep(GAP_SECONDS / 2)
        with self.lock:
            self.check_versions(changes)
            self.check_limits(changes)
            self.write(command, changes)


class LooksForRepeatsEarly(Plain):
    """A command sent twice at once hears of a conflict."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        self.check_command(command)
        if len(changes) == 1:
            time.sleep(GAP_SECONDS / 2)
        with self.lock:
            self.check_versions(changes)
            self.check(command, changes)
            self.write(command, changes)


class SharesKeysAmongHomes(Plain):
    """A key is used up for every home."""

    def command_id(self, home: StreamId, key: Key) -> tuple[StreamId, Key]:
        return StreamId("everywhere"), key


class ComparesVersionsFirst(Plain):
    """A repeated command hears of a conflict."""

    def check(self, command: Command, changes: Sequence[Change]) -> None:
        self.check_versions(changes)
        self.check_command(command)
        self.check_limits(changes)


class LooksAtLimitsFirst(Plain):
    """A command that lost the race hears that there is no room."""

    def check(self, command: Command, changes: Sequence[Change]) -> None:
        self.check_command(command)
        self.check_limits(changes)
        self.check_versions(changes)


# ---- receipts ----


class RemembersTheHomeAlone(Plain):
    """The receipt leaves the other streams out."""

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        receipt = super().receipt(home, key)
        if receipt is None:
            return None
        return attrs.evolve(receipt, facts={stream: facts for stream, facts in receipt.facts.items() if stream == home})


class RemembersAnotherCommand(Plain):
    """The receipt has lost what was asked."""

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        receipt = super().receipt(home, key)
        if receipt is None:
            return None
        return attrs.evolve(receipt, command=attrs.evolve(receipt.command, fingerprint=FrozenMap[str, str]()))


class RemembersTheLastCommand(Plain):
    """The receipt is that of the last command of the home."""

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        asked = super().receipt(home, key)
        return None if asked is None else [one for (where, _), one in self.receipts.items() if where == home][-1]


class RemembersTooMuch(Plain):
    """The receipt holds what was appended later, too."""

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        receipt = super().receipt(home, key)
        if receipt is None:
            return None
        return attrs.evolve(receipt, facts={stream: self.stored(stream).facts for stream in receipt.facts})


class RemembersFactsAlone(Plain):
    """A command that only claimed has no receipt."""

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        receipt = super().receipt(home, key)
        return receipt if receipt is not None and receipt.facts else None


class RemembersByInstant(Plain):
    """The receipt holds the facts as they happened, not as they were told."""

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        receipt = super().receipt(home, key)
        if receipt is None:
            return None
        told = receipt.facts.items()
        return attrs.evolve(receipt, facts={stream: tuple(sorted(facts, key=lambda fact: fact.at)) for stream, facts in told})


# ---- claims ----


class AddsClaims(Plain):
    """A claim adds to what the key holds."""

    def write_claim(self, held: dict[Key, Claim], claim: Claim) -> None:
        before = held[claim.key].amount if claim.key in held else 0
        held[claim.key] = attrs.evolve(claim, amount=before + claim.amount)


class NeverFrees(Plain):
    """A claim of nothing changes nothing."""

    def write_claim(self, held: dict[Key, Claim], claim: Claim) -> None:
        if claim.amount:
            held[claim.key] = claim


class IgnoresCaseOfCounters(Plain):
    """Two counters that differ by case are one."""

    def live(self, counter: CounterId, at: datetime) -> dict[Key, int]:
        alike = [name for name in self.counters if name.casefold() == counter.casefold()]
        return {key: amount for name in alike for key, amount in super(IgnoresCaseOfCounters, self).live(name, at).items()}


class HoldsOneFewer(Plain):
    """The limit itself is too much."""

    def is_over(self, claim: Claim, *, mine: int, total: int) -> bool:
        return claim.limit is not None and claim.amount > mine and total >= claim.limit


class HoldsOneMore(Plain):
    """One above the limit passes."""

    def is_over(self, claim: Claim, *, mine: int, total: int) -> bool:
        return claim.limit is not None and claim.amount > mine and total > claim.limit + 1


class CountsItselfTwice(Plain):
    """What a key holds counts against it."""

    def is_over(self, claim: Claim, *, mine: int, total: int) -> bool:
        return claim.limit is not None and claim.amount > mine and total + mine > claim.limit


class RefusesDecreases(Plain):
    """A key may not hold less while the total is above the limit."""

    def is_over(self, claim: Claim, *, mine: int, total: int) -> bool:
        return claim.limit is not None and total > claim.limit


class CountsClaimsAlone(Plain):
    """Each claim of a commit is looked at as if it were alone."""

    def check_limits(self, changes: Iterable[Change]) -> None:
        for change in changes:
            super().check_limits([change])


class CountsThenClaims(Plain):
    """Two claimants may both find the last place free."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        self.check_limits(changes)
        if any(isinstance(change, Claim) for change in changes):
            time.sleep(GAP_SECONDS / 2)
        with self.lock:
            self.check_command(command)
            self.check_versions(changes)
            self.write(command, changes)

    def check_limits(self, changes: Iterable[Change]) -> None:
        kept = list(changes)
        try:
            self.check_versions(kept)
        except ConflictError:
            return  # which is raised below
        super().check_limits(kept)


class ClaimsForEver(Plain):
    """A claim never times out."""

    def is_live(self, claim: Claim, at: datetime) -> bool:
        return True


class ClaimsTooLong(Plain):
    """A claim still counts at its end."""

    def is_live(self, claim: Claim, at: datetime) -> bool:
        return claim.until is None or at <= claim.until


class KeepsTheRoom(Plain):
    """A claim that timed out no longer shows, and still takes its room."""

    def check_limits(self, changes: Iterable[Change]) -> None:
        super().check_limits(
            attrs.evolve(change, at=datetime.min.replace(year=2, tzinfo=change.at.tzinfo))
            if isinstance(change, Claim)
            else change
            for change in changes
        )


class KeepsTheFirstEnd(Plain):
    """A renewed claim ends when the first one would have."""

    def write_claim(self, held: dict[Key, Claim], claim: Claim) -> None:
        held[claim.key] = attrs.evolve(held.get(claim.key, claim), amount=claim.amount)


class AnswersUsedCounters(Plain):
    """A counter never claimed is missing from the answer."""

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        return super().claimed([counter for counter in counters if counter in self.counters], key=key, at=at)


class AnswersOneForAll(Plain):
    """What anybody holds is mine."""

    def answer(self, live: Mapping[Key, int], key: Key) -> Claimed:
        return Claimed(total=sum(live.values()), mine=sum(live.values()))


# ---- what is due ----


class ForgetsWhatIsDue(Plain):
    """Nothing is ever due."""

    def write_due(self, stream: StreamId, due_at: datetime | None) -> None:
        """Write nothing."""


class ListsInAnyOrder(Plain):
    """The last written comes first."""

    def in_order(self, waiting: Iterable[tuple[datetime, StreamId]]) -> list[tuple[datetime, StreamId]]:
        return list(waiting)[::-1]

    def follows(self, due: Due, after: Cursor | None) -> bool:
        return after is None or due.cursor < after


class ListsTooMuch(Plain):
    """What is due at the instant itself is listed."""

    def is_due(self, due_at: datetime, before: datetime) -> bool:
        return due_at <= before


class ListsEverything(Plain):
    """The limit is ignored."""

    def page(self, listed: Sequence[Due], limit: int) -> Sequence[Due]:
        return listed


class StartsAgain(Plain):
    """Each page is the first."""

    def follows(self, due: Due, after: Cursor | None) -> bool:
        return True


class SkipsTies(Plain):
    """Of two streams due at one instant, a page that ends between them loses the second."""

    def follows(self, due: Due, after: Cursor | None) -> bool:
        return after is None or due.cursor.split()[0] > after.split()[0]


class NeverDone(Plain):
    """An append that says nothing leaves what was due."""

    def write_due(self, stream: StreamId, due_at: datetime | None) -> None:
        if due_at is not None:
            self.dues[stream] = due_at


# ---- listings ----


class ListsAllKinds(Plain):
    """Orders are listed among members."""

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
        with self.lock:
            return sorted(stream for stream in self.facts if after is None or stream > after)[:limit]


class ListsAllStreams(Plain):
    """The limit of a listing is ignored."""

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
        return super().streams(kind, after=after, limit=limit + 1)


class ListsFromTheStart(Plain):
    """Each page of a listing is the first."""

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
        return super().streams(kind, limit=limit)


class ListsWithoutCase(Plain):
    """A listing is sorted as a dictionary is."""

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
        return sorted(super().streams(kind, after=after, limit=limit), key=str.casefold)


CANARIES: Final[Mapping[tuple[str, int], tuple[type[Plain], ...]]] = {
    ("Repository", 1): (AnswersWhatItKnows, StartsAtOne, TakesFewIds),
    ("Repository", 2): (
        ForgetsTheLast,
        SortsVersionsAsText,
        CountsCommits,
        IgnoresCase,
        MendsText,
        HoldsThreeByteText,
        CutsText,
        StripsText,
        KeepsSeconds,
        SortsByInstant,
        SortsWhatItAppends,
        TurnsTiesAround,
        KeepsEqualFactsOnce,
        SortsByAccount,
        KnowsOneAccount,
        ForgetsHowLong,
        ForgetsLateness,
    ),
    ("Repository", 3): (WritesAsItGoes, WritesTheReceiptFirst, ChokesHalfWay, LosesClaims, LosesReceipts),
    ("Repository", 4): (ComparesNoVersions, ComparesOneWay, IgnoresExpectations, WritesExpectations),
    ("Repository", 5): (
        ChecksThenActs,
        ReadsExpectationsEarly,
        ReadsKnownStreamsEarly,
        GivesUpWhenBusy,
        LocksAsItGoes,
        LosesForEver,
    ),
    ("Repository", 6): (
        DoesItAgain,
        SwallowsRepeats,
        ComparesFingerprints,
        ForgetsOldKeys,
        KeepsKeysInTheProcess,
        CountsRetries,
        IgnoresCaseOfKeys,
        LooksForRepeatsOnce,
    ),
    ("Repository", 7): (SharesKeysAmongHomes,),
    ("Repository", 8): (ComparesVersionsFirst, LooksAtLimitsFirst, LooksForRepeatsEarly),
    ("Repository", 9): (
        RemembersTheHomeAlone,
        RemembersAnotherCommand,
        RemembersTheLastCommand,
        RemembersTooMuch,
        RemembersFactsAlone,
        RemembersByInstant,
    ),
    ("Repository", 10): (AddsClaims, NeverFrees, IgnoresCaseOfCounters, AnswersOneForAll),
    ("Repository", 11): (
        HoldsOneFewer,
        HoldsOneMore,
        CountsItselfTwice,
        RefusesDecreases,
        CountsClaimsAlone,
        LocksCountersAsItGoes,
        CountsThenClaims,
    ),
    ("Repository", 12): (ClaimsForEver, ClaimsTooLong, KeepsTheRoom, KeepsTheFirstEnd),
    ("Repository", 13): (AnswersUsedCounters,),
    ("Repository", 14): (
        ForgetsWhatIsDue,
        ListsInAnyOrder,
        ListsTooMuch,
        ListsEverything,
        StartsAgain,
        SkipsTies,
        NeverDone,
    ),
    ("Enumerable", 1): (ListsAllKinds, ListsAllStreams, ListsFromTheStart),
    ("Enumerable", 2): (ListsWithoutCase,),
}


# ---- points alone ----


class PlainAccounts:
    """An honest table of accounts."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.rows: dict[str, PointsAccount] = {}

    def get(self, member_id: str, /) -> PointsAccount:
        with self.lock:
            return self.rows.get(member_id, PointsAccount.open(member_id))

    def save(self, posting: Posting[PointsAccount], /) -> None:
        with self.lock:
            if self.get(posting.state.member_id).version != posting.version:
                raise ConflictError
            self.rows[posting.state.member_id] = posting.state


class KnowsNobody(PlainAccounts):
    """A member never saved is an error."""

    def get(self, member_id: str, /) -> PointsAccount:
        return self.rows[member_id]


class OpensOneForAll(PlainAccounts):
    """A member never saved is somebody else."""

    def get(self, member_id: str, /) -> PointsAccount:
        return self.rows.get(member_id, PointsAccount.open("new"))


class SavesNothing(PlainAccounts):
    """What was saved is lost."""

    def save(self, posting: Posting[PointsAccount], /) -> None:
        """Keep nothing."""


class SavesOverAll(PlainAccounts):
    """Every row is written."""

    def save(self, posting: Posting[PointsAccount], /) -> None:
        super().save(posting)
        self.rows = dict.fromkeys(self.rows, posting.state)


class SavesTheLast(PlainAccounts):
    """Whoever saves last wins."""

    def save(self, posting: Posting[PointsAccount], /) -> None:
        self.rows[posting.state.member_id] = posting.state


class SavesThenRefuses(PlainAccounts):
    """A refused save has been written."""

    def save(self, posting: Posting[PointsAccount], /) -> None:
        known = self.get(posting.state.member_id).version
        self.rows[posting.state.member_id] = posting.state
        if known != posting.version:
            raise ConflictError


class RefusesWithoutFacts(PlainAccounts):
    """A posting without facts is refused."""

    def save(self, posting: Posting[PointsAccount], /) -> None:
        if not posting.facts:
            raise ConflictError
        super().save(posting)


class ReadsThenSaves(PlainAccounts):
    """Two who read the same may both save."""

    def save(self, posting: Posting[PointsAccount], /) -> None:
        if self.get(posting.state.member_id).version != posting.version:
            raise ConflictError
        time.sleep(GAP_SECONDS)
        self.rows[posting.state.member_id] = posting.state


class AnswersTheColumn(PlainAccounts):
    """What was saved comes back as it is stored."""

    def get(self, member_id: str, /) -> PointsAccount:
        account = super().get(member_id)
        return cast("PointsAccount", account.to_dict()) if account.version else account

    def save(self, posting: Posting[PointsAccount], /) -> None:
        self.rows[posting.state.member_id] = posting.state


class RebuildsAccounts(PlainAccounts):
    """An account is made anew from tables; a liar has no table for one thing."""

    def get(self, member_id: str, /) -> PointsAccount:
        account = super().get(member_id)
        return attrs.evolve(account, ledger=self.rebuilt(account.ledger))

    def rebuilt(self, ledger: Ledger) -> Ledger:
        lots = {lot_id: self.rebuilt_lot(lot) for lot_id, lot in ledger.lots.items()}
        return attrs.evolve(ledger, lots=FrozenMap(lots))

    def rebuilt_lot(self, lot: Lot) -> Lot:
        return lot


class ForgetsOpenHolds(RebuildsAccounts):
    """Holds are written when they are resolved."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        resolved = {ref: hold for ref, hold in ledger.holds.items() if not hold.is_open}
        return attrs.evolve(ledger, holds=FrozenMap(resolved))


class ForgetsResolvedHolds(RebuildsAccounts):
    """Holds are deleted when they are resolved."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        waiting = {ref: hold for ref, hold in ledger.holds.items() if hold.is_open}
        return attrs.evolve(ledger, holds=FrozenMap(waiting))


class ForgetsPayments(RebuildsAccounts):
    """Who paid a debt is lost."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        return attrs.evolve(ledger, payments=FrozenMap[str, tuple[Part, ...]]())


class SortsPayments(RebuildsAccounts):
    """Who paid first is lost."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        payments = {lot_id: parts[::-1] for lot_id, parts in ledger.payments.items()}
        return attrs.evolve(ledger, payments=FrozenMap(payments))


class ForgetsSpans(RebuildsAccounts):
    """Ends that slide are lost."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        return attrs.evolve(ledger, spans=())


class OpensSpansAgain(RebuildsAccounts):
    """An end that no longer slides does so again."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        return attrs.evolve(ledger, spans=tuple(span._replace(is_closed=False) for span in ledger.spans))


class ForgetsTransfers(RebuildsAccounts):
    """What went to other members is lost."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        return attrs.evolve(ledger, transfers=FrozenMap[str, Take]())


class ForgetsAdjustments(RebuildsAccounts):
    """What was taken by hand is lost."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        return attrs.evolve(ledger, adjustments=FrozenMap[str, Take]())


class ForgetsReturns(RebuildsAccounts):
    """What was done once can be done again."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        return attrs.evolve(ledger, returned=FrozenMap[str, Reversal]())


class GivesBackAgain(RebuildsAccounts):
    """What was given back of a burn is lost."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        burns = {ref: take._replace(given_back=0) for ref, take in ledger.burns.items()}
        return attrs.evolve(ledger, burns=FrozenMap(burns))


class ForgetsTheLastInstant(RebuildsAccounts):
    """The last instant is that of the last lot."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        last = max((lot.granted_at for lot in ledger.lots.values()), default=None)
        return attrs.evolve(ledger, last_at=last)


class NamesTheMainAccount(RebuildsAccounts):
    """Every account is the main one."""

    def rebuilt(self, ledger: Ledger) -> Ledger:
        return attrs.evolve(ledger, account="points")


class AwaitsNothing(RebuildsAccounts):
    """A lot that awaits an event is one that opens by itself."""

    def rebuilt_lot(self, lot: Lot) -> Lot:
        return lot._replace(awaits="")


class ForgetsDebtPolicies(RebuildsAccounts):
    """Every debt stands."""

    def rebuilt_lot(self, lot: Lot) -> Lot:
        return lot._replace(overdraft=Overdraft.CARRY)


class ForgetsForgiveness(RebuildsAccounts):
    """What was forgiven is owed again."""

    def rebuilt_lot(self, lot: Lot) -> Lot:
        return lot._replace(forgiven=0)


class ForgetsOrigins(RebuildsAccounts):
    """A lot that went on from another is one of its own."""

    def rebuilt_lot(self, lot: Lot) -> Lot:
        return lot._replace(origin="")


class ForgetsDebts(RebuildsAccounts):
    """A column of a lot holds no number below zero."""

    def rebuilt_lot(self, lot: Lot) -> Lot:
        return lot._replace(revoked=lot.revoked + min(0, lot.remaining))


POINTS_CANARIES: Final[Mapping[int, tuple[type[PlainAccounts], ...]]] = {
    1: (KnowsNobody, OpensOneForAll),
    2: (
        SavesNothing,
        SavesOverAll,
        SavesTheLast,
        SavesThenRefuses,
        RefusesWithoutFacts,
        ReadsThenSaves,
        AnswersTheColumn,
        ForgetsOpenHolds,
        ForgetsResolvedHolds,
        ForgetsPayments,
        SortsPayments,
        ForgetsSpans,
        OpensSpansAgain,
        ForgetsTransfers,
        ForgetsAdjustments,
        ForgetsReturns,
        GivesBackAgain,
        ForgetsTheLastInstant,
        NamesTheMainAccount,
        AwaitsNothing,
        ForgetsDebtPolicies,
        ForgetsForgiveness,
        ForgetsOrigins,
        ForgetsDebts,
    ),
}
