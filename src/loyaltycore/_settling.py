"""What an order does to coupons, gift cards and shared limits, as it goes through its life."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final

import attrs

from loyaltycore._checks import masked, shown
from loyaltycore._coupon import Coupon, CouponGranted, RedeemedCoupon
from loyaltycore._giving import Beside
from loyaltycore.basket import Basket
from loyaltycore.coupons import CouponCampaign, UseState
from loyaltycore.errors import RefusedError, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.gift_cards import GiftCard
from loyaltycore.identity import ID_LENGTH_LIMIT, StreamId, card_stream, coupon_stream, within
from loyaltycore.memberships import CouponGiven, CouponGone, Membership, OffersFreed, OffersHeld
from loyaltycore.offers import FreedBy, OfferBook, View
from loyaltycore.orders import CardPayment, Order, OrderPlaced, OrderReturned
from loyaltycore.periods import Calendar
from loyaltycore.quantities import Money
from loyaltycore.wire import digest

__all__ = [
    "Beside",
    "beside_attached",
    "beside_cancelled",
    "beside_confirmed",
    "beside_placed",
    "beside_reserved",
    "beside_returned",
    "beside_streams",
    "counters_kept",
    "coupon_id_of",
    "coupons_to_come",
    "facts_cancelled",
    "facts_placed",
    "facts_reserved",
    "facts_returned",
    "moved_on",
    "offers_kept",
]

_ACTOR: Final = "order"
"""Who grants and takes back what orders bring."""

_RETURNED: Final = "all of the order that gave it came back"


def beside_streams(order: Order) -> tuple[StreamId, ...]:
    """Name the streams of the coupons and gift cards of an order, to load before it is confirmed, cancelled or returned."""
    known = order.placed if order.placed is not None or order.reserved is None else order.reserved.order
    if known is None:
        return ()
    coupons = [coupon_stream(one.coupon_id) for one in (*known.coupons_redeemed, *known.coupons_granted)]
    cards = [card_stream(card_id) for card_id in (*(payment.card_id for payment in known.card_payments), *order.cards)]
    return tuple(dict.fromkeys([*coupons, *cards]))


def coupons_to_come(
    names: Iterable[str],
    campaigns: Mapping[str, CouponCampaign],
    *,
    stopped: AbstractSet[str],
    order_id: str,
    member_id: str | None,
) -> tuple[RedeemedCoupon, ...]:
    """Name the coupons that an order gives its member: those whose campaign is the program's, has no code, and is not stopped.

    Of other names the shop makes coupons itself.
    """
    found = list[RedeemedCoupon]()
    for campaign_id in names if member_id is not None else ():
        campaign = campaigns.get(campaign_id)
        if campaign is not None and campaign.codes is None and campaign_id not in stopped:
            nth = sum(one.campaign_id == campaign_id for one in found) + 1
            found.append(RedeemedCoupon(campaign_id=campaign_id, coupon_id=_coupon_of_order(order_id, campaign_id, nth)))
    return tuple(found)


def coupon_id_of(campaign_id: str, ref: str) -> str:
    """Name the coupon without a code that a campaign grants under a reference."""
    name = within(campaign_id, ref)
    return name if len(name) <= ID_LENGTH_LIMIT else within(campaign_id, digest(ref, purpose="lc.coupon"))


def _coupon_of_order(order_id: str, campaign_id: str, nth: int) -> str:
    """Name a coupon that an order gives: no campaign begins with a plus, so that no reference of the shop's gives the same."""
    name = f"+{within(order_id, campaign_id)}/{nth}"
    return name if len(name) <= ID_LENGTH_LIMIT else f"+{digest(order_id, purpose='lc.coupon')}/{campaign_id}/{nth}"


# ---- coupons and cards, as the order goes through its life ----


def beside_placed(
    placed: OrderPlaced, basket: Basket, view: View, campaigns: Mapping[str, CouponCampaign], calendar: Calendar
) -> Beside:
    """Redeem the coupons of an order, let its gift cards pay, and grant the coupons it gives."""
    order_id, at = placed.order_id, placed.at
    paid = [
        _card(view, one.card_id).pay(money, ref=order_id, basket=basket, goods=money, at=at) for one, money in _payments(placed)
    ]
    used = [_coupon(view, one.coupon_id).redeem(order_id, member_id=placed.member_id, at=at) for one in placed.coupons_redeemed]
    return (*used, *paid, *_granted(placed, campaigns, calendar))


def beside_attached(placed: OrderPlaced, campaigns: Mapping[str, CouponCampaign], calendar: Calendar) -> Beside:
    """Grant the coupons that a guest's order gives the member it found, as of now."""
    return tuple(_granted(placed, campaigns, calendar))


def beside_reserved(placed: OrderPlaced, basket: Basket, view: View, *, until: datetime) -> Beside:
    """Set the coupons of an order aside, and the money on its gift cards."""
    order_id, at = placed.order_id, placed.at
    held = [
        _card(view, one.card_id).hold(money, ref=order_id, until=until, basket=basket, goods=money, at=at)
        for one, money in _payments(placed)
    ]
    kept = [
        _coupon(view, one.coupon_id).reserve(order_id, member_id=placed.member_id, until=until, at=at)
        for one in placed.coupons_redeemed
    ]
    return (*kept, *held)


def beside_confirmed(placed: OrderPlaced, view: View, campaigns: Mapping[str, CouponCampaign], calendar: Calendar) -> Beside:
    """Redeem what was set aside, whatever became of it meanwhile: the order was paid."""
    order_id, at = placed.order_id, placed.at
    used = [
        _coupon(view, one.coupon_id).redeem(order_id, member_id=placed.member_id, late=True, at=at)
        for one in placed.coupons_redeemed
    ]
    paid = [posting for one in placed.card_payments for posting in _captured(view, _card(view, one.card_id), ref=order_id, at=at)]
    return (*used, *paid, *_granted(placed, campaigns, calendar))


def beside_cancelled(reserved: OrderPlaced, view: View, *, at: datetime) -> Beside:
    """Free the coupons of an order, and the money on its gift cards."""
    freed = [_coupon(view, one.coupon_id).release(reserved.order_id, at=at) for one in reserved.coupons_redeemed]
    ref = within(reserved.order_id, "cancel")
    void = [
        posting
        for one in reserved.card_payments
        for posting in moved_on(_card(view, one.card_id).void(reserved.order_id, at=at), view.cards, ref=ref, at=at)
    ]
    return (*freed, *void)


def _captured(view: View, card: GiftCard, *, ref: str, at: datetime) -> tuple[Posting[GiftCard], ...]:
    """Pay with what was held, however late; what went on meanwhile to the card in its place comes back for it."""
    posting, last = card.capture(ref, given_up=True, at=at), _last(view, card)
    missing = min(_short(posting.state, at), last.ledger.available(at=at))
    if last is card or not missing or not posting.facts:
        return (posting,)
    name = f"+{ref}"
    out = last.ledger.transfer_out(missing, ref=name, to=card.card_id, at=at)
    lots = last.ledger.folded(out).moved_lots(name)
    back = posting.state.ledger.transfer_in(lots, ref=name, giver=last.card_id, at=at)
    whole = posting.state.posting(back)
    facts = (*posting.facts, *whole.facts)
    return Posting(whole.state, facts=facts, stream=posting.stream, version=posting.version), last.posting(out)


def _short(card: GiftCard, at: datetime) -> int:
    """Give how far a card is below nothing."""
    lots = card.ledger.lots.values()
    live = [lot for lot in lots if lot.remaining < 0 or lot.expires_at is None or at < lot.expires_at]
    return max(0, -sum(lot.remaining for lot in live))


def _payments(placed: OrderPlaced) -> list[tuple[CardPayment, Money]]:
    return [(one, Money(one.minor, placed.currency)) for one in placed.card_payments]


def _granted(placed: OrderPlaced, campaigns: Mapping[str, CouponCampaign], calendar: Calendar) -> list[Posting[Coupon]]:
    """Grant the coupons that an order gives."""
    found = list[Posting[Coupon]]()
    for one in placed.coupons_granted:
        campaign = campaigns.get(one.campaign_id)
        if campaign is not None and campaign.closed(at=placed.at) is None:
            starts_at, ends_at = campaign.dates(placed.at, calendar=calendar)
            found.append(
                Coupon.issued(one.coupon_id).grant(
                    one.campaign_id,
                    holder=placed.member_id,
                    ref=placed.order_id,
                    starts_at=starts_at,
                    ends_at=ends_at,
                    actor=_ACTOR,
                    at=placed.at,
                )
            )
    return found


def beside_returned(
    order: Order, fact: OrderReturned, view: View, book: OfferBook, *, card_until: datetime
) -> tuple[OrderReturned, Beside]:
    """Give money back to gift cards, cancel those that were sold with what came back, and free coupons where all came back.

    Args:
        order: As before the return.
        fact: The return.
        view: The order's coupons and gift cards, as they are now.
        book: The offers, which say what a return frees.
        card_until: First instant at which money that comes back to an expired card can no longer be paid with.

    Raises:
        RefusedError: ``card_spent`` where what came back is a gift card that was used.
    """
    placed = order.placed
    assert placed is not None  # it was planned
    ref = within(fact.order_id, fact.return_id)
    back = [
        posting
        for card_id, minor in fact.to_cards.items()
        for posting in _refunded(view, card_id, Money(minor, fact.currency), fact, ref=ref, until=card_until)
    ]
    cancelled = _cards_cancelled(order, fact, view, ref)
    freed = list[Posting[Coupon]]()
    if _brings_all_back(order, fact):
        freed = [
            _coupon(view, one.coupon_id).release(fact.order_id, at=fact.at)
            for one in placed.coupons_redeemed
            if _frees(book, one.campaign_id)
        ]
        freed += [
            coupon.revoke(reason=_RETURNED, actor=_ACTOR, at=fact.at)
            for coupon in (_coupon(view, one.coupon_id) for one in placed.coupons_granted)
            if coupon.version  # an order that has it keeps it, and gives it back to nobody
        ]
    fact = attrs.evolve(fact, cards_cancelled=tuple(posting.state.card_id for posting in cancelled))
    return fact, (*freed, *back, *cancelled)


def _refunded(
    view: View, card_id: str, money: Money, fact: OrderReturned, *, ref: str, until: datetime
) -> tuple[Posting[GiftCard], ...]:
    """Give money back to a card; where another took its place, the money goes on to that one, and to the last of them."""
    posting = _card(view, card_id).refund(fact.order_id, money, ref=ref, extended_until=until, at=fact.at)
    return moved_on(posting, view.cards, ref=ref, at=fact.at)


def moved_on(
    posting: Posting[GiftCard], cards: Mapping[str, GiftCard], *, ref: str, at: datetime
) -> tuple[Posting[GiftCard], ...]:
    """Send what came back to a card that was replaced on to the one in its place, and to the last of them.

    Args:
        posting: What came back.
        cards: Those that may have taken its place, as they are now.
        ref: The name of what moves.
        at: When.

    Returns:
        One posting for each card, that of the first with what came back.
    """
    found = list[Posting[GiftCard]]()
    while posting.facts and posting.state.replaced_by in cards:
        other = cards[posting.state.replaced_by]
        # Under a name of its own: a shop may have called the replacement as it calls the return.
        moved = posting.state.replace(other, ref=f"+{ref}", actor=_ACTOR, at=at)
        both = (*posting.facts, *moved.old.facts)
        found.append(Posting(moved.old.state, facts=both, stream=posting.stream, version=posting.version))
        posting = moved.new
    return (*found, posting) if posting.facts or not found else tuple(found)


def _cards_cancelled(order: Order, fact: OrderReturned, view: View, ref: str) -> list[Posting[GiftCard]]:
    """Cancel a gift card for each unit of it that came back: those of which nothing was spent, the last made first."""
    found, all_back = list[Posting[GiftCard]](), order.folded([fact]).is_all_back
    gone = {card_id for back in order.returns.values() for card_id in back.cards_cancelled}
    for line_id in dict.fromkeys(order.cards.values()):
        sold = [_card(view, card_id) for card_id, line in order.cards.items() if line == line_id]
        left = [card for card in sold if gone.isdisjoint(_line_of(view, card)) and _last(view, card).loaded_minor]
        # Units of which no card was made yet come back first; only then is there a card too many.
        kept = 0 if all_back else _units_kept(order, line_id) - fact.lines.get(line_id, 0)
        unspent = [card for card in reversed(left) if _can_be_cancelled(view, card, ref, fact.at)]
        chosen = [*unspent, *(card for card in left if card not in unspent)][: max(0, len(left) - kept)]
        found += [_cancelled(view, card, ref, fact.at) for card in chosen]
    return found


def _line_of(view: View, card: GiftCard) -> dict[str, GiftCard]:
    """Give a card, the one that took its place, the one after that, and so on, by their ids."""
    found = {card.card_id: card}
    while card.replaced_by in view.cards:
        card = view.cards[card.replaced_by]
        found[card.card_id] = card
    return found


def _last(view: View, card: GiftCard) -> GiftCard:
    """Give the card that took the place of one, and of that one, and so on; or the one itself."""
    return list(_line_of(view, card).values())[-1]


def _cancelled(view: View, sold: GiftCard, ref: str, at: datetime) -> Posting[GiftCard]:
    """Take off what an order sold, wherever it is by now, and nothing that was loaded besides.

    Raises:
        RefusedError: ``card_spent`` where so much is not left.
    """
    card, issued = _last(view, sold), sold.issued
    assert issued is not None  # it was sold
    if card is sold:
        return card.cancel(issued.ref, ref=ref, at=at)
    return card.cancel(amount=Money(issued.loaded_minor, issued.currency), ref=ref, at=at)


def _can_be_cancelled(view: View, sold: GiftCard, ref: str, at: datetime) -> bool:
    try:
        _cancelled(view, sold, ref, at)
    except RefusedError:
        return False
    return True


def _units_kept(order: Order, line_id: str) -> int:
    assert order.placed is not None  # it was planned
    bought = sum(line.quantity for line in order.placed.lines if line.line_id == line_id)
    return bought - order.returned.get(line_id, 0)


def _coupon(view: View, coupon_id: str) -> Coupon:
    coupon = view.coupon(coupon_id)
    if coupon is None:
        msg = f"view must hold the coupons of the order, got none with the id {masked(coupon_id)}"
        raise UsageError(msg)
    return coupon


def _card(view: View, card_id: str) -> GiftCard:
    card = view.cards.get(card_id)
    if card is None:
        msg = f"view must hold the gift cards of the order, got none with the id {shown(card_id)}"
        raise UsageError(msg)
    return card


# ---- what the member's own stream says of it ----


def facts_placed(membership: Membership, placed: OrderPlaced, granted: Iterable[Posting[Any]]) -> list[Fact]:
    """Say which coupons the member no longer holds, and which are new."""
    gone: list[Fact] = [
        CouponGone(coupon_id=one.coupon_id, at=placed.at)
        for one in placed.coupons_redeemed
        if one.coupon_id in membership.coupons and not membership.coupons[one.coupon_id].is_gone
    ]
    return gone + [fact for posting in granted for fact in _given(posting, placed.at)]


def _given(posting: Posting[Any], at: datetime) -> list[Fact]:
    return [
        CouponGiven(coupon_id=fact.coupon_id, campaign_id=fact.campaign_id, ends_at=fact.ends_at, at=at)
        for fact in posting.facts
        if isinstance(fact, CouponGranted) and fact.holder
    ]


def facts_reserved(placed: OrderPlaced, *, until: datetime) -> list[Fact]:
    """Hold what the order uses of offers that a member may use only so often."""
    if not placed.offers_per_member:
        return []
    return [OffersHeld(order_id=placed.order_id, offers=placed.offers_per_member, until=until, at=placed.at)]


def facts_cancelled(membership: Membership, order_id: str, *, at: datetime) -> list[Fact]:
    """Free what the order held of them."""
    used = membership.uses.get(order_id)
    return [OffersFreed(order_id=order_id, offers=used.offers, at=at)] if used is not None and used.offers else []


def facts_returned(membership: Membership, order: Order, fact: OrderReturned, beside: Beside, book: OfferBook) -> list[Fact]:
    """Free what a return frees, where all came back; take coupons of the order back, and give those that are free again."""
    found = list[Fact]()
    if _brings_all_back(order, fact):
        used = membership.uses.get(order.order_id)
        offers = () if used is None else tuple(name for name in used.offers if _frees(book, name))
        if offers:
            found.append(OffersFreed(order_id=order.order_id, offers=offers, at=fact.at))
    for posting in beside:
        coupon = posting.state
        if isinstance(coupon, Coupon) and posting.facts and coupon.coupon_id in membership.coupons:
            held = membership.coupons[coupon.coupon_id]
            if coupon.revoked_at is not None and held.is_gone:
                continue
            if coupon.revoked_at is not None:
                found.append(CouponGone(coupon_id=coupon.coupon_id, at=fact.at))
            elif held.is_gone and not any(use.state is UseState.REDEEMED for use in coupon.uses.values()):
                found.append(
                    CouponGiven(coupon_id=coupon.coupon_id, campaign_id=held.campaign_id, ends_at=held.ends_at, at=fact.at)
                )
    return found


# ---- shared limits ----


def counters_kept(order: Order, fact: OrderReturned, book: OfferBook) -> tuple[str, ...]:
    """Name the counters that a return does not free."""
    assert order.placed is not None  # it was planned
    names = order.placed.counters
    if not _brings_all_back(order, fact):
        return tuple(names)
    return tuple(name for name in names if not _frees(book, name.split("/")[1]))


def offers_kept(order: Order, book: OfferBook) -> tuple[str, ...]:
    """Name the offers that an order uses of its member's: where all came back, those that a return does not free."""
    assert order.placed is not None  # it is a guest's that was placed
    return tuple(name for name in order.placed.offers_per_member if not (order.is_all_back and _frees(book, name)))


def _brings_all_back(order: Order, fact: OrderReturned) -> bool:
    """Whether nothing of an order is kept after a return, and something was before."""
    return order.folded([fact]).is_all_back and not order.is_all_back


def _frees(book: OfferBook, offer_id: str) -> bool:
    """Whether a return that brings all of an order back frees what it used of an offer."""
    offer = book.offer(offer_id)
    return offer is not None and offer.limits.freed_by is FreedBy.RETURNED
