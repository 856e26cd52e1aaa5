"""What offers take off: the prices of one basket while one offer after the other is given.

Units are kept in *runs*: units of one group that have met the same offers. A benefit that reaches some units of a run splits it,
so that what is left of each unit is exact and no unit is reached more often than its lane allows.

Invariants:
    1. What is left of a run never falls below its floor, or below what was left before where that was less.
    2. An offer that gives nothing leaves everything as it was.
    3. Units that earn a reward and units that are the reward are different ones.
    4. Nothing depends on the order of lines; equal prices are taken in the order of the groups.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from fractions import Fraction
from operator import le
from typing import Any, ClassVar, NamedTuple, TypeAlias, final

from loyaltycore._apportion import apportion
from loyaltycore._goods import ALL_GOODS, Goods
from loyaltycore._offer_kinds import LANES, AppliedOffer, GiftGiven, Offer, Stacking, View
from loyaltycore.basket import Filter, UnitGroup
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
    Single,
    SpendLadder,
    Spread,
    Units,
)
from loyaltycore.conditions import Base
from loyaltycore.quantities import Over, Remainder, Rounding, share_of_units

__all__ = ["Prices"]


@final
class _Run:
    """Units of one group that have met the same offers."""

    __slots__ = ("by", "left", "lowered_by", "place", "reached", "units")

    def __init__(self, place: int, units: int, left: int, reached: tuple[int, int, int]) -> None:
        self.place = place
        """Of the group."""
        self.units = units
        self.left = left
        """What all of them still cost."""
        self.reached = reached
        """How many offers of each lane reached them, before the one that is given now."""
        self.by: _Given | None = None
        """The last offer that reached them."""
        self.lowered_by: _Given | None = None
        """The last offer that took something off them."""


_Shares: TypeAlias = list[tuple[_Run, int]]


class _Due(NamedTuple):
    """What one offer may do.

    Attributes:
        lane: Where, by place.
        most: Offers of its lane that may reach one unit; ``None`` any number.
        base: Off which prices.
        limit: What it may take off in all; ``None`` no limit.
        units: Units it may take something off; ``None`` any number.
        out_of_stock: What it cannot give.
    """

    lane: int
    most: int | None
    base: Base
    limit: int | None
    units: int | None
    out_of_stock: frozenset[str]


@final
class _Given:
    """What one offer gave so far."""

    __slots__ = ("bonus", "coupons", "cut", "eases", "frees", "gifts", "goods", "shares", "shipping", "times")

    def __init__(self, groups: int) -> None:
        self.shares = [0] * groups
        self.goods = self.cut = 0
        self.shipping = 0
        self.frees = self.eases = False
        self.gifts: list[GiftGiven] = []
        self.bonus: list[BonusPoints] = []
        self.times: list[PointsTimes] = []
        self.coupons: list[str] = []

    @property
    def is_something(self) -> bool:
        return bool(
            self.goods or self.shipping or self.frees or self.eases or self.gifts or self.bonus or self.times or self.coupons
        )


@final
class Prices:
    """What is left of a basket's prices, changed by one offer after the other."""

    __slots__ = ("allowance", "gives_points", "goods", "most", "runs", "shipping_left", "shipping_reached", "stacking")

    def __init__(self, goods: Goods, stacking: Stacking, shipping_minor: int | None, *, gives_points: bool = True) -> None:
        """Begin with list prices.

        Args:
            goods: The basket's goods.
            stacking: How offers meet.
            shipping_minor: What shipping costs; ``None`` while not known.
            gives_points: Whether points are given at all.
        """
        self.gives_points: bool = gives_points
        self.goods: Goods = goods
        self.stacking: Stacking = stacking
        self.shipping_left: int | None = shipping_minor
        self.shipping_reached: tuple[int, int, int] = (0, 0, 0)
        self.allowance: int | None = _allowance(stacking, goods)
        self.most: tuple[int | None, ...] = tuple([stacking.most(lane) for lane in LANES])
        self.runs: list[_Run] = [
            _Run(place, group.quantity, group.unit_minor * group.quantity, (0, 0, 0)) for place, group in enumerate(goods.groups)
        ]

    def copy(self) -> Prices:
        """Give prices that change apart from these."""
        twin = object.__new__(Prices)
        twin.goods, twin.stacking, twin.shipping_left = self.goods, self.stacking, self.shipping_left
        twin.gives_points = self.gives_points
        twin.shipping_reached, twin.allowance, twin.most = self.shipping_reached, self.allowance, self.most
        twin.runs = [_Run(run.place, run.units, run.left, run.reached) for run in self.runs]
        return twin

    def left(self) -> list[int]:
        """Give what is left of each group."""
        left = [0] * len(self.goods.groups)
        for run in self.runs:
            left[run.place] += run.left
        return left

    def lowered_list_minor(self) -> int:
        """Give the list prices of the units that offers took something off."""
        groups = self.goods.groups
        return sum(groups[run.place].unit_minor * run.units for run in self.runs if run.lowered_by is not None)

    def give(self, offer: Offer, view: View) -> AppliedOffer | None:
        """Give what an offer gives, as far as those before it left something.

        Args:
            offer: One whose condition holds.
            view: What was used of it, and what is out of stock.

        Returns:
            ``None`` where it gives nothing; then nothing has changed.
        """
        due = self._due(offer, view)
        before = self.runs, self.shipping_left
        if offer.picks_units:
            # Units that are split apart for nothing are put together again.
            self.runs = [_Run(run.place, run.units, run.left, run.reached) for run in self.runs]
        given = _Given(len(self.goods.groups))
        for single in self._of(offer.give):
            self.TABLE[type(single)](self, single, due, given)
        if not given.is_something or (offer.is_limited and self._exceeds(offer, given, view)):
            self.runs, self.shipping_left = before
            return None
        self._reach(given, due.lane)
        return AppliedOffer(
            offer_id=offer.offer_id,
            lane=offer.lane,
            shares=tuple(given.shares),
            shipping_minor=given.shipping,
            frees_shipping=given.frees,
            eases_shipping=given.eases,
            units=self._lowered(given),
            cut_minor=given.cut,
            gifts=tuple(given.gifts),
            bonus=tuple(given.bonus),
            times=tuple(given.times),
            coupons=tuple(given.coupons),
        )

    def _due(self, offer: Offer, view: View) -> _Due:
        limit = None if offer.discount_limit is None else offer.discount_limit.minor_units
        lane, units = offer.lane_place, None
        if offer.is_limited and offer.limits.over is Over.TRUNCATE:
            used, limits = view.used_of(offer.offer_id), offer.limits
            if limits.budget is not None:
                limit = _fewest(limit, max(0, limits.budget.minor_units - used.spent_minor))
            units = None if limits.units is None else max(0, limits.units - used.units)
        return _Due(lane, self.most[lane], offer.base, limit, units, view.out_of_stock)

    def _of(self, benefit: Benefit) -> Iterable[Single]:
        """Give the single benefits that are given here."""
        match benefit:
            case Several():
                return benefit.benefits
            case SpendLadder():
                reached = benefit.at(self.goods.of(benefit.of).list_minor)
            case QuantityLadder():
                reached = benefit.at(self.goods.of(benefit.of).units)
            case _:
                return (benefit,)
        return () if reached is None else (reached,)

    def _reach(self, given: _Given, lane: int) -> None:
        """Remember what was reached, so that its lane does not reach it too often."""
        for run in self.runs:
            if run.by is not given:
                continue
            reached = list(run.reached)
            reached[lane] += 1
            run.reached = (reached[0], reached[1], reached[2])
        if given.shipping or given.frees or given.eases:
            reached = list(self.shipping_reached)
            reached[lane] += 1
            self.shipping_reached = (reached[0], reached[1], reached[2])
        if self.allowance is not None:
            self.allowance -= given.goods

    # ---- which units ----

    def _open(self, only: Filter, due: _Due) -> list[_Run]:
        """Give the runs that a filter means and that the lane may still reach."""
        matching, lane, most = self.goods.of(only), due.lane, due.most
        if not matching.places:
            return []
        runs = self.runs
        if len(matching.places) < len(self.goods.groups):
            runs = [run for run in runs if run.place in matching.place_set]
        return runs[:] if most is None else [run for run in runs if run.reached[lane] < most]

    def _picked(self, only: Filter, units: Units, due: _Due, given: _Given) -> list[_Run]:
        """Give the units that a benefit means as runs of their own."""
        runs = self._open(only, due)
        if due.units is None and units.are_all:
            return runs
        in_order = sorted(runs, key=self._order(units.first, due.base))
        counts = _counts(in_order, units, self.goods.groups, due.units)
        if due.units is not None:
            # Units that this offer has lowered already count once.
            left = self._units_left(due, given)
            for place, run in enumerate(in_order):
                if run.lowered_by is not given:
                    counts[place] = min(counts[place], left)
                    left -= counts[place]
        return [self._split(run, count) for run, count in zip(in_order, counts, strict=True) if count]

    def _order(self, first: Pick, base: Base) -> Callable[[_Run], tuple[Fraction | int, int]]:
        """Give the order of units by price, equal ones by group."""
        sign = -1 if first is Pick.DEAREST else 1
        groups = self.goods.groups
        if base is Base.LIST:
            return lambda run: (sign * groups[run.place].unit_minor, run.place)
        return lambda run: (sign * Fraction(run.left, run.units), run.place)

    def _split(self, run: _Run, count: int) -> _Run:
        """Make some units of a run a run of their own."""
        if count == run.units:
            return run
        part = share_of_units(run.left, run.units, start=0, stop=count)
        own = _Run(run.place, count, part, run.reached)
        own.by, own.lowered_by = run.by, run.lowered_by
        run.units, run.left = run.units - count, run.left - part
        self.runs.append(own)
        return own

    # ---- how much ----

    def _worth(self, run: _Run, base: Base) -> int:
        return run.left if base is Base.RUNNING else self.goods.groups[run.place].unit_minor * run.units

    def _room(self, run: _Run) -> int:
        """Give how far the price of a run may fall."""
        return max(0, run.left - self.goods.groups[run.place].floor_minor * run.units)

    def _take(self, shares: _Shares, due: _Due, given: _Given) -> None:
        """Take shares off, never beyond a floor, nor beyond the offer's limit."""
        cut = [(run, min(share, self._room(run))) for run, share in shares]
        wanted = sum([share for _, share in cut])
        if wanted == 0:
            return
        if due.limit is not None or self.allowance is not None:
            taken = given.goods
            left = _fewest(
                None if due.limit is None else due.limit - taken - given.shipping,
                None if self.allowance is None else self.allowance - taken,
            )
            if left is not None and left < wanted:
                given.cut += wanted - max(0, left)
                if left <= 0:
                    return
                parts = apportion(left, [share for _, share in cut], Remainder.LARGEST)
                cut = [(run, part) for (run, _), part in zip(cut, parts, strict=True)]
        for run, share in cut:
            run.left -= share
            given.shares[run.place] += share
            given.goods += share
            if share:
                run.by = run.lowered_by = given

    def _take_of_set(self, shares: _Shares, runs: Iterable[_Run], due: _Due, given: _Given) -> bool:
        """Take shares off a set of units, all of which are used where anything is taken off; say whether it is."""
        before = given.goods
        self._take(shares, due, given)
        if given.goods == before:
            return False
        for run in runs:
            run.by = given
        return True

    def _lowered(self, given: _Given) -> int:
        """Count the units that an offer took something off."""
        return sum([run.units for run in self.runs if run.lowered_by is given])

    def _units_left(self, due: _Due, given: _Given) -> int:
        """Count the units that an offer may still take something off."""
        assert due.units is not None  # only a limit leaves so many
        return max(0, due.units - self._lowered(given))

    def _exceeds(self, offer: Offer, given: _Given, view: View) -> bool:
        """Say whether an offer that gives all or nothing would give more than is left of it."""
        limits, used = offer.limits, view.used_of(offer.offer_id)
        spent_minor = used.spent_minor + given.goods + given.shipping
        return limits.over is Over.REFUSE and (
            (limits.units is not None and used.units + self._lowered(given) > limits.units)
            or (limits.budget is not None and spent_minor > limits.budget.minor_units)
        )

    def _percent_off(self, give: PercentOff, due: _Due, given: _Given) -> None:
        runs = self._picked(give.goods, give.units, due, given)
        if give.rounded_per is Level.UNIT:
            self._take([(run, _by_unit(give, self._worth(run, due.base), run.units)) for run in runs], due, given)
            return
        shares: _Shares = []
        for own in [runs] if give.rounded_per is Level.OFFER else _by_line(runs):
            worths = [self._worth(run, due.base) for run in own]
            off = give.amount_off(sum(worths))
            if off:
                shares += zip(own, apportion(off, worths, give.remainder), strict=True)
        self._take(shares, due, given)

    def _amount_off(self, give: AmountOff, due: _Due, given: _Given) -> None:
        runs, amount = self._picked(give.goods, give.units, due, given), give.amount.minor_units
        match give.per:
            case Per.UNIT:
                self._take([(run, amount * run.units) for run in runs], due, given)
            case Per.LINE:
                each = [self._spread(amount, own, due.base, give.remainder) for own in _by_line(runs)]
                self._take([share for shares in each for share in shares], due, given)
            case _:  # once, for the basket or for what is meant
                if runs and give.spread is Spread.GOODS_AND_SHIPPING:
                    amount -= self._off_shipping_too(give, amount, runs, due, given)
                self._take(self._spread(amount, runs, due.base, give.remainder), due, given)

    def _spread(self, amount: int, runs: list[_Run], base: Base, remainder: Remainder) -> _Shares:
        """Share an amount out by price; what a floor keeps from one goes to the others."""
        weights, rooms = [self._worth(run, base) for run in runs], [self._room(run) for run in runs]
        return list(zip(runs, _filled(amount, weights, rooms, remainder), strict=True))

    def _off_shipping_too(self, give: AmountOff, amount: int, runs: list[_Run], due: _Due, given: _Given) -> int:
        """Take the share of shipping off, as far as a limit allows, and give the share."""
        if not self._may_ease(due) or not self.shipping_left:
            return 0
        weights = [*(self._worth(run, due.base) for run in runs), self.shipping_left]
        rooms = [*(self._room(run) for run in runs), self.shipping_left]
        share = _filled(amount, weights, rooms, give.remainder)[-1]
        self._ease(share, due, given)
        return share

    def _fixed_price(self, give: FixedPrice, due: _Due, given: _Given) -> None:
        price = give.price.minor_units
        runs = self._picked(give.goods, give.units, due, given)
        self._take([(run, max(0, run.left - price * run.units)) for run in runs], due, given)

    # ---- sets of units ----

    def _bundle_price(self, give: BundlePrice, due: _Due, given: _Given) -> None:
        """Bundle units in their order, as long as a bundle costs less than its units."""
        size = sum(part.units for part in give.parts)
        times = _fewest(give.times, None if due.units is None else self._units_left(due, given) // size)
        # The part that has least to spare is filled first: what is left still fits the others.
        parts = sorted(give.parts, key=lambda part: self.goods.of(part.of).units - part.units)
        order, spent = self._order(give.first, due.base), set[int]()
        pools = [deque(sorted(self._open(part.of, due), key=order)) for part in parts]
        while times is None or times > 0:
            found = _bundles(parts, pools, spent, times)
            if found is None:
                return
            batch, counts = found
            worth = sum(share_of_units(run.left, run.units, start=0, stop=count) for run, count in counts)
            off = worth - give.price.minor_units * batch
            if off <= 0:
                return
            runs = [self._split(run, count) for run, count in counts]
            spent |= {id(run) for run in runs}
            shares = _filled(off, [run.left for run in runs], [self._room(run) for run in runs], Remainder.LARGEST)
            self._take_of_set(list(zip(runs, shares, strict=True)), runs, due, given)
            times = None if times is None else times - batch

    def _buy_get(self, give: BuyGet, due: _Due, given: _Given) -> None:
        buys, gets = self._open(give.buy.of, due), self._open(give.get.of, due)
        limit = _fewest(give.times, None if due.units is None else self._units_left(due, given) // give.get.units)
        if give.reward is not Reward.SAME:
            self._sets(give, buys, gets, limit=limit, due=due, given=given)
            return
        own_buys, own_gets = self._by_product(buys), self._by_product(gets)
        for product_id in sorted(own_gets):
            runs = own_buys.get(product_id, [])
            done = self._sets(give, runs, own_gets[product_id], limit=limit, due=due, given=given)
            limit = None if limit is None else limit - done

    def _by_product(self, runs: Sequence[_Run]) -> dict[str, list[_Run]]:
        found = dict[str, list[_Run]]()
        for run in runs:
            found.setdefault(self.goods.groups[run.place].product_id, []).append(run)
        return found

    def _sets(self, give: BuyGet, buys: list[_Run], gets: list[_Run], *, limit: int | None, due: _Due, given: _Given) -> int:
        """Give the reward of as many whole sets as there are, and as the limit allows; return how many that is."""
        both = {id(run) for run in gets} & {id(run) for run in buys}
        shared = sum(run.units for run in gets if id(run) in both)
        only_get, only_buy = sum(run.units for run in gets) - shared, sum(run.units for run in buys) - shared
        each_buy, each_get = give.buy.units, give.get.units
        times = min(
            (only_buy + shared) // each_buy,
            (only_get + shared) // each_get,
            (only_buy + only_get + shared) // (each_buy + each_get),
        )
        times = times if limit is None else min(times, limit)
        if times <= 0:
            return 0
        if give.reward is Reward.CHEAPEST_OF_SET:
            rewards, bought = self._in_sets(give, buys, times, due)
            return times if self._reward(give, rewards, bought, due, given) else 0
        # Who chooses first leaves as many of the units that could be both as the other needs.
        to_buy = (buys, times * each_buy, shared - max(0, times * each_get - only_get))
        to_get = (gets, times * each_get, shared - max(0, times * each_buy - only_buy))
        dearest, cheapest = self._order(Pick.DEAREST, due.base), self._order(Pick.CHEAPEST, due.base)
        if give.reward is Reward.DEAREST_LEFT:
            bought = self._taken(*to_buy, order=dearest, both=both)
            rewards = self._taken(*to_get, order=dearest, used=bought)
        else:
            rewards = self._taken(*to_get, order=dearest if give.reward is Reward.DEAREST else cheapest, both=both)
            bought = self._taken(*to_buy, order=dearest, used=rewards)
        return times if self._reward(give, rewards, bought, due, given) else 0

    def _reward(self, give: BuyGet, rewards: list[_Run], bought: list[_Run], due: _Due, given: _Given) -> bool:
        """Take the reward off, and use up what was bought for it; say whether there was anything to take."""
        worths = [self._worth(run, due.base) for run in rewards]
        off = give.amount_off(sum(worths))
        shares = list(zip(rewards, apportion(off, worths, Remainder.LARGEST), strict=True)) if off else []
        return self._take_of_set(shares, [*rewards, *bought], due, given)

    def _in_sets(self, give: BuyGet, runs: list[_Run], times: int, due: _Due) -> tuple[list[_Run], list[_Run]]:
        """Part the units of whole sets, the dearest first, into those got, the cheapest of each set, and those bought."""
        size, rewards, bought, start = give.buy.units + give.get.units, list[_Run](), list[_Run](), 0
        for run in sorted(runs, key=self._order(Pick.DEAREST, due.base)):
            stop = min(start + run.units, times * size)
            got = _last_of_sets(stop, size, give.get.units) - _last_of_sets(start, size, give.get.units)
            paid = stop - start - got
            rewards += [self._split(run, got)] if got else []
            bought += [self._split(run, paid)] if paid else []
            start = stop
        return rewards, bought

    def _taken(
        self,
        runs: Sequence[_Run],
        needed: int,
        may_share: int,
        *,
        order: Callable[[_Run], tuple[Fraction | int, int]],
        both: Container[int] = (),
        used: Sequence[_Run] = (),
    ) -> list[_Run]:
        """Take units in an order, of those in ``both`` only so many; what is used already is left out."""
        taken, gone = list[_Run](), {id(run) for run in used}
        for run in sorted([run for run in runs if id(run) not in gone], key=order):
            is_shared = id(run) in both
            count = min(run.units, needed, may_share if is_shared else needed)
            if count:
                needed -= count
                may_share -= count if is_shared else 0
                taken.append(self._split(run, count))
        return taken

    # ---- shipping, gifts, points ----

    def _may_ease(self, due: _Due) -> bool:
        return due.most is None or self.shipping_reached[due.lane] < due.most

    def _ease(self, share: int, due: _Due, given: _Given) -> None:
        """Take a share off known shipping, within the offer's limit."""
        assert self.shipping_left is not None  # only known shipping has a share
        share = min(share, self.shipping_left)
        if due.limit is not None:
            left = max(0, due.limit - given.goods - given.shipping)
            given.cut += max(0, share - left)
            share = min(share, left)
        self.shipping_left -= share
        given.shipping += share

    def _free_shipping(self, give: FreeShipping, due: _Due, given: _Given) -> None:
        del give
        if not self._may_ease(due):
            return
        if self.shipping_left is None and due.limit is None:
            self.shipping_left, given.frees = 0, True
        elif self.shipping_left is None:
            given.eases = True
        elif self.shipping_left:
            self._ease(self.shipping_left, due, given)
            given.frees = self.shipping_left == 0

    def _shipping_percent_off(self, give: ShippingPercentOff, due: _Due, given: _Given) -> None:
        if not self._may_ease(due):
            return
        if self.shipping_left is None:
            given.eases = True
        else:
            self._ease(give.amount_off(self.shipping_left), due, given)

    def _shipping_amount_off(self, give: ShippingAmountOff, due: _Due, given: _Given) -> None:
        if not self._may_ease(due):
            return
        if self.shipping_left is None:
            given.eases = True
        else:
            self._ease(give.amount.minor_units, due, given)

    def _shipping_price(self, give: ShippingPrice, due: _Due, given: _Given) -> None:
        if not self._may_ease(due):
            return
        if self.shipping_left is None:
            given.eases = True
        else:
            self._ease(max(0, self.shipping_left - give.price.minor_units), due, given)

    def _gift(self, give: Gift, due: _Due, given: _Given) -> None:
        missing = give.quantity
        if give.fill is Fill.MISSING:
            runs = self._picked(Filter(products=[give.product_id]), Units(at_most=give.quantity), due, given)
            self._take([(run, self._room(run)) for run in runs], due, given)
            # What the basket holds is not missing, also where it cannot be freed.
            missing -= sum(group.quantity for group in self.goods.groups if group.product_id == give.product_id)
        # Who buys nothing that offers touch gets nothing with it.
        if missing > 0 and self.goods.open_places and give.product_id not in due.out_of_stock:
            given.gifts.append(GiftGiven(give.product_id, missing))

    def _bonus_points(self, give: BonusPoints, due: _Due, given: _Given) -> None:
        del due
        if self.gives_points and self.goods.open_places:
            given.bonus.append(give)

    def _points_times(self, give: PointsTimes, due: _Due, given: _Given) -> None:
        del due
        if self.gives_points and self.goods.of(give.of).places:
            given.times.append(give)

    def _next_coupon(self, give: NextCoupon, due: _Due, given: _Given) -> None:
        del due
        if self.goods.open_places:
            given.coupons.append(give.coupon_id)

    TABLE: ClassVar[Mapping[type[Single], Callable[[Prices, Any, _Due, _Given], None]]] = {
        PercentOff: _percent_off,
        AmountOff: _amount_off,
        FixedPrice: _fixed_price,
        BundlePrice: _bundle_price,
        BuyGet: _buy_get,
        FreeShipping: _free_shipping,
        ShippingPercentOff: _shipping_percent_off,
        ShippingAmountOff: _shipping_amount_off,
        ShippingPrice: _shipping_price,
        Gift: _gift,
        BonusPoints: _bonus_points,
        PointsTimes: _points_times,
        NextCoupon: _next_coupon,
    }


def _allowance(stacking: Stacking, goods: Goods) -> int | None:
    """Give what all offers together may take off the goods that they may touch."""
    limit = None if stacking.discount_limit is None else stacking.discount_limit.minor_units
    if stacking.discount_share is None:
        return limit
    listed = goods.of(ALL_GOODS).list_minor
    return _fewest(limit, stacking.discount_share.of_whole(listed, rounding=Rounding.DOWN))


def _fewest(*limits: int | None) -> int | None:
    """Give the lowest of some limits; ``None`` is none."""
    return min((limit for limit in limits if limit is not None), default=None)


def _by_line(runs: Sequence[_Run]) -> Iterable[list[_Run]]:
    """Give the runs of each line; where offers speak of lines, each line is a group."""
    lines = dict[int, list[_Run]]()
    for run in runs:
        lines.setdefault(run.place, []).append(run)
    return lines.values()


def _by_unit(give: PercentOff, worth: int, units: int) -> int:
    """Take a percentage of each unit, rounded each time; some units may be worth one more than the others."""
    each, over = divmod(worth, units)
    return give.amount_off(each) * (units - over) + (give.amount_off(each + 1) * over if over else 0)


def _filled(amount: int, weights: Sequence[int], rooms: Sequence[int], remainder: Remainder) -> list[int]:
    """Share an amount out by weight, no part above its room; what one has no room for goes to the others.

    Args:
        amount: At least 0; what finds no room at all is left out.
        weights: At least 0; one of 0 has no room.
        rooms: At most the weights' own scale.
        remainder: Who gets what is left of a division.
    """
    if amount >= sum(rooms):
        return list(rooms)
    # The first sharing out mostly fits.
    parts = apportion(amount, weights, remainder) if amount else [0] * len(weights)
    if all(map(le, parts, rooms)):
        return parts
    parts, open_places = [0] * len(weights), [place for place, room in enumerate(rooms) if room]
    while True:
        shares = apportion(amount, [weights[place] for place in open_places], remainder)
        full = [place for place, share in zip(open_places, shares, strict=True) if share >= rooms[place]]
        if not any(share > rooms[place] for place, share in zip(open_places, shares, strict=True)):
            for place, share in zip(open_places, shares, strict=True):
                parts[place] = share
            return parts
        for place in full:
            parts[place] = rooms[place]
            amount -= rooms[place]
        open_places = [place for place in open_places if parts[place] == 0]


def _counts(in_order: Sequence[_Run], units: Units, groups: Sequence[UnitGroup], limit: int | None) -> list[int]:
    """Say how many units of each run are meant."""
    counts, before = list[int](), 0
    each = dict[tuple[str, int], int]()
    for run in in_order:
        count = _in_step(units, before, before + run.units)
        before += run.units
        if units.each_at_most is not None:
            like = (groups[run.place].product_id, groups[run.place].unit_minor)
            count = min(count, units.each_at_most - each.get(like, 0))
            each[like] = each.get(like, 0) + count
        counts.append(count)
    most = _fewest(units.at_most, limit, sum(counts))
    assert most is not None  # the sum is a limit
    most -= most % units.sets_of
    for place, count in enumerate(counts):
        counts[place] = min(count, most)
        most -= counts[place]
    return counts


def _in_step(units: Units, start: int, stop: int) -> int:
    """Count the units from ``start`` to ``stop`` that are taken: after the skipped ones, one in so many."""

    def below(place: int) -> int:
        return max(0, -(-(place - units.skip) // units.every))

    return below(stop) - below(start)


def _last_of_sets(place: int, size: int, last: int) -> int:
    """Count the units before a place that are among the last ones of their set."""
    sets, rest = divmod(place, size)
    return sets * last + max(0, rest - (size - last))


def _bundles(
    parts: Sequence[Part], pools: Sequence[deque[_Run]], spent: Container[int], times: int | None
) -> tuple[int, list[tuple[_Run, int]]] | None:
    """Find the units of the next bundle; of several at once where each part has enough of one run.

    What is spent is dropped from the pools, so that no unit is looked at for every bundle.

    Returns:
        How many bundles, and how many units of which runs; ``None`` where a part has too few.
    """
    counts, runs, at_once = dict[int, int](), dict[int, _Run](), True
    for part, pool in zip(parts, pools, strict=True):
        while pool and id(pool[0]) in spent:
            pool.popleft()
        needed = part.units
        for run in pool:
            count = 0 if id(run) in spent else min(needed, run.units - counts.get(id(run), 0))
            if count:
                at_once = at_once and count == part.units
                counts[id(run)], runs[id(run)] = counts.get(id(run), 0) + count, run
                needed -= count
            if not needed:
                break
        if needed:
            return None
    fits = min(runs[key].units // count for key, count in counts.items()) if at_once else 1
    batch = fits if times is None else min(fits, times)
    return batch, [(runs[key], count * batch) for key, count in counts.items()]
