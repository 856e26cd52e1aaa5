"""The driver: each call of the port is answered by the repository, and its errors come back to the steps."""

from __future__ import annotations

from typing import Any

import pytest

from loyaltycore import Loyalty, RefusedError
from loyaltycore._driver import Driver
from loyaltycore._snapshots import SNAPSHOT_FORM
from loyaltycore._steps import (
    AskClaimed,
    AskReceipt,
    Commit,
    KeepSnapshot,
    ListDue,
    ListStreams,
    Load,
    LoadTails,
    Projected,
    Rename,
    Steps,
)
from loyaltycore.errors import ConflictError, Reason, Refusal
from loyaltycore.facts import Append, Command
from loyaltycore.identity import CounterId, Key, member_stream
from loyaltycore.memberships import MemberJoined
from loyaltycore.repositories import Snapshot
from loyaltycore.store.memory import MemoryRepository
from tests.test_services import NOON, PROGRAM, Clock

STREAM = member_stream("m")
COMMAND = Command.of(STREAM, Key("join"), actor="test")
JOINED = Append(stream=STREAM, expected_version=0, facts=[MemberJoined(member_id="m", at=NOON)])


def driver(**more: Any) -> Loyalty:  # noqa: ANN401  # of a service
    """Give something that drives."""
    return Loyalty(PROGRAM, MemoryRepository(), clock=Clock(), **more)


def steps(call: Any) -> Steps[Any]:  # noqa: ANN401  # any call
    """Ask one thing, and answer with what was heard."""
    return (yield call)


class TestDriver:
    def test_it_is_what_loyalty_is_built_on(self) -> None:
        """One driver for all its calls."""
        assert isinstance(driver(), Driver)

    def test_each_call(self) -> None:
        """Goes to the method of its name, with what it says."""
        shop = driver()
        store: Any = shop.repository
        assert shop._run(steps(Load((STREAM,)))) == store.load([STREAM])
        assert shop._run(steps(AskReceipt(COMMAND))) is None
        shop._run(steps(Commit(COMMAND, (JOINED,), Projected(COMMAND, (), NOON))))
        assert shop._run(steps(AskReceipt(COMMAND))) == store.receipt(STREAM, COMMAND.key)
        counters = (CounterId("offer/x/orders"),)
        assert shop._run(steps(AskClaimed(counters, Key("k"), NOON))) == store.claimed(counters, key=Key("k"), at=NOON)
        snapshot = Snapshot(form=SNAPSHOT_FORM, version=1, text="{}")
        shop._run(steps(KeepSnapshot(STREAM, snapshot)))
        assert shop._run(steps(LoadTails((STREAM,))))[STREAM].snapshot == snapshot
        assert shop._run(steps(ListDue(NOON, None, 5))) == []
        assert shop._run(steps(ListStreams("member", None))) == [STREAM]
        assert shop._run(steps(ListStreams("member", STREAM))) == []
        new = member_stream("n")
        shop._run(steps(Rename(STREAM, new, {new: [MemberJoined(member_id="n", at=NOON)]})))
        assert store.streams("member") == [new]

    def test_the_hook_is_called_with_the_transaction(self) -> None:
        """Where something changed; of a commit that changes no state it is told nothing."""
        seen = list[Projected]()
        shop = driver(project=seen.append)
        shop._run(steps(Commit(COMMAND, (), Projected(COMMAND, (), NOON))))
        other = Command.of(STREAM, Key("other"), actor="test")
        shop._run(steps(Commit(other, (JOINED,), Projected(other, ("state",), NOON))))
        assert seen == [Projected(other, ("state",), NOON)]

    def test_errors_are_handed_to_the_steps(self) -> None:
        """Which let go what is not theirs, and go on after what is."""
        shop = driver()
        again = Commit(COMMAND, (JOINED,), Projected(COMMAND, (), NOON))

        def careful() -> Steps[str]:
            yield again
            try:
                yield Commit(Command.of(STREAM, Key("x"), actor="test"), (JOINED,), Projected(COMMAND, (), NOON))
            except ConflictError:
                return "lost"
            return "kept"

        assert shop._run(careful()) == "lost"

        def careless() -> Steps[None]:
            yield Commit(Command.of(STREAM, Key("x"), actor="test"), (JOINED,), Projected(COMMAND, (), NOON))

        with pytest.raises(ConflictError):
            shop._run(careless())

    def test_an_error_is_handed_over_once(self) -> None:
        """The call after it is answered as any other."""
        shop = driver()

        def several() -> Steps[list[object]]:
            heard = list[object]()
            for key in ("a", "b"):
                try:
                    heard.append((yield Commit(Command.of(STREAM, Key(key), actor="t"), (JOINED,), Projected(COMMAND, (), NOON))))
                except ConflictError:
                    heard.append("lost")
            heard.append((yield ListStreams("order", None)))
            return heard

        assert shop._run(several()) == [None, "lost", []]

    @pytest.mark.parametrize("error", [RefusedError(Refusal(Reason.ORDER_NOT_FOUND)), KeyError("x")])
    def test_what_steps_raise_is_raised(self, error: Exception) -> None:
        """As it is, after what was asked."""

        def refusing() -> Steps[None]:
            yield ListStreams("order", None)
            raise error

        with pytest.raises(type(error)):
            driver()._run(refusing())
