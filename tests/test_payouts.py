"""Payouts: owed once, paid once, reversed once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Money, RefusedError, UsageError
from loyaltycore._payouts import (
    PayOut,
    Payout,
    PayoutAs,
    PayoutDue,
    PayoutPaid,
    PayoutReversed,
    PayoutStatus,
    check_reward_benefit,
)
from loyaltycore.benefits import PercentOff
from loyaltycore.errors import CorruptStateError, Reason
from loyaltycore.facts import Posting
from loyaltycore.memberships import MemberJoined

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
FIVE = PayOut(Money.of("5.00", "EUR"))


def due(reward: PayOut = FIVE, payout_id: str = "p-1") -> Payout:
    """Give a payout that is due."""
    return fall_due(Payout.open(payout_id), reward).state


def fall_due(payout: Payout, reward: PayOut = FIVE, **changes: object) -> Posting[Payout]:
    """Owe something."""
    asked: dict[str, Any] = {"member_id": "m-42", "source": "referral/friends", "ref": "referral/friends/1", "at": NOON}
    return payout.fall_due(reward, **{**asked, **changes})


class TestPayOut:
    @pytest.mark.parametrize("amount", [Money.of("0", "EUR"), Money.of("-1", "EUR"), 500, "5.00", None])
    def test_an_amount_is_money_above_nothing(self, amount: object) -> None:
        """A reward of nothing, or of a number, is a mistake."""
        with pytest.raises(UsageError, match="amount must be Money above 0"):
            PayOut(amount)  # type: ignore[arg-type]

    def test_how_it_is_paid_is_one_of_two(self) -> None:
        """A text is no kind of payment."""
        with pytest.raises(UsageError, match="as_"):
            PayOut(Money.of("5", "EUR"), "cheque")  # type: ignore[arg-type]

    def test_one_minor_unit_is_enough(self) -> None:
        """The least reward there is."""
        assert PayOut(Money.minor(1, "JPY")).amount == Money.of("1", "JPY")

    def test_a_reward_is_a_benefit_or_a_payout(self) -> None:
        """Both are taken, and nothing else."""
        assert check_reward_benefit(FIVE) is FIVE
        assert check_reward_benefit(PercentOff("10")) == PercentOff("10")
        with pytest.raises(UsageError, match="a benefit must be"):
            check_reward_benefit("ten")


class TestLife:
    @pytest.mark.parametrize("text", ["5.00 EUR", "500 JPY", "5.000 KWD"])
    def test_it_is_owed_with_all_that_is_known(self, text: str) -> None:
        """Currencies with no, two and three decimals."""
        amount, currency = text.split()
        reward = PayOut(Money.of(amount, currency), PayoutAs.GIFT_CARD)
        payout = due(reward)
        assert (payout.amount, payout.paid_as, payout.member_id) == (Money.of(amount, currency), PayoutAs.GIFT_CARD, "m-42")
        assert (payout.source, payout.ref, payout.since) == ("referral/friends", "referral/friends/1", NOON)
        assert payout.status is PayoutStatus.DUE
        assert Payout.open("p-1").status is PayoutStatus.NONE

    def test_owed_again_changes_nothing(self) -> None:
        """The same, at another instant."""
        assert fall_due(due(), at=NOON + timedelta(days=1)).facts == ()

    @pytest.mark.parametrize(
        "reward, changes, fields",
        [
            (FIVE, {"member_id": "m-43"}, ("member_id",)),
            (PayOut(Money.of("6", "EUR")), {}, ("amount",)),
            (PayOut(Money.of("5", "EUR"), PayoutAs.GIFT_CARD), {}, ("paid_as",)),
            (FIVE, {"source": "tier/gold", "ref": "x"}, ("source", "ref")),
        ],
    )
    def test_owed_otherwise_is_refused(self, reward: PayOut, changes: dict[str, Any], fields: tuple[str, ...]) -> None:
        """The fields that differ are named."""
        with pytest.raises(RefusedError) as error:
            fall_due(due(), reward, **changes)
        assert error.value.refusal.reason is Reason.KEY_REUSED
        assert error.value.refusal.details == {"key": "give:p-1", "fields": fields}

    @pytest.mark.parametrize("changes", [{"member_id": ""}, {"source": ""}, {"ref": "\x00"}])
    def test_whom_and_why_are_names(self, changes: dict[str, Any]) -> None:
        """What is no name is refused."""
        with pytest.raises(UsageError):
            fall_due(Payout.open("p-1"), **changes)

    def test_only_a_payout_falls_due(self) -> None:
        """A benefit is no payout."""
        with pytest.raises(UsageError, match="reward"):
            fall_due(Payout.open("p-1"), PercentOff("10"))  # type: ignore[arg-type]

    def test_it_is_paid_once(self) -> None:
        """Who paid and under which name is kept."""
        posting = due().pay(ref="run-1", actor="ann", at=NOON)
        paid = posting.state
        assert [fact.kind for fact in posting.facts] == ["payout.paid"]
        assert (paid.status, paid.paid_ref, paid.paid_by, paid.paid_at) == (PayoutStatus.PAID, "run-1", "ann", NOON)
        assert paid.pay(ref="run-1", actor="bob", at=NOON).facts == ()

    def test_paid_under_another_name_is_refused(self) -> None:
        """Two transfers for one debt are one too many."""
        with pytest.raises(RefusedError) as error:
            due().pay(ref="run-1", actor="ann", at=NOON).state.pay(ref="run-2", actor="ann", at=NOON)
        assert error.value.refusal.details == {"key": "pay:p-1", "fields": ("ref",)}

    def test_what_is_not_owed_is_not_paid(self) -> None:
        """Nothing was ever due."""
        with pytest.raises(RefusedError) as error:
            Payout.open("p-1").pay(ref="run-1", actor="ann", at=NOON)
        assert error.value.refusal.reason is Reason.PAYOUT_NOT_FOUND
        assert error.value.refusal.details == {"payout_id": "p-1"}

    def test_what_was_reversed_is_not_paid(self) -> None:
        """The money has not left yet, and stays."""
        posting = due().reverse(reason="came back", at=NOON)
        assert posting.state.status is PayoutStatus.REVERSED
        assert posting.state.reversed_reason == "came back"
        with pytest.raises(RefusedError) as error:
            posting.state.pay(ref="run-1", actor="ann", at=NOON)
        assert error.value.refusal.reason is Reason.PAYOUT_REVERSED
        assert error.value.refusal.details == {"payout_id": "p-1"}

    def test_what_was_paid_is_claimed_back(self) -> None:
        """Reversed after the money left; paid again under its name, nothing happens."""
        gone = due().pay(ref="run-1", actor="ann", at=NOON).state.reverse(reason="came back", at=NOON).state
        assert gone.status is PayoutStatus.TO_CLAIM_BACK
        assert gone.pay(ref="run-1", actor="ann", at=NOON).facts == ()

    def test_reversed_once(self) -> None:
        """And nothing is reversed that is not owed."""
        assert due().reverse(reason="", at=NOON).state.reverse(reason="", at=NOON).facts == ()
        assert Payout.open("p-1").reverse(reason="", at=NOON).facts == ()

    def test_times_are_aware(self) -> None:
        """A naive instant is refused, even where nothing changes."""
        with pytest.raises(UsageError, match="timezone"):
            Payout.open("p-1").reverse(reason="", at=datetime(2026, 7, 1))  # noqa: DTZ001 - what is refused
        there = timezone(timedelta(hours=2))
        assert fall_due(Payout.open("p-1"), at=NOON.astimezone(there)).state == due()

    @pytest.mark.parametrize("ref", ["", "\n", 7])
    def test_a_payment_has_a_name(self, ref: object) -> None:
        """The shop's own."""
        with pytest.raises(UsageError, match="ref"):
            due().pay(ref=ref, actor="ann", at=NOON)  # type: ignore[arg-type]

    @pytest.mark.parametrize("actor", [None, "a" * 201])
    def test_who_paid_is_a_short_text(self, actor: object) -> None:
        """Of at most 200 characters."""
        with pytest.raises(UsageError, match="actor"):
            due().pay(ref="run-1", actor=actor, at=NOON)  # type: ignore[arg-type]

    def test_a_reason_is_text(self) -> None:
        """Whatever the shop says."""
        with pytest.raises(UsageError, match="reason"):
            due().reverse(reason=None, at=NOON)  # type: ignore[arg-type]


class TestFolding:
    DUE = PayoutDue(payout_id="p-1", member_id="m", minor=500, currency="EUR", at=NOON)
    PAID = PayoutPaid(payout_id="p-1", ref="run-1", at=NOON)
    GONE = PayoutReversed(payout_id="p-1", at=NOON)

    @given(st.lists(st.sampled_from(["due", "pay", "reverse"]), max_size=6))
    def test_replay_equals_state(self, verbs: list[str]) -> None:
        """Whatever happened, in any order."""
        payout, facts = Payout.open("p-1"), list[Any]()
        for verb in verbs:
            try:
                match verb:
                    case "due":
                        posting = fall_due(payout)
                    case "pay":
                        posting = payout.pay(ref="run-1", actor="ann", at=NOON)
                    case _:
                        posting = payout.reverse(reason="came back", at=NOON)
            except RefusedError:
                continue
            assert posting.version == len(facts)
            assert posting.stream == "payout/p-1"
            payout, facts = posting.state, [*facts, *posting.facts]
        assert Payout.replay("p-1", facts) == payout
        assert Payout.from_dict(payout.to_dict()) == payout
        assert payout.version == len(facts) <= 3

    @pytest.mark.parametrize(
        "facts",
        [
            [PAID],
            [GONE],
            [DUE, DUE],
            [DUE, PAID, PAID],
            [DUE, GONE, GONE],
            [DUE, GONE, PAID],
            [attrs.evolve(DUE, payout_id="p-2")],
            [MemberJoined(member_id="m", at=NOON)],
        ],
    )
    def test_what_cannot_follow_is_corrupt(self, facts: list[Any]) -> None:
        """No store can hold this."""
        with pytest.raises(CorruptStateError, match="payout 'p-1' cannot go on with"):
            Payout.replay("p-1", facts)

    @pytest.mark.parametrize("changes", [{"minor": 0}, {"minor": -1}, {"currency": "euro"}])
    def test_a_fact_owes_money(self, changes: dict[str, Any]) -> None:
        """Above nothing, of a currency."""
        with pytest.raises(UsageError):
            attrs.evolve(self.DUE, **changes)

    @pytest.mark.parametrize("changes", [{"payout_id": ""}, {"version": -1}, {"since": datetime(2026, 7, 1)}])  # noqa: DTZ001
    def test_a_state_is_sound(self, changes: dict[str, Any]) -> None:
        """An id, a version and aware times."""
        with pytest.raises(UsageError):
            attrs.evolve(due(), **changes)

    def test_anything_else_is_no_payout(self) -> None:
        """What to_dict never wrote."""
        with pytest.raises(CorruptStateError):
            Payout.from_dict({"form": 1})
