"""Stores under fire, small: ``make fire`` burns them long. They are seen to catch a store that counts wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import URL

from loyaltycore.facts import Append, Change, Claim, Command
from loyaltycore.store.memory import MemoryRepository
from tests import fire_cap, fire_replay
from tests.fire_cap import CONFIRMED, Worker, burn
from tests.fire_replay import Histories

SMALL = {"cap": 8, "processes": 4, "attempts": 160, "kills": 6}


def check(seen: fire_cap.Seen) -> None:
    """Enough happened for the fire to mean something."""
    assert seen[CONFIRMED] == seen["cap"] == 8
    assert seen["full"] > 50
    assert seen["kills"] == 6


class TestCap:
    @pytest.mark.law(32, 33, 38, 40)
    def test_few_places_on_sqlite(self, tmp_path: Path) -> None:
        """Exactly the places there are, with kills and calls made twice; every answer kept, nothing half."""
        check(burn(f"sqlite:///{tmp_path}/fire.db", tmp_path, **SMALL))

    @pytest.mark.law(32, 33, 38, 40)
    def test_few_places_on_postgresql(self, tmp_path: Path, postgres: URL) -> None:
        """The same over PostgreSQL, whose writers do not wait in one line."""
        check(burn(postgres.render_as_string(hide_password=False), tmp_path, **SMALL))

    @pytest.mark.parametrize("seed", range(3))
    def test_a_store_that_counts_wrongly_burns(self, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It lets one too many in: the fire tells."""
        store = OneTooMany()
        monkeypatch.setattr(fire_cap, "repository_of", lambda _, **__: store)
        log = tmp_path / "worker.log"
        worker = Worker("", cap=3, seed=seed)
        log.write_text("".join(f"{number} {worker.attempt(number, honest=True)}\n" for number in range(9)))
        with pytest.raises(AssertionError, match="4 confirmed, of 3 places"):
            fire_cap._look(store, [log], fire_cap.Seen(), cap=3, attempts=9)

    def test_a_store_that_loses_an_answer_burns(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It said yes and kept nothing: the fire tells."""
        store = Loses()
        monkeypatch.setattr(fire_cap, "repository_of", lambda _, **__: store)
        log = tmp_path / "worker.log"
        worker = Worker("", cap=3, seed=0)
        log.write_text("".join(f"{number} {worker.attempt(number, honest=True)}\n" for number in range(3)))
        with pytest.raises(AssertionError, match="is lost"):
            fire_cap._look(store, [log], fire_cap.Seen(), cap=3, attempts=3)

    def test_summary_and_code(self, capsys: pytest.CaptureFixture[str]) -> None:
        """One line, and code 0."""
        assert fire_cap.main(["--cap", "2", "--processes", "2", "--attempts", "20", "--kills", "1"]) == 0
        assert "exactly 2 places taken" in capsys.readouterr().out

    def test_burned_cap_is_told(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """What went wrong is printed, and the code is 1."""

        def burned(*_: object, **__: object) -> None:
            raise AssertionError("one too many")  # noqa: EM101, TRY003 - the text is what is looked for

        monkeypatch.setattr(fire_cap, "burn", burned)
        assert fire_cap.main([]) == 1
        assert capsys.readouterr().out == "the cap burned down: one too many\n"


class Passing:
    """Passes on to a memory."""

    def __init__(self) -> None:
        self.inner = MemoryRepository()
        self.load = self.inner.load
        self.receipt = self.inner.receipt
        self.claimed = self.inner.claimed

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Pass on what a liar leaves."""
        self.inner.commit(command, list(self.left(command, changes)))

    def left(self, command: Command, changes: Sequence[Change], /) -> Iterable[Change]:
        """Give what is kept."""
        raise NotImplementedError


class OneTooMany(Passing):
    """Counts up to one more than the limit."""

    def left(self, _: Command, changes: Sequence[Change], /) -> Iterable[Change]:
        """Raise the limit."""
        for change in changes:
            if isinstance(change, Claim):
                limit = None if change.limit is None else change.limit + 1
                yield Claim(
                    counter=change.counter, key=change.key, amount=change.amount, limit=limit, at=change.at, until=change.until
                )
            else:
                yield change


class Loses(Passing):
    """Says yes to a confirmation, and keeps no order."""

    def left(self, command: Command, changes: Sequence[Change], /) -> Iterable[Change]:
        """Leave the order out."""
        return (c for c in changes if not (command.key == "confirm" and isinstance(c, Append) and c.stream == command.home))


class TestReplay:
    @pytest.mark.law(40)
    def test_killed_and_started_again(self, tmp_path: Path) -> None:
        """The store is that of a replay never killed."""
        histories = Histories(tmp_path, members=15, orders=80)
        assert sum(histories.trial(seed) for seed in range(2)) >= 1

    def test_another_store_is_told(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """What differs is printed, and the code is 1."""

        def differs(_: Histories, seed: int) -> int:
            raise AssertionError(f"trial {seed}: the store differs")  # noqa: EM102, TRY003 - the text is what is looked for

        monkeypatch.setattr(Histories, "__init__", lambda _, folder: None)  # noqa: ARG005 - nothing is made
        monkeypatch.setattr(Histories, "trial", differs)
        assert fire_replay.main(["1", "7"]) == 1
        assert capsys.readouterr().out == "the replay burned down: trial 7: the store differs\n"
