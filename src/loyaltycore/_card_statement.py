"""Statements of gift cards: what happened to the money on a card, line by line, with the balance after each.

Invariants:
    1. ``opening`` and the changes of all lines sum to ``closing``; each line's ``balance`` is the sum so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, final

import attrs

from loyaltycore._card_facts import ISSUE, MONEY, CardIssued
from loyaltycore._statement import Movement, StatementLine, statement
from loyaltycore.errors import UsageError
from loyaltycore.facts import Fact
from loyaltycore.periods import Window
from loyaltycore.quantities import Money

__all__ = ["CardLine", "CardMovement", "CardStatement", "card_statement"]


class CardMovement(StrEnum):
    """What a line of a card's statement tells."""

    ISSUED = "issued"
    LOADED = "loaded"
    PAID = "paid"
    HELD = "held"
    RELEASED = "released"
    REFUNDED = "refunded"
    EXTENDED = "extended"
    EXPIRED = "expired"
    LAPSED = "lapsed"
    RESTORED = "restored"
    CANCELLED = "cancelled"
    MOVED_OUT = "moved_out"
    MOVED_IN = "moved_in"


_WORDS: Final[Mapping[Movement, CardMovement]] = {
    Movement.EARNED: CardMovement.LOADED,
    Movement.BURNED: CardMovement.PAID,
    Movement.CAPTURED: CardMovement.PAID,
    Movement.HELD: CardMovement.HELD,
    Movement.VOIDED: CardMovement.RELEASED,
    Movement.HOLD_ENDED: CardMovement.RELEASED,
    Movement.BURN_REFUNDED: CardMovement.REFUNDED,
    Movement.RENEWED: CardMovement.EXTENDED,
    Movement.EXPIRED: CardMovement.EXPIRED,
    Movement.ADJUSTED: CardMovement.LAPSED,
    Movement.ADJUSTMENT_REVERSED: CardMovement.RESTORED,
    Movement.REVOKED: CardMovement.CANCELLED,
    Movement.TRANSFERRED_OUT: CardMovement.MOVED_OUT,
    Movement.TRANSFERRED_IN: CardMovement.MOVED_IN,
}
"""Each movement of a ledger that the commands of a card can make, but for reports, which move nothing."""


@final
@attrs.frozen(kw_only=True)
class CardLine:
    """One thing that happened to the money on a card.

    Attributes:
        at: When it came to count; never before the line above.
        movement: What happened.
        ref: The shop's own name for it; empty for what time did.
        amount: How much it is about.
        change: By how much it changed the balance: nothing for what was held and is paid, or had expired already.
        balance: What can be paid with, after it; below zero it is owed.
    """

    at: datetime
    movement: CardMovement
    ref: str
    amount: Money
    change: Money
    balance: Money


@final
@attrs.frozen(kw_only=True)
class CardStatement:
    """What happened to the money on a card in a window, and the balance before and after.

    Attributes:
        window: The span it covers.
        opening: The balance before the first line.
        closing: The balance after the last.
        lines: In the order in which they became known; what they change sums to closing less opening.
    """

    window: Window
    opening: Money
    closing: Money
    lines: tuple[CardLine, ...]


def card_statement(facts: Iterable[Fact], *, window: Window) -> CardStatement:
    """Tell what happened to the money on a card in a window.

    Args:
        facts: All facts of the card, from the first, in the order recorded.
        window: It must have an end: what time will bring after the last fact is not a matter of record.

    Raises:
        UsageError: A window without an end, or facts of no card.
        CorruptStateError: A fact that cannot follow.

    Example:
        >>> from datetime import UTC, datetime
        >>> from loyaltycore.gift_cards import GiftCard
        >>> july, august, ends = (datetime(2026, month, 1, tzinfo=UTC) for month in (7, 8, 9))
        >>> first = GiftCard.open("card-7").issue(Money.of("50", "EUR"), ref="order-1", expires_at=august, at=july)
        >>> second = first.state.pay(Money.of("19.90", "EUR"), ref="order-2", at=july)
        >>> told = card_statement([*first.facts, *second.facts], window=Window(starts_at=july, ends_at=ends))
        >>> [(line.movement.value, str(line.change), str(line.balance)) for line in told.lines]
        [('issued', '50.00 EUR', '50.00 EUR'), ('paid', '-19.90 EUR', '30.10 EUR'), ('expired', '-30.10 EUR', '0.00 EUR')]

    Complexity:
        O(lines · log lots), beside folding the facts.
    """
    known = tuple(facts)
    currencies = [fact.currency for fact in known if isinstance(fact, CardIssued)]
    if len(currencies) != 1:
        msg = f"facts must be all facts of one card, got {len(currencies)} that begin one"
        raise UsageError(msg)
    told, currency = statement(known, window=window, account=MONEY), currencies[0]
    return CardStatement(
        window=told.window,
        opening=Money(told.opening, currency),
        closing=Money(told.closing, currency),
        lines=tuple(_card_line(line, currency) for line in told.lines if line.movement in _WORDS),
    )


def _card_line(line: StatementLine, currency: str) -> CardLine:
    is_issue = line.why.get("rule") == ISSUE
    return CardLine(
        at=line.at,
        movement=CardMovement.ISSUED if is_issue else _WORDS[line.movement],
        ref=line.ref,
        amount=Money(line.units, currency),
        change=Money(line.points, currency),
        balance=Money(line.balance, currency),
    )
