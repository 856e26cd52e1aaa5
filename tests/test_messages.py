"""The sentences for people, in English, in French, and in a language of the shop's own."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from datetime import date
from decimal import Context, Decimal, localcontext
from itertools import count
from typing import Any, Final, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore import conditions
from loyaltycore.errors import Detail, Reason, Refusal, UsageError
from loyaltycore.messages import (
    Language,
    OwnLanguage,
    date_text,
    explain_refusal,
    money_text,
    name_text,
    number_text,
    say,
    texts,
)
from loyaltycore.quantities import Money, exponent_of
from loyaltycore.testing.strategies import monies
from tests.odd_values import answers_or_refuses

LANGUAGES: Final[tuple[Literal["en", "fr"], ...]] = ("en", "fr")
LANGUAGE = st.sampled_from(LANGUAGES)
TEXTS: Final = {language: texts(language) for language in LANGUAGES}
FORMS: Final = re.compile(r"[{][^{}]*[}]")


def named_in(text: str) -> set[str]:
    """Give the names a text of the catalogue asks for."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def forms_in(text: str) -> list[set[str]]:
    """Give the forms by number that a text has, for each value that has some."""
    specs = [spec for _, _, spec, _ in string.Formatter().parse(text) if spec]
    return [{form.partition("=")[0] for form in spec.split("|")} for spec in specs]


class Shouting:
    """English in capitals: a language of a shop's own, without any library."""

    def text(self, key: str, /) -> str:
        """Give the English text; of one key another, and of one key a text that asks for too much."""
        own = {"explain.total": "SUM {total}", "explain.tier": "{tier} {stars}", "explain.earn": "{points:few=SOME|lots=MANY}"}
        return own.get(key, TEXTS["en"][key])

    def money(self, money: Money, /) -> str:
        """Write an amount without its currency."""
        return f"<{money.minor_units}>"

    def number(self, number: int | Decimal, /) -> str:
        """Write a number in angle brackets."""
        return f"<{number}>"

    def day(self, day: date, /) -> str:
        """Write a day."""
        return day.strftime("<%d.%m.%Y>")

    def plural(self, number: int, /) -> str:
        """Know another form than English."""
        return "few" if number == 2 else "other"

    def name(self, own_id: str, /) -> str:
        """Write an id in capitals."""
        return own_id.upper()


class TestCatalogue:
    def test_every_language_has_every_key(self) -> None:
        """A page in French never falls back to English, and a text is one."""
        assert TEXTS["en"].keys() == TEXTS["fr"].keys()
        assert TEXTS["en"] == texts()
        assert all(text for language in LANGUAGES for text in TEXTS[language].values())

    @pytest.mark.parametrize("key", TEXTS["en"])
    def test_languages_name_the_same_values(self, key: str) -> None:
        """A translation loses nothing and asks for nothing else."""
        assert named_in(TEXTS["fr"][key]) == named_in(TEXTS["en"][key])

    @pytest.mark.parametrize("key", TEXTS["en"])
    def test_forms_by_number_are_one_and_other(self, key: str) -> None:
        """Where a word changes with a number, both forms are there."""
        assert all(forms == {"one", "other"} for language in LANGUAGES for forms in forms_in(TEXTS[language][key]))

    @pytest.mark.parametrize("reason", Reason)
    def test_every_reason_can_be_said(self, reason: Reason) -> None:
        """In every language."""
        assert all(f"refused.{reason.value}" in found for found in TEXTS.values())

    def test_nothing_else_is_said_of_refusals(self) -> None:
        """A reason that is gone takes its text along."""
        assert {key for key in TEXTS["en"] if key.startswith("refused.")} == {f"refused.{reason.value}" for reason in Reason}

    def test_every_condition_can_be_said_to_exclude(self) -> None:
        """What must not hold has words: each kind of condition, and nothing else."""
        kinds = {kind.__name__ for kind in conditions.Condition.__args__} - {"Not"}
        assert {key for key in TEXTS["en"] if key.startswith("excluded.")} == {f"excluded.{kind}" for kind in kinds}

    @pytest.mark.parametrize("public", ["coupon_invalid", "card_invalid", "referral_invalid"])
    def test_a_guesser_hears_one_text(self, public: str) -> None:
        """Whatever is wrong with a code, a gift card's number or a referral code is told alike, and names nothing."""
        reasons = [reason for reason in Reason if reason.public == public]
        assert len(reasons) > 1
        for found in TEXTS.values():
            (text,) = {found[f"refused.{reason.value}"] for reason in reasons}
            assert named_in(text) == set()

    def test_no_line_breaks_before_a_mark(self) -> None:
        """French sets a blank before some marks; it is a narrow one at which no line breaks, and English sets none."""
        french = [FORMS.sub("x", text) for text in TEXTS["fr"].values()]
        marked = [text for text in french if any(mark in text for mark in ";:")]
        assert len(marked) > 50
        assert all(text[at - 1] == "\N{NARROW NO-BREAK SPACE}" for text in marked for at, c in enumerate(text) if c in ";:")
        assert not any(f" {mark}" in text for text in TEXTS["en"].values() for mark in ";:")

    def test_a_shops_own_words_are_left_alone(self) -> None:
        """What is filled in keeps its blanks."""
        assert say("clause.reason", "fr", reason="colis perdu : geste") == "colis perdu : geste"

    def test_is_a_copy(self) -> None:
        """Whoever changes what was given changes nothing of ours."""
        texts()["explain.total"] = "changed"
        assert texts()["explain.total"] == "Total: {total}"

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(texts, language="fr")


class TestOwnLanguage:
    def test_is_taken_wherever_a_language_is(self) -> None:
        """Texts, amounts, numbers, days and names are all its own."""
        assert isinstance(Shouting(), OwnLanguage)
        assert say("explain.total", Shouting(), total=Money.of("5", "EUR")) == "SUM <500>"
        assert say("refused.program_not_started", Shouting(), starts_on="2026-07-01").endswith("<01.07.2026>")
        assert money_text(Money.of("5", "EUR"), Shouting()) == "<500>"
        assert number_text(Decimal("2.5"), Shouting()) == "<2.5>"
        assert date_text(date(2026, 7, 1), Shouting()) == "<01.07.2026>"
        assert name_text("bell", Shouting()) == "BELL"

    def test_names_ids_in_refusals(self) -> None:
        """Alone and in a row."""
        superseded = Refusal(Reason.OFFER_SUPERSEDED, {"offer_id": "ten", "by": "summer"})
        assert explain_refusal(superseded, Shouting()) == "SUMMER is applied instead"
        tiers = Refusal(Reason.TIER_MISMATCH, {"needed": ("gold", "silver"), "tier": "bronze"})
        assert explain_refusal(tiers, Shouting()) == "this is for tier GOLD, SILVER"

    def test_forms_by_number(self) -> None:
        """Its own, or else the one that is always there; a text without that is said with the number."""
        assert say("explain.earn", Shouting(), points=2) == "SOME"
        assert say("explain.earn", Shouting(), points=3) == "<3>"
        assert say("explain.more", Shouting(), offers=1) == "<1> more offers do not apply"

    def test_a_text_that_asks_for_more(self) -> None:
        """Is named, with what was given."""
        with pytest.raises(UsageError, match=r"^explain\.tier needs a value for 'stars', got \['tier'\]$"):
            say("explain.tier", Shouting(), tier="gold")

    @pytest.mark.parametrize("wrong", [Shouting, object(), {"explain.total": "x"}, "de", "", None, 1])
    def test_other_things_are_no_language(self, wrong: Language) -> None:
        """A class of languages is none either."""
        with pytest.raises(UsageError, match=r"^language must be one of en, fr, or a catalogue of the shop's own, got"):
            name_text("bell", wrong)


class TestMoneyText:
    @pytest.mark.parametrize(
        "money,english,french",
        [
            (Money.of("7.60", "EUR"), "€7.60", "7,60 €"),
            (Money.of("0.05", "EUR"), "€0.05", "0,05 €"),
            (Money.of("-7.60", "EUR"), "−€7.60", "−7,60 €"),
            (Money.of("1234567.80", "EUR"), "€1,234,567.80", "1 234 567,80 €"),
            (Money.of("-1234", "JPY"), "−¥1,234", "−1 234 ¥"),
            (Money.of("1.5", "KWD"), "1.500 KWD", "1,500 KWD"),
            (Money.of("-1234.50", "CHF"), "−1,234.50 CHF", "−1 234,50 CHF"),
            (Money.zero("GBP"), "£0.00", "0,00 £"),
            (Money.of("3", "USD"), "$3.00", "3,00 $"),
        ],
        ids=count(),
    )
    def test_table(self, money: Money, english: str, french: str) -> None:
        """As each language writes it; English unless said."""
        assert money_text(money, "en") == money_text(money) == english
        assert money_text(money, "fr") == french

    @given(monies(min_minor=-(10**12), max_minor=10**12), LANGUAGE)
    def test_has_exactly_the_decimals_of_its_currency(self, money: Money, language: Language) -> None:
        """Whatever decimal context the caller works in; read back, the amount is the same."""
        text = money_text(money, language)
        with localcontext(Context(prec=1)):
            assert money_text(money, language) == text
        digits = "".join(c for c in text if c.isdigit())
        assert abs(money.minor_units) == int(digits)
        assert len(digits) > exponent_of(money.currency)
        assert (money.minor_units < 0) == text.startswith("−")


class TestNumberText:
    @pytest.mark.parametrize(
        "number,english,french",
        [(0, "0", "0"), (999, "999", "999"), (-1, "−1", "−1"), (1234567, "1,234,567", "1 234 567"), (-1000, "−1,000", "−1 000")],
    )
    def test_table(self, number: int, english: str, french: str) -> None:
        """Thousands apart as each language does, the sign in front; English unless said."""
        assert number_text(number) == number_text(number, "en") == english
        assert number_text(number, "fr") == french

    @pytest.mark.parametrize(
        "number,english,french",
        [("2.5", "2.5", "2,5"), ("-1234.50", "−1,234.50", "−1 234,50"), ("1E+3", "1,000", "1 000"), ("0.001", "0.001", "0,001")],
    )
    def test_decimals(self, number: str, english: str, french: str) -> None:
        """With the digits they have, whatever decimal context the caller works in."""
        with localcontext(Context(prec=1)):
            assert number_text(Decimal(number)) == english
            assert number_text(Decimal(number), "fr") == french

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "1E+30", "1E-31", 1.5, "1", True])
    def test_other_things_are_no_numbers(self, number: object) -> None:
        """Nor are decimals with more digits than any price has."""
        wrong = Decimal(number) if isinstance(number, str) and len(number) > 1 else number
        with pytest.raises(UsageError, match=r"^number must be a whole number"):
            number_text(wrong)  # type: ignore[arg-type]  # the point

    def test_longest_decimals(self) -> None:
        """Thirty digits before and after the point are written, all of them."""
        assert number_text(Decimal("1E+29")) == "100" + ",000" * 9
        assert number_text(Decimal("1E-30")) == "0." + "0" * 29 + "1"

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(number_text, number=1, language="fr")


class TestSay:
    def test_fills_in_the_values(self) -> None:
        """Money in the language's way, several texts with commas, numbers as they are."""
        assert say("nudge.percent_off", "en", missing=Money.of("5", "EUR"), percent="10") == "Spend €5.00 more for 10% off"
        assert say("nudge.percent_off", "fr", missing=Money.of("5", "EUR"), percent="10") == "Encore 5,00 € pour −10 %"
        assert say("explain.earn", "fr", points=40) == "Points à gagner : 40"
        assert say("refused.key_reused", "en", fields=("actor", "points")).endswith("other values of actor, points")

    def test_numbers_are_written_as_the_language_does(self) -> None:
        """Thousands apart, decimals with its mark; what is too large to be counted stays as it is."""
        assert say("explain.earn", "en", points=1200) == "Points to earn: 1,200"
        assert say("explain.earn", "fr", points=1200) == "Points à gagner\N{NARROW NO-BREAK SPACE}: 1 200"
        assert say("reward.percent_off", "fr", percent=Decimal("2.5")) == "−2,5 %"
        assert say("explain.earn", "en", points=2**63) == f"Points to earn: {2**63}"
        assert say("reward.percent_off", "en", percent=Decimal("NaN")) == "Decimal('NaN')% off"

    @pytest.mark.parametrize(
        "offers,english,french",
        [
            (0, "0 more offers do not apply", "0 autre offre ne s'applique pas"),
            (1, "1 more offer does not apply", "1 autre offre ne s'applique pas"),
            (2, "2 more offers do not apply", "2 autres offres ne s'appliquent pas"),
            (-1, "−1 more offer does not apply", "−1 autre offre ne s'applique pas"),
            ("some", "some more offers do not apply", "some autres offres ne s'appliquent pas"),
        ],
    )
    def test_words_change_with_a_number(self, offers: int | str, english: str, french: str) -> None:
        """English has one form for one, French for none and one; what is no number takes the form of many."""
        assert say("explain.more", "en", offers=offers) == english
        assert say("explain.more", "fr", offers=offers) == french

    def test_values_are_text_and_nothing_more(self) -> None:
        """Braces in a value are braces."""
        assert say("explain.tier", "en", tier="{points}") == "Tier after this order: {points}"

    def test_more_values_than_named(self) -> None:
        """Also those that are called like an argument."""
        assert say("explain.tier", "en", tier="gold", key="k", language="l") == "Tier after this order: gold"

    @pytest.mark.parametrize(
        "key,language,message",
        [
            ("explain.nothing", "en", "^key must be one of the catalogue's, got 'explain.nothing'$"),
            (None, "en", "^key must be one of the catalogue's, got None$"),
            ("explain.tier", "de", "^language must be one of en, fr, or a catalogue of the shop's own, got 'de'$"),
            ("explain.tier", None, "^language must be one of en, fr, or a catalogue of the shop's own, got None$"),
            ("explain.tier", "en", "^explain.tier needs a value for 'tier', got \\['points'\\]$"),
        ],
        ids=count(),
    )
    def test_refused(self, key: str, language: Language, message: str) -> None:
        """An unknown key or language, a value that is missing."""
        with pytest.raises(UsageError, match=message):
            say(key, language, points=1)

    def test_refused_or_answered(self) -> None:
        """No odd value raises anything else."""
        answers_or_refuses(
            lambda key, language, tier: say(key, language, tier=tier), key="explain.tier", language="en", tier="gold"
        )
        answers_or_refuses(money_text, money=Money.zero("EUR"), language="fr")
        answers_or_refuses(explain_refusal, refusal=Refusal(Reason.MEMBER_REQUIRED), language="fr")
        answers_or_refuses(lambda limit: explain_refusal(Refusal(Reason.CODES_LIMIT_REACHED, {"limit": limit})), limit=10)


MONEY_DETAILS: Mapping[str, Detail] = {"needed_minor": 5000, "missing_minor": 500, "currency": "EUR"}


class TestExplainRefusal:
    @pytest.mark.parametrize(
        "refusal,english,french",
        [
            (
                Refusal(Reason.BASKET_BELOW_THRESHOLD, MONEY_DETAILS),
                "€5.00 short of €50.00",
                "il manque 5,00 € pour atteindre 50,00 €",
            ),
            (
                Refusal(Reason.KEY_REUSED, {"key": "place", "fields": ("codes", "burn")}),
                "this reference was already used with other values of codes, burn",
                "cette référence a déjà servi avec d'autres valeurs de codes, burn",
            ),
            (
                Refusal(Reason.ACTION_LIMIT_REACHED, {"action": "review", "period": "per_month", "limit": 3, "times": 3}),
                "review gives points at most 3 times a month",
                "review donne des points au plus 3 fois par mois",
            ),
            (
                Refusal(
                    Reason.POINTS_CAP_REACHED,
                    {"rule": "order", "cap": "balance", "desired_points": 80, "granted_points": 20, "cap_points": 500},
                ),
                "at most 500 points on the account; 20 of 80 are given",
                "au plus 500 points sur le compte ; 20 sur 80 sont donnés",
            ),
            (
                Refusal(Reason.POINTS_BELOW_MINIMUM, {"needed_points": 800, "missing_points": 50, "step_points": 100}),
                "points are burned 100 at a time; 50 more make 800",
                "points utilisables par 100 ; avec 50 de plus, ce serait 800",
            ),
            (
                Refusal(Reason.POINTS_INSUFFICIENT, {"missing_points": 1, "available_points": 1}),
                "1 point is missing; 1 is available",
                "points manquants : 1 ; disponibles : 1",
            ),
            (
                Refusal(Reason.QUANTITY_BELOW_THRESHOLD, {"needed_units": 3, "missing_units": 1}),
                "1 item short of 3",
                "il manque 1 article pour en avoir 3",
            ),
            (
                Refusal(Reason.PRODUCTS_BELOW_THRESHOLD, {"needed_products": 3, "missing_products": 2}),
                "2 different products short of 3",
                "il manque 2 produits différents pour en avoir 3",
            ),
            (
                Refusal(Reason.MARKET_MISMATCH, {"needed": ("BE", "FR"), "market": "DE"}),
                "this is for the markets BE, FR",
                "réservé aux marchés BE, FR",
            ),
            (
                Refusal(Reason.MARKET_MISMATCH, {"needed": ("FR",)}),
                "this is for the market FR",
                "réservé au marché FR",
            ),
            (
                Refusal(Reason.CONDITION_EXCLUDED, {"condition": "PastDiscount"}),
                "it excludes the discounts of earlier orders",
                "exclut les remises des commandes passées",
            ),
            (
                Refusal(Reason.CONDITION_EXCLUDED, {"condition": "even-cents-1"}),
                "it excludes even-cents-1",
                "exclut even-cents-1",
            ),
            (
                Refusal(Reason.CONDITION_UNMET, {"condition": "IsMember"}),
                "a condition of the shop is not met (IsMember)",
                "une condition de la boutique n'est pas remplie (IsMember)",
            ),
            (Refusal(Reason.MEMBER_REQUIRED), "this is for members", "réservé aux membres"),
            (Refusal(Reason.CODE_UNKNOWN, {"code": "X"}), "this is no valid code", "ce code n'est pas valable"),
        ],
        ids=count(),
    )
    def test_table(self, refusal: Refusal, english: str, french: str) -> None:
        """With amounts as people write them; English unless said."""
        assert explain_refusal(refusal) == explain_refusal(refusal, "en") == english
        assert explain_refusal(refusal, "fr") == french

    @pytest.mark.parametrize("reason", Reason)
    def test_every_reason_has_a_sentence(self, reason: Reason) -> None:
        """Given the details its text names, whatever else rides along, it is said whole."""
        needed = named_in(TEXTS["en"][f"refused.{reason.value}"])
        money: dict[str, Any] = {f"{name}_minor": 100 for name in needed & {"missing", "needed"}}
        refusal = Refusal(reason, {**dict.fromkeys(needed - {"missing", "needed"}, "x"), **money, "currency": "EUR", "key": "k"})
        for language in LANGUAGES:
            assert "{" not in explain_refusal(refusal, language)

    def test_says_refusals_only(self) -> None:
        """A reason alone has no details."""
        with pytest.raises(UsageError, match=r"^refusal must be of type Refusal, got"):
            explain_refusal(Reason.MEMBER_REQUIRED)  # type: ignore[arg-type]

    def test_amounts_need_a_currency(self) -> None:
        """Without one there is nothing to write after the number."""
        with pytest.raises(UsageError, match="needs a value for"):
            explain_refusal(Refusal(Reason.BASKET_BELOW_THRESHOLD, {"needed_minor": 5000, "missing_minor": 500}))

    def test_only_whole_numbers_are_amounts(self) -> None:
        """A text that is called like an amount stays one."""
        refusal = Refusal(Reason.BASKET_BELOW_THRESHOLD, {**MONEY_DETAILS, "missing": "some", "missing_minor": "500"})
        assert explain_refusal(refusal) == "some short of €50.00"


class TestDateText:
    @pytest.mark.parametrize(
        "day,english,french",
        [
            (date(2026, 9, 1), "1 September 2026", "1er septembre 2026"),
            (date(2026, 12, 31), "31 December 2026", "31 décembre 2026"),
            (date(2028, 2, 29), "29 February 2028", "29 février 2028"),
        ],
    )
    def test_table(self, day: date, english: str, french: str) -> None:
        """The first is the first in French; months are named."""
        assert date_text(day) == english
        assert date_text(day, "fr") == french

    def test_days_are_said_under_names_that_end_in_on(self) -> None:
        """A refusal's local days are written as the language does; what is no day stays as it is."""
        details = {"offer_id": "noel", "ended_at": "2026-09-30T22:00:00Z", "last_on": "2026-09-30"}
        refusal = Refusal(Reason.OFFER_EXPIRED, details)
        assert explain_refusal(refusal) == "it ran until 30 September 2026"
        assert explain_refusal(refusal, "fr") == "valable jusqu'au 30 septembre 2026 inclus"
        assert say("refused.offer_not_started", "en", starts_on="some day") == "from some day"

    @pytest.mark.parametrize("wrong", ["2026-09-01", None, 1])
    def test_other_things_are_no_days(self, wrong: object) -> None:
        """A text is no day."""
        with pytest.raises(UsageError, match="day must be"):
            date_text(wrong)  # type: ignore[arg-type]  # the point
