"""The port: five methods between the library and whatever keeps its facts.

Implement ``Repository`` over a database of your own and run ``loyaltycore.testing.check_repository`` against it: it checks every
numbered clause, and names the one that is broken. For points alone, ``PointsAccountRepository`` is smaller.

What a repository may be able to do besides stands in protocols of its own: it declares each by having its methods, and the kit
checks those it has. ``Enumerable`` lists streams, ``Exportable`` all that is kept, ``Snapshots`` keeps states beside facts,
``Projecting`` lets the shop write its own tables in the same commit, ``Joining`` takes part in a transaction of the caller's,
``Forgetting`` takes a member's id out of everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NewType, Protocol, final, runtime_checkable

import attrs

from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact, Posting
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.points import PointsAccount

__all__ = [
    "STREAMS_PAGE",
    "Append",
    "AsyncEnumerable",
    "AsyncExportable",
    "AsyncForgetting",
    "AsyncProjecting",
    "AsyncRepository",
    "AsyncSnapshots",
    "Change",
    "Claim",
    "Claimed",
    "Command",
    "Cursor",
    "Due",
    "Enumerable",
    "Expect",
    "Exportable",
    "Forgetting",
    "Joining",
    "KeptClaim",
    "KeptCommit",
    "PointsAccountRepository",
    "Projecting",
    "Receipt",
    "Repository",
    "Snapshot",
    "SnapshotStream",
    "Snapshots",
    "StoredStream",
    "every_stream",
]

STREAMS_PAGE: Final = 1000
"""Streams in a page of a listing, unless said."""

Cursor = NewType("Cursor", str)
"""Where a listing goes on; opaque, made by the repository."""


@final
@attrs.frozen
class StoredStream:
    """A stream as it is kept.

    Attributes:
        version: How many facts it holds; 0 for one that was never written.
        facts: All of them, in order.
    """

    version: int = 0
    facts: tuple[Fact, ...] = ()


@final
@attrs.frozen(kw_only=True)
class Receipt:
    """What a command did when it was committed.

    Attributes:
        command: The command as it was first made, with its fingerprint.
        facts: Exactly the facts it appended, by stream.
    """

    command: Command
    facts: Mapping[StreamId, tuple[Fact, ...]]


@final
@attrs.frozen(kw_only=True)
class Claimed:
    """What is held of a counter.

    Attributes:
        total: By all live claims.
        mine: By the key that asks.
    """

    total: int
    mine: int


@final
@attrs.frozen(kw_only=True)
class Due:
    """A stream that time brings something for.

    Attributes:
        stream: Which.
        due_at: Since when.
        cursor: Where the listing goes on after it.
    """

    stream: StreamId
    due_at: datetime
    cursor: Cursor


class Repository(Protocol):
    """Keeps facts, under a contract of numbered clauses.

    Loading
        1. ``load`` answers every stream asked for; one never written has version 0 and no facts.
        2. Facts come back equal, in the order appended, with any Unicode text in them; ``version`` is their number.

    Committing
        3. A commit is all or nothing: every append, every claim and the receipt, or none of them, also when the process dies.
        4. An append or expectation whose version is not the stored one raises ``ConflictError``, and nothing is written.
        5. Of several commits at one version exactly one succeeds, whoever runs at once.
        6. A command whose key its home has seen raises ``DuplicateError``, whatever its fingerprint, for ever, and nothing
            is written.
        7. The same key under another home is another command.
        8. Duplicate comes before conflict, conflict before limit.

    Receipts
        9. ``receipt`` answers the first command and exactly the facts it appended, of all streams; ``None`` for
            a key never committed.

    Claims
        10. A claim is absolute: after the commit the key holds exactly ``amount``; 0 frees it.
        11. A claim that raises what its key holds, and would bring the live total above ``limit``, raises ``LimitReachedError``,
            and nothing is written; a decrease always passes; the sum of live claims never passes the limit, whoever runs at once.
        12. From ``until`` on a claim no longer counts; the claim that needs the room takes it.
        13. ``claimed`` answers every counter asked for: the live total at ``at``, and what ``key`` holds of it.

    Due
        14. ``due`` lists the streams whose last append said a ``due_at`` before ``before``, in order of ``due_at`` and stream,
            at most ``limit``, after ``after``; a later append replaces what an earlier one said.

    One commit appends to a stream once and claims a counter for a key once; its claims count together, in any order. It may
    change nothing at all, and leave a receipt.
    Where the connection breaks while a commit is under way, nobody knows whether it was kept: that is ``OutcomeUnknownError``,
    and the same command again settles it. An implementation need not inherit.
    """

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Give streams as they are kept: clauses 1 and 2."""

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did: clause 9."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes, all or nothing: clauses 3 to 8 and 10 to 12.

        Raises:
            DuplicateError: The key was committed before.
            ConflictError: A version moved.
            LimitReachedError: A counter has no room.
            OutcomeUnknownError: The connection broke while it was being kept.
        """

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters: clause 13."""

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List streams that time brings something for: clause 14."""


@runtime_checkable
class Enumerable(Protocol):
    """A repository that can list its streams, for export, summaries and comparisons.

    1. ``streams`` lists every stream of the kind that was written, once, and no other.
    2. It lists them in order of their ids, by code point, at most ``limit``, after ``after``.
    """

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = STREAMS_PAGE) -> Sequence[StreamId]:
        """List the streams of a kind (``"member"``, ``"order"``) in order of their ids.

        Args:
            kind: What stands before the slash.
            after: The last id of the page before; ``None`` starts.
            limit: At most so many, at least 1.
        """


@final
@attrs.frozen(kw_only=True)
class KeptCommit:
    """One commit as it was kept, for an export.

    Attributes:
        command: As it was first made.
        appends: What it appended, each at the version it found; ``due_at`` is said only where no later append replaced it.
        cursor: Where the listing goes on after it.
    """

    command: Command
    appends: tuple[Append, ...]
    cursor: Cursor


@final
@attrs.frozen(kw_only=True)
class KeptClaim:
    """What one key holds of a counter, for an export.

    Attributes:
        counter: The total that many share.
        key: Who holds it.
        amount: How much, at least 1.
        until: First instant at which it no longer counts; ``None`` counts for ever.
        cursor: Where the listing goes on after it.
    """

    counter: CounterId
    key: Key
    amount: int
    until: datetime | None
    cursor: Cursor


@runtime_checkable
class Exportable(Protocol):
    """A repository that can list all that it keeps: for backups that can be read, and for moving to another one.

    1. ``commits`` lists every commit once, also one that appended nothing, in pages of at most ``limit``, after ``after``; what
       is committed meanwhile may be listed or not. Committing them again elsewhere, each when its versions are met, gives the
       same streams and receipts.
    2. ``claims`` lists every claim that holds something, once, in pages likewise; those that no longer count may be listed too.
    """

    def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        """List commits: clause 1."""

    def claims(self, *, after: Cursor | None, limit: int) -> Sequence[KeptClaim]:
        """List claims: clause 2."""


@final
@attrs.frozen(kw_only=True)
class Snapshot:
    """What a stream came to at a version, so that fewer facts need to be read.

    Attributes:
        form: Names the form of the text; a library that does not know it reads the facts instead.
        version: How many facts it stands for, at least 1.
        text: The state, as text.
    """

    form: str
    version: int
    text: str


@final
@attrs.frozen(kw_only=True)
class SnapshotStream:
    """A stream as it is kept, from its snapshot on.

    Attributes:
        version: How many facts the stream holds, those before the snapshot too.
        snapshot: The one that was kept; ``None`` where there is none in the form asked for.
        facts: Those after the snapshot, in order; all, where there is none.
    """

    version: int = 0
    snapshot: Snapshot | None = None
    facts: tuple[Fact, ...] = ()


@runtime_checkable
class Snapshots(Protocol):
    """A repository that can keep what a stream came to, beside its facts. Any snapshot may be lost at any time: none is missed.

    1. ``load_tails`` answers every stream asked for with the snapshot kept in that form and the facts after it, in one view: what
       the snapshot stands for and the facts together are all facts up to ``version``.
    2. A stream without a snapshot in that form is answered whole, as ``load`` would.
    3. ``keep_snapshot`` replaces an older one, of any form; an older one replaces nothing; the text comes back equal.
    4. ``keep_snapshot`` changes nothing else, and raises no ``ConflictError`` when the stream moved on.
    """

    def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        """Give streams from their snapshots on: clauses 1 and 2."""

    def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        """Keep what a stream came to: clauses 3 and 4."""


@runtime_checkable
class Projecting(Protocol):
    """A repository that can do something of the shop's inside a commit, such as keeping ``customer.points`` up to date.

    1. ``commit_then`` is ``commit``, and calls ``then`` once when everything is checked and written, before it is kept.
    2. What ``then`` wrote through what it was given is kept with the commit, or not at all.
    3. An error that ``then`` raises comes out as it is, and nothing is kept.
    4. A commit that is refused does not call ``then``.
    """

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], object], /) -> None:
        """Keep changes and what the shop does beside: clauses 1 to 4.

        Args:
            command: As for ``commit``.
            changes: As for ``commit``.
            then: Given what the repository writes through: a cursor, a connection, a session; ``None`` where that goes without
                saying.
        """


@runtime_checkable
class Joining(Protocol):
    """A repository that can take part in a transaction of the caller's.

    1. Within the caller's transaction a commit is seen by the same repository at once, and by others when the caller commits.
    2. The caller's rollback leaves nothing of it: no facts, no receipts, no claims.
    3. A commit that is refused leaves the caller's own work, and the transaction goes on.
    4. ``in_transaction`` says whether a commit now would wait for the caller's.
    """

    def in_transaction(self) -> bool:
        """Say whether a transaction of the caller's is open: clause 4."""


@runtime_checkable
class Forgetting(Protocol):
    """A repository that can take an id out of everything, leaving the books.

    1. ``rename`` gives every fact of ``old`` to ``new``, which must be empty, at the same versions, with its receipts and what is
       due, and the claims of the key ``old`` to the key ``new``; ``old`` is afterwards as if never written. A snapshot of any
       stream that was touched is gone.
    2. The facts given replace those of their streams, one for one; receipts answer with them, and with ``new`` for ``old``, from
       then on, under whatever home they stand.
    3. A receipt whose actor is the id of ``old``, what stands after its slash, has the id of ``new`` as actor.
    4. It is all or nothing; a version that is not the stored one raises ``ConflictError``.
    """

    def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Rename a stream, and rewrite facts: clauses 1 to 4.

        Args:
            old: The stream that goes.
            new: The stream that takes its place.
            facts: All facts of each stream that is rewritten, under its name afterwards; as many as it holds.

        Raises:
            ConflictError: Another number of facts is stored, or ``new`` is not empty.
        """


class AsyncRepository(Protocol):
    """``Repository``, awaited: the same clauses, each method a coroutine; calls of one repository may overlap."""

    async def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Give streams as they are kept: clauses 1 and 2."""

    async def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did: clause 9."""

    async def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes, all or nothing: clauses 3 to 8 and 10 to 12.

        Raises:
            DuplicateError: The key was committed before.
            ConflictError: A version moved.
            LimitReachedError: A counter has no room.
        """

    async def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters: clause 13."""

    async def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List streams that time brings something for: clause 14."""


class AsyncEnumerable(Protocol):
    """``Enumerable``, awaited."""

    async def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = STREAMS_PAGE) -> Sequence[StreamId]:
        """List the streams of a kind in order of their ids."""


class AsyncExportable(Protocol):
    """``Exportable``, awaited."""

    async def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        """List commits."""

    async def claims(self, *, after: Cursor | None, limit: int) -> Sequence[KeptClaim]:
        """List claims."""


class AsyncSnapshots(Protocol):
    """``Snapshots``, awaited."""

    async def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        """Give streams from their snapshots on."""

    async def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        """Keep what a stream came to."""


class AsyncProjecting(Protocol):
    """``Projecting``, awaited."""

    async def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], Awaitable[object]], /) -> None:
        """Keep changes and what the shop does beside."""


class AsyncForgetting(Protocol):
    """``Forgetting``, awaited."""

    async def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Rename a stream, and rewrite facts."""


class PointsAccountRepository(Protocol):
    """The classic way for points alone: one JSON column and a version on a table that is there already.

    1. ``get`` of a member never saved answers ``PointsAccount.open(member_id)``.
    2. ``save`` keeps ``posting.state`` where the stored version is still ``posting.version``, and raises
       ``ConflictError`` where it is not.
    """

    def get(self, member_id: str, /) -> PointsAccount:
        """Give a member's account."""

    def save(self, posting: Posting[PointsAccount], /) -> None:
        """Keep what a command decided.

        Raises:
            ConflictError: The account moved since it was read.
        """


def every_stream(repository: Enumerable, kind: str, *, page: int = STREAMS_PAGE) -> Iterator[StreamId]:
    """Go through all streams of a kind, page by page.

    Args:
        repository: One that can list its streams.
        kind: What stands before the slash.
        page: How many at a time.
    """
    after: StreamId | None = None
    while streams := repository.streams(kind, after=after, limit=page):
        yield from streams
        after = streams[-1]
