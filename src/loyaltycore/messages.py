"""The few sentences the library can say to people, in English and French.

Only nudges, refusals and explanations speak; everything they say is also there as data. Other languages are the shop's own:
every text here is made from a key and values that it can take to its own catalogue.

Invariants:
    1. Every key has a text in every language.
    2. An amount is written with exactly the decimals of its currency.

>>> say("nudge.free_shipping", "fr", missing=Money.of("7.60", "EUR"))
'Encore 7,60 € pour la livraison offerte'
>>> say("nudge.percent_off", "en", missing=Money.of("5", "EUR"), percent="10")
'Spend €5.00 more for 10% off'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final, Literal, TypeAlias

from loyaltycore._checks import check_day, check_kind, shown
from loyaltycore.errors import Detail, Refusal, UsageError
from loyaltycore.quantities import Money, exponent_of

__all__ = ["Language", "date_text", "explain_refusal", "money_text", "say"]

Language: TypeAlias = Literal["en", "fr"]
"""What the built-in catalogue speaks."""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_SYMBOLS: Final[Mapping[str, str]] = {"EUR": "€", "GBP": "£", "JPY": "¥", "USD": "$"}

_ENGLISH: Final[Mapping[str, str]] = {
    "nudge.percent_off": "Spend {missing} more for {percent}% off",
    "nudge.free_shipping": "Spend {missing} more for free shipping",
    "explain.line": "{quantity} × {product}: {net}",
    "explain.line_reduced": "{quantity} × {product}: {net} instead of {list}",
    "explain.offer": "{offer}: −{discount}",
    "explain.burn": "{points} points: −{discount}",
    "explain.shipping": "Shipping: {net}",
    "explain.shipping_reduced": "Shipping: {net} instead of {list}",
    "explain.shipping_unknown": "Shipping: not known yet",
    "explain.total": "Total: {total}",
    "explain.to_pay": "To pay: {to_pay}",
    "explain.earn": "Points to earn: {points}",
    "explain.tier": "Tier after this order: {tier}",
    "explain.code_applied": "Code {code}: applied ({offer})",
    "explain.code_refused": "Code {code}: {why}",
    "explain.burn_refused": "Points asked: {asked}; taken: {granted}; {why}",
    "explain.offer_refused": "{offer}: not applied; {why}",
    "refused.key_reused": "this reference was already used with other values of {fields}",
    "refused.at_before_last": "something later has already happened ({last_at})",
    "refused.program_not_started": "the program starts on {starts_on}",
    "refused.order_not_found": "order {order_id} is not known",
    "refused.order_line_not_found": "order {order_id} has no line {line_id}",
    "refused.refund_window_closed": "order {order_id} could be returned until {last_on}",
    "refused.refund_exceeds_order": "more would come back than order {order_id} still holds",
    "refused.quote_changed": "the offer changed since it was shown: {fields}",
    "refused.earning_not_found": "no points were earned as {earn_ref}",
    "refused.earning_exceeded": "only {left_points} points are left to take back of {earn_ref}",
    "refused.burn_not_found": "no points were burned as {burn_ref}",
    "refused.burn_exceeded": "only {left_points} points are left to give back of {burn_ref}",
    "refused.action_unknown": "the program has no action {action}",
    "refused.member_required": "this is for members",
    "refused.points_below_minimum": "at least {needed_points} points must be burned at once; {missing_points} are missing",
    "refused.points_insufficient": "{missing_points} points are missing; {available_points} are available",
    "refused.points_above_share": "points can pay at most {granted_points} points' worth of this basket",
    "refused.code_malformed": "this is no valid code",
    "refused.code_unknown": "this is no valid code",
    "refused.codes_limit_reached": "at most {limit} codes can be entered at once",
    "refused.code_missing": "a code is needed",
    "refused.offer_not_found": "the program has no offer {offer_id}",
    "refused.offer_not_started": "from {starts_on}",
    "refused.offer_expired": "it ran until {last_on}",
    "refused.order_not_first": "this is for a first order",
    "refused.basket_below_threshold": "{missing} short of {needed}",
    "refused.offer_without_effect": "there is nothing in the basket it could reduce",
    "refused.offer_superseded": "{by} is applied instead",
}

_FRENCH: Final[Mapping[str, str]] = {
    "nudge.percent_off": "Encore {missing} pour −{percent} %",
    "nudge.free_shipping": "Encore {missing} pour la livraison offerte",
    "explain.line": "{quantity} × {product} : {net}",
    "explain.line_reduced": "{quantity} × {product} : {net} au lieu de {list}",
    "explain.offer": "{offer} : −{discount}",
    "explain.burn": "{points} points : −{discount}",
    "explain.shipping": "Livraison : {net}",
    "explain.shipping_reduced": "Livraison : {net} au lieu de {list}",
    "explain.shipping_unknown": "Livraison : pas encore connue",
    "explain.total": "Total : {total}",
    "explain.to_pay": "À payer : {to_pay}",
    "explain.earn": "Points à gagner : {points}",
    "explain.tier": "Niveau après cette commande : {tier}",
    "explain.code_applied": "Code {code} : appliqué ({offer})",
    "explain.code_refused": "Code {code} : {why}",
    "explain.burn_refused": "Points demandés : {asked} ; pris : {granted} ; {why}",
    "explain.offer_refused": "{offer} : non appliqué ; {why}",
    "refused.key_reused": "cette référence a déjà servi avec d'autres valeurs de {fields}",
    "refused.at_before_last": "quelque chose de plus récent a déjà eu lieu ({last_at})",
    "refused.program_not_started": "le programme commence le {starts_on}",
    "refused.order_not_found": "la commande {order_id} n'est pas connue",
    "refused.order_line_not_found": "la commande {order_id} n'a pas de ligne {line_id}",
    "refused.refund_window_closed": "la commande {order_id} pouvait être retournée jusqu'au {last_on} inclus",
    "refused.refund_exceeds_order": "la commande {order_id} ne contient plus autant",
    "refused.quote_changed": "l'offre a changé depuis son affichage : {fields}",
    "refused.earning_not_found": "aucun point n'a été gagné sous {earn_ref}",
    "refused.earning_exceeded": "il ne reste que {left_points} points à reprendre de {earn_ref}",
    "refused.burn_not_found": "aucun point n'a été utilisé sous {burn_ref}",
    "refused.burn_exceeded": "il ne reste que {left_points} points à rendre de {burn_ref}",
    "refused.action_unknown": "le programme ne connaît pas l'action {action}",
    "refused.member_required": "réservé aux membres",
    "refused.points_below_minimum": "au moins {needed_points} points à la fois ; il en manque {missing_points}",
    "refused.points_insufficient": "points manquants : {missing_points} ; disponibles : {available_points}",
    "refused.points_above_share": "pour ce panier, points utilisables au plus : {granted_points}",
    "refused.code_malformed": "ce code n'est pas valable",
    "refused.code_unknown": "ce code n'est pas valable",
    "refused.codes_limit_reached": "au plus {limit} codes à la fois",
    "refused.code_missing": "il faut un code",
    "refused.offer_not_found": "le programme n'a pas d'offre {offer_id}",
    "refused.offer_not_started": "à partir du {starts_on}",
    "refused.offer_expired": "valable jusqu'au {last_on} inclus",
    "refused.order_not_first": "réservé à la première commande",
    "refused.basket_below_threshold": "il manque {missing} pour atteindre {needed}",
    "refused.offer_without_effect": "rien dans le panier ne peut être réduit",
    "refused.offer_superseded": "{by} s'applique à la place",
}

_MONTHS: Final[Mapping[str, str]] = {
    "en": "January February March April May June July August September October November December",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
}

_CATALOGUE: Final[Mapping[str, Mapping[str, str]]] = {"en": _ENGLISH, "fr": _FRENCH}


def money_text(money: Money, language: Language = "en") -> str:
    """Write an amount as people of a language do: ``€7.60`` or ``7,60 €``.

    Args:
        money: Any amount; the sign stands first.
        language: ``"en"`` or ``"fr"``.

    Raises:
        UsageError: No money, or another language.

    Example:
        >>> money_text(Money.of("-1234.50", "CHF")), money_text(Money.of("1234", "JPY"), "fr")
        ('−1,234.50 CHF', '1 234 ¥')
    """
    _catalogue(language)
    exponent = exponent_of(check_kind("money", money, Money).currency)
    symbol = _SYMBOLS.get(money.currency)
    whole, part = divmod(abs(money.minor_units), 10**exponent)
    number = f"{whole:,}.{part:0{exponent}}" if exponent else f"{whole:,}"
    sign = "−" if money.minor_units < 0 else ""
    if language == "fr":
        number = number.replace(",", " ").replace(".", ",")
        return f"{sign}{number} {symbol or money.currency}"
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{number} {money.currency}"


def date_text(day: date, language: Language = "en") -> str:
    """Write a local day as people of a language do: ``1 September 2026`` or ``1er septembre 2026``.

    Args:
        day: The local day.
        language: ``"en"`` or ``"fr"``.

    Raises:
        UsageError: No day, or another language.
    """
    _catalogue(language)
    check_day("day", day)
    first = "1er" if language == "fr" and day.day == 1 else str(day.day)
    return f"{first} {_MONTHS[language].split()[day.month - 1]} {day.year}"


def _catalogue(language: str) -> Mapping[str, str]:
    texts = _CATALOGUE.get(language) if isinstance(language, str) else None
    if texts is None:
        msg = f"language must be one of {', '.join(_CATALOGUE)}, got {shown(language)}"
        raise UsageError(msg)
    return texts


def say(key: str, language: Language, /, **values: Money | Detail) -> str:
    """Fill a text of the catalogue.

    Args:
        key: One of the catalogue's keys.
        language: ``"en"`` or ``"fr"``.
        **values: What the text names, and more if you like; money, and days under names that end in ``_on``, are written as
            the language does.

    Raises:
        UsageError: Another key or language, or a value that the text names and nobody gave.
    """
    text = _catalogue(language).get(key) if isinstance(key, str) else None
    if text is None:
        msg = f"key must be one of the catalogue's, got {shown(key)}"
        raise UsageError(msg)
    said = {name: _said(name, value, language) for name, value in values.items()}
    try:
        return text.format_map(said)
    except KeyError as error:
        msg = f"{key} needs a value for {error}, got {shown(sorted(values))}"
        raise UsageError(msg) from error


def _said(name: str, value: Money | Detail, language: Language) -> str:
    if isinstance(value, Money):
        return money_text(value, language)
    if name.endswith("_on") and isinstance(value, str) and _DAY.fullmatch(value):
        return date_text(date.fromisoformat(value), language)
    return _plain(value)


def _plain(value: Detail) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else shown(value)


def explain_refusal(refusal: Refusal, language: Language = "en") -> str:
    """Say a refusal to a person; reasons that would tell a guesser which codes exist all say the same.

    Raises:
        UsageError: Another language, or a refusal without the details its text names.

    Example:
        >>> from loyaltycore.errors import Reason
        >>> explain_refusal(Refusal(Reason.POINTS_INSUFFICIENT, {"missing_points": 40, "available_points": 60}))
        '40 points are missing; 60 are available'
    """
    values: dict[str, Money | Detail] = dict(check_kind("refusal", refusal, Refusal).details)
    currency = values.get("currency")
    if isinstance(currency, str):
        for name, value in refusal.details.items():
            if name.endswith("_minor") and isinstance(value, int):
                values[name.removesuffix("_minor")] = Money(value, currency)
    return say(f"refused.{refusal.reason.value}", language, **values)
