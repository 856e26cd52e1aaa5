"""The facts and terms of gift cards: what they refuse, and how goods are stored."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._card_facts import (
    CardBalance,
    CardBlocked,
    CardExpiry,
    CardFact,
    CardGoods,
    CardIssued,
    CardNumbered,
    CardReplaced,
    CardUnblocked,
    CardUses,
    number_stream,
)
from loyaltycore.basket import Filter, PriceState
from loyaltycore.errors import CurrencyMismatchError, UsageError
from loyaltycore.quantities import Money
from loyaltycore.wire import coder

AT = datetime(2026, 7, 1, tzinfo=UTC)
EUR = Money.of("10", "EUR")
NUMBER = "MXN3-NA4S-7QTM-J459"

labels = st.frozensets(st.sampled_from(["a", "b", "c"]))
prices = st.none() | st.integers(0, 50).map(lambda minor: Money(minor, "EUR"))


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    """Draw any filter."""
    low, high = sorted(draw(st.tuples(st.integers(0, 50), st.integers(0, 50))))
    return Filter(
        tags=draw(labels),
        products=draw(labels),
        categories=draw(labels),
        brands=draw(labels),
        price=draw(st.sampled_from(PriceState)),
        price_from=draw(st.sampled_from([None, Money(low, "EUR")])),
        price_to=draw(st.sampled_from([None, Money(high, "EUR")])),
        exclude_tags=draw(labels),
        exclude_products=draw(labels),
    )


class TestGoods:
    @given(only=filters())
    def test_stored_goods_are_the_filter(self, only: Filter) -> None:
        """A filter comes back as it was, and has one stored form."""
        goods = CardGoods.of(only)
        assert goods.filter == only
        assert CardGoods.of(goods.filter) == goods
        assert coder(CardGoods).decode(coder(CardGoods).encode(goods)) == goods


class TestIssued:
    def test_instants_are_aware_and_kept_in_utc(self) -> None:
        """As in every fact."""
        paris = CardIssued(card_id="c", ref="r", currency="EUR", loaded_minor=1, at=AT.astimezone(ZoneInfo("Europe/Paris")))
        assert paris.at.tzinfo is UTC
        with pytest.raises(UsageError, match="timezone-aware"):
            CardIssued(card_id="c", ref="r", currency="EUR", loaded_minor=1, at=datetime(2026, 7, 1))  # noqa: DTZ001 - the point

    def test_uses_are_stored_by_these_words(self) -> None:
        """A promise, like every stored form."""
        assert [use.value for use in CardUses] == ["many", "one"]

    def test_agreeing_names_what_was_told(self) -> None:
        """Each argument of ``issue`` by its own name; the instant is none."""
        first = CardIssued(card_id="card-7", ref="order-1", currency="EUR", loaded_minor=5000, at=AT)
        again = CardIssued(card_id="card-7", ref="order-1", currency="EUR", loaded_minor=4000, at=AT.replace(day=2))
        assert [name for name, same in first.agreeing(again).items() if not same] == ["amount"]
        assert set(first.agreeing(first).values()) == {True}
        assert {"only", "minimum", "uses", "last_four", "order_id", "line_id", "ref", "currency"} <= set(first.agreeing(again))
        assert "at" not in first.agreeing(again)

    @pytest.mark.parametrize(
        "minimum, goods",
        [
            (Money.of("1", "USD"), None),
            (None, CardGoods(price_to=Money.of("1", "USD"))),
            (EUR, CardGoods(price_from=Money(1, "JPY"))),
        ],
    )
    def test_bounds_are_in_the_currency_of_the_card(self, minimum: Money | None, goods: CardGoods | None) -> None:
        """Another currency would never be reached, or always."""
        with pytest.raises(CurrencyMismatchError, match="got EUR and"):
            CardIssued(card_id="c", ref="r", currency="EUR", loaded_minor=1, minimum=minimum, goods=goods, at=AT)

    @pytest.mark.parametrize("loaded_minor", [-1, True, 2.5])
    def test_loads_less_than_nothing_are_refused(self, loaded_minor: int) -> None:
        """A stored fact could not take money with it."""
        with pytest.raises(UsageError, match="loaded_minor must be a whole number in"):
            CardIssued(card_id="c", ref="r", currency="EUR", loaded_minor=loaded_minor, at=AT)
        assert CardIssued(card_id="c", ref="r", currency="EUR", loaded_minor=0, at=AT).loaded_minor == 0

    @pytest.mark.parametrize("currency", ["eur", "XXL", ""])
    def test_currency_is_one(self, currency: str) -> None:
        """A code of ISO 4217."""
        with pytest.raises(UsageError, match="currency must be an ISO 4217 code"):
            CardIssued(card_id="c", ref="r", currency=currency, loaded_minor=1, at=AT)

    @pytest.mark.parametrize("last_four", [NUMBER, "J45", "J-45", "J4599", "____", "J459\n"])
    def test_more_of_a_number_is_refused_and_not_shown(self, last_four: str) -> None:
        """A number passed by mistake stands neither in the fact nor in the message."""
        with pytest.raises(UsageError, match=f"^last_four must be empty or four letters and digits, got {len(last_four)} char"):
            CardIssued(card_id="c", ref="r", currency="EUR", loaded_minor=1, last_four=last_four, at=AT)
        assert CardIssued(card_id="c", ref="r", currency="EUR", loaded_minor=1, last_four="J459", at=AT).last_four == "J459"


class TestKinds:
    def test_kinds_are_stored_by_these_names(self) -> None:
        """A promise, like every stored form."""
        kinds: list[type[CardFact]] = [CardNumbered, CardIssued, CardBlocked, CardUnblocked, CardReplaced]
        words = ["numbered", "issued", "blocked", "unblocked", "replaced"]
        assert [kind.kind for kind in kinds] == [f"gift_card.{word}" for word in words]
        assert {kind.form for kind in kinds} == {1}


@pytest.mark.parametrize(
    "cls",
    [CardGoods, CardFact, CardNumbered, CardIssued, CardBlocked, CardUnblocked, CardReplaced, CardExpiry, CardBalance],
)
def test_fields_are_named(cls: type[attrs.AttrsInstance]) -> None:
    """A row of bare amounts and ids would be mixed up some day."""
    assert all(field.kw_only for field in attrs.fields(cls))


class TestStreams:
    def test_number_stream_is_of_the_digest(self) -> None:
        """Its one fact names the card."""
        assert number_stream("0a" * 32) == "gift_card_number/" + "0a" * 32
        fact = CardNumbered(card_id="card-7", pepper_id="pepper-1", at=AT)
        assert isinstance(fact, CardFact)
        assert CardNumbered(card_id="card-7", at=AT).pepper_id == ""
        assert (fact.kind, fact.card_id, fact.pepper_id) == ("gift_card.numbered", "card-7", "pepper-1")

    @pytest.mark.parametrize("digest", [NUMBER, "0A" * 32, "0a" * 31, "0a" * 32 + "\n", None, b"0a" * 32])
    def test_a_number_names_no_stream(self, digest: object) -> None:
        """Whoever passes the number by mistake finds it in no log."""
        message = f"^digest must be 64 hexadecimal digits, got a {type(digest).__name__} that is not$"
        with pytest.raises(UsageError, match=message):
            number_stream(digest)  # type: ignore[arg-type]  # the point
