"""What our tiers, actions and referrals give for the rules of other vendors; each takes the vendor's own numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

import attrs
import pytest

from loyaltycore import Basket, Line, Loyalty, Membership, Money
from loyaltycore.benefits import BonusPoints
from loyaltycore.conditions import spend_at_least
from loyaltycore.errors import Reason, RefusedError
from loyaltycore.offers import Mode, OfferBook, Stacking
from loyaltycore.periods import Calendar, Period, YearDay
from loyaltycore.points import Action, Times
from loyaltycore.referrals import After, ReferralProgram
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.tiers import CalendarYears, Downgrade, Ladder, Metric, TierRule, TierStatus, TierWindow
from tests.vendors.deals import program_of

__all__ = [
    "Event",
    "after_expiry",
    "birthdays_rewarded",
    "by_balance",
    "by_points_earned",
    "fixed_duration",
    "friends_rewarded",
    "projected",
    "why_not_referred",
]

DAYS: Final = Calendar("UTC")
ONE_DAY: Final = timedelta(days=1)


class Event(NamedTuple):
    """Points that come (above 0) or go (below 0) on a day."""

    day: date
    points: int


def noon(day: date) -> datetime:
    """Give an instant inside of a day."""
    return datetime.combine(day, time(12), UTC)


def member_of(events: Iterable[Event], *, through: date) -> Membership:
    """Earn and burn as told, until the end of a day."""
    member = Membership.open("m")
    for number, event in enumerate(events):
        if event.day > through:
            continue
        if event.points > 0:
            member = member.earn(event.points, ref=f"e-{number}", expires_at=None, at=noon(event.day)).state
        else:
            member = member.burn(-event.points, ref=f"e-{number}", at=noon(event.day)).state
    return member


def by_balance(rungs: Mapping[int, str], events: Sequence[Event], days: Iterable[date]) -> list[tuple[str | None, int]]:
    """Stand where the balance stands, on each of these days: a ladder alone, which keeps nothing."""
    ladder = Ladder.of(rungs)
    balances = [member_of(events, through=day).available(at=noon(day)) for day in days]
    return [(ladder.at(balance), balance) for balance in balances]


def points_rule(rungs: Mapping[int, str], window: TierWindow | Period, downgrade: Downgrade) -> TierRule:
    """Let points that were earned decide; what is spent of them takes nothing away."""
    ladder = Ladder.of({threshold: slug(name) for threshold, name in rungs.items()})
    return TierRule(ladder, window=window, downgrade=downgrade, metric=Metric.POINTS)


def slug(name: str) -> str:
    """Write a tier as ours are: a name that people see is the shop's."""
    return name.lower().replace(" ", "-")


def status(rule: TierRule, member: Membership, day: date) -> TierStatus:
    """Ask where the member stands."""
    return rule.status(member.qualifying(rule, calendar=DAYS), day=day, calendar=DAYS)


def by_points_earned(
    rungs: Mapping[int, str], events: Sequence[Event], days: Iterable[date], window: TierWindow | Period
) -> list[str | None]:
    """Stand where the points earned in a period reach, on each of these days, and keep it as long as that."""
    rule = points_rule(rungs, window, Downgrade.REASSESS)
    names = {slug(name): name for name in rungs.values()}
    found = [status(rule, member_of(events, through=day), day).tier for day in days]
    return [None if tier is None else names[tier] for tier in found]


def fixed_duration(length: Period, reached: date, falls: date) -> tuple[date, datetime]:
    """Reach a tier, then spend the points: from which day it counts, and the first instant at which it is over."""
    rule = points_rule({0: "basic", 100: "silver"}, length, Downgrade.REASSESS)
    events = [Event(reached, 100), Event(falls, -60)]
    member = member_of(events, through=falls)
    assert by_balance({0: "basic", 100: "silver"}, events, [falls]) == [("basic", 40)], "the balance must fall below"
    held = status(rule, member, falls)
    assert (held.tier, held.kept_until is None) == ("silver", False), "the tier must be kept while it lasts"
    assert held.kept_until is not None
    over = DAYS.day_of(held.kept_until)
    assert [status(rule, member, day).tier for day in (over - ONE_DAY, over)] == ["silver", "basic"]
    counts_from = rule.explain(member.qualifying(rule, calendar=DAYS), day=falls, calendar=DAYS).reached_on
    assert counts_from is not None
    return counts_from, held.kept_until


def lasting_years(
    rungs: Mapping[int, str], tier: str, points: int, downgrade: Downgrade
) -> tuple[TierRule, Membership, dict[str, str]]:
    """Reach a tier in one year and earn so many points in the next, at the end of which the tier is over."""
    names = {slug(name): name for name in rungs.values()}
    threshold = next(low for low, name in rungs.items() if name == tier)
    events = [Event(REACHED, threshold), *([Event(IN_THE_NEXT, points)] if points else [])]
    return points_rule(rungs, CalendarYears(), downgrade), member_of(events, through=IN_THE_NEXT), names


REACHED: Final = date(2025, 6, 1)
IN_THE_NEXT: Final = date(2026, 3, 10)
OVER: Final = date(2027, 1, 1)


def after_expiry(rungs: Mapping[int, str], tier: str, points: int, downgrade: Downgrade) -> str | None:
    """Let a tier end with so many points of its last period: where the member stands then."""
    rule, member, names = lasting_years(rungs, tier, points, downgrade)
    before, found = (status(rule, member, day).tier for day in (OVER - ONE_DAY, OVER))
    assert before == slug(tier), "the tier must be kept until then"
    return None if found is None else names[found]


def projected(rungs: Mapping[int, str], tier: str, points: int) -> dict[str, object]:
    """Tell what becomes of a tier that ends with so many points, in the words of Talon.One."""
    rule, member, names = lasting_years(rungs, tier, points, Downgrade.REASSESS)
    history = [*member.qualifying(rule, calendar=DAYS)]
    today = status(rule, member, IN_THE_NEXT)
    then = rule.project(history, day=IN_THE_NEXT, on=OVER, calendar=DAYS)
    found: dict[str, object] = {"projected_active_points": today.metric, "projected_tier_name": names.get(then.tier or "")}
    if today.to_keep:
        found["stay_in_tier_points"] = today.to_keep
    assert ("stay_in_tier_points" in found) == (then.tier != today.tier), "told exactly where the tier would be lost"
    return found


# ---- birthdays ----

BIRTHDAY: Final = Action(points=200, times=Times(per_year=1), expires=None)


def birthdays_rewarded(born: YearDay, *, entered: date, closed_days: int, years: int) -> list[date]:
    """Reward a birthday once a year from the day on which the one that was told too late has passed: on which days.

    The shop looks each day who has birthday, as the calendar says; the program gives the points, and not twice in a year.
    """
    rules = attrs.evolve(program_of(EMPTY, "EUR"), actions={"birthday": BIRTHDAY}, starts_on=date(2020, 1, 1))
    member, first, found = Membership.open("m"), entered + (closed_days + 1) * ONE_DAY, list[date]()
    for _ in range(years):
        day = born.on_or_after(first)
        member = rules.record("birthday", member, ref=f"birthday-{day.year}", at=noon(day)).state
        with pytest.raises(RefusedError, match="action_limit_reached"):
            rules.record("birthday", member, ref=f"birthday-{day.year}-again", at=noon(day))
        first = day + ONE_DAY
    for lot in member.ledger.lots.values():
        found.append(DAYS.day_of(lot.granted_at))
    return found


# ---- referrals ----

EMPTY: Final = OfferBook((), stacking=Stacking(Mode.ALL))
LARGE: Final = Basket([Line("1", Money.of("50.00", "EUR"))])


class Friends:
    """A shop whose members bring friends: points for the advocate, at once, for an order of 40.00."""

    def __init__(self, *, each: int = 10, at: Mapping[int, int] | None = None, limit: int | None = None) -> None:
        referrals = ReferralProgram(
            "friends",
            codes="HI-####-####",
            qualifies=spend_at_least(Money.of("40.00", "EUR")),
            after=After.AT_ONCE,
            advocate=Ladder.of({1: BonusPoints(each, expires=None)}),
            advocate_at=Ladder.of({number: BonusPoints(points, expires=None) for number, points in at.items()}) if at else None,
            limit_in_all=limit,
        )
        self.now = noon(date(2026, 7, 6))
        program = attrs.evolve(program_of(EMPTY, "EUR"), referrals=referrals)
        self.loyalty = Loyalty(program, MemoryRepository(), clock=lambda: self.now)

    def code(self, member_id: str) -> str:
        """Join, and take a code to pass on."""
        self.loyalty.join(member_id)
        return self.loyalty.referrals.code(member_id).code

    def join(self, member_id: str, code: str) -> Reason | None:
        """Sign up with a code; say why it does not count. The sign-up stands in any case."""
        self.loyalty.join(member_id, referral_code=code)
        assert self.loyalty.overview(member_id).joined_at is not None
        refused = self.loyalty.referrals.of(member_id).refused
        return None if refused is None else refused.reason

    def buy(self, member_id: str) -> None:
        """Place an order that qualifies."""
        quote = self.loyalty.quote(LARGE, member_id=member_id)
        self.loyalty.place(quote, order_id=f"{member_id}-{self.loyalty.overview(member_id).order_count}")


def why_not_referred(reason: Reason) -> Reason | None:
    """Let somebody enter a code that must not count for this reason: for which it does not."""
    shop = Friends()
    code = shop.code("advocate")
    match reason:
        case Reason.REFERRAL_SELF:
            return shop.join("advocate", code)
        case Reason.REFERRAL_ALREADY_REFERRED:
            assert shop.join("friend", shop.code("other")) is None
            return shop.join("friend", code)
        case Reason.REFERRAL_ALREADY_CUSTOMER:
            shop.buy("friend")
            return shop.join("friend", code)
        case Reason.REFERRAL_CIRCULAR:
            assert shop.join("friend", code) is None
            return shop.join("advocate", shop.code("friend"))
        case _:
            return shop.join("friend", "HI-0000-0000")


def friends_rewarded(friends: int, *, each: int, at: Mapping[int, int], limit: int | None) -> tuple[int, int]:
    """Bring so many friends, who all buy: for how many the advocate is rewarded, and with how many points."""
    shop = Friends(each=each, at=at, limit=limit)
    code = shop.code("advocate")
    for number in range(friends):
        assert shop.join(f"friend-{number}", code) is None or (limit is not None and number >= limit)
        shop.buy(f"friend-{number}")
        shop.loyalty.sweep()
    advocate = shop.loyalty.membership("advocate")
    return len(advocate.friends), advocate.available(at=shop.now)
