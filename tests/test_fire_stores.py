"""Stores under fire, small: ``make fire`` burns them long. They are seen to catch a store that counts wrongly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from loyaltycore import Loyalty, RefusedError
from loyaltycore.facts import Append, Change, Claim, Command
from loyaltycore.orders import OrderPlaced
from loyaltycore.program import Quote
from loyaltycore.repositories import Claimed
from loyaltycore.store.memory import MemoryRepository
from tests import fire_cap, fire_replay
from tests.fire_cap import CONFIRMED, Shopper, Worker, burn, burn_campaign
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
        """One line for each fire, and code 0."""
        assert fire_cap.main(["--cap", "2", "--processes", "2", "--attempts", "20", "--kills", "1", "--shoppers", "16"]) == 0
        first, second = capsys.readouterr().out.splitlines()
        assert "exactly 2 places taken" in first
        assert second.endswith("2 places taken and beyond them only late orders, each single code redeemed exactly once")

    def test_burned_cap_is_told(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """What went wrong is printed, and the code is 1."""

        def burned(*_: object, **__: object) -> None:
            raise AssertionError("one too many")  # noqa: EM101, TRY003 - the text is what is looked for

        monkeypatch.setattr(fire_cap, "burn", burned)
        assert fire_cap.main([]) == 1
        assert capsys.readouterr().out == "the cap burned down: one too many\n"


SHOPPERS = {"cap": 6, "processes": 8, "attempts": 96, "kills": 4}


def check_campaign(seen: fire_cap.Seen) -> None:
    """Enough happened for the fire to mean something."""
    assert seen[CONFIRMED] >= seen["single codes"] == 24
    assert seen["full"] > 30
    assert seen["kills"] >= 1


@pytest.mark.law(32, 33, 38, 40, 43)
class TestCampaign:
    def test_few_places_on_sqlite(self, tmp_path: Path) -> None:
        """Eight processes go through ``Loyalty``: exactly what there is, with kills, retries and late payments."""
        check_campaign(burn_campaign(f"sqlite:///{tmp_path}/fire.db", tmp_path, **SHOPPERS))

    def test_few_places_on_postgresql(self, tmp_path: Path, postgres: URL) -> None:
        """The same over PostgreSQL, whose writers do not wait in one line."""
        check_campaign(burn_campaign(postgres.render_as_string(hide_password=False), tmp_path, **SHOPPERS))

    @pytest.mark.parametrize("fault", ["Uncounted", "Unredeemed"])
    def test_a_store_that_counts_wrongly_burns(self, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It lets everybody in, or forgets who redeemed a code: the fire tells."""
        store, told = {
            "Uncounted": (Uncounted(), "8 have it, 0 of them late, of 3 places"),
            "Unredeemed": (Unredeemed(), r"a code was redeemed by \[\], and \['c-1', 'c-3'\] heard so"),
        }[fault]
        monkeypatch.setattr(fire_cap, "repository_of", lambda _, **__: store)
        shopper = Shopper("", cap=3, seed=1, attempts=16)
        log = tmp_path / "shopper.log"
        log.write_text("".join(f"{number} {shopper.attempt(number, honest=True)}\n" for number in range(16)))
        with pytest.raises(AssertionError, match=told):
            fire_cap._look_campaign(shopper.shop, [log], fire_cap.Seen(), shopper.codes, cap=3, attempts=16, last=16)

    def test_each_fate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Held, given up, forgotten, paid late, lost to somebody faster: each has its answer, also when it is asked again."""
        store = MemoryRepository()
        monkeypatch.setattr(fire_cap, "repository_of", lambda _, **__: store)
        monkeypatch.setattr(fire_cap, "HELD", timedelta(milliseconds=30))
        shopper = Shopper("", cap=1000, seed=3, attempts=400)
        answers = Counter(shopper.attempt(number, honest=False) for number in range(0, 200, 2))
        assert answers.keys() == {CONFIRMED, fire_cap.GIVEN_UP, fire_cap.FORGOTTEN}
        assert any(placed.late for n in range(0, 200, 2) if (placed := shopper.shop.order(f"c-{n}").placed) is not None)
        number = next(n for n in range(0, 200, 2) if shopper.shop.order(f"c-{n}").placed is not None)
        assert shopper.attempt(number, honest=True) == CONFIRMED

    def test_others_were_faster(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between the quote and the order the last place was taken; any other refusal is a fault."""
        store = MemoryRepository()
        monkeypatch.setattr(fire_cap, "repository_of", lambda _, **__: store)
        shopper = Shopper("", cap=1, seed=1, attempts=16)
        placing = type(shopper.shop).place

        def slow(shop: Loyalty, quote: Quote, *, order_id: str) -> OrderPlaced:
            if order_id == "c-0":
                placing(shop, quote, order_id="faster")
            if order_id == "c-1":
                placing(shop, shop.quote(fire_cap.GOODS), order_id="c-1")
            return placing(shop, quote, order_id=order_id)

        monkeypatch.setattr(type(shopper.shop), "place", slow)
        assert shopper.attempt(0, honest=True) == fire_cap.FULL
        with pytest.raises(RefusedError, match="key_reused"):
            shopper.attempt(1, honest=True)


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


class Uncounted(Passing):
    """Counts nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.claimed = lambda counters, **_: dict.fromkeys(counters, Claimed(total=0, mine=0))

    def left(self, _: Command, changes: Sequence[Change], /) -> Iterable[Change]:
        """Leave the claims out."""
        return (change for change in changes if not isinstance(change, Claim))


class Unredeemed(Passing):
    """Forgets what became of coupons."""

    def left(self, _: Command, changes: Sequence[Change], /) -> Iterable[Change]:
        """Leave the coupons out."""
        return (change for change in changes if not (isinstance(change, Append) and change.stream.startswith("coupon/")))


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
