"""A fact of every kind, once with every field set and once with every default left alone: what the golden files hold."""

from __future__ import annotations

from datetime import UTC, date, datetime

from loyaltycore._frozen import FrozenMap
from loyaltycore.facts import Fact
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
    MovedLot,
    Overdraft,
    Part,
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
from loyaltycore.memberships import MemberJoined, OrderCounted, ReturnCounted, SpendCarried
from loyaltycore.orders import (
    Counted,
    EarnedPoints,
    Formula,
    OfferCost,
    OrderAttached,
    OrderCancelled,
    OrderLine,
    OrderPlaced,
    OrderReserved,
    OrderReturned,
    Shape,
)
from loyaltycore.periods import Lasting, Period, Term
from loyaltycore.quantities import Rounding

__all__ = ["AT", "FULL", "LEAST"]

AT = datetime(2026, 7, 1, 8, 0, 0, 250, tzinfo=UTC)
LATER = datetime(2027, 7, 31, 22, tzinfo=UTC)
SLIDING = Lasting(Term(Period(months=12)), "Europe/Paris", sliding=True)
PARTS = (Part("1001/order", 60), Part("wel/come/base", 1))

ORDER = OrderPlaced(
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
            qualifies=False,
        ),
    ),
    shipping_minor=490,
    offers=(OfferCost(offer_id="summer", discount_minor=1598),),
    burn_points=500,
    earned=(
        EarnedPoints(
            rule="order",
            points=138,
            formula=Formula(shape=Shape.STEP, points=1, per_minor=100),
            counted=(Counted("1", 13882),),
            available_at=AT,
            expires_at=LATER,
        ),
        EarnedPoints(
            rule="cashback",
            account="status",
            points=0,
            formula=Formula(shape=Shape.SHARE, points=1, per_minor=20, rounding=Rounding.HALF_UP, at_least_minor=14000),
            counted=(Counted("", 490), Counted("1", 13882, 3, 2)),
            carried=True,
            available_at=LATER,
            awaits="delivered",
            lasts=Lasting(Term(Period(months=12)), "Europe/Paris"),
        ),
    ),
    final_at=LATER,
    codes=("summer-1o",),
    digest="0123456789abcdef0123456789abcdef",
    program="fedcba9876543210fedcba9876543210",
    ordered_at=LATER,
    late=True,
    at=AT,
)
PLAIN_ORDER = OrderPlaced(
    order_id="1001",
    currency="EUR",
    lines=(OrderLine(line_id="1", product_id="helmet", quantity=1, list_minor=7990),),
    earned=(
        EarnedPoints(
            rule="order",
            points=1,
            formula=Formula(shape=Shape.FLAT, points=1),
            counted=(Counted("1", 1),),
            available_at=LATER,
        ),
    ),
    at=LATER,
)

FULL: tuple[Fact, ...] = (
    MemberJoined(member_id="m-42 é 🚲", at=AT),
    OrderCounted(order_id="1001", day=date(2026, 7, 1), qualifying_minor=7191, at=AT),
    ReturnCounted(order_id="1001", return_id="r-1", qualifying_minor=3595, at=AT),
    SpendCarried(rule="order", ref="1001/r-1", minor=-3595, at=AT),
    Granted(
        account="points",
        ref="1001",
        rule="order",
        units=71,
        available_at=AT,
        expires_at=LATER,
        awaits="delivered",
        lasts=SLIDING,
        reason="geste commercial",
        actor="eva",
        at=AT,
    ),
    Released(account="points", ref="1001", event="delivered", lots=("1001/order", "wel/come/base"), at=AT),
    Burned(account="points", ref="1002", parts=PARTS, at=AT),
    BurnRefunded(account="points", ref="1002/r-1", burn_ref="1002", parts=PARTS, at=AT),
    Renewed(account="points", ref="1002/r-1", parts=PARTS, expires_at=LATER, at=AT),
    Revoked(account="points", ref="1001/r-1", earn_ref="1001", parts=PARTS, overdraft=Overdraft.SETTLE, at=AT),
    Adjusted(account="points", ref="t-1", parts=PARTS, reason='carte perdue "hors ligne"', actor="eva", at=AT),
    AdjustmentReversed(account="points", ref="t-2", adjustment_ref="t-1", parts=PARTS, at=AT),
    Held(account="points", ref="1003", parts=PARTS, until=LATER, at=AT),
    Captured(account="points", ref="1003", parts=PARTS, late=True, at=AT),
    Voided(account="points", ref="1004", at=AT),
    Settled(account="points", ref="1001/r-1", debtor_id="1001/order", parts=PARTS, at=AT),
    SettlementUndone(account="points", ref="1002/r-1", debtor_id="1001/order", parts=PARTS, at=AT),
    Forgiven(account="points", ref="1001/r-1", parts=PARTS, at=AT),
    ForgivenessTakenBack(account="points", ref="1002/r-1", parts=PARTS, at=AT),
    TransferredOut(account="points", ref="gift-1", parts=PARTS, to="m-43", at=AT),
    TransferredIn(
        account="points",
        ref="gift-1",
        lots=(MovedLot(units=61, granted_at=AT, available_at=AT, expires_at=LATER),),
        giver="m-42",
        at=AT,
    ),
    TransferUndone(account="points", ref="gift-1", parts=PARTS, taken_back=True, at=AT),
    Touched(account="points", ref="visit-1", at=AT),
    ExpiryReported(account="points", ref="2026-07", units=61, at=AT),
    OrderReserved(order=ORDER, until=LATER, at=AT),
    OrderCancelled(order_id="1001", at=AT),
    ORDER,
    OrderAttached(order_id="1001", member_id="m-42 é 🚲", earned=ORDER.earned, at=AT),
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
    SpendCarried(rule="order", ref="1001", minor=0, at=LATER),
    Granted(account="points", ref="1001", rule="order", units=1, available_at=LATER, at=LATER),
    Released(account="points", ref="1001", event="delivered", lots=(), at=LATER),
    Burned(account="points", ref="1002", parts=(), at=LATER),
    BurnRefunded(account="points", ref="1002/r-1", burn_ref="1002", parts=(), at=LATER),
    Renewed(account="points", ref="1002/r-1", parts=(), expires_at=LATER, at=LATER),
    Revoked(account="points", ref="1001/r-1", earn_ref="1001", parts=(), at=LATER),
    Adjusted(account="points", ref="t-1", parts=(), reason="", actor="eva", at=LATER),
    AdjustmentReversed(account="points", ref="t-2", adjustment_ref="t-1", parts=(), at=LATER),
    Held(account="points", ref="1003", parts=(), until=LATER, at=LATER),
    Captured(account="points", ref="1003", parts=(), at=LATER),
    Voided(account="points", ref="1004", at=LATER),
    Settled(account="points", ref="1001/r-1", debtor_id="1001/order", parts=(), at=LATER),
    SettlementUndone(account="points", ref="1002/r-1", debtor_id="1001/order", parts=(), at=LATER),
    Forgiven(account="points", ref="1001/r-1", parts=(), at=LATER),
    ForgivenessTakenBack(account="points", ref="1002/r-1", parts=(), at=LATER),
    TransferredOut(account="points", ref="gift-1", parts=(), to="m-43", at=LATER),
    TransferredIn(account="points", ref="gift-1", lots=(), giver="m-42", at=LATER),
    TransferUndone(account="points", ref="gift-1", parts=(), at=LATER),
    Touched(account="points", ref="visit-1", at=LATER),
    ExpiryReported(account="points", ref="2026-07", units=0, at=LATER),
    OrderReserved(order=PLAIN_ORDER, until=LATER, at=LATER),
    OrderCancelled(order_id="1001", at=LATER),
    PLAIN_ORDER,
    OrderAttached(order_id="1001", member_id="m-42", at=LATER),
    OrderReturned(order_id="1001", return_id="r-1", currency="EUR", at=LATER),
)
