"""Placing: what a quote freezes into an order, and what the order claims."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from loyaltycore import Basket, Line, Membership
from loyaltycore._placing import claims_of, order_placed
from loyaltycore.benefits import AmountOff, Gift, NextCoupon, Per, PercentOff, ShippingAmountOff
from loyaltycore.conditions import code_presented, spend_at_least
from loyaltycore.coupons import Coupon, CouponCampaign, ReadCode
from loyaltycore.identity import CounterId, Key, fold_code
from loyaltycore.offers import Limits, Mode, Offer, OfferBook, Returns, Stacking, Times, View
from loyaltycore.orders import NeedOf, OfferNeed, OrderPlaced
from tests.test_settling import HELMET, NOON, SORRY, SUMMER, UNTIL, Shop, card, euros

EIGHTY = Basket([Line("helmet", euros("40"), 2)], shipping=euros("4.90"))


def frozen(shop: Shop, basket: Basket = EIGHTY) -> OrderPlaced:
    """Freeze a quote."""
    rules = shop.program
    return order_placed(shop.quote(basket), "1", campaigns=rules.campaigns, final_at=None, calendar=rules.calendar, at=NOON)


class TestOrderPlaced:
    def test_what_was_quoted(self) -> None:
        """Whose, how much, by which rules, and when it can no longer come back."""
        shop = Shop(offers=[Offer("ten", give=PercentOff("10"))])
        quote = shop.quote(EIGHTY)
        final_at = NOON + timedelta(days=30)
        fact = order_placed(quote, "1", campaigns={}, final_at=final_at, calendar=shop.program.calendar, at=NOON)
        assert (fact.order_id, fact.member_id, fact.currency, fact.at, fact.final_at) == ("1", "m", "EUR", NOON, final_at)
        assert (fact.total, fact.shipping_minor) == (quote.total, 490)
        assert (fact.digest, fact.program) == (quote.digest, shop.program.digest)
        assert [(one.offer_id, one.discount_minor) for one in fact.offers] == [("ten", 800)]
        assert (fact.ordered_at, fact.late, fact.since) == (None, False, NOON)

    def test_shipping_that_is_not_known_costs_nothing_yet(self) -> None:
        """It is no part of the total."""
        assert frozen(Shop(), HELMET).shipping_minor == 0

    def test_gifts_of_several_offers_are_summed(self) -> None:
        """By product."""
        offers = [Offer(name, give=Gift("bottle", 2)) for name in ("a", "b")]
        assert dict(frozen(Shop(offers=offers)).gifts) == {"bottle": 4}

    @pytest.mark.parametrize("returns", Returns)
    def test_needs_are_frozen_where_returns_may_withdraw_offers(self, returns: Returns) -> None:
        """Otherwise an offer is what it cost, and no more."""
        offers = [
            Offer("ten", give=PercentOff("10"), when=spend_at_least(euros("50"))),
            Offer("ship", give=ShippingAmountOff(euros("1"))),
        ]
        shop = Shop()
        shop.program = attrs.evolve(
            shop.program, book=OfferBook(offers, stacking=Stacking(Mode.ALL, returns=returns)), campaigns=()
        )
        ten, ship = frozen(shop).offers
        assert (ten.discount_minor, ship.discount_minor) == (800, 100)
        is_frozen = returns is Returns.REPRICE
        assert dict(ten.lines) == ({"helmet": 800} if is_frozen else {})
        assert ten.needs == ((OfferNeed(of=NeedOf.SPEND, at_least=5000),) if is_frozen else ())
        assert bool(ten.ways) is is_frozen
        assert dict(ship.lines) == {}  # off shipping: no line has a share of it

    def test_only_codes_that_people_made_and_that_apply(self) -> None:
        """As they are known, sorted, each once; one that a machine made is named by its coupon alone."""
        offers = [
            Offer("hello", give=PercentOff("10"), when=code_presented("Hello 1")),
            Offer("much", give=PercentOff("10"), when=code_presented("MUCH") & spend_at_least(euros("500"))),
        ]
        shop = Shop(SORRY, SUMMER, offers=offers)
        coded = Coupon.issued("velo/H1############/2026a/7", campaign_id="sorry")
        codes = ["SUMMER10", "hello1", "hello-1", "MUCH", "H1-CODE"]
        view = View(codes={"H1-CODE": ReadCode(coupon=coded)})
        quote = shop.program.quote(EIGHTY, shop.member("m"), codes=codes, view=view, at=NOON)
        fact = order_placed(quote, "1", campaigns=shop.program.campaigns, final_at=None, calendar=shop.program.calendar, at=NOON)
        assert fact.codes == tuple(sorted((fold_code("HELLO 1"), fold_code("SUMMER10"))))
        assert [one.campaign_id for one in fact.coupons_redeemed] == ["sorry"]
        assert "H1-CODE" not in repr(fact)

    def test_coupons_and_cards(self) -> None:
        """What it uses up, what it owes, what cards paid."""
        thanks = CouponCampaign("thanks", give=PercentOff("20"), codes=None)
        shop = Shop(SORRY, thanks, offers=[Offer("next", give=NextCoupon("thanks"))], cards=[card()])
        shop.give(SORRY)
        fact = shop.place(coupons=["sorry/t-1"], cards=["card-7"]).fact
        assert [one.coupon_id for one in fact.coupons_redeemed] == ["sorry/t-1"]
        assert fact.coupons == ("thanks",)
        assert [one.coupon_id for one in fact.coupons_granted] == ["+1/thanks/1"]
        assert fact.paid_by_cards_minor == 3000

    def test_a_guests_order_says_what_it_uses_of_members_limits(self) -> None:
        """For when it finds its member."""
        placed = Shop(SUMMER).place(member_id=None, codes=["SUMMER10"])
        assert (placed.fact.member_id, placed.fact.offers_per_member) == (None, ("SUMMER10",))


class TestClaims:
    LIMITS = Limits(total=Times(per_day=7, lifetime=9), units=5, budget=euros("20"))

    def shop(self, give: AmountOff) -> Shop:
        """Give a shop with one offer of which there is only so much."""
        return Shop(offers=[Offer("deal", give=give, limits=self.LIMITS)])

    @pytest.mark.law(32)
    def test_of_each_limit(self) -> None:
        """One order, what it takes off, the units it takes it off; the day is the shop's own."""
        shop = self.shop(AmountOff(euros("3"), per=Per.UNIT))
        quote = shop.quote(EIGHTY)
        placed = frozen(shop)
        claims = claims_of(quote, placed, until=UNTIL, calendar=shop.program.calendar)
        assert {claim.counter: (claim.amount, claim.limit) for claim in claims} == {
            CounterId("offer/deal/orders"): (1, 9),
            CounterId("offer/deal/orders/2026-07-01"): (1, 7),
            CounterId("offer/deal/spent"): (600, 2000),
            CounterId("offer/deal/units"): (2, 5),
        }
        assert {(claim.key, claim.at, claim.until) for claim in claims} == {(Key("order/1"), NOON, UNTIL)}
        assert dict(placed.counters) == {claim.counter: claim.amount for claim in claims}

    @pytest.mark.law(25)
    def test_of_an_offer_that_gives_nothing_none(self) -> None:
        """It used nothing up."""
        shop = self.shop(AmountOff(euros("3"), per=Per.UNIT))
        basket = Basket.of("EUR", {"sticker": "0.00"})
        placed = frozen(shop, basket)
        assert claims_of(shop.quote(basket), placed, until=None, calendar=shop.program.calendar) == ()

    def test_without_limits_none(self) -> None:
        """No counter is named."""
        shop = Shop(offers=[Offer("deal", give=PercentOff("10"))])
        assert claims_of(shop.quote(EIGHTY), frozen(shop), until=None, calendar=shop.program.calendar) == ()

    def test_a_member_is_not_claimed_for(self) -> None:
        """What one member may use stands in the member's own stream."""
        shop = Shop(offers=[Offer("deal", give=PercentOff("10"), limits=Limits(per_member=1))])
        placed = shop.place()
        assert (placed.claims, placed.fact.offers_per_member) == ((), ("deal",))
        assert isinstance(shop.members["m"], Membership)
        assert shop.quote(EIGHTY).total == EIGHTY.subtotal + euros("4.90")
