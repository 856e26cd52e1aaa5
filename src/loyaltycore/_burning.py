"""How a program takes points as a discount."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import final

import attrs

from loyaltycore._checks import check_count, check_kind, check_whole
from loyaltycore.errors import Reason, Refusal, UsageError
from loyaltycore.identity import labels
from loyaltycore.quantities import Rate, Rounding

__all__ = ["BurnAnswer", "BurnRule"]


@final
@attrs.frozen(kw_only=True)
class BurnAnswer:
    """What became of the points a shopper wants to burn.

    Attributes:
        asked: Points asked.
        granted: Points that will be burned: the most that is allowed, at most what was asked.
        discount_minor: What they take off, in minor units.
        refusal: Why fewer are granted than asked; ``None`` when all that take something off are. Points that were cut down to
            a whole step are ``points_below_minimum`` of the next one, with ``step_points`` among the details.
    """

    asked: int = 0
    granted: int = 0
    discount_minor: int = 0
    refusal: Refusal | None = None


@final
@attrs.frozen(kw_only=True)
class BurnRule:
    """Points as a discount.

    Attributes:
        worth_minor: Minor units a point is worth: ``Rate.times("1")`` is 0.01 EUR a point.
        minimum: The fewest points burned at once, at least 1.
        share: Of the goods, after offers, that points may pay at most; ``None`` all.
        step: Points go in whole multiples of it, from the first that is not below the minimum on.
        exclude_tags: Lines with one of these tags are not paid with points.
        exclude_products: Lines of these products are not paid with points.
    """

    worth_minor: Rate
    minimum: int
    share: Rate | None
    step: int = 1
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    exclude_products: frozenset[str] = attrs.field(default=frozenset(), converter=labels)

    def __attrs_post_init__(self) -> None:
        """Refuse worthless points, and a share above the whole."""
        check_count("minimum", self.minimum)
        check_count("step", self.step)
        check_kind("worth_minor", self.worth_minor, Rate)
        if self.share is not None:
            check_kind("share", self.share, Rate)
        if self.worth_minor.factor == 0 or (self.share is not None and not 0 < self.share.factor <= 1):
            msg = f"a point must be worth something and share lie in (0 %, 100 %], got {self.worth_minor!r}, {self.share!r}"
            raise UsageError(msg)

    def answer(self, asked: int, *, available: int, goods_minor: int) -> BurnAnswer:
        """Decide how many points are burned.

        Args:
            asked: At least 0; 0 asks for nothing.
            available: Points that can be burned.
            goods_minor: What is left to pay, after offers, of goods that points may pay.

        Returns:
            Fewer than asked with ``points_insufficient``, ``points_above_share`` or ``points_below_minimum``: of these the first
            that cuts. Where a point is worth less than a minor unit, those that would take nothing more off are left with the
            member, without a refusal, as far as whole steps allow.

        Example:
            >>> rule = BurnRule(worth_minor=Rate.times("1"), minimum=500, share=None, step=100)
            >>> answer = rule.answer(750, available=900, goods_minor=5000)
            >>> answer.granted, answer.discount_minor, answer.refusal.details["missing_points"]
            (700, 700, 50)
        """
        check_whole("burn", asked, low=0)
        most_minor = goods_minor if self.share is None else self.share.of_whole(goods_minor, rounding=Rounding.DOWN)
        by_share = int(Fraction(most_minor) / self.worth_minor.factor)
        needed = self._whole_steps(max(self.minimum, self._points_for(1)))
        allowed = min(asked, available, by_share) // self.step * self.step
        discount_minor = self.worth_minor.of_whole(allowed, rounding=Rounding.DOWN) if allowed >= needed else 0
        granted = self._whole_steps(self._points_for(discount_minor))
        refusal = None
        if available < asked:
            details = {"asked_points": asked, "available_points": available, "missing_points": asked - available}
            refusal = Refusal(Reason.POINTS_INSUFFICIENT, details)
        elif by_share < asked:
            refusal = Refusal(Reason.POINTS_ABOVE_SHARE, {"asked_points": asked, "granted_points": granted})
        elif 0 < asked < needed:
            details = {"asked_points": asked, "needed_points": needed, "missing_points": needed - asked}
            refusal = Refusal(Reason.POINTS_BELOW_MINIMUM, details)
        elif asked != allowed:
            following = allowed + self.step
            details = {"asked_points": asked, "needed_points": following, "missing_points": following - asked}
            refusal = Refusal(Reason.POINTS_BELOW_MINIMUM, {**details, "step_points": self.step})
        return BurnAnswer(asked=asked, granted=granted, discount_minor=discount_minor, refusal=refusal)

    def _points_for(self, discount_minor: int) -> int:
        """Give the fewest points that take so much off."""
        return ceil(discount_minor / self.worth_minor.factor)

    def _whole_steps(self, points: int) -> int:
        """Round points up to whole steps."""
        return -(-points // self.step) * self.step
