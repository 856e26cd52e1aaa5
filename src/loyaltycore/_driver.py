"""What runs the steps of a service over a repository that is not awaited."""

from __future__ import annotations

from typing import TypeVar, assert_never, cast

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

__all__ = ["Driver"]

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
