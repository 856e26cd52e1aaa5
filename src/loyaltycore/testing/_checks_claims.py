"""Checks of the port: what is held of counters, and what is due, clauses 10 to 14."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import attrs

from loyaltycore.errors import LimitReachedError
from loyaltycore.facts import Expect
from loyaltycore.repositories import Claimed, Repository
from loyaltycore.testing._checks_loading import MANY, SIMILAR
from loyaltycore.testing._port import AT, DUE, HOUR, TICK, Port, append_to, claim_of, marker

__all__ = ["CHECKS"]


def _claims_are_absolute(port: Port) -> None:
    counter, mine, other = port.counter("c"), port.key("mine"), port.key("other")
    port.keeps(port.command("other"), claim_of(counter, other, 7, None))
    for number, amount in enumerate((3, 3, 5, 2, 0, 2**40, 0, 1)):
        port.keeps(port.command(str(number)), claim_of(counter, mine, amount, None))
        port.counts(counter, mine, total=7 + amount, mine=amount)
        port.counts(counter, other, total=7 + amount, mine=7)


def _tells_counters_apart(port: Port) -> None:
    for amount, name in enumerate(SIMILAR, 1):
        port.keeps(port.command(name), claim_of(port.counter(name), port.key("mine"), amount, None))
    for amount, name in enumerate(SIMILAR, 1):
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


def _crosses_counters(port: Port) -> None:
    """Claim two counters in either order at once: nobody waits for ever, and everything is counted."""
    counters, writers, each = [port.counter("c"), port.counter("d")], 8, 3

    def claim(repository: Repository, writer: int) -> None:
        for number in range(each):
            key = port.key(f"{writer}-{number}")
            changes = [claim_of(counter, key, 1, writers * each) for counter in counters[:: 1 if writer % 2 else -1]]
            refusal = port.commit(port.command(f"{writer}-{number}"), *changes, repository=repository)
            port.demand("what one heard who claimed what there is", refusal, None)

    port.at_once([partial(claim, writer=writer) for writer in range(writers)])
    for counter in counters:
        port.counts(counter, port.key("0-0"), total=writers * each, mine=1)


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
    asked = [port.counter(str(number)) for number in range(MANY)]
    found = port.claimed(*asked[: MANY // 2], known, *asked[MANY // 2 :], key=mine, at=AT)
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


CHECKS: Final[dict[int, tuple[Callable[[Port], None], ...]]] = {
    10: (_claims_are_absolute, _tells_counters_apart),
    11: (
        _holds_the_limit,
        _lets_a_decrease_pass,
        _counts_one_commit_together,
        _crosses_counters,
        *map(_races_for_the_limit, (1, 3)),
    ),
    12: (_claims_time_out, _claims_are_renewed),
    13: (_answers_every_counter,),
    14: (_lists_what_is_due, _replaces_what_is_due),
}
