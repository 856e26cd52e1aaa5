"""Booking: what orders, returns, actions and releases move on a member's accounts, from the program file to the lots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyaltycore import Basket, Line, Membership, Money, Order, Program, Return
from loyaltycore._booking import BurnFirst, with_facts
from loyaltycore.benefits import PercentOff
from loyaltycore.errors import Reason, RefusedError
from loyaltycore.ledger import Balance, Overdraft
from loyaltycore.memberships import CouponGiven, OfferUses, OrderCounted, SpendCarried
from loyaltycore.offers import FreedBy, Limits, Mode, Offer, OfferBook, Stacking, Times
from loyaltycore.orders import OrderPlaced
from tests.programs import NOW

DAY = timedelta(days=1)
HEAD = """
[program]
name = "velo"
version = 1
currency = "EUR"
zone = "Europe/Paris"
starts_on = 2026-07-01
[points]
expires = "never"
overdraft = "carry"
basis = "paid"
"""
CARRIES = Program.parse(HEAD + 'earn = "2 per 50.00"\ncarry_over = true')
NOBODY = Membership.open("m-42")


def shop(text: str) -> Program:
    """Read the rules of a shop: what follows the head of ``[points]``."""
    return Program.parse(HEAD + text)


def euros(minor: int, quantity: int = 1, **fields: Any) -> Basket:  # noqa: ANN401  # a field of any type
    """Make a basket of one line."""
    shipping = fields.pop("shipping", None)
    return Basket(
        [Line("a", Money(minor, "EUR"), quantity, **fields)], shipping=None if shipping is None else Money(shipping, "EUR")
    )


def bought(
    rules: Program, member: Membership, goods: Basket, order_id: str = "1001", *, burn: int = 0, at: datetime = NOW
) -> tuple[Order, Membership]:
    """Place an order."""
    placed = rules.place(rules.quote(goods, member, burn=burn, at=at), member, order_id=order_id, at=at)
    return placed.order.state, placed.membership


def returned(
    rules: Program, order: Order, member: Membership, back: Return, return_id: str = "r", *, at: datetime = NOW
) -> tuple[Order, Membership, int]:
    """Take something back, and tell how many points the return took."""
    refunded = rules.refund(order, member, back=back, return_id=return_id, at=at)
    return refunded.order.state, refunded.membership, refunded.fact.points_revoked


def left(member: Membership) -> dict[str, dict[str, int]]:
    """Give what every lot holds, by account."""
    return {account: {lot_id: lot.remaining for lot_id, lot in ledger.lots.items()} for account, ledger in member.ledgers.items()}


def earned(order: Order) -> dict[str, int]:
    """Give what an order earned, by rule."""
    placed = order.placed
    assert isinstance(placed, OrderPlaced)
    return {one.rule: one.points for one in placed.earned}


ALL_OF_IT = Return(lines={"a": 1})


class TestSeveralRules:
    RULES = shop(
        """
        combine = "sum"
        earn = "1 per 1.00"
        earn_exclude_tags = ["gift-card"]
        [[points.rules]]
        id = "welcome"
        earn = "50 an order"
        at_least = "20.00"
        [[points.rules]]
        id = "status"
        account = "status"
        earn = "10 per 1.00"
        """
    )

    def test_each_gives_to_its_account(self) -> None:
        """Two rules on the main account, one on another: three lots; the page shows the main account."""
        quote = self.RULES.quote(euros(3_050), NOBODY, at=NOW)
        assert (quote.points_to_earn, quote.lines["a"].points) == (80, 80)
        order, member = bought(self.RULES, NOBODY, euros(3_050))
        assert left(member) == {"points": {"1001/order": 30, "1001/welcome": 50}, "status": {"1001/status": 300}}
        placed = order.placed
        assert placed is not None
        assert (placed.points, sum(one.points for one in placed.earned)) == (80, 380)  # the confirmation says what the page said

    def test_a_return_follows_each_rule(self) -> None:
        """Of two things of 15.25 one is kept: 15 points of the steps, none of the 50, 150 on the other account."""
        order, member = bought(self.RULES, NOBODY, euros(1_525, 2))
        order, member, points = returned(self.RULES, order, member, ALL_OF_IT)
        assert points == 15 + 50
        assert left(member) == {"points": {"1001/order": 15, "1001/welcome": 0}, "status": {"1001/status": 150}}
        order, member, points = returned(self.RULES, order, member, ALL_OF_IT, "r-2")
        assert points == 15
        assert left(member) == {"points": {"1001/order": 0, "1001/welcome": 0}, "status": {"1001/status": 0}}

    def test_revocations_of_one_return_have_names_of_their_own(self) -> None:
        """Where several rules gave to one account, a return named after a rule is still another return."""
        order, member = bought(self.RULES, NOBODY, euros(3_000, 3))
        order, member, _ = returned(self.RULES, order, member, ALL_OF_IT, "r")
        order, member, _ = returned(self.RULES, order, member, ALL_OF_IT, "r/order")
        order, member, _ = returned(self.RULES, order, member, ALL_OF_IT, "order")
        assert left(member) == {"points": {"1001/order": 0, "1001/welcome": 0}, "status": {"1001/status": 0}}
        assert sorted(member.ledger.returned) == [
            "revoke:1001/order/order",
            "revoke:1001/order/welcome",
            "revoke:1001/r%2Forder/order",
            "revoke:1001/r/order",
        ]
        assert sorted(member.ledger_of("status").returned) == ["revoke:1001/order", "revoke:1001/r", "revoke:1001/r/order"]

    def test_tags_excluded_from_earning_are_said_once(self) -> None:
        """They are out for every rule, and out of what counts for tiers."""
        quote = self.RULES.quote(euros(3_000, tags=["gift-card"]), NOBODY, at=NOW)
        assert (quote.earned, quote.lines["a"].qualifies) == ((), False)
        assert [answer.desired for answer in quote.earning] == [0, 0, 0]

    def test_nothing_before_the_program_starts(self) -> None:
        """No rule is asked."""
        quote = self.RULES.quote(euros(3_000), NOBODY, at=self.RULES.starts_at - timedelta(microseconds=1))
        assert (quote.earned, quote.earning) == ((), ())

    def test_an_id_that_names_a_lot_of_another_account(self) -> None:
        """An order may not take a name that is used on any account it would give to."""
        member = NOBODY.on("status").earn(5, ref="1001", rule="status", expires_at=None, at=NOW).state
        with pytest.raises(RefusedError) as refused:
            bought(self.RULES, member, euros(3_000))
        assert refused.value.refusal.details == {"key": "place:1001", "fields": ("earned",)}

    def test_a_member_turned_to_another_account_is_the_same_member(self) -> None:
        """Quotes, orders and overviews are of the main account, whatever the verbs are turned to."""
        member = NOBODY.earn(700, ref="w", expires_at=None, at=NOW).state
        assert self.RULES.quote(euros(3_000), member.on("status"), at=NOW) == self.RULES.quote(euros(3_000), member, at=NOW)
        assert self.RULES.overview(member.on("status"), at=NOW).balance.available == 700
        order, after = bought(self.RULES, member.on("status"), euros(3_000))
        assert after == bought(self.RULES, member, euros(3_000))[1]
        assert (after.account, returned(self.RULES, order, after, ALL_OF_IT)[1].account) == ("status", "status")

    def test_names_of_rules_and_actions(self) -> None:
        """What points given by hand may not be called."""
        assert self.RULES.rule_ids == {"order", "welcome", "status"}


class TestPromises:
    def test_a_cap_is_part_of_what_was_quoted(self) -> None:
        """What another order used of a cap meanwhile changes the quote; it is refused with what moved."""
        rules = shop('earn = "1 per 1.00"\ncaps = { per_month = 100, over = "truncate" }')
        quote = rules.quote(euros(8_000), NOBODY, at=NOW)
        assert quote.points_to_earn == 80
        _, member = bought(rules, NOBODY, euros(5_000), "1000")
        with pytest.raises(RefusedError) as refused:
            rules.place(quote, member, order_id="1001", at=NOW)
        assert refused.value.refusal.details["fields"] == ("lines", "earned")
        order, member = bought(rules, member, euros(8_000))
        assert earned(order) == {"order": 50}
        # The cap stays with the order: half of what was bought still earns 40.
        order, member, points = returned(rules, order, member, Return(amount=Money(4_000, "EUR")))
        assert points == 10

    def test_multipliers_stay_with_the_order(self) -> None:
        """A member who falls from gold afterwards keeps what gold earned, and returns take back just that."""
        rules = shop(
            """
            earn = "1 per 1.00"
            [tiers]
            metric = "spend"
            window = "12 months"
            downgrade = "one step"
            [[tiers.rung]]
            id = "gold"
            from = "100.00"
            earn_multiplier = "1.5"
            """
        )
        order, member = bought(rules, NOBODY, euros(10_100))
        assert earned(order) == {"order": 101}  # the tier as before this order
        order, member = bought(rules, member, euros(1_000, 3), "1002")
        assert earned(order) == {"order": 45}
        later = NOW + 500 * DAY
        assert [returned(rules, order, member, Return(lines={"a": n}), at=later)[2] for n in (1, 2, 3)] == [15, 30, 45]

    def test_shipping_that_counts_goes_with_its_points(self) -> None:
        """4.90 of shipping fills a step with the goods; it comes back alone and takes it."""
        rules = shop('earn = "1 per 1.00"\nshipping = "in"')
        order, member = bought(rules, NOBODY, euros(1_010, shipping=490))
        assert earned(order) == {"order": 15}
        order, member, points = returned(rules, order, member, Return(shipping=Money(490, "EUR")))
        assert points == 5
        assert returned(rules, order, member, ALL_OF_IT, "r-2")[2] == 10

    def test_a_percentage_and_a_shops_own_rule(self) -> None:
        """5 % of 33.33 is 166.65 points: 167; the own rule keeps its proportion of what is kept."""

        class Squares:
            own_id = "squares"

            def points(self, counted_minor: int) -> int:
                return (counted_minor // 1_000) ** 2

        rules = shop('earn = "5 %"\nrounding = "half_up"\nworth = "0.01"')
        order, member = bought(rules, NOBODY, euros(1_111, 3))
        assert earned(order) == {"order": 167}
        assert returned(rules, order, member, ALL_OF_IT)[2] == 167 - 111
        own = attrs.evolve(rules, earning=[attrs.evolve(rules.earning[0], gives=Squares())])
        assert len({own.digest, rules.digest}) == 2
        order, member = bought(own, NOBODY, euros(1_000, 3))
        assert earned(order) == {"order": 9}
        assert [returned(own, order, member, Return(lines={"a": n}))[2] for n in (1, 2, 3)] == [3, 6, 9]

    @pytest.mark.parametrize(
        "overdraft,balance",
        [
            ("carry", Balance(available=0, pending=0, held=0, debt=30)),
            ("settle", Balance(available=0, pending=0, held=0, debt=30)),
            ("forgive", Balance(available=0, pending=0, held=0, debt=0)),
        ],
    )
    def test_overdraft_is_the_programs(self, overdraft: str, balance: Balance) -> None:
        """30 points were spent and their purchase came back; under `reject` it does not by itself."""
        rules = Program.parse(HEAD.replace("carry", overdraft) + 'earn = "1 per 1.00"')
        order, member = bought(rules, NOBODY, euros(3_000))
        member = member.burn(30, ref="x", at=NOW).state
        assert returned(rules, order, member, ALL_OF_IT)[1].balance(at=NOW) == balance
        with pytest.raises(RefusedError):
            returned(Program.parse(HEAD.replace("carry", "reject") + 'earn = "1 per 1.00"'), order, member, ALL_OF_IT)


class TestBurning:
    MEMBER = (
        NOBODY.earn(300, ref="old", expires_at=NOW + 300 * DAY, at=NOW - 9 * DAY)
        .state.earn(300, ref="new", expires_at=NOW + 200 * DAY, at=NOW - 5 * DAY)
        .state
    )

    @pytest.mark.parametrize("order,burned", [("soonest expiry", "new/base"), ("oldest", "old/base"), ("newest", "new/base")])
    def test_which_points_go_first(self, order: str, burned: str) -> None:
        """By expiry unless the program says oldest or newest."""
        rules = shop(f'earn = "1 per 1.00"\nworth = "0.01"\nburn_order = "{order}"')
        assert rules.burn_first is BurnFirst(order)
        _, member = bought(rules, self.MEMBER, euros(5_000), burn=200)
        assert {lot_id: lot.burned for lot_id, lot in member.ledger.lots.items() if lot.burned} == {burned: 200}

    def test_an_order_dated_before_the_last_fact_burns_nothing(self) -> None:
        """The quote says why; the order itself may be booked."""
        rules = shop('earn = "1 per 1.00"\nworth = "0.01"')
        member = self.MEMBER.earn(1, ref="later", expires_at=None, at=NOW + DAY).state
        quote = rules.quote(euros(5_000), member, burn=200, at=NOW)
        assert quote.burn.granted == 0
        assert quote.burn.refusal is not None
        assert quote.burn.refusal.reason is Reason.AT_BEFORE_LAST
        assert rules.place(quote, member, order_id="1001", at=NOW).fact.points == 50

    def test_excluded_products_and_steps(self) -> None:
        """Points pay neither for this product nor in other than hundreds."""
        rules = shop('earn = "1 per 1.00"\nworth = "0.01"\nburn_step = 100\nburn_exclude_products = ["a"]')
        goods = Basket([Line("a", Money(5_000, "EUR")), Line("b", Money(350, "EUR"))])
        quote = rules.quote(goods, self.MEMBER, burn=600, at=NOW)
        assert (quote.burn.granted, quote.lines["a"].burn_points, quote.lines["b"].burn_points) == (300, 0, 300)

    @pytest.mark.parametrize("restore,available", [("original", 0), ("30 days", 300)])
    def test_points_that_come_back_after_their_time(self, restore: str, available: int) -> None:
        """They stay expired, or can be used for a while; the first instant after says which."""
        rules = shop(f'earn = "1 per 1.00"\nworth = "0.01"\nrestore = "{restore}"')
        member = NOBODY.earn(300, ref="w", expires_at=NOW + 5 * DAY, at=NOW).state
        order, member = bought(rules, member, euros(5_000), burn=300)
        late = NOW + 40 * DAY
        _, member, _ = returned(rules, order, member, ALL_OF_IT, at=late)
        assert member.available(at=late) == available
        assert member.available(at=late + 31 * DAY) == 0


class TestCarryOver:
    def test_two_orders_fill_a_step_and_a_return_empties_it(self) -> None:
        """30.00 and 20.00 at 2 per 50.00: nothing, then two points; 0.01 back takes them from the order that got them."""
        first, member = bought(CARRIES, NOBODY, euros(3_000), "1")
        assert (earned(first), left(member), dict(member.carried)) == ({"order": 0}, {}, {"order": 3_000})
        second, member = bought(CARRIES, member, euros(2_000), "2")
        assert (earned(second), left(member)) == ({"order": 2}, {"points": {"2/order": 2}})
        first, member, points = returned(CARRIES, first, member, Return(amount=Money(1, "EUR")))
        assert (points, left(member), dict(member.carried)) == (2, {"points": {"2/order": 0}}, {"order": 4_999})

    def test_the_facts_say_what_counts(self) -> None:
        """An order adds its spend under its id, a return takes its own under both ids; the order's fact keeps the terms."""
        quote = CARRIES.quote(euros(3_000), NOBODY, at=NOW)
        placed = CARRIES.place(quote, NOBODY, order_id="1", at=NOW)
        assert placed.member is not None
        assert placed.member.facts[1] == SpendCarried(rule="order", ref="1", minor=3_000, at=NOW)
        back = CARRIES.refund(placed.order.state, placed.membership, back=ALL_OF_IT, return_id="r", at=NOW)
        assert back.member is not None
        assert back.member.facts[1:] == (SpendCarried(rule="order", ref="1/r", minor=-3_000, at=NOW),)
        assert back.fact.points_revoked == 0

    def test_a_guest_keeps_whole_steps_of_one_order(self) -> None:
        """There is no sum to carry to, and returns of it follow the order alone."""
        placed = CARRIES.place(CARRIES.quote(euros(12_000), at=NOW), order_id="1", at=NOW)
        assert earned(placed.order.state) == {"order": 4}
        back = Return(amount=Money(2_001, "EUR"))
        assert CARRIES.refund(placed.order.state, back=back, return_id="r", at=NOW).fact.points_revoked == 2

    @pytest.mark.law(48)
    @given(
        st.lists(
            st.tuples(st.sampled_from(("buy", "unit", "amount")), st.integers(1, 4_000), st.integers(1, 3), st.integers(0, 9)),
            max_size=12,
        )
    )
    @example([("buy", 3_000, 1, 0), ("buy", 2_000, 1, 0), ("unit", 1, 1, 0), ("buy", 3_000, 1, 0), ("unit", 1, 1, 1)])
    def test_a_member_holds_the_whole_steps_of_what_is_kept(self, steps: list[tuple[str, int, int, int]]) -> None:
        """After any orders and returns, by units and by amounts: two points for every whole 50.00 of what is kept in all."""
        member, orders, kept = NOBODY, list[Order](), list[int]()
        for number, (what, minor, quantity, which) in enumerate(steps):
            if what == "buy":
                order, member = bought(CARRIES, member, euros(minor, quantity), str(number))
                orders.append(order)
                kept.append(minor * quantity)
            elif orders:
                place = which % len(orders)
                order = orders[place]
                assert order.placed is not None
                gone = order.returned.get("a", 0)
                back = Return(lines={"a": 1}) if what == "unit" else Return(amount=Money(minor, "EUR"))
                try:
                    orders[place], member, points = returned(CARRIES, order, member, back, str(number))
                except RefusedError:
                    continue
                # What is kept of it: what was paid, less units, less amounts, never below nothing.
                paid, each = order.placed.goods_minor, order.placed.goods_minor // order.placed.lines[0].quantity
                lines, amounts = (gone + (what == "unit")) * each, order.amount_minor + (what == "amount") * minor
                before = sum(kept) // 5_000
                kept[place] = max(0, paid - lines - amounts)
                assert points == 2 * (before - sum(kept) // 5_000)
            held = sum(lot.granted - lot.revoked for lot in member.ledger.lots.values())
            assert held == 2 * (sum(kept) // 5_000)
            assert member.carried.get("order", 0) == sum(kept)

    @pytest.mark.law(48)
    def test_a_return_takes_by_the_step_the_order_was_bought_under(self) -> None:
        """Bought at 2 per 50.00 and returned in a program that gives 1 per 1.00: two points go, not a hundred."""
        generous = shop('earn = "1 per 1.00"\ncarry_over = true')
        old, member = bought(CARRIES, NOBODY, euros(5_000, 2), "1")
        new, member = bought(generous, member, euros(90_000), "2")
        assert (earned(old), earned(new)) == ({"order": 4}, {"order": 900})
        old, member, points = returned(generous, old, member, Return(lines={"a": 1}))
        assert (points, member.available(at=NOW)) == (2, 902)
        assert earned(bought(generous, member, euros(100), "3")[0]) == {"order": 1}

    @pytest.mark.law(13, 48)
    def test_points_that_came_back_with_a_later_end_are_still_the_orders(self) -> None:
        """Burned, expired, given back with a new end: returns in two steps take them all, and nothing is refused."""
        lasting = Program.parse(
            HEAD.replace('"never"', '"30 days"') + 'earn = "1 per 1.00"\ncarry_over = true\nrestore = "30 days"'
        )
        order, member = bought(lasting, NOBODY, euros(5_000, 2))
        late = NOW + 35 * DAY
        member = member.burn(100, ref="b", at=NOW + DAY).state
        member = member.refund_burn("b", ref="rb", extended_until=late + 30 * DAY, at=late).state
        for number, left_over in enumerate((50, 0)):
            order, member, points = returned(lasting, order, member, Return(lines={"a": 1}), f"r{number}", at=late)
            assert (points, member.available(at=late)) == (50, left_over)

    @pytest.mark.law(14, 48)
    def test_a_changed_step_leaves_nothing_behind(self) -> None:
        """The step is lowered between two orders: each gives and takes by its own, and all returned, nothing is left."""
        finer = shop('earn = "2 per 30.00"\ncarry_over = true')
        first, member = bought(CARRIES, NOBODY, euros(7_500), "1")
        second, member = bought(finer, member, euros(1_500), "2")
        assert (earned(first), earned(second)) == ({"order": 2}, {"order": 2})
        for order in (first, second):
            _, member, _ = returned(CARRIES, order, member, ALL_OF_IT)
        assert sum(lot.remaining for lot in member.ledger.lots.values()) == 0


class TestActions:
    RULES = shop(
        """
        earn = "1 per 1.00"
        [points.actions]
        sign_up = 100
        review = { points = 50, per_month = 2, pending = "7 days", expires = "6 months", account = "status" }
        fair = { points = 5, expires = "2026-07-03" }
        """
    )

    def test_limits_terms_and_account(self) -> None:
        """Twice a month, pending for a week, on an account of its own; the third time is refused with all that matters."""
        member = NOBODY
        for number in (1, 2):
            member = self.RULES.record("review", member, ref=f"p-{number}", at=NOW + number * DAY).state
        assert left(member) == {"status": {"p-1/review": 50, "p-2/review": 50}}
        lot = member.ledger_of("status").lots["p-1/review"]
        assert (lot.available_at, lot.expires_at) == (
            datetime(2026, 7, 9, 22, tzinfo=UTC),
            datetime(2027, 1, 10, 23, tzinfo=UTC),
        )
        with pytest.raises(RefusedError) as refused:
            self.RULES.record("review", member, ref="p-3", at=NOW + 3 * DAY)
        assert refused.value.refusal.reason is Reason.ACTION_LIMIT_REACHED
        assert refused.value.refusal.details == {"action": "review", "period": "per_month", "limit": 2, "times": 2}
        assert self.RULES.record("review", member, ref="p-2", at=NOW + 3 * DAY).facts == ()
        assert len(self.RULES.record("review", member, ref="p-3", at=NOW + 31 * DAY).facts) == 1
        assert member.account == "points"

    def test_an_action_whose_points_could_never_be_used(self) -> None:
        """After its last day it is refused."""
        assert len(self.RULES.record("fair", NOBODY, ref="f", at=NOW).facts) == 1
        with pytest.raises(RefusedError) as refused:
            self.RULES.record("fair", NOBODY, ref="f", at=NOW + 3 * DAY)
        assert refused.value.refusal.reason is Reason.ACTION_EXPIRED
        assert refused.value.refusal.details == {"action": "fair", "at": "2026-07-04T10:00:00Z"}


class TestRelease:
    RULES = shop(
        """
        earn = "1 per 1.00"
        combine = "sum"
        pending = "on delivered within 60 days"
        [[points.rules]]
        id = "status"
        account = "status"
        earn = "10 per 1.00"
        [[points.rules]]
        id = "now"
        account = "gifts"
        earn = "1 an order"
        pending = "at once"
        """
    )

    def test_what_awaits_an_event_becomes_available_on_every_account(self) -> None:
        """Pending until the delivery; afterwards it is there, and saying so again changes nothing."""
        _, member = bought(self.RULES, NOBODY, euros(3_000))
        at = NOW + 3 * DAY
        assert [member.on(account).available(at=at) for account in ("points", "status", "gifts")] == [0, 0, 1]
        posting = self.RULES.release("delivered", member, ref="1001", at=at)
        assert [posting.state.on(account).available(at=at) for account in ("points", "status", "gifts")] == [30, 300, 1]
        assert self.RULES.release("delivered", posting.state, ref="1001", at=at + DAY).facts == ()

    @pytest.mark.parametrize(
        "member,event,ref,late,reason",
        [
            (NOBODY, "delivered", "1001", 1, Reason.EARNING_NOT_FOUND),
            (bought(RULES, NOBODY, euros(3_000))[1], "paid", "1001", 1, Reason.EARNING_NOT_FOUND),
            (bought(RULES, NOBODY, euros(3_000))[1], "delivered", "1002", 1, Reason.EARNING_NOT_FOUND),
            (bought(RULES, NOBODY, euros(3_000))[1], "delivered", "1001", 90, Reason.RELEASE_TOO_LATE),
        ],
    )
    def test_nothing_to_release(self, member: Membership, event: str, ref: str, late: int, reason: Reason) -> None:
        """An unknown member, event or order, and one that came too late."""
        with pytest.raises(RefusedError) as refused:
            self.RULES.release(event, member, ref=ref, at=NOW + late * DAY)
        assert reason in [refusal.reason for refusal in refused.value.refusals]

    def test_a_return_before_the_delivery(self) -> None:
        """What still waits is taken back as well, and what is left of it waits on."""
        order, member = bought(self.RULES, NOBODY, euros(1_000, 3))
        order, member, points = returned(self.RULES, order, member, ALL_OF_IT)
        assert points == 10
        after = self.RULES.release("delivered", member, ref="1001", at=NOW + DAY).state
        assert [after.on(account).available(at=NOW + DAY) for account in ("points", "status", "gifts")] == [20, 200, 1]


class TestHeldForAnOrder:
    """A checkout that holds points while the bank page is open."""

    RULES = shop('earn = "1 per 1.00"\nworth = "0.01"')
    MEMBER = Membership.open("m-42").earn(1_000, ref="gift", expires_at=NOW + 20 * DAY, at=NOW).state

    def held(self, points: int = 600) -> Membership:
        """Hold points in the name of order 1001 for a quarter of an hour."""
        return self.MEMBER.hold(points, ref="1001", until=NOW + timedelta(minutes=15), at=NOW).state

    @pytest.mark.law(12)
    @pytest.mark.parametrize("later", [timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=2), 19 * DAY])
    def test_the_quote_that_was_paid_is_booked(self, later: timedelta) -> None:
        """What is held in its name is what the order burns, in time or late; the hold does not stand in its own way."""
        quote = self.RULES.quote(euros(5_000), self.MEMBER, burn=600, at=NOW)
        placed = self.RULES.place(quote, self.held(), order_id="1001", at=NOW + later)
        assert (placed.fact.burn_points, placed.fact.total) == (600, quote.total)
        ledger = placed.membership.ledger
        assert (ledger.holds["1001"].captured, ledger.burns["1001"].units) == (600, 600)
        assert placed.membership.available(at=NOW + later) == 400 + placed.fact.points
        back = self.RULES.refund(
            placed.order.state, placed.membership, back=Return(lines={"a": 1}), return_id="r", at=NOW + later
        ).membership
        assert back.available(at=NOW + later) == 1_000

    @pytest.mark.law(43)
    def test_a_late_payment_is_honoured_after_somebody_else_spent_the_points(self) -> None:
        """The hold ended, another order took the points, and the bank says paid: booked as quoted, and owed."""
        quote = self.RULES.quote(euros(5_000), self.MEMBER, burn=600, at=NOW)
        member = self.held().burn(1_000, ref="other", at=NOW + DAY).state
        placed = self.RULES.place(quote, member, order_id="1001", at=NOW + DAY)
        assert placed.fact.total == quote.total
        assert placed.membership.balance(at=NOW + DAY) == Balance(available=0, pending=0, held=0, debt=600)

    def test_what_is_held_and_not_burned_goes_back(self) -> None:
        """A cheaper order burns less of its hold; one that burns nothing gives it up."""
        quote = self.RULES.quote(euros(200), self.MEMBER, burn=600, at=NOW)
        placed = self.RULES.place(quote, self.held(), order_id="1001", at=NOW)
        assert (placed.fact.burn_points, placed.membership.balance(at=NOW).held) == (200, 0)
        assert placed.membership.available(at=NOW) == 800 + placed.fact.points
        without = self.RULES.place(self.RULES.quote(euros(200), self.MEMBER, at=NOW), self.held(), order_id="1001", at=NOW)
        assert (without.fact.burn_points, without.membership.ledger.holds["1001"].captured) == (0, 0)

    def test_a_basket_page_may_ask_again(self) -> None:
        """Named in the question, the order's own hold is what it can burn; unnamed, it is set aside from it."""
        again = self.RULES.quote(euros(5_000), self.held(), burn=600, order_id="1001", at=NOW)
        other = self.RULES.quote(euros(5_000), self.held(), burn=600, at=NOW)
        assert (again.burn.granted, other.burn.granted) == (600, 400)
        assert other.burn.refusal is not None
        assert again.digest == self.RULES.quote(euros(5_000), self.MEMBER, burn=600, at=NOW).digest

    def test_more_than_was_held_is_another_order(self) -> None:
        """The order burns what was held for it and no more."""
        quote = self.RULES.quote(euros(5_000), self.MEMBER, burn=800, at=NOW)
        with pytest.raises(RefusedError) as caught:
            self.RULES.place(quote, self.held(), order_id="1001", at=NOW)
        assert caught.value.refusal.reason is Reason.QUOTE_CHANGED

    def test_a_hold_that_was_given_up_leaves_its_name(self) -> None:
        """After a void the order burns like any other."""
        member = self.held().void("1001", at=NOW).state
        quote = self.RULES.quote(euros(5_000), member, burn=700, at=NOW)
        placed = self.RULES.place(quote, member, order_id="1001", at=NOW)
        assert placed.membership.ledger.burns["1001"].units == 700

    def test_another_accounts_hold_is_not_the_orders(self) -> None:
        """Orders burn from the main account: what is held elsewhere under the same name stays held."""
        member = self.MEMBER.on("status").earn(600, ref="s", expires_at=None, at=NOW).state
        member = member.hold(600, ref="1001", until=NOW + DAY, at=NOW).state.on("points")
        quote = self.RULES.quote(euros(5_000), member, burn=700, at=NOW)
        placed = self.RULES.place(quote, member, order_id="1001", at=NOW)
        assert placed.membership.on("status").balance(at=NOW).held == 600

    @pytest.mark.law(43)
    def test_an_abandoned_checkout_pays_nothing_twice(self) -> None:
        """Points held and let go for several orders, quoted anew long after, pay once."""
        member = self.MEMBER
        for number in range(3):
            at = NOW + timedelta(hours=number)
            member = member.hold(1_000, ref=f"o{number}", until=at + timedelta(minutes=10), at=at).state
        later, granted = NOW + DAY, []
        for number in range(3):
            quote = self.RULES.quote(euros(5_000), member, burn=1_000, order_id=f"o{number}", at=later)
            member = self.RULES.place(quote, member, order_id=f"o{number}", at=later).membership
            granted.append(quote.burn.granted)
        assert granted == [1_000, 40, 49]  # 40.00 paid earned 40 points, 49.60 paid 49
        books = member.books(at=later)
        assert books.live >= books.debt  # what was held is taken below zero, what was earned since nets it


class TestReturnsAreNeverRefused:
    """Whatever was done by hand before: what is left goes back, and no return fails for points."""

    RULES = shop('earn = "1 per 1.00"\nworth = "0.01"')

    def test_some_was_revoked_by_hand(self) -> None:
        """The return takes what is left of the points."""
        order, member = bought(self.RULES, NOBODY, euros(10_000, 2))
        member = member.revoke("1001", 50, ref="desk", overdraft=Overdraft.CARRY, at=NOW).state
        order, member, points = returned(self.RULES, order, member, Return(lines={"a": 2}))
        assert (points, member.balance(at=NOW).debt, member.available(at=NOW)) == (150, 0, 0)

    def test_some_of_the_burn_came_back_by_hand(self) -> None:
        """The return gives back what is left of the burn, and says so."""
        member = NOBODY.earn(1_000, ref="gift", expires_at=None, at=NOW).state
        order, member = bought(self.RULES, member, euros(10_000), burn=1_000)
        member = member.refund_burn("1001", 100, ref="goodwill", at=NOW).state
        refunded = self.RULES.refund(order, member, back=ALL_OF_IT, return_id="r", at=NOW)
        assert refunded.fact.points_given_back == 900
        assert refunded.membership.available(at=NOW) == 1_000

    def test_a_name_of_the_shops_own_stands_in_no_returns_way(self) -> None:
        """The name of a return may have been used for something else: it takes the next."""
        member = NOBODY.earn(1_000, ref="gift", expires_at=None, at=NOW).state
        order, member = bought(self.RULES, member, euros(10_000), burn=500)
        member = member.burn(50, ref="b", at=NOW).state.refund_burn("b", 5, ref="1001/r", at=NOW).state
        member = member.revoke("gift", 5, ref="1001/r", overdraft=Overdraft.CARRY, at=NOW).state
        refunded = self.RULES.refund(order, member, back=ALL_OF_IT, return_id="r", at=NOW)
        assert (refunded.fact.points_revoked, refunded.fact.points_given_back) == (95, 500)
        assert {"revoke:1001/r+", "refund_burn:1001/r+"} <= refunded.membership.ledger.returned.keys()

    @pytest.mark.parametrize("order_id,return_id", [("o" * 200, "r"), ("o" * 100, "r" * 100), ("/" * 70, "/" * 70)])
    def test_long_names_can_be_returned(self, order_id: str, return_id: str) -> None:
        """Whatever order could be placed can be returned."""
        member = NOBODY.earn(1_000, ref="gift", expires_at=None, at=NOW).state
        order, member = bought(self.RULES, member, euros(10_000), order_id, burn=500)
        order, member, points = returned(self.RULES, order, member, ALL_OF_IT, return_id)
        assert (points, member.available(at=NOW)) == (95, 1_000)


class TestOffersOfMembers:
    """What a member's orders use of offers of which one member has only so many, when a guest's order finds its member."""

    RULES = attrs.evolve(
        shop('earn = "1 per 1.00"'),
        book=OfferBook(
            [
                Offer("kept", give=PercentOff("10"), limits=Limits(per_member=1)),
                Offer("freed", give=PercentOff("10"), limits=Limits(per_member=Times(per_month=1), freed_by=FreedBy.RETURNED)),
            ],
            stacking=Stacking(Mode.ALL),
        ),
    )

    def order(self, *backs: Return) -> Order:
        """Let a guest order, and bring things back."""
        placed = self.RULES.place(self.RULES.quote(euros(1_000, 2), at=NOW), order_id="1001", at=NOW)
        order = placed.order.state
        for number, back in enumerate(backs):
            order = self.RULES.refund(order, back=back, return_id=f"r-{number}", at=NOW + DAY).order.state
        return order

    @pytest.mark.law(47)
    def test_an_attached_order_uses_what_it_used(self) -> None:
        """From when it was ordered: of that month, whenever it is attached."""
        attached = self.RULES.attach(self.order(), NOBODY, at=NOW + 40 * DAY)
        member = attached.membership
        assert member.uses == {"1001": OfferUses(offers=("freed", "kept"), at=NOW)}
        assert self.RULES.quote(euros(1_000), member, at=NOW).offers.verdict("freed").refusal is not None
        later = self.RULES.quote(euros(1_000), member, at=NOW + 40 * DAY)
        assert later.offers.verdict("freed").refusal is None
        kept = later.offers.verdict("kept").refusal
        assert kept is not None
        assert kept.reason is Reason.OFFER_MEMBER_LIMIT_REACHED

    @pytest.mark.law(47)
    def test_an_order_that_came_back_whole_uses_no_more_than_it_would(self) -> None:
        """What a member's own order would have freed is free; a part of it frees nothing."""
        part = self.RULES.attach(self.order(ALL_OF_IT), NOBODY, at=NOW + 2 * DAY)
        assert part.membership.uses["1001"].offers == ("freed", "kept")
        whole = self.RULES.attach(self.order(ALL_OF_IT, ALL_OF_IT), NOBODY, at=NOW + 2 * DAY)
        assert whole.membership.uses["1001"].offers == ("kept",)

    @pytest.mark.law(47)
    def test_returns_after_it_free_it(self) -> None:
        """As of any order of the member's."""
        attached = self.RULES.attach(self.order(ALL_OF_IT), NOBODY, at=NOW + DAY)
        refunded = self.RULES.refund(
            attached.order.state, attached.membership, back=ALL_OF_IT, return_id="last", at=NOW + 2 * DAY
        )
        assert refunded.membership.uses["1001"].offers == ("kept",)

    def test_an_order_without_such_offers_leaves_no_trace(self) -> None:
        """Nothing of it stands among the uses, nor when it was ordered."""
        rules = shop('earn = "1 per 1.00"')
        quote = rules.quote(euros(1_000), NOBODY, at=NOW)
        reserved = rules.reserve(quote, NOBODY, order_id="1", until=NOW + DAY, at=NOW)
        confirmed = rules.confirm(reserved.order.state, reserved.membership, at=NOW + DAY / 2)
        assert not confirmed.membership.uses
        counted = [fact for fact in (confirmed.member.facts if confirmed.member else ()) if isinstance(fact, OrderCounted)]
        assert [(fact.offers, fact.ordered_at) for fact in counted] == [((), None)]


class TestWithFacts:
    def test_adds_what_needs_no_decision(self) -> None:
        """To the same posting, on the same version; without more facts it is that posting."""
        posting = NOBODY.earn(5, ref="gift", expires_at=None, at=NOW)
        given = CouponGiven(coupon_id="sorry/t-1", campaign_id="sorry", at=NOW)
        more = with_facts(posting, iter([given]))
        assert (more.facts, more.version, more.stream) == ((*posting.facts, given), 0, posting.stream)
        assert more.state == NOBODY.folded(more.facts)
        assert with_facts(posting, ()) is posting
