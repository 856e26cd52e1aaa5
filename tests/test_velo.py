"""The bicycle shop of examples/velo: its history is reproducible, well formed and as dirty as it says."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest

from examples.velo import generate
from loyaltycore import Program
from loyaltycore.coupons import CodeBook, CodeSpace, SecretKey
from loyaltycore.gift_cards import CardNumbers
from loyaltycore.orders import OrderPlaced, OrderReturned
from loyaltycore.replay import replay
from loyaltycore.repositories import every_stream
from loyaltycore.store.memory import MemoryRepository

VELO = Path(generate.__file__).parent
PARIS = ZoneInfo("Europe/Paris")

# BLAKE2b of the default history, 16 bytes. It changes only when the example is changed on purpose.
GOLDEN_DIGEST = "cdd68acaa0f56a44816fbfb74e00c58c"

BROKEN_COUNT = 4
KINDS = ["join", "codes", "grant", "tier_grant", "order", "card", "return", "action", "reward", "choose"]

Event = dict[str, Any]
Check = Callable[[Any], bool]


def text(pattern: str) -> Check:
    """Accept strings that match the pattern from end to end."""
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def counted(value: object) -> bool:
    """Accept whole numbers from 1 up; ``True`` is none."""
    return type(value) is int and value > 0


def instant(value: object) -> bool:
    """Accept instants that carry the offset Paris has at that moment."""
    if not text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+]0[12]:00")(value):
        return False
    at = datetime.fromisoformat(str(value))
    return at.astimezone(PARIS).isoformat() == value


def texts(value: object) -> bool:
    """Accept lists of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def order_lines(value: object) -> bool:
    """Accept lists of at least one line, each line id once."""
    return (
        isinstance(value, list)
        and all(has_form(line, LINE, optional={"regular_price": MONEY}) for line in value)
        and 0 < len(value) == len({line["line_id"] for line in value})
    )


def returned_units(value: object) -> bool:
    """Accept a table from line ids to units."""
    return isinstance(value, dict) and bool(value) and all(counted(units) for units in value.values())


def has_form(value: object, required: Mapping[str, Check], *, optional: Mapping[str, Check]) -> bool:
    """Say whether a table has all required keys, no unknown key and only values that pass."""
    checks = {**optional, **required}
    return (
        isinstance(value, dict)
        and required.keys() <= value.keys() <= checks.keys()
        and all(checks[key](item) for key, item in value.items())
    )


MONEY = text(r"(0|[1-9]\d*)\.\d\d")
ID = text(r"[a-z0-9-]+")
LINE: dict[str, Check] = {
    "line_id": ID,
    "product_id": ID,
    "unit_price": MONEY,
    "quantity": counted,
    "categories": texts,
    "tags": texts,
}
ALWAYS: dict[str, Check] = {"kind": text("[a-z_]+"), "at": instant}
# Kind, then the keys that must be there and those that may.
FORMS: list[tuple[str, dict[str, Check], dict[str, Check]]] = [
    ("join", {"member_id": ID}, {"referred_by": ID, "identity_hashes": texts}),
    (
        "order",
        {"order_id": ID, "lines": order_lines},
        {
            "member_id": ID,
            "shipping": MONEY,
            "market": text("[A-Z]{2}"),
            "codes": texts,
            "coupons": texts,
            "rewards": texts,
            "gift_cards": texts,
            "burn": counted,
        },
    ),
    ("codes", {"campaign": ID, "count": counted, "ref": ID}, {}),
    ("grant", {"campaign": ID, "member_id": ID, "ref": ID}, {}),
    ("tier_grant", {"tier": ID, "member_id": ID, "ref": ID, "reason": text("[a-z ]+")}, {"until": instant}),
    ("reward", {"reward": ID, "member_id": ID, "ref": ID}, {}),
    ("choose", {"reward": text("milestone/[a-z-]+"), "option": ID, "member_id": ID}, {}),
    ("card", {"ref": ID, "amount": MONEY, "expires_at": instant, "order_id": ID, "line_id": ID}, {}),
    ("return", {"return_id": ID, "order_id": ID, "lines": returned_units}, {}),
    ("return", {"return_id": ID, "order_id": ID, "amount": MONEY}, {}),
    ("action", {"action": text("review|sign_up|birthday"), "member_id": ID, "ref": ID}, {}),
]


def read(line: str) -> Event | None:
    """Read one line of the history; ``None`` when it is broken."""
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None
    fits = any(
        event.get("kind") == kind and has_form(event, {**ALWAYS, **required}, optional=optional)
        for kind, required, optional in FORMS
    )
    return event if fits else None


# The smallest order of the documented form.
ORDER: Event = {
    "kind": "order",
    "at": "2026-07-01T09:12:00+02:00",
    "order_id": "1001",
    "lines": [
        {
            "line_id": "1",
            "product_id": "casque-ville",
            "unit_price": "79.90",
            "quantity": 1,
            "categories": ["casques"],
            "tags": [],
        }
    ],
}


@attrs.frozen
class History:
    """A history as bytes, as its lines, and as the events that could be read."""

    raw: bytes
    lines: list[str]
    events: list[Event]

    def of(self, kind: str) -> Iterator[Event]:
        """Give the events of one kind, each once: an exact repetition is left out."""
        seen = set()
        for event in self.events:
            form = json.dumps(event)
            if event["kind"] == kind and form not in seen:
                seen.add(form)
                yield event


def history_of(out: Path, *arguments: str) -> History:
    """Let the generator write a history and read it back."""
    assert generate.main(["--out", str(out), *arguments]) == 0
    raw = out.read_bytes()
    lines = raw.decode().splitlines()
    return History(raw, lines, [event for line in lines if (event := read(line)) is not None])


def at(event: Event) -> datetime:
    """Give the instant of an event, in UTC so that two of them compare as instants."""
    return datetime.fromisoformat(event["at"]).astimezone(UTC)


def sort_key(event: Event) -> tuple[datetime, int, str]:
    """Give what the history is sorted by: instant, kind, id."""
    own_ids = {"join": "member_id", "order": "order_id", "return": "return_id", "choose": "member_id"}
    own_id = own_ids.get(event["kind"], "ref")
    return at(event), KINDS.index(event["kind"]), event[own_id]


def welcome_space(seed: int) -> CodeSpace:
    """Give what reads the codes of the flyers."""
    key = SecretKey.from_hex("demo", generate.demo_key(seed, "codes"))
    return CodeSpace(key, pattern=generate.WELCOME_PATTERN, context="velo")


def is_flyer(code: str) -> bool:
    """Say whether somebody meant the code of a flyer."""
    return code.upper().startswith("HI")


def goods(order: Event) -> Decimal:
    """Add up the lines of an order."""
    return sum((Decimal(line["unit_price"]) * line["quantity"] for line in order["lines"]), Decimal())


def units_bought(order: Event) -> Counter[str]:
    """Count the units of an order by line."""
    return Counter({line["line_id"]: line["quantity"] for line in order["lines"]})


@pytest.fixture(scope="module")
def velo(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Give the default history."""
    return history_of(tmp_path_factory.mktemp("velo") / "history.jsonl")


class TestReader:
    """The checks of this file themselves: a check that passes everything would prove nothing."""

    def test_good_order_is_read(self) -> None:
        """An order with nothing but what must be there is read."""
        assert read(json.dumps(ORDER)) == ORDER

    @pytest.mark.parametrize(
        "change",
        [
            {"at": "2026-07-01T09:12:00"},
            {"at": "2026-07-01T09:12:00+01:00"},
            {"kind": "sale"},
            {"note": ""},
            {"lines": []},
            {"lines": [{**ORDER["lines"][0], "unit_price": 79.9}]},
            {"lines": [{**ORDER["lines"][0], "quantity": True}]},
            {"lines": ORDER["lines"] * 2},
            {"burn": 0},
        ],
    )
    def test_wrong_order_is_not_read(self, change: Event) -> None:
        """One wrong value is enough to be broken."""
        assert read(json.dumps({**ORDER, **change})) is None


class TestBytes:
    """The same arguments give the same bytes."""

    def test_default_output_is_pinned(self, velo: History) -> None:
        """The default history has the golden digest."""
        assert hashlib.blake2b(velo.raw, digest_size=16).hexdigest() == GOLDEN_DIGEST

    @pytest.mark.parametrize("hash_seed", ["0", "4242"])
    def test_hash_seed_changes_nothing(self, velo: History, tmp_path: Path, hash_seed: str) -> None:
        """Run as a script under another PYTHONHASHSEED it writes the same bytes."""
        out = tmp_path / "new" / "folder" / "history.jsonl"
        command = [sys.executable, generate.__file__, "--out", str(out)]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True, capture_output=True, text=True
        )
        assert out.read_bytes() == velo.raw
        assert done.stdout == f"{out}: {len(velo.lines)} lines\n"

    def test_another_seed_is_another_history(self, velo: History, tmp_path: Path) -> None:
        """The seed is not ignored."""
        assert history_of(tmp_path / "history.jsonl", "--seed", "8").raw != velo.raw

    @pytest.mark.parametrize("arguments", [[], ["--out", "x", "--members", "0"], ["--out", "x", "--orders", "-1"]])
    def test_bad_arguments_exit_2(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """Without a file, members or orders there is nothing to write."""
        with pytest.raises(SystemExit) as caught:
            generate.main(arguments)
        assert caught.value.code == 2
        assert "error:" in capsys.readouterr().err


class TestForm:
    """Every line but the broken ones has a documented form, and the lines are in order."""

    def test_all_but_the_broken_lines_are_read(self, velo: History) -> None:
        """Exactly the four planted lines cannot be read."""
        broken = [line for line in velo.lines if read(line) is None]
        assert len(broken) == BROKEN_COUNT
        assert all('"order_id":"991' in line for line in broken)

    def test_sorted_by_instant_kind_and_id(self, velo: History) -> None:
        """The total order of a replay is the order of the file."""
        keys = [sort_key(event) for event in velo.events]
        assert keys == sorted(keys)

    def test_within_two_years(self, velo: History) -> None:
        """Nothing happens before the first or after the last local day."""
        days = {event["at"][:10] for event in velo.events}
        assert min(days) >= "2024-09-01"
        assert max(days) <= "2026-08-31"

    @pytest.mark.parametrize("seed, members, orders", [(1, 1, 1), (2, 30, 50), (-3, 5, 300), (10**30, 200, 20)])
    def test_holds_for_other_sizes(self, tmp_path: Path, seed: int, members: int, orders: int) -> None:
        """Small shops are sorted and well formed too, and have the members and orders asked for."""
        sizes = ["--seed", str(seed), "--members", str(members), "--orders", str(orders)]
        shop = history_of(tmp_path / "history.jsonl", *sizes)
        keys = [sort_key(event) for event in shop.events]
        assert keys == sorted(keys)
        assert len(shop.lines) - len(shop.events) == BROKEN_COUNT
        assert len({join["member_id"] for join in shop.of("join")}) == members
        assert len(list(shop.of("order"))) == orders


class TestShop:
    """The shop behaves as its README says."""

    def test_members_join_once_and_sign_up(self, velo: History) -> None:
        """Each of the 400 members joins once, with a sign-up at the same instant; who joins once more tries a trick."""
        joins = {event["member_id"]: event["at"] for event in velo.of("join") if "identity_hashes" in event}
        tricks = [event for event in velo.of("join") if "identity_hashes" not in event]
        assert all(event["referred_by"] and at(event) > datetime.fromisoformat(joins[event["member_id"]]) for event in tricks)
        sign_ups = {event["member_id"]: event["at"] for event in velo.of("action") if event["action"] == "sign_up"}
        assert len(joins) == 400
        assert joins == sign_ups

    def test_orders_and_guests(self, velo: History) -> None:
        """4,000 orders with ids of their own in the order of time, about 12 % of them by guests."""
        orders = list(velo.of("order"))
        assert [order["order_id"] for order in orders] == [str(number) for number in range(1001, 5001)]
        guests = sum("member_id" not in order for order in orders)
        assert 0.10 <= guests / len(orders) <= 0.14

    def test_members_buy_after_joining(self, velo: History) -> None:
        """No order or clean action of a member is older than the membership."""
        joined = {event["member_id"]: at(event) for event in velo.of("join") if "identity_hashes" in event}
        own = [event for event in velo.events if event.get("member_id") in joined]
        assert len(own) > 4000
        assert all(joined[event["member_id"]] <= at(event) for event in own)

    def test_friends(self, velo: History) -> None:
        """About four in ten who join from October on are brought by an earlier member, most of them by a few."""
        joins = [event for event in velo.of("join") if "identity_hashes" in event]
        joined = {event["member_id"]: at(event) for event in joins}
        brought = [event for event in joins if "referred_by" in event]
        since = [event for event in joins if event["at"] >= "2024-10-01"]
        assert 0.3 <= len(brought) / len(since) <= 0.5
        assert all(joined[event["referred_by"]] <= at(event) and event["at"] >= "2024-10-01" for event in brought)
        by_advocate = Counter(event["referred_by"] for event in brought)
        assert sum(count for _, count in by_advocate.most_common(12)) > len(brought) / 2

    def test_cards_of_their_own(self, velo: History) -> None:
        """Each has a card of his own, but a few who have that of the member who brought them."""
        joins = [event for event in velo.of("join") if "identity_hashes" in event]
        assert all(len(event["identity_hashes"]) == 1 for event in joins)
        known = {event["member_id"]: event["identity_hashes"] for event in joins}
        same = [event for event in joins if event["identity_hashes"] == known.get(event.get("referred_by", ""))]
        assert 2 <= len(same) <= 12
        assert len({tuple(hashes) for hashes in known.values()}) == len(joins) - len(same)

    def test_tricks(self, velo: History) -> None:
        """Seven try for what is not theirs: with their own code, as customers, with nobody's."""
        tricks = [event for event in velo.of("join") if "identity_hashes" not in event]
        first_orders: dict[str, datetime] = {}
        for order in velo.of("order"):
            first_orders.setdefault(order.get("member_id", ""), at(order))
        own = [event for event in tricks if event["referred_by"] == event["member_id"]]
        nobody = [event for event in tricks if event["referred_by"] == generate.NOBODY]
        customers = [event for event in tricks if event not in [*own, *nobody]]
        assert (len(own), len(customers), len(nobody)) == (2, 3, 2)
        assert all(first_orders[event["member_id"]] < at(event) for event in customers)

    def test_rewards(self, velo: History) -> None:
        """Every reward of the catalogue is taken; coupons are presented after they were taken, or chosen, by their member."""
        taken = {f"reward/{event['ref']}": (event["member_id"], at(event)) for event in velo.of("reward")}
        assert {event["reward"] for event in velo.of("reward")} == set(generate.REWARDS)
        assert 60 <= len(taken) <= 200
        chosen = {(event["member_id"], event["reward"]): at(event) for event in velo.of("choose")}
        assert {event["option"] for event in velo.of("choose")} == set(generate.OPTIONS)
        presented = [(name, order) for order in velo.of("order") for name in order.get("rewards", ())]
        of_catalogue = [(name, order) for name, order in presented if name in taken]
        of_choice = [(name, order) for name, order in presented if name == generate.CHOICE]
        of_friends = [(name, order) for name, order in presented if name.startswith(f"{generate.FRIENDS}/")]
        assert len(of_catalogue) + len(of_choice) + len(of_friends) == len(presented)
        assert min(len(of_catalogue), len(of_choice), len(of_friends)) > 3
        assert all((order["member_id"], taken[name][1] < at(order)) == (taken[name][0], True) for name, order in of_catalogue)
        assert all(chosen[order["member_id"], name] < at(order) for name, order in of_choice)

    def test_lifted(self, velo: History) -> None:
        """Two members are lifted by hand, one of them for a time."""
        lifted = [(event["tier"], "until" in event) for event in velo.of("tier_grant")]
        assert lifted == [("gold", True), ("silver", False)]

    def test_some_members_are_loyal_and_some_lapse(self, velo: History) -> None:
        """Some buy ten times and more; some who bought twice stay away for the last half year."""
        bought: dict[str, list[str]] = {}
        for order in velo.of("order"):
            bought.setdefault(order.get("member_id", ""), []).append(order["at"][:10])
        del bought[""]
        assert sum(len(days) >= 10 for days in bought.values()) >= 60
        assert sum(len(days) >= 2 and max(days) < "2026-03-01" for days in bought.values()) >= 40

    def test_seasons(self, velo: History) -> None:
        """April and May and the weeks before Christmas are busier than February."""
        months = Counter(order["at"][:7] for order in velo.of("order"))
        for year in ("2025", "2026"):
            assert min(months[f"{year}-04"], months[f"{year}-05"]) > 2 * months[f"{year}-02"]
        assert months["2025-12"] > 1.5 * months["2025-11"]

    def test_birthdays_once_a_year_on_the_same_day(self, velo: History) -> None:
        """A member's birthday comes at most once a year, always on the same local day."""
        birthdays = [event for event in velo.of("action") if event["action"] == "birthday"]
        by_year = Counter((event["member_id"], event["at"][:4]) for event in birthdays)
        days = {(event["member_id"], event["at"][5:10]) for event in birthdays}
        assert len(birthdays) > 300
        assert set(by_year.values()) == {1}
        assert len(days) == len({member_id for member_id, _ in days})

    def test_products(self, velo: History) -> None:
        """About sixty products, all of them sold, with the two tags among them."""
        assert len({product.product_id for product in generate.CATALOGUE}) == len(generate.CATALOGUE) == 60
        lines = [line for order in velo.of("order") for line in order["lines"]]
        assert {line["product_id"] for line in lines} == {product.product_id for product in generate.CATALOGUE}
        assert {tag for line in lines for tag in line["tags"]} == {"gift-card", "low-margin"}

    def test_reduced_prices_name_the_regular_one(self, velo: History) -> None:
        """A line names the regular price exactly when it is reduced, and tagged products never are."""
        regular = {product.product_id: product.price for product in generate.CATALOGUE}
        lines = [line for order in velo.of("order") for line in order["lines"]]
        reduced = [line for line in lines if line["unit_price"] != regular[line["product_id"]]]
        assert len(reduced) > 300
        assert reduced == [line for line in lines if "regular_price" in line]
        assert all(line["regular_price"] == regular[line["product_id"]] for line in reduced)
        assert all(Decimal(line["unit_price"]) < Decimal(line["regular_price"]) for line in reduced)
        assert not any(line["tags"] for line in reduced)

    def test_shipping(self, velo: History) -> None:
        """Shipping is 4.90, or 6.90 for what is heavy; gift cards alone have none."""
        orders = list(velo.of("order"))
        assert {order.get("shipping") for order in orders} == {None, "4.90", "6.90"}
        only_cards = [order for order in orders if all("gift-card" in line["tags"] for line in order["lines"])]
        assert only_cards
        assert not any("shipping" in order for order in only_cards)

    def test_burns(self, velo: History) -> None:
        """Members ask to burn, mostly from the minimum up; guests never do."""
        burns = [order for order in velo.of("order") if "burn" in order]
        too_few = [order for order in burns if order["burn"] < generate.BURN_MINIMUM]
        beyond_half = [order for order in burns if order["burn"] > goods(order) * 50]
        assert 100 <= len(burns) <= 500
        assert all("member_id" in order for order in burns)
        assert 0 < len(too_few) < len(burns) / 10
        assert 0 < len(beyond_half) < len(burns) / 3

    def test_flyers(self, velo: History) -> None:
        """Codes are made for flyers once; most are typed rightly and once, by guests and for first orders, and also badly."""
        (made,) = velo.of("codes")
        assert (made["campaign"], made["count"]) == (generate.WELCOME, generate.FLYER_COUNT)
        space = welcome_space(7)
        readings = [space.read(code) for order in velo.of("order") for code in order.get("codes", ()) if is_flyer(code)]
        serials = Counter(reading.serial for reading in readings if reading.is_genuine)
        assert 25 <= len(serials) <= 80
        assert set(serials) <= set(range(generate.FLYER_COUNT))
        assert max(serials.values()) > 1
        assert not all(reading.is_genuine for reading in readings)

    def test_coupons(self, velo: History) -> None:
        """Members who join are given a coupon, as are some to whom the shop is sorry; orders present those of their member."""
        grants = list(velo.of("grant"))
        by_campaign = Counter(grant["campaign"] for grant in grants)
        assert 120 <= by_campaign["welcome"] <= 220
        assert 70 <= by_campaign["sorry-10"] <= 160
        given = {f"{grant['campaign']}/{grant['ref']}": (grant["member_id"], at(grant)) for grant in grants}
        presented = [(name, order) for order in velo.of("order") for name in order.get("coupons", ())]
        assert 40 <= len(presented) <= 120
        assert all(given[name][0] == order["member_id"] and given[name][1] <= at(order) for name, order in presented)

    def test_gift_cards(self, velo: History) -> None:
        """Each unit of a gift card that is sold is made into a card worth its price; cards pay for later orders."""
        cards = {card["ref"]: card for card in velo.of("card")}
        orders = {order["order_id"]: order for order in velo.of("order")}
        sold = Counter((card["order_id"], card["line_id"]) for card in cards.values())
        lines = {(order_id, line["line_id"]): line for order_id, order in orders.items() for line in order["lines"]}
        units = Counter({name: line["quantity"] for name, line in lines.items() if "gift-card" in line["tags"]})
        assert sold == units
        assert all(card["amount"] == lines[card["order_id"], card["line_id"]]["unit_price"] for card in cards.values())
        pays = [(cards[ref], order) for order in orders.values() for ref in order.get("gift_cards", ())]
        assert 150 <= len(pays) <= 350
        assert all(at(card) < at(order) for card, order in pays)
        assert any(datetime.fromisoformat(card["expires_at"]) < at(order) for card, order in pays)

    def test_no_key_and_no_number(self, velo: History, tmp_path: Path) -> None:
        """The demo's keys stand beside the history, and follow from the seed; a card is named by its ref alone."""
        history_of(tmp_path / "history.jsonl", "--members", "1", "--orders", "1")
        for purpose in ("codes", "cards"):
            key = (tmp_path / f"{purpose}.key").read_text(encoding="ascii")
            assert key == f"{generate.demo_key(7, purpose)}\n"
            assert key.strip().encode() not in velo.raw
        assert len({generate.demo_key(seed, of) for seed in (7, 8) for of in ("codes", "cards")}) == 4

    def test_codes(self, velo: History) -> None:
        """Each code is typed rightly in its season, and also badly, spaced, and outside its days."""
        typed = [(order["at"][:7], code) for order in velo.of("order") for code in order.get("codes", ()) if not is_flyer(code)]
        counts = Counter(typed)
        assert counts["2024-12", "NOEL10"] > 30
        assert counts["2025-12", "NOEL25"] > 30
        assert counts["2025-12", "NOEL10"] > 0  # expired for a year
        assert counts["2026-07", "SUMMER10"] + counts["2026-08", "SUMMER10"] > 60
        assert counts["2026-07", " summer10 "] + counts["2026-08", " summer10 "] > 0
        right = {code for code, _, _ in generate.POSTERS}
        wrong = [code for _, code in typed if code.replace(" ", "").upper() not in right]
        assert 10 <= len(wrong) <= 60

    def test_reviews(self, velo: History) -> None:
        """Reviews have refs of their own."""
        refs = [event["ref"] for event in velo.of("action") if event["action"] == "review"]
        assert 300 <= len(refs) <= 700
        assert len(refs) == len(set(refs))


class TestReturns:
    """What comes back."""

    @staticmethod
    def clean(velo: History) -> list[Event]:
        """Give the returns that are no planted dirt."""
        dirt = [event for event in velo.of("return") if event["return_id"].startswith("r-900")]
        assert len(dirt) == 6
        cards = {(card["order_id"], card["line_id"]) for card in velo.of("card")}
        returns = list(velo.of("return"))
        of_cards = [back for back in returns if any((back["order_id"], line) in cards for line in back.get("lines", ()))]
        return [back for back in returns if back not in dirt and back not in of_cards]

    def test_about_seven_in_a_hundred(self, velo: History) -> None:
        """About 7 % of the orders come back, wholly or in part."""
        assert 0.055 <= len({event["order_id"] for event in self.clean(velo)}) / 4000 <= 0.085

    def test_kinds(self, velo: History) -> None:
        """Most name units; some an amount, some come in several parts, some too late."""
        returns = self.clean(velo)
        orders = {order["order_id"]: order for order in velo.of("order")}
        late = [event for event in returns if at(event) - at(orders[event["order_id"]]) > timedelta(days=30)]
        parts = Counter(event["order_id"] for event in returns)
        assert 10 <= sum("amount" in event for event in returns) <= 50
        assert 15 <= len(late) <= 60
        assert sum(count > 1 for count in parts.values()) >= 15

    def test_never_more_than_was_bought(self, velo: History) -> None:
        """All parts together stay within the units, or within a quarter of the goods."""
        orders = {order["order_id"]: order for order in velo.of("order")}
        back: dict[str, Counter[str]] = {}
        for event in self.clean(velo):
            order = orders[event["order_id"]]
            assert at(event) > at(order)
            if "amount" in event:
                assert Decimal(event["amount"]) <= goods(order) / 4
            else:
                back.setdefault(event["order_id"], Counter()).update(event["lines"])
        assert back
        assert all(units <= units_bought(orders[order_id]) for order_id, units in back.items())


class TestDirt:
    """The planted dirt, as the README counts it."""

    def test_unknown_orders(self, velo: History) -> None:
        """Three returns name an order nobody knows."""
        known = {order["order_id"] for order in velo.of("order")}
        assert sum(event["order_id"] not in known for event in velo.of("return")) == 3

    def test_too_many_units(self, velo: History) -> None:
        """Three returns bring back more units of a line than were bought."""
        bought = {order["order_id"]: units_bought(order) for order in velo.of("order")}
        beyond = [
            event
            for event in velo.of("return")
            if event["order_id"] in bought and not Counter(event.get("lines", {})) <= bought[event["order_id"]]
        ]
        assert len(beyond) == 3

    def test_unknown_members(self, velo: History) -> None:
        """Three reviews are by members who never joined."""
        known = {event["member_id"] for event in velo.of("join")}
        assert sum(event["member_id"] not in known for event in velo.of("action")) == 3

    def test_exact_duplicates(self, velo: History) -> None:
        """Ten lines stand there twice, right after each other."""
        twice = [line for line, following in zip(velo.lines, velo.lines[1:], strict=False) if line == following]
        assert Counter(json.loads(line)["kind"] for line in twice) == generate.TWICE
        assert len(velo.lines) - len(set(velo.lines)) == len(twice)


class TestBooks:
    """What the demo comes to."""

    def test_what_left_cards_is_what_reached_orders(self, tmp_path: Path) -> None:
        """A smaller shop's history, booked: the amounts of its gift cards are those of its orders, to the cent."""
        velo = history_of(tmp_path / "history.jsonl", "--members", "60", "--orders", "300", "--seed", "9")
        store, program = MemoryRepository(), Program.load(VELO / "program.toml")
        numbers = CardNumbers(SecretKey.from_hex("key", generate.demo_key(9, "cards")))
        book = CodeBook([welcome_space(9)])
        report = replay(program, [tmp_path / "history.jsonl"], store, codes=book, card_numbers=numbers)
        assert (report.read, report.balanced) == (len(velo.lines), True)
        orders = [stored.facts for stored in store.load(list(every_stream(store, "order"))).values()]
        paid = sum(fact.paid_by_cards_minor for facts in orders for fact in facts if isinstance(fact, OrderPlaced))
        back = sum(sum(fact.to_cards.values()) for facts in orders for fact in facts if isinstance(fact, OrderReturned))
        cards = report.gift_cards
        assert 0 < cards["paid_minor"] == paid - back
        assert cards["loaded_minor"] - cards["cancelled_minor"] - cards["paid_minor"] == (
            cards["left_minor"] + cards["expired_minor"]
        )
        assert cards["loaded_minor"] == sum(int(Decimal(card["amount"]) * 100) for card in velo.of("card"))
        redeemed = {name: one["redeemed"] for name, one in report.campaigns.items()}
        assert all(redeemed[campaign_id] for campaign_id in ("SUMMER10", "sorry-10", "welcome"))
        assert {name: report.offers.get(name, {"uses": 0})["uses"] for name in redeemed} == redeemed


class TestFilesBeside:
    """The program and the basket agree with the generator."""

    @pytest.fixture
    def program(self) -> Event:
        """Give the program file as tables."""
        return tomllib.loads((VELO / "program.toml").read_text(encoding="utf-8"))

    def test_generator_knows_the_terms(self, program: Event) -> None:
        """What the generator repeats is what the program says."""
        assert program["program"]["starts_on"] == generate.PROGRAM_STARTS_ON
        assert program["program"]["zone"] == generate.PARIS.key
        assert program["points"]["burn_minimum"] == generate.BURN_MINIMUM
        assert program["points"]["pending"] == f"{generate.RETURN_WINDOW_DAYS} days"
        campaigns = {campaign["id"]: campaign for campaign in program["campaigns"]}
        welcome = campaigns[generate.WELCOME]
        assert (welcome["codes"], welcome["valid_for"]) == (generate.WELCOME_PATTERN, f"{generate.WELCOME_DAYS} days")
        assert welcome["window"]["from"] <= generate.FLYERS_ON < generate.WELCOME_FROM
        assert campaigns[generate.SORRY]["automatic"]
        assert program["points"]["actions"] == {"review": 50, "sign_up": 100, "birthday": 200}

    def test_generator_knows_the_rewards(self, program: Event) -> None:
        """Prices, names, the choice and what a friend must spend are what the program says."""
        rewards = {reward["id"]: reward for reward in program["rewards"]}
        assert {reward_id: reward["price"] for reward_id, reward in rewards.items()} == generate.REWARDS
        assert [reward_id for reward_id, reward in rewards.items() if "pay_out" in reward["give"]] == [generate.PAID_OUT]
        (choice,) = [milestone for milestone in program["milestones"] if "choice" in milestone]
        assert f"milestone/{choice['id']}" == generate.CHOICE
        assert (choice["when"]["order"], choice["within"]) == (generate.CHOICE_ORDERS, f"{generate.CHOICE_DAYS} days")
        assert tuple(choice["choice"]) == generate.OPTIONS
        referrals = program["referrals"]
        assert f"referral/{referrals['id']}" == generate.FRIENDS
        assert referrals["qualifies"]["spend_at_least"] == generate.euros(generate.FRIEND_SPENDS)
        assert referrals["after"] == f"{generate.FRIEND_DAYS} days"
        assert min(int(number) for number, give in referrals["advocate"].items() if "points" not in give) == 3
        assert generate.COUPON_FROM_FRIEND == 3
        tiers = {rung["id"] for rung in program["tiers"]["rung"]}
        assert {tier for tier, _, _ in generate.LIFTED} <= tiers

    def test_posters_name_the_offers_codes(self, program: Event) -> None:
        """Each code on a poster belongs to one offer, good on the same days."""
        named = [(offer["when"]["code"], offer["window"]) for offer in program["offers"] if "code" in offer["when"]]
        named += [(campaign["id"], campaign["window"]) for campaign in program["campaigns"] if campaign.get("codes") == "human"]
        offers = [(code, window["from"], window["to"] - timedelta(days=1)) for code, window in named]
        assert sorted(offers) == sorted(generate.POSTERS)
        assert len({offer["id"] for offer in program["offers"]}) == len(program["offers"])

    def test_tags_are_those_of_the_catalogue(self, program: Event) -> None:
        """Every tag the program excludes is borne by a product, and none is left out."""
        excluded = {*program["points"]["earn_exclude_tags"], *program["stacking"]["exclude_tags"]}
        assert excluded == {product.tag for product in generate.CATALOGUE if product.tag}

    def test_basket(self) -> None:
        """The basket is a helmet and a bell off the shelf, 92.40 together."""
        basket = json.loads((VELO / "basket.json").read_text(encoding="utf-8"))
        assert basket.keys() == {"currency", "lines", "shipping"}
        assert (basket["currency"], basket["shipping"]) == ("EUR", "4.90")
        assert order_lines(basket["lines"])
        assert goods(basket) == Decimal("92.40")
        shelf = {product.product_id: product for product in generate.CATALOGUE}
        for line in basket["lines"]:
            product = shelf[line["product_id"]]
            assert (line["unit_price"], line["categories"]) == (product.price, product.categories.split())
