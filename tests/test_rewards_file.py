"""The tables of rewards and milestones in a program file: every key, and what is said of every mistake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from loyaltycore import Money, Program, ProgramError
from loyaltycore._offers_file import LADDERS, VALID
from loyaltycore._payouts import PayOut, PayoutAs, RewardBenefit
from loyaltycore._phrases import EXPIRES
from loyaltycore._program_file import read_program
from loyaltycore._rewards_file import KINDS
from loyaltycore.benefits import (
    AmountOff,
    BonusPoints,
    Gift,
    NextCoupon,
    Per,
    PercentOff,
    Several,
    SpendLadder,
)
from loyaltycore.offers import Times
from loyaltycore.periods import Period, Term, Through, Window
from loyaltycore.rewards import (
    BalanceReaches,
    CatalogueReward,
    Choice,
    Crossing,
    LifetimePoints,
    Milestone,
    OrderNumber,
)
from tests.test_offers_file import unsaid

PROGRAM = '[program]\nname = "velo"\nversion = 1\ncurrency = "EUR"\nzone = "Europe/Paris"\nstarts_on = 2026-07-01\n'
POINTS = (
    '[points]\nearn = "1 per 1.00"\nbasis = "paid"\npending = "30 days"\n'
    'expires = "12 months, end of month"\noverdraft = "carry"\n'
)
TIERS = (
    '[tiers]\nmetric = "spend"\nwindow = "12 months"\ndowngrade = "one step"\n'
    '[[tiers.rung]]\nid = "bronze"\nfrom = "0"\n[[tiers.rung]]\nid = "gold"\nfrom = "300.00"\n'
)
STACKING = '[stacking]\nmode = "best"\n'
SORRY = '[[campaigns]]\nid = "sorry"\ngive = { free_shipping = true }\n'
HI = '[[campaigns]]\nid = "hi"\ncodes = "HI-####-####-####"\ngive = { free_shipping = true }\n'
HEAD = PROGRAM + POINTS + TIERS + STACKING + SORRY + HI
REWARD = '[[rewards]]\nid = "mug"\nprice = 500\n'
GIVE = 'give = { gift = "mug" }\n'
MILESTONE = '[[milestones]]\nid = "tenth"\n'
TENTH = "when = { order = 10 }\n"
YEAR = Term(Period(months=12), through_end_of=Through.MONTH)
MONTH = Term(Period(days=30))


def euros(amount: str) -> Money:
    """Write an amount short."""
    return Money.of(amount, "EUR")


def reward(text: str, head: str = HEAD) -> CatalogueReward:
    """Read the one reward of a catalogue."""
    (found,) = read_program(head + REWARD + text)["rewards"]
    return found


def milestone(text: str, head: str = HEAD) -> Milestone:
    """Read the one milestone of a program."""
    (found,) = read_program(head + MILESTONE + text)["milestones"]
    return found


def problems(text: str, head: str = HEAD) -> list[str]:
    """Give the messages of a file that must be wrong."""
    with pytest.raises(ProgramError) as error:
        Program.parse(head + text)
    return [str(problem) for problem in error.value.problems]


GIVES: list[tuple[str, RewardBenefit]] = [
    ("{ points = 200 }", BonusPoints(200, expires=YEAR)),
    ("{ bonus_points = 200 }", BonusPoints(200, expires=YEAR)),
    (
        '{ points = 200, pending = "30 days", expires = "never" }',
        BonusPoints(200, expires=None, pending=MONTH),
    ),
    ('{ next_coupon = "sorry" }', NextCoupon("sorry")),
    ('{ pay_out = "5.00" }', PayOut(euros("5.00"))),
    ('{ pay_out = "5.00", as = "cash" }', PayOut(euros("5.00"))),
    ('{ pay_out = "5.00", as = "gift card" }', PayOut(euros("5.00"), PayoutAs.GIFT_CARD)),
    ('{ gift = "mug" }', Gift("mug")),
    ('{ amount_off = "5.00", per = "basket" }', AmountOff(euros("5.00"), per=Per.BASKET)),
    (
        '{ spend_ladder = [{ from = "50.00", give = { percent_off = "10" } }] }',
        SpendLadder({euros("50.00"): PercentOff("10")}),
    ),
    ("[{ points = 200 }]", BonusPoints(200, expires=YEAR)),
    (
        '[{ points = 200 }, { next_coupon = "sorry" }, { percent_off = "10" }]',
        Several([BonusPoints(200, expires=YEAR), NextCoupon("sorry"), PercentOff("10")]),
    ),
]

REWARDS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("tier_prices = { gold = 400, bronze = 0 }", {"tier_prices": {"gold": 400, "bronze": 0}}),
    ('tiers = ["gold"]', {"tiers": ["gold"]}),
    ("stock = 100", {"stock": 100}),
    ("stock = { per_month = 10 }", {"stock": Times(per_month=10)}),
    ("per_member = 1", {"per_member": 1}),
    ("per_member = { per_year = 1, lifetime = 3 }", {"per_member": Times(per_year=1, lifetime=3)}),
    (
        "window = { from = 2026-07-01, to = 2026-08-01 }",
        {"window": Window(starts_at=datetime(2026, 6, 30, 22, tzinfo=UTC), ends_at=datetime(2026, 7, 31, 22, tzinfo=UTC))},
    ),
    ('valid_for = "30 days"', {"valid_for": MONTH}),
    ('valid_for = "24 hours"', {"valid_for": timedelta(hours=24)}),
]

CROSSINGS: list[tuple[str, Crossing]] = [
    ("balance = 1000", BalanceReaches(1000)),
    ("lifetime_points = 5000", LifetimePoints(5000)),
    ('lifetime_points = 5000, account = "status"', LifetimePoints(5000, "status")),
    ("order = 10", OrderNumber(10)),
]

MUG_OR_POINTS = Choice({"mug": Gift("mug"), "points": BonusPoints(200, expires=YEAR)}, within=Period(days=30))
MILESTONES: list[tuple[str, dict[str, Any]]] = [
    ('give = { percent_off = "10" }', {"give": PercentOff("10")}),
    ('give = { percent_off = "10" }\nvalid_for = "30 days"', {"give": PercentOff("10"), "valid_for": MONTH}),
    ('choice = { mug = { gift = "mug" }, points = { points = 200 } }\nwithin = "30 days"', {"give": MUG_OR_POINTS}),
]


class TestGives:
    @pytest.mark.parametrize("text,expected", GIVES)
    def test_what_a_reward_gives(self, text: str, expected: RewardBenefit) -> None:
        """What an offer gives, points that are there at once, and what is paid outside."""
        assert reward(f"give = {text}").give == expected
        assert Program.parse(f"{HEAD}{REWARD}give = {text}").rewards["mug"].give == expected

    def test_every_kind_can_be_said(self) -> None:
        """No way to pay outside is left unsaid; what an offer gives is tried with offers."""
        assert {"points", "pay_out"} <= set(KINDS)
        assert unsaid(give for _, give in GIVES if isinstance(give, PayOut)) == set()
        assert {give.as_ for _, give in GIVES if isinstance(give, PayOut)} == set(PayoutAs)

    def test_points_of_a_program_without_points(self) -> None:
        """Say when they end."""
        without = HEAD.replace(POINTS, "")
        assert reward('give = { points = 5, expires = "never" }', without).give == BonusPoints(5, expires=None)
        assert problems(REWARD + "give = { points = 5 }", without) == [f"rewards[1].give.expires: is missing; must be {EXPIRES}"]

    def test_campaigns_are_looked_for_only_where_they_are_known(self) -> None:
        """Campaigns without names do not make rewards wrong too."""
        wrong = HEAD.replace('id = "sorry"', "id = 5") + REWARD + 'give = { next_coupon = "sorry" }'
        assert [text.partition(":")[0] for text in problems(wrong, "")] == ["campaigns[1].id"]


class TestRewards:
    @pytest.mark.parametrize("text,fields", REWARDS)
    def test_keys(self, text: str, fields: dict[str, Any]) -> None:
        """Every key of a reward."""
        assert reward(GIVE + text) == CatalogueReward("mug", **{"give": Gift("mug"), "price": 500, **fields})

    def test_several(self) -> None:
        """In the order of the file."""
        parts = read_program(HEAD + REWARD + GIVE + REWARD.replace("mug", "cap") + GIVE)
        assert [one.reward_id for one in parts["rewards"]] == ["mug", "cap"]

    def test_every_setting_can_be_said(self) -> None:
        """No field of a reward is left to Python alone."""
        found = [CatalogueReward("mug", **{"give": Gift("mug"), "price": 500, **fields}) for _, fields in REWARDS]
        assert unsaid(found) == set()


class TestMilestones:
    @pytest.mark.parametrize("text,when", CROSSINGS)
    def test_what_is_reached(self, text: str, when: Crossing) -> None:
        """Each mark."""
        assert milestone(f"when = {{ {text} }}\n{GIVE}") == Milestone("tenth", when=when, give=Gift("mug"))

    @pytest.mark.parametrize("text,fields", MILESTONES)
    def test_what_is_given(self, text: str, fields: dict[str, Any]) -> None:
        """One thing, or a choice within a time."""
        assert milestone(TENTH + text) == Milestone("tenth", when=OrderNumber(10), **fields)
        assert Program.parse(HEAD + MILESTONE + TENTH + text).milestones["tenth"].when == OrderNumber(10)

    def test_every_setting_can_be_said(self) -> None:
        """No field of a milestone, and no mark, is left to Python alone."""
        assert {type(when) for _, when in CROSSINGS} == set(get_args(Crossing))
        assert unsaid(when for _, when in CROSSINGS) == set()
        assert unsaid(Milestone("tenth", when=OrderNumber(10), **fields) for _, fields in MILESTONES) == set()
        assert unsaid([MUG_OR_POINTS]) == set()


KNOWN = ", ".join([*KINDS, *LADDERS])


class TestProblems:
    @pytest.mark.parametrize(
        "text,expected",
        [
            ("", 'give: is missing; must be a table such as { percent_off = "10" } or { free_shipping = true }'),
            ("give = {}", f"give: must say one of {KNOWN}"),
            ("give = { pay_out = 5 }", 'give.pay_out: must be an amount such as "5.00", got 5'),
            ('give = { pay_out = "0.00" }', 'give.pay_out: must be above 0, got "0.00"'),
            (
                'give = { pay_out = "5.00", as = "cheque" }',
                'give.as: must be "cash" or "gift card" in this version, got "cheque"',
            ),
            (
                'give = { pay_out = "5.00", per = "basket" }',
                'give.per: does not go with pay_out, which goes with as, got "basket"',
            ),
            ('give = [{ pay_out = "5.00" }, { points = 5 }]', "give: must pay out alone, with nothing beside"),
            ("give = [{ points = 5 }, { points = 5 }]",
             "give: benefits must give points on top once, because an order names them after the offer, got a list"),
            (
                'give = { points = "5" }',
                'give.points: must be a whole number of at least 1, got "5"',
            ),
            (
                'give = { next_coupon = "hi" }',
                'give.next_coupon: must be of the campaigns without codes: sorry, got "hi"',
            ),
            (
                "give = { next_coupon = 5 }",
                'give.next_coupon: must be the id of a campaign such as "sorry", got 5',
            ),
            (
                GIVE + "tier_prices = { silver = 5 }",
                "tier_prices.silver: must be of the tiers bronze, gold, got 5",
            ),
            (
                GIVE + "tier_prices = { gold = -5 }",
                "tier_prices.gold: it must be a whole number in [0, 9223372036854775807], got -5",
            ),
            (GIVE + "tier_prices = 5", "tier_prices: must be a table, got 5"),
            (GIVE + 'tiers = ["silver"]', "tiers: must be of the tiers bronze, gold, got a list"),
            (GIVE + "stock = 0", "stock: it must be a whole number in [1, 9223372036854775807], got 0"),
            (GIVE + "per_member = {}", "per_member: must say one of lifetime, per_day, per_month, per_week, per_year"),
            (GIVE + 'valid_for = "soon"', f'valid_for: must be {VALID}, got "soon"'),
            (
                GIVE + "colour = 5",
                (
                    "colour: is not known to this version, which knows give, id, per_member, price, stock, tier_prices, tiers, "
                    "valid_for, window, got 5"
                ),
            ),
        ],
    )  # fmt: skip
    def test_rewards(self, text: str, expected: str) -> None:
        """Each mistake has its message."""
        assert problems(REWARD + text) == [f"rewards[1].{expected}"]

    @pytest.mark.parametrize(
        "text,expected",
        [
            (GIVE, "when: must say one of balance, lifetime_points, order"),
            ("when = 5\n" + GIVE, "when: must be a table, got 5"),
            ("when = { balance = 5, order = 5 }\n" + GIVE,
             'when: must say one of balance, lifetime_points, order, got "balance, order"'),
            ("when = { order = 0 }\n" + GIVE, "when.order: it must be a whole number in [1, 9223372036854775807], got 0"),
            ('when = { order = 5, account = "status" }\n' + GIVE,
             'when.account: does not go with order, which stands alone, got "status"'),
            (TENTH, 'give: is missing; must be a table such as { percent_off = "10" } or { free_shipping = true }'),
            (TENTH + GIVE + 'within = "30 days"', 'within: goes with choice, got "30 days"'),
            (
                TENTH + "choice = { a = { points = 1 }, b = { points = 2 } }",
                'within: is missing; must be "N days|weeks|months|years", such as "30 days"',
            ),
            (TENTH + GIVE + 'choice = { a = { points = 1 }, b = { points = 2 } }\nwithin = "30 days"',
             "give: goes without choice, got a table"),
            (TENTH + 'choice = { "a b" = { points = 1 }, b = { points = 2 } }\nwithin = "30 days"',
             "choice.a b: an option must be 1 to 64 letters, digits, '_', '.', ':' or '-', got 'a b'"),
            (TENTH + 'choice = { a = { points = 1 }, b = {} }\nwithin = "30 days"', f"choice.b: must say one of {KNOWN}"),
            (TENTH + 'choice = 5\nwithin = "30 days"', "choice: must be a table, got 5"),
        ],
    )  # fmt: skip
    def test_milestones(self, text: str, expected: str) -> None:
        """Each mistake has its message."""
        assert problems(MILESTONE + text) == [f"milestones[1].{expected}"]

    def test_of_one_thing_there_is_no_choice(self) -> None:
        """Told at the choice."""
        (message,) = problems(MILESTONE + TENTH + 'choice = { a = { points = 1 } }\nwithin = "30 days"')
        assert message.startswith("milestones[1].choice: options must be 2 to ")

    @pytest.mark.parametrize("name,one", [("rewards", REWARD + GIVE), ("milestones", MILESTONE + TENTH + GIVE)])
    def test_names_are_their_own(self, name: str, one: str) -> None:
        """Of rewards among themselves, and of milestones."""
        named = one.split('"')[1]
        assert problems(one + one) == [f'{name}[2].id: must differ from that of every other of [[{name}]], got "{named}"']

    def test_tiers_of_a_program_without(self) -> None:
        """There are none to name."""
        assert problems(REWARD + GIVE + 'tiers = ["gold"]', HEAD.replace(TIERS, "")) == [
            "rewards[1].tiers: goes with a table [tiers], got a list"
        ]

    def test_how_coupons_meet_offers_must_be_said(self) -> None:
        """Where a reward is a coupon; points and payouts meet nothing."""
        alone = PROGRAM + POINTS
        assert problems(REWARD + GIVE, alone) == [STACKING_MISSING]
        assert problems(MILESTONE + TENTH + GIVE, alone) == [STACKING_MISSING]
        assert reward("give = { points = 5 }", alone).give == BonusPoints(5, expires=YEAR)

    @pytest.mark.parametrize(
        "own",
        [
            '[[campaigns]]\nid = "reward-mug"\ngive = { free_shipping = true }\n',
            '[[offers]]\nid = "reward-mug"\ngive = { free_shipping = true }\n',
        ],
    )
    def test_names_of_the_campaigns_that_are_made(self, own: str) -> None:
        """Nothing of the shop's own can have one."""
        (message,) = problems(own + REWARD + GIVE)
        assert message.startswith("rewards: ")
        assert "'reward-mug'" in message

    def test_points_of_a_coupon_have_a_name_of_their_own(self) -> None:
        """They are given with an order, as those of an offer are: no action can be called so."""
        ladder = 'give = { spend_ladder = [{ from = "50.00", give = { bonus_points = 5 } }] }\n'
        action = "[points.actions]\nreward-mug = 5\n"
        assert reward(GIVE, HEAD.replace(TIERS, action)).give == Gift("mug")
        assert problems(REWARD + ladder, HEAD.replace(TIERS, action)) == [
            "rewards: no offer, rule or action may be called 'reward-mug': the program makes a campaign of that name"
        ]

    @pytest.mark.parametrize("name,one", [("rewards", REWARD + GIVE), ("milestones", MILESTONE + TENTH + GIVE)])
    def test_names_are_names(self, name: str, one: str) -> None:
        """As everywhere in a program."""
        named = one.split('"')[1]
        assert problems(one.replace(f'"{named}"', "5", 1)) == [f"{name}[1].id: must be letters, digits and dashes, got 5"]

    def test_names_that_are_too_long(self) -> None:
        """For the campaign that is made: told at the name."""
        (message,) = problems((REWARD + GIVE).replace('"mug"', f'"{"m" * 60}"', 1))
        assert message.startswith("rewards[1].id: the name of the campaign of a reward must be 1 to 64")
        (message,) = problems((MILESTONE + TENTH + GIVE).replace('"tenth"', f'"{"m" * 60}"', 1))
        assert message.startswith("milestones[1].id: the name of the campaign of a reward must be 1 to 64")
        (message,) = problems(TIERS.replace("gold", "g" * 64) + 'entry_gift = { percent_off = "10" }\n', HEAD.replace(TIERS, ""))
        assert message.startswith("rewards: the name of the campaign of a reward must be 1 to 64")

    def test_the_book_holds_their_offers(self) -> None:
        """Beside those of the shop's own campaigns."""
        parts = read_program(HEAD + REWARD + GIVE + MILESTONE + TENTH + "give = { points = 5 }")
        assert {offer.offer_id for offer in parts["book"].offers} == {"sorry", "hi", "reward-mug"}
        assert [campaign.campaign_id for campaign in parts["campaigns"]] == ["sorry", "hi"]


STACKING_MISSING = "stacking.mode: is missing; where rewards are coupons, how they meet offers must be said"
