"""The state machine for repositories: it holds for honest ones, and names the clause that a liar breaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from loyaltycore.errors import ConflictError
from loyaltycore.facts import Change, Claim, Command
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.testing import ConformanceError
from loyaltycore.testing._stage import Source
from loyaltycore.testing.port_machine import RepositoryMachine, _Asked, run_histories
from tests.canaries import CANARIES, Plain

SETTINGS = settings(
    max_examples=60,
    phases=[Phase.generate],
    stateful_step_count=16,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)

# What a history alone shows, and the clauses that it may be told by: a half-written commit shows itself in several places.
FOUND: dict[str, set[int]] = {
    "AnswersWhatItKnows": {1},
    "StartsAtOne": {1, 3},
    "ForgetsTheLast": {2, 3},
    "KeepsSeconds": {2},
    "TurnsTiesAround": {2},
    "WritesAsItGoes": {4, 6, 9, 11},
    "LosesClaims": {10, 13},
    "LosesReceipts": {6, 9},
    "ComparesNoVersions": {4},
    "IgnoresExpectations": {4, 8},
    "DoesItAgain": {6},
    "SwallowsRepeats": {6},
    "SharesKeysAmongHomes": {7, 9},
    "ComparesVersionsFirst": {8},
    "RemembersTooMuch": {9},
    "AddsClaims": {10, 11, 13},
    "AnswersOneForAll": {10},
    "HoldsOneMore": {11},
    "RefusesDecreases": {11},
    "ClaimsForEver": {12},
    "AnswersUsedCounters": {13},
    "ForgetsWhatIsDue": {14},
    "StartsAgain": {14},
}

LIARS = {liar.__name__: liar for liars in CANARIES.values() for liar in liars}


def never(_first: object, _second: object) -> bool:
    """Say that two repositories have nothing in common."""
    return False


class OverMemory(RepositoryMachine):
    """The machine over memory."""

    make_repository = MemoryRepository


class Breaks(Plain):
    """Its database is gone."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:  # noqa: ARG002 - it looks at nothing
        """Raise."""
        msg = "the database is gone"
        raise RuntimeError(msg)


class BreaksAtReading(Plain):
    """Its receipts cannot be read."""

    def receipt(self, home: object, key: object, /) -> None:  # noqa: ARG002 - it looks at nothing
        """Raise."""
        msg = "no such table"
        raise RuntimeError(msg)


class IsAlwaysBusy(Plain):
    """It says that another was faster, where nobody else is."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Refuse what appends nothing."""
        super().commit(command, changes)
        if changes and all(isinstance(change, Claim) for change in changes):
            raise ConflictError


class LosesNowAndThen(Plain):
    """It loses every seventh commit, whatever is asked: the same history again may pass."""

    asked: ClassVar[list[int]] = [0]

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Commit, and lose it now and then."""
        self.asked[0] += 1
        if self.asked[0] % 7:
            super().commit(command, changes)


class TestRepositoryMachine:
    @pytest.mark.law(38, 39)
    def test_memory_passes(self) -> None:
        """The repository in memory is what the model says."""
        run_state_machine_as_test(OverMemory, settings=SETTINGS)

    def test_repository_is_closed(self) -> None:
        """Each history closes the repository that was made for it."""
        closed = list[int]()

        class Closing(MemoryLike):
            def close(self) -> None:
                closed.append(1)

        class OverClosing(RepositoryMachine):
            make_repository = Closing

        run_state_machine_as_test(OverClosing, settings=settings(SETTINGS, max_examples=3))
        assert closed

    def test_failure_is_told(self) -> None:
        """Run by itself, it fails with the clause."""

        class OverLiar(RepositoryMachine):
            make_repository = LIARS["DoesItAgain"]

        with pytest.raises(ConformanceError) as caught:
            run_state_machine_as_test(OverLiar, settings=SETTINGS)
        assert caught.value.clause == 6

    def test_pages_that_are_too_large_are_told(self) -> None:
        """A listing keeps to its limit."""

        class OverLiar(RepositoryMachine):
            make_repository = LIARS["ListsEverything"]

        machine = OverLiar()
        for number, name in enumerate("ab"):
            appends = {name: ([(0, False)], 0, 1)}
            machine.commit(_Asked(home=name, key="ab"[number], ref="", appends=appends, expects={}, claims={}, backwards=False))
        with pytest.raises(ConformanceError, match="a listing of at most 1 holds 2") as caught:
            machine.due(hours=3, limit=1)
        assert caught.value.clause == 14
        machine.teardown()


class MemoryLike(Plain):
    """Honest."""


class TestRunHistories:
    @pytest.mark.law(41)
    @pytest.mark.parametrize("name", FOUND)
    def test_liars_are_caught(self, name: str) -> None:
        """A history that is answered otherwise names a clause, and is short."""
        with pytest.raises(ConformanceError) as caught:
            run_histories(Source(LIARS[name], threads=1, shares=never), examples=100)
        assert caught.value.clause in FOUND[name]
        assert caught.value.words
        assert 0 < len(caught.value.history) <= 5

    @pytest.mark.parametrize("broken, clause, told", [(Breaks, 3, "the database is gone"), (BreaksAtReading, 9, "no such table")])
    def test_unexpected_errors_are_told(self, broken: type[Plain], clause: int, told: str) -> None:
        """An error that no clause knows is told with its text."""
        with pytest.raises(ConformanceError, match=f"the last call raised RuntimeError: {told}") as caught:
            run_histories(Source(broken, threads=1, shares=never), examples=5)
        assert caught.value.clause == clause

    def test_a_conflict_with_nobody_is_told(self) -> None:
        """A conflict is of versions, and of nothing else."""
        with pytest.raises(ConformanceError) as caught:
            run_histories(Source(IsAlwaysBusy, threads=1, shares=never), examples=50)
        assert caught.value.clause == 4

    def test_what_fails_now_and_then_is_told(self) -> None:
        """A repository that is wrong only now and then is told by the shortest history seen, not as a flaky test."""
        with pytest.raises(ConformanceError):
            run_histories(Source(LosesNowAndThen, threads=1, shares=never), examples=30)

    def test_it_is_the_same_each_time(self) -> None:
        """Two runs show the same history."""
        histories = list[list[str]]()
        for _ in range(2):
            with pytest.raises(ConformanceError) as caught:
                run_histories(Source(LIARS["AnswersOneForAll"], threads=1, shares=never), examples=50)
            histories.append([call.partition("(")[0] for call in caught.value.history])
        assert histories[0] == histories[1]
