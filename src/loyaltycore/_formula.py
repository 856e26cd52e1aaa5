"""What an amount earns, and what an order keeps of it.

A rule says what it gives: points for each whole step, points once, a percentage, or whatever an object of the shop's own says.
At purchase that is frozen as a ``Formula``, with what counted, line by line. From then on the points of the order are those
that the formula gives for what is kept of it, so a return needs no rule any more.

Where some of an order counts more than once (double points on helmets), the amounts are summed from the highest multiplier
down: ``points = Σ (m_k − m_{k+1}) · g(cum_k)``, where ``cum_k`` is what counts at ``m_k`` or more and ``g`` what an amount
gives. So the rest of a step in one group is not lost to the next, and more money never earns fewer points.

Invariants:
    1. More counted, or the same at a higher multiplier, never gives fewer points.
    2. What is kept earns at most what was earned; nothing kept earns nothing.
    3. Where everything has one multiplier, the result is the multiplier times the base points, rounded once.

>>> formula = Step(1, per_minor=1000).frozen()
>>> formula.of({Fraction(1): 10500}), formula.of({Fraction("1.5"): 5000}), formula.of({Fraction(2): 1500, Fraction(1): 1500})
(10, 7, 4)

Source: the multiplier times the base points, rounded down, is the rule of Square's loyalty promotions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Final, Protocol, TypeAlias, assert_never, final, runtime_checkable

import attrs

from loyaltycore._checks import check_count, check_kind, check_whole, keep_in_utc
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug
from loyaltycore.periods import Lasting
from loyaltycore.quantities import Rate, Rounding, divide

__all__ = [
    "POINTS",
    "SHIPPING_LINE",
    "Counted",
    "EarnedPoints",
    "Flat",
    "Formula",
    "Gives",
    "Own",
    "OwnRule",
    "Percent",
    "Shape",
    "Step",
]

POINTS: Final = "points"
"""Name of a member's main account."""

SHIPPING_LINE: Final = ""
"""Stands for shipping among the lines that counted; no line of a shop has an empty id."""

_TERM_LIMIT: Final = 10**120
"""Of the two halves of a percentage: a rate of a worth, each of at most a hundred digits where a shop is not absurd."""


class Shape(StrEnum):
    """How points follow from an amount."""

    STEP = "step"
    FLAT = "flat"
    SHARE = "share"


@final
@attrs.frozen(kw_only=True)
class Formula:
    """What an amount gives, frozen: all that is needed to work it out again.

    Attributes:
        shape: ``STEP``: ``points`` for each whole ``per_minor``. ``FLAT``: ``points`` once, where anything counts. ``SHARE``:
            ``points / per_minor`` of the amount.
        points: At least 1.
        per_minor: Minor units, at least 1.
        rounding: Of the sum, once.
        at_least_minor: Less than this in all gives nothing.
    """

    shape: Shape
    points: int
    per_minor: int = 1
    rounding: Rounding = Rounding.DOWN
    at_least_minor: int = 0

    def __attrs_post_init__(self) -> None:
        """Refuse what would divide by nothing, or give without an amount."""
        check_kind("shape", self.shape, Shape)
        check_whole("points", self.points, low=1, high=_TERM_LIMIT)
        check_whole("per_minor", self.per_minor, low=1, high=_TERM_LIMIT)
        check_kind("rounding", self.rounding, Rounding)
        check_whole("at_least_minor", self.at_least_minor, low=0)

    def meets(self, counted_minor: int) -> bool:
        """Say whether an amount is enough to give anything."""
        return counted_minor >= max(1, self.at_least_minor)

    def of(self, by_times: Mapping[Fraction, int]) -> int:
        """Give the points of what counts.

        Args:
            by_times: Minor units by how many times they count, in any order. An amount below zero takes from those that
                count less, down to nothing.
        """
        if not self.meets(sum(by_times.values())):
            return 0
        falling = sorted(by_times, reverse=True)
        running, worth = 0, Fraction(0)
        for times, below in pairwise([*falling, Fraction(0)]):
            running += by_times[times]
            worth += (times - below) * self._given(max(0, running))
        return divide(worth.numerator, worth.denominator, rounding=self.rounding)

    def _given(self, minor: int) -> Fraction | int:
        match self.shape:
            case Shape.STEP:
                return self.points * (minor // self.per_minor)
            case Shape.FLAT:
                return self.points if minor else 0
            case Shape.SHARE:
                return Fraction(self.points * minor, self.per_minor)
        assert_never(self.shape)


@final
@attrs.frozen
class Step:
    """So many points for each whole step of money.

    Attributes:
        points: Points a step, at least 1.
        per_minor: Money a step in minor units, at least 1. Only whole steps count, so there is nothing to round.
    """

    points: int
    per_minor: int = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the step."""
        check_count("points", self.points)
        check_count("per_minor", self.per_minor)

    def frozen(self, *, at_least_minor: int = 0) -> Formula:
        """Give its formula."""
        return Formula(shape=Shape.STEP, points=self.points, per_minor=self.per_minor, at_least_minor=at_least_minor)


@final
@attrs.frozen
class Flat:
    """So many points for an order that has something to count, however much.

    Attributes:
        points: At least 1.
    """

    points: int

    def __attrs_post_init__(self) -> None:
        """Check the points."""
        check_count("points", self.points)

    def frozen(self, *, at_least_minor: int = 0) -> Formula:
        """Give its formula."""
        return Formula(shape=Shape.FLAT, points=self.points, at_least_minor=at_least_minor)


@final
@attrs.frozen
class Percent:
    """A part of the money, in points: 5 % of 80.00 at 0.01 a point is 400 points.

    Attributes:
        rate: Of what counts, above 0: ``Rate.percent("5")``.
        worth_minor: Minor units a point is worth, above 0: ``Rate.times("1")`` is 0.01 EUR.
        rounding: Of the points of the whole order, once. It has no default: it costs money.
    """

    rate: Rate
    worth_minor: Rate = attrs.field(kw_only=True)
    rounding: Rounding = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse a part of nothing."""
        for name in ("rate", "worth_minor"):
            if check_kind(name, getattr(self, name), Rate).factor == 0:
                msg = f"{name} must be above 0, got {getattr(self, name)!r}"
                raise UsageError(msg)
        check_kind("rounding", self.rounding, Rounding)
        self.frozen()

    def frozen(self, *, at_least_minor: int = 0) -> Formula:
        """Give its formula."""
        each = self.rate.factor / self.worth_minor.factor
        return Formula(
            shape=Shape.SHARE,
            points=each.numerator,
            per_minor=each.denominator,
            rounding=self.rounding,
            at_least_minor=at_least_minor,
        )


@runtime_checkable
class OwnRule(Protocol):
    """A shop's own way from an amount to points.

    1. ``points(counted_minor)`` is a function of the amount alone: twice the same.
    2. It is a whole number of at least 0, and 0 for 0.
    3. A larger amount never gives fewer.
    4. ``own_id`` says which rule and which version of it: programs with equal ids are taken for equal.

    Example:
        >>> class Squares:
        ...     own_id = "squares-1"
        ...
        ...     def points(self, counted_minor: int) -> int:
        ...         return (counted_minor // 1000) ** 2
        >>> isinstance(Squares(), OwnRule)
        True
    """

    @property
    def own_id(self) -> str:
        """Name of the rule, with its version."""
        ...

    def points(self, counted_minor: int) -> int:
        """Give the points of an amount in minor units."""
        ...


def _own_rule(rule: object) -> OwnRule:
    if not isinstance(rule, OwnRule):
        msg = f"gives must be Step, Flat, Percent or an object with own_id and points(), got {type(rule).__name__}"
        raise UsageError(msg)
    return rule


@final
@attrs.frozen
class Own:
    """A shop's own rule, known by its id: what a program's digest and equality see of it.

    Attributes:
        rule: The rule.
        own_id: As the rule says.
    """

    rule: OwnRule = attrs.field(converter=_own_rule, eq=False, repr=False)
    own_id: str = attrs.field(
        default=attrs.Factory(lambda self: check_slug("own_id", self.rule.own_id), takes_self=True), init=False
    )

    def desired(self, by_times: Mapping[Fraction, int]) -> int:
        """Ask the rule for the points of what counts, as ``Formula.of`` does.

        Raises:
            UsageError: An answer that is no whole number of at least 0.
        """
        falling = sorted(by_times, reverse=True)
        running, worth = 0, Fraction(0)
        for times, below in pairwise([*falling, Fraction(0)]):
            running += by_times[times]
            worth += (times - below) * check_whole(f"points of rule {self.own_id!r}", self.rule.points(running), low=0)
        return divide(worth.numerator, worth.denominator, rounding=Rounding.DOWN)

    def frozen(self, by_times: Mapping[Fraction, int], *, at_least_minor: int = 0) -> Formula | None:
        """Give what it gave as a proportion of what counted, for returns; ``None`` where it gave nothing."""
        points = self.desired(by_times)
        whole = sum((times * minor for times, minor in by_times.items()), Fraction(0))
        if points == 0 or whole == 0:
            return None
        return Formula(
            shape=Shape.SHARE,
            points=points * whole.denominator,
            per_minor=whole.numerator,
            at_least_minor=at_least_minor,
        )


Gives: TypeAlias = Step | Flat | Percent | Own
"""What a rule gives."""


@final
@attrs.frozen
class Counted:
    """What one line counted for a rule.

    Attributes:
        line_id: The line; empty for shipping.
        minor: Of the price the rule is based on, in minor units, at least 1.
        times: How many times it counted, as the upper half of a fraction.
        of: The lower half, at least 1: once and a half is ``times=3, of=2``.
    """

    line_id: str
    minor: int
    times: int = 1
    of: int = 1

    def __attrs_post_init__(self) -> None:
        """Refuse what counts for nothing."""
        check_count("minor", self.minor)
        check_whole("times", self.times, low=0)
        check_count("of", self.of)

    @property
    def factor(self) -> Fraction:
        """How many times it counted."""
        return Fraction(self.times, self.of)


def sums_by_times(counted: Iterable[Counted], kept: Mapping[str, int] | None = None) -> dict[Fraction, int]:
    """Sum what counted by how many times it did.

    Args:
        counted: Line by line.
        kept: What is kept of each line instead of what counted; a line that is not named keeps nothing.
    """
    # Two whole numbers are a cheaper key than a fraction; there are as many as multipliers, not as lines.
    sums: dict[tuple[int, int], int] = {}
    for part in counted:
        key = (part.times, part.of)
        sums[key] = sums.get(key, 0) + (part.minor if kept is None else kept.get(part.line_id, 0))
    by_times: dict[Fraction, int] = {}
    for (times, of), minor in sums.items():
        factor = Fraction(times, of)
        by_times[factor] = by_times.get(factor, 0) + minor
    return by_times


@final
@attrs.frozen(kw_only=True)
class EarnedPoints:
    """Points an order earned by one rule, with their terms; a guest's wait here until the order finds its member.

    Attributes:
        rule: By which rule.
        account: Which of the member's accounts gets them.
        points: How many; 0 only where spend is carried over and no step was full.
        formula: What an amount gives, as the rule stood at purchase.
        counted: What each line counted, and shipping where it did.
        carried: Whether the spend is carried over from order to order: what is taken back follows the member's sum.
        available_at: First instant they can be burned; while ``awaits`` names an event, the deadline for it.
        expires_at: First instant they no longer can; ``None`` never, or as ``lasts`` says.
        awaits: The event they wait for; empty for none.
        lasts: How their end is found once its beginning is known.
    """

    rule: str
    account: str = POINTS
    points: int
    formula: Formula
    counted: tuple[Counted, ...]
    carried: bool = False
    available_at: datetime
    expires_at: datetime | None = None
    awaits: str = ""
    lasts: Lasting | None = None

    def __attrs_post_init__(self) -> None:
        """Check the numbers and the times."""
        check_slug("rule", self.rule)
        check_slug("account", self.account)
        check_whole("points", self.points, low=0 if check_kind("carried", self.carried, bool) else 1)
        keep_in_utc(self, "available_at", "expires_at")

    @property
    def counted_minor(self) -> int:
        """What counted in all, once."""
        return sum(part.minor for part in self.counted)

    def on(self, kept: Mapping[str, int]) -> int:
        """Give the points that what is kept earns, never more than were earned.

        Args:
            kept: Minor units by line id, of what each line counted; shipping under the empty id. A line that is not named
                keeps nothing. Below zero where units and amounts that came back exceed what the line held.
        """
        return min(self.points, self.formula.of(sums_by_times(self.counted, kept)))

    def carried_on(self, kept: Mapping[str, int]) -> int:
        """Give the spend that what is kept still carries over, in minor units: all of it, or none below the least."""
        minor = sum(kept.get(part.line_id, 0) for part in self.counted)
        return minor if self.formula.meets(minor) else 0
