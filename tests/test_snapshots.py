"""Snapshots: a member restored from one answers as one replayed from all facts, or says that the history is needed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyaltycore._frozen import FrozenMap, PartialMap
from loyaltycore._snapshots import (
    NAME_BYTES,
    SNAPSHOT_FORM,
    TAKES_KEPT,
    HistoryNeeded,
    _Names,
    compact,
    restored,
    tallied,
)
from loyaltycore._tallied import lifetime_points
from loyaltycore.errors import CorruptStateError, RefusedError, UsageError
from loyaltycore.facts import Fact
from loyaltycore.ladders import Ladder
from loyaltycore.ledger import Overdraft
from loyaltycore.memberships import (
    CouponGiven,
    CouponGone,
    FriendRewarded,
    HeldCoupon,
    Membership,
    OffersFreed,
    OffersHeld,
    OfferUses,
    OrderCounted,
    ReferralCodeGiven,
    ReturnCounted,
    RewardGiven,
    RewardOffered,
    RewardTakenBack,
    SpendCarried,
    TierGranted,
    TierGrantEnded,
)
from loyaltycore.periods import Calendar, Lasting, Period, Term, Window
from loyaltycore.points import POINTS, PointsAccount
from loyaltycore.repositories import Snapshot, SnapshotStream
from loyaltycore.testing._calls import MEMBERS, PointsCall, points_histories
from loyaltycore.testing.strategies import memberships
from loyaltycore.tiers import Downgrade, Qualifying, TierRule
from tests.programs import NOW, baskets, velo

FEW = settings(max_examples=60)
T0: Final = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNTS: Final = (POINTS, "status")
GOLDEN = json.loads((Path(__file__).parent / "golden" / "snapshots.json").read_text(encoding="utf-8"))


def day(number: int) -> datetime:
    """Give an instant by its day."""
    return T0 + timedelta(days=number)


def again(membership: Membership, tail: Iterable[Fact] = ()) -> Membership:
    """Write a member down, and read it back with the facts that came after."""
    facts = tuple(tail)
    stored = SnapshotStream(version=membership.version + len(facts), snapshot=compact(membership), facts=facts)
    return restored(membership.member_id, stored)


def whole(membership: Membership) -> Membership:
    """Write down a member of whom nothing is closed, and read it back."""
    read = again(membership)
    assert not any(isinstance(ledger.lots, PartialMap) for ledger in read.ledgers.values())
    return read


def answer(call: PointsCall, account: str, members: Mapping[str, Membership]) -> list[tuple[Fact, ...]] | str:
    """Make a call on an account: the facts of each posting, or why not."""
    on_account = {member_id: member.on(account) for member_id, member in members.items()}
    try:
        # A membership has the verbs of an account: the calls ask for no more.
        postings = call.on(cast("Mapping[str, PointsAccount]", on_account))
    except RefusedError as refused:
        return repr(refused.refusal)
    except UsageError as wrong:
        return str(wrong)
    return [posting.facts for posting in postings]


def after(call: PointsCall, decided: list[tuple[Fact, ...]] | str, members: Mapping[str, Membership]) -> dict[str, Membership]:
    """Keep what a call decided."""
    return {name: member.folded(facts_of(name, call, decided)) for name, member in members.items()}


def facts_of(member_id: str, call: PointsCall, decided: list[tuple[Fact, ...]] | str) -> tuple[Fact, ...]:
    """Give what a call decided for a member: the first posting is of whom it was made for, the second of the other."""
    if isinstance(decided, str) or (member_id != call.who and len(decided) == 1):
        return ()
    return decided[0 if member_id == call.who else 1]


def account_of(number: int) -> str:
    """Say which account a call is made on: one in three on the other."""
    return ACCOUNTS[number % 3 == 2]


def played(
    calls: Sequence[PointsCall], members: Mapping[str, Membership] | None = None, *, start: int = 0
) -> dict[str, Membership]:
    """Make calls on two accounts of two members."""
    now = dict(members or {member_id: Membership.open(member_id) for member_id in MEMBERS})
    for number, call in enumerate(calls, start):
        now = after(call, answer(call, account_of(number), now), now)
    return now


def spent(members: Mapping[str, Membership], at: datetime) -> dict[str, Membership]:
    """Burn all that members have: most of what came before is closed then."""
    now = dict[str, Membership]()
    for name, member in members.items():
        now[name] = member
        for account in ACCOUNTS:
            turned = now[name].on(account)
            last = max(at, turned.ledger.last_at or at)
            left = turned.available(at=last)
            now[name] = turned.burn(left, ref="all", at=last).state if left else turned
    return now


def seen(member: Membership, at: datetime) -> list[object]:
    """Ask a member everything that is asked without a name."""
    return [
        question
        for account in ACCOUNTS
        for ledger in [member.ledger_of(account)]
        for question in (
            member.on(account).balance(at=at),
            member.on(account).expiring(after=at),
            ledger.expiring(after=at, before=at + timedelta(days=9)),
            ledger.held(at),
            ledger.due_at,
            ledger.expired(at=at),
            ledger.last_at,
            ledger.spans,
            lifetime_points(ledger),
            [lot_id for (_, _, lot_id), _ in ledger.open_lots.live(at, ledger.span_ends())],
        )
    ]


LINES: Final = ("orders", "uses", "coupons", "rewards", "friends", "later", "tallies", "staying")
NAMED: Final = ("orders", "rewards", "friends")


def with_line(member: Membership, line: str, text: str) -> str:
    """Write a member down, with another line in its place."""
    head, *lines, names = compact(member).text.split("\n")
    data = json.loads(head)
    by_name = dict(zip(LINES, lines, strict=True))
    by_name[line] = text
    data["sizes"] = {**data.get("sizes", {}), line: len(text)}
    if line in NAMED:
        data["counts"] = {**data.get("counts", {}), line: 1}
    return "\n".join([json.dumps(data), *by_name.values(), names])


CLOSED = (
    Membership.open("m-42")
    .earn(120, ref="order-1", expires_at=None, at=T0)
    .state.burn(120, ref="order-2", at=T0)
    .state.earn(40, ref="order-3", expires_at=day(30), at=T0)
    .state
)
"""A member with one lot closed, and one open."""


class TestAnswers:
    @pytest.mark.law(7)
    @FEW
    @given(points_histories(calls_limit=30), st.integers(0, 20), st.integers(0, 4), st.sampled_from(("saves", "spends")))
    def test_snapshot_and_tail_equal_full_replay(self, calls: tuple[PointsCall, ...], cut: int, tail: int, habit: str) -> None:
        """Whatever is asked after a snapshot and some facts, the answer is that of the whole history, or that it is needed."""
        old = played(calls[:cut])
        if habit == "spends":
            old = spent(old, calls[:cut][-1].at if calls[:cut] else T0)
        members = old
        facts: dict[str, list[Fact]] = {member_id: [] for member_id in MEMBERS}
        for number, call in enumerate(calls[cut : cut + tail], cut):
            decided = answer(call, account_of(number), members)
            members = after(call, decided, members)
            for member_id, known in facts.items():
                known.extend(facts_of(member_id, call, decided))
        try:
            read = {name: again(old[name], facts[name]) if old[name].version else members[name] for name in MEMBERS}
        except HistoryNeeded:
            read = {name: again(member) if member.version else member for name, member in members.items()}
        for number, call in enumerate(calls[cut + tail :], cut + tail):
            decided = answer(call, account_of(number), members)
            members = after(call, decided, members)
            try:
                assert answer(call, account_of(number), read) == decided
                read = after(call, decided, read)
            except HistoryNeeded:
                # As a service does: the history, and a snapshot of it.
                read = {name: again(member) if member.version else member for name, member in members.items()}
            for name, member in members.items():
                assert seen(read[name], call.at) == seen(member, call.at)
                assert read[name].version == member.version

    @pytest.mark.law(7)
    @FEW
    @given(points_histories(calls_limit=24), points_histories(calls_limit=6), st.lists(st.booleans(), min_size=6, max_size=6))
    def test_what_is_new_never_needs_the_history(
        self, calls: tuple[PointsCall, ...], more: tuple[PointsCall, ...], written: list[bool]
    ) -> None:
        """Earning, burning, holding, capturing, giving up and touching under new names go on from snapshot to snapshot."""
        clock = max((call.at for call in calls), default=T0)
        full = spent(played(calls), clock)[MEMBERS[0]].on(POINTS)
        if not full.version:
            return
        read = again(full)
        for number, call in enumerate(more):
            clock += timedelta(days=1)
            for step in self.fresh(call, f"new-{number}", clock):
                kept = self.kept(step, full)
                assert self.kept(step, read) == kept
                full, read = full.folded(kept), read.folded(kept)
            if written[number]:
                read = again(read)
            assert seen(read, clock) == seen(full, clock)

    def fresh(self, call: PointsCall, ref: str, at: datetime) -> list[Callable[[Membership], tuple[Fact, ...]]]:
        """Give what a shop does day by day, under a name that nothing had before."""
        points = call.points or 1
        return [
            lambda member: member.earn(points, ref=ref, expires_at=at + timedelta(days=9), at=at).facts,
            lambda member: member.burn(points, ref=ref, at=at).facts,
            lambda member: member.hold(points, ref=f"{ref}/h", until=at + timedelta(days=2), at=at).facts,
            lambda member: member.touch(ref=ref, at=at).facts,
            lambda member: (
                member.capture(f"{ref}/h", at=at).facts if call.verb == "burn" else member.void(f"{ref}/h", at=at).facts
            ),
            lambda member: member.earn(points, ref=ref, rule="bonus", expires_at=None, at=at).facts,
            lambda member: member.adjust_down(points, ref=ref, reason="goodwill", actor="desk", at=at).facts,
        ]

    def kept(self, step: Callable[[Membership], tuple[Fact, ...]], member: Membership) -> tuple[Fact, ...]:
        """Give what a step decides; nothing where it is refused."""
        try:
            return step(member)
        except RefusedError:
            return ()

    @FEW
    @given(st.data())
    def test_programs_see_no_difference(self, data: st.DataObject) -> None:
        """An overview and a quote are those of the whole member: the shop's own program looks at nothing that is closed."""
        program = velo()
        member = data.draw(memberships(program))
        if not member.version:
            return
        read, basket = again(member), data.draw(baskets(program))
        last = max((ledger.last_at for ledger in member.ledgers.values() if ledger.last_at is not None), default=NOW)
        at = max(last, NOW)
        assert program.overview(read, at=at) == program.overview(member, at=at)
        assert program.quote(basket, read, at=at) == program.quote(basket, member, at=at)
        assert program.quote(basket, read, burn=600, at=at).digest == program.quote(basket, member, burn=600, at=at).digest
        assert (read.orders, read.carried, read.joined_at) == (member.orders, member.carried, member.joined_at)

    def test_what_comes_back_to_something_closed_needs_the_history(self) -> None:
        """Each verb that names what was left out, and each question about everything, says so instead of guessing."""
        full = CLOSED.hold(5, ref="hold-1", until=day(9), at=T0).state.void("hold-1", at=T0).state
        full = full.transfer(5, to=Membership.open("m-43"), ref="gift-1", at=T0).giver.state
        full = full.adjust_down(5, ref="ticket-1", reason="mistake", actor="eva", at=T0).state
        full = full.reverse_adjustment("ticket-1", ref="ticket-2", at=T0).state
        read = again(full)
        asked: list[Callable[[Membership], object]] = [
            lambda m: m.earn(120, ref="order-1", expires_at=None, at=T0),
            lambda m: m.earn(7, ref="order-1", rule="late", expires_at=None, at=T0),
            lambda m: m.burn(120, ref="order-2", at=T0),
            lambda m: m.hold(120, ref="order-2", until=day(1), at=T0),
            lambda m: m.burn(1, ref="hold-1", at=T0),
            lambda m: m.refund_burn("order-2", ref="return-1", at=T0),
            lambda m: m.capture("hold-1", at=T0),
            lambda m: m.revoke("order-1", ref="return-1", overdraft=Overdraft.CARRY, at=T0),
            lambda m: m.revoke(None, 1, ref="return-1", rule="base", overdraft=Overdraft.CARRY, at=T0),
            lambda m: m.reverse_adjustment("ticket-1", ref="ticket-3", at=T0),
            lambda m: m.undo_transfer("gift-1", taker=Membership.open("m-43"), at=T0),
            lambda m: m.ledger.left_to_refund("order-2"),
            lambda m: m.books(at=T0),
            lambda m: m.to_dict(),
            lambda m: m == full,
            hash,
        ]
        for ask in asked:
            with pytest.raises(HistoryNeeded, match="left out"):
                ask(read)

    def test_an_order_of_which_one_lot_is_closed_needs_the_history(self) -> None:
        """The lot that is left alone would be a wrong answer to what the order earned."""
        member = CLOSED.earn(5, ref="order-1", rule="bonus", expires_at=None, at=T0).state
        read = again(member)
        assert read.available(at=T0) == 45
        with pytest.raises(HistoryNeeded, match="order-1"):
            read.ledger.left_to_revoke("order-1")

    def test_who_paid_a_debt_that_is_closed_is_left_out(self) -> None:
        """A debt that was paid whole is closed with its lot."""
        member = CLOSED.earn(200, ref="order-4", expires_at=None, at=T0).state
        member = member.revoke("order-1", ref="return-1", overdraft=Overdraft.SETTLE, at=T0).state
        assert member.ledger.payments["order-1/base"]
        with pytest.raises(HistoryNeeded, match="order-1/base"):
            again(member).ledger.payments.get("order-1/base")

    @pytest.mark.parametrize("seconds,units", [(-1, 40), (0, 40), (1, 0)])
    def test_what_expires_is_told_to_the_instant(self, seconds: int, units: int) -> None:
        """The first instant of the span is inside."""
        expiring = again(CLOSED).expiring(after=day(30) + timedelta(seconds=seconds))
        assert sum(one.units for one in expiring) == units

    def test_facts_after_it_may_come_back_to_what_is_closed(self) -> None:
        """Then the snapshot is no help, and says so."""
        refunded = CLOSED.refund_burn("order-2", 10, ref="return-1", at=T0)
        with pytest.raises(HistoryNeeded, match="order-2"):
            again(CLOSED, refunded.facts)
        assert again(refunded.state).available(at=T0) == 50

    def test_a_refund_of_what_is_open_needs_no_history(self) -> None:
        """A burn stays while a lot that it took from has something left, and what was earned by that lot can be taken back."""
        full = CLOSED.burn(15, ref="order-4", at=T0).state
        read = again(full)
        assert (
            read.refund_burn("order-4", 5, ref="return-4", at=T0).facts
            == full.refund_burn("order-4", 5, ref="return-4", at=T0).facts
        )
        revoked = read.revoke("order-3", ref="return-3", overdraft=Overdraft.CARRY, at=T0)
        assert revoked.facts == full.revoke("order-3", ref="return-3", overdraft=Overdraft.CARRY, at=T0).facts
        assert revoked.state.balance(at=T0).debt == 15

    def test_only_the_latest_burns_of_an_open_lot_stay(self) -> None:
        """A lot that many small burns take from does not keep them all."""
        member = Membership.open("m-42").earn(10_000, ref="order-1", expires_at=None, at=T0).state
        for number in range(TAKES_KEPT + 1):
            member = member.burn(1, ref=f"burn-{number}", at=T0).state
        read = again(member)
        assert read.refund_burn("burn-1", ref="return-1", at=T0).facts
        with pytest.raises(HistoryNeeded, match="burn-0"):
            read.refund_burn("burn-0", ref="return-0", at=T0)

    @pytest.mark.parametrize("policy", [Overdraft.SETTLE, Overdraft.FORGIVE])
    def test_a_policy_is_followed_though_its_lots_are_closed(self, policy: Overdraft) -> None:
        """That a debt was once settled or forgiven is no secret of the lot that is left out."""
        member = CLOSED.revoke("order-1", ref="return-1", overdraft=policy, at=T0).state
        read = again(again(member))
        assert member.ledger.open_lots.has_marked
        assert read.ledger.open_lots.has_marked
        assert read.balance(at=T0) == member.balance(at=T0)

    def test_a_debt_that_is_open_is_paid_as_by_the_whole_member(self) -> None:
        """A debtor stays with its payments, and what is earned next goes to it."""
        member = (
            Membership.open("m-42").earn(100, ref="order-1", expires_at=None, at=T0).state.burn(100, ref="order-2", at=T0).state
        )
        member = member.earn(30, ref="order-3", expires_at=None, at=T0).state
        member = member.revoke("order-1", ref="return-1", overdraft=Overdraft.SETTLE, at=T0).state
        read = again(member)
        assert read.ledger.payments["order-1/base"]
        earned = read.earn(50, ref="order-4", expires_at=None, at=T0)
        assert earned.facts == member.earn(50, ref="order-4", expires_at=None, at=T0).facts
        assert [fact.kind for fact in earned.facts] == ["ledger.granted", "ledger.settled"]

    def test_lots_that_share_an_end_close_too(self) -> None:
        """Their common end stays, and moves with the next activity as it would have."""
        lasts = Lasting(Term(Period(days=10)), "UTC", sliding=True)
        member = (
            Membership.open("m-42").earn(10, ref="a", expires_at=None, lasts=lasts, at=T0).state.burn(10, ref="b", at=T0).state
        )
        member = member.earn(20, ref="c", expires_at=None, lasts=lasts, at=day(3)).state
        read = again(member).touch(ref="visit", at=day(5)).state
        assert "a/base" not in read.ledger.lots.kept  # it is partial
        assert read.expiring(after=day(5)) == member.touch(ref="visit", at=day(5)).state.expiring(after=day(5))

    def test_many_facts_after_it_are_carried(self) -> None:
        """What is open is known after any number of facts: the lots that are left out are never gone through."""
        full = read = CLOSED
        facts: list[Fact] = []
        for number in range(200):
            facts += full.earn(10, ref=f"new-{number}", expires_at=None, at=day(1)).facts
            full = full.folded(facts[-1:])
        held = full.hold(30, ref="hold-1", until=day(9), at=day(1))
        full, read = held.state, again(CLOSED, [*facts, *held.facts])
        assert seen(read, day(2)) == seen(full, day(2))
        assert read.capture("hold-1", at=day(2)).state.balance(at=day(2)) == full.capture("hold-1", at=day(2)).state.balance(
            at=day(2)
        )

    def test_orders_go_on(self) -> None:
        """Orders counted after it stand beside those before; a return finds its order on either side."""
        first = [
            OrderCounted(
                order_id="order-1", day=date(2026, 1, 1), qualifying_minor=5000, list_minor=6000, discount_minor=1000, at=T0
            ),
            SpendCarried(rule="base", ref="order-1", minor=5000, at=T0),
        ]
        more = [
            OrderCounted(order_id="order-2", day=date(2026, 1, 2), qualifying_minor=700, list_minor=700, at=day(1)),
            ReturnCounted(order_id="order-1", return_id="return-1", qualifying_minor=1000, at=day(1)),
            SpendCarried(rule="base", ref="return-1", minor=-1000, at=day(1)),
        ]
        old = CLOSED.join(at=T0).state.folded(first)
        read, full = again(old, more), old.folded(more)
        assert (read.orders, read.carried, read.joined_at, read.version) == (full.orders, full.carried, T0, full.version)
        assert (read.order_count, read.orders["order-1"].units) == (2, 4000)
        assert (read.past_list_minor, read.past_discount_minor) == (6700, 1000)


RIGHTS = st.lists(
    st.builds(
        lambda what, order, offers, number, minute: (what, order, tuple(sorted(offers)), number, minute),
        st.sampled_from(("held", "counted", "freed", "given", "gone")),
        st.sampled_from(("o-1", "o-2", "o-3")),
        st.frozensets(st.sampled_from(("spring", "welcome"))),
        st.integers(1, 3),
        st.integers(0, 90),
    ),
    max_size=12,
)


def right(step: tuple[str, str, tuple[str, ...], int, int], member: Membership) -> Fact | None:
    """Make a fact of what a member may use; none where it could not follow."""
    what, order, offers, number, minute = step
    at, coupon_id = T0 + timedelta(minutes=minute), f"sorry/t-{number}"
    match what:
        case "held":
            return OffersHeld(order_id=order, offers=offers, until=at + timedelta(minutes=30), at=at)
        case "counted":
            return OrderCounted(order_id=order, day=date(2026, 1, 1), offers=offers, ordered_at=T0, at=at)
        case "freed" if order in member.uses:
            return OffersFreed(order_id=order, offers=offers, at=at)
        case "given":
            return CouponGiven(coupon_id=coupon_id, campaign_id="sorry", ends_at=at + timedelta(minutes=number), at=at)
        case "gone" if coupon_id in member.coupons:
            return CouponGone(coupon_id=coupon_id, at=at)
    return None


def asked(member: Membership) -> list[object]:
    """Ask a member all that is asked of offers and coupons."""
    ats = [T0 + timedelta(minutes=minute) for minute in (0, 30, 60, 90, 120)]
    windows = [Window(starts_at=None, ends_at=None), Window(starts_at=ats[1], ends_at=ats[2])]
    return [
        *(
            member.uses_of(offer_id, but=but, within=window, at=at)
            for offer_id in ("spring", "welcome")
            for but in (None, "o-1")
            for window in windows
            for at in ats
        ),
        *(member.coupons_at(at) for at in ats),
        dict(member.uses),
        dict(member.coupons),
    ]


class TestRights:
    """What a member's orders use of offers, and the coupons of a member: all of them stay."""

    @pytest.mark.law(7)
    @FEW
    @given(RIGHTS, RIGHTS, RIGHTS)
    def test_snapshot_and_tail_equal_full_replay(self, before: Any, tail: Any, after_it: Any) -> None:  # noqa: ANN401 - steps
        """Whatever was held, counted, freed, given or gone, before a snapshot or after it, is answered alike."""
        full, facts = CLOSED, list[Fact]()
        for step in before:
            fact = right(step, full)
            full = full if fact is None else full.folded([fact])
        snapshot = compact(full)
        for step in tail:
            fact = right(step, full)
            if fact is not None:
                full, facts = full.folded([fact]), [*facts, fact]
        read = restored("m-42", SnapshotStream(version=full.version, snapshot=snapshot, facts=tuple(facts)))
        assert asked(read) == asked(full)
        for step in after_it:
            fact = right(step, full)
            if fact is not None:
                full, read = full.folded([fact]), read.folded([fact])
        assert asked(read) == asked(full)
        assert compact(read) == compact(full)

    def test_what_is_gone_or_has_run_out_stays(self) -> None:
        """A coupon that was redeemed may come back, an order whose time has run out may be paid: both are still known."""
        facts = [
            OffersHeld(order_id="o-1", offers=("spring",), until=day(1), at=T0),
            CouponGiven(coupon_id="sorry/t-1", campaign_id="sorry", ends_at=day(2), at=T0),
            CouponGone(coupon_id="sorry/t-1", at=T0),
        ]
        read = again(CLOSED.folded(facts))
        assert read.uses == {"o-1": OfferUses(offers=("spring",), at=T0, until=day(1))}
        assert read.coupons == {"sorry/t-1": HeldCoupon(campaign_id="sorry", ends_at=day(2), is_gone=True)}
        freed = read.folded([OffersFreed(order_id="o-1", offers=("spring",), at=day(3))])
        assert freed.uses["o-1"].offers == ()

    def test_nothing_is_read_before_it_is_asked_for(self) -> None:
        """A line that is no good is found out by whoever asks for it; a member without rights has none, and needs no reading."""
        member = CLOSED.folded([CouponGiven(coupon_id="sorry/t-1", campaign_id="sorry", at=T0)])
        text = with_line(member, "coupons", "[1]")
        read = restored("m-42", SnapshotStream(version=4, snapshot=Snapshot(form=SNAPSHOT_FORM, version=4, text=text)))
        assert read.available(at=T0) == 40
        assert not read.uses
        with pytest.raises(HistoryNeeded, match="the coupons of a snapshot cannot be read"):
            read.coupons_at(T0)

    @pytest.mark.parametrize(
        "line,cells",
        [
            ("uses", '["o-1",["spring"],"2026-01-01T00:00:00Z"]'),
            ("uses", '["",["spring"],"2026-01-01T00:00:00Z",null]'),
            ("uses", '["o-1",["no slug"],"2026-01-01T00:00:00Z",null]'),
            ("uses", '["o-1","spring","2026-01-01T00:00:00Z",null]'),
            ("uses", '["o-1",["spring"],null,null]'),
            ("uses", '["o-1",["spring"],"2026-01-01T00:00:00Z","soon"]'),
            ("uses", "{}"),
            ("coupons", '["c","sorry",null]'),
            ("coupons", '["","sorry",null,false]'),
            ("coupons", '["c","no slug",null,false]'),
            ("coupons", '["c","sorry","soon",false]'),
            ("coupons", '["c","sorry",5,false]'),
            ("coupons", '["c","sorry",null,0]'),
            ("coupons", "5"),
        ],
    )
    def test_cells_that_cannot_be_read_need_the_history(self, line: str, cells: str) -> None:
        """Too few, of another kind, or empty."""
        snapshot = Snapshot(form=SNAPSHOT_FORM, version=3, text=with_line(CLOSED, line, cells))
        read = restored("m-42", SnapshotStream(version=3, snapshot=snapshot))
        with pytest.raises(HistoryNeeded, match=line):
            asked(read)


class TestText:
    @FEW
    @given(points_histories(calls_limit=24), points_histories(calls_limit=10))
    def test_a_snapshot_of_what_was_restored_is_that_snapshot(
        self, calls: tuple[PointsCall, ...], more: tuple[PointsCall, ...]
    ) -> None:
        """Reading and writing again changes not a letter, also where facts came in between that closed more."""
        for member in played(more, spent(played(calls), calls[-1].at if calls else T0), start=1).values():
            if member.version:
                assert compact(again(member)) == compact(member)
                assert compact(again(again(member))) == compact(member)

    def test_closed_names_add_up(self) -> None:
        """What closes after a snapshot is left out of the next, beside what was before."""
        burned = again(CLOSED).burn(40, ref="order-4", at=T0).state
        snapshot = compact(burned)
        assert snapshot == compact(CLOSED.burn(40, ref="order-4", at=T0).state)
        read = restored("m-42", SnapshotStream(version=burned.version, snapshot=snapshot))
        for ref in ("order-1", "order-3"):
            with pytest.raises(HistoryNeeded, match=ref):
                read.revoke(ref, ref="return", overdraft=Overdraft.CARRY, at=T0)
        assert len(snapshot.text.rsplit("\n", 1)[1]) == 6 * 8  # two lots, two references, two burns

    def test_nothing_left_out_is_the_whole_member(self) -> None:
        """Where nothing is closed yet, all questions are answered."""
        member = Membership.open("m-42").earn(10, ref="order-1", expires_at=None, at=T0).state.burn(4, ref="order-2", at=T0).state
        read = whole(member)
        assert read == member
        assert read.to_dict() == member.to_dict()
        assert read.books(at=T0) == member.books(at=T0)
        assert whole(Membership.open("m-42").join(at=T0).state) == Membership.open("m-42").join(at=T0).state

    def test_no_snapshot_is_a_replay(self) -> None:
        """A stream that has none yet is folded whole."""
        facts = Membership.open("m-42").earn(10, ref="order-1", expires_at=None, at=T0).facts
        assert restored("m-42", SnapshotStream(version=1, facts=facts)) == Membership.replay("m-42", facts)
        assert restored("m-42", SnapshotStream()) == Membership.open("m-42")

    def test_the_form_is_golden(self) -> None:
        """The text of one member with something of everything: another text needs another name of its form."""
        member = self.one_of_everything()
        snapshot = compact(tallied(member, GOLDEN_RULE, calendar=PARIS, at=day(30)))
        assert GOLDEN["provenance"]
        assert attrs.asdict(snapshot) == GOLDEN["snapshot"]
        assert snapshot.form == SNAPSHOT_FORM
        stored = SnapshotStream(version=member.version, snapshot=Snapshot(**GOLDEN["snapshot"]))
        assert seen(restored("m-42 é", stored), day(8)) == seen(member, day(8))
        read = restored("m-42 é", stored)
        assert (read.orders, read.uses, read.coupons) == (member.orders, member.uses, member.coupons)
        assert (read.rewards, read.friends) == (member.rewards, member.friends)
        assert (read.tier_grants, read.referral_code) == (member.tier_grants, member.referral_code)
        for on in (date(2026, 1, 29), date(2026, 1, 31), date(2027, 1, 31)):
            events, tally = read.toward(GOLDEN_RULE, day=on, calendar=PARIS)
            assert tally is not None
            known, _ = member.toward(GOLDEN_RULE, day=on, calendar=PARIS)
            told = GOLDEN_RULE.status(events, day=on, calendar=PARIS, joined_on=date(2026, 1, 1), tally=tally)
            assert told == GOLDEN_RULE.status(known, day=on, calendar=PARIS, joined_on=date(2026, 1, 1))

    def one_of_everything(self) -> Membership:
        """Let a member live through what leaves a mark on a snapshot."""
        lasts = Lasting(Term(Period(days=10)), "Europe/Paris", sliding=True)
        member = Membership.open("m-42 é").join(at=T0).state.earn(100, ref="o-1", expires_at=day(50), at=T0).state
        member = member.burn(100, ref="b-1", at=T0).state.earn(50, ref="o-2", expires_at=None, at=T0).state
        member = member.burn(10, ref="b-2", at=day(1)).state.hold(20, ref="h-1", until=day(9), at=day(1)).state
        member = member.hold(5, ref="h-2", until=day(9), at=day(1)).state.void("h-2", at=day(1)).state
        member = member.adjust_down(3, ref="t-1", reason="test", actor="eva", at=day(2)).state
        member = member.revoke("o-1", 60, ref="r-1", overdraft=Overdraft.SETTLE, at=day(3)).state
        member = member.earn(7, ref="o-3", expires_at=None, at=day(4)).state.on("status")
        member = member.earn(8, ref="o-3", expires_at=day(90), awaits="paid", available_at=day(20), at=day(4)).state
        member = member.earn(30, ref="o-2", rule="tier", expires_at=None, lasts=lasts, at=day(4)).state
        return member.folded(
            [
                OrderCounted(
                    order_id="o-1", day=date(2026, 1, 1), qualifying_minor=5000, offers=("spring", "welcome"), at=day(5)
                ),
                OrderCounted(order_id="o-2 é", day=date(2026, 1, 2), at=day(5)),
                SpendCarried(rule="base", ref="o-1", minor=5000, at=day(5)),
                OffersHeld(order_id="o-3", offers=("spring",), until=day(6), at=day(5)),
                OffersFreed(order_id="o-1", offers=("welcome",), at=day(5)),
                CouponGiven(coupon_id="sorry/é", campaign_id="sorry", ends_at=day(40), at=day(5)),
                CouponGiven(coupon_id="thanks/1", campaign_id="thanks", at=day(5)),
                CouponGone(coupon_id="thanks/1", at=day(5)),
                TierGranted(ref="t-8", tier="gold", until=day(90), reason="test", actor="eva", at=day(5)),
                TierGranted(ref="t-9", tier="silver", at=day(5)),
                TierGrantEnded(ref="t-9", reason="test", actor="eva", at=day(6)),
                RewardGiven(
                    reward_id="reward/é",
                    source="catalogue/mug",
                    coupons=("mug/1",),
                    payouts=("p-1",),
                    price_points=500,
                    at=day(6),
                ),
                RewardTakenBack(reward_id="reward/é", coupons_kept=("mug/1",), at=day(7)),
                RewardOffered(reward_id="milestone/5", source="milestone/5", options=("bell", "mug"), until=day(30), at=day(7)),
                FriendRewarded(
                    friend_id="m-43 é",
                    program_id="friends",
                    day=date(2026, 1, 7),
                    number=1,
                    period="2026",
                    rewards=("r/1",),
                    at=day(7),
                ),
                FriendRewarded(friend_id="m-44", program_id="friends", day=date(2026, 1, 7), number=0, at=day(7)),
                ReferralCodeGiven(code="VELO-7KQ2", at=day(7)),
                OrderCounted(order_id="o-4", day=date(2026, 1, 30), qualifying_minor=700, at=day(29)),
            ]
        )

    def test_names_are_few_characters(self) -> None:
        """Eight characters for each: ten thousand names are eighty kilobytes, and are found without being read."""
        assert NAME_BYTES * 8 % 6 == 0  # no padding between them
        text = compact(CLOSED).text
        names = _Names(text, len(text) - 3 * 8, len(text), "points/lots")
        assert ("order-1/base" in names, "order-3/base" in names, "order-1/base" in attrs.evolve(names, of="status/lots")) == (
            True,
            False,
            False,
        )
        assert len(list(names.each())) == 3
        assert "\ud800" not in names

    def test_no_other_member_is_named(self) -> None:
        """A snapshot names nobody: who asks to be forgotten need not be looked for in those of others."""
        moved = CLOSED.transfer(5, to=Membership.open("m-friend"), ref="gift-1", at=T0)
        for member in (moved.giver.state, moved.taker.state):
            assert "m-friend" not in compact(member).text
            assert "m-42" not in compact(member).text

    def test_restored_members_can_be_pickled(self) -> None:
        """Copies in another process need the history for the same things."""
        read = pickle.loads(pickle.dumps(again(CLOSED)))
        assert read.available(at=T0) == 40
        with pytest.raises(HistoryNeeded):
            read.burn(1, ref="order-2", at=T0)
        assert compact(read) == compact(CLOSED)


def with_head(change: Callable[[dict[str, Any]], object]) -> str:
    """Give a snapshot's text with its first line changed."""
    head, rest = compact(CLOSED).text.split("\n", 1)
    data = json.loads(head)
    change(data)
    return f"{json.dumps(data)}\n{rest}"


def ledger_of(head: dict[str, Any]) -> dict[str, Any]:
    """Give the one account of a head."""
    ledger: dict[str, Any] = head["accounts"][0]["ledger"]
    return ledger


SUMS = {"through": "2026-01-01", "zone": "Europe/Paris", "metrics": ["spend"], "account": "points"}
GOLDEN_RULE: Final = TierRule(Ladder.of({0: "bronze", 5000: "silver"}), window=Period(months=12), downgrade=Downgrade.ONE_STEP)
PARIS: Final = Calendar("Europe/Paris")
HOLD = {"parts": [{"lot_id": "order-3/base", "units": 1}], "until": "2026-01-09T00:00:00Z"}
BURN = {"parts": [{"lot_id": "order-3/base", "units": 1}], "given_back": 2}
PART = {"lot_id": "order-9/base", "units": 1}


class TestDamage:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{}",
            "{}\n[]\n[]\n[]",
            "{}\n[]\n[]\n",
            "{}\n[]\n[]\n[]\n[]\n",
            "{}\n[]\n",
            "[]\n[]\n[]\n[]\n",
            "no JSON\n[]\n[]\n[]\n",
            '{"joined_at": 5}\n[]\n[]\n[]\n',
            '{"unknown": 5}\n[]\n[]\n[]\n',
            '{"names": 1}\n[]\n[]\n[]\n1234567',
            '{"names": -1}\n[]\n[]\n[]\n',
            '{"names": 1000000000000000000000000000000}\n[]\n[]\n[]\n',
            with_line(CLOSED, "orders", ""),
            compact(CLOSED).text[:-1],
            compact(CLOSED).text + "A",
            with_head(lambda head: head["accounts"].append(head["accounts"][0])),
            with_head(lambda head: head.update(sizes={"orders": 3})),
            with_head(lambda head: head.update(sizes={"other": 2})),
            with_head(lambda head: head.update(sizes={"staying": -1})),
            with_head(lambda head: head.update(counts={"orders": 1})),
            with_head(lambda head: head.update(counts={"coupons": 1})),
            with_head(lambda head: head.update(sums={**SUMS, "zone": "Europe/Atlantis"})),
            with_head(lambda head: head.update(sums={**SUMS, "metrics": ["kilometres"]})),
            with_head(lambda head: head.update(tier_grants={"t-1": {"ref": "t-1", "tier": "gold"}})),
            with_head(lambda head: ledger_of(head)["lots"]["order-3/base"].update(lot_id="order-4/base")),
            with_head(lambda head: ledger_of(head)["lots"]["order-3/base"].update(span=1)),
            with_head(lambda head: ledger_of(head)["lots"]["order-3/base"].update(revoked=41)),
            with_head(lambda head: ledger_of(head)["lots"]["order-3/base"].update(granted="40")),
            with_head(lambda head: ledger_of(head).update(holds={"h": {**HOLD, "parts": [PART]}})),
            with_head(lambda head: ledger_of(head).update(holds={"h": {**HOLD, "captured": 0}})),
            with_head(lambda head: ledger_of(head).update(payments={"order-9/base": [PART]})),
            with_head(lambda head: ledger_of(head).update(burns={"b": BURN})),
            with_head(lambda head: ledger_of(head).update(adjustments={"b": BURN})),
            with_head(lambda head: ledger_of(head).update(transfers={"b": {**BURN, "given_back": 0}})),
            with_head(lambda head: ledger_of(head).update(returned={"touch:b": {"of": "", "units": 0}})),
        ],
    )
    def test_what_does_not_hang_together_is_refused(self, text: str) -> None:
        """The service reads the facts instead."""
        with pytest.raises(CorruptStateError):
            restored("m-42", SnapshotStream(version=3, snapshot=Snapshot(form=SNAPSHOT_FORM, version=3, text=text)))

    @pytest.mark.parametrize(
        "form,version,stored", [("member/0", 3, 3), (SNAPSHOT_FORM, 0, 0), (SNAPSHOT_FORM, 3, 4), (SNAPSHOT_FORM, 3, 2)]
    )
    def test_another_form_or_version_is_refused(self, form: str, version: int, stored: int) -> None:
        """A snapshot and the facts after it make the version of the stream."""
        snapshot = Snapshot(form=form, version=version, text=compact(CLOSED).text)
        with pytest.raises(CorruptStateError):
            restored("m-42", SnapshotStream(version=stored, snapshot=snapshot))

    @pytest.mark.parametrize(
        "orders", ["{", "5", "null", "[1]", '["o","2026-01-01"]', '["o","never",1]', '["o","2026-01-01",-1]', "[1,2,3]"]
    )
    def test_orders_that_cannot_be_read_need_the_history(self, orders: str) -> None:
        """They are read when somebody asks for them, and then it is too late to say that the snapshot is no good."""
        snapshot = Snapshot(form=SNAPSHOT_FORM, version=3, text=with_line(CLOSED, "orders", orders))
        read = restored("m-42", SnapshotStream(version=3, snapshot=snapshot))
        assert read.available(at=T0) == 40
        with pytest.raises(HistoryNeeded, match="orders"):
            dict(read.orders)

    @pytest.mark.parametrize(
        "line,cells",
        [
            ("orders", '["o-1","2026-01-01",1,"o-2","2026-01-01",1]'),
            ("rewards", "[ ]"),
            ("friends", '["m-7","friends","2026-01-01",0,"",[],"m-8","friends","2026-01-01",-1,"",[]]'),
        ],
    )
    def test_a_line_that_holds_another_number_needs_the_history(self, line: str, cells: str) -> None:
        """How many there are was told without reading it: what is read must be as many."""
        snapshot = Snapshot(form=SNAPSHOT_FORM, version=3, text=with_line(CLOSED, line, cells))
        read = restored("m-42", SnapshotStream(version=3, snapshot=snapshot))
        with pytest.raises(HistoryNeeded, match=f"the {line} of a snapshot cannot be read"):
            dict(getattr(read, line))

    @settings(max_examples=200)
    @given(st.data())
    def test_any_text_is_a_member_or_is_refused(self, data: st.DataObject) -> None:
        """Nothing but a membership, a corrupt state or the need of the history comes of any text."""
        member = tallied(TestText().one_of_everything(), GOLDEN_RULE, calendar=PARIS, at=day(30))
        text = compact(member).text
        places = st.integers(0, len(text))
        start, stop = data.draw(places), data.draw(places)
        text = text[:start] + data.draw(st.text('{}[]",:0123-\nabZ', max_size=4)) + text[min(stop, start + 6) :]
        try:
            read = restored("m-42", SnapshotStream(version=9, snapshot=Snapshot(form=SNAPSHOT_FORM, version=9, text=text)))
            seen(read, day(3))
            assert read.order_count + len(read.uses) + len(read.coupons) + len(read.rewards) + len(read.friends) >= 0
            events, tally = read.toward(GOLDEN_RULE, day=date(2026, 2, 1), calendar=PARIS)
            assert tally is None or {*map(type, events)} <= {Qualifying}
        except (CorruptStateError, HistoryNeeded):
            pass

    def test_names_are_kept_apart_by_mapping(self) -> None:
        """A burn may be named as an order is that was left out, and as one of another account."""
        read = again(CLOSED)
        assert read.burn(1, ref="order-1", at=T0).facts
        assert read.on("status").earn(120, ref="order-1", expires_at=None, at=T0).facts
        assert isinstance(read.ledger.burns, PartialMap)
        assert read.ledger_of("status").lots == FrozenMap()
