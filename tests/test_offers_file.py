"""The tables of offers in a program file: every key, and what is said of every mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, Line, Money, Program, ProgramError
from loyaltycore._campaign import CAMPAIGNS_LIMIT
from loyaltycore._code_space import CodeSpace, SecretKey
from loyaltycore._offers_file import SINGLES
from loyaltycore._phrases import EXPIRES, PENDING, TERM
from loyaltycore._program_file import read_program
from loyaltycore.basket import Filter, PriceState
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
    cheapest_free,
    n_for_m,
)
from loyaltycore.conditions import (
    Across,
    AllOf,
    AnyOf,
    Base,
    Condition,
    Not,
    OwnCondition,
    code_presented,
    contains,
    coupon_held,
    during,
    first_order,
    in_market,
    in_tier,
    is_member,
    leaves,
    member_tagged,
    nth_order,
    paid_by,
    past_discount_at_least,
    points_at_least,
    products_at_least,
    quantity_at_least,
    spend_at_least,
    via_channel,
)
from loyaltycore.coupons import HUMAN, CouponCampaign
from loyaltycore.offers import Combines, FreedBy, Lane, Limits, Mode, Offer, Returns, Span, Stacking, Times
from loyaltycore.periods import Period, Recurrence, Schedule, Term, Through, Weekday, Window
from loyaltycore.quantities import Over, Rate, Remainder, Rounding
from tests.test_program_file import toml
from tools.project import ROOT

PROGRAM = '[program]\nname = "velo"\nversion = 1\ncurrency = "EUR"\nzone = "Europe/Paris"\nstarts_on = 2026-07-01\n'
POINTS = '[points]\nearn = "1 per 1.00"\nbasis = "paid"\nexpires = "12 months"\npending = "30 days"\noverdraft = "carry"\n'
TIERS = (
    '[tiers]\nmetric = "spend"\nwindow = "12 months"\ndowngrade = "one step"\n'
    '[[tiers.rung]]\nid = "silver"\nfrom = "100"\n[[tiers.rung]]\nid = "gold"\nfrom = "500"\n'
)
STACKING = '[stacking]\nmode = "all"\n'
WELCOME = '[[campaigns]]\nid = "welcome"\ngive = { percent_off = "5" }\n'
HEAD = PROGRAM + POINTS + TIERS + STACKING + WELCOME + '[[offers]]\nid = "a"\n'
GIVE = 'give = { percent_off = "10" }\n'
NOW = datetime(2026, 7, 7, 15, tzinfo=UTC)  # a Tuesday, five o'clock in Paris
YEAR, MONTH = Term(Period(months=12)), Term(Period(days=30))
SOCKS = Filter(categories=["socks"])
JULY = Window(starts_at=datetime(2026, 6, 30, 22, tzinfo=UTC), ends_at=datetime(2026, 7, 31, 22, tzinfo=UTC))


def euros(amount: str) -> Money:
    """Write an amount short."""
    return Money.of(amount, "EUR")


def offer(text: str, head: str = HEAD) -> Offer:
    """Read the offer of a program that has one, beside that of the campaign."""
    found = [one for one in read_program(head + text)["book"].offers if one.offer_id != "welcome"]
    assert [one.offer_id for one in found] == ["a"]
    return found[0]


def problems(text: str, head: str = HEAD) -> list[str]:
    """Give the messages of a file that must be wrong."""
    with pytest.raises(ProgramError) as error:
        read_program(head + text)
    return [str(problem) for problem in error.value.problems]


def unsaid(values: Iterable[attrs.AttrsInstance]) -> set[str]:
    """Name the fields that none of these values sets to anything but its default."""
    fields, said = set[str](), set[str]()
    for value in values:
        for field in attrs.fields(type(value)):
            name = f"{type(value).__name__}.{field.name}"
            if field.init:
                fields.add(name)
            default = field.default.factory if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type, misc, unused-ignore]
            if getattr(value, field.name) != default:
                said.add(name)
    return fields - said


CONDITIONS: list[tuple[str, Condition]] = [
    ("", AllOf(())),
    ('spend_at_least = "50.00"', spend_at_least(euros("50"))),
    ('spend_at_least = "50.00", base = "running"', spend_at_least(euros("50"), base=Base.RUNNING)),
    ('spend_at_least = "50.00", of = { categories = ["socks"] }', spend_at_least(euros("50"), of=SOCKS)),
    ("quantity_at_least = 3", quantity_at_least(3)),
    (
        'quantity_at_least = 3, across = "product", of = { categories = ["socks"] }',
        quantity_at_least(3, of=SOCKS, across=Across.PRODUCT),
    ),
    ("products_at_least = 2", products_at_least(2)),
    ('products_at_least = 2, of = { categories = ["socks"] }', products_at_least(2, of=SOCKS)),
    ('contains = { categories = ["socks"] }', contains(SOCKS)),
    ('code = "SUMMER10"', code_presented("SUMMER10")),
    ('coupon = "welcome"', coupon_held("welcome")),
    ("member = true", is_member()),
    ("first_order = true", first_order()),
    ("order_number = 5", nth_order(5)),
    ('tiers = ["gold", "silver"]', in_tier("gold", "silver")),
    ('member_tags = ["staff"]', member_tagged("staff")),
    ("points_at_least = 500", points_at_least(500)),
    ('past_discount_at_least = "10 %"', past_discount_at_least("10")),
    ('markets = ["FR", "BE"]', in_market("FR", "BE")),
    ('channels = ["app"]', via_channel("app")),
    ('payments = ["card"]', paid_by("card")),
    ("during = { from = 2026-07-01, to = 2026-08-01 }", during(window=JULY)),
    (
        'during = { weekdays = ["tuesday"], starts = 16:00:00, ends = 18:00:00 }',
        during(schedule=Schedule(weekdays=[Weekday.TUESDAY], starts=time(16), ends=time(18))),
    ),
    (
        'during = { recurs = "FREQ=MONTHLY;BYDAY=1SU" }',
        during(recurrence=Recurrence("FREQ=MONTHLY;BYDAY=1SU")),
    ),
    (
        'during = { from = 2026-07-01, recurs = "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", ends = 12:00:00 }',
        during(
            window=Window(starts_at=JULY.starts_at, ends_at=None),
            schedule=Schedule(weekdays=list(Weekday), ends=time(12)),
            recurrence=Recurrence("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", starts_on=date(2026, 7, 1)),
        ),
    ),
    ("all = [{ member = true }, { first_order = true }]", is_member() & first_order()),
    ("any = [{ member = true }, { first_order = true }]", is_member() | first_order()),
    ("any = [{ member = true, first_order = true }]", AnyOf([is_member() & first_order()])),
    ("not = { member = true }", ~is_member()),
    ("not = { not = { member = true } }", Not(Not(is_member()))),
    ('not = { member = true, code = "SUMMER10" }', Not(code_presented("SUMMER10") & is_member())),
    (
        'spend_at_least = "50.00", member = true, any = [{ tiers = ["gold"] }, { points_at_least = 500 }]',
        AllOf([spend_at_least(euros("50")), is_member(), in_tier("gold") | points_at_least(500)]),
    ),
    (
        'spend_at_least = "50.00", quantity_at_least = 3, products_at_least = 2, of = { categories = ["socks"] }',
        AllOf([spend_at_least(euros("50"), of=SOCKS), quantity_at_least(3, of=SOCKS), products_at_least(2, of=SOCKS)]),
    ),
]
FILTERS: list[tuple[str, Filter]] = [
    ('tags = ["a"], products = ["b"]', Filter(tags=["a"], products=["b"])),
    ('categories = ["c"], brands = ["d"]', Filter(categories=["c"], brands=["d"])),
    ('price = "regular"', Filter(price=PriceState.REGULAR)),
    ('price_from = "15.00", price_to = "20.00"', Filter(price_from=euros("15"), price_to=euros("20"))),
    ('price_to = "0"', Filter(price_to=euros("0"))),
    ('exclude_tags = ["e"], exclude_products = ["f"]', Filter(exclude_tags=["e"], exclude_products=["f"])),
]
BENEFITS: list[tuple[str, Benefit]] = [
    ('{ percent_off = "10" }', PercentOff("10")),
    ('{ percent_off = "2.5 %" }', PercentOff("2.5")),
    (
        '{ percent_off = "10", of = { categories = ["socks"] }, exclude_tags = ["low"] }',
        PercentOff("10", of=SOCKS, exclude_tags=["low"]),
    ),
    (
        '{ percent_off = "10", rounding = "down", rounded_per = "line", remainder = "last" }',
        PercentOff("10", rounding=Rounding.DOWN, rounded_per=Level.LINE, remainder=Remainder.LAST),
    ),
    (
        '{ percent_off = "10", units = { first = "dearest", at_most = 2, each_at_most = 3, sets_of = 4, skip = 5, every = 6 } }',
        PercentOff("10", units=Units(first=Pick.DEAREST, at_most=2, each_at_most=3, sets_of=4, skip=5, every=6)),
    ),
    ('{ percent_off = "10", units = { skip = 1, every = 2 } }', PercentOff("10", units=Units(skip=1, every=2))),
    ('{ amount_off = "5.00", per = "basket" }', AmountOff(euros("5"), per=Per.BASKET)),
    ('{ amount_off = "5.00", per = "line", of = { categories = ["socks"] } }', AmountOff(euros("5"), per=Per.LINE, of=SOCKS)),
    (
        '{ amount_off = "5.00", per = "unit", units = { at_most = 2 }, exclude_tags = ["low"] }',
        AmountOff(euros("5"), per=Per.UNIT, units=Units(at_most=2), exclude_tags=["low"]),
    ),
    (
        '{ amount_off = "5.00", per = "shared", spread = "goods and shipping", remainder = "first" }',
        AmountOff(euros("5"), per=Per.SHARED, spread=Spread.GOODS_AND_SHIPPING, remainder=Remainder.FIRST),
    ),
    ('{ fixed_price = "0" }', FixedPrice(euros("0"))),
    (
        '{ fixed_price = "10.00", of = { categories = ["socks"] }, exclude_tags = ["low"], units = { at_most = 1 } }',
        FixedPrice(euros("10"), of=Filter(categories=["socks"], exclude_tags=["low"]), units=Units(at_most=1)),
    ),
    ('{ bundle_price = "20.00", parts = [{ units = 3 }] }', BundlePrice(euros("20"), parts=[Part(3)])),
    (
        '{ bundle_price = "500.00", parts = [{ units = 1, of = { categories = ["socks"] } }, { units = 2 }], times = 1 }',
        BundlePrice(euros("500"), parts=[Part(1, SOCKS), Part(2)], times=1),
    ),
    (
        '{ bundle_price = "20.00", parts = [{ units = 3 }], first = "cheapest" }',
        BundlePrice(euros("20"), parts=[Part(3)], first=Pick.CHEAPEST),
    ),
    ("{ buy = 2, get = 1 }", n_for_m(3, 2)),
    ('{ buy = 2, get = 1, of = { categories = ["socks"] } }', n_for_m(3, 2, of=SOCKS)),
    ("{ buy = 2, get = 1, times = 4 }", n_for_m(3, 2, times=4)),
    (
        '{ buy = 1, get = 1, percent_off = "50", reward = "same", rounding = "up" }',
        BuyGet(buy=Part(1), get=Part(1), percent="50", reward=Reward.SAME, rounding=Rounding.UP),
    ),
    (
        '{ buy = 1, get = 1, buy_of = { categories = ["socks"] } }',
        BuyGet(buy=Part(1, SOCKS), get=Part(1)),
    ),
    (
        '{ buy = 1, get = 1, of = { brands = ["d"] }, get_of = { categories = ["socks"] } }',
        BuyGet(buy=Part(1, Filter(brands=["d"])), get=Part(1, SOCKS)),
    ),
    (
        '{ buy = 1, get = 1, of = { brands = ["d"] }, exclude_tags = ["low"] }',
        BuyGet(buy=Part(1, Filter(brands=["d"], exclude_tags=["low"])), get=Part(1, Filter(brands=["d"], exclude_tags=["low"]))),
    ),
    ("{ cheapest_free = true }", cheapest_free()),
    ('{ cheapest_free = true, of = { categories = ["socks"] } }', cheapest_free(of=SOCKS)),
    ("{ free_shipping = true }", FreeShipping()),
    ('{ shipping_percent_off = "50 %" }', ShippingPercentOff("50")),
    ('{ shipping_percent_off = "50", rounding = "down" }', ShippingPercentOff("50", rounding=Rounding.DOWN)),
    ('{ shipping_amount_off = "3.00" }', ShippingAmountOff(euros("3"))),
    ('{ shipping_price = "2.90" }', ShippingPrice(euros("2.90"))),
    ('{ gift = "bottle" }', Gift("bottle")),
    ('{ gift = "bottle", quantity = 2, fill = "missing" }', Gift("bottle", 2, fill=Fill.MISSING)),
    ("{ bonus_points = 100 }", BonusPoints(100, pending=MONTH, expires=YEAR)),
    ('{ bonus_points = 100, pending = "at once", expires = "never" }', BonusPoints(100, expires=None)),
    ('{ points_times = "2" }', PointsTimes(Rate.times("2"))),
    ('{ points_times = "1.5", of = { categories = ["socks"] } }', PointsTimes(Rate.times("1.5"), of=SOCKS)),
    ('{ next_coupon = "welcome-back" }', NextCoupon("welcome-back")),
    ('[{ percent_off = "20" }]', PercentOff("20")),
    ('[{ percent_off = "10" }, { gift = "bottle" }]', Several([PercentOff("10"), Gift("bottle")])),
    (
        '{ spend_ladder = [{ from = "0", give = { percent_off = "5" } }, { from = "50.00", give = { percent_off = "10" } }] }',
        SpendLadder({euros("50"): PercentOff("10"), euros("0"): PercentOff("5")}),
    ),
    (
        '{ spend_ladder = [{ from = "50.00", give = { percent_off = "10" } }], of = { tags = ["a"] }, exclude_tags = ["low"] }',
        SpendLadder({euros("50"): PercentOff("10")}, of=Filter(tags=["a"], exclude_tags=["low"])),
    ),
    (
        '{ quantity_ladder = [{ from = 3, give = { percent_off = "10" } }], of = { categories = ["socks"] } }',
        QuantityLadder({3: PercentOff("10")}, of=SOCKS),
    ),
]
OFFERS: list[tuple[str, dict[str, Any]]] = [
    ('lane = "product"', {"lane": Lane.PRODUCT}),
    ("priority = 5", {"priority": 5}),
    ("window = { from = 2026-07-01, to = 2026-08-01 }", {"window": JULY}),
    ('base = "running"', {"base": Base.RUNNING}),
    ("exclusive = true", {"combines": Combines.ALONE}),
    ("stop_after = true", {"combines": Combines.LAST}),
    ('group = "deals"', {"group": "deals"}),
    ('discount_limit = "30.00"', {"discount_limit": euros("30")}),
    ("limits = { total = 500, per_member = 1 }", {"limits": Limits(total=500, per_member=1)}),
    ('limits = { budget = "2000.00", units = 50 }', {"limits": Limits(budget=euros("2000"), units=50)}),
    ('limits = { units = 50, over = "refuse" }', {"limits": Limits(units=50, over=Over.REFUSE)}),
    ('limits = { total = 500, freed_by = "returned" }', {"limits": Limits(total=500, freed_by=FreedBy.RETURNED)}),
    (
        "limits = { total = { per_day = 20, per_month = 100 }, per_member = { per_week = 1, per_year = 10, lifetime = 30 } }",
        {"limits": Limits(total=Times(per_day=20, per_month=100), per_member=Times(per_week=1, per_year=10, lifetime=30))},
    ),
    (
        'limits = { total = 500, per_member = { per_month = 1 }, budget = "2000.00", freed_by = "returned" }',
        {"limits": Limits(total=500, per_member=Times(per_month=1), budget=Money.of("2000", "EUR"), freed_by=FreedBy.RETURNED)},
    ),
]
CAMPAIGNS: list[tuple[str, dict[str, Any]]] = [
    ("", {"codes": None}),
    ('codes = "HI-####-####-####"', {"codes": "velo/H1############"}),
    ('codes = "thanks ####  ####-####"', {"codes": "velo/THANKS############"}),
    ('valid_for = "30 days"', {"codes": None, "valid_for": Term(Period(days=30))}),
    (
        'valid_for = "12 months, end of month"',
        {"codes": None, "valid_for": Term(Period(months=12), through_end_of=Through.MONTH)},
    ),
    ('valid_for = "24 hours"', {"codes": None, "valid_for": timedelta(hours=24)}),
    ('valid_for = "1 hour"', {"codes": None, "valid_for": timedelta(hours=1)}),
    ('valid_for = "8784 hours"', {"codes": None, "valid_for": timedelta(days=366)}),
    ("automatic = true", {"codes": None, "automatic": True}),
    ("when = { first_order = true }", {"codes": None, "when": first_order()}),
    ('limits = { freed_by = "returned" }', {"codes": None, "limits": Limits(freed_by=FreedBy.RETURNED)}),
    *((text, {"codes": None, **fields}) for text, fields in OFFERS),
]
POLICIES: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ('exclude_tags = ["gift-card"]', {"exclude_tags": ["gift-card"]}),
    ("at_most = { product = 2, shipping = 1 }", {"at_most": {Lane.PRODUCT: 2, Lane.SHIPPING: 1}}),
    ("offers_at_most = 3", {"offers_at_most": 3}),
    ('discount_limit = "100.00"', {"discount_limit": euros("100")}),
    ('discount_share = "50 %"', {"discount_share": Rate.percent("50")}),
    ('returns = "reprice"', {"returns": Returns.REPRICE}),
]


class TestConditions:
    @pytest.mark.parametrize("text,expected", CONDITIONS)
    def test_keys(self, text: str, expected: Condition) -> None:
        """Every condition; several keys of one table must all hold."""
        assert offer(f"{GIVE}when = {{ {text} }}").when == expected

    @pytest.mark.parametrize("text,expected", FILTERS)
    def test_filters(self, text: str, expected: Filter) -> None:
        """Every key of a filter."""
        assert offer(f"{GIVE}when = {{ contains = {{ {text} }} }}").when == contains(expected)

    def test_filters_of_earning(self) -> None:
        """Rules of earning know the same goods; what does not count is said without a second exclusion."""
        text = PROGRAM + POINTS + 'only = { brands = ["a"], price_from = "5", exclude_products = ["b"] }\n'
        (rule,) = read_program(text + 'exclude = { brands = ["c"], price_to = "9" }')["earning"]
        assert rule.only == Filter(brands=["a"], price_from=euros("5"), exclude_products=["b"])
        assert rule.exclude == Filter(brands=["c"], price_to=euros("9"))

    def test_every_condition_can_be_said(self) -> None:
        """But for a shop's own, which is a piece of Python."""
        found = [part for _, condition in CONDITIONS for part in (condition, *leaves(condition))]
        assert {type(part) for part in found} == set(get_args(Condition)) - {OwnCondition}
        assert unsaid(found) == set()
        assert unsaid(only for _, only in FILTERS) == set()

    def test_as_tables_of_their_own(self) -> None:
        """What is long may be written in several lines."""
        text = (
            GIVE + "[offers.when]\nmember = true\n[[offers.when.any]]\nfirst_order = true\n[[offers.when.any]]\norder_number = 5"
        )
        assert offer(text).when == is_member() & (first_order() | nth_order(5))


class TestBenefits:
    @pytest.mark.parametrize("text,expected", BENEFITS)
    def test_keys(self, text: str, expected: Benefit) -> None:
        """Every benefit, with everything that goes with it."""
        found = offer(f"give = {text}")
        assert found.give == expected
        assert found == Offer("a", give=expected)

    def test_every_benefit_can_be_said(self) -> None:
        """No key is left untried, and no benefit of the library, and no setting of one, is left unsaid."""
        assert [name for name in SINGLES if not any(name in text for text, _ in BENEFITS)] == []
        assert {type(found) for _, found in BENEFITS} == set(get_args(Benefit))
        assert unsaid(found for _, found in BENEFITS) == set()

    @pytest.mark.parametrize("text", ["bonus_points = 100", 'bonus_points = 100, expires = "12 months"'])
    def test_bonus_points_wait_and_end_as_points_do(self, text: str) -> None:
        """Unless they say otherwise."""
        waiting = HEAD.replace('pending = "30 days"\n', "")
        assert offer(f"give = {{ {text} }}", waiting).give == BonusPoints(100, expires=YEAR)

    def test_bonus_points_of_a_program_without_points(self) -> None:
        """They say when they end."""
        without = HEAD.replace(POINTS, "")
        assert offer('give = { bonus_points = 5, expires = "never" }', without).give == BonusPoints(5, expires=None)
        assert problems("give = { bonus_points = 5 }", without) == [f"offers[1].give.expires: is missing; must be {EXPIRES}"]

    def test_terms_that_do_not_go_together(self) -> None:
        """Are told at the benefit, where the end is that of [points]."""
        ending = HEAD.replace("12 months", "2026-11-01", 1)
        assert problems('give = { bonus_points = 5, pending = "on 2026-12-01" }', ending) == [
            "offers[1].give.bonus_points: expires must not be before pending is over, on 2026-12-01, got 5"
        ]

    def test_wrong_points_are_told_once(self) -> None:
        """Where [points] is wrong, bonus points that follow it are not wrong too."""
        assert [
            text.partition(":")[0] for text in problems("give = { bonus_points = 5 }", HEAD.replace("12 months", "soon", 1))
        ] == ["points.expires"]
        text = "points = 5\n" + HEAD.replace(POINTS, "") + "give = { bonus_points = 5 }"
        assert {message.partition(".")[0] for message in problems(text, "")} == {"points: must be a table, got 5", "points"}


class TestOffers:
    @pytest.mark.parametrize("text,fields", OFFERS)
    def test_keys(self, text: str, fields: dict[str, Any]) -> None:
        """Every key of an offer."""
        assert offer(GIVE + text) == Offer("a", give=PercentOff("10"), **fields)

    @pytest.mark.parametrize("text,fields", POLICIES)
    @pytest.mark.parametrize("mode", list(Mode))
    def test_stacking(self, mode: Mode, text: str, fields: dict[str, Any]) -> None:
        """Every way for offers to meet."""
        book = read_program(f'{PROGRAM}[stacking]\nmode = "{mode}"\n{text}')["book"]
        assert book.stacking == Stacking(mode, **fields)

    def test_every_setting_can_be_said(self) -> None:
        """Of an offer, and of how offers meet."""
        assert unsaid(Offer("a", when=is_member(), give=FreeShipping(), **fields) for _, fields in OFFERS) == set()
        assert unsaid(Stacking(Mode.ALL, **fields) for _, fields in POLICIES) == set()
        limits = [fields["limits"] for _, fields in OFFERS if "limits" in fields]
        assert unsaid(limits) == set()
        assert unsaid([*(one.total for one in limits), *(one.per_member for one in limits)]) == set()

    def test_tiers_are_looked_for_only_where_they_are_known(self) -> None:
        """A ladder that is wrong does not make conditions wrong too."""
        wrong = HEAD.replace("one step", "two steps") + GIVE
        assert [text.partition(":")[0] for text in problems('when = { tiers = ["gold"] }', wrong)] == ["tiers.downgrade"]


SPANS = ", ".join(sorted(Span))
KNOWN_GIVES = ", ".join(SINGLES)
FILTER_KEYS = "brands, categories, exclude_products, exclude_tags, price, price_from, price_to, products, tags"


class TestProblems:
    @pytest.mark.parametrize(
        "text,expected",
        [
            ("", 'give: is missing; must be a table such as { percent_off = "10" } or { free_shipping = true }'),
            ("give = 5", "give: must be a table, got 5"),
            ("give = []", "give: must be a table, or a list of 1 to 10 tables, got 0"),
            ("give = [5]", "give[1]: must be a table, got 5"),
            ("give = {}", f"give: must say one of {KNOWN_GIVES}, spend_ladder, quantity_ladder"),
            ("give = [{}]", f"give[1]: must say one of {KNOWN_GIVES}"),
            (
                'give = { percentoff = "10" }',
                f'give: must say one of {KNOWN_GIVES}, spend_ladder, quantity_ladder, got "percentoff"',
            ),
            (
                'give = { percent_off = "10", free_shipping = true }',
                f'give: must say one of {KNOWN_GIVES}, spend_ladder, quantity_ladder, got "percent_off, free_shipping"',
            ),
            ("give = { get = 1 }", f'give: must say one of {KNOWN_GIVES}, spend_ladder, quantity_ladder, got "get"'),
            (
                "give = [{ spend_ladder = [] }]",
                f'give[1]: must say one of {KNOWN_GIVES}, got "spend_ladder"',
            ),
            ("give = { free_shipping = false }", "give.free_shipping: must be true, or be left out, got false"),
            (
                'give = { free_shipping = true, exclude_tags = ["a"] }',
                "give.exclude_tags: does not go with free_shipping, which stands alone, got a list",
            ),
            (
                'give = { gift = "bottle", of = {} }',
                "give.of: does not go with gift, which goes with fill, quantity, got a table",
            ),
            ("give = { percent_off = 10 }", 'give.percent_off: must be a percentage as text, such as "10", got 10'),
            (
                'give = { percent_off = "0 %" }',
                'give.percent_off: percent must be above 0 and at most 100, got "0 %"',
            ),
            (
                'give = { percent_off = "-5" }',
                'give.percent_off: percent must be above 0 and at most 100, got "-5"',
            ),
            (
                'give = { shipping_percent_off = "-5 %" }',
                'give.shipping_percent_off: percent must be above 0 and at most 100, got "-5 %"',
            ),
            (
                'give = { buy = 1, get = 1, percent_off = "-ten" }',
                (
                    "give.percent_off: percent must be a decimal number as text, int or Decimal of at most 40 digits "
                    '(never float), got "-ten"'
                ),
            ),
            (
                'give = { points_times = "-2" }',
                'give.points_times: factor must be 0 or more, got "-2"',
            ),
            ('give = { percent_off = "10", of = {} }', f"give.of: must say one of {FILTER_KEYS}"),
            (
                'give = { percent_off = "10", of = { tags = [] } }',
                "give.of.tags: must name at least one, or be left out, got a list",
            ),
            ('give = { fixed_price = "5", of = {} }', f"give.of: must say one of {FILTER_KEYS}"),
            (
                "give = { buy = 1, get = 1, get_of = { products = [] } }",
                "give.get_of.products: must name at least one, or be left out, got a list",
            ),
            (
                'give = { bundle_price = "20.00", parts = [{ units = 3, of = {} }] }',
                f"give.parts[1].of: must say one of {FILTER_KEYS}",
            ),
            (
                'give = { points_times = "2", of = { brands = [] } }',
                "give.of.brands: must name at least one, or be left out, got a list",
            ),
            (
                'give = { percent_off = "10", units = {} }',
                "give.units: must say one of at_most, each_at_most, every, first, sets_of, skip",
            ),
            (
                'give = { percent_off = "ten" }',
                (
                    "give.percent_off: percent must be a decimal number as text, int or Decimal of at most 40 digits "
                    '(never float), got "ten"'
                ),
            ),
            (
                'give = { percent_off = "10", rounding = "away" }',
                ('give.rounding: must be "down" or "up" or "half_up" or "half_down" or "half_even" in this version, got "away"'),
            ),
            (
                'give = { percent_off = "10", units = { first = "best" } }',
                'give.units.first: must be "cheapest" or "dearest" in this version, got "best"',
            ),
            (
                'give = { percent_off = "10", units = { skip = -1 } }',
                "give.units.skip: skip must be a whole number in [0, 9223372036854775807], got -1",
            ),
            (
                'give = { percent_off = "10", units = { most = 1 } }',
                (
                    "give.units.most: is not known to this version, which knows at_most, each_at_most, every, first, sets_of, "
                    "skip, got 1"
                ),
            ),
            (
                'give = { amount_off = "5.00" }',
                'give.per: is missing; must be "basket" or "shared" or "line" or "unit"',
            ),
            (
                'give = { amount_off = "5.00", per = "basket", of = { tags = ["a"] } }',
                "give.per: per must be 'shared' where only some goods share the amount, got \"basket\"",
            ),
            (
                'give = { amount_off = "5.00", per = "unit", spread = "goods and shipping" }',
                "give.spread: spread must be 'goods' for an amount per unit, got \"goods and shipping\"",
            ),
            ('give = { amount_off = "0.00", per = "basket" }', 'give.amount_off: must be above 0, got "0.00"'),
            (
                'give = { amount_off = "0.001", per = "basket" }',
                'give.amount_off: amount must have at most 2 decimals in EUR, got "0.001"',
            ),
            ('give = { fixed_price = "-1" }', 'give.fixed_price: must be 0 or more, got "-1"'),
            (
                'give = { bundle_price = "20.00" }',
                "give.parts: is missing; must be a list of tables such as [{ units = 3 }]",
            ),
            (
                'give = { bundle_price = "20.00", parts = 3 }',
                "give.parts: must be an array of tables: [[offers[1].give.parts]], got 3",
            ),
            (
                'give = { bundle_price = "20.00", parts = [{ of = { tags = ["a"] } }] }',
                "give.parts[1].units: is missing; must be a whole number of at least 1",
            ),
            (
                f'give = {{ bundle_price = "20.00", parts = [{", ".join(["{ units = 1 }"] * 11)}] }}',
                "give.parts: parts must be at most 10 in number, got a list",
            ),
            ("give = { buy = 2 }", "give.get: is missing; must be a whole number of at least 1"),
            (
                'give = { buy = 1, get = 1, of = { tags = ["a"] }, buy_of = { tags = ["b"] }, get_of = { tags = ["c"] } }',
                "give.of: goes with one of buy_of and get_of at most, as it means both, got a table",
            ),
            ('give = { gift = "" }', 'give.gift: gift must be text of 1 to 200 characters without control characters, got ""'),
            ('give = { bonus_points = 5, pending = "soon" }', f'give.pending: must be {PENDING}, got "soon"'),
            (
                'give = { bonus_points = 5, pending = "on 2026-12-01", expires = "2026-11-01" }',
                'give.expires: expires must not be before pending is over, on 2026-12-01, got "2026-11-01"',
            ),
            ('give = { points_times = "1" }', 'give.points_times: times must be above 1, got "1"'),
            (
                'give = { next_coupon = "a b" }',
                "give.next_coupon: next_coupon must be 1 to 64 letters, digits, '_', '.', ':' or '-', got \"a b\"",
            ),
            (
                "give = { quantity_ladder = [] }",
                "give.quantity_ladder: rungs must be 1 to 10 benefits by different starts, got a list",
            ),
            ("give = { spend_ladder = [] }", "give.spend_ladder: rungs must be 1 to 10 benefits by different starts, got a list"),
            (
                'give = { spend_ladder = [{ from = "5", give = {} }] }',
                f"give.spend_ladder[1].give: must say one of {KNOWN_GIVES}",
            ),
            (
                'give = { bundle_price = "20.00", parts = [{ units = 1, off = {} }] }',
                "give.parts[1].off: is not known to this version, which knows of, units, got a table",
            ),
            (
                'give = { spend_ladder = [{ from = "5", give = { percent_off = "1" } }], gift = "bottle" }',
                'give.gift: does not go with spend_ladder, which goes with exclude_tags, of, got "bottle"',
            ),
            (
                'give = { quantity_ladder = [{ from = 3, give = { percent_off = "1" } }], percent_off = "5" }',
                'give.percent_off: does not go with quantity_ladder, which goes with exclude_tags, of, got "5"',
            ),
            (
                'give = { quantity_ladder = [{ from = "3", give = { percent_off = "1" } }] }',
                'give.quantity_ladder[1].from: must be a whole number of at least 1, got "3"',
            ),
            (
                'give = { quantity_ladder = [{ from = 3, gives = 1, give = { percent_off = "1" } }] }',
                "give.quantity_ladder[1].gives: is not known to this version, which knows from, give, got 1",
            ),
        ],
    )
    def test_of_a_benefit(self, text: str, expected: str) -> None:
        """Where it is, what is allowed, and what was found."""
        assert problems(text) == [f"offers[1].{expected}"]

    @pytest.mark.parametrize(
        "text,expected",
        [
            ("when = 5", "when: must be a table, got 5"),
            ('when = { spend_at_least = "0" }', 'when.spend_at_least: must be above 0, got "0"'),
            ("when = { spend_at_least = 50 }", 'when.spend_at_least: must be an amount such as "50.00", got 50'),
            (
                'when = { spend_at_least = "5", base = "net" }',
                'when.base: must be "list" or "running" in this version, got "net"',
            ),
            (
                'when = { quantity_at_least = 2, across = "line" }',
                'when.across: must be "basket" or "product" in this version, got "line"',
            ),
            (
                "when = { quantity_at_least = 0 }",
                "when.quantity_at_least: it must be a whole number in [1, 9223372036854775807], got 0",
            ),
            (
                'when = { member = true, of = { tags = ["a"] } }',
                "when.of: goes with spend_at_least or quantity_at_least or products_at_least, got a table",
            ),
            ('when = { base = "list" }', 'when.base: goes with spend_at_least, got "list"'),
            (
                'when = { spend_at_least = "5", across = "product" }',
                'when.across: goes with quantity_at_least, got "product"',
            ),
            (
                'when = { contains = { price_from = "20", price_to = "15" } }',
                'when.contains.price_to: price_to must be at least price_from 20.00 EUR, got "15"',
            ),
            (
                'when = { contains = { skus = ["a"] } }',
                (
                    "when.contains.skus: is not known to this version, which knows brands, categories, exclude_products, "
                    "exclude_tags, price, price_from, price_to, products, tags, got a list"
                ),
            ),
            ("when = { contains = {} }", f"when.contains: must say one of {FILTER_KEYS}"),
            ('when = { spend_at_least = "5", of = {} }', f"when.of: must say one of {FILTER_KEYS}"),
            (
                'when = { contains = { categories = [], tags = ["a"] } }',
                "when.contains.categories: must name at least one, or be left out, got a list",
            ),
            (
                "when = { contains = { exclude_tags = [] } }",
                "when.contains.exclude_tags: must name at least one, or be left out, got a list",
            ),
            (
                "when = { contains = { exclude_products = [] } }",
                "when.contains.exclude_products: must name at least one, or be left out, got a list",
            ),
            (
                "when = { contains = { price_from = 15 } }",
                'when.contains.price_from: must be a price such as "15.00", got 15',
            ),
            ("when = { member = false }", "when.member: must be true, or be left out, got false"),
            ('when = { code = "ab" }', 'when.code: a code must have at least 3 letters and digits, got "ab"'),
            ("when = { order_number = true }", "when.order_number: must be a whole number of at least 1, got true"),
            ("when = { tiers = [] }", "when.tiers: tiers must name at least one, got a list"),
            ('when = { tiers = "gold" }', 'when.tiers: must be a list of tiers such as ["gold"], got "gold"'),
            ('when = { tiers = ["gold", "golf"] }', "when.tiers: must be of the tiers gold, silver, got a list"),
            ("when = { markets = [5] }", "when.markets: each of labels must be of type str, got a list"),
            (
                'when = { past_discount_at_least = "101" }',
                'when.past_discount_at_least: percent must be above 0 and at most 100, got "101"',
            ),
            ("when = { during = {} }", "when.during: must say one of ends, from, recurs, starts, to, weekdays"),
            (
                "when = { during = { days = 5 } }",
                "when.during.days: is not known to this version, which knows ends, from, recurs, starts, to, weekdays, got 5",
            ),
            (
                "when = { during = { from = 2026-07-01, to = 2026-07-01 } }",
                "when.during.to: must be after 2026-07-01, got 2026-07-01",
            ),
            (
                'when = { during = { weekdays = ["mardi"] } }',
                ('when.during.weekdays: must be of monday, tuesday, wednesday, thursday, friday, saturday, sunday, got "mardi"'),
            ),
            (
                "when = { during = { weekdays = [] } }",
                "when.during.weekdays: must name at least one, or be left out, got a list",
            ),
            (
                'when = { past_discount_at_least = "-1 %" }',
                'when.past_discount_at_least: percent must be above 0 and at most 100, got "-1 %"',
            ),
            (
                'when = { during = { recurs = "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR" } }',
                ('when.during.recurs: from must be said where INTERVAL is above 1, got "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"'),
            ),
            (
                'when = { during = { from = "July", recurs = "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR" } }',
                'when.during.from: must be a date such as 2026-07-01, got "July"',
            ),
            ("when = { any = [] }", "when.any: must be a list of at least one table"),
            ("when = { all = 5 }", "when.all: must be an array of tables: [[offers[1].when.all]], got 5"),
            (
                "when = { any = [{ member = true }, {}] }",
                (
                    "when.any[2]: must say one of across, all, any, base, channels, code, contains, coupon, during, "
                    "first_order, markets, member, member_tags, not, of, order_number, past_discount_at_least, payments, "
                    "points_at_least, products_at_least, quantity_at_least, spend_at_least, tiers"
                ),
            ),
            ("when = { not = 5 }", "when.not: must be a table, got 5"),
            (
                f"when = {{ any = [{', '.join(['{ member = true }'] * 21)}] }}",
                "when.any: a condition must have at most 20 parts, got a list",
            ),
            (
                f"when = {{ any = [{', '.join(['{ member = true }'] * 20)}], first_order = true }}",
                "when: a condition must have at most 20 parts",
            ),
            (
                f"when = {'{ not = ' * 8}{{ member = true }}{'}' * 8}",
                f"when{'.not' * 8}: must stand at most 8 deep in other conditions",
            ),
            (
                f"when = {'{ not = ' * 7}{{ member = true, first_order = true }}{'}' * 7}",
                f"when{'.not' * 1}: conditions must stand at most 8 deep in one another",
            ),
            (
                'when = { kode = "SUMMER10" }',
                (
                    "when.kode: is not known to this version, which knows across, all, any, base, channels, code, contains, "
                    "coupon, during, first_order, markets, member, member_tags, not, of, order_number, past_discount_at_least, "
                    "payments, points_at_least, products_at_least, quantity_at_least, spend_at_least, tiers, "
                    'got "SUMMER10"'
                ),
            ),
        ],
    )
    def test_of_a_condition(self, text: str, expected: str) -> None:
        """Where it is, what is allowed, and what was found."""
        assert problems(GIVE + text) == [f"offers[1].{expected}"]

    @pytest.mark.parametrize(
        "campaigns,expected",
        [
            ("", 'goes with a table [[campaigns]] that gives coupons of one each, got "welcome-back"'),
            (
                '[[campaigns]]\nid = "SUMMER10"\ncodes = "human"\ngive = { percent_off = "5" }\n',
                'goes with a table [[campaigns]] that gives coupons of one each, got "welcome-back"',
            ),
            (
                WELCOME + WELCOME.replace("welcome", "sorry") + 'codes = "##########"\n',
                'must be of the campaigns that give coupons: sorry, welcome, got "welcome-back"',
            ),
        ],
    )
    def test_coupons_of_a_program_without_such(self, campaigns: str, expected: str) -> None:
        """Nor is there a coupon of a campaign that gives none."""
        without = HEAD.replace(WELCOME, campaigns) + GIVE
        assert problems('when = { coupon = "welcome-back" }', without) == [f"offers[1].when.coupon: {expected}"]

    def test_coupons_are_looked_for_only_where_they_are_known(self) -> None:
        """A campaign without a name does not make conditions wrong too; one that is wrong otherwise has its name all the same."""
        text = 'when = { coupon = "welcome" }'
        nameless = HEAD.replace('id = "welcome"\n', "") + GIVE
        assert [message.partition(":")[0] for message in problems(text, nameless)] == ["campaigns[1].id"]
        wrong = HEAD.replace('"5"', '"500"') + GIVE
        assert [message.partition(":")[0] for message in problems(text, wrong)] == ["campaigns[1].give.percent_off"]
        none = "campaigns = 5\n" + HEAD.replace(WELCOME, "") + GIVE
        assert problems(text, none) == ["campaigns: must be an array of tables: [[campaigns]], got 5"]

    def test_tiers_of_a_program_without_any(self) -> None:
        """A condition that could never hold is a mistake."""
        without = HEAD.replace(TIERS, "") + GIVE
        assert problems('when = { tiers = ["gold"] }', without) == ["offers[1].when.tiers: goes with a table [tiers], got a list"]

    @pytest.mark.parametrize("name", ["order", "welcome", "review"])
    def test_points_of_an_offer_have_a_name_of_their_own(self, name: str) -> None:
        """Lots of points are named after the rule, action or offer that gave them; an offer without points may share it."""
        points = (
            POINTS + 'combine = "sum"\n[points.actions]\nreview = 50\n[[points.rules]]\nid = "welcome"\nearn = "5 an order"\n'
        )
        head = f'{PROGRAM}{points}{STACKING}[[offers]]\nid = "{name}"\n'
        expected = f'offers[1].id: must differ from that of every rule and action, as the offer gives points too, got "{name}"'
        assert problems('give = [{ percent_off = "10" }, { bonus_points = 5 }]', head) == [expected]
        assert Program.parse(head + GIVE).book.offer(name) == Offer(name, give=PercentOff("10"))

    def test_spend_that_is_carried_over_is_not_multiplied(self) -> None:
        """As with every other multiplier."""
        head = HEAD.replace('earn = "1 per 1.00"', 'earn = "1 per 1.00"\ncarry_over = true')
        expected = ["offers[1].give: must not multiply points, as rule 'order' carries spend over"]
        assert problems('give = { points_times = "2" }', head) == expected

    @pytest.mark.parametrize(
        "text,expected",
        [
            ('lane = "home"', 'lane: must be "product" or "basket" or "shipping" in this version, got "home"'),
            ('base = "net"', 'base: must be "list" or "running" in this version, got "net"'),
            ("exclusive = true\nstop_after = true", "stop_after: goes without exclusive, which lets no other offer apply at all"),
            ("stop_after = false", "stop_after: must be true, or be left out, got false"),
            ('group = "a b"', "group: group must be 1 to 64 letters, digits, '_', '.', ':' or '-', got \"a b\""),
            ('discount_limit = "0"', 'discount_limit: must be above 0, got "0"'),
            ("limits = {}", "limits: must say one of budget, freed_by, over, per_member, total, units"),
            ('limits = { total = 1, over = "refuse" }', 'limits.over: goes with budget or units, got "refuse"'),
            ("limits = 5", "limits: must be a table, got 5"),
            ("limits = { total = 0 }", "limits.total: it must be a whole number in [1, 9223372036854775807], got 0"),
            ("limits = { budget = 2000 }", 'limits.budget: must be an amount such as "50.00", got 2000'),
            (
                "limits = { per_day = 5 }",
                (
                    "limits.per_day: is not known to this version, which knows budget, freed_by, over, per_member, total, "
                    "units, got 5"
                ),
            ),
            ('limits = { total = "5" }', 'limits.total: must be a whole number of at least 1, or a table, got "5"'),
            ("limits = { per_member = true }", "limits.per_member: must be a whole number of at least 1, or a table, got true"),
            ("limits = { total = {} }", f"limits.total: must say one of {SPANS}"),
            (
                "limits = { total = { per_hour = 5 } }",
                f"limits.total.per_hour: is not known to this version, which knows {SPANS}, got 5",
            ),
            (
                "limits = { total = { per_day = 0 } }",
                "limits.total.per_day: it must be a whole number in [1, 9223372036854775807], got 0",
            ),
            (
                'limits = { total = 5, freed_by = "never" }',
                'limits.freed_by: must be "cancelled" or "returned" in this version, got "never"',
            ),
            (
                'limits = { freed_by = "returned" }',
                'limits.freed_by: goes with total, per_member, budget or units, got "returned"',
            ),
            ("window = {}", "window: must say one of from, to"),
            ("window = { until = 5 }", "window.until: is not known to this version, which knows from, to, got 5"),
            ("window = { to = 0001-01-01 }", "window.to: must be a date that calendars reach, got 0001-01-01"),
            (
                "combines = 5",
                (
                    "combines: is not known to this version, which knows base, discount_limit, exclusive, give, group, id, lane, "
                    "limits, priority, stop_after, when, window, got 5"
                ),
            ),
        ],
    )
    def test_of_an_offer(self, text: str, expected: str) -> None:
        """Where it is, what is allowed, and what was found."""
        assert problems(GIVE + text) == [f"offers[1].{expected}"]

    @pytest.mark.parametrize(
        "text,expected",
        [
            ("", 'mode: is missing; must be "all" or "priority" or "best"'),
            ('mode = "all"\nat_most = 2', "at_most: must be a table, got 2"),
            ('mode = "all"\nat_most = { product = "2" }', 'at_most.product: must be a whole number of at least 1, got "2"'),
            (
                'mode = "all"\nat_most = { products = 2 }',
                "at_most.products: is not known to this version, which knows basket, product, shipping, got 2",
            ),
            ('mode = "all"\noffers_at_most = 0', "offers_at_most: it must be a whole number in [1, 9223372036854775807], got 0"),
            ('mode = "all"\ndiscount_limit = "0"', 'discount_limit: must be above 0, got "0"'),
            ('mode = "all"\ndiscount_share = "0"', 'discount_share: percent must be above 0 and at most 100, got "0"'),
            ('mode = "all"\nreturns = "no"', 'returns: must be "keep" or "reprice" in this version, got "no"'),
            (
                'mode = "all"\nlimit = 5',
                (
                    "limit: is not known to this version, which knows at_most, discount_limit, discount_share, exclude_tags, "
                    "mode, offers_at_most, returns, got 5"
                ),
            ),
        ],
    )
    def test_of_stacking(self, text: str, expected: str) -> None:
        """Where it is, what is allowed, and what was found."""
        assert problems(f"[stacking]\n{text}", PROGRAM) == [f"stacking.{expected}"]

    @pytest.mark.parametrize(
        "text,expected",
        [
            (
                STACKING + f'[[offers]]\nid = "a"\n{GIVE}' * 2,
                "offers: id a belongs to two offers: a and a",
            ),
            (
                STACKING + "".join(f'[[offers]]\nid = "{name}"\n{GIVE}when = {{ code = "SUMMER10" }}\n' for name in "ab"),
                "offers: code SUMMER10 belongs to two offers: a and b",
            ),
            (f'[[offers]]\nid = "a"\n{GIVE}', "stacking.mode: is missing; where there are offers, how they meet must be said"),
        ],
    )
    def test_of_the_book(self, text: str, expected: str) -> None:
        """What no offer can be told alone."""
        assert problems(text, PROGRAM) == [expected]

    def test_every_mistake_at_once(self) -> None:
        """An offer that is wrong hides nothing of the next, nor one benefit of a list the other."""
        text = (
            'give = [{ percent_off = "101" }, { amount_off = "5.00", per = "line", units = { at_most = 1 } }]\n'
            'when = { any = [{ tiers = [] }, { during = {} }], points_at_least = 0 }\nlimits = { total = 0, budget = "0" }\n'
            '[[offers]]\nid = "b"\ngive = { amount_off = "5.00", per = "basket", units = { at_most = 1 } }\n'
        )
        assert [message.partition(":")[0] for message in problems(text)] == [
            "offers[1].when.points_at_least",
            "offers[1].when.any[1].tiers",
            "offers[1].when.any[2].during",
            "offers[1].give[1].percent_off",
            "offers[1].give[2].per",
            "offers[1].limits.total",
            "offers[1].limits.budget",
            "offers[2].give.per",
        ]

    def test_nesting_without_end(self) -> None:
        """A file that nests as deep as TOML can be read is told so, and nothing is followed down."""
        deep = ".".join(["offers.when", *["not"] * 400])
        (message,) = problems(f"{GIVE}[{deep}]\nmember = true")
        assert message == f"offers[1].when{'.not' * 8}: must stand at most 8 deep in other conditions"


CAMPAIGN = PROGRAM + POINTS + TIERS + STACKING + '[[campaigns]]\nid = "c"\n' + GIVE
SUMMER = '[[campaigns]]\nid = "SUMMER10"\ncodes = "human"\n'
PATTERN = "pattern must be '#' for each symbol, letters and digits (ASCII), '-' and ' ', at most 64 characters"


class TestCampaigns:
    @pytest.mark.parametrize("text,fields", CAMPAIGNS)
    def test_keys(self, text: str, fields: dict[str, Any]) -> None:
        """Every key of a campaign: those of an offer, and what is said of its codes and coupons."""
        parts = read_program(CAMPAIGN + text)
        (campaign,) = parts["campaigns"]
        assert campaign == CouponCampaign("c", give=PercentOff("10"), **fields)
        assert parts["book"].offers == (campaign.offer,)
        assert Program(**parts).campaigns == {"c": campaign}

    def test_human(self) -> None:
        """The id is the code."""
        (campaign,) = read_program(PROGRAM + STACKING + SUMMER + GIVE + "window = { to = 2026-08-01 }")["campaigns"]
        window = Window(starts_at=None, ends_at=JULY.ends_at)
        assert campaign == CouponCampaign("SUMMER10", give=PercentOff("10"), codes=HUMAN, window=window)
        assert campaign.offer.codes == {"SUMMER10"}

    def test_every_field_can_be_said(self) -> None:
        """Whatever a campaign of the library may say, a file may say."""
        found = [CouponCampaign("c", give=FreeShipping(), **fields) for _, fields in CAMPAIGNS]
        assert unsaid(found) == set()

    @pytest.mark.parametrize("pattern", ["HI-####-####-####", "hi ############", "l0ve-###########", "####-####-####"])
    def test_the_space_is_that_of_the_key_and_the_name(self, pattern: str) -> None:
        """Whoever holds a key finds the campaign's codes by the program's name and the pattern."""
        (campaign,) = read_program(CAMPAIGN + f'codes = "{pattern}"')["campaigns"]
        space = CodeSpace(SecretKey("2026a", bytes(32)), pattern=pattern, context="velo")
        assert campaign.space_id == space.space_id
        assert campaign == CouponCampaign("c", give=PercentOff("10"), codes=space)

    def test_offers_and_campaigns_meet(self) -> None:
        """They stand in one book, and a program without offers has one too."""
        book = read_program(HEAD + GIVE + SUMMER + GIVE)["book"]
        assert {one.offer_id for one in book.offers} == {"a", "welcome", "SUMMER10"}
        assert Program(**read_program(HEAD + GIVE + SUMMER + GIVE)).book == book
        assert problems("", PROGRAM + SUMMER + GIVE) == [
            "stacking.mode: is missing; where there are offers, how they meet must be said"
        ]

    @pytest.mark.parametrize(
        "text,expected",
        [
            ("codes = 5", 'codes: must be "human", or a pattern such as "HI-####-####-####", got 5'),
            ('codes = "HI_####-####"', f'codes: {PATTERN}, got "HI_####-####"'),
            ('codes = "Human"', "codes: the number of '#' in pattern must be a whole number in [4, 24], got \"Human\""),
            ('codes = "###"', "codes: the number of '#' in pattern must be a whole number in [4, 24], got \"###\""),
            (f'codes = "{"#" * 65}"', f'codes: {PATTERN}, got "{"#" * 65}"'),
            (
                'valid_for = "soon"',
                f'valid_for: must be "N hours", such as "24 hours", or {TERM}, got "soon"',
            ),
            (
                'valid_for = "24 hours, end of day"',
                f'valid_for: must be "N hours", such as "24 hours", or {TERM}, got "24 hours, end of day"',
            ),
            ('valid_for = "101 years"', 'valid_for: must be at most 100 years, got "101 years"'),
            ('valid_for = "0 days"', 'valid_for: a period must be longer than nothing, got "0 days"'),
            ('valid_for = "0 hours"', 'valid_for: valid_for must be above 0 and at most 366 days, got "0 hours"'),
            ('valid_for = "8785 hours"', 'valid_for: valid_for must be above 0 and at most 366 days, got "8785 hours"'),
            ("valid_for = 24", f'valid_for: must be "N hours", such as "24 hours", or {TERM}, got 24'),
            ("automatic = false", "automatic: must be true, or be left out, got false"),
            ('when = { coupon = "c" }', "when: must not ask for a coupon: the campaign's own opens it"),
            (
                'when = { any = [{ member = true }, { coupon = "c" }] }',
                "when: must not ask for a coupon: the campaign's own opens it",
            ),
            ("limits = { total = 0 }", "limits.total: it must be a whole number in [1, 9223372036854775807], got 0"),
            (
                "holder = 5",
                (
                    "holder: is not known to this version, which knows automatic, base, codes, discount_limit, exclusive, give, "
                    "group, id, lane, limits, priority, stop_after, valid_for, when, window, got 5"
                ),
            ),
        ],
    )
    def test_mistakes(self, text: str, expected: str) -> None:
        """Where it is, what is allowed, and what was found."""
        assert problems(text, CAMPAIGN) == [f"campaigns[1].{expected}"]

    @pytest.mark.parametrize(
        "text,expected",
        [
            ("valid_for = '30 days'", ['valid_for: goes with coupons of one each, not with codes = "human", got "30 days"']),
            (
                'automatic = true\nvalid_for = "24 hours"',
                [
                    'valid_for: goes with coupons of one each, not with codes = "human", got "24 hours"',
                    'automatic: goes with coupons of one each, not with codes = "human", got true',
                ],
            ),
            (
                'limits = { freed_by = "returned" }',
                ['limits.freed_by: goes with total, per_member, budget or units, got "returned"'],
            ),
        ],
    )
    def test_mistakes_of_a_human_code(self, text: str, expected: list[str]) -> None:
        """What goes with coupons of one each does not go with one code for everybody."""
        assert problems(text, PROGRAM + STACKING + SUMMER + GIVE) == [f"campaigns[1].{message}" for message in expected]

    @pytest.mark.parametrize(
        "name,expected",
        [
            ("ab", 'a code must have at least 3 letters and digits, got "ab"'),
            ("SUMMER_10", 'a code must be letters and digits, got "SUMMER_10"'),
            ("ten off", "id must be 1 to 64 letters, digits, '_', '.', ':' or '-', got \"ten off\""),
        ],
    )
    def test_ids_that_are_no_code(self, name: str, expected: str) -> None:
        """Where the id is the code it must be one that people can type."""
        text = f'[[campaigns]]\nid = "{name}"\ncodes = "human"\n'
        assert problems(text + GIVE, PROGRAM + STACKING) == [f"campaigns[1].id: {expected}"]

    def test_a_campaign_that_gives_nothing(self) -> None:
        """Is told so, and nothing else."""
        assert [message.partition(":")[0] for message in problems(SUMMER, PROGRAM + STACKING)] == ["campaigns[1].give"]

    @pytest.mark.parametrize("name", ["order", "review"])
    def test_points_of_a_campaign_have_a_name_of_their_own(self, name: str) -> None:
        """As those of an offer."""
        text = f'{PROGRAM}{POINTS}[points.actions]\nreview = 50\n{STACKING}[[campaigns]]\nid = "{name}"\n'
        expected = f'campaigns[1].id: must differ from that of every rule and action, as the offer gives points too, got "{name}"'
        assert problems("give = { bonus_points = 5 }", text) == [expected]

    @pytest.mark.parametrize(
        "text,expected",
        [
            (
                '[[campaigns]]\nid = "a"\n' + GIVE,
                'campaigns[2].id: must differ from that of every offer and of every other campaign, got "a"',
            ),
            (
                WELCOME,
                'campaigns[2].id: must differ from that of every offer and of every other campaign, got "welcome"',
            ),
            (
                SUMMER.replace("10", "-1O") + GIVE,
                "campaigns[2].id: must ask for another code than 'a' does, however it is typed, got \"SUMMER-1O\"",
            ),
            (
                SUMMER.replace("SUMMER10", "LOVE") + GIVE + SUMMER.replace("SUMMER10", "l0ve") + GIVE,
                "campaigns[3].id: must ask for another code than 'LOVE' does, however it is typed, got \"l0ve\"",
            ),
            (
                '[[campaigns]]\nid = "c"\nwhen = { code = "summer 10" }\n' + GIVE,
                "campaigns[2].when: must ask for another code than 'a' does, however it is typed, got a table",
            ),
            (
                SUMMER.replace("SUMMER10", "AUTUMN") + 'when = { code = "SUMMER10" }\n' + GIVE,
                "campaigns[2].when: must ask for another code than 'a' does, however it is typed, got a table",
            ),
        ],
    )
    def test_names_and_codes_belong_to_one(self, text: str, expected: str) -> None:
        """Codes that look alike are the same code, of an offer too."""
        assert problems(text, HEAD + GIVE + 'when = { code = "SUMMER10" }\n') == [expected]

    def test_every_mistake_at_once(self) -> None:
        """A campaign that is wrong hides nothing of the next, nor one key the other."""
        text = (
            'codes = "###"\nvalid_for = "soon"\nautomatic = 1\nlimits = { total = {}, budget = "0" }\nwhen = { tiers = [] }\n'
            '[[campaigns]]\nid = "ab"\ncodes = "human"\nvalid_for = "1 day"\ngive = { percent_off = "101" }\n'
        )
        assert [message.partition(":")[0] for message in problems(text, CAMPAIGN)] == [
            "campaigns[1].when.tiers",
            "campaigns[1].limits.total",
            "campaigns[1].limits.budget",
            "campaigns[1].codes",
            "campaigns[1].valid_for",
            "campaigns[1].automatic",
            "campaigns[2].give.percent_off",
            "campaigns[2].valid_for",
            "campaigns[2].id",
        ]

    def test_how_many(self) -> None:
        """As many as a program has."""
        text = "campaigns = [" + "{}," * (CAMPAIGNS_LIMIT + 1) + "]\n" + PROGRAM + STACKING
        assert problems(text, "") == [f"campaigns: must be at most {CAMPAIGNS_LIMIT} tables, got {CAMPAIGNS_LIMIT + 1}"]

    def test_a_wrong_name_of_the_program_hides_nothing(self) -> None:
        """Codes are read all the same."""
        wrong = CAMPAIGN.replace('"velo"', '"ve lo"')
        assert [message.partition(":")[0] for message in problems('codes = "###"', wrong)] == [
            "program.name",
            "campaigns[1].codes",
        ]


def program(offers: str, policy: str = "") -> Program:
    """Read a whole program."""
    return Program.parse(PROGRAM + POINTS + TIERS + STACKING + policy + "\n" + WELCOME + offers)


_WORDS = re.compile(r"(\w+) = ")
GIVES = [f"give = {text}\n" for text, _ in BENEFITS]
WHENS = [f"when = {{ {text} }}\n" for text, _ in CONDITIONS]
FIELDS = ["", *(f"{text}\n" for text, _ in OFFERS)]


class TestDigest:
    def test_no_two_offers_look_alike(self) -> None:
        """Each benefit, condition, filter, field of an offer and policy of this page has a digest of its own."""
        head = '[[offers]]\nid = "a"\n'
        campaign = '[[campaigns]]\nid = "c"\n' + GIVE
        several = (
            [campaign + text for text, _ in CAMPAIGNS],
            [head + give for give in GIVES],
            [head + GIVE + when for when in WHENS if when != "when = {  }\n"],
            [f"{head}{GIVE}when = {{ contains = {{ {text} }} }}" for text, _ in FILTERS],
            [head + GIVE + text for text, _ in OFFERS],
        )
        programs = [program(text) for texts in several for text in texts] + [
            program(head + GIVE, text) for text, _ in POLICIES if text
        ]
        assert len({one.digest for one in programs}) == len(programs)

    @given(
        st.lists(st.tuples(st.sampled_from(GIVES), st.sampled_from(WHENS), st.sampled_from(FIELDS)), min_size=2, max_size=2),
        st.lists(st.sampled_from([text for text, _ in POLICIES]), min_size=2, max_size=2),
    )
    def test_digests_differ_where_the_meaning_does(self, offers: list[tuple[str, str, str]], policies: list[str]) -> None:
        """Two programs have one digest exactly if they are equal."""
        one, other = (
            program(f'[[offers]]\nid = "a"\n{"".join(parts)}', policy) for parts, policy in zip(offers, policies, strict=True)
        )
        assert (one.digest == other.digest) == (one == other)
        assert program(f'[[offers]]\nid = "a"\n{"".join(offers[0])}', policies[0]).digest == one.digest

    def test_order_in_the_file_is_no_meaning(self) -> None:
        """Offers stand in their own order, whatever that of the file."""
        first, second = (f'[[offers]]\nid = "{name}"\n{GIVE}' for name in "ab")
        assert program(first + second).digest == program(second + first).digest


class TestReference:
    PAGE = (ROOT / "docs" / "reference" / "program-file.md").read_text(encoding="utf-8")

    def test_every_key_is_described(self) -> None:
        """The reference names each key that a file may have."""
        policies = {key for text, _ in POLICIES for key in _WORDS.findall(text)}
        told = (text for text, _ in CAMPAIGNS)
        keys = {key for text in (*told, *GIVES, *WHENS, *FIELDS, *(text for text, _ in FILTERS)) for key in _WORDS.findall(text)}
        assert {key for key in keys | policies if f"`{key}`" not in self.PAGE} == set()

    def test_every_word_is_described(self) -> None:
        """And each of the values that a key may choose from."""
        goods = (Base, Across, Pick, Level, Per, Spread, Reward, Fill, Rounding, Remainder, PriceState)
        kinds = (Mode, Lane, Returns, Over, FreedBy, *goods)
        assert {word.value for kind in kinds for word in kind if f'`"{word.value}"`' not in self.PAGE} == set()

    @pytest.mark.parametrize(
        "text",
        [
            text
            for text in re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
            if "[[offers]]" in text or "[[campaigns]]" in text
        ],
    )
    def test_tables_of_the_reference(self, text: str) -> None:
        """What it shows as a file is one."""
        assert Program.parse(PROGRAM + POINTS + TIERS + STACKING + text).book.offers


class TestQuotes:
    @pytest.mark.parametrize(
        "text,discount",
        [
            ('give = { percent_off = "10" }', "6.00"),
            ("give = { buy = 2, get = 1 }", "10.00"),
            ('give = { bundle_price = "45.00", parts = [{ units = 2, of = { categories = ["socks"] } }] }', "0.00"),
            ('give = { bundle_price = "15.00", parts = [{ units = 2, of = { categories = ["socks"] } }] }', "5.00"),
            ('give = { fixed_price = "30.00", of = { products = ["helmet"] } }', "10.00"),
            ('give = { quantity_ladder = [{ from = 3, give = { amount_off = "1.00", per = "unit" } }] }', "3.00"),
            ('give = { percent_off = "50", of = { categories = ["socks"] }, units = { skip = 1, every = 2 } }', "5.00"),
        ],
    )
    def test_what_is_said_is_done(self, text: str, discount: str) -> None:
        """A helmet of 40 and two pairs of socks of 10."""
        lines = [
            Line("1", euros("40"), product_id="helmet"),
            Line("2", euros("10"), 2, product_id="socks", categories=["socks"]),
        ]
        quote = program(f'[[offers]]\nid = "a"\n{text}').quote(Basket(lines), at=NOW)
        assert euros("60") - quote.total == euros(discount)


VALUES = (
    st.booleans()
    | st.integers(-2, 12)
    | st.dates(date(1, 1, 1), date(9999, 12, 31))
    | st.times()
    | st.sampled_from(("0", "0.001", "1", "5.00", "10", "10 %", "101", "-1", "", "gold", "golf", "friday", "running", "product"))
    | st.sampled_from(("SUMMER10", "ab", "FREQ=WEEKLY;BYDAY=MO", "FREQ=DAILY;INTERVAL=3", "regular", "basket", "shared", "line"))
    | st.sampled_from(("unit", "same", "missing", "half_up", "last", "dearest", "never", "30 days", "2026-12-31", "goods"))
)
KEYS = st.sampled_from(sorted({key for text in (*GIVES, *WHENS, *FIELDS) for key in _WORDS.findall(text)}))
TABLES = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20)


class TestFuzz:
    @given(
        st.sampled_from(GIVES) | st.dictionaries(KEYS, TABLES, max_size=4).map(lambda data: f"give = {toml(data)}\n"),
        st.sampled_from(WHENS) | st.dictionaries(KEYS, TABLES, max_size=4).map(lambda data: f"when = {toml(data)}\n"),
        st.sampled_from(FIELDS)
        | st.tuples(KEYS.filter(lambda key: key not in {"give", "when"}), TABLES).map(
            lambda pair: f"{pair[0]} = {toml(pair[1])}\n"
        ),
        st.integers(0, 200),
    )
    def test_any_tables_are_an_offer_or_problems(self, give: str, when: str, field: str, price: int) -> None:
        """Whatever stands in the tables, the answer is a program that can be asked, or problems that each name a place."""
        places = set[str]()
        try:
            found = program(f'[[offers]]\nid = "a"\n{give}{when}{field}')
        except ProgramError as error:
            places = {problem.key.partition("[")[0] for problem in error.problems}
        else:
            quote = found.quote(Basket.of("EUR", {"helmet": price}), codes=["SUMMER10"], at=NOW)
            assert Money.zero("EUR") <= quote.total <= euros(str(price))
        assert places <= {"offers"}

    @given(
        st.sampled_from(GIVES) | st.dictionaries(KEYS, TABLES, max_size=4).map(lambda data: f"give = {toml(data)}\n"),
        st.sampled_from(["", 'codes = "human"\n']) | TABLES.map(lambda value: f"codes = {toml(value)}\n"),
        st.sampled_from(["", *(f"{text}\n" for text, _ in CAMPAIGNS if "codes" not in text)])
        | st.tuples(st.sampled_from(["when", "valid_for", "automatic", "limits", "window"]), TABLES).map(
            lambda pair: f"{pair[0]} = {toml(pair[1])}\n"
        ),
    )
    def test_any_tables_are_a_campaign_or_problems(self, give: str, codes: str, field: str) -> None:
        """Of a campaign no less."""
        places = set[str]()
        try:
            found = program(f'[[campaigns]]\nid = "SUMMER10"\n{give}{codes}{field}')
        except ProgramError as error:
            places = {problem.key.partition("[")[0] for problem in error.problems}
        else:
            quote = found.quote(Basket.of("EUR", {"helmet": "50"}), codes=["SUMMER10"], at=NOW)
            assert Money.zero("EUR") <= quote.total <= euros("50")
        assert places <= {"campaigns"}
