"""What offers take off, worked out unit by unit: slow, plain, and sharing no arithmetic with the library.

No index, no search tree, no runs: a list of parcels, each a list of units, exact fractions, and every set of offers tried.

What the words of ``benefits`` leave open is decided here:
    1. A *parcel* is the units of one group that have met the same offers. An offer's discount is shared out to parcels, in the
       order of the groups; units that are picked out of a parcel are a parcel of their own behind the others.
    2. What a parcel costs lies evenly on its units; the last ones hold the minor units that cannot be split, and the first are
       picked first.
    3. Equal prices go by group. With the running base the price of a parcel's unit is its average.
    4. An offer reaches the parcels it takes something off; of a bundle or a set of units bought and got all of them.
    5. Bundles made of the same numbers of the same parcels are rounded together.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import ceil, floor

import attrs

from loyaltycore.basket import Filter, PriceState, UnitGroup
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    Fill,
    FixedPrice,
    FreeShipping,
    Gift,
    Level,
    NextCoupon,
    Part,
    Per,
    PercentOff,
    Pick,
    PointsTimes,
    QuantityLadder,
    Reward,
    Several,
    ShippingAmountOff,
    ShippingPercentOff,
    ShippingPrice,
    SpendLadder,
    Spread,
    Units,
)
from loyaltycore.conditions import (
    Across,
    AllOf,
    AnyOf,
    Base,
    CodePresented,
    Condition,
    CouponHeld,
    During,
    InMarket,
    InTier,
    IsMember,
    MemberTagged,
    Not,
    NthOrder,
    PaidBy,
    PastDiscount,
    PointsAtLeast,
    ProductsAtLeast,
    QuantityAtLeast,
    Situation,
    SpendAtLeast,
    ViaChannel,
)
from loyaltycore.offers import AppliedOffer, Combines, GiftGiven, Lane, Mode, Offer, Span, Stacking, Times, View
from loyaltycore.quantities import Over, Remainder, Rounding

__all__ = ["by_hand", "given_by_hand", "holds_by_hand", "key_by_hand", "rounded", "sets_by_hand", "split"]

ORDER = [Lane.PRODUCT, Lane.BASKET, Lane.SHIPPING]


# ---- numbers ----


def rounded(exact: Fraction, rounding: Rounding) -> int:
    """Round what is not below zero."""
    below, above = floor(exact), ceil(exact)
    middle = Fraction(below + above, 2)
    match rounding:
        case Rounding.DOWN:
            return below
        case Rounding.UP:
            return above
        case Rounding.HALF_UP:
            return above if exact >= middle else below
        case Rounding.HALF_DOWN:
            return above if exact > middle else below
        case Rounding.HALF_EVEN:
            return round(exact)


def split(whole: int, weights: Sequence[int], remainder: Remainder) -> list[int]:
    """Split a whole by weight: each part cut down, and what is left to those who were cut most, or to one."""
    if whole == 0:
        return [0] * len(weights)
    exact = [Fraction(whole * weight, sum(weights)) for weight in weights]
    parts = [floor(one) for one in exact]
    weighty = [place for place, weight in enumerate(weights) if weight > 0]
    while sum(parts) < whole:
        if remainder is Remainder.LARGEST:
            most = max(exact[place] - parts[place] for place in weighty)
            place = next(place for place in weighty if exact[place] - parts[place] == most)
        else:
            place = weighty[0] if remainder is Remainder.FIRST else weighty[-1]
        parts[place] += 1
    return parts


def filled(amount: int, weights: Sequence[int], rooms: Sequence[int], remainder: Remainder) -> list[int]:
    """Split by weight; who has no room for his part gets what he has room for, and the others share the rest."""
    if amount >= sum(rooms):
        return list(rooms)
    parts = split(amount, weights, remainder)
    if all(part <= room for part, room in zip(parts, rooms, strict=True)):
        return parts
    full: dict[int, int] = {place: 0 for place, room in enumerate(rooms) if room == 0}
    while True:
        others = [place for place in range(len(rooms)) if place not in full]
        parts = split(amount - sum(full.values()), [weights[place] for place in others], remainder)
        if all(part <= rooms[place] for place, part in zip(others, parts, strict=True)):
            full |= dict(zip(others, parts, strict=True))
            return [full[place] for place in range(len(rooms))]
        full |= {place: rooms[place] for place, part in zip(others, parts, strict=True) if part >= rooms[place]}


def fewest(*limits: int | None) -> int | None:
    """Give the lowest limit there is."""
    return min([limit for limit in limits if limit is not None], default=None)


# ---- goods ----


def means(only: Filter, group: UnitGroup) -> bool:
    """Say whether a filter means these goods."""
    if only.tags and not any(tag in group.tags for tag in only.tags):
        return False
    if only.products and group.product_id not in only.products:
        return False
    if only.categories and not any(category in group.categories for category in only.categories):
        return False
    if only.brands and group.brand not in only.brands:
        return False
    reduced = group.regular_minor is not None and group.unit_minor < group.regular_minor
    if only.price is PriceState.REGULAR and reduced:
        return False
    if only.price is PriceState.REDUCED and not reduced:
        return False
    if only.price_from is not None and group.unit_minor < only.price_from.minor_units:
        return False
    if only.price_to is not None and group.unit_minor > only.price_to.minor_units:
        return False
    return group.product_id not in only.exclude_products and not any(tag in group.tags for tag in only.exclude_tags)


def without(only: Filter, exclude_tags: frozenset[str]) -> Filter:
    """Leave out goods with one of some tags too."""
    return attrs.evolve(only, exclude_tags=[*only.exclude_tags, *exclude_tags])


def goods(only: Filter, situation: Situation) -> list[int]:
    """Give the places of the groups that a filter means, but for those that no offer touches."""
    return [
        place
        for place, group in enumerate(situation.groups)
        if means(only, group) and not any(tag in group.tags for tag in situation.exclude_tags)
    ]


def listed(only: Filter, situation: Situation) -> int:
    """Give what such goods cost before offers."""
    return sum(situation.groups[place].unit_minor * situation.groups[place].quantity for place in goods(only, situation))


def counted(only: Filter, situation: Situation) -> int:
    """Give how many units of such goods there are."""
    return sum(situation.groups[place].quantity for place in goods(only, situation))


# ---- conditions ----


def holds_by_hand(condition: Condition, situation: Situation, left: Sequence[int]) -> bool:  # noqa: C901, PLR0912 - a case a kind
    """Say whether a condition holds, where so much is left of each group."""
    groups, basket = situation.groups, situation.basket
    match condition:
        case AllOf():
            return all(holds_by_hand(part, situation, left) for part in condition.parts)
        case AnyOf():
            return any(holds_by_hand(part, situation, left) for part in condition.parts)
        case Not():
            return not holds_by_hand(condition.condition, situation, left)
        case SpendAtLeast():
            spent = listed(condition.of, situation)
            if condition.base is Base.RUNNING:
                spent = sum(left[place] for place in goods(condition.of, situation))
            return spent >= condition.amount.minor_units
        case QuantityAtLeast():
            if condition.across is Across.BASKET:
                return counted(condition.of, situation) >= condition.units
            alike: dict[tuple[str, int], int] = {}
            for place in goods(condition.of, situation):
                name = (groups[place].product_id, groups[place].unit_minor)
                alike[name] = alike.get(name, 0) + groups[place].quantity
            return any(units >= condition.units for units in alike.values())
        case ProductsAtLeast():
            return len({groups[place].product_id for place in goods(condition.of, situation)}) >= condition.products
        case IsMember():
            return situation.is_member
        case InTier():
            return situation.tier in condition.tiers
        case MemberTagged():
            return any(tag in condition.tags for tag in situation.profile.tags)
        case InMarket():
            return (basket.market or situation.profile.market) in condition.markets
        case ViaChannel():
            return basket.channel in condition.channels
        case PaidBy():
            return basket.payment in condition.payments
        case CodePresented():
            return any(code == condition.folded for code in situation.codes)
        case CouponHeld():
            return any(campaign == condition.campaign_id for campaign in situation.coupons)
        case NthOrder():
            return situation.order_count == condition.number - 1
        case PointsAtLeast():
            return situation.points >= condition.points
        case PastDiscount():
            past = situation.past_list_minor
            return past > 0 and situation.past_discount_minor >= past * condition.share.factor
        case During():
            return condition.holds(situation.at, calendar=situation.calendar)
    raise AssertionError(condition)


def may_apply(offer: Offer, situation: Situation, view: View) -> bool:
    """Say whether an offer runs, was not stopped, is not used up, and its condition holds at list prices."""
    if offer.offer_id in view.stopped:
        return False
    window, limits, used = offer.window, offer.limits, view.used_of(offer.offer_id)
    if window is not None and window.starts_at is not None and situation.at < window.starts_at:
        return False
    if window is not None and window.ends_at is not None and situation.at >= window.ends_at:
        return False
    pairs = [(limits.total.lifetime, used.times), (limits.per_member.lifetime, used.by_member), (limits.units, used.units)]
    for span in (Span.DAY, Span.WEEK, Span.MONTH, Span.YEAR):
        pairs.append((times_in(limits.total, span), used.times_in.get(span, 0)))
        pairs.append((times_in(limits.per_member, span), used.by_member_in.get(span, 0)))
    if limits.budget is not None:
        pairs.append((limits.budget.minor_units, used.spent_minor))
    if any(limit is not None and count >= limit for limit, count in pairs):
        return False
    if looks_back(offer.when):
        return True  # what is left is known at its turn
    return holds_by_hand(offer.when, situation, [group.unit_minor * group.quantity for group in situation.groups])


def times_in(times: Times, span: Span) -> int | None:
    """Give how often something may be in a span that ends."""
    match span:
        case Span.DAY:
            return times.per_day
        case Span.WEEK:
            return times.per_week
        case Span.MONTH:
            return times.per_month
    assert span is Span.YEAR
    return times.per_year


# ---- prices ----


class Unit:
    """One unit: of which group, and what is left of its price."""

    def __init__(self, place: int, group: UnitGroup) -> None:
        self.place, self.group, self.left = place, group, group.unit_minor

    def worth(self, base: Base) -> int:
        """Give the price that counts."""
        return self.left if base is Base.RUNNING else self.group.unit_minor

    @property
    def room(self) -> int:
        """How far its price may fall."""
        return max(0, self.left - self.group.floor_minor)


class Parcel:
    """Units of one group that have met the same offers."""

    def __init__(self, units: list[Unit], reached: dict[Lane, int]) -> None:
        self.units, self.reached = units, reached

    @property
    def place(self) -> int:
        """Of the group."""
        return self.units[0].place

    @property
    def left(self) -> int:
        """What all of them still cost."""
        return sum(unit.left for unit in self.units)

    @property
    def room(self) -> int:
        """How far their price may fall."""
        return sum(unit.room for unit in self.units)

    def worth(self, base: Base) -> int:
        """Give the price that counts."""
        return sum(unit.worth(base) for unit in self.units)

    def take(self, share: int) -> None:
        """Take something off all of them together, and lay the rest evenly."""
        rest, count = self.left - share, len(self.units)
        for place, unit in enumerate(self.units):
            unit.left = rest // count + (place >= count - rest % count)


class World:
    """A basket, while one offer after the other is given."""

    def __init__(self, situation: Situation, stacking: Stacking) -> None:
        self.situation, self.stacking = situation, stacking
        shipping = situation.basket.shipping
        self.shipping: int | None = None if shipping is None else shipping.minor_units
        self.shipping_reached = dict.fromkeys(Lane, 0)
        self.parcels = [
            Parcel([Unit(place, group) for _ in range(group.quantity)], dict.fromkeys(Lane, 0))
            for place, group in enumerate(situation.groups)
        ]
        whole = listed(Filter(), situation)
        share = stacking.discount_share
        self.allowance = fewest(
            None if stacking.discount_limit is None else stacking.discount_limit.minor_units,
            None if share is None else floor(share.factor * whole),
        )

    def left(self) -> list[int]:
        """Give what is left of each group."""
        return [
            sum(parcel.left for parcel in self.parcels if parcel.place == place) for place in range(len(self.situation.groups))
        ]


class Giving:
    """One offer being given."""

    most_money: int | None
    most_units: int | None

    def __init__(self, world: World, offer: Offer, view: View) -> None:
        used, limits = view.used_of(offer.offer_id), offer.limits
        self.world, self.offer, self.lane, self.base = world, offer, offer.lane, offer.base
        most = world.stacking.at_most.get(offer.lane)
        self.most = 1 if most is None and world.stacking.mode is not Mode.ALL else most
        self.limit = fewest(
            None if offer.discount_limit is None else offer.discount_limit.minor_units,
            None if limits.budget is None else max(0, limits.budget.minor_units - used.spent_minor),
        )
        self.units_limit = None if limits.units is None else max(0, limits.units - used.units)
        self.most_money = self.most_units = None
        if limits.over is Over.REFUSE:
            # All or nothing: what is left is looked at when all is given.
            self.most_money = None if limits.budget is None else limits.budget.minor_units - used.spent_minor
            self.most_units, self.units_limit = self.units_limit, None
            self.limit = None if offer.discount_limit is None else offer.discount_limit.minor_units
        self.out_of_stock = view.out_of_stock
        self.shares = [0] * len(world.situation.groups)
        self.reached: set[Unit] = set()
        self.took_from: set[Unit] = set()
        self.shipping = self.cut = 0
        self.frees = self.eases = False
        self.gifts: list[GiftGiven] = []
        self.bonus: list[BonusPoints] = []
        self.times: list[PointsTimes] = []
        self.coupons: list[str] = []

    # which units

    def open(self, only: Filter) -> list[Parcel]:
        """Give the parcels that a filter means and the lane may still reach."""
        places = goods(only, self.world.situation)
        parcels = [parcel for parcel in self.world.parcels if parcel.place in places]
        return [parcel for parcel in parcels if self.most is None or parcel.reached[self.lane] < self.most]

    def in_order(self, parcels: list[Parcel], first: Pick) -> list[Parcel]:
        """Put the cheapest first, or the dearest."""
        dearest = first is Pick.DEAREST

        def price(parcel: Parcel) -> tuple[Fraction, int]:
            exact = Fraction(parcel.worth(self.base), len(parcel.units))
            return (-exact if dearest else exact, parcel.place)

        return sorted(parcels, key=price)

    @property
    def units_left(self) -> int | None:
        """How many units that it took nothing off yet it may still take something off."""
        return None if self.units_limit is None else max(0, self.units_limit - len(self.took_from))

    def pick(self, only: Filter, units: Units) -> list[Parcel]:
        """Give the units that are meant."""
        parcels = self.open(only)
        if self.units_limit is None and units == Units():
            return parcels
        parcels = self.in_order(parcels, units.first)
        row = [parcel for parcel in parcels for _ in parcel.units]
        chosen = list[Parcel]()
        for place, parcel in enumerate(row):
            if place < units.skip or (place - units.skip) % units.every:
                continue
            name = (parcel.units[0].group.product_id, parcel.units[0].group.unit_minor)
            alike = [one for one in chosen if (one.units[0].group.product_id, one.units[0].group.unit_minor) == name]
            if units.each_at_most is None or len(alike) < units.each_at_most:
                chosen.append(parcel)
        most = min([len(chosen), *(limit for limit in (units.at_most, self.units_limit) if limit is not None)])
        while most % units.sets_of:
            most -= 1
        if self.units_limit is None:
            return self.cut_out(chosen[:most])
        left, kept = self.units_left or 0, list[Parcel]()
        for parcel in chosen[:most]:
            is_new = parcel.units[0] not in self.took_from
            if left or not is_new:
                kept.append(parcel)
                left -= is_new
        return self.cut_out(kept)

    def cut_out(self, chosen: list[Parcel]) -> list[Parcel]:
        """Make the units chosen parcels of their own: a parcel is named once for each unit."""
        found = list[Parcel]()
        for parcel in dict.fromkeys(chosen):
            count = chosen.count(parcel)
            if count == len(parcel.units):
                found.append(parcel)
                continue
            own = Parcel(parcel.units[:count], dict(parcel.reached))
            parcel.units = parcel.units[count:]
            self.world.parcels.append(own)
            found.append(own)
        return found

    # how much

    def take(self, shares: list[tuple[Parcel, int]]) -> bool:
        """Take shares off: never below a floor, nor beyond the limits."""
        cut = [(parcel, min(share, parcel.room)) for parcel, share in shares]
        wanted = sum(share for _, share in cut)
        taken = sum(self.shares)
        most = fewest(
            None if self.limit is None else max(0, self.limit - taken - self.shipping),
            None if self.world.allowance is None else max(0, self.world.allowance - taken),
        )
        if most is not None and most < wanted:
            self.cut += wanted - most
            parts = split(most, [share for _, share in cut], Remainder.LARGEST)
            cut = [(parcel, part) for (parcel, _), part in zip(cut, parts, strict=True)]
        for parcel, share in cut:
            if share:
                parcel.take(share)
                self.shares[parcel.place] += share
                self.reached |= set(parcel.units)
                self.took_from |= set(parcel.units)
        return any(share for _, share in cut)

    def reach(self, parcels: list[Parcel]) -> None:
        """Note units that the lane does not reach again."""
        self.reached |= {unit for parcel in parcels for unit in parcel.units}

    def take_part(self, parcels: list[Parcel], off: int, remainder: Remainder) -> None:
        """Take a discount off parcels by what they are worth."""
        worths = [parcel.worth(self.base) for parcel in parcels]
        self.take(list(zip(parcels, split(off, worths, remainder), strict=True)))

    def give(self, benefit: Benefit) -> None:  # noqa: C901, PLR0912 - a case a kind
        """Give a benefit."""
        situation = self.world.situation
        match benefit:
            case Several():
                for one in benefit.benefits:
                    self.give(one)
            case SpendLadder():
                spent = listed(benefit.of, situation)
                for _, one in [rung for rung in benefit.rungs if rung[0].minor_units <= spent][-1:]:
                    self.give(one)
            case QuantityLadder():
                units = counted(benefit.of, situation)
                for _, one in [rung for rung in benefit.rungs if rung[0] <= units][-1:]:
                    self.give(one)
            case PercentOff():
                self.percent_off(benefit)
            case AmountOff():
                self.amount_off(benefit)
            case FixedPrice():
                parcels = self.pick(benefit.of, benefit.units)
                price = benefit.price.minor_units
                self.take([(parcel, sum(max(0, unit.left - price) for unit in parcel.units)) for parcel in parcels])
            case BundlePrice():
                self.bundle_price(benefit)
            case BuyGet():
                self.buy_get(benefit)
            case FreeShipping() | ShippingPercentOff() | ShippingAmountOff() | ShippingPrice():
                self.off_shipping(benefit)
            case Gift():
                self.gift(benefit)
            case BonusPoints():
                self.bonus += [benefit] * (situation.gives_points and self.has_goods)
            case PointsTimes():
                self.times += [benefit] * (situation.gives_points and bool(goods(benefit.of, situation)))
            case NextCoupon():
                self.coupons += [benefit.coupon_id] * self.has_goods

    @property
    def has_goods(self) -> bool:
        """Whether anything is bought that offers may touch: nothing is given with nothing."""
        return bool(goods(Filter(), self.world.situation))

    def percent_off(self, give: PercentOff) -> None:
        """Take a share off."""
        parcels, rate = self.pick(without(give.of, give.exclude_tags), give.units), Fraction(give.percent) / 100
        shares = list[tuple[Parcel, int]]()
        match give.rounded_per:
            case Level.OFFER:
                self.take_part(parcels, rounded(rate * sum(p.worth(self.base) for p in parcels), give.rounding), give.remainder)
                return
            case Level.LINE:
                for place in dict.fromkeys(parcel.place for parcel in parcels):
                    own = [parcel for parcel in parcels if parcel.place == place]
                    worths = [parcel.worth(self.base) for parcel in own]
                    parts = split(rounded(rate * sum(worths), give.rounding), worths, give.remainder)
                    shares += zip(own, parts, strict=True)
            case Level.UNIT:
                for parcel in parcels:
                    shares.append((parcel, sum(rounded(rate * unit.worth(self.base), give.rounding) for unit in parcel.units)))
        self.take(shares)

    def amount_off(self, give: AmountOff) -> None:
        """Take an amount off."""
        amount, shares = give.amount.minor_units, list[tuple[Parcel, int]]()
        parcels = self.pick(without(give.of, give.exclude_tags), give.units)
        match give.per:
            case Per.UNIT:
                shares = [(parcel, amount * len(parcel.units)) for parcel in parcels]
            case Per.LINE:
                for place in dict.fromkeys(parcel.place for parcel in parcels):
                    shares += self.spread(amount, [parcel for parcel in parcels if parcel.place == place], give.remainder)
            case Per.BASKET | Per.SHARED:
                shipping = self.world.shipping
                if give.spread is Spread.GOODS_AND_SHIPPING and parcels and shipping and self.may_ease:
                    weights = [*(parcel.worth(self.base) for parcel in parcels), shipping]
                    rooms = [*(parcel.room for parcel in parcels), shipping]
                    share = filled(amount, weights, rooms, give.remainder)[-1]
                    self.ease(share)
                    amount -= share
                shares = self.spread(amount, parcels, give.remainder)
        self.take(shares)

    def spread(self, amount: int, parcels: list[Parcel], remainder: Remainder) -> list[tuple[Parcel, int]]:
        """Share an amount out by what goods are worth."""
        worths, rooms = [parcel.worth(self.base) for parcel in parcels], [parcel.room for parcel in parcels]
        return list(zip(parcels, filled(amount, worths, rooms, remainder), strict=True))

    # sets

    def bundle_price(self, give: BundlePrice) -> None:
        """Make bundles while they save something."""
        parts = sorted(give.parts, key=lambda part: counted(part.of, self.world.situation) - part.units)
        pools = [self.in_order(self.open(part.of), give.first) for part in parts]
        bundled, used = 0, set[Parcel]()
        limit = fewest(give.times, None if self.units_left is None else self.units_left // sum(part.units for part in give.parts))
        while limit is None or bundled < limit:
            chosen = self.one_bundle(parts, pools, used)
            if chosen is None:
                return
            # The same again, as long as each part is filled from one parcel.
            count = 1
            while self.from_one_each(parts, chosen) and (limit is None or bundled + count < limit):
                if any(chosen.count(parcel) * (count + 1) > len(parcel.units) for parcel in chosen):
                    break
                count += 1
            chosen = chosen * count
            off = sum(sum(u.left for u in p.units[: chosen.count(p)]) for p in set(chosen)) - give.price.minor_units * count
            if off <= 0:
                return
            parcels = self.cut_out(chosen)
            used |= set(parcels)
            lefts, rooms = [parcel.left for parcel in parcels], [parcel.room for parcel in parcels]
            if self.take(list(zip(parcels, filled(off, lefts, rooms, Remainder.LARGEST), strict=True))):
                self.reach(parcels)
            bundled += count

    @staticmethod
    def from_one_each(parts: Sequence[Part], chosen: list[Parcel]) -> bool:
        """Say whether the units of each part are of one parcel."""
        starts = [0, *itertools.accumulate(part.units for part in parts)]
        return all(len(set(chosen[start:stop])) == 1 for start, stop in itertools.pairwise(starts))

    @staticmethod
    def one_bundle(parts: Sequence[Part], pools: list[list[Parcel]], used: set[Parcel]) -> list[Parcel] | None:
        """Name the parcels of one bundle, each once for each unit; nothing where a part cannot be filled."""
        chosen = list[Parcel]()
        for part, pool in zip(parts, pools, strict=True):
            free = [p for p in pool if p not in used for _ in range(len(p.units) - chosen.count(p))]
            if len(free) < part.units:
                return None
            chosen += free[: part.units]
        return chosen

    def buy_get(self, give: BuyGet) -> None:
        """Give the reward of as many sets as there are."""
        limit = fewest(give.times, None if self.units_left is None else self.units_left // give.get.units)
        buys, gets = self.open(give.buy.of), self.open(give.get.of)
        if give.reward is Reward.CHEAPEST_OF_SET:
            self.own_sets(give, buys, limit)
            return
        if give.reward is not Reward.SAME:
            self.sets(give, buys, gets, limit)
            return
        for product in sorted({parcel.units[0].group.product_id for parcel in gets}):
            done = self.sets(
                give,
                [parcel for parcel in buys if parcel.units[0].group.product_id == product],
                [parcel for parcel in gets if parcel.units[0].group.product_id == product],
                limit,
            )
            limit = None if limit is None else limit - done

    def own_sets(self, give: BuyGet, parcels: list[Parcel], limit: int | None) -> None:
        """Lay units out in sets, the dearest first: the last ones of each set are the reward."""
        size = give.buy.units + give.get.units
        row = [parcel for parcel in self.in_order(parcels, Pick.DEAREST) for _ in parcel.units]
        times = len(row) // size
        times = times if limit is None else min(times, limit)
        chosen = row[: times * size]
        rewards, bought = list[Parcel](), list[Parcel]()
        for parcel in dict.fromkeys(chosen):
            got = [one for place, one in enumerate(chosen) if one is parcel and place % size >= give.buy.units]
            paid = [one for place, one in enumerate(chosen) if one is parcel and place % size < give.buy.units]
            rewards += self.cut_out(got)
            bought += self.cut_out(paid)
        if chosen:
            self.reward(give, rewards, bought)

    def sets(self, give: BuyGet, buys: list[Parcel], gets: list[Parcel], limit: int | None) -> int:
        """Find the most sets that can be filled; who chooses first leaves enough to the other."""
        to_get = (gets, give.get.units, Pick.CHEAPEST if give.reward in {Reward.CHEAPEST, Reward.SAME} else Pick.DEAREST)
        to_buy = (buys, give.buy.units, Pick.DEAREST)
        left_over = give.reward is Reward.DEAREST_LEFT
        first, each_first, first_order = to_buy if left_over else to_get
        second, each_second, second_order = to_get if left_over else to_buy
        most = sum(len(parcel.units) for parcel in gets) // give.get.units
        for times in range(most if limit is None else min(most, limit), 0, -1):
            chosen, spare = list[Parcel](), sum(len(parcel.units) for parcel in second) - times * each_second
            for parcel in [one for one in self.in_order(first, first_order) for _ in one.units]:
                if len(chosen) < times * each_first and (parcel not in second or spare > 0):
                    chosen.append(parcel)
                    spare -= parcel in second
            if len(chosen) == times * each_first and spare >= 0:
                mine = self.cut_out(chosen)
                rest = self.in_order([parcel for parcel in second if parcel not in mine], second_order)
                others = self.cut_out([parcel for parcel in rest for _ in parcel.units][: times * each_second])
                rewards, bought = (others, mine) if left_over else (mine, others)
                return times if self.reward(give, rewards, bought) else 0
        return 0

    def reward(self, give: BuyGet, rewards: list[Parcel], bought: list[Parcel]) -> bool:
        """Take the reward off, and mark what was bought for it."""
        worths = [parcel.worth(self.base) for parcel in rewards]
        off = rounded(Fraction(give.percent) / 100 * sum(worths), give.rounding)
        took = self.take(list(zip(rewards, split(off, worths, Remainder.LARGEST), strict=True)))
        if took:
            self.reach([*rewards, *bought])
        return took

    # shipping and gifts

    @property
    def may_ease(self) -> bool:
        """Whether the lane may still take something off shipping."""
        return self.most is None or self.world.shipping_reached[self.lane] < self.most

    def ease(self, share: int) -> int:
        """Take a share off shipping."""
        assert self.world.shipping is not None
        share = min(share, self.world.shipping)
        if self.limit is not None:
            left = max(0, self.limit - sum(self.shares) - self.shipping)
            self.cut += max(0, share - left)
            share = min(share, left)
        self.world.shipping -= share
        self.shipping += share
        return share

    def off_shipping(self, give: FreeShipping | ShippingPercentOff | ShippingAmountOff | ShippingPrice) -> None:
        """Make shipping cheaper, or promise it where its price is not known."""
        cost = self.world.shipping
        if not self.may_ease:
            return
        if cost is None:
            if isinstance(give, FreeShipping) and self.limit is None:
                self.frees, self.world.shipping = True, 0
            else:
                self.eases = True
            return
        match give:
            case FreeShipping():
                if cost:
                    self.ease(cost)
                    self.frees = self.world.shipping == 0
            case ShippingPercentOff():
                self.ease(rounded(Fraction(give.percent) / 100 * cost, give.rounding))
            case ShippingAmountOff():
                self.ease(give.amount.minor_units)
            case ShippingPrice():
                self.ease(max(0, cost - give.price.minor_units))

    def gift(self, give: Gift) -> None:
        """Free what is in the basket where that is asked, and add what is missing."""
        missing = give.quantity
        if give.fill is Fill.MISSING:
            parcels = self.pick(Filter(products=[give.product_id]), Units(at_most=give.quantity))
            missing -= sum(group.quantity for group in self.world.situation.groups if group.product_id == give.product_id)
            self.take([(parcel, parcel.room) for parcel in parcels])
        if missing > 0 and self.has_goods and give.product_id not in self.out_of_stock:
            self.gifts.append(GiftGiven(give.product_id, missing))

    def end(self) -> AppliedOffer | None:
        """Tell what was given, and remember what was reached."""
        told = AppliedOffer(
            offer_id=self.offer.offer_id,
            lane=self.lane,
            shares=tuple(self.shares),
            shipping_minor=self.shipping,
            frees_shipping=self.frees,
            eases_shipping=self.eases,
            units=len(self.took_from),
            cut_minor=self.cut,
            gifts=tuple(self.gifts),
            bonus=tuple(self.bonus),
            times=tuple(self.times),
            coupons=tuple(self.coupons),
        )
        nothing = AppliedOffer(offer_id=self.offer.offer_id, lane=self.lane, shares=(0,) * len(self.shares))
        if attrs.evolve(told, cut_minor=0) == nothing:
            return None
        if self.most_money is not None and sum(self.shares) + self.shipping > self.most_money:
            return None
        if self.most_units is not None and len(self.took_from) > self.most_units:
            return None
        for parcel in self.world.parcels:
            if parcel.units[0] in self.reached:
                parcel.reached[self.lane] += 1
        if self.shipping or self.frees or self.eases:
            self.world.shipping_reached[self.lane] += 1
        if self.world.allowance is not None:
            self.world.allowance -= sum(self.shares)
        return told


# ---- sets of offers ----


def in_total_order(offers: Iterable[Offer]) -> list[Offer]:
    """Sort by lane, then the higher priority, then the narrower goods, then the id."""
    return sorted(offers, key=place_of)


def place_of(offer: Offer) -> tuple[int, int, int, str]:
    """Give an offer's place in the total order."""
    return (ORDER.index(offer.lane), -offer.priority, breadth(offer.give), offer.offer_id)


def turn_of(offer: Offer, situation: Situation, stacking: Stacking, view: View) -> tuple[int, int, Fraction, int, str]:
    """Give an offer's place in a set: in best the deepest discount goes first within a priority.

    How deep it is, is what it takes off by itself, of the list prices of the units it takes something off.
    """
    lane, priority, narrow, name = place_of(offer)
    if stacking.mode is not Mode.BEST:
        return (lane, priority, Fraction(0), narrow, name)
    alone = Giving(World(situation, stacking), offer, view)
    alone.give(offer.give)
    told = alone.end()
    off = 0 if told is None else sum(told.shares)
    whole = sum(unit.group.unit_minor for unit in alone.took_from)
    return (lane, priority, -Fraction(off, whole or 1), narrow, name)


def breadth(benefit: Benefit) -> int:
    """Say whether it is off products that are named, off goods of some kind, or off all; of several the widest."""
    match benefit:
        case Several():
            return max(breadth(one) for one in benefit.benefits)
        case SpendLadder() | QuantityLadder():
            return max(breadth(one) for _, one in benefit.rungs)
        case PercentOff() | AmountOff():
            meant = [without(benefit.of, benefit.exclude_tags)]
        case FixedPrice() | PointsTimes():
            meant = [benefit.of]
        case BuyGet():
            meant = [benefit.buy.of, benefit.get.of]
        case BundlePrice():
            meant = [part.of for part in benefit.parts]
        case _:
            return 2
    if any(only == Filter() for only in meant):
        return 2
    return 0 if all(only.products for only in meant) else 1


def looks_back(condition: Condition) -> bool:
    """Say whether a condition looks at what is left."""
    match condition:
        case AllOf() | AnyOf():
            return any(looks_back(part) for part in condition.parts)
        case Not():
            return looks_back(condition.condition)
        case SpendAtLeast():
            return condition.base is Base.RUNNING
        case _:
            return False


def given_by_hand(
    offers: Iterable[Offer], situation: Situation, stacking: Stacking, view: View
) -> tuple[list[Offer], tuple[AppliedOffer, ...]]:
    """Give offers in their total order, each where those before it allow it.

    Returns:
        Those that gave something, and what.
    """
    world, given, applied = World(situation, stacking), list[Offer](), list[AppliedOffer]()
    for offer in sorted(offers, key=lambda one: turn_of(one, situation, stacking, view)):
        if any(before.combines is Combines.LAST for before in given):
            break
        if offer.group is not None and any(before.group == offer.group for before in given):
            continue
        if stacking.offers_at_most is not None and len(given) >= stacking.offers_at_most:
            continue
        if looks_back(offer.when) and not holds_by_hand(offer.when, situation, world.left()):
            continue
        before = World(situation, stacking)
        before.parcels = [Parcel(parcel.units[:], dict(parcel.reached)) for parcel in world.parcels]
        lefts = [(unit, unit.left) for parcel in world.parcels for unit in parcel.units]
        before.shipping, before.allowance = world.shipping, world.allowance
        before.shipping_reached = dict(world.shipping_reached)
        giving = Giving(world, offer, view)
        giving.give(offer.give)
        told = giving.end()
        if told is None:
            # What was tried for nothing has not happened.
            world = before
            for unit, left in lefts:
                unit.left = left
            continue
        given.append(offer)
        applied.append(told)
    return given, tuple(applied)


def sets_by_hand(
    offers: Sequence[Offer], situation: Situation, stacking: Stacking, view: View
) -> Iterator[tuple[list[Offer], tuple[AppliedOffer, ...]]]:
    """Try every set: those that are allowed, in which every offer gives something."""
    together = [offer for offer in offers if offer.combines is not Combines.ALONE]
    alone = [(offer,) for offer in offers if offer.combines is Combines.ALONE]
    for size in range(len(together) + 1):
        for some in itertools.combinations(together, size):
            given, applied = given_by_hand(some, situation, stacking, view)
            if len(given) == size:
                yield given, applied
    for one in alone:
        given, applied = given_by_hand(one, situation, stacking, view)
        if given:
            yield given, applied


def key_by_hand(given: Sequence[Offer], applied: Sequence[AppliedOffer]) -> tuple[object, ...]:
    """Give what makes one set better than another, the lowest being best."""
    money = sum(sum(one.shares) + one.shipping_minor for one in applied)
    unknown = sum(2 for one in applied if one.frees_shipping and not one.shipping_minor)
    unknown += sum(1 for one in applied if one.eases_shipping)
    points = sum(bonus.points for one in applied for bonus in one.bonus)
    times = sum(floor(1000 * (more.times.factor - 1)) for one in applied for more in one.times)
    gifts = sum(gift.quantity for one in applied for gift in one.gifts)
    coupons = sum(len(one.coupons) for one in applied)
    limits = [offer.limits for offer in given]
    open_times = Times(per_day=None, per_week=None, per_month=None, per_year=None, lifetime=None)
    claims = sum(
        one.total != open_times or one.per_member != open_times or one.budget is not None or one.units is not None
        for one in limits
    )
    order = sorted(place_of(offer) for offer in given)
    return (-money, -unknown, -points, -times, -gifts, -coupons, claims, len(given), order)


def by_hand(offers: Iterable[Offer], situation: Situation, stacking: Stacking, view: View) -> tuple[AppliedOffer, ...]:
    """Ask every offer, and give those that apply."""
    holding = [offer for offer in in_total_order(offers) if may_apply(offer, situation, view)]
    if stacking.mode is Mode.BEST:
        best = min(sets_by_hand(holding, situation, stacking, view), key=lambda one: key_by_hand(*one))
        return best[1]
    for offer in holding:
        if offer.combines is Combines.ALONE:
            alone = given_by_hand([offer], situation, stacking, view)[1]
            if alone:
                return alone
    return given_by_hand([offer for offer in holding if offer.combines is not Combines.ALONE], situation, stacking, view)[1]
