"""Memberships: everything a program knows about one member, as one value."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import CorruptStateError, UsageError
from loyaltycore.facts import Append, Fact
from loyaltycore.memberships import (
    CouponGiven,
    CouponGone,
    HeldCoupon,
    MemberJoined,
    Membership,
    OffersFreed,
    OffersHeld,
    OfferUses,
    OrderCounted,
    ReturnCounted,
    SpendCarried,
)
from loyaltycore.offers import Span
from loyaltycore.orders import OrderReturned
from loyaltycore.periods import Calendar, Window
from loyaltycore.points import PointsAccount
from loyaltycore.testing.strategies import memberships, points_accounts
from loyaltycore.tiers import Qualifying
from tests.programs import velo

AT = datetime(2026, 7, 1, tzinfo=UTC)
TODAY = date(2026, 7, 1)
COUNTED = OrderCounted(order_id="1", day=TODAY, qualifying_minor=500, at=AT)


class TestLaws:
    @pytest.mark.law(7)
    @given(memberships(velo()))
    def test_stored_state_equals_state(self, member: Membership) -> None:
        """The JSON form and the pickle give the member back."""
        assert Membership.from_dict(member.to_dict()) == member
        assert pickle.loads(pickle.dumps(member)) == member
        assert hash(member) == hash(Membership.from_dict(member.to_dict()))

    @pytest.mark.law(7)
    @given(st.lists(st.sampled_from(("join", "order", "return", "earn", "burn")), max_size=8))
    def test_replay_equals_state(self, verbs: list[str]) -> None:
        """Facts folded one posting at a time, and all at once, lead to the same."""
        member, facts = Membership.open("m"), list[Fact]()
        for number, verb in enumerate(verbs):
            match verb:
                case "join":
                    posting = member.join(at=AT)
                case "order":
                    posting = member.posting([OrderCounted(order_id=str(number), day=TODAY, qualifying_minor=number, at=AT)])
                case "return" if member.orders:
                    one = ReturnCounted(order_id=next(iter(member.orders)), return_id=str(number), qualifying_minor=1, at=AT)
                    posting = member.posting([one])
                case "burn" if member.available(at=AT):
                    posting = member.burn(1, ref=str(number), at=AT)
                case _:
                    posting = member.earn(number + 1, ref=str(number), expires_at=None, at=AT)
            assert posting.version == member.version
            member, facts = posting.state, [*facts, *posting.facts]
        assert Membership.replay("m", facts) == member
        assert member.version == len(facts)


class TestVerbs:
    def test_points_are_those_of_an_account(self) -> None:
        """A membership earns and burns as a points account does, and can be seen as one."""
        member = Membership.open("m").earn(100, ref="a", expires_at=None, at=AT).state.burn(30, ref="b", at=AT).state
        account = PointsAccount.open("m").earn(100, ref="a", expires_at=None, at=AT).state.burn(30, ref="b", at=AT).state
        assert member.points == account
        assert member.available(at=AT) == 70
        assert member.balance(at=AT) == account.balance(at=AT)
        assert member.books(at=AT) == account.books(at=AT)

    @given(points_accounts())
    def test_points_keep_their_version(self, account: PointsAccount) -> None:
        """The account seen through a membership has the membership's version, so that it can be saved."""
        member = Membership(member_id="m-42", version=account.version, ledgers=FrozenMap({"points": account.ledger}))
        assert member.points == account

    def test_accounts_are_apart(self) -> None:
        """What is done on one account leaves the others alone; the same name may be used on each."""
        member = Membership.open("m").earn(80, ref="o", expires_at=None, at=AT).state
        posting = member.on("status").earn(50, ref="o", expires_at=None, at=AT)
        both = posting.state
        assert (both.account, both.available(at=AT)) == ("status", 50)
        assert (both.on("points").available(at=AT), both.points.available(at=AT)) == (80, 80)
        assert (posting.version, both.version, set(both.ledgers)) == (1, 2, {"points", "status"})
        burned = both.on("points").burn(80, ref="b", at=AT).state
        assert burned.ledger_of("status") is both.ledger_of("status")
        assert burned.on("none").balance(at=AT).available == 0

    def test_the_account_turned_to_is_no_part_of_the_state(self) -> None:
        """Where the verbs act does not make two members different; a stored one keeps it."""
        member = Membership.open("m").earn(80, ref="o", expires_at=None, at=AT).state
        assert member.on("status") == member
        assert Membership.from_dict(member.on("status").to_dict()).account == "status"

    def test_spend_is_carried_by_rule(self) -> None:
        """What was spent and kept is one sum for each rule, less what came back."""
        minors = (("order", 3000), ("bonus", 500), ("order", 2000), ("order", -3000))
        member = Membership.open("m")
        for number, (rule, minor) in enumerate(minors):
            member = member.posting([SpendCarried(rule=rule, ref=str(number), minor=minor, at=AT)]).state
        assert member.carried == {"order": 2000, "bonus": 500}
        assert Membership.from_dict(member.to_dict()) == member

    def test_joining_is_done_once(self) -> None:
        """The first day counts; joining again gives no facts."""
        first = Membership.open("m").join(at=AT)
        assert first.facts == (MemberJoined(member_id="m", at=AT),)
        assert first.state.joined_at == AT
        assert first.changes == (Append(stream=first.stream, expected_version=0, facts=first.facts),)
        again = first.state.join(at=AT + timedelta(days=1))
        assert (again.facts, again.state, again.changes, again.version) == ((), first.state, (), 1)

    def test_a_later_join_fact_changes_nothing(self) -> None:
        """Two facts of joining in one stream: the first is the day."""
        facts = [MemberJoined(member_id="m", at=AT), MemberJoined(member_id="m", at=AT + timedelta(days=1))]
        assert Membership.replay("m", facts).joined_at == AT


class TestOrders:
    def test_orders_count_whatever_came_back(self) -> None:
        """A return lowers what counts for tiers, never below nothing, and never the number of orders."""
        member = Membership.replay("m", [COUNTED, ReturnCounted(order_id="1", return_id="r", qualifying_minor=200, at=AT)])
        assert member.orders == {"1": Qualifying(day=TODAY, units=300)}
        member = member.folded([ReturnCounted(order_id="1", return_id="s", qualifying_minor=301, at=AT)])
        assert member.orders == {"1": Qualifying(day=TODAY, units=0)}
        assert member.order_count == 1

    def test_past_discounts_are_summed(self) -> None:
        """What goods cost before offers, and what offers took off, over all orders; a return changes neither."""
        orders = [attrs.evolve(COUNTED, order_id=str(n), list_minor=1000 * n, discount_minor=100 * n) for n in (1, 2)]
        member = Membership.replay("m", [*orders, ReturnCounted(order_id="1", return_id="r", qualifying_minor=500, at=AT)])
        assert (member.past_list_minor, member.past_discount_minor) == (3000, 300)
        assert Membership.from_dict(member.to_dict()) == member
        more = member.folded([attrs.evolve(COUNTED, order_id="3", list_minor=7)])
        assert (more.past_list_minor, more.past_discount_minor) == (3007, 300)

    @pytest.mark.parametrize("name", ["list_minor", "discount_minor"])
    def test_no_order_costs_less_than_nothing(self, name: str) -> None:
        """An amount below zero is no fact, and no state."""
        with pytest.raises(UsageError, match=name):
            OrderCounted(order_id="1", day=TODAY, at=AT, **{name: -1})  # type: ignore[arg-type]  # one of the two
        with pytest.raises(UsageError, match=f"past_{name}"):
            Membership(member_id="m", **{f"past_{name}": -1})  # type: ignore[arg-type]  # one of the two

    @pytest.mark.parametrize(
        "fact",
        [
            ReturnCounted(order_id="2", return_id="r", at=AT),
            OrderReturned(order_id="1", return_id="r", currency="EUR", at=AT),
        ],
        ids=lambda fact: fact.kind,
    )
    def test_facts_that_cannot_follow_are_corrupt(self, fact: Fact) -> None:
        """A return of an order that was never counted, or a fact of another stream."""
        with pytest.raises(CorruptStateError, match=f"member 'm' cannot go on with '{fact.kind}'"):
            Membership.replay("m", [COUNTED, fact])


class TestValues:
    @pytest.mark.parametrize("member_id,version", [("", 0), ("m", -1), ("m", True), (7, 0)])
    def test_id_and_version_are_checked(self, member_id: str, version: int) -> None:
        """An id is text, a version a count."""
        with pytest.raises(UsageError):
            Membership(member_id=member_id, version=version)
        with pytest.raises(UsageError):
            PointsAccount(member_id=member_id, version=version)

    @pytest.mark.parametrize("data", [{}, {"form": 1}, {"form": 2, "member_id": "m"}, {"form": 1, "member_id": "m", "x": 1}])
    def test_anything_else_in_the_column_is_corrupt(self, data: dict[str, object]) -> None:
        """A stored member is what was written, or an error."""
        with pytest.raises(CorruptStateError):
            Membership.from_dict(data)

    def test_an_account_under_another_name_is_corrupt(self) -> None:
        """A stored account stands under its own name."""
        data = Membership.open("m").earn(80, ref="o", expires_at=None, at=AT).state.to_dict()
        data["ledgers"] = {"status": data["ledgers"]["points"]}
        with pytest.raises(CorruptStateError, match="the accounts of member 'm' do not hang together"):
            Membership.from_dict(data)

    def test_the_name_of_an_account_is_checked(self) -> None:
        """It is letters, digits and dashes."""
        with pytest.raises(UsageError, match="account"):
            Membership.open("m").on("my points")


HOUR = timedelta(hours=1)
HELD = OffersHeld(order_id="1", offers=("summer", "welcome"), until=AT + HOUR, at=AT)
GIVEN = CouponGiven(coupon_id="sorry/t-1", campaign_id="sorry", ends_at=AT + HOUR, at=AT)


def using(*offers: str, order_id: str = "1", at: datetime = AT, ordered_at: datetime | None = None) -> OrderCounted:
    """Count an order that uses offers."""
    return attrs.evolve(COUNTED, order_id=order_id, offers=offers, ordered_at=ordered_at, at=at)


class TestUses:
    """What a member's orders use of offers that one member may use only so often."""

    def test_each_order_counts_once(self) -> None:
        """By offer; the order that asks does not count itself."""
        member = Membership.replay("m", [using("summer"), using("summer", "welcome", order_id="2"), using(order_id="3")])
        assert [member.uses_of(name, at=AT) for name in ("summer", "welcome", "winter")] == [2, 1, 0]
        assert [member.uses_of("summer", but=order_id, at=AT) for order_id in ("1", "2", "3", None)] == [1, 1, 2, 2]
        assert dict(member.uses) == {
            "1": OfferUses(offers=("summer",), at=AT),
            "2": OfferUses(offers=("summer", "welcome"), at=AT),
        }

    def test_a_reservation_counts_until_it_runs_out(self) -> None:
        """By itself, with nothing written."""
        member = Membership.replay("m", [HELD])
        instants = (AT - HOUR, AT, AT + HOUR - timedelta(microseconds=1), AT + HOUR)
        assert [member.uses_of("summer", at=at) for at in instants] == [1, 1, 1, 0]

    @pytest.mark.law(43)
    @pytest.mark.parametrize("at", [AT + HOUR / 2, AT + 2 * HOUR])
    def test_confirmed_it_counts_for_good(self, at: datetime) -> None:
        """In time or late, from when it was ordered; with what it uses, and nothing else."""
        member = Membership.replay("m", [HELD, using("summer", at=at, ordered_at=AT)])
        assert member.uses == {"1": OfferUses(offers=("summer",), at=AT)}
        assert [member.uses_of(name, at=at + HOUR) for name in ("summer", "welcome")] == [1, 0]
        without = Membership.replay("m", [HELD, using(at=at, ordered_at=AT)])
        assert without.uses_of("summer", at=at) == 0

    def test_given_up_it_counts_no_more(self) -> None:
        """Also after its time; all of it, or some of it."""
        for at in (AT, AT + 2 * HOUR):
            freed = OffersFreed(order_id="1", offers=("summer",), at=at)
            member = Membership.replay("m", [HELD, freed])
            assert [member.uses_of(name, at=AT) for name in ("summer", "welcome")] == [0, 1]
            member = member.folded([attrs.evolve(freed, offers=("welcome",))])
            assert member.uses_of("welcome", at=AT) == 0
            assert member.folded([using("summer", at=at)]).uses_of("summer", at=AT) == 1

    @pytest.mark.parametrize(
        "span,expected",
        [
            (Span.DAY, ["a"]),
            (Span.WEEK, ["a", "b"]),
            (Span.MONTH, ["a", "b", "c"]),
            (Span.YEAR, ["a", "b", "c", "d"]),
            (Span.EVER, ["a", "b", "c", "d", "e"]),
        ],
    )
    def test_within_a_span(self, span: Span, expected: list[str]) -> None:
        """Orders of the local day, week, month or year, by when they were ordered; the first instant is inside."""
        calendar = Calendar("Europe/Paris")
        ordered = {
            "a": datetime(2026, 7, 14, 22, tzinfo=UTC),  # midnight of the 15th in Paris, a Wednesday
            "b": datetime(2026, 7, 12, 22, tzinfo=UTC),  # Monday
            "c": datetime(2026, 6, 30, 22, tzinfo=UTC),
            "d": datetime(2025, 12, 31, 23, tzinfo=UTC),
            "e": datetime(2025, 12, 31, 22, 59, tzinfo=UTC),
        }
        at = datetime(2026, 7, 15, 12, tzinfo=UTC)
        member = Membership.replay(
            "m", [using("summer", order_id=name, at=at, ordered_at=when) for name, when in ordered.items()]
        )
        window = span.window(at, calendar)
        assert member.uses_of("summer", within=window, at=at) == len(expected)
        assert [name for name in ordered if member.uses_of("summer", but=name, within=window, at=at) < len(expected)] == expected

    def test_the_end_of_a_window_is_outside(self) -> None:
        """Half open, as all of them."""
        member = Membership.replay("m", [using("summer")])
        for window, count in ((Window(starts_at=AT, ends_at=AT + HOUR), 1), (Window(starts_at=AT - HOUR, ends_at=AT), 0)):
            assert member.uses_of("summer", within=window, at=AT) == count

    def test_reserved_again_the_later_counts(self) -> None:
        """After it was given up an order may be set aside once more."""
        later = attrs.evolve(HELD, offers=("winter",), until=AT + 3 * HOUR, at=AT + HOUR)
        member = Membership.replay("m", [HELD, OffersFreed(order_id="1", offers=HELD.offers, at=AT), later])
        assert [member.uses_of(name, at=AT + HOUR) for name in ("summer", "winter")] == [0, 1]


class TestCoupons:
    """The coupons of a member."""

    def test_those_that_end_soonest_first(self) -> None:
        """Those that never end last; then by id. One that has ended, and one that is gone, is not there."""
        ends = {"b": None, "a": None, "late": AT + 2 * HOUR, "soon": AT + HOUR, "also": AT + HOUR}
        facts: list[Fact] = [
            CouponGiven(coupon_id=coupon_id, campaign_id="sorry", ends_at=ends_at, at=AT) for coupon_id, ends_at in ends.items()
        ]
        member = Membership.replay("m", facts)
        assert member.coupons_at(AT) == ("also", "soon", "late", "a", "b")
        assert member.coupons_at(AT + HOUR) == ("late", "a", "b")
        assert member.folded([CouponGone(coupon_id="a", at=AT)]).coupons_at(AT + 2 * HOUR) == ("b",)

    @pytest.mark.law(33)
    def test_gone_and_given_again(self) -> None:
        """An order came back: the member holds it as before."""
        gone = Membership.replay("m", [GIVEN, CouponGone(coupon_id="sorry/t-1", at=AT)])
        assert gone.coupons == {"sorry/t-1": HeldCoupon(campaign_id="sorry", ends_at=AT + HOUR, is_gone=True)}
        assert gone.coupons_at(AT) == ()
        assert gone.folded([GIVEN]).coupons_at(AT) == ("sorry/t-1",)

    @pytest.mark.parametrize("before", [[], [GIVEN], [HELD]], ids=["nothing", "another coupon", "another order"])
    @pytest.mark.parametrize(
        "fact",
        [CouponGone(coupon_id="sorry/t-2", at=AT), OffersFreed(order_id="2", offers=("summer",), at=AT)],
        ids=lambda fact: fact.kind,
    )
    def test_what_was_never_there_cannot_go(self, before: list[Fact], fact: Fact) -> None:
        """A coupon that was not given, an order that held nothing."""
        with pytest.raises(CorruptStateError, match=f"member 'm' cannot go on with '{fact.kind}'"):
            Membership.replay("m", [*before, fact])

    def test_one_posting_after_another_and_all_at_once(self) -> None:
        """Facts that look at facts before them find these, folded before or in the same posting."""
        facts: list[Fact] = [
            GIVEN,
            HELD,
            CouponGone(coupon_id="sorry/t-1", at=AT),
            OffersFreed(order_id="1", offers=("summer",), at=AT),
            using("welcome"),
        ]
        whole = Membership.replay("m", facts)
        for cut in range(len(facts) + 1):
            parts = Membership.replay("m", facts[:cut]).folded(facts[cut:])
            assert parts == whole
        assert Membership.from_dict(whole.to_dict()) == whole
        assert pickle.loads(pickle.dumps(whole)) == whole
