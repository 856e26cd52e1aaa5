"""The repository in memory; the contract itself is checked by the conformance kit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Append, Claim, Command
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.memberships import MemberJoined
from loyaltycore.repositories import (
    Cursor,
    Enumerable,
    Exportable,
    Forgetting,
    Projecting,
    Snapshots,
    StoredStream,
)
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.testing import check_repository

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
MEMBER = StreamId("member/m")
COUNTER = CounterId("coupon/SUMMER")


def command(key: str) -> Command:
    """Make a command of a member."""
    return Command.of(MEMBER, Key(key), actor="test")


def append(stream: StreamId, version: int, due_at: datetime | None = None) -> Append:
    """Make an append of one fact."""
    return Append(stream=stream, expected_version=version, facts=[MemberJoined(member_id="m", at=AT)], due_at=due_at)


def claim(key: str, amount: int, *, at: datetime = AT, until: datetime | None = None) -> Claim:
    """Make a claim on a counter of ten."""
    return Claim(counter=COUNTER, key=Key(key), amount=amount, limit=10, at=at, until=until)


class TestMemoryRepository:
    @pytest.mark.law(38, 39)
    def test_keeps_the_contract(self) -> None:
        """Every clause, by the kit."""
        check_repository(MemoryRepository, capabilities=[Enumerable, Exportable, Snapshots, Projecting, Forgetting])

    def test_lists_its_streams(self) -> None:
        """It can be exported."""
        assert isinstance(MemoryRepository(), Enumerable)

    def test_two_share_nothing(self) -> None:
        """Each starts empty."""
        first, second = MemoryRepository(), MemoryRepository()
        first.commit(command("k"), [append(MEMBER, 0)])
        assert second.load([MEMBER]) == {MEMBER: StoredStream()}

    def test_what_was_loaded_stays(self) -> None:
        """A later commit does not change what somebody holds in hand."""
        repository = MemoryRepository()
        repository.commit(command("k1"), [append(MEMBER, 0)])
        loaded = repository.load([MEMBER])
        repository.commit(command("k2"), [append(MEMBER, 1)])
        assert loaded[MEMBER].version == 1
        assert repository.load([MEMBER])[MEMBER].version == 2

    def test_refusals_say_what_is_there(self) -> None:
        """A log line names the command, or the stream and both versions."""
        repository = MemoryRepository()
        repository.commit(command("k"), [append(MEMBER, 0)])
        with pytest.raises(DuplicateError, match=r"^'k' was committed in 'member/m' before$"):
            repository.commit(command("k"), [append(MEMBER, 1)])
        with pytest.raises(ConflictError, match=r"^'member/m' is at version 1, not 5$"):
            repository.commit(command("late"), [append(MEMBER, 5)])

    def test_claims_of_one_commit_count_together(self) -> None:
        """Two keys may not pass the limit side by side; one may hand over to the other.

        Before, each claim was looked at as if it were alone, and 12 of 10 were held.
        """
        repository = MemoryRepository()
        with pytest.raises(LimitReachedError, match="coupon/SUMMER"):
            repository.commit(command("both"), [claim("a", 6), claim("b", 6)])
        repository.commit(command("one"), [claim("a", 10)])
        repository.commit(command("over"), [claim("b", 10), claim("a", 0)])
        assert repository.claimed([COUNTER], key=Key("b"), at=AT)[COUNTER].mine == 10

    def test_cursors_follow_the_instants(self) -> None:
        """Years, days, seconds and microseconds sort as the instants do, in cursors too."""
        instants = [
            datetime(2, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(1970, 1, 1, tzinfo=UTC),
            AT,
            AT + timedelta(microseconds=9),
            AT + timedelta(microseconds=10),
            AT + timedelta(seconds=9),
            AT + timedelta(seconds=10),
            AT + timedelta(days=9),
            datetime(9998, 12, 31, tzinfo=UTC),
        ]
        repository = MemoryRepository()
        for number, instant in enumerate(reversed(instants)):
            stream = StreamId(f"member/{number}")
            repository.commit(command(f"k{number}"), [append(stream, 0, due_at=instant)])
        found, after = list[datetime](), None
        while page := repository.due(before=datetime(9998, 12, 31, 1, tzinfo=UTC), after=after, limit=3):
            found += [due.due_at for due in page]
            after = page[-1].cursor
        assert found == instants

    def test_others_wait_for_the_shops_work(self) -> None:
        """Whoever commits meanwhile does so before or after, and never in between: none of twenty is lost."""
        repository, projected = MemoryRepository(), list[int]()

        def write(number: int) -> None:
            def project(_: object) -> None:
                projected.append(repository.load([MEMBER])[MEMBER].version)

            while True:
                version = repository.load([MEMBER])[MEMBER].version
                try:
                    repository.commit_then(command(str(number)), [append(MEMBER, version)], project)
                except ConflictError:
                    continue
                return

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(20)))
        assert projected == list(range(1, 21))

    def test_cursor_past_the_end_finds_nothing(self) -> None:
        """A listing that is through stays through."""
        assert MemoryRepository().due(before=AT, after=Cursor("~"), limit=1) == []
