"""Referrals: every step of a friend's life, what cannot follow, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore.errors import CorruptStateError, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import referral_stream
from loyaltycore.memberships import MemberJoined
from loyaltycore.referrals import (
    Denial,
    QualifyingOrder,
    Referral,
    ReferralJoined,
    ReferralQualified,
    ReferralRefused,
    ReferralRejected,
    ReferralReversed,
    ReferralRewarded,
    ReferralStatus,
    ReferralUnqualified,
)

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
DUE = NOW + 30 * DAY
NO = Refusal(Reason.REFERRAL_SELF)
LIMIT = Refusal(Reason.REFERRAL_LIMIT_REACHED, {"limit": 20, "period": "per year"})


def joined(*, coupon_id: str = "") -> Referral:
    """Give a friend who came with a code."""
    return Referral.open("f-1").join("friends", advocate_id="ann", code="VE10", coupon_id=coupon_id, at=NOW).state


def qualified(*order_ids: str) -> Referral:
    """Give a friend of whom some orders qualify, each due a day later than the one before."""
    state = joined()
    for nth, order_id in enumerate(order_ids or ("1001",)):
        state = state.qualify(order_id, due_at=DUE + nth * DAY, final_at=DUE + nth * DAY, at=NOW + nth * DAY).state
    return state


def rewarded(*order_ids: str) -> Referral:
    """Give a friend for whom the advocate was rewarded."""
    return qualified(*order_ids).reward(number=3, rewards=["referral/friends/3"], at=DUE).state


def kept_back() -> Referral:
    """Give a friend whom a limit kept back."""
    return qualified().reject(LIMIT, counts=True, at=DUE).state


def reversing(referral: Referral | None = None) -> Referral:
    """Give a friend whose order came back after the reward."""
    return (referral or rewarded()).unqualify("1001", return_id="r-1", at=DUE + DAY).state


EVERY = {
    ReferralStatus.NONE: Referral.open("f-1"),
    ReferralStatus.REFUSED: Referral.open("f-1").refuse("friends", NO, at=NOW).state,
    ReferralStatus.JOINED: joined(),
    ReferralStatus.QUALIFIED: qualified(),
    ReferralStatus.REWARDED: rewarded(),
    ReferralStatus.REJECTED: qualified().reject(NO, at=DUE).state,
    ReferralStatus.REVERSING: reversing(),
    ReferralStatus.REVERSED: reversing().reverse(at=DUE + DAY).state,
}


class TestStatus:
    @pytest.mark.parametrize("status", list(ReferralStatus))
    def test_each(self, status: ReferralStatus) -> None:
        """There is a way to every one."""
        assert EVERY[status].status is status

    def test_what_is_to_come(self) -> None:
        """A reward, or that it is taken back; of all others nothing."""
        to_come = {status: referral.due_at for status, referral in EVERY.items() if referral.due_at is not None}
        assert to_come == {ReferralStatus.QUALIFIED: DUE, ReferralStatus.REVERSING: DUE + DAY}

    def test_the_first_of_several_orders_is_due(self) -> None:
        """One is enough."""
        assert qualified("1001", "1002").due_at == DUE
        assert qualified("1001", "1002").unqualify("1001", return_id="r-1", at=NOW).state.due_at == DUE + DAY

    def test_due_times_go_with_what_is_stored(self) -> None:
        """So that a sweep finds them."""
        (append,) = joined().qualify("1001", due_at=DUE, at=NOW).changes
        assert append.due_at == DUE  # type: ignore[union-attr]


class TestOpenToOrders:
    @pytest.mark.parametrize(
        "status,at,answer",
        [
            (ReferralStatus.NONE, NOW, False),
            (ReferralStatus.REFUSED, NOW, False),
            (ReferralStatus.JOINED, NOW, True),
            (ReferralStatus.QUALIFIED, NOW, True),
            (ReferralStatus.REWARDED, DUE - TICK, True),
            (ReferralStatus.REWARDED, DUE, False),
            (ReferralStatus.REJECTED, NOW, False),
            (ReferralStatus.REVERSING, DUE, True),
            (ReferralStatus.REVERSED, DUE, True),
        ],
    )
    def test_each_status(self, status: ReferralStatus, at: datetime, answer: bool) -> None:  # noqa: FBT001
        """As long as it may matter."""
        assert EVERY[status].open_to_orders(at=at) is answer

    def test_whom_a_limit_kept_back(self) -> None:
        """He may still be rewarded for: what counts may come back, and another order stand in for it."""
        assert kept_back().open_to_orders(at=DUE - TICK)
        assert not kept_back().open_to_orders(at=DUE)

    def test_an_order_that_can_always_come_back(self) -> None:
        """Never is it final."""
        state = joined().qualify("1001", due_at=NOW, at=NOW).state.reward(number=1, at=NOW).state
        assert state.open_to_orders(at=NOW + 9999 * DAY)

    def test_a_naive_time_is_refused(self) -> None:
        """As everywhere."""
        with pytest.raises(UsageError, match=r"^at must be a timezone-aware datetime"):
            joined().open_to_orders(at=datetime(2026, 7, 1))  # noqa: DTZ001


class TestJoin:
    def test_who_brought_him(self) -> None:
        """With the code, and the coupon he holds for it."""
        posting = Referral.open("f-1").join("friends", advocate_id="ann", code="VE10", coupon_id="+c", at=NOW)
        assert posting.facts == (
            ReferralJoined(friend_id="f-1", program_id="friends", advocate_id="ann", code="VE10", coupon_id="+c", at=NOW),
        )
        assert posting.stream == referral_stream("f-1")
        assert posting.state == Referral(
            friend_id="f-1", version=1, program_id="friends", advocate_id="ann", code="VE10", coupon_id="+c", joined_at=NOW
        )

    def test_again(self) -> None:
        """Changes nothing, whatever the code was."""
        assert joined().join("friends", advocate_id="ann", at=DUE).facts == ()

    def test_with_another_advocate(self) -> None:
        """Whoever came first brought him."""
        with pytest.raises(RefusedError) as error:
            joined().join("friends", advocate_id="ben", at=NOW)
        assert error.value.refusal == Refusal(Reason.REFERRAL_ALREADY_REFERRED)

    def test_oneself(self) -> None:
        """Nobody."""
        with pytest.raises(RefusedError) as error:
            Referral.open("f-1").join("friends", advocate_id="f-1", at=NOW)
        assert error.value.refusal == Refusal(Reason.REFERRAL_SELF)

    def test_after_a_slip(self) -> None:
        """A refused code stops nobody from trying the right one."""
        state = EVERY[ReferralStatus.REFUSED].join("friends", advocate_id="ann", at=NOW).state
        assert (state.status, state.version) == (ReferralStatus.JOINED, 2)

    @pytest.mark.parametrize(
        "act,match",
        [
            (lambda: Referral.open("f-1").join("no id", advocate_id="ann", at=NOW), r"^program_id must be"),
            (lambda: Referral.open("f-1").join("friends", advocate_id="", at=NOW), r"^advocate_id must be"),
            (lambda: Referral.open("f-1").join("friends", advocate_id="ann", code="x" * 65, at=NOW), r"^code must be"),
            (lambda: Referral.open("f-1").join("friends", advocate_id="ann", coupon_id="\0", at=NOW), r"^coupon_id must be"),
            (lambda: Referral.open(""), r"^friend_id must be"),
            (lambda: Referral(friend_id="f-1", version=-1), r"^version must be"),
            (lambda: Referral(friend_id="f-1", advocate_id="f-1"), r"^friend 'f-1' must not be his own advocate$"),
        ],
    )
    def test_what_is_no_id(self, act: Callable[[], object], match: str) -> None:
        """Is refused."""
        with pytest.raises(UsageError, match=match):
            act()


class TestRefuse:
    def test_it_is_written_down(self) -> None:
        """With the reason, its details as text, and the code."""
        state = Referral.open("f-1").refuse("friends", LIMIT, code="VELO", at=NOW).state
        details = {"limit": "20", "period": "per year"}
        assert state.refused == Denial(reason=Reason.REFERRAL_LIMIT_REACHED, details=details, at=NOW, code="VELO")  # type: ignore[arg-type]
        assert state.refused.refusal == Refusal(Reason.REFERRAL_LIMIT_REACHED, details)

    def test_several_texts(self) -> None:
        """Are told after one another."""
        several = Refusal(Reason.REFERRAL_GUARDED, {"needed": ("a", "b")})
        assert Referral.open("f-1").refuse("friends", several, at=NOW).state.refused.details == {"needed": "a, b"}  # type: ignore[union-attr]

    def test_again(self) -> None:
        """The same changes nothing; another code, or another reason, is another try."""
        once = Referral.open("f-1").refuse("friends", NO, code="VELO", at=NOW).state
        assert once.refuse("friends", NO, code="VELO", at=DUE).facts == ()
        assert once.refuse("friends", NO, code="VELA", at=DUE).facts
        assert once.refuse("friends", LIMIT, code="VELO", at=DUE).facts
        assert once.refuse("friends", Refusal(NO.reason, {"n": 1}), code="VELO", at=DUE).facts

    def test_one_who_joined(self) -> None:
        """Stays with whoever brought him."""
        state = joined().refuse("friends", Refusal(Reason.REFERRAL_ALREADY_REFERRED), code="OTHER", at=NOW).state
        assert (state.status, state.advocate_id) == (ReferralStatus.JOINED, "ann")

    @pytest.mark.parametrize("code", ["\0", "\ud800", "😀" * 100_000, "x" * 1_000_000, "", "a\0b"])
    def test_any_text(self, code: str) -> None:
        """Its beginning is kept, in signs that every store can hold."""
        fact = Referral.open("f-1").refuse("friends", NO, code=code, at=NOW).facts[0]
        assert isinstance(fact, ReferralRefused)
        assert len(fact.code) <= 64
        assert fact.code.isascii()
        assert "\0" not in fact.code

    def test_what_is_no_refusal(self) -> None:
        """Is refused."""
        with pytest.raises(UsageError, match=r"^refusal must be of type Refusal"):
            Referral.open("f-1").refuse("friends", Reason.REFERRAL_SELF, at=NOW)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"^code must be of type str"):
            Referral.open("f-1").refuse("friends", NO, code=7, at=NOW)  # type: ignore[arg-type]


class TestQualify:
    def test_an_order(self) -> None:
        """With when it is due and when it can no longer come back."""
        posting = joined().qualify("1001", due_at=DUE, final_at=DUE + DAY, at=NOW)
        assert posting.facts == (ReferralQualified(friend_id="f-1", order_id="1001", due_at=DUE, final_at=DUE + DAY, at=NOW),)
        assert posting.state.orders == {"1001": QualifyingOrder(due_at=DUE, final_at=DUE + DAY)}

    def test_again(self) -> None:
        """Changes nothing."""
        assert qualified().qualify("1001", due_at=DUE + DAY, at=NOW).facts == ()

    def test_one_that_cannot_matter(self) -> None:
        """Is not kept."""
        assert rewarded().qualify("1002", due_at=DUE + 60 * DAY, at=DUE).facts == ()

    @pytest.mark.parametrize("status", [ReferralStatus.NONE, ReferralStatus.REFUSED])
    def test_of_whom_nobody_brought(self, status: ReferralStatus) -> None:
        """There is nothing to qualify for."""
        with pytest.raises(UsageError, match=rf"^the referral of 'f-1' must be joined or .* it is {status.value}$"):
            EVERY[status].qualify("1001", due_at=DUE, at=NOW)

    def test_after_a_reversal(self) -> None:
        """Another order counts as if the first had never been."""
        state = EVERY[ReferralStatus.REVERSED].qualify("1002", due_at=DUE + 60 * DAY, at=DUE + 2 * DAY).state
        assert (state.status, state.due_at) == (ReferralStatus.QUALIFIED, DUE + 60 * DAY)
        assert state.reward(number=1, at=DUE + 60 * DAY).state.status is ReferralStatus.REWARDED

    def test_while_it_is_to_be_reversed(self) -> None:
        """What was given is taken back first."""
        state = reversing().qualify("1002", due_at=DUE + 60 * DAY, at=DUE + 2 * DAY).state
        assert (state.status, state.due_at) == (ReferralStatus.REVERSING, DUE + DAY)
        assert state.reverse(at=DUE + 3 * DAY).state.status is ReferralStatus.QUALIFIED


class TestUnqualify:
    def test_the_only_order(self) -> None:
        """He is as he was before."""
        posting = qualified().unqualify("1001", return_id="r-1", at=NOW)
        assert posting.facts == (ReferralUnqualified(friend_id="f-1", order_id="1001", return_id="r-1", at=NOW),)
        assert posting.state.status is ReferralStatus.JOINED
        assert not posting.state.orders

    @pytest.mark.parametrize("make", [rewarded, kept_back])
    def test_after_the_reward(self, make: Callable[[], Referral]) -> None:
        """It is to be taken back, since the order came back."""
        assert reversing(make()).reversing_at == DUE + DAY
        assert reversing(make()).counts

    def test_another_order_stands(self) -> None:
        """Then nothing is to be taken back."""
        state = rewarded("1001", "1002").unqualify("1001", return_id="r-1", at=DUE).state
        assert state.status is ReferralStatus.REWARDED
        assert state.unqualify("1002", return_id="r-2", at=DUE).state.status is ReferralStatus.REVERSING

    def test_while_it_is_to_be_reversed(self) -> None:
        """Since when it is to be is not put off."""
        state = reversing().qualify("1002", due_at=DUE, at=DUE + 2 * DAY).state
        assert state.unqualify("1002", return_id="r-2", at=DUE + 3 * DAY).state.reversing_at == DUE + DAY

    def test_one_that_was_rejected(self) -> None:
        """There is nothing to take back."""
        state = EVERY[ReferralStatus.REJECTED].unqualify("1001", return_id="r-1", at=DUE).state
        assert (state.status, state.reversing_at) == (ReferralStatus.REJECTED, None)

    def test_an_order_that_does_not_qualify(self) -> None:
        """Changes nothing."""
        assert qualified().unqualify("1002", return_id="r-1", at=NOW).facts == ()


class TestReward:
    def test_when_it_is_due(self) -> None:
        """From that instant on."""
        posting = qualified().reward(number=3, rewards=["referral/friends/3"], at=DUE)
        assert posting.facts == (ReferralRewarded(friend_id="f-1", number=3, rewards=("referral/friends/3",), at=DUE),)
        state = posting.state
        assert (state.number, state.rewards, state.rewarded_at, state.counts) == (3, ("referral/friends/3",), DUE, True)

    def test_before(self) -> None:
        """Is too soon."""
        with pytest.raises(UsageError, match=r"^at must not be before 2026-07-31T10:00:00Z, got 2026-07-31T09:59:59.999999Z$"):
            qualified().reward(number=1, at=DUE - TICK)

    def test_again(self) -> None:
        """Changes nothing, whatever is said."""
        assert rewarded().reward(number=7, at=DUE).facts == ()

    def test_whom_a_limit_kept_back(self) -> None:
        """He may step in for another."""
        state = kept_back().reward(number=2, at=DUE + DAY).state
        assert (state.status, state.number, state.rejected) == (ReferralStatus.REWARDED, 2, None)

    @pytest.mark.parametrize(
        "status", [one for one in ReferralStatus if one not in (ReferralStatus.QUALIFIED, ReferralStatus.REWARDED)]
    )
    def test_out_of_turn(self, status: ReferralStatus) -> None:
        """Only whoever qualifies."""
        with pytest.raises(UsageError, match=rf"^the referral of 'f-1' must be qualified, it is {status.value}$"):
            EVERY[status].reward(number=1, at=DUE)

    def test_a_number_that_is_none(self) -> None:
        """They begin at one."""
        with pytest.raises(UsageError, match=r"^number must be"):
            qualified().reward(number=0, at=DUE)


class TestReject:
    def test_why(self) -> None:
        """It is written down."""
        posting = qualified().reject(LIMIT, counts=True, at=DUE)
        details = {"limit": "20", "period": "per year"}
        assert posting.facts == (ReferralRejected(friend_id="f-1", reason=LIMIT.reason, details=details, counts=True, at=DUE),)
        assert posting.state.rejected == Denial(reason=LIMIT.reason, details=details, at=DUE)  # type: ignore[arg-type]
        assert posting.state.counts

    @pytest.mark.parametrize("status", [ReferralStatus.JOINED, ReferralStatus.QUALIFIED, ReferralStatus.REVERSED])
    def test_for_good(self, status: ReferralStatus) -> None:
        """The shop may, whenever the advocate was not rewarded: then nothing is to come."""
        state = EVERY[status].reject(NO, at=NOW).state
        assert (state.status, state.due_at, state.counts) == (ReferralStatus.REJECTED, None, False)

    def test_again(self) -> None:
        """Changes nothing."""
        assert EVERY[ReferralStatus.REJECTED].reject(LIMIT, at=DUE).facts == ()
        assert kept_back().reject(NO, counts=True, at=DUE).facts == ()

    @pytest.mark.parametrize(
        "status", [ReferralStatus.NONE, ReferralStatus.REFUSED, ReferralStatus.REWARDED, ReferralStatus.REVERSING]
    )
    def test_out_of_turn(self, status: ReferralStatus) -> None:
        """Not who was rewarded for, nor whom nobody brought."""
        with pytest.raises(UsageError, match=rf"^the referral of 'f-1' must be joined or qualified or reversed, it is {status}$"):
            EVERY[status].reject(NO, at=DUE)

    def test_one_that_is_to_be_reversed(self) -> None:
        """Also where a limit had kept the reward back."""
        with pytest.raises(UsageError, match=r"it is reversing$"):
            reversing(kept_back()).reject(NO, at=DUE + DAY)

    @pytest.mark.parametrize(
        "referral,at,match",
        [(qualified(), DUE - TICK, r"^at must not be before"), (joined(), DUE, r"must be qualified, it is joined$")],
    )
    def test_only_who_is_due_can_count(self, referral: Referral, at: datetime, match: str) -> None:
        """A limit keeps back what is to be given."""
        with pytest.raises(UsageError, match=match):
            referral.reject(LIMIT, counts=True, at=at)

    def test_no_answer_but_yes_and_no(self) -> None:
        """As everywhere."""
        with pytest.raises(UsageError, match=r"^counts must be of type bool"):
            qualified().reject(LIMIT, counts=1, at=DUE)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"^refusal must be of type Refusal"):
            qualified().reject("limit", at=DUE)  # type: ignore[arg-type]


class TestReverse:
    @pytest.mark.parametrize("make", [rewarded, kept_back])
    def test_he_counts_no_longer(self, make: Callable[[], Referral]) -> None:
        """Nothing is left of the reward."""
        posting = reversing(make()).reverse(at=DUE + DAY)
        assert posting.facts == (ReferralReversed(friend_id="f-1", at=DUE + DAY),)
        state = posting.state
        assert (state.number, state.rewards, state.rewarded_at, state.rejected, state.counts) == (None, (), None, None, False)
        assert (state.status, state.reversing_at, state.reversed_at) == (ReferralStatus.REVERSED, None, DUE + DAY)

    @pytest.mark.parametrize("status", [one for one in ReferralStatus if one is not ReferralStatus.REVERSING])
    def test_where_it_is_not_to_be_done(self, status: ReferralStatus) -> None:
        """Nothing changes."""
        assert EVERY[status].reverse(at=DUE).facts == ()


class TestFolded:
    @pytest.mark.parametrize(
        "referral,fact",
        [
            (Referral.open("f-1"), MemberJoined(member_id="f-1", at=NOW)),
            (Referral.open("f-1"), ReferralReversed(friend_id="f-1", at=NOW)),
            (Referral.open("f-2"), ReferralRefused(friend_id="f-1", program_id="friends", reason=NO.reason, at=NOW)),
            (joined(), ReferralJoined(friend_id="f-1", program_id="friends", advocate_id="ann", at=NOW)),
            (joined(), ReferralUnqualified(friend_id="f-1", order_id="1001", return_id="r", at=NOW)),
            (rewarded(), ReferralReversed(friend_id="f-1", at=NOW)),
        ],
    )
    def test_what_cannot_follow(self, referral: Referral, fact: Fact) -> None:
        """Is no history of a referral."""
        with pytest.raises(CorruptStateError, match=rf"^referral of 'f-\d' cannot go on with '{fact.kind}'$"):
            referral.folded([fact])

    @pytest.mark.parametrize("status", list(ReferralStatus))
    def test_stored_and_read(self, status: ReferralStatus) -> None:
        """It is the same."""
        assert Referral.from_dict(EVERY[status].to_dict()) == EVERY[status]

    def test_what_is_no_referral(self) -> None:
        """Is refused."""
        with pytest.raises(CorruptStateError):
            Referral.from_dict({})

    def test_instants_are_kept_in_utc(self) -> None:
        """Whatever clock told them."""
        late = NOW.astimezone(timezone(timedelta(hours=5)))
        assert Referral(friend_id="f-1", joined_at=late).joined_at == NOW
        assert Referral(friend_id="f-1", joined_at=late).joined_at.tzinfo is UTC  # type: ignore[union-attr]

    @given(
        st.lists(
            st.sampled_from(
                ["join", "refuse", "qualify 1", "qualify 2", "unqualify 1", "unqualify 2", "reward", "reject", "keep", "reverse"]
            ),
            max_size=14,
        )
    )
    def test_replay_equals_state(self, verbs: list[str]) -> None:
        """Whatever happens in whatever order, doing it twice is doing it once, and the facts tell it all."""
        state, facts, at = Referral.open("f-1"), list[Fact](), NOW
        for verb in verbs:
            at += DAY
            try:
                posting = _done(state, verb, at)
            except UsageError:
                continue
            assert posting.version == state.version
            state = posting.state
            facts += posting.facts
            assert _done(state, verb, at).facts == ()
            assert Referral.replay("f-1", facts) == state
            assert Referral.from_dict(state.to_dict()) == state
            assert state.counts or state.rewarded_at is None
            assert state.reversing_at is None or state.counts
            assert (state.rewarded_at is not None) is (state.number is not None)


def _done(state: Referral, verb: str, at: datetime) -> Posting[Referral]:
    name, _, order_id = verb.partition(" ")
    match name:
        case "join":
            return state.join("friends", advocate_id="ann", at=at)
        case "refuse":
            return state.refuse("friends", NO, at=at)
        case "qualify":
            return state.qualify(order_id, due_at=at, final_at=at + 2 * DAY, at=at)
        case "unqualify":
            return state.unqualify(order_id, return_id="r", at=at)
        case "reward":
            return state.reward(number=1, at=at)
        case "reverse":
            return state.reverse(at=at)
        case _:
            return state.reject(LIMIT, counts=name == "keep", at=at)
