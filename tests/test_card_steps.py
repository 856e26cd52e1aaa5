"""Gift cards at the service: made once, paid once, given back, replaced, looked up by a number that is kept nowhere."""

from __future__ import annotations

import pickle
import sqlite3
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import attrs
import pytest

from loyaltycore import Basket, Loyalty, Money, Reason, RefusedError, UsageError
from loyaltycore._card_steps import IssuedCard, card_id_of
from loyaltycore._code_space import SecretKey
from loyaltycore.basket import Filter
from loyaltycore.facts import Command, Expect, Fact
from loyaltycore.gift_cards import CardNumbered, CardNumbers, CardUses, number_stream
from loyaltycore.identity import Key, StreamId, card_stream, order_stream
from loyaltycore.ledger import ExpiryReported
from loyaltycore.orders import OrderCardSold
from loyaltycore.periods import Window
from loyaltycore.program import Program, Quote
from loyaltycore.repositories import Repository
from loyaltycore.services import Attempts
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from tests.test_coupon_steps import DAY, HALF_HOUR, MOMENTS, OPEN, Recorder, given, heard, issued, open_shop
from tests.test_services import HELMET, NOON, PROGRAM, Clock, LossyRepository, lost, refusal_of

PEPPER = SecretKey("pepper-1", bytes(range(32)))
NEXT = SecretKey("pepper-2", bytes(range(1, 33)))
LAST = SecretKey("pepper-3", bytes(range(2, 34)))
NUMBERS = CardNumbers(PEPPER)
GIFT = Basket.of("EUR", {"gift-card": "50.00"})


def euros(text: str) -> Money:
    """Give an amount."""
    return Money.of(text, "EUR")


def entropy(number: int) -> bytes:
    """Give the entropy of a card; a shop draws it."""
    return blake2b(bytes([number % 256, number // 256]), digest_size=16).digest()


def card_shop(store: Repository | None = None, clock: Clock | None = None, program: Program = PROGRAM, **more: Any) -> Loyalty:  # noqa: ANN401
    """Open a shop with gift cards."""
    return open_shop(program, store, clock, codes=None, **{"card_numbers": NUMBERS, **more})


def made(shop: Loyalty, amount: str = "50.00", ref: str = "gift-1", number: int = 1, **more: Any) -> IssuedCard:  # noqa: ANN401
    """Make a card."""
    return shop.cards.issue(euros(amount), ref=ref, entropy=entropy(number), **{"expires_at": None, **more})


def left(shop: Loyalty, card: IssuedCard) -> str:
    """Tell what is on a card, by its id."""
    return str(shop.cards.card(card.card_id).balance(at=shop.clock()).available)


@pytest.fixture
def clock() -> Clock:
    """A clock at noon."""
    return Clock()


@pytest.fixture
def store() -> LossyRepository:
    """A repository in memory that can be made to fail."""
    return LossyRepository()


@pytest.fixture
def shop(store: LossyRepository, clock: Clock) -> Loyalty:
    """A shop over it."""
    return card_shop(store, clock)


def facts_in(store: LossyRepository, stream: StreamId) -> tuple[Fact, ...]:
    """Look at what is kept."""
    return store.inner.load([stream])[stream].facts


class TestIssue:
    @pytest.mark.parametrize("moment, name", MOMENTS)
    def test_a_lost_answer(self, moment: str, name: str, shop: Loyalty, store: LossyRepository) -> None:
        """The retry reveals the same number; there is one card, with one load."""
        getattr(store, moment)[name] = [lost]
        with pytest.raises(ConnectionError):
            made(shop)
        card = made(shop)
        assert made(shop) == card
        assert (card.card_id, card.number, card.amount) == (card_id_of("gift-1"), NUMBERS.number(entropy(1)), euros("50"))
        assert [fact.kind for fact in facts_in(store, card_stream(card.card_id))] == ["gift_card.issued", "ledger.granted"]

    @pytest.mark.parametrize(
        "other, fields",
        [
            ({"number": 2}, ("entropy",)),
            ({"amount": "50.01"}, ("amount",)),
            ({"expires_at": NOON + DAY}, ("expires_at",)),
            ({"uses": CardUses.ONE}, ("uses",)),
            ({"minimum": euros("10")}, ("minimum",)),
            ({"only": Filter(products=["helmet"])}, ("only",)),
            ({"actor": "desk"}, ("actor",)),
        ],
    )
    def test_the_same_ref_otherwise(self, other: dict[str, Any], fields: tuple[str, ...], shop: Loyalty) -> None:
        """It says what differs, and reveals nothing."""
        made(shop)
        refusal = refusal_of(partial(made, shop, **other))
        assert (refusal.reason, refusal.details["fields"]) == (Reason.KEY_REUSED, fields)

    def test_entropy_makes_one_card(self, shop: Loyalty) -> None:
        """The same for another card would make two of one number."""
        card = made(shop)
        with pytest.raises(UsageError, match="entropy must be new for every card") as error:
            made(shop, ref="gift-2")
        assert card.number not in str(error.value)
        assert shop.cards.card(card_id_of("gift-2")).issued is None
        with pytest.raises(UsageError, match="entropy must be new for every card"):
            shop.cards.replace(card.card_id, ref="new", entropy=entropy(1), actor="desk")

    @pytest.mark.parametrize("moment", [("after", "receipt"), ("before", "commit")])
    def test_the_same_call_was_faster(self, moment: tuple[str, str], shop: Loyalty, store: LossyRepository) -> None:
        """Between two looks: one card, and one number; with other entropy the second is refused."""
        other, cards = attrs.evolve(shop, repository=store.inner), list[IssuedCard]()
        getattr(store, moment[0])[moment[1]] = [lambda: cards.append(made(other))]
        assert made(shop) == cards[0]
        getattr(store, moment[0])[moment[1]] = [lambda: made(other, ref="gift-2", number=2)]
        assert refusal_of(lambda: made(shop, ref="gift-2", number=3)).reason is Reason.KEY_REUSED
        replace = partial(shop.cards.replace, cards[0].card_id, ref="new", actor="desk")
        news = list[IssuedCard]()
        faster = partial(other.cards.replace, cards[0].card_id, ref="new", entropy=entropy(4), actor="desk")
        getattr(store, moment[0])[moment[1]] = [lambda: news.append(faster())]
        assert replace(entropy=entropy(4)) == news[0]
        assert refusal_of(partial(replace, entropy=entropy(5))).details["fields"] == ("entropy",)
        assert len([name for name in _streams(store) if name.startswith("gift_card_number/")]) == 3

    def test_one_ref_at_two_desks(self, tmp_path: Path) -> None:
        """Sixteen at once make one card; with other entropy all but one are refused."""
        shop = card_shop(SQLiteRepository(tmp_path / "shop.db"), retries=100)
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(lambda _: made(shop), range(16)))) == 1

        def another(number: int) -> bool:
            try:
                made(shop, ref="other", number=number)
            except RefusedError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(another, range(10, 18))) == 1

    def test_its_number_is_masked(self, shop: Loyalty) -> None:
        """What is printed is its beginning alone."""
        card = made(shop)
        assert card.number not in repr(card)
        assert card.card_id in repr(card)

    def test_both_or_none(self, shop: Loyalty) -> None:
        """An order without its line sells nothing."""
        with pytest.raises(UsageError, match="order_id and line_id must be given together, got '1' and None"):
            made(shop, order_id="1")

    def test_without_numbers_there_are_no_cards(self) -> None:
        """It says so."""
        shop = card_shop(card_numbers=None)
        calls: list[Callable[[], object]] = [
            lambda: made(shop),
            lambda: shop.cards.balance("any"),
            lambda: shop.quote(HELMET, gift_cards=["any"]),
            shop.cards.rotate_peppers,
        ]
        for call in calls:
            with pytest.raises(UsageError, match="card_numbers must be CardNumbers"):
                call()


class TestLoad:
    def test_more_money_with_an_end_of_its_own(self, shop: Loyalty, store: LossyRepository) -> None:
        """Once for each ref, also after a lost answer."""
        card = made(shop)
        load = partial(shop.cards.load, card.card_id, euros("20"), ref="top-1", expires_at=NOON + DAY)
        store.after["commit"] = [lost]
        with pytest.raises(ConnectionError):
            load()
        granted = load()
        assert (granted.units, load()) == (2000, granted)
        balance = shop.cards.balance(card.number)
        assert (balance.available, [str(one.amount) for one in balance.expires]) == (euros("70"), ["20.00 EUR"])
        refusal = refusal_of(lambda: shop.cards.load(card.card_id, euros("21"), ref="top-1", expires_at=None))
        assert refusal.details["fields"] == ("amount", "expires_at")

    def test_a_card_that_is_not_there(self, shop: Loyalty) -> None:
        """Nothing is loaded on it."""
        refusal = refusal_of(lambda: shop.cards.load("nosuch", euros("1"), ref="top", expires_at=None))
        assert refusal.reason is Reason.CARD_NOT_FOUND


class TestPay:
    def test_by_quote_and_place(self, shop: Loyalty) -> None:
        """The card pays what it can, in the order asked; what is left is to pay otherwise."""
        first, second = made(shop), made(shop, "100.00", "gift-2", 2)
        quote = shop.quote(HELMET, gift_cards=[first.number.lower().replace("-", " "), second.number])
        assert [str(one.paid) for one in quote.cards.values()] == ["50.00 EUR", "21.91 EUR"]
        assert (quote.total, quote.to_pay) == (euros("71.91"), euros("0"))
        placed = shop.place(quote, order_id="1")
        assert shop.place(quote, order_id="1") == placed
        assert [one.card_id for one in placed.card_payments] == [first.card_id, second.card_id]
        assert (left(shop, first), left(shop, second)) == ("0.00 EUR", "78.09 EUR")

    def test_by_its_id_too(self, shop: Loyalty) -> None:
        """A page asks for the number once, and for the card from then on: that is no attempt."""
        shop = attrs.evolve(shop, attempts=Attempts(per_client=1))
        card = made(shop)
        assert shop.cards.find(card.number, client="c") == card.card_id
        for _ in range(3):
            assert shop.quote(HELMET, cards=[card.card_id], client="c").to_pay == euros("21.91")

    def test_an_empty_card_between_the_page_and_the_order(self, shop: Loyalty) -> None:
        """The quote has changed, and nothing is booked."""
        card = made(shop)
        quote = shop.quote(HELMET, gift_cards=[card.number])
        shop.place(quote, order_id="1")
        assert refusal_of(lambda: shop.place(quote, order_id="2")).reason is Reason.QUOTE_CHANGED
        assert shop.order("2").placed is None

    @pytest.mark.law(37)
    def test_eight_baskets_for_one_card(self, tmp_path: Path) -> None:
        """What leaves the card is what reached orders, and no more than was on it."""
        shop = card_shop(SQLiteRepository(tmp_path / "shop.db"), retries=100)
        card = made(shop, "100.00")

        def order(number: int) -> int:
            quote = shop.quote(HELMET, gift_cards=[card.number])
            try:
                return sum(one.minor for one in shop.place(quote, order_id=f"o-{number}").card_payments)
            except RefusedError:
                return 0

        with ThreadPoolExecutor(8) as pool:
            paid = list(pool.map(order, range(16)))
        assert sum(paid) + shop.cards.card(card.card_id).ledger.available(at=NOON) == 10000
        assert sorted(paid)[-2:] in ([0, 7191], [2809, 7191])

    def test_reserved_confirmed_or_cancelled(self, shop: Loyalty, clock: Clock) -> None:
        """Held while the bank page is open, paid or free afterwards."""
        card = made(shop)
        quote = shop.quote(HELMET, gift_cards=[card.number])
        for order_id in ("1", "2", "3"):
            quote = shop.quote(HELMET, gift_cards=[card.number])
            shop.reserve(quote, order_id=order_id, hold_for=HALF_HOUR)
            assert left(shop, card) == "0.00 EUR"
            assert str(shop.cards.balance(card.number).held) == "50.00 EUR"
            if order_id == "1":
                shop.cancel(order_id)
                assert shop.cancel(order_id) == shop.cancel(order_id)
            elif order_id == "2":
                clock.at += HALF_HOUR
            else:
                assert shop.confirm(order_id) == shop.confirm(order_id)
        assert (left(shop, card), str(shop.cards.balance(card.number).held)) == ("0.00 EUR", "0.00 EUR")

    @pytest.mark.law(43)
    @pytest.mark.parametrize("between", ["nothing", "spent", "blocked", "replaced", "cancelled"])
    def test_a_late_order_is_booked(self, between: str, shop: Loyalty, clock: Clock) -> None:
        """Whatever became of the card while the bank page was open, the order was paid: it is booked, and says late."""
        card = made(shop)
        shop.reserve(shop.quote(HELMET, gift_cards=[card.number]), order_id="1", hold_for=HALF_HOUR)
        if between == "cancelled":
            shop.cancel("1")
        clock.at += HALF_HOUR
        match between:
            case "spent":
                shop.place(shop.quote(HELMET, gift_cards=[card.number]), order_id="2")
            case "blocked":
                shop.cards.block(card.card_id, reason="lost", actor="desk")
            case "replaced":
                shop.cards.replace(card.card_id, ref="new", entropy=entropy(2), actor="desk")
        late = shop.confirm("1")
        assert (late.late, [one.minor for one in late.card_payments]) == (True, [5000])
        assert shop.confirm("1") == late
        debt = shop.cards.card(card.card_id).balance(at=clock.at).owed
        assert debt == euros("50" if between in {"spent", "replaced"} else "0")

    def test_terms_of_a_card(self, shop: Loyalty) -> None:
        """A least basket, some goods only, one use: the quote says why it does not pay."""
        minimum = made(shop, ref="a", number=1, minimum=euros("100"))
        goods = made(shop, ref="b", number=2, only=Filter(products=["bell"]))
        once = made(shop, ref="c", number=3, uses=CardUses.ONE)
        cards = shop.quote(HELMET, gift_cards=[minimum.number, goods.number, once.number]).cards
        told = [None if one.refusal is None else one.refusal.reason for one in cards.values()]
        assert told == [Reason.BASKET_BELOW_THRESHOLD, Reason.CARD_GOODS_MISMATCH, None]
        shop.place(shop.quote(Basket.of("EUR", {"bell": "12.50"}), cards=[once.card_id]), order_id="1")
        assert left(shop, once) == "0.00 EUR"

    def test_an_order_paid_elsewhere(self, shop: Loyalty) -> None:
        """The till reads numbers: that is no attempt, and a retry in another hour answers the same."""
        clock = Clock()
        shop = attrs.evolve(shop, attempts=Attempts(per_shop=1), clock=clock)
        card = made(shop)
        with pytest.raises(RefusedError, match="card_unknown"):
            shop.cards.find(NUMBERS.number(entropy(99)))
        book = partial(shop.place_unseen, HELMET, order_id="1", gift_cards=[card.number])
        placed = book()
        assert [one.minor for one in placed.card_payments] == [5000]
        clock.at += timedelta(hours=1)
        with pytest.raises(RefusedError, match="card_unknown"):
            shop.cards.find(NUMBERS.number(entropy(98)))
        assert book() == placed

    @pytest.mark.parametrize("several", ["abc", 7])
    def test_several_numbers(self, several: Any, shop: Loyalty) -> None:  # noqa: ANN401  # a wrong value on purpose
        """No text alone."""
        with pytest.raises(UsageError, match="gift_cards must be"):
            shop.quote(HELMET, gift_cards=several)


class TestRefund:
    @pytest.mark.law(37)
    def test_cards_first(self, shop: Loyalty) -> None:
        """What the card paid goes back to it, in parts too, and never more; the rest is paid out."""
        card = made(shop)
        goods = Basket.of("EUR", {"bell": "20.00", "bag": "25.00", "pump": "35.00"})
        placed = shop.place(shop.quote(goods, gift_cards=[card.number]), order_id="1")
        assert (placed.total, placed.to_pay) == (euros("72"), euros("22"))
        seen = list[tuple[str, str, str]]()
        for line in ("pump", "bag", "bell"):
            back = shop.refund("1", return_id=line, lines={line: 1})
            assert shop.refund("1", return_id=line, lines={line: 1}) == back
            seen.append((str(back.money), str(back.to_pay_out), left(shop, card)))
        assert seen == [
            ("31.50 EUR", "0.00 EUR", "31.50 EUR"),
            ("22.50 EUR", "4.00 EUR", "50.00 EUR"),
            ("18.00 EUR", "18.00 EUR", "50.00 EUR"),
        ]

    @pytest.mark.parametrize("times", [1, 2, 3])
    def test_money_goes_on_to_the_new_card(self, times: int, shop: Loyalty) -> None:
        """The card that paid was replaced since, once or more often: the last one has the money."""
        card = made(shop)
        shop.place(shop.quote(HELMET, gift_cards=[card.number]), order_id="1")
        last = card
        for number in range(times):
            last = shop.cards.replace(last.card_id, ref=f"new-{number}", entropy=entropy(10 + number), actor="desk")
        for part in ("10.00", "40.00"):
            shop.refund("1", return_id=part, amount=euros(part))
        assert (left(shop, card), left(shop, last)) == ("0.00 EUR", "50.00 EUR")
        assert shop.cards.balance(last.number).available == euros("50")

    def test_money_of_an_expired_card(self, shop: Loyalty, clock: Clock) -> None:
        """It can be used for a while."""
        card = made(shop, expires_at=NOON + DAY)
        shop.place(shop.quote(HELMET, gift_cards=[card.number]), order_id="1")
        clock.at += 2 * DAY
        shop.refund("1", return_id="r", lines={"helmet": 1})
        assert left(shop, card) == "50.00 EUR"

    def test_replaced_between_two_looks(self, shop: Loyalty, store: LossyRepository) -> None:
        """The card was replaced while the return was decided: it is decided again, with the new card."""
        card, other = made(shop), attrs.evolve(shop, repository=store.inner)
        shop.place(shop.quote(HELMET, gift_cards=[card.number]), order_id="1")
        news = list[IssuedCard]()
        replace = partial(other.cards.replace, card.card_id, ref="new", entropy=entropy(2), actor="desk")
        store.before["commit"] = [lambda: news.append(replace())]
        shop.refund("1", return_id="r", lines={"helmet": 1})
        assert left(shop, news[0]) == "50.00 EUR"


class TestSold:
    @staticmethod
    def sold(shop: Loyalty, order_id: str = "s", units: int = 1) -> list[IssuedCard]:
        """Sell cards as goods, one for each unit."""
        lines = Basket.of("EUR", {"gift-card": "50.00"})
        basket = Basket([attrs.evolve(lines.lines[0], quantity=units)])
        shop.place(shop.quote(basket), order_id=order_id)
        return [
            made(shop, ref=f"{order_id}/gift-card/{n}", number=1000 + n, order_id=order_id, line_id="gift-card")
            for n in range(units)
        ]

    def test_cancelled_when_it_comes_back(self, shop: Loyalty) -> None:
        """Unspent, all of it is taken off with the refund."""
        (card,) = self.sold(shop)
        back = shop.refund("s", return_id="r", lines={"gift-card": 1})
        assert back.cards_cancelled == (card.card_id,)
        assert left(shop, card) == "0.00 EUR"
        assert shop.refund("s", return_id="r", lines={"gift-card": 1}) == back

    def test_spent_it_cannot_come_back(self, shop: Loyalty, store: LossyRepository) -> None:
        """Something of it was used: the return is refused, and nothing moves."""
        (card,) = self.sold(shop)
        shop.place(shop.quote(Basket.of("EUR", {"bell": "12.50"}), gift_cards=[card.number]), order_id="2")
        before = [facts_in(store, stream) for stream in (order_stream("s"), card_stream(card.card_id))]
        refusal = refusal_of(lambda: shop.refund("s", return_id="r", lines={"gift-card": 1}))
        assert (refusal.reason, refusal.details["spent_minor"]) == (Reason.CARD_SPENT, 1250)
        assert before == [facts_in(store, stream) for stream in (order_stream("s"), card_stream(card.card_id))]

    def test_of_several_the_unspent_come_back(self, shop: Loyalty) -> None:
        """One unit comes back: a card of which nothing was spent is cancelled."""
        first, second, third = self.sold(shop, units=3)
        shop.place(shop.quote(Basket.of("EUR", {"bell": "12.50"}), gift_cards=[third.number]), order_id="2")
        assert shop.refund("s", return_id="r", lines={"gift-card": 1}).cards_cancelled == (second.card_id,)
        assert shop.refund("s", return_id="r2", lines={"gift-card": 1}).cards_cancelled == (first.card_id,)
        assert refusal_of(lambda: shop.refund("s", return_id="r3", lines={"gift-card": 1})).reason is Reason.CARD_SPENT

    def test_replaced_it_is_cancelled_all_the_same(self, shop: Loyalty) -> None:
        """The number was lost, and then the order came back."""
        (card,) = self.sold(shop)
        new = shop.cards.replace(card.card_id, ref="new", entropy=entropy(2), actor="desk")
        newer = shop.cards.replace(new.card_id, ref="newer", entropy=entropy(3), actor="desk")
        assert shop.refund("s", return_id="r", lines={"gift-card": 1}).cards_cancelled == (newer.card_id,)
        assert left(shop, newer) == "0.00 EUR"

    def test_no_more_cards_than_units(self, shop: Loyalty) -> None:
        """Nor for an order, or a line, that is not there."""
        self.sold(shop)
        for order_id, line_id, reason in (
            ("s", "gift-card", Reason.CARDS_EXCEED_ORDER),
            ("s", "bell", Reason.ORDER_LINE_NOT_FOUND),
            ("t", "gift-card", Reason.ORDER_NOT_FOUND),
        ):
            sell = partial(made, shop, ref="more", number=7, order_id=order_id, line_id=line_id)
            assert refusal_of(sell).reason is reason

    def test_an_order_that_came_back_sells_none(self, shop: Loyalty) -> None:
        """Its units are not kept."""
        shop.place(shop.quote(GIFT), order_id="s")
        shop.refund("s", return_id="r", lines={"gift-card": 1})
        refusal = refusal_of(lambda: made(shop, order_id="s", line_id="gift-card"))
        assert (refusal.reason, refusal.details["left_units"]) == (Reason.CARDS_EXCEED_ORDER, 0)

    def test_two_cards_of_one_unit_at_once(self, shop: Loyalty, store: LossyRepository) -> None:
        """The order guards them: one is made."""
        shop.place(shop.quote(GIFT), order_id="s")
        other = attrs.evolve(shop, repository=store.inner)
        sell = partial(made, order_id="s", line_id="gift-card")
        store.before["commit"] = [lambda: sell(other, ref="a", number=1)]
        assert refusal_of(lambda: sell(shop, ref="b", number=2)).reason is Reason.CARDS_EXCEED_ORDER
        assert [fact.kind for fact in facts_in(store, order_stream("s"))] == ["order.placed", OrderCardSold.kind]


class TestTurn:
    def test_blocked_and_free_again(self, shop: Loyalty) -> None:
        """Nothing is paid with it meanwhile; each time it is asked."""
        card = made(shop)
        for number in range(2):
            assert shop.cards.block(card.card_id, reason="lost", actor="desk").is_blocked
            assert shop.cards.block(card.card_id, reason="again", actor="other").version == 3 + 2 * number
            assert refusal_of(lambda: shop.cards.balance(card.number)).reason is Reason.CARD_BLOCKED
            (answer,) = shop.quote(HELMET, gift_cards=[card.number]).cards.values()
            assert answer.refusal is not None
            assert (answer.refusal.reason.public, answer.paid) == ("card_invalid", euros("0"))
            assert not shop.cards.unblock(card.card_id, reason="found", actor="desk").is_blocked
        assert shop.quote(HELMET, gift_cards=[card.number]).to_pay == euros("21.91")

    def test_a_card_that_is_not_there(self, shop: Loyalty) -> None:
        """It is not found."""
        for call in (shop.cards.block, shop.cards.unblock):
            assert refusal_of(partial(call, "nosuch", reason="", actor="desk")).reason is Reason.CARD_NOT_FOUND
        replace = partial(shop.cards.replace, "nosuch", ref="new", entropy=entropy(2), actor="desk")
        assert refusal_of(replace).reason is Reason.CARD_NOT_FOUND
        assert shop.cards.card("nosuch").issued is None

    @pytest.mark.parametrize("moment", [("after", "load"), ("before", "commit")])
    def test_two_people_block_it(self, moment: tuple[str, str], shop: Loyalty, store: LossyRepository) -> None:
        """Both hear that it is blocked."""
        card, other = made(shop), attrs.evolve(shop, repository=store.inner)
        getattr(store, moment[0])[moment[1]] = [lambda: other.cards.block(card.card_id, reason="", actor="you")]
        assert shop.cards.block(card.card_id, reason="", actor="me").version == 3

    def test_paid_with_meanwhile(self, shop: Loyalty, store: LossyRepository) -> None:
        """The answer shows the payment that was faster."""
        card, other = made(shop), attrs.evolve(shop, repository=store.inner)
        quote = shop.quote(HELMET, gift_cards=[card.number])
        store.before["commit"] = [lambda: other.place(quote, order_id="1")]
        blocked = shop.cards.block(card.card_id, reason="", actor="me")
        assert (blocked.is_blocked, blocked.ledger.available(at=NOON)) == (True, 0)

    def test_a_key_that_others_used(self, shop: Loyalty, store: LossyRepository) -> None:
        """It is told, and not asked for ever."""
        stream = card_stream(made(shop).card_id)
        store.inner.commit(Command.of(stream, Key("block:2"), actor="import"), [Expect(stream=stream, version=2)])
        block = partial(shop.cards.block, stream.partition("/")[2], reason="", actor="me")
        assert refusal_of(block).reason is Reason.KEY_REUSED


class TestReplace:
    def test_another_number_for_the_same_money(self, shop: Loyalty, store: LossyRepository) -> None:
        """All that was on it moves, once; the old number is worth nothing any more."""
        card = made(shop)
        shop.place(shop.quote(Basket.of("EUR", {"bell": "12.50"}), gift_cards=[card.number]), order_id="1")
        replace = partial(shop.cards.replace, card.card_id, ref="new", entropy=entropy(2), actor="desk")
        store.after["commit"] = [lost]
        with pytest.raises(ConnectionError):
            replace()
        new = replace()
        assert (new, new.number, new.amount) == (replace(), NUMBERS.number(entropy(2)), euros("37.50"))
        assert refusal_of(lambda: shop.cards.balance(card.number)).reason is Reason.CARD_BLOCKED
        assert shop.cards.balance(new.number).available == euros("37.50")
        assert refusal_of(partial(shop.cards.unblock, card.card_id, reason="", actor="me")).reason is Reason.CARD_BLOCKED

    def test_the_same_ref_otherwise(self, shop: Loyalty) -> None:
        """Other entropy is refused; another ref makes a third card, which a replaced one cannot get."""
        card = made(shop)
        shop.cards.replace(card.card_id, ref="new", entropy=entropy(2), actor="desk")
        again = partial(shop.cards.replace, card.card_id, actor="desk")
        refusal = refusal_of(partial(again, ref="new", entropy=entropy(3)))
        assert (refusal.reason, refusal.details["fields"]) == (Reason.KEY_REUSED, ("entropy",))
        assert refusal_of(partial(again, ref="third", entropy=entropy(3))).reason is Reason.CARD_BLOCKED

    def test_an_empty_card(self, shop: Loyalty) -> None:
        """It may be replaced too: what comes back later goes on."""
        card = made(shop)
        shop.place(shop.quote(HELMET, gift_cards=[card.number]), order_id="1")
        assert shop.cards.replace(card.card_id, ref="new", entropy=entropy(2), actor="desk").amount == euros("0")


class TestLooking:
    def test_a_statement(self, shop: Loyalty, clock: Clock) -> None:
        """Every movement with the balance after it; without an end up to now."""
        card = made(shop)
        clock.at += DAY
        shop.place(shop.quote(HELMET, gift_cards=[card.number]), order_id="1")
        for window in (Window(starts_at=NOON - DAY, ends_at=None), Window(starts_at=None, ends_at=NOON + 9 * DAY)):
            lines = shop.cards.statement(card.card_id, window=window).lines
            assert [str(line.balance) for line in lines] == ["50.00 EUR", "0.00 EUR"]
        refusal = refusal_of(lambda: shop.cards.statement("nosuch", window=Window(starts_at=None, ends_at=NOON)))
        assert (refusal.reason, refusal.details["card_id"]) == (Reason.CARD_NOT_FOUND, "nosuch")

    def test_a_clock_that_runs_behind(self, shop: Loyalty, clock: Clock) -> None:
        """Another server's clock is a little ahead: the payment is booked at the card's last instant."""
        card = made(shop)
        shop.place(shop.quote(Basket.of("EUR", {"bell": "12.50"}), gift_cards=[card.number]), order_id="1")
        clock.at -= timedelta(minutes=1)
        placed = shop.place(shop.quote(HELMET, gift_cards=[card.number]), order_id="2")
        assert (placed.at, [one.minor for one in placed.card_payments]) == (NOON, [3750])
        assert shop.cards.block(card.card_id, reason="", actor="me").is_blocked

    def test_sweep_reports_what_expired(self, shop: Loyalty, clock: Clock, store: LossyRepository) -> None:
        """Once; the balance did not wait for it."""
        card = made(shop, expires_at=NOON + DAY)
        clock.at += DAY
        assert left(shop, card) == "0.00 EUR"
        swept = shop.sweep()
        assert (swept.done, swept.failed) == (1, ())
        assert isinstance(facts_in(store, card_stream(card.card_id))[-1], ExpiryReported)
        assert shop.sweep().done == 0


@pytest.mark.law(44)
class TestOneAnswer:
    @pytest.mark.parametrize("limits", [OPEN, Attempts(per_client=50)], ids=["uncounted", "counted"])
    def test_every_guess_is_one_guess(self, limits: Attempts) -> None:
        """Unknown, malformed, mistyped, endless, blocked, replaced: the store is asked the same, by balance, find and quote."""
        recorder = Recorder(MemoryRepository())
        shop = card_shop(recorder, attempts=limits, card_numbers=CardNumbers(NEXT, older=[PEPPER]))
        blocked, replaced = made(shop), made(shop, ref="gift-2", number=2)
        shop.cards.block(blocked.card_id, reason="", actor="me")
        shop.cards.replace(replaced.card_id, ref="new", entropy=entropy(3), actor="me")
        unknown = NUMBERS.number(entropy(99))
        texts = [
            unknown,
            "?!",
            "",
            "A" * 100_000,
            unknown[:-1] + ("0" if unknown[-1] != "0" else "1"),
            "1234",
            blocked.number,
            replaced.number,
        ]
        for call in (
            lambda text: shop.cards.balance(text, client="c"),
            lambda text: shop.quote(HELMET, gift_cards=[text], client="c"),
        ):
            seen, told = set[str](), set[bytes]()
            for text in texts:
                answer, calls = heard(recorder, partial(call, text))
                refusals = [one.refusal for one in answer.cards.values()] if isinstance(answer, Quote) else answer
                seen.add(str(calls))
                told.add(pickle.dumps([None if one is None else one.reason.public for one in refusals]))
                if isinstance(answer, Quote):
                    assert (answer.to_pay, answer.card_payments) == (answer.total, ())
            assert len(seen) == 1
            assert told == {pickle.dumps(["card_invalid"])}

    def test_several_guesses_are_as_many(self) -> None:
        """Two texts that are no number ask for as much as two numbers of nobody."""
        recorder = Recorder(MemoryRepository())
        shop = card_shop(recorder)
        pairs = [["?!", "!?"], [NUMBERS.number(entropy(n)) for n in (1, 2)], ["?!", NUMBERS.number(entropy(3))]]
        assert len({str(heard(recorder, partial(shop.quote, HELMET, gift_cards=pair))[1]) for pair in pairs}) == 1


class TestAttempts:
    def test_numbers_are_counted(self, clock: Clock) -> None:
        """Another number is another attempt, however it is typed; what is none weighs nothing; the span ends by itself."""
        shop = card_shop(clock=clock, attempts=Attempts(per_client=2))
        card = made(shop)
        for text in (card.number, card.number.lower(), card.number.replace("-", ""), "?!", "1234"):
            (answer,) = shop.quote(HELMET, gift_cards=[text], client="c").cards.values()
            assert answer.refusal is None or answer.refusal.reason is Reason.CARD_NOT_FOUND
        unknown = [NUMBERS.number(entropy(number)) for number in (7, 8)]
        assert refusal_of(lambda: shop.cards.balance(unknown[0], client="c")).reason is Reason.CARD_UNKNOWN
        assert refusal_of(lambda: shop.cards.balance(unknown[1], client="c")).reason is Reason.ATTEMPTS_LIMIT_REACHED
        quote = shop.quote(HELMET, gift_cards=[unknown[1]], client="c")
        assert [one.refusal.reason for one in quote.cards.values() if one.refusal] == [Reason.ATTEMPTS_LIMIT_REACHED]
        assert quote.to_pay == quote.total
        assert shop.cards.balance(card.number, client="c").available == euros("50")
        clock.at += timedelta(hours=1)
        assert refusal_of(lambda: shop.cards.find(unknown[1], client="c")).reason is Reason.CARD_UNKNOWN

    def test_codes_and_numbers_share_the_count(self) -> None:
        """A guesser gets no second budget."""
        shop = open_shop(card_numbers=NUMBERS, attempts=Attempts(per_client=1))
        shop.quote(HELMET, codes=[shop.codes.spaces[0].code(5)], client="c")  # type: ignore[union-attr]  # there is a book
        assert refusal_of(lambda: shop.cards.find(NUMBERS.number(entropy(1)), client="c")).reason is Reason.ATTEMPTS_LIMIT_REACHED


class TestPeppers:
    def test_before_while_and_after(self, store: LossyRepository) -> None:
        """Numbers are found under either pepper, and a call made again answers the same; the old digests are gone at the end."""
        before = card_shop(store.inner)
        cards = [made(before, ref=f"g-{n}", number=n) for n in range(7)]
        during = card_shop(store.inner, card_numbers=CardNumbers(NEXT, older=[PEPPER]))
        cards.append(made(during, ref="g-7", number=7))
        assert made(during, ref="g-0", number=0) == cards[0]
        assert during.cards.rotate_peppers(3) == 3
        for number, card in enumerate(cards):
            assert during.cards.find(card.number) == card.card_id
            assert made(during, ref=f"g-{number}", number=number) == card
        for number in range(8):
            with pytest.raises(UsageError, match="entropy must be new"):
                made(during, ref="again", number=number)
        assert [during.cards.rotate_peppers(), during.cards.rotate_peppers()] == [4, 0]
        third = card_shop(store.inner, card_numbers=CardNumbers(LAST, older=[PEPPER, NEXT]))
        assert third.cards.rotate_peppers() == 8
        for number, card in enumerate(cards):
            assert third.cards.balance(card.number).available == euros("50")
            assert made(third, ref=f"g-{number}", number=number) == card
        streams = [stream for stream in _streams(store) if stream.startswith("gift_card_number/")]
        assert sorted(streams) == sorted(number_stream(third.card_numbers.digest(card.number)) for card in cards)  # type: ignore[union-attr]
        pepper_ids = {fact.pepper_id for stream in streams for fact in facts_in(store, stream) if isinstance(fact, CardNumbered)}
        assert pepper_ids == {LAST.key_id}

    def test_replaced_under_another_pepper(self, store: LossyRepository) -> None:
        """A retry of it answers the same too."""
        before = card_shop(store.inner)
        card = made(before)
        replace = partial(before.cards.replace, card.card_id, ref="new", entropy=entropy(2), actor="desk")
        new = replace()
        during = card_shop(store.inner, card_numbers=CardNumbers(NEXT, older=[PEPPER]))
        assert during.cards.replace(card.card_id, ref="new", entropy=entropy(2), actor="desk") == new

    def test_two_runs_at_once(self, store: LossyRepository) -> None:
        """Each number is done once."""
        for number in range(3):
            made(card_shop(store.inner), ref=f"g-{number}", number=number)
        numbers = CardNumbers(NEXT, older=[PEPPER])
        inner = card_shop(store.inner, card_numbers=numbers)
        raced = Renaming(store.inner, inner.cards.rotate_peppers)
        assert card_shop(raced, card_numbers=numbers).cards.rotate_peppers() == 0
        assert inner.cards.rotate_peppers() == 0

    def test_a_store_that_cannot(self, store: LossyRepository) -> None:
        """It says so; and at least one is asked for."""
        with pytest.raises(
            UsageError, match="rotating peppers needs a repository that has streams and rename, got LossyRepository"
        ):
            card_shop(store).cards.rotate_peppers()
        with pytest.raises(UsageError, match="limit"):
            card_shop(store.inner).cards.rotate_peppers(0)

    def test_on_sqlite(self, tmp_path: Path) -> None:
        """The same over a file."""
        repository = SQLiteRepository(tmp_path / "shop.db")
        card = made(card_shop(repository))
        during = card_shop(repository, card_numbers=CardNumbers(NEXT, older=[PEPPER]))
        assert (during.cards.rotate_peppers(), during.cards.rotate_peppers()) == (1, 0)
        assert during.cards.balance(card.number).available == euros("50")


class Renaming:
    """Lets another run be faster, once."""

    def __init__(self, inner: Repository, faster: Callable[[], object]) -> None:
        assert isinstance(inner, MemoryRepository)
        self.inner = inner
        self.faster: list[Callable[[], object]] = [faster]
        self.load, self.receipt, self.commit, self.claimed = inner.load, inner.receipt, inner.commit, inner.claimed
        self.due, self.streams = inner.due, inner.streams

    def rename(self, old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
        """Be overtaken."""
        while self.faster:
            self.faster.pop()()
        self.inner.rename(old, new, facts=facts)


def _streams(store: LossyRepository) -> list[StreamId]:
    assert isinstance(store.inner, MemoryRepository)
    return sorted(store.inner._streams)


@pytest.mark.law(37)
class TestTheNumberIsNowhere:
    def test_in_no_byte_of_the_store(self, tmp_path: Path) -> None:
        """Through all of a card's life its number is in no fact, receipt, counter or name; nor are the codes of coupons."""
        path = tmp_path / "shop.db"
        clock = Clock()
        shop = open_shop(store=SQLiteRepository(path), clock=clock, card_numbers=NUMBERS, attempts=Attempts())
        codes = [*issued(shop, count=2), given(shop, "t").code]
        shop.place(shop.quote(GIFT), order_id="s")
        card = made(shop, order_id="s", line_id="gift-card")
        quote = shop.quote(HELMET, member_id="m", codes=codes[:1], gift_cards=[card.number], client="10.0.0.1")
        shop.place(quote, order_id="1")
        shop.refund("1", return_id="r", lines={"helmet": 1})
        shop.quote(HELMET, member_id="m", codes=[codes[2], codes[1].lower()], client="10.0.0.1")
        shop.cards.balance(card.number, client="10.0.0.1")
        shop.cards.load(card.card_id, euros("5"), ref="top", expires_at=None)
        new = shop.cards.replace(card.card_id, ref="new", entropy=entropy(2), actor="desk")
        shop.place_unseen(HELMET, order_id="2", gift_cards=[new.number], codes=codes[1:])
        rotated = attrs.evolve(shop, card_numbers=CardNumbers(NEXT, older=[PEPPER]))
        assert rotated.cards.rotate_peppers() == 2
        kept = b"".join(_bytes(path))
        for text in (card.number, new.number, *codes):
            for form in (text, text.replace("-", ""), text.lower(), text.replace("-", "").lower()):
                assert form.encode() not in kept
                assert form[3:].encode() not in kept
        for number in (1, 2):
            assert entropy(number).hex().encode() not in kept
            assert entropy(number) not in kept
        names = SQLiteRepository(path).streams("gift_card_number")
        assert sorted(names) == sorted(number_stream(rotated.card_numbers.digest(one.number)) for one in (card, new))  # type: ignore[union-attr]

    def test_in_no_text_that_a_program_prints(self) -> None:
        """Not in the repr of what is answered, in a pickled quote, in refusals, nor in what is raised."""
        store = LossyRepository()
        shop = card_shop(store)
        card = made(shop)
        quote = shop.quote(HELMET, gift_cards=[card.number])
        placed = shop.place(quote, order_id="1")
        shop.cards.block(card.card_id, reason="lost", actor="desk")
        seen = [repr(one) for one in (card, quote, placed, shop, shop.cards, shop.cards.card(card.card_id), quote.cards)]
        seen += [pickle.dumps(one).decode("latin-1") for one in (quote, placed)]
        seen.append(str(quote.commitment))
        tries: list[Callable[[], object]] = [
            lambda: shop.cards.balance(card.number),
            lambda: made(shop, ref="again"),
            lambda: made(shop, number=2),
            lambda: shop.cards.balance(card.number[:-1]),
            lambda: made(shop, ref="short", number=2, expires_at=NOON),
        ]
        store.before["load"] = [lost]
        tries.insert(0, lambda: shop.cards.find(card.number))
        for call in tries:
            try:
                call()
            except (RefusedError, UsageError, ConnectionError) as error:
                # Frames without their variables: a log that prints those prints what the shop passed.
                seen.append(
                    "".join(traceback.format_exception_only(error)) + str(error.__dict__ if hasattr(error, "__dict__") else "")
                )
        assert len(seen) == 10 + len(tries)
        for form in (card.number, card.number.replace("-", "")):
            assert all(form not in text for text in seen)


def _bytes(path: Path) -> Iterable[bytes]:
    """Give every stored value of a file of SQLite, and the file itself as it lies there."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{name}"'):
                for value in row:
                    yield value if isinstance(value, bytes) else str(value).encode()
                    yield b"\n"
    yield path.read_bytes()
