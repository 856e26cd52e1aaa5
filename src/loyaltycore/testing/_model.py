"""What a repository must answer, in the plainest way: one dictionary for each thing that is kept, and no hurry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import final

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import Claimed, Receipt

__all__ = ["Model"]


@final
class Model:
    """The contract of ``Repository``, word by word; time goes one way.

    Attributes:
        facts: By stream, in order.
        due_at: What the last append of a stream said.
        receipts: By home and key.
        claims: The last of each key on each counter.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.facts: dict[StreamId, tuple[Fact, ...]] = {}
        self.due_at: dict[StreamId, datetime] = {}
        self.receipts: dict[tuple[StreamId, Key], Receipt] = {}
        self.claims: dict[tuple[CounterId, Key], Claim] = {}

    def version(self, stream: StreamId) -> int:
        """Count the facts of a stream."""
        return len(self.facts.get(stream, ()))

    def refusal(self, command: Command, changes: Sequence[Change], *, endless: bool = False) -> type[Exception] | None:
        """Say what a commit must raise, the first thing first.

        Args:
            command: What is asked.
            changes: What is to be kept.
            endless: Whether to count claims beyond their time: what a repository says that does not look at it.
        """
        if (command.home, command.key) in self.receipts:
            return DuplicateError
        expected = [
            (c.stream, c.version if isinstance(c, Expect) else c.expected_version) for c in changes if not isinstance(c, Claim)
        ]
        if any(self.version(stream) != version for stream, version in expected):
            return ConflictError
        claims = [change for change in changes if isinstance(change, Claim)]
        return LimitReachedError if any(self._is_over(claim, claims, endless=endless) for claim in claims) else None

    def keep(self, command: Command, changes: Iterable[Change]) -> None:
        """Keep what is not refused."""
        appended = dict[StreamId, tuple[Fact, ...]]()
        for change in changes:
            if isinstance(change, Append):
                appended[change.stream] = change.facts
                self.facts[change.stream] = (*self.facts.get(change.stream, ()), *change.facts)
                self.due_at.pop(change.stream, None)
                if change.due_at is not None:
                    self.due_at[change.stream] = change.due_at
            elif isinstance(change, Claim):
                self.claims[change.counter, change.key] = change
        self.receipts[command.home, command.key] = Receipt(command=command, facts=appended)

    def live(self, counter: CounterId, at: datetime, *, endless: bool = False) -> dict[Key, int]:
        """Give what each key holds of a counter at an instant."""
        return {
            key: claim.amount
            for (name, key), claim in self.claims.items()
            if name == counter and (endless or claim.until is None or at < claim.until)
        }

    def claimed(self, counter: CounterId, key: Key, at: datetime, *, endless: bool = False) -> Claimed:
        """Give the live total of a counter, and what one key holds of it."""
        live = self.live(counter, at, endless=endless)
        return Claimed(total=sum(live.values()), mine=live.get(key, 0))

    def due(self, before: datetime) -> list[tuple[StreamId, datetime]]:
        """List what is due, by instant and stream."""
        found = sorted((due_at, stream) for stream, due_at in self.due_at.items() if due_at < before)
        return [(stream, due_at) for due_at, stream in found]

    def _is_over(self, claim: Claim, claims: Iterable[Claim], *, endless: bool) -> bool:
        live = self.live(claim.counter, claim.at, endless=endless)
        is_raised = claim.amount > live.get(claim.key, 0)
        live |= {other.key: other.amount for other in claims if other.counter == claim.counter}
        return claim.limit is not None and is_raised and sum(live.values()) > claim.limit
