"""The port: its values, its protocols, and two stores that answer alike whatever is asked of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Append, Change, Claim, Command, Expect
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.ledger import Granted
from loyaltycore.repositories import Claimed, Cursor, Due, Enumerable, Receipt, Repository, StoredStream, every_stream
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from tests.canaries import Plain

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STREAMS = tuple(StreamId(name) for name in ("member/a", "member/b", "order/a"))
COUNTERS = tuple(CounterId(name) for name in ("coupon/one", "coupon/two"))
KEYS = tuple(Key(name) for name in ("k1", "k2", "k3"))


def append(stream: StreamId, version: int, *, ref: str = "r", count: int = 1, due_at: datetime | None = None) -> Append:
    """Make an append of some facts."""
    facts = [
        Granted(account="points", ref=f"{ref}-{place}", rule="base", units=1, available_at=AT, at=AT) for place in range(count)
    ]
    return Append(stream=stream, expected_version=version, facts=facts, due_at=due_at)


class TestValues:
    def test_stream_never_written_is_empty(self) -> None:
        """Version 0, and no facts."""
        assert (StoredStream().version, StoredStream().facts) == (0, ())

    @pytest.mark.parametrize("kind", [StoredStream, Receipt, Claimed, Due])
    def test_answers_are_frozen(self, kind: type[attrs.AttrsInstance]) -> None:
        """What a repository answers is a value."""
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            kind.__new__(kind).anything = 1  # type: ignore[attr-defined]  # that it cannot be set is the point


class TestEveryStream:
    @pytest.mark.parametrize("page", [1, 2, 3, 1000])
    def test_goes_through_all_pages(self, page: int) -> None:
        """Every stream of the kind once, whatever the size of a page."""
        repository = MemoryRepository()
        for name in ("member/b", "member/a", "member/c", "order/a", "members/a"):
            stream = StreamId(name)
            repository.commit(Command.of(stream, Key("k"), actor="test"), [append(stream, 0)])
        assert list(every_stream(repository, "member", page=page)) == ["member/a", "member/b", "member/c"]

    def test_nothing_to_list(self) -> None:
        """An empty store has no streams."""
        assert list(every_stream(MemoryRepository(), "member")) == []

    def test_pages_are_asked_for_one_by_one(self) -> None:
        """Whoever stops early loads no more."""
        asked = list[tuple[StreamId | None, int]]()

        class Counted(MemoryListing):
            def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
                asked.append((after, limit))
                return super().streams(kind, after=after, limit=limit)

        listing = every_stream(Counted(), "member", page=2)
        assert [next(listing), next(listing), next(listing)] == ["member/0", "member/1", "member/2"]
        assert asked == [(None, 2), ("member/1", 2)]

    def test_a_page_is_a_thousand_unless_said(self) -> None:
        """Large enough for few round trips."""
        asked = list[int]()

        class Counted(MemoryListing):
            def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
                asked.append(limit)
                return super().streams(kind, after=after, limit=limit)

        assert len(list(every_stream(Counted(), "member"))) == 5
        assert asked == [1000, 1000]


class MemoryListing:
    """Five streams, listed."""

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
        """List them."""
        everything = [StreamId(f"{kind}/{number}") for number in range(5)]
        return [stream for stream in everything if after is None or stream > after][:limit]


class TestEnumerable:
    def test_is_known_by_its_method(self) -> None:
        """A repository that can list its streams need not inherit."""
        assert isinstance(MemoryListing(), Enumerable)
        assert isinstance(Plain(), Enumerable)
        assert not isinstance(object(), Enumerable)


@st.composite
def changes(draw: st.DrawFn, versions: dict[StreamId, int], at: datetime) -> list[Change]:
    """Draw what one commit asks: mostly versions as stored, some off by one."""
    asked = list[Change]()
    off = st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1, -1])
    for stream in draw(st.lists(st.sampled_from(STREAMS), unique=True, max_size=3)):
        version = max(0, versions[stream] + draw(off))
        due_at = draw(st.none() | st.integers(-3, 3).map(lambda hours: AT + hours * HOUR))
        kept = append(stream, version, ref=str(draw(st.integers(0, 9))), count=draw(st.integers(1, 2)), due_at=due_at)
        either: list[Change] = [kept, kept, Expect(stream=stream, version=version)]
        asked.append(draw(st.sampled_from(either)))
    for counter, key in draw(st.lists(st.tuples(st.sampled_from(COUNTERS), st.sampled_from(KEYS)), unique=True, max_size=3)):
        limit = draw(st.none() | st.integers(0, 6))
        until = draw(st.none() | st.integers(1, 4).map(lambda hours: at + hours * HOUR))
        asked.append(Claim(counter=counter, key=key, amount=draw(st.integers(0, 4)), limit=limit, at=at, until=until))
    return draw(st.permutations(asked))


def answered(repository: Repository, command: Command, asked: Sequence[Change]) -> type[Exception] | None:
    """Commit, and give the kind of refusal."""
    try:
        repository.commit(command, asked)
    except (ConflictError, DuplicateError, LimitReachedError) as refusal:
        return type(refusal)
    return None


def everything_in(repository: MemoryRepository | SQLiteRepository | Plain, at: datetime) -> list[object]:
    """Ask a repository all that can be asked."""
    seen: list[object] = [repository.load(STREAMS)]
    seen += [repository.receipt(home, key) for home in STREAMS for key in KEYS]
    seen += [repository.claimed(COUNTERS, key=key, at=at) for key in KEYS]
    seen += [list(repository.streams(kind)) for kind in ("member", "order")]
    due, after = list[tuple[StreamId, datetime]](), None
    while page := repository.due(before=AT + 2 * HOUR, after=after, limit=2):
        due += [(one.stream, one.due_at) for one in page]
        after = page[-1].cursor
    return [*seen, due]


class TestStoresAgree:
    @pytest.mark.law(38, 39)
    @settings(max_examples=60)
    @given(data=st.data())
    def test_any_history_is_answered_alike(self, data: st.DataObject) -> None:
        """Memory, SQLite and a plain one refuse the same commits for the same reason, and hold the same afterwards."""
        db = sqlite3.connect(":memory:")
        stores = (MemoryRepository(), SQLiteRepository(connection=db), Plain())
        at = AT
        for number in range(data.draw(st.integers(1, 12), label="commits")):
            versions = {stream: stored.version for stream, stored in stores[0].load(STREAMS).items()}
            home, key = data.draw(st.sampled_from(STREAMS)), data.draw(st.sampled_from([*KEYS, Key(f"new-{number}")] * 2))
            command = Command.of(home, key, actor="test", number=number)
            asked = data.draw(changes(versions, at), label="changes")
            assert len({answered(store, command, asked) for store in stores}) == 1
            seen = [everything_in(store, at) for store in stores]
            assert seen[0] == seen[1]
            assert seen[0] == seen[2]
            at += data.draw(st.integers(0, 2)) * HOUR
        db.close()

    def test_cursor_of_another_page_goes_on(self) -> None:
        """A listing may go on after any entry, not only after a page's last; ids may hold spaces."""
        for store in (MemoryRepository(), SQLiteRepository(connection=sqlite3.connect(":memory:"))):
            for place, name in enumerate(("a b", "a c", "c  d")):
                stream = StreamId(f"member/{name}")
                store.commit(Command.of(stream, Key("k"), actor="test"), [append(stream, 0, due_at=AT + place // 2 * HOUR)])
            listed = store.due(before=AT + 9 * HOUR, after=None, limit=9)
            rest = store.due(before=AT + 9 * HOUR, after=Cursor(listed[0].cursor), limit=9)
            assert [due.stream for due in rest] == ["member/a c", "member/c  d"]
