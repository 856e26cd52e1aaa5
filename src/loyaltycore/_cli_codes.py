"""The commands about codes: plan a pattern, make codes, read them.

A key is read from a file or from the environment, and is never an argument: those stand in the shell's history, and in the list
of processes for all to see.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from loyaltycore._alphabets import CROCKFORD, DIGITS, UNAMBIGUOUS, WORD_SAFE
from loyaltycore._checks import shown
from loyaltycore._code_book import plan_codes
from loyaltycore._code_space import AvoidedWords, CodeSpace, SecretKey
from loyaltycore.errors import UsageError

__all__ = ["CODES_KEY", "add_codes"]

CODES_KEY: Final = "LOYALTYCORE_CODES_KEY"
"""The variable of the environment that holds a key, as 64 hexadecimal digits."""

_DONE, _NOT_GENUINE = 0, 1

_ALPHABETS: Final = {"crockford": CROCKFORD, "unambiguous": UNAMBIGUOUS, "word-safe": WORD_SAFE, "digits": DIGITS}


def add_codes(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``codes`` with its verbs.

    Args:
        commands: Where the program keeps its commands.
    """
    codes = commands.add_parser("codes", help="plan, make and read codes that nobody can guess")
    verbs = codes.add_subparsers(required=True, metavar="VERB")

    plan = verbs.add_parser("plan", help="turn a number of codes into a pattern, and say what a guesser may expect")
    plan.add_argument("count", metavar="COUNT", type=int, help="how many codes there must be room for")
    plan.add_argument("--symbols", metavar="N", type=int, help="how many symbols a code may have; left out, the fewest that do")
    plan.add_argument("--prefix", metavar="TEXT", default="", help="what every code begins with")
    plan.add_argument("--group", metavar="N", type=int, default=4, help="symbols between two dashes; left out, 4")
    _add_alphabet(plan)
    plan.set_defaults(run=_plan)

    generate = verbs.add_parser("generate", help="print the codes of a range of serials")
    _add_space(generate)
    generate.add_argument("--from", metavar="SERIAL", dest="start", type=int, default=0, help="the first serial; left out, 0")
    generate.add_argument(
        "--to", metavar="SERIAL", dest="stop", type=int, required=True, help="the first serial that is not made"
    )
    generate.add_argument("--avoid", metavar="FILE", type=Path, help="words that no code may hold, in UTF-8, with blanks between")
    generate.add_argument("--csv", action="store_true", help="print a heading first")
    generate.set_defaults(run=_generate)

    read = verbs.add_parser("read", help="say what codes are: typed wrongly, forged, or genuine; 1 where one is not genuine")
    read.add_argument("codes", metavar="CODE", nargs="+", help="a code, as typed")
    _add_space(read)
    read.set_defaults(run=_read)


def _add_alphabet(command: argparse.ArgumentParser) -> None:
    named = ", ".join(_ALPHABETS)
    command.add_argument("--alphabet", metavar="NAME", default="crockford", help=f"one of {named}, or the symbols themselves")


def _add_space(command: argparse.ArgumentParser) -> None:
    """Add what makes a space."""
    command.add_argument("--pattern", required=True, help="such as HI-####-####-####: # is a symbol")
    command.add_argument("--context", required=True, help="what the codes are for: those of another context are forged")
    _add_alphabet(command)
    command.add_argument("--tag", metavar="N", type=int, help="symbols against guessing; left out, as many as are needed")
    command.add_argument("--no-check", dest="check", action="store_false", help="the last symbol finds no slips of typing")
    command.add_argument("--weak", action="store_true", help="odds below one in 2^29 are meant, behind a limit on attempts")
    command.add_argument(
        "--key-file", metavar="FILE", type=Path, help=f"holds the key as 64 hexadecimal digits; left out, {CODES_KEY} does"
    )
    command.add_argument("--key-id", metavar="NAME", default="key", help="what the key is called; no code depends on it")
    command.add_argument("--check-value", metavar="HEX", help="what the key's check value must be; another key is refused")


def _plan(options: argparse.Namespace) -> int:
    plan = plan_codes(
        options.count, symbols=options.symbols, alphabet=_alphabet(options), prefix=options.prefix, group=options.group
    )
    print(plan.pattern)
    print(plan.text)
    return _DONE


def _generate(options: argparse.Namespace) -> int:
    space = _space(options)
    words = AvoidedWords.of(() if options.avoid is None else _words(options.avoid))
    if options.stop < options.start:
        msg = f"--to must not be before --from, {options.start}, got {options.stop}"
        raise UsageError(msg)
    codes, made = space.codes(range(options.start, options.stop), avoid=words), 0
    if options.csv:
        print("code")
    for code in codes:
        print(code)
        made += 1
    avoided = f", which avoid the words {words.digest}" if words else ""
    print(f"{made:,} codes of key {space.key_id}, check value {space.check_value}{avoided}", file=sys.stderr)
    return _DONE


def _read(options: argparse.Namespace) -> int:
    space = _space(options)
    readings = [space.read(code) for code in options.codes]
    for code, reading in zip(options.codes, readings, strict=True):
        serial = f", serial {reading.serial}" if reading.is_genuine else ""
        print(f"{shown(code)}: {reading.verdict}{serial}")
    return _DONE if all(reading.is_genuine for reading in readings) else _NOT_GENUINE


def _alphabet(options: argparse.Namespace) -> str:
    given: str = options.alphabet
    return _ALPHABETS.get(given, given)


def _space(options: argparse.Namespace) -> CodeSpace:
    return CodeSpace(
        _key(options),
        pattern=options.pattern,
        context=options.context,
        alphabet=_alphabet(options),
        tag=options.tag,
        check=options.check,
        weak=options.weak,
    )


def _key(options: argparse.Namespace) -> SecretKey:
    """Read the key, and refuse one that is not the one meant."""
    path: Path | None = options.key_file
    if path is not None:
        text = path.read_text(encoding="ascii", errors="replace")  # what is no ASCII is no key
    elif (given := os.environ.get(CODES_KEY)) is not None:
        text = given
    else:
        msg = f"a key must be given: --key-file FILE, or {CODES_KEY} in the environment"
        raise UsageError(msg)
    try:
        key = SecretKey.from_hex(options.key_id, text)
    except UsageError as error:
        msg = f"{CODES_KEY if path is None else path}: {error}"
        raise UsageError(msg) from None  # nothing that would print what was read
    if options.check_value not in {None, key.check_value}:
        msg = f"--check-value: the key's is {key.check_value}, got {shown(options.check_value)}: it is another key"
        raise UsageError(msg)
    return key


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split()
    except UnicodeDecodeError as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error
