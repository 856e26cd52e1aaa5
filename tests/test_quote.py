"""What a quote says: to a page, and to a person."""

from __future__ import annotations

import attrs

from loyaltycore import Basket, Line, Membership, Money, Program, Quote
from loyaltycore.messages import Language, explain_refusal, say
from tests.programs import NOW, VELO, velo

SHOP = velo()


def said(quote: Quote, language: Language = "en") -> list[str]:
    """Explain, one line for each thing."""
    return quote.explain(language).splitlines()


def of(key: str, **values: int | str | Money) -> str:
    """Say one line in English."""
    return say(key, "en", **values)


def euros(text: str) -> Money:
    """Read an amount."""
    return Money.of(text, "EUR")


def rich() -> Membership:
    """Give a member with points."""
    return Membership.open("m-42").earn(800, ref="welcome", expires_at=None, at=NOW).state


class TestExplain:
    def test_everything_at_once(self) -> None:
        """Lines, offers, burn, shipping, total, points, tier, codes and what is only an amount away."""
        basket = Basket(
            [Line("1", Money.of("79.90", "EUR"), product_id="helmet"), Line("2", Money.of("150", "EUR"), tags=["gift-card"])],
            shipping=Money.of("4.90", "EUR"),
        )
        quote = SHOP.quote(basket, rich(), codes=["SUMMER10", "NOPE"], burn=900, at=NOW)
        verdicts = {name: explain_refusal(refusals[0], "en") for name, refusals in quote.offers.refused.items()}
        burn, nope = quote.burn.refusal, quote.codes["NOPE"].refusal
        assert burn is not None
        assert nope is not None
        assert quote.explain().splitlines() == [
            of("explain.line_reduced", quantity=1, product="helmet", net=euros("63.91"), list=euros("79.90")),
            of("explain.line", quantity=1, product="2", net=euros("150")),
            "summer, 10% off: −€7.99 (code SUMMER10)",
            of("explain.burn", points=800, discount=euros("8")),
            of("explain.shipping", net=euros("4.90")),
            of("explain.total", total=euros("218.81")),
            of("explain.earn", points=63),
            of("explain.tier", tier="bronze"),
            of("explain.code_applied", code="SUMMER10", offer="summer"),
            of("explain.code_refused", code="NOPE", why=explain_refusal(nope, "en")),
            of("explain.burn_refused", asked=900, granted=800, why=explain_refusal(burn, "en")),
            of("explain.offer_refused", offer="ten-from-fifty", reward="10% off", why=verdicts["ten-from-fifty"]),
            of("nudge.free_shipping", missing=euros("20.10")),
        ]

    def test_in_french(self) -> None:
        """The same things, in French, line by line."""
        quote = SHOP.quote(Basket.of("EUR", {"helmet": "79.90"}), rich(), codes=["NOPE"], burn=900, at=NOW)
        assert len(said(quote, "fr")) == len(said(quote))
        assert all(french != english for french, english in zip(said(quote, "fr"), said(quote), strict=True))

    def test_least(self) -> None:
        """A guest, one thing, shipping unknown: four lines, and what is only an amount away."""
        quote = SHOP.quote(Basket.of("EUR", {"bell": "12.50"}), at=NOW)
        assert quote.explain().splitlines()[:4] == [
            say("explain.line", "en", quantity=1, product="bell", net=euros("12.50")),
            say("explain.shipping_unknown", "en"),
            say("explain.total", "en", total=euros("12.50")),
            say("explain.earn", "en", points=12),
        ]
        assert len(said(quote)) == 4 + 1 + len(quote.nudges)  # and why the one offer is not applied that no nudge is about

    def test_shipping_that_was_reduced(self) -> None:
        """Free shipping says what it was; where it was not known, that it is free."""
        bike = Basket.of("EUR", {"bike": "1200"})
        assert "Shipping: €0.00 instead of €4.90" in said(
            SHOP.quote(attrs.evolve(bike, shipping=Money.of("4.90", "EUR")), at=NOW)
        )
        assert "Shipping: €0.00" in said(SHOP.quote(bike, at=NOW))
        assert "free-shipping: free shipping (€1,200.00 spent, €100.00 needed)" in said(SHOP.quote(bike, at=NOW))

    def test_offers_behind_codes_stay_unsaid(self) -> None:
        """A page is no list of codes: an offer whose code was not entered is not named."""
        quote = SHOP.quote(Basket.of("EUR", {"bell": "12.50"}), at=NOW)
        assert [nudge.offer_id for nudge in quote.nudges] == ["free-shipping"]
        assert "summer" in quote.offers.refused
        assert not any("summer" in line for line in said(quote))

    def test_an_offer_that_was_asked_for_is_said_once(self) -> None:
        """With its code, and not among the offers again."""
        late = SHOP.quote(Basket.of("EUR", {"bell": "12.50"}), codes=["SUMMER10"], at=NOW.replace(month=9))
        refusal = late.codes["SUMMER10"].refusal
        assert refusal is not None
        why = explain_refusal(refusal, "en")
        assert say("explain.code_refused", "en", code="SUMMER10", why=why) in late.explain().splitlines()
        assert not any(line.startswith("summer") for line in late.explain().splitlines())

    def test_to_pay_when_it_is_not_the_total(self) -> None:
        """What is left after payments is a line of its own."""
        quote = SHOP.quote(Basket.of("EUR", {"bell": "12.50"}), at=NOW)
        told = say("explain.to_pay", "en", to_pay=euros("2.50"))
        assert told not in quote.explain()
        assert told in attrs.evolve(quote, to_pay=euros("2.50")).explain().splitlines()


class TestCommitment:
    def test_holds_everything_that_must_be_found_again(self) -> None:
        """Prices, shares, points and the program, as JSON values; never the time."""
        quote = SHOP.quote(Basket.of("EUR", {"helmet": "79.90"}), rich(), codes=["SUMMER10"], burn=500, at=NOW)
        assert quote.commitment == {
            "program": SHOP.digest,
            "member": "m-42",
            "lines": [["helmet", "helmet", 1, 7990, 799, 500, 500, 66, True, {"summer": 799}]],
            "shipping": None,
            "offers": [["summer", 799]],
            "burn": [500, 500],
            "gifts": [],
            "coupons": [],
            "cards": [],
            "redeemed": [],
            "earned": [["order", "points", 66, [["helmet", 6691, 1, 1]]]],
            "to_pay": [6691, "EUR"],
        }
        assert len(quote.digest) == 32

    def test_any_other_promise_is_another_digest(self) -> None:
        """Each part of the commitment changes the digest; the time does not."""
        basket = Basket.of("EUR", {"helmet": "79.90"})
        first = SHOP.quote(basket, rich(), at=NOW)
        assert SHOP.quote(basket, rich(), at=NOW.replace(hour=11)).digest == first.digest
        other = Program.parse(VELO.replace("version = 3", "version = 4"))
        quotes = [
            first,
            SHOP.quote(basket, at=NOW),
            SHOP.quote(basket, rich(), burn=500, at=NOW),
            SHOP.quote(attrs.evolve(basket, shipping=Money.of("1", "EUR")), rich(), at=NOW),
            SHOP.quote(Basket.of("EUR", {"helmet": "79.91"}), rich(), at=NOW),
            SHOP.quote(Basket.of("EUR", {"casque": "79.90"}), rich(), at=NOW),
            other.quote(basket, rich(), at=NOW),
        ]
        assert len({quote.digest for quote in quotes}) == len(quotes)

    def test_amounts_are_the_lines(self) -> None:
        """Each amount of a line as money, and what all offers take off."""
        quote = SHOP.quote(
            attrs.evolve(Basket.of("EUR", {"bike": "1200"}), shipping=Money.of("4.90", "EUR")), rich(), burn=800, at=NOW
        )
        line = quote.lines["bike"]
        assert (str(line.list_price), str(line.discount), str(line.burn), str(line.net)) == (
            "1200.00 EUR",
            "120.00 EUR",
            "8.00 EUR",
            "1072.00 EUR",
        )
        assert quote.discount == Money.of("124.90", "EUR")
        assert (quote.total, quote.to_pay) == (Money.of("1072", "EUR"), Money.of("1072", "EUR"))
        assert quote.points_to_earn == 1072
