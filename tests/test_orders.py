"""Orders: shares fixed at purchase, returns in any parts, never more than was given."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyaltycore.basket import Return
from loyaltycore.errors import Accepted, CorruptStateError, CurrencyMismatchError, Reason, Refused, UsageError
from loyaltycore.memberships import MemberJoined
from loyaltycore.orders import EarnedPoints, Order, OrderLine, OrderPlaced, OrderReturned
from loyaltycore.periods import Calendar
from loyaltycore.quantities import Money
from loyaltycore.testing.strategies import orders

AT = datetime(2026, 7, 1, tzinfo=UTC)
CURRENCIES = st.sampled_from(("EUR", "JPY", "KWD"))


def line(line_id: str = "1", **fields: int | bool) -> OrderLine:
    """Make a line of a thing."""
    return OrderLine(**{"line_id": line_id, "product_id": "bell", "quantity": 1, "list_minor": 1000, **fields})  # type: ignore[arg-type]


def placed(*lines: OrderLine, shipping: int = 0, final_at: datetime | None = None) -> Order:
    """Book lines, with the sums they imply."""
    points, burned = sum(one.points for one in lines), sum(one.burn_points for one in lines)
    fact = OrderPlaced(
        order_id="1001",
        currency="EUR",
        lines=lines,
        shipping_minor=shipping,
        burn_points=burned,
        earned=(EarnedPoints(rule="order", points=points, available_at=AT),) if points else (),
        final_at=final_at,
        at=AT,
    )
    return Order.open("1001").folded([fact])


def came_back(order: Order, back: Return, number: int = 0) -> tuple[Order, OrderReturned]:
    """Return something that must be accepted."""
    answer = order.plan(back, return_id=f"back-{number}", at=AT)
    assert isinstance(answer, Accepted), answer
    return order.folded([answer.value]), answer.value


def refused(order: Order, back: Return, *, at: datetime = AT) -> tuple[Reason, dict[str, object]]:
    """Return something that must be refused."""
    answer = order.plan(back, return_id="r", at=at)
    assert isinstance(answer, Refused)
    return answer.refusal.reason, dict(answer.refusal.details)


def booked(order: Order) -> OrderPlaced:
    """Give what was booked."""
    assert order.placed is not None
    return order.placed


def units_left(order: Order) -> list[str]:
    """Name the line of each unit that is still out."""
    return [one.line_id for one in booked(order).lines for _ in range(one.quantity - order.returned.get(one.line_id, 0))]


def moved(returns: Iterable[OrderReturned]) -> tuple[int, int, int, int]:
    """Sum what returns moved: money, points taken back, points given back, what counts for tiers."""
    sums = [(r.money_minor, r.points_revoked, r.points_given_back, r.qualifying_minor) for r in returns]
    money, points, burned, qualifying = (sum(column) for column in zip((0, 0, 0, 0), *sums, strict=True))
    return money, points, burned, qualifying


class TestLaws:
    @pytest.mark.law(13, 27)
    @given(CURRENCIES.flatmap(lambda currency: orders(currency=currency, returns_limit=0)), st.data())
    def test_shares_of_all_returns_sum_to_the_shares_given(self, order: Order, data: st.DataObject) -> None:
        """Units come back one by one in any order: together exactly what they held, points burned and earned alike."""
        fact = booked(order)
        for line_id in data.draw(st.permutations(units_left(order))):
            order, _ = came_back(order, Return(lines={line_id: 1}), len(order.returns))
        assert moved(order.returns.values()) == (
            fact.goods_minor,
            sum(one.points for one in fact.lines),
            sum(one.burn_points for one in fact.lines),
            fact.qualifying_minor,
        )
        assert dict(order.returned) == {one.line_id: one.quantity for one in fact.lines}

    @pytest.mark.law(27)
    @given(orders(returns_limit=0), st.data())
    def test_no_return_changes_another_units_share(self, order: Order, data: st.DataObject) -> None:
        """What the n-th unit of a line gives back does not depend on what else came back before."""
        lines = booked(order).lines
        wanted = data.draw(st.sampled_from(lines))
        others = [name for name in units_left(order) if name != wanted.line_id]
        disturbed = order
        for line_id in data.draw(st.lists(st.sampled_from(others), max_size=3, unique=True)) if others else []:
            disturbed, _ = came_back(disturbed, Return(lines={line_id: 1}), len(disturbed.returns))
        for number in range(wanted.quantity):
            order, one = came_back(order, Return(lines={wanted.line_id: 1}), 100 + number)
            disturbed, other = came_back(disturbed, Return(lines={wanted.line_id: 1}), 100 + number)
            assert one == other

    @pytest.mark.law(13)
    @given(orders(returns_limit=5), st.data())
    def test_targets_lie_between_nothing_and_all(self, order: Order, data: st.DataObject) -> None:
        """Mixed returns, by units and by amount: nothing ever goes below zero or past what was earned, burned or paid."""
        fact = booked(order)
        for left in data.draw(st.permutations(units_left(order))):
            order, one = came_back(order, Return(lines={left: 1}), len(order.returns) + 50)
            assert min(one.money_minor, one.points_revoked, one.points_given_back, one.qualifying_minor) >= 0
        money, points, burned, qualifying = moved(order.returns.values())
        assert fact.goods_minor <= money <= fact.total.minor_units
        assert (points, burned, qualifying) == (fact.points, fact.burn_points, fact.qualifying_minor)

    @pytest.mark.law(13)
    @given(orders(returns_limit=0), st.lists(st.integers(1, 400), min_size=1, max_size=6))
    @example(
        placed(line(list_minor=2000, points=1)), [500, 500]
    )  # two returns of 5.00 on 20.00 that once took back nothing, where one of 10.00 took its part
    def test_amounts_in_parts_equal_one_amount(self, order: Order, amounts: list[int]) -> None:
        """Amounts given back in parts take exactly what their sum takes at once."""
        if sum(amounts) > booked(order).total.minor_units:
            return
        _, once = came_back(order, Return(amount=Money(sum(amounts), "EUR")))
        for number, minor in enumerate(amounts):
            order, _ = came_back(order, Return(amount=Money(minor, "EUR")), number)
        assert moved(order.returns.values()) == moved([once])

    @pytest.mark.law(13)
    @given(orders(returns_limit=0), st.data())
    def test_mixed_returns_end_alike_in_any_order(self, order: Order, data: st.DataObject) -> None:
        """Units and amounts, one after the other in two orders: where all are accepted, both end the same."""
        units = units_left(order)
        backs = [Return(lines={name: 1}) for name in data.draw(st.lists(st.sampled_from(units), max_size=3))]
        backs += [Return(amount=Money(minor, "EUR")) for minor in data.draw(st.lists(st.integers(1, 300), max_size=3))]
        ends = []
        for way in (backs, data.draw(st.permutations(backs))):
            state = order
            for number, back in enumerate(way):
                answer = state.plan(back, return_id=str(number), at=AT)
                if isinstance(answer, Refused):
                    return
                state = state.folded([answer.value])
            ends.append((moved(state.returns.values()), state.returned, state.amount_minor))
        assert ends[0] == ends[1]

    @pytest.mark.law(13)
    @given(orders(returns_limit=0))
    def test_the_whole_amount_takes_what_all_units_do(self, order: Order) -> None:
        """An amount of all that was paid takes back every point, as returning every unit does."""
        fact = booked(order)
        if fact.total.minor_units == 0:
            return
        order, one = came_back(order, Return(amount=fact.total))
        assert (one.points_revoked, one.points_given_back, one.qualifying_minor) == (
            fact.points,
            fact.burn_points,
            fact.qualifying_minor,
        )
        for number, left in enumerate(units_left(order)):
            order, late = came_back(order, Return(lines={left: 1}), number + 1)
            assert moved([late]) == (0, 0, 0, 0)

    @pytest.mark.law(7)
    @given(orders(returns_limit=4))
    def test_replay_equals_state(self, order: Order) -> None:
        """Folding all facts gives the order again, and so do its JSON form and its pickle."""
        facts = [booked(order), *order.returns.values()]
        assert Order.replay("1001", facts) == order
        assert Order.from_dict(order.to_dict()) == order
        assert pickle.loads(pickle.dumps(order)) == order
        assert order.version == len(facts)

    @pytest.mark.law(8)
    @given(orders(returns_limit=2))
    def test_a_plan_decides_nothing(self, order: Order) -> None:
        """Asking what a return would do changes nothing, whatever the answer."""
        before = order.to_dict()
        order.plan(Return(lines={"0": 1}), return_id="r", at=AT)
        order.plan(Return(lines={"nothing": 1}), return_id="r", at=AT)
        assert order.to_dict() == before


class TestPlan:
    def test_unknown_order(self) -> None:
        """An order that was never placed has nothing to give back."""
        assert refused(Order.open("1001"), Return(lines={"1": 1})) == (Reason.ORDER_NOT_FOUND, {"order_id": "1001"})

    def test_window_is_open_to_its_last_microsecond(self) -> None:
        """At `final_at` it is too late, just before it is not; an order without one never closes."""
        end = AT + timedelta(days=30)
        order = placed(line(), final_at=end)
        reason, details = refused(order, Return(lines={"1": 1}), at=end)
        assert (reason, details) == (
            Reason.REFUND_WINDOW_CLOSED,
            {"order_id": "1001", "final_at": "2026-07-31T00:00:00Z", "last_on": "2026-07-30"},
        )
        answer = order.plan(Return(lines={"1": 1}), return_id="r", calendar=Calendar("Asia/Tokyo"), at=end)
        assert isinstance(answer, Refused)
        assert answer.refusal.details["last_on"] == "2026-07-31"
        just_before = order.plan(Return(lines={"1": 1}), return_id="r", at=end - timedelta(microseconds=1))
        assert isinstance(just_before, Accepted)
        later = AT + timedelta(days=3000)
        assert isinstance(placed(line()).plan(Return(lines={"1": 1}), return_id="r", at=later), Accepted)

    def test_too_many_units(self) -> None:
        """No more units than were bought and are still out."""
        order, _ = came_back(placed(line(quantity=3)), Return(lines={"1": 2}))
        assert refused(order, Return(lines={"1": 2})) == (
            Reason.REFUND_EXCEEDS_ORDER,
            {"order_id": "1001", "line_id": "1", "asked_units": 2, "left_units": 1},
        )

    def test_unknown_line(self) -> None:
        """A line that was not bought is named."""
        details = {"order_id": "1001", "line_id": "2"}
        assert refused(placed(line()), Return(lines={"2": 1})) == (Reason.ORDER_LINE_NOT_FOUND, details)

    def test_all_that_is_wrong_is_said(self) -> None:
        """Several refusals come in the order of reasons."""
        order = placed(line(), final_at=AT)
        answer = order.plan(Return(lines={"1": 2, "2": 1}), return_id="r", at=AT)
        assert isinstance(answer, Refused)
        assert [refusal.reason for refusal in answer.refusals] == [
            Reason.ORDER_LINE_NOT_FOUND,
            Reason.REFUND_WINDOW_CLOSED,
            Reason.REFUND_EXCEEDS_ORDER,
        ]

    def test_too_large_an_amount(self) -> None:
        """No more money than was paid, shipping included, less what came back by units and amounts."""
        order, _ = came_back(placed(line("1"), line("2"), shipping=500), Return(lines={"1": 1}))
        order, _ = came_back(order, Return(amount=Money(200, "EUR")), 1)
        assert refused(order, Return(amount=Money(1301, "EUR"))) == (
            Reason.REFUND_EXCEEDS_ORDER,
            {"order_id": "1001", "asked_minor": 1301, "left_minor": 1300, "currency": "EUR"},
        )
        assert came_back(order, Return(amount=Money(1300, "EUR")), 2)[1].money == Money(1300, "EUR")

    def test_other_currency_is_a_usage_error(self) -> None:
        """Currencies never mix."""
        with pytest.raises(CurrencyMismatchError):
            placed(line()).plan(Return(amount=Money(1, "USD")), return_id="r", at=AT)

    @pytest.mark.parametrize("return_id,at", [("", AT), ("r", AT.replace(tzinfo=None))])
    def test_bad_arguments(self, return_id: str, at: datetime) -> None:
        """An empty id and a naive time are the caller's bugs."""
        with pytest.raises(UsageError):
            placed(line()).plan(Return(lines={"1": 1}), return_id=return_id, at=at)

    def test_an_amount_takes_its_part_of_the_goods(self) -> None:
        """A tenth of what the goods cost takes a tenth of the points, rounded down in all."""
        order = placed(line(list_minor=5000, points=50, burn_minor=1000, burn_points=999), shipping=700)
        order, one = came_back(order, Return(amount=Money(400, "EUR")))
        assert moved([one]) == (400, 5, 99, 400)
        order, two = came_back(order, Return(amount=Money(79, "EUR")), 1)
        assert moved([two]) == (79, 0, 20, 79)

    def test_amount_after_units_stops_at_what_was_paid(self) -> None:
        """Goodwill first, then every unit: together no more than was paid, and never more points than were earned."""
        order = placed(line("1", points=10), line("2", points=10), shipping=300)
        order, _ = came_back(order, Return(amount=Money(800, "EUR")))
        order, one = came_back(order, Return(lines={"1": 1}), 1)
        order, two = came_back(order, Return(lines={"2": 1}), 2)
        assert moved([one]) == (1000, 10, 0, 1000)
        assert moved([two]) == (500, 2, 0, 200)

    def test_shipping_of_free_goods(self) -> None:
        """Where the goods cost nothing an amount takes its part of what was paid in all, not everything at once."""
        order = placed(line(discount_minor=1000, points=10), shipping=500)
        order, one = came_back(order, Return(amount=Money(50, "EUR")))
        assert one.points_revoked == 1
        order, rest = came_back(order, Return(amount=Money(450, "EUR")), 1)
        assert rest.points_revoked == 9

    def test_nothing_paid_at_all(self) -> None:
        """A free order comes back too: no money, but the points it earned."""
        order = placed(line(discount_minor=1000, points=10))
        _, one = came_back(order, Return(lines={"1": 1}))
        assert moved([one]) == (0, 10, 0, 0)

    def test_lines_that_do_not_qualify(self) -> None:
        """What never counted for tiers does not stop counting."""
        order = placed(line("1", qualifies=False), line("2"))
        assert booked(order).qualifying_minor == 1000
        order, one = came_back(order, Return(lines={"1": 1}))
        assert moved([one]) == (1000, 0, 0, 0)
        order, one = came_back(order, Return(lines={"2": 1}), 1)
        assert moved([one]) == (1000, 0, 0, 1000)

    def test_the_fact_names_its_return(self) -> None:
        """Everything a reader of the fact needs stands in it."""
        order = placed(line(quantity=2, list_minor=2001, points=3))
        assert order.plan(Return(lines={"1": 1}), return_id="r-1", at=AT + timedelta(days=1)) == Accepted(
            OrderReturned(
                order_id="1001",
                return_id="r-1",
                currency="EUR",
                lines=Return(lines={"1": 1}).lines,
                money_minor=1000,
                points_revoked=1,
                qualifying_minor=1000,
                at=AT + timedelta(days=1),
            )
        )


class TestPlaced:
    def test_sums(self) -> None:
        """Goods, total, points and what counts for tiers are sums of what was booked."""
        fact = booked(
            placed(
                line("1", discount_minor=100, burn_minor=50, burn_points=70, points=8),
                line("2", points=2, qualifies=False),
                shipping=490,
            )
        )
        assert (fact.goods_minor, fact.total, fact.points, fact.qualifying_minor) == (1850, Money(2340, "EUR"), 10, 850)


class TestFolded:
    def test_empty_id_is_a_usage_error(self) -> None:
        """An order has a name."""
        with pytest.raises(UsageError, match="order_id"):
            Order.open("")

    def test_facts_that_cannot_follow_are_corrupt(self) -> None:
        """Placed twice, returned before it was placed, of another order, or no order's fact at all."""
        order = placed(line())
        fact = booked(order)
        answer = order.plan(Return(lines={"1": 1}), return_id="r", at=AT)
        assert isinstance(answer, Accepted)
        strange = [
            (order, fact),
            (Order.open("1001"), answer.value),
            (Order.open("1002"), fact),
            (order, attrs.evolve(answer.value, order_id="1002")),
            (order, MemberJoined(member_id="m", at=AT)),
        ]
        for state, wrong in strange:
            with pytest.raises(CorruptStateError, match="cannot go on with"):
                state.folded([wrong])

    def test_anything_else_in_the_column_is_corrupt(self) -> None:
        """A stored order is what was written, or an error."""
        with pytest.raises(CorruptStateError):
            Order.from_dict({"form": 1, "order_id": "1001", "returned": {"1": "two"}})
