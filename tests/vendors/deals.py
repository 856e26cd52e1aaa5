"""What our offers give for the rules of other vendors: books of offers, and whole quotes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from itertools import permutations
from types import MappingProxyType
from typing import Final

from loyaltycore import Basket, Line, Money, Program
from loyaltycore.basket import Filter
from loyaltycore.benefits import AmountOff, Benefit, Fill, FixedPrice, Gift, Per, PercentOff, Units
from loyaltycore.conditions import Base, all_of, member_tagged, spend_at_least
from loyaltycore.errors import Reason, Refused
from loyaltycore.offers import Combines, Lane, Limits, Mode, Offer, OfferBook, Stacking, Used, View
from loyaltycore.periods import Calendar
from loyaltycore.points import Combine, Overdraft
from loyaltycore.program import BurnFirst, Quote
from loyaltycore.quantities import Rounding

__all__ = ["AT", "OURS", "program_of"]

AT: Final = datetime(2026, 7, 6, 10, tzinfo=UTC)
EVERYTHING: Final = Stacking(Mode.ALL)


def program_of(book: OfferBook, currency: str) -> Program:
    """Make a program of nothing but offers."""
    return Program(
        name="peer",
        version=1,
        currency=currency,
        calendar=Calendar("UTC"),
        starts_on=date(2026, 7, 1),
        returns=None,
        earning=(),
        combine=Combine.SUM,
        actions={},
        burning=None,
        burn_first=BurnFirst.SOONEST_EXPIRY,
        overdraft=Overdraft.CARRY,
        restore=None,
        tiers=None,
        book=book,
    )


def eur(amount: str) -> Money:
    """Read an amount."""
    return Money.of(amount, "EUR")


def quoted(basket: Basket, offers: Iterable[Offer], *, stacking: Stacking = EVERYTHING, view: View | None = None) -> Quote:
    """Quote a guest's basket under a book of offers."""
    rules = program_of(OfferBook(offers, stacking=stacking), basket.currency)
    return rules.quote(basket, view=View() if view is None else view, at=AT)


def taken(quote: Quote) -> list[int]:
    """Say what each offer takes off, in the order they apply."""
    return [one.discount_minor for one in quote.offers.applied]


def one_thing(price: str) -> Basket:
    """Put one thing into a basket."""
    return Basket([Line("1", eur(price), product_id="thing")])


def in_order(*benefits: Benefit, base: Base) -> list[Offer]:
    """Make offers that apply in this order."""
    return [Offer(f"number-{place}", give=give, base=base, priority=-place) for place, give in enumerate(benefits, start=1)]


def three_in_a_row() -> tuple[list[int], int, int]:
    """Take 100, then a fifth of what is left, then 8000 off an order of 200000: each, together, and what is left."""
    benefits = (AmountOff(eur("1.00"), per=Per.BASKET), PercentOff("20"), AmountOff(eur("80.00"), per=Per.BASKET))
    quote = quoted(one_thing("2000.00"), in_order(*benefits, base=Base.RUNNING))
    return taken(quote), quote.discount.minor_units, quote.total.minor_units


def two_bases() -> tuple[str, str]:
    """Take 10 % and 20 % off 100.00: both of the list price, and the second of what the first has left."""
    quotes = [
        quoted(one_thing("100.00"), in_order(PercentOff("10"), PercentOff("20"), base=base)) for base in (Base.LIST, Base.RUNNING)
    ]
    initial, discounted = (str(quote.discount.decimal) for quote in quotes)
    return initial, discounted


def never_stackable() -> tuple[set[str], set[Reason]]:
    """Offer half off alone and a tenth off with others, in any order and priority: what applies, and why the other does not."""
    applied, why = set[str](), set[Reason]()
    half = Offer("half", give=PercentOff("50"), combines=Combines.ALONE)
    for priority in (-1, 0, 1):
        tenth = Offer("tenth", give=PercentOff("10"), priority=priority)
        for offers in permutations([half, tenth]):
            quote = quoted(one_thing("100.00"), offers)
            applied |= {one.offer_id for one in quote.offers.applied}
            answer = quote.verdict("tenth")
            why |= {refusal.reason for refusal in answer.refusals} if isinstance(answer, Refused) else set()
    return applied, why


def cart() -> Basket:
    """Give the vendor's cart: three products that are eligible, and one that is not."""
    lines = [Line(product, eur(price), count, tags=["eligible"]) for product, price, count in ELIGIBLE]
    return Basket([*lines, Line("other", eur("50.00"))])


ELIGIBLE: Final = (("first", "10.00", 2), ("second", "15.00", 3), ("third", "20.00", 3))
ELIGIBLE_GOODS: Final = Filter(tags=["eligible"])


def on_cart(give: Benefit) -> tuple[list[str], str]:
    """Give something on the eligible goods of the cart: what is off each line, and what is left."""
    quote = quoted(cart(), [Offer("it", give=give)])
    return [str(line.discount.decimal) for line in quote.lines.values()], str(quote.total.decimal)


def split_amount() -> tuple[list[str], str]:
    """Share 10.00 by what the lines cost."""
    return on_cart(AmountOff(eur("10.00"), per=Per.SHARED, of=ELIGIBLE_GOODS))


def new_price() -> tuple[list[str], str]:
    """Sell each eligible unit for 10.00."""
    return on_cart(FixedPrice(eur("10.00"), of=ELIGIBLE_GOODS))


def add_missing() -> tuple[list[int], list[int]]:
    """Give two T-shirts to baskets that hold 0, 1 and 2: how many are added, and how many cost nothing in all."""
    added, free = list[int](), list[int]()
    for held in (0, 1, 2):
        shirts = [Line("t-shirt", eur("20.00"), held)] if held else []
        quote = quoted(Basket([Line("mug", eur("8.00")), *shirts]), [Offer("two", give=Gift("t-shirt", 2, fill=Fill.MISSING))])
        added.append(sum(gift.quantity for gift in quote.gifts))
        free.append(added[-1] + (quote.unit_shares("t-shirt").count(0) if held else 0))
        assert quote.total == eur("8.00")
    return added, free


def every_third() -> list[int]:
    """Take something off ten units of rising price, skipping one and then one in three: the places of those it reaches."""
    basket = Basket([Line(f"{place}", Money(100 * place, "EUR")) for place in range(1, 11)])
    quote = quoted(basket, [Offer("it", give=PercentOff("50", units=Units(skip=1, every=3)))])
    return [place for place, line in enumerate(quote.lines.values(), start=1) if line.discount_minor]


def two_order_discounts() -> tuple[list[str], str]:
    """Take 10 % and 15 % off 350.00, both of the first subtotal."""
    quote = quoted(one_thing("350.00"), in_order(PercentOff("10"), PercentOff("15"), base=Base.LIST))
    return [str(eur("0.01").decimal * minor) for minor in taken(quote)], str(quote.discount.decimal)


def best_deal() -> tuple[int, list[str], list[Reason]]:
    """Offer 30 % off the product or 10 % off the cart, one of the two: the price, what applies, and why the other does not."""
    product = Offer("product", give=PercentOff("30", rounding=Rounding.HALF_EVEN), lane=Lane.PRODUCT, group="best-deal")
    whole = Offer("cart", when=spend_at_least(eur("100.00")), give=PercentOff("10"), group="best-deal")
    quote = quoted(one_thing("259.99"), [product, whole], stacking=Stacking(Mode.BEST))
    answer = quote.verdict("cart")
    why = [refusal.reason for refusal in answer.refusals] if isinstance(answer, Refused) else []
    return quote.total.minor_units, [one.offer_id for one in quote.offers.applied], why


def eligibility() -> tuple[list[str], int, int]:
    """Ask for a guest which offers apply, what they take off and what is left."""
    basket = Basket([Line("1", eur("100.00"), product_id="book"), Line("2", eur("15.00"), product_id="pen")])
    tenth = Offer("for-all", give=PercentOff("10"))
    digital = PercentOff("20", of=Filter(categories=["digital books"]))
    quote = quoted(basket, [tenth, Offer("for-vip", when=all_of(member_tagged("vip")), give=digital)])
    return [one.offer_id for one in quote.offers.applied], quote.discount.minor_units, quote.total.minor_units


def units_of_a_campaign() -> list[int]:
    """Let buyers take 5, 4 and 3 units of a campaign that has 10: how many each gets cheaper."""
    offer, used, found = Offer("it", give=PercentOff("10"), limits=Limits(units=10)), 0, list[int]()
    for count in (5, 4, 3):
        basket = Basket([Line("1", eur("10.00"), count)])
        quote = quoted(basket, [offer], view=View(used={"it": Used(units=used)}))
        (applied,) = quote.offers.applied
        assert quote.discount.minor_units == 100 * applied.units  # a tenth of ten, for each unit
        found.append(applied.units)
        used += applied.units
    return found


OURS: Final[Mapping[str, Callable[[], object]]] = MappingProxyType(
    {
        "v-stack-gift-pct-amt": three_in_a_row,
        "v-calc-mode": two_bases,
        "v-exclusive": never_stackable,
        "v-split-amount": split_amount,
        "v-new-price": new_price,
        "v-add-missing": add_missing,
        "v-skip-repeat": every_third,
        "shopify-two-order-pct": two_order_discounts,
        "ct-best-deal": best_deal,
        "v-qualify-10pct": eligibility,
        "v-campaign-units": units_of_a_campaign,
    }
)
"""What ours gives, by case id."""
