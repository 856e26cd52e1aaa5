"""What a quote takes besides goods: coupons that are presented, uses that are limited, gift cards that pay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, Line, Membership, Money, Program
from loyaltycore._redeeming import (
    claim_key,
    counters_of,
    freeing,
    holding,
    offer_claims,
    present,
    used_of,
    with_own_uses,
)
from loyaltycore.basket import Filter
from loyaltycore.benefits import NextCoupon, PercentOff, Several
from loyaltycore.coupons import HUMAN, Applied, Coupon, CouponCampaign, Limits, NotApplied, ReadCode
from loyaltycore.errors import Reason, Refusal, UsageError
from loyaltycore.facts import Claim
from loyaltycore.gift_cards import CardUses, GiftCard
from loyaltycore.memberships import CouponGiven, CouponGone
from loyaltycore.offers import NO_VIEW, Offer, OfferBook, Span, Times, Used, View
from loyaltycore.periods import Calendar, Window
from loyaltycore.program import Asked, Quote

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PARIS = Calendar("Europe/Paris")
BASKET = Basket.of("EUR", {"helmet": "100.00"})
MEMBER = Membership.open("m-42")
PROGRAM = Program.parse("""
[program]
name = "velo"
version = 1
currency = "EUR"
zone = "Europe/Paris"
starts_on = 2026-07-01
[stacking]
mode = "all"
[[campaigns]]
id = "SUMMER10"
codes = "human"
give = { percent_off = "10" }
[[campaigns]]
id = "welcome"
codes = "HI-####-####-####"
give = { amount_off = "5.00", per = "basket" }
[[campaigns]]
id = "sorry"
automatic = true
give = { amount_off = "3.00", per = "basket" }
[[campaigns]]
id = "big"
when = { spend_at_least = "500.00" }
give = { percent_off = "50" }
""")
TYPED = "hi-aaaa-bbbb-cccc"


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


def held(campaign_id: str, name: str = "t-1", *, holder: str | None = "m-42", ends: int | None = 30) -> Coupon:
    """Grant a coupon."""
    ends_at = None if ends is None else NOW + ends * DAY
    return Coupon.issued(f"{campaign_id}/{name}").grant(campaign_id, holder=holder, ref=name, ends_at=ends_at, at=NOW).state


def batch(serial: int = 1, campaign_id: str = "welcome") -> Coupon:
    """Give a coupon of a batch."""
    return Coupon.issued(f"velo/H1############/2026a/{serial}", campaign_id=campaign_id)


def quoted(
    *coupons: Coupon,
    codes: Mapping[str, ReadCode | None] | None = None,
    chosen: tuple[str, ...] = (),
    membership: Membership | None = MEMBER,
    stopped: tuple[str, ...] = (),
    **said: Any,  # noqa: ANN401 - of a quote
) -> Quote:
    """Quote the basket with coupons and codes; a code without a reading is one of people."""
    codes = codes or {}
    view = View(coupons=coupons, codes={text: read for text, read in codes.items() if read is not None}, stopped=stopped)
    return PROGRAM.quote(BASKET, membership, codes=list(codes), coupons=chosen, view=view, **{"at": NOW, **said})


def usable(quote: Quote) -> dict[str, str]:
    """Name the coupon of each campaign that can be redeemed."""
    return dict(quote.usable)


def applied(quote: Quote) -> list[str]:
    """Name what applies."""
    return sorted(one.offer_id for one in quote.offers.applied)


def told(quote: Quote) -> dict[str, tuple[object, object]]:
    """Say the offer and the refusal of each coupon that was not typed."""
    return {
        name: (answer.offer_id, None if answer.refusal is None else answer.refusal.reason.value)
        for name, answer in quote.held_coupons.items()
    }


class TestPresent:
    def test_nothing(self) -> None:
        """Without codes and coupons there is nothing to look at."""
        quote = quoted()
        assert (applied(quote), usable(quote)) == ([], {})
        assert not quote.codes
        assert not quote.held_coupons
        assert present(PROGRAM.campaigns, Asked(basket=BASKET), NO_VIEW, membership=None, order_id=None, at=NOW).usable == {}

    def test_only_the_first_five_codes(self) -> None:
        """Each is an attempt at a guess: what a view has read beyond them is not looked at."""
        read = {f"code-{place}": ReadCode(coupon=batch(place), proven=True) for place in range(5)}
        sixth = ReadCode(coupon=batch(6, "sorry"), proven=True)
        quote = quoted(codes={**read, TYPED: sixth})
        assert applied(quote) == ["welcome"]
        assert quote.codes[TYPED].refusal == Refusal(Reason.CODES_LIMIT_REACHED, {"limit": 5})

    def test_by_a_code_of_people(self) -> None:
        """Everybody may type it."""
        quote = quoted(codes={"summer-1O": None}, membership=None)
        assert (applied(quote), usable(quote)) == (["SUMMER10"], {})
        assert quote.codes["summer-1O"].public == Applied(offer_id="SUMMER10")

    def test_by_a_code_of_a_machine(self) -> None:
        """It opens the campaign of its coupon, and uses that coupon."""
        quote = quoted(codes={TYPED: ReadCode(coupon=batch(), proven=True)}, membership=None)
        assert (applied(quote), usable(quote)) == (["welcome"], {"welcome": batch().coupon_id})
        answer = quote.codes[TYPED]
        assert (answer.offer_id, answer.refusal, answer.proven, answer.public) == (
            "welcome",
            None,
            True,
            Applied(offer_id="welcome"),
        )
        assert [one.coupon_id for one in quote.coupons_redeemed] == [batch().coupon_id]
        assert quote.held_coupons == {}

    def test_by_itself(self) -> None:
        """Only of campaigns that say so; the others wait until they are chosen."""
        quote = quoted(held("sorry"), held("welcome"))
        assert (applied(quote), told(quote)) == (["sorry"], {"sorry/t-1": ("sorry", None)})

    def test_chosen(self) -> None:
        """By its id; each is answered, found or not."""
        quote = quoted(held("welcome"), chosen=("welcome/t-1", "welcome/t-9"))
        assert applied(quote) == ["welcome"]
        assert told(quote) == {"welcome/t-1": ("welcome", None), "welcome/t-9": (None, "coupon_not_found")}

    @pytest.mark.parametrize("chosen", [("welcome/t-9",), ("welcome/t-9", "gone/t-1")])
    def test_chosen_ones_are_answered_where_none_can_be_found(self, chosen: tuple[str, ...]) -> None:
        """A shop that shows why needs an answer to each."""
        assert told(quoted(held("gone"), chosen=chosen)) == dict.fromkeys(chosen, (None, "coupon_not_found"))

    def test_a_coupon_that_is_chosen_twice(self) -> None:
        """Counts once."""
        quote = quoted(held("sorry"), chosen=("sorry/t-1", "sorry/t-1"))
        assert (applied(quote), told(quote)) == (["sorry"], {"sorry/t-1": ("sorry", None)})

    def test_what_it_opens_may_not_apply(self) -> None:
        """The coupon can be redeemed, and its offer says why it gives nothing."""
        quote = quoted(held("big"), chosen=("big/t-1",))
        assert (applied(quote), usable(quote)) == ([], {"big": "big/t-1"})
        assert told(quote) == {"big/t-1": ("big", "basket_below_threshold")}
        assert quote.coupons_redeemed == ()

    @pytest.mark.parametrize(
        "coupon,reason",
        [
            (held("sorry", holder="m-1"), "coupon_member_mismatch"),
            (held("sorry").revoke(reason="", actor="", at=NOW).state, "coupon_revoked"),
            (held("sorry").redeem("1", member_id="m-42", at=NOW).state, "coupon_redeemed"),
            (held("sorry").reserve("1", member_id="m-42", until=NOW + HOUR, at=NOW).state, "coupon_reserved"),
            (held("sorry", ends=0), "coupon_expired"),
            (attrs.evolve(held("sorry"), starts_at=NOW + HOUR), "coupon_not_started"),
        ],
    )
    def test_refusals(self, coupon: Coupon, reason: str) -> None:
        """As the coupon says, first reason first; it opens nothing."""
        quote = quoted(coupon)
        assert (applied(quote), usable(quote), told(quote)) == ([], {}, {"sorry/t-1": ("sorry", reason)})

    def test_its_own_order_has_it(self) -> None:
        """What is set aside for the order stands in no way of it."""
        coupon = held("sorry").reserve("1001", member_id="m-42", until=NOW + HOUR, at=NOW).state
        assert (applied(quoted(coupon)), applied(quoted(coupon, order_id="1001"))) == ([], ["sorry"])

    def test_a_campaign_that_is_gone(self) -> None:
        """A coupon of one that the program no longer has opens nothing, and belongs to no offer."""
        quote = quoted(held("gone"), chosen=("gone/t-1",), codes={TYPED: ReadCode(coupon=batch(campaign_id="gone"), proven=True)})
        refusal = Refusal(Reason.COUPON_NOT_FOUND, {"campaign_id": "gone"})
        assert quote.codes[TYPED].refusal == quote.held_coupons["gone/t-1"].refusal == refusal
        assert quote.codes[TYPED].offer_id is None
        assert quote.codes[TYPED].public == NotApplied()

    def test_a_campaign_that_was_stopped(self) -> None:
        """Nothing of it opens anything: no code of people, no coupon."""
        quote = quoted(
            held("sorry"),
            codes={"SUMMER10": None, TYPED: ReadCode(coupon=batch(), proven=True)},
            stopped=("SUMMER10", "sorry", "welcome"),
        )
        assert (applied(quote), usable(quote)) == ([], {})
        assert told(quote) == {"sorry/t-1": ("sorry", "campaign_stopped")}
        assert {answer.refusal.reason for answer in quote.codes.values() if answer.refusal} == {Reason.CAMPAIGN_STOPPED}
        assert {answer.public for answer in quote.codes.values()} == {NotApplied()}

    def test_a_guest(self) -> None:
        """Uses what is bound to nobody."""
        bearer = held("sorry", holder=None)
        assert applied(quoted(bearer, membership=None)) == ["sorry"]
        assert told(quoted(held("sorry"), membership=None)) == {"sorry/t-1": ("sorry", "coupon_member_mismatch")}

    def test_the_member_has_it_no_longer(self) -> None:
        """Its reward was taken back while an order held it, and the hold has run out: the coupon itself says nothing of that."""
        coupon = held("sorry")
        given = CouponGiven(coupon_id=coupon.coupon_id, campaign_id="sorry", at=NOW)
        has = MEMBER.folded([given])
        assert applied(quoted(coupon, membership=has)) == ["sorry"]
        gone = has.folded([CouponGone(coupon_id=coupon.coupon_id, at=NOW)])
        quote = quoted(coupon, membership=gone)
        assert (applied(quote), told(quote)) == ([], {"sorry/t-1": ("sorry", "coupon_revoked")})
        assert applied(quoted(coupon, membership=gone.folded([given]))) == ["sorry"]


class TestOneOfACampaign:
    def test_a_code_before_a_choice_before_itself(self) -> None:
        """The others of the campaign are told that one counts already."""
        mine, other = held("sorry", "a"), held("sorry", "b")
        typed = ReadCode(coupon=batch(7, "sorry"))
        quote = quoted(mine, other, codes={TYPED: typed}, chosen=("sorry/b",))
        assert usable(quote) == {"sorry": batch(7).coupon_id}
        assert told(quote) == {"sorry/b": ("sorry", "offer_superseded"), "sorry/a": ("sorry", "offer_superseded")}
        assert quote.held_coupons["sorry/b"].refusal == Refusal(Reason.OFFER_SUPERSEDED, {"offer_id": "sorry", "by": "sorry"})
        quote = quoted(mine, other, chosen=("sorry/b",))
        assert (usable(quote), told(quote)["sorry/a"]) == ({"sorry": "sorry/b"}, ("sorry", "offer_superseded"))

    def test_the_one_that_ends_soonest(self) -> None:
        """Of those that apply by themselves, however they were loaded; equal ends by id, and without an end last."""
        coupons = [
            held("sorry", "a", ends=None),
            held("sorry", "b", ends=9),
            held("sorry", "c", ends=5),
            held("sorry", "d", ends=5),
        ]
        for some, expected in ((coupons, "c"), (coupons[:2], "b"), (coupons[:1], "a"), (coupons[2:], "c")):
            for order in (some, some[::-1]):
                assert usable(quoted(*order)) == {"sorry": f"sorry/{expected}"}

    def test_what_cannot_be_redeemed_is_passed_over(self) -> None:
        """The next one counts."""
        used = held("sorry", "a", ends=1).redeem("1", member_id="m-42", at=NOW).state
        quote = quoted(used, held("sorry", "b"))
        assert usable(quote) == {"sorry": "sorry/b"}
        assert told(quote) == {"sorry/a": ("sorry", "coupon_redeemed"), "sorry/b": ("sorry", None)}

    def test_the_same_coupon_by_two_ways(self) -> None:
        """Is one coupon, typed and held: it counts once, and both are answered."""
        coupon = held("sorry")
        quote = quoted(coupon, codes={TYPED: ReadCode(coupon=coupon, proven=True)})
        assert (applied(quote), usable(quote)) == (["sorry"], {"sorry": "sorry/t-1"})
        assert (quote.codes[TYPED].refusal, told(quote)) == (None, {"sorry/t-1": ("sorry", None)})


class TestAnswers:
    def test_every_text(self) -> None:
        """Known or not, malformed or too many, made by people or by a machine."""
        forged = Refusal(Reason.CODE_UNKNOWN, {"verdict": "forged"})
        quote = quoted(
            codes={"SUMMER10": None, "AUTUMN": None, "?!": None, TYPED: ReadCode(refusal=forged), "five": None, "6th": None}
        )
        reasons = {text: answer.refusal and answer.refusal.reason.value for text, answer in quote.codes.items()}
        assert reasons == {
            "SUMMER10": None,
            "AUTUMN": "code_unknown",
            "?!": "code_malformed",
            TYPED: "code_unknown",
            "five": "code_unknown",
            "6th": "codes_limit_reached",
        }
        assert quote.codes[TYPED].refusal == forged
        assert quote.codes["6th"].public == NotApplied(reason="codes_limit_reached", details={"limit": 5})
        assert {quote.codes[text].public for text in ("AUTUMN", "?!", TYPED, "five")} == {NotApplied()}

    def test_a_forged_code_that_looks_like_one_of_people(self) -> None:
        """What a machine may have made, and did not, opens nothing."""
        quote = quoted(codes={"SUMMER10": ReadCode(refusal=Refusal(Reason.CODE_UNKNOWN))})
        assert (applied(quote), quote.codes["SUMMER10"].offer_id) == ([], None)

    @pytest.mark.law(44)
    @pytest.mark.parametrize(
        "coupon,proven,told",
        [
            (batch().redeem("1", member_id=None, at=NOW).state, True, "coupon_redeemed"),
            (batch().redeem("1", member_id=None, at=NOW).state, False, "coupon_invalid"),
            (attrs.evolve(batch(), ends_at=NOW), True, "coupon_expired"),
            (attrs.evolve(batch(), ends_at=NOW, holder="m-42"), True, "coupon_expired"),
            (attrs.evolve(batch(), ends_at=NOW, holder="m-1"), True, "coupon_invalid"),
            (attrs.evolve(batch(), revoked_at=NOW), True, "coupon_invalid"),
        ],
    )
    def test_who_is_told_why(self, coupon: Coupon, told: str, *, proven: bool) -> None:
        """Whoever has a code that cannot be guessed, and that is nobody else's; and never whose order holds it."""
        answer = quoted(codes={TYPED: ReadCode(coupon=coupon, proven=proven)}).codes[TYPED].public
        assert isinstance(answer, NotApplied)
        assert answer.reason == told
        assert "order_id" not in answer.details


LIMITS = {
    "none": Limits(),
    "ever": Limits(total=500),
    "spans": Limits(total=Times(per_day=20, per_week=50, per_month=100, per_year=900)),
    "money": Limits(budget=euros("2000"), units=50),
    "own": Limits(per_member=1),
}


def offers(*names: str) -> list[Offer]:
    """Make offers with these limits."""
    return [Offer(name, give=PercentOff("10"), limits=LIMITS[name]) for name in names]


class TestCounters:
    def test_names(self) -> None:
        """One for each limit that all share, with the local day, week, month or year in its name."""
        names = counters_of(offers(*LIMITS), at=NOW, calendar=PARIS)
        assert names == (
            "offer/ever/orders",
            "offer/money/spent",
            "offer/money/units",
            "offer/spans/orders/2026",
            "offer/spans/orders/2026-07",
            "offer/spans/orders/2026-07-01",
            "offer/spans/orders/2026-W27",
        )
        assert PROGRAM.needs(at=NOW).counters == ()

    @pytest.mark.parametrize(
        "at,names",
        [
            ("2026-12-31T22:59:59+00:00", ("2026", "2026-12", "2026-12-31", "2026-W53")),
            ("2026-12-31T23:00:00+00:00", ("2026-W53", "2027", "2027-01", "2027-01-01")),
            ("2027-01-03T23:00:00+00:00", ("2027", "2027-01", "2027-01-04", "2027-W01")),
        ],
    )
    def test_local_days_count(self, at: str, names: tuple[str, ...]) -> None:
        """New Year is at midnight in Paris; a week belongs to one year."""
        found = counters_of(offers("spans"), at=datetime.fromisoformat(at), calendar=PARIS)
        assert found == tuple(f"offer/spans/orders/{name}" for name in names)

    def test_used(self) -> None:
        """What others hold of each, as the offer counts it; of what nobody holds, nothing."""
        taken = {
            name: place
            for place, name in enumerate(counters_of(offers("ever", "spans", "money"), at=NOW, calendar=PARIS), start=1)
        }
        used = used_of(offers("none", "ever", "spans", "money", "own"), taken, at=NOW, calendar=PARIS)
        assert used == {
            "none": Used(),
            "ever": Used(times=1, times_in={Span.EVER: 1}),
            "spans": Used(times_in={Span.YEAR: 4, Span.MONTH: 5, Span.DAY: 6, Span.WEEK: 7}),
            "money": Used(spent_minor=2, units=3),
            "own": Used(),
        }
        assert used_of(offers("ever"), {}, at=NOW, calendar=PARIS) == {"ever": Used(times_in={Span.EVER: 0})}


class TestClaims:
    def claims(self, until: datetime | None) -> tuple[Claim, ...]:
        """Claim what the basket uses of all offers."""
        book = OfferBook(offers(*LIMITS), stacking=PROGRAM.book.stacking)
        quote = attrs.evolve(PROGRAM, book=book, campaigns=()).quote(Basket.of("EUR", {"bell": "10"}), at=NOW)
        unknown = attrs.evolve(quote.offers.applied[0], offer_id="unknown")
        return offer_claims(book, [*quote.offers.applied, unknown], order_id="1001", at=NOW, until=until, calendar=PARIS)

    def test_amounts(self) -> None:
        """Of orders one, of money and units what it takes off, under the order's own name."""
        claims = self.claims(NOW + HOUR)
        assert {str(claim.counter): (claim.amount, claim.limit) for claim in claims} == {
            "offer/ever/orders": (1, 500),
            "offer/money/spent": (100, 200_000),
            "offer/money/units": (1, 50),
            "offer/spans/orders/2026-07-01": (1, 20),
            "offer/spans/orders/2026-W27": (1, 50),
            "offer/spans/orders/2026-07": (1, 100),
            "offer/spans/orders/2026": (1, 900),
        }
        assert {claim.key for claim in claims} == {claim_key("1001")} == {"order/1001"}
        assert {(claim.at, claim.until) for claim in claims} == {(NOW, NOW + HOUR)}
        assert {claim.until for claim in self.claims(None)} == {None}

    def test_nothing_is_not_claimed(self) -> None:
        """An offer that takes off no goods, such as one of points, uses no money and no units."""
        give = NextCoupon("back")
        book = OfferBook(
            [Offer("a", give=give, limits=Limits(total=5, budget=euros("5"), units=5))], stacking=PROGRAM.book.stacking
        )
        quote = attrs.evolve(PROGRAM, book=book, campaigns=()).quote(Basket.of("EUR", {"bell": "10"}), MEMBER, at=NOW)
        claims = offer_claims(book, quote.offers.applied, order_id="1", at=NOW, until=None, calendar=PARIS)
        assert [str(claim.counter) for claim in claims] == ["offer/a/orders"]

    @pytest.mark.law(43)
    def test_holding(self) -> None:
        """A paid order keeps what it claimed, whatever others took: no limit stands in its way, and no time."""
        (claim,) = holding({"offer/a/spent": 90}, order_id="1001", at=NOW)
        assert (claim.counter, claim.key, claim.amount, claim.limit, claim.at, claim.until) == (
            "offer/a/spent",
            "order/1001",
            90,
            None,
            NOW,
            None,
        )

    def test_freeing(self) -> None:
        """It holds nothing any more, but for what it keeps."""
        claims = freeing({"x": 1, "y": 2, "z": 3}, order_id="1001", at=NOW, but=["y"])
        assert [(claim.counter, claim.amount, claim.limit, claim.until, claim.key) for claim in claims] == [
            ("x", 0, None, None, "order/1001"),
            ("z", 0, None, None, "order/1001"),
        ]
        assert {claim.at for claim in claims} == {NOW}


class TestOwnUses:
    LIMITS = Limits(per_member=Times(per_day=1, lifetime=3))

    def program(self, **limits: Any) -> Program:  # noqa: ANN401 - of Limits
        """Give ten per cent off, so often."""
        book = OfferBook(
            [
                Offer("a", give=PercentOff("10"), limits=Limits(**limits)),
                Offer("b", give=PercentOff("1"), limits=Limits(total=9)),
            ],
            stacking=PROGRAM.book.stacking,
        )
        return attrs.evolve(PROGRAM, book=book, campaigns=())

    def after(self, program: Program, *days: int) -> Membership:
        """Place an order on each of these days."""
        member = MEMBER
        for number, day in enumerate(days):
            at = NOW + day * DAY
            placed = program.place(program.quote(BASKET, member, at=at), member, order_id=f"o-{number}", at=at)
            assert placed.member is not None
            member = placed.member.state
        return member

    def test_each_in_its_span(self) -> None:
        """Today once, three times in all."""
        program = self.program(per_member=Times(per_day=1, lifetime=3))
        for days, expected in (((), []), ((0,), ["per_day"]), ((0, 1, 2), ["per_day", "lifetime"])):
            member = self.after(program, *days)
            at = NOW + (days[-1] if days else 0) * DAY
            refusals = program.quote(BASKET, member, at=at).offers.refused.get("a", ())
            assert [refusal.details["period"] for refusal in refusals] == expected
        member = self.after(program, 0, 1)
        assert "a" not in program.quote(BASKET, member, at=NOW + 2 * DAY).offers.refused
        assert "a" in program.quote(BASKET, member, at=NOW + DAY + 11 * HOUR).offers.refused
        assert "a" not in program.quote(BASKET, member, at=NOW + DAY + 12 * HOUR).offers.refused  # midnight in Paris

    def test_its_own_order_does_not_count(self) -> None:
        """What the order that asks uses already is its own."""
        program = self.program(per_member=1)
        member = self.after(program, 0)
        calendar, book = program.calendar, program.book
        seen = [
            with_own_uses(NO_VIEW, book, member, order_id=order_id, at=NOW, calendar=calendar).used_of("a").by_member
            for order_id in (None, "o-0", "o-1")
        ]
        assert seen == [1, 0, 1]

    def test_what_the_shop_counted_counts_too(self) -> None:
        """The greater of the two; what is the shared limits' stays as it is."""
        program = self.program(per_member=Times(per_day=5, lifetime=9))
        member = self.after(program, 0, 0)
        for counted, ever, today in ((1, 2, 2), (7, 7, 3)):
            shop = {
                "a": Used(times=8, by_member=counted, by_member_in={Span.DAY: 3 if counted == 7 else 1, Span.WEEK: 4}),
                "b": Used(times=4),
            }
            view = with_own_uses(View(used=shop), program.book, member, order_id=None, at=NOW, calendar=PARIS)
            assert view.used_of("a") == Used(
                times=8, by_member=ever, by_member_in={Span.DAY: today, Span.WEEK: 4, Span.EVER: ever}
            )
            assert view.used_of("b") == Used(times=4)

    def test_without_uses_nothing_is_added(self) -> None:
        """Of a guest nothing is known, and a member who used nothing adds nothing."""
        program = self.program(per_member=1)
        for membership in (None, MEMBER):
            assert with_own_uses(NO_VIEW, program.book, membership, order_id=None, at=NOW, calendar=PARIS) is NO_VIEW

    def test_which_are_kept(self) -> None:
        """An order of a member names the offers it uses of which one member has only so many."""
        program = self.program(per_member=5)
        placed = program.place(program.quote(BASKET, MEMBER, at=NOW), MEMBER, order_id="1", at=NOW)
        assert placed.fact.offers_per_member == ("a",)


def card(amount: str = "30.00", name: str = "card-1", *, currency: str = "EUR", **terms: Any) -> GiftCard:  # noqa: ANN401
    """Issue a gift card."""
    return GiftCard.open(name).issue(Money.of(amount, currency), ref=f"sale-{name}", expires_at=None, at=NOW, **terms).state


def paid(*cards: GiftCard, asked: tuple[str, ...] | None = None, basket: Basket = BASKET, at: datetime = NOW) -> Quote:
    """Pay the basket with cards."""
    view = View(cards={one.card_id: one for one in cards})
    return PROGRAM.quote(basket, cards=asked or [one.card_id for one in cards], view=view, at=at)


def amounts(quote: Quote) -> list[str]:
    """Say what each card pays."""
    return [str(answer.paid.decimal) for answer in quote.cards.values()]


class TestPay:
    def test_part(self) -> None:
        """All it holds, and the rest is to pay."""
        quote = paid(card())
        assert (quote.total, quote.to_pay, amounts(quote)) == (euros("100"), euros("70"), ["30.00"])
        assert quote.cards["card-1"].refusal is None

    def test_one_after_the_other(self) -> None:
        """In the order they are asked; when nothing is left the next pays nothing, and that is no refusal."""
        quote = paid(
            card("70.00"), card("70.00", "card-2"), card("5.00", "card-3"), asked=("card-2", "card-1", "card-3", "card-2")
        )
        assert list(quote.cards) == ["card-2", "card-1", "card-3"]
        assert (amounts(quote), quote.to_pay) == (["70.00", "30.00", "0.00"], euros("0"))
        assert {answer.refusal for answer in quote.cards.values()} == {None}
        assert [one.card_id for one in quote.card_payments] == ["card-2", "card-1"]

    def test_nothing_to_pay(self) -> None:
        """Of a basket that costs nothing."""
        quote = paid(card(), basket=Basket.of("EUR", {"bell": "0"}))
        assert (amounts(quote), quote.cards["card-1"].refusal) == (["0.00"], None)

    @pytest.mark.parametrize(
        "found,reason",
        [
            (None, "card_not_found"),
            (GiftCard.open("card-1"), "card_not_found"),
            (card(currency="USD"), "card_currency_mismatch"),
            (card().block(reason="lost", actor="ann", at=NOW).state, "card_blocked"),
            (card().pay(euros("30"), ref="x", at=NOW).state, "card_spent"),
            (card(minimum=euros("100.01")), "basket_below_threshold"),
            (card(only=Filter(products=["bell"])), "card_goods_mismatch"),
        ],
    )
    def test_refusals(self, found: GiftCard | None, reason: str) -> None:
        """It pays nothing and says why; the next one pays all the same."""
        cards = [card("5.00", "card-2")] if found is None else [found, card("5.00", "card-2")]
        quote = paid(*cards, asked=("card-1", "card-2"))
        assert (amounts(quote), quote.to_pay) == (["0.00", "5.00"], euros("95"))
        refusal = quote.cards["card-1"].refusal
        assert refusal is not None
        assert refusal.reason.value == reason

    def test_what_whoever_loaded_it_refused(self) -> None:
        """Comes first, whatever the card would say; it pays nothing."""
        refusal = Refusal(Reason.CARD_UNKNOWN)
        view = View(cards={"card-1": card()}, refused_cards={"card-1": refusal})
        quote = PROGRAM.quote(BASKET, cards=["card-1"], view=view, at=NOW)
        assert (amounts(quote), quote.cards["card-1"].refusal, quote.to_pay) == (["0.00"], refusal, euros("100"))

    def test_what_refusals_tell(self) -> None:
        """The card of the shop's own id, and the currency it has."""
        assert paid(card("5", "card-2"), asked=("card-1",)).cards["card-1"].refusal == Refusal(
            Reason.CARD_NOT_FOUND, {"card_id": "card-1"}
        )
        assert paid(card(currency="USD")).cards["card-1"].refusal == Refusal(Reason.CARD_CURRENCY_MISMATCH, {"currency": "USD"})

    def test_only_some_goods(self) -> None:
        """A card for bells pays bells, after offers, and no shipping; two of them never pay the same bell."""
        basket = Basket(
            [Line("1", euros("20"), product_id="bell"), Line("2", euros("10"), 2, product_id="lamp")], shipping=euros("5")
        )
        bells, lamps = Filter(products=["bell"]), Filter(products=["lamp"])
        quote = paid(card("50", only=bells), card("50", "card-2", only=bells), card("50", "card-3"), basket=basket)
        assert amounts(quote) == ["20.00", "0.00", "25.00"]
        assert quote.cards["card-2"].refusal == Refusal(Reason.CARD_GOODS_MISMATCH, {"payable_minor": 0, "currency": "EUR"})
        quote = paid(card("15", only=bells), card("50", "card-2", only=bells), card("50", "card-3", only=lamps), basket=basket)
        assert (amounts(quote), quote.to_pay) == (["15.00", "5.00", "20.00"], euros("5"))
        both = Filter(products=["bell", "lamp"])
        quote = paid(card("30", only=both), card("50", "card-2", only=lamps), card("50", "card-3", only=bells), basket=basket)
        assert sum(quote.cards[name].paid.minor_units for name in quote.cards) == 4000

    def test_after_offers(self) -> None:
        """A card pays what is left to pay for its goods."""
        program = attrs.evolve(
            PROGRAM, campaigns=(), book=OfferBook([Offer("half", give=PercentOff("50"))], stacking=PROGRAM.book.stacking)
        )
        one = card("100", only=Filter(products=["helmet"]))
        quote = program.quote(BASKET, cards=["card-1"], view=View(cards={"card-1": one}), at=NOW)
        assert (amounts(quote), quote.to_pay) == (["50.00"], euros("0"))

    def test_a_card_of_one_use(self) -> None:
        """Pays once."""
        once = card("30", uses=CardUses.ONE)
        assert amounts(paid(once)) == ["30.00"]
        assert paid(once.pay(euros("1"), ref="x", at=NOW).state).cards["card-1"].refusal is not None

    @pytest.mark.law(37)
    @given(
        st.lists(st.tuples(st.integers(1, 6000), st.sampled_from([None, "helmet", "bell"])), min_size=1, max_size=4),
        st.integers(0, 5000),
        st.integers(0, 5000),
        st.integers(0, 900),
    )
    def test_cards_never_pay_more_than_there_is(
        self, cards: list[tuple[int, str | None]], helmet: int, bell: int, shipping: int
    ) -> None:
        """Each within what it holds, cards for some goods within those, all within the total; none spares its money."""
        basket = Basket(
            [Line("1", Money(helmet, "EUR"), product_id="helmet"), Line("2", Money(bell, "EUR"), product_id="bell")],
            shipping=Money(shipping, "EUR"),
        )
        found = [
            card(str(Money(minor, "EUR").decimal), f"c-{place}", only=None if goods is None else Filter(products=[goods]))
            for place, (minor, goods) in enumerate(cards)
        ]
        quote = paid(*found, basket=basket)
        pays = [answer.paid.minor_units for answer in quote.cards.values()]
        assert all(0 <= part <= minor for part, (minor, _) in zip(pays, cards, strict=True))
        assert quote.to_pay.minor_units == quote.total.minor_units - sum(pays) >= 0
        for product, price in (("helmet", helmet), ("bell", bell)):
            assert sum(part for part, (_, goods) in zip(pays, cards, strict=True) if goods == product) <= price
        if quote.to_pay.minor_units:
            assert all(part == minor for part, (minor, goods) in zip(pays, cards, strict=True) if goods is None)


class TestInOneQuote:
    def test_at_most_so_many_ids(self) -> None:
        """Coupons chosen and cards asked are few."""
        for name in ("coupons", "cards"):
            with pytest.raises(UsageError, match="at most 20"):
                PROGRAM.quote(BASKET, at=NOW, **{name: [str(number) for number in range(21)]})  # type: ignore[arg-type]

    def test_all_of_it_at_once(self) -> None:
        """A code of people, one of a machine, a coupon by itself, a gift card: each takes what the others leave."""
        view = View(
            codes={TYPED: ReadCode(coupon=batch(), proven=True)}, coupons=[held("sorry")], cards={"card-1": card("200.00")}
        )
        quote = PROGRAM.quote(BASKET, MEMBER, codes=["SUMMER10", TYPED], cards=["card-1"], view=view, at=NOW)
        assert applied(quote) == ["SUMMER10", "sorry", "welcome"]
        assert (quote.total, quote.to_pay, amounts(quote)) == (euros("82"), euros("0"), ["82.00"])
        placed = PROGRAM.place(quote, MEMBER, order_id="1", view=view, at=NOW)
        assert {one.campaign_id for one in placed.fact.coupons_redeemed} == {"sorry", "welcome"}
        assert placed.fact.codes == ("SUMMER10",)

    def test_a_window_ends_what_a_coupon_opens(self) -> None:
        """Without an end of its own a coupon counts as long as the campaign's window."""
        july = CouponCampaign("july", give=Several([PercentOff("10")]), codes=None, window=Window(starts_at=None, ends_at=NOW))
        program = attrs.evolve(PROGRAM, campaigns=(*PROGRAM.campaigns.values(), july))
        view = View(coupons=[held("july", ends=None)])
        quote = program.quote(BASKET, MEMBER, coupons=["july/t-1"], view=view, at=NOW)
        assert told(quote) == {"july/t-1": ("july", "offer_expired")}
        assert program.campaigns["SUMMER10"].codes == HUMAN
