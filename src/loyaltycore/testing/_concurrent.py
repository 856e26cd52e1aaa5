"""Random commits from several threads at once, and whether what is left could have come about one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from random import Random
from typing import Final, NoReturn, final

import attrs

from loyaltycore.facts import Append, Change, Claim, Command, Expect
from loyaltycore.identity import StreamId
from loyaltycore.repositories import Repository
from loyaltycore.testing._port import AT, Port, append_to, claim_of, marker
from loyaltycore.testing._stage import Source

__all__ = ["check_at_once"]

_ROUNDS: Final = 4
"""Crowds let loose, one after another."""

_CALLS: Final = 32
"""Commits of a crowd."""

_SEED: Final = 20_260_701
"""What is drawn is the same each time; who comes first is not."""

_LIMIT: Final = 7
"""What a counter holds: a crowd asks for more."""


@final
@attrs.frozen(kw_only=True)
class _Tried:
    """A commit of a crowd, and what it heard.

    Attributes:
        name: Tells it apart.
        command: What was asked.
        changes: At the versions it had read.
        refusal: What it heard; ``None`` when it was kept.
    """

    name: str
    command: Command
    changes: tuple[Change, ...]
    refusal: Exception | None

    @property
    def is_kept(self) -> bool:
        """Whether it was kept."""
        return self.refusal is None

    @property
    def appends(self) -> tuple[Append, ...]:
        """Its facts."""
        return tuple(change for change in self.changes if isinstance(change, Append))

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Its claims."""
        return tuple(change for change in self.changes if isinstance(change, Claim))


def check_at_once(source: Source[Repository]) -> None:
    """Let crowds loose on a repository, and look at what is left of each."""
    random = Random(_SEED)  # noqa: S311 - drawn to be repeated, not to be secret
    for _ in range(_ROUNDS):
        with source.opened() as repository:
            crowd = _Crowd(source, repository)
            crowd.run(random)
            crowd.look()


@final
class _Crowd:
    """Commits of several threads at once over three streams and two counters; a few are sent twice."""

    def __init__(self, source: Source[Repository], repository: Repository) -> None:
        """Begin with nothing tried."""
        self._port = Port(Repository, 5, source, repository)
        self._streams = [self._port.stream(name) for name in "abc"]
        self._counters = [self._port.counter(name) for name in "xy"]
        self._tried: list[_Tried] = []

    def run(self, random: Random) -> None:
        """Draw the crowd, and let it loose."""
        numbers = [number if random.randrange(5) else random.randrange(number + 1) for number in range(_CALLS)]
        jobs = [partial(self._commit, number=number, random=Random(f"{_SEED} {number}")) for number in numbers]  # noqa: S311 - drawn alike each time; nothing is secret
        self._tried = self._port.at_once(jobs)

    def _commit(self, repository: Repository, *, number: int, random: Random) -> _Tried:
        call = f"load([{', '.join(map(repr, self._streams))}])"
        stored = self._port.asked(call, lambda: repository.load(self._streams))
        name, changes = str(number), list[Change]()
        for stream in random.sample(self._streams, k=random.randrange(3)):
            version = stored[stream].version
            facts = [marker(f"{name}-{place}") for place in range(1 + random.randrange(2))]
            changes.append(append_to(stream, version, *facts) if random.randrange(3) else Expect(stream=stream, version=version))
        for counter in random.sample(self._counters, k=random.randrange(3)):
            changes.append(claim_of(counter, self._port.key(name), 1 + random.randrange(3), _LIMIT))
        command = self._port.command(name)
        refusal = self._port.commit(command, *changes, repository=repository)
        return _Tried(name=name, command=command, changes=tuple(changes), refusal=refusal)

    def look(self) -> None:
        """Look at everything that is left."""
        kept = [one for one in self._tried if one.is_kept]
        self._look_at_commands(kept)
        self._look_at_streams(kept)
        self._look_at_counters(kept)
        self._look_at_order(kept)

    def _look_at_commands(self, kept: Iterable[_Tried]) -> None:
        times = Counter(one.name for one in kept)
        for name in {one.name for one in self._tried}:
            if times[name] > 1:
                self._fail(6, f"command {name!r}, sent several times at once, was kept {times[name]} times")
        for one in self._tried:
            if type(one.refusal).__name__ == "DuplicateError" and not times[one.name]:
                self._fail(6, f"command {one.name!r} heard DuplicateError, and was kept never")
        for one in kept:
            receipt = self._port.receipt(one.command)
            wanted = {append.stream: append.facts for append in one.appends}
            found = None if receipt is None else {stream: tuple(facts) for stream, facts in receipt.facts.items()}
            if found != wanted:
                self._fail(9, f"the receipt of command {one.name!r} says {found!r}, and it appended {wanted!r}")
        for one in self._tried:
            if not times[one.name] and self._port.receipt(one.command) is not None:
                self._fail(9, f"command {one.name!r} was refused, and has a receipt")

    def _look_at_streams(self, kept: Iterable[_Tried]) -> None:
        stored = self._port.load(*self._streams)
        for stream in self._streams:
            appends = sorted(_appends_to(stream, kept), key=lambda append: append.expected_version)
            for before, after in pairwise([append_to(stream, 0, marker("none")), *appends]):
                begins = before.expected_version + len(before.facts) if before in appends else 0
                if after.expected_version != begins:
                    self._fail(5, f"{stream!r} was appended to at version {after.expected_version}, when it was at {begins}")
            facts = tuple(fact for append in appends for fact in append.facts)
            if stored[stream].version != len(facts) or tuple(stored[stream].facts) != facts:
                self._fail(3, f"{stream!r} does not hold exactly what the kept commits appended, in the order of their versions")
            for one in self._tried:
                self._look_at_loser(one, stream, len(facts))

    def _look_at_loser(self, one: _Tried, stream: StreamId, version: int) -> None:
        """A commit of nothing but one append loses to another one at its version, or is kept."""
        if type(one.refusal).__name__ != "ConflictError" or len(one.changes) != 1:
            return
        (change,) = one.changes
        read = change.expected_version if isinstance(change, Append) else change.version if isinstance(change, Expect) else None
        if not isinstance(change, Claim) and change.stream == stream and read == version:
            self._fail(5, f"command {one.name!r} heard ConflictError at version {read} of {stream!r}, which nobody moved")

    def _look_at_counters(self, kept: Sequence[_Tried]) -> None:
        for counter in self._counters:
            total = sum(claim.amount for one in kept for claim in one.claims if claim.counter == counter)
            if total > _LIMIT:
                self._fail(11, f"the claims kept on {counter!r} sum to {total}, above the limit {_LIMIT}")
            found = self._port.claimed(counter, key=self._port.key("nobody"), at=AT)[counter].total
            if found != total:
                self._fail(13, f"the live total of {counter!r} is {found}, and the claims kept sum to {total}")
        for one in self._tried:
            if type(one.refusal).__name__ == "LimitReachedError" and not any(self._is_full(claim, kept) for claim in one.claims):
                self._fail(11, f"command {one.name!r} heard LimitReachedError, and there was room to the end")

    def _is_full(self, claim: Claim, kept: Iterable[_Tried]) -> bool:
        total = sum(other.amount for one in kept for other in one.claims if other.counter == claim.counter)
        return total + claim.amount > _LIMIT

    def _look_at_order(self, kept: Sequence[_Tried]) -> None:
        """Find one order in which each commit met the versions it expected."""
        after: dict[str, set[str]] = {one.name: set() for one in kept}
        for stream in self._streams:
            for one in kept:
                for version in _versions_read(one, stream):
                    for other in kept:
                        for append in _appends_to(stream, [other]):
                            if other is not one:
                                first, then = (other, one) if append.expected_version < version else (one, other)
                                after[then.name].add(first.name)
        try:
            TopologicalSorter(after).prepare()
        except CycleError as error:
            self._fail(5, f"no order of the kept commits meets the versions they expected: {' before '.join(error.args[1])}")

    def _fail(self, clause: int, found: str) -> NoReturn:
        raise self._port.failure(found, clause=clause)


def _appends_to(stream: StreamId, kept: Iterable[_Tried]) -> Iterator[Append]:
    return (append for one in kept for append in one.appends if append.stream == stream)


def _versions_read(one: _Tried, stream: StreamId) -> Iterator[int]:
    for change in one.changes:
        if isinstance(change, Append) and change.stream == stream:
            yield change.expected_version
        elif isinstance(change, Expect) and change.stream == stream:
            yield change.version
