"""Offers and codes in other systems: a cent off, below zero, silent, counted for nothing."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from loyaltycore import Basket, Line, Membership, Money, Program, RefusedError
from loyaltycore.basket import Filter, Return
from loyaltycore.benefits import AmountOff, Benefit, BuyGet, FreeShipping, Part, Per, PercentOff, Reward, n_for_m
from loyaltycore.conditions import Base, Situation, own, spend_at_least
from loyaltycore.errors import Reason, Refused
from loyaltycore.offers import Evaluation, Mode, Offer, OfferBook, Stacking
from loyaltycore.quantities import allocate, share_of_units
from tests.programs import NOW, VELO, velo

SHOP = velo()
FLAT = VELO.partition("[stacking]")[0] + '[stacking]\nmode = "all"\n'


def euros(minor: int) -> Money:
    """Take minor units."""
    return Money(minor, "EUR")


def told(give: Benefit, lines: list[Line]) -> Evaluation:
    """Give a benefit on some lines."""
    book = OfferBook([Offer("deal", give=give)], stacking=Stacking(Mode.BEST))
    return book.evaluate(book.situation(Basket(lines), at=NOW))


class TestAmounts:
    def test_one_cent_off(self) -> None:
        """25 % of 19.99 is 5.00; 10.00 over three lines is 3.34, 3.33, 3.33; 10 % of 25 times 399.00 is 997.50."""
        assert PercentOff("25").amount_off(1999) == 500
        assert allocate(1000, (1, 1, 1)) == (334, 333, 333)
        goods = Basket([Line(str(number), euros(39900)) for number in range(25)])
        rules = Program.parse(FLAT + '[[offers]]\nid = "ten"\ngive = { percent_off = "10" }')
        quote = rules.quote(goods, at=NOW)
        assert quote.discount == euros(99750)
        assert {line.discount_minor for line in quote.lines.values()} == {3990}

    def test_total_below_zero_or_almost_zero(self) -> None:
        """Three offers that take everything leave exactly nothing."""
        everything = "\n".join(f'[[offers]]\nid = "all-{n}"\ngive = {{ percent_off = "100" }}' for n in range(3))
        quote = Program.parse(FLAT + everything).quote(Basket.of("EUR", {"a": "0.10", "b": "0.20", "c": "0"}), at=NOW)
        assert quote.total == euros(0)
        assert all(line.net_minor == 0 for line in quote.lines.values())

    def test_order_of_the_lines_decides_nothing(self) -> None:
        """All orders of the lines: one total, one discount for each line."""
        lines = [Line("a", euros(3333)), Line("b", euros(3333)), Line("c", euros(3334)), Line("d", euros(1))]
        told = {
            (quote.total, tuple(sorted((name, line.net_minor) for name, line in quote.lines.items())))
            for quote in (SHOP.quote(Basket(way), codes=["SUMMER10"], at=NOW) for way in itertools.permutations(lines))
        }
        assert len(told) == 1

    def test_one_promotion_lowers_the_total_under_anothers_threshold(self) -> None:
        """Thresholds look at list prices: 10 % off a basket of 100.00 does not cost it its free shipping."""
        goods = Basket([Line("a", euros(10000))], shipping=euros(490))
        quote = SHOP.quote(goods, Membership.open("m-42"), at=NOW)
        assert {offer.offer_id for offer in quote.offers.applied} == {"ten-from-fifty", "free-shipping"}
        assert SHOP.place(quote, Membership.open("m-42"), order_id="1", at=NOW).order.state.placed is not None

    def test_checkout_blocked_by_a_threshold_on_what_is_left(self) -> None:
        """Where the shop says that what is left counts, the offer falls away, with what is missing, and the order is placed."""
        when = spend_at_least(euros(9_500), base=Base.RUNNING)
        book = OfferBook(
            [Offer("ten", give=PercentOff("10")), Offer("ship", when=when, give=FreeShipping())], stacking=Stacking(Mode.ALL)
        )
        evaluation = book.evaluate(book.situation(Basket([Line("a", euros(10_000))], shipping=euros(490)), at=NOW))
        assert [one.offer_id for one in evaluation.applied] == ["ten"]
        assert evaluation.refused["ship"][0].details["missing_minor"] == 500

    def test_absolute_discount_per_basket_or_per_unit(self) -> None:
        """5.00 off three units of one line, two lines: the name says which of four amounts it is."""
        lines = [Line("a", euros(2_000), 3), Line("b", euros(1_000))]
        found = {per: told(AmountOff(euros(500), per=per), lines).goods_minor for per in Per}
        assert found == {Per.BASKET: 500, Per.SHARED: 500, Per.LINE: 1_000, Per.UNIT: 2_000}


class TestBuyXGetY:
    @pytest.mark.parametrize("reward", list(Reward))
    def test_depends_on_the_order_of_the_lines(self, reward: Reward) -> None:
        """All orders of four lines: one total, one discount of each product, whichever units are the reward."""
        lines = [Line("1", euros(1_000), product_id="a"), Line("2", euros(1_000), product_id="b")]
        lines += [Line("3", euros(500), 2, product_id="c"), Line("4", euros(1_000), product_id="a")]
        give = BuyGet(buy=Part(2), get=Part(1), reward=reward)
        found = {told(give, list(way)).applied for way in itertools.permutations(lines)}
        assert len(found) == 1

    @pytest.mark.parametrize("units,free", [(2, 0), (3, 1), (5, 1), (6, 2), (9, 3), (11, 3)])
    def test_not_repeated_or_too_often(self, units: int, free: int) -> None:
        """Three for two: one free in three, never a free unit that pays for the next."""
        assert told(n_for_m(3, 2), [Line("a", euros(300), units)]).goods_minor == 300 * free
        assert told(n_for_m(3, 2, times=1), [Line("a", euros(300), units)]).goods_minor == 300 * min(free, 1)

    def test_triggers_are_not_rewards(self) -> None:
        """One bought gets another: one unit alone is no reward for itself."""
        give = BuyGet(buy=Part(1, Filter(products=["a"])), get=Part(1, Filter(products=["a", "b"])))
        assert told(give, [Line("a", euros(300))]).applied == ()
        assert told(give, [Line("a", euros(300)), Line("b", euros(200))]).applied[0].shares == (0, 200)


class TestSpeed:
    def test_slow_with_one_promotion(self) -> None:
        """A thousand offers on other goods cost a quote nothing: none of their conditions is asked."""
        asked = list[str]()

        class Counting:
            own_id = "counting-1"

            def holds(self, situation: Situation) -> bool:
                asked.append(situation.basket.currency)
                return True

        offers = [
            Offer(f"o{number}", when=own(Counting()), give=PercentOff("10", of=Filter(products=[f"p{number}"])))
            for number in range(1_000)
        ]
        book = OfferBook(offers, stacking=Stacking(Mode.BEST))
        assert book.evaluate(book.situation(Basket([Line("bell", euros(100))]), at=NOW)).applied == ()
        assert asked == []
        found = book.evaluate(book.situation(Basket([Line("p7", euros(100))]), at=NOW)).applied
        assert [one.offer_id for one in found] == ["o7"]
        assert len(asked) == 1


class TestReturns:
    def test_cancelling_one_line_respreads_the_discount(self) -> None:
        """10.00 over weights 6, 6, 2: each unit that comes back brings its own share, and leaves the others theirs."""
        lines = [Line("a", euros(600)), Line("b", euros(600)), Line("c", euros(200), 2)]
        (applied,) = told(AmountOff(euros(11), per=Per.BASKET), lines).applied
        assert sum(applied.shares) == 11
        for share, line in zip(applied.shares, lines, strict=True):
            units = [share_of_units(share, line.quantity, start=n, stop=n + 1) for n in range(line.quantity)]
            assert sum(units) == share
        bought = Basket(lines)
        quote = SHOP.quote(bought, codes=["SUMMER10"], at=NOW)
        order = SHOP.place(quote, order_id="1", at=NOW).order.state
        net = {name: line.net_minor for name, line in quote.lines.items()}
        for name in ("c", "a", "b"):
            quantity = 2 if name == "c" else 1
            back = SHOP.refund(order, back=Return(lines={name: quantity}), return_id=f"r-{name}", at=NOW)
            order = back.order.state
            assert order.returns[f"r-{name}"].money_minor == net[name]


class TestCodes:
    def test_why_did_my_code_not_work(self) -> None:
        """Each cause has its own reason, with the facts to act on it; a guesser is told one thing."""
        for entered, at, reason, public in [
            ("SUMMER10", datetime(2026, 6, 1, tzinfo=UTC), Reason.OFFER_NOT_STARTED, "offer_not_started"),
            ("SUMMER10", datetime(2026, 9, 1, tzinfo=UTC), Reason.OFFER_EXPIRED, "offer_expired"),
            ("WINTER10", NOW, Reason.CODE_UNKNOWN, "coupon_invalid"),
            ("!", NOW, Reason.CODE_MALFORMED, "coupon_invalid"),
        ]:
            refusal = SHOP.quote(Basket.of("EUR", {"a": "10"}), codes=[entered], at=at).codes[entered].refusal
            assert refusal is not None
            assert (refusal.reason, refusal.reason.public) == (reason, public)

    def test_zero_discount_consumes_no_use(self) -> None:
        """An offer that takes nothing off is not applied: nothing of it is booked, and its code says so."""
        quote = SHOP.quote(Basket.of("EUR", {"a": "0.04"}), codes=["SUMMER10"], at=NOW)
        placed = SHOP.place(quote, order_id="1", at=NOW).order.state.placed
        assert placed is not None
        assert (placed.offers, placed.codes) == ((), ())
        assert quote.codes["SUMMER10"].refusal is not None

    def test_expired_code_still_works_in_an_old_basket(self) -> None:
        """The code is judged when the order is placed, not when it was typed: the price that moved is refused."""
        end = datetime(2026, 8, 31, 22, tzinfo=UTC)
        quote = SHOP.quote(Basket.of("EUR", {"a": "10"}), codes=["SUMMER10"], at=end - timedelta(minutes=1))
        with pytest.raises(RefusedError) as refused:
            SHOP.place(quote, order_id="1", at=end)
        assert refused.value.refusal.reason is Reason.QUOTE_CHANGED

    @pytest.mark.parametrize("entered", ["summer10", "SUMMER1O", " SUMMER10 ", "summer-10", "Summer 10\n"])
    def test_look_alikes_and_blanks_are_refused(self, entered: str) -> None:
        """Lower case, O for 0, spaces and a trailing blank are the same code."""
        quote = SHOP.quote(Basket.of("EUR", {"a": "10"}), codes=[entered], at=NOW)
        assert quote.codes[entered].applied

    def test_the_form_tells_an_attacker_which_codes_exist(self) -> None:
        """A code that does not exist and text that is no code have one public answer, in every language."""
        quote = SHOP.quote(Basket.of("EUR", {"a": "10"}), codes=["NOPE", "?!"], at=NOW)
        assert {answer.refusal.reason.public for answer in quote.codes.values() if answer.refusal} == {"coupon_invalid"}
        verdict = quote.verdict("summer")
        assert isinstance(verdict, Refused)
        assert "summer" not in quote.explain().lower()
