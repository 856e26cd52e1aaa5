"""The commands about gift cards: make one, look one up by its number.

The key of the numbers is read from a file or from the environment and a number from the standard input; neither is ever an
argument: those stand in the shell's history, and in the list of processes for all to see.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from loyaltycore._chance import entropy
from loyaltycore._checks import shown
from loyaltycore._cli_codes import CODES_KEY
from loyaltycore.coupons import CodeBook, CodeSpace, SecretKey
from loyaltycore.errors import Refusal, UsageError
from loyaltycore.gift_cards import CardNumbered, CardNumbers, GiftCard, number_stream
from loyaltycore.identity import StreamId, card_stream
from loyaltycore.program import Program
from loyaltycore.quantities import Money
from loyaltycore.repositories import Repository
from loyaltycore.services import Loyalty, utc_now
from loyaltycore.wire import instant_text, parse_instant

__all__ = ["ANY_PROGRAM", "CARDS_KEY", "add_cards", "add_keys", "keys_of"]

CARDS_KEY: Final = "LOYALTYCORE_CARDS_KEY"
"""The variable of the environment that holds the key of the card numbers, as 64 hexadecimal digits."""

_DONE, _NOT_GOOD = 0, 1

_KEY_ID: Final = "key"
"""What a key is called, in what commands keep, unless they are told otherwise."""

ANY_PROGRAM: Final = 'program = { name = "any", version = 1, currency = "EUR", zone = "UTC", starts_on = 2026-01-01 }'
"""For a service that asks no rule."""

_ENTROPY_BYTES: Final = 32


def add_cards(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    *,
    urls: str,
    readable: Callable[[str], AbstractContextManager[Repository]],
    writable: Callable[..., AbstractContextManager[Repository]],
) -> None:
    """Add the command ``cards`` with its verbs.

    Args:
        commands: Where the program keeps its commands.
        urls: How a store is named, for people.
        readable: Opens a store that is there, for reading.
        writable: Opens a store, or makes it; ``reads`` names files that it must not be.
    """
    cards = commands.add_parser("cards", help="make a gift card, and look one up by its number")
    verbs = cards.add_subparsers(required=True, metavar="VERB")

    issue = verbs.add_parser("issue", help="make a gift card and print its number: this is the one time")
    issue.add_argument("amount", metavar="AMOUNT", help="what is on it, such as 50.00")
    issue.add_argument("currency", metavar="CURRENCY", help="such as EUR")
    issue.add_argument("--ref", metavar="NAME", required=True, help="the shop's own name for it, unique among all cards")
    issue.add_argument("--expires-at", metavar="INSTANT", help="first instant at which it no longer pays; left out, never")
    issue.add_argument("--order-id", metavar="ID", help="the order that sold it; cancelled with that order's line")
    issue.add_argument("--line-id", metavar="ID", help="the line of that order")
    _add_store(issue, f"where it goes: {urls}")
    issue.set_defaults(run=lambda options: _issue(options, writable))

    balance = verbs.add_parser("balance", help="say what is on the card whose number is typed or piped in; 1 where there is none")
    _add_store(balance, f"where the cards are: {urls}; it is only read")
    balance.set_defaults(run=lambda options: _balance(options, readable))


def _add_store(command: argparse.ArgumentParser, store: str) -> None:
    command.add_argument("--store", metavar="URL", required=True, help=store)
    command.add_argument(
        "--key-file", metavar="FILE", type=Path, help=f"holds the key as 64 hexadecimal digits; left out, {CARDS_KEY} does"
    )
    command.add_argument("--key-id", metavar="NAME", default=_KEY_ID, help="what the key is called")
    command.add_argument("--check-value", metavar="HEX", help="what the key's check value must be; another key is refused")


def _issue(options: argparse.Namespace, writable: Callable[..., AbstractContextManager[Repository]]) -> int:
    numbers = _numbers(options)
    amount = Money.of(options.amount, options.currency)
    expires_at = None if options.expires_at is None else parse_instant(options.expires_at)
    used = [] if options.key_file is None else [options.key_file]
    with writable(options.store, reads=used) as repository:
        card = Loyalty(Program.parse(ANY_PROGRAM), repository, card_numbers=numbers).cards.issue(
            amount,
            ref=options.ref,
            entropy=entropy(_ENTROPY_BYTES),
            expires_at=expires_at,
            order_id=options.order_id,
            line_id=options.line_id,
        )
    print(card.number)
    ((key_id, check_value),) = numbers.check_values.items()
    print(f"{card.card_id}, {card.amount}, key {key_id}, check value {check_value}", file=sys.stderr)
    return _DONE


def _balance(options: argparse.Namespace, readable: Callable[[str], AbstractContextManager[Repository]]) -> int:
    numbers = _numbers(options)
    if sys.stdin.isatty():
        print("number: ", end="", file=sys.stderr, flush=True)
    number = numbers.read(sys.stdin.readline())
    if isinstance(number, Refusal):
        print("no number of a gift card")
        return _NOT_GOOD
    with readable(options.store) as repository:
        card = _found(repository, [number_stream(digest) for digest in numbers.digests(number)])
    if card is None:
        print("no gift card has this number")
        return _NOT_GOOD
    balance = card.balance(at=utc_now())
    print(f"{balance.available}{', blocked' if balance.is_blocked else ''}")
    for name, money in (("held", balance.held), ("owed", balance.owed)):
        if money.minor_units:
            print(f"{name}: {money}")
    for end in balance.expires:
        print(f"{end.amount} until {instant_text(end.expires_at)}")
    return _NOT_GOOD if balance.is_blocked else _DONE


def _found(repository: Repository, pointers: Sequence[StreamId]) -> GiftCard | None:
    """Find the card of a number, under whichever key it is kept."""
    facts = [fact for stored in repository.load(pointers).values() for fact in stored.facts if isinstance(fact, CardNumbered)]
    if not facts:
        return None
    card_id = facts[0].card_id
    stream = card_stream(card_id)
    return GiftCard.replay(card_id, repository.load([stream])[stream].facts)


def _numbers(options: argparse.Namespace) -> CardNumbers:
    key = _key_or_none(CARDS_KEY, options.key_file, key_id=options.key_id)
    if key is None:
        msg = f"a key must be given: --key-file FILE, or {CARDS_KEY} in the environment"
        raise UsageError(msg)
    if options.check_value not in {None, key.check_value}:
        msg = f"--check-value: the key's is {key.check_value}, got {shown(options.check_value)}: it is another key"
        raise UsageError(msg)
    return CardNumbers(key)


def add_keys(command: argparse.ArgumentParser) -> None:
    """Add the options that name the keys of a program's codes and gift cards.

    Args:
        command: The command.
    """
    for of, what, variable in (("codes", "codes that a machine makes", CODES_KEY), ("cards", "gift card numbers", CARDS_KEY)):
        command.add_argument(
            f"--{of}-key-file", metavar="FILE", type=Path, help=f"holds the key of {what}; left out, {variable} does, if set"
        )


def keys_of(options: argparse.Namespace, program: Program) -> tuple[CodeBook | None, CardNumbers | None]:
    """Give what reads the codes and makes the card numbers of a program, as far as there are keys.

    Args:
        options: With those of ``add_keys``.
        program: Its campaigns say what the codes look like: a pattern of a file says all of a space but the key.
    """
    codes_key = _key_or_none(CODES_KEY, options.codes_key_file, key_id=_KEY_ID)
    cards_key = _key_or_none(CARDS_KEY, options.cards_key_file, key_id=_KEY_ID)
    spaces = dict.fromkeys(campaign.space_id for campaign in program.campaigns.values() if campaign.space_id is not None)
    parts = [space_id.rpartition("/") for space_id in spaces]
    book = None
    if codes_key is not None:
        book = CodeBook([CodeSpace(codes_key, pattern=pattern, context=context) for context, _, pattern in parts])
    return book, None if cards_key is None else CardNumbers(cards_key)


def _key_or_none(variable: str, path: Path | None, *, key_id: str) -> SecretKey | None:
    """Read a key from a file, or else from the environment; ``None`` where neither is given.

    What was read is shown by no message.
    """
    if path is None and variable not in os.environ:
        return None
    text = os.environ[variable] if path is None else path.read_text(encoding="ascii", errors="replace")  # no ASCII is no key
    try:
        return SecretKey.from_hex(key_id, text)
    except UsageError as error:
        msg = f"{variable if path is None else path}: {error}"
        raise UsageError(msg) from None  # nothing that would print what was read
