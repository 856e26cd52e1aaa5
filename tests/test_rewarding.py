"""The catalogue: taking a reward for points, giving it back, choosing one; and a shop that does all of it in any order."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from loyaltycore import Membership, RefusedError, UsageError
from loyaltycore._earning import Times
from loyaltycore._payouts import PayoutStatus
from loyaltycore._rewarding import (
    RewardAnswer,
    answer,
    check_taking,
    give_back,
    stock_counters,
    taken_streams,
    taking_key,
)
from loyaltycore.benefits import BonusPoints, FreeShipping, NextCoupon, PercentOff, Several
from loyaltycore.coupons import CouponCampaign, CouponStatus
from loyaltycore.errors import Accepted, Reason
from loyaltycore.memberships import RewardGiven
from loyaltycore.offers import NO_VIEW, Used, View
from loyaltycore.periods import Calendar, Period, Term, Window
from loyaltycore.points import Overdraft
from loyaltycore.rewards import BalanceReaches, CatalogueReward, Choice, Milestone, OrderNumber, PayOut, campaigns_needed
from loyaltycore.tiers import TierBenefits
from tests.rewards_shop import DAY, NOON, RewardShop, euros, program, tiers

TEN = PercentOff("10")
VOUCHER = CatalogueReward("voucher", give=TEN, price=100, valid_for=Period(days=30))
CASH = CatalogueReward("cash", give=PayOut(euros("5")), price=100)
SORRY = CouponCampaign("sorry", give=TEN, codes=None, window=Window(starts_at=None, ends_at=NOON + 10 * DAY))
LATER = NOON + DAY


def shop(*rewards: CatalogueReward, points: int = 500, overdraft: Overdraft = Overdraft.CARRY) -> RewardShop:
    """Give a shop with a catalogue, and a member with points."""
    here = RewardShop(program(rewards=rewards or (VOUCHER, CASH), campaigns=[SORRY], overdraft=overdraft))
    if points:
        here.keep(here.member.earn(points, ref="welcome", expires_at=None, at=NOON))
    return here


def refusals(here: RewardShop, reward_id: str = "voucher", *, tier: str | None = None) -> dict[Reason, dict[str, object]]:
    """Ask why a reward cannot be taken."""
    reward = here.program.rewards[reward_id]
    found = check_taking(here.program, reward, here.member, tier=tier, view=here.view(), at=here.at)
    return {refusal.reason: dict(refusal.details) for refusal in found.refusals}


class TestTaking:
    def test_it_costs_its_price_and_is_given(self) -> None:
        """In one posting of the member, with the coupon beside."""
        here = shop()
        taken = here.take("voucher", "t-1")
        assert here.points == 400
        assert (taken.fact.reward_id, taken.fact.source, taken.fact.price_points) == ("reward/t-1", "catalogue/voucher", 100)
        assert [fact.kind for fact in taken.member.facts] == ["ledger.burned", "member.coupon_given", "member.reward_given"]
        assert here.usable == list(taken.fact.coupons)
        assert taken.membership == here.member
        assert taken.postings == (taken.member, *taken.beside)
        assert taken.claims == ()
        assert here.coupons[here.usable[0]].ends_at is not None

    def test_the_same_again_changes_nothing(self) -> None:
        """And tells the same; also once it is no longer in the catalogue."""
        here = shop()
        first = here.take("voucher", "t-1")
        here.at = LATER
        for rules in (here.program, program()):
            here.program = rules
            again = here.take("voucher", "t-1")
            assert (again.fact, again.member.facts, again.beside, again.claims) == (first.fact, (), (), ())

    def test_another_under_its_name_is_refused(self) -> None:
        """The field that differs is named."""
        here = shop()
        here.take("voucher", "t-1")
        with pytest.raises(RefusedError) as error:
            here.take("cash", "t-1")
        assert error.value.refusal.reason is Reason.KEY_REUSED
        assert error.value.refusal.details == {"key": "take:t-1", "fields": ("reward_id",)}

    @pytest.mark.parametrize("held", [False, True])
    def test_a_burn_of_its_name_pays_for_nothing(self, held: bool) -> None:  # noqa: FBT001 - what a table says
        """The points of another thing would be taken for its price."""
        here = shop()
        verbs = here.member
        here.keep(verbs.hold(100, ref="reward/t-1", until=LATER, at=NOON) if held else verbs.burn(100, ref="reward/t-1", at=NOON))
        with pytest.raises(RefusedError) as error:
            here.take("voucher", "t-1")
        assert error.value.refusal.details == {"key": "take:t-1", "fields": ("ref",)}

    def test_what_is_not_in_the_catalogue(self) -> None:
        """Its name is told."""
        here = shop()
        with pytest.raises(RefusedError) as error:
            here.take("bike", "t-1")
        assert error.value.refusal.reason is Reason.REWARD_NOT_FOUND
        assert error.value.refusal.details == {"reward_id": "bike"}

    @pytest.mark.parametrize("reward_id, ref", [("a b", "t"), ("voucher", ""), ("voucher", "t" * 194)])
    def test_names_are_checked(self, reward_id: str, ref: str) -> None:
        """Of the reward, and the shop's own."""
        with pytest.raises(UsageError):
            shop().take(reward_id, ref)

    def test_the_longest_name(self) -> None:
        """That still has room for the word before it."""
        assert shop().take("voucher", "t" * 193).fact.reward_id == "reward/" + "t" * 193

    def test_a_price_of_nothing(self) -> None:
        """Nothing is burned."""
        here = shop(attrs.evolve(VOUCHER, price=0), points=0)
        assert [fact.kind for fact in here.take("voucher", "t-1").member.facts] == [
            "member.coupon_given",
            "member.reward_given",
        ]
        assert here.give_back("t-1").member.facts[-1].kind == "member.reward_taken_back"

    def test_the_price_of_a_tier(self) -> None:
        """As the member stands."""
        rules = program(rewards=[attrs.evolve(VOUCHER, tier_prices={"gold": 70})], tier_rule=tiers({0: "bronze", 10000: "gold"}))
        here = RewardShop(rules)
        here.order("1", "100")
        here.take("voucher", "t-1")
        assert here.points == 30

    def test_points_for_points(self) -> None:
        """Those that the reward gives are no rule's."""
        here = shop(CatalogueReward("double", give=BonusPoints(30), price=100))
        here.take("double", "t-1")
        assert here.points == 430
        here.give_back("t-1")
        assert here.points == 500


class TestRefusals:
    def test_nothing_stands_in_the_way(self) -> None:
        """Then the price is told."""
        here = shop()
        assert check_taking(here.program, VOUCHER, here.member, tier=None, view=NO_VIEW, at=NOON) == Accepted(100)

    def test_points(self) -> None:
        """How many are missing."""
        here = shop(points=60)
        assert refusals(here) == {Reason.POINTS_INSUFFICIENT: {"asked_points": 100, "available_points": 60, "missing_points": 40}}
        with pytest.raises(RefusedError):
            here.take("voucher", "t-1")

    def test_time(self) -> None:
        """Of the program and of the reward, the bounds themselves."""
        here = shop(attrs.evolve(VOUCHER, window=Window(starts_at=NOON, ends_at=LATER)))
        assert refusals(here) == {}
        here.at = LATER
        assert refusals(here) == {
            Reason.REWARD_CLOSED: {"reward_id": "voucher", "ended_at": "2026-07-02T12:00:00Z", "last_on": "2026-07-02"}
        }
        here.at = LATER - timedelta.resolution
        assert refusals(here) == {}
        here = shop(attrs.evolve(VOUCHER, window=Window(starts_at=LATER, ends_at=None)))
        assert refusals(here) == {
            Reason.REWARD_NOT_STARTED: {"reward_id": "voucher", "starts_at": "2026-07-02T12:00:00Z", "starts_on": "2026-07-02"}
        }
        here = shop(points=0)
        here.at = here.program.starts_at - timedelta.resolution
        assert refusals(here)[Reason.PROGRAM_NOT_STARTED] == {
            "starts_at": "2025-12-31T23:00:00Z",
            "starts_on": "2026-01-01",
        }

    def test_tier(self) -> None:
        """Where somebody stands is told, if anywhere."""
        gated = attrs.evolve(VOUCHER, tiers=["gold", "vip"])
        here = RewardShop(program(rewards=[gated], tier_rule=tiers({1: "silver", 2: "gold", 3: "vip"})))
        here.keep(here.member.earn(500, ref="welcome", expires_at=None, at=NOON))
        assert refusals(here, tier="vip") == {}
        assert refusals(here, tier="silver") == {Reason.TIER_MISMATCH: {"needed": ("gold", "vip"), "tier": "silver"}}
        assert refusals(here) == {Reason.TIER_MISMATCH: {"needed": ("gold", "vip")}}

    def test_stock(self) -> None:
        """So many for all, in each span."""
        here = shop(attrs.evolve(VOUCHER, stock=Times(per_day=1, lifetime=3)), points=5000)
        here.take("voucher", "t-1")
        assert refusals(here) == {Reason.REWARD_LIMIT_REACHED: {"reward_id": "voucher", "limit": 1, "period": "per_day"}}
        here.at += DAY
        here.take("voucher", "t-2")
        here.at += DAY
        here.take("voucher", "t-3")
        here.at += DAY
        assert refusals(here) == {Reason.REWARD_LIMIT_REACHED: {"reward_id": "voucher", "limit": 3, "period": "lifetime"}}
        here.give_back("t-1")
        assert refusals(here) == {}

    def test_the_members_own(self) -> None:
        """Of this span; one that was given back does not count."""
        here = shop(attrs.evolve(VOUCHER, per_member=Times(per_year=1)), CASH, points=5000)
        here.take("cash", "t-0")
        here.take("voucher", "t-1")
        assert refusals(here) == {Reason.REWARD_MEMBER_LIMIT_REACHED: {"reward_id": "voucher", "limit": 1, "period": "per_year"}}
        assert refusals(here, "cash") == {}
        here.give_back("t-1")
        assert refusals(here) == {}
        here.take("voucher", "t-2")
        here.at += 365 * DAY
        assert refusals(here) == {}

    def test_a_campaign_that_gives_nothing(self) -> None:
        """Nobody pays for what cannot be given."""
        here = shop(VOUCHER, attrs.evolve(VOUCHER, reward_id="sorry", give=NextCoupon("sorry")))
        here.stopped = frozenset(["reward-voucher"])
        assert refusals(here) == {Reason.CAMPAIGN_STOPPED: {"campaign_id": "reward-voucher"}}
        assert refusals(here, "sorry") == {}
        here.at += 10 * DAY
        assert list(refusals(here, "sorry")) == [Reason.CAMPAIGN_CLOSED]

    def test_all_of_them_in_their_order(self) -> None:
        """The first is the reason."""
        gated = attrs.evolve(VOUCHER, tiers=["gold"], stock=1, window=Window(starts_at=LATER, ends_at=None), per_member=1)
        rules = program(rewards=[gated], tier_rule=tiers({1: "gold"}))
        member = Membership.open("m").folded([RewardGiven(reward_id="reward/0", source="catalogue/voucher", at=NOON)])
        view = View(used={"reward/voucher": Used(times=1)}, stopped=["reward-voucher"])
        found = check_taking(rules, gated, member, tier=None, view=view, at=NOON)
        assert [refusal.reason for refusal in found.refusals] == [
            Reason.TIER_MISMATCH,
            Reason.REWARD_NOT_STARTED,
            Reason.REWARD_LIMIT_REACHED,
            Reason.REWARD_MEMBER_LIMIT_REACHED,
            Reason.POINTS_INSUFFICIENT,
            Reason.CAMPAIGN_STOPPED,
        ]

    def test_a_naive_time(self) -> None:
        """Is a bug of the caller's."""
        with pytest.raises(UsageError, match="timezone"):
            check_taking(program(), VOUCHER, Membership.open("m"), tier=None, view=NO_VIEW, at=datetime(2026, 7, 1))  # noqa: DTZ001

    def test_for_a_page(self) -> None:
        """The price, what is missing, and the first reason."""
        here = shop(points=60)
        found = answer(here.program, VOUCHER, here.member, tier=None, view=NO_VIEW, at=NOON)
        assert found.refusal is not None
        assert found == RewardAnswer(reward_id="voucher", price=100, refusal=found.refusal, missing_points=40)
        here = shop()
        assert answer(here.program, VOUCHER, here.member, tier=None, view=NO_VIEW, at=NOON) == RewardAnswer(
            reward_id="voucher", price=100, refusal=None, missing_points=0
        )


class TestCounters:
    def test_names(self) -> None:
        """With their period; a reward without a stock has none."""
        paris = Calendar("Europe/Paris")
        two = [attrs.evolve(VOUCHER, stock=Times(per_month=2, lifetime=9)), CASH, attrs.evolve(CASH, reward_id="a", stock=1)]
        assert stock_counters(two, at=NOON, calendar=paris) == ("reward/a", "reward/voucher", "reward/voucher/2026-07")

    def test_a_claim_is_of_the_period_in_which_it_was_taken(self) -> None:
        """And is freed there."""
        here = shop(attrs.evolve(VOUCHER, stock=Times(per_month=2, lifetime=9)))
        taken = here.take("voucher", "t-1")
        assert [(claim.counter, claim.amount, claim.limit, claim.until) for claim in taken.claims] == [
            ("reward/voucher/2026-07", 1, 2, None),
            ("reward/voucher", 1, 9, None),
        ]
        assert {claim.key for claim in taken.claims} == {taking_key("m", "t-1", here.at)} == {taken.fact.stock_key}
        assert "m" not in taking_key("mmmmm", "t-1", NOON).split("/")
        assert len({taking_key("m", "t-1", NOON), taking_key("n", "t-1", NOON), taking_key("m", "t-1", LATER)}) == 3
        here.at += 40 * DAY
        back = here.give_back("t-1")
        assert [(claim.counter, claim.amount, claim.limit) for claim in back.claims] == [
            ("reward/voucher/2026-07", 0, None),
            ("reward/voucher", 0, None),
        ]
        assert {claim.key for claim in back.claims} == {taken.fact.stock_key}

    def test_of_a_reward_that_is_no_more(self) -> None:
        """Nothing is to be freed."""
        here = shop(attrs.evolve(VOUCHER, stock=1))
        here.take("voucher", "t-1")
        here.program = program()
        assert here.give_back("t-1").claims == ()
        assert here.points == 500

    def test_campaigns_to_ask_for(self) -> None:
        """The shop's own, and the reward's."""
        assert campaigns_needed(Several([NextCoupon("sorry"), TEN]), "reward-x") == ("sorry", "reward-x")
        assert campaigns_needed(CASH.give, "reward-x") == ()


class TestGivingBack:
    def test_all_is_as_it_was(self) -> None:
        """Points in their lots, no coupon left."""
        here = shop()
        lots = {name: lot.remaining for name, lot in here.member.ledger.lots.items()}
        here.take("voucher", "t-1")
        back = here.give_back("t-1")
        assert {name: lot.remaining for name, lot in here.member.ledger.lots.items()} == lots
        assert (back.fact.reward_id, back.fact.reason, back.fact.actor) == ("reward/t-1", "sorry", "ann")
        assert here.usable == []
        assert [one.status(at=here.at) for one in here.coupons.values()] == [CouponStatus.REVOKED]

    def test_again_it_changes_nothing(self) -> None:
        """It is gone."""
        here = shop()
        here.take("voucher", "t-1")
        here.give_back("t-1")
        again = here.give_back("t-1")
        assert (again.member.facts, again.beside, again.claims, again.fact.reward_id) == ((), (), (), "reward/t-1")
        taken = here.take("voucher", "t-1")
        assert taken.member.facts == ()

    def test_what_was_never_taken(self) -> None:
        """Its name is told."""
        with pytest.raises(RefusedError) as error:
            shop().give_back("t-1")
        assert error.value.refusal.reason is Reason.REWARD_NOT_FOUND
        assert error.value.refusal.details == {"reward_id": "reward/t-1"}

    def test_what_an_order_uses_does_not_come_back(self) -> None:
        """Until that order comes back."""
        here = shop()
        here.take("voucher", "t-1")
        here.order("1", "10", coupons=here.usable)
        with pytest.raises(RefusedError) as error:
            here.give_back("t-1")
        assert error.value.refusal.reason is Reason.REWARD_USED
        assert error.value.refusal.details == {"reward_id": "voucher"}
        here.back("1")
        here.give_back("t-1")
        assert (here.points, here.usable) == (500, [])

    def test_money_that_left_does_not_come_back(self) -> None:
        """What is only owed does."""
        here = shop()
        for ref in ("t-1", "t-2"):
            here.take("cash", ref)
        first, _ = here.payouts
        here.pay(first)
        refused = [ref for ref in ("t-1", "t-2") if _is_refused(here, ref)]
        assert refused == ["t-1"]
        assert sorted(one.status for one in here.payouts.values()) == [PayoutStatus.PAID, PayoutStatus.REVERSED]
        assert here.points == 400

    def test_points_into_a_lot_that_has_expired(self) -> None:
        """As the program restores them."""
        for restore, points in ((None, 0), (Term(Period(months=1)), 100)):
            here = shop(points=0)
            here.program = attrs.evolve(here.program, restore=restore)
            here.keep(here.member.earn(100, ref="order", expires_at=NOON + 5 * DAY, at=NOON))
            here.take("voucher", "t-1")
            here.at += 10 * DAY
            here.give_back("t-1")
            assert here.points == points

    def test_points_that_somebody_gave_back_by_hand(self) -> None:
        """Only what is left of them."""
        here = shop()
        here.take("voucher", "t-1")
        here.keep(here.member.refund_burn("reward/t-1", 40, ref="reward/t-1", at=NOON))
        here.give_back("t-1")
        assert here.points == 500

    def test_streams_to_load(self) -> None:
        """Those of its coupons and payouts; of none where it was never taken."""
        here = shop()
        here.take("cash", "t-1")
        assert taken_streams(here.member, "t-1") == tuple(f"payout/{name}" for name in here.payouts)
        assert taken_streams(here.member, "t-2") == ()

    def test_words_are_checked(self) -> None:
        """Reason and actor."""
        here = shop()
        here.take("cash", "t-1")
        for reason, actor in ((None, "ann"), ("sorry", "a" * 201)):
            with pytest.raises(UsageError):
                give_back(here.program, "t-1", here.member, reason=reason, actor=actor, view=here.view(), at=NOON)  # type: ignore[arg-type]

    def test_a_view_without_its_coupons(self) -> None:
        """Would leave one with the member."""
        here = shop()
        here.take("voucher", "t-1")
        with pytest.raises(UsageError, match="view must hold the coupons"):
            give_back(here.program, "t-1", here.member, reason="", actor="ann", view=NO_VIEW, at=NOON)
        here.take("cash", "t-2")
        with pytest.raises(UsageError, match="view must hold the payouts"):
            give_back(here.program, "t-2", here.member, reason="", actor="ann", view=NO_VIEW, at=NOON)


def _is_refused(here: RewardShop, ref: str) -> bool:
    try:
        here.give_back(ref)
    except RefusedError:
        return True
    return False


class TestChoosing:
    CHOICE = Choice({"ten": TEN, "sorry": NextCoupon("sorry"), "points": BonusPoints(50)}, within=Period(days=30))

    def here(self) -> RewardShop:
        """Give a shop whose member may choose."""
        milestone = Milestone("first", when=OrderNumber(1), give=self.CHOICE, valid_for=Period(days=3))
        here = RewardShop(program(milestones=[milestone], campaigns=[SORRY]))
        here.order("1", "10")
        return here

    def test_one_is_chosen(self) -> None:
        """And given as any other; chosen again it is the same."""
        here = self.here()
        chosen = here.choose("milestone/first", "ten")
        assert (chosen.fact.option, chosen.fact.coupons) == ("ten", tuple(here.usable))
        assert here.coupons[here.usable[0]].campaign_id == "milestone-first:ten"
        again = here.choose("milestone/first", "ten")
        assert (again.member.facts, again.fact.option, again.fact.coupons) == ((), "ten", chosen.fact.coupons)
        assert chosen.claims == ()

    def test_another_one_then_is_refused(self) -> None:
        """One it is."""
        here = self.here()
        here.choose("milestone/first", "ten")
        with pytest.raises(RefusedError) as error:
            here.choose("milestone/first", "points")
        assert error.value.refusal.details == {"key": "choose:milestone/first", "fields": ("option",)}

    @pytest.mark.parametrize("name", ["milestone/second", "first"])
    def test_what_is_not_there(self, name: str) -> None:
        """Its name is told."""
        with pytest.raises(RefusedError) as error:
            self.here().choose(name, "ten")
        assert error.value.refusal.reason is Reason.REWARD_NOT_FOUND
        assert error.value.refusal.details == {"reward_id": name}

    def test_what_was_taken_back(self) -> None:
        """There is nothing to choose any more."""
        here = self.here()
        here.back("1")
        with pytest.raises(RefusedError) as error:
            here.choose("milestone/first", "ten")
        assert error.value.refusal.reason is Reason.REWARD_NOT_FOUND

    def test_what_is_not_offered(self) -> None:
        """Nor what is no longer in the program, nor what is no choice at all."""
        here = self.here()
        with pytest.raises(RefusedError) as error:
            here.choose("milestone/first", "twenty")
        assert error.value.refusal.reason is Reason.REWARD_NOT_OFFERED
        assert error.value.refusal.details == {"reward_id": "milestone/first", "options": ("ten", "sorry", "points")}
        fewer = attrs.evolve(self.CHOICE, options={"ten": TEN, "twenty": PercentOff("20")})
        others: tuple[list[Milestone], ...] = (
            [Milestone("first", when=OrderNumber(1), give=fewer)],
            [Milestone("first", when=OrderNumber(1), give=TEN)],
            [],
        )
        for milestones, options in zip(others, (("ten",), (), ()), strict=True):
            here.program = program(milestones=milestones)
            with pytest.raises(RefusedError) as error:
                here.choose("milestone/first", "twenty")
            assert error.value.refusal.details["options"] == options

    def test_its_time(self) -> None:
        """The end itself is too late."""
        here = self.here()
        until = here.member.rewards["milestone/first"].until
        assert until is not None
        here.at = until
        with pytest.raises(RefusedError) as error:
            here.choose("milestone/first", "ten")
        assert error.value.refusal.reason is Reason.REWARD_CHOICE_EXPIRED
        assert error.value.refusal.details == {
            "reward_id": "milestone/first",
            "ended_at": "2026-07-31T22:00:00Z",
            "last_on": "2026-07-31",
        }
        here.at = until - timedelta.resolution
        here.choose("milestone/first", "ten")

    def test_a_campaign_that_gives_nothing(self) -> None:
        """What is chosen is not lost to it."""
        here = self.here()
        here.stopped = frozenset(["sorry"])
        with pytest.raises(RefusedError) as error:
            here.choose("milestone/first", "sorry")
        assert error.value.refusal.reason is Reason.CAMPAIGN_STOPPED
        here.stopped = frozenset()
        here.at += 11 * DAY
        with pytest.raises(RefusedError) as error:
            here.choose("milestone/first", "sorry")
        assert error.value.refusal.reason is Reason.CAMPAIGN_CLOSED
        here.choose("milestone/first", "points")

    def test_without_a_choice(self) -> None:
        """What was given needs none."""
        here = RewardShop(program(milestones=[Milestone("first", when=OrderNumber(1), give=TEN)]))
        here.order("1", "10")
        with pytest.raises(RefusedError) as error:
            here.choose("milestone/first", "ten")
        assert error.value.refusal.details == {"reward_id": "milestone/first", "options": ()}


GOLD_AT = 20_000


class Rewards(RuleBasedStateMachine):
    """A shop that does all there is in any order, against a model of what must stand."""

    def __init__(self) -> None:
        super().__init__()
        self.shop = RewardShop(
            program(
                rewards=[
                    attrs.evolve(VOUCHER, price=20, stock=Times(per_month=2, lifetime=3), per_member=Times(per_day=2)),
                    attrs.evolve(CASH, price=10),
                ],
                milestones=[
                    Milestone("third", when=OrderNumber(3), give=Several([FreeShipping(), BonusPoints(7, expires=None)])),
                    Milestone("rich", when=BalanceReaches(250), give=PayOut(euros("2"))),
                    Milestone("choice", when=OrderNumber(2), give=TestChoosing.CHOICE),
                ],
                tier_rule=tiers({0: "bronze", GOLD_AT: "gold"}, gold=TierBenefits(entry_gift=BonusPoints(100, expires=None))),
                campaigns=[SORRY],
            )
        )
        self.paid: dict[str, int] = {}  # cents kept of each order
        self.refs = 0

    @rule(euro=st.sampled_from([1, 30, 120, 250]), burn=st.integers(0, 40), uses=st.booleans())
    def order(self, euro: int, burn: int, *, uses: bool) -> None:
        """Buy something, with points and coupons."""
        name = f"o-{len(self.paid)}"
        coupons = self.shop.usable[:1] if uses else []
        self.shop.order(name, f"{euro}.00", burn=burn, coupons=coupons)
        placed = self.shop.orders[name].placed
        assert placed is not None
        self.paid[name] = placed.qualifying_minor

    @precondition(lambda self: any(self.paid.values()))
    @rule(data=st.data(), part=st.booleans())
    def give_back_order(self, data: st.DataObject, *, part: bool) -> None:
        """Take an order back, or a euro of it."""
        name = data.draw(st.sampled_from([name for name, left in self.paid.items() if left]))
        is_part = part and self.paid[name] > 100
        self.shop.back(name, "1" if is_part else None)
        self.paid[name] = self.paid[name] - 100 if is_part else 0

    @rule()
    def review(self) -> None:
        """Earn some points."""
        self.refs += 1
        self.shop.record(f"r-{self.refs}")

    @rule(reward_id=st.sampled_from(["voucher", "cash"]))
    def take(self, reward_id: str) -> None:
        """Take a reward, where that is possible."""
        self.refs += 1
        before = self.shop.points
        try:
            taken = self.shop.take(reward_id, f"t-{self.refs}")
        except RefusedError:
            assert self.shop.points == before
        else:
            assert self.shop.points == before - taken.fact.price_points
            assert self.shop.take(reward_id, f"t-{self.refs}").member.facts == ()

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """Give a reward back, where that is possible."""
        refs = [name.removeprefix("reward/") for name in self.shop.standing if name.startswith("reward/")]
        if refs:
            before = self.shop.points
            ref = data.draw(st.sampled_from(refs))
            price = self.shop.member.rewards[f"reward/{ref}"].price_points
            if not _is_refused(self.shop, ref):
                assert self.shop.points <= before + price

    @rule(option=st.sampled_from(["ten", "points"]))
    def choose(self, option: str) -> None:
        """Choose, where something is offered."""
        for name, held in self.shop.member.rewards.items():
            if held.is_open(self.shop.at):
                self.shop.choose(name, option)

    @rule(data=st.data())
    def pay(self, data: st.DataObject) -> None:
        """Pay what is owed outside."""
        due = [name for name, one in self.shop.payouts.items() if one.status is PayoutStatus.DUE]
        if due:
            self.shop.pay(data.draw(st.sampled_from(due)))

    @rule(days=st.sampled_from([1, 40, 400]))
    def wait(self, days: int) -> None:
        """Let time pass."""
        self.shop.wait(days)

    @invariant()
    def each_milestone_stands_at_most_once(self) -> None:
        """Under one name."""
        sources = [source for source in self.shop.standing.values() if source.startswith("milestone/")]
        assert len(sources) == len(set(sources))

    @invariant()
    def orders_that_count_carry_their_milestones(self) -> None:
        """As many as the mark: it stands; fewer: it does not."""
        count = sum(left > 0 for left in self.paid.values())
        standing = set(self.shop.standing.values())
        assert ("milestone/third" in standing) <= (count >= 3)
        assert ("milestone/choice" in standing) <= (count >= 2)

    @invariant()
    def no_coupon_is_left_of_what_is_gone(self) -> None:
        """Whoever can use one was given it by something that stands; and each source has so many in play as it gives."""
        rewards = self.shop.member.rewards
        owned = [name for held in rewards.values() if not held.is_gone for name in held.coupons]
        assert set(self.shop.usable) <= set(owned)
        assert len(owned) == len(set(owned))

    @invariant()
    def no_coupon_is_used_twice(self) -> None:
        """What is in use, or can be, of one milestone is one coupon at most."""
        for campaign in ("milestone-third", "milestone-choice:ten"):
            mine = [one for one in self.shop.coupons.values() if one.campaign_id == campaign]
            in_play = [one for one in mine if any(use.holds(self.shop.at) for use in one.uses.values())]
            in_play += [one for one in mine if one.coupon_id in self.shop.usable]
            assert len(in_play) <= 1

    @invariant()
    def points_are_what_was_earned_and_given(self) -> None:
        """Nothing is minted: granted less revoked are what orders kept, reviews and standing rewards come to."""
        lots = self.shop.member.ledger.lots.values()
        of_rewards = sum(lot.granted - lot.revoked for lot in lots if lot.rule == "+reward" and not lot.origin)
        standing = [held for held in self.shop.member.rewards.values() if not held.is_gone]
        assert of_rewards == sum(held.points for held in standing)

    @invariant()
    def the_stock_is_never_overdrawn(self) -> None:
        """As many are claimed as stand, and never more than there are."""
        taken = sum(source == "catalogue/voucher" for source in self.shop.standing.values())
        claimed = sum(claim.amount for (counter, _), claim in self.shop.claims.items() if counter == "reward/voucher")
        assert taken == claimed <= 3

    @invariant()
    def money_is_owed_for_what_stands(self) -> None:
        """What is due or paid belongs to a reward that stands; what was paid for one that is gone is to be claimed back."""
        owed = {name for held in self.shop.member.rewards.values() if not held.is_gone for name in held.payouts}
        assert owed == {name for name, one in self.shop.payouts.items() if one.status in {PayoutStatus.DUE, PayoutStatus.PAID}}

    @invariant()
    def replay_equals_state(self) -> None:
        """The stored form too."""
        assert Membership.from_dict(self.shop.member.to_dict()) == self.shop.member


TestRewards = pytest.mark.law(15)(Rewards.TestCase)
TestRewards.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
