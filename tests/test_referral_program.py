"""What a referral program says, what it makes of it, and who may join."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._referral_program import OwnGuard
from loyaltycore.benefits import AmountOff, BonusPoints, Gift, NextCoupon, Per, PercentOff
from loyaltycore.conditions import coupon_held, first_order, spend_at_least
from loyaltycore.coupons import CodeSpace, CouponCampaign, FreedBy, SecretKey
from loyaltycore.errors import Accepted, Reason, Refusal, Refused, UsageError
from loyaltycore.ladders import Ladder
from loyaltycore.memberships import FriendRewarded, Membership, OrderCounted, RewardedFriend
from loyaltycore.periods import Calendar, Period
from loyaltycore.quantities import Money
from loyaltycore.referrals import (
    After,
    PayOut,
    Referral,
    ReferralCase,
    ReferralGuard,
    ReferralProgram,
    Restart,
    check,
    referral_codes,
)
from loyaltycore.wire import digest, plain

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
PARIS = Calendar("Europe/Paris")
TEN = AmountOff(Money.of("10.00", "EUR"), per=Per.BASKET)
FORTY = first_order() & spend_at_least(Money.of("40.00", "EUR"))
POINTS = BonusPoints(500, expires=None)
SECRET = CodeSpace(SecretKey("2026f", bytes(range(32))), pattern="VELO-####-####", context="velo", tag=4, weak=True)


def named(program_id: str) -> ReferralProgram:
    """Give a referral program of a name."""
    return ReferralProgram(program_id, codes="#####", qualifies=FORTY, friend=TEN, advocate=Ladder.of({100: TEN}))


def program(**changes: object) -> ReferralProgram:
    """Give a referral program."""
    settled: dict[str, object] = {
        "codes": "VELO-####-####",
        "qualifies": FORTY,
        "friend": TEN,
        "advocate": Ladder.of({1: POINTS, 3: TEN}),
    }
    return ReferralProgram("friends", **{**settled, **changes})  # type: ignore[arg-type]


@attrs.frozen
class Says:
    """A shop's own guard, which answers always the same."""

    guard_id: str = "never-1"
    answer: object = Refusal(Reason.REFERRAL_GUARDED, {"list": "staff"})

    def check(self, case: ReferralCase) -> Refusal | None:
        """Answer."""
        assert case.friend.member_id == "f-1"
        return self.answer  # type: ignore[return-value]


class TestProgram:
    @pytest.mark.parametrize(
        "make,match",
        [
            (
                lambda: named("no id"),
                r"^program_id must",
            ),
            (
                lambda: named("x" * 41),
                r"at most 40 char",
            ),
            (lambda: program(codes="VELO"), r"^the number of '#' in pattern must"),
            (lambda: program(codes=7), r"^codes must be of type str"),
            (lambda: program(codes="\0/"), r"^codes must be text"),
            (lambda: program(qualifies="first order"), r"^a condition must"),
            (lambda: program(qualifies=coupon_held("friends-friend")), r"must not ask for a coupon itself"),
            (lambda: program(friend=500), r"^a benefit must"),
            (lambda: program(friend=PayOut(Money.of("5.00", "EUR"))), r"^a benefit must"),
            (lambda: program(advocate={1: POINTS}), r"^advocate must be of type Ladder"),
            (lambda: program(advocate=Ladder.of({0: POINTS})), r"^advocate must begin with the first friend, or later, got 0$"),
            (lambda: program(advocate=Ladder.of({1: 500})), r"^a benefit must"),
            (lambda: program(advocate_at=Ladder.of({-1: POINTS})), r"^advocate_at must begin with the first friend"),
            (lambda: program(advocate_at={2: POINTS}), r"^advocate_at must be of type Ladder"),
            (lambda: program(after=timedelta(days=30)), r"^after must be a Period, a Term or an After"),
            (lambda: program(after="at once"), r"^after must be"),
            (lambda: program(restarts="year"), r"^restarts must be one of"),
            (lambda: program(limit_per_month=0), r"^limit_per_month must"),
            (lambda: program(limit_per_year=0), r"^limit_per_year must"),
            (lambda: program(limit_in_all=True), r"^limit_in_all must"),
            (lambda: program(joins_per_day=-1), r"^joins_per_day must"),
            (lambda: program(guards=[object()]), r"^a shop's own guard must have guard_id and check\(\)"),
            (lambda: program(guards=[Says("no id")]), r"^guard_id must"),
            (lambda: program(guards=[Says(), Says()]), r"^guards must have names of their own"),
            (lambda: program(guards=[Says(f"g-{n}") for n in range(101)]), r"^guards must be at most 100"),
            (lambda: program(friend=None, friend_valid_for=Period(days=3)), r"^friend_valid_for goes with a friend's benefit"),
            (lambda: program(friend_valid_for=30), r"^friend_valid_for must be a Period, a Term or a timedelta, got 30$"),
            (lambda: program(valid_for=30), r"^valid_for must be a Period, a Term or a timedelta, got 30$"),
            (lambda: program(advocate=Ladder.of({1: POINTS}), valid_for="30 days"), r"^valid_for must be"),
            (lambda: program(valid_for=timedelta(0)), r"^valid_for must be above 0"),
        ],
    )
    def test_what_is_wrong_is_said_at_once(self, make: Callable[[], object], match: str) -> None:
        """By the name of the field."""
        with pytest.raises(UsageError, match=match):
            make()

    def test_unless_said_otherwise(self) -> None:
        """The reward waits for the return window, counts for ever, and has no end."""
        found = program()
        assert (found.after, found.restarts) == (After.RETURN_WINDOW, Restart.NEVER)
        assert found.limit_per_month is found.limit_per_year is found.limit_in_all is found.joins_per_day is None

    def test_the_name_of_a_program_may_be_long(self) -> None:
        """Up to 40 characters: names of campaigns are made of it."""
        found = named("x" * 40)
        assert [campaign.campaign_id for campaign in found.campaigns] == [f"{'x' * 40}-friend", f"{'x' * 40}-100"]

    def test_codes_by_a_pattern(self) -> None:
        """Codes that everybody may know, of the shop and the program."""
        assert (program().pattern, program().space_id) == ("VELO-####-####", None)
        codes = referral_codes(program(), context="velo")
        assert codes is not None
        assert (codes.pattern, codes.purpose) == ("VELO-####-####", "velo/friends")

    def test_codes_of_the_shops_book(self) -> None:
        """Of the space the name alone is kept: no key stands in a program."""
        for codes in (SECRET, SECRET.space_id):
            assert (program(codes=codes).space_id, program(codes=codes).pattern) == (SECRET.space_id, None)
            assert referral_codes(program(codes=codes), context="velo") is None

    def test_the_friends_coupon(self) -> None:
        """It applies by itself to the order that qualifies, and comes back with it."""
        campaign = program(friend_valid_for=Period(days=90)).friend_campaign
        assert isinstance(campaign, CouponCampaign)
        assert (campaign.campaign_id, campaign.give, campaign.when, campaign.codes) == ("friends-friend", TEN, FORTY, None)
        assert (campaign.automatic, campaign.valid_for, campaign.limits.freed_by) == (True, Period(days=90), FreedBy.RETURNED)

    def test_a_friend_may_get_nothing(self) -> None:
        """Then there is no coupon."""
        assert program(friend=None).friend_campaign is None
        assert [campaign.campaign_id for campaign in program(friend=None).campaigns] == ["friends-3"]

    def test_campaigns(self) -> None:
        """Of what applies to a basket alone, valid as long as said."""
        exact: Ladder[object] = Ladder.of({2: PercentOff("10"), 5: NextCoupon("sorry"), 7: PayOut(Money.of("5.00", "EUR"))})
        found = program(advocate_at=exact, valid_for=Period(months=1)).campaigns
        assert [campaign.campaign_id for campaign in found] == ["friends-friend", "friends-3", "friends-at-2"]
        assert [campaign.valid_for for campaign in found] == [None, Period(months=1), Period(months=1)]

    @pytest.mark.parametrize(
        "number,names",
        [(1, []), (2, ["friends-2"]), (3, ["friends-2", "friends-at-3"]), (4, ["friends-4"]), (5, ["friends-4"])],
    )
    def test_rungs(self, number: int, names: list[str]) -> None:
        """From the nth on, and exactly at the nth."""
        found = program(advocate=Ladder.of({2: POINTS, 4: TEN}), advocate_at=Ladder.of({3: Gift("bell")})).rungs(number)
        assert [source for source, _ in found] == names

    def test_rungs_are_numbered_from_one(self) -> None:
        """There is no friend before the first."""
        with pytest.raises(UsageError, match=r"^number must be"):
            program().rungs(0)

    def test_sources(self) -> None:
        """Everything that can be given."""
        found = program(advocate_at=Ladder.of({3: Gift("bell")})).sources()
        assert found == (("friends-1", POINTS), ("friends-3", TEN), ("friends-at-3", Gift("bell")))
        assert program().sources() == (("friends-1", POINTS), ("friends-3", TEN))

    def test_what_qualifies_as_an_offer(self) -> None:
        """That stands in no book."""
        assert program().qualifier.when == FORTY
        assert program().qualifier.offer_id == "friends"

    def test_digest(self) -> None:
        """It changes with what is said; of a shop's own guard it sees the id."""
        first = digest(plain(program(guards=[Says()])), purpose="t")
        assert first == digest(plain(program(guards=[Says(answer=None)])), purpose="t")
        others: list[dict[str, object]] = [
            {"limit_per_year": 20},
            {"guards": [Says("never-2")]},
            {"codes": SECRET},
            {"restarts": Restart.YEAR},
        ]
        assert len({first, *(digest(plain(program(**{"guards": (Says(),), **one})), purpose="t") for one in others)}) == 5

    def test_guards_are_kept(self) -> None:
        """Also where a program is made out of another."""
        found = attrs.evolve(program(guards=[Says()]), limit_per_year=3)
        assert [guard.guard for guard in found.guards] == [Says()]
        assert isinstance(Says(), ReferralGuard)
        assert found.guards == (OwnGuard(Says(answer=None)),)


class TestRestart:
    @pytest.mark.parametrize("restart,period", [(Restart.NEVER, ""), (Restart.MONTH, "2026-07"), (Restart.YEAR, "2026")])
    def test_period(self, restart: Restart, period: str) -> None:
        """The span that counts together."""
        assert restart.period(date(2026, 7, 31)) == period


class TestFull:
    @staticmethod
    def friend(day: date, number: int = 1, program_id: str = "friends") -> RewardedFriend:
        """Give a friend who stands."""
        return RewardedFriend(program_id=program_id, day=day, number=number)

    @pytest.mark.parametrize(
        "limits,day,expected",
        [
            ({}, date(2026, 7, 9), None),
            ({"limit_per_month": 2}, date(2026, 7, 9), ("per month", 2)),
            ({"limit_per_month": 2}, date(2026, 8, 1), None),
            ({"limit_per_month": 2}, date(2027, 7, 9), None),
            ({"limit_per_month": 3}, date(2026, 7, 9), None),
            ({"limit_per_year": 3}, date(2026, 8, 1), ("per year", 3)),
            ({"limit_per_year": 3}, date(2027, 7, 9), None),
            ({"limit_in_all": 4}, date(2028, 1, 1), ("in all", 4)),
            ({"limit_in_all": 4}, None, ("in all", 4)),
            ({"limit_in_all": 5}, None, None),
            ({"limit_per_month": 1, "limit_per_year": 1}, None, None),
            ({"limit_per_month": 2, "limit_per_year": 3, "limit_in_all": 4}, date(2026, 7, 9), ("per month", 2)),
        ],
    )
    def test_each_limit(self, limits: dict[str, int], day: date | None, expected: tuple[str, int] | None) -> None:
        """By the calendar month, the calendar year, and ever; the shortest is told."""
        days = [date(2026, 7, 1), date(2026, 7, 31), date(2026, 1, 1), date(2025, 12, 31)]
        stands = [*map(self.friend, days), self.friend(date(2026, 7, 2), 0), self.friend(date(2026, 7, 2), 1, "other")]
        refusal = program(**limits).full(stands, day)
        told = None if refusal is None else (refusal.details["period"], refusal.details["limit"])
        assert told == expected
        assert refusal is None or refusal.reason is Reason.REFERRAL_LIMIT_REACHED


def case(**changes: object) -> ReferralCase:
    """Give a case in which nothing is wrong."""
    settled: dict[str, object] = {
        "program": program(),
        "friend": Membership.open("f-1"),
        "referral": Referral.open("f-1"),
        "code": "VE10",
        "advocate_id": "ann",
        "advocate": Membership.open("ann"),
        "advocate_referral": Referral.open("ann"),
        "calendar": PARIS,
        "at": NOW,
    }
    return ReferralCase(**{**settled, **changes})  # type: ignore[arg-type]


def customer(member_id: str = "f-1") -> Membership:
    """Give a member with an order."""
    return Membership.open(member_id).folded([OrderCounted(order_id="1001", day=date(2026, 6, 1), at=NOW)])


def brought(friend_id: str, advocate_id: str) -> Referral:
    """Give a friend whom somebody brought."""
    return Referral.open(friend_id).join("friends", advocate_id=advocate_id, at=NOW).state


def with_friends(*days: date) -> Membership:
    """Give an advocate who was rewarded for some friends."""
    facts = [
        FriendRewarded(friend_id=f"x-{number}", program_id="friends", day=day, number=number, at=NOW)
        for number, day in enumerate(days, start=1)
    ]
    return Membership.open("ann").folded(facts)


class TestCheck:
    def test_nothing_is_wrong(self) -> None:
        """The answer says who brought him."""
        assert check(case()) == Accepted("ann")

    @pytest.mark.parametrize(
        "changes,refusal",
        [
            (
                {"advocate_id": None, "advocate": None, "advocate_referral": None},
                Refusal(Reason.REFERRAL_CODE_UNKNOWN),
            ),
            (
                {"advocate_id": None, "advocate": None, "advocate_referral": None, "verdict": "check"},
                Refusal(Reason.REFERRAL_CODE_UNKNOWN, {"verdict": "check"}),
            ),
            ({"advocate_id": "f-1", "advocate": None, "advocate_referral": None}, Refusal(Reason.REFERRAL_SELF)),
            ({"referral": brought("f-1", "ben")}, Refusal(Reason.REFERRAL_ALREADY_REFERRED)),
            ({"referral": brought("f-1", "ann")}, Refusal(Reason.REFERRAL_ALREADY_REFERRED)),
            ({"friend": customer()}, Refusal(Reason.REFERRAL_ALREADY_CUSTOMER, {"order_count": 1})),
            ({"advocate_referral": brought("ann", "f-1")}, Refusal(Reason.REFERRAL_CIRCULAR)),
            ({"identities_known": 2}, Refusal(Reason.REFERRAL_IDENTITY_KNOWN, {"hashes": 2})),
            (
                {"program": program(joins_per_day=3), "joined_today": 3},
                Refusal(Reason.REFERRAL_VELOCITY_REACHED, {"limit": 3}),
            ),
            (
                {"program": program(limit_in_all=1), "advocate": with_friends(date(2025, 1, 1))},
                Refusal(Reason.REFERRAL_LIMIT_REACHED, {"limit": 1, "period": "in all"}),
            ),
            (
                {"program": program(guards=[Says()])},
                Refusal(Reason.REFERRAL_GUARDED, {"list": "staff", "guard_id": "never-1"}),
            ),
            (
                {"program": program(guards=[Says(answer=Refusal(Reason.TIER_MISMATCH, {"tier": "gold"}))])},
                Refusal(Reason.REFERRAL_GUARDED, {"tier": "gold", "guard_id": "never-1", "reason": "tier_mismatch"}),
            ),
        ],
    )
    def test_each_refusal(self, changes: dict[str, object], refusal: Refusal) -> None:
        """With what a log needs; the public answer is one."""
        assert check(case(**changes)) == Refused([refusal])
        assert refusal.reason.public == "referral_invalid"

    @pytest.mark.parametrize(
        "changes",
        [
            {"program": program(joins_per_day=3), "joined_today": 2},
            {"joined_today": 10_000},
            {"program": program(limit_per_year=1), "advocate": with_friends(NOW.date())},
            {"program": program(limit_in_all=2), "advocate": with_friends(NOW.date())},
            {"advocate_referral": brought("ann", "ben")},
            {"advocate_referral": None},
            {"program": program(guards=[Says(answer=None)])},
            {"referral": Referral.open("f-1").refuse("friends", Refusal(Reason.REFERRAL_CODE_UNKNOWN), at=NOW).state},
            {"friend": Membership.open("f-1").join(at=NOW).state},
        ],
    )
    def test_what_is_right(self, changes: dict[str, object]) -> None:
        """One below each limit, a limit of the year, a chain of three, a member without orders, a code refused before."""
        assert check(case(**changes)) == Accepted("ann")

    @given(st.lists(st.integers(0, 7), unique=True))
    def test_all_of_them_in_their_order(self, chosen: list[int]) -> None:
        """Every refusal is told, the first first, whatever else is wrong."""
        wrong: list[tuple[str, object, Reason]] = [
            ("referral", brought("f-1", "ben"), Reason.REFERRAL_ALREADY_REFERRED),
            ("friend", customer(), Reason.REFERRAL_ALREADY_CUSTOMER),
            ("advocate_referral", brought("ann", "f-1"), Reason.REFERRAL_CIRCULAR),
            ("identities_known", 1, Reason.REFERRAL_IDENTITY_KNOWN),
            ("joins_per_day", 1, Reason.REFERRAL_VELOCITY_REACHED),
            ("limit_in_all", 1, Reason.REFERRAL_LIMIT_REACHED),
            ("guards", [Says("b-1")], Reason.REFERRAL_GUARDED),
            ("guards", [Says("b-1"), Says("a-1")], Reason.REFERRAL_GUARDED),
        ]
        said = {wrong[place][0]: wrong[place][1] for place in sorted(chosen)}
        of_program = {name: said.pop(name) for name in ("joins_per_day", "limit_in_all", "guards") if name in said}
        answer = check(case(program=program(**of_program), joined_today=5, advocate=with_friends(date(2024, 2, 29)), **said))
        told = [refusal.reason for refusal in answer.refusals]
        found = sorted({wrong[place][2] for place in chosen}, key=lambda reason: reason.precedence)
        assert list(dict.fromkeys(told)) == found
        guards = [refusal.details["guard_id"] for refusal in answer.refusals if refusal.reason is Reason.REFERRAL_GUARDED]
        assert guards == (["b-1", "a-1"] if 7 in chosen else ["b-1"] if 6 in chosen else [])

    def test_oneself_with_everything_else_wrong(self) -> None:
        """Nobody refers himself, and that is told first."""
        refused = check(case(advocate_id="f-1", advocate=None, advocate_referral=None, friend=customer(), identities_known=1))
        assert refused.refusal is not None
        assert refused.refusal.reason is Reason.REFERRAL_SELF

    def test_a_guard_that_answers_something_else(self) -> None:
        """Is a mistake of the shop's."""
        with pytest.raises(UsageError, match=r"^the answer of 'never-1' must be of type Refusal"):
            check(case(program=program(guards=[Says(answer="no")])))

    @pytest.mark.parametrize(
        "changes,match",
        [
            ({"program": None}, r"^program must be of type ReferralProgram"),
            ({"friend": Membership.open("f-2")}, r"^referral must be of the friend 'f-2', got one of 'f-1'$"),
            ({"friend": None}, r"^friend must be of type Membership"),
            ({"referral": None}, r"^referral must be of type Referral"),
            ({"advocate": Membership.open("ben")}, r"^advocate must be the member 'ann', got 'ben'$"),
            ({"advocate_referral": Referral.open("ben")}, r"^advocate_referral must be of 'ann', got one of 'ben'$"),
            ({"identities_known": -1}, r"^identities_known must"),
            ({"joined_today": -1}, r"^joined_today must"),
            ({"calendar": "Europe/Paris"}, r"^calendar must be of type Calendar"),
            ({"at": datetime(2026, 7, 1)}, r"^at must be a timezone-aware datetime"),  # noqa: DTZ001
            ({"code": None}, r"^code must be text"),
        ],
    )
    def test_a_case_that_is_none(self, changes: dict[str, object], match: str) -> None:
        """What does not belong together is refused."""
        with pytest.raises(UsageError, match=match):
            case(**changes)
        with pytest.raises(UsageError, match=r"^case must be of type ReferralCase"):
            check(None)  # type: ignore[arg-type]
