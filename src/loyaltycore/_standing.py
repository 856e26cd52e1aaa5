"""Where the members of a whole store stood, quarter by quarter, and what they were given as rewards.

Invariants:
    1. A quarter's tiers are those that were known at its end: what came back later does not change them.
    2. The last quarter, which is not over, ends when the report does.
    3. What was given and taken back is not counted among the points that a reward gave or cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, final

from loyaltycore._payouts import Payout, PayoutStatus
from loyaltycore._referral import Referral
from loyaltycore._referral_insight import referral_report
from loyaltycore.facts import Fact
from loyaltycore.memberships import Membership, RewardGiven, RewardTakenBack
from loyaltycore.program import Program
from loyaltycore.quantities import Money, Rounding

__all__ = ["QUARTERS_LIMIT", "Standing"]

QUARTERS_LIMIT: Final = 40
"""Ten years, the last ones: a single event of a wrong century must not make the report endless."""

_TICK: Final = timedelta(microseconds=1)

_OF_A_FRIEND: Final = "referral/"
"""So begins the source of what somebody got for bringing friends."""

_MONTHS: Final = 3
"""Of a quarter."""

_OF_REWARDS: Final = ("given", "taken_back", "price_points", "points", "coupons_used", "cost_minor")

_OF_FRIENDS: Final = ("joined", "refused", "qualified", "rewarded", "rejected", "reversed")


@final
class Standing:
    """Adds up members, one at a time."""

    def __init__(self, program: Program, *, at: datetime) -> None:
        """Begin with nobody.

        Args:
            program: For its tiers and its calendar.
            at: The end of the last quarter.
        """
        self.program, self.at = program, at
        self.places = {} if program.tiers is None else {rung.value: n for n, rung in enumerate(program.tiers.ladder.rungs, 1)}
        self.counted: dict[str, Counter[str]] = {}
        self.rewards: dict[str, Counter[str]] = {}
        self.coupons: dict[str, str] = {}

    def add(self, member_id: str, facts: Sequence[Fact]) -> None:
        """Add a member."""
        if self.program.tiers is not None and facts:
            self._add_tiers(self.program.tiers.ladder.index(0), member_id, facts)
        given = dict[str, RewardGiven]()
        for fact in facts:
            match fact:
                case RewardGiven():
                    given[fact.reward_id] = fact
                    self._of(fact.source).update(given=1, points=fact.points, price_points=fact.price_points)
                    self.coupons.update(dict.fromkeys(fact.coupons, fact.source))
                case RewardTakenBack() if fact.reward_id in given:
                    gone = given.pop(fact.reward_id)
                    self._of(gone.source).update(taken_back=1, points=-gone.points, price_points=-gone.price_points)
                case _:
                    pass

    def add_payouts(self, payouts: Iterable[Payout]) -> None:
        """Add what the shop pays outside, as far as it was not taken back before it was paid."""
        for payout in payouts:
            amount = payout.amount
            if amount is None or amount.currency != self.program.currency or payout.status is PayoutStatus.REVERSED:
                continue
            self._of(payout.source).update(cost_minor=amount.minor_units)

    def add_orders(self, used: Mapping[str, Mapping[str, int]]) -> None:
        """Add what the coupons of rewards took off orders: ``coupons_used`` and ``cost_minor``, by what gave them."""
        for source, one in used.items():
            self._of(source).update(one)

    def quarters(self) -> dict[str, dict[str, int]]:
        """Give the members by tier at the end of each quarter, and how many stood higher and lower than at the one before."""
        names = [*self.places, "none", "up", "down"]
        return {quarter: {name: self.counted[quarter][name] for name in names} for quarter in sorted(self.counted)}

    def given(self) -> dict[str, dict[str, int]]:
        """Give what rewards came to, by what gave them."""
        return {source: {name: self.rewards[source][name] for name in _OF_REWARDS} for source in sorted(self.rewards)}

    def friends(
        self, referrals: Iterable[Referral], *, members: int, campaigns: Mapping[str, Mapping[str, int]], members_minor: int
    ) -> dict[str, int | str | None]:
        """Say what became of the friends who came, and whether it was worth it; nothing without a referral program.

        A member is worth what members have brought so far, each on the average: less than in the years to come, and nothing that
        had to be guessed. Friends cost what their own coupons and their advocates' rewards cost, points as they burn.

        Args:
            referrals: All there are.
            members: So many members there are.
            campaigns: What each campaign cost.
            members_minor: What members' orders paid, less what came back.
        """
        program = self.program.referrals
        if program is None:
            return {}
        given = Counter[str]()
        for source, one in self.rewards.items():
            if source.startswith(_OF_A_FRIEND):  # of an earlier program too: its friends are among the referrals
                given.update(one)
        cost = given["cost_minor"] + self._worth(given["points"])
        if program.friend_campaign is not None:
            cost += campaigns.get(program.friend_campaign.campaign_id, {}).get("cost_minor", 0)
        currency = self.program.currency
        ltv = Money(max(0, members_minor) // max(1, members), currency)
        report = referral_report(referrals, members=members, ltv=ltv, reward=Money(cost, currency))
        counts: dict[str, int | str | None] = {name: getattr(report, name) for name in _OF_FRIENDS}
        shares = {name: text or None for name, text in report.texts().items()}
        return {**counts, "cost_minor": cost, "ltv_minor": ltv.minor_units, **shares}

    def _worth(self, points: int) -> int:
        """Say what points are worth when they are burned; nothing where they cannot be."""
        burning = self.program.burning
        return 0 if burning is None else burning.worth_minor.of_whole(points, rounding=Rounding.HALF_EVEN)

    def _of(self, source: str) -> Counter[str]:
        return self.rewards.setdefault(source, Counter())

    def _add_tiers(self, lowest: int, member_id: str, facts: Sequence[Fact]) -> None:
        member, known, before = Membership.open(member_id), 0, lowest
        for name, ends_at in self._ends(facts[0].at):
            start = known
            # In the order in which they were booked: what was known at the end of the quarter.
            while known < len(facts) and (ends_at is None or facts[known].at < ends_at):
                known += 1
            member = member.folded(facts[start:known])
            status = self.program.tier(member, at=self.at if ends_at is None else ends_at - _TICK)
            assert status is not None  # the program has tiers
            place = self.places.get(status.tier or "", 0)
            counted = self.counted.setdefault(name, Counter())
            counted.update([status.tier or "none", *(["up"] if place > before else ["down"] if place < before else [])])
            before = place

    def _ends(self, first_at: datetime) -> Iterator[tuple[str, datetime | None]]:
        """Name the quarters from an instant to the end of the report, each with the first instant after it; the last has none."""
        calendar = self.program.calendar
        last = _quarter_of(calendar.day_of(self.at))
        first = _quarter_of(calendar.day_of(min(first_at, self.at)))
        for number in range(max(first, last - QUARTERS_LIMIT + 1), last):
            year, quarter = divmod(number + 1, 4)
            yield _name(number), calendar.first_instant(date(year, quarter * _MONTHS + 1, 1))
        yield _name(last), None


def _quarter_of(day: date) -> int:
    """Count quarters from the beginning of the calendar."""
    return day.year * 4 + (day.month - 1) // _MONTHS


def _name(number: int) -> str:
    return f"{number // 4:04d}-Q{number % 4 + 1}"
