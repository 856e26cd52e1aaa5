"""How a program gives points: the rules of earning, as values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import final

import attrs

from loyaltycore._checks import check_count, check_kind
from loyaltycore.identity import check_slug, labels
from loyaltycore.periods import Calendar, Term
from loyaltycore.quantities import allocate

__all__ = ["Basis", "EarningRule"]


class Basis(StrEnum):
    """Of which price points are earned: before offers, after offers, or after offers and burned points."""

    LIST = "list"
    DISCOUNTED = "discounted"
    PAID = "paid"


@final
@attrs.frozen(kw_only=True)
class EarningRule:
    """So many points for each whole step of money spent on an order.

    Attributes:
        rule_id: Names the lot together with the order.
        points: Points a step, at least 1.
        per_minor: Money a step in minor units, at least 1. Only whole steps count, so there is nothing to round.
        basis: Of which price.
        exclude_tags: Lines with one of these tags earn nothing.
        pending: Until when the points wait, from the order on; ``None`` is at once.
        expires: How long they can be burned, from when they can be; ``None`` for ever.
    """

    rule_id: str
    points: int
    per_minor: int
    basis: Basis
    exclude_tags: frozenset[str] = attrs.field(default=frozenset(), converter=labels)
    pending: Term | None
    expires: Term | None

    def __attrs_post_init__(self) -> None:
        """Check the step."""
        check_slug("rule_id", self.rule_id)
        check_kind("basis", self.basis, Basis)
        check_count("points", self.points)
        check_count("per_minor", self.per_minor)

    def earned(self, basis_minor: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """Give the points of an order, and their shares by unit group.

        Args:
            basis_minor: What each group counts for, 0 for those that earn nothing.

        Returns:
            ``points · floor(sum / per_minor)``, and shares in proportion that sum to it.

        Example:
            >>> rule = EarningRule(rule_id="base", points=1, per_minor=100, basis=Basis.PAID, pending=None, expires=None)
            >>> rule.earned((7191, 1125))
            (83, (72, 11))
        """
        points = self.points * (sum(basis_minor) // self.per_minor)
        return points, allocate(points, basis_minor)

    def terms(self, at: datetime, *, calendar: Calendar) -> tuple[datetime, datetime | None]:
        """Give ``available_at`` and ``expires_at`` of what is earned at an instant."""
        available_at = at if self.pending is None else self.pending.end_after(at, calendar=calendar)
        return available_at, None if self.expires is None else self.expires.end_after(available_at, calendar=calendar)
