"""How a reward is given to a member, and taken back.

What a member was given stands in the member's stream, under a name of its own; coupons and payouts have streams beside it.

Invariants:
    1. Given again under its name, a reward that stands gives nothing; one that was taken back is given as ``<name>/2``.
    2. Giving and taking back leave the points of the account as they were, and no coupon that could be used.
    3. A coupon that an order used stays used. It is what the next reward from the same source gives, unless its giver says
       otherwise: no coupon is used twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, final

import attrs

from loyaltycore._checks import masked, shown
from loyaltycore._coupon import Coupon
from loyaltycore._payouts import PayOut, Payout
from loyaltycore.coupons import CouponCampaign
from loyaltycore.errors import UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import StreamId, coupon_stream, payout_stream
from loyaltycore.ledger import Granted, Ledger, LedgerFact, Overdraft
from loyaltycore.memberships import REWARD_RULE, CouponGiven, CouponGone, HeldReward, Membership, RewardGiven, RewardTakenBack
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.periods import Calendar, Expires, opens_and_ends
from loyaltycore.points import POINTS
from loyaltycore.rewards import RewardBenefit, next_coupons, own_benefit, points_of
from loyaltycore.wire import digest

__all__ = ["Given", "give", "in_use", "kept_coupons", "next_name", "renewed", "standing", "streams_of", "take_back", "unused_ref"]

_ACTOR: Final = "reward"
"""Who grants and takes back what rewards bring."""


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
    beside: tuple[Posting[Any], ...] = ()

    def onto(self, posting: Posting[Membership]) -> Posting[Membership]:
        """Add the facts to those of the command that brought it about.

        Args:
            posting: Of the member on whose state it was decided.
        """
        if not self.facts:
            return posting
        facts = (*posting.facts, *self.facts)
        return Posting(posting.state.folded(self.facts), facts=facts, stream=posting.stream, version=posting.version)


def give(
    membership: Membership,
    benefit: RewardBenefit,
    *,
    reward_id: str,
    source: str,
    campaign_id: str,
    campaigns: Mapping[str, CouponCampaign],
    calendar: Calendar,
    expires: Expires,
    view: View = NO_VIEW,
    price_points: int = 0,
    option: str = "",
    mark_points: int = 0,
    at: datetime,
    posted_at: datetime | None = None,
) -> Given:
    """Give a reward, once.

    Args:
        membership: As it is now.
        benefit: What it gives.
        reward_id: Its name with the member.
        source: What gives it.
        campaign_id: The name of the campaign that the program made for it, where it needs one.
        campaigns: All campaigns of the program. Of one that is closed no coupon is given; one of a campaign that is stopped waits
            until it goes on.
        calendar: Whose local days count.
        expires: When points end that say no end of their own: ``ends_of`` the rules of earning.
        view: Coupons of rewards that were taken back, where they are known.
        price_points: What the member paid for it.
        option: What the member chose, where there was a choice.
        mark_points: See ``RewardGiven``.
        at: When.
        posted_at: When it is posted, where that is later: coupons are valid from then on; ``None`` is ``at``.
    """
    name, valid_from = next_name(membership, reward_id), posted_at or at
    if _stands(membership.rewards.get(name)):
        return Given(reward_id=name)
    granted = _points(membership.ledger_of(POINTS), benefit, name, expires=expires, calendar=calendar, at=at)
    wanted = [*next_coupons(benefit), *(() if own_benefit(benefit) is None else (campaign_id,))]
    kept = kept_coupons(membership, source, view, at=at) if wanted else ()
    new = [
        _coupon(membership.member_id, name, nth, campaigns[wish], calendar=calendar, valid_from=valid_from, at=at)
        for nth, wish in enumerate(wanted[len(kept) :], 1)
        if _gives(campaigns.get(wish), valid_from)
    ]
    owed = [_payout(benefit, membership.member_id, name, source, at)] if isinstance(benefit, PayOut) else []
    fact = RewardGiven(
        reward_id=name,
        source=source,
        points=sum(fact.units for fact in granted if isinstance(fact, Granted)),
        coupons=(*kept[: len(wanted)], *(posting.state.coupon_id for posting in new)),
        payouts=tuple(posting.state.payout_id for posting in owed),
        price_points=price_points,
        option=option,
        mark_points=mark_points,
        at=at,
    )
    return Given(reward_id=name, facts=(*granted, *map(_held, new), fact), beside=(*new, *owed))


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


def _points(
    ledger: Ledger, benefit: RewardBenefit, name: str, *, expires: Expires, calendar: Calendar, at: datetime
) -> tuple[LedgerFact, ...]:
    """Give the points of a reward, a lot under its name; none where they could never be used."""
    points = points_of(benefit)
    if points is None:
        return ()
    terms = opens_and_ends(points.pending, points.ends(expires), at=at, calendar=calendar)
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
        at=at,
    )


def _gives(campaign: CouponCampaign | None, at: datetime) -> bool:
    """Whether a coupon of a campaign can be given at present."""
    return campaign is not None and campaign.codes is None and campaign.closed(at=at) is None


def _coupon(
    member_id: str, name: str, nth: int, campaign: CouponCampaign, *, calendar: Calendar, valid_from: datetime, at: datetime
) -> Posting[Coupon]:
    """Grant a coupon that is a reward: its id says nothing of the member, and no order and no campaign gives the same."""
    starts_at, ends_at = campaign.dates(valid_from, calendar=calendar)
    coupon_id = f"+/{digest([member_id, name], purpose='lc.reward')}/{nth}"
    return Coupon.issued(coupon_id).grant(
        campaign.campaign_id, holder=member_id, ref=name, starts_at=starts_at, ends_at=ends_at, actor=_ACTOR, at=at
    )


def _held(posting: Posting[Coupon]) -> Fact:
    coupon = posting.state
    assert coupon.campaign_id is not None  # it was granted
    (fact,) = posting.facts
    return CouponGiven(coupon_id=coupon.coupon_id, campaign_id=coupon.campaign_id, ends_at=coupon.ends_at, at=fact.at)


def _payout(benefit: PayOut, member_id: str, name: str, source: str, at: datetime) -> Posting[Payout]:
    payout_id = digest([member_id, name], purpose="lc.payout")
    return Payout.open(payout_id).fall_due(benefit, member_id=member_id, source=source, ref=name, at=at)


# ---- coupons that were used ----


def kept_coupons(membership: Membership, source: str, view: View, *, at: datetime) -> tuple[str, ...]:
    """Name the coupons from a source that orders used before their reward was taken back: the next reward gives them, as used.

    Args:
        membership: As it is now.
        source: What gives the reward.
        view: Coupons, as far as they are known: one whose order came back meanwhile is nobody's. Of others it is not assumed.
        at: When.
    """
    mine = [held for held in membership.rewards.values() if held.source == source]
    counted = {coupon_id for held in mine if not held.is_gone for coupon_id in held.coupons}
    kept = dict.fromkeys(coupon_id for held in mine if held.is_gone for coupon_id in held.coupons_kept)
    return tuple(coupon_id for coupon_id in kept if coupon_id not in counted and _may_be_used(view, coupon_id, at))


def _may_be_used(view: View, coupon_id: str, at: datetime) -> bool:
    coupon = view.coupon(coupon_id)
    return coupon is None or in_use(coupon, at)


def in_use(coupon: Coupon, at: datetime) -> bool:
    """Whether an order used a coupon, or holds it.

    Args:
        coupon: As it is now.
        at: When.
    """
    return any(use.holds(at) for use in coupon.uses.values())


def renewed(
    membership: Membership, view: View, *, campaigns: Mapping[str, CouponCampaign], calendar: Calendar, at: datetime
) -> Iterator[Given]:
    """Give another coupon for each that a reward has as used, and whose order came back: it was revoked with the reward before.

    Args:
        membership: As it is now.
        view: Coupons as they are now: of others nothing is done.
        campaigns: All campaigns of the program.
        calendar: Whose local days count.
        at: When.
    """
    kept = {coupon_id for held in membership.rewards.values() if held.is_gone for coupon_id in held.coupons_kept}
    freed = {one.coupon_id: one for one in view.coupons if one.coupon_id in kept and one.revoked_at and not in_use(one, at)}
    for name, held in membership.rewards.items() if freed else ():
        coupons, new = list(held.coupons), list[Posting[Coupon]]()
        for place, coupon_id in enumerate(coupons if _stands(held) else ()):
            campaign = campaigns.get(freed[coupon_id].campaign_id or "") if coupon_id in freed else None
            if campaign is not None and _gives(campaign, at):
                nth = len(coupons) + len(new) + 1
                new.append(_coupon(membership.member_id, name, nth, campaign, calendar=calendar, valid_from=at, at=at))
                coupons[place] = new[-1].state.coupon_id
        if new:
            fact = RewardGiven(
                reward_id=name,
                source=held.source,
                points=held.points,
                coupons=tuple(coupons),
                payouts=held.payouts,
                price_points=held.price_points,
                account=held.account,
                option=held.option,
                mark_points=held.mark_points,
                at=held.at,
            )
            yield Given(reward_id=name, facts=(*map(_held, new), fact), beside=tuple(new))


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

    An order that uses a coupon keeps it, and gives it back to nobody.

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
    payouts = [_known_payout(view, payout_id) for payout_id in held.payouts]
    fact = RewardTakenBack(
        reward_id=name,
        reason=reason,
        actor=actor,
        coupons_kept=tuple(coupon.coupon_id for coupon in coupons if in_use(coupon, at)),
        at=at,
    )
    beside = (
        *(coupon.revoke(reason=reason, actor=_ACTOR, at=at) for coupon in coupons),
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
