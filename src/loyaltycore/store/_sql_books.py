"""What is read and written, as SQLAlchemy's statements on one connection; who begins and ends transactions is another matter.

In PostgreSQL the writes of nearly every commit are one statement, and text that is ready: see ``_sql_at_once``.

Every write is conditional, so READ COMMITTED is enough. Locks are taken in one order: the receipt, streams by id, counters by id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final, TypeAlias, final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Executable,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from loyaltycore.codec import fact_from_text, fact_text
from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError, UsageError
from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact
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
from loyaltycore.store._sql_at_once import AtOnce, Step
from loyaltycore.store._sql_tables import Tables
from loyaltycore.wire import read_json

__all__ = ["Books"]

_PAGE: Final = 500
"""Ids in one statement: below the least limit any build of SQLite has."""

_CREATING: Final = int.from_bytes(b"loyalty")
"""The lock that keeps two processes from making the tables at once."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_BEFORE_ALL: Final = -(2**63)

_Insert: TypeAlias = postgresql.Insert | sqlite.Insert


@final
class Books:
    """The statements over one set of tables, made once; SQLAlchemy keeps their text after the first use."""

    def __init__(self, tables: Tables, dialect: str) -> None:
        """Take the tables, and the name of the database's dialect."""
        self._tables = tables
        self._dialect = dialect
        self._reading = _Reading(tables)
        # How many rows were written tells a conflict; of an insert it is not kept unless asked for.
        counted = {"preserve_rowcount": True}
        self._receipt = self._insert(tables.receipts).on_conflict_do_nothing().execution_options(**counted)
        self._first = self._insert(tables.streams).on_conflict_do_nothing().execution_options(**counted)
        streams, claims, counters = tables.streams, tables.claims, tables.counters
        self._next = (
            update(streams)
            .where(streams.c.stream == bindparam("moved"), streams.c.version == bindparam("expected"))
            .values(version=bindparam("reached"), due_at=bindparam("due"))
        )
        asked = select(streams.c.version).where(streams.c.stream == bindparam("asked"))
        # Shared: two that expect the same do not wait for each other, and one that appends waits for both.
        self._shared = asked.with_for_update(read=True)
        self._locked = asked.with_for_update()
        self._unwritten = delete(streams).where(streams.c.stream.in_(bindparam("held", expanding=True)), streams.c.version == 0)
        turn = self._insert(counters).values(counter=bindparam("asked"), turns=1)
        self._turn = turn.on_conflict_do_update(index_elements=["counter"], set_={"turns": counters.c.turns + 1})
        hold = self._insert(claims)
        written = {"amount": hold.excluded.amount, "until": hold.excluded.until}
        self._hold = hold.on_conflict_do_update(index_elements=["counter", "key"], set_=written)
        self._free = delete(claims).where(claims.c.counter == bindparam("asked"), claims.c.key == bindparam("holder"))
        self._reclaim = delete(claims).where(claims.c.counter == bindparam("asked"), claims.c.until <= bindparam("at"))
        self._at_once = AtOnce(tables) if dialect == "postgresql" else None

    def create(self, connection: Connection) -> None:
        """Make the tables that are not there."""
        if self._dialect == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_CREATING)))
        self._tables.metadata.create_all(connection)

    # ---- reading ----

    def load(self, connection: Connection, streams: Sequence[StreamId]) -> Mapping[StreamId, StoredStream]:
        """Give streams as they are kept."""
        facts: dict[StreamId, list[Fact]] = {stream: [] for stream in streams}
        for page in _pages(list(facts)):
            for stream, text in connection.execute(self._reading.facts, {"asked": page}):
                facts[stream].append(fact_from_text(text))
        return {stream: StoredStream(len(found), tuple(found)) for stream, found in facts.items()}

    def receipt(self, connection: Connection, home: StreamId, key: Key) -> Receipt | None:
        """Give what a command did, in one statement."""
        rows = connection.execute(self._reading.receipt, {"asked_home": home, "asked_key": key})
        for kept in _commits(rows):
            return Receipt(command=kept.command, facts={append.stream: append.facts for append in kept.appends})
        return None

    def claimed(
        self, connection: Connection, counters: Sequence[CounterId], key: Key, at: datetime
    ) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters."""
        found = {counter: Claimed(total=0, mine=0) for counter in counters}
        for page in _pages(list(found)):
            rows = connection.execute(self._reading.claimed, {"asked": page, "holder": key, "at": _micros(at)})
            for counter, total, mine in rows:
                found[counter] = Claimed(total=int(total), mine=int(mine))
        return found

    def due(self, connection: Connection, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List streams that time brings something for."""
        start, stream = (_BEFORE_ALL, "") if after is None else _read_due_cursor(after)
        asked = {"before": _micros(before), "start": start, "after": stream, "limit": limit}
        return [
            Due(stream=StreamId(found), due_at=_instant(micros), cursor=Cursor(f"{micros} {found}"))
            for micros, found in connection.execute(self._reading.due, asked)
        ]

    def streams(self, connection: Connection, kind: str, after: StreamId | None, limit: int) -> Sequence[StreamId]:
        """List the streams of a kind in order of their ids."""
        first = f"{kind}/" if after is None else after
        # "0" is the character after the slash: everything of the kind sorts below it.
        rows = connection.execute(self._reading.streams, {"after": first, "end": f"{kind}0", "limit": limit})
        return [StreamId(stream) for (stream,) in rows]

    def commits(self, connection: Connection, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        """List commits in the order they were numbered, in one statement."""
        start = 0 if after is None else _read_number(after)
        return list(_commits(connection.execute(self._reading.commits, {"start": start, "limit": limit})))

    def claims(self, connection: Connection, after: Cursor | None, limit: int) -> Sequence[KeptClaim]:
        """List claims in order of counter and key."""
        counter, key = ("", "") if after is None else _read_claim_cursor(after)
        rows = connection.execute(self._reading.claims, {"counter": counter, "key": key, "limit": limit})
        return [
            KeptClaim(
                counter=CounterId(row.counter),
                key=Key(row.key),
                amount=row.amount,
                until=None if row.until is None else _instant(row.until),
                cursor=Cursor(json.dumps([row.counter, row.key])),
            )
            for row in rows
        ]

    def load_tails(self, connection: Connection, streams: Sequence[StreamId], form: str) -> Mapping[StreamId, SnapshotStream]:
        """Give streams from their snapshots on; a snapshot and the facts after it are read in one statement."""
        kept: dict[StreamId, Snapshot] = {}
        facts: dict[StreamId, list[Fact]] = {stream: [] for stream in streams}
        for page in _pages(list(facts)):
            for stream, version, text, is_fact in connection.execute(self._reading.tails, {"asked": page, "form": form}):
                if is_fact:
                    facts[stream].append(fact_from_text(text))
                else:
                    kept[stream] = Snapshot(form=form, version=version, text=text)
        return {stream: _tail(kept.get(stream), found) for stream, found in facts.items()}

    # ---- writing ----

    def commit(self, connection: Connection, command: Command, changes: Sequence[Change]) -> None:
        """Write what is committed; an error leaves it to the transaction to take back what was written before it."""
        # A fact that has no stored form is told before anything is sent.
        steps = _steps(changes)
        claims = sorted((c for c in changes if isinstance(c, Claim)), key=lambda claim: (claim.counter, claim.key))
        counters = {counter: list(together) for counter, together in groupby(claims, key=lambda claim: claim.counter)}
        at_once = self._at_once if self._at_once is not None and self._at_once.takes(connection, steps, counters) else None
        if at_once is None:
            self._write_steps(connection, command, steps)
            for counter in counters:
                connection.execute(self._turn, {"asked": counter})
        else:
            is_new, *met = at_once.write(connection, command, steps, counters)
            _demand_new(command, is_new=is_new)
            for step, is_met in zip(steps, met, strict=True):
                _demand(step.stream, step.version, is_met=is_met)
        _check_expected(changes)
        for counter, together in counters.items():
            self._write_claims(connection, counter, together, at_once)
        guarded = [step.stream for step in steps if step.is_unwritten and not step.texts]
        if guarded:
            connection.execute(self._unwritten, {"held": guarded})

    def keep_snapshot(self, connection: Connection, stream: StreamId, snapshot: Snapshot) -> None:
        """Keep what a stream came to, unless a later one is kept, or the stream is gone."""
        streams = self._tables.streams
        row = select(literal(stream), literal(snapshot.form), cast(literal(snapshot.version), BigInteger), literal(snapshot.text))
        # A stream that is being renamed holds this back, and is gone then; one that grows does not.
        known = row.where(streams.c.stream == stream, streams.c.version >= snapshot.version).with_for_update(
            read=True, key_share=True, of=streams
        )
        kept = self._tables.snapshots
        insert = self._insert(kept).from_select(["stream", "form", "version", "text"], known.select_from(streams))
        taken = {name: insert.excluded[name] for name in ("form", "version", "text")}
        where = kept.c.version <= insert.excluded.version
        connection.execute(insert.on_conflict_do_update(index_elements=["stream"], set_=taken, where=where))

    def rename(self, connection: Connection, old: StreamId, new: StreamId, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Rename a stream, and rewrite facts."""
        texts = {stream: [fact_text(fact) for fact in found] for stream, found in facts.items()}
        names = sorted({old, new, *facts})
        stored = {stream: self._lock(connection, stream) for stream in names}
        self._check_empty(connection, new, stored[new])
        afterwards = {**stored, new: stored[old], old: 0}
        for stream, found in texts.items():
            if len(found) != afterwards[stream]:
                msg = f"{stream!r} holds {afterwards[stream]} facts, not {len(found)}"
                raise ConflictError(msg)
        connection.execute(self._unwritten, {"held": names})
        self._move(connection, old, new)
        fact = self._tables.facts
        rewrite = update(fact).where(fact.c.stream == bindparam("of"), fact.c.version == bindparam("place"))
        rows = [
            {"of": stream, "place": place, "said": text} for stream, found in texts.items() for place, text in enumerate(found, 1)
        ]
        if rows:
            connection.execute(rewrite.values(fact=bindparam("said")), rows)
        kept = self._tables.snapshots
        for page in _pages(names):
            connection.execute(delete(kept).where(kept.c.stream.in_(page)))

    def _write_steps(self, connection: Connection, command: Command, steps: Sequence[Step]) -> None:
        """Write the receipt, move and guard streams and append facts, one statement after the other."""
        row = {
            "home": command.home,
            "key": command.key,
            "actor": command.actor,
            "fingerprint": json.dumps(dict(command.fingerprint)),
        }
        # One that another transaction is writing is waited for: it is a duplicate when that one is kept, and none when not.
        written = connection.execute(self._receipt, row)
        _demand_new(command, is_new=written.rowcount == 1)
        number = written.inserted_primary_key
        assert number is not None  # a row was written
        for step in steps:
            _demand(step.stream, step.version, is_met=self._take(connection, step))
        rows = [
            {"stream": step.stream, "version": version, "fact": text, "receipt": number[0]}
            for step in steps
            for version, text in enumerate(step.texts, step.version + 1)
        ]
        if rows:
            connection.execute(self._tables.facts.insert(), rows if len(rows) > 1 else rows[0])

    def _take(self, connection: Connection, step: Step) -> bool:
        """Move or guard a stream, and say whether it was at its version."""
        reached = step.version + len(step.texts)
        if step.is_unwritten:
            row = {"stream": step.stream, "version": reached, "due_at": step.due_at}
            return connection.execute(self._first, row).rowcount == 1
        if step.texts:
            row = {"moved": step.stream, "expected": step.version, "reached": reached, "due": step.due_at}
            return connection.execute(self._next, row).rowcount == 1
        return connection.execute(self._shared, {"asked": step.stream}).scalar() == step.version

    def _write_claims(self, connection: Connection, counter: CounterId, claims: Sequence[Claim], at_once: AtOnce | None) -> None:
        """Write what is claimed of one counter, whose turn has come."""
        keys = [claim.key for claim in claims]
        quick = at_once if len(claims) == 1 else None
        ended_at = None
        for claim in claims:
            at = _micros(claim.at)
            asked = {"asked": counter, "holder": claim.key, "at": at}
            if quick is None:
                found = connection.execute(self._reading.held, {**asked, "keys": keys})
            else:
                found = connection.exec_driver_sql(quick.held, asked)
            others, mine, ended = found.one()
            together = [one.amount for one in claims if one.until is None or one.until > claim.at]
            if claim.limit is not None and claim.amount > mine and int(others) + sum(together) > claim.limit:
                raise LimitReachedError(counter)
            if ended:
                ended_at = max(at, ended_at or at)
        if ended_at is not None:
            connection.execute(self._reclaim, {"asked": counter, "at": ended_at})
        for claim in claims:
            self._write_claim(connection, claim, quick)

    def _write_claim(self, connection: Connection, claim: Claim, quick: AtOnce | None) -> None:
        hold, free = (self._hold, self._free) if quick is None else (quick.hold, quick.free)
        if claim.amount:
            until = None if claim.until is None else _micros(claim.until)
            _run(connection, hold, {"counter": claim.counter, "key": claim.key, "amount": claim.amount, "until": until})
        else:
            _run(connection, free, {"asked": claim.counter, "holder": claim.key})

    def _lock(self, connection: Connection, stream: StreamId) -> int:
        """Hold a stream to the end, and give its version; one never written is held too."""
        if self._take(connection, Step(stream, 0)):
            return 0
        return int(connection.execute(self._locked, {"asked": stream}).scalar_one())

    def _check_empty(self, connection: Connection, new: StreamId, version: int) -> None:
        receipts, claims = self._tables.receipts, self._tables.claims
        taken = union_all(
            select(literal(1)).where(receipts.c.home == new).select_from(receipts),
            select(literal(1)).where(claims.c.key == new).select_from(claims),
        )
        if version or connection.execute(taken.limit(1)).first() is not None:
            msg = f"{new!r} is not empty"
            raise ConflictError(msg)

    def _move(self, connection: Connection, old: StreamId, new: StreamId) -> None:
        streams, facts, receipts, claims = (getattr(self._tables, name) for name in ("streams", "facts", "receipts", "claims"))
        for column in (streams.c.stream, facts.c.stream, receipts.c.home, claims.c.key):
            connection.execute(update(column.table).where(column == old).values({column: new}))
        (_, _, old_id), (_, _, new_id) = old.partition("/"), new.partition("/")
        connection.execute(update(receipts).where(receipts.c.actor == old_id).values(actor=new_id))

    def _insert(self, table: Table) -> _Insert:
        return postgresql.insert(table) if self._dialect == "postgresql" else sqlite.insert(table)


@final
class _Reading:
    """The statements that read."""

    def __init__(self, tables: Tables) -> None:
        streams, facts, receipts, claims = tables.streams, tables.facts, tables.receipts, tables.claims
        snapshots = tables.snapshots
        several: BindParameter[Any] = bindparam("asked", expanding=True)
        limit = bindparam("limit", type_=BigInteger)
        self.facts = (
            select(facts.c.stream, facts.c.fact).where(facts.c.stream.in_(several)).order_by(facts.c.stream, facts.c.version)
        )
        asked = receipts.c.home == bindparam("asked_home"), receipts.c.key == bindparam("asked_key")
        self.receipt = _kept(tables, select(receipts).where(*asked))
        later = select(receipts).where(receipts.c.number > bindparam("start")).order_by(receipts.c.number).limit(limit)
        self.commits = _kept(tables, later)
        live = or_(claims.c.until.is_(None), claims.c.until > bindparam("at"))
        mine = claims.c.key == bindparam("holder")
        self.claimed = (
            select(claims.c.counter, func.sum(claims.c.amount), func.sum(case((mine, claims.c.amount), else_=0)))
            .where(claims.c.counter.in_(several), live)
            .group_by(claims.c.counter)
        )
        ours = claims.c.key.in_(bindparam("keys", expanding=True))
        self.held = select(
            func.coalesce(func.sum(case((and_(live, ~ours), claims.c.amount), else_=0)), 0),
            func.coalesce(func.sum(case((and_(live, mine), claims.c.amount), else_=0)), 0),
            func.coalesce(func.sum(case((live, 0), else_=1)), 0),
        ).where(claims.c.counter == bindparam("asked"))
        self.claims = (
            select(claims)
            .where(tuple_(claims.c.counter, claims.c.key) > tuple_(bindparam("counter"), bindparam("key")))
            .order_by(claims.c.counter, claims.c.key)
            .limit(limit)
        )
        place = tuple_(bindparam("start", type_=BigInteger), bindparam("after"))
        self.due = (
            select(streams.c.due_at, streams.c.stream)
            .where(streams.c.due_at < bindparam("before"), tuple_(streams.c.due_at, streams.c.stream) > place)
            .order_by(streams.c.due_at, streams.c.stream)
            .limit(limit)
        )
        self.streams = (
            select(streams.c.stream)
            .where(streams.c.stream > bindparam("after"), streams.c.stream < bindparam("end"), streams.c.version > 0)
            .order_by(streams.c.stream)
            .limit(limit)
        )
        of_form = snapshots.c.form == bindparam("form")
        joined = facts.outerjoin(snapshots, and_(snapshots.c.stream == facts.c.stream, of_form))
        self.tails = union_all(
            select(snapshots.c.stream, snapshots.c.version, snapshots.c.text, literal(0).label("is_fact")).where(
                snapshots.c.stream.in_(several), of_form
            ),
            select(facts.c.stream, facts.c.version, facts.c.fact, literal(1))
            .select_from(joined)
            .where(facts.c.stream.in_(several), facts.c.version > func.coalesce(snapshots.c.version, 0)),
        ).order_by("version")


def _kept(tables: Tables, chosen: Select[Any]) -> Select[Any]:
    """Select receipts with what their commits appended, in one view."""
    receipts, facts, streams = chosen.subquery(), tables.facts, tables.streams
    joined = receipts.outerjoin(facts, facts.c.receipt == receipts.c.number)
    return (
        select(receipts, facts.c.stream, facts.c.version, facts.c.fact, streams.c.version.label("stored"), streams.c.due_at)
        .select_from(joined.outerjoin(streams, streams.c.stream == facts.c.stream))
        .order_by(receipts.c.number, facts.c.stream, facts.c.version)
    )


def _commits(rows: Iterable[Row[Any]]) -> Iterator[KeptCommit]:
    """Read what ``_kept`` selects."""
    for number, one in groupby(rows, key=lambda row: row.number):
        of_one = list(one)
        first = of_one[0]
        command = Command(
            home=StreamId(first.home), key=Key(first.key), fingerprint=read_json(first.fingerprint), actor=first.actor
        )
        appended = groupby((row for row in of_one if row.stream is not None), key=lambda row: row.stream)
        appends = tuple(_append(list(of_stream)) for _, of_stream in appended)
        yield KeptCommit(command=command, appends=appends, cursor=Cursor(str(number)))


def _append(rows: Sequence[Row[Any]]) -> Append:
    first, last = rows[0], rows[-1]
    is_last_said = last.version == last.stored and last.due_at is not None
    return Append(
        stream=StreamId(first.stream),
        expected_version=first.version - 1,
        facts=[fact_from_text(row.fact) for row in rows],
        due_at=_instant(last.due_at) if is_last_said else None,
    )


def _tail(snapshot: Snapshot | None, facts: Sequence[Fact]) -> SnapshotStream:
    start = 0 if snapshot is None else snapshot.version
    return SnapshotStream(version=start + len(facts), snapshot=snapshot, facts=tuple(facts))


def _steps(changes: Sequence[Change]) -> list[Step]:
    """Give what is asked of each stream, in order of their ids."""
    appended = {change.stream for change in changes if isinstance(change, Append)}
    steps = [
        Step(
            change.stream,
            change.expected_version,
            tuple(map(fact_text, change.facts)),
            None if change.due_at is None else _micros(change.due_at),
        )
        for change in changes
        if isinstance(change, Append)
    ]
    expected = {change for change in changes if isinstance(change, Expect) and change.stream not in appended}
    steps += [Step(change.stream, change.version) for change in expected]
    return sorted(steps, key=lambda step: (step.stream, step.version))


def _check_expected(changes: Sequence[Change]) -> None:
    """Refuse a stream that is expected at another version than the one it is appended to at."""
    appends = {change.stream: change.expected_version for change in changes if isinstance(change, Append)}
    for change in changes:
        if isinstance(change, Expect):
            _demand(change.stream, change.version, is_met=appends.get(change.stream, change.version) == change.version)


def _run(connection: Connection, statement: Executable | str, parameters: Mapping[str, Any]) -> None:
    if isinstance(statement, str):
        connection.exec_driver_sql(statement, dict(parameters))
    else:
        connection.execute(statement, parameters)


def _demand_new(command: Command, *, is_new: bool) -> None:
    if not is_new:
        msg = f"{command.key!r} was committed in {command.home!r} before"
        raise DuplicateError(msg)


def _demand(stream: StreamId, version: int, *, is_met: bool) -> None:
    if not is_met:
        msg = f"{stream!r} is not at version {version}"
        raise ConflictError(msg)


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _instant(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


def _read_due_cursor(cursor: Cursor) -> tuple[int, str]:
    micros, _, stream = cursor.partition(" ")
    return _number_in(micros, cursor), stream


def _read_number(cursor: Cursor) -> int:
    return _number_in(cursor, cursor)


def _number_in(text: str, cursor: Cursor) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise _foreign(cursor) from error


def _read_claim_cursor(cursor: Cursor) -> tuple[str, str]:
    try:
        found = json.loads(cursor)
    except ValueError as error:
        raise _foreign(cursor) from error
    match found:
        case [str(counter), str(key)]:
            return counter, key
        case _:
            raise _foreign(cursor)


def _foreign(cursor: Cursor) -> UsageError:
    return UsageError(f"a cursor must come from an earlier listing, got {cursor!r:.80}")


def _pages(ids: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(ids), _PAGE):
        yield ids[start : start + _PAGE]
