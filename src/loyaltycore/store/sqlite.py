"""A repository in SQLite: one file on one machine, or tables in a database that is there already.

Facts are kept as readable JSON, one row each. With a file of its own the repository uses write-ahead logging, one connection a
thread, and waits for its turn; with the caller's connection it joins the caller's transaction, with a savepoint for each commit.

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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Self, final

from loyaltycore._frozen import FrozenMap
from loyaltycore.codec import fact_from_text, fact_text
from loyaltycore.errors import ConflictError, CorruptStateError, DuplicateError, LimitReachedError, UsageError
from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import Claimed, Cursor, Due, Receipt, StoredStream

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


@final
class SQLiteRepository:
    """Keeps facts in SQLite.

    Safe among threads and processes with a file of its own. With ``connection`` it is the caller's: the caller's commit keeps
    what was committed here, the caller's rollback leaves nothing of it, and a refused commit leaves the caller's own work.
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
        if (path is None) == (connection is None) or path == ":memory:":
            msg = f"give a file's path or a connection (for memory: connection=sqlite3.connect(':memory:')), got {path!r}"
            raise UsageError(msg)
        self._path = None if path is None else os.fspath(path)
        self._given = connection
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        with self._transaction() as db:
            self._prepare(db)

    def close(self) -> None:
        """Close the connections the repository opened; the caller's own stays open."""
        for db in self._opened:
            db.close()
        self._opened.clear()
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
            rows = self._db().execute(
                f"SELECT stream, fact FROM loyalty_facts WHERE stream IN ({marks}) ORDER BY stream, version",  # noqa: S608 - marks only
                page,
            )
            for stream, text in rows:
                facts[stream].append(fact_from_text(text))
        return {stream: StoredStream(len(found), tuple(found)) for stream, found in facts.items()}

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did."""
        db = self._db()
        row = db.execute(
            "SELECT actor, fingerprint, appended FROM loyalty_receipts WHERE home = ? AND key = ?", (home, key)
        ).fetchone()
        if row is None:
            return None
        actor, fingerprint, appended = row
        command = Command(home=home, key=key, fingerprint=FrozenMap(json.loads(fingerprint)), actor=actor)
        facts = {}
        for stream, start, stop in json.loads(appended):
            rows = db.execute(
                "SELECT fact FROM loyalty_facts WHERE stream = ? AND version > ? AND version <= ? ORDER BY version",
                (stream, start, stop),
            )
            facts[StreamId(stream)] = tuple(fact_from_text(text) for (text,) in rows)
        return Receipt(command=command, facts=facts)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes, all or nothing, in one transaction that holds the write lock from its start."""
        with self._transaction() as db:
            self._write_receipt(db, command, changes)
            for change in sorted((c for c in changes if not isinstance(c, Claim)), key=lambda change: change.stream):
                self._write_stream(db, change)
            claims = sorted((c for c in changes if isinstance(c, Claim)), key=lambda claim: (claim.counter, claim.key))
            # All are written before any limit is looked at: those of one commit count together.
            for claim in [claim for claim in claims if self._write_claim(db, claim)]:
                self._check_limit(db, claim)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters."""
        found = {counter: Claimed(total=0, mine=0) for counter in counters}
        for page in _pages(list(found)):
            marks = ",".join("?" * len(page))
            rows = self._db().execute(
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
        rows = self._db().execute(
            "SELECT due_at, stream FROM loyalty_streams WHERE due_at IS NOT NULL AND due_at < ? AND (due_at, stream) > (?, ?)"
            " ORDER BY due_at, stream LIMIT ?",
            (_micros(before), start, stream, limit),
        )
        return [
            Due(stream=StreamId(found), due_at=_EPOCH + micros * _MICROSECOND, cursor=Cursor(f"{micros} {found}"))
            for micros, found in rows
        ]

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
        """List the streams of a kind in order of their ids."""
        first = f"{kind}/" if after is None else after
        # "0" is the character after the slash: everything of the kind sorts below it.
        rows = self._db().execute(
            "SELECT stream FROM loyalty_streams WHERE stream > ? AND stream < ? ORDER BY stream LIMIT ?",
            (first, f"{kind}0", limit),
        )
        return [StreamId(stream) for (stream,) in rows]

    def _db(self) -> sqlite3.Connection:
        """Give this thread's connection; a forked process opens its own."""
        if self._given is not None:
            return self._given
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None or self._local.process != os.getpid():
            assert self._path is not None  # the constructor takes one of the two
            db = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            self._local.db, self._local.process = db, os.getpid()
            self._opened.append(db)
        return db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock; or a savepoint, where the caller's transaction is open."""
        db = self._db()
        begin, keep, undo = _SAVEPOINT if db.in_transaction else _OWN
        try:
            db.execute(begin)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            msg = f"the database was busy for {BUSY_SECONDS} s"
            raise ConflictError(msg) from error
        try:
            yield db
            db.execute(keep)
        except BaseException:
            if db.in_transaction:
                for statement in undo:
                    db.execute(statement)
            raise

    def _prepare(self, db: sqlite3.Connection) -> None:
        for statement in _TABLES:
            db.execute(statement)
        row = db.execute("SELECT schema FROM loyalty_meta").fetchone()
        if row is None:
            db.execute("INSERT INTO loyalty_meta VALUES (?)", (SCHEMA,))
        elif row[0] != SCHEMA:
            msg = f"the tables have form {row[0]}; this version knows form {SCHEMA}"
            raise CorruptStateError(msg)

    def _write_receipt(self, db: sqlite3.Connection, command: Command, changes: Iterable[Change]) -> None:
        appended = [
            [change.stream, change.expected_version, change.expected_version + len(change.facts)]
            for change in changes
            if isinstance(change, Append)
        ]
        written = db.execute(
            "INSERT INTO loyalty_receipts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (command.home, command.key, command.actor, json.dumps(dict(command.fingerprint)), json.dumps(appended)),
        )
        if written.rowcount != 1:
            msg = f"{command.key!r} was committed in {command.home!r} before"
            raise DuplicateError(msg)

    def _write_stream(self, db: sqlite3.Connection, change: Append | Expect) -> None:
        expected = change.version if isinstance(change, Expect) else change.expected_version
        row = db.execute("SELECT version FROM loyalty_streams WHERE stream = ?", (change.stream,)).fetchone()
        stored = 0 if row is None else row[0]
        if stored != expected:
            msg = f"{change.stream!r} is at version {stored}, not {expected}"
            raise ConflictError(msg)
        if isinstance(change, Append):
            due_at = None if change.due_at is None else _micros(change.due_at)
            db.execute(
                "INSERT INTO loyalty_streams VALUES (?, ?, ?)"
                " ON CONFLICT (stream) DO UPDATE SET version = excluded.version, due_at = excluded.due_at",
                (change.stream, expected + len(change.facts), due_at),
            )
            rows = [(change.stream, expected + place, fact_text(fact)) for place, fact in enumerate(change.facts, 1)]
            db.executemany("INSERT INTO loyalty_facts VALUES (?, ?, ?)", rows)

    def _write_claim(self, db: sqlite3.Connection, claim: Claim) -> bool:
        """Write what a key holds, and say whether that is more than it held."""
        at = _micros(claim.at)
        row = db.execute(
            "SELECT amount FROM loyalty_claims WHERE counter = ? AND key = ? AND (until IS NULL OR until > ?)",
            (claim.counter, claim.key, at),
        ).fetchone()
        db.execute("DELETE FROM loyalty_claims WHERE counter = ? AND (key = ? OR until <= ?)", (claim.counter, claim.key, at))
        if claim.amount:
            until = None if claim.until is None else _micros(claim.until)
            db.execute("INSERT INTO loyalty_claims VALUES (?, ?, ?, ?)", (claim.counter, claim.key, claim.amount, until))
        return claim.amount > (0 if row is None else row[0])

    def _check_limit(self, db: sqlite3.Connection, claim: Claim) -> None:
        (total,) = db.execute(
            "SELECT SUM(amount) FROM loyalty_claims WHERE counter = ? AND (until IS NULL OR until > ?)",
            (claim.counter, _micros(claim.at)),
        ).fetchone()
        if claim.limit is not None and total > claim.limit:
            raise LimitReachedError(claim.counter)


_OWN: Final = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_SAVEPOINT: Final = ("SAVEPOINT loyalty", "RELEASE loyalty", ("ROLLBACK TO loyalty", "RELEASE loyalty"))


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
