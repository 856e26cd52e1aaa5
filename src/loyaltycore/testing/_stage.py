"""Where a check of the conformance kit plays: fresh repositories, fresh ids, threads, and a record of every call."""

from __future__ import annotations

import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Generic, NoReturn, TypeVar, final
from uuid import uuid4

from loyaltycore._checks import check_count

__all__ = ["CALLS_SHOWN", "THREADS_LIMIT", "ConformanceError", "Source", "Stage"]

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
        contract: The protocol: ``"Repository"``, ``"Enumerable"`` or ``"PointsAccountRepository"``.
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

    def __init__(self, factory: Callable[[], R], *, threads: int, shares: Callable[[R, R], bool]) -> None:
        """Make two to see what they have in common.

        Args:
            factory: Makes a repository; may give the same one each time.
            threads: How many may work at once, 1 to 200.
            shares: Says whether the second sees what the first keeps.
        """
        self.threads = check_count("threads", threads, high=THREADS_LIMIT)
        self._factory = factory
        first, second = factory(), factory()
        self._is_one = first is second
        try:
            self._shares = not self._is_one and shares(first, second)
        finally:
            self._close(first)
            self._close(second)

    @contextmanager
    def opened(self) -> Iterator[R]:
        """Make a repository, and close it where it can be closed."""
        repository = self._factory()
        try:
            yield repository
        finally:
            self._close(repository)

    @contextmanager
    def beside(self, repository: R) -> Iterator[R]:
        """Give a thread a repository of its own where two see the same, or else the one there is."""
        if self._shares:
            with self.opened() as own:
                yield own
        else:
            yield repository

    def _close(self, repository: R) -> None:
        close = getattr(repository, "close", None)
        if callable(close) and not self._is_one:
            close()


class Stage(Generic[R]):
    """One check at work.

    Attributes:
        repository: The one under test.
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
        self._source = source
        self._calls: list[str] = []

    def note(self, call: str) -> None:
        """Write down a call."""
        self._calls.append(call)

    def failure(self, found: str) -> ConformanceError:
        """Make the failure of this check."""
        words = _clause_words(self._contract, self._clause)
        return ConformanceError(self._contract.__name__, self._clause, words, found, tuple(self._calls))

    def fail(self, found: str) -> NoReturn:
        """Fail."""
        raise self.failure(found)

    def demand(self, what: str, found: object, wanted: object) -> None:
        """Fail unless two values are equal."""
        if found != wanted:
            self.fail(f"{what} is {_short(found)}, not {_short(wanted)}")

    def asked(self, call: str, answer: Callable[[], T]) -> T:
        """Make a call that must be answered, and write it down."""
        try:
            given = answer()
        except Exception as error:
            raise self._unexpected(call, error) from error
        self.note(call)
        return given

    def tried(self, call: str, act: Callable[[], object], refusals: tuple[type[Exception], ...]) -> Exception | None:
        """Make a call that may be refused, write it down, and give the refusal."""
        try:
            act()
        except refusals as refusal:
            self.note(f"{call} raised {type(refusal).__name__}")
            return refusal
        except Exception as error:
            raise self._unexpected(call, error) from error
        self.note(call)
        return None

    def at_once(self, jobs: Sequence[Callable[[R], T]]) -> list[T]:
        """Run jobs at the same time, each given a repository; one after another where only one thread is allowed.

        Returns:
            Their answers, in the order of the jobs.
        """
        workers = min(self._source.threads, len(jobs))
        if workers == 1:
            return [job(self.repository) for job in jobs]
        ready = threading.Barrier(workers, timeout=_WAIT_SECONDS)

        def work(worker: int) -> list[T]:
            try:
                with self._source.beside(self.repository) as repository:
                    ready.wait()
                    return [job(repository) for job in jobs[worker::workers]]
            except BaseException:
                ready.abort()  # nobody waits for a worker that could not start
                raise

        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            with ThreadPoolExecutor(workers) as pool:
                futures = [pool.submit(work, worker) for worker in range(workers)]
        finally:
            sys.setswitchinterval(before)
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error  # the one that the others could not wait for
        parts = [future.result() for future in futures]
        return [parts[place % workers][place // workers] for place in range(len(jobs))]

    def _unexpected(self, call: str, error: Exception) -> ConformanceError:
        self.note(f"{call} raised {type(error).__name__}")
        return self.failure(f"the last call raised {type(error).__name__}: {_short(str(error))}")


def _clause_words(contract: type, clause: int) -> str:
    """Quote a clause from the docstring of a protocol; nothing where docstrings are stripped."""
    text = inspect.getdoc(contract) or ""
    found = re.search(rf"^ *{clause}\. (.+?)(?=^ *\d+\. |\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


_SHOWN: Final = 400
