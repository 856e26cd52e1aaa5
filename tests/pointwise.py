"""An account that keeps one object for each point: the oracle of the ledger.

It counts objects and moves them between states, and shares no arithmetic with the library: no remainder is ever computed.
A point that was called back and is gone all the same is *owed*; another point may pay for it, or it is forgiven.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from loyaltycore.errors import Reason, RefusedError
from loyaltycore.ledger import Overdraft
from loyaltycore.periods import Lasting
from loyaltycore.points import PointsAccount
from loyaltycore.testing._calls import MEMBERS, PointsCall

__all__ = ["Bag", "NotEnoughError", "Point", "Pointwise", "followed"]

NEVER = datetime.max.replace(tzinfo=UTC)
COUNTING = {Reason.POINTS_INSUFFICIENT, Reason.BURN_EXCEEDED, Reason.EARNING_EXCEEDED, Reason.HOLD_EXCEEDED}
"""The refusals that say there is not enough of something: the oracle must find the same."""


class NotEnoughError(Exception):
    """There are not as many points as a call asks for."""


@dataclass(eq=False)
class Slide:
    """The common end of what lasts until some time after the last activity."""

    lasts: Lasting
    opened_at: datetime
    ends_at: datetime
    is_closed: bool = False


@dataclass(eq=False)
class Bag:
    """The points of one lot, and its terms."""

    lot_id: str
    granted_at: datetime
    opens_at: datetime
    fixed_end: datetime | None
    awaits: str = ""
    lasts: Lasting | None = None
    slide: Slide | None = None
    earned_by: str = ""
    overdraft: Overdraft = Overdraft.CARRY
    points: list[Point] = field(default_factory=list)
    paid: list[Point] = field(default_factory=list)
    """The owed points that others have paid for, in the order paid."""

    @property
    def ends_at(self) -> datetime | None:
        """The end as it is known now."""
        return self.fixed_end if self.slide is None else self.slide.ends_at

    def is_pending(self, at: datetime) -> bool:
        """Whether its time has not begun."""
        return at < self.opens_at

    def is_live(self, at: datetime) -> bool:
        """Whether its time has begun and not ended."""
        return not self.is_pending(at) and not self.awaits and (self.ends_at is None or at < self.ends_at)

    def is_over(self, at: datetime) -> bool:
        """Whether its time has ended: what still waits at its deadline lapses."""
        return not self.is_pending(at) and not self.is_live(at)

    def came_from(self, ref: str, rule: str | None) -> bool:
        """Whether it was earned for a reference, by a rule or by any."""
        own_ref, _, own_rule = self.earned_by.rpartition("/")
        return own_ref == ref and rule in {None, own_rule}


@dataclass(eq=False)
class Point:
    """One point: it can be taken (burned, moved away, paid with), called back, or both."""

    bag: Bag
    is_taken: bool = False
    is_revoked: bool = False
    is_forgiven: bool = False
    is_beyond: bool = False
    """It was never earned: a late capture took more than there was."""
    payer: Point | None = None

    @property
    def is_free(self) -> bool:
        """Whether it lies in its bag."""
        return not self.is_taken and not self.is_revoked

    @property
    def is_owed(self) -> bool:
        """Whether it is gone although it was called back, and nobody has paid or forgiven it."""
        return self.is_taken and self.is_revoked and not self.is_forgiven and self.payer is None


@dataclass
class Hold:
    """Points set aside: for each, the bag it is to come from."""

    claims: list[Bag]
    until: datetime


def first(count: int, points: Iterable[Point]) -> list[Point]:
    """Give the first so many points, all of them there."""
    found = [point for _, point in zip(range(count), points, strict=False)]
    if len(found) < count:
        raise NotEnoughError
    return found


def bags_of(points: Iterable[Point]) -> dict[Bag, list[Point]]:
    """Sort points by their bag, in the order met."""
    found: dict[Bag, list[Point]] = {}
    for point in points:
        found.setdefault(point.bag, []).append(point)
    return found


def _exchange(one: Point, other: Point) -> None:
    """Let two points of a bag that are gone change places in what was done about them."""
    if one is not other:
        paid = {id(one): other, id(other): one}
        one.bag.paid[:] = [paid.get(id(point), point) for point in one.bag.paid]
        one.is_forgiven, other.is_forgiven = other.is_forgiven, one.is_forgiven
        one.payer, other.payer = other.payer, one.payer


BURN_ORDERS = {
    "soonest_expiry": lambda bag: (bag.ends_at or NEVER, bag.opens_at, bag.lot_id),
    "oldest_first": lambda bag: (bag.granted_at, bag.lot_id),
    "newest_first": lambda bag: (NEVER - bag.granted_at, bag.lot_id),
}


@dataclass
class Pointwise:
    """All points of an account."""

    bags: dict[str, Bag] = field(default_factory=dict)
    burns: dict[str, list[Point]] = field(default_factory=dict)
    adjustments: dict[str, list[Point]] = field(default_factory=dict)
    transfers: dict[str, list[Point]] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    slides: list[Slide] = field(default_factory=list)

    # ---- what is where ----

    def claims(self, at: datetime) -> list[Bag]:
        """Give the bag of every point that is held at an instant."""
        return [bag for hold in self.holds.values() if at < hold.until for bag in hold.claims]

    def standing(self, bag: Bag, at: datetime) -> tuple[list[Point], list[object]]:
        """Give what lies free in a bag at an instant, and what is missing there: never both."""
        free = [point for point in bag.points if point.is_free]
        owed: list[object] = [point for point in bag.points if point.is_owed]
        for claim in [claim for claim in self.claims(at) if claim is bag]:
            if free:
                free.pop()
            else:
                owed.append(claim)
        assert not (free and owed)  # a free point of the same bag would have taken the place of one that is owed
        return free, owed

    def pending(self, at: datetime) -> int:
        """Count what is not yet available."""
        return len([point for bag in self.bags.values() if bag.is_pending(at) for point in self.standing(bag, at)[0]])

    def expired(self, at: datetime) -> int:
        """Count what lies in bags whose time is over."""
        return len([point for bag in self.bags.values() if bag.is_over(at) for point in self.standing(bag, at)[0]])

    def held(self, at: datetime) -> int:
        """Count what is set aside."""
        return len(self.claims(at))

    def debt(self, at: datetime) -> int:
        """Count what is owed."""
        return len([point for bag in self.bags.values() for point in self.standing(bag, at)[1]])

    def available(self, at: datetime, order: str = "soonest_expiry") -> list[Point]:
        """Give the live points that no owed point waits for, in burn order."""
        bags = sorted([bag for bag in self.bags.values() if bag.is_live(at)], key=BURN_ORDERS[order])
        live = [point for bag in bags for point in self.standing(bag, at)[0]]
        for bag in self.bags.values():
            for _ in self.standing(bag, at)[1]:
                if live:
                    live.pop()
        return live

    def lots(self) -> dict[str, tuple[int, int, int, int]]:
        """Count for each lot: what lies free or is owed, what others paid for it, what it paid, what is forgiven."""
        paying = [owed.payer for bag in self.bags.values() for owed in bag.paid]
        return {
            lot_id: (
                len([point for point in bag.points if point.is_free]) or -len([point for point in bag.points if point.is_owed]),
                len(bag.paid),
                len([point for point in paying if point is not None and point.bag is bag]),
                len([point for point in bag.points if point.is_forgiven]),
            )
            for lot_id, bag in self.bags.items()
        }

    # ---- what happens ----

    def follow(self, call: PointsCall, other: Pointwise) -> None:  # noqa: C901, PLR0912 - one case for each verb
        """Do what was called.

        Args:
            call: A call that was accepted and gave facts.
            other: The other member's points.

        Raises:
            NotEnoughError: Before anything has changed.
        """
        match call.verb:
            case "earn":
                self._earn(call)
            case "burn":
                self.burns[call.ref] = self._take(call, call.order)
                self._active(call.at)
            case "hold":
                points = first(call.points or 1, self.available(call.at))
                self.holds[call.ref] = Hold([point.bag for point in points], call.at + call.until)
                self._active(call.at)
            case "capture":
                self._capture(call)
            case "void":
                del self.holds[call.of]
            case "adjust_down":
                self.adjustments[call.ref] = self._take(call)
            case "refund_burn":
                self._refund(call)
            case "reverse_adjustment":
                self._give_back(self.adjustments.pop(call.of))
            case "revoke":
                self._revoke(call)
            case "release":
                self._release(call)
            case "transfer":
                self._transfer(call, other)
            case "undo_transfer":
                self._give_back(self.transfers.pop(call.of))
                other.take_back(call)
            case "touch":
                self._active(call.at)
            case "report_expired":
                pass
        if call.verb not in {"burn", "hold", "adjust_down", "transfer", "touch", "report_expired"}:
            self.put_right(call.at)

    def take_back(self, call: PointsCall) -> None:
        """Take back what a transfer brought, wherever it went on to."""
        for bag in self.bags.values():
            if bag.came_from(call.of, None) and bag.earned_by.rpartition("/")[2].startswith("moved-"):
                for point in bag.points:
                    point.is_revoked = True
                bag.overdraft = Overdraft.CARRY
        self.put_right(call.at)

    def put_right(self, at: datetime) -> None:
        """Undo payments and forgiveness that are no longer needed; then forgive; then let others pay."""
        self._unwind()
        for bag in self.bags.values():
            if bag.overdraft is Overdraft.FORGIVE:
                # Forgiven is what revocations called back, and no more.
                called = [point for point in bag.points if point.is_revoked]
                done = [point for point in bag.points if point.is_beyond or point.is_forgiven]
                owed = [point for point in bag.points if point.is_owed]
                for point in owed[: max(0, len(called) - len(done))]:
                    point.is_forgiven = True
        debtors = [bag for bag in self.bags.values() if bag.overdraft is Overdraft.SETTLE]
        for bag in sorted(debtors, key=lambda bag: (bag.granted_at, bag.lot_id)):
            owed = [point for point in bag.points if point.is_owed]
            for point, payer in zip(owed, self._payers(at), strict=False):
                point.payer, payer.is_taken = payer, True
                bag.paid.append(point)

    def _payers(self, at: datetime) -> list[Point]:
        bags = [bag for bag in self.bags.values() if not bag.is_over(at) and (bag.ends_at is None or at < bag.ends_at)]
        return [point for bag in sorted(bags, key=BURN_ORDERS["soonest_expiry"]) for point in self.standing(bag, at)[0]]

    def _unwind(self) -> None:
        """Let every free point take the place of one of its bag that was called back and is gone."""
        again = True
        while again:
            again = False
            for bag in self.bags.values():
                for free in [point for point in bag.points if point.is_free]:
                    gone = self._gone(bag)
                    if gone:
                        self._absolve(gone[0])
                        gone[0].is_revoked, free.is_revoked = False, True
                        again = True

    @staticmethod
    def _gone(bag: Bag) -> list[Point]:
        """Give what was called back and is gone: first what is owed, then what is forgiven, then what was paid for last."""
        owed = [point for point in bag.points if point.is_owed]
        return [*owed, *[point for point in bag.points if point.is_forgiven], *reversed(bag.paid)]

    def _absolve(self, gone: Point) -> None:
        """Take back what was done about a point that is gone: its forgiveness, or its payment."""
        gone.is_forgiven = False
        if gone.payer is not None:
            payer, gone.payer = gone.payer, None
            gone.bag.paid.remove(gone)
            self._give_back([payer])

    def _give_back(self, points: Iterable[Point]) -> None:
        """Let points come back to their bags; one that was called back is where it should be, and nobody owes it."""
        for point in points:
            if point.is_revoked:
                _exchange(point, self._gone(point.bag)[0])
                self._absolve(point)
            point.is_taken = False

    def _active(self, at: datetime, until: datetime | None = None) -> None:
        """Move on what has not ended, from the activity or the day until which it reaches; close what has, for good."""
        for slide in self.slides:
            slide.is_closed = slide.is_closed or slide.ends_at <= at
            if not slide.is_closed and slide.opened_at <= at:
                slide.ends_at = max(slide.ends_at, slide.lasts.ends_after(until or at))

    def _slide(self, lasts: Lasting | None, at: datetime, until: datetime) -> Slide | None:
        """Find the common end that something joins; after a gap, or before all that is known, it begins a new one."""
        if lasts is None or not lasts.sliding:
            return None
        for slide in self.slides:
            if slide.lasts == lasts and not slide.is_closed and slide.opened_at <= at < slide.ends_at:
                return slide
        self.slides.append(Slide(lasts, at, lasts.ends_after(until)))
        return self.slides[-1]

    def _earn(self, call: PointsCall) -> None:
        # Points that wait are an activity of the day they can first be burned.
        until = call.at if call.awaits else call.opens_at
        self._active(call.at, until)
        lot_id = f"{call.ref}/{call.rule}"
        slide = None if call.awaits else self._slide(call.lasts, call.at, until)
        bag = Bag(lot_id, call.at, call.opens_at, call.ends_at, call.awaits, call.lasts, slide, earned_by=lot_id)
        bag.points = [Point(bag) for _ in range(call.points or 1)]
        self.bags[lot_id] = bag

    def _release(self, call: PointsCall) -> None:
        self._active(call.at)
        for bag in self.bags.values():
            if bag.came_from(call.of, None) and bag.awaits == call.awaits and call.at < bag.opens_at:
                bag.awaits, bag.opens_at = "", call.at
                bag.slide = self._slide(bag.lasts, call.at, call.at)
                if bag.lasts is not None and bag.slide is None:
                    bag.fixed_end = bag.lasts.ends_after(call.at)

    def _take(self, call: PointsCall, order: str = "soonest_expiry") -> list[Point]:
        points = first(call.points or 1, self.available(call.at, order))
        for point in points:
            point.is_taken = True
        return points

    def _capture(self, call: PointsCall) -> None:
        hold = self.holds[call.of]
        count = len(hold.claims) if call.points is None else call.points
        if count > len(hold.claims):
            raise NotEnoughError
        burned: list[Point] = []
        for bag in hold.claims[:count]:
            # What was called back meanwhile is owed from now on; what somebody else took is owed once more.
            left = [point for point in bag.points if not point.is_taken]
            left.sort(key=lambda point: point.is_revoked)
            if not left:
                bag.points.append(Point(bag, is_revoked=True, is_beyond=True))
                left = [bag.points[-1]]
            left[0].is_taken = True
            burned.append(left[0])
        self.burns[call.of] = burned
        del self.holds[call.of]
        self._active(call.at)

    def _refund(self, call: PointsCall) -> None:
        burned = self.burns[call.of]
        points = first(len(burned) if call.points is None else call.points, reversed(burned))
        del burned[len(burned) - len(points) :]
        self._give_back(points)
        self._unwind()
        if call.extended_until is not None:
            self._renew(bags_of(points), call)

    def _renew(self, came: dict[Bag, list[Point]], call: PointsCall) -> None:
        """Let what lies free now in a bag whose time is over go on to a bag of its own, as much as came back."""
        number = 0
        for old, points in came.items():
            free, _ = self.standing(old, call.at)
            if not old.is_over(call.at) or not free:
                continue
            number += 1
            bag = Bag(f"{call.ref}/renewed-{number}", call.at, call.at, call.extended_until, earned_by=old.earned_by)
            for _, point in zip(points, free, strict=False):
                old.points.remove(point)
                bag.points.append(point)
                point.bag = bag
            self.bags[bag.lot_id] = bag

    def _revoke(self, call: PointsCall) -> None:
        bags = [bag for bag in self.bags.values() if bag.came_from(call.of, call.rule)]
        bags.sort(key=lambda bag: (bag.granted_at, bag.lot_id), reverse=True)
        mine = [
            point
            for bag in bags
            # Within a bag, what was not taken first.
            for point in sorted(bag.points, key=lambda point: point.is_taken)
            if not point.is_revoked
        ]
        points = mine if call.points is None else first(call.points, mine)
        for bag, called in bags_of(points).items():
            if call.overdraft is Overdraft.REJECT:
                first(len(called), self.standing(bag, call.at)[0])
        for point in points:
            point.is_revoked = True
            point.bag.overdraft = call.overdraft

    def _transfer(self, call: PointsCall, other: Pointwise) -> None:
        points = self._take(call)
        self.transfers[call.ref] = points
        for number, (old, moved) in enumerate(bags_of(points).items(), start=1):
            lot_id = f"{call.ref}/moved-{number}"
            bag = Bag(lot_id, old.granted_at, old.opens_at, old.ends_at, earned_by=lot_id)
            bag.points = [Point(bag) for _ in moved]
            other.bags[lot_id] = bag
        other.put_right(call.at)


def followed(calls: Iterable[PointsCall]) -> tuple[dict[str, PointsAccount], dict[str, Pointwise]]:
    """Make calls on both, keeping what the accounts accept.

    Where an account refuses because there is not enough, the oracle must not have it either.
    """
    accounts = {member: PointsAccount.open(member) for member in MEMBERS}
    oracles = {member: Pointwise() for member in MEMBERS}
    for call in calls:
        try:
            postings = call.on(accounts)
        except RefusedError as error:
            if error.refusal.reason in COUNTING:
                try:
                    oracles[call.who].follow(call, oracles[call.other])
                except NotEnoughError:
                    continue
                msg = f"{call} was refused, and there is enough"
                raise AssertionError(msg) from error
            continue
        if postings[0].facts:
            oracles[call.who].follow(call, oracles[call.other])
        accounts |= {posting.state.member_id: posting.state for posting in postings}
    return accounts, oracles
