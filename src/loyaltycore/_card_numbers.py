"""Numbers of gift cards: drawn at random, printed once, and kept as a digest that tells nothing without the pepper.

A number has no key to leak: it comes from the caller's entropy alone. A shop stores ``digest``, never the number, so that
whoever reads the database can pay with none of its cards.

Invariants:
    1. The same entropy gives the same number; every number is as likely as any other.
    2. However a number is typed, it reads as the one canonical text; any text at all reads as that or as a refusal.
    3. A single wrong symbol, or two neighbours swapped, is no number.
    4. Neither number, pepper nor entropy is in any ``repr`` or message.

>>> from loyaltycore._code_space import SecretKey
>>> numbers = CardNumbers(SecretKey("pepper-1", bytes(range(32))))
>>> number = numbers.number(b"sixteen random b")
>>> number
'MXN3-NA4S-7QTM-J459'
>>> numbers.read(" mxn3 na4s 7qtm j459 ") == numbers.read(number), numbers.last_four(number)
(True, 'J459')
>>> print(numbers.read("MXN3-NA4S-7QTM-J458"))
card_unknown

Source: BLAKE2b as in RFC 7693, keyed with the pepper.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import chain, count, islice
from typing import Final, NoReturn, final

from loyaltycore._alphabets import CROCKFORD, CheckSymbol, check_alphabet
from loyaltycore._checks import check_kind, check_mapping, check_several, shown
from loyaltycore._code_space import SecretKey
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import Reason, Refusal, UsageError
from loyaltycore.identity import CODE_LENGTH_LIMIT, fold_code

__all__ = ["CardNumbers"]

ROOM_LEAST: Final = 2**80
"""Texts that the symbols of a number can spell: at least 16 symbols, for the largest alphabet has 33.

One of the symbols is the check: with 32 symbols 75 bits are drawn at random.
"""

PEPPERS_LIMIT: Final = 8
"""Peppers of one shop, the older ones included: each is one more digest for every number looked up during a rotation."""

ENTROPY_LEAST: Final = 16
ENTROPY_LIMIT: Final = 1024
"""Bytes: fewer could be tried out, more is a file by mistake."""

_LAST: Final = 4
"""Symbols that may be shown: with 33 symbols at the most they leave 54 bits hidden at the least, and 40 are enough."""

_PATTERN: Final = re.compile(f"[A-Za-z0-9# -]{{1,{CODE_LENGTH_LIMIT}}}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_DIGEST_BYTES: Final = 32
_BLOCK: Final = 64
_BYTE: Final = 256


@final
class CardNumbers:
    """How a shop's gift card numbers look, and the pepper under which their digests are stored.

    It prints without its peppers, is its own copy, cannot change and refuses to be pickled.
    """

    __slots__ = ("_alphabet", "_check", "_pattern", "_peppers", "_shape")

    _alphabet: str
    _check: CheckSymbol
    _pattern: str
    _peppers: tuple[SecretKey, ...]
    _shape: str

    def __init__(
        self,
        pepper: SecretKey,
        *,
        pattern: str = "####-####-####-####",
        alphabet: str = CROCKFORD,
        older: Sequence[SecretKey] = (),
        check_values: Mapping[str, str] = FrozenMap[str, str](),
    ) -> None:
        """Take the pepper and the look.

        Args:
            pepper: The present one; whoever has it and the database can test numbers, and still not guess them.
            pattern: ``#`` is a symbol, the last of them the check symbol; letters and digits stand for themselves; ``-`` and
                blank are only printed. At least 16 symbols that spell 2^80 texts: 16 of 32, 17 of 31, 19 of 20, 25 of 10.
            alphabet: Of the symbols.
            older: The peppers before this one, oldest first: the digest is wrapped once for each.
            check_values: What the peppers' check values must be, by their names, as they were noted when the peppers were made:
                cards that are sold under a wrong one are lost when the right one is back.

        Raises:
            UsageError: A pattern that is too short, an alphabet without a check symbol, or a pepper that is there twice.
        """
        peppers = (*check_several("older", older, SecretKey, limit=PEPPERS_LIMIT - 1), check_kind("pepper", pepper, SecretKey))
        if min(len({key.key_id for key in peppers}), len({key.check_value for key in peppers})) < len(peppers):
            msg = f"pepper and older must be different keys of different names, got {', '.join(key.key_id for key in peppers)}"
            raise UsageError(msg)
        for key in peppers:
            noted = check_mapping("check_values", check_values).get(key.key_id, key.check_value)
            if noted != key.check_value:
                msg = (
                    f"pepper {key.key_id!r} must have the check value {noted}, got one with {key.check_value}: it is another one"
                )
                raise UsageError(msg)
        if not isinstance(pattern, str) or not _PATTERN.fullmatch(pattern):
            msg = (
                f"pattern must be '#' for each symbol, letters and digits (ASCII), '-' and ' ', "
                f"at most {CODE_LENGTH_LIMIT} characters, got {shown(pattern)}"
            )
            raise UsageError(msg)
        symbols, size = pattern.count("#"), len(check_alphabet(alphabet))
        if size**symbols < ROOM_LEAST:
            needed = next(length for length in count() if size**length >= ROOM_LEAST)
            msg = f"pattern must have at least {needed} symbols of {size}, got {symbols}"
            raise UsageError(msg)
        shape = "".join([sign if sign == "#" else fold_code(sign) for sign in pattern if sign not in "- "])
        for name, value in (
            ("_alphabet", alphabet),
            ("_check", CheckSymbol.of(size)),
            ("_pattern", pattern),
            ("_peppers", peppers),
            ("_shape", shape),
        ):
            object.__setattr__(self, name, value)

    @property
    def pattern(self) -> str:
        """How a number is printed."""
        return self._pattern

    @property
    def alphabet(self) -> str:
        """What its symbols are."""
        return self._alphabet

    @property
    def pepper_id(self) -> str:
        """The public name of the present pepper."""
        return self._peppers[-1].key_id

    @property
    def check_values(self) -> dict[str, str]:
        """The check value of each pepper by its name, oldest first: what to store, to notice a wrong one before it is used."""
        return {pepper.key_id: pepper.check_value for pepper in self._peppers}

    def number(self, entropy: bytes) -> str:
        """Give the number that some entropy stands for, as it is printed.

        Keep the entropy until the number was handed over: a retry with the same gives the same. Then forget both.

        Args:
            entropy: 16 to 1,024 bytes from a good source, such as ``secrets.token_bytes(16)``; never used for two cards.

        Raises:
            UsageError: Anything else; the message does not show it.
        """
        if not isinstance(entropy, bytes) or not ENTROPY_LEAST <= len(entropy) <= ENTROPY_LIMIT:
            length = f" of length {len(entropy)}" if isinstance(entropy, bytes | bytearray | str) else ""
            msg = f"entropy must be {ENTROPY_LEAST} to {ENTROPY_LIMIT} bytes, got {type(entropy).__name__}{length}"
            raise UsageError(msg)
        drawn = list(islice(_drawn(entropy, len(self._alphabet)), self._pattern.count("#") - 1))
        symbols = iter([self._alphabet[place] for place in (*drawn, self._check.digit(drawn))])
        return "".join([next(symbols) if sign == "#" else sign for sign in self._pattern])

    def read(self, text: str) -> str | Refusal:
        """Read a number as a person typed it.

        Args:
            text: Any text; case, spaces, dashes, full width and look-alikes fold as those of codes.

        Returns:
            The canonical number, which has no separators; or ``card_unknown``, without details. That it is one of the shop's is
            known only once ``digest`` is found.

        Raises:
            UsageError: No text.
        """
        if not _is_text(text):
            msg = f"a card number must be text, got a {type(text).__name__}"
            raise UsageError(msg)
        number = self._canonical(text)
        return Refusal(Reason.CARD_UNKNOWN) if number is None else number

    def digest(self, number: str) -> str:
        """Give what to look a number up by, under the present pepper: 64 hexadecimal digits.

        It is ``H(newest, … H(oldest, number))``, where H is BLAKE2b-256 with a pepper as its key and ``"lc.gift.v1"`` as its
        personalisation, over the canonical number at first, then over the 32 bytes of the digest before.

        Args:
            number: As printed, as typed, or canonical.

        Raises:
            UsageError: No number; the message does not show it.
        """
        return self.digests(number)[0]

    def digests(self, number: str) -> tuple[str, ...]:
        """Give the digests of all stages of a rotation, newest first: where to look while it is under way.

        Args:
            number: As printed, as typed, or canonical.

        Raises:
            UsageError: No number; the message does not show it.
        """
        data, stages = self._checked(number).encode(), list[str]()
        for pepper in self._peppers:
            data = _hashed(pepper, data)
            stages.append(data.hex())
        return tuple(reversed(stages))

    def rewrapped(self, digest: str, pepper_id: str) -> str:
        """Give what becomes of a stored digest under the present pepper, however old it is: no number is needed for it.

        Args:
            digest: Under an older pepper.
            pepper_id: The name of that pepper: the last that it was made with.

        Raises:
            UsageError: Anything else than 64 hexadecimal digits, or a pepper that is not among the older ones.
        """
        ids = [pepper.key_id for pepper in self._peppers]
        if pepper_id not in ids[:-1] or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            msg = f"digest must be 64 hexadecimal digits under one of {', '.join(map(repr, ids[:-1])) or 'no'} older peppers"
            raise UsageError(msg)
        data = bytes.fromhex(digest)
        for pepper in self._peppers[ids.index(pepper_id) + 1 :]:
            data = _hashed(pepper, data)
        return data.hex()

    def last_four(self, number: str) -> str:
        """Give the last four symbols, for whoever asks which card it is: at least 54 bits of the number stay hidden.

        Args:
            number: As printed, as typed, or canonical.

        Raises:
            UsageError: No number; the message does not show it.
        """
        return _symbols(self._shape, self._checked(number))[-_LAST:]

    def __repr__(self) -> str:
        """Print without the peppers."""
        return f"CardNumbers({self._peppers[-1]!r}, pattern={self._pattern!r}, alphabet={self._alphabet!r})"

    def __copy__(self) -> CardNumbers:
        """Be one's own copy."""
        return self

    def __deepcopy__(self, _memo: object) -> CardNumbers:
        """Be one's own copy."""
        return self

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: it would take the peppers along."""
        msg = "CardNumbers are not pickled: make them again from their peppers where they are needed"
        raise UsageError(msg)

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        """Refuse to change."""
        msg = f"{name!r} of CardNumbers cannot be set"
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse to change."""
        msg = f"{name!r} of CardNumbers cannot be deleted"
        raise AttributeError(msg)

    def _checked(self, number: object) -> str:
        found = self._canonical(number) if isinstance(number, str) else None
        if found is None:
            # Never the value: a number with a slip of typing is nearly the number.
            msg = f"number must be one that reads as a card number of pattern {self._pattern!r}, got a {type(number).__name__}"
            raise UsageError(msg)
        return found

    def _canonical(self, text: str) -> str | None:
        try:
            folded = fold_code(text)
        except UsageError:
            return None
        if len(folded) != len(self._shape) or any(
            sign not in ("#", found) for sign, found in zip(self._shape, folded, strict=True)
        ):
            return None
        places = [self._alphabet.find(symbol) for symbol in _symbols(self._shape, folded)]
        return folded if min(places) >= 0 and self._check.holds(places) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _symbols(shape: str, folded: str) -> str:
    """Take the symbols out of a number, without its literals."""
    return "".join([found for sign, found in zip(shape, folded, strict=True) if sign == "#"])


def _hashed(pepper: SecretKey, data: bytes) -> bytes:
    return pepper.hash(data, person=b"lc.gift.v1", size=_DIGEST_BYTES)


def _drawn(entropy: bytes, size: int) -> Iterator[int]:
    """Draw numbers below a size, each as likely as any other: what is left of a byte's range above a multiple is passed over."""
    even = _BYTE - _BYTE % size
    blocks = (blake2b(n.to_bytes(8) + entropy, person=b"lc.gift.draw", digest_size=_BLOCK).digest() for n in count())
    return (byte % size for byte in chain.from_iterable(blocks) if byte < even)
