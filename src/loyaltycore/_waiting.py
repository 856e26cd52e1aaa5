"""A repository that tells of the referrals that wait for their day, and of nothing else that time brings.

A replay gives friends' rewards in the order of time. That points expire and holds run out it need not write down: no balance
waits for it, and a shop's own sweep does it later.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, final

from loyaltycore.facts import Append, Change, Command
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import Claimed, Cursor, Due, Receipt, Repository, StoredStream

__all__ = ["Waiting"]

_REFERRAL: Final = "referral/"

_PAGE: Final = 1_000
"""Streams asked for at once."""

_EVER: Final = datetime.max.replace(tzinfo=UTC)


@final
class Waiting:
    """Another repository, of whose ``due`` only referrals are left; which of them wait is known without asking."""

    def __init__(self, inner: Repository) -> None:
        self.inner = inner
        self.waiting: dict[StreamId, datetime] = {}
        self.heap: list[tuple[datetime, StreamId]] = []
        cursor: Cursor | None = None
        while page := inner.due(before=_EVER, after=cursor, limit=_PAGE):
            cursor = page[-1].cursor
            for due in page:
                self._note(due.stream, due.due_at)

    def next_at(self) -> datetime | None:
        """Say when the next referral falls due; ``None`` where none waits."""
        while self.heap and self.waiting.get(self.heap[0][1]) != self.heap[0][0]:
            heapq.heappop(self.heap)
        return self.heap[0][0] if self.heap else None

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        return self.inner.load(streams)

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        return self.inner.receipt(home, key)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        self.inner.commit(command, changes)
        for change in changes:
            if isinstance(change, Append):
                self._note(change.stream, change.due_at)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        return self.inner.claimed(counters, key=key, at=at)

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List the referrals that are due, those that wait longest first."""
        found = sorted((due_at, stream) for stream, due_at in self.waiting.items() if due_at < before)
        listed = [Due(stream=stream, due_at=due_at, cursor=_cursor(due_at, stream)) for due_at, stream in found]
        return [due for due in listed if after is None or due.cursor > after][:limit]

    def _note(self, stream: StreamId, due_at: datetime | None) -> None:
        if not stream.startswith(_REFERRAL):
            return
        self.waiting.pop(stream, None)
        if due_at is not None:
            self.waiting[stream] = due_at
            heapq.heappush(self.heap, (due_at, stream))


def _cursor(due_at: datetime, stream: StreamId) -> Cursor:
    return Cursor(f"{due_at.isoformat(timespec='microseconds')} {stream}")
