"""Repositories that can do more, and lie about it.

``Full`` is honest and has every optional protocol, ``Joined`` joins transactions, ``Awaiting`` is awaited.

``MORE_CANARIES`` lists the liars by contract and clause, ``JOINING_CANARIES`` and ``ASYNC_CANARIES`` by clause.
"""

# A method means what the same one of the contract means, and a liar may not look at what it is given.
# ruff: noqa: ARG002, D102

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar, Final

import attrs

from loyaltycore.errors import ConflictError
from loyaltycore.facts import Append, Change, Claim, Command, Fact
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import (
    Claimed,
    Cursor,
    Due,
    KeptClaim,
    KeptCommit,
    Receipt,
    Snapshot,
    SnapshotStream,
    StoredStream,
)
from tests.canaries import GAP_SECONDS, Plain

__all__ = ["ASYNC_CANARIES", "JOINING_CANARIES", "MORE_CANARIES", "Awaiting", "Client", "Full", "Joined"]

_KEPT: Final = ("facts", "dues", "receipts", "counters", "snapshots", "log", "texts")


class Full(Plain):
    """An honest repository that can do everything besides."""

    def __init__(self) -> None:
        super().__init__()
        self.snapshots: dict[StreamId, Snapshot] = {}
        self.log: dict[int, tuple[Command, tuple[Append, ...]]] = {}
        self.texts: dict[str, None] = {}

    def write(self, command: Command, changes: Sequence[Change]) -> None:
        super().write(command, changes)
        self.log[len(self.log) + 1] = (command, tuple(change for change in changes if isinstance(change, Append)))

    def saved(self) -> dict[str, dict[Any, Any]]:
        """Copy everything."""
        copies = {name: dict(getattr(self, name)) for name in _KEPT}
        return {**copies, "counters": {counter: dict(held) for counter, held in self.counters.items()}}

    def restore(self, saved: Mapping[str, dict[Any, Any]]) -> None:
        """Go back to a copy."""
        for name, copy in saved.items():
            kept = getattr(self, name)
            kept.clear()
            kept.update(copy)

    # ---- snapshots ----

    def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        with self.lock:
            return {stream: self.tail(stream, form) for stream in streams}

    def tail(self, stream: StreamId, form: str) -> SnapshotStream:
        kept, stored = self.snapshots.get(stream), self.stored(stream)
        if kept is None or kept.form != form:
            return SnapshotStream(version=stored.version, facts=stored.facts)
        return SnapshotStream(version=stored.version, snapshot=kept, facts=stored.facts[kept.version :])

    def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        with self.lock:
            known = self.snapshots.get(stream)
            if known is None or known.version < snapshot.version:
                self.snapshots[stream] = snapshot

    # ---- exports ----

    def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        with self.lock:
            numbers = [number for number in self.log if number > int(after or 0)]
            return [self.kept_commit(number) for number in numbers[:limit]]

    def kept_commit(self, number: int) -> KeptCommit:
        command, appends = self.log[number]
        return KeptCommit(command=command, appends=tuple(map(self.as_listed, appends)), cursor=Cursor(str(number)))

    def as_listed(self, append: Append) -> Append:
        is_last = append.expected_version + len(append.facts) == self.stored(append.stream).version
        return append if is_last else attrs.evolve(append, due_at=None)

    def claims(self, *, after: Cursor | None, limit: int) -> Sequence[KeptClaim]:
        with self.lock:
            found = [
                KeptClaim(
                    counter=counter, key=key, amount=max(1, claim.amount), until=claim.until, cursor=Cursor(f"{counter} {key}")
                )
                for counter, held in sorted(self.counters.items())
                for key, claim in sorted(held.items())
                if self.is_listed(claim)
            ]
        return sorted((one for one in found if after is None or one.cursor > after), key=lambda one: one.cursor)[:limit]

    def is_listed(self, claim: Claim) -> bool:
        return claim.amount > 0

    # ---- what the shop writes in a commit ----

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], None], /) -> None:
        with self.locked():
            before = self.saved()
            self.check(command, changes)
            self.write(command, changes)
            try:
                then(self)
            except BaseException:
                self.restore(before)
                raise

    # ---- forgetting ----

    def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        with self.lock:
            self.check_rename(old, new, facts)
            before = self.saved()
            self.restore({**before, **self.renamed(before, old, new)})
            for stream, several in facts.items():
                self.rewrite(stream, several)
            for stream in (old, new, *facts):
                self.lose_snapshot(stream)

    def check_rename(self, old: StreamId, new: StreamId, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        if self.stored(new).version:
            raise ConflictError(new)
        for stream, several in facts.items():
            if self.stored(old if stream == new else stream).version != len(several):
                raise ConflictError(stream)

    def renamed(self, before: Mapping[str, dict[Any, Any]], old: StreamId, new: StreamId) -> dict[str, dict[Any, Any]]:
        """Give everything with one name for another."""

        def name(stream: StreamId) -> StreamId:
            return new if stream == old else stream

        def command_of(command: Command) -> Command:
            return attrs.evolve(command, home=name(command.home), actor=self.actor_of(command.actor, old, new))

        receipts = {
            (name(home), key): Receipt(
                command=command_of(receipt.command), facts={name(stream): told for stream, told in receipt.facts.items()}
            )
            for (home, key), receipt in before["receipts"].items()
        }
        counters = {
            counter: {Key(name(StreamId(key))): claim for key, claim in held.items()}
            for counter, held in before["counters"].items()
        }
        log = {
            number: (command_of(command), tuple(attrs.evolve(append, stream=name(append.stream)) for append in appends))
            for number, (command, appends) in before["log"].items()
        }
        moved = {kind: {name(stream): kept for stream, kept in before[kind].items()} for kind in ("facts", "dues")}
        return {**moved, "receipts": receipts, "counters": counters, "log": log}

    def actor_of(self, actor: str, old: StreamId, new: StreamId) -> str:
        return new.partition("/")[2] if actor == old.partition("/")[2] else actor

    def rewrite(self, stream: StreamId, facts: Sequence[Fact]) -> None:
        """Put facts in the place of others, in receipts and exports too."""
        self.facts[stream] = list(facts)
        for number, (command, appends) in self.log.items():
            told = tuple(
                attrs.evolve(append, facts=facts[append.expected_version : append.expected_version + len(append.facts)])
                if append.stream == stream
                else append
                for append in appends
            )
            self.log[number] = (command, told)
            self.rewrite_receipt(command, told)

    def rewrite_receipt(self, command: Command, appends: Sequence[Append]) -> None:
        receipt = Receipt(command=command, facts={append.stream: append.facts for append in appends})
        self.receipts[self.command_id(command.home, command.key)] = receipt

    def lose_snapshot(self, stream: StreamId) -> None:
        self.snapshots.pop(stream, None)


# ---- exports ----


class ListsWhatAppended(Full):
    """A commit that appended nothing is not listed."""

    def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        listed = super().commits(after=after, limit=len(self.log))
        return [commit for commit in listed if commit.appends][:limit]


class ListsCommitsFromTheStart(Full):
    """Each page of commits is the first."""

    def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        return super().commits(after=None, limit=limit)


class ListsCommitsTwice(Full):
    """A page begins with the last of the page before."""

    def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        again = None if after is None or int(after) in {0, len(self.log)} else Cursor(str(int(after) - 1))
        return (
            [*super().commits(after=again, limit=1), *super().commits(after=after, limit=limit - 1)]
            if again
            else (super().commits(after=after, limit=limit))
        )


class ListsLargePages(Full):
    """The limit of a page is ignored."""

    def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        return super().commits(after=after, limit=limit + 1)


class ListsWhatWasDue(Full):
    """What an earlier append said to be due is listed, though a later one replaced it."""

    def as_listed(self, append: Append) -> Append:
        return append


class ForgetsWhereItAppended(Full):
    """Every append is listed at version 0."""

    def as_listed(self, append: Append) -> Append:
        return attrs.evolve(super().as_listed(append), expected_version=0)


class MovesWhereItAppended(Full):
    """Of an append in the middle, the version is another."""

    def as_listed(self, append: Append) -> Append:
        listed = super().as_listed(append)
        return attrs.evolve(listed, expected_version=7) if listed.expected_version == 1 and listed.due_at is None else listed


class ListsFreedClaims(Full):
    """What a key no longer holds is listed as if it did."""

    def is_listed(self, claim: Claim) -> bool:
        return True


class ForgetsWhenClaimsEnd(Full):
    """Every claim is listed as one for ever."""

    def claims(self, *, after: Cursor | None, limit: int) -> Sequence[KeptClaim]:
        return [attrs.evolve(claim, until=None) for claim in super().claims(after=after, limit=limit)]


# ---- snapshots ----


class CountsTheTail(Full):
    """The version is the number of facts that are read."""

    def tail(self, stream: StreamId, form: str) -> SnapshotStream:
        tail = super().tail(stream, form)
        return attrs.evolve(tail, version=len(tail.facts))


class ReadsEverything(Full):
    """The facts before the snapshot are answered once more."""

    def tail(self, stream: StreamId, form: str) -> SnapshotStream:
        return attrs.evolve(super().tail(stream, form), facts=self.stored(stream).facts)


class ReadsInTwoViews(Full):
    """The snapshot is read first, and the facts a moment later."""

    def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        with self.lock:
            counted = {stream: self.stored(stream).version for stream in streams}
        time.sleep(GAP_SECONDS)
        found = super().load_tails(streams, form=form)
        return {stream: attrs.evolve(tail, version=counted[stream]) for stream, tail in found.items()}


class AnswersInAnyForm(Full):
    """A snapshot is answered whatever its form."""

    def tail(self, stream: StreamId, form: str) -> SnapshotStream:
        kept = self.snapshots.get(stream)
        return super().tail(stream, form if kept is None else kept.form)


class AnswersWhatHasSnapshots(Full):
    """A stream without a snapshot has no facts."""

    def tail(self, stream: StreamId, form: str) -> SnapshotStream:
        tail = super().tail(stream, form)
        # Those with many facts are answered, so that only what clause 2 says is broken.
        return tail if tail.snapshot or tail.version != 2 else SnapshotStream(version=tail.version)


class KeepsTheLastSnapshot(Full):
    """An older snapshot replaces a newer one."""

    def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        self.snapshots[stream] = snapshot


class CutsSnapshots(Full):
    """A column for states holds 65,535 characters."""

    def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        super().keep_snapshot(stream, attrs.evolve(snapshot, text=snapshot.text[:65_535]))


class MindsWhatMoved(Full):
    """A snapshot of a stream that moved on is a conflict."""

    def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        if stream in self.dues and self.stored(stream).version > snapshot.version:
            raise ConflictError(stream)
        super().keep_snapshot(stream, snapshot)


class SettlesWhatIsDue(Full):
    """With a snapshot, nothing is due any more."""

    def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        super().keep_snapshot(stream, snapshot)
        self.write_due(stream, None)


# ---- what the shop writes in a commit ----


class CallsTwice(Full):
    """What the shop does is done twice."""

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], None], /) -> None:
        def twice(given: object) -> None:
            then(given)
            then(given)

        super().commit_then(command, changes, twice)


class CallsNobody(Full):
    """What the shop does is passed over."""

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], None], /) -> None:
        self.commit(command, changes)


class WritesBeside(Full):
    """What the shop writes stays when the commit does not."""

    def restore(self, saved: Mapping[str, dict[Any, Any]]) -> None:
        super().restore({name: copy for name, copy in saved.items() if name != "texts"})


class KeepsThenCalls(Full):
    """An error of the shop's comes too late: everything is kept."""

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], None], /) -> None:
        self.commit(command, changes)
        then(self)


class WrapsErrors(Full):
    """An error of the shop's comes out as another."""

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], None], /) -> None:
        def wrapped(given: object) -> None:
            try:
                then(given)
            except Exception as error:
                raise type(error) from error

        super().commit_then(command, changes, wrapped)


class CallsThenChecks(Full):
    """What the shop does is done before anything is checked."""

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], None], /) -> None:
        with self.lock:
            then(self)
            self.commit(command, changes)


# ---- forgetting ----


class LeavesFacts(Full):
    """The old stream is left as it was."""

    def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        before = self.facts.get(old, [])
        super().rename(old, new, facts=facts)
        self.facts[old] = before


class LeavesPart(Full):
    """One kind of what is kept stays under the old name."""

    part: ClassVar[str]

    def renamed(self, before: Mapping[str, dict[Any, Any]], old: StreamId, new: StreamId) -> dict[str, dict[Any, Any]]:
        return {kind: kept for kind, kept in super().renamed(before, old, new).items() if kind != self.part}


class LeavesReceipts(LeavesPart):
    """Receipts stay under the old name."""

    part = "receipts"


class LeavesClaims(LeavesPart):
    """Claims stay under the old name."""

    part = "counters"


class LeavesDue(LeavesPart):
    """What is due stays under the old name."""

    part = "dues"


class LeavesExports(LeavesPart):
    """An export still names the one who went."""

    part = "log"


class LeavesSnapshots(Full):
    """Snapshots stay."""

    def lose_snapshot(self, stream: StreamId) -> None:
        """Lose nothing."""


class LeavesOldFacts(Full):
    """The facts given are not looked at."""

    def rewrite(self, stream: StreamId, facts: Sequence[Fact]) -> None:
        """Rewrite nothing."""


class LeavesFactsOfReceipts(Full):
    """Receipts answer with the facts that were."""

    def rewrite_receipt(self, command: Command, appends: Sequence[Append]) -> None:
        """Rewrite nothing."""


class LeavesActors(Full):
    """Who asked is still named."""

    def actor_of(self, actor: str, old: StreamId, new: StreamId) -> str:
        return actor


class RenamesBlindly(Full):
    """Nothing is checked before."""

    def check_rename(self, old: StreamId, new: StreamId, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Let everything pass."""


class ChecksAsItRenames(Full):
    """A rename that is refused has been done by half."""

    def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        given = dict(facts)
        try:
            super().rename(old, new, facts=given)
        except ConflictError:
            if new in given and not self.stored(new).version:
                self.facts[new] = list(given[new])
            raise


MORE_CANARIES: Final[Mapping[tuple[str, int], tuple[type[Full], ...]]] = {
    ("Exportable", 1): (
        ListsWhatAppended,
        ListsCommitsFromTheStart,
        ListsCommitsTwice,
        ListsLargePages,
        ListsWhatWasDue,
        ForgetsWhereItAppended,
        MovesWhereItAppended,
    ),
    ("Exportable", 2): (ListsFreedClaims, ForgetsWhenClaimsEnd),
    ("Snapshots", 1): (CountsTheTail, ReadsEverything, ReadsInTwoViews),
    ("Snapshots", 2): (AnswersInAnyForm, AnswersWhatHasSnapshots),
    ("Snapshots", 3): (KeepsTheLastSnapshot, CutsSnapshots),
    ("Snapshots", 4): (MindsWhatMoved, SettlesWhatIsDue),
    ("Projecting", 1): (CallsTwice, CallsNobody),
    ("Projecting", 2): (WritesBeside,),
    ("Projecting", 3): (KeepsThenCalls, WrapsErrors),
    ("Projecting", 4): (CallsThenChecks,),
    ("Forgetting", 1): (LeavesFacts, LeavesReceipts, LeavesClaims, LeavesDue, LeavesExports, LeavesSnapshots),
    ("Forgetting", 2): (LeavesOldFacts, LeavesFactsOfReceipts),
    ("Forgetting", 3): (LeavesActors,),
    ("Forgetting", 4): (RenamesBlindly, ChecksAsItRenames),
}


# ---- transactions of the caller's ----


class Joined(Full):
    """An honest repository that can take part in a transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = False

    def in_transaction(self) -> bool:
        return self.is_open

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin a transaction; commit it, or roll it back."""
        before, self.is_open = self.saved(), True
        try:
            yield
        except BaseException:
            self.roll_back(before)
            raise
        finally:
            self.is_open = False

    def roll_back(self, before: Mapping[str, dict[Any, Any]]) -> None:
        self.restore(before)


class Client(Joined):
    """An honest repository over a store that others use as well."""

    store: ClassVar[Full] = Full()

    def __init__(self) -> None:
        super().__init__()
        self.attach()

    def attach(self) -> None:
        """Look at the store itself."""
        self.lock = self.store.lock
        for name in _KEPT:
            setattr(self, name, getattr(self.store, name))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.is_open = True
        for name, copy in self.saved().items():
            setattr(self, name, copy)
        try:
            yield
            self.store.restore(self.saved())
        finally:
            self.is_open = False
            self.attach()


class ShowsTooEarly(Client):
    """Others see at once what may still be rolled back."""

    store = Full()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with Joined.transaction(self):
            yield


class WaitsForTheEnd(Joined):
    """What is committed inside is written at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Command, Sequence[Change]]] = []

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        if self.is_open:
            self.waiting.append((command, changes))
        else:
            super().commit(command, changes)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.waiting = []
        with super().transaction():
            yield
        for command, changes in self.waiting:
            super().commit(command, changes)


class FailsAtTheEnd(Joined):
    """The caller's transaction cannot be committed any more."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        receipts = len(self.receipts)
        with super().transaction():
            yield
        if len(self.receipts) > receipts + 1:
            msg = "current transaction is aborted"
            raise RuntimeError(msg)


class HidesFromOthers(Client):
    """While a transaction is open, nobody else can read."""

    store = Full()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.store.lock, super().transaction():
            yield


class IgnoresRollback(Joined):
    """A rollback rolls nothing back."""

    def roll_back(self, before: Mapping[str, dict[Any, Any]]) -> None:
        """Leave everything."""


class KeepsReceipts(Joined):
    """After a rollback the keys are used up."""

    def roll_back(self, before: Mapping[str, dict[Any, Any]]) -> None:
        self.restore({name: copy for name, copy in before.items() if name != "receipts"})


class RollsBackWhenRefused(Joined):
    """A refusal takes the caller's own work along."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: Mapping[str, dict[Any, Any]] = {}

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        if not self.is_open:
            self.begun = {}
        try:
            super().commit(command, changes)
        except ConflictError:
            self.restore(self.begun)
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.begun = self.saved()
        with super().transaction():
            yield


class NeverIn(Joined):
    """It says that no transaction is open."""

    def in_transaction(self) -> bool:
        return False


class AlwaysIn(Joined):
    """It says that a transaction is open."""

    def in_transaction(self) -> bool:
        return True


JOINING_CANARIES: Final[Mapping[int, tuple[type[Joined], ...]]] = {
    1: (ShowsTooEarly, WaitsForTheEnd, FailsAtTheEnd, HidesFromOthers),
    2: (IgnoresRollback, KeepsReceipts),
    3: (RollsBackWhenRefused,),
    4: (NeverIn, AlwaysIn),
}


# ---- awaited ----


class Awaiting:
    """An honest repository that is awaited, and lets others run before it answers."""

    def __init__(self) -> None:
        self.inner = Full()
        self.is_closed = False

    async def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        await asyncio.sleep(0)
        return self.inner.load(streams)

    async def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        await asyncio.sleep(0)
        return self.inner.receipt(home, key)

    async def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        await asyncio.sleep(0)
        self.inner.commit(command, changes)
        await asyncio.sleep(0)

    async def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        return self.inner.claimed(counters, key=key, at=at)

    async def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        return self.inner.due(before=before, after=after, limit=limit)

    async def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
        return self.inner.streams(kind, after=after, limit=limit)

    async def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        return self.inner.commits(after=after, limit=limit)

    async def claims(self, *, after: Cursor | None, limit: int) -> Sequence[KeptClaim]:
        return self.inner.claims(after=after, limit=limit)

    async def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        return self.inner.load_tails(streams, form=form)

    async def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        self.inner.keep_snapshot(stream, snapshot)

    async def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], Awaitable[None]], /) -> None:
        before = self.inner.saved()
        self.inner.check(command, changes)
        self.inner.write(command, changes)
        try:
            await then(self.inner)
        except BaseException:
            self.inner.restore(before)
            raise

    async def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        self.inner.rename(old, new, facts=facts)

    async def aclose(self) -> None:
        """Close once."""
        assert not self.is_closed
        self.is_closed = True


class AwaitsThenActs(Awaiting):
    """Others run between the check and the act."""

    async def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        self.inner.check(command, changes)
        await asyncio.sleep(GAP_SECONDS)
        self.inner.write(command, changes)


class CountsThenAwaits(Awaiting):
    """Others claim between the count and the claim."""

    async def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        self.inner.check(command, changes)
        if any(isinstance(change, Claim) for change in changes):
            await asyncio.sleep(GAP_SECONDS)
        self.inner.check_command(command)
        self.inner.check_versions(changes)
        self.inner.write(command, changes)


class KeepsTheLock(Awaiting):
    """A call that is cancelled while it holds the lock never gives it back."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = asyncio.Lock()

    async def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        await self.lock.acquire()
        await asyncio.sleep(0)
        try:
            self.inner.commit(command, changes)
        finally:
            self.lock.release()


class WritesAsItAwaits(Awaiting):
    """A call that is cancelled in the middle leaves its first half."""

    async def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        self.inner.check(command, changes)
        self.inner.write(command, [change for change in changes if isinstance(change, Append)])
        if any(isinstance(change, Claim) and change.limit is None for change in changes):
            await asyncio.sleep(0)
        for change in changes:
            if isinstance(change, Claim):
                self.inner.write_change(change)


class WritesTheReceiptLast(Awaiting):
    """A call that is cancelled in the middle has appended, and left no receipt."""

    async def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        self.inner.check(command, changes)
        for change in changes:
            self.inner.write_change(change)
        if {type(change) for change in changes} == {Append, Claim}:
            await asyncio.sleep(0)
        self.inner.write(command, [change for change in changes if isinstance(change, Claim)])
        appends = [change for change in changes if isinstance(change, Append)]
        self.inner.log[len(self.inner.log)] = (command, tuple(appends))
        self.inner.rewrite_receipt(command, appends)


class NeverAnswers(Awaiting):
    """A load hangs."""

    async def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        await asyncio.sleep(3600)
        return {}


ASYNC_CANARIES: Final[Mapping[int, tuple[type[Awaiting], ...]]] = {
    1: (NeverAnswers,),
    3: (KeepsTheLock, WritesAsItAwaits, WritesTheReceiptLast),
    5: (AwaitsThenActs,),
    11: (CountsThenAwaits,),
}
