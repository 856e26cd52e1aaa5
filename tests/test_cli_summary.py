"""The summary of a replay, line by line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs

from loyaltycore._cli_summary import summary
from loyaltycore._referral_insight import Rank
from loyaltycore.replay import Report

REPORT = Report(
    program="shop 1",
    digest="0" * 32,
    read=3,
    buckets={"join": 3},
    beside={},
    members=1234,
    orders={"member": 1000, "guest": 5},
    points={"earned": 1500, "live": 3},
    tiers={},
    offers={"ten": {"uses": 2, "cost_minor": 500}},
    ends_at=datetime(2026, 8, 1, tzinfo=UTC),
    balanced=True,
)


def told(**fields: Any) -> list[str]:  # noqa: ANN401 - whatever a report has
    """Lay out a report with some fields of its own, with one blank between the name and the value."""
    lines = summary(attrs.evolve(REPORT, **fields), "EUR").splitlines()
    return [" ".join(line.split()) if line.strip() else "" for line in lines]


def section(title: str, lines: list[str]) -> list[str]:
    """Give what stands under a heading."""
    start = next(number for number, line in enumerate(lines) if line.split()[:1] == [title])
    return lines[start + 1 : lines.index("", start)]


def test_the_least() -> None:
    """What there is none of has no heading."""
    assert told() == [
        "program shop 1",
        "members 1,234",
        "orders 1,005 (5 of guests)",
        "",
        "points",
        "earned 1,500",
        "",
        "offers",
        "ten 2 uses, €5.00",
        "",
        "rows 3",
        "join 3",
        "",
        "books balanced",
    ]
    assert told(balanced=False)[-1] == "books DO NOT BALANCE"


def test_tiers_are_a_table() -> None:
    """One line a quarter; those below the first tier have a column where there ever are any."""
    quarters = {
        "2026-Q1": {"bronze": 1234, "extraordinary": 5, "none": 0, "up": 1, "down": 0},
        "2026-Q2": {"bronze": 1200, "extraordinary": 39, "none": 0, "up": 34, "down": 2},
    }
    lines = summary(attrs.evolve(REPORT, quarters=quarters), "EUR").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("tiers"))
    assert lines[start : start + 3] == [
        "tiers        bronze  extraordinary      up    down",
        "  2026-Q1     1,234              5       1       0",
        "  2026-Q2     1,200             39      34       2",
    ]
    quarters["2026-Q2"]["none"] = 7
    assert section("tiers", told(quarters=quarters)) == ["2026-Q1 1,234 5 0 1 0", "2026-Q2 1,200 39 7 34 2"]


def test_campaigns_and_cards() -> None:
    """A campaign's offer is told once; of cards what there is none of is left out, but the usual."""
    campaign = {"issued": 10, "granted": 0, "redeemed": 2, "brought_minor": 1000, "cost_minor": 100}
    cards = {"cards": 2, "sold": 1, "loaded_minor": 5000, "cancelled_minor": 0, "paid_minor": 0, "owed_minor": 7}
    lines = told(campaigns={"ten": campaign}, gift_cards=cards)
    assert section("campaigns", lines) == ["ten 10 issued, 2 redeemed (20.0 %), brought €10.00, cost €1.00"]
    assert section("gift", lines) == ["cards 2", "sold 1", "loaded €50.00", "paid €0.00", "owed €0.07"]
    assert "offers" not in lines


def test_rewards() -> None:
    """What was given, paid for, used and cost; nothing of what there was none of."""
    none = dict.fromkeys(("given", "taken_back", "price_points", "points", "coupons_used", "cost_minor"), 0)
    full = {"given": 1234, "taken_back": 5, "price_points": 6000, "points": 7000, "coupons_used": 1, "cost_minor": 890}
    lines = told(rewards={"catalogue/cap": {**none, "given": 1}, "tier/gold": full, "x": {**none, "coupons_used": 2}})
    assert section("rewards", lines) == [
        "catalogue/cap 1 given",
        "tier/gold 1,234 given, 5 taken back, for 6,000 points, 7,000 points, 1 coupon used, cost €8.90",
        "x 0 given, 2 coupons used",
    ]


def test_friends() -> None:
    """Counts, money, and the three shares; what cannot be worked out is a dash."""
    counts = {"joined": 1000, "refused": 2, "cost_minor": 1234, "ltv_minor": 5600}
    lines = told(referrals={**counts, "conversion": "0.4950", "k": "0.1241", "roi": "115.4232"})
    assert section("referrals", lines) == [
        "joined 1,000",
        "refused 2",
        "cost €12.34",
        "worth of a member €56.00",
        "conversion 49.5 %",
        "k 0.12",
        "ROI 115.42",
    ]
    nothing = told(referrals={**counts, "conversion": None, "k": None, "roi": None})
    assert section("referrals", nothing)[-3:] == ["conversion –", "k –", "ROI –"]


def test_advocates() -> None:
    """Places, and friends; one friend is one."""
    ranks = [Rank(place=1, advocate_id="m-1", friends=1200), Rank(place=2, advocate_id="m-2", friends=1)]
    assert section("advocates", told(advocates=ranks)) == ["1. m-1 1,200 friends", "2. m-2 1 friend"]
