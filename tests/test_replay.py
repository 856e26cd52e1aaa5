"""Replay: a history through a program, each event once, each row in one bucket, and the books balanced."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from examples.velo import generate
from loyaltycore import ConflictError, Program
from loyaltycore import replay as module
from loyaltycore._columns import read_columns
from loyaltycore.codec import fact_text
from loyaltycore.coupons import CodeBook, CodeSpace, SecretKey
from loyaltycore.facts import Change, Command, Fact
from loyaltycore.gift_cards import CardNumbers
from loyaltycore.identity import CounterId, Key, StreamId, member_stream, order_stream
from loyaltycore.ledger import Adjusted, AdjustmentReversed, Books, Burned, BurnRefunded
from loyaltycore.memberships import Membership, RewardGiven
from loyaltycore.orders import Order
from loyaltycore.replay import HistoryError, Report, StoredRepository, replay, summarise
from loyaltycore.repositories import Claimed, Cursor, Due, Receipt, StoredStream, every_stream
from loyaltycore.services import Loyalty
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.testing import check_repository

PROGRAM = """
program = { name = "shop", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }
tiers = { metric = "spend", window = "12 months", downgrade = "one step", rung = [
    { id = "bronze", from = "0" }, { id = "gold", from = "100.00" } ] }
stacking = { mode = "best" }
[points]
earn = "1 per 1.00"
basis = "paid"
pending = "30 days"
expires = "12 months"
worth = "0.01"
burn_minimum = 10
burn_share = "50 %"
overdraft = "carry"
actions = { review = 50 }
[[offers]]
id = "ten"
when = { code = "TEN" }
give = { percent_off = "10" }
"""
SHOP = Program.parse(PROGRAM)
START = datetime(2026, 7, 1, 8, tzinfo=UTC)

COLUMNS = read_columns(
    """
    file = { currency = "EUR", zone = "Europe/Paris", time_format = "%Y-%m-%d %H:%M" }
    columns = { order = "O", time = "T", member = "M", product = "P", quantity = "Q", unit_price = "U" }
    orders = { cancelled_prefix = "C" }
    """
)

Row = Mapping[str, Any]


def at(days: float) -> str:
    """Give an instant, in days after the start."""
    return (START + timedelta(days=days)).isoformat()


def join(days: float, member_id: str = "m") -> Row:
    """Make somebody a member."""
    return {"kind": "join", "at": at(days), "member_id": member_id}


def order(days: float, order_id: str = "1", price: str = "100.00", member_id: str | None = "m", **rest: object) -> Row:
    """Order two units of one product."""
    line = {"line_id": "1", "product_id": "bell", "unit_price": price, "quantity": 2}
    return {"kind": "order", "at": at(days), "order_id": order_id, "member_id": member_id, "lines": [line], **rest}


def back(days: float, return_id: str = "r", order_id: str = "1", units: int = 1) -> Row:
    """Return units."""
    return {"kind": "return", "at": at(days), "return_id": return_id, "order_id": order_id, "lines": {"1": units}}


def money_back(days: float, return_id: str = "r", order_id: str = "1", amount: str = "100.00") -> Row:
    """Return an amount."""
    return {"kind": "return", "at": at(days), "return_id": return_id, "order_id": order_id, "amount": amount}


def review(days: float, ref: str = "t", member_id: str = "m") -> Row:
    """Write a review."""
    return {"kind": "action", "at": at(days), "action": "review", "member_id": member_id, "ref": ref}


def cells(days: float, number: str, product: str, units: int, *, member: str = "m", price: str = "10.00") -> str:
    """Write a row of order lines."""
    local = (START + timedelta(days=days, hours=2)).strftime("%Y-%m-%d %H:%M")
    return f"{number},{local},{member},{product},{units},{price}"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a shop with a folder of its own."""
    return Shop(tmp_path)


class Shop:
    """Writes histories and replays them."""

    def __init__(self, folder: Path, program: Program = SHOP, keys: Mapping[str, Any] | None = None) -> None:
        self.folder, self.program, self.keys = folder, program, keys or {}
        self.store = MemoryRepository()

    def write(self, rows: Sequence[Row | str], name: str = "history.jsonl") -> Path:
        """Write a history."""
        path = self.folder / name
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
        return path

    def replay(self, *rows: Row | str, store: StoredRepository | None = None) -> Report:
        """Replay events; then again, into the same store, which changes nothing."""
        path, kept = self.write(rows), store or self.store
        report = replay(self.program, [path], kept, **self.keys)
        checked(report)
        before = facts_of(kept)
        assert replay(self.program, [path], kept, **self.keys) == report
        assert facts_of(kept) == before
        return report

    def lines(self, *rows: str) -> Report:
        """Replay order lines, twice."""
        path = self.write(["O,T,M,P,Q,U", *rows], "lines.csv")
        report = replay(self.program, [path], self.store, columns=COLUMNS)
        checked(report)
        before = facts_of(self.store)
        assert replay(self.program, [path], self.store, columns=COLUMNS) == report
        assert facts_of(self.store) == before
        return report

    def returned(self, order_id: str) -> int:
        """Count the units that came back of an order."""
        stored = self.store.load([order_stream(order_id)])[order_stream(order_id)]
        return sum(Order.replay(order_id, stored.facts).returned.values())


def velo_keys(folder: Path) -> dict[str, Any]:
    """Give what reads the codes and makes the card numbers of the bicycle shop's history in a folder."""
    codes, cards = (SecretKey.from_hex("key", (folder / f"{of}.key").read_text()) for of in ("codes", "cards"))
    book = CodeBook([CodeSpace(codes, pattern=generate.WELCOME_PATTERN, context="velo")])
    return {"codes": book, "card_numbers": CardNumbers(cards)}


def checked(report: Report) -> Report:
    """Hold a report against what is true of all."""
    assert sum(report.buckets.values()) == report.read
    assert report.balanced
    return report


def facts_of(store: StoredRepository) -> dict[StreamId, list[str]]:
    """Give everything a store holds, coded."""
    cards = ("gift_card", "gift_card_number")
    kinds = ("member", "order", "coupon", "campaign", "code_space", *cards, "payout", "referral", "referral_code")
    streams = [stream for kind in kinds for stream in every_stream(store, kind)]
    return {stream: [fact_text(fact) for fact in stored.facts] for stream, stored in store.load(streams).items()}


class TestEvents:
    """What each event becomes."""

    def test_a_small_shop(self, shop: Shop) -> None:
        """Every kind of event, its bucket, and what it comes to."""
        report = shop.replay(
            join(0), order(1, codes=["TEN", "WRONG"]), review(2), order(3, "2", member_id=None), back(4), order(5, "3", burn=60)
        )
        assert report == Report(
            program="shop 1",
            digest=SHOP.digest,
            read=6,
            buckets={"return_matched": 1, "sale_member": 2, "sale_guest": 1, "join": 1, "action": 1},
            beside={"burns_cut": 1, "codes_not_applied": 1},
            members=1,
            orders={"member": 2, "guest": 1},
            points={
                "earned": 180 + 50 + 199,
                "pending": 90 + 199,
                "available": 0,
                "live": 0,
                "debt": 0,
                "burned": 50,
                "adjusted": 0,
                "expired": 0,
                "revoked": 90,
            },
            tiers={"bronze": 0, "gold": 1},
            offers={"ten": {"uses": 1, "cost_minor": 2000}},
            quarters={"2026-Q3": {"bronze": 0, "gold": 1, "none": 0, "up": 1, "down": 0}},
            ends_at=START + timedelta(days=5),
            balanced=True,
        )

    def test_repeated(self, shop: Shop) -> None:
        """What is said again under the same id counts as repeated, and happens once."""
        rows = [join(0), order(1), review(2), back(3)]
        once = shop.replay(*rows)
        twice = Shop(shop.folder).replay(*(row for row in rows for _ in range(2)))
        assert twice.buckets == {**once.buckets, "repeated": 4}
        assert (twice.points, twice.orders, twice.offers) == (once.points, once.orders, once.offers)

    def test_code_typed_twice(self, shop: Shop) -> None:
        """A code that was typed twice and applied is none that was not."""
        assert shop.replay(order(1, codes=["TEN", "TEN"])).beside == {}

    def test_other_content_under_one_id(self, shop: Shop) -> None:
        """Another order or return under a known id is refused, with the reason."""
        report = shop.replay(order(1), order(2, price="50.00"), back(3), back(4, units=2))
        assert report.buckets == {"return_matched": 1, "sale_member": 1, "refused": 2}
        assert report.beside == {"refused.ordered.key_reused": 1, "refused.returnedlines.key_reused": 1}

    def test_refused_and_then_right(self, shop: Shop) -> None:
        """A return that was refused may come again, and is then no repetition."""
        report = replay(SHOP, [shop.write([order(1), back(2, units=3), back(3, units=2)])], shop.store)
        assert report.buckets == {"return_matched": 1, "sale_member": 1, "refused": 1}
        assert report.points["revoked"] == 200

    @pytest.mark.parametrize(
        "row, why",
        [
            (back(2, order_id="none"), "returnedlines.order_not_found"),
            (back(2, units=3), "returnedlines.refund_exceeds_order"),
            ({**back(2), "lines": {"9": 1}}, "returnedlines.order_line_not_found"),
            ({**review(2), "action": "dance"}, "acted.action_unknown"),
            (review(-1), "acted.program_not_started"),
        ],
    )
    def test_refused(self, shop: Shop, row: Row, why: str) -> None:
        """A rule's no is counted with its reason."""
        rows = sorted([join(-2), order(1), row], key=lambda row: str(row["at"]))
        report = shop.replay(*rows)
        assert report.buckets["refused"] == 1
        assert report.beside == {f"refused.{why}": 1}

    def test_what_no_order_can_be(self, shop: Shop) -> None:
        """An event that is none for the program, here one whose points would expire after the calendar, is counted."""
        report = shop.replay(join(0), {**order(0), "at": "9998-12-30T00:00:00Z"}, {**review(0), "at": "9998-12-30T00:00:00Z"})
        assert report.buckets == {"join": 1, "refused": 2}
        assert report.beside == {"refused.acted.UsageError": 1, "refused.ordered.UsageError": 1}

    def test_burn_after_what_happened(self, shop: Shop) -> None:
        """Points are never burned before what already happened, even where a history is not sorted."""
        report = replay(SHOP, [shop.write([review(5), order(3, burn=50)])], shop.store)
        assert (report.points["burned"], report.beside) == (50, {"events_out_of_order": 1})
        (burned,) = (fact for fact in shop.store.load([member_stream("m")])[member_stream("m")].facts if isinstance(fact, Burned))
        assert burned.at == START + timedelta(days=5)

    def test_booked_at_its_own_time(self, shop: Shop) -> None:
        """Without a burn an order that comes late in the file is booked when it was."""
        report = replay(SHOP, [shop.write([review(5), order(3)])], shop.store)
        assert report.beside == {"events_out_of_order": 1}
        assert shop.store.load([order_stream("1")])[order_stream("1")].facts[0].at == START + timedelta(days=3)
        assert report.ends_at == START + timedelta(days=5)


KEY = SecretKey("key", bytes(32))
SPACE = CodeSpace(KEY, pattern="HI-####-####-####", context="shop")
KEYS = {"codes": CodeBook([SPACE]), "card_numbers": CardNumbers(KEY)}
CAMPAIGNS = Program.parse(
    PROGRAM
    + """
[[campaigns]]
id = "welcome"
codes = "HI-####-####-####"
give = { percent_off = "20" }
valid_for = "30 days"
window = { to = 2026-10-01 }
[[campaigns]]
id = "sorry"
give = { amount_off = "5.00", per = "basket" }
automatic = true
[[campaigns]]
id = "choice"
give = { percent_off = "50" }
"""
)


def codes(days: float, count: int = 10, ref: str = "flyers", campaign: str = "welcome") -> Row:
    """Have codes made."""
    return {"kind": "codes", "at": at(days), "campaign": campaign, "count": count, "ref": ref}


def grant(days: float, campaign: str, ref: str = "g", member_id: str | None = "m") -> Row:
    """Give one coupon."""
    return {"kind": "grant", "at": at(days), "campaign": campaign, "ref": ref, "member_id": member_id}


def card(days: float, ref: str = "c", amount: str = "100.00", **rest: object) -> Row:
    """Make a gift card."""
    return {"kind": "card", "at": at(days), "ref": ref, "amount": amount, **rest}


@pytest.fixture
def kept(tmp_path: Path) -> Shop:
    """Give a shop with campaigns and gift cards."""
    return Shop(tmp_path, CAMPAIGNS, KEYS)


class TestCodesAndCoupons:
    """Campaigns: codes of a machine, coupons given one by one."""

    def test_codes_of_a_batch(self, kept: Shop) -> None:
        """A code of the batch is good once; typed wrongly, made up, of no batch or used it is counted as not applied."""
        good, other, beyond = SPACE.code(0), SPACE.code(1), SPACE.code(10)
        report = kept.replay(
            codes(0),
            order(1, codes=[good.lower()]),
            order(2, "2", codes=[good, "TEN"]),
            order(3, "3", codes=[other[:-1], beyond, "HI-0000-0000-0000"]),
            order(4, "4", member_id=None, codes=[other]),
            order(40, "5", codes=[SPACE.code(2)]),
        )
        assert report.buckets == {"sale_member": 4, "sale_guest": 1, "codes": 1}
        assert report.beside == {"codes_not_applied": 1 + 3 + 1}
        assert report.campaigns["welcome"] == {
            "issued": 10,
            "granted": 0,
            "redeemed": 2,
            "brought_minor": 32000,
            "cost_minor": 8000,
        }
        assert report.offers["welcome"] == {"uses": 2, "cost_minor": 8000}

    def test_coupons_that_are_chosen(self, kept: Shop) -> None:
        """A coupon is named by its campaign and the name of its grant; a member's, or a code that anybody may have."""
        report = kept.replay(
            grant(0, "choice"),
            grant(0, "welcome"),
            grant(0, "welcome", "visitor", None),
            order(1, coupons=["choice/g"]),
            order(2, "2", coupons=["welcome/g"]),
            order(3, "3", member_id="n", coupons=["welcome/visitor"]),
            order(4, "4", coupons=["choice/g", "welcome/g", "welcome/visitor"]),
        )
        assert (report.buckets["grant"], report.beside) == (3, {"coupons_not_redeemed": 3})
        assert [one["redeemed"] for one in report.campaigns.values()] == [1, 0, 2]
        assert {name: one["granted"] for name, one in report.campaigns.items()} == {"choice": 1, "sorry": 0, "welcome": 2}

    def test_coupons_that_nobody_has(self, kept: Shop) -> None:
        """A coupon of another member, of no campaign, not granted, or granted later, is counted as not redeemed."""
        report = kept.replay(
            grant(0, "choice"),
            order(1, member_id="n", coupons=["choice/g"]),
            order(1, "2", coupons=["none/g", "choice/none", "choice/later"]),
            grant(2, "choice", "later"),
        )
        assert report.beside == {"coupons_not_redeemed": 4}
        assert report.campaigns["choice"]["redeemed"] == 0

    def test_coupons_that_apply_by_themselves(self, kept: Shop) -> None:
        """A coupon given after something went wrong is used by the member's next order, and by no other."""
        report = kept.replay(grant(0, "sorry"), order(1, member_id="n"), order(2, "2"), order(3, "3"))
        assert report.offers["sorry"] == {"uses": 1, "cost_minor": 500}
        assert report.beside == {}

    def test_at_one_instant(self, kept: Shop) -> None:
        """Codes and coupons are there for the orders of their instant."""
        report = kept.replay(order(0, codes=[SPACE.code(0)]), order(0, "2", coupons=["choice/g"]), grant(0, "choice"), codes(0))
        assert report.beside == {}

    @pytest.mark.parametrize(
        "row, why",
        [
            (codes(1, campaign="none"), "codesissued.campaign_not_found"),
            (codes(1, campaign="sorry"), "codesissued.UsageError"),
            (codes(1, 11), "codesissued.key_reused"),
            (codes(100, ref="late"), "codesissued.campaign_closed"),
            (codes(1, 2**40, "huge"), "codesissued.codes_exhausted"),
            (grant(1, "none"), "coupongranted.campaign_not_found"),
            (grant(1, "choice", member_id="n"), "coupongranted.key_reused"),
            (grant(1, "choice", "bearer", None), "coupongranted.UsageError"),
            (grant(100, "welcome"), "coupongranted.campaign_closed"),
        ],
    )
    def test_refused(self, kept: Shop, row: Row, why: str) -> None:
        """What a campaign refuses is counted with the reason."""
        report = kept.replay(codes(0), grant(0, "choice"), row)
        assert report.buckets == {"codes": 1, "grant": 1, "refused": 1}
        assert report.beside == {f"refused.{why}": 1}

    def test_repeated(self, kept: Shop) -> None:
        """The same again happens once."""
        rows = [codes(0), grant(1, "choice"), card(2)]
        report = kept.replay(*(row for row in rows for _ in range(2)))
        assert report.buckets == {"repeated": 3, "codes": 1, "grant": 1, "card": 1}
        assert (report.campaigns["welcome"]["issued"], report.gift_cards["cards"]) == (10, 1)

    def test_another_key_issues_by_now(self, kept: Shop) -> None:
        """A history replayed into its store after the keys were changed says the same: what was made stays."""
        rows = [codes(0), grant(0, "welcome", "visitor", None), card(1), order(2, coupons=["welcome/visitor"], gift_cards=["c"])]
        report = kept.replay(*rows)
        new = SecretKey("new", bytes([1] * 32))
        kept.keys = {
            "codes": CodeBook([SPACE.under(new)], retired={KEY: START + timedelta(days=1000)}),
            "card_numbers": CardNumbers(new, older=[KEY]),
        }
        assert kept.replay(*rows) == report

    @pytest.mark.parametrize("row", [codes(0), grant(0, "welcome")])
    def test_without_a_key(self, tmp_path: Path, row: Row) -> None:
        """Codes that nobody can make stop the replay; what needs none is booked without."""
        shop = Shop(tmp_path, CAMPAIGNS)
        assert shop.replay(grant(0, "choice"), order(1, coupons=["choice/g"], codes=[SPACE.code(0)])).beside == {
            "codes_not_applied": 1
        }
        with pytest.raises(HistoryError, match="campaign 'welcome' has codes that a machine makes"):
            shop.replay(row)


class TestGiftCards:
    """Gift cards: made, sold, paid with, given back."""

    def test_sold_and_paid_with(self, kept: Shop) -> None:
        """Cards of an order pay for others, in turn; what left them is what reached those."""
        report = kept.replay(
            order(0, price="100.00", member_id=None),
            card(0, "a", order_id="1", line_id="1"),
            card(0, "b", order_id="1", line_id="1", expires_at=at(20)),
            order(1, "2", price="60.00", gift_cards=["a", "b"]),
            order(2, "3", price="45.00", gift_cards=["b"]),
            order(30, "4", price="20.00", gift_cards=["b", "a"]),
        )
        assert report.beside == {"gift_cards_not_paid": 2}
        assert {name: count for name, count in report.gift_cards.items() if count} == {
            "cards": 2,
            "sold": 2,
            "loaded_minor": 20000,
            "paid_minor": 20000,
        }
        placed = [kept.store.load([order_stream(number)])[order_stream(number)].facts[0] for number in "234"]
        assert [getattr(fact, "paid_by_cards_minor", None) for fact in placed] == [12000, 8000, 0]

    def test_what_comes_back(self, kept: Shop) -> None:
        """A return goes back to the card; the card's own line comes back only where nothing of it was spent."""
        report = kept.replay(
            order(0, price="100.00", member_id=None),
            card(0, "a", order_id="1", line_id="1"),
            card(0, "b", order_id="1", line_id="1"),
            order(1, "2", price="30.00", gift_cards=["a"]),
            back(2, "unspent", units=1),
            back(3, "spent", units=1),
            back(4, "goods", "2"),
        )
        assert report.buckets == {"return_matched": 2, "sale_member": 1, "sale_guest": 1, "card": 2, "refused": 1}
        assert report.beside == {"refused.returnedlines.card_spent": 1}
        cards = report.gift_cards
        assert (cards["cancelled_minor"], cards["paid_minor"], cards["left_minor"]) == (10000, 3000, 7000)

    def test_cards_that_are_not_there(self, kept: Shop) -> None:
        """A card of no name, or one made later, pays nothing, then or in a later replay."""
        report = kept.replay(order(0, gift_cards=["none", "later"]), card(1, "later"), order(2, "2", gift_cards=["later"]))
        assert report.beside == {"gift_cards_not_paid": 2}
        assert report.gift_cards["paid_minor"] == 10000

    @pytest.mark.parametrize(
        "row, why",
        [
            (card(1, amount="50.00"), "key_reused"),
            (card(1, "d", amount="0.00"), "UsageError"),
            (card(1, "d", expires_at=at(0)), "UsageError"),
            (card(1, "d", order_id="9", line_id="1"), "order_not_found"),
            (card(1, "d", order_id="1", line_id="9"), "order_line_not_found"),
        ],
    )
    def test_refused(self, kept: Shop, row: Row, why: str) -> None:
        """What cannot be a card is counted with the reason."""
        report = kept.replay(order(0), card(0), row)
        assert (report.buckets["refused"], report.beside) == (1, {f"refused.cardmade.{why}": 1})

    def test_more_than_were_bought(self, kept: Shop) -> None:
        """There are no more cards than units of the line."""
        report = kept.replay(order(0), *(card(1, str(number), order_id="1", line_id="1") for number in range(3)))
        assert report.beside == {"refused.cardmade.cards_exceed_order": 1}

    def test_numbers_are_nobodys(self, kept: Shop) -> None:
        """A number follows from the name and the key, is another for each, and stands in no fact."""
        kept.replay(card(0, "a"), card(0, "b"))
        pointers = every_stream(kept.store, "gift_card_number")
        assert len(set(pointers)) == 2
        other = Shop(kept.folder, CAMPAIGNS, {**KEYS, "card_numbers": CardNumbers(SecretKey("key", bytes([2] * 32)))})
        other.replay(card(0, "a"), card(0, "b"))
        assert not set(every_stream(other.store, "gift_card_number")) & set(every_stream(kept.store, "gift_card_number"))

    def test_without_a_key(self, shop: Shop) -> None:
        """A history that makes gift cards needs their key; one that only names some does not."""
        assert shop.replay(order(0, gift_cards=["c"])).beside == {"gift_cards_not_paid": 1}
        with pytest.raises(HistoryError, match="gift card 'c' is made"):
            shop.replay(card(0))

    def test_report(self, shop: Shop, kept: Shop) -> None:
        """The report as data names campaigns and gift cards where there are any, and is as before where there are none."""
        plain = shop.replay(order(0)).to_dict()
        assert "campaigns" not in plain
        assert "gift_cards" not in plain
        data = kept.replay(order(0), card(1)).to_dict()
        assert list(data["campaigns"]) == ["choice", "sorry", "welcome"]
        assert data["gift_cards"]["left_minor"] == 10000
        assert list(data)[-1] == "balanced"


REWARDS = """
[tiers]
metric = "spend"
window = "12 months"
downgrade = "one step"
[[tiers.rung]]
id = "bronze"
from = "0"
[[tiers.rung]]
id = "silver"
from = "400.00"
entry_gift = { points = 9 }
[[tiers.rung]]
id = "gold"
from = "900.00"
[[rewards]]
id = "cap"
price = 50
give = { amount_off = "5.00", per = "basket" }
[[rewards]]
id = "cash"
price = 20
give = { pay_out = "2.00" }
[[milestones]]
id = "second"
when = { order = 2 }
choice = { points = { points = 5 }, mug = { amount_off = "4.00", per = "basket" } }
within = "10 days"
[referrals]
id = "friends"
codes = "VELO-####-####"
qualifies = { first_order = true, spend_at_least = "50.00" }
after = "30 days"
friend = { amount_off = "10.00", per = "basket" }
advocate = { 1 = { points = 60 }, 2 = { amount_off = "15.00", per = "basket" } }
"""


def comes(days: float, member_id: str, by: str | None = None, *hashes: str) -> Row:
    """Let somebody join, brought by a member."""
    return {**join(days, member_id), "referred_by": by, "identity_hashes": hashes}


def takes(days: float, reward: str = "cap", ref: str = "t", member_id: str = "m") -> Row:
    """Let a member take a reward."""
    return {"kind": "reward", "at": at(days), "reward": reward, "member_id": member_id, "ref": ref}


def chooses(days: float, option: str, reward: str = "milestone/second") -> Row:
    """Let a member choose."""
    return {"kind": "choose", "at": at(days), "reward": reward, "option": option, "member_id": "m"}


def lifts(days: float, tier: str = "gold", **rest: object) -> Row:
    """Lift a member to a tier."""
    return {"kind": "tier_grant", "at": at(days), "tier": tier, "member_id": "m", "ref": "g", "reason": "press", **rest}


@pytest.fixture
def club(tmp_path: Path) -> Shop:
    """Give a shop with rewards and referrals."""
    cut = PROGRAM.index("tiers =")
    return Shop(tmp_path, Program.parse(PROGRAM[:cut] + PROGRAM[PROGRAM.index("stacking") :] + REWARDS))


class TestFriends:
    """Friends who are brought, and what their advocates get in the order of time."""

    def test_rewarded_when_it_is_due(self, club: Shop) -> None:
        """An advocate is rewarded before the first event that comes after the day, dated on it; a friend in time saves."""
        report = club.replay(join(0), comes(1, "f", "m"), order(2, "1", "30.00", "f"), review(32.58))
        assert (report.referrals["qualified"], report.referrals["rewarded"]) == (1, 0)
        report = club.replay(join(0), comes(1, "f", "m"), order(2, "1", "30.00", "f"), review(32.58), review(32.59, "u"))
        names = ("joined", "qualified", "rewarded", "cost_minor", "ltv_minor", "conversion", "k")
        assert {name: report.referrals[name] for name in names} == {
            "joined": 1,
            "qualified": 0,
            "rewarded": 1,
            "cost_minor": 1000 + 60,
            "ltv_minor": 2500,
            "conversion": "1.0000",
            "k": "0.5000",
        }
        assert [(one.place, one.advocate_id, one.friends) for one in report.advocates] == [(1, "m", 1)]
        given = next(fact for fact in self.facts(club, "m") if isinstance(fact, RewardGiven))
        assert given.at == START + timedelta(days=32, hours=14)

    @staticmethod
    def facts(club: Shop, member_id: str) -> Sequence[Fact]:
        """Give the facts of a member."""
        stream = member_stream(member_id)
        return club.store.load([stream])[stream].facts

    def test_an_order_can_use_it(self, club: Shop) -> None:
        """The coupon of the second friend is there for an order after the day, and not for one before."""
        friends = [comes(1, name, "m") for name in ("e", "f")]
        orders = [order(2, "1", "30.00", "e"), order(2, "2", "30.00", "f")]
        own = [order(day, f"own-{day}", rewards=["referral/friends/2"]) for day in (3, 33, 34)]
        report = club.replay(join(0), *friends, *orders, *own)
        assert report.rewards["referral/friends-2"] == {**NOTHING, "given": 1, "coupons_used": 1, "cost_minor": 1500}
        assert report.beside["coupons_not_redeemed"] == 2

    def test_came_back(self, club: Shop) -> None:
        """An order that comes back in time brings nobody anything; the friend is counted, and the advocate is not rewarded."""
        report = club.replay(join(0), comes(1, "f", "m"), order(2, "1", "30.00", "f"), back(3, units=2), review(40))
        assert (report.referrals["joined"], report.referrals["rewarded"], report.rewards) == (1, 0, {})

    def test_tricks_stop_no_joining(self, club: Shop) -> None:
        """One's own code, that of nobody, the same card, a customer's second joining: all join, and are no friends."""
        rows = [comes(0, "m", None, "a1"), comes(1, "m", "m"), comes(2, "e", "nobody"), comes(3, "f", "m", "a1")]
        report = club.replay(*rows, order(4, "1", member_id="g"), comes(5, "g", "m"))
        assert report.buckets == {"sale_member": 1, "join": 5}
        assert {name: report.referrals[name] for name in ("joined", "refused", "rewarded")} == {
            "joined": 0,
            "refused": 4,
            "rewarded": 0,
        }
        assert "referral_code" not in {fact.kind for fact in self.facts(club, "nobody")}

    def test_the_same_joining_twice(self, club: Shop) -> None:
        """A row that stands there twice is repeated; another advocate is another row, and one too many."""
        report = club.replay(join(0), join(0, "n"), *[comes(1, "f", "m")] * 2, comes(2, "f", "n"))
        assert report.buckets == {"join": 4, "repeated": 1}
        assert report.referrals["joined"] == 1

    def test_a_program_without_referrals(self, shop: Shop) -> None:
        """Friends join like anybody, and it is said how many there were."""
        report = shop.replay(join(0), comes(1, "f", "m", "a1"))
        assert (report.beside, report.referrals, report.advocates) == ({"friends_without_referrals": 1}, {}, ())

    def test_a_history_goes_on(self, club: Shop) -> None:
        """What an earlier history left waiting is given in its time; the same as in one go."""
        rows = [join(0), comes(1, "f", "m"), order(2, "1", "30.00", "f"), review(40)]
        whole = club.replay(*rows)
        other = MemoryRepository()
        for number, part in enumerate((rows[:3], rows[3:])):
            report = replay(club.program, [club.write(part, f"{number}.jsonl")], other)
        assert facts_of(other) == facts_of(club.store)
        assert (report.referrals, report.rewards) == (whole.referrals, whole.rewards)

    def test_what_cannot_be_given_stops_it(self, club: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """A reward that fails is no fault of the history, and is not passed over."""

        def broken(*_: object, **__: object) -> None:
            msg = "lost"
            raise ConflictError(msg)

        monkeypatch.setattr(type(club.program), "reward_referral", broken)
        rows = [join(0), comes(1, "f", "m"), order(2, "1", "30.00", "f"), review(40)]
        with pytest.raises(ConflictError, match="lost"):
            replay(club.program, [club.write(rows)], club.store)


NOTHING = dict.fromkeys(("given", "taken_back", "price_points", "points", "coupons_used", "cost_minor"), 0)


class TestRewards:
    """Rewards, choices and tiers by hand."""

    def test_taken_and_used(self, club: Shop) -> None:
        """A reward costs points; its coupon is named by it, by its member, from then on, and once."""
        orders = [order(day, f"{day}", "20.00", rewards=["reward/t"]) for day in (2, 4, 5)]
        report = club.replay(
            review(0), review(1, "u"), orders[0], takes(3), *orders[1:], order(6, "g", member_id=None, rewards=["reward/t"])
        )
        assert report.buckets == {"sale_member": 3, "sale_guest": 1, "action": 2, "reward": 1}
        assert report.rewards["catalogue/cap"] == {
            **NOTHING,
            "given": 1,
            "price_points": 50,
            "coupons_used": 1,
            "cost_minor": 500,
        }
        assert report.beside["coupons_not_redeemed"] == 3
        assert report.offers["reward-cap"] == {"uses": 1, "cost_minor": 500}

    def test_refused_before_what_happened(self, club: Shop) -> None:
        """Replayed into its own store, a reward that was too dear is refused for that again, though the member has it by now."""
        report = club.replay(review(0), takes(0.5, ref="a"), takes(0.6, ref="b"), review(1, "u"), takes(2, ref="c"))
        assert report.buckets == {"action": 2, "reward": 2, "refused": 1}
        assert report.beside == {"refused.rewardasked.points_insufficient": 1}

    def test_nothing_was_wrong_with_it(self, club: Shop) -> None:
        """A reward dated before what another history booked is refused for that."""
        club.replay(review(0), order(5, "1", "20.00", burn=20))
        report = replay(club.program, [club.write([takes(1, "cash")], "late.jsonl")], club.store)
        assert report.beside == {"refused.rewardasked.at_before_last": 1}

    def test_paid_outside(self, club: Shop) -> None:
        """What the shop pays outside costs what it is worth."""
        report = club.replay(review(0), takes(1, "cash"))
        assert report.rewards == {"catalogue/cash": {**NOTHING, "given": 1, "price_points": 20, "cost_minor": 200}}

    def test_chosen(self, club: Shop) -> None:
        """A choice is made once, in its time."""
        rows = [order(0, "1", "20.00"), chooses(0.5, "points"), order(1, "2", "20.00"), chooses(2, "points")]
        report = club.replay(*rows, chooses(3, "mug"))
        assert report.rewards["milestone/second"] == {**NOTHING, "given": 1, "points": 5}
        assert report.buckets == {"sale_member": 2, "choose": 1, "refused": 2}
        assert report.beside == {"refused.chosen.reward_not_found": 1, "refused.chosen.key_reused": 1}

    def test_lifted(self, club: Shop) -> None:
        """A tier by hand is entered, and left when its time is over."""
        report = club.replay(join(0), lifts(1, "silver", until=at(20)), order(10, "1", "1.00"), order(100, "2", "1.00"))
        assert report.buckets == {"sale_member": 2, "join": 1, "tier_grant": 1}
        assert report.rewards["tier/silver"]["points"] == 9
        assert report.quarters == {
            "2026-Q3": {"bronze": 1, "silver": 0, "gold": 0, "none": 0, "up": 0, "down": 0},
            "2026-Q4": {"bronze": 1, "silver": 0, "gold": 0, "none": 0, "up": 0, "down": 0},
        }

    @pytest.mark.parametrize(
        "row,why",
        [
            (takes(1), "rewardasked.points_insufficient"),
            (takes(1, "cup"), "rewardasked.reward_not_found"),
            (chooses(1, "mug"), "chosen.reward_not_found"),
            (lifts(1, "diamond"), "tierlifted.tier_unknown"),
        ],
    )
    def test_refused(self, club: Shop, row: Row, why: str) -> None:
        """What is refused is counted with its reason."""
        report = club.replay(join(0), row)
        assert (report.buckets, report.beside) == ({"join": 1, "refused": 1}, {f"refused.{why}": 1})

    def test_report(self, club: Shop) -> None:
        """Rewards, friends and quarters are written down where there are any."""
        plain = club.replay(join(0)).to_dict()
        assert "rewards" not in plain
        assert (plain["referrals"]["advocates"], plain["tiers_by_quarter"]["2026-Q3"]["bronze"]) == ([], 1)
        rows = [join(0), comes(1, "f", "m"), order(2, "1", "30.00", "f"), review(40), takes(41)]
        data = club.replay(*rows).to_dict()
        assert data["rewards"]["catalogue/cap"]["given"] == 1
        assert data["referrals"]["advocates"] == [{"place": 1, "member_id": "m", "friends": 1}]
        assert json.loads(json.dumps(data)) == data


class TestOrderOfTime:
    """In which order events are booked."""

    ROWS = (join(0), order(1), back(1), review(1), order(1, "2"), back(2, "r2", "2"), join(2, "n"), review(2, "t2", "n"))

    def test_at_one_instant(self, shop: Shop) -> None:
        """At one instant joinings come first, then orders, returns and actions, each by its id, whatever the file's order."""
        report = shop.replay(*self.ROWS)
        assert report.buckets == {"return_matched": 2, "sale_member": 2, "join": 2, "action": 2}
        rows = [*self.ROWS]
        rows.reverse()
        rows.sort(key=lambda row: str(row["at"]))
        other = Shop(shop.folder)
        assert other.replay(*rows) == report
        assert facts_of(other.store) == facts_of(shop.store)

    def test_several_files(self, shop: Shop) -> None:
        """Several files are merged by time, in whatever order they are named."""
        report = shop.replay(*self.ROWS)
        paths = [shop.write(self.ROWS[start::3], f"{start}.jsonl") for start in range(3)]
        for histories in (paths, paths[::-1]):
            store = MemoryRepository()
            assert replay(SHOP, histories, store) == report
            assert facts_of(store) == facts_of(shop.store)

    def test_a_history_goes_on(self, shop: Shop) -> None:
        """A later history finds the orders of an earlier one in the store."""
        replay(SHOP, [shop.write([order(1)])], shop.store)
        report = checked(replay(SHOP, [shop.write([back(2)])], shop.store))
        assert report.buckets == {"return_matched": 1}
        assert report.points["revoked"] == 100

    def test_return_that_is_dated_before_its_order(self, shop: Shop) -> None:
        """A return that comes after its order in the file, but is dated before it, is booked: the order is known."""
        report = replay(SHOP, [shop.write([order(5), back(3)])], shop.store)
        assert report.buckets == {"return_matched": 1, "sale_member": 1}
        assert report.beside == {"events_out_of_order": 1}

    def test_return_before_its_order(self, shop: Shop) -> None:
        """A return before its order is refused, also by a replay into a store that knows the order by now."""
        report = shop.replay(back(1), order(2))  # replays twice
        assert report.buckets == {"sale_member": 1, "refused": 1}
        assert report.beside == {"refused.returnedlines.order_not_found": 1}


class TestLate:
    """Returns after the window: an adjustment, once."""

    def test_takes_what_there_is(self, shop: Shop) -> None:
        """The points of what came back are taken, as far as they are there; the rest is counted."""
        spent = order(31, "2", price="90.00", burn=90)
        report = shop.replay(order(0), spent, back(40), back(41, "r2"), back(42, "r3"))
        assert report.buckets == {"return_late": 2, "sale_member": 2, "refused": 1}
        assert report.beside == {"points_late_not_taken": 90, "refused.returnedlines.refund_exceeds_order": 1}
        assert (report.points["adjusted"], report.points["burned"], report.points["available"]) == (110, 90, 0)

    def test_nothing_to_take(self, shop: Shop) -> None:
        """Where nothing is left nothing is taken, then or by a later replay, when there is something again."""
        spent = order(31, "2", price="400.00", burn=200)
        report = shop.replay(order(0), spent, back(35, units=2), back(36, "give-back", "2", units=2))
        assert report.points["burned"] == report.points["adjusted"] == 0
        assert report.beside == {"points_late_not_taken": 200}
        assert report.points["available"] == 200

    def test_guests_and_what_earned_nothing(self, shop: Shop) -> None:
        """A guest's late return, or one of an order that earned nothing, takes no points."""
        rows = [order(-5), order(0, "2", member_id=None), order(0, "3", price="0.40"), join(0)]
        late = [back(40, "r", "1"), back(40, "r", "2"), back(40, "r", "3")]
        report = shop.replay(*rows, *late)
        assert report.buckets["return_late"] == 3
        assert (report.points["adjusted"], report.beside) == (0, {})

    def test_amounts(self, shop: Shop) -> None:
        """Amounts that come back late add up: together never more than was paid."""
        report = shop.replay(order(0), *(money_back(40 + n, f"r{n}", amount="90.00") for n in range(3)))
        assert report.buckets == {"return_late": 2, "sale_member": 1, "refused": 1}
        assert report.points["adjusted"] == 180
        assert report.beside == {"refused.returnedlines.refund_exceeds_order": 1}

    def test_repeated(self, shop: Shop) -> None:
        """The same late return again is a repetition; another under its id is refused."""
        report = shop.replay(order(0), back(40), back(40), back(41, units=2))
        assert report.buckets == {"repeated": 1, "return_late": 1, "sale_member": 1, "refused": 1}
        assert report.beside == {"refused.returnedlines.key_reused": 1}
        assert report.points["adjusted"] == 100

    def test_after_returns_in_time(self, shop: Shop) -> None:
        """What came back in time counts: a late return takes only what is left."""
        report = shop.replay(order(0), back(10), back(40, "r2"), back(41, "r3"))
        assert report.buckets == {"return_matched": 1, "return_late": 1, "sale_member": 1, "refused": 1}
        assert (report.points["revoked"], report.points["adjusted"]) == (100, 100)

    def test_says_who_and_why(self, shop: Shop) -> None:
        """The adjustment names the replay, the return and the order."""
        shop.replay(order(0), back(40))
        facts = shop.store.load([member_stream("m")])[member_stream("m")].facts
        (adjusted,) = (fact for fact in facts if isinstance(fact, Adjusted))
        assert (adjusted.actor, adjusted.reason, adjusted.ref) == ("replay", "late return r of order 1", "1/r")
        assert adjusted.at == START + timedelta(days=40)


class TestMatching:
    """Order lines: what came back is matched to what was bought."""

    def test_latest_first(self, shop: Shop) -> None:
        """Units go back to the latest earlier purchases of the product by that member."""
        report = shop.lines(
            cells(0, "1", "bell", 2),
            cells(1, "2", "bell", 3),
            cells(1, "3", "lamp", 9),
            cells(1, "4", "bell", 9, member="n"),
            cells(2, "C1", "bell", -4),
            cells(5, "5", "bell", 9),
        )
        assert report.buckets == {"return_matched": 1, "sale_member": 5}
        assert {number: shop.returned(number) for number in "12345"} == {"1": 1, "2": 3, "3": 0, "4": 0, "5": 0}
        assert report.points["revoked"] == 40

    def test_no_more_than_came_back(self, shop: Shop) -> None:
        """Earlier purchases are left alone once all units have their place."""
        report = shop.lines(cells(0, "1", "bell", 2), cells(1, "2", "bell", 3), cells(2, "C1", "bell", -3))
        assert {number: shop.returned(number) for number in "12"} == {"1": 0, "2": 3}
        assert (report.buckets, report.beside) == ({"return_matched": 1, "sale_member": 2}, {})

    def test_unmatched(self, shop: Shop) -> None:
        """What was never bought, or more than was bought, or bought by nobody known, is counted."""
        report = shop.lines(
            cells(0, "1", "bell", 2),
            cells(0, "2", "lamp", 2, member=""),
            cells(1, "C1", "lamp", -1),
            cells(1, "C1", "bell", -3),
            cells(1, "C2", "bell", -1),
            cells(1, "C3", "bell", -1, member=""),
            cells(1, "C4", "bell", -1, member="n"),
        )
        assert report.buckets == {
            "return_partly_matched": 1,
            "return_unmatched": 3,
            "return_guest": 1,
            "sale_member": 1,
            "sale_guest": 1,
        }
        assert report.beside == {"units_returned_unmatched": 1 + 1 + 1 + 1}
        assert report.points["revoked"] == 20

    def test_several_rows_of_one_product(self, shop: Shop) -> None:
        """Rows of one cancellation take one after the other."""
        report = shop.lines(cells(0, "1", "bell", 3), *(cells(1, "C1", "bell", -units) for units in (1, 1, 2)))
        assert report.buckets == {"return_matched": 2, "return_partly_matched": 1, "sale_member": 1}
        assert report.points["revoked"] == 30

    def test_worst_of_several_orders(self, shop: Shop) -> None:
        """A row that goes back to an order in time and to one too late counts as late."""
        report = shop.lines(
            cells(0, "1", "bell", 1), cells(20, "2", "bell", 1), cells(35, "C1", "bell", -2), cells(36, "C2", "bell", -1)
        )
        assert report.buckets == {"return_late": 1, "return_unmatched": 1, "sale_member": 2}
        assert (report.points["revoked"], report.points["adjusted"]) == (10, 10)

    def test_partly_matched_and_late(self, shop: Shop) -> None:
        """What is partly matched counts as that, also where it is late."""
        report = shop.lines(cells(0, "1", "bell", 1), cells(35, "C1", "bell", -2))
        assert report.buckets == {"return_partly_matched": 1, "sale_member": 1}

    def test_a_cancellation_in_two_parts(self, shop: Shop) -> None:
        """A cancellation that goes on after it closed is another under the same number: refused, and its units go back."""
        report = shop.lines(
            cells(0, "1", "bell", 5),
            cells(1, "C1", "bell", -2),
            cells(2, "C1", "bell", -1),
            cells(3, "C1", "bell", -2),
            cells(4, "C2", "bell", -3),
        )
        assert report.buckets == {"repeated": 1, "return_matched": 2, "sale_member": 1, "refused": 1}
        assert report.beside == {"refused.cancelled.key_reused": 1}
        assert report.points["revoked"] == 50

    def test_an_order_in_two_parts(self, shop: Shop) -> None:
        """An order that goes on after it closed is another under the same number: refused; the same again is repeated."""
        report = shop.lines(
            cells(0, "1", "bell", 1), cells(1, "1", "lamp", 1), cells(1, "1", "lamp", 2), cells(2, "1", "bell", 1)
        )
        assert report.buckets == {"repeated": 1, "sale_member": 1, "refused": 2}

    def test_late_lines(self, shop: Shop) -> None:
        """Lines returned late, in parts, never take more than their order earned."""
        late = [cells(40 + n, f"C{n}", "bell", -1) for n in range(4)]
        report = shop.lines(cells(0, "1", "bell", 3), *late)
        assert report.buckets == {"return_late": 3, "return_unmatched": 1, "sale_member": 1}
        assert report.points["adjusted"] == 30

    def test_currency(self, shop: Shop) -> None:
        """A map of another currency than the program's is refused before anything is read."""
        with pytest.raises(HistoryError, match="the column map's currency JPY is not the program's EUR"):
            replay(SHOP, [shop.folder / "none.csv"], shop.store, columns=attrs.evolve(COLUMNS, currency="JPY"))


class TestReport:
    """What a history came to."""

    def test_empty(self, shop: Shop) -> None:
        """An empty history into an empty store comes to nothing, and balances."""
        report = shop.replay()
        assert report.to_dict() == {
            "program": "shop 1",
            "digest": SHOP.digest,
            "ends_at": None,
            "lines": {"read": 0, "buckets": {}, "beside": {}},
            "members": 0,
            "orders": {"member": 0, "guest": 0},
            "points": dict.fromkeys(
                ["earned", "pending", "available", "live", "debt", "burned", "adjusted", "expired", "revoked"], 0
            ),
            "tiers": {"bronze": 0, "gold": 0},
            "offers": {},
            "balanced": True,
        }

    def test_empty_into_a_store(self, shop: Shop) -> None:
        """An empty history sums the store up, at its latest instant."""
        full = shop.replay(order(0), order(40, "2"))
        report = replay(SHOP, [shop.write([])], shop.store)
        assert (report.ends_at, report.points, report.members, report.tiers) == (full.ends_at, full.points, 1, full.tiers)

    def test_to_dict(self, shop: Shop) -> None:
        """The report is JSON, its instant in UTC."""
        data = shop.replay(order(0, codes=["TEN"])).to_dict()
        assert json.loads(json.dumps(data)) == data
        assert data["ends_at"] == "2026-07-01T08:00:00Z"
        assert data["offers"] == {"ten": {"uses": 1, "cost_minor": 2000}}

    @pytest.mark.law(5)
    def test_every_state_of_points(self, shop: Shop) -> None:
        """Every point is somewhere: pending, live, burned, adjusted, expired, revoked, or missing."""
        rows = [
            order(0),
            back(5),
            order(31, "2", burn=50),
            back(33, "r2", "2"),
            back(45, "late"),
            order(450, "3"),
        ]
        points = shop.replay(*rows).points
        spent = points["revoked"] + points["burned"] + points["adjusted"]
        assert points["earned"] - spent == points["pending"] + points["live"] + points["expired"] - points["debt"]
        assert all(points[name] for name in ("earned", "pending", "burned", "adjusted", "expired", "revoked")), points

    def test_debt(self, shop: Shop) -> None:
        """A member below zero is shown as debt, not hidden in what others hold."""
        rows = [order(0), order(31, "2", burn=100), review(31, member_id="n")]
        shop.replay(*rows)
        loyalty = Loyalty(SHOP, shop.store, clock=lambda: START + timedelta(days=20))
        loyalty.refund("1", return_id="r", lines={"1": 2})
        points = summarise(SHOP, shop.store, at=START + timedelta(days=32)).points
        assert (points["debt"], points["available"], points["live"]) == (100, 50, 50)

    def test_adjustments_by_hand(self, shop: Shop) -> None:
        """Adjustments by hand, and undone ones, balance."""
        shop.replay(review(0))
        member = Membership.replay("m", shop.store.load([member_stream("m")])[member_stream("m")].facts)
        day = START + timedelta(days=1)
        down = member.adjust_down(20, ref="ticket", reason="test", actor="anna", at=day)
        up = down.state.reverse_adjustment("ticket", ref="undo", at=day)
        for number, posting in enumerate((down, up)):
            command = Command.of(member_stream("m"), Key(f"by-hand-{number}"), actor="anna")
            shop.store.commit(command, posting.changes)
        assert any(isinstance(fact, AdjustmentReversed) for fact in up.facts)
        report = summarise(SHOP, shop.store, at=None)
        assert (report.balanced, report.points["adjusted"], report.points["available"]) == (True, 0, 50)

    def test_books_that_do_not_balance(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sums of facts and sums of lots are two computations: where they differ the report says so."""
        shop.replay(order(0), order(31, "2", burn=100), back(32, "r", "2", units=2))
        add = module._Sums.add
        for kind in (Burned, BurnRefunded):

            def lossy(sums: module._Sums, facts: Sequence[Fact], kind: type[Fact] = kind) -> None:
                add(sums, [fact for fact in facts if not isinstance(fact, kind)])

            monkeypatch.setattr(module._Sums, "add", lossy)
            assert not summarise(SHOP, shop.store, at=START).balanced

    def test_lots_that_do_not_balance(self) -> None:
        """Facts that agree are not enough: what the lots hold must agree too."""
        sums = module._Sums(books=Books(granted=5, live=5), facts=Counter(earned=5))
        assert sums.balanced
        sums.books = Books(granted=5, live=4)
        assert not sums.balanced

    def test_without_tiers_and_points(self, tmp_path: Path) -> None:
        """A program without tiers or points still counts orders."""
        head = PROGRAM[: PROGRAM.index("tiers =")]
        report = Shop(tmp_path, Program.parse(head)).replay(order(0), order(1, "2"))
        assert (report.tiers, report.orders, report.points["earned"]) == ({}, {"member": 2, "guest": 0}, 0)

    def test_many_members(self, shop: Shop) -> None:
        """More members than are loaded at once."""
        count = module._PAGE * 2 + 1
        report = replay(SHOP, [shop.write([join(0, f"m-{n}") for n in range(count)])], shop.store)
        assert (report.members, report.tiers["bronze"]) == (count, count)


class TestStore:
    """The repository beneath."""

    def test_recent_keeps_the_contract(self) -> None:
        """Keeping members as they were read changes nothing a repository promises."""
        check_repository(lambda: module._Recent(MemoryRepository()), threads=4)

    def test_recent_forgets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only the members seen lately are kept; the one seen longest ago goes first."""
        monkeypatch.setattr(module, "_RECENT_LIMIT", 2)
        store = Counted(MemoryRepository())
        recent = module._Recent(store)
        streams = [member_stream(name) for name in "abacab"]
        for stream in streams:
            recent.load([stream])
        assert store.loads == [["member/a"], ["member/b"], ["member/c"], ["member/b"]]

    def test_recent_knows_what_was_committed(self) -> None:
        """A member is read once, whatever is booked."""
        store = Counted(MemoryRepository())
        loyalty = Loyalty(SHOP, module._Recent(store), clock=lambda: START)
        for ref in "abc":
            loyalty.record("review", member_id="m", ref=ref)
        assert loyalty.overview("m").balance.available == 150
        assert store.loads == [["member/m"]]

    def test_another_writer(self, shop: Shop) -> None:
        """Where another writes meanwhile, what was kept is read again."""
        recent = module._Recent(shop.store)
        now = START
        one, two = (Loyalty(SHOP, store, clock=lambda: now) for store in (recent, shop.store))
        one.record("review", member_id="m", ref="1")
        two.record("review", member_id="m", ref="2")
        one.record("review", member_id="m", ref="3")
        assert one.overview("m").balance.available == two.overview("m").balance.available == 150

    def test_a_busy_store_is_no_refusal(self, shop: Shop) -> None:
        """A store that cannot be written stops the replay; nothing is counted as the history's fault."""
        with pytest.raises(ConflictError):
            replay(SHOP, [shop.write([order(0)])], Busy(MemoryRepository()))

    def test_same_facts_in_memory_and_in_sqlite(self, shop: Shop) -> None:
        """Where it is kept changes nothing."""
        history = shop.folder / "velo.jsonl"
        generate.main(["--out", str(history), "--members", "10", "--orders", "60"])
        program = Program.load(Path(generate.__file__).with_name("program.toml"))
        database = SQLiteRepository(connection=sqlite3.connect(":memory:", isolation_level=None))
        keys = velo_keys(shop.folder)
        reports = [replay(program, [history], store, **keys) for store in (shop.store, database)]
        assert checked(reports[0]) == reports[1]
        assert facts_of(shop.store) == facts_of(database)
        assert replay(program, [history], database, **keys) == reports[0]
        assert facts_of(shop.store) == facts_of(database)

    def test_progress(self, shop: Shop) -> None:
        """Progress is told before each event, and comes to the size of the files; what it raises stops the replay."""
        told: list[int] = []
        paths = [shop.write([join(n, f"m-{n}") for n in range(10)]), shop.write([review(20)], "other.jsonl")]
        replay(SHOP, paths, shop.store, progress=told.append)
        assert (len(told), sum(told)) == (11, sum(path.stat().st_size for path in paths))

        def stop(_more: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            replay(SHOP, paths, MemoryRepository(), progress=stop)

    @pytest.mark.slow
    def test_memory_follows_the_members(self, shop: Shop) -> None:
        """Four times the orders of the same members need about the same memory."""
        peaks = []
        for count in (500, 2_000):
            rows = [order(n / 100, str(n), member_id=f"m-{n % 10}", price="1.00") for n in range(count)]
            path = shop.write([json.dumps(row) for row in rows])
            store = SQLiteRepository(connection=sqlite3.connect("", isolation_level=None))
            tracemalloc.start()
            replay(SHOP, [path], store)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        # The members' own facts grow with their orders; the history itself must not show.
        assert peaks[1] < 4 * peaks[0]


class Counted:
    """A repository that remembers what was loaded."""

    def __init__(self, inner: StoredRepository) -> None:
        self.inner = inner
        self.loads: list[list[str]] = []

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Load, and remember."""
        self.loads.append(list(streams))
        return self.inner.load(streams)

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Ask."""
        return self.inner.receipt(home, key)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Commit."""
        self.inner.commit(command, changes)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Ask."""
        return self.inner.claimed(counters, key=key, at=at)

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """Ask."""
        return self.inner.due(before=before, after=after, limit=limit)

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = 1000) -> Sequence[StreamId]:
        """List."""
        return self.inner.streams(kind, after=after, limit=limit)


class Busy(Counted):
    """A repository that loses every race."""

    def commit(self, command: Command, _changes: Sequence[Change], /) -> None:
        """Refuse."""
        raise ConflictError(command.key)
