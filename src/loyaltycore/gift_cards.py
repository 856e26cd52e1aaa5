"""Gift cards: money on a card, loaded, held, paid with, given back, moved to another card.

A card is a ledger of money: each load is a lot with its own end, and a payment takes what ends first. Who holds the number may
pay; the number itself is drawn and digested by ``CardNumbers`` and stands in no card and in no fact.

Invariants:
    1. ``0 <= available <= loaded``; what was paid and not given back, what is left, what expired, lapsed or went on to another
       card sum to what was loaded.
    2. A payment gives back at most what it took, to the lots it took it from.
    3. The second step of a hold never fails: an order that was paid is never refused, on a blocked card neither.
    4. A card that was sold is cancelled whole or not at all: nothing that was spent is given back in money too.
    5. The same ``ref`` again changes nothing; with other content it is refused as ``key_reused``.
    6. ``replay`` of all facts gives an equal card.

>>> from datetime import UTC, datetime
>>> at, end = datetime(2026, 7, 1, tzinfo=UTC), datetime(2029, 7, 1, tzinfo=UTC)
>>> card = GiftCard.open("card-7").issue(Money.of("50", "EUR"), ref="order-1", expires_at=end, at=at).state
>>> card = card.pay(Money.of("19.90", "EUR"), ref="order-2", at=at).state
>>> card.balance(at=at).available
Money.of('30.10', 'EUR')
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, final

import attrs

from loyaltycore._card_facts import (
    ISSUE,
    LOAD,
    MONEY,
    CardBalance,
    CardBlocked,
    CardExpiry,
    CardGoods,
    CardIssued,
    CardNumbered,
    CardReplaced,
    CardUnblocked,
    CardUses,
    number_stream,
)
from loyaltycore._card_numbers import CardNumbers
from loyaltycore._card_statement import CardLine, CardMovement, CardStatement, card_statement
from loyaltycore._checks import check_count, check_kind, check_whole
from loyaltycore._code_space import SecretKey
from loyaltycore._lots import last_ending
from loyaltycore.basket import Basket, Filter, UnitGroup
from loyaltycore.errors import (
    Accepted,
    CorruptStateError,
    CurrencyMismatchError,
    Detail,
    Reason,
    Refusal,
    Refused,
    RefusedError,
    UsageError,
)
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import card_stream, check_id, check_text
from loyaltycore.ledger import Granted, Ledger, LedgerFact, Lot, Part, Revoked
from loyaltycore.periods import check_instant
from loyaltycore.quantities import Money
from loyaltycore.wire import instant_text, read_state, write_state

__all__ = [
    "MONEY",
    "CardBalance",
    "CardBlocked",
    "CardExpiry",
    "CardGoods",
    "CardIssued",
    "CardLine",
    "CardMovement",
    "CardNumbered",
    "CardNumbers",
    "CardReplaced",
    "CardReplacement",
    "CardStatement",
    "CardUnblocked",
    "CardUses",
    "GiftCard",
    "SecretKey",
    "card_statement",
    "number_stream",
]

_ONE_USE: Final = "one use"


@final
@attrs.frozen(kw_only=True)
class GiftCard:
    """One gift card: whoever has its number may pay with it.

    Attributes:
        card_id: The shop's own, opaque; never the number.
        version: Facts folded so far.
        ledger: Its money, on the account ``"money"``, in minor units.
        issued: How it began, with its terms; ``None`` for a card that was never issued.
        loaded_minor: What was loaded in all, less what was cancelled.
        blocked_at: Since when it is blocked; ``None`` when it is not.
        replaced_by: The card that took its place; empty when none did.
        moves: The ``ref`` of each time money went on to that card.
    """

    card_id: str
    version: int = 0
    ledger: Ledger = Ledger(account=MONEY)
    issued: CardIssued | None = None
    loaded_minor: int = 0
    blocked_at: datetime | None = None
    replaced_by: str = ""
    moves: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Check the id and the version."""
        check_id("card_id", self.card_id)
        check_whole("version", self.version, low=0)

    @classmethod
    def open(cls, card_id: str) -> GiftCard:
        """Start with a card that was not issued yet; needs no fact.

        Args:
            card_id: The shop's own, for example a UUID; never the number, which stands in no fact.
        """
        return cls(card_id=card_id)

    @classmethod
    def replay(cls, card_id: str, facts: Iterable[Fact]) -> GiftCard:
        """Fold all facts of a card.

        Complexity:
            O(facts).
        """
        return cls.open(card_id).folded(facts)

    def folded(self, facts: Iterable[Fact]) -> GiftCard:
        """Give the card after more facts.

        Raises:
            CorruptStateError: A fact that cannot follow.
        """
        more = tuple(facts)
        issued, loaded, blocked_at, replaced_by, moves = (
            self.issued,
            self.loaded_minor,
            self.blocked_at,
            self.replaced_by,
            self.moves,
        )
        for fact in more:
            match fact:
                case CardIssued(card_id=self.card_id) if issued is None:
                    issued, loaded = fact, fact.loaded_minor
                case LedgerFact(account=account) if issued is not None and account == MONEY:
                    loaded += _loaded_by(fact)  # its lots are folded below, all at once
                case CardBlocked(card_id=self.card_id) if issued is not None:
                    blocked_at = fact.at if blocked_at is None else blocked_at
                case CardUnblocked(card_id=self.card_id) if issued is not None:
                    blocked_at = None
                case CardReplaced(card_id=self.card_id, by=by) if issued is not None and replaced_by in {"", by}:
                    replaced_by, moves = by, (*moves, fact.ref)
                case _:
                    msg = f"gift card {self.card_id!r} cannot go on with {fact.kind!r}"
                    raise CorruptStateError(msg)
        return attrs.evolve(
            self,
            version=self.version + len(more),
            ledger=self.ledger.folded(more),
            issued=issued,
            loaded_minor=loaded,
            blocked_at=blocked_at,
            replaced_by=replaced_by,
            moves=moves,
        )

    def posting(self, facts: Iterable[Fact]) -> Posting[GiftCard]:
        """Put facts that were decided elsewhere into a posting."""
        more = tuple(facts)
        state = self.folded(more) if more else self
        return Posting(state, facts=more, stream=card_stream(self.card_id), version=self.version)

    @property
    def currency(self) -> str:
        """Of all its money; empty until it is issued."""
        return "" if self.issued is None else self.issued.currency

    @property
    def is_blocked(self) -> bool:
        """Whether it is blocked, or another card took its place: then it is for good."""
        return self.blocked_at is not None or self.replaced_by != ""

    @property
    def due_at(self) -> datetime | None:
        """When time next brings something that was not reported, an expiry or the end of a hold; ``None`` if nothing does."""
        return self.ledger.due_at

    def takes(self, group: UnitGroup) -> bool:
        """Say whether it pays for some goods; where it is for some goods only, it pays for no shipping."""
        goods = None if self.issued is None else self.issued.goods
        return goods is None or goods.filter.takes(group)

    def balance(self, *, at: datetime) -> CardBalance:
        """Sum the card up at an instant.

        Args:
            at: Timezone-aware; ``at == expires_at`` is too late.

        Raises:
            RefusedError: ``card_not_found``.
        """
        currency = self._issued().currency
        balance = self.ledger.balance(at=at)
        ends = [one for one in self.ledger.expiring(after=at) if one.expires_at > at]
        return CardBalance(
            available=Money(balance.available, currency),
            held=Money(balance.held, currency),
            owed=Money(balance.debt, currency),
            expires=tuple(CardExpiry(expires_at=one.expires_at, amount=Money(one.units, currency)) for one in ends),
            is_blocked=self.is_blocked,
        )

    def issue(
        self,
        amount: Money,
        *,
        ref: str,
        expires_at: datetime | None,
        uses: CardUses = CardUses.MANY,
        minimum: Money | None = None,
        only: Filter | None = None,
        last_four: str = "",
        order_id: str | None = None,
        line_id: str | None = None,
        at: datetime,
    ) -> Posting[GiftCard]:
        """Begin the card with its first money.

        Args:
            amount: Above 0; its currency is the card's.
            ref: The shop's own name for it: the order that sells it, or the ticket that gives it.
            expires_at: First instant at which this money can no longer be paid with; ``None`` never. It has no default: the law
                of many countries asks for years.
            uses: How often it pays.
            minimum: The least basket it pays for, at list prices, without shipping; ``None`` for any.
            only: The goods it pays for; ``None`` for all, and shipping.
            last_four: The last four symbols of its number, as ``CardNumbers.last_four`` gives them; may be empty.
            order_id: The order that sells it: when that is returned, ``cancel``.
            line_id: The line of that order.
            at: Timezone-aware.

        Raises:
            UsageError: A value out of range, an end that is over, or bounds in another currency.
            RefusedError: ``key_reused`` where the card was issued otherwise.
        """
        check_id("ref", ref)
        for name, value in (("order_id", order_id), ("line_id", line_id)):
            if value is not None:
                check_id(name, value)
        if minimum is not None:
            check_count("minimum in minor units", check_kind("minimum", minimum, Money).minor_units)
        is_limited = only is not None and not check_kind("only", only, Filter).is_open
        fact = CardIssued(
            card_id=self.card_id,
            ref=ref,
            currency=check_kind("amount", amount, Money).currency,
            loaded_minor=check_count("amount in minor units", amount.minor_units),
            uses=check_kind("uses", uses, CardUses),
            minimum=minimum,
            goods=CardGoods.of(only) if only is not None and is_limited else None,
            last_four=check_kind("last_four", last_four, str),
            order_id=order_id,
            line_id=line_id,
            at=at,
        )
        if self.issued is not None:
            _check_same(f"issue:{ref}", **self.issued.agreeing(fact))
        money = _of_money(
            lambda: self.ledger.grant(amount.minor_units, ref=ref, rule=ISSUE, available_at=None, expires_at=expires_at, at=at)
        )
        return self.posting((*(() if self.issued is not None else (fact,)), *money))

    def load(self, amount: Money, *, ref: str, expires_at: datetime | None, at: datetime) -> Posting[GiftCard]:
        """Put more money on the card, with an end of its own: what is on it keeps its own.

        Args:
            amount: Above 0.
            ref: The shop's own name for it.
            expires_at: First instant at which this money can no longer be paid with; ``None`` never.
            at: Timezone-aware; may lie before the last fact.

        Raises:
            CurrencyMismatchError: An amount of another currency.
            UsageError: An amount of 0 or less, or an end that is over.
            RefusedError: ``card_not_found``, ``card_blocked`` or ``key_reused``.
        """
        minor = self._minor("amount", amount)
        if f"{check_id('ref', ref)}/{LOAD}" not in self.ledger.lots:
            self._refuse_blocked()
            check_whole("what is loaded in minor units", self.loaded_minor + minor)
        return self.posting(
            _of_money(lambda: self.ledger.grant(minor, ref=ref, rule=LOAD, available_at=None, expires_at=expires_at, at=at))
        )

    def check_pay(
        self, amount: Money, *, basket: Basket | None = None, goods: Money | None = None, at: datetime
    ) -> Accepted[Money] | Refused:
        """Ask how much of an amount the card can pay; never raises for a rule's no.

        Args:
            amount: What is to be paid, above 0.
            basket: What is bought; needed where the card asks for a least basket, or is for some goods only.
            goods: What the goods that it pays for come to, after offers; ``None`` takes their list prices. It is looked at where
                the card is for some goods only.
            at: Timezone-aware; ``at == expires_at`` is too late.

        Returns:
            The amount, or as much of it as is available and as the goods come to; or ``card_not_found``, ``at_before_last``,
            ``card_blocked``, ``card_expired``, ``card_spent``, ``card_insufficient`` (all of it is held),
            ``card_goods_mismatch``, ``basket_below_threshold``.

        Raises:
            CurrencyMismatchError: An amount or a basket of another currency.
            UsageError: A card with terms, and no basket.
        """
        check_instant("at", at)
        if self.issued is None:
            return Refused([self._not_found()])
        asked = self._minor("amount", amount)
        room, refusals = self._terms(self.issued, basket, goods)
        available = self.ledger.available(at=at)
        too_early = self.ledger.check_at(at)
        if too_early is not None:
            refusals.append(too_early)
        if self.is_blocked:
            refusals.append(self._blocked())
        if self._is_in_use(at) or not available:
            refusals.append(self._empty(asked, at))
        if refusals:
            return Refused(refusals)
        return Accepted(Money(min(asked, available, asked if room is None else room), self.currency))

    def pay(
        self, amount: Money, *, ref: str, basket: Basket | None = None, goods: Money | None = None, at: datetime
    ) -> Posting[GiftCard]:
        """Pay with the card, from what ends first.

        Args:
            amount: Above 0, at most what ``check_pay`` answers.
            ref: The shop's own name for what is paid: the order.
            basket: As for ``check_pay``.
            goods: As for ``check_pay``.
            at: Not before the last fact.

        Raises:
            UsageError: As ``check_pay``.
            RefusedError: As ``check_pay``; ``card_insufficient`` where less is available; ``key_reused``.
        """
        minor = self._minor("amount", amount)
        hold = self.ledger.holds.get(check_id("ref", ref))
        if ref not in self.ledger.burns and (hold is None or hold.captured == 0):
            self._check_exactly(minor, basket, goods, at)
        return self._used(_of_money(lambda: self.ledger.burn(minor, ref=ref, at=at)), ref=ref, at=at)

    def hold(
        self,
        amount: Money,
        *,
        ref: str,
        until: datetime,
        basket: Basket | None = None,
        goods: Money | None = None,
        at: datetime,
    ) -> Posting[GiftCard]:
        """Set money aside while an order waits for the rest of its payment; then ``capture`` or ``void``.

        Args:
            amount: Above 0, at most what ``check_pay`` answers.
            ref: The shop's own name for what is to be paid; the payment that may follow has the same.
            until: First instant at which the hold ends by itself; held again under the same ref, the first counts.
            basket: As for ``check_pay``.
            goods: As for ``check_pay``.
            at: Not before the last fact.

        Raises:
            UsageError: As ``check_pay``, or an end that is not after ``at``.
            RefusedError: As ``pay``.
        """
        minor = self._minor("amount", amount)
        if check_id("ref", ref) not in self.ledger.holds and ref not in self.ledger.burns:
            self._check_exactly(minor, basket, goods, at)
        return self.posting(_of_money(lambda: self.ledger.hold(minor, ref=ref, until=until, at=at)))

    def capture(self, hold_ref: str, amount: Money | None = None, *, given_up: bool = False, at: datetime) -> Posting[GiftCard]:
        """Pay with what was held; the rest of the hold goes back. A paid order is never refused, whatever became of the card.

        Args:
            hold_ref: The ``ref`` of the hold, and of the payment that this makes.
            amount: Above 0, at most what was held; ``None`` is all.
            given_up: Whether a hold that was given up is paid with too, and late: its order was paid all the same.
            at: May lie before the last fact. After the end of the hold it is late, and paid all the same: below zero where
                somebody else was faster.

        Raises:
            RefusedError: ``hold_not_found``, ``hold_resolved``, ``hold_exceeded`` or ``key_reused``.
        """
        minor = None if amount is None else self._minor("amount", amount)
        check_id("hold_ref", hold_ref)
        money = _of_money(lambda: self.ledger.capture(hold_ref, minor, given_up=given_up, at=at))
        return self._used(money, ref=hold_ref, at=at)

    def void(self, hold_ref: str, *, at: datetime) -> Posting[GiftCard]:
        """Give a hold up: its money is where it was, expired where its time is over.

        Args:
            hold_ref: The ``ref`` of the hold.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``hold_not_found``, or ``hold_resolved`` where it was captured: refund the payment instead.
        """
        check_id("hold_ref", hold_ref)
        return self.posting(_of_money(lambda: self.ledger.void(hold_ref, at=at)))

    def refund(
        self, pay_ref: str, amount: Money | None = None, *, ref: str, extended_until: datetime | None, at: datetime
    ) -> Posting[GiftCard]:
        """Give money back to the card that paid, to the lots it came from.

        On a card that was replaced it comes back here: ``replace`` sends it on, under the ref of the return.

        Args:
            pay_ref: The ``ref`` of the payment.
            amount: Above 0, at most what is left of it; ``None`` is all that is left.
            ref: The shop's own name for the return.
            extended_until: First instant at which money of a lot that has expired meanwhile can no longer be paid with; ``None``
                leaves it expired. It has no default: forgetting it costs the customer money.
            at: May lie before the last fact.

        Raises:
            CurrencyMismatchError: An amount of another currency.
            RefusedError: ``burn_not_found``, ``burn_exceeded`` or ``key_reused``.
        """
        minor = None if amount is None else self._minor("amount", amount)
        check_id("ref", ref)
        check_id("pay_ref", pay_ref)
        money = _of_money(lambda: self.ledger.refund_burn(pay_ref, minor, ref=ref, extended_until=extended_until, at=at))
        after = self.ledger.folded(money)
        lapsed = after.adjustments.get(pay_ref)
        if lapsed is not None and not lapsed.given_back and not after.left_to_refund(pay_ref):
            # The use was none: what lapsed with it comes back too.
            money = (*money, *after.reverse_adjustment(pay_ref, ref=ref, at=at))
        return self.posting(money)

    def cancel(self, load_ref: str | None = None, *, amount: Money | None = None, ref: str, at: datetime) -> Posting[GiftCard]:
        """Take off what an order sold that came back: all of it, or nothing where something of it was spent.

        Args:
            load_ref: The ``ref`` of the issue or of the load that the order sold; ``None`` is all that is on the card.
            amount: So much of it and no more, what ends last first: for a card in whose place money of several origins went on.
            ref: The shop's own name for the return.
            at: May lie before the last fact.

        Raises:
            RefusedError: ``card_not_found``, ``earning_not_found`` for a load that is not there, ``card_blocked`` on a card that
                was replaced, ``card_spent`` with ``spent_minor``, ``held_minor`` and ``left_minor``, or ``key_reused``.
        """
        check_id("ref", ref)
        check_instant("at", at)
        of = "" if load_ref is None else check_id("load_ref", load_ref)
        known = self.ledger.returned.get(f"revoke:{ref}")
        if known is not None:
            _check_same(f"cancel:{ref}", load_ref=known.of == of)
            return self.posting(())
        self._issued()
        if self.replaced_by:
            raise RefusedError(self._blocked())
        lots = [self.ledger.lots[lot_id] for lot_id in (self.ledger.lots_by_ref.get(of, ()) if of else self.ledger.lots)]
        if of and not lots:
            raise RefusedError(Refusal(Reason.EARNING_NOT_FOUND, {"load_ref": of}))
        if amount is not None:
            asked = self._minor("amount", amount)
            self._check_unspent(lots, asked, at)
            parts = last_ending(lots, asked, self.ledger.held(at))
        else:
            self._check_unspent(lots, self.loaded_minor if load_ref is None else sum(lot.revocable for lot in lots), at)
            parts = tuple(Part(lot.lot_id, lot.revocable) for lot in lots if lot.revocable)
        return self.posting((Revoked(account=MONEY, ref=ref, earn_ref=of, parts=parts, at=at),) if parts else ())

    def block(self, *, reason: str, actor: str, at: datetime) -> Posting[GiftCard]:
        """Block the card: nothing is paid with it and nothing loaded on it. Blocked again, it changes nothing.

        What was held before can still be captured, what was paid can be refunded, and the card replaced.

        Args:
            reason: In the shop's words.
            actor: Who does it.
            at: Timezone-aware.

        Raises:
            RefusedError: ``card_not_found``.
        """
        self._issued()
        check_text("reason", reason)
        check_id("actor", actor)
        fact = CardBlocked(card_id=self.card_id, reason=reason, actor=actor, at=at)
        return self.posting(() if self.is_blocked else (fact,))

    def unblock(self, *, reason: str, actor: str, at: datetime) -> Posting[GiftCard]:
        """Give a blocked card free again; one that is not blocked stays as it is.

        Args:
            reason: In the shop's words.
            actor: Who does it.
            at: Timezone-aware.

        Raises:
            RefusedError: ``card_not_found``, or ``card_blocked`` where another card took its place.
        """
        self._issued()
        check_text("reason", reason)
        check_id("actor", actor)
        fact = CardUnblocked(card_id=self.card_id, reason=reason, actor=actor, at=at)
        if self.replaced_by:
            raise RefusedError(self._blocked())
        return self.posting(() if self.blocked_at is None else (fact,))

    def replace(self, by: GiftCard, *, ref: str, actor: str, last_four: str = "", at: datetime) -> CardReplacement:
        """Put another card in the place of this one: all that is available goes there, each lot with its end, and its terms.

        What is held stays for its order. What comes back here later, of a hold or of a return, goes on by another ``replace``
        by the same card, under another ref.

        Args:
            by: The other card: never issued, or the one that took the place of this one already.
            ref: The shop's own name for it.
            actor: Who does it.
            last_four: The last four symbols of the new number.
            at: Not before the last fact.

        Returns:
            The two postings, of this card and of the other; keep both, or none.

        Raises:
            UsageError: A card in the place of itself, or one with money of its own.
            RefusedError: ``card_not_found``, ``at_before_last``, ``card_blocked`` where a third card took its place, or
                ``key_reused``.
        """
        check_id("ref", ref)
        check_id("actor", actor)
        issued, other = self._issued(), check_kind("by", by, GiftCard)
        if other.card_id == self.card_id or (other.issued is not None and other.issued.replaces != self.card_id):
            msg = f"by must be a card that was never issued, or took the place of {self.card_id!r}, got {other.card_id!r}"
            raise UsageError(msg)
        if ref in self.moves:
            _check_same(f"replace:{ref}", by=self.replaced_by == other.card_id)
            return CardReplacement(old=self.posting(()), new=other.posting(()))
        too_early = self.ledger.check_at(check_instant("at", at))
        if too_early is not None:
            raise RefusedError(too_early)
        if self.replaced_by not in {"", other.card_id}:
            raise RefusedError(self._blocked())
        moving = 0 if self._is_in_use(at) else self.ledger.available(at=at)
        if not moving and self.replaced_by:
            return CardReplacement(old=self.posting(()), new=other.posting(()))
        replaced = CardReplaced(card_id=self.card_id, ref=ref, by=other.card_id, actor=actor, at=at)
        begun = attrs.evolve(
            issued,
            card_id=other.card_id,
            ref=ref,
            loaded_minor=self.loaded_minor,
            last_four=check_kind("last_four", last_four, str),
            replaces=self.card_id,
            at=at,
        )
        out = self.ledger.transfer_out(moving, ref=ref, to=other.card_id, at=at) if moving else ()
        lots = self.ledger.folded(out).moved_lots(ref)
        moved_in = other.ledger.transfer_in(lots, ref=ref, giver=self.card_id, at=at) if lots else ()
        return CardReplacement(
            old=self.posting((replaced, *out)),
            new=other.posting((*(() if other.issued is not None else (begun,)), *moved_in)),
        )

    def report_expired(self, *, ref: str, at: datetime) -> Posting[GiftCard]:
        """Write down what has expired so far, for the books of the shop; it moves nothing, and nothing waits for it.

        Args:
            ref: The shop's own name for the report, for example the month.
            at: Up to when.

        Raises:
            RefusedError: ``card_not_found``.
        """
        self._issued()
        return self.posting(self.ledger.report_expired(ref=check_id("ref", ref), at=at))

    def to_dict(self) -> dict[str, Any]:
        """Write the card as JSON values, for one column."""
        return write_state(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GiftCard:
        """Read what ``to_dict`` wrote.

        Raises:
            CorruptStateError: Anything else.
        """
        card = read_state(cls, data)
        ledger, issued = card.ledger.checked(), card.issued
        on_lots = sum(lot.revocable for lot in ledger.lots.values())
        if issued is None:
            is_sound = card == GiftCard(card_id=card.card_id, version=card.version)
        else:
            # Of what was loaded on a card before this one, all may have come here, or less.
            is_loaded = card.loaded_minor >= on_lots if issued.replaces else card.loaded_minor == on_lots
            is_sound = issued.card_id == card.card_id and is_loaded and (card.replaced_by != "") == (card.moves != ())
        if ledger.account != MONEY or not is_sound:
            msg = f"what is stored of gift card {card.card_id!r} does not hang together"
            raise CorruptStateError(msg)
        return card

    def _issued(self) -> CardIssued:
        if self.issued is None:
            raise RefusedError(self._not_found())
        return self.issued

    def _minor(self, name: str, money: Money) -> int:
        """Take an amount above 0 in the card's currency."""
        currency = self._issued().currency
        if check_kind(name, money, Money).currency != currency:
            raise CurrencyMismatchError(currency, money.currency)
        return check_count(f"{name} in minor units", money.minor_units)

    def _not_found(self) -> Refusal:
        return Refusal(Reason.CARD_NOT_FOUND, {"card_id": self.card_id})

    def _blocked(self) -> Refusal:
        details: dict[str, Detail] = {"card_id": self.card_id}
        if self.blocked_at is not None:
            details["blocked_at"] = instant_text(self.blocked_at)
        if self.replaced_by:
            details["replaced_by"] = self.replaced_by
        return Refusal(Reason.CARD_BLOCKED, details)

    def _refuse_blocked(self) -> None:
        if self.is_blocked:
            raise RefusedError(self._blocked())

    def _is_in_use(self, at: datetime) -> bool:
        """Say whether the one use of a card is set aside at an instant."""
        is_once = self.issued is not None and self.issued.uses is CardUses.ONE
        return is_once and any(True for _ in self.ledger.open_lots.held_at(at))

    def _empty(self, asked: int, at: datetime) -> Refusal:
        """Say why nothing can be paid: it is used up, its time is over, or it is set aside."""
        expired, held = self.ledger.expired(at=at), self.ledger.balance(at=at).held
        if self._is_in_use(at) or not (expired or held):
            return Refusal(Reason.CARD_SPENT, {"left_minor": 0, "currency": self.currency})
        if held:
            details: dict[str, Detail] = {"asked_minor": asked, "available_minor": 0, "missing_minor": asked}
            return Refusal(Reason.CARD_INSUFFICIENT, {**details, "currency": self.currency})
        ends = [lot.expires_at for lot in self.ledger.lots.values() if lot.remaining > 0 and lot.expires_at is not None]
        last = instant_text(max(end for end in ends if end <= at))
        return Refusal(Reason.CARD_EXPIRED, {"expired_minor": expired, "expired_at": last, "currency": self.currency})

    def _terms(self, issued: CardIssued, basket: Basket | None, goods: Money | None) -> tuple[int | None, list[Refusal]]:
        """Give the most that the goods it pays for let it pay, ``None`` for any amount, and what its terms refuse."""
        if issued.minimum is None and issued.goods is None:
            return None, []
        if basket is None:
            msg = "basket must be given for a card with a least basket, or for some goods only, got None"
            raise UsageError(msg)
        if check_kind("basket", basket, Basket).currency != issued.currency:
            raise CurrencyMismatchError(issued.currency, basket.currency)
        room, refusals = None, list[Refusal]()
        if issued.goods is not None:
            listed = sum(group.list_minor for group in basket.unit_groups() if self.takes(group))
            room = listed if goods is None else min(listed, self._not_below("goods", goods))
            if not room:
                refusals.append(Refusal(Reason.CARD_GOODS_MISMATCH, {"payable_minor": 0, "currency": issued.currency}))
        if issued.minimum is not None and basket.subtotal < issued.minimum:
            needed = issued.minimum.minor_units
            missing = needed - basket.subtotal.minor_units
            details: dict[str, Detail] = {"needed_minor": needed, "missing_minor": missing, "currency": issued.currency}
            refusals.append(Refusal(Reason.BASKET_BELOW_THRESHOLD, details))
        return room, refusals

    def _not_below(self, name: str, money: Money) -> int:
        if check_kind(name, money, Money).currency != self.currency:
            raise CurrencyMismatchError(self.currency, money.currency)
        return check_whole(f"{name} in minor units", money.minor_units, low=0)

    def _check_exactly(self, minor: int, basket: Basket | None, goods: Money | None, at: datetime) -> None:
        """Refuse an amount that cannot be paid whole."""
        answer = self.check_pay(Money(minor, self.currency), basket=basket, goods=goods, at=at)
        if isinstance(answer, Refused):
            raise RefusedError(*answer.refusals)
        payable, available = answer.value.minor_units, self.ledger.available(at=at)
        details: dict[str, Detail] = {"asked_minor": minor}
        if available < minor:
            details |= {"available_minor": available, "missing_minor": minor - available, "currency": self.currency}
            raise RefusedError(Refusal(Reason.CARD_INSUFFICIENT, details))
        if payable < minor:
            details |= {"payable_minor": payable, "currency": self.currency}
            raise RefusedError(Refusal(Reason.CARD_GOODS_MISMATCH, details))

    def _used(self, money: tuple[LedgerFact, ...], *, ref: str, at: datetime) -> Posting[GiftCard]:
        """Add to a payment what lapses with it, where the card pays once."""
        if money and self._issued().uses is CardUses.ONE:
            after = self.ledger.folded(money)
            rest = after.available(at=at)
            if rest:
                money = (*money, *after.adjust_down(rest, ref=ref, reason=_ONE_USE, actor="", at=at))
        return self.posting(money)

    def _check_unspent(self, lots: Iterable[Lot], asked: int, at: datetime) -> None:
        """Refuse to take off money of which something was spent, or is set aside; or that a debt elsewhere eats up."""
        held = self.ledger.held(at)
        whole = (sum(lot.remaining for lot in self.ledger.lots.values()), sum(held.values()))
        named = [(lot.remaining, held.get(lot.lot_id, 0)) for lot in lots]
        part = (sum(left for left, _ in named), sum(kept for _, kept in named))
        left, kept = min(whole, part, key=lambda one: one[0] - one[1])
        if left - kept < asked:
            details: dict[str, Detail] = {"spent_minor": max(0, asked - left), "held_minor": kept}
            details |= {"left_minor": max(0, left - kept), "currency": self.currency}
            raise RefusedError(Refusal(Reason.CARD_SPENT, details))


def _loaded_by(fact: LedgerFact) -> int:
    """Say by how much a fact changed what was loaded; what a card began with stands in the fact that began it."""
    match fact:
        case Granted(rule=rule, units=units) if rule == LOAD:
            return units
        case Revoked(parts=parts):
            return -sum(part.units for part in parts)
    return 0


@final
@attrs.frozen(kw_only=True)
class CardReplacement:
    """What a replacement decides.

    Attributes:
        old: The posting of the card that is replaced.
        new: The posting of the card that takes its place; both are kept, or none.
    """

    old: Posting[GiftCard]
    new: Posting[GiftCard]


_KEY_WORDS: Final[Mapping[str, str]] = {"burn": "pay", "earn": "load", "refund_burn": "refund"}
_FIELD_WORDS: Final[Mapping[str, str]] = {"points": "amount", "burn_ref": "pay_ref"}
"""What a card calls what a ledger calls otherwise."""


def _check_same(key: str, **same: bool) -> None:
    fields = tuple(name for name, holds in same.items() if not holds)
    if fields:
        raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": key, "fields": fields}))


def _of_money(decide: Callable[[], tuple[LedgerFact, ...]]) -> tuple[LedgerFact, ...]:
    """Let the ledger decide, and say its refusals in the words of a card."""
    try:
        return decide()
    except RefusedError as no:
        refusals = [
            Refusal(refusal.reason, dict(_in_money(*item) for item in refusal.details.items())) for refusal in no.refusals
        ]
    raise RefusedError(*refusals)


def _in_money(name: str, value: Detail) -> tuple[str, Detail]:
    if name == "key" and isinstance(value, str):
        verb, _, ref = value.partition(":")
        return name, f"{_KEY_WORDS.get(verb, verb)}:{ref}"
    if name == "fields" and isinstance(value, tuple):
        return name, tuple(_FIELD_WORDS.get(field, field) for field in value)
    return _FIELD_WORDS.get(name, name).replace("_points", "_minor"), value
