"""The steps of a quote with every benefit: what it takes off, what it gives, and what of it an order books."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

import attrs
import pytest

from loyaltycore import Basket, Line, Membership, Money, Order, Profile, Program, Quote, Return, UsageError
from loyaltycore._earning import CarryOver, Combine, EarningAnswer, Shipping
from loyaltycore._frozen import FrozenMap
from loyaltycore.basket import Filter
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    FreeShipping,
    Gift,
    NextCoupon,
    Per,
    PercentOff,
    PointsTimes,
    Several,
    ShippingPercentOff,
    ShippingPrice,
    SpendLadder,
    Spread,
    n_for_m,
)
from loyaltycore.conditions import all_of, code_presented, paid_by, past_discount_at_least, spend_at_least
from loyaltycore.errors import CurrencyMismatchError, Reason, Refused, RefusedError
from loyaltycore.offers import GiftGiven, Lane, Limits, Mode, NudgeOrder, Offer, OfferBook, Stacking, Used, View
from loyaltycore.orders import OfferCost, OrderPlaced
from loyaltycore.periods import Period, Term, UntilDay
from loyaltycore.quantities import Rate
from tests.programs import NOW, START

DAY = timedelta(days=1)

SHOP = Program.parse(f"""
[program]
name = "velo"
version = 1
currency = "EUR"
zone = "Europe/Paris"
starts_on = {START}
[points]
earn = "1 per 1.00"
basis = "paid"
expires = "12 months"
worth = "0.01"
burn_minimum = 1
overdraft = "carry"
[points.actions]
review = 50
""")


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


def shop(*offers: Offer, stacking: Stacking | None = None, **changes: Any) -> Program:  # noqa: ANN401  # a field of any type
    """Give a program with these offers."""
    return attrs.evolve(SHOP, book=OfferBook(offers, stacking=stacking or Stacking(Mode.ALL)), **changes)


def giving(benefit: Benefit, **fields: Any) -> Program:  # noqa: ANN401  # a field of any type
    """Give a program with one offer."""
    return shop(Offer("deal", give=benefit, **fields))


def basket(*prices: str, shipping: str | None = None, **fields: Any) -> Basket:  # noqa: ANN401  # a field of any type
    """Make a basket of single things named by their place."""
    lines = [Line(str(place), euros(price), **fields) for place, price in enumerate(prices, 1)]
    return Basket(lines, shipping=None if shipping is None else euros(shipping))


def member(points: int = 0) -> Membership:
    """Give a member, with points that can be burned."""
    new = Membership.open("m")
    return new.earn(points, ref="welcome", expires_at=None, at=NOW).state if points else new


def placed(rules: Program, quote: Quote, who: Membership | None = None, order_id: str = "1") -> tuple[OrderPlaced, Order]:
    """Book a quote."""
    done = rules.place(quote, who, order_id=order_id, at=quote.at)
    return done.fact, done.order.state


class TestLines:
    def test_each_line_says_what_each_offer_takes_off(self) -> None:
        """In the order they apply; what takes nothing off a line is not there."""
        rules = shop(
            Offer("ten", give=PercentOff("10")),
            Offer("five-off-2", give=AmountOff(euros("5"), per=Per.SHARED, of=Filter(products=["2"])), lane=Lane.PRODUCT),
        )
        quote = rules.quote(basket("20.00", "30.00"), at=NOW)
        assert list(quote.lines["2"].offers.items()) == [("five-off-2", 500), ("ten", 300)]
        assert quote.lines["1"].offers == {"ten": 200}
        assert quote.lines["2"].discount == euros("8.00")

    def test_odd_cents_of_several_offers_never_meet_below_zero(self) -> None:
        """Three cents off three things of a cent, by three offers: each line gives one, whatever unit it holds."""
        offers = [Offer(f"cent-{n}", give=AmountOff(euros("0.01"), per=Per.BASKET)) for n in (1, 2, 3)]
        lines = [Line(name, euros("0.01"), product_id="p") for name in "abc"]
        quote = shop(*offers).quote(Basket(lines), at=NOW)
        assert [dict(line.offers) for line in quote.lines.values()] == [{"cent-1": 1}, {"cent-2": 1}, {"cent-3": 1}]
        assert [line.net_minor for line in quote.lines.values()] == [0, 0, 0]

    def test_unit_shares_are_what_returns_give_back(self) -> None:
        """Tax is computed of each unit; the shares sum to the line, and are what comes back for each."""
        rules = giving(n_for_m(3, 2))
        quote = rules.quote(basket("10.00", quantity=3), at=NOW)
        assert quote.unit_shares("1") == (666, 667, 667)
        _, order = placed(rules, quote)
        for number, share in enumerate(quote.unit_shares("1")):
            done = rules.refund(order, back=Return(lines={"1": 1}), return_id=str(number), at=NOW)
            assert done.fact.money_minor == share
            order = done.order.state
        with pytest.raises(UsageError, match="line_id must be one of the basket's, got '2'"):
            quote.unit_shares("2")

    def test_books_that_speak_of_lines(self) -> None:
        """With an amount off each line, two lines of one thing are two, and each has its own share."""
        rules = giving(AmountOff(euros("1"), per=Per.LINE))
        lines = [Line("a", euros("5"), product_id="p"), Line("b", euros("5"), 2, product_id="p")]
        quote = rules.quote(Basket(lines), member(), at=NOW)
        assert len(quote.groups) == 2
        assert [(line.discount_minor, dict(line.offers)) for line in quote.lines.values()] == [(100, {"deal": 100})] * 2
        assert quote.points_to_earn == 13
        assert [line.points for line in quote.lines.values()] == [4, 9]


class TestShipping:
    @pytest.mark.parametrize(
        "benefit,after",
        [
            (ShippingPercentOff("50"), "2.45"),
            (ShippingPrice(euros("2.90")), "2.90"),
            (FreeShipping(), "0.00"),
            (AmountOff(euros("6.00"), per=Per.BASKET, spread=Spread.GOODS_AND_SHIPPING), "3.70"),
        ],
    )
    def test_what_shipping_costs_after_offers(self, benefit: Benefit, after: str) -> None:
        """The total holds what is left; the discount names goods and shipping apart and together."""
        quote = giving(benefit).quote(basket("19.50", shipping="4.90"), at=NOW)
        assert quote.shipping == euros(after)
        assert quote.shipping_discount == euros("4.90") - euros(after)
        assert quote.discount == quote.shipping_discount + quote.lines["1"].discount
        assert quote.total == quote.lines["1"].net + euros(after)

    def test_while_it_is_not_known(self) -> None:
        """Half of what nobody knows is not known; nothing of it is nothing."""
        half, free = giving(ShippingPercentOff("50")), giving(FreeShipping())
        quote = half.quote(basket("19.50"), at=NOW)
        assert (quote.shipping, quote.shipping_discount.minor_units) == (None, 0)
        assert placed(half, quote)[0].offers == (OfferCost(offer_id="deal", discount_minor=0),)
        quote = free.quote(basket("19.50"), at=NOW)
        assert quote.shipping == euros("0")
        assert placed(free, quote)[0].offers == (OfferCost(offer_id="deal", discount_minor=0),)


class TestGiftsAndCoupons:
    def test_they_are_promised_and_booked(self) -> None:
        """In the quote, in the commitment, and in the fact; gifts of one product are summed there."""
        rules = shop(
            Offer("a", give=Several([Gift("bottle", 2), NextCoupon("welcome-back")])),
            Offer("b", give=Several([Gift("bottle"), NextCoupon("welcome-back")])),
        )
        quote = rules.quote(basket("20.00"), at=NOW)
        assert quote.gifts == (GiftGiven("bottle", 2), GiftGiven("bottle", 1))
        assert quote.coupons == ("welcome-back", "welcome-back")
        assert quote.commitment["gifts"] == [["bottle", 2], ["bottle", 1]]
        assert quote.commitment["coupons"] == ["welcome-back", "welcome-back"]
        fact, _ = placed(rules, quote)
        assert fact.gifts == {"bottle": 3}
        assert fact.coupons == ("welcome-back", "welcome-back")
        assert [cost.offer_id for cost in fact.offers] == ["a", "b"]

    @pytest.mark.law(22)
    def test_a_gift_that_ran_out_is_another_quote(self) -> None:
        """What is out of stock when it is booked is told; nothing is booked without a word."""
        rules = giving(Gift("bottle"))
        quote = rules.quote(basket("20.00"), at=NOW)
        gone = View(out_of_stock=["bottle"])
        with pytest.raises(RefusedError) as refused:
            rules.place(quote, order_id="1", view=gone, at=NOW)
        assert refused.value.refusal.reason is Reason.QUOTE_CHANGED
        assert refused.value.refusal.details["fields"] == ("offers", "gifts")
        without = rules.quote(basket("20.00"), view=gone, at=NOW)
        assert without.gifts == ()
        assert isinstance(without.verdict("deal"), Refused)
        assert rules.place(without, order_id="1", view=gone, at=NOW).fact.offers == ()


class TestView:
    def test_what_is_used_up_is_told_by_whoever_counts(self) -> None:
        """The pure program keeps limits that its caller counts: quoted, placed, placed unseen and reserved alike."""
        rules = giving(PercentOff("10"), limits=Limits(total=100))
        full = View(used={"deal": Used(times=100)})
        seen, late = rules.quote(basket("20.00"), at=NOW), rules.quote(basket("20.00"), view=full, at=NOW)
        assert (seen.total, late.total) == (euros("18"), euros("20"))
        verdict = late.verdict("deal")
        assert isinstance(verdict, Refused)
        assert verdict.refusal.reason is Reason.OFFER_LIMIT_REACHED
        for book in (
            lambda: rules.place(seen, order_id="1", view=full, at=NOW),
            lambda: rules.reserve(seen, order_id="1", view=full, until=NOW + DAY, at=NOW),
        ):
            with pytest.raises(RefusedError, match="quote_changed"):
                book()
        assert rules.place_unseen(late.asked, order_id="1", view=full, at=NOW).fact.total == euros("20")
        reserved = rules.reserve(seen, order_id="1", until=NOW + DAY, at=NOW).order.state
        assert rules.confirm(reserved, at=NOW).fact.total == euros("18")

    def test_a_view_is_one(self) -> None:
        """Anything else is the caller's bug."""
        with pytest.raises(UsageError, match="view must be of type View"):
            SHOP.quote(basket("20.00"), view={}, at=NOW)  # type: ignore[arg-type]


class TestPointsByOffers:
    def test_goods_count_several_times(self) -> None:
        """Double points on some goods, by every rule of the main account; a return takes back what they earned."""
        rules = giving(PointsTimes(Rate.times("2"), of=Filter(products=["2"])))
        quote = rules.quote(basket("20.00", "30.00", shipping="4.90"), member(), at=NOW)
        assert quote.points_to_earn == 80
        assert [line.points for line in quote.lines.values()] == [20, 60]
        fact, order = placed(rules, quote, member())
        assert fact.offers == (OfferCost(offer_id="deal", discount_minor=0),)
        back = order.plan(Return(lines={"2": 1}), return_id="r", at=NOW)
        assert not isinstance(back, Refused)
        assert back.value.points_revoked == 60

    def test_many_odd_multiples_are_kept_to_a_millionth(self) -> None:
        """Twenty offers of 1.05 together have a fraction that no column holds; the points are those of the exact product."""
        rules = shop(*[Offer(f"o{number:02}", give=PointsTimes("1.05")) for number in range(20)])
        quote = rules.quote(basket("1000.00"), member(), at=NOW)
        assert quote.points_to_earn == int(1000 * Fraction(105, 100) ** 20) == 2653
        assert placed(rules, quote, member())[0].points == 2653

    def test_goods_that_no_offer_touches_are_not_multiplied(self) -> None:
        """A gift card earns what it earns by the rules alone."""
        rules = shop(Offer("double", give=PointsTimes("2")), stacking=Stacking(Mode.ALL, exclude_tags=["gift-card"]))
        card = Line("card", Money.of("50.00", "EUR"), tags=["gift-card"])
        goods = Basket([card, Line("bell", Money.of("10.00", "EUR"))])
        assert rules.quote(goods, member(), at=NOW).points_to_earn == 70
        assert rules.quote(Basket([card]), member(), at=NOW).offers.applied == ()

    def test_everything_counts_several_times(self) -> None:
        """Where nothing is left out, shipping counts so too, if it counts."""
        (rule,) = SHOP.earning
        counting = attrs.evolve(rule, shipping=Shipping.IN)
        for of, points in ((Filter(), 75), (Filter(products=["1"]), 65)):
            rules = shop(Offer("deal", give=PointsTimes(Rate.times("3"), of=of)), earning=(counting,))
            assert rules.quote(basket("20.00", shipping="5.00"), at=NOW).points_to_earn == points

    def test_other_accounts_are_not_multiplied(self) -> None:
        """An offer multiplies what the main account gets; a rule's own limit holds for it as for any multiplier."""
        (rule,) = SHOP.earning
        status = attrs.evolve(rule, rule_id="status", account="status")
        limited = attrs.evolve(rule, rule_id="limited", times_limit=Rate.times("1.5"))
        rules = shop(Offer("deal", give=PointsTimes(Rate.times("2"))), earning=(rule, status, limited), combine=Combine.SUM)
        quote = rules.quote(basket("20.00"), at=NOW)
        assert [(one.rule, one.points) for one in quote.earned] == [("order", 40), ("status", 20), ("limited", 30)]

    def test_points_on_top(self) -> None:
        """A lot of its own, named after the offer, with the benefit's terms; its shares stand in the lines."""
        rules = giving(BonusPoints(100, expires=Term(Period(days=30)), pending=Term(Period(days=7))))
        quote = rules.quote(basket("20.00", "30.00"), member(), at=NOW)
        assert quote.points_to_earn == 150
        assert [line.points for line in quote.lines.values()] == [60, 90]
        assert quote.earning[-1] == EarningAnswer(rule_id="deal", account="points", desired=100, granted=100)
        done = rules.place(quote, member(), order_id="1", at=NOW)
        lot = done.membership.ledger.lots["1/deal"]
        assert lot.expires_at is not None
        assert (lot.granted, lot.available_at < lot.expires_at) == (100, True)
        assert done.membership.balance(at=NOW).pending == 100
        assert "deal" in rules.rule_ids

    @pytest.mark.law(14)
    def test_returns_take_bonus_points_last(self) -> None:
        """A partial return keeps them, as with points for each order; when all is back they are gone, by units and by amount."""
        rules = giving(BonusPoints(100, expires=None))
        for backs in (
            [Return(lines={"1": 1}), Return(lines={"2": 1})],
            [Return(amount=euros("20")), Return(amount=euros("30"))],
        ):
            done = rules.place(rules.quote(basket("20.00", "30.00"), member(), at=NOW), member(), order_id="1", at=NOW)
            order, who, left = done.order.state, done.membership, list[int]()
            for number, back in enumerate(backs):
                refunded = rules.refund(order, who, back=back, return_id=str(number), at=NOW)
                order, who = refunded.order.state, refunded.membership
                left.append(who.available(at=NOW))
            assert left == [130, 0]

    def test_what_nothing_is_paid_for_gives_no_points(self) -> None:
        """Points on top are for what is paid; goods that no offer touches do not bring them."""
        bonus = Offer("bonus", give=BonusPoints(100, expires=None))
        free = shop(bonus, Offer("all", give=PercentOff("100")))
        quote = free.quote(basket("20.00"), at=NOW)
        assert (quote.earned, quote.earning[-1].desired) == ((), 0)
        assert [cost.offer_id for cost in placed(free, quote)[0].offers] == ["all"]
        rules = shop(bonus, stacking=Stacking(Mode.ALL, exclude_tags=["gift-card"]))
        card = Line("card", euros("50"), tags=["gift-card"])
        both = rules.quote(Basket([Line("bell", euros("10")), card]), member(), at=NOW)
        assert [(part.line_id, part.minor) for part in both.earned[-1].counted] == [("bell", 1000)]

    def test_points_that_could_never_be_used_are_not_given(self) -> None:
        """The benefit's end has passed: there is nothing to give, and nothing is booked."""
        rules = giving(BonusPoints(100, expires=UntilDay(START)))
        quote = rules.quote(basket("20.00"), at=NOW + 3 * DAY)
        assert quote.points_to_earn == 20
        assert placed(rules, quote)[0].offers == ()

    @pytest.mark.law(25)
    def test_nothing_before_the_program_starts(self) -> None:
        """No bonus and no multiple, and so no use of the offer; what it takes off besides is given."""
        rules = shop(
            Offer("bonus", give=BonusPoints(100, expires=None)),
            Offer("double", give=PointsTimes(Rate.times("2"))),
            Offer("both", give=Several([PercentOff("10"), PointsTimes(Rate.times("2"))])),
        )
        quote = rules.quote(basket("20.00"), at=NOW - DAY)
        assert (quote.points_to_earn, quote.total) == (0, euros("18"))
        assert [cost.offer_id for cost in placed(rules, quote)[0].offers] == ["both"]

    def test_confirmed_and_attached_later(self) -> None:
        """What an order was to get stays what it was: when it is paid, and when a guest turns out to be a member."""
        rules = shop(Offer("bonus", give=BonusPoints(100, expires=None)), Offer("double", give=PointsTimes(Rate.times("2"))))
        reserved = rules.reserve(rules.quote(basket("20.00"), member(), at=NOW), member(), order_id="1", until=NOW + DAY, at=NOW)
        confirmed = rules.confirm(reserved.order.state, reserved.membership, at=NOW)
        guest = rules.place(rules.quote(basket("20.00"), at=NOW), order_id="1", at=NOW)
        attached = rules.attach(guest.order.state, member(), at=NOW)
        assert confirmed.membership.available(at=NOW) == attached.member.state.available(at=NOW) == 140
        assert confirmed.membership.past_list_minor == attached.member.state.past_list_minor == 2000

    @pytest.mark.parametrize("name", ["order", "review", "status"])
    def test_its_lots_need_a_name_of_their_own(self, name: str) -> None:
        """An offer that gives points may not be named as orders, a rule or an action are."""
        (rule,) = SHOP.earning
        offer = Offer(name, give=SpendLadder({euros("1"): BonusPoints(5, expires=None)}))
        with pytest.raises(UsageError, match=f"must have a name of its own: their lots do, got that of '{name}'"):
            shop(offer, earning=(rule, attrs.evolve(rule, rule_id="status", account="status")))
        assert shop(attrs.evolve(offer, give=PercentOff("5"))).book.offers[0].offer_id == name
        if name != "order":
            assert shop(offer, earning=(), actions={}).rule_ids == {name}

    def test_spend_that_is_carried_over_cannot_be_multiplied(self) -> None:
        """Whole steps of a sum over orders have no multiples; found when the program is made."""
        (rule,) = SHOP.earning
        carrying = attrs.evolve(rule, carry_over=CarryOver.ON)
        double = Offer("double", give=PointsTimes(Rate.times("2")))
        with pytest.raises(UsageError, match="offer 'double' lets goods count several times, got rule 'order'"):
            shop(double, earning=(carrying,))
        elsewhere = attrs.evolve(carrying, account="status")
        assert shop(double, earning=(elsewhere,)).quote(basket("20.00"), at=NOW).earned[0].points == 20
        assert shop(Offer("ten", give=PercentOff("10")), earning=(carrying,)).earning == (carrying,)


class TestConditions:
    def test_past_discounts(self) -> None:
        """No deeper discount for those who already buy at ten percent off."""
        rules = shop(
            Offer("ten", when=code_presented("TEN"), give=PercentOff("10")),
            Offer("twenty", when=~past_discount_at_least("10"), give=PercentOff("20")),
            stacking=Stacking(Mode.BEST),
        )
        first = rules.quote(basket("20.00"), member(), codes=["TEN"], at=NOW)
        assert first.total == euros("16")  # who never ordered does not buy at a discount yet
        who = rules.place(first, member(), order_id="1", at=NOW).membership
        assert (who.past_list_minor, who.past_discount_minor) == (2000, 400)
        again = rules.quote(basket("20.00"), who, at=NOW)
        assert (again.total, again.situation.past_discount_minor) == (euros("20"), 400)

    def test_payment_and_profile(self) -> None:
        """What the shop says of the basket and the person is what conditions see."""
        rules = giving(PercentOff("10"), when=paid_by("card"))
        assert rules.quote(basket("20.00"), at=NOW).total == euros("20")
        by_card = attrs.evolve(basket("20.00"), payment="card")
        quote = rules.quote(by_card, profile=Profile(tags=["staff"]), at=NOW)
        assert quote.total == euros("18")
        assert quote.situation.profile.tags == frozenset(["staff"])

    def test_floor_prices_hold(self) -> None:
        """No offer takes a unit below the floor its line names."""
        goods = Basket([Line("1", euros("20"), floor_price=euros("15"))])
        assert giving(PercentOff("50")).quote(goods, at=NOW).total == euros("15")

    def test_all_moneys_are_in_the_programs_currency(self) -> None:
        """Of conditions, benefits, limits and the policy: found when the program is made."""
        dollars = Money.of("5", "USD")
        for offer in (
            Offer("a", when=all_of(spend_at_least(dollars)), give=PercentOff("5")),
            Offer("b", give=AmountOff(dollars, per=Per.BASKET)),
            Offer("c", give=PercentOff("5"), discount_limit=dollars),
        ):
            with pytest.raises(CurrencyMismatchError):
                shop(offer)
        with pytest.raises(CurrencyMismatchError):
            shop(stacking=Stacking(Mode.ALL, discount_limit=dollars))
        assert shop(stacking=Stacking(Mode.ALL, discount_limit=euros("5"))).book.offers == ()


class TestNudges:
    def test_nearest_or_most_worth_first(self) -> None:
        """The same nudges, in two orders."""
        rules = shop(
            Offer("near", when=spend_at_least(euros("25")), give=AmountOff(euros("1"), per=Per.BASKET)),
            Offer("far", when=spend_at_least(euros("40")), give=AmountOff(euros("9"), per=Per.BASKET)),
        )
        quote = rules.quote(basket("20.00"), at=NOW)
        assert [nudge.offer_id for nudge in quote.nudges] == ["near", "far"]
        assert [nudge.offer_id for nudge in quote.nudges_by(NudgeOrder.WORTH)] == ["far", "near"]


class TestCodes:
    def test_nothing_entered_nothing_answered(self) -> None:
        """No codes, no answers; an entered one of an offer that gives nothing is told so."""
        rules = giving(PercentOff("10"), when=code_presented("TEN"))
        assert rules.quote(basket("20.00"), at=NOW).codes == FrozenMap()
        empty = rules.quote(Basket([], currency="EUR"), codes=["TEN", "?!", "NOPE"], at=NOW)
        reasons = {text: None if one.refusal is None else one.refusal.reason for text, one in empty.codes.items()}
        assert reasons == {"TEN": Reason.OFFER_WITHOUT_EFFECT, "?!": Reason.CODE_MALFORMED, "NOPE": Reason.CODE_UNKNOWN}


class TestBurning:
    def test_burns_stand_on_what_offers_left(self) -> None:
        """A tenth off, then points: what no rule of burning allows is answered, and nothing is taken."""
        rules = giving(PercentOff("10"))
        quote = rules.quote(basket("20.00"), member(5000), burn=5000, at=NOW)
        assert (quote.burn.granted, quote.total) == (1800, euros("0"))
        none = attrs.evolve(rules, burning=None)
        refused = none.quote(basket("20.00"), member(5000), burn=5, at=NOW).burn
        assert refused.refusal is not None
        assert refused.refusal.reason is Reason.POINTS_ABOVE_SHARE
