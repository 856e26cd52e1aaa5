"""A repository in memory, for tests and scripts.

>>> from loyaltycore.identity import member_stream
>>> MemoryRepository().load([member_stream("m-42")])
{'member/m-42': StoredStream(version=0, facts=())}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from threading import RLock
from typing import final

import attrs

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
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
from loyaltycore.store._names import id_of, number_cursor, pair_cursor, read_number, read_pair

__all__ = ["MemoryRepository"]


@final
@attrs.frozen
class _Held:
    """What one key holds of a counter."""

    amount: int
    until: datetime | None

    def live(self, at: datetime) -> bool:
        return self.until is None or at < self.until


@final
@attrs.frozen
class _Written:
    """Where the facts of an append stand in their stream: after ``start``, up to ``stop``."""

    stream: StreamId
    start: int
    stop: int


@final
@attrs.frozen
class _Done:
    """A command, and what it wrote."""

    command: Command
    written: tuple[_Written, ...]


@final
class MemoryRepository:
    """Keeps facts in dictionaries, behind one lock; safe among threads, gone with the process.

    It has every optional power but ``Joining``: there is no transaction of the caller's to take part in.
    """

    def __init__(self) -> None:
        """Start empty."""
        # The shop's own work inside a commit may read the repository it is called from.
        self._lock = RLock()
        self._streams: dict[StreamId, StoredStream] = {}
        self._due: dict[StreamId, datetime] = {}
        self._done: dict[tuple[StreamId, Key], _Done] = {}
        self._claims: dict[CounterId, dict[Key, _Held]] = {}
        self._snapshots: dict[StreamId, Snapshot] = {}

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Give streams as they are kept."""
        with self._lock:
            return {stream: self._stored(stream) for stream in streams}

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did."""
        with self._lock:
            done = self._done.get((home, key))
            if done is None:
                return None
            facts = {written.stream: self._facts(written) for written in done.written}
            return Receipt(command=done.command, facts=facts)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes, all or nothing: everything is checked before anything is written."""
        with self._lock:
            if (command.home, command.key) in self._done:
                msg = f"{command.key!r} was committed in {command.home!r} before"
                raise DuplicateError(msg)
            self._check_versions(changes)
            claims = [change for change in changes if isinstance(change, Claim)]
            self._check_limits(claims)
            self._write(command, changes, claims)

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[None], object], /) -> None:
        """Keep changes, and what the shop does beside: an error of ``then`` leaves nothing.

        Other threads wait until ``then`` is through.
        """
        with self._lock:
            before = self._copies()
            self.commit(command, changes)
            try:
                then(None)
            except BaseException:
                self._streams, self._due, self._done, self._claims, self._snapshots = before
                raise

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters."""
        with self._lock:
            found = {}
            for counter in counters:
                live = {holder: held.amount for holder, held in self._claims.get(counter, {}).items() if held.live(at)}
                found[counter] = Claimed(total=sum(live.values()), mine=live.get(key, 0))
            return found

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List streams that time brings something for."""
        with self._lock:
            waiting = sorted((due_at, stream) for stream, due_at in self._due.items() if due_at < before)
        listed = [Due(stream=stream, due_at=due_at, cursor=_cursor(due_at, stream)) for due_at, stream in waiting]
        return [due for due in listed if after is None or due.cursor > after][:limit]

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = STREAMS_PAGE) -> Sequence[StreamId]:
        """List the streams of a kind in order of their ids."""
        with self._lock:
            return sorted(s for s in self._streams if s.startswith(f"{kind}/") and (after is None or s > after))[:limit]

    def commits(self, *, after: Cursor | None, limit: int) -> Sequence[KeptCommit]:
        """List commits, in the order they were made."""
        start = read_number(after)
        with self._lock:
            page = list(self._done.values())[start : start + limit]
            return [self._kept_commit(done, number_cursor(number)) for number, done in enumerate(page, start + 1)]

    def claims(self, *, after: Cursor | None, limit: int) -> Sequence[KeptClaim]:
        """List claims, in order of counters and keys."""
        start = read_pair(after)
        with self._lock:
            held = sorted((counter, key, one) for counter, keys in self._claims.items() for key, one in keys.items())
        return [
            KeptClaim(counter=counter, key=key, amount=one.amount, until=one.until, cursor=pair_cursor(counter, key))
            for counter, key, one in held
            if (counter, key) > start
        ][:limit]

    def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        """Give streams from their snapshots on."""
        with self._lock:
            return {stream: self._tail(stream, form) for stream in streams}

    def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        """Keep what a stream came to; one of more facts than there are is not kept."""
        with self._lock:
            kept = self._snapshots.get(stream)
            if snapshot.version <= self._stored(stream).version and (kept is None or kept.version <= snapshot.version):
                self._snapshots[stream] = snapshot

    def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Rename a stream, and rewrite facts: everything is checked before anything is written.

        Snapshots of streams that are rewritten are gone too.
        """
        with self._lock:
            self._check_empty(new)
            rewritten = {old: StoredStream(), new: self._stored(old)}
            for stream, given in facts.items():
                stored = rewritten.get(stream, self._stored(stream)).version
                if stored != len(given):
                    msg = f"{stream!r} is at version {stored}, not {len(given)}"
                    raise ConflictError(msg)
            rewritten.update({stream: StoredStream(len(given), tuple(given)) for stream, given in facts.items()})
            self._streams.update({stream: stored for stream, stored in rewritten.items() if stored.version})
            self._streams.pop(old, None)
            for stream in rewritten:
                self._snapshots.pop(stream, None)
            if old in self._due:
                self._due[new] = self._due.pop(old)
            done = [_renamed(one, old, new) for one in self._done.values()]
            self._done = {(one.command.home, one.command.key): one for one in done}
            for held in self._claims.values():
                if Key(old) in held:
                    held[Key(new)] = held.pop(Key(old))

    def _stored(self, stream: StreamId) -> StoredStream:
        return self._streams.get(stream, StoredStream())

    def _facts(self, written: _Written) -> tuple[Fact, ...]:
        return self._stored(written.stream).facts[written.start : written.stop]

    def _tail(self, stream: StreamId, form: str) -> SnapshotStream:
        stored, snapshot = self._stored(stream), self._snapshots.get(stream)
        if snapshot is None or snapshot.form != form:
            return SnapshotStream(version=stored.version, facts=stored.facts)
        return SnapshotStream(version=stored.version, snapshot=snapshot, facts=stored.facts[snapshot.version :])

    def _kept_commit(self, done: _Done, cursor: Cursor) -> KeptCommit:
        appends = [
            Append(
                stream=written.stream,
                expected_version=written.start,
                facts=self._facts(written),
                due_at=self._due.get(written.stream) if written.stop == self._stored(written.stream).version else None,
            )
            for written in done.written
        ]
        return KeptCommit(command=done.command, appends=tuple(appends), cursor=cursor)

    def _check_versions(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, Claim):
                continue
            expected = change.version if isinstance(change, Expect) else change.expected_version
            stored = self._stored(change.stream).version
            if stored != expected:
                msg = f"{change.stream!r} is at version {stored}, not {expected}"
                raise ConflictError(msg)

    def _check_limits(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            held = self._claims.get(claim.counter, {})
            live = {key: one.amount for key, one in held.items() if one.live(claim.at)}
            raises = claim.amount > live.get(claim.key, 0)
            live.update({other.key: other.amount for other in claims if other.counter == claim.counter})
            if claim.limit is not None and raises and sum(live.values()) > claim.limit:
                raise LimitReachedError(claim.counter)

    def _check_empty(self, new: StreamId) -> None:
        is_claiming = any(Key(new) in held for held in self._claims.values())
        if new in self._streams or is_claiming or any(home == new for home, _ in self._done):
            msg = f"{new!r} is not empty"
            raise ConflictError(msg)

    def _write(self, command: Command, changes: Iterable[Change], claims: Iterable[Claim]) -> None:
        written = list[_Written]()
        for append in changes:
            if not isinstance(append, Append):
                continue
            stored = self._stored(append.stream)
            facts = (*stored.facts, *append.facts)
            self._streams[append.stream] = StoredStream(len(facts), facts)
            written.append(_Written(append.stream, stored.version, len(facts)))
            self._due.pop(append.stream, None)
            if append.due_at is not None:
                self._due[append.stream] = append.due_at
        for claim in claims:
            held = self._claims.setdefault(claim.counter, {})
            held.pop(claim.key, None)
            if claim.amount:
                held[claim.key] = _Held(claim.amount, claim.until)
        self._done[command.home, command.key] = _Done(command, tuple(written))

    def _copies(
        self,
    ) -> tuple[
        dict[StreamId, StoredStream],
        dict[StreamId, datetime],
        dict[tuple[StreamId, Key], _Done],
        dict[CounterId, dict[Key, _Held]],
        dict[StreamId, Snapshot],
    ]:
        claims = {counter: dict(held) for counter, held in self._claims.items()}
        return dict(self._streams), dict(self._due), dict(self._done), claims, dict(self._snapshots)


def _renamed(done: _Done, old: StreamId, new: StreamId) -> _Done:
    command = attrs.evolve(done.command, home=new) if done.command.home == old else done.command
    if command.actor and command.actor == id_of(old):
        command = attrs.evolve(command, actor=id_of(new))
    written = [attrs.evolve(one, stream=new) if one.stream == old else one for one in done.written]
    return _Done(command, tuple(written))


def _cursor(due_at: datetime, stream: StreamId) -> Cursor:
    # Days, seconds and microseconds since the first year, in fixed width, sort as the instants do.
    since = due_at - datetime.min.replace(tzinfo=UTC)
    return Cursor(f"{since.days:08d}{since.seconds:05d}{since.microseconds:06d} {stream}")
