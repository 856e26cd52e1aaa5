"""Rules of earning: which goods count, when, how many times and up to which cap; what several rules give together."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, Line, Membership, Money, Profile
from loyaltycore._earning import (
    EVER,
    MULTIPLIERS_LIMIT,
    Action,
    Basis,
    Caps,
    CarryOver,
    Combine,
    EarningAnswer,
    EarningRule,
    EarningWhen,
    Filter,
    Flat,
    Multiplier,
    Over,
    Percent,
    PriceState,
    Shipping,
    Step,
    Times,
    check_together,
    held_in,
)
from loyaltycore._purchase import Earnings, Purchase, earn_on_order, to_earn, to_take
from loyaltycore.conditions import Situation
from loyaltycore.errors import Reason, Refusal, UsageError
from loyaltycore.ladders import Ladder
from loyaltycore.ledger import Overdraft
from loyaltycore.memberships import SpendCarried
from loyaltycore.orders import Counted, EarnedPoints
from loyaltycore.periods import (
    Awaiting,
    Calendar,
    Lasting,
    OnDate,
    Period,
    Schedule,
    Sliding,
    Term,
    UntilDay,
    Weekday,
    Window,
)
from loyaltycore.quantities import Rate, Rounding
from tests.odd_values import answers_or_refuses
from tests.points_by_hand import by_hand

PARIS = Calendar("Europe/Paris")
NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
NOBODY = Membership.open("m-42")
UNKNOWN = Profile()
THREE_PERCENT = Percent(Rate.percent("3"), worth_minor=Rate.times("7"), rounding=Rounding.UP)


def rule(rule_id: str = "order", gives: Any = None, **fields: Any) -> EarningRule:  # noqa: ANN401  # a field of any type
    """Make a rule: 1 per 1.00 of what was paid, at once and for ever, unless said otherwise."""
    plain = {"gives": gives or Step(1, per_minor=100), "basis": Basis.PAID, "pending": None, "expires": None}
    return EarningRule(**{"rule_id": rule_id, **plain, **fields})


def line(line_id: str, minor: int, **fields: Any) -> Line:  # noqa: ANN401  # a field of any type
    """Make a line in euros."""
    if "regular" in fields:
        fields["regular_price"] = Money(fields.pop("regular"), "EUR")
    return Line(line_id, Money(minor, "EUR"), **fields)


def basket(*lines: Line, **fields: Any) -> Basket:  # noqa: ANN401  # a field of any type
    """Make a basket in euros."""
    return Basket(lines, currency="EUR", **fields)


def ask(
    rules: list[EarningRule],
    goods: Basket,
    member: Membership | None = NOBODY,
    *,
    combine: Combine = Combine.SUM,
    tier: str | None = None,
    profile: Profile = UNKNOWN,
    off: int = 0,
    burned: int = 0,
    shipping: int = 0,
    at: datetime = NOW,
) -> Earnings:
    """Ask rules what a basket earns; ``off`` and ``burned`` are taken off each group."""
    groups = goods.unit_groups()
    listed = [group.list_minor for group in groups]
    situation = Situation(
        basket=goods,
        groups=groups,
        is_member=member is not None,
        tier=tier,
        profile=profile,
        at=at,
        calendar=PARIS,
    )
    purchase = Purchase(
        basket=goods,
        groups=groups,
        prices={
            Basis.LIST: listed,
            Basis.DISCOUNTED: [minor - off for minor in listed],
            Basis.PAID: [minor - off - burned for minor in listed],
        },
        shipping_minor=shipping,
        situation=situation,
        ledgers={} if member is None else member.ledgers,
        carried=None if member is None else member.carried,
    )
    return earn_on_order(rules, combine, purchase)


def points(earnings: Earnings) -> dict[str, int]:
    """Give the points by rule."""
    return {earned.rule: earned.points for earned in earnings.earned}


def one(earnings: Earnings) -> EarnedPoints:
    """Give what the only rule that gives something gave."""
    (earned,) = earnings.earned
    return earned


def euros(minor: int) -> Basket:
    """Make a basket of one thing."""
    return basket(line("a", minor))


class TestFilter:
    GOODS = basket(
        line("bike", 100_000, categories=["bikes"], tags=["sale", "heavy"], regular=120_000),
        line("bell", 1_250, categories=["parts"]),
        line("card", 5_000, tags=["gift-card"]),
        line("lamp", 3_000, categories=["parts"], regular=3_000),
    )

    @pytest.mark.parametrize(
        "goods,taken,hit",
        [
            (Filter(), "bell bike card lamp", ""),
            (Filter(tags=["sale", "gift-card"]), "bike card", "bike card"),
            (Filter(products=["bell", "lamp"]), "bell lamp", "bell lamp"),
            (Filter(categories=["parts"]), "bell lamp", "bell lamp"),
            (Filter(price=PriceState.REDUCED), "bike", "bike"),
            (Filter(price=PriceState.REGULAR), "bell card lamp", "bell card lamp"),
            (Filter(categories=["parts"], products=["bell", "card"]), "bell", "bell card lamp"),
            (Filter(tags=["heavy"], price=PriceState.REGULAR), "", "bell bike card lamp"),
        ],
    )
    def test_which_goods_are_meant(self, goods: Filter, taken: str, hit: str) -> None:
        """`only` asks for every part that is said, `exclude` for one; a price equal to the regular one is not reduced."""
        groups = self.GOODS.unit_groups()
        assert [group.product_id for group in groups if goods.takes(group)] == taken.split()
        assert [group.product_id for group in groups if goods.hits(group)] == hit.split()
        assert goods.is_open == (goods == Filter())
        assert set(points(ask([rule(only=goods)], self.GOODS))) == ({"order"} if taken else set())
        counted = ask([rule(only=goods)], self.GOODS).earned
        assert [part.line_id for earned in counted for part in earned.counted] == taken.split()

    def test_only_and_exclude_together(self) -> None:
        """What one takes and the other does not hit."""
        parts = rule(only=Filter(categories=["parts"]), exclude=Filter(products=["lamp"], tags=["gift-card"]))
        assert one(ask([parts], self.GOODS)).counted == (Counted("bell", 1_250),)

    def test_values_are_checked(self) -> None:
        """Anything gives a filter or is refused."""
        answers_or_refuses(Filter, tags=["a"], products=["b"], categories=["c"], price=PriceState.ANY)


class TestWhen:
    @pytest.mark.parametrize(
        "when,holds",
        [
            (EarningWhen(), True),
            (EarningWhen(window=Window(starts_at=NOW, ends_at=None)), True),
            (EarningWhen(window=Window(starts_at=None, ends_at=NOW)), False),
            (EarningWhen(schedule=Schedule(weekdays=[Weekday.WEDNESDAY], starts=time(12), ends=time(13))), True),
            (EarningWhen(schedule=Schedule(weekdays=[Weekday.WEDNESDAY], starts=time(10), ends=time(12))), False),
            (EarningWhen(tiers=["gold", "silver"]), True),
            (EarningWhen(tiers=["bronze"]), False),
            (EarningWhen(member_tags=["club", "press"]), True),
            (EarningWhen(member_tags=["press"]), False),
            (EarningWhen(markets=["FR"]), True),
            (EarningWhen(markets=["DE"]), False),
            (EarningWhen(channels=["till"]), True),
            (EarningWhen(channels=["web"]), False),
            (EarningWhen(tiers=["gold"], channels=["web"]), False),
        ],
    )
    def test_all_that_is_said_must_be_the_case(self, when: EarningWhen, holds: bool) -> None:  # noqa: FBT001  # a parameter
        """Window, hours by local clocks, tier, tags of the member, market and channel of the basket."""
        goods = basket(line("a", 500), market="FR", channel="till")
        profile = Profile(tags=["club"], market="DE")
        found = ask([rule(when=when)], goods, tier="gold", profile=profile)
        assert points(found) == ({"order": 5} if holds else {})
        assert [answer.desired for answer in found.answers] == [5 if holds else 0]

    def test_the_market_of_the_member_where_the_basket_says_none(self) -> None:
        """A guest without tier, tags or market meets no condition on them."""
        french = rule(when=EarningWhen(markets=["FR"]))
        assert points(ask([french], euros(500), profile=Profile(market="FR"))) == {"order": 5}
        for when in (EarningWhen(markets=["FR"]), EarningWhen(tiers=["gold"]), EarningWhen(channels=["web"])):
            assert points(ask([rule(when=when)], euros(500), None)) == {}

    def test_values_are_checked(self) -> None:
        """Anything gives a condition or is refused."""
        answers_or_refuses(
            EarningWhen,
            window=None,
            schedule=None,
            tiers=["a"],
            member_tags=["b"],
            markets=["FR"],
            channels=["web"],
        )


class TestBasis:
    @pytest.mark.parametrize("basis,expected", [(Basis.LIST, 100), (Basis.DISCOUNTED, 90), (Basis.PAID, 85)])
    def test_of_which_price(self, basis: Basis, expected: int) -> None:
        """Before offers, after offers, after offers and burned points."""
        assert points(ask([rule(basis=basis)], euros(10_000), off=1_000, burned=500)) == {"order": expected}

    def test_shipping_counts_where_it_is_let_in(self) -> None:
        """It is no line's, stands under the empty id, and takes its part of the points with it."""
        found = ask([rule(shipping=Shipping.IN)], euros(10_000), shipping=490)
        assert one(found).counted == (Counted("", 490), Counted("a", 10_000))
        assert one(found).points == 104
        assert found.shares == (99,)
        assert points(ask([rule()], euros(10_000), shipping=490)) == {"order": 100}
        assert points(ask([rule(shipping=Shipping.IN)], basket(), shipping=490)) == {"order": 4}

    def test_at_least(self) -> None:
        """What counts for the rule must come to so much; other goods do not help."""
        least = rule(at_least_minor=2_000, exclude=Filter(tags=["gift-card"]))
        assert points(ask([least], euros(1_999))) == {}
        assert points(ask([least], euros(2_000))) == {"order": 20}
        assert points(ask([least], basket(line("a", 1_999), line("b", 5_000, tags=["gift-card"])))) == {}

    def test_steps_are_counted_on_the_whole_order(self) -> None:
        """Ten lines of 0.50 earn five points; each line's share follows what it counted."""
        goods = basket(*(line(f"l{place}", 50) for place in range(10)))
        found = ask([rule()], goods)
        assert points(found) == {"order": 5}
        assert sum(found.shares) == 5
        assert ask([rule()], basket(line("a", 7191), line("b", 1125))).shares == (72, 11)

    def test_units_of_lines_of_one_product(self) -> None:
        """Two lines of one product hold fixed units of what it counts for."""
        goods = basket(line("x", 333, product_id="p", quantity=2), line("y", 333, product_id="p"))
        assert one(ask([rule()], goods, off=1)).counted == (Counted("x", 665), Counted("y", 333))
        # What is too little for all units is held by the last ones.
        assert one(ask([rule(gives=Flat(5))], goods, off=998)).counted == (Counted("y", 1),)

    def test_nothing_paid_earns_nothing(self) -> None:
        """Free goods count for nothing, not even for points once an order."""
        for gives in (
            Step(1, per_minor=1),
            Flat(50),
            Percent(Rate.percent("5"), worth_minor=Rate.times("1"), rounding=Rounding.UP),
        ):
            assert points(ask([rule(gives=gives)], euros(100), off=100)) == {}


class TestMultipliers:
    PARTS = Multiplier(times=Rate.times("2"), only=Filter(categories=["parts"]))
    GOLD = Multiplier(times=Rate.times("1.5"), when=EarningWhen(tiers=["gold"]))
    GOODS = basket(line("bell", 1_550, categories=["parts"]), line("bike", 1_550))

    def test_only_what_matches_counts_several_times(self) -> None:
        """31.00 at 1 per 10.00: one whole ten of parts twice, two more once; the line keeps its multiplier."""
        tens = rule(gives=Step(1, per_minor=1_000), multipliers=[self.PARTS])
        assert one(ask([tens], self.GOODS)).counted == (Counted("bell", 1_550, 2), Counted("bike", 1_550))
        assert points(ask([tens], self.GOODS)) == {"order": 4}

    def test_several_that_match_multiply(self) -> None:
        """Gold members get three times the points of parts, and once and a half those of the rest."""
        both = rule(multipliers=[self.PARTS, self.GOLD])
        assert one(ask([both], self.GOODS, tier="gold")).counted == (Counted("bell", 1_550, 3), Counted("bike", 1_550, 3, 2))
        assert points(ask([both], self.GOODS, tier="gold")) == {"order": 69}  # 1.5 · 15 + 1.5 · 31 = 69
        limited = attrs.evolve(both, times_limit=Rate.times("2"))
        assert one(ask([limited], self.GOODS, tier="gold")).counted == (Counted("bell", 1_550, 2), Counted("bike", 1_550, 3, 2))

    def test_shares_follow_what_counts_more_often(self) -> None:
        """A line that counts twice holds two thirds of the points of two equal lines."""
        assert ask([rule(multipliers=[self.PARTS])], self.GOODS).shares == (31, 15)

    def test_shipping_is_multiplied_by_what_leaves_nothing_out(self) -> None:
        """A multiplier of some goods is not one of shipping."""
        both = rule(multipliers=[self.PARTS, self.GOLD], shipping=Shipping.IN)
        assert one(ask([both], self.GOODS, tier="gold", shipping=490)).counted[0] == Counted("", 490, 3, 2)

    def test_nothing_times_nothing(self) -> None:
        """A multiplier of nothing gives nothing, and shares nothing out."""
        none = Multiplier(times=Rate.times("0"))
        found = ask([rule(multipliers=[none])], self.GOODS)
        assert (points(found), found.shares) == ({}, (0, 0))

    def test_flat_takes_the_highest(self) -> None:
        """50 an order, doubled where there are parts in it."""
        assert points(ask([rule(gives=Flat(50), multipliers=[self.PARTS])], self.GOODS)) == {"order": 100}
        assert points(ask([rule(gives=Flat(50), multipliers=[self.PARTS])], euros(1))) == {"order": 50}

    @given(
        st.lists(st.tuples(st.integers(0, 3_000), st.booleans(), st.booleans()), min_size=1, max_size=5),
        st.sampled_from(
            (Step(3, per_minor=700), Flat(5), Percent(Rate.percent("3"), worth_minor=Rate.times("7"), rounding=Rounding.UP))
        ),
        st.booleans(),
    )
    def test_agrees_with_counting_cents(self, drawn: list[tuple[int, bool, bool]], gives: Any, is_gold: bool) -> None:  # noqa: ANN401, FBT001
        """From the basket to the points, against a pile of cents."""
        goods = basket(
            *(
                line(f"l{place}", minor, categories=["parts"] if parts else [], tags=["low"] if low else [])
                for place, (minor, parts, low) in enumerate(drawn)
            )
        )
        multiplied = rule(gives=gives, exclude=Filter(tags=["low"]), multipliers=[self.PARTS, self.GOLD])
        gold = Fraction(3, 2) if is_gold else Fraction(1)
        pile = [(gold * (2 if parts else 1), minor) for minor, parts, low in drawn if not low and minor]
        found = ask([multiplied], goods, tier="gold" if is_gold else None)
        assert sum(points(found).values()) == sum(found.shares) == by_hand(gives.frozen(), pile)

    @pytest.mark.parametrize(
        "fields", [{"times": 2}, {"times": Rate.times("2"), "only": None}, {"times": Rate.times("2"), "when": 1}]
    )
    def test_is_checked(self, fields: dict[str, Any]) -> None:
        """Its parts are of their types, and there are not too many."""
        with pytest.raises(UsageError, match="must be of type"):
            Multiplier(**{"times": Rate.times("2"), **fields})
        with pytest.raises(UsageError, match=f"multipliers must be at most {MULTIPLIERS_LIMIT}"):
            rule(multipliers=[self.GOLD] * (MULTIPLIERS_LIMIT + 1))


def granted(*lots: tuple[int, datetime], rule_id: str = "order") -> Membership:
    """Give a member who earned by a rule at some instants."""
    member = NOBODY
    for place, (units, at) in enumerate(lots):
        member = member.earn(units, ref=f"o-{place}", rule=rule_id, expires_at=None, at=at).state
    return member


class TestCaps:
    @pytest.mark.parametrize(
        "caps,member,given",
        [
            ({"per_order": 20}, NOBODY, 20),
            ({"per_order": 50}, NOBODY, 50),
            ({"per_month": 100}, granted((80, NOW)), 20),  # Voucherify: 100 a month, 80 earned, a new earn of 50
            ({"per_month": 100}, granted((80, datetime(2026, 6, 30, 21, 59, tzinfo=UTC))), 50),  # June in Paris
            ({"per_month": 100}, granted((80, datetime(2026, 6, 30, 22, tzinfo=UTC))), 20),  # July in Paris
            ({"per_month": 100}, granted((80, NOW + 30 * DAY)), 20),  # known already, though later
            ({"per_month": 100}, granted((80, NOW + 31 * DAY)), 50),
            ({"per_day": 30}, granted((10, NOW), (10, NOW - DAY)), 20),
            ({"per_week": 30}, granted((10, NOW - 2 * DAY), (10, NOW - 3 * DAY)), 20),  # 1 July 2026 is a Wednesday
            ({"per_week": 30}, granted((10, NOW + 4 * DAY), (10, NOW + 5 * DAY)), 20),
            ({"per_year": 30}, granted((10, NOW - 180 * DAY), (10, NOW - 190 * DAY)), 20),
            ({"lifetime": 30}, granted((10, NOW - 900 * DAY), (30, NOW)), 0),
            ({"balance": 60}, granted((20, NOW)), 40),
            ({"balance": 60}, granted((70, NOW)), 0),
            ({"per_order": 45, "per_month": 40, "lifetime": 300}, granted((5, NOW)), 35),
        ],
    )
    def test_what_a_cap_leaves(self, caps: dict[str, int], member: Membership, given: int) -> None:
        """By local days, Monday weeks, months and years; the tightest of several."""
        found = ask([rule(caps=Caps(**caps, over=Over.TRUNCATE))], euros(5_000), member)
        (answer,) = found.answers
        assert (answer.desired, answer.granted, sum(points(found).values())) == (50, given, given)
        assert (answer.refusal is None) == (given == 50)

    def test_other_rules_and_accounts_do_not_count(self) -> None:
        """Points of another rule, or on another account, leave a rule's own cap alone."""
        member = granted((80, NOW), rule_id="welcome").on("status").earn(90, ref="o", rule="order", expires_at=None, at=NOW).state
        assert points(ask([rule(caps=Caps(per_month=100, over=Over.TRUNCATE))], euros(5_000), member)) == {"order": 50}
        status = rule(caps=Caps(per_month=100, over=Over.TRUNCATE), account="status")
        assert points(ask([status], euros(5_000), member)) == {"order": 10}

    def test_what_was_taken_back_counts_no_more(self) -> None:
        """Granted less revoked, whatever was burned."""
        member = granted((80, NOW)).burn(70, ref="b", at=NOW).state
        caps = rule(caps=Caps(per_month=100, over=Over.TRUNCATE))
        assert points(ask([caps], euros(5_000), member)) == {"order": 20}
        member = member.revoke("o-0", 60, ref="r", overdraft=Overdraft.CARRY, at=NOW).state
        assert points(ask([caps], euros(9_000), member)) == {"order": 80}

    def test_pending_and_held_points_count_against_the_balance(self) -> None:
        """A wallet of at most 100 points, of which 30 are pending and 20 held."""
        member = NOBODY.earn(30, ref="w", available_at=NOW + DAY, expires_at=None, at=NOW).state
        member = member.earn(50, ref="x", expires_at=None, at=NOW).state.hold(20, ref="h", until=NOW + DAY, at=NOW).state
        assert points(ask([rule(caps=Caps(balance=100, over=Over.TRUNCATE))], euros(5_000), member)) == {"order": 20}

    def test_refusing_caps_give_all_or_nothing(self) -> None:
        """The named exception of the law: 99 points below the cap, none above; the answer says what was desired."""
        once = rule(caps=Caps(per_order=99, over=Over.REFUSE))
        assert points(ask([once], euros(9_900))) == {"order": 99}
        found = ask([once], euros(10_000))
        assert points(found) == {}
        assert found.answers == (
            EarningAnswer(
                rule_id="order",
                account="points",
                desired=100,
                granted=0,
                refusal=Refusal(
                    Reason.POINTS_CAP_REACHED,
                    {
                        "rule": "order",
                        "cap": "per_order",
                        "cap_points": 99,
                        "desired_points": 100,
                        "granted_points": 0,
                    },
                ),
            ),
        )

    def test_guests_have_earned_nothing_yet(self) -> None:
        """A guest is cut as a new member is."""
        caps = rule(caps=Caps(per_month=20, balance=30, over=Over.TRUNCATE))
        assert points(ask([caps], euros(5_000), None)) == {"order": 20}

    @pytest.mark.parametrize("at", [datetime(9998, 12, 31, 12, tzinfo=UTC), datetime(2, 1, 1, 12, tzinfo=UTC)])
    def test_at_the_ends_of_the_calendar(self, at: datetime) -> None:
        """A span that the calendar cuts off has no end there."""
        caps = Caps(per_day=9, per_week=9, per_month=9, per_year=9, over=Over.TRUNCATE)
        assert points(ask([rule(caps=caps)], euros(5_000), granted((4, at)), at=at)) == {"order": 5}

    @pytest.mark.parametrize(
        "fields", [{}, {"per_day": 0}, {"balance": True}, {"per_order": 1, "over": "truncate"}, {"lifetime": 2**63}], ids=str
    )
    def test_is_checked(self, fields: dict[str, Any]) -> None:
        """One cap at least, each at least 1; what happens above is said."""
        with pytest.raises(UsageError, match="must"):
            Caps(**{"over": Over.TRUNCATE, **fields})


class TestCombine:
    BASE = rule("base")
    DOUBLE = rule("double", Step(2, per_minor=100))
    WELCOME = rule("welcome", Flat(150))

    @pytest.mark.parametrize(
        "combine,rules,minor,expected",
        [
            (Combine.SUM, [BASE, DOUBLE, WELCOME], 10_000, {"base": 100, "double": 200, "welcome": 150}),
            (Combine.BEST, [BASE, DOUBLE, WELCOME], 10_000, {"double": 200}),
            (Combine.BEST, [BASE, DOUBLE, WELCOME], 5_000, {"welcome": 150}),
            (Combine.BEST, [WELCOME, DOUBLE], 7_500, {"welcome": 150}),  # the first of equals
            (Combine.BEST, [DOUBLE, WELCOME], 7_500, {"double": 150}),
            (Combine.FIRST, [BASE, DOUBLE, WELCOME], 10_000, {"base": 100}),
            (Combine.FIRST, [BASE, DOUBLE], 99, {}),  # the base matches, and gives nothing
        ],
    )
    def test_several_rules(self, combine: Combine, rules: list[EarningRule], minor: int, expected: dict[str, int]) -> None:
        """All, the one that grants most, or the first that matches."""
        found = ask(rules, euros(minor), combine=combine)
        assert points(found) == expected
        for answer in found.answers:
            assert answer.granted == expected.get(answer.rule_id, 0)
            gives_way = combine is not Combine.SUM and answer.rule_id != next(iter(expected), "base")
            assert (answer.instead is not None) == gives_way

    def test_the_first_whose_conditions_hold(self) -> None:
        """#1 does not match, #2 does, #3 would: #2 is applied and no other (Voucherify). 99.00 earns 198, 100.00 earns 100."""
        rules = [
            rule("till", when=EarningWhen(channels=["till"])),
            rule("large", at_least_minor=10_000),
            rule("small", Step(2, per_minor=100)),
        ]
        assert points(ask(rules, euros(9_900), combine=Combine.FIRST)) == {"small": 198}
        found = ask(rules, euros(10_000), combine=Combine.FIRST)
        assert points(found) == {"large": 100}
        assert [(answer.desired, answer.instead) for answer in found.answers] == [(0, None), (100, None), (200, "large")]

    def test_the_best_after_caps(self) -> None:
        """A rule that a cap cuts loses to one that grants more; its cap is then nobody's concern."""
        cut = attrs.evolve(self.DOUBLE, caps=Caps(per_order=10, over=Over.TRUNCATE))
        found = ask([cut, self.BASE], euros(10_000), combine=Combine.BEST)
        assert points(found) == {"base": 100}
        assert [(answer.desired, answer.granted, answer.refusal, answer.instead) for answer in found.answers] == [
            (200, 0, None, "base"),
            (100, 100, None, None),
        ]

    def test_rules_compete_within_their_account(self) -> None:
        """Spendable and qualifying points are two rules: neither takes the other's place."""
        status = rule("status", Step(10, per_minor=100), account="status")
        for combine in Combine:
            found = ask([self.BASE, status], euros(1_000), combine=combine)
            assert points(found) == {"base": 10, "status": 100}
            assert [(earned.rule, earned.account) for earned in found.earned] == [("base", "points"), ("status", "status")]
            assert found.shares == (10,)  # of the main account alone

    def test_the_latest_promotion(self) -> None:
        """Base points, and of several promotions only the latest that matches (Square): the newest stands first."""
        times = Multiplier(times=Rate.times("3"))
        new, old = rule("promo-2024-03", multipliers=[times]), rule("promo-2024-01", multipliers=[times, times])
        assert points(ask([new, old, self.BASE], euros(1_000), combine=Combine.FIRST)) == {"promo-2024-03": 30}

    @pytest.mark.law(19)
    @given(
        st.lists(
            st.builds(
                lambda number, gives, least, cap, often: (number, gives, least, cap, often),
                st.integers(0, 999),
                st.sampled_from(
                    (
                        Step(1, per_minor=100),
                        Step(7, per_minor=1_300),
                        Flat(40),
                        Percent(Rate.percent("3"), worth_minor=Rate.times("2"), rounding=Rounding.HALF_UP),
                    )
                ),
                st.sampled_from((0, 2_500)),
                st.none() | st.integers(1, 60),
                st.booleans(),
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda drawn: drawn[0],
        ),
        st.sampled_from((Combine.SUM, Combine.BEST)),
        st.lists(st.tuples(st.integers(0, 4_000), st.booleans()), min_size=1, max_size=4),
        st.integers(0, 5),
        st.integers(1, 4_000),
    )
    def test_more_never_earns_fewer(
        self,
        drawn: list[tuple[int, Any, int, int | None, bool]],
        combine: Combine,
        goods: list[tuple[int, bool]],
        place: int,
        more: int,
    ) -> None:
        """Whatever rules give, multiplied and capped, summed or the best: a dearer line or one more never costs points."""
        rules = [
            rule(
                f"r-{number}",
                gives,
                at_least_minor=least,
                caps=None if cap is None else Caps(per_order=cap, over=Over.TRUNCATE),
                multipliers=[TestMultipliers.PARTS] if often else [],
            )
            for number, gives, least, cap, often in drawn
        ]

        def total(lines: list[tuple[int, bool]]) -> int:
            made = [line(f"l{at}", minor, categories=["parts"] if parts else []) for at, (minor, parts) in enumerate(lines)]
            return sum(points(ask(rules, basket(*made), combine=combine)).values())

        dearer = [(minor + (more if at == place else 0), parts) for at, (minor, parts) in enumerate(goods)]
        assert total(goods) <= total(dearer)
        assert total(goods) <= total([*goods, (more, bool(place % 2))])


class TestCarryOver:
    FIFTY = rule(gives=Step(1, per_minor=5_000), carry_over=CarryOver.ON)

    def test_two_orders_fill_one_step(self) -> None:
        """30.00 earns nothing yet, 20.00 more a point: the remainder counts with the next order."""
        first = one(ask([self.FIFTY], euros(3_000)))
        assert (first.points, first.carried, first.counted_minor) == (0, True, 3_000)
        member = NOBODY.posting([SpendCarried(rule="order", ref="1", minor=3_000, at=NOW)]).state
        assert one(ask([self.FIFTY], euros(2_000), member)).points == 1
        assert one(ask([self.FIFTY], euros(1_999), member)).points == 0
        assert one(ask([self.FIFTY], euros(12_000), member)).points == 3

    def test_an_order_gives_the_steps_it_fills(self) -> None:
        """What the sum before was worth is another matter: what was taken back by hand is not given again."""
        member = granted((2, NOW)).posting([SpendCarried(rule="order", ref="1", minor=12_000, at=NOW)]).state
        assert one(ask([self.FIFTY], euros(3_000), member)).points == 1
        lot = next(iter(member.ledger.lots.values()))
        member = member.revoke(lot.earn_ref, ref="desk", overdraft=Overdraft.CARRY, at=NOW).state
        assert one(ask([self.FIFTY], euros(3_000), member)).points == 1

    def test_guests_have_no_sum(self) -> None:
        """Whole steps of this order alone; what is below the first is kept, for the member whom the order may find."""
        found = ask([self.FIFTY], euros(12_000), None)
        assert (one(found).points, one(found).carried) == (2, False)
        below = one(ask([self.FIFTY], euros(3_000), None))
        assert (below.points, below.carried, below.counted_minor) == (0, True, 3_000)

    def test_an_order_below_the_least_does_not_count(self) -> None:
        """Small orders add nothing to the sum."""
        least = attrs.evolve(self.FIFTY, at_least_minor=1_000)
        assert ask([least], euros(999)).earned == ()
        assert one(ask([least], euros(1_000))).counted_minor == 1_000

    def test_target_and_what_is_taken(self) -> None:
        """The steps that are no longer full; all that is held where nothing is kept, and never more."""
        order = one(ask([self.FIFTY], euros(12_000)))
        assert [to_earn(order.formula, minor) for minor in (-1, 0, 4_999, 5_000, 12_000)] == [0, 0, 0, 1, 2]
        ledger = granted((2, NOW)).ledger
        assert [to_take(order, 12_000, minor, ledger) for minor in (12_000, 9_999, 4_999, 0, -5)] == [0, 1, 2, 2, 2]
        assert to_take(order, 90_000, 40_000, ledger) == 2
        assert to_take(order, 12_000, 0, NOBODY.ledger) == 0

    @pytest.mark.parametrize(
        "fields",
        [
            {"gives": Flat(5)},
            {"multipliers": [Multiplier(times=Rate.times("2"))]},
            {"caps": Caps(per_day=5, over=Over.TRUNCATE)},
        ],
        ids=["flat", "multiplied", "capped"],
    )
    def test_goes_with_plain_steps_alone(self, fields: dict[str, Any]) -> None:
        """What has no remainder cannot carry one."""
        with pytest.raises(UsageError, match="carry_over goes with whole steps alone"):
            rule(**{"carry_over": CarryOver.ON, **fields})


class TestTerms:
    def test_pending_and_expiry_are_the_rules(self) -> None:
        """Available after the return window, expiring a period after that; or at once, and never."""
        waiting = rule(pending=Term(Period(days=30)), expires=Term(Period(months=12)))
        earned = one(ask([waiting], euros(500)))
        assert (earned.available_at, earned.expires_at) == (
            datetime(2026, 7, 31, 22, tzinfo=UTC),
            datetime(2027, 8, 1, 22, tzinfo=UTC),
        )
        assert (one(ask([rule()], euros(500))).available_at, one(ask([rule()], euros(500))).expires_at) == (NOW, None)

    def test_what_awaits_an_event_or_slides(self) -> None:
        """The deadline, the event and the way to an end are frozen with the points."""
        year = Term(Period(months=12))
        delivered = one(ask([rule(pending=Awaiting("delivered", Term(Period(days=60))), expires=year)], euros(500)))
        assert (delivered.awaits, delivered.lasts, delivered.expires_at) == ("delivered", Lasting(year, "Europe/Paris"), None)
        assert delivered.available_at == datetime(2026, 8, 30, 22, tzinfo=UTC)
        sliding = one(ask([rule(expires=Sliding(year))], euros(500)))
        assert sliding.lasts == Lasting(year, "Europe/Paris", sliding=True)

    def test_a_rule_whose_last_day_is_over_gives_nothing(self) -> None:
        """It no longer matches, so that the next one may."""
        over = rule("old", expires=UntilDay(date(2026, 6, 30)))
        found = ask([over, rule("new")], euros(500), combine=Combine.FIRST)
        assert points(found) == {"new": 5}
        assert found.answers[0] == EarningAnswer(rule_id="old", account="points")

    def test_an_own_rule_that_gives_nothing_still_matches(self) -> None:
        """The first that matches is taken, whatever it gives."""

        class Never:
            own_id = "never"

            def points(self, counted_minor: int) -> int:
                return counted_minor * 0

        found = ask([rule("never", Never()), rule("base")], euros(500), combine=Combine.FIRST)
        assert points(found) == {}
        assert [answer.instead for answer in found.answers] == [None, "never"]


class TestRule:
    @pytest.mark.parametrize(
        "fields",
        [
            {"rule_id": "a/b"},
            {"gives": 5},
            {"basis": "paid"},
            {"shipping": True},
            {"only": ["a"]},
            {"exclude": None},
            {"at_least_minor": -1},
            {"when": None},
            {"multipliers": [2]},
            {"times_limit": 3},
            {"caps": 100},
            {"carry_over": True},
            {"pending": 30},
            {"expires": "never"},
            {"account": ""},
            {"pending": Awaiting("livré!", Term(Period(days=1)))},
            {"pending": OnDate(date(2026, 12, 1)), "expires": UntilDay(date(2026, 11, 1))},
        ],
        ids=str,
    )
    def test_is_checked(self, fields: dict[str, Any]) -> None:
        """Each part is of its type and in its range."""
        with pytest.raises(UsageError):
            rule(**fields)

    def test_survives_a_pickle(self) -> None:
        """With all its parts."""
        whole = rule(caps=Caps(per_day=5, over=Over.REFUSE), multipliers=[TestMultipliers.GOLD], times_limit=Rate.times("3"))
        assert pickle.loads(pickle.dumps(whole)) == whole


class TestTogether:
    LADDER = Ladder.of({0: "bronze", 100: "gold"})

    @pytest.mark.parametrize(
        "rules,combine,actions,ladder,message",
        [
            ([rule(), rule()], Combine.SUM, {}, None, "got 'order' for two rules"),
            ([rule()], Combine.SUM, {"order": None}, None, "got 'order' for a rule and an action"),
            ([TestCarryOver.FIFTY, rule("b")], Combine.BEST, {}, None, "must be the only one of account 'points'"),
            ([rule(when=EarningWhen(tiers=["gold"]))], Combine.SUM, {}, None, "got gold"),
            ([rule(multipliers=[TestMultipliers.GOLD])], Combine.SUM, {}, Ladder.of({0: "silver"}), "got gold"),
        ],
    )
    def test_what_rules_cannot_check_alone(
        self, rules: list[EarningRule], combine: Combine, actions: dict[str, Any], ladder: Ladder[str] | None, message: str
    ) -> None:
        """Names are unique, spend is carried where no rule competes, tiers are those of the program."""
        with pytest.raises(UsageError, match=message):
            check_together(rules, combine, actions, ladder)

    def test_what_goes_together(self) -> None:
        """One rule that carries on an account of its own; tiers that are there."""
        status = rule("status", account="status", carry_over=CarryOver.ON)
        check_together([rule(multipliers=[TestMultipliers.GOLD]), status], Combine.BEST, {"review": ACTION}, self.LADDER)
        check_together([TestCarryOver.FIFTY, rule("b")], Combine.SUM, {}, None)


ACTION = Action(points=50, expires=None)


class TestAction:
    @pytest.mark.parametrize(
        "times,refused",
        [
            ({}, None),
            ({"per_day": 2}, None),
            ({"per_day": 1}, ("per_day", 1, 1)),
            ({"per_week": 2, "per_month": 3}, ("per_week", 2, 2)),
            ({"per_month": 2}, ("per_month", 2, 2)),
            ({"per_year": 4, "lifetime": 4}, ("per_year", 4, 4)),
            ({"per_year": 5, "lifetime": 4}, ("lifetime", 4, 4)),
        ],
    )
    def test_how_often(self, times: dict[str, int], refused: tuple[str, int, int] | None) -> None:
        """Once today, twice this week and this month, four times this year: the narrowest limit that is full."""
        done = granted((50, NOW), (50, NOW - DAY), (50, NOW + 29 * DAY), (50, NOW - 31 * DAY), rule_id="review")
        action = attrs.evolve(ACTION, times=Times(**times))
        refusal = action.refusal("review", done.ledger, at=NOW, calendar=PARIS)
        details = None if refusal is None else tuple(refusal.details[name] for name in ("period", "limit", "times"))
        assert details == refused
        assert refusal is None or refusal.reason is Reason.ACTION_LIMIT_REACHED

    def test_what_was_taken_back_was_not_done(self) -> None:
        """A review whose points were revoked whole leaves room for another; one revoked in part does not."""
        done = granted((50, NOW), rule_id="review")
        once = attrs.evolve(ACTION, times=Times(lifetime=1))
        for units, free in ((49, False), (1, True)):
            done = done.revoke("o-0", units, ref=f"r-{units}", overdraft=Overdraft.CARRY, at=NOW).state
            assert (once.refusal("review", done.ledger, at=NOW, calendar=PARIS) is None) == free

    def test_held_in_sums_what_is_left_of_grants(self) -> None:
        """Granted less revoked, of one rule, in one window; an account that is not there holds nothing."""
        done = granted((50, NOW), (7, NOW - DAY), rule_id="review")
        assert held_in("review", done.ledger, EVER) == 57
        assert held_in("review", done.ledger, Window(starts_at=NOW, ends_at=None)) == 50
        assert held_in("view", done.ledger, EVER) == held_in("review", None, EVER) == 0

    @pytest.mark.parametrize(
        "fields",
        [
            {"points": 0},
            {"times": 3},
            {"pending": 7},
            {"expires": "never"},
            {"account": "a b"},
            {"pending": Awaiting("a,b", Term(Period(days=1)))},
        ],
        ids=str,
    )
    def test_is_checked(self, fields: dict[str, Any]) -> None:
        """Points at least 1, times a value of their own, terms that go together."""
        with pytest.raises(UsageError):
            Action(**{"points": 1, "expires": None, **fields})
        with pytest.raises(UsageError, match="per_day"):
            Times(per_day=0)
