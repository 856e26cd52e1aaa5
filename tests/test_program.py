"""Programs: a quote is the commitment, refunds are exact, every no explains itself."""

from __future__ import annotations

import pickle
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loyaltycore import Basket, Line, Membership, Money, Order, Program, ProgramError, Quote, Return
from loyaltycore._booking import BurnFirst
from loyaltycore._earning import Action, Combine
from loyaltycore._formula import sums_by_times
from loyaltycore._frozen import FrozenMap
from loyaltycore.benefits import FreeShipping, PercentOff
from loyaltycore.conditions import spend_at_least
from loyaltycore.coupons import CouponCampaign
from loyaltycore.errors import Accepted, CurrencyMismatchError, Reason, Refusal, Refused, RefusedError, UsageError
from loyaltycore.facts import Append
from loyaltycore.ledger import Balance, Expiring, Granted, Reversal
from loyaltycore.offers import Mode, Offer, OfferBook, Stacking
from loyaltycore.orders import EarnedPoints, OfferCost, OrderPlaced
from loyaltycore.periods import Calendar, Period, Term
from loyaltycore.points import Overdraft
from loyaltycore.quantities import share_of_units
from loyaltycore.rewards import CatalogueReward
from loyaltycore.testing._histories import ShopHistory
from loyaltycore.testing.strategies import memberships, shop_histories
from tests.dealing import dealing_programs, goods, views
from tests.programs import NOW, START, VELO, baskets, programs, velo

DAY = timedelta(days=1)
SHOP = velo()


def rich(points: int = 800) -> Membership:
    """Give a member with points that can be burned."""
    return Membership.open("m-42").earn(points, ref="welcome", expires_at=None, at=NOW).state


def program(**changes: Any) -> Program:  # noqa: ANN401  # a field of any type
    """Give a bare program, from Python."""
    bare = Program(
        name="bare",
        version=1,
        currency="EUR",
        calendar=Calendar("Europe/Paris"),
        starts_on=START,
        returns=None,
        earning=(),
        combine=Combine.SUM,
        actions={},
        burning=None,
        burn_first=BurnFirst.SOONEST_EXPIRY,
        overdraft=Overdraft.CARRY,
        restore=None,
        tiers=None,
        book=OfferBook((), stacking=Stacking(Mode.ALL)),
    )
    return attrs.evolve(bare, **changes)


def basket(**prices: str) -> Basket:
    """Make a basket in euros."""
    return Basket.of("EUR", prices)


def placed_of(order: Order) -> OrderPlaced:
    """Give what was booked."""
    assert order.placed is not None
    return order.placed


def book(
    rules: Program, quote: Quote, member: Membership | None, *, order_id: str = "1001", at: datetime = NOW
) -> tuple[Order, Membership]:
    """Place an order and keep both postings."""
    posting = rules.place(quote, member, order_id=order_id, view=quote.offers.view, at=at)
    return posting.order.state, member if member is None or posting.member is None else posting.member.state  # type: ignore[return-value]


def nets(quote: Quote) -> Counter[tuple[str, int, int, int]]:
    """Count the units of a quote by product, list price, net and points."""
    counted = Counter[tuple[str, int, int, int]]()
    for line in quote.lines.values():
        for unit in range(line.quantity):

            def of(whole: int, unit: int = unit, quantity: int = line.quantity) -> int:
                return share_of_units(whole, quantity, start=unit, stop=unit + 1)

            counted[line.product_id, of(line.list_price.minor_units), of(line.net.minor_units), of(line.points)] += 1
    return counted


def promised(earned: EarnedPoints) -> tuple[EarnedPoints, dict[Fraction, int]]:
    """Give what an order earns, with what counted summed over lines."""
    return attrs.evolve(earned, counted=()), sums_by_times(earned.counted)


ANY_PROGRAM = st.one_of(programs(), dealing_programs())


class Asked:
    """What a random shopper asks of a random program."""

    def __init__(self, draw: st.DrawFn, *, guests: bool = True, plain: bool = False) -> None:
        self.program = draw(programs() if plain else ANY_PROGRAM)
        self.view = draw(views())
        self.basket = draw(baskets(self.program) if plain else st.one_of(goods(self.program), baskets(self.program)))
        self.history = draw(shop_histories(self.program, steps_limit=3))
        self.at = self.history.at + draw(st.integers(0, 100)) * DAY
        self.member = None if guests and draw(st.integers(0, 4)) == 0 else self.history.membership
        self.codes = draw(st.lists(st.sampled_from(("CODEA", " code-b ", "CODED", "NONSENSE", "?!", "codea")), max_size=4))
        self.burn = draw(st.sampled_from((0, 1, 2, 499, 10_000)))

    def quote(self, basket: Basket | None = None) -> Quote:
        """Ask."""
        return self.program.quote(
            basket or self.basket, self.member, codes=self.codes, burn=self.burn, view=self.view, at=self.at
        )


ASKED = st.composite(Asked)()
ASKED_PLAINLY = st.composite(lambda draw: Asked(draw, plain=True))()
MEMBERS_ASK = st.composite(lambda draw: Asked(draw, guests=False))()


class TestQuoteLaws:
    @pytest.mark.law(20)
    @given(ASKED)
    def test_discounts_are_the_sum_of_their_shares(self, asked: Asked) -> None:
        """No line below nothing or above its list price; discounts, burns, points and the total are sums over lines."""
        quote = asked.quote()
        lines = quote.lines.values()
        assert all(0 <= line.net.minor_units <= line.list_price.minor_units for line in lines)
        assert all(min(line.discount.minor_units, line.burn.minor_units, line.points, line.burn_points) >= 0 for line in lines)
        assert all(line.list_price - line.discount - line.burn == line.net for line in lines)
        assert sum(line.discount.minor_units for line in lines) == quote.offers.goods_minor
        assert all(sum(line.offers.values()) == line.discount_minor for line in lines)
        assert all(min(line.offers.values(), default=1) > 0 for line in lines)
        for applied in quote.offers.applied:
            assert sum(line.offers.get(applied.offer_id, 0) for line in lines) == applied.goods_minor
        for name, line in quote.lines.items():
            shares = quote.unit_shares(name)
            assert (len(shares), sum(shares), min(shares) >= 0) == (line.quantity, line.net_minor, True)
        for sold in asked.basket.lines:
            floor = 0 if sold.floor_price is None else min(sold.floor_price, sold.unit_price).minor_units
            line = quote.lines[sold.line_id]
            assert line.list_minor - line.discount_minor >= floor * sold.quantity
        assert sum(line.burn.minor_units for line in lines) == quote.burn.discount_minor
        assert sum(line.burn_points for line in lines) == quote.burn.granted
        assert sum(line.points for line in lines) == quote.points_to_earn
        shipping = 0 if quote.shipping is None else quote.shipping.minor_units
        assert quote.total.minor_units == sum(line.net.minor_units for line in lines) + shipping
        assert min(quote.total.minor_units, shipping) >= 0
        assert quote.subtotal == asked.basket.subtotal

    @pytest.mark.law(21)
    @given(ASKED, st.data())
    def test_order_and_splitting_of_lines_change_nothing(self, asked: Asked, data: st.DataObject) -> None:
        """Shuffled lines, and one line of two as two lines of one, give the same totals and the same units.

        Amounts off each line, and rounding line by line, are exempt, and named so.
        """
        assume(not asked.program.book.speaks_of_lines)
        lines = list[Line]()
        for line in asked.basket.lines:
            cut = data.draw(st.integers(0, line.quantity - 1))
            sizes = [size for size in (cut, line.quantity - cut) if size]
            lines += [
                attrs.evolve(line, line_id=f"{line.line_id}/{place}", product_id=line.product_id, quantity=size)
                for place, size in enumerate(sizes)
            ]
        ours = asked.quote()
        theirs = asked.quote(attrs.evolve(asked.basket, lines=data.draw(st.permutations(lines))))
        assert theirs.total == ours.total
        assert theirs.offers.applied == ours.offers.applied
        assert (theirs.burn, theirs.earning, theirs.nudges) == (ours.burn, ours.earning, ours.nudges)
        assert [promised(earned) for earned in theirs.earned] == [promised(earned) for earned in ours.earned]
        assert nets(theirs) == nets(ours)

    @pytest.mark.law(22)
    @given(ASKED)
    def test_quote_is_a_function(self, asked: Asked) -> None:
        """Asked twice, by programs read twice, the answer is the same; so is what a page carries."""
        quote, again = asked.quote(), asked.quote()
        assert quote == again
        assert quote.digest == again.digest
        assert pickle.loads(pickle.dumps(quote)) == quote
        assert pickle.loads(pickle.dumps(asked.program)).digest == asked.program.digest

    @pytest.mark.law(22)
    @given(MEMBERS_ASK)
    def test_place_books_exactly_the_quote(self, asked: Asked) -> None:
        """On an unchanged situation the order holds what the quote showed, and the member moves by just that."""
        quote, member = asked.quote(), asked.member
        assert member is not None
        posting = asked.program.place(quote, member, order_id="1001", view=asked.view, at=asked.at)
        fact = placed_of(posting.order.state)
        assert posting.member is not None
        assert fact.gifts == {product: sum(g.quantity for g in quote.gifts if g.product_id == product) for product in fact.gifts}
        assert sum(fact.gifts.values()) == sum(gift.quantity for gift in quote.gifts)
        assert fact.coupons == quote.coupons
        after = posting.member.state
        assert (fact.total, fact.points, fact.burn_points) == (quote.total, quote.points_to_earn, quote.burn.granted)
        assert [(line.line_id, line.net_minor) for line in fact.lines] == [
            (line.line_id, line.net.minor_units) for line in quote.lines.values()
        ]
        costs = [OfferCost(offer_id=o.offer_id, discount_minor=o.discount_minor) for o in quote.offers.applied]
        assert [cost for cost in costs if cost in fact.offers] == list(fact.offers)
        assert all(cost in fact.offers for cost in costs if cost.discount_minor)
        assert after.past_list_minor - member.past_list_minor == quote.subtotal.minor_units
        assert after.past_discount_minor - member.past_discount_minor == quote.offers.goods_minor
        assert fact.earned == quote.earned
        assert fact.digest == quote.digest
        books, before = after.books(at=asked.at), member.books(at=asked.at)
        assert books.burned - before.burned == quote.burn.granted
        assert books.granted - before.granted == quote.points_to_earn
        assert after.order_count == member.order_count + 1
        status = asked.program.tier(after, at=asked.at)
        assert status is None or status.tier == quote.tier_after

    @pytest.mark.law(22)
    @given(MEMBERS_ASK, st.data())
    def test_place_books_the_quote_or_says_what_moved(self, asked: Asked, data: st.DataObject) -> None:
        """When member, time or program moved, the same quote is booked if it is still what one would be told, else refused."""
        quote = asked.quote()
        later = asked.at + data.draw(st.integers(0, 60)) * DAY
        other = data.draw(st.sampled_from((asked.program, attrs.evolve(asked.program, version=2))))
        member = asked.member
        assert member is not None
        if data.draw(st.booleans()):
            member = member.earn(data.draw(st.integers(1, 999)), ref="gift", expires_at=None, at=asked.at).state
        view = data.draw(views())
        fresh = other.quote(asked.basket, member, codes=asked.codes, burn=asked.burn, view=view, at=later)
        if fresh.commitment == quote.commitment:
            posting = other.place(quote, member, order_id="1001", view=view, at=later)
            assert placed_of(posting.order.state).total == quote.total
            return
        with pytest.raises(RefusedError) as refused:
            other.place(quote, member, order_id="1001", view=view, at=later)
        assert refused.value.refusal == Refusal(
            Reason.QUOTE_CHANGED,
            {
                "fields": tuple(name for name in fresh.commitment if fresh.commitment[name] != quote.commitment[name]),
                "currency": other.currency,
                "seen_minor": quote.to_pay.minor_units,
                "now_minor": fresh.to_pay.minor_units,
            },
        )

    @pytest.mark.law(25)
    @given(ASKED)
    def test_every_code_and_every_offer_is_answered(self, asked: Asked) -> None:
        """Each code as typed has an answer, each offer a verdict, and what gives nothing is not applied."""
        quote = asked.quote()
        assert set(quote.codes) == set(asked.codes)
        for answer in quote.codes.values():
            if answer.offer_id is not None:
                assert answer.applied == isinstance(quote.verdict(answer.offer_id), Accepted)
            else:
                assert answer.refusal is not None
                assert answer.refusal.reason.public == "coupon_invalid"
        for offer in asked.program.book.offers:
            verdict = quote.verdict(offer.offer_id)
            if isinstance(verdict, Accepted):
                found = verdict.value
                eases = found.frees_shipping or found.eases_shipping
                assert found.discount_minor > 0 or eases or found.gifts or found.bonus or found.times or found.coupons
        assert isinstance(quote.verdict("nobody's"), Refused)

    @given(ASKED)
    def test_a_quote_can_be_said(self, asked: Asked) -> None:
        """Whatever the answer, it can be explained in every language."""
        quote = asked.quote()
        for text in (quote.explain(), quote.explain("fr"), *(nudge.text("fr") for nudge in quote.nudges)):
            assert text


class TestReturnLaws:
    @pytest.mark.law(7)
    @given(ANY_PROGRAM.flatmap(shop_histories))
    def test_replay_equals_state(self, history: ShopHistory) -> None:
        """A member stored as JSON and read back, whatever the order of its keys, is the member."""
        member = history.membership
        assert Membership.from_dict(member.to_dict()) == member
        assert pickle.loads(pickle.dumps(member)) == member
        assert member.books(at=history.at).balanced

    @pytest.mark.law(14)
    @given(ANY_PROGRAM.flatmap(lambda rules: st.tuples(st.just(rules), shop_histories(rules, steps_limit=8))), st.data())
    def test_returning_every_order_leaves_what_orders_never_gave(
        self, drawn: tuple[Program, ShopHistory], data: st.DataObject
    ) -> None:
        """Return every unit of every order, in any order, after any other returns: no point of an order is left or owed.

        What was burned is back, and nothing counts for tiers any more.
        """
        rules, history = drawn
        member = history.membership
        todo = [
            (place, line.line_id, line.quantity - order.returned.get(line.line_id, 0))
            for place, order in enumerate(history.orders)
            for line in placed_of(order).lines
        ]
        orders = list(history.orders)
        for place, line_id, units in data.draw(st.permutations([left for left in todo if left[2]])):
            at = placed_of(orders[place]).at  # inside its return window: returns may be backdated
            back = Return(lines={line_id: units})
            posting = rules.refund(orders[place], member, back=back, return_id=f"end-{line_id}", at=at)
            assert posting.member is not None
            orders[place], member = posting.order.state, posting.member.state
        names = [*(rule.rule_id for rule in rules.earning), *(offer.offer_id for offer in rules.book.offers)]
        rules_of = tuple(f"/{name}" for name in names)
        gifts = sum(lot.granted for lot in member.ledger.lots.values() if not lot.lot_id.endswith(rules_of))
        assert not any(member.carried.values())
        assert sum(lot.remaining for lot in member.ledger.lots.values()) == gifts
        assert all(lot.remaining >= 0 for lot in member.ledger.lots.values())
        assert all(counted.units == 0 for counted in member.orders.values())
        for order in orders:
            money = sum(back.money_minor for back in order.returns.values())
            assert placed_of(order).goods_minor <= money <= placed_of(order).total.minor_units

    @pytest.mark.law(27)
    @given(MEMBERS_ASK, st.data())
    def test_units_give_back_the_shares_of_the_quote(self, asked: Asked, data: st.DataObject) -> None:
        """Unit by unit in any order, whatever kind of offer reduced it: each gives back its share, and no other's changes."""
        quote = asked.quote()
        assert asked.member is not None
        posting = asked.program.place(quote, asked.member, order_id="1001", view=asked.view, at=asked.at)
        order, back = posting.order.state, Counter[str]()
        shares = {name: quote.unit_shares(name) for name in quote.lines}
        units = [name for name, line in quote.lines.items() for _ in range(line.quantity)]
        for number, name in enumerate(data.draw(st.permutations(units))):
            answer = order.plan(Return(lines={name: 1}), return_id=str(number), at=asked.at)
            assert isinstance(answer, Accepted)
            assert answer.value.money_minor == shares[name][back[name]]
            order, back[name] = order.folded([answer.value]), back[name] + 1
        assert sum(one.money_minor for one in order.returns.values()) == placed_of(order).goods_minor

    @pytest.mark.law(13, 15)
    @given(MEMBERS_ASK.filter(lambda asked: asked.basket.lines != ()), st.data())
    def test_returns_in_parts_equal_one_return(self, asked: Asked, data: st.DataObject) -> None:
        """Unit by unit in any order, or all at once: the same member, whatever ids the returns carry."""
        quote = asked.quote()
        assert asked.member is not None
        order, member = book(asked.program, quote, asked.member, order_id="a", at=asked.at)
        whole = {line.line_id: line.quantity for line in quote.lines.values()}
        once = asked.program.refund(order, member, back=Return(lines=whole), return_id="b/c", at=asked.at).member
        state, parts = order, member
        units = [name for name, quantity in whole.items() for _ in range(quantity)]
        for number, name in enumerate(data.draw(st.permutations(units))):
            one = asked.program.refund(state, parts, back=Return(lines={name: 1}), return_id=f"b/{number}", at=asked.at)
            assert one.member is not None
            state, parts = one.order.state, one.member.state
        assert once is not None
        assert parts.ledger.lots == once.state.ledger.lots
        assert parts.orders == once.state.orders
        assert parts.ledger.burns == once.state.ledger.burns

    @pytest.mark.law(15)
    @given(ANY_PROGRAM, st.data())
    def test_refunds_of_two_orders_commute(self, rules: Program, data: st.DataObject) -> None:
        """Two orders, one paid with the other's points: returned in either order, the member ends the same."""
        goods = [data.draw(baskets(rules, lines_limit=2).filter(lambda found: found.lines != ())) for _ in range(2)]
        member = Membership.open("m-42").earn(700, ref="gift", expires_at=None, at=rules.starts_at).state
        placed, at = list[Order](), rules.starts_at
        for number, what in enumerate(goods):
            at += data.draw(st.integers(0, 29)) * DAY
            quote = rules.quote(what, member, burn=data.draw(st.sampled_from((0, 300, 10_000))), at=at)
            order, member = book(rules, quote, member, order_id=str(number), at=at)
            placed.append(order)
        ends = []
        for way in (placed, placed[::-1]):
            state = member
            for order in way:
                lines = {line.line_id: line.quantity for line in placed_of(order).lines}
                # One return id for two orders: the member keeps them apart.
                posting = rules.refund(order, state, back=Return(lines=lines), return_id="r", at=placed_of(order).at)
                assert posting.member is not None
                state = posting.member.state
            ledger = state.ledger
            if any(rule.carries for rule in rules.earning):
                # What one return takes of spend that is carried over depends on the others; what all take does not.
                ledger = attrs.evolve(ledger, returned=FrozenMap[str, Reversal]())
            ends.append((ledger, state.orders, state.carried))
        assert ends[0] == ends[1]


class TestQuote:
    def test_guest_is_priced_and_earns(self) -> None:
        """A guest sees prices without what is for members, and the points the order would give."""
        quote = SHOP.quote(basket(helmet="79.90"), burn=500, at=NOW)
        assert (str(quote.total), quote.points_to_earn, quote.tier, quote.tier_after) == ("79.90 EUR", 79, None, None)
        assert quote.burn.refusal is not None
        assert quote.burn.refusal.reason is Reason.MEMBER_REQUIRED
        assert (quote.burn.asked, quote.burn.granted) == (500, 0)

    def test_readme(self) -> None:
        """The ten lines of the README, to the cent and the point."""
        quote = SHOP.quote(basket(helmet="79.90", bell="12.50"), rich(), codes=["SUMMER10"], burn=500, at=NOW)
        assert (str(quote.total), quote.points_to_earn) == ("78.16 EUR", 78)
        assert quote.nudges[0].text("fr").replace("\xa0", " ").replace("\u202f", " ") == "Encore 7,60 € pour la livraison offerte"

    def test_before_the_program_starts_nothing_is_earned(self) -> None:
        """Until the first instant of the first local day, orders earn nothing and count for nothing."""
        first = datetime(2026, 6, 30, 22, tzinfo=UTC)
        for at, points in [(first - timedelta(microseconds=1), 0), (first, 79)]:
            quote = SHOP.quote(basket(helmet="79.90"), at=at)
            assert quote.points_to_earn == points
            assert all(line.qualifies == (points > 0) for line in quote.lines.values())
        assert SHOP.starts_at == first

    def test_other_currency_is_a_usage_error(self) -> None:
        """A basket in another currency is a bug, not a refusal."""
        with pytest.raises(CurrencyMismatchError):
            SHOP.quote(Basket.of("USD", {"helmet": "79.90"}), at=NOW)

    @pytest.mark.parametrize("burn", [-1, True, 1.5])
    def test_burn_is_a_whole_number(self, burn: int) -> None:
        """Points asked to burn are whole and not negative."""
        with pytest.raises(UsageError, match="burn must be a whole number"):
            SHOP.quote(basket(helmet="79.90"), burn=burn, at=NOW)

    def test_one_text_is_not_several_codes(self) -> None:
        """`codes="SUMMER10"` would be eight codes of one letter: it is refused."""
        with pytest.raises(UsageError, match="codes must be several texts"):
            SHOP.quote(basket(helmet="79.90"), codes="SUMMER10", at=NOW)

    def test_codes_are_answered_as_typed(self) -> None:
        """Applied, beaten, unknown, malformed, one too many: each has its answer, in the order typed."""
        entered = ["summer-10", "NOPE", "?", "A1", "B2", "C3"]
        quote = SHOP.quote(basket(helmet="10.00"), codes=entered, at=NOW)
        assert list(quote.codes) == entered
        assert [None if a.refusal is None else a.refusal.reason for a in quote.codes.values()] == [
            None,
            Reason.CODE_UNKNOWN,
            Reason.CODE_MALFORMED,
            Reason.CODE_UNKNOWN,
            Reason.CODE_UNKNOWN,
            Reason.CODES_LIMIT_REACHED,
        ]
        assert quote.codes["summer-10"].offer_id == "summer"
        assert placed_of(SHOP.place(quote, order_id="1", at=NOW).order.state).codes == ("SUMMER10",)

    def test_code_of_a_beaten_offer_says_so(self) -> None:
        """Two offers of one lane: the code's answer names the one that won."""
        rules = Program.parse(VELO.replace('percent_off = "10" }\nwindow', 'percent_off = "5" }\nwindow'))
        quote = rules.quote(basket(helmet="79.90"), rich(), codes=["SUMMER10"], at=NOW)
        refusal = quote.codes["SUMMER10"].refusal
        assert refusal is not None
        assert refusal.reason is Reason.OFFER_SUPERSEDED
        assert refusal.details == {"offer_id": "summer", "by": "ten-from-fifty"}
        assert not quote.codes["SUMMER10"].applied

    def test_gift_cards_only(self) -> None:
        """No offer touches them, no points pay for them, none are earned, and they count for no tier."""
        goods = Basket([Line("1", Money.of("150", "EUR"), tags=["gift-card"])])
        quote = SHOP.quote(goods, rich(), codes=["SUMMER10"], burn=500, at=NOW)
        assert (str(quote.total), quote.points_to_earn, quote.burn.granted) == ("150.00 EUR", 0, 0)
        assert quote.offers.applied == ()
        assert not quote.lines["1"].qualifies
        assert quote.burn.refusal is not None
        assert quote.burn.refusal.reason is Reason.POINTS_ABOVE_SHARE

    def test_burn_follows_the_money(self) -> None:
        """Burned points are shared out by what they took off, and not to goods that they may not pay."""
        goods = Basket(
            [
                Line("a", Money.of("30", "EUR")),
                Line("b", Money.of("10", "EUR")),
                Line("card", Money.of("50", "EUR"), tags=["gift-card"]),
            ]
        )
        quote = SHOP.quote(goods, rich(5000), burn=2000, at=NOW)
        assert {name: line.burn_points for name, line in quote.lines.items()} == {"a": 1500, "b": 500, "card": 0}
        assert {name: str(line.burn) for name, line in quote.lines.items()} == {
            "a": "15.00 EUR",
            "b": "5.00 EUR",
            "card": "0.00 EUR",
        }

    def test_points_worth_less_than_a_minor_unit(self) -> None:
        """Points that take nothing off are not taken: not one alone, nor the rest of a larger burn.

        Taken, a return would not have given them back: no line held them.
        """
        rules = Program.parse(VELO.replace('worth = "0.01"', 'worth = "0.001"').replace("burn_minimum = 500", "burn_minimum = 1"))
        goods = basket(helmet="79.90")
        none = rules.quote(goods, rich(), burn=9, at=NOW)
        assert (none.burn.granted, none.burn.discount_minor) == (0, 0)
        assert none.burn.refusal is not None
        assert none.burn.refusal.reason is Reason.POINTS_BELOW_MINIMUM
        assert none.burn.refusal.details == {"asked_points": 9, "needed_points": 10, "missing_points": 1}
        some = rules.quote(goods, rich(), burn=505, at=NOW)
        assert (some.burn.granted, some.burn.discount_minor) == (500, 50)

    def test_program_without_points(self) -> None:
        """No points table: nothing is earned, no burn is granted, orders never close, and tiers are unknown."""
        rules = program()
        quote = rules.quote(basket(helmet="79.90"), rich(), burn=500, at=NOW)
        assert (quote.points_to_earn, quote.burn.granted, quote.tier_after) == (0, 0, None)
        assert quote.burn.refusal is not None
        assert quote.burn.refusal.reason is Reason.POINTS_ABOVE_SHARE
        assert quote.burn.refusal.details == {"asked_points": 500, "granted_points": 0}
        order, member = book(rules, quote, rich())
        assert placed_of(order).final_at is None
        assert rules.tier(member, at=NOW) is None

    def test_return_window_may_be_said(self) -> None:
        """It is the time that points wait, unless the program says another, or that returns are always taken."""
        at = {"": datetime(2026, 7, 31, 22, tzinfo=UTC), '"14 days"': datetime(2026, 7, 15, 22, tzinfo=UTC), '"always"': None}
        for returns, final_at in at.items():
            said = f"version = 3\nreturns = {returns}" if returns else "version = 3"
            rules = Program.parse(VELO.replace("version = 3", said))
            placed = rules.place(rules.quote(basket(helmet="79.90"), at=NOW), order_id="1", at=NOW)
            assert placed.fact.final_at == final_at

    def test_points_at_once_leave_the_window_open(self) -> None:
        """Where points do not wait there is no return window to close."""
        rules = Program.parse(VELO.replace('pending = "30 days"', 'pending = "at once"'))
        quote = rules.quote(basket(helmet="79.90"), rich(), at=NOW)
        order, member = book(rules, quote, rich())
        assert placed_of(order).final_at is None
        assert member.balance(at=NOW).available == 800 + quote.points_to_earn

    def test_everything_free(self) -> None:
        """100 % off: nothing to pay, and by the paid basis nothing earned; by the list basis as if it were paid."""
        everything = VELO.replace('percent_off = "10" }\nwindow', 'percent_off = "100" }\nwindow')
        for basis, points in [("paid", 0), ("discounted", 0), ("list", 79)]:
            rules = Program.parse(everything.replace('basis = "paid"', f'basis = "{basis}"'))
            quote = rules.quote(basket(helmet="79.90", sticker="0"), rich(), codes=["SUMMER10"], burn=500, at=NOW)
            assert (quote.total.minor_units, quote.points_to_earn, quote.burn.granted) == (0, points, 0)
            order, member = book(rules, quote, rich())
            back = rules.refund(order, member, back=Return(lines={"helmet": 1, "sticker": 1}), return_id="r", at=NOW)
            assert back.fact.money == Money.zero("EUR")
            assert back.fact.points_revoked == points

    def test_shipping(self) -> None:
        """Unknown shipping stays unknown unless it is free; known shipping is in the total."""
        small, large = basket(bell="12.50"), basket(bike="1200")
        assert SHOP.quote(small, at=NOW).shipping is None
        assert SHOP.quote(large, at=NOW).shipping == Money.zero("EUR")
        quote = SHOP.quote(attrs.evolve(small, shipping=Money.of("4.90", "EUR")), at=NOW)
        assert str(quote.total) == "17.40 EUR"
        free = SHOP.quote(attrs.evolve(large, shipping=Money.of("4.90", "EUR")), at=NOW)
        assert (free.discount, str(free.total)) == (Money.of("4.90", "EUR"), "1200.00 EUR")
        assert placed_of(SHOP.place(free, order_id="1", at=NOW).order.state).shipping_minor == 0

    def test_resulting_tier_feeds_nothing(self) -> None:
        """The tier after the order is shown; the tier before it is what conditions see."""
        quote = SHOP.quote(basket(bike="1200"), rich(), at=NOW)
        assert (quote.tier, quote.tier_after) == ("bronze", "gold")


class TestPlace:
    def test_facts_of_both_streams(self) -> None:
        """One order's posting, one member's; appends that a repository keeps together."""
        quote = SHOP.quote(basket(helmet="79.90"), rich(), burn=500, at=NOW)
        posting = SHOP.place(quote, rich(), order_id="1001", at=NOW)
        assert posting.member is not None
        assert posting.membership == posting.member.state
        assert [fact.kind for fact in posting.member.facts] == ["member.order_counted", "ledger.burned", "ledger.granted"]
        changes = [*posting.order.changes, *posting.member.changes]
        assert [(c.stream, c.expected_version) for c in changes if isinstance(c, Append)] == [
            ("order/1001", 0),
            ("member/m-42", 1),
        ]
        fact = placed_of(posting.order.state)
        assert fact.final_at == datetime(2026, 7, 31, 22, tzinfo=UTC)
        assert fact.program == SHOP.digest
        assert (fact.member_id, fact.currency, fact.at) == ("m-42", "EUR", NOW)

    def test_guest(self) -> None:
        """A guest's order is booked without a member; its points wait in it."""
        quote = SHOP.quote(basket(helmet="79.90"), at=NOW)
        posting = SHOP.place(quote, order_id="1001", at=NOW)
        assert posting.member is None
        with pytest.raises(UsageError, match="a guest's order has no membership"):
            _ = posting.membership
        assert posting.fact.points == placed_of(posting.order.state).points == 79
        back = SHOP.refund(posting.order.state, back=Return(lines={"helmet": 1}), return_id="r", at=NOW)
        assert back.member is None
        assert back.fact.points_revoked == 79

    def test_again_books_nothing(self) -> None:
        """The same quote under the same order id gives no facts; another quote is refused."""
        quote = SHOP.quote(basket(helmet="79.90"), rich(), at=NOW)
        order, member = book(SHOP, quote, rich())
        again = SHOP.place(quote, member, order_id="1001", order=order, at=NOW + DAY)
        assert again.member is not None
        assert (again.order.facts, again.member.facts, again.order.state) == ((), (), order)
        other = SHOP.quote(basket(bell="12.50"), member, at=NOW)
        with pytest.raises(RefusedError) as refused:
            SHOP.place(other, member, order_id="1001", order=order, at=NOW)
        assert refused.value.refusal.details == {"key": "place:1001", "fields": ("quote",)}
        guest = SHOP.quote(basket(bell="12.50"), at=NOW)
        first = SHOP.place(guest, order_id="2", at=NOW).order.state
        assert SHOP.place(guest, order_id="2", order=first, at=NOW).member is None

    def test_order_that_is_loaded_but_not_placed(self) -> None:
        """An order without facts is placed like an unknown one; one of another id is the caller's bug."""
        quote = SHOP.quote(basket(helmet="79.90"), at=NOW)
        assert SHOP.place(quote, order_id="1", order=Order.open("1"), at=NOW).order.state.version == 1
        with pytest.raises(UsageError, match="order must be order '1'"):
            SHOP.place(quote, order_id="1", order=Order.open("2"), at=NOW)

    def test_other_members_state_is_a_usage_error(self) -> None:
        """A quote is placed for the member it was made for, and for nobody else."""
        quote, guest = SHOP.quote(basket(helmet="79.90"), rich(), at=NOW), SHOP.quote(basket(helmet="79.90"), at=NOW)
        for asked, member in [(quote, None), (quote, Membership.open("m-43")), (guest, rich())]:
            with pytest.raises(UsageError, match="membership must be that of"):
                SHOP.place(asked, member, order_id="1001", at=NOW)

    def test_price_that_moved_is_never_booked_silently(self) -> None:
        """The offer ended between the page and the payment: refused, with both amounts."""
        last = datetime(2026, 8, 31, 21, 59, 59, tzinfo=UTC)
        quote = SHOP.quote(basket(helmet="40.00"), codes=["SUMMER10"], at=last)
        with pytest.raises(RefusedError) as refused:
            SHOP.place(quote, order_id="1001", at=last + timedelta(seconds=1))
        assert refused.value.refusal.details == {
            "fields": ("lines", "offers", "earned", "to_pay"),
            "currency": "EUR",
            "seen_minor": 3600,
            "now_minor": 4000,
        }

    def test_paid_elsewhere_without_a_quote(self) -> None:
        """An order that was paid elsewhere is booked in one step, as quoting and placing it at that instant would."""
        goods = basket(helmet="79.90")
        quote = SHOP.quote(goods, rich(), codes=["SUMMER10"], burn=500, at=NOW)
        assert SHOP.place_unseen(quote.asked, rich(), order_id="1001", at=NOW) == SHOP.place(
            quote, rich(), order_id="1001", at=NOW
        )
        guest = SHOP.quote(goods, at=NOW)
        assert SHOP.place_unseen(guest.asked, order_id="1", at=NOW) == SHOP.place(guest, order_id="1", at=NOW)
        with pytest.raises(UsageError, match="membership must be that of"):
            SHOP.place_unseen(guest.asked, rich(), order_id="1", at=NOW)

    def test_commitment_does_not_hold_the_time(self) -> None:
        """A quote made an hour ago is booked when nothing moved but the clock."""
        quote = SHOP.quote(basket(helmet="79.90"), rich(), at=NOW)
        later = SHOP.place(quote, rich(), order_id="1001", at=NOW + timedelta(hours=1))
        assert placed_of(later.order.state).at == NOW + timedelta(hours=1)


class TestRefund:
    def test_all_streams_move_together(self) -> None:
        """Money, points earned, points burned and what counts for tiers, in one answer."""
        quote = SHOP.quote(basket(helmet="79.90"), rich(), burn=500, at=NOW)
        order, member = book(SHOP, quote, rich())
        refunded = SHOP.refund(order, member, back=Return(lines={"helmet": 1}), return_id="r-1", at=NOW + DAY)
        assert refunded.member is not None
        assert [fact.kind for fact in refunded.member.facts] == [
            "member.return_counted",
            "ledger.revoked",
            "ledger.burn_refunded",
        ]
        assert refunded.membership == refunded.member.state
        assert refunded.fact.money == quote.total
        assert refunded.member.state.balance(at=NOW + DAY) == Balance(available=800, pending=0, held=0, debt=0)
        assert refunded.member.state.order_count == 1
        status = SHOP.tier(refunded.member.state, at=NOW)
        assert status is not None
        assert status.metric == 0

    def test_again_gives_the_first_answer(self) -> None:
        """The same return again changes nothing, even past the window; other content under its id is refused."""
        quote = SHOP.quote(Basket([Line("1", Money.of("10", "EUR"), 3)]), rich(), at=NOW)
        order, member = book(SHOP, quote, rich())
        first = SHOP.refund(order, member, back=Return(lines={"1": 1}), return_id="r-1", at=NOW)
        assert first.member is not None
        order, member = first.order.state, first.member.state
        again = SHOP.refund(order, member, back=Return(lines={"1": 1}), return_id="r-1", at=NOW + 99 * DAY)
        assert again.member is not None
        assert (again.fact, again.order.facts, again.member.facts) == (first.fact, (), ())
        for back, fields in [
            (Return(lines={"1": 2}), ("lines",)),
            (Return(amount=Money.of("1", "EUR")), ("lines", "amount")),
        ]:
            with pytest.raises(RefusedError) as refused:
                SHOP.refund(order, member, back=back, return_id="r-1", at=NOW)
            assert refused.value.refusal.details == {"key": "refund:r-1", "fields": fields}

    def test_guests_return_again(self) -> None:
        """Repeating a guest's return needs no member either."""
        order = SHOP.place(SHOP.quote(basket(bell="12.50"), at=NOW), order_id="1", at=NOW).order.state
        once = SHOP.refund(order, back=Return(lines={"bell": 1}), return_id="r", at=NOW)
        assert SHOP.refund(once.order.state, back=Return(lines={"bell": 1}), return_id="r", at=NOW).member is None

    def test_refusals_raise(self) -> None:
        """What `Order.plan` refuses is raised, all of it."""
        with pytest.raises(RefusedError) as refused:
            SHOP.refund(Order.open("1001"), back=Return(lines={"1": 1}), return_id="r", at=NOW)
        assert refused.value.refusal.reason is Reason.ORDER_NOT_FOUND

    def test_other_members_state_is_a_usage_error(self) -> None:
        """Points are taken back from the member who got them."""
        order, _ = book(SHOP, SHOP.quote(basket(helmet="79.90"), rich(), at=NOW), rich())
        for member in (None, Membership.open("m-43")):
            with pytest.raises(UsageError, match="membership must be that of member 'm-42'"):
                SHOP.refund(order, member, back=Return(lines={"helmet": 1}), return_id="r", at=NOW)

    def test_overdraft_is_the_programs(self) -> None:
        """Under reject, goods whose points were spent are not taken back by themselves."""
        rules = Program.parse(
            VELO.replace('"carry"', '"reject"').replace('pending = "30 days"', 'pending = "at once"').replace("500", "1")
        )
        order, member = book(rules, rules.quote(basket(helmet="40.00"), rich(1), at=NOW), rich(1))
        member = member.burn(41, ref="x", at=NOW).state
        with pytest.raises(RefusedError) as refused:
            rules.refund(order, member, back=Return(lines={"helmet": 1}), return_id="r", at=NOW)
        assert refused.value.refusal.reason is Reason.POINTS_INSUFFICIENT

    def test_same_return_id_for_orders_a_and_a_slash_b(self) -> None:
        """Order "a" with return "b/c" and order "a/b" with return "c" are two returns."""
        member, orders = rich(), list[Order]()
        for order_id in ("a", "a/b"):
            order, member = book(SHOP, SHOP.quote(basket(bell="12.50"), member, at=NOW), member, order_id=order_id)
            orders.append(order)
        for order, return_id in zip(orders, ("b/c", "c"), strict=True):
            back = SHOP.refund(order, member, back=Return(lines={"bell": 1}), return_id=return_id, at=NOW)
            assert back.member is not None
            member = back.member.state
        assert member.balance(at=NOW) == Balance(available=800, pending=0, held=0, debt=0)

    def test_burn_refunded_after_its_points_expired(self) -> None:
        """Points that went back into an expired lot are expired: the return is exact, and the member is told nothing untrue."""
        member = Membership.open("m-42").earn(800, ref="w", expires_at=NOW + 5 * DAY, at=NOW).state
        order, member = book(SHOP, SHOP.quote(basket(helmet="79.90"), member, burn=800, at=NOW), member)
        back = SHOP.refund(order, member, back=Return(lines={"helmet": 1}), return_id="r", at=NOW + 6 * DAY)
        assert back.member is not None
        assert back.fact.points_given_back == 800
        assert back.member.state.available(at=NOW + 6 * DAY) == 0
        assert back.member.state.books(at=NOW + 6 * DAY).expired == 800


class TestRecord:
    def test_gives_the_points_of_an_action(self) -> None:
        """Available at once, expiring as points do, once for each ref and action."""
        posting = SHOP.record("review", Membership.open("m-42"), ref="review-1", at=NOW)
        assert posting.facts == (
            Granted(
                account="points",
                ref="review-1",
                rule="review",
                units=50,
                available_at=NOW,
                expires_at=datetime(2027, 7, 31, 22, tzinfo=UTC),
                at=NOW,
            ),
        )
        again = SHOP.record("review", posting.state, ref="review-1", at=NOW + DAY)
        assert (again.facts, again.state) == ((), posting.state)
        assert len(SHOP.record("sign_up", posting.state, ref="review-1", at=NOW).facts) == 1

    def test_refusals(self) -> None:
        """An unknown action is named with the known ones; before the program starts nothing is given."""
        with pytest.raises(RefusedError) as refused:
            SHOP.record("share", Membership.open("m-42"), ref="s", at=NOW)
        assert refused.value.refusal.details == {"action": "share", "known": ("review", "sign_up")}
        with pytest.raises(RefusedError) as refused:
            SHOP.record("review", Membership.open("m-42"), ref="s", at=SHOP.starts_at - timedelta(microseconds=1))
        assert refused.value.refusal.details == {"starts_at": "2026-06-30T22:00:00Z", "starts_on": "2026-07-01"}
        assert len(SHOP.record("review", Membership.open("m-42"), ref="s", at=SHOP.starts_at).facts) == 1

    def test_actions_may_last_for_ever(self) -> None:
        """Without an expiry there is none."""
        rules = program(actions={"review": Action(points=5, expires=None)})
        posting = rules.record("review", Membership.open("m-42"), ref="r", at=NOW)
        assert [lot.expires_at for lot in posting.state.ledger.lots.values()] == [None]

    @pytest.mark.parametrize("ref,at", [("", NOW), ("r", NOW.replace(tzinfo=None))])
    def test_bad_arguments(self, ref: str, at: datetime) -> None:
        """An empty ref and a naive time are the caller's bugs."""
        with pytest.raises(UsageError):
            SHOP.record("review", Membership.open("m-42"), ref=ref, at=at)


class TestOverview:
    def test_gathers_my_account(self) -> None:
        """Balance, what expires, tier, orders and the day of joining."""
        member = Membership.open("m-42").join(at=NOW).state
        member = member.earn(5, ref="w", expires_at=NOW + 9 * DAY, at=NOW).state
        overview = SHOP.overview(member, at=NOW)
        assert (overview.member_id, overview.joined_at, overview.order_count) == ("m-42", NOW, 0)
        assert overview.balance == Balance(available=5, pending=0, held=0, debt=0)
        assert overview.accounts == {"points": overview.balance}
        both = member.on("status").earn(7, ref="status-1", expires_at=None, at=NOW).state
        seen = SHOP.overview(both, at=NOW)
        assert (seen.balance, seen.accounts["status"].available) == (overview.balance, 7)
        assert overview.expiring == (Expiring(NOW + 9 * DAY, 5),)
        assert overview.tier is not None
        assert (overview.tier.tier, overview.tier.next_tier, overview.tier.shortfall) == ("bronze", "silver", 30000)
        assert SHOP.overview(member, at=NOW + 9 * DAY + timedelta(microseconds=1)).expiring == ()
        with pytest.raises(UsageError):
            SHOP.overview(member, at=NOW.replace(tzinfo=None))

    @given(memberships(SHOP, steps_limit=4))
    def test_any_member_has_one(self, member: Membership) -> None:
        """Whatever happened, the overview agrees with the account."""
        at = SHOP.starts_at + 500 * DAY
        overview = SHOP.overview(member, at=at)
        assert overview.balance == member.balance(at=at)
        assert sum(expiring.units for expiring in overview.expiring) >= 0


class TestNeeds:
    @pytest.mark.parametrize(
        "member_id,order_id,streams",
        [
            (None, None, ()),
            ("m", None, ("member/m",)),
            (None, "1", ("order/1",)),
            ("m", "1", ("member/m", "order/1")),
        ],
    )
    def test_names_streams(self, member_id: str | None, order_id: str | None, streams: tuple[str, ...]) -> None:
        """Sorted, and only what is asked for."""
        assert SHOP.needs(member_id, order_id=order_id).streams == streams


class TestProgram:
    @pytest.mark.parametrize(
        "changes,match",
        [
            ({"name": "a b"}, "name"),
            ({"version": 0}, "version"),
            ({"currency": "euro"}, "currency|euro"),
            ({"actions": {"a b": Action(points=1, expires=None)}}, "action"),
            ({"actions": {"review": 50}}, "action 'review' must be of type Action"),
            ({"combine": "sum"}, "combine must be one of"),
            ({"burn_first": "oldest"}, "burn_first must be one of"),
            ({"restore": 30}, "restore must be of type Term"),
            ({"earning": [None]}, "each of earning must be of type EarningRule"),
        ],
    )
    def test_parts_are_checked(self, changes: dict[str, Any], match: str) -> None:
        """A program from Python is held to what one from a file is."""
        with pytest.raises(UsageError, match=match):
            program(**changes)

    def test_action_may_not_take_the_name_of_orders(self) -> None:
        """Their lots would share a name."""
        order = {"order": Action(points=1, expires=None)}
        with pytest.raises(UsageError, match="'order' for a rule and an action"):
            attrs.evolve(SHOP, actions=order)
        assert program(actions=order).actions == order

    def test_thresholds_are_in_its_currency(self) -> None:
        """An offer's threshold in another currency is found when the program is made, not at the first basket."""
        offer = Offer("ten", when=spend_at_least(Money.of("50", "USD")), give=PercentOff("10"))
        with pytest.raises(CurrencyMismatchError):
            program(book=OfferBook([offer], stacking=Stacking(Mode.ALL)))

    def test_digest_is_of_the_rules(self) -> None:
        """Equal rules, equal digest; any other rule, another one."""
        assert velo().digest == SHOP.digest == Program.parse(VELO.replace('"10"', '"10.0"')).digest
        others = [
            attrs.evolve(SHOP, version=4),
            attrs.evolve(SHOP, starts_on=date(2026, 7, 2)),
            attrs.evolve(SHOP, actions={**SHOP.actions, "review": attrs.evolve(SHOP.actions["review"], points=51)}),
            attrs.evolve(SHOP, combine=Combine.BEST),
            attrs.evolve(SHOP, burn_first=BurnFirst.OLDEST),
            attrs.evolve(SHOP, restore=Term(Period(days=30))),
            attrs.evolve(SHOP, overdraft=Overdraft.REJECT),
            Program.parse(VELO.replace("SUMMER10", "SUMMER11")),
            Program.parse(VELO.replace('"best"', '"all"')),
        ]
        assert len({SHOP.digest, *(other.digest for other in others)}) == len(others) + 1

    def test_made_out_of_another(self) -> None:
        """What is changed is changed in all: the campaigns and offers of the rewards that were before are gone."""
        ten, summer = (PercentOff(text) for text in ("10", "20"))
        own = CouponCampaign("SUMMER20", give=summer, codes="human")
        before = attrs.evolve(SHOP, campaigns=[own], rewards=[CatalogueReward("cap", give=ten, price=100)])
        assert {"SUMMER20", "reward-cap"} <= before.campaigns.keys()
        assert {"SUMMER20", "reward-cap"} <= {offer.offer_id for offer in before.book.offers}
        dearer = attrs.evolve(before, rewards=[CatalogueReward("cap", give=summer, price=100)])
        assert dearer.campaigns["reward-cap"].give == summer
        assert dearer == attrs.evolve(SHOP, campaigns=[own], rewards=[CatalogueReward("cap", give=summer, price=100)])
        assert attrs.evolve(before, rewards=[]) == attrs.evolve(SHOP, campaigns=[own])
        for plain in (
            attrs.evolve(before, rewards=[], campaigns=[]),
            attrs.evolve(before, rewards=[], campaigns=[], book=SHOP.book),
        ):
            assert (plain, plain.digest, plain.book) == (SHOP, SHOP.digest, SHOP.book)
        # Whatever is handed in of what there is already, it is one program.
        several: tuple[dict[str, Any], ...] = ({"book": before.book}, {"campaigns": before.campaigns.values()})
        for same in several:
            again = attrs.evolve(before, **same)
            assert (again, again.digest, again.book, again.campaigns) == (before, before.digest, before.book, before.campaigns)

    def test_load(self, tmp_path: Path) -> None:
        """A file is read as UTF-8; a missing one is the system's error, a garbled one the file's."""
        path = tmp_path / "program.toml"
        path.write_text(VELO + "# é\n", encoding="utf-8")
        assert Program.load(path) == SHOP
        assert Program.load(str(path)).digest == SHOP.digest
        with pytest.raises(FileNotFoundError):
            Program.load(tmp_path / "none.toml")
        path.write_bytes(b"name = '\xff'")
        with pytest.raises(ProgramError, match="file: must be UTF-8"):
            Program.load(path)

    def test_offers_from_python(self) -> None:
        """A program needs no file."""
        offer = Offer("free", when=spend_at_least(Money.of("1", "EUR")), give=FreeShipping())
        rules = program(book=OfferBook([offer], stacking=Stacking(Mode.PRIORITY)))
        assert rules.quote(basket(a="1.00"), at=NOW).shipping == Money.zero("EUR")


class TestNudgeLaws:
    @pytest.mark.law(24)
    @given(ASKED_PLAINLY)
    def test_spending_exactly_the_nudge_gets_the_reward(self, asked: Asked) -> None:
        """One more thing of just that price gets the offer applied and the basket cheaper than without it; less does not."""
        quote = asked.quote()
        assume(quote.nudges)
        for nudge in quote.nudges:
            assert nudge.missing is not None  # these offers ask for nothing but money
            missing = nudge.missing.minor_units

            def probed(price: int, rules: Program, asked: Asked = asked) -> Quote:
                lines = [*asked.basket.lines, *([Line("probe", Money(price, rules.currency))] if price else [])]
                goods = attrs.evolve(asked.basket, lines=lines)
                return rules.quote(goods, asked.member, codes=asked.codes, at=asked.at)

            others = [offer for offer in asked.program.book.offers if offer.offer_id != nudge.offer_id]
            without = attrs.evolve(asked.program, book=attrs.evolve(asked.program.book, offers=others))
            with_it = probed(missing, asked.program)
            assert isinstance(with_it.verdict(nudge.offer_id), Accepted)
            assert with_it.offers.worth > probed(missing, without).offers.worth
            assert isinstance(probed(missing - 1, asked.program).verdict(nudge.offer_id), Refused)
