"""Orders: shares fixed at purchase, points that follow what is kept, returns in any parts, never more than was given."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyaltycore.basket import Return
from loyaltycore.errors import Accepted, CorruptStateError, CurrencyMismatchError, Reason, Refused, UsageError
from loyaltycore.memberships import MemberJoined
from loyaltycore.orders import (
    CardPayment,
    Counted,
    EarnedPoints,
    Formula,
    NeedOf,
    OfferCost,
    OfferNeed,
    Order,
    OrderCardSold,
    OrderLine,
    OrderPlaced,
    OrderReserved,
    OrderReturned,
    Shape,
)
from loyaltycore.periods import Calendar
from loyaltycore.quantities import Money
from loyaltycore.testing.strategies import orders
from tests.points_by_hand import by_hand

AT = datetime(2026, 7, 1, tzinfo=UTC)
ORDERS = st.sampled_from(("EUR", "JPY", "KWD")).flatmap(lambda currency: orders(currency=currency, returns_limit=0))


class Goods(NamedTuple):
    """A line, and what it counts for points."""

    line: OrderLine
    counts: int


def line(line_id: str = "1", counts: int = 0, **fields: int | bool) -> Goods:
    """Make a line of a thing."""
    plain: dict[str, Any] = {"line_id": line_id, "product_id": "bell", "quantity": 1, "list_minor": 1000, **fields}
    return Goods(OrderLine(**plain), counts)


def placed(
    *goods: Goods,
    per: tuple[int, int] = (1, 100),
    shipping: int = 0,
    currency: str = "EUR",
    final_at: datetime | None = None,
) -> Order:
    """Book lines, with the sums they imply; ``per`` is the points of a step and the money of one."""
    step_points, step_minor = per
    terms = earned(Formula(shape=Shape.STEP, points=step_points, per_minor=step_minor), *goods)
    fact = OrderPlaced(
        order_id="1001",
        currency=currency,
        lines=tuple(one.line for one in goods),
        shipping_minor=shipping,
        burn_points=sum(one.line.burn_points for one in goods),
        earned=() if terms is None else (terms,),
        final_at=final_at,
        at=AT,
    )
    return Order.open("1001").folded([fact])


def earned(formula: Formula, *goods: Goods, rule: str = "order", shipping: int = 0) -> EarnedPoints | None:
    """Give what goods earn by a formula; none for nothing."""
    counted = [Counted(one.line.line_id, one.counts) for one in goods if one.counts]
    counted += [Counted("", shipping)] if shipping else []
    points = by_hand(formula, [(part.factor, part.minor) for part in counted])
    if not points:
        return None
    return EarnedPoints(rule=rule, points=points, formula=formula, counted=tuple(counted), available_at=AT)


def paid(minor: int, line_id: str = "1", quantity: int = 1) -> Goods:
    """Make a line that earns on all that was paid for it."""
    return line(line_id, quantity=quantity, list_minor=minor, counts=minor)


def euros(minor: int) -> Money:
    """Take minor units."""
    return Money(minor, "EUR")


def amount(minor: int, currency: str = "EUR") -> Return:
    """Give back money of what was paid for goods."""
    return Return(amount=Money(minor, currency))


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


def currency_of(order: Order) -> str:
    """Name the currency of an order."""
    return booked(order).currency


def units_left(order: Order) -> list[str]:
    """Name the line of each unit that is still out."""
    return [one.line_id for one in booked(order).lines for _ in range(one.quantity - order.returned.get(one.line_id, 0))]


def moved(returns: Iterable[OrderReturned]) -> tuple[int, int, int, int]:
    """Sum what returns moved: money, points taken back, points given back, what counts for tiers."""
    sums = [(r.money_minor, r.points_revoked, r.points_given_back, r.qualifying_minor) for r in returns]
    money, points, burned, qualifying = (sum(column) for column in zip((0, 0, 0, 0), *sums, strict=True))
    return money, points, burned, qualifying


def taken(order: Order, *backs: Return) -> list[int]:
    """Give the points that each of several returns takes back."""
    found = list[int]()
    for number, back in enumerate(backs):
        order, one = came_back(order, back, number)
        found.append(one.points_revoked)
    return found


def without_shipping(order: Order) -> Order:
    """Return what is left of shipping: some rules count it."""
    left = booked(order).shipping_minor - order.shipping_minor
    return came_back(order, Return(shipping=Money(left, currency_of(order))), 99)[0] if left else order


def in_two_parts(data: st.DataObject, order: Order) -> tuple[Order, Order]:
    """Return some units and an amount, and then more of both; give the order after each."""
    fact = booked(order)
    names = data.draw(st.permutations(units_left(order)))
    cut = data.draw(st.integers(0, len(names)))
    first = names[: data.draw(st.integers(0, cut))]
    parts = data.draw(st.lists(st.integers(1, max(1, fact.goods_minor)), max_size=2))
    ends = list[Order]()
    for number, (names_of, amounts) in enumerate(((first, parts[:1]), (names[len(first) : cut], parts[1:]))):
        backs = [amount(minor, fact.currency) for minor in amounts]
        backs += [Return(lines=Counter(names_of))] if names_of else []
        for place, back in enumerate(backs):
            answer = order.plan(back, return_id=f"{number}-{place}", at=AT)
            if isinstance(answer, Accepted):
                order = order.folded([answer.value])
        ends.append(order)
    return ends[0], ends[1]


class TestLaws:
    @pytest.mark.law(13, 14, 27)
    @given(ORDERS, st.data())
    def test_shares_of_all_returns_sum_to_the_shares_given(self, order: Order, data: st.DataObject) -> None:
        """Units come back one by one in any order: together exactly what they held, and every point, burned and earned."""
        fact = booked(order)
        for line_id in data.draw(st.permutations(units_left(order))):
            order, _ = came_back(order, Return(lines={line_id: 1}), len(order.returns))
        order = without_shipping(order)
        assert moved(order.returns.values()) == (
            fact.goods_minor + fact.shipping_minor,
            fact.points,
            fact.burn_points,
            fact.qualifying_minor,
        )
        assert dict(order.returned) == {one.line_id: one.quantity for one in fact.lines}

    @pytest.mark.law(27)
    @given(ORDERS, st.data())
    def test_no_return_changes_another_units_share(self, order: Order, data: st.DataObject) -> None:
        """What the n-th unit of a line gives back does not depend on what else came back before.

        Points earned are no share: they follow what is kept in all, so that the same unit may end a step or not.
        """
        lines = booked(order).lines
        wanted = data.draw(st.sampled_from(lines))
        others = [name for name in units_left(order) if name != wanted.line_id]
        disturbed = order
        for line_id in data.draw(st.lists(st.sampled_from(others), max_size=3, unique=True)) if others else []:
            disturbed, _ = came_back(disturbed, Return(lines={line_id: 1}), len(disturbed.returns))
        for number in range(wanted.quantity):
            order, one = came_back(order, Return(lines={wanted.line_id: 1}), 100 + number)
            disturbed, other = came_back(disturbed, Return(lines={wanted.line_id: 1}), 100 + number)
            assert one == attrs.evolve(other, points_revoked=one.points_revoked)

    @pytest.mark.law(13)
    @given(ORDERS, st.data())
    def test_k_returns_end_as_one(self, order: Order, data: st.DataObject) -> None:
        """Some units, one by one in any order, take and give what they do together."""
        names = data.draw(st.permutations(units_left(order)))
        some = names[: data.draw(st.integers(1, len(names)))]
        _, together = came_back(order, Return(lines=Counter(some)))
        for number, name in enumerate(some):
            order, _ = came_back(order, Return(lines={name: 1}), number)
        assert moved(order.returns.values()) == moved([together])

    @pytest.mark.law(13)
    @given(ORDERS, st.data())
    def test_points_kept_are_those_of_what_is_kept(self, order: Order, data: st.DataObject) -> None:
        """Count it by hand: each unit its whole minor units, the last ones the odd ones, and what all that is kept earns."""
        fact = booked(order)
        names = data.draw(st.permutations(units_left(order)))
        some = names[: data.draw(st.integers(0, len(names)))]
        for number, name in enumerate(some):
            order, _ = came_back(order, Return(lines={name: 1}), number)
        left = 0
        for terms in fact.earned:
            kept = [(part.factor, part.minor) for part in terms.counted if part.line_id == ""]
            for part in terms.counted:
                for one in (one for one in fact.lines if one.line_id == part.line_id):
                    each, odd = divmod(part.minor, one.quantity)
                    held = [each] * (one.quantity - odd) + [each + 1] * odd
                    kept += [(part.factor, minor) for minor in held[order.returned.get(one.line_id, 0) :]]
            left += by_hand(terms.formula, kept)
        assert fact.points - moved(order.returns.values())[1] == left

    @pytest.mark.law(13)
    @given(ORDERS, st.data())
    def test_more_kept_never_means_fewer_points(self, order: Order, data: st.DataObject) -> None:
        """Whatever comes back on top, by units and by amount, never brings a point, a burned one or money back to the order."""
        less, more = in_two_parts(data, order)
        before, after = moved(less.returns.values()), moved(more.returns.values())
        assert all(early <= late for early, late in zip(before, after, strict=True))

    @pytest.mark.law(13, 14)
    @given(orders(returns_limit=5), st.data())
    def test_targets_lie_between_nothing_and_all(self, order: Order, data: st.DataObject) -> None:
        """Mixed returns, by units and by amount: nothing ever goes below zero or past what was earned, burned or paid."""
        fact = booked(order)
        for left in data.draw(st.permutations(units_left(order))):
            order, _ = came_back(order, Return(lines={left: 1}), len(order.returns) + 50)
        order = without_shipping(order)
        for one in order.returns.values():
            assert min(one.money_minor, one.points_revoked, one.points_given_back, one.qualifying_minor) >= 0
        assert moved(order.returns.values()) == (
            fact.goods_minor + order.shipping_minor,
            fact.points,
            fact.burn_points,
            fact.qualifying_minor,
        )
        assert 0 <= order.shipping_minor <= fact.shipping_minor

    @pytest.mark.law(13)
    @given(ORDERS, st.lists(st.integers(1, 400), min_size=1, max_size=6))
    @example(
        placed(paid(2000), per=(1, 1000)), [500, 500]
    )  # two returns of 5.00 on 20.00 that once took back nothing, where one of 10.00 took its part
    def test_amounts_in_parts_equal_one_amount(self, order: Order, amounts: list[int]) -> None:
        """Amounts given back in parts take exactly what their sum takes at once."""
        currency = currency_of(order)
        if sum(amounts) > booked(order).goods_minor:
            assert refused(order, amount(sum(amounts), currency))[0] is Reason.REFUND_EXCEEDS_ORDER
            return
        _, once = came_back(order, amount(sum(amounts), currency))
        for number, minor in enumerate(amounts):
            order, _ = came_back(order, amount(minor, currency), number)
        assert moved(order.returns.values()) == moved([once])

    @pytest.mark.law(13)
    @given(ORDERS, st.data())
    def test_mixed_returns_end_alike_in_any_order(self, order: Order, data: st.DataObject) -> None:
        """Units, amounts and shipping, one after the other in two orders: where all are accepted, both end the same."""
        currency, units = currency_of(order), units_left(order)
        backs = [Return(lines={name: 1}) for name in data.draw(st.lists(st.sampled_from(units), max_size=3))]
        backs += [amount(minor, currency) for minor in data.draw(st.lists(st.integers(1, 300), max_size=3))]
        backs += [Return(shipping=Money(minor, currency)) for minor in data.draw(st.lists(st.integers(1, 50), max_size=2))]
        ends = []
        for way in (backs, data.draw(st.permutations(backs))):
            state = order
            for number, back in enumerate(way):
                answer = state.plan(back, return_id=str(number), at=AT)
                if isinstance(answer, Refused):
                    return
                state = state.folded([answer.value])
            ends.append((moved(state.returns.values()), state.returned, state.amount_minor, state.shipping_minor))
        assert ends[0] == ends[1]

    @pytest.mark.law(13, 14)
    @given(ORDERS)
    def test_the_whole_amount_takes_what_all_units_do(self, order: Order) -> None:
        """An amount of all that was paid for goods takes back every point, as returning every unit does."""
        fact = booked(order)
        if fact.goods_minor == 0:
            assert refused(order, amount(1, fact.currency))[0] is Reason.REFUND_EXCEEDS_ORDER
            return
        order, _ = came_back(order, amount(fact.goods_minor, fact.currency))
        order = without_shipping(order)
        assert moved(order.returns.values()) == (
            fact.goods_minor + fact.shipping_minor,
            fact.points,
            fact.burn_points,
            fact.qualifying_minor,
        )
        for number, left in enumerate(units_left(order)):
            order, late = came_back(order, Return(lines={left: 1}), number + 1)
            assert moved([late]) == (0, 0, 0, 0)

    @pytest.mark.law(13)
    @given(orders().filter(lambda order: all(part.line_id for one in booked(order).earned for part in one.counted)), st.data())
    def test_shipping_moves_nothing_but_its_money(self, order: Order, data: st.DataObject) -> None:
        """Shipping that earned nothing, beside units, adds its own money to what they move; alone it moves that money."""
        left = booked(order).shipping_minor - order.shipping_minor
        if left == 0:
            assert refused(order, Return(shipping=euros(1)))[0] is Reason.REFUND_EXCEEDS_ORDER
            return
        shipping = euros(data.draw(st.integers(1, left)))
        _, alone = came_back(order, Return(shipping=shipping))
        assert moved([alone]) == (shipping.minor_units, 0, 0, 0)
        for name in units_left(order)[:1]:
            _, plain = came_back(order, Return(lines={name: 1}))
            _, both = came_back(order, Return(lines={name: 1}, shipping=shipping))
            assert both.money_minor == plain.money_minor + shipping.minor_units
            assert moved([both])[1:] == moved([plain])[1:]

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
        """No more money than was paid for goods, less what came back by units and amounts; shipping has its own name."""
        order, _ = came_back(placed(line("1"), line("2"), shipping=500), Return(lines={"1": 1}))
        order, _ = came_back(order, amount(200), 1)
        assert refused(order, amount(801)) == (
            Reason.REFUND_EXCEEDS_ORDER,
            {"order_id": "1001", "asked_minor": 801, "left_minor": 800, "currency": "EUR"},
        )
        assert came_back(order, amount(800), 2)[1].money == euros(800)

    def test_too_much_shipping(self) -> None:
        """No more than was paid for it, less what came back of it, whatever is left of the goods."""
        order, one = came_back(placed(line(), shipping=490), Return(shipping=euros(190)))
        assert (one.money, one.shipping_minor, order.shipping_minor) == (euros(190), 190, 190)
        assert refused(order, Return(shipping=euros(301))) == (
            Reason.REFUND_EXCEEDS_ORDER,
            {"order_id": "1001", "asked_minor": 301, "left_minor": 300, "currency": "EUR"},
        )
        assert came_back(order, Return(shipping=euros(300)), 1)[0].shipping_minor == 490

    def test_both_too_large(self) -> None:
        """Too much of the goods and too much of shipping are two refusals."""
        back = Return(amount=euros(1001), shipping=euros(491))
        answer = placed(line(), shipping=490).plan(back, return_id="r", at=AT)
        assert isinstance(answer, Refused)
        assert [refusal.details["left_minor"] for refusal in answer.refusals] == [1000, 490]

    @pytest.mark.parametrize("name", ["amount", "shipping"])
    def test_other_currency_is_a_usage_error(self, name: str) -> None:
        """Currencies never mix."""
        back = {"amount": Return(amount=Money(1, "USD")), "shipping": Return(shipping=Money(1, "USD"))}[name]
        with pytest.raises(CurrencyMismatchError):
            placed(line(), shipping=490).plan(back, return_id="r", at=AT)

    def test_no_return_at_all(self) -> None:
        """Units without a `Return` around them are the caller's bug."""
        with pytest.raises(UsageError, match="back must be of type Return"):
            placed(line()).plan({"1": 1}, return_id="r", at=AT)  # type: ignore[arg-type]

    @pytest.mark.parametrize("return_id,at", [("", AT), ("r", AT.replace(tzinfo=None))])
    def test_bad_arguments(self, return_id: str, at: datetime) -> None:
        """An empty id and a naive time are the caller's bugs."""
        with pytest.raises(UsageError):
            placed(line()).plan(Return(lines={"1": 1}), return_id=return_id, at=at)

    def test_an_amount_takes_its_part_of_the_goods(self) -> None:
        """A tenth of what the goods cost takes a tenth of what burned points paid, and leaves nine tenths to earn."""
        goods = line(list_minor=5000, burn_minor=1000, burn_points=999, counts=4000)
        order = placed(goods, per=(1, 80), shipping=700)
        assert booked(order).points == 50
        order, one = came_back(order, amount(400))
        assert moved([one]) == (400, 5, 99, 400)
        order, two = came_back(order, amount(79), 1)
        assert moved([two]) == (79, 1, 20, 79)  # 35.21 is kept: one minor unit over 44 steps of 0.80

    def test_amount_after_units_stops_at_what_was_paid(self) -> None:
        """Goodwill first, then every unit: together no more than was paid, and never more points than were earned."""
        order = placed(paid(1000, "1"), paid(1000, "2"), shipping=300)
        order, goodwill = came_back(order, amount(800))
        order, one = came_back(order, Return(lines={"1": 1}), 1)
        order, two = came_back(order, Return(lines={"2": 1}), 2)
        assert moved([goodwill]) == (800, 8, 0, 800)
        assert moved([one]) == (1000, 10, 0, 1000)
        assert moved([two]) == (200, 2, 0, 200)

    def test_an_amount_then_all_units_give_the_net_of_the_goods(self) -> None:
        """10.00 of 30.00, then all units: 30.00 in all, every point, and shipping only when it is asked for."""
        order = placed(paid(3000, quantity=3), per=(1, 1000), shipping=490)
        order, _ = came_back(order, amount(1000))
        order, rest = came_back(order, Return(lines={"1": 3}), 1)
        assert rest.money == euros(2000)
        assert moved(order.returns.values()) == (3000, 3, 0, 3000)
        assert refused(order, amount(1)) == (
            Reason.REFUND_EXCEEDS_ORDER,
            {"order_id": "1001", "asked_minor": 1, "left_minor": 0, "currency": "EUR"},
        )
        assert came_back(order, Return(shipping=euros(490)), 2)[1].money == euros(490)

    def test_shipping_of_free_goods(self) -> None:
        """Where the goods cost nothing there is no amount of them; shipping comes back and takes no points."""
        order = placed(line(discount_minor=1000, counts=1000), shipping=500)
        assert refused(order, amount(1))[1]["left_minor"] == 0
        order, one = came_back(order, Return(shipping=euros(500)))
        assert moved([one]) == (500, 0, 0, 0)
        order, rest = came_back(order, Return(lines={"1": 1}), 1)
        assert moved([rest]) == (0, 10, 0, 0)

    def test_nothing_paid_at_all(self) -> None:
        """A free order comes back too: no money, but the points it earned on its list price."""
        order = placed(line(discount_minor=1000, counts=1000))
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
        order = placed(paid(2001, quantity=2), per=(3, 2000), shipping=490)
        back = Return(lines={"1": 1}, shipping=euros(90))
        assert order.plan(back, return_id="r-1", at=AT + timedelta(days=1)) == Accepted(
            OrderReturned(
                order_id="1001",
                return_id="r-1",
                currency="EUR",
                lines=back.lines,
                shipping_minor=90,
                money_minor=1090,
                points_revoked=3,
                qualifying_minor=1000,
                at=AT + timedelta(days=1),
            )
        )


class TestOfferCost:
    def test_a_need_is_met_by_what_is_kept(self) -> None:
        """Money at list prices, units, different products; of all lines, or of some."""
        lines = [line("1", quantity=3, list_minor=3000).line, line("2").line]
        for need, least, named, kept in (
            (NeedOf.SPEND, 3000, (), {"1": 1}),
            (NeedOf.SPEND, 2000, ("1",), {"1": 1}),
            (NeedOf.UNITS, 3, (), {"1": 1}),
            (NeedOf.UNITS, 1, ("2",), {"1": 3}),
            (NeedOf.PRODUCTS, 1, (), {"1": 2, "2": 1}),
        ):
            assert OfferNeed(of=need, at_least=least, lines=named).is_met(lines, kept)
            assert not OfferNeed(of=need, at_least=least + 1, lines=named).is_met(lines, kept)
        assert not OfferNeed(of=NeedOf.PRODUCTS, at_least=1, lines=("2",)).is_met(lines, {"2": 1})

    def test_one_way_is_enough(self) -> None:
        """All needs of one way; an offer that names no way always stands."""
        needs = (OfferNeed(of=NeedOf.UNITS, at_least=2), OfferNeed(of=NeedOf.SPEND, at_least=9000))
        lines = [line(quantity=3, list_minor=3000).line]
        for ways, stands in (((), True), (((0, 1),), False), (((0, 1), (0,)), True), (((1,),), False)):
            assert OfferCost(offer_id="a", discount_minor=0, needs=needs, ways=ways).stands(lines, {"1": 1}) is stands

    @pytest.mark.parametrize("ways", [((0,),), ((-1,),)])
    def test_ways_name_needs_that_are_there(self, ways: tuple[tuple[int, ...], ...]) -> None:
        """A place where no need stands is a damaged fact."""
        with pytest.raises(UsageError, match="ways must name needs by their place"):
            OfferCost(offer_id="a", discount_minor=0, ways=ways)

    @pytest.mark.parametrize("fields", [{"of": "units", "at_least": 1}, {"of": NeedOf.UNITS, "at_least": 0}])
    def test_a_need_is_of_something(self, fields: dict[str, Any]) -> None:
        """A kind that there is, and at least one."""
        with pytest.raises(UsageError):
            OfferNeed(**fields)


class TestPlaced:
    def test_sums(self) -> None:
        """Goods, total, points and what counts for tiers are sums of what was booked."""
        fact = booked(
            placed(
                line("1", discount_minor=100, burn_minor=50, burn_points=70, counts=850),
                line("2", counts=150, qualifies=False),
                shipping=490,
            )
        )
        assert (fact.goods_minor, fact.total, fact.points, fact.qualifying_minor) == (1850, euros(2340), 10, 850)
        assert (fact.earned[0].counted_minor, fact.shared_burn_points) == (1000, 70)


class TestTheLastOfTheMoney:
    @pytest.mark.law(13)
    def test_nothing_is_kept_however_it_came_back(self) -> None:
        """One line cannot be paid with points and does not count for tiers: all of the money back is all of both back."""
        order = placed(
            line("1", quantity=1, list_minor=2000, burn_minor=1000, burn_points=1000),
            line("2", quantity=1, list_minor=1000, qualifies=False),
        )
        for backs in (
            [amount(2000)],
            [Return(lines={"2": 1}), amount(1000)],
            [amount(500), amount(1500)],
            [amount(500), Return(lines={"1": 1}), amount(500)],
        ):
            after, totals = order, [0, 0, 0]
            for number, back in enumerate(backs):
                after, fact = came_back(after, back, number)
                moved_now = (fact.money_minor, fact.points_given_back, fact.qualifying_minor)
                totals = [total + now for total, now in zip(totals, moved_now, strict=True)]
            assert totals == [2000, 1000, 1000]


class TestPointsFollowWhatIsKept:
    def test_bulk_bought_and_all_but_one_returned(self) -> None:
        """50 at 1.00 earn 1 at 1 per 50.00: 49 come back and the point goes; the last one has none to take."""
        order = placed(paid(5000, quantity=50), per=(1, 5000))
        assert booked(order).points == 1
        assert taken(order, Return(lines={"1": 49})) == [1]
        assert taken(order, Return(lines={"1": 49}), Return(lines={"1": 1})) == [1, 0]
        assert taken(order, *[Return(lines={"1": 1})] * 50) == [1] + [0] * 49

    def test_two_small_amounts_take_what_one_does(self) -> None:
        """20.00 earns 2 at 1 per 10.00: 5.00 twice takes 1 in all, as 10.00 once; the rest takes the other."""
        order = placed(paid(2000), per=(1, 1000))
        assert taken(order, amount(500), amount(500), amount(1000)) == [1, 0, 1]
        assert taken(order, amount(1000), amount(1000)) == [1, 1]

    def test_what_was_over_the_last_step_takes_nothing(self) -> None:
        """105.00 earns 10 at 1 per 10.00: 5.00 back takes none, by amount or by unit; one minor unit more takes one."""
        order = placed(paid(10_000, "1"), paid(500, "2"), per=(1, 1000))
        assert booked(order).points == 10
        assert taken(order, amount(500), amount(1)) == [0, 1]
        assert taken(order, Return(lines={"2": 1}), Return(lines={"1": 1})) == [0, 10]
        assert taken(order, Return(lines={"1": 1}), Return(lines={"2": 1})) == [10, 0]

    def test_even_steps_go_evenly(self) -> None:
        """50.00 earns 100 at 1 per 0.50: 10.00 twice takes 20 and 20."""
        order = placed(paid(5000), per=(1, 50))
        assert booked(order).points == 100
        assert taken(order, amount(1000), amount(1000)) == [20, 20]

    @pytest.mark.parametrize("counts,points", [(10_000, 10), (9000, 9), (8500, 8)], ids=["list", "discounted", "paid"])
    def test_the_basis_decides_what_is_kept(self, counts: int, points: int) -> None:
        """100.00, 10.00 off and 5.00 burned, at 1 per 10.00: half of it, by unit or amount, leaves half of the basis."""
        goods = line(quantity=2, list_minor=10_000, discount_minor=1000, burn_minor=500, burn_points=500, counts=counts)
        order = placed(goods, per=(1, 1000))
        assert booked(order).points == points
        half = points - counts // 2 // 1000
        for backs in ([Return(lines={"1": 1})] * 2, [amount(4250)] * 2, [Return(lines={"1": 1}), amount(4250)]):
            assert taken(order, *backs) == [half, points - half]

    def test_lines_that_earn_nothing(self) -> None:
        """A gift card takes no points with it; an amount is of all that was paid, so it takes its part."""
        card = line("2", list_minor=5000)
        order = placed(paid(5000), card, per=(1, 1000))
        assert taken(order, Return(lines={"2": 1}), Return(lines={"1": 1})) == [0, 5]
        assert taken(order, amount(2000), amount(8000)) == [1, 4]
        assert taken(placed(card), Return(lines={"2": 1})) == [0]

    def test_shipping_takes_none(self) -> None:
        """All of shipping comes back, alone or beside an amount: the points are those of the goods kept."""
        order = placed(paid(2000), per=(1, 1000), shipping=490)
        assert taken(order, Return(shipping=euros(490))) == [0]
        assert taken(order, Return(amount=euros(1), shipping=euros(490))) == [1]

    def test_points_below_the_steps_are_kept_while_the_steps_last(self) -> None:
        """Of an order that earned fewer than its steps would give, returns take nothing until what is kept earns less."""
        order = placed(paid(10_000), per=(1, 1000))
        fact = booked(order)
        capped = attrs.evolve(fact, earned=(attrs.evolve(fact.earned[0], points=6),))
        assert taken(Order.replay("1001", [capped]), amount(4000), amount(1), amount(5999)) == [0, 1, 5]

    def test_each_rule_follows_its_own_step(self) -> None:
        """Two rules of one order: each keeps the points of its own whole steps."""
        order = placed(paid(3000), per=(1, 1000))
        fact = booked(order)
        other = earned(Formula(shape=Shape.STEP, points=7, per_minor=1500), paid(3000), rule="extra")
        assert other is not None
        assert taken(Order.replay("1001", [attrs.evolve(fact, earned=(*fact.earned, other))]), amount(1000), amount(2000)) == [
            1 + 7,
            2 + 7,
        ]

    @pytest.mark.parametrize("currency,minor", [("JPY", 1), ("KWD", 1000)])
    def test_currencies_without_cents(self, currency: str, minor: int) -> None:
        """2,000 yen or dinar at 1 per 100: 50 back takes a point and 50 more none; all but 99 takes the rest."""
        order = placed(paid(2000 * minor), per=(1, 100 * minor), currency=currency)
        assert booked(order).points == 20
        small = amount(50 * minor, currency)
        assert taken(order, small, small, amount(1801 * minor, currency), amount(99 * minor, currency)) == [1, 0, 19, 0]

    def test_fils_are_counted(self) -> None:
        """3 of 1.000 KWD with a fils over: the last unit holds it, and the step it fills goes with it."""
        order = placed(paid(3001, quantity=3), per=(1, 1001), currency="KWD")
        assert booked(order).points == 2
        assert taken(order, *[Return(lines={"1": 1})] * 3) == [1, 0, 1]

    def test_the_last_of_the_money_takes_the_last_point(self) -> None:
        """On the list price the cents of units and amounts may not meet; once all money is back, nothing is kept."""
        order = placed(line(quantity=4, list_minor=2003, discount_minor=3, counts=2003), per=(1, 1))
        assert sum(taken(order, amount(333), Return(lines={"1": 3}), amount(167))) == 2003

    def test_an_amount_of_free_goods_in_a_damaged_store_is_no_crash(self) -> None:
        """The library writes no such fact; one that stands there moves nothing it cannot."""
        order = placed(line(discount_minor=1000), shipping=490)
        damaged = OrderReturned(order_id="1001", return_id="x", currency="EUR", amount_minor=5, at=AT)
        after, fact = came_back(order.folded([damaged]), Return(lines={"1": 1}), 1)
        assert (fact.money_minor, after.version) == (0, 3)


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


def paid_with(order: Order, *minors: int) -> Order:
    """Let gift cards pay of an order, in this order; what there is nothing left for is not there."""
    left, payments = booked(order).total.minor_units, list[CardPayment]()
    for number, minor in enumerate(minors):
        part = min(minor, left)
        if part:
            payments.append(CardPayment(card_id=f"card-{number}", minor=part))
            left -= part
    return Order.open("1001").folded([attrs.evolve(booked(order), card_payments=tuple(payments))])


class TestCards:
    """Money that gift cards paid goes back to them first."""

    @pytest.mark.law(27, 37)
    @given(ORDERS, st.lists(st.integers(1, 3_000), max_size=3), st.data())
    def test_any_split_of_returns_gives_cards_what_one_return_does(
        self, drawn: Order, minors: list[int], data: st.DataObject
    ) -> None:
        """Unit by unit, with amounts and shipping between: each card gets what it paid, never more; first to cards, then out."""
        order = whole = paid_with(drawn, *minors)
        fact = booked(order)
        backs = [Return(lines={line_id: 1}) for line_id in units_left(order)]
        if fact.shipping_minor:
            first = data.draw(st.integers(1, fact.shipping_minor))
            parts = [first, fact.shipping_minor - first] if first < fact.shipping_minor else [first]
            backs += [Return(shipping=Money(minor, fact.currency)) for minor in parts]
        to_cards, given = Counter[str](), 0
        paid_last_first = [(one.card_id, one.minor) for one in reversed(fact.card_payments)]
        for number, back in enumerate(data.draw(st.permutations(backs))):
            order, one = came_back(order, back, number)
            assert all(one.to_cards.values())
            to_cards, given = to_cards + Counter(one.to_cards), given + one.money_minor
            assert to_cards == by_hand_to_cards(paid_last_first, given)
            assert one.to_pay_out.minor_units == one.money_minor - sum(one.to_cards.values()) >= 0
        assert to_cards == {one.card_id: one.minor for one in fact.card_payments}
        shipping = Money(fact.shipping_minor, fact.currency) if fact.shipping_minor else None
        _, at_once = came_back(whole, Return(lines=Counter(units_left(whole)), shipping=shipping))
        assert at_once.to_cards == to_cards

    @pytest.mark.law(37)
    @given(ORDERS, st.lists(st.integers(1, 3_000), max_size=3), st.data())
    def test_no_card_gets_more_than_it_paid(self, drawn: Order, minors: list[int], data: st.DataObject) -> None:
        """Also where amounts come back beside units."""
        order = paid_with(drawn, *minors)
        _, order = in_two_parts(data, order)
        back = Counter[str]()
        for one in order.returns.values():
            back += Counter(one.to_cards)
        money = sum(one.money_minor for one in order.returns.values())
        fact = booked(order)
        assert all(back[one.card_id] <= one.minor for one in fact.card_payments)
        assert back.total() == min(money, fact.paid_by_cards_minor)

    @pytest.mark.parametrize(
        "minor,expected", [(1, {"b": 1}), (20, {"b": 20}), (21, {"b": 20, "a": 1}), (35, {"b": 20, "a": 10})]
    )
    def test_the_last_that_paid_first(self, minor: int, expected: dict[str, int]) -> None:
        """As a purse is filled again in the other order."""
        payments = (CardPayment(card_id="a", minor=10), CardPayment(card_id="b", minor=20))
        order = Order.open("1001").folded([attrs.evolve(booked(placed(line(list_minor=50))), card_payments=payments)])
        _, one = came_back(order, amount(minor))
        assert dict(one.to_cards) == expected
        assert one.to_pay_out == euros(max(0, minor - 30))

    def test_cards_that_were_sold(self) -> None:
        """The order knows of which line each is a unit; one that was never placed sold none."""
        sold = OrderCardSold(order_id="1001", line_id="1", card_id="card-9", at=AT)
        assert placed(line()).folded([sold]).cards == {"card-9": "1"}
        with pytest.raises(CorruptStateError, match=r"order '1001' cannot go on with 'order\.card_sold'"):
            Order.open("1001").folded([sold])


def by_hand_to_cards(paid: list[tuple[str, int]], money: int) -> dict[str, int]:
    """Put money back on cards cent by cent."""
    found = Counter[str]()
    cents = [card_id for card_id, minor in paid for _ in range(minor)]
    for card_id in cents[:money]:
        found[card_id] += 1
    return found


class TestAllBack:
    """Whether nothing of the goods is kept."""

    @pytest.mark.parametrize(
        "backs,is_all",
        [
            ([], False),
            ([Return(lines={"1": 1})], False),
            ([Return(lines={"1": 2})], False),
            ([Return(lines={"1": 2, "2": 1})], True),
            ([Return(lines={"1": 1}), Return(lines={"1": 1, "2": 1})], True),
            ([amount(2999)], False),
            ([amount(3000)], True),
            ([amount(1), amount(2999)], True),
            ([Return(lines={"1": 2}), amount(999)], False),
            ([Return(lines={"1": 2}), amount(1000)], True),
            ([Return(shipping=euros(490))], False),
            ([amount(2999), Return(shipping=euros(490))], False),
        ],
    )
    def test_units_or_money(self, backs: list[Return], is_all: bool) -> None:  # noqa: FBT001 - pytest passes it
        """Every unit, or all that was paid for the goods; shipping is neither."""
        order = placed(line(quantity=2, list_minor=2000), line("2"), shipping=490)
        for number, back in enumerate(backs):
            order, _ = came_back(order, back, number)
        assert order.is_all_back is is_all

    def test_what_cost_nothing(self) -> None:
        """Of goods that were free only the units tell."""
        order = placed(line(list_minor=0))
        assert not order.is_all_back
        assert came_back(order, Return(lines={"1": 1}))[0].is_all_back

    def test_what_was_never_placed(self) -> None:
        """Nothing was bought: nothing came back."""
        assert not Order.open("1001").is_all_back
        reserved = OrderReserved(order=booked(placed(line())), until=AT + timedelta(hours=1), at=AT)
        assert not Order.open("1001").folded([reserved]).is_all_back
