"""A repository in SQLite: one file on one machine, or tables in a database that is there already.

Facts are kept as readable JSON, one row each. With a file of its own the repository uses write-ahead logging, one connection a
thread, and waits for its turn; with the caller's connection it joins the caller's transaction, with a savepoint for each commit,
and where none is open it begins one, as Python's ``sqlite3`` does for any other statement that writes.

Tables of an earlier version of the library are migrated when they are opened: in one transaction, by whoever comes first.

>>> import sqlite3
>>> from loyaltycore.identity import member_stream
>>> repository = SQLiteRepository(connection=sqlite3.connect(":memory:"))
>>> repository.load([member_stream("m-42")])
{'member/m-42': StoredStream(version=0, facts=())}
>>> repository.check()
()
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, Self, TypeAlias, final

from loyaltycore.codec import fact_from_text, fact_text
from loyaltycore.errors import (
    ConflictError,
    CorruptStateError,
    DuplicateError,
    LimitReachedError,
    OutcomeUnknownError,
    UsageError,
)
from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact
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
from loyaltycore.store._names import foreign, id_of, number_cursor, pair_cursor, read_number, read_pair
from loyaltycore.store._sqlite_check import problems_in
from loyaltycore.store._sqlite_schema import SCHEMA, stored_schema, update_schema
from loyaltycore.wire import read_json

__all__ = ["BUSY_SECONDS", "PROBLEMS_LIMIT", "SQLiteRepository"]

BUSY_SECONDS: Final = 30
"""How long a commit waits for another one, before it is a conflict, unless said."""

BUSY_SECONDS_LIMIT: Final = 3600
"""Nobody waits longer than an hour for a shop."""

PROBLEMS_LIMIT: Final = 1000
"""So many problems are named by a check: where there are more, these say enough."""

_MOMENT_SECONDS: Final = 0.01
_PAGE: Final = 500
"""Ids in one statement: below the least limit any build of SQLite has."""

# The text of a snapshot comes once, with the first row of its stream.
_TAILS: Final = """
SELECT stored.stream, kept.version,
    CASE WHEN tail.version IS NULL OR tail.version = kept.version + 1 THEN kept.text END, tail.fact
FROM loyalty_streams AS stored
LEFT JOIN loyalty_snapshots AS kept ON kept.stream = stored.stream AND kept.form = ?
LEFT JOIN loyalty_facts AS tail ON tail.stream = stored.stream AND tail.version > coalesce(kept.version, 0)
WHERE stored.stream IN ({}) ORDER BY stored.stream, tail.version
"""

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

    It has every optional power: ``Enumerable``, ``Exportable``, ``Snapshots``, ``Projecting``, ``Joining``, ``Forgetting``.

    A database that stays busy is a ``ConflictError``. Where the disk fails under the statement that keeps a commit, nobody
    knows whether it was kept: that is ``OutcomeUnknownError``. Every other error of SQLite comes out as it is, and nothing was
    written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        connection: sqlite3.Connection | None = None,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        """Open or create; tables of an earlier version are migrated.

        Args:
            path: A file of its own; made when it is not there.
            connection: The caller's, instead of a file; used from the caller's thread.
            busy_seconds: How long to wait for another writer of the file, 0 to 3600; a connection waits as its caller said.

        Raises:
            UsageError: Neither or both; ``":memory:"`` as a path, which would be another database for each thread; another
                time to wait; or tables to migrate on a connection that may not write.
            ConflictError: The database was busy.
            CorruptStateError: The tables were made by a later version.
        """
        if (path is None) == (connection is None) or path in {":memory:", ""}:
            msg = f"give a file's path or a connection (for memory: connection=sqlite3.connect(':memory:')), got {path!r}"
            raise UsageError(msg)
        if type(busy_seconds) not in (int, float) or not 0 <= busy_seconds <= BUSY_SECONDS_LIMIT:
            msg = f"busy_seconds must be a number in [0, {BUSY_SECONDS_LIMIT}], got {busy_seconds!r}"
            raise UsageError(msg)
        self._path = None if path is None else str(Path(path).absolute())
        self._given = connection
        self._busy_seconds = busy_seconds
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
            with self._reading() as cursor:
                rows = cursor.execute(
                    f"SELECT stream, fact FROM loyalty_facts WHERE stream IN ({marks}) ORDER BY stream, version",  # noqa: S608 - marks only
                    page,
                )
                for stream, text in rows:
                    facts[stream].append(fact_from_text(text))
        return {stream: StoredStream(len(found), tuple(found)) for stream, found in facts.items()}

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did."""
        with self._view() as cursor:
            row = cursor.execute(
                "SELECT actor, fingerprint, appended FROM loyalty_receipts WHERE home = ? AND key = ?", (home, key)
            ).fetchone()
            if row is None:
                return None
            actor, fingerprint, appended = row
            command = Command(home=home, key=key, fingerprint=read_json(fingerprint), actor=actor)
            facts = {StreamId(stream): _facts_in(cursor, stream, start, stop) for stream, start, stop in read_json(appended)}
        return Receipt(command=command, facts=facts)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes, all or nothing, in one transaction that holds the write lock from its start.

        Raises:
            OutcomeUnknownError: The disk failed while it was being kept.
        """
        with self._within(self._plan()) as cursor, self._busy_is_a_conflict():
            _write(cursor, command, changes)

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[sqlite3.Cursor], object], /) -> None:
        """Keep changes and what the shop writes beside, in one transaction.

        Args:
            command: As for ``commit``.
            changes: As for ``commit``.
            then: Given a cursor of the same transaction; it must not end it.

        Raises:
            OutcomeUnknownError: The disk failed while it was being kept.
        """
        with self._within(self._plan()) as cursor:
            with self._busy_is_a_conflict():
                _write(cursor, command, changes)
            then(cursor)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters."""
        found = {counter: Claimed(total=0, mine=0) for counter in counters}
        for page in _pages(list(found)):
            marks = ",".join("?" * len(page))
            with self._reading() as cursor:
                rows = cursor.execute(
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
        with self._reading() as cursor:
            rows = cursor.execute(
                "SELECT due_at, stream FROM loyalty_streams WHERE due_at IS NOT NULL AND due_at < ?"
                " AND (due_at, stream) > (?, ?) ORDER BY due_at, stream LIMIT ?",
                (_micros(before), start, stream, limit),
            )
            return [
                Due(stream=StreamId(found), due_at=_instant(micros), cursor=Cursor(f"{micros} {found}")) for micros, found in rows
            ]

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = STREAMS_PAGE) -> Sequence[StreamId]:
        """List the streams of a kind in order of their ids."""
        first = f"{kind}/" if after is None else after
        # "0" is the character after the slash: everything of the kind sorts below it.
        with self._reading() as cursor:
            rows = cursor.execute(
                "SELECT stream FROM loyalty_streams WHERE stream > ? AND stream < ? ORDER BY stream LIMIT ?",
                (first, f"{kind}0", limit),
            )
            return [StreamId(stream) for (stream,) in rows]

    def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        """List commits in the order they were made; those of a file that was migrated by the instants of their first facts."""
        with self._view() as cursor:
            rows = cursor.execute(
                "SELECT number, home, key, actor, fingerprint, appended FROM loyalty_receipts WHERE number > ?"
                " ORDER BY number LIMIT ?",
                (read_number(after), limit),
            ).fetchall()
            return [
                KeptCommit(
                    command=Command(home=home, key=key, fingerprint=read_json(fingerprint), actor=actor),
                    appends=tuple(_append_in(cursor, *part) for part in read_json(appended)),
                    cursor=number_cursor(number),
                )
                for number, home, key, actor, fingerprint, appended in rows
            ]

    def claims(self, *, after: Cursor | None, limit: int) -> Sequence[KeptClaim]:
        """List claims, in order of counters and keys."""
        with self._reading() as cursor:
            rows = cursor.execute(
                "SELECT counter, key, amount, until FROM loyalty_claims WHERE (counter, key) > (?, ?)"
                " ORDER BY counter, key LIMIT ?",
                (*read_pair(after), limit),
            )
            return [
                KeptClaim(
                    counter=CounterId(counter),
                    key=Key(key),
                    amount=amount,
                    until=None if until is None else _instant(until),
                    cursor=pair_cursor(counter, key),
                )
                for counter, key, amount, until in rows
            ]

    def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        """Give streams from their snapshots on, each read by one statement."""
        snapshots = dict[StreamId, Snapshot]()
        facts: dict[StreamId, list[Fact]] = {stream: [] for stream in streams}
        for page in _pages(list(facts)):
            marks = ",".join("?" * len(page))
            with self._reading() as cursor:
                for stream, version, text, fact in cursor.execute(_TAILS.format(marks), (form, *page)):
                    if text is not None:
                        snapshots[stream] = Snapshot(form=form, version=version, text=text)
                    if fact is not None:
                        facts[stream].append(fact_from_text(fact))
        return {stream: _tail(snapshots.get(stream), found) for stream, found in facts.items()}

    def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        """Keep what a stream came to, at once, or in the caller's transaction where one is open.

        One of more facts than there are is not kept, and none is while the database is busy: nobody misses it.
        """
        plan = _SAVEPOINT if self._db().in_transaction else _OWN
        with suppress(ConflictError), self._within(plan) as cursor, self._busy_is_a_conflict():
            cursor.execute(
                "INSERT INTO loyalty_snapshots SELECT stream, ?, ?, ? FROM loyalty_streams WHERE stream = ? AND version >= ?"
                " ON CONFLICT (stream) DO UPDATE SET form = excluded.form, version = excluded.version, text = excluded.text"
                " WHERE excluded.version >= loyalty_snapshots.version",
                (snapshot.form, snapshot.version, snapshot.text, stream, snapshot.version),
            )

    def in_transaction(self) -> bool:
        """Say whether a commit now waits for the caller's: on a connection that is in a transaction, or begins one by itself."""
        return self._given is not None and self._plan() is not _OWN

    def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Rename a stream, and rewrite facts; snapshots of streams that are rewritten are gone too.

        Complexity:
            Looks through every receipt and every claim.
        """
        with self._within(self._plan()) as cursor, self._busy_is_a_conflict():
            _check_empty(cursor, new)
            for table in ("streams", "facts"):
                cursor.execute(f"UPDATE loyalty_{table} SET stream = ? WHERE stream = ?", (new, old))  # noqa: S608 - two names
            cursor.execute("UPDATE loyalty_claims SET key = ? WHERE key = ?", (new, old))
            _rename_in_receipts(cursor, old, new)
            for stream, given in facts.items():
                _check_version(cursor, stream, len(given))
                rows = [(fact_text(fact), stream, version) for version, fact in enumerate(given, 1)]
                cursor.executemany("UPDATE loyalty_facts SET fact = ? WHERE stream = ? AND version = ?", rows)
            gone = [(stream,) for stream in (old, new, *facts)]
            cursor.executemany("DELETE FROM loyalty_snapshots WHERE stream = ?", gone)

    def check(self) -> tuple[str, ...]:
        """Look for what the library cannot have written: nothing found is ``()``.

        The database itself is checked (``PRAGMA integrity_check``); that every stream has exactly the facts its version says,
        each of which can be read; that every fact belongs to one receipt, and what a receipt names is there; that claims are
        positive and snapshots of versions there are.

        Returns:
            One line for each problem, at most 1,000.

        Complexity:
            Reads everything. Others go on reading and writing meanwhile.
        """
        with self._view() as cursor:
            # From the first look at the file on nobody can lock it away: what is found then is no matter of being busy.
            stored_schema(cursor)
            return tuple(islice(problems_in(cursor), PROBLEMS_LIMIT))

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
        db = sqlite3.connect(self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False)
        handle = _Handle(db)
        with self._busy_is_a_conflict():
            self._log_ahead(db)
            db.execute("PRAGMA synchronous = FULL")
        return handle

    def _log_ahead(self, db: sqlite3.Connection) -> None:
        """Turn write-ahead logging on; SQLite does not wait by itself for others who turn it on at the same moment."""
        until = time.monotonic() + self._busy_seconds
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise
                time.sleep(_MOMENT_SECONDS)
            else:
                return

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
        with self._busy_is_a_conflict():
            cursor.execute(begin)
        try:
            yield cursor
            with self._busy_is_a_conflict():
                for statement in keep:
                    _keep(cursor, statement)
        except BaseException:
            if cursor.connection.in_transaction:
                for statement in undo:
                    cursor.execute(statement)
            raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Cursor]:
        """Read by one statement."""
        with self._busy_is_a_conflict():
            yield self._cursor()

    @contextmanager
    def _view(self) -> Iterator[sqlite3.Cursor]:
        """Read as of one moment, by several statements."""
        with self._reading() as cursor:
            if cursor.connection.in_transaction:
                yield cursor
                return
            cursor.execute("BEGIN")
            try:
                yield cursor
            finally:
                cursor.execute("ROLLBACK")

    @contextmanager
    def _busy_is_a_conflict(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY:
                raise
            waited = "" if self._given is not None else f" for {self._busy_seconds:g} s"
            msg = f"another writer was faster, or the database was busy{waited}"
            raise ConflictError(msg) from error

    def _prepare(self) -> None:
        """Make the tables where there are none, migrate old ones; a store that has ours is opened without a lock."""
        with self._reading() as cursor:
            schema = stored_schema(cursor)
        if schema is None or 1 <= schema < SCHEMA:
            schema = self._update(schema)
        if schema != SCHEMA:
            msg = f"the tables have form {schema}; this version knows form {SCHEMA}"
            raise CorruptStateError(msg)

    def _update(self, schema: int | None) -> int:
        plan = _SAVEPOINT if self._db().in_transaction else _OWN
        try:
            with self._within(plan) as cursor, self._busy_is_a_conflict():
                return update_schema(cursor)
        except sqlite3.OperationalError as error:
            if schema is None or _code(error) != sqlite3.SQLITE_READONLY:
                raise
            msg = f"the tables have form {schema} and must be migrated to form {SCHEMA}: open them once for writing"
            raise UsageError(msg) from error


_Plan: TypeAlias = tuple[str, tuple[str, ...], tuple[str, ...]]
"""How a transaction begins, is kept, and is undone."""

_KEEP: Final = "COMMIT"

_OWN: Final[_Plan] = ("BEGIN IMMEDIATE", (_KEEP,), ("ROLLBACK",))
_LEFT_OPEN: Final[_Plan] = ("BEGIN IMMEDIATE", (), ("ROLLBACK",))
_SAVEPOINT: Final[_Plan] = ("SAVEPOINT loyalty", ("RELEASE loyalty",), ("ROLLBACK TO loyalty", "RELEASE loyalty"))


def _keep(cursor: sqlite3.Cursor, statement: str) -> None:
    try:
        cursor.execute(statement)
    except (sqlite3.Error, MemoryError) as error:
        # Where the transaction is still open nothing was kept. Where SQLite has ended it, what was already on the disk when
        # it failed may count after a crash, and may not.
        if statement != _KEEP or cursor.connection.in_transaction:
            raise
        msg = f"the database failed while a commit was being kept: {error!r}"
        raise OutcomeUnknownError(msg) from error


def _code(error: sqlite3.Error) -> int:
    """Give the primary code of SQLite's error; 0 for one of Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


# ---- writing ----


def _write(cursor: sqlite3.Cursor, command: Command, changes: Sequence[Change]) -> None:
    _write_receipt(cursor, command, changes)
    versions = [change for change in changes if not isinstance(change, Claim)]
    # Of one stream the expectation comes first: it is of what was stored before.
    for change in sorted(versions, key=lambda change: (change.stream, isinstance(change, Append))):
        _write_stream(cursor, change)
    claims = sorted((c for c in changes if isinstance(c, Claim)), key=lambda claim: (claim.counter, claim.key))
    # All are written before any limit is looked at: those of one commit count together.
    for claim in [claim for claim in claims if _write_claim(cursor, claim)]:
        _check_limit(cursor, claim)


def _write_receipt(cursor: sqlite3.Cursor, command: Command, changes: Iterable[Change]) -> None:
    appended = [
        [change.stream, change.expected_version, change.expected_version + len(change.facts)]
        for change in changes
        if isinstance(change, Append)
    ]
    written = cursor.execute(
        "INSERT INTO loyalty_receipts (home, key, actor, fingerprint, appended) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (command.home, command.key, command.actor, json.dumps(dict(command.fingerprint)), json.dumps(appended)),
    )
    if written.rowcount != 1:
        msg = f"{command.key!r} was committed in {command.home!r} before"
        raise DuplicateError(msg)


def _write_stream(cursor: sqlite3.Cursor, change: Append | Expect) -> None:
    expected = change.version if isinstance(change, Expect) else change.expected_version
    _check_version(cursor, change.stream, expected)
    if isinstance(change, Append):
        due_at = None if change.due_at is None else _micros(change.due_at)
        cursor.execute(
            "INSERT INTO loyalty_streams VALUES (?, ?, ?)"
            " ON CONFLICT (stream) DO UPDATE SET version = excluded.version, due_at = excluded.due_at",
            (change.stream, expected + len(change.facts), due_at),
        )
        rows = [(change.stream, expected + place, fact_text(fact)) for place, fact in enumerate(change.facts, 1)]
        cursor.executemany("INSERT INTO loyalty_facts VALUES (?, ?, ?)", rows)


def _check_version(cursor: sqlite3.Cursor, stream: StreamId, expected: int) -> None:
    row = cursor.execute("SELECT version FROM loyalty_streams WHERE stream = ?", (stream,)).fetchone()
    stored = 0 if row is None else row[0]
    if stored != expected:
        msg = f"{stream!r} is at version {stored}, not {expected}"
        raise ConflictError(msg)


def _write_claim(cursor: sqlite3.Cursor, claim: Claim) -> bool:
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


def _check_limit(cursor: sqlite3.Cursor, claim: Claim) -> None:
    (total,) = cursor.execute(
        "SELECT SUM(amount) FROM loyalty_claims WHERE counter = ? AND (until IS NULL OR until > ?)",
        (claim.counter, _micros(claim.at)),
    ).fetchone()
    if claim.limit is not None and total > claim.limit:
        raise LimitReachedError(claim.counter)


def _check_empty(cursor: sqlite3.Cursor, stream: StreamId) -> None:
    row = cursor.execute(
        "SELECT EXISTS (SELECT 1 FROM loyalty_streams WHERE stream = ?) OR EXISTS (SELECT 1 FROM loyalty_receipts WHERE home = ?)"
        " OR EXISTS (SELECT 1 FROM loyalty_claims WHERE key = ?)",
        (stream, stream, stream),
    ).fetchone()
    if row != (0,):
        msg = f"{stream!r} is not empty"
        raise ConflictError(msg)


def _rename_in_receipts(cursor: sqlite3.Cursor, old: StreamId, new: StreamId) -> None:
    cursor.execute("UPDATE loyalty_receipts SET home = ? WHERE home = ?", (new, old))
    cursor.execute("UPDATE loyalty_receipts SET actor = ? WHERE actor = ? AND actor <> ''", (id_of(new), id_of(old)))
    named = cursor.execute(
        "SELECT number, appended FROM loyalty_receipts WHERE instr(appended, ?)", (json.dumps(old),)
    ).fetchall()
    rows = [
        (json.dumps([[new if stream == old else stream, *place] for stream, *place in read_json(appended)]), number)
        for number, appended in named
    ]
    cursor.executemany("UPDATE loyalty_receipts SET appended = ? WHERE number = ?", rows)


# ---- reading ----


def _facts_in(cursor: sqlite3.Cursor, stream: str, start: int, stop: int) -> tuple[Fact, ...]:
    rows = cursor.execute(
        "SELECT fact FROM loyalty_facts WHERE stream = ? AND version > ? AND version <= ? ORDER BY version",
        (stream, start, stop),
    )
    facts = tuple(fact_from_text(text) for (text,) in rows)
    if len(facts) != stop - start:
        msg = f"of facts {start + 1} to {stop} of {stream!r} there are {len(facts)}"
        raise CorruptStateError(msg)
    return facts


def _append_in(cursor: sqlite3.Cursor, stream: str, start: int, stop: int) -> Append:
    # What a later append replaced is said by that one.
    row = cursor.execute("SELECT due_at FROM loyalty_streams WHERE stream = ? AND version = ?", (stream, stop)).fetchone()
    due_at = None if row is None or row[0] is None else _instant(row[0])
    facts = _facts_in(cursor, stream, start, stop)
    return Append(stream=StreamId(stream), expected_version=start, facts=facts, due_at=due_at)


def _tail(snapshot: Snapshot | None, facts: list[Fact]) -> SnapshotStream:
    before = 0 if snapshot is None else snapshot.version
    return SnapshotStream(version=before + len(facts), snapshot=snapshot, facts=tuple(facts))


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _instant(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


def _read_cursor(cursor: Cursor) -> tuple[int, str]:
    micros, _, stream = cursor.partition(" ")
    try:
        return int(micros), stream
    except ValueError as error:
        raise foreign(cursor) from error


def _pages(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _PAGE):
        yield ids[start : start + _PAGE]
