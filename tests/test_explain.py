"""A whole quote in words: what is paid, why, and what is still in reach."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import attrs
import pytest

from loyaltycore import Basket, Line, Membership, Money, Program, Quote
from loyaltycore._explain import explain
from loyaltycore.basket import Filter
from loyaltycore.benefits import (
    BonusPoints,
    FreeShipping,
    Gift,
    NextCoupon,
    PercentOff,
    QuantityLadder,
    Several,
    SpendLadder,
)
from loyaltycore.conditions import (
    Across,
    AnyOf,
    Base,
    Condition,
    Situation,
    all_of,
    code_presented,
    contains,
    coupon_held,
    during,
    first_order,
    in_market,
    in_tier,
    is_member,
    leaves,
    member_tagged,
    nth_order,
    own,
    paid_by,
    past_discount_at_least,
    points_at_least,
    products_at_least,
    quantity_at_least,
    spend_at_least,
    via_channel,
)
from loyaltycore.gift_cards import GiftCard
from loyaltycore.languages import Catalogue, Missing
from loyaltycore.members import Profile
from loyaltycore.messages import Language
from loyaltycore.offers import Combines, Lane, Limits, Mode, Offer, OfferBook, Stacking, View
from loyaltycore.periods import Window
from tests.programs import NOW, velo

HELMETS: Final = Filter(categories=["helmets"])
BASKET: Final = Basket(
    [
        Line("1", Money.of("79.90", "EUR"), product_id="helmet", categories=["helmets"]),
        Line("2", Money.of("12.50", "EUR"), 2, product_id="bell"),
    ]
)


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


def shop(*offers: Offer, mode: Mode = Mode.ALL) -> Program:
    """Give the bicycle shop other offers."""
    return attrs.evolve(velo(), book=OfferBook(offers, stacking=Stacking(mode)))


def off(offer_id: str, when: Condition | None = None, percent: str = "10", **more: object) -> Offer:
    """Make an offer of some percent off."""
    return Offer(offer_id, when=all_of() if when is None else when, give=PercentOff(percent), **more)  # type: ignore[arg-type]


def told(quote: Quote, language: Language = "en") -> list[str]:
    """Explain, one line for each thing, with plain blanks."""
    return explain(quote, language).replace("\N{NARROW NO-BREAK SPACE}", " ").splitlines()


class Cents:
    """A shop's own condition: the last digit is even, or odd."""

    def __init__(self, rest: int) -> None:
        """Say which."""
        self.own_id = f"cents-{rest}"
        self._rest = rest

    def holds(self, situation: Situation) -> bool:
        """Look at the last digit."""
        return situation.basket.subtotal.minor_units % 2 == self._rest


WHY: Final[Mapping[str, tuple[Condition, str, str]]] = {
    "spend": (
        spend_at_least(euros("50")),
        "€104.90 spent, €50.00 needed",
        "104,90 € d'achats, 50,00 € demandés",
    ),
    "spend-of": (
        spend_at_least(euros("50"), of=HELMETS),
        "€79.90 spent on helmets, €50.00 needed",
        "79,90 € d'achats sur helmets, 50,00 € demandés",
    ),
    "units": (quantity_at_least(2), "3 items, 2 needed", "3 articles, 2 demandés"),
    "units-of": (
        quantity_at_least(2, of=Filter(products=["bell"])),
        "2 × bell, 2 needed",
        "2 × bell, 2 demandés",
    ),
    "units-of-one": (
        quantity_at_least(2, across=Across.PRODUCT),
        "2 of one product, 2 needed",
        "2 articles d'un même produit, 2 demandés",
    ),
    "units-of-the-one": (
        quantity_at_least(2, of=Filter(products=["bell"]), across=Across.PRODUCT),
        "2 × bell, 2 needed",
        "2 × bell, 2 demandés",
    ),
    "one-unit": (quantity_at_least(1), "3 items, 1 needed", "3 articles, 1 demandé"),
    "contains": (contains(HELMETS), "helmets in the basket", "helmets dans le panier"),
    "products": (products_at_least(2), "2 different products, 2 needed", "2 produits différents, 2 demandés"),
    "products-of": (
        products_at_least(1, of=HELMETS),
        "1 different product from helmets, 1 needed",
        "1 produit différent parmi helmets, 1 demandé",
    ),
    "member": (is_member(), "a member", "membre"),
    "tier": (in_tier("gold", "silver"), "tier gold", "niveau gold"),
    "tag": (member_tagged("student", "press"), "a person marked student", "profil student"),
    "market": (in_market("FR", "BE"), "market FR", "marché FR"),
    "channel": (via_channel("web"), "bought through web", "achat par web"),
    "payment": (paid_by("card"), "paid by card", "paiement par card"),
    "code": (code_presented("SUMMER10"), "code SUMMER10", "code SUMMER10 saisi"),
    "coupon": (coupon_held("welcome"), "a coupon of welcome", "un bon de welcome"),
    "second": (nth_order(2), "order number 2", "commande numéro 2"),
    "time": (during(window=Window(starts_at=NOW, ends_at=None)), "the time is right", "valable en ce moment"),
    "points": (
        points_at_least(500),
        "1,200 points on the account, 500 needed",
        "1 200 points sur le compte, 500 demandés",
    ),
    "past": (
        past_discount_at_least("10"),
        "€10.00 off €100.00 in earlier orders",
        "10,00 € de remise sur 100,00 € d'achats passés",
    ),
    "own": (own(Cents(0)), "cents-0", "cents-0"),
    "not": (~first_order(), "not excluded: this order", "pas d'exclusion pour cette commande"),
    "not-own": (~own(Cents(1)), "not excluded: cents-1", "pas d'exclusion pour cents-1"),
    "not-several": (
        ~(first_order() & is_member()),
        "not excluded: several things at once",
        "pas d'exclusion pour plusieurs choses à la fois",
    ),
    "either": (AnyOf((first_order(), is_member())), "a member", "membre"),
    "always": (all_of(), "", ""),
}


def because(when: Condition, language: Language) -> str:
    """Explain why an offer applies in a situation that has everything; without the brackets."""
    book = OfferBook([off("deal", when)], stacking=Stacking(Mode.ALL))
    situation = book.situation(
        attrs.evolve(BASKET, market="FR", channel="web", payment="card"),
        is_member=True,
        order_count=1,
        codes=["SUMMER10"],
        coupons=["welcome"],
        tier="gold",
        points=1200,
        past_list_minor=10_000,
        past_discount_minor=1_000,
        profile=Profile(tags=["student"]),
        at=NOW,
    )
    quote = attrs.evolve(shop().quote(BASKET, at=NOW), offers=book.evaluate(situation))
    line = told(quote, language)[2]
    assert line.startswith("deal, ")
    return line.partition(" (")[2].removesuffix(")")


class TestWhy:
    @pytest.mark.parametrize("name", WHY)
    def test_every_condition_says_why_it_is_met(self, name: str) -> None:
        """In both languages, with what was found and what was needed; one that always holds says nothing."""
        when, english, french = WHY[name]
        assert because(when, "en") == english
        assert because(when, "fr") == french

    def test_several_reasons(self) -> None:
        """Each part that holds, in its order."""
        quote = shop(off("deal", spend_at_least(euros("50")) & contains(HELMETS))).quote(BASKET, at=NOW)
        assert "deal, 10% off: −€10.49 (€104.90 spent, €50.00 needed; helmets in the basket)" in told(quote)
        assert "deal, −10 % : −10,49 € (104,90 € d'achats, 50,00 € demandés ; helmets dans le panier)" in told(quote, "fr")

    def test_a_first_order(self) -> None:
        """A guest's is the first."""
        assert "deal, 10% off: −€10.49 (a first order)" in told(shop(off("deal", first_order())).quote(BASKET, at=NOW))

    def test_what_the_offers_before_have_left(self) -> None:
        """A threshold on running prices is told with these."""
        half = off("half", percent="50", lane=Lane.PRODUCT)
        then = off("then", spend_at_least(euros("50"), base=Base.RUNNING))
        said = told(shop(half, then).quote(BASKET, at=NOW))
        assert "half, 50% off: −€52.45" in said
        assert "then, 10% off: −€10.49 (€52.45 spent, €50.00 needed)" in said


class TestRewards:
    def test_ladders_say_the_rung_that_is_reached(self) -> None:
        """Of amounts and of units."""
        spend = SpendLadder({euros("50"): PercentOff("5"), euros("100"): PercentOff("10"), euros("200"): PercentOff("20")})
        units = QuantityLadder([(1, FreeShipping()), (3, Gift("bottle"))])
        quote = shop(Offer("more", when=all_of(), give=spend), Offer("many", when=all_of(), give=units)).quote(BASKET, at=NOW)
        assert "more, 10% off: −€10.49" in told(quote)
        assert "many: a free bottle" in told(quote)

    def test_a_ladder_that_is_not_reached(self) -> None:
        """Says all its rungs."""
        book = [
            Offer("far", when=is_member(), give=SpendLadder({euros("500"): PercentOff("5")})),
            Offer("many", when=is_member(), give=QuantityLadder({50: PercentOff("5")})),
        ]
        said = told(shop(*book).quote(BASKET, at=NOW))
        assert "far, 5% off from €500.00: not applied; this is for members" in said
        assert "many, 5% off with 50 or more items: not applied; this is for members" in said

    def test_what_an_offer_takes_off_at_most(self) -> None:
        """Beside what it gives, applied or not."""
        capped = off("capped", discount_limit=euros("5"))
        far = Offer("far", when=is_member(), give=PercentOff("20"), discount_limit=euros("5"))
        said = told(shop(capped, far).quote(BASKET, at=NOW))
        assert "capped, 10% off, at most €5.00: −€5.00" in said
        assert "far, 20% off, at most €5.00: not applied; this is for members" in said

    def test_gifts_points_and_coupons(self) -> None:
        """What comes besides a lower price: beside the goods, with the points, and for later."""
        give = Several([Gift("bottle", 2), BonusPoints(50, expires=None), NextCoupon("welcome-back")])
        member = Membership.open("m-42").join(at=NOW).state
        quote = shop(Offer("thanks", when=is_member(), give=give)).quote(BASKET, member, at=NOW)
        assert told(quote) == [
            "1 × helmet: €79.90",
            "2 × bell: €25.00",
            "thanks: 2 × bottle free, 50 bonus points and a coupon for a later order (a member)",
            "Shipping: not known yet",
            "2 × bottle: a gift",
            "Total: €104.90",
            "Points to earn: 154, 50 of them bonus",
            "For a later order: welcome-back",
            "Tier after this order: bronze",
        ]
        assert told(quote, "fr")[4:8] == [
            "2 × bottle : en cadeau",
            "Total : 104,90 €",
            "Points à gagner : 154, dont bonus 50",
            "Pour une prochaine commande : welcome-back",
        ]

    def test_names_are_the_shops(self) -> None:
        """A catalogue names products, offers, tiers and coupons."""
        names = {"helmet": "Stadthelm", "deal": "Sommeraktion", "bronze": "Bronze", "later": "Wiedersehen", "bottle": "Flasche"}
        german = Catalogue("de", {}, names=names, missing=Missing.ENGLISH)
        give = Several([PercentOff("10"), Gift("bottle"), NextCoupon("later")])
        member = Membership.open("m-42").join(at=NOW).state
        said = told(
            shop(Offer("deal", when=in_market("FR"), give=give), off("gold", in_tier("bronze"))).quote(
                attrs.evolve(BASKET, market="FR"), member, at=NOW
            ),
            german,
        )
        assert said[0].startswith("1 × Stadthelm: ")
        assert said[2].startswith("Sommeraktion, 10% off, a free Flasche and a coupon for a later order: −")
        assert "1 × Flasche: a gift" in said
        assert "For a later order: Wiedersehen" in said
        assert "Tier after this order: Bronze" in said


class TestOthers:
    def test_the_nearest_few_of_a_thousand(self) -> None:
        """Five at most, the nearest first, then how many more do not apply."""
        far = [off(f"far-{n:04}", spend_at_least(euros(f"{200 + n}")) & is_member()) for n in range(996)]
        near = [
            off("gave-way", percent="5"),
            off("is-best", percent="50"),
            off("units", quantity_at_least(5) & spend_at_least(euros("106"))),
            off("expired", window=Window(starts_at=None, ends_at=NOW)),
        ]
        quote = shop(*far, *near, mode=Mode.PRIORITY).quote(BASKET, at=NOW)
        others = [line for line in told(quote) if "not applied" in line or "not apply" in line]
        assert others[-1] == f"{1000 - 1 - 5} more offers do not apply"
        assert len(others) == 6
        assert len(told(quote)) < 20

    def test_order(self) -> None:
        """What gave way, what a shopper can mend, what is not for this shopper, what is over; each group nearest first."""
        offers = [
            off("a-over", window=Window(starts_at=None, ends_at=NOW)),
            off("b-member", is_member()),
            off("c-gave-way", percent="5"),
            off("d-units", quantity_at_least(9) & spend_at_least(euros("110"))),
            off("e-best", percent="50", priority=1),
        ]
        quote = attrs.evolve(shop(*offers, mode=Mode.PRIORITY).quote(BASKET, at=NOW))
        named = [line.partition(",")[0] for line in told(quote) if "not applied" in line]
        assert named == ["c-gave-way", "d-units", "b-member", "a-over"]
        assert "c-gave-way, 5% off: not applied; e-best is applied instead" in told(quote)
        assert "d-units, 10% off: not applied; €5.10 short of €110.00; 6 items short of 9" in told(quote)
        assert (
            "d-units, −10 % : non appliqué ; il manque 5,10 € pour atteindre 110,00 € ; il manque 6 articles pour en avoir 9"
            in told(quote, "fr")
        )

    def test_one_more_than_is_told(self) -> None:
        """Is said in the singular; exactly as many as are told leave nothing to say."""
        offers = [off(f"tier-{n}", in_tier(f"rung-{n}")) for n in range(6)]
        assert told(shop(*offers).quote(BASKET, at=NOW))[-1] == "1 more offer does not apply"
        assert told(shop(*offers[:5]).quote(BASKET, at=NOW))[-1] == "tier-4, 10% off: not applied; this is for tier rung-4"

    def test_offers_behind_codes_stay_unsaid_and_uncounted(self) -> None:
        """Also where something else is missing too: a page is no list of codes, and tells not how many there are."""
        hidden = [off(f"hidden-{n}", code_presented(f"SECRET{n}") & is_member()) for n in range(50)]
        quote = shop(off("open", is_member()), *hidden).quote(BASKET, at=NOW)
        for language in ("en", "fr"):
            assert not [line for line in told(quote, language) if "hidden" in line or "SECRET" in line or "more" in line]
        assert told(quote)[-1] == "open, 10% off: not applied; this is for members"

    def test_codes_are_answered(self) -> None:
        """Each entered code once: applied, refused with why, or no code at all; its offer is not told again."""
        offers = [
            off("summer", code_presented("SUMMER10")),
            off("club", code_presented("CLUB") & is_member()),
            off("later", code_presented("LATER"), window=Window(starts_at=datetime(2026, 12, 1, tzinfo=UTC), ends_at=None)),
        ]
        quote = shop(*offers).quote(BASKET, codes=["summer 10", "CLUB", "LATER", "NOPE"], at=NOW)
        assert told(quote)[-4:] == [
            "Code summer 10: applied (summer)",
            "Code CLUB: this is for members",
            "Code LATER: from 1 December 2026",
            "Code NOPE: this is no valid code",
        ]

    def test_few_nudges(self) -> None:
        """Five at most; an offer that has one is not told among the others."""
        offers = [off(f"from-{n}", spend_at_least(euros(f"{110 + n}"))) for n in range(8)]
        quote = shop(*offers).quote(BASKET, at=NOW)
        assert len(quote.nudges) == 8
        said = told(quote)
        assert said[-5:] == [f"Spend €{5 + n}.10 more for 10% off" for n in range(5)]
        assert [line.partition(",")[0] for line in said if "not applied" in line] == ["from-5", "from-6", "from-7"]

    def test_limits_and_exclusive_offers(self) -> None:
        """Why they are not there is said in words."""
        offers = [
            off("alone", percent="50", combines=Combines.ALONE),
            off("other", percent="20", limits=Limits(total=5)),
        ]
        assert told(shop(*offers).quote(BASKET, at=NOW))[-1] == "other, 20% off: not applied; alone is applied instead"


class TestMoney:
    def test_in_its_order(self) -> None:
        """Goods, offers, burned points, shipping, total, points, tier, codes, burn."""
        member = Membership.open("m-42").join(at=NOW).state.earn(800, ref="welcome", expires_at=None, at=NOW).state
        quote = shop(off("deal", is_member())).quote(
            attrs.evolve(BASKET, shipping=euros("4.90")), member, codes=["NOPE"], burn=900, at=NOW
        )
        assert [line.partition(":")[0] for line in told(quote)] == [
            "1 × helmet",
            "2 × bell",
            "deal, 10% off",
            "800 points",
            "Shipping",
            "Total",
            "Points to earn",
            "Tier after this order",
            "Code NOPE",
            "Points asked",
        ]
        assert len(told(quote, "fr")) == len(told(quote))

    @pytest.mark.parametrize(
        "prices,shipping,said",
        [
            ({"bell": "12.50"}, None, "Shipping: not known yet"),
            ({"bell": "12.50"}, "4.90", "Shipping: €4.90"),
            ({"bike": "1200"}, "4.90", "Shipping: €0.00 instead of €4.90"),
            ({"bike": "1200"}, None, "Shipping: €0.00"),
            ({"bike": "1200"}, "0", "Shipping: €0.00"),
        ],
    )
    def test_shipping(self, prices: dict[str, str], shipping: str | None, said: str) -> None:
        """What it was where an offer eased it, and whether it is known."""
        basket = Basket.of("EUR", prices)
        known = basket if shipping is None else attrs.evolve(basket, shipping=euros(shipping))
        assert [line for line in told(velo().quote(known, at=NOW)) if line.startswith("Shipping")] == [said]

    def test_to_pay_when_it_is_not_the_total(self) -> None:
        """What is left after payments is a line of its own."""
        quote = velo().quote(BASKET, at=NOW)
        assert "To pay: €2.50" not in told(quote)
        assert "To pay: €2.50" in told(attrs.evolve(quote, to_pay=euros("2.50")))


class TestCompleteness:
    def test_every_kind_of_condition_is_in_the_table(self) -> None:
        """A new kind has words, or is missed here."""
        every = {type(when) for when, _, _ in WHY.values()} | {type(part) for when, _, _ in WHY.values() for part in leaves(when)}
        assert every == set(Condition.__args__)


class TestCut:
    """What a limit keeps back is said: the shopper was promised the whole."""

    def test_a_limit_of_all_offers_is_told(self) -> None:
        """Three for two under thirty per cent in all."""
        rules = velo_with('mode = "all"\ndiscount_share = "30 %"', "{ buy = 2, get = 1 }")
        basket = Basket([Line("1", Money.of("7.50", "EUR"), 3, product_id="tube")])
        quote = rules.quote(basket, at=NOW)
        assert "deal, 3 for 2: −€6.75; a limit keeps €0.75 of it back" in quote.explain().splitlines()
        assert "deal, 3 pour le prix de 2 : −6,75 € ; une limite en retient 0,75 €" in " ".join(quote.explain("fr").split())


def velo_with(stacking: str, give: str) -> Program:
    """Make a program of one offer."""
    head = '[program]\nname = "velo"\nversion = 1\ncurrency = "EUR"\nzone = "Europe/Paris"\nstarts_on = 2026-01-01\n'
    return Program.parse(f'{head}[stacking]\n{stacking}\n[[offers]]\nid = "deal"\ngive = {give}\n')


class TestCards:
    """What gift cards pay, and why one does not."""

    def test_paid_and_refused(self) -> None:
        """Each card in its order; one that has nothing to pay any more is not spoken of."""
        cards = {
            f"card-{number}": GiftCard.open(f"card-{number}").issue(euros(amount), ref="r", expires_at=None, at=NOW).state
            for number, amount in enumerate(("4", "500", "5"))
        }
        asked = ["card-0", "unknown", "card-1", "card-2"]
        quote = velo_with('mode = "all"', "{ percent_off = '10' }").quote(
            Basket.of("EUR", {"tube": "10"}), cards=asked, view=View(cards=cards), at=NOW
        )
        told = quote.explain().splitlines()
        assert [line for line in told if "ift card" in line] == [
            "Paid by gift card: €4.00",
            "Gift card: this is no valid gift card",
            f"Paid by gift card: {quote.cards['card-1'].paid.decimal and '€'}{quote.cards['card-1'].paid.decimal}",
        ]
