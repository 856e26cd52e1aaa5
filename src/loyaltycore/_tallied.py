"""What counts for a member's tiers: sums up to a day, and what came after it one by one.

Where the member stands is told from these, without going through all orders and points there ever were.

Invariants:
    1. The sums and the single events together are all that counts.
    2. Whatever changes something of a day that was added up makes the sums worthless: then they are gone, and all is looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Final, final

import attrs

from loyaltycore._frozen import FrozenMap
from loyaltycore._member_facts import FriendReversed, FriendRewarded, MemberJoined, OrderCounted, ReturnCounted
from loyaltycore.facts import Fact
from loyaltycore.ledger import Granted, Ledger, LedgerFact, Lot, Revoked
from loyaltycore.periods import Calendar
from loyaltycore.tiers import Metric, Qualifying, TierRule, TierTally

__all__ = [
    "REWARD_RULE",
    "Tallied",
    "as_counted",
    "earned_points",
    "earned_units",
    "is_earned",
    "lifetime_points",
    "named_events",
]

REWARD_RULE: Final = "+reward"
"""The rule of lots that rewards gave: they count for no tier, so that no gift carries its own tier."""

_ORDER, _LOT, _FRIEND = "order/", "lot/", "friend/"
_BY_ORDERS: Final = frozenset({Metric.SPEND, Metric.ORDERS})
"""What counts by orders: both are told from what an order comes to."""


@final
@attrs.frozen(kw_only=True)
class Tallied:
    """What counts for tiers, up to a day as sums and after it one by one.

    Attributes:
        through: The last local day that was added up.
        calendar: Whose local days count.
        metrics: What counts.
        account: The account whose points count, where points do.
        tallies: The sums, by the digest of the rule that made them.
        later: What counts of the days after, by what it is of: ``order/1001``, ``lot/1001/order``, ``friend/m-43``.
    """

    through: date
    calendar: Calendar
    metrics: tuple[Metric, ...]
    account: str
    tallies: FrozenMap[str, TierTally]
    later: FrozenMap[str, Qualifying]

    def of(self, rule: TierRule, *, day: date, calendar: Calendar) -> TierTally | None:
        """Give the sums for a rule and a day; ``None`` where they say nothing of it.

        Args:
            rule: One that counts otherwise has no sums here.
            day: The local day that is asked about; one before the last that was added up cannot be told any more.
            calendar: Whose local days count now.
        """
        return self.tallies.get(rule.tally_digest) if day >= self.through and calendar == self.calendar else None

    def events(self, rule: TierRule) -> Iterator[Qualifying]:
        """Give what counts after the sums, in no order.

        Args:
            rule: The one that the sums are of.
        """
        return as_counted(self.later.values(), rule.metrics)

    def folded(self, facts: Iterable[Fact], *, orders: Container[str], friends: Container[str]) -> Tallied | None:
        """Take more facts in; ``None`` where one changes what was added up.

        Args:
            facts: In order.
            orders: The orders before.
            friends: The friends before.
        """
        fold = _Fold(self, orders, friends)
        if not all(map(fold.take, facts)):
            return None
        return attrs.evolve(self, later=self.later.updated(fold.later)) if fold.later else self


def as_counted(events: Iterable[Qualifying], metrics: Iterable[Metric]) -> Iterator[Qualifying]:
    """Give events as metrics count them: an order as what was spent, and as one.

    Args:
        events: Orders as what was spent, points and friends as what they are.
        metrics: Each of them counts.
    """
    wanted = frozenset(metrics)
    for event in events:
        if event.metric in wanted:
            yield event
        if event.metric is Metric.SPEND and Metric.ORDERS in wanted and event.units:
            yield Qualifying(day=event.day, units=1, metric=Metric.ORDERS)


_MOVED: Final = re.compile(r".*/moved-[0-9]+", re.DOTALL)
"""What lots are called that came from another account."""


def is_earned(lot_id: str) -> bool:
    """Say whether the units of a lot were earned by its owner: they came neither from a reward nor from another account.

    Args:
        lot_id: Of a lot that did not go on from another one of the owner's.
    """
    return not lot_id.endswith(f"/{REWARD_RULE}") and _MOVED.fullmatch(lot_id) is None


def lifetime_points(ledger: Ledger) -> int:
    """Sum what was ever earned on an account and not taken back, however much of it was spent.

    Args:
        ledger: The account; of lots that a snapshot left out the sum is known.

    Complexity:
        O(lots that are here).
    """
    return ledger.earned_before + earned_units(ledger.lots.kept.values())


def earned_units(lots: Iterable[Lot]) -> int:
    """Sum what lots hold of what was earned by their owner and not taken back; what went on to another lot is of the first.

    Args:
        lots: Any of an account.
    """
    return sum((0 if lot.origin else lot.granted) - lot.revoked for lot in lots if is_earned(lot.earned_by))


def earned_points(ledger: Ledger, calendar: Calendar) -> Iterator[tuple[str, Qualifying]]:
    """Give the points of each earning that were not taken back, by lot, on the day they were earned, however often renewed.

    What came from another member was earned there, and what a reward gave was not earned: neither counts.

    Args:
        ledger: The account whose points count.
        calendar: Whose local days count.
    """
    revoked = Counter[str]()
    for lot in ledger.lots.values():
        revoked[lot.earned_by] += lot.revoked
    for lot in ledger.lots.values():
        kept = lot.granted - revoked[lot.lot_id]
        if kept > 0 and not lot.origin and is_earned(lot.lot_id):
            yield lot.lot_id, Qualifying(day=calendar.day_of(lot.granted_at), units=kept, metric=Metric.POINTS)


def named_events(
    metrics: Iterable[Metric],
    *,
    orders: Mapping[str, Qualifying],
    ledger: Ledger,
    friends: Mapping[str, date],
    calendar: Calendar,
) -> Iterator[tuple[str, Qualifying]]:
    """Give what counts of a member, by what it is of.

    Args:
        metrics: What counts.
        orders: What each order comes to.
        ledger: The account whose points count.
        friends: The day of each friend.
        calendar: Whose local days count.
    """
    wanted = frozenset(metrics)
    if wanted & _BY_ORDERS:
        yield from ((_ORDER + order_id, one) for order_id, one in orders.items())
    if Metric.POINTS in wanted:
        yield from ((_LOT + lot_id, one) for lot_id, one in earned_points(ledger, calendar))
    if Metric.REFERRALS in wanted:
        yield from (
            (_FRIEND + friend_id, Qualifying(day=day, units=1, metric=Metric.REFERRALS)) for friend_id, day in friends.items()
        )


@final
class _Fold:
    """Takes facts into the events after the sums."""

    def __init__(self, tallied: Tallied, orders: Container[str], friends: Container[str]) -> None:
        self.tallied = tallied
        self.orders = orders
        self.friends = friends
        self.metrics = frozenset(tallied.metrics)
        self.later: dict[str, Qualifying] = {}

    def take(self, fact: Fact) -> bool:
        """Take one; say whether the sums are worth something still."""
        match fact:
            case LedgerFact():
                return self._points(fact) if Metric.POINTS in self.metrics and fact.account == self.tallied.account else True
            case OrderCounted() if self.metrics & _BY_ORDERS:
                return self._put(_ORDER, fact.order_id, Qualifying(day=fact.day, units=fact.qualifying_minor), self.orders)
            case ReturnCounted() if self.metrics & _BY_ORDERS:
                return self._lower(_ORDER + fact.order_id, fact.qualifying_minor)
            case FriendRewarded() if Metric.REFERRALS in self.metrics:
                friend = Qualifying(day=fact.day, units=1, metric=Metric.REFERRALS)
                return self._put(_FRIEND, fact.friend_id, friend, self.friends)
            case FriendReversed() if Metric.REFERRALS in self.metrics:
                return self._lower(_FRIEND + fact.friend_id, 1)
            case MemberJoined():
                return False  # the years of a membership may begin on another day now
        return True

    def _points(self, fact: LedgerFact) -> bool:
        match fact:
            case Granted():
                lot_id = f"{fact.ref}/{fact.rule}"
                return not is_earned(lot_id) or self._grant(lot_id, fact.units, fact.at)
            case Revoked():
                # A lot that went on from another is not known here by its name: then all is gone through.
                return all(self._lower(_LOT + part.lot_id, part.units) for part in fact.parts if is_earned(part.lot_id))
        return True

    def _grant(self, lot_id: str, units: int, at: datetime) -> bool:
        event = Qualifying(day=self.tallied.calendar.day_of(at), units=units, metric=Metric.POINTS)
        return self._put(_LOT, lot_id, event, ())

    def _put(self, prefix: str, name: str, event: Qualifying, before: Container[str]) -> bool:
        """Take what is new; what was added up cannot be told anew."""
        is_new = self._found(prefix + name) is not None or name not in before
        self.later[prefix + name] = event
        return is_new and event.day > self.tallied.through

    def _lower(self, name: str, units: int) -> bool:
        """Take off what came back."""
        event = self._found(name)
        if event is None:
            return False
        self.later[name] = attrs.evolve(event, units=max(0, event.units - units))
        return True

    def _found(self, name: str) -> Qualifying | None:
        return self.later.get(name) or self.tallied.later.get(name)
