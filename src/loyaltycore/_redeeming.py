"""What a quote takes besides goods: coupons that are presented, uses that are limited, gift cards that pay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, final

import attrs

from loyaltycore._coupon import Coupon, ReadCode
from loyaltycore._frozen import FrozenMap
from loyaltycore._quote import Asked, CardAnswer
from loyaltycore.basket import UnitGroup
from loyaltycore.coupons import CODES_LIMIT, CodeAnswer, CouponCampaign
from loyaltycore.errors import Reason, Refusal, Refused
from loyaltycore.facts import Claim
from loyaltycore.gift_cards import GiftCard
from loyaltycore.identity import CounterId, Key, order_stream
from loyaltycore.memberships import Membership
from loyaltycore.offers import AppliedOffer, Evaluation, Offer, OfferBook, Span, Used, View
from loyaltycore.periods import Calendar
from loyaltycore.quantities import Money

__all__ = [
    "Presented",
    "answers",
    "claim_key",
    "counters_of",
    "freeing",
    "held_answers",
    "holding",
    "offer_claims",
    "offers_per_member",
    "pay",
    "present",
    "used_of",
    "with_own_uses",
]

# ---- coupons ----


@final
@attrs.frozen(kw_only=True)
class Presented:
    """The coupons that somebody presents.

    Attributes:
        usable: The one coupon of each campaign that can be redeemed now, by campaign.
        refused: Why others cannot, by name.
        campaigns: The campaign of each name that belongs to one.
        proven: The names of coupons that cannot have been guessed, and are nobody else's.
    """

    usable: Mapping[str, Coupon]
    refused: Mapping[_Name, Refusal]
    campaigns: Mapping[_Name, str]
    proven: frozenset[_Name]

    @property
    def names(self) -> dict[_Name, None]:
        """Everything that was looked at."""
        return dict.fromkeys([*self.campaigns, *self.refused])


class _Name(NamedTuple):
    """What is presented: a text as it was entered, or the id of a coupon that is held; the two are never taken for each other."""

    is_typed: bool
    text: str


_NOTHING: Final = Presented(usable={}, refused={}, campaigns={}, proven=frozenset())


def present(
    campaigns: Mapping[str, CouponCampaign],
    asked: Asked,
    view: View,
    *,
    membership: Membership | None,
    order_id: str | None,
    at: datetime,
) -> Presented:
    """Look at every coupon that is presented: by a code, because the member chose it, or because it applies by itself.

    Of one campaign one coupon counts: the first of the codes, then the first that was chosen, then of those that apply by
    themselves the one that ends soonest.

    Args:
        campaigns: Those of the program, by id.
        asked: The codes and coupons presented, and by whom.
        view: What the codes came to, and what the member holds.
        membership: Whoever asks: a coupon of a reward that was taken back is not held any more, whatever the coupon says.
        order_id: The order it is to become: what it holds already is its own.
        at: The instant of the question.
    """
    if not view.codes and not view.coupons and not asked.coupons:
        return _NOTHING
    usable, refused = dict[str, Coupon](), dict[_Name, Refusal]()
    named, proven = dict[_Name, str](), set[_Name]()
    for name, read in _presented(campaigns, asked, view):
        coupon = read.coupon
        if coupon is None:
            assert read.refusal is not None  # one of the two there is
            refused[name] = read.refusal
            continue
        campaign_id = coupon.campaign_id
        refusal = _refusal(campaigns, coupon, view, member_id=asked.member_id, order_id=order_id, at=at)
        held = None if membership is None else membership.coupons.get(coupon.coupon_id)
        if refusal is None and held is not None and held.is_gone:
            refusal = Refusal(Reason.COUPON_REVOKED)
        if campaign_id is not None and campaign_id in campaigns:
            named[name] = campaign_id
        if read.proven and (not coupon.holder or coupon.holder == asked.member_id):
            proven.add(name)
        if refusal is None and campaign_id in usable and usable[campaign_id].coupon_id != coupon.coupon_id:
            refusal = Refusal(Reason.OFFER_SUPERSEDED, {"offer_id": campaign_id, "by": campaign_id})
        if refusal is not None:
            refused[name] = refusal
        else:
            assert campaign_id is not None  # a coupon without a campaign is refused
            usable[campaign_id] = coupon
    return Presented(usable=usable, refused=refused, campaigns=named, proven=frozenset(proven))


def _presented(campaigns: Mapping[str, CouponCampaign], asked: Asked, view: View) -> Iterator[tuple[_Name, ReadCode]]:
    """Go through what is presented, each under its name."""
    for text in tuple(dict.fromkeys(asked.codes))[:CODES_LIMIT]:
        if text in view.codes:
            yield _Name(is_typed=True, text=text), view.codes[text]
    held = {coupon.coupon_id: coupon for coupon in view.coupons}
    for coupon_id in dict.fromkeys(asked.coupons):
        coupon = held.pop(coupon_id, None)
        unknown = Refusal(Reason.COUPON_NOT_FOUND)
        read = ReadCode(refusal=unknown) if coupon is None else ReadCode(coupon=coupon, proven=True)
        yield _Name(is_typed=False, text=coupon_id), read
    for coupon_id, coupon in sorted(held.items(), key=lambda item: (item[1].ends_at is None, item[1].ends_at, item[0])):
        campaign = campaigns.get(coupon.campaign_id or "")
        if campaign is not None and campaign.automatic:
            yield _Name(is_typed=False, text=coupon_id), ReadCode(coupon=coupon, proven=True)


def _refusal(
    campaigns: Mapping[str, CouponCampaign],
    coupon: Coupon,
    view: View,
    *,
    member_id: str | None,
    order_id: str | None,
    at: datetime,
) -> Refusal | None:
    """Say why a coupon cannot be redeemed now."""
    answer = coupon.check(member_id, order_id=order_id, at=at)
    if isinstance(answer, Refused):
        return answer.refusal
    campaign_id = coupon.campaign_id or ""
    if campaign_id not in campaigns or campaigns[campaign_id].is_human:
        return Refusal(Reason.COUPON_NOT_FOUND, {"campaign_id": campaign_id})
    return Refusal(Reason.CAMPAIGN_STOPPED, {"campaign_id": campaign_id}) if campaign_id in view.stopped else None


def answers(
    asked: Asked,
    presented: Presented,
    offers: Evaluation,
    *,
    folded: Mapping[str, str],
    unread: Mapping[str, Refusal],
) -> FrozenMap[str, CodeAnswer]:
    """Answer every code, whatever was typed.

    Args:
        asked: The codes, as typed.
        presented: What those came to that a machine made.
        offers: What applies.
        folded: Each that can be read, as it is known.
        unread: Why the others cannot.
    """
    found, names = dict[str, CodeAnswer](), presented.names
    for text in asked.codes:
        name = _Name(is_typed=True, text=text)
        if name in names:
            found[text] = _answer(name, presented, offers)
            continue
        offer = None if text in unread else offers.book.offer_of_code(folded[text])
        if offer is None:
            refusal: Refusal | None = unread.get(text, Refusal(Reason.CODE_UNKNOWN))
        else:
            refusal = offers.verdict(offer.offer_id).refusal
        found[text] = CodeAnswer(entered=text, offer_id=None if offer is None else offer.offer_id, refusal=refusal)
    return FrozenMap(found)


def held_answers(presented: Presented, offers: Evaluation) -> FrozenMap[str, CodeAnswer]:
    """Answer every coupon that was not presented by a code, by its id."""
    return FrozenMap({name.text: _answer(name, presented, offers) for name in presented.names if not name.is_typed})


def _answer(name: _Name, presented: Presented, offers: Evaluation) -> CodeAnswer:
    campaign_id = presented.campaigns.get(name)
    refusal = presented.refused.get(name)
    if refusal is None and campaign_id is not None:
        refusal = offers.verdict(campaign_id).refusal
    return CodeAnswer(entered=name.text, offer_id=campaign_id, refusal=refusal, proven=name in presented.proven)


# ---- uses that are limited ----


def claim_key(order_id: str) -> Key:
    """Name whoever claims something for an order: an order claims once, however often it is tried."""
    return Key(order_stream(order_id))


def _counters(offer: Offer, at: datetime, calendar: Calendar) -> Iterator[tuple[str, Span | None, CounterId, int]]:
    """List the counters of an offer: what each counts, in which span, its name and its limit."""
    limits, name = offer.limits, f"offer/{offer.offer_id}"
    for span in Span:
        limit = getattr(limits.total, span)
        if limit is not None:
            within = span.name_of(at, calendar)
            yield "orders", span, CounterId(f"{name}/orders/{within}" if within else f"{name}/orders"), limit
    if limits.budget is not None:
        yield "spent", None, CounterId(f"{name}/spent"), limits.budget.minor_units
    if limits.units is not None:
        yield "units", None, CounterId(f"{name}/units"), limits.units


def counters_of(offers: Iterable[Offer], *, at: datetime, calendar: Calendar) -> tuple[CounterId, ...]:
    """Name the counters to load before these offers can be given, sorted."""
    return tuple(sorted({name for offer in offers for _, _, name, _ in _counters(offer, at, calendar)}))


def used_of(offers: Iterable[Offer], taken: Mapping[CounterId, int], *, at: datetime, calendar: Calendar) -> dict[str, Used]:
    """Say how much of each offer is used up.

    Args:
        offers: Those with limits.
        taken: What others hold of each counter.
        at: The instant of the question.
        calendar: Whose local days count.
    """
    found = dict[str, Used]()
    for offer in offers:
        counts, in_span = {"spent": 0, "units": 0}, dict[Span, int]()
        for what, span, name, _ in _counters(offer, at, calendar):
            if span is None:
                counts[what] = taken.get(name, 0)
            else:
                in_span[span] = taken.get(name, 0)
        found[offer.offer_id] = Used(
            times=in_span.get(Span.EVER, 0), times_in=in_span, spent_minor=counts["spent"], units=counts["units"]
        )
    return found


def with_own_uses(
    view: View, book: OfferBook, membership: Membership | None, *, order_id: str | None, at: datetime, calendar: Calendar
) -> View:
    """Add what the member used himself; where whoever asks counted more, that counts.

    Args:
        view: What was loaded.
        book: The offers.
        membership: Whose uses; a guest has none.
        order_id: The order that asks: what it uses already is its own.
        at: The instant of the question.
        calendar: Whose local days count.
    """
    if membership is None or not membership.uses:
        return view
    used = dict(view.used)
    for offer in book.limited_per_member:
        seen = view.used_of(offer.offer_id)
        times = {
            span: membership.uses_of(offer.offer_id, but=order_id, within=span.window(at, calendar), at=at)
            for span in Span
            if getattr(offer.limits.per_member, span) is not None
        }
        spans = {span: max(count, seen.by_member_in_span(span)) for span, count in times.items()}
        used[offer.offer_id] = attrs.evolve(
            seen, by_member=max(seen.by_member, spans.get(Span.EVER, 0)), by_member_in={**seen.by_member_in, **spans}
        )
    return attrs.evolve(view, used=used)


def offers_per_member(book: OfferBook, giving: Iterable[AppliedOffer]) -> tuple[str, ...]:
    """Name the offers at work that one member may use only so often."""
    limited = {offer.offer_id for offer in book.limited_per_member}
    return tuple(sorted(limited & {offer.offer_id for offer in giving}))


def offer_claims(
    book: OfferBook,
    giving: Iterable[AppliedOffer],
    *,
    order_id: str,
    at: datetime,
    until: datetime | None,
    calendar: Calendar,
) -> tuple[Claim, ...]:
    """Claim what an order uses of offers with limits that all orders share.

    Args:
        book: The offers.
        giving: Those that give something.
        order_id: The order.
        at: When.
        until: First instant at which it is free again by itself; ``None`` counts for ever.
        calendar: Whose local days count.
    """
    claims = list[Claim]()
    for applied in giving:
        offer = book.offer(applied.offer_id)
        amounts = {"orders": 1, "spent": applied.discount_minor, "units": applied.units}
        for what, _, name, limit in () if offer is None else _counters(offer, at, calendar):
            if amounts[what]:
                key = claim_key(order_id)
                claims.append(Claim(counter=name, key=key, amount=amounts[what], limit=limit, at=at, until=until))
    return tuple(claims)


def holding(counters: Mapping[str, int], *, order_id: str, at: datetime) -> tuple[Claim, ...]:
    """Hold for good what an order claimed until it was paid, whatever others took meanwhile.

    Args:
        counters: What it claimed, by name.
        order_id: The order.
        at: When it was paid.
    """
    return tuple(
        Claim(counter=CounterId(name), key=claim_key(order_id), amount=amount, limit=None, at=at, until=None)
        for name, amount in counters.items()
    )


def freeing(counters: Mapping[str, int], *, order_id: str, at: datetime, but: Iterable[str] = ()) -> tuple[Claim, ...]:
    """Free what an order claimed.

    Args:
        counters: What it claimed, by name.
        order_id: The order.
        at: When.
        but: Counters that keep it.
    """
    kept, key = set(but), claim_key(order_id)
    return tuple(
        Claim(counter=CounterId(name), key=key, amount=0, limit=None, at=at, until=None) for name in counters if name not in kept
    )


# ---- gift cards ----


def pay(
    asked: Asked,
    view: View,
    groups: Sequence[UnitGroup],
    net: Sequence[int],
    total: Money,
    *,
    order_id: str | None,
    at: datetime,
) -> FrozenMap[str, CardAnswer]:
    """Let gift cards pay, in the order they are asked, each as much as it can of what those before it left.

    A card that is for some goods only pays for no more of them than is to be paid for them, and than other such cards left.

    Args:
        asked: The basket, and which cards.
        view: The cards as they are now.
        groups: The basket's units.
        net: What is to be paid for each group.
        total: What is to be paid for goods and shipping.
        order_id: The order it is to become: what is held on a card for it is its own.
        at: The instant of the question.
    """
    left, goods_left, found = total.minor_units, list(net), dict[str, CardAnswer]()
    for card_id in dict.fromkeys(asked.cards):
        card, nothing = view.cards.get(card_id), Money.zero(total.currency)
        paid, refusal = nothing, None
        if card_id in view.refused_cards:
            refusal = view.refused_cards[card_id]
        elif card is None or card.issued is None:
            refusal = Refusal(Reason.CARD_NOT_FOUND, {"card_id": card_id})
        elif card.currency != total.currency:
            refusal = Refusal(Reason.CARD_CURRENCY_MISMATCH, {"currency": card.currency})
        elif left:
            mine = [place for place, group in enumerate(groups) if card.takes(group)]
            goods = Money(sum(goods_left[place] for place in mine), total.currency)
            answer = _without_hold(card, order_id, at).check_pay(
                Money(left, total.currency), basket=asked.basket, goods=goods, at=at
            )
            if isinstance(answer, Refused):
                refusal = answer.refusal
            else:
                paid = answer.value
                left -= paid.minor_units
                if card.issued.goods is not None:
                    _take(goods_left, mine, paid.minor_units)
        lines = _lines_of(card, groups) if paid.minor_units and card is not None else ()
        found[card_id] = CardAnswer(card_id=card_id, paid=paid, lines=lines, refusal=refusal)
    return FrozenMap(found)


def _without_hold(card: GiftCard, order_id: str | None, at: datetime) -> GiftCard:
    """Give a card as it is but for what it holds for an order: that asks again, and is not in its own way."""
    hold = None if order_id is None else card.ledger.holds.get(order_id)
    return card if order_id is None or hold is None or not hold.is_open else card.void(order_id, at=at).state


def _lines_of(card: GiftCard, groups: Sequence[UnitGroup]) -> tuple[str, ...]:
    """Name the lines that a card for some goods only pays for; nothing for a card that pays for all."""
    if card.issued is None or card.issued.goods is None:
        return ()
    return tuple(sorted({units.line_id for group in groups if card.takes(group) for units in group.lines}))


def _take(left: list[int], places: Iterable[int], minor: int) -> None:
    """Take an amount off groups, one after the other."""
    for place in places:
        part = min(left[place], minor)
        left[place] -= part
        minor -= part
