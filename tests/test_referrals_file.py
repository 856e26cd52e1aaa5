"""The table of referrals in a program file: every key, and what is said of every mistake."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from loyaltycore import Money, Program, ProgramError
from loyaltycore._offers_file import SINGLES
from loyaltycore._payouts import PayOut
from loyaltycore._phrases import TERM
from loyaltycore._program_file import read_program
from loyaltycore.benefits import AmountOff, BonusPoints, FreeShipping, Per, PercentOff, Several
from loyaltycore.conditions import first_order, spend_at_least
from loyaltycore.ladders import Ladder
from loyaltycore.periods import Period, Term, Through
from loyaltycore.referrals import After, ReferralProgram, Restart
from tests.test_offers_file import unsaid

PROGRAM = '[program]\nname = "velo"\nversion = 1\ncurrency = "EUR"\nzone = "Europe/Paris"\nstarts_on = 2026-07-01\n'
POINTS = (
    '[points]\nearn = "1 per 1.00"\nbasis = "paid"\npending = "30 days"\n'
    'expires = "12 months, end of month"\noverdraft = "carry"\n'
)
STACKING = '[stacking]\nmode = "best"\n'
HEAD = PROGRAM + POINTS + STACKING
CODES, QUALIFIES, ADVOCATE = (
    'codes = "VELO-####-####"\n',
    "qualifies = { first_order = true }\n",
    "advocate = { 1 = { points = 500 } }\n",
)
LEAST = "[referrals]\n" + CODES + QUALIFIES + ADVOCATE
YEAR, MONTH = Term(Period(months=12), through_end_of=Through.MONTH), Term(Period(days=30))
PLAIN: dict[str, Any] = {
    "codes": "VELO-####-####",
    "qualifies": first_order(),
    "advocate": Ladder.of({1: BonusPoints(500, expires=YEAR)}),
}


def euros(amount: str) -> Money:
    """Write an amount short."""
    return Money.of(amount, "EUR")


def referrals(text: str, head: str = HEAD) -> ReferralProgram:
    """Read the referral program."""
    found = read_program(head + text)["referrals"]
    assert found is not None
    return found


def problems(text: str, head: str = HEAD) -> list[str]:
    """Give the messages of a file that must be wrong."""
    with pytest.raises(ProgramError) as error:
        Program.parse(head + text)
    return [str(problem) for problem in error.value.problems]


KEYS: list[tuple[str, str, dict[str, Any]]] = [
    ("", "referrals", {}),
    ('id = "friends"', "friends", {}),
    ('after = "30 days"', "referrals", {"after": MONTH}),
    ('after = "1 month, end of month"', "referrals", {"after": Term(Period(months=1), through_end_of=Through.MONTH)}),
    ('after = "at once"', "referrals", {"after": After.AT_ONCE}),
    ('after = "return window"', "referrals", {"after": After.RETURN_WINDOW}),
    ('friend = { amount_off = "10.00", per = "basket" }', "referrals", {"friend": AmountOff(euros("10.00"), per=Per.BASKET)}),
    (
        'friend = { free_shipping = true }\nfriend_valid_for = "30 days"',
        "referrals",
        {"friend": FreeShipping(), "friend_valid_for": MONTH},
    ),
    ("friend = { points = 100 }", "referrals", {"friend": BonusPoints(100, expires=YEAR, pending=MONTH)}),
    (
        'friend = [{ percent_off = "10" }, { bonus_points = 100 }]',
        "referrals",
        {"friend": Several([PercentOff("10"), BonusPoints(100, expires=YEAR, pending=MONTH)])},
    ),
    (
        'advocate_at = { 10 = { pay_out = "50.00" } }',
        "referrals",
        {"advocate_at": Ladder.of({10: PayOut(euros("50.00"))})},
    ),
    ('restarts = "month"', "referrals", {"restarts": Restart.MONTH}),
    ('restarts = "year"', "referrals", {"restarts": Restart.YEAR}),
    ('restarts = "never"', "referrals", {"restarts": Restart.NEVER}),
    ("limit_per_month = 5", "referrals", {"limit_per_month": 5}),
    ("limit_per_year = 20", "referrals", {"limit_per_year": 20}),
    ("limit_in_all = 100", "referrals", {"limit_in_all": 100}),
    ("joins_per_day = 10", "referrals", {"joins_per_day": 10}),
    ('valid_for = "48 hours"', "referrals", {"valid_for": timedelta(hours=48)}),
]

LADDERS: list[tuple[str, dict[int, Any]]] = [
    (
        '{ 1 = { points = 500 }, 3 = { amount_off = "15.00", per = "basket" } }',
        {1: BonusPoints(500, expires=YEAR), 3: AmountOff(euros("15.00"), per=Per.BASKET)},
    ),
    ('{ 5 = { pay_out = "5.00" } }', {5: PayOut(euros("5.00"))}),
    (
        '{ 2 = [{ points = 100 }, { percent_off = "10" }] }',
        {2: Several([BonusPoints(100, expires=YEAR), PercentOff("10")])},
    ),
]


class TestReferrals:
    @pytest.mark.parametrize("text,program_id,fields", KEYS)
    def test_keys(self, text: str, program_id: str, fields: dict[str, Any]) -> None:
        """Every key."""
        assert referrals(LEAST + text) == ReferralProgram(program_id, **{**PLAIN, **fields})
        assert Program.parse(HEAD + LEAST + text).referrals == ReferralProgram(program_id, **{**PLAIN, **fields})

    @pytest.mark.parametrize("text,rungs", LADDERS)
    def test_advocate(self, text: str, rungs: dict[int, Any]) -> None:
        """What the advocate gets, by the number of friends."""
        found = referrals(LEAST.replace(ADVOCATE, f"advocate = {text}\n"))
        assert found == ReferralProgram("referrals", **{**PLAIN, "advocate": Ladder.of(rungs)})

    def test_codes_that_are_a_secret(self) -> None:
        """They are of a space in the shop's code book, which is named as that of a campaign is."""
        assert referrals(LEAST + "secret_codes = true").codes == "velo/VE10########"

    def test_what_qualifies(self) -> None:
        """Any condition of an offer."""
        text = LEAST.replace("first_order = true", 'first_order = true, spend_at_least = "40.00"')
        assert referrals(text).qualifies == spend_at_least(euros("40.00")) & first_order()

    def test_none(self) -> None:
        """Left out, nobody brings friends."""
        assert read_program(HEAD)["referrals"] is None

    def test_every_setting_can_be_said(self) -> None:
        """No field is left to Python alone, but a shop's own guards, which are Python."""
        found = [ReferralProgram(name, **{**PLAIN, **fields}) for _, name, fields in KEYS]
        assert unsaid(found) == {"ReferralProgram.guards"}
        assert {one.restarts for one in found} == set(Restart)
        assert {one.after for one in found} >= set(After)


class TestProblems:
    @pytest.mark.parametrize(
        "text,expected",
        [
            (LEAST.replace(CODES, ""), 'codes: is missing; must be a pattern such as "VELO-####-####"'),
            (LEAST.replace(QUALIFIES, ""), "qualifies: is missing; must be a table such as { first_order = true }"),
            (LEAST.replace(ADVOCATE, ""), "advocate: is missing; must be a table such as { 1 = { points = 500 } }"),
            (LEAST.replace(ADVOCATE, "advocate = 5\n"), "advocate: must be a table, got 5"),
            (LEAST.replace("1 =", "0 ="), "advocate.0: must be a whole number of at least 1, such as 3"),
            (LEAST.replace("1 =", "first ="), "advocate.first: must be a whole number of at least 1, such as 3"),
            (LEAST + "advocate_at = { 5 = 5 }", "advocate_at.5: must be a table, got 5"),
            (LEAST + 'after = "soon"', f'after: must be "return window", "at once", or {TERM}, got "soon"'),
            (LEAST + 'after = "101 years"', 'after: must be at most 100 years, got "101 years"'),
            (LEAST + 'restarts = "week"', 'restarts: must be "never" or "month" or "year" in this version, got "week"'),
            (LEAST + "limit_per_year = 0", "limit_per_year: it must be a whole number in [1, 9223372036854775807], got 0"),
            (
                LEAST + 'friend = { pay_out = "5.00" }',
                (f'friend: must say one of {", ".join(SINGLES)}, points, spend_ladder, quantity_ladder, got "pay_out"'),
            ),
            (LEAST + "secret_codes = false", "secret_codes: must be true, or be left out, got false"),
            (
                LEAST.replace("first_order = true", 'tiers = ["gold"]'),
                "qualifies.tiers: goes with a table [tiers], got a list",
            ),
            (
                LEAST + "colour = 5",
                (
                    "colour: is not known to this version, which knows advocate, advocate_at, after, codes, friend, "
                    "friend_valid_for, id, joins_per_day, limit_in_all, limit_per_month, limit_per_year, qualifies, restarts, "
                    "secret_codes, valid_for, got 5"
                ),
            ),
        ],
    )
    def test_each_mistake_has_its_message(self, text: str, expected: str) -> None:
        """Where it is, what is allowed, and what was found."""
        assert problems(text) == [f"referrals.{expected}"]

    @pytest.mark.parametrize(
        "text,key",
        [
            (LEAST.replace("VELO-####-####", "VELO"), "codes"),
            (LEAST.replace("VELO-####-####", "VELO-####"), "codes"),
            (LEAST.replace("VELO-####-####", "velo/VE10########"), "codes"),
            (LEAST.replace("VELO-####-####", "VELO") + "secret_codes = true", "codes"),
            (LEAST + 'friend_valid_for = "30 days"', "friend_valid_for"),
            (LEAST + f'id = "{"f" * 41}"', "id"),
        ],
    )
    def test_what_the_whole_refuses_is_told_at_its_key(self, text: str, key: str) -> None:
        """A pattern without room, a time without what it is for, a name that is too long."""
        (message,) = problems(text)
        assert message.startswith(f"referrals.{key}: ")

    def test_no_table(self) -> None:
        """Is said first."""
        assert problems("", "referrals = 5\n" + HEAD)[0] == "referrals: must be a table, got 5"

    def test_how_coupons_meet_offers_must_be_said(self) -> None:
        """Where a friend or an advocate gets one."""
        text = LEAST + 'friend = { percent_off = "10" }'
        assert problems(text, PROGRAM + POINTS) == [
            "stacking.mode: is missing; where rewards are coupons, how they meet offers must be said"
        ]
