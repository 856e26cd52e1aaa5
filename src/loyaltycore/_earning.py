"""How a program gives points: the rules of earning and the named actions, as values.

A rule says which goods count, at which price, when, and what they give; a program sums its rules, takes the best one, or the
first that matches. What they give for one basket is worked out by ``_purchase``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final, assert_never, final

import attrs

from loyaltycore._checks import check_count, check_kind, check_several, check_whole
from loyaltycore._formula import (
    POINTS,
    Flat,
    Formula,
    Gives,
    Own,
    OwnRule,
    Percent,
    Step,
)
from loyaltycore.basket import Basket, Filter, PriceState, UnitGroup
from loyaltycore.conditions import Situation
from loyaltycore.errors import Detail, Reason, Refusal, UsageError
from loyaltycore.identity import check_slug, labels
from loyaltycore.ladders import Ladder
from loyaltycore.ledger import Ledger
from loyaltycore.periods import Awaiting, Calendar, Expires, Pending, Schedule, Terms, Window, check_policies, opens_and_ends
from loyaltycore.quantities import Over, Rate

__all__ = [
    "EVER",
    "MULTIPLIERS_LIMIT",
    "POINTS",
    "RULES_LIMIT",
    "Action",
    "Basis",
    "Caps",
    "CarryOver",
    "Combine",
    "EarningAnswer",
    "EarningRule",
    "EarningWhen",
    "Filter",
    "Flat",
    "Multiplier",
    "Over",
    "OwnRule",
    "Percent",
    "PriceState",
    "Shipping",
    "Step",
    "Times",
    "check_together",
    "held_in",
]

RULES_LIMIT: Final = 100
"""Rules of one program: every quote asks each of them."""

MULTIPLIERS_LIMIT: Final = 50
"""Multipliers of one rule: every unit group asks each of them."""


class Basis(StrEnum):
    """Of which price points are earned: before offers, after offers, or after offers and burned points."""

    LIST = "list"
    DISCOUNTED = "discounted"
    PAID = "paid"


class Shipping(StrEnum):
    """Whether what is paid for shipping counts beside the goods."""

    OUT = "out"
    IN = "in"


class Combine(StrEnum):
    """What becomes of several rules that give points to one account for one order.

    ``SUM``: all give. ``BEST``: the one that grants most, the first of equals. ``FIRST``: the first whose conditions hold and
    that has something to count, even where it grants nothing.
    """

    SUM = "sum"
    BEST = "best"
    FIRST = "first"


class CarryOver(StrEnum):
    """Whether the money above the last whole step counts again with the next order."""

    OFF = "off"
    ON = "on"


LAST_DAY: Final = date.max - timedelta(days=1)
"""A day before the last, so that there is one after it."""

EVER: Final = Window(starts_at=None, ends_at=None)
"""All of time."""


class Span(StrEnum):
    """Local spans in which points, times or uses are counted, narrowest first."""

    DAY = "per_day"
    WEEK = "per_week"
    MONTH = "per_month"
    YEAR = "per_year"
    EVER = "lifetime"

    def window(self, at: datetime, calendar: Calendar) -> Window:
        """Give the span around an instant; weeks begin on Monday."""
        day = calendar.day_of(at)
        match self:
            case Span.DAY:
                first, after = day, day + timedelta(days=1)
            case Span.WEEK:
                first = day - timedelta(days=day.weekday())
                after = first + timedelta(days=7)
            case Span.MONTH:
                first = day.replace(day=1)
                after = (first + timedelta(days=31)).replace(day=1)
            case Span.YEAR:
                first = date(day.year, 1, 1)
                after = min(day.replace(month=12, day=31), LAST_DAY) + timedelta(days=1)
            case Span.EVER:
                return EVER
            case _:
                assert_never(self)
        return Window(starts_at=_begins(first, calendar), ends_at=_begins(after, calendar))

    def name_of(self, at: datetime, calendar: Calendar) -> str:
        """Name the span around an instant, such as ``2026-07`` for a month; nothing for all of time."""
        day = calendar.day_of(at)
        match self:
            case Span.DAY:
                return day.isoformat()
            case Span.WEEK:
                year, week, _ = day.isocalendar()
                return f"{year}-W{week:02d}"
            case Span.MONTH:
                return f"{day.year}-{day.month:02d}"
            case Span.YEAR:
                return str(day.year)
            case Span.EVER:
                return ""
        assert_never(self)


def _begins(day: date, calendar: Calendar) -> datetime | None:
    """Give the first instant of a day; none where the calendar ends, beyond which nothing can be dated."""
    try:
        return calendar.first_instant(day)
    except UsageError:
        return None


@final
@attrs.frozen(kw_only=True)
class EarningWhen:
    """When and for whom a rule or a multiplier holds; what is left out always does.

    Attributes:
        window: From when to when; ``None`` always.
        schedule: The hours of the week; ``None`` all.
        tiers: Members of one of these tiers, before this order; empty for everybody, guests too.
        member_tags: Members with one of these tags in their profile.
        markets: Baskets sold in one of these markets; where the basket says none, the profile's.
        channels: Baskets sold through one of these channels.
    """

    window: Window | None = None
    schedule: Schedule | None = None
    tiers: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    member_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    markets: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    channels: frozenset[str] = attrs.field(default=frozenset(), converter=labels)

    def __attrs_post_init__(self) -> None:
        """Check the window and the schedule."""
        if self.window is not None:
            check_kind("window", self.window, Window)
        if self.schedule is not None:
            check_kind("schedule", self.schedule, Schedule)

    def holds(self, situation: Situation, basket: Basket) -> bool:
        """Say whether everything that is said is the case."""
        at, profile = situation.at, situation.profile
        market = profile.market if basket.market is None else basket.market
        return (
            (self.window is None or self.window.contains(at))
            and (self.schedule is None or self.schedule.contains(at, calendar=situation.calendar))
            and (not self.tiers or situation.tier in self.tiers)
            and (not self.member_tags or not self.member_tags.isdisjoint(profile.tags))
            and (not self.markets or market in self.markets)
            and (not self.channels or basket.channel in self.channels)
        )


@final
@attrs.frozen(kw_only=True)
class Multiplier:
    """Some goods count several times, at some times, for some members.

    Attributes:
        times: How many times; ``Rate.times("1.5")``. Several that match multiply.
        only: For which goods. Shipping is multiplied where this leaves nothing out.
        when: When and for whom.
    """

    times: Rate
    only: Filter = Filter()
    when: EarningWhen = EarningWhen()

    def __attrs_post_init__(self) -> None:
        """Check the parts."""
        check_kind("times", self.times, Rate)
        check_kind("only", self.only, Filter)
        check_kind("when", self.when, EarningWhen)


def _check_limits(owner: object, names: Iterable[str]) -> None:
    for name in names:
        if getattr(owner, name) is not None:
            check_count(name, getattr(owner, name))


@final
@attrs.frozen(kw_only=True)
class Caps:
    """The most points a rule gives; each is ``None`` for no limit, and one at least is said.

    What counts against a span is what the rule's earnings of the same local day, Monday week, month or year hold: granted
    less revoked, whatever was burned of it.

    Attributes:
        per_order: For one order.
        per_day: In one local day.
        per_week: In one week.
        per_month: In one month.
        per_year: In one year.
        lifetime: Ever.
        balance: On the account: available, pending and held, as before the order.
        over: What happens above. It has no default: it costs money.
    """

    per_order: int | None = None
    per_day: int | None = None
    per_week: int | None = None
    per_month: int | None = None
    per_year: int | None = None
    lifetime: int | None = None
    balance: int | None = None
    over: Over

    def __attrs_post_init__(self) -> None:
        """Check each cap."""
        check_kind("over", self.over, Over)
        _check_limits(self, _CAPS)
        if all(getattr(self, name) is None for name in _CAPS):
            msg = f"caps must say one of {', '.join(_CAPS)}, got none"
            raise UsageError(msg)

    @property
    def looks_back(self) -> bool:
        """Whether a cap counts what was earned before."""
        return any(getattr(self, span.value) is not None for span in Span)

    def left(self, rule_id: str, ledger: Ledger | None, *, at: datetime, calendar: Calendar) -> tuple[int, str, int]:
        """Give what the tightest cap leaves, its name and its points; the first of equals.

        Args:
            rule_id: Whose earnings count.
            ledger: The account; ``None`` for a guest, whose is empty.
            at: When points would be earned.
            calendar: Whose local days count.

        Complexity:
            O(lots), once for each span.
        """
        found = list[tuple[int, str, int]]()
        if self.per_order is not None:
            found.append((self.per_order, "per_order", self.per_order))
        for span in Span:
            cap = getattr(self, span.value)
            if cap is not None:
                found.append((max(0, cap - held_in(rule_id, ledger, span.window(at, calendar))), span.value, cap))
        if self.balance is not None:
            balance = None if ledger is None else ledger.balance(at=at)
            held = 0 if balance is None else balance.available + balance.pending + balance.held
            found.append((max(0, self.balance - held), "balance", self.balance))
        return min(found, key=lambda one: one[0])


_CAPS: Final = ("per_order", *(span.value for span in Span), "balance")


def held_in(rule_id: str, ledger: Ledger | None, window: Window) -> int:
    """Sum what a rule granted in a window, less what was revoked of it."""
    return sum(_earnings_in(rule_id, ledger, window))


def _earnings_in(rule_id: str, ledger: Ledger | None, window: Window) -> list[int]:
    """Give what is left of each earning of a rule: units that went on to another lot are those of the first."""
    if ledger is None:
        return []
    ending, earnings, lots = f"/{rule_id}", dict[str, int](), ledger.lots
    for lot in lots.values():
        earned_by = lot.earned_by
        if earned_by.endswith(ending) and window.contains(lots[earned_by].granted_at):
            earnings[earned_by] = earnings.get(earned_by, 0) + lot.revocable
    return list(earnings.values())


def _multipliers(values: Iterable[Multiplier]) -> tuple[Multiplier, ...]:
    return check_several("multipliers", values, Multiplier, limit=MULTIPLIERS_LIMIT)


def _gives(gives: Gives | OwnRule) -> Gives:
    return gives if isinstance(gives, Step | Flat | Percent | Own) else Own(gives)


@final
@attrs.frozen(kw_only=True)
class EarningRule:
    """What orders earn, and on which terms.

    Attributes:
        rule_id: Names the lot together with the order.
        gives: What an amount gives: ``Step``, ``Flat``, ``Percent``, or an ``OwnRule``.
        basis: Of which price.
        shipping: Whether what is paid for shipping counts.
        only: The goods that count.
        exclude: The goods that do not; one part that fits is enough.
        at_least_minor: What must count at the least, in minor units, for the rule to give anything.
        when: When and for whom it holds.
        multipliers: What counts several times; at most 50.
        times_limit: The most that several multipliers come to together; ``None`` has no limit.
        caps: The most it gives; ``None`` has no limit.
        carry_over: Whether the money above the last whole step counts with the next order; only with ``Step``, without
            multipliers and caps. A step that is changed under the same id counts all the spend so far.
        pending: Until when the points wait, from the order on; ``None`` is at once.
        expires: When they end, from when they can be burned; ``None`` never.
        account: Which of the member's accounts gets them.
    """

    rule_id: str
    gives: Gives = attrs.field(converter=_gives)
    basis: Basis
    shipping: Shipping = Shipping.OUT
    only: Filter = Filter()
    exclude: Filter = Filter()
    at_least_minor: int = 0
    when: EarningWhen = EarningWhen()
    multipliers: tuple[Multiplier, ...] = attrs.field(default=(), converter=_multipliers)
    times_limit: Rate | None = None
    caps: Caps | None = None
    carry_over: CarryOver = CarryOver.OFF
    pending: Pending
    expires: Expires
    account: str = POINTS

    def __attrs_post_init__(self) -> None:
        """Check the parts against one another."""
        check_slug("rule_id", self.rule_id)
        check_slug("account", self.account)
        for name, kind in _KINDS.items():
            check_kind(name, getattr(self, name), kind)
        check_whole("at_least_minor", self.at_least_minor, low=0)
        if self.times_limit is not None:
            check_kind("times_limit", self.times_limit, Rate)
        if self.caps is not None:
            check_kind("caps", self.caps, Caps)
        _check_terms(self.pending, self.expires)
        if self.carries and (not isinstance(self.gives, Step) or self.multipliers or self.caps is not None):
            msg = f"carry_over goes with whole steps alone, without multipliers and caps, got it on rule {self.rule_id!r}"
            raise UsageError(msg)

    @property
    def carries(self) -> bool:
        """Whether the money above the last whole step counts with the next order."""
        return self.carry_over is CarryOver.ON

    def counts(self, group: UnitGroup) -> bool:
        """Say whether goods may count, whatever the time and the member."""
        return self.only.takes(group) and not self.exclude.hits(group)

    def formula(self, by_times: Mapping[Fraction, int]) -> Formula | None:
        """Give the formula of what counts; ``None`` where it gives nothing."""
        at_least = self.at_least_minor
        if isinstance(self.gives, Own):
            minor = sum(by_times.values())
            return self.gives.frozen(by_times, at_least_minor=at_least) if minor >= max(1, at_least) else None
        return self.gives.frozen(at_least_minor=at_least)

    def terms(self, at: datetime, *, calendar: Calendar) -> Terms | None:
        """Give the terms of what is earned at an instant; ``None`` when it could never be burned: the rule is over."""
        return opens_and_ends(self.pending, self.expires, at=at, calendar=calendar)


def _check_terms(pending: Pending, expires: Expires) -> None:
    check_policies(pending, expires)
    if isinstance(pending, Awaiting):
        check_slug("event", pending.event)


_KINDS: Final[Mapping[str, type]] = {
    "basis": Basis,
    "shipping": Shipping,
    "only": Filter,
    "exclude": Filter,
    "when": EarningWhen,
    "carry_over": CarryOver,
}


@final
@attrs.frozen(kw_only=True)
class EarningAnswer:
    """What became of one rule for one basket.

    Attributes:
        rule_id: Which rule.
        account: Where its points go.
        desired: Points it would give without caps and other rules; 0 where it does not match.
        granted: Points it gives.
        refusal: ``points_cap_reached`` where a cap left fewer than desired.
        instead: The rule that gives instead, where only one of several may; ``None`` for none.
    """

    rule_id: str
    account: str
    desired: int = 0
    granted: int = 0
    refusal: Refusal | None = None
    instead: str | None = None


@final
@attrs.frozen(kw_only=True)
class Times:
    """How often something may be done for points; each is ``None`` for no limit.

    Attributes:
        per_day: In one local day.
        per_week: In one week, from Monday.
        per_month: In one month.
        per_year: In one year.
        lifetime: Ever.
    """

    per_day: int | None = None
    per_week: int | None = None
    per_month: int | None = None
    per_year: int | None = None
    lifetime: int | None = None

    def __attrs_post_init__(self) -> None:
        """Check each limit."""
        _check_limits(self, [span.value for span in Span])


@final
@attrs.frozen(kw_only=True)
class Action:
    """Points without an order: for a review, a sign-up, a birthday.

    Attributes:
        points: For doing it once, at least 1.
        times: How often it may be done; what was taken back whole does not count.
        pending: Until when the points wait; ``None`` is at once.
        expires: When they end; ``None`` never.
        account: Which of the member's accounts gets them.
    """

    points: int
    times: Times = Times()
    pending: Pending = None
    expires: Expires
    account: str = POINTS

    def __attrs_post_init__(self) -> None:
        """Check the parts."""
        check_count("points", self.points)
        check_kind("times", self.times, Times)
        check_slug("account", self.account)
        _check_terms(self.pending, self.expires)

    def refusal(self, action: str, ledger: Ledger, *, at: datetime, calendar: Calendar) -> Refusal | None:
        """Say why it may not be done once more: the narrowest span that is full; ``None`` when it may."""
        for span in Span:
            limit = getattr(self.times, span.value)
            if limit is None:
                continue
            times = sum(left > 0 for left in _earnings_in(action, ledger, span.window(at, calendar)))
            if times >= limit:
                details: dict[str, Detail] = {"action": action, "period": span.value, "limit": limit, "times": times}
                return Refusal(Reason.ACTION_LIMIT_REACHED, details)
        return None

    def terms(self, at: datetime, *, calendar: Calendar) -> Terms | None:
        """Give the terms of what is earned at an instant; ``None`` when it could never be burned: the action is over."""
        return opens_and_ends(self.pending, self.expires, at=at, calendar=calendar)


def check_together(
    rules: Sequence[EarningRule], combine: Combine, actions: Mapping[str, Action], tiers: Ladder[str] | None
) -> None:
    """Check what rules and actions cannot check alone.

    Raises:
        UsageError: Two of one name, spend carried over where rules compete, or a tier that is not there.
    """
    names = [rule.rule_id for rule in rules]
    for name, count in Counter([*names, *actions]).items():
        if count > 1:
            kind = "two rules" if name not in actions else "a rule and an action"
            msg = f"rules and actions must have names of their own: their lots do, got {name!r} for {kind}"
            raise UsageError(msg)
    accounts = Counter(rule.account for rule in rules)
    known = set() if tiers is None else {rung.value for rung in tiers.rungs}
    for rule in rules:
        if rule.carries and combine is not Combine.SUM and accounts[rule.account] > 1:
            msg = f"rule {rule.rule_id!r} carries spend over: it must be the only one of account {rule.account!r} unless all give"
            raise UsageError(msg)
        missing = set().union(rule.when.tiers, *(one.when.tiers for one in rule.multipliers)) - known
        if missing:
            msg = f"rule {rule.rule_id!r} must name tiers of the program, got {', '.join(sorted(missing))}"
            raise UsageError(msg)
