"""Errors and refusals: how the library says no, and why.

A *usage error* is a bug of the caller. A *refusal* is a rule that said no: first a value (``Refusal``), so that a page can
show it, and an exception (``RefusedError``) only where a result must not be ignored.

Invariants:
    1. Every refusal has one ``Reason`` and the details needed to act on it (how much is missing, until when).
    2. Where several rules say no, the refusals come in the order ``Reason`` declares; the first is *the* reason.
    3. A released reason is never renamed and never used again for something else.

>>> no = Refusal(Reason.POINTS_INSUFFICIENT, {"asked_points": 100, "available_points": 60, "missing_points": 40})
>>> no.reason.value, no.details["missing_points"]
('points_insufficient', 40)
>>> print(no)
points_insufficient: asked_points = 100, available_points = 60, missing_points = 40
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar, final

import attrs

from loyaltycore._frozen import FrozenMap

__all__ = [
    "Accepted",
    "ConflictError",
    "CorruptStateError",
    "CurrencyMismatchError",
    "Detail",
    "DuplicateError",
    "LimitReachedError",
    "LoyaltyError",
    "OutcomeUnknownError",
    "Reason",
    "Refusal",
    "Refused",
    "RefusedError",
    "UsageError",
]

Detail: TypeAlias = int | str | tuple[str, ...]
"""What a refusal may carry: whole numbers, text (instants in UTC, ids), or several texts."""

T_co = TypeVar("T_co", covariant=True)


class Reason(StrEnum):
    """Why something was refused; declared in the order of precedence.

    ``reason.public`` is what a shopper may be shown. Each reason has an entry with a running example in ``docs/reasons.md``.
    """

    KEY_REUSED = "key_reused"
    AT_BEFORE_LAST = "at_before_last"
    PROGRAM_NOT_STARTED = "program_not_started"
    ORDER_NOT_FOUND = "order_not_found"
    ORDER_RESERVED = "order_reserved"
    ORDER_CANCELLED = "order_cancelled"
    ORDER_PLACED = "order_placed"
    ORDER_HAS_MEMBER = "order_has_member"
    ORDER_LINE_NOT_FOUND = "order_line_not_found"
    REFUND_WINDOW_CLOSED = "refund_window_closed"
    REFUND_EXCEEDS_ORDER = "refund_exceeds_order"
    QUOTE_CHANGED = "quote_changed"
    EARNING_NOT_FOUND = "earning_not_found"
    EARNING_EXCEEDED = "earning_exceeded"
    BURN_NOT_FOUND = "burn_not_found"
    BURN_EXCEEDED = "burn_exceeded"
    HOLD_NOT_FOUND = "hold_not_found"
    HOLD_RESOLVED = "hold_resolved"
    HOLD_EXCEEDED = "hold_exceeded"
    RELEASE_TOO_LATE = "release_too_late"
    TRANSFER_NOT_FOUND = "transfer_not_found"
    ACTION_UNKNOWN = "action_unknown"
    ACTION_EXPIRED = "action_expired"
    ACTION_LIMIT_REACHED = "action_limit_reached"
    MEMBER_REQUIRED = "member_required"
    TIER_UNKNOWN = "tier_unknown"
    TIER_GRANT_NOT_FOUND = "tier_grant_not_found"
    TIER_MISMATCH = "tier_mismatch"
    MEMBER_TAG_MISSING = "member_tag_missing"
    MARKET_MISMATCH = "market_mismatch"
    CHANNEL_MISMATCH = "channel_mismatch"
    PAYMENT_MISMATCH = "payment_mismatch"
    REWARD_NOT_FOUND = "reward_not_found"
    REWARD_NOT_STARTED = "reward_not_started"
    REWARD_CLOSED = "reward_closed"
    REWARD_LIMIT_REACHED = "reward_limit_reached"
    REWARD_MEMBER_LIMIT_REACHED = "reward_member_limit_reached"
    REWARD_NOT_OFFERED = "reward_not_offered"
    REWARD_CHOICE_EXPIRED = "reward_choice_expired"
    REWARD_USED = "reward_used"
    PAYOUT_NOT_FOUND = "payout_not_found"
    PAYOUT_REVERSED = "payout_reversed"
    REFERRAL_CODE_UNKNOWN = "referral_code_unknown"
    REFERRAL_CODE_TAKEN = "referral_code_taken"
    REFERRAL_CODES_LIMIT_REACHED = "referral_codes_limit_reached"
    REFERRAL_SELF = "referral_self"
    REFERRAL_ALREADY_REFERRED = "referral_already_referred"
    REFERRAL_ALREADY_CUSTOMER = "referral_already_customer"
    REFERRAL_CIRCULAR = "referral_circular"
    REFERRAL_IDENTITY_KNOWN = "referral_identity_known"
    REFERRAL_VELOCITY_REACHED = "referral_velocity_reached"
    REFERRAL_LIMIT_REACHED = "referral_limit_reached"
    REFERRAL_GUARDED = "referral_guarded"
    POINTS_BELOW_MINIMUM = "points_below_minimum"
    POINTS_INSUFFICIENT = "points_insufficient"
    POINTS_ABOVE_SHARE = "points_above_share"
    POINTS_CAP_REACHED = "points_cap_reached"
    CODE_MALFORMED = "code_malformed"
    CODE_UNKNOWN = "code_unknown"
    CODES_LIMIT_REACHED = "codes_limit_reached"
    ATTEMPTS_LIMIT_REACHED = "attempts_limit_reached"
    CODE_MISSING = "code_missing"
    CODES_EXHAUSTED = "codes_exhausted"
    CAMPAIGN_NOT_FOUND = "campaign_not_found"
    CAMPAIGN_STOPPED = "campaign_stopped"
    CAMPAIGN_CLOSED = "campaign_closed"
    COUPON_NOT_FOUND = "coupon_not_found"
    COUPON_MISSING = "coupon_missing"
    COUPON_REVOKED = "coupon_revoked"
    COUPON_MEMBER_MISMATCH = "coupon_member_mismatch"
    COUPON_REDEEMED = "coupon_redeemed"
    COUPON_RESERVED = "coupon_reserved"
    COUPON_NOT_STARTED = "coupon_not_started"
    COUPON_EXPIRED = "coupon_expired"
    CARD_UNKNOWN = "card_unknown"
    CARD_NOT_FOUND = "card_not_found"
    CARD_BLOCKED = "card_blocked"
    CARD_EXPIRED = "card_expired"
    CARD_SPENT = "card_spent"
    CARD_INSUFFICIENT = "card_insufficient"
    CARD_GOODS_MISMATCH = "card_goods_mismatch"
    CARD_CURRENCY_MISMATCH = "card_currency_mismatch"
    CARDS_EXCEED_ORDER = "cards_exceed_order"
    OFFER_NOT_FOUND = "offer_not_found"
    OFFER_NOT_STARTED = "offer_not_started"
    OFFER_EXPIRED = "offer_expired"
    OFFER_LIMIT_REACHED = "offer_limit_reached"
    OFFER_MEMBER_LIMIT_REACHED = "offer_member_limit_reached"
    OFFER_BUDGET_REACHED = "offer_budget_reached"
    TIME_MISMATCH = "time_mismatch"
    ORDER_NOT_FIRST = "order_not_first"
    ORDER_NOT_NTH = "order_not_nth"
    PAST_DISCOUNT_BELOW = "past_discount_below"
    CONDITION_UNMET = "condition_unmet"
    CONDITION_EXCLUDED = "condition_excluded"
    BASKET_BELOW_THRESHOLD = "basket_below_threshold"
    QUANTITY_BELOW_THRESHOLD = "quantity_below_threshold"
    PRODUCTS_BELOW_THRESHOLD = "products_below_threshold"
    GIFT_UNAVAILABLE = "gift_unavailable"
    OFFER_WITHOUT_EFFECT = "offer_without_effect"
    OFFER_SUPERSEDED = "offer_superseded"

    @property
    def public(self) -> str:
        """What to show outside: all that would tell a guesser which codes or cards exist is one ``…_invalid``."""
        return _HIDDEN.get(self, self.value)

    @property
    def precedence(self) -> int:
        """Place in the order of declaration; the lowest is named first."""
        return _PRECEDENCE[self]


_OF_CODES = (
    Reason.CODE_MALFORMED,
    Reason.CODE_UNKNOWN,
    Reason.CAMPAIGN_STOPPED,
    Reason.COUPON_NOT_FOUND,
    Reason.COUPON_REVOKED,
    Reason.COUPON_MEMBER_MISMATCH,
    Reason.COUPON_REDEEMED,
    Reason.COUPON_RESERVED,
    Reason.COUPON_NOT_STARTED,
    Reason.COUPON_EXPIRED,
)
_OF_CARDS = (
    Reason.CARD_UNKNOWN,
    Reason.CARD_NOT_FOUND,
    Reason.CARD_BLOCKED,
    Reason.CARD_EXPIRED,
)
_OF_REFERRALS = (
    Reason.REFERRAL_CODE_UNKNOWN,
    Reason.REFERRAL_SELF,
    Reason.REFERRAL_ALREADY_REFERRED,
    Reason.REFERRAL_ALREADY_CUSTOMER,
    Reason.REFERRAL_CIRCULAR,
    Reason.REFERRAL_IDENTITY_KNOWN,
    Reason.REFERRAL_VELOCITY_REACHED,
    Reason.REFERRAL_LIMIT_REACHED,
    Reason.REFERRAL_GUARDED,
)
_HIDDEN = {
    **dict.fromkeys(_OF_CODES, "coupon_invalid"),
    **dict.fromkeys(_OF_CARDS, "card_invalid"),
    **dict.fromkeys(_OF_REFERRALS, "referral_invalid"),
}
_PRECEDENCE = {reason: place for place, reason in enumerate(Reason)}


def _demand(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        msg = f"{name} must be of type {kind.__name__}, got {type(value).__name__}"
        raise UsageError(msg)


def _is_detail(name: object, value: object) -> bool:
    several = isinstance(value, tuple) and all(isinstance(text, str) for text in value)
    return isinstance(name, str) and (type(value) is int or isinstance(value, str) or several)


def _frozen_details(details: Mapping[str, Detail]) -> FrozenMap[str, Detail]:
    _demand("details", details, Mapping)
    return FrozenMap(details)


@final
@attrs.frozen
class Refusal:
    """One rule's no.

    Attributes:
        reason: The rule that said no.
        details: What is needed to act on it: whole numbers and text, never floats.
    """

    reason: Reason
    details: Mapping[str, Detail] = attrs.field(default=FrozenMap[str, Detail](), converter=_frozen_details)

    def __attrs_post_init__(self) -> None:
        """Refuse what could not be logged, stored or shown."""
        _demand("reason", self.reason, Reason)
        for name, value in self.details.items():
            if not _is_detail(name, value):
                got = f"{type(value).__name__} by {type(name).__name__}"
                msg = f"details of {self.reason} must be whole numbers, text or tuples of text, by name, got {got}"
                raise UsageError(msg)

    def __str__(self) -> str:
        """Print the reason and its details in one line, for a log."""
        facts = ", ".join(f"{name} = {value}" for name, value in self.details.items())
        return f"{self.reason.value}: {facts}" if facts else self.reason.value


@final
@attrs.frozen
class Accepted(Generic[T_co]):
    """A yes, with what was found out on the way.

    Attributes:
        value: What would be done, for example the points that a burn would take.
    """

    value: T_co

    @property
    def refusal(self) -> None:
        """Nothing refused it: ``answer.refusal is None`` asks either answer."""
        return

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """None at all: either answer can be gone through."""
        return ()


def _by_precedence(refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    _demand("refusals", refusals, Iterable)
    found = tuple(refusals)
    if not found or not all(isinstance(refusal, Refusal) for refusal in found):
        kinds = ", ".join(sorted({type(refusal).__name__ for refusal in found})) or "none"
        msg = f"a no must carry one Refusal or more and nothing else, got {kinds}"
        raise UsageError(msg)
    return tuple(sorted(found, key=lambda refusal: refusal.reason.precedence))


@final
@attrs.frozen
class Refused:
    """A no, with every rule that said it, in order of precedence.

    Attributes:
        refusals: At least one, sorted as ``Reason`` declares.
    """

    refusals: tuple[Refusal, ...] = attrs.field(converter=_by_precedence)

    @property
    def refusal(self) -> Refusal:
        """The first: *the* reason."""
        return self.refusals[0]


class LoyaltyError(Exception):
    """Everything this library raises on purpose."""


class UsageError(LoyaltyError, ValueError):
    """The caller has a bug: a value of the wrong type, out of range, or a naive time.

    The message names the field, the value found and what is allowed.
    """


class CurrencyMismatchError(UsageError):
    """Two currencies met where one is needed.

    Attributes:
        left: The currency on the left.
        right: The currency on the right.
    """

    def __init__(self, left: str, right: str) -> None:
        """Name the two currencies."""
        self.left = left
        self.right = right
        super().__init__(f"currency must be one and the same, got {left} and {right}")

    def __reduce__(self) -> tuple[type[CurrencyMismatchError], tuple[str, str]]:
        """Pickle by content."""
        return (CurrencyMismatchError, (self.left, self.right))


class RefusedError(LoyaltyError):
    """A rule said no to a command whose result must not be ignored; nothing was changed.

    Attributes:
        refusals: What ``Refused`` carries: every refusal, in order of precedence.
    """

    def __init__(self, *refusals: Refusal) -> None:
        """Keep the refusals.

        Args:
            refusals: At least one.
        """
        self.refusals: tuple[Refusal, ...] = _by_precedence(refusals)
        super().__init__("; ".join(str(refusal) for refusal in self.refusals))

    @property
    def refusal(self) -> Refusal:
        """The first: *the* reason."""
        return self.refusals[0]

    def __reduce__(self) -> tuple[type[RefusedError], tuple[Refusal, ...]]:
        """Pickle by content."""
        return (RefusedError, self.refusals)


class ConflictError(LoyaltyError):
    """The stored version moved since it was read: load again and decide again."""

    def __init__(self, message: str = "the stored version moved since it was read") -> None:
        """Say which stream, where it is known.

        Args:
            message: For a log; ``Loyalty`` retries by itself.
        """
        super().__init__(message)


class DuplicateError(LoyaltyError):
    """This command's key was committed before; ask ``receipt`` for what it did."""


class LimitReachedError(LoyaltyError):
    """A counter has no room for a claim.

    Attributes:
        counter: The counter that is full.
    """

    def __init__(self, counter: str) -> None:
        """Name the counter."""
        self.counter = counter
        super().__init__(f"no room left in counter {counter!r}")

    def __reduce__(self) -> tuple[type[LimitReachedError], tuple[str]]:
        """Pickle by content."""
        return (LimitReachedError, (self.counter,))


class OutcomeUnknownError(LoyaltyError):
    """The connection broke while a commit was under way: it was kept, or it was not.

    Make the same call again: it answers with what was kept, or does it now, and never twice.
    """


class CorruptStateError(LoyaltyError):
    """Stored facts or a stored state cannot be what the library wrote."""
