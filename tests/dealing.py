"""Random offers of all kinds, and programs that have them: for the laws of quotes, orders and returns."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st

from loyaltycore import Basket, Line, Money, Program
from loyaltycore.basket import Filter
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
    ShippingPercentOff,
    ShippingPrice,
    Single,
    SpendLadder,
    Spread,
    Units,
    n_for_m,
)
from loyaltycore.conditions import (
    Across,
    Base,
    Condition,
    all_of,
    code_presented,
    contains,
    is_member,
    past_discount_at_least,
    products_at_least,
    quantity_at_least,
    spend_at_least,
)
from loyaltycore.offers import Combines, Lane, Mode, Offer, OfferBook, Returns, Stacking, View
from loyaltycore.periods import Period, Term
from loyaltycore.quantities import Rate, Rounding
from tests.programs import programs

__all__ = ["dealing_programs", "deals", "goods", "views"]

CODES = ("CODEA", "CODEB", "CODED", "CODEE")
FILTERS = (
    Filter(),
    Filter(products=["p"]),
    Filter(products=["p", "q"]),
    Filter(exclude_products=["r"]),
    Filter(tags=["low-margin"]),
)


def _conditions(currency: str, number: int) -> st.SearchStrategy[Condition]:
    """Draw what must hold: of money, units, products, codes, the member's past."""
    of = st.sampled_from(FILTERS)
    money = st.sampled_from((1, 99, 2_000, 12_345)).map(lambda minor: Money(minor, currency))
    single = st.one_of(
        st.builds(spend_at_least, money, of=of, base=st.sampled_from(Base)),
        st.builds(quantity_at_least, st.integers(1, 5), of=of, across=st.sampled_from(Across)),
        st.builds(products_at_least, st.integers(1, 3), of=of),
        st.builds(contains, of),
        st.sampled_from((is_member(), code_presented(CODES[number]), ~past_discount_at_least("10"))),
    )
    pairs = st.tuples(single, single)
    both, either = pairs.map(lambda two: two[0] & two[1]), pairs.map(lambda two: two[0] | two[1])
    return st.one_of(st.just(all_of()), st.just(all_of()), single, both, either)


def _units() -> st.SearchStrategy[Units]:
    return st.sampled_from(
        (Units(), Units(), Units(at_most=1), Units(first=Pick.DEAREST, at_most=2), Units(skip=1, every=2), Units(sets_of=2))
    )


def _off_goods(currency: str) -> st.SearchStrategy[Single]:
    """Draw what takes money off goods."""
    of = st.sampled_from(FILTERS)
    money = st.sampled_from((1, 50, 999, 10_000)).map(lambda minor: Money(minor, currency))
    percent = st.sampled_from(("10", "2.5", "33.3", "100"))
    return st.one_of(
        st.builds(
            PercentOff,
            percent,
            of=of,
            units=_units(),
            rounding=st.sampled_from((Rounding.HALF_UP, Rounding.DOWN)),
            rounded_per=st.sampled_from((Level.OFFER, Level.OFFER, Level.UNIT, Level.LINE)),
        ),
        st.builds(AmountOff, money, per=st.just(Per.BASKET), spread=st.sampled_from(Spread)),
        st.builds(AmountOff, money, per=st.sampled_from((Per.SHARED, Per.UNIT)), of=of, units=_units()),
        st.builds(AmountOff, money, per=st.just(Per.LINE), of=of),
        st.builds(FixedPrice, money, of=of, units=_units()),
        st.builds(BundlePrice, money, parts=st.lists(st.builds(Part, st.integers(1, 3), of), min_size=1, max_size=2)),
        st.builds(n_for_m, st.integers(3, 4), st.integers(1, 2), of=of),
        st.builds(
            _buy_get,
            buy=st.builds(Part, st.integers(1, 2), of),
            get=st.builds(Part, st.integers(1, 2), of),
            percent=percent,
            reward=st.sampled_from(Reward),
            times=st.none() | st.just(1),
        ),
    )


def _buy_get(buy: Part, get: Part, percent: str, reward: Reward, times: int | None) -> BuyGet:
    """Take what was drawn; sets of one kind of goods are bought and got of the same ones."""
    get = Part(get.units, buy.of) if reward is Reward.CHEAPEST_OF_SET else get
    return BuyGet(buy=buy, get=get, percent=percent, reward=reward, times=times)


def _gives(currency: str, *, multiplies: bool) -> st.SearchStrategy[Benefit]:
    """Draw benefits of every kind."""
    goods = _off_goods(currency)
    expires = st.none() | st.just(Term(Period(days=30)))
    bonus = st.builds(BonusPoints, st.integers(1, 90), expires=expires, pending=st.none() | st.just(Term(Period(days=7))))
    others: st.SearchStrategy[Single] = st.one_of(
        st.just(FreeShipping()),
        st.builds(ShippingPercentOff, st.sampled_from(("10", "50"))),
        st.just(ShippingPrice(Money(90, currency))),
        st.builds(Gift, st.sampled_from("pz"), st.integers(1, 2), fill=st.sampled_from(Fill)),
        bonus,
        st.just(NextCoupon("welcome-back")),
        st.just(PointsTimes(Rate.times("2"), of=Filter(products=["p"])) if multiplies else FreeShipping()),
    )
    several = st.builds(Several, st.tuples(goods, others))
    return st.one_of(
        goods,
        goods,
        others,
        several,
        st.tuples(goods, goods).map(lambda two: SpendLadder({Money(100, currency): two[0], Money(9_000, currency): two[1]})),
        st.tuples(goods, others).map(lambda two: QuantityLadder({2: two[0], 4: two[1]})),
    )


@st.composite
def deals(draw: st.DrawFn, currency: str, *, multiplies: bool = True, offers_limit: int = 4) -> list[Offer]:
    """Draw offers of every kind, with all that an offer can say."""
    offers = list[Offer]()
    for number in range(draw(st.sampled_from((offers_limit, offers_limit, 1, 2)))):
        give = draw(_gives(currency, multiplies=multiplies))
        lane = draw(st.none() | st.sampled_from(Lane))
        offer = Offer(
            f"deal-{number}",
            when=draw(_conditions(currency, number)),
            give=give,
            priority=draw(st.integers(0, 2)),
            base=draw(st.sampled_from(Base)),
            combines=draw(st.sampled_from((*[Combines.ANY] * 8, Combines.LAST, Combines.ALONE))),
            group=draw(st.sampled_from((*[None] * 5, "g"))),
            discount_limit=draw(st.sampled_from((None, None, Money(777, currency)))),
        )
        offers.append(offer if lane is None else attrs.evolve(offer, lane=lane))
    return offers


@st.composite
def dealing_programs(draw: st.DrawFn, *, returns: Returns = Returns.KEEP, mode: Mode | None = None) -> Program:
    """Draw programs whose offers are of every kind."""
    rules = draw(programs())
    carries = any(rule.carries for rule in rules.earning)
    stacking = Stacking(
        mode or draw(st.sampled_from(Mode)),
        exclude_tags=["gift-card"],
        at_most=draw(st.sampled_from(({}, {}, {Lane.BASKET: 2}, {Lane.PRODUCT: 1, Lane.BASKET: 1}))),
        offers_at_most=draw(st.sampled_from((None, None, 2))),
        discount_limit=draw(st.sampled_from((None, None, Money(1_500, rules.currency)))),
        discount_share=draw(st.sampled_from((None, None, Rate.percent("30")))),
        returns=returns,
    )
    return attrs.evolve(rules, book=OfferBook(draw(deals(rules.currency, multiplies=not carries)), stacking=stacking))


@st.composite
def goods(draw: st.DrawFn, program: Program) -> Basket:
    """Draw baskets that many offers speak of: several lines of few products, some with a floor."""
    money = st.sampled_from((1, 33, 1_999, 5_000)) | st.integers(1, 20_000)
    lines = list[Line]()
    for place in range(draw(st.sampled_from((4, 3, 2, 1)))):
        price = Money(draw(money), program.currency)
        floor = draw(st.sampled_from((None, None, None, Money(900, program.currency))))
        line = Line(
            f"l{place}",
            price,
            draw(st.sampled_from((3, 2, 1, 6))),
            product_id=draw(st.sampled_from("pqr")),
            tags=draw(st.sampled_from(((), (), (), ("gift-card",), ("low-margin",)))),
            floor_price=floor,
        )
        lines.append(line)
    shipping = draw(st.none() | st.integers(1, 900))
    return Basket(lines, shipping=None if shipping is None else Money(shipping, program.currency))


def views() -> st.SearchStrategy[View]:
    """Draw what is out of stock."""
    return st.sampled_from((View(), View(), View(out_of_stock=["z"]), View(out_of_stock=["p", "z"])))
