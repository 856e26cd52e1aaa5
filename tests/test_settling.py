"""Settling: what an order does to coupons, gift cards and shared limits, from reservation to the last return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, Line, Membership, Money, Order, Program, Quote, Return, UsageError
from loyaltycore._redeeming import claim_key, counters_of, used_of
from loyaltycore._settling import beside_streams, counters_kept, coupon_id_of, coupons_to_come, facts_cancelled
from loyaltycore.benefits import AmountOff, NextCoupon, Per, PercentOff, Several
from loyaltycore.conditions import spend_at_least
from loyaltycore.coupons import Coupon, CouponCampaign, CouponStatus, ReadCode, UseState
from loyaltycore.errors import Reason, Refusal, RefusedError
from loyaltycore.facts import Claim, Posting
from loyaltycore.gift_cards import GiftCard
from loyaltycore.identity import ID_LENGTH_LIMIT, check_id, check_slug
from loyaltycore.memberships import CouponGiven, HeldCoupon, OffersFreed, OffersHeld
from loyaltycore.offers import FreedBy, Limits, Mode, Offer, OfferBook, Stacking, Times, View
from loyaltycore.orders import CardPayment, OrderCardSold, OrderPlaced
from loyaltycore.periods import Period, Window
from loyaltycore.program import Cancelled, Placed, Refunded, Reserved

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
UNTIL = NOON + 30 * MINUTE
LATE = NOON + 40 * MINUTE
PLAIN = Program.parse(
    """
    program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-01-01 }
    stacking = { mode = "all" }
    """
)
SORRY = CouponCampaign(
    "sorry", give=AmountOff(Money.of("5", "EUR"), per=Per.BASKET), codes=None, limits=Limits(freed_by=FreedBy.RETURNED)
)
KEPT = CouponCampaign("kept", give=PercentOff("10"), codes=None)
THANKS = CouponCampaign("thanks", give=PercentOff("20"), codes=None, valid_for=Period(days=30))
SUMMER = CouponCampaign(
    "SUMMER10",
    give=PercentOff("10"),
    codes="human",
    limits=Limits(total=Times(per_month=9, lifetime=2), per_member=1, budget=Money.of("100", "EUR"), freed_by=FreedBy.RETURNED),
)
WINTER = attrs.evolve(SUMMER, campaign_id="WINTER10", limits=attrs.evolve(SUMMER.limits, freed_by=FreedBy.CANCELLED))
NEXT = Offer("next", give=NextCoupon("thanks"), when=spend_at_least(Money.of("50", "EUR")))
HELMET = Basket.of("EUR", {"helmet": "80.00"})


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


def program(*campaigns: CouponCampaign, offers: Iterable[Offer] = ()) -> Program:
    """Give a program with campaigns and offers."""
    return attrs.evolve(PLAIN, book=OfferBook(offers, stacking=Stacking(Mode.ALL)), campaigns=campaigns)


def card(card_id: str = "card-7", amount: str = "30") -> GiftCard:
    """Give a gift card."""
    return GiftCard.open(card_id).issue(euros(amount), ref=f"t-{card_id}", expires_at=None, at=NOON - DAY).state


class Shop:
    """A shop that keeps all that is decided: members, orders, coupons, cards, and what is claimed of counters."""

    def __init__(self, *campaigns: CouponCampaign, offers: Iterable[Offer] = (), cards: Iterable[GiftCard] = ()) -> None:
        self.program = program(*campaigns, offers=offers)
        self.members = {name: Membership.open(name) for name in ("m", "n")}
        self.orders: dict[str, Order] = {}
        self.coupons: dict[str, Coupon] = {}
        self.cards = {one.card_id: one for one in cards}
        self.claims: dict[tuple[str, str], Claim] = {}

    def member(self, member_id: str | None) -> Membership | None:
        """Give a member; none for a guest."""
        return None if member_id is None else self.members[member_id]

    def give(self, campaign: CouponCampaign, ref: str = "t-1", *, holder: str | None = "m") -> Coupon:
        """Grant a coupon, and tell its member."""
        coupon_id = coupon_id_of(campaign.campaign_id, ref)
        self.keep(Coupon.issued(coupon_id).grant(campaign.campaign_id, holder=holder, ref=ref, at=NOON - DAY))
        if holder is not None:
            fact = CouponGiven(coupon_id=coupon_id, campaign_id=campaign.campaign_id, at=NOON - DAY)
            self.keep(self.members[holder].posting([fact]))
        return self.coupons[coupon_id]

    def keep(self, posting: Posting[Any]) -> None:
        """Keep a posting, where it was decided on what is there."""
        state = posting.state
        kept, name = next(
            (states, getattr(state, field))
            for kind, states, field in (
                (Membership, self.members, "member_id"),
                (Order, self.orders, "order_id"),
                (Coupon, self.coupons, "coupon_id"),
                (GiftCard, self.cards, "card_id"),
            )
            if isinstance(state, kind)
        )
        of: dict[str, Any] = kept
        assert posting.version == (of[name].version if name in of else 0)
        if name in of:
            assert of[name].folded(posting.facts) == state  # the facts are what a store keeps
        of[name] = state

    def done(self, decided: Placed | Reserved | Cancelled | Refunded) -> None:
        """Keep all that a command decided."""
        assert len({posting.stream for posting in decided.postings}) == len(decided.postings)
        for posting in decided.postings:
            self.keep(posting)
        for claim in decided.claims:
            self.claims[claim.counter, claim.key] = claim

    def taken(self, counter: str, at: datetime, *, but: str = "") -> int:
        """Sum what is claimed of a counter, by all or all but one order."""
        return sum(
            claim.amount
            for (name, key), claim in self.claims.items()
            if name == counter and key != claim_key(but or "-") and (claim.until is None or at < claim.until)
        )

    def view(self, at: datetime, *, order_id: str = "", codes: Mapping[str, ReadCode] | None = None) -> View:
        """Load everything."""
        book, calendar = self.program.book, self.program.calendar
        taken = {name: self.taken(name, at, but=order_id) for name in counters_of(book.limited, at=at, calendar=calendar)}
        order = self.orders.get(order_id, Order.open("-"))
        known = order.placed if order.placed is not None or order.reserved is None else order.reserved.order
        to_come = () if known is None else (one.coupon_id for one in known.coupons_granted if one.coupon_id not in self.coupons)
        return View(
            used=used_of(book.limited, taken, at=at, calendar=calendar),
            codes=codes or {},
            coupons=[*self.coupons.values(), *map(Coupon.issued, to_come)],
            cards=self.cards,
        )

    def quote(self, basket: Basket = HELMET, member_id: str | None = "m", *, at: datetime = NOON, **asked: Any) -> Quote:  # noqa: ANN401 - what is asked
        """Quote for a member."""
        return self.program.quote(basket, self.member(member_id), view=self.view(at), at=at, **asked)

    def place(
        self,
        order_id: str = "1",
        basket: Basket = HELMET,
        member_id: str | None = "m",
        *,
        at: datetime = NOON,
        **asked: Any,  # noqa: ANN401 - as for quote
    ) -> Placed:
        """Quote and book."""
        quote = self.quote(basket, member_id, at=at, **asked)
        placed = self.program.place(quote, self.member(member_id), order_id=order_id, view=self.view(at), at=at)
        self.done(placed)
        return placed

    def reserve(
        self,
        order_id: str = "1",
        basket: Basket = HELMET,
        member_id: str | None = "m",
        *,
        at: datetime = NOON,
        **asked: Any,  # noqa: ANN401 - as for quote
    ) -> Reserved:
        """Quote and set aside for half an hour."""
        quote = self.quote(basket, member_id, at=at, **asked)
        until = at + (UNTIL - NOON)
        done = self.program.reserve(quote, self.member(member_id), order_id=order_id, view=self.view(at), until=until, at=at)
        self.done(done)
        return done

    def confirm(self, order_id: str = "1", *, at: datetime = UNTIL - MINUTE) -> Placed:
        """Book what was set aside."""
        order = self.orders[order_id]
        placed = self.program.confirm(order, self.member(order.member_id), view=self.view(at, order_id=order_id), at=at)
        self.done(placed)
        return placed

    def cancel(self, order_id: str = "1", *, at: datetime = UNTIL - MINUTE) -> Cancelled:
        """Give up what was set aside."""
        order = self.orders[order_id]
        done = self.program.cancel(order, self.member(order.member_id), view=self.view(at, order_id=order_id), at=at)
        self.done(done)
        return done

    def refund(self, back: Return, return_id: str = "r-1", order_id: str = "1", *, at: datetime = NOON + DAY) -> Refunded:
        """Take something back."""
        order, view = self.orders[order_id], self.view(at, order_id=order_id)
        done = self.program.refund(order, self.member(order.member_id), back=back, return_id=return_id, view=view, at=at)
        self.done(done)
        return done

    def status(self, coupon_id: str, at: datetime = LATE) -> CouponStatus:
        """Say where a coupon stands."""
        return self.coupons[coupon_id].status(at=at)

    def left(self, card_id: str = "card-7", at: datetime = LATE) -> int:
        """Say what can be paid with a card, in minor units."""
        return self.cards[card_id].balance(at=at).available.minor_units


ALL_OF_IT = Return(lines={"helmet": 1})


def kinds(posting: Posting[Any] | None) -> list[str]:
    """Name the facts of a posting."""
    assert posting is not None
    return [fact.kind for fact in posting.facts]


class TestCoupons:
    """A coupon in an order's life."""

    @pytest.mark.law(33)
    def test_place_redeems(self) -> None:
        """The order says which coupons it used up, the coupon which order did, and the member no longer holds it."""
        shop = Shop(SORRY)
        coupon = shop.give(SORRY)
        placed = shop.place(coupons=[coupon.coupon_id])
        assert [one.coupon_id for one in placed.fact.coupons_redeemed] == ["sorry/t-1"]
        assert placed.fact.total == euros("75")
        assert shop.status("sorry/t-1") is CouponStatus.REDEEMED
        assert kinds(placed.member) == ["member.order_counted", "member.coupon_gone"]
        assert shop.members["m"].coupons_at(NOON) == ()
        with pytest.raises(RefusedError) as refused:
            shop.program.place(shop.quote(), shop.member("m"), order_id="1", order=shop.orders["1"], at=NOON)
        assert refused.value.refusal.reason is Reason.KEY_REUSED

    @pytest.mark.law(25)
    def test_a_coupon_whose_offer_gives_nothing_is_kept(self) -> None:
        """Nothing to take off: nothing is used up."""
        shop = Shop(SORRY)
        coupon = shop.give(SORRY)
        placed = shop.place(basket=Basket.of("EUR", {"sticker": "0.00"}), coupons=[coupon.coupon_id])
        assert placed.fact.coupons_redeemed == ()
        assert shop.status("sorry/t-1") is CouponStatus.GRANTED
        assert shop.members["m"].coupons_at(NOON) == ("sorry/t-1",)

    @pytest.mark.law(33)
    def test_reserve_confirm(self) -> None:
        """Held for the order, and for no other, then used up."""
        shop = Shop(SORRY)
        coupon = shop.give(SORRY)
        reserved = shop.reserve(coupons=[coupon.coupon_id])
        assert kinds(reserved.beside[0]) == ["coupon.reserved"]
        assert shop.status("sorry/t-1", UNTIL - MINUTE) is CouponStatus.RESERVED
        other = shop.quote(at=NOON + MINUTE, coupons=[coupon.coupon_id])
        assert other.held_coupons["sorry/t-1"].refusal == Refusal(
            Reason.COUPON_RESERVED, {"order_id": "1", "until": "2026-07-01T12:30:00Z"}
        )
        confirmed = shop.confirm()
        assert not confirmed.fact.late
        assert shop.coupons["sorry/t-1"].uses["1"].state is UseState.REDEEMED
        assert not shop.coupons["sorry/t-1"].uses["1"].late
        assert shop.members["m"].coupons["sorry/t-1"].is_gone

    @pytest.mark.law(33)
    def test_reserve_cancel_restores_exactly_one_use(self) -> None:
        """Given up, it is as it was; the member held it all the while."""
        shop = Shop(SORRY)
        before = shop.give(SORRY)
        shop.reserve(coupons=[before.coupon_id])
        cancelled = shop.cancel()
        assert kinds(cancelled.beside[0]) == ["coupon.released"]
        assert shop.status("sorry/t-1", NOON + MINUTE) is CouponStatus.GRANTED
        assert shop.members["m"].coupons_at(NOON) == ("sorry/t-1",)
        assert shop.place("2", coupons=["sorry/t-1"]).fact.total == euros("75")
        again = shop.program.cancel(shop.orders["1"], shop.member("m"), at=LATE)
        assert (again.beside, again.claims, again.order.facts) == ((), (), ())

    @pytest.mark.law(33)
    def test_a_reservation_runs_out_by_itself(self) -> None:
        """The next order may have it."""
        shop = Shop(SORRY)
        coupon = shop.give(SORRY)
        shop.reserve(coupons=[coupon.coupon_id])
        assert shop.status("sorry/t-1", UNTIL) is CouponStatus.GRANTED
        assert shop.place("2", at=UNTIL, coupons=[coupon.coupon_id]).fact.total == euros("75")

    @pytest.mark.law(43)
    @pytest.mark.parametrize("how", ["ran out", "cancelled"])
    def test_a_late_order_has_what_another_used(self, how: str) -> None:
        """It was paid as it was quoted: the coupon is used twice, and says that the second was late."""
        shop = Shop(SORRY)
        coupon = shop.give(SORRY)
        shop.reserve(coupons=[coupon.coupon_id])
        if how == "cancelled":
            shop.cancel(at=UNTIL)
        shop.place("2", at=UNTIL, coupons=[coupon.coupon_id])
        late = shop.confirm(at=LATE)
        assert late.fact.late
        assert late.fact.total == euros("75")
        uses = shop.coupons["sorry/t-1"].uses
        assert {order_id: (use.state, use.late) for order_id, use in uses.items()} == {
            "1": (UseState.REDEEMED, True),
            "2": (UseState.REDEEMED, False),
        }
        assert kinds(late.member) == ["member.order_counted"]  # the member lost it with the other order

    @pytest.mark.law(43)
    @pytest.mark.parametrize("what", ["revoked", "expired"])
    def test_a_coupon_that_ended_meanwhile(self, what: str) -> None:
        """Held when it was quoted, it is redeemed when the order is paid, in time or late."""
        for at in (UNTIL - MINUTE, LATE):
            shop = Shop(SORRY)
            shop.keep(Coupon.issued("sorry/t-1").grant("sorry", holder="m", ref="t-1", ends_at=NOON + MINUTE, at=NOON - DAY))
            shop.reserve(coupons=["sorry/t-1"])
            if what == "revoked":
                shop.keep(shop.coupons["sorry/t-1"].revoke(reason="", actor="eva", at=NOON + MINUTE))
            assert shop.confirm(at=at).fact.total == euros("75")
            assert shop.status("sorry/t-1") is CouponStatus.REDEEMED

    def test_all_comes_back_and_it_is_freed(self) -> None:
        """Where the campaign says so: the coupon can be redeemed again, and the member holds it again."""
        shop = Shop(SORRY, KEPT)
        shop.give(SORRY)
        shop.give(KEPT)
        shop.place(basket=Basket.of("EUR", {"helmet": "80.00", "bell": "10.00"}), coupons=["sorry/t-1", "kept/t-1"])
        part = shop.refund(Return(lines={"bell": 1}))
        assert part.beside == ()
        done = shop.refund(ALL_OF_IT, "r-2")
        assert [posting.state.coupon_id for posting in done.beside] == ["sorry/t-1"]
        assert shop.status("sorry/t-1") is CouponStatus.GRANTED
        assert shop.status("kept/t-1") is CouponStatus.REDEEMED
        assert shop.members["m"].coupons_at(LATE) == ("sorry/t-1",)
        assert kinds(done.member) == ["member.return_counted", "member.coupon_given"]

    def test_all_comes_back_as_money(self) -> None:
        """Without goods too: nothing is kept then. What comes back afterwards frees nothing again."""
        shop = Shop(SORRY)
        shop.give(SORRY)
        shop.place(coupons=["sorry/t-1"])
        assert shop.refund(Return(amount=euros("74.99"))).beside == ()
        assert kinds(shop.refund(Return(amount=euros("0.01")), "r-2").beside[0]) == ["coupon.released"]
        assert shop.place("2", coupons=["sorry/t-1"]).fact.total == euros("75")
        after = shop.refund(ALL_OF_IT, "r-3")
        assert (after.beside, after.claims) == ((), ())
        assert shop.status("sorry/t-1") is CouponStatus.REDEEMED  # by the other order

    def test_given_again_it_ends_when_it_did(self) -> None:
        """A return makes no coupon longer."""
        shop = Shop(SORRY)
        ends_at = NOON + 2 * DAY
        shop.keep(Coupon.issued("sorry/t-1").grant("sorry", holder="m", ref="t-1", ends_at=ends_at, at=NOON - DAY))
        fact = CouponGiven(coupon_id="sorry/t-1", campaign_id="sorry", ends_at=ends_at, at=NOON - DAY)
        shop.keep(shop.members["m"].posting([fact]))
        shop.place(coupons=["sorry/t-1"])
        shop.refund(ALL_OF_IT)
        assert shop.members["m"].coupons == {"sorry/t-1": HeldCoupon(campaign_id="sorry", ends_at=ends_at)}

    def test_bearers(self) -> None:
        """A guest's coupon is nobody's: nobody's stream says a word."""
        shop = Shop(SORRY)
        read = ReadCode(coupon=Coupon.issued("velo/H1############/2026a/7", campaign_id="sorry"))
        view = attrs.evolve(shop.view(NOON), codes={"H1-CODE": read})
        quote = shop.program.quote(HELMET, codes=["H1-CODE"], view=view, at=NOON)
        placed = shop.program.place(quote, order_id="1", view=view, at=NOON)
        shop.done(placed)
        assert placed.member is None
        assert shop.status("velo/H1############/2026a/7") is CouponStatus.REDEEMED
        assert placed.fact.codes == ()
        back = shop.refund(ALL_OF_IT)
        assert (back.member, shop.status("velo/H1############/2026a/7")) == (None, CouponStatus.ISSUED)

    def test_the_view_must_hold_them(self) -> None:
        """What is to be changed must have been loaded."""
        shop = Shop(SORRY, cards=[card()])
        shop.give(SORRY)
        shop.reserve(coupons=["sorry/t-1"], cards=["card-7"])
        order, member = shop.orders["1"], shop.member("m")
        with pytest.raises(UsageError, match="view must hold the coupons of the order, got none with the id"):
            shop.program.confirm(order, member, at=LATE)
        with pytest.raises(UsageError, match="view must hold the gift cards of the order, got none with the id 'card-7'"):
            shop.program.confirm(order, member, view=View(coupons=shop.coupons.values()), at=LATE)


class TestCouponsToCome:
    """A coupon for the next order."""

    def test_they_come_with_the_order(self) -> None:
        """Granted to its member from the moment it is booked, for as long as the campaign says, and told to the member."""
        shop = Shop(THANKS, offers=[NEXT])
        placed = shop.place()
        assert [one.coupon_id for one in placed.fact.coupons_granted] == ["+1/thanks/1"]
        coupon = shop.coupons["+1/thanks/1"]
        assert (coupon.holder, coupon.ref, coupon.campaign_id) == ("m", "1", "thanks")
        assert (coupon.starts_at, coupon.ends_at) == THANKS.dates(NOON, calendar=shop.program.calendar)
        assert shop.members["m"].coupons_at(NOON) == ("+1/thanks/1",)
        assert shop.members["m"].coupons["+1/thanks/1"].ends_at == coupon.ends_at
        assert shop.place("2", coupons=["+1/thanks/1"]).fact.total == euros("64")

    def test_an_order_that_is_not_paid_gives_none(self) -> None:
        """They come with the payment, and count from then."""
        shop = Shop(THANKS, offers=[NEXT])
        shop.reserve()
        assert shop.coupons == {}
        shop.confirm(at=NOON + DAY)
        assert shop.coupons["+1/thanks/1"].ends_at == THANKS.dates(NOON + DAY, calendar=shop.program.calendar)[1]

    def test_several_of_one_campaign(self) -> None:
        """Each has a name of its own; of other names the shop gives coupons itself, and to guests it gives none."""
        both = Several([NextCoupon("thanks"), NextCoupon("SORRY-MAIL")])
        shop = Shop(THANKS, SUMMER, offers=[NEXT, Offer("more", give=both), Offer("summer", give=NextCoupon("SUMMER10"))])
        placed = shop.place()
        assert sorted(placed.fact.coupons) == ["SORRY-MAIL", "SUMMER10", "thanks", "thanks"]
        assert [one.coupon_id for one in placed.fact.coupons_granted] == ["+1/thanks/1", "+1/thanks/2"]
        assert sorted(shop.coupons) == ["+1/thanks/1", "+1/thanks/2"]
        guest = shop.place("2", member_id=None)
        assert (len(guest.fact.coupons), guest.fact.coupons_granted) == (4, ())

    @pytest.mark.parametrize("gone", [True, False])
    def test_a_campaign_that_ended_meanwhile_gives_none(self, gone: bool) -> None:  # noqa: FBT001 - pytest passes it
        """The order is booked as it was promised, and the coupon cannot be any more; a return then takes none back."""
        until = NOON + MINUTE
        shop = Shop(attrs.evolve(THANKS, window=Window(starts_at=None, ends_at=until)), offers=[NEXT])
        shop.reserve()
        if gone:
            shop.program = program(offers=[NEXT])
        confirmed = shop.confirm(at=NOON if gone else until)
        assert [one.coupon_id for one in confirmed.fact.coupons_granted] == ["+1/thanks/1"]
        assert confirmed.beside == ()
        assert shop.refund(ALL_OF_IT).beside == ()

    def test_all_comes_back_and_they_go(self) -> None:
        """What the order gave is taken back with the last of it, unless it was used."""
        shop = Shop(THANKS, offers=[NEXT])
        shop.place(basket=Basket.of("EUR", {"helmet": "80.00", "bell": "10.00"}))
        assert shop.refund(Return(lines={"bell": 1})).beside == ()
        done = shop.refund(ALL_OF_IT, "r-2")
        assert shop.status("+1/thanks/1") is CouponStatus.REVOKED
        assert kinds(done.member) == ["member.return_counted", "member.coupon_gone"]
        assert shop.members["m"].coupons_at(LATE) == ()

    def test_one_that_was_used_stays(self) -> None:
        """What a paid order used, it keeps; and gives back to nobody, should it come back too."""
        shop = Shop(THANKS, offers=[NEXT])
        shop.place()
        shop.place("2", coupons=["+1/thanks/1"])
        done = shop.refund(ALL_OF_IT)
        assert kinds(done.member) == ["member.return_counted"]
        assert shop.status("+1/thanks/1") is CouponStatus.REDEEMED
        assert shop.coupons["+1/thanks/1"].revoked_at is not None

    @pytest.mark.law(43)
    def test_one_that_is_set_aside_goes_and_its_order_still_has_it(self) -> None:
        """An order that is not paid yet keeps nobody from returning another; paid, it is booked as it was quoted."""
        shop = Shop(THANKS, offers=[NEXT])
        shop.place()
        shop.reserve("2", coupons=["+1/thanks/1"])
        done = shop.refund(ALL_OF_IT, at=UNTIL - 2 * MINUTE)
        assert kinds(done.beside[0]) == ["coupon.revoked"]
        assert shop.members["m"].coupons_at(UNTIL) == ()
        assert shop.confirm("2").fact.total == euros("64")
        assert shop.status("+1/thanks/1") is CouponStatus.REDEEMED
        # What the second order used does not come back to the member with it: the first, which gave it, came back.
        shop.refund(ALL_OF_IT, "r-2", "2")
        assert shop.members["m"].coupons_at(LATE) == ()

    @given(st.text("abc/%é", min_size=1, max_size=300))
    def test_names(self, ref: str) -> None:
        """Any reference names one coupon, as long as it may be."""
        name = coupon_id_of("thanks", ref)
        assert check_id("coupon_id", name) == name
        assert name.startswith("thanks/")
        assert coupon_id_of("thanks", ref + "x") != name

    def test_long_names(self) -> None:
        """As long as an id may be, a name says what it is of; a longer one is digested."""
        room = ID_LENGTH_LIMIT - len("thanks/")
        assert coupon_id_of("thanks", "x" * room) == "thanks/" + "x" * room
        assert len(coupon_id_of("thanks", "x" * (room + 1))) == len("thanks/") + 32

    def test_without_a_campaign_there_is_none(self) -> None:
        """Names that are no campaign's, and campaigns with codes: the shop makes these."""
        campaigns = {"thanks": THANKS, "SUMMER10": SUMMER}
        names = ["x", "SUMMER10", "thanks"]
        found = coupons_to_come(names, campaigns, stopped=frozenset(), order_id="1", member_id="m")
        assert [one.coupon_id for one in found] == ["+1/thanks/1"]
        assert coupons_to_come(names, campaigns, stopped=frozenset(), order_id="1", member_id=None) == ()
        assert coupons_to_come(names, campaigns, stopped=frozenset({"thanks"}), order_id="1", member_id="m") == ()

    @pytest.mark.parametrize("order_id", ["1", "x" * 190, "x" * 191, "é/%" * 66, "x" * ID_LENGTH_LIMIT])
    def test_names_of_what_orders_give(self, order_id: str) -> None:
        """Ids, whatever the order is called; no reference of the shop's names the same, for it stands behind a campaign."""
        found = coupons_to_come(["thanks"] * 2, {"thanks": THANKS}, stopped=frozenset(), order_id=order_id, member_id="m")
        names = [check_id("coupon_id", one.coupon_id) for one in found]
        assert len(set(names)) == 2
        assert all(name.startswith("+") and name.endswith(f"/thanks/{nth}") for nth, name in enumerate(names, 1))
        with pytest.raises(UsageError):
            check_slug("campaign_id", "+" + order_id[:9])


class TestCards:
    """Gift cards pay."""

    @pytest.mark.law(37)
    def test_place_pays(self) -> None:
        """In the order asked, each as much as it can."""
        shop = Shop(cards=[card(), card("card-8", "60")])
        placed = shop.place(cards=["card-7", "card-8"])
        assert placed.fact.card_payments == (
            CardPayment(card_id="card-7", minor=3000),
            CardPayment(card_id="card-8", minor=5000),
        )
        assert (placed.fact.total, placed.fact.to_pay) == (euros("80"), euros("0"))
        assert (shop.left("card-7"), shop.left("card-8")) == (0, 1000)

    @pytest.mark.law(37)
    def test_reserve_confirm(self) -> None:
        """Held, then paid; nobody else can pay with it meanwhile."""
        shop = Shop(cards=[card()])
        reserved = shop.reserve(cards=["card-7"])
        assert kinds(reserved.beside[0]) == ["ledger.held"]
        assert shop.left(at=UNTIL - MINUTE) == 0
        assert kinds(shop.confirm().beside[0]) == ["ledger.captured"]
        assert shop.left() == 0
        assert shop.cards["card-7"].ledger.balance(at=LATE).held == 0

    @pytest.mark.law(37)
    @pytest.mark.parametrize("at", [UNTIL - MINUTE, LATE])
    def test_reserve_cancel(self, at: datetime) -> None:
        """The money is where it was, in time and after."""
        shop = Shop(cards=[card()])
        shop.reserve(cards=["card-7"])
        shop.cancel(at=at)
        assert shop.left(at=at) == 3000

    @pytest.mark.law(37, 43)
    def test_what_a_replaced_card_owes_is_netted_first(self) -> None:
        """Two orders were promised the same money; what comes back pays that, and nothing goes on to the new card."""
        shop = Shop(cards=[card()])
        shop.reserve(cards=["card-7"])
        shop.place("2", at=UNTIL, cards=["card-7"])
        shop.confirm(at=LATE)
        replaced(shop, "card-7", "card-8", at=LATE)
        done = shop.refund(Return(amount=euros("10")), order_id="2")
        assert [posting.state.card_id for posting in done.beside] == ["card-7"]
        assert shop.cards["card-7"].balance(at=NOON + DAY).owed == euros("20")
        shop.refund(Return(amount=euros("30")), "r-2", "2")
        assert (shop.left("card-7", NOON + DAY), shop.left("card-8", NOON + DAY)) == (0, 0)

    @pytest.mark.law(37)
    def test_what_a_replaced_card_held_goes_on_when_it_is_given_up(self) -> None:
        """The number was lost while an order waited: the money that is free again is on the new card."""
        shop = Shop(cards=[card()])
        shop.reserve(basket=Basket.of("EUR", {"bell": "12.50"}), cards=["card-7"])
        replaced(shop, "card-7", "card-8")
        assert shop.left("card-8", NOON + MINUTE) == 1750
        done = shop.cancel()
        assert [posting.state.card_id for posting in done.beside] == ["card-7", "card-8"]
        assert (shop.left("card-7"), shop.left("card-8")) == (0, 3000)

    @pytest.mark.law(43)
    @pytest.mark.parametrize("how", ["ran out", "cancelled"])
    def test_a_late_order_pays_with_what_another_spent(self, how: str) -> None:
        """The card goes below zero; the order is booked as it was paid."""
        shop = Shop(cards=[card()])
        shop.reserve(cards=["card-7"])
        if how == "cancelled":
            shop.cancel(at=UNTIL)
        shop.place("2", at=UNTIL, cards=["card-7"])
        assert shop.left() == 0
        late = shop.confirm(at=LATE)
        assert late.fact.late
        assert late.fact.paid_by_cards_minor == 3000
        assert shop.cards["card-7"].balance(at=LATE).owed == euros("30")
        shop.refund(ALL_OF_IT)
        assert shop.cards["card-7"].balance(at=LATE + DAY).owed == euros("0")

    @pytest.mark.law(37, 43)
    def test_a_blocked_card_pays_what_it_held(self) -> None:
        """The order was promised the money."""
        shop = Shop(cards=[card()])
        shop.reserve(cards=["card-7"])
        shop.keep(shop.cards["card-7"].block(reason="lost", actor="eva", at=NOON + MINUTE))
        assert shop.confirm().fact.paid_by_cards_minor == 3000

    @pytest.mark.law(37)
    def test_refunds_go_to_cards_first(self) -> None:
        """Before anything is paid out, the last that paid first."""
        shop = Shop(cards=[card(), card("card-8", "20")])
        bells = Basket([Line("bell", euros("20"), 5)])
        shop.place(basket=bells, cards=["card-7", "card-8"])
        found = [shop.refund(Return(lines={"bell": 1}), f"r-{n}").fact for n in range(5)]
        assert [dict(one.to_cards) for one in found] == [
            {"card-8": 2000},
            {"card-7": 2000},
            {"card-7": 1000},
            {},
            {},
        ]
        assert [one.to_pay_out for one in found] == [euros("0"), euros("0"), euros("10"), euros("20"), euros("20")]
        assert (shop.left("card-7", NOON + DAY), shop.left("card-8", NOON + DAY)) == (3000, 2000)

    @pytest.mark.parametrize("restore,days", [(None, 365), ("60 days", 60)])
    def test_money_that_comes_back_to_an_expired_card_can_be_used(self, restore: str | None, days: int) -> None:
        """For as long as the program says, or a year."""
        ends_at = NOON + MINUTE
        shop = Shop(cards=[GiftCard.open("card-7").issue(euros("30"), ref="t", expires_at=ends_at, at=NOON - DAY).state])
        if restore is not None:
            shop.program = attrs.evolve(shop.program, restore=PLAIN.restore or _term(60))
        shop.place(cards=["card-7"])
        shop.refund(ALL_OF_IT)
        end = shop.cards["card-7"].balance(at=NOON + DAY).expires[0]
        assert end.amount == euros("30")
        assert shop.program.calendar.day_of(end.expires_at) - date(2026, 7, 2) in {timedelta(days), timedelta(days + 1)}

    @pytest.mark.law(37)
    def test_money_goes_on_to_the_card_that_took_its_place(self) -> None:
        """Its number was lost: whoever has the new one has the money."""
        shop = Shop(cards=[card()])
        shop.place(cards=["card-7"])
        replaced(shop, "card-7", "card-8")
        done = shop.refund(Return(amount=euros("10")))
        assert done.fact.to_cards == {"card-7": 1000}
        assert (shop.left("card-7", NOON + DAY), shop.left("card-8", NOON + DAY)) == (0, 1000)
        replaced(shop, "card-8", "card-9", at=NOON + DAY)
        done = shop.refund(Return(amount=euros("20")), "r-2")
        assert [posting.state.card_id for posting in done.beside] == ["card-7", "card-8", "card-9"]
        assert [shop.left(f"card-{n}", NOON + DAY) for n in (7, 8, 9)] == [0, 0, 3000]


def _term(days: int) -> Any:  # noqa: ANN401 - what a program holds
    from loyaltycore.periods import Term  # noqa: PLC0415 - only here

    return Term(Period(days=days))


GIFTS = Basket([Line("card", euros("50"), 2, product_id="gift-card-50", tags=["gift-card"])])
ONE_CARD = Return(lines={"card": 1})


def sell(shop: Shop, *card_ids: str, order_id: str = "1", line_id: str = "card", amount: str = "50") -> None:
    """Make gift cards for units of an order."""
    for card_id in card_ids:
        order = shop.orders[order_id]
        fact = OrderCardSold(order_id=order_id, line_id=line_id, card_id=card_id, at=NOON)
        shop.keep(Posting(order.folded([fact]), facts=(fact,), stream=f"order/{order_id}", version=order.version))  # type: ignore[arg-type]  # a name of a stream
        new = GiftCard.open(card_id)
        shop.keep(new.issue(euros(amount), ref=order_id, expires_at=None, order_id=order_id, line_id=line_id, at=NOON))


def replaced(shop: Shop, old: str, new: str, *, at: datetime = NOON + MINUTE) -> None:
    """Put a new card in the place of one whose number was lost."""
    moved = shop.cards[old].replace(GiftCard.open(new), ref=f"lost-{old}", actor="eva", at=at)
    shop.keep(moved.old)
    shop.keep(moved.new)


def states(shop: Shop) -> list[object]:
    """Give all that a shop has, to see that nothing moved."""
    return [dict(one) for one in (shop.members, shop.orders, shop.coupons, shop.cards, shop.claims)]


class TestCardsSold:
    """Gift cards that an order sold."""

    @pytest.mark.law(37)
    def test_they_are_cancelled_when_they_come_back(self) -> None:
        """One unit, one card, the last made first; the order says which."""
        shop = Shop()
        shop.place(basket=GIFTS)
        sell(shop, "card-1", "card-2")
        done = shop.refund(ONE_CARD)
        assert done.fact.cards_cancelled == ("card-2",)
        assert done.fact.to_pay_out == euros("50")
        assert (shop.left("card-1"), shop.left("card-2", NOON + DAY)) == (5000, 0)
        assert shop.refund(ONE_CARD, "r-2").fact.cards_cancelled == ("card-1",)
        assert shop.left("card-1", NOON + DAY) == 0

    @pytest.mark.law(37)
    def test_a_card_that_was_not_touched_goes_before_one_that_was(self) -> None:
        """Who bought two, and spent something of the last, gives back the other."""
        shop = Shop()
        shop.place(basket=GIFTS)
        sell(shop, "card-1", "card-2")
        shop.place("2", cards=["card-2"])
        assert shop.refund(ONE_CARD).fact.cards_cancelled == ("card-1",)

    @pytest.mark.law(8, 37)
    @pytest.mark.parametrize("use", ["spent", "held"])
    def test_one_that_was_used_does_not_come_back(self, use: str) -> None:
        """Refused, with what was spent, and nothing moves."""
        shop = Shop(SORRY)
        shop.give(SORRY)
        shop.place(basket=GIFTS, coupons=["sorry/t-1"])
        sell(shop, "card-1", "card-2")
        shop.refund(ONE_CARD)
        bell = Basket.of("EUR", {"bell": "12.50"})
        if use == "spent":
            shop.place("2", bell, cards=["card-1"])
        else:
            shop.reserve("2", bell, cards=["card-1"], at=NOON + DAY)
        before = states(shop)
        with pytest.raises(RefusedError) as refused:
            shop.refund(ONE_CARD, "r-2")
        assert refused.value.refusal.reason is Reason.CARD_SPENT
        assert refused.value.refusal.details["left_minor"] == 3750
        assert states(shop) == before

    def test_of_units_without_a_card_none_is_cancelled(self) -> None:
        """Where fewer cards were made than units bought, those without one come back first."""
        shop = Shop()
        shop.place(basket=GIFTS)
        sell(shop, "card-1")
        assert shop.refund(ONE_CARD).fact.cards_cancelled == ()
        assert shop.refund(ONE_CARD, "r-2").fact.cards_cancelled == ("card-1",)

    @pytest.mark.parametrize("made,cancelled", [(4, [1, 1, 1, 1]), (3, [0, 1, 1, 1]), (2, [0, 0, 1, 1]), (1, [0, 0, 0, 1])])
    def test_unit_by_unit(self, made: int, cancelled: list[int]) -> None:
        """Of four units, as many as there are cards too many, return after return."""
        shop = Shop()
        shop.place(basket=Basket([Line("card", euros("50"), 4)]))
        sell(shop, *(f"card-{n}" for n in range(made)))
        assert [len(shop.refund(ONE_CARD, f"r-{n}").fact.cards_cancelled) for n in range(4)] == cancelled

    @pytest.mark.law(37)
    def test_money_that_followed_a_card_that_was_replaced_is_cancelled_too(self) -> None:
        """All that is on the new card is what the order sold, however it came there."""
        shop = Shop()
        shop.place(basket=GIFTS)
        sell(shop, "card-1", "card-2")
        shop.place("2", Basket.of("EUR", {"bell": "12.50"}), cards=["card-2"], at=NOON)
        replaced(shop, "card-2", "card-3")
        shop.refund(Return(lines={"bell": 1}), "r-1", "2")
        assert shop.left("card-3", NOON + DAY) == 5000
        assert shop.refund(Return(lines={"card": 2}), "r-2").fact.cards_cancelled == ("card-3", "card-1")
        assert shop.left("card-3", NOON + DAY) == 0

    def test_several_units_and_lines_at_once(self) -> None:
        """Each line gives back its own cards."""
        lines = [Line(name, euros("50"), 2, product_id="gift-card-50") for name in ("card", "other")]
        shop = Shop()
        shop.place(basket=Basket(lines))
        sell(shop, "card-1", "card-2")
        sell(shop, "card-3", "card-4", line_id="other")
        done = shop.refund(Return(lines={"card": 2, "other": 1}))
        assert done.fact.cards_cancelled == ("card-2", "card-1", "card-4")
        assert [shop.left(f"card-{n}", NOON + DAY) for n in (1, 2, 3, 4)] == [0, 0, 5000, 0]

    def test_goods_beside_them_come_back_alone(self) -> None:
        """A helmet is no card."""
        shop = Shop()
        shop.place(basket=Basket([*GIFTS.lines, Line("helmet", euros("80"))]))
        sell(shop, "card-1", "card-2")
        assert shop.refund(ALL_OF_IT).fact.cards_cancelled == ()
        assert beside_streams(shop.orders["1"]) == ("gift_card/card-1", "gift_card/card-2")

    @pytest.mark.law(37)
    def test_one_that_was_replaced_is_cancelled_where_its_money_went(self) -> None:
        """Its number was lost, twice: the order is told which card is worth nothing now."""
        shop = Shop()
        shop.place(basket=GIFTS)
        sell(shop, "card-1", "card-2")
        replaced(shop, "card-2", "card-3")
        replaced(shop, "card-3", "card-4")
        assert shop.refund(ONE_CARD).fact.cards_cancelled == ("card-4",)
        assert [shop.left(f"card-{n}", NOON + DAY) for n in (1, 2, 3, 4)] == [5000, 0, 0, 0]
        assert shop.refund(ONE_CARD, "r-2").fact.cards_cancelled == ("card-1",)

    @pytest.mark.law(8, 37)
    def test_one_whose_new_number_is_not_loaded_does_not_come_back(self) -> None:
        """Refused rather than forgotten: the money would be given back twice."""
        shop = Shop()
        shop.place(basket=GIFTS)
        sell(shop, "card-1", "card-2")
        replaced(shop, "card-2", "card-3")
        shop.refund(ONE_CARD)
        order, view = shop.orders["1"], View(cards={name: one for name, one in shop.cards.items() if name != "card-3"})
        replaced(shop, "card-1", "card-5")
        view = attrs.evolve(view, cards={**view.cards, "card-1": shop.cards["card-1"]})
        with pytest.raises(RefusedError) as refused:
            shop.program.refund(order, shop.member("m"), back=ONE_CARD, return_id="r-2", view=view, at=NOON + DAY)
        assert refused.value.refusal.reason is Reason.CARD_BLOCKED

    @pytest.mark.law(37)
    def test_what_was_loaded_beside_stays(self) -> None:
        """Another order put it there."""
        shop = Shop()
        shop.place(basket=GIFTS)
        sell(shop, "card-1", "card-2")
        shop.keep(shop.cards["card-2"].load(euros("20"), ref="2", expires_at=None, at=NOON))
        assert shop.refund(ONE_CARD).fact.cards_cancelled == ("card-2",)
        assert shop.left("card-2", NOON + DAY) == 2000

    @pytest.mark.law(37)
    def test_an_amount_that_brings_all_back_cancels_them(self) -> None:
        """Who has all the money back has no card; a part of it is a gesture, and leaves the cards alone."""
        shop = Shop()
        shop.place(basket=GIFTS)
        sell(shop, "card-1", "card-2")
        assert shop.refund(Return(amount=euros("30"))).fact.cards_cancelled == ()
        assert set(shop.refund(Return(amount=euros("70")), "r-2").fact.cards_cancelled) == {"card-1", "card-2"}
        assert (shop.left("card-1", NOON + DAY), shop.left("card-2", NOON + DAY)) == (0, 0)


class TestLimits:
    """What an order claims of limits that all orders share."""

    ORDERS, MONTH, SPENT = ("offer/SUMMER10/orders", "offer/SUMMER10/orders/2026-07", "offer/SUMMER10/spent")

    @pytest.mark.law(32)
    def test_place_claims_for_good(self) -> None:
        """Under the order's name, with the limits; counters name nobody."""
        shop = Shop(SUMMER)
        placed = shop.place(codes=["SUMMER10"])
        assert {claim.counter: (claim.amount, claim.limit) for claim in placed.claims} == {
            self.ORDERS: (1, 2),
            self.MONTH: (1, 9),
            self.SPENT: (800, 10_000),
        }
        assert all(claim.until is None and claim.key == "order/1" for claim in placed.claims)
        assert dict(placed.fact.counters) == {self.ORDERS: 1, self.MONTH: 1, self.SPENT: 800}
        assert shop.members["m"].uses["1"].offers == ("SUMMER10",)

    def test_an_order_without_limits_claims_nothing(self) -> None:
        """No counter, no claim."""
        placed = Shop(KEPT).place()
        assert (placed.claims, dict(placed.fact.counters), placed.fact.offers_per_member) == ((), {}, ())

    @pytest.mark.law(25)
    def test_an_offer_that_gives_nothing_claims_nothing(self) -> None:
        """Neither of all, nor of the member."""
        shop = Shop(SUMMER)
        placed = shop.place(basket=Basket.of("EUR", {"sticker": "0.00"}), codes=["SUMMER10"])
        assert (placed.claims, placed.fact.offers_per_member) == ((), ())
        assert not shop.members["m"].uses

    @pytest.mark.law(32)
    def test_reserve_claims_until_it_runs_out(self) -> None:
        """Then the place is free again, with nothing written; the order itself still sees its own."""
        shop = Shop(SUMMER)
        shop.members = {name: Membership.open(name) for name in ("m", "n", "o")}
        reserved = shop.reserve(codes=["SUMMER10"])
        assert all(claim.until == UNTIL for claim in reserved.claims)
        assert kinds(reserved.member) == ["member.offers_held"]
        shop.place("2", member_id="n", codes=["SUMMER10"])
        full = shop.quote(member_id="o", codes=["SUMMER10"]).codes["SUMMER10"].refusal
        assert full == Refusal(Reason.OFFER_LIMIT_REACHED, {"offer_id": "SUMMER10", "limit": 2, "period": "lifetime"})
        assert shop.quote(member_id="o", codes=["SUMMER10"], at=UNTIL).total == euros("72")

    @pytest.mark.law(32, 43)
    @pytest.mark.parametrize("how", ["in time", "ran out", "cancelled"])
    def test_confirm_holds_for_good(self, how: str) -> None:
        """Late, the limit is passed by this one; nobody else passes it."""
        shop = Shop(SUMMER)
        shop.members = {name: Membership.open(name) for name in ("m", "n", "o", "p")}
        shop.reserve(codes=["SUMMER10"])
        if how == "cancelled":
            shop.cancel()
        at = UNTIL - MINUTE if how == "in time" else LATE
        shop.place("2", member_id="n", codes=["SUMMER10"], at=at)
        if how != "in time":
            shop.place("3", member_id="o", codes=["SUMMER10"], at=at)
        confirmed = shop.confirm(at=at)
        assert {(claim.counter, claim.amount, claim.limit, claim.until) for claim in confirmed.claims} == {
            (self.ORDERS, 1, None, None),
            (self.MONTH, 1, None, None),
            (self.SPENT, 800, None, None),
        }
        assert shop.taken(self.ORDERS, at) == (2 if how == "in time" else 3)
        assert shop.quote(member_id="p", codes=["SUMMER10"], at=at).codes["SUMMER10"].refusal is not None
        assert shop.members["m"].uses["1"].until is None

    def test_cancel_frees(self) -> None:
        """All of it, the member's own too."""
        shop = Shop(SUMMER)
        shop.reserve(codes=["SUMMER10"])
        assert shop.quote(codes=["SUMMER10"]).codes["SUMMER10"].refusal == Refusal(
            Reason.OFFER_MEMBER_LIMIT_REACHED, {"offer_id": "SUMMER10", "limit": 1, "period": "lifetime"}
        )
        cancelled = shop.cancel()
        assert {(claim.counter, claim.amount) for claim in cancelled.claims} == {
            (self.ORDERS, 0),
            (self.MONTH, 0),
            (self.SPENT, 0),
        }
        assert kinds(cancelled.member) == ["member.offers_freed"]
        assert shop.taken(self.ORDERS, NOON) == 0
        assert shop.place("2", codes=["SUMMER10"]).fact.total == euros("72")

    def test_what_was_freed_is_not_freed_again(self) -> None:
        """Where nothing is left of what an order used, there is nothing to say."""
        held = OffersHeld(order_id="1", offers=("SUMMER10",), until=UNTIL, at=NOON)
        member = Membership.open("m").folded([held])
        (freed,) = facts_cancelled(member, "1", at=NOON)
        assert freed == OffersFreed(order_id="1", offers=("SUMMER10",), at=NOON)
        assert facts_cancelled(member.folded([freed]), "1", at=NOON) == []
        assert facts_cancelled(member, "2", at=NOON) == []

    def test_cancel_without_limits_tells_the_member_nothing(self) -> None:
        """There is nothing to free."""
        shop = Shop()
        shop.reserve()
        cancelled = shop.cancel()
        assert (kinds(cancelled.member), cancelled.claims) == ([], ())

    def test_all_comes_back_and_it_is_freed_where_the_limits_say_so(self) -> None:
        """Once, with the last of it; a part frees nothing."""
        shop = Shop(SUMMER, WINTER)
        both = Basket.of("EUR", {"helmet": "80.00", "bell": "10.00"})
        shop.place(basket=both, codes=["SUMMER10", "WINTER10"])
        assert shop.refund(Return(lines={"bell": 1})).claims == ()
        order = shop.orders["1"]
        done = shop.refund(ALL_OF_IT, "r-2")
        assert {(claim.counter, claim.amount) for claim in done.claims} == {(self.ORDERS, 0), (self.MONTH, 0), (self.SPENT, 0)}
        assert set(counters_kept(order, done.fact, shop.program.book)) == {
            "offer/WINTER10/orders",
            "offer/WINTER10/orders/2026-07",
            "offer/WINTER10/spent",
        }
        assert kinds(done.member) == ["member.return_counted", "member.offers_freed"]
        assert shop.members["m"].uses["1"].offers == ("WINTER10",)
        assert shop.quote(codes=["SUMMER10", "WINTER10"]).codes["WINTER10"].refusal is not None
        assert shop.quote(codes=["SUMMER10"]).total == euros("72")

    def test_an_offer_that_is_no_more_frees_nothing(self) -> None:
        """Nobody can say what it would have freed; nothing asks for it any more."""
        shop = Shop(SUMMER)
        shop.place(codes=["SUMMER10"])
        shop.program = program()
        done = shop.refund(ALL_OF_IT)
        assert (done.claims, kinds(done.member)) == ((), ["member.return_counted"])

    def test_shipping_that_comes_back_after_all_frees_nothing_again(self) -> None:
        """What another order took meanwhile stays taken."""
        shop = Shop(SUMMER)
        shop.place(basket=attrs.evolve(HELMET, shipping=euros("4.90")), codes=["SUMMER10"])
        assert shop.refund(ALL_OF_IT).claims
        after = shop.refund(Return(shipping=euros("4.90")), "r-2")
        assert (after.claims, kinds(after.member)) == ((), ["member.return_counted"])

    def test_no_counter_names_a_member(self) -> None:
        """Neither its name, nor who claims, nor what an order keeps of it: forgetting has nothing to look for there."""
        shop = Shop(SUMMER)
        shop.members["somebody@velo"] = Membership.open("somebody@velo")
        reserved = shop.reserve(member_id="somebody@velo", codes=["SUMMER10"])
        claims = [*reserved.claims, *shop.confirm().claims, *shop.refund(ALL_OF_IT).claims]
        assert len(claims) == 9
        assert not any("somebody@velo" in f"{claim.counter} {claim.key}" for claim in claims)
        assert not any("somebody@velo" in name for name in reserved.fact.order.counters)


COUPON = {True: ["sorry/t-1"], False: list[str]()}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("place", "reserve", "confirm", "cancel", "unit", "amount", "shipping", "block", "unblock")),
        st.integers(0, 3),
        st.sampled_from(((), ("card-7",), ("card-8", "card-7"), ("card-7", "card-8"))),
        st.booleans(),
        st.sampled_from((MINUTE, 20 * MINUTE, 40 * MINUTE)),
    ),
    min_size=1,
    max_size=10,
)
GOODS = Basket([Line("helmet", euros("12.99"), 2), Line("bell", euros("5"))], shipping=euros("4.90"))


class TestLife:
    """Orders of all kinds, one after the other, on two cards, one coupon and one limit."""

    @pytest.mark.law(32, 33, 37, 43)
    @given(STEPS)
    def test_what_cards_pay_is_what_orders_got(self, steps: list[tuple[str, int, tuple[str, ...], bool, timedelta]]) -> None:
        """Conservation: money on cards, a coupon's uses, and counters are those of the orders as they stand."""
        shop = Shop(SORRY, SUMMER, offers=[], cards=[card(), card("card-8", "20")])
        shop.give(SORRY)
        at, goods = NOON, GOODS
        for place, (verb, number, cards, has_coupon, wait) in enumerate(steps):
            at += wait
            order_id = str(number)
            asked: dict[str, Any] = {"cards": cards, "coupons": COUPON[has_coupon], "codes": ["SUMMER10"][: number % 2]}
            try:
                match verb:
                    case "place" | "reserve" if order_id not in shop.orders:
                        getattr(shop, verb)(order_id, goods, at=at, **asked)
                    case "confirm" | "cancel" if order_id in shop.orders:
                        getattr(shop, verb)(order_id, at=at)
                    case "unit" | "amount" | "shipping" if order_id in shop.orders:
                        back = {
                            "unit": Return(lines={"helmet" if wait == MINUTE else "bell": 1}),
                            "amount": Return(amount=euros("9.99")),
                            "shipping": Return(shipping=euros("4.90")),
                        }[verb]
                        shop.refund(back, f"r-{place}", order_id, at=at)
                    case "block" | "unblock":
                        shop.keep(getattr(shop.cards["card-7"], verb)(reason="", actor="eva", at=at))
            except RefusedError:
                continue
            self.holds(shop, at)

    def holds(self, shop: Shop, at: datetime) -> None:
        """Compare what cards, the coupon and the counters say with the orders."""
        booked = [order for order in shop.orders.values() if order.placed is not None]
        for card_id, one in shop.cards.items():
            paid = sum(p.minor for order in booked for p in placed_of(order).card_payments if p.card_id == card_id)
            back = sum(done.to_cards.get(card_id, 0) for order in booked for done in order.returns.values())
            assert 0 <= back <= paid
            balance = one.balance(at=at)
            in_it = balance.available.minor_units + balance.held.minor_units - balance.owed.minor_units
            assert in_it == one.loaded_minor - paid + back
        for order in booked:
            fact, returns = placed_of(order), order.returns.values()
            to_cards = sum(sum(done.to_cards.values()) for done in returns)
            assert to_cards == min(fact.paid_by_cards_minor, sum(done.money_minor for done in returns))
        redeemed = {order.order_id for order in booked if placed_of(order).coupons_redeemed and not order.is_all_back}
        uses = shop.coupons["sorry/t-1"].uses
        assert {name for name, use in uses.items() if use.state is UseState.REDEEMED} == redeemed
        assert ("sorry/t-1" in shop.members["m"].coupons_at(at)) is (not redeemed)
        counted = [order for order in booked if placed_of(order).counters and not order.is_all_back]
        live = sum(
            order.is_reserved(at=at) and bool(order.reserved and order.reserved.order.counters) for order in shop.orders.values()
        )
        assert shop.taken("offer/SUMMER10/orders", at) == len(counted) + live
        late = sum(placed_of(order).late for order in counted)
        assert len(counted) + live - late <= 2
        assert shop.members["m"].uses_of("SUMMER10", at=at) == len(counted) + live


def placed_of(order: Order) -> OrderPlaced:
    """Give what was booked."""
    assert order.placed is not None
    return order.placed


class TestPaidOrders:
    """A paid order is never refused, whatever the shop did by hand meanwhile."""

    @pytest.mark.law(43)
    def test_a_coupon_that_was_released_by_hand(self) -> None:
        """Even in time: it was promised, and another has redeemed it."""
        shop = Shop(SORRY)
        shop.give(SORRY)
        shop.reserve(coupons=["sorry/t-1"])
        shop.keep(shop.coupons["sorry/t-1"].release("1", at=NOON + MINUTE))
        shop.place("2", at=NOON + 2 * MINUTE, coupons=["sorry/t-1"])
        assert shop.confirm().fact.total == euros("75")
        assert shop.coupons["sorry/t-1"].uses["1"].late

    @pytest.mark.law(33, 43)
    def test_a_coupon_used_twice_comes_back_once(self) -> None:
        """The member holds it again only when nobody has it any more."""
        shop = Shop(SORRY)
        shop.give(SORRY)
        shop.reserve(coupons=["sorry/t-1"])
        shop.place("2", at=UNTIL, coupons=["sorry/t-1"])
        shop.confirm(at=LATE)
        shop.refund(ALL_OF_IT)
        assert shop.status("sorry/t-1") is CouponStatus.REDEEMED
        assert shop.members["m"].coupons_at(LATE) == ()
        shop.refund(ALL_OF_IT, "r-2", "2")
        assert shop.status("sorry/t-1") is CouponStatus.GRANTED
        assert shop.members["m"].coupons_at(LATE) == ("sorry/t-1",)

    @pytest.mark.law(43)
    def test_a_card_whose_hold_was_given_up_by_hand(self) -> None:
        """It pays all the same."""
        shop = Shop(cards=[card()])
        shop.reserve(cards=["card-7"])
        shop.keep(shop.cards["card-7"].void("1", at=NOON + MINUTE))
        assert shop.confirm().fact.paid_by_cards_minor == 3000
        assert shop.left() == 0


class TestStreams:
    def test_of_an_order(self) -> None:
        """Coupons, then cards, each once: of what is set aside, then of what was booked."""
        shop = Shop(SORRY, THANKS, offers=[NEXT], cards=[card()])
        assert beside_streams(Order.open("1")) == ()
        shop.give(SORRY)
        shop.reserve(coupons=["sorry/t-1"], cards=["card-7"])
        named = ("coupon/sorry/t-1", "coupon/+1/thanks/1", "gift_card/card-7")
        assert beside_streams(shop.orders["1"]) == named
        assert set(shop.program.needs(order=shop.orders["1"]).streams) >= set(named)
        shop.confirm()
        assert beside_streams(shop.orders["1"]) == named
