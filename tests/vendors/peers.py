"""What eight shop engines do with offers that meet, each in our words: the policy under which their cases are compared."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, final

import attrs

from loyaltycore.benefits import Level, Pick, Reward
from loyaltycore.conditions import Base
from loyaltycore.offers import Lane, Mode
from loyaltycore.quantities import Over, Remainder, Rounding

__all__ = ["NO_POLICY", "PEERS", "Peer"]


@final
@attrs.frozen(kw_only=True)
class Peer:
    """The policy of one engine, in our words; a case's own ``policy`` goes before it.

    Attributes:
        mode: How its offers meet.
        one_row: The lane in which all its offers on goods stand, where only their priority orders them; ``None`` where what is
            off goods goes before what is off the order.
        goods_base: Which prices a percentage off goods is of.
        order_base: Which prices a percentage off the order is of.
        threshold_base: Which prices a threshold is of, where the case does not say.
        rounding: How a fraction of a minor unit is rounded.
        shipping_rounding: The same for shipping.
        level: What of a percentage off goods is rounded.
        cheapest_line_first: Whether it goes through the lines by price, so that the last is the dearest; else as they come.
        remainder: Who gets the minor units that are left of an amount.
        bundle_first: Which units it bundles first.
        reward: Which units buy-X-get-Y gives.
        own_units: The lane in which a unit serves one offer only; ``None`` where offers share units.
        over: What becomes of an offer of which less is left than it would take.
        names_idle: Whether it names an offer as applied that gave nothing.
        cheapest_again: Whether the cheapest unit is free once for every full set, unless a case says how often.
    """

    mode: Mode = Mode.ALL
    one_row: Lane | None = None
    goods_base: Base = Base.RUNNING
    order_base: Base = Base.RUNNING
    threshold_base: Base = Base.LIST
    rounding: Rounding = Rounding.HALF_UP
    shipping_rounding: Rounding = Rounding.HALF_UP
    level: Level = Level.OFFER
    cheapest_line_first: bool = False
    remainder: Remainder = Remainder.LARGEST
    bundle_first: Pick = Pick.DEAREST
    reward: Reward = Reward.CHEAPEST
    own_units: Lane | None = None
    over: Over = Over.TRUNCATE
    names_idle: bool = False
    cheapest_again: bool = False


PEERS: Final[Mapping[str, Peer]] = MappingProxyType(
    {
        # A unit that served one offer is used up, unless the offer says exclusive = false; all is worked out on list prices and
        # rounded down, the dearest line takes what is left; an offer is applied again while there are units, the cheapest first.
        "django-oscar/django-oscar": Peer(
            one_row=Lane.PRODUCT,
            goods_base=Base.LIST,
            order_base=Base.LIST,
            rounding=Rounding.DOWN,
            shipping_rounding=Rounding.HALF_EVEN,
            cheapest_line_first=True,
            remainder=Remainder.LAST,
            bundle_first=Pick.CHEAPEST,
            own_units=Lane.PRODUCT,
            names_idle=True,
            cheapest_again=True,
        ),
        # Offers on goods first, from each unit's own price; then those on the order, each on what is left. Before each its
        # condition is tested again, on what is left; whatever passes is named, also where it gives nothing.
        "vendure-ecommerce/vendure": Peer(goods_base=Base.LIST, threshold_base=Base.RUNNING, level=Level.UNIT, names_idle=True),
        # Only the priority orders offers; those on units take the unit's own price, those on the order what is left, and
        # conditions see what is left.
        "Sylius/Sylius": Peer(one_row=Lane.BASKET, goods_base=Base.LIST, threshold_base=Base.RUNNING, level=Level.UNIT),
        # Buy-X-get-Y goes first: the dearest are bought, the dearest of the rest are given, and all of them are used up; then all
        # others, each on what is left. An offer whose budget does not cover it is not given at all.
        "medusajs/medusa": Peer(reward=Reward.DEAREST_LEFT, own_units=Lane.PRODUCT, over=Over.REFUSE),
        # Offers on goods and on the order alike are shared out to lines, and of those on one line the best applies, rounded
        # per line.
        "solidusio/solidus": Peer(mode=Mode.BEST, one_row=Lane.BASKET, level=Level.LINE),
        # Of the offers on one line the best applies, and of those on the order; all is worked out on list prices.
        "spree/spree": Peer(mode=Mode.BEST, goods_base=Base.LIST, order_base=Base.LIST, level=Level.LINE),
        # The best reduction of a product applies, rounded for one unit.
        "saleor/saleor": Peer(mode=Mode.BEST, level=Level.UNIT),
        # Each reward on what is left of the order; of one group of global discounts the first applies.
        "odoo/odoo": Peer(),
    }
)
"""By source, with the reason."""

NO_POLICY: Final = Peer()
"""Of an engine that is not in the table: what a case says of itself is all there is."""
