"""Tiers, rewards and referrals in other systems: kept by returning, given twice, lost by a new rule, abused, silent."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial

import attrs
import pytest

from loyaltycore import Basket, Loyalty, Program
from loyaltycore.errors import Reason, RefusedError
from loyaltycore.referrals import ReferralStatus
from loyaltycore.repositories import Repository
from loyaltycore.rewards import PayoutStatus
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.tiers import Ladder, Thresholds
from tests.test_coupon_steps import Recorder, heard
from tests.test_services import NOON, Clock, LossyRepository, lost, refusal_of

DAY = timedelta(days=1)
ALL_OF_IT = {"wheel": 1}
WHEEL = Basket.of("EUR", {"wheel": "120.00"})
BELL = Basket.of("EUR", {"bell": "12.50"})

CLUB = Program.parse(
    """
    program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-01-01 }
    stacking = { mode = "best" }
    points = { earn = "1 per 1.00", basis = "paid", expires = "never", worth = "0.01", burn_minimum = 1, overdraft = "carry" }

    [tiers]
    metric = "spend"
    window = "12 months"
    downgrade = "one step"
    [[tiers.rung]]
    id = "bronze"
    from = "0"
    [[tiers.rung]]
    id = "silver"
    from = "100.00"
    perks = ["early-access"]
    entry_gift = { points = 500 }

    [[milestones]]
    id = "first-order"
    when = { order = 1 }
    give = { points = 200 }

    [[rewards]]
    id = "service"
    price = 300
    give = { percent_off = "50" }
    stock = 1

    [referrals]
    id = "friends"
    codes = "VELO-####-####"
    qualifies = { first_order = true, spend_at_least = "100.00" }
    after = "30 days"
    advocate = { 1 = { pay_out = "10.00" } }
    joins_per_day = 2
    """
)


def club(repository: Repository | None = None, *, program: Program = CLUB, clock: Clock | None = None) -> Loyalty:
    """Open the club."""
    return Loyalty(program, repository or MemoryRepository(), clock=clock or Clock())


def rich(shop: Loyalty, member_id: str = "m") -> str:
    """Give somebody 1,000 points."""
    shop.earn(1000, member_id=member_id, ref="welcome", expires_at=None, actor="desk")
    return member_id


def points(shop: Loyalty, member_id: str = "m") -> int:
    """Say how many points can be burned, less what is owed."""
    balance = shop.overview(member_id).balance
    return balance.available - balance.debt


def bought(shop: Loyalty, order_id: str, member_id: str = "m", basket: Basket = WHEEL) -> None:
    """Place an order."""
    shop.place(shop.quote(basket, member_id=member_id), order_id=order_id)


class TestTiers:
    def test_buy_return_keep_the_gift_repeat(self) -> None:
        """The gift of a tier, and that of a first order, go back with the order, as often as somebody tries."""
        shop = club()
        for number in range(3):
            bought(shop, f"o-{number}")
            assert (points(shop), shop.overview("m").perks) == (820, frozenset({"early-access"}))
            shop.refund(f"o-{number}", return_id="r", lines=ALL_OF_IT)
            assert (points(shop), shop.overview("m").perks) == (0, frozenset())

    def test_the_gift_was_spent_before_the_return(self) -> None:
        """What was spent of it is owed; nothing is minted by giving the order back."""
        shop = club()
        bought(shop, "1")
        shop.burn(800, member_id="m", ref="till", actor="desk")
        shop.refund("1", return_id="r", lines=ALL_OF_IT)
        assert points(shop) == -800

    def test_new_thresholds_demote_silently(self) -> None:
        """A higher threshold holds from its day on; who stood above the old one keeps the tier as long as it was promised."""
        shop = club(clock=Clock())
        bought(shop, "1")
        before, tiers = shop.membership("m"), CLUB.tiers
        assert tiers is not None
        raised = attrs.evolve(tiers, ladder=Ladder.of({0: "bronze", 50_000: "silver"}))
        dated = attrs.evolve(raised, before=(Thresholds(tiers.ladder, until=date(2026, 8, 1)),))
        unsaid, said = (attrs.evolve(CLUB, tiers=changed) for changed in (raised, dated))
        day = NOON + 60 * DAY
        told = [program.tier(before, at=day) for program in (CLUB, said, unsaid)]
        assert [None if one is None else one.tier for one in told] == ["silver", "silver", "bronze"]

    def test_a_tier_outlives_its_time_until_a_job_runs(self) -> None:
        """It falls at the instant it was said to, with nothing running; asking early or often changes nothing."""
        clock = Clock()
        shop = club(clock=clock)
        bought(shop, "1")
        tier = shop.overview("m").tier
        assert tier is not None
        assert tier.kept_until is not None
        seen = list[str | None]()
        for clock.at in (tier.kept_until - timedelta(microseconds=1), tier.kept_until):
            found = shop.overview("m").tier
            seen.append(None if found is None else found.tier)
        assert seen == ["silver", "bronze"]

    def test_nobody_knows_who_made_him_gold(self) -> None:
        """A grant has a reason, an actor and an end; without one the page says so."""
        shop = club()
        shop.join("m")
        shop.grant_tier("silver", member_id="m", ref="ticket-9", until=NOON + DAY, reason="our mistake", by="user-3")
        answer = shop.explain_tier("m")
        assert answer is not None
        assert (answer.status.tier, answer.status.granted) == ("silver", True)
        assert [(grant.actor, grant.reason) for grant in answer.grants] == [("user-3", "our mistake")]


class TestRewards:
    def test_the_last_one_is_taken_twice_under_load(self) -> None:
        """Of a stock of one, one is given; who came second keeps the points."""
        shop = club()
        members, refusals = [rich(shop, f"m-{number}") for number in range(8)], list[Reason]()

        def taken(member_id: str) -> bool:
            try:
                return bool(shop.rewards.take("service", member_id=member_id, ref="1"))
            except RefusedError as error:
                refusals.append(error.refusal.reason)
                return False

        with ThreadPoolExecutor(8) as pool:
            won = [*pool.map(taken, members)]
        assert (won.count(True), refusals) == (1, [Reason.REWARD_LIMIT_REACHED] * 7)
        assert [points(shop, member_id) for member_id in members] == [700 if mine else 1000 for mine in won]

    def test_a_retry_hears_that_the_points_are_gone(self) -> None:
        """The answer was lost, the reward was not: the same call again answers with it, and takes no points twice."""
        repository = LossyRepository()
        shop = club(repository)
        shop.earn(300, member_id="m", ref="welcome", expires_at=None, actor="desk")
        repository.after["commit"] = [lost]
        with pytest.raises(ConnectionError):
            shop.rewards.take("service", member_id="m", ref="1")
        given = shop.rewards.take("service", member_id="m", ref="1")
        assert (given.price_points, points(shop), len(shop.coupons("m"))) == (300, 0, 1)

    def test_a_reward_is_used_and_given_back(self) -> None:
        """What its coupon took off was had: it is not given back, and the points are not."""
        shop = club()
        rich(shop)
        shop.rewards.take("service", member_id="m", ref="1")
        (coupon,) = shop.coupons("m")
        shop.place(shop.quote(BELL, member_id="m", coupons=[coupon.coupon_id]), order_id="1")
        before = points(shop)
        refusal = refusal_of(lambda: shop.rewards.give_back("1", member_id="m", reason="changed my mind", by="m"))
        assert (refusal.reason, points(shop)) == (Reason.REWARD_USED, before)

    def test_a_reward_given_back_is_lost_for_the_next(self) -> None:
        """Points, stock and coupon are as before, and somebody else can have it."""
        shop = club()
        rich(shop)
        rich(shop, "other")
        shop.rewards.take("service", member_id="m", ref="1")
        shop.rewards.give_back("1", member_id="m", reason="changed my mind", by="m")
        assert (points(shop), shop.coupons("m")) == (1000, ())
        assert shop.rewards.take("service", member_id="other", ref="1").price_points == 300


class TestReferrals:
    def friend(self, shop: Loyalty, friend_id: str = "friend", *, hashes: tuple[str, ...] = ()) -> None:
        """Join with the code of the member m."""
        shop.join("m")
        shop.join(friend_id, referral_code=shop.referrals.code("m").code, identity_hashes=hashes)

    def test_the_advocate_keeps_the_reward_of_an_order_that_came_back(self) -> None:
        """Before the reward nothing is given; after it the payout is reversed, or to be claimed back where it was paid."""
        for paid, status in ((False, PayoutStatus.REVERSED), (True, PayoutStatus.TO_CLAIM_BACK)):
            clock = Clock()
            shop = club(clock=clock)
            self.friend(shop)
            bought(shop, "1", "friend")
            clock.at += 29 * DAY
            shop.sweep()
            assert shop.rewards.payouts().payouts == ()
            clock.at += 2 * DAY
            shop.sweep()
            (payout,) = shop.rewards.payouts(status=PayoutStatus.DUE).payouts
            if paid:
                shop.rewards.pay_out(payout.payout_id, ref="transfer-1", by="user-3")
            shop.refund("1", return_id="r", lines=ALL_OF_IT)
            (payout,) = shop.rewards.payouts().payouts
            assert (payout.status, shop.overview("m").referral.friends) == (status, 0)

    def test_the_job_ran_twice_and_paid_twice(self) -> None:
        """However often it is swept, and whatever gets lost, one friend is one reward."""
        clock, repository = Clock(), LossyRepository()
        shop = club(repository, clock=clock)
        self.friend(shop)
        bought(shop, "1", "friend")
        clock.at += 40 * DAY
        repository.after["commit"] = [lost]
        assert [len(shop.sweep().failed) for _ in range(3)] == [1, 0, 0]
        (held,) = shop.membership("m").rewards.values()
        assert (len(held.payouts), shop.referrals.of("friend").number) == (1, 1)

    def test_one_person_with_two_accounts(self) -> None:
        """The same card, hashed, refers nobody; nor does one's own code."""
        shop = club()
        shop.join("m", identity_hashes=["card-7"])
        self.friend(shop, hashes=("card-7",))
        assert shop.referrals.of("friend").status is ReferralStatus.REFUSED
        shop.join("m", referral_code=shop.referrals.code("m").code)
        refused = shop.referrals.of("m").refused
        assert refused is not None
        assert refused.reason is Reason.REFERRAL_SELF

    def test_a_hundred_accounts_in_an_hour(self) -> None:
        """Beyond what the program allows in a day they are members like any others, and nobody's friends."""
        shop = club()
        for number in range(5):
            self.friend(shop, f"friend-{number}")
        found = [shop.referrals.of(f"friend-{number}").status for number in range(5)]
        assert found == [ReferralStatus.JOINED] * 2 + [ReferralStatus.REFUSED] * 3

    def test_a_bad_code_stops_the_sign_up(self) -> None:
        """It never does, whatever was typed; another code may be tried."""
        shop = club()
        for number, text in enumerate(("", " ", "🚲" * 1000, "VELO-0000-0000", "'; DROP TABLE members")):
            shop.join(f"friend-{number}", referral_code=text)
            assert shop.overview(f"friend-{number}").joined_at == NOON
        self.friend(shop, "friend-3")
        assert shop.referrals.of("friend-3").status is ReferralStatus.JOINED

    def test_the_form_tells_an_attacker_who_is_a_customer(self) -> None:
        """A code that is unknown, one's own, or refused to an old customer looks the same from outside."""
        recorder = Recorder(MemoryRepository())
        shop = club(recorder)
        code = self_code = ""
        for member_id in ("m", "customer"):
            shop.join(member_id)
            code, self_code = shop.referrals.code("m").code, shop.referrals.code(member_id).code
        bought(shop, "1", "customer")
        seen = set[str]()
        for text in (code, self_code, "VELO-2222-2222"):
            _, calls = heard(recorder, partial(shop.join, "customer", referral_code=text))
            # A counter carries a digest of whose code it is: as long, and no more to be read.
            seen.add(f"{shop.overview('customer').referral.answer} {re.sub('[0-9a-f]{32}', '…', str(calls))}")
        assert len(seen) == 1


class TestGuests:
    def test_the_order_before_the_sign_up_earns_nothing(self) -> None:
        """It is attached, and gives all it would have given, the gifts of a tier and of a first order among it."""
        shop = club()
        shop.place(shop.quote(WHEEL), order_id="1")
        shop.join("m")
        shop.attach("1", member_id="m")
        assert (points(shop), shop.overview("m").perks) == (820, frozenset({"early-access"}))

    def test_thirty_and_twenty_of_a_guest_earn_nothing(self) -> None:
        """A remainder counts on, also one that was too small to earn anything by itself."""
        table = 'points = { earn = "1 per 50.00", carry_over = true, basis = "paid", expires = "never", overdraft = "carry" }\n'
        head = 'program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-01-01 }\n'
        shop = club(program=Program.parse(f'{head}{table}stacking = {{ mode = "best" }}'))
        for order_id, price in (("1", "30.00"), ("2", "20.00")):
            shop.place(shop.quote(Basket.of("EUR", {"a": price})), order_id=order_id)
            shop.attach(order_id, member_id="m")
        assert points(shop) == 1
