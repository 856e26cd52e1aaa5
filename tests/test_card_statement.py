"""Statements of gift cards: every movement of money in the card's own words, and sums that agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from loyaltycore._card_statement import CardLine, CardMovement, CardStatement, card_statement
from loyaltycore.errors import UsageError
from loyaltycore.facts import Fact
from loyaltycore.gift_cards import CardUses, GiftCard
from loyaltycore.periods import Window
from loyaltycore.quantities import Money

T0 = datetime(2026, 7, 1, 10, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def day(number: int) -> datetime:
    """Give an instant by its day."""
    return T0 + timedelta(days=number)


def eur(amount: str) -> Money:
    """Give an amount of euros."""
    return Money.of(amount, "EUR")


def told(facts: list[Fact], *, since: int | None = None, before: int = 100) -> CardStatement:
    """Tell what happened between two days."""
    return card_statement(facts, window=Window(starts_at=None if since is None else day(since), ends_at=day(before)))


def rows(statement: CardStatement) -> list[tuple[str, str, str, str, str]]:
    """Print the lines in short."""
    return [
        (line.movement.value, line.ref, str(line.amount.decimal), str(line.change.decimal), str(line.balance.decimal))
        for line in statement.lines
    ]


def many() -> list[Fact]:
    """Give the facts of a card to which nearly everything happened."""
    facts: list[Fact] = []
    first = GiftCard.open("card-7").issue(eur("50"), ref="order-1", expires_at=day(30), at=T0)
    second = first.state.load(eur("10"), ref="order-2", expires_at=None, at=day(1))
    third = second.state.pay(eur("20"), ref="order-3", at=day(2))
    fourth = third.state.hold(eur("5"), ref="order-4", until=day(5), at=day(3))
    fifth = fourth.state.capture("order-4", eur("4"), at=day(4))
    sixth = fifth.state.hold(eur("2"), ref="order-5", until=day(6), at=day(5))
    seventh = sixth.state.hold(eur("3"), ref="order-6", until=day(9), at=day(6))
    eighth = seventh.state.void("order-6", at=day(7))
    ninth = eighth.state.refund("order-3", eur("8"), ref="return-3", extended_until=day(60), at=day(40))
    tenth = ninth.state.report_expired(ref="2026-08", at=day(41))
    last = tenth.state.replace(GiftCard.open("card-8"), ref="swap", actor="desk", at=day(42)).old
    for posting in (first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, last):
        facts += posting.facts
    return facts


@pytest.mark.parametrize("cls", [CardLine, CardStatement])
def test_fields_are_named(cls: type[attrs.AttrsInstance]) -> None:
    """A row of bare amounts would be mixed up some day."""
    assert all(field.kw_only for field in attrs.fields(cls))


class TestLines:
    def test_every_movement(self) -> None:
        """What the shop did and what time did, in order, each with the balance after it."""
        statement = told(many())
        assert rows(statement) == [
            ("issued", "order-1", "50.00", "50.00", "50.00"),
            ("loaded", "order-2", "10.00", "10.00", "60.00"),
            ("paid", "order-3", "20.00", "-20.00", "40.00"),
            ("held", "order-4", "5.00", "-5.00", "35.00"),
            ("paid", "order-4", "4.00", "1.00", "36.00"),
            ("held", "order-5", "2.00", "-2.00", "34.00"),
            ("released", "order-5", "2.00", "2.00", "36.00"),
            ("held", "order-6", "3.00", "-3.00", "33.00"),
            ("released", "order-6", "3.00", "3.00", "36.00"),
            ("expired", "", "26.00", "-26.00", "10.00"),
            ("refunded", "return-3", "8.00", "0.00", "10.00"),
            ("extended", "return-3", "8.00", "8.00", "18.00"),
            ("moved_out", "swap", "18.00", "-18.00", "0.00"),
        ]
        assert (statement.opening, statement.closing) == (eur("0"), eur("0"))
        assert [line.at for line in statement.lines] == [day(n) for n in (0, 1, 2, 3, 4, 5, 6, 6, 7, 30, 40, 40, 42)]

    def test_one_use_and_cancelled(self) -> None:
        """What lapses, comes back with its payment, and comes off with the order that sold it."""
        first = GiftCard.open("c").issue(eur("50"), ref="order-1", expires_at=None, uses=CardUses.ONE, at=T0)
        second = first.state.pay(eur("20"), ref="order-2", at=T0)
        third = second.state.refund("order-2", ref="return-2", extended_until=None, at=day(1))
        fourth = third.state.cancel(ref="return-1", at=day(2))
        facts = [fact for posting in (first, second, third, fourth) for fact in posting.facts]
        assert rows(told(facts)) == [
            ("issued", "order-1", "50.00", "50.00", "50.00"),
            ("paid", "order-2", "20.00", "-20.00", "30.00"),
            ("lapsed", "order-2", "30.00", "-30.00", "0.00"),
            ("refunded", "return-2", "20.00", "20.00", "20.00"),
            ("restored", "return-2", "30.00", "30.00", "50.00"),
            ("cancelled", "return-1", "50.00", "-50.00", "0.00"),
        ]

    def test_moved_in_and_owed(self) -> None:
        """A card that took another's place, and one that a late order took below zero."""
        old = GiftCard.open("c").issue(eur("50"), ref="order-1", expires_at=None, at=T0)
        moved = old.state.replace(GiftCard.open("d"), ref="swap", actor="desk", at=T0).new
        held = moved.state.hold(eur("50"), ref="order-2", until=day(1), at=T0)
        paid = held.state.pay(eur("30"), ref="order-3", at=day(2))
        late = paid.state.capture("order-2", at=day(3))
        facts = [fact for posting in (moved, held, paid, late) for fact in posting.facts]
        assert rows(told(facts)) == [
            ("moved_in", "swap", "50.00", "50.00", "50.00"),
            ("held", "order-2", "50.00", "-50.00", "0.00"),
            ("released", "order-2", "50.00", "50.00", "50.00"),
            ("paid", "order-3", "30.00", "-30.00", "20.00"),
            ("paid", "order-2", "50.00", "-50.00", "-30.00"),
        ]

    def test_windows(self) -> None:
        """Cut in two, the first half closes as the second opens, and no line is lost."""
        facts = many()
        whole, first, second = told(facts), told(facts, before=5), told(facts, since=5)
        assert first.closing == second.opening == eur("36")
        assert (*first.lines, *second.lines) == whole.lines
        assert second.window == Window(starts_at=day(5), ends_at=day(100))
        assert told(facts, before=30).closing == eur("36")

    @pytest.mark.parametrize("currency", ["JPY", "KWD"])
    def test_currency_of_the_card(self, currency: str) -> None:
        """Whatever its decimals."""
        facts = GiftCard.open("c").issue(Money(1234, currency), ref="o", expires_at=None, at=T0).facts
        assert told([*facts]).closing == Money(1234, currency)

    def test_every_word_is_told_somewhere(self) -> None:
        """The words of the lines above are all there are."""
        assert len(CardMovement) == 13

    def test_facts_of_no_card(self) -> None:
        """Without its beginning, or with two, it is not all of one card."""
        facts = many()
        for some, count in ((facts[1:], 0), ([], 0), ([*facts, facts[0]], 2)):
            with pytest.raises(UsageError, match=f"facts must be all facts of one card, got {count} that begin one"):
                told(some)

    def test_window_needs_an_end(self) -> None:
        """What time will bring is not a matter of record."""
        with pytest.raises(UsageError, match="window must have an end"):
            card_statement(many(), window=Window(starts_at=T0, ends_at=None))
