"""What a quote says: values, made by ``Program.quote``, and how its amounts are shared out to lines."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Final, TypeAlias, final

import attrs

from loyaltycore._checks import check_kind, check_several, check_whole, masked, shown
from loyaltycore._coupon import RedeemedCoupon
from loyaltycore._earning import EarningAnswer
from loyaltycore._explain import explain
from loyaltycore._formula import POINTS
from loyaltycore._frozen import FrozenMap
from loyaltycore.basket import Basket, LineUnits, UnitGroup
from loyaltycore.conditions import Situation
from loyaltycore.coupons import CodeAnswer
from loyaltycore.errors import Accepted, Refusal, Refused, UsageError
from loyaltycore.identity import check_id
from loyaltycore.members import Profile
from loyaltycore.messages import Language
from loyaltycore.offers import AppliedOffer, Evaluation, GiftGiven, Nudge, NudgeOrder, OfferBook, View
from loyaltycore.orders import CardPayment, EarnedPoints, OrderLine, ReferralNeed
from loyaltycore.points import BurnAnswer, BurnRule
from loyaltycore.quantities import Money, share_of_units
from loyaltycore.referrals import ReferralProgram, referral_need
from loyaltycore.wire import Json, coded_digest

__all__ = ["Asked", "CardAnswer", "Quote", "QuotedLine"]


def _several(codes: Iterable[str]) -> tuple[str, ...]:
    if isinstance(codes, str) or not isinstance(codes, Iterable):
        msg = f"codes must be several texts, such as ['SUMMER10'], got a {type(codes).__name__}"
        raise UsageError(msg)
    return tuple(codes)


def _masked(codes: tuple[str, ...]) -> str:
    return f"({''.join(f'{masked(code)}, ' for code in codes)})"


def _ids(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple([check_id("each of the ids", one) for one in check_several("ids", ids, str, limit=_IDS_LIMIT)])


_IDS_LIMIT: Final = 20
"""Coupons chosen, or gift cards that pay, for one order."""


@final
@attrs.frozen(kw_only=True)
class Asked:
    """What a quote was asked for: enough to ask again.

    Attributes:
        basket: What is bought.
        member_id: By whom; ``None`` for a guest.
        profile: What the shop told about the person.
        codes: The codes entered, as typed.
        burn: Points to burn.
        coupons: Coupons of the member's that are chosen, by id.
        cards: Gift cards that are to pay, by their own ids, never their numbers; in the order they are asked.
    """

    basket: Basket
    member_id: str | None = None
    profile: Profile = Profile()
    codes: tuple[str, ...] = attrs.field(default=(), converter=_several, repr=_masked)
    burn: int = 0
    coupons: tuple[str, ...] = attrs.field(default=(), converter=_ids)
    cards: tuple[str, ...] = attrs.field(default=(), converter=_ids)

    def __attrs_post_init__(self) -> None:
        """Check what the basket and the profile do not check themselves."""
        if self.member_id is not None:
            check_id("member_id", self.member_id)
        for code in self.codes:
            check_kind("code", code, str)
        check_kind("basket", self.basket, Basket)
        check_kind("profile", self.profile, Profile)
        check_whole("burn", self.burn, low=0)


_NO_SHARES: Final = FrozenMap[str, int]()


@final
@attrs.frozen(kw_only=True)
class QuotedLine:
    """One line of a quote; amounts are of all its units, as whole minor units and, by properties, as ``Money``.

    Attributes:
        line_id: The shop's own.
        product_id: The shop's own.
        quantity: Units.
        currency: Of all amounts.
        list_minor: Before offers.
        discount_minor: What offers take off.
        burn_minor: What burned points take off.
        burn_points: The points that do.
        points: Its part of the points to earn on the main account.
        qualifies: Whether what is paid for it counts for tiers.
        offers: What each offer takes off it, in minor units by offer id, in the order they apply; one that takes nothing is not
            there. They sum to ``discount_minor``.
    """

    line_id: str
    product_id: str
    quantity: int
    currency: str
    list_minor: int
    discount_minor: int
    burn_minor: int
    burn_points: int
    points: int
    qualifies: bool
    offers: FrozenMap[str, int] = _NO_SHARES

    @property
    def net_minor(self) -> int:
        """What is left: list less discount less burn, never below 0."""
        return self.list_minor - self.discount_minor - self.burn_minor

    @property
    def list_price(self) -> Money:
        """Before offers."""
        return Money(self.list_minor, self.currency)

    @property
    def discount(self) -> Money:
        """What offers take off."""
        return Money(self.discount_minor, self.currency)

    @property
    def burn(self) -> Money:
        """What burned points take off."""
        return Money(self.burn_minor, self.currency)

    @property
    def net(self) -> Money:
        """What is left to pay for it."""
        return Money(self.net_minor, self.currency)


@final
@attrs.frozen(kw_only=True)
class CardAnswer:
    """What one gift card pays.

    Attributes:
        card_id: The card's own id, never its number.
        paid: What it pays of this order.
        lines: The lines it pays for, by id; empty where it pays for any goods, and for shipping.
        refusal: Why it pays nothing; ``None`` where it pays, or where nothing is left to pay.
    """

    card_id: str
    paid: Money
    lines: tuple[str, ...] = ()
    refusal: Refusal | None = None

    @property
    def public(self) -> str:
        """What may be shown of the refusal; empty where it pays. The ids of cards are for the shop, and not for its page."""
        return "" if self.refusal is None else self.refusal.reason.public


def _answered(answers: FrozenMap[str, CodeAnswer]) -> str:
    return repr(tuple(answers.values()))


@final
@attrs.frozen(kw_only=True)
class Quote:
    """What the basket page shows, and what ``place`` books: the same thing.

    Attributes:
        asked: What it answers.
        at: When.
        lines: By line id, in the basket's order.
        offers: Applied and refused, with reasons.
        shipping: What shipping costs after offers; ``None`` while not known, unless it is free.
        burn: Points asked and granted, and why fewer.
        earned: Points to earn, by rule, with their terms.
        earning: What every rule answered, and every offer that gives points: desired and granted, and why fewer.
        codes: An answer to each code entered.
        held_coupons: An answer to each coupon of the member's that was chosen, or that applies by itself, by its id.
        cards: An answer to each gift card that is to pay, by its own id, in the order they are asked.
        tier: The member's tier before this order; ``None`` for a guest.
        tier_after: The tier after it.
        subtotal: Goods before offers.
        total: Goods and known shipping after offers and burned points.
        to_pay: What is left to pay after gift cards.
        program_digest: Of the program that made it.
        book: The offers it was made with.
        groups: The basket's units, in their one order.
        situation: What the conditions saw.
        usable: The coupon of each campaign that can be redeemed now, by campaign.
        referrals: What members get who bring friends; ``None`` in a program without.
    """

    asked: Asked
    at: datetime
    lines: FrozenMap[str, QuotedLine]
    offers: Evaluation
    shipping: Money | None
    burn: BurnAnswer
    earned: tuple[EarnedPoints, ...]
    earning: tuple[EarningAnswer, ...]
    codes: FrozenMap[str, CodeAnswer] = attrs.field(repr=_answered)
    held_coupons: FrozenMap[str, CodeAnswer] = attrs.field(repr=_answered)
    cards: FrozenMap[str, CardAnswer]
    tier: str | None
    tier_after: str | None
    subtotal: Money
    total: Money
    to_pay: Money
    program_digest: str
    book: OfferBook = attrs.field(repr=False)
    groups: tuple[UnitGroup, ...] = attrs.field(repr=False)
    situation: Situation = attrs.field(repr=False)
    usable: FrozenMap[str, str] = attrs.field(default=FrozenMap[str, str](), repr=False)
    referrals: ReferralProgram | None = attrs.field(default=None, repr=False)

    @cached_property
    def referral(self) -> ReferralNeed | None:
        """Say that this order would qualify a friend, were its member one whom somebody referred; ``None`` where it would not.

        It feeds nothing else. Of a guest's order it says what it would as a new member's.
        """
        return None if self.referrals is None else referral_need(self.referrals, self.situation)

    @cached_property
    def nudges(self) -> tuple[Nudge, ...]:
        """How little more gets a reward, nearest first; worked out when first asked for."""
        return self.nudges_by(NudgeOrder.NEAREST)

    def nudges_by(self, order: NudgeOrder) -> tuple[Nudge, ...]:
        """Say how little more gets a reward.

        Args:
            order: Nearest first, or most worth first.

        Complexity:
            Quotes the basket several times for each offer that could be near.
        """
        found = self.book.nudges(self.situation, view=self.offers.view, order=order)
        if not self.view.codes:
            return found
        # Of a code that a guesser may have hit, a nudge would say what the public answer does not.
        silent = {one.offer_id for text, one in self.codes.items() if text in self.view.codes and not (one.applied or one.proven)}
        return tuple([nudge for nudge in found if nudge.offer_id not in silent])

    @property
    def points_to_earn(self) -> int:
        """Points this order would earn on the main account, by all rules."""
        return sum(earned.points for earned in self.earned if earned.account == POINTS)

    @property
    def discount(self) -> Money:
        """What all offers take off goods and known shipping."""
        return Money(self.offers.goods_minor + self.offers.shipping_minor, self.total.currency)

    @property
    def shipping_discount(self) -> Money:
        """What all offers take off shipping, as far as its price is known."""
        return Money(self.offers.shipping_minor, self.total.currency)

    @property
    def gifts(self) -> tuple[GiftGiven, ...]:
        """What comes free beside what is bought, in the order the offers apply."""
        return self.offers.gifts

    @property
    def view(self) -> View:
        """What was loaded for it besides the member."""
        return self.offers.view

    @property
    def card_payments(self) -> tuple[CardPayment, ...]:
        """What gift cards pay, in the order they are asked."""
        return tuple(
            [
                CardPayment(card_id=one.card_id, minor=one.paid.minor_units, lines=one.lines)
                for one in self.cards.values()
                if one.paid.minor_units
            ]
        )

    @property
    def coupons_redeemed(self) -> tuple[RedeemedCoupon, ...]:
        """The coupons it uses up: those whose offer gives something."""
        return tuple(
            [
                RedeemedCoupon(campaign_id=offer.offer_id, coupon_id=self.usable[offer.offer_id])
                for offer in (giving(self) if self.usable else ())
                if offer.offer_id in self.usable
            ]
        )

    @property
    def coupons(self) -> tuple[str, ...]:
        """Coupons to come with this order, by name, in the order the offers apply."""
        return self.offers.coupons

    def unit_shares(self, line_id: str) -> tuple[int, ...]:
        """Give what is left to pay for each unit of a line, in minor units: what tax is computed of, and what returns give back.

        Args:
            line_id: One of the basket's.

        Returns:
            One amount for each unit, in the order in which units come back; they sum to the line's ``net_minor``.

        Raises:
            UsageError: A line that is not in the basket.
        """
        line = self.lines.get(line_id)
        if line is None:
            msg = f"line_id must be one of the basket's, got {shown(line_id)}"
            raise UsageError(msg)
        return tuple([share_of_units(line.net_minor, line.quantity, start=n, stop=n + 1) for n in range(line.quantity)])

    @cached_property
    def commitment(self) -> dict[str, Json]:
        """Everything that ``place`` must find again: prices, shares, points, and the program; not the time."""
        return {
            "program": self.program_digest,
            "member": self.asked.member_id,
            "lines": [_committed(line) for line in self.lines.values()],
            "shipping": None if self.shipping is None else self.shipping.minor_units,
            "offers": [[offer.offer_id, offer.discount_minor] for offer in giving(self)],
            "burn": [self.burn.granted, self.burn.discount_minor],
            "gifts": [[gift.product_id, gift.quantity] for gift in self.gifts],
            "coupons": list(self.coupons),
            "cards": [[one.card_id, one.minor] for one in self.card_payments],
            "redeemed": [[one.campaign_id, one.coupon_id] for one in self.coupons_redeemed],
            "earned": [_promised(earned) for earned in self.earned],
            "to_pay": [self.to_pay.minor_units, self.to_pay.currency],
        }

    @cached_property
    def digest(self) -> str:
        """The commitment in 32 characters, to travel through a page and back."""
        return coded_digest(self.commitment, purpose="lc.quote")

    def verdict(self, offer_id: str) -> Accepted[AppliedOffer] | Refused:
        """Answer for one offer: applied, or why not."""
        return self.offers.verdict(offer_id)

    def explain(self, language: Language = "en") -> str:
        """Say the whole quote to a person, one line for each thing.

        Args:
            language: ``"en"`` or ``"fr"``.
        """
        return explain(self, language)


def _committed(line: QuotedLine) -> list[Json]:
    amounts = [
        line.list_minor,
        line.discount_minor,
        line.burn_minor,
        line.burn_points,
        line.points,
        line.qualifies,
    ]
    return [line.line_id, line.product_id, line.quantity, *amounts, dict(line.offers)]


def giving(quote: Quote) -> tuple[AppliedOffer, ...]:
    """Give the applied offers that an order books: those that give something. Points may not, before the program starts."""
    earned = {one.rule for one in quote.earned}
    multiplied = quote.points_to_earn > 0
    return tuple(
        [
            offer
            for offer in quote.offers.applied
            if offer.discount_minor
            or offer.frees_shipping
            or offer.eases_shipping
            or offer.gifts
            or offer.coupons
            or offer.offer_id in earned
            or (offer.times and multiplied)
        ]
    )


def _promised(earned: EarnedPoints) -> list[Json]:
    counted = [[part.line_id, part.minor, part.times, part.of] for part in earned.counted]
    return [earned.rule, earned.account, earned.points, counted]


@final
@attrs.frozen(kw_only=True)
class Shared:
    """One quantity shared out to unit groups, in their order."""

    list_minor: tuple[int, ...]
    offered: tuple[int, ...]
    net: tuple[int, ...]
    burn_points: tuple[int, ...]
    points: tuple[int, ...]
    qualifies: tuple[bool, ...]

    @property
    def qualifying_minor(self) -> int:
        """What counts for tiers."""
        return sum(net for net, counts in zip(self.net, self.qualifies, strict=True) if counts)


def after_offers(groups: tuple[UnitGroup, ...], offers: Evaluation) -> tuple[int, ...]:
    """Give what is left of each group after offers."""
    left = [group.list_minor for group in groups]
    for offer in offers.applied:
        left = [rest - share for rest, share in zip(left, offer.shares, strict=True)]
    return tuple(left)


def payable(burning: BurnRule, groups: tuple[UnitGroup, ...], left: tuple[int, ...]) -> tuple[int, ...]:
    """Give what is left of each group after offers, where points may pay."""
    tags, products = burning.exclude_tags, burning.exclude_products
    return tuple(
        0 if group.tags & tags or group.product_id in products else minor for group, minor in zip(groups, left, strict=True)
    )


def shipping_after(basket: Basket, offers: Evaluation) -> Money | None:
    """Give what shipping costs after offers; ``None`` while it is not known, unless it is free."""
    if offers.frees_shipping:
        return Money.zero(basket.currency)
    taken = offers.shipping_minor
    return basket.shipping if basket.shipping is None or not taken else basket.shipping - Money(taken, basket.currency)


def quoted_lines(basket: Basket, groups: tuple[UnitGroup, ...], shared: Shared, offers: Evaluation) -> FrozenMap[str, QuotedLine]:
    """Share the groups' quantities out to lines; each line holds fixed units of its group."""
    quoted: dict[str, QuotedLine] = {}
    currency, taken = basket.currency, _by_group(offers, len(groups))
    shares = zip(shared.list_minor, shared.offered, shared.net, shared.burn_points, shared.points, strict=True)
    for group, whole, off, qualifies in zip(groups, shares, taken, shared.qualifies, strict=True):
        for units in group.lines:
            is_whole = len(group.lines) == 1
            part = whole if is_whole else _of_units(whole, group.quantity, units)
            listed, offered, net, burn_points, points = part
            quoted[units.line_id] = QuotedLine(
                line_id=units.line_id,
                product_id=group.product_id,
                quantity=units.stop - units.start,
                currency=currency,
                list_minor=listed,
                discount_minor=listed - offered,
                burn_minor=offered - net,
                burn_points=burn_points,
                points=points,
                qualifies=qualifies,
                offers=_of_line(off, None if is_whole else units, group) if off else _NO_SHARES,
            )
    return FrozenMap({line.line_id: quoted[line.line_id] for line in basket.lines})


_Whole: TypeAlias = tuple[int, int, int, int, int]
"""What a unit group, or some of its units, hold: list price, what offers left, what is paid, points burned, points earned."""


def _of_units(whole: _Whole, quantity: int, units: LineUnits) -> _Whole:
    """Give what a line's units hold of their group."""
    listed, offered, net, burn_points, points = [
        share_of_units(one, quantity, start=units.start, stop=units.stop) for one in whole
    ]
    return listed, offered, net, burn_points, points


def _by_group(offers: Evaluation, count: int) -> list[dict[str, int]]:
    """Give what each offer takes off each group, in the order they apply."""
    taken: list[dict[str, int]] = [{} for _ in range(count)]
    for offer in offers.applied:
        for place, share in enumerate(offer.shares):
            if share:
                taken[place][offer.offer_id] = share
    return taken


def _of_line(taken: dict[str, int], units: LineUnits | None, group: UnitGroup) -> FrozenMap[str, int]:
    """Give what each offer takes off a line, as they apply one after the other.

    What an offer takes off some units is what they hold before it less what they hold after it: so a unit never gives more than
    it has, and the offers sum to what is taken off the line.
    """
    if units is None:
        return FrozenMap(taken)
    found, left = dict[str, int](), group.list_minor
    before = share_of_units(left, group.quantity, start=units.start, stop=units.stop)
    for offer_id, share in taken.items():
        left -= share
        after = share_of_units(left, group.quantity, start=units.start, stop=units.stop)
        if after < before:
            found[offer_id] = before - after
        before = after
    return FrozenMap(found)


def order_line(line: QuotedLine) -> OrderLine:
    """Freeze a quoted line."""
    return OrderLine(
        line_id=line.line_id,
        product_id=line.product_id,
        quantity=line.quantity,
        list_minor=line.list_minor,
        discount_minor=line.discount_minor,
        burn_minor=line.burn_minor,
        burn_points=line.burn_points,
        qualifies=line.qualifies,
    )
