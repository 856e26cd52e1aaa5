"""The program: a shop's rulebook, and the one way from a basket to a booked order.

``quote`` prices a basket; ``place`` books exactly what was quoted; ``refund`` takes it back, in any parts. All three are pure:
they are given the state and the time, and return what would be.

Steps of a quote, one way, with no edge back: units → offers → burn → earning → resulting tier → payment.

Invariants:
    1. ``quote`` is a function: twice the same.
    2. ``place`` on an unchanged situation books exactly the quote; on a changed one it refuses with what moved.
    3. The total is never negative, and the order's discount is the sum of its shares.
    4. A quote never raises for a rule's no: codes, burns and offers are answered in it.

>>> from datetime import UTC, datetime
>>> program = Program.parse('''
... [program]
... name = "velo"
... version = 1
... currency = "EUR"
... zone = "Europe/Paris"
... starts_on = 2026-07-01
... [stacking]
... mode = "best"
... [[offers]]
... id = "ten-from-fifty"
... when = { spend_at_least = "50.00" }
... give = { percent_off = "10" }
... ''')
>>> quote = program.quote(Basket.of("EUR", {"bell": "12.50", "bag": "32.50"}), at=datetime(2026, 7, 1, 10, tzinfo=UTC))
>>> print(quote.total, "|", quote.nudges[0].text("en"))
45.00 EUR | Spend €5.00 more for 10% off
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cached_property
from os import PathLike  # noqa: TID251 - a type only
from typing import final

import attrs

from loyaltycore._booking import (
    BurnFirst,
    book_action,
    book_attached,
    book_cancelled,
    book_order,
    book_release,
    book_reserved,
    book_return,
    earned_now,
    own_hold,
)
from loyaltycore._checks import check_count, check_kind, check_mapping, check_several
from loyaltycore._decisions import (
    Attached,
    Cancelled,
    Needs,
    Overview,
    Placed,
    Refunded,
    Reserved,
    check_free,
    check_member,
    check_same_return,
    check_unchanged,
    known_order,
    minor,
    order_posting,
    taken_since,
)
from loyaltycore._earning import RULES_LIMIT, Action, Combine, EarningRule, check_together
from loyaltycore._frozen import FrozenMap
from loyaltycore._program_file import ORDER_RULE, Problem, ProgramError, read_program
from loyaltycore._purchase import Earnings, Purchase, earn_on_order
from loyaltycore._quote import (
    Asked,
    Quote,
    QuotedLine,
    Shared,
    after_offers,
    order_line,
    payable,
    quoted_lines,
    shipping_after,
)
from loyaltycore.basket import Basket, Return, UnitGroup
from loyaltycore.conditions import Situation
from loyaltycore.coupons import CodeAnswer, read_codes
from loyaltycore.errors import CurrencyMismatchError, Reason, Refusal, Refused, RefusedError, UsageError
from loyaltycore.facts import Posting
from loyaltycore.identity import check_id, check_slug, fold_code, member_stream, order_stream
from loyaltycore.members import Profile
from loyaltycore.memberships import Membership
from loyaltycore.offers import Evaluation, OfferBook
from loyaltycore.orders import (
    OfferCost,
    Order,
    OrderAttached,
    OrderCancelled,
    OrderPlaced,
    OrderReserved,
)
from loyaltycore.periods import Calendar, Term, check_instant
from loyaltycore.points import POINTS, Basis, BurnAnswer, BurnRule, Overdraft
from loyaltycore.quantities import Money, allocate, exponent_of
from loyaltycore.tiers import Qualifying, TierRule, TierStatus
from loyaltycore.wire import digest, instant_text, plain

__all__ = [
    "ORDER_RULE",
    "Asked",
    "Attached",
    "BurnFirst",
    "Cancelled",
    "Needs",
    "Overview",
    "Placed",
    "Problem",
    "Program",
    "ProgramError",
    "Quote",
    "QuotedLine",
    "Refunded",
    "Reserved",
]


def _rules(rules: Iterable[EarningRule]) -> tuple[EarningRule, ...]:
    return check_several("earning", rules, EarningRule, limit=RULES_LIMIT)


def _actions(actions: Mapping[str, Action]) -> FrozenMap[str, Action]:
    return FrozenMap(check_mapping("actions", actions))


@final
@attrs.frozen(kw_only=True)
class Program:
    """A shop's rules, frozen and versioned.

    Attributes:
        name: The shop's name for it.
        version: Rises with every change.
        currency: Of all money in it.
        calendar: The local days that count.
        starts_on: Before this local day nothing is earned, and nothing counts for tiers.
        returns: How long an order can be returned, from its purchase; ``None`` for ever.
        earning: Points on orders, by rules that are asked in this order; at most 100, none earns nothing.
        combine: What becomes of several rules that give to one account.
        actions: Points by named action, such as a review.
        burning: Points as a discount; ``None`` refuses every burn.
        burn_first: Which points an order burns first.
        overdraft: What happens when returned points were spent.
        restore: How long burned points can be used that come back into a lot that has expired; ``None`` leaves them there.
        tiers: Tiers; ``None`` has none.
        book: The offers.
    """

    name: str
    version: int
    currency: str
    calendar: Calendar
    starts_on: date
    returns: Term | None
    earning: tuple[EarningRule, ...] = attrs.field(converter=_rules)
    combine: Combine
    actions: FrozenMap[str, Action] = attrs.field(converter=_actions)
    burning: BurnRule | None
    burn_first: BurnFirst
    overdraft: Overdraft
    restore: Term | None
    tiers: TierRule | None
    book: OfferBook

    def __attrs_post_init__(self) -> None:
        """Check what the parts cannot check alone."""
        check_slug("name", self.name)
        check_count("version", self.version)
        exponent_of(self.currency)
        check_kind("calendar", self.calendar, Calendar)
        check_kind("overdraft", self.overdraft, Overdraft)
        check_kind("book", self.book, OfferBook)
        check_kind("combine", self.combine, Combine)
        check_kind("burn_first", self.burn_first, BurnFirst)
        if self.restore is not None:
            check_kind("restore", self.restore, Term)
        for action, given in self.actions.items():
            check_slug("action", action)
            check_kind(f"action {action!r}", given, Action)
        check_together(self.earning, self.combine, self.actions, None if self.tiers is None else self.tiers.ladder)
        for needed in (amount for offer in self.book.offers for amount in offer.thresholds):
            if needed.currency != self.currency:
                raise CurrencyMismatchError(self.currency, needed.currency)

    @classmethod
    def parse(cls, text: str) -> Program:
        """Read a program from TOML text.

        Args:
            text: See ``docs/reference/program-file.md``.

        Raises:
            ProgramError: Everything that is wrong with it, all at once.
        """
        return cls(**read_program(text))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Program:
        """Read a program from a TOML file: one of two places where the core reads anything, and only at start-up.

        Raises:
            ProgramError: Everything that is wrong with it, all at once.
            OSError: The file cannot be read.
        """
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - the pure floors know no pathlib
            try:
                text = file.read()
            except UnicodeDecodeError as error:
                raise ProgramError(Problem("file", "", f"must be UTF-8 text: {error}")) from error
        return cls.parse(text)

    @cached_property
    def digest(self) -> str:
        """The whole rulebook in 32 characters: equal for equal rules, on any machine."""
        return digest(plain(self), purpose="lc.program")

    @cached_property
    def starts_at(self) -> datetime:
        """First instant at which anything is earned."""
        return self.calendar.first_instant(self.starts_on)

    @cached_property
    def rule_ids(self) -> frozenset[str]:
        """The names that rules and actions give to lots: points given by hand must have others."""
        return frozenset([rule.rule_id for rule in self.earning] + list(self.actions))

    @cached_property
    def looks_back(self) -> bool:
        """Whether an order asks for all that a member ever earned, because of a cap on a span or spend that is carried over."""
        return any(rule.carries or (rule.caps is not None and rule.caps.looks_back) for rule in self.earning)

    def needs(self, member_id: str | None = None, *, order_id: str | None = None) -> Needs:
        """Name the streams to load before ``quote`` or ``place``.

        Args:
            member_id: Whose basket; ``None`` for a guest.
            order_id: The order to place; ``None`` for a quote.
        """
        streams = [member_stream(member_id)] if member_id is not None else []
        streams += [order_stream(order_id)] if order_id is not None else []
        return Needs(streams=tuple(sorted(streams)))

    def quote(
        self,
        basket: Basket,
        membership: Membership | None = None,
        *,
        profile: Profile | None = None,
        codes: Iterable[str] = (),
        burn: int = 0,
        order_id: str | None = None,
        at: datetime,
    ) -> Quote:
        """Price a basket: what is shown is what can be booked.

        Args:
            basket: In the program's currency.
            membership: Whose; ``None`` for a guest, who earns too, until the order finds its member.
            profile: What the shop tells about the person.
            codes: As typed; each gets an answer.
            burn: Points to burn, at least 0; as many as are allowed are granted, and ``quote.burn`` says why fewer.
            order_id: The order it is to become, where points are held in its name: then these are the ones to burn.
            at: Timezone-aware.

        Raises:
            UsageError: Another currency, a naive time, a negative burn. A rule's no never raises.
        """
        asked = Asked(
            basket=basket,
            member_id=None if membership is None else membership.member_id,
            profile=profile or Profile(),
            codes=codes,
            burn=burn,
        )
        return self._price(asked, membership, order_id, at)

    def place(
        self, quote: Quote, membership: Membership | None = None, *, order_id: str, order: Order | None = None, at: datetime
    ) -> Placed:
        """Book exactly what was quoted.

        Where points are held in the order's name, they are what it burns, however late it is paid; what is held and not
        burned goes back.

        Args:
            quote: What the shopper saw.
            membership: As it is now; must be the quote's member.
            order_id: The shop's own.
            order: As it is now, if it may be known already.
            at: Timezone-aware.

        Returns:
            The postings to keep; without facts when this order was placed already.

        Raises:
            RefusedError: ``quote_changed`` with the fields that moved; ``key_reused`` for another order under this id;
                ``order_reserved`` where it was reserved: confirm or cancel it; ``order_cancelled`` where it was cancelled.
            UsageError: Another member's state.
        """
        known = known_order(quote, membership, order_id, order)
        if known.placed is not None:
            return self._placed_again(known, known.placed, quote, membership)
        check_free(known)
        fresh = self._price(quote.asked, membership, order_id, at)
        if fresh.digest != quote.digest and membership is not None:
            # A paid order is never refused: what was held for it when it was quoted pays for it, however late it comes.
            fresh = self._price(quote.asked, membership, order_id, at, late=True)
        check_unchanged(quote, fresh)
        return self._book(fresh, membership, known)

    def place_unseen(
        self, asked: Asked, membership: Membership | None = None, *, order_id: str, order: Order | None = None, at: datetime
    ) -> Placed:
        """Book an order that was paid elsewhere, at a till or in another system, at what it comes to now.

        Nobody saw a quote, so there is nothing it could differ from.

        Args:
            asked: The basket, whose, and the codes and points presented.
            membership: As it is now; must be of the member asked for.
            order_id: The shop's own.
            order: As it is now, if it may be known already; of one that was placed nothing is booked again.
            at: Timezone-aware.

        Raises:
            RefusedError: ``order_reserved`` or ``order_cancelled``, as for ``place``.
            UsageError: Another currency, a naive time, another member's state.
        """
        check_member(asked.member_id, membership)
        known = Order.open(order_id) if order is None else order
        if known.placed is not None:
            again = None if membership is None else membership.posting(())
            return Placed(fact=known.placed, order=order_posting(known, ()), member=again)
        check_free(known)
        return self._book(self._price(asked, membership, order_id, at), membership, known)

    def reserve(
        self,
        quote: Quote,
        membership: Membership | None = None,
        *,
        order_id: str,
        order: Order | None = None,
        until: datetime,
        at: datetime,
    ) -> Reserved:
        """Set an order aside exactly as quoted, until it is paid: what it is to burn is held.

        Args:
            quote: What the shopper saw.
            membership: As it is now; must be the quote's member.
            order_id: The shop's own.
            order: As it is now, if it may be known already.
            until: First instant at which what is held is free again by itself.
            at: Timezone-aware.

        Returns:
            The postings to keep; without facts when this order was reserved so already.

        Raises:
            RefusedError: ``quote_changed``, ``key_reused`` or ``order_cancelled``, as for ``place``; ``order_placed``.
            UsageError: Another member's state; an end that has passed.
        """
        known = known_order(quote, membership, order_id, order)
        if check_instant("until", until) <= check_instant("at", at):
            msg = f"until must be after {instant_text(at)}, got {instant_text(until)}"
            raise UsageError(msg)
        if known.placed is not None:
            raise RefusedError(Refusal(Reason.ORDER_PLACED, {"order_id": order_id}))
        if known.reserved is not None and known.cancelled_at is None:
            if known.reserved.order.digest != quote.digest:
                raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"reserve:{order_id}", "fields": ("quote",)}))
            again = None if membership is None else membership.posting(())
            return Reserved(fact=known.reserved, order=order_posting(known, ()), member=again)
        check_free(known)
        fresh = self._price(quote.asked, membership, order_id, at)
        check_unchanged(quote, fresh)
        fact = OrderReserved(order=self._order_placed(fresh, order_id, at), until=until, at=at)
        member = None if membership is None else book_reserved(membership, fact.order, until=until, burn_first=self.burn_first)
        return Reserved(fact=fact, order=order_posting(known, (fact,)), member=member)

    def confirm(self, order: Order, membership: Membership | None = None, *, at: datetime) -> Placed:
        """Book a reserved order, because it was paid: as it was set aside, whatever has changed since.

        A paid order is never refused: after its time has run out, and after it was cancelled, it is booked as well, with
        ``fact.late``. What it is to burn is then taken below zero where it must be. Points that a cap of today no longer leaves
        are not given; to a late one they are.

        Args:
            order: As it is now.
            membership: As it is now; must be the order's member.
            at: Timezone-aware.

        Returns:
            The postings to keep; without facts when it was placed already.

        Raises:
            RefusedError: ``order_not_found`` where it was never reserved; ``key_reused`` where the shop has used the order's id
                for something else of the member meanwhile.
            UsageError: Another member's state.
        """
        check_instant("at", at)
        if order.placed is not None:
            check_member(order.placed.member_id, membership)
            again = None if membership is None else membership.posting(())
            return Placed(fact=order.placed, order=order_posting(order, ()), member=again)
        reserved = order.reserved
        if reserved is None:
            raise RefusedError(Refusal(Reason.ORDER_NOT_FOUND, {"order_id": order.order_id}))
        check_member(order.member_id, membership)
        late = not order.is_reserved(at=at)
        earned, since = reserved.order.earned, reserved.order.at
        if membership is not None:
            late = late or _is_given_up(membership, reserved.order)
            earned = earned_now(self.earning, earned, membership, since=since, calendar=self.calendar, capped=not late)
        placed = attrs.evolve(reserved.order, earned=earned, ordered_at=since, late=late, final_at=self._final_at(at), at=at)
        member = (
            None if membership is None else book_order(membership, placed, burn_first=self.burn_first, calendar=self.calendar)
        )
        return Placed(fact=placed, order=order_posting(order, (placed,)), member=member)

    def cancel(self, order: Order, membership: Membership | None = None, *, at: datetime) -> Cancelled:
        """Give a reserved order up: what was held for it is free.

        A reservation frees what it holds by itself when its time has run out; cancelling is only sooner.

        Args:
            order: As it is now.
            membership: As it is now; must be the order's member.
            at: Timezone-aware.

        Returns:
            The postings to keep; without facts when it was cancelled already.

        Raises:
            RefusedError: ``order_not_found`` where it was never reserved; ``order_placed`` where it was booked: refund it.
            UsageError: Another member's state.
        """
        check_instant("at", at)
        if order.placed is not None:
            raise RefusedError(Refusal(Reason.ORDER_PLACED, {"order_id": order.order_id}))
        if order.reserved is None:
            raise RefusedError(Refusal(Reason.ORDER_NOT_FOUND, {"order_id": order.order_id}))
        check_member(order.member_id, membership)
        fact = OrderCancelled(order_id=order.order_id, at=at if order.cancelled_at is None else order.cancelled_at)
        facts = (fact,) if order.cancelled_at is None else ()
        member = None
        if membership is not None:
            member = book_cancelled(membership, order.order_id, at=at) if facts else membership.posting(())
        return Cancelled(fact=fact, order=order_posting(order, facts), member=member)

    def attach(self, order: Order, membership: Membership, *, at: datetime) -> Attached:
        """Give a guest's order to a member: the points it earned at purchase, as caps allow now, less what came back since.

        Args:
            order: As it is now.
            membership: As it is now.
            at: Timezone-aware.

        Raises:
            RefusedError: ``order_not_found`` where it was never placed; ``order_has_member``; ``key_reused`` where the order's id
                names something else of the member.
        """
        check_instant("at", at)
        check_kind("membership", membership, Membership)
        placed, order_id = order.placed, order.order_id
        if placed is None:
            raise RefusedError(Refusal(Reason.ORDER_NOT_FOUND, {"order_id": order_id}))
        if placed.member_id is not None:
            raise RefusedError(Refusal(Reason.ORDER_HAS_MEMBER, {"order_id": order_id, "member_id": placed.member_id}))
        earned = earned_now(self.earning, placed.earned, membership, since=placed.since, calendar=self.calendar)
        fact = OrderAttached(order_id=order_id, member_id=membership.member_id, earned=earned, at=at)
        own = attrs.evolve(placed, member_id=membership.member_id, earned=earned, ordered_at=placed.since, at=at)
        member = book_attached(
            membership,
            own,
            taken_since(own, order.returns.values()),
            overdraft=self.overdraft,
            restore=self.restore,
            calendar=self.calendar,
        )
        return Attached(fact=fact, order=order_posting(order, (fact,)), member=member)

    def refund(
        self, order: Order, membership: Membership | None = None, *, back: Return, return_id: str, at: datetime
    ) -> Refunded:
        """Take back some of an order: money, points earned, points burned and what counts for tiers, each exactly.

        Args:
            order: As it is now.
            membership: As it is now; must be the order's member.
            back: Units by line, or an amount.
            return_id: The shop's own; the same one again changes nothing.
            at: Timezone-aware.

        Raises:
            RefusedError: What ``Order.plan`` refuses; ``key_reused`` for another return under this id; ``points_insufficient``
                where the program's overdraft is ``reject``.
            UsageError: Another member's state.
        """
        known = order.returns.get(return_id)
        if known is not None:
            check_same_return(known, back)
            again = None if membership is None else membership.posting(())
            return Refunded(fact=known, order=order_posting(order, ()), member=again)
        answer = order.plan(back, return_id=return_id, calendar=self.calendar, at=at)
        if isinstance(answer, Refused):
            raise RefusedError(*answer.refusals)
        fact, placed = answer.value, order.placed
        assert placed is not None  # plan refuses an order that was never placed
        check_member(placed.member_id, membership)
        member = None
        if membership is not None:
            fact, member = book_return(
                membership,
                order.taken_by(fact),
                fact,
                overdraft=self.overdraft,
                restore=self.restore,
                calendar=self.calendar,
            )
        return Refunded(fact=fact, order=order_posting(order, (fact,)), member=member)

    def record(self, action: str, membership: Membership, *, ref: str, at: datetime) -> Posting[Membership]:
        """Give the points of a named action, such as a review.

        Args:
            action: One of the program's.
            membership: As it is now.
            ref: The shop's own name for this one; the same ref again gives nothing.
            at: Timezone-aware.

        Raises:
            RefusedError: ``action_unknown``, ``program_not_started``, ``action_limit_reached`` where it was done as often as it
                may be, or ``action_expired`` where its points could never be used.
        """
        given = self.actions.get(check_kind("action", action, str))
        if given is None:
            raise RefusedError(Refusal(Reason.ACTION_UNKNOWN, {"action": action, "known": tuple(sorted(self.actions))}))
        if check_instant("at", at) < self.starts_at:
            raise RefusedError(
                Refusal(
                    Reason.PROGRAM_NOT_STARTED,
                    {"starts_at": instant_text(self.starts_at), "starts_on": self.starts_on.isoformat()},
                )
            )
        ledger = membership.ledger_of(given.account)
        if f"{check_id('ref', ref)}/{action}" in ledger.lots:
            return membership.posting(())
        refusal = given.refusal(action, ledger, at=at, calendar=self.calendar)
        if refusal is not None:
            raise RefusedError(refusal)
        terms = given.terms(at, calendar=self.calendar)
        if terms is None:
            raise RefusedError(Refusal(Reason.ACTION_EXPIRED, {"action": action, "at": instant_text(at)}))
        return book_action(membership, given, terms, name=action, ref=ref, at=at)

    def release(self, event: str, membership: Membership, *, ref: str, at: datetime) -> Posting[Membership]:
        """Make available what an order or an action earned and what waits for an event, such as ``"delivered"``.

        Args:
            event: The shop's own name for it, as the rules of earning say.
            membership: As it is now.
            ref: The order or the action; releasing it again changes nothing.
            at: When it happened.

        Raises:
            RefusedError: ``earning_not_found`` where nothing of it awaits the event, ``release_too_late`` at the deadline.
        """
        return book_release(membership, event, ref=ref, at=at)

    def tier(self, membership: Membership, *, at: datetime) -> TierStatus | None:
        """Tell where a member stands; ``None`` in a program without tiers."""
        return self._tier(tuple(membership.orders.values()), at)

    def overview(self, membership: Membership, *, at: datetime) -> Overview:
        """Gather what "my account" shows."""
        check_instant("at", at)
        return Overview(
            member_id=membership.member_id,
            joined_at=membership.joined_at,
            balance=membership.ledger_of(POINTS).balance(at=at),
            accounts=FrozenMap({name: ledger.balance(at=at) for name, ledger in membership.ledgers.items()}),
            expiring=membership.ledger_of(POINTS).expiring(after=at),
            tier=self.tier(membership, at=at),
            order_count=membership.order_count,
        )

    def _price(
        self, asked: Asked, membership: Membership | None, order_id: str | None, at: datetime, *, late: bool = False
    ) -> Quote:
        """Go through the steps of a quote."""
        basket = asked.basket
        if basket.currency != self.currency:
            raise CurrencyMismatchError(self.currency, basket.currency)
        check_instant("at", at)
        groups = basket.unit_groups()
        folded, malformed = read_codes(asked.codes)
        situation = self._situation(asked, membership, folded.values(), at)
        offers = self.book.evaluate(groups, shipping_minor=minor(basket.shipping), situation=situation)
        hold = None if membership is None or order_id is None else own_hold(membership, order_id)
        goods_minor = 0 if self.burning is None else sum(payable(self.burning, groups, offers))
        own = None if hold is None else hold.units if late or at < hold.until else min(hold.units, situation.points)
        burn = self._burn(asked.burn, membership, own, goods_minor, situation)
        shipping = shipping_after(basket, offers)
        earnings, shared = self._shared(asked, membership, offers, burn, situation)
        total = Money(sum(shared.net) + (minor(shipping) or 0), self.currency)
        return Quote(
            asked=asked,
            at=at,
            lines=quoted_lines(basket, groups, shared),
            offers=offers,
            shipping=shipping,
            burn=burn,
            earned=earnings.earned,
            earning=earnings.answers,
            codes=self._code_answers(asked.codes, folded, malformed, offers),
            book=self.book,
            groups=groups,
            situation=situation,
            tier=situation.tier,
            tier_after=None if membership is None else self._tier_after(membership, shared, at),
            subtotal=basket.subtotal,
            total=total,
            to_pay=total,
            program_digest=self.digest,
        )

    def _situation(self, asked: Asked, membership: Membership | None, codes: Iterable[str], at: datetime) -> Situation:
        """Gather what conditions see: the member as before this order."""
        status = None if membership is None else self.tier(membership, at=at)
        return Situation(
            currency=self.currency,
            goods_minor=self.book.goods_minor(asked.basket.unit_groups()),
            is_member=membership is not None,
            order_count=0 if membership is None else membership.order_count,
            codes=codes,
            tier=None if status is None else status.tier,
            points=0 if membership is None else membership.ledger_of(POINTS).available(at=at),
            profile=asked.profile,
            at=at,
            calendar=self.calendar,
        )

    def _burn(
        self, asked: int, membership: Membership | None, own: int | None, goods_minor: int, situation: Situation
    ) -> BurnAnswer:
        if asked == 0:
            return BurnAnswer()
        if membership is None:
            return BurnAnswer(asked=asked, refusal=Refusal(Reason.MEMBER_REQUIRED))
        too_early = membership.ledger_of(POINTS).check_at(situation.at)
        if too_early is not None and own is None:
            return BurnAnswer(asked=asked, refusal=too_early)
        if self.burning is None:
            details = {"asked_points": asked, "granted_points": 0}
            return BurnAnswer(asked=asked, refusal=Refusal(Reason.POINTS_ABOVE_SHARE, details))
        available = situation.points if own is None else own
        return self.burning.answer(asked, available=available, goods_minor=goods_minor)

    def _shared(
        self, asked: Asked, membership: Membership | None, offers: Evaluation, burn: BurnAnswer, situation: Situation
    ) -> tuple[Earnings, Shared]:
        """Share out what offers and points take off, and what the order earns."""
        basket = asked.basket
        groups = basket.unit_groups()
        listed = tuple(group.list_minor for group in groups)
        offered = after_offers(groups, offers)
        burned = allocate(burn.discount_minor, offered if self.burning is None else payable(self.burning, groups, offers))
        net = tuple(left - share for left, share in zip(offered, burned, strict=True))
        started = situation.at >= self.starts_at
        purchase = Purchase(
            basket=basket,
            groups=groups,
            prices={Basis.LIST: listed, Basis.DISCOUNTED: offered, Basis.PAID: net},
            shipping_minor=minor(shipping_after(basket, offers)) or 0,
            situation=situation,
            ledgers={} if membership is None else membership.ledgers,
            carried=None if membership is None else membership.carried,
        )
        earnings = earn_on_order(self.earning if started else (), self.combine, purchase)
        shared = Shared(
            list_minor=listed,
            offered=offered,
            net=net,
            # Points follow the money they took off; a worth below one minor unit may leave some groups none.
            burn_points=allocate(burn.granted, burned) if any(burned) else (0,) * len(groups),
            points=earnings.shares,
            qualifies=tuple(started and self._may_earn(group) for group in groups),
        )
        return earnings, shared

    def _may_earn(self, group: UnitGroup) -> bool:
        """Say whether goods count for tiers: those that some rule counts, whatever its conditions; all, without rules."""
        return not self.earning or any(rule.counts(group) for rule in self.earning)

    def _tier(self, orders: tuple[Qualifying, ...], at: datetime) -> TierStatus | None:
        if self.tiers is None:
            return None
        return self.tiers.status(orders, day=self.calendar.day_of(at), calendar=self.calendar)

    def _tier_after(self, membership: Membership, shared: Shared, at: datetime) -> str | None:
        this = Qualifying(day=self.calendar.day_of(at), units=shared.qualifying_minor)
        status = self._tier((*membership.orders.values(), this), at)
        return None if status is None else status.tier

    def _code_answers(
        self, entered: tuple[str, ...], folded: Mapping[str, str], malformed: Mapping[str, Refusal], offers: Evaluation
    ) -> FrozenMap[str, CodeAnswer]:
        answers = {}
        for text in entered:
            offer = None if text in malformed else self.book.offer_of_code(folded[text])
            if offer is None:
                refusal: Refusal | None = malformed.get(text, Refusal(Reason.CODE_UNKNOWN))
            else:
                verdict = offers.verdict(offer.offer_id)
                refusal = verdict.refusal if isinstance(verdict, Refused) else None
            answers[text] = CodeAnswer(entered=text, offer_id=None if offer is None else offer.offer_id, refusal=refusal)
        return FrozenMap(answers)

    def _book(self, quote: Quote, membership: Membership | None, order: Order) -> Placed:
        """Put what was priced into postings."""
        placed = self._order_placed(quote, order.order_id, quote.at)
        member = (
            None if membership is None else book_order(membership, placed, burn_first=self.burn_first, calendar=self.calendar)
        )
        return Placed(fact=placed, order=order_posting(order, (placed,)), member=member)

    def _order_placed(self, quote: Quote, order_id: str, at: datetime) -> OrderPlaced:
        """Freeze a quote into the fact of an order."""
        return OrderPlaced(
            order_id=check_id("order_id", order_id),
            member_id=quote.asked.member_id,
            currency=self.currency,
            lines=tuple(order_line(line) for line in quote.lines.values()),
            shipping_minor=minor(quote.shipping) or 0,
            offers=tuple(OfferCost(offer_id=o.offer_id, discount_minor=o.discount_minor) for o in quote.offers.applied),
            burn_points=quote.burn.granted,
            earned=quote.earned,
            final_at=self._final_at(at),
            codes=tuple(sorted({fold_code(answer.entered) for answer in quote.codes.values() if answer.applied})),
            digest=quote.digest,
            program=self.digest,
            at=at,
        )

    def _final_at(self, at: datetime) -> datetime | None:
        """Say when an order booked at an instant can no longer come back."""
        return None if self.returns is None else self.returns.end_after(at, calendar=self.calendar)

    def _placed_again(self, order: Order, placed: OrderPlaced, quote: Quote, membership: Membership | None) -> Placed:
        if placed.digest != quote.digest:
            raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"place:{order.order_id}", "fields": ("quote",)}))
        return Placed(fact=placed, order=order_posting(order, ()), member=None if membership is None else membership.posting(()))


def _is_given_up(membership: Membership, placed: OrderPlaced) -> bool:
    """Whether the points an order is to burn are no longer set aside for it."""
    hold = membership.ledger_of(POINTS).holds.get(placed.order_id)
    return placed.burn_points > 0 and (hold is None or hold.captured == 0)
