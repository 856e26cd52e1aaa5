"""Codes that nobody can guess, made from a key and a serial number; nothing is stored for a code that is not used.

Invariants:
    1. A serial has one code, and a code reads as the one serial it was made from; of all texts exactly ``capacity`` are genuine.
    2. Without the key a guess reads as genuine once in ``odds``; codes tell nothing of their order, number or neighbours.
    3. Any text at all reads as a verdict, and long text costs no more than short text.
    4. A key is in no ``repr``, no message, no pickle and no copy.

>>> key = SecretKey("2026a", bytes(range(32)))
>>> space = CodeSpace(key, pattern="####-####-####", context="shop-1")
>>> space.code(0), list(space.codes(range(1, 3)))
('MME2-F4JX-SSTX', ['WDTP-PHC1-VRGV', 'EY5B-21FY-YSBJ'])
>>> space.read("wdtp phcl vrgv").serial
1
>>> space.read("WDTP-PHC1-VRGW").verdict
<CodeVerdict.CHECK: 'check'>

Source: Rogaway and Shrimpton, "Deterministic authenticated-encryption" (2006), for the synthetic mask; Naor and Reingold, "On the
construction of pseudorandom permutations" (1999), for the outer round; RFC 7693 for BLAKE2b.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from hashlib import blake2b
from hmac import compare_digest
from itertools import chain, compress
from typing import Final, NamedTuple, NoReturn, Self, final

import attrs

from loyaltycore._alphabets import CROCKFORD, CheckSymbol, check_alphabet
from loyaltycore._checks import check_kind, check_several, check_whole, shown
from loyaltycore._spelling import BLOCK, Press, Spelling
from loyaltycore.errors import UsageError
from loyaltycore.identity import CODE_LENGTH_LIMIT, check_id, check_slug, fold_code

__all__ = [
    "CAPACITY_LIMIT",
    "CONTEXT_LENGTH_LIMIT",
    "KEY_ID_LENGTH_LIMIT",
    "SYMBOLS_LIMIT",
    "WORDS_LIMIT",
    "AvoidedWords",
    "CodePattern",
    "CodeReading",
    "CodeSpace",
    "CodeVerdict",
    "SecretKey",
    "space_id_of",
]

KEY_LENGTH: Final = 32
"""Bytes of a key: a longer one would be cut without a word, a shorter one guessed."""

KEY_ID_LENGTH_LIMIT: Final = 32
CONTEXT_LENGTH_LIMIT: Final = 64
"""Characters: a key's id and a context stand in the id of every coupon, which must stay short enough for a column."""

SYMBOLS_LEAST: Final = 4
SYMBOLS_LIMIT: Final = 24
"""Symbols of a code: fewer are guessed, more are not typed."""

CAPACITY_LIMIT: Final = 2**40
"""Codes of one space: a million millions, and what the outer round is made for."""

ODDS_LEAST: Final = 2**29
"""One try in so many is a code: at four million tries an hour, one in five days."""

WEAK_ODDS_LEAST: Final = 2**20
"""With ``weak=True``: no safety without a limit on attempts."""

WORDS_LIMIT: Final = 100_000
"""Words to avoid: more than any list has."""

_WORD_LEAST: Final = 3
"""Letters of a word to avoid: shorter ones would leave out a good part of all codes."""

_HEX_KEY: Final = re.compile(f"[0-9A-Fa-f]{{{2 * KEY_LENGTH}}}")


class _Sealed:
    """Holds a secret: it is its own copy, cannot change, and refuses to be pickled."""

    __slots__ = ()

    def __copy__(self) -> Self:
        """Be one's own copy."""
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        """Be one's own copy."""
        return self

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        msg = f"a {type(self).__name__} is not pickled: make it again from its key where it is needed"
        raise UsageError(msg)

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        """Refuse to change."""
        msg = f"{name!r} of a {type(self).__name__} cannot be set"
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse to change."""
        self.__setattr__(name, None)


@final
class SecretKey(_Sealed):
    """A secret of 32 bytes, and the name it goes by.

    Equal by content; hashed by what is no secret. It prints masked, is its own copy, and refuses to be pickled.
    """

    __slots__ = ("_check_value", "_key_id", "_secret")

    _key_id: str
    _secret: bytes
    _check_value: str

    def __init__(self, key_id: str, secret: bytes) -> None:
        """Take a secret.

        Args:
            key_id: Public: it stands in facts; 1 to 32 letters, digits, ``_``, ``.``, ``:``, ``-``.
            secret: Exactly 32 bytes from a good source, such as ``secrets.token_bytes(32)``.

        Raises:
            UsageError: Text, or another length.
        """
        if not isinstance(secret, bytes) or len(secret) != KEY_LENGTH:
            # Never the value: a key that is nearly right is nearly known.
            length = f" of length {len(secret)}" if isinstance(secret, bytes | bytearray | str) else ""
            msg = f"secret must be exactly {KEY_LENGTH} bytes, got {type(secret).__name__}{length}"
            raise UsageError(msg)
        if len(check_slug("key_id", key_id)) > KEY_ID_LENGTH_LIMIT:
            msg = f"key_id must be at most {KEY_ID_LENGTH_LIMIT} characters, got {key_id!r}"
            raise UsageError(msg)
        object.__setattr__(self, "_key_id", key_id)
        object.__setattr__(self, "_secret", bytes(secret))
        object.__setattr__(self, "_check_value", self.hash(b"", person=b"loyaltycore.kcv", size=32)[:8].hex())

    @classmethod
    def from_hex(cls, key_id: str, text: str) -> SecretKey:
        """Read a secret written as 64 hexadecimal digits: an environment variable holds no zero byte.

        Args:
            key_id: As for the class.
            text: Blanks and line ends around it are ignored.

        Raises:
            UsageError: Anything else.
        """
        written = text.strip() if isinstance(text, str) else ""
        if not _HEX_KEY.fullmatch(written):
            msg = f"key {shown(key_id)} must be written as {2 * KEY_LENGTH} hexadecimal digits, got something else"
            raise UsageError(msg)
        return cls(key_id, bytes.fromhex(written))

    @property
    def key_id(self) -> str:
        """The public name of the key."""
        return self._key_id

    @property
    def check_value(self) -> str:
        """What tells a wrong key from the right one without telling the key: 16 hexadecimal digits."""
        return self._check_value

    def hash(self, data: bytes, *, person: bytes, size: int) -> bytes:
        """Give the keyed BLAKE2b hash of some bytes.

        Args:
            data: Any.
            person: What the hash is for, at most 16 bytes: hashes for different purposes have nothing in common.
            size: Bytes of the hash, at most 64.
        """
        return blake2b(data, key=self._secret, person=person, digest_size=size).digest()

    def __eq__(self, other: object) -> bool:
        """Compare by content, in a time that tells nothing."""
        if not isinstance(other, SecretKey):
            return NotImplemented
        return compare_digest(self._secret, other._secret) and self._key_id == other._key_id

    def __hash__(self) -> int:
        """Hash what is public."""
        return hash((self._key_id, self._check_value))

    def __repr__(self) -> str:
        """Print without the secret."""
        return f"SecretKey({self._key_id!r}, …)"


class CodeVerdict(StrEnum):
    """What a text turned out to be: for logs, never for the person who typed it."""

    LENGTH = "length"
    """More or fewer letters and digits than a code has."""
    SYMBOL = "symbol"
    """A sign that no code has at that place."""
    CHECK = "check"
    """A slip of typing: the check symbol is wrong."""
    FORGED = "forged"
    """Of the right shape, and never made with this key."""
    NOT_ISSUED = "not_issued"
    """Genuine, of a serial that was never given to a campaign."""
    GENUINE = "genuine"
    """Made with this key."""


@final
@attrs.frozen(kw_only=True)
class CodeReading:
    """What became of a text.

    Attributes:
        verdict: What it is.
        serial: The serial the code was made from; ``None`` unless genuine. Printed masked.
    """

    verdict: CodeVerdict
    serial: int | None = attrs.field(default=None, repr=lambda serial: "None" if serial is None else "…")

    @property
    def is_genuine(self) -> bool:
        """Say whether it was made with the key."""
        return self.verdict is CodeVerdict.GENUINE


class CodePattern(NamedTuple):
    """A pattern, read: what is printed around the symbols, and what is compared when reading.

    Attributes:
        before: What is printed before each symbol, and after the last.
        folded: Literals as they are read, ``#`` for each symbol.
    """

    before: tuple[str, ...]
    folded: str

    @classmethod
    def of(cls, text: object) -> CodePattern:
        """Read a pattern such as ``HI-####-####``."""
        if not isinstance(text, str) or not _PATTERN.fullmatch(text):
            msg = (
                f"pattern must be '#' for each symbol, letters and digits (ASCII), '-' and ' ', "
                f"at most {CODE_LENGTH_LIMIT} characters, got {shown(text)}"
            )
            raise UsageError(msg)
        check_whole("the number of '#' in pattern", text.count("#"), low=SYMBOLS_LEAST, high=SYMBOLS_LIMIT)
        return cls(tuple(text.split("#")), "".join([_folded_sign(sign) for sign in text]))

    @property
    def literals(self) -> str:
        """The literals alone, in their order."""
        return self.folded.replace("#", "")

    def printed(self, symbols: Iterable[str]) -> str:
        """Print the symbols in their places."""
        return "".join(chain.from_iterable(zip(self.before, (*symbols, ""), strict=True)))

    def fits(self, folded: str) -> bool:
        """Say whether a text of the right length has the literals."""
        return all(sign in ("#", found) for sign, found in zip(self.folded, folded, strict=True))

    def symbols(self, folded: str) -> list[str]:
        """Take the symbols out of a text of the right length."""
        return [found for sign, found in zip(self.folded, folded, strict=True) if sign == "#"]


_PATTERN: Final = re.compile(f"[A-Za-z0-9# -]{{1,{CODE_LENGTH_LIMIT}}}")


def _folded_sign(sign: str) -> str:
    if sign == "#":
        return sign
    return "" if sign in "- " else fold_code(sign)


# Letters and digits by what they are taken for: I, L and 1, O and 0 as codes are read, and V for U, 3 for E, 4 for A and so on.
_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SKELETONS: Final = bytes.maketrans(_LETTERS + _LETTERS.lower() + b"9", b"48CD3F6H1JK1MN0PQR57UUWXY2" * 2 + b"6")


def _skeleton(word: str) -> bytes:
    folded = fold_code(word)
    if len(folded) < _WORD_LEAST:
        msg = f"each word to avoid must have at least {_WORD_LEAST} letters and digits, got {shown(word)}"
        raise UsageError(msg)
    return folded.encode().translate(_SKELETONS)


def _skeletons(words: Iterable[str]) -> frozenset[bytes]:
    return frozenset([_skeleton(word) for word in check_several("avoid", words, str, limit=WORDS_LIMIT)])


@final
@attrs.frozen(repr=False)
class AvoidedWords:
    """Words that no code may hold, however its digits and letters are read: ``5H1T`` holds what ``SHIT`` does.

    Words and codes are brought to one skeleton: first folded as codes are when read, then 3 is E, 4 is A, 5 is S, 6 and 9 are G,
    7 is T, 8 is B, 2 is Z and V is U. They are taken from any iterable but a single text. Words of one or two letters and digits
    are refused, for they would leave out a good part of all codes; so are words of other signs, and more than 100,000 words.

    Attributes:
        skeletons: The words, each as its skeleton.

    Example:
        >>> AvoidedWords(["shit"]).found_in("HI-5H1T-0000")
        True
    """

    skeletons: frozenset[bytes] = attrs.field(converter=_skeletons)
    _by_start: dict[tuple[int, ...], tuple[bytes, ...]] = attrs.field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Sort the words by their first letters: most codes hold no start of any."""
        by_start: dict[tuple[int, ...], tuple[bytes, ...]] = {}
        for skeleton in sorted(self.skeletons):
            start = tuple(skeleton[:_WORD_LEAST])
            by_start[start] = (*by_start.get(start, ()), skeleton)
        object.__setattr__(self, "_by_start", by_start)

    @classmethod
    def of(cls, words: Iterable[str] | AvoidedWords) -> AvoidedWords:
        """Take words, or what was already made of them."""
        return words if isinstance(words, AvoidedWords) else cls(words)

    @property
    def digest(self) -> str:
        """The version of the list: 16 hexadecimal digits, and nothing for a list without words."""
        return blake2b(b"\n".join(sorted(self.skeletons)), digest_size=8).hexdigest() if self.skeletons else ""

    def found_in(self, code: str) -> bool:
        """Say whether a code, as it is printed, holds one of the words."""
        return not self.clean([code])[0]

    def clean(self, codes: Sequence[str]) -> list[bool]:
        """Say of each code, as it is printed, whether it holds none of the words."""
        starts = self._by_start.keys()
        rows = "\n".join(codes).encode().translate(_SKELETONS, b"- ").split(b"\n") if codes else []
        return [starts.isdisjoint(zip(row, row[1:], row[2:], strict=False)) or not self._holds(row) for row in rows]

    def _holds(self, row: bytes) -> bool:
        grams = zip(row, row[1:], row[2:], strict=False)
        return any(word in row for gram in grams for word in self._by_start.get(gram, ()))

    def __len__(self) -> int:
        """Count the words, those that look alike once."""
        return len(self.skeletons)

    def __repr__(self) -> str:
        """Print their number: nobody wants to read them."""
        return f"AvoidedWords({len(self)} words)"


@final
class CodeSpace(_Sealed):
    """The codes of one key, pattern and context.

    It prints without its key, is its own copy, and refuses to be pickled.
    """

    __slots__ = ("_alphabet", "_check", "_context", "_digits", "_pattern", "_secret", "_spelling", "_tag", "_text", "_weak")

    _secret: SecretKey
    _text: str
    _pattern: CodePattern
    _context: str
    _alphabet: str
    _digits: dict[str, int]
    _check: CheckSymbol | None
    _tag: int
    _weak: bool
    _spelling: Spelling

    def __init__(
        self,
        secret: SecretKey,
        *,
        pattern: str,
        context: str,
        alphabet: str = CROCKFORD,
        tag: int | None = None,
        check: bool = True,
        weak: bool = False,
    ) -> None:
        """Take a key and what its codes look like.

        Args:
            secret: The key; whoever has it makes genuine codes.
            pattern: ``#`` for each of 4 to 24 symbols; letters and digits are printed as they are and belong to the code;
                ``-`` and blanks are printed and don't.
            context: What the codes are for, 1 to 64 characters: codes of one context mean nothing in another.
            alphabet: 2 to 33 symbols; ``CROCKFORD``, ``UNAMBIGUOUS``, ``WORD_SAFE``, ``DIGITS`` or one's own.
            tag: How many symbols keep guesses out; without it the least that makes one try in 2²⁹ a code.
            check: Whether the last symbol finds slips of typing; if not, it keeps guesses out like the others.
            weak: Own up to odds below one in 2²⁹, down to one in 2²⁰: safe behind a strict limit on attempts alone.

        Raises:
            UsageError: Anything out of range, too few symbols, or an alphabet without a check symbol.
        """
        put = object.__setattr__
        put(self, "_secret", _checked_key(secret))
        put(self, "_pattern", CodePattern.of(pattern))
        put(self, "_text", pattern)
        put(self, "_context", _checked_context(context))
        put(self, "_alphabet", check_alphabet(alphabet))
        put(self, "_digits", {symbol: digit for digit, symbol in enumerate(alphabet)})
        put(self, "_check", CheckSymbol.of(len(alphabet)) if check_kind("check", check, bool) else None)
        put(self, "_weak", check_kind("weak", weak, bool))
        put(self, "_tag", _checked_tag(tag, len(alphabet), self.symbols, weak=weak))
        bound = [b"1", context.encode(), self._pattern.literals.encode(), alphabet.encode()]
        bound += [str(self.symbols).encode(), str(self._tag).encode()]
        message = b"".join([len(part).to_bytes(4) + part for part in bound])
        material = secret.hash(message, person=b"loyaltycore.code", size=64)
        put(self, "_spelling", Spelling(material, size=len(alphabet), symbols=self.symbols, tag=self._tag))

    @property
    def pattern(self) -> str:
        """The pattern, as given."""
        return self._text

    @property
    def context(self) -> str:
        """What the codes are for."""
        return self._context

    @property
    def alphabet(self) -> str:
        """The symbols in their order."""
        return self._alphabet

    @property
    def symbols(self) -> int:
        """Symbols of serial and tag together: every ``#`` but the check symbol."""
        return self._text.count("#") - (self._check is not None)

    @property
    def tag(self) -> int:
        """Symbols that keep guesses out."""
        return self._tag

    @property
    def capacity(self) -> int:
        """How many codes there are: serials run from 0 up to it, exclusive."""
        return self._spelling.capacity

    @property
    def odds(self) -> int:
        """One guess in so many is a code, whatever number was issued."""
        return self._spelling.odds

    @property
    def key_id(self) -> str:
        """The name of the key."""
        return self._secret.key_id

    @property
    def check_value(self) -> str:
        """The check value of the key."""
        return self._secret.check_value

    @property
    def space_id(self) -> str:
        """The name of the space under any key: its context, then literals and ``#``."""
        return _space_id(self._pattern, self._context)

    @property
    def shape(self) -> tuple[int, str, tuple[tuple[int, str], ...]]:
        """What can be told of a code without a key: its length, its alphabet, and literals with their places."""
        folded = self._pattern.folded
        return len(folded), self._alphabet, tuple([(place, sign) for place, sign in enumerate(folded) if sign != "#"])

    def under(self, secret: SecretKey) -> CodeSpace:
        """Give the same space under another key.

        Raises:
            UsageError: No key.
        """
        return CodeSpace(
            secret,
            pattern=self._text,
            context=self._context,
            alphabet=self._alphabet,
            tag=self._tag,
            check=self._check is not None,
            weak=self._weak,
        )

    def code(self, serial: int) -> str:
        """Give the code of a serial, as it is printed.

        Args:
            serial: From 0 up to the capacity, exclusive.

        Raises:
            UsageError: Out of range.
        """
        return self._print(self._spelling.number(check_whole("serial", serial, low=0, high=self.capacity - 1)))

    def codes(self, serials: range, *, avoid: Iterable[str] | AvoidedWords = ()) -> Iterator[str]:
        """Give the codes of a range of serials, one after another, without holding them.

        Args:
            serials: Within the capacity, in steps of one. The codes of a range cut in pieces are those of the pieces.
            avoid: Words; a serial whose code holds one is left out: there are fewer codes then, never serials beyond the range.

        Raises:
            UsageError: Out of range; bad words; a pattern that holds one of the words by itself.
        """
        return chain.from_iterable(codes for _, codes in self._blocks(serials, avoid))

    def serials(self, serials: range, *, avoid: Iterable[str] | AvoidedWords = ()) -> Iterator[tuple[int, str]]:
        """Give the codes of a range as ``codes`` does, each with its serial before it.

        Raises:
            UsageError: As ``codes``.
        """
        return chain.from_iterable(zip(block, codes, strict=True) for block, codes in self._blocks(serials, avoid))

    def read(self, text: str) -> CodeReading:
        """Say what a text is, however it was typed: case, blanks, dashes and look-alikes don't matter.

        Args:
            text: Any; over 64 characters it is looked at no further.

        Raises:
            UsageError: No text.
        """
        check_kind("text", text, str)
        if len(text) > CODE_LENGTH_LIMIT or not text.strip():
            return CodeReading(verdict=CodeVerdict.LENGTH)
        try:
            folded = fold_code(text)
        except UsageError:
            return CodeReading(verdict=CodeVerdict.SYMBOL)
        if len(folded) != len(self._pattern.folded):
            return CodeReading(verdict=CodeVerdict.LENGTH)
        return self._read(folded)

    def _read(self, folded: str) -> CodeReading:
        digits = [self._digits.get(symbol) for symbol in self._pattern.symbols(folded)]
        known = [digit for digit in digits if digit is not None]
        if not self._pattern.fits(folded) or len(known) < len(digits):
            return CodeReading(verdict=CodeVerdict.SYMBOL)
        if self._check is not None and not self._check.holds(known):
            return CodeReading(verdict=CodeVerdict.CHECK)
        number = 0
        for digit in known[: self.symbols]:
            number = number * len(self._alphabet) + digit
        serial = self._spelling.serial(number)
        return CodeReading(verdict=CodeVerdict.FORGED if serial is None else CodeVerdict.GENUINE, serial=serial)

    def _blocks(self, serials: range, avoid: Iterable[str] | AvoidedWords) -> Iterator[tuple[Iterable[int], list[str]]]:
        if not isinstance(serials, range) or serials.step != 1 or not 0 <= serials.start <= serials.stop <= self.capacity:
            msg = f"serials must be a range within [0, {self.capacity}) in steps of one, got {shown(serials)}"
            raise UsageError(msg)
        words = AvoidedWords.of(avoid)
        if words.found_in(self._text):
            msg = f"no code is left: the pattern {self._text!r} itself holds a word to avoid"
            raise UsageError(msg)
        blocks = (range(start, min(start + BLOCK, serials.stop)) for start in range(serials.start, serials.stop, BLOCK))
        press = Press(self._spelling, self._check, pattern=self._text, alphabet=self._alphabet)
        return (_kept(block, press.codes(block), words) for block in blocks)

    def _print(self, number: int) -> str:
        digits: list[int] = []
        for _ in range(self.symbols):
            number, digit = divmod(number, len(self._alphabet))
            digits.append(digit)
        digits.reverse()
        if self._check is not None:
            digits.append(self._check.digit(digits))
        return self._pattern.printed([self._alphabet[digit] for digit in digits])

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        if not isinstance(other, CodeSpace):
            return NotImplemented
        return self._secret == other._secret and self._settings() == other._settings()

    def __hash__(self) -> int:
        """Hash what is public."""
        return hash((self._secret, self._settings()))

    def __repr__(self) -> str:
        """Print without the secret."""
        settings = f"pattern={self._text!r}, context={self._context!r}, alphabet={self._alphabet!r}, tag={self._tag}"
        return f"CodeSpace({self._secret!r}, {settings})"

    def _settings(self) -> tuple[str, str, str, int, bool]:
        return self._text, self._context, self._alphabet, self._tag, self._check is not None


def space_id_of(pattern: str, *, context: str) -> str:
    """Name the space of a pattern and a context, under whatever key.

    Args:
        pattern: As for ``CodeSpace``.
        context: As for ``CodeSpace``.

    Raises:
        UsageError: As ``CodeSpace``.

    Example:
        >>> space_id_of("HI-####-####-####", context="velo")
        'velo/H1############'
    """
    return _space_id(CodePattern.of(pattern), _checked_context(context))


def _space_id(pattern: CodePattern, context: str) -> str:
    return f"{context}/{pattern.folded}"


def _checked_context(context: object) -> str:
    text = check_id("context", context)
    if len(text) > CONTEXT_LENGTH_LIMIT:
        msg = f"context must be at most {CONTEXT_LENGTH_LIMIT} characters, got {shown(text)}"
        raise UsageError(msg)
    return text


def _checked_key(secret: object) -> SecretKey:
    """Take a key; of anything else only the type is told, for it may be the bare secret."""
    if not isinstance(secret, SecretKey):
        msg = f"secret must be of type SecretKey, got a value of type {type(secret).__name__}"
        raise UsageError(msg)
    return secret


def _kept(serials: range, codes: list[str], words: AvoidedWords) -> tuple[Iterable[int], list[str]]:
    """Leave out the codes that hold a word, and their serials."""
    if not words:
        return serials, codes
    clean = words.clean(codes)
    return compress(serials, clean), list(compress(codes, clean))


def _checked_tag(tag: int | None, size: int, symbols: int, *, weak: bool) -> int:
    """Take the number of symbols that keep guesses out, or find the least."""
    if tag is None:
        safe = [t for t in range(1, symbols + 1) if size**t >= ODDS_LEAST and size ** (symbols - t) <= CAPACITY_LIMIT]
        if not safe:
            msg = f"pattern has too few symbols to keep guesses out: {symbols} of {size}, without the check symbol"
            raise UsageError(msg)
        return safe[0]
    check_whole("tag", tag, low=1, high=symbols)
    if size ** (symbols - tag) > CAPACITY_LIMIT:
        msg = f"tag must leave room for at most {CAPACITY_LIMIT} codes, got {tag} of {symbols} symbols"
        raise UsageError(msg)
    if size**tag < (WEAK_ODDS_LEAST if weak else ODDS_LEAST):
        msg = f"tag must make at most one try in {ODDS_LEAST} a code (with weak=True in {WEAK_ODDS_LEAST}), got 1 in {size**tag}"
        raise UsageError(msg)
    return tag
