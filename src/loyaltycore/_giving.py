"""How a reward is given to a member, and taken back.

What a member was given stands in the member's stream, under a name of its own; coupons and payouts have streams beside it.

Invariants:
    1. Given again under its name, a reward that stands gives nothing; one that was taken back is given as ``<name>/2``.
    2. Giving and taking back leave the points of the account as they were, and no coupon that could be used.
    3. A coupon that an order used when its reward was taken back is handed on: the next reward from the same source gives it in
       the place of a new one of its campaign, used or free again. From one source nobody uses two where one was due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias, final

import attrs

from loyaltycore._booking import with_facts
from loyaltycore._checks import masked, shown
from loyaltycore._coupon import Coupon
from loyaltycore._payouts import PayOut, Payout
from loyaltycore.coupons import CouponCampaign
from loyaltycore.errors import UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import StreamId, coupon_stream, payout_stream
from loyaltycore.ledger import Granted, Ledger, LedgerFact, Overdraft
from loyaltycore.memberships import REWARD_RULE, CouponGiven, CouponGone, HeldReward, Membership, RewardGiven, RewardTakenBack
from loyaltycore.offers import View
from loyaltycore.periods import Calendar, Expires, opens_and_ends
from loyaltycore.points import POINTS
from loyaltycore.rewards import RewardBenefit, campaigns_needed, points_of
from loyaltycore.wire import digest, instant_text

__all__ = [
    "Beside",
    "Given",
    "Giving",
    "give",
    "in_use",
    "kept_coupons",
    "moved",
    "next_name",
    "standing",
    "streams_of",
    "take_back",
    "unused_ref",
]

Beside: TypeAlias = tuple[Posting[Any], ...]
"""Postings of coupons, gift cards, payouts and referrals, for one commit with the member's."""

_ACTOR: Final = "reward"
"""Who grants and takes back what rewards bring."""

_PAID_LATE: Final = "an order that was paid late used it, and its reward was taken back before"
_CAME_BACK: Final = "the order that used it came back, and its reward was taken back before"


@final
@attrs.frozen(kw_only=True)
class Giving:
    """What every reward is given by, besides the member: the program, and when.

    Attributes:
        campaigns: All campaigns of the program. Of one that is closed no coupon is given; one of a campaign that is stopped waits
            until it goes on.
        calendar: Whose local days count.
        expires: When points end that say no end of their own: ``ends_of`` the rules of earning.
        at: The instant it is of.
        posted_at: When it is posted, where that is later: coupons are valid from then on, and choices open; ``None`` is ``at``.
    """

    campaigns: Mapping[str, CouponCampaign]
    calendar: Calendar
    expires: Expires
    at: datetime
    posted_at: datetime | None = None

    @property
    def valid_from(self) -> datetime:
        """When it is posted."""
        return self.posted_at or self.at


@final
@attrs.frozen(kw_only=True)
class Given:
    """What giving a reward, or taking it back, decides.

    Attributes:
        reward_id: The name under which it stands, or stood.
        facts: What happens to the member; nothing where it was so already.
        beside: What happens to coupons and payouts.
    """

    reward_id: str
    facts: tuple[Fact, ...] = ()
    beside: Beside = ()

    def onto(self, posting: Posting[Membership]) -> Posting[Membership]:
        """Add the facts to those of the command that brought it about.

        Args:
            posting: Of the member on whose state it was decided.
        """
        return with_facts(posting, self.facts)


def give(
    membership: Membership,
    benefit: RewardBenefit,
    *,
    reward_id: str,
    source: str,
    campaign_id: str,
    by: Giving,
    price_points: int = 0,
    option: str = "",
    mark: int = 0,
    stock_key: str = "",
) -> Given:
    """Give a reward, once.

    Args:
        membership: As it is now.
        benefit: What it gives.
        reward_id: Its name with the member.
        source: What gives it.
        campaign_id: The name of the campaign that the program made for it, where it needs one.
        by: The program, and when.
        price_points: What the member paid for it.
        option: What the member chose, where there was a choice.
        mark: See ``RewardGiven``.
        stock_key: See ``RewardGiven``.
    """
    name = next_name(membership, reward_id)
    if _stands(membership.rewards.get(name)):
        return Given(reward_id=name)
    granted = _points(membership.ledger_of(POINTS), benefit, name, by)
    coupons = list(_coupons(membership, name, source, campaigns_needed(benefit, campaign_id), by))
    owed = [_payout(benefit, membership.member_id, name, source, by.at)] if isinstance(benefit, PayOut) else []
    fact = RewardGiven(
        reward_id=name,
        source=source,
        points=sum(fact.units for fact in granted if isinstance(fact, Granted)),
        coupons=tuple(given.coupon_id for given, _ in coupons),
        payouts=tuple(posting.state.payout_id for posting in owed),
        price_points=price_points,
        option=option,
        mark=mark,
        stock_key=stock_key,
        at=by.at,
    )
    new = [posting for _, posting in coupons if posting is not None]
    return Given(reward_id=name, facts=(*granted, *(given for given, _ in coupons), fact), beside=(*new, *owed))


def next_name(membership: Membership, reward_id: str) -> str:
    """Give the name under which a reward stands, or is to be given: the first whose reward was not taken back.

    Args:
        membership: As it is now.
        reward_id: The name that it is given under first.
    """
    name, nth = reward_id, 1
    while name in membership.rewards and membership.rewards[name].is_gone:
        nth += 1
        name = f"{reward_id}/{nth}"
    return name


def _stands(held: HeldReward | None) -> bool:
    """Whether a reward was given and not taken back; one that is only offered was not given."""
    return held is not None and not held.is_gone and not held.options


def standing(membership: Membership, reward_id: str) -> str | None:
    """Give the name under which a reward stands, given or offered; ``None`` where it does not.

    Args:
        membership: As it is now.
        reward_id: The name that it was given under first.
    """
    name = next_name(membership, reward_id)
    return name if name in membership.rewards else None


def streams_of(held: HeldReward) -> tuple[StreamId, ...]:
    """Name the streams to load before a reward is taken back."""
    return (*map(coupon_stream, held.coupons), *map(payout_stream, held.payouts))


def _points(ledger: Ledger, benefit: RewardBenefit, name: str, by: Giving) -> tuple[LedgerFact, ...]:
    """Give the points of a reward, a lot under its name; none where they could never be used."""
    points = points_of(benefit)
    if points is None:
        return ()
    terms = opens_and_ends(points.pending, points.ends(by.expires), at=by.at, calendar=by.calendar)
    if terms is None:
        return ()
    return ledger.grant(
        points.points,
        ref=name,
        rule=REWARD_RULE,
        available_at=terms.available_at,
        expires_at=terms.expires_at,
        awaits=terms.awaits,
        lasts=terms.lasts,
        at=by.at,
    )


def _coupons(
    membership: Membership, name: str, source: str, wanted: Sequence[str], by: Giving
) -> Iterator[tuple[CouponGiven, Posting[Coupon] | None]]:
    """Give a coupon of each campaign: one that is handed on from a reward that was taken back, or a new one."""
    kept, nth = list(kept_coupons(membership, source) if wanted else ()), 0
    own = [_take_of(campaign_id, kept, membership) for campaign_id in wanted]
    for campaign_id, found in zip(wanted, own, strict=True):
        # What was used of a campaign that the reward has no longer counts all the same.
        handed_on = found or (kept.pop(0) if kept else None)
        campaign = by.campaigns.get(campaign_id)
        if handed_on is not None:
            held = membership.coupons[handed_on]
            yield CouponGiven(coupon_id=handed_on, campaign_id=held.campaign_id, ends_at=held.ends_at, at=by.at), None
        elif campaign is not None and campaign.codes is None and campaign.closed(at=by.valid_from) is None:
            nth += 1
            posting = _coupon(membership.member_id, name, nth, campaign, by)
            coupon = posting.state
            yield CouponGiven(coupon_id=coupon.coupon_id, campaign_id=campaign_id, ends_at=coupon.ends_at, at=by.at), posting


def _take_of(campaign_id: str, kept: list[str], membership: Membership) -> str | None:
    """Take the first coupon of a campaign out of some; ``None`` where there is none."""
    for coupon_id in kept:
        if membership.coupons[coupon_id].campaign_id == campaign_id:
            kept.remove(coupon_id)
            return coupon_id
    return None


def _coupon(member_id: str, name: str, nth: int, campaign: CouponCampaign, by: Giving) -> Posting[Coupon]:
    """Grant a coupon that is a reward: its id says nothing of the member, and no order and no campaign gives the same.

    Nor does a reward of that name to somebody else with the member's id, whom the shop has forgotten since.
    """
    starts_at, ends_at = campaign.dates(by.valid_from, calendar=by.calendar)
    coupon_id = f"+/{digest([member_id, name, instant_text(by.at)], purpose='lc.reward')}/{nth}"
    return Coupon.issued(coupon_id).grant(
        campaign.campaign_id, holder=member_id, ref=name, starts_at=starts_at, ends_at=ends_at, actor=_ACTOR, at=by.at
    )


def _payout(benefit: PayOut, member_id: str, name: str, source: str, at: datetime) -> Posting[Payout]:
    payout_id = digest([member_id, name, instant_text(at)], purpose="lc.payout")
    return Payout.open(payout_id).fall_due(benefit, member_id=member_id, source=source, ref=name, at=at)


# ---- coupons that were used ----


def kept_coupons(membership: Membership, source: str) -> tuple[str, ...]:
    """Name the coupons from a source that orders used when their reward was taken back: the next reward hands them on.

    Args:
        membership: As it is now.
        source: What gives the reward.
    """
    last = {coupon_id: held for held in membership.rewards.values() if held.source == source for coupon_id in held.coupons}
    return tuple(coupon_id for coupon_id, held in last.items() if held.is_gone and coupon_id in held.coupons_kept)


def in_use(coupon: Coupon, at: datetime) -> bool:
    """Whether an order used a coupon, or holds it.

    Args:
        coupon: As it is now.
        at: When.
    """
    return any(use.holds(at) for use in coupon.uses.values())


def moved(membership: Membership, coupon: Coupon, *, at: datetime) -> Given | None:
    """Say what it comes to that an order used a coupon whose reward was taken back before, or gave it back.

    Used, by an order that was paid late, it counts: the next reward hands it on. Given back it is revoked: nothing stands for it.

    Args:
        membership: As it is now.
        coupon: As the order leaves it.
        at: When.

    Returns:
        ``None`` for a coupon that is no reward, or whose reward stands.
    """
    last = [(name, held) for name, held in membership.rewards.items() if coupon.coupon_id in held.coupons]
    if not last or not last[-1][1].is_gone:
        return None
    name, held = last[-1]
    gone, is_kept = tuple(_gone(membership, (coupon.coupon_id,), at)), coupon.coupon_id in held.coupons_kept
    # Whoever pays for the next one has a new one: what was paid for and given back is no gift.
    if in_use(coupon, at) == is_kept or (held.price_points and not is_kept):
        return Given(reward_id=name, facts=gone)
    if not is_kept:
        fact = RewardTakenBack(reward_id=name, reason=_PAID_LATE, coupons_kept=(*held.coupons_kept, coupon.coupon_id), at=at)
        return Given(reward_id=name, facts=(*gone, fact))
    left = tuple(one for one in held.coupons_kept if one != coupon.coupon_id)
    fact = RewardTakenBack(reward_id=name, reason=_CAME_BACK, coupons_kept=left, at=at)
    return Given(reward_id=name, facts=(*gone, fact), beside=(coupon.revoke(reason=_CAME_BACK, actor=_ACTOR, at=at),))


# ---- taking back ----


def take_back(
    membership: Membership,
    reward_id: str,
    *,
    reason: str,
    actor: str = "",
    view: View,
    overdraft: Overdraft,
    at: datetime,
) -> Given:
    """Take a reward back: its points by the overdraft policy, coupons that were not used, and what the shop pays outside.

    A coupon that an order uses, or holds, is not revoked: the member has it no longer, and the next reward from the same source
    hands it on. So is one that the shop revoked itself, such as for a thing handed over at a counter: it counts as used.

    Args:
        membership: As it is now.
        reward_id: The name that it was given under first; one that does not stand is left alone.
        reason: Why.
        actor: Who does it; empty where it follows from something else.
        view: The coupons and payouts of the reward, as they are now: ``streams_of`` names them.
        overdraft: What happens where its points were spent: they are settled, or by any other policy owed.
        at: When.

    Raises:
        UsageError: A view without them.
    """
    name = standing(membership, reward_id)
    if name is None:
        return Given(reward_id=reward_id)
    held = membership.rewards[name]
    ledger = membership.ledger_of(POINTS)
    left, revoked = ledger.left_to_revoke(name, rule=REWARD_RULE), tuple[LedgerFact, ...]()
    if left:
        # A return is never refused for a gift; and a gift that was forgiven could be had again and again.
        policy = Overdraft.SETTLE if overdraft is Overdraft.SETTLE else Overdraft.CARRY
        revoked = ledger.revoke(name, left, ref=unused_ref(name, "revoke", ledger), rule=REWARD_RULE, overdraft=policy, at=at)
    coupons = [_known_coupon(view, coupon_id) for coupon_id in held.coupons]
    used = tuple(coupon.coupon_id for coupon in coupons if in_use(coupon, at) or coupon.revoked_at is not None)
    payouts = [_known_payout(view, payout_id) for payout_id in held.payouts]
    fact = RewardTakenBack(
        reward_id=name,
        reason=reason,
        actor=actor,
        coupons_kept=used,
        at=at,
    )
    beside = (
        *(coupon.revoke(reason=reason, actor=_ACTOR, at=at) for coupon in coupons if coupon.coupon_id not in used),
        *(payout.reverse(reason=reason, at=at) for payout in payouts),
    )
    return Given(reward_id=name, facts=(*revoked, *_gone(membership, held.coupons, at), fact), beside=beside)


def unused_ref(ref: str, verb: str, ledger: Ledger) -> str:
    """Give a name for what is moved: its own, or where a shop has used that for something else, one behind it.

    Args:
        ref: Its own name.
        verb: How the ledger calls the move.
        ledger: Where it is moved.
    """
    while f"{verb}:{ref}" in ledger.returned:
        ref += "+"
    return ref


def _gone(membership: Membership, coupon_ids: Iterable[str], at: datetime) -> Iterator[Fact]:
    for coupon_id in coupon_ids:
        held = membership.coupons.get(coupon_id)
        if held is not None and not held.is_gone:
            yield CouponGone(coupon_id=coupon_id, at=at)


def _known_coupon(view: View, coupon_id: str) -> Coupon:
    coupon = view.coupon(coupon_id)
    if coupon is None:
        msg = f"view must hold the coupons of a reward that is taken back, got none with the id {masked(coupon_id)}"
        raise UsageError(msg)
    return coupon


def _known_payout(view: View, payout_id: str) -> Payout:
    payout = view.payouts.get(payout_id)
    if payout is None:
        msg = f"view must hold the payouts of a reward that is taken back, got none with the id {shown(payout_id)}"
        raise UsageError(msg)
    return payout
