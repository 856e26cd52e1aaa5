"""A synchronous face for a repository that is awaited: its calls run on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar, cast, final

from loyaltycore.errors import DuplicateError
from loyaltycore.facts import Change, Command
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import AsyncRepository, Claimed, Cursor, Due, Receipt, StoredStream
from loyaltycore.testing._port import Port, append_to, claim_of, marker

__all__ = ["CHECKS", "Awaited", "LoopThread", "faces"]

T = TypeVar("T")

_BESIDE: Final = ("streams", "commits", "claims", "load_tails", "keep_snapshot", "rename", "in_transaction")
"""What a repository may have besides; ``commit_then`` is awaited in a way of its own."""

_PARTING: Final = 2
"""Seconds for what a repository still does after a call of it was cancelled, when it is to be closed."""

_TURNS: Final = (0, 1, 2, 3, 5, 8, 13, 21)
"""After how many turns of the loop a call is cancelled."""


@final
class LoopThread:
    """An event loop in a thread, from entering to leaving."""

    def __init__(self, *, patience: int) -> None:
        """Make the loop.

        Args:
            patience: Seconds after which a call that is not answered is stuck.
        """
        self.patience = patience
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> LoopThread:
        """Start it."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, and leave nothing behind."""
        self.call(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """Make an awaitable on the loop, and wait for what it gives."""

        async def awaited() -> T:
            return await make()

        future = asyncio.run_coroutine_threadsafe(awaited(), self._loop)
        try:
            return future.result(self.patience)
        except TimeoutError:
            if future.done():
                raise  # it is an answer
            future.cancel()
            msg = f"not answered within {self.patience} seconds"
            raise TimeoutError(msg) from None

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _end(self) -> None:
        waiting = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=1) if waiting else None
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()


@final
class Awaited:
    """A ``Repository`` over an ``AsyncRepository``, with whatever that has besides."""

    def __init__(self, loop: LoopThread, inner: AsyncRepository) -> None:
        """Look for what it has besides."""
        self._loop = loop
        self._left = set[asyncio.Task[Any]]()
        self.inner = inner
        for name in _BESIDE:
            if hasattr(self.inner, name):
                setattr(self, name, self._call_of(name))
        if hasattr(self.inner, "commit_then"):
            self.commit_then = self._commit_then

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Give streams as they are kept."""
        return self._loop.call(lambda: self.inner.load(streams))

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did."""
        return self._loop.call(lambda: self.inner.receipt(home, key))

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes."""
        self._loop.call(lambda: self.inner.commit(command, changes))

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters."""
        return self._loop.call(lambda: self.inner.claimed(counters, key=key, at=at))

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List streams that time brings something for."""
        return self._loop.call(lambda: self.inner.due(before=before, after=after, limit=limit))

    def cancelled(self, command: Command, changes: Sequence[Change], turns: int) -> None:
        """Begin a commit, and cancel it after some turns of the loop."""

        async def cut_off() -> None:
            before = asyncio.all_tasks()
            task = asyncio.ensure_future(self.inner.commit(command, changes))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # looked at: the next commit tells what was kept
            self._left |= asyncio.all_tasks() - before - {task}

        self._loop.call(cut_off)

    def close(self) -> None:
        """Close what can be closed, awaited or not."""

        async def closed() -> None:
            if self._left:  # what was cancelled may be giving back what it held
                await asyncio.wait(self._left, timeout=_PARTING)
            close = getattr(self.inner, "aclose", None) or getattr(self.inner, "close", None)
            answer = close() if close is not None else None
            if inspect.isawaitable(answer):
                await answer

        self._loop.call(closed)

    def _call_of(self, name: str) -> Callable[..., object]:
        method = getattr(self.inner, name)

        def call(*args: object, **named: object) -> object:
            async def awaited() -> object:
                answer = method(*args, **named)
                return await answer if inspect.isawaitable(answer) else answer

            return self._loop.call(awaited)

        return call

    def _commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[Any], object], /) -> None:
        async def awaited_then(given: object) -> None:
            answer = then(given)
            if inspect.isawaitable(answer):
                await answer

        commit_then = cast("Any", self.inner).commit_then  # it has it: else this method is not reached
        self._loop.call(lambda: cast("Coroutine[None, None, None]", commit_then(command, changes, awaited_then)))


def faces(loop: LoopThread, factory: Callable[[], AsyncRepository]) -> Callable[[], Awaited]:
    """Make a factory of faces: the same face for the same repository."""
    first = list[Awaited]()

    async def made() -> AsyncRepository:
        return factory()

    def face() -> Awaited:
        inner = loop.call(made)
        if not first:
            first.append(Awaited(loop, inner))
        return first[0] if first[0].inner is inner else Awaited(loop, inner)

    return face


def _survives_being_cancelled(port: Port) -> None:
    face = port.repository
    assert isinstance(face, Awaited)  # this check is for those that are awaited
    a, counter = port.stream("a"), port.counter("c")
    for version, turns in enumerate(_TURNS):
        command, change = port.command(str(version)), append_to(a, version, marker(str(version)))
        claim = claim_of(counter, port.key("holder"), version + 1, None)
        call = f"commit(Command({command.home!r}, {command.key!r}), …), cancelled after {turns} turns of the loop"
        port.know(command, (change, claim))
        port.asked(call, partial(face.cancelled, command, (change, claim), turns))
        again = type(port.commit(command, change, claim)).__name__
        if again not in {"NoneType", "DuplicateError"}:
            port.fail(f"the same command after it was cancelled raised {again}")
        port.holds(a, *(marker(str(number)) for number in range(version + 1)))
        port.counts(counter, port.key("holder"), total=version + 1, mine=version + 1)
        port.refuses(DuplicateError, command, change)


CHECKS: Final[tuple[tuple[int, Callable[[Port], None]], ...]] = ((3, _survives_being_cancelled),)
