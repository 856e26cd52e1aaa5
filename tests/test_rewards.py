"""Benefits and nudges in a few words."""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from typing import Final

import attrs
import pytest

from loyaltycore import Money
from loyaltycore._rewards import count_text, goods_text, list_text, nudge_text, reward_text
from loyaltycore.basket import Basket, Filter, Line, PriceState
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    Fill,
    FixedPrice,
    FreeShipping,
    Gift,
    NextCoupon,
    Part,
    Per,
    PercentOff,
    Pick,
    PointsTimes,
    QuantityLadder,
    Reward,
    Several,
    ShippingAmountOff,
    ShippingPercentOff,
    ShippingPrice,
    SpendLadder,
    Units,
    cheapest_free,
    n_for_m,
)
from loyaltycore.conditions import Across, Condition, quantity_at_least, spend_at_least
from loyaltycore.errors import UsageError
from loyaltycore.languages import Catalogue, Missing
from loyaltycore.offers import Mode, Nudge, Offer, OfferBook, Stacking
from loyaltycore.quantities import Rate
from tests.programs import NOW

HELMETS: Final = Filter(categories=["helmets"])
BELL: Final = Filter(products=["bell"])


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


@attrs.frozen(kw_only=True)
class Lacking:
    """What a nudge says."""

    give: Benefit = PercentOff("10")
    discount_limit: Money | None = None
    of: Filter = Filter()
    across: Across = Across.BASKET
    missing: Money | None = None
    missing_units: int | None = None
    missing_products: int | None = None


PRICES: Final = [
    (PercentOff("10"), "10% off", "−10 %"),
    (PercentOff("2.5", of=HELMETS), "2.5% off helmets", "−2,5 % sur helmets"),
    (
        PercentOff("10", exclude_tags=["sale"]),
        "10% off items not tagged sale",
        "−10 % sur les articles sans la mention sale",
    ),
    (
        PercentOff("10", of=Filter(exclude_tags=["gift-card"]), exclude_tags=["sale"]),
        "10% off items not tagged gift-card or sale",
        "−10 % sur les articles sans la mention gift-card ou sale",
    ),
    (PercentOff("100"), "every item free", "chaque article offert"),
    (PercentOff("100", of=HELMETS), "helmets free", "helmets en cadeau"),
    (PercentOff("10", units=Units(first=Pick.DEAREST)), "10% off", "−10 %"),
    (cheapest_free(), "the cheapest item free", "l'article le moins cher offert"),
    (cheapest_free(of=HELMETS), "the cheapest of helmets free", "l'article le moins cher offert parmi helmets"),
    (PercentOff("50", units=Units(at_most=1)), "50% off the cheapest item", "−50 % sur l'article le moins cher"),
    (
        PercentOff("50", of=HELMETS, units=Units(first=Pick.DEAREST, at_most=1)),
        "50% off the dearest of helmets",
        "−50 % sur l'article le plus cher parmi helmets",
    ),
    (
        PercentOff("100", units=Units(first=Pick.DEAREST, at_most=2)),
        "the 2 dearest items free",
        "les 2 articles les plus chers en cadeau",
    ),
    (
        PercentOff("100", units=Units(first=Pick.DEAREST, at_most=1)),
        "the dearest item free",
        "l'article le plus cher en cadeau",
    ),
    (
        PercentOff("100", units=Units(at_most=1, skip=1)),
        "up to 1 item, leaving out the cheapest, free",
        "1 article au plus, sans le moins cher, en cadeau",
    ),
    (PercentOff("50", units=Units(every=3)), "50% off one item in 3", "−50 % sur un article sur 3"),
    (
        PercentOff("50", units=Units(every=3, skip=1)),
        "50% off one item in 3, leaving out the cheapest",
        "−50 % sur un article sur 3, sans le moins cher",
    ),
    (
        PercentOff("50", of=HELMETS, units=Units(every=2, skip=2, first=Pick.DEAREST)),
        "50% off one in 2 of helmets, leaving out the 2 dearest",
        "−50 % sur un article sur 2 parmi helmets, sans les 2 plus chers",
    ),
    (
        PercentOff("50", units=Units(skip=1)),
        "50% off all but the cheapest item",
        "−50 % sur tous les articles sauf le moins cher",
    ),
    (
        PercentOff("50", of=HELMETS, units=Units(skip=1, first=Pick.DEAREST)),
        "50% off all but the dearest of helmets",
        "−50 % sur tous les articles parmi helmets sauf le plus cher",
    ),
    (
        PercentOff("50", of=HELMETS, units=Units(skip=3)),
        "50% off all but the 3 cheapest of helmets",
        "−50 % sur tous les articles parmi helmets sauf les 3 moins chers",
    ),
    (
        PercentOff("50", units=Units(skip=3, first=Pick.DEAREST)),
        "50% off all but the 3 dearest items",
        "−50 % sur tous les articles sauf les 3 plus chers",
    ),
    (PercentOff("50", units=Units(sets_of=2)), "50% off full sets of 2 items", "−50 % sur chaque lot de 2 articles"),
    (
        PercentOff("50", of=HELMETS, units=Units(each_at_most=2)),
        "50% off up to 2 of each product of helmets",
        "−50 % sur 2 articles au plus de chaque produit parmi helmets",
    ),
    (
        PercentOff("10", units=Units(each_at_most=1)),
        "10% off up to 1 of each product",
        "−10 % sur 1 article au plus de chaque produit",
    ),
    (
        PercentOff("50", of=HELMETS, units=Units(at_most=2, skip=1)),
        "50% off up to 2 of helmets, leaving out the cheapest",
        "−50 % sur 2 articles au plus parmi helmets, sans le moins cher",
    ),
    (
        PercentOff("50", units=Units(every=2, sets_of=2, each_at_most=1, at_most=4, skip=2)),
        "50% off one item in 2, in full sets of 2, up to 1 of each product, 4 at most, leaving out the 2 cheapest",
        (
            "−50 % sur un article sur 2, par lots complets de 2, 1 au plus de chaque produit, 4 au plus en tout, "
            "sans les 2 moins chers"
        ),
    ),
    (
        PercentOff("50", units=Units(sets_of=2, skip=1, first=Pick.DEAREST)),
        "50% off full sets of 2 items, leaving out the dearest",
        "−50 % sur chaque lot de 2 articles, sans le plus cher",
    ),
    (AmountOff(euros("5"), per=Per.BASKET), "€5.00 off", "−5,00 €"),
    (AmountOff(euros("5"), per=Per.SHARED, of=HELMETS), "€5.00 off helmets", "−5,00 € sur helmets"),
    (AmountOff(euros("5"), per=Per.UNIT), "€5.00 off each item", "−5,00 € par article"),
    (
        AmountOff(euros("5"), per=Per.UNIT, of=HELMETS, units=Units(at_most=2)),
        "€5.00 off each of the 2 cheapest of helmets",
        "−5,00 € par article sur les 2 articles les moins chers parmi helmets",
    ),
    (AmountOff(euros("5"), per=Per.LINE), "€5.00 off each line", "−5,00 € par ligne"),
    (AmountOff(euros("5"), per=Per.LINE, of=HELMETS), "€5.00 off each line of helmets", "−5,00 € par ligne sur helmets"),
    (FixedPrice(euros("10")), "every item at €10.00", "chaque article à 10,00 €"),
    (FixedPrice(euros("10"), of=HELMETS), "helmets at €10.00 each", "helmets à 10,00 € pièce"),
    (FixedPrice(euros("0")), "every item free", "chaque article offert"),
    (FixedPrice(euros("0"), of=HELMETS), "helmets free", "helmets en cadeau"),
    (FixedPrice(euros("0"), units=Units(at_most=1)), "the cheapest item free", "l'article le moins cher offert"),
    (
        AmountOff(euros("5"), per=Per.SHARED, of=HELMETS, exclude_tags=["sale"]),
        "€5.00 off helmets not tagged sale",
        "−5,00 € sur helmets sans la mention sale",
    ),
]

DEALS: Final = [
    (BundlePrice(euros("20"), parts=[Part(3)]), "3 items for €20.00", "3 articles à 20,00 €"),
    (
        BundlePrice(euros("20"), parts=[Part(1, HELMETS), Part(2, BELL)]),
        "1 item from helmets + 2 × bell for €20.00",
        "1 article parmi helmets + 2 × bell à 20,00 €",
    ),
    (n_for_m(3, 2), "3 for 2", "3 pour le prix de 2"),
    (n_for_m(3, 2, of=HELMETS), "3 for 2 on helmets", "3 pour le prix de 2 sur helmets"),
    (BundlePrice(euros("0"), parts=[Part(3)]), "3 items free", "3 articles en cadeau"),
    (BundlePrice(euros("20"), parts=[Part(3)], times=1), "3 items for €20.00, once", "3 articles à 20,00 €, une seule fois"),
    (n_for_m(3, 2, times=1), "3 for 2, once", "3 pour le prix de 2, une seule fois"),
    (n_for_m(3, 2, times=4), "3 for 2, up to 4 times", "3 pour le prix de 2, 4 fois au plus"),
    (
        BuyGet(buy=Part(2, HELMETS), get=Part(1, BELL), times=2),
        "1 × bell free with 2 items from helmets, up to 2 times",
        "1 × bell en cadeau avec 2 articles parmi helmets, 2 fois au plus",
    ),
    (
        BuyGet(buy=Part(2, HELMETS), get=Part(1, BELL), percent="50"),
        "50% off 1 × bell with 2 items from helmets",
        "−50 % sur 1 × bell avec 2 articles parmi helmets",
    ),
    (
        BuyGet(buy=Part(2, HELMETS), get=Part(1, BELL)),
        "1 × bell free with 2 items from helmets",
        "1 × bell en cadeau avec 2 articles parmi helmets",
    ),
    (
        BuyGet(buy=Part(1), get=Part(1), reward=Reward.SAME),
        "1 more of the same free with 1 item",
        "1 de plus du même produit en cadeau avec 1 article",
    ),
    (
        BuyGet(buy=Part(1), get=Part(1), percent="50"),
        "50% off 1 item with 1 item",
        "−50 % sur 1 article avec 1 article",
    ),
]

REST: Final = [
    (FreeShipping(), "free shipping", "la livraison offerte"),
    (ShippingPercentOff("50"), "50% off shipping", "−50 % sur la livraison"),
    (ShippingAmountOff(euros("2")), "€2.00 off shipping", "−2,00 € sur la livraison"),
    (ShippingPrice(euros("2.90")), "shipping at €2.90", "la livraison à 2,90 €"),
    (ShippingPrice(euros("0")), "free shipping", "la livraison offerte"),
    (ShippingPercentOff("100"), "free shipping", "la livraison offerte"),
    (Gift("bottle"), "a free bottle", "bottle en cadeau"),
    (Gift("bottle", 2), "2 × bottle free", "2 × bottle en cadeau"),
    (BonusPoints(1, expires=None), "1 bonus point", "1 point bonus"),
    (BonusPoints(1500, expires=None), "1,500 bonus points", "1 500 points bonus"),
    (PointsTimes(Rate.times("2")), "double points", "le double de points"),
    (PointsTimes(Rate.times("3"), of=HELMETS), "triple points on helmets", "le triple de points sur helmets"),
    (PointsTimes(Rate.times("1.5")), "points × 1.5", "points × 1,5"),
    (PointsTimes(Rate.times("10")), "points × 10", "points × 10"),
    (PointsTimes(Rate(Fraction(4, 3))), "points × 1.33", "points × 1,33"),
    (NextCoupon("welcome-back"), "a coupon for a later order", "un bon pour une prochaine commande"),
    (
        Several([PercentOff("10"), Gift("bottle"), FreeShipping()]),
        "10% off, a free bottle and free shipping",
        "−10 %, bottle en cadeau et la livraison offerte",
    ),
    (Several([FreeShipping()]), "free shipping", "la livraison offerte"),
    (
        SpendLadder({euros("50"): PercentOff("5"), euros("100"): PercentOff("10")}),
        "5% off from €50.00, 10% off from €100.00",
        "−5 % à partir de 50,00 €, −10 % à partir de 100,00 €",
    ),
    (
        QuantityLadder({3: PercentOff("5")}, of=HELMETS),
        "5% off with 3 or more items from helmets",
        "−5 % dès 3 articles parmi helmets",
    ),
    (
        QuantityLadder({1: PercentOff("5"), 3: PercentOff("10")}, of=BELL),
        "5% off with 1 × bell or more, 10% off with 3 × bell or more",
        "−5 % dès 1 × bell, −10 % dès 3 × bell",
    ),
    (
        QuantityLadder({1: PercentOff("5"), 3: PercentOff("10")}),
        "5% off, 10% off with 3 or more items",
        "−5 %, −10 % dès 3 articles",
    ),
    (
        SpendLadder({euros("0"): PercentOff("5"), euros("50"): PercentOff("10")}, of=HELMETS),
        "5% off, 10% off from €50.00 on helmets",
        "−5 %, −10 % à partir de 50,00 € sur helmets",
    ),
]


class TestRewardText:
    @pytest.mark.parametrize("benefit,english,french", [*PRICES, *DEALS, *REST], ids=count())
    def test_table(self, benefit: Benefit, english: str, french: str) -> None:
        """A few words for each benefit, with the goods where it names some; English unless said."""
        assert reward_text(benefit) == reward_text(benefit, "en") == english
        assert reward_text(benefit, "fr") == french

    @pytest.mark.parametrize(
        "benefit,english,french",
        [
            (PercentOff("10"), "10% off, at most €5.00", "−10 %, 5,00 € au plus"),
            (AmountOff(euros("5"), per=Per.BASKET), "€5.00 off", "−5,00 €"),
            (AmountOff(euros("5.01"), per=Per.SHARED), "€5.01 off, at most €5.00", "−5,01 €, 5,00 € au plus"),
            (AmountOff(euros("1"), per=Per.UNIT), "€1.00 off each item, at most €5.00", "−1,00 € par article, 5,00 € au plus"),
            (ShippingAmountOff(euros("5")), "€5.00 off shipping", "−5,00 € sur la livraison"),
            (FreeShipping(), "free shipping, at most €5.00", "la livraison offerte, 5,00 € au plus"),
            (Gift("bottle"), "a free bottle", "bottle en cadeau"),
            (Gift("bottle", fill=Fill.MISSING), "a free bottle, at most €5.00", "bottle en cadeau, 5,00 € au plus"),
            (BonusPoints(900, expires=None), "900 bonus points", "900 points bonus"),
            (PointsTimes(Rate.times("2")), "double points", "le double de points"),
            (NextCoupon("welcome-back"), "a coupon for a later order", "un bon pour une prochaine commande"),
            (
                Several([AmountOff(euros("3"), per=Per.BASKET), ShippingAmountOff(euros("2"))]),
                "€3.00 off and €2.00 off shipping",
                "−3,00 € et −2,00 € sur la livraison",
            ),
            (
                Several([AmountOff(euros("3"), per=Per.BASKET), ShippingAmountOff(euros("3"))]),
                "€3.00 off and €3.00 off shipping, at most €5.00",
                "−3,00 € et −3,00 € sur la livraison, 5,00 € au plus",
            ),
            (
                QuantityLadder({2: AmountOff(euros("3"), per=Per.BASKET), 4: AmountOff(euros("5"), per=Per.BASKET)}),
                "€3.00 off with 2 or more items, €5.00 off with 4 or more items",
                "−3,00 € dès 2 articles, −5,00 € dès 4 articles",
            ),
        ],
        ids=count(),
    )
    def test_discount_limit(self, benefit: Benefit, english: str, french: str) -> None:
        """Said where it could cut what is given, and not where it never does."""
        assert reward_text(benefit, discount_limit=euros("5")) == english
        assert reward_text(benefit, "fr", discount_limit=euros("5")) == french

    def test_names_are_the_shops(self) -> None:
        """A catalogue says what a product and a category are called."""
        own = Catalogue("de", {}, names={"bottle": "Flasche", "helmets": "Helme"}, missing=Missing.ENGLISH)
        assert reward_text(Gift("bottle"), own) == "a free Flasche"
        assert reward_text(PercentOff("10", of=HELMETS), own) == "10% off Helme"

    def test_other_things_are_no_benefit(self) -> None:
        """A percentage alone is none."""
        with pytest.raises(UsageError, match=r"^a benefit must be one of this module's, got '10'$"):
            reward_text("10")  # type: ignore[arg-type]  # the point


class TestGoods:
    @pytest.mark.parametrize(
        "of,english,french",
        [
            (Filter(), "", ""),
            (
                Filter(exclude_tags=["sale"], exclude_products=["bell", "pump"]),
                "items not tagged sale except bell or pump",
                "les articles sans la mention sale sauf bell ou pump",
            ),
            (Filter(products=["bell", "pump"], exclude_products=["pump"]), "bell", "bell"),
            (Filter(products=["bell"], exclude_products=["bell"]), "bell", "bell"),
            (
                Filter(price_from=Money.of("5", "EUR"), price_to=Money.of("5", "EUR"), exclude_tags=["sale"]),
                "items at €5.00 not tagged sale",
                "les articles à 5,00 € sans la mention sale",
            ),
            (HELMETS, "helmets", "helmets"),
            (Filter(categories=["helmets"], products=["bell"]), "bell", "bell"),
            (Filter(categories=["b", "a"]), "a or b", "a ou b"),
            (Filter(products=["c", "b", "a"]), "a, b or c", "a, b ou c"),
            (Filter(products=["d", "c", "b", "a"]), "a, b, c…", "a, b, c…"),
            (Filter(brands=["Bell"]), "items by Bell", "les articles de la marque Bell"),
            (Filter(tags=["red"], categories=["helmets"]), "helmets tagged red", "helmets avec la mention red"),
            (Filter(price=PriceState.REGULAR), "items not yet reduced", "les articles hors promotion"),
            (Filter(price=PriceState.REDUCED), "items already reduced", "les articles en promotion"),
            (Filter(price_from=Money.of("5", "EUR")), "items from €5.00", "les articles à partir de 5,00 €"),
            (Filter(price_to=Money.of("5", "EUR")), "items up to €5.00", "les articles jusqu'à 5,00 €"),
            (
                Filter(brands=["Bell", "Abus"], price_from=Money.of("5", "EUR"), price_to=Money.of("9", "EUR")),
                "items by Abus or Bell from €5.00 to €9.00",
                "les articles de la marque Abus ou Bell de 5,00 € à 9,00 €",
            ),
        ],
        ids=count(),
    )
    def test_table(self, of: Filter, english: str, french: str) -> None:
        """In the shop's words, with what is left out; nothing where all goods are meant."""
        assert goods_text(of) == english
        assert goods_text(of, "fr") == french

    @pytest.mark.parametrize(
        "units,of,english,french",
        [
            (1, Filter(), "1 item", "1 article"),
            (2, HELMETS, "2 items from helmets", "2 articles parmi helmets"),
            (2, BELL, "2 × bell", "2 × bell"),
            (2, Filter(products=["a", "b"]), "2 items from a or b", "2 articles parmi a ou b"),
            (2, Filter(brands=["Bell"]), "2 items by Bell", "2 articles de la marque Bell"),
        ],
        ids=count(),
    )
    def test_counted(self, units: int, of: Filter, english: str, french: str) -> None:
        """With their number in front."""
        assert count_text(units, of) == english
        assert count_text(units, of, "fr") == french

    def test_several_things_in_a_row(self) -> None:
        """The word stands before the last one alone; nothing is said of nothing."""
        assert [list_text(said, "en", last="reward.and") for said in ([], ["a"], ["a", "b", "c"])] == ["", "a", "a, b and c"]


class TestNudgeText:
    @pytest.mark.parametrize(
        "nudge,english,french",
        [
            (Lacking(missing=euros("5")), "Spend €5.00 more for 10% off", "Encore 5,00 € pour −10 %"),
            (
                Lacking(missing=euros("7.60"), give=FreeShipping()),
                "Spend €7.60 more for free shipping",
                "Encore 7,60 € pour la livraison offerte",
            ),
            (
                Lacking(missing=euros("5"), give=PercentOff("2.5", of=HELMETS)),
                "Spend €5.00 more for 2.5% off helmets",
                "Encore 5,00 € pour −2,5 % sur helmets",
            ),
            (
                Lacking(missing=euros("5"), discount_limit=euros("3")),
                "Spend €5.00 more for 10% off, at most €3.00",
                "Encore 5,00 € pour −10 %, 3,00 € au plus",
            ),
            (
                Lacking(missing=euros("5"), give=FreeShipping(), discount_limit=euros("3")),
                "Spend €5.00 more for free shipping, at most €3.00",
                "Encore 5,00 € pour la livraison offerte, 3,00 € au plus",
            ),
            (
                Lacking(missing=euros("5"), give=PercentOff("10", exclude_tags=["sale"])),
                "Spend €5.00 more for 10% off items not tagged sale",
                "Encore 5,00 € pour −10 % sur les articles sans la mention sale",
            ),
            (
                Lacking(missing=euros("5"), give=PercentOff("10", units=Units(at_most=1))),
                "Spend €5.00 more for 10% off the cheapest item",
                "Encore 5,00 € pour −10 % sur l'article le moins cher",
            ),
            (
                Lacking(missing=euros("5"), give=PercentOff("100")),
                "Spend €5.00 more for every item free",
                "Encore 5,00 € pour chaque article offert",
            ),
            (
                Lacking(missing=euros("5"), give=cheapest_free()),
                "Spend €5.00 more for the cheapest item free",
                "Encore 5,00 € pour l'article le moins cher offert",
            ),
            (
                Lacking(missing=euros("5"), give=Gift("bottle")),
                "Spend €5.00 more for a free bottle",
                "Encore 5,00 € pour bottle en cadeau",
            ),
            (
                Lacking(missing=euros("5"), of=HELMETS),
                "Spend €5.00 more on helmets for 10% off",
                "Encore 5,00 € sur helmets pour −10 %",
            ),
            (
                Lacking(missing_units=1, of=Filter(products=["helmet"]), give=n_for_m(3, 2)),
                "Add 1 more helmet for 3 for 2",
                "Encore 1 helmet pour 3 pour le prix de 2",
            ),
            (Lacking(missing_units=1), "Add 1 more item for 10% off", "Encore 1 article pour −10 %"),
            (
                Lacking(missing_units=2, of=HELMETS),
                "Add 2 more items from helmets for 10% off",
                "Encore 2 articles parmi helmets pour −10 %",
            ),
            (
                Lacking(missing_units=3, across=Across.PRODUCT),
                "Add 3 of one product for 10% off",
                "Encore 3 articles d'un même produit pour −10 %",
            ),
            (
                Lacking(missing_units=1, of=Filter(categories=["helmets"], brands=["Bell"]), across=Across.PRODUCT),
                "Add 1 of one product from helmets by Bell for 10% off",
                "Encore 1 article d'un même produit parmi helmets de la marque Bell pour −10 %",
            ),
            (
                Lacking(missing_units=1, of=BELL, across=Across.PRODUCT),
                "Add 1 more bell for 10% off",
                "Encore 1 bell pour −10 %",
            ),
            (
                Lacking(missing_units=1, of=BELL, give=n_for_m(3, 2), discount_limit=euros("3")),
                "Add 1 more bell for 3 for 2, at most €3.00",
                "Encore 1 bell pour 3 pour le prix de 2, 3,00 € au plus",
            ),
            (Lacking(missing_products=1), "Add 1 more different product for 10% off", "Encore 1 produit différent pour −10 %"),
            (
                Lacking(missing_products=2, of=Filter(categories=["helmets"], brands=["Bell"])),
                "Add 2 more different products from helmets by Bell for 10% off",
                "Encore 2 produits différents parmi helmets de la marque Bell pour −10 %",
            ),
        ],
        ids=count(),
    )
    def test_table(self, nudge: Lacking, english: str, french: str) -> None:
        """Money, units or products that are missing, the goods where they matter, and what they get."""
        assert nudge_text(nudge) == nudge_text(nudge, "en") == english
        assert nudge_text(nudge, "fr") == french


THREE_OF_ONE: Final = quantity_at_least(3, across=Across.PRODUCT)
TEN: Final = PercentOff("10")


def nudge_on(lines: list[Line], when: Condition, *, give: Benefit = TEN, discount_limit: Money | None = None) -> Nudge:
    """Give the one nudge that a basket has of one offer; of ten per cent unless said."""
    book = OfferBook([Offer("ten", when=when, give=give, discount_limit=discount_limit)], stacking=Stacking(Mode.ALL))
    (found,) = book.nudges(book.situation(Basket(lines, currency="EUR"), at=NOW))
    return found


def applies(lines: list[Line], when: Condition) -> bool:
    """Say whether ten per cent under a condition apply to a basket."""
    book = OfferBook([Offer("ten", when=when, give=PercentOff("10"))], stacking=Stacking(Mode.ALL))
    return bool(book.evaluate(book.situation(Basket(lines, currency="EUR"), at=NOW)).applied)


class TestNudgesOfOneProduct:
    GOODS: Final = (Line("a", euros("5"), 2), Line("b", euros("7")))

    @pytest.mark.law(24)
    def test_names_the_product_there_is_most_of(self) -> None:
        """What is said holds to the letter: one more of that product, and of no other."""
        nudge = nudge_on([*self.GOODS], THREE_OF_ONE)
        assert (nudge.of, nudge.across, nudge.missing_units) == (Filter(products=["a"]), Across.PRODUCT, 1)
        assert nudge.text() == "Add 1 more a for 10% off"
        assert nudge.text("fr") == "Encore 1 a pour −10 %"
        assert applies([*self.GOODS, Line("more", euros("5"), product_id="a")], THREE_OF_ONE)
        assert not applies([*self.GOODS, Line("c", euros("5"))], THREE_OF_ONE)

    @pytest.mark.law(24)
    def test_names_the_price_where_the_product_has_several(self) -> None:
        """One more at another price is none: the price is part of what is to be added."""
        goods = [*self.GOODS, Line("dear", euros("6"), product_id="a")]
        nudge = nudge_on(goods, THREE_OF_ONE)
        assert nudge.of == Filter(products=["a"], price_from=euros("5"), price_to=euros("5"))
        assert nudge.text() == "Add 1 more a at €5.00 for 10% off"
        assert nudge.text("fr") == "Encore 1 a à 5,00 € pour −10 %"
        assert not applies([*goods, Line("more", euros("6"), product_id="a")], THREE_OF_ONE)

    @pytest.mark.law(24)
    def test_counts_a_product_at_one_price_whatever_its_labels(self) -> None:
        """Two groups of one product and price are one to the condition, and here they are more than the largest group."""
        goods = [
            Line("new", euros("5"), 2, product_id="a", tags=["new"]),
            Line("old", euros("5"), 2, product_id="a"),
            Line("b", euros("7"), 3),
        ]
        when = quantity_at_least(5, across=Across.PRODUCT)
        nudge = nudge_on(goods, when)
        assert (nudge.of, nudge.missing_units) == (Filter(products=["a"]), 1)
        assert applies([*goods, Line("more", euros("5"), product_id="a")], when)

    def test_goods_that_count(self) -> None:
        """Where some of the product's units do not count, what counts is said too."""
        red = Line("red", euros("5"), product_id="a", tags=["red"])
        when = quantity_at_least(2, of=Filter(tags=["red"]), across=Across.PRODUCT)
        assert nudge_on([red, Line("b", euros("7"))], when).of == Filter(products=["a"])
        nudge = nudge_on([red, Line("blue", euros("5"), product_id="a")], when)
        assert nudge.of == Filter(products=["a"], tags=["red"])
        assert nudge.text() == "Add 1 more a tagged red for 10% off"

    def test_any_product_where_there_is_none_yet(self) -> None:
        """Three of the same, whichever."""
        nudge = nudge_on([], THREE_OF_ONE, give=Gift("bottle"))
        assert (nudge.of, nudge.across, nudge.missing_units) == (Filter(), Across.PRODUCT, 3)
        assert nudge.text() == "Add 3 of one product for a free bottle"
        red = nudge_on([*self.GOODS], quantity_at_least(2, of=Filter(tags=["red"]), across=Across.PRODUCT))
        assert red.text() == "Add 2 of one product tagged red for 10% off"

    def test_all_goods_together_name_no_product(self) -> None:
        """Any item will do."""
        nudge = nudge_on([*self.GOODS], quantity_at_least(4))
        assert (nudge.of, nudge.across) == (Filter(), Across.BASKET)
        assert nudge.text() == "Add 1 more item for 10% off"

    def test_carries_the_limit_of_the_offer(self) -> None:
        """What the offer takes off at most is said beside what it gives."""
        nudge = nudge_on([*self.GOODS], spend_at_least(euros("20")), discount_limit=euros("5"))
        assert nudge.discount_limit == euros("5")
        assert nudge.text() == "Spend €3.00 more for 10% off, at most €5.00"
        assert nudge_on([*self.GOODS], spend_at_least(euros("20"))).discount_limit is None
