"""What members do with rewards: take one for points, give it back, choose one.

Invariants:
    1. Taking a reward and giving it back leaves the points, the stock and the member's own limit as they were.
    2. A reward of which something was used does not come back.
    3. The same reference again is the same reward, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, final

import attrs

from loyaltycore._booking import BurnFirst
from loyaltycore._checks import check_kind
from loyaltycore._earning import Span, Times
from loyaltycore._giving import Given, give, in_use, streams_of, take_back, unused_ref
from loyaltycore._payouts import PayoutStatus
from loyaltycore._rewards_due import Rules, giving
from loyaltycore.coupons import CouponCampaign
from loyaltycore.errors import Accepted, Detail, Reason, Refusal, Refused, RefusedError
from loyaltycore.facts import Claim, Posting
from loyaltycore.identity import CounterId, Key, StreamId, check_id, check_slug, check_text
from loyaltycore.ledger import LedgerFact
from loyaltycore.memberships import HeldReward, Membership, RewardGiven, RewardTakenBack
from loyaltycore.offers import NO_VIEW, Used, View
from loyaltycore.periods import Calendar, Term, check_instant
from loyaltycore.points import POINTS
from loyaltycore.rewards import CatalogueReward, Choice, Milestone, RewardBenefit, campaigns_needed
from loyaltycore.wire import digest, instant_text

__all__ = [
    "RewardAnswer",
    "RewardReturned",
    "RewardTaken",
    "TakingRules",
    "answer",
    "check_taking",
    "choose",
    "give_back",
    "known_reward",
    "stock_counters",
    "stock_used",
    "take",
    "taken_streams",
    "taking_key",
]


_STOCK: Final = "reward/"
"""Before the id of a reward, where a view says how much of it is gone: no offer is called so."""

_TAKEN: Final = "reward/"
"""Before the shop's name for a reward that was taken."""


class TakingRules(Rules, Protocol):
    """What taking a reward for points asks of a program."""

    @property
    def starts_at(self) -> datetime:
        """First instant at which anything is given."""
        ...

    @property
    def burn_first(self) -> BurnFirst:
        """Which points are burned first."""
        ...

    @property
    def restore(self) -> Term | None:
        """How long points can be used that come back into a lot that has expired."""
        ...


@attrs.frozen(kw_only=True)
class _OnReward:
    """What a command on a reward decides.

    Attributes:
        member: The member's posting.
        beside: Those of coupons and payouts.
        claims: What is claimed of the stock, or freed.
    """

    member: Posting[Membership]
    beside: tuple[Posting[Any], ...] = ()
    claims: tuple[Claim, ...] = ()

    @property
    def postings(self) -> tuple[Posting[Any], ...]:
        """All that must be kept together, with the claims."""
        return (self.member, *self.beside)

    @property
    def membership(self) -> Membership:
        """The member afterwards."""
        return self.member.state


@final
@attrs.frozen(kw_only=True)
class RewardTaken(_OnReward):
    """What taking a reward decides, or choosing one.

    Attributes:
        fact: What was given.
        member: The member's posting; without facts where it was taken already.
        beside: Those of coupons and payouts.
        claims: What is claimed of the stock.
    """

    fact: RewardGiven


@final
@attrs.frozen(kw_only=True)
class RewardReturned(_OnReward):
    """What giving a reward back decides.

    Attributes:
        fact: That it was taken back.
        member: The member's posting; without facts where it was given back already.
        beside: Those of coupons and payouts.
        claims: What is freed of the stock.
    """

    fact: RewardTakenBack


@final
@attrs.frozen(kw_only=True)
class RewardAnswer:
    """A reward of the catalogue, for a page that lists them to a member.

    Attributes:
        reward_id: Which.
        price: Points that it costs this member.
        refusal: Why it cannot be taken at present; ``None`` where it can.
        missing_points: How many points are missing, at least 0.
    """

    reward_id: str
    price: int
    refusal: Refusal | None
    missing_points: int


# ---- what there is of a reward ----


def _spans(limits: Times) -> Iterator[tuple[Span, int]]:
    """List the limits of so many times, each in its span."""
    for span in Span:
        limit: int | None = getattr(limits, span.value)
        if limit is not None:
            yield span, limit


def _counter(reward_id: str, span: Span, at: datetime, calendar: Calendar) -> CounterId:
    period = span.name_of(at, calendar)
    return CounterId(f"reward/{reward_id}/{period}" if period else f"reward/{reward_id}")


def stock_counters(rewards: Iterable[CatalogueReward], *, at: datetime, calendar: Calendar) -> tuple[CounterId, ...]:
    """Name the counters of the stock of rewards, sorted.

    Args:
        rewards: Any; those without a stock have none.
        at: The instant that their periods hold.
        calendar: Whose local days count.
    """
    names = [_counter(reward.reward_id, span, at, calendar) for reward in rewards for span, _ in _spans(reward.stock)]
    return tuple(sorted(names))


def stock_used(
    rewards: Iterable[CatalogueReward], taken: Mapping[CounterId, int], *, at: datetime, calendar: Calendar
) -> dict[str, Used]:
    """Say how much of the stock of rewards is gone, as a ``View`` holds it.

    Args:
        rewards: Any.
        taken: What others hold of each counter.
        at: The instant of the question.
        calendar: Whose local days count.
    """
    found = dict[str, Used]()
    for reward in rewards:
        counts = {span: taken.get(_counter(reward.reward_id, span, at, calendar), 0) for span, _ in _spans(reward.stock)}
        if counts:
            found[_STOCK + reward.reward_id] = Used(times=counts.pop(Span.EVER, 0), times_in=counts)
    return found


def known_reward(rules: Rules, reward_id: str) -> CatalogueReward:
    """Give a reward of the catalogue.

    Raises:
        RefusedError: ``reward_not_found``.
    """
    reward = rules.rewards.get(check_kind("reward_id", reward_id, str))
    if reward is None:
        raise _not_found(reward_id)
    return reward


def _not_found(reward_id: str) -> RefusedError:
    return RefusedError(Refusal(Reason.REWARD_NOT_FOUND, {"reward_id": reward_id}))


# ---- taking ----


def check_taking(
    rules: TakingRules, reward: CatalogueReward, membership: Membership, *, tier: str | None, view: View, at: datetime
) -> Accepted[int] | Refused:
    """Ask whether a member may take a reward.

    Args:
        rules: The program.
        reward: One of its catalogue.
        membership: As it is now.
        tier: The member's tier; ``None`` below the first.
        view: How much of the stock is gone, under ``reward/<id>``, and which campaigns are stopped.
        at: Timezone-aware.

    Returns:
        The price; or every refusal, ``points_insufficient`` with ``missing_points`` among them.
    """
    check_instant("at", at)
    found = [
        *_too_early(rules, at),
        *_out_of_time(reward, rules.calendar, at),
        *_of_tier(reward, tier),
        *_used_up(reward, membership, view, rules.calendar, at),
        *_campaigns_shut(rules.campaigns, reward.give, reward.campaign_id, view, at),
    ]
    price = reward.price_in(tier)
    if price:
        found += membership.ledger_of(POINTS).check_burn(price, order=rules.burn_first.order, at=at).refusals
    return Refused(found) if found else Accepted(price)


def _too_early(rules: TakingRules, at: datetime) -> Iterator[Refusal]:
    if at < rules.starts_at:
        first = rules.calendar.day_of(rules.starts_at)
        when = {"starts_at": instant_text(rules.starts_at), "starts_on": first.isoformat()}
        yield Refusal(Reason.PROGRAM_NOT_STARTED, when)


def _out_of_time(reward: CatalogueReward, calendar: Calendar, at: datetime) -> Iterator[Refusal]:
    window = reward.window
    if window is None or window.contains(at):
        return
    if window.starts_at is not None and at < window.starts_at:
        first = calendar.day_of(window.starts_at)
        when = {"starts_at": instant_text(window.starts_at), "starts_on": first.isoformat()}
        yield Refusal(Reason.REWARD_NOT_STARTED, {"reward_id": reward.reward_id, **when})
        return
    assert window.ends_at is not None  # one that has begun and holds an instant no more has ended
    yield Refusal(Reason.REWARD_CLOSED, {"reward_id": reward.reward_id, **_ended(window.ends_at, calendar)})


def _ended(ends_at: datetime, calendar: Calendar) -> dict[str, Detail]:
    return {"ended_at": instant_text(ends_at), "last_on": calendar.day_of(ends_at - timedelta.resolution).isoformat()}


def _of_tier(reward: CatalogueReward, tier: str | None) -> Iterator[Refusal]:
    if reward.tiers and tier not in reward.tiers:
        yield Refusal(Reason.TIER_MISMATCH, _needed(reward, tier))


def _needed(reward: CatalogueReward, tier: str | None) -> dict[str, Detail]:
    needed: dict[str, Detail] = {"needed": tuple(sorted(reward.tiers))}
    return needed if tier is None else {**needed, "tier": tier}


def _used_up(reward: CatalogueReward, membership: Membership, view: View, calendar: Calendar, at: datetime) -> Iterator[Refusal]:
    gone = view.used_of(_STOCK + reward.reward_id)
    for span, limit in _spans(reward.stock):
        if gone.in_span(span) >= limit:
            yield _over(Reason.REWARD_LIMIT_REACHED, reward, span, limit)
    mine = [held.at for held in membership.rewards.values() if held.source == reward.source and not held.is_gone]
    for span, limit in _spans(reward.per_member):
        window = span.window(at, calendar)
        if sum(map(window.contains, mine)) >= limit:
            yield _over(Reason.REWARD_MEMBER_LIMIT_REACHED, reward, span, limit)


def _over(reason: Reason, reward: CatalogueReward, span: Span, limit: int) -> Refusal:
    return Refusal(reason, {"reward_id": reward.reward_id, "limit": limit, "period": span.value})


def _campaigns_shut(
    campaigns: Mapping[str, CouponCampaign], give: RewardBenefit, campaign_id: str, view: View, at: datetime
) -> Iterator[Refusal]:
    """Say which campaigns give no coupon at present."""
    for name in campaigns_needed(give, campaign_id):
        closed = campaigns[name].closed(at=at)
        if name in view.stopped:
            yield Refusal(Reason.CAMPAIGN_STOPPED, {"campaign_id": name})
        if closed is not None:
            yield closed


def answer(
    rules: TakingRules, reward: CatalogueReward, membership: Membership, *, tier: str | None, view: View, at: datetime
) -> RewardAnswer:
    """Tell what a reward costs a member, and why it cannot be taken.

    Args:
        rules: The program.
        reward: One of its catalogue.
        membership: As it is now.
        tier: The member's tier; ``None`` below the first.
        view: As for ``check_taking``.
        at: Timezone-aware.
    """
    price = reward.price_in(tier)
    checked = check_taking(rules, reward, membership, tier=tier, view=view, at=at)
    missing = max(0, price - membership.ledger_of(POINTS).available(at=at))
    return RewardAnswer(reward_id=reward.reward_id, price=price, refusal=checked.refusal, missing_points=missing)


def take(
    rules: TakingRules,
    reward_id: str,
    membership: Membership,
    *,
    ref: str,
    tier: str | None,
    view: View = NO_VIEW,
    at: datetime,
) -> RewardTaken:
    """Take a reward of the catalogue: burn its price, and give it.

    Args:
        rules: The program.
        reward_id: Which reward.
        membership: As it is now.
        ref: The shop's own name for this one; the same again changes nothing.
        tier: The member's tier; ``None`` below the first.
        view: As for ``check_taking``.
        at: Timezone-aware.

    Raises:
        RefusedError: ``reward_not_found``, what ``check_taking`` refuses, or ``key_reused`` for another reward under this name.
    """
    name, source = _taken_name(ref), f"catalogue/{check_slug('reward_id', reward_id)}"
    known = membership.rewards.get(name)
    if known is not None:
        if known.source != source:
            raise RefusedError(_reused("take", ref, "reward_id"))
        return RewardTaken(fact=known.fact(name), member=membership.posting(()))
    reward, ledger = known_reward(rules, reward_id), membership.ledger_of(POINTS)
    checked = check_taking(rules, reward, membership, tier=tier, view=view, at=at)
    if isinstance(checked, Refused):
        raise RefusedError(*checked.refusals)
    if name in ledger.burns or name in ledger.holds:
        raise RefusedError(_reused("take", ref, "ref"))  # it would be taken for the price of something else
    price = checked.value
    burned = ledger.burn(price, ref=name, order=rules.burn_first.order, at=at) if price else ()
    paid = membership.posting(burned)
    key = taking_key(membership.member_id, ref, at)
    claims = _claims(rules, reward, key, since=at, amount=1, at=at)
    given = give(
        paid.state,
        reward.give,
        reward_id=name,
        source=source,
        campaign_id=reward.campaign_id,
        by=giving(rules, at=at),
        price_points=price,
        stock_key=key if claims else "",
    )
    return RewardTaken(fact=_given_fact(given), member=given.onto(paid), beside=given.beside, claims=claims)


def _taken_name(ref: str) -> str:
    return check_id("ref", _TAKEN + check_id("ref", ref))


def taking_key(member_id: str, ref: str, at: datetime) -> Key:
    """Name whoever claims one of a stock, so that nobody reads out of it who that is.

    Args:
        member_id: Who takes it.
        ref: The shop's own name for it.
        at: When: somebody who was forgotten may come again, and name something alike.
    """
    return Key(f"reward/{digest([member_id, ref, instant_text(at)], purpose='lc.claim')}")


def _claims(rules: Rules, reward: CatalogueReward, key: Key, *, since: datetime, amount: int, at: datetime) -> tuple[Claim, ...]:
    """Claim one of the stock, or free it: of the periods in which it was taken."""
    return tuple(
        Claim(
            counter=_counter(reward.reward_id, span, since, rules.calendar),
            key=key,
            amount=amount,
            limit=limit if amount else None,
            at=at,
            until=None,
        )
        for span, limit in _spans(reward.stock)
    )


def _given_fact(given: Given) -> RewardGiven:
    return next(fact for fact in given.facts if isinstance(fact, RewardGiven))


def _reused(verb: str, ref: str, field: str) -> Refusal:
    return Refusal(Reason.KEY_REUSED, {"key": f"{verb}:{ref}", "fields": (field,)})


# ---- giving back ----


def taken_streams(membership: Membership, ref: str) -> tuple[StreamId, ...]:
    """Name the coupons and payouts of a reward that was taken, to load before it is given back.

    Args:
        membership: As it is now.
        ref: The shop's own name for it.
    """
    held = membership.rewards.get(_taken_name(ref))
    return () if held is None else streams_of(held)


def give_back(
    rules: TakingRules,
    ref: str,
    membership: Membership,
    *,
    reason: str,
    actor: str,
    view: View,
    at: datetime,
) -> RewardReturned:
    """Take back a reward of the catalogue that nobody used: its price goes back to the lots it came from.

    Args:
        rules: The program.
        ref: The shop's own name for it; given back again, nothing changes.
        membership: As it is now.
        reason: In the shop's words.
        actor: Who takes it back.
        view: The coupons and payouts that ``taken_streams`` names.
        at: Timezone-aware.

    Raises:
        RefusedError: ``reward_not_found``; ``reward_used`` where an order used its coupon or holds it, somebody revoked it, or it
            was paid out.
        UsageError: A view without its coupons and payouts.
    """
    name = _taken_name(ref)
    check_text("reason", reason)
    check_text("actor", actor, limit=200)
    held = membership.rewards.get(name)
    if held is None:
        raise _not_found(name)
    if held.is_gone:
        fact = RewardTakenBack(reward_id=name, reason=reason, actor=actor, at=at)
        return RewardReturned(fact=fact, member=membership.posting(()))
    _check_unused(held, view, at)
    ledger = membership.ledger_of(POINTS)
    left, paid_back = ledger.left_to_refund(name), tuple[LedgerFact, ...]()
    if left:
        until = None if rules.restore is None else rules.restore.end_after(at, calendar=rules.calendar)
        own_ref = unused_ref(name, "refund_burn", ledger)
        paid_back = ledger.refund_burn(name, left, ref=own_ref, extended_until=until, at=at)
    restored = membership.posting(paid_back)
    taken = take_back(restored.state, name, reason=reason, actor=actor, view=view, overdraft=rules.overdraft, at=at)
    reward = rules.rewards.get(held.source.partition("/")[2])
    freed = tuple[Claim, ...]()
    if reward is not None and held.stock_key:
        freed = _claims(rules, reward, Key(held.stock_key), since=held.at, amount=0, at=at)
    fact = next(fact for fact in taken.facts if isinstance(fact, RewardTakenBack))
    return RewardReturned(fact=fact, member=taken.onto(restored), beside=taken.beside, claims=freed)


def _check_unused(held: HeldReward, view: View, at: datetime) -> None:
    """Refuse to give back what was used: by an order, paid out, or handed over, for which its coupon was revoked."""
    coupons = [view.coupon(coupon_id) for coupon_id in held.coupons]
    payouts = [view.payouts.get(payout_id) for payout_id in held.payouts]
    used = any(coupon is not None and (in_use(coupon, at) or coupon.revoked_at is not None) for coupon in coupons)
    if used or any(payout is not None and payout.status is PayoutStatus.PAID for payout in payouts):
        raise RefusedError(Refusal(Reason.REWARD_USED, {"reward_id": held.source.partition("/")[2]}))


# ---- choosing ----


def choose(
    rules: Rules, reward_id: str, option: str, membership: Membership, *, view: View = NO_VIEW, at: datetime
) -> RewardTaken:
    """Choose one of the rewards that a milestone offers.

    Args:
        rules: The program.
        reward_id: The name of what is offered, as the member's ``rewards`` have it.
        option: What is chosen; the same again changes nothing.
        membership: As it is now.
        view: Which campaigns are stopped.
        at: Timezone-aware; at the end of its time it is too late.

    Raises:
        RefusedError: ``reward_not_found``; ``reward_not_offered`` for what is not, or no longer, among the options;
            ``reward_choice_expired``; ``campaign_stopped`` or ``campaign_closed``; ``key_reused`` where another was chosen.
    """
    check_instant("at", at)
    check_id("option", option)
    name = check_id("reward_id", reward_id)
    held = membership.rewards.get(name)
    if held is None or held.is_gone:
        raise _not_found(name)
    if held.option:
        if held.option != option:
            raise RefusedError(_reused("choose", name, "option"))
        return RewardTaken(fact=held.fact(name), member=membership.posting(()))
    milestone = rules.milestones.get(held.source.partition("/")[2])
    offered = _offered(milestone, held)
    if milestone is None or option not in offered:
        raise RefusedError(Refusal(Reason.REWARD_NOT_OFFERED, {"reward_id": name, "options": tuple(offered)}))
    if held.until is not None and at >= held.until:
        details = {"reward_id": name, **_ended(held.until, rules.calendar)}
        raise RefusedError(Refusal(Reason.REWARD_CHOICE_EXPIRED, details))
    benefit, campaign_id = offered[option], milestone.campaign_id(option)
    # What was chosen is not lost to a campaign that gives nothing at present.
    shut = list(_campaigns_shut(rules.campaigns, benefit, campaign_id, view, at))
    if shut:
        raise RefusedError(*shut)
    given = give(
        membership,
        benefit,
        reward_id=name,
        source=held.source,
        campaign_id=campaign_id,
        by=giving(rules, at=at),
        option=option,
        mark=held.mark,
    )
    member = given.onto(membership.posting(()))
    return RewardTaken(fact=_given_fact(given), member=member, beside=given.beside)


def _offered(milestone: Milestone | None, held: HeldReward) -> dict[str, RewardBenefit]:
    """Give what can be chosen: what was offered and is still in the program."""
    if milestone is None or not isinstance(milestone.give, Choice):
        return {}
    return {name: give for name, give in milestone.give.options.items() if name in held.options}
