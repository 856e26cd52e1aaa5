"""Coupons, limits and gift cards through ``Loyalty``: odd orders of events that once lost, minted or told something."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from loyaltycore import Basket, Line, Loyalty, Money, Program
from loyaltycore.basket import Filter
from loyaltycore.benefits import NextCoupon, PercentOff
from loyaltycore.conditions import spend_at_least
from loyaltycore.coupons import CodeBook, CodeSpace, CouponCampaign, FreedBy, Limits, NotApplied, SecretKey
from loyaltycore.errors import Reason, RefusedError, UsageError
from loyaltycore.gift_cards import CardNumbers
from loyaltycore.offers import Offer
from loyaltycore.periods import Period, Window
from loyaltycore.services import Attempts, IssuedCard
from loyaltycore.store.memory import MemoryRepository

START = datetime(2026, 7, 1, 10, tzinfo=UTC)
SPACE = CodeSpace(SecretKey("2026a", bytes(range(32))), pattern="HI-####-####-####", context="velo")
HOUR = timedelta(hours=1)
FORTY = Basket.of("EUR", {"x": "40"})
HEAD = """
[program]
name = "velo"
version = 1
currency = "EUR"
zone = "Europe/Paris"
starts_on = 2026-07-01
[stacking]
mode = "best"
"""


class Clock:
    """Tells what it is told."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        """Give the time."""
        return self.at


def euros(amount: str) -> Money:
    """Give an amount."""
    return Money.of(amount, "EUR")


def shop_of(*campaigns: CouponCampaign, offers: Sequence[Offer] = (), **said: Any) -> tuple[Loyalty, Clock]:  # noqa: ANN401 - fields of a service
    """Make a shop with some campaigns and offers."""
    base, clock = Program.parse(HEAD), Clock()
    program = attrs.evolve(base, book=attrs.evolve(base.book, offers=offers), campaigns=campaigns)
    numbers = CardNumbers(SecretKey("pepper", b"p" * 32))
    return Loyalty(program, MemoryRepository(), clock=clock, card_numbers=numbers, **{"codes": CodeBook([SPACE]), **said}), clock


def card(shop: Loyalty, amount: str, ref: str, *, order_id: str | None = None, line_id: str | None = None) -> IssuedCard:
    """Make a gift card whose number follows from its name."""
    return shop.cards.issue(
        euros(amount), ref=ref, entropy=ref.encode().ljust(16, b"."), expires_at=None, order_id=order_id, line_id=line_id
    )


def replaced(shop: Loyalty, old: IssuedCard, ref: str) -> IssuedCard:
    """Put another card in the place of one."""
    return shop.cards.replace(old.card_id, ref=ref, entropy=ref.encode().ljust(16, b"."), actor="desk")


def left(shop: Loyalty, clock: Clock, *cards: IssuedCard) -> list[Decimal]:
    """Tell what is available on cards, in euros."""
    return [shop.cards.card(one.card_id).balance(at=clock.at).available.decimal for one in cards]


class TestAttempts:
    """What was not looked at for a quote is not looked at when that is placed."""

    @pytest.mark.law(22, 44)
    def test_a_quote_refused_for_attempts_is_booked_as_it_was_shown(self) -> None:
        """Neither a hint that the code was real, nor a paid order that is refused."""
        welcome = CouponCampaign("welcome", give=PercentOff(50), codes=SPACE)
        shop, _ = shop_of(welcome, attempts=Attempts(per_client=3, per_member=None))
        real = next(shop.issue_codes("welcome", 10, ref="mail", by="shop").codes())
        for serial in range(3):
            shop.quote(FORTY, codes=[SPACE.code(5000 + serial)], client="device")
        quote = shop.quote(FORTY, codes=[real], client="device")
        assert quote.codes[real].public == NotApplied(reason="attempts_limit_reached")
        placed = shop.place(quote, order_id="1")
        assert (placed.total, placed.coupons_redeemed) == (euros("40"), ())
        assert shop.quote(FORTY, codes=[real], client="other").codes[real].applied


class TestNames:
    """Texts, coupons and orders are never taken for each other."""

    def test_the_id_of_a_coupon_is_no_code(self) -> None:
        """Typed, it is no code; the coupon applies by itself all the same, and the order is booked."""
        sorry = CouponCampaign("sorry-10", give=PercentOff(10), codes=None, automatic=True)
        shop, _ = shop_of(sorry)
        shop.grant("sorry-10", member_id="m", ref="t-1", by="desk")
        (held,) = shop.coupons("m")
        quote = shop.quote(FORTY, member_id="m", codes=[held.coupon_id])
        answer = quote.codes[held.coupon_id]
        assert answer.refusal is not None
        assert answer.refusal.reason is Reason.CODE_MALFORMED
        assert quote.held_coupons[held.coupon_id].applied
        assert [one.coupon_id for one in shop.place(quote, order_id="1").coupons_redeemed] == [held.coupon_id]

    @pytest.mark.law(43)
    def test_orders_that_give_coupons_never_collide(self) -> None:
        """Whatever orders and references are called."""
        thanks = CouponCampaign("nxt", give=PercentOff(10), codes=None)
        offers = [Offer(name, give=NextCoupon("nxt")) for name in ("give", "give2")]
        shop, _ = shop_of(thanks, offers=offers)
        shop.grant("nxt", member_id="m", ref="order:9", by="desk")
        for order_id in ("1", "1:2", "1/nxt/2", "order:9", "9"):
            shop.place(shop.quote(FORTY, member_id="x"), order_id=order_id)
        assert len({one.coupon_id for one in shop.coupons("x")}) == 10


class TestCouponsOfOrders:
    def give(self, freed_by: FreedBy = FreedBy.CANCELLED) -> tuple[Loyalty, Clock, str]:
        """Place an order that gives a coupon."""
        thanks = CouponCampaign("nxt", give=PercentOff(10), codes=None, limits=Limits(freed_by=freed_by))
        shop, clock = shop_of(thanks, offers=[Offer("give", when=spend_at_least(euros("30")), give=NextCoupon("nxt"))])
        shop.place(shop.quote(FORTY, member_id="m"), order_id="1")
        return shop, clock, shop.coupons("m")[0].coupon_id

    @pytest.mark.law(33)
    def test_a_returned_order_leaves_none_in_an_open_basket(self) -> None:
        """Not even while another order holds it: that one may be paid, and nobody else gets it."""
        shop, clock, coupon_id = self.give()
        shop.reserve(shop.quote(FORTY, member_id="m", coupons=[coupon_id]), order_id="2", hold_for=HOUR)
        shop.refund("1", return_id="r", lines={"x": 1})
        clock.at += 2 * HOUR
        assert shop.quote(FORTY, member_id="m", coupons=[coupon_id]).total == euros("40")
        assert [one.coupon_id for one in shop.confirm("2").coupons_redeemed] == [coupon_id]

    @pytest.mark.law(33)
    def test_given_used_and_both_returned(self) -> None:
        """Nothing was kept, and no coupon is left of it."""
        shop, _, coupon_id = self.give(freed_by=FreedBy.RETURNED)
        shop.place(shop.quote(FORTY, member_id="m", coupons=[coupon_id]), order_id="2")
        shop.refund("1", return_id="r", lines={"x": 1})
        shop.refund("2", return_id="r", lines={"x": 1})
        assert shop.quote(FORTY, member_id="m", coupons=[coupon_id]).total == euros("40")

    def test_a_stopped_campaign_gives_none(self) -> None:
        """Orders go on, and give nothing of it."""
        shop, _, _ = self.give()
        shop.stop("nxt", by="desk")
        assert shop.place(shop.quote(FORTY, member_id="m"), order_id="2").coupons_granted == ()


class TestReplacedCards:
    """Money follows a card to the last one in its place."""

    @pytest.mark.law(37)
    def test_a_hold_that_is_given_up(self) -> None:
        """Cancelled, what was held goes on at once; where its time runs out, with the next sweep."""
        shop, clock = shop_of()
        first = card(shop, "50", "a")
        for order_id in ("1", "2"):
            shop.reserve(shop.quote(Basket.of("EUR", {"x": "20"}), gift_cards=[first.number]), order_id=order_id, hold_for=HOUR)
        second = replaced(shop, first, "b")
        third = replaced(shop, second, "c")
        assert left(shop, clock, first, second, third) == [0, 0, 10]
        shop.cancel("1")
        assert left(shop, clock, first, second, third) == [0, 0, 30]
        clock.at += 2 * HOUR
        assert shop.sweep().failed == ()
        assert left(shop, clock, first, second, third) == [0, 0, 50]

    @pytest.mark.law(37, 43)
    @pytest.mark.parametrize("given_up", ["by time", "by the shop"])
    def test_a_late_payment_takes_from_the_card_in_its_place(self, given_up: str) -> None:
        """The order was paid with what went on meanwhile: nobody has it twice, and it comes back to where the money is."""
        shop, clock = shop_of()
        first = card(shop, "50", "a")
        shop.reserve(shop.quote(FORTY, gift_cards=[first.number]), order_id="1", hold_for=HOUR)
        if given_up == "by the shop":
            second = replaced(shop, first, "b")
            shop.cancel("1")
        else:
            clock.at += 2 * HOUR
            second = replaced(shop, first, "b")
        assert left(shop, clock, first, second) == [0, 50]
        assert shop.confirm("1").late
        assert left(shop, clock, first, second) == [0, 10]
        shop.refund("1", return_id="r", lines={"x": 1})
        assert left(shop, clock, first, second) == [0, 50]
        for one, closing in ((first, "0"), (second, "50")):
            told = shop.cards.statement(one.card_id, window=Window(starts_at=None, ends_at=None))
            assert told.lines[-1].balance == euros(closing)

    @pytest.mark.law(37)
    def test_a_replacement_called_as_the_return(self) -> None:
        """The two are told apart."""
        shop, clock = shop_of()
        first = card(shop, "50", "a")
        shop.place(shop.quote(FORTY, gift_cards=[first.number]), order_id="1")
        second = replaced(shop, first, "1/r")
        shop.refund("1", return_id="r", lines={"x": 1})
        assert left(shop, clock, first, second) == [0, 50]

    @pytest.mark.law(37)
    def test_a_sold_card_that_was_replaced_leaves_what_was_loaded_since(self) -> None:
        """What the customer put on it is no part of what he returns."""
        shop, clock = shop_of()
        goods = Basket([Line("gc", euros("50"), 1)], currency="EUR")
        shop.place(shop.quote(goods), order_id="1")
        sold = card(shop, "50", "a", order_id="1", line_id="gc")
        other = replaced(shop, sold, "b")
        shop.cards.load(other.card_id, euros("30"), ref="own", expires_at=None)
        assert shop.refund("1", return_id="r", lines={"gc": 1}).cards_cancelled == (other.card_id,)
        assert left(shop, clock, other) == [30]

    @pytest.mark.law(37)
    def test_what_was_loaded_before_stays_too(self) -> None:
        """Loaded on the card that was sold, and moved with it: what was sold is taken, and no more."""
        shop, clock = shop_of()
        goods = Basket([Line("gc", euros("50"), 1)], currency="EUR")
        shop.place(shop.quote(goods), order_id="1")
        sold = card(shop, "50", "a", order_id="1", line_id="gc")
        shop.cards.load(sold.card_id, euros("30"), ref="own", expires_at=None)
        other = replaced(shop, sold, "b")
        shop.refund("1", return_id="r", lines={"gc": 1})
        assert left(shop, clock, other) == [30]

    @pytest.mark.law(37)
    def test_a_card_is_cancelled_once(self) -> None:
        """What is left on it is the customer's: the next unit that comes back takes the other card."""
        shop, clock = shop_of()
        shop.place(shop.quote(Basket([Line("gc", euros("50"), 2)], currency="EUR")), order_id="1")
        other = card(shop, "50", "c", order_id="1", line_id="gc")
        sold = card(shop, "50", "a", order_id="1", line_id="gc")
        placed = replaced(shop, sold, "b")
        shop.cards.load(placed.card_id, euros("30"), ref="own", expires_at=None)
        assert shop.refund("1", return_id="r1", lines={"gc": 1}).cards_cancelled == (placed.card_id,)
        assert shop.refund("1", return_id="r2", lines={"gc": 1}).cards_cancelled == (other.card_id,)
        assert left(shop, clock, sold, placed, other) == [0, 30, 0]

    @pytest.mark.law(37)
    def test_what_was_spent_of_it_is_not_paid_out(self) -> None:
        """Less is left on it than was sold: the return is refused, and nothing moves."""
        shop, clock = shop_of()
        shop.place(shop.quote(Basket([Line("gc", euros("50"), 1)], currency="EUR")), order_id="1")
        sold = card(shop, "50", "a", order_id="1", line_id="gc")
        shop.place(shop.quote(FORTY, gift_cards=[sold.number]), order_id="2")
        other = replaced(shop, sold, "b")
        shop.cards.load(other.card_id, euros("30"), ref="own", expires_at=None)
        with pytest.raises(RefusedError, match="card_spent"):
            shop.refund("1", return_id="r", lines={"gc": 1})
        assert left(shop, clock, other) == [40]


class TestOwnHold:
    """An order that was set aside sees what it holds itself."""

    @pytest.mark.law(22)
    def test_the_card_pays_in_a_quote_of_the_order(self) -> None:
        """Who comes back from the bank's page reads the same amount; another basket reads what is left."""
        shop, _ = shop_of()
        made = card(shop, "50", "a")
        quote = shop.quote(FORTY, gift_cards=[made.number])
        reserved = shop.reserve(quote, order_id="1", hold_for=HOUR)
        assert (reserved.total, reserved.to_pay) == (euros("40"), euros("0"))
        assert shop.quote(FORTY, cards=quote.asked.cards, order_id="1").to_pay == euros("0")
        assert shop.quote(FORTY, cards=quote.asked.cards).to_pay == euros("30")
        assert shop.confirm("1").to_pay == euros("0")

    def test_numbers_beyond_the_limit_are_answered(self) -> None:
        """A form may send any number of them."""
        shop, _ = shop_of()
        made = card(shop, "50", "a")
        answers = shop.quote(FORTY, gift_cards=[made.number, *map(str, range(9))]).cards
        assert [one.public for one in answers.values()] == ["", *["card_invalid"] * 4, "codes_limit_reached"]
        assert answers[made.card_id].paid == euros("40")


class TestSoldCards:
    @pytest.mark.law(37)
    def test_none_is_made_for_an_order_that_came_back_by_amount(self) -> None:
        """The money is back: there is nothing to put on a card."""
        shop, _ = shop_of()
        shop.place(shop.quote(Basket([Line("gc", euros("50"), 2)], currency="EUR")), order_id="9")
        shop.refund("9", return_id="r", amount=euros("100"))
        with pytest.raises(RefusedError, match="cards_exceed_order"):
            card(shop, "50", "a", order_id="9", line_id="gc")


class TestSecrets:
    def test_no_code_stands_in_a_message(self) -> None:
        """One text in the place of several is a mistake; it is not repeated in a log."""
        shop, _ = shop_of()
        with pytest.raises(UsageError) as told:
            shop.quote(FORTY, codes="HI-28BR-3ZVA-JBF8")
        assert "28BR" not in str(told.value)

    @pytest.mark.law(37)
    def test_a_quote_holds_no_number(self) -> None:
        """Neither printed nor pickled."""
        shop, _ = shop_of()
        made = card(shop, "50", "a")
        quote = shop.quote(FORTY, gift_cards=[made.number])
        folded = made.number.replace("-", "")
        assert made.number not in repr(quote)
        assert made.number.encode() not in pickle.dumps(quote)
        assert folded.encode() not in pickle.dumps(quote)


class TestChangedPrograms:
    def test_a_grant_is_answered_when_the_campaign_has_codes_by_now(self) -> None:
        """As it was: without one."""
        shop, _ = shop_of(CouponCampaign("sorry", give=PercentOff(10), codes=None))
        first = shop.grant("sorry", member_id="m", ref="t", by="desk")
        changed = attrs.evolve(shop.program, campaigns=[CouponCampaign("sorry", give=PercentOff(10), codes=SPACE)])
        later = attrs.evolve(shop, program=attrs.evolve(changed, book=attrs.evolve(changed.book, offers=[])))
        assert later.grant("sorry", member_id="m", ref="t", by="desk") == first
        assert first.code == ""

    def test_a_batch_keeps_its_dates(self) -> None:
        """What was mailed is good as long as it said, whatever the program says by now."""
        month = CouponCampaign("welcome", give=PercentOff(50), codes=SPACE, valid_for=Period(days=30))
        shop, clock = shop_of(month)
        code = next(shop.issue_codes("welcome", 10, ref="mail", by="shop").codes())
        week = attrs.evolve(month, valid_for=Period(days=7))
        later = attrs.evolve(
            shop, program=attrs.evolve(shop.program, book=attrs.evolve(shop.program.book, offers=[]), campaigns=[week])
        )
        clock.at += timedelta(days=29)
        assert later.quote(FORTY, codes=[code]).total == euros("20")
        clock.at += timedelta(days=2)
        assert later.quote(FORTY, codes=[code]).total == euros("40")

    def test_a_worker_without_keys_places_no_code(self) -> None:
        """It says so, instead of telling the shopper that the price moved."""
        shop, _ = shop_of(CouponCampaign("welcome", give=PercentOff(50), codes=SPACE))
        code = next(shop.issue_codes("welcome", 10, ref="mail", by="shop").codes())
        quote = shop.quote(FORTY, codes=[code])
        worker = attrs.evolve(shop, codes=None)
        with pytest.raises(UsageError, match="codes must be a CodeBook"):
            worker.place(quote, order_id="1")
        with pytest.raises(UsageError, match="codes must be a CodeBook"):
            worker.reserve(quote, order_id="1", hold_for=HOUR)
        assert worker.quote(FORTY, codes=[code]).total == euros("40")


class TestNudges:
    @pytest.mark.law(44)
    def test_of_a_code_that_may_be_a_guess_a_nudge_tells_nothing(self) -> None:
        """A real one below its threshold looks as one that is none; one that cannot be guessed says how much is missing."""
        weak = CodeSpace(SecretKey("2026a", bytes(range(32))), pattern="########", context="velo", tag=4, weak=True)
        when = spend_at_least(euros("50"))
        for space, missing in ((weak, []), (SPACE, [euros("10")])):
            book = CodeBook([space], tolerated_hits="1")
            shop, _ = shop_of(CouponCampaign("welcome", give=PercentOff(50), codes=space, when=when), codes=book)
            code = next(shop.issue_codes("welcome", 10, ref="mail", by="shop").codes())
            quote = shop.quote(FORTY, codes=[code])
            assert [nudge.missing for nudge in quote.nudges] == missing
            assert (quote.codes[code].public == NotApplied()) is (space is weak)


class TestRestrictedCards:
    """A card for some goods only gets back what those goods bring."""

    @pytest.mark.law(37)
    @pytest.mark.parametrize("order", [("l1", "l2"), ("l2", "l1")])
    def test_money_is_not_turned_into_a_card(self, order: tuple[str, str]) -> None:
        """Whatever comes back first, the card gets what it paid, and the rest is paid out."""
        shop, clock = shop_of()
        lines = [Line("l1", euros("40"), categories=["a"]), Line("l2", euros("60"), categories=["b"])]
        basket = Basket(lines, currency="EUR", shipping=euros("5"))
        made = shop.cards.issue(euros("100"), ref="r", entropy=b"r" * 16, expires_at=None, only=Filter(categories=["a"]))
        shop.place(shop.quote(basket, gift_cards=[made.number]), order_id="1")
        assert left(shop, clock, made) == [60]
        for line_id in order:
            back = shop.refund("1", return_id=line_id, lines={line_id: 1})
            assert back.to_cards == ({made.card_id: 4000} if line_id == "l1" else {})
            assert back.to_pay_out == (euros("0") if line_id == "l1" else euros("60"))
        assert left(shop, clock, made) == [100]

    @pytest.mark.law(37)
    def test_by_amounts(self) -> None:
        """Of an amount without goods it gets the part of its goods, and in the end all that it paid."""
        shop, clock = shop_of()
        lines = [Line("l1", euros("40"), categories=["a"]), Line("l2", euros("60"), categories=["b"])]
        made = shop.cards.issue(euros("100"), ref="r", entropy=b"r" * 16, expires_at=None, only=Filter(categories=["a"]))
        shop.place(shop.quote(Basket(lines, currency="EUR"), gift_cards=[made.number]), order_id="1")
        for amount, on_card in (("10", 64), ("50", 84), ("40", 100)):
            shop.refund("1", return_id=amount, amount=euros(amount))
            assert left(shop, clock, made) == [on_card]
