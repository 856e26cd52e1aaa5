"""Facts, postings and the changes that carry them to a store.

A *fact* is something that happened. A command of an aggregate decides and changes nothing: it returns a *posting*, the state
it would lead to and the facts that lead there. To keep it, store the facts, or just ``posting.state``.

Invariants:
    1. Facts are never changed or removed; a mistake is corrected by a fact that names the one it reverses.
    2. Folding all facts of a stream, in order, gives a state equal to the last posting's.
    3. A command happens once per home stream and key; what it was asked is its fingerprint, which never holds the time.

>>> from loyaltycore.identity import Key, member_stream
>>> command = Command.of(member_stream("m-42"), Key("review-1"), actor="shop", verb="record", action="review")
>>> command.differs_from(Command.of(member_stream("m-42"), Key("review-1"), actor="shop", verb="record", action="share"))
('action',)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import ClassVar, Generic, TypeAlias, TypeVar, final, get_type_hints

import attrs

from loyaltycore._checks import check_instant, check_several, check_whole, keep_in_utc, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import Reason, Refusal, RefusedError, UsageError
from loyaltycore.identity import CounterId, Key, StreamId, check_name, check_text
from loyaltycore.wire import Json, digest

__all__ = ["Append", "Change", "Claim", "Command", "Expect", "Fact", "Posting"]

S_co = TypeVar("S_co", covariant=True)


@attrs.frozen(kw_only=True)
class Fact:
    """Something that happened, at an instant; each module defines its own kinds.

    Every field that is an instant must be timezone-aware and is kept in UTC: two facts of one instant are equal, whatever
    the clocks they were told in.

    Attributes:
        at: When it happened, timezone-aware.
    """

    kind: ClassVar[str]
    """Name in the stored form, ``<module>.<past participle>``; never renamed once released."""

    form: ClassVar[int] = 1
    """Number of the stored form; a new number keeps the old one readable."""

    at: datetime

    def __attrs_post_init__(self) -> None:
        """Refuse naive times and keep instants in UTC."""
        check_instant("at", self.at)
        kind: type = type(self)
        keep_in_utc(self, *_instants(kind))


@cache
def _instants(kind: type) -> tuple[str, ...]:
    return tuple(name for name, hint in get_type_hints(kind).items() if hint in (datetime, datetime | None))


def _tuple_of_facts(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    return check_several("facts", facts, Fact)


@final
@attrs.frozen(kw_only=True)
class Append:
    """Facts for the end of a stream.

    Attributes:
        stream: Where they go.
        expected_version: How many facts the stream must hold before them; another number is a conflict.
        facts: In order; at least one.
        due_at: When time next brings something for this stream; ``None`` if nothing is to come.
    """

    stream: StreamId
    expected_version: int
    facts: tuple[Fact, ...] = attrs.field(converter=_tuple_of_facts)
    due_at: datetime | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse an empty append, a negative version and a naive time."""
        check_name("stream", self.stream)
        check_whole("expected_version", self.expected_version, low=0)
        keep_in_utc(self, "due_at")
        if not self.facts:
            msg = f"an append to {shown(self.stream)} must hold at least one fact"
            raise UsageError(msg)


@final
@attrs.frozen(kw_only=True)
class Expect:
    """A stream that was read and is not written, and must not have moved.

    Attributes:
        stream: What was read.
        version: How many facts it held.
    """

    stream: StreamId
    version: int

    def __attrs_post_init__(self) -> None:
        """Refuse a negative version."""
        check_name("stream", self.stream)
        check_whole("version", self.version, low=0)


@final
@attrs.frozen(kw_only=True)
class Claim:
    """What one key holds of a counter after the commit: an absolute amount, so a retry claims nothing twice.

    Attributes:
        counter: The total that many share.
        key: Who holds it, for example an order.
        amount: What the key holds from now on; 0 frees it. A decrease always passes.
        limit: What all live claims may sum to; ``None`` has no limit and only counts.
        at: The instant of the claim, timezone-aware.
        until: First instant at which it no longer counts; ``None`` counts for ever.
    """

    counter: CounterId
    key: Key
    amount: int
    limit: int | None
    at: datetime
    until: datetime | None

    def __attrs_post_init__(self) -> None:
        """Refuse negative amounts and naive times."""
        check_name("counter", self.counter)
        check_name("key", self.key)
        check_whole("amount", self.amount, low=0)
        if self.limit is not None:
            check_whole("limit", self.limit, low=0)
        check_instant("at", self.at)
        keep_in_utc(self, "at", "until")
        if self.until is not None and self.until <= self.at:
            msg = f"until must be after {self.at}, got {self.until}"
            raise UsageError(msg)


Change: TypeAlias = Append | Expect | Claim
"""What a commit does, all or nothing."""


def _fingerprint(prints: Mapping[str, str]) -> FrozenMap[str, str]:
    if not isinstance(prints, Mapping) or not all(isinstance(part, str) for item in prints.items() for part in item):
        msg = f"fingerprint must be a mapping of text to text, got {shown(prints)}"
        raise UsageError(msg)
    return FrozenMap(prints)


@final
@attrs.frozen(kw_only=True)
class Command:
    """What was asked, and the key under which it happens once.

    Attributes:
        home: The stream that remembers the key.
        key: Unique within the home, for ever: the verb and the shop's own ``ref``.
        fingerprint: A digest of each thing the shop passed; never of the time. A repository that reads it back may pass any
            mapping of text to text.
        actor: Who asked: an agent, ``"shop"``, a member.
    """

    home: StreamId
    key: Key
    fingerprint: FrozenMap[str, str] = attrs.field(converter=_fingerprint)
    actor: str

    def __attrs_post_init__(self) -> None:
        """Refuse what no store could keep."""
        check_name("home", self.home)
        check_name("key", self.key)
        check_text("actor", self.actor, limit=200)

    @classmethod
    def of(cls, home: StreamId, key: Key, /, *, actor: str, **passed: Json) -> Command:
        """Take the fingerprint of what was passed.

        Args:
            home: The stream that remembers the key.
            key: The verb and the shop's own reference.
            actor: Who asks; part of the fingerprint.
            **passed: Each argument by name, as JSON values.

        Raises:
            UsageError: A float among what was passed, or anything else that is not JSON.
        """
        everything = {**passed, "actor": actor}
        prints = {name: digest(value, purpose="lc.fingerprint") for name, value in sorted(everything.items())}
        return cls(home=home, key=key, fingerprint=FrozenMap(prints), actor=actor)

    def differs_from(self, first: Command) -> tuple[str, ...]:
        """Name what was passed differently the first time; nothing when it is the same command."""
        names = sorted({*self.fingerprint, *first.fingerprint})
        return tuple(name for name in names if self.fingerprint.get(name) != first.fingerprint.get(name))

    def check_same(self, first: Command) -> None:
        """Refuse another content under a used key.

        Raises:
            RefusedError: ``key_reused``, naming the fields that differ.
        """
        fields = self.differs_from(first)
        if fields:
            raise RefusedError(Refusal(Reason.KEY_REUSED, {"key": self.key, "fields": fields}))


@final
@attrs.frozen
class Posting(Generic[S_co]):
    """What a command decided: nothing has changed until you keep it.

    Attributes:
        state: The aggregate afterwards.
        facts: What happened, in order; none when the same command was already in the state.
        stream: Where the facts belong.
        version: How many facts the stream held before; the next version is ``version + len(facts)``.
        changes: The same, for a repository: the append of the facts, and whatever must be committed with it.
    """

    state: S_co
    facts: tuple[Fact, ...] = attrs.field(kw_only=True, converter=_tuple_of_facts)
    stream: StreamId = attrs.field(kw_only=True)
    version: int = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse a negative version."""
        check_whole("version", self.version, low=0)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The append that keeps the facts, with when time next brings something for the state; nothing when there are none."""
        if not self.facts:
            return ()
        due_at = getattr(self.state, "due_at", None)  # members have it; a check of a protocol would cost more than the rest
        return (Append(stream=self.stream, expected_version=self.version, facts=self.facts, due_at=due_at),)
