"""What crowds of random commits leave behind: each way in which it could not have come about is told by its clause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Append, Change, Claim, Command, Expect
from loyaltycore.identity import Key, StreamId
from loyaltycore.repositories import Claimed, Receipt, Repository
from loyaltycore.testing import ConformanceError
from loyaltycore.testing._concurrent import _Crowd, _Tried, check_at_once
from loyaltycore.testing._port import Port, append_to, marker
from loyaltycore.testing._stage import Source
from tests.canaries import (
    DoesItAgain,
    ForgetsTheLast,
    HoldsOneMore,
    LosesClaims,
    Plain,
    RemembersTheHomeAlone,
)


class RefusesAll(Plain):
    """Nothing is ever kept."""

    refusal: type[Exception]

    def check(self, command: Command, changes: Sequence[Change]) -> None:
        """Refuse what would be kept."""
        super().check(command, changes)
        if self.minds(changes):
            raise self.refusal(command.key)

    def minds(self, changes: Sequence[Change]) -> bool:
        """Say what is refused."""
        return len(changes) >= 0


class AlwaysRepeated(RefusesAll):
    """Every command was made before."""

    refusal = DuplicateError


class AlwaysMoved(RefusesAll):
    """Every version moved."""

    refusal = ConflictError

    def minds(self, changes: Sequence[Change]) -> bool:
        """Refuse single appends."""
        return len(changes) == 1 and isinstance(changes[0], Append)


class AlwaysFull(RefusesAll):
    """Every counter is full."""

    refusal = LimitReachedError

    def minds(self, changes: Sequence[Change]) -> bool:
        """Refuse claims."""
        return any(isinstance(change, Claim) for change in changes)


class InventsReceipts(AlwaysFull):
    """A command that was refused has a receipt."""

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Answer for everything."""
        known = super().receipt(home, key)
        return Receipt(command=Command.of(home, key, actor="kit"), facts={}) if known is None else known


class CountsMore(Plain):
    """A counter shows one more than is held."""

    def answer(self, live: Mapping[Key, int], key: Key) -> Claimed:
        """Add one."""
        return Claimed(total=sum(live.values()) + 1, mine=live.get(key, 0))


def never(_first: object, _second: object) -> bool:
    """Say that two repositories have nothing in common."""
    return False


def crowd() -> _Crowd:
    """Make a crowd of one repository."""
    source = Source[Repository](Plain, threads=1, shares=never)
    return _Crowd(source, Plain())


def kept(port: Port, name: str, *changes: Change) -> _Tried:
    """Make a commit that was kept."""
    return _Tried(name=name, command=port.command(name), changes=changes, refusal=None)


class TestCheckAtOnce:
    @pytest.mark.parametrize("threads", [1, 8])
    def test_honest_repository_passes(self, threads: int) -> None:
        """In one thread and in several."""
        check_at_once(Source[Repository](Plain, threads=threads, shares=never))

    @pytest.mark.law(41)
    @pytest.mark.parametrize(
        "liar, clause",
        [
            (DoesItAgain, 6),
            (AlwaysRepeated, 6),
            (RemembersTheHomeAlone, 9),
            (InventsReceipts, 9),
            (ForgetsTheLast, 3),
            (AlwaysMoved, 5),
            (HoldsOneMore, 11),
            (AlwaysFull, 11),
            (LosesClaims, 11),
            (CountsMore, 13),
        ],
    )
    def test_liars_are_caught(self, liar: type[Plain], clause: int) -> None:
        """What is left behind breaks a clause."""
        with pytest.raises(ConformanceError) as caught:
            check_at_once(Source[Repository](liar, threads=1, shares=never))
        assert caught.value.clause == clause

    def test_what_is_stored_is_what_was_kept(self) -> None:
        """A stream holds exactly what kept commits appended."""
        crowded = crowd()
        port = crowded._port
        one = kept(port, "1", append_to(port.stream("a"), 0, marker("1")))
        with pytest.raises(ConformanceError, match="does not hold exactly what the kept commits appended") as caught:
            crowded._look_at_streams([one])
        assert caught.value.clause == 3

    def test_two_at_one_version_are_told(self) -> None:
        """Versions are contiguous."""
        crowded = crowd()
        port = crowded._port
        both = [kept(port, name, append_to(port.stream("a"), 0, marker(name))) for name in "12"]
        with pytest.raises(ConformanceError, match="was appended to at version 0, when it was at 1") as caught:
            crowded._look_at_streams(both)
        assert caught.value.clause == 5

    def test_commits_that_cross_are_told(self) -> None:
        """Of two that each expected the other unwritten, no order is right."""
        crowded = crowd()
        port = crowded._port
        a, b = port.stream("a"), port.stream("b")
        both = [
            kept(port, "1", Expect(stream=a, version=0), append_to(b, 0, marker("1"))),
            kept(port, "2", Expect(stream=b, version=0), append_to(a, 0, marker("2"))),
        ]
        with pytest.raises(ConformanceError, match="no order of the kept commits meets the versions they expected: ") as caught:
            crowded._look_at_order(both)
        assert caught.value.clause == 5
