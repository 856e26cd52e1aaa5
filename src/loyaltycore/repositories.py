"""The port: five methods between the library and whatever keeps its facts.

Implement ``Repository`` over a database of your own and run ``loyaltycore.testing.check_repository`` against it: it checks every
numbered clause, and names the one that is broken. For points alone, ``PointsAccountRepository`` is smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NewType, Protocol, final, runtime_checkable

import attrs

from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact, Posting
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.points import PointsAccount

__all__ = [
    "STREAMS_PAGE",
    "Append",
    "Change",
    "Claim",
    "Claimed",
    "Command",
    "Cursor",
    "Due",
    "Enumerable",
    "Expect",
    "PointsAccountRepository",
    "Receipt",
    "Repository",
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

    One commit appends to a stream once and claims a counter for a key once; its claims count together, in any order.
    An implementation need not inherit.
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
