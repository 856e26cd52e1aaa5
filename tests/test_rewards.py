"""Benefits and nudges in a few words."""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from typing import Final

import attrs
import pytest

from loyaltycore import Money
from loyaltycore._rewards import count_text, goods_text, list_text, nudge_text, reward_text
from loyaltycore.basket import Filter, PriceState
from loyaltycore.benefits import (
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
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
from loyaltycore.errors import UsageError
from loyaltycore.languages import Catalogue, Missing
from loyaltycore.quantities import Rate

HELMETS: Final = Filter(categories=["helmets"])
BELL: Final = Filter(products=["bell"])


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


@attrs.frozen(kw_only=True)
class Lacking:
    """What a nudge says."""

    give: Benefit = PercentOff("10")
    of: Filter = Filter()
    missing: Money | None = None
    missing_units: int | None = None
    missing_products: int | None = None


PRICES: Final = [
    (PercentOff("10"), "10% off", "−10 %"),
    (PercentOff("2.5", of=HELMETS), "2.5% off helmets", "−2,5 % sur helmets"),
    (PercentOff("10", exclude_tags=["sale"]), "10% off", "−10 %"),
    (PercentOff("100"), "100% off", "−100 %"),
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
        "100% off the 2 dearest items",
        "−100 % sur les 2 articles les plus chers",
    ),
    (PercentOff("50", units=Units(every=3, skip=1)), "50% off one item in 3", "−50 % sur un article sur 3"),
    (PercentOff("50", units=Units(skip=1)), "50% off some items", "−50 % sur certains articles"),
    (PercentOff("50", units=Units(sets_of=2)), "50% off full sets of 2 items", "−50 % sur chaque lot de 2 articles"),
    (
        PercentOff("50", of=HELMETS, units=Units(each_at_most=2)),
        "50% off up to 2 of each product of helmets",
        "−50 % sur 2 articles au plus de chaque produit parmi helmets",
    ),
    (
        PercentOff("50", of=HELMETS, units=Units(at_most=2, skip=1)),
        "50% off some of helmets",
        "−50 % sur certains articles parmi helmets",
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
        "5% off from 3 items from helmets",
        "−5 % à partir de 3 articles parmi helmets",
    ),
]


class TestRewardText:
    @pytest.mark.parametrize("benefit,english,french", [*PRICES, *DEALS, *REST], ids=count())
    def test_table(self, benefit: Benefit, english: str, french: str) -> None:
        """A few words for each benefit, with the goods where it names some; English unless said."""
        assert reward_text(benefit) == reward_text(benefit, "en") == english
        assert reward_text(benefit, "fr") == french

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
            (Filter(exclude_tags=["sale"], exclude_products=["bell"]), "", ""),
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
        """In the shop's words; nothing where all goods are meant, and what is left out is not said."""
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
