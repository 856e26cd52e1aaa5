"""Gift cards: what happens to them beside their money, the terms they have, and what they come to."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import ClassVar, Final, final

import attrs

from loyaltycore._checks import check_whole
from loyaltycore.basket import Filter, PriceState
from loyaltycore.errors import CurrencyMismatchError, UsageError
from loyaltycore.facts import Fact
from loyaltycore.identity import StreamId
from loyaltycore.quantities import Money, exponent_of

__all__ = [
    "ISSUE",
    "LOAD",
    "MONEY",
    "CardBalance",
    "CardBlocked",
    "CardExpiry",
    "CardFact",
    "CardGoods",
    "CardIssued",
    "CardNumbered",
    "CardReplaced",
    "CardUnblocked",
    "CardUses",
    "number_stream",
]

MONEY: Final = "money"
"""The account of a card's ledger; its units are minor units of the card's currency."""

ISSUE: Final = "issue"
LOAD: Final = "load"
"""Rules of a card's lots: what it began with, and what was put on it later."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LAST_FOUR: Final = re.compile(r"[^\W_]{4}")


def number_stream(digest: str) -> StreamId:
    """Name the stream that says which card a number is of.

    Args:
        digest: What ``CardNumbers.digest`` gives: 64 hexadecimal digits, never the number itself.

    Raises:
        UsageError: Anything else; the message does not show it.
    """
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        # Whoever passes the number by mistake must not find it in a log.
        msg = f"digest must be 64 hexadecimal digits, got a {type(digest).__name__} that is not"
        raise UsageError(msg)
    return StreamId(f"gift_card_number/{digest}")


class CardUses(StrEnum):
    """How often a card pays.

    ``MANY``: until nothing is left.
    ``ONE``: once. What its payment leaves lapses; it comes back where that payment is given back whole. What is given back in
    part can be paid with once more. A hold counts as the use while it stands.
    """

    MANY = "many"
    ONE = "one"


@final
@attrs.frozen(kw_only=True)
class CardGoods:
    """The goods that a card pays for: a ``Filter`` as it is stored.

    Attributes:
        tags: As in the filter, sorted.
        products: As in the filter, sorted.
        categories: As in the filter, sorted.
        brands: As in the filter, sorted.
        price: As in the filter.
        price_from: As in the filter.
        price_to: As in the filter.
        exclude_tags: As in the filter, sorted.
        exclude_products: As in the filter, sorted.
    """

    tags: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    price: PriceState = PriceState.ANY
    price_from: Money | None = None
    price_to: Money | None = None
    exclude_tags: tuple[str, ...] = ()
    exclude_products: tuple[str, ...] = ()

    @classmethod
    def of(cls, only: Filter) -> CardGoods:
        """Take a filter."""
        return cls(
            tags=tuple(sorted(only.tags)),
            products=tuple(sorted(only.products)),
            categories=tuple(sorted(only.categories)),
            brands=tuple(sorted(only.brands)),
            price=only.price,
            price_from=only.price_from,
            price_to=only.price_to,
            exclude_tags=tuple(sorted(only.exclude_tags)),
            exclude_products=tuple(sorted(only.exclude_products)),
        )

    @cached_property
    def filter(self) -> Filter:
        """The filter."""
        return Filter(**{field.name: getattr(self, field.name) for field in attrs.fields(CardGoods)})


@attrs.frozen(kw_only=True)
class CardFact(Fact):
    """Something that happened to a card beside its money.

    Attributes:
        card_id: Which card, by the shop's own opaque id; never its number.
    """

    card_id: str


@final
@attrs.frozen(kw_only=True)
class CardNumbered(CardFact):
    """A number was given to a card: the one fact of the stream ``gift_card_number/<digest>``.

    Attributes:
        pepper_id: The pepper that the digest was made with last.
    """

    kind: ClassVar[str] = "gift_card.numbered"
    pepper_id: str = ""


@final
@attrs.frozen(kw_only=True)
class CardIssued(CardFact):
    """A card began.

    Attributes:
        ref: The shop's own name for it: the order that sold it, the ticket that gave it, or the replacement.
        currency: Of all its money.
        loaded_minor: What was loaded with it; on a card that replaces another, what had been loaded on that one in all.
        uses: How often it pays.
        minimum: The least basket it pays for, at list prices; ``None`` for any.
        goods: The goods it pays for; ``None`` for all, and shipping.
        last_four: The last four symbols of its number, for whoever asks which card it is; may be empty.
        order_id: The order that sold it; ``None`` where none did.
        line_id: The line of that order.
        replaces: The card whose money came here; empty for a first card.
    """

    kind: ClassVar[str] = "gift_card.issued"
    ref: str
    currency: str
    loaded_minor: int
    uses: CardUses = CardUses.MANY
    minimum: Money | None = None
    goods: CardGoods | None = None
    last_four: str = ""
    order_id: str | None = None
    line_id: str | None = None
    replaces: str = ""

    def __attrs_post_init__(self) -> None:
        """Check the amount, the currency and what could hide a number."""
        super().__attrs_post_init__()
        exponent_of(self.currency)
        check_whole("loaded_minor", self.loaded_minor, low=0)
        bounds = () if self.goods is None else self.goods.filter.bounds
        for money in (*bounds, *(() if self.minimum is None else (self.minimum,))):
            if money.currency != self.currency:
                raise CurrencyMismatchError(self.currency, money.currency)
        if self.last_four and not _LAST_FOUR.fullmatch(self.last_four):
            # It may be the whole number, by mistake.
            msg = f"last_four must be empty or four letters and digits, got {len(self.last_four)} characters"
            raise UsageError(msg)

    def agreeing(self, other: CardIssued) -> dict[str, bool]:
        """Say of each thing that ``GiftCard.issue`` was told, by its name there, whether it was the same."""
        names = {field.name: field.name for field in attrs.fields(CardIssued) if field.name != "at"}
        said = {**names, "loaded_minor": "amount", "goods": "only"}
        return {word: getattr(self, name) == getattr(other, name) for name, word in said.items()}


@final
@attrs.frozen(kw_only=True)
class CardBlocked(CardFact):
    """A card was blocked: nothing is paid with it and nothing loaded on it until it is not.

    Attributes:
        reason: Why, in the shop's words.
        actor: Who did it.
    """

    kind: ClassVar[str] = "gift_card.blocked"
    reason: str
    actor: str


@final
@attrs.frozen(kw_only=True)
class CardUnblocked(CardFact):
    """A card was given free again.

    Attributes:
        reason: Why, in the shop's words.
        actor: Who did it.
    """

    kind: ClassVar[str] = "gift_card.unblocked"
    reason: str
    actor: str


@final
@attrs.frozen(kw_only=True)
class CardReplaced(CardFact):
    """Another card took the place of this one: the money on it went there.

    Attributes:
        ref: The shop's own name for it.
        by: The other card.
        actor: Who did it.
    """

    kind: ClassVar[str] = "gift_card.replaced"
    ref: str
    by: str
    actor: str


@final
@attrs.frozen(kw_only=True)
class CardExpiry:
    """Money that can no longer be paid with from some instant on.

    Attributes:
        expires_at: First instant at which it is gone.
        amount: How much.
    """

    expires_at: datetime
    amount: Money


@final
@attrs.frozen(kw_only=True)
class CardBalance:
    """A card at one instant.

    Attributes:
        available: What can be paid with it, as far as it is not blocked, and its terms are met.
        held: Set aside for orders not yet paid.
        owed: Missing, where a late order was honoured after its money had been spent elsewhere; what comes on is netted with it.
        expires: What will end when, soonest first, if nothing is paid.
        is_blocked: Whether it is blocked, or replaced.
    """

    available: Money
    held: Money
    owed: Money
    expires: tuple[CardExpiry, ...]
    is_blocked: bool
