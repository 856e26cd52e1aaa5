"""What orders and time do to referrals: whole lives of friends and advocates, against a model of a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from loyaltycore._frozen import FrozenMap
from loyaltycore._giving import Giving
from loyaltycore._referring import (
    Settled,
    referral_placed,
    referral_returned,
    referral_streams,
    reversed_for,
    rewarded_for,
    still_qualifies,
)
from loyaltycore.basket import Basket, Line
from loyaltycore.benefits import AmountOff, BonusPoints, Per, PercentOff, Several
from loyaltycore.conditions import Condition, Situation, first_order, spend_at_least
from loyaltycore.coupons import Coupon, CouponCampaign
from loyaltycore.errors import Reason
from loyaltycore.facts import Posting
from loyaltycore.ladders import Ladder
from loyaltycore.ledger import Overdraft
from loyaltycore.memberships import FriendReversed, FriendRewarded, Membership
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.orders import NeedOf, OfferNeed, Order, OrderLine, OrderPlaced, OrderReturned, ReferralNeed
from loyaltycore.periods import Calendar, Period, Term, Through
from loyaltycore.quantities import Money
from loyaltycore.referrals import (
    After,
    PayOut,
    Referral,
    ReferralProgram,
    ReferralStatus,
    Restart,
    RewardBenefit,
    Wait,
    referral_need,
)
from loyaltycore.rewards import Payout

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
PARIS = Calendar("Europe/Paris")
FORTY = spend_at_least(Money.of("40.00", "EUR"))
LADDER: dict[int, RewardBenefit] = {
    1: BonusPoints(500, expires=None),
    3: AmountOff(Money.of("15.00", "EUR"), per=Per.BASKET),
    5: Several([BonusPoints(50, expires=None), PercentOff("10")]),
}
EXACT: dict[int, RewardBenefit] = {2: PayOut(Money.of("5.00", "EUR")), 4: PercentOff("20")}


def giving(
    campaigns: Mapping[str, CouponCampaign] = FrozenMap(), *, at: datetime = NOW, posted_at: datetime | None = None
) -> Giving:
    """Say what rewards are given by."""
    return Giving(campaigns=campaigns, calendar=PARIS, expires=None, at=at, posted_at=posted_at)


def friends(**changes: object) -> ReferralProgram:
    """Give a referral program: points, then coupons, and cash at the second friend."""
    settled: dict[str, Any] = {
        "codes": "VELO-####-####",
        "qualifies": FORTY,
        "advocate": Ladder.of(LADDER),
        "advocate_at": Ladder.of(EXACT),
        "after": Period(days=30),
    }
    return ReferralProgram("friends", **{**settled, **changes})


def situation(price: str = "20.00", quantity: int = 3, *, order_count: int = 0, at: datetime = NOW) -> Situation:
    """Give what is the case when a friend orders some bells."""
    basket = Basket([Line("bell", Money.of(price, "EUR"), quantity, product_id="bell")])
    return Situation(basket=basket, is_member=True, order_count=order_count, calendar=PARIS, at=at)


def ordered(
    order_id: str = "1001",
    *,
    member_id: str | None = "f-1",
    price_minor: int = 2000,
    quantity: int = 3,
    need: ReferralNeed | None = None,
    final_at: datetime | None = None,
    at: datetime = NOW,
) -> OrderPlaced:
    """Give an order of some bells."""
    return OrderPlaced(
        order_id=order_id,
        member_id=member_id,
        currency="EUR",
        lines=(OrderLine(line_id="bell", product_id="bell", quantity=quantity, list_minor=price_minor * quantity),),
        final_at=final_at,
        referral=need,
        at=at,
    )


SPENT = ReferralNeed(program_id="friends", needs=(OfferNeed(of=NeedOf.SPEND, at_least=4000),), ways=((0,),))
ANY = ReferralNeed(program_id="friends")


def back(units: int, *, order_id: str = "1001", return_id: str = "r-1", at: datetime = NOW + DAY) -> OrderReturned:
    """Bring some bells back."""
    return OrderReturned(
        order_id=order_id, return_id=return_id, currency="EUR", lines=FrozenMap({"bell": units}), money_minor=2000 * units, at=at
    )


def joined(friend_id: str = "f-1", advocate_id: str = "ann", *, at: datetime = NOW) -> Referral:
    """Give a friend who came with a code."""
    return Referral.open(friend_id).join("friends", advocate_id=advocate_id, code="VE10", at=at).state


def due(friend_id: str, *, at: datetime = NOW, advocate_id: str = "ann") -> Referral:
    """Give a friend who qualifies, and for whom the advocate is to be rewarded at an instant."""
    return joined(friend_id, advocate_id, at=at).qualify(f"o-{friend_id}", due_at=at, at=at).state


@attrs.define
class Books:
    """A shop that keeps everything in dictionaries, and settles one referral at a time."""

    program: ReferralProgram | None
    overdraft: Overdraft = Overdraft.CARRY
    referrals: dict[str, Referral] = attrs.field(factory=dict)
    members: dict[str, Membership] = attrs.field(factory=dict)
    orders: dict[str, Order] = attrs.field(factory=dict)
    coupons: dict[str, Coupon] = attrs.field(factory=dict)
    payouts: dict[str, Payout] = attrs.field(factory=dict)
    late: timedelta = timedelta(0)

    def member(self, member_id: str) -> Membership:
        """Give a member, as he is."""
        return self.members.get(member_id) or Membership.open(member_id)

    def keep(self, posting: Posting[Any] | None) -> None:
        """Keep what was decided: it is what a replay of the facts gives."""
        if posting is None or not posting.facts:
            return
        state: Any = posting.state
        before: Any
        match state:
            case Referral():
                before = self.referrals.get(state.friend_id) or Referral.open(state.friend_id)
                self.referrals[state.friend_id] = state
            case Membership():
                before = self.member(state.member_id)
                self.members[state.member_id] = state
            case Coupon():
                before = self.coupons.get(state.coupon_id) or Coupon.issued(state.coupon_id)
                self.coupons[state.coupon_id] = state
            case Payout():
                before = self.payouts.get(state.payout_id) or Payout.open(state.payout_id)
                self.payouts[state.payout_id] = state
            case _:
                raise AssertionError(state)
        assert before.version == posting.version
        assert before.folded(posting.facts) == state
        assert state.version == posting.version + len(posting.facts)

    def join(self, friend_id: str, advocate_id: str, *, at: datetime = NOW) -> None:
        """Let a friend come."""
        referral = self.referrals.get(friend_id) or Referral.open(friend_id)
        self.keep(referral.join("friends", advocate_id=advocate_id, code="VE10", at=at))

    def order(self, friend_id: str, order_id: str, *, quantity: int, at: datetime) -> None:
        """Let a friend order."""
        need = referral_need(self.program, situation(quantity=quantity, at=at))
        final_at = Term(Period(days=90)).end_after(at, calendar=PARIS)
        placed = ordered(order_id, member_id=friend_id, quantity=quantity, need=need, final_at=final_at, at=at)
        self.orders[order_id] = Order.open(order_id).folded([placed])
        self.keep(referral_placed(self.referrals[friend_id], placed, program=self.program, calendar=PARIS))

    def bring_back(self, order_id: str, units: int, *, return_id: str, at: datetime) -> None:
        """Let some of an order come back."""
        order = self.orders[order_id]
        assert order.member_id is not None
        fact = back(units, order_id=order_id, return_id=return_id, at=at)
        self.keep(referral_returned(self.referrals[order.member_id], order, fact))
        self.orders[order_id] = order.folded([fact])

    def due(self, at: datetime) -> list[str]:
        """Name the friends for whom something is to be done, the first first."""
        found = [(one.due_at, name) for name, one in self.referrals.items() if one.due_at is not None and one.due_at <= at]
        return [name for _, name in sorted(found)]

    def settle(self, friend_id: str) -> Settled:
        """Do what is due for a friend, twice: the second time nothing is left to do."""
        referral = self.referrals[friend_id]
        assert referral.advocate_id is not None
        settled = self._settled(referral, self.member(referral.advocate_id))
        for posting in settled.postings:
            self.keep(posting)
        if self.referrals[friend_id].status is not ReferralStatus.QUALIFIED:  # another order may be due since
            again = self._settled(self.referrals[friend_id], self.member(referral.advocate_id))
            assert not any(posting.facts for posting in again.postings)
        return settled

    def _settled(self, referral: Referral, advocate: Membership) -> Settled:
        at = referral.due_at or NOW
        campaigns = {} if self.program is None else {one.campaign_id: one for one in self.program.campaigns}
        by = giving(campaigns, at=at, posted_at=at + self.late)
        streams = [stream.partition("/") for stream in referral_streams(self.program, referral, advocate)]
        view = View(
            coupons=[self.coupons[name] for kind, _, name in streams if kind == "coupon"],
            payouts={name: self.payouts[name] for kind, _, name in streams if kind == "payout"},
        )
        others = [self.referrals[name] for kind, _, name in streams if kind == "referral"]
        if referral.status is not ReferralStatus.REVERSING:
            return rewarded_for(self.program, referral, advocate, by=by)
        return reversed_for(
            self.program,
            referral,
            advocate,
            stand_in=others[0] if others else None,
            view=view,
            overdraft=self.overdraft,
            by=by,
        )

    def has(self, member_id: str) -> Counter[str]:
        """Say what a member has: points, live coupons by campaign, cash that is owed."""
        member, found = self.member(member_id), Counter[str]()
        found["points"] = sum(lot.remaining for lot in member.ledger_of("points").lots.values())
        for coupon_id in member.coupons_at(NOW + 10_000 * DAY):
            coupon = self.coupons[coupon_id]
            assert coupon.revoked_at is None
            found[str(coupon.campaign_id)] += 1
        for one in self.payouts.values():
            if one.member_id == member_id and one.reversed_at is None:
                assert one.amount is not None
                found["cash"] += one.amount.minor_units
        return +found


def expected(program: ReferralProgram, days: Iterable[date]) -> Counter[str]:
    """Say what an advocate has for friends whose rewards were due on some days: the model, by counting alone."""
    taken, found = Counter[str](), Counter[str]()
    limits = {"month": program.limit_per_month, "year": program.limit_per_year, "all": program.limit_in_all}
    counted = Counter[str]()
    for day in sorted(days):
        spans = {"month": f"{day:%Y-%m}", "year": f"{day:%Y}", "all": ""}
        if all(limit is None or taken[f"{span} {spans[span]}"] < limit for span, limit in limits.items()):
            taken.update(f"{span} {name}" for span, name in spans.items())
            key = {Restart.NEVER: "all", Restart.YEAR: "year", Restart.MONTH: "month"}[program.restarts]
            counted[spans[key]] += 1
    for many in counted.values():
        for number in range(1, many + 1):
            found += each(number)
    return +found


def each(number: int) -> Counter[str]:
    """Say what the nth friend brings, with the ladders above."""
    found = Counter({"cash": 500} if number == 2 else {"friends-at-4": 1} if number == 4 else {})
    if number < 3:
        found["points"] = 500
    elif number < 5:
        found["friends-3"] = 1
    else:
        found.update({"points": 50, "friends-5": 1})
    return found


class TestNeed:
    def test_what_an_order_must_keep(self) -> None:
        """As an offer of the same condition would."""
        assert referral_need(friends(), situation()) == SPENT

    def test_a_condition_without_goods_asks_for_none(self) -> None:
        """Then it is enough that something is kept."""
        assert referral_need(friends(qualifies=first_order()), situation()) == ANY

    @pytest.mark.parametrize("qualifies,quantity", [(FORTY, 1), (first_order() & FORTY, 3)])
    def test_what_does_not_qualify(self, qualifies: Condition, quantity: int) -> None:
        """Too little, or not the first order."""
        assert referral_need(friends(qualifies=qualifies), situation(quantity=quantity, order_count=1)) is None

    def test_no_program(self) -> None:
        """There is nothing to qualify for."""
        assert referral_need(None, situation()) is None


class TestPlaced:
    @pytest.mark.parametrize(
        "after,due_at",
        [
            (Period(days=30), datetime(2026, 7, 31, 22, tzinfo=UTC)),
            (Term(Period(days=1), through_end_of=Through.MONTH), datetime(2026, 7, 31, 22, tzinfo=UTC)),
            (After.AT_ONCE, NOW),
            (After.RETURN_WINDOW, NOW + 14 * DAY),
        ],
    )
    def test_when_it_is_due(self, after: Wait, due_at: datetime) -> None:
        """Local days after the order, at once, or when nothing can come back."""
        placed = ordered(need=SPENT, final_at=NOW + 14 * DAY)
        posting = referral_placed(joined(), placed, program=friends(after=after), calendar=PARIS)
        assert posting.state.status is ReferralStatus.QUALIFIED
        assert posting.state.due_at == due_at
        assert posting.state.orders["1001"].final_at == NOW + 14 * DAY
        assert posting.facts[0].at == NOW

    def test_what_comes_back_for_ever_is_due_at_once(self) -> None:
        """A program refuses to say so; an order of an older one is not lost for that."""
        program = friends(after=After.RETURN_WINDOW)
        assert referral_placed(joined(), ordered(need=SPENT), program=program, calendar=PARIS).state.due_at == NOW

    @pytest.mark.parametrize(
        "referral,need,program",
        [
            (joined(), None, friends()),
            (joined(), SPENT, None),
            (joined(), attrs.evolve(SPENT, program_id="other"), friends()),
            (Referral.open("f-1").join("other", advocate_id="ann", at=NOW).state, SPENT, friends()),
            (Referral.open("f-1"), SPENT, friends()),
            (joined().qualify("1001", due_at=NOW, at=NOW).state, SPENT, friends()),
        ],
    )
    def test_where_nothing_follows(self, referral: Referral, need: ReferralNeed | None, program: ReferralProgram | None) -> None:
        """It does not qualify, there is no such program, nobody brought him, or it is known."""
        posting = referral_placed(referral, ordered(need=need), program=program, calendar=PARIS)
        assert (posting.state, posting.facts, posting.version) == (referral, (), referral.version)


class TestReturned:
    @pytest.mark.parametrize(
        "need,units,status",
        [
            (SPENT, 1, ReferralStatus.QUALIFIED),
            (SPENT, 2, ReferralStatus.JOINED),
            (ANY, 2, ReferralStatus.QUALIFIED),
            (ANY, 3, ReferralStatus.JOINED),
            (None, 2, ReferralStatus.QUALIFIED),
            (None, 3, ReferralStatus.JOINED),
        ],
    )
    def test_what_must_be_kept(self, need: ReferralNeed | None, units: int, status: ReferralStatus) -> None:
        """So much that it would have qualified, or anything at all."""
        order = Order.open("1001").folded([ordered(need=need)])
        referral = joined().qualify("1001", due_at=NOW + DAY, at=NOW).state
        posting = referral_returned(referral, order, back(units))
        assert posting.state.status is status
        assert [fact.at for fact in posting.facts] == ([NOW + DAY] if status is ReferralStatus.JOINED else [])

    def test_money_without_goods(self) -> None:
        """All that was paid given back brings all of it back."""
        order = Order.open("1001").folded([ordered(need=SPENT)])
        referral = joined().qualify("1001", due_at=NOW + DAY, at=NOW).state
        fact = OrderReturned(order_id="1001", return_id="r-1", currency="EUR", amount_minor=6000, money_minor=6000, at=NOW + DAY)
        assert referral_returned(referral, order, fact).state.status is ReferralStatus.JOINED

    @pytest.mark.parametrize(
        "need,units,amount_minor,stands",
        [
            (SPENT, 0, 2000, True),
            (SPENT, 0, 2001, False),
            (SPENT, 1, 1, False),
            (ANY, 0, 5999, True),
            (None, 2, 1999, True),
            (attrs.evolve(SPENT, needs=(OfferNeed(of=NeedOf.UNITS, at_least=3),)), 0, 5999, True),
            (attrs.evolve(SPENT, needs=(OfferNeed(of=NeedOf.UNITS, at_least=3),)), 1, 1, False),
            (attrs.evolve(SPENT, needs=(*SPENT.needs, OfferNeed(of=NeedOf.UNITS, at_least=1)), ways=((0,), (1,))), 2, 1, True),
            (attrs.evolve(SPENT, needs=(*SPENT.needs, OfferNeed(of=NeedOf.UNITS, at_least=1)), ways=((0, 1),)), 0, 2001, False),
        ],
    )
    def test_money_without_some_goods(self, *, need: ReferralNeed | None, units: int, amount_minor: int, stands: bool) -> None:
        """Comes off a spend that is asked for, after whatever came back before; of units nothing is taken by it."""
        order = Order.open("1001").folded([ordered(need=need), *([back(units)] if units else [])])
        referral = joined().qualify("1001", due_at=NOW + DAY, at=NOW).state
        fact = OrderReturned(
            order_id="1001", return_id="r-2", currency="EUR", amount_minor=amount_minor, money_minor=amount_minor, at=NOW + DAY
        )
        assert referral_returned(referral, order, fact).state.orders.keys() == ({"1001"} if stands else set())
        assert order.placed is not None
        assert still_qualifies(order.placed, order.folded([fact])) is stands

    @pytest.mark.parametrize("amount_minor,stands", [(1000, True), (1001, False)])
    def test_money_comes_off_at_what_it_paid_for(self, *, amount_minor: int, stands: bool) -> None:
        """Half off: 10.00 of the 30.00 that were paid are a third of goods of 60.00."""
        placed = ordered(need=SPENT)
        placed = attrs.evolve(placed, lines=tuple(attrs.evolve(line, discount_minor=3000) for line in placed.lines))
        fact = OrderReturned(
            order_id="1001", return_id="r-1", currency="EUR", amount_minor=amount_minor, money_minor=amount_minor, at=NOW + DAY
        )
        assert still_qualifies(placed, Order.open("1001").folded([placed, fact])) is stands

    def test_of_another_order_nothing_changes(self) -> None:
        """One that came before he joined, or that qualified him for nothing."""
        order = Order.open("1001").folded([ordered(need=SPENT)])
        assert referral_returned(due("f-1"), order, back(3)).facts == ()


class TestRewarded:
    def settle(self, books: Books, *names: str) -> list[Settled]:
        """Reward for some friends, one after the other."""
        for name in names:
            books.referrals.setdefault(name, due(name))
        return [books.settle(name) for name in names]

    def test_the_ladders(self) -> None:
        """Each friend, from the nth on, and exactly at the nth."""
        books = Books(friends())
        settled = self.settle(books, *[f"f-{n}" for n in range(1, 7)])
        assert [one.referral.state.number for one in settled] == [1, 2, 3, 4, 5, 6]
        assert [one.referral.state.rewards for one in settled] == [
            ("referral/friends/1",),
            ("referral/friends/2", "referral/friends/at-2"),
            ("referral/friends/3",),
            ("referral/friends/4", "referral/friends/at-4"),
            ("referral/friends/5",),
            ("referral/friends/6",),
        ]
        assert books.has("ann") == {
            "points": 1100,
            "cash": 500,
            "friends-3": 2,
            "friends-at-4": 1,
            "friends-5": 2,
        }
        assert {one.source for one in books.member("ann").rewards.values()} == {
            "referral/friends-1",
            "referral/friends-at-2",
            "referral/friends-3",
            "referral/friends-at-4",
            "referral/friends-5",
        }

    def test_a_ladder_that_begins_later(self) -> None:
        """The first friends count, and bring nothing by themselves."""
        books = Books(friends(advocate=Ladder.of({3: BonusPoints(900, expires=None)}), advocate_at=None))
        settled = self.settle(books, "f-1", "f-2", "f-3")
        assert [one.referral.state.rewards for one in settled] == [(), (), ("referral/friends/3",)]
        assert {one.referral.state.status for one in settled} == {ReferralStatus.REWARDED}
        assert books.has("ann") == {"points": 900}

    @pytest.mark.parametrize(
        "restarts,names",
        [
            (Restart.NEVER, ["1", "2", "3"]),
            (Restart.MONTH, ["2026-07-1", "2026-07-2", "2026-08-1"]),
            (Restart.YEAR, ["2026-1", "2026-2", "2026-3"]),
        ],
    )
    def test_where_the_count_restarts(self, restarts: Restart, names: list[str]) -> None:
        """By the local day on which the reward was due: the evening of 31 July in UTC is August in Paris."""
        books = Books(friends(restarts=restarts, advocate_at=None))
        ends = datetime(2026, 7, 31, 21, 59, tzinfo=UTC)
        books.referrals = {"f-1": due("f-1"), "f-2": due("f-2", at=ends), "f-3": due("f-3", at=ends + timedelta(minutes=1))}
        settled = self.settle(books, "f-1", "f-2", "f-3")
        assert [one.referral.state.rewards for one in settled] == [(f"referral/friends/{name}",) for name in names]

    @pytest.mark.parametrize(
        "limit,period", [("limit_per_month", "per month"), ("limit_per_year", "per year"), ("limit_in_all", "in all")]
    )
    def test_a_limit_keeps_the_reward_back(self, limit: str, period: str) -> None:
        """The friend counts, and the refusal says which limit it was."""
        books = Books(friends(**{limit: 1}))
        first, second = self.settle(books, "f-1", "f-2")
        assert first.referral.state.status is ReferralStatus.REWARDED
        assert second.referral.state.status is ReferralStatus.REJECTED
        assert second.referral.state.counts
        assert second.referral.state.rejected is not None
        assert second.referral.state.rejected.refusal.reason is Reason.REFERRAL_LIMIT_REACHED
        assert second.referral.state.rejected.details == {"limit": "1", "period": period}
        assert second.advocate.facts == (
            FriendRewarded(friend_id="f-2", program_id="friends", day=date(2026, 7, 1), number=0, at=NOW),
        )
        assert books.has("ann") == each(1)

    def test_it_is_of_the_day_on_which_it_was_due(self) -> None:
        """Whenever it is posted."""
        books = Books(friends())
        (settled,) = self.settle(books, "f-1")
        assert {fact.at for posting in settled.postings for fact in posting.facts} == {NOW}

    def test_a_coupon_is_valid_from_when_it_is_posted(self) -> None:
        """A month late it is not over yet; all facts are of the day on which it was due."""
        program = friends(advocate=Ladder.of({1: PercentOff("10")}), advocate_at=None, valid_for=Period(days=7))
        settled = rewarded_for(
            program,
            due("f-1"),
            Membership.open("ann"),
            by=giving({one.campaign_id: one for one in program.campaigns}, posted_at=NOW + 30 * DAY),
        )
        (coupon,) = settled.beside
        assert coupon.state.ends_at == datetime(2026, 8, 7, 22, tzinfo=UTC)
        assert settled.advocate.state.coupons[coupon.state.coupon_id].ends_at == coupon.state.ends_at
        assert {fact.at for posting in settled.postings for fact in posting.facts} == {NOW}
        assert settled.advocate.state.friends["f-1"].day == date(2026, 7, 1)

    def test_the_program_of_the_day_decides(self) -> None:
        """A ladder that changed between joining and reward is the ladder; of another program, or of none, the friend waits."""
        books = Books(None, referrals={"f-1": due("f-1")})
        assert not any(posting.facts for posting in books.settle("f-1").postings)
        books.program = ReferralProgram("other", codes="#####", qualifies=FORTY, advocate=Ladder.of(LADDER))
        assert not any(posting.facts for posting in books.settle("f-1").postings)
        books.program = friends(advocate=Ladder.of({1: BonusPoints(7, expires=None)}))
        books.settle("f-1")
        assert books.has("ann") == {"points": 7}

    def test_whoever_is_rewarded_for_already_is_not_again(self) -> None:
        """Also where only the advocate knows of it, because a friend's own stream was lost."""
        books = Books(friends())
        self.settle(books, "f-1")
        lost = rewarded_for(friends(), due("f-1"), books.member("ann"), by=giving())
        assert not lost.advocate.facts
        assert not lost.beside
        assert (lost.referral.state.number, lost.referral.state.rewards) == (1, ("referral/friends/1",))

    def test_nothing_is_due(self) -> None:
        """Of a friend who only joined, or of whom everything is done."""
        settled = rewarded_for(friends(), joined(), Membership.open("ann"), by=giving())
        assert [posting.facts for posting in settled.postings] == [(), ()]
        settled = reversed_for(
            friends(),
            joined(),
            Membership.open("ann"),
            view=NO_VIEW,
            overdraft=Overdraft.CARRY,
            by=giving(),
        )
        assert [posting.facts for posting in settled.postings] == [(), ()]


class TestReversed:
    def rewarded(self, *names: str, program: ReferralProgram | None = None, days: Sequence[int] = ()) -> Books:
        """Give books in which the advocate was rewarded for some friends."""
        books = Books(program or friends())
        for nth, name in enumerate(names):
            books.referrals[name] = due(name, at=NOW + (days[nth] if days else 0) * DAY)
            books.settle(name)
        return books

    def reverse(self, books: Books, name: str) -> Settled:
        """Let a friend's order come back, and reverse what it brought."""
        books.keep(books.referrals[name].unqualify(f"o-{name}", return_id="r-1", at=NOW + 100 * DAY))
        assert books.referrals[name].status is ReferralStatus.REVERSING
        settled = books.settle(name)
        assert books.referrals[name].status is ReferralStatus.REVERSED
        assert {fact.at for posting in settled.postings for fact in posting.facts} == {NOW + 100 * DAY}
        return settled

    def test_the_last_takes_the_place(self) -> None:
        """Whoever had the highest number has the number of the one who goes, and keeps no more than that brings."""
        books = self.rewarded("f-1", "f-2", "f-3")
        settled = self.reverse(books, "f-1")
        assert books.has("ann") == each(1) + each(2)
        assert settled.advocate.facts[-1] == FriendReversed(
            friend_id="f-1", program_id="friends", stand_in="f-3", at=NOW + 100 * DAY
        )
        numbers = {name: (one.number, one.rewards) for name, one in books.member("ann").friends.items()}
        assert numbers == {
            "f-2": (2, ("referral/friends/2", "referral/friends/at-2")),
            "f-3": (1, ("referral/friends/1",)),
        }

    def test_the_last_himself(self) -> None:
        """Nobody takes his place."""
        books = self.rewarded("f-1", "f-2")
        settled = self.reverse(books, "f-2")
        assert books.has("ann") == each(1)
        assert settled.advocate.facts[-1] == FriendReversed(friend_id="f-2", program_id="friends", at=NOW + 100 * DAY)

    def test_a_number_is_given_again(self) -> None:
        """Under a name of its own."""
        books = self.rewarded("f-1")
        self.reverse(books, "f-1")
        books.referrals["f-2"] = due("f-2", at=NOW + 101 * DAY)
        assert books.settle("f-2").referral.state.rewards == ("referral/friends/1/2",)
        assert books.has("ann") == each(1)

    def test_whoever_was_kept_back_steps_in(self) -> None:
        """Nothing is taken, nothing is given, and his own referral says so."""
        books = self.rewarded("f-1", "f-2", "f-3", program=friends(limit_in_all=2))
        assert books.referrals["f-3"].rejected is not None
        settled = self.reverse(books, "f-1")
        assert settled.advocate.facts == (
            FriendReversed(friend_id="f-1", program_id="friends", stand_in="f-3", at=NOW + 100 * DAY),
        )
        assert settled.stand_in is not None
        assert books.referrals["f-3"].status is ReferralStatus.REWARDED
        assert (books.referrals["f-3"].number, books.referrals["f-3"].rewards) == (1, ("referral/friends/1",))
        assert books.has("ann") == each(1) + each(2)

    def test_whoever_was_kept_back_in_another_month_steps_in_there(self) -> None:
        """What is taken back is of the month of the one who goes; what is given of the other."""
        program = friends(limit_in_all=2, restarts=Restart.MONTH)
        books = self.rewarded("f-1", "f-2", "f-3", program=program, days=(0, 1, 40))
        assert books.has("ann") == each(1) + each(2)
        settled = self.reverse(books, "f-1")
        assert settled.stand_in is not None
        assert settled.stand_in.state.rewards == ("referral/friends/2026-08-1",)
        assert books.has("ann") == each(1) + each(1)
        assert books.member("ann").friends["f-3"].day == date(2026, 8, 10)

    def test_a_coupon_of_whoever_steps_in_is_valid_from_when_it_is_posted(self) -> None:
        """Also where the sweep that gives it comes late."""
        program = friends(
            advocate=Ladder.of({1: PercentOff("10")}),
            advocate_at=None,
            valid_for=Period(days=7),
            limit_in_all=1,
            restarts=Restart.MONTH,
        )
        books = self.rewarded("f-1", "f-2", program=program, days=(0, 40))
        books.late = 30 * DAY
        settled = self.reverse(books, "f-1")
        ends_at = [posting.state.ends_at for posting in settled.beside if posting.state.revoked_at is None]
        assert ends_at == [PARIS.first_instant((NOW + 138 * DAY).date())]

    def test_of_several_who_wait_the_first_steps_in(self) -> None:
        """The one who was due first, and for whom there is room."""
        program = friends(limit_per_month=1)
        books = self.rewarded("f-1", "f-2", "f-3", "f-4", program=program, days=(40, 41, 0, 2))
        self.reverse(books, "f-3")
        stands = {name: one.number for name, one in books.member("ann").friends.items()}
        assert stands == {"f-1": 1, "f-2": 0, "f-4": 2}

    def test_whoever_waits_in_a_month_that_is_full_waits_on(self) -> None:
        """Room in August is no room in July, however long somebody has waited there; and by the year it is of the year."""
        for limit, later in (({"limit_per_month": 1}, 40), ({"limit_per_year": 1}, 200)):
            books = self.rewarded("f-1", "f-2", "f-3", "f-4", program=friends(**limit), days=(0, 1, later, later + 1))
            assert {name: one.number for name, one in books.member("ann").friends.items()} == {
                "f-1": 1,
                "f-2": 0,
                "f-3": 2,
                "f-4": 0,
            }
            self.reverse(books, "f-3")
            assert {name: one.number for name, one in books.member("ann").friends.items()} == {"f-1": 1, "f-2": 0, "f-4": 2}

    def test_whoever_was_kept_back_goes(self) -> None:
        """Nobody loses anything."""
        books = self.rewarded("f-1", "f-2", program=friends(limit_in_all=1))
        self.reverse(books, "f-2")
        assert books.has("ann") == each(1)
        assert list(books.member("ann").friends) == ["f-1"]

    def test_whoever_goes_himself_steps_in_unseen(self) -> None:
        """Two orders came back: the one who takes the place is reversed in his turn."""
        books = self.rewarded("f-1", "f-2", program=friends(limit_in_all=1))
        books.keep(books.referrals["f-2"].unqualify("o-f-2", return_id="r-1", at=NOW + 99 * DAY))
        assert self.reverse(books, "f-1").stand_in is None
        assert books.member("ann").friends["f-2"].number == 1
        books.settle("f-2")
        assert books.has("ann") == Counter()
        assert not books.member("ann").friends

    def test_without_the_program(self) -> None:
        """What was given is taken back all the same; nobody steps in."""
        for program in (None, ReferralProgram("other", codes="#####", qualifies=FORTY, advocate=Ladder.of(LADDER))):
            books = self.rewarded("f-1", "f-2", program=friends(limit_in_all=1))
            books.program = program
            self.reverse(books, "f-1")
            assert books.has("ann") == Counter()
            assert {name: one.number for name, one in books.member("ann").friends.items()} == {"f-2": 0}

    def test_a_count_that_restarts_since(self) -> None:
        """Whoever was counted for ever is counted with those, and not with those of the year."""
        books = self.rewarded("f-1", "f-2")
        books.program = friends(restarts=Restart.YEAR)
        books.referrals["f-3"] = due("f-3")
        assert books.settle("f-3").referral.state.rewards == ("referral/friends/2026-1",)
        self.reverse(books, "f-1")
        assert books.has("ann") == each(1) + each(1)

    def test_an_advocate_who_knows_nothing_of_it(self) -> None:
        """Was forgotten, and came again under the same name: there is nothing to take back."""
        books = self.rewarded("f-1")
        books.members, books.coupons, books.payouts = {}, {}, {}
        assert self.reverse(books, "f-1").advocate.facts == ()

    @pytest.mark.parametrize("overdraft", list(Overdraft))
    def test_points_that_were_spent(self, overdraft: Overdraft) -> None:
        """Are owed whatever the policy: a gift that was forgiven could be had again and again."""
        books = self.rewarded("f-1")
        books.overdraft = overdraft
        books.keep(books.member("ann").burn(400, ref="o-9", at=NOW + DAY))
        self.reverse(books, "f-1")
        available = (
            books.member("ann").earn(500, ref="e", expires_at=None, at=NOW + 101 * DAY).state.available(at=NOW + 102 * DAY)
        )
        assert available == 100

    def test_a_coupon_that_was_used(self) -> None:
        """Is what the next friend who has that number brings: nobody gets two by bringing friends who do not stay."""
        books = self.rewarded("f-1", "f-2", "f-3")
        (coupon,) = books.coupons.values()
        books.keep(coupon.redeem("o-9", member_id="ann", at=NOW + DAY))
        self.reverse(books, "f-3")
        assert books.member("ann").rewards["referral/friends/3"].is_gone
        books.referrals["f-4"] = due("f-4", at=NOW + 101 * DAY)
        assert books.settle("f-4").beside == ()
        assert books.member("ann").rewards["referral/friends/3/2"].coupons == (coupon.coupon_id,)


_FRIENDS, _ADVOCATES = ("f-1", "f-2", "f-3", "f-4", "f-5", "f-6"), ("ann", "ben", "f-1")
_LIMITS = st.none() | st.integers(1, 4)
_PROGRAMS = st.builds(
    friends,
    restarts=st.sampled_from(Restart),
    limit_per_month=_LIMITS,
    limit_per_year=_LIMITS,
    limit_in_all=_LIMITS,
    after=st.sampled_from([After.AT_ONCE, Period(days=3), Term(Period(months=1)), After.RETURN_WINDOW]),
)


class ReferralLife(RuleBasedStateMachine):
    """Friends join, order, bring back, and time passes, in any order; the shop looks at what is due now and then."""

    def __init__(self) -> None:
        """Start in November: years and months change soon."""
        super().__init__()
        self.now = datetime(2026, 11, 20, 10, tzinfo=UTC)
        self.bought: dict[str, tuple[str, int, datetime]] = {}

    @initialize(
        program=_PROGRAMS,
        overdraft=st.sampled_from(Overdraft),
        came=st.lists(st.tuples(st.sampled_from(("ann", "ann", "ben")), st.integers(0, 20)), min_size=4, max_size=6),
    )
    def open(self, program: ReferralProgram, overdraft: Overdraft, came: list[tuple[str, int]]) -> None:
        """Say what the program is, and begin with some friends who came and ordered enough."""
        self.program, self.books = program, Books(program, overdraft)
        for friend_id, (advocate_id, days) in zip(_FRIENDS, came, strict=False):
            self.now += days * DAY
            self.books.join(friend_id, advocate_id, at=self.now)
            self.order(friend_id, 2)

    @rule(days=st.integers(1, 20))
    def wait(self, days: int) -> None:
        """Let time pass."""
        self.now += days * DAY

    @rule(friend_id=st.sampled_from(_FRIENDS), advocate_id=st.sampled_from(_ADVOCATES))
    def join(self, friend_id: str, advocate_id: str) -> None:
        """Come with a code, once."""
        if friend_id != advocate_id and friend_id not in self.books.referrals:
            self.books.join(friend_id, advocate_id, at=self.now)

    @rule(friend_id=st.sampled_from(_FRIENDS), quantity=st.integers(1, 3))
    def order(self, friend_id: str, quantity: int) -> None:
        """Order one bell, which is not enough, or more."""
        if friend_id in self.books.referrals:
            order_id = f"o-{len(self.bought)}"
            self.books.order(friend_id, order_id, quantity=quantity, at=self.now)
            self.bought[order_id] = (friend_id, quantity, self.now)

    @rule(number=st.integers(0, 99), units=st.sampled_from((1, 3, 3)))
    def bring_back(self, number: int, units: int) -> None:
        """Bring some of an order back within its time."""
        kept = [name for name, (_, many, _at) in self.bought.items() if many]
        if kept:
            order_id = kept[number % len(kept)]
            friend_id, many, at = self.bought[order_id]
            placed = self.books.orders[order_id].placed
            assert placed is not None
            assert placed.final_at is not None
            if self.now < placed.final_at:
                back = min(units, many)
                self.books.bring_back(order_id, back, return_id=f"r-{many}", at=self.now)
                self.bought[order_id] = (friend_id, many - back, at)

    @rule(at_most=st.sampled_from((1, 9, 9)))
    def sweep(self, at_most: int) -> None:
        """Do what is due, or the first of it."""
        for friend_id in self.books.due(self.now)[:at_most]:
            self.books.settle(friend_id)

    @rule(friend_id=st.sampled_from(_FRIENDS))
    def take_back_at_once(self, friend_id: str) -> None:
        """Do what a return brings right after it, before what is due longer."""
        referral = self.books.referrals.get(friend_id)
        if referral is not None and referral.status is ReferralStatus.REVERSING:
            self.books.settle(friend_id)

    @invariant()
    def each_friend_counts_once(self) -> None:
        """For one advocate, exactly while his referral says so; numbers have no gaps."""
        if not hasattr(self, "books"):
            return
        for name in _ADVOCATES:
            stands = {one.friend_id for one in self.books.referrals.values() if one.counts and one.advocate_id == name}
            known = self.books.member(name).friends
            assert set(known) == stands
            by_period = dict[str, list[int]]()
            for one in known.values():
                by_period.setdefault(one.period, []).append(one.number)
            for numbers in by_period.values():
                given = sorted(number for number in numbers if number)
                assert given == list(range(1, len(given) + 1))

    def teardown(self) -> None:
        """Do all that is due, and compare: who stands, and what each advocate has."""
        if not hasattr(self, "books"):
            return
        self.now += 400 * DAY
        while due_now := self.books.due(self.now):
            self.books.settle(due_now[0])
        days = dict[str, list[date]]()
        for referral in self.books.referrals.values():
            stands = any(who == referral.friend_id and many * 2000 >= 4000 for who, many, _ in self.bought.values())
            assert referral.counts is stands
            if stands:
                assert referral.advocate_id is not None
                known = self.books.member(referral.advocate_id).friends[referral.friend_id]
                days.setdefault(referral.advocate_id, []).append(known.day)
        for name in _ADVOCATES:
            assert self.books.has(name) == expected(self.program, days.get(name, []))


TestReferralLife = ReferralLife.TestCase
TestReferralLife.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
