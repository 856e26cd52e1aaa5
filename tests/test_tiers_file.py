"""The table of tiers in a program file: every key, and what is said of every mistake."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any, get_args

import pytest

from loyaltycore import Money, Program, ProgramError
from loyaltycore._earning import EarningWhen, Multiplier
from loyaltycore._payouts import PayOut
from loyaltycore._phrases import EXPIRES, STEP, TIER_WINDOW
from loyaltycore._program_file import read_program
from loyaltycore._tiers_file import METRIC, WHOLE
from loyaltycore.benefits import BonusPoints, FreeShipping, PercentOff, Several
from loyaltycore.periods import Period, Term, Through, YearDay
from loyaltycore.quantities import Rate
from loyaltycore.tiers import (
    CalendarMonths,
    CalendarYears,
    Downgrade,
    Ladder,
    Lifetime,
    MembershipYears,
    Metric,
    Mix,
    Thresholds,
    TierBenefits,
    TierRule,
    TierWindow,
    Upgrade,
)
from tests.test_offers_file import unsaid

PROGRAM = '[program]\nname = "velo"\nversion = 1\ncurrency = "EUR"\nzone = "Europe/Paris"\nstarts_on = 2026-07-01\n'
POINTS = (
    '[points]\nearn = "1 per 1.00"\nbasis = "paid"\npending = "30 days"\n'
    'expires = "12 months, end of month"\noverdraft = "carry"\n'
)
STACKING = '[stacking]\nmode = "best"\n'
WINDOW, DOWN = 'window = "12 months"\n', 'downgrade = "one step"\n'
TIERS = '[tiers]\nmetric = "spend"\n' + WINDOW + DOWN
TWO = '[[tiers.rung]]\nid = "bronze"\nfrom = "0"\n[[tiers.rung]]\nid = "gold"\nfrom = "300.00"\n'
COUNTED = '[[tiers.rung]]\nid = "bronze"\nfrom = 0\n[[tiers.rung]]\nid = "gold"\nfrom = "3"\n'
LADDER, COUNTS = Ladder.of({0: "bronze", 30000: "gold"}), Ladder.of({0: "bronze", 3: "gold"})
PLAIN: dict[str, Any] = {"window": Period(months=12), "downgrade": Downgrade.ONE_STEP}
YEAR = Term(Period(months=12), through_end_of=Through.MONTH)


def rule(text: str, head: str = PROGRAM + POINTS + STACKING) -> TierRule:
    """Read the tiers of a program."""
    found = read_program(head + text)["tiers"]
    assert found is not None
    return found


def problems(text: str, head: str = PROGRAM + POINTS + STACKING) -> list[str]:
    """Give the messages of a file that must be wrong."""
    with pytest.raises(ProgramError) as error:
        Program.parse(head + text)
    return [str(problem) for problem in error.value.problems]


METRICS: list[tuple[str, str, dict[str, Any]]] = [
    ('metric = "spend"', TWO, {}),
    ('metric = "orders"', COUNTED, {"metric": Metric.ORDERS}),
    ('metric = "points"', COUNTED, {"metric": Metric.POINTS}),
    ('metric = "points"\naccount = "status"', COUNTED, {"metric": Metric.POINTS, "account": "status"}),
    ('metric = "referrals"', COUNTED, {"metric": Metric.REFERRALS}),
    (
        'metric = { spend = "1 per 1.00", orders = 50, points = "0.5", referrals = 100 }\naccount = "status"',
        COUNTED,
        {
            "metric": Mix(
                {
                    Metric.SPEND: Rate(Fraction(1, 100)),
                    Metric.ORDERS: Rate.times("50"),
                    Metric.POINTS: Rate.times("0.5"),
                    Metric.REFERRALS: Rate.times("100"),
                }
            ),
            "account": "status",
        },
    ),
    ('metric = { spend = "3 per 50.00" }', COUNTED, {"metric": Mix({Metric.SPEND: Rate(Fraction(3, 5000))})}),
]

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    (WINDOW + DOWN, {}),
    ('window = "90 days"\n' + DOWN, {"window": Period(days=90)}),
    ('window = "calendar year"\n' + DOWN, {"window": CalendarYears()}),
    ('window = "calendar year from 1 April"\n' + DOWN, {"window": CalendarYears(YearDay(4, 1))}),
    ('window = "2 calendar years from 15 June"\n' + DOWN, {"window": CalendarYears(YearDay(6, 15), years=2)}),
    ('window = "membership year"\n' + DOWN, {"window": MembershipYears()}),
    ('window = "3 membership years"\n' + DOWN, {"window": MembershipYears(years=3)}),
    ('window = "calendar quarter"\n' + DOWN, {"window": CalendarMonths(3)}),
    ('window = "2 calendar months"\n' + DOWN, {"window": CalendarMonths(2)}),
    ('window = "lifetime"\n' + DOWN, {"window": Lifetime()}),
    (WINDOW + 'downgrade = "reassess"', {"downgrade": Downgrade.REASSESS}),
    (WINDOW + 'downgrade = "never"', {"downgrade": Downgrade.NEVER}),
    (WINDOW + DOWN + 'upgrade = "at once"', {"upgrade": Upgrade.AT_ONCE}),
    (
        'window = "calendar year"\n' + DOWN + 'upgrade = "next period"',
        {"window": CalendarYears(), "upgrade": Upgrade.NEXT_PERIOD},
    ),
    (WINDOW + DOWN + 'grace = "30 days"', {"grace": Period(days=30)}),
    (
        WINDOW + DOWN + '[[tiers.before]]\nuntil = 2027-01-01\nrungs = { bronze = "0", gold = "250.00" }',
        {"before": [Thresholds(Ladder.of({0: "bronze", 25000: "gold"}), until=date(2027, 1, 1))]},
    ),
    (
        WINDOW
        + DOWN
        + '[[tiers.before]]\nuntil = 2027-01-01\nrungs = { gold = "250.00" }\n'
        + '[[tiers.before]]\nuntil = 2028-01-01\nrungs = { bronze = "0" }',
        {
            "before": [
                Thresholds(Ladder.of({25000: "gold"}), until=date(2027, 1, 1)),
                Thresholds(Ladder.of({0: "bronze"}), until=date(2028, 1, 1)),
            ]
        },
    ),
]

BENEFITS: list[tuple[str, dict[str, Any]]] = [
    ('perks = ["early-access", "free-returns"]', {"perks": ["early-access", "free-returns"]}),
    ("entry_gift = { points = 200 }", {"entry_gift": BonusPoints(200, expires=YEAR)}),
    ("entry_gift = { bonus_points = 200 }", {"entry_gift": BonusPoints(200, expires=YEAR)}),
    (
        'entry_gift = { points = 200, pending = "30 days", expires = "never" }',
        {"entry_gift": BonusPoints(200, expires=None, pending=Term(Period(days=30)))},
    ),
    (
        'entry_gift = { percent_off = "10" }\nvalid_for = "30 days"',
        {"entry_gift": PercentOff("10"), "valid_for": Term(Period(days=30))},
    ),
    (
        'entry_gift = { free_shipping = true }\nvalid_for = "24 hours"',
        {"entry_gift": FreeShipping(), "valid_for": timedelta(hours=24)},
    ),
    ('entry_gift = { pay_out = "5.00" }', {"entry_gift": PayOut(Money.of("5.00", "EUR"))}),
    (
        'entry_gift = [{ points = 100 }, { percent_off = "10" }]',
        {"entry_gift": Several([BonusPoints(100, expires=YEAR), PercentOff("10")])},
    ),
    ('expires = "never"', {"expires": None}),
    ('expires = "24 months"', {"expires": Term(Period(months=24))}),
    (
        'expires = "24 months"\nentry_gift = { points = 200 }',
        {"expires": Term(Period(months=24)), "entry_gift": BonusPoints(200, expires=Term(Period(months=24)))},
    ),
]


class TestTiers:
    @pytest.mark.parametrize("metric,rungs,fields", METRICS)
    def test_metrics(self, metric: str, rungs: str, fields: dict[str, Any]) -> None:
        """What counts; a tier begins at an amount of spend, at a number of anything else."""
        ladder = LADDER if rungs == TWO else COUNTS
        assert rule(f"[tiers]\n{metric}\n{WINDOW}{DOWN}{rungs}") == TierRule(ladder, **PLAIN, **fields)

    @pytest.mark.parametrize("text,fields", SETTINGS)
    def test_settings(self, text: str, fields: dict[str, Any]) -> None:
        """Over which time, and how tiers rise and fall."""
        assert rule(f'[tiers]\nmetric = "spend"\n{text}\n{TWO}') == TierRule(LADDER, **{**PLAIN, **fields})

    @pytest.mark.parametrize("text,fields", BENEFITS)
    def test_benefits(self, text: str, fields: dict[str, Any]) -> None:
        """What a tier gives."""
        benefits = {"gold": TierBenefits(**fields)}
        assert rule(TIERS + TWO + text) == TierRule(LADDER, benefits=benefits, **PLAIN)
        assert Program.parse(PROGRAM + POINTS + STACKING + TIERS + TWO + text).tiers is not None

    def test_a_rung_that_gives_nothing(self) -> None:
        """Has no benefits, however it is written."""
        assert rule(TIERS + TWO + "perks = []").benefits == {}

    def test_a_multiplier_is_one_of_the_rules(self) -> None:
        """And stands beside what the tier gives."""
        parts = read_program(PROGRAM + POINTS + TIERS + TWO + 'earn_multiplier = "1.5"\nperks = ["early-access"]')
        gold = Multiplier(times=Rate.times("1.5"), when=EarningWhen(tiers=["gold"]))
        assert [one.multipliers for one in parts["earning"]] == [(gold,)]
        assert parts["tiers"] == TierRule(LADDER, benefits={"gold": TierBenefits(perks=["early-access"])}, **PLAIN)

    def test_points_of_a_gift_without_points(self) -> None:
        """Say when they end."""
        gift = TIERS + TWO + "entry_gift = { points = 200 }"
        assert problems(gift, PROGRAM) == [f"tiers.rung[2].entry_gift.expires: is missing; must be {EXPIRES}"]

    def test_every_setting_can_be_said(self) -> None:
        """Of tiers, of what they give, of earlier thresholds, of windows: no field is left to Python alone."""
        rules = [TierRule(COUNTS, **PLAIN, **fields) for _, _, fields in METRICS]
        rules += [TierRule(LADDER, **{**PLAIN, **fields}) for _, fields in SETTINGS]
        benefits = [TierBenefits(**fields) for _, fields in BENEFITS]
        assert unsaid([*rules, TierRule(LADDER, benefits={"gold": benefits[0]}, **PLAIN)]) == set()
        assert unsaid(benefits) == set()
        assert unsaid(before for one in rules for before in one.before) == set()
        windows = [one.window for one in rules]
        assert {type(window) for window in windows} == set(get_args(TierWindow))
        assert unsaid(windows) == set()
        assert unsaid(one.metric for one in rules if isinstance(one.metric, Mix)) == set()
        assert {one.downgrade for one in rules} == set(Downgrade)
        assert {one.upgrade for one in rules} == set(Upgrade)


SLUG = "1 to 64 letters, digits, '_', '.', ':' or '-'"


class TestProblems:
    @pytest.mark.parametrize(
        "text,expected",
        [
            (
                TIERS.replace('"spend"', '"visits"') + TWO,
                f'tiers.metric: must be {METRIC}, got "visits"',
            ),
            (TIERS.replace('"spend"', "5") + TWO, f"tiers.metric: must be {METRIC}, got 5"),
            (TIERS.replace('metric = "spend"', "") + TWO, f"tiers.metric: is missing; must be {METRIC}"),
            (
                TIERS.replace('"spend"', "{}") + COUNTED,
                "tiers.metric: must say one of orders, points, referrals, spend",
            ),
            (
                TIERS.replace('"spend"', "{ visits = 1, orders = 1 }") + COUNTED,
                "tiers.metric.visits: is not known to this version, which knows orders, points, referrals, spend, got 1",
            ),
            (
                TIERS.replace('"spend"', '{ spend = "1" }') + COUNTED,
                f'tiers.metric.spend: must be {STEP}, got "1"',
            ),
            (
                TIERS.replace('"spend"', '{ orders = "0" }') + COUNTED,
                'tiers.metric.orders: must be above 0, got "0"',
            ),
            (
                TIERS.replace('"spend"', "{ orders = 0 }") + COUNTED,
                "tiers.metric.orders: it must be a whole number in [1, 9223372036854775807], got 0",
            ),
            (
                TIERS.replace('"spend"', "{ orders = 0.5 }") + COUNTED,
                'tiers.metric.orders: must be a number above 0, such as 50 or "0.5", got 0.5',
            ),
            (TIERS + 'account = "status"\n' + TWO, 'tiers.account: goes with metric = "points", got "status"'),
            (
                TIERS.replace('"spend"', "{ orders = 5 }") + 'account = "status"\n' + COUNTED,
                'tiers.account: goes with metric = "points", got "status"',
            ),
            (TIERS.replace("12 months", "12 moons") + TWO, f'tiers.window: must be {TIER_WINDOW}, got "12 moons"'),
            (
                TIERS.replace("12 months", "membership year from 1 April") + TWO,
                'tiers.window: must be a calendar year where it begins on a day of its own, got "membership year from 1 April"',
            ),
            (
                TIERS + 'grace = "12 months, end of month"\n' + TWO,
                'tiers.grace: must be "N days|weeks|months|years", got "12 months, end of month"',
            ),
            (
                TIERS.replace("one step", "two steps") + TWO,
                'tiers.downgrade: must be "one step" or "reassess" or "never" in this version, got "two steps"',
            ),
            (
                TIERS + 'upgrade = "later"\n' + TWO,
                'tiers.upgrade: must be "at once" or "next period" in this version, got "later"',
            ),
            (
                TIERS.replace("spend", "orders") + TWO,
                f'tiers.rung[2].from: must be {WHOLE}, got "300.00"',
            ),
            (
                TIERS.replace("spend", "orders") + TWO.replace('"300.00"', "-1"),
                "tiers.rung[2].from: it must be a whole number in [0, 9223372036854775807], got -1",
            ),
            (
                TIERS.replace("spend", "orders") + TWO.replace('"300.00"', "1.5"),
                f"tiers.rung[2].from: must be {WHOLE}, got 1.5",
            ),
            (
                TIERS.replace("spend", "points") + "account = 5\n" + COUNTED,
                "tiers.account: must be letters, digits and dashes, got 5",
            ),
            (TIERS + TWO.replace("gold", "a b"), f'tiers.rung[2].id: id must be {SLUG}, got "a b"'),
            (
                TIERS + TWO.replace("gold", "a b") + "[[tiers.before]]\nuntil = 2027-01-01\nrungs = { gold = '1' }",
                f'tiers.rung[2].id: id must be {SLUG}, got "a b"',
            ),
            (
                TIERS + TWO + "earn_multiplier = 2",
                'tiers.rung[2].earn_multiplier: must be how many times points are earned, such as "1.5", got 2',
            ),
            (TIERS.replace('"12 months"', "12") + TWO, f"tiers.window: must be {TIER_WINDOW}, got 12"),
            (TIERS + COUNTED, 'tiers.rung[1].from: must be an amount such as "300.00", got 0'),
            (
                TIERS.replace("spend", "orders") + COUNTED.replace('"3"', "0"),
                "tiers.rung[2].from: must differ from that of 'bronze', got 0",
            ),
            (TIERS + TWO + "perks = 5", 'tiers.rung[2].perks: must be a list of names such as ["early-access"], got 5'),
            (
                TIERS + TWO + 'perks = ["a b"]',
                f"tiers.rung[2].perks: perk must be {SLUG}, got a list",
            ),
            (TIERS + TWO + 'valid_for = "30 days"', 'tiers.rung[2].valid_for: goes with entry_gift, got "30 days"'),
            (
                TIERS + TWO + 'entry_gift = { pay_out = "0" }',
                'tiers.rung[2].entry_gift.pay_out: must be above 0, got "0"',
            ),
            (
                TIERS + TWO + 'entry_gift = { next_coupon = "sorry" }',
                'tiers.rung[2].entry_gift.next_coupon: goes with a table [[campaigns]] without codes, got "sorry"',
            ),
            (TIERS + TWO + 'expires = "soon"', f'tiers.rung[2].expires: must be {EXPIRES}, got "soon"'),
            (
                TIERS + TWO + "[[tiers.before]]\nrungs = { gold = '1' }",
                "tiers.before[1].until: is missing; must be a date such as 2027-01-01",
            ),
            (
                TIERS + TWO + "[[tiers.before]]\nuntil = 0001-01-01\nrungs = { gold = '1' }",
                "tiers.before[1].until: must be a date that calendars reach, got 0001-01-01",
            ),
            (
                TIERS + TWO + "[[tiers.before]]\nuntil = 2027-01-01",
                'tiers.before[1].rungs: must name at least one tier, such as { silver = "250.00" }',
            ),
            (
                TIERS + TWO + "[[tiers.before]]\nuntil = 2027-01-01\nrungs = 5",
                "tiers.before[1].rungs: must be a table, got 5",
            ),
            (
                TIERS + TWO + '[[tiers.before]]\nuntil = 2027-01-01\nrungs = { silver = "1" }',
                'tiers.before[1].rungs.silver: must be of the tiers bronze, gold, got "1"',
            ),
            (
                TIERS + TWO + '[[tiers.before]]\nuntil = 2027-01-01\nrungs = { bronze = "1", gold = "1.00" }',
                "tiers.before[1].rungs.gold: must differ from that of 'bronze', got \"1.00\"",
            ),
            (
                TIERS + TWO + "[[tiers.before]]\nuntil = 2027-01-01\nrungs = { gold = 1 }",
                'tiers.before[1].rungs.gold: must be an amount such as "300.00", got 1',
            ),
        ],
    )
    def test_each_mistake_has_its_message(self, text: str, expected: str) -> None:
        """Where it is, what is allowed, and what was found."""
        assert problems(text) == [expected]

    def test_what_a_rule_refuses_is_told_at_its_key(self) -> None:
        """What only the whole can know: an upgrade that waits for a window, and tiers that changed places."""
        (upgrade,) = problems(TIERS + 'upgrade = "next period"\n' + TWO)
        assert upgrade.startswith("tiers.upgrade: ")
        (order,) = problems(TIERS + TWO + '[[tiers.before]]\nuntil = 2027-01-01\nrungs = { gold = "1", bronze = "2" }')
        assert order.startswith("tiers.before: ")

    def test_a_wrong_metric_hides_nothing_and_adds_nothing(self) -> None:
        """Where tiers begin cannot be judged without it; names and what tiers give can."""
        text = TIERS.replace("spend", "visits") + TWO + "perks = 5\n"
        text += "[[tiers.before]]\nuntil = 2027-01-01\nrungs = { gold = 5, silver = true }"
        assert [message.partition(":")[0] for message in problems(text)] == ["tiers.metric", "tiers.rung[2].perks"]
