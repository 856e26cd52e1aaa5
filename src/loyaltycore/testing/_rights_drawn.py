"""Strategies for coupons, campaigns, gift cards and what is loaded of them; made by the library's own verbs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never, final

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from loyaltycore._code_blocks import SpaceBlocks
from loyaltycore.conditions import CouponHeld, leaves
from loyaltycore.coupons import HUMAN, Campaign, Coupon, CouponCampaign, ReadCode
from loyaltycore.errors import Reason, Refusal, RefusedError
from loyaltycore.gift_cards import CardUses, GiftCard
from loyaltycore.offers import FreedBy, Limits, Span, Times, Used, View
from loyaltycore.periods import Period, Term, Window
from loyaltycore.quantities import Money, Over
from loyaltycore.testing._calls import FIRST_DAY
from loyaltycore.testing._offers_drawn import benefits, conditions

__all__ = ["campaigns", "coupon_campaigns", "coupons", "gift_cards", "limits", "space_blocks", "views"]

_DAY: Final = timedelta(days=1)
_ORDERS: Final = ("1001", "1002")
_CAMPAIGNS: Final = ("welcome", "sorry")
_MEMBERS: Final = ("m-42", "m-43")
_SPACE: Final = "velo/H1############"


@final
@attrs.frozen(kw_only=True)
class _CouponStep:
    """One thing that happens to a coupon.

    Attributes:
        verb: What.
        order_id: For which order.
        days: Since what happened before; of a reservation, also how long it lasts.
    """

    verb: Literal["reserve", "redeem", "release", "revoke"] = "reserve"
    order_id: str = _ORDERS[0]
    days: int = 1


def coupons(
    *, campaigns: Collection[str] = _CAMPAIGNS, holders: Collection[str] = _MEMBERS, steps_limit: int = 4
) -> SearchStrategy[Coupon]:
    """Draw coupons: of a batch or granted, to somebody or to whoever has the code, then reserved, redeemed, released, revoked.

    Args:
        campaigns: Of which campaigns.
        holders: Who may hold them.
        steps_limit: The most things that happened to one since.

    Example:
        >>> from hypothesis import find
        >>> find(coupons(), lambda coupon: coupon.holder == "m-42").uses
        FrozenMap({})
    """
    steps = st.builds(
        _CouponStep,
        verb=st.sampled_from(("reserve", "redeem", "release", "revoke")),
        order_id=st.sampled_from(_ORDERS),
        days=st.integers(1, 9),
    )
    return st.builds(
        _coupon_after,
        st.integers(1, 99),
        campaign_id=st.sampled_from(tuple(campaigns)),
        granted=st.booleans(),
        holder=st.none() | st.sampled_from(tuple(holders)) if holders else st.none(),
        days=st.none() | st.integers(1, 20),
        steps=st.lists(steps, max_size=steps_limit),
    )


def _coupon_after(
    number: int,
    *,
    campaign_id: str,
    granted: bool,
    holder: str | None,
    days: int | None,
    steps: Sequence[_CouponStep],
) -> Coupon:
    ends_at = None if days is None else FIRST_DAY + days * _DAY
    if granted or holder is not None:
        coupon = Coupon.issued(f"{campaign_id}/t-{number}")
        coupon = coupon.grant(campaign_id, holder=holder, ref=f"t-{number}", ends_at=ends_at, at=FIRST_DAY).state
    else:
        coupon = Coupon.issued(f"{_SPACE}/2026a/{number}", campaign_id=campaign_id, ends_at=ends_at)
    at = FIRST_DAY
    for step in steps:
        at += step.days * _DAY
        try:
            coupon = _coupon_stepped(coupon, step, at)
        except RefusedError:
            continue
    return coupon


def _coupon_stepped(coupon: Coupon, step: _CouponStep, at: datetime) -> Coupon:
    member_id = coupon.holder or None
    match step.verb:
        case "reserve":
            return coupon.reserve(step.order_id, member_id=member_id, until=at + step.days * _DAY, at=at).state
        case "redeem":
            return coupon.redeem(step.order_id, member_id=member_id, at=at).state
        case "release":
            return coupon.release(step.order_id, at=at).state
        case "revoke":
            return coupon.revoke(reason="", actor="shop", at=at).state
    assert_never(step.verb)


@final
@attrs.frozen(kw_only=True)
class _CardStep:
    """One thing that happens to a gift card.

    Attributes:
        verb: What.
        ref: Under which name.
        minor: Of how much.
        days: Since what happened before; of a load or a hold, also how long it lasts.
    """

    verb: Literal["load", "pay", "hold", "capture", "void", "refund", "block", "unblock"] = "load"
    ref: str = _ORDERS[0]
    minor: int = 1
    days: int = 1


def gift_cards(currency: str = "EUR", *, max_amount_minor: int = 10_000, steps_limit: int = 5) -> SearchStrategy[GiftCard]:
    """Draw gift cards: issued, then loaded, paid with, held, refunded, blocked.

    Args:
        currency: Of their money.
        max_amount_minor: The most that is loaded or paid at once, in minor units.
        steps_limit: The most things that happened to one since it was issued.

    Example:
        >>> from hypothesis import find
        >>> find(gift_cards("JPY"), lambda card: card.is_blocked).loaded_minor
        1
    """
    amounts = st.integers(1, max_amount_minor)
    steps = st.builds(
        _CardStep,
        verb=st.sampled_from(("load", "pay", "hold", "capture", "void", "refund", "block", "unblock")),
        ref=st.sampled_from(_ORDERS),
        minor=amounts,
        days=st.integers(1, 9),
    )
    return st.builds(
        _card_after,
        st.integers(1, 99).map("card-{}".format),
        currency=st.just(currency),
        minor=amounts,
        uses=st.sampled_from(CardUses),
        days=st.none() | st.integers(1, 40),
        steps=st.lists(steps, max_size=steps_limit),
    )


def _card_after(
    card_id: str, *, currency: str, minor: int, uses: CardUses, days: int | None, steps: Sequence[_CardStep]
) -> GiftCard:
    ends_at = None if days is None else FIRST_DAY + days * _DAY
    card = GiftCard.open(card_id).issue(Money(minor, currency), ref="sold", expires_at=ends_at, uses=uses, at=FIRST_DAY).state
    at = FIRST_DAY
    for place, step in enumerate(steps):
        at += step.days * _DAY
        try:
            card = _card_stepped(card, step, f"{place}", at)
        except RefusedError:
            continue
    return card


def _card_stepped(card: GiftCard, step: _CardStep, name: str, at: datetime) -> GiftCard:
    money, ref, until = Money(step.minor, card.currency), step.ref, at + step.days * _DAY
    match step.verb:
        case "load":
            return card.load(money, ref=f"load-{name}", expires_at=until, at=at).state
        case "pay":
            return card.pay(money, ref=ref, at=at).state
        case "hold":
            return card.hold(money, ref=ref, until=until, at=at).state
        case "capture":
            return card.capture(ref, at=at).state
        case "void":
            return card.void(ref, at=at).state
        case "refund":
            return card.refund(ref, money, ref=f"{ref}/{name}", extended_until=until, at=at).state
        case "block":
            return card.block(reason="lost", actor="shop", at=at).state
        case "unblock":
            return card.unblock(reason="found", actor="shop", at=at).state
    assert_never(step.verb)


# ---- campaigns ----


def campaigns() -> SearchStrategy[Campaign]:
    """Draw the switches of campaigns: never touched, stopped, stopped and resumed."""
    return st.builds(_campaign_after, st.sampled_from(_CAMPAIGNS), st.integers(0, 3))


def _campaign_after(campaign_id: str, turns: int) -> Campaign:
    campaign = Campaign.open(campaign_id)
    for turn in range(turns):
        at = FIRST_DAY + turn * _DAY
        campaign = (campaign.resume(actor="shop", at=at) if campaign.is_stopped else campaign.stop(actor="shop", at=at)).state
    return campaign


def limits(currency: str = "EUR", *, max_amount_minor: int = 100_000) -> SearchStrategy[Limits]:
    """Draw limits: none, or some of each kind."""
    counts = st.none() | st.integers(1, 5)
    times = st.builds(Times, **{span.value: counts for span in Span})
    return st.builds(
        Limits,
        total=times,
        per_member=times,
        budget=st.none() | st.integers(1, max_amount_minor).map(lambda minor: Money(minor, currency)),
        units=counts,
        over=st.sampled_from(Over),
        freed_by=st.sampled_from(FreedBy),
    )


def coupon_campaigns(currency: str = "EUR") -> SearchStrategy[CouponCampaign]:
    """Draw campaigns: with a code that people made, with codes that a machine makes, with coupons alone."""
    windows = st.none() | st.integers(1, 60).map(lambda days: Window(starts_at=FIRST_DAY, ends_at=FIRST_DAY + days * _DAY))
    lasting = (
        st.none()
        | st.integers(1, 48).map(lambda hours: timedelta(hours=hours))
        | st.integers(1, 40).map(lambda days: Term(Period(days=days)))
    )
    said = {
        "give": benefits(currency),
        "when": conditions(currency).filter(lambda one: not any(isinstance(part, CouponHeld) for part in leaves(one))),
        "window": windows,
        "limits": limits(currency),
        "priority": st.integers(-1, 1),
    }
    human = st.builds(CouponCampaign, st.sampled_from(("SUMMER10", "SORRY")), codes=st.just(HUMAN), **said)
    coded = st.builds(
        CouponCampaign,
        st.sampled_from(_CAMPAIGNS),
        codes=st.sampled_from((None, _SPACE)),
        valid_for=lasting,
        automatic=st.booleans(),
        **said,
    )
    return human | coded


def space_blocks() -> SearchStrategy[SpaceBlocks]:
    """Draw the blocks that campaigns took of a space, under one key or two."""
    taken = st.tuples(st.sampled_from(_CAMPAIGNS), st.sampled_from(("2026a", "2026b")), st.integers(1, 9), st.booleans())
    return st.lists(taken, max_size=4).map(_blocks_after)


def _blocks_after(taken: Sequence[tuple[str, str, int, bool]]) -> SpaceBlocks:
    space = SpaceBlocks.open(_SPACE)
    for place, (campaign_id, key_id, count, holder_bound) in enumerate(taken):
        space = space.take(
            count,
            campaign_id=campaign_id,
            key_id=key_id,
            check_value=f"{key_id:0<16}",
            capacity=1_000,
            ref=f"batch-{place}",
            holder_bound=holder_bound,
            at=FIRST_DAY,
        ).state
    return space


def views(currency: str = "EUR") -> SearchStrategy[View]:
    """Draw what is loaded for a quote besides the member."""
    counts = st.integers(0, 5)
    spans = st.dictionaries(st.sampled_from([span for span in Span if span is not Span.EVER]), counts, max_size=2)
    used = st.builds(
        Used, times=counts, by_member=counts, spent_minor=st.integers(0, 1_000), units=counts, times_in=spans, by_member_in=spans
    )
    refused = st.sampled_from((Reason.CODE_UNKNOWN, Reason.COUPON_EXPIRED)).map(lambda reason: ReadCode(refusal=Refusal(reason)))
    read = refused | st.builds(lambda coupon, proven: ReadCode(coupon=coupon, proven=proven), coupons(), st.booleans())
    cards = st.lists(gift_cards(currency), max_size=2, unique_by=lambda card: card.card_id)
    return st.builds(
        View,
        used=st.dictionaries(st.sampled_from((*_CAMPAIGNS, "offer-1")), used, max_size=2),
        out_of_stock=st.frozensets(st.sampled_from(("helmet", "bell"))),
        codes=st.dictionaries(st.sampled_from(("H1-0000", "H1-0001")), read, max_size=2),
        coupons=st.lists(coupons(), max_size=2, unique_by=lambda coupon: coupon.coupon_id),
        stopped=st.frozensets(st.sampled_from(_CAMPAIGNS)),
        cards=cards.map(lambda found: {card.card_id: card for card in found}),
    )
