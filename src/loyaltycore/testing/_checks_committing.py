"""Checks of the port: what a commit keeps and refuses, and its receipts, clauses 3 to 9."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import permutations
from typing import ClassVar, Final, final

import attrs

from loyaltycore.errors import ConflictError, DuplicateError
from loyaltycore.facts import Change, Command, Expect, Fact
from loyaltycore.identity import StreamId
from loyaltycore.ledger import Granted
from loyaltycore.repositories import Repository
from loyaltycore.testing._checks_loading import SIMILAR, TOLD
from loyaltycore.testing._port import AT, DUE, HOUR, Port, append_to, claim_of, marker

__all__ = ["CHECKS"]

_ROUNDS: Final = 5
"""Times each race is run: one that goes wrong now and then shows itself."""

_PATIENCE: Final = 300
"""Times a loser loads and tries again before the check gives up."""


def _keeps_all(port: Port) -> None:
    a, b, counter, holder = port.stream("a"), port.stream("b"), port.counter("c"), port.key("holder")
    command = port.command("all")
    changes = (
        append_to(a, 0, marker("1"), marker("2")),
        append_to(b, 0, marker("3")),
        Expect(stream=port.stream("c"), version=0),
    )
    port.keeps(command, *changes, claim_of(counter, holder, 2, 5))
    port.holds(a, marker("1"), marker("2"))
    port.holds(b, marker("3"))
    port.counts(counter, holder, total=2, mine=2)
    port.demand("whether there is a receipt", port.receipt(command) is not None, wanted=True)


def _keeps_none(spoiled: Callable[[Port], Change]) -> Callable[[Port], None]:
    """Commit with one thing in it that cannot be kept: whatever that raises, nothing of the rest may stay."""

    def check(port: Port) -> None:
        a, b, z, counter = port.stream("a"), port.stream("b"), port.stream("z"), port.counter("a")
        port.keeps(
            port.command("first"), append_to(b, 0, marker("1")), claim_of(port.counter("full"), port.key("first"), 1, None)
        )
        good = (
            append_to(a, 0, marker("2"), due_at=DUE + HOUR),
            append_to(z, 0, marker("3")),
            claim_of(counter, port.key("second"), 1, 5),
        )
        for place in range(len(good) + 1):
            command, changes = port.command(f"spoiled {place}"), (*good[:place], spoiled(port), *good[place:])
            before = port.look(command, changes)
            if port.survives(command, *changes):
                return  # kept whole, by a repository that can: other clauses say where it must not
            port.unchanged(before, port.look(command, changes))

    return check


@final
@attrs.frozen(kw_only=True)
class _Unknown(Fact):
    """A fact that no store can write."""

    kind: ClassVar[str] = "kit.unknown"


_SPOILS: Final[tuple[Callable[[Port], Change], ...]] = (
    lambda port: append_to(port.stream("b"), 0, marker("late")),
    lambda port: Expect(stream=port.stream("b"), version=0),
    lambda port: claim_of(port.counter("full"), port.key("late"), 1, 1),
    lambda port: append_to(port.stream("m"), 0, marker("good"), _Unknown(at=AT)),
)


def _compares_versions(wrong: Callable[[StreamId, int], Change]) -> Callable[[Port], None]:
    def check(port: Port) -> None:
        a, b, new = port.stream("a"), port.stream("b"), port.stream("new")
        port.keeps(port.command("first"), append_to(b, 0, marker("1"), marker("2")))
        beside = (append_to(a, 0, marker("3"), due_at=DUE + HOUR), claim_of(port.counter("c"), port.key("holder"), 1, 5))
        command = port.command("second")
        for stream, version in ((b, 0), (b, 1), (b, 3), (new, 1)):
            port.refuses(ConflictError, command, *beside, wrong(stream, version))
        port.keeps(command, *beside, Expect(stream=new, version=0), wrong(b, 2))

    return check


def _expects_and_leaves(port: Port) -> None:
    a, b = port.stream("a"), port.stream("b")
    port.keeps(port.command("first"), append_to(b, 0, marker("1")))
    port.keeps(port.command("second"), Expect(stream=b, version=1), append_to(a, 0, marker("2")))
    port.holds(b, marker("1"))
    # What was stored is what was stored before the commit, whatever else is in it.
    port.keeps(port.command("third"), append_to(b, 1, marker("3")), Expect(stream=b, version=1))
    port.keeps(port.command("fourth"), Expect(stream=b, version=2), append_to(b, 2, marker("4")))


def _lets_one_win(port: Port) -> None:
    stream, facts = port.stream("raced"), list[Fact]()
    for turn in range(_ROUNDS):
        names = [f"{turn}-{writer}" for writer in range(8)]

        def write(repository: Repository, name: str, turn: int = turn) -> Exception | None:
            return port.commit(port.command(name), append_to(stream, turn, marker(name)), repository=repository)

        refusals = port.at_once([partial(write, name=name) for name in names])
        winners = [name for name, refusal in zip(names, refusals, strict=True) if refusal is None]
        port.demand(f"the number of winners among {len(names)} at version {turn}", len(winners), 1)
        port.demand("what the losers heard", {type(refusal) for refusal in refusals if refusal}, _losers(names, ConflictError))
        facts.append(marker(winners[0]))
        port.holds(stream, *facts)


def _losers(names: Sequence[str], heard: type[Exception]) -> set[type[Exception]]:
    return {heard} if len(names) > 1 else set()


def _crosses_expectations(*, version: int) -> Callable[[Port], None]:
    """Let two write at once what the other expects unwritten: streams that are there are locked in another way than new ones."""

    def check(port: Port) -> None:
        for turn in range(_ROUNDS * 4):
            a, b = port.stream(f"a{turn}"), port.stream(f"b{turn}")
            known = [marker(f"{number}") for number in range(version)]
            for stream in (a, b) if known else ():
                port.keeps(port.command(f"before {stream}"), append_to(stream, 0, *known))

            def refer(repository: Repository, read: StreamId, written: StreamId, turn: int = turn) -> Exception | None:
                changes = (Expect(stream=read, version=version), append_to(written, version, marker("referred")))
                return port.commit(port.command(f"{turn} {written}"), *changes, repository=repository)

            refusals = port.at_once([partial(refer, read=a, written=b), partial(refer, read=b, written=a)])
            heard = sorted(type(refusal).__name__ for refusal in refusals)
            port.demand("what two heard that each wrote what the other expected unwritten", heard, ["ConflictError", "NoneType"])

    return check


def _makes_a_serial_history(port: Port) -> None:
    a, b, writers, each = port.stream("a"), port.stream("b"), 8, 3

    def write(repository: Repository, writer: int) -> None:
        order = (a, b) if writer % 2 else (b, a)
        for number in range(each):
            name = f"{writer}-{number}"
            for _ in range(_PATIENCE):
                call = "load both"
                stored = port.asked(call, lambda: repository.load([a, b]))
                changes = [append_to(stream, stored[stream].version, marker(name)) for stream in order]
                if port.commit(port.command(name), *changes, repository=repository) is None:
                    break
            else:
                port.fail(f"a writer lost {_PATIENCE} times in a row")

    port.at_once([partial(write, writer=writer) for writer in range(writers)])
    stored = port.load(a, b)
    names = sorted(f"{writer}-{number}" for writer in range(writers) for number in range(each))
    refs = [[fact.ref for fact in stored[stream].facts if isinstance(fact, Granted)] for stream in (a, b)]
    port.demand("what both hold once every loser tried again", [sorted(found) for found in refs], [names, names])
    port.demand("the order in the second stream, as in the first", refs[1], refs[0])


def _remembers_commands(port: Port) -> None:
    home = port.stream("home")
    command, changed = port.command("once"), port.command("once", ref="other")
    port.keeps(command, append_to(home, 0, marker("1")), claim_of(port.counter("held"), port.key("holder"), 1, 5))
    again = (append_to(home, 1, marker("2")), claim_of(port.counter("c"), port.key("holder"), 1, None))
    port.refuses(DuplicateError, command, *again)
    port.refuses(DuplicateError, changed, *again)
    port.refuses(DuplicateError, command)
    for version in range(1, 51):
        port.keeps(port.command(f"then {version}"), append_to(home, version, marker(str(version))))
    port.refuses(DuplicateError, command, append_to(home, 51, marker("2")))


def _remembers_for_others(port: Port) -> None:
    if not port.source.shares:
        return  # no two of the factory's see the same: there are no others
    home, command = port.stream("home"), port.command("once")
    port.keeps(command, append_to(home, 0, marker("1")))
    with port.source.opened() as other:
        change = append_to(home, 1, marker("2"))
        heard = port.commit(command, change, repository=other)
        port.demand("what another repository over the same store raised", type(heard).__name__, "DuplicateError")
    port.holds(home, marker("1"))


def _tells_keys_apart(port: Port) -> None:
    for version, name in enumerate(SIMILAR):
        port.keeps(port.command(name), append_to(port.stream("home"), version, marker(str(version))))


def _takes_a_command_once(port: Port) -> None:
    for turn in range(_ROUNDS):
        _races_with_one(port, port.command(str(turn)), claim_of(port.counter("c"), port.key("holder"), turn + 1, None))


def _tells_repeats_from_conflicts(port: Port) -> None:
    for turn in range(_ROUNDS):
        _races_with_one(port, port.command(str(turn)), append_to(port.stream("raced"), turn, marker(str(turn))))


def _races_with_one(port: Port, command: Command, change: Change) -> None:
    def write(repository: Repository) -> Exception | None:
        return port.commit(command, change, repository=repository)

    heard = sorted(type(refusal).__name__ for refusal in port.at_once([write] * 8))
    port.demand("what eight heard that sent one command", heard, ["DuplicateError"] * 7 + ["NoneType"])


def _keeps_keys_by_home(port: Port) -> None:
    for home in (port.stream("a"), port.stream("b"), port.stream("a", kind="order")):
        port.keeps(port.command("same", home=home), append_to(port.stream(f"of {home}"), 0, marker("1")))
    port.refuses(DuplicateError, port.command("same", home=port.stream("b")), append_to(port.stream("c"), 0, marker("2")))


def _says_the_first_thing_first(port: Port) -> None:
    home, counter = port.stream("home"), port.counter("full")
    command = port.command("once")
    port.keeps(command, append_to(home, 0, marker("1")), claim_of(counter, port.key("holder"), 1, None))
    late, moved = append_to(home, 0, marker("late")), Expect(stream=home, version=0)
    full, other = claim_of(counter, port.key("late"), 1, 1), append_to(port.stream("a"), 0, marker("2"))
    late_and_full: tuple[Change, ...] = (late, full, other)
    moved_and_full: tuple[Change, ...] = (moved, full, other)
    for changes in permutations(late_and_full):
        port.refuses(DuplicateError, command, *changes)
        port.refuses(ConflictError, port.command("other"), *changes)
    for changes in permutations(moved_and_full):
        port.refuses(ConflictError, port.command("other"), *changes)


def _answers_receipts(port: Port) -> None:
    a, b = port.stream("a"), port.stream("b")
    command = port.command("asked", home=a, actor="Zoë 🛵")
    port.demand("the receipt of a command never made", port.receipt(command), None)
    port.keeps(port.command("before", home=a), append_to(a, 0, marker("1"), marker("2")))
    port.keeps(command, append_to(a, 2, marker("3"), marker("4")), append_to(b, 0, marker("5")))
    for version in range(4, 12):
        port.keeps(port.command(f"after {version}", home=a), append_to(a, version, marker(f"{version}")))
    port.refuses(DuplicateError, port.command("asked", home=a, ref="other"), append_to(b, 1, marker("6")))
    wanted = {a: (marker("3"), marker("4")), b: (marker("5"),)}
    _demand_receipt(port, command, wanted)
    port.demand("the receipt of the key in another home", port.receipt(port.command("asked", home=b)), None)


def _answers_in_the_order_told(port: Port) -> None:
    a, command = port.stream("a"), port.command("told")
    facts = tuple(attrs.evolve(marker(ref), at=AT + hours * HOUR) for ref, hours in TOLD)
    port.keeps(command, append_to(a, 0, *facts))
    _demand_receipt(port, command, {a: facts})


def _answers_for_claims_alone(port: Port) -> None:
    command = port.command("claims")
    port.keeps(command, claim_of(port.counter("c"), port.key("holder"), 1, 5))
    _demand_receipt(port, command, {})


def _demand_receipt(port: Port, command: Command, wanted: Mapping[StreamId, tuple[Fact, ...]]) -> None:
    receipt = port.receipt(command)
    if receipt is None:
        port.fail("the receipt of a committed command is None")
    port.demand("the command of the receipt", receipt.command, command)
    port.demand("what the receipt says was appended", {s: tuple(facts) for s, facts in receipt.facts.items()}, dict(wanted))


CHECKS: Final[dict[int, tuple[Callable[[Port], None], ...]]] = {
    3: (_keeps_all, *map(_keeps_none, _SPOILS)),
    4: (
        _compares_versions(lambda stream, version: append_to(stream, version, marker("late"))),
        _compares_versions(lambda stream, version: Expect(stream=stream, version=version)),
        _expects_and_leaves,
    ),
    5: (_lets_one_win, _crosses_expectations(version=0), _crosses_expectations(version=2), _makes_a_serial_history),
    6: (_remembers_commands, _remembers_for_others, _tells_keys_apart, _takes_a_command_once),
    7: (_keeps_keys_by_home,),
    8: (_says_the_first_thing_first, _tells_repeats_from_conflicts),
    9: (_answers_receipts, _answers_in_the_order_told, _answers_for_claims_alone),
}
