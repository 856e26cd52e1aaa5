"""The public machine of referrals: it holds for the library over its stores, and catches what is broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from loyaltycore import _referring
from loyaltycore._giving import Given
from loyaltycore.memberships import Membership
from loyaltycore.referrals import ReferralProgram
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.testing.referral_machine import ReferralMachine

EXAMPLES = 200 if os.environ.get("CI") else 20

SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
# A broken library must be found in few runs, and found again on every machine.
BROKEN = settings(SETTINGS, max_examples=60, derandomize=True, database=None, phases=[Phase.generate])


class OverMemory(ReferralMachine):
    """The machine over the memory repository."""

    make_repository = MemoryRepository


@pytest.mark.law(36)
def test_a_friend_leaves_no_trace() -> None:
    """Whoever joins, orders, brings back, in whatever order, with whatever answers lost."""
    run_state_machine_as_test(OverMemory, settings=SETTINGS)


@pytest.mark.law(36)
def test_over_a_file(tmp_path: Path) -> None:
    """The same over a store that writes things down; each run has a file of its own."""
    made = iter(range(10_000))

    class OverFile(ReferralMachine):
        make_repository = staticmethod(lambda: SQLiteRepository(tmp_path / f"{next(made)}.db"))

    run_state_machine_as_test(OverFile, settings=settings(SETTINGS, max_examples=EXAMPLES // 5))


def _keeps(*_args: object, **_settled: object) -> Given:
    """Take nothing back."""
    return Given(reward_id="-")


def _keeps_back(_self: ReferralProgram, _friends: object, _day: object) -> None:
    """Say that there is room."""


_LEAVING = _referring._leaving


def _no_heir(_program: object, friend_id: str, advocate: Membership) -> object:
    """Let nobody step in."""
    return _LEAVING(None, friend_id, advocate)


class TestBroken:
    @pytest.mark.parametrize(
        "where,name,broken,law",
        [
            (_referring, "take_back", _keeps, "an advocate has what the friends who stand bring"),
            (ReferralProgram, "full", _keeps_back, "friends are numbered without a gap, up to the limit"),
            (_referring, "_leaving", _no_heir, "friends are numbered without a gap, up to the limit"),
        ],
    )
    def test_it_is_found(self, monkeypatch: pytest.MonkeyPatch, where: object, name: str, broken: object, law: str) -> None:
        """What the law says."""
        monkeypatch.setattr(where, name, broken)
        with pytest.raises(AssertionError, match=law):
            run_state_machine_as_test(OverMemory, settings=BROKEN)
