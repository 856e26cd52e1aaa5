"""Personal codes to bring friends with: public by nature, and told apart by the stream that says whose one is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import ClassVar, Final, final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs

from loyaltycore._alphabets import CROCKFORD, CheckSymbol
from loyaltycore._campaign import SHORTEST_CODE
from loyaltycore._checks import check_kind, shown
from loyaltycore._code_space import CodePattern, CodeSpace, CodeVerdict
from loyaltycore.errors import UsageError
from loyaltycore.facts import Fact
from loyaltycore.identity import CODE_LENGTH_LIMIT, check_id, fold_code, within
from loyaltycore.wire import digest

__all__ = [
    "LINK_PARAMETER",
    "PublicCodes",
    "ReferralCode",
    "ReferralCodeIssued",
    "codes_of_member",
    "friend_coupon_id",
    "verdict_of",
]

LINK_PARAMETER: Final = "ref"
"""Under this name a link carries a code."""

CANDIDATES: Final = 16
"""Codes that a member's id points at: all of them are taken only where nearly all codes are."""

_SYMBOLS_LEAST: Final = 5
"""With fewer symbols there would be less than a million codes."""


@final
@attrs.frozen(kw_only=True)
class ReferralCodeIssued(Fact):
    """A code is a member's: the stream ``referral_code/<code>``, under the form in which look-alikes are one.

    Attributes:
        code: As it is shown.
        member_id: Whose it is.
    """

    kind: ClassVar[str] = "referral_code.issued"
    code: str
    member_id: str


@final
@attrs.frozen
class ReferralCode:
    """A member's own code to bring friends with.

    Attributes:
        code: As it is shown, 3 to 64 characters.

    Example:
        >>> ReferralCode("VELO-7KQ2-88AB").link("https://shop.example/join?lang=fr#top")
        'https://shop.example/join?lang=fr&ref=VELO-7KQ2-88AB#top'
    """

    code: str

    def __attrs_post_init__(self) -> None:
        """Refuse what is no code."""
        if len(fold_code(check_kind("code", self.code, str))) < SHORTEST_CODE:
            msg = f"a code must have at least {SHORTEST_CODE} letters and digits, got {self.code!r}"
            raise UsageError(msg)

    @property
    def folded(self) -> str:
        """The form under which look-alikes are the same."""
        return fold_code(self.code)

    def link(self, url: str) -> str:
        """Give the address of a page with the code in it; one that stands there already is replaced.

        Args:
            url: Of the page where a friend signs up.

        Raises:
            UsageError: What is no address.
        """
        try:
            parts = urlsplit(check_kind("url", url, str))
            asked = [item for item in parse_qsl(parts.query, keep_blank_values=True) if item[0] != LINK_PARAMETER]
        except ValueError as error:
            msg = f"url must be the address of a page, got {shown(url)}"
            raise UsageError(msg) from error
        return urlunsplit(parts._replace(query=urlencode([*asked, (LINK_PARAMETER, self.code)])))


@final
@attrs.frozen
class PublicCodes:
    """The codes of a pattern that anybody may know: with a check symbol, the last, which finds slips of typing, and no secret.

    Whose a code is stands in its stream; who types one that nobody has is nobody's friend. So nothing is spent on a proof, and a
    short pattern has room for all members.

    Attributes:
        pattern: ``#`` for each symbol, 5 to 24 of them; letters, digits, dashes and blanks stand for themselves.
        purpose: What the codes are for, such as the shop and the program: for another, a member's codes are others.

    Example:
        >>> codes = PublicCodes("VELO-####-####", purpose="velo/friends")
        >>> code = next(codes.of_member("m-42"))
        >>> code, codes.read(code.lower()).value, f"{codes.capacity:,}"
        ('VELO-JPTM-TDF0', 'genuine', '34,359,738,368')
    """

    pattern: str
    purpose: str = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the pattern."""
        check_id("purpose", self.purpose)
        if len(self._shape.symbols(self._shape.folded)) < _SYMBOLS_LEAST:
            msg = f"pattern must have at least {_SYMBOLS_LEAST} '#', got {shown(self.pattern)}"
            raise UsageError(msg)

    @property
    def capacity(self) -> int:
        """So many codes there are."""
        return int(len(CROCKFORD) ** self._counting)

    def of_member(self, member_id: str) -> Iterator[str]:
        """Give the codes that a member may have, the first first: the same every time, and spread evenly over all there are.

        Args:
            member_id: The shop's own.

        Returns:
            So many that all are taken only where nearly all codes are.
        """
        check_id("member_id", member_id)
        size = len(CROCKFORD)
        for nth in range(CANDIDATES):
            number = int(digest([self.purpose, member_id, nth], purpose="lc.referral.code"), 16)
            digits = [number // size**place % size for place in range(self._counting)]
            symbols = [*digits, _check().digit(digits)]
            yield self._shape.printed(CROCKFORD[digit] for digit in symbols)

    def read(self, text: str) -> CodeVerdict:
        """Say how a text reads: whether it could be one of these codes, not whether anybody has it.

        Args:
            text: As typed, any text at all.

        Raises:
            UsageError: No text.
        """
        check_kind("text", text, str)
        try:
            folded = fold_code(text)
        except UsageError:
            is_length = not 0 < len(text.strip()) <= CODE_LENGTH_LIMIT
            return CodeVerdict.LENGTH if is_length else CodeVerdict.SYMBOL
        if len(folded) != len(self._shape.folded):
            return CodeVerdict.LENGTH
        found = [CROCKFORD.find(symbol) for symbol in self._shape.symbols(folded)]
        if not self._shape.fits(folded) or min(found) < 0:
            return CodeVerdict.SYMBOL
        return CodeVerdict.GENUINE if _check().holds(found) else CodeVerdict.CHECK

    @property
    def _counting(self) -> int:
        """Symbols but the last."""
        return self.pattern.count("#") - 1

    @property
    def _shape(self) -> CodePattern:
        return CodePattern.of(self.pattern)


@cache
def _check() -> CheckSymbol:
    """Give the check symbol of all such codes: it takes as long to work out as a friend takes to join."""
    return CheckSymbol.of(len(CROCKFORD))


def codes_of_member(codes: PublicCodes | CodeSpace, member_id: str) -> Iterator[str]:
    """Give the codes that a member may have, of a pattern or of a space: the same every time.

    Args:
        codes: Of the referral program.
        member_id: The shop's own.

    Returns:
        So many that all are taken only where nearly all codes are.
    """
    if isinstance(codes, PublicCodes):
        yield from codes.of_member(member_id)
        return
    check_id("member_id", member_id)
    for nth in range(CANDIDATES):
        yield codes.code(int(digest([member_id, nth], purpose="lc.referral.code"), 16) % codes.capacity)


def verdict_of(codes: PublicCodes | CodeSpace, text: str) -> CodeVerdict:
    """Say how a text reads as a code of a referral program.

    Args:
        codes: Of the referral program.
        text: As typed.
    """
    return codes.read(text) if isinstance(codes, PublicCodes) else codes.read(text).verdict


def friend_coupon_id(campaign_id: str, friend_id: str) -> str:
    """Name the coupon that a friend holds from joining on: nobody reads the friend out of it, no other has its name."""
    return f"+{within(campaign_id, digest(check_id('friend_id', friend_id), purpose='lc.coupon'))}"
