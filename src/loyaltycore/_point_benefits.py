"""What an order brings besides a price: points on top, points that count several times, a coupon for a later order."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, final

import attrs

from loyaltycore._checks import check_count, check_kind, shown
from loyaltycore._goods import ALL_GOODS
from loyaltycore.basket import Filter
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug
from loyaltycore.periods import AS_RULES, AsRules, Expires, Pending, check_policies
from loyaltycore.quantities import Rate

__all__ = ["BonusPoints", "NextCoupon", "PointsTimes"]


@final
@attrs.frozen
class BonusPoints:
    """Points on top of those that the rules of earning give.

    Attributes:
        points: At least 1.
        expires: When they end; ``None`` never, ``AS_RULES`` as the points of the program's first rule for the main account.
        pending: Until when they wait; ``None`` not at all.
    """

    text: ClassVar[str] = "bonus_points"
    points: int
    expires: Expires | AsRules = attrs.field(default=AS_RULES, kw_only=True)
    pending: Pending = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the number and the terms."""
        check_count("points", self.points)
        check_policies(self.pending, None if isinstance(self.expires, AsRules) else self.expires)

    def ends(self, rules: Expires) -> Expires:
        """Give when they end.

        Args:
            rules: When the points of the program's rules do.
        """
        return rules if isinstance(self.expires, AsRules) else self.expires


def _times(times: Rate | str | int | Decimal) -> Rate:
    return times if isinstance(times, Rate) else Rate.times(times)


@final
@attrs.frozen
class PointsTimes:
    """Goods count several times for the points of the main account.

    Attributes:
        times: How many times, above 1, as a ``Rate`` or a factor such as ``"2"``.
        of: Which goods; all of them and shipping, where it counts, unless said.
    """

    text: ClassVar[str] = "points_times"
    times: Rate = attrs.field(converter=_times)
    of: Filter = attrs.field(default=ALL_GOODS, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse what gives nothing."""
        if check_kind("times", self.times, Rate).factor <= 1:
            msg = f"times must be above 1, got {shown(self.times.factor)}"
            raise UsageError(msg)
        check_kind("of", self.of, Filter)


@final
@attrs.frozen
class NextCoupon:
    """A coupon for a later order: the order says which, and the shop or the campaign of that name gives it.

    Attributes:
        coupon_id: The name of the coupon or campaign.
    """

    text: ClassVar[str] = "next_coupon"
    coupon_id: str

    def __attrs_post_init__(self) -> None:
        """Check the name."""
        check_slug("coupon_id", self.coupon_id)
