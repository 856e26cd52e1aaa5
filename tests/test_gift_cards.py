"""Gift cards: every path on which a cent could be minted or lost, and law 37 over several cards at once."""

from __future__ import annotations

import json
import pickle
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from loyaltycore.basket import Basket, Filter, Line
from loyaltycore.errors import (
    Accepted,
    CorruptStateError,
    CurrencyMismatchError,
    Detail,
    LoyaltyError,
    Reason,
    Refusal,
    Refused,
    RefusedError,
    UsageError,
)
from loyaltycore.facts import Fact, Posting
from loyaltycore.gift_cards import (
    MONEY,
    CardBlocked,
    CardExpiry,
    CardGoods,
    CardIssued,
    CardNumbers,
    CardReplaced,
    CardReplacement,
    CardUnblocked,
    CardUses,
    GiftCard,
    SecretKey,
    card_statement,
    number_stream,
)
from loyaltycore.ledger import Adjusted, Burned, Captured, ExpiryReported, Granted, Part, Revoked
from loyaltycore.memberships import MemberJoined
from loyaltycore.periods import Window
from loyaltycore.quantities import Money
from loyaltycore.wire import coder

T0 = datetime(2026, 7, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
WHOLE = 2**63 - 1


def day(number: int) -> datetime:
    """Give an instant by its day."""
    return T0 + number * DAY


def eur(amount: str) -> Money:
    """Give an amount of euros."""
    return Money.of(amount, "EUR")


def issued(amount: str = "50", *, ends: int | None = None, **terms: Any) -> GiftCard:  # noqa: ANN401  # whatever ``issue`` takes
    """Give a card with some euros on it, issued on day 0 as ``order-1``."""
    expires_at = None if ends is None else day(ends)
    return GiftCard.open("card-7").issue(eur(amount), ref="order-1", expires_at=expires_at, at=T0, **terms).state


def available(card: GiftCard, at: datetime = T0) -> str:
    """Print what can be paid."""
    return str(card.balance(at=at).available.decimal)


def refusal(call: Callable[[], object]) -> Refusal:
    """Give why a command is refused."""
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value.refusal


def refused(call: Callable[[], object]) -> tuple[str, dict[str, Detail]]:
    """Give why a command is refused, as text and details."""
    no = refusal(call)
    return no.reason.value, dict(no.details)


@pytest.mark.parametrize("cls", [GiftCard, CardReplacement])
def test_fields_are_named(cls: type[attrs.AttrsInstance]) -> None:
    """Old and new could be mixed up."""
    assert all(field.kw_only for field in attrs.fields(cls))


class TestIssue:
    def test_issue_begins_a_card(self) -> None:
        """Its money is there at once, in its currency, until its end; the facts say what sold it."""
        posting = GiftCard.open("card-7").issue(
            eur("50"), ref="order-1", expires_at=day(30), last_four="J459", order_id="1001", line_id="2", at=T0
        )
        assert posting.stream == "gift_card/card-7"
        assert posting.version == 0
        assert posting.facts == (
            CardIssued(
                card_id="card-7",
                ref="order-1",
                currency="EUR",
                loaded_minor=5000,
                last_four="J459",
                order_id="1001",
                line_id="2",
                at=T0,
            ),
            Granted(account="money", ref="order-1", rule="issue", units=5000, available_at=T0, expires_at=day(30), at=T0),
        )
        card = posting.state
        assert (card.version, card.currency, card.loaded_minor, card.is_blocked) == (2, "EUR", 5000, False)
        balance = card.balance(at=T0)
        assert (balance.available, balance.held, balance.owed, balance.is_blocked) == (eur("50"), eur("0"), eur("0"), False)
        assert balance.expires == (CardExpiry(expires_at=day(30), amount=eur("50")),)
        assert card.due_at == day(30)
        assert posting.changes[0].due_at == day(30)  # type: ignore[union-attr]  # an append

    def test_terms_are_kept(self) -> None:
        """Uses, minimum and goods stand in the fact; a filter that says nothing is none."""
        card = issued(uses=CardUses.ONE, minimum=eur("20"), only=Filter(tags=["wine"]))
        assert card.issued is not None
        assert (card.issued.uses, card.issued.minimum) == (CardUses.ONE, eur("20"))
        assert card.issued.goods == CardGoods(tags=("wine",))
        plain = issued(only=Filter()).issued
        assert plain is not None
        assert plain.goods is None

    @pytest.mark.parametrize("currency, text", [("JPY", "5000"), ("EUR", "50.00"), ("KWD", "5.000")])
    def test_currencies_with_other_decimals(self, currency: str, text: str) -> None:
        """Minor units are minor units: nothing is scaled by a hundred."""
        card = GiftCard.open("c").issue(Money.minor(5000, currency), ref="o", expires_at=None, at=T0).state
        card = card.load(Money.minor(1, currency), ref="l", expires_at=None, at=T0).state
        assert str(card.balance(at=T0).available) == str(Money.minor(5001, currency))
        card = card.pay(Money.of(text, currency), ref="p", at=T0).state
        assert card.balance(at=T0).available == Money.minor(1, currency)

    def test_same_issue_again(self) -> None:
        """The same call gives no facts, whatever has happened since and whatever the clock says."""
        card = issued(ends=30).pay(eur("10"), ref="order-2", at=day(1)).state
        again = card.issue(eur("50"), ref="order-1", expires_at=day(30), at=day(40))
        assert (again.facts, again.state) == ((), card)

    @pytest.mark.parametrize(
        "changed, fields",
        [
            ({"amount": eur("49")}, ("amount",)),
            ({"amount": Money.of("50", "USD")}, ("currency",)),
            ({"ref": "order-2"}, ("ref",)),
            ({"uses": CardUses.ONE}, ("uses",)),
            ({"minimum": eur("1"), "only": Filter(tags=["a"])}, ("minimum", "only")),
            ({"last_four": "J459"}, ("last_four",)),
            ({"order_id": "9", "line_id": "1"}, ("order_id", "line_id")),
        ],
    )
    def test_other_content_is_refused(self, changed: dict[str, Any], fields: tuple[str, ...]) -> None:
        """A card is issued once; what differs is named."""
        told = {"amount": eur("50"), "ref": "order-1", **changed}
        no = refused(lambda: issued().issue(told.pop("amount"), expires_at=None, at=T0, **told))
        assert no == ("key_reused", {"key": f"issue:{changed.get('ref', 'order-1')}", "fields": fields})

    def test_another_end_is_refused(self) -> None:
        """The end of the money is part of the command."""
        no = refused(lambda: issued(ends=30).issue(eur("50"), ref="order-1", expires_at=day(31), at=T0))
        assert no == ("key_reused", {"key": "load:order-1", "fields": ("expires_at",)})

    @pytest.mark.parametrize(
        "told, message",
        [
            ({"amount": eur("0")}, "amount in minor units must be a whole number in"),
            ({"amount": eur("-1")}, "amount in minor units must be a whole number in"),
            ({"amount": 50}, "amount must be of type Money"),
            ({"ref": ""}, "ref must be text"),
            ({"order_id": ""}, "order_id must be text"),
            ({"line_id": 7}, "line_id must be text"),
            ({"minimum": eur("0")}, "minimum in minor units must be a whole number in"),
            ({"minimum": "20"}, "minimum must be of type Money"),
            ({"only": "wine"}, "only must be of type Filter"),
            ({"uses": "one"}, "uses must be one of"),
            ({"last_four": 4591}, "last_four must be of type str"),
            ({"expires_at": T0}, "expires_at must be after"),
            ({"expires_at": datetime(2026, 8, 1)}, "expires_at must be a timezone-aware"),  # noqa: DTZ001 - the point
            ({"at": datetime(2026, 8, 1)}, "at must be a timezone-aware"),  # noqa: DTZ001 - the point
        ],
    )
    def test_usage_errors(self, told: dict[str, Any], message: str) -> None:
        """What no card can begin with."""
        passed = {"amount": eur("50"), "ref": "order-1", "expires_at": None, "at": T0, **told}
        with pytest.raises(UsageError, match=message):
            GiftCard.open("card-7").issue(passed.pop("amount"), **passed)

    def test_minimum_in_another_currency(self) -> None:
        """It could never be compared with a basket."""
        with pytest.raises(CurrencyMismatchError):
            issued(minimum=Money.of("1", "USD"))

    @pytest.mark.parametrize("card_id, version", [("", 0), ("c", -1), (7, 0)])
    def test_ids_and_versions(self, card_id: str, version: int) -> None:
        """Checked as everywhere."""
        with pytest.raises(UsageError):
            GiftCard(card_id=card_id, version=version)

    def test_a_card_never_issued(self) -> None:
        """It pays nothing, and every command says so."""
        card = GiftCard.open("card-7")
        assert card.currency == ""
        assert not card.is_blocked
        assert card.takes(Basket.of("EUR", {"a": "1"}).unit_groups()[0])
        assert card.check_pay(eur("1"), at=T0) == Refused([Refusal(Reason.CARD_NOT_FOUND, {"card_id": "card-7"})])
        calls: list[Callable[[], object]] = [
            lambda: card.balance(at=T0),
            lambda: card.load(eur("1"), ref="r", expires_at=None, at=T0),
            lambda: card.pay(eur("1"), ref="r", at=T0),
            lambda: card.hold(eur("1"), ref="r", until=day(1), at=T0),
            lambda: card.cancel(ref="r", at=T0),
            lambda: card.block(reason="lost", actor="desk", at=T0),
            lambda: card.unblock(reason="found", actor="desk", at=T0),
            lambda: card.replace(GiftCard.open("card-8"), ref="r", actor="desk", at=T0),
            lambda: card.report_expired(ref="r", at=T0),
            lambda: card.refund("p", eur("1"), ref="r", extended_until=None, at=T0),
            lambda: card.capture("p", eur("1"), at=T0),
        ]
        for call in calls:
            assert refused(call) == ("card_not_found", {"card_id": "card-7"})
        assert refusal(calls[0]).reason.public == "card_invalid"


class TestLoad:
    def test_each_load_has_its_own_end(self) -> None:
        """What is on the card keeps its own; what ends first is paid first."""
        posting = issued(ends=30).load(eur("10"), ref="order-2", expires_at=day(10), at=day(1))
        granted = Granted(
            account="money", ref="order-2", rule="load", units=1000, available_at=day(1), expires_at=day(10), at=day(1)
        )
        assert posting.facts == (granted,)
        card = posting.state
        assert [(one.expires_at, one.amount) for one in card.balance(at=day(1)).expires] == [
            (day(10), eur("10")),
            (day(30), eur("50")),
        ]
        card = card.pay(eur("12"), ref="order-3", at=day(2)).state
        assert [(one.expires_at, one.amount) for one in card.balance(at=day(2)).expires] == [(day(30), eur("48"))]
        assert card.loaded_minor == 6000

    def test_top_ups_of_a_vendor(self) -> None:
        """A card of 100, topped up by 10; an existing card of 46, topped up by 10 (Voucherify, reward cards)."""
        hundred = GiftCard.open("a").issue(Money.of("100", "USD"), ref="c", expires_at=None, at=T0).state
        assert hundred.balance(at=T0).available == Money.of("100", "USD")
        topped = hundred.load(Money.of("10", "USD"), ref="t", expires_at=None, at=T0).state
        assert topped.balance(at=T0).available == Money.of("110", "USD")
        existing = GiftCard.open("b").issue(Money.of("46", "USD"), ref="c", expires_at=None, at=T0).state
        assert (
            existing.load(Money.of("10", "USD"), ref="t", expires_at=None, at=T0).state.balance(at=T0).available.minor_units
            == 5600
        )

    def test_same_load_again(self) -> None:
        """No facts, on a card that was blocked since neither; another amount is refused."""
        card = issued().load(eur("10"), ref="order-2", expires_at=None, at=T0).state
        card = card.block(reason="lost", actor="desk", at=T0).state
        assert card.load(eur("10"), ref="order-2", expires_at=None, at=day(3)).facts == ()
        no = refused(lambda: card.load(eur("11"), ref="order-2", expires_at=None, at=T0))
        assert no == ("key_reused", {"key": "load:order-2", "fields": ("amount",)})

    def test_an_order_may_sell_a_card_and_load_it(self) -> None:
        """The issue and a load of one name are two things."""
        card = issued().load(eur("10"), ref="order-1", expires_at=None, at=T0).state
        assert available(card) == "60.00"

    def test_a_blocked_card_is_not_loaded(self) -> None:
        """Who reports a card lost does not want money on it."""
        card = issued().block(reason="lost", actor="desk", at=T0).state
        no = refused(lambda: card.load(eur("10"), ref="order-2", expires_at=None, at=T0))
        assert no == ("card_blocked", {"card_id": "card-7", "blocked_at": "2026-07-01T10:00:00Z"})

    def test_usage_errors(self) -> None:
        """Another currency, nothing, too much in all, and no name."""
        card = issued()
        with pytest.raises(CurrencyMismatchError, match="got EUR and USD"):
            card.load(Money.of("1", "USD"), ref="r", expires_at=None, at=T0)
        with pytest.raises(UsageError, match="amount in minor units"):
            card.load(eur("0"), ref="r", expires_at=None, at=T0)
        with pytest.raises(UsageError, match="what is loaded in minor units must be"):
            card.load(Money(WHOLE - 4999, "EUR"), ref="r", expires_at=None, at=T0)
        full = card.load(Money(WHOLE - 5000, "EUR"), ref="r", expires_at=None, at=T0).state
        assert full.balance(at=T0).available.minor_units == WHOLE
        with pytest.raises(UsageError, match="ref must be text"):
            card.load(eur("1"), ref="", expires_at=None, at=T0)
        with pytest.raises(UsageError, match="amount must be of type Money"):
            card.load("1", ref="r", expires_at=None, at=T0)  # type: ignore[arg-type]  # the point


class TestCheckPay:
    @pytest.mark.parametrize("asked, answer", [("50", "50"), ("49.99", "49.99"), ("50.01", "50"), ("900", "50")])
    def test_as_much_as_there_is(self, asked: str, answer: str) -> None:
        """The amount, or what the card has."""
        assert issued().check_pay(eur(asked), at=T0) == Accepted(eur(answer))

    def test_expired(self) -> None:
        """At its end money is gone, with no job to run."""
        card = issued(ends=30)
        assert card.check_pay(eur("50"), at=day(30) - TICK) == Accepted(eur("50"))
        details: dict[str, Detail] = {"expired_minor": 5000, "expired_at": "2026-07-31T10:00:00Z", "currency": "EUR"}
        assert card.check_pay(eur("50"), at=day(30)) == Refused([Refusal(Reason.CARD_EXPIRED, details)])
        assert card.check_pay(eur("50"), at=day(30)).refusal.reason.public == "card_invalid"  # type: ignore[union-attr]  # just refused

    def test_expired_names_the_last_end(self) -> None:
        """Of several ends that are over the last one, and never one to come."""
        card = issued(ends=30).load(eur("5"), ref="l", expires_at=day(20), at=T0).state
        no = card.check_pay(eur("1"), at=day(40)).refusal
        assert no is not None
        assert (no.details["expired_minor"], no.details["expired_at"]) == (5500, "2026-07-31T10:00:00Z")
        later = card.load(eur("1"), ref="m", expires_at=day(60), at=day(41)).state.load(
            eur("1"), ref="n", expires_at=None, at=day(41)
        )
        gone = later.state.hold(eur("2"), ref="h", until=day(50), at=day(41)).state
        no = gone.check_pay(eur("1"), at=day(42)).refusal
        assert no is not None
        assert no.reason is Reason.CARD_INSUFFICIENT
        spent = gone.capture("h", at=day(42)).state.check_pay(eur("1"), at=day(42)).refusal
        assert spent is not None
        assert spent.details["expired_at"] == "2026-07-31T10:00:00Z"

    def test_expired_names_the_end_of_money_that_is_left(self) -> None:
        """What was spent in time has not expired."""
        card = issued(ends=20).load(eur("5"), ref="l", expires_at=day(30), at=T0).state.pay(eur("5"), ref="p", at=day(25)).state
        no = card.check_pay(eur("1"), at=day(40)).refusal
        assert no is not None
        assert (no.details["expired_minor"], no.details["expired_at"]) == (5000, "2026-07-21T10:00:00Z")

    def test_spent(self) -> None:
        """A card with nothing left."""
        card = issued().pay(eur("50"), ref="order-2", at=T0).state
        assert card.check_pay(eur("1"), at=T0) == Refused([Refusal(Reason.CARD_SPENT, {"left_minor": 0, "currency": "EUR"})])

    def test_held_by_another_order(self) -> None:
        """All of it is set aside: there will be something again when the hold ends."""
        card = issued().hold(eur("50"), ref="order-2", until=day(1), at=T0).state
        details: dict[str, Detail] = {"asked_minor": 100, "available_minor": 0, "missing_minor": 100, "currency": "EUR"}
        assert card.check_pay(eur("1"), at=T0) == Refused([Refusal(Reason.CARD_INSUFFICIENT, details)])
        assert card.check_pay(eur("1"), at=day(1)) == Accepted(eur("1"))

    def test_dated_back(self) -> None:
        """Not before the last fact."""
        card = issued().pay(eur("1"), ref="order-2", at=day(2)).state
        no = card.check_pay(eur("1"), at=day(1)).refusal
        assert no is not None
        assert no.reason is Reason.AT_BEFORE_LAST
        assert refused(lambda: card.pay(eur("1"), ref="order-3", at=day(1)))[0] == "at_before_last"

    def test_every_reason_in_order(self) -> None:
        """A blocked and spent card with terms that are not met says all of it."""
        card = issued(minimum=eur("20"), only=Filter(tags=["wine"]))
        basket = Basket.of("EUR", {"bell": "12.50"})
        card = card.block(reason="lost", actor="desk", at=day(1)).state
        card = attrs.evolve(card, ledger=card.ledger.folded(card.ledger.burn(5000, ref="x", at=day(2))))
        answer = card.check_pay(eur("1"), basket=basket, at=day(1))
        assert [one.reason.value for one in answer.refusals] == [
            "at_before_last",
            "card_blocked",
            "card_spent",
            "card_goods_mismatch",
            "basket_below_threshold",
        ]

    def test_usage_errors(self) -> None:
        """A bug of the caller is no refusal."""
        card = issued()
        for amount in (eur("0"), eur("-5")):
            with pytest.raises(UsageError, match="amount in minor units"):
                card.check_pay(amount, at=T0)
        with pytest.raises(CurrencyMismatchError):
            card.check_pay(Money.of("1", "USD"), at=T0)
        with pytest.raises(UsageError, match="timezone-aware"):
            GiftCard.open("c").check_pay(eur("1"), at=datetime(2026, 7, 1))  # noqa: DTZ001 - the point


WINE = Line("wine", eur("12.00"), 2, tags=["wine"])
BELL = Line("bell", eur("30.00"))


class TestTerms:
    def test_minimum_of_list_prices(self) -> None:
        """The goods before offers, without shipping; exactly the minimum is enough."""
        card = issued(minimum=eur("54"))
        assert card.check_pay(eur("50"), basket=Basket([WINE, BELL]), at=T0) == Accepted(eur("50"))
        below = Basket([WINE], shipping=eur("99"))
        details: dict[str, Detail] = {"needed_minor": 5400, "missing_minor": 3000, "currency": "EUR"}
        assert card.check_pay(eur("5"), basket=below, at=T0) == Refused([Refusal(Reason.BASKET_BELOW_THRESHOLD, details)])
        assert refused(lambda: card.pay(eur("5"), ref="o", basket=below, at=T0)) == ("basket_below_threshold", details)
        no = refused(lambda: card.hold(eur("5"), ref="o", until=day(1), basket=below, at=T0))
        assert no == ("basket_below_threshold", details)

    def test_only_some_goods(self) -> None:
        """It pays for those alone, at most what they come to."""
        card = issued(only=Filter(tags=["wine"]))
        basket = Basket([WINE, BELL])
        assert [card.takes(group) for group in basket.unit_groups()] == [False, True]
        assert card.check_pay(eur("50"), basket=basket, at=T0) == Accepted(eur("24"))
        assert card.check_pay(eur("50"), basket=basket, goods=eur("20"), at=T0) == Accepted(eur("20"))
        assert card.check_pay(eur("50"), basket=basket, goods=eur("99"), at=T0) == Accepted(eur("24"))
        assert card.check_pay(eur("7"), basket=basket, at=T0) == Accepted(eur("7"))
        details: dict[str, Detail] = {"payable_minor": 0, "currency": "EUR"}
        for other, goods in ((Basket([BELL]), None), (basket, eur("0"))):
            answer = card.check_pay(eur("50"), basket=other, goods=goods, at=T0)
            assert answer == Refused([Refusal(Reason.CARD_GOODS_MISMATCH, details)])
        assert available(card.pay(eur("24"), ref="o", basket=basket, at=T0).state) == "26.00"
        no = refused(lambda: card.pay(eur("24.01"), ref="o", basket=basket, at=T0))
        assert no == ("card_goods_mismatch", {"asked_minor": 2401, "payable_minor": 2400, "currency": "EUR"})
        no = refused(lambda: card.hold(eur("20.01"), ref="o", until=day(1), basket=basket, goods=eur("20"), at=T0))
        assert no == ("card_goods_mismatch", {"asked_minor": 2001, "payable_minor": 2000, "currency": "EUR"})

    def test_a_card_for_all_pays_for_anything(self) -> None:
        """Without terms no basket is asked for, and none limits it."""
        assert issued().check_pay(eur("50"), basket=Basket([BELL]), goods=eur("1"), at=T0) == Accepted(eur("50"))

    @pytest.mark.parametrize("terms", [{"minimum": eur("1")}, {"only": Filter(tags=["wine"])}])
    def test_a_card_with_terms_needs_the_basket(self, terms: dict[str, Any]) -> None:
        """Forgetting it must not turn the terms off."""
        card = issued(**terms)
        calls: list[Callable[[], object]] = [
            lambda: card.check_pay(eur("1"), at=T0),
            lambda: card.pay(eur("1"), ref="o", at=T0),
            lambda: card.hold(eur("1"), ref="o", until=day(1), at=T0),
        ]
        for call in calls:
            with pytest.raises(UsageError, match="basket must be given for a card with a least basket"):
                call()
        with pytest.raises(UsageError, match="basket must be of type Basket"):
            card.check_pay(eur("1"), basket="basket", at=T0)  # type: ignore[arg-type]  # the point
        with pytest.raises(CurrencyMismatchError):
            card.check_pay(eur("1"), basket=Basket.of("USD", {"a": "5"}), at=T0)

    def test_goods_are_an_amount_of_the_currency(self) -> None:
        """Not below nothing."""
        card, basket = issued(only=Filter(tags=["wine"])), Basket([WINE])
        with pytest.raises(CurrencyMismatchError):
            card.check_pay(eur("1"), basket=basket, goods=Money.of("1", "USD"), at=T0)
        with pytest.raises(UsageError, match="goods in minor units"):
            card.check_pay(eur("1"), basket=basket, goods=eur("-1"), at=T0)
        with pytest.raises(UsageError, match="goods must be of type Money"):
            card.check_pay(eur("1"), basket=basket, goods=1, at=T0)  # type: ignore[arg-type]  # the point


class TestPay:
    def test_part_use(self) -> None:
        """A card pays until nothing is left."""
        posting = issued().pay(eur("19.90"), ref="order-2", at=day(1))
        assert posting.facts == (Burned(account=MONEY, ref="order-2", parts=(Part("order-1/issue", 1990),), at=day(1)),)
        assert available(posting.state) == "30.10"
        assert available(posting.state.pay(eur("30.10"), ref="order-3", at=day(1)).state) == "0.00"

    def test_never_more_than_there_is(self) -> None:
        """Not by a cent."""
        details = {"asked_minor": 5001, "available_minor": 5000, "missing_minor": 1, "currency": "EUR"}
        assert refused(lambda: issued().pay(eur("50.01"), ref="order-2", at=T0)) == ("card_insufficient", details)
        assert refused(lambda: issued().hold(eur("50.01"), ref="order-2", until=day(1), at=T0)) == ("card_insufficient", details)

    def test_same_payment_again(self) -> None:
        """No facts, whatever became of the card; another amount is refused in the card's words."""
        card = issued(ends=30, minimum=eur("20")).pay(eur("20"), ref="order-2", basket=Basket([WINE]), at=day(1)).state
        card = card.block(reason="lost", actor="desk", at=day(1)).state
        assert card.pay(eur("20"), ref="order-2", at=day(50)).facts == ()
        no = refused(lambda: card.pay(eur("21"), ref="order-2", at=day(1)))
        assert no == ("key_reused", {"key": "pay:order-2", "fields": ("amount",)})

    def test_a_payment_named_as_an_open_hold(self) -> None:
        """It would be paid twice once the hold is captured."""
        card = issued().hold(eur("20"), ref="order-2", until=day(1), at=T0).state
        for at in (T0, day(2)):
            with pytest.raises(RefusedError) as caught:
                card.pay(eur("20"), ref="order-2", at=at)
            assert caught.value.refusal.reason is Reason.KEY_REUSED
        no = refused(lambda: issued().pay(eur("1"), ref="o", at=T0).state.hold(eur("1"), ref="o", until=day(1), at=T0))
        assert no == ("key_reused", {"key": "hold:o", "fields": ("amount", "verb")})

    def test_a_payment_named_as_a_hold_given_up(self) -> None:
        """That name is free, and what the card's terms say counts again."""
        card = issued().hold(eur("50"), ref="order-2", until=day(1), at=T0).state.void("order-2", at=T0).state
        assert available(card.pay(eur("50"), ref="order-2", at=T0).state) == "0.00"
        no = refused(lambda: card.pay(eur("51"), ref="order-2", at=T0))
        assert no[0] == "card_insufficient"
        blocked = card.block(reason="lost", actor="desk", at=T0).state
        assert refused(lambda: blocked.pay(eur("50"), ref="order-2", at=T0))[0] == "card_blocked"

    def test_blocked(self) -> None:
        """A blocked card pays nothing and sets nothing aside."""
        card = issued().block(reason="lost", actor="desk", at=T0).state
        for call in (lambda: card.pay(eur("1"), ref="o", at=T0), lambda: card.hold(eur("1"), ref="o", until=day(1), at=T0)):
            assert refused(call)[0] == "card_blocked"
        assert card.check_pay(eur("1"), at=T0).refusal == refusal(lambda: card.pay(eur("1"), ref="o", at=T0))

    def test_names_are_asked_for(self) -> None:
        """Every command has one."""
        card = issued()
        calls: list[Callable[[], object]] = [
            lambda: card.pay(eur("1"), ref="", at=T0),
            lambda: card.hold(eur("1"), ref="", until=day(1), at=T0),
            lambda: card.capture("", at=T0),
            lambda: card.void("", at=T0),
            lambda: card.refund("p", ref="", extended_until=None, at=T0),
            lambda: card.refund("", ref="r", extended_until=None, at=T0),
            lambda: card.cancel(ref="", at=T0),
            lambda: card.cancel("", ref="r", at=T0),
            lambda: card.replace(GiftCard.open("d"), ref="", actor="desk", at=T0),
            lambda: card.replace(GiftCard.open("d"), ref="r", actor="", at=T0),
            lambda: card.report_expired(ref="", at=T0),
            lambda: card.block(reason="lost", actor="", at=T0),
            lambda: card.unblock(reason="lost", actor="", at=T0),
        ]
        for call in calls:
            with pytest.raises(UsageError, match="must be text of 1 to 200 characters"):
                call()


class TestHold:
    def test_hold_and_capture(self) -> None:
        """What is held is not there for anybody else; captured, it is a payment of that name."""
        held = issued(ends=2).hold(eur("30"), ref="order-2", until=day(3), at=T0).state
        assert (available(held), held.balance(at=T0).held) == ("20.00", eur("30"))
        paid = held.capture("order-2", at=day(2))
        assert paid.facts == (Captured(account=MONEY, ref="order-2", parts=(Part("order-1/issue", 3000),), at=day(2)),)
        assert paid.state.ledger.burns["order-2"].units == 3000
        assert paid.state.capture("order-2", at=day(9)).facts == ()
        assert paid.state.hold(eur("30"), ref="order-2", until=day(5), at=day(9)).facts == ()

    def test_capture_of_a_part(self) -> None:
        """The rest goes back; more than was held is refused."""
        held = issued().hold(eur("30"), ref="order-2", until=day(3), at=T0).state
        assert available(held.capture("order-2", eur("12.34"), at=T0).state) == "37.66"
        no = refused(lambda: held.capture("order-2", eur("30.01"), at=T0))
        assert no == ("hold_exceeded", {"hold_ref": "order-2", "asked_minor": 3001, "left_minor": 3000})
        part = held.capture("order-2", eur("12"), at=T0).state
        assert refused(lambda: part.capture("order-2", eur("13"), at=T0))[1]["fields"] == ("amount",)
        with pytest.raises(UsageError, match="amount in minor units"):
            held.capture("order-2", eur("0"), at=T0)

    def test_void(self) -> None:
        """It is where it was; a captured hold is refunded instead."""
        held = issued().hold(eur("30"), ref="order-2", until=day(3), at=T0).state
        free = held.void("order-2", at=T0)
        assert (available(free.state), free.state.void("order-2", at=T0).facts) == ("50.00", ())
        no = refused(lambda: held.capture("order-2", at=T0).state.void("order-2", at=T0))
        assert no == ("hold_resolved", {"hold_ref": "order-2", "captured_minor": 3000})
        assert refused(lambda: held.void("order-3", at=T0)) == ("hold_not_found", {"hold_ref": "order-3"})

    def test_hold_ends_by_itself(self) -> None:
        """At its end the money is free; captured later all the same it is late."""
        held = issued().hold(eur("30"), ref="order-2", until=day(3), at=T0).state
        assert (available(held, day(3) - TICK), available(held, day(3))) == ("20.00", "50.00")
        late = held.capture("order-2", at=day(4))
        assert (late.facts[0].late, available(late.state, day(4))) == (True, "20.00")  # type: ignore[attr-defined]  # captured

    def test_a_paid_order_is_honoured_below_zero(self) -> None:
        """The money was spent elsewhere meanwhile: the card owes it, and whatever comes on is netted; nothing is minted."""
        held = issued().hold(eur("50"), ref="order-2", until=day(1), at=T0).state
        elsewhere = held.pay(eur("40"), ref="order-3", at=day(2)).state
        owing = elsewhere.capture("order-2", at=day(3)).state
        balance = owing.balance(at=day(3))
        assert (balance.available, balance.owed) == (eur("0"), eur("40"))
        assert refused(lambda: owing.pay(eur("0.01"), ref="order-4", at=day(3)))[0] == "card_spent"
        loaded = owing.load(eur("45"), ref="order-5", expires_at=None, at=day(3)).state
        assert available(loaded, day(3)) == "5.00"
        back = owing.refund("order-3", ref="return-3", extended_until=None, at=day(4)).state
        assert (available(back, day(4)), back.balance(at=day(4)).owed) == ("0.00", eur("0"))
        both = back.refund("order-2", ref="return-2", extended_until=None, at=day(4)).state
        assert available(both, day(4)) == "50.00"

    def test_given_up_and_paid_all_the_same(self) -> None:
        """Only where the caller says so; and not where its name was taken by a payment since."""
        free = issued().hold(eur("30"), ref="order-2", until=day(3), at=T0).state.void("order-2", at=T0).state
        assert refused(lambda: free.capture("order-2", at=T0))[0] == "hold_resolved"
        assert available(free.capture("order-2", given_up=True, at=T0).state) == "20.00"
        taken = free.pay(eur("30"), ref="order-2", at=T0).state
        assert refused(lambda: taken.capture("order-2", given_up=True, at=T0))[0] == "key_reused"

    @pytest.mark.parametrize("how", ["blocked", "replaced"])
    def test_a_hold_outlives_a_block(self, how: str) -> None:
        """What was held before can be captured, or given up."""
        held = issued().hold(eur("30"), ref="order-2", until=day(3), at=T0).state
        if how == "blocked":
            card = held.block(reason="lost", actor="desk", at=T0).state
        else:
            card = held.replace(GiftCard.open("card-8"), ref="swap", actor="desk", at=T0).old.state
        assert card.capture("order-2", at=T0).state.ledger.burns["order-2"].units == 3000
        assert card.void("order-2", at=T0).state.balance(at=T0).held == eur("0")


class TestRefund:
    def test_back_to_the_card(self) -> None:
        """In parts, in any order, never more than the card paid, and only once each."""
        paid = issued().pay(eur("30"), ref="order-2", at=T0).state
        part = paid.refund("order-2", eur("10"), ref="return-1", extended_until=None, at=day(1)).state
        assert available(part) == "30.00"
        assert part.refund("order-2", eur("10"), ref="return-1", extended_until=None, at=day(2)).facts == ()
        no = refused(lambda: part.refund("order-2", eur("20.01"), ref="return-2", extended_until=None, at=day(2)))
        assert no == ("burn_exceeded", {"pay_ref": "order-2", "asked_minor": 2001, "left_minor": 2000})
        whole = part.refund("order-2", ref="return-2", extended_until=None, at=day(2)).state
        assert available(whole) == "50.00"
        assert whole.refund("order-2", ref="return-3", extended_until=None, at=day(2)).facts == ()
        no = refused(lambda: whole.refund("order-2", eur("0.01"), ref="return-3", extended_until=None, at=day(2)))
        assert no[0] == "burn_exceeded"

    def test_other_content_is_refused(self) -> None:
        """What differs is named in the card's words."""
        paid = issued().pay(eur("30"), ref="order-2", at=T0).state.pay(eur("5"), ref="order-3", at=T0).state
        back = paid.refund("order-2", eur("10"), ref="return-1", extended_until=None, at=T0).state
        no = refused(lambda: back.refund("order-3", eur("5"), ref="return-1", extended_until=None, at=T0))
        assert no == ("key_reused", {"key": "refund:return-1", "fields": ("pay_ref", "amount")})
        no = refused(lambda: back.refund("order-9", ref="return-9", extended_until=None, at=T0))
        assert no == ("burn_not_found", {"pay_ref": "order-9"})

    def test_to_an_expired_lot(self) -> None:
        """It stays usable for as long as is said, or is gone."""
        paid = issued(ends=30).pay(eur("30"), ref="order-2", at=T0).state
        usable = paid.refund("order-2", ref="return-1", extended_until=day(90), at=day(40)).state
        assert available(usable, day(40)) == "30.00"
        assert [(one.expires_at, one.amount) for one in usable.balance(at=day(40)).expires] == [(day(90), eur("30"))]
        assert available(usable, day(90)) == "0.00"
        gone = paid.refund("order-2", ref="return-1", extended_until=None, at=day(40)).state
        assert available(gone, day(40)) == "0.00"
        with pytest.raises(UsageError, match="extended_until must be after"):
            paid.refund("order-2", ref="return-1", extended_until=day(40), at=day(40))

    def test_to_a_live_lot(self) -> None:
        """What has not expired keeps its end: nothing lives longer for a return."""
        paid = issued(ends=30).pay(eur("30"), ref="order-2", at=T0).state
        back = paid.refund("order-2", ref="return-1", extended_until=day(90), at=day(10)).state
        assert available(back, day(30)) == "0.00"

    def test_to_a_blocked_card(self) -> None:
        """The money comes back, and waits."""
        paid = issued().pay(eur("30"), ref="order-2", at=T0).state.block(reason="lost", actor="desk", at=T0).state
        back = paid.refund("order-2", ref="return-1", extended_until=None, at=T0).state
        assert available(back) == "50.00"
        assert back.check_pay(eur("1"), at=T0).refusal is not None


class TestOneUse:
    def test_the_rest_lapses(self) -> None:
        """After its payment nothing is left."""
        posting = issued(uses=CardUses.ONE).pay(eur("30"), ref="order-2", at=T0)
        assert [fact.kind for fact in posting.facts] == ["ledger.burned", "ledger.adjusted"]
        lapsed = posting.facts[1]
        assert isinstance(lapsed, Adjusted)
        assert (lapsed.ref, lapsed.reason, lapsed.actor, lapsed.parts) == (
            "order-2",
            "one use",
            "",
            (Part("order-1/issue", 2000),),
        )
        assert available(posting.state) == "0.00"
        assert refused(lambda: posting.state.pay(eur("1"), ref="order-3", at=T0))[0] == "card_spent"
        assert posting.state.pay(eur("30"), ref="order-2", at=day(1)).facts == ()

    def test_a_whole_payment_leaves_nothing_to_lapse(self) -> None:
        """One fact, where nothing is left."""
        assert len(issued(uses=CardUses.ONE).pay(eur("50"), ref="order-2", at=T0).facts) == 1

    def test_given_back_whole_the_use_was_none(self) -> None:
        """In one return or in several: what lapsed comes back with the last of it."""
        paid = issued(uses=CardUses.ONE).pay(eur("30"), ref="order-2", at=T0).state
        assert available(paid.refund("order-2", ref="return-1", extended_until=None, at=T0).state) == "50.00"
        part = paid.refund("order-2", eur("10"), ref="return-1", extended_until=None, at=T0).state
        assert available(part) == "10.00"
        whole = part.refund("order-2", ref="return-2", extended_until=None, at=T0).state
        assert available(whole) == "50.00"
        assert whole.refund("order-2", ref="return-2", extended_until=None, at=T0).facts == ()
        assert whole.refund("order-2", ref="return-3", extended_until=None, at=T0).facts == ()
        again = whole.pay(eur("20"), ref="order-3", at=T0).state
        assert available(again) == "0.00"
        assert available(again.refund("order-3", ref="return-4", extended_until=None, at=T0).state) == "50.00"

    def test_given_back_in_part_it_pays_once_more(self) -> None:
        """The customer does not lose what came back."""
        part = issued(uses=CardUses.ONE).pay(eur("30"), ref="order-2", at=T0).state
        part = part.refund("order-2", eur("10"), ref="return-1", extended_until=None, at=T0).state
        again = part.pay(eur("4"), ref="order-3", at=T0).state
        assert available(again) == "0.00"
        assert available(again.refund("order-3", ref="return-2", extended_until=None, at=T0).state) == "10.00"

    def test_a_hold_counts_as_the_use(self) -> None:
        """While it stands; given up or ended by itself the card is as before."""
        held = issued(uses=CardUses.ONE).hold(eur("30"), ref="order-2", until=day(1), at=T0).state
        assert refused(lambda: held.pay(eur("1"), ref="order-3", at=T0)) == ("card_spent", {"left_minor": 0, "currency": "EUR"})
        assert refused(lambda: held.hold(eur("1"), ref="order-3", until=day(1), at=T0))[0] == "card_spent"
        assert held.hold(eur("30"), ref="order-2", until=day(1), at=T0).facts == ()
        assert held.check_pay(eur("90"), at=day(1)) == Accepted(eur("50"))
        assert held.void("order-2", at=T0).state.check_pay(eur("90"), at=T0) == Accepted(eur("50"))

    def test_captured_the_rest_lapses(self) -> None:
        """What was held and not captured too."""
        held = issued(uses=CardUses.ONE).hold(eur("30"), ref="order-2", until=day(1), at=T0).state
        paid = held.capture("order-2", eur("10"), at=T0).state
        assert available(paid) == "0.00"
        assert paid.capture("order-2", eur("10"), at=T0).facts == ()
        assert available(paid.refund("order-2", ref="return-1", extended_until=None, at=T0).state) == "50.00"

    def test_expired_money_does_not_lapse_twice(self) -> None:
        """What expired before the payment is expired, not lapsed."""
        card = issued(ends=5, uses=CardUses.ONE).load(eur("10"), ref="l", expires_at=None, at=T0).state
        paid = card.pay(eur("4"), ref="order-2", at=day(6)).state
        assert paid.ledger.expired(at=day(6)) == 5000
        assert paid.ledger.adjustments["order-2"].units == 600

    def test_another_card_has_many(self) -> None:
        """Nothing lapses there."""
        assert len(issued().pay(eur("30"), ref="order-2", at=T0).facts) == 1


class TestCancel:
    def test_an_untouched_card(self) -> None:
        """All of it is taken off, once."""
        card = issued(ends=30)
        posting = card.cancel(ref="return-1", at=day(1))
        assert posting.facts == (
            Revoked(account=MONEY, ref="return-1", earn_ref="", parts=(Part("order-1/issue", 5000),), at=day(1)),
        )
        assert (available(posting.state), posting.state.loaded_minor) == ("0.00", 0)
        assert posting.state.cancel(ref="return-1", at=day(2)).facts == ()
        assert posting.state.cancel(ref="return-2", at=day(2)).facts == ()
        no = refused(lambda: posting.state.cancel("order-1", ref="return-1", at=day(2)))
        assert no == ("key_reused", {"key": "cancel:return-1", "fields": ("load_ref",)})

    def test_a_card_that_was_spent(self) -> None:
        """Not by a cent: who returns it would keep what was bought. Given back, it can be."""
        paid = issued().pay(eur("0.01"), ref="order-2", at=T0).state
        details = {"spent_minor": 1, "held_minor": 0, "left_minor": 4999, "currency": "EUR"}
        assert refused(lambda: paid.cancel(ref="return-1", at=T0)) == ("card_spent", details)
        assert refused(lambda: paid.cancel("order-1", ref="return-1", at=T0)) == ("card_spent", details)
        back = paid.refund("order-2", ref="return-2", extended_until=None, at=T0).state
        assert available(back.cancel(ref="return-1", at=T0).state) == "0.00"

    def test_a_card_with_a_hold(self) -> None:
        """The order that holds it may still be paid."""
        held = issued().hold(eur("30"), ref="order-2", until=day(1), at=T0).state
        details = {"spent_minor": 0, "held_minor": 3000, "left_minor": 2000, "currency": "EUR"}
        assert refused(lambda: held.cancel(ref="return-1", at=T0)) == ("card_spent", details)
        assert available(held.cancel(ref="return-1", at=day(1)).state, day(1)) == "0.00"

    def test_expired_money_is_unspent(self) -> None:
        """The order came back: its money is gone from the card, expired or not."""
        posting = issued(ends=30).cancel(ref="return-1", at=day(40))
        assert posting.state.ledger.expired(at=day(40)) == 0

    def test_one_load_of_several(self) -> None:
        """The order that sold that load came back: the others stay."""
        card = issued().load(eur("20"), ref="order-2", expires_at=None, at=T0).state
        cancelled = card.cancel("order-2", ref="return-2", at=T0).state
        assert (available(cancelled), cancelled.loaded_minor) == ("50.00", 5000)
        assert cancelled.cancel("order-2", ref="return-2", at=T0).facts == ()
        assert available(card.cancel(ref="return-2", at=T0).state) == "0.00"
        first = card.pay(eur("50"), ref="order-3", at=T0).state
        assert available(first.cancel("order-2", ref="return-2", at=T0).state) == "0.00"
        no = refused(lambda: first.cancel("order-1", ref="return-1", at=T0))
        assert no == ("card_spent", {"spent_minor": 5000, "held_minor": 0, "left_minor": 0, "currency": "EUR"})
        no = refused(lambda: card.cancel("order-9", ref="return-9", at=T0))
        assert no == ("earning_not_found", {"load_ref": "order-9"})

    def test_a_hold_on_one_load_leaves_the_other(self) -> None:
        """Only what the hold took is set aside."""
        card = issued(ends=30).load(eur("20"), ref="order-2", expires_at=None, at=T0).state
        held = card.hold(eur("50"), ref="order-3", until=day(1), at=T0).state
        assert available(held.cancel("order-2", ref="return-2", at=T0).state) == "0.00"
        assert refused(lambda: held.cancel("order-1", ref="return-1", at=T0))[1]["held_minor"] == 5000

    def test_a_load_that_pays_a_debt_is_not_unspent(self) -> None:
        """A late order took the card below zero: what was loaded since is netted with it, and does not come off."""
        held = issued().hold(eur("50"), ref="order-2", until=day(1), at=T0).state
        owing = held.pay(eur("50"), ref="order-3", at=day(2)).state.capture("order-2", at=day(2)).state
        loaded = owing.load(eur("60"), ref="order-4", expires_at=None, at=day(2)).state
        no = refused(lambda: loaded.cancel("order-4", ref="return-4", at=day(2)))
        assert no == ("card_spent", {"spent_minor": 5000, "held_minor": 0, "left_minor": 1000, "currency": "EUR"})
        no = refused(lambda: owing.cancel(ref="return-1", at=day(2)))
        assert no[1] == {"spent_minor": 10000, "held_minor": 0, "left_minor": 0, "currency": "EUR"}

    def test_a_hold_and_a_debt_elsewhere(self) -> None:
        """Both eat up what a load that nobody touched would leave."""
        late = issued().hold(eur("50"), ref="order-2", until=day(1), at=T0).state
        owing = late.pay(eur("20"), ref="order-3", at=day(2)).state.capture("order-2", at=day(2)).state
        card = owing.load(eur("30"), ref="order-4", expires_at=None, at=day(2)).state
        card = card.load(eur("20"), ref="order-5", expires_at=day(9), at=day(2)).state
        card = card.hold(eur("15"), ref="order-6", until=day(5), at=day(3)).state
        no = refused(lambda: card.cancel("order-4", ref="return-4", at=day(3)))
        assert no == ("card_spent", {"spent_minor": 0, "held_minor": 1500, "left_minor": 1500, "currency": "EUR"})

    def test_money_that_got_a_later_end(self) -> None:
        """It is of the load it came from."""
        paid = issued(ends=5).pay(eur("30"), ref="order-2", at=T0).state
        back = paid.refund("order-2", ref="return-2", extended_until=day(60), at=day(10)).state
        for load_ref in (None, "order-1"):
            cancelled = back.cancel(load_ref, ref="return-1", at=day(11)).state
            assert (available(cancelled, day(11)), cancelled.loaded_minor, cancelled.ledger.expired(at=day(11))) == ("0.00", 0, 0)

    def test_what_lapsed_was_used(self) -> None:
        """A card of one use that paid is not returned."""
        paid = issued(uses=CardUses.ONE).pay(eur("30"), ref="order-2", at=T0).state
        assert refused(lambda: paid.cancel(ref="return-1", at=T0))[1]["spent_minor"] == 5000
        back = paid.refund("order-2", ref="return-2", extended_until=None, at=T0).state
        assert available(back.cancel(ref="return-1", at=T0).state) == "0.00"

    def test_a_blocked_card(self) -> None:
        """Returned all the same."""
        card = issued().block(reason="fraud", actor="desk", at=T0).state
        assert available(card.cancel(ref="return-1", at=T0).state) == "0.00"

    def test_naive_time(self) -> None:
        """As everywhere."""
        held = issued().hold(eur("1"), ref="h", until=day(1), at=T0).state
        done = issued().cancel(ref="r", at=T0).state
        for card in (issued(), held, done):
            with pytest.raises(UsageError, match="at must be a timezone-aware datetime"):
                card.cancel(ref="r", at=datetime(2026, 7, 1))  # noqa: DTZ001 - the point

    @given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 3)), min_size=1, max_size=5), st.integers(1, 2500), st.data())
    @pytest.mark.law(37)
    def test_an_amount(self, loads: list[tuple[int, int]], asked: int, data: st.DataObject) -> None:
        """Exactly so much, from what ends last; nothing that is held, and nothing at all where so much is not free."""
        card = GiftCard.open("card-1")
        for number, (minor, months) in enumerate(loads):
            end = None if not months else T0 + timedelta(days=30 * months)
            verb = card.load if number else card.issue
            card = verb(Money(minor, "EUR"), ref=f"l-{number}", expires_at=end, at=T0).state
        held = data.draw(st.integers(0, card.ledger.available(at=T0)))
        if held:
            card = card.hold(Money(held, "EUR"), ref="order", until=T0 + timedelta(hours=1), at=T0).state
        free = card.ledger.available(at=T0)
        if asked > free:
            with pytest.raises(RefusedError, match="card_spent"):
                card.cancel(amount=Money(asked, "EUR"), ref="back", at=T0)
            return
        after = card.cancel(amount=Money(asked, "EUR"), ref="back", at=T0).state
        assert after.ledger.available(at=T0) == free - asked
        taken = {name: lot.remaining - after.ledger.lots[name].remaining for name, lot in card.ledger.lots.items()}
        assert sum(taken.values()) == asked
        kept = card.ledger.held(T0)
        ends = {name: card.ledger.lots[name].expires_at or datetime.max.replace(tzinfo=UTC) for name in taken}
        for name, units in taken.items():
            left = card.ledger.lots[name].remaining - kept.get(name, 0) - units
            # What ends later was taken first: where something is left of a lot, nothing that ends sooner was touched.
            assert left == 0 or all(not taken[other] for other in taken if ends[other] < ends[name])


class TestBlock:
    def test_block_and_unblock(self) -> None:
        """Each once; the facts say why, and who."""
        card = issued()
        blocked = card.block(reason="lost", actor="desk-2", at=day(1))
        assert blocked.facts == (CardBlocked(card_id="card-7", reason="lost", actor="desk-2", at=day(1)),)
        assert (blocked.state.blocked_at, blocked.state.balance(at=day(1)).is_blocked) == (day(1), True)
        assert blocked.state.block(reason="again", actor="desk-3", at=day(2)).facts == ()
        free = blocked.state.unblock(reason="found", actor="desk-2", at=day(3))
        assert free.facts == (CardUnblocked(card_id="card-7", reason="found", actor="desk-2", at=day(3)),)
        assert (free.state.blocked_at, available(free.state)) == (None, "50.00")
        assert free.state.unblock(reason="found", actor="desk-2", at=day(3)).facts == ()
        assert free.state.pay(eur("50"), ref="order-2", at=day(3)).facts

    @pytest.mark.parametrize("verb", ["block", "unblock"])
    def test_usage_errors(self, verb: str) -> None:
        """A naive time, and a reason that no database holds, even where nothing changes."""
        card = issued()
        with pytest.raises(UsageError, match="timezone-aware"):
            getattr(card, verb)(reason="lost", actor="desk", at=datetime(2026, 7, 1))  # noqa: DTZ001 - the point
        with pytest.raises(UsageError, match="reason must be text"):
            getattr(card, verb)(reason="\0", actor="desk", at=T0)


class TestReplace:
    def test_the_whole_balance_moves(self) -> None:
        """With the end of each lot and the terms of the card; the old one is blocked for good."""
        card = issued(
            ends=30, minimum=eur("20"), only=Filter(tags=["wine"]), uses=CardUses.MANY, order_id="1001", last_four="J459"
        )
        card = card.load(eur("5"), ref="order-2", expires_at=None, at=T0).state
        card = card.pay(eur("10"), ref="order-3", basket=Basket([WINE]), at=T0).state
        moved = card.replace(GiftCard.open("card-8"), ref="ticket-9", actor="desk", last_four="AB12", at=day(1))
        old, new = moved.old.state, moved.new.state
        assert moved.old.facts[0] == CardReplaced(card_id="card-7", ref="ticket-9", by="card-8", actor="desk", at=day(1))
        assert (available(old, day(1)), old.is_blocked, old.replaced_by, old.moves) == ("0.00", True, "card-8", ("ticket-9",))
        assert card.issued is not None
        assert new.issued == attrs.evolve(
            card.issued,
            card_id="card-8",
            ref="ticket-9",
            loaded_minor=5500,
            last_four="AB12",
            replaces="card-7",
            at=day(1),
        )
        assert [(one.expires_at, one.amount) for one in new.balance(at=day(1)).expires] == [(day(30), eur("40"))]
        assert (available(new, day(1)), available(new, day(30))) == ("45.00", "5.00")
        assert (moved.new.stream, moved.new.version) == ("gift_card/card-8", 0)
        no = refused(lambda: old.pay(eur("1"), ref="o", basket=Basket([WINE]), at=day(1)))
        assert no == ("card_blocked", {"card_id": "card-7", "replaced_by": "card-8"})
        assert refused(lambda: old.load(eur("1"), ref="l", expires_at=None, at=day(1)))[0] == "card_blocked"
        assert refused(lambda: old.unblock(reason="found", actor="desk", at=day(1)))[0] == "card_blocked"
        assert old.block(reason="lost", actor="desk", at=day(1)).facts == ()

    def test_a_blocked_card_is_replaced(self) -> None:
        """That is what blocking is for; both marks are told."""
        card = issued().block(reason="lost", actor="desk", at=T0).state
        moved = card.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=T0)
        assert available(moved.new.state) == "50.00"
        no = refused(lambda: moved.old.state.unblock(reason="found", actor="desk", at=T0))
        assert no[1] == {"card_id": "card-7", "blocked_at": "2026-07-01T10:00:00Z", "replaced_by": "card-8"}

    def test_same_replacement_again(self) -> None:
        """No facts on either card; by another card it is refused."""
        moved = issued().replace(GiftCard.open("card-8"), ref="t", actor="desk", at=T0)
        again = moved.old.state.replace(moved.new.state, ref="t", actor="desk", at=day(3))
        assert (again.old.facts, again.new.facts) == ((), ())
        assert (again.old.state, again.new.state) == (moved.old.state, moved.new.state)
        no = refused(lambda: moved.old.state.replace(GiftCard.open("card-9"), ref="t", actor="desk", at=T0))
        assert no == ("key_reused", {"key": "replace:t", "fields": ("by",)})
        no = refused(lambda: moved.old.state.replace(GiftCard.open("card-9"), ref="u", actor="desk", at=T0))
        assert no == ("card_blocked", {"card_id": "card-7", "replaced_by": "card-8"})

    def test_what_comes_back_later_goes_on(self) -> None:
        """A return to the old card, and a hold given up there, follow to the new one."""
        card = (
            issued(ends=30).pay(eur("10"), ref="order-2", at=T0).state.hold(eur("15"), ref="order-3", until=day(9), at=T0).state
        )
        moved = card.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=day(1))
        old, new = moved.old.state, moved.new.state
        assert (available(new, day(1)), available(old, day(1))) == ("25.00", "0.00")
        quiet = old.replace(new, ref="nothing", actor="desk", at=day(1))
        assert (quiet.old.facts, quiet.new.facts) == ((), ())
        old = old.refund("order-2", ref="return-2", extended_until=None, at=day(2)).state
        followed = old.replace(new, ref="return-2", actor="desk", at=day(2))
        assert (available(followed.new.state, day(2)), followed.new.state.loaded_minor) == ("35.00", 5000)
        assert [fact.kind for fact in followed.new.facts] == ["ledger.transferred_in"]
        voided = followed.old.state.void("order-3", at=day(3)).state
        last = voided.replace(followed.new.state, ref="void-3", actor="desk", at=day(3))
        assert (available(last.new.state, day(3)), last.old.state.moves) == ("50.00", ("t", "return-2", "void-3"))
        assert available(last.new.state, day(30)) == "0.00"

    def test_an_empty_card(self) -> None:
        """Nothing moves, and the new card is there, with its terms, for what may come back."""
        spent = issued().pay(eur("50"), ref="order-2", at=T0).state
        moved = spent.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=T0)
        assert [fact.kind for fact in moved.old.facts] == ["gift_card.replaced"]
        assert [fact.kind for fact in moved.new.facts] == ["gift_card.issued"]
        again = moved.old.state.replace(moved.new.state, ref="t", actor="desk", at=T0)
        assert (again.old.facts, again.new.facts) == ((), ())
        back = moved.old.state.refund("order-2", ref="r", extended_until=None, at=T0).state
        assert available(back.replace(moved.new.state, ref="r", actor="desk", at=T0).new.state) == "50.00"

    def test_expired_money_stays_expired(self) -> None:
        """A new card is no new life."""
        moved = issued(ends=5).replace(GiftCard.open("card-8"), ref="t", actor="desk", at=day(6))
        assert (available(moved.new.state, day(6)), moved.old.state.ledger.expired(at=day(6))) == ("0.00", 5000)

    def test_the_one_use_that_is_held_is_not_doubled(self) -> None:
        """While the one use is set aside nothing moves; afterwards what is left does."""
        held = issued(uses=CardUses.ONE).hold(eur("30"), ref="order-2", until=day(3), at=T0).state
        moved = held.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=T0)
        assert available(moved.new.state) == "0.00"
        used = moved.old.state.capture("order-2", at=T0).state
        assert available(used.replace(moved.new.state, ref="u", actor="desk", at=T0).new.state) == "0.00"
        free = moved.old.state.void("order-2", at=T0).state
        last = free.replace(moved.new.state, ref="u", actor="desk", at=T0).new.state
        assert available(last) == "50.00"
        assert available(last.pay(eur("1"), ref="order-4", at=T0).state) == "0.00"

    def test_cancelling_the_new_card(self) -> None:
        """What was spent on the old one was spent: only a card on which nothing was spent anywhere is cancelled."""
        spent = issued().pay(eur("20"), ref="order-2", at=T0).state
        moved = spent.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=T0)
        no = refused(lambda: moved.new.state.cancel(ref="return-1", at=T0))
        assert no == ("card_spent", {"spent_minor": 2000, "held_minor": 0, "left_minor": 3000, "currency": "EUR"})
        old = moved.old.state.refund("order-2", ref="return-2", extended_until=None, at=T0).state
        no = refused(lambda: old.cancel(ref="return-1", at=T0))
        assert no == ("card_blocked", {"card_id": "card-7", "replaced_by": "card-8"})
        whole = old.replace(moved.new.state, ref="return-2", actor="desk", at=T0).new.state
        assert (available(whole.cancel(ref="return-1", at=T0).state), whole.cancel(ref="r", at=T0).state.loaded_minor) == (
            "0.00",
            0,
        )

    def test_a_chain(self) -> None:
        """A card that replaced one is replaced in turn, and what comes back to the first goes all the way."""
        first = issued().pay(eur("20"), ref="order-2", at=T0).state
        one = first.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=T0)
        two = one.new.state.replace(GiftCard.open("card-9"), ref="t", actor="desk", at=T0)
        assert available(two.new.state) == "30.00"
        back = one.old.state.refund("order-2", ref="r", extended_until=None, at=T0).state
        over = back.replace(two.old.state, ref="r", actor="desk", at=T0)
        last = over.new.state.replace(two.new.state, ref="r", actor="desk", at=T0)
        assert (available(over.new.state), available(last.old.state), available(last.new.state)) == ("20.00", "0.00", "50.00")

    def test_a_card_with_debts(self) -> None:
        """What is owed is netted before anything moves."""
        held = issued().hold(eur("50"), ref="order-2", until=day(1), at=T0).state
        owing = held.pay(eur("20"), ref="order-3", at=day(2)).state.capture("order-2", at=day(2)).state
        loaded = owing.load(eur("30"), ref="order-4", expires_at=None, at=day(2)).state
        moved = loaded.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=day(2))
        assert (available(moved.new.state, day(2)), available(moved.old.state, day(2))) == ("10.00", "0.00")

    def test_refusals(self) -> None:
        """Itself, a card with money of its own, a date before the last fact."""
        card = issued()
        other = GiftCard.open("card-9").issue(eur("5"), ref="o", expires_at=None, at=T0).state
        for by in (card, other, GiftCard.open("card-7")):
            with pytest.raises(
                UsageError, match="by must be a card that was never issued, or took the place of 'card-7', got 'card-"
            ):
                card.replace(by, ref="t", actor="desk", at=T0)
        with pytest.raises(UsageError, match="by must be of type GiftCard"):
            card.replace("card-8", ref="t", actor="desk", at=T0)  # type: ignore[arg-type]  # the point
        with pytest.raises(UsageError, match="last_four must be empty or four"):
            card.replace(GiftCard.open("card-8"), ref="t", actor="desk", last_four="MXN3-NA4S-7QTM-J459", at=T0)
        with pytest.raises(UsageError, match="last_four must be of type str"):
            card.replace(GiftCard.open("card-8"), ref="t", actor="desk", last_four=None, at=T0)  # type: ignore[arg-type]  # the point
        spent = card.pay(eur("50"), ref="p", at=day(2)).state
        no = refused(lambda: spent.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=day(1)))
        assert no[0] == "at_before_last"
        with pytest.raises(UsageError, match="timezone-aware"):
            card.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=datetime(2026, 7, 1))  # noqa: DTZ001 - the point


class TestReports:
    def test_expiry_is_reported_once(self) -> None:
        """It moves nothing, and afterwards nothing is due."""
        card = issued(ends=30)
        posting = card.report_expired(ref="2026-07", at=day(30))
        assert posting.facts == (ExpiryReported(account=MONEY, ref="2026-07", units=5000, at=day(30)),)
        assert (posting.state.due_at, posting.state.report_expired(ref="2026-07", at=day(31)).facts) == (None, ())

    def test_an_end_at_the_instant_is_over(self) -> None:
        """It is no longer told as to come."""
        assert issued(ends=30).balance(at=day(30)).expires == ()


class TestFolding:
    @pytest.mark.parametrize(
        "fact",
        [
            CardIssued(card_id="card-7", ref="again", currency="EUR", loaded_minor=1, at=T0),
            CardBlocked(card_id="card-8", reason="lost", actor="desk", at=T0),
            CardUnblocked(card_id="card-8", reason="lost", actor="desk", at=T0),
            CardReplaced(card_id="card-8", ref="t", by="card-9", actor="desk", at=T0),
            Granted(account="points", ref="r", rule="load", units=1, available_at=T0, at=T0),
            Burned(account=MONEY, ref="r", parts=(Part("nowhere", 1),), at=T0),
            MemberJoined(member_id="m-42", at=T0),
        ],
        ids=lambda fact: fact.kind,
    )
    def test_facts_that_cannot_follow(self, fact: Fact) -> None:
        """Of another card, of another account, of no card, or a second beginning."""
        with pytest.raises(CorruptStateError):
            issued().folded([fact])

    @pytest.mark.parametrize(
        "fact",
        [
            CardIssued(card_id="card-8", ref="again", currency="EUR", loaded_minor=1, at=T0),
            CardBlocked(card_id="card-7", reason="lost", actor="desk", at=T0),
            CardUnblocked(card_id="card-7", reason="lost", actor="desk", at=T0),
            CardReplaced(card_id="card-7", ref="t", by="card-9", actor="desk", at=T0),
            Granted(account=MONEY, ref="r", rule="load", units=1, available_at=T0, at=T0),
        ],
        ids=lambda fact: fact.kind,
    )
    def test_a_card_begins_with_its_issue(self, fact: Fact) -> None:
        """Nothing comes before it."""
        with pytest.raises(CorruptStateError, match="gift card 'card-7' cannot go on with"):
            GiftCard.open("card-7").folded([fact])

    def test_a_third_card_cannot_take_its_place(self) -> None:
        """A card is replaced by one."""
        old = issued().replace(GiftCard.open("card-8"), ref="t", actor="desk", at=T0).old.state
        with pytest.raises(CorruptStateError):
            old.folded([CardReplaced(card_id="card-7", ref="u", by="card-9", actor="desk", at=T0)])

    def test_blocked_twice_counts_from_the_first(self) -> None:
        """Two desks at once: the first instant stays."""
        facts = [CardBlocked(card_id="card-7", reason="lost", actor="desk", at=day(n)) for n in (1, 2)]
        assert issued().folded(facts).blocked_at == day(1)

    def test_no_facts_change_nothing(self) -> None:
        """The same card, and no version."""
        card = issued()
        assert card.folded([]) == card
        assert card.posting([]) == Posting(card, facts=(), stream=card.posting([]).stream, version=2)

    def test_facts_that_are_dated_back(self) -> None:
        """Money loaded by hand may be dated before the last fact."""
        card = issued().pay(eur("1"), ref="p", at=day(5)).state
        assert available(card.load(eur("1"), ref="l", expires_at=None, at=day(2)).state, day(5)) == "50.00"


class TestStored:
    def test_round_trip(self) -> None:
        """A card in one column is the card."""
        card = (
            issued(ends=30, only=Filter(tags=["wine"]), minimum=eur("1"))
            .pay(eur("5"), ref="p", basket=Basket([WINE]), at=T0)
            .state
        )
        moved = card.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=T0)
        for one in (card, moved.old.state, moved.new.state, GiftCard.open("card-7")):
            assert GiftCard.from_dict(json.loads(json.dumps(one.to_dict()))) == one

    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data["ledger"].update(account="points"),
            lambda data: data.pop("issued"),
            lambda data: data["issued"].update(card_id="card-8"),
            lambda data: data.update(replaced_by="card-8"),
            lambda data: data.update(moves=["t"]),
            lambda data: data.update(card_id="card-8"),
            lambda data: data.update(form=2),
            lambda data: data.update(loaded_minor=5001),
            lambda data: data.update(loaded_minor=4999),
            lambda data: data["ledger"]["lots"]["order-1/issue"].update(burned=7),
        ],
        ids=range(10),
    )
    def test_what_does_not_hang_together(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Is refused."""
        data = issued().to_dict()
        change(data)
        with pytest.raises(CorruptStateError):
            GiftCard.from_dict(data)

    def test_a_card_that_took_anothers_place(self) -> None:
        """It may hold less than was loaded on both, and never more."""
        data = (
            issued()
            .pay(eur("20"), ref="p", at=T0)
            .state.replace(GiftCard.open("d"), ref="t", actor="desk", at=T0)
            .new.state.to_dict()
        )
        assert data["loaded_minor"] == 5000
        assert GiftCard.from_dict({**data, "loaded_minor": 3000}).loaded_minor == 3000
        with pytest.raises(CorruptStateError):
            GiftCard.from_dict({**data, "loaded_minor": 2999})

    def test_a_blank_card_holds_nothing(self) -> None:
        """A card that was never issued cannot be blocked or loaded."""
        for more in ({"blocked_at": "2026-07-01T10:00:00Z"}, {"loaded_minor": 1}):
            with pytest.raises(CorruptStateError):
                GiftCard.from_dict({**GiftCard.open("card-7").to_dict(), **more})


NUMBERS: Final = CardNumbers(SecretKey("pepper-1", bytes(range(32))))


@pytest.mark.law(37)
class TestSecrecy:
    @settings(max_examples=25)
    @given(entropy=st.binary(min_size=16, max_size=32), data=st.data())
    def test_the_number_is_nowhere(self, entropy: bytes, data: st.DataObject) -> None:
        """In no fact, no ``repr``, no stored state, no pickle and no exception, by no half of it."""
        number = NUMBERS.number(entropy)
        canonical = str(NUMBERS.read(number))
        card = GiftCard.open("card-7").issue(
            eur("50"), ref="order-1", expires_at=None, last_four=NUMBERS.last_four(number), order_id="1001", at=T0
        )
        paid = card.state.pay(eur("20"), ref="order-2", at=T0)
        moved = paid.state.replace(GiftCard.open("card-8"), ref="t", actor="desk", at=T0)
        facts = [*card.facts, *paid.facts, *moved.old.facts, *moved.new.facts]
        told = [repr(facts), repr(moved), repr(NUMBERS), repr(NUMBERS.read(number[:-1])), number_stream(NUMBERS.digest(number))]
        told += [json.dumps(coder(type(fact)).encode(fact)) for fact in facts]
        told += [json.dumps(moved.new.state.to_dict()), pickle.dumps((facts, moved)).decode("latin-1")]
        wrong = data.draw(st.sampled_from([number, canonical, number.lower(), number[:-1], number + "0"]))
        mistakes: list[Callable[[], object]] = [
            lambda: number_stream(wrong),
            lambda: NUMBERS.rewrapped(wrong, "pepper-1"),
            lambda: NUMBERS.digest(wrong + "000"),
            lambda: GiftCard.open("c").issue(eur("1"), ref="r", expires_at=None, last_four=wrong, at=T0),
            lambda: moved.old.state.replace(moved.new.state, ref="u", actor="desk", last_four=wrong, at=T0).new.state.issue(
                eur("1"), ref="r", expires_at=None, last_four=wrong, at=T0
            ),
        ]
        for mistake in mistakes:
            with pytest.raises(LoyaltyError) as caught:
                mistake()
            told.append(str(caught.value) + repr(caught.value) + str(caught.value.__context__))
            told += traceback.format_exception_only(caught.value)
        for secret in (number[:9], canonical[:8], canonical[:8].lower(), number[:9].lower(), canonical[4:12]):
            assert not [text for text in told if secret in text]


@attrs.define
class Books:
    """What should be true of one card, kept in plain sums; a card that replaced another goes on with the sums of both.

    Attributes:
        card: The card as it is kept.
        facts: All it has.
        chain: The first card of those that replaced each other.
        lasting: Whether no money on it ever ends.
        paid: What each payment took and did not give back.
        taken: What each payment took at first.
        held: What is set aside, and until when.
        lapsed: What lapsed with a payment.
        moved: What came from another card, less what went on to one.
        closed: Names of holds that were captured or given up.
    """

    card: GiftCard
    chain: str
    lasting: bool
    facts: list[Fact] = attrs.field(factory=list)
    paid: dict[str, int] = attrs.field(factory=dict)
    taken: dict[str, int] = attrs.field(factory=dict)
    held: dict[str, tuple[int, datetime]] = attrs.field(factory=dict)
    lapsed: dict[str, int] = attrs.field(factory=dict)
    loaded: int = 0
    moved: int = 0

    @property
    def left(self) -> int:
        """What should be on it, expired or held or not; below zero it is owed."""
        return self.loaded + self.moved - sum(self.paid.values()) - sum(self.lapsed.values())

    def free(self, at: datetime) -> int:
        """What is on it and not held."""
        return self.left - sum(units for units, until in self.held.values() if at < until)


PLACES: Final = st.integers(0, 30)
LIVES: Final = st.none() | st.integers(1, 12)
SHARES: Final = st.integers(1, 11)
"""Tenths of what there is; eleven is too much."""
RARELY: Final = st.sampled_from([False, False, False, True])


class CardsMachine(RuleBasedStateMachine):
    """Several cards of several currencies, and everything that can happen to them, beside plain sums."""

    def __init__(self) -> None:
        """Begin without cards."""
        super().__init__()
        self.raised_before = sys.exc_info()[1]
        self.clock = T0
        self.count = 0
        self.books: dict[str, Books] = {}
        self.orders: dict[tuple[str, str], int] = {}
        self.sold: dict[str, int] = {}

    # ---- what the rules share ----

    def pick(self, place: int) -> Books:
        """Choose a card."""
        return list(self.books.values())[place % len(self.books)]

    def name(self, what: str) -> str:
        """Make up a name that was never used."""
        self.count += 1
        return f"{what}-{self.count}"

    def keep(self, books: Books, posting: Posting[GiftCard]) -> None:
        """Keep what was decided; replaying the facts gives the same."""
        assert posting.version == len(books.facts)
        books.facts += posting.facts
        books.card = posting.state
        assert books.card.version == len(books.facts)

    def do(self, books: Books, call: Callable[[GiftCard], Posting[GiftCard]]) -> Posting[GiftCard] | None:
        """Try a command; where it goes through, the same again gives no facts."""
        try:
            posting = call(books.card)
        except RefusedError:
            return None
        self.keep(books, posting)
        assert call(books.card).facts == ()
        return posting

    def some(self, books: Books, share: int) -> int:
        """Give so many tenths of what can be paid, at least 1."""
        return max(1, books.card.balance(at=self.clock).available.minor_units * share // 10)

    # ---- what can happen ----

    @precondition(lambda self: len(self.sold) < 3)
    @rule(units=st.integers(10, 500), currency=st.sampled_from(["EUR", "JPY", "KWD"]), uses=st.sampled_from(CardUses), life=LIVES)
    def issue(self, units: int, currency: str, uses: CardUses, life: int | None) -> None:
        """Sell a card; one of one use has no end here, so that what lapses is a plain difference."""
        card_id, life = self.name("card"), None if uses is CardUses.ONE else life
        books = self.books[card_id] = Books(GiftCard.open(card_id), chain=card_id, lasting=life is None)
        at = self.clock
        ends = None if life is None else at + life * DAY
        self.do(books, lambda card: card.issue(Money(units, currency), ref="sale", expires_at=ends, uses=uses, at=at))
        books.loaded = self.sold[card_id] = units

    @precondition(lambda self: self.books)
    @rule(place=PLACES, units=st.integers(1, 500), life=LIVES)
    def load(self, place: int, units: int, life: int | None) -> None:
        """Put more on a card, unless it is blocked."""
        books, ref, at = self.pick(place), self.name("load"), self.clock
        life = None if books.card.issued and books.card.issued.uses is CardUses.ONE else life
        ends = None if life is None else at + life * DAY
        posting = self.do(books, lambda card: card.load(Money(units, card.currency), ref=ref, expires_at=ends, at=at))
        assert (posting is None) == books.card.is_blocked
        if posting is not None:
            books.loaded += units
            books.lasting = books.lasting and life is None
            self.sold[books.chain] += units

    @precondition(lambda self: self.books)
    @rule(place=PLACES, share=SHARES)
    def pay(self, place: int, share: int) -> None:
        """Pay exactly, or hear why not; what is answered beforehand is what goes through."""
        books, ref, at = self.pick(place), self.name("order"), self.clock
        units = self.some(books, share)
        answer = books.card.check_pay(Money(units, books.card.currency), at=at)
        posting = self.do(books, lambda card: card.pay(Money(units, card.currency), ref=ref, at=at))
        assert (posting is not None) == (answer.refusal is None and answer.value.minor_units == units)
        if posting is not None:
            self.took(books, ref, units)

    def took(self, books: Books, ref: str, units: int) -> None:
        """Note a payment, and what lapses with it."""
        books.paid[ref] = books.taken[ref] = units
        self.orders[books.card.card_id, ref] = units
        if books.card.issued is not None and books.card.issued.uses is CardUses.ONE:
            books.lapsed[ref] = max(0, books.free(self.clock))
            assert books.card.balance(at=self.clock).available.minor_units == 0

    @precondition(lambda self: self.books)
    @rule(place=PLACES, share=SHARES, days=st.integers(1, 5))
    def hold(self, place: int, share: int, days: int) -> None:
        """Set money aside."""
        books, ref, at = self.pick(place), self.name("order"), self.clock
        units = self.some(books, share)
        until = at + days * DAY
        if self.do(books, lambda card: card.hold(Money(units, card.currency), ref=ref, until=until, at=at)) is not None:
            books.held[ref] = (units, until)

    @precondition(lambda self: any(books.held for books in self.books.values()))
    @rule(place=PLACES, share=st.integers(1, 10))
    def capture(self, place: int, share: int) -> None:
        """Pay with what is held, all or some of it: it never fails, late or not, on a blocked card or not."""
        holders = [books for books in self.books.values() if books.held]
        books, at = holders[place % len(holders)], self.clock
        ref, (units, _) = list(books.held.items())[place % len(books.held)]
        some = max(1, units * share // 10)
        posting = self.do(books, lambda card: card.capture(ref, Money(some, card.currency), at=at))
        assert posting is not None
        del books.held[ref]
        self.took(books, ref, some)

    @precondition(lambda self: any(books.held for books in self.books.values()))
    @rule(place=PLACES)
    def void(self, place: int) -> None:
        """Give a hold up."""
        holders = [books for books in self.books.values() if books.held]
        books, at = holders[place % len(holders)], self.clock
        ref = list(books.held)[place % len(books.held)]
        assert self.do(books, lambda card: card.void(ref, at=at)) is not None
        del books.held[ref]

    @precondition(lambda self: any(books.paid for books in self.books.values()))
    @rule(place=PLACES, share=st.none() | SHARES, life=LIVES)
    def refund(self, place: int, share: int | None, life: int | None) -> None:
        """Give back, some or all of what is left; more is refused."""
        payers = [books for books in self.books.values() if books.paid]
        books, at = payers[place % len(payers)], self.clock
        pay_ref, ref = list(books.paid)[place % len(books.paid)], self.name("return")
        until = None if life is None else at + life * DAY
        left = books.paid[pay_ref]
        units = None if share is None else max(1, left * share // 10)
        amount = None if units is None else Money(units, books.card.currency)
        posting = self.do(books, lambda card: card.refund(pay_ref, amount, ref=ref, extended_until=until, at=at))
        assert (posting is None) == (units is not None and units > left)
        if posting is not None:
            books.paid[pay_ref] -= left if units is None else units
            self.orders[books.card.card_id, pay_ref] -= left if units is None else units
            if books.paid[pay_ref] == 0 and left > 0:
                books.lapsed.pop(pay_ref, None)

    @precondition(lambda self: self.books)
    @rule(place=PLACES, sure=RARELY)
    def cancel(self, place: int, *, sure: bool) -> None:
        """The order that sold the card came back: all that was loaded comes off, or nothing."""
        if not sure:
            return
        books, ref, at = self.pick(place), self.name("return"), self.clock
        loaded = books.card.loaded_minor
        is_whole = not books.card.replaced_by and books.free(at) == loaded
        posting = self.do(books, lambda card: card.cancel(ref=ref, at=at))
        assert (posting is not None) == is_whole
        if posting is not None:
            books.loaded, books.moved = 0, 0
            self.sold[books.chain] -= loaded

    @precondition(lambda self: self.books)
    @rule(place=PLACES, sure=RARELY)
    def block(self, place: int, *, sure: bool) -> None:
        """Block a card."""
        if not sure:
            return
        books, at = self.pick(place), self.clock
        assert self.do(books, lambda card: card.block(reason="lost", actor="desk", at=at)) is not None

    @precondition(lambda self: self.books)
    @rule(place=PLACES)
    def unblock(self, place: int) -> None:
        """Give it free, unless another took its place."""
        books, at = self.pick(place), self.clock
        replaced = books.card.replaced_by != ""
        assert (self.do(books, lambda card: card.unblock(reason="found", actor="desk", at=at)) is None) == replaced

    @precondition(lambda self: self.books)
    @rule(place=PLACES, sure=RARELY)
    def replace(self, place: int, *, sure: bool) -> None:
        """Move what is available to a new card, or on to the one that took its place."""
        if not sure:
            return
        books, ref, at = self.pick(place), self.name("swap"), self.clock
        card_id = books.card.replaced_by or self.name("card")
        other = self.books.setdefault(card_id, Books(GiftCard.open(card_id), chain=books.chain, lasting=books.lasting))
        before = books.card.balance(at=at).available.minor_units, other.left
        done = books.card.replace(other.card, ref=ref, actor="desk", at=at)
        self.keep(books, done.old)
        self.keep(other, done.new)
        again = books.card.replace(other.card, ref=ref, actor="desk", at=at)
        assert (again.old.facts, again.new.facts) == ((), ())
        moved = before[0] - books.card.balance(at=at).available.minor_units
        assert moved == before[0] or any(at < until for _, until in books.held.values())
        books.moved, other.moved, other.lasting = books.moved - moved, other.moved + moved, other.lasting and books.lasting

    @rule(days=st.integers(1, 6))
    def wait(self, days: int) -> None:
        """Let time pass."""
        self.clock += days * DAY

    # ---- what is always true ----

    @invariant()
    def sums_agree(self) -> None:
        """What is on each card is what was put there less what left it, and no balance is outside ``[0, loaded]``."""
        for books in self.books.values():
            ledger, balance = books.card.ledger, books.card.balance(at=self.clock)
            left, free, available = books.left, books.free(self.clock), balance.available.minor_units
            assert sum(lot.remaining for lot in ledger.lots.values()) == left
            assert 0 <= available <= books.card.loaded_minor
            assert available <= max(0, free)
            assert available == max(0, free) or not books.lasting
            assert available + ledger.expired(at=self.clock) >= free
            assert balance.held.minor_units == sum(units for units, until in books.held.values() if self.clock < until)
            pays = isinstance(books.card.check_pay(Money(1, books.card.currency), at=self.clock), Accepted)
            in_use = books.card.issued.uses is CardUses.ONE and balance.held.minor_units > 0  # type: ignore[union-attr]  # issued
            assert pays == (available > 0 and not books.card.is_blocked and not in_use)

    @invariant()
    def orders_got_what_left(self) -> None:
        """What the cards paid and did not get back is what reached the orders; no payment gives back more than it took."""
        for books in self.books.values():
            takes = books.card.ledger.burns
            assert {ref: take.units - take.given_back for ref, take in takes.items()} == books.paid
            assert all(0 <= take.given_back <= take.units == books.taken[ref] for ref, take in takes.items())
            card_id = books.card.card_id
            assert books.paid == {ref: units for (whose, ref), units in self.orders.items() if whose == card_id}

    @invariant()
    def nothing_is_minted(self) -> None:
        """Over all cards that replaced one another: sold is what is left, was paid, or lapsed."""
        for chain, sold in self.sold.items():
            several = [books for books in self.books.values() if books.chain == chain]
            assert sold == sum(books.left + sum(books.paid.values()) + sum(books.lapsed.values()) for books in several)

    def teardown(self) -> None:
        """Replayed, stored and pickled a card is the same; a statement tells all of it."""
        if sys.exc_info()[1] is not self.raised_before:
            return
        for card_id, books in self.books.items():
            assert GiftCard.replay(card_id, books.facts) == books.card
            assert GiftCard.from_dict(json.loads(json.dumps(books.card.to_dict()))) == books.card
            assert pickle.loads(pickle.dumps(books.card)) == books.card
            told = card_statement(books.facts, window=Window(starts_at=None, ends_at=self.clock + TICK))
            stand = books.card.ledger.books(at=self.clock)
            assert stand.balanced
            assert told.closing.minor_units == stand.live - stand.debt
            assert told.opening.minor_units + sum(line.change.minor_units for line in told.lines) == told.closing.minor_units


TestCards = pytest.mark.law(37)(CardsMachine.TestCase)
TestCards.settings = settings(max_examples=60, stateful_step_count=40)
