"""What campaigns and gift cards of a store came to, and whether orders and cards say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from loyaltycore import Basket, Money, Program, _takings
from loyaltycore._takings import takings
from loyaltycore.coupons import CodeBook, CodeSpace, SecretKey
from loyaltycore.facts import Fact
from loyaltycore.gift_cards import CardNumbers
from loyaltycore.identity import StreamId
from loyaltycore.orders import OrderPlaced
from loyaltycore.repositories import StoredStream
from loyaltycore.services import Loyalty
from loyaltycore.store.memory import MemoryRepository

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
PROGRAM = Program.parse(
    """
program = { name = "shop", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }
stacking = { mode = "best" }
[[campaigns]]
id = "welcome"
codes = "HI-####-####-####"
give = { percent_off = "10" }
[[campaigns]]
id = "sorry"
give = { amount_off = "5.00", per = "basket" }
"""
)
PLAIN = Program.parse('program = { name = "shop", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }')
KEY = SecretKey("key", bytes(32))
BOOK = CodeBook([CodeSpace(KEY, pattern="HI-####-####-####", context="shop")])
GOODS = Basket.of("EUR", {"helmet": "80.00", "card": "50.00"})


def shop(store: MemoryRepository | None = None, program: Program = PROGRAM) -> Loyalty:
    """Give a shop."""
    return Loyalty(program, store or MemoryRepository(), clock=lambda: NOW, codes=BOOK, card_numbers=CardNumbers(KEY))


def card(one: Loyalty, number: int, amount: str = "50.00", currency: str = "EUR", **rest: str) -> tuple[str, str]:
    """Make a gift card that ends in ten days; gives its id and its number."""
    made = one.cards.issue(
        Money.of(amount, currency),
        ref=f"card-{number}",
        entropy=bytes([number] * 16),
        expires_at=NOW + timedelta(days=10),
        order_id=rest.get("order_id"),
        line_id=rest.get("line_id"),
    )
    return made.card_id, made.number


class TestCampaigns:
    def test_what_was_given_used_brought_and_cost(self) -> None:
        """Batches, grants, the orders they took part in, what those paid less what came back, and what was taken off."""
        one = shop()
        codes = list(one.issue_codes("welcome", 10, ref="mail", by="me").codes())
        one.grant("welcome", member_id="m-1", ref="t-1", by="me")
        sorry = one.grant("sorry", member_id="m-2", ref="t-2", by="me")
        one.place_unseen(GOODS, order_id="1", codes=[codes[0]])
        one.place_unseen(GOODS, order_id="2", codes=[codes[1]])
        one.place_unseen(GOODS, order_id="3", member_id="m-2", coupons=[sorry.coupon_id])
        one.place_unseen(GOODS, order_id="4")
        one.refund("2", return_id="r", lines={"helmet": 1})
        found = takings(PROGRAM, one.repository, at=NOW)  # type: ignore[arg-type]  # it lists its streams
        assert found.campaigns == {
            "sorry": {"issued": 0, "granted": 1, "redeemed": 1, "brought_minor": 12500, "cost_minor": 500},
            "welcome": {"issued": 10, "granted": 1, "redeemed": 2, "brought_minor": 11700 + 4500, "cost_minor": 2600},
        }
        assert (found.gift_cards, found.balanced) == ({}, True)

    def test_coupons_of_rewards(self) -> None:
        """What coupons that were rewards took off, by what gave them; and what members' orders paid, less what came back."""
        one = shop()
        given = [one.grant("sorry", member_id="m", ref=f"t-{number}", by="me").coupon_id for number in range(3)]
        for number, coupon_id in enumerate(given):
            one.place_unseen(GOODS, order_id=f"{number}", member_id="m", coupons=[coupon_id])
        one.place_unseen(GOODS, order_id="guest")
        one.refund("2", return_id="r", lines={"card": 1})
        store = one.repository
        sources = {given[0]: "catalogue/cap", given[1]: "catalogue/cap", "other": "tier/gold"}
        found = takings(PROGRAM, store, coupons=sources, at=NOW)  # type: ignore[arg-type]  # it lists its streams
        assert found.rewards == {"catalogue/cap": {"coupons_used": 2, "cost_minor": 1000}}
        back = 5000 - round(500 * 50 / 130)
        assert found.members_minor == 3 * 12500 - back
        assert takings(PROGRAM, store, at=NOW).rewards == {}  # type: ignore[arg-type]  # as above

    def test_of_another_program(self) -> None:
        """What a campaign gave out that the program does not have any more is not named."""
        one = shop()
        one.issue_codes("welcome", 10, ref="mail", by="me")
        fewer = attrs.evolve(PROGRAM, campaigns=[PROGRAM.campaigns["sorry"]], book=PROGRAM.book)
        assert list(takings(fewer, one.repository, at=NOW).campaigns) == ["sorry"]  # type: ignore[arg-type]  # as above

    def test_reserved_orders_brought_nothing_yet(self) -> None:
        """What is not paid counts for nothing."""
        one = shop()
        (code,) = one.issue_codes("welcome", 1, ref="mail", by="me").codes()
        one.reserve(one.quote(GOODS, codes=[code]), order_id="1", hold_for=timedelta(hours=1))
        assert takings(PROGRAM, one.repository, at=NOW).campaigns["welcome"]["redeemed"] == 0  # type: ignore[arg-type]  # as above


class TestGiftCards:
    def test_where_the_money_is(self) -> None:
        """Loaded, cancelled, paid, given back, held, left, expired; replaced cards count once."""
        store = MemoryRepository()
        one = shop(store)
        one.place_unseen(GOODS, order_id="1")
        sold, _ = card(one, 1, order_id="1", line_id="card")
        _, first = card(one, 2)
        second, second_number = card(one, 3, "20.00")
        card(one, 4, "10.00", "USD")
        one.place_unseen(GOODS, order_id="2", gift_cards=[first, second_number])
        one.refund("2", return_id="r", lines={"helmet": 1})
        one.refund("1", return_id="r", lines={"card": 1})
        assert not one.cards.card(sold).loaded_minor
        replaced = one.cards.replace(second, ref="lost", entropy=bytes([9] * 16), actor="me")
        one.reserve(
            one.quote(Basket.of("EUR", {"bell": "7.00"}), gift_cards=[replaced.number]), order_id="3", hold_for=timedelta(1)
        )
        found = takings(PROGRAM, store, at=NOW)
        assert found.gift_cards == {
            "cards": 3,
            "sold": 1,
            "loaded_minor": 12000,
            "cancelled_minor": 5000,
            "paid_minor": 0,
            "lapsed_minor": 0,
            "held_minor": 700,
            "left_minor": 6300,
            "expired_minor": 0,
            "owed_minor": 0,
        }
        assert found.balanced
        assert {type(number) for number in found.gift_cards.values()} == {int}
        later = takings(PROGRAM, store, at=NOW + timedelta(days=10)).gift_cards
        assert (later["left_minor"], later["expired_minor"], later["held_minor"]) == (0, 7000, 0)

    def test_paid(self) -> None:
        """What orders say that cards paid is what cards say, also where a reserved order was confirmed."""
        store = MemoryRepository()
        one = shop(store, PLAIN)
        _, number = card(one, 1)
        one.reserve(one.quote(Basket.of("EUR", {"bell": "7.00"}), gift_cards=[number]), order_id="1", hold_for=timedelta(days=1))
        one.confirm("1")
        one.place_unseen(Basket.of("EUR", {"bell": "8.00"}), order_id="2", gift_cards=[number])
        found = takings(PLAIN, store, at=NOW)
        assert (found.campaigns, found.gift_cards["paid_minor"], found.balanced) == ({}, 1500, True)

    def test_what_reached_an_order_left_no_card(self) -> None:
        """Where an order says more than its card, the books do not balance."""
        store = MemoryRepository()
        one = shop(store, PLAIN)
        _, number = card(one, 1)
        one.place_unseen(GOODS, order_id="1", gift_cards=[number])
        assert takings(PLAIN, store, at=NOW).balanced
        assert not takings(PLAIN, More(store), at=NOW).balanced  # type: ignore[arg-type]  # all that is asked of it

    def test_nothing(self) -> None:
        """Without campaigns and gift cards orders are not looked at."""
        store = MemoryRepository()
        shop(store, PLAIN).place_unseen(GOODS, order_id="1")
        found = takings(PLAIN, Blind(store), at=NOW)  # type: ignore[arg-type]  # all that is asked of it
        assert (found.campaigns, found.gift_cards, found.balanced) == ({}, {}, True)

    def test_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Streams are loaded some at a time; how many changes nothing."""
        one = shop()
        codes = one.issue_codes("welcome", 5, ref="mail", by="me").codes()
        for number, code in enumerate(codes, 1):
            one.place_unseen(GOODS, order_id=str(number), codes=[code], gift_cards=[card(one, number)[1]])
        store = one.repository
        whole = takings(PROGRAM, store, at=NOW)  # type: ignore[arg-type]  # it lists its streams
        assert whole.campaigns["welcome"]["redeemed"] == 5
        for size in (1, 2, 5):
            monkeypatch.setattr(_takings, "_PAGE", size)
            assert takings(PROGRAM, store, at=NOW) == whole  # type: ignore[arg-type]  # as above


@attrs.frozen
class More:
    """A store in which orders say that cards paid a cent more than they did."""

    inner: MemoryRepository

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 100) -> Sequence[StreamId]:
        """Give those of the store."""
        return self.inner.streams(kind, after=after, limit=limit)

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Give what it holds, and change what orders say."""
        return {
            stream: StoredStream(one.version, tuple(map(_more, one.facts))) for stream, one in self.inner.load(streams).items()
        }


def _more(fact: Fact) -> Fact:
    if not isinstance(fact, OrderPlaced):
        return fact
    return attrs.evolve(fact, card_payments=tuple(attrs.evolve(one, minor=one.minor + 1) for one in fact.card_payments))


@attrs.frozen
class Blind:
    """A store whose orders may not be asked for."""

    inner: MemoryRepository

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 100) -> Sequence[StreamId]:
        """Give those of the store that are no orders."""
        assert kind != "order"
        return self.inner.streams(kind, after=after, limit=limit)
