"""The few sentences the library can say to people, in English, in French, or in a language of the shop's own.

Only nudges, refusals, explanations and statements speak; everything they say is also there as data. A sentence is a text with
a key, filled in with values. English and French are built in; ``languages.Catalogue`` makes another language of a shop's texts.

Invariants:
    1. Every key has a text in every language.
    2. An amount is written with exactly the decimals of its currency.
    3. The blank before ";" and ":" in French is a narrow one that breaks no line.

>>> say("nudge.free_shipping", "fr", missing=Money.of("7.60", "EUR"))
'Encore 7,60 € pour la livraison offerte'
>>> say("nudge.percent_off", "en", missing=Money.of("5", "EUR"), percent="10")
'Spend €5.00 more for 10% off'
>>> say("explain.more", "en", offers=1), say("explain.more", "en", offers=4)
('1 more offer does not apply', '4 more offers do not apply')
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final, Literal, Protocol, TypeAlias, TypeGuard, final, runtime_checkable

import attrs

from loyaltycore._checks import WHOLE_LIMIT, check_day, check_kind, check_whole, shown
from loyaltycore._english import ENGLISH
from loyaltycore._french import FRENCH
from loyaltycore.errors import Detail, Reason, Refusal, UsageError
from loyaltycore.quantities import Money, exponent_of

__all__ = [
    "Language",
    "OwnLanguage",
    "date_text",
    "explain_refusal",
    "money_text",
    "name_text",
    "number_text",
    "say",
    "texts",
]

_DIGITS_LIMIT: Final = 30
"""Digits of a decimal before and after its point: no price or percentage has as many."""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_SYMBOLS: Final[Mapping[str, str]] = {"EUR": "€", "GBP": "£", "JPY": "¥", "USD": "$"}

_MONTHS: Final[Mapping[str, str]] = {
    "en": "January February March April May June July August September October November December",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
}


@runtime_checkable
class OwnLanguage(Protocol):
    """A language of the shop's own: what ``languages.Catalogue`` is.

    1. Each answer is a function of its arguments alone.
    2. ``text`` has a text for every key of ``texts``. It names values in braces, ``{units}``, and only those that the English
       text of that key names; ``{units:one=item|other=items}`` takes the form for the number of units.
    3. ``money`` writes exactly the decimals of the currency.
    4. ``plural`` names the form for a number; a text that lacks that form is said with its form ``other``.
    """

    def text(self, key: str, /) -> str:
        """Give the text of a key."""
        ...

    def money(self, money: Money, /) -> str:
        """Write an amount."""
        ...

    def number(self, number: int | Decimal, /) -> str:
        """Write a number."""
        ...

    def day(self, day: date, /) -> str:
        """Write a local day."""
        ...

    def plural(self, number: int, /) -> str:
        """Name the form that goes with a number: ``"one"``, ``"few"``, ``"other"``."""
        ...

    def name(self, own_id: str, /) -> str:
        """Give the words for one of the shop's ids: a product, a category, an offer, a tier; where there are none, the id."""
        ...


Language: TypeAlias = Literal["en", "fr"] | OwnLanguage
"""What the library speaks: a built-in language by its code, or one of the shop's own."""


@final
class _English:
    """English, as it is written in Britain; the sign stands first."""

    __slots__ = ()

    def text(self, key: str) -> str:
        return ENGLISH[key]

    def money(self, money: Money) -> str:
        sign, digits, symbol = "−" if money.minor_units < 0 else "", _digits_of(money), _SYMBOLS.get(money.currency)
        return f"{sign}{symbol}{digits}" if symbol else f"{sign}{digits} {money.currency}"

    def number(self, number: int | Decimal) -> str:
        return _digits(number)

    def day(self, day: date) -> str:
        return f"{day.day} {_MONTHS['en'].split()[day.month - 1]} {day.year}"

    def plural(self, number: int) -> str:
        return "one" if abs(number) == 1 else "other"

    def name(self, own_id: str) -> str:
        return own_id


@final
class _French:
    """French, as it is written in France; the sign stands first."""

    __slots__ = ()

    def text(self, key: str) -> str:
        return FRENCH[key]

    def money(self, money: Money) -> str:
        sign, symbol = "−" if money.minor_units < 0 else "", _SYMBOLS.get(money.currency, money.currency)
        return f"{sign}{_with_comma(_digits_of(money))} {symbol}"

    def number(self, number: int | Decimal) -> str:
        return _with_comma(_digits(number))

    def day(self, day: date) -> str:
        first = "1er" if day.day == 1 else str(day.day)
        return f"{first} {_MONTHS['fr'].split()[day.month - 1]} {day.year}"

    def plural(self, number: int) -> str:
        return "one" if abs(number) <= 1 else "other"

    def name(self, own_id: str) -> str:
        return own_id


def _digits_of(money: Money) -> str:
    exponent = exponent_of(money.currency)
    whole, part = divmod(abs(money.minor_units), 10**exponent)
    return f"{whole:,}.{part:0{exponent}}" if exponent else f"{whole:,}"


def _digits(number: int | Decimal) -> str:
    return (f"{number:,}" if isinstance(number, int) else f"{number:,f}").replace("-", "−")


def _with_comma(number: str) -> str:
    return number.replace(",", " ").replace(".", ",")


_BUILT_IN: Final[Mapping[str, OwnLanguage]] = {"en": _English(), "fr": _French()}


def _speaker(language: object) -> OwnLanguage:
    if isinstance(language, str) and language in _BUILT_IN:
        return _BUILT_IN[language]
    # To ask a class for a language's methods is to be told yes, and then to call them without one.
    if isinstance(language, OwnLanguage) and not isinstance(language, type):
        return language
    msg = f"language must be one of {', '.join(_BUILT_IN)}, or a catalogue of the shop's own, got {shown(language)}"
    raise UsageError(msg)


def texts(language: Literal["en", "fr"] = "en") -> dict[str, str]:
    """Give every text that the library can say, by key: what a shop's own language has to translate.

    Args:
        language: ``"en"`` or ``"fr"``.

    Raises:
        UsageError: Another language.

    Example:
        >>> texts()["nudge.free_shipping"]
        'Spend {missing} more for free shipping'
    """
    speaker = _speaker(language)
    return {key: speaker.text(key) for key in ENGLISH}


def money_text(money: Money, language: Language = "en") -> str:
    """Write an amount as people of a language do: ``€7.60`` or ``7,60 €``.

    Args:
        money: Any amount; the sign stands first.
        language: ``"en"``, ``"fr"`` or a catalogue.

    Raises:
        UsageError: No money, or another language.

    Example:
        >>> money_text(Money.of("-1234.50", "CHF")), money_text(Money.of("1234", "JPY"), "fr")
        ('−1,234.50 CHF', '1 234 ¥')
    """
    return _speaker(language).money(check_kind("money", money, Money))


def number_text(number: int | Decimal, language: Language = "en") -> str:
    """Write a number as people of a language do: ``1,200`` or ``1 200``, ``2.5`` or ``2,5``; the sign stands first.

    Args:
        number: Any whole number, or a decimal of at most 30 digits before and after its point, written with those it has.
        language: ``"en"``, ``"fr"`` or a catalogue.

    Raises:
        UsageError: No number, or another language.

    Example:
        >>> number_text(-1234), number_text(1234, "fr"), number_text(Decimal("2.5"), "fr")
        ('−1,234', '1 234', '2,5')
    """
    speaker = _speaker(language)
    if _is_decimal(number):
        return speaker.number(number)
    return speaker.number(check_whole("number", number))


def _is_decimal(value: object) -> TypeGuard[Decimal]:
    if not isinstance(value, Decimal) or not value.is_finite():
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_DIGITS_LIMIT and value.adjusted() < _DIGITS_LIMIT


def date_text(day: date, language: Language = "en") -> str:
    """Write a local day as people of a language do: ``1 September 2026`` or ``1er septembre 2026``.

    Args:
        day: The local day.
        language: ``"en"``, ``"fr"`` or a catalogue.

    Raises:
        UsageError: No day, or another language.
    """
    return _speaker(language).day(check_day("day", day))


def name_text(own_id: str, language: Language = "en") -> str:
    """Give the words for one of the shop's ids, where the language has them: only a catalogue does.

    Args:
        own_id: Of a product, a category, an offer, a tier.
        language: ``"en"``, ``"fr"`` or a catalogue.

    Raises:
        UsageError: No text, or another language.
    """
    return _speaker(language).name(check_kind("own_id", own_id, str))


@final
@attrs.frozen
class _Said:
    """A value as it is written, and the form that goes with its number."""

    text: str
    form: str = "other"

    def __format__(self, forms: str) -> str:
        """Give the text, or of several forms the one for the number."""
        if not forms:
            return self.text
        words = {name: word for name, _, word in (form.partition("=") for form in forms.split("|"))}
        return words.get(self.form, words.get("other", self.text))


def say(key: str, language: Language, /, **values: Money | Decimal | Detail) -> str:
    """Fill a text of the catalogue.

    Args:
        key: One of the keys of ``texts``.
        language: ``"en"``, ``"fr"`` or a catalogue.
        **values: What the text names, and more if you like; money, numbers, and days under names that end in ``_on``, are
            written as the language does.

    Raises:
        UsageError: Another key or language, or a value that the text names and nobody gave.
    """
    speaker = _speaker(language)
    if not isinstance(key, str) or key not in ENGLISH:
        msg = f"key must be one of the catalogue's, got {shown(key)}"
        raise UsageError(msg)
    said = {name: _said(name, value, speaker) for name, value in values.items()}
    try:
        return speaker.text(key).format_map(said)
    except KeyError as error:
        msg = f"{key} needs a value for {error}, got {shown(sorted(values))}"
        raise UsageError(msg) from error


def _said(name: str, value: Money | Decimal | Detail, speaker: OwnLanguage) -> _Said:
    if isinstance(value, Money):
        return _Said(speaker.money(value))
    if _is_decimal(value):
        return _Said(speaker.number(value))
    if type(value) is int and abs(value) <= WHOLE_LIMIT:
        return _Said(speaker.number(value), speaker.plural(value))
    if isinstance(value, tuple):
        return _Said(", ".join(text if isinstance(text, str) else shown(text) for text in value), speaker.plural(len(value)))
    if name.endswith("_on") and isinstance(value, str) and _DAY.fullmatch(value):
        return _Said(speaker.day(date.fromisoformat(value)))
    return _Said(value if isinstance(value, str) else shown(value))


def explain_refusal(refusal: Refusal, language: Language = "en") -> str:
    """Say a refusal to a person; reasons that would tell a guesser which codes exist all say the same.

    Args:
        refusal: What was refused, and why.
        language: ``"en"``, ``"fr"`` or a catalogue.

    Raises:
        UsageError: Another language, or a refusal without the details its text names.

    Example:
        >>> from loyaltycore.errors import Reason
        >>> explain_refusal(Refusal(Reason.POINTS_INSUFFICIENT, {"missing_points": 40, "available_points": 60}))
        '40 points are missing; 60 are available'
    """
    speaker = _speaker(language)
    values: dict[str, Money | Decimal | Detail] = {
        name: _named(value, speaker) for name, value in check_kind("refusal", refusal, Refusal).details.items()
    }
    currency = values.get("currency")
    if isinstance(currency, str):
        for name, value in refusal.details.items():
            if name.endswith("_minor") and isinstance(value, int):
                values[name.removesuffix("_minor")] = Money(value, currency)
    condition = "excluded" if refusal.reason is Reason.CONDITION_EXCLUDED else "own"
    for name, words in (("cap", "span"), ("period", "span"), ("condition", condition)):
        key = f"{words}.{refusal.details.get(name)}"
        if key in ENGLISH:
            values[name] = say(key, language)
    # Points asked were cut down to a whole step: the same reason as for too few, and another sentence.
    said = "cut" if refusal.reason is Reason.POINTS_BELOW_MINIMUM and "step_points" in values else "refused"
    return say(f"{said}.{refusal.reason.value}", language, **values)


def _named(value: Detail, speaker: OwnLanguage) -> Detail:
    """Put the shop's words in the place of its ids."""
    if isinstance(value, str):
        return speaker.name(value)
    return tuple(map(speaker.name, value)) if isinstance(value, tuple) else value
