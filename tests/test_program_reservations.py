"""Reservations: set aside as quoted, booked when paid, however late; and guests' orders that find their member."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, Membership, Order, Program, Quote, Return
from loyaltycore._earning import Caps, Over
from loyaltycore.errors import CorruptStateError, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Posting
from loyaltycore.ledger import Captured, Granted, Revoked, Voided
from loyaltycore.memberships import OrderCounted
from loyaltycore.orders import OrderPlaced
from loyaltycore.periods import Period, Term, YearDay
from loyaltycore.points import Overdraft
from loyaltycore.program import Placed, Reserved
from tests.programs import baskets, programs

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HALF_HOUR = NOON + 30 * MINUTE
HELMET = Basket.of("EUR", {"helmet": "79.90"})
TEXT = """
program = {{ name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-01-01 }}
stacking = {{ mode = "best" }}
[points]
basis = "paid"
expires = "12 months"
worth = "0.01"
burn_minimum = 1
overdraft = "{overdraft}"
{earn}
"""
PLAIN = 'earn = "1 per 1.00"'


def program(earn: str = PLAIN, *, overdraft: Overdraft = Overdraft.CARRY) -> Program:
    """Give a program that earns as told."""
    return Program.parse(TEXT.format(earn=earn, overdraft=overdraft.value))


SHOP = program()


def rich(points: int = 500) -> Membership:
    """Give a member with points that can be burned."""
    return Membership.open("m").earn(points, ref="welcome", expires_at=None, at=NOON).state


def after(member: Membership, posting: Posting[Membership] | None) -> Membership:
    """Give a member after a posting."""
    assert posting is not None
    return member.folded(posting.facts)


def reserved(
    shop: Program, member: Membership | None, basket: Basket = HELMET, *, burn: int = 0, order_id: str = "1"
) -> Reserved:
    """Quote and reserve for half an hour."""
    quote = shop.quote(basket, member, burn=burn, at=NOON)
    return shop.reserve(quote, member, order_id=order_id, until=HALF_HOUR, at=NOON)


def refusal_of(error: pytest.ExceptionInfo[RefusedError]) -> Refusal:
    """Give the first refusal."""
    return error.value.refusal


class TestReserve:
    def test_holds_what_the_quote_burns(self) -> None:
        """Reserved, the points are held and nothing is booked; the fact has all that will be."""
        member = rich()
        done = reserved(SHOP, member, burn=300)
        later = after(member, done.member)
        assert later.ledger.balance(at=NOON).held == 300
        assert later.available(at=NOON) == 200
        assert later.order_count == 0
        order = done.order.state
        assert order.placed is None
        assert order.member_id == "m"
        assert order.reserved == done.fact
        assert done.fact.order_id == "1"
        assert done.fact.total.minor_units == 7690
        assert order.is_reserved(at=HALF_HOUR - timedelta(microseconds=1))
        assert not order.is_reserved(at=HALF_HOUR)

    def test_the_hold_ends_by_itself(self) -> None:
        """Once its time has run out the points are free, with nothing written."""
        member = rich()
        later = after(member, reserved(SHOP, member, burn=300).member)
        assert later.available(at=HALF_HOUR) == 500

    def test_without_points_the_member_is_only_looked_at(self) -> None:
        """Nothing to hold: no fact for the member, and none for a guest, who has no membership at all."""
        done = reserved(SHOP, rich())
        assert done.member is not None
        assert done.member.facts == ()
        assert reserved(SHOP, None).member is None

    def test_again_changes_nothing(self) -> None:
        """The same reservation again is the first one; another quote under the id is refused."""
        member = rich()
        first = reserved(SHOP, member, burn=300)
        later = after(member, first.member)
        quote = SHOP.quote(HELMET, member, burn=300, at=NOON)
        again = SHOP.reserve(quote, later, order_id="1", order=first.order.state, until=HALF_HOUR + MINUTE, at=NOON + MINUTE)
        assert again.fact == first.fact
        assert again.order.facts == ()
        assert again.member is not None
        assert again.member.facts == ()
        other = SHOP.quote(HELMET, later, burn=1, at=NOON)
        with pytest.raises(RefusedError) as refused:
            SHOP.reserve(other, later, order_id="1", order=first.order.state, until=HALF_HOUR, at=NOON)
        assert refusal_of(refused) == Refusal(Reason.KEY_REUSED, {"key": "reserve:1", "fields": ("quote",)})

    def test_a_guest_reserves_again(self) -> None:
        """Neither has a member."""
        first = reserved(SHOP, None)
        quote = SHOP.quote(HELMET, at=NOON)
        again = SHOP.reserve(quote, order_id="1", order=first.order.state, until=HALF_HOUR, at=NOON)
        assert (again.member, again.order.facts) == (None, ())

    def test_refuses_what_moved(self) -> None:
        """The points were burned meanwhile: what the shopper saw cannot be set aside."""
        member = rich()
        quote = SHOP.quote(HELMET, member, burn=300, at=NOON)
        poorer = member.burn(400, ref="elsewhere", at=NOON).state
        with pytest.raises(RefusedError) as refused:
            SHOP.reserve(quote, poorer, order_id="1", until=HALF_HOUR, at=NOON)
        assert refusal_of(refused).reason is Reason.QUOTE_CHANGED

    @pytest.mark.parametrize("until", [NOON, NOON - MINUTE])
    def test_refuses_an_end_that_has_passed(self, until: datetime) -> None:
        """It would hold nothing."""
        quote = SHOP.quote(HELMET, at=NOON)
        with pytest.raises(UsageError, match="until must be after 2026-07-01T12:00:00Z, got"):
            SHOP.reserve(quote, order_id="1", until=until, at=NOON)

    def test_what_was_placed_or_given_up_is_not_reserved(self) -> None:
        """One order id is one order."""
        quote = SHOP.quote(HELMET, at=NOON)
        placed = SHOP.place(quote, order_id="1", at=NOON).order.state
        with pytest.raises(RefusedError) as refused:
            SHOP.reserve(quote, order_id="1", order=placed, until=HALF_HOUR, at=NOON)
        assert refusal_of(refused) == Refusal(Reason.ORDER_PLACED, {"order_id": "1"})
        cancelled = SHOP.cancel(reserved(SHOP, None).order.state, at=NOON + MINUTE).order.state
        with pytest.raises(RefusedError) as refused:
            SHOP.reserve(quote, order_id="1", order=cancelled, until=HALF_HOUR, at=NOON)
        details = {"order_id": "1", "cancelled_at": "2026-07-01T12:01:00Z"}
        assert refusal_of(refused) == Refusal(Reason.ORDER_CANCELLED, details)

    @pytest.mark.parametrize("unseen", [False, True])
    def test_what_is_reserved_is_not_placed_anew(self, *, unseen: bool) -> None:
        """It has a price already: confirm it, or cancel it."""
        order, quote = reserved(SHOP, None).order.state, SHOP.quote(HELMET, at=NOON)
        place = partial(SHOP.place_unseen, quote.asked) if unseen else partial(SHOP.place, quote)
        with pytest.raises(RefusedError) as refused:
            place(order_id="1", order=order, at=NOON)
        assert refusal_of(refused) == Refusal(Reason.ORDER_RESERVED, {"order_id": "1", "until": "2026-07-01T12:30:00Z"})

    @pytest.mark.parametrize("member", [None, rich()])
    def test_what_is_placed_is_not_placed_unseen_again(self, member: Membership | None) -> None:
        """A guest's, or a member's: nothing is booked a second time."""
        quote = SHOP.quote(HELMET, member, at=NOON)
        placed = SHOP.place(quote, member, order_id="1", at=NOON)
        now = None if placed.member is None else placed.member.state
        again = SHOP.place_unseen(quote.asked, now, order_id="1", order=placed.order.state, at=NOON)
        assert again.fact == placed.fact
        assert [posting.facts for posting in again.postings] == [()] * len(placed.postings)

    def test_refuses_an_id_that_names_a_burn(self) -> None:
        """The hold would have the name of something else."""
        member = rich().burn(10, ref="1", at=NOON).state
        with pytest.raises(RefusedError) as refused:
            reserved(SHOP, member, burn=300)
        assert refusal_of(refused).reason is Reason.KEY_REUSED

    @pytest.mark.parametrize("story", ["void", "sooner", "fewer"])
    def test_a_hold_that_would_not_do_is_refused(self, story: str) -> None:
        """Voided, ending before the reservation, or of fewer points: the order would hold nothing, or too little."""
        until = HALF_HOUR - MINUTE if story == "sooner" else HALF_HOUR
        member = rich()
        quote = SHOP.quote(HELMET, member, burn=300, at=NOON)
        if story == "void":
            member = member.hold(300, ref="1", until=until, at=NOON).state.void("1", at=NOON).state
        else:
            member = member.hold(300, ref="1", until=until, at=NOON).state
            quote = SHOP.quote(HELMET, member, burn=300, order_id="1", at=NOON)
        if story == "fewer":
            member = rich().hold(100, ref="1", until=until, at=NOON).state
            with pytest.raises(RefusedError) as refused:
                SHOP.reserve(quote, member, order_id="1", until=HALF_HOUR, at=NOON)
            assert refusal_of(refused).reason is Reason.QUOTE_CHANGED
            return
        with pytest.raises(RefusedError) as refused:
            SHOP.reserve(quote, member, order_id="1", until=HALF_HOUR, at=NOON)
        assert refusal_of(refused) == Refusal(Reason.KEY_REUSED, {"key": "reserve:1", "fields": ("hold",)})

    def test_a_guests_reservation_has_no_membership(self) -> None:
        """Asking for one is a mistake."""
        done = reserved(SHOP, None)
        with pytest.raises(UsageError, match="a guest's order has no membership"):
            _ = done.membership
        given_up = SHOP.cancel(done.order.state, at=NOON)
        with pytest.raises(UsageError, match="a guest's order has no membership"):
            _ = given_up.membership

    def test_a_hold_in_its_name_stands(self) -> None:
        """What the shop held itself for the order is what it burns: nothing is held twice."""
        member = rich().hold(300, ref="1", until=HALF_HOUR, at=NOON).state
        quote = SHOP.quote(HELMET, member, burn=300, order_id="1", at=NOON)
        done = SHOP.reserve(quote, member, order_id="1", until=HALF_HOUR, at=NOON)
        assert done.member is not None
        assert done.member.facts == ()
        placed = SHOP.confirm(done.order.state, member, at=NOON + MINUTE)
        assert placed.membership.ledger.burns["1"].units == 300


class TestConfirm:
    def test_books_what_was_reserved(self) -> None:
        """In time: the hold is burned, the order counts and earns from when it was ordered."""
        member = rich()
        done = reserved(SHOP, member, burn=300)
        later = after(member, done.member)
        at = NOON + 10 * MINUTE
        placed = SHOP.confirm(done.order.state, later, at=at)
        assert placed.fact == attrs.evolve(done.fact.order, ordered_at=NOON, at=at)
        assert not placed.fact.late
        assert placed.fact.since == NOON
        state = placed.membership
        assert placed.member is not None
        assert state.ledger.balance(at=at).held == 0
        assert state.ledger.burns["1"].units == 300
        granted = next(fact for fact in placed.member.facts if isinstance(fact, Granted))
        assert (granted.units, granted.at) == (76, NOON)
        counted = next(fact for fact in placed.member.facts if isinstance(fact, OrderCounted))
        assert counted.day.isoformat() == "2026-07-01"

    def test_equals_placing_at_once(self) -> None:
        """Reserved and confirmed at one instant, the member is left as by ``place``."""
        member = rich()
        quote = SHOP.quote(HELMET, member, burn=300, at=NOON)
        at_once = SHOP.place(quote, member, order_id="1", at=NOON).membership
        done = reserved(SHOP, member, burn=300)
        twice = SHOP.confirm(done.order.state, after(member, done.member), at=NOON).membership
        assert twice.ledger.balance(at=NOON) == at_once.ledger.balance(at=NOON)
        assert twice.ledger.burns == at_once.ledger.burns
        assert twice.orders == at_once.orders

    def test_counts_on_the_day_it_was_ordered(self) -> None:
        """Ordered just before midnight in Paris and paid after it: it counts for the day of the order."""
        eve, member = datetime(2026, 7, 1, 21, 55, tzinfo=UTC), Membership.open("m")
        quote = SHOP.quote(HELMET, member, at=eve)
        done = SHOP.reserve(quote, member, order_id="1", until=eve + 30 * MINUTE, at=eve)
        placed = SHOP.confirm(done.order.state, member, at=eve + 10 * MINUTE)
        assert placed.membership.orders["1"].day.isoformat() == "2026-07-01"

    def test_again_changes_nothing(self) -> None:
        """The webhook comes twice."""
        done = reserved(SHOP, None)
        first = SHOP.confirm(done.order.state, at=NOON + MINUTE)
        again = SHOP.confirm(first.order.state, at=NOON + 2 * MINUTE)
        assert again.fact == first.fact
        assert again.order.facts == ()
        assert again.member is None
        member = rich()
        held = reserved(SHOP, member, burn=1)
        booked = SHOP.confirm(held.order.state, after(member, held.member), at=NOON)
        assert SHOP.confirm(booked.order.state, booked.membership, at=NOON).membership == booked.membership

    def test_refuses_what_was_never_reserved(self) -> None:
        """There is nothing to book."""
        with pytest.raises(RefusedError) as refused:
            SHOP.confirm(Order.open("1"), at=NOON)
        assert refusal_of(refused) == Refusal(Reason.ORDER_NOT_FOUND, {"order_id": "1"})

    def test_refuses_another_members_state(self) -> None:
        """Whose order it is stands in the reservation."""
        done = reserved(SHOP, rich())
        with pytest.raises(UsageError, match="membership must be that of member 'm', got none"):
            SHOP.confirm(done.order.state, at=NOON)

    @pytest.mark.law(43)
    @given(
        burn=st.integers(0, 500),
        spent=st.integers(0, 500),
        minutes=st.sampled_from([0, 29, 30, 31, 60 * 24 * 400]),
        cancelled=st.booleans(),
        overdraft=st.sampled_from([Overdraft.CARRY, Overdraft.SETTLE, Overdraft.FORGIVE]),
    )
    def test_a_paid_order_is_never_refused(
        self, burn: int, spent: int, minutes: int, *, cancelled: bool, overdraft: Overdraft
    ) -> None:
        """In time, late, or after it was cancelled: booked as it was set aside, its points burned, and the books balance."""
        shop, member = program(overdraft=overdraft), rich()
        done = reserved(shop, member, burn=burn)
        order, member = done.order.state, after(member, done.member)
        if cancelled:
            given_up = shop.cancel(order, member, at=NOON + MINUTE)
            order, member = given_up.order.state, after(member, given_up.member)
        at = NOON + max(minutes, cancelled) * MINUTE
        spending = min(spent, member.available(at=at))
        if spending:
            member = member.burn(spending, ref="elsewhere", at=at).state
        left = member.ledger.balance(at=at)
        placed = shop.confirm(order, member, at=at)
        assert placed.fact.total == done.fact.total
        assert placed.fact.late == (cancelled or minutes >= 30)
        state = placed.membership
        assert state.order_count == 1
        books = state.ledger.books(at=at)
        assert books.balanced
        assert books.burned == burn + spending
        granted = 79 - burn // 100 if burn % 100 <= 90 else 78 - burn // 100
        assert state.ledger.lots["1/order"].granted == done.fact.order.points == granted
        # What was held is taken; where it was spent meanwhile, it is owed.
        if minutes < 30 and not cancelled:
            assert books.debt == 0
        elif overdraft is Overdraft.CARRY:
            assert books.debt == max(0, burn + spending - 500)
        assert left.debt == 0

    @pytest.mark.law(14)
    @given(burn=st.integers(1, 500), spent=st.integers(1, 500), cancelled=st.booleans())
    def test_refunded_in_the_end_nothing_is_left_over(self, burn: int, spent: int, *, cancelled: bool) -> None:
        """A late order that burned what was not there: refunded, with the other burn given back, all is as before."""
        member = rich()
        done = reserved(SHOP, member, burn=burn)
        order, member = done.order.state, after(member, done.member)
        if cancelled:
            given_up = SHOP.cancel(order, member, at=HALF_HOUR)
            order, member = given_up.order.state, after(member, given_up.member)
        member = member.burn(spent, ref="elsewhere", at=HALF_HOUR).state
        placed = SHOP.confirm(order, member, at=HALF_HOUR)
        back = SHOP.refund(placed.order.state, placed.membership, back=Return(lines={"helmet": 1}), return_id="r", at=HALF_HOUR)
        member = back.membership.refund_burn("elsewhere", ref="sorry", at=HALF_HOUR).state
        assert member.ledger.balance(at=HALF_HOUR).available == 500
        assert member.ledger.books(at=HALF_HOUR).debt == 0

    def test_a_name_used_meanwhile_is_told(self) -> None:
        """Given up, the reservation left its name; the shop burned points under it: they are not burned twice."""
        member = rich()
        done = reserved(SHOP, member, burn=300)
        given_up = SHOP.cancel(done.order.state, after(member, done.member), at=NOON)
        member = after(after(member, done.member), given_up.member).burn(5, ref="1", at=NOON).state
        with pytest.raises(RefusedError) as refused:
            SHOP.confirm(given_up.order.state, member, at=NOON)
        assert refusal_of(refused) == Refusal(Reason.KEY_REUSED, {"key": "place:1", "fields": ("burn",)})

    @pytest.mark.law(43)
    def test_a_hold_given_up_by_hand_is_burned_all_the_same(self) -> None:
        """The shop voided what was held for the order; it is paid in time, and says late."""
        member = rich()
        done = reserved(SHOP, member, burn=300)
        member = after(member, done.member).void("1", at=NOON).state
        placed = SHOP.confirm(done.order.state, member, at=NOON + MINUTE)
        assert placed.fact.late
        assert placed.membership.ledger.burns["1"].units == 300

    @pytest.mark.law(43)
    def test_a_hold_burned_by_hand_is_not_burned_twice(self) -> None:
        """The shop captured what was held for the order: that is the order's burn. Another number of points is not."""
        member = rich()
        done = reserved(SHOP, member, burn=300)
        member = after(member, done.member)
        placed = SHOP.confirm(done.order.state, member.capture("1", at=NOON).state, at=NOON + MINUTE)
        assert placed.membership.ledger.books(at=NOON + MINUTE).burned == 300
        assert not placed.fact.late
        with pytest.raises(RefusedError) as refused:
            SHOP.confirm(done.order.state, member.capture("1", 200, at=NOON).state, at=NOON + MINUTE)
        assert refusal_of(refused).details["fields"] == ("burn",)

    def test_what_is_burned_by_hand_under_an_order_that_burns_nothing(self) -> None:
        """It is the shop's own affair; the order is booked."""
        member = rich()
        done = reserved(SHOP, member)
        used = member.hold(5, ref="1", until=HALF_HOUR, at=NOON).state.capture("1", at=NOON).state
        assert SHOP.confirm(done.order.state, used, at=NOON + MINUTE).membership.order_count == 1

    def test_it_can_come_back_for_as_long_as_any_order(self) -> None:
        """Paid after the return window of its reservation had closed: the window counts from when it was booked."""
        shop = attrs.evolve(SHOP, returns=Term(Period(days=14)))
        done = reserved(shop, rich())
        at = NOON + timedelta(days=20)
        placed = shop.confirm(done.order.state, rich(), at=at)
        assert placed.fact.final_at is not None
        assert placed.fact.final_at > at
        back = shop.refund(placed.order.state, placed.membership, back=Return(lines={"helmet": 1}), return_id="r", at=at)
        assert back.fact.points_revoked == 79

    def test_an_end_that_passed_meanwhile_is_no_reason(self) -> None:
        """So late that the points it earned are over: they are granted as they would have been, and are over."""
        done = reserved(SHOP, rich(), burn=0)
        at = NOON + timedelta(days=500)
        placed = SHOP.confirm(done.order.state, rich(), at=at)
        assert placed.membership.ledger.books(at=at).expired == 79


def capped(over: Over = Over.TRUNCATE) -> Program:
    """Give a program whose rule gives at most 100 points a day."""
    base = program()
    rule = attrs.evolve(base.earning[0], caps=Caps(per_day=100, over=over))
    return attrs.evolve(base, earning=(rule,))


class TestCapsMeanwhile:
    @pytest.mark.law(43)
    def test_two_in_time_stay_within_the_cap(self) -> None:
        """Both were quoted with the whole cap; what the second may not give any more it does not."""
        shop, member = capped(), rich()
        first, second = reserved(shop, member), reserved(shop, member, order_id="2")
        assert first.fact.order.points == second.fact.order.points == 79
        one = shop.confirm(first.order.state, member, at=NOON + MINUTE)
        two = shop.confirm(second.order.state, one.membership, at=NOON + 2 * MINUTE)
        assert (one.fact.points, two.fact.points) == (79, 21)
        assert two.membership.ledger.lots["2/order"].granted == 21

    @pytest.mark.law(43)
    def test_a_late_one_passes_it(self) -> None:
        """A cap is passed by the late ones, and by nothing else."""
        shop, member = capped(), rich()
        first, second = reserved(shop, member), reserved(shop, member, order_id="2")
        one = shop.confirm(first.order.state, member, at=NOON + MINUTE)
        two = shop.confirm(second.order.state, one.membership, at=HALF_HOUR)
        assert (two.fact.points, two.fact.late) == (79, True)

    def test_where_a_cap_refuses_nothing_is_given(self) -> None:
        """``over = "refuse"`` gives all or nothing, then too."""
        shop, member = capped(Over.REFUSE), rich()
        first, second = reserved(shop, member), reserved(shop, member, order_id="2")
        one = shop.confirm(first.order.state, member, at=NOON)
        two = shop.confirm(second.order.state, one.membership, at=NOON)
        assert two.fact.points == 0
        assert "2/order" not in two.membership.ledger.lots

    @pytest.mark.parametrize("over", list(Over))
    def test_what_a_cap_just_leaves_is_given(self, over: Over) -> None:
        """79 of 158 points are left for the second: all of it, whatever would happen above."""
        rule = attrs.evolve(program().earning[0], caps=Caps(per_day=158, over=over))
        shop, member = attrs.evolve(program(), earning=(rule,)), rich()
        first, second = reserved(shop, member), reserved(shop, member, order_id="2")
        one = shop.confirm(first.order.state, member, at=NOON)
        assert shop.confirm(second.order.state, one.membership, at=NOON).fact.points == 79

    def test_a_rule_that_is_gone_gives_what_it_gave(self) -> None:
        """The order was set aside under yesterday's program."""
        shop, member = capped(), rich()
        done = reserved(shop, member)
        today = attrs.evolve(shop, earning=())
        assert today.confirm(done.order.state, member, at=NOON).fact.points == 79

    @pytest.mark.law(48)
    def test_spend_carried_over_is_counted_in_the_order_of_payment(self) -> None:
        """30.00 and 20.00 at a point for each 50.00: the one paid last gets the point, whichever was reserved first."""
        shop = program('earn = "1 per 50.00"\ncarry_over = true')
        small, large = Basket.of("EUR", {"a": "20.00"}), Basket.of("EUR", {"a": "30.00"})
        member = rich()
        first, second = reserved(shop, member, small), reserved(shop, member, large, order_id="2")
        assert first.fact.order.points == second.fact.order.points == 0
        two = shop.confirm(second.order.state, member, at=NOON)
        one = shop.confirm(first.order.state, two.membership, at=NOON)
        assert (two.fact.points, one.fact.points) == (0, 1)

    @pytest.mark.law(43, 48)
    @given(st.lists(st.tuples(st.integers(1, 90), st.booleans(), st.booleans()), min_size=1, max_size=6))
    def test_carried_spend_holds_late_too(self, orders: list[tuple[int, bool, bool]]) -> None:
        """Reserved all at once, paid in time or late, some returned: a member the points of the whole steps of what is kept."""
        shop = program('earn = "1 per 50.00"\ncarry_over = true')
        member, kept, bought = rich(), 0, list[tuple[Order, int, bool]]()
        for number, (euros, late, comes_back) in enumerate(orders):
            basket = Basket.of("EUR", {"a": f"{euros}.00"})
            done = reserved(shop, member, basket, order_id=str(number))
            at = HALF_HOUR if late else NOON
            placed = shop.confirm(done.order.state, member, at=at)
            bought.append((placed.order.state, euros, comes_back))
            member, kept = placed.membership, kept + euros
        for order, euros, comes_back in bought:
            if comes_back:
                back = Return(lines={"a": 1})
                member = shop.refund(order, member, back=back, return_id="r", at=HALF_HOUR).membership
                kept -= euros
        held = sum(lot.revocable for lot in member.ledger.lots.values() if lot.rule == "order")
        assert held == kept // 50


class TestCancel:
    def test_frees_what_was_held(self) -> None:
        """At once, and once."""
        member = rich()
        done = reserved(SHOP, member, burn=300)
        later = after(member, done.member)
        given_up = SHOP.cancel(done.order.state, later, at=NOON + MINUTE)
        assert given_up.member is not None
        assert [type(fact) for fact in given_up.member.facts] == [Voided]
        assert after(later, given_up.member).available(at=NOON + MINUTE) == 500
        assert given_up.order.state.cancelled_at == NOON + MINUTE
        assert not given_up.order.state.is_reserved(at=NOON + MINUTE)
        again = SHOP.cancel(given_up.order.state, after(later, given_up.member), at=NOON + 2 * MINUTE)
        assert again.fact == given_up.fact
        assert again.order.facts == ()
        assert again.member is not None
        assert again.member.facts == ()

    def test_nothing_held_nothing_freed(self) -> None:
        """A guest's, and one that burns nothing."""
        assert SHOP.cancel(reserved(SHOP, None).order.state, at=NOON).member is None
        done = SHOP.cancel(reserved(SHOP, rich()).order.state, rich(), at=NOON)
        assert done.member is not None
        assert done.member.facts == ()

    def test_refuses_what_was_placed_or_never_reserved(self) -> None:
        """What is booked is refunded."""
        placed = SHOP.place(SHOP.quote(HELMET, at=NOON), order_id="1", at=NOON).order.state
        with pytest.raises(RefusedError) as refused:
            SHOP.cancel(placed, at=NOON)
        assert refusal_of(refused) == Refusal(Reason.ORDER_PLACED, {"order_id": "1"})
        with pytest.raises(RefusedError) as refused:
            SHOP.cancel(Order.open("1"), at=NOON)
        assert refusal_of(refused) == Refusal(Reason.ORDER_NOT_FOUND, {"order_id": "1"})


def guest_order(shop: Program, basket: Basket, *, at: datetime = NOON) -> Placed:
    """Place an order of nobody's."""
    return shop.place(shop.quote(basket, at=at), order_id="1", at=at)


class TestAttach:
    @pytest.mark.law(47)
    @given(st.data())
    def test_gives_what_a_purchase_would_have(self, data: st.DataObject) -> None:
        """Any program, any basket: the member has the lots the guest's order earned, with the same terms."""
        shop = data.draw(programs())
        basket = data.draw(baskets(shop))
        at = shop.starts_at + timedelta(days=3)
        placed = guest_order(shop, basket, at=at)
        late = at + timedelta(days=data.draw(st.integers(0, 20)))
        attached = shop.attach(placed.order.state, Membership.open("m"), at=late)
        member = attached.member.state
        # Under a rule that carries spend over it is carried from now on; the points are those of the order alone.
        as_carried = tuple(attrs.evolve(one, carried=True) for one in placed.fact.earned)
        assert tuple(attrs.evolve(one, carried=True) for one in attached.fact.earned) == as_carried
        lots = {f"1/{one.rule}": one for one in placed.fact.earned if one.points}
        assert set(member.ledger.lots) == set(lots)
        for lot_id, one in lots.items():
            lot = member.ledger.lots[lot_id]
            assert (lot.granted, lot.granted_at) == (one.points, at)
            assert (lot.available_at, lot.expires_at) == (one.available_at, one.expires_at)
        assert member.orders["1"].units == placed.fact.qualifying_minor
        order = placed.order.state.folded(attached.order.facts)
        assert (order.member_id, order.placed and order.placed.member_id) == ("m", "m")

    @pytest.mark.law(47)
    @given(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    def test_returns_before_and_after_come_to_the_same(self, parts: list[int]) -> None:
        """What came back before the order found its member counts as if it had come back since."""
        basket = Basket.of("EUR", {"bell": "12.50"})
        basket = attrs.evolve(basket, lines=tuple(attrs.evolve(line, quantity=9) for line in basket.lines))
        before, after_ = guest_order(SHOP, basket).order.state, guest_order(SHOP, basket).order.state
        for number, units in enumerate(parts):
            back = Return(lines={"bell": units})
            before = SHOP.refund(before, back=back, return_id=f"r-{number}", at=NOON).order.state
        attached = SHOP.attach(before, Membership.open("m"), at=HALF_HOUR)
        late = SHOP.attach(after_, Membership.open("m"), at=HALF_HOUR)
        order, member = after_.folded(late.order.facts), late.member.state
        for number, units in enumerate(parts):
            done = SHOP.refund(order, member, back=Return(lines={"bell": units}), return_id=f"r-{number}", at=HALF_HOUR)
            order, member = done.order.state, done.membership
        assert attached.member.state.ledger.balance(at=HALF_HOUR) == member.ledger.balance(at=HALF_HOUR)
        assert attached.member.state.orders == member.orders
        assert sum(isinstance(fact, Revoked) for fact in attached.member.facts) == len(parts)

    def test_a_return_after_that_takes_from_the_member(self) -> None:
        """From then on it is the member's order."""
        placed = guest_order(SHOP, HELMET)
        attached = SHOP.attach(placed.order.state, Membership.open("m"), at=NOON)
        back = SHOP.refund(
            attached.order.state, attached.member.state, back=Return(lines={"helmet": 1}), return_id="r", at=HALF_HOUR
        )
        assert back.fact.points_revoked == 79
        assert back.membership.ledger.balance(at=HALF_HOUR).available == 0

    def test_caps_are_those_known_when_attached(self) -> None:
        """The member has earned 60 of the 100 of that day meanwhile."""
        shop = capped()
        placed = guest_order(shop, HELMET)
        member = Membership.open("m")
        own = shop.place(shop.quote(Basket.of("EUR", {"a": "60.00"}), member, at=NOON), member, order_id="2", at=NOON).membership
        attached = shop.attach(placed.order.state, own, at=HALF_HOUR)
        assert [one.points for one in attached.fact.earned] == [40]
        assert attached.order.state.placed == attrs.evolve(placed.fact, member_id="m", earned=attached.fact.earned)

    @pytest.mark.law(48)
    def test_spend_of_a_guest_is_carried_over_from_then_on(self) -> None:
        """30.00 and 120.00 of a guest at a point for each 50.00 are 150.00: three points, and two after a return."""
        shop, member = program('earn = "1 per 50.00"\ncarry_over = true'), Membership.open("m")
        own = shop.place(shop.quote(Basket.of("EUR", {"a": "30.00"}), member, at=NOON), member, order_id="2", at=NOON)
        guest = guest_order(shop, Basket.of("EUR", {"b": "120.00"}))
        assert [one.carried for one in guest.fact.earned] == [False]
        attached = shop.attach(guest.order.state, own.membership, at=NOON)
        assert attached.member.state.available(at=NOON) == 3
        back = shop.refund(own.order.state, attached.member.state, back=Return(lines={"a": 1}), return_id="r", at=NOON)
        assert back.membership.available(at=NOON) == 2

    @pytest.mark.law(48)
    def test_what_was_earned_by_no_step_is_not_carried_over(self) -> None:
        """The guest's order earned a percentage; today's rule carries steps over: the order keeps what it earned."""
        guest = guest_order(program('earn = "10 %"\nrounding = "down"'), Basket.of("EUR", {"b": "120.00"}))
        shop = program('earn = "1 per 50.00"\ncarry_over = true')
        attached = shop.attach(guest.order.state, Membership.open("m"), at=NOON)
        assert attached.fact.earned == guest.fact.earned
        assert attached.member.state.carried == {}

    def test_refusals(self) -> None:
        """Not placed; somebody's already; an id that names something else of the member."""
        with pytest.raises(RefusedError) as refused:
            SHOP.attach(Order.open("1"), rich(), at=NOON)
        assert refusal_of(refused) == Refusal(Reason.ORDER_NOT_FOUND, {"order_id": "1"})
        placed = SHOP.place(SHOP.quote(HELMET, rich(), at=NOON), rich(), order_id="1", at=NOON)
        with pytest.raises(RefusedError) as refused:
            SHOP.attach(placed.order.state, placed.membership, at=NOON)
        assert refusal_of(refused) == Refusal(Reason.ORDER_HAS_MEMBER, {"order_id": "1", "member_id": "m"})
        guest = guest_order(SHOP, HELMET).order.state
        with pytest.raises(RefusedError) as refused:
            SHOP.attach(guest, placed.membership, at=NOON)
        assert refusal_of(refused).details["fields"] == ("order", "earned")


def test_no_yearly_end_is_chained() -> None:
    """An order reserved on New Year's Eve and paid in the new year ends as one of the old year."""
    base = program()
    rule = attrs.evolve(base.earning[0], expires=YearDay(month=12, day=31))
    shop = attrs.evolve(base, earning=(rule,))
    eve = datetime(2026, 12, 31, 22, 50, tzinfo=UTC)
    quote: Quote = shop.quote(HELMET, Membership.open("m"), at=eve)
    done = shop.reserve(quote, Membership.open("m"), order_id="1", until=eve + 30 * MINUTE, at=eve)
    placed: Placed = shop.confirm(done.order.state, Membership.open("m"), at=eve + 20 * MINUTE)
    assert isinstance(placed.fact, OrderPlaced)
    assert placed.membership.ledger.lots["1/order"].expires_at == quote.earned[0].expires_at


def test_late_capture_after_giving_up_says_late() -> None:
    """The burn of a hold that was given up is dated when it was paid, and is late."""
    member = rich()
    done = reserved(SHOP, member, burn=300)
    given_up = SHOP.cancel(done.order.state, after(member, done.member), at=NOON)
    member = after(after(member, done.member), given_up.member)
    placed = SHOP.confirm(given_up.order.state, member, at=NOON + MINUTE)
    assert placed.member is not None
    captured = [fact for fact in placed.member.facts if isinstance(fact, Captured)]
    assert [(fact.late, fact.at) for fact in captured] == [(True, NOON + MINUTE)]


def test_facts_that_cannot_follow_are_refused() -> None:
    """Reserved twice, cancelled or reserved after it was booked, attached to a second member, or before it was booked."""
    done = reserved(SHOP, None)
    placed = SHOP.confirm(done.order.state, at=NOON).fact
    cancelled = SHOP.cancel(done.order.state, at=NOON).fact
    attached = SHOP.attach(Order.open("1").folded([placed]), Membership.open("m"), at=NOON).fact
    for facts in (
        [cancelled],
        [attached],
        [done.fact, done.fact],
        [done.fact, attached],
        [placed, done.fact],
        [done.fact, placed, cancelled],
        [done.fact, placed, placed],
        [placed, attached, attached],
        [attrs.evolve(placed, member_id="n"), attached],
    ):
        with pytest.raises(CorruptStateError, match="order '1' cannot go on with"):
            Order.replay("1", facts)
    assert Order.replay("1", [done.fact, cancelled, cancelled]).cancelled_at == cancelled.at
