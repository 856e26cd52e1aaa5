"""Points in other systems: minted, lost, spent twice, expired wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from loyaltycore import Basket, Line, Membership, Money, PointsAccount, Program, RefusedError, Return
from loyaltycore.errors import Reason, Refused
from loyaltycore.ledger import Captured
from loyaltycore.orders import Order, OrderReturned
from loyaltycore.periods import Calendar, Period, Term
from loyaltycore.points import Overdraft
from tests.programs import NOW, VELO, velo

DAY = timedelta(days=1)
SHOP = velo()
NO_OFFERS = VELO.partition("[[offers]]")[0]
CARRIED = NO_OFFERS.replace("[points]\n", "[points]\ncarry_over = true\n")
FIFTY = "1 per 50.00"


def euros(minor: int) -> Money:
    """Take minor units."""
    return Money(minor, "EUR")


def paying(steps: str, *, basis: str = "paid", file: str = NO_OFFERS) -> Program:
    """Make the shop's program with another earning rule; without its offers, unless they are asked for."""
    return Program.parse(file.replace('"1 per 1.00"', f'"{steps}"').replace('basis = "paid"', f'basis = "{basis}"'))


def bought(
    rules: Program, basket: Basket, member: Membership, *, codes: Sequence[str] = (), burn: int = 0, order_id: str = "1"
) -> tuple[Order, Membership]:
    """Place an order of a member."""
    quote = rules.quote(basket, member, codes=codes, burn=burn, at=NOW)
    placed = rules.place(quote, member, order_id=order_id, at=NOW)
    assert placed.member is not None
    return placed.order.state, placed.member.state


def left_after(rules: Program, order: Order, member: Membership, *backs: Return) -> list[int]:
    """Give the points that the order's own lots hold after each of several returns."""
    found = list[int]()
    for number, back in enumerate(backs):
        refunded = rules.refund(order, member, back=back, return_id=f"r-{number}", at=NOW)
        assert refunded.member is not None
        order, member = refunded.order.state, refunded.member.state
        found.append(sum(lot.granted - lot.revoked for lot in member.ledger.lots.values() if lot.lot_id == "1/order"))
        assert member.books(at=NOW).balanced
    return found


def earned(points: int, *, ref: str = "a", expires_at: datetime | None = None) -> PointsAccount:
    """Give an account with points from one purchase."""
    return PointsAccount.open("m").earn(points, ref=ref, expires_at=expires_at, at=NOW).state


class TestRefunds:
    def test_refund_keeps_re_deducts_or_doubles_points(self) -> None:
        """Buy, refund, keep the points, repeat. Here every round ends with the points it began with."""
        member = Membership.open("m-42")
        for number in range(5):
            quote = SHOP.quote(Basket.of("EUR", {"helmet": "79.90"}), member, at=NOW)
            placed = SHOP.place(quote, member, order_id=str(number), at=NOW)
            assert placed.member is not None
            back = Return(lines={"helmet": 1})
            order, member = placed.order.state, placed.member.state
            for _ in range(2):  # the return is reported twice, as webhooks do
                refunded = SHOP.refund(order, member, back=back, return_id="r", at=NOW)
                assert refunded.member is not None
                order, member = refunded.order.state, refunded.member.state
        assert member.books(at=NOW + 400 * DAY).expired == 0
        assert sum(lot.remaining for lot in member.ledger.lots.values()) == 0

    @pytest.mark.parametrize("first", ["earning", "burn"])
    def test_earning_lot_refunded_after_it_was_spent(self, first: str) -> None:
        """The shortfall is a debt of its lot; restoring what was spent pays it, and mints nothing, in either order."""
        account = earned(100).burn(60, ref="b", at=NOW).state
        if first == "earning":
            account = account.revoke("a", 100, ref="r", overdraft=Overdraft.CARRY, at=NOW).state
            assert account.balance(at=NOW).debt == 60
        account = account.refund_burn("b", 60, ref="s", at=NOW).state
        if first == "burn":
            account = account.revoke("a", 100, ref="r", overdraft=Overdraft.CARRY, at=NOW).state
        assert (account.balance(at=NOW).available, account.balance(at=NOW).debt) == (0, 0)

    def test_two_small_refunds_take_what_one_large_does(self) -> None:
        """Two 5.00 refunds on a 20.00 order took back 0 points, one 10.00 refund took 1. Here both take 1."""
        rules = paying("1 per 10.00")
        member = Membership.open("m-42")
        quote = rules.quote(Basket.of("EUR", {"a": "20.00"}), member, at=NOW)
        placed = rules.place(quote, member, order_id="1", at=NOW)
        assert placed.member is not None
        revoked = []
        for amounts in (["5.00", "5.00"], ["10.00"]):
            order, state = placed.order.state, placed.member.state
            for number, amount in enumerate(amounts):
                back = Return(amount=Money.of(amount, "EUR"))
                refunded = rules.refund(order, state, back=back, return_id=str(number), at=NOW)
                assert refunded.member is not None
                order, state = refunded.order.state, refunded.member.state
            revoked.append(sum(lot.revoked for lot in state.ledger.lots.values()))
        assert revoked == [1, 1]

    def test_bulk_bought_for_a_point_and_all_but_one_returned(self) -> None:
        """50 at 1.00 earn a point at 1 per 50.00: it goes with the 49 that come back, and with the first of them."""
        rules = paying("1 per 50.00")
        order, member = bought(rules, Basket([Line("a", euros(100), 50)]), Membership.open("m-42"))
        assert order.placed is not None
        assert order.placed.points == 1
        assert left_after(rules, order, member, Return(lines={"a": 49})) == [0]
        assert left_after(rules, order, member, *[Return(lines={"a": 1})] * 2) == [0, 0]

    def test_what_was_over_the_last_step_costs_no_point(self) -> None:
        """105.00 earns 10 at 1 per 10.00, and so do the 100.00 that are left when 5.00 come back."""
        rules = paying("1 per 10.00")
        order, member = bought(rules, Basket([Line("a", euros(10_000)), Line("b", euros(500))]), Membership.open("m-42"))
        for back in (Return(amount=euros(500)), Return(lines={"b": 1})):
            assert left_after(rules, order, member, back) == [10]

    def test_equal_refunds_take_equal_points(self) -> None:
        """50.00 earns 100 at 1 per 0.50: 10.00 takes 20, and 10.00 more takes 20 more."""
        rules = paying("1 per 0.50")
        order, member = bought(rules, Basket([Line("a", euros(5000))]), Membership.open("m-42"))
        assert left_after(rules, order, member, *[Return(amount=euros(1000))] * 2) == [80, 60]

    @pytest.mark.parametrize("basis,points", [("list", (100, 50)), ("discounted", (90, 45)), ("paid", (80, 40))])
    def test_the_rule_gives_for_what_is_kept_what_it_gave_for_all(self, basis: str, points: tuple[int, int]) -> None:
        """100.00 with 10 % off and 10.00 burned: half of it back, by units or by amount, leaves half of what it was based on.

        A gift card in the same order earned nothing, and takes nothing with it.
        """
        rules = paying("1 per 1.00", basis=basis, file=VELO)
        rich = Membership.open("m-42").earn(1000, ref="w", expires_at=None, at=NOW).state
        card = Line("card", euros(2500), tags=["gift-card"])
        order, member = bought(rules, Basket([Line("a", euros(5000), 2), card]), rich, codes=["SUMMER10"], burn=1000)
        assert order.placed is not None
        assert order.placed.total == euros(10_500)
        assert order.placed.points == points[0]
        one, all_cards = Return(lines={"a": 1}), Return(lines={"card": 1})
        assert left_after(rules, order, member, one, all_cards, one) == [points[1], points[1], 0]
        half = Return(amount=euros(5250))
        assert left_after(rules, order, member, half, half) == [points[1], 0]

    def test_shipping_given_back_costs_no_point(self) -> None:
        """Shipping earned nothing: it comes back under its own name, and the points stay those of the goods."""
        order, member = bought(SHOP, Basket([Line("a", euros(2000))], shipping=euros(490)), Membership.open("m-42"))
        assert left_after(SHOP, order, member, Return(shipping=euros(490)), Return(lines={"a": 1})) == [20, 0]

    def test_a_returned_line_does_not_recompute_the_others(self) -> None:
        """A returned line took a share of the others back. Here shares are given once, and stay as they were booked."""
        goods = Basket([Line(name, Money(price, "EUR")) for name, price in (("a", 3333), ("b", 3333), ("c", 3334))])
        quote = SHOP.quote(goods, Membership.open("m-42"), at=NOW)
        placed = SHOP.place(quote, Membership.open("m-42"), order_id="1", at=NOW)
        order, member = placed.order.state, placed.member
        assert member is not None
        nets = {line.line_id: line.net_minor for line in quote.lines.values()}
        state, money = member.state, {}
        for name in ("b", "a", "c"):
            refunded = SHOP.refund(order, state, back=Return(lines={name: 1}), return_id=name, at=NOW)
            assert refunded.member is not None
            order, state = refunded.order.state, refunded.member.state
            money[name] = refunded.fact.money_minor
        assert money == nets


class TestEarning:
    def test_points_earned_twice_on_a_replayed_webhook(self) -> None:
        """A replayed webhook earned twice. Here a reference earns once, for ever, even after its points were taken back."""
        account = earned(10).revoke("a", ref="r", overdraft=Overdraft.CARRY, at=NOW).state
        again = account.earn(10, ref="a", expires_at=None, at=NOW + DAY)
        assert again.facts == ()
        assert again.state.available(at=NOW + DAY) == 0

    def test_decimal_result_of_an_earning_formula(self) -> None:
        """A decimal result gave no points. Here whole steps have no decimals, and a percentage must say how it rounds."""
        assert Program.parse(VELO).quote(Basket.of("EUR", {"a": "9.99"}), at=NOW).points_to_earn == 9
        for rounding, points in (("half_up", 50), ("down", 49)):
            rules = Program.parse(VELO.replace('"1 per 1.00"', f'"5 %"\nrounding = "{rounding}"'))
            assert rules.quote(Basket.of("EUR", {"a": "9.99"}), at=NOW).points_to_earn == points

    @pytest.mark.parametrize("rules,points", [(paying(FIFTY), [0, 0]), (paying(FIFTY, file=CARRIED), [0, 1])], ids=["off", "on"])
    def test_spend_remainder_lost(self, rules: Program, points: list[int]) -> None:
        """30 + 20 at 1 per 50 earned nothing. Here the rule says whether what is over the last step counts once more."""
        member, found = Membership.open("m-42"), list[int]()
        for number, price in enumerate((3000, 2000)):
            _, member = bought(rules, Basket([Line("a", euros(price))]), member, order_id=str(number))
            found.append(sum(lot.granted for lot in member.ledger.lots.values()))
        assert found == points

    @pytest.mark.law(48)
    def test_buy_49_buy_1_return_49_keep_1(self) -> None:
        """With a carry-over per order 1.00 kept a point that costs 50.00, every time. Here the sum of all that is kept earns."""
        rules = paying(FIFTY, file=CARRIED)
        member = Membership.open("m-42")
        for turn in range(60):
            large, member = bought(rules, Basket([Line("a", euros(4900))]), member, order_id=f"large-{turn}")
            _, member = bought(rules, Basket([Line("a", euros(100))]), member, order_id=f"small-{turn}")
            done = rules.refund(large, member, back=Return(lines={"a": 1}), return_id="r", at=NOW)
            assert done.member is not None
            member = done.member.state
            assert sum(lot.granted - lot.revoked for lot in member.ledger.lots.values()) == (turn + 1) // 50

    def test_policy_change_applied_to_points_already_earned(self) -> None:
        """A new policy was applied to old points. Here lots keep the terms under which they were earned."""
        member = SHOP.record("review", Membership.open("m-42"), ref="1", at=NOW).state
        shorter = Program.parse(VELO.replace('"12 months, end of month"', '"1 month"'))
        member = shorter.record("review", member, ref="2", at=NOW).state
        assert [lot.expires_at for lot in member.ledger.lots.values()] == [
            datetime(2027, 7, 31, 22, tzinfo=UTC),
            datetime(2026, 8, 1, 22, tzinfo=UTC),
        ]


class TestExpiry:
    def test_expired_points_spendable_until_a_nightly_job(self) -> None:
        """Expired points could be spent until a job ran. Here a burn is refused at the instant itself, with no job in between."""
        end = NOW + DAY
        account = earned(10, expires_at=end)
        assert account.available(at=end - timedelta(microseconds=1)) == 10
        answer = account.check_burn(1, at=end)
        assert isinstance(answer, Refused)
        assert answer.refusal.reason is Reason.POINTS_INSUFFICIENT

    def test_balance_collapses_because_burns_name_no_lot(self) -> None:
        """At expiry the burned points went once more. Here burns name their lots, and what was burned cannot expire."""
        account = earned(100, expires_at=NOW + DAY).earn(50, ref="b", expires_at=None, at=NOW).state
        account = account.burn(100, ref="x", at=NOW).state
        assert account.available(at=NOW + 2 * DAY) == 50

    @pytest.mark.parametrize(
        "earned_at,end",
        [
            (datetime(2026, 2, 28, 22, 59, tzinfo=UTC), datetime(2026, 3, 28, 23, tzinfo=UTC)),  # into the short night
            (datetime(2026, 9, 25, 12, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)),  # over the long one
        ],
    )
    def test_expires_at_the_start_of_its_day_or_an_hour_off(self, earned_at: datetime, end: datetime) -> None:
        """Points ended a day early, or an hour off. Here the last local day counts whole, when the clocks change too."""
        calendar = Calendar("Europe/Paris")
        assert Term(Period(months=1)).end_after(earned_at, calendar=calendar) == end
        assert calendar.day_of(end - timedelta(microseconds=1)) == Period(months=1).after(calendar.day_of(earned_at))
        assert calendar.first_instant(calendar.day_of(end)) == end


class TestPolicies:
    def test_a_transfer_resets_expiry(self) -> None:
        """Points that went from hand to hand got a new expiry each time and lived for ever. Here each lot keeps its end."""
        end, other = NOW + 10 * DAY, PointsAccount.open("m-2")
        account = earned(10, expires_at=end).earn(5, ref="late", expires_at=end + DAY, at=NOW).state
        for turn in range(4):
            moved = account.transfer(15, to=other, ref=f"gift-{turn}", at=NOW + turn * DAY)
            account, other = moved.taker.state, moved.giver.state
        assert [(one.expires_at, one.units) for one in account.expiring(after=NOW)] == [(end, 10), (end + DAY, 5)]
        assert (account.available(at=end), other.available(at=NOW + 3 * DAY)) == (5, 0)

    @pytest.mark.parametrize("overdraft", [Overdraft.CARRY, Overdraft.SETTLE, Overdraft.FORGIVE])
    def test_a_shortfall_that_was_dropped_mints_with_the_next_refund(self, overdraft: Overdraft) -> None:
        """A shortfall was dropped, and the refund of the burn minted it. Here what was forgiven or paid is taken back first."""
        account = earned(100).burn(60, ref="b", at=NOW).state.revoke("a", ref="r", overdraft=overdraft, at=NOW).state
        account = account.earn(50, ref="c", expires_at=None, at=NOW).state.refund_burn("b", ref="s", at=NOW).state
        assert (account.available(at=NOW), account.balance(at=NOW).debt) == (50, 0)
        account = account.revoke("c", ref="t", overdraft=overdraft, at=NOW).state
        assert {lot.remaining for lot in account.ledger.lots.values()} == {0}

    def test_a_paid_order_is_refused_because_its_hold_ran_out(self) -> None:
        """The hold ran out while the bank's page was open, and the paid order was refused. Here a late capture is honoured."""
        held = earned(100).hold(60, ref="order", until=NOW + timedelta(minutes=15), at=NOW).state
        late = NOW + timedelta(minutes=20)
        elsewhere = held.burn(80, ref="other", at=late).state  # the hold had ended by itself, so this may take its points
        posting = elsewhere.capture("order", at=late)
        assert [fact.late for fact in posting.facts if isinstance(fact, Captured)] == [True]
        assert (posting.state.available(at=late), posting.state.balance(at=late).debt) == (0, 40)


class TestBurning:
    def test_someone_elses_points(self) -> None:
        """Somebody typed another's e-mail and spent their points. Here a quote is placed for the member it was made for."""
        rich = Membership.open("m-1").earn(5000, ref="w", expires_at=None, at=NOW).state
        quote = SHOP.quote(Basket.of("EUR", {"a": "50.00"}), rich, burn=1000, at=NOW)
        with pytest.raises(ValueError, match="membership must be that of"):
            SHOP.place(quote, Membership.open("m-2"), order_id="1", at=NOW)

    def test_retry_after_a_lost_answer(self) -> None:
        """A retry heard that there were no points left. Here the same burn again hears what the first one did."""
        account = earned(100).burn(100, ref="x", at=NOW).state
        assert account.burn(100, ref="x", at=NOW).facts == ()
        with pytest.raises(RefusedError):
            account.burn(1, ref="y", at=NOW)

    def test_late_return_is_told_and_changes_nothing(self) -> None:
        """After the return window points stay: the shop hears why, and can still adjust."""
        member = Membership.open("m-42")
        placed = SHOP.place(SHOP.quote(Basket.of("EUR", {"a": "50.00"}), member, at=NOW), member, order_id="1", at=NOW)
        assert placed.member is not None
        with pytest.raises(RefusedError) as refused:
            SHOP.refund(placed.order.state, placed.member.state, back=Return(lines={"a": 1}), return_id="r", at=NOW + 31 * DAY)
        assert refused.value.refusal.reason is Reason.REFUND_WINDOW_CLOSED
        later = NOW + 31 * DAY
        down = placed.member.state.adjust_down(45, ref="late-1", reason="late return", actor="desk", at=later)
        assert down.state.available(at=later) == 0
        assert not any(isinstance(fact, OrderReturned) for fact in down.facts)
        assert down.state.books(at=later).balanced
