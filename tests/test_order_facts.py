"""What an order is made of: values that check themselves, and sums that cannot disagree."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from loyaltycore._frozen import FrozenMap
from loyaltycore.coupons import RedeemedCoupon
from loyaltycore.errors import UsageError
from loyaltycore.orders import CardPayment, NeedOf, OfferCost, OfferNeed, OrderLine, OrderPlaced, OrderReserved, OrderReturned
from loyaltycore.quantities import Money

AT = datetime(2026, 7, 1, tzinfo=UTC)
LINES = (
    OrderLine(line_id="1", product_id="helmet", quantity=2, list_minor=8000, discount_minor=800, burn_minor=200, burn_points=200),
    OrderLine(line_id="2", product_id="bell", quantity=1, list_minor=1000, qualifies=False),
)
PLACED = OrderPlaced(
    order_id="1001",
    currency="EUR",
    lines=LINES,
    shipping_minor=490,
    card_payments=(CardPayment(card_id="card-7", minor=3000), CardPayment(card_id="card-8", minor=1)),
    at=AT,
)


class TestCardPayment:
    @pytest.mark.parametrize("card_id,minor", [("", 1), ("card-7", 0), ("card-7", -1), ("card-7", True), ("card-7", 1.0), (7, 1)])
    def test_refuses_a_payment_of_nothing(self, card_id: Any, minor: Any) -> None:  # noqa: ANN401 - wrong values on purpose
        """By no card, or of no whole amount of at least 1."""
        with pytest.raises(UsageError):
            CardPayment(card_id=card_id, minor=minor)

    def test_the_number_is_not_asked_for(self) -> None:
        """It names a card by the shop's own id."""
        assert repr(CardPayment(card_id="card-7", minor=1)) == "CardPayment(card_id='card-7', minor=1, lines=())"


class TestOrderPlaced:
    def test_sums(self) -> None:
        """Goods, the total with shipping, what gift cards paid of it, and what was left to pay."""
        assert (PLACED.goods_minor, PLACED.total) == (8000, Money.of("84.90", "EUR"))
        assert (PLACED.paid_by_cards_minor, PLACED.to_pay) == (3001, Money.of("54.89", "EUR"))
        assert (PLACED.qualifying_minor, PLACED.shared_burn_points, PLACED.points) == (7000, 200, 0)

    def test_without_cards_all_is_to_pay(self) -> None:
        """The total is what is to pay."""
        plain = attrs.evolve(PLACED, card_payments=())
        assert (plain.paid_by_cards_minor, plain.to_pay) == (0, plain.total)

    def test_since(self) -> None:
        """What it earns counts from when it was ordered."""
        later = attrs.evolve(PLACED, ordered_at=AT, at=AT.replace(hour=1))
        assert (PLACED.since, later.since) == (AT, AT)

    def test_a_reservation_is_of_its_order(self) -> None:
        """Its id and its total are those of what is booked when it is confirmed."""
        reserved = OrderReserved(order=PLACED, until=AT.replace(hour=1), at=AT)
        assert (reserved.order_id, reserved.total) == ("1001", PLACED.total)

    def test_codes_of_coupons_are_masked(self) -> None:
        """A log shows which campaign, and of the coupon no more than it must."""
        coupon = RedeemedCoupon(campaign_id="welcome", coupon_id="velo/H1############/2026a/1234567")
        assert "1234567" not in repr(attrs.evolve(PLACED, coupons_redeemed=(coupon,)))


class TestOrderReturned:
    def test_what_is_paid_out(self) -> None:
        """All that does not go back to gift cards."""
        back = OrderReturned(
            order_id="1001",
            return_id="r-1",
            currency="EUR",
            money_minor=5000,
            to_cards=FrozenMap({"card-7": 3000, "card-8": 1}),
            at=AT,
        )
        assert (back.money, back.to_pay_out) == (Money.of("50", "EUR"), Money.of("19.99", "EUR"))
        assert attrs.evolve(back, to_cards=FrozenMap()).to_pay_out == back.money


class TestOfferNeed:
    @pytest.mark.parametrize(
        "of,at_least,lines,returned,is_met",
        [
            (NeedOf.SPEND, 9000, (), {}, True),
            (NeedOf.SPEND, 9001, (), {}, False),
            (NeedOf.SPEND, 5000, (), {"1": 1}, True),
            (NeedOf.SPEND, 5001, (), {"1": 1}, False),
            (NeedOf.SPEND, 1001, ("2",), {}, False),
            (NeedOf.UNITS, 3, (), {}, True),
            (NeedOf.UNITS, 3, (), {"2": 1}, False),
            (NeedOf.UNITS, 2, ("1",), {"2": 1}, True),
            (NeedOf.PRODUCTS, 2, (), {"1": 1}, True),
            (NeedOf.PRODUCTS, 2, (), {"1": 2}, False),
        ],
    )
    def test_of_what_is_kept(
        self,
        of: NeedOf,
        at_least: int,
        lines: tuple[str, ...],
        returned: dict[str, int],
        is_met: bool,  # noqa: FBT001 - pytest passes it
    ) -> None:
        """List prices, units or products, of the lines that count."""
        assert OfferNeed(of=of, at_least=at_least, lines=lines).is_met(LINES, returned) is is_met

    @pytest.mark.parametrize("of,at_least", [(NeedOf.UNITS, 0), ("units", 1)])
    def test_refuses_a_need_of_nothing(self, of: Any, at_least: int) -> None:  # noqa: ANN401 - wrong values on purpose
        """Of a kind, and of at least 1."""
        with pytest.raises(UsageError):
            OfferNeed(of=of, at_least=at_least)

    def test_ways_name_needs_that_are_there(self) -> None:
        """By their place."""
        need = OfferNeed(of=NeedOf.UNITS, at_least=3)
        assert OfferCost(offer_id="x", discount_minor=1, needs=(need,), ways=((0,),)).stands(LINES, {})
        assert not OfferCost(offer_id="x", discount_minor=1, needs=(need,), ways=((0,),)).stands(LINES, {"1": 1})
        assert OfferCost(offer_id="x", discount_minor=1).stands(LINES, {"1": 2, "2": 1})
        with pytest.raises(UsageError, match="ways must name needs by their place"):
            OfferCost(offer_id="x", discount_minor=1, needs=(need,), ways=((1,),))
