"""Memberships: everything a program knows about one member, as one value.

The points accounts with their verbs, the orders that count for tiers and for "first order", and when the member joined. It is
the stream ``member/<id>``; a shop that only wants points can use ``PointsAccount`` instead.

Invariants:
    1. ``Membership.replay(facts)`` equals the state of the last posting.
    2. What counts of an order is what was paid for it less what came back, never below zero.
    3. How deep the discounts of the past were is of all orders, whatever came back of them.

>>> from datetime import UTC, datetime
>>> now = datetime(2026, 7, 1, tzinfo=UTC)
>>> member = Membership.open("m-42").earn(800, ref="welcome", expires_at=None, at=now).state
>>> member.available(at=now), member.order_count
(800, 0)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, ClassVar, final

import attrs

from loyaltycore._checks import check_whole
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import CorruptStateError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import check_id, check_slug
from loyaltycore.ledger import Ledger, LedgerFact
from loyaltycore.points import POINTS, PointsAccount, PointsVerbs
from loyaltycore.tiers import Qualifying
from loyaltycore.wire import read_state, write_state

__all__ = ["MemberJoined", "Membership", "OrderCounted", "ReturnCounted", "SpendCarried"]


@final
@attrs.frozen(kw_only=True)
class MemberJoined(Fact):
    """Somebody became a member.

    Attributes:
        member_id: The shop's own.
    """

    kind: ClassVar[str] = "member.joined"
    member_id: str


@final
@attrs.frozen(kw_only=True)
class OrderCounted(Fact):
    """An order counts for its member.

    Attributes:
        order_id: Which.
        day: Local day of the purchase.
        qualifying_minor: What counts for tiers, in minor units.
        list_minor: What the goods cost before offers.
        discount_minor: What offers took off the goods.
    """

    kind: ClassVar[str] = "member.order_counted"
    order_id: str
    day: date
    qualifying_minor: int = 0
    list_minor: int = 0
    discount_minor: int = 0

    def __attrs_post_init__(self) -> None:
        """Refuse what no order comes to."""
        super().__attrs_post_init__()
        check_whole("list_minor", self.list_minor, low=0)
        check_whole("discount_minor", self.discount_minor, low=0)


@final
@attrs.frozen(kw_only=True)
class ReturnCounted(Fact):
    """A return lowers what an order counts for.

    Attributes:
        order_id: Which order.
        return_id: Which return.
        qualifying_minor: What no longer counts for tiers.
    """

    kind: ClassVar[str] = "member.return_counted"
    order_id: str
    return_id: str
    qualifying_minor: int = 0


@final
@attrs.frozen(kw_only=True)
class SpendCarried(Fact):
    """What was spent under a rule that carries a remainder over rose, or fell with a return.

    Attributes:
        rule: Which rule.
        ref: The order or the return.
        minor: By how much, in minor units; below 0 for a return.
    """

    kind: ClassVar[str] = "member.spend_carried"
    rule: str
    ref: str
    minor: int


@final
@attrs.frozen(kw_only=True)
class Membership(PointsVerbs):
    """One member's loyalty state.

    Attributes:
        member_id: The shop's own, opaque.
        version: Facts folded so far.
        joined_at: When; ``None`` for a member known only by orders or points.
        ledgers: The member's accounts, by name; one without facts is not there.
        orders: What each order counts for, in the order placed.
        carried: What was spent and kept under rules that carry a remainder over, in minor units by rule.
        past_list_minor: What the goods of all orders cost before offers. What came back was bought all the same: no return
            lowers it, nor the next.
        past_discount_minor: What offers took off the goods of all orders.
        account: The account that the verbs act on; ``on`` turns to another.
    """

    member_id: str
    version: int = 0
    joined_at: datetime | None = None
    ledgers: FrozenMap[str, Ledger] = FrozenMap[str, Ledger]()
    orders: FrozenMap[str, Qualifying] = FrozenMap[str, Qualifying]()
    carried: FrozenMap[str, int] = FrozenMap[str, int]()
    past_list_minor: int = 0
    past_discount_minor: int = 0
    account: str = attrs.field(default=POINTS, eq=False)

    def __attrs_post_init__(self) -> None:
        """Check the ids and the version."""
        check_id("member_id", self.member_id)
        check_slug("account", self.account)
        for name in ("version", "past_list_minor", "past_discount_minor"):
            check_whole(name, getattr(self, name), low=0)

    @classmethod
    def open(cls, member_id: str) -> Membership:
        """Start with nothing; needs no fact."""
        return cls(member_id=member_id)

    @classmethod
    def replay(cls, member_id: str, facts: Iterable[Fact]) -> Membership:
        """Fold all facts of a member.

        Complexity:
            O(facts).
        """
        return cls.open(member_id).folded(facts)

    @property
    def ledger(self) -> Ledger:
        """The lots of the account that the verbs act on."""
        return self.ledger_of(self.account)

    def ledger_of(self, account: str) -> Ledger:
        """Give the lots of an account; one without facts has none."""
        return self.ledgers.get(account) or Ledger(account=account)

    def on(self, account: str) -> Membership:
        """Turn to another of the member's accounts: the verbs act on that one.

        Args:
            account: Its name; one never used is empty.

        Example:
            >>> from datetime import UTC, datetime
            >>> now = datetime(2026, 7, 1, tzinfo=UTC)
            >>> member = Membership.open("m-42").on("status").earn(50, ref="order-1", expires_at=None, at=now).state
            >>> member.available(at=now), member.on("points").available(at=now)
            (50, 0)
        """
        return attrs.evolve(self, account=account)

    @property
    def due_at(self) -> datetime | None:
        """When time next brings something on any account that was not reported; ``None`` if nothing is to come."""
        return min((at for at in (ledger.due_at for ledger in self.ledgers.values()) if at is not None), default=None)

    @property
    def order_count(self) -> int:
        """Orders placed, whatever came back of them."""
        return len(self.orders)

    @property
    def points(self) -> PointsAccount:
        """The main account alone, as a ``PointsAccount``."""
        return PointsAccount(member_id=self.member_id, version=self.version, ledger=self.ledger_of(POINTS))

    def join(self, *, at: datetime) -> Posting[Membership]:
        """Become a member; joining again changes nothing.

        Args:
            at: Timezone-aware.
        """
        facts = () if self.joined_at is not None else (MemberJoined(member_id=self.member_id, at=at),)
        return self.posting(facts)

    def folded(self, facts: Iterable[Fact]) -> Membership:
        """Give the membership after more facts.

        Raises:
            CorruptStateError: A fact that cannot follow.
        """
        more = tuple(facts)
        joined_at = self.joined_at
        accounts, orders, carried = dict[str, None](), dict[str, Qualifying](), dict[str, int]()
        list_minor, discount_minor = self.past_list_minor, self.past_discount_minor
        for fact in more:
            match fact:
                case LedgerFact():
                    accounts[fact.account] = None  # folded below, all at once
                case MemberJoined():
                    joined_at = fact.at if joined_at is None else joined_at
                case OrderCounted():
                    orders[fact.order_id] = Qualifying(day=fact.day, units=fact.qualifying_minor)
                    list_minor, discount_minor = list_minor + fact.list_minor, discount_minor + fact.discount_minor
                case ReturnCounted() if fact.order_id in orders or fact.order_id in self.orders:
                    counted = orders[fact.order_id] if fact.order_id in orders else self.orders[fact.order_id]
                    orders[fact.order_id] = attrs.evolve(counted, units=max(0, counted.units - fact.qualifying_minor))
                case SpendCarried():
                    carried[fact.rule] = carried.get(fact.rule, self.carried.get(fact.rule, 0)) + fact.minor
                case _:
                    msg = f"member {self.member_id!r} cannot go on with {fact.kind!r}"
                    raise CorruptStateError(msg)
        return attrs.evolve(
            self,
            version=self.version + len(more),
            joined_at=joined_at,
            ledgers=self.ledgers.updated({account: self.ledger_of(account).folded(more) for account in accounts}),
            orders=self.orders.updated(orders),
            carried=self.carried.updated(carried),
            past_list_minor=list_minor,
            past_discount_minor=discount_minor,
        )

    def to_dict(self) -> dict[str, Any]:
        """Write the membership as JSON values, for one column beside the customer."""
        return write_state(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Membership:
        """Read what ``to_dict`` wrote.

        Raises:
            CorruptStateError: Anything else.
        """
        membership = read_state(cls, data)
        if any(name != ledger.checked().account for name, ledger in membership.ledgers.items()):
            msg = f"the accounts of member {membership.member_id!r} do not hang together"
            raise CorruptStateError(msg)
        return membership
