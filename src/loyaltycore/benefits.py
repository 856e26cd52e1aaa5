"""Benefits: what an offer gives.

Invariants:
    1. A benefit never gives more than there is: a price never falls below zero.
    2. A percentage is taken of the whole it applies to and rounded once, half up, to the minor unit.

>>> PercentOff("10").amount_off(9240)
924
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias, final

import attrs

from loyaltycore.errors import UsageError
from loyaltycore.identity import labels
from loyaltycore.quantities import Rate, Rounding

__all__ = ["Benefit", "FreeShipping", "PercentOff", "check_benefit"]

_WHOLE: Final = Rate.percent(100)


def _percent(percent: str | int | Decimal) -> str:
    rate = Rate.percent(percent)
    if not 0 < rate.factor <= _WHOLE.factor:
        msg = f"percent must be above 0 and at most 100, got {percent!r}"
        raise UsageError(msg)
    text = f"{Decimal(percent):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@final
@attrs.frozen
class PercentOff:
    """A share off the list prices of the goods.

    Attributes:
        percent: Above 0, at most 100, as text, int or ``Decimal``: ``"10"``, ``"2.5"``.
        exclude_tags: Lines with one of these tags are left out, besides those no offer touches.
    """

    percent: str = attrs.field(converter=_percent)
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels, kw_only=True)

    def amount_off(self, list_minor: int) -> int:
        """Give the discount on goods of a list price, rounded half up once.

        Args:
            list_minor: In minor units, at least 0.
        """
        return Rate.percent(self.percent).of_whole(list_minor, rounding=Rounding.HALF_UP)


@final
@attrs.frozen
class FreeShipping:
    """Shipping costs nothing."""


Benefit: TypeAlias = PercentOff | FreeShipping
"""The closed union of benefits."""


def check_benefit(benefit: object) -> Benefit:
    """Take a benefit of the union.

    Raises:
        UsageError: Anything else.
    """
    if isinstance(benefit, PercentOff | FreeShipping):
        return benefit
    msg = f"a benefit must be one of this module's, got {benefit!r:.80}"
    raise UsageError(msg)
