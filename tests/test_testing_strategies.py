"""The public strategies: within their bounds, and shrinking to what is plain."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin

import attrs
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from loyaltycore._code_blocks import SpaceBlocks
from loyaltycore.basket import Basket, Filter, Line, PriceState, Return
from loyaltycore.benefits import Benefit, FreeShipping, moneys_of
from loyaltycore.codec import FACTS
from loyaltycore.conditions import AllOf, CodePresented, Condition, CouponHeld, During, Not, leaves
from loyaltycore.coupons import Campaign, Coupon, CouponCampaign, CouponStatus
from loyaltycore.errors import UsageError
from loyaltycore.gift_cards import CardUses, GiftCard
from loyaltycore.identity import check_id, fold_code
from loyaltycore.ladders import Ladder, Rung
from loyaltycore.ledger import Overdraft
from loyaltycore.members import Profile
from loyaltycore.offers import Combines, FreedBy, Lane, Limits, Mode, Offer, OfferBook, Stacking, View
from loyaltycore.orders import Counted, Order, OrderPlaced, OrderReturned, Shape
from loyaltycore.periods import Calendar, Period, Term, Through, Window
from loyaltycore.quantities import Money, Rate
from loyaltycore.testing import strategies
from loyaltycore.testing._calls import PointsCall, Verb
from loyaltycore.testing._registered import DRAWN, register
from loyaltycore.testing.strategies import (
    PRODUCTS,
    baskets,
    benefits,
    calendars,
    conditions,
    coupons,
    currencies,
    filters,
    gift_cards,
    ids,
    instants,
    ladders,
    lines,
    monies,
    offer_books,
    offers,
    orders,
    periods,
    points_accounts,
    points_histories,
    profiles,
    rates,
    refs,
    returns_of,
    shop_histories,
    stackings,
    terms,
    windows,
)
from tests.programs import velo

Y2000 = datetime(2000, 1, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)
SOLD = Basket([Line("a", Money.of("1.00", "EUR"), 3), Line("b", Money.of("2.00", "EUR"))])
SENT = Basket(SOLD.lines, shipping=Money.of("4.90", "EUR"))
GIVEN_AWAY = Basket([Line("a", Money.zero("EUR"))], shipping=Money.of("4.90", "EUR"))
SHOP = velo()
OF_SHOP = baskets(
    categories=["helmets", "sale"],
    brands=["acme", "velo"],
    markets=["FR", "DE"],
    channels=["app"],
    payments=["card"],
    max_reduction_minor=500,
    max_floor_minor=900,
)

T0, T1, T2 = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3))
BEARER = Coupon.issued("velo/H1############/2026a/1", campaign_id="welcome")
HELD_COUPON = Coupon.issued("welcome/t-1").grant("welcome", holder="ada", ref="t-1", at=T0).state
NEW_CARD = GiftCard.open("card-1").issue(Money.minor(1, "EUR"), ref="sold", expires_at=None, at=T0).state
CAMPAIGNS = st.from_type(CouponCampaign)

SHRUNK: list[tuple[SearchStrategy[Any], Callable[[Any], bool], object]] = [
    (refs(), lambda _: True, "ref-1"),
    (ids(), lambda _: True, "0"),
    (currencies(), lambda _: True, "EUR"),
    (monies(), lambda _: True, Money.zero("EUR")),
    (monies(), lambda money: money.minor_units > 7, Money.minor(8, "EUR")),
    (rates(), lambda _: True, Rate.percent(0)),
    (calendars(), lambda _: True, Calendar("UTC")),
    (instants(), lambda _: True, Y2000),
    (instants(), lambda at: at > JULY, JULY + timedelta(microseconds=1)),
    (periods(), lambda _: True, Period(days=1)),
    (periods(), lambda period: period.years > 0 and period.months > 0, Period(years=1, months=1)),
    (terms(), lambda _: True, Term(Period(days=1))),
    (windows(), lambda _: True, Window(starts_at=None, ends_at=None)),
    (ladders(), lambda _: True, Ladder.of({0: "rung-0"})),
    (ladders(st.integers()), lambda ladder: len(ladder.rungs) > 1, Ladder([Rung(0, 0), Rung(1, 0)])),
    (profiles(), lambda _: True, Profile()),
    (lines(), lambda _: True, Line("helmet", Money.zero("EUR"))),
    (baskets(), lambda _: True, Basket([], currency="EUR")),
    (baskets(), lambda basket: bool(basket.lines), Basket([Line("helmet", Money.zero("EUR"))])),
    (baskets(), lambda basket: basket.subtotal.minor_units > 10, Basket([Line("helmet", Money.minor(11, "EUR"))])),
    (OF_SHOP, lambda basket: bool(basket.lines), Basket([Line("helmet", Money.zero("EUR"))])),
    (filters(), lambda _: True, Filter()),
    (conditions(), lambda _: True, AllOf(())),
    (benefits(), lambda _: True, FreeShipping()),
    (stackings(), lambda _: True, Stacking(Mode.ALL)),
    (coupons(), lambda _: True, Coupon.issued("velo/H1############/2026a/1", campaign_id="welcome")),
    (coupons(holders=["ada"]), lambda coupon: bool(coupon.holder), HELD_COUPON),
    (coupons(), lambda coupon: bool(coupon.uses), BEARER.reserve("1001", member_id=None, until=T2, at=T1).state),
    (gift_cards(), lambda _: True, NEW_CARD),
    (gift_cards(), lambda card: card.blocked_at is not None, NEW_CARD.block(reason="lost", actor="shop", at=T1).state),
    (offer_books(), lambda _: True, OfferBook([], stacking=Stacking(Mode.ALL))),
    (returns_of(SOLD), lambda back: bool(back.lines), Return(lines={"b": 1})),
    (returns_of(SENT), lambda back: bool(back.lines), Return(lines={"b": 1})),
    (returns_of(SENT), lambda back: back.shipping is not None, Return(shipping=Money.minor(1, "EUR"))),
    (shop_histories(SHOP).map(lambda history: history.orders), lambda _: True, ()),
    (points_histories(), lambda _: True, ()),
    (points_histories(), bool, (PointsCall(verb="earn", ref="a0", points=25),)),
]


def came_back(order: Order) -> list[OrderReturned]:
    """Give the returns of an order."""
    return list(order.returns.values())


def booked(order: Order) -> OrderPlaced:
    """Give what was booked."""
    assert order.placed is not None
    return order.placed


def steps_of(order: Order) -> set[int]:
    """Give the money of the steps that earned."""
    return {earned.formula.per_minor for earned in booked(order).earned if earned.formula.shape is Shape.STEP}


def counted_of(order: Order) -> list[dict[str, Counted]]:
    """Give what each rule counted, by line."""
    return [{part.line_id: part for part in earned.counted} for earned in booked(order).earned]


def has_call(verb: Verb, calls: tuple[PointsCall, ...]) -> bool:
    """Say whether a verb is called."""
    return any(call.verb == verb for call in calls)


def stands(status: CouponStatus, coupon: Coupon) -> bool:
    """Say whether a coupon stands somewhere, a week on."""
    return coupon.status(at=T0 + timedelta(days=7)) is status


def says(name: str, campaign: CouponCampaign) -> bool:
    """Say whether a campaign has something."""
    return bool(getattr(campaign, name))


def has_kind(kind: type, condition: Condition) -> bool:
    """Say whether a condition of a kind is drawn, alone or inside another."""
    return isinstance(condition, kind) or any(isinstance(part, kind) for part in leaves(condition))


def gives_kind(kind: type, benefit: Benefit) -> bool:
    """Say whether a benefit is of a kind."""
    return isinstance(benefit, kind)


def meets(mode: Mode, stacking: Stacking) -> bool:
    """Say whether offers meet so, with a limit for all of them."""
    return stacking.mode is mode and stacking.discount_limit is not None


REACHED: list[tuple[SearchStrategy[Any], Callable[[Any], bool]]] = [
    (monies("EUR", min_minor=-5), lambda money: money.minor_units < 0),
    (rates(), lambda rate: rate.factor.denominator % 3 == 0),
    (instants(), lambda at: at.fold == 1),
    (instants(), lambda at: at.tzinfo is not None and at.utcoffset() == timedelta(hours=14)),
    (instants(), lambda at: str(at.tzinfo) == "Pacific/Apia" and at.date() == date(2011, 12, 31)),
    (instants(), lambda at: str(at.tzinfo) == "Asia/Tokyo" and at.hour == at.minute == at.second == at.microsecond == 0),
    (instants(), lambda at: str(at.tzinfo) == "America/Sao_Paulo" and at.date() == date(2018, 11, 4) and at.hour == 1),
    (periods(), lambda period: period.weeks > 0 and period.days == 0),
    (terms(), lambda term: term.through_end_of is Through.QUARTER),
    (windows(), lambda window: window.starts_at is None and window.ends_at is not None),
    (windows(), lambda window: window.starts_at is not None and window.ends_at is None),
    (windows(), lambda window: window.starts_at is not None and window.ends_at is not None),
    (ladders(), lambda ladder: len(ladder.rungs) == 8),
    (profiles(), lambda profile: profile.birthday == date(2000, 2, 29) and profile.tags and profile.market == "DE"),
    (baskets(), lambda basket: basket.shipping is None and len(basket.lines) > 3),
    (baskets(), lambda basket: basket.shipping is not None and basket.shipping.minor_units > 0),
    (baskets(), lambda basket: any(line.line_id == "helmet/2" for line in basket.lines)),
    (baskets(), lambda basket: len({line.product_id for line in basket.lines}) == len(PRODUCTS)),
    (OF_SHOP, lambda basket: {line.brand for line in basket.lines} == {None, "acme", "velo"}),
    (OF_SHOP, lambda basket: any(len(line.categories) == 2 for line in basket.lines)),
    (OF_SHOP, lambda basket: any(line.regular_price and line.regular_price > line.unit_price for line in basket.lines)),
    (OF_SHOP, lambda basket: any(line.floor_price and line.floor_price < line.unit_price for line in basket.lines)),
    (OF_SHOP, lambda basket: (basket.market, basket.channel, basket.payment) == ("DE", "app", "card")),
    (OF_SHOP, lambda basket: basket.market is basket.channel is basket.payment is None and len(basket.lines) > 1),
    (filters(), lambda only: bool(only.tags and only.exclude_products)),
    (filters(brands=["acme"], categories=["c"]), lambda only: bool(only.brands and only.categories)),
    (filters(), lambda only: only.price is PriceState.REDUCED),
    (filters(), lambda only: len(only.bounds) == 2),
    *((conditions(), partial(has_kind, kind)) for kind in (*get_args(Condition), Not) if kind.__name__ != "OwnCondition"),
    (conditions(), lambda one: isinstance(one, During) and one.recurrence is not None),
    *((benefits(), partial(gives_kind, kind)) for kind in get_args(Benefit)),
    (offers(), lambda offer: offer.combines is Combines.ALONE and offer.group is not None),
    (offers(), lambda offer: offer.lane is Lane.PRODUCT),
    (offers(), lambda offer: bool(offer.codes)),
    (offers(), lambda offer: offer.is_limited and offer.window is not None),
    *((stackings(), partial(meets, mode)) for mode in Mode),
    (offer_books(), lambda book: len(book.offers) == 6),
    *((coupons(), partial(stands, status)) for status in CouponStatus if status is not CouponStatus.PENDING),
    (coupons(), lambda coupon: coupon.is_granted and not coupon.holder),
    (coupons(), lambda coupon: len(coupon.uses) == 2),
    (gift_cards(), lambda card: bool(card.ledger.burns) and bool(card.ledger.holds)),
    (gift_cards(), lambda card: any(take.given_back for take in card.ledger.burns.values())),
    (gift_cards(), lambda card: card.issued is not None and card.issued.uses is CardUses.ONE and bool(card.ledger.adjustments)),
    (gift_cards(), lambda card: len(card.ledger.lots) > 2),
    (st.from_type(Campaign), lambda campaign: campaign.is_stopped),
    (st.from_type(Campaign), lambda campaign: campaign.version == 2),
    *(
        (st.from_type(CouponCampaign), partial(says, name))
        for name in ("is_human", "space_id", "automatic", "valid_for", "window")
    ),
    (st.from_type(Limits), lambda limits: limits.are_shared and limits.are_members and limits.freed_by is FreedBy.RETURNED),
    (st.from_type(SpaceBlocks), lambda space: len(space.check_values) == 2),
    (st.from_type(View), lambda view: bool(view.codes and view.cards)),
    (returns_of(SOLD), lambda back: back.lines == {"a": 3, "b": 1}),
    (returns_of(SOLD), lambda back: back.amount == SOLD.subtotal),
    (returns_of(SENT), lambda back: back.shipping == SENT.shipping and not back.lines and back.amount is None),
    (returns_of(SENT), lambda back: back.shipping is not None and bool(back.lines)),
    (returns_of(SENT), lambda back: back.shipping is not None and back.amount is not None),
    (returns_of(GIVEN_AWAY), lambda back: back.shipping is not None and not back.lines),
    (orders(), lambda order: steps_of(order) == {1}),
    (orders(), lambda order: steps_of(order) == {100} and booked(order).points > 60),
    (orders(), lambda order: any(line.line_id not in of for of in counted_of(order) for line in booked(order).lines)),
    (
        orders(),
        lambda order: any(
            of[line.line_id].minor > line.net_minor
            for of in counted_of(order)
            for line in booked(order).lines
            if line.line_id in of
        ),
    ),
    (orders(), lambda order: any(len({part.factor for part in of.values()}) > 1 for of in counted_of(order))),
    (orders(), lambda order: any("" in of for of in counted_of(order))),
    (orders(), lambda order: len({earned.formula.shape for earned in booked(order).earned}) == 2),
    (orders(), lambda order: booked(order).goods_minor == 0 and booked(order).points > 0),
    (orders(), lambda order: any(back.points_revoked and not back.lines for back in came_back(order))),
    (orders(), lambda order: any(back.shipping_minor and back.lines for back in came_back(order))),
    (orders(), lambda order: any(back.shipping_minor and back.amount_minor for back in came_back(order))),
    (orders(), lambda order: any(back.shipping_minor == back.money_minor > 0 for back in came_back(order))),
    *((points_histories(), partial(has_call, verb)) for verb in get_args(Verb)),
    (points_histories(), lambda calls: any(call.at < before.at for before, call in pairwise(calls))),
    (points_histories(), lambda calls: any(attrs.evolve(call, at=before.at) == before for before, call in pairwise(calls))),
    (points_histories(overdraft=Overdraft.SETTLE), lambda calls: any(call.overdraft is Overdraft.SETTLE for call in calls)),
    (points_accounts(), lambda account: any(lot.forgiven for lot in account.ledger.lots.values())),
    (points_accounts(), lambda account: any(lot.paid_in for lot in account.ledger.lots.values())),
    (points_accounts(), lambda account: any(hold.captured for hold in account.ledger.holds.values())),
    (shop_histories(SHOP), lambda history: any(order.shipping_minor for order in history.orders)),
    (shop_histories(SHOP), lambda history: any(back.points_revoked for order in history.orders for back in came_back(order))),
]


SETTINGS = settings(max_examples=5_000, derandomize=True, database=None)
DRAWN_ONLY = settings(SETTINGS, phases=[Phase.generate])


class TestAll:
    @pytest.mark.parametrize("strategy,condition,plainest", SHRUNK, ids=range(len(SHRUNK)))
    def test_shrinks_to_the_plainest(
        self, strategy: SearchStrategy[Any], condition: Callable[[Any], bool], plainest: object
    ) -> None:
        """What a failing test shows is as plain as it can be."""
        assert find(strategy, condition, settings=SETTINGS) == plainest

    @pytest.mark.parametrize("strategy,condition", REACHED, ids=range(len(REACHED)))
    def test_reaches_what_is_special(self, strategy: SearchStrategy[Any], condition: Callable[[Any], bool]) -> None:
        """The corners are drawn, not only the middle."""
        assert find(strategy, condition, settings=DRAWN_ONLY) is not None

    @pytest.mark.parametrize("name", [name for name in strategies.__all__ if name != "PRODUCTS"])
    def test_names_are_plural_and_documented(self, name: str) -> None:
        """One per type, each with an example."""
        assert name.removesuffix("_of").endswith("s")
        assert "Example:" in (getattr(strategies, name).__doc__ or "")


class TestBounds:
    @given(ids(max_length=3), refs())
    def test_ids(self, some_id: str, ref: str) -> None:
        """Valid, and as short as asked; a ref can even be typed."""
        assert check_id("id", some_id) == some_id
        assert len(some_id) <= 3
        assert fold_code(ref)

    @given(monies("JPY", min_minor=-5, max_minor=5), rates(max_percent=3))
    def test_quantities(self, money: Money, rate: Rate) -> None:
        """Both ends are inside."""
        assert Money.of(-5, "JPY") <= money <= Money.of(5, "JPY")
        assert 0 <= rate.factor <= Fraction(3, 100)

    @given(instants(earliest=JULY, latest=JULY + timedelta(hours=1)), windows(earliest=JULY, latest=JULY + timedelta(hours=1)))
    def test_times(self, at: datetime, window: Window) -> None:
        """In the zones as in UTC, with or without a night of changes between."""
        for instant in (at, window.starts_at, window.ends_at):
            assert instant is None or JULY <= instant <= JULY + timedelta(hours=1)

    @given(instants())
    def test_instants_unless_said(self, at: datetime) -> None:
        """This century."""
        assert Y2000 <= at <= datetime(2100, 1, 1, tzinfo=UTC)

    @given(periods(max_years=2))
    def test_periods(self, period: Period) -> None:
        """Each unit up to the longest."""
        assert max(period.years, period.months / 12, period.weeks / 52, period.days / 366) <= 2

    @given(ladders(min_threshold=5, max_threshold=7), ladders(st.just("x"), min_threshold=-1, max_threshold=0))
    def test_ladders(self, named: Ladder[str], given_values: Ladder[str]) -> None:
        """Thresholds within the bounds; names that tell the rungs apart, or the values given."""
        assert all(5 <= rung.threshold <= 7 and rung.value == f"rung-{rung.threshold}" for rung in named.rungs)
        assert all(-1 <= rung.threshold <= 0 and rung.value == "x" for rung in given_values.rungs)

    @given(profiles(markets=(), tags=(), consents=["sms"]))
    def test_profiles(self, profile: Profile) -> None:
        """Nothing but the words given."""
        assert profile.market is None
        assert not profile.tags
        assert profile.consents <= {"sms"}

    @given(baskets("KWD", products={"x": ["t"]}, min_lines=1, max_lines=2, max_price_minor=4, max_quantity=2))
    def test_baskets(self, basket: Basket) -> None:
        """Lines, prices, quantities, products and tags as asked."""
        assert 1 <= len(basket.lines) <= 2
        assert basket.currency == "KWD"
        assert basket.shipping is None or basket.shipping.minor_units <= 4
        for nth, line in enumerate(basket.lines, start=1):
            assert line.line_id == ("x" if nth == 1 else "x/2")
            assert (line.product_id, line.tags) == ("x", frozenset({"t"}))
            assert line.unit_price.minor_units <= 4
            assert line.quantity <= 2

    @given(OF_SHOP)
    def test_baskets_of_a_shop(self, basket: Basket) -> None:
        """Labels of the shop, and prices that are no further off."""
        assert basket.market in {None, "FR", "DE"}
        assert basket.channel in {None, "app"}
        assert basket.payment in {None, "card"}
        for line in basket.lines:
            assert line.categories <= {"helmets", "sale"}
            assert line.brand in {None, "acme", "velo"}
            assert line.regular_price is None or (line.regular_price - line.unit_price).minor_units <= 500
            assert line.floor_price is None or line.floor_price.minor_units <= 900

    @given(baskets())
    def test_baskets_have_no_labels_that_were_not_named(self, basket: Basket) -> None:
        """Nobody is surprised by a category."""
        assert (basket.market, basket.channel, basket.payment) == (None, None, None)
        for line in basket.lines:
            assert (line.categories, line.brand, line.regular_price, line.floor_price) == (frozenset(), None, None, None)

    @given(baskets(min_lines=1).flatmap(lambda basket: st.tuples(st.just(basket), returns_of(basket))))
    def test_returns(self, drawn: tuple[Basket, Return]) -> None:
        """Never more than was sold, in the basket's currency."""
        basket, back = drawn
        sold = {line.line_id: line.quantity for line in basket.lines}
        assert all(units <= sold[line_id] for line_id, units in back.lines.items())
        assert back.amount is None or back.amount <= basket.subtotal
        if back.shipping is not None:
            assert basket.shipping is not None
            assert back.shipping <= basket.shipping

    @given(orders(currency="KWD", returns_limit=2))
    def test_orders(self, order: Order) -> None:
        """In the currency asked, no more returns than asked, and what was earned is that of all that counted."""
        fact = booked(order)
        assert fact.currency == "KWD"
        assert len(order.returns) <= 2
        for earned in fact.earned:
            assert earned.on({part.line_id: part.minor for part in earned.counted}) == earned.points
        assert all(min(attrs.astuple(line)[2:7]) >= 0 and line.net_minor >= 0 for line in fact.lines)

    @given(offer_books("JPY", max_offers=2), benefits("KWD", max_amount_minor=5), filters("KWD", max_price_minor=4))
    def test_offers(self, book: OfferBook, give: Benefit, only: Filter) -> None:
        """In the currency asked, as many and as high as asked; ids and codes are unique, as a book wants them."""
        assert len(book.offers) <= 2
        assert book.currency in {None, "JPY"}
        assert all(bound <= Money.minor(4, "KWD") for bound in only.bounds)
        amounts = [money for money in moneys_of(give) if money.minor_units <= 5]
        assert all(money.currency == "KWD" for money in amounts)

    @given(conditions(codes=(), campaigns=()))
    def test_nothing_is_opened_where_there_is_nothing_to_open(self, condition: Condition) -> None:
        """Without codes and campaigns no condition asks for one."""
        assert not any(isinstance(part, CodePresented | CouponHeld) for part in leaves(condition))

    @given(conditions(codes=()), offers(when=st.just(AllOf(())), give=st.just(FreeShipping())))
    def test_offers_of_ones_own(self, condition: Condition, offer: Offer) -> None:
        """No codes where none are given; the conditions and benefits that are given, and no others."""
        assert not any(isinstance(part, CodePresented) for part in leaves(condition))
        assert (offer.when, offer.give) == (AllOf(()), FreeShipping())

    @given(coupons(campaigns=["sorry"], holders=(), steps_limit=1), gift_cards("KWD", max_amount_minor=9, steps_limit=0))
    def test_rights(self, coupon: Coupon, card: GiftCard) -> None:
        """Of the campaigns, the members and the currency asked, and no longer than asked; read back they are the same."""
        assert (coupon.campaign_id, coupon.holder) == ("sorry", "")
        assert len(coupon.uses) <= 1
        assert (card.currency, card.version) == ("KWD", 2)
        assert 1 <= card.loaded_minor <= 9
        assert (Coupon.from_dict(coupon.to_dict()), GiftCard.from_dict(card.to_dict())) == (coupon, card)

    def test_nothing_can_come_back_of_nothing(self) -> None:
        """An empty basket has no returns."""
        with pytest.raises(UsageError, match="basket must have a line that can come back"):
            returns_of(Basket([], currency="EUR"))


class TestFromType:
    @pytest.mark.parametrize("kind", [*DRAWN, Ladder[int], Rung[Money]], ids=str)
    def test_each_type_is_drawn(self, kind: type) -> None:
        """Hypothesis draws each registered type by itself, every kind of fact among them."""
        register()
        drawn = list[object]()

        @settings(
            max_examples=20, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        @given(st.from_type(kind))
        def draw(value: object) -> None:
            drawn.append(value)

        draw()
        assert {isinstance(value, get_origin(kind) or kind) for value in drawn} == {True}
        assert len({repr(value) for value in drawn}) > 1

    def test_every_kind_of_fact_is_registered(self) -> None:
        """None is forgotten."""
        assert set(DRAWN) >= set(FACTS)

    def test_hypothesis_finds_them(self, tmp_path: Path) -> None:
        """Through its entry point, whichever of the two is imported first, and without pytest."""
        folder = tmp_path / "found-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: found\nVersion: 1\n")
        (folder / "entry_points.txt").write_text("[hypothesis]\nfound = loyaltycore.testing._registered:register\n")
        for first in ("import hypothesis", "import loyaltycore.testing.strategies"):
            code = (
                f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {first}; from hypothesis import find, strategies as st;"
                "assert 'pytest' not in sys.modules;"
                "from loyaltycore.quantities import Money; print(find(st.from_type(Money), lambda _: True))"
            )
            answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            assert answer.stdout == "0.00 EUR\n"
