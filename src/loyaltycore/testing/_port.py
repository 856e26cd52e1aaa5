"""A check of the port at work: its calls, its facts, and a look at everything they may have touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never, final

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.ledger import Granted
from loyaltycore.repositories import Claimed, Cursor, Due, Receipt, Repository, StoredStream
from loyaltycore.testing._stage import Source, Stage

__all__ = ["AT", "DUE", "HOUR", "TICK", "Port", "append_to", "claim_of", "marker"]

AT: Final = datetime(2026, 7, 1, 10, 30, 15, 123456, tzinfo=UTC)
TICK: Final = timedelta(microseconds=1)
HOUR: Final = timedelta(hours=1)

# Long before anything real is due: a listing starts with what the kit put there.
DUE: Final = datetime(1950, 1, 1, tzinfo=UTC)

_REFUSALS: Final = (ConflictError, DuplicateError, LimitReachedError)


@final
class Port(Stage[Repository]):
    """A check of the port: its calls, and everything they may have touched."""

    def __init__(self, contract: type, clause: int, source: Source[Repository], repository: Repository) -> None:
        """Start with no calls: see ``Stage``."""
        super().__init__(contract, clause, source, repository)
        self._streams: dict[StreamId, None] = {}
        self._holders: dict[tuple[CounterId, Key], None] = {}
        self._commands: dict[tuple[StreamId, Key], None] = {}
        self._says_due = False

    def stream(self, name: str, *, kind: str = "member") -> StreamId:
        """Name a stream of this check."""
        return StreamId(f"{kind}/{self.mark}-{name}")

    def counter(self, name: str) -> CounterId:
        """Name a counter of this check."""
        return CounterId(f"kit/{self.mark}-{name}")

    def key(self, name: str) -> Key:
        """Name a key of this check."""
        return Key(f"kit:{self.mark}-{name}")

    def command(self, name: str, *, home: StreamId | None = None, ref: str = "", actor: str = "kit") -> Command:
        """Make a command, at home in one stream unless said."""
        return Command.of(self.stream("home") if home is None else home, self.key(name), actor=actor, ref=ref)

    def commit(self, command: Command, *changes: Change, repository: Repository | None = None) -> Exception | None:
        """Commit, and give the refusal."""
        self._know(command, changes)
        chosen = self.repository if repository is None else repository
        return self.tried(_shown_commit(command, changes), lambda: chosen.commit(command, changes), _REFUSALS)

    def keeps(self, command: Command, *changes: Change) -> None:
        """Commit what must not be refused."""
        refusal = self.commit(command, *changes)
        if refusal is not None:
            self.fail(f"the last commit raised {type(refusal).__name__}: {refusal}")

    def refuses(self, wanted: type[Exception], command: Command, *changes: Change) -> None:
        """Commit what must be refused, and leave nothing behind."""
        before = self.look(command, changes)
        refusal = self.commit(command, *changes)
        if not isinstance(refusal, wanted):
            got = "nothing" if refusal is None else type(refusal).__name__
            self.fail(f"the last commit raised {got}, not {wanted.__name__}")
        self.unchanged(before, self.look(command, changes))

    def survives(self, command: Command, *changes: Change) -> bool:
        """Commit what cannot be kept, and say whether it was kept all the same."""
        self._know(command, changes)
        call = _shown_commit(command, changes)
        return self.tried(call, lambda: self.repository.commit(command, changes), (Exception,)) is None

    def unchanged(self, before: Mapping[str, object], after: Mapping[str, object]) -> None:
        """Demand that a refused commit left nothing behind."""
        for name, value in before.items():
            self.demand(f"after a refused commit, {name}", after[name], value)

    def look(self, command: Command, changes: Iterable[Change]) -> dict[str, object]:
        """Look at everything that this check knows of."""
        self._know(command, changes)

        def answer() -> dict[str, object]:
            loaded, at = self.repository.load(list(self._streams)), AT + TICK
            seen: dict[str, object] = {f"stream {stream!r}": loaded.get(stream) for stream in self._streams}
            for counter, key in self._holders:
                seen[f"counter {counter!r} for {key!r}"] = self.repository.claimed([counter], key=key, at=at).get(counter)
            for home, key in self._commands:
                seen[f"the receipt of {key!r} in {home!r}"] = self.repository.receipt(home, key)
            return seen

        seen = self.asked("(a look at everything)", answer)
        if self._says_due:
            seen["what is due"] = self.due(before=DUE + 9 * HOUR)
        return seen

    def load(self, *streams: StreamId) -> Mapping[StreamId, StoredStream]:
        """Load streams, each of which must be answered."""
        answer = self.asked(f"load([{_several(streams)}])", lambda: self.repository.load(list(streams)))
        missing = [stream for stream in streams if stream not in answer]
        self.demand("what load does not answer", missing, [])
        return answer

    def holds(self, stream: StreamId, *facts: Fact) -> None:
        """Demand exactly these facts of a stream."""
        stored = self.load(stream)[stream]
        self.demand(f"the version of {stream!r}", stored.version, len(facts))
        self.demand(f"what {stream!r} holds", tuple(stored.facts), facts)

    def receipt(self, command: Command) -> Receipt | None:
        """Ask what a command did."""
        return self.asked(
            f"receipt({command.home!r}, {command.key!r})", lambda: self.repository.receipt(command.home, command.key)
        )

    def claimed(self, *counters: CounterId, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Ask what is held of counters, each of which must be answered."""
        call = f"claimed([{_several(counters)}], key={key!r}, at={at.isoformat()})"
        answer = self.asked(call, lambda: self.repository.claimed(list(counters), key=key, at=at))
        missing = [counter for counter in counters if counter not in answer]
        self.demand("what claimed does not answer", missing, [])
        return answer

    def counts(self, counter: CounterId, key: Key, *, total: int, mine: int, at: datetime = AT) -> None:
        """Demand what is held of a counter."""
        held = self.claimed(counter, key=key, at=at)[counter]
        self.demand(f"what {key!r} holds of {counter!r}", held.mine, mine)
        self.demand(f"the live total of {counter!r}", held.total, total)

    def due(self, *, before: datetime, limit: int = 100) -> list[tuple[StreamId, datetime]]:
        """List, page by page, which streams of this check are due."""
        found, seen, after = list[tuple[StreamId, datetime]](), set[StreamId](), None
        while page := self._due_page(before, after, limit):
            if len(page) > limit:
                self.fail(f"a listing of at most {limit} holds {len(page)}")
            for due in page:
                if due.stream in seen:
                    self.fail(f"{due.stream!r} is listed twice: a page does not go on after the one before")
                seen.add(due.stream)
                if self.mark in due.stream:
                    found.append((due.stream, due.due_at))
            after = page[-1].cursor
        return found

    def _due_page(self, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        call = f"due(before={before.isoformat()}, after={after!r}, limit={limit})"
        return self.asked(call, lambda: self.repository.due(before=before, after=after, limit=limit))

    def _know(self, command: Command, changes: Iterable[Change]) -> None:
        self._commands[command.home, command.key] = None
        for change in changes:
            if isinstance(change, Claim):
                self._holders[change.counter, change.key] = None
            else:
                self._streams[change.stream] = None
            self._says_due = self._says_due or (isinstance(change, Append) and change.due_at is not None)


def marker(ref: str) -> Granted:
    """Make a fact that is told apart by its ref."""
    return Granted(account="points", ref=ref, rule="kit", units=1, available_at=AT, at=AT)


def append_to(stream: StreamId, version: int, *facts: Fact, due_at: datetime | None = None) -> Append:
    """Make an append."""
    return Append(stream=stream, expected_version=version, facts=facts, due_at=due_at)


def claim_of(
    counter: CounterId, key: Key, amount: int, limit: int | None, *, at: datetime = AT, until: datetime | None = None
) -> Claim:
    """Make a claim."""
    return Claim(counter=counter, key=key, amount=amount, limit=limit, at=at, until=until)


def _several(ids: Sequence[str]) -> str:
    shown = [repr(one) for one in ids[:4]]
    return ", ".join(shown if len(ids) <= len(shown) else [*shown, f"and {len(ids) - len(shown)} more"])


def _shown_commit(command: Command, changes: Sequence[Change]) -> str:
    return f"commit(Command({command.home!r}, {command.key!r}), [{', '.join(map(_shown_change, changes))}])"


def _shown_change(change: Change) -> str:
    match change:
        case Append():
            due = "" if change.due_at is None else f", due_at={change.due_at.isoformat()}"
            return f"Append({change.stream!r}, {change.expected_version}, {len(change.facts)} facts{due})"
        case Expect():
            return f"Expect({change.stream!r}, {change.version})"
        case Claim():
            until = "" if change.until is None else f", until={change.until.isoformat()}"
            amounts = f"{change.amount}, limit={change.limit}, at={change.at.isoformat()}{until}"
            return f"Claim({change.counter!r}, {change.key!r}, {amounts})"
    assert_never(change)
