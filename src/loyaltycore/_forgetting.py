"""Forgetting: the facts of a member under another name, so that nothing leads back to the person and every book stays as it is.

An id stands in the fields that name a member, in those that say who acted, and in reasons that people typed. All of them are
rewritten; amounts, days, lots, references and the number of facts stay. It stands in the streams of members, of orders, of the
coupons that members hold or orders use, of their campaigns, of the gift cards that orders sold or were paid with, of payouts, and
of the referrals of the member and of friends the member brought. Counters name no member: what an order claims, it claims under
its own name, and what a referral claims, under a digest.

A code to bring friends with may be a name. It is rewritten like one, wherever it stands, and brings nobody any more.

Invariants:
    1. As many facts come out of a stream as went in, in the same order and at the same instants.
    2. Under the alias, balances, books, tiers and orders are what they were under the id.
    3. A fact that does not name the member comes out as it went in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from loyaltycore._referral import ReferralJoined, ReferralRefused
from loyaltycore.codec import decode_fact, encode_fact
from loyaltycore.errors import Reason, UsageError
from loyaltycore.facts import Fact
from loyaltycore.identity import (
    StreamId,
    campaign_stream,
    card_stream,
    check_id,
    coupon_stream,
    fold_code,
    member_stream,
    order_stream,
    payout_stream,
    referral_code_stream,
    referral_stream,
)
from loyaltycore.ledger import LedgerFact, TransferredIn, TransferredOut
from loyaltycore.memberships import (
    CouponGiven,
    FriendReversed,
    FriendRewarded,
    MemberJoined,
    OffersHeld,
    OrderCounted,
    ReferralCodeGiven,
    ReturnCounted,
    RewardGiven,
)
from loyaltycore.orders import OrderCardSold, OrderPlaced, OrderReserved
from loyaltycore.wire import Json, digest

__all__ = ["CODES", "NAMING", "NAMING_CARDS", "TYPED", "alias_code", "forgotten", "linked_streams", "tells_of", "without_code"]

NAMING: Final = frozenset({"actor", "advocate_id", "friend_id", "giver", "holder", "member_id", "stand_in", "to"})
"""Fields of facts that may hold a member's id, and nothing beside it."""

NAMING_CARDS: Final = frozenset({"giver", "to"})
"""Those of them that name a gift card where they stand in the stream of one: it may be called what a member is."""

_CARDS: Final = card_stream("-").removesuffix("-")

_CODE_SYMBOLS: Final = 16

TYPED: Final = frozenset({"reason"})
"""Fields of facts that hold what people typed: the id may stand among other words. Where one holds a reason code, it stays."""

CODES: Final = frozenset({"code"})
"""Fields of facts that hold a code to bring friends with: as it is shown, or as it is read."""


def linked_streams(member_id: str, facts: Iterable[Fact]) -> tuple[StreamId, ...]:
    """Name the streams beside a member's own that may name the member.

    Of the member's facts these are orders, those who gave or got points, the coupons given to the member with their campaigns,
    payouts, the referral of the member, those of friends, and the member's code; of the facts of the member's orders the coupons
    and gift cards of these, and of the facts of the member's referral the advocate. So it is asked twice.

    Args:
        member_id: Whose.
        facts: All of the member's, and then all of the member's orders and of the member's referral.

    Returns:
        In order, each once. Some may never have been written: what a reference names may be an order, or something else.
    """
    found = set[StreamId]()
    for fact in facts:
        found |= _named_by(fact) | _with_friends(fact, member_id)
    return tuple(sorted(found - {member_stream(member_id)}))


def _named_by(fact: Fact) -> set[StreamId]:
    """Name what a fact of a member or of an order leads to."""
    match fact:
        case OrderCounted() | ReturnCounted() | OffersHeld():
            return {order_stream(fact.order_id)}
        case TransferredOut():
            return {member_stream(fact.to)}
        case TransferredIn():
            return {member_stream(fact.giver)}
        case LedgerFact() if _is_id(fact.ref):
            return {order_stream(fact.ref)}  # what is held for an order that is not paid has its name
        case CouponGiven():
            return {coupon_stream(fact.coupon_id), campaign_stream(fact.campaign_id)}
        case OrderPlaced():
            return _of_order(fact)
        case OrderReserved():
            return _of_order(fact.order)
        case OrderCardSold():
            return {card_stream(fact.card_id)}
    return set()


def _with_friends(fact: Fact, member_id: str) -> set[StreamId]:
    """Name what rewards and referrals lead to."""
    match fact:
        case MemberJoined():
            return {referral_stream(member_id)}
        case RewardGiven():
            return {payout_stream(payout_id) for payout_id in fact.payouts}
        case FriendRewarded() | FriendReversed():
            return {referral_stream(fact.friend_id)}
        case ReferralCodeGiven():
            return {referral_code_stream(fact.code)}
        case ReferralJoined() if fact.friend_id == member_id:
            return {member_stream(fact.advocate_id)}
    return set()


def tells_of(facts: Iterable[Fact], member_id: str, codes: AbstractSet[str]) -> bool:
    """Say whether a friend's referral tells of a member, or of a code of theirs.

    Args:
        facts: Of the referral.
        member_id: Who is to be forgotten.
        codes: The member's own, as ``fold_code`` gives them.
    """
    return any(
        (isinstance(fact, ReferralJoined) and fact.advocate_id == member_id)
        or (isinstance(fact, ReferralRefused) and (_folded(fact.code) in codes or member_id in fact.details.values()))
        for fact in facts
    )


def _of_order(order: OrderPlaced) -> set[StreamId]:
    coupons = (*order.coupons_redeemed, *order.coupons_granted)
    streams = {coupon_stream(one.coupon_id) for one in coupons} | {campaign_stream(one.campaign_id) for one in coupons}
    return streams | {card_stream(payment.card_id) for payment in order.card_payments}


def forgotten(
    facts: Mapping[StreamId, Sequence[Fact]],
    *,
    member_id: str,
    alias: str,
    named: Callable[[str], StreamId] = member_stream,
) -> dict[StreamId, tuple[Fact, ...]]:
    """Give facts with an alias in the place of a member's id, for ``Forgetting.rename``.

    Args:
        facts: All facts of the member's stream, and of those that ``linked_streams`` names of it and of the member's orders.
        member_id: Who is to be forgotten.
        alias: A name that says nothing, and that nobody has.
        named: Names the stream that goes over to the alias. The others stay where they are, though one may be named as the
            member is: they are renamed in a turn of their own.

    Returns:
        That stream under the alias, and of the others those that named the member; nothing where nothing is known.

    Raises:
        UsageError: An alias that is no id, or the member's own.
    """
    old, new = named(member_id), named(check_id("alias", alias))
    if old == new:
        msg = f"alias must be another id, got {alias!r}"
        raise UsageError(msg)
    rename, rename_cards = _renamer(member_id, alias, NAMING), _renamer(member_id, alias, NAMING - NAMING_CARDS)
    renamed = {
        stream: tuple(map(rename_cards if stream.startswith(_CARDS) else rename, several)) for stream, several in facts.items()
    }
    return _changed(facts, renamed, old=old, new=new)


def alias_code(alias: str, nth: int = 0) -> str:
    """Give the code that stands in the place of one of somebody forgotten: it says nothing, and nobody was ever told it.

    Args:
        alias: Under which the member goes on.
        nth: Which of the member's codes, from 0.
    """
    return digest([alias, nth], purpose="lc.alias.code")[:_CODE_SYMBOLS].upper()


def without_code(facts: Mapping[StreamId, Sequence[Fact]], *, code: str, other: str) -> dict[StreamId, tuple[Fact, ...]]:
    """Give facts with another code in the place of that of somebody who is to be forgotten, for ``Forgetting.rename``.

    Args:
        facts: All facts of the code's stream, of the member's, and of the referrals of friends who came with it.
        code: As it is shown.
        other: As ``alias_code`` gives it.

    Returns:
        The code's stream under the other code, and of the others those in which it stood; nothing where nothing is known.
    """
    old, new, folded = referral_code_stream(code), referral_code_stream(other), fold_code(code)

    def walk(name: str, value: Json) -> Json:
        if name not in CODES or not isinstance(value, str) or _folded(value) != folded:
            return value
        return fold_code(other) if value == folded else other

    def rename(fact: Fact) -> Fact:
        data = encode_fact(fact)
        renamed = {name: walk(name, value) for name, value in data.items()}
        return fact if renamed == data else decode_fact(renamed)

    return _changed(facts, {stream: tuple(map(rename, several)) for stream, several in facts.items()}, old=old, new=new)


def _changed(
    facts: Mapping[StreamId, Sequence[Fact]], renamed: Mapping[StreamId, tuple[Fact, ...]], *, old: StreamId, new: StreamId
) -> dict[StreamId, tuple[Fact, ...]]:
    """Give the streams in which something changed, and the one that goes over to another name."""
    changed = {stream for stream, several in renamed.items() if several != tuple(facts[stream]) or (stream == old and several)}
    return {new if stream == old else stream: several for stream, several in renamed.items() if stream in changed}


def _renamer(member_id: str, alias: str, naming: AbstractSet[str]) -> Callable[[Fact], Fact]:
    # "m-42" within "m-421" is somebody else; within "(m-42)" or "m-42's" it is not.
    before = "(?<![0-9A-Za-z])" if _is_plain(member_id[0]) else ""
    after = "(?![0-9A-Za-z])" if _is_plain(member_id[-1]) else ""
    typed = re.compile(before + re.escape(member_id) + after)

    def walk(name: str, value: Json, texts: AbstractSet[str]) -> Json:
        match value:
            case str() if name in naming:
                return alias if value == member_id else value
            case str() if name in texts:
                return typed.sub(lambda _: alias, value)
            case dict():
                return {key: walk(key, item, texts) for key, item in value.items()}
            case list():
                return [walk("", item, texts) for item in value]
        return value

    def rename(fact: Fact) -> Fact:
        data = encode_fact(fact)
        is_coded = isinstance(getattr(fact, "reason", None), Reason)
        renamed = walk("", data, frozenset() if is_coded else TYPED)
        return fact if renamed == data else decode_fact(renamed)

    return rename


def _is_plain(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


def _folded(text: str) -> str:
    try:
        return fold_code(text)
    except UsageError:  # anything may have been typed as a code
        return ""


def _is_id(ref: str) -> bool:
    try:
        return bool(check_id("ref", ref))
    except UsageError:  # an order and its return together may be longer than any id
        return False
