"""Other languages: a shop's own texts, with amounts, numbers and days as Babel writes them.

A ``Catalogue`` is passed wherever the library takes a language: ``quote.explain(german)``, ``nudge.text(german)``. It needs the
extra ``locale``.

Invariants:
    1. A catalogue has a text for every key: those that are missing are told by name, or are English where that is asked for.
    2. A text names no value that the English one does not, so that whatever can be said in English can be said.
    3. Amounts have exactly the decimals that ISO 4217 gives their currency, also where Babel's own differ.

>>> from loyaltycore.messages import money_text, say
>>> from loyaltycore.quantities import Money
>>> words = {"nudge.percent_off": "Noch {missing} bis {percent} % Rabatt"}
>>> german = Catalogue("de", words, missing=Missing.ENGLISH)
>>> say("nudge.percent_off", german, missing=Money.of("5", "EUR"), percent="10").split()
['Noch', '5,00', '€', 'bis', '10', '%', 'Rabatt']
>>> money_text(Money.of("1234.500", "IQD"), german).split()  # Babel alone writes no decimals
['1.234,500', 'IQD']
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from copy import copy
from datetime import date
from decimal import Context, Decimal, localcontext
from enum import StrEnum
from typing import Final, final

import attrs
from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import NumberPattern

from loyaltycore._checks import check_kind, check_mapping, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_text
from loyaltycore.messages import texts as built_in_texts
from loyaltycore.quantities import Money, exponent_of

__all__ = ["NAMES_LIMIT", "Catalogue", "Missing"]

NAMES_LIMIT: Final = 1_000_000
"""Names of one catalogue: a large shop's products."""

_TOLD_LIMIT: Final = 10
"""Keys named in one message."""

_LOCALE_LIMIT: Final = 40
"""Characters of a locale's name; the longest that Babel knows has 11."""

_FORMS: Final = ("zero", "one", "two", "few", "many", "other")
"""The forms by number of CLDR; each language has some of them."""

_ENGLISH: Final[Mapping[str, str]] = built_in_texts("en")

# Enough digits for any amount or number, whatever the caller's own context allows.
_EXACT: Final = Context(prec=100)


class Missing(StrEnum):
    """What becomes of texts that a catalogue does not have: it is refused and they are told, or they are English."""

    REFUSE = "refuse"
    ENGLISH = "english"


def _texts(texts: Mapping[str, str]) -> FrozenMap[str, str]:
    return FrozenMap(check_mapping("texts", texts))


def _names(names: Mapping[str, str]) -> FrozenMap[str, str]:
    return FrozenMap(check_mapping("names", names, limit=NAMES_LIMIT))


@final
@attrs.frozen
class Catalogue:
    """A language of the shop's own: its texts for the library's keys, and its words for its own ids.

    ``{units:one=Punkt|other=Punkte}`` in a text takes the form that the number of units asks for; the forms of a
    language are those of CLDR (``zero``, ``one``, ``two``, ``few``, ``many``, ``other``), and ``other`` is needed always.

    Attributes:
        locale: As Babel knows it: ``"de"``, ``"pt_BR"``; a dash does as well.
        texts: By the keys of ``messages.texts``.
        names: Words for ids: ``{"casque-ville": "Stadthelm"}``; an id that is not there is said as it is.
        missing: What becomes of texts that are not there.
    """

    locale: str
    texts: FrozenMap[str, str] = attrs.field(repr=False, converter=_texts)
    names: FrozenMap[str, str] = attrs.field(default=FrozenMap[str, str](), repr=False, kw_only=True, converter=_names)
    missing: Missing = attrs.field(default=Missing.REFUSE, kw_only=True)
    _cldr: Locale = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(lambda self: _locale(self.locale), takes_self=True)
    )

    def __attrs_post_init__(self) -> None:
        """Refuse texts that nothing asks for, that are not there, and that could not be filled in."""
        check_kind("missing", self.missing, Missing)
        unknown = [key for key in self.texts if key not in _ENGLISH]
        if unknown:
            msg = f"texts must have keys of the catalogue's, got {_some(unknown)}"
            raise UsageError(msg)
        absent = [key for key in _ENGLISH if key not in self.texts]
        if absent and self.missing is Missing.REFUSE:
            msg = f"texts must have every key of the catalogue's (or be given missing=Missing.ENGLISH), lacks {_some(absent)}"
            raise UsageError(msg)
        wrong = [f"{key}: {why}" for key, text in self.texts.items() for why in _faults(key, text)]
        if wrong:
            msg = f"texts must be fit to be filled in, got {_some(wrong)}"
            raise UsageError(msg)
        for own_id, words in self.names.items():
            check_text("each id of names", own_id)
            check_text(f"the name of {shown(own_id)}", words)

    def text(self, key: str, /) -> str:
        """Give the text of a key; English where there is none.

        Raises:
            UsageError: No key of the catalogue's.
        """
        text = self.texts.get(key, _ENGLISH.get(key)) if isinstance(key, str) else None
        if text is None:
            msg = f"key must be one of the catalogue's, got {shown(key)}"
            raise UsageError(msg)
        return text

    def money(self, money: Money, /) -> str:
        """Write an amount with the decimals of its currency."""
        exponent = exponent_of(check_kind("money", money, Money).currency)
        amount = Decimal(money.minor_units).scaleb(-exponent, _EXACT)
        return self._written(self._cldr.currency_formats["standard"], amount, digits=exponent, currency=money.currency)

    def number(self, number: int | Decimal, /) -> str:
        """Write a number with the digits it has."""
        amount = Decimal(number)
        exponent = amount.as_tuple().exponent
        digits = -exponent if isinstance(exponent, int) and exponent < 0 else 0
        return self._written(self._cldr.decimal_formats[None], amount, digits=digits)

    def day(self, day: date, /) -> str:
        """Write a local day with its month's name."""
        return format_date(day, format="long", locale=self._cldr)

    def plural(self, number: int, /) -> str:
        """Name the form that goes with a number, as CLDR does."""
        return self._cldr.plural_form(number)

    def name(self, own_id: str, /) -> str:
        """Give the shop's words for an id, or the id."""
        return self.names.get(own_id, own_id)

    def _written(self, pattern: NumberPattern, amount: Decimal, *, digits: int, currency: str | None = None) -> str:
        """Fill a pattern of the locale's, with other decimals than it says."""
        exact = copy(pattern)
        exact.frac_prec = (digits, digits)
        with localcontext(_EXACT):
            text: str = exact.apply(amount, self._cldr, currency=currency, currency_digits=False)
        return text


def _locale(name: str) -> Locale:
    try:
        return Locale.parse(check_text("locale", name, limit=_LOCALE_LIMIT).replace("-", "_"))
    except (UnknownLocaleError, ValueError) as error:
        msg = f"locale must be one that Babel knows, such as 'de' or 'pt_BR', got {shown(name)}"
        raise UsageError(msg) from error


def _some(told: list[str]) -> str:
    """Name the first few."""
    more = len(told) - _TOLD_LIMIT
    return ", ".join(map(shown, told[:_TOLD_LIMIT])) + (f" and {more} more" if more > 0 else "")


def _faults(key: str, text: object) -> Iterator[str]:
    """Say what is wrong with a text."""
    if not isinstance(text, str):
        yield f"no text but {shown(text)}"
        return
    known = {name for name, _ in _values(_ENGLISH[key])}
    try:
        values = list(_values(text))
    except ValueError as error:
        yield str(error)
        return
    for name, spec in values:
        if name not in known:
            allowed = ", ".join(sorted(known)) or "none"
            yield f"{{{name}}} is no value of it (allowed: {allowed})"
        said = {form.partition("=")[0] for form in spec.split("|")} if spec else {"other"}
        if "other" not in said or not said.issubset(_FORMS) or "{" in spec:
            yield f"{{{name}:{spec}}} must have plain words for the form other, and may have them for {', '.join(_FORMS[:-1])}"


def _values(text: str) -> Iterator[tuple[str, str]]:
    """Give the values that a text names, each with its forms."""
    for _, name, spec, conversion in string.Formatter().parse(text):
        if name is not None:
            if conversion is not None:
                msg = f"{{{name}!{conversion}}} converts a value, which is text already"
                raise ValueError(msg)
            yield name, spec or ""
