"""The conformance kit: shows that a repository keeps its contract, or names the clause that it breaks.

``check_repository`` takes a factory and runs anywhere: in pytest, in unittest, in a script; best against the real database.

Invariants:
    1. Each numbered clause has checks of its own; a failure names the clause, quotes it, and lists the calls that broke it.
    2. Each check uses ids that nobody used before, so repositories may share one database; nothing is removed from it.
    3. After each refusal everything is looked at again: streams, claims, receipts and what is due.

What it cannot see is a process that dies in the middle of a commit (clause 3): that is for the database to promise.

>>> from loyaltycore.store.memory import MemoryRepository
>>> class Forgetful:  # it answers only for what it knows
...     def load(self, streams, /):
...         return {}
>>> try:
...     check_repository(Forgetful)
... except ConformanceError as error:
...     print(error.contract, error.clause, error.words)
Repository 1 ``load`` answers every stream asked for; one never written has version 0 and no facts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import permutations
from typing import ClassVar, Final, TypeAlias, final
from uuid import uuid4

import attrs

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Change, Command, Expect, Fact, Posting
from loyaltycore.identity import Key, StreamId
from loyaltycore.ledger import Granted, Ledger
from loyaltycore.memberships import Membership
from loyaltycore.points import PointsAccount
from loyaltycore.repositories import Claimed, Enumerable, PointsAccountRepository, Repository
from loyaltycore.testing._port import (
    AT,
    DUE,
    HOUR,
    TICK,
    Port,
    append_to,
    claim_of,
    life_of,
    life_of_member,
    life_of_order,
    marker,
)
from loyaltycore.testing._stage import ConformanceError, Source, Stage

__all__ = ["ConformanceError", "check_points_repository", "check_repository"]

THREADS: Final = 16
"""How many work at once unless said."""

_MANY: Final = 1100
"""Ids in one call: more than some databases take in one statement."""

_ROUNDS: Final = 5
"""Times each race is run: one that goes wrong now and then shows itself."""

_PATIENCE: Final = 300
"""Times a loser loads and tries again before the check gives up."""

_TEXTS: Final = (
    "é and e\u0301 stay apart",
    "🛵 👩\u200d👩\u200d👧 \U0010ffff \ue000 \ufeff",
    "\u202eright to left\u202c, אבג, ไทย, 日本語, ﷽",
    " spaces at both ends, \t tab, \r\n line ends \n",
    "quotes ' \" ` and \\ , %s %% {} ; -- /* ?1 :name $1 \u2028",
    "🛵" * 25_000,
    "x" * 100_000,
)
"""What somebody will type one day; the last two are 100 kB."""


def check_repository(factory: Callable[[], Repository], *, threads: int = THREADS) -> None:
    """Show that a repository keeps the contract of ``Repository``, and of ``Enumerable`` where it has ``streams``.

    Args:
        factory: Makes a repository, called often; they may share one database. Where two see the same, each thread is given its
            own; where not, threads share one. A repository that has ``close`` is closed after use.
        threads: How many work at once, 1 to 200; 1 for a repository over a connection that belongs to one thread, whose races
            are then not looked at.

    Raises:
        ConformanceError: The first clause found broken, with the calls that break it.
    """
    source = Source(factory, threads=threads, shares=_shares)
    with source.opened() as repository:
        listed = _LISTING_CHECKS if isinstance(repository, Enumerable) else ()
    for contract, clause, check in (*_CHECKS, *listed):
        with source.opened() as repository:
            check(Port(contract, clause, source, repository))


def check_points_repository(
    factory: Callable[[], PointsAccountRepository],
    *,
    new_member: Callable[[], str] = lambda: f"kit-{uuid4()}",
    threads: int = THREADS,
) -> None:
    """Show that a repository keeps the contract of ``PointsAccountRepository``.

    Args:
        factory: As for ``check_repository``.
        new_member: Makes the id of a member without points; one that adds a row, where members must be known first.
        threads: As for ``check_repository``.

    Raises:
        ConformanceError: The first clause found broken, with the calls that break it.
    """

    def shares(first: PointsAccountRepository, second: PointsAccountRepository) -> bool:
        try:
            member_id = new_member()
            first.save(_earned(first.get(member_id), "first"))
            return second.get(member_id).version == 1
        except Exception:  # noqa: BLE001 - a broken repository is for the checks to tell
            return False

    source = Source(factory, threads=threads, shares=shares)
    for clause, check in _POINTS_CHECKS:
        with source.opened() as repository:
            check(_Accounts(PointsAccountRepository, clause, source, repository), new_member)


def _shares(first: Repository, second: Repository) -> bool:
    stream = StreamId(f"member/{uuid4()}")
    try:
        first.commit(Command.of(stream, Key("kit:shares"), actor="kit"), [append_to(stream, 0, marker("shared"))])
        return second.load([stream])[stream].version == 1
    except Exception:  # noqa: BLE001 - a broken repository is for the checks to tell
        return False


# ---- loading ----


def _answers_every_stream(port: Port) -> None:
    known = port.stream("known")
    port.keeps(port.command("first", home=known), append_to(known, 0, marker("first")))
    asked = [port.stream(str(number)) for number in range(_MANY)]
    found = port.load(*asked[: _MANY // 2], known, *asked[_MANY // 2 :])
    port.demand("what streams never written hold", {(found[s].version, tuple(found[s].facts)) for s in asked}, {(0, ())})
    port.load()


def _tells_streams_apart(port: Port) -> None:
    streams = [port.stream(name) for name in _SIMILAR]
    for stream in streams:
        port.keeps(port.command(stream, home=stream), append_to(stream, 0, marker(stream)))
    for stream in streams:
        port.holds(stream, marker(stream))


_SIMILAR: Final = ("a", "A", "a ", " a", "á", unicodedata.normalize("NFD", "á"), "a%", "a_", "ａ", "aa", "🛵")
"""Ids that a database takes for one another when it is not told to compare them exactly."""


def _keeps_the_order(port: Port) -> None:
    stream, facts = port.stream("long"), [marker(f"{number}") for number in range(125)]
    port.keeps(port.command("all"), append_to(stream, 0, *facts[:120]))
    for version in range(120, 125):
        port.keeps(port.command(f"then {version}"), append_to(stream, version, facts[version]))
        port.holds(stream, *facts[: version + 1])


def _keeps_what_is_told_late(port: Port) -> None:
    bit_by_bit, at_once = port.stream("bits"), port.stream("once")
    facts = [attrs.evolve(marker(ref), at=AT + hours * HOUR) for ref, hours in _TOLD]
    port.keeps(port.command("first"), append_to(bit_by_bit, 0, *facts[:4]))
    for version in range(4, len(facts)):
        port.keeps(port.command(f"then {version}"), append_to(bit_by_bit, version, facts[version]))
        port.holds(bit_by_bit, *facts[: version + 1])
    port.keeps(port.command("all"), append_to(at_once, 0, *facts))
    port.holds(at_once, *facts)


_TOLD: Final = (("d", 2), ("b", 2), ("c", 0), ("a", 2), ("e", -720), ("f", -720), ("e", -720), ("b", 0), ("g", -720), ("a", 1))
"""Refs and hours of facts as they are told: dated back, several of one instant, one twice; in no order but their own."""


def _keeps_text(text: str) -> Callable[[Port], None]:
    def check(port: Port) -> None:
        member = Membership.open(f"{port.mark}-text")
        given = member.earn(1, ref="first", expires_at=None, at=AT)
        taken = given.state.adjust_down(1, ref="second", reason=text, actor="kit", at=AT)
        port.keeps(port.command("first"), *given.changes)
        port.keeps(port.command("second"), *taken.changes)
        port.holds(given.stream, *given.facts, *taken.facts)

    return check


def _keeps_every_kind(port: Port) -> None:
    member, version = Membership.open(f"{port.mark}-m"), 0
    facts = list[Fact]()
    for number, posting in enumerate(life_of_member(member)):
        port.keeps(port.command(str(number)), append_to(posting.stream, version, *posting.facts))
        facts += posting.facts
        version += len(posting.facts)
    port.holds(port.stream("m"), *facts)
    order = life_of_order(f"{port.mark}-o")
    port.keeps(port.command("order"), append_to(port.stream("o", kind="order"), 0, *order))
    port.holds(port.stream("o", kind="order"), *order)


def _keeps_accounts_apart(port: Port) -> None:
    stream = port.stream("two")
    facts = [attrs.evolve(marker(str(number % 4)), account="status" if number % 3 else "points") for number in range(12)]
    port.keeps(port.command("all"), append_to(stream, 0, *facts))
    port.holds(stream, *facts)


# ---- committing ----


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


def _crosses_expectations(port: Port) -> None:
    for turn in range(_ROUNDS * 2):
        a, b = port.stream(f"a{turn}"), port.stream(f"b{turn}")

        def refer(repository: Repository, read: StreamId, written: StreamId, turn: int = turn) -> Exception | None:
            changes = (Expect(stream=read, version=0), append_to(written, 0, marker("referred")))
            return port.commit(port.command(f"{turn} {written}"), *changes, repository=repository)

        refusals = port.at_once([partial(refer, read=a, written=b), partial(refer, read=b, written=a)])
        heard = sorted(type(refusal).__name__ for refusal in refusals)
        port.demand("what two heard that each wrote what the other expected unwritten", heard, ["ConflictError", "NoneType"])


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
    port.keeps(command, append_to(home, 0, marker("1")))
    again = (append_to(home, 1, marker("2")), claim_of(port.counter("c"), port.key("holder"), 1, None))
    port.refuses(DuplicateError, command, *again)
    port.refuses(DuplicateError, changed, *again)
    port.refuses(DuplicateError, command)
    for version in range(1, 51):
        port.keeps(port.command(f"then {version}"), append_to(home, version, marker(str(version))))
    port.refuses(DuplicateError, command, append_to(home, 51, marker("2")))


def _tells_keys_apart(port: Port) -> None:
    for version, name in enumerate(_SIMILAR):
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
    facts = tuple(attrs.evolve(marker(ref), at=AT + hours * HOUR) for ref, hours in _TOLD)
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


# ---- claims ----


def _claims_are_absolute(port: Port) -> None:
    counter, mine, other = port.counter("c"), port.key("mine"), port.key("other")
    port.keeps(port.command("other"), claim_of(counter, other, 7, None))
    for number, amount in enumerate((3, 3, 5, 2, 0, 2**40, 0, 1)):
        port.keeps(port.command(str(number)), claim_of(counter, mine, amount, None))
        port.counts(counter, mine, total=7 + amount, mine=amount)
        port.counts(counter, other, total=7 + amount, mine=7)


def _tells_counters_apart(port: Port) -> None:
    for amount, name in enumerate(_SIMILAR, 1):
        port.keeps(port.command(name), claim_of(port.counter(name), port.key("mine"), amount, None))
    for amount, name in enumerate(_SIMILAR, 1):
        port.counts(port.counter(name), port.key("mine"), total=amount, mine=amount)


def _holds_the_limit(port: Port) -> None:
    counter, mine, other, home = port.counter("c"), port.key("mine"), port.key("other"), port.stream("home")
    beside = append_to(home, 0, marker("1"), due_at=DUE + HOUR)
    port.refuses(LimitReachedError, port.command("none"), beside, claim_of(port.counter("closed"), mine, 1, 0))
    port.keeps(port.command("some"), claim_of(counter, other, 4, 10))
    port.refuses(LimitReachedError, port.command("over"), beside, claim_of(counter, mine, 7, 10))
    port.keeps(port.command("full"), claim_of(counter, mine, 6, 10))
    port.refuses(LimitReachedError, port.command("more"), beside, claim_of(counter, mine, 7, 10))
    port.keeps(port.command("smaller"), claim_of(counter, other, 3, 10))
    port.keeps(port.command("full again"), claim_of(counter, mine, 7, 10))
    port.counts(counter, mine, total=10, mine=7)


def _lets_a_decrease_pass(port: Port) -> None:
    counter, mine, other = port.counter("c"), port.key("mine"), port.key("other")
    port.keeps(port.command("mine"), claim_of(counter, mine, 5, 10))
    port.keeps(port.command("other"), claim_of(counter, other, 5, 10))
    for number, amount in enumerate((5, 4, 1, 0)):
        port.keeps(port.command(f"less {number}"), claim_of(counter, mine, amount, 2))
        port.counts(counter, mine, total=5 + amount, mine=amount)


def _counts_one_commit_together(port: Port) -> None:
    counter = port.counter("c")
    both = [claim_of(counter, port.key(name), 6, 10) for name in ("mine", "other")]
    port.refuses(LimitReachedError, port.command("both"), *both)
    port.keeps(port.command("first"), claim_of(counter, port.key("mine"), 10, 10))
    taken_over = [claim_of(counter, port.key("mine"), 0, 10), claim_of(counter, port.key("other"), 10, 10)]
    port.keeps(port.command("over"), *taken_over)
    port.keeps(port.command("back"), *(attrs.evolve(claim, amount=10 - claim.amount) for claim in taken_over))
    port.counts(counter, port.key("mine"), total=10, mine=10)


def _races_for_the_limit(amount: int) -> Callable[[Port], None]:
    def check(port: Port) -> None:
        counter, names, room = port.counter("c"), [str(number) for number in range(40)], 10

        def claim(repository: Repository, name: str) -> Exception | None:
            changes = (append_to(port.stream(name), 0, marker(name)), claim_of(counter, port.key(name), amount, room))
            return port.commit(port.command(name, home=port.stream(name)), *changes, repository=repository)

        refusals = port.at_once([partial(claim, name=name) for name in names])
        winners = [name for name, refusal in zip(names, refusals, strict=True) if refusal is None]
        port.demand("the number of winners among 40", len(winners), room // amount)
        port.demand("what the others heard", {type(refusal) for refusal in refusals if refusal}, {LimitReachedError})
        port.counts(counter, port.key(winners[0]), total=len(winners) * amount, mine=amount)
        stored = port.load(*map(port.stream, names))
        port.demand("who wrote", [name for name in names if stored[port.stream(name)].version], winners)

    return check


def _claims_time_out(port: Port) -> None:
    counter, mine, other, until = port.counter("c"), port.key("mine"), port.key("other"), AT + HOUR
    port.keeps(port.command("mine"), claim_of(counter, mine, 1, 1, until=until))
    port.counts(counter, mine, total=1, mine=1, at=until - TICK)
    port.counts(counter, mine, total=0, mine=0, at=until)
    port.refuses(LimitReachedError, port.command("early"), claim_of(counter, other, 1, 1, at=until - TICK))
    port.keeps(port.command("in time"), claim_of(counter, other, 1, 1, at=until))
    port.counts(counter, other, total=1, mine=1, at=until)
    port.refuses(LimitReachedError, port.command("late"), claim_of(counter, mine, 1, 1, at=until + TICK))


def _claims_are_renewed(port: Port) -> None:
    counter, mine, until = port.counter("c"), port.key("mine"), AT + HOUR
    port.keeps(port.command("short"), claim_of(counter, mine, 1, 1, until=until))
    port.keeps(port.command("longer"), claim_of(counter, mine, 1, 1, at=AT + TICK, until=until + HOUR))
    port.counts(counter, mine, total=1, mine=1, at=until)
    port.keeps(port.command("for ever"), claim_of(counter, mine, 1, 1, at=until, until=None))
    port.counts(counter, mine, total=1, mine=1, at=until + 100_000 * HOUR)


def _answers_every_counter(port: Port) -> None:
    mine, other, known = port.key("mine"), port.key("other"), port.counter("known")
    port.keeps(port.command("both"), claim_of(known, mine, 2, 9), claim_of(known, other, 3, 9))
    asked = [port.counter(str(number)) for number in range(_MANY)]
    found = port.claimed(*asked[: _MANY // 2], known, *asked[_MANY // 2 :], key=mine, at=AT)
    port.demand("what is held of counters never claimed", {found[counter] for counter in asked}, {Claimed(total=0, mine=0)})
    port.demand("what is held of the one claimed", found[known], Claimed(total=5, mine=2))
    port.counts(known, port.key("nobody"), total=5, mine=0)
    port.claimed(key=mine, at=AT)


# ---- what is due ----


def _lists_what_is_due(port: Port) -> None:
    hours = {"a": 2, "b": 1, "c": 1, "e": 3, "f": 3, "g": 5}
    for name, hour in sorted(hours.items(), reverse=True):
        port.keeps(port.command(name), append_to(port.stream(name), 0, marker(name), due_at=DUE + hour * HOUR))
    port.keeps(port.command("d"), append_to(port.stream("d"), 0, marker("d")))
    order = [(port.stream(name), DUE + hours[name] * HOUR) for name in "bcaefg"]
    for limit in (1, 2, 100):
        for hour, count in ((1, 0), (2, 2), (3, 3), (5, 5), (6, 6)):
            found = port.due(before=DUE + hour * HOUR, limit=limit)
            port.demand(f"what is due before {hour} o'clock, by pages of {limit}", found, order[:count])
    _clear(port, "abcefg")


def _replaces_what_is_due(port: Port) -> None:
    a, b, before = port.stream("a"), port.stream("b"), DUE + 9 * HOUR
    port.keeps(port.command("a"), append_to(a, 0, marker("1"), due_at=DUE + HOUR))
    port.keeps(port.command("b"), append_to(b, 0, marker("1"), due_at=DUE + 2 * HOUR))
    port.keeps(port.command("look"), Expect(stream=a, version=1), claim_of(port.counter("c"), port.key("holder"), 1, None))
    port.demand("what is due", port.due(before=before), [(a, DUE + HOUR), (b, DUE + 2 * HOUR)])
    port.keeps(port.command("later"), append_to(a, 1, marker("2"), due_at=DUE + 3 * HOUR))
    port.demand("what is due after one moved", port.due(before=before), [(b, DUE + 2 * HOUR), (a, DUE + 3 * HOUR)])
    port.keeps(port.command("done"), append_to(a, 2, marker("3")))
    port.demand("what is due after one was done", port.due(before=before), [(b, DUE + 2 * HOUR)])
    _clear(port, "b")


def _clear(port: Port, names: str) -> None:
    """Leave nothing due behind in a database that others use."""
    for name in names:
        port.keeps(port.command(f"clear {name}"), append_to(port.stream(name), 1, marker("cleared")))
    port.demand("what is due after all is done", port.due(before=DUE + 9 * HOUR), [])


# ---- listings ----


def _lists_streams(port: Port) -> None:
    names = ("b", "d", "a", "c")
    for name in names:
        port.keeps(port.command(name), append_to(port.stream(name), 0, marker(name)))
        port.keeps(port.command(f"{name} again"), append_to(port.stream(name), 1, marker(name)))
    port.keeps(port.command("read"), Expect(stream=port.stream("e"), version=0))
    order = port.stream("a", kind="order")
    port.keeps(port.command("order"), append_to(order, 0, *life_of_order(f"{port.mark}-a")))
    for kind, wanted in (("member", [port.stream(name) for name in "abcd"]), ("order", [order])):
        for limit in (1, 3, 1000):
            port.demand(f"the {kind} streams, by pages of {limit}", _pages(port, kind, limit), wanted)


def _pages(port: Port, kind: str, limit: int) -> list[StreamId]:
    """List the streams of this check, which follow its mark, page by page."""
    found, after = list[StreamId](), StreamId(f"{kind}/{port.mark}")
    while True:
        ours = [stream for stream in _page(port, kind, after, limit) if port.mark in stream]
        found += ours
        if len(ours) < limit or len(found) > _MANY:
            return found
        after = ours[-1]


def _page(port: Port, kind: str, after: StreamId | None, limit: int) -> list[StreamId]:
    listing = port.repository
    assert isinstance(listing, Enumerable)  # else these checks do not run
    call = f"streams({kind!r}, after={after!r}, limit={limit})"
    page = list(port.asked(call, lambda: listing.streams(kind, after=after, limit=limit)))
    if len(page) > limit:
        port.fail(f"a listing of at most {limit} holds {len(page)}")
    return page


def _starts_a_listing(port: Port) -> None:
    names = ("ab", "B", "é", "a", "🛵", "\uffee")
    for name in names:
        port.keeps(port.command(name), append_to(port.stream(name), 0, marker(name)))
    port.demand("the order of the streams", _pages(port, "member", 1000), sorted(map(port.stream, names)))
    page = _page(port, "member", None, _MANY)
    port.demand("the order of the first page", page, sorted(page))
    port.demand("what else the first page holds", [s for s in page if not s.startswith("member/")], [])
    if len(page) < _MANY:
        port.demand("those of this check in the first page", sum(port.mark in stream for stream in page), len(names))


_CHECKS: Final[tuple[tuple[type, int, Callable[[Port], None]], ...]] = tuple(
    (Repository, clause, check)
    for clause, checks in {
        1: (_answers_every_stream,),
        2: (
            _keeps_the_order,
            _keeps_what_is_told_late,
            _tells_streams_apart,
            _keeps_accounts_apart,
            _keeps_every_kind,
            *map(_keeps_text, _TEXTS),
        ),
        3: (_keeps_all, *map(_keeps_none, _SPOILS)),
        4: (
            _compares_versions(lambda stream, version: append_to(stream, version, marker("late"))),
            _compares_versions(lambda stream, version: Expect(stream=stream, version=version)),
            _expects_and_leaves,
        ),
        5: (_lets_one_win, _crosses_expectations, _makes_a_serial_history),
        6: (_remembers_commands, _tells_keys_apart, _takes_a_command_once),
        7: (_keeps_keys_by_home,),
        8: (_says_the_first_thing_first, _tells_repeats_from_conflicts),
        9: (_answers_receipts, _answers_in_the_order_told, _answers_for_claims_alone),
        10: (_claims_are_absolute, _tells_counters_apart),
        11: (_holds_the_limit, _lets_a_decrease_pass, _counts_one_commit_together, *map(_races_for_the_limit, (1, 3))),
        12: (_claims_time_out, _claims_are_renewed),
        13: (_answers_every_counter,),
        14: (_lists_what_is_due, _replaces_what_is_due),
    }.items()
    for check in checks
)

_LISTING_CHECKS: Final = ((Enumerable, 1, _lists_streams), (Enumerable, 2, _starts_a_listing))


# ---- points alone ----


@final
class _Accounts(Stage[PointsAccountRepository]):
    """A check of the classic way: its calls."""

    def get(self, member_id: str, repository: PointsAccountRepository | None = None) -> PointsAccount:
        """Read an account."""
        chosen = self.repository if repository is None else repository
        return self.asked(f"get({member_id!r})", lambda: chosen.get(member_id))

    def save(self, posting: Posting[PointsAccount], repository: PointsAccountRepository | None = None) -> Exception | None:
        """Save what was decided, and give the refusal."""
        chosen = self.repository if repository is None else repository
        call = f"save({posting.stream!r} from version {posting.version}, {len(posting.facts)} facts)"
        return self.tried(call, lambda: chosen.save(posting), (ConflictError,))

    def keeps(self, posting: Posting[PointsAccount]) -> None:
        """Save what must not be refused, and read it again."""
        refusal = self.save(posting)
        if refusal is not None:
            self.fail(f"the last save raised {type(refusal).__name__}: {refusal}")
        self.equals("the account read again", self.get(posting.state.member_id), posting.state)

    def refuses(self, posting: Posting[PointsAccount]) -> None:
        """Save what must be refused, and leave nothing behind."""
        before = self.get(posting.state.member_id)
        if self.save(posting) is None:
            self.fail("the last save raised nothing, not ConflictError")
        self.demand("the account after a refused save", self.get(posting.state.member_id), before)

    def equals(self, what: str, found: PointsAccount, wanted: PointsAccount) -> None:
        """Demand an equal account; where it is not, the failure shows the part that differs."""
        if isinstance(found, PointsAccount):  # a broken repository may answer with anything
            found_parts, wanted_parts = _parts(found.ledger), _parts(wanted.ledger)
            for name in wanted_parts | found_parts:
                self.demand(f"{name} of {what}", found_parts.get(name), wanted_parts.get(name))
        self.demand(what, found, wanted)


def _parts(ledger: Ledger) -> dict[str, object]:
    """Take a ledger apart: each lot, burn and hold by itself."""
    parts = dict[str, object]()
    for name in (field.name for field in attrs.fields(Ledger) if field.eq):
        value = getattr(ledger, name, None)
        parts |= {f"{name}[{key!r}]": item for key, item in value.items()} if isinstance(value, Mapping) else {name: value}
    return parts


_NewMember: TypeAlias = Callable[[], str]


def _earned(account: PointsAccount, ref: str) -> Posting[PointsAccount]:
    return account.earn(10, ref=ref, expires_at=AT + HOUR, at=AT)


def _opens_accounts(accounts: _Accounts, new_member: _NewMember) -> None:
    for member_id in (new_member(), new_member()):
        accounts.demand("the account of a member never saved", accounts.get(member_id), PointsAccount.open(member_id))


def _keeps_accounts(accounts: _Accounts, new_member: _NewMember) -> None:
    first, second = new_member(), new_member()
    other = _earned(accounts.get(second), "other")
    accounts.keeps(other)
    accounts.keeps(_earned(accounts.get(first), "first"))
    for number, text in enumerate(_TEXTS):
        accounts.keeps(accounts.get(first).adjust_down(1, ref=f"t-{number}", reason=text, actor="kit", at=AT))
    accounts.keeps(_earned(accounts.get(first), "first"))  # the same ref again: a posting without facts
    accounts.demand("the account of another member", accounts.get(second), other.state)


def _keeps_whole_accounts(accounts: _Accounts, new_member: _NewMember) -> None:
    for posting in life_of(accounts.get(new_member())):
        accounts.keeps(posting)
    status = PointsAccount(member_id=new_member(), ledger=Ledger(account="status"))
    for posting in life_of(status):
        accounts.keeps(posting)


def _compares_accounts(accounts: _Accounts, new_member: _NewMember) -> None:
    opened = accounts.get(new_member())
    first = _earned(opened, "first")
    accounts.keeps(first)
    accounts.refuses(_earned(opened, "late"))
    accounts.keeps(_earned(first.state, "second"))
    accounts.refuses(_earned(first.state, "late"))
    accounts.refuses(_earned(_earned(_earned(first.state, "2").state, "3").state, "early"))


def _lets_one_save(accounts: _Accounts, new_member: _NewMember) -> None:
    member_id = new_member()
    for turn in range(_ROUNDS * 8):  # a check before the write loses only now and then
        opened = accounts.get(member_id)
        postings = [_earned(opened, f"{turn}-{writer}") for writer in range(8)]
        refusals = accounts.at_once([partial(_save, accounts, posting) for posting in postings])
        saved = [posting.state for posting, refusal in zip(postings, refusals, strict=True) if refusal is None]
        accounts.demand("the number of winners among 8", len(saved), 1)
        accounts.demand("the account after a race", accounts.get(member_id), saved[0])


def _save(accounts: _Accounts, posting: Posting[PointsAccount], repository: PointsAccountRepository) -> Exception | None:
    return accounts.save(posting, repository)


_POINTS_CHECKS: Final = (
    (1, _opens_accounts),
    (2, _keeps_accounts),
    (2, _keeps_whole_accounts),
    (2, _compares_accounts),
    (2, _lets_one_save),
)
