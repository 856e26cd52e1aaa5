"""How a commit begins and ends through SQLAlchemy, and what the errors of a database mean.

In a transaction of its own a commit ends with COMMIT; in the caller's it is a savepoint, and the caller's COMMIT keeps it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, Final, TypeAlias, TypeVar, final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from loyaltycore.errors import ConflictError, OutcomeUnknownError, UsageError

__all__ = ["AsyncLent", "AsyncPool", "Given", "Lent", "Pool", "told"]

Given: TypeAlias = Connection | Session
"""What the caller has a transaction on."""

AsyncGiven: TypeAlias = AsyncConnection | AsyncSession
"""The same, awaited."""

T = TypeVar("T")

_LOST_RACES: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available: PostgreSQL wrote nothing, and the call may be made again."""

_CONNECTION_ENDS: Final = ("08", "57P")
"""How the SQLSTATE of a connection that breaks, or of a server that shuts down, begins."""


@final
class Pool:
    """Connections of an engine: each call takes one, and each commit is a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        """Take the shop's engine; its settings are the shop's."""
        is_postgresql = engine.dialect.name == "postgresql"
        # Each statement that reads is a view of its own: it needs no transaction, and no two journeys more for one.
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT") if is_postgresql else engine
        self._writing = engine.execution_options(isolation_level="READ COMMITTED") if is_postgresql else engine

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Give a connection to read from."""
        with self._reading.connect() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[tuple[Connection, Given]]:
        """Do all or nothing; beside the connection give what the shop writes through."""
        with self._writing.connect() as connection, _own_transaction(connection):
            yield connection, connection


@final
class Lent:
    """The caller's connection or session: each commit joins the caller's transaction."""

    def __init__(self, bind: Given) -> None:
        """Take what the caller lends."""
        self._bind = bind

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Give a connection to read from."""
        yield _connection_of(self._bind)

    @contextmanager
    def transaction(self) -> Iterator[tuple[Connection, Given]]:
        """Do all or nothing; beside the connection give what the shop writes through."""
        with _joined_transaction(self._bind):
            yield _connection_of(self._bind), self._bind


@final
class AsyncPool:
    """``Pool``, awaited."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the shop's engine; its settings are the shop's."""
        is_postgresql = engine.dialect.name == "postgresql"
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT") if is_postgresql else engine
        self._writing = engine.execution_options(isolation_level="READ COMMITTED") if is_postgresql else engine

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Give what is read from a connection."""
        async with _taken(self._reading) as connection:
            return await connection.run_sync(work)

    async def write(self, work: Callable[[Connection], None], then: Callable[[Any], Awaitable[None]] | None = None) -> None:
        """Do all or nothing, and what the shop does beside."""
        async with _taken(self._writing) as connection, _step_by_step(connection, _own_transaction):
            await connection.run_sync(work)
            if then is not None:
                await then(connection)


@final
class AsyncLent:
    """``Lent``, awaited; calls that overlap take turns, for they share one connection."""

    def __init__(self, bind: AsyncGiven) -> None:
        """Take what the caller lends."""
        self._bind = bind
        self._turn = asyncio.Lock()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Give what is read from the connection."""
        async with self._turn:
            return await _run(self._bind, lambda given: work(_connection_of(given)))

    async def write(self, work: Callable[[Connection], None], then: Callable[[Any], Awaitable[None]] | None = None) -> None:
        """Do all or nothing, and what the shop does beside."""
        async with self._turn, _step_by_step(self._bind, _joined_transaction):
            await _run(self._bind, lambda given: work(_connection_of(given)))
            if then is not None:
                await then(self._bind)


@contextmanager
def told() -> Iterator[None]:
    """Tell a race that was lost as a conflict; every other error of the database comes out as it is."""
    try:
        yield
    except DBAPIError as error:
        if _sqlstate(error) in _LOST_RACES or _sqlite_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            msg = f"another writer was faster, or held a lock for too long: {error.orig}"
            raise ConflictError(msg) from error
        raise


@contextmanager
def _own_transaction(connection: Connection) -> Iterator[None]:
    """Do all or nothing on a connection of our own, and keep it."""
    with told():
        transaction = connection.begin()
        _begin_in_sqlite(connection)
    try:
        yield
    except BaseException:
        # Where the connection is broken the server has rolled back by itself: the first error is the one to tell.
        with suppress(DBAPIError):
            transaction.rollback()
        raise
    with told():
        try:
            transaction.commit()
        except DBAPIError as error:
            _roll_back_driver(connection)
            if _is_open_question(error):
                msg = f"the connection broke while the commit was under way: {error.orig}"
                raise OutcomeUnknownError(msg) from error
            raise


@contextmanager
def _joined_transaction(bind: Given) -> Iterator[None]:
    """Do all or nothing inside the caller's transaction, with a savepoint.

    Raises:
        UsageError: The caller's connection is in autocommit mode: it has no transaction to join.
    """
    connection = _connection_of(bind)
    if not connection.in_transaction():
        connection.begin()
    if _has_no_transactions(connection):
        msg = "a connection in autocommit mode has no transaction to join: give one that has, or the engine"
        raise UsageError(msg)
    with told():
        _begin_in_sqlite(connection)
    with bind.begin_nested():
        yield


def _connection_of(bind: Given) -> Connection:
    """Give the connection of a session, in its transaction; a connection is its own."""
    return bind.connection() if isinstance(bind, Session) else bind


def _roll_back_driver(connection: Connection) -> None:
    """End what COMMIT could not, as when SQLite is busy: no pool is given a connection with an open transaction."""
    if not connection.invalidated:
        # One that is broken has nothing to roll back, and what COMMIT met is the error to tell.
        with suppress(connection.dialect.loaded_dbapi.Error):
            connection.connection.rollback()


_GIVING_BACK: Final = set[asyncio.Task[None]]()
"""Of connections that came too late for whoever asked: a loop keeps no task of its own."""


@asynccontextmanager
async def _taken(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Take a connection from the pool, and give it back.

    Whoever is cancelled on the way to one leaves none behind: SQLAlchemy would lose one that it is about to set up.
    """
    taking = asyncio.ensure_future(engine.connect())
    async with AsyncExitStack() as stack:
        try:
            connection = await asyncio.shield(taking)
        except asyncio.CancelledError:
            late = asyncio.ensure_future(_given_back(taking))
            _GIVING_BACK.add(late)
            late.add_done_callback(_GIVING_BACK.discard)
            raise
        stack.push_async_exit(connection)
        yield connection


async def _given_back(taking: asyncio.Future[AsyncConnection]) -> None:
    """Give back a connection that nobody waits for; one that never came holds nothing."""
    with suppress(SQLAlchemyError, OSError):
        await (await taking).close()


async def _run(bind: AsyncGiven, work: Callable[[Any], T]) -> T:
    """Do something with the synchronous face of a connection or session."""
    return await bind.run_sync(work)


@asynccontextmanager
async def _step_by_step(bind: AsyncGiven, make: Callable[[Any], AbstractContextManager[None]]) -> AsyncIterator[None]:
    """Begin and end a transaction as a synchronous one does, with awaiting in between."""

    def begun(given: Given) -> AbstractContextManager[None]:
        transaction = make(given)
        transaction.__enter__()
        return transaction

    transaction = await _run(bind, begun)
    try:
        yield
    except BaseException as error:
        ended = type(error), error, error.__traceback__
        await _run(bind, lambda _: transaction.__exit__(*ended))
        raise
    await _run(bind, lambda _: transaction.__exit__(None, None, None))


def _begin_in_sqlite(connection: Connection) -> None:
    """Begin where Python's driver for SQLite has not: it waits for the first row written, and takes a savepoint for all."""
    if connection.dialect.name == "sqlite" and not _is_in_sqlite_transaction(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _is_in_sqlite_transaction(connection: Connection) -> bool:
    driver = connection.connection.driver_connection
    assert driver is not None  # it is checked out
    return bool(driver.in_transaction)


def _has_no_transactions(connection: Connection) -> bool:
    driver = connection.connection.driver_connection
    assert driver is not None  # it is checked out
    if connection.dialect.name == "sqlite":
        # Without a level nothing begins by itself; who begins by hand, or by an event of the engine, has begun by now.
        return driver.isolation_level is None and not driver.in_transaction
    return bool(driver.autocommit)


def _is_open_question(error: DBAPIError) -> bool:
    """Say whether an error that COMMIT met leaves open whether it was kept."""
    code = _sqlite_code(error)
    if code is not None:
        return code == sqlite3.SQLITE_IOERR
    state = _sqlstate(error)
    # A server that answers with a reason of its own has rolled back.
    return state is None or state.startswith(_CONNECTION_ENDS) or error.connection_invalidated


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _sqlite_code(error: DBAPIError) -> int | None:
    code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
