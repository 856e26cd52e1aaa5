"""Other languages: a shop's own texts, and amounts, numbers and days as Babel writes them."""

from __future__ import annotations

import pickle
import re
import unicodedata
from datetime import date
from decimal import Context, Decimal, localcontext
from functools import cache
from typing import Final

import attrs
import pytest
from babel.numbers import get_currency_precision
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import Basket, PointsAccount
from loyaltycore._currencies import EXPONENTS
from loyaltycore.errors import Reason, Refusal, UsageError
from loyaltycore.languages import Catalogue, Missing
from loyaltycore.messages import OwnLanguage, date_text, explain_refusal, money_text, name_text, number_text, say, texts
from loyaltycore.periods import Calendar, Window
from loyaltycore.points import statement
from loyaltycore.quantities import Money, exponent_of
from loyaltycore.testing.strategies import monies
from tests.odd_values import answers_or_refuses
from tests.programs import NOW, velo

BABELS_OWN: Final = "AFN ALL IQD IRR KPW LAK LBP MGA MMK RSD SOS SYP YER"
LOCALES: Final = ("ar", "cs", "da", "de", "de_CH", "en", "en_IN", "fa", "fr", "he", "hi", "ja", "pl", "pt_BR", "tr", "zh")
GERMAN: Final = Catalogue(
    "de",
    {
        "nudge.spend": "Noch {missing} bis {reward}",
        "explain.total": "Summe: {total}",
        "refused.offer_expired": "galt bis {last_on}",
    },
    names={"helmet": "Helm", "summer": "Sommer"},
    missing=Missing.ENGLISH,
)


def plain(text: str) -> str:
    """Make every blank a plain one, and leave out the marks of direction."""
    return " ".join("".join(c for c in text if unicodedata.category(c) != "Cf").split())


@cache
def english(locale: str) -> Catalogue:
    """Speak English with the numbers of a locale."""
    return Catalogue(locale, texts("en"))


class TestCatalogue:
    def test_is_a_language(self) -> None:
        """It is taken wherever one is: for amounts, numbers, days, names and texts."""
        assert isinstance(GERMAN, OwnLanguage)
        assert plain(money_text(Money.of("1234.50", "EUR"), GERMAN)) == "1.234,50 €"
        assert plain(number_text(-1234, GERMAN)) == "-1.234"
        assert plain(number_text(Decimal("2.50"), GERMAN)) == "2,50"
        assert date_text(date(2026, 9, 1), GERMAN) == "1. September 2026"
        assert (name_text("helmet", GERMAN), name_text("bell", GERMAN)) == ("Helm", "bell")
        assert explain_refusal(Refusal(Reason.OFFER_EXPIRED, {"last_on": "2026-09-30"}), GERMAN) == "galt bis 30. September 2026"

    def test_explains_a_quote(self) -> None:
        """Its own texts and names, and English ones for the rest."""
        quote = velo().quote(Basket.of("EUR", {"helmet": "79.90"}), codes=["SUMMER10"], at=NOW)
        said = [plain(line) for line in quote.explain(GERMAN).splitlines()]
        assert said[0] == "1 × Helm: 71,91 € instead of 79,90 €"
        assert "Summe: 71,91 €" in said
        assert "Code SUMMER10: applied (Sommer)" in said
        assert [plain(nudge.text(GERMAN)) for nudge in quote.nudges] == ["Spend 20,10 € more for free shipping"]

    def test_says_a_statement(self) -> None:
        """Days, numbers and texts of what happened on an account."""
        posting = PointsAccount.open("m-42").earn(1200, ref="order-1", expires_at=None, at=NOW)
        window = Window(starts_at=NOW.replace(hour=0), ends_at=NOW.replace(day=2))
        spoken = attrs.evolve(GERMAN, texts={"statement.closing": "Stand: {points}"})
        said = statement(posting.facts, window=window).text(spoken, calendar=Calendar("Europe/Paris")).splitlines()
        assert said[-1] == "Stand: 1.200"
        assert said[2].startswith("1. Juli 2026")

    def test_a_built_in_language_elsewhere(self) -> None:
        """The French texts with the numbers of Switzerland, and some of them changed."""
        swiss = Catalogue("fr-CH", {**texts("fr"), "explain.total": "Somme : {total}"})
        assert plain(say("explain.total", swiss, total=Money.of("1234.50", "CHF"))) == "Somme : 1 234,50 CHF"
        assert say("explain.shipping_unknown", swiss) == texts("fr")["explain.shipping_unknown"]

    def test_is_a_value(self) -> None:
        """Equal by content, hashable, and the same after a pickle."""
        again = pickle.loads(pickle.dumps(GERMAN))
        assert (again, hash(again)) == (GERMAN, hash(GERMAN))
        assert again.day(date(2026, 9, 1)) == "1. September 2026"
        assert Catalogue("de", texts()) != Catalogue("fr", texts())
        assert repr(GERMAN) == "Catalogue(locale='de', missing=<Missing.ENGLISH: 'english'>)"

    def test_missing_texts_are_told_by_name(self) -> None:
        """One, or the first ten of many; none where English fills in."""
        lacking = {key: text for key, text in texts().items() if key != "explain.tier"}
        with pytest.raises(UsageError, match=r"lacks 'explain\.tier'$"):
            Catalogue("de", lacking)
        with pytest.raises(UsageError, match=r"'nudge\.percent_off', .* and \d\d\d more$") as told:
            Catalogue("de", {})
        assert len(re.findall(r"'[a-z_.]+'", str(told.value))) == 10
        assert (
            say("explain.tier", Catalogue("de", lacking, missing=Missing.ENGLISH), tier="gold") == "Tier after this order: gold"
        )

    def test_texts_that_nothing_asks_for(self) -> None:
        """A key that was misspelt, or belonged to an older version, is named."""
        with pytest.raises(UsageError, match=r"^texts must have keys of the catalogue's, got 'explain\.sum', 5$"):
            Catalogue("de", {**texts(), "explain.sum": "x", 5: "x"})  # type: ignore[dict-item]  # the point

    @pytest.mark.parametrize(
        "key,text,message",
        [
            ("explain.tier", "{level}", "{level} is no value of it (allowed: tier)"),
            ("explain.tier", "{}", "{} is no value of it (allowed: tier)"),
            ("explain.tier", "{tier.upper}", "{tier.upper} is no value of it (allowed: tier)"),
            ("explain.shipping_unknown", "{net}", "{net} is no value of it (allowed: none)"),
            ("explain.tier", "{tier", "expected '}' before end of string"),
            ("explain.tier", "{tier!r}", "{tier!r} converts a value, which is text already"),
            ("explain.tier", None, "no text but None"),
            ("explain.earn", "{points:one=Punkt}", "{points:one=Punkt} must have plain words for the form other, and may have"),
            ("explain.earn", "{points:single=x|other=y}", "and may have them for zero, one, two, few, many"),
            ("explain.earn", "{points:>5}", "must have plain words for the form other"),
            ("explain.earn", "{points:other={bonus}}", "must have plain words for the form other"),
        ],
    )
    def test_texts_that_could_not_be_filled_in(self, key: str, text: str, message: str) -> None:
        """Each is named, with what is wrong and what is allowed."""
        with pytest.raises(UsageError) as told:
            Catalogue("de", {key: text}, missing=Missing.ENGLISH)
        assert str(told.value).startswith("texts must be fit to be filled in, got ")
        assert f"{key}: " in str(told.value)
        assert message in str(told.value)

    def test_a_language_without_forms(self) -> None:
        """Japanese knows one form alone; others in a text do no harm."""
        japanese = Catalogue("ja", {"explain.more": "{offers:one=x|other=y}"}, missing=Missing.ENGLISH)
        assert [say("explain.more", japanese, offers=number) for number in (0, 1, 2)] == ["y", "y", "y"]

    def test_forms_by_number(self) -> None:
        """Polish has four; one that a text lacks is said as ``other``."""
        words = "{offers:one=oferta|few=oferty|many=ofert|other=oferty}"
        polish = Catalogue("pl", {"explain.more": words, "explain.gift": "{quantity:few=a|other=b}"}, missing=Missing.ENGLISH)
        said = [say("explain.more", polish, offers=number) for number in (1, 2, 5, 22)]
        assert said == ["oferta", "oferty", "ofert", "oferty"]
        assert [say("explain.gift", polish, quantity=number, product="x") for number in (1, 2, 5)] == ["b", "a", "b"]

    @pytest.mark.parametrize("locale", ["xx", "", "de_", "12", "d\0", None, 5, "de" * 100, "../de"])
    def test_locales_that_babel_does_not_know(self, locale: str) -> None:
        """None is guessed."""
        with pytest.raises(UsageError, match="locale must be"):
            Catalogue(locale, texts())

    def test_keys_it_does_not_have(self) -> None:
        """Asked by itself, it names what it is asked for."""
        assert GERMAN.text("explain.total") == "Summe: {total}"
        for wrong in ("explain.sum", None):
            with pytest.raises(UsageError, match=r"^key must be one of the catalogue's, got"):
                GERMAN.text(wrong)  # type: ignore[arg-type]  # the point

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(
            lambda locale, given, names, missing: Catalogue(locale, given, names=names, missing=missing),
            locale="de",
            given=texts(),
            names={"helmet": "Helm"},
            missing=Missing.REFUSE,
        )
        answers_or_refuses(lambda text: Catalogue("de", {"explain.tier": text}, missing=Missing.ENGLISH), text="{tier}")
        answers_or_refuses(lambda words: Catalogue("de", texts(), names={"helmet": words}), words="Helm")


class TestMoney:
    def test_babels_own_decimals_are_wrong_for_thirteen_currencies(self) -> None:
        """Those that ISO 4217 gives, and that Babel does not; here each amount has the former."""
        wrong = [code for code, exponent in sorted(EXPONENTS.items()) if get_currency_precision(code) != exponent]
        assert wrong == BABELS_OWN.split()
        for code in wrong:
            exponent = exponent_of(code)
            assert exponent > get_currency_precision(code)
            assert "1" + "." + "0" * (exponent - 1) + "5" in money_text(Money(10**exponent + 5, code), english("en"))

    @given(monies(min_minor=-(10**15), max_minor=10**15), st.sampled_from(LOCALES))
    def test_has_exactly_the_decimals_of_its_currency(self, money: Money, locale: str) -> None:
        """In every language, whatever decimal context the caller works in; read back, the amount is the same."""
        speaking = english(locale)
        text = money_text(money, speaking)
        with localcontext(Context(prec=1, Emax=2, Emin=-2)):
            assert money_text(money, speaking) == text
        digits = "".join(c for c in text if c.isdigit())
        assert int(digits) == abs(money.minor_units)
        assert len(digits) > exponent_of(money.currency)
        assert any(minus in text for minus in "-−") == (money.minor_units < 0)

    @pytest.mark.parametrize(
        "locale,text,currency,said",
        [
            ("de", "-1234.50", "EUR", "-1.234,50 €"),
            ("de_CH", "1234.50", "CHF", "CHF 1’234.50"),
            ("en_IN", "12345678.90", "INR", "₹1,23,45,678.90"),
            ("ja", "1234", "JPY", "￥1,234"),
            ("de", "1.5", "KWD", "1,500 KWD"),
            ("de", "1234", "ISK", "1.234 ISK"),
        ],
    )
    def test_table(self, locale: str, text: str, currency: str, said: str) -> None:
        """As people of a language write it."""
        assert plain(money_text(Money.of(text, currency), english(locale))) == said

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(lambda money: money_text(money, GERMAN), money=Money.zero("EUR"))
        answers_or_refuses(lambda number: number_text(number, GERMAN), number=1)
        answers_or_refuses(lambda day: date_text(day, GERMAN), day=date(2026, 7, 1))


class TestNumber:
    @given(st.integers(-(10**12), 10**12), st.integers(0, 12), st.sampled_from(LOCALES))
    def test_has_the_digits_it_has(self, number: int, digits: int, locale: str) -> None:
        """Not one more and not one less, for whole numbers and decimals."""
        speaking = english(locale)
        decimal = Decimal(number).scaleb(-digits)
        with localcontext(Context(prec=1)):
            whole, part = number_text(number, speaking), number_text(decimal, speaking)
        assert int("".join(c for c in whole if c.isdigit())) == abs(number)
        assert int("".join(c for c in part if c.isdigit())) == abs(number)
