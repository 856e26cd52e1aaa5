"""The commands about gift cards: what they print, how they end, and that no key and no number is kept or shown."""

from __future__ import annotations

import io
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from loyaltycore import Basket, Money, Program
from loyaltycore._cli_cards import ANY_PROGRAM, CARDS_KEY
from loyaltycore.cli import main
from loyaltycore.coupons import SecretKey
from loyaltycore.gift_cards import CardNumbers
from loyaltycore.services import Loyalty
from loyaltycore.store.sqlite import SQLiteRepository

Capture = pytest.CaptureFixture[str]

HEX = bytes(range(32)).hex()
KEY = SecretKey("key", bytes(range(32)))
NUMBER = re.compile(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a key into the environment."""
    monkeypatch.setenv(CARDS_KEY, HEX)


@attrs.frozen
class Desk:
    """Runs the commands over one store."""

    store: Path
    patch: pytest.MonkeyPatch
    capture: Capture

    def run(self, verb: str, *arguments: object, typed: str = "", url: str | None = None) -> tuple[int, str, str]:
        """Run a command with something typed; gives how it ended and what it printed."""
        self.patch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["cards", verb, *map(str, arguments), "--store", url or f"sqlite:///{self.store}"])
        return code, *self.capture.readouterr()

    def issue(self, *more: object, amount: str = "50.00", ref: str = "gift-1") -> str:
        """Make a card and give its number."""
        code, out, _ = self.run("issue", amount, "EUR", "--ref", ref, *more)
        assert code == 0
        return out.strip()

    def shop(self, repository: SQLiteRepository) -> Loyalty:
        """Open the store as a shop."""
        return Loyalty(Program.parse(ANY_PROGRAM), repository, card_numbers=CardNumbers(KEY))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Desk:
    """Give a desk with a store that is not there yet."""
    return Desk(tmp_path / "cards.db", monkeypatch, capsys)


class TestIssue:
    def test_prints_the_number_once(self, desk: Desk) -> None:
        """The number stands alone on the output; the card's own id and the key's check value stand beside."""
        code, out, err = desk.run("issue", "50.00", "EUR", "--ref", "gift-1")
        assert code == 0
        assert NUMBER.fullmatch(out.strip())
        assert re.fullmatch(rf"card-[0-9a-f]{{32}}, 50\.00 EUR, key key, check value {KEY.check_value}\n", err)
        assert out.strip().replace("-", "").encode() not in desk.store.read_bytes()
        assert out.strip().encode() not in desk.store.read_bytes()

    def test_each_has_a_number_of_its_own(self, desk: Desk) -> None:
        """What the system draws is new each time."""
        assert len({desk.issue(ref=f"gift-{number}") for number in range(3)}) == 3

    def test_the_same_ref_again(self, desk: Desk) -> None:
        """A number is not told again: under the same name another card is refused."""
        desk.issue()
        code, out, err = desk.run("issue", "50.00", "EUR", "--ref", "gift-1")
        assert (code, out) == (2, "")
        assert "key_reused" in err

    def test_sold_by_an_order(self, desk: Desk) -> None:
        """A card that an order sold names its line; it can be looked up with its end."""
        with SQLiteRepository(desk.store) as repository:
            desk.shop(repository).place_unseen(Basket.of("EUR", {"card": "50.00"}), order_id="1001")
        number = desk.issue("--order-id", "1001", "--line-id", "card", "--expires-at", "2099-01-01T00:00:00+01:00")
        with SQLiteRepository(desk.store) as repository:
            assert len(desk.shop(repository).order("1001").cards) == 1
        assert desk.run("balance", typed=number) == (0, "50.00 EUR\n50.00 EUR until 2098-12-31T23:00:00Z\n", "")

    @pytest.mark.parametrize(
        "arguments, why",
        [
            (("50,00", "EUR", "--ref", "a"), "50,00"),
            (("50.00", "EUX", "--ref", "a"), "EUX"),
            (("0.00", "EUR", "--ref", "a"), "amount"),
            (("50.00", "EUR", "--ref", "a", "--expires-at", "2020-01-01T00:00:00Z"), "expires_at"),
            (("50.00", "EUR", "--ref", "a", "--expires-at", "tomorrow"), "tomorrow"),
            (("50.00", "EUR", "--ref", "a", "--order-id", "9"), "line_id"),
            (("50.00", "EUR", "--ref", "a", "--order-id", "9", "--line-id", "1"), "order_not_found"),
        ],
    )
    def test_refused(self, desk: Desk, arguments: tuple[str, ...], why: str) -> None:
        """What cannot be is said, and nothing is kept."""
        code, out, err = desk.run("issue", *arguments)
        assert (code, out) == (2, "")
        assert why in err
        assert not desk.store.exists()


class TestBalance:
    def test_as_typed(self, desk: Desk) -> None:
        """A number is read however it was typed."""
        number = desk.issue()
        for typed in (number, f" {number.lower().replace('-', ' ')} \n", f"{number}\nand more"):
            assert desk.run("balance", typed=typed) == (0, "50.00 EUR\n", "")

    def test_held_and_paid(self, desk: Desk) -> None:
        """What is held is said beside what is left."""
        number = desk.issue()
        with SQLiteRepository(desk.store) as repository:
            shop = desk.shop(repository)
            shop.place_unseen(Basket.of("EUR", {"bell": "12.50"}), order_id="1", gift_cards=[number])
            quote = shop.quote(Basket.of("EUR", {"bell": "20.00"}), gift_cards=[number])
            shop.reserve(quote, order_id="2", hold_for=timedelta(days=1))
        assert desk.run("balance", typed=number) == (0, "17.50 EUR\nheld: 20.00 EUR\n", "")

    def test_blocked(self, desk: Desk) -> None:
        """A blocked card is said to be so, and is no good."""
        number = desk.issue()
        with SQLiteRepository(desk.store) as repository:
            cards = desk.shop(repository).cards
            cards.block(cards.find(number), reason="lost", actor="desk")
        assert desk.run("balance", typed=number) == (1, "50.00 EUR, blocked\n", "")

    def test_owed(self, desk: Desk) -> None:
        """What a late order took below zero is said."""
        number = desk.issue()
        now = [datetime(2026, 7, 1, tzinfo=UTC)]
        with SQLiteRepository(desk.store) as repository:
            shop = attrs.evolve(desk.shop(repository), clock=lambda: now[0] + timedelta(days=300_000))
            all_of_it = Basket.of("EUR", {"bell": "50.00"})
            shop.reserve(shop.quote(all_of_it, gift_cards=[number]), order_id="1", hold_for=timedelta(minutes=1))
            now[0] += timedelta(hours=1)
            shop.place_unseen(all_of_it, order_id="2", gift_cards=[number])
            assert shop.confirm("1").late
        assert desk.run("balance", typed=number) == (0, "0.00 EUR\nowed: 50.00 EUR\n", "")

    @pytest.mark.parametrize("typed", ["", "\n", "no number", "0000-0000-0000-0001", "x" * 100_000])
    def test_no_number(self, desk: Desk, typed: str) -> None:
        """What is no number is told before anything is opened."""
        assert desk.run("balance", typed=typed) == (1, "no number of a gift card\n", "")

    def test_of_no_card(self, desk: Desk) -> None:
        """A number that nobody was given, or one under another key."""
        number = desk.issue()
        stranger = CardNumbers(KEY).number(bytes(16))
        assert desk.run("balance", typed=stranger) == (1, "no gift card has this number\n", "")
        desk.patch.setenv(CARDS_KEY, bytes(32).hex())
        assert desk.run("balance", typed=number) == (1, "no gift card has this number\n", "")

    def test_asks_whoever_types(self, desk: Desk) -> None:
        """At a terminal it asks for the number, beside the output."""
        number = desk.issue()

        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        desk.patch.setattr(io, "StringIO", Terminal)
        assert desk.run("balance", typed=number) == (0, "50.00 EUR\n", "number: ")

    def test_only_reads(self, desk: Desk) -> None:
        """Looking makes no store and counts nothing."""
        code, _, err = desk.run("balance", typed=CardNumbers(KEY).number(bytes(16)))
        assert (code, desk.store.exists()) == (2, False)
        assert "no such file" in err
        number = desk.issue()
        before = desk.store.read_bytes()
        desk.run("balance", typed=number)
        assert desk.store.read_bytes() == before


class TestKey:
    def test_from_a_file(self, desk: Desk, tmp_path: Path) -> None:
        """A file goes before the environment; its name and check value may be said."""
        path = tmp_path / "cards.key"
        path.write_text(f"{HEX}\n")
        desk.patch.setenv(CARDS_KEY, bytes(32).hex())
        named = ("--key-file", path, "--key-id", "2026a", "--check-value", KEY.check_value)
        number = desk.issue(*named)
        assert desk.run("balance", "--key-file", path, typed=number)[0] == 0

    def test_missing(self, desk: Desk) -> None:
        """Without a key it says where one may come from."""
        desk.patch.delenv(CARDS_KEY)
        code, _, err = desk.run("balance")
        assert (code, err) == (2, f"loyaltycore: a key must be given: --key-file FILE, or {CARDS_KEY} in the environment\n")

    def test_wrong(self, desk: Desk, tmp_path: Path) -> None:
        """What is no key is not shown; nor is a key whose check value is another."""
        path = tmp_path / "cards.key"
        path.write_text("secret éà")
        code, _, err = desk.run("balance", "--key-file", path)
        assert code == 2
        assert err.startswith(f"loyaltycore: {path}: ")
        assert "secret" not in err.removeprefix(f"loyaltycore: {path}")
        desk.patch.setenv(CARDS_KEY, "0" * 63)
        assert desk.run("balance")[2].startswith(f"loyaltycore: {CARDS_KEY}: ")
        desk.patch.setenv(CARDS_KEY, HEX)
        code, _, err = desk.run("balance", "--check-value", "0" * 16)
        assert code == 2
        assert KEY.check_value in err
        assert HEX not in err

    def test_is_not_written_over(self, desk: Desk) -> None:
        """The store cannot be the file of the key."""
        path = desk.store.with_name("cards.key")
        path.write_text(HEX)
        code, _, err = desk.run("issue", "5.00", "EUR", "--ref", "a", "--key-file", path, url=f"sqlite:///{path}")
        assert code == 2
        assert "needed for something else" in err
        assert path.read_text() == HEX


class TestMoney:
    def test_entropy_is_the_systems(self, desk: Desk) -> None:
        """A number follows from what the system draws, and from that alone."""
        desk.patch.setattr("loyaltycore._cli_cards.entropy", lambda size: bytes([7] * size))
        assert desk.issue() == CardNumbers(KEY).number(bytes([7] * 32))

    def test_other_currencies(self, desk: Desk) -> None:
        """A card is of its own currency."""
        code, out, _ = desk.run("issue", "5000", "JPY", "--ref", "gift-1")
        assert code == 0
        assert desk.run("balance", typed=out)[1] == f"{Money.of('5000', 'JPY')}\n"
