"""Referrals: members who bring friends, and what both get for it.

An *advocate* gives away a personal code; a *friend* joins with it, and holds a coupon from then on. When his order meets the
conditions and can no longer come back, the advocate is rewarded, by a ladder: more for the third friend than for the first. When
the order comes back after all, both are as if it had never been.

Invariants:
    1. A friend has one advocate, and an advocate is rewarded once for a friend.
    2. What an advocate has is a function of the friends who stand: whoever is reversed leaves no trace in it.
    3. Nobody brings himself, and of two who bring each other one does.
    4. A code that cannot be taken stops no sign-up, and shows nobody why.

>>> from datetime import UTC, datetime
>>> from loyaltycore.benefits import BonusPoints
>>> from loyaltycore.conditions import first_order
>>> from loyaltycore.memberships import Membership
>>> from loyaltycore.periods import Calendar
>>> now = datetime(2026, 7, 1, 10, tzinfo=UTC)
>>> program = ReferralProgram(
...     "friends", codes="VELO-####-####", qualifies=first_order(), advocate=Ladder.of({1: BonusPoints(500, expires=None)})
... )
>>> case = ReferralCase(
...     program=program,
...     friend=Membership.open("m-77"),
...     referral=Referral.open("m-77"),
...     advocate_id="m-77",
...     calendar=Calendar("Europe/Paris"),
...     at=now,
... )
>>> refusal = check(case).refusal
>>> refusal.reason.value, refusal.reason.public
('referral_self', 'referral_invalid')
"""

from __future__ import annotations

from loyaltycore._order_facts import ReferralNeed
from loyaltycore._payouts import PayOut, PayoutAs, RewardBenefit
from loyaltycore._referral import (
    Denial,
    QualifyingOrder,
    Referral,
    ReferralJoined,
    ReferralQualified,
    ReferralRefused,
    ReferralRejected,
    ReferralReversed,
    ReferralRewarded,
    ReferralStatus,
    ReferralUnqualified,
)
from loyaltycore._referral_codes import (
    LINK_PARAMETER,
    PublicCodes,
    ReferralCode,
    ReferralCodeIssued,
    codes_of_member,
    friend_coupon_id,
    verdict_of,
)
from loyaltycore._referral_insight import Rank, ReferralReport, leaderboard, referral_report
from loyaltycore._referral_program import (
    After,
    OwnGuard,
    ReferralCase,
    ReferralGuard,
    ReferralProgram,
    Restart,
    Wait,
    check,
    referral_codes,
    referral_need,
)
from loyaltycore.ladders import Ladder

__all__ = [
    "LINK_PARAMETER",
    "After",
    "Denial",
    "Ladder",
    "OwnGuard",
    "PayOut",
    "PayoutAs",
    "PublicCodes",
    "QualifyingOrder",
    "Rank",
    "Referral",
    "ReferralCase",
    "ReferralCode",
    "ReferralCodeIssued",
    "ReferralGuard",
    "ReferralJoined",
    "ReferralNeed",
    "ReferralProgram",
    "ReferralQualified",
    "ReferralRefused",
    "ReferralRejected",
    "ReferralReport",
    "ReferralReversed",
    "ReferralRewarded",
    "ReferralStatus",
    "ReferralUnqualified",
    "Restart",
    "RewardBenefit",
    "Wait",
    "check",
    "codes_of_member",
    "friend_coupon_id",
    "leaderboard",
    "referral_codes",
    "referral_need",
    "referral_report",
    "verdict_of",
]
