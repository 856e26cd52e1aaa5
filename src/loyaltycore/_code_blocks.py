"""Blocks: which serials of a space belong to which campaign.

A *block* is a range of serials, taken for a campaign by an append to the stream of its space. Nothing is stored for a code that
nobody used.

Invariants:
    1. The blocks of one key follow each other: no serial is in two of them, whoever took them, and none is beyond the capacity.
    2. A campaign takes a block once for each ``ref``; the same again answers with what is there.
    3. ``SpaceBlocks.replay(facts)`` equals the state of the last posting.

>>> from datetime import UTC, datetime
>>> space = SpaceBlocks.open("velo/H1############")
>>> taken = space.take(
...     1000,
...     campaign_id="welcome",
...     key_id="2026a",
...     check_value="0123456789abcdef",
...     capacity=33_554_432,
...     ref="mail-july",
...     at=datetime(2026, 7, 1, tzinfo=UTC),
... )
>>> taken.state.block_of("2026a", 999).campaign_id, taken.state.block_of("2026a", 1000)
('welcome', None)
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, final

import attrs

from loyaltycore._checks import check_count, check_kind, check_several, check_whole, keep_in_utc, shown
from loyaltycore._frozen import FrozenMap, LaterMap
from loyaltycore.errors import CorruptStateError, Detail, Reason, Refusal, RefusedError, UsageError
from loyaltycore.facts import Fact, Posting
from loyaltycore.identity import StreamId, check_id, check_text, space_stream
from loyaltycore.wire import read_state, write_state

__all__ = [
    "BLOCKS_LIMIT",
    "Block",
    "BlockTaken",
    "SpaceBlocks",
    "check_check_value",
    "wrong_key",
]

BLOCKS_LIMIT: Final = 100_000
"""Blocks of one space: who needs more takes larger ones."""

_CHECK_VALUE: Final = re.compile(r"[0-9a-f]{16}")


@final
@attrs.frozen(kw_only=True)
class Block:
    """A range of serials that belongs to a campaign.

    Attributes:
        campaign_id: Whose codes they are.
        key_id: The key that they are spelt with.
        start: The first serial inside.
        stop: The first serial after.
        ref: The shop's own name for the batch; a campaign takes a block once for each.
        words_digest: The version of the list of words that its codes avoid, as ``AvoidedWords`` digests it; nothing for none.
        holder_bound: Whether its codes are given one by one, and each is good only once it was; others serve whoever has them.
        starts_at: First instant at which its codes can be redeemed, as said when they were issued; ``None`` at once.
        ends_at: First instant at which they no longer can; ``None`` never by itself.
        taken_at: When it was taken; ``None`` within the fact, which says it itself.
    """

    campaign_id: str
    key_id: str
    start: int
    stop: int
    ref: str
    words_digest: str = ""
    holder_bound: bool = False
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    taken_at: datetime | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse an empty range and what no store could keep."""
        for name in ("campaign_id", "key_id", "ref"):
            check_id(name, getattr(self, name))
        check_whole("start", self.start, low=0)
        check_whole("stop", self.stop, low=self.start + 1)
        check_text("words_digest", self.words_digest, limit=64)
        check_kind("holder_bound", self.holder_bound, bool)
        keep_in_utc(self, "starts_at", "ends_at", "taken_at")

    @property
    def serials(self) -> range:
        """Its serials; a code that would hold a word to avoid has one that is never issued."""
        return range(self.start, self.stop)


def check_check_value(value: object) -> str:
    """Take the check value of a key: 16 hexadecimal digits.

    Raises:
        UsageError: Anything else.
    """
    if not isinstance(value, str) or not _CHECK_VALUE.fullmatch(value):
        msg = f"check_value must be 16 hexadecimal digits in lower case, got {shown(value)}"
        raise UsageError(msg)
    return value


@final
@attrs.frozen(kw_only=True)
class BlockTaken(Fact):
    """A campaign took a range of serials.

    Attributes:
        space_id: Of which space.
        check_value: Of the key; another key under the same id is refused from now on.
        block: The range, and what it is for.
    """

    kind: ClassVar[str] = "code_space.block_taken"
    space_id: str
    check_value: str
    block: Block

    def __attrs_post_init__(self) -> None:
        """Refuse what names no space and no key."""
        super().__attrs_post_init__()
        check_id("space_id", self.space_id)
        check_check_value(self.check_value)
        if check_kind("block", self.block, Block).taken_at is not None:
            msg = f"block must not say when it was taken, as the fact does, got {self.block.taken_at}"
            raise UsageError(msg)


def _blocks(blocks: Iterable[Block]) -> tuple[Block, ...]:
    return check_several("blocks", blocks, Block, limit=BLOCKS_LIMIT)


@final
@attrs.frozen(kw_only=True)
class SpaceBlocks:
    """All blocks of a space: the stream ``code_space/<space id>``.

    Attributes:
        space_id: Of which space.
        blocks: In the order taken.
        check_values: Of the keys that blocks were taken under, by key id.
    """

    space_id: str
    blocks: tuple[Block, ...] = attrs.field(default=(), converter=_blocks)
    check_values: FrozenMap[str, str] = FrozenMap[str, str]()
    _of_keys: FrozenMap[str, tuple[Block, ...]] = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(lambda self: _of_keys(self.blocks), takes_self=True)
    )

    def __attrs_post_init__(self) -> None:
        """Check the id."""
        check_id("space_id", self.space_id)

    @classmethod
    def open(cls, space_id: str) -> SpaceBlocks:
        """Start with nothing taken; needs no fact."""
        return cls(space_id=space_id)

    @classmethod
    def replay(cls, space_id: str, facts: Iterable[Fact]) -> SpaceBlocks:
        """Fold all facts of a space."""
        return cls.open(space_id).folded(facts)

    @property
    def stream(self) -> StreamId:
        """Where its facts are kept."""
        return space_stream(self.space_id)

    @property
    def version(self) -> int:
        """Facts folded so far: one for each block."""
        return len(self.blocks)

    def next_serial(self, key_id: str) -> int:
        """Give the first serial of a key that is in no block."""
        return next((block.stop for block in reversed(self.blocks) if block.key_id == key_id), 0)

    def block_of(self, key_id: str, serial: int) -> Block | None:
        """Find the block that a serial lies in; ``None`` where it was never issued.

        Args:
            key_id: The key that the code was read under.
            serial: What it was read as.
        """
        blocks = self._of_keys.get(key_id, ())
        place = bisect_right(blocks, serial, key=lambda block: block.start) - 1
        return blocks[place] if place >= 0 and serial < blocks[place].stop else None

    def take(
        self,
        count: int,
        *,
        campaign_id: str,
        key_id: str,
        check_value: str,
        capacity: int,
        ref: str,
        holder_bound: bool = False,
        words_digest: str = "",
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        at: datetime,
    ) -> Posting[SpaceBlocks]:
        """Take the next serials of a key for a campaign.

        Args:
            count: How many serials, at least one. Words to avoid make the batch shorter, never the range longer.
            campaign_id: Whose they are.
            key_id: The key that issues.
            check_value: The key's, as ``space.check_value`` gives it.
            capacity: The space's, as ``space.capacity`` gives it.
            ref: The shop's own name for the batch. The same again gives the block that is there, also where another key issues
                by now.
            holder_bound: Whether its codes are given one by one.
            words_digest: The version of the list of words to avoid, as ``AvoidedWords`` digests it.
            starts_at: First instant at which its codes can be redeemed.
            ends_at: First instant at which they no longer can.
            at: Timezone-aware.

        Raises:
            RefusedError: ``key_reused`` where the ref took another block, ``codes_exhausted`` where not so many are left.
            UsageError: The key's id is known with another check value: it is another key.
        """
        check_count("count", count)
        check_count("capacity", capacity)
        known = self.check_values.get(check_id("key_id", key_id), check_check_value(check_value))
        if known != check_value:
            raise UsageError(wrong_key(key_id, known, check_value))
        start = self.next_serial(key_id)
        asked = Block(
            campaign_id=campaign_id,
            key_id=key_id,
            start=start,
            stop=start + count,
            ref=ref,
            words_digest=words_digest,
            starts_at=starts_at,
            ends_at=ends_at,
            holder_bound=holder_bound,
        )
        taken = self.block_named(campaign_id, ref)
        if taken is not None:
            _check_same(taken, asked)
            return self._posting(())
        if asked.stop > capacity:
            left = max(0, capacity - start)
            details: dict[str, Detail] = {"space_id": self.space_id, "key_id": key_id, "asked": count, "left": left}
            raise RefusedError(Refusal(Reason.CODES_EXHAUSTED, details))
        if len(self.blocks) >= BLOCKS_LIMIT:
            msg = f"a space must have at most {BLOCKS_LIMIT} blocks, got one more for {shown(self.space_id)}: take larger ones"
            raise UsageError(msg)
        return self._posting((BlockTaken(space_id=self.space_id, check_value=check_value, block=asked, at=at),))

    def block_named(self, campaign_id: str, ref: str) -> Block | None:
        """Find the block that a campaign took under a name; ``None`` where it took none."""
        named = (block for block in self.blocks if block.ref == ref and block.campaign_id == campaign_id)
        return next(named, None)

    def folded(self, facts: Iterable[Fact]) -> SpaceBlocks:
        """Give the blocks after more facts.

        Raises:
            CorruptStateError: A fact that cannot follow.
        """
        blocks, check_values = list(self.blocks), dict(self.check_values)
        for fact in facts:
            if not isinstance(fact, BlockTaken) or fact.space_id != self.space_id:
                msg = f"space {self.space_id!r} cannot go on with {fact.kind!r}"
                raise CorruptStateError(msg)
            blocks.append(attrs.evolve(fact.block, taken_at=fact.at))
            known = check_values.setdefault(fact.block.key_id, fact.check_value)
            if known != fact.check_value:
                raise CorruptStateError(wrong_key(fact.block.key_id, known, fact.check_value))
        return _checked(attrs.evolve(self, blocks=blocks, check_values=FrozenMap(check_values)))

    def to_dict(self) -> dict[str, Any]:
        """Write the blocks as JSON values."""
        return write_state(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SpaceBlocks:
        """Read what ``to_dict`` wrote.

        Raises:
            CorruptStateError: Anything else.
        """
        blocks = _checked(read_state(cls, data))
        if blocks.check_values.keys() != {block.key_id for block in blocks.blocks}:
            msg = f"the check values of space {blocks.space_id!r} must be those of its keys"
            raise CorruptStateError(msg)
        return blocks

    def _posting(self, facts: tuple[BlockTaken, ...]) -> Posting[SpaceBlocks]:
        return Posting(self.folded(facts), facts=facts, stream=self.stream, version=self.version)


def _checked(space: SpaceBlocks) -> SpaceBlocks:
    """Refuse blocks that no commands can have taken."""
    ends, names = dict[str, int](), set[tuple[str, str]]()
    for block in space.blocks:
        name = (block.campaign_id, block.ref)
        if block.start != ends.get(block.key_id, 0) or name in names:
            msg = f"the serials {block.start} to {block.stop} of space {space.space_id!r} cannot follow what was taken before"
            raise CorruptStateError(msg)
        ends[block.key_id] = block.stop
        names.add(name)
    return space


def _of_keys(blocks: tuple[Block, ...]) -> FrozenMap[str, tuple[Block, ...]]:
    """Sort the blocks by their keys, when somebody first looks."""

    def sort() -> dict[str, tuple[Block, ...]]:
        found = dict[str, list[Block]]()
        for block in blocks:
            found.setdefault(block.key_id, []).append(block)
        return {key_id: tuple(several) for key_id, several in found.items()}

    return LaterMap(sort)


def wrong_key(key_id: str, known: str, given: str) -> str:
    """Say that a key is not the one it is called."""
    return f"key {key_id!r} must have the check value {known}, got one with {given}: it is another key"


def _check_same(taken: Block, asked: Block) -> None:
    """Refuse another content under a used name."""
    fields = []
    if len(taken.serials) != len(asked.serials):
        fields.append("count")
    fields += [name for name in ("holder_bound", "words_digest") if getattr(taken, name) != getattr(asked, name)]
    if fields:
        raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": f"block:{asked.ref}", "fields": tuple(fields)}))
