"""A shop's history as events, and the reader of its JSON Lines form.

One event a line, in order of time: ``join``, ``codes``, ``grant``, ``tier_grant``, ``order``, ``card``, ``return``, ``action``,
``reward``, ``choose``. See ``docs/guide/replay.md`` for the fields.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Final, TypeAlias, final

import attrs

from loyaltycore._checks import check_count, check_whole, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore.basket import Basket, Line, Return
from loyaltycore.errors import LoyaltyError, UsageError
from loyaltycore.identity import check_id, check_slug, check_text
from loyaltycore.quantities import Money
from loyaltycore.wire import parse_instant

__all__ = [
    "Acted",
    "Bucket",
    "Cancelled",
    "CardMade",
    "Chosen",
    "CodesIssued",
    "CouponGranted",
    "Event",
    "Fields",
    "GrantName",
    "HistoryError",
    "Joined",
    "Ordered",
    "ReturnedLines",
    "RewardAsked",
    "Tally",
    "TierLifted",
    "lines_of",
    "open_history",
    "read_jsonl",
    "take_basket",
]

LINE_LIMIT: Final = 16 * 2**20
"""Characters of a line that are kept: ten times the largest order that can be booked. A longer line is cut, and unreadable."""


class HistoryError(UsageError):
    """A history cannot be read as a whole: no such file, not the form it says, cut off, a column that is missing."""


@final
@attrs.frozen(kw_only=True)
class Joined:
    """Somebody became a member.

    Attributes:
        at: When.
        member_id: Who.
        referred_by: The member whose referral code was given; the code itself stands in no history.
        identity_hashes: What would show that it is somebody known already, such as a card's, hashed by the shop.
    """

    at: datetime
    member_id: str
    referred_by: str | None = None
    identity_hashes: tuple[str, ...] = ()


@final
@attrs.frozen
class GrantName:
    """What names a grant: its campaign, and the shop's own name for it."""

    campaign_id: str
    ref: str

    @classmethod
    def of(cls, text: str) -> GrantName:
        """Take ``welcome/ticket-7`` apart; a campaign's name holds no slash.

        Raises:
            UsageError: Text without two such names.
        """
        campaign_id, _, ref = check_text("coupon", text).partition("/")
        return cls(check_slug("campaign", campaign_id), check_id("ref", ref))


@final
@attrs.frozen(kw_only=True)
class Ordered:
    """An order was paid.

    Attributes:
        at: When.
        order_id: The shop's own.
        member_id: Whose; ``None`` for a guest.
        basket: What was bought.
        codes: As typed.
        coupons: Coupons that were chosen, each by its campaign and the ``ref`` it was granted under.
        rewards: Rewards whose coupons were chosen, each by its name with the member: ``reward/take-1``.
        gift_cards: Gift cards that pay, by the ``ref`` each was made under.
        burn: Points asked to burn.
        rows: Rows of the file that went into it.
    """

    at: datetime
    order_id: str
    member_id: str | None
    basket: Basket
    codes: tuple[str, ...] = ()
    coupons: tuple[GrantName, ...] = ()
    rewards: tuple[str, ...] = ()
    gift_cards: tuple[str, ...] = ()
    burn: int = 0
    rows: int = 1


@final
@attrs.frozen(kw_only=True)
class ReturnedLines:
    """Some of a named order came back."""

    at: datetime
    return_id: str
    order_id: str
    back: Return


@final
@attrs.frozen(kw_only=True)
class Cancelled:
    """Products came back without saying of which order: units of products, one entry a row of the file."""

    at: datetime
    return_id: str
    member_id: str
    items: tuple[tuple[str, int], ...]


@final
@attrs.frozen(kw_only=True)
class Acted:
    """A member did something that a program may give points for."""

    at: datetime
    action: str
    member_id: str
    ref: str


@final
@attrs.frozen(kw_only=True)
class CodesIssued:
    """A campaign had codes made, for whoever gets them."""

    at: datetime
    campaign_id: str
    count: int
    ref: str


@final
@attrs.frozen(kw_only=True)
class CouponGranted:
    """A campaign gave one coupon to one person.

    Attributes:
        at: When.
        campaign_id: Which campaign.
        member_id: Who alone may redeem it; ``None`` for whoever has its code.
        ref: The shop's own name for it.
    """

    at: datetime
    campaign_id: str
    member_id: str | None
    ref: str


@final
@attrs.frozen(kw_only=True)
class TierLifted:
    """A member was lifted to a tier by hand.

    Attributes:
        at: When.
        tier: To which at least.
        member_id: Whose.
        ref: The shop's own name for it.
        reason: In the shop's words.
        until: First instant at which it no longer holds; ``None`` never ends.
    """

    at: datetime
    tier: str
    member_id: str
    ref: str
    reason: str
    until: datetime | None


@final
@attrs.frozen(kw_only=True)
class RewardAsked:
    """A member took a reward of the catalogue."""

    at: datetime
    reward_id: str
    member_id: str
    ref: str


@final
@attrs.frozen(kw_only=True)
class Chosen:
    """A member chose one of the things that a reward offered.

    Attributes:
        at: When.
        reward_id: Which reward, as the member holds it: ``milestone/tenth-order``.
        option: What was chosen.
        member_id: Whose.
    """

    at: datetime
    reward_id: str
    option: str
    member_id: str


@final
@attrs.frozen(kw_only=True)
class CardMade:
    """A gift card was made.

    Attributes:
        at: When.
        ref: The shop's own name for it; its number stands in no history.
        amount: What is on it.
        expires_at: First instant at which it no longer pays; ``None`` never.
        order_id: The order that sold it; ``None`` where none did.
        line_id: The line of that order.
    """

    at: datetime
    ref: str
    amount: Money
    expires_at: datetime | None
    order_id: str | None
    line_id: str | None


Event: TypeAlias = (
    Joined
    | CodesIssued
    | CouponGranted
    | TierLifted
    | Ordered
    | CardMade
    | ReturnedLines
    | Cancelled
    | Acted
    | RewardAsked
    | Chosen
)


class Bucket(StrEnum):
    """What became of a row; every row ends in exactly one, and where several fit it is the first."""

    UNREADABLE = "unreadable"
    BAD_DEBT = "bad_debt"
    SHIPPING = "shipping"
    DISCOUNT = "discount"
    MANUAL = "manual"
    FEE = "fee"
    GIFT_VOUCHER = "gift_voucher"
    STOCK_CORRECTION = "stock_correction"
    FREE = "free"
    REPEATED = "repeated"
    RETURN_MATCHED = "return_matched"
    RETURN_PARTLY_MATCHED = "return_partly_matched"
    RETURN_LATE = "return_late"
    RETURN_UNMATCHED = "return_unmatched"
    RETURN_GUEST = "return_guest"
    SALE_MEMBER = "sale_member"
    SALE_GUEST = "sale_guest"
    JOIN = "join"
    ACTION = "action"
    CODES = "codes"
    GRANT = "grant"
    CARD = "card"
    TIER_GRANT = "tier_grant"
    REWARD = "reward"
    CHOOSE = "choose"
    REFUSED = "refused"


@final
@attrs.define
class Tally:
    """Counts of rows while a history is read.

    Attributes:
        read: Rows read, without headings and blank lines.
        buckets: Rows by bucket.
        beside: What is worth knowing of rows besides their bucket: duplicates, refusals, amounts below the minor unit.
    """

    read: int = 0
    buckets: Counter[Bucket] = attrs.Factory(Counter)
    beside: Counter[str] = attrs.Factory(Counter)


def read_jsonl(path: Path, tally: Tally, *, currency: str) -> Iterator[tuple[Event, int]]:
    """Read events, one a line; a line that is none counts as ``unreadable``.

    Args:
        path: The file, also gzipped.
        tally: Where rows are counted.
        currency: Of its amounts: the program's.

    Yields:
        Each event, and how many bytes of the file were read to find it.

    Raises:
        HistoryError: The file cannot be read to its end.
    """
    with open_history(path) as (file, raw):
        for line in lines_of(file):
            if line.isspace():
                continue
            tally.read += 1
            event = _event(line, currency)
            if event is None:
                tally.buckets[Bucket.UNREADABLE] += 1
            else:
                yield event, raw.tell()


@contextmanager
def open_history(path: Path, *, encoding: str = "utf-8") -> Iterator[tuple[IO[str], IO[bytes]]]:
    """Open a text file, also a gzipped one, and say clearly when it cannot be read to its end.

    Args:
        path: The file.
        encoding: Of its text.

    Yields:
        Its text, and the file itself, whose position tells how much was read.

    Raises:
        HistoryError: Not there, not text, or cut off in the middle.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            unpacked: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            # Spreadsheets begin a file with a byte order mark.
            with io.TextIOWrapper(unpacked, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as file:
                yield file, raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        msg = f"{path}: the gzip file is damaged or cut off ({error})"
        raise HistoryError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: not {encoding.upper()} text ({error})"
        raise HistoryError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error})"
        raise HistoryError(msg) from error


def lines_of(file: IO[str]) -> Iterator[str]:
    """Give the lines of a text with their ends; one longer than ``LINE_LIMIT`` is cut there, and its rest left out."""
    while line := file.readline(LINE_LIMIT):
        rest = line
        while len(rest) == LINE_LIMIT and rest[-1] not in "\r\n":
            rest = file.readline(LINE_LIMIT)
        yield line


def _event(line: str, currency: str) -> Event | None:
    try:
        data = json.loads(line, object_pairs_hook=_each_once)
        fields = Fields(data)
        read = _READERS.get(fields.take("kind", str))
        event = None if read is None else read(fields, currency)
        fields.end()
    except (LoyaltyError, ValueError, RecursionError):
        return None
    return event


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that comes twice: nobody knows which of the two is meant."""
    data = dict(pairs)
    if len(data) < len(pairs):
        msg = "a key comes twice"
        raise UsageError(msg)
    return data


@final
class Fields:
    """A copy of the fields of an object that was read from JSON; what is not asked for is a mistake."""

    def __init__(self, data: object) -> None:
        if type(data) is not dict:
            msg = f"must be an object, got {shown(data)}"
            raise UsageError(msg)
        self.data: dict[str, Any] = dict(data)

    def take(self, name: str, kind: type, *default: Any) -> Any:
        """Take one field of exactly one type; ``null`` stands only where ``None`` is the default."""
        value = self.data.pop(name, *default) if default else self._needed(name)
        if value is None and default == (None,):
            return None
        if type(value) is not kind:
            msg = f"{name} must be {_WORDS[kind]}, got {shown(value)}"
            raise UsageError(msg)
        return value

    def _needed(self, name: str) -> Any:
        if name not in self.data:
            msg = f"{name} is missing"
            raise UsageError(msg)
        return self.data.pop(name)

    def at(self) -> datetime:
        """Take the instant of an event."""
        return parse_instant(self.take("at", str))

    def end(self) -> None:
        """Refuse what was not asked for."""
        if self.data:
            msg = f"unknown fields: {', '.join(sorted(self.data))}"
            raise UsageError(msg)


def _join(fields: Fields, _currency: str) -> Joined:
    referred_by = fields.take("referred_by", str, None)
    return Joined(
        at=fields.at(),
        member_id=check_id("member_id", fields.take("member_id", str)),
        referred_by=None if referred_by is None else check_id("referred_by", referred_by),
        identity_hashes=tuple([check_id("identity hash", text) for text in fields.take("identity_hashes", list, [])]),
    )


def _order(fields: Fields, currency: str) -> Ordered:
    member_id = fields.take("member_id", str, None)
    return Ordered(
        at=fields.at(),
        order_id=check_id("order_id", fields.take("order_id", str)),
        member_id=None if member_id is None else check_id("member_id", member_id),
        basket=take_basket(fields, currency=currency),
        codes=tuple([check_text("code", code) for code in fields.take("codes", list, [])]),
        coupons=tuple([GrantName.of(name) for name in fields.take("coupons", list, [])]),
        rewards=tuple([check_id("reward", name) for name in fields.take("rewards", list, [])]),
        gift_cards=tuple([check_id("gift card", ref) for ref in fields.take("gift_cards", list, [])]),
        burn=check_whole("burn", fields.take("burn", int, 0), low=0),
    )


def take_basket(fields: Fields, *, currency: str) -> Basket:
    """Take a basket out of fields: ``lines``, ``shipping``, ``market``, ``channel``, ``payment``.

    Raises:
        UsageError: A value that is wrong, with the place of the line it is in.
    """
    lines = [_line(place, line, currency) for place, line in enumerate(fields.take("lines", list), 1)]
    shipping = fields.take("shipping", str, None)
    return Basket(
        lines,
        shipping=None if shipping is None else Money.of(shipping, currency),
        market=fields.take("market", str, None),
        channel=fields.take("channel", str, None),
        payment=fields.take("payment", str, None),
        currency=currency,
    )


def _line(place: int, data: object, currency: str) -> Line:
    try:
        fields = Fields(data)
        line_id = fields.take("line_id", str)
        regular, floor = fields.take("regular_price", str, None), fields.take("floor_price", str, None)
        line = Line(
            line_id,
            Money.of(fields.take("unit_price", str), currency),
            fields.take("quantity", int, 1),
            product_id=fields.take("product_id", str, line_id),
            categories=fields.take("categories", list, []),
            tags=fields.take("tags", list, []),
            brand=fields.take("brand", str, None),
            regular_price=None if regular is None else Money.of(regular, currency),
            floor_price=None if floor is None else Money.of(floor, currency),
        )
        fields.end()
    except UsageError as error:
        msg = f"line {place}: {error}"
        raise UsageError(msg) from error
    return line


def _return(fields: Fields, currency: str) -> ReturnedLines:
    amount, shipping = fields.take("amount", str, None), fields.take("shipping", str, None)
    return ReturnedLines(
        at=fields.at(),
        return_id=check_id("return_id", fields.take("return_id", str)),
        order_id=check_id("order_id", fields.take("order_id", str)),
        back=Return(
            lines=FrozenMap(fields.take("lines", dict, {})),
            amount=None if amount is None else Money.of(amount, currency),
            shipping=None if shipping is None else Money.of(shipping, currency),
        ),
    )


def _codes(fields: Fields, _currency: str) -> CodesIssued:
    return CodesIssued(
        at=fields.at(),
        campaign_id=check_slug("campaign", fields.take("campaign", str)),
        count=check_count("count", fields.take("count", int)),
        ref=check_id("ref", fields.take("ref", str)),
    )


def _grant(fields: Fields, _currency: str) -> CouponGranted:
    member_id = fields.take("member_id", str, None)
    return CouponGranted(
        at=fields.at(),
        campaign_id=check_slug("campaign", fields.take("campaign", str)),
        member_id=None if member_id is None else check_id("member_id", member_id),
        ref=check_id("ref", fields.take("ref", str)),
    )


def _tier_grant(fields: Fields, _currency: str) -> TierLifted:
    until = fields.take("until", str, None)
    return TierLifted(
        at=fields.at(),
        tier=check_slug("tier", fields.take("tier", str)),
        member_id=check_id("member_id", fields.take("member_id", str)),
        ref=check_id("ref", fields.take("ref", str)),
        reason=check_text("reason", fields.take("reason", str)),
        until=None if until is None else parse_instant(until),
    )


def _reward(fields: Fields, _currency: str) -> RewardAsked:
    return RewardAsked(
        at=fields.at(),
        reward_id=check_slug("reward", fields.take("reward", str)),
        member_id=check_id("member_id", fields.take("member_id", str)),
        ref=check_id("ref", fields.take("ref", str)),
    )


def _choose(fields: Fields, _currency: str) -> Chosen:
    return Chosen(
        at=fields.at(),
        reward_id=check_id("reward", fields.take("reward", str)),
        option=check_slug("option", fields.take("option", str)),
        member_id=check_id("member_id", fields.take("member_id", str)),
    )


def _card(fields: Fields, currency: str) -> CardMade:
    expires_at = fields.take("expires_at", str, None)
    order_id, line_id = fields.take("order_id", str, None), fields.take("line_id", str, None)
    if (order_id is None) is not (line_id is None):
        msg = f"order_id and line_id must be given together, got {shown(order_id)} and {shown(line_id)}"
        raise UsageError(msg)
    return CardMade(
        at=fields.at(),
        ref=check_id("ref", fields.take("ref", str)),
        amount=Money.of(fields.take("amount", str), currency),
        expires_at=None if expires_at is None else parse_instant(expires_at),
        order_id=None if order_id is None else check_id("order_id", order_id),
        line_id=None if line_id is None else check_id("line_id", line_id),
    )


def _action(fields: Fields, _currency: str) -> Acted:
    return Acted(
        at=fields.at(),
        action=check_slug("action", fields.take("action", str)),
        member_id=check_id("member_id", fields.take("member_id", str)),
        ref=check_id("ref", fields.take("ref", str)),
    )


_WORDS: Final[Mapping[type, str]] = {str: "text", int: "a whole number", list: "a list", dict: "an object"}

_READERS: Final[Mapping[str, Callable[[Fields, str], Event]]] = {
    "join": _join,
    "order": _order,
    "return": _return,
    "action": _action,
    "codes": _codes,
    "grant": _grant,
    "card": _card,
    "tier_grant": _tier_grant,
    "reward": _reward,
    "choose": _choose,
}
