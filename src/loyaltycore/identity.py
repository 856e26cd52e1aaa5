"""Names: the shop's own ids, and the streams and keys made of them.

An id is the shop's: opaque here, never an e-mail address. Codes that people type are folded into one form, so that case,
spaces, dashes and look-alike letters never decide.

Invariants:
    1. An id is 1 to 200 characters without control characters; it is kept exactly as given.
    2. Two codes that look alike fold to the same text; folding twice changes nothing.
    3. Any text at all folds to a code or raises ``UsageError``, and long text costs no more than short text.

>>> member_stream("m-42"), order_stream("1001")
('member/m-42', 'order/1001')
>>> fold_code(" summer-1O "), fold_code("SUMMER10")
('SUMMER10', 'SUMMER10')

Source: the look-alikes I, L, 1 and O, 0 after Douglas Crockford's Base32; letters of other scripts after Unicode TS 39.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, NewType

from loyaltycore._checks import check_several, shown
from loyaltycore.errors import UsageError

__all__ = [
    "CODE_LENGTH_LIMIT",
    "ID_LENGTH_LIMIT",
    "CounterId",
    "Key",
    "StreamId",
    "campaign_stream",
    "card_stream",
    "check_id",
    "check_name",
    "check_slug",
    "check_text",
    "coupon_stream",
    "fold_code",
    "labels",
    "member_stream",
    "order_stream",
    "payout_stream",
    "referral_code_stream",
    "referral_stream",
    "space_stream",
    "within",
]

StreamId = NewType("StreamId", str)
"""Where the facts of one thing are kept: ``member/<id>``, ``order/<id>``."""

Key = NewType("Key", str)
"""What makes a command happen once within its home stream."""

CounterId = NewType("CounterId", str)
"""A total that many share, with its period in the name: ``coupon/SUMMER/2026-07``."""

ID_LENGTH_LIMIT: Final = 200
"""Long enough for any order number or UUID, short enough for an indexed column."""

NAME_LENGTH_LIMIT: Final = 1_000
"""Room for a verb and several ids."""

TEXT_LENGTH_LIMIT: Final = 100_000
"""For reasons and notes."""

LABELS_LIMIT: Final = 1_000
"""Labels of one thing: more than any catalogue has shown on one product."""

CODE_LENGTH_LIMIT: Final = 64
"""Of a typed code, before folding: a longer text is no code, and is never looked at further."""

_SLUG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")

_LOOK_ALIKES: Final = str.maketrans(
    dict(zip("OIL" + "АВЕКМНОРСТХІЈЅУ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "011" + "ABEKMH0PCTX1JSY" + "ABEZH1KMN0PTYX", strict=True))
)


def check_text(name: str, text: object, *, limit: int = TEXT_LENGTH_LIMIT) -> str:
    """Take any Unicode text that a database can hold.

    Args:
        name: For the message.
        text: What was passed.
        limit: The most characters allowed.

    Raises:
        UsageError: No ``str``, too long, a lone surrogate or a NUL.
    """
    if not isinstance(text, str) or len(text) > limit or "\0" in text:
        msg = f"{name} must be text of at most {limit} characters without NUL, got {shown(text)}"
        raise UsageError(msg)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        msg = f"{name} must be Unicode text without lone surrogates, got {shown(text)}"
        raise UsageError(msg) from error
    return text


def check_id(name: str, value: object) -> str:
    """Take one of the shop's own ids.

    Args:
        name: For the message.
        value: What was passed; a number is refused: say ``str(order.pk)``.

    Raises:
        UsageError: No text, empty, over 200 characters, or with control characters.
    """
    if isinstance(value, str) and value.isascii() and 0 < len(value) <= ID_LENGTH_LIMIT and value.isprintable():
        return value
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= ID_LENGTH_LIMIT
        or any(unicodedata.category(c) in {"Cc", "Cs"} for c in value)
    ):
        msg = f"{name} must be text of 1 to {ID_LENGTH_LIMIT} characters without control characters, got {shown(value)}"
        raise UsageError(msg)
    return value


def check_name(name: str, value: object) -> str:
    """Take the name of a stream, a key or a counter: what is made of ids and words, up to 1,000 characters.

    Raises:
        UsageError: No text, empty or too long, or nothing a database can hold.
    """
    text = check_text(name, value, limit=NAME_LENGTH_LIMIT)
    if not text:
        msg = f"{name} must be text of 1 to {NAME_LENGTH_LIMIT} characters, got ''"
        raise UsageError(msg)
    return text


def check_slug(name: str, value: object) -> str:
    """Take the id of something a program defines: a rule, an offer, a rung.

    Raises:
        UsageError: Anything but 1 to 64 letters, digits, ``_``, ``.``, ``:``, ``-``, starting with a letter or digit.
    """
    if not isinstance(value, str) or not _SLUG.fullmatch(value):
        msg = f"{name} must be 1 to 64 letters, digits, '_', '.', ':' or '-', got {shown(value)}"
        raise UsageError(msg)
    return value


def labels(values: Iterable[str]) -> frozenset[str]:
    """Take the shop's own labels (tags, categories, consents) from any iterable but a single text.

    Raises:
        UsageError: A single text, too many labels, or one that is no id.

    Example:
        >>> sorted(labels(["safety", "kids", "safety"]))
        ['kids', 'safety']
    """
    if type(values) is frozenset and not values:
        return values
    return frozenset(
        [check_id("each of the labels", value) for value in check_several("labels", values, str, limit=LABELS_LIMIT)]
    )


def member_stream(member_id: str) -> StreamId:
    """Name the stream of a member."""
    return StreamId(f"member/{check_id('member_id', member_id)}")


def order_stream(order_id: str) -> StreamId:
    """Name the stream of an order."""
    return StreamId(f"order/{check_id('order_id', order_id)}")


def coupon_stream(coupon_id: str) -> StreamId:
    """Name the stream of a coupon."""
    return StreamId(f"coupon/{check_id('coupon_id', coupon_id)}")


def campaign_stream(campaign_id: str) -> StreamId:
    """Name the stream of a campaign: whether it was stopped."""
    return StreamId(f"campaign/{check_slug('campaign_id', campaign_id)}")


def space_stream(space_id: str) -> StreamId:
    """Name the stream of a space of codes: which blocks of them were taken."""
    return StreamId(f"code_space/{check_id('space_id', space_id)}")


def card_stream(card_id: str) -> StreamId:
    """Name the stream of a gift card."""
    return StreamId(f"gift_card/{check_id('card_id', card_id)}")


def payout_stream(payout_id: str) -> StreamId:
    """Name the stream of a payout: what the shop pays somebody outside."""
    return StreamId(f"payout/{check_id('payout_id', payout_id)}")


def referral_stream(friend_id: str) -> StreamId:
    """Name the stream of a referral: it is the friend's, who can be referred once."""
    return StreamId(f"referral/{check_id('friend_id', friend_id)}")


def referral_code_stream(code: str) -> StreamId:
    """Name the stream of a personal code: whose it is. Codes that look alike are one.

    Raises:
        UsageError: What ``fold_code`` refuses.
    """
    return StreamId(f"referral_code/{fold_code(code)}")


def within(whole: str, part: str) -> str:
    """Name a thing within another, so that no two pairs give one name: ``"1001/r-1"``.

    A slash in the first name is written ``%2F``, and a per cent sign ``%25``.

    Example:
        >>> within("1001", "r-1"), within("2026/1001", "r-1")
        ('1001/r-1', '2026%2F1001/r-1')

    Raises:
        UsageError: No text.
    """
    first = check_text("whole", whole).replace("%", "%25").replace("/", "%2F")
    return f"{first}/{check_text('part', part)}"


def fold_code(text: str) -> str:
    """Give the form under which two codes are the same.

    Case, accents, spaces, dashes and full width fold; letters of other scripts that look like Latin ones do; so do O and 0,
    and I, L and 1. U and V, S and 5, Z and 2, B and 8 do not.

    Args:
        text: As a person typed it, at most 64 characters.

    Raises:
        UsageError: Over 64 characters before or after, or anything else than letters and digits is left, or nothing.

    Example:
        >>> fold_code("ｖélo‑ｌO"), fold_code("VÉLO10")
        ('VE1010', 'VE1010')
    """
    if not isinstance(text, str) or len(text) > CODE_LENGTH_LIMIT:
        msg = f"a code must be text of at most {CODE_LENGTH_LIMIT} characters, got {shown(text)}"
        raise UsageError(msg)
    folded = _fold(text)
    # Normal forms are stable by themselves, not after a look-alike was put in their place: such text is no code.
    if not folded.isalnum() or len(folded) > CODE_LENGTH_LIMIT or _fold(folded) != folded:
        msg = f"a code must be letters and digits, got {shown(text)}"
        raise UsageError(msg)
    return folded


_DROPPED: Final = frozenset({"Zs", "Pd", "Cf", "Cc", "Mn"})
"""Spaces, dashes, invisible marks, line ends and accents: what copying from a mail or a phone's keyboard brings along."""


def _fold(text: str) -> str:
    one_case = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold()).upper()
    kept = [c for c in one_case if unicodedata.category(c) not in _DROPPED]
    digits = "".join([str(unicodedata.decimal(c)) if c.isdecimal() else c for c in kept])
    return unicodedata.normalize("NFKC", digits.translate(_LOOK_ALIKES))
