"""loyaltycore: points, tiers, offers and codes, as pure values that a shop imports.

The names a shop uses most are here; everything else is in its module. ``Loyalty`` and ``AsyncLoyalty`` are loaded when they
are first asked for, so that ``import loyaltycore`` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loyaltycore.basket import Basket, Line, Return
from loyaltycore.errors import (
    Accepted,
    ConflictError,
    CorruptStateError,
    DuplicateError,
    LimitReachedError,
    LoyaltyError,
    OutcomeUnknownError,
    Reason,
    Refusal,
    Refused,
    RefusedError,
    UsageError,
)
from loyaltycore.members import Profile
from loyaltycore.memberships import Membership
from loyaltycore.orders import Order
from loyaltycore.points import PointsAccount
from loyaltycore.program import Program, ProgramError, Quote
from loyaltycore.quantities import Money, Rate
from loyaltycore.tiers import Ladder

if TYPE_CHECKING:
    from loyaltycore.services import AsyncLoyalty, Loyalty

__all__ = [
    "Accepted",
    "AsyncLoyalty",
    "Basket",
    "ConflictError",
    "CorruptStateError",
    "DuplicateError",
    "Ladder",
    "LimitReachedError",
    "Line",
    "Loyalty",
    "LoyaltyError",
    "Membership",
    "Money",
    "Order",
    "OutcomeUnknownError",
    "PointsAccount",
    "Profile",
    "Program",
    "ProgramError",
    "Quote",
    "Rate",
    "Reason",
    "Refusal",
    "Refused",
    "RefusedError",
    "Return",
    "UsageError",
]


if not TYPE_CHECKING:  # pragma: no branch - a type checker that saw this function would take every misspelt name for an object

    def __getattr__(name: str) -> object:
        """Load ``Loyalty`` or ``AsyncLoyalty`` when it is first asked for."""
        if name in {"AsyncLoyalty", "Loyalty"}:
            from loyaltycore import services  # noqa: PLC0415 - the point of this function

            return getattr(services, name)
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
