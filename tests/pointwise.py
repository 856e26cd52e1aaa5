"""An account that keeps one object for each point: the oracle of the ledger.

It counts objects and moves them between states, and shares no arithmetic with the library: no remainder is ever computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from loyaltycore.errors import RefusedError
from loyaltycore.points import PointsAccount
from loyaltycore.testing._histories import PointsCall

__all__ = ["Point", "Pointwise"]


@dataclass(eq=False)
class Point:
    """One point: it can be burned, taken back, or both, which is a debt."""

    lot: str
    earned_at: datetime
    opens_at: datetime
    ends_at: datetime | None
    is_burned: bool = False
    is_revoked: bool = False

    @property
    def is_free(self) -> bool:
        """Whether it lies in its lot."""
        return not self.is_burned and not self.is_revoked

    @property
    def is_owed(self) -> bool:
        """Whether it was spent although it had to be given back."""
        return self.is_burned and self.is_revoked

    def is_live(self, at: datetime) -> bool:
        """Whether its time has begun and not ended."""
        return self.opens_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass
class Pointwise:
    """All points of an account, under the overdraft policy carry."""

    points: list[Point] = field(default_factory=list)
    burns: dict[str, list[Point]] = field(default_factory=dict)
    adjustments: dict[str, list[Point]] = field(default_factory=dict)

    def available(self, at: datetime) -> int:
        """Count the live points that no owed point waits for."""
        live = [point for point in self.points if point.is_free and point.is_live(at)]
        for _ in [point for point in self.points if point.is_owed]:
            if live:
                live.pop()
        return len(live)

    def pending(self, at: datetime) -> int:
        """Count what is not yet available."""
        return len([point for point in self.points if point.is_free and at < point.opens_at])

    def debt(self) -> int:
        """Count what is owed."""
        return len([point for point in self.points if point.is_owed])

    def lots(self) -> dict[str, int]:
        """Count what each lot holds: free points, or owed ones below zero."""
        held = dict.fromkeys([point.lot for point in self.points], 0)
        for point in self.points:
            if point.is_free:
                held[point.lot] += 1
            if point.is_owed:
                held[point.lot] -= 1
        return held

    def follow(self, call: PointsCall) -> None:
        """Do what the account did; only calls that were accepted and gave facts are followed."""
        match call.verb:
            case "earn":
                opens_at = call.at + call.pending
                ends_at = None if call.life is None else opens_at + call.life
                lot = f"{call.ref}/{call.rule}"
                self.points += [Point(lot, call.at, opens_at, ends_at) for _ in range(call.points or 1)]
            case "burn":
                self.burns[call.ref] = self._take(call)
            case "adjust_down":
                self.adjustments[call.ref] = self._take(call)
            case "refund_burn":
                self._give_back(self.burns[call.of], call.points)
            case "reverse_adjustment":
                self._give_back(self.adjustments[call.of], None)
            case "revoke":
                self._revoke(call)

    def _take(self, call: PointsCall) -> list[Point]:
        live = [point for point in self.points if point.is_free and point.is_live(call.at)]
        live.sort(key=lambda point: (point.ends_at is None, point.ends_at, point.opens_at, point.lot))
        taken = live[: call.points or 1]
        for point in taken:
            point.is_burned = True
        return taken

    def _give_back(self, taken: list[Point], count: int | None) -> None:
        for _ in range(len(taken) if count is None else count):
            point = taken.pop()
            point.is_burned = False
            # A point that comes back pays for one of its lot that is owed.
            owed = next((other for other in self.points if other.is_owed and other.lot == point.lot), None)
            if owed is not None and point.is_free:
                owed.is_revoked, point.is_revoked = False, True

    def _revoke(self, call: PointsCall) -> None:
        mine = [point for point in self.points if point.lot.rpartition("/")[0] == call.of and not point.is_revoked]
        # The latest lot first; within it, what was not spent first.
        mine.sort(key=lambda point: point.is_burned)
        mine.sort(key=lambda point: (point.earned_at, point.lot), reverse=True)
        for point in mine if call.points is None else mine[: call.points]:
            point.is_revoked = True


def followed(calls: tuple[PointsCall, ...]) -> tuple[PointsAccount, Pointwise]:
    """Make calls on both, keeping what the account accepts."""
    account, oracle = PointsAccount.open("m-42"), Pointwise()
    for call in calls:
        try:
            posting = call.on(account)
        except RefusedError:
            continue
        if posting.facts:
            oracle.follow(call)
        account = posting.state
    return account, oracle
