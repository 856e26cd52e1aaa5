"""Promotions: baskets from the test suites of eight shop engines, and what each takes off; how ours says them.

One rule reads every case. ``kind`` names the benefit, ``when`` the condition, ``context`` who asks, and ``PEERS`` states what an
engine does where its case does not say. Every word of a case must be read: one that nothing here reads makes the case not
expressible, so nothing is passed over in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, final

import attrs

from loyaltycore import Basket, Line, Membership, Money
from loyaltycore.benefits import (
    BuyGet,
    Gift,
    PercentOff,
    QuantityLadder,
)
from loyaltycore.conditions import (
    Across,
    Base,
    Condition,
    QuantityAtLeast,
    SpendAtLeast,
    all_of,
    code_presented,
    contains,
    member_tagged,
    nth_order,
    quantity_at_least,
    spend_at_least,
)
from loyaltycore.errors import Reason, Refused, UsageError
from loyaltycore.gift_cards import GiftCard
from loyaltycore.members import Profile
from loyaltycore.offers import Combines, Lane, Limits, Mode, Offer, OfferBook, Stacking, Used, View
from loyaltycore.program import Quote
from tests.cases import Case, Differs, Expression, NotExpressible
from tests.vendors.deals import AT, program_of
from tests.vendors.kinds import (
    GOODS,
    KINDS,
    ORDER,
    SHIPPING,
    Seen,
    Words,
    goods_of,
    lines_of,
    names_of,
    policy,
    read,
    respects_floors,
)
from tests.vendors.peers import NO_POLICY, PEERS, Peer

__all__ = ["CASES", "promotion"]

REJECTIONS: Final = MappingProxyType(
    {
        "customer_limit_reached": Reason.OFFER_MEMBER_LIMIT_REACHED,
        "usage_limit_reached": Reason.OFFER_LIMIT_REACHED,
        "another_global_discount_applies": Reason.OFFER_SUPERSEDED,
    }
)
"""Ours, by the peers' word for why a code gives nothing."""

# ---- conditions, limits, offers ----


def condition(words: Words, code: str | None, seen: Seen) -> Condition:
    """Read what must hold."""
    of, parts = goods_of(words, seen), list[Condition]()
    bases = {None: seen.peer.threshold_base, "list_subtotal": Base.LIST, "running_subtotal": Base.RUNNING}
    base = read("evaluated_on", bases, words.take("evaluated_on"))
    if code is not None:
        parts.append(code_presented(typed(code)))
    if "min_items" in words:
        parts.append(quantity_at_least(words.need("min_items"), of=of))
    if "min_quantity_in_one_line" in words:
        parts.append(quantity_at_least(words.need("min_quantity_in_one_line"), of=of, across=Across.PRODUCT))
    if "min_subtotal" in words:
        parts.append(spend_at_least(seen.money(words.need("min_subtotal")), of=of, base=base))
    if not of.is_open and not any(isinstance(part, SpendAtLeast | QuantityAtLeast) for part in parts):
        parts.append(contains(of))
    if "customer_group" in words:
        parts.append(member_tagged(words.need("customer_group")))
    if "nth_order" in words:
        parts.append(nth_order(words.need("nth_order")))
    words.finish()
    return all_of(*parts)


def typed(code: str) -> str:
    """Write a code as ours takes it: it knows dashes, and the peers write some as underscores."""
    return code.replace("_", "-")


def limits_of(words: Words, uses_by_customer: int, seen: Seen) -> tuple[Limits, Used]:
    """Read how much of an offer there is, and how much of that was used."""
    total, code_total = words.take("max_global_applications"), words.take("code_limit")
    used, cancelled = words.take("used_applications", default=0), words.take("code_used_by_cancelled_orders", default=0)
    # Ours counts what stands: an order that was cancelled frees its use, unless a shop counts it all the same.
    used += 0 if words.take("cancelled_orders_free_usage", default=True) else cancelled
    budget, spent = words.take("campaign_spend_limit"), words.take("campaign_spent", default="0")
    limits = Limits(
        total=min((one for one in (total, code_total) if one is not None), default=None),
        per_member=words.take("code_limit_per_customer"),
        budget=None if budget is None else seen.money(budget),
        over=seen.peer.over,
    )
    spent_minor = seen.money(spent).minor_units
    return limits, Used(times=max(used, uses_by_customer), by_member=uses_by_customer, spent_minor=spent_minor)


@final
@attrs.frozen(kw_only=True)
class Promised:
    """One offer as ours says it.

    Attributes:
        offer: The offer.
        used: What was used of it.
        alone: Whether its units serve no other offer, or it stands alone.
        best_only: Whether only the best of those applies.
    """

    offer: Offer
    used: Used
    alone: bool
    best_only: bool


def promised(said: Mapping[str, Any], case: Case, basket: Basket, names: Mapping[str, str], peer: Peer) -> Promised:
    """Read one offer of a case."""
    words = Words(f"offer {said['id']}", said)
    kind, when = words.need("kind"), words.take("when", default={})
    seen = Seen(basket=basket, names=names, peer=peer, times=words.take("max_applications"), when=when)
    uses_by_customer = case.get("context", {}).get("code_uses_by_customer", 0)
    limits, used = limits_of(words, uses_by_customer, seen)
    lane, make = read("kind", KINDS, kind)
    if any(read("kind", KINDS, action["kind"])[0] is ORDER for action in said.get("actions", ())):
        lane = ORDER  # several actions, of which one is off the order
    alone = words.take("exclusive", default=peer.own_units is not None)
    words.take("respect_minimum_unit_price")  # read for the whole basket
    words.take("currency")  # read before: an offer in another currency is not in the book
    stacking = words.take("stacking")
    offer = Offer(
        words.need("id"),
        when=condition(Words("when", when), words.take("code"), seen),
        give=make(words, seen),
        lane=lane_of(kind, lane, peer),
        priority=words.take("priority", default=0),
        base=peer.order_base if lane is ORDER else peer.goods_base,
        combines=Combines.ALONE if alone and peer.own_units is None else Combines.ANY,
        group=words.take("group"),
        limits=limits,
    )
    words.finish()
    return Promised(offer=offer, used=used, alone=alone, best_only=best_only(stacking))


def best_only(stacking: str | None) -> bool:
    """Read how one offer of a case meets the others."""
    return stacking is not None and read("stacking", {"best_only": True}, stacking)


def lane_of(kind: str, lane: Lane, peer: Peer) -> Lane:
    """Put an offer into a lane: the engine's one row, or by what it is off.

    Where only some kinds use their units up, those have the lane of goods for themselves.
    """
    if peer.one_row is not None:
        return peer.one_row if lane is not SHIPPING or peer.one_row is ORDER else lane
    if peer.own_units is not None and lane is GOODS and kind != "buy_x_get_y_free":
        return ORDER
    return lane


def stacking_of(offers: Sequence[Promised], peer: Peer) -> Stacking:
    """Say how the offers of a case meet."""
    alone = {one.alone for one in offers if one.offer.lane is peer.own_units}
    if len(alone) > 1:
        why = "one offer uses its units up and another shares them: ours says that of a whole lane"
        raise NotExpressible(why)
    best = any(one.best_only for one in offers)
    at_most = {peer.own_units: 1} if peer.own_units is not None and alone == {True} else {}
    return Stacking(Mode.BEST if best else peer.mode, at_most=at_most)


# ---- the quote ----


@final
@attrs.frozen(kw_only=True)
class Bought:
    """A case as ours says it, and what ours answers.

    Attributes:
        quote: The whole quote.
        skus: What the case calls the products.
        peer: The policy it was made under.
    """

    quote: Quote
    skus: Mapping[str, str]
    peer: Peer

    @property
    def currency(self) -> str:
        """Of all amounts."""
        return self.quote.total.currency

    def minor(self, amount: str) -> int:
        """Read an amount of the case."""
        try:
            return Money.of(amount, self.currency).minor_units
        except UsageError as error:
            raise NotExpressible(str(error)) from error

    def paid(self) -> dict[str, int]:
        """Say what each gift card pays."""
        return {card: answer.paid.minor_units for card, answer in self.quote.cards.items()}


def member_with(orders: int, currency: str) -> Membership:
    """Place so many orders before."""
    plain = program_of(OfferBook([], stacking=Stacking(Mode.ALL)), currency)
    member = Membership.open("m")
    for number in range(orders):
        quote = plain.quote(Basket([Line("1", Money(100, currency))]), member, at=AT)
        placed = plain.place(quote, member, order_id=f"before-{number}", at=AT)
        assert placed.member is not None  # a member's order is written to the member
        member = placed.member.state
    return member


@final
@attrs.frozen(kw_only=True)
class Asked:
    """A case as ours says it.

    Attributes:
        peer: The policy.
        basket: What is bought.
        names: Its products, by sku.
        book: The offers.
        view: What was used of them, and the gift cards that are to pay, in their order.
    """

    peer: Peer
    basket: Basket
    names: Mapping[str, str]
    book: OfferBook
    view: View


def card_of(card_id: str, balance: Money) -> GiftCard:
    """Issue a gift card; one that never held anything was not issued."""
    card = GiftCard.open(card_id)
    return card if not balance.minor_units else card.issue(balance, ref="sale", expires_at=None, at=AT).state


def asked(case: Case) -> Asked:
    """Read a case."""
    currency, said = case["currency"], case["offers"]
    peer = policy(PEERS.get(case["source_repo"], NO_POLICY), Words("policy", case.get("policy", {})))
    shipping, names = case.get("shipping"), names_of(case, peer)
    basket = Basket(
        list(lines_of(case, names, currency, floors=respects_floors(said))),
        shipping=None if shipping is None else Money.of(shipping, currency),
        currency=currency,
    )
    # All of a program is in one currency: an offer in another belongs to another program.
    own = [one for one in said if one["kind"] != "gift_card" and one.get("currency", currency) == currency]
    offers = [promised(one, case, basket, names, peer) for one in own]
    cards = {one["id"]: card_of(one["id"], Money.of(one["balance"], currency)) for one in said if one["kind"] == "gift_card"}
    return Asked(
        peer=peer,
        basket=basket,
        names=names,
        book=OfferBook([one.offer for one in offers], stacking=stacking_of(offers, peer)),
        view=View(used={one.offer.offer_id: one.used for one in offers}, cards=cards),
    )


def bought(case: Case) -> Bought:
    """Quote a case."""
    try:
        ours = asked(case)
    except UsageError as error:
        why = f"ours refuses to say it: {error}"
        raise NotExpressible(why) from error
    currency = ours.basket.currency
    context = Words("context", case.get("context", {}))
    context.take("code_uses_by_customer")  # read with the offers
    quote = program_of(ours.book, currency).quote(
        ours.basket,
        member_with(context.take("previous_orders", default=0), currency),
        profile=Profile(tags=context.take("customer_groups", default=())),
        codes=[typed(code) for code in context.take("codes", default=())],
        cards=list(ours.view.cards),
        view=ours.view,
        at=AT,
    )
    context.finish()
    skus = {product: sku for sku, product in ours.names.items()}
    return Bought(quote=quote, skus=skus, peer=ours.peer)


# ---- what the case expects ----

Compared = tuple[object, object]
"""Ours, and the peer's."""


def order_discount(done: Bought, said: str) -> Compared:
    """What is off the goods."""
    return done.quote.offers.goods_minor, done.minor(said)


def shipping_discount(done: Bought, said: str) -> Compared:
    """What is off shipping."""
    return done.quote.offers.shipping_minor, done.minor(said)


def total(done: Bought, said: str) -> Compared:
    """What is left to pay, with shipping, after gift cards."""
    return done.quote.to_pay.minor_units, done.minor(said)


def line_discounts(done: Bought, said: Mapping[str, str]) -> Compared:
    """What is off each product named, over all its lines."""
    off = Counter[str]()
    for line in done.quote.lines.values():
        off[done.skus[line.product_id]] += line.discount_minor
    return {sku: off[sku] for sku in said}, {sku: done.minor(amount) for sku, amount in said.items()}


def unit_discounts(done: Bought, said: Mapping[str, Sequence[str]]) -> Compared:
    """What is off each unit of a product; units are alike, so that which of them holds the odd cent says nothing."""
    off: dict[str, list[int]] = {sku: [] for sku in said}
    for line_id, line in done.quote.lines.items():
        sku = done.skus[line.product_id]
        if sku in off:
            each = line.list_minor // line.quantity
            off[sku] += [each - left for left in done.quote.unit_shares(line_id)]
    theirs = {sku: sorted(done.minor(amount) for amount in amounts) for sku, amounts in said.items()}
    return {sku: sorted(amounts) for sku, amounts in off.items()}, theirs


def per_offer(done: Bought, said: Mapping[str, Mapping[str, str]]) -> Compared:
    """What each offer takes off each product."""
    off: dict[str, Counter[str]] = {offer: Counter() for offer in said}
    for line in done.quote.lines.values():
        for offer, share in line.offers.items():
            off.setdefault(offer, Counter())[done.skus[line.product_id]] += share
    theirs = {offer: Counter({sku: done.minor(amount) for sku, amount in shares.items()}) for offer, shares in said.items()}
    return off, theirs


def applied(done: Bought, said: Sequence[str]) -> Compared:
    """Which offers apply, and cards pay, in any order: ours is by lane and priority.

    Where an engine names an offer as applied that gave nothing, because nothing was left or there was nothing to give it on, ours
    is not held against it: ours uses up no use of such an offer.
    """
    ours = {one.offer_id for one in done.quote.offers.applied} | {card for card, paid in done.paid().items() if paid}
    if done.peer.names_idle and not done.quote.book.stacking.at_most:
        ours |= {offer for offer in said if is_idle(done, offer)}
    return sorted(ours), sorted(said)


def is_idle(done: Bought, offer_id: str) -> bool:
    """Say whether an offer's own condition holds, and it gives nothing: alone, or on what the others have left."""
    answer = done.quote.verdict(offer_id)
    reasons = [refusal.reason for refusal in answer.refusals] if isinstance(answer, Refused) else []
    return reasons in ([Reason.OFFER_WITHOUT_EFFECT], [Reason.OFFER_SUPERSEDED])


def nudges(done: Bought, said: Sequence[Mapping[str, Any]]) -> Compared:
    """How far off the offers named are."""
    ours, theirs = list[object](), list[object]()
    found = {nudge.offer_id: nudge for nudge in done.quote.nudges}
    for one in said:
        words = Words("a nudge", one)
        nudge, amount, units = found.get(words.need("offer")), words.take("missing_amount"), words.take("missing_items")
        words.finish()
        theirs.append((None if amount is None else Money.of(amount, done.currency), units))
        ours.append(None if nudge is None else (nudge.missing, nudge.missing_units))
    return ours, theirs


def rejections(done: Bought, said: Sequence[Mapping[str, str]]) -> Compared:
    """Why the codes named give nothing."""
    ours, theirs = list[object](), list[object]()
    for one in said:
        words = Words("a rejection", one)
        answer = done.quote.codes.get(typed(words.need("code")))
        theirs.append(read("a rejection", REJECTIONS, words.need("reason")))
        ours.append(None if answer is None or answer.refusal is None else answer.refusal.reason)
        words.finish()
    return ours, theirs


def free_units(done: Bought, said: Mapping[str, int]) -> Compared:
    """How many units of each product cost nothing: those put beside what is bought, and those in the basket.

    What an offer takes off some units of a product is shared by all of them, so the free ones are counted by their worth.
    """
    free = Counter[str]()
    for gift in done.quote.gifts:
        free[done.skus.get(gift.product_id, gift.product_id)] += gift.quantity
    for line in done.quote.lines.values():
        for offer_id, share in line.offers.items():
            if frees(done.quote.book.offer(offer_id)):
                free[done.skus[line.product_id]] += share * line.quantity // line.list_minor
    return {sku: free[sku] for sku in said}, said


def frees(offer: Offer | None) -> bool:
    """Say whether what an offer takes something off costs nothing then."""
    give = None if offer is None else offer.give
    return isinstance(give, Gift | QuantityLadder) or (isinstance(give, BuyGet | PercentOff) and give.percent == "100")


def gift_card_paid(done: Bought, said: str) -> Compared:
    """What gift cards pay."""
    return sum(done.paid().values()), done.minor(said)


EXPECTED: Final[Mapping[str, Callable[[Bought, Any], Compared]]] = MappingProxyType(
    {
        "order_discount": order_discount,
        "total": total,
        "shipping_discount": shipping_discount,
        "line_discounts": line_discounts,
        "unit_discounts": unit_discounts,
        "per_offer": per_offer,
        "applied": applied,
        "nudges": nudges,
        "rejections": rejections,
        "free_units": free_units,
        "gift_card_paid": gift_card_paid,
    }
)
"""By the word of the case."""


def promotion(case: Case) -> None:
    """Compare all that a case expects."""
    known = {"id", "source_repo", "source_path", "description", "notes"}  # for people
    read_here = {"currency", "lines", "shipping", "context", "offers", "policy", "expected"}
    Words("the case", {word: said for word, said in case.items() if word not in known | read_here}).finish()
    done, differences = bought(case), list[str]()
    for word, said in case["expected"].items():
        ours, theirs = read("expected", EXPECTED, word)(done, said)
        if ours != theirs:
            differences.append(f"{word} {ours}, not {theirs}")
    if differences:
        text = "; ".join(differences)
        raise Differs(text)


@final
class EveryCase(Mapping[str, Expression]):
    """The one rule, for whatever case is asked for: no case is named."""

    def __getitem__(self, case_id: str) -> Expression:
        """Give the rule."""
        return promotion

    def __iter__(self) -> Iterator[str]:
        """Name no case."""
        return iter(())

    def __len__(self) -> int:
        """Count the cases named: none."""
        return 0


CASES: Final = EveryCase()
