"""The code book of a shop: which spaces it reads, and under which keys.

A code proves itself; the book adds what a space alone cannot know: keys that came before, and what was issued. A code that proves
itself and lies in no block was never issued.

Invariants:
    1. At one instant no text reads as two serials, and no code is issued that reads under another key of the book.
    2. What fails behind the check symbol has cost as many hash calls as any other that does.
    3. A key whose check value is another than the one stored is refused before anything is read.
    4. Strangers' tries are expected to find fewer codes than the shop tolerates, over all spaces and keys.

>>> from datetime import UTC, datetime
>>> from loyaltycore._code_space import CodeSpace, SecretKey
>>> now = datetime(2026, 7, 1, tzinfo=UTC)
>>> space = CodeSpace(SecretKey("2026a", bytes(range(32))), pattern="HI-####-####-####", context="velo")
>>> taken = SpaceBlocks.open(space.space_id).take(
...     1000,
...     campaign_id="welcome",
...     key_id=space.key_id,
...     check_value=space.check_value,
...     capacity=space.capacity,
...     ref="mail-july",
...     at=now,
... )
>>> book, code = CodeBook([space]), space.code(7)
>>> book.read(code, at=now, blocks={space.space_id: taken.state}).block.campaign_id
'welcome'
>>> book.read(space.code(1000), at=now, blocks={space.space_id: taken.state}).verdict.value
'not_issued'

Source: the number of tries that find a code, and why keys count, as the security page of the documentation derives it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from itertools import chain
from typing import Final, final

import attrs

from loyaltycore._alphabets import CROCKFORD
from loyaltycore._checks import check_count, check_instant, check_kind, check_mapping, check_several, check_whole, shown
from loyaltycore._code_blocks import (
    Block,
    BlockTaken,
    SpaceBlocks,
    check_check_value,
    wrong_key,
)
from loyaltycore._code_space import AvoidedWords, CodeSpace, CodeVerdict, SecretKey
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import UsageError
from loyaltycore.identity import CODE_LENGTH_LIMIT, check_id, check_text

__all__ = [
    "ATTEMPTS",
    "KEYS_LIMIT",
    "SPACES_LIMIT",
    "Block",
    "BlockTaken",
    "BookReading",
    "CodeBook",
    "CodePlan",
    "SpaceBlocks",
    "code_rows",
    "plan_codes",
]

ATTEMPTS: Final = 1_000_000
"""Tries that a shop lets through before somebody looks, where it says nothing else."""

KEYS_LIMIT: Final = 4
"""Keys of one space: each is one more chance for whoever guesses."""

SPACES_LIMIT: Final = 100
"""Spaces of one book: a shop has a few."""

_SHARE: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20}|/[0-9]{1,20})?")
_LEAST_SYMBOLS, _MOST_SYMBOLS = 4, 24

_TRIES_AN_HOUR: Final = 4_000_000
"""What a plan counts with: a thousand tries a second, and some more."""

_HOURS_A_DAY, _DAYS_A_YEAR, _LONG_DAYS = 24, 365, 730


# ---- the book ----


@final
@attrs.frozen(kw_only=True)
class BookReading:
    """What a code was read as.

    Attributes:
        verdict: How far it came.
        space_id: Whose pattern, of a code that proved itself; ``None`` of any other.
        key_id: The key that it was spelt with; ``None`` as above.
        serial: Its number under that key; ``None`` as above.
        block: What it was issued for; ``None`` where it was not issued.
    """

    verdict: CodeVerdict
    space_id: str | None = None
    key_id: str | None = None
    serial: int | None = attrs.field(default=None, repr=lambda serial: "None" if serial is None else "…")
    block: Block | None = None

    @property
    def is_genuine(self) -> bool:
        """Say whether it proved itself and was issued."""
        return self.verdict is CodeVerdict.GENUINE

    @property
    def coupon_id(self) -> str | None:
        """What it is redeemed as, ``space/key/serial``, never the text; ``None`` of a code that is not genuine."""
        return f"{self.space_id}/{self.key_id}/{self.serial}" if self.is_genuine else None


@final
@attrs.frozen
class _Pair:
    """A space under one of its keys.

    Attributes:
        space: Under that key.
        until: First instant at which the key is no longer read; ``None`` for the one that issues.
    """

    space: CodeSpace
    until: datetime | None

    def is_live(self, at: datetime) -> bool:
        return self.until is None or at < self.until


@final
@attrs.frozen
class _Hit:
    """A pair under which a text reads as a serial."""

    pair: _Pair
    serial: int


def _retired(keys: Mapping[SecretKey, datetime]) -> FrozenMap[SecretKey, datetime]:
    given = check_mapping("retired", keys)
    return FrozenMap({check_kind("each of retired", key, SecretKey): check_instant("retired", at) for key, at in given.items()})


def _revoked(key_ids: Iterable[str]) -> frozenset[str]:
    return frozenset(check_id("each of revoked", key_id) for key_id in check_several("revoked", key_ids, str))


def _check_values(values: Mapping[str, str]) -> FrozenMap[str, str]:
    return FrozenMap({key_id: check_check_value(value) for key_id, value in check_mapping("check_values", values).items()})


def _tolerated(value: Fraction | str) -> Fraction:
    try:
        if isinstance(value, Fraction) or (isinstance(value, str) and _SHARE.fullmatch(value)):
            return Fraction(value)
    except ZeroDivisionError:
        pass
    msg = f"tolerated_hits must be a Fraction, or text such as '0.01' or '1/100', got {shown(value)}"
    raise UsageError(msg)


def _spaces(spaces: Iterable[CodeSpace]) -> tuple[CodeSpace, ...]:
    return check_several("spaces", spaces, CodeSpace, limit=SPACES_LIMIT)


@final
@attrs.frozen
class CodeBook:
    """A shop's spaces and keys: what reads any code that a shopper may enter.

    Rotate a key by giving the space a new one, and the old one to ``retired`` with the date until which its codes are good. A
    key that leaked goes to ``revoked``, and all its codes with it.

    Attributes:
        spaces: Each under the key that issues. No two may have one shape: which is meant could not be told.
        retired: Keys that issue no more, each with the first instant at which its codes are no longer read.
        revoked: Ids of keys that are neither read nor issued with, whatever else is said of them.
        attempts: How many tries strangers get before somebody looks.
        tolerated_hits: How many of those may succeed, on average: a ``Fraction``, or text such as ``"0.01"``.
        check_values: What the keys' check values must be, by key id, as they were noted when the keys were made.
    """

    spaces: tuple[CodeSpace, ...] = attrs.field(converter=_spaces)
    retired: FrozenMap[SecretKey, datetime] = attrs.field(
        default=FrozenMap[SecretKey, datetime](), kw_only=True, converter=_retired
    )
    revoked: frozenset[str] = attrs.field(default=frozenset[str](), kw_only=True, converter=_revoked)
    attempts: int = attrs.field(default=ATTEMPTS, kw_only=True)
    tolerated_hits: Fraction = attrs.field(default=Fraction(1, 100), kw_only=True, converter=_tolerated)
    check_values: FrozenMap[str, str] = attrs.field(default=FrozenMap[str, str](), kw_only=True, converter=_check_values)
    # Of each space, by its id: under the key that issues, then under retired ones, the latest first.
    _rings: FrozenMap[str, tuple[_Pair, ...]] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse keys and spaces that would be confused, and odds that are too good for a guesser."""
        check_count("attempts", self.attempts)
        self._check_keys()
        object.__setattr__(self, "_rings", FrozenMap({space.space_id: self._ring(space) for space in self.spaces}))
        self._check_spaces()
        if self.expected_hits > self.tolerated_hits:
            pairs = sum(len(ring) for ring in self._rings.values())
            found = f"{float(self.expected_hits):.2g} for {pairs} pairs of space and key and {self.attempts:,} attempts"
            msg = (
                f"tolerated_hits must be at least what attempts let expect, {found}, got {self.tolerated_hits}; "
                "take longer patterns, fewer keys, or a limit on attempts"
            )
            raise UsageError(msg)

    @property
    def expected_hits(self) -> Fraction:
        """How many codes that many attempts are expected to find by chance, over all spaces and keys."""
        return self.attempts * sum((Fraction(1, pair.space.odds) for pair in self._pairs()), Fraction(0))

    def space(self, space_id: str) -> CodeSpace:
        """Give a space under the key that issues.

        Raises:
            UsageError: There is none of that id.
        """
        return self._ring_of(space_id)[0].space

    def read(self, text: str, *, at: datetime, blocks: Mapping[str, SpaceBlocks] = FrozenMap[str, SpaceBlocks]()) -> BookReading:
        """Read what somebody typed.

        Every key is tried, also one whose time is over and after another fitted: what fails is told apart by nothing but the
        verdict, which is for the log.

        Args:
            text: Any text at all.
            at: When, timezone-aware; a retired key is no longer read from its date on.
            blocks: What was issued, by space id. Without those of a space, none of its codes was.

        Raises:
            UsageError: A block was taken under another key of the same id.
        """
        check_instant("at", at)
        for space_id, taken in check_mapping("blocks", blocks).items():
            self._check_blocks(space_id, taken)
        furthest, hits = self._hits(text)
        if not hits:
            return BookReading(verdict=furthest)
        hit, block = _issued(hits, blocks)
        space = hit.pair.space
        if not hit.pair.is_live(at):
            return BookReading(verdict=CodeVerdict.FORGED)
        verdict = CodeVerdict.NOT_ISSUED if block is None else CodeVerdict.GENUINE
        return BookReading(verdict=verdict, space_id=space.space_id, key_id=space.key_id, serial=hit.serial, block=block)

    def code(self, coupon_id: str) -> str:
        """Spell the code of a coupon, as ``BookReading.coupon_id`` names it: for whoever sends it again to its holder.

        Raises:
            UsageError: A space or a key that is not in the book.
        """
        named, _, serial = check_id("coupon_id", coupon_id).rpartition("/")
        space_id, _, key_id = named.rpartition("/")
        for pair in self._ring_of(space_id):
            if pair.space.key_id == key_id and serial.isdecimal():
                return pair.space.code(int(serial))
        msg = f"the key of a coupon must be one of the book's, got {shown(key_id)}"
        raise UsageError(msg)

    def clashes(self, code: str) -> bool:
        """Say whether a code reads under more than one key, of one space or of two: such a one is never issued."""
        return len(self._hits(code)[1]) > 1

    def codes(self, space_id: str, block: Block, avoid: Iterable[str] | AvoidedWords = ()) -> Iterator[str]:
        """Give the codes of a block, in the order of their serials.

        Args:
            space_id: Which space the block is of.
            block: As it was taken.
            avoid: The words to avoid: those that the block was taken with.

        Raises:
            UsageError: The block's key is not in the book, or the words are others.
        """
        space = next((pair.space for pair in self._ring_of(space_id) if pair.space.key_id == block.key_id), None)
        if space is None:
            msg = f"the block's key must be one of the book's, got {shown(block.key_id)}"
            raise UsageError(msg)
        codes = _codes(space, block, avoid)
        alone = not any(other.space is not space and _may_clash(other.space, space) for other in self._pairs())
        return codes if alone else (code for code in codes if not self.clashes(code))

    def looks_like_one(self, text: str) -> bool:
        """Say whether a text has the shape and the check symbol of a space: no code made by people may."""
        return self._hits(text)[0] is CodeVerdict.FORGED

    def _hits(self, text: str) -> tuple[CodeVerdict, list[_Hit]]:
        """Give how far a text came without a key, and every pair under which it reads, the oldest key's first.

        Past the check symbol the first is ``FORGED``, whatever the pairs say.
        """
        check_kind("a code", text, str)
        furthest, hits = CodeVerdict.LENGTH, list[_Hit]()
        for ring in self._rings.values():
            first = ring[0].space.read(text)
            if first.verdict in _BEFORE_KEYS:
                furthest = max(furthest, first.verdict, key=_PLACES.__getitem__)
                continue
            furthest = CodeVerdict.FORGED
            readings = [first, *(pair.space.read(text) for pair in ring[1:])]
            hits += [_Hit(pair, one.serial) for pair, one in zip(ring, readings, strict=True) if one.serial is not None]
        # A code was kept from being issued where it read under a key that was there before.
        return furthest, sorted(hits, key=lambda hit: hit.pair.until or _NEVER)

    def _pairs(self) -> list[_Pair]:
        return [pair for ring in self._rings.values() for pair in ring]

    def _ring_of(self, space_id: str) -> tuple[_Pair, ...]:
        ring = self._rings.get(space_id)
        if ring is None:
            msg = f"space_id must be one of {', '.join(map(shown, self._rings)) or 'none'}, got {shown(space_id)}"
            raise UsageError(msg)
        return ring

    def _ring(self, space: CodeSpace) -> tuple[_Pair, ...]:
        """Put a space under its keys: the one that issues, then retired ones, the latest first."""
        # A key that still issues here is read here for ever, even where it was retired for other spaces.
        left = [
            (key, until) for key, until in self.retired.items() if key.key_id != space.key_id and key.key_id not in self.revoked
        ]
        left.sort(key=lambda one: (one[1], one[0].key_id), reverse=True)
        return (_Pair(space, None), *(_Pair(space.under(key), until) for key, until in left))

    def _check_keys(self) -> None:
        """Refuse keys that are not the ones they are called, before anything is read."""
        known, ids = dict(self.check_values), dict[str, str]()
        keys = [(space.key_id, space.check_value) for space in self.spaces]
        for key_id, value in [*keys, *((key.key_id, key.check_value) for key in self.retired)]:
            if known.setdefault(key_id, value) != value:
                raise UsageError(wrong_key(key_id, known[key_id], value))
            if ids.setdefault(value, key_id) != key_id:
                msg = f"each key must have a secret of its own, got one under {shown(ids[value])} and {shown(key_id)}"
                raise UsageError(msg)
        issuing = sorted({space.key_id for space in self.spaces} & self.revoked)
        if issuing:
            msg = f"revoked must name no key that issues, got {', '.join(map(shown, issuing))}"
            raise UsageError(msg)

    def _check_spaces(self) -> None:
        """Refuse spaces that could be taken for each other, and more keys than a claim is made for."""
        for name in ("space_id", "shape"):
            seen = dict[object, str]()
            for space in self.spaces:
                other = seen.setdefault(getattr(space, name), space.space_id)
                if other != space.space_id or len(self._rings) < len(self.spaces):
                    msg = f"spaces must differ in {name}: take other literals or another length than {shown(space.space_id)}'s"
                    raise UsageError(msg)
        crowded = [space_id for space_id, ring in self._rings.items() if len(ring) > KEYS_LIMIT]
        if crowded:
            msg = f"a space must have at most {KEYS_LIMIT} keys, got {len(self._rings[crowded[0]])} for {shown(crowded[0])}"
            raise UsageError(msg)

    def _check_blocks(self, space_id: str, taken: SpaceBlocks) -> None:
        """Refuse blocks of another space, or taken under another key of the same id."""
        if check_kind("each of blocks", taken, SpaceBlocks).space_id != space_id:
            msg = f"blocks must stand under their own space, got those of {shown(taken.space_id)} under {shown(space_id)}"
            raise UsageError(msg)
        for pair in self._rings.get(space_id, ()):
            known = taken.check_values.get(pair.space.key_id, pair.space.check_value)
            if known != pair.space.check_value:
                raise UsageError(wrong_key(pair.space.key_id, known, pair.space.check_value))


_BEFORE_KEYS: Final = frozenset({CodeVerdict.LENGTH, CodeVerdict.SYMBOL, CodeVerdict.CHECK})
_PLACES: Final = {verdict: place for place, verdict in enumerate(CodeVerdict)}
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
"""Later than any date until which a key is read."""


def _issued(hits: list[_Hit], blocks: Mapping[str, SpaceBlocks]) -> tuple[_Hit, Block | None]:
    """Choose the serial that was issued, or else the oldest key's."""
    for hit in hits:
        space = hit.pair.space
        taken = blocks.get(space.space_id)
        block = None if taken is None else taken.block_of(space.key_id, hit.serial)
        if block is not None:
            return hit, block
    return hits[0], None


def _may_clash(one: CodeSpace, other: CodeSpace) -> bool:
    """Say whether a text may fit both: of another length it does not."""
    return one.shape[0] == other.shape[0]


def _codes(space: CodeSpace, block: Block, avoid: Iterable[str] | AvoidedWords) -> Iterator[str]:
    """Give the codes of a block that is spelt with the space's key."""
    words = AvoidedWords.of(avoid)
    if words.digest != block.words_digest:
        msg = f"avoid must be the words that block {shown(block.ref)} was taken with: other words skip other serials"
        raise UsageError(msg)
    return space.codes(block.serials, avoid=words)


def code_rows(
    source: CodeBook | CodeSpace, block: Block, *, space_id: str | None = None, avoid: Iterable[str] | AvoidedWords = ()
) -> Iterator[str]:
    """Give the codes of a block as lines of CSV, one at a time, for the tool that sends them.

    There is one column, ``code``. Serials stay at home: they would tell how many codes there are.

    Args:
        source: A book, or a space where there is no book.
        block: As it was taken.
        space_id: Which space of a book; may be left out where it has one.
        avoid: The words to avoid: those that the block was taken with.

    Returns:
        The lines without their ends, the heading first. No value needs quotes.

    Raises:
        UsageError: The block's key is another, or the words are.
    """
    if isinstance(source, CodeSpace):
        if block.key_id != source.key_id:
            msg = f"the block's key must be the space's, {shown(source.key_id)}, got {shown(block.key_id)}"
            raise UsageError(msg)
        return chain(("code",), _codes(source, block, avoid))
    if space_id is None and len(check_kind("source", source, CodeBook).spaces) != 1:
        msg = f"space_id must be given for a book of {len(source.spaces)} spaces"
        raise UsageError(msg)
    return chain(("code",), source.codes(source.spaces[0].space_id if space_id is None else space_id, block, avoid))


# ---- plans ----


@final
@attrs.frozen(kw_only=True)
class CodePlan:
    """A pattern for so many codes, and what it is worth.

    Attributes:
        pattern: For a ``CodeSpace``.
        capacity: How many codes it has room for.
        odds: One try in so many is a code.
        text: The same in words.
    """

    pattern: str
    capacity: int
    odds: int
    text: str


def plan_codes(
    count: int, *, symbols: int | None = None, alphabet: str = CROCKFORD, prefix: str = "", group: int = 4
) -> CodePlan:
    """Turn a number of codes into a pattern, and say what a guesser may expect.

    Args:
        count: How many codes there must be room for.
        symbols: How many symbols a code may have, without the prefix; left out, the fewest that do.
        alphabet: Of the symbols.
        prefix: What every code begins with. It says whose code it is, and makes no code harder to guess.
        group: Symbols between two dashes.

    Raises:
        UsageError: No pattern of so many symbols has room; the message names the fewest that have.

    Example:
        >>> plan = plan_codes(200_000, symbols=12)
        >>> plan.pattern
        '####-####-####'
        >>> print(plan.text)
        12 symbols: room for 33,554,432 codes; one try in 1,073,741,824 is a code, however many are issued; 4,000,000 tries \
an hour find one in 11 days
    """
    check_count("count", count)
    check_whole("group", group, low=1, high=_MOST_SYMBOLS)
    check_text("prefix", prefix, limit=CODE_LENGTH_LIMIT)
    if symbols is not None:
        check_whole("symbols", symbols, low=_LEAST_SYMBOLS, high=_MOST_SYMBOLS)
    _planned(_MOST_SYMBOLS, alphabet, prefix, group)  # what is wrong with the alphabet or the prefix is said here
    for length in range(_LEAST_SYMBOLS, _MOST_SYMBOLS + 1):
        try:
            space = _planned(length, alphabet, prefix, group)
        except UsageError:
            continue  # so few symbols leave no room beside the tag
        if space.capacity >= count and symbols in {None, length}:
            return _plan(space, length)
        if space.capacity >= count and symbols is not None and symbols < length:
            msg = f"symbols must be at least {length} for {count:,} codes, got {symbols}"
            raise UsageError(msg)
    msg = f"count must be at most what {symbols or _MOST_SYMBOLS} symbols of the alphabet have room for, got {count:,}"
    raise UsageError(msg)


def _planned(length: int, alphabet: str, prefix: str, group: int) -> CodeSpace:
    """Make a space of so many symbols; what room it has depends on no key."""
    symbols = "#" * length
    groups = [symbols[place : place + group] for place in range(0, length, group)]
    pattern = "-".join([prefix, *groups] if prefix else groups)
    return CodeSpace(SecretKey("plan", bytes(32)), pattern=pattern, context="plan", alphabet=alphabet)


def _plan(space: CodeSpace, length: int) -> CodePlan:
    days = space.odds // (_TRIES_AN_HOUR * _HOURS_A_DAY)
    lasting = f"{days:,} days" if days < _LONG_DAYS else f"{days // _DAYS_A_YEAR:,} years"
    text = (
        f"{length} symbols: room for {space.capacity:,} codes; one try in {space.odds:,} is a code, however many are issued; "
        f"{_TRIES_AN_HOUR:,} tries an hour find one in {lasting}"
    )
    return CodePlan(pattern=space.pattern, capacity=space.capacity, odds=space.odds, text=text)
