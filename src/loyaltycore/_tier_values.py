"""What tiers are told by and what they answer: metrics, qualifying events, benefits, statuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final, TypeAlias, final

import attrs

from loyaltycore._campaign import Validity, check_validity
from loyaltycore._checks import check_day, check_kind, check_mapping, check_several, check_whole, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore._payouts import RewardBenefit, check_reward_benefit
from loyaltycore._tier_grant import TierGrant
from loyaltycore.errors import CorruptStateError, UsageError
from loyaltycore.identity import check_slug
from loyaltycore.ladders import Ladder
from loyaltycore.periods import AS_RULES, AsRules, Expires, check_policies
from loyaltycore.quantities import Rate

__all__ = [
    "PERKS_LIMIT",
    "AsRules",
    "DaySum",
    "Downgrade",
    "Metric",
    "Mix",
    "Qualifying",
    "Reach",
    "Thresholds",
    "TierAnswer",
    "TierBenefits",
    "TierEntry",
    "TierReach",
    "TierStatus",
    "TierTally",
    "Upgrade",
    "check_tiers",
    "read_sums",
    "sums_text",
]

PERKS_LIMIT: Final = 100
"""Perks of one tier: more than any program has shown."""

DaySum: TypeAlias = tuple[date, int]
"""A day, and what counted on it."""

_LAST_ORDINAL: Final = date.max.toordinal()
_SUM: Final = re.compile(r"([1-9][0-9]{0,6}):([0-9]{1,40})(?:,|$)", re.ASCII)


class Metric(StrEnum):
    """What counts for a tier.

    ``SPEND``: minor units paid for goods that may earn. ``ORDERS``: purchases of which something was kept and paid.
    ``POINTS``: points earned on one account, less what was taken back; burning takes nothing away. ``REFERRALS``: friends who
    were brought.
    """

    SPEND = "spend"
    ORDERS = "orders"
    POINTS = "points"
    REFERRALS = "referrals"


class Upgrade(StrEnum):
    """When a tier that was reached begins.

    ``AT_ONCE``: on the day. ``NEXT_PERIOD``: on the first day of the next window; it needs windows that have one.
    """

    AT_ONCE = "at once"
    NEXT_PERIOD = "next period"


class Downgrade(StrEnum):
    """What happens when a tier's time is over and it was not reached again.

    ``ONE_STEP``: one step for each whole window since. ``REASSESS``: all steps at once, to what was reached since.
    ``NEVER``: nothing.
    """

    ONE_STEP = "one step"
    REASSESS = "reassess"
    NEVER = "never"


def _weights(weights: Mapping[Metric, Rate]) -> FrozenMap[Metric, Rate]:
    given = check_mapping("weights", weights, limit=len(Metric))
    for metric, rate in given.items():
        check_kind("each metric of weights", metric, Metric)
        if check_kind(f"the weight of {metric}", rate, Rate).factor == 0:
            msg = f"the weight of {metric} must be above 0, got {shown(rate)}"
            raise UsageError(msg)
    return FrozenMap({metric: given[metric] for metric in Metric if metric in given})


@final
@attrs.frozen
class Mix:
    """Several metrics that count together: a score.

    Attributes:
        weights: What one unit of each is worth in the score: of spend one minor unit, of the others one order, point or
            friend. Each event is cut to whole.
    """

    weights: FrozenMap[Metric, Rate] = attrs.field(converter=_weights)

    def __attrs_post_init__(self) -> None:
        """Refuse a score of nothing."""
        if not self.weights:
            msg = "weights must name at least one metric, got none"
            raise UsageError(msg)


@final
@attrs.frozen(kw_only=True)
class Qualifying:
    """What counts for a tier on one local day: a purchase, less what came back of it; earned points; a friend.

    Attributes:
        day: The local day.
        units: Of the metric, at least 0: minor units of spend, points, 1 for an order or a friend.
        metric: What it is.
    """

    day: date
    units: int
    metric: Metric = Metric.SPEND

    def __attrs_post_init__(self) -> None:
        """Refuse a negative amount: returns lower a purchase, never below nothing."""
        check_day("day", self.day)
        check_whole("units", self.units, low=0)
        check_kind("metric", self.metric, Metric)


def check_tiers(ladder: object) -> tuple[str, ...]:
    """Take a ladder of tiers, and give their names, lowest first.

    Raises:
        UsageError: No ladder, what is no name, or two tiers of one name.
    """
    names = tuple([check_slug("tier", rung.value) for rung in check_kind("ladder", ladder, Ladder).rungs])
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        msg = f"tiers must have names of their own, got {doubled[0]!r} twice"
        raise UsageError(msg)
    return names


@final
@attrs.frozen
class Thresholds:
    """An earlier ladder: what it took to reach a tier before the thresholds changed.

    Attributes:
        ladder: The thresholds of then, with the tiers' names.
        until: The first local day on which they no longer hold.
    """

    ladder: Ladder[str]
    until: date = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse what is no ladder of tiers, and no day."""
        check_tiers(self.ladder)
        check_day("until", self.until)


def _perks(perks: Iterable[str]) -> frozenset[str]:
    return frozenset(check_slug("perk", perk) for perk in check_several("perks", perks, str, limit=PERKS_LIMIT))


@final
@attrs.frozen(kw_only=True)
class TierBenefits:
    """What a tier gives, beside multipliers and offers that ask for it.

    Attributes:
        perks: Names that the shop asks for and honours itself, ``"early-access"``. Each tier says all of its own: none is
            handed down from the tiers below.
        entry_gift: What the member gets on each day of rising into the tier; ``None`` is nothing.
        expires: When points of the main account end that are earned in this tier; ``None`` is never.
        valid_for: How long a coupon of the entry gift can be used; ``None`` as its campaign says, or without an end.
    """

    perks: frozenset[str] = attrs.field(default=frozenset[str](), converter=_perks)
    entry_gift: RewardBenefit | None = None
    expires: Expires | AsRules = AS_RULES
    valid_for: Validity | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what is no benefit, no end and no length of time."""
        if self.entry_gift is not None:
            check_reward_benefit(self.entry_gift)
        if not isinstance(self.expires, AsRules):
            check_policies(None, self.expires)
        check_validity("valid_for", self.valid_for)


@final
@attrs.frozen
class TierEntry:
    """That a member rose into a tier.

    Attributes:
        tier: Which.
        day: The local day from which on the member stood there.
    """

    tier: str
    day: date


@final
@attrs.frozen(kw_only=True)
class TierStatus:
    """Where a member stands on a local day.

    Attributes:
        tier: The rung's name; ``None`` below the first.
        metric: What the window of this day holds, in the ladder's unit.
        kept_until: First instant at which it falls if nothing more is bought; ``None`` where it never does.
        next_tier: The lowest rung above the tier that the window does not hold yet; ``None`` at the top.
        shortfall: How much more in this window reaches that rung; ``None`` at the top.
        to_keep: How much more on this day, at least 1 and by the thresholds of this day, keeps the tier beyond ``kept_until``.
            ``None`` where it never falls, and where nothing but rising higher would, as it was reached on this day or in this
            window already. It follows from the rule and the rest, and is not compared.
        window_ends_on: The last local day of this window; ``None`` where it is rolling or has no end.
        perks: What the tier's benefits name.
        granted: Whether the member stands there by a grant alone.
        graces: Whether the tier is kept by the grace alone.
    """

    tier: str | None
    metric: int
    kept_until: datetime | None
    next_tier: str | None
    shortfall: int | None
    to_keep: int | None = attrs.field(default=None, eq=False)
    window_ends_on: date | None = None
    perks: frozenset[str] = frozenset()
    granted: bool = False
    graces: bool = False


@final
@attrs.frozen(kw_only=True)
class TierReach:
    """That a tier was reached, and what is left of it.

    Attributes:
        tier: The tier that was reached.
        day: The local day on which it was: of a purchase, or the first one of thresholds that had been lowered. Of a tier that
            took nothing when thresholds were raised, the last day before.
        metric: What the window held on that day.
        threshold: What it took on that day.
        window_starts_on: The first local day that counted; ``None`` where all do.
        begins_on: The first local day on which the member had it.
        lowered: How many steps were lost since.
        kept_until: First instant at which the next step is lost; ``None`` is never.
    """

    tier: str
    day: date
    metric: int
    threshold: int
    window_starts_on: date | None
    begins_on: date
    lowered: int
    kept_until: datetime | None


@final
@attrs.frozen(kw_only=True)
class TierAnswer:
    """Why a member stands where he does.

    Attributes:
        status: Where.
        reached: What carries it: of all that was reached, what keeps this tier longest. ``None`` where the tier takes nothing,
            where there is none, and where a grant alone carries it.
        others: What else was reached and would carry it as well, the longest first.
        grants: The grants that carry it, the longest first.
    """

    status: TierStatus
    reached: TierReach | None
    others: tuple[TierReach, ...]
    grants: tuple[TierGrant, ...]

    @property
    def reached_on(self) -> date | None:
        """The local day on which what carries it was reached; ``None`` where nothing was."""
        return None if self.reached is None else self.reached.day


@final
@attrs.frozen
class Reach:
    """A day that reached a tier, as a tally keeps it.

    Attributes:
        index: How many tiers up, of those of today.
        day: On which local day.
        metric: What the window held; 0 for a tier that took nothing.
    """

    index: int
    day: date
    metric: int


@final
@attrs.frozen(kw_only=True)
class TierTally:
    """What is left of a long history: enough to tell every later day as the whole of it would.

    Attributes:
        digest: Of the rule that made it.
        through: The last local day that it holds.
        joined_on: The day of joining that it was made with, where the windows depend on it.
        first_on: The first local day on which something counted; ``None`` for nothing.
        reached: For each tier the latest day that reached it, and that of the present window where tiers begin with the next.
        total: What the window of that day holds, in the ladder's unit.
        sums: What it is of, by day, as one text: a day leaves the window only when it is read.
    """

    digest: str
    through: date
    joined_on: date | None = None
    first_on: date | None = None
    reached: tuple[Reach, ...] = ()
    total: int = 0
    sums: str = ""


def sums_text(sums: Iterable[DaySum]) -> str:
    """Write what counted on each day.

    Args:
        sums: In order of days.
    """
    return ",".join([f"{day.toordinal()}:{units}" for day, units in sums])


def read_sums(text: str) -> Iterator[DaySum]:
    """Read what ``sums_text`` wrote, one day after the other as they are asked for.

    Raises:
        CorruptStateError: Anything else, where it is reached.
    """
    start = 0
    while start < len(text):
        found = _SUM.match(text, start)
        if found is None or int(found[1]) > _LAST_ORDINAL:
            msg = f"the sums of a tally cannot be read: {shown(text[start:])}"
            raise CorruptStateError(msg)
        yield date.fromordinal(int(found[1])), int(found[2])
        start = found.end()
