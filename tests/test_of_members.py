"""Tests of what a program says of one member."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from loyaltycore import Basket, Membership, Program
from loyaltycore.errors import Reason, RefusedError, UsageError
from loyaltycore.memberships import RewardGiven
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.referrals import Referral
from loyaltycore.tiers import Qualifying
from tests.odd_values import answers_or_refuses

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
HEAD = """
program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }
points = { earn = "1 per 1.00", basis = "paid", pending = "30 days", expires = "12 months", overdraft = "carry" }
"""
TIERS = """
[tiers]
metric = "spend"
window = "12 months"
downgrade = "one step"
[[tiers.rung]]
id = "bronze"
from = "0"
[[tiers.rung]]
id = "gold"
from = "300.00"
perks = ["early-access", "free-returns"]
expires = "24 months"
entry_gift = { points = 200 }
"""
MORE = """
[[rewards]]
id = "mug"
give = { points = 5 }
price = 10
[referrals]
codes = "VELO-####-####"
qualifies = { spend_at_least = "40.00" }
advocate = { 1 = { points = 500 } }
"""
PLAIN = Program.parse(HEAD)
PROGRAM = Program.parse(HEAD + TIERS)
MEMBER = Membership.open("m-42").join(at=NOW).state


def bought(member: Membership, price: str, order_id: str, at: datetime = NOW) -> Membership:
    """Give a member after an order."""
    quote = PROGRAM.quote(Basket.of("EUR", {"bike": price}), member, at=at)
    return PROGRAM.place(quote, member, order_id=order_id, at=at).membership


def granted(member: Membership = MEMBER, *, tier: str = "gold", until: datetime | None = None) -> Membership:
    """Give a member after a tier was granted by hand."""
    return PROGRAM.grant_tier(tier, member, ref="t-1", until=until, reason="a lost parcel", actor="ann", at=NOW).state


class TestTier:
    def test_without_tiers(self) -> None:
        """A program without tiers has no answer, no perks, and grants none."""
        assert PLAIN.tier(MEMBER, at=NOW) is None
        assert PLAIN.perks(MEMBER, at=NOW) == frozenset()
        assert PLAIN.explain_tier(MEMBER, at=NOW) is None
        assert PLAIN.project_tier(MEMBER, on=date(2027, 1, 1), at=NOW) is None
        assert PLAIN.overview(MEMBER, at=NOW).perks == frozenset()
        with pytest.raises(RefusedError) as caught:
            PLAIN.grant_tier("gold", MEMBER, ref="t-1", until=None, reason="", actor="ann", at=NOW)
        assert caught.value.refusal.details == {"tier": "gold", "known": ()}

    def test_perks_follow_the_tier(self) -> None:
        """What the shop promises is that of the tier the member stands in."""
        gold = bought(MEMBER, "300.00", "1")
        assert PROGRAM.perks(MEMBER, at=NOW) == frozenset()
        assert PROGRAM.perks(gold, at=NOW) == {"early-access", "free-returns"}
        assert PROGRAM.overview(gold, at=NOW).perks == {"early-access", "free-returns"}

    def test_explained(self) -> None:
        """The answer names the day on which the tier was reached."""
        answer = PROGRAM.explain_tier(bought(MEMBER, "300.00", "1"), at=NOW)
        assert answer is not None
        assert (answer.status.tier, answer.reached_on) == ("gold", date(2026, 7, 1))

    def test_points_last_as_the_tier_says(self) -> None:
        """A member of gold earns points that last longer, from the next order on; others as the rule says."""
        gold = bought(MEMBER, "300.00", "1")
        [first] = PROGRAM.quote(Basket.of("EUR", {"bell": "10.00"}), MEMBER, at=NOW).earned
        [later] = PROGRAM.quote(Basket.of("EUR", {"bell": "10.00"}), gold, at=NOW).earned
        assert first.expires_at is not None
        assert later.expires_at is not None
        assert (later.expires_at.year - first.expires_at.year, first.points, later.points) == (1, 10, 10)


class TestProject:
    def test_nothing_more(self) -> None:
        """On a day after the tier's time is over the member has fallen."""
        gold = bought(MEMBER, "300.00", "1")
        kept = PROGRAM.project_tier(gold, on=date(2027, 7, 1), at=NOW)
        over = PROGRAM.project_tier(gold, on=date(2027, 7, 2), at=NOW)
        assert kept is not None
        assert over is not None
        assert (kept.tier, over.tier) == ("gold", "bronze")

    def test_with_something_more(self) -> None:
        """What is thought of counts on its day, and nothing is booked."""
        more = Qualifying(day=date(2026, 8, 1), units=30000)
        status = PROGRAM.project_tier(MEMBER, on=date(2026, 8, 1), adding=more, at=NOW)
        assert status is not None
        assert (status.tier, PROGRAM.tier(MEMBER, at=NOW).tier) == ("gold", "bronze")  # type: ignore[union-attr]

    def test_today(self) -> None:
        """Today is as it is now, not as at midnight."""
        assert PROGRAM.project_tier(granted(), on=date(2026, 7, 1), at=NOW) == PROGRAM.tier(granted(), at=NOW)

    def test_the_past_is_refused(self) -> None:
        """A projection looks ahead."""
        with pytest.raises(UsageError, match="on must not be before 2026-07-01, got 2026-06-30"):
            PROGRAM.project_tier(MEMBER, on=date(2026, 6, 30), at=NOW)


class TestGrant:
    def test_lifts_for_its_time(self) -> None:
        """Within its time the member stands there, and after it as purchases say."""
        until = NOW + timedelta(days=30)
        member = granted(until=until)
        before, at_end = PROGRAM.tier(member, at=until - timedelta(seconds=1)), PROGRAM.tier(member, at=until)
        assert before is not None
        assert at_end is not None
        assert (before.tier, at_end.tier) == ("gold", "bronze")

    def test_again_changes_nothing(self) -> None:
        """The same name again is the same grant."""
        again = PROGRAM.grant_tier("gold", granted(), ref="t-1", until=None, reason="", actor="bob", at=NOW)
        assert again.facts == ()

    def test_an_unknown_tier(self) -> None:
        """The answer names the tiers there are."""
        with pytest.raises(RefusedError) as caught:
            granted(tier="platinum")
        assert caught.value.refusal.reason is Reason.TIER_UNKNOWN
        assert caught.value.refusal.details == {"tier": "platinum", "known": ("bronze", "gold")}

    @pytest.mark.parametrize("seconds", [0, -1])
    def test_an_end_that_has_passed(self, seconds: int) -> None:
        """A grant that never holds is a mistake."""
        with pytest.raises(UsageError, match="until must be after 2026-07-01T10:00:00Z"):
            granted(until=NOW + timedelta(seconds=seconds))

    def test_ended_before_its_time(self) -> None:
        """From then on it holds no longer; ended again, nothing changes."""
        later = NOW + timedelta(days=1)
        ended = PROGRAM.end_tier_grant("t-1", granted(), reason="found", actor="ann", at=later).state
        held, over = PROGRAM.tier(ended, at=later - timedelta(seconds=1)), PROGRAM.tier(ended, at=later)
        assert held is not None
        assert over is not None
        assert (held.tier, over.tier) == ("gold", "bronze")
        assert PROGRAM.end_tier_grant("t-1", ended, reason="", actor="ann", at=later).facts == ()

    def test_one_that_has_ended_by_itself(self) -> None:
        """There is nothing to end."""
        until = NOW + timedelta(days=30)
        assert PROGRAM.end_tier_grant("t-1", granted(until=until), reason="", actor="ann", at=until).facts == ()

    def test_an_unknown_grant(self) -> None:
        """The answer names what was asked for."""
        with pytest.raises(RefusedError) as caught:
            PROGRAM.end_tier_grant("t-1", MEMBER, reason="", actor="ann", at=NOW)
        assert caught.value.refusal.reason is Reason.TIER_GRANT_NOT_FOUND
        assert caught.value.refusal.details == {"grant_ref": "t-1"}


class TestRewards:
    def test_the_life_of_a_reward(self) -> None:
        """Taken for points, given back with the points; and a tier has its price."""
        program = Program.parse(
            HEAD
            + TIERS
            + """
[stacking]
mode = "best"
[[rewards]]
id = "five"
give = { amount_off = "5.00", per = "basket" }
price = 100
tier_prices = { gold = 80 }
"""
        )
        rich = MEMBER.earn(100, ref="gift", expires_at=None, at=NOW).state
        taken = program.take_reward("five", rich, ref="t-1", at=NOW)
        assert (taken.fact.price_points, taken.membership.available(at=NOW)) == (100, 0)
        view = View(coupons=[posting.state for posting in taken.beside])
        back = program.give_back_reward("t-1", taken.membership, reason="no use", actor="ann", view=view, at=NOW)
        assert back.membership.available(at=NOW) == 100
        assert program.take_reward("five", granted(rich), ref="t-2", at=NOW).fact.price_points == 80

    def test_one_of_several_is_chosen(self) -> None:
        """The milestone offers, the member chooses."""
        program = Program.parse(
            HEAD
            + """
[[milestones]]
id = "first-order"
when = { order = 1 }
choice = { more = { points = 50 }, less = { points = 20 } }
within = "30 days"
"""
        )
        quote = program.quote(Basket.of("EUR", {"bell": "10.00"}), MEMBER, at=NOW)
        member = program.place(quote, MEMBER, order_id="1", at=NOW).membership
        assert dict(program.overview(member, at=NOW).choices) == {"milestone/first-order": ("more", "less")}
        chosen = program.choose_reward("milestone/first-order", "more", member, at=NOW)
        assert (chosen.fact.option, chosen.membership.available(at=NOW)) == ("more", 50)
        assert not program.overview(chosen.membership, at=NOW).choices


class TestSettle:
    def test_a_grant_brings_its_gift(self) -> None:
        """Entering a tier by hand is an entry: settled, the command gives its gift once."""
        posting = PROGRAM.grant_tier("gold", MEMBER, ref="t-1", until=None, reason="", actor="ann", at=NOW)
        settled, beside = PROGRAM.settle(MEMBER, posting, at=NOW)
        assert [fact.points for fact in settled.facts if isinstance(fact, RewardGiven)] == [200]
        assert (settled.state.available(at=NOW), beside) == (200, ())
        again = PROGRAM.grant_tier("gold", settled.state, ref="t-2", until=None, reason="", actor="ann", at=NOW)
        assert PROGRAM.settle(settled.state, again, at=NOW)[0] == again

    def test_an_ended_grant_takes_its_gift_along(self) -> None:
        """The entry was the grant's alone; what was spent of it is owed."""
        posting = PROGRAM.grant_tier("gold", MEMBER, ref="t-1", until=None, reason="", actor="ann", at=NOW)
        member = PROGRAM.settle(MEMBER, posting, at=NOW)[0].state
        posting = PROGRAM.end_tier_grant("t-1", member, reason="a mistake", actor="ann", at=NOW)
        settled, _ = PROGRAM.settle(member, posting, at=NOW)
        assert (settled.state.available(at=NOW), [held.is_gone for held in settled.state.rewards.values()]) == (0, [True])

    def test_nothing_is_nothing(self) -> None:
        """A command that did nothing brings nothing about."""
        nothing = MEMBER.posting(())
        assert PROGRAM.settle(MEMBER, nothing, at=NOW) == (nothing, ())


class TestOddValues:
    def test_refused_or_answered(self) -> None:
        """No odd value raises anything but what every call may raise."""
        rules = Program.parse(HEAD.replace("2026-07-01 }", '2026-07-01, returns = "30 days" }') + TIERS + MORE)
        friend = Referral.open("f").join("referrals", advocate_id="m-42", at=NOW).state
        of_one: dict[str, Any] = {"membership": MEMBER, "at": NOW}
        answers_or_refuses(rules.tier, **of_one)
        answers_or_refuses(rules.perks, **of_one)
        answers_or_refuses(rules.explain_tier, **of_one)
        answers_or_refuses(rules.overview, referral=friend, **of_one)
        answers_or_refuses(rules.project_tier, on=date(2027, 1, 1), adding=None, **of_one)
        answers_or_refuses(rules.grant_tier, tier="gold", ref="t-1", until=None, reason="", actor="ann", **of_one)
        answers_or_refuses(rules.end_tier_grant, ref="t-1", reason="", actor="ann", **{**of_one, "membership": granted()})
        rich = MEMBER.earn(10, ref="gift", expires_at=None, at=NOW).state
        taken = rules.take_reward("mug", rich, ref="t-1", at=NOW).member.state
        answers_or_refuses(rules.take_reward, reward_id="mug", ref="t-1", **{**of_one, "membership": rich})
        back: dict[str, Any] = {"ref": "t-1", "reason": "", "actor": "ann", "view": NO_VIEW}
        answers_or_refuses(rules.give_back_reward, **back, **{**of_one, "membership": taken})
        answers_or_refuses(rules.reward_referral, referral=friend, advocate=MEMBER, at=NOW)
        answers_or_refuses(rules.reverse_referral, referral=friend, advocate=MEMBER, view=NO_VIEW, at=NOW)
        answers_or_refuses(rules.referral_needs, referral=friend, advocate=MEMBER)
