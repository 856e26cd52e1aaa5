"""The fire, small: ten shops; ``make fire`` burns a hundred. It is seen to catch a shop that does things twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from loyaltycore.errors import ConflictError, DuplicateError
from loyaltycore.facts import Append, Change, Command
from loyaltycore.identity import Key
from loyaltycore.store.memory import MemoryRepository
from tests import fire
from tests.fire import BATCH, Fire, burn_down, main


class TestFire:
    @pytest.mark.law(5, 14, 38, 46)
    def test_ten_shops_burn_and_lose_nothing(self, tmp_path: Path) -> None:
        """Nothing twice, the books balance, the end law holds; and enough happened for that to mean something."""
        seen, wrong = burn_down(range(BATCH), tmp_path)
        assert wrong == []
        assert seen["shops"] == 2 * BATCH
        assert 0.35 < seen["lost"] / seen["calls"] < 0.45
        assert min(seen[name] for name in ("orders", "burns", "returns", "actions", "adjustments", "joins", "refusals")) > 5

    def test_same_seed_burns_alike(self) -> None:
        """A shop that burned down can be looked at again."""
        first, second = (Fire(3, MemoryRepository()) for _ in range(2))
        first.run()
        second.run()
        assert (first.seen, first.lossy.calls, first.lossy.lost) == (second.seen, second.lossy.calls, second.lossy.lost)

    def test_summary_and_code(self, capsys: pytest.CaptureFixture[str]) -> None:
        """One line a batch, one at the end, and code 0."""
        assert main(["2", "40"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert lines[0].startswith("shops 40 to 41, over memory and SQLite: ")
        assert lines[1].startswith("2 shops, every call made twice: ")
        assert lines[1].endswith("nothing twice, the books balance, the end law holds")

    def test_shop_without_receipts_burns_down(self) -> None:
        """A repository that does a command sent twice again is found out."""
        with pytest.raises((AssertionError, ConflictError)):
            Fire(0, WithoutReceipts()).run()

    def test_burned_shop_is_told(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """What went wrong is printed, and the code is 1."""
        monkeypatch.setattr(fire, "MemoryRepository", WithoutReceipts)
        assert main(["1"]) == 1
        out = capsys.readouterr().out
        assert "  shop 0 over memory: " in out
        assert out.splitlines()[-1].endswith("burned down")

    def test_dead_line_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A shop that never hears an answer does not call for ever."""
        monkeypatch.setattr(fire, "LOST", 1.1)
        monkeypatch.setattr(fire, "PATIENCE", 20)
        with pytest.raises(AssertionError, match="no answer after 20 calls"):
            Fire(0, MemoryRepository()).run()


class WithoutReceipts:
    """A store that forgets which commands it did, and lets each one in whatever the version."""

    def __init__(self) -> None:
        self.inner = MemoryRepository()
        self.load, self.claimed, self.due = self.inner.load, self.inner.claimed, self.inner.due
        self.streams = self.inner.streams
        self.count = 0

    def receipt(self, _home: str, _key: str, /) -> None:
        """Know nothing."""

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Do it again."""
        self.count += 1
        again = Command.of(command.home, Key(f"{command.key} {self.count}"), actor="test")
        try:
            self.inner.commit(again, changes)
        except (ConflictError, DuplicateError):
            appends = [change for change in changes if isinstance(change, Append)]
            assert appends
            raise
