"""Orders: what was booked at purchase, frozen, and what came back since.

Every discount, every point burned and all that counted for points was shared out to lines at purchase. A return sums the shares
of its units, so it never re-computes a discount and never touches another unit; the points of the order are those that what is
kept earns, by the formula frozen with it.

A program may ask for more (``returns = "reprice"``): then the order freezes what each offer needs, and an offer that what is kept
no longer reaches is withdrawn. What is kept is then paid at its list price, less the shares of the offers that are still reached;
the shopper gets back what was paid above that.

Invariants:
    1. The shares of all returns of all units sum to the shares given at purchase.
    2. Partial returns, in any number and order, end where one full return would; where offers may be withdrawn, once everything
       came back.
    3. Points to take back lie in ``[0, earned]``, points to give back in ``[0, burned]``, money in ``[0, total]``.
    4. After ``final_at`` nothing comes back by itself: ``refund_window_closed``.

>>> from datetime import UTC, datetime
>>> at = datetime(2026, 7, 1, tzinfo=UTC)
>>> lines = (OrderLine(line_id="1", product_id="bell", quantity=3, list_minor=3000, discount_minor=10),)
>>> order = Order.open("1001").folded([OrderPlaced(order_id="1001", currency="EUR", lines=lines, at=at)])
>>> [order.plan(Return(lines={"1": n}), return_id="r", at=at).value.money_minor for n in (1, 2, 3)]
[996, 1993, 2990]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, final

import attrs

from loyaltycore._checks import check_kind
from loyaltycore._formula import POINTS, SHIPPING_LINE, Counted, EarnedPoints, Formula, Shape
from loyaltycore._frozen import FrozenMap
from loyaltycore._order_facts import (
    CardPayment,
    NeedOf,
    OfferCost,
    OfferNeed,
    OrderAttached,
    OrderCancelled,
    OrderCardSold,
    OrderLine,
    OrderPlaced,
    OrderReserved,
    OrderReturned,
    ReferralNeed,
    TakenBack,
)
from loyaltycore.basket import Return
from loyaltycore.errors import Accepted, CorruptStateError, CurrencyMismatchError, Detail, Reason, Refusal, Refused
from loyaltycore.facts import Fact
from loyaltycore.identity import check_id
from loyaltycore.periods import Calendar, check_instant
from loyaltycore.quantities import share_of_units
from loyaltycore.wire import instant_text, read_state, write_state

__all__ = [
    "CardPayment",
    "Counted",
    "EarnedPoints",
    "Formula",
    "NeedOf",
    "OfferCost",
    "OfferNeed",
    "Order",
    "OrderAttached",
    "OrderCancelled",
    "OrderCardSold",
    "OrderLine",
    "OrderPlaced",
    "OrderReserved",
    "OrderReturned",
    "ReferralNeed",
    "Shape",
    "TakenBack",
]


_UTC: Final = Calendar("UTC")


@final
@attrs.frozen(kw_only=True)
class _Back:
    """All that came back so far, however it came.

    Attributes:
        lines: Units by line id.
        amount_minor: Without goods.
        shipping_minor: Of shipping.
        goods_minor: Money given back for goods, with and without them.
    """

    lines: Mapping[str, int]
    amount_minor: int
    shipping_minor: int
    goods_minor: int


@final
@attrs.frozen(kw_only=True)
class _Shares:
    """What returns moved besides money."""

    burn_points: int = 0
    qualifying_minor: int = 0


@final
@attrs.frozen(kw_only=True)
class Order:
    """An order, reserved or placed, and its returns.

    Attributes:
        order_id: The shop's own.
        version: Facts folded so far.
        reserved: What was set aside until it is paid; ``None`` where it was placed at once.
        cancelled_at: When the reservation was given up; ``None`` where it was not.
        placed: What was booked; ``None`` until it is. Of a guest's order that found its member, it says whose it is now.
        returned: Units that came back, by line id.
        amount_minor: Money that came back without goods.
        shipping_minor: What came back of shipping.
        returns: Every return, by its id.
        cards: Gift cards that were made for its units, by card: the line they are units of.
    """

    order_id: str
    version: int = 0
    reserved: OrderReserved | None = None
    cancelled_at: datetime | None = None
    placed: OrderPlaced | None = None
    returned: FrozenMap[str, int] = FrozenMap[str, int]()
    amount_minor: int = 0
    shipping_minor: int = 0
    returns: FrozenMap[str, OrderReturned] = FrozenMap[str, OrderReturned]()
    cards: FrozenMap[str, str] = FrozenMap[str, str]()

    def __attrs_post_init__(self) -> None:
        """Check the id."""
        check_id("order_id", self.order_id)

    @classmethod
    def open(cls, order_id: str) -> Order:
        """Start with nothing booked; needs no fact."""
        return cls(order_id=order_id)

    @classmethod
    def replay(cls, order_id: str, facts: Iterable[Fact]) -> Order:
        """Fold all facts of an order."""
        return cls.open(order_id).folded(facts)

    def folded(self, facts: Iterable[Fact]) -> Order:
        """Give the order after more facts.

        Raises:
            CorruptStateError: A fact that cannot follow.
        """
        reserved, cancelled_at, placed = self.reserved, self.cancelled_at, self.placed
        returned, returns, cards = dict(self.returned), dict(self.returns), dict(self.cards)
        version, amount_minor, shipping_minor = self.version, self.amount_minor, self.shipping_minor
        for fact in facts:
            match fact:
                case OrderPlaced(order_id=self.order_id) if placed is None:
                    placed = fact
                case OrderReserved(order_id=self.order_id) if placed is None and reserved is None:
                    reserved = fact
                case OrderCancelled(order_id=self.order_id) if placed is None and reserved is not None:
                    cancelled_at = fact.at if cancelled_at is None else cancelled_at
                case OrderAttached(order_id=self.order_id) if placed is not None and placed.member_id is None:
                    granted = fact.coupons_granted
                    placed = attrs.evolve(placed, member_id=fact.member_id, earned=fact.earned, coupons_granted=granted)
                case OrderCardSold(order_id=self.order_id) if placed is not None:
                    cards[fact.card_id] = fact.line_id
                case OrderReturned(order_id=self.order_id) if placed is not None:
                    for line_id, units in fact.lines.items():
                        returned[line_id] = returned.get(line_id, 0) + units
                    amount_minor += fact.amount_minor
                    shipping_minor += fact.shipping_minor
                    returns[fact.return_id] = fact
                case _:
                    msg = f"order {self.order_id!r} cannot go on with {fact.kind!r}"
                    raise CorruptStateError(msg)
            version += 1
        return attrs.evolve(
            self,
            version=version,
            reserved=reserved,
            cancelled_at=cancelled_at,
            placed=placed,
            returned=FrozenMap(returned),
            amount_minor=amount_minor,
            shipping_minor=shipping_minor,
            returns=FrozenMap(returns),
            cards=FrozenMap(cards),
        )

    def plan(self, back: Return, *, return_id: str, calendar: Calendar = _UTC, at: datetime) -> Accepted[OrderReturned] | Refused:
        """Work out what a return gives and takes, and decide nothing else.

        Args:
            back: Units by line, or an amount of what was paid for goods; and shipping.
            return_id: The shop's own.
            calendar: Whose local day a refusal names as the last.
            at: Timezone-aware; ``at == final_at`` is too late.

        Returns:
            The fact of the return; or ``order_not_found``, ``order_line_not_found``, ``refund_window_closed`` or
            ``refund_exceeds_order``.
        """
        check_kind("back", back, Return)
        check_id("return_id", return_id)
        check_instant("at", at)
        placed = self.placed
        if placed is None:
            return Refused([Refusal(Reason.ORDER_NOT_FOUND, {"order_id": self.order_id})])
        refusals = [*self._too_late(placed, calendar, at), *self._too_much(placed, back)]
        if refusals:
            return Refused(refusals)
        planned = OrderReturned(
            order_id=self.order_id,
            return_id=return_id,
            currency=placed.currency,
            lines=back.lines,
            amount_minor=0 if back.amount is None else back.amount.minor_units,
            shipping_minor=0 if back.shipping is None else back.shipping.minor_units,
            at=at,
        )
        before, after = self._back(), self._back(planned)
        goods_minor = _given_back(placed, before, after)
        money_minor = goods_minor + planned.shipping_minor
        planned = attrs.evolve(
            planned,
            money_minor=money_minor,
            to_cards=_to_cards(placed, before, self._back(attrs.evolve(planned, money_minor=money_minor)), money_minor),
            withdrawn=tuple(sorted(_withdrawn(placed, after.lines) - _withdrawn(placed, before.lines))),
        )
        was, now = _target(placed, before), _target(placed, self._back(planned))
        return Accepted(
            attrs.evolve(
                planned,
                points_revoked=sum(taken.points for taken in self.taken_by(planned) if taken.earned.account == POINTS),
                points_given_back=now.burn_points - was.burn_points,
                qualifying_minor=now.qualifying_minor - was.qualifying_minor,
            )
        )

    def taken_by(self, planned: OrderReturned) -> tuple[TakenBack, ...]:
        """Say what a return takes back of each rule's points: those that what is kept no longer earns.

        Args:
            planned: A return that ``plan`` accepted, and that is not folded in yet.

        Returns:
            One for each rule the order earned by, in their order.
        """
        assert self.placed is not None  # plan refuses an order that was never placed
        before, after = self._back(), self._back(planned)
        return tuple(_taken(self.placed, earned, before, after) for earned in self.placed.earned)

    @property
    def member_id(self) -> str | None:
        """Whose it is, as far as is known; ``None`` for a guest's, and for one that nothing is known of."""
        known = self.reserved.order if self.placed is None and self.reserved is not None else self.placed
        return None if known is None else known.member_id

    @property
    def is_all_back(self) -> bool:
        """Whether nothing of its goods is kept: every unit came back, or all that was paid for them."""
        placed = self.placed
        if placed is None:
            return False
        units = all(self.returned.get(line.line_id, 0) >= line.quantity for line in placed.lines)
        return units or 0 < placed.goods_minor <= self._back().goods_minor

    def is_reserved(self, *, at: datetime) -> bool:
        """Say whether something is set aside for it: it was neither placed nor cancelled, and its time has not run out.

        Args:
            at: Timezone-aware; ``at == reserved.until`` is too late.
        """
        check_instant("at", at)
        return self.reserved is not None and self.placed is None and self.cancelled_at is None and at < self.reserved.until

    def to_dict(self) -> dict[str, Any]:
        """Write the order as JSON values."""
        return write_state(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Order:
        """Read what ``to_dict`` wrote.

        Raises:
            CorruptStateError: Anything else.
        """
        return read_state(cls, data)

    def _too_late(self, placed: OrderPlaced, calendar: Calendar, at: datetime) -> list[Refusal]:
        if placed.final_at is None or at < placed.final_at:
            return []
        last = calendar.day_of(placed.final_at - timedelta.resolution)
        when = {"final_at": instant_text(placed.final_at), "last_on": last.isoformat()}
        return [Refusal(Reason.REFUND_WINDOW_CLOSED, {"order_id": self.order_id, **when})]

    def _too_much(self, placed: OrderPlaced, back: Return) -> list[Refusal]:
        bought = {line.line_id: line.quantity for line in placed.lines}
        refusals = list[Refusal]()
        for line_id, units in back.lines.items():
            left = bought.get(line_id, 0) - self.returned.get(line_id, 0)
            details: dict[str, Detail] = {"order_id": self.order_id, "line_id": line_id}
            if line_id not in bought:
                refusals.append(Refusal(Reason.ORDER_LINE_NOT_FOUND, details))
            elif units > left:
                refusals.append(Refusal(Reason.REFUND_EXCEEDS_ORDER, {**details, "asked_units": units, "left_units": left}))
        goods_left = placed.goods_minor - self._back().goods_minor
        shipping_left = placed.shipping_minor - self.shipping_minor
        for money, left_minor in ((back.amount, goods_left), (back.shipping, shipping_left)):
            if money is not None and money.currency != placed.currency:
                raise CurrencyMismatchError(placed.currency, money.currency)
            if money is not None and money.minor_units > left_minor:
                amounts: dict[str, Detail] = {
                    "asked_minor": money.minor_units,
                    "left_minor": left_minor,
                    "currency": money.currency,
                }
                refusals.append(Refusal(Reason.REFUND_EXCEEDS_ORDER, {"order_id": self.order_id, **amounts}))
        return refusals

    def _back(self, more: OrderReturned | None = None) -> _Back:
        """Sum what came back, and what is about to."""
        goods_minor = sum(one.money_minor - one.shipping_minor for one in self.returns.values())
        if more is None:
            return _Back(
                lines=self.returned,
                amount_minor=self.amount_minor,
                shipping_minor=self.shipping_minor,
                goods_minor=goods_minor,
            )
        units = {line_id: self.returned.get(line_id, 0) + count for line_id, count in more.lines.items()}
        return _Back(
            lines={**self.returned, **units},
            amount_minor=self.amount_minor + more.amount_minor,
            shipping_minor=self.shipping_minor + more.shipping_minor,
            goods_minor=goods_minor + more.money_minor - more.shipping_minor,
        )


def _given_back(placed: OrderPlaced, before: _Back, after: _Back) -> int:
    """Give the money that a return gives back for goods: never below 0, and in all never more than was paid.

    What units gave back is what was paid less what the kept ones cost; where that rises, because an offer is withdrawn, what came
    back before is not asked for again.
    """
    by_units = max(0, before.goods_minor - before.amount_minor)
    more = max(0, placed.goods_minor - _kept_costs(placed, after.lines) - by_units)
    return max(0, min(more + after.amount_minor - before.amount_minor, placed.goods_minor - before.goods_minor))


def _to_cards(placed: OrderPlaced, before: _Back, after: _Back, money_minor: int) -> FrozenMap[str, int]:
    """Share out what goes back to gift cards: as long as they paid anything that did not come back, all of it; the last first.

    Money that a card paid goes back to it before anything is paid out, so that no card is turned into money. A card that pays for
    some goods only gets no more back than those goods bring: money paid otherwise is not turned into such a card.
    """
    was, now = _on_cards(placed, before), _on_cards(placed, after)
    left, found = money_minor, dict[str, int]()
    for payment in reversed(placed.card_payments):
        part = min(left, max(0, now[payment.card_id] - was[payment.card_id]))
        if part:
            found[payment.card_id] = part
            left -= part
    return FrozenMap(found)


def _on_cards(placed: OrderPlaced, back: _Back) -> dict[str, int]:
    """Give what must have gone back to each card once all this came back, however it came."""
    left, found = back.goods_minor + back.shipping_minor, dict[str, int]()
    for payment in reversed(placed.card_payments):
        part = min(left, payment.minor, _of_lines(placed, payment, back) if payment.lines else payment.minor)
        found[payment.card_id] = part
        left -= part
    return found


def _of_lines(placed: OrderPlaced, payment: CardPayment, back: _Back) -> int:
    """Give what the goods brought back that a card pays for: their units, and their part of what came back without goods."""
    lines = [line for line in placed.lines if line.line_id in payment.lines]
    by_units = sum(share_of_units(line.net_minor, line.quantity, start=0, stop=back.lines.get(line.line_id, 0)) for line in lines)
    whole = sum(line.net_minor for line in lines)
    if back.goods_minor >= placed.goods_minor:
        return whole
    return min(whole, by_units + whole * back.amount_minor // max(1, placed.goods_minor))


def _kept_costs(placed: OrderPlaced, returned: Mapping[str, int]) -> int:
    """Give what is to be paid for the units that are kept."""
    lapsed, costs = _lapsed(placed, returned), 0
    for line in placed.lines:
        units = returned.get(line.line_id, 0)
        costs += _of_kept(line.net_minor, line, units)
        if lapsed:
            taken = _taken_off_kept(placed, line, units)
            costs += sum(taken[offer_id] for offer_id in lapsed)
    return costs


def _lapsed(placed: OrderPlaced, returned: Mapping[str, int]) -> list[str]:
    """Name the offers that what is kept no longer earns."""
    return [offer.offer_id for offer in placed.offers if not offer.stands(placed.lines, returned)]


def _of_kept(whole: int, line: OrderLine, returned: int) -> int:
    """Give what the kept units of a line hold of a whole: the first ones come back first."""
    return share_of_units(whole, line.quantity, start=returned, stop=line.quantity)


def _taken_off_kept(placed: OrderPlaced, line: OrderLine, returned: int) -> dict[str, int]:
    """Give what each offer took off the kept units of a line: what they hold before it less what they hold after it."""
    taken, left = dict[str, int](), line.list_minor
    before = _of_kept(left, line, returned)
    for offer in placed.offers:
        left -= offer.lines.get(line.line_id, 0)
        after = _of_kept(left, line, returned)
        taken[offer.offer_id] = before - after
        before = after
    return taken


def _withdrawn(placed: OrderPlaced, returned: Mapping[str, int]) -> set[str]:
    """Name the offers that took something off what is kept, and that it no longer earns."""
    lapsed, found = _lapsed(placed, returned), set[str]()
    for line in placed.lines if lapsed else ():
        taken = _taken_off_kept(placed, line, returned.get(line.line_id, 0))
        found |= {offer_id for offer_id in lapsed if taken[offer_id]}
    return found


def _target(placed: OrderPlaced, back: _Back) -> _Shares:
    """Sum what must have moved besides money once all this came back, however it came."""
    qualifying = burn_points = 0
    for line in placed.lines:
        units = back.lines.get(line.line_id, 0)
        if units:
            qualifying += share_of_units(line.net_minor, line.quantity, start=0, stop=units) if line.qualifies else 0
            burn_points += share_of_units(line.burn_points, line.quantity, start=0, stop=units)
    if back.amount_minor:
        # An amount is a part of what was paid for the goods; it can be no more than that.
        paid = max(1, placed.goods_minor)
        qualifying += placed.qualifying_minor * back.amount_minor // paid
        burn_points += placed.shared_burn_points * back.amount_minor // paid
        if back.goods_minor >= placed.goods_minor:
            # The last of the money: nothing is kept, whichever lines the amounts were taken from.
            qualifying, burn_points = placed.qualifying_minor, placed.shared_burn_points
    return _Shares(
        burn_points=min(burn_points, placed.shared_burn_points),
        qualifying_minor=min(qualifying, placed.qualifying_minor),
    )


def _taken(placed: OrderPlaced, earned: EarnedPoints, before: _Back, after: _Back) -> TakenBack:
    """Compare what is kept, for one rule."""
    was, now = _kept(placed, earned, before), _kept(placed, earned, after)
    if earned.carried:
        return TakenBack(earned=earned, points=0, carried_minor=earned.carried_on(was) - earned.carried_on(now))
    # Points follow what is kept, so that no split of returns leaves more or fewer than the rule gives for it.
    return TakenBack(earned=earned, points=earned.on(was) - earned.on(now))


def _kept(placed: OrderPlaced, earned: EarnedPoints, back: _Back) -> dict[str, int]:
    """Give what is kept of each line, and of shipping, of all that counted for a rule.

    An amount takes its part of everything, from what counts most often down: one cumulative floor for each multiplier, so
    that two small amounts take what one does. A line may come out below zero where its units came back too; never so far that
    goods take from shipping.
    """
    quantities = {line.line_id: line.quantity for line in placed.lines}
    paid = max(1, placed.goods_minor)
    # Where an amount gave back the last of the money, nothing is kept, whatever the cents of an odd basis say.
    all_back = back.amount_minor > 0 and back.goods_minor >= placed.goods_minor
    kept, counted, raw, left = dict[str, int](), 0, 0, 0
    for part in sorted(earned.counted, key=lambda part: (-part.factor, part.line_id)):
        if part.line_id == SHIPPING_LINE:
            kept[SHIPPING_LINE] = max(0, part.minor - back.shipping_minor)
            continue
        quantity = quantities.get(part.line_id, 1)  # a line that a damaged store has lost cannot come back
        units = back.lines.get(part.line_id, 0)
        held = part.minor - share_of_units(part.minor, quantity, start=0, stop=units) if units else part.minor
        counted, raw = counted + part.minor, raw + held
        before, left = left, 0 if all_back else max(0, raw - counted * back.amount_minor // paid)
        kept[part.line_id] = left - before
    return kept
