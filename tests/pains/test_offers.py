"""Offers and codes in other systems: a cent off, below zero, silent, counted for nothing."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from loyaltycore import Basket, Line, Membership, Money, Program, RefusedError
from loyaltycore.benefits import PercentOff
from loyaltycore.errors import Reason, Refused
from loyaltycore.quantities import allocate
from tests.programs import NOW, VELO, velo

SHOP = velo()
FLAT = VELO.partition("[stacking]")[0] + '[stacking]\nmode = "all"\n'


def euros(minor: int) -> Money:
    """Take minor units."""
    return Money(minor, "EUR")


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
