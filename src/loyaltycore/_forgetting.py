"""Forgetting: the facts of a member under another name, so that nothing leads back to the person and every book stays as it is.

An id stands in the fields that name a member, in those that say who acted, and in reasons that people typed. All of them are
rewritten; amounts, days, lots, references and the number of facts stay. It stands in the streams of members, of orders, of the
coupons that members hold or orders use, of their campaigns, and of the gift cards that orders sold or were paid with. Counters
name no member: what an order claims, it claims under its own name.

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

from loyaltycore.codec import decode_fact, encode_fact
from loyaltycore.errors import UsageError
from loyaltycore.facts import Fact
from loyaltycore.identity import (
    StreamId,
    campaign_stream,
    card_stream,
    check_id,
    coupon_stream,
    member_stream,
    order_stream,
)
from loyaltycore.ledger import LedgerFact, TransferredIn, TransferredOut
from loyaltycore.memberships import CouponGiven, OffersHeld, OrderCounted, ReturnCounted
from loyaltycore.orders import OrderCardSold, OrderPlaced, OrderReserved
from loyaltycore.wire import Json

__all__ = ["NAMING", "NAMING_CARDS", "TYPED", "forgotten", "linked_streams"]

NAMING: Final = frozenset({"actor", "giver", "holder", "member_id", "to"})
"""Fields of facts that may hold a member's id, and nothing beside it."""

NAMING_CARDS: Final = frozenset({"giver", "to"})
"""Those of them that name a gift card where they stand in the stream of one: it may be called what a member is."""

_CARDS: Final = card_stream("-").removesuffix("-")

TYPED: Final = frozenset({"reason"})
"""Fields of facts that hold what people typed: the id may stand among other words."""


def linked_streams(member_id: str, facts: Iterable[Fact]) -> tuple[StreamId, ...]:
    """Name the streams beside a member's own that may name the member.

    Of the member's facts these are orders, those who gave or got points, and the coupons given to the member with their
    campaigns; of the facts of the member's orders the coupons and gift cards of these. So it is asked twice.

    Args:
        member_id: Whose.
        facts: All of the member's, and then all of the member's orders.

    Returns:
        In order, each once. Some may never have been written: what a reference names may be an order, or something else.
    """
    found = set[StreamId]()
    for fact in facts:
        match fact:
            case OrderCounted() | ReturnCounted() | OffersHeld():
                found.add(order_stream(fact.order_id))
            case TransferredOut():
                found.add(member_stream(fact.to))
            case TransferredIn():
                found.add(member_stream(fact.giver))
            case LedgerFact() if _is_id(fact.ref):
                found.add(order_stream(fact.ref))  # what is held for an order that is not paid has its name
            case CouponGiven():
                found |= {coupon_stream(fact.coupon_id), campaign_stream(fact.campaign_id)}
            case OrderPlaced():
                found |= _of_order(fact)
            case OrderReserved():
                found |= _of_order(fact.order)
            case OrderCardSold():
                found.add(card_stream(fact.card_id))
    return tuple(sorted(found - {member_stream(member_id)}))


def _of_order(order: OrderPlaced) -> set[StreamId]:
    coupons = (*order.coupons_redeemed, *order.coupons_granted)
    streams = {coupon_stream(one.coupon_id) for one in coupons} | {campaign_stream(one.campaign_id) for one in coupons}
    return streams | {card_stream(payment.card_id) for payment in order.card_payments}


def forgotten(facts: Mapping[StreamId, Sequence[Fact]], *, member_id: str, alias: str) -> dict[StreamId, tuple[Fact, ...]]:
    """Give facts with an alias in the place of a member's id, for ``Forgetting.rename``.

    Args:
        facts: All facts of the member's stream, and of those that ``linked_streams`` names of it and of the member's orders.
        member_id: Who is to be forgotten.
        alias: A name that says nothing, and that nobody has.

    Returns:
        The member's stream under the alias, and of the others those that named the member; nothing where nothing is known.

    Raises:
        UsageError: An alias that is no id, or the member's own.
    """
    old, new = member_stream(member_id), member_stream(check_id("alias", alias))
    if old == new:
        msg = f"alias must be another id, got {alias!r}"
        raise UsageError(msg)
    rename, rename_cards = _renamer(member_id, alias, NAMING), _renamer(member_id, alias, NAMING - NAMING_CARDS)
    renamed = {
        stream: tuple(map(rename_cards if stream.startswith(_CARDS) else rename, several)) for stream, several in facts.items()
    }
    changed = {stream for stream, several in renamed.items() if several != tuple(facts[stream]) or (stream == old and several)}
    return {new if stream == old else stream: several for stream, several in renamed.items() if stream in changed}


def _renamer(member_id: str, alias: str, naming: AbstractSet[str]) -> Callable[[Fact], Fact]:
    # "m-42" within "m-421" is somebody else; within "(m-42)" or "m-42's" it is not.
    before = "(?<![0-9A-Za-z])" if _is_plain(member_id[0]) else ""
    after = "(?![0-9A-Za-z])" if _is_plain(member_id[-1]) else ""
    typed = re.compile(before + re.escape(member_id) + after)

    def walk(name: str, value: Json) -> Json:
        match value:
            case str() if name in naming:
                return alias if value == member_id else value
            case str() if name in TYPED:
                return typed.sub(lambda _: alias, value)
            case dict():
                return {key: walk(key, item) for key, item in value.items()}
            case list():
                return [walk("", item) for item in value]
        return value

    def rename(fact: Fact) -> Fact:
        data = encode_fact(fact)
        renamed = walk("", data)
        return fact if renamed == data else decode_fact(renamed)

    return rename


def _is_plain(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


def _is_id(ref: str) -> bool:
    try:
        return bool(check_id("ref", ref))
    except UsageError:  # an order and its return together may be longer than any id
        return False
