"""What a quote says: values, made by ``Program.quote``, and how its amounts are shared out to lines."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import NamedTuple, final

import attrs

from loyaltycore._checks import check_kind, check_whole
from loyaltycore._earning import EarningAnswer
from loyaltycore._formula import POINTS
from loyaltycore._frozen import FrozenMap
from loyaltycore.basket import Basket, LineUnits, UnitGroup
from loyaltycore.conditions import Situation
from loyaltycore.coupons import CodeAnswer
from loyaltycore.errors import Accepted, Reason, Refused, UsageError
from loyaltycore.identity import check_id
from loyaltycore.members import Profile
from loyaltycore.messages import Language, explain_refusal, say
from loyaltycore.offers import AppliedOffer, Evaluation, Nudge, OfferBook
from loyaltycore.orders import EarnedPoints, OrderLine
from loyaltycore.points import BurnAnswer, BurnRule
from loyaltycore.quantities import Money, share_of_units
from loyaltycore.wire import Json, coded_digest

__all__ = ["Asked", "Quote", "QuotedLine"]


def _several(codes: Iterable[str]) -> tuple[str, ...]:
    if isinstance(codes, str) or not isinstance(codes, Iterable):
        msg = f"codes must be several texts, such as ['SUMMER10'], got {codes!r:.80}"
        raise UsageError(msg)
    return tuple(codes)


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
    """

    basket: Basket
    member_id: str | None = None
    profile: Profile = Profile()
    codes: tuple[str, ...] = attrs.field(default=(), converter=_several)
    burn: int = 0

    def __attrs_post_init__(self) -> None:
        """Check what the basket and the profile do not check themselves."""
        if self.member_id is not None:
            check_id("member_id", self.member_id)
        for code in self.codes:
            check_kind("code", code, str)
        check_kind("basket", self.basket, Basket)
        check_kind("profile", self.profile, Profile)
        check_whole("burn", self.burn, low=0)


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
        earning: What every rule answered: desired and granted, and why fewer.
        codes: An answer to each code entered.
        tier: The member's tier before this order; ``None`` for a guest.
        tier_after: The tier after it.
        subtotal: Goods before offers.
        total: Goods and known shipping after offers and burned points.
        to_pay: What is left to pay.
        program_digest: Of the program that made it.
        book: The offers it was made with.
        groups: The basket's units, in their one order.
        situation: What the conditions saw.
    """

    asked: Asked
    at: datetime
    lines: FrozenMap[str, QuotedLine]
    offers: Evaluation
    shipping: Money | None
    burn: BurnAnswer
    earned: tuple[EarnedPoints, ...]
    earning: tuple[EarningAnswer, ...]
    codes: FrozenMap[str, CodeAnswer]
    tier: str | None
    tier_after: str | None
    subtotal: Money
    total: Money
    to_pay: Money
    program_digest: str
    book: OfferBook = attrs.field(repr=False)
    groups: tuple[UnitGroup, ...] = attrs.field(repr=False)
    situation: Situation = attrs.field(repr=False)

    @cached_property
    def nudges(self) -> tuple[Nudge, ...]:
        """How little more gets a reward, nearest first; worked out when first asked for."""
        shipping = self.asked.basket.shipping
        shipping_minor = None if shipping is None else shipping.minor_units
        return self.book.nudges(self.groups, shipping_minor=shipping_minor, situation=self.situation)

    @property
    def points_to_earn(self) -> int:
        """Points this order would earn on the main account, by all rules."""
        return sum(earned.points for earned in self.earned if earned.account == POINTS)

    @property
    def discount(self) -> Money:
        """What all offers take off goods and known shipping."""
        return Money(self.offers.goods_minor + self.offers.shipping_minor, self.total.currency)

    @cached_property
    def commitment(self) -> dict[str, Json]:
        """Everything that ``place`` must find again: prices, shares, points, and the program; not the time."""
        return {
            "program": self.program_digest,
            "member": self.asked.member_id,
            "lines": [_committed(line) for line in self.lines.values()],
            "shipping": None if self.shipping is None else self.shipping.minor_units,
            "offers": [[offer.offer_id, offer.discount_minor] for offer in self.offers.applied],
            "burn": [self.burn.granted, self.burn.discount_minor],
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
        return "\n".join([*self._about_goods(language), *self._about_total(language), *self._about_answers(language)])

    def _about_goods(self, language: Language) -> list[str]:
        said = []
        for line in self.lines.values():
            key = "explain.line" if line.net == line.list_price else "explain.line_reduced"
            said.append(say(key, language, quantity=line.quantity, product=line.product_id, net=line.net, list=line.list_price))
        currency = self.total.currency
        said += [
            say("explain.offer", language, offer=offer.offer_id, discount=Money(offer.discount_minor, currency))
            for offer in self.offers.applied
            if offer.discount_minor
        ]
        if self.burn.granted:
            said.append(
                say("explain.burn", language, points=self.burn.granted, discount=Money(self.burn.discount_minor, currency))
            )
        return said

    def _about_total(self, language: Language) -> list[str]:
        before = self.asked.basket.shipping
        if self.shipping is None:
            shipping = say("explain.shipping_unknown", language)
        elif before is None or before == self.shipping:
            shipping = say("explain.shipping", language, net=self.shipping)
        else:
            shipping = say("explain.shipping_reduced", language, net=self.shipping, list=before)
        said = [shipping, say("explain.total", language, total=self.total)]
        if self.to_pay != self.total:
            said.append(say("explain.to_pay", language, to_pay=self.to_pay))
        said.append(say("explain.earn", language, points=self.points_to_earn))
        if self.tier_after is not None:
            said.append(say("explain.tier", language, tier=self.tier_after))
        return said

    def _about_answers(self, language: Language) -> list[str]:
        said = []
        for answer in self.codes.values():
            if answer.refusal is None:
                said.append(say("explain.code_applied", language, code=answer.entered.strip(), offer=answer.offer_id or ""))
            else:
                said.append(
                    say(
                        "explain.code_refused",
                        language,
                        code=answer.entered.strip(),
                        why=explain_refusal(answer.refusal, language),
                    )
                )
        if self.burn.refusal is not None:
            why = explain_refusal(self.burn.refusal, language)
            said.append(say("explain.burn_refused", language, asked=self.burn.asked, granted=self.burn.granted, why=why))
        # What a code's answer or a nudge says is not said twice.
        told = {answer.offer_id for answer in self.codes.values()} | {nudge.offer_id for nudge in self.nudges}
        for offer_id, refusals in self.offers.refused.items():
            # Offers behind a code that was not entered stay unsaid: a page is no list of codes.
            if offer_id not in told and all(refusal.reason is not Reason.CODE_MISSING for refusal in refusals):
                said.append(say("explain.offer_refused", language, offer=offer_id, why=explain_refusal(refusals[0], language)))
        return said + [nudge.text(language) for nudge in self.nudges]


def _committed(line: QuotedLine) -> list[Json]:
    amounts = [
        line.list_minor,
        line.discount_minor,
        line.burn_minor,
        line.burn_points,
        line.points,
        line.qualifies,
    ]
    return [line.line_id, line.product_id, line.quantity, *amounts]


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


def payable(burning: BurnRule, groups: tuple[UnitGroup, ...], offers: Evaluation) -> tuple[int, ...]:
    """Give what is left of each group after offers, where points may pay."""
    left = after_offers(groups, offers)
    tags, products = burning.exclude_tags, burning.exclude_products
    return tuple(
        0 if group.tags & tags or group.product_id in products else minor for group, minor in zip(groups, left, strict=True)
    )


def shipping_after(basket: Basket, offers: Evaluation) -> Money | None:
    """Give what shipping costs after offers; ``None`` while it is not known."""
    return Money.zero(basket.currency) if offers.frees_shipping else basket.shipping


def quoted_lines(basket: Basket, groups: tuple[UnitGroup, ...], shared: Shared) -> FrozenMap[str, QuotedLine]:
    """Share the groups' quantities out to lines; each line holds fixed units of its group."""
    quoted: dict[str, QuotedLine] = {}
    for place, group in enumerate(groups):
        whole = _GroupShare(
            listed=shared.list_minor[place],
            offered=shared.offered[place],
            net=shared.net[place],
            burn_points=shared.burn_points[place],
            points=shared.points[place],
        )
        for units in group.lines:
            part = whole if len(group.lines) == 1 else whole.of_units(group.quantity, units)
            quoted[units.line_id] = QuotedLine(
                line_id=units.line_id,
                product_id=group.product_id,
                quantity=units.stop - units.start,
                currency=basket.currency,
                list_minor=part.listed,
                discount_minor=part.listed - part.offered,
                burn_minor=part.offered - part.net,
                burn_points=part.burn_points,
                points=part.points,
                qualifies=shared.qualifies[place],
            )
    return FrozenMap({line.line_id: quoted[line.line_id] for line in basket.lines})


class _GroupShare(NamedTuple):
    """What a unit group, or some of its units, hold."""

    listed: int
    offered: int
    net: int
    burn_points: int
    points: int

    def of_units(self, quantity: int, units: LineUnits) -> _GroupShare:
        return _GroupShare(*(share_of_units(whole, quantity, start=units.start, stop=units.stop) for whole in self))


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
