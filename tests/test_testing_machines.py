"""The public state machines: they hold for the library, over each kind of repository, and catch what is broken."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from loyaltycore.errors import ConflictError, CorruptStateError
from loyaltycore.facts import Change, Command, Posting
from loyaltycore.identity import StreamId
from loyaltycore.ledger import Ledger, Lot, Overdraft
from loyaltycore.memberships import Membership
from loyaltycore.points import PointsAccount, PointsVerbs
from loyaltycore.repositories import StoredStream
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.testing.machines import PointsMachine, RepositoryPointsMachine

EXAMPLES = 500 if os.environ.get("CI") else 60

SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # Where a run fails, the steps say why; to explain them takes minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
OVER_A_STORE = settings(SETTINGS, max_examples=EXAMPLES // 10)

# A broken library must be found in few runs, and found again on every machine.
BROKEN = settings(SETTINGS, max_examples=150, derandomize=True, database=None, phases=[Phase.generate])


class Accounts:
    """A shop's own table: one JSON column and a version."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.is_open = True

    def get(self, member_id: str, /) -> PointsAccount:
        """Read the column."""
        row = self.rows.get(member_id)
        return PointsAccount.open(member_id) if row is None else PointsAccount.from_dict(row)

    def save(self, posting: Posting[PointsAccount], /) -> None:
        """Write the column where the version is still the same."""
        if self.get(posting.state.member_id).version != posting.version:
            msg = "moved"
            raise ConflictError(msg)
        self.rows[posting.state.member_id] = posting.state.to_dict()

    def close(self) -> None:
        """Close the connection."""
        self.is_open = False


class Carried(PointsMachine):
    overdrafts = (Overdraft.CARRY,)


class Settled(PointsMachine):
    overdrafts = (Overdraft.SETTLE,)


class Forgiven(PointsMachine):
    overdrafts = (Overdraft.FORGIVE,)


class OfAccounts(PointsMachine):
    def make_account(self, member_id: str) -> PointsAccount:
        """Open a points account: a shop without memberships."""
        return PointsAccount.open(member_id)


class OverAccounts(RepositoryPointsMachine):
    make_repository = Accounts


class OverMemory(RepositoryPointsMachine):
    make_repository = MemoryRepository


class TestHolds:
    @pytest.mark.slow
    @pytest.mark.law(5, 7, 8, 9, 10, 12, 14, 15, 16, 17)
    def test_for_every_policy_at_once(self) -> None:
        """Two memberships with two accounts each, and all that can happen to them."""
        run_state_machine_as_test(PointsMachine, settings=SETTINGS)

    @pytest.mark.slow
    @pytest.mark.law(5, 7, 8, 9, 10, 12, 14, 15, 16, 17)
    @pytest.mark.parametrize("machine", [Carried, Settled, Forgiven, OfAccounts, OverAccounts, OverMemory])
    def test_for_one_policy_and_over_each_repository(self, machine: type[PointsMachine]) -> None:
        """The same with one policy alone, on points accounts, and stored and read back after each step."""
        run_state_machine_as_test(machine, settings=OVER_A_STORE)

    @pytest.mark.parametrize("machine", [PointsMachine, OfAccounts, OverAccounts, OverMemory])
    def test_in_a_few_runs(self, machine: type[PointsMachine]) -> None:
        """A few runs of each, on every run of the tests."""
        run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=8, stateful_step_count=40))

    @pytest.mark.slow
    def test_over_sqlite(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """The store that comes with the library keeps what was decided, coded and decoded."""
        path = tmp_path_factory.mktemp("machines") / "loyalty.db"

        class OverSqlite(RepositoryPointsMachine):
            make_repository = staticmethod(lambda: SQLiteRepository(path))

        run_state_machine_as_test(OverSqlite, settings=settings(SETTINGS, max_examples=6))

    def test_closes_what_it_opened(self) -> None:
        """A repository with ``close`` is closed after its run; one without is left alone."""
        machine = OverAccounts()
        machine.teardown()
        assert not machine._repository.is_open  # type: ignore[union-attr]


def broken(change: Callable[[pytest.MonkeyPatch], None]) -> str:
    """Run the machine against a library that was changed, and give the law that it says is broken."""
    with pytest.MonkeyPatch.context() as patch:
        change(patch)
        with pytest.raises(AssertionError) as failed:
            run_state_machine_as_test(PointsMachine, settings=BROKEN)
    return str(failed.value).partition(";")[0]


def no_unwinding(patch: pytest.MonkeyPatch) -> None:
    """Keep payments and forgiveness although the debt is no more."""
    patch.setattr("loyaltycore._balancing.Balancing.unwind", lambda *_args: None)


def burns_twice(patch: pytest.MonkeyPatch) -> None:
    """Burn again when the same burn is asked for once more."""
    burn = Ledger.burn

    def again(self: Ledger, units: int, *, ref: str, at: datetime, **more: Any) -> Sequence[Any]:  # noqa: ANN401 - handed on
        return burn(self, units, ref=f"{ref}-{len(self.burns)}", at=at, **more)

    patch.setattr(Ledger, "burn", again)


def forgets_holds(patch: pytest.MonkeyPatch) -> None:
    """Let nothing be held."""
    patch.setattr(Ledger, "held", lambda *_args, **_more: {})


def reports_as_activity(patch: pytest.MonkeyPatch) -> None:
    """Take a report for an activity of the member."""

    def report(self: PointsVerbs, *, ref: str, at: datetime) -> Posting[Any]:
        return self.touch(ref=ref, at=at)

    patch.setattr(PointsVerbs, "report_expired", report)


def burns_more(patch: pytest.MonkeyPatch) -> None:
    """Take what is pending for available."""
    available = Ledger.available
    patch.setattr(Ledger, "available", lambda self, *, at: available(self, at=at) + self.balance(at=at).pending)


class TestCatches:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "change,laws",
        [
            (no_unwinding, {"nothing is minted", "who has something was not paid for", "undoing everything leaves nothing"}),
            (burns_twice, {"the same call again gives no facts"}),
            (forgets_holds, {"what is held stays held"}),
            (reports_as_activity, {"a report changes nothing"}),
            (burns_more, {"nothing changes between two marks", "what is available can be burned", "and no more"}),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_a_broken_library(self, change: Callable[[pytest.MonkeyPatch], None], laws: set[str]) -> None:
        """Each fault is told as the law that it breaks."""
        assert broken(change) in laws

    def test_a_repository_that_forgets(self) -> None:
        """One that drops a commit is told so at the first step that is kept."""

        class Forgetful:
            def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
                """Answer for what was never kept."""
                return dict.fromkeys(streams, StoredStream())

            def commit(self, command: Command, changes: Sequence[Change], /) -> None:
                """Keep nothing."""

        class OverForgetful(RepositoryPointsMachine):
            make_repository = Forgetful  # type: ignore[assignment]  # two methods of five are enough to be caught

        with pytest.raises(AssertionError, match="what is kept is what was decided"):
            run_state_machine_as_test(OverForgetful, settings=BROKEN)

    @pytest.mark.parametrize(
        "spoilt,told",
        [
            (lambda _: {"revoked": 0}, AssertionError),  # told by the laws
            (lambda _: {"burned": 0}, CorruptStateError),  # told by the account itself: its burns say otherwise
        ],
        ids=count(),
    )
    def test_a_repository_that_spoils(self, spoilt: Callable[[Lot], dict[str, Any]], told: type[Exception]) -> None:
        """One that changes what it keeps is told in the end."""

        class Spoiling(Accounts):
            def get(self, member_id: str, /) -> PointsAccount:
                account = super().get(member_id)
                lots = {lot_id: lot._replace(**spoilt(lot)) for lot_id, lot in account.ledger.lots.items()}
                return attrs.evolve(account, ledger=attrs.evolve(account.ledger, lots=type(account.ledger.lots)(lots)))

        class OverSpoiling(RepositoryPointsMachine):
            make_repository = Spoiling

        with pytest.raises(told):
            run_state_machine_as_test(OverSpoiling, settings=BROKEN)

    def test_membership_is_what_is_driven_unless_said(self) -> None:
        """Without another word the machine opens memberships, and both of their accounts."""
        machine = PointsMachine()
        assert isinstance(machine.make_account("m-42"), Membership)
        assert [wallet.account for wallet in machine._wallets] == ["points", "status"] * 2
        assert len(OfAccounts()._wallets) == 2
