"""Codes, coupons and gift cards in other systems: used twice, lost for ever, guessed, counted wrongly, silent."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

import pytest

from loyaltycore import Basket, Money, RefusedError, UsageError
from loyaltycore.benefits import AmountOff, Per
from loyaltycore.conditions import spend_at_least
from loyaltycore.coupons import CodeSpace, CodeVerdict, CouponCampaign, FreedBy, Limits, NotApplied
from loyaltycore.errors import Reason
from loyaltycore.gift_cards import CardNumbers, SecretKey
from loyaltycore.identity import CounterId
from loyaltycore.periods import Window
from loyaltycore.services import Attempts
from loyaltycore.store.memory import MemoryRepository
from tests.test_card_steps import NUMBERS, card_shop, left, made
from tests.test_coupon_steps import (
    DAY,
    HALF_HOUR,
    KEY,
    SPACE,
    Recorder,
    campaigns,
    given,
    heard,
    issued,
    live,
    open_shop,
    percent,
    reason_of,
)
from tests.test_services import HELMET, NOON, Clock, LossyRepository, lost, refusal_of

GIFT_END = NOON + DAY


def euros(text: str) -> Money:
    """Give an amount."""
    return Money.of(text, "EUR")


class TestCodes:
    def test_why_did_my_code_not_work(self) -> None:
        """Whoever has a genuine code is told why, with what is missing; whoever guesses hears one word."""
        shop = open_shop(campaigns(percent("welcome", when=spend_at_least(euros("100")))))
        code = issued(shop)[0]
        told = shop.quote(HELMET, codes=[code]).codes[code].public
        assert isinstance(told, NotApplied)
        assert (told.reason, told.details["missing_minor"]) == ("basket_below_threshold", 2010)
        for guess in ("WELCOME", SPACE.code(999), "?"):
            assert shop.quote(HELMET, codes=[guess]).codes[guess].public == NotApplied()

    def test_the_form_tells_an_attacker_which_codes_exist(self) -> None:
        """Stopped, somebody else's, revoked or never made: the same bytes, and the same questions to the store."""
        recorder = Recorder(MemoryRepository())
        shop = open_shop(store=recorder)
        theirs, revoked = given(shop, "t", "other"), given(shop, "u", None)
        shop.revoke_coupon(revoked.coupon_id, reason="", by="me")
        seen = set[str]()
        for code in (theirs.code, revoked.code, "NOSUCH", SPACE.code(10**6)):
            quote, calls = heard(recorder, partial(shop.quote, HELMET, member_id="m", codes=[code]))
            seen.add(f"{quote.codes[code].public} {quote.total} {calls}")
        assert len(seen) == 1

    def test_a_script_tries_codes_all_night(self) -> None:
        """After twenty different ones nobody looks any more; a shopper who reloads his page goes on."""
        shop = open_shop(attempts=Attempts())
        mine = issued(shop)[0]
        told = [reason_of(shop.quote(HELMET, codes=[mine], client="shopper"), mine) for _ in range(50)]
        assert set(told) == {None}
        guesses = [SPACE.code(number) for number in range(1000, 1030)]
        heard_of = [reason_of(shop.quote(HELMET, codes=[guess], client="script"), guess) for guess in guesses]
        assert heard_of == [Reason.CODE_UNKNOWN] * 20 + [Reason.ATTEMPTS_LIMIT_REACHED] * 10

    def test_codes_of_a_predictable_generator(self) -> None:
        """No code follows from another: next to each genuine one there is none, and odds that are too good are refused."""
        codes = list(SPACE.codes(range(2000)))
        near = [code[:-2] + a + b for code in codes[:40] for a in "0123456789ABCDEFGH" for b in "0123456789JKMNPQRS"]
        assert not any(SPACE.read(code).verdict is CodeVerdict.GENUINE for code in near if code not in codes)
        with pytest.raises(UsageError):
            CodeSpace(KEY, pattern="####", context="velo")

    def test_an_endless_loop_when_the_space_is_full(self) -> None:
        """Whoever asks for more than there are is told so, at once."""
        refusal = refusal_of(lambda: open_shop().issue_codes("welcome", SPACE.capacity + 1, ref="all", by="me"))
        assert (refusal.reason, refusal.details["left"]) == (Reason.CODES_EXHAUSTED, SPACE.capacity)

    def test_offensive_codes(self) -> None:
        """A word skips a serial, in letters or in digits that look like them; the batch gets shorter, and ends."""
        shop = open_shop()
        plain = list(shop.issue_codes("welcome", 400, ref="plain", by="me").codes())
        bad = re.sub("[^A-Z]", " ", plain[7].replace("-", ""))[2:]
        word = next(part for part in (*bad.split(), plain[7].replace("-", "")[2:6]) if len(part) >= 3)
        batch = open_shop().issue_codes("welcome", 400, ref="clean", avoid=[word], by="me")
        clean = list(batch.codes())
        assert plain[7] not in clean
        assert set(clean) < set(plain)
        assert len(clean) > 380

    def test_o_for_0_spaces_and_small_letters(self) -> None:
        """Typed from a paper, with a blank behind, it is the code."""
        shop = open_shop()
        code = next(code for code in issued(shop, count=200) if "0" in code and "1" in code)
        for typed in (
            code.lower(),
            code.replace("0", "O"),
            code.replace("1", "l"),
            f" {code.replace('-', ' ')} ",
            code.replace("-", ""),
        ):
            assert shop.quote(HELMET, codes=[typed]).codes[typed].applied

    def test_a_million_codes_fill_the_database(self) -> None:
        """A batch stores one fact, whatever its size; its codes are made when they are read."""
        store = MemoryRepository()
        batch = open_shop(store=store).issue_codes("welcome", 1_000_000, ref="mail", by="me")
        assert len(set(islice(batch.codes(), 1000))) == 1000
        assert [stored.version for stored in store._streams.values()] == [1]


class TestUses:
    def test_a_single_use_code_redeemed_twice_under_load(self) -> None:
        """Twelve checkouts press the button at once: one order has the discount."""
        shop = open_shop(retries=100)
        code = issued(shop)[0]
        barrier = threading.Barrier(12)

        def press(number: int) -> int:
            quote = shop.quote(HELMET, codes=[code])
            barrier.wait()
            try:
                return len(shop.place(quote, order_id=str(number)).coupons_redeemed)
            except RefusedError:
                return 0

        with ThreadPoolExecutor(12) as pool:
            assert sum(pool.map(press, range(12))) == 1

    def test_a_retry_of_the_same_checkout_counted_twice(self) -> None:
        """Called again after a lost answer it is one use, and the answer is the first one, not "already redeemed"."""
        store = LossyRepository()
        shop = open_shop(campaigns(percent("TEN", "human", limits=Limits(total=1)), percent("welcome")), store)
        code = issued(shop)[0]
        for number, text in enumerate(("TEN", code)):
            quote = shop.quote(HELMET, codes=[text])
            store.after["commit"] = [lost]
            with pytest.raises(ConnectionError):
                shop.place(quote, order_id=str(number))
            assert shop.place(quote, order_id=str(number)).total == quote.total
        assert live(shop, "offer/TEN/orders") == [1]

    def test_a_zero_discount_consumes_a_use(self) -> None:
        """A code that takes nothing off, because another offer is better or nothing is left, is used by nobody."""
        shop = open_shop(campaigns(percent("FIVE", "human", off="5", limits=Limits(total=1)), percent("welcome", off="5")))
        code = issued(shop)[0]
        placed = shop.place(shop.quote(HELMET, codes=["FIVE", code]), order_id="1")
        assert (placed.coupons_redeemed, dict(placed.counters)) == ((), {})
        assert live(shop, "offer/FIVE/orders") == [0]
        assert shop.coupon(code).uses == {}

    def test_a_checkout_split_in_three_counts_three_times(self) -> None:
        """Reserved, quoted again and confirmed under one order it is one use."""
        shop = open_shop(campaigns(percent("ONE", "human", limits=Limits(total=1))))
        shop.reserve(shop.quote(HELMET, codes=["ONE"]), order_id="1", hold_for=HALF_HOUR)
        assert shop.quote(HELMET, codes=["ONE"], order_id="1").codes["ONE"].applied
        shop.confirm("1")
        assert live(shop, "offer/ONE/orders") == [1]

    def test_an_expired_code_works_in_an_old_basket(self) -> None:
        """The page is from yesterday: the order is refused, and says what it comes to now."""
        clock = Clock()
        shop = open_shop(campaigns(percent("JUNE", "human", window=Window(starts_at=None, ends_at=NOON + DAY))), clock=clock)
        quote = shop.quote(HELMET, codes=["JUNE"])
        clock.at += DAY
        refusal = refusal_of(lambda: shop.place(quote, order_id="1"))
        assert (refusal.reason, refusal.details["now_minor"]) == (Reason.QUOTE_CHANGED, 7191)

    def test_a_usage_count_took_the_shop_down(self) -> None:
        """After five hundred orders a quote asks for the same as before the first: one counter."""
        recorder = Recorder(MemoryRepository())
        shop = open_shop(campaigns(percent("MANY", "human", limits=Limits(total=10_000))), recorder)
        ask = partial(shop.quote, HELMET, codes=["MANY"])
        _, before = heard(recorder, ask)
        for number in range(500):
            shop.place(ask(), order_id=str(number))
        assert heard(recorder, ask)[1] == before
        assert [call for call in before if call[0] == "claimed"] == [("claimed", (CounterId("offer/MANY/orders"),))]

    def test_the_last_coupon_is_held_by_an_abandoned_basket(self) -> None:
        """Until the time it was reserved for has run out, and no job has to run."""
        clock = Clock()
        shop = open_shop(campaigns(percent("LAST", "human", limits=Limits(total=1)), percent("welcome")), clock=clock)
        code = issued(shop)[0]
        shop.reserve(shop.quote(HELMET, codes=["LAST"]), order_id="1", hold_for=HALF_HOUR)
        shop.reserve(shop.quote(HELMET, codes=[code]), order_id="2", hold_for=HALF_HOUR)
        assert not any(shop.quote(HELMET, codes=[text]).codes[text].applied for text in ("LAST", code))
        clock.at += HALF_HOUR
        assert all(shop.quote(HELMET, codes=[text]).codes[text].applied for text in ("LAST", code))

    def test_a_paid_order_is_refused_because_its_hold_ran_out(self) -> None:
        """The bank page was open for an hour, and somebody else had the last one: the order is booked, and says late."""
        clock = Clock()
        shop = open_shop(campaigns(percent("LAST", "human", limits=Limits(total=1))), clock=clock)
        quote = shop.quote(HELMET, codes=["LAST"])
        shop.reserve(quote, order_id="1", hold_for=HALF_HOUR)
        clock.at += 2 * HALF_HOUR
        shop.place(shop.quote(HELMET, codes=["LAST"]), order_id="2")
        late = shop.confirm("1")
        assert (late.late, late.total) == (True, quote.total)
        assert live(shop, "offer/LAST/orders") == [2]

    def test_a_returned_order_gives_no_code_back(self) -> None:
        """A use comes back where the campaign says so, and never twice."""
        for freed_by, again in ((FreedBy.CANCELLED, False), (FreedBy.RETURNED, True)):
            shop = open_shop(campaigns(percent("welcome", limits=Limits(freed_by=freed_by))))
            code = issued(shop)[0]
            shop.place(shop.quote(HELMET, codes=[code]), order_id="1")
            for return_id in ("r", "r"):
                shop.refund("1", return_id=return_id, lines={"helmet": 1})
            assert shop.quote(HELMET, codes=[code]).codes[code].applied is again

    def test_the_budget_is_passed_by_the_last_order(self) -> None:
        """What is left of it is all the last order gets."""
        ten = CouponCampaign("TEN", give=AmountOff(euros("20"), per=Per.BASKET), codes="human", limits=Limits(budget=euros("50")))
        shop = open_shop(campaigns(ten))
        for number in range(5):
            shop.place(shop.quote(HELMET, codes=["TEN"]), order_id=str(number))
        assert live(shop, "offer/TEN/spent") == [5000]


class TestCards:
    def test_an_expired_gift_card_works_in_an_old_basket(self) -> None:
        """Looked at when it is quoted and when it is placed; the public answer is that of no card."""
        clock = Clock()
        shop = card_shop(clock=clock)
        card = made(shop, expires_at=GIFT_END)
        quote = shop.quote(HELMET, gift_cards=[card.number])
        assert quote.to_pay == euros("21.91")
        clock.at = GIFT_END
        assert refusal_of(lambda: shop.place(quote, order_id="1")).reason is Reason.QUOTE_CHANGED
        (answer,) = shop.quote(HELMET, gift_cards=[card.number]).cards.values()
        assert answer.refusal is not None
        assert answer.refusal.reason.public == "card_invalid"

    def test_the_form_tells_an_attacker_which_cards_exist(self) -> None:
        """A blocked card and a number of nobody look the same from outside."""
        recorder = Recorder(MemoryRepository())
        shop = card_shop(recorder)
        card = made(shop)
        shop.cards.block(card.card_id, reason="lost", actor="desk")
        seen = set[str]()
        for number in (card.number, NUMBERS.number(b"n" * 16), "1234"):
            answer, calls = heard(recorder, partial(shop.cards.balance, number))
            seen.add(f"{[one.reason.public for one in answer]} {calls}")
        assert len(seen) == 1

    def test_buy_a_card_spend_it_return_it(self) -> None:
        """The money would be had twice: the return is refused, and tells what was spent."""
        shop = card_shop()
        shop.place(shop.quote(Basket.of("EUR", {"gift-card": "50.00"})), order_id="s")
        card = made(shop, order_id="s", line_id="gift-card")
        shop.place(shop.quote(HELMET, gift_cards=[card.number]), order_id="2")
        refusal = refusal_of(lambda: shop.refund("s", return_id="r", lines={"gift-card": 1}))
        assert (refusal.reason, refusal.details["spent_minor"]) == (Reason.CARD_SPENT, 5000)

    def test_a_card_is_turned_into_cash(self) -> None:
        """What the card paid goes back to the card before any money is paid out."""
        shop = card_shop()
        card = made(shop)
        shop.place(shop.quote(HELMET, gift_cards=[card.number]), order_id="1")
        back = shop.refund("1", return_id="r", lines={"helmet": 1})
        assert (str(back.to_pay_out), left(shop, card)) == ("21.91 EUR", "50.00 EUR")

    def test_refund_of_an_order_paid_by_card_twice(self) -> None:
        """The webhook that comes twice gives the money back once."""
        shop = card_shop()
        card = made(shop)
        shop.place(shop.quote(HELMET, gift_cards=[card.number]), order_id="1")
        for _ in range(2):
            shop.refund("1", return_id="r", lines={"helmet": 1})
        assert left(shop, card) == "50.00 EUR"

    def test_the_database_leaks_all_card_numbers(self) -> None:
        """A number is kept as a digest under a key that is elsewhere: what is stored leads to none."""
        store = MemoryRepository()
        card = made(card_shop(store))
        assert all(
            card.number.replace("-", "") not in f"{name}{stored}".replace("-", "") for name, stored in store._streams.items()
        )
        other = card_shop(store, card_numbers=CardNumbers(SecretKey("theirs", b"t" * 32)))
        assert refusal_of(lambda: other.cards.find(card.number)).reason is Reason.CARD_UNKNOWN
