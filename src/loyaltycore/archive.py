"""Archives: all that a repository keeps, as lines of text, and back into any repository.

The first line says what this is; one line stands for each commit, one for each claim, and one says how many there were. Each is
a JSON object with its keys sorted, its instants in UTC, and without a line break inside.

A repository does not list the commits that claims came with: an import keeps each claim in a commit of its own, whose home is
``import/claims`` and whose key is ``claim:`` with the digest of the claim. An export leaves these commits out.

Invariants:
    1. An export of what was imported from an export holds the same lines, each as often; streams, receipts, what is claimed and
       what is due are equal.
    2. Behind the first line the order of the lines does not matter: what cannot follow yet waits.
    3. What is there already, under the same key and with equal content, is passed over: an import that broke off is made again.
    4. Memory follows what waits, not the length of the archive.

>>> from datetime import UTC, datetime
>>> from loyaltycore.facts import Append
>>> from loyaltycore.identity import member_stream
>>> from loyaltycore.memberships import MemberJoined
>>> from loyaltycore.store.memory import MemoryRepository
>>> old, new, stream = MemoryRepository(), MemoryRepository(), member_stream("m-42")
>>> joined = MemberJoined(member_id="m-42", at=datetime(2026, 7, 1, 8, tzinfo=UTC))
>>> old.commit(Command.of(stream, Key("join"), actor="shop"), [Append(stream=stream, expected_version=0, facts=[joined])])
>>> import_lines(new, export_lines(old))
Imported(commits=1, facts=1, claims=0, known=0)
>>> new.load([stream]) == old.load([stream])
True
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Final, TypeAlias, TypeVar, final

import attrs

from loyaltycore._checks import shown
from loyaltycore.codec import decode_fact, encode_fact
from loyaltycore.errors import ConflictError, DuplicateError, LoyaltyError, UsageError
from loyaltycore.facts import Append, Claim, Command
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import Cursor, Exportable, KeptClaim, KeptCommit, Repository
from loyaltycore.wire import Json, coded_text, digest, instant_text, parse_instant, read_json

__all__ = ["FORM", "ArchiveError", "Imported", "export_lines", "import_lines"]

FORM: Final = 1
"""Number of the form of the lines; a new number keeps the old one readable."""

PAGE: Final = 500
"""Commits or claims asked for at once."""

CLAIMS_HOME: Final = StreamId("import/claims")
"""Home of the commits that bring claims along; nothing is ever appended to it."""

ACTOR: Final = "import"
"""Who acts in them."""

_EARLIEST: Final = datetime(2, 1, 1, tzinfo=UTC)
"""When claims are brought along: before the end of any, so that none is taken for one that no longer counts."""

_VERSIONS_LIMIT: Final = 100_000
"""Streams whose version an import remembers; that of any other is asked for where it matters."""

_Awaited: TypeAlias = tuple[StreamId, int]

T = TypeVar("T")
V = TypeVar("V", KeptCommit, KeptClaim)


class ArchiveError(UsageError):
    """An archive cannot be imported to its end; what came before the line is kept.

    Attributes:
        line: Which line, counted from 1.
    """

    def __init__(self, line: int, problem: str) -> None:
        """Say where and what.

        Args:
            line: Which line, counted from 1.
            problem: What is wrong with it.
        """
        self.line = line
        self.problem = problem
        super().__init__(f"line {line}: {problem}")

    def __reduce__(self) -> tuple[type[ArchiveError], tuple[int, str]]:
        """Pickle by content."""
        return (ArchiveError, (self.line, self.problem))


@final
@attrs.frozen(kw_only=True)
class Imported:
    """What an import did.

    Attributes:
        commits: Commits that were kept.
        facts: Facts that they appended.
        claims: Claims that were kept.
        known: Commits and claims that were there already.
    """

    commits: int
    facts: int
    claims: int
    known: int


def export_lines(repository: Exportable) -> Iterator[str]:
    """Write down all that a repository keeps, line by line; a line has no line end.

    Args:
        repository: One that can list its commits and claims. What is committed meanwhile may be in it or not.

    Returns:
        The header, the commits as the repository lists them, the claims, and how many there were.

    Raises:
        UsageError: A repository that cannot list them.
    """
    if not all(hasattr(repository, name) for name in ("commits", "claims")):
        msg = f"export needs a repository that has commits and claims, got {type(repository).__name__}"
        raise UsageError(msg)
    counts: Counter[str] = Counter()
    yield _line("export", form=FORM, library=_library())
    for kept in _every(repository.commits):
        if kept.command.home == CLAIMS_HOME and not kept.appends:
            continue  # it only brought a claim along, which has a line of its own
        counts["commits"] += 1
        yield _commit_line(kept)
    for held in _every(repository.claims):
        counts["claims"] += 1
        yield _line("claim", **_claim_fields(held))
    yield _line("end", commits=counts["commits"], claims=counts["claims"])


def import_lines(repository: Repository, lines: Iterable[str]) -> Imported:
    """Keep what an archive holds, commit by commit.

    Args:
        repository: Where it goes; best a new one. Nobody else should write into it meanwhile.
        lines: As ``export_lines`` gives them, with or without line ends; empty ones are passed over.

    Raises:
        ArchiveError: A line that cannot be read; one that differs from what is there under its key; one that waits for another
            that never comes; no end, or another number of lines than it says. What was read before is kept: mend it, and
            import it again.
        ConflictError: Somebody else wrote meanwhile.
    """
    reader, number = _Import(repository), 0
    for number, line in enumerate(lines, 1):
        if line and not line.isspace():
            reader.take(number, line)
    reader.finish(number)
    return reader.imported


def _library() -> str:
    try:
        return metadata.version("loyaltycore")
    except metadata.PackageNotFoundError:  # its sources were copied into another project
        return "unknown"


def _every(listed: Callable[..., Iterable[V]]) -> Iterator[V]:
    """Go through a listing, page by page."""
    after: Cursor | None = None
    while page := list(listed(after=after, limit=PAGE)):
        yield from page
        after = page[-1].cursor


def _line(kind: str, **fields: Json) -> str:
    return coded_text({"kind": kind, **fields})


def _commit_line(kept: KeptCommit) -> str:
    command = kept.command
    return _line(
        "commit",
        home=command.home,
        key=command.key,
        actor=command.actor,
        fingerprint=dict(command.fingerprint),
        # Of one commit they have no order, and every repository gives them in its own.
        appends=[_append_fields(append) for append in sorted(kept.appends, key=lambda append: append.stream)],
    )


def _append_fields(append: Append) -> dict[str, Json]:
    due = {} if append.due_at is None else {"due_at": instant_text(append.due_at)}
    return {
        "stream": append.stream,
        "version": append.expected_version,
        "facts": [encode_fact(fact) for fact in append.facts],
        **due,
    }


def _claim_fields(held: KeptClaim | Claim) -> dict[str, Json]:
    until = {} if held.until is None else {"until": instant_text(held.until)}
    return {"counter": held.counter, "key": held.key, "amount": held.amount, **until}


@final
@attrs.frozen
class _Kept:
    """A commit as a line tells it."""

    line: int
    command: Command
    appends: tuple[Append, ...]

    @property
    def name(self) -> str:
        return f"{self.command.key!r} of {self.command.home!r}"


@final
class _Import:
    """Keeps line after line; what cannot follow yet waits for the version it needs."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.counts: Counter[str] = Counter()
        self.read: Counter[str] = Counter()
        self.said: dict[str, int] | None = None
        self.versions: dict[StreamId, int] = {}
        self.waiting: dict[_Awaited, list[_Kept]] = {}

    @property
    def imported(self) -> Imported:
        return Imported(**{field.name: self.counts[field.name] for field in attrs.fields(Imported)})

    def take(self, number: int, line: str) -> None:
        """Keep what one line says."""
        data = _read(number, line)
        kind = data.pop("kind", None)
        if (kind == "export") is not (self.read.total() == 0):
            raise ArchiveError(number, "the first line, and no other, must be the header of an export")
        self.read[str(kind)] += 1
        match kind:
            case "export":
                _parsed(number, lambda: _check_header(data))
            case "commit":
                self._take_commit(_parsed(number, lambda: _read_commit(number, data)))
            case "claim":
                self._take_claim(number, _parsed(number, lambda: _read_claim(data)))
            case "end" if self.said is None:
                self.said = _parsed(number, lambda: _read_end(data))
            case _:
                raise ArchiveError(number, f"a line of kind {shown(kind)} cannot stand here")

    def finish(self, number: int) -> None:
        """Say what is missing."""
        # What waits may be there already, from an import that knew more lines: it is looked at once more.
        left = [one for several in self.waiting.values() for one in several]
        self.waiting.clear()
        self.versions.clear()
        for one in sorted(left, key=lambda one: one.line):
            self._take_commit(one)
        for (stream, version), several in sorted(self.waiting.items(), key=lambda item: item[1][0].line):
            first = several[0]
            raise ArchiveError(first.line, f"{first.name} waits for version {version} of {stream!r}, which never comes")
        if self.said is None:
            raise ArchiveError(number, "the export was cut off: its last line is missing")
        found = {"commits": self.read["commit"], "claims": self.read["claim"]}
        if found != self.said:
            raise ArchiveError(number, f"lines are missing or stand twice: the export held {self.said}, got {found}")

    def _take_commit(self, kept: _Kept) -> None:
        """Keep a commit, and then those that waited for it."""
        ready = [kept]
        while ready:
            one = ready.pop()
            awaited = self._keep(one)
            if awaited is not None:
                self.waiting.setdefault(awaited, []).append(one)
                continue
            for append in one.appends:
                version = append.expected_version + len(append.facts)
                self._remember(append.stream, version)
                ready += self.waiting.pop((append.stream, version), ())

    def _keep(self, one: _Kept) -> _Awaited | None:
        """Commit it, unless it is there; give the version that it has to wait for, where it has to."""
        for append in one.appends:
            if self.versions.get(append.stream, append.expected_version) < append.expected_version:
                return (append.stream, append.expected_version)
        try:
            self.repository.commit(one.command, one.appends)
        except DuplicateError:
            self._check_same(one)
            self.counts["known"] += 1
            return None
        except ConflictError:
            return self._awaited(one)
        self.counts["commits"] += 1
        self.counts["facts"] += sum(len(append.facts) for append in one.appends)
        return None

    def _awaited(self, one: _Kept) -> _Awaited:
        """Find the version that a commit has to wait for."""
        stored = self.repository.load([append.stream for append in one.appends])
        for append in one.appends:
            version = stored[append.stream].version
            if version > append.expected_version:
                problem = f"{one.name} differs: {append.stream!r} is at version {version}, not {append.expected_version}"
                raise ArchiveError(one.line, problem)
            if version < append.expected_version:
                self._remember(append.stream, version)
                return (append.stream, append.expected_version)
        msg = f"{one.name}: somebody else wrote meanwhile"
        raise ConflictError(msg)

    def _check_same(self, one: _Kept) -> None:
        """Refuse what is there under the same key and is something else."""
        receipt = self.repository.receipt(one.command.home, one.command.key)
        facts = {append.stream: append.facts for append in one.appends}
        if receipt is None or receipt.command != one.command or dict(receipt.facts) != facts:
            raise ArchiveError(one.line, f"{one.name} differs from what is there")

    def _take_claim(self, number: int, claim: Claim) -> None:
        """Keep a claim; one that was kept before is left as it is, whatever became of it since."""
        fields = _claim_fields(claim)
        key = Key(f"claim:{digest(fields, purpose='lc.import')}")
        if self.repository.receipt(CLAIMS_HOME, key) is not None:
            self.counts["known"] += 1
            return
        mine = self.repository.claimed([claim.counter], key=claim.key, at=_EARLIEST)[claim.counter].mine
        if mine not in {0, claim.amount}:
            problem = f"{claim.key!r} holds {mine} of {claim.counter!r} there, and {claim.amount} here"
            raise ArchiveError(number, problem)
        if mine == claim.amount:
            self.counts["known"] += 1
            return
        self.repository.commit(Command.of(CLAIMS_HOME, key, actor=ACTOR, claim=fields), [claim])
        self.counts["claims"] += 1

    def _remember(self, stream: StreamId, version: int) -> None:
        self.versions[stream] = max(version, self.versions.pop(stream, 0))
        if len(self.versions) > _VERSIONS_LIMIT:
            del self.versions[next(iter(self.versions))]


def _read(number: int, line: str) -> dict[str, Json]:
    data = _parsed(number, lambda: read_json(line))
    if not isinstance(data, dict):
        raise ArchiveError(number, f"a line must be a JSON object, got {shown(data)}")
    return data


def _parsed(number: int, parse: Callable[[], T]) -> T:
    """Say on which line it was."""
    try:
        return parse()
    except LoyaltyError as error:
        raise ArchiveError(number, str(error)) from error


def _check_header(data: dict[str, Json]) -> None:
    form, _ = _fields(data, form=int, library=str)
    if form != FORM:
        msg = f"the export has form {form}; this version knows form {FORM}"
        raise UsageError(msg)


def _read_commit(number: int, data: dict[str, Json]) -> _Kept:
    home, key, actor, fingerprint, appends = _fields(data, home=str, key=str, actor=str, fingerprint=dict, appends=list)
    command = Command(home=StreamId(home), key=Key(key), fingerprint=fingerprint, actor=actor)
    return _Kept(number, command, tuple(_read_append(append) for append in appends))


def _read_append(data: object) -> Append:
    if not isinstance(data, dict):
        msg = f"an append must be a JSON object, got {shown(data)}"
        raise UsageError(msg)
    due_at = _instant_of(data, "due_at")
    stream, version, facts = _fields(data, stream=str, version=int, facts=list)
    return Append(
        stream=StreamId(stream), expected_version=version, facts=tuple(decode_fact(fact) for fact in facts), due_at=due_at
    )


def _read_claim(data: dict[str, Json]) -> Claim:
    until = _instant_of(data, "until")
    counter, key, amount = _fields(data, counter=str, key=str, amount=int)
    if amount == 0:
        msg = "a claim must hold at least 1, got 0"
        raise UsageError(msg)
    return Claim(counter=CounterId(counter), key=Key(key), amount=amount, limit=None, at=_EARLIEST, until=until)


def _read_end(data: dict[str, Json]) -> dict[str, int]:
    commits, claims = _fields(data, commits=int, claims=int)
    return {"commits": commits, "claims": claims}


def _instant_of(data: dict[str, Json], name: str) -> datetime | None:
    """Take an instant out of a line, where there is one."""
    return parse_instant(data.pop(name)) if name in data else None


def _fields(data: Mapping[str, Json], **kinds: type) -> tuple[Any, ...]:
    """Give the fields of a line, each of exactly its type, and no other."""
    if data.keys() != kinds.keys() or any(type(data[name]) is not kind for name, kind in kinds.items()):
        named = ", ".join(f"{name} ({kind.__name__})" for name, kind in sorted(kinds.items()))
        msg = f"must have {named}, got {shown(data)}"
        raise UsageError(msg)
    return tuple(data[name] for name in kinds)
