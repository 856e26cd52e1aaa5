"""Giving a reward and taking it back: what it is made of, and that nothing is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Membership, Money, UsageError
from loyaltycore._frozen import FrozenMap
from loyaltycore._giving import (
    Given,
    Giving,
    give,
    in_use,
    kept_coupons,
    moved,
    next_name,
    standing,
    streams_of,
    take_back,
    unused_ref,
)
from loyaltycore._payouts import PayOut, Payout, PayoutAs, PayoutStatus
from loyaltycore.benefits import BonusPoints, NextCoupon, PercentOff, Several
from loyaltycore.coupons import Coupon, CouponCampaign, CouponStatus
from loyaltycore.facts import Fact
from loyaltycore.memberships import (
    REWARD_RULE,
    CouponGiven,
    CouponGone,
    HeldCoupon,
    HeldReward,
    RewardGiven,
    RewardOffered,
    RewardTakenBack,
)
from loyaltycore.offers import NO_VIEW, View
from loyaltycore.periods import Calendar, Expires, Period, Term, UntilDay, Window
from loyaltycore.points import Overdraft
from loyaltycore.rewards import RewardBenefit
from tests.rewards_shop import NOON

LATER = NOON + timedelta(days=1)
PARIS = Calendar("Europe/Paris")
TEN, POINTS = PercentOff("10"), BonusPoints(100, expires=None)
OWN = CouponCampaign("tier-gold", give=TEN, codes=None, valid_for=Period(days=30))
SORRY = CouponCampaign("sorry", give=TEN, codes=None)
CAMPAIGNS = {one.campaign_id: one for one in (OWN, SORRY)}
OPEN = Membership.open("m")


def gift(
    member: Membership = OPEN,
    benefit: RewardBenefit = TEN,
    *,
    reward_id: str = "tier/gold/2026-07-01",
    source: str = "tier/gold",
    campaigns: dict[str, CouponCampaign] = CAMPAIGNS,
    expires: Expires = None,
    at: datetime = NOON,
    posted_at: datetime | None = None,
    price_points: int = 0,
) -> Given:
    """Give a gift."""
    return give(
        member,
        benefit,
        reward_id=reward_id,
        source=source,
        campaign_id="tier-gold",
        by=Giving(campaigns=campaigns, calendar=PARIS, expires=expires, at=at, posted_at=posted_at),
        price_points=price_points,
    )


def after(member: Membership, done: Given) -> Membership:
    """Give the member afterwards."""
    return done.onto(member.posting(())).state


def seen(*done: Given) -> View:
    """Give a view of what was given."""
    states = {posting.stream: posting.state for one in done for posting in one.beside}.values()
    payouts = {state.payout_id: state for state in states if isinstance(state, Payout)}
    return View(coupons=[state for state in states if isinstance(state, Coupon)], payouts=payouts)


def back(member: Membership, view: View, *, overdraft: Overdraft = Overdraft.CARRY, at: datetime = NOON) -> Given:
    """Take the gift back."""
    return take_back(member, "tier/gold/2026-07-01", reason="came back", view=view, overdraft=overdraft, at=at)


class TestPoints:
    def test_they_are_a_lot_under_the_rewards_name(self) -> None:
        """Of a rule that no program can have."""
        done = gift(benefit=POINTS)
        member = after(OPEN, done)
        (lot,) = member.ledger.lots.values()
        assert (lot.lot_id, lot.rule, lot.granted) == ("tier/gold/2026-07-01/+reward", REWARD_RULE, 100)
        assert [fact.kind for fact in done.facts] == ["ledger.granted", "member.reward_given"]
        assert member.rewards["tier/gold/2026-07-01"] == HeldReward(source="tier/gold", at=NOON, points=100)
        assert done.beside == ()

    def test_they_end_as_they_say(self) -> None:
        """Or as the program's own do."""
        month = Term(Period(months=1))
        for benefit, expires, ends in (
            (BonusPoints(5), month, "2026-08-01T22:00:00+00:00"),
            (BonusPoints(5, expires=None), month, None),
            (BonusPoints(5, expires=Term(Period(days=1))), None, "2026-07-02T22:00:00+00:00"),
        ):
            (lot,) = after(OPEN, gift(benefit=benefit, expires=expires)).ledger.lots.values()
            assert (lot.expires_at and lot.expires_at.isoformat()) == ends

    def test_they_wait_as_they_say(self) -> None:
        """Until then none can be burned."""
        member = after(OPEN, gift(benefit=BonusPoints(5, expires=None, pending=Term(Period(days=2)))))
        assert member.available(at=LATER) == 0
        assert member.available(at=NOON + timedelta(days=3)) == 5

    def test_those_that_could_never_be_used_are_not_given(self) -> None:
        """They have ended; the reward stands all the same."""
        done = gift(benefit=BonusPoints(5, expires=UntilDay(NOON.date() - timedelta(days=1))))
        assert [fact.kind for fact in done.facts] == ["member.reward_given"]
        assert after(OPEN, done).rewards["tier/gold/2026-07-01"].points == 0


class TestCoupons:
    def test_of_a_campaign_of_its_own(self) -> None:
        """Granted to the member, and dated as the campaign says; its id says nothing of the member."""
        done = gift()
        ((posting,), member) = done.beside, after(OPEN, done)
        coupon = posting.state
        assert (coupon.holder, coupon.campaign_id, coupon.ref) == ("m", "tier-gold", "tier/gold/2026-07-01")
        assert coupon.ends_at.isoformat() == "2026-07-31T22:00:00+00:00"
        assert coupon.coupon_id.startswith("+/")
        assert member.coupons_at(NOON) == (coupon.coupon_id,)
        assert member.coupons[coupon.coupon_id].ends_at == coupon.ends_at
        assert streams_of(member.rewards["tier/gold/2026-07-01"]) == (posting.stream,)

    def test_several(self) -> None:
        """The shop's own first, each under a name of its own; points beside them."""
        done = gift(benefit=Several([NextCoupon("sorry"), NextCoupon("sorry"), POINTS, TEN]))
        assert [posting.state.campaign_id for posting in done.beside] == ["sorry", "sorry", "tier-gold"]
        assert len({posting.stream for posting in done.beside}) == 3
        held = after(OPEN, done).rewards["tier/gold/2026-07-01"]
        assert (held.points, held.coupons) == (100, tuple(posting.state.coupon_id for posting in done.beside))

    def test_two_members_get_two_coupons(self) -> None:
        """Rewards are named with their member alone."""
        names = {gift(Membership.open(name)).beside[0].stream for name in ("m", "n")}
        names |= {gift(reward_id="tier/gold/2027-01-01").beside[0].stream}
        assert len(names) == 3

    @pytest.mark.parametrize(
        "campaign",
        [
            attrs.evolve(SORRY, codes="human"),
            attrs.evolve(SORRY, window=Window(starts_at=None, ends_at=NOON)),
            None,
        ],
    )
    def test_what_cannot_be_given_is_left_out(self, campaign: CouponCampaign | None) -> None:
        """A campaign that has codes by now, is over, or is none."""
        found = {} if campaign is None else {"sorry": campaign}
        done = gift(benefit=Several([NextCoupon("sorry"), POINTS]), campaigns=found)
        assert done.beside == ()
        assert after(OPEN, done).rewards["tier/gold/2026-07-01"].points == 100

    def test_posted_late_it_is_valid_from_then_on(self) -> None:
        """All its time, and of a campaign that is open then; points and facts are of the day it was due."""
        done = gift(benefit=Several([POINTS, TEN]), at=NOON, posted_at=NOON + timedelta(days=60))
        ((posting,), (lot,)) = done.beside, after(OPEN, done).ledger.lots.values()
        assert posting.state.ends_at.isoformat() == "2026-09-29T22:00:00+00:00"
        assert (lot.granted_at, {fact.at for fact in done.facts}) == (NOON, {NOON})
        over = {"tier-gold": attrs.evolve(OWN, window=Window(starts_at=None, ends_at=LATER))}
        assert gift(campaigns=over, posted_at=LATER).beside == ()
        assert len(gift(campaigns=over, posted_at=LATER - timedelta.resolution).beside) == 1


class TestNames:
    def test_given_again_it_is_the_same(self) -> None:
        """It stands: nothing happens."""
        member = after(OPEN, gift())
        again = gift(member, at=LATER)
        assert again == Given(reward_id="tier/gold/2026-07-01")
        assert again.onto(member.posting(())) == member.posting(())

    def test_given_again_after_it_was_taken_back(self) -> None:
        """Under the next name."""
        member, names = OPEN, list[str]()
        for _ in range(3):
            done = gift(member)
            member = after(member, done)
            names.append(done.reward_id)
            assert standing(member, "tier/gold/2026-07-01") == done.reward_id
            member = after(member, back(member, seen(done)))
            assert standing(member, "tier/gold/2026-07-01") is None
        assert names == ["tier/gold/2026-07-01", "tier/gold/2026-07-01/2", "tier/gold/2026-07-01/3"]
        assert next_name(member, "tier/gold/2026-07-01") == "tier/gold/2026-07-01/4"
        assert len(member.coupons) == 3

    def test_what_is_offered_is_given_under_its_name(self) -> None:
        """It was not given yet."""
        offered = RewardOffered(reward_id="tier/gold/2026-07-01", source="tier/gold", options=("a", "b"), at=NOON)
        member = OPEN.folded([offered])
        assert standing(member, "tier/gold/2026-07-01") == "tier/gold/2026-07-01"
        done = gift(member)
        assert done.reward_id == "tier/gold/2026-07-01"
        assert after(member, done).rewards[done.reward_id].options == ()

    def test_facts_come_behind_those_of_the_command(self) -> None:
        """On the state that they were decided on."""
        joined = OPEN.join(at=NOON)
        done = gift(joined.state, benefit=POINTS).onto(joined)
        assert [fact.kind for fact in done.facts] == ["member.joined", "ledger.granted", "member.reward_given"]
        assert (done.version, done.stream, done.state.version) == (0, "member/m", 3)

    def test_a_name_that_is_used_gets_a_mark(self) -> None:
        """Of the shop's own revocation under it."""
        member = OPEN.earn(5, ref="a", expires_at=None, at=NOON).state
        revoked = member.revoke("a", ref="tier/gold/2026-07-01", overdraft=Overdraft.CARRY, at=NOON).state
        assert unused_ref("tier/gold/2026-07-01", "revoke", revoked.ledger) == "tier/gold/2026-07-01+"
        assert unused_ref("other", "revoke", revoked.ledger) == "other"
        given_ = after(revoked, gift(revoked, benefit=POINTS))
        assert after(given_, back(given_, NO_VIEW)).available(at=NOON) == 0


class TestPayouts:
    @pytest.mark.parametrize("amount", ["5.00 EUR", "500 JPY", "5.125 KWD"])
    def test_money_is_owed(self, amount: str) -> None:
        """Currencies with two, no and three decimals."""
        number, currency = amount.split()
        done = gift(benefit=PayOut(Money.of(number, currency), PayoutAs.GIFT_CARD))
        ((posting,), member) = done.beside, after(OPEN, done)
        assert str(posting.state.amount) == amount
        assert (posting.state.member_id, posting.state.source) == ("m", "tier/gold")
        assert member.rewards["tier/gold/2026-07-01"].payouts == (posting.state.payout_id,)
        assert streams_of(member.rewards["tier/gold/2026-07-01"]) == (f"payout/{posting.state.payout_id}",)
        gone = back(member, seen(done))
        assert gone.beside[0].state.status is PayoutStatus.REVERSED
        assert gone.beside[0].state.reversed_reason == "came back"


class TestTakingBack:
    def test_what_does_not_stand_is_left_alone(self) -> None:
        """Never given, or gone already."""
        assert back(OPEN, NO_VIEW) == Given(reward_id="tier/gold/2026-07-01")
        done = gift()
        member = after(OPEN, done)
        gone = after(member, back(member, seen(done)))
        assert back(gone, NO_VIEW).facts == ()

    def test_who_and_why_is_kept(self) -> None:
        """In the facts of the member and of the coupon."""
        done = gift()
        member = after(OPEN, done)
        gone = take_back(
            member, "tier/gold/2026-07-01", reason="sorry", actor="ann", view=seen(done), overdraft=Overdraft.CARRY, at=LATER
        )
        fact = gone.facts[-1]
        assert isinstance(fact, RewardTakenBack)
        assert (fact.reason, fact.actor, fact.coupons_kept, fact.at) == ("sorry", "ann", (), LATER)
        assert (gone.beside[0].state.revoked_reason, gone.beside[0].state.revoked_by) == ("sorry", "reward")

    @pytest.mark.parametrize("policy", list(Overdraft))
    def test_points_that_were_spent(self, policy: Overdraft) -> None:
        """Is owed, whatever the policy: a gift that was forgiven could be had again and again."""
        member = after(OPEN, gift(benefit=POINTS)).burn(60, ref="order", at=NOON).state
        gone = after(member, back(member, NO_VIEW, overdraft=policy))
        assert gone.balance(at=NOON).debt == 60
        assert gone.rewards["tier/gold/2026-07-01"].is_gone

    def test_points_that_a_shop_took_back_by_hand(self) -> None:
        """Only what is left of them."""
        member = after(OPEN, gift(benefit=POINTS))
        for units in (40, 60):
            member = member.revoke("tier/gold/2026-07-01", units, ref=f"hand-{units}", overdraft=Overdraft.CARRY, at=NOON).state
            gone = after(member, back(member, NO_VIEW))
            assert gone.available(at=NOON) == gone.balance(at=NOON).debt == 0

    def test_a_coupon_in_use_is_kept(self) -> None:
        """Redeemed or reserved: it is not revoked, and the member has it no longer."""
        done = gift()
        (coupon,) = seen(done).coupons
        member = after(OPEN, done)
        for used in (
            coupon.redeem("1", member_id="m", at=NOON).state,
            coupon.reserve("1", member_id="m", until=LATER, at=NOON).state,
        ):
            assert in_use(used, NOON)
            gone = back(member, View(coupons=[used]))
            fact = gone.facts[-1]
            assert isinstance(fact, RewardTakenBack)
            assert fact.coupons_kept == (coupon.coupon_id,)
            assert gone.beside == ()
            assert after(member, gone).coupons_at(NOON) == ()
            assert not in_use(used.release("1", at=NOON).state, NOON)
        assert not in_use(coupon, NOON)

    def test_a_coupon_that_is_gone_already_is_not_gone_again(self) -> None:
        """The shop had revoked it."""
        done = gift()
        member = after(OPEN, done)
        gone = after(member, back(member, seen(done)))
        assert [fact.kind for fact in back(member, seen(done)).facts] == ["member.coupon_gone", "member.reward_taken_back"]
        alone = attrs.evolve(gone, rewards=member.rewards)
        assert [fact.kind for fact in back(alone, seen(done)).facts] == ["member.reward_taken_back"]
        unknown = attrs.evolve(member, coupons=FrozenMap[str, HeldCoupon]())
        assert [fact.kind for fact in back(unknown, seen(done)).facts] == ["member.reward_taken_back"]

    def test_what_is_not_in_the_view(self) -> None:
        """The ids of coupons are masked."""
        given_ = RewardGiven(reward_id="tier/gold/2026-07-01", source="tier/gold", coupons=("secret-coupon-1",), at=NOON)
        member = OPEN.folded([given_])
        with pytest.raises(UsageError, match=r"got none with the id .?secr…"):
            back(member, NO_VIEW)
        member = OPEN.folded([RewardGiven(reward_id="tier/gold/2026-07-01", source="tier/gold", payouts=("p-1",), at=NOON)])
        with pytest.raises(UsageError, match=r"view must hold the payouts of a reward .* got none with the id 'p-1'"):
            back(member, NO_VIEW)


class TestKept:
    def kept(self, *facts: Fact) -> tuple[str, ...]:
        """Name what is kept from a source."""
        return kept_coupons(OPEN.folded(facts), "tier/gold")

    def gone(self, name: str, *kept: str, source: str = "tier/gold") -> tuple[Fact, ...]:
        """Give a reward that was taken back; the first of its coupons are of its own campaign, the third of another."""
        campaigns = ("tier-gold", "tier-gold", "sorry")
        return (
            *(CouponGiven(coupon_id=one, campaign_id=campaigns[nth], at=NOON) for nth, one in enumerate(kept)),
            RewardGiven(reward_id=name, source=source, coupons=kept, at=NOON),
            *(CouponGone(coupon_id=one, at=NOON) for one in kept),
            RewardTakenBack(reward_id=name, coupons_kept=kept, at=NOON),
        )

    def test_from_the_same_source(self) -> None:
        """In the order in which they were given, each once."""
        assert self.kept() == ()
        assert self.kept(*self.gone("a", "c-1"), *self.gone("b", "c-1", "c-2"), *self.gone("x", "c-3", source="tier/vip")) == (
            "c-1",
            "c-2",
        )

    def test_one_that_was_handed_on_counts_there(self) -> None:
        """Whatever became of it there: the last reward that gave it says so."""
        again = RewardGiven(reward_id="b", source="tier/gold", coupons=("c-1",), at=NOON)
        assert self.kept(*self.gone("a", "c-1", "c-2"), again) == ("c-2",)
        assert self.kept(*self.gone("a", "c-1"), again, RewardTakenBack(reward_id="b", at=NOON)) == ()
        assert self.kept(*self.gone("a", "c-1"), again, RewardTakenBack(reward_id="b", coupons_kept=("c-1",), at=NOON)) == (
            "c-1",
        )

    def test_it_takes_the_place_of_a_new_one_of_its_campaign(self) -> None:
        """Of as many as the reward gives; the others are new."""
        member = OPEN.folded(self.gone("a", "c-1"))
        done = gift(member, benefit=Several([NextCoupon("sorry"), TEN, POINTS]), reward_id="b")
        (new,) = done.beside
        assert after(member, done).rewards["b"].coupons == (new.state.coupon_id, "c-1")
        assert new.state.campaign_id == "sorry"
        assert set(after(member, done).coupons_at(NOON)) == {"c-1", new.state.coupon_id}

    def test_more_than_the_reward_gives(self) -> None:
        """The first of its campaign is handed on; where there is none, the first at all: what was used counts."""
        more = OPEN.folded(self.gone("a", "c-1", "c-2", "c-3"))
        done = gift(more, reward_id="b")
        assert (after(more, done).rewards["b"].coupons, done.beside) == (("c-1",), ())
        assert after(more, gift(more, reward_id="b", benefit=NextCoupon("sorry"))).rewards["b"].coupons == ("c-3",)
        assert after(more, gift(more, reward_id="b", benefit=NextCoupon("new"))).rewards["b"].coupons == ("c-1",)

    def test_it_keeps_its_own_end(self) -> None:
        """As it was first given, whatever the campaign says by now."""
        facts = [attrs.evolve(one, ends_at=LATER) if isinstance(one, CouponGiven) else one for one in self.gone("a", "c-1")]
        member = OPEN.folded(facts)
        assert after(member, gift(member, reward_id="b", campaigns={})).coupons["c-1"] == HeldCoupon(
            campaign_id="tier-gold", ends_at=LATER
        )


class TestDropped:
    """An order comes back whose coupon was a reward: what nothing stands for any more is revoked."""

    def used(self) -> tuple[Membership, Coupon]:
        """Give a member whose gift came back after its coupon was used; and the coupon, which its order gave back since."""
        first = gift()
        member = after(OPEN, first)
        coupon = first.beside[0].state.redeem("o-1", member_id=OPEN.member_id, at=NOON).state
        return after(member, back(member, View(coupons=[coupon]))), coupon.release("o-1", at=LATER).state

    def test_nothing_stands_for_it(self) -> None:
        """It is revoked, once, and the next reward gives a new one."""
        member, coupon = self.used()
        done = moved(member, coupon, at=LATER)
        assert done is not None
        (revoked,) = done.beside
        assert revoked.state.status(at=LATER) is CouponStatus.REVOKED
        member = after(member, done)
        assert moved(member, revoked.state, at=LATER) == Given(reward_id="tier/gold/2026-07-01")
        (again,) = gift(member).beside
        assert again.state.coupon_id != coupon.coupon_id

    def test_the_reward_stands_again(self) -> None:
        """Then it is the member's, and can be used."""
        member, coupon = self.used()
        member = after(member, gift(member))
        assert moved(member, coupon, at=LATER) is None
        assert member.coupons_at(LATER) == (coupon.coupon_id,)
        assert coupon.check("m", at=LATER).refusal is None

    def test_what_is_used_still_or_no_reward_is_left_alone(self) -> None:
        """Another order has it; or it is of an order, or of the support desk."""
        member, coupon = self.used()
        used = coupon.redeem("o-2", member_id="m", at=LATER).state
        assert moved(member, used, at=LATER) == Given(reward_id="tier/gold/2026-07-01")
        assert moved(member, Coupon.issued("c-9"), at=LATER) is None

    def test_it_was_paid_late(self) -> None:
        """Its reward was taken back while it was free; then an order uses it that was paid: it counts, and is handed on."""
        member = after(OPEN, gift())
        ((posting,),) = (gift().beside,)
        gone = after(member, back(member, View(coupons=[posting.state])))
        used = posting.state.revoke(reason="x", actor="y", at=LATER).state.redeem("o-1", member_id="m", late=True, at=LATER).state
        done = moved(gone, used, at=LATER)
        assert done is not None
        assert done.beside == ()
        assert kept_coupons(after(gone, done), "tier/gold") == (used.coupon_id,)

    def test_it_was_paid_for_and_given_back(self) -> None:
        """An order that was paid late has it all the same; whoever pays again has a new one."""
        member = after(OPEN, gift(price_points=100))
        posting = gift().beside[0]
        gone = after(member, back(member, View(coupons=[posting.state])))
        revoked = posting.state.revoke(reason="x", actor="y", at=LATER).state
        used = revoked.redeem("o-1", member_id="m", late=True, at=LATER).state
        assert moved(gone, used, at=LATER) == Given(reward_id="tier/gold/2026-07-01")

    def test_it_is_held_by_another(self) -> None:
        """Given back by one order while another holds it: it is kept, and not the member's."""
        member, coupon = self.used()
        member = member.folded([CouponGiven(coupon_id=coupon.coupon_id, campaign_id="tier-gold", at=LATER)])
        held = coupon.reserve("o-2", member_id="m", until=LATER + timedelta(hours=1), at=LATER).state
        done = moved(member, held, at=LATER)
        assert done is not None
        assert after(member, done).coupons_at(LATER) == ()
        assert kept_coupons(after(member, done), "tier/gold") == (coupon.coupon_id,)

    def test_what_the_shop_revoked_counts_as_used(self) -> None:
        """It was handed over at a counter, say: the next reward brings no second one."""
        member, posting = after(OPEN, gift()), gift().beside[0]
        revoked = posting.state.revoke(reason="handed over", actor="ann", at=LATER).state
        gone = after(member, back(member, View(coupons=[revoked])))
        assert kept_coupons(gone, "tier/gold") == (revoked.coupon_id,)
        assert gift(gone).beside == ()


class TestLaws:
    @pytest.mark.law(15)
    @given(st.lists(st.booleans(), max_size=12), st.integers(0, 100))
    def test_nothing_is_minted_in_any_order(self, gives: list[bool], spent: int) -> None:
        """Given and taken back, again and again: points are as they were, or as of one gift, and one coupon can be used."""
        member = OPEN.earn(100, ref="order", expires_at=None, at=NOON).state
        member = member.burn(spent, ref="spent", at=NOON).state if spent else member
        coupons: dict[str, Coupon] = {}
        for is_given in gives:
            view = View(coupons=coupons.values())
            done = gift(member, benefit=Several([POINTS, TEN])) if is_given else back(member, view)
            member = after(member, done)
            coupons |= {posting.state.coupon_id: posting.state for posting in done.beside}
        stands = standing(member, "tier/gold/2026-07-01") is not None
        usable = [name for name in member.coupons_at(NOON) if coupons[name].check("m", at=NOON).refusal is None]
        assert member.available(at=NOON) == 100 - spent + 100 * stands
        assert len(usable) == stands
        assert all(coupon.check("m", at=NOON).refusal is not None for name, coupon in coupons.items() if name not in usable)

    def test_the_clock_of_a_reward_is_that_of_its_command(self) -> None:
        """All facts and postings are of one instant."""
        done = gift(benefit=Several([POINTS, TEN]), at=datetime(2026, 7, 2, tzinfo=UTC))
        facts = [*done.facts, *(fact for posting in done.beside for fact in posting.facts)]
        assert {fact.at for fact in facts} == {datetime(2026, 7, 2, tzinfo=UTC)}
        assert any(isinstance(fact, CouponGiven) for fact in facts)
