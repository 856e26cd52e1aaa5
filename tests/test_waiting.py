"""The repository of a replay, of whose due only referrals are left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loyaltycore._waiting import Waiting
from loyaltycore.errors import ConflictError
from loyaltycore.facts import Append, Command
from loyaltycore.identity import Key, StreamId
from loyaltycore.memberships import MemberJoined
from loyaltycore.repositories import Repository
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.testing import check_repository

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
FIRST, SECOND, MEMBER = StreamId("referral/f-1"), StreamId("referral/f-2"), StreamId("member/m")


def write(store: Repository, stream: StreamId, days: float | None, *, version: int = 0) -> None:
    """Append a fact that says when time next brings something, in days from now."""
    due_at = None if days is None else NOW + timedelta(days=days)
    append = Append(stream=stream, expected_version=version, facts=(MemberJoined(member_id="m", at=NOW),), due_at=due_at)
    store.commit(Command.of(stream, Key(f"{version}"), actor="test"), (append,))


def due(waiting: Waiting, days: float) -> list[StreamId]:
    """List what is due before so many days from now, one at a time."""
    found, cursor = list[StreamId](), None
    while page := waiting.due(before=NOW + timedelta(days=days), after=cursor, limit=1):
        (one,) = page
        assert one.due_at < NOW + timedelta(days=days)
        found.append(one.stream)
        cursor = one.cursor
    return found


class TestDue:
    def test_only_referrals(self) -> None:
        """What time brings a member is a matter of the shop's own sweep."""
        waiting = Waiting(MemoryRepository())
        write(waiting, MEMBER, 1)
        assert (waiting.next_at(), due(waiting, 9)) == (None, [])
        write(waiting, SECOND, 3)
        write(waiting, FIRST, 2)
        assert waiting.next_at() == NOW + timedelta(days=2)
        assert due(waiting, 2) == []
        assert due(waiting, 3) == [FIRST]
        assert due(waiting, 4) == [FIRST, SECOND]

    def test_the_first_by_time_whatever_its_fraction(self) -> None:
        """Whole seconds and parts of them are listed in the order of time."""
        waiting = Waiting(MemoryRepository())
        write(waiting, FIRST, 1.0000001)
        write(waiting, SECOND, 1)
        assert due(waiting, 2) == [SECOND, FIRST]

    def test_a_later_append_replaces_it(self) -> None:
        """What is settled no longer waits, and what is put off waits longer."""
        waiting = Waiting(MemoryRepository())
        write(waiting, FIRST, 1)
        write(waiting, SECOND, 2)
        write(waiting, FIRST, 5, version=1)
        assert waiting.next_at() == NOW + timedelta(days=2)
        write(waiting, SECOND, None, version=1)
        assert waiting.next_at() == NOW + timedelta(days=5)
        assert due(waiting, 9) == [FIRST]
        write(waiting, FIRST, None, version=2)
        assert (waiting.next_at(), due(waiting, 9)) == (None, [])

    def test_what_was_not_kept_is_not_known(self) -> None:
        """A commit that fails leaves nothing waiting."""
        waiting = Waiting(MemoryRepository())
        with pytest.raises(ConflictError):
            write(waiting, FIRST, 1, version=7)
        assert waiting.next_at() is None

    def test_a_store_that_was_begun(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What an earlier replay left waiting is found, among all that time brings there."""
        monkeypatch.setattr("loyaltycore._waiting._PAGE", 2)
        store = MemoryRepository()
        for number in range(5):
            write(store, StreamId(f"member/{number}"), number)
        write(store, FIRST, 2.5)
        write(store, SECOND, 9)
        waiting = Waiting(store)
        assert waiting.next_at() == NOW + timedelta(days=2.5)
        assert due(waiting, 10) == [FIRST, SECOND]


def test_all_but_due_is_the_repository_beneath() -> None:
    """Every clause of the contract but that of ``due`` is kept, and of that one, what is left of it."""

    def watched() -> Repository:
        store = MemoryRepository()
        waiting = Waiting(store)
        waiting.due = store.due  # type: ignore[method-assign]  # the clause that it narrows on purpose
        return waiting

    check_repository(watched, threads=4)
