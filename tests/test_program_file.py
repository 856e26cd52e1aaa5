"""Program files: every mistake at once, each with its key, what was found and what is allowed."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, Membership, Money, Program, ProgramError, Rate
from loyaltycore._earning import Action, Filter, Step
from loyaltycore._phrases import EARN, EXPIRES
from loyaltycore._program_file import Problem, ProgramParts, read_program
from loyaltycore._tiers_file import METRIC
from loyaltycore.benefits import BonusPoints, FreeShipping, PercentOff
from loyaltycore.conditions import AllOf, code_presented, first_order, is_member, spend_at_least
from loyaltycore.errors import UsageError
from loyaltycore.offers import Lane, Mode, Offer, Stacking
from loyaltycore.periods import Calendar, Period, Term, Through, Window
from loyaltycore.points import Basis, BurnRule, EarningRule, Overdraft
from loyaltycore.rewards import OrderNumber
from loyaltycore.tiers import Downgrade, Ladder, TierBenefits, TierRule
from tests.programs import VELO

HEAD = '[program]\nname = "velo"\nversion = 1\ncurrency = "EUR"\nzone = "Europe/Paris"\nstarts_on = 2026-07-01\n'
POINTS = 'earn = "1 per 1.00"\nbasis = "paid"\nexpires = "never"\noverdraft = "carry"\n'
TIERS = 'metric = "spend"\nwindow = "12 months"\ndowngrade = "one step"\n'
STACKING = '[stacking]\nmode = "best"\n'
OFFER = '[[offers]]\nid = "ten"\ngive = { percent_off = "10" }\n'
NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
YEAR = Term(Period(months=12), through_end_of=Through.MONTH)
GOLD = '[[tiers.rung]]\nid = "gold"\nfrom = "1000.00"\n'
MORE = """
[[tiers.rung]]
id = "gold"
from = "1000.00"
perks = ["early-access"]
entry_gift = { points = 200 }
[[tiers.before]]
until = 2027-01-01
rungs = { bronze = "0", silver = "250.00" }

[[rewards]]
id = "mug"
give = { gift = "mug" }
price = 500
tier_prices = { gold = 400 }
[[milestones]]
id = "tenth"
when = { order = 10 }
give = { percent_off = "10" }

[referrals]
codes = "VELO-####-####"
qualifies = { first_order = true, spend_at_least = "40.00" }
after = "30 days"
friend = { amount_off = "10.00", per = "basket" }
advocate = { 1 = { points = 500 }, 3 = { amount_off = "15.00", per = "basket" } }
limit_per_year = 20
"""
REFERRALS = (
    '[referrals]\ncodes = "VELO-####-####"\nqualifies = { first_order = true }\n'
    'advocate = { 1 = { points = 500, expires = "never" } }\n'
)


def problems(text: str) -> list[str]:
    """Give the messages of a file that must be wrong."""
    with pytest.raises(ProgramError) as error:
        read_program(text)
    return [str(problem) for problem in error.value.problems]


class TestWhole:
    def test_every_part(self) -> None:
        """The bicycle shop's file, part by part."""
        parts = read_program(VELO)
        assert (parts["name"], parts["version"], parts["currency"]) == ("velo", 3, "EUR")
        assert (parts["calendar"], parts["starts_on"]) == (Calendar("Europe/Paris"), date(2026, 7, 1))
        year = Term(Period(months=12), through_end_of=Through.MONTH)
        rule = EarningRule(
            rule_id="order",
            gives=Step(1, per_minor=100),
            basis=Basis.PAID,
            exclude=Filter(tags=["gift-card", "low-margin"]),
            pending=Term(Period(days=30)),
            expires=year,
        )
        assert parts["earning"] == (rule,)
        assert parts["actions"] == {
            "review": Action(points=50, expires=year),
            "sign_up": Action(points=100, expires=year),
        }
        assert parts["burning"] == BurnRule(
            worth_minor=Rate.times("1"), minimum=500, share=Rate.percent("50"), exclude_tags=["gift-card"]
        )
        assert parts["overdraft"] is Overdraft.CARRY
        ladder = Ladder.of({0: "bronze", 30000: "silver", 100000: "gold"})
        assert parts["tiers"] == TierRule(ladder, window=Period(months=12), downgrade=Downgrade.ONE_STEP)
        assert parts["book"].stacking == Stacking(Mode.BEST, exclude_tags=["gift-card"])
        assert {offer.offer_id: offer for offer in parts["book"].offers} == {
            "ten-from-fifty": Offer(
                "ten-from-fifty", when=spend_at_least(Money.of("50", "EUR")) & is_member(), give=PercentOff("10")
            ),
            "free-shipping": Offer(
                "free-shipping", when=spend_at_least(Money.of("100", "EUR")), give=FreeShipping(), lane=Lane.SHIPPING
            ),
            "summer": Offer(
                "summer",
                when=code_presented("SUMMER10"),
                give=PercentOff("10"),
                window=Window(starts_at=datetime(2026, 6, 30, 22, tzinfo=UTC), ends_at=datetime(2026, 8, 31, 22, tzinfo=UTC)),
            ),
        }

    def test_the_whole_of_a_shop(self) -> None:
        """Tiers that give, a catalogue, milestones and referrals, beside all that stood there before."""
        program = Program.parse(VELO.replace(GOLD, "") + MORE)
        assert program.tiers is not None
        assert program.tiers.benefits["gold"] == TierBenefits(perks=["early-access"], entry_gift=BonusPoints(200, expires=YEAR))
        assert program.tiers.before[0].ladder == Ladder.of({0: "bronze", 25000: "silver"})
        assert program.rewards["mug"].price_in("gold") == 400
        assert program.milestones["tenth"].when == OrderNumber(10)
        assert program.referrals is not None
        assert program.referrals.limit_per_year == 20
        made = {"reward-mug", "milestone-tenth", "referrals-friend", "referrals-3"}
        assert program.campaigns.keys() == made
        assert made < {offer.offer_id for offer in program.book.offers}

    @pytest.mark.shared
    def test_the_file_that_shops_wish_for(self, shared: Path) -> None:
        """It reads as it stands."""
        program = Program.parse((shared / "api" / "program.toml").read_text(encoding="utf-8"))
        assert program.tiers is not None
        assert program.tiers.benefits["gold"].perks == {"early-access", "free-returns"}
        assert program.actions["birthday"].points == 200
        assert program.referrals is not None
        assert program.referrals.advocate.at(1) == BonusPoints(500, expires=YEAR)

    def test_every_part_of_a_program(self) -> None:
        """Is read: a field of ``Program`` that no file can say would be left to Python."""
        assert set(ProgramParts.__annotations__) == {field.alias for field in attrs.fields(Program) if field.init}

    def test_least(self) -> None:
        """A head alone is a program: nothing is earned, nothing given."""
        parts = read_program(HEAD)
        assert (parts["earning"], parts["burning"], parts["tiers"], parts["restore"]) == ((), None, None, None)
        assert not parts["actions"]
        assert not parts["book"].offers
        assert Program.parse(HEAD).quote(Basket.of("EUR", {"a": "1"}), at=NOW).total == Money.of("1", "EUR")

    @pytest.mark.parametrize(
        "line,expected",
        [
            ("priority = 5", {"priority": 5}),
            ("priority = -1000000", {"priority": -1_000_000}),
            ('lane = "product"', {"lane": Lane.PRODUCT}),
            ("when = {}", {"when": AllOf(())}),
            ('lane = "basket"', {"lane": Lane.BASKET}),
            ("when = { first_order = true }", {"when": first_order()}),
            ("when = { member = true, first_order = true }", {"when": is_member() & first_order()}),
            ("window = { from = 2026-07-01 }", {"window": Window(starts_at=datetime(2026, 6, 30, 22, tzinfo=UTC), ends_at=None)}),
            ("window = { to = 2026-07-01 }", {"window": Window(starts_at=None, ends_at=datetime(2026, 6, 30, 22, tzinfo=UTC))}),
        ],
    )
    def test_keys_of_an_offer(self, line: str, expected: dict[str, Any]) -> None:
        """Every key that an offer may have."""
        (offer,) = read_program(HEAD + STACKING + OFFER + line)["book"].offers
        assert offer == Offer("ten", **{"when": AllOf(()), "give": PercentOff("10"), **expected})

    def test_own_exclusions_of_an_offer(self) -> None:
        """A percentage may leave out more tags."""
        (offer,) = read_program(HEAD + STACKING + OFFER.replace('"10"', '"10", exclude_tags = ["low"]'))["book"].offers
        assert offer.give == PercentOff("10", exclude_tags=["low"])

    @pytest.mark.parametrize(
        "line,name,expected",
        [
            ('pending = "at once"', "pending", None),
            ('pending = "2 weeks"', "pending", Term(Period(weeks=2))),
            ("", "pending", None),
            ("", "expires", None),
            ("", "exclude", Filter()),
        ],
    )
    def test_keys_of_earning(self, line: str, name: str, expected: object) -> None:
        """What may be left out has a neutral meaning; what costs money must be said."""
        (rule,) = read_program(HEAD + "[points]\n" + POINTS + line)["earning"]
        assert getattr(rule, name) == expected

    @pytest.mark.parametrize(
        "line,expected",
        [('returns = "45 days"', Term(Period(days=45))), ('returns = "always"', None), ("", Term(Period(days=30)))],
    )
    def test_return_window(self, line: str, expected: Term | None) -> None:
        """As said, or as long as points wait."""
        text = HEAD + line + "\n[points]\n" + POINTS + 'pending = "30 days"'
        assert read_program(text)["returns"] == expected

    @pytest.mark.parametrize("basis", list(Basis))
    @pytest.mark.parametrize("overdraft", list(Overdraft))
    def test_choices(self, basis: Basis, overdraft: Overdraft) -> None:
        """Each choice that the library has can be written."""
        text = POINTS.replace('"paid"', f'"{basis}"').replace('"carry"', f'"{overdraft}"')
        parts = read_program(HEAD + "[points]\n" + text)
        (rule,) = parts["earning"]
        assert (rule.basis, parts["overdraft"]) == (basis, overdraft)

    @pytest.mark.parametrize("mode", list(Mode))
    def test_modes(self, mode: Mode) -> None:
        """Each way for offers to meet can be written."""
        assert read_program(HEAD + f'[stacking]\nmode = "{mode}"')["book"].stacking == Stacking(mode)

    @pytest.mark.parametrize(
        "currency,worth,expected", [("EUR", "0.01", "1"), ("EUR", "0.001", "0.1"), ("JPY", "1", "1"), ("KWD", "0.005", "5")]
    )
    def test_worth_is_in_minor_units(self, currency: str, worth: str, expected: str) -> None:
        """Currencies of 0, 2 and 3 decimals; a point may be worth less than a minor unit."""
        text = HEAD.replace("EUR", currency) + "[points]\n" + POINTS.replace("1.00", "1") + f'worth = "{worth}"'
        assert read_program(text)["burning"] == BurnRule(worth_minor=Rate.times(expected), minimum=1, share=None)


class TestProblems:
    def test_five_planted_errors_give_five_messages(self) -> None:
        """One run says all that is wrong, each with its key, what stands there and what may."""
        text = (
            VELO.replace('"1 per 1.00"', '"one per euro"')
            .replace('basis = "paid"', 'basis = "net"')
            .replace("review = 50", "review = -5")
            .replace('from = "300.00"', "from = 300.0")
            .replace('code = "SUMMER10"', 'kode = "SUMMER10"')
        )
        assert problems(text) == [
            f'points.earn: must be {EARN}, got "one per euro"',
            'points.basis: must be "list" or "discounted" or "paid" in this version, got "net"',
            "points.actions.review: it must be a whole number in [1, 9223372036854775807], got -5",
            'tiers.rung[2].from: must be an amount such as "300.00", got 300.0',
            (
                "offers[3].when.kode: is not known to this version, which knows across, all, any, base, channels, code, "
                "contains, coupon, during, first_order, markets, member, member_tags, not, of, order_number, "
                "past_discount_at_least, payments, points_at_least, products_at_least, quantity_at_least, spend_at_least, "
                'tiers, got "SUMMER10"'
            ),
        ]

    def test_an_empty_file_says_what_is_needed(self) -> None:
        """Every key of the head."""
        assert problems("") == [
            "program.name: is missing; must be letters, digits and dashes",
            "program.version: is missing; must be a whole number of at least 1",
            'program.currency: is missing; must be an ISO 4217 code such as "EUR"',
            'program.zone: is missing; must be an IANA time zone such as "Europe/Paris"',
            "program.starts_on: is missing; must be a date such as 2026-07-01",
        ]

    def test_wrong_currency_and_zone_hide_nothing(self) -> None:
        """Amounts and dates are read all the same, so that what is wrong with them is said too."""
        text = (
            HEAD.replace("EUR", "EURO").replace("Europe/Paris", "Paris")
            + STACKING
            + OFFER
            + 'when = { spend_at_least = "5.001" }'
        )
        found = problems(text)
        assert [message.partition(":")[0] for message in found] == [
            "program.currency",
            "program.zone",
            "offers[1].when.spend_at_least",
        ]

    @pytest.mark.parametrize(
        "text,expected",
        [
            (
                HEAD + "[segments]\n",
                (
                    "segments: is not known to this version, which knows campaigns, milestones, offers, points, program, "
                    "referrals, rewards, stacking, tiers, got a table"
                ),
            ),
            (HEAD + "[campaigns]\n", "campaigns: must be an array of tables: [[campaigns]], got a table"),
            (
                HEAD + "nonsense = []\n",
                (
                    "program.nonsense: is not known to this version, which knows currency, name, returns, starts_on, version, "
                    "zone, got a list"
                ),
            ),
            ("offers = 5\n" + HEAD, "offers: must be an array of tables: [[offers]], got 5"),
            (HEAD.replace("1", "0", 1), "program.version: it must be a whole number in [1, 9223372036854775807], got 0"),
            (HEAD.replace("version = 1", "version = true"), "program.version: must be a whole number of at least 1, got true"),
            (
                HEAD.replace("2026-07-01", "2026-07-01T00:00:00"),
                "program.starts_on: must be a date such as 2026-07-01, got 2026-07-01 00:00:00",
            ),
            (HEAD.replace("2026-07-01", "0001-01-01"), "program.starts_on: must be a date that calendars reach, got 0001-01-01"),
            (HEAD + "[points]\n" + POINTS + 'worth = "0"', 'points.worth: must be above 0, got "0"'),
            (
                HEAD + "[points]\n" + POINTS + 'worth = "1"\nburn_share = "0 %"',
                'points.burn_share: a point must be worth something and share lie in (0 %, 100 %], got "0 %"',
            ),
            (
                HEAD + "[points]\n" + POINTS + "burn_minimum = 5",
                "points.worth: is missing; must be said where burn_minimum is",
            ),
            (
                HEAD + "[points]\n" + POINTS + 'worth = "1"\nburn_exclude_tags = "a"',
                'points.burn_exclude_tags: must be a list of tags such as ["gift-card"], got "a"',
            ),
            (
                HEAD + "[points]\n" + POINTS.replace("never", "soon"),
                f'points.expires: must be {EXPIRES}, got "soon"',
            ),
            (
                HEAD + "[points]\n" + POINTS.replace("carry", "share"),
                'points.overdraft: must be "carry" or "settle" or "forgive" or "reject" in this version, got "share"',
            ),
            (
                HEAD + "[points]\n" + POINTS + "[points.actions]\norder = 5",
                "points.actions.order: is the name of what orders earn; an action needs another",
            ),
            (
                HEAD + "[points]\n" + POINTS + '[points.actions]\n"a b" = 5',
                "points.actions.a b: action must be 1 to 64 letters, digits, '_', '.', ':' or '-', got 'a b'",
            ),
            (HEAD + "[tiers]\n" + TIERS, "tiers.rung: is missing; must be at least one [[tiers.rung]]"),
            (
                HEAD + "[tiers]\n" + TIERS.replace("spend", "visits") + '[[tiers.rung]]\nid = "a"\nfrom = "0"',
                f'tiers.metric: must be {METRIC}, got "visits"',
            ),
            (
                HEAD + "[tiers]\n" + TIERS + '[[tiers.rung]]\nid = "a"\nfrom = "1"\n[[tiers.rung]]\nid = "b"\nfrom = "1.00"',
                "tiers.rung[2].from: must differ from that of 'a', got \"1.00\"",
            ),
            (
                HEAD + "[tiers]\n" + TIERS + '[[tiers.rung]]\nid = "a"\nfrom = "1"\n[[tiers.rung]]\nid = "a"\nfrom = "2"',
                'tiers.rung[2].id: must differ from that of every other rung, got "a"',
            ),
            (
                HEAD + "[tiers]\n" + TIERS + '[[tiers.rung]]\nid = "a"\nfrom = "-0.01"',
                'tiers.rung[1].from: must be 0 or more, got "-0.01"',
            ),
            (
                HEAD + "[tiers]\n" + TIERS + "".join(f'[[tiers.rung]]\nid = "r{n}"\nfrom = "{n}"\n' for n in range(101)),
                "tiers.rung: must be at most 100 tables, got 101",
            ),
            (HEAD + OFFER, "stacking.mode: is missing; where there are offers, how they meet must be said"),
            (HEAD + STACKING + OFFER + OFFER, "offers: id ten belongs to two offers: ten and ten"),
            (
                HEAD + STACKING + OFFER.replace('"10"', "10"),
                'offers[1].give.percent_off: must be a percentage as text, such as "10", got 10',
            ),
            (
                HEAD + STACKING + OFFER + 'when = { code = "ab" }',
                'offers[1].when.code: a code must have at least 3 letters and digits, got "ab"',
            ),
            (
                HEAD + STACKING + OFFER + "priority = 1000001",
                "offers[1].priority: priority must be a whole number in [-1000000, 1000000], got 1000001",
            ),
            (
                HEAD + STACKING + OFFER + "window = { from = 2026-07-02, to = 2026-07-02 }",
                "offers[1].window.to: must be after 2026-07-02, got 2026-07-02",
            ),
            (
                HEAD + STACKING + OFFER + "window = { to = 0001-01-01 }",
                "offers[1].window.to: must be a date that calendars reach, got 0001-01-01",
            ),
            (
                HEAD + STACKING + OFFER + 'window = { to = "tomorrow" }',
                'offers[1].window.to: must be a date such as 2026-09-01, itself outside, got "tomorrow"',
            ),
            (
                HEAD + "[stacking]\nmode = 'some'",
                'stacking.mode: must be "all" or "priority" or "best" in this version, got "some"',
            ),
        ],
    )
    def test_each_mistake_has_its_message(self, text: str, expected: str) -> None:
        """Where it is, what is allowed, and what was found."""
        assert problems(text) == [expected]

    @pytest.mark.parametrize("after", ["", 'after = "return window"\n'])
    def test_a_reward_that_would_wait_for_ever(self, after: str) -> None:
        """Where orders can come back for ever the file says how long an advocate waits."""
        (message,) = problems(HEAD + REFERRALS + after)
        assert message.startswith("referrals.after: must be said where orders can come back for ever")
        assert read_program(HEAD + REFERRALS + 'after = "at once"')["returns"] is None
        assert read_program(HEAD + 'returns = "30 days"\n' + REFERRALS + after)["referrals"] is not None

    def test_points_that_rewards_multiply(self) -> None:
        """Not where a rule carries spend over, wherever the reward stands."""
        carries = HEAD + "[points]\n" + POINTS + "carry_over = true\n" + STACKING
        twice = 'give = { points_times = "2" }\n'
        rung = f'[tiers]\n{TIERS}[[tiers.rung]]\nid = "a"\nfrom = "0"\nentry_{twice.replace("give", "gift")}'
        for text, key in (
            ('[[rewards]]\nid = "a"\nprice = 1\n' + twice, "rewards[1].give"),
            ('[[milestones]]\nid = "a"\nwhen = { order = 1 }\n' + twice, "milestones[1].give"),
            (rung, "tiers.rung[1].entry_gift"),
            (REFERRALS + 'after = "at once"\n' + twice.replace("give", "friend"), "referrals.friend"),
        ):
            assert problems(carries + text) == [f"{key}: must not multiply points, as rule 'order' carries spend over"]

    @pytest.mark.parametrize(
        "text,expected",
        [
            ("points = 5\n" + HEAD, "points: must be a table, got 5"),
            ("offers = [true]\n" + HEAD + STACKING, "offers[1]: must be a table, got true"),
            ("program = 5\n", "program: must be a table, got 5"),
        ],
    )
    def test_what_is_no_table_is_said_first(self, text: str, expected: str) -> None:
        """Before the keys that are missing in it."""
        first, *others = problems(text)
        assert first == expected
        assert all("is missing" in other for other in others if '"carry"' not in other)

    def test_long_values_are_cut(self) -> None:
        """A message does not flood a log, however long the value; a number of any length can be told."""
        (message,) = problems(HEAD.replace("version = 1", f"version = 0x{'f' * 5000}"))
        assert message.startswith("program.version: it must be a whole number in [1, 9223372036854775807], got ")
        assert len(message) < 300
        (message,) = problems(HEAD.replace('"velo"', f'"{"é" * 5000}"'))
        assert len(message) < 300

    @pytest.mark.parametrize(
        "text", ["[", "a = ", "\ufeff" + HEAD, "a = " + "[" * 5000, "a = " + "9" * 5000, "a = 2026-02-30", 5, None, b"a = 1"]
    )
    def test_what_is_no_toml(self, text: Any) -> None:  # noqa: ANN401
        """Garbled, nested without end, numbers without end, or no text at all: one error, and it is ours."""
        (message,) = problems(text)
        assert message.startswith("file: must be TOML")

    def test_errors_are_values(self) -> None:
        """They can be compared, and travel between processes."""
        error = ProgramError(Problem("a", "1", "must be 2"), Problem("b", "", "is missing"))
        assert str(error) == "a: must be 2, got 1\nb: is missing"
        assert isinstance(error, UsageError)
        assert pickle.loads(pickle.dumps(error)).problems == error.problems


def toml(value: object) -> str:
    """Write a value as TOML; text as a JSON string is one."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{toml(str(key))} = {toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


LEAVES = (
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.dates()
    | st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=8)
    | st.sampled_from(("EUR", "Europe/Paris", "1 per 1.00", "paid", "never", "30 days", "100 years", "spend", "one step", "best"))
    | st.sampled_from(("0.01", "50 %", "carry", "50.00", "10", "SUMMER10", "shipping", "9999-12-31"))
    | st.sampled_from(("calendar year", "lifetime", "next period", "reassess", "orders", "VELO-####-####", "bronze", "year"))
)
KEYS = st.sampled_from(
    (
        *(
            "program",
            "points",
            "tiers",
            "stacking",
            "offers",
            "name",
            "version",
            "currency",
            "zone",
            "starts_on",
            "earn",
            "basis",
        ),
        *("pending", "expires", "worth", "burn_minimum", "burn_share", "overdraft", "actions", "metric", "window", "downgrade"),
        *("rung", "id", "from", "to", "mode", "exclude_tags", "when", "give", "lane", "priority", "spend_at_least", "member"),
        *("rewards", "milestones", "referrals", "codes", "qualifies", "advocate", "friend", "after", "1", "points", "pay_out"),
        *("price", "stock", "tier_prices", "choice", "within", "order", "before", "until", "rungs", "perks", "entry_gift"),
        *("upgrade", "grace", "spend", "orders", "bronze", "account", "valid_for", "balance"),
        *("code", "first_order", "percent_off", "free_shipping", "burn_exclude_tags", "earn_exclude_tags", "review", "order"),
    )
)
TABLES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25)


class TestFuzz:
    @given(st.dictionaries(KEYS, TABLES, max_size=6))
    def test_any_tables_are_a_program_or_problems(self, data: dict[str, object]) -> None:
        """Whatever stands in the tables, the answer is a program or a list of problems."""
        text = "\n".join(f"{name} = {toml(value)}" for name, value in data.items())
        try:
            Program.parse(text)
        except ProgramError as error:
            found = error.problems
        else:
            found = (Problem("", "", "nothing is wrong"),)
        assert found

    @given(st.text(max_size=60))
    def test_any_text_is_a_program_or_problems(self, text: str) -> None:
        """Whatever stands in the file."""
        with pytest.raises(ProgramError):
            Program.parse(text)

    @given(st.data())
    def test_one_changed_value_still_works_or_is_told(self, data: st.DataObject) -> None:
        """A whole file with one value replaced: every problem names its key; a program that is read can be asked for years."""
        whole = data.draw(st.sampled_from([VELO, VELO.replace(GOLD, "") + MORE]))
        lines = whole.splitlines()
        places = [place for place, line in enumerate(lines) if " = " in line and "{" not in line]
        place = data.draw(st.sampled_from(places))
        name = lines[place].partition(" = ")[0]
        lines[place] = f"{name} = {toml(data.draw(LEAVES | st.lists(LEAVES, max_size=2)))}"
        text = "\n".join(lines)
        try:
            program = Program.parse(text)
        except ProgramError:
            # A tier that is called otherwise is missing where rewards and earlier thresholds name it.
            named = whole != VELO and name == "id"
            # A percentage of the money asks for a rounding.
            keys = (name, "points.rounding") if name == "earn" else (name,)
            assert "currency" in name or named or any(key in message for message in problems(text) for key in keys)
            return
        at = program.starts_at
        basket = Basket.of(program.currency, {"helmet": 80})
        for _ in range(3):
            member = Membership.open("m").earn(5000, ref="gift", expires_at=None, at=at).state
            if at.year > 2100:
                return
            quote = program.quote(basket, member, codes=["SUMMER10"], burn=500, at=at)
            program.place(quote, member, order_id="1", at=at)
            at += timedelta(days=400)
