"""What follows from a debt: settled, forgiven, and undone again when the debt is no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loyaltycore.facts import Fact
from loyaltycore.ledger import (
    Balance,
    BurnRefunded,
    Captured,
    Forgiven,
    ForgivenessTakenBack,
    Overdraft,
    Part,
    Renewed,
    Revoked,
    Settled,
    SettlementUndone,
)
from loyaltycore.points import PointsAccount

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    """Give an instant by its day."""
    return T0 + timedelta(days=number)


def earned(
    account: PointsAccount, ref: str, points: int, *, ends: int | None = None, at: int = 0, opens: int = 0
) -> PointsAccount:
    """Earn points."""
    expires_at = None if ends is None else day(ends)
    return account.earn(points, ref=ref, expires_at=expires_at, available_at=day(max(opens, at)), at=day(at)).state


def spent(*lots: tuple[str, int]) -> PointsAccount:
    """Earn for A and for more, then spend 60 of A's hundred, which end first."""
    account = earned(PointsAccount.open("m-42"), "A", 100, ends=50)
    account = account.burn(60, ref="B", at=T0).state
    for ref, points in lots:
        account = earned(account, ref, points, ends=60)
    return account


def kinds(facts: tuple[Fact, ...]) -> list[type[Fact]]:
    """Name what happened."""
    return [type(fact) for fact in facts]


class TestSettle:
    def test_the_others_pay_in_burn_order(self) -> None:
        """The lot that ends first pays first, then the next, as far as the debt goes."""
        account = earned(spent(("D", 50)), "C", 40, ends=55)
        posting = account.revoke("A", ref="r", overdraft=Overdraft.SETTLE, at=T0)
        assert kinds(posting.facts) == [Revoked, Settled]
        assert posting.facts[1] == Settled(
            account="points", ref="r", debtor_id="A/base", parts=(Part("C/base", 40), Part("D/base", 20)), at=T0
        )
        assert posting.state.balance(at=T0) == Balance(available=30, pending=0, held=0, debt=0)

    def test_what_waits_pays_and_what_is_over_does_not(self) -> None:
        """Points that cannot be burned yet pay; expired ones cannot."""
        account = earned(earned(spent(), "late", 30, ends=90, opens=20), "over", 40, ends=10)
        posting = account.revoke("A", ref="r", overdraft=Overdraft.SETTLE, at=day(10))
        assert posting.facts[1].parts == (Part("late/base", 30),)  # type: ignore[attr-defined]  # a settlement
        assert posting.state.balance(at=day(10)) == Balance(available=0, pending=0, held=0, debt=30)

    def test_the_oldest_debt_is_paid_first(self) -> None:
        """Of two debts the earlier purchase's is paid before the later's."""
        account = PointsAccount.open("m-42")
        for ref, at in (("W", 1), ("X", 0)):
            account = earned(account, ref, 10, ends=80, at=at)
        account = account.burn(20, ref="B", at=day(2)).state
        for ref in ("X", "W"):
            account = account.revoke(ref, ref=f"r-{ref}", overdraft=Overdraft.SETTLE, at=day(3)).state
        posting = account.earn(15, ref="C", expires_at=None, at=day(4))
        assert [(fact.debtor_id, fact.parts) for fact in posting.facts if isinstance(fact, Settled)] == [
            ("X/base", (Part("C/base", 10),)),
            ("W/base", (Part("C/base", 5),)),
        ]

    def test_held_points_do_not_pay(self) -> None:
        """What is set aside pays nothing while it is; what is freed pays in the command that frees it."""
        account = earned(spent(), "C", 40, ends=55).hold(40 + 40, ref="H", until=day(5), at=T0).state
        account = account.revoke("A", ref="r", overdraft=Overdraft.SETTLE, at=T0).state
        assert account.ledger.lots["C/base"].paid_out == 0
        posting = account.void("H", at=day(1))
        assert posting.state.ledger.lots["C/base"].paid_out == 40
        assert posting.state.balance(at=day(1)) == Balance(available=0, pending=0, held=0, debt=20)

    def test_time_never_settles(self) -> None:
        """A hold that ends by itself moves nothing; the next command that earns does."""
        account = earned(spent(), "C", 40, ends=55).hold(80, ref="H", until=day(5), at=T0).state
        account = account.revoke("A", ref="r", overdraft=Overdraft.SETTLE, at=T0).state
        assert account.balance(at=day(6)) == Balance(available=0, pending=0, held=0, debt=60)
        assert earned(account, "E", 1, at=6).ledger.lots["A/base"].paid_in == 41

    def test_a_late_capture_is_settled(self) -> None:
        """Held points of a purchase that came back are a debt when they are captured, and the others pay it."""
        account = earned(PointsAccount.open("m"), "A", 100, ends=50).hold(60, ref="H", until=day(5), at=T0).state
        account = earned(account, "C", 80, ends=70).revoke("A", ref="r", overdraft=Overdraft.SETTLE, at=day(1)).state
        posting = account.capture("H", at=day(9))
        assert kinds(posting.facts) == [Captured, Settled]
        assert posting.state.balance(at=day(9)) == Balance(available=20, pending=0, held=0, debt=0)

    def test_payers_are_paid_back_last_first(self) -> None:
        """When a part of the debt is no more, the last that paid gets its points back first."""
        account = earned(spent(("D", 50)), "C", 40, ends=55)
        account = account.revoke("A", ref="r", overdraft=Overdraft.SETTLE, at=T0).state
        posting = account.refund_burn("B", 30, ref="back", at=T0)
        assert posting.facts[1] == SettlementUndone(
            account="points", ref="back", debtor_id="A/base", parts=(Part("D/base", 20), Part("C/base", 10)), at=T0
        )
        assert posting.state.ledger.payments["A/base"] == (Part("C/base", 30),)

    def test_a_chain_of_payers_is_undone(self) -> None:
        """A payer that came back meanwhile, and was paid for itself, pays back in its turn."""
        account = spent(("C", 60)).revoke("A", ref="r-A", overdraft=Overdraft.SETTLE, at=T0).state
        account = account.revoke("C", ref="r-C", overdraft=Overdraft.SETTLE, at=T0).state
        account = earned(account, "E", 100)
        assert account.balance(at=T0) == Balance(available=40, pending=0, held=0, debt=0)
        posting = account.refund_burn("B", ref="r-B", at=T0)
        undone = [(fact.debtor_id, fact.parts) for fact in posting.facts if isinstance(fact, SettlementUndone)]
        assert undone == [("A/base", (Part("C/base", 60),)), ("C/base", (Part("E/base", 60),))]
        assert posting.state.balance(at=T0) == Balance(available=100, pending=0, held=0, debt=0)


class TestForgive:
    def test_what_was_spent_stays_spent(self) -> None:
        """The debt is gone at once, and no other lot is asked."""
        posting = spent(("C", 25)).revoke("A", ref="r", overdraft=Overdraft.FORGIVE, at=T0)
        assert posting.facts[1:] == (Forgiven(account="points", ref="r", parts=(Part("A/base", 60),), at=T0),)
        assert posting.state.balance(at=T0) == Balance(available=25, pending=0, held=0, debt=0)

    def test_forgiveness_goes_back_first(self) -> None:
        """What is given back of the burn was never forgiven: nothing is minted."""
        account = spent(("C", 25)).revoke("A", ref="r", overdraft=Overdraft.FORGIVE, at=T0).state
        posting = account.refund_burn("B", 50, ref="back", at=T0)
        assert posting.facts[1:] == (ForgivenessTakenBack(account="points", ref="back", parts=(Part("A/base", 50),), at=T0),)
        assert posting.state.available(at=T0) == 25
        assert posting.state.refund_burn("B", ref="rest", at=T0).state.ledger.lots["A/base"].forgiven == 0

    def test_forgiveness_goes_back_before_payments(self) -> None:
        """Where a debt was paid in part and forgiven in part, the shop is made whole first."""
        account = spent(("C", 20)).revoke("A", 70, ref="r-1", overdraft=Overdraft.SETTLE, at=T0).state
        account = account.revoke("A", ref="r-2", overdraft=Overdraft.FORGIVE, at=T0).state
        lot = account.ledger.lots["A/base"]
        assert (lot.paid_in, lot.forgiven, lot.remaining) == (20, 40, 0)
        half = account.refund_burn("B", 30, ref="back-1", at=T0).state.ledger.lots["A/base"]
        assert (half.paid_in, half.forgiven) == (20, 10)
        whole = account.refund_burn("B", ref="back-2", at=T0)
        assert kinds(whole.facts)[1:] == [ForgivenessTakenBack, SettlementUndone]
        assert whole.state.available(at=T0) == 20


class TestPolicies:
    @pytest.mark.parametrize("policy", [Overdraft.CARRY, Overdraft.SETTLE, Overdraft.FORGIVE])
    def test_without_a_debt_nothing_follows(self, policy: Overdraft) -> None:
        """Under every policy a revocation that is covered is one fact."""
        posting = earned(PointsAccount.open("m"), "A", 100).revoke("A", ref="r", overdraft=policy, at=T0)
        assert kinds(posting.facts) == [Revoked]

    def test_the_last_revocation_says_what_follows(self) -> None:
        """A debt that was carried is settled once a later revocation of the lot says so."""
        account = spent(("C", 80)).revoke("A", 60, ref="r-1", overdraft=Overdraft.CARRY, at=T0).state
        assert account.balance(at=T0).debt == 20
        posting = account.revoke("A", 40, ref="r-2", overdraft=Overdraft.SETTLE, at=T0)
        assert posting.state.balance(at=T0) == Balance(available=20, pending=0, held=0, debt=0)


class TestRenewed:
    def test_a_lot_whose_time_has_not_begun_is_not_over(self) -> None:
        """A refund that is dated back before the points could be burned leaves them where they are."""
        account = earned(PointsAccount.open("m"), "A", 10, ends=50, opens=5).burn(10, ref="B", at=day(6)).state
        back = account.refund_burn("B", ref="r", extended_until=day(90), at=day(2))
        assert kinds(back.facts) == [BurnRefunded]
        late = account.refund_burn("B", ref="r", extended_until=day(90), at=day(50))
        assert kinds(late.facts) == [BurnRefunded, Renewed]
