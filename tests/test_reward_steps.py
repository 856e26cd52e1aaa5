"""Rewards at the service: once for each name, a stock that is never overdrawn, and payouts that are paid once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

import attrs
import pytest

from loyaltycore import Basket, Loyalty, Membership, Reason, RefusedError, UsageError
from loyaltycore._earning import Times
from loyaltycore._payouts import PayoutStatus
from loyaltycore._reward_steps import PAYOUTS_LIMIT, PayoutPage
from loyaltycore._rewarding import taking_key
from loyaltycore.benefits import BonusPoints, NextCoupon, PercentOff, Several
from loyaltycore.coupons import CouponCampaign
from loyaltycore.facts import Fact
from loyaltycore.identity import CounterId, Key, member_stream
from loyaltycore.offers import FreedBy, Limits
from loyaltycore.periods import Period
from loyaltycore.repositories import Repository
from loyaltycore.rewards import BalanceReaches, CatalogueReward, Choice, Milestone, OrderNumber, PayOut
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.tiers import TierBenefits
from tests.rewards_shop import DAY, NOON, euros, program, tiers
from tests.test_services import Clock, LossyRepository, lost, outrun, refusal_of

TEN = PercentOff("10")
RULES = program(
    rewards=[
        CatalogueReward("voucher", give=TEN, price=100, stock=Times(per_month=2, lifetime=3), valid_for=Period(days=30)),
        CatalogueReward("cash", give=PayOut(euros("5")), price=100, tier_prices={"gold": 50}),
        CatalogueReward("sorry", give=NextCoupon("sorry"), price=10, per_member=1),
    ],
    milestones=[
        Milestone("first", when=OrderNumber(1), give=Choice({"ten": TEN, "sorry": NextCoupon("sorry")}, within=Period(days=9))),
        Milestone("third", when=OrderNumber(3), give=BonusPoints(5)),
    ],
    tier_rule=tiers({0: "bronze", 10000: "gold"}, gold=TierBenefits(entry_gift=PayOut(euros("1")))),
    campaigns=[CouponCampaign("sorry", give=TEN, codes=None)],
)
SECOND = program(
    milestones=[Milestone("second", when=OrderNumber(2), give=TEN)],
    campaigns=[CouponCampaign("sorry", give=TEN, codes=None)],
)
BIKE = Basket.of("EUR", {"bike": "60.00"})


def open_shop(store: Repository | None = None, clock: Clock | None = None, *, points: int = 500) -> Loyalty:
    """Open a shop whose member has points."""
    shop = Loyalty(RULES, MemoryRepository() if store is None else store, clock=clock or Clock(NOON))
    if points:
        shop.earn(points, member_id="m", ref="welcome", expires_at=None, reason="welcome", actor="ann")
    return shop


def buy(shop: Loyalty, order_id: str, basket: Basket = BIKE, member_id: str = "m", coupons: tuple[str, ...] = ()) -> None:
    """Buy something."""
    quote = shop.quote(basket, member_id=member_id, coupons=coupons)
    shop.place(quote, order_id=order_id)


def points(shop: Loyalty, member_id: str = "m") -> int:
    """Give the points of a member."""
    return shop.overview(member_id).balance.available


def coupons_of(shop: Loyalty) -> list[str]:
    """Name the coupons that the member can use, now or later."""
    return [coupon.coupon_id for coupon in shop.coupons("m")]


def facts_of(shop: Loyalty) -> tuple[Fact, ...]:
    """Give what is stored of the member."""
    stream = member_stream("m")
    stored = shop.repository.load([stream])[stream]
    return tuple(stored.facts)


def held_of(shop: Loyalty, counter: str) -> int:
    """Say how much is held of a counter."""
    name = CounterId(counter)
    return shop.repository.claimed([name], key=Key("-"), at=shop.clock())[name].total


class TestCatalogue:
    def test_the_page_lists_all_of_it(self) -> None:
        """By id, with the price of the member's tier and what is missing."""
        shop = open_shop(points=60)
        assert [(one.reward_id, one.price, one.missing_points) for one in shop.rewards.of("m")] == [
            ("cash", 100, 40),
            ("sorry", 10, 0),
            ("voucher", 100, 40),
        ]
        assert [one.refusal and one.refusal.reason for one in shop.rewards.of("m")] == [
            Reason.POINTS_INSUFFICIENT,
            None,
            Reason.POINTS_INSUFFICIENT,
        ]
        buy(shop, "1", Basket.of("EUR", {"bike": "100.00"}))
        assert [one.price for one in shop.rewards.of("m")] == [50, 10, 100]
        assert [one.price for one in shop.rewards.of("nobody")] == [100, 10, 100]

    def test_the_page_knows_the_stock(self) -> None:
        """What others took is gone."""
        shop = open_shop()
        for name in ("a", "b"):
            shop.earn(500, member_id=name, ref="welcome", expires_at=None, reason="welcome", actor="ann")
            shop.rewards.take("voucher", member_id=name, ref="t-1")
        refused = shop.rewards.of("m")[2].refusal
        assert refused is not None
        assert (refused.reason, refused.details["period"]) == (Reason.REWARD_LIMIT_REACHED, "per_month")

    def test_a_stopped_campaign_gives_nothing(self) -> None:
        """The page says so, and nothing is burned."""
        shop = open_shop()
        shop.stop("reward-voucher", reason="faulty", by="ann")
        assert [one.refusal and one.refusal.reason for one in shop.rewards.of("m")] == [None, None, Reason.CAMPAIGN_STOPPED]
        refused = refusal_of(lambda: shop.rewards.take("voucher", member_id="m", ref="t-1"))
        assert refused.reason is Reason.CAMPAIGN_STOPPED
        assert points(shop) == 500

    def test_taken_once_however_often_it_is_asked(self) -> None:
        """The answer is the first one's, whatever the price is by now."""
        clock = Clock(NOON)
        shop = open_shop(clock=clock)
        first = shop.rewards.take("cash", member_id="m", ref="t-1", actor="m")
        assert (first.source, first.price_points, len(first.payouts)) == ("catalogue/cash", 100, 1)
        buy(shop, "1", Basket.of("EUR", {"bike": "100.00"}))
        clock.at += DAY
        assert shop.rewards.take("cash", member_id="m", ref="t-1", actor="m") == first
        assert points(shop) == 500

    def test_with_other_content_it_is_refused(self) -> None:
        """Another reward, or another who asks."""
        shop = open_shop()
        shop.rewards.take("cash", member_id="m", ref="t-1")
        refused = refusal_of(lambda: shop.rewards.take("voucher", member_id="m", ref="t-1", actor="bob"))
        assert refused.details == {"key": "take_reward:t-1", "fields": ("actor", "reward_id")}

    def test_what_is_not_in_the_catalogue(self) -> None:
        """Nothing is looked at."""
        assert refusal_of(lambda: open_shop().rewards.take("bike", member_id="m", ref="t-1")).reason is Reason.REWARD_NOT_FOUND

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_an_answer_that_is_lost(self, when: str) -> None:
        """Asked again, it was done once."""
        store = LossyRepository()
        shop = open_shop(store)
        getattr(store, when)["commit"] = [lost]
        with pytest.raises(ConnectionError):
            shop.rewards.take("voucher", member_id="m", ref="t-1")
        shop.rewards.take("voucher", member_id="m", ref="t-1")
        assert points(shop) == 400
        assert held_of(shop, "reward/voucher") == 1

    def test_a_race_that_was_lost(self) -> None:
        """Decided anew on what is so by then."""
        store = LossyRepository()
        shop = open_shop(store)
        store.before["commit"] = [outrun, outrun]
        shop.rewards.take("voucher", member_id="m", ref="t-1")
        assert points(shop) == 400

    def test_a_server_whose_clock_is_behind(self) -> None:
        """The points were earned a moment later than it is here: it is dated there."""
        clock = Clock(NOON)
        shop = open_shop(clock=clock)
        clock.at -= timedelta(seconds=30)
        assert shop.rewards.of("m")[0].refusal is None
        assert shop.rewards.take("cash", member_id="m", ref="t-1").at == NOON

    def test_the_stock_is_counted_by_period(self) -> None:
        """Two a month, three ever; nobody reads out of a claim whose it is."""
        clock = Clock(NOON)
        shop = open_shop(clock=clock, points=5000)
        shop.rewards.take("voucher", member_id="m", ref="t-1")
        shop.rewards.take("voucher", member_id="m", ref="t-2")
        refused = refusal_of(lambda: shop.rewards.take("voucher", member_id="m", ref="t-3"))
        assert refused.details == {"reward_id": "voucher", "limit": 2, "period": "per_month"}
        clock.at += 40 * DAY
        shop.rewards.take("voucher", member_id="m", ref="t-3")
        clock.at += 40 * DAY
        refused = refusal_of(lambda: shop.rewards.take("voucher", member_id="m", ref="t-4"))
        assert refused.details == {"reward_id": "voucher", "limit": 3, "period": "lifetime"}
        assert held_of(shop, "reward/voucher/2026-07") == 2
        assert held_of(shop, "reward/voucher/2026-08") == 1
        shop.rewards.give_back("t-1", member_id="m", reason="sorry", by="ann")
        assert held_of(shop, "reward/voucher/2026-07") == 1
        assert held_of(shop, "reward/voucher") == 2

    def test_a_limit_of_the_members_own(self) -> None:
        """Out of what the member has."""
        shop = open_shop()
        shop.rewards.take("sorry", member_id="m", ref="t-1")
        refused = refusal_of(lambda: shop.rewards.take("sorry", member_id="m", ref="t-2"))
        assert refused.reason is Reason.REWARD_MEMBER_LIMIT_REACHED

    def test_a_stock_that_is_gone_at_the_last_moment(self) -> None:
        """Somebody claims the last one between the look and the commit: it is refused with its reason."""
        store = LossyRepository()
        shop = open_shop(store)

        def other() -> None:
            other_shop = Loyalty(RULES, store.inner, clock=Clock(NOON))
            for name in ("a", "b"):
                other_shop.earn(500, member_id=name, ref="welcome", expires_at=None, reason="welcome", actor="ann")
                other_shop.rewards.take("voucher", member_id=name, ref="t-1")

        store.before["commit"] = [other]
        assert refusal_of(lambda: shop.rewards.take("voucher", member_id="m", ref="t-1")).reason is Reason.REWARD_LIMIT_REACHED
        assert points(shop) == 500

    @pytest.mark.law(32)
    def test_many_at_once_take_as_many_as_there_are(self) -> None:
        """32 members at once, a stock of 10: ten have one, and the others their points."""
        rules = attrs.evolve(RULES, rewards=[CatalogueReward("mug", give=TEN, price=100, stock=10)])
        shop = Loyalty(rules, MemoryRepository(), clock=Clock(NOON), retries=100)
        names = [f"m-{number}" for number in range(32)]
        for name in names:
            shop.earn(100, member_id=name, ref="welcome", expires_at=None, reason="welcome", actor="ann")

        def take(name: str) -> bool:
            try:
                shop.rewards.take("mug", member_id=name, ref="t-1")
            except RefusedError as error:
                return error.refusal.reason is not Reason.REWARD_LIMIT_REACHED
            return True

        with ThreadPoolExecutor(32) as pool:
            taken = list(pool.map(take, names))
        assert sum(taken) == 10
        assert held_of(shop, "reward/mug") == 10
        assert sorted(points(shop, name) for name in names) == [0] * 10 + [100] * 22
        assert all(bool(points(shop, name)) is not done for name, done in zip(names, taken, strict=True))


class TestGivingBack:
    def test_given_back_once(self) -> None:
        """Points, coupon and stock; called again it is the first answer."""
        shop = open_shop()
        taken = shop.rewards.take("voucher", member_id="m", ref="t-1")
        first = shop.rewards.give_back("t-1", member_id="m", reason="sorry", by="ann")
        assert (first.reward_id, first.reason, first.actor) == ("reward/t-1", "sorry", "ann")
        assert shop.rewards.give_back("t-1", member_id="m", reason="sorry", by="ann") == first
        assert points(shop) == 500
        assert held_of(shop, "reward/voucher") == 0
        assert shop.coupons("m") == ()
        assert taken.coupons

    def test_points_that_carried_a_milestone(self) -> None:
        """They go back, and it goes with them."""
        rules = attrs.evolve(
            RULES,
            rewards=[CatalogueReward("more", give=BonusPoints(200), price=100)],
            milestones=[Milestone("rich", when=BalanceReaches(560), give=PayOut(euros("2")))],
        )
        clock = Clock(NOON)
        shop = Loyalty(rules, MemoryRepository(), clock=clock)
        shop.earn(500, member_id="m", ref="welcome", expires_at=None, actor="ann")
        shop.rewards.take("more", member_id="m", ref="t-1")
        clock.at += DAY
        shop.record("review", member_id="m", ref="r-1")
        assert [one.status for one in shop.rewards.payouts().payouts] == [PayoutStatus.DUE]
        shop.rewards.give_back("t-1", member_id="m", reason="sorry", by="ann")
        assert [one.status for one in shop.rewards.payouts().payouts] == [PayoutStatus.REVERSED]
        assert points(shop) == 550

    def test_said_otherwise_it_is_refused(self) -> None:
        """It is gone, for another reason."""
        shop = open_shop()
        shop.rewards.take("cash", member_id="m", ref="t-1")
        shop.rewards.give_back("t-1", member_id="m", reason="sorry", by="ann")
        refused = refusal_of(lambda: shop.rewards.give_back("t-1", member_id="m", reason="mistake", by="ann"))
        assert refused.details == {"key": "return_reward:t-1", "fields": ("reason",)}

    def test_what_was_used_stays(self) -> None:
        """A coupon in an order, money that left."""
        shop = open_shop()
        (coupon,) = shop.rewards.take("voucher", member_id="m", ref="t-1").coupons
        buy(shop, "1", coupons=(coupon,))
        assert refusal_of(lambda: shop.rewards.give_back("t-1", member_id="m", reason="", by="ann")).reason is Reason.REWARD_USED
        (payout,) = shop.rewards.take("cash", member_id="m", ref="t-2").payouts
        shop.rewards.pay_out(payout, ref="run-1", by="ann")
        assert refusal_of(lambda: shop.rewards.give_back("t-2", member_id="m", reason="", by="ann")).reason is Reason.REWARD_USED
        assert (
            refusal_of(lambda: shop.rewards.give_back("t-3", member_id="m", reason="", by="ann")).reason
            is Reason.REWARD_NOT_FOUND
        )

    def test_the_coupon_moves_between_two_looks(self) -> None:
        """An order uses it meanwhile: it is looked at again."""
        store = LossyRepository()
        shop = open_shop(store)
        (coupon,) = shop.rewards.take("voucher", member_id="m", ref="t-1").coupons
        other = Loyalty(RULES, store.inner, clock=Clock(NOON))
        store.before["commit"] = [lambda: buy(other, "1", coupons=(coupon,))]
        assert refusal_of(lambda: shop.rewards.give_back("t-1", member_id="m", reason="", by="ann")).reason is Reason.REWARD_USED


class TestChoosing:
    def test_chosen_once(self) -> None:
        """The answer is the first one's."""
        shop = open_shop()
        buy(shop, "1")
        first = shop.rewards.choose("milestone/first", "ten", member_id="m")
        assert (first.reward_id, first.option, len(first.coupons)) == ("milestone/first", "ten", 1)
        assert shop.rewards.choose("milestone/first", "ten", member_id="m") == first
        refused = refusal_of(lambda: shop.rewards.choose("milestone/first", "sorry", member_id="m"))
        assert refused.details == {"key": "choose:milestone/first", "fields": ("option",)}
        assert [one.campaign_id for one in shop.coupons("m")] == ["milestone-first:ten"]

    def test_what_is_not_there_or_not_offered(self) -> None:
        """The program and the member are both asked."""
        shop = open_shop()
        assert refusal_of(lambda: shop.rewards.choose("milestone/first", "ten", member_id="m")).reason is Reason.REWARD_NOT_FOUND
        buy(shop, "1")
        assert (
            refusal_of(lambda: shop.rewards.choose("milestone/first", "bike", member_id="m")).reason is Reason.REWARD_NOT_OFFERED
        )

    def test_of_a_stopped_campaign_nothing_is_chosen(self) -> None:
        """The other option is there still."""
        shop = open_shop()
        buy(shop, "1")
        shop.stop("sorry", reason="faulty", by="ann")
        refused = refusal_of(lambda: shop.rewards.choose("milestone/first", "sorry", member_id="m"))
        assert refused.reason is Reason.CAMPAIGN_STOPPED
        shop.rewards.choose("milestone/first", "ten", member_id="m")

    def test_the_switch_is_turned_between_two_looks(self) -> None:
        """Then nothing is given."""
        store = LossyRepository()
        shop = open_shop(store)
        buy(shop, "1")
        other = Loyalty(RULES, store.inner, clock=Clock(NOON))
        store.before["commit"] = [lambda: other.stop("sorry", reason="faulty", by="ann")]
        refused = refusal_of(lambda: shop.rewards.choose("milestone/first", "sorry", member_id="m"))
        assert refused.reason is Reason.CAMPAIGN_STOPPED


class TestPayouts:
    def given(self, count: int) -> Loyalty:
        """Open a shop that owes something so many times."""
        shop = open_shop(points=100 * count)
        for number in range(count):
            shop.rewards.take("cash", member_id="m", ref=f"t-{number}")
        return shop

    def test_pages(self) -> None:
        """In order of the ids, each once, of any size."""
        shop = self.given(5)
        whole = shop.rewards.payouts()
        names = [payout.payout_id for payout in whole.payouts]
        assert (names, whole.after) == (sorted(names), None)
        assert len(names) == 5
        for limit in (1, 2, 5):
            found, after = list[str](), cast("str | None", None)
            for _ in range(7):
                page = shop.rewards.payouts(after=after, limit=limit)
                assert len(page.payouts) <= limit
                found += [payout.payout_id for payout in page.payouts]
                after = page.after
                if after is None:
                    break
            assert (found, after) == (names, None)

    def test_of_one_status(self) -> None:
        """What is due, what was paid."""
        shop = self.given(3)
        first, second, _ = [payout.payout_id for payout in shop.rewards.payouts().payouts]
        assert shop.rewards.pay_out(first, ref="run-1", by="ann").status is PayoutStatus.PAID
        assert [one.payout_id for one in shop.rewards.payouts(status=PayoutStatus.PAID).payouts] == [first]
        due = shop.rewards.payouts(status=PayoutStatus.DUE, limit=1)
        assert ([one.payout_id for one in due.payouts], due.after) == ([second], second)
        assert shop.rewards.payouts(status=PayoutStatus.REVERSED) == PayoutPage(payouts=(), after=None)

    def test_paid_once(self) -> None:
        """Called again, it is as it stands; under another name it is refused."""
        shop = self.given(1)
        (payout,) = shop.rewards.payouts().payouts
        paid = shop.rewards.pay_out(payout.payout_id, ref="run-1", by="ann")
        assert (paid.paid_ref, paid.paid_by, paid.amount) == ("run-1", "ann", euros("5"))
        assert shop.rewards.pay_out(payout.payout_id, ref="run-1", by="ann") == paid
        refused = refusal_of(lambda: shop.rewards.pay_out(payout.payout_id, ref="run-2", by="ann"))
        assert refused.details == {"key": "pay", "fields": ("ref",)}
        assert refusal_of(lambda: shop.rewards.pay_out("none", ref="run-2", by="ann")).reason is Reason.PAYOUT_NOT_FOUND

    def test_what_was_reversed_is_not_paid(self) -> None:
        """And no longer due."""
        shop = self.given(1)
        (payout,) = shop.rewards.payouts().payouts
        shop.rewards.give_back("t-0", member_id="m", reason="", by="ann")
        assert refusal_of(lambda: shop.rewards.pay_out(payout.payout_id, ref="r", by="ann")).reason is Reason.PAYOUT_REVERSED
        assert shop.rewards.payouts(status=PayoutStatus.DUE).payouts == ()

    @pytest.mark.parametrize("limit", [0, PAYOUTS_LIMIT + 1, True])
    def test_a_page_has_a_size(self, limit: int) -> None:
        """One to a thousand."""
        with pytest.raises(UsageError, match="limit"):
            open_shop().rewards.payouts(limit=limit)

    def test_a_status_is_one_of_the_payouts(self) -> None:
        """A text is none."""
        with pytest.raises(UsageError, match="status"):
            open_shop().rewards.payouts(status="due")  # type: ignore[arg-type]

    def test_a_repository_that_cannot_list(self) -> None:
        """It says what is missing."""
        with pytest.raises(UsageError, match="payouts needs a repository that has streams, got LossyRepository"):
            open_shop(LossyRepository()).rewards.payouts()


class TestWithOrders:
    @pytest.mark.parametrize("kind", ["memory", "sqlite"])
    def test_gifts_and_milestones_come_and_go_with_orders(self, kind: str, tmp_path: Path) -> None:
        """What an order brought is in the same commit, and a return takes it back in its own."""
        store: Repository = MemoryRepository() if kind == "memory" else SQLiteRepository(tmp_path / "shop.db")
        shop = open_shop(store, points=0)
        buy(shop, "1")
        buy(shop, "2")
        assert [(one.amount, one.status) for one in shop.rewards.payouts().payouts] == [(euros("1"), PayoutStatus.DUE)]
        buy(shop, "3")
        assert points(shop) == 180 + 5
        shop.refund("1", amount=euros("60"), return_id="r-1")
        assert points(shop) == 120
        assert [one.status for one in shop.rewards.payouts().payouts] == [PayoutStatus.DUE]
        shop.refund("2", amount=euros("60"), return_id="r-1")
        assert [one.status for one in shop.rewards.payouts().payouts] == [PayoutStatus.REVERSED]
        shop.refund("2", amount=euros("60"), return_id="r-1")
        assert points(shop) == 60

    def test_a_coupon_that_was_chosen_goes_with_its_order(self) -> None:
        """It was not used."""
        shop = open_shop(points=0)
        buy(shop, "1")
        shop.rewards.choose("milestone/first", "ten", member_id="m")
        shop.refund("1", amount=euros("60"), return_id="r-1")
        assert shop.coupons("m") == ()
        buy(shop, "2")
        member = Membership.replay("m", facts_of(shop))
        assert member.rewards["milestone/first/2"].options == ("ten", "sorry")

    def test_a_coupon_that_was_used_is_not_given_twice(self) -> None:
        """Used, its order comes back, and the milestone is passed again."""
        clock = Clock(NOON)
        shop = open_shop(clock=clock, points=0)
        buy(shop, "1")
        (coupon,) = shop.rewards.choose("milestone/first", "ten", member_id="m").coupons
        buy(shop, "2", coupons=(coupon,))
        shop.refund("1", amount=euros("60"), return_id="r-1")
        shop.refund("2", lines={"bike": 1}, return_id="r-1")
        assert shop.coupons("m") == ()
        buy(shop, "3")
        member = Membership.replay("m", facts_of(shop))
        assert [name for name, held in member.rewards.items() if held.is_open(clock.at)] == ["milestone/first/2"]

    def test_a_coupon_that_was_used_is_handed_on_and_free_again(self) -> None:
        """Every order comes back, two others carry the milestone: one coupon, as if the first three had never been."""
        shop = Loyalty(SECOND, MemoryRepository(), clock=Clock(NOON))
        buy(shop, "1")
        buy(shop, "2")
        (coupon,) = coupons_of(shop)
        buy(shop, "3", coupons=(coupon,))
        for order_id in ("1", "2", "3"):
            shop.refund(order_id, lines={"bike": 1}, return_id="r-1")
        assert coupons_of(shop) == []
        buy(shop, "4")
        buy(shop, "5")
        (fresh,) = coupons_of(shop)
        buy(shop, "6", coupons=(fresh,))
        assert shop.order("6").placed is not None

    def test_it_is_used_once_however_often_it_is_given(self) -> None:
        """The order that used it stands: the reward stands for the next that comes so far, and brings nothing to use."""
        shop = Loyalty(SECOND, MemoryRepository(), clock=Clock(NOON))
        buy(shop, "1")
        buy(shop, "2")
        (coupon,) = coupons_of(shop)
        buy(shop, "3", coupons=(coupon,))
        shop.refund("1", lines={"bike": 1}, return_id="r-1")
        shop.refund("2", lines={"bike": 1}, return_id="r-1")
        buy(shop, "4")
        assert "milestone/second/2" in shop.membership("m").rewards
        assert coupons_of(shop) == []
        quote = shop.quote(BIKE, member_id="m", coupons=(coupon,))
        assert quote.total == euros("60")
        shop.refund("3", lines={"bike": 1}, return_id="r-1")  # now order 4 alone stands
        assert coupons_of(shop) == []
        buy(shop, "5")
        (again,) = coupons_of(shop)
        assert shop.quote(BIKE, member_id="m", coupons=(again,)).total == euros("54")

    def test_an_order_that_held_it_is_given_up(self) -> None:
        """The reward went and came while the coupon was held: it can be used, once."""
        clock = Clock(NOON)
        shop = Loyalty(SECOND, MemoryRepository(), clock=clock)
        buy(shop, "1")
        buy(shop, "2")
        (coupon,) = coupons_of(shop)
        held = shop.quote(BIKE, member_id="m", coupons=(coupon,))
        shop.reserve(held, order_id="3", hold_for=DAY)
        shop.refund("2", lines={"bike": 1}, return_id="r-1")
        buy(shop, "4")
        shop.cancel("3")
        assert coupons_of(shop) == [coupon]
        buy(shop, "5", coupons=(coupon,))
        assert coupons_of(shop) == []

    def test_several_coupons_of_one_reward(self) -> None:
        """One was used: with the reward given again that one is handed on, and the other is new."""
        both = Milestone("second", when=OrderNumber(2), give=Several([NextCoupon("sorry"), TEN]))
        shop = Loyalty(attrs.evolve(SECOND, milestones=[both]), MemoryRepository(), clock=Clock(NOON))
        buy(shop, "1")
        buy(shop, "2")
        sorry, ten = (coupon.coupon_id for coupon in sorted(shop.coupons("m"), key=lambda one: one.campaign_id, reverse=True))
        buy(shop, "3", coupons=(sorry,))
        shop.refund("1", lines={"bike": 1}, return_id="r-1")
        shop.refund("2", lines={"bike": 1}, return_id="r-1")
        assert coupons_of(shop) == []
        buy(shop, "4")
        (fresh,) = shop.coupons("m")
        assert (fresh.campaign_id, fresh.coupon_id == ten) == ("milestone-second", False)

    def test_both_coupons_of_one_reward_come_back_at_once(self) -> None:
        """By a return, or by giving up the order that held them: both are revoked, and the next reward gives two."""
        both = Milestone("second", when=OrderNumber(2), give=Several([NextCoupon("sorry"), TEN]))
        campaign = CouponCampaign("sorry", give=TEN, codes=None, limits=Limits(freed_by=FreedBy.RETURNED))
        rules = attrs.evolve(SECOND, milestones=[both], campaigns=[campaign])
        for is_held in (False, True):
            shop = Loyalty(rules, MemoryRepository(), clock=Clock(NOON))
            buy(shop, "1")
            buy(shop, "2")
            coupons = tuple(coupons_of(shop))
            if is_held:
                shop.reserve(shop.quote(BIKE, member_id="m", coupons=coupons), order_id="3", hold_for=DAY)
                shop.refund("1", lines={"bike": 1}, return_id="r-1")
                shop.refund("2", lines={"bike": 1}, return_id="r-1")
                shop.cancel("3")
            else:
                buy(shop, "3", coupons=coupons)
                for order_id in ("1", "2", "3"):
                    shop.refund(order_id, lines={"bike": 1}, return_id="r-1")
            assert shop.membership("m").rewards["milestone/second"].coupons_kept == ()
            buy(shop, "4")
            buy(shop, "5")
            assert [coupon.refusal for coupon in shop.coupons("m")] == [None, None]

    def test_a_thing_handed_over_is_had_once(self) -> None:
        """Its coupon was revoked at the counter: whatever comes back and is bought anew brings no second one."""
        shop = Loyalty(SECOND, MemoryRepository(), clock=Clock(NOON))
        buy(shop, "1")
        buy(shop, "2")
        shop.revoke_coupon(coupons_of(shop)[0], reason="handed over", by="ann")
        for number in range(3, 6):
            shop.refund(str(number - 1), lines={"bike": 1}, return_id="r-1")
            buy(shop, str(number))
            assert coupons_of(shop) == []

    def test_a_coupon_of_an_order_that_was_paid_late(self) -> None:
        """Its hold had run out, and its reward was taken back: the order keeps it, and no new one comes on top."""
        clock = Clock(NOON)
        shop = Loyalty(SECOND, MemoryRepository(), clock=clock)
        buy(shop, "1")
        buy(shop, "2")
        (coupon,) = coupons_of(shop)
        shop.reserve(shop.quote(BIKE, member_id="m", coupons=(coupon,)), order_id="3", hold_for=DAY)
        clock.at += 2 * DAY
        shop.refund("1", lines={"bike": 1}, return_id="r-1")
        placed = shop.confirm("3")
        assert placed.late
        assert [redeemed.coupon_id for redeemed in placed.coupons_redeemed] == [coupon]
        assert "milestone/second/2" in shop.membership("m").rewards
        assert coupons_of(shop) == []

    def test_a_coupon_that_two_orders_wanted(self) -> None:
        """One was paid late and came back, the other was given up: the coupon is free."""
        clock = Clock(NOON)
        shop = Loyalty(SECOND, MemoryRepository(), clock=clock)
        buy(shop, "1")
        buy(shop, "2")
        (coupon,) = coupons_of(shop)
        for order_id in ("3", "4"):
            shop.reserve(shop.quote(BIKE, member_id="m", coupons=(coupon,)), order_id=order_id, hold_for=DAY)
            clock.at += DAY if order_id == "3" else timedelta(0)
        shop.confirm("3")
        shop.refund("3", lines={"bike": 1}, return_id="r-1")
        shop.cancel("4")
        (free,) = shop.coupons("m")
        assert (free.coupon_id, free.refusal) == (coupon, None)

    def test_somebody_who_was_forgotten_comes_again(self) -> None:
        """Under the same id everything is given anew, with names of its own; a stock knows what was taken before."""
        clock = Clock(NOON)
        one = CatalogueReward("cash", give=PayOut(euros("5")), price=10, stock=2)
        shop = Loyalty(attrs.evolve(SECOND, rewards=[one]), MemoryRepository(), clock=clock)
        coupons, payouts = set[str](), set[str]()
        for life in ("a", "b"):
            clock.at += DAY
            buy(shop, f"{life}-1")
            buy(shop, f"{life}-2")
            coupons |= set(coupons_of(shop))
            payouts |= set(shop.rewards.take("cash", member_id="m", ref="t-1").payouts)
            shop.forget("m", alias=f"gone-{life}")
        assert (len(coupons), len(payouts)) == (2, 2)
        shop.earn(100, member_id="n", ref="welcome", expires_at=None, reason="welcome", actor="ann")
        take = partial(shop.rewards.take, "cash", member_id="n", ref="t-1")
        assert refusal_of(take).reason is Reason.REWARD_LIMIT_REACHED
        shop.rewards.give_back("t-1", member_id="gone-a", reason="sorry", by="ann")
        assert take().price_points == 10

    def test_the_key_of_a_claim(self) -> None:
        """Holds no id of anybody."""
        shop = open_shop()
        shop.rewards.take("voucher", member_id="m", ref="t-1")
        name = CounterId("reward/voucher")
        assert shop.repository.claimed([name], key=taking_key("m", "t-1", NOON), at=NOON)[name].mine == 1
