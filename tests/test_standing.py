"""Where members stood, quarter by quarter, what rewards came to, and whether friends were worth it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import attrs
import pytest

from loyaltycore import Money, Program
from loyaltycore._payouts import PayOut, Payout
from loyaltycore._referral import Referral
from loyaltycore._standing import QUARTERS_LIMIT, Standing
from loyaltycore.benefits import AmountOff, BonusPoints, Per
from loyaltycore.conditions import first_order
from loyaltycore.facts import Fact
from loyaltycore.ladders import Ladder
from loyaltycore.memberships import MemberJoined, OrderCounted, ReturnCounted, RewardGiven, RewardTakenBack
from loyaltycore.periods import Period
from loyaltycore.referrals import ReferralProgram

END = datetime(2026, 8, 31, 20, tzinfo=UTC)
HEAD = """
program = { name = "shop", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2025-01-01 }
points = { earn = "1 per 1.00", basis = "paid", expires = "12 months", worth = "0.01", overdraft = "carry" }
stacking = { mode = "best" }
"""
TIERS = """
[tiers]
metric = "spend"
window = "12 months"
downgrade = "one step"
rung = [{ id = "silver", from = "100.00" }, { id = "gold", from = "500.00" }]
"""
PROGRAM = Program.parse(HEAD + TIERS)


def bought(on: str, minor: int, order_id: str = "1") -> OrderCounted:
    """Let an order count, at noon."""
    at = datetime.fromisoformat(f"{on}T12:00:00Z")
    return OrderCounted(order_id=order_id, day=at.date(), qualifying_minor=minor, at=at)


def quarters(*members: Sequence[Fact], program: Program = PROGRAM, at: datetime = END) -> dict[str, dict[str, int]]:
    """Add members up."""
    standing = Standing(program, at=at)
    for number, facts in enumerate(members):
        standing.add(f"m-{number}", facts)
    return {name: {tier: count for tier, count in one.items() if count} for name, one in standing.quarters().items()}


class TestQuarters:
    def test_up_and_down(self) -> None:
        """A tier is told at the end of each quarter from the first fact on, with who rose and who fell since the last one."""
        member = [bought("2025-02-01", 10_000), bought("2025-05-01", 50_000, "2")]
        assert quarters(member) == {
            "2025-Q1": {"silver": 1, "up": 1},
            "2025-Q2": {"gold": 1, "up": 1},
            "2025-Q3": {"gold": 1},
            "2025-Q4": {"gold": 1},
            "2026-Q1": {"gold": 1},
            "2026-Q2": {"silver": 1, "down": 1},
            "2026-Q3": {"silver": 1},
        }

    def test_names_of_all_columns(self) -> None:
        """Every quarter has every tier, lowest first, and those below the first."""
        standing = Standing(PROGRAM, at=END)
        standing.add("m", [bought("2026-08-01", 1)])
        ((quarter, found),) = standing.quarters().items()
        assert (quarter, list(found.items())) == ("2026-Q3", [("silver", 0), ("gold", 0), ("none", 1), ("up", 0), ("down", 0)])

    def test_several_members(self) -> None:
        """Who comes later is counted from then on; somebody without a fact is nobody."""
        early, late = [bought("2026-04-30", 10_000)], [bought("2026-07-01", 50_000)]
        assert quarters(early, late, []) == {"2026-Q2": {"silver": 1, "up": 1}, "2026-Q3": {"silver": 1, "gold": 1, "up": 1}}

    def test_local_quarters(self) -> None:
        """A quarter ends at midnight where the shop is: 23:30 in Paris is still March, and 00:30 is April."""
        last, first = datetime(2026, 3, 31, 21, 30, tzinfo=UTC), datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
        orders = [[OrderCounted(order_id="1", day=at.date(), qualifying_minor=10_000, at=at)] for at in (last, first)]
        assert list(quarters(orders[0])) == ["2026-Q1", "2026-Q2", "2026-Q3"]
        assert list(quarters(orders[1])) == ["2026-Q2", "2026-Q3"]

    def test_as_it_was_known(self) -> None:
        """What came back later does not change what was told before; at the end all is known."""
        back = ReturnCounted(order_id="1", return_id="r", qualifying_minor=10_000, at=datetime(2026, 7, 2, tzinfo=UTC))
        assert quarters([bought("2026-06-30", 10_000), back]) == {
            "2026-Q2": {"silver": 1, "up": 1},
            "2026-Q3": {"none": 1, "down": 1},
        }

    def test_the_last_is_the_end(self) -> None:
        """The last quarter ends with the report, and holds what was booked late, too."""
        at = datetime(2026, 5, 15, tzinfo=UTC)
        assert quarters([bought("2026-05-01", 10_000), bought("2026-09-01", 90_000, "2")], at=at) == {
            "2026-Q2": {"silver": 1, "up": 1}
        }
        assert list(quarters([bought("2026-09-01", 10_000)], at=at)) == ["2026-Q2"]

    def test_a_wrong_century_is_no_endless_report(self) -> None:
        """Of a long history the last quarters are told."""
        found = quarters([bought("0125-05-01", 10_000)])
        assert (len(found), next(iter(found))) == (QUARTERS_LIMIT, "2016-Q4")
        assert len(quarters([bought("2025-02-01", 1)], at=datetime.max.replace(tzinfo=UTC, year=9990))) == QUARTERS_LIMIT

    def test_everybody_begins_somewhere(self) -> None:
        """Where the first tier takes nothing, joining is no rise."""
        program = Program.parse((HEAD + TIERS).replace('from = "100.00"', 'from = "0"'))
        joined = MemberJoined(member_id="m-0", at=datetime(2026, 7, 2, tzinfo=UTC))
        assert quarters([joined], program=program) == {"2026-Q3": {"silver": 1}}

    def test_without_tiers(self) -> None:
        """A program without tiers has no table."""
        assert quarters([bought("2026-05-01", 1)], program=Program.parse(HEAD)) == {}


class TestRewards:
    def test_given_and_taken_back(self) -> None:
        """What was taken back is counted, and its points are not."""
        given = [
            RewardGiven(reward_id="reward/1", source="catalogue/cap", price_points=500, coupons=("c-1",), at=END),
            RewardGiven(reward_id="reward/2", source="catalogue/cap", price_points=400, coupons=("c-2",), at=END),
            RewardGiven(reward_id="tier/gold/2026-03-15", source="tier/gold", points=300, at=END),
            RewardTakenBack(reward_id="reward/2", at=END),
            RewardTakenBack(reward_id="unknown", at=END),
        ]
        standing = Standing(Program.parse(HEAD), at=END)
        standing.add("m", given)
        standing.add_orders({"catalogue/cap": {"coupons_used": 1, "cost_minor": 750}})
        none = dict.fromkeys(("given", "taken_back", "price_points", "points", "coupons_used", "cost_minor"), 0)
        assert standing.coupons == {"c-1": "catalogue/cap", "c-2": "catalogue/cap"}
        assert standing.given() == {
            "catalogue/cap": {**none, "given": 2, "taken_back": 1, "price_points": 500, "coupons_used": 1, "cost_minor": 750},
            "tier/gold": {**none, "given": 1, "points": 300},
        }
        assert list(standing.given()["tier/gold"]) == list(none)

    def test_given_again(self) -> None:
        """A name that is given again after it was taken back counts once more."""
        give = RewardGiven(reward_id="m", source="milestone/m", points=5, at=END)
        standing = Standing(Program.parse(HEAD), at=END)
        standing.add("m", [give, RewardTakenBack(reward_id="m", at=END), give])
        found = standing.given()["milestone/m"]
        assert (found["given"], found["taken_back"], found["points"]) == (2, 1, 5)

    def test_paid_outside(self) -> None:
        """What is due or paid costs, what was reversed in time does not; money of another currency is not added."""
        due = Payout.open("p").fall_due(
            PayOut(Money.of("5.00", "EUR")), member_id="m", source="referral/friends", ref="referral/friends/1", at=END
        )
        paid = due.state.pay(ref="t", actor="ann", at=END).state
        gone, late = (one.reverse(reason="came back", at=END).state for one in (due.state, paid))
        other = attrs.evolve(due.state, amount=Money.of("5.00", "CHF"))
        standing = Standing(Program.parse(HEAD), at=END)
        standing.add_payouts([due.state, paid, gone, late, other, Payout.open("nothing")])
        assert standing.given()["referral/friends"]["cost_minor"] == 1500


FRIENDS = ReferralProgram(
    "friends",
    codes="VELO-####-####",
    qualifies=first_order(),
    after=Period(days=30),
    friend=AmountOff(Money.of("10.00", "EUR"), per=Per.BASKET),
    advocate=Ladder.of({1: BonusPoints(500, expires=None)}),
)


def friends(number: int, *, rewarded: bool) -> Referral:
    """Let a friend join, and perhaps be rewarded for."""
    joined = Referral.open(f"f-{number}").join("friends", advocate_id="m", at=END).state
    if not rewarded:
        return joined
    return joined.qualify("1", due_at=END, at=END).state.reward(number=1, at=END).state


class TestFriends:
    def test_whether_it_was_worth_it(self) -> None:
        """Friends cost what they and their advocates were given, points as they burn; a member is worth what members brought."""
        standing = Standing(attrs.evolve(PROGRAM, referrals=FRIENDS), at=END)
        given = [RewardGiven(reward_id=f"referral/friends/{n}", source="referral/friends-1", points=500, at=END) for n in (1, 2)]
        standing.add("m", given)
        standing.add_orders({"referral/friends-3": {"coupons_used": 1, "cost_minor": 300}, "catalogue/cap": {"cost_minor": 5}})
        # As the friends of an earlier program are among those who are known.
        standing.add_orders({"referral/other-1": {"coupons_used": 1, "cost_minor": 1}})
        known = [friends(number, rewarded=number < 2) for number in range(4)]
        campaigns = {"friends-friend": {"cost_minor": 2000}, "other": {"cost_minor": 9}}
        found = standing.friends(known, members=10, campaigns=campaigns, members_minor=100_009)
        assert found == {
            "joined": 4,
            "refused": 0,
            "qualified": 0,
            "rewarded": 2,
            "rejected": 0,
            "reversed": 0,
            "cost_minor": 1000 + 301 + 2000,
            "ltv_minor": 10_000,
            "conversion": "0.5000",
            "k": "0.2000",
            "roi": "6.2705",
        }

    def test_nothing_yet(self) -> None:
        """Without members, friends and points that burn there is nothing to divide by."""
        program = Program.parse(HEAD.replace(', worth = "0.01"', ""))
        plain = attrs.evolve(FRIENDS, friend=None)
        standing = Standing(attrs.evolve(program, referrals=plain), at=END)
        standing.add("m", [RewardGiven(reward_id="referral/friends/1", source="referral/friends", points=500, at=END)])
        found = standing.friends([], members=0, campaigns={}, members_minor=0)
        assert (found["joined"], found["cost_minor"], found["conversion"], found["k"], found["roi"]) == (0, 0, None, None, None)

    @pytest.mark.parametrize("program", [PROGRAM, Program.parse(HEAD)])
    def test_without_referrals(self, program: Program) -> None:
        """A program without referrals says nothing of friends."""
        assert Standing(program, at=END).friends([], members=1, campaigns={}, members_minor=1) == {}
