"""Freezing a quote into an order: what is booked, and what it claims of limits that all orders share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import attrs

from loyaltycore._decisions import minor
from loyaltycore._frozen import FrozenMap
from loyaltycore._quote import Quote, giving, order_line
from loyaltycore._redeeming import offer_claims, offers_per_member
from loyaltycore._reprice import needs_of
from loyaltycore._settling import coupons_to_come
from loyaltycore.coupons import CouponCampaign
from loyaltycore.facts import Claim
from loyaltycore.identity import check_id, fold_code
from loyaltycore.offers import AppliedOffer, Returns
from loyaltycore.orders import OfferCost, OrderPlaced
from loyaltycore.periods import Calendar

__all__ = ["claims_of", "order_placed"]


def order_placed(
    quote: Quote,
    order_id: str,
    *,
    campaigns: Mapping[str, CouponCampaign],
    final_at: datetime | None,
    calendar: Calendar,
    at: datetime,
) -> OrderPlaced:
    """Freeze a quote into the fact of an order.

    Args:
        quote: What is booked.
        order_id: The shop's own.
        campaigns: Those of the program, which say what coupons the order gives.
        final_at: First instant after the return window.
        calendar: Whose local days count.
        at: When it is booked, or set aside.
    """
    gifts = Counter[str]()
    for gift in quote.gifts:
        gifts[gift.product_id] += gift.quantity
    applied, member_id = giving(quote), quote.asked.member_id
    claims = offer_claims(quote.book, applied, order_id=order_id, at=at, until=None, calendar=calendar)
    return OrderPlaced(
        order_id=check_id("order_id", order_id),
        member_id=member_id,
        currency=quote.total.currency,
        lines=tuple(order_line(line) for line in quote.lines.values()),
        shipping_minor=minor(quote.shipping) or 0,
        offers=tuple(_offer_cost(quote, offer) for offer in applied),
        burn_points=quote.burn.granted,
        earned=quote.earned,
        final_at=final_at,
        codes=_human_codes(quote),
        gifts=FrozenMap(gifts),
        coupons=quote.coupons,
        coupons_redeemed=quote.coupons_redeemed,
        coupons_granted=coupons_to_come(
            quote.coupons, campaigns, stopped=quote.view.stopped, order_id=order_id, member_id=member_id
        ),
        card_payments=quote.card_payments,
        counters=FrozenMap({str(claim.counter): claim.amount for claim in claims}),
        offers_per_member=offers_per_member(quote.book, applied),
        referral=quote.referral,
        digest=quote.digest,
        program=quote.program_digest,
        at=at,
    )


def claims_of(quote: Quote, placed: OrderPlaced, *, until: datetime | None, calendar: Calendar) -> tuple[Claim, ...]:
    """Claim what an order uses of limits that all orders share.

    Args:
        quote: What is booked.
        placed: The order as it is booked, or set aside.
        until: First instant at which it is free again by itself; ``None`` counts for ever.
        calendar: Whose local days count.
    """
    if not placed.counters:
        return ()
    return offer_claims(quote.book, giving(quote), order_id=placed.order_id, at=placed.at, until=until, calendar=calendar)


def _offer_cost(quote: Quote, applied: AppliedOffer) -> OfferCost:
    """Freeze what an offer cost; and where returns may withdraw it, line by line, with what it needs."""
    cost = OfferCost(offer_id=applied.offer_id, discount_minor=applied.discount_minor)
    offer = quote.book.offer(applied.offer_id)
    if offer is None or quote.book.stacking.returns is Returns.KEEP:
        return cost
    taken = {line.line_id: line.offers.get(applied.offer_id, 0) for line in quote.lines.values()}
    needs, ways = needs_of(offer, quote.situation)
    return attrs.evolve(
        cost, lines=FrozenMap({line_id: minor for line_id, minor in taken.items() if minor}), needs=needs, ways=ways
    )


def _human_codes(quote: Quote) -> tuple[str, ...]:
    """Give the codes made by people whose offers apply; one that a machine made is named by its coupon."""
    applied = [answer.entered for answer in quote.codes.values() if answer.applied]
    return tuple(sorted({fold_code(entered) for entered in applied if entered not in quote.view.codes}))
