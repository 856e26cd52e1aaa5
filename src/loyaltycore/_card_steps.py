"""What a service does with gift cards, as steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, cast, final

import attrs

from loyaltycore._checks import check_count, check_kind, masked
from loyaltycore._coupon_steps import CouponSteps, blinded
from loyaltycore._steps import ListStreams, Loaded, Postings, Rename, Steps, instant_or_none, not_before_last, the, until_now
from loyaltycore.basket import Filter
from loyaltycore.errors import ConflictError, Detail, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Command, Fact, Posting
from loyaltycore.gift_cards import (
    CardBalance,
    CardNumbered,
    CardNumbers,
    CardStatement,
    CardUses,
    GiftCard,
    card_statement,
    number_stream,
)
from loyaltycore.identity import Key, StreamId, card_stream, check_id, order_stream
from loyaltycore.ledger import Granted
from loyaltycore.orders import Order, OrderCardSold
from loyaltycore.periods import Window
from loyaltycore.program import Asked
from loyaltycore.quantities import Money
from loyaltycore.repositories import Enumerable, Forgetting
from loyaltycore.wire import Json, digest, plain

__all__ = ["CardSteps", "IssuedCard"]

_NUMBERS: Final = "gift_card_number"

_NUMBERS_LIMIT: Final = 5
"""Numbers of one quote: each is an attempt at a guess."""

_NAME_LENGTH: Final = 32
"""Hexadecimal digits under which an attempt is known."""


@final
@attrs.frozen(kw_only=True)
class IssuedCard:
    """A gift card that was made; the one time its number is told.

    Attributes:
        card_id: The card's own id: keep it, and look the card up by it.
        number: Tell it to whoever the card is for, and keep it nowhere.
        amount: What is on it.
    """

    card_id: str
    number: str = attrs.field(repr=masked)
    amount: Money


def card_id_of(ref: str) -> str:
    """Name the card that is made under a reference: opaque, and the same every time."""
    return f"card-{digest(check_id('ref', ref), purpose='lc.card')}"


class CardSteps(CouponSteps):
    """Gift cards."""

    __slots__ = ()

    # ---- numbers ----

    def _known_numbers(self) -> CardNumbers:
        if self.card_numbers is None:
            msg = "card_numbers must be CardNumbers where gift cards are asked for by their numbers"
            raise UsageError(msg)
        return self.card_numbers

    def _with_cards(
        self, asked: Asked, numbers: Iterable[str], client: str | None, *, counted: bool = True
    ) -> Steps[tuple[Asked, dict[str, Refusal]]]:
        """Put ids in the place of numbers, and say which were not looked at.

        A number of no card gets the id of no card in its place.
        """
        typed = _several(numbers)
        if not typed:
            return asked, {}
        # Of more numbers than are looked at, the others are answered, and not raised: a shopper typed them.
        too_many = Refusal(Reason.CODES_LIMIT_REACHED, {"limit": _NUMBERS_LIMIT})
        beyond = dict.fromkeys(["beyond"], too_many) if len(typed) > _NUMBERS_LIMIT else {}
        typed = typed[:_NUMBERS_LIMIT]
        try:
            found = yield from self._cards_of(typed, client, asked.member_id, counted=counted)
        except RefusedError as error:
            refused = {f"refused-{place}": error.refusal for place in range(len(typed))} | beyond
            return attrs.evolve(asked, cards=(*asked.cards, *refused)), refused
        cards = (*asked.cards, *(name or f"unknown-{place}" for place, name in enumerate(found)), *beyond)
        return attrs.evolve(asked, cards=cards), beyond

    def _cards_of(
        self, typed: tuple[str, ...], client: str | None, member_id: str | None, *, counted: bool = True
    ) -> Steps[tuple[str | None, ...]]:
        """Find the cards of numbers; ``None`` for what is the number of none, or where too many were tried."""
        cards = self._known_numbers()
        read = [cards.read(text) for text in typed]
        known = [None if isinstance(number, Refusal) else number for number in read]
        tried = dict(_weighed(cards, text, number) for text, number in zip(typed, known, strict=True))
        if counted:
            yield from self._attempt(tried, client, member_id)
        # What is no number is looked for all the same, under one that nobody has.
        streams = [_pointers(cards, number or cards.number(bytes(31) + bytes([place]))) for place, number in enumerate(known)]
        loaded = yield from self._whole(tuple(dict.fromkeys(stream for several in streams for stream in several)))
        return tuple(_card_of(several, loaded) for several in streams)

    # ---- making and loading ----

    def _issue_card(
        self,
        amount: Money,
        *,
        ref: str,
        entropy: bytes,
        expires_at: datetime | None,
        uses: CardUses,
        minimum: Money | None,
        only: Filter | None,
        order_id: str | None,
        line_id: str | None,
        actor: str,
    ) -> Steps[IssuedCard]:
        cards, card_id = self._known_numbers(), card_id_of(ref)
        number = cards.number(entropy)
        stream, pointers = card_stream(card_id), _pointers(cards, number)
        if (order_id is None) is not (line_id is None):
            msg = f"order_id and line_id must be given together, got {order_id!r} and {line_id!r}"
            raise UsageError(msg)
        command = Command.of(
            stream,
            Key("issue"),
            actor=actor,
            amount=plain(check_kind("amount", amount, Money)),
            entropy=pointers[-1],  # under the oldest pepper, which stays the same when another comes
            expires_at=instant_or_none(expires_at),
            uses=check_kind("uses", uses, CardUses).value,
            minimum=plain(minimum),
            only=plain(only),
            order_id=order_id,
            line_id=line_id,
        )

        def decide(loaded: Loaded, at: datetime) -> Postings:
            card = loaded.card(card_id)
            if card.issued is None:  # otherwise the same call was faster, and its receipt answers
                _check_new(loaded, pointers)
            sold = () if order_id is None or line_id is None else (_sold(loaded.order(order_id), line_id, card_id, at),)
            issued = card.issue(
                amount,
                ref=ref,
                expires_at=expires_at,
                uses=uses,
                minimum=minimum,
                only=only,
                last_four=cards.last_four(number),
                order_id=order_id,
                line_id=line_id,
                at=at,
            )
            return issued, *_numbered(pointers, card_id, cards.pepper_id, at), *sold

        orders = () if order_id is None else (order_stream(order_id),)
        yield from self._once(command, (stream, *pointers, *orders), decide)
        return IssuedCard(card_id=card_id, number=number, amount=amount)

    def _load_card(self, card_id: str, amount: Money, *, ref: str, expires_at: datetime | None, actor: str) -> Steps[Granted]:
        passed = {"amount": plain(check_kind("amount", amount, Money)), "expires_at": instant_or_none(expires_at)}
        facts = yield from self._on_card(
            card_id,
            f"load:{check_id('ref', ref)}",
            lambda card, at: card.load(amount, ref=ref, expires_at=expires_at, at=at),
            actor=actor,
            **passed,
        )
        return the(Granted, facts)

    def _block_card(self, card_id: str, reason: str, actor: str) -> Steps[GiftCard]:
        return (
            yield from self._turn_card(card_id, "block", lambda card, at: card.block(reason=reason, actor=actor, at=at), actor)
        )

    def _unblock_card(self, card_id: str, reason: str, actor: str) -> Steps[GiftCard]:
        return (
            yield from self._turn_card(
                card_id, "unblock", lambda card, at: card.unblock(reason=reason, actor=actor, at=at), actor
            )
        )

    def _turn_card(
        self, card_id: str, verb: str, turn: Callable[[GiftCard, datetime], Posting[GiftCard]], actor: str
    ) -> Steps[GiftCard]:
        """Block or unblock a card, each time it is asked for."""
        seen = yield from self._card(card_id)
        while turn(seen, not_before_last(None, self._now(), seen)).facts:
            try:
                yield from self._on_card(card_id, f"{verb}:{seen.version}", turn, actor=actor)
            except RefusedError:
                before, seen = seen, (yield from self._card(card_id))
                if seen.version == before.version:
                    raise  # otherwise somebody else wrote to it, between two looks
            else:
                return (yield from self._card(card_id))
        return seen

    def _replace_card(self, card_id: str, *, ref: str, entropy: bytes, actor: str) -> Steps[IssuedCard]:
        """Make another card with another number, and move all that is on the old one there."""
        cards, new_id = self._known_numbers(), card_id_of(ref)
        number = cards.number(entropy)
        old, new, pointers = card_stream(card_id), card_stream(new_id), _pointers(cards, number)
        command = Command.of(old, Key(f"replace:{ref}"), actor=actor, entropy=pointers[-1])

        def decide(loaded: Loaded, at: datetime) -> Postings:
            card = loaded.card(card_id)
            if ref not in card.moves:  # as above
                _check_new(loaded, pointers)
            at = not_before_last(None, at, card)
            moved = card.replace(loaded.card(new_id), ref=ref, actor=actor, last_four=cards.last_four(number), at=at)
            return moved.old, moved.new, *_numbered(pointers, new_id, cards.pepper_id, at)

        facts = yield from self._once(command, (old, new, *pointers), decide)
        made = GiftCard.replay(new_id, facts[new])
        return IssuedCard(card_id=new_id, number=number, amount=Money(made.ledger.available(at=facts[new][0].at), made.currency))

    def _on_card(
        self, card_id: str, key: str, decide: Callable[[GiftCard, datetime], Posting[GiftCard]], *, actor: str, **passed: Json
    ) -> Steps[tuple[Fact, ...]]:
        stream = card_stream(card_id)
        command = Command.of(stream, Key(key), actor=actor, **passed)

        def on_card(loaded: Loaded, at: datetime) -> Postings:
            card = loaded.card(card_id)
            return (decide(card, not_before_last(None, at, card)),)

        return (yield from self._once(command, (stream,), on_card))[stream]

    # ---- looking ----

    def _card(self, card_id: str) -> Steps[GiftCard]:
        return (yield from self._whole((card_stream(card_id),))).card(card_id)

    def _find_card(self, number: str, client: str | None, member_id: str | None) -> Steps[str]:
        (card_id,) = yield from self._cards_of((number,), client, member_id)
        if card_id is None:
            raise RefusedError(Refusal(Reason.CARD_UNKNOWN))
        return card_id

    def _card_balance(self, number: str, client: str | None, member_id: str | None) -> Steps[CardBalance]:
        (card_id,) = yield from self._cards_of((number,), client, member_id)
        card = yield from self._card(card_id or "unknown-0")
        if card_id is None or card.issued is None:
            raise RefusedError(Refusal(Reason.CARD_UNKNOWN))
        if card.is_blocked:
            raise RefusedError(Refusal(Reason.CARD_BLOCKED, {"card_id": card_id}))
        return card.balance(at=self._now())

    def _card_statement(self, card_id: str, window: Window) -> Steps[CardStatement]:
        stream = card_stream(card_id)
        check_kind("window", window, Window)
        facts = (yield from self._whole((stream,))).streams[stream].facts
        if not facts:
            raise RefusedError(Refusal(Reason.CARD_NOT_FOUND, {"card_id": card_id}))
        if window.ends_at is None:
            window = attrs.evolve(window, ends_at=until_now(facts, now=self._now()))
        return card_statement(facts, window=window)

    # ---- rotating peppers ----

    def _rotate_peppers(self, limit: int) -> Steps[int]:
        """Bring stored digests under the present pepper; answers with how many were; 0 when all are."""
        cards, done, after = self._known_numbers(), 0, cast("StreamId | None", None)
        check_count("limit", limit)
        if not isinstance(self.repository, Enumerable) or not isinstance(self.repository, Forgetting):
            msg = f"rotating peppers needs a repository that has streams and rename, got {type(self.repository).__name__}"
            raise UsageError(msg)
        while done < limit:
            page: tuple[StreamId, ...] = tuple((yield ListStreams(_NUMBERS, after)))
            if not page:
                break
            after = page[-1]
            loaded = yield from self._whole(page)
            for stream in page:
                fact = the(CardNumbered, loaded.streams[stream].facts)
                if fact.pepper_id == cards.pepper_id or done >= limit:
                    continue
                new = number_stream(cards.rewrapped(stream.partition("/")[2], fact.pepper_id))
                try:
                    yield Rename(stream, new, {new: (attrs.evolve(fact, pepper_id=cards.pepper_id),)})
                except ConflictError:
                    continue  # another run was faster
                done += 1
        return done


def _several(numbers: Iterable[str]) -> tuple[str, ...]:
    if isinstance(numbers, str) or not isinstance(numbers, Iterable):
        msg = f"gift_cards must be several numbers, got a {type(numbers).__name__}"
        raise UsageError(msg)
    return tuple(dict.fromkeys(numbers))


def _weighed(cards: CardNumbers, text: str, number: str | None) -> tuple[str, int]:
    """Name what was typed so that nobody finds it again without the pepper, and weigh it: what is no number is no attempt."""
    return (blinded(text), 0) if number is None else (cards.digest(number)[:_NAME_LENGTH], 1)


def _pointers(cards: CardNumbers, number: str) -> tuple[StreamId, ...]:
    """Name the streams under which a number is looked for: that of the present pepper first, the oldest last."""
    return tuple(map(number_stream, cards.digests(number)))


def _check_new(loaded: Loaded, pointers: Iterable[StreamId]) -> None:
    """Refuse entropy that made a number before, under whichever pepper that is kept."""
    if any(loaded.streams[pointer].version for pointer in pointers):
        msg = "entropy must be new for every card: this one made the number of another"
        raise UsageError(msg)


def _card_of(streams: tuple[StreamId, ...], loaded: Loaded) -> str | None:
    facts = [fact for stream in streams for fact in loaded.streams[stream].facts if isinstance(fact, CardNumbered)]
    return facts[0].card_id if facts else None


def _numbered(pointers: Sequence[StreamId], card_id: str, pepper_id: str, at: datetime) -> tuple[Posting[None], ...]:
    """Let a number lead to its card, under the present pepper; under the older ones nothing may."""
    fact = CardNumbered(card_id=card_id, pepper_id=pepper_id, at=at)
    return tuple(Posting(None, facts=() if nth else (fact,), stream=one, version=0) for nth, one in enumerate(pointers))


def _sold(order: Order, line_id: str, card_id: str, at: datetime) -> Posting[Order]:
    """Say that a unit of an order is a gift card: there cannot be more cards than units that are kept."""
    placed = order.placed
    if placed is None:
        raise RefusedError(Refusal(Reason.ORDER_NOT_FOUND, {"order_id": order.order_id}))
    bought = sum(line.quantity for line in placed.lines if line.line_id == line_id)
    made = sum(line == line_id for line in order.cards.values())
    left = 0 if order.is_all_back else bought - order.returned.get(line_id, 0) - made
    if left < 1:
        details: dict[str, Detail] = {"order_id": order.order_id, "line_id": line_id, "left_units": max(0, left)}
        raise RefusedError(Refusal(Reason.ORDER_LINE_NOT_FOUND if not bought else Reason.CARDS_EXCEED_ORDER, details))
    fact = OrderCardSold(order_id=order.order_id, line_id=line_id, card_id=card_id, at=at)
    return Posting(order.folded([fact]), facts=(fact,), stream=order_stream(order.order_id), version=order.version)
