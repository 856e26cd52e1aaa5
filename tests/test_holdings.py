"""What an account holds: stored states and facts that could not have come about are refused, never believed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest

from loyaltycore.errors import CorruptStateError, Reason, RefusedError
from loyaltycore.facts import Fact, Posting
from loyaltycore.ledger import Balance, Expiring, MovedLot, Overdraft, Part, Renewed, SettlementUndone, TransferredIn
from loyaltycore.periods import Lasting, Period, Term
from loyaltycore.points import PointsAccount

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    """Give an instant by its day."""
    return T0 + timedelta(days=number)


def reason_of(call: Callable[[], object]) -> Reason:
    """Say why a call is refused."""
    with pytest.raises(RefusedError) as refused:
        call()
    return refused.value.refusal.reason


def life() -> list[Posting[PointsAccount]]:
    """Let an account live through every kind of movement."""
    postings: list[Posting[PointsAccount]] = []

    def then(step: Callable[[PointsAccount], Posting[PointsAccount]]) -> None:
        postings.append(step(postings[-1].state if postings else PointsAccount.open("m-42")))

    then(lambda a: a.earn(100, ref="o-1", expires_at=day(50), at=T0))
    then(lambda a: a.earn(50, ref="o-2", expires_at=None, at=T0))
    then(lambda a: a.burn(60, ref="b-1", at=day(1)))
    then(lambda a: a.hold(20, ref="h-1", until=day(9), at=day(1)))
    then(lambda a: a.capture("h-1", 15, at=day(2)))
    then(lambda a: a.hold(5, ref="h-2", until=day(9), at=day(2)))
    then(lambda a: a.void("h-2", at=day(2)))
    then(lambda a: a.revoke("o-1", ref="r-1", overdraft=Overdraft.SETTLE, at=day(3)))
    then(lambda a: a.earn(80, ref="o-3", expires_at=None, at=day(3)))
    then(lambda a: a.adjust_down(5, ref="t-1", reason="test", actor="eva", at=day(4)))
    then(lambda a: a.reverse_adjustment("t-1", ref="t-2", at=day(4)))
    then(lambda a: a.refund_burn("b-1", 10, ref="back", at=day(5)))
    then(lambda a: a.transfer(7, to=PointsAccount.open("m-43"), ref="g", at=day(5)).giver)
    then(lambda a: a.undo_transfer("g", taker=friend(), at=day(6)).giver)
    then(lambda a: a.earn(9, ref="o-4", expires_at=None, at=day(6)))
    then(lambda a: a.burn(a.available(at=day(6)), ref="b-2", at=day(6)))
    then(lambda a: a.revoke("o-4", ref="r-4", overdraft=Overdraft.FORGIVE, at=day(7)))
    then(lambda a: a.refund_burn("b-2", 3, ref="back-2", at=day(7)))
    return postings


def friend() -> PointsAccount:
    """Give who got the points."""
    giver = PointsAccount.open("m-42").earn(7, ref="o", expires_at=None, at=T0).state
    return giver.transfer(7, to=PointsAccount.open("m-43"), ref="g", at=day(5)).taker.state


STEPS = life()
LAST = STEPS[-1].state
TAKEN_ONCE = [
    place
    for place, posting in enumerate(STEPS)
    for fact in posting.facts
    if fact.kind
    in {
        "ledger.granted",
        "ledger.burn_refunded",
        "ledger.adjustment_reversed",
        "ledger.transfer_undone",
        "ledger.captured",
        "ledger.voided",
        "ledger.settlement_undone",
        "ledger.forgiven",
        "ledger.forgiveness_taken_back",
        "ledger.revoked",
    }
]


class TestStoredStates:
    def test_what_was_written_is_read(self) -> None:
        """Every state of the life is believed."""
        for posting in STEPS:
            assert PointsAccount.from_dict(posting.state.to_dict()) == posting.state

    @pytest.mark.parametrize("number", [-1, -7, 1_000_000])
    @pytest.mark.parametrize("name", ["revoked", "burned", "paid_out", "paid_in", "forgiven", "moved", "renewed", "span"])
    def test_a_lot_that_says_otherwise_is_corrupt(self, name: str, number: int) -> None:
        """A number on a lot that its burns, transfers and payments do not bear out mints nothing: it is refused."""
        for lot_id in LAST.ledger.lots:
            data = copy.deepcopy(LAST.to_dict())
            data["ledger"]["lots"][lot_id][name] = number
            with pytest.raises(CorruptStateError):
                PointsAccount.from_dict(data)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda ledger: ledger["burns"]["b-1"].update(given_back=-20),
            lambda ledger: ledger["burns"]["b-1"].update(given_back=61),
            lambda ledger: ledger["burns"].pop("b-1"),
            lambda ledger: ledger["holds"]["h-1"].update(captured=99),
            lambda ledger: ledger["holds"]["h-1"].update(captured=-1),
            lambda ledger: ledger["payments"].clear(),
            lambda ledger: ledger["transfers"]["g"].update(given_back=0),
        ],
        ids=count(),
    )
    def test_a_damaged_take_is_corrupt(self, damage: Callable[[dict[str, Any]], object]) -> None:
        """What was taken and what came back are one account with the lots."""
        data = copy.deepcopy(LAST.to_dict())
        damage(data["ledger"])
        with pytest.raises(CorruptStateError, match="do not hang together"):
            PointsAccount.from_dict(data)


class TestStoredFacts:
    @pytest.mark.parametrize("place", TAKEN_ONCE)
    def test_a_fact_folded_twice_is_corrupt(self, place: int) -> None:
        """What gives back, takes back or resolves cannot happen twice; nothing is minted by telling it again."""
        facts: list[Fact] = [fact for posting in STEPS[: place + 1] for fact in posting.facts]
        again = [fact for fact in STEPS[place].facts if fact.kind != "ledger.settled"]
        # Some leave room for a second time; none for twenty.
        with pytest.raises(CorruptStateError):
            PointsAccount.replay("m-42", [*facts, *again * 20])

    @pytest.mark.parametrize(
        "fact",
        [
            Renewed(account="points", ref="x", parts=(Part("o-1/base", 1),), expires_at=day(90), at=day(8)),
            TransferredIn(
                account="points", ref="x", lots=(MovedLot(units=1, granted_at=T0, available_at=T0),), giver="b", at=day(8)
            ),
        ],
        ids=count(),
    )
    def test_a_lot_is_granted_once(self, fact: Fact) -> None:
        """Lots that units go on to have names of their own."""
        PointsAccount.replay("m-42", [*(one for posting in STEPS for one in posting.facts), fact])
        with pytest.raises(CorruptStateError, match="granted twice"):
            PointsAccount.replay("m-42", [*(one for posting in STEPS for one in posting.facts), fact, fact])

    def test_no_more_is_paid_back_than_was_paid(self) -> None:
        """A payment is undone once."""
        account = PointsAccount.open("m").earn(9, ref="a", expires_at=None, at=T0).state.burn(9, ref="b", at=T0).state
        account = account.revoke("a", ref="r", overdraft=Overdraft.SETTLE, at=T0).state
        account = account.earn(9, ref="c", expires_at=None, at=T0).state
        account = (
            account.earn(9, ref="d", expires_at=None, at=T0).state.adjust_down(9, ref="t", reason="x", actor="y", at=T0).state
        )
        undone = SettlementUndone(account="points", ref="x", debtor_id="a/base", parts=(Part("c/base", 9),), at=T0)
        account.folded([undone])
        with pytest.raises(CorruptStateError):
            account.folded([undone, undone])

    def test_no_more_is_paid_back_than_was_paid_for_this_debt(self) -> None:
        """Who paid two debts is not paid back more of one than it cost."""
        account = PointsAccount.open("m")
        for ref in ("a", "b"):
            account = account.earn(9, ref=ref, expires_at=None, at=T0).state
        account = account.burn(18, ref="x", at=T0).state
        for ref in ("a", "b"):
            account = account.revoke(ref, ref=f"r-{ref}", overdraft=Overdraft.SETTLE, at=T0).state
        account = account.earn(18, ref="c", expires_at=None, at=T0).state
        assert account.ledger.lots["c/base"].paid_out == 18
        undone = SettlementUndone(account="points", ref="x", debtor_id="a/base", parts=(Part("c/base", 12),), at=T0)
        with pytest.raises(CorruptStateError, match="more was paid back"):
            account.folded([undone])

    def test_every_such_fact_is_there(self) -> None:
        """The life has them all."""
        assert len(set(TAKEN_ONCE)) == 12


class TestTransfersKnowBothSides:
    def test_the_same_name_for_another_taker_is_refused(self) -> None:
        """A transfer is to one member; said again with another it would hand the same points out twice."""
        giver = PointsAccount.open("a").earn(10, ref="o", expires_at=None, at=T0).state
        done = giver.transfer(10, to=PointsAccount.open("b"), ref="t", at=T0)
        undone = done.giver.state.undo_transfer("t", taker=done.taker.state, at=T0)
        for state in (done.giver.state, undone.giver.state):
            again = partial(state.transfer, 10, to=PointsAccount.open("c"), ref="t", at=T0)
            assert reason_of(again) is Reason.KEY_REUSED

    def test_what_was_never_transferred(self) -> None:
        """Nothing to undo, on either side."""
        one, two = PointsAccount.open("a"), PointsAccount.open("b")
        assert reason_of(lambda: one.undo_transfer("t", taker=two, at=T0)) is Reason.TRANSFER_NOT_FOUND
        assert reason_of(lambda: two.ledger.undo_transfer_in("t", giver="a", at=T0)) is Reason.TRANSFER_NOT_FOUND

    def test_it_is_undone_between_the_two_alone(self) -> None:
        """Another member who got points under the same name from somebody else keeps them."""
        one = PointsAccount.open("a").earn(10, ref="o", expires_at=None, at=T0).state
        two = PointsAccount.open("d").earn(3, ref="o", expires_at=None, at=T0).state
        first = one.transfer(10, to=PointsAccount.open("b"), ref="t", at=T0)
        second = two.transfer(3, to=PointsAccount.open("c"), ref="t", at=T0)
        for giver, taker in ((first, second), (second, first)):
            call = lambda giver=giver, taker=taker: giver.giver.state.undo_transfer("t", taker=taker.taker.state, at=T0)  # noqa: E731
            assert reason_of(call) is Reason.TRANSFER_NOT_FOUND


class TestLateKnowledge:
    SLIDING = Lasting(Term(Period(days=10)), "UTC", sliding=True)

    def slid(self, *days: int) -> PointsAccount:
        """Earn ten points on each day, in the order given."""
        account = PointsAccount.open("m")
        for number in days:
            account = account.earn(10, ref=f"o-{number}", expires_at=None, lasts=self.SLIDING, at=day(number)).state
        return account

    def test_points_of_long_ago_do_not_live_longer_for_coming_late(self) -> None:
        """A gap lay between: what was earned before it ended before it, whenever it becomes known."""
        in_time, late = self.slid(0, 5, 12, 15, 30), self.slid(0, 5, 12, 30, 15)
        for number in (16, 25, 27, 31, 40, 41):
            assert in_time.available(at=day(number)) >= late.available(at=day(number))
        assert (in_time.available(at=day(31)), late.available(at=day(31))) == (10, 10)

    def test_a_release_reaches_what_came_after_it(self) -> None:
        """Points that are granted later under the same name and await the same event are released by the next call."""
        account = PointsAccount.open("m")
        for rule in ("base", "bonus"):
            account = account.earn(5, ref="o", rule=rule, expires_at=None, available_at=day(30), awaits="delivered", at=T0).state
            account = account.release("o", event="delivered", at=day(3)).state
            assert account.release("o", event="delivered", at=day(3)).facts == ()
        assert account.balance(at=day(3)) == Balance(available=10, pending=0, held=0, debt=0)

    def test_an_earning_told_again_after_its_end(self) -> None:
        """The same call is the same call, however late it is repeated; another event under its name is not."""
        account = PointsAccount.open("m").earn(5, ref="o", expires_at=day(9), at=T0).state
        assert account.earn(5, ref="o", expires_at=day(9), at=day(20)).facts == ()
        waits = account.earn(5, ref="w", expires_at=None, available_at=day(5), awaits="delivered", at=T0).state
        assert waits.earn(5, ref="w", expires_at=None, available_at=day(5), awaits="delivered", at=day(20)).facts == ()
        for awaits, expires_at in (("paid", None), ("delivered", day(9))):
            assert (
                reason_of(
                    lambda awaits=awaits, expires_at=expires_at: waits.earn(  # type: ignore[misc]
                        5, ref="w", expires_at=expires_at, available_at=day(5), awaits=awaits, at=T0
                    )
                )
                is Reason.KEY_REUSED
            )
        never_waited = lambda: account.earn(5, ref="o", expires_at=None, available_at=day(5), awaits="delivered", at=T0)  # noqa: E731
        assert reason_of(never_waited) is Reason.KEY_REUSED


class TestForgiveness:
    def test_a_late_capture_is_not_forgiven(self) -> None:
        """One point was revoked and forgiven if need be; what a hold of long ago spends besides is owed."""
        account = PointsAccount.open("m").earn(100, ref="o", expires_at=None, at=T0).state
        account = account.revoke("o", 1, ref="r", overdraft=Overdraft.FORGIVE, at=T0).state
        account = account.hold(99, ref="h", until=day(1), at=T0).state.burn(99, ref="b", at=day(1)).state
        account = account.capture("h", at=day(1)).state
        assert (account.balance(at=day(1)).debt, account.books(at=day(1)).forgiven) == (98, 1)


class TestExpiring:
    def test_what_is_held_does_not_expire(self) -> None:
        """Held units are not among what will expire; once the hold has ended they are again."""
        account = PointsAccount.open("m").earn(10, ref="o", expires_at=day(30), at=T0).state
        account = account.hold(4, ref="h", until=day(5), at=T0).state
        assert account.expiring(after=day(1)) == (Expiring(day(30), 6),)
        assert account.expiring(after=day(5)) == (Expiring(day(30), 10),)

    def test_what_awaits_an_event_lapses_at_its_deadline(self) -> None:
        """The deadline is its end, until the event happens; then its own end is."""
        account = PointsAccount.open("m").earn(10, ref="o", available_at=day(20), expires_at=day(90), awaits="delivered", at=T0)
        assert account.state.expiring(after=T0) == (Expiring(day(20), 10),)
        released = account.state.release("o", event="delivered", at=day(3)).state
        assert released.expiring(after=T0) == (Expiring(day(90), 10),)

    def test_the_common_end_is_that_of_each_lot(self) -> None:
        """Lots that last until some time after the last activity end together."""
        account = TestLateKnowledge().slid(0, 5)
        assert account.expiring(after=T0) == (Expiring(day(16), 20),)
        assert account.expiring(after=T0, before=day(16)) == ()


class TestUndoneOnce:
    def test_a_transfer_is_undone_once_on_each_side(self) -> None:
        """Said again it changes nothing, even where the taker has earned since."""
        giver = PointsAccount.open("a").earn(10, ref="o", expires_at=None, at=T0).state
        done = giver.transfer(6, to=PointsAccount.open("b"), ref="t", at=T0)
        undone = done.giver.state.undo_transfer("t", taker=done.taker.state.burn(6, ref="x", at=T0).state, at=day(1))
        again = undone.giver.state.undo_transfer("t", taker=undone.taker.state, at=day(2))
        assert (again.giver.facts, again.taker.facts) == ((), ())
        assert (again.giver.state.available(at=day(2)), again.taker.state.balance(at=day(2)).debt) == (10, 6)
        assert undone.taker.state.ledger.returned["undo_transfer:t"].units == 6
        assert undone.taker.facts[0].ref == "t"  # type: ignore[attr-defined]  # a fact of a ledger

    def test_a_release_is_an_activity(self) -> None:
        """What happens to a purchase keeps the points alive that last until some time after the last activity."""
        account = TestLateKnowledge().slid(0)
        account = account.earn(5, ref="w", expires_at=None, available_at=day(9), awaits="delivered", at=day(1)).state
        released = account.release("w", event="delivered", at=day(8)).state
        assert released.expiring(after=T0) == (Expiring(day(19), 10),)
