"""What runs the steps of a service: over a repository that answers at once, or over one that is awaited."""

from __future__ import annotations

from typing import Any, TypeVar, assert_never, cast

import attrs

from loyaltycore._service import Steward
from loyaltycore._snapshots import SNAPSHOT_FORM
from loyaltycore._steps import (
    AskClaimed,
    AskReceipt,
    Call,
    Commit,
    KeepSnapshot,
    ListDue,
    ListStreams,
    Load,
    LoadTails,
    Rename,
    Steps,
)

__all__ = ["AsyncDriver", "Driver"]

A = TypeVar("A")


class Driver(Steward):
    """Answers each call of the port at once."""

    __slots__ = ()

    def _run(self, steps: Steps[A]) -> A:
        """Drive a service over a synchronous repository."""
        answer: object = None
        error: Exception | None = None
        while True:
            try:
                call = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as stop:
                return cast("A", stop.value)
            answer, error = None, None
            try:
                answer = self._answer(call)
            except Exception as raised:  # noqa: BLE001 - handed to the service, which lets go on what is not its own
                error = raised

    def _answer(self, call: Call) -> object:
        repository = self.repository  # what it can do besides was asked for before
        match call:
            case Load():
                return repository.load(call.streams)
            case LoadTails():
                return repository.load_tails(call.streams, form=SNAPSHOT_FORM)
            case AskClaimed():
                return repository.claimed(call.counters, key=call.key, at=call.at)
            case AskReceipt():
                return repository.receipt(call.command.home, call.command.key)
            case Commit():
                return self._commit(call)
            case KeepSnapshot():
                return repository.keep_snapshot(call.stream, call.snapshot)
            case ListDue():
                return repository.due(before=call.before, after=call.after, limit=call.limit)
            case ListStreams():
                return repository.streams(call.kind, after=call.after)
            case Rename():
                return repository.rename(call.old, call.new, facts=call.facts)
        assert_never(call)

    def _commit(self, call: Commit) -> object:
        project = self.project
        if project is None or not call.projected.states:
            return self.repository.commit(call.command, call.changes)

        def then(transaction: object) -> None:
            project(attrs.evolve(call.projected, transaction=transaction))

        return self.repository.commit_then(call.command, call.changes, then)


class AsyncDriver(Steward):
    """Awaits the answer to each call of the port."""

    __slots__ = ()

    async def _run(self, steps: Steps[A]) -> A:
        """Drive a service over a repository that is awaited."""
        answer: object = None
        error: BaseException | None = None
        while True:
            try:
                call = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as stop:
                return cast("A", stop.value)
            answer, error = None, None
            try:
                answer = await self._answer(call)
            except Exception as raised:  # noqa: BLE001 - handed to the service, which lets go on what is not its own
                error = raised

    async def _answer(self, call: Call) -> object:
        repository = cast("Any", self.repository)  # what it can do besides was asked for before
        match call:
            case Load():
                return await repository.load(call.streams)
            case LoadTails():
                return await repository.load_tails(call.streams, form=SNAPSHOT_FORM)
            case AskClaimed():
                return await repository.claimed(call.counters, key=call.key, at=call.at)
            case AskReceipt():
                return await repository.receipt(call.command.home, call.command.key)
            case Commit():
                return await self._commit(call)
            case KeepSnapshot():
                return await repository.keep_snapshot(call.stream, call.snapshot)
            case ListDue():
                return await repository.due(before=call.before, after=call.after, limit=call.limit)
            case ListStreams():
                return await repository.streams(call.kind, after=call.after)
            case Rename():
                return await repository.rename(call.old, call.new, facts=call.facts)
        assert_never(call)

    async def _commit(self, call: Commit) -> object:
        project, repository = self.project, cast("Any", self.repository)
        if project is None or not call.projected.states:
            return await repository.commit(call.command, call.changes)

        async def then(transaction: object) -> None:
            await project(attrs.evolve(call.projected, transaction=transaction))

        return await repository.commit_then(call.command, call.changes, then)
