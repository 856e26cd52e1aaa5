"""Strategies for referrals and payouts, and for what a program's tiers, rewards and friends do to a member."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias, assert_never, final, get_args

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from loyaltycore._frozen import FrozenMap
from loyaltycore._payouts import PayOut, Payout, PayoutAs, PayoutDue
from loyaltycore._referral import Referral, ReferralRefused, ReferralRejected, ReferralRewarded, ReferralStatus
from loyaltycore._rewarding import choose, give_back, take
from loyaltycore.coupons import Coupon
from loyaltycore.errors import Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.memberships import Membership, RewardOffered, TierGranted
from loyaltycore.offers import View
from loyaltycore.orders import ReferralNeed
from loyaltycore.program import Program
from loyaltycore.quantities import Money
from loyaltycore.testing._calls import FIRST_DAY

__all__ = ["STEPS", "Beside", "Made", "own_reward_fields", "payouts", "referrals", "reward_fields", "reward_step"]

STEPS: Final = ("grant", "end", "take", "give back", "choose", "friend", "unfriend")
"""What a program's tiers, rewards and friends do to a member."""

_DAY: Final = timedelta(days=1)
_REFUSED: Final = (Reason.REFERRAL_CODE_UNKNOWN, Reason.REFERRAL_IDENTITY_KNOWN)
_REJECTED: Final = Refusal(Reason.REFERRAL_LIMIT_REACHED, {"limit": 1})

_Verb: TypeAlias = Literal["join", "qualify", "unqualify", "reward", "reverse", "refuse", "reject"]
_VERBS: Final[tuple[_Verb, ...]] = get_args(_Verb)
_FOLLOWING: Final[Mapping[ReferralStatus, _Verb]] = {
    ReferralStatus.JOINED: "qualify",
    ReferralStatus.QUALIFIED: "reward",
    ReferralStatus.REWARDED: "unqualify",
    ReferralStatus.REVERSING: "reverse",
}
"""What happens next in the life of most."""

_Step: TypeAlias = tuple[_Verb | None, int, int]
"""What happens, or ``None`` for what comes next; how many days after what happened before; and to which order."""


@final
@attrs.frozen(kw_only=True)
class Beside:
    """What stands beside a member: what rewards gave, and friends.

    Attributes:
        coupons: By id.
        payouts: By id.
        referrals: Of friends, by member id.
    """

    coupons: FrozenMap[str, Coupon] = FrozenMap[str, Coupon]()
    payouts: FrozenMap[str, Payout] = FrozenMap[str, Payout]()
    referrals: FrozenMap[str, Referral] = FrozenMap[str, Referral]()

    @property
    def view(self) -> View:
        """The coupons and payouts, as what takes them back wants them."""
        return View(coupons=tuple(self.coupons.values()), payouts=self.payouts)

    def after(self, postings: Iterable[Posting[Any]]) -> Beside:
        """Take in what was decided beside a member."""
        states = [posting.state for posting in postings]
        return Beside(
            coupons=self.coupons.updated({one.coupon_id: one for one in states if isinstance(one, Coupon)}),
            payouts=self.payouts.updated({one.payout_id: one for one in states if isinstance(one, Payout)}),
            referrals=self.referrals.updated({one.friend_id: one for one in states if isinstance(one, Referral)}),
        )


Made: TypeAlias = tuple[Posting[Membership], Iterable[Posting[Any]]]
"""The member's posting, and those beside it."""


def reward_step(
    program: Program, membership: Membership, beside: Beside, kind: str, *, number: int, ref: str, at: datetime
) -> Made:
    """Let something happen to a member that has to do with tiers, rewards or friends; nothing where the program has none.

    Args:
        program: Whose rules apply.
        membership: As it is now.
        beside: What stands beside the member.
        kind: What happens: one of ``STEPS``.
        number: Which of several, counted round.
        ref: A name for it.
        at: When.

    Raises:
        RefusedError: It cannot.
    """
    match kind:
        case "grant" if program.tiers is not None:
            until = None if number % 2 else at + number % 90 * _DAY + _DAY
            tier = _nth(program.tiers.tiers, number)
            granted = program.grant_tier(tier, membership, ref=ref, until=until, reason="drawn", actor="eva", at=at)
            return program.settle(membership, granted, view=beside.view, at=at)
        case "end" if membership.tier_grants:
            ended = _nth(list(membership.tier_grants), number)
            return membership.posting(program.end_tier_grant(ended, membership, reason="", actor="eva", at=at).facts), ()
        case "take" if program.rewards:
            reward_id, status = _nth(list(program.rewards), number), program.tier(membership, at=at)
            held = None if status is None else status.tier
            taken = take(program, reward_id, membership, ref=ref, tier=held, view=beside.view, at=at)
            return taken.member, taken.beside
        case "give back" if membership.rewards:
            name = _nth(list(membership.rewards), number).removeprefix("reward/")
            back = give_back(program, name, membership, reason="", actor="eva", view=beside.view, at=at)
            return back.member, back.beside
        case "choose" if any(held.options for held in membership.rewards.values()):
            name = _nth([name for name, held in membership.rewards.items() if held.options], number)
            chosen = choose(program, name, _nth(membership.rewards[name].options, number), membership, view=beside.view, at=at)
            return chosen.member, chosen.beside
        case "friend" | "unfriend" if program.referrals is not None:
            return _friend(program, membership, beside, kind, number=number, at=at)
    return membership.posting(()), ()


def _friend(program: Program, membership: Membership, beside: Beside, kind: str, *, number: int, at: datetime) -> Made:
    """Let a friend come, buy and count at once; or let what he bought come back."""
    assert program.referrals is not None  # asked above
    friend_id = f"m-{70 + number % 5}"
    known = beside.referrals.get(friend_id) or Referral.open(friend_id)
    referral = known.join(program.referrals.program_id, advocate_id=membership.member_id, at=at).state
    if kind == "friend":
        referral = referral.qualify(f"o-{number}", due_at=at, at=at).state
        settled = program.reward_referral(referral, membership, at=at)
    else:
        for order_id in referral.orders:
            referral = referral.unqualify(order_id, return_id=f"r-{number}", at=at).state
        needed = (name.partition("/") for name in program.referral_needs(referral, membership))
        stand_in = next((beside.referrals[name] for what, _, name in needed if what == "referral"), None)
        settled = program.reverse_referral(referral, membership, stand_in=stand_in, view=beside.view, at=at)
    return settled.advocate, tuple(posting for posting in settled.postings if posting is not settled.advocate)


def _nth(items: Sequence[str], number: int) -> str:
    return items[number % len(items)]


def referrals(*, advocates: Collection[str] = ("m-42",), steps_limit: int = 6) -> SearchStrategy[Referral]:
    """Draw referrals: refused, joined, qualified by orders that may come back, rewarded or rejected, reversed.

    Args:
        advocates: Who may have brought the friend, who is ``m-77``.
        steps_limit: The most things that happened.

    Example:
        >>> from hypothesis import find
        >>> find(referrals(), lambda referral: referral.advocate_id is not None).status.value
        'joined'
    """
    # A life goes on more often than not: by chance alone few would come to their end.
    steps = st.tuples(st.none() | st.sampled_from(_VERBS), st.integers(0, 20), st.integers(1, 2))
    return st.builds(_referral_after, st.sampled_from(tuple(advocates)), st.lists(steps, max_size=steps_limit))


def _referral_after(advocate_id: str, steps: Sequence[_Step]) -> Referral:
    referral, at = Referral.open("m-77"), FIRST_DAY
    for verb, days, number in steps:
        at += days * _DAY
        try:
            following = verb or _FOLLOWING.get(referral.status, "join")
            referral = _referral_stepped(referral, following, number, advocate_id, at).state
        except (RefusedError, UsageError):
            continue
    return referral


def _referral_stepped(referral: Referral, verb: _Verb, number: int, advocate_id: str, at: datetime) -> Posting[Referral]:
    order_id = f"100{number}"
    match verb:
        case "join":
            return referral.join("friends", advocate_id=advocate_id, code="VE107KQ2", at=at)
        case "refuse":
            return referral.refuse("friends", Refusal(_REFUSED[number - 1]), code="VE107KQ3", at=at)
        case "qualify":
            return referral.qualify(order_id, due_at=at + 3 * _DAY, final_at=at + 9 * _DAY, at=at)
        case "unqualify":
            return referral.unqualify(order_id, return_id=f"r-{number}", at=at)
        case "reward":
            return referral.reward(number=number, rewards=(f"referral/friends/{number}",), at=at)
        case "reject":
            return referral.reject(_REJECTED, counts=number == 1, at=at)
        case "reverse":
            return referral.reverse(at=at)
    assert_never(verb)


def payouts(currency: str = "EUR", *, max_amount_minor: int = 10_000, steps_limit: int = 3) -> SearchStrategy[Payout]:
    """Draw payouts: due, then paid, reversed, in any order.

    Args:
        currency: Of all of them.
        max_amount_minor: The most that one is of, in minor units.
        steps_limit: The most things that happened to one since it fell due.

    Example:
        >>> from hypothesis import find
        >>> find(payouts(), lambda payout: payout.paid_at is not None).amount
        Money.of('0.01', 'EUR')
    """
    rewards = st.builds(
        PayOut, st.integers(1, max_amount_minor).map(lambda minor: Money(minor, currency)), as_=st.sampled_from(PayoutAs)
    )
    steps = st.tuples(st.sampled_from(("pay", "reverse")), st.integers(0, 20), st.integers(1, 2))
    return st.builds(_payout_after, st.integers(1, 99), rewards, st.lists(steps, max_size=steps_limit))


def _payout_after(number: int, reward: PayOut, steps: Sequence[tuple[str, int, int]]) -> Payout:
    payout = Payout.open(f"p-{number}")
    payout = payout.fall_due(reward, member_id="m-42", source="referral/friends", ref="referral/friends/1", at=FIRST_DAY).state
    at = FIRST_DAY
    for verb, days, ref in steps:
        at += days * _DAY
        try:
            paid = verb == "pay"
            payout = (payout.pay(ref=f"t-{ref}", actor="eva", at=at) if paid else payout.reverse(reason="", at=at)).state
        except (RefusedError, UsageError):
            continue
    return payout


def reward_fields(
    ids: SearchStrategy[str], slugs: SearchStrategy[str], needs: SearchStrategy[Mapping[str, Any]]
) -> dict[str, SearchStrategy[object]]:
    """Draw the fields that only facts of tiers, rewards, friends, referrals and payouts have.

    Args:
        ids: Any ids.
        slugs: Names in a program.
        needs: What something needs of the goods that are kept: ``needs`` and ``ways``.
    """
    several, wholes = st.lists(ids, max_size=2).map(tuple), st.integers(0, 2**63 - 1)
    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
    return {
        **dict.fromkeys(
            ("reward_id", "source", "option", "stock_key", "friend_id", "stand_in", "advocate_id", "code", "payout_id"), ids
        ),
        **dict.fromkeys(("payouts", "coupons_kept", "options", "rewards"), several),
        **dict.fromkeys(("points", "price_points", "mark", "number"), wholes),
        **dict.fromkeys(("tier", "program_id"), slugs),
        "period": st.sampled_from(("", "2026", "2026-07")),
        "counts": st.booleans(),
        "due_at": st.datetimes(timezones=st.just(FIRST_DAY.tzinfo)),
        "details": st.dictionaries(slugs, texts, max_size=2),
        "paid_as": st.sampled_from(PayoutAs),
        "referral": st.none()
        | st.builds(
            lambda name, first, kept: ReferralNeed(program_id=name, first_only=first, **kept), slugs, st.booleans(), needs
        ),
    }


def own_reward_fields(
    instants: SearchStrategy[Any],
) -> dict[tuple[type[Fact], str], SearchStrategy[object]]:
    """Draw those of the fields whose name means another type elsewhere.

    Args:
        instants: Any instants.
    """
    return {
        **{(kind, "until"): st.none() | instants for kind in (TierGranted, RewardOffered)},
        **{(kind, "reason"): st.sampled_from(Reason) for kind in (ReferralRefused, ReferralRejected)},
        (ReferralRewarded, "number"): st.integers(1, 2**63 - 1),
        (PayoutDue, "minor"): st.integers(1, 2**63 - 1),
    }
