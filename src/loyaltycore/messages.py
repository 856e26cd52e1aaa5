"""The few sentences the library can say to people, in English and French.

Only nudges, refusals, explanations and statements speak; everything they say is also there as data. Other languages are the
shop's own: every text here is made from a key and values that it can take to its own catalogue.

Invariants:
    1. Every key has a text in every language.
    2. An amount is written with exactly the decimals of its currency.
    3. The blank before ";" and ":" in French is a narrow one that breaks no line.

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

from loyaltycore._checks import check_day, check_kind, check_whole, shown
from loyaltycore.errors import Detail, Reason, Refusal, UsageError
from loyaltycore.quantities import Money, exponent_of

__all__ = ["Language", "date_text", "explain_refusal", "money_text", "number_text", "say"]

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
    "refused.order_reserved": "order {order_id} is set aside until it is paid",
    "refused.order_cancelled": "order {order_id} was cancelled",
    "refused.order_placed": "order {order_id} is placed already",
    "refused.order_has_member": "order {order_id} belongs to a member already",
    "refused.order_line_not_found": "order {order_id} has no line {line_id}",
    "refused.refund_window_closed": "order {order_id} could be returned until {last_on}",
    "refused.refund_exceeds_order": "more would come back than order {order_id} still holds",
    "refused.quote_changed": "the offer changed since it was shown: {fields}",
    "refused.earning_not_found": "no points were earned as {earn_ref}",
    "refused.earning_exceeded": "only {left_points} points are left to take back of {earn_ref}",
    "refused.burn_not_found": "no points were burned as {burn_ref}",
    "refused.burn_exceeded": "only {left_points} points are left to give back of {burn_ref}",
    "refused.hold_not_found": "no points are set aside as {hold_ref}",
    "refused.hold_resolved": "the points set aside as {hold_ref} were burned or given up already",
    "refused.hold_exceeded": "only {left_points} points are set aside as {hold_ref}",
    "refused.release_too_late": "{event} came too late for the points earned as {earn_ref}",
    "refused.transfer_not_found": "no points were transferred as {transfer_ref}",
    "refused.action_unknown": "the program has no action {action}",
    "refused.action_expired": "{action} gives no points any more",
    "refused.action_limit_reached": "{action} gives points at most {limit} times {period}",
    "refused.member_required": "this is for members",
    "refused.points_below_minimum": "at least {needed_points} points must be burned at once; {missing_points} are missing",
    "cut.points_below_minimum": "points are burned {step_points} at a time; {missing_points} more make {needed_points}",
    "refused.points_insufficient": "{missing_points} points are missing; {available_points} are available",
    "refused.points_above_share": "points can pay at most {granted_points} points' worth of this basket",
    "refused.points_cap_reached": "at most {cap_points} points {cap}; {granted_points} of {desired_points} are given",
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
    "span.per_order": "an order",
    "span.per_day": "a day",
    "span.per_week": "a week",
    "span.per_month": "a month",
    "span.per_year": "a year",
    "span.lifetime": "in all",
    "span.balance": "on the account",
    "member.title": "Member {member}",
    "member.accounts": "Accounts: {accounts}",
    "member.available": "Can be burned: {points}",
    "member.pending": "Waiting: {points}",
    "member.held": "Set aside: {points}",
    "member.debt": "Owed, already taken off: {points}",
    "member.tier": "Tier: {tier}",
    "member.expiring": "Expires next, after {last_on}: {points}",
    "member.hold": "Set aside for {ref} {until}: {points}",
    "statement.title": "Points, {from_on} to {through_on}",
    "statement.title_open": "Points, through {through_on}",
    "statement.opening": "Balance before: {points}",
    "statement.closing": "Balance: {points}",
    "statement.nothing": "Nothing happened",
    "statement.earned": "earned for {ref} ({rule}): {units}",
    "statement.became_available": "now available ({refs}): {units}",
    "statement.expired": "expired ({refs}): {units}",
    "statement.lapsed": "lapsed, what was awaited did not happen in time ({refs}): {units}",
    "statement.released": "no longer waiting, {event} happened ({ref}): {units}",
    "statement.burned": "burned for {ref}: {units}",
    "statement.burn_refunded": "given back of what was burned for {burn_ref} ({ref}): {units}",
    "statement.renewed": "given a new end ({ref}): {units}",
    "statement.revoked": "taken back of what was earned for {refs} ({ref}): {units}",
    "statement.adjusted": "taken away by hand ({ref}): {units}",
    "statement.adjustment_reversed": "given back of what was taken away by hand as {adjustment_ref} ({ref}): {units}",
    "statement.held": "set aside for {ref}: {units}",
    "statement.captured": "set aside before, now burned for {ref}: {units}",
    "statement.voided": "no longer set aside for {ref}: {units}",
    "statement.hold_ended": "no longer set aside for {ref}, its time is over: {units}",
    "statement.settled": "paid with other points what {refs} still owed ({ref}): {units}",
    "statement.settlement_undone": "paid back, {refs} owed less ({ref}): {units}",
    "statement.forgiven": "debt of {refs} forgiven ({ref}): {units}",
    "statement.forgiveness_taken_back": "debt of {refs} is gone, and no longer forgiven ({ref}): {units}",
    "statement.transferred_out": "given to {to} ({ref}): {units}",
    "statement.transferred_in": "received from {giver} ({ref}): {units}",
    "statement.transfer_undone": "transfer {ref} undone: {units}",
    "statement.touched": "active ({ref})",
    "statement.expiry_reported": "expired so far, written down ({ref}): {units}",
    "until.day": "through {until_on}",
    "until.time": "until {until_time} on {until_on}",
    "statement.more": "{told}; {clause}",
    "clause.reason": "{reason}",
    "clause.actor": "by {actor}",
    "clause.available_at": "available from {available_on}",
    "clause.awaits": "waiting for {awaits} through {awaited_on}",
    "clause.expires_at": "usable through {last_on}",
    "clause.sliding": "every activity prolongs them",
    "clause.late": "after its time was over",
    "clause.settle": "what is owed is paid with other points",
    "clause.forgive": "what was spent already is not asked back",
    "clause.dated_at": "dated {dated_on}, known later",
}

_FRENCH_WORDS: Final[Mapping[str, str]] = {
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
    "refused.order_reserved": "la commande {order_id} est réservée jusqu'à son paiement",
    "refused.order_cancelled": "la commande {order_id} a été annulée",
    "refused.order_placed": "la commande {order_id} est déjà enregistrée",
    "refused.order_has_member": "la commande {order_id} appartient déjà à un membre",
    "refused.order_line_not_found": "la commande {order_id} n'a pas de ligne {line_id}",
    "refused.refund_window_closed": "la commande {order_id} pouvait être retournée jusqu'au {last_on} inclus",
    "refused.refund_exceeds_order": "la commande {order_id} ne contient plus autant",
    "refused.quote_changed": "l'offre a changé depuis son affichage : {fields}",
    "refused.earning_not_found": "aucun point n'a été gagné sous {earn_ref}",
    "refused.earning_exceeded": "il ne reste que {left_points} points à reprendre de {earn_ref}",
    "refused.burn_not_found": "aucun point n'a été utilisé sous {burn_ref}",
    "refused.burn_exceeded": "il ne reste que {left_points} points à rendre de {burn_ref}",
    "refused.hold_not_found": "aucun point n'est réservé sous {hold_ref}",
    "refused.hold_resolved": "les points réservés sous {hold_ref} ont déjà été utilisés ou libérés",
    "refused.hold_exceeded": "seuls {left_points} points sont réservés sous {hold_ref}",
    "refused.release_too_late": "{event} est arrivé trop tard pour les points gagnés sous {earn_ref}",
    "refused.transfer_not_found": "aucun point n'a été transféré sous {transfer_ref}",
    "refused.action_unknown": "le programme ne connaît pas l'action {action}",
    "refused.action_expired": "{action} ne donne plus de points",
    "refused.action_limit_reached": "{action} donne des points au plus {limit} fois {period}",
    "refused.member_required": "réservé aux membres",
    "refused.points_below_minimum": "au moins {needed_points} points à la fois ; il en manque {missing_points}",
    "cut.points_below_minimum": "points utilisables par {step_points} ; avec {missing_points} de plus, ce serait {needed_points}",
    "refused.points_insufficient": "points manquants : {missing_points} ; disponibles : {available_points}",
    "refused.points_above_share": "pour ce panier, points utilisables au plus : {granted_points}",
    "refused.points_cap_reached": "au plus {cap_points} points {cap} ; {granted_points} sur {desired_points} sont donnés",
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
    "span.per_order": "par commande",
    "span.per_day": "par jour",
    "span.per_week": "par semaine",
    "span.per_month": "par mois",
    "span.per_year": "par an",
    "span.lifetime": "en tout",
    "span.balance": "sur le compte",
    "member.title": "Membre {member}",
    "member.accounts": "Comptes : {accounts}",
    "member.available": "Utilisables : {points}",
    "member.pending": "En attente : {points}",
    "member.held": "Réservés : {points}",
    "member.debt": "Dus, déjà déduits : {points}",
    "member.tier": "Niveau : {tier}",
    "member.expiring": "Prochaine expiration, après le {last_on} : {points}",
    "member.hold": "Réservés pour {ref} {until} : {points}",
    "statement.title": "Points, du {from_on} au {through_on} inclus",
    "statement.title_open": "Points, jusqu'au {through_on} inclus",
    "statement.opening": "Solde avant : {points}",
    "statement.closing": "Solde : {points}",
    "statement.nothing": "Aucun mouvement",
    "statement.earned": "gagnés pour {ref} ({rule}) : {units}",
    "statement.became_available": "désormais disponibles ({refs}) : {units}",
    "statement.expired": "expirés ({refs}) : {units}",
    "statement.lapsed": "perdus, ce qui était attendu n'est pas arrivé à temps ({refs}) : {units}",
    "statement.released": "débloqués, {event} est arrivé ({ref}) : {units}",
    "statement.burned": "utilisés pour {ref} : {units}",
    "statement.burn_refunded": "rendus sur ceux utilisés pour {burn_ref} ({ref}) : {units}",
    "statement.renewed": "prolongés ({ref}) : {units}",
    "statement.revoked": "repris sur ceux gagnés pour {refs} ({ref}) : {units}",
    "statement.adjusted": "retirés à la main ({ref}) : {units}",
    "statement.adjustment_reversed": "rendus sur ceux retirés à la main sous {adjustment_ref} ({ref}) : {units}",
    "statement.held": "réservés pour {ref} : {units}",
    "statement.captured": "réservés auparavant, maintenant utilisés pour {ref} : {units}",
    "statement.voided": "plus réservés pour {ref} : {units}",
    "statement.hold_ended": "plus réservés pour {ref}, le délai est passé : {units}",
    "statement.settled": "payés avec d'autres points pour ce que {refs} devait encore ({ref}) : {units}",
    "statement.settlement_undone": "remboursés, {refs} devait moins ({ref}) : {units}",
    "statement.forgiven": "dette de {refs} remise ({ref}) : {units}",
    "statement.forgiveness_taken_back": "la dette de {refs} n'existe plus, sa remise non plus ({ref}) : {units}",
    "statement.transferred_out": "donnés à {to} ({ref}) : {units}",
    "statement.transferred_in": "reçus de {giver} ({ref}) : {units}",
    "statement.transfer_undone": "transfert {ref} annulé : {units}",
    "statement.touched": "activité ({ref})",
    "statement.expiry_reported": "expirés à ce jour, notés ({ref}) : {units}",
    "until.day": "jusqu'au {until_on} inclus",
    "until.time": "jusqu'au {until_on} à {until_time}",
    "statement.more": "{told} ; {clause}",
    "clause.reason": "{reason}",
    "clause.actor": "par {actor}",
    "clause.available_at": "disponibles à partir du {available_on}",
    "clause.awaits": "en attente de {awaits} jusqu'au {awaited_on} inclus",
    "clause.expires_at": "utilisables jusqu'au {last_on} inclus",
    "clause.sliding": "chaque activité les prolonge",
    "clause.late": "le délai était passé",
    "clause.settle": "ce qui est dû est payé avec d'autres points",
    "clause.forgive": "ce qui est déjà dépensé n'est pas redemandé",
    "clause.dated_at": "daté du {dated_on}, connu plus tard",
}

# The blank that French sets before these marks must not break a line, and an editor does not show it: it is set in here.
_FRENCH: Final[Mapping[str, str]] = {
    key: text.replace(" ;", "\N{NARROW NO-BREAK SPACE};").replace(" :", "\N{NARROW NO-BREAK SPACE}:")
    for key, text in _FRENCH_WORDS.items()
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


def number_text(number: int, language: Language = "en") -> str:
    """Write a whole number as people of a language do: ``1,200`` or ``1 200``; the sign stands first.

    Args:
        number: Any whole number.
        language: ``"en"`` or ``"fr"``.

    Raises:
        UsageError: No whole number, or another language.

    Example:
        >>> number_text(-1234), number_text(1234, "fr")
        ('−1,234', '1 234')
    """
    _catalogue(language)
    text = f"{abs(check_whole('number', number)):,}"
    return ("−" if number < 0 else "") + (text.replace(",", " ") if language == "fr" else text)


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
    for name in ("cap", "period"):
        span = f"span.{values.get(name)}"
        if span in _catalogue(language):
            values[name] = say(span, language)
    # Points asked were cut down to a whole step: the same reason as for too few, and another sentence.
    said = "cut" if refusal.reason is Reason.POINTS_BELOW_MINIMUM and "step_points" in values else "refused"
    return say(f"{said}.{refusal.reason.value}", language, **values)
