"""Checks of ``Joining``: commits inside a transaction of the caller's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Final, NamedTuple, NoReturn, TypeAlias

from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError
from loyaltycore.facts import Change, Command
from loyaltycore.identity import StreamId
from loyaltycore.repositories import Joining, Repository
from loyaltycore.testing._port import DUE, HOUR, Port, append_to, claim_of, marker
from loyaltycore.testing._stage import ConformanceError, short

__all__ = ["CHECKS", "Caller", "Transaction"]

Transaction: TypeAlias = Callable[[Repository], AbstractContextManager[object]]


class Caller(NamedTuple):
    """Who owns the transactions.

    Attributes:
        transaction: Begins one.
        always: Whether every commit takes part in one, because what is lent begins it by itself.
    """

    transaction: Transaction
    always: bool


class _RollBackError(Exception):
    """Why the caller leaves a transaction."""


@contextmanager
def _transaction(port: Port, caller: Caller) -> Iterator[None]:
    """Begin the caller's transaction, and commit it at the end."""
    port.note("begin")
    try:
        with caller.transaction(port.repository):
            yield
    except (ConformanceError, _RollBackError):
        raise
    except Exception as error:
        found = f"the transaction raised {type(error).__name__}: {short(str(error))}"
        raise port.failure(found) from error
    port.note("commit")


@contextmanager
def _rolled_back(port: Port, caller: Caller) -> Iterator[None]:
    """Begin the caller's transaction, and leave it by an exception."""
    with suppress(_RollBackError), _transaction(port, caller):
        yield
        _roll_back()
    port.note("rollback")


def _alone(port: Port, caller: Caller) -> AbstractContextManager[None]:
    """Make a commit that is no part of what is looked at: by itself, or where none is, in a transaction of its own."""
    return _transaction(port, caller) if caller.always else nullcontext()


def _roll_back() -> NoReturn:
    raise _RollBackError


def _in_transaction(port: Port, repository: Repository | None = None) -> bool:
    chosen = port.repository if repository is None else repository
    assert isinstance(chosen, Joining)  # else these checks do not run
    return port.asked("in_transaction()", chosen.in_transaction)


def _says_where_it_is(port: Port, caller: Caller) -> None:
    port.demand("what in_transaction says before", _in_transaction(port), wanted=caller.always)
    with _transaction(port, caller):
        port.demand("what in_transaction says inside", _in_transaction(port), wanted=True)
        port.keeps(port.command("inside"), append_to(port.stream("a"), 0, marker("1")))
        port.demand("what in_transaction says after a commit inside", _in_transaction(port), wanted=True)
    port.demand("what in_transaction says after it", _in_transaction(port), wanted=caller.always)
    with _alone(port, caller):
        port.keeps(port.command("alone"), append_to(port.stream("a"), 1, marker("2")))
    port.demand("what in_transaction says after a commit alone", _in_transaction(port), wanted=caller.always)
    with _rolled_back(port, caller):
        port.demand("what in_transaction says inside", _in_transaction(port), wanted=True)
    port.demand("what in_transaction says after a rollback", _in_transaction(port), wanted=caller.always)


def _is_seen_at_once(port: Port, caller: Caller) -> None:
    a, counter, holder = port.stream("a"), port.counter("c"), port.key("holder")
    command = port.command("first")
    with _transaction(port, caller):
        port.keeps(command, append_to(a, 0, marker("1")), claim_of(counter, holder, 2, 5))
        port.holds(a, marker("1"))
        port.counts(counter, holder, total=2, mine=2)
        port.demand("whether there is a receipt", port.receipt(command) is not None, wanted=True)
        port.refuses(DuplicateError, command, append_to(a, 1, marker("2")))
        port.keeps(port.command("second"), append_to(a, 1, marker("2")))
    port.holds(a, marker("1"), marker("2"))
    port.counts(counter, holder, total=2, mine=2)


def _is_seen_by_others_at_the_end(port: Port, caller: Caller) -> None:
    if not port.source.shares:
        return  # there are no others: no two of the factory's see the same
    a = port.stream("a")
    with _transaction(port, caller):
        port.keeps(port.command("first"), append_to(a, 0, marker("1")))
        port.demand("the version that another sees before the caller commits", _seen_by_another(port, a) or 0, 0)
    port.demand("the version that another sees afterwards", _seen_by_another(port, a), 1)


def _seen_by_another(port: Port, stream: StreamId) -> int | None:
    """Load with another repository, in a thread of its own; ``None`` where it takes part in the very same transaction."""
    seen = list[int | None]()

    def look() -> None:
        with port.source.opened() as other:
            is_the_same = _in_transaction(port, other)
            seen.append(None if is_the_same else port.asked("another: load", lambda: other.load([stream]))[stream].version)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(port.source.patience)
    if not seen:
        port.fail("another repository could not load while the caller's transaction was open")
    return seen[0]


def _leaves_nothing(port: Port, caller: Caller) -> None:
    a, b, counter = port.stream("a"), port.stream("b"), port.counter("c")
    with _alone(port, caller):
        port.keeps(
            port.command("before"), append_to(a, 0, marker("1"), due_at=DUE + HOUR), claim_of(counter, port.key("x"), 1, 9)
        )
    commands: list[tuple[Command, tuple[Change, ...]]] = [
        (port.command("first"), (append_to(a, 1, marker("2")), append_to(b, 0, marker("3"), due_at=DUE + HOUR))),
        (port.command("second"), (append_to(b, 1, marker("4")), claim_of(counter, port.key("holder"), 2, 5))),
        (port.command("third"), (claim_of(counter, port.key("x"), 0, None),)),
    ]
    before = {name: seen for command, changes in commands for name, seen in port.look(command, changes).items()}
    with _rolled_back(port, caller):
        for command, changes in commands:
            port.keeps(command, *changes)
    for name, seen in port.look(commands[0][0], ()).items():
        port.demand(f"after the caller's rollback, {name}", seen, before[name])
    with _alone(port, caller):
        for command, changes in commands:
            port.keeps(command, *changes)
    port.holds(b, marker("3"), marker("4"))
    with _alone(port, caller):
        port.keeps(port.command("done"), append_to(b, 2, marker("5")))


def _refuses_and_goes_on(port: Port, caller: Caller) -> None:
    a, b, counter = port.stream("a"), port.stream("b"), port.counter("full")
    once = port.command("once")
    with _alone(port, caller):
        port.keeps(once, append_to(a, 0, marker("1")), claim_of(counter, port.key("holder"), 1, None))
    beside = (append_to(b, 1, marker("late"), due_at=DUE + HOUR), claim_of(port.counter("c"), port.key("beside"), 1, 5))
    refused: tuple[tuple[type[Exception], Command, Change], ...] = (
        (DuplicateError, once, append_to(a, 1, marker("2"))),
        (ConflictError, port.command("late"), append_to(a, 0, marker("2"))),
        (LimitReachedError, port.command("over"), claim_of(counter, port.key("late"), 1, 1)),
    )
    with _transaction(port, caller):
        port.keeps(port.command("own work"), append_to(b, 0, marker("own work")))
        for wanted, command, change in refused:
            port.refuses(wanted, command, *beside, change)
        port.keeps(port.command("more work"), append_to(b, 1, marker("more work")))
    port.holds(b, marker("own work"), marker("more work"))
    port.holds(a, marker("1"))
    port.demand("the receipt of a refused command", port.receipt(port.command("late")), None)


CHECKS: Final[tuple[tuple[int, Callable[[Port, Caller], None]], ...]] = (
    (4, _says_where_it_is),
    (1, _is_seen_at_once),
    (1, _is_seen_by_others_at_the_end),
    (2, _leaves_nothing),
    (3, _refuses_and_goes_on),
)
"""Clause 4 first: whether another takes part in the same transaction is what it says itself."""
