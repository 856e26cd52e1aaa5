"""Conditions: what must hold for an offer to apply.

A condition is a small value; it looks at a ``Situation`` and answers with the refusals of all that is unmet, each with how
far off it is. Conditions combine with ``&``.

Invariants:
    1. A condition only looks: the same situation gives the same answer.
    2. No refusals means met; several come in the order of ``Reason``.

>>> from datetime import UTC, datetime
>>> from loyaltycore.quantities import Money
>>> rule = spend_at_least(Money.of("50", "EUR")) & is_member()
>>> at = datetime(2026, 7, 1, tzinfo=UTC)
>>> seen = Situation(currency="EUR", goods_minor=4500, is_member=True, order_count=0, codes=(), at=at)
>>> [refusal.details["missing_minor"] for refusal in unmet(rule, seen)]
[500]
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, TypeAlias, assert_never, final

import attrs

from loyaltycore._checks import check_whole
from loyaltycore.errors import CurrencyMismatchError, Detail, Reason, Refusal, UsageError
from loyaltycore.identity import fold_code
from loyaltycore.members import Profile
from loyaltycore.periods import Calendar, check_instant
from loyaltycore.quantities import Money

__all__ = [
    "CONDITIONS_LIMIT",
    "AllOf",
    "CodePresented",
    "Condition",
    "FirstOrder",
    "IsMember",
    "Situation",
    "SpendAtLeast",
    "code_presented",
    "first_order",
    "is_member",
    "parts_of",
    "spend_at_least",
    "unmet",
]

CONDITIONS_LIMIT: Final = 20
"""Parts of one condition: more is a mistake in a file."""


def _folded(codes: Iterable[str]) -> frozenset[str]:
    return frozenset(codes)


@final
@attrs.frozen(kw_only=True)
class Situation:
    """What a condition can see.

    Attributes:
        currency: Of the basket.
        goods_minor: The list prices of the goods that offers may touch, in minor units.
        is_member: Whether a member asks; guests are legal.
        order_count: Orders the member has placed before; 0 for a guest.
        codes: The codes presented, each as ``identity.fold_code`` gives it.
        tier: The member's tier; ``None`` for a guest or below the first rung.
        points: Points available to burn.
        profile: What the shop told about the person.
        at: The instant of the question.
        calendar: Whose local days are named in refusals.
    """

    currency: str
    goods_minor: int
    is_member: bool
    order_count: int
    codes: frozenset[str] = attrs.field(converter=_folded)
    tier: str | None = None
    points: int = 0
    profile: Profile = Profile()
    at: datetime
    calendar: Calendar = Calendar("UTC")

    def __attrs_post_init__(self) -> None:
        """Check the numbers and the time."""
        check_whole("goods_minor", self.goods_minor, low=0)
        check_whole("order_count", self.order_count, low=0)
        check_instant("at", self.at)


class _Combinable:
    """Gives conditions their ``&``."""

    __slots__ = ()

    def __and__(self, other: Condition) -> AllOf:
        """Both must hold."""
        return AllOf((*parts_of(self), *parts_of(other)))


@final
@attrs.frozen
class SpendAtLeast(_Combinable):
    """The goods are worth at least so much, at list prices, before any offer.

    Attributes:
        amount: Above 0; goods that offers exclude do not count.
    """

    amount: Money

    def __attrs_post_init__(self) -> None:
        """Refuse a threshold that everything meets."""
        if not isinstance(self.amount, Money) or self.amount.minor_units <= 0:
            msg = f"spend_at_least must be Money above 0, got {self.amount!r}"
            raise UsageError(msg)


@final
@attrs.frozen
class IsMember(_Combinable):
    """A member asks, not a guest."""


@final
@attrs.frozen
class CodePresented(_Combinable):
    """A code was entered; case, spaces, dashes and look-alikes do not matter.

    Attributes:
        code: As the shop writes it.
        folded: The form under which codes are the same.
    """

    code: str
    folded: str = attrs.field(init=False, eq=False, default=attrs.Factory(lambda self: fold_code(self.code), takes_self=True))


@final
@attrs.frozen
class FirstOrder(_Combinable):
    """The person has placed no order before; a guest passes."""


def _flat(parts: Iterable[object]) -> tuple[Condition, ...]:
    return tuple(single for part in parts for single in parts_of(part))


@final
@attrs.frozen
class AllOf(_Combinable):
    """Every part must hold.

    Attributes:
        parts: At most 20; none always holds. Parts that are ``AllOf`` themselves give theirs.
    """

    parts: tuple[Condition, ...] = attrs.field(converter=_flat)

    def __attrs_post_init__(self) -> None:
        """Refuse an overlong list."""
        if len(self.parts) > CONDITIONS_LIMIT:
            msg = f"a condition must have at most {CONDITIONS_LIMIT} parts, got {len(self.parts)}"
            raise UsageError(msg)


Condition: TypeAlias = SpendAtLeast | IsMember | CodePresented | FirstOrder | AllOf
"""The closed union of conditions."""


def spend_at_least(amount: Money) -> SpendAtLeast:
    """Ask for goods worth at least this at list prices."""
    return SpendAtLeast(amount)


def is_member() -> IsMember:
    """Ask for a member."""
    return IsMember()


def code_presented(code: str) -> CodePresented:
    """Ask for a code.

    Raises:
        UsageError: Text that is no code.
    """
    return CodePresented(code)


def first_order() -> FirstOrder:
    """Ask for a person without orders."""
    return FirstOrder()


def parts_of(condition: object) -> tuple[Condition, ...]:
    """Give the single conditions that must hold.

    Raises:
        UsageError: What is no condition.
    """
    if isinstance(condition, AllOf):
        return condition.parts
    if isinstance(condition, SpendAtLeast | IsMember | CodePresented | FirstOrder):
        return (condition,)
    msg = f"a condition must be one of this module's, got {condition!r:.80}"
    raise UsageError(msg)


def unmet(condition: Condition, situation: Situation) -> tuple[Refusal, ...]:
    """List what keeps a condition from holding; empty when it holds.

    Args:
        condition: Any of the union.
        situation: What is the case.

    Raises:
        CurrencyMismatchError: A threshold in another currency than the basket's.
    """
    return tuple(sorted(_unmet(condition, situation), key=lambda refusal: refusal.reason.precedence))


def _unmet(condition: Condition, situation: Situation) -> list[Refusal]:
    match condition:
        case SpendAtLeast():
            return _below(condition.amount, situation)
        case IsMember():
            return [] if situation.is_member else [Refusal(Reason.MEMBER_REQUIRED)]
        case CodePresented():
            return [] if condition.folded in situation.codes else [Refusal(Reason.CODE_MISSING)]
        case FirstOrder():
            return [] if situation.order_count == 0 else [Refusal(Reason.ORDER_NOT_FIRST, {"order_count": situation.order_count})]
        case AllOf():
            return [refusal for part in condition.parts for refusal in _unmet(part, situation)]
    assert_never(condition)


def _below(needed: Money, situation: Situation) -> list[Refusal]:
    if needed.currency != situation.currency:
        raise CurrencyMismatchError(needed.currency, situation.currency)
    missing = needed.minor_units - situation.goods_minor
    if missing <= 0:
        return []
    details: dict[str, Detail] = {"needed_minor": needed.minor_units, "missing_minor": missing, "currency": needed.currency}
    return [Refusal(Reason.BASKET_BELOW_THRESHOLD, details)]
