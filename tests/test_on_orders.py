"""Tests of what becomes of orders that there are: with rewards, tiers and friends; the rest is tested with the program."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from loyaltycore import Basket, Membership, Money, Program
from loyaltycore.basket import Line, Return
from loyaltycore.benefits import AmountOff, NextCoupon
from loyaltycore.conditions import spend_at_least
from loyaltycore.coupons import Coupon
from loyaltycore.errors import UsageError
from loyaltycore.ladders import Ladder
from loyaltycore.memberships import RewardGiven, RewardTakenBack
from loyaltycore.offers import OfferBook, View
from loyaltycore.program import Attached, Placed
from loyaltycore.referrals import Referral, ReferralStatus
from loyaltycore.rewards import PayOut

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
TEXT = """
program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01, returns = "30 days" }
points = { earn = "1 per 1.00", basis = "paid", expires = "12 months", overdraft = "carry" }
stacking = { mode = "best" }
[[offers]]
id = "come-again"
when = { spend_at_least = "50.00" }
give = { next_coupon = "back" }
[[campaigns]]
id = "back"
give = { amount_off = "5.00", per = "basket" }
valid_for = "30 days"
[[milestones]]
id = "second-order"
when = { order = 2 }
give = { percent_off = "20" }
[referrals]
codes = "VELO-####-####"
qualifies = { first_order = true, spend_at_least = "40.00" }
friend = { amount_off = "10.00", per = "basket" }
advocate = { 1 = { points = 500 } }
"""
PROGRAM = Program.parse(TEXT)
PLAIN = OfferBook([offer for offer in PROGRAM.book.offers if offer.offer_id == "come-again"], stacking=PROGRAM.book.stacking)
MEMBER = Membership.open("m-42").join(at=NOW).state


def placed(member: Membership | None, order_id: str, price: str = "60.00", referral: Referral | None = None) -> Placed:
    """Place an order."""
    quote = PROGRAM.quote(Basket.of("EUR", {"helmet": price}), member, at=NOW)
    return PROGRAM.place(quote, member, order_id=order_id, referral=referral, at=NOW)


def attached(order: Placed, member: Membership = MEMBER, referral: Referral | None = None, view: View = View()) -> Attached:  # noqa: B008 - frozen
    """Give a guest's order to a member."""
    return PROGRAM.attach(order.order.state, member, referral=referral, view=view, at=NOW + timedelta(days=1))


def joined() -> Referral:
    """Give a friend who joined with a code."""
    return Referral.open("m-42").join("referrals", advocate_id="m-1", code="VE1012345678", at=NOW).state


def coupons_of(beside: tuple[object, ...]) -> list[Coupon]:
    """Give the coupons among postings."""
    return [posting.state for posting in beside if isinstance(posting.state, Coupon)]  # type: ignore[attr-defined]


class TestAttach:
    def test_coupons_to_come(self) -> None:
        """The member gets the coupon that the order would have given, from now on."""
        found = attached(placed(None, "1"))
        [coupon] = coupons_of(found.beside)
        assert (coupon.campaign_id, coupon.holder) == ("back", "m-42")
        assert coupon.ends_at == datetime(2026, 8, 1, 22, tzinfo=UTC)
        assert found.membership.coupons_at(NOW + timedelta(days=1)) == (coupon.coupon_id,)
        [named] = found.fact.coupons_granted
        assert named.coupon_id == coupon.coupon_id

    def test_a_return_takes_the_coupon_back(self) -> None:
        """All of an attached order came back: the coupon it gave is revoked."""
        found = attached(placed(None, "1"))
        view = View(coupons=coupons_of(found.beside))
        later, back = NOW + timedelta(days=2), Return(lines={"helmet": 1})
        refunded = PROGRAM.refund(found.order.state, found.membership, back=back, return_id="r", view=view, at=later)
        [coupon] = coupons_of(refunded.beside)
        assert coupon.revoked_at == later

    def test_no_coupon_of_what_came_back(self) -> None:
        """An order of which nothing is kept gives none."""
        order = placed(None, "1")
        gone = PROGRAM.refund(order.order.state, back=Return(lines={"helmet": 1}), return_id="r", at=NOW).order.state
        found = PROGRAM.attach(gone, MEMBER, referral=joined(), at=NOW)
        assert found.beside == ()
        assert found.fact.coupons_granted == ()

    def test_no_coupon_of_a_stopped_campaign(self) -> None:
        """What was stopped gives none."""
        assert attached(placed(None, "1"), view=View(stopped=["back"])).beside == ()

    def test_a_milestone(self) -> None:
        """A guest's order counts among the member's orders: the second brings what the second order brings."""
        one = placed(MEMBER, "1", "10.00").membership
        found = attached(placed(None, "2", "10.00"), one)
        assert [fact.source for fact in found.member.facts if isinstance(fact, RewardGiven)] == ["milestone/second-order"]
        assert [coupon.campaign_id for coupon in coupons_of(found.beside)] == ["milestone-second-order"]

    def test_qualifies_a_new_member(self) -> None:
        """A first order qualifies a friend, also where it was a guest's."""
        found = attached(placed(None, "1"), referral=joined())
        [referral] = [posting.state for posting in found.beside if isinstance(posting.state, Referral)]
        assert referral.status is ReferralStatus.QUALIFIED

    def test_qualifies_nobody_who_ordered_before(self) -> None:
        """It is no first order of a member who has one."""
        one = placed(MEMBER, "1", "10.00").membership
        found = attached(placed(None, "2"), one, referral=joined())
        assert not [posting for posting in found.beside if isinstance(posting.state, Referral)]

    def test_a_later_order_qualifies_where_any_may(self) -> None:
        """Of two guest's orders the second alone is large enough; the program asks for no first one, nor may it be needed."""
        for first, is_first_only in (("", False), ("first_order = true, ", True)):
            program = Program.parse(TEXT.replace("first_order = true, ", first))
            friend, referral = MEMBER, joined()
            for order_id, price in (("1", "10.00"), ("2", "60.00")):
                quote = program.quote(Basket.of("EUR", {"helmet": price}), at=NOW)
                order = program.place(quote, order_id=order_id, at=NOW)
                found = program.attach(order.order.state, friend, referral=referral, at=NOW + timedelta(days=1))
                friend = found.membership
            assert order.fact.referral is not None
            assert order.fact.referral.first_only is is_first_only
            qualified = [posting.state.status for posting in found.beside if isinstance(posting.state, Referral)]
            assert qualified == ([] if is_first_only else [ReferralStatus.QUALIFIED])

    def test_what_a_member_orders_is_known(self) -> None:
        """Whether it is the first stands in no fact."""
        own, of_a_guest = placed(MEMBER, "1").fact.referral, placed(None, "2").fact.referral
        assert of_a_guest is not None
        assert of_a_guest.first_only
        assert own == attrs.evolve(of_a_guest, first_only=False)

    def test_not_an_order_of_before_the_code(self) -> None:
        """Who bought before joining with a code was a customer already."""
        late = Referral.open("m-42").join("referrals", advocate_id="m-1", code="VE1012345678", at=NOW + timedelta(hours=1)).state
        found = attached(placed(None, "1"), referral=late)
        assert not [posting for posting in found.beside if isinstance(posting.state, Referral)]

    def test_not_what_too_little_is_kept_of(self) -> None:
        """What came back before the order found its member counts."""
        quote = PROGRAM.quote(Basket([Line("bell", Money.of("20.00", "EUR"), 4)]), at=NOW)
        order = PROGRAM.place(quote, order_id="1", at=NOW).order.state
        order = PROGRAM.refund(order, back=Return(lines={"bell": 3}), return_id="r", at=NOW).order.state
        found = PROGRAM.attach(order, MEMBER, referral=joined(), at=NOW)
        assert not [posting for posting in found.beside if isinstance(posting.state, Referral)]


class TestReferral:
    def test_an_order_qualifies(self) -> None:
        """The friend's order says so in the quote, in its fact, and in the friend's own stream."""
        order = placed(MEMBER, "1", referral=joined())
        [referral] = [posting.state for posting in order.beside if isinstance(posting.state, Referral)]
        assert order.fact.referral is not None
        assert referral.due_at == datetime(2026, 7, 31, 22, tzinfo=UTC)

    def test_too_little_does_not(self) -> None:
        """Below the threshold nothing happens."""
        order = placed(MEMBER, "1", "39.99", referral=joined())
        assert order.fact.referral is None
        assert order.beside == ()

    def test_a_return_that_is_known_is_of_its_member(self) -> None:
        """The same again changes nothing, and is as little done with somebody else's state."""
        order = placed(MEMBER, "1")
        back = Return(lines={"helmet": 1})
        first = PROGRAM.refund(
            order.order.state, order.membership, back=back, return_id="r", view=View(coupons=coupons_of(order.beside)), at=NOW
        )
        again = PROGRAM.refund(first.order.state, first.membership, back=back, return_id="r", at=NOW)
        assert (again.fact, again.postings[0].facts) == (first.fact, ())
        for other in (None, Membership.open("m-43")):
            with pytest.raises(UsageError, match="membership must be that of member 'm-42'"):
                PROGRAM.refund(first.order.state, other, back=back, return_id="r", at=NOW)

    def test_a_return_that_leaves_too_little(self) -> None:
        """What is kept must still qualify."""
        order = placed(MEMBER, "1", referral=joined())
        [referral] = [posting.state for posting in order.beside if isinstance(posting.state, Referral)]
        back = PROGRAM.refund(
            order.order.state,
            order.membership,
            back=Return(lines={"helmet": 1}),
            return_id="r",
            referral=referral,
            view=View(coupons=coupons_of(order.beside)),
            at=NOW,
        )
        [gone] = [posting.state for posting in back.beside if isinstance(posting.state, Referral)]
        assert gone.status is ReferralStatus.JOINED

    @pytest.mark.parametrize(
        "wrong",
        [
            {"qualifies": spend_at_least(Money.of("40", "USD"))},
            {"advocate": Ladder.of({1: PayOut(Money.of("5", "JPY"))})},
            {"advocate_at": Ladder.of({2: PayOut(Money.of("5", "USD"))})},
            {"advocate": Ladder.of({1: NextCoupon("nothing")})},
            {"friend": AmountOff.per_basket(Money.of("5", "USD"))},
        ],
        ids=["condition", "payout", "payout at", "coupon", "friend"],
    )
    def test_what_does_not_fit_the_program(self, wrong: dict[str, Any]) -> None:
        """Money is the program's, and coupons are of its campaigns: said when the program is made, not at the first order."""
        assert PROGRAM.referrals is not None
        referrals = attrs.evolve(PROGRAM.referrals, **wrong)
        with pytest.raises(UsageError):
            attrs.evolve(PROGRAM, campaigns=[PROGRAM.campaigns["back"]], book=PLAIN, referrals=referrals)

    def test_rewards_wait_for_an_end(self) -> None:
        """Where orders can come back for ever, the program must say how long a reward waits."""
        with pytest.raises(UsageError, match="after must be said where an order can come back for ever"):
            attrs.evolve(PROGRAM, returns=None)


class TestReturn:
    def test_a_milestone_is_undone(self) -> None:
        """The second order came back: its coupon goes, where it was not used."""
        two = placed(placed(MEMBER, "1", "10.00").membership, "2", "10.00")
        view = View(coupons=coupons_of(two.beside))
        back = PROGRAM.refund(two.order.state, two.membership, back=Return(lines={"helmet": 1}), return_id="r", view=view, at=NOW)
        assert back.member is not None
        assert [fact.reward_id for fact in back.member.facts if isinstance(fact, RewardTakenBack)] == ["milestone/second-order"]
        assert [coupon.revoked_at for coupon in coupons_of(back.beside)] == [NOW]
