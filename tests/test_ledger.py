"""Signed lots: the laws of points, each a property, and the ledger against one object for each point."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loyaltycore.errors import Accepted, CorruptStateError, Reason, Refusal, Refused, RefusedError, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.ledger import (
    Adjusted,
    AdjustmentReversed,
    Balance,
    Books,
    Burned,
    BurnRefunded,
    Captured,
    Expiring,
    Granted,
    Ledger,
    LedgerFact,
    Lot,
    Overdraft,
    Part,
    Revoked,
    Take,
)
from loyaltycore.memberships import MemberJoined
from loyaltycore.points import PointsAccount
from loyaltycore.testing._calls import FROM_RELEASE, MEMBERS, SLIDING, PointsCall, accounts_after
from loyaltycore.testing.strategies import points_accounts, points_histories
from tests.pointwise import followed

T0 = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)

DAYS = st.integers(-20, 200).map(lambda days: T0 + days * DAY)

FEW = settings(max_examples=40)
"""Examples under each policy: five times as many in all."""

UNDER_EVERY_POLICY = pytest.mark.parametrize("policy", [*Overdraft, None], ids=lambda policy: policy or "mixed")
"""What the revocations of a history say of debts; mixed, each says something else."""


def day(number: int) -> datetime:
    """Give an instant by its day."""
    return T0 + number * DAY


def kept(ledger: Ledger, facts: Iterable[Fact]) -> Ledger:
    """Fold what was decided."""
    return ledger.folded(facts)


def granted(*lots: tuple[str, int, int, int | None], account: str = "points") -> Ledger:
    """Make a ledger of lots: ref, units, first day, last day."""
    ledger = Ledger(account=account)
    for ref, units, opens, ends in lots:
        facts = ledger.grant(
            units,
            ref=ref,
            rule="base",
            available_at=day(opens),
            expires_at=None if ends is None else day(ends),
            at=day(min(opens, 0)),
        )
        ledger = kept(ledger, facts)
    return ledger


def run(calls: Iterable[PointsCall]) -> tuple[dict[str, PointsAccount], dict[str, list[Fact]]]:
    """Make calls one by one, and keep the states and the facts of those that were accepted."""
    accounts = {member: PointsAccount.open(member) for member in MEMBERS}
    facts: dict[str, list[Fact]] = {member: [] for member in MEMBERS}
    for call in calls:
        postings, _ = answer(call, accounts)
        for posting in postings:
            accounts[posting.state.member_id] = posting.state
            facts[posting.state.member_id] += posting.facts
    return accounts, facts


def answer(
    call: PointsCall, accounts: Mapping[str, PointsAccount]
) -> tuple[tuple[Posting[PointsAccount], ...], tuple[Refusal, ...]]:
    """Make a call: its postings, or its refusals."""
    try:
        return call.on(accounts), ()
    except RefusedError as error:
        return (), error.refusals


def marks(ledger: Ledger) -> set[datetime]:
    """List the instants at which time alone can change something."""
    ends = {ledger.lot(lot_id).expires_at for lot_id in ledger.lots}
    opens = {lot.available_at for lot in ledger.lots.values()}
    return opens | {end for end in ends if end is not None} | {hold.until for hold in ledger.holds.values()}


def moments(*accounts: PointsAccount) -> list[datetime]:
    """List the marks of accounts, the instants just before, and one before and after all."""
    found = {T0 - 40 * DAY, T0 + 400 * DAY}.union(*(marks(account.ledger) for account in accounts))
    return sorted(found | {mark - TICK for mark in found})


def undone(accounts: Mapping[str, PointsAccount], policy: Overdraft, at: datetime) -> dict[str, PointsAccount]:
    """Void every hold, refund every burn, undo every adjustment and transfer, revoke every lot."""
    states = dict(accounts)
    for member, account in accounts.items():
        ledger = account.ledger
        for ref in (ref for ref, hold in ledger.holds.items() if hold.is_open):
            states[member] = states[member].void(ref, at=at).state
        for number, ref in enumerate((*ledger.burns, *ledger.adjustments)):
            verb = PointsAccount.refund_burn if ref in ledger.burns else PointsAccount.reverse_adjustment
            states[member] = verb(states[member], ref, ref=f"undo-{number}", at=at).state
    for member, account in accounts.items():
        (other,) = states.keys() - {member}
        for ref in account.ledger.transfers:
            back = states[member].undo_transfer(ref, taker=states[other], at=at)
            states |= {member: back.giver.state, other: back.taker.state}
    for member in accounts:
        for number, ref in enumerate({lot.earn_ref: None for lot in states[member].ledger.lots.values()}):
            states[member] = states[member].revoke(ref, ref=f"end-{number}", overdraft=policy, at=at).state
    return states


def net(account: PointsAccount, at: datetime) -> int:
    """Sum up everything an account has, pending and expired too, less what it owes."""
    books = account.books(at=at)
    return books.pending + books.live + books.expired - books.debt


def has_open_settlement(account: PointsAccount) -> bool:
    """Say whether a debt waits for somebody to pay it: then who pays depends on what comes first."""
    lots = account.ledger.lots.values()
    return any(lot.overdraft is Overdraft.SETTLE and (lot.paid_in or lot.remaining < 0) for lot in lots)


@UNDER_EVERY_POLICY
class TestLaws:
    @pytest.mark.law(5)
    @FEW
    @given(st.data())
    def test_conservation(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """At any instant, what was granted is what was taken and what is left, pending, live, expired or owed."""
        accounts = accounts_after(data.draw(points_histories(calls_limit=20, overdraft=policy)))
        for account in accounts.values():
            ledger, lots = account.ledger, account.ledger.lots.values()
            assert sum(lot.paid_in for lot in lots) == sum(lot.paid_out for lot in lots)
            assert {debtor: sum(part.units for part in parts) for debtor, parts in ledger.payments.items() if parts} == {
                lot.lot_id: lot.paid_in for lot in lots if lot.paid_in
            }
            for at in moments(account):
                books = account.books(at=at)
                assert books.balanced
                assert books.granted == sum(lot.granted for lot in lots)
                assert books.held == sum(hold.units for hold in ledger.holds.values() if hold.is_open and at < hold.until)
                assert books.burned == sum(
                    take.units - take.given_back for takes in (ledger.burns, ledger.adjustments) for take in takes.values()
                )

    @pytest.mark.law(6)
    @given(st.data())
    def test_agreement_with_one_object_per_point(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """Balances at every instant, every lot and every end agree with an oracle that counts objects."""
        accounts, oracles = followed(data.draw(points_histories(calls_limit=24, overdraft=policy)))
        for member, account in accounts.items():
            oracle, ledger = oracles[member], account.ledger
            assert {
                lot.lot_id: (lot.remaining, lot.paid_in, lot.paid_out, lot.forgiven) for lot in ledger.lots.values()
            } == oracle.lots()
            assert {lot_id: ledger.lot(lot_id).expires_at for lot_id in ledger.lots} == {
                lot_id: bag.ends_at for lot_id, bag in oracle.bags.items()
            }
            for at in moments(account):
                balance = account.balance(at=at)
                assert (balance.available, balance.pending, balance.held, balance.debt, account.books(at=at).expired) == (
                    len(oracle.available(at)),
                    oracle.pending(at),
                    oracle.held(at),
                    oracle.debt(at),
                    oracle.expired(at),
                )

    @pytest.mark.law(7)
    @FEW
    @given(st.data())
    def test_replay_equals_state(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """Folding all facts at once gives what the commands gave one by one, and so does every pickle of it."""
        accounts, facts = run(data.draw(points_histories(calls_limit=16, overdraft=policy)))
        for member, account in accounts.items():
            assert PointsAccount.replay(member, facts[member]) == account
            assert pickle.loads(pickle.dumps(account)) == account

    @pytest.mark.law(7)
    @FEW
    @given(st.data(), st.integers(0, 12))
    def test_stored_state_and_tail_equal_full_replay(self, policy: Overdraft | None, data: st.DataObject, cut: int) -> None:
        """A state written in the middle, its JSON keys in any order, goes on exactly as the account itself.

        A JSONB column reorders keys: the order of lots in the column once decided which lot a revocation took from.
        """
        calls = data.draw(points_histories(calls_limit=16, overdraft=policy))
        before, _ = run(calls[:cut])
        restored = {
            member: PointsAccount.from_dict(json.loads(json.dumps(account.to_dict(), sort_keys=True)))
            for member, account in before.items()
        }
        assert restored == before
        for call in calls[cut:]:
            postings, refusals = answer(call, before)
            assert answer(call, restored) == (postings, refusals)
            before |= {posting.state.member_id: posting.state for posting in postings}
            restored |= {posting.state.member_id: posting.state for posting in answer(call, restored)[0]}
        assert run(calls)[0] == restored

    @pytest.mark.law(8)
    @FEW
    @given(st.data())
    def test_refusal_leaves_no_trace(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """Whatever a call answers, the accounts it was made on are what they were."""
        calls = data.draw(points_histories(calls_limit=16, overdraft=policy))
        accounts, facts = run(calls[:-1])
        for call in calls[-1:]:
            postings, _ = answer(call, accounts)
            for posting in postings:
                assert posting.version == accounts[posting.state.member_id].version
                assert posting.state.version == posting.version + len(posting.facts)
        assert accounts == {member: PointsAccount.replay(member, facts[member]) for member in accounts}

    @pytest.mark.law(9)
    @FEW
    @given(st.data(), DAYS, st.integers(1, 200))
    def test_burn_succeeds_exactly_when_available(
        self, policy: Overdraft | None, data: st.DataObject, at: datetime, points: int
    ) -> None:
        """Not before the last fact, a burn goes through exactly when it asks no more than is available."""
        account = data.draw(points_accounts(overdraft=policy))
        available = account.available(at=at)
        assert available >= 0
        for asked in {points, available, available + 1} - {0}:
            answer = account.check_burn(asked, at=at)
            if account.ledger.last_at is not None and at < account.ledger.last_at:
                assert isinstance(answer, Refused)
                assert answer.refusal.reason is Reason.AT_BEFORE_LAST
            elif asked <= available:
                assert answer == Accepted(asked)
                burned = account.burn(asked, ref="probe", at=at).state
                assert burned.available(at=at) == available - asked
            else:
                assert isinstance(answer, Refused)
                assert answer.refusal.reason is Reason.POINTS_INSUFFICIENT
                assert answer.refusal.details["missing_points"] == asked - available

    @pytest.mark.law(10)
    @FEW
    @given(st.data(), st.lists(st.tuples(st.integers(0, 16), DAYS), max_size=4))
    def test_reports_change_nothing(
        self, policy: Overdraft | None, data: st.DataObject, reports: list[tuple[int, datetime]]
    ) -> None:
        """Reported never, once or often, whenever and dated anyhow: every later answer and every balance is the same."""
        calls = [call for call in data.draw(points_histories(calls_limit=16, overdraft=policy)) if call.verb != "report_expired"]
        reported = list(calls)
        for number, (place, at) in enumerate(reports):
            reported.insert(place, PointsCall(verb="report_expired", ref=f"report-{number}", at=at))
        silent, aloud = run(calls)[0], run(reported)[0]
        for member, account in silent.items():
            other = aloud[member].ledger
            # A report leaves its name, and up to when it went; nothing else.
            assert attrs.evolve(other, returned=account.ledger.returned, reported_at=account.ledger.reported_at) == account.ledger
            assert [account.books(at=at) for at in moments(account)] == [other.books(at=at) for at in moments(account)]

    @pytest.mark.law(10, 16)
    @FEW
    @given(st.data())
    def test_what_expired_and_what_is_due_next_are_what_the_lots_say(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """The quick answers, held against a plain look at every lot and every hold."""
        for account in run(data.draw(points_histories(calls_limit=20, overdraft=policy)))[0].values():
            ledger = account.ledger
            assert [ledger.expired(at=at) for at in moments(account)] == [ledger.books(at=at).expired for at in moments(account)]
            lots = [ledger.lot(lot_id) for lot_id in ledger.lots if ledger.lots[lot_id].remaining > 0]
            ends = [lot.available_at if lot.awaits else lot.expires_at for lot in lots]
            ends += [hold.until for hold in ledger.holds.values() if hold.is_open]
            later = [end for end in ends if end is not None and (ledger.reported_at is None or end > ledger.reported_at)]
            assert ledger.due_at == min(later, default=None)

    @pytest.mark.law(11)
    @FEW
    @given(st.data(), st.integers(1, 100))
    def test_soonest_expiry_first(self, policy: Overdraft | None, data: st.DataObject, points: int) -> None:
        """No lot that could be burned and was left untouched expires before one that was taken from."""
        account = data.draw(points_accounts(overdraft=policy))
        ledger = account.ledger
        at = max([ledger.last_at or T0, T0])
        answer = ledger.check_burn(points, at=at)
        if isinstance(answer, Refused):
            return
        taken, held = {part.lot_id: part.units for part in answer.value}, ledger.held(at)
        lots = {lot_id: ledger.lot(lot_id) for lot_id in ledger.lots}
        left = {lot_id: lot.remaining - held.get(lot_id, 0) for lot_id, lot in lots.items() if lot.is_live(at)}
        not_emptied = [lots[lot_id].burn_key for lot_id, units in left.items() if 0 < units > taken.get(lot_id, 0)]
        assert all(lots[lot_id].burn_key <= key for lot_id in taken for key in not_emptied)
        assert sum(taken.values()) == points
        assert [lots[lot_id].burn_key for lot_id in taken] == sorted(lots[lot_id].burn_key for lot_id in taken)

    @pytest.mark.law(12)
    @FEW
    @given(st.data(), st.integers(0, 30))
    def test_second_step_of_a_hold_never_fails(self, policy: Overdraft | None, data: st.DataObject, days: int) -> None:
        """Whatever happened meanwhile, an open hold can be captured and voided, late too; either resolves it once."""
        accounts = accounts_after(data.draw(points_histories(calls_limit=20, overdraft=policy)))
        for account in accounts.values():
            at = max([account.ledger.last_at or T0, T0]) + days * DAY
            for ref, hold in account.ledger.holds.items():
                if not hold.is_open:
                    assert 0 <= (hold.captured or 0) <= hold.units
                    continue
                captured, voided = account.capture(ref, at=at).state, account.void(ref, at=at).state
                assert captured.ledger.burns[ref].units == hold.units
                had = net(account, at) - account.books(at=at).forgiven  # what nobody pays may become more, or less
                counts = at < hold.until
                assert net(captured, at) - captured.books(at=at).forgiven == had - (0 if counts else hold.units)
                assert net(voided, at) - voided.books(at=at).forgiven == had + (hold.units if counts else 0)
                assert captured.capture(ref, at=at).facts == voided.void(ref, at=at).facts == ()
                for state, verb in ((captured, PointsAccount.void), (voided, PointsAccount.capture)):
                    with pytest.raises(RefusedError) as refused:
                        verb(state, ref, at=at)
                    assert refused.value.refusal.reason is Reason.HOLD_RESOLVED

    @pytest.mark.law(12)
    @FEW
    @given(st.data(), st.integers(1, 40))
    def test_hold_then_void_changes_nothing(self, policy: Overdraft | None, data: st.DataObject, points: int) -> None:
        """A hold that is given up leaves every lot and every balance as it was; while it counts, no part of it expires."""
        account = data.draw(points_accounts(calls_limit=20, overdraft=policy))
        at = max([account.ledger.last_at or T0, T0])
        # A span that moves on lengthens lives, and a debt that waits may be paid: neither is what this is about.
        if points > account.available(at=at) or account.ledger.spans or has_open_settlement(account):
            return
        held = account.hold(points, ref="probe", until=at + 100 * DAY, at=at).state
        for moment in moments(account):
            expired = [state.books(at=moment).expired for state in (account, held)]
            assert held.balance(at=moment).held == account.balance(at=moment).held + points * (moment < at + 100 * DAY)
            assert expired[1] <= expired[0]
        after = held.void("probe", at=at).state
        assert after.ledger.lots == account.ledger.lots
        assert [after.books(at=moment) for moment in moments(account)] == [account.books(at=one) for one in moments(account)]

    @pytest.mark.law(13)
    @FEW
    @given(st.data())
    def test_nothing_comes_back_beyond_what_went(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """Refunds of a burn never pass it; revocations of a lot never pass it; one more unit is refused."""
        account = data.draw(points_accounts(calls_limit=20, overdraft=policy))
        at, ledger = day(300), account.ledger
        for ref, take in ledger.burns.items():
            assert 0 <= take.given_back <= take.units
            with pytest.raises(RefusedError) as refused:
                account.refund_burn(ref, take.units - take.given_back + 1, ref="probe", at=at)
            assert refused.value.refusal.reason is Reason.BURN_EXCEEDED
        for lot in ledger.lots.values():
            assert 0 <= lot.revoked + lot.renewed <= lot.granted
            assert min(lot.burned, lot.moved, lot.paid_in, lot.paid_out, lot.forgiven) >= 0
        for ref in {lot.earn_ref for lot in ledger.lots.values()}:
            left = sum(lot.revocable for lot in ledger.lots.values() if lot.earn_ref == ref)
            with pytest.raises(RefusedError) as refused:
                account.revoke(ref, left + 1, ref="probe", overdraft=Overdraft.CARRY, at=at)
            assert refused.value.refusal.reason is Reason.EARNING_EXCEEDED

    @pytest.mark.law(13)
    @FEW
    @given(st.data(), st.lists(st.integers(1, 20), min_size=1, max_size=5))
    def test_partial_refunds_equal_one(self, policy: Overdraft | None, data: st.DataObject, parts: list[int]) -> None:
        """Points of a burn given back in parts end where giving them back at once does.

        While a debt waits to be paid, the first part may pay what another lot would have: then the sums are the same.
        """
        account = data.draw(points_accounts(calls_limit=20, overdraft=policy))
        at = day(300)
        for ref, take in account.ledger.burns.items():
            if sum(parts) > take.units - take.given_back:
                continue
            once, bit_by_bit = account.refund_burn(ref, sum(parts), ref="once", at=at).state, account
            for number, units in enumerate(parts):
                bit_by_bit = bit_by_bit.refund_burn(ref, units, ref=f"part-{number}", at=at).state
            assert bit_by_bit.ledger.burns == once.ledger.burns
            assert net(bit_by_bit, at) == net(once, at)
            if not has_open_settlement(account):
                assert bit_by_bit.ledger.lots == once.ledger.lots

    @pytest.mark.law(14)
    @FEW
    @given(st.data(), st.sampled_from(Overdraft))
    def test_undoing_everything_leaves_nothing(self, policy: Overdraft | None, data: st.DataObject, last: Overdraft) -> None:
        """Void every hold, refund every burn, undo every transfer and adjustment, revoke every lot: nothing is left, or owed."""
        after = undone(accounts_after(data.draw(points_histories(calls_limit=24, overdraft=policy))), last, day(500))
        for account in after.values():
            for lot in account.ledger.lots.values():
                assert (lot.remaining, lot.burned, lot.moved, lot.paid_in, lot.paid_out, lot.forgiven) == (0, 0, 0, 0, 0, 0)
            assert account.balance(at=day(500)) == Balance(available=0, pending=0, held=0, debt=0)
            assert account.books(at=T0).balanced

    @pytest.mark.law(15)
    @FEW
    @given(st.data())
    def test_nothing_is_minted(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """No lot ever holds more than was granted to it and not taken back; one that holds something owes nothing."""
        for account in accounts_after(data.draw(points_histories(calls_limit=24, overdraft=policy))).values():
            for lot in account.ledger.lots.values():
                assert lot.remaining <= lot.granted - lot.revoked - lot.renewed
                assert lot.remaining <= 0 or lot.paid_in == lot.forgiven == 0

    @pytest.mark.law(15)
    @FEW
    @given(st.data())
    def test_reversals_commute(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """The refund of a burn and the return of an earning lead to the same lots in either order.

        While debts wait to be paid, who pays depends on who comes first: then the sums are the same.
        """
        account = data.draw(points_accounts(calls_limit=20, overdraft=policy))
        overdraft = policy or data.draw(st.sampled_from(Overdraft))
        at, burns, lots = day(300), account.ledger.burns, account.ledger.lots
        if not burns or overdraft is Overdraft.REJECT:  # which of the two comes first decides whether it is rejected
            return
        burn, earned = data.draw(st.sampled_from(sorted(burns))), data.draw(st.sampled_from(sorted(lots)))
        earn_ref = lots[earned].earn_ref

        def refund(state: PointsAccount) -> PointsAccount:
            return state.refund_burn(burn, ref="back", at=at).state

        def revoke(state: PointsAccount) -> PointsAccount:
            return state.revoke(earn_ref, ref="return", overdraft=overdraft, at=at).state

        one, other = refund(revoke(account)), revoke(refund(account))
        assert net(one, at) == net(other, at)
        assert (
            one.balance(at=at).available - one.balance(at=at).debt == other.balance(at=at).available - other.balance(at=at).debt
        )
        if not has_open_settlement(account) and overdraft is not Overdraft.SETTLE:
            assert one.ledger.lots == other.ledger.lots

    @pytest.mark.law(16)
    @FEW
    @given(st.data(), DAYS, DAYS)
    def test_available_changes_only_at_its_instants(
        self, policy: Overdraft | None, data: st.DataObject, one: datetime, other: datetime
    ) -> None:
        """Between two marks nothing changes; an end alone never raises what is available, an opening alone never lowers it."""
        account = data.draw(points_accounts(calls_limit=20, overdraft=policy))
        ledger, (first, last) = account.ledger, sorted((one, other))
        opening = {lot.available_at for lot in ledger.lots.values() if not lot.awaits} | {
            hold.until for hold in ledger.holds.values()
        }
        known = account.available(at=first)
        for mark in sorted(mark for mark in marks(ledger) if first < mark <= last):
            now = account.available(at=mark)
            assert account.available(at=mark - TICK) == known
            assert account.available(at=mark + TICK) == now
            assert mark in opening or now <= known
            known = now
        assert account.available(at=last) == known

    @pytest.mark.law(17)
    @FEW
    @given(st.data())
    def test_what_was_known_stays_known(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """Replaying the first facts gives for ever the account that was known then, whatever came later."""
        accounts = {member: PointsAccount.open(member) for member in MEMBERS}
        known = {member: {0: account} for member, account in accounts.items()}
        facts: dict[str, list[Fact]] = {member: [] for member in MEMBERS}
        for call in data.draw(points_histories(calls_limit=16, overdraft=policy)):
            for posting in answer(call, accounts)[0]:
                member = posting.state.member_id
                accounts[member] = posting.state
                facts[member] += posting.facts
                known[member][len(facts[member])] = posting.state
        for member, states in known.items():
            assert {version: PointsAccount.replay(member, facts[member][:version]) for version in states} == states

    @pytest.mark.law(18)
    @FEW
    @given(st.data(), DAYS)
    def test_renaming_shifting_and_scaling(self, policy: Overdraft | None, data: st.DataObject, at: datetime) -> None:
        """Renaming refs in their order changes nothing, shifting instants shifts results, scaling points scales balances.

        An end that is counted in days of the calendar moves with whole days alone.
        """
        calls = data.draw(points_histories(calls_limit=20, overdraft=policy))
        shift = timedelta(days=97, hours=0 if any(call.lasts for call in calls) else 5)
        taking = {"earn", "burn", "hold", "transfer", "adjust_down"}
        changed = [
            attrs.evolve(
                call,
                ref=f"x{call.ref}",
                of=f"x{call.of}",
                points=(call.points or 1) * 3 if call.verb in taking else call.points and call.points * 3,
                at=call.at + shift,
            )
            for call in calls
        ]
        ours, theirs = accounts_after(calls), accounts_after(changed)
        for member, account in ours.items():
            mine, other = account.books(at=at), theirs[member].books(at=at + shift)
            assert attrs.asdict(other) == {name: value * 3 for name, value in attrs.asdict(mine).items()}
            assert [f"x{lot_id}" for lot_id in account.ledger.lots] == list(theirs[member].ledger.lots)

    @pytest.mark.law(18)
    @FEW
    @given(st.data())
    def test_members_do_not_touch_each_other(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """But for transfers, two members' calls interleaved do what they do apart."""
        calls = data.draw(points_histories(calls_limit=20, overdraft=policy))
        apart = [call for call in calls if call.verb not in {"transfer", "undo_transfer"}]
        together = accounts_after(apart)
        for member in MEMBERS:
            assert accounts_after([call for call in apart if call.who == member])[member] == together[member]

    @pytest.mark.law(18)
    @FEW
    @given(st.data())
    def test_accounts_do_not_touch_each_other(self, policy: Overdraft | None, data: st.DataObject) -> None:
        """A ledger passes over the facts of other accounts: interleaved is the same as apart."""
        ours, theirs = (run(data.draw(points_histories(overdraft=policy))) for _ in range(2))
        strange = [attrs.evolve(fact, account="miles") for fact in theirs[1]["m-42"] if isinstance(fact, LedgerFact)]
        mixed = [fact for pair in itertools.zip_longest(ours[1]["m-42"], strange) for fact in pair if fact is not None]
        assert Ledger(account="points").folded(mixed) == ours[0]["m-42"].ledger

    @pytest.mark.law(19)
    @FEW
    @given(st.data(), st.integers(1, 60))
    def test_transfer_keeps_the_total_and_every_term(self, policy: Overdraft | None, data: st.DataObject, points: int) -> None:
        """What two members have together is the same at every instant, and what moved opens and ends when it would have."""
        accounts = accounts_after(data.draw(points_histories(calls_limit=16, overdraft=policy)))
        giver, taker = (accounts[member] for member in MEMBERS)
        at = max([giver.ledger.last_at or T0, T0])
        if points > giver.available(at=at):
            return
        moved = giver.transfer(points, to=taker, ref="gift", at=at)
        after = (moved.giver.state, moved.taker.state)
        parts, lots = after[0].ledger.transfers["gift"].parts, after[1].ledger.lots
        assert sum(part.units for part in parts) == points
        for number, part in enumerate(parts, start=1):
            source, lot = giver.ledger.lot(part.lot_id), lots[f"gift/moved-{number}"]
            assert (lot.granted, lot.granted_at) == (part.units, source.granted_at)
            assert (lot.available_at, lot.expires_at) == (source.available_at, source.expires_at)
        for moment in moments(*accounts.values()):
            assert sum(net(account, moment) for account in after) == net(giver, moment) + net(taker, moment)
            # Before it, a hold may have kept what was moved once it had ended: only the sum was the same then.
            if moment >= at and not has_open_settlement(taker):
                before = giver.books(at=moment) + taker.books(at=moment)
                now = after[0].books(at=moment) + after[1].books(at=moment)
                assert (now.pending, now.live, now.expired, now.debt) == (
                    before.pending,
                    before.live,
                    before.expired,
                    before.debt,
                )


class TestBruteForce:
    @pytest.mark.law(11)
    @given(
        st.lists(st.tuples(st.integers(1, 5), st.none() | st.integers(1, 4)), min_size=4, max_size=4),
        st.integers(1, 8),
        st.integers(1, 8),
    )
    def test_burn_order_minimises_what_expires(self, lots: list[tuple[int, int | None]], first: int, second: int) -> None:
        """Of all ways to serve two burns from four lots, no way serves both and lets less expire."""
        ledger = granted(*((str(place), units, 0, ends) for place, (units, ends) in enumerate(lots)))
        burns = ((first, 0), (second, 2))
        after = ledger
        for number, (units, when) in enumerate(burns):
            if isinstance(after.check_burn(units, at=day(when)), Refused):
                return
            after = kept(after, after.burn(units, ref=str(number), at=day(when)))
        ours = after.books(at=day(10)).expired

        def least_expired(left: tuple[int, ...], todo: tuple[tuple[int, int], ...]) -> int:
            if not todo:
                return sum(units for units, (_, ends) in zip(left, lots, strict=True) if ends is not None)
            (units, when), *rest = todo
            ways = itertools.product(
                *(range((have if ends is None or when < ends else 0) + 1) for have, (_, ends) in zip(left, lots, strict=True))
            )
            return min(
                (
                    least_expired(tuple(a - b for a, b in zip(left, way, strict=True)), tuple(rest))
                    for way in ways
                    if sum(way) == units
                ),
                default=10**6,
            )

        assert ours == least_expired(tuple(units for units, _ in lots), burns)


class TestGrant:
    def test_lot_is_named_by_ref_and_rule(self) -> None:
        """A lot is `ref/rule`, available at once when nothing else is said."""
        (fact,) = Ledger(account="points").grant(5, ref="1", rule="base", available_at=None, expires_at=None, at=T0)
        assert fact == Granted(account="points", ref="1", rule="base", units=5, available_at=T0, at=T0)
        assert fact.lot_id == "1/base"

    @pytest.mark.parametrize("units", [0, -1, True, 1.0])
    def test_points_are_counted(self, units: int) -> None:
        """Only whole numbers from one up are points."""
        with pytest.raises(UsageError, match="points must be a whole number"):
            Ledger(account="points").grant(units, ref="1", rule="base", available_at=None, expires_at=None, at=T0)

    @pytest.mark.parametrize(
        "opens,ends",
        [(None, 0), (None, -1), (5, 5), (5, 4), (-5, 0), (-5, -1)],
    )
    def test_empty_window_is_a_usage_error(self, opens: int | None, ends: int) -> None:
        """What ends before it begins, or before it was earned, was never worth anything."""
        with pytest.raises(UsageError, match="expires_at must be after"):
            Ledger(account="points").grant(
                1, ref="1", rule="base", available_at=None if opens is None else day(opens), expires_at=day(ends), at=T0
            )

    def test_smallest_window(self) -> None:
        """One microsecond is enough."""
        facts = Ledger(account="points").grant(
            1, ref="1", rule="base", available_at=None, expires_at=T0 + timedelta(microseconds=1), at=T0
        )
        assert len(facts) == 1

    def test_again_gives_nothing(self) -> None:
        """The same earning again gives no facts, whenever it is said."""
        ledger = granted(("1", 5, 0, 9))
        assert ledger.grant(5, ref="1", rule="base", available_at=T0, expires_at=day(9), at=day(3)) == ()
        assert ledger.grant(5, ref="1", rule="base", available_at=None, expires_at=day(9), at=day(3)) == ()

    @pytest.mark.parametrize(
        "units,opens,ends,field",
        [(6, 0, 9, "points"), (5, 1, 9, "available_at"), (5, 0, 8, "expires_at"), (5, 0, None, "expires_at")],
    )
    def test_other_content_is_key_reused(self, units: int, opens: int, ends: int | None, field: str) -> None:
        """The same ref and rule with other content is refused, naming what differs."""
        with pytest.raises(RefusedError) as refused:
            granted(("1", 5, 0, 9)).grant(
                units, ref="1", rule="base", available_at=day(opens), expires_at=None if ends is None else day(ends), at=T0
            )
        assert refused.value.refusal.reason is Reason.KEY_REUSED
        assert refused.value.refusal.details == {"key": "earn:1", "fields": (field,)}

    def test_naive_time_is_a_usage_error(self) -> None:
        """A time without a zone is nobody's time."""
        naive = T0.replace(tzinfo=None)
        ledger = Ledger(account="points")
        for times in ({"at": naive}, {"at": T0, "available_at": naive}, {"at": T0, "expires_at": naive}):
            with pytest.raises(UsageError, match=rf"^{list(times)[-1]} must be a timezone-aware"):
                ledger.grant(1, ref="1", rule="base", **{"available_at": None, "expires_at": None, **times})  # type: ignore[arg-type]


class TestBurn:
    def test_takes_soonest_expiry_then_availability_then_id(self) -> None:
        """The burn order, all three keys at once; what never expires comes last."""
        ledger = granted(("never", 1, 0, None), ("b", 1, 1, 9), ("a", 1, 1, 9), ("z", 1, 0, 9), ("soon", 1, 2, 8))
        (fact,) = ledger.burn(5, ref="x", at=day(3))
        assert isinstance(fact, Burned)
        assert [part.lot_id for part in fact.parts] == ["soon/base", "z/base", "a/base", "b/base", "never/base"]

    def test_takes_only_what_is_live(self) -> None:
        """Pending and expired lots are left alone: the first instant is inside, the last outside."""
        ledger = granted(("early", 5, 0, 3), ("late", 5, 3, 9))
        assert [ledger.available(at=day(number)) for number in (-1, 0, 2, 3, 8, 9)] == [0, 5, 5, 5, 5, 0]
        assert ledger.check_burn(5, at=day(3)) == Accepted((Part("late/base", 5),))

    def test_insufficient_says_how_far_off(self) -> None:
        """The refusal carries what was asked, what there is, and what is missing."""
        answer = granted(("1", 60, 0, None)).check_burn(100, at=T0)
        assert isinstance(answer, Refused)
        assert answer.refusal.details == {"asked_points": 100, "available_points": 60, "missing_points": 40}

    def test_before_the_last_fact_is_refused(self) -> None:
        """A burn dated before what is known would rewrite history; at the same instant it is fine."""
        ledger = kept(granted(("1", 60, 0, None)), granted(("1", 60, 0, None)).burn(1, ref="x", at=day(5)))
        answer = ledger.check_burn(1, at=day(5) - timedelta(microseconds=1))
        assert isinstance(answer, Refused)
        assert answer.refusal.details == {"at": "2026-01-05T23:59:59.999999Z", "last_at": "2026-01-06T00:00:00Z"}
        assert isinstance(ledger.check_burn(1, at=day(5)), Accepted)

    def test_again_gives_nothing_even_when_all_is_spent(self) -> None:
        """A retry of a burn hears the first answer, not "insufficient"; other content is refused."""
        ledger = granted(("1", 60, 0, None))
        ledger = kept(ledger, ledger.burn(60, ref="x", at=T0))
        assert ledger.burn(60, ref="x", at=day(-3)) == ()
        with pytest.raises(RefusedError) as refused:
            ledger.burn(59, ref="x", at=T0)
        assert refused.value.refusal.details == {"key": "burn:x", "fields": ("points",)}

    def test_debt_is_netted_before_a_burn(self) -> None:
        """Under carry a debt stands against whatever else there is."""
        ledger = granted(("a", 100, 0, None))
        ledger = kept(ledger, ledger.burn(60, ref="x", at=T0))
        ledger = kept(ledger, ledger.revoke("a", ref="r", overdraft=Overdraft.CARRY, at=T0))
        ledger = kept(ledger, ledger.grant(80, ref="b", rule="base", available_at=None, expires_at=None, at=T0))
        assert ledger.balance(at=T0) == Balance(available=20, pending=0, held=0, debt=60)
        assert isinstance(ledger.check_burn(20, at=T0), Accepted)
        assert isinstance(ledger.check_burn(21, at=T0), Refused)

    @pytest.mark.parametrize("units", [0, -1, True])
    def test_points_are_counted(self, units: int) -> None:
        """Only whole numbers from one up can be burned."""
        with pytest.raises(UsageError, match="points must be a whole number"):
            granted(("1", 60, 0, None)).check_burn(units, at=T0)

    def test_naive_time_is_a_usage_error(self) -> None:
        """A time without a zone is nobody's time."""
        with pytest.raises(UsageError, match="at must be"):
            granted(("1", 60, 0, None)).check_burn(1, at=T0.replace(tzinfo=None))


class TestRefundBurn:
    def test_last_taken_goes_back_first(self) -> None:
        """A partial refund walks back through the lots, and goes on where the last one stopped."""
        ledger = granted(("a", 3, 0, 5), ("b", 4, 0, 9))
        ledger = kept(ledger, ledger.burn(7, ref="x", at=T0))
        for ref, units, expected in [
            ("r1", 1, (Part("b/base", 1),)),
            ("r2", 4, (Part("b/base", 3), Part("a/base", 1))),
            ("r3", None, (Part("a/base", 2),)),
        ]:
            (fact,) = ledger.refund_burn("x", units, ref=ref, at=T0)
            assert isinstance(fact, BurnRefunded)
            assert (fact.burn_ref, fact.parts) == ("x", expected)
            ledger = kept(ledger, [fact])
        assert ledger.refund_burn("x", ref="r4", at=T0) == ()
        assert ledger.balance(at=T0).available == 7

    def test_into_an_expired_lot_is_expired(self) -> None:
        """What goes back to a lot whose time is over is over."""
        ledger = granted(("a", 10, 0, 5))
        ledger = kept(ledger, ledger.burn(10, ref="x", at=T0))
        ledger = kept(ledger, ledger.refund_burn("x", ref="r", at=day(6)))
        assert ledger.balance(at=day(6)) == Balance(available=0, pending=0, held=0, debt=0)
        assert ledger.books(at=day(6)).expired == 10

    def test_again_and_refusals(self) -> None:
        """The same refund gives nothing; another under its ref, too much, or of no burn is refused."""
        ledger = granted(("a", 10, 0, None))
        ledger = kept(ledger, ledger.burn(10, ref="x", at=T0))
        ledger = kept(ledger, ledger.refund_burn("x", 4, ref="r", at=T0))
        assert ledger.refund_burn("x", 4, ref="r", at=T0) == ()
        assert ledger.refund_burn("x", ref="r", at=T0) == ()
        assert ledger.refund_burn("x", 4, ref="r", extended_until=day(1), at=day(9)) == ()
        for burn_ref, units, ref, details in [
            ("x", 5, "r", {"key": "refund_burn:r", "fields": ("points",)}),
            ("y", 4, "r", {"key": "refund_burn:r", "fields": ("burn_ref",)}),
            ("y", 4, "s", {"burn_ref": "y"}),
            ("x", 7, "s", {"burn_ref": "x", "asked_points": 7, "left_points": 6}),
        ]:
            with pytest.raises(RefusedError) as refused:
                ledger.refund_burn(burn_ref, units, ref=ref, at=T0)
            assert refused.value.refusal.details == details
        with pytest.raises(UsageError, match="points must be a whole number"):
            ledger.refund_burn("x", 0, ref="s", at=T0)


class TestRevoke:
    def test_below_zero_is_the_debt_of_its_purchase(self) -> None:
        """What was spent and must be given back stands on the lot that caused it."""
        ledger = granted(("a", 100, 0, None), ("b", 5, 0, None))
        ledger = kept(ledger, ledger.burn(60, ref="x", at=T0))
        ledger = kept(ledger, ledger.revoke("a", ref="r", overdraft=Overdraft.CARRY, at=T0))
        assert ledger.lots["a/base"].remaining == -60
        assert ledger.balance(at=T0) == Balance(available=0, pending=0, held=0, debt=60)

    def test_all_lots_of_a_ref_the_latest_first(self) -> None:
        """Without a rule, a revocation takes from the latest lot of the ref first, whatever order they were stored in."""
        ledger = Ledger(account="points")
        for rule, units, at in [("zeta", 5, day(1)), ("alpha", 5, day(2)), ("beta", 5, day(2))]:
            ledger = kept(ledger, ledger.grant(units, ref="a", rule=rule, available_at=None, expires_at=None, at=at))
        (fact,) = ledger.revoke("a", 12, ref="r", overdraft=Overdraft.CARRY, at=day(3))
        assert isinstance(fact, Revoked)
        assert fact.parts == (Part("a/beta", 5), Part("a/alpha", 5), Part("a/zeta", 2))
        shuffled = attrs.evolve(ledger, lots=type(ledger.lots)({name: ledger.lots[name] for name in sorted(ledger.lots)}))
        assert shuffled == ledger
        assert shuffled.revoke("a", 12, ref="r", overdraft=Overdraft.CARRY, at=day(3)) == (fact,)
        (rest,) = kept(ledger, [fact]).revoke("a", ref="s", overdraft=Overdraft.CARRY, at=day(3))
        assert isinstance(rest, Revoked)
        assert rest.parts == (Part("a/zeta", 3),)

    def test_one_rule_only(self) -> None:
        """With a rule, only its lot is taken from, and only its lot counts."""
        ledger = Ledger(account="points")
        for rule in ("base", "bonus"):
            ledger = kept(ledger, ledger.grant(5, ref="a", rule=rule, available_at=None, expires_at=None, at=T0))
        (fact,) = ledger.revoke("a", ref="r", rule="base", overdraft=Overdraft.CARRY, at=T0)
        assert isinstance(fact, Revoked)
        assert fact.parts == (Part("a/base", 5),)
        with pytest.raises(RefusedError) as refused:
            ledger.revoke("a", 6, ref="r", rule="base", overdraft=Overdraft.CARRY, at=T0)
        assert refused.value.refusal.details == {"earn_ref": "a", "asked_points": 6, "left_points": 5}

    def test_refs_with_slashes_stay_apart(self) -> None:
        """Order "a" and order "a/b" share no lot, though one name begins with the other."""
        ledger = granted(("a", 10, 0, None), ("a/b", 7, 0, None))
        ledger = kept(ledger, ledger.revoke("a", ref="r", overdraft=Overdraft.CARRY, at=T0))
        assert {name: lot.remaining for name, lot in ledger.lots.items()} == {"a/base": 0, "a/b/base": 7}

    def test_again_and_refusals(self) -> None:
        """The same revocation gives nothing; another under its ref, too much, or of nothing earned is refused."""
        ledger = granted(("a", 10, 0, None))
        ledger = kept(ledger, ledger.revoke("a", 4, ref="r", overdraft=Overdraft.CARRY, at=T0))
        assert ledger.revoke("a", 4, ref="r", overdraft=Overdraft.CARRY, at=T0) == ()
        assert ledger.revoke("a", ref="r", overdraft=Overdraft.CARRY, at=T0) == ()
        for earn_ref, units, ref, reason, details in [
            ("a", 5, "r", Reason.KEY_REUSED, {"key": "revoke:r", "fields": ("points",)}),
            ("b", 4, "r", Reason.KEY_REUSED, {"key": "revoke:r", "fields": ("earn_ref",)}),
            ("b", 4, "s", Reason.EARNING_NOT_FOUND, {"earn_ref": "b"}),
            ("a", 7, "s", Reason.EARNING_EXCEEDED, {"earn_ref": "a", "asked_points": 7, "left_points": 6}),
        ]:
            with pytest.raises(RefusedError) as refused:
                ledger.revoke(earn_ref, units, ref=ref, overdraft=Overdraft.CARRY, at=T0)
            assert refused.value.refusal.reason is reason
            assert refused.value.refusal.details == details
        ledger = kept(ledger, ledger.revoke("a", ref="all", overdraft=Overdraft.CARRY, at=T0))
        assert ledger.revoke("a", ref="more", overdraft=Overdraft.CARRY, at=T0) == ()
        with pytest.raises(UsageError, match="points must be a whole number"):
            ledger.revoke("a", 0, ref="s", overdraft=Overdraft.CARRY, at=T0)
        with pytest.raises(UsageError, match="at must be"):
            ledger.revoke("a", 1, ref="s", overdraft=Overdraft.CARRY, at=T0.replace(tzinfo=None))

    def test_reject_refuses_what_was_spent(self) -> None:
        """Under reject a revocation takes what is left of its own lots, and is refused when that is not enough."""
        ledger = granted(("a", 10, 0, None), ("b", 50, 0, None))
        ledger = kept(ledger, ledger.burn(6, ref="x", at=T0))
        assert len(ledger.revoke("a", 4, ref="r", overdraft=Overdraft.REJECT, at=T0)) == 1
        with pytest.raises(RefusedError) as refused:
            ledger.revoke("a", 7, ref="r", overdraft=Overdraft.REJECT, at=T0)
        assert refused.value.refusal.reason is Reason.POINTS_INSUFFICIENT
        assert refused.value.refusal.details == {"asked_points": 7, "available_points": 4, "missing_points": 3}

    def test_reject_on_a_lot_in_debt(self) -> None:
        """A lot below zero has nothing left to take, and no less than nothing."""
        ledger = granted(("a", 10, 0, None))
        ledger = kept(ledger, ledger.burn(8, ref="x", at=T0))
        ledger = kept(ledger, ledger.revoke("a", 5, ref="r", overdraft=Overdraft.CARRY, at=T0))
        with pytest.raises(RefusedError) as refused:
            ledger.revoke("a", 2, ref="s", overdraft=Overdraft.REJECT, at=T0)
        assert refused.value.refusal.details == {"asked_points": 2, "available_points": 0, "missing_points": 2}


class TestAdjust:
    def test_takes_and_gives_back(self) -> None:
        """An adjustment takes in burn order and says why; reversing it gives all of it back."""
        ledger = granted(("a", 3, 0, 5), ("b", 4, 0, 9))
        (fact,) = ledger.adjust_down(5, ref="t-1", reason="wrong scan", actor="eva", at=T0)
        parts = (Part("a/base", 3), Part("b/base", 2))
        assert fact == Adjusted(account="points", ref="t-1", parts=parts, reason="wrong scan", actor="eva", at=T0)
        ledger = kept(ledger, [fact])
        assert ledger.available(at=T0) == 2
        (back,) = ledger.reverse_adjustment("t-1", ref="t-2", at=T0)
        back_parts = (Part("b/base", 2), Part("a/base", 3))
        assert back == AdjustmentReversed(account="points", ref="t-2", adjustment_ref="t-1", parts=back_parts, at=T0)
        ledger = kept(ledger, [back])
        assert ledger.available(at=T0) == 7
        assert ledger.reverse_adjustment("t-1", ref="t-2", at=T0) == ()
        assert ledger.reverse_adjustment("t-1", ref="t-3", at=T0) == ()

    def test_may_be_backdated(self) -> None:
        """Unlike a burn, an adjustment may lie before the last fact: it takes what was live then."""
        ledger = granted(("a", 3, 0, 5), ("b", 4, 6, 9))
        ledger = kept(ledger, ledger.burn(1, ref="x", at=day(7)))
        (fact,) = ledger.adjust_down(3, ref="t", reason="late", actor="eva", at=day(1))
        assert isinstance(fact, Adjusted)
        assert fact.parts == (Part("a/base", 3),)

    def test_refusals(self) -> None:
        """It takes no more than is available, and its ref is used once."""
        ledger = granted(("a", 3, 0, 5))
        with pytest.raises(RefusedError) as refused:
            ledger.adjust_down(4, ref="t", reason="r", actor="e", at=T0)
        assert refused.value.refusal.reason is Reason.POINTS_INSUFFICIENT
        ledger = kept(ledger, ledger.adjust_down(2, ref="t", reason="r", actor="e", at=T0))
        assert ledger.adjust_down(2, ref="t", reason="r", actor="e", at=T0) == ()
        with pytest.raises(RefusedError) as refused:
            ledger.adjust_down(1, ref="t", reason="r", actor="e", at=T0)
        assert refused.value.refusal.details == {"key": "adjust:t", "fields": ("points",)}
        with pytest.raises(RefusedError) as refused:
            ledger.reverse_adjustment("u", ref="v", at=T0)
        assert refused.value.refusal.details == {"burn_ref": "u"}
        ledger = kept(ledger, ledger.adjust_down(1, ref="w", reason="r", actor="e", at=T0))
        ledger = kept(ledger, ledger.reverse_adjustment("t", ref="v", at=T0))
        with pytest.raises(RefusedError) as refused:
            ledger.reverse_adjustment("w", ref="v", at=T0)
        assert refused.value.refusal.details == {"key": "reverse_adjustment:v", "fields": ("burn_ref",)}
        with pytest.raises(UsageError, match="points must be a whole number"):
            ledger.adjust_down(0, ref="t", reason="r", actor="e", at=T0)


class TestTerms:
    @pytest.mark.parametrize(
        "fields,said",
        [
            ({"rule": "moved-1"}, "rule must not be named"),
            ({"rule": "renewed-12"}, "rule must not be named"),
            ({"awaits": "delivered"}, "available_at must be the deadline"),
            ({"lasts": FROM_RELEASE}, "lasts must be sliding or come with awaits"),
            ({"lasts": SLIDING, "expires_at": day(9)}, "lasts must be sliding or come with awaits"),
        ],
    )
    def test_are_checked(self, fields: dict[str, Any], said: str) -> None:
        """No lot has two ends, an end that nothing would tell, or the name of one that units went on to."""
        terms = {"rule": "base", "available_at": None, "expires_at": None, **fields}
        with pytest.raises(UsageError, match=said):
            Ledger(account="points").grant(1, ref="1", at=T0, **terms)

    def test_release(self) -> None:
        """What awaits an event can be used from it on; too late is refused, and once is enough."""
        ledger = Ledger(account="points")
        terms: dict[str, Any] = {"available_at": day(5), "expires_at": None, "awaits": "delivered", "lasts": FROM_RELEASE}
        ledger = kept(ledger, ledger.grant(3, ref="1", rule="base", at=T0, **terms))
        assert ledger.balance(at=day(4)) == Balance(available=0, pending=3, held=0, debt=0)
        assert ledger.books(at=day(5)).expired == 3
        for event, at, reason in [("paid", day(1), Reason.EARNING_NOT_FOUND), ("delivered", day(5), Reason.RELEASE_TOO_LATE)]:
            with pytest.raises(RefusedError) as refused:
                ledger.release("1", event=event, at=at)
            assert refused.value.refusal.reason is reason
        ledger = kept(ledger, ledger.release("1", event="delivered", at=day(4)))
        assert [ledger.available(at=day(number)) for number in (3, 4, 9, 10)] == [0, 3, 3, 0]
        assert ledger.release("1", event="delivered", at=day(9)) == ()
        assert ledger.grant(3, ref="1", rule="base", at=T0, **terms) == ()


class TestHold:
    def test_ends_after_it_begins(self) -> None:
        """One microsecond is enough."""
        ledger = granted(("1", 5, 0, None))
        with pytest.raises(UsageError, match="until must be after"):
            ledger.hold(1, ref="x", until=T0, at=T0)
        assert len(ledger.hold(1, ref="x", until=T0 + TICK, at=T0)) == 1

    def test_again_and_refusals(self) -> None:
        """The same hold gives nothing; a hold and a burn share their names; it is resolved once, by no more than it holds."""
        ledger = granted(("1", 9, 0, None))
        ledger = kept(ledger, ledger.burn(1, ref="b", at=T0))
        for ref in ("x", "y"):
            ledger = kept(ledger, ledger.hold(2, ref=ref, until=day(2), at=T0))
        for until, at in ((2, 1), (3, 1), (2, 9), (9, 8)):
            assert ledger.hold(2, ref="x", until=day(until), at=day(at)) == ()  # made again, with whatever clock
        ledger = kept(ledger, ledger.void("y", at=T0))
        assert ledger.burn(1, ref="y", at=T0) != ()  # given up, it leaves its name to a burn
        calls: list[tuple[Callable[[], object], Reason]] = [
            (lambda: ledger.hold(3, ref="x", until=day(2), at=T0), Reason.KEY_REUSED),
            (lambda: ledger.hold(1, ref="b", until=day(2), at=T0), Reason.KEY_REUSED),
            (lambda: ledger.burn(2, ref="x", at=T0), Reason.KEY_REUSED),
            (lambda: ledger.capture("x", 3, at=T0), Reason.HOLD_EXCEEDED),
            (lambda: ledger.capture("y", at=T0), Reason.HOLD_RESOLVED),
            (lambda: ledger.capture("z", at=T0), Reason.HOLD_NOT_FOUND),
            (lambda: ledger.void("z", at=T0), Reason.HOLD_NOT_FOUND),
        ]
        for call, reason in calls:
            with pytest.raises(RefusedError) as refused:
                call()
            assert refused.value.refusal.reason is reason

    def test_reported_at_its_very_end_it_is_due_no_more(self) -> None:
        """What ends at an instant is over at that instant: a report of then has told it, and the next end is due."""
        ledger = granted(("1", 9, 0, 3), ("2", 5, 0, 4))
        assert ledger.due_at == day(3)
        ledger = kept(ledger, ledger.report_expired(ref="r", at=day(3)))
        assert (ledger.due_at, ledger.expired(at=day(3))) == (day(4), 9)
        ledger = kept(ledger, ledger.hold(5, ref="h", until=day(3) + TICK, at=day(3)))
        assert ledger.due_at == day(3) + TICK
        ledger = kept(ledger, ledger.report_expired(ref="s", at=day(3) + TICK))
        assert ledger.due_at == day(4)

    @pytest.mark.law(12)
    def test_given_up_and_burned_all_the_same(self) -> None:
        """For an order that was paid: late, once, below zero where it must be; not where its name went to a burn."""
        ledger = granted(("1", 9, 0, None))
        ledger = kept(ledger, ledger.hold(6, ref="x", until=day(2), at=T0))
        free = kept(ledger, ledger.void("x", at=T0))
        spent = kept(free, free.burn(9, ref="b", at=T0))
        facts = spent.capture("x", given_up=True, at=T0)
        assert [(type(fact), getattr(fact, "late", None)) for fact in facts] == [(Captured, True)]
        owing = kept(spent, facts)
        assert owing.balance(at=T0).debt == 6
        assert owing.books(at=T0).balanced
        assert owing.capture("x", given_up=True, at=T0) == ()
        with pytest.raises(RefusedError) as refused:
            owing.void("x", at=T0)
        assert refused.value.refusal.reason is Reason.HOLD_RESOLVED
        named = kept(free, free.burn(1, ref="x", at=T0))
        with pytest.raises(RefusedError) as refused:
            named.capture("x", given_up=True, at=T0)
        assert refused.value.refusal.details == {"key": "capture:x", "fields": ("burn",)}
        captured = facts[0]
        assert isinstance(captured, Captured)
        for broken in (
            attrs.evolve(captured, late=False),  # in time, of a hold that was given up
            attrs.evolve(captured, ref="b"),  # of no hold at all
        ):
            with pytest.raises(CorruptStateError):
                spent.folded([broken])
        with pytest.raises(CorruptStateError):
            named.folded(facts)  # the name is another burn's

    def test_new_end_lies_ahead(self) -> None:
        """What goes back to an expired lot gets a later end than the refund itself."""
        ledger = granted(("1", 9, 0, 5))
        ledger = kept(ledger, ledger.burn(9, ref="x", at=T0))
        with pytest.raises(UsageError, match="extended_until must be after"):
            ledger.refund_burn("x", ref="r", extended_until=day(6), at=day(6))
        ledger = kept(ledger, ledger.refund_burn("x", 4, ref="r", extended_until=day(7), at=day(6)))
        assert ledger.lots["r/renewed-1"].earned_by == "1/base"
        assert [ledger.available(at=day(number)) for number in (5, 6, 7)] == [0, 4, 0]

    def test_renewed_units_pay_no_debt_of_their_own_lot(self) -> None:
        """What comes back to an expired lot that was taken back stays there: a new lot would live, and its debt for ever."""
        ledger = granted(("1", 10, 0, 5))
        ledger = kept(ledger, ledger.burn(10, ref="x", at=T0))
        ledger = kept(ledger, ledger.revoke("1", ref="return", overdraft=Overdraft.CARRY, at=T0))
        ledger = kept(ledger, ledger.refund_burn("x", ref="r", extended_until=day(20), at=day(6)))
        assert list(ledger.lots) == ["1/base"]
        assert ledger.balance(at=day(6)) == Balance(available=0, pending=0, held=0, debt=0)


class TestSums:
    def test_books_say_where_everything_is(self) -> None:
        """Pending, live, expired and owed, and what left."""
        ledger = granted(("pending", 1, 5, None), ("live", 20, 0, None), ("expired", 300, 0, 1), ("debt", 4000, -9, 2))
        ledger = kept(ledger, ledger.burn(1000, ref="x", at=T0))
        ledger = kept(ledger, ledger.revoke("debt", ref="r", overdraft=Overdraft.CARRY, at=T0))
        books = ledger.books(at=day(3))
        assert books == Books(granted=4321, revoked=4000, burned=1000, pending=1, live=20, expired=0, debt=700)
        assert books.balanced
        assert not attrs.evolve(books, live=21).balanced

    def test_books_add_up(self) -> None:
        """The books of two accounts are one book."""
        one = Books(granted=1, revoked=2, burned=3, pending=4, live=5, expired=6, debt=7)
        other = Books(granted=10, revoked=20, burned=30, pending=40, live=50, expired=60, debt=70)
        assert one + other == Books(granted=11, revoked=22, burned=33, pending=44, live=55, expired=66, debt=77)
        assert Books() + one == one

    def test_expiring_is_half_open_and_summed_by_instant(self) -> None:
        """The first instant counts, the last does not; what is gone does not expire."""
        ledger = granted(("a", 1, 0, 5), ("b", 2, 0, 5), ("c", 4, 0, 3), ("d", 8, 0, 9), ("e", 16, 0, None), ("f", 32, 0, 4))
        ledger = kept(ledger, ledger.revoke("f", ref="r", overdraft=Overdraft.CARRY, at=T0))
        assert ledger.expiring(after=day(3), before=day(9)) == (Expiring(day(3), 4), Expiring(day(5), 3))
        assert ledger.expiring(after=day(3) + timedelta(microseconds=1), before=day(5)) == ()
        assert ledger.expiring(after=day(5)) == (Expiring(day(5), 3), Expiring(day(9), 8))
        naive = T0.replace(tzinfo=None)
        for bad, name in (({"after": naive, "before": T0}, "after"), ({"after": T0, "before": naive}, "before")):
            with pytest.raises(UsageError, match=f"{name} must be a timezone-aware"):
                ledger.expiring(**bad)
        with pytest.raises(UsageError, match="at must be"):
            ledger.books(at=T0.replace(tzinfo=None))

    def test_take_counts_its_units(self) -> None:
        """A take is the sum of its parts."""
        assert Take((Part("a", 2), Part("b", 3))).units == 5
        assert Take((Part("a", 2), Part("b", 3)), given_back=4).going_back(1) == (Part("a", 1),)

    def test_lot_knows_what_it_came_from(self) -> None:
        """By ref, and by rule where one is named."""
        lot = Lot(lot_id="a/b/base", granted=1, granted_at=T0, available_at=T0, expires_at=None)
        assert (lot.earned_by, lot.earn_ref, lot.rule) == ("a/b/base", "a/b", "base")
        renewed = lot._replace(lot_id="r/renewed-1", origin="a/b/base")
        assert (renewed.earned_by, renewed.earn_ref, renewed.rule) == ("a/b/base", "a/b", "base")


class TestFolded:
    def test_nothing_of_its_own_changes_nothing(self) -> None:
        """Facts of other kinds and accounts are passed over, and do not move its last instant."""
        ledger = granted(("a", 1, 0, None))
        other = Granted(account="miles", ref="a", rule="base", units=1, available_at=T0, at=day(9))
        assert ledger.folded([MemberJoined(member_id="m", at=day(9)), other]) is ledger

    def test_last_instant_is_the_latest(self) -> None:
        """A backdated fact does not move the last instant back."""
        ledger = granted(("a", 1, 0, None))
        for at, latest in [(day(4), day(4)), (day(2), day(4)), (day(5), day(5))]:
            ledger = kept(ledger, ledger.grant(1, ref=str(at), rule="base", available_at=None, expires_at=None, at=at))
            assert ledger.last_at == latest

    @pytest.mark.parametrize(
        "fact",
        [
            Burned(account="points", ref="x", parts=(Part("no/base", 1),), at=T0),
            BurnRefunded(account="points", ref="x", burn_ref="no", parts=(), at=T0),
            AdjustmentReversed(account="points", ref="x", adjustment_ref="no", parts=(), at=T0),
            Revoked(account="points", ref="x", earn_ref="no", parts=(Part("no/base", 1),), at=T0),
        ],
        ids=lambda fact: fact.kind,
    )
    def test_fact_about_nothing_is_corrupt(self, fact: LedgerFact) -> None:
        """A fact that names what is not there cannot be ours, and the error names both."""
        with pytest.raises(CorruptStateError, match=rf"{fact.kind} 'x' names 'no.*', which is not in the account"):
            Ledger(account="points").folded([fact])

    def test_lot_granted_twice_is_corrupt(self) -> None:
        """No command grants a lot twice: a second grant in a stream would wipe out what was taken from the first."""
        fact = Granted(account="points", ref="a", rule="base", units=1, available_at=T0, at=T0)
        with pytest.raises(CorruptStateError, match="a/base"):
            Ledger(account="points").folded([fact, fact])

    def test_unknown_kind_is_corrupt(self) -> None:
        """A movement this version does not know is never passed over."""

        @attrs.frozen(kw_only=True)
        class Stolen(LedgerFact):
            kind = "ledger.stolen"

        with pytest.raises(CorruptStateError, match=r"ledger\.stolen"):
            Ledger(account="points").folded([Stolen(account="points", ref="x", at=T0)])


class TestFuzz:
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
            max_leaves=10,
        )
    )
    @example({"form": 1, "member_id": "m-42", "version": -1})
    @example({"form": 1, "member_id": "m-42", "ledger": {"account": "points", "last_at": "2026-01-01"}})
    def test_any_json_is_an_account_or_corrupt(self, data: object) -> None:
        """Whatever stands in the column, the answer is an account or one error."""
        try:
            account = PointsAccount.from_dict(data)  # type: ignore[arg-type]
        except CorruptStateError:
            return
        assert PointsAccount.from_dict(account.to_dict()) == account
