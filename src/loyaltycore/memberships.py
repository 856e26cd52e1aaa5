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
from typing import Any, ClassVar, Final, final

import attrs

from loyaltycore._checks import check_whole
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import CorruptStateError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import check_id, check_slug
from loyaltycore.ledger import Ledger, LedgerFact
from loyaltycore.periods import Window
from loyaltycore.points import POINTS, PointsAccount, PointsVerbs
from loyaltycore.tiers import Qualifying
from loyaltycore.wire import read_state, write_state

__all__ = [
    "CouponGiven",
    "CouponGone",
    "HeldCoupon",
    "MemberJoined",
    "Membership",
    "OfferUses",
    "OffersFreed",
    "OffersHeld",
    "OrderCounted",
    "ReturnCounted",
    "SpendCarried",
]


ALWAYS: Final = Window(starts_at=None, ends_at=None)
"""All of time."""


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
        offers: The offers it used that one member may use only so often, sorted.
        ordered_at: When it was ordered, where that was before it was booked; ``None`` is ``at``.
    """

    kind: ClassVar[str] = "member.order_counted"
    order_id: str
    day: date
    qualifying_minor: int = 0
    list_minor: int = 0
    discount_minor: int = 0
    offers: tuple[str, ...] = ()
    ordered_at: datetime | None = None

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
class OffersHeld(Fact):
    """An order that is not paid yet uses offers that one member may use only so often.

    Attributes:
        order_id: Which order.
        offers: The offers, sorted.
        until: First instant at which they are free again by themselves.
    """

    kind: ClassVar[str] = "member.offers_held"
    order_id: str
    offers: tuple[str, ...]
    until: datetime


@final
@attrs.frozen(kw_only=True)
class OffersFreed(Fact):
    """An order no longer uses its offers: it was given up, or all of it came back.

    Attributes:
        order_id: Which order.
        offers: Those it no longer uses, sorted.
    """

    kind: ClassVar[str] = "member.offers_freed"
    order_id: str
    offers: tuple[str, ...]


@final
@attrs.frozen(kw_only=True)
class CouponGiven(Fact):
    """The member holds a coupon; what becomes of it stands in the coupon's own stream.

    Attributes:
        coupon_id: Which.
        campaign_id: Of which campaign.
        ends_at: First instant at which it can no longer be redeemed; ``None`` never ends by itself.
    """

    kind: ClassVar[str] = "member.coupon_given"
    coupon_id: str
    campaign_id: str
    ends_at: datetime | None = None


@final
@attrs.frozen(kw_only=True)
class CouponGone(Fact):
    """The member no longer holds a coupon: it was redeemed or revoked.

    Attributes:
        coupon_id: Which.
    """

    kind: ClassVar[str] = "member.coupon_gone"
    coupon_id: str


@final
@attrs.frozen(kw_only=True)
class OfferUses:
    """What one order uses of offers that a member may use only so often.

    Attributes:
        offers: By id.
        at: When it was ordered.
        until: First instant at which a reservation no longer counts; ``None`` for an order that was placed.
    """

    offers: tuple[str, ...]
    at: datetime
    until: datetime | None = None


@final
@attrs.frozen(kw_only=True)
class HeldCoupon:
    """A coupon of the member's.

    Attributes:
        campaign_id: Of which campaign.
        ends_at: First instant at which it can no longer be redeemed; ``None`` never.
        is_gone: Whether it was redeemed or revoked.
    """

    campaign_id: str
    ends_at: datetime | None = None
    is_gone: bool = False


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
        uses: What orders use of offers that a member may use only so often, by order.
        coupons: The coupons given to the member, by id.
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
    uses: FrozenMap[str, OfferUses] = FrozenMap[str, OfferUses]()
    coupons: FrozenMap[str, HeldCoupon] = FrozenMap[str, HeldCoupon]()
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

    def coupons_at(self, at: datetime) -> tuple[str, ...]:
        """List the coupons the member holds at an instant, by id: those that end soonest first.

        Args:
            at: Timezone-aware; one that ends at it is left out.
        """
        held = {
            coupon_id: one
            for coupon_id, one in self.coupons.items()
            if not one.is_gone and (one.ends_at is None or at < one.ends_at)
        }
        return tuple(sorted(held, key=lambda coupon_id: (_soon(held[coupon_id].ends_at), coupon_id)))

    def uses_of(self, offer_id: str, *, but: str | None = None, within: Window = ALWAYS, at: datetime) -> int:
        """Count the member's orders that use an offer of which one member has only so many.

        Args:
            offer_id: Which offer.
            but: An order that does not count, because it is the one that asks.
            within: Orders of this window alone.
            at: When it is asked: reservations that have run out no longer count.
        """
        return sum(
            offer_id in one.offers and within.contains(one.at) and (one.until is None or at < one.until)
            for order_id, one in self.uses.items()
            if order_id != but
        )

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
        rights = _Rights(self)
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
                    rights.count(fact)
                case ReturnCounted() if fact.order_id in orders or fact.order_id in self.orders:
                    counted = orders[fact.order_id] if fact.order_id in orders else self.orders[fact.order_id]
                    orders[fact.order_id] = attrs.evolve(counted, units=max(0, counted.units - fact.qualifying_minor))
                case SpendCarried():
                    carried[fact.rule] = carried.get(fact.rule, self.carried.get(fact.rule, 0)) + fact.minor
                case _ if not rights.take(fact):
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
            uses=self.uses.updated(rights.uses),
            coupons=self.coupons.updated(rights.coupons),
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


def _soon(ends_at: datetime | None) -> tuple[bool, datetime | None]:
    """Sort by an end: what never ends comes last."""
    return (ends_at is None, ends_at)


class _Rights:
    """Folds what a member holds, and what the member's orders use, of offers and coupons."""

    def __init__(self, before: Membership) -> None:
        self.before = before
        self.uses: dict[str, OfferUses] = {}
        self.coupons: dict[str, HeldCoupon] = {}

    def count(self, fact: OrderCounted) -> None:
        """Take an order that was placed: what was held for it counts for good."""
        if fact.offers or self._uses(fact.order_id) is not None:
            self.uses[fact.order_id] = OfferUses(offers=fact.offers, at=fact.ordered_at or fact.at)

    def take(self, fact: Fact) -> bool:
        """Take a fact of offers or coupons; say whether it can follow."""
        match fact:
            case OffersHeld():
                self.uses[fact.order_id] = OfferUses(offers=fact.offers, at=fact.at, until=fact.until)
            case OffersFreed():
                used = self._uses(fact.order_id)
                if used is None:
                    return False
                left = tuple(offer_id for offer_id in used.offers if offer_id not in fact.offers)
                self.uses[fact.order_id] = attrs.evolve(used, offers=left)
            case CouponGiven():
                self.coupons[fact.coupon_id] = HeldCoupon(campaign_id=fact.campaign_id, ends_at=fact.ends_at)
            case CouponGone():
                held = self.coupons.get(fact.coupon_id) or self.before.coupons.get(fact.coupon_id)
                if held is None:
                    return False
                self.coupons[fact.coupon_id] = attrs.evolve(held, is_gone=True)
            case _:
                return False
        return True

    def _uses(self, order_id: str) -> OfferUses | None:
        return self.uses.get(order_id) or self.before.uses.get(order_id)
