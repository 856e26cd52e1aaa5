"""Gifts through ``Loyalty``: whatever a member does, what time and the command bring about is given, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from loyaltycore import Basket, Loyalty, Program, Reason, RefusedError, UsageError
from loyaltycore.store.memory import MemoryRepository
from tests.test_services import Clock

NEW_YEAR = datetime(2026, 12, 31, 23, tzinfo=UTC)  # in Paris
PROGRAM = Program.parse("""
[program]
name = "velo"
version = 1
currency = "EUR"
zone = "Europe/Paris"
starts_on = 2026-01-01
returns = "90 days"
[points]
earn = "1 per 1.00"
basis = "paid"
expires = "never"
worth = "0.01"
overdraft = "carry"
[points.actions]
review = 5
[stacking]
mode = "all"
[tiers]
metric = "spend"
window = "calendar year"
upgrade = "next period"
downgrade = "reassess"
[[tiers.rung]]
id = "bronze"
from = "0"
entry_gift = { points = 10 }
[[tiers.rung]]
id = "gold"
from = "300.00"
entry_gift = { percent_off = "20" }
[[rewards]]
id = "bell"
give = { gift = "bell" }
price = 20
""")
BIKE = Basket.of("EUR", {"bike": "400.00", "bell": "10.00"})
BELL = Basket.of("EUR", {"bell": "10.00"})


def gifts(shop: Loyalty, member_id: str = "m") -> list[str]:
    """Name the gifts of a member."""
    return [held.source for held in shop.membership(member_id).rewards.values() if held.source.startswith("tier/")]


def reserve(shop: Loyalty) -> None:
    """Set an order aside that burns points."""
    quote = shop.quote(BELL, member_id="m", burn=50)
    shop.reserve(quote, order_id="2", hold_for=timedelta(hours=1))


def cancel(shop: Loyalty) -> None:
    """Give up the order that was set aside in the old year."""
    shop.cancel("0")


def transfer(shop: Loyalty) -> None:
    """Take points of somebody else."""
    shop.transfer(5, member_id="other", to="m", ref="present")


ACTS: dict[str, Callable[[Loyalty], object]] = {
    "place": lambda shop: shop.place(shop.quote(BELL, member_id="m"), order_id="2"),
    "reserve": reserve,
    "cancel": cancel,
    "refund": lambda shop: shop.refund("1", return_id="r", lines={"bell": 1}),
    "record": lambda shop: shop.record("review", member_id="m", ref="r-1"),
    "burn": lambda shop: shop.burn(5, member_id="m", ref="till-1"),
    "transfer": transfer,
    "take": lambda shop: shop.rewards.take("bell", member_id="m", ref="t-1"),
    "give back": lambda shop: shop.rewards.give_back("t-0", member_id="m", reason="no use", by="ann"),
    "grant": lambda shop: shop.grant_tier("bronze", member_id="m", ref="g", until=None, reason="", by="ann"),
}


class TestWhatTimeBrings:
    @pytest.mark.parametrize("act", ACTS)
    def test_whatever_is_done_next_brings_the_gift(self, act: str) -> None:
        """Gold begins with the new year; the first command of the year gives its gift, and none gives it again."""
        clock = Clock(NEW_YEAR - timedelta(days=20))
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=clock)
        shop.join("m")
        shop.earn(100, member_id="other", ref="welcome", expires_at=None, actor="ann")
        shop.place(shop.quote(BIKE, member_id="m"), order_id="1")
        shop.rewards.take("bell", member_id="m", ref="t-0")
        shop.reserve(shop.quote(BELL, member_id="m", burn=50), order_id="0", hold_for=timedelta(days=30))
        assert gifts(shop) == ["tier/bronze"]
        clock.at = NEW_YEAR + timedelta(days=1)
        ACTS[act](shop)
        assert gifts(shop) == ["tier/bronze", "tier/gold"]
        assert [coupon.campaign_id for coupon in shop.coupons("m") if coupon.campaign_id == "tier-gold"] == ["tier-gold"]
        clock.at += timedelta(days=1)
        shop.record("review", member_id="m", ref="r-2")
        assert gifts(shop) == ["tier/bronze", "tier/gold"]


class TestWelcome:
    def test_joining_brings_the_gift_of_the_first_tier(self) -> None:
        """A tier that takes nothing is entered by joining."""
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=Clock(NEW_YEAR))
        assert shop.join("m") == shop.join("m")
        assert (gifts(shop), shop.overview("m").balance.available) == (["tier/bronze"], 10)


class TestGrants:
    def test_ended_when_its_time_was_over(self) -> None:
        """There is nothing to end, and the answer says since when."""
        clock = Clock(NEW_YEAR)
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=clock)
        until = NEW_YEAR + timedelta(days=30)
        shop.grant_tier("gold", member_id="m", ref="t-1", until=until, reason="a lost parcel", by="ann")
        version = shop.membership("m").version
        clock.at = until
        assert shop.end_tier_grant("t-1", member_id="m", reason="found", by="ann").at == until
        assert shop.membership("m").version == version

    def test_ended_before_its_time(self) -> None:
        """Once: the same call again answers the same, another reason is another call."""
        clock = Clock(NEW_YEAR)
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=clock)
        granted = shop.grant_tier("gold", member_id="m", ref="t-1", until=None, reason="a lost parcel", by="ann")
        assert shop.grant_tier("gold", member_id="m", ref="t-1", until=None, reason="a lost parcel", by="ann") == granted
        answer = shop.explain_tier("m")
        assert answer is not None
        assert (answer.status.tier, answer.status.granted) == ("gold", True)
        clock.at += timedelta(days=1)
        ended = shop.end_tier_grant("t-1", member_id="m", reason="found", by="ann")
        assert shop.end_tier_grant("t-1", member_id="m", reason="found", by="ann") == ended
        with pytest.raises(RefusedError) as caught:
            shop.end_tier_grant("t-2", member_id="m", reason="found", by="ann")
        assert caught.value.refusal.reason is Reason.TIER_GRANT_NOT_FOUND

    def test_a_mistake_is_undone(self) -> None:
        """Granted and ended at once: the coupon that it brought is nobody's."""
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=Clock(NEW_YEAR))
        shop.join("m")
        shop.grant_tier("gold", member_id="m", ref="t-1", until=None, reason="", by="ann")
        [coupon] = shop.coupons("m")
        shop.end_tier_grant("t-1", member_id="m", reason="the wrong member", by="ann")
        assert shop.coupons("m") == ()
        assert [held.is_gone for held in shop.membership("m").rewards.values() if coupon.coupon_id in held.coupons] == [True]

    def test_an_end_names_itself(self) -> None:
        """A day is no instant."""
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=Clock(NEW_YEAR))
        with pytest.raises(UsageError, match="until must be a timezone-aware datetime"):
            shop.grant_tier("gold", member_id="m", ref="t", until=NEW_YEAR.date(), reason="", by="ann")  # type: ignore[arg-type]

    def test_a_coupon_of_a_stopped_campaign_waits(self) -> None:
        """It is given, opens nothing while the campaign is stopped, and can be used when it goes on."""
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=Clock(NEW_YEAR))
        shop.join("m")
        shop.stop("tier-gold", by="ann")
        shop.grant_tier("gold", member_id="m", ref="t-1", until=None, reason="", by="ann")
        [coupon] = shop.coupons("m")
        assert coupon.refusal is not None
        assert coupon.refusal.reason is Reason.CAMPAIGN_STOPPED
        shop.resume("tier-gold", by="ann")
        [coupon] = shop.coupons("m")
        assert coupon.refusal is None


def test_facts_are_named() -> None:
    """What was given stands in the member's stream under its natural key."""
    shop = Loyalty(PROGRAM, MemoryRepository(), clock=Clock(NEW_YEAR))
    shop.join("m")
    assert list(shop.membership("m").rewards) == ["tier/bronze/2027-01-01"]
