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
from loyaltycore._settling import beside_streams, coupon_id_of, coupons_to_come, counters_kept
from loyaltycore.basket import Filter
from loyaltycore.benefits import AmountOff, NextCoupon, Per, PercentOff, Several
from loyaltycore.conditions import spend_at_least
from loyaltycore.coupons import Coupon, CouponCampaign, CouponStatus, ReadCode, UseState
from loyaltycore.errors import Reason, Refusal, RefusedError
from loyaltycore.facts import Claim, Posting
from loyaltycore.gift_cards import GiftCard
from loyaltycore.identity import ID_LENGTH_LIMIT, check_id
from loyaltycore.memberships import CouponGiven, CouponGone, OffersFreed, OffersHeld, OrderCounted
from loyaltycore.offers import FreedBy, Limits, Mode, Offer, OfferBook, Stacking, Times, View
from loyaltycore.orders import CardPayment, OrderCardSold, OrderPlaced, OrderReserved
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
        match state:
            case Membership():
                known, of = self.members.get(state.member_id), self.members
                name = state.member_id
            case Order():
                known, of, name = self.orders.get(state.order_id), self.orders, state.order_id
            case Coupon():
                known, of, name = self.coupons.get(state.coupon_id), self.coupons, state.coupon_id
            case GiftCard():
                known, of, name = self.cards.get(state.card_id), self.cards, state.card_id
        assert posting.version == (0 if known is None else known.version)
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
        """What is to be changed must have been loaded; the message names it by its first letters alone."""
        shop = Shop(SORRY, cards=[card()])
        shop.give(SORRY)
        shop.reserve(coupons=["sorry/t-1"], cards=["card-7"])
        order, member = shop.orders["1"], shop.member("m")
        with pytest.raises(UsageError, match="view must hold the coupons of the order, got none with the id sorr…"):
            shop.program.confirm(order, member, at=LATE)
        with pytest.raises(UsageError, match="view must hold the gift cards of the order, got none with the id 'card-7'"):
            shop.program.confirm(order, member, view=View(coupons=shop.coupons.values()), at=LATE)


class TestCouponsToCome:
    """A coupon for the next order."""

    def test_they_come_with_the_order(self) -> None:
        """Granted to its member from the moment it is booked, for as long as the campaign says, and told to the member."""
        shop = Shop(THANKS, offers=[NEXT])
        placed = shop.place()
        assert [one.coupon_id for one in placed.fact.coupons_granted] == ["thanks/order:1"]
        coupon = shop.coupons["thanks/order:1"]
        assert (coupon.holder, coupon.ref, coupon.campaign_id) == ("m", "1", "thanks")
        assert (coupon.starts_at, coupon.ends_at) == THANKS.dates(NOON, calendar=shop.program.calendar)
        assert shop.members["m"].coupons_at(NOON) == ("thanks/order:1",)
        assert shop.members["m"].coupons["thanks/order:1"].ends_at == coupon.ends_at
        assert shop.place("2", coupons=["thanks/order:1"]).fact.total == euros("64")

    def test_an_order_that_is_not_paid_gives_none(self) -> None:
        """They come with the payment, and count from then."""
        shop = Shop(THANKS, offers=[NEXT])
        shop.reserve()
        assert shop.coupons == {}
        shop.confirm(at=LATE)
        assert shop.coupons["thanks/order:1"].ends_at == THANKS.dates(LATE, calendar=shop.program.calendar)[1]

    def test_several_of_one_campaign(self) -> None:
        """Each has a name of its own; of other names the shop gives coupons itself, and to guests it gives none."""
        both = Several([NextCoupon("thanks"), NextCoupon("SORRY-MAIL")])
        shop = Shop(THANKS, SUMMER, offers=[NEXT, Offer("more", give=both), Offer("summer", give=NextCoupon("SUMMER10"))])
        placed = shop.place()
        assert placed.fact.coupons == ("thanks", "thanks", "SORRY-MAIL", "SUMMER10") or set(placed.fact.coupons) == {
            "thanks",
            "SORRY-MAIL",
            "SUMMER10",
        }
        assert [one.coupon_id for one in placed.fact.coupons_granted] == ["thanks/order:1", "thanks/order:1:2"]
        assert sorted(shop.coupons) == ["thanks/order:1", "thanks/order:1:2"]
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
        assert [one.coupon_id for one in confirmed.fact.coupons_granted] == ["thanks/order:1"]
        assert confirmed.beside == ()
        assert shop.refund(ALL_OF_IT).beside == ()

    def test_all_comes_back_and_they_go(self) -> None:
        """What the order gave is taken back with the last of it, unless it was used."""
        shop = Shop(THANKS, offers=[NEXT])
        shop.place(basket=Basket.of("EUR", {"helmet": "80.00", "bell": "10.00"}))
        assert shop.refund(Return(lines={"bell": 1})).beside == ()
        done = shop.refund(ALL_OF_IT, "r-2")
        assert shop.status("thanks/order:1") is CouponStatus.REVOKED
        assert kinds(done.member) == ["member.return_counted", "member.coupon_gone"]
        assert shop.members["m"].coupons_at(LATE) == ()

    @pytest.mark.parametrize("used", ["reserved", "redeemed"])
    def test_one_that_was_used_stays(self, used: str) -> None:
        """A paid order, or one about to be, keeps what it was promised; one whose time has run out does not."""
        shop = Shop(THANKS, offers=[NEXT])
        shop.place()
        if used == "reserved":
            shop.reserve("2", coupons=["thanks/order:1"])
        else:
            shop.place("2", coupons=["thanks/order:1"])
        done = shop.refund(ALL_OF_IT, at=UNTIL - MINUTE)
        assert done.beside == ()
        assert shop.coupons["thanks/order:1"].revoked_at is None
        if used == "reserved":
            other = Shop(THANKS, offers=[NEXT])
            other.place()
            other.reserve("2", coupons=["thanks/order:1"])
            other.refund(ALL_OF_IT, at=UNTIL)
            assert other.status("thanks/order:1") is CouponStatus.REVOKED

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
        assert coupons_to_come(["x", "SUMMER10"], campaigns, order_id="1", member_id="m") == ()
        assert coupons_to_come(["thanks"], campaigns, order_id="1", member_id=None) == ()


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
        moved = shop.cards["card-7"].replace(GiftCard.open("card-8"), ref="t-2", actor="eva", at=NOON + MINUTE)
        shop.keep(moved.old)
        shop.keep(moved.new)
        done = shop.refund(Return(amount=euros("30")))
        assert done.fact.to_cards == {"card-7": 3000}
        assert (shop.left("card-7", NOON + DAY), shop.left("card-8", NOON + DAY)) == (0, 3000)


def _term(days: int) -> Any:  # noqa: ANN401 - what a program holds
    from loyaltycore.periods import Term  # noqa: PLC0415 - only here

    return Term(Period(days=days))
