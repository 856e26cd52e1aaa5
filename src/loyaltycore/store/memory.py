"""A repository in memory, for tests and scripts.

>>> from loyaltycore.identity import member_stream
>>> MemoryRepository().load([member_stream("m-42")])
{'member/m-42': StoredStream(version=0, facts=())}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import final

import attrs

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Append, Change, Claim, Command, Expect
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import STREAMS_PAGE, Claimed, Cursor, Due, Receipt, StoredStream

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
class MemoryRepository:
    """Keeps facts in dictionaries, behind one lock; safe among threads, gone with the process."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = Lock()
        self._streams: dict[StreamId, StoredStream] = {}
        self._due: dict[StreamId, datetime] = {}
        self._receipts: dict[tuple[StreamId, Key], Receipt] = {}
        self._claims: dict[CounterId, dict[Key, _Held]] = {}

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Give streams as they are kept."""
        with self._lock:
            return {stream: self._streams.get(stream, StoredStream()) for stream in streams}

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did."""
        with self._lock:
            return self._receipts.get((home, key))

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes, all or nothing: everything is checked before anything is written."""
        with self._lock:
            if (command.home, command.key) in self._receipts:
                msg = f"{command.key!r} was committed in {command.home!r} before"
                raise DuplicateError(msg)
            self._check_versions(changes)
            claims = [change for change in changes if isinstance(change, Claim)]
            self._check_limits(claims)
            self._write(command, changes, claims)

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

    def _check_versions(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, Claim):
                continue
            expected = change.version if isinstance(change, Expect) else change.expected_version
            stored = self._streams.get(change.stream, StoredStream()).version
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

    def _write(self, command: Command, changes: Iterable[Change], claims: Iterable[Claim]) -> None:
        appends = [change for change in changes if isinstance(change, Append)]
        for append in appends:
            stored = self._streams.get(append.stream, StoredStream())
            facts = (*stored.facts, *append.facts)
            self._streams[append.stream] = StoredStream(len(facts), facts)
            self._due.pop(append.stream, None)
            if append.due_at is not None:
                self._due[append.stream] = append.due_at
        for claim in claims:
            held = self._claims.setdefault(claim.counter, {})
            held.pop(claim.key, None)
            if claim.amount:
                held[claim.key] = _Held(claim.amount, claim.until)
        receipt = Receipt(command=command, facts={append.stream: append.facts for append in appends})
        self._receipts[command.home, command.key] = receipt


def _cursor(due_at: datetime, stream: StreamId) -> Cursor:
    # Days, seconds and microseconds since the first year, in fixed width, sort as the instants do.
    since = due_at - datetime.min.replace(tzinfo=UTC)
    return Cursor(f"{since.days:08d}{since.seconds:05d}{since.microseconds:06d} {stream}")
