"""A fact of every kind, once with every field set and once with every default left alone: what the golden files hold."""

from __future__ import annotations

from datetime import UTC, date, datetime

from loyaltycore._frozen import FrozenMap
from loyaltycore.facts import Fact
from loyaltycore.ledger import Adjusted, AdjustmentReversed, Burned, BurnRefunded, Granted, Part, Revoked
from loyaltycore.memberships import MemberJoined, OrderCounted, ReturnCounted
from loyaltycore.orders import EarnedPoints, OfferCost, OrderLine, OrderPlaced, OrderReturned

__all__ = ["AT", "FULL", "LEAST"]

AT = datetime(2026, 7, 1, 8, 0, 0, 250, tzinfo=UTC)
LATER = datetime(2027, 7, 31, 22, tzinfo=UTC)
PARTS = (Part("1001/order", 60), Part("wel/come/base", 1))

FULL: tuple[Fact, ...] = (
    MemberJoined(member_id="m-42 é 🚲", at=AT),
    OrderCounted(order_id="1001", day=date(2026, 7, 1), qualifying_minor=7191, at=AT),
    ReturnCounted(order_id="1001", return_id="r-1", qualifying_minor=3595, at=AT),
    Granted(account="points", ref="1001", rule="order", units=71, available_at=AT, expires_at=LATER, at=AT),
    Burned(account="points", ref="1002", parts=PARTS, at=AT),
    BurnRefunded(account="points", ref="1002/r-1", burn_ref="1002", parts=PARTS, at=AT),
    Revoked(account="points", ref="1001/r-1", earn_ref="1001", parts=PARTS, at=AT),
    Adjusted(account="points", ref="t-1", parts=PARTS, reason='carte perdue "hors ligne"', actor="eva", at=AT),
    AdjustmentReversed(account="points", ref="t-2", adjustment_ref="t-1", parts=PARTS, at=AT),
    OrderPlaced(
        order_id="1001",
        member_id="m-42",
        currency="EUR",
        lines=(
            OrderLine(
                line_id="1",
                product_id="helmet",
                quantity=2,
                list_minor=15980,
                discount_minor=1598,
                burn_minor=500,
                burn_points=500,
                earning_minor=13882,
                qualifies=False,
            ),
        ),
        shipping_minor=490,
        offers=(OfferCost(offer_id="summer", discount_minor=1598),),
        burn_points=500,
        earned=(EarnedPoints(rule="order", points=138, step_points=1, step_minor=100, available_at=AT, expires_at=LATER),),
        final_at=LATER,
        codes=("summer-1o",),
        digest="0123456789abcdef0123456789abcdef",
        program="fedcba9876543210fedcba9876543210",
        at=AT,
    ),
    OrderReturned(
        order_id="1001",
        return_id="r-1",
        currency="EUR",
        lines=FrozenMap({"2": 1, "1": 2}),
        amount_minor=1,
        shipping_minor=490,
        money_minor=14372,
        points_revoked=138,
        points_given_back=500,
        qualifying_minor=13882,
        at=AT,
    ),
)
LEAST: tuple[Fact, ...] = (
    MemberJoined(member_id="m-42", at=LATER),
    OrderCounted(order_id="1001", day=date(2026, 7, 1), at=LATER),
    ReturnCounted(order_id="1001", return_id="r-1", at=LATER),
    Granted(account="points", ref="1001", rule="order", units=1, available_at=LATER, at=LATER),
    Burned(account="points", ref="1002", parts=(), at=LATER),
    BurnRefunded(account="points", ref="1002/r-1", burn_ref="1002", parts=(), at=LATER),
    Revoked(account="points", ref="1001/r-1", earn_ref="1001", parts=(), at=LATER),
    Adjusted(account="points", ref="t-1", parts=(), reason="", actor="eva", at=LATER),
    AdjustmentReversed(account="points", ref="t-2", adjustment_ref="t-1", parts=(), at=LATER),
    OrderPlaced(
        order_id="1001",
        currency="EUR",
        lines=(OrderLine(line_id="1", product_id="helmet", quantity=1, list_minor=7990),),
        earned=(EarnedPoints(rule="order", points=1, step_points=1, step_minor=100, available_at=LATER),),
        at=LATER,
    ),
    OrderReturned(order_id="1001", return_id="r-1", currency="EUR", at=LATER),
)
