"""``Loyalty`` from reservation to payment, guests that become members, what time brings, and what a shop does beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, Loyalty, Membership, Order, Reason, UsageError
from loyaltycore._earning import Caps, Over
from loyaltycore._snapshots import SNAPSHOT_FORM
from loyaltycore.benefits import BonusPoints
from loyaltycore.errors import ConflictError, CorruptStateError
from loyaltycore.facts import Append, Change, Command, Fact
from loyaltycore.identity import Key, StreamId, member_stream, order_stream
from loyaltycore.ledger import ExpiryReported, Granted
from loyaltycore.memberships import MemberJoined
from loyaltycore.orders import OrderPlaced
from loyaltycore.repositories import Cursor, Due, Snapshot, SnapshotStream, StoredStream
from loyaltycore.rewards import LifetimePoints, Milestone
from loyaltycore.services import Projected
from loyaltycore.store.memory import MemoryRepository
from loyaltycore.views import Accounts
from loyaltycore.wire import instant_text
from tests.test_services import BELL, HELMET, NOON, PROGRAM, Clock, LossyRepository, lost, outrun, refusal_of

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
def clock() -> Clock:
    """A clock to turn."""
    return Clock()


@pytest.fixture
def store() -> LossyRepository:
    """A repository that fails as planned."""
    return LossyRepository()


@pytest.fixture
def shop(store: LossyRepository, clock: Clock) -> Loyalty:
    """A shop whose member has 1000 points."""
    shop = Loyalty(PROGRAM, store, clock=clock)
    shop.record("sign_up", member_id="m", ref="sign-up")
    store.calls.clear()
    return shop


def facts_in(store: LossyRepository, stream: StreamId) -> tuple[Fact, ...]:
    """Look at what is kept."""
    return store.inner.load([stream])[stream].facts


class TestReserve:
    def test_from_the_quote_to_the_payment(self, shop: Loyalty, clock: Clock) -> None:
        """Held while the shopper pays, burned when the money is there; each call twice."""
        quote = shop.quote(HELMET, member_id="m", burn=700)
        reserved = shop.reserve(quote, order_id="1", hold_for=HALF_HOUR)
        assert reserved.until == NOON + HALF_HOUR
        assert shop.reserve(quote, order_id="1", hold_for=HALF_HOUR) == reserved
        assert shop.overview("m").balance.held == 700
        clock.at += 10 * MINUTE
        placed = shop.confirm("1")
        assert placed.burn_points == 700
        assert not placed.late
        clock.at += DAY
        assert shop.confirm("1") == placed
        balance = shop.overview("m").balance
        assert (balance.held, balance.available) == (0, 300 + placed.points)

    def test_a_lost_answer_at_every_step(self, shop: Loyalty, store: LossyRepository) -> None:
        """Called again, each step answers what it did."""
        quote = shop.quote(HELMET, member_id="m", burn=700)
        for call in (
            lambda: shop.reserve(quote, order_id="1", hold_for=HALF_HOUR),
            lambda: shop.confirm("1"),
            lambda: shop.refund("1", return_id="r", lines={"helmet": 1}),
        ):
            store.after["commit"] = [lost]
            with pytest.raises(ConnectionError):
                call()
            assert call() == call()
        assert shop.overview("m").balance.available == 1000

    def test_a_race_for_the_last_points(self, shop: Loyalty) -> None:
        """Two pages show the same points: the second to reserve is told what moved."""
        first = shop.quote(HELMET, member_id="m", burn=700)
        second = shop.quote(HELMET, member_id="m", burn=700)
        shop.reserve(first, order_id="1", hold_for=HALF_HOUR)
        refusal = refusal_of(lambda: shop.reserve(second, order_id="2", hold_for=HALF_HOUR))
        assert refusal.reason is Reason.QUOTE_CHANGED

    def test_what_was_looked_at_must_not_have_moved(self, shop: Loyalty, store: LossyRepository) -> None:
        """Without points to hold nothing is written for the member, and still nobody may have been faster."""
        quote = shop.quote(HELMET, member_id="m")
        store.before["commit"] = [lambda: shop.record("review", member_id="m", ref="r")]
        reserved = shop.reserve(quote, order_id="1", hold_for=HALF_HOUR)
        assert store.calls.count("commit") == 3
        assert reserved.order.burn_points == 0

    def test_paid_late(self, shop: Loyalty, clock: Clock) -> None:
        """The hold ran out, the points were spent elsewhere, and then the bank says yes."""
        shop.reserve(shop.quote(HELMET, member_id="m", burn=700), order_id="1", hold_for=HALF_HOUR)
        clock.at += HALF_HOUR
        shop.burn(800, member_id="m", ref="elsewhere")
        placed = shop.confirm("1")
        assert placed.late
        assert shop.membership("m").ledger.books(at=clock.at).burned == 1500
        assert shop.overview("m").balance.debt == 500

    def test_cancelled_then_paid(self, shop: Loyalty) -> None:
        """A webhook that failed first and was paid then: honoured."""
        shop.reserve(shop.quote(HELMET, member_id="m", burn=700), order_id="1", hold_for=HALF_HOUR)
        cancelled = shop.cancel("1")
        assert shop.cancel("1") == cancelled
        assert shop.overview("m").balance.available == 1000
        assert shop.confirm("1").late
        assert shop.membership("m").ledger.burns["1"].units == 700
        assert refusal_of(lambda: shop.cancel("2")).reason is Reason.ORDER_NOT_FOUND
        assert shop.cancel("1") == cancelled

    @pytest.mark.law(43)
    def test_whoever_confirms(self, shop: Loyalty) -> None:
        """The bank's message and the desk both say paid; the second hears what the first did."""
        shop.reserve(shop.quote(HELMET, member_id="m"), order_id="1", hold_for=HALF_HOUR)
        placed = shop.confirm("1")
        assert shop.confirm("1", actor="desk") == placed
        shop.reserve(shop.quote(HELMET, member_id="m"), order_id="2", hold_for=HALF_HOUR)
        assert shop.cancel("2", actor="desk") == shop.cancel("2")

    def test_placed_and_confirmed_under_one_id(self, shop: Loyalty, store: LossyRepository) -> None:
        """What was booked by a confirmation is not booked by ``place`` or ``place_unseen`` as well."""
        quote = shop.quote(HELMET, member_id="m")
        shop.reserve(quote, order_id="1", hold_for=HALF_HOUR)
        shop.confirm("1")
        before = facts_in(store, order_stream("1"))
        assert refusal_of(lambda: shop.place(quote, order_id="1")).reason is Reason.KEY_REUSED
        assert refusal_of(lambda: shop.place_unseen(HELMET, order_id="1", member_id="m")).reason is Reason.KEY_REUSED
        assert facts_in(store, order_stream("1")) == before

    def test_cancel_what_is_booked(self, shop: Loyalty) -> None:
        """It is refunded instead."""
        shop.place(shop.quote(HELMET), order_id="1")
        assert refusal_of(lambda: shop.cancel("1")).reason is Reason.ORDER_PLACED

    def test_confirm_what_was_placed_at_once(self, shop: Loyalty) -> None:
        """A paid order is never refused, also where nobody had reserved it."""
        placed = shop.place(shop.quote(HELMET, member_id="m"), order_id="1")
        assert shop.confirm("1") == placed
        assert refusal_of(lambda: shop.confirm("2")).reason is Reason.ORDER_NOT_FOUND

    def test_place_after_reserving(self, shop: Loyalty) -> None:
        """It would price the order anew."""
        quote = shop.quote(HELMET, member_id="m")
        shop.reserve(quote, order_id="1", hold_for=HALF_HOUR)
        assert refusal_of(lambda: shop.place(quote, order_id="1")).reason is Reason.ORDER_RESERVED
        assert refusal_of(lambda: shop.place_unseen(HELMET, order_id="1", member_id="m")).reason is Reason.ORDER_RESERVED
        assert refusal_of(lambda: shop.refund("1", return_id="r", lines={"helmet": 1})).reason is Reason.ORDER_NOT_FOUND

    def test_another_servers_clock(self, shop: Loyalty, clock: Clock) -> None:
        """A server that is two minutes behind reserves at the instant of the member's last fact."""
        clock.at += 2 * MINUTE
        shop.record("review", member_id="m", ref="r")
        clock.at -= 2 * MINUTE
        reserved = shop.reserve(shop.quote(HELMET, member_id="m", burn=700), order_id="1", hold_for=HALF_HOUR)
        assert (reserved.at, reserved.order.burn_points) == (NOON + 2 * MINUTE, 700)

    @pytest.mark.parametrize("hold_for", [timedelta(0), -MINUTE, timedelta(days=367)])
    def test_refuses_other_times(self, shop: Loyalty, hold_for: timedelta) -> None:
        """Above nothing, and not for ever."""
        quote = shop.quote(HELMET)
        with pytest.raises(UsageError, match="hold_for must be above 0 and at most 366 days"):
            shop.reserve(quote, order_id="1", hold_for=hold_for)

    def test_another_basket_under_the_id(self, shop: Loyalty) -> None:
        """What the shop passed differs."""
        shop.reserve(shop.quote(HELMET), order_id="1", hold_for=HALF_HOUR)
        other = shop.quote(BELL)
        refusal = refusal_of(lambda: shop.reserve(other, order_id="1", hold_for=HALF_HOUR))
        assert refusal.details == {"key": "reserve", "fields": ("basket",)}


class TestAttach:
    def test_a_guest_becomes_a_member(self, shop: Loyalty) -> None:
        """The order's points come with it, once."""
        placed = shop.place(shop.quote(HELMET), order_id="1")
        attached = shop.attach("1", member_id="g")
        assert shop.attach("1", member_id="g") == attached
        assert attached.earned == placed.earned
        assert shop.overview("g").balance.available == placed.points
        assert shop.overview("g").order_count == 1
        refusal = refusal_of(lambda: shop.attach("1", member_id="m"))
        assert refusal.details == {"key": "attach", "fields": ("member_id",)}

    def test_a_return_finds_the_new_owner(self, shop: Loyalty, store: LossyRepository) -> None:
        """Between the first look at the order and the commit it found its member: the return is the member's."""
        shop.place(shop.quote(HELMET), order_id="1")
        store.after["load"] = [lambda: shop.attach("1", member_id="g")]
        back = shop.refund("1", return_id="r", lines={"helmet": 1})
        assert back.points_revoked == 71
        assert shop.overview("g").balance.available == 0

    def test_unknown_orders(self, shop: Loyalty) -> None:
        """There is nothing to attach."""
        assert refusal_of(lambda: shop.attach("1", member_id="g")).reason is Reason.ORDER_NOT_FOUND


class TestSweep:
    def test_writes_down_what_expired_once(self, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """Before anything expires nothing is due; after it a report is written, and no second one."""
        assert shop.sweep().done == 0
        before = shop.overview("m")
        clock.at += timedelta(days=400)
        balance = shop.overview("m").balance
        swept = shop.sweep()
        assert (swept.done, swept.failed, swept.cursor) == (1, (), None)
        report = facts_in(store, member_stream("m"))[-1]
        assert isinstance(report, ExpiryReported)
        assert (report.units, report.at) == (1000, clock.at)
        assert shop.overview("m").balance == balance
        assert before.balance.available == 1000
        assert shop.sweep().done == 0

    def test_each_account_that_something_is_due_on(self, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """Two accounts of one member are one commit; one that has nothing due is left alone."""
        for account, days in (("status", 2), ("cash", 5)):
            shop.earn(7, member_id="m", ref=account, expires_at=NOON + days * DAY, account=account, actor="desk")
        clock.at += 3 * DAY
        assert shop.sweep().done == 1
        reports = [fact for fact in facts_in(store, member_stream("m")) if isinstance(fact, ExpiryReported)]
        assert [(fact.account, fact.units) for fact in reports] == [("status", 7)]
        clock.at += 3 * DAY
        assert shop.sweep().done == 1

    def test_at_the_very_instant(self, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """What ends now is over now, and told on its own account."""
        shop.earn(7, member_id="n", ref="a", expires_at=NOON + DAY, account="status", actor="desk")
        clock.at += DAY
        assert shop.sweep().done == 1
        report = facts_in(store, member_stream("n"))[-1]
        assert isinstance(report, ExpiryReported)
        assert (report.account, report.units) == ("status", 7)

    def test_goes_on_where_it_stopped(self, shop: Loyalty, clock: Clock) -> None:
        """At most so many streams; the rest with the cursor, or the next time."""
        for number in range(5):
            shop.earn(1, member_id=f"n-{number}", ref="g", expires_at=NOON + (number + 1) * DAY, actor="desk")
        clock.at += 9 * DAY
        first = shop.sweep(2)
        assert first.done == 2
        assert first.cursor is not None
        rest = shop.sweep(after=first.cursor)
        assert (rest.done, rest.cursor) == (3, None)
        with pytest.raises(UsageError, match="limit must be a whole number"):
            shop.sweep(0)

    def test_one_that_fails_holds_nobody_up(self, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """A broken stream is named, also when it comes first and the limit is small; the others are done."""
        broken = StreamId("member/broken")
        fact = Granted(account="points", ref="x", rule="r", units=1, available_at=NOON, at=NOON)
        command = Command.of(broken, Key("twice"), actor="test")
        store.inner.commit(command, [append_of(broken, [fact, fact], NOON)])
        other = StreamId("campaign/x")
        command = Command.of(other, Key("k"), actor="test")
        store.inner.commit(command, [append_of(other, [fact], NOON)])
        for number in range(3):
            shop.earn(1, member_id=f"n-{number}", ref="g", expires_at=NOON + DAY, actor="desk")
        clock.at += 2 * DAY
        swept = shop.sweep(3)
        assert swept.done == 3
        assert [failed.stream for failed in swept.failed] == [other, broken]
        assert {type(failed.error).__name__ for failed in swept.failed} == {"CorruptStateError"}
        again = shop.sweep()
        assert (again.done, len(again.failed)) == (0, 2)

    def test_one_instant_on_two_accounts_one_after_the_other(self, shop: Loyalty, clock: Clock) -> None:
        """What was swept does not hide what ends at the same instant and is known only later."""
        shop.earn(7, member_id="n", ref="a", expires_at=NOON + DAY, actor="desk")
        clock.at += 2 * DAY
        assert shop.sweep().done == 1
        late = Accounts(shop.repository, account="status")
        late.save(late.get("n").earn(5, ref="b", expires_at=NOON + DAY, at=NOON))
        assert shop.sweep(1).done == 1
        assert shop.sweep().done == 0
        report = shop.membership("n").ledger_of("status").returned
        assert sum(moved.units for moved in report.values()) == 5

    def test_two_sweeps_at_once(self, shop: Loyalty, store: LossyRepository, clock: Clock) -> None:
        """The other was faster: nothing is reported twice."""
        clock.at += timedelta(days=400)
        store.before["commit"] = [shop.sweep]
        assert shop.sweep().done == 1
        reports = [fact for fact in facts_in(store, member_stream("m")) if isinstance(fact, ExpiryReported)]
        assert len(reports) == 1

    def test_a_due_that_moved_is_written_down_all_the_same(self, shop: Loyalty, store: LossyRepository) -> None:
        """Listed, and nothing has expired after all: a report of nothing, so that it is listed no more."""
        stream = member_stream("x")
        command = Command.of(stream, Key("k"), actor="test")
        store.inner.commit(command, [append_of(stream, [MemberJoined(member_id="x", at=NOON)], NOON)])
        assert shop.sweep().done == 1
        assert shop.sweep().done == 0
        assert isinstance(facts_in(store, stream)[-1], ExpiryReported)


def append_of(stream: StreamId, facts: Sequence[Fact], due_at: datetime) -> Change:
    """Make the first append of a stream."""
    return Append(stream=stream, expected_version=0, facts=tuple(facts), due_at=due_at)


class TestProject:
    def shop(self, clock: Clock, project: Callable[[Projected], None]) -> Loyalty:
        """Make a shop with a hook."""
        return Loyalty(PROGRAM, MemoryRepository(), clock=clock, project=project)

    def test_what_changes_is_told_in_the_commit(self, clock: Clock) -> None:
        """Every member and order that changes, as it is afterwards; once, and not for a repeated call."""
        points, seen = dict[str, int](), list[Projected]()

        def project(projected: Projected) -> None:
            seen.append(projected)
            for state in projected.states:
                if isinstance(state, Membership):
                    points[state.member_id] = state.available(at=projected.at)

        shop = self.shop(clock, project)
        shop.record("sign_up", member_id="m", ref="s")
        shop.record("sign_up", member_id="m", ref="s")
        quote = shop.quote(HELMET, member_id="m", burn=700)
        shop.place(quote, order_id="1")
        assert points == {"m": shop.overview("m").balance.available}
        assert [[type(state) for state in one.states] for one in seen] == [[Membership], [Order, Membership]]
        shop.reserve(shop.quote(BELL, member_id="m"), order_id="2", hold_for=HALF_HOUR)
        assert [type(state) for state in seen.pop().states] == [Order]  # the member was only looked at
        assert [one.command.key for one in seen] == ["record:s", "place"]
        assert {one.transaction for one in seen} == {None}

    def test_what_it_raises_undoes_the_commit(self, clock: Clock) -> None:
        """The shop's own table refuses: nothing of ours is kept either."""

        def project(_: Projected) -> None:
            msg = "no such customer"
            raise LookupError(msg)

        shop = self.shop(clock, project)
        with pytest.raises(LookupError, match="no such customer"):
            shop.join("m")
        assert shop.membership("m").version == 0

    def test_members_are_read_whole(self, clock: Clock) -> None:
        """The hook may ask anything of them: none is a part."""
        store, seen = SnapshotStore(), list[int]()

        def project(projected: Projected) -> None:
            seen.extend(
                state.ledger.books(at=projected.at).granted for state in projected.states if isinstance(state, Membership)
            )

        store.commit_then = store.memory.commit_then  # type: ignore[attr-defined]  # a power more
        shop = Loyalty(PROGRAM, store, clock=clock, project=project, snapshot_every=1)
        for number in range(4):
            shop.record("review", member_id="m", ref=f"r{number}")
            shop.burn(50, member_id="m", ref=f"b{number}")
        assert {kind for kind, _ in store.read} == {"whole"}
        assert seen == [50, 50, 100, 100, 150, 150, 200, 200]

    def test_a_repository_that_cannot(self, store: LossyRepository) -> None:
        """Told when the shop is made, not at the first commit."""
        with pytest.raises(UsageError, match="project needs a repository that has commit_then, got LossyRepository"):
            Loyalty(PROGRAM, store, project=lambda _: None)


class TestForget:
    def test_the_link_goes_and_the_books_stay(self, clock: Clock) -> None:
        """Under the alias all is as it was; under the id there is nothing."""
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=clock)
        shop.record("sign_up", member_id="ann", ref="s")
        shop.transfer(100, member_id="ann", to="bob", ref="gift")
        shop.place(shop.quote(HELMET, member_id="ann", burn=300), order_id="1")
        shop.reserve(shop.quote(BELL, member_id="ann"), order_id="2", hold_for=HALF_HOUR)
        before = shop.overview("ann")
        assert shop.forget("ann", alias="nobody-1") == 4
        after = shop.overview("nobody-1")
        assert after.balance == before.balance
        assert after.order_count == 1
        assert shop.membership("ann").version == 0
        assert shop.order("1").member_id == "nobody-1"
        assert shop.confirm("2").member_id == "nobody-1"
        assert shop.refund("1", return_id="r", lines={"helmet": 1}).points_given_back == 300
        assert shop.forget("ann") == 0

    def test_the_alias_is_made_at_random(self, clock: Clock) -> None:
        """Nobody can guess it, and no two are alike."""
        repository = MemoryRepository()
        shop = Loyalty(PROGRAM, repository, clock=clock)
        for member_id in ("ann", "bob"):
            shop.join(member_id)
            assert shop.forget(member_id) == 1
        names = repository.streams("member")
        assert len(names) == 2
        assert all(name.startswith("member/forgotten-") for name in names)

    def test_written_to_meanwhile(self, clock: Clock) -> None:
        """It looks again; where somebody is always faster it says so, and nothing is forgotten."""
        repository = MemoryRepository()
        shop = Loyalty(PROGRAM, repository, clock=clock)
        shop.join("ann")
        rename, races = repository.rename, list[Callable[[], object]]()

        def raced(old: StreamId, new: StreamId, /, *, facts: Mapping[StreamId, Sequence[Fact]]) -> None:
            if races:
                races.pop()()
            rename(old, new, facts=facts)

        repository.rename = raced  # type: ignore[method-assign]  # a store with somebody beside
        races.append(lambda: shop.record("review", member_id="ann", ref="r"))
        assert shop.forget("ann", alias="x") == 1
        assert shop.overview("x").balance.available == 50
        shop.join("bob")
        races += [partial(shop.record, "review", member_id="bob", ref=f"r{number}") for number in range(9)]
        with pytest.raises(ConflictError, match="was written to each time"):
            shop.forget("bob", alias="y")

    def test_where_orders_cannot_be_listed(self, clock: Clock) -> None:
        """What the member's own facts tell of is found all the same."""

        class Unlisted(LossyRepository):
            def __init__(self) -> None:
                super().__init__(MemoryRepository())
                self.rename = cast("MemoryRepository", self.inner).rename

        shop = Loyalty(PROGRAM, Unlisted(), clock=clock)
        shop.place(shop.quote(HELMET, member_id="ann"), order_id="1")
        assert shop.forget("ann", alias="x") == 2
        assert shop.order("1").member_id == "x"

    def test_a_name_that_somebody_has(self, clock: Clock) -> None:
        """Two members would become one."""
        shop = Loyalty(PROGRAM, MemoryRepository(), clock=clock)
        shop.join("ann")
        shop.join("bob")
        with pytest.raises(UsageError, match="alias must be a name that nobody has, got 'bob'"):
            shop.forget("ann", alias="bob")

    def test_while_an_order_is_paid(self, clock: Clock) -> None:
        """Forgotten between two looks at the order: it is booked for the alias."""
        repository = MemoryRepository()
        shop = Loyalty(PROGRAM, repository, clock=clock, snapshot_every=0)
        shop.record("sign_up", member_id="ann", ref="s")
        shop.reserve(shop.quote(HELMET, member_id="ann", burn=300), order_id="1", hold_for=HALF_HOUR)
        load, others = repository.load, list[Callable[[], object]]([list, partial(shop.forget, "ann", alias="x")])

        def raced(streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
            found = load(streams)
            if others:
                others.pop(0)()
            return found

        repository.load = raced  # type: ignore[method-assign]  # a store with somebody beside
        assert shop.confirm("1").member_id == "x"
        assert shop.membership("x").ledger.burns["1"].units == 300

    def test_a_repository_that_cannot(self, shop: Loyalty) -> None:
        """It is told at once."""
        with pytest.raises(UsageError, match="forget needs a repository that has rename, got LossyRepository"):
            shop.forget("m")


class SnapshotStore(LossyRepository):
    """A memory that counts what is read."""

    def __init__(self) -> None:
        self.memory = MemoryRepository()
        super().__init__(self.memory)
        self.read = list[tuple[str, int]]()

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Count facts."""
        found = super().load(streams)
        self.read.append(("whole", sum(len(stream.facts) for stream in found.values())))
        return found

    def load_tails(self, streams: Sequence[StreamId], /, *, form: str) -> Mapping[StreamId, SnapshotStream]:
        """Count facts."""
        found = self.memory.load_tails(streams, form=form)
        self.read.append(("tail", sum(len(stream.facts) for stream in found.values())))
        return found

    def keep_snapshot(self, stream: StreamId, snapshot: Snapshot, /) -> None:
        """Pass on."""
        self.memory.keep_snapshot(stream, snapshot)


class TestSnapshots:
    def test_kept_every_so_many_facts(self, clock: Clock) -> None:
        """After ten facts one is kept, and from then on few are read."""
        store = SnapshotStore()
        shop = Loyalty(PROGRAM, store, clock=clock, snapshot_every=10)
        for number in range(25):
            shop.record("review", member_id="m", ref=f"r{number}")
        assert max(count for kind, count in store.read if kind == "tail") < 10
        store.read.clear()
        assert shop.overview("m").balance.available == 1250
        assert store.read == [("tail", 5)]

    def test_rules_that_look_back_read_everything(self, clock: Clock) -> None:
        """A cap on a day asks for all that was earned: a snapshot would be read for nothing."""
        store, rule = SnapshotStore(), PROGRAM.earning[0]
        capped = attrs.evolve(rule, caps=Caps(per_day=50, over=Over.TRUNCATE))
        shop = Loyalty(attrs.evolve(PROGRAM, earning=(capped,)), store, clock=clock)
        assert shop.place(shop.quote(HELMET, member_id="m"), order_id="1").points == 50
        assert {kind for kind, _ in store.read} == {"whole"}
        once = attrs.evolve(rule, caps=Caps(per_order=50, over=Over.TRUNCATE))
        shop = Loyalty(attrs.evolve(PROGRAM, earning=(once,)), store, clock=clock)
        store.read.clear()
        shop.quote(HELMET, member_id="m")
        assert {kind for kind, _ in store.read} == {"tail"}

    def test_a_milestone_of_lifetime_points_needs_no_history(self, clock: Clock) -> None:
        """What closed lots had earned is known as a sum: the mark is passed, and a return of what is open takes it back."""
        mark = Milestone("regular", when=LifetimePoints(1095), give=BonusPoints(7, expires=None))
        store = SnapshotStore()
        shop = Loyalty(attrs.evolve(PROGRAM, milestones={"regular": mark}), store, clock=clock, snapshot_every=4)
        for number in range(21):
            shop.record("review", member_id="m", ref=f"r{number}")
            shop.burn(50, member_id="m", ref=f"b{number}")
        assert shop.membership("m").rewards == {}
        store.read.clear()
        placed = shop.place(shop.quote(Basket.of("EUR", {"bell": "50.00"}), member_id="m"), order_id="1")
        assert {kind for kind, _ in store.read if kind == "whole"} == set()
        assert placed.points == 45
        assert shop.overview("m").balance.available == 52
        shop.refund("1", return_id="r", lines={"bell": 1})
        assert shop.overview("m").balance.available == 0

    def test_a_broken_stream_is_told_once(self, clock: Clock) -> None:
        """Without a snapshot there is nothing else to read."""
        store = SnapshotStore()
        fact = Granted(account="points", ref="x", rule="r", units=1, available_at=NOON, at=NOON)
        stream = member_stream("m")
        store.memory.commit(Command.of(stream, Key("twice"), actor="test"), [append_of(stream, [fact, fact], NOON)])
        with pytest.raises(CorruptStateError):
            Loyalty(PROGRAM, store, clock=clock).overview("m")
        assert store.read == [("tail", 2)]

    def test_zero_never_keeps_any(self, clock: Clock) -> None:
        """The shop said so."""
        store = SnapshotStore()
        shop = Loyalty(PROGRAM, store, clock=clock, snapshot_every=0)
        for number in range(25):
            shop.record("review", member_id="m", ref=f"r{number}")
        assert {kind for kind, _ in store.read} == {"whole"}
        assert store.load_tails([member_stream("m")], form=SNAPSHOT_FORM)[member_stream("m")].snapshot is None

    @pytest.mark.law(7)
    @given(st.integers(1, 4), st.lists(st.integers(0, 5), min_size=1, max_size=25))
    def test_a_snapshot_never_changes_an_answer(self, every: int, verbs: list[int]) -> None:
        """The same calls with snapshots and without: the same answers, refusals too, and the same facts."""
        clock = Clock()
        kept, plain = MemoryRepository(), MemoryRepository()
        shops = [
            Loyalty(PROGRAM, kept, clock=clock, snapshot_every=every),
            Loyalty(PROGRAM, plain, clock=clock, snapshot_every=0),
        ]
        for number, verb in enumerate(verbs):
            clock.at += 40 * DAY if number % 5 == 4 else MINUTE
            heard = [told(shop, verb, number) for shop in shops]
            assert heard[0] == heard[1]
        streams = [*plain.streams("member"), *plain.streams("order")]
        assert kept.load(streams) == plain.load(streams)

    def test_a_snapshot_that_lies_is_passed_over(self, clock: Clock) -> None:
        """Another form of text under our name: the facts are read instead."""
        store = MemoryRepository()
        shop = Loyalty(PROGRAM, store, clock=clock)
        shop.record("review", member_id="m", ref="r")
        store.keep_snapshot(member_stream("m"), Snapshot(form=SNAPSHOT_FORM, version=1, text="no state"))
        assert shop.overview("m").balance.available == 50
        assert shop.record("review", member_id="m", ref="r2").units == 50

    @pytest.mark.parametrize("refusal", [ConflictError, ConnectionError])
    def test_a_snapshot_that_cannot_be_kept(self, refusal: type[Exception], clock: Clock) -> None:
        """The command is kept; its answer does not wait for what only saves reading."""
        store = MemoryRepository()

        def refuse(*_: object) -> None:
            raise refusal

        store.keep_snapshot = refuse  # type: ignore[method-assign]  # a busy store
        shop = Loyalty(PROGRAM, store, clock=clock, snapshot_every=1)
        assert shop.record("review", member_id="m", ref="r").units == 50

    @pytest.mark.parametrize("every", [-1, 1.5, True])
    def test_refuses_other_numbers(self, every: Any) -> None:  # noqa: ANN401  # a wrong value on purpose
        """A whole number of at least 0."""
        with pytest.raises(UsageError, match="snapshot_every must be a whole number"):
            Loyalty(PROGRAM, MemoryRepository(), snapshot_every=every)


def told(shop: Loyalty, verb: int, number: int) -> object:
    """Make one of a few calls, and give its answer or its refusal."""
    calls: tuple[Callable[[], object], ...] = (
        lambda: shop.record("review", member_id="m", ref=f"r{number}"),
        lambda: shop.burn(30, member_id="m", ref=f"b{number}"),
        lambda: shop.refund_burn(f"b{max(0, number - 7)}", member_id="m", ref=f"s{number}"),
        lambda: shop.place_unseen(HELMET, order_id=f"o{number}", member_id="m", burn=20),
        lambda: shop.refund(f"o{max(0, number - 9)}", return_id=f"x{number}", lines={"helmet": 1}),
        lambda: shop.transfer(10, member_id="m", to="n", ref=f"t{number}"),
    )
    try:
        return calls[verb](), shop.overview("m")
    except Exception as error:  # noqa: BLE001 - what is refused must be refused alike
        return type(error), str(error), shop.overview("m").balance


def test_when_something_is_due_is_kept_with_every_commit(shop: Loyalty, store: LossyRepository) -> None:
    """The soonest end on any account, or none."""

    def due() -> list[Due]:
        return list(store.inner.due(before=datetime(9999, 1, 1, tzinfo=UTC), after=None, limit=9))

    assert [instant_text(one.due_at) for one in due()] == ["2027-07-01T22:00:00Z"]
    shop.earn(5, member_id="m", ref="g", expires_at=NOON + DAY, account="status", actor="desk")
    assert [one.due_at for one in due()] == [NOON + DAY]
    shop.hold(5, member_id="m", ref="h", until=NOON + MINUTE, account="status")
    assert [one.due_at for one in due()] == [NOON + MINUTE]
    shop.earn(5, member_id="never", ref="g", expires_at=None, actor="desk")
    assert [one.stream for one in due()] == [member_stream("m")]
    shop.place(shop.quote(Basket.of("EUR", {"a": "1.00"})), order_id="1")
    assert isinstance(facts_in(store, order_stream("1"))[0], OrderPlaced)
    assert len(due()) == 1
    assert store.inner.due(before=NOON, after=Cursor("0"), limit=1) == []


def test_a_conflict_is_tried_again(shop: Loyalty, store: LossyRepository) -> None:
    """As with every other call."""
    quote = shop.quote(HELMET, member_id="m", burn=10)
    store.before["commit"] = [outrun]
    shop.reserve(quote, order_id="1", hold_for=HALF_HOUR)
    store.before["commit"] = [outrun]
    assert shop.confirm("1").burn_points == 10


@pytest.mark.parametrize(
    "call",
    [
        lambda shop: shop.place(None, order_id="1"),
        lambda shop: shop.reserve(None, order_id="1", hold_for=HALF_HOUR),
        lambda shop: shop.earn(1, member_id="m", ref="r", expires_at=None, rule=[], actor="a"),
        lambda shop: shop.earn(1, member_id="m", ref="r", expires_at=None, reason=None, actor="a"),
        lambda shop: shop.record([], member_id="m", ref="r"),
        lambda shop: shop.statement("m", window=None),
    ],
)
def test_what_is_no_such_thing_is_told(shop: Loyalty, call: Callable[[Loyalty], object]) -> None:
    """A wrong type is a mistake of the shop's, and named; nothing is kept of it."""
    with pytest.raises(UsageError):
        call(shop)
    assert shop.overview("m").balance.available == 1000
