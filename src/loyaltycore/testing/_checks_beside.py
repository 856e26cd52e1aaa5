"""Checks of what a repository may do besides: ``Snapshots``, ``Projecting`` and ``Forgetting``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, cast, final

import attrs

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Change, Command, Fact
from loyaltycore.identity import Key, StreamId
from loyaltycore.ledger import Granted
from loyaltycore.repositories import (
    Enumerable,
    Exportable,
    Forgetting,
    Projecting,
    Repository,
    Snapshot,
    Snapshots,
    SnapshotStream,
)
from loyaltycore.testing._checks_listing import claims_of, commits_of, streams_of
from loyaltycore.testing._checks_loading import MANY, TEXTS
from loyaltycore.testing._port import DUE, HOUR, Port, append_to, claim_of, marker

__all__ = ["FORGETTING_CHECKS", "PROJECTING_CHECKS", "SNAPSHOTS_CHECKS", "Projection", "projection_check"]

_FORM: Final = "kit-1"
_OTHER_FORM: Final = "kit-2"

_ROUNDS: Final = 5
"""Times each race is run."""

_READS: Final = 12
"""Times each reader looks while another writes."""

_WRITES: Final = 300
"""Most commits of the one who writes: readers that come late still see him at work."""


@final
@attrs.frozen(kw_only=True)
class Projection:
    """How the kit writes through what a commit gives to the shop, and looks for it afterwards.

    Attributes:
        write: Given what ``then`` was given, and a text: writes the text through it, into a table of the shop's. What it
            answers is awaited where it can be.
        has: Given a text: says whether it was kept, seen through a connection of its own.
    """

    write: Callable[[Any, str], object]
    has: Callable[[str], bool]


# ---- snapshots ----


def _tails(port: Port, *streams: StreamId, form: str = _FORM) -> Mapping[StreamId, SnapshotStream]:
    keeper = _keeper(port)
    call = f"load_tails([{len(streams)} streams, {streams[0]!r} first], form={form!r})"
    found = port.asked(call, lambda: keeper.load_tails(list(streams), form=form))
    port.demand("what load_tails does not answer", [stream for stream in streams if stream not in found], [])
    return found


def _keep(port: Port, stream: StreamId, snapshot: Snapshot) -> None:
    keeper = _keeper(port)
    shown = f"form={snapshot.form!r}, version={snapshot.version}, {len(snapshot.text)} characters"
    port.asked(f"keep_snapshot({stream!r}, Snapshot({shown}))", lambda: keeper.keep_snapshot(stream, snapshot))


def _keeper(port: Port) -> Snapshots:
    assert isinstance(port.repository, Snapshots)  # else these checks do not run
    return port.repository


def _answers_from_snapshots(port: Port) -> None:
    a, b, facts = port.stream("a"), port.stream("b"), [marker(str(number)) for number in range(14)]
    port.keeps(port.command("first"), append_to(a, 0, *facts[:11]), append_to(b, 0, *facts[:3]))
    for version in (1, 9, 10, 11):
        kept = Snapshot(form=_FORM, version=version, text=f"after {version}")
        _keep(port, a, kept)
        _demand_tail(port, a, SnapshotStream(version=11, snapshot=kept, facts=tuple(facts[version:11])))
    port.keeps(port.command("second"), append_to(a, 11, *facts[11:]))
    last = Snapshot(form=_FORM, version=11, text="after 11")
    _demand_tail(port, a, SnapshotStream(version=14, snapshot=last, facts=tuple(facts[11:])))
    _demand_tail(port, b, SnapshotStream(version=3, facts=tuple(facts[:3])))
    asked = [port.stream(f"never {number}") for number in range(MANY)]
    found = _tails(port, *asked[: MANY // 2], a, b, *asked[MANY // 2 :])
    port.demand("what streams never written hold", {repr(found[s]) for s in asked}, {repr(SnapshotStream())})
    port.demand(f"the version of {a!r} among many", found[a].version, 14)


def _demand_tail(port: Port, stream: StreamId, wanted: SnapshotStream, *, form: str = _FORM) -> None:
    found = _tails(port, stream, form=form)[stream]
    port.demand(f"the version of {stream!r}", found.version, wanted.version)
    port.demand(f"the snapshot of {stream!r} in the form {form!r}", found.snapshot, wanted.snapshot)
    port.demand(f"the facts of {stream!r} after its snapshot", tuple(found.facts), wanted.facts)


def _answers_in_one_view(port: Port) -> None:
    """Write and read at once: what a snapshot stands for and the facts after it are always all facts there are."""
    stream, readers, finished, written = port.stream("raced"), 3, list[int](), list[int]()

    def write(repository: Repository) -> None:
        assert isinstance(repository, Snapshots)  # made by the same factory
        most = _WRITES if port.source.threads > 1 else 1
        while len(finished) < readers and len(written) < most:
            version = len(written)
            change = append_to(stream, version, marker(str(version)))
            refusal = port.commit(port.command(str(version)), change, repository=repository)
            port.demand("what a single writer heard", refusal, None)
            kept = Snapshot(form=_FORM, version=version + 1, text=str(version + 1))
            port.asked(f"keep_snapshot({stream!r}, {kept!r})", partial(repository.keep_snapshot, stream, kept))
            written.append(version)

    def read(repository: Repository) -> None:
        assert isinstance(repository, Snapshots)  # made by the same factory
        try:
            for _ in range(_READS):
                call = f"load_tails([{stream!r}], form={_FORM!r})"
                found = port.asked(call, lambda: repository.load_tails([stream], form=_FORM))[stream]
                start = 0 if found.snapshot is None else int(found.snapshot.text)
                refs = [fact.ref for fact in found.facts if isinstance(fact, Granted)]
                port.demand(f"the version of snapshot {start} and {len(refs)} facts after it", found.version, start + len(refs))
                port.demand(f"the facts after snapshot {start}", refs, [str(n) for n in range(start, found.version)])
        finally:
            finished.append(1)

    port.at_once([write, *[read] * readers])
    port.demand("the version when all is written", _tails(port, stream)[stream].version, len(written))


def _answers_whole(port: Port) -> None:
    a, facts = port.stream("a"), (marker("1"), marker("2"))
    _demand_tail(port, port.stream("never"), SnapshotStream())
    port.keeps(port.command("first"), append_to(a, 0, *facts))
    _demand_tail(port, a, SnapshotStream(version=2, facts=facts))
    _keep(port, a, Snapshot(form=_OTHER_FORM, version=1, text="in another form"))
    _demand_tail(port, a, SnapshotStream(version=2, facts=facts))


def _replaces_snapshots(port: Port) -> None:
    a, facts = port.stream("a"), tuple(marker(str(number)) for number in range(12))
    port.keeps(port.command("first"), append_to(a, 0, *facts))
    for version in (2, 9, 10):
        _keep(port, a, Snapshot(form=_FORM, version=version, text=f"after {version}"))
    newest = Snapshot(form=_FORM, version=10, text="after 10")
    for version in (9, 2):
        _keep(port, a, Snapshot(form=_FORM, version=version, text="too late"))
        _keep(port, a, Snapshot(form=_OTHER_FORM, version=version, text="too late"))
        _demand_tail(port, a, SnapshotStream(version=12, snapshot=newest, facts=facts[10:]))
    other = Snapshot(form=_OTHER_FORM, version=11, text="after 11")
    _keep(port, a, other)
    _demand_tail(port, a, SnapshotStream(version=12, snapshot=other, facts=facts[11:]), form=_OTHER_FORM)
    _demand_tail(port, a, SnapshotStream(version=12, facts=facts))


def _keeps_the_text(port: Port) -> None:
    for number, text in enumerate(TEXTS):
        stream = port.stream(str(number))
        port.keeps(port.command(str(number)), append_to(stream, 0, marker("1")))
        kept = Snapshot(form=_FORM, version=1, text=text)
        _keep(port, stream, kept)
        _demand_tail(port, stream, SnapshotStream(version=1, snapshot=kept))


def _changes_nothing_else(port: Port) -> None:
    a, b = port.stream("a"), port.stream("b")
    command, claim = port.command("first"), claim_of(port.counter("c"), port.key("holder"), 1, 5)
    port.keeps(command, append_to(a, 0, marker("1"), due_at=DUE + HOUR), append_to(b, 0, marker("2")), claim)
    port.keeps(port.command("second"), append_to(a, 1, marker("3"), marker("4"), due_at=DUE + 2 * HOUR))
    before = port.look(command, ())
    _keep(port, a, Snapshot(form=_FORM, version=1, text="of a version that was"))
    _keep(port, b, Snapshot(form=_FORM, version=1, text="of b"))
    for name, value in port.look(command, ()).items():
        port.demand(f"after a snapshot, {name}", value, before[name])
    port.refuses(ConflictError, port.command("late"), append_to(a, 1, marker("late")))
    port.keeps(port.command("third"), append_to(a, 3, marker("5")))
    port.holds(a, marker("1"), marker("3"), marker("4"), marker("5"))


# ---- what the shop writes in a commit ----


class _ShopError(Exception):
    """An error of the shop's own."""


def _then(
    port: Port, command: Command, changes: Sequence[Change], then: Callable[[Any], object], repository: Repository | None = None
) -> Exception | None:
    """Commit with something of the shop's, and give what was raised."""
    chosen = port.repository if repository is None else repository
    assert isinstance(chosen, Projecting)  # else these checks do not run
    call = f"commit_then(Command({command.home!r}, {command.key!r}), {len(changes)} changes, then)"
    port.know(command, changes)
    expected = (ConflictError, DuplicateError, LimitReachedError, _ShopError)
    # What it answers is awaited where the repository is; elsewhere nobody looks at it.
    given = cast("Callable[[Any], None]", then)
    return port.tried(call, lambda: chosen.commit_then(command, changes, given), expected)


def _commits_then(port: Port) -> None:
    a, counter, holder, calls = port.stream("a"), port.counter("c"), port.key("holder"), list[object]()
    command = port.command("first", actor="Zoë 🛵")
    changes = (append_to(a, 0, marker("1"), due_at=DUE + HOUR), claim_of(counter, holder, 2, 5))
    port.demand("what commit_then raised", _then(port, command, changes, calls.append), None)
    port.demand("how often then was called", len(calls), 1)
    port.holds(a, marker("1"))
    port.counts(counter, holder, total=2, mine=2)
    receipt = port.receipt(command)
    port.demand(
        "the receipt of it", None if receipt is None else (receipt.command, dict(receipt.facts)), (command, {a: (marker("1"),)})
    )
    port.demand("what is due", port.due(before=DUE + 9 * HOUR), [(a, DUE + HOUR)])
    port.demand("what a commit without changes raised", _then(port, port.command("none"), (), calls.append), None)
    port.demand("how often then was called", len(calls), 2)
    port.keeps(port.command("done"), append_to(a, 1, marker("2")))


def _lets_errors_through(port: Port) -> None:
    a, error = port.stream("a"), _ShopError("the shop's own")

    def then(_given: object) -> None:
        raise error

    command = port.command("first")
    changes = (append_to(a, 0, marker("1"), due_at=DUE + HOUR), claim_of(port.counter("c"), port.key("holder"), 1, 5))
    before = port.look(command, changes)
    raised = _then(port, command, changes, then)
    if raised is not error:
        port.fail(f"what came out is {raised!r}, not the error that then raised")
    port.unchanged(before, port.look(command, changes))
    port.keeps(command, *changes)
    port.holds(a, marker("1"))
    port.keeps(port.command("done"), append_to(a, 1, marker("2")))


def _calls_nothing_refused(port: Port) -> None:
    a, counter, calls = port.stream("a"), port.counter("full"), list[object]()
    command = port.command("once")
    port.keeps(command, append_to(a, 0, marker("1")), claim_of(counter, port.key("holder"), 1, None))
    other = append_to(port.stream("b"), 0, marker("2"))
    refused: tuple[tuple[type[Exception], Command, tuple[Change, ...]], ...] = (
        (DuplicateError, command, (other,)),
        (ConflictError, port.command("late"), (other, append_to(a, 0, marker("3")))),
        (LimitReachedError, port.command("over"), (other, claim_of(counter, port.key("late"), 1, 1))),
    )
    for wanted, asked, changes in refused:
        before = port.look(asked, changes)
        heard = type(_then(port, asked, changes, calls.append)).__name__
        port.demand("what a commit that must be refused raised", heard, wanted.__name__)
        port.demand("how often then was called by a commit that was refused", len(calls), 0)
        port.unchanged(before, port.look(asked, changes))


def _calls_once_in_a_race(port: Port) -> None:
    for turn in range(_ROUNDS):
        calls, command, change = list[object](), port.command(str(turn)), append_to(port.stream("raced"), turn, marker(str(turn)))

        def write(
            repository: Repository, command: Command = command, change: Change = change, calls: list[object] = calls
        ) -> str:
            return type(_then(port, command, (change,), calls.append, repository)).__name__

        heard = sorted(port.at_once([write] * 8))
        port.demand("what eight heard that sent one command", heard, ["DuplicateError"] * 7 + ["NoneType"])
        port.demand("how often then was called by eight that sent one command", len(calls), 1)


def projection_check(projection: Projection) -> Callable[[Port], None]:
    """Make the check of what is written through what ``then`` is given."""

    def check(port: Port) -> None:
        texts = [f"{port.mark} {name}" for name in ("kept", "given up", "refused")]

        def write(given: object) -> object:
            return projection.write(given, texts[0])

        def give_up(given: object) -> object:
            # The answer is handed on, so that an awaited one is written before the error is raised.
            return _then_raise(projection.write(given, texts[1]))

        kept = _then(port, port.command("first"), (append_to(port.stream("a"), 0, marker("1")),), write)
        port.demand("what commit_then raised", kept, None)
        _demand_text(port, projection, texts[0], wanted=True)
        given_up = _then(port, port.command("second"), (append_to(port.stream("a"), 1, marker("2")),), give_up)
        port.demand("what came out", type(given_up), _ShopError)
        _demand_text(port, projection, texts[1], wanted=False)

    return check


def _then_raise(answer: object) -> object:
    if not hasattr(answer, "__await__"):
        raise _ShopError

    async def awaited() -> None:
        await answer
        raise _ShopError

    return awaited()


def _demand_text(port: Port, projection: Projection, text: str, *, wanted: bool) -> None:
    found = port.asked(f"has({text!r})", lambda: projection.has(text))
    port.demand(f"whether {text!r} was kept", found, wanted)


# ---- forgetting ----


def _rename(
    port: Port,
    old: StreamId,
    new: StreamId,
    facts: Mapping[StreamId, Sequence[Fact]] | None = None,
    repository: Repository | None = None,
) -> Exception | None:
    chosen = port.repository if repository is None else repository
    assert isinstance(chosen, Forgetting)  # else these checks do not run
    given = {} if facts is None else facts
    shown = ", ".join(f"{stream!r}: {len(several)} facts" for stream, several in given.items())
    call = f"rename({old!r}, {new!r}, facts={{{shown}}})"
    return port.tried(call, lambda: chosen.rename(old, new, facts=given), (ConflictError,))


def _renames(port: Port, old: StreamId, new: StreamId, facts: Mapping[StreamId, Sequence[Fact]] | None = None) -> None:
    raised = _rename(port, old, new, facts)
    port.demand("what the last rename raised", raised, None)


@final
class _Story:
    """A member who goes: with an order of his, claims under his name, and something due."""

    def __init__(self, port: Port) -> None:
        """Commit it."""
        self.old, self.new, self.order = port.stream("old"), port.stream("new"), port.stream("1001", kind="order")
        self.counter, self.mine, self.other = port.counter("c"), Key(self.old), port.key("other")
        self.first = port.command("first", home=self.old, actor="Zoë 🛵")
        self.second = port.command("second", home=self.order)
        claims = (claim_of(self.counter, self.mine, 3, 9), claim_of(self.counter, self.other, 2, 9))
        port.keeps(self.first, append_to(self.old, 0, marker("1"), marker("2"), due_at=DUE + HOUR), *claims)
        later = append_to(self.old, 2, marker("3"), due_at=DUE + 2 * HOUR)
        port.keeps(self.second, append_to(self.order, 0, marker("4")), later)

    def demand_receipts(self, port: Port, mark: Callable[[str], Fact] = marker) -> None:
        """Demand both receipts, under the new name, with these facts."""
        first = attrs.evolve(self.first, home=self.new)
        wanted: dict[Command, dict[StreamId, tuple[Fact, ...]]] = {
            first: {self.new: (mark("1"), mark("2"))},
            self.second: {self.new: (mark("3"),), self.order: (mark("4"),)},
        }
        for command, facts in wanted.items():
            receipt = port.receipt(command)
            if receipt is None:
                port.fail(f"the receipt of {command.key!r} in {command.home!r} is gone")
            port.demand(f"the command of the receipt of {command.key!r}", receipt.command, command)
            port.demand(f"what the receipt of {command.key!r} says", {s: tuple(f) for s, f in receipt.facts.items()}, facts)

    def end(self, port: Port) -> None:
        """Leave nothing due behind."""
        port.keeps(port.command("done"), append_to(self.new, 3, marker("done")))
        port.demand("what is due after all is done", port.due(before=DUE + 9 * HOUR), [])


def _gives_everything(port: Port) -> None:
    story = _Story(port)
    old, new = story.old, story.new
    _renames(port, old, new)
    port.holds(new, marker("1"), marker("2"), marker("3"))
    port.holds(old)
    story.demand_receipts(port)
    port.demand("the receipt under the old name", port.receipt(story.first), None)
    port.demand("what is due", port.due(before=DUE + 9 * HOUR), [(new, DUE + 2 * HOUR)])
    port.counts(story.counter, Key(new), total=5, mine=3)
    port.counts(story.counter, story.mine, total=5, mine=0)
    _demand_unlisted(port, story)
    port.refuses(DuplicateError, attrs.evolve(story.first, home=new), append_to(port.stream("b"), 0, marker("5")))
    port.keeps(story.first, append_to(old, 0, marker("a new member of an old name")))
    port.holds(new, marker("1"), marker("2"), marker("3"))
    story.end(port)


def _demand_unlisted(port: Port, story: _Story) -> None:
    """Demand that nothing which lists names the one who went."""
    if isinstance(port.repository, Enumerable):
        port.demand("the members listed", streams_of(port, "member", 1000), [story.new])
    if isinstance(port.repository, Exportable):
        named = [commit for commit in commits_of(port) if story.old in repr((commit.command, commit.appends))]
        port.demand("the commits listed that name the old stream", named, [])
        port.demand("the claims listed of the old key", [c for c in claims_of(port) if c.key == story.mine], [])


def _loses_snapshots(port: Port) -> None:
    story = _Story(port)
    keeps_them = isinstance(port.repository, Snapshots)
    if keeps_them:
        _keep(port, story.old, Snapshot(form=_FORM, version=2, text="of a name that goes"))
        _keep(port, story.order, Snapshot(form=_FORM, version=1, text="of facts that are rewritten"))
    _renames(port, story.old, story.new, {story.order: [_without_name("4")]})
    if keeps_them:
        _demand_tail(port, story.old, SnapshotStream())
        _demand_tail(port, story.new, SnapshotStream(version=3, facts=(marker("1"), marker("2"), marker("3"))))
        port.demand("the snapshot of facts that were rewritten", _tails(port, story.order)[story.order].snapshot, None)
    story.end(port)


def _renames_actors(port: Port) -> None:
    story = _Story(port)
    old_id, new_id = (stream.partition("/")[2] for stream in (story.old, story.new))
    change = append_to(port.stream("another"), 0, marker("5"))
    asked = [port.command(f"by {name}", home=port.stream("another"), actor=name) for name in (old_id, "shop", f"{old_id} too")]
    own = port.command("by himself", home=story.order, actor=old_id)
    port.keeps(own, append_to(story.order, 1, marker("6")))
    for command in asked:
        port.keeps(command, *([change] if command is asked[0] else []))
    _renames(port, story.old, story.new)
    for command in (*asked, own):
        receipt = port.receipt(command)
        found = None if receipt is None else receipt.command.actor
        wanted = new_id if command.actor == old_id else command.actor
        port.demand(f"the actor of the receipt of {command.key!r}", found, wanted)
    story.end(port)


def _without_name(ref: str) -> Fact:
    return marker(f"{ref} without a name")


def _replaces_facts(port: Port) -> None:
    story, mark = _Story(port), _without_name
    _renames(port, story.old, story.new, {story.new: [mark("1"), mark("2"), mark("3")], story.order: [mark("4")]})
    port.holds(story.new, mark("1"), mark("2"), mark("3"))
    port.holds(story.order, mark("4"))
    story.demand_receipts(port, mark)
    story.end(port)


def _leaves_other_facts(port: Port) -> None:
    story = _Story(port)
    _renames(port, story.old, story.new, {story.order: [_without_name("4")]})
    port.holds(story.new, marker("1"), marker("2"), marker("3"))
    port.holds(story.order, _without_name("4"))
    story.end(port)


def _renames_all_or_nothing(port: Port) -> None:
    story, taken = _Story(port), port.stream("taken")
    port.keeps(port.command("taken"), append_to(taken, 0, marker("5")))
    right, mark = [_without_name(ref) for ref in "123"], _without_name
    wrong: tuple[tuple[StreamId, Mapping[StreamId, Sequence[Fact]]], ...] = (
        (story.new, {story.new: right[:2]}),
        (story.new, {story.new: [*right, mark("4")]}),
        (story.new, {story.new: right, story.order: [mark("4"), mark("5")]}),
        (story.new, {story.order: [], story.new: right}),
        (taken, {}),
        (taken, {taken: right}),
    )
    for new, facts in wrong:
        before = port.look(story.first, (append_to(story.new, 0, marker("1")),))
        heard = type(_rename(port, story.old, new, facts)).__name__
        port.demand("what a rename that must be refused raised", heard, "ConflictError")
        port.unchanged(before, port.look(story.first, ()))
    _renames(port, story.old, story.new, {story.new: right})
    story.end(port)


def _renames_or_appends(port: Port) -> None:
    for turn in range(_ROUNDS):
        old, new = port.stream(f"old{turn}"), port.stream(f"new{turn}")
        port.keeps(port.command(str(turn)), append_to(old, 0, marker("1")))

        def write(repository: Repository, old: StreamId = old, turn: int = turn) -> Exception | None:
            return port.commit(port.command(f"late {turn}"), append_to(old, 1, marker("2")), repository=repository)

        def rename(repository: Repository, old: StreamId = old, new: StreamId = new) -> Exception | None:
            return _rename(port, old, new, {new: [_without_name("1")]}, repository)

        jobs: list[Callable[[Repository], Exception | None]] = [write, rename]
        heard = [type(raised).__name__ for raised in port.at_once(jobs)]
        port.demand("what a writer and a rename heard at once", sorted(heard), ["ConflictError", "NoneType"])
        if heard[0] == "NoneType":
            port.holds(old, marker("1"), marker("2"))
            port.holds(new)
        else:
            port.holds(old)
            port.holds(new, _without_name("1"))


_Checks = Mapping[int, tuple[Callable[[Port], None], ...]]

SNAPSHOTS_CHECKS: Final[_Checks] = {
    1: (_answers_from_snapshots, _answers_in_one_view),
    2: (_answers_whole,),
    3: (_replaces_snapshots, _keeps_the_text),
    4: (_changes_nothing_else,),
}

PROJECTING_CHECKS: Final[_Checks] = {
    1: (_commits_then,),
    3: (_lets_errors_through,),
    4: (_calls_nothing_refused, _calls_once_in_a_race),
}
"""Without clause 2, which ``projection_check`` makes a check for."""

FORGETTING_CHECKS: Final[_Checks] = {
    1: (_gives_everything, _loses_snapshots),
    2: (_replaces_facts, _leaves_other_facts),
    3: (_renames_actors,),
    4: (_renames_all_or_nothing, _renames_or_appends),
}
