"""Forgetting: the facts of a member under another name, so that nothing leads back to the person and every book stays as it is.

An id stands in the fields that name a member, in those that say who acted, and in reasons that people typed. All of them are
rewritten; amounts, days, lots, references and the number of facts stay.

Invariants:
    1. As many facts come out of a stream as went in, in the same order and at the same instants.
    2. Under the alias, balances, books, tiers and orders are what they were under the id.
    3. A fact that does not name the member comes out as it went in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from loyaltycore.codec import decode_fact, encode_fact
from loyaltycore.errors import UsageError
from loyaltycore.facts import Fact
from loyaltycore.identity import StreamId, check_id, member_stream, order_stream
from loyaltycore.ledger import LedgerFact, TransferredIn, TransferredOut
from loyaltycore.memberships import OrderCounted, ReturnCounted
from loyaltycore.wire import Json

__all__ = ["NAMING", "TYPED", "forgotten", "linked_streams"]

NAMING: Final = frozenset({"actor", "giver", "member_id", "to"})
"""Fields of facts that may hold a member's id, and nothing beside it."""

TYPED: Final = frozenset({"reason"})
"""Fields of facts that hold what people typed: the id may stand among other words."""


def linked_streams(member_id: str, facts: Iterable[Fact]) -> tuple[StreamId, ...]:
    """Name the streams beside a member's own that may name the member: orders, and those who gave or got points.

    Args:
        member_id: Whose.
        facts: All of the member's.

    Returns:
        In order, each once. Some may never have been written: what a reference names may be an order, or something else.
    """
    found = set[StreamId]()
    for fact in facts:
        match fact:
            case OrderCounted() | ReturnCounted():
                found.add(order_stream(fact.order_id))
            case TransferredOut():
                found.add(member_stream(fact.to))
            case TransferredIn():
                found.add(member_stream(fact.giver))
            case LedgerFact() if _is_id(fact.ref):
                found.add(order_stream(fact.ref))  # what is held for an order that is not paid has its name
    return tuple(sorted(found - {member_stream(member_id)}))


def forgotten(facts: Mapping[StreamId, Sequence[Fact]], *, member_id: str, alias: str) -> dict[StreamId, tuple[Fact, ...]]:
    """Give facts with an alias in the place of a member's id, for ``Forgetting.rename``.

    Args:
        facts: All facts of the member's stream, and of those that ``linked_streams`` names.
        member_id: Who is to be forgotten.
        alias: A name that says nothing, and that nobody has.

    Returns:
        The member's stream under the alias, and of the others those that named the member; nothing where nothing is known.

    Raises:
        UsageError: An alias that is no id, or the member's own.
    """
    old, new = member_stream(member_id), member_stream(check_id("alias", alias))
    if old == new:
        msg = f"alias must be another id, got {alias!r}"
        raise UsageError(msg)
    rename = _renamer(member_id, alias)
    renamed = {stream: tuple(map(rename, several)) for stream, several in facts.items()}
    changed = {stream for stream, several in renamed.items() if several != tuple(facts[stream]) or (stream == old and several)}
    return {new if stream == old else stream: several for stream, several in renamed.items() if stream in changed}


def _renamer(member_id: str, alias: str) -> Callable[[Fact], Fact]:
    # "m-42" within "m-421" is somebody else; within "(m-42)" or "m-42's" it is not.
    before = "(?<![0-9A-Za-z])" if _is_plain(member_id[0]) else ""
    after = "(?![0-9A-Za-z])" if _is_plain(member_id[-1]) else ""
    typed = re.compile(before + re.escape(member_id) + after)

    def walk(name: str, value: Json) -> Json:
        match value:
            case str() if name in NAMING:
                return alias if value == member_id else value
            case str() if name in TYPED:
                return typed.sub(lambda _: alias, value)
            case dict():
                return {key: walk(key, item) for key, item in value.items()}
            case list():
                return [walk("", item) for item in value]
        return value

    def rename(fact: Fact) -> Fact:
        data = encode_fact(fact)
        renamed = walk("", data)
        return fact if renamed == data else decode_fact(renamed)

    return rename


def _is_plain(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


def _is_id(ref: str) -> bool:
    try:
        return bool(check_id("ref", ref))
    except UsageError:  # an order and its return together may be longer than any id
        return False
