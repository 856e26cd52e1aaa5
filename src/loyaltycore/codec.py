"""The stored form of facts: kind, form, and the fields as JSON.

Frozen from release 0.1 on: every form ever released decodes for ever (golden files in ``tests/golden``).

Invariants:
    1. ``decode_fact(encode_fact(fact)) == fact``.
    2. Equal facts give equal bytes, on any machine.
    3. Any JSON decodes to a fact or raises ``CorruptStateError``.

>>> from datetime import UTC, datetime
>>> from loyaltycore.memberships import MemberJoined
>>> encode_fact(MemberJoined(member_id="m-42", at=datetime(2026, 7, 1, 8, tzinfo=UTC)))
{'kind': 'member.joined', 'form': 1, 'at': '2026-07-01T08:00:00Z', 'member_id': 'm-42'}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from loyaltycore._checks import shown
from loyaltycore._code_blocks import BlockTaken
from loyaltycore._payouts import PayoutDue, PayoutPaid, PayoutReversed
from loyaltycore._referral import (
    ReferralJoined,
    ReferralQualified,
    ReferralRefused,
    ReferralRejected,
    ReferralReversed,
    ReferralRewarded,
    ReferralUnqualified,
)
from loyaltycore._referral_codes import ReferralCodeIssued
from loyaltycore.coupons import (
    CampaignResumed,
    CampaignStopped,
    CouponGranted,
    CouponRedeemed,
    CouponReleased,
    CouponReserved,
    CouponRevoked,
)
from loyaltycore.errors import CorruptStateError, UsageError
from loyaltycore.facts import Fact
from loyaltycore.gift_cards import CardBlocked, CardIssued, CardNumbered, CardReplaced, CardUnblocked
from loyaltycore.ledger import (
    Adjusted,
    AdjustmentReversed,
    Burned,
    BurnRefunded,
    Captured,
    ExpiryReported,
    Forgiven,
    ForgivenessTakenBack,
    Granted,
    Held,
    Released,
    Renewed,
    Revoked,
    Settled,
    SettlementUndone,
    Touched,
    TransferredIn,
    TransferredOut,
    TransferUndone,
    Voided,
)
from loyaltycore.memberships import (
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
from loyaltycore.orders import OrderAttached, OrderCancelled, OrderCardSold, OrderPlaced, OrderReserved, OrderReturned
from loyaltycore.wire import coded_text, coder, read_json

__all__ = ["FACTS", "decode_fact", "encode_fact", "fact_from_text", "fact_text"]

FACTS: Final[tuple[type[Fact], ...]] = (
    MemberJoined,
    OrderCounted,
    ReturnCounted,
    SpendCarried,
    OffersHeld,
    OffersFreed,
    CouponGiven,
    CouponGone,
    TierGranted,
    TierGrantEnded,
    RewardGiven,
    RewardTakenBack,
    RewardOffered,
    FriendRewarded,
    FriendReversed,
    ReferralCodeGiven,
    Granted,
    Released,
    Burned,
    BurnRefunded,
    Renewed,
    Revoked,
    Adjusted,
    AdjustmentReversed,
    Held,
    Captured,
    Voided,
    Settled,
    SettlementUndone,
    Forgiven,
    ForgivenessTakenBack,
    TransferredOut,
    TransferredIn,
    TransferUndone,
    Touched,
    ExpiryReported,
    OrderReserved,
    OrderCancelled,
    OrderPlaced,
    OrderAttached,
    OrderCardSold,
    OrderReturned,
    CouponGranted,
    CouponReserved,
    CouponRedeemed,
    CouponReleased,
    CouponRevoked,
    CampaignStopped,
    CampaignResumed,
    BlockTaken,
    CardNumbered,
    CardIssued,
    CardBlocked,
    CardUnblocked,
    CardReplaced,
    ReferralJoined,
    ReferralRefused,
    ReferralQualified,
    ReferralUnqualified,
    ReferralRewarded,
    ReferralRejected,
    ReferralReversed,
    ReferralCodeIssued,
    PayoutDue,
    PayoutPaid,
    PayoutReversed,
)
"""Every kind of fact there is."""

_BY_KIND: Final[Mapping[tuple[str, int], type[Fact]]] = {(kind.kind, kind.form): kind for kind in FACTS}


def encode_fact(fact: Fact) -> dict[str, Any]:
    """Write a fact as JSON values: ``kind`` and ``form`` first, then its fields, those at their default left out.

    Raises:
        UsageError: A fact of a kind that is not the library's.
    """
    if (fact.kind, fact.form) not in _BY_KIND:
        msg = f"a fact must be of a kind in FACTS, got {fact.kind!r} form {fact.form}"
        raise UsageError(msg)
    return {"kind": fact.kind, "form": fact.form, **coder(type(fact)).encode(fact)}


def decode_fact(data: object) -> Fact:
    """Read what ``encode_fact`` wrote.

    Raises:
        CorruptStateError: Anything else.
    """
    if not isinstance(data, Mapping):
        msg = f"a stored fact must be a mapping, got {data!r:.80}"
        raise CorruptStateError(msg)
    named = (data.get("kind"), data.get("form"))
    kind = _BY_KIND.get(named) if isinstance(named[0], str) and type(named[1]) is int else None  # type: ignore[arg-type]  # just checked
    if kind is None:
        msg = f"this version does not know facts of kind {shown(named[0])} form {shown(named[1])}"
        raise CorruptStateError(msg)
    return coder(kind).decode({name: item for name, item in data.items() if name not in {"kind", "form"}})


def fact_text(fact: Fact) -> str:
    """Write a fact as one line of JSON, its keys sorted."""
    return coded_text(encode_fact(fact))


def fact_from_text(text: str | bytes) -> Fact:
    """Read what ``fact_text`` wrote.

    Raises:
        CorruptStateError: Anything else.
    """
    return decode_fact(read_json(text))
