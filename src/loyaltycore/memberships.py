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

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final, assert_never, final

import attrs

from loyaltycore._checks import check_whole
from loyaltycore._frozen import FrozenMap
from loyaltycore._member_facts import (
    CouponGiven,
    CouponGone,
    FriendReversed,
    FriendRewarded,
    MemberJoined,
    OffersFreed,
    OffersHeld,
    OrderCounted,
    ReferralCodeGiven,
    ReturnCounted,
    RewardGiven,
    RewardOffered,
    RewardTakenBack,
    SpendCarried,
    TierGranted,
    TierGrantEnded,
)
from loyaltycore._tallied import REWARD_RULE, Tallied, earned_points
from loyaltycore._tier_grant import TierGrant
from loyaltycore.errors import CorruptStateError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import check_id, check_slug
from loyaltycore.ledger import Ledger, LedgerFact
from loyaltycore.periods import Calendar, Window
from loyaltycore.points import POINTS, PointsAccount, PointsVerbs
from loyaltycore.tiers import Metric, Qualifying, TierRule, TierTally
from loyaltycore.wire import read_state, write_state

__all__ = [
    "REWARD_RULE",
    "CouponGiven",
    "CouponGone",
    "FriendReversed",
    "FriendRewarded",
    "HeldCoupon",
    "HeldReward",
    "MemberJoined",
    "Membership",
    "OfferUses",
    "OffersFreed",
    "OffersHeld",
    "OrderCounted",
    "ReferralCodeGiven",
    "ReturnCounted",
    "RewardGiven",
    "RewardOffered",
    "RewardTakenBack",
    "RewardedFriend",
    "SpendCarried",
    "TierGrantEnded",
    "TierGranted",
]


ALWAYS: Final = Window(starts_at=None, ends_at=None)
"""All of time."""


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
        is_gone: Whether it was redeemed or revoked. One that a reward hands on may have been before: its own stream says so.
    """

    campaign_id: str
    ends_at: datetime | None = None
    is_gone: bool = False


@final
@attrs.frozen(kw_only=True)
class HeldReward:
    """A reward of the member's, or one that may be chosen.

    Attributes:
        source: What gave it.
        at: When it was given, or first offered.
        points: Points given.
        coupons: Coupons given, by id.
        payouts: What the shop pays outside, by id.
        price_points: Points that it cost.
        option: What was chosen, where there was a choice.
        options: What may be chosen, until one is.
        until: First instant at which nothing can be chosen any more; ``None`` never.
        mark: What must be left so that it stands: of a gift for a balance so much of the lots that were open then, of
            other milestones their number, of a gift for entering a tier its threshold.
        stock_key: Under which one of the stock is claimed; empty where any number may be had.
        is_gone: Whether it was taken back.
        coupons_kept: Coupons of one that was taken back which an order had used, or the shop had revoked.
    """

    source: str
    at: datetime
    points: int = 0
    coupons: tuple[str, ...] = ()
    payouts: tuple[str, ...] = ()
    price_points: int = 0
    option: str = ""
    options: tuple[str, ...] = ()
    until: datetime | None = None
    mark: int = 0
    stock_key: str = ""
    is_gone: bool = False
    coupons_kept: tuple[str, ...] = ()

    def fact(self, reward_id: str) -> RewardGiven:
        """Tell again what was given.

        Args:
            reward_id: The name under which the member has it.
        """
        return RewardGiven(
            reward_id=reward_id,
            source=self.source,
            points=self.points,
            coupons=self.coupons,
            payouts=self.payouts,
            price_points=self.price_points,
            option=self.option,
            mark=self.mark,
            stock_key=self.stock_key,
            at=self.at,
        )

    def is_open(self, at: datetime) -> bool:
        """Say whether something is to be chosen at an instant.

        Args:
            at: Timezone-aware; ``at == until`` is too late.
        """
        return bool(self.options) and not self.is_gone and (self.until is None or at < self.until)


@final
@attrs.frozen(kw_only=True)
class RewardedFriend:
    """A friend for whom the member was rewarded.

    Attributes:
        program_id: The referral program.
        day: The local day on which it was due.
        number: Which friend it is, from 1, of those that count together; 0 where a limit kept the reward back.
        period: What counts together: a year such as ``2026``, a month such as ``2026-07``, or empty for all of time.
        rewards: The names of what was given.
    """

    program_id: str
    day: date
    number: int
    period: str = ""
    rewards: tuple[str, ...] = ()


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
        tier_grants: Tiers that were granted by hand, by the shop's names for the grants.
        rewards: What the member was given beside purchases, or may choose, by name.
        friends: The friends for whom the member was rewarded, and who count.
        referral_codes: The member's own codes to bring friends with, the one that is shown last: all of them lead to the member.
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
    tier_grants: FrozenMap[str, TierGrant] = FrozenMap[str, TierGrant]()
    rewards: FrozenMap[str, HeldReward] = FrozenMap[str, HeldReward]()
    friends: FrozenMap[str, RewardedFriend] = FrozenMap[str, RewardedFriend]()
    referral_codes: tuple[str, ...] = ()
    account: str = attrs.field(default=POINTS, eq=False)
    _tallied: Tallied | None = attrs.field(default=None, eq=False, repr=False, alias="tallied")

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

    def qualifying(self, rule: TierRule, *, calendar: Calendar) -> Iterator[Qualifying]:
        """Give what counts for tiers, in no order: purchases less what came back of them, earned points, friends who came.

        Args:
            rule: Which of them counts; of a mix each that has a weight.
            calendar: Whose local days count.
        """
        for metric in rule.metrics:
            match metric:
                case Metric.SPEND:
                    yield from self.orders.values()
                case Metric.ORDERS:
                    yield from [Qualifying(day=one.day, units=1, metric=metric) for one in self.orders.values() if one.units]
                case Metric.POINTS:
                    yield from [event for _, event in earned_points(self.ledger_of(rule.account), calendar)]
                case Metric.REFERRALS:
                    yield from [Qualifying(day=friend.day, units=1, metric=metric) for friend in self.friends.values()]
                case _:
                    assert_never(metric)

    @property
    def tallied(self) -> Tallied | None:
        """What counts for tiers as a snapshot told it; ``None`` where all facts were read."""
        return self._tallied

    def toward(self, rule: TierRule, *, day: date, calendar: Calendar) -> tuple[Iterable[Qualifying], TierTally | None]:
        """Give what counts for tiers; of a member restored from a snapshot only what is not summed up there.

        Args:
            rule: What counts.
            day: The local day that is asked about.
            calendar: Whose local days count.

        Returns:
            What counts, and the sum of what is left out of it; ``None`` where nothing is.
        """
        found = None if self._tallied is None else self._tallied.of(rule, day=day, calendar=calendar)
        if self._tallied is None or found is None:
            return self.qualifying(rule, calendar=calendar), None
        return self._tallied.events(rule), found

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
                case _ if not (rights.take(fact) or rights.stand(fact)):
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
            tallied=None if self._tallied is None else self._tallied.folded(more, orders=self.orders, friends=self.friends),
            referral_codes=rights.referral_codes,
            tier_grants=rights.named("tier_grants"),
            rewards=rights.named("rewards"),
            friends=rights.named("friends"),
        )

    @property
    def referral_code(self) -> str | None:
        """The code to bring friends with that is shown; ``None`` where there is none yet."""
        return self.referral_codes[-1] if self.referral_codes else None

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
    """Folds what a member holds, and what the member's orders use, of offers, coupons and rewards."""

    def __init__(self, before: Membership) -> None:
        self.before = before
        self.changed: dict[str, dict[str, Any]] = {}
        self.whole: dict[str, dict[str, Any]] = {}
        self.referral_codes = before.referral_codes
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

    def stand(self, fact: Fact) -> bool:
        """Take a fact of tiers, rewards or friends; say whether it can follow."""
        match fact:
            case TierGranted():
                grant = TierGrant(
                    ref=fact.ref, tier=fact.tier, granted_at=fact.at, until=fact.until, reason=fact.reason, actor=fact.actor
                )
                self._put("tier_grants", fact.ref, grant)
            case TierGrantEnded() if (granted := self._one("tier_grants", fact.ref)) is not None:
                self._put("tier_grants", fact.ref, attrs.evolve(granted, until=max(fact.at, granted.granted_at)))
            case RewardGiven():
                offered = self._one("rewards", fact.reward_id)
                given = HeldReward(
                    source=fact.source,
                    at=offered.at if offered is not None and offered.options else fact.at,
                    points=fact.points,
                    coupons=fact.coupons,
                    payouts=fact.payouts,
                    price_points=fact.price_points,
                    option=fact.option,
                    mark=fact.mark,
                    stock_key=fact.stock_key,
                )
                self._put("rewards", fact.reward_id, given)
            case RewardOffered():
                offered = HeldReward(source=fact.source, at=fact.at, options=fact.options, until=fact.until, mark=fact.mark)
                self._put("rewards", fact.reward_id, offered)
            case RewardTakenBack() if (held := self._one("rewards", fact.reward_id)) is not None:
                self._put("rewards", fact.reward_id, attrs.evolve(held, is_gone=True, coupons_kept=fact.coupons_kept))
            case FriendRewarded():
                friend = RewardedFriend(
                    program_id=fact.program_id, day=fact.day, number=fact.number, period=fact.period, rewards=fact.rewards
                )
                self._put("friends", fact.friend_id, friend)
            case FriendReversed() if self._one("friends", fact.friend_id) is not None:
                self._reverse(fact)
            case ReferralCodeGiven():
                self.referral_codes = (*self.referral_codes, fact.code)
            case _:
                return False
        return True

    def named(self, field: str) -> FrozenMap[str, Any]:
        """Give what a field holds after all; what did not change is not looked at."""
        before: FrozenMap[str, Any] = getattr(self.before, field)
        if field in self.whole:
            return FrozenMap(self.whole[field])
        return before.updated(self.changed[field]) if field in self.changed else before

    def _reverse(self, fact: FriendReversed) -> None:
        """Let a friend go; whoever stands in has the number and the rewards from now on."""
        if "friends" not in self.whole:
            self.whole["friends"] = dict(self.named("friends"))
        friends = self.whole["friends"]
        gone: RewardedFriend = friends.pop(fact.friend_id)
        if fact.stand_in in friends:
            own = friends[fact.stand_in]
            friends[fact.stand_in] = attrs.evolve(own, number=gone.number, period=gone.period, rewards=gone.rewards)

    def _one(self, field: str, name: str) -> Any:  # noqa: ANN401 - each field has values of its own
        """Give one of what a field holds by now; ``None`` where it is not there."""
        if field in self.whole:
            return self.whole[field].get(name)
        found = self.changed.get(field, {}).get(name)
        return getattr(self.before, field).get(name) if found is None else found

    def _put(self, field: str, name: str, value: object) -> None:
        changes = self.whole[field] if field in self.whole else self.changed.setdefault(field, {})
        changes[name] = value

    def _uses(self, order_id: str) -> OfferUses | None:
        return self.uses.get(order_id) or self.before.uses.get(order_id)
