"""Codes that people type, and the answer each one gets.

Invariants:
    1. A human code is public: it is guarded by conditions and windows, never by secrecy.
    2. Two codes that look alike are the same code, whoever typed them.
    3. Every entered code is answered; codes that do not exist and text that is no code get one public answer.

>>> HumanCode("SUMMER10").matches(" summer-1o ")
True
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

import attrs

from loyaltycore._alphabets import CROCKFORD, DIGITS, UNAMBIGUOUS, WORD_SAFE
from loyaltycore._campaign import HUMAN, SHORTEST_CODE, Campaign, CampaignResumed, CampaignStopped, CouponCampaign, Validity
from loyaltycore._checks import masked
from loyaltycore._code_blocks import Block, BlockTaken, SpaceBlocks
from loyaltycore._code_book import BookReading, CodeBook, CodePlan, code_rows, plan_codes
from loyaltycore._code_space import AvoidedWords, CodeReading, CodeSpace, CodeVerdict, SecretKey
from loyaltycore._coupon import (
    Coupon,
    CouponGranted,
    CouponRedeemed,
    CouponReleased,
    CouponReserved,
    CouponRevoked,
    CouponStatus,
    CouponUse,
    ReadCode,
    RedeemedCoupon,
    UseState,
)
from loyaltycore._frozen import FrozenMap
from loyaltycore._offer_kinds import FreedBy, Limits
from loyaltycore.errors import Detail, Reason, Refusal, UsageError
from loyaltycore.identity import fold_code
from loyaltycore.messages import Language, explain_refusal, say

__all__ = [
    "CODES_LIMIT",
    "CROCKFORD",
    "DIGITS",
    "HUMAN",
    "UNAMBIGUOUS",
    "WORD_SAFE",
    "Applied",
    "AvoidedWords",
    "Block",
    "BlockTaken",
    "BookReading",
    "Campaign",
    "CampaignResumed",
    "CampaignStopped",
    "CodeAnswer",
    "CodeBook",
    "CodePlan",
    "CodeReading",
    "CodeSpace",
    "CodeVerdict",
    "Coupon",
    "CouponCampaign",
    "CouponGranted",
    "CouponRedeemed",
    "CouponReleased",
    "CouponReserved",
    "CouponRevoked",
    "CouponStatus",
    "CouponUse",
    "FreedBy",
    "HumanCode",
    "Limits",
    "NotApplied",
    "ReadCode",
    "RedeemedCoupon",
    "SecretKey",
    "SpaceBlocks",
    "UseState",
    "Validity",
    "code_rows",
    "fold_code",
    "plan_codes",
    "read_codes",
]

CODES_LIMIT: Final = 5
"""Codes of one quote: each is an attempt at a guess."""


@final
@attrs.frozen
class HumanCode:
    """A code made by people for people, such as ``SUMMER10``.

    Attributes:
        text: As the shop writes it, 3 to 64 characters.
        folded: The form under which look-alikes are the same.
    """

    text: str
    folded: str = attrs.field(init=False, eq=False, default=attrs.Factory(lambda self: fold_code(self.text), takes_self=True))

    def __attrs_post_init__(self) -> None:
        """Refuse codes that are too short to mean anything."""
        if len(self.folded) < SHORTEST_CODE:
            msg = f"a code must have at least {SHORTEST_CODE} letters and digits, got {self.text!r}"
            raise UsageError(msg)

    def matches(self, entered: str) -> bool:
        """Say whether what a person typed is this code.

        Raises:
            UsageError: Text that is no code.
        """
        return fold_code(entered) == self.folded


@final
@attrs.frozen(kw_only=True)
class Applied:
    """The public answer to a code that applies; it can be asked what ``NotApplied`` can.

    Attributes:
        offer_id: The offer it opened.
    """

    offer_id: str

    @property
    def reason(self) -> str:
        """Nothing refused it: empty."""
        return ""

    @property
    def details(self) -> FrozenMap[str, Detail]:
        """None."""
        return FrozenMap[str, Detail]()

    def text(self, language: Language = "en") -> str:
        """Say nothing: what it brings stands in the quote.

        Args:
            language: As of ``NotApplied``.
        """
        del language
        return ""


_NO_REASON: Final = "coupon_invalid"
"""What stands for every reason that is not told."""

_TOLD: Final = frozenset({"coupon_redeemed", "coupon_reserved", "coupon_not_started", "coupon_expired"})
"""Reasons whose text for a log says nothing: to whoever holds a proven code they are told."""


def _details(details: Mapping[str, Detail]) -> FrozenMap[str, Detail]:
    return FrozenMap(details)


@final
@attrs.frozen(kw_only=True)
class NotApplied:
    """The public answer to a code that does not apply: the same for every cause, unless the code is proven to be the shopper's.

    Attributes:
        reason: ``"coupon_invalid"``; of a proven code the reason itself.
        details: Of a proven code, what is needed to act on it.
    """

    reason: str = _NO_REASON
    details: FrozenMap[str, Detail] = attrs.field(default=FrozenMap[str, Detail](), converter=_details)

    def text(self, language: Language = "en") -> str:
        """Say it to a shopper: of a code that is not proven always the same.

        Args:
            language: ``"en"``, ``"fr"`` or a catalogue.

        Example:
            >>> NotApplied().text(), NotApplied(reason="coupon_redeemed").text("fr")
            ('this is no valid code', 'ce code a déjà servi')
        """
        if self.reason in _TOLD:
            return say(f"told.{self.reason}", language)
        known = Reason.CODE_UNKNOWN if self.reason == _NO_REASON else Reason(self.reason)
        return explain_refusal(Refusal(known, self.details), language)


_NOT_APPLIED: Final = NotApplied()

_BEFORE_ANY_CODE: Final = frozenset({Reason.CODES_LIMIT_REACHED, Reason.ATTEMPTS_LIMIT_REACHED})
"""Said before any code was looked at, and of all alike: they tell nothing of one."""


@final
@attrs.frozen(kw_only=True)
class CodeAnswer:
    """What became of one entered code.

    Attributes:
        entered: As it was typed.
        offer_id: The offer it belongs to; ``None`` if it belongs to none.
        refusal: Why that offer is not applied, for the log and for whoever answers the shopper; ``None`` when it is.
        proven: Whether the code cannot have been guessed and is the shopper's: then he may be told why.
    """

    entered: str = attrs.field(repr=masked)
    offer_id: str | None
    refusal: Refusal | None
    proven: bool = False

    @property
    def applied(self) -> bool:
        """Say whether the code's offer is applied."""
        return self.refusal is None

    @property
    def public(self) -> Applied | NotApplied:
        """The answer to show: it tells nobody which codes exist.

        Whether a code is unknown, expired, used, revoked, somebody else's, or made by people and not open to this basket: the
        answer is the same.
        """
        if self.refusal is None:
            assert self.offer_id is not None  # what is applied is an offer
            return Applied(offer_id=self.offer_id)
        if self.refusal.reason in _BEFORE_ANY_CODE:
            return NotApplied(reason=self.refusal.reason.value, details=self.refusal.details)
        if self.proven and self.refusal.reason not in _NEVER_TOLD:
            return NotApplied(reason=self.refusal.reason.value, details=_told(self.refusal))
        return _NOT_APPLIED


_NEVER_TOLD: Final = frozenset(
    {
        Reason.CODE_MALFORMED,
        Reason.CODE_UNKNOWN,
        Reason.COUPON_NOT_FOUND,
        Reason.COUPON_REVOKED,
        Reason.COUPON_MEMBER_MISMATCH,
        Reason.CAMPAIGN_STOPPED,
    }
)


def _told(refusal: Refusal) -> dict[str, Detail]:
    """Give the details that a shopper may see: not whose order holds a coupon."""
    return {name: value for name, value in refusal.details.items() if name != "order_id"}


def read_codes(entered: tuple[str, ...]) -> tuple[dict[str, str], dict[str, Refusal]]:
    """Fold the codes of a quote.

    Args:
        entered: As typed; repetitions count once, only the first 5 are looked at.

    Returns:
        The folded form by entered text, and the refusals of those that cannot be read.
    """
    folded: dict[str, str] = {}
    refused: dict[str, Refusal] = {}
    for place, text in enumerate(dict.fromkeys(entered)):
        if place >= CODES_LIMIT:
            refused[text] = Refusal(Reason.CODES_LIMIT_REACHED, {"limit": CODES_LIMIT})
            continue
        try:
            folded[text] = fold_code(text)
        except UsageError:
            refused[text] = Refusal(Reason.CODE_MALFORMED)
    return folded, refused
