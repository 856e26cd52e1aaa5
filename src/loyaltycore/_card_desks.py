"""The calls on gift cards of ``Loyalty`` and ``AsyncLoyalty``."""

from __future__ import annotations

from datetime import datetime
from typing import final

import attrs

from loyaltycore._card_steps import IssuedCard
from loyaltycore._driver import AsyncDriver, Driver
from loyaltycore.basket import Filter
from loyaltycore.gift_cards import CardBalance, CardStatement, CardUses, GiftCard
from loyaltycore.ledger import Granted
from loyaltycore.periods import Window
from loyaltycore.quantities import Money

__all__ = ["AsyncCardDesk", "CardDesk"]

_ACTOR = "shop"
_ROTATE_LIMIT = 1000


@final
@attrs.frozen
class CardDesk:
    """Gift cards, at the service that has them: ``loyalty.cards``.

    Attributes:
        service: A ``Loyalty`` with ``card_numbers``.
    """

    service: Driver = attrs.field(repr=False)

    def issue(
        self,
        amount: Money,
        *,
        ref: str,
        entropy: bytes,
        expires_at: datetime | None,
        uses: CardUses = CardUses.MANY,
        minimum: Money | None = None,
        only: Filter | None = None,
        order_id: str | None = None,
        line_id: str | None = None,
        actor: str = _ACTOR,
    ) -> IssuedCard:
        """Make a gift card, once for each ``ref``, and tell its number: this is the one time.

        Called again with the same ``entropy`` it tells the same number again; keep the entropy until the number was sent, and
        then nowhere. Who lost a number gets another card by ``replace``.

        Args:
            amount: Above 0.
            ref: The shop's own name for it, unique among all cards, such as the order, the line and which of its units.
            entropy: 16 to 1024 bytes from ``secrets.token_bytes``, new for every card: the number is made of them.
            expires_at: First instant at which its money can no longer be paid with; ``None`` never.
            uses: How often it pays.
            minimum: The least basket it pays for, at list prices; ``None`` for any.
            only: The goods it pays for; ``None`` for all, and shipping.
            order_id: The order that sold it; when its line comes back, the card is cancelled.
            line_id: The line of that order.
            actor: Who asks.

        Raises:
            RefusedError: ``order_not_found``, ``order_line_not_found``, ``cards_exceed_order`` or ``key_reused``.
            UsageError: A value out of range; entropy that made another card's number.
        """
        steps = self.service._issue_card(
            amount,
            ref=ref,
            entropy=entropy,
            expires_at=expires_at,
            uses=uses,
            minimum=minimum,
            only=only,
            order_id=order_id,
            line_id=line_id,
            actor=actor,
        )
        return self.service._run(steps)

    def load(self, card_id: str, amount: Money, *, ref: str, expires_at: datetime | None, actor: str = _ACTOR) -> Granted:
        """Put more money on a card, once for each ``ref``.

        Args:
            card_id: Its own id.
            amount: Above 0, in its currency.
            ref: The shop's own name for it.
            expires_at: First instant at which this money can no longer be paid with; ``None`` never.
            actor: Who asks.

        Raises:
            RefusedError: ``card_not_found``, ``card_blocked`` or ``key_reused``.
        """
        return self.service._run(self.service._load_card(card_id, amount, ref=ref, expires_at=expires_at, actor=actor))

    def find(self, number: str, *, client: str | None = None, member_id: str | None = None) -> str:
        """Give the id of the card that a number is of. It is an attempt.

        Args:
            number: As typed.
            client: Which device asks, in the shop's own words.
            member_id: Which member asks.

        Raises:
            RefusedError: ``card_unknown``, or ``attempts_limit_reached``.
        """
        return self.service._run(self.service._find_card(number, client, member_id))

    def balance(self, number: str, *, client: str | None = None, member_id: str | None = None) -> CardBalance:
        """Tell what is on a card, to whoever types its number. It is an attempt.

        Args:
            number: As typed.
            client: Which device asks, in the shop's own words.
            member_id: Which member asks.

        Raises:
            RefusedError: ``card_unknown`` or ``card_blocked``, which are one in public; ``attempts_limit_reached``.
        """
        return self.service._run(self.service._card_balance(number, client, member_id))

    def card(self, card_id: str) -> GiftCard:
        """Give a card as it is, to look at.

        Args:
            card_id: Its own id; one never issued has ``issued`` ``None``.
        """
        return self.service._run(self.service._card(card_id))

    def statement(self, card_id: str, *, window: Window) -> CardStatement:
        """Tell what happened on a card in a window, line by line, with the balance after each.

        Args:
            card_id: Its own id.
            window: The span; without an end it goes up to now.

        Raises:
            RefusedError: ``card_not_found``.
        """
        return self.service._run(self.service._card_statement(card_id, window))

    def block(self, card_id: str, *, reason: str, actor: str) -> GiftCard:
        """Block a card: nothing is paid with it, until ``unblock``.

        Args:
            card_id: Its own id.
            reason: In the shop's words.
            actor: Who does it.

        Raises:
            RefusedError: ``card_not_found``.
        """
        return self.service._run(self.service._block_card(card_id, reason, actor))

    def unblock(self, card_id: str, *, reason: str, actor: str) -> GiftCard:
        """Give a blocked card free again.

        Args:
            card_id: Its own id.
            reason: In the shop's words.
            actor: Who does it.

        Raises:
            RefusedError: ``card_not_found``; ``card_blocked`` where another card took its place.
        """
        return self.service._run(self.service._unblock_card(card_id, reason, actor))

    def replace(self, card_id: str, *, ref: str, entropy: bytes, actor: str) -> IssuedCard:
        """Make another card with another number, once for each ``ref``, and move there all that is on this one.

        Args:
            card_id: The card whose number was lost.
            ref: The shop's own name for it, unique among all cards.
            entropy: 16 to 1024 bytes from ``secrets.token_bytes``, as for ``issue``.
            actor: Who does it.

        Raises:
            RefusedError: ``card_not_found``, ``card_blocked`` where a third card took its place, or ``key_reused``.
        """
        return self.service._run(self.service._replace_card(card_id, ref=ref, entropy=entropy, actor=actor))

    def rotate_peppers(self, limit: int = _ROTATE_LIMIT) -> int:
        """Bring stored digests under the present pepper, and say how many were; 0 when none is left.

        While it runs, numbers are found under either. Needs a repository that lists streams and renames them.

        Args:
            limit: At most so many are done, at least 1.

        Raises:
            UsageError: A repository that cannot.
        """
        return self.service._run(self.service._rotate_peppers(limit))


@final
@attrs.frozen
class AsyncCardDesk:
    """Gift cards, at the service that has them, awaited: every call of ``CardDesk``, by the same name.

    Attributes:
        service: An ``AsyncLoyalty`` with ``card_numbers``.
    """

    service: AsyncDriver = attrs.field(repr=False)

    async def issue(
        self,
        amount: Money,
        *,
        ref: str,
        entropy: bytes,
        expires_at: datetime | None,
        uses: CardUses = CardUses.MANY,
        minimum: Money | None = None,
        only: Filter | None = None,
        order_id: str | None = None,
        line_id: str | None = None,
        actor: str = _ACTOR,
    ) -> IssuedCard:
        """Make a gift card, once for each ``ref``, and tell its number: this is the one time.

        As ``CardDesk.issue``, awaited.
        """
        steps = self.service._issue_card(
            amount,
            ref=ref,
            entropy=entropy,
            expires_at=expires_at,
            uses=uses,
            minimum=minimum,
            only=only,
            order_id=order_id,
            line_id=line_id,
            actor=actor,
        )
        return await self.service._run(steps)

    async def load(self, card_id: str, amount: Money, *, ref: str, expires_at: datetime | None, actor: str = _ACTOR) -> Granted:
        """Put more money on a card, once for each ``ref``.

        As ``CardDesk.load``, awaited.
        """
        return await self.service._run(self.service._load_card(card_id, amount, ref=ref, expires_at=expires_at, actor=actor))

    async def find(self, number: str, *, client: str | None = None, member_id: str | None = None) -> str:
        """Give the id of the card that a number is of. It is an attempt.

        As ``CardDesk.find``, awaited.
        """
        return await self.service._run(self.service._find_card(number, client, member_id))

    async def balance(self, number: str, *, client: str | None = None, member_id: str | None = None) -> CardBalance:
        """Tell what is on a card, to whoever types its number. It is an attempt.

        As ``CardDesk.balance``, awaited.
        """
        return await self.service._run(self.service._card_balance(number, client, member_id))

    async def card(self, card_id: str) -> GiftCard:
        """Give a card as it is, to look at.

        As ``CardDesk.card``, awaited.
        """
        return await self.service._run(self.service._card(card_id))

    async def statement(self, card_id: str, *, window: Window) -> CardStatement:
        """Tell what happened on a card in a window, line by line, with the balance after each.

        As ``CardDesk.statement``, awaited.
        """
        return await self.service._run(self.service._card_statement(card_id, window))

    async def block(self, card_id: str, *, reason: str, actor: str) -> GiftCard:
        """Block a card: nothing is paid with it, until ``unblock``.

        As ``CardDesk.block``, awaited.
        """
        return await self.service._run(self.service._block_card(card_id, reason, actor))

    async def unblock(self, card_id: str, *, reason: str, actor: str) -> GiftCard:
        """Give a blocked card free again.

        As ``CardDesk.unblock``, awaited.
        """
        return await self.service._run(self.service._unblock_card(card_id, reason, actor))

    async def replace(self, card_id: str, *, ref: str, entropy: bytes, actor: str) -> IssuedCard:
        """Make another card with another number, once for each ``ref``, and move there all that is on this one.

        As ``CardDesk.replace``, awaited.
        """
        return await self.service._run(self.service._replace_card(card_id, ref=ref, entropy=entropy, actor=actor))

    async def rotate_peppers(self, limit: int = _ROTATE_LIMIT) -> int:
        """Bring stored digests under the present pepper, and say how many were; 0 when none is left.

        As ``CardDesk.rotate_peppers``, awaited.
        """
        return await self.service._run(self.service._rotate_peppers(limit))
