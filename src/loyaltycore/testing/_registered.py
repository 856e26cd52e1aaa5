"""What Hypothesis is told about the library's types: ``st.from_type(Money)`` draws amounts, without an import.

Hypothesis finds ``register`` through its entry point, and calls it while it is being imported: nothing here may need it before.
A strategy is only made when one of its type is first drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loyaltycore._code_blocks import SpaceBlocks
from loyaltycore.basket import Basket, Filter, Line, Return
from loyaltycore.codec import FACTS
from loyaltycore.coupons import Campaign, Coupon, CouponCampaign
from loyaltycore.facts import Append, Claim, Command, Expect, Fact, Posting
from loyaltycore.gift_cards import GiftCard
from loyaltycore.ladders import Ladder, Rung
from loyaltycore.members import Profile
from loyaltycore.memberships import Membership
from loyaltycore.offers import Limits, Offer, OfferBook, Stacking, View
from loyaltycore.orders import Order
from loyaltycore.periods import Calendar, Period, Term, Window
from loyaltycore.points import PointsAccount
from loyaltycore.quantities import Money, Rate
from loyaltycore.referrals import Referral
from loyaltycore.repositories import Claimed, Due, KeptClaim, KeptCommit, Receipt, Snapshot, SnapshotStream, StoredStream
from loyaltycore.rewards import Payout

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["DRAWN", "register"]

DRAWN: Final[tuple[type, ...]] = (
    *FACTS,
    Append,
    Basket,
    Calendar,
    Campaign,
    Claim,
    Claimed,
    Command,
    Coupon,
    CouponCampaign,
    Due,
    Expect,
    Fact,
    Filter,
    GiftCard,
    KeptClaim,
    KeptCommit,
    Ladder,
    Limits,
    Line,
    Membership,
    Money,
    Offer,
    OfferBook,
    Order,
    Payout,
    Period,
    PointsAccount,
    Posting,
    Profile,
    Rate,
    Receipt,
    Referral,
    Return,
    Rung,
    Snapshot,
    SnapshotStream,
    SpaceBlocks,
    Stacking,
    StoredStream,
    Term,
    View,
    Window,
)
"""The types that ``from_type`` draws."""


def register() -> None:
    """Tell Hypothesis how to draw each type."""
    from hypothesis import strategies as st  # noqa: PLC0415 - called while Hypothesis is imported

    for kind in DRAWN:
        st.register_type_strategy(kind, _drawn)


def _drawn(kind: Any) -> SearchStrategy[Any]:  # noqa: ANN401 - Hypothesis passes types and generic aliases
    from loyaltycore.testing import _by_type  # noqa: PLC0415 - made when first drawn

    return _by_type.strategy_of(kind)
