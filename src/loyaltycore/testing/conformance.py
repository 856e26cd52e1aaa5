"""The conformance kit: shows that a repository keeps its contract, or names the clause that it breaks.

``check_repository`` takes a factory and runs anywhere: in pytest, in unittest, in a script; best against the real database.
``check_async_repository`` does the same for a repository that is awaited, ``check_transactions`` for one that joins
a transaction of the caller's, ``check_points_repository`` for the small one.

Invariants:
    1. Each numbered clause has checks of its own; a failure names the clause, quotes it, and lists the calls that broke it.
    2. Each check uses ids that nobody used before, so repositories may share one database; nothing is removed from it.
    3. After each refusal everything is looked at again: streams, claims, receipts and what is due.
    4. After the checks by clause come crowds of random commits, and histories that Hypothesis draws and shrinks.

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

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final
from uuid import uuid4

from loyaltycore._checks import check_count, check_whole, shown
from loyaltycore.errors import UsageError
from loyaltycore.facts import Command
from loyaltycore.identity import Key, StreamId
from loyaltycore.repositories import (
    AsyncEnumerable,
    AsyncExportable,
    AsyncForgetting,
    AsyncProjecting,
    AsyncRepository,
    AsyncSnapshots,
    Enumerable,
    Exportable,
    Forgetting,
    Joining,
    PointsAccountRepository,
    Projecting,
    Repository,
    Snapshots,
)
from loyaltycore.testing import (
    _awaited,
    _checks_claims,
    _checks_committing,
    _checks_loading,
    _checks_points,
    _checks_transactions,
)
from loyaltycore.testing._awaited import Awaited, LoopThread, faces
from loyaltycore.testing._checks_beside import (
    FORGETTING_CHECKS,
    PROJECTING_CHECKS,
    SNAPSHOTS_CHECKS,
    Projection,
    projection_check,
)
from loyaltycore.testing._checks_listing import ENUMERABLE_CHECKS, EXPORTABLE_CHECKS
from loyaltycore.testing._checks_points import Accounts, earned
from loyaltycore.testing._concurrent import check_at_once
from loyaltycore.testing._port import Port, append_to, marker
from loyaltycore.testing._stage import PATIENCE_SECONDS, ConformanceError, Source, clause_words

__all__ = [
    "ConformanceError",
    "Projection",
    "check_async_repository",
    "check_points_repository",
    "check_repository",
    "check_transactions",
]

THREADS: Final = 16
"""How many work at once unless said."""

EXAMPLES: Final = 50
"""How many histories are drawn unless said."""

EXAMPLES_LIMIT: Final = 100_000
"""More would take days."""

_CHECKS: Final = {**_checks_loading.CHECKS, **_checks_committing.CHECKS, **_checks_claims.CHECKS}

_BESIDE: Final[Mapping[type, Mapping[int, tuple[Callable[[Port], None], ...]]]] = {
    Enumerable: ENUMERABLE_CHECKS,
    Exportable: EXPORTABLE_CHECKS,
    Snapshots: SNAPSHOTS_CHECKS,
    Projecting: PROJECTING_CHECKS,
    Forgetting: FORGETTING_CHECKS,
}
"""The optional protocols, and the checks of each."""

_AWAITED: Final[Mapping[type, type]] = {
    AsyncEnumerable: Enumerable,
    AsyncExportable: Exportable,
    AsyncSnapshots: Snapshots,
    AsyncProjecting: Projecting,
    AsyncForgetting: Forgetting,
}

_METHODS: Final[Mapping[type, tuple[str, ...]]] = {
    Enumerable: ("streams",),
    Exportable: ("commits", "claims"),
    Snapshots: ("load_tails", "keep_snapshot"),
    Projecting: ("commit_then",),
    Forgetting: ("rename",),
    Joining: ("in_transaction",),
}
"""What a repository has that can do it."""


def check_repository(
    factory: Callable[[], Repository],
    *,
    threads: int = THREADS,
    capabilities: Iterable[type] | None = None,
    projection: Projection | None = None,
    examples: int = EXAMPLES,
    patience: int = PATIENCE_SECONDS,
) -> None:
    """Show that a repository keeps the contract of ``Repository``, and of each optional protocol that it has.

    Args:
        factory: Makes a repository, called often; they may share one database. Where two see the same, each thread is given its
            own; where not, threads share one. A repository that has ``close`` is closed after use.
        threads: How many work at once, 1 to 200; 1 for a repository over a connection that belongs to one thread, whose races
            are then not looked at.
        capabilities: The optional protocols it must have: ``Enumerable``, ``Exportable``, ``Snapshots``, ``Projecting``,
            ``Forgetting``, ``Joining``; one that it lacks is a failure. ``None`` checks those it has. The clauses of ``Joining``
            are for ``check_transactions``.
        projection: How to write through what ``commit_then`` gives; without it clause 2 of ``Projecting`` is not looked at.
        examples: How many histories Hypothesis draws, at most 100,000; 0 draws none, and needs no Hypothesis.
        patience: Seconds without any answer after which calls at once count as stuck, at most 3,600.

    Raises:
        ConformanceError: The first clause found broken, with the calls that break it.
        UsageError: A capability that there is not, or histories where Hypothesis is not installed.
    """
    declared = _declared(capabilities)
    run_histories = _histories(examples)
    source = Source(factory, threads=threads, shares=_shares, patience=patience)
    _check(source, declared, projection)
    run_histories(source)


def check_async_repository(
    factory: Callable[[], AsyncRepository],
    *,
    threads: int = THREADS,
    capabilities: Iterable[type] | None = None,
    projection: Projection | None = None,
    examples: int = EXAMPLES,
    patience: int = PATIENCE_SECONDS,
) -> None:
    """Show that a repository that is awaited keeps the same clauses; it runs on an event loop of the kit's own.

    Args:
        factory: A plain function, called while the loop runs. A repository that has ``aclose`` or ``close``, awaited or not, is
            closed after use.
        threads: How many calls overlap, 1 to 200; every other one on one repository.
        capabilities: As for ``check_repository``; ``AsyncSnapshots`` is the same as ``Snapshots``.
        projection: As for ``check_repository``; ``write`` may answer with something to be awaited.
        examples: As for ``check_repository``.
        patience: As for ``check_repository``; also for each call by itself.

    Raises:
        ConformanceError: The first clause found broken, with the calls that break it.
        UsageError: As for ``check_repository``.
    """
    declared = _declared(capabilities)
    run_histories = _histories(examples)
    check_count("patience", patience)  # the loop is made before the source that looks at it, too
    with LoopThread(patience=patience) as loop:
        source = Source[Repository](faces(loop, factory), threads=threads, shares=_shares, patience=patience, mixes=True)
        _check(source, declared, projection)
        for clause, check in _awaited.CHECKS:
            with source.opened() as repository:
                check(Port(Repository, clause, source, repository))
        run_histories(source)


def check_transactions(
    factory: Callable[[], Repository],
    *,
    transaction: Callable[[Any], AbstractContextManager[object]],
    always: bool = False,
    patience: int = PATIENCE_SECONDS,
) -> None:
    """Show that a repository keeps the contract of ``Joining``.

    Where two repositories of the factory see the same, what others see is looked at too, from another thread.

    Args:
        factory: As for ``check_repository``.
        transaction: Given a repository, begins the caller's transaction; commits it at the end, and rolls it back when it is
            left by an exception: ``lambda repository: django.db.transaction.atomic()``.
        always: Whether every commit takes part in a transaction, because what was lent begins one by itself, as a session of
            SQLAlchemy does; ``transaction`` then ends first what reading has begun. What others see is not looked at then.
        patience: As for ``check_repository``.

    Raises:
        ConformanceError: The first clause found broken, with the calls that break it.
    """
    # What was lent and begins by itself would keep the trial of what is shared open, and hold others up.
    source = Source(factory, threads=1, shares=(lambda *_: False) if always else _shares, patience=patience)
    with source.opened() as repository:
        _check_declared(repository, [Joining])
    for clause, check in _checks_transactions.CHECKS:
        with source.opened() as repository:
            check(Port(Joining, clause, source, repository), _checks_transactions.Caller(transaction, always))


def check_points_repository(
    factory: Callable[[], PointsAccountRepository],
    *,
    new_member: Callable[[], str] = lambda: f"kit-{uuid4()}",
    threads: int = THREADS,
    patience: int = PATIENCE_SECONDS,
) -> None:
    """Show that a repository keeps the contract of ``PointsAccountRepository``.

    Args:
        factory: As for ``check_repository``.
        new_member: Makes the id of a member without points; one that adds a row, where members must be known first.
        threads: As for ``check_repository``.
        patience: As for ``check_repository``.

    Raises:
        ConformanceError: The first clause found broken, with the calls that break it.
    """

    def shares(first: PointsAccountRepository, second: PointsAccountRepository) -> bool:
        try:
            member_id = new_member()
            first.save(earned(first.get(member_id), "first"))
            return second.get(member_id).version == 1
        except Exception:  # noqa: BLE001 - a broken repository is for the checks to tell
            return False

    source = Source(factory, threads=threads, shares=shares, patience=patience)
    for clause, check in _checks_points.CHECKS:
        with source.opened() as repository:
            check(Accounts(PointsAccountRepository, clause, source, repository), new_member)


def _shares(first: Repository, second: Repository) -> bool:
    stream = StreamId(f"member/{uuid4()}")
    try:
        first.commit(Command.of(stream, Key("kit:shares"), actor="kit"), [append_to(stream, 0, marker("shared"))])
        return second.load([stream])[stream].version == 1
    except Exception:  # noqa: BLE001 - a broken repository is for the checks to tell
        return False


def _check(source: Source[Repository], declared: Iterable[type], projection: Projection | None) -> None:
    with source.opened() as repository:
        _check_declared(repository, declared)
        found = [protocol for protocol in _BESIDE if isinstance(repository, protocol)]
    for contract, clause, check in _plan(found, projection):
        with source.opened() as repository:
            check(Port(contract, clause, source, repository))
    check_at_once(source)


def _plan(found: Iterable[type], projection: Projection | None) -> Iterator[tuple[type, int, Callable[[Port], None]]]:
    """Give the checks in the order of the clauses, those of the port first."""
    for contract in (Repository, *found):
        for clause, checks in (_CHECKS if contract is Repository else _BESIDE[contract]).items():
            for check in checks:
                yield contract, clause, check
        if contract is Projecting and projection is not None:
            yield contract, 2, projection_check(projection)


def _declared(capabilities: Iterable[type] | None) -> list[type]:
    declared = [_AWAITED.get(protocol, protocol) for protocol in (() if capabilities is None else capabilities)]
    for protocol in declared:
        if protocol not in _METHODS:
            names = ", ".join(known.__name__ for known in _METHODS)
            msg = f"capabilities must be of {names}, got {shown(getattr(protocol, '__name__', protocol))}"
            raise UsageError(msg)
    return declared


def _check_declared(repository: Repository, declared: Iterable[type]) -> None:
    """Demand what a repository is declared to be able to do."""
    for protocol in declared:
        for method in _METHODS[protocol]:
            if not callable(getattr(repository, method, None)):
                inner = repository.inner if isinstance(repository, Awaited) else repository
                meant = difflib.get_close_matches(method, [name for name in dir(inner) if not name.startswith("_")], n=1)
                hint = f"; did you mean {method!r} by {meant[0]!r}?" if meant else ""
                found = f"{protocol.__name__} is declared, and there is no method {method!r}{hint}"
                raise ConformanceError(protocol.__name__, 1, clause_words(protocol, 1), found, ())


def _histories(examples: int) -> Callable[[Source[Repository]], None]:
    """Give what draws histories; say so at once where there is nothing to draw them with."""
    if check_whole("examples", examples, low=0, high=EXAMPLES_LIMIT) == 0:
        return lambda _source: None
    try:
        from loyaltycore.testing.port_machine import run_histories  # noqa: PLC0415 - needs an extra
    except ImportError as error:
        msg = "histories are drawn by Hypothesis: install loyaltycore[testing], which brings it, or pass examples=0"
        raise UsageError(msg) from error
    return lambda source: run_histories(source, examples=examples)
