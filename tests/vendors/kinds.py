"""How a case of another engine's is read: its words, the policy they state, its basket, and its benefits by ``kind``.

Every word must be read: one that nothing here reads makes the case not expressible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, TypeVar, final

import attrs

from loyaltycore import Basket, Line, Money
from loyaltycore.basket import Filter, PriceState
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BundlePrice,
    BuyGet,
    FreeShipping,
    Gift,
    Level,
    Part,
    Per,
    PercentOff,
    Pick,
    QuantityLadder,
    Reward,
    Several,
    ShippingAmountOff,
    ShippingPercentOff,
    ShippingPrice,
    Single,
    SpendLadder,
    Spread,
    Units,
    cheapest_free,
    n_for_m,
)
from loyaltycore.offers import Lane
from loyaltycore.quantities import Remainder, Rounding
from tests.cases import Case, NotExpressible
from tests.vendors.peers import Peer

__all__ = [
    "GOODS",
    "KINDS",
    "ORDER",
    "SHIPPING",
    "Seen",
    "Words",
    "goods_of",
    "lines_of",
    "names_of",
    "policy",
    "read",
    "respects_floors",
]

K = TypeVar("K")
T = TypeVar("T")


# ---- words, and the policy they state ----

LEVELS: Final = MappingProxyType({"offer": Level.OFFER, "order": Level.OFFER, "unit": Level.UNIT, "line": Level.LINE})
"""By a word that a policy's level begins with; "unit/line" rounds one unit, and so the line of it."""

PICKS: Final = MappingProxyType({"cheapest_first": Pick.CHEAPEST, "dearest_first": Pick.DEAREST})


@final
class Words:
    """The words of one object of a case: each must be read."""

    def __init__(self, where: str, words: Mapping[str, Any]) -> None:
        """Begin with all of them unread."""
        self._where = where
        self._left = dict(words)

    def __contains__(self, word: str) -> bool:
        """Say whether a word is there that was not read."""
        return word in self._left

    def take(self, word: str, default: Any = None) -> Any:  # noqa: ANN401 - what JSON holds
        """Read a word that need not be there."""
        return self._left.pop(word, default)

    def need(self, word: str) -> Any:  # noqa: ANN401 - what JSON holds
        """Read a word that must be there."""
        if word not in self._left:
            why = f"{self._where} does not say {word}"
            raise NotExpressible(why)
        return self._left.pop(word)

    def finish(self) -> None:
        """Refuse what nothing has read."""
        if self._left:
            why = f"{self._where} says {', '.join(sorted(self._left))}: nothing here reads that"
            raise NotExpressible(why)


def read(where: str, table: Mapping[K, T], word: K) -> T:
    """Look a word up, loudly."""
    if word not in table:
        why = f"{where} says {word!r}: nothing here reads that"
        raise NotExpressible(why)
    return table[word]


def policy(peer: Peer, said: Words) -> Peer:
    """Put a case's own policy before the engine's."""
    rounding, level, remainder = said.take("rounding"), said.take("level"), said.take("remainder")
    said.finish()
    if rounding is not None:
        exact = Rounding(rounding.split(",")[0])
        peer = attrs.evolve(peer, rounding=exact, shipping_rounding=exact)
    if level is not None:
        word = next((word for word in LEVELS if level.startswith(word)), level)
        peer = attrs.evolve(peer, level=read("policy.level", LEVELS, word))
    if remainder is not None:
        peer = attrs.evolve(peer, remainder=_remainder(remainder, peer))
    return peer


def _remainder(said: str, peer: Peer) -> Remainder:
    """Read who gets the rest: the largest share, the first, the last; "first units" are within a line, "same" is as ever."""
    if said.startswith("largest"):
        return Remainder.LARGEST
    parts = {"first line": Remainder.FIRST, "last line": Remainder.LAST}
    return peer.remainder if said in {"same", "first units"} else read("policy.remainder", parts, said.replace("_", " "))


# ---- the basket ----


def names_of(case: Case, peer: Peer) -> dict[str, str]:
    """Name the products in the order in which the engine goes through its lines, by sku.

    Where prices are equal, and where one line takes what is left of an amount, ours goes by product and the peers by line.
    """
    lines = sorted(case["lines"], key=lambda line: Decimal(line["unit_price"])) if peer.cheapest_line_first else case["lines"]
    skus = dict.fromkeys(line["sku"] for line in lines)
    return {sku: f"{place:04}-{sku}" for place, sku in enumerate(skus)}


def lines_of(case: Case, names: Mapping[str, str], currency: str, *, floors: bool) -> Iterator[Line]:
    """Read the lines; a product that stands on two lines has two line ids."""
    seen = Counter[str]()
    for said in case["lines"]:
        words = Words("a line", said)
        sku = words.need("sku")
        seen[sku] += 1
        price, listed = Money.of(words.need("unit_price"), currency), words.take("list_price")
        floor, reduced = words.take("minimum_unit_price"), words.take("already_discounted", default=False)
        # Where only the fact is told and not the crossed-out price, any higher one says it.
        above = Money(price.minor_units + 1, currency) if reduced else None
        yield Line(
            sku if seen[sku] == 1 else f"{sku}-{seen[sku]}",
            price,
            words.need("quantity"),
            product_id=names[sku],
            tags=words.take("tags", default=()),
            regular_price=above if listed is None else Money.of(listed, currency),
            floor_price=None if floor is None or not floors else Money.of(floor, currency),
        )
        words.finish()


def respects_floors(offers: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether floors hold: ours are the goods' own, so either all offers respect them or none."""
    said = {offer.get("respect_minimum_unit_price", False) for offer in offers if offer["kind"] != "gift_card"}
    if len(said) > 1:
        why = "one offer respects minimum prices and another does not: ours belong to the goods"
        raise NotExpressible(why)
    return said == {True}


# ---- benefits ----


@final
@attrs.frozen(kw_only=True)
class Seen:
    """What a benefit is read with.

    Attributes:
        basket: What is bought; some peers count by it what ours says by price.
        names: Its products, by sku.
        peer: The policy.
        times: How often the offer may be applied to the basket; ``None`` as often as it goes.
        when: What the case says of the condition, for benefits that are made of it.
    """

    basket: Basket
    names: Mapping[str, str]
    peer: Peer
    times: int | None
    when: Mapping[str, Any]

    def money(self, amount: str) -> Money:
        """Read an amount."""
        return Money.of(amount, self.basket.currency)

    def product(self, sku: str) -> str:
        """Name a product, also one that is not in the basket."""
        return self.names.get(sku, sku)

    def once(self) -> None:
        """Refuse an amount or a percentage that is taken off several times over."""
        if self.times not in {None, 1}:
            why = f"max_applications of {self.times}: ours takes an amount or a percentage off once"
            raise NotExpressible(why)


def goods_of(words: Words, seen: Seen) -> Filter:
    """Read which goods are meant."""
    if words.take("scope", default="all") != "all":
        why = "a scope that is not all"
        raise NotExpressible(why)
    exact, low, high = words.take("unit_price_equals"), words.take("unit_price_min"), words.take("unit_price_max")
    low, high = (exact, exact) if exact is not None else (low, high)
    reduced_too = words.take("applies_to_already_discounted", default=True)
    return Filter(
        tags=[tag for tag in [words.take("tag")] if tag is not None],
        products=[seen.product(sku) for sku in words.take("skus", default=())],
        price=PriceState.ANY if reduced_too else PriceState.REGULAR,
        price_from=None if low is None else seen.money(low),
        price_to=None if high is None else seen.money(high),
    )


def units_of(words: Words) -> Units:
    """Read how many units are meant; the peers take the cheapest first unless they say so."""
    first = read("pick", PICKS, words.take("pick", default="cheapest_first"))
    return Units(first=first, at_most=words.take("max_items"), each_at_most=words.take("max_items_per_line"))


def percent_of(words: Words) -> Decimal:
    """Read a percentage: nothing is more than free."""
    return min(Decimal(words.need("percent")), Decimal(100))


def percent_off_goods(words: Words, seen: Seen) -> Single:
    """Read a percentage off some goods."""
    seen.once()
    return PercentOff(
        percent_of(words),
        of=goods_of(words, seen),
        units=units_of(words),
        rounding=seen.peer.rounding,
        rounded_per=seen.peer.level,
        remainder=seen.peer.remainder,
    )


def percent_off_order(words: Words, seen: Seen) -> Single:
    """Read a percentage off the whole, rounded once."""
    seen.once()
    of, peer = goods_of(words, seen), seen.peer
    return PercentOff(percent_of(words), of=of, rounding=peer.rounding, remainder=peer.remainder)


def amount_off(per: Per) -> Callable[[Words, Seen], Single]:
    """Read an amount off: off each unit, off each line, or shared by the goods that are meant."""

    def made(words: Words, seen: Seen) -> Single:
        seen.once()
        return AmountOff(
            seen.money(words.need("amount")),
            per=per,
            of=goods_of(words, seen),
            units=units_of(words),
            remainder=seen.peer.remainder,
        )

    return made


def amount_off_order(words: Words, seen: Seen) -> Single:
    """Read an amount off the whole; shipping may take its share."""
    seen.once()
    spread = {"items": Spread.GOODS, "items_and_shipping": Spread.GOODS_AND_SHIPPING}
    of = goods_of(words, seen)
    return AmountOff(
        seen.money(words.need("amount")),
        per=Per.BASKET if of.is_open else Per.SHARED,
        of=of,
        spread=read("spread_over", spread, words.take("spread_over", default="items")),
        remainder=seen.peer.remainder,
    )


def bundle(words: Words, seen: Seen) -> Single:
    """Read so many units for a price."""
    part = Part(words.need("quantity"), goods_of(words, seen))
    return BundlePrice(seen.money(words.need("price")), parts=[part], times=seen.times, first=seen.peer.bundle_first)


def cheapest(words: Words, seen: Seen) -> Single:
    """Read the cheapest unit free: once, or once for every full set where the engine goes on."""
    of, size = goods_of(words, seen), seen.when.get("min_items", 1)
    if seen.times == 1 or size == 1 or not seen.peer.cheapest_again:
        return cheapest_free(of=of)
    return attrs.evolve(n_for_m(size, size - 1, of=of, times=seen.times), reward=Reward.CHEAPEST)


def buy_get(words: Words, seen: Seen) -> Single:
    """Read buy X, get Y free."""
    parts = {}
    for name in ("buy", "get"):
        goods = Words(name, words.need(name))
        parts[name] = Part(words.need(f"{name}_quantity"), goods_of(goods, seen))
        goods.finish()
    return BuyGet(buy=parts["buy"], get=parts["get"], reward=seen.peer.reward, times=seen.times)


def free_per_bought(words: Words, seen: Seen) -> Benefit:
    """Read one free for every n bought: of those in the basket, or put beside them, as a gift on a ladder."""
    n, product = words.need("n"), seen.product(words.need("product"))
    of = Filter(products=[product])
    if not words.take("adds_line", default=False):
        return BuyGet(buy=Part(n, of), get=Part(1, of), reward=Reward.CHEAPEST, times=seen.times)
    bought = sum(line.quantity for line in seen.basket.lines if line.product_id == product)
    most = min(bought // n, seen.times or bought) or 1
    return QuantityLadder({n * count: Gift(product, count) for count in range(1, most + 1)}, of=of)


def tiered(make: Callable[[Words, Seen], Single], said: str) -> Callable[[Words, Seen], Benefit]:
    """Read a ladder by what is spent: a base that is given always, and rungs above it."""

    def made(words: Words, seen: Seen) -> Benefit:
        rungs = {"0": words.need(f"base_{said}"), **words.need("tiers")}
        return SpendLadder({seen.money(start): make(Words("a tier", {said: value}), seen) for start, value in rungs.items()})

    return made


def complete_groups(words: Words, seen: Seen) -> Single:
    """Read a discount on whole sets: the peer fills them from its largest line on, ours from the cheapest or dearest unit on."""
    seen.once()
    size, of = words.need("group_size"), goods_of(words, seen)
    units = Units(first=_pick_like_largest_line(seen.basket, of, size), sets_of=size)
    if "amount_per_unit" in words:
        return AmountOff(seen.money(words.need("amount_per_unit")), per=Per.UNIT, of=of, units=units)
    return PercentOff(percent_of(words), of=of, units=units, rounding=seen.peer.rounding, rounded_per=Level.UNIT)


def _pick_like_largest_line(basket: Basket, of: Filter, size: int) -> Pick:
    """Find the end from which ours takes the very units that fill the sets of the largest lines."""
    groups = [group for group in basket.line_groups() if of.takes(group)]
    count = sum(group.quantity for group in groups) // size * size
    largest = _first_units(sorted(groups, key=lambda group: -group.quantity), count)
    for pick, sign in ((Pick.CHEAPEST, 1), (Pick.DEAREST, -1)):
        if _first_units(sorted(groups, key=lambda group: sign * group.unit_minor), count) == largest:
            return pick
    why = "sets are filled from the largest line on, and the prices do not run the same way: ours fills them by price"
    raise NotExpressible(why)


def _first_units(groups: Sequence[Any], count: int) -> dict[tuple[str, int], int]:
    """Give the first units of a row, by product and price."""
    taken = dict[tuple[str, int], int]()
    for group in groups:
        own = min(group.quantity, count)
        if own:
            taken[group.product_id, group.unit_minor] = own
        count -= own
    return taken


def shipping_percent(words: Words, seen: Seen) -> Single:
    """Read a percentage off shipping."""
    return ShippingPercentOff(percent_of(words), rounding=seen.peer.shipping_rounding)


def shipping_amount(words: Words, seen: Seen) -> Single:
    """Read an amount off shipping."""
    return ShippingAmountOff(seen.money(words.need("amount")))


def shipping_price(words: Words, seen: Seen) -> Single:
    """Read a price for shipping."""
    return ShippingPrice(seen.money(words.need("price")))


def several(words: Words, seen: Seen) -> Benefit:
    """Read several benefits of one offer."""
    made = list[Single]()
    for action in words.need("actions"):
        own = Words("an action", action)
        benefit = KINDS[own.need("kind")][1](own, seen)
        assert isinstance(benefit, Single)  # a ladder is no part of several
        made.append(benefit)
        own.finish()
    return Several(made)


GOODS, ORDER, SHIPPING = Lane.PRODUCT, Lane.BASKET, Lane.SHIPPING

KINDS: Final[Mapping[str, tuple[Lane, Callable[[Words, Seen], Benefit]]]] = MappingProxyType(
    {
        "percent_off_order": (ORDER, percent_off_order),
        "percent_off_matching_items": (GOODS, percent_off_goods),
        "percent_off_shipping": (SHIPPING, shipping_percent),
        "fixed_amount_off_order": (ORDER, amount_off_order),
        "fixed_amount_off_shared_by_matching_items": (GOODS, amount_off(Per.SHARED)),
        "fixed_amount_off_each_matching_line": (GOODS, amount_off(Per.LINE)),
        "fixed_amount_off_each_matching_unit": (GOODS, amount_off(Per.UNIT)),
        "fixed_amount_off_shipping": (SHIPPING, shipping_amount),
        "fixed_price_shipping": (SHIPPING, shipping_price),
        "free_shipping": (SHIPPING, lambda _words, _seen: FreeShipping()),
        "bundle_for_fixed_price": (GOODS, bundle),
        "cheapest_item_free": (GOODS, cheapest),
        "buy_x_get_y_free": (GOODS, buy_get),
        "free_product_per_n_bought": (GOODS, free_per_bought),
        "discount_only_complete_groups": (GOODS, complete_groups),
        "tiered_percent_off_order": (ORDER, tiered(percent_off_order, "percent")),
        "tiered_fixed_amount_off_order": (ORDER, tiered(amount_off_order, "amount")),
        "several_actions": (GOODS, several),
    }
)
"""By kind: what it is off, and how it is read."""
