"""Archives: what goes out comes back, in any order and any number of times, into any repository."""

from __future__ import annotations

import json
import pickle
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import metadata
from typing import NoReturn

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyaltycore import Basket, Loyalty, archive
from loyaltycore.archive import CLAIMS_HOME, FORM, ArchiveError, Imported, export_lines, import_lines
from loyaltycore.codec import encode_fact
from loyaltycore.errors import ConflictError, UsageError
from loyaltycore.facts import Append, Change, Claim, Command
from loyaltycore.identity import CounterId, Key, StreamId, member_stream, order_stream
from loyaltycore.memberships import MemberJoined
from loyaltycore.repositories import Claimed, Exportable, Receipt, Repository, StoredStream
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from tests.golden_facts import FULL
from tests.programs import velo

AT = datetime(2026, 7, 1, 8, tzinfo=UTC)
STREAMS = (StreamId("member/m-1"), StreamId("member/é 🚲\u2028"), StreamId("order/1001"))
COUNTERS = (CounterId("coupon/SUMMER/2026-07"), CounterId("offer/ten"))
KEYS = (Key("order/1001"), Key("order/1002"))

MAKERS: Sequence[Callable[[], Repository]] = (
    MemoryRepository,
    lambda: SQLiteRepository(connection=sqlite3.connect(":memory:", isolation_level=None)),
)


def fact(number: int) -> MemberJoined:
    """Make a fact that differs from the others."""
    return MemberJoined(member_id="m-1", at=AT + timedelta(microseconds=number))


def append(stream: StreamId, version: int, *numbers: int, due_at: datetime | None = None) -> Append:
    """Make an append."""
    return Append(stream=stream, expected_version=version, facts=[fact(number) for number in numbers], due_at=due_at)


def command(key: str, *, home: StreamId = STREAMS[0], actor: str = "shop") -> Command:
    """Make a command."""
    return Command.of(home, Key(key), actor=actor, passed=key)


def three_commits() -> MemoryRepository:
    """Keep three commits, each of which needs the one before, and a claim."""
    repository = MemoryRepository()
    first, second, third = STREAMS
    repository.commit(command("a"), [append(first, 0, 1, 2)])
    repository.commit(command("b"), [append(first, 2, 3), append(third, 0, 4)])
    claim = Claim(counter=COUNTERS[0], key=KEYS[0], amount=2, limit=5, at=AT, until=None)
    repository.commit(command("c"), [append(third, 1, 5, due_at=AT), append(second, 0, 6), claim])
    return repository


def seen(repository: Repository) -> Mapping[str, object]:
    """Give all that a repository answers about the streams and counters of these tests."""
    homes = [*STREAMS, CLAIMS_HOME]
    after = AT + timedelta(days=30)
    return {
        "streams": dict(repository.load(STREAMS)),
        "receipts": {(home, key): repository.receipt(home, Key(key)) for home in homes for key in "abcdefghij"},
        "claimed": [dict(repository.claimed(COUNTERS, key=key, at=at)) for key in KEYS for at in (AT, after)],
        "due": [(due.stream, due.due_at) for due in repository.due(before=AT + timedelta(days=900), after=None, limit=99)],
    }


def lines_of(repository: Exportable) -> list[str]:
    """Export everything."""
    return list(export_lines(repository))


@st.composite
def repositories(draw: st.DrawFn) -> MemoryRepository:
    """Draw repositories of a few commits, over several streams at once, with claims and due dates."""
    repository, versions = MemoryRepository(), Counter[StreamId]()
    instants = st.none() | st.integers(1, 50).map(lambda days: AT + timedelta(days=days))
    for key in "abcdefghij"[: draw(st.integers(0, 10))]:
        changes: list[Change] = []
        for stream in draw(st.sets(st.sampled_from(STREAMS))):
            count = draw(st.integers(1, 3))
            changes.append(append(stream, versions[stream], *range(count), due_at=draw(instants)))
            versions[stream] += count
        for counter, holder in draw(st.sets(st.tuples(st.sampled_from(COUNTERS), st.sampled_from(KEYS)))):
            amount, until = draw(st.integers(0, 3)), draw(instants)
            changes.append(Claim(counter=counter, key=holder, amount=amount, limit=None, at=AT, until=until))
        repository.commit(command(key, home=draw(st.sampled_from(STREAMS)), actor=draw(st.sampled_from(["shop", "é"]))), changes)
    return repository


class TestRoundTrip:
    """Out and in again."""

    @settings(deadline=None)
    @given(repositories(), st.randoms(use_true_random=False), st.sampled_from(MAKERS))
    def test_everything_comes_back(self, old: MemoryRepository, chance: random.Random, make: Callable[[], Repository]) -> None:
        """Whatever the order of the lines: the same streams, receipts, claims and due dates, and the same lines again."""
        header, *lines = lines_of(old)
        chance.shuffle(lines)
        new = make()
        imported = import_lines(new, [header, *lines])
        assert isinstance(new, Exportable)
        assert Counter(lines_of(new)) == Counter([header, *lines])
        assert seen(new) == seen(old)
        assert imported.known == 0
        assert imported.commits + imported.claims == len(lines) - 1
        assert imported.facts == sum(stored.version for stored in old.load(STREAMS).values())

    @settings(deadline=None)
    @given(repositories(), st.integers(0, 30), st.sampled_from(MAKERS))
    def test_an_import_that_broke_off_is_made_again(
        self, old: MemoryRepository, cut: int, make: Callable[[], Repository]
    ) -> None:
        """What is there already is passed over."""
        new, lines = make(), lines_of(old)
        if cut < len(lines):
            with pytest.raises(ArchiveError):
                import_lines(new, lines[:cut] if cut else lines[1:])
        first = import_lines(new, lines)
        assert seen(new) == seen(old)
        assert import_lines(new, lines) == Imported(commits=0, facts=0, claims=0, known=len(lines) - 2)
        assert first.commits + first.claims + first.known == len(lines) - 2

    def test_a_shop_at_work(self) -> None:
        """Every kind of fact a shop writes goes through, and the shop goes on over the copy."""
        old, new = MemoryRepository(), MemoryRepository()
        clock = [AT]
        shop = Loyalty(velo(), old, clock=lambda: clock[-1])
        shop.join("m-1")
        shop.earn(600, member_id="m-1", ref="ticket-7", expires_at=None, reason='"late"\nparcel', actor="eva")
        quote = shop.quote(Basket.of("EUR", {"helmet": "79.90"}), member_id="m-1", burn=500)
        placed = shop.place(quote, order_id="1001")
        shop.transfer(50, member_id="m-1", to="m-2", ref="gift")
        shop.refund("1001", return_id="r-1", lines={"helmet": 1})
        import_lines(new, (f"{line}\n" for line in export_lines(old)))
        moved = Loyalty(velo(), new, clock=lambda: clock[-1])
        assert moved.overview("m-1") == shop.overview("m-1")
        assert moved.overview("m-2") == shop.overview("m-2")
        assert moved.order("1001") == shop.order("1001")
        assert moved.place(quote, order_id="1001") == placed
        assert moved.refund("1001", return_id="r-1", lines={"helmet": 1}) == shop.refund(
            "1001", return_id="r-1", lines={"helmet": 1}
        )

    def test_every_kind_of_fact(self) -> None:
        """A commit of one fact of every kind."""
        old, new = MemoryRepository(), MemoryRepository()
        old.commit(command("a"), [Append(stream=STREAMS[0], expected_version=0, facts=FULL)])
        import_lines(new, lines_of(old))
        assert new.load([STREAMS[0]]) == old.load([STREAMS[0]])

    def test_more_than_a_page(self) -> None:
        """Listings are asked for page by page."""
        old, new = MemoryRepository(), MemoryRepository()
        for number in range(archive.PAGE + 1):
            claim = Claim(counter=COUNTERS[0], key=Key(f"k-{number}"), amount=1, limit=None, at=AT, until=None)
            old.commit(command(f"c-{number}"), [claim])
        assert import_lines(new, lines_of(old)) == Imported(commits=archive.PAGE + 1, facts=0, claims=archive.PAGE + 1, known=0)

    def test_many_streams_backwards(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Versions that are no longer remembered are asked for."""
        monkeypatch.setattr(archive, "_VERSIONS_LIMIT", 2)
        old, new = MemoryRepository(), MemoryRepository()
        streams = [member_stream(f"m-{number}") for number in range(5)]
        for version in range(3):
            for stream in streams:
                old.commit(command(f"{stream} {version}"), [append(stream, version, version)])
        header, *lines = lines_of(old)
        import_lines(new, [header, *reversed(lines)])
        assert new.load(streams) == old.load(streams)


class TestLines:
    """What an export looks like."""

    def test_one_of_each(self) -> None:
        """Sorted keys, readable text, times in UTC; the version of the library beside the form."""
        repository = MemoryRepository()
        repository.commit(
            command("a", home=order_stream("1001"), actor="Zoë"),
            [
                append(STREAMS[0], 0, 0, due_at=AT),
                Claim(counter=COUNTERS[1], key=KEYS[0], amount=2, limit=5, at=AT, until=AT + timedelta(days=1)),
            ],
        )
        header, commit, claim, end = map(json.loads, export_lines(repository))
        assert header == {"kind": "export", "form": FORM, "library": metadata.version("loyaltycore")}
        assert commit == {
            "kind": "commit",
            "home": "order/1001",
            "key": "a",
            "actor": "Zoë",
            "fingerprint": dict(command("a", actor="Zoë").fingerprint),
            "appends": [
                {"stream": "member/m-1", "version": 0, "facts": [encode_fact(fact(0))], "due_at": "2026-07-01T08:00:00Z"}
            ],
        }
        until = "2026-07-02T08:00:00Z"
        assert claim == {"kind": "claim", "counter": "offer/ten", "key": "order/1001", "amount": 2, "until": until}
        assert end == {"kind": "end", "commits": 1, "claims": 1}
        for line in export_lines(repository):
            assert "\n" not in line
            assert json.dumps(json.loads(line), sort_keys=True, ensure_ascii=False, separators=(",", ":")) == line

    def test_streams_of_a_commit_are_sorted(self) -> None:
        """A repository may list them in any order."""
        repository = MemoryRepository()
        repository.commit(command("a"), [append(stream, 0, 1) for stream in reversed(STREAMS)])
        _, commit, _ = map(json.loads, export_lines(repository))
        assert [one["stream"] for one in commit["appends"]] == sorted(STREAMS)

    def test_nothing(self) -> None:
        """An empty repository has a header and an end."""
        assert len(lines_of(MemoryRepository())) == 2
        assert import_lines(MemoryRepository(), lines_of(MemoryRepository())) == Imported(commits=0, facts=0, claims=0, known=0)

    def test_sources_without_a_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A copy of the sources has no version to name, and exports all the same."""

        def missing(_name: str) -> NoReturn:
            raise metadata.PackageNotFoundError

        monkeypatch.setattr(metadata, "version", missing)
        assert json.loads(next(export_lines(MemoryRepository())))["library"] == "unknown"

    def test_empty_lines(self) -> None:
        """An editor's empty lines are passed over, and counted."""
        header, *lines = lines_of(three_commits())
        assert import_lines(MemoryRepository(), ["\n", header, "  \r\n", *lines, ""]).commits == 3
        with pytest.raises(ArchiveError, match=r"^line 3: "):
            import_lines(MemoryRepository(), ["\n", header, "["])


def changed(line: str, **changes: object) -> str:
    """Change fields of a line; ``None`` removes one."""
    data = {**json.loads(line), **changes}
    return json.dumps({name: value for name, value in data.items() if value is not None})


def first_append(line: str, **changes: object) -> str:
    """Change fields of the first append of a commit."""
    append, *more = json.loads(line)["appends"]
    return changed(line, appends=[json.loads(changed(json.dumps(append), **changes)), *more])


class TestBadLines:
    """Each is named, with what is wrong."""

    @pytest.mark.parametrize(
        "number, spoil, problem",
        [
            (1, lambda line: changed(line, kind="commit"), "the first line, and no other, must be the header"),
            (1, lambda line: changed(line, form=2), "the export has form 2; this version knows form 1"),
            (1, lambda line: changed(line, form=None), "must have form"),
            (1, lambda line: changed(line, library=3), "must have form"),
            (1, lambda _: "", "the first line, and no other, must be the header"),
            (2, lambda line: line[:-1], "not JSON of this library"),
            (2, lambda _: "[]", "a line must be a JSON object"),
            (2, lambda line: changed(line, kind="export"), "the first line, and no other, must be the header"),
            (2, lambda line: changed(line, kind="commits"), "a line of kind 'commits' cannot stand here"),
            (2, lambda line: changed(line, kind=None), "a line of kind None cannot stand here"),
            (2, lambda line: changed(line, kind=["commit"]), "cannot stand here"),
            (2, lambda line: changed(line, more=1), "must have actor"),
            (2, lambda line: changed(line, actor=None), "must have actor"),
            (2, lambda line: changed(line, home=""), "home must be text"),
            (2, lambda line: changed(line, fingerprint={"a": 1}), "fingerprint must be"),
            (2, lambda line: changed(line, appends=[[]]), "an append must be a JSON object"),
            (2, lambda line: first_append(line, version=-1), "expected_version must be"),
            (2, lambda line: first_append(line, version=True), "must have facts"),
            (2, lambda line: first_append(line, facts=[]), "must hold at least one fact"),
            (2, lambda line: first_append(line, facts=[{"kind": "member.left", "form": 1}]), "does not know facts of kind"),
            (2, lambda line: first_append(line, due_at="tomorrow"), "an instant must be written like"),
            (2, lambda line: first_append(line, due_at=3), "an instant must be written like"),
            (5, lambda line: changed(line, amount=0), "a claim must hold at least 1"),
            (5, lambda line: changed(line, amount=-1), "amount must be"),
            (5, lambda line: changed(line, amount=1.0), "not JSON of this library"),
            (5, lambda line: changed(line, until="2026-07-01"), "an instant must be written like"),
            (5, lambda line: changed(line, counter=None), "must have amount"),
            (6, lambda line: changed(line, commits="3"), "must have claims"),
            (6, lambda line: changed(line, commits=4), "lines are missing or stand twice"),
            (6, lambda line: f"{line}\n{line}", "not JSON of this library"),
        ],
    )
    def test_is_named(self, number: int, spoil: Callable[[str], str], problem: str) -> None:
        """The line, and what must stand there."""
        lines = lines_of(three_commits())
        lines[number - 1] = spoil(lines[number - 1])
        with pytest.raises(ArchiveError) as caught:
            import_lines(MemoryRepository(), lines)
        assert problem in str(caught.value)
        found = number if lines[0] else 2  # an empty line is none
        assert caught.value.line == found
        assert str(caught.value).startswith(f"line {found}: ")

    def test_any_text(self) -> None:
        """A line that is anything at all is imported or named, and nothing else happens."""
        header, commit, *_, end = lines_of(three_commits())
        chance = random.Random(7)
        for _ in range(300):
            place = chance.randrange(len(commit))
            spoilt = commit[:place] + chance.choice('{}[],:"0x é\ud800') + commit[place + chance.randrange(3) :]
            repository = MemoryRepository()
            # One commit of three is too few even where nothing was spoilt.
            with pytest.raises(ArchiveError, match=r"^line [23]: "):
                import_lines(repository, [header, spoilt, end])

    def test_two_ends(self) -> None:
        """Two exports one behind the other are not one."""
        lines = lines_of(three_commits())
        with pytest.raises(ArchiveError, match=r"^line 7: a line of kind 'end' cannot stand here"):
            import_lines(MemoryRepository(), [*lines, lines[-1]])

    def test_cut_off(self) -> None:
        """An export that was cut off between two lines is no smaller export."""
        lines = lines_of(three_commits())
        with pytest.raises(ArchiveError, match="line 5: the export was cut off"):
            import_lines(MemoryRepository(), lines[:-1])
        with pytest.raises(ArchiveError, match="line 0: the export was cut off"):
            import_lines(MemoryRepository(), [])

    def test_a_line_twice(self) -> None:
        """It is there already, and yet the numbers tell."""
        header, first, *lines = lines_of(three_commits())
        with pytest.raises(ArchiveError, match="lines are missing or stand twice"):
            import_lines(MemoryRepository(), [header, first, first, *lines])

    def test_what_never_comes(self) -> None:
        """What still waits at the end is named, the first of them; what could be kept is kept."""
        header, first, second, third, *lines = lines_of(three_commits())
        repository = MemoryRepository()
        problem = "line 2: 'c' of 'member/m-1' waits for version 1 of 'order/1001', which never comes"
        with pytest.raises(ArchiveError) as caught:
            import_lines(repository, [header, third, first, *lines])
        assert str(caught.value) == problem
        assert repository.load([STREAMS[0]])[STREAMS[0]].version == 2
        assert import_lines(repository, [header, third, second, first, *lines]).known == 2  # the first commit, and the claim

    def test_pickles(self) -> None:
        """It can be sent between processes."""
        error = ArchiveError(3, "what")
        assert isinstance(error, UsageError)
        again = pickle.loads(pickle.dumps(error))
        assert (again.line, again.problem, str(again)) == (3, "what", "line 3: what")


class TestOtherContent:
    """What is there under the same name and is something else is never written over."""

    @pytest.mark.parametrize(
        "there",
        [
            (command("a", actor="eva"), [append(STREAMS[0], 0, 1, 2)]),
            (attrs.evolve(command("a"), fingerprint={}), [append(STREAMS[0], 0, 1, 2)]),
            (command("a"), [append(STREAMS[0], 0, 1, 3)]),
            (command("a"), [append(STREAMS[0], 0, 1, 2), append(STREAMS[1], 0, 1)]),
            (command("a"), []),
        ],
    )
    def test_of_a_commit(self, there: tuple[Command, Sequence[Change]]) -> None:
        """Another actor, fingerprint, fact or stream."""
        repository = MemoryRepository()
        repository.commit(*there)
        before = lines_of(repository)
        with pytest.raises(ArchiveError, match=r"^line 2: 'a' of 'member/m-1' differs from what is there"):
            import_lines(repository, lines_of(three_commits()))
        assert lines_of(repository) == before

    def test_of_a_stream(self) -> None:
        """Facts of other commands stand where the line's would."""
        repository = MemoryRepository()
        repository.commit(command("other"), [append(STREAMS[0], 0, 7)])
        with pytest.raises(ArchiveError, match=r"^line 2: .* differs: 'member/m-1' is at version 1, not 0"):
            import_lines(repository, lines_of(three_commits()))

    def test_of_a_claim(self) -> None:
        """The same key holds another amount; the same amount is taken for the same claim."""
        for amount, known in ((1, None), (2, 1)):
            repository = MemoryRepository()
            repository.commit(
                command("other"), [Claim(counter=COUNTERS[0], key=KEYS[0], amount=amount, limit=None, at=AT, until=None)]
            )
            if known is None:
                with pytest.raises(
                    ArchiveError, match="line 5: 'order/1001' holds 1 of 'coupon/SUMMER/2026-07' there, and 2 here"
                ):
                    import_lines(repository, lines_of(three_commits()))
            else:
                assert import_lines(repository, lines_of(three_commits())).known == known

    def test_a_claim_that_was_freed_since(self) -> None:
        """An import made again does not bring back what the shop let go."""
        repository = MemoryRepository()
        lines = lines_of(three_commits())
        import_lines(repository, lines)
        repository.commit(command("freed"), [Claim(counter=COUNTERS[0], key=KEYS[0], amount=0, limit=5, at=AT, until=None)])
        assert import_lines(repository, lines).known == 4
        assert repository.claimed([COUNTERS[0]], key=KEYS[0], at=AT)[COUNTERS[0]] == Claimed(total=0, mine=0)

    def test_waiting_for_what_is_there(self) -> None:
        """What waited for a line that is missing is looked at once more: an earlier import may have kept it."""
        header, first, second, third, *lines = lines_of(three_commits())
        repository = MemoryRepository()
        import_lines(repository, [header, first, second, third, *lines])
        # Passed over, the first line says that its stream has 2 facts; the fourth, which needs 3, then waits for the third.
        repository.commit(command("d"), [append(STREAMS[0], 3, 9)])
        fourth = lines_of(repository)[4]
        assert json.loads(fourth)["key"] == "d"
        assert import_lines(repository, [header, first, fourth, changed(lines[-1], commits=2, claims=0)]).known == 2


@attrs.frozen
class Elsewhere:
    """A repository that somebody else writes to, or that says one thing and another."""

    inner: MemoryRepository

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Load."""
        return self.inner.load(streams)

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give a receipt."""
        return self.inner.receipt(home, key)

    def commit(self, command: Command, changes: Iterable[Change], /) -> None:
        """Refuse as one does who was too slow."""
        del command, changes
        raise ConflictError

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Say what is claimed."""
        return self.inner.claimed(counters, key=key, at=at)

    def due(self, *, before: datetime, after: object, limit: int) -> Sequence[object]:
        """List nothing."""
        del before, after, limit
        return []


def test_somebody_else_wrote() -> None:
    """A conflict that no line explains is told as it is."""
    with pytest.raises(ConflictError, match="'a' of 'member/m-1': somebody else wrote meanwhile"):
        import_lines(Elsewhere(MemoryRepository()), lines_of(three_commits()))  # type: ignore[arg-type]  # it lists nothing due


def test_a_program_file_is_no_archive() -> None:
    """A wrong file is named at once."""
    with pytest.raises(ArchiveError, match=r"^line 1: not JSON of this library"):
        import_lines(MemoryRepository(), ["[program]"])


def test_a_repository_that_cannot_be_listed_is_told() -> None:
    """It may keep everything and list nothing."""
    with pytest.raises(UsageError, match="export needs a repository that has commits and claims, got object"):
        next(export_lines(object()))  # type: ignore[arg-type]  # a wrong value on purpose
