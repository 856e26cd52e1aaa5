"""A repository in SQLite: one file on one machine, or tables in a database that is there already.

Facts are kept as readable JSON, one row each. With a file of its own the repository uses write-ahead logging, one connection a
thread, and waits for its turn; with the caller's connection it joins the caller's transaction, with a savepoint for each commit,
and where none is open it begins one, as Python's ``sqlite3`` does for any other statement that writes.

>>> import sqlite3
>>> from loyaltycore.identity import member_stream
>>> repository = SQLiteRepository(connection=sqlite3.connect(":memory:"))
>>> repository.load([member_stream("m-42")])
{'member/m-42': StoredStream(version=0, facts=())}
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self, TypeAlias, final

from loyaltycore.codec import fact_from_text, fact_text
from loyaltycore.errors import ConflictError, CorruptStateError, DuplicateError, LimitReachedError, UsageError
from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import STREAMS_PAGE, Claimed, Cursor, Due, Receipt, StoredStream
from loyaltycore.wire import read_json

__all__ = ["SQLiteRepository"]

SCHEMA: Final = 1
"""Number of the tables' form."""

BUSY_SECONDS: Final = 30
"""How long a commit waits for another one, before it is a conflict."""

_PAGE: Final = 500
"""Ids in one statement: below the least limit any build of SQLite has."""

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS loyalty_meta (schema INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS loyalty_streams (
        stream TEXT PRIMARY KEY, version INTEGER NOT NULL, due_at INTEGER) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS loyalty_streams_due ON loyalty_streams (due_at, stream) WHERE due_at IS NOT NULL",
    """CREATE TABLE IF NOT EXISTS loyalty_facts (
        stream TEXT NOT NULL, version INTEGER NOT NULL, fact TEXT NOT NULL, PRIMARY KEY (stream, version)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS loyalty_receipts (
        home TEXT NOT NULL, key TEXT NOT NULL, actor TEXT NOT NULL, fingerprint TEXT NOT NULL, appended TEXT NOT NULL,
        PRIMARY KEY (home, key)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS loyalty_claims (
        counter TEXT NOT NULL, key TEXT NOT NULL, amount INTEGER NOT NULL, until INTEGER,
        PRIMARY KEY (counter, key)) WITHOUT ROWID""",
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


_INHERITED: Final[list[sqlite3.Connection]] = []
"""A parent's connections, in a forked child: SQLite forbids to close them there, so they are kept."""


@final
class _Handle:
    """A thread's connection: it is closed when its thread ends, and only by the process that opened it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.process = os.getpid()

    def close(self) -> None:
        if self.process == os.getpid():
            self.db.close()
        else:
            _INHERITED.append(self.db)

    __del__ = close


@final
class SQLiteRepository:
    """Keeps facts in SQLite.

    Safe among threads and processes with a file of its own. With ``connection`` it is the caller's: the caller's commit keeps
    what was committed here, the caller's rollback leaves nothing of it, and a refused commit leaves the caller's own work.
    Only on a connection with ``isolation_level=None`` and no open transaction is each commit kept at once.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, connection: sqlite3.Connection | None = None) -> None:
        """Open or create.

        Args:
            path: A file of its own; made when it is not there.
            connection: The caller's, instead of a file; used from the caller's thread.

        Raises:
            UsageError: Neither or both; or ``":memory:"`` as a path, which would be another database for each thread.
            CorruptStateError: The tables were made by a later version.
        """
        if (path is None) == (connection is None) or path in {":memory:", ""}:
            msg = f"give a file's path or a connection (for memory: connection=sqlite3.connect(':memory:')), got {path!r}"
            raise UsageError(msg)
        self._path = None if path is None else str(Path(path).absolute())
        self._given = connection
        self._local = threading.local()
        self._opened = weakref.WeakSet[_Handle]()
        self._prepare()

    def close(self) -> None:
        """Close the connections the repository opened; the caller's own stays open."""
        for handle in list(self._opened):
            handle.close()
        self._opened = weakref.WeakSet()
        self._local = threading.local()

    def __enter__(self) -> Self:
        """Use it in a ``with`` statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close at the end."""
        self.close()

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Give streams as they are kept."""
        facts: dict[StreamId, list[Fact]] = {stream: [] for stream in streams}
        for page in _pages(list(facts)):
            marks = ",".join("?" * len(page))
            rows = self._cursor().execute(
                f"SELECT stream, fact FROM loyalty_facts WHERE stream IN ({marks}) ORDER BY stream, version",  # noqa: S608 - marks only
                page,
            )
            for stream, text in rows:
                facts[stream].append(fact_from_text(text))
        return {stream: StoredStream(len(found), tuple(found)) for stream, found in facts.items()}

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did."""
        cursor = self._cursor()
        row = cursor.execute(
            "SELECT actor, fingerprint, appended FROM loyalty_receipts WHERE home = ? AND key = ?", (home, key)
        ).fetchone()
        if row is None:
            return None
        actor, fingerprint, appended = row
        command = Command(home=home, key=key, fingerprint=read_json(fingerprint), actor=actor)
        facts = {}
        for stream, start, stop in read_json(appended):
            rows = cursor.execute(
                "SELECT fact FROM loyalty_facts WHERE stream = ? AND version > ? AND version <= ? ORDER BY version",
                (stream, start, stop),
            )
            facts[StreamId(stream)] = tuple(fact_from_text(text) for (text,) in rows)
        return Receipt(command=command, facts=facts)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes, all or nothing, in one transaction that holds the write lock from its start."""
        with self._within(self._plan()) as cursor:
            self._write_receipt(cursor, command, changes)
            versions = [change for change in changes if not isinstance(change, Claim)]
            # Of one stream the expectation comes first: it is of what was stored before.
            for change in sorted(versions, key=lambda change: (change.stream, isinstance(change, Append))):
                self._write_stream(cursor, change)
            claims = sorted((c for c in changes if isinstance(c, Claim)), key=lambda claim: (claim.counter, claim.key))
            # All are written before any limit is looked at: those of one commit count together.
            for claim in [claim for claim in claims if self._write_claim(cursor, claim)]:
                self._check_limit(cursor, claim)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters."""
        found = {counter: Claimed(total=0, mine=0) for counter in counters}
        for page in _pages(list(found)):
            marks = ",".join("?" * len(page))
            rows = self._cursor().execute(
                "SELECT counter, SUM(amount), SUM(CASE WHEN key = ? THEN amount ELSE 0 END) FROM loyalty_claims"  # noqa: S608 - marks only
                f" WHERE counter IN ({marks}) AND (until IS NULL OR until > ?) GROUP BY counter",
                (key, *page, _micros(at)),
            )
            for counter, total, mine in rows:
                found[counter] = Claimed(total=total, mine=mine)
        return found

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List streams that time brings something for."""
        start, stream = (-(2**63), "") if after is None else _read_cursor(after)
        rows = self._cursor().execute(
            "SELECT due_at, stream FROM loyalty_streams WHERE due_at IS NOT NULL AND due_at < ? AND (due_at, stream) > (?, ?)"
            " ORDER BY due_at, stream LIMIT ?",
            (_micros(before), start, stream, limit),
        )
        return [
            Due(stream=StreamId(found), due_at=_EPOCH + micros * _MICROSECOND, cursor=Cursor(f"{micros} {found}"))
            for micros, found in rows
        ]

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = STREAMS_PAGE) -> Sequence[StreamId]:
        """List the streams of a kind in order of their ids."""
        first = f"{kind}/" if after is None else after
        # "0" is the character after the slash: everything of the kind sorts below it.
        rows = self._cursor().execute(
            "SELECT stream FROM loyalty_streams WHERE stream > ? AND stream < ? ORDER BY stream LIMIT ?",
            (first, f"{kind}0", limit),
        )
        return [StreamId(stream) for (stream,) in rows]

    def _db(self) -> sqlite3.Connection:
        """Give this thread's connection; a forked process opens its own."""
        if self._given is not None:
            return self._given
        handle: _Handle | None = getattr(self._local, "handle", None)
        if handle is None or handle.process != os.getpid():
            handle = self._local.handle = self._open()
            self._opened.add(handle)
        return handle.db

    def _open(self) -> _Handle:
        assert self._path is not None  # the constructor takes one of the two
        db = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        handle = _Handle(db)
        with _busy_is_a_conflict():
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        return handle

    def _cursor(self) -> sqlite3.Cursor:
        """Give a cursor that answers rows as tuples, whatever rows the caller's connection makes."""
        cursor = self._db().cursor()
        cursor.row_factory = None
        return cursor

    def _plan(self) -> _Plan:
        db = self._db()
        if db.in_transaction:
            return _SAVEPOINT
        # Python begins a transaction by itself before a statement that writes, and leaves it open for the caller to end.
        is_left_open = self._given is not None and db.isolation_level is not None and getattr(db, "autocommit", None) is not True
        return _LEFT_OPEN if is_left_open else _OWN

    @contextmanager
    def _within(self, plan: _Plan) -> Iterator[sqlite3.Cursor]:
        """Do all or nothing."""
        begin, keep, undo = plan
        cursor = self._cursor()
        with _busy_is_a_conflict():
            cursor.execute(begin)
            try:
                yield cursor
                for statement in keep:
                    cursor.execute(statement)
            except BaseException:
                if cursor.connection.in_transaction:
                    for statement in undo:
                        cursor.execute(statement)
                raise

    def _prepare(self) -> None:
        """Make the tables where there are none; a store that has them is opened without a lock."""
        schema = self._schema()
        if schema is None:
            with self._within(_SAVEPOINT if self._db().in_transaction else _OWN) as cursor:
                for statement in _TABLES:
                    cursor.execute(statement)
                # Another process may have made them since.
                cursor.execute("INSERT INTO loyalty_meta SELECT ? WHERE NOT EXISTS (SELECT * FROM loyalty_meta)", (SCHEMA,))
            schema = self._schema()
        if schema != SCHEMA:
            msg = f"the tables have form {schema}; this version knows form {SCHEMA}"
            raise CorruptStateError(msg)

    def _schema(self) -> int | None:
        cursor = self._cursor()
        if cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'loyalty_meta'").fetchone() is None:
            return None
        row = cursor.execute("SELECT schema FROM loyalty_meta").fetchone()
        return None if row is None else int(row[0])

    def _write_receipt(self, cursor: sqlite3.Cursor, command: Command, changes: Iterable[Change]) -> None:
        appended = [
            [change.stream, change.expected_version, change.expected_version + len(change.facts)]
            for change in changes
            if isinstance(change, Append)
        ]
        written = cursor.execute(
            "INSERT INTO loyalty_receipts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (command.home, command.key, command.actor, json.dumps(dict(command.fingerprint)), json.dumps(appended)),
        )
        if written.rowcount != 1:
            msg = f"{command.key!r} was committed in {command.home!r} before"
            raise DuplicateError(msg)

    def _write_stream(self, cursor: sqlite3.Cursor, change: Append | Expect) -> None:
        expected = change.version if isinstance(change, Expect) else change.expected_version
        row = cursor.execute("SELECT version FROM loyalty_streams WHERE stream = ?", (change.stream,)).fetchone()
        stored = 0 if row is None else row[0]
        if stored != expected:
            msg = f"{change.stream!r} is at version {stored}, not {expected}"
            raise ConflictError(msg)
        if isinstance(change, Append):
            due_at = None if change.due_at is None else _micros(change.due_at)
            cursor.execute(
                "INSERT INTO loyalty_streams VALUES (?, ?, ?)"
                " ON CONFLICT (stream) DO UPDATE SET version = excluded.version, due_at = excluded.due_at",
                (change.stream, expected + len(change.facts), due_at),
            )
            rows = [(change.stream, expected + place, fact_text(fact)) for place, fact in enumerate(change.facts, 1)]
            cursor.executemany("INSERT INTO loyalty_facts VALUES (?, ?, ?)", rows)

    def _write_claim(self, cursor: sqlite3.Cursor, claim: Claim) -> bool:
        """Write what a key holds, and say whether that is more than it held."""
        at = _micros(claim.at)
        row = cursor.execute(
            "SELECT amount FROM loyalty_claims WHERE counter = ? AND key = ? AND (until IS NULL OR until > ?)",
            (claim.counter, claim.key, at),
        ).fetchone()
        cursor.execute("DELETE FROM loyalty_claims WHERE counter = ? AND (key = ? OR until <= ?)", (claim.counter, claim.key, at))
        if claim.amount:
            until = None if claim.until is None else _micros(claim.until)
            cursor.execute("INSERT INTO loyalty_claims VALUES (?, ?, ?, ?)", (claim.counter, claim.key, claim.amount, until))
        return claim.amount > (0 if row is None else row[0])

    def _check_limit(self, cursor: sqlite3.Cursor, claim: Claim) -> None:
        (total,) = cursor.execute(
            "SELECT SUM(amount) FROM loyalty_claims WHERE counter = ? AND (until IS NULL OR until > ?)",
            (claim.counter, _micros(claim.at)),
        ).fetchone()
        if claim.limit is not None and total > claim.limit:
            raise LimitReachedError(claim.counter)


_Plan: TypeAlias = tuple[str, tuple[str, ...], tuple[str, ...]]
"""How a transaction begins, is kept, and is undone."""

_OWN: Final[_Plan] = ("BEGIN IMMEDIATE", ("COMMIT",), ("ROLLBACK",))
_LEFT_OPEN: Final[_Plan] = ("BEGIN IMMEDIATE", (), ("ROLLBACK",))
_SAVEPOINT: Final[_Plan] = ("SAVEPOINT loyalty", ("RELEASE loyalty",), ("ROLLBACK TO loyalty", "RELEASE loyalty"))


@contextmanager
def _busy_is_a_conflict() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        msg = f"another writer was faster, or the database was busy for {BUSY_SECONDS} s"
        raise ConflictError(msg) from error


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _read_cursor(cursor: Cursor) -> tuple[int, str]:
    micros, _, stream = cursor.partition(" ")
    try:
        return int(micros), stream
    except ValueError as error:
        msg = f"a cursor must come from an earlier listing, got {cursor!r:.80}"
        raise UsageError(msg) from error


def _pages(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _PAGE):
        yield ids[start : start + _PAGE]
