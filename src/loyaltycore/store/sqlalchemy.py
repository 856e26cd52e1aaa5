"""A repository in the shop's own database, through SQLAlchemy 2: PostgreSQL (driver psycopg 3) or SQLite.

It is given an engine, and each commit is a transaction of its own; or the caller's connection or session, and each commit joins
the caller's transaction with a savepoint. The same statements serve the synchronous and the asynchronous kinds of each.

Invariants:
    1. With an engine, what a commit wrote is kept when it returns, and nothing of it when it raises; only
       ``OutcomeUnknownError`` leaves that open, and the same command again settles it.
    2. With a connection or a session, the caller's rollback leaves nothing of ours, and our refusal leaves the caller's work.
    3. A lost race, a deadlock and a lock that was waited for too long are each a ``ConflictError``.

>>> from sqlalchemy import create_engine
>>> from loyaltycore.identity import member_stream
>>> repository = SQLAlchemyRepository(create_engine("sqlite://"))
>>> repository.create_tables()
>>> repository.load([member_stream("m-42")])
{'member/m-42': StoredStream(version=0, facts=())}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeVar, final

from sqlalchemy import Connection, Engine, MetaData, StaticPool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from loyaltycore.errors import ConflictError, UsageError
from loyaltycore.facts import Change, Command, Fact
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import (
    STREAMS_PAGE,
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
from loyaltycore.store._sql_books import Books
from loyaltycore.store._sql_tables import make_tables
from loyaltycore.store._sql_transactions import AsyncLent, AsyncPool, Lent, Pool, told

__all__ = ["AsyncSQLAlchemyRepository", "SQLAlchemyRepository", "metadata"]

PREFIX: Final = "loyalty_"
"""What the names of tables begin with, unless said."""

_DRIVERS: Final = frozenset({("postgresql", "psycopg"), ("sqlite", "pysqlite"), ("sqlite", "aiosqlite")})

_BOOKS_LIMIT: Final = 64
"""Sets of tables whose statements are kept ready; a process works with one, or with one a tenant."""

T = TypeVar("T")


def metadata(*, schema: str | None = None, prefix: str = PREFIX) -> MetaData:
    """Describe the tables, for the migrations of a shop that has its own, such as Alembic's.

    Args:
        schema: Where they stand; ``None`` is the connection's own.
        prefix: What every name begins with.

    Example:
        >>> sorted(metadata().tables)  # doctest: +NORMALIZE_WHITESPACE
        ['loyalty_claims', 'loyalty_counters', 'loyalty_facts', 'loyalty_receipts', 'loyalty_snapshots', 'loyalty_streams']
    """
    return make_tables(schema=schema, prefix=prefix).metadata


@final
class SQLAlchemyRepository:
    """Keeps facts where an engine, a connection or a session leads.

    With an engine it is safe among threads and processes: each call takes a connection of the pool. With a connection or a
    session it belongs to the thread that these belong to; reading begins a transaction there, as any other statement does.
    """

    def __init__(self, bind: Engine | Connection | Session, /, *, schema: str | None = None, prefix: str = PREFIX) -> None:
        """Use tables that are there, or that ``create_tables`` makes.

        Args:
            bind: An engine; or the caller's connection or session, whose transactions are joined.
            schema: Where the tables stand; ``None`` is the connection's own.
            prefix: What their names begin with.

        Raises:
            UsageError: Another database or driver; a pool of a single connection, which would mix what threads do; or an
                asynchronous kind, which is for ``AsyncSQLAlchemyRepository``.
        """
        dialect = _check_bind(bind, Engine, Connection, Session)
        self._reach = Pool(bind) if isinstance(bind, Engine) else Lent(bind)
        self._books = _books(dialect, schema, prefix)

    def create_tables(self) -> None:
        """Make the tables that are not there; those that are stay as they are."""
        with self._reach.transaction() as (connection, _):
            self._books.create(connection)

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Give streams as they are kept."""
        with self._reach.connected() as connection:
            return self._books.load(connection, streams)

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did."""
        with self._reach.connected() as connection:
            return self._books.receipt(connection, home, key)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes, all or nothing."""
        with self._reach.transaction() as (connection, _), told():
            self._books.commit(connection, command, changes)

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], None], /) -> None:
        """Keep changes and what the shop does beside; ``then`` is given the session or connection that it is written through."""
        with self._reach.transaction() as (connection, given):
            with told():
                self._books.commit(connection, command, changes)
            then(given)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters."""
        with self._reach.connected() as connection:
            return self._books.claimed(connection, counters, key, at)

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List streams that time brings something for."""
        with self._reach.connected() as connection:
            return self._books.due(connection, before, after, limit)

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = STREAMS_PAGE) -> Sequence[StreamId]:
        """List the streams of a kind in order of their ids."""
        with self._reach.connected() as connection:
            return self._books.streams(connection, kind, after, limit)

    def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        """List commits."""
        with self._reach.connected() as connection:
            return self._books.commits(connection, after, limit)

    def claims(self, *, after: Cursor | None, limit: int) -> Sequence[KeptClaim]:
        """List claims."""
        with self._reach.connected() as connection:
            return self._books.claims(connection, after, limit)

    def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        """Give streams from their snapshots on."""
        with self._reach.connected() as connection:
            return self._books.load_tails(connection, streams, form)

    def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        """Keep what a stream came to."""
        # One that met another writer is lost, and none is missed.
        with suppress(ConflictError), self._reach.transaction() as (connection, _), told():
            self._books.keep_snapshot(connection, stream, snapshot)

    def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Rename a stream, and rewrite facts."""
        with self._reach.transaction() as (connection, _), told():
            self._books.rename(connection, old, new, facts)

    def in_transaction(self) -> bool:
        """Say whether a commit now would wait for the caller's: always with a connection or a session, never with an engine."""
        return isinstance(self._reach, Lent)


@final
class AsyncSQLAlchemyRepository:
    """``SQLAlchemyRepository``, awaited; ``then`` of a commit is a coroutine function.

    With an engine calls may overlap, each on a connection of its own. With a connection or a session calls of this repository
    take turns; what else is done with that connection at the same time is the caller's care.
    """

    def __init__(
        self, bind: AsyncEngine | AsyncConnection | AsyncSession, /, *, schema: str | None = None, prefix: str = PREFIX
    ) -> None:
        """Use tables that are there, or that ``create_tables`` makes.

        Args:
            bind: An engine; or the caller's connection or session, whose transactions are joined.
            schema: Where the tables stand; ``None`` is the connection's own.
            prefix: What their names begin with.

        Raises:
            UsageError: As for ``SQLAlchemyRepository``.
        """
        dialect = _check_bind(bind, AsyncEngine, AsyncConnection, AsyncSession)
        self._reach = AsyncPool(bind) if isinstance(bind, AsyncEngine) else AsyncLent(bind)
        self._books = _books(dialect, schema, prefix)

    async def create_tables(self) -> None:
        """Make the tables that are not there; those that are stay as they are."""
        await self._reach.write(self._books.create)

    async def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Give streams as they are kept."""
        return await self._reach.read(lambda connection: self._books.load(connection, streams))

    async def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did."""
        return await self._reach.read(lambda connection: self._books.receipt(connection, home, key))

    async def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes, all or nothing."""
        await self._reach.write(_telling(lambda connection: self._books.commit(connection, command, changes)))

    async def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], Awaitable[None]], /) -> None:
        """Keep changes and what the shop does beside; ``then`` is given the session or connection that it is written through."""
        await self._reach.write(_telling(lambda connection: self._books.commit(connection, command, changes)), then)

    async def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters."""
        return await self._reach.read(lambda connection: self._books.claimed(connection, counters, key, at))

    async def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List streams that time brings something for."""
        return await self._reach.read(lambda connection: self._books.due(connection, before, after, limit))

    async def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = STREAMS_PAGE) -> Sequence[StreamId]:
        """List the streams of a kind in order of their ids."""
        return await self._reach.read(lambda connection: self._books.streams(connection, kind, after, limit))

    async def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        """List commits."""
        return await self._reach.read(lambda connection: self._books.commits(connection, after, limit))

    async def claims(self, *, after: Cursor | None, limit: int) -> Sequence[KeptClaim]:
        """List claims."""
        return await self._reach.read(lambda connection: self._books.claims(connection, after, limit))

    async def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        """Give streams from their snapshots on."""
        return await self._reach.read(lambda connection: self._books.load_tails(connection, streams, form))

    async def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        """Keep what a stream came to."""
        # One that met another writer is lost, and none is missed.
        with suppress(ConflictError):
            await self._reach.write(_telling(lambda connection: self._books.keep_snapshot(connection, stream, snapshot)))

    async def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Rename a stream, and rewrite facts."""
        await self._reach.write(_telling(lambda connection: self._books.rename(connection, old, new, facts)))

    def in_transaction(self) -> bool:
        """Say whether a commit now would wait for the caller's: always with a connection or a session, never with an engine."""
        return isinstance(self._reach, AsyncLent)


@lru_cache(_BOOKS_LIMIT)
def _books(dialect: str, schema: str | None, prefix: str) -> Books:
    """Give the statements over some tables: a repository may be made for each request, and they cost more than its commit."""
    return Books(make_tables(schema=schema, prefix=prefix), dialect)


def _telling(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    def tell(connection: Connection) -> T:
        with told():
            return work(connection)

    return tell


def _check_bind(bind: object, *kinds: type) -> str:
    """Take an engine, a connection or a session of a database that is known, and name its dialect."""
    names = ", ".join(kind.__name__ for kind in kinds)
    if not isinstance(bind, kinds):
        msg = f"bind must be one of {names}, got {type(bind).__name__}"
        raise UsageError(msg)
    source = bind.get_bind() if isinstance(bind, Session | AsyncSession) else bind
    assert isinstance(source, Engine | Connection | AsyncEngine | AsyncConnection)  # the kinds, or what a session is bound to
    dialect = source.dialect
    if (dialect.name, dialect.driver) not in _DRIVERS:
        got = f"{dialect.name}+{dialect.driver}"
        msg = f"bind must lead to PostgreSQL (postgresql+psycopg) or SQLite (sqlite, sqlite+aiosqlite), got {got}"
        raise UsageError(msg)
    if isinstance(bind, Engine | AsyncEngine) and isinstance(bind.pool, StaticPool):
        msg = "bind must be an engine whose calls do not share one connection (StaticPool): their transactions would mix"
        raise UsageError(msg)
    return dialect.name
