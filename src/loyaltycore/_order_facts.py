"""What an order is made of, and the facts of its life: values that check themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, assert_never, final

import attrs

from loyaltycore._checks import check_count, check_kind, shown
from loyaltycore._coupon import RedeemedCoupon
from loyaltycore._formula import POINTS, EarnedPoints
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import UsageError
from loyaltycore.facts import Fact
from loyaltycore.identity import check_id
from loyaltycore.quantities import Money, share_of_units

__all__ = [
    "CardPayment",
    "NeedOf",
    "OfferCost",
    "OfferNeed",
    "OrderAttached",
    "OrderCancelled",
    "OrderCardSold",
    "OrderLine",
    "OrderPlaced",
    "OrderReserved",
    "OrderReturned",
    "ReferralNeed",
    "TakenBack",
]


@final
@attrs.frozen(kw_only=True)
class OrderLine:
    """One line as it was booked; all amounts are of all its units, in minor units.

    Attributes:
        line_id: The shop's own.
        product_id: The shop's own.
        quantity: Units.
        list_minor: Before offers.
        discount_minor: What offers took off.
        burn_minor: What burned points took off.
        burn_points: The burned points that did.
        qualifies: Whether what was paid for it counts for tiers.
    """

    line_id: str
    product_id: str
    quantity: int
    list_minor: int
    discount_minor: int = 0
    burn_minor: int = 0
    burn_points: int = 0
    qualifies: bool = True

    @property
    def net_minor(self) -> int:
        """What was paid for it."""
        return self.list_minor - self.discount_minor - self.burn_minor

    def unit_shares(self) -> tuple[int, ...]:
        """Give what was paid for each unit, in minor units, in the order in which units come back; they sum to ``net_minor``."""
        return tuple([share_of_units(self.net_minor, self.quantity, start=n, stop=n + 1) for n in range(self.quantity)])


@final
@attrs.frozen(kw_only=True)
class CardPayment:
    """What one gift card paid of an order.

    Attributes:
        card_id: The card's own id, never its number.
        minor: How much, in minor units, at least 1.
        lines: The lines it pays for, by id; empty where it pays for any goods, and for shipping.
    """

    card_id: str
    minor: int
    lines: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse a payment of nothing."""
        check_id("card_id", self.card_id)
        check_count("minor", self.minor)


class NeedOf(StrEnum):
    """What an offer needs so much of: list prices in minor units, units, or different products."""

    SPEND = "spend"
    UNITS = "units"
    PRODUCTS = "products"


@final
@attrs.frozen(kw_only=True)
class OfferNeed:
    """What must be kept for an offer to stand.

    Attributes:
        of: What is counted.
        at_least: How much of it, at least 1.
        lines: The lines that count; empty for all.
    """

    of: NeedOf
    at_least: int
    lines: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse a need of nothing."""
        check_kind("of", self.of, NeedOf)
        check_count("at_least", self.at_least)

    def is_met(self, lines: Iterable[OrderLine], returned: Mapping[str, int]) -> bool:
        """Say whether what is kept is enough.

        Args:
            lines: Of the order.
            returned: Units that came back, by line id.
        """
        named = frozenset(self.lines)
        kept = [(line, line.quantity - returned.get(line.line_id, 0)) for line in lines if not named or line.line_id in named]
        match self.of:
            case NeedOf.SPEND:
                found = sum(share_of_units(line.list_minor, line.quantity, start=0, stop=units) for line, units in kept)
            case NeedOf.UNITS:
                found = sum(units for _, units in kept)
            case NeedOf.PRODUCTS:
                found = len({line.product_id for line, units in kept if units})
            case _:
                assert_never(self.of)
        return found >= self.at_least


def _by_line(lines: Mapping[str, int]) -> FrozenMap[str, int]:
    return FrozenMap(lines)


@attrs.frozen(kw_only=True)
class _OnWhatIsKept:
    """What stands as long as enough of the goods is kept.

    Attributes:
        needs: What it needs of what is kept.
        ways: The needs that must be met together, by their place among them; one such way is enough. Empty where nothing that is
            kept decides: then it always stands.
    """

    needs: tuple[OfferNeed, ...] = ()
    ways: tuple[tuple[int, ...], ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse ways that name needs which are not there."""
        if any(place not in range(len(self.needs)) for way in self.ways for place in way):
            msg = f"ways must name needs by their place, got {shown(self.ways)}"
            raise UsageError(msg)

    def stands(self, lines: Sequence[OrderLine], returned: Mapping[str, int]) -> bool:
        """Say whether what is kept still earns it.

        Args:
            lines: Of the order.
            returned: Units that came back, by line id.
        """
        return not self.ways or any(all(self.needs[place].is_met(lines, returned) for place in way) for way in self.ways)


@final
@attrs.frozen(kw_only=True)
class OfferCost(_OnWhatIsKept):
    """What one offer took off the whole order; and, where returns may withdraw it, off each line, and what it needs.

    Attributes:
        offer_id: Which.
        discount_minor: Off goods and shipping together.
        lines: What it took off each line, by line id.
        needs: What it needs of what is kept.
        ways: The needs that must be met together, by their place among them; one such way is enough. Empty where nothing that is
            kept decides: then it is never withdrawn.
    """

    offer_id: str
    discount_minor: int
    lines: FrozenMap[str, int] = attrs.field(default=FrozenMap[str, int](), converter=_by_line)


@final
@attrs.frozen(kw_only=True)
class ReferralNeed(_OnWhatIsKept):
    """Says that an order qualifies a friend who was referred, and what of it must be kept for that.

    Attributes:
        program_id: The referral program.
        needs: What it needs of what is kept.
        ways: The needs that must be met together, as of an offer; empty where all that must not happen is that all comes back.
        first_only: Whether it would not, were it not the first order: of a guest's, of whom nobody knows that yet.
    """

    program_id: str
    first_only: bool = False


@final
@attrs.frozen(kw_only=True)
class OrderPlaced(Fact):
    """An order was booked as quoted.

    Attributes:
        order_id: The shop's own.
        member_id: Whose; ``None`` for a guest.
        currency: Of all amounts.
        lines: As booked.
        shipping_minor: What shipping cost after offers.
        offers: What each offer cost.
        burn_points: Points burned.
        earned: Points earned, by rule.
        final_at: First instant after the return window; ``None`` never closes.
        codes: The codes whose offers applied, as ``identity.fold_code`` gives them.
        gifts: Units given free beside what was bought, by product; a return does not ask for them back.
        coupons: Coupons the shop owes for it, by name; one twice where two offers gave it.
        coupons_redeemed: Coupons it uses up.
        coupons_granted: Coupons it gives its member, of campaigns without codes.
        card_payments: What gift cards paid of it, in the order they were asked.
        counters: What it claims of counters that all orders share, by the counter's name.
        offers_per_member: The offers it uses that one member may use only so often, sorted.
        referral: That it qualifies a friend, should its member be one who was referred; ``None`` where it does not.
        digest: Of the quote it books.
        program: Digest of the program.
        ordered_at: When it was ordered, where that was before it was booked: the instant of its reservation; ``None`` is ``at``.
        late: Whether it was booked after its reservation had run out or was cancelled, because it was paid all the same.
    """

    kind: ClassVar[str] = "order.placed"
    order_id: str
    member_id: str | None = None
    currency: str
    lines: tuple[OrderLine, ...]
    shipping_minor: int = 0
    offers: tuple[OfferCost, ...] = ()
    burn_points: int = 0
    earned: tuple[EarnedPoints, ...] = ()
    final_at: datetime | None = None
    codes: tuple[str, ...] = ()
    gifts: FrozenMap[str, int] = FrozenMap[str, int]()
    coupons: tuple[str, ...] = ()
    coupons_redeemed: tuple[RedeemedCoupon, ...] = ()
    coupons_granted: tuple[RedeemedCoupon, ...] = ()
    card_payments: tuple[CardPayment, ...] = ()
    counters: FrozenMap[str, int] = FrozenMap[str, int]()
    offers_per_member: tuple[str, ...] = ()
    referral: ReferralNeed | None = None
    digest: str = ""
    program: str = ""
    ordered_at: datetime | None = None
    late: bool = False

    @property
    def since(self) -> datetime:
        """When it was ordered: what it earns counts from then."""
        return self.at if self.ordered_at is None else self.ordered_at

    @property
    def goods_minor(self) -> int:
        """What was paid for the goods."""
        return sum(line.net_minor for line in self.lines)

    @property
    def total(self) -> Money:
        """What was paid for goods and shipping."""
        return Money(self.goods_minor + self.shipping_minor, self.currency)

    @property
    def paid_by_cards_minor(self) -> int:
        """What gift cards paid of the total."""
        return sum(payment.minor for payment in self.card_payments)

    @property
    def to_pay(self) -> Money:
        """What was left to pay by other means: the total less what gift cards paid."""
        return self.total - Money(self.paid_by_cards_minor, self.currency)

    @property
    def points(self) -> int:
        """Points earned on the main account; ``earned`` tells those of the others."""
        return sum(earned.points for earned in self.earned if earned.account == POINTS)

    @property
    def shared_burn_points(self) -> int:
        """Points burned, as they were shared out to lines."""
        return sum(line.burn_points for line in self.lines)

    @property
    def qualifying_minor(self) -> int:
        """What counts for tiers."""
        return sum(line.net_minor for line in self.lines if line.qualifies)


@final
@attrs.frozen(kw_only=True)
class OrderReserved(Fact):
    """An order was set aside as quoted, until it is paid: what it is to burn is held.

    Attributes:
        order: What is booked when it is confirmed.
        until: First instant at which what was held for it is free again; a confirmation is honoured after that too, and is late.
    """

    kind: ClassVar[str] = "order.reserved"
    order: OrderPlaced
    until: datetime

    @property
    def order_id(self) -> str:
        """The shop's own."""
        return self.order.order_id

    @property
    def total(self) -> Money:
        """What goods and shipping cost; ``to_pay`` is what to ask a bank for."""
        return self.order.total

    @property
    def to_pay(self) -> Money:
        """What is left to pay by other means than gift cards: ask the bank for so much."""
        return self.order.to_pay


@final
@attrs.frozen(kw_only=True)
class OrderCancelled(Fact):
    """A reserved order was given up: what was held for it is free.

    Attributes:
        order_id: The shop's own.
    """

    kind: ClassVar[str] = "order.cancelled"
    order_id: str


@final
@attrs.frozen(kw_only=True)
class OrderAttached(Fact):
    """A guest's order found its member.

    Attributes:
        order_id: The shop's own.
        member_id: Whose it is from now on.
        earned: What it gave the member, as caps allowed then; what had come back by then was taken back again.
        coupons_granted: Coupons it gives the member, of campaigns without codes.
    """

    kind: ClassVar[str] = "order.attached"
    order_id: str
    member_id: str
    earned: tuple[EarnedPoints, ...] = ()
    coupons_granted: tuple[RedeemedCoupon, ...] = ()


@final
@attrs.frozen(kw_only=True)
class OrderCardSold(Fact):
    """A gift card was made for a unit of the order: it is a gift card that was bought.

    Attributes:
        order_id: The shop's own.
        line_id: The line of which it is a unit.
        card_id: The card's own id, never its number.
    """

    kind: ClassVar[str] = "order.card_sold"
    order_id: str
    line_id: str
    card_id: str


@final
@attrs.frozen(kw_only=True)
class OrderReturned(Fact):
    """Some of an order came back.

    Attributes:
        order_id: The order.
        return_id: The shop's own.
        currency: Of all amounts.
        lines: Units by line id; empty when an amount came back.
        amount_minor: The amount that came back without goods.
        shipping_minor: What came back of shipping.
        money_minor: What the shopper gets back, on gift cards and otherwise.
        to_cards: What of it goes back to gift cards, in minor units by card.
        cards_cancelled: Gift cards that were sold with what came back, and are worth nothing from now on.
        withdrawn: Offers that what is kept no longer earns, by id: what they took off it is paid after all.
        points_revoked: Earned points taken back on the main account.
        points_given_back: Burned points given back.
        qualifying_minor: What no longer counts for tiers.
    """

    kind: ClassVar[str] = "order.returned"
    order_id: str
    return_id: str
    currency: str
    lines: FrozenMap[str, int] = FrozenMap[str, int]()
    amount_minor: int = 0
    shipping_minor: int = 0
    money_minor: int = 0
    to_cards: FrozenMap[str, int] = FrozenMap[str, int]()
    cards_cancelled: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    points_revoked: int = 0
    points_given_back: int = 0
    qualifying_minor: int = 0

    @property
    def money(self) -> Money:
        """What the shopper gets back, on gift cards and otherwise."""
        return Money(self.money_minor, self.currency)

    @property
    def to_pay_out(self) -> Money:
        """What the shopper gets back otherwise than on gift cards."""
        return Money(self.money_minor - sum(self.to_cards.values()), self.currency)


@final
@attrs.frozen(kw_only=True)
class TakenBack:
    """What a return takes back of one rule's points.

    Attributes:
        earned: What the order earned by the rule.
        points: Points to take back; 0 where the spend is carried over, because what is taken then follows the member's sum.
        carried_minor: Spend that is no longer carried over.
    """

    earned: EarnedPoints
    points: int
    carried_minor: int = 0
