"""Where a check of the conformance kit plays: fresh repositories, fresh ids, threads, and a record of every call."""

from __future__ import annotations

import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Final, Generic, NoReturn, TypeVar, final
from uuid import uuid4

from loyaltycore._checks import check_count

__all__ = ["CALLS_SHOWN", "PATIENCE_SECONDS", "THREADS_LIMIT", "ConformanceError", "Source", "Stage", "clause_words", "short"]

PATIENCE_SECONDS: Final = 60
"""How long calls at once may go without a single answer before they count as stuck, unless said."""

PATIENCE_LIMIT: Final = 3600
"""Whoever waits for longer does not look any more."""

CALLS_SHOWN: Final = 60
"""Calls listed in a failure: a race makes hundreds, and its end tells most."""

THREADS_LIMIT: Final = 200
"""More would test the machine."""

_WAIT_SECONDS: Final = 60
"""How long threads wait for one another to be ready."""

_SWITCH_SECONDS: Final = 1e-6
"""How often Python changes threads during a race: as often as it can, so that a gap between check and act is met."""

R = TypeVar("R")
T = TypeVar("T")


@final
class ConformanceError(AssertionError):
    """A repository breaks its contract.

    Attributes:
        contract: The name of the protocol: ``"Repository"``, ``"Snapshots"``, ``"PointsAccountRepository"``.
        clause: The number of the clause in the protocol's docstring.
        words: The clause.
        found: What was seen instead.
        history: The calls that led there, in order.
    """

    def __init__(self, contract: str, clause: int, words: str, found: str, history: tuple[str, ...]) -> None:
        """Keep what is known of the failure."""
        self.contract = contract
        self.clause = clause
        self.words = words
        self.found = found
        self.history = history
        super().__init__(contract, clause, words, found, history)

    def __str__(self) -> str:
        """Print the clause, what was found, and the calls."""
        left_out = len(self.history) - CALLS_SHOWN
        calls = [f"  ({left_out} calls before)"] if left_out > 0 else []
        calls += [f"  {call}" for call in self.history[-CALLS_SHOWN:]]
        return "\n".join([f"{self.contract}, clause {self.clause}: {self.words}", f"found: {self.found}", "calls:", *calls])


@final
class Source(Generic[R]):
    """Makes repositories, and knows whether they share what they keep."""

    def __init__(
        self,
        factory: Callable[[], R],
        *,
        threads: int,
        shares: Callable[[R, R], bool],
        patience: int = PATIENCE_SECONDS,
        mixes: bool = False,
    ) -> None:
        """Make two to see what they have in common.

        Args:
            factory: Makes a repository; may give the same one each time.
            threads: How many may work at once, 1 to 200.
            shares: Says whether the second sees what the first keeps.
            patience: Seconds without an answer after which calls at once are stuck.
            mixes: Whether every other worker uses one repository together, also where each could have its own.
        """
        self.threads: int = check_count("threads", threads, high=THREADS_LIMIT)
        self.patience: int = check_count("patience", patience, high=PATIENCE_LIMIT)
        self._mixes = mixes
        self._factory = factory
        first, second = factory(), factory()
        self._is_one = first is second
        try:
            self.shares: bool = not self._is_one and shares(first, second)
        finally:
            self.close(first)
            self.close(second)

    def make(self) -> R:
        """Make a repository."""
        return self._factory()

    @contextmanager
    def opened(self) -> Iterator[R]:
        """Make a repository, and close it where it can be closed."""
        repository = self.make()
        try:
            yield repository
        finally:
            self.close(repository)

    @contextmanager
    def beside(self, repository: R, worker: int) -> Iterator[R]:
        """Give a worker a repository of its own where two see the same, or else the one there is."""
        if self.shares and not (self._mixes and worker % 2):
            with self.opened() as own:
                yield own
        else:
            yield repository

    def close(self, repository: R) -> None:
        """Close a repository where it can be closed, and is not the only one there is."""
        close = getattr(repository, "close", None)
        if callable(close) and not self._is_one:
            close()


class Stage(Generic[R]):
    """One check at work.

    Attributes:
        repository: The one under test.
        source: Where more come from.
        mark: In every id of this check, and in no other.
    """

    def __init__(self, contract: type, clause: int, source: Source[R], repository: R) -> None:
        """Start with no calls.

        Args:
            contract: The protocol.
            clause: Which clause is looked at.
            source: Where more repositories come from.
            repository: The one under test.
        """
        self.repository = repository
        self.mark = uuid4().hex[:12]
        self._contract = contract
        self._clause = clause
        self.source = source
        self._calls: list[str] = []
        self._open: dict[int, str] = {}

    def note(self, call: str) -> None:
        """Write down a call."""
        self._calls.append(call)

    def failure(self, found: str, *, clause: int | None = None) -> ConformanceError:
        """Make the failure of this check, of its clause unless another one is named."""
        number = self._clause if clause is None else clause
        words = clause_words(self._contract, number)
        return ConformanceError(self._contract.__name__, number, words, found, tuple(self._calls))

    def fail(self, found: str) -> NoReturn:
        """Fail."""
        raise self.failure(found)

    def demand(self, what: str, found: object, wanted: object) -> None:
        """Fail unless two values are equal."""
        if found != wanted:
            self.fail(f"{what} is {short(found)}, not {short(wanted)}")

    def asked(self, call: str, answer: Callable[[], T]) -> T:
        """Make a call that must be answered, and write it down."""
        try:
            with self._waiting_for(call):
                given = answer()
        except Exception as error:
            raise self._unexpected(call, error) from error
        self.note(call)
        return given

    def tried(self, call: str, act: Callable[[], object], refusals: tuple[type[Exception], ...]) -> Exception | None:
        """Make a call that may be refused, write it down, and give the refusal."""
        try:
            with self._waiting_for(call):
                act()
        except refusals as refusal:
            self.note(f"{call} raised {type(refusal).__name__}")
            return refusal
        except Exception as error:
            raise self._unexpected(call, error) from error
        self.note(call)
        return None

    @contextmanager
    def _waiting_for(self, call: str) -> Iterator[None]:
        """Know which calls have not come back."""
        thread = threading.get_ident()
        self._open[thread] = call
        try:
            yield
        finally:
            del self._open[thread]

    def at_once(self, jobs: Sequence[Callable[[R], T]]) -> list[T]:
        """Run jobs at the same time, each given a repository; one after another where only one thread is allowed.

        Returns:
            Their answers, in the order of the jobs.
        """
        workers = min(self.source.threads, len(jobs))
        if workers == 1:
            return [job(self.repository) for job in jobs]
        ready = threading.Barrier(workers, timeout=_WAIT_SECONDS)
        told = SimpleQueue[tuple[int, T] | BaseException | None]()

        def work(worker: int) -> None:
            try:
                with self.source.beside(self.repository, worker) as repository:
                    ready.wait()
                    for place in range(worker, len(jobs), workers):
                        told.put((place, jobs[place](repository)))
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the others have come back
                ready.abort()  # nobody waits for a worker that could not start
                told.put(error)
            finally:
                told.put(None)

        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            for worker in range(workers):
                # A daemon: a worker that is stuck does not keep the process from ending.
                threading.Thread(target=work, args=(worker,), daemon=True).start()
            return self._answers(told, workers=workers, jobs=len(jobs))
        finally:
            sys.setswitchinterval(before)

    def _answers(self, told: SimpleQueue[tuple[int, T] | BaseException | None], *, workers: int, jobs: int) -> list[T]:
        """Gather what workers tell, until each has come back or none says anything more."""
        answers, errors, working, stuck = dict[int, T](), list[BaseException](), workers, False
        while working and not stuck:
            try:
                one = told.get(timeout=self.source.patience)
            except Empty:
                stuck = True
                continue
            if one is None:
                working -= 1
            elif isinstance(one, BaseException):
                errors.append(one)
            else:
                answers[one[0]] = one[1]
        for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error  # the one that the others could not wait for
        if stuck:
            self._calls += [f"{call} was not answered" for call in list(self._open.values())]
            waited = f"{self.source.patience} seconds"
            self.fail(
                f"{jobs - len(answers)} of {jobs} calls at once were not answered within {waited}: they wait for one another"
            )
        return [answers[place] for place in range(jobs)]

    def _unexpected(self, call: str, error: Exception) -> ConformanceError:
        self.note(f"{call} raised {type(error).__name__}")
        return self.failure(f"the last call raised {type(error).__name__}: {short(str(error))}")


def clause_words(contract: type, clause: int) -> str:
    """Quote a clause from the docstring of a protocol; nothing where docstrings are stripped."""
    text = inspect.getdoc(contract) or ""
    found = re.search(rf"^ *{clause}\. (.+?)(?=^ *\d+\. |\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def short(value: object) -> str:
    """Show a value, cut where it is long."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


_SHOWN: Final = 400
