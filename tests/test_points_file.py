"""The table of points in a program file: every key, and what is said of every mistake."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from loyaltycore import Program, ProgramError
from loyaltycore._booking import BurnFirst
from loyaltycore._earning import (
    Action,
    Basis,
    Caps,
    CarryOver,
    Combine,
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
)
from loyaltycore._phrases import EARN, EXPIRES, PENDING, TERM
from loyaltycore._program_file import read_program
from loyaltycore.periods import Awaiting, Period, Schedule, Sliding, Term, UntilDay, Weekday, Window, YearDay
from loyaltycore.points import BurnRule, Overdraft
from loyaltycore.quantities import Rate, Rounding

HEAD = '[program]\nname = "velo"\nversion = 1\ncurrency = "EUR"\nzone = "Europe/Paris"\nstarts_on = 2026-07-01\n[points]\n'
TERMS = 'expires = "never"\noverdraft = "carry"\n'
OWN = 'earn = "1 per 1.00"\nbasis = "paid"\n' + TERMS
TIERS = '[tiers]\nmetric = "spend"\nwindow = "12 months"\ndowngrade = "one step"\n[[tiers.rung]]\nid = "gold"\nfrom = "100"\n'
RULE = '[[points.rules]]\nid = "more"\nearn = "50 an order"\nbasis = "list"\n'
PLAIN: dict[str, Any] = {
    "rule_id": "order",
    "gives": Step(1, per_minor=100),
    "basis": Basis.PAID,
    "pending": None,
    "expires": None,
}
MONTH = Term(Period(months=1))
FILTER_KEYS = "brands, categories, exclude_products, exclude_tags, price, price_from, price_to, products, tags"


def own(text: str, before: str = OWN) -> EarningRule:
    """Read the one rule of a program."""
    (rule,) = read_program(HEAD + before + text)["earning"]
    return rule


def rules(text: str, before: str = OWN) -> dict[str, EarningRule]:
    """Read the rules of a program."""
    return {rule.rule_id: rule for rule in read_program(HEAD + before + text)["earning"]}


def problems(text: str) -> list[str]:
    """Give the messages of a file that must be wrong."""
    with pytest.raises(ProgramError) as error:
        Program.parse(HEAD + text)
    return [str(problem) for problem in error.value.problems]


class TestOwnRule:
    @pytest.mark.parametrize(
        "text,fields",
        [
            ("", {}),
            ('shipping = "in"', {"shipping": Shipping.IN}),
            ('only = { tags = ["a"], products = ["b"], categories = ["c"], price = "regular" }',
             {"only": Filter(tags=["a"], products=["b"], categories=["c"], price=PriceState.REGULAR)}),
            ('exclude = { price = "reduced" }', {"exclude": Filter(price=PriceState.REDUCED)}),
            ('earn_exclude_tags = ["a"]', {"exclude": Filter(tags=["a"])}),
            ('earn_exclude_tags = ["a"]\nexclude = { tags = ["b"] }', {"exclude": Filter(tags=["a", "b"])}),
            ('at_least = "20.00"', {"at_least_minor": 2_000}),
            ('times_limit = "3"', {"times_limit": Rate.times("3")}),
            ('caps = { per_month = 1000, over = "truncate" }', {"caps": Caps(per_month=1_000, over=Over.TRUNCATE)}),
            ('[points.caps]\nper_order = 1\nper_day = 2\nper_week = 3\nper_year = 4\nlifetime = 5\nbalance = 6\nover = "refuse"',
             {"caps": Caps(per_order=1, per_day=2, per_week=3, per_year=4, lifetime=5, balance=6, over=Over.REFUSE)}),
            ("carry_over = true", {"carry_over": CarryOver.ON}),
            ('pending = "on delivered within 1 month"', {"pending": Awaiting("delivered", MONTH)}),
            ("when = {}", {"when": EarningWhen()}),
            ("earn_exclude_tags = []", {"exclude": Filter()}),
            ('when = { from = 2026-07-01, member_tags = ["a"], markets = ["b"], channels = ["c"] }',
             {"when": EarningWhen(window=Window(starts_at=datetime(2026, 6, 30, 22, tzinfo=UTC), ends_at=None),
                                  member_tags=["a"], markets=["b"], channels=["c"])}),
            ('[[points.multipliers]]\ntimes = "2"\n[[points.multipliers]]\ntimes = "1.5"\nonly = { categories = ["c"] }',
             {"multipliers": (Multiplier(times=Rate.times("2")),
                              Multiplier(times=Rate.times("1.5"), only=Filter(categories=["c"])))}),
        ],
    )  # fmt: skip
    def test_keys(self, text: str, fields: dict[str, Any]) -> None:
        """Every key of the rule that stands in the table itself."""
        assert own(text) == EarningRule(**{**PLAIN, **fields})

    @pytest.mark.parametrize(
        "text,schedule",
        [
            ('weekdays = ["tuesday", "monday"]', Schedule(weekdays=[Weekday.MONDAY, Weekday.TUESDAY])),
            ("starts = 16:00:00, ends = 18:00:00", Schedule(weekdays=list(Weekday), starts=time(16), ends=time(18))),
            ('weekdays = ["friday"], ends = 12:30:00', Schedule(weekdays=[Weekday.FRIDAY], ends=time(12, 30))),
        ],
    )
    def test_hours_of_the_week(self, text: str, schedule: Schedule) -> None:
        """Days, hours, or both; every day where only hours are said."""
        assert own(f"when = {{ {text} }}").when.schedule == schedule

    @pytest.mark.parametrize(
        "earn,gives",
        [
            ('earn = "50 an order"', Flat(50)),
            (
                'earn = "2.5 %"\nrounding = "half_up"\nworth = "0.01"',
                Percent(Rate.percent("2.5"), worth_minor=Rate.times("1"), rounding=Rounding.HALF_UP),
            ),
        ],
    )
    def test_what_it_gives(self, earn: str, gives: object) -> None:
        """Points once an order, and a part of the money in points of their worth."""
        assert own(OWN.replace('earn = "1 per 1.00"', earn), before="").gives == gives

    @pytest.mark.parametrize(
        "expires,expected",
        [
            ("1 January", YearDay(1, 1)),
            ("2026-12-31", UntilDay(date(2026, 12, 31))),
            ("1 month after last activity", Sliding(MONTH)),
        ],
    )
    def test_other_ends(self, expires: str, expected: object) -> None:
        """A day of each year, one day, or some time after the last activity."""
        assert own(OWN.replace("never", expires), before="").expires == expected


class TestRules:
    def test_keys(self) -> None:
        """What a rule leaves out is as the table says; what it says is its own."""
        found = rules(
            """
            combine = "best"
            pending = "1 month"
            earn_exclude_tags = ["gift-card"]
            shipping = "in"
            times_limit = "4"
            rounding = "down"
            worth = "0.01"
            [[points.multipliers]]
            times = "2"
            [[points.rules]]
            id = "as-the-table"
            earn = "3 %"
            [[points.rules]]
            id = "its-own"
            earn = "3 %"
            rounding = "up"
            basis = "list"
            shipping = "out"
            pending = "at once"
            expires = "1 month"
            times_limit = "3"
            account = "status"
            [[points.rules.multipliers]]
            times = "3"
            """
        )
        shared: dict[str, Any] = {"exclude": Filter(tags=["gift-card"]), "multipliers": [Multiplier(times=Rate.times("2"))]}
        terms: dict[str, Any] = {"shipping": Shipping.IN, "times_limit": Rate.times("4"), "pending": MONTH}
        gives = Percent(Rate.percent("3"), worth_minor=Rate.times("1"), rounding=Rounding.DOWN)
        assert list(found) == ["order", "as-the-table", "its-own"]
        assert found["order"] == EarningRule(**{**PLAIN, **shared, **terms})
        assert found["as-the-table"] == EarningRule(**{**PLAIN, **shared, **terms, "rule_id": "as-the-table", "gives": gives})
        assert found["its-own"] == EarningRule(
            rule_id="its-own",
            gives=Percent(Rate.percent("3"), worth_minor=Rate.times("1"), rounding=Rounding.UP),
            basis=Basis.LIST,
            exclude=Filter(tags=["gift-card"]),
            times_limit=Rate.times("3"),
            multipliers=[Multiplier(times=Rate.times("3"))],
            pending=None,
            expires=MONTH,
            account="status",
        )

    def test_without_one_in_the_table_itself(self) -> None:
        """Rules alone are enough; of one rule nobody must say how several meet."""
        found = rules(RULE, before=TERMS)
        assert found == {"more": EarningRule(rule_id="more", gives=Flat(50), basis=Basis.LIST, pending=None, expires=None)}
        assert Program.parse(HEAD + TERMS + RULE).combine is Combine.SUM

    def test_tiers_multiply_the_main_account(self) -> None:
        """A rung's multiplier is one of every rule of the main account, before its own."""
        gold = Multiplier(times=Rate.times("1.5"), when=EarningWhen(tiers=["gold"]))
        text = 'combine = "sum"\n[[points.multipliers]]\ntimes = "2"\n' + RULE + 'account = "status"\n'
        found = rules(text + TIERS + 'earn_multiplier = "1.5"')
        assert found["order"].multipliers == (gold, Multiplier(times=Rate.times("2")))
        assert found["more"].multipliers == ()
        assert own(TIERS).multipliers == ()
        assert read_program(HEAD.replace("[points]\n", "") + TIERS + 'earn_multiplier = "1.5"')["earning"] == ()


class TestOtherKeys:
    @pytest.mark.parametrize(
        "text,name,expected",
        [
            ("", "restore", None),
            ('restore = "original"', "restore", None),
            ('restore = "1 month"', "restore", MONTH),
            ("", "burn_first", BurnFirst.SOONEST_EXPIRY),
            ('worth = "0.01"\nburn_order = "newest"', "burn_first", BurnFirst.NEWEST),
            ("", "combine", Combine.SUM),
            ('combine = "first"', "combine", Combine.FIRST),
            (
                'worth = "0.01"\nburn_minimum = 500\nburn_step = 100\nburn_exclude_products = ["a"]\nburn_exclude_tags = ["b"]',
                "burning",
                BurnRule(
                    worth_minor=Rate.times("1"),
                    minimum=500,
                    share=None,
                    step=100,
                    exclude_tags=["b"],
                    exclude_products=["a"],
                ),
            ),
            ('pending = "1 month"', "returns", MONTH),
            ('pending = "on 2026-12-01"', "returns", None),
            ('pending = "on delivered within 1 month"', "returns", None),
        ],
    )
    def test_keys_of_the_program(self, text: str, name: str, expected: object) -> None:
        """What is not one rule's; only a plain wait is a return window too."""
        assert dict(read_program(HEAD + OWN + text))[name] == expected

    @pytest.mark.parametrize("overdraft", list(Overdraft))
    def test_overdrafts(self, overdraft: Overdraft) -> None:
        """Each policy of the ledger can be written."""
        assert read_program(HEAD + OWN.replace("carry", overdraft))["overdraft"] is overdraft

    @pytest.mark.parametrize(
        "text,expected",
        [
            ("review = 50", Action(points=50, expires=MONTH)),
            ("review = { points = 50 }", Action(points=50, expires=MONTH)),
            ("review = { points = 50, per_month = 3 }", Action(points=50, times=Times(per_month=3), expires=MONTH)),
            (
                "review = { points = 5, per_day = 1, per_week = 2, per_year = 4, lifetime = 5 }",
                Action(points=5, times=Times(per_day=1, per_week=2, per_year=4, lifetime=5), expires=MONTH),
            ),
            (
                'review = { points = 5, pending = "1 month", expires = "never", account = "status" }',
                Action(points=5, pending=MONTH, expires=None, account="status"),
            ),
        ],
    )
    def test_actions(self, text: str, expected: Action) -> None:
        """Points alone, or how often, from when, until when and where; they expire as points do unless they say."""
        parts = read_program(HEAD + OWN.replace("never", "1 month") + f"[points.actions]\n{text}")
        assert parts["actions"] == {"review": expected}


class TestProblems:
    @pytest.mark.parametrize(
        "text,expected",
        [
            ("", [
                f"points.earn: is missing; must be {EARN}",
                'points.basis: is missing; must be "list" or "discounted" or "paid"',
                f"points.expires: is missing; must be {EXPIRES}",
                'points.overdraft: is missing; must be "carry" or "settle" or "forgive" or "reject"',
            ]),
            (OWN + 'pending = "soon"', [f'points.pending: must be {PENDING}, got "soon"']),
            (OWN + 'only = { price = "low" }',
             ['points.only.price: must be "any" or "regular" or "reduced" in this version, got "low"']),
            (OWN + 'exclude = { skus = ["a"] }',
             [("points.exclude.skus: is not known to this version, which knows brands, categories, price, price_from, price_to, "
              "products, tags, got a list")]),
            (OWN + "only = {}", [f"points.only: must say one of {FILTER_KEYS}"]),
            (OWN + "exclude = {}",
             ["points.exclude: must say one of brands, categories, price, price_from, price_to, products, tags"]),
            (OWN + "only = { products = [], exclude_tags = [] }", [
                "points.only.exclude_tags: must name at least one, or be left out, got a list",
                "points.only.products: must name at least one, or be left out, got a list",
            ]),
            (OWN + "exclude = { categories = [] }",
             ["points.exclude.categories: must name at least one, or be left out, got a list"]),
            (OWN + '[[points.multipliers]]\ntimes = "-2"\nonly = {}', [
                'points.multipliers[1].times: factor must be 0 or more, got "-2"',
                f"points.multipliers[1].only: must say one of {FILTER_KEYS}",
            ]),
            (OWN + "when = { tiers = [], channels = [] }", [
                "points.when.tiers: must name at least one, or be left out, got a list",
                "points.when.channels: must name at least one, or be left out, got a list",
            ]),
            (OWN + "when = { member_tags = [], markets = [] }", [
                "points.when.member_tags: must name at least one, or be left out, got a list",
                "points.when.markets: must name at least one, or be left out, got a list",
            ]),
            (OWN + "when = { weekdays = [] }", ["points.when.weekdays: must name at least one, or be left out, got a list"]),
            (OWN + 'at_least = "0.00"', ['points.at_least: must be above 0, got "0.00"']),
            (OWN + "at_least = 20", ['points.at_least: must be an amount such as "20.00", got 20']),
            (OWN + "when = { to = 2026-07-01, from = 2026-07-01 }", ["points.when.to: must be after 2026-07-01, got 2026-07-01"]),
            (OWN + 'when = { weekdays = ["mardi"] }',
             [("points.when.weekdays: must be of monday, tuesday, wednesday, thursday, friday, saturday, sunday, "
              'got "mardi"')]),
            (OWN + "when = { weekdays = [1] }", ["points.when.weekdays: must be a list of texts, got a list"]),
            (OWN + "when = { starts = 16:00:00, ends = 15:00:00 }",
             ["points.when.ends: ends must be after 16:00:00, got 15:00:00"]),
            (OWN + 'when = { tiers = ["gold"] }', ["points: rule 'order' must name tiers of the program, got gold"]),
            (OWN + "caps = {}", ['points.caps.over: is missing; must be "truncate" or "refuse"']),
            (OWN + 'caps = { over = "refuse" }',
             ["points.caps: caps must say one of per_order, per_day, per_week, per_month, per_year, lifetime, balance"]),
            (OWN + 'caps = { per_month = 0, over = "refuse" }',
             ["points.caps.per_month: it must be a whole number in [1, 9223372036854775807], got 0"]),
            (OWN + 'carry_over = true\ncaps = { per_month = 1, over = "refuse" }',
             ["points.carry_over: carry_over goes with whole steps alone, without multipliers and caps, got true"]),
            (OWN + "carry_over = true\n" + TIERS + 'earn_multiplier = "2"',
             ["tiers.rung.earn_multiplier: carry_over goes with whole steps alone, without multipliers and caps"]),
            (OWN + TIERS + "earn_multiplier = 2",
             ['tiers.rung[1].earn_multiplier: must be how many times points are earned, such as "1.5", got 2']),
            (OWN.replace("1 per 1.00", "5 %"), [
                ("points.rounding: is missing; a percentage of the money needs it: "
                '"down" or "up" or "half_up" or "half_down" or "half_even"'),
                'points.earn: must go with points.worth: a percentage is of the money, got "5 %"',
            ]),
            (OWN + RULE, ['points.combine: is missing; where there are several rules it must be "sum" or "best" or "first"']),
            (OWN + 'combine = "sum"\n' + RULE + RULE,
             ["points: rules and actions must have names of their own: their lots do, got 'more' for two rules"]),
            (OWN + 'combine = "sum"\n' + RULE + "[points.actions]\nmore = 5",
             ["points: rules and actions must have names of their own: their lots do, got 'more' for a rule and an action"]),
            (OWN + 'combine = "best"\ncarry_over = true\n' + RULE,
             ["points: rule 'order' carries spend over: it must be the only one of account 'points' unless all give"]),
            (TERMS + 'at_least = "5"\ncarry_over = true\n' + RULE, [
                'points.at_least: goes with earn, or stands on one of [[points.rules]], got "5"',
                "points.carry_over: goes with earn, or stands on one of [[points.rules]], got true",
            ]),
            (TERMS + RULE.replace('basis = "list"\n', ""),
             ['points.rules[1].basis: is missing; must be "list" or "discounted" or "paid"']),
            (TERMS + RULE.replace("more", "a b"),
             ["points.rules[1].id: id must be 1 to 64 letters, digits, '_', '.', ':' or '-', got \"a b\""]),
            (TERMS + RULE + 'account = "a/b"',
             ["points.rules[1].account: account must be 1 to 64 letters, digits, '_', '.', ':' or '-', got \"a/b\""]),
            (TERMS + "".join(RULE.replace("more", f"r{n}") for n in range(101)) ,
             ["points.rules: must be at most 100 tables, got 101",
              'points.combine: is missing; where there are several rules it must be "sum" or "best" or "first"']),
            (OWN + '[[points.multipliers]]\ntimes = "2"\n' * 51, ["points.multipliers: must be at most 50 tables, got 51"]),
            (OWN + "[[points.multipliers]]\ntimes = 2",
             ['points.multipliers[1].times: must be how many times points are earned, such as "1.5", got 2']),
            (OWN + "expires_after = 3",
             [("points.expires_after: is not known to this version, which knows actions, at_least, basis, burn_exclude_products, "
              "burn_exclude_tags, burn_minimum, burn_order, burn_share, burn_step, caps, carry_over, combine, earn, "
              "earn_exclude_tags, exclude, expires, multipliers, only, overdraft, pending, restore, rounding, rules, shipping, "
              "times_limit, when, worth, got 3")]),
            (OWN + 'burn_step = 5\nburn_share = "5 %"',
             ["points.worth: is missing; must be said where burn_step and burn_share are"]),
            (OWN + 'restore = "never"', [f'points.restore: must be {TERM}, got "never"']),
            (OWN + "[points.actions]\nreview = { per_month = 3 }",
             ["points.actions.review.points: is missing; must be a whole number of at least 1"]),
            (OWN + "[points.actions]\nreview = { points = 5, often = 3 }",
             [("points.actions.review.often: is not known to this version, which knows account, expires, lifetime, pending, "
              "per_day, per_month, per_week, per_year, points, got 3")]),
            (OWN + '[points.actions]\nreview = { points = 5, pending = "on 2026-12-01", expires = "2026-11-01" }', [
                ("points.actions.review.pending: expires must not be before pending is over, on 2026-12-01, "
                'got "on 2026-12-01"'),
            ]),
            (OWN.replace("never", "2026-11-01") + 'pending = "on 2026-12-01"',
             ['points.pending: expires must not be before pending is over, on 2026-12-01, got "on 2026-12-01"']),
        ],
    )  # fmt: skip
    def test_each_mistake_has_its_message(self, text: str, expected: list[str]) -> None:
        """Where it is, what is allowed, and what was found."""
        assert problems(text) == expected
