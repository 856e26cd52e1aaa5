"""Who brought most friends, and what it brought: against numbers worked out by hand, and against a model."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore.errors import CurrencyMismatchError, Reason, Refusal, UsageError
from loyaltycore.periods import Window
from loyaltycore.quantities import Money
from loyaltycore.referrals import Rank, Referral, ReferralReport, leaderboard, referral_report

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
NO = Refusal(Reason.REFERRAL_SELF)


def came(friend_id: str, advocate_id: str = "ann", *, until: str = "rewarded", at: datetime = NOW) -> Referral:
    """Give a friend, as far as he came."""
    state = Referral.open(friend_id)
    if until == "refused":
        return state.refuse("friends", NO, at=at).state
    if until == "joined late":
        return state.refuse("friends", NO, at=at).state.join("friends", advocate_id=advocate_id, at=at + DAY).state
    state = state.join("friends", advocate_id=advocate_id, at=at).state
    if until in ("qualified", "rewarded", "reversing", "reversed"):
        state = state.qualify("1", due_at=at + DAY, at=at).state
    if until in ("rewarded", "reversing", "reversed"):
        state = state.reward(number=1, at=at + DAY).state
    if until in ("reversing", "reversed"):
        state = state.unqualify("1", return_id="r", at=at + 2 * DAY).state
    if until == "reversed":
        state = state.reverse(at=at + 2 * DAY).state
    return state.reject(NO, at=at).state if until == "rejected" else state


def brought(**friends: int) -> list[Referral]:
    """Give advocates who brought so many."""
    return [came(f"{name}-{nth}", name) for name, many in friends.items() for nth in range(many)]


def places(ranks: Iterable[Rank]) -> list[tuple[int, str, int]]:
    """Say who stands where."""
    return [(rank.place, rank.advocate_id, rank.friends) for rank in ranks]


class TestLeaderboard:
    def test_ties_share_a_place(self) -> None:
        """And the places after it are left out."""
        assert places(leaderboard(brought(dan=1, cem=2, ann=3, ben=2))) == [
            (1, "ann", 3),
            (2, "ben", 2),
            (2, "cem", 2),
            (4, "dan", 1),
        ]

    @pytest.mark.parametrize("limit,names", [(1, ["ann"]), (2, ["ann", "ben", "cem"]), (3, ["ann", "ben", "cem"]), (4, None)])
    def test_so_many_places(self, limit: int, names: list[str] | None) -> None:
        """Of those who share the last one all are listed."""
        found = leaderboard(brought(dan=1, cem=2, ann=3, ben=2), limit=limit)
        assert [rank.advocate_id for rank in found] == (names or ["ann", "ben", "cem", "dan"])

    def test_ten_unless_said(self) -> None:
        """As many as fit on a page."""
        assert len(leaderboard(brought(**{f"a{n:02}": n + 1 for n in range(12)}))) == 10

    @pytest.mark.parametrize("until", ["refused", "joined", "qualified", "rejected", "reversing", "reversed"])
    def test_only_rewards_that_stand(self, until: str) -> None:
        """Whoever merely joined, or came back, brings nobody a place."""
        assert leaderboard([came("f-1", until=until)]) == ()

    def test_in_a_window(self) -> None:
        """By when the reward was due; its end is outside."""
        july = Window(starts_at=NOW, ends_at=NOW + 31 * DAY)
        days = [came("f-1", at=NOW - DAY), came("f-2", at=NOW + 30 * DAY), came("f-3", at=NOW - 2 * DAY)]
        assert places(leaderboard(days, window=july)) == [(1, "ann", 1)]
        assert places(leaderboard(days)) == [(1, "ann", 3)]

    def test_nobody(self) -> None:
        """Nothing to list."""
        assert leaderboard([]) == ()

    @pytest.mark.parametrize(
        "changes,match",
        [({"limit": 0}, r"^limit must"), ({"window": "July"}, r"^window must be of type Window")],
    )
    def test_what_is_wrong(self, changes: dict[str, object], match: str) -> None:
        """Is said."""
        with pytest.raises(UsageError, match=match):
            leaderboard([], **changes)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"^each of referrals must be of type Referral"):
            leaderboard([None])  # type: ignore[list-item]

    @given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 4)), st.integers(1, 9), st.randoms(use_true_random=False))
    def test_it_is_what_counting_gives(self, friends: dict[str, int], limit: int, random: object) -> None:
        """A place is one more than how many have more; the order in which friends are told does not matter."""
        referrals = brought(**friends)
        random.shuffle(referrals)  # type: ignore[attr-defined]
        model = sorted((1 + sum(other > many for other in friends.values()), name, many) for name, many in friends.items())
        assert places(leaderboard(referrals, limit=limit)) == [rank for rank in model if rank[0] <= limit]


class TestReport:
    EVERY = ("refused", "joined", "joined late", "qualified", "rewarded", "rejected", "reversing", "reversed")

    def test_what_became_of_them(self) -> None:
        """Each is counted once, and all who joined are told."""
        referrals = [came(f"{until}-{nth}", until=until) for place, until in enumerate(self.EVERY) for nth in range(place + 1)]
        report = referral_report(referrals, members=100)
        assert report == ReferralReport(
            refused=1, joined=2 + 3 + 4 + 5 + 6 + 7 + 8, qualified=4, rewarded=5, rejected=6, reversed=7 + 8, members=100
        )

    def test_worked_numbers(self) -> None:
        """200 members, 40 friends joined, 20 rewarded for, a customer brings 90.00, and 400.00 were given.

        k is 20 ÷ 200 = 0.1. Of each friend 20.00 were given, and he brings 90.00 · 1.1 = 99.00: (99 − 20) ÷ 20 = 3.95.
        """
        referrals = [came(f"f-{nth}", until="rewarded" if nth < 20 else "joined") for nth in range(40)]
        report = referral_report(referrals, members=200, ltv=Money.of("90.00", "EUR"), reward=Money.of("400.00", "EUR"))
        assert (report.conversion, report.k, report.roi) == (Fraction(1, 2), Fraction(1, 10), Fraction(395, 100))
        assert report.texts() == {"conversion": "0.5000", "k": "0.1000", "roi": "3.9500"}

    def test_a_loss(self) -> None:
        """More was given than came back: below zero, down to all of it."""
        report = referral_report([came("f-1")], members=3, ltv=Money.of("1.00", "EUR"), reward=Money.of("2.00", "EUR"))
        assert report.roi == Fraction(-1, 3)
        assert report.texts() == {"conversion": "1.0000", "k": "0.3333", "roi": "-0.3333"}
        nothing = referral_report([], members=3, ltv=Money.of("1.00", "EUR"), reward=Money.of("2.00", "EUR"))
        assert nothing.texts()["roi"] == "-1.0000"

    def test_half_to_even(self) -> None:
        """As figures are rounded everywhere."""
        referrals = [came("f-1"), came("f-2"), came("f-3")]
        assert referral_report(referrals, members=80_000).texts()["k"] == "0.0000"
        assert referral_report([came("f-1")], members=20_000).texts()["k"] == "0.0000"
        assert referral_report(referrals, members=20_000).texts()["k"] == "0.0002"

    @pytest.mark.parametrize("members,ltv,reward", [(0, 100, 100), (5, None, 100), (5, 100, None), (5, 100, 0)])
    def test_no_roi_where_a_part_is_missing(self, members: int, ltv: int | None, reward: int | None) -> None:
        """Nothing is made up."""
        money = [None if minor is None else Money(minor, "EUR") for minor in (ltv, reward)]
        report = referral_report([came("f-1")], members=members, ltv=money[0], reward=money[1])
        assert report.roi is None
        assert report.texts()["roi"] == ""
        assert (report.k is None) is (members == 0)

    def test_nobody_joined(self) -> None:
        """There is no conversion of none."""
        report = referral_report([came("f-1", until="refused")], members=0)
        assert (report.joined, report.conversion, report.k) == (0, None, None)
        assert report.texts() == {"conversion": "", "k": "", "roi": ""}

    def test_in_a_window(self) -> None:
        """By when they joined, or were refused."""
        july = Window(starts_at=NOW, ends_at=NOW + 31 * DAY)
        referrals = [
            came("f-1", at=NOW - DAY),
            came("f-2", at=NOW),
            came("f-3", at=NOW - DAY, until="joined late"),
            came("f-4", at=NOW - DAY, until="refused"),
            came("f-5", at=NOW + 30 * DAY, until="refused"),
            Referral.open("f-6"),
        ]
        report = referral_report(referrals, members=1, window=july)
        assert (report.joined, report.rewarded, report.refused) == (2, 1, 1)
        assert referral_report(referrals, members=1).refused == 2

    @pytest.mark.parametrize(
        "changes,match",
        [
            ({"members": -1}, r"^members must"),
            ({"members": 1, "ltv": Money(-1, "EUR")}, r"^ltv must be 0 or more, got -0.01 EUR$"),
            ({"members": 1, "reward": Money(-1, "EUR")}, r"^reward must be 0 or more"),
            ({"members": 1, "ltv": 90}, r"^ltv must be of type Money"),
            ({"members": 1, "window": "July"}, r"^window must be of type Window"),
        ],
    )
    def test_what_is_wrong(self, changes: dict[str, object], match: str) -> None:
        """Is said."""
        with pytest.raises(UsageError, match=match):
            referral_report([], **changes)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"^each of referrals must be of type Referral"):
            referral_report([None], members=1)  # type: ignore[list-item]

    def test_two_currencies(self) -> None:
        """Do not add up."""
        with pytest.raises(CurrencyMismatchError):
            referral_report([], members=1, ltv=Money(1, "EUR"), reward=Money(1, "CHF"))
