"""A state machine for repositories: Hypothesis draws histories of calls, and compares each answer with the plainest model.

``check_repository`` runs it after its checks by clause. Run ``RepositoryMachine`` yourself for more examples, or longer ones:
it fails with the first clause that is broken, and Hypothesis shrinks the history to the shortest that breaks it.

Invariants, after each commit, kept or refused:
    1. It was kept or refused as the contract says; of several reasons to refuse it, the first was told.
    2. Every stream, receipt and claim, and what is due, is what the commits kept so far have made of it.

>>> from hypothesis import settings
>>> from hypothesis.stateful import run_state_machine_as_test
>>> from loyaltycore.store.memory import MemoryRepository
>>> class MyMachine(RepositoryMachine):
...     make_repository = MemoryRepository
>>> run_state_machine_as_test(MyMachine, settings=settings(max_examples=3, stateful_step_count=10, database=None))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final, NoReturn, TypeAlias, TypeVar, final
from uuid import uuid4

import attrs
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Change, Command, Expect, Fact
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import Cursor, Due, Repository
from loyaltycore.testing._model import Model
from loyaltycore.testing._port import AT, DUE, HOUR, append_to, claim_of, marker, shown_commit
from loyaltycore.testing._stage import ConformanceError, Source, clause_words, short

__all__ = ["RepositoryMachine", "run_histories"]

STEPS: Final = 16
"""Steps of a history that ``check_repository`` draws: enough for every two commits to meet."""

T = TypeVar("T")

_STREAMS: Final = ("a", "b", "c")
_COUNTERS: Final = ("x", "y")
_HOLDERS: Final = ("k", "l", "m")
_KEYS: Final = tuple("abcdefgh")
"""Of commands: enough that most are new, few enough that some come back."""

_REFUSALS: Final = (ConflictError, DuplicateError, LimitReachedError)


@final
@attrs.frozen(kw_only=True)
class _Asked:
    """A commit before its ids and versions are known.

    Attributes:
        home: Its home stream.
        key: Its key: few enough to be used again.
        ref: Part of the fingerprint.
        appends: By stream: for each fact the hours it is dated back and whether it is of another account; how far off the
            version is; in how many hours it is due.
        expects: By stream: how far off the version is.
        claims: By counter and key: the amount, the limit, and for how many hours.
        backwards: Whether claims come before appends.
    """

    home: str
    key: str
    ref: str
    appends: Mapping[str, tuple[Sequence[tuple[int, bool]], int, int | None]]
    expects: Mapping[str, int]
    claims: Mapping[tuple[str, str], tuple[int, int | None, int | None]]
    backwards: bool


_NAMES: Final = st.sampled_from(_STREAMS)
_HOURS: Final = st.none() | st.integers(1, 4)
_OFF: Final = st.sampled_from((0, 0, 0, 0, 0, -1, 1))
_APPENDS: Final = st.tuples(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=2), _OFF, _HOURS)
_CLAIMED: Final = st.tuples(st.sampled_from(_COUNTERS), st.sampled_from(_HOLDERS))
_AMOUNTS: Final = st.tuples(st.integers(0, 4), st.none() | st.integers(0, 6), _HOURS)


def _commits(*, appends: tuple[int, int], expects: tuple[int, int], claims: tuple[int, int]) -> st.SearchStrategy[_Asked]:
    """Draw commits of at least and at most so many changes of each kind."""
    return st.builds(
        _Asked,
        home=_NAMES,
        key=st.sampled_from(_KEYS),
        ref=st.sampled_from(("", "other")),
        appends=st.dictionaries(_NAMES, _APPENDS, min_size=appends[0], max_size=appends[1]),
        expects=st.dictionaries(_NAMES, _OFF, min_size=expects[0], max_size=expects[1]),
        claims=st.dictionaries(_CLAIMED, _AMOUNTS, min_size=claims[0], max_size=claims[1]),
        backwards=st.booleans(),
    )


_Step: TypeAlias = tuple[str, dict[str, Any]]
"""A rule, and what it was given."""


class RepositoryMachine(RuleBasedStateMachine):
    """Anything that can be asked of a repository, in any order, next to a model of the contract.

    Set ``make_repository`` to a factory of a ``Repository``; it may give the same one, or one over the same database, each time.

    Example:
        >>> from loyaltycore.store.memory import MemoryRepository
        >>> class MyMachine(RepositoryMachine):
        ...     make_repository = MemoryRepository
        >>> TestMyRepository = MyMachine.TestCase
    """

    make_repository: ClassVar[Callable[[], Repository]]
    """Makes a repository, once for each history; closed after it where it has ``close``."""

    def __init__(self) -> None:
        """Begin a history under names that nobody used before."""
        super().__init__()
        self._repository = type(self).make_repository()
        self._mark = uuid4().hex[:8]
        self._model = Model()
        self._at = AT
        self._calls: list[str] = []
        self._asked_for: dict[tuple[StreamId, Key], None] = {}
        self._facts_made = 0
        self._is_broken = False
        self.steps: list[_Step] = []

    # ---- what happens ----

    @rule(asked=_commits(appends=(1, 1), expects=(0, 0), claims=(0, 0)))
    def append(self, asked: _Asked) -> None:
        """Append to one stream."""
        self.commit(asked)

    @rule(asked=_commits(appends=(0, 0), expects=(0, 1), claims=(1, 2)))
    def claim(self, asked: _Asked) -> None:
        """Claim what is to be had, if what was read has not moved."""
        self.commit(asked)

    @rule(asked=_commits(appends=(0, 2), expects=(0, 1), claims=(0, 2)))
    def commit(self, asked: _Asked) -> None:
        """Commit anything, and look at everything."""
        self.steps.append(("commit", {"asked": asked}))
        command, changes = self._made(asked)
        self._asked_for |= {(stream, command.key): None for stream in (command.home, self._stream("a"))}
        wanted = self._model.refusal(command, changes)
        before = {stream: self._model.facts.get(stream, ()) for stream in map(self._stream, _STREAMS)}
        heard = self._tried(command, changes)
        if heard is not wanted:
            shown = ["nothing" if kind is None else kind.__name__ for kind in (heard, wanted)]
            self._fail(self._clause_of(command, changes, heard, wanted), f"the last commit raised {shown[0]}, not {shown[1]}")
        if wanted is None:
            self._model.keep(command, changes)
        self._look(refused=wanted, before=before)

    @rule(hours=st.integers(1, 3))
    def wait(self, hours: int) -> None:
        """Let time go by: claims after this are made later."""
        self.steps.append(("wait", {"hours": hours}))
        self._at += hours * HOUR

    @rule(names=st.lists(st.sampled_from(_STREAMS), unique=True))
    def load(self, names: list[str]) -> None:
        """Load some streams, or none."""
        self.steps.append(("load", {"names": names}))
        self._demand_streams([self._stream(name) for name in names])

    @rule(hours=st.integers(0, 5))
    def claimed(self, hours: int) -> None:
        """Ask what will be held of the counters later, if nothing is claimed until then."""
        self.steps.append(("claimed", {"hours": hours}))
        self._demand_claims(self._at + hours * HOUR, clause=10)

    @rule(hours=st.integers(0, 5), limit=st.integers(1, 3))
    def due(self, hours: int, limit: int) -> None:
        """List what is due, page by page."""
        self.steps.append(("due", {"hours": hours, "limit": limit}))
        self._demand_due(DUE + hours * HOUR, limit=limit)

    def teardown(self) -> None:
        """Leave nothing due behind in a database that others use, and let the repository go."""
        try:
            if not self._is_broken:
                for stream in list(self._model.due_at):
                    command = Command.of(stream, Key("machine:cleared"), actor="machine")
                    self._repository.commit(command, [append_to(stream, self._model.version(stream), marker("cleared"))])
        finally:
            self.let_go(self._repository)

    def let_go(self, repository: Repository) -> None:
        """Close a repository where it can be closed."""
        close = getattr(repository, "close", None)
        if callable(close):
            close()

    def note_failure(self, failure: ConformanceError) -> None:
        """Be told of a failure before it is raised; does nothing."""

    # ---- what is asked ----

    def _made(self, asked: _Asked) -> tuple[Command, list[Change]]:
        command = Command.of(self._stream(asked.home), self._key(asked.key), actor="machine", ref=asked.ref)
        written: list[Change] = [
            append_to(
                self._stream(name),
                self._version(name, off),
                *(self._fact(back, is_other=is_other) for back, is_other in told),
                due_at=None if hours is None else DUE + hours * HOUR,
            )
            for name, (told, off, hours) in asked.appends.items()
        ]
        written += [Expect(stream=self._stream(name), version=self._version(name, off)) for name, off in asked.expects.items()]
        claims: list[Change] = [
            claim_of(
                self._counter(counter),
                self._key(key),
                amount,
                limit,
                at=self._at,
                until=None if hours is None else self._at + hours * HOUR,
            )
            for (counter, key), (amount, limit, hours) in asked.claims.items()
        ]
        return command, [*claims, *written] if asked.backwards else [*written, *claims]

    def _fact(self, back: int, *, is_other: bool) -> Fact:
        self._facts_made += 1
        told = marker(str(self._facts_made))
        return attrs.evolve(told, at=AT - back * HOUR, account="status" if is_other else told.account)

    def _version(self, name: str, off: int) -> int:
        return max(0, self._model.version(self._stream(name)) + off)

    def _stream(self, name: str) -> StreamId:
        return StreamId(f"member/{self._mark}-{name}")

    def _counter(self, name: str) -> CounterId:
        return CounterId(f"machine/{self._mark}-{name}")

    def _key(self, name: str) -> Key:
        return Key(f"machine:{self._mark}-{name}")

    # ---- what is answered ----

    def _tried(self, command: Command, changes: Sequence[Change]) -> type[Exception] | None:
        call = shown_commit(command, changes)
        try:
            self._repository.commit(command, changes)
        except _REFUSALS as refusal:
            heard = next(kind for kind in _REFUSALS if isinstance(refusal, kind))
            self._calls.append(f"{call} raised {heard.__name__}")
            return heard
        except Exception as error:  # noqa: BLE001 - a broken repository raises anything
            self._calls.append(f"{call} raised {type(error).__name__}")
            self._fail(3, f"the last call raised {type(error).__name__}: {short(str(error))}", error)
        self._calls.append(call)
        return None

    def _asked(self, call: str, clause: int, answer: Callable[[], T]) -> T:
        """Ask, and name the call only where it is what fails: a look is no part of the history that led there."""
        try:
            return answer()
        except Exception as error:  # noqa: BLE001 - a broken repository raises anything
            self._calls.append(f"{call} raised {type(error).__name__}")
            self._fail(clause, f"the last call raised {type(error).__name__}: {short(str(error))}", error)

    def _clause_of(
        self, command: Command, changes: Sequence[Change], heard: type[Exception] | None, wanted: type[Exception] | None
    ) -> int:
        """Name the clause that is broken where a commit is kept or refused as it should not be."""
        if heard is DuplicateError:
            return 7 if any(key == command.key for _, key in self._model.receipts) else 6
        if wanted is DuplicateError:
            return 6 if heard is None else 8
        if wanted is ConflictError:
            return 4 if heard is None else 8
        if heard is ConflictError:
            return 4
        return 12 if self._model.refusal(command, changes, endless=True) is heard else 11

    def _look(self, *, refused: type[Exception] | None, before: Mapping[StreamId, tuple[Fact, ...]]) -> None:
        """Look at everything; a difference after a refused commit is one that the refusal should not have made."""
        clause = None if refused is None else {DuplicateError: 6, ConflictError: 4, LimitReachedError: 11}[refused]
        self._demand_streams(list(before), refused=clause, before=before)
        for home, key in self._asked_for:
            self._demand_receipt(home, key)
        self._demand_claims(self._at, clause=clause or 10)
        self._demand_due(DUE + 9 * HOUR, limit=100)

    def _demand_streams(
        self, streams: list[StreamId], *, refused: int | None = None, before: Mapping[StreamId, tuple[Fact, ...]] | None = None
    ) -> None:
        call = f"load([{', '.join(map(repr, streams))}])"
        stored = self._asked(call, 1, lambda: self._repository.load(streams))
        for stream in streams:
            if stream not in stored:
                self._differs(call, 1, f"load does not answer {stream!r}")
            version, facts = stored[stream].version, tuple(stored[stream].facts)
            wanted = self._model.facts.get(stream, ())
            if (version, facts) == (len(wanted), wanted):
                continue
            is_half_done = before is not None and facts == before[stream]
            clause = refused or (3 if is_half_done else 2 if wanted else 1)
            shown = f"version {len(wanted)} with {short(wanted)}"
            self._differs(call, clause, f"{stream!r} is at version {version} with {short(facts)}, not {shown}")

    def _demand_receipt(self, home: StreamId, key: Key) -> None:
        call = f"receipt({home!r}, {key!r})"
        found = self._asked(call, 9, lambda: self._repository.receipt(home, key))
        wanted = self._model.receipts.get((home, key))
        shown = [
            None if one is None else (one.command, {stream: tuple(facts) for stream, facts in one.facts.items()})
            for one in (found, wanted)
        ]
        if shown[0] != shown[1]:
            self._differs(call, 9, f"the receipt is {short(shown[0])}, not {short(shown[1])}")

    def _demand_claims(self, at: datetime, *, clause: int) -> None:
        counters, holders = [self._counter(name) for name in _COUNTERS], [self._key(name) for name in _HOLDERS]
        calls = {key: f"claimed([{', '.join(map(repr, counters))}], key={key!r}, at={at.isoformat()})" for key in holders}
        found = {key: self._asked(calls[key], 13, partial(self._repository.claimed, counters, key=key, at=at)) for key in holders}
        pairs = [(key, counter) for key in holders for counter in counters]
        for key, counter in pairs:
            if counter not in found[key]:
                self._differs(calls[key], 13, f"claimed does not answer {counter!r}")
        # What a key holds is more telling than a total that is wrong because of it.
        for named, field in ((clause, "mine"), (13, "total")):
            for key, counter in pairs:
                held, wanted = found[key][counter], self._model.claimed(counter, key, at)
                if getattr(held, field, None) != getattr(wanted, field):
                    is_endless = held == self._model.claimed(counter, key, at, endless=True)
                    self._differs(
                        calls[key], 12 if is_endless else named, f"what is held of {counter!r} is {held!r}, not {wanted!r}"
                    )

    def _demand_due(self, before: datetime, *, limit: int) -> None:
        found, after, seen = list[tuple[StreamId, datetime]](), None, set[StreamId]()
        while page := self._due_page(before, after, limit):
            for due in page:
                if due.stream in seen:
                    self._fail(14, f"{due.stream!r} is listed twice: a page does not go on after the one before")
                seen.add(due.stream)
            found += [(due.stream, due.due_at) for due in page if self._mark in due.stream]
            after = page[-1].cursor
        wanted = self._model.due(before)
        if found != wanted:
            call = f"due(before={before.isoformat()}, after=None, limit={limit}), and on to the end"
            self._differs(call, 14, f"what is due is {short(found)}, not {short(wanted)}")

    def _due_page(self, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        call = f"due(before={before.isoformat()}, after={after!r}, limit={limit})"
        page = self._asked(call, 14, lambda: self._repository.due(before=before, after=after, limit=limit))
        if len(page) > limit:
            self._differs(call, 14, f"a listing of at most {limit} holds {len(page)}")
        return page

    def _differs(self, call: str, clause: int, found: str) -> NoReturn:
        self._calls.append(call)
        self._fail(clause, found)

    def _fail(self, clause: int, found: str, cause: Exception | None = None) -> NoReturn:
        self._is_broken = True
        failure = ConformanceError("Repository", clause, clause_words(Repository, clause), found, tuple(self._calls))
        self.note_failure(failure)
        raise failure from cause


def run_histories(source: Source[Repository], *, examples: int) -> None:
    """Draw histories, always the same, and raise the failure of the shortest that is answered otherwise.

    Args:
        source: Makes repositories.
        examples: How many histories.
    """
    failures = list[tuple[ConformanceError, list[_Step]]]()

    class Histories(RepositoryMachine):
        make_repository = source.make

        def let_go(self, repository: Repository) -> None:
            source.close(repository)

        def note_failure(self, failure: ConformanceError) -> None:
            failures.append((failure, list(self.steps)))

    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        # To explain a failure takes long, and the shortest history says it.
        phases=[Phase.generate, Phase.shrink],
    )
    try:
        run_state_machine_as_test(Histories, settings=chosen)
    except (ConformanceError, Flaky):
        failure, steps = min(failures, key=lambda told: len(told[1]))
        raise _shortest(Histories, failure, steps) from None


def _shortest(machine: Callable[[], RepositoryMachine], failure: ConformanceError, steps: list[_Step]) -> ConformanceError:
    """Leave out every step, and every part of a commit, without which it still fails: Hypothesis gives up before that."""
    while (shorter := _one_shorter(machine, steps)) is not None:
        failure, steps = shorter
    return failure


def _one_shorter(machine: Callable[[], RepositoryMachine], steps: list[_Step]) -> tuple[ConformanceError, list[_Step]] | None:
    for fewer in _smaller(steps):
        told = _replayed(machine, fewer)
        if told is not None:
            return told, fewer
    return None


def _smaller(steps: list[_Step]) -> Iterator[list[_Step]]:
    for place in range(len(steps)):
        yield steps[:place] + steps[place + 1 :]
    for place, (name, given) in enumerate(steps):
        if name == "commit":
            for asked in _simpler(given["asked"]):
                yield [*steps[:place], (name, {"asked": asked}), *steps[place + 1 :]]


def _simpler(asked: _Asked) -> Iterator[_Asked]:
    for key in asked.appends:
        yield attrs.evolve(asked, appends={other: kept for other, kept in asked.appends.items() if other != key})
    for key in asked.expects:
        yield attrs.evolve(asked, expects={other: kept for other, kept in asked.expects.items() if other != key})
    for pair in asked.claims:
        yield attrs.evolve(asked, claims={other: kept for other, kept in asked.claims.items() if other != pair})


def _replayed(machine: Callable[[], RepositoryMachine], steps: Iterable[_Step]) -> ConformanceError | None:
    """Take the same steps again, and give the failure."""
    again = machine()
    try:
        for name, given in steps:
            getattr(again, name)(**given)
    except ConformanceError as told:
        return told
    finally:
        again.teardown()
    return None
