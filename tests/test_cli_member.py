"""What ``member`` says of tiers, coupons, rewards and friends, and what ``payouts`` lists."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from loyaltycore import Basket, Loyalty, Program, _cli_member
from loyaltycore.cli import main
from loyaltycore.facts import Append, Command
from loyaltycore.identity import Key, member_stream
from loyaltycore.memberships import RewardOffered
from loyaltycore.store.sqlite import SQLiteRepository

Capture = pytest.CaptureFixture[str]

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
HEAD = """
[program]
name = "shop"
version = 1
currency = "EUR"
zone = "Europe/Paris"
starts_on = 2026-01-01
[points]
earn = "1 per 1.00"
basis = "paid"
expires = "never"
overdraft = "carry"
[stacking]
mode = "best"
[tiers]
metric = "spend"
window = "12 months"
downgrade = "one step"
rung = [
    { id = "bronze", from = "0" },
    { id = "silver", from = "100.00", perks = ["lounge", "early"] },
    { id = "gold", from = "500.00" },
]
"""
REWARDS = """
[[rewards]]
id = "cap"
give = { amount_off = "5.00", per = "basket" }
price = 50
valid_for = "30 days"
[[rewards]]
id = "mug"
give = { amount_off = "3.00", per = "basket" }
price = 30
[[rewards]]
id = "cash"
give = { pay_out = "12.30" }
price = 20
[[milestones]]
id = "first"
when = { order = 1 }
choice = { points = { points = 5 }, cap = { amount_off = "5.00", per = "basket" } }
within = "10 days"
[referrals]
id = "friends"
codes = "VELO-####-####"
qualifies = { spend_at_least = "10.00" }
after = "30 days"
advocate = { 1 = { points = 7 } }
"""


@attrs.define
class Counter:
    """A shop in a file, its clock, and the command line over it."""

    folder: Path
    capture: Capture
    now: datetime = NOW
    rules: str = HEAD + REWARDS

    @contextmanager
    def open(self) -> Iterator[Loyalty]:
        """Open the shop."""
        with SQLiteRepository(self.folder / "shop.db") as repository:
            yield Loyalty(Program.parse(self.rules), repository, clock=lambda: self.now)

    def run(self, *arguments: object) -> str:
        """Run a command over the store; gives what it printed."""
        assert main([*map(str, arguments), "--store", f"sqlite:///{self.folder / 'shop.db'}"]) == 0
        return self.capture.readouterr().out

    def member(self, member_id: str = "m", *more: object) -> list[str]:
        """Give what is said of a member, without the statement."""
        path = self.folder / "program.toml"
        path.write_text(self.rules, encoding="utf-8")
        lines = self.run("member", member_id, "--program", path, *more).splitlines()
        return lines[: next(number for number, line in enumerate(lines) if line.startswith("Points,")) - 1]


@pytest.fixture
def counter(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Give a shop whose clock the command line has too."""
    counter = Counter(tmp_path, capsys)
    monkeypatch.setattr(_cli_member, "utc_now", lambda: counter.now + timedelta(minutes=1))
    return counter


def buy(shop: Loyalty, order_id: str, price: str, member_id: str = "m") -> None:
    """Let a member buy something."""
    shop.place_unseen(Basket.of("EUR", {"bell": price}), order_id=order_id, member_id=member_id)


class TestTier:
    def test_why(self, counter: Counter) -> None:
        """Where the tier comes from, until when it is kept, what keeps it longer, what the next one takes, and its perks."""
        with counter.open() as shop:
            buy(shop, "1", "150.00")
            counter.now += timedelta(days=100)
        assert counter.member()[1:7] == [
            "Tier: silver",
            "  reached on 1 July 2026: €150.00",
            "  kept up to and including 1 July 2027",
            "  the next order keeps it longer",
            "  €350.00 more for gold",
            "Perks: early, lounge",
        ]

    def test_what_is_missing_to_keep_it(self, counter: Counter) -> None:
        """One step down a year after gold, with nothing bought since: silver takes its threshold again."""
        with counter.open() as shop:
            buy(shop, "1", "500.00")
            counter.now += timedelta(days=370)
        told = counter.member()
        assert told[1] == "Tier: silver"
        assert "  €100.00 more keeps it longer" in told

    def test_at_the_top(self, counter: Counter) -> None:
        """There is no next tier, and nothing more is needed on the day it was reached."""
        with counter.open() as shop:
            buy(shop, "1", "500.00")
        told = counter.member()
        assert told[1:4] == ["Tier: gold", "  reached on 1 July 2026: €500.00", "  kept up to and including 1 July 2027"]
        assert not [line for line in told if "more" in line]

    def test_granted_by_hand(self, counter: Counter) -> None:
        """A grant is named with its reason, and until when it holds."""
        with counter.open() as shop:
            shop.grant_tier("silver", member_id="m", ref="g-1", reason="press", until=NOW + timedelta(days=3), by="ann")
            shop.grant_tier("silver", member_id="n", ref="g-2", reason="club", until=None, by="ann")
        assert "  granted by hand (g-1: press), until 12:00 on 4 July 2026" in counter.member()
        assert "  granted by hand (g-2: club)" in counter.member("n")

    def test_what_is_no_money(self, counter: Counter) -> None:
        """Orders are counted, and written without a currency."""
        counter.rules = HEAD.replace('metric = "spend"', 'metric = "orders"').replace('"100.00"', "2").replace('"500.00"', "5")
        with counter.open() as shop:
            buy(shop, "1", "9.00")
        assert counter.member()[1:3] == ["Tier: bronze", "  1 more for silver"]

    def test_without_tiers(self, counter: Counter) -> None:
        """A program without tiers says nothing of them."""
        counter.rules = HEAD[: HEAD.index("[tiers]")]
        with counter.open() as shop:
            buy(shop, "1", "9.00")
        assert counter.member() == ["Member m", "Can be burned: 9"]


class TestHeld:
    def test_coupons_rewards_and_choices(self, counter: Counter) -> None:
        """What can be used and chosen, and what was given; what is used up, over or chosen is no longer there."""
        with counter.open() as shop:
            buy(shop, "1", "200.00")
            shop.rewards.take("cap", member_id="m", ref="t-1")
            shop.rewards.take("mug", member_id="m", ref="t-2")
            shop.rewards.take("cash", member_id="m", ref="t-3")
            shop.rewards.take("mug", member_id="m", ref="t-4")
            shop.rewards.give_back("t-4", member_id="m", reason="by mistake", by="ann")
        told = counter.member()
        assert told[told.index("") + 1 :] == [
            "Coupon of reward-cap, through 31 July 2026",
            "Coupon of reward-mug",
            "To choose for milestone/first, through 11 July 2026: points, cap",
            "Reward catalogue/cap, 1 July 2026",
            "Reward catalogue/mug, 1 July 2026",
            "Reward catalogue/cash, 1 July 2026",
            "Reward catalogue/mug, 1 July 2026: taken back",
            "Paid outside for catalogue/cash: €12.30, due",
        ]
        with counter.open() as shop:
            shop.rewards.choose("milestone/first", "points", member_id="m")
            counter.now += timedelta(days=60)
            shop.place_unseen(Basket.of("EUR", {"bell": "20.00"}), order_id="2", member_id="m", coupons=held(shop, "reward-mug"))
        later = counter.member()
        assert not [line for line in later if line.startswith(("Coupon", "To choose"))]
        assert "Reward milestone/first, 1 July 2026" in later

    def test_a_choice_that_is_over(self, counter: Counter) -> None:
        """What can no longer be chosen is not offered, and was not given."""
        with counter.open() as shop:
            buy(shop, "1", "20.00")
            counter.now += timedelta(days=11)
        assert not [line for line in counter.member() if "milestone" in line]

    def test_a_choice_without_an_end(self, counter: Counter) -> None:
        """It stands open without a day."""
        offered = RewardOffered(reward_id="survey/1", source="survey", options=("pen", "cup"), at=NOW)
        stream = member_stream("m")
        with SQLiteRepository(counter.folder / "shop.db") as repository:
            append = Append(stream=stream, expected_version=0, facts=[offered])
            repository.commit(Command.of(stream, Key("survey"), actor="test"), [append])
        assert "To choose for survey/1: pen, cup" in counter.member()

    def test_the_latest(self, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of many rewards the latest are told."""
        monkeypatch.setattr(_cli_member, "_REWARDS", 2)
        with counter.open() as shop:
            buy(shop, "1", "200.00")
            for number in range(3):
                counter.now += timedelta(days=1)
                shop.rewards.take("mug", member_id="m", ref=f"t-{number}")
        rewards = [line for line in counter.member() if line.startswith("Reward")]
        assert rewards == ["Reward catalogue/mug, 3 July 2026", "Reward catalogue/mug, 4 July 2026"]

    def test_in_french(self, counter: Counter) -> None:
        """Everything the library says."""
        with counter.open() as shop:
            buy(shop, "1", "200.00")
            shop.rewards.take("cap", member_id="m", ref="t-1")
        english, french = counter.member(), counter.member("m", "--language", "fr")
        assert len(english) == len(french)
        assert not {line for line in english if line} & set(french)


def held(shop: Loyalty, campaign_id: str) -> list[str]:
    """Give the coupons of a campaign that a member can use."""
    coupons = shop.membership("m").coupons.items()
    return [coupon_id for coupon_id, coupon in coupons if coupon.campaign_id == campaign_id and not coupon.is_gone]


class TestFriends:
    def test_both_sides(self, counter: Counter) -> None:
        """The friend came through somebody, without a name; the advocate has a code, and friends."""
        with counter.open() as shop:
            shop.join("m")
            code = shop.referrals.code("m").code
            shop.join("f", referral_code=code)
            shop.join("g", referral_code="VELO-NONE")
        assert counter.member("f")[-1] == "Came through a friend: has joined"
        assert "" not in counter.member("g")  # nobody is told that a code was refused
        assert counter.member()[-2:] == [f"Brings friends with {code}", "Friends brought: 0"]
        with counter.open() as shop:
            buy(shop, "1", "20.00", "f")
            counter.now += timedelta(days=32)
            shop.sweep()
        assert counter.member("f")[-1] == "Came through a friend: rewarded"
        assert counter.member()[-3:] == [
            "Reward referral/friends-1, 1 August 2026",
            f"Brings friends with {code}",
            "Friends brought: 1",
        ]


class TestPayouts:
    def test_all_or_some(self, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
        """One row each, of all or of those that stand somewhere."""
        monkeypatch.setattr(_cli_member, "_PAGE", 2)
        with counter.open() as shop:
            buy(shop, "1", "200.00")
            for number in range(3):
                shop.rewards.take("cash", member_id="m", ref=f"t-{number}")
            first = next(iter(shop.membership("m").rewards["reward/t-0"].payouts))
            counter.now += timedelta(days=1)
            shop.rewards.pay_out(first, ref="bank-1", by="ann")
        rows = list(csv.DictReader(io.StringIO(counter.run("payouts"))))
        assert len(rows) == 3
        assert [row["payout_id"] for row in rows] == sorted(row["payout_id"] for row in rows)
        paid = list(csv.DictReader(io.StringIO(counter.run("payouts", "--status", "paid"))))
        assert paid == [
            {
                "payout_id": first,
                "member_id": "m",
                "amount": "12.30",
                "currency": "EUR",
                "paid_as": "cash",
                "status": "paid",
                "since": "2026-07-01T10:00:00Z",
                "source": "catalogue/cash",
                "ref": "reward/t-0",
                "paid_ref": "bank-1",
                "paid_at": "2026-07-02T10:00:00Z",
            }
        ]
        due = list(csv.DictReader(io.StringIO(counter.run("payouts", "--status", "due"))))
        assert [(row["paid_ref"], row["paid_at"]) for row in due] == [("", ""), ("", "")]
        assert counter.run("payouts", "--status", "to claim back").splitlines() == [",".join(_cli_member._COLUMNS)]

    def test_nothing_is_printed_before_it_is_read(self, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the store cannot be read to its end, there is no heading, and no half of a list."""
        monkeypatch.setattr(_cli_member, "_PAGE", 1)
        with counter.open() as shop:
            buy(shop, "1", "200.00")
            shop.rewards.take("cash", member_id="m", ref="t-0")
            shop.rewards.take("cash", member_id="m", ref="t-1")
        path = counter.folder / "shop.db"
        with closing(sqlite3.connect(path)) as db:
            (last,) = db.execute("SELECT max(stream) FROM loyalty_facts WHERE stream LIKE 'payout/%'").fetchone()
            db.execute("UPDATE loyalty_facts SET fact = '{' WHERE stream = ?", (last,))
            db.commit()
        for store in (path, counter.folder / "none.db"):
            assert main(["payouts", "--store", f"sqlite:///{store}"]) == 2
            out, err = counter.capture.readouterr()
            assert (out, err.count("\n")) == ("", 1)
