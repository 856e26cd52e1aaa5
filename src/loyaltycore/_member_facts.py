"""What happens to a member: the facts of the stream ``member/<id>`` that are not those of points."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar, final

import attrs

from loyaltycore._checks import check_whole
from loyaltycore.facts import Fact

__all__ = [
    "CouponGiven",
    "CouponGone",
    "FriendReversed",
    "FriendRewarded",
    "MemberJoined",
    "OffersFreed",
    "OffersHeld",
    "OrderCounted",
    "ReferralCodeGiven",
    "ReturnCounted",
    "RewardGiven",
    "RewardOffered",
    "RewardTakenBack",
    "SpendCarried",
    "TierGrantEnded",
    "TierGranted",
]


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
class TierGranted(Fact):
    """A tier was granted by hand: within its time the member stands at least there.

    Attributes:
        ref: The shop's own name for it.
        tier: Which tier.
        until: First instant at which it no longer holds; ``None`` holds until it is ended.
        reason: In the shop's words.
        actor: Who granted it.
    """

    kind: ClassVar[str] = "member.tier_granted"
    ref: str
    tier: str
    until: datetime | None = None
    reason: str = ""
    actor: str = ""


@final
@attrs.frozen(kw_only=True)
class TierGrantEnded(Fact):
    """A tier that was granted by hand holds no longer.

    Attributes:
        ref: The name of the grant.
        reason: In the shop's words.
        actor: Who ended it.
    """

    kind: ClassVar[str] = "member.tier_grant_ended"
    ref: str
    reason: str = ""
    actor: str = ""


@final
@attrs.frozen(kw_only=True)
class RewardGiven(Fact):
    """The member was given a reward; its points are facts of their own, under the reward's name.

    Attributes:
        reward_id: Its name, unique with the member: ``tier/gold/2026-03-15``, ``reward/t-1``.
        source: What gave it: ``tier/gold``, ``milestone/tenth-order``, ``referral/parrainage``, ``catalogue/mug``.
        points: Points given.
        coupons: Coupons given, by id.
        payouts: What the shop pays outside, by id.
        price_points: Points that it cost.
        option: What the member chose, where there was a choice; empty otherwise.
        mark: What must be left so that it stands: of a gift for a balance so much of the lots that were open then, of
            other milestones their number, of a gift for entering a tier its threshold.
        stock_key: Under which one of the stock is claimed; empty where any number may be had.
    """

    kind: ClassVar[str] = "member.reward_given"
    reward_id: str
    source: str
    points: int = 0
    coupons: tuple[str, ...] = ()
    payouts: tuple[str, ...] = ()
    price_points: int = 0
    option: str = ""
    mark: int = 0
    stock_key: str = ""

    def __attrs_post_init__(self) -> None:
        """Refuse a reward that takes what it gives."""
        super().__attrs_post_init__()
        check_whole("points", self.points, low=0)
        check_whole("price_points", self.price_points, low=0)
        check_whole("mark", self.mark, low=0)


@final
@attrs.frozen(kw_only=True)
class RewardTakenBack(Fact):
    """A reward was taken back: what gave it is undone, or the member gave it back.

    Attributes:
        reward_id: Its name.
        reason: Why.
        actor: Who did it; empty where it follows from a return.
        coupons_kept: Coupons of it that an order had used: they stay used.
    """

    kind: ClassVar[str] = "member.reward_taken_back"
    reward_id: str
    reason: str = ""
    actor: str = ""
    coupons_kept: tuple[str, ...] = ()


@final
@attrs.frozen(kw_only=True)
class RewardOffered(Fact):
    """The member may choose one of several rewards.

    Attributes:
        reward_id: Its name, that of the reward once it is chosen.
        source: What offers it.
        options: The names of what may be chosen.
        until: First instant at which nothing can be chosen any more; ``None`` never ends.
        mark: What must be left so that it stands: of a gift for a balance so much of the lots that were open then, of
            other milestones their number, of a gift for entering a tier its threshold.
    """

    kind: ClassVar[str] = "member.reward_offered"
    reward_id: str
    source: str
    options: tuple[str, ...]
    until: datetime | None = None
    mark: int = 0


@final
@attrs.frozen(kw_only=True)
class FriendRewarded(Fact):
    """The member was rewarded for bringing a friend.

    Attributes:
        friend_id: Who came.
        program_id: The referral program.
        day: The local day on which it was due: what caps and ladders of a month or a year look at.
        number: Which friend it was, from 1, of those that count together; 0 where a limit kept the reward back.
        period: What counts together: a year such as ``2026``, a month such as ``2026-07``, or empty for all of time.
        rewards: The names of what was given.
    """

    kind: ClassVar[str] = "member.friend_rewarded"
    friend_id: str
    program_id: str
    day: date
    number: int
    period: str = ""
    rewards: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse what no friend is."""
        super().__attrs_post_init__()
        check_whole("number", self.number, low=0)


@final
@attrs.frozen(kw_only=True)
class FriendReversed(Fact):
    """A friend no longer counts: the order that counted came back.

    Attributes:
        friend_id: Who.
        program_id: The referral program.
        stand_in: The friend who takes over the number and the rewards; empty where nobody does.
    """

    kind: ClassVar[str] = "member.friend_reversed"
    friend_id: str
    program_id: str
    stand_in: str = ""


@final
@attrs.frozen(kw_only=True)
class ReferralCodeGiven(Fact):
    """The member has a code to bring friends with.

    Attributes:
        code: As it is shown.
    """

    kind: ClassVar[str] = "member.referral_code_given"
    code: str
