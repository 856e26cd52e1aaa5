"""The command line: what it prints, how it ends, and what it leaves behind."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
from sqlalchemy import URL

from examples.velo import generate
from loyaltycore import Basket, Loyalty, Program, _cli_member, cli
from loyaltycore.cli import main
from loyaltycore.coupons import CodeBook
from loyaltycore.facts import Claim, Command
from loyaltycore.gift_cards import CardNumbers
from loyaltycore.identity import CounterId, Key, order_stream
from loyaltycore.offers import OfferWarning
from loyaltycore.program import ProgramWarning
from loyaltycore.replay import ColumnMap, Report, replay
from loyaltycore.store.sqlite import SQLiteRepository

VELO = Path(generate.__file__).parent
PROGRAM = str(VELO / "program.toml")
BASKET = str(VELO / "basket.json")
RETAIL = VELO.parent / "online-retail"
SUMMER = "2026-07-14T10:00:00+02:00"

JOIN = '{"kind": "join", "at": "2026-07-01T09:00:00+02:00", "member_id": "m-1"}\n'
ORDER = (
    '{"kind": "order", "at": "2026-07-01T10:00:00+02:00", "order_id": "1", "member_id": "m-1",'
    ' "lines": [{"line_id": "1", "unit_price": "60.00"}], "shipping": "4.90"}\n'
)
RETURN = '{"kind": "return", "at": "2026-07-02T10:00:00+02:00", "order_id": "9", "return_id": "r", "amount": "1.00"}\n'

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Write a small history."""
    path = tmp_path / "history.jsonl"
    path.write_text(JOIN + ORDER)
    return path


def run(*arguments: object) -> int:
    """Run a command."""
    return main([str(argument) for argument in arguments])


def keys(folder: Path) -> list[str]:
    """Name the keys that the generator wrote beside a history."""
    return [f"--{of}-key-file={folder / of}.key" for of in ("codes", "cards")]


def url(path: Path) -> str:
    """Name a store."""
    return f"sqlite:///{path}"


def members(store: Path) -> Sequence[str]:
    """Open a store and list its members."""
    with SQLiteRepository(store) as repository:
        return repository.streams("member")


def python(*arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False, env={**os.environ, **changes}
    )


Progress = Callable[[int], None]
Booked = Callable[..., Report]


def around(monkeypatch: pytest.MonkeyPatch, do: Callable[[Booked, SQLiteRepository, Progress], Report]) -> None:
    """Do something around the replay that the command runs."""

    def patched(
        program: Program,
        histories: Sequence[Path],
        repository: SQLiteRepository,
        *,
        columns: ColumnMap | None,
        codes: CodeBook | None,
        card_numbers: CardNumbers | None,
        progress: Progress,
    ) -> Report:
        def booked(told: Progress = progress) -> Report:
            return replay(program, histories, repository, columns=columns, codes=codes, card_numbers=card_numbers, progress=told)

        return do(booked, repository, progress)

    monkeypatch.setattr(cli, "replay", patched)


class TestCheck:
    """``loyaltycore check``."""

    def test_right(self, capsys: Capture) -> None:
        """A right program is named in one line, with its digest."""
        assert run("check", PROGRAM) == 0
        assert (
            capsys.readouterr().out == "velo 3: 4 offers, 3 campaigns, 3 actions, 3 tiers, 4 rewards, 2 milestones, referrals;"
            f" digest {Program.load(PROGRAM).digest}\n"
        )
        assert run("check", RETAIL / "program.toml") == 0

    def test_what_is_odd_is_told_beside(self, tmp_path: Path, capsys: Capture) -> None:
        """A warning stands on the error stream, and the program is right all the same."""
        path = tmp_path / "program.toml"
        path.write_text(
            'program = { name = "a", version = 1, currency = "EUR", zone = "UTC", starts_on = 2026-07-01 }\n'
            'stacking = { mode = "all" }\n'
            '[[offers]]\nid = "ten"\nwhen = { member = true, not = { member = true } }\ngive = { percent_off = "10" }\n'
        )
        with pytest.warns(ProgramWarning, match="ten"):
            (warning,) = Program.load(path).warnings
        assert isinstance(warning, OfferWarning)
        assert warning.offer_ids == ("ten",)
        assert run("check", path) == 0
        said = capsys.readouterr()
        assert said.out.startswith("a 1: 1 offers")
        assert said.err.startswith("warning: ")

    def test_without_tiers(self, tmp_path: Path, capsys: Capture) -> None:
        """What a program has not is not named."""
        path = tmp_path / "program.toml"
        path.write_text('program = { name = "a", version = 1, currency = "EUR", zone = "UTC", starts_on = 2026-07-01 }')
        assert run("check", path) == 0
        assert capsys.readouterr().out.startswith("a 1: 0 offers, 0 actions; digest ")

    def test_five_mistakes(self, tmp_path: Path, capsys: Capture) -> None:
        """Five planted mistakes are five messages, each with its key, on standard error."""
        text = Path(PROGRAM).read_text(encoding="utf-8")
        for right, wrong in (
            ('"EUR"', '"EUX"'),
            ('"1 per 1.00"', '"one per euro"'),
            ("burn_minimum = 500", "burn_minimum = 0"),
            ('downgrade = "one step"', 'downgrade = "slowly"'),
            ('percent_off = "15"', 'percent_of = "15"'),
        ):
            assert right in text
            text = text.replace(right, wrong, 1)
        path = tmp_path / "program.toml"
        path.write_text(text, encoding="utf-8")
        assert run("check", path) == 2
        out, err = capsys.readouterr()
        lines = err.splitlines()
        assert out == ""
        assert all(line.startswith(f"loyaltycore: {path}: ") for line in lines)
        keys = ("program.currency", "points.earn", "points.burn_minimum", "tiers.downgrade", "offers[4].give")
        assert [[key for key in keys if f": {key}" in line] for line in lines if "percent_off or" not in line] == [
            [key] for key in keys
        ]

    @pytest.mark.parametrize("data", [None, b"[program", b"\xff\xfe"])
    def test_no_program(self, tmp_path: Path, capsys: Capture, data: bytes | None) -> None:
        """A file that is not there, no TOML or no text."""
        path = tmp_path / "program.toml"
        if data is not None:
            path.write_bytes(data)
        assert run("check", path) == 2
        assert capsys.readouterr().err.startswith(f"loyaltycore: {path}: ")

    @pytest.mark.parametrize(
        "arguments", [[], ["chek"], ["check"], ["replay", PROGRAM], ["quote", PROGRAM, BASKET, "--burn", "x"]]
    )
    def test_bad_usage(self, capsys: Capture, arguments: list[str]) -> None:
        """Bad usage ends with 2 and says how it is meant."""
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert "usage: loyaltycore" in capsys.readouterr().err


class TestReplay:
    """``loyaltycore replay``."""

    def test_summary(self, history: Path, capsys: Capture) -> None:
        """The summary says what came of the history, in lines a person can read."""
        assert run("replay", PROGRAM, history) == 0
        lines = capsys.readouterr().out.splitlines()
        found = dict(line.strip().split(maxsplit=1) for line in lines if len(line.split()) > 1)
        assert found["members"] == "1"
        assert found["orders"] == "1 (0 of guests)"
        assert found["earned"] == "54"
        assert found["tiers"].split() == ["bronze", "silver", "gold", "up", "down"]
        assert found["2026-Q3"].split() == ["1", "0", "0", "0", "0"]
        assert found["ten-from-fifty"] == "1 uses, €6.00"
        assert found["rows"] == "2"
        assert found["SUMMER10"] == "0 redeemed, brought €0.00, cost €0.00"
        assert found["books"] == "balanced"
        assert "beside" not in lines
        assert "gift cards" not in lines

    def test_codes_and_gift_cards(self, tmp_path: Path, capsys: Capture) -> None:
        """Campaigns say what they gave out, brought and cost; gift cards where their money is."""
        path = tmp_path / "velo.jsonl"
        generate.main(["--out", str(path), "--members", "60", "--orders", "200"])
        capsys.readouterr()
        assert run("replay", PROGRAM, path, *keys(tmp_path)) == 0
        lines = capsys.readouterr().out.splitlines()
        start = lines.index("campaigns") + 1
        names = [line.split()[0] for line in lines[start : lines.index("", start)]]
        assert {"SUMMER10", "sorry-10", "welcome", "friends-friend"} <= set(names)
        assert names == sorted(names)
        assert re.fullmatch(
            r"  welcome +300 issued, \d+ granted, [1-9]\d* redeemed \(\d+\.\d %\), brought €[\d,.]+, cost €[\d,.]+",
            lines[start + names.index("welcome")],
        )
        start = lines.index("gift cards") + 1
        names = [line.split()[0] for line in lines[start : lines.index("", start)] if "€" in line]
        assert {"loaded", "paid", "left", "expired"} <= set(names) <= {"loaded", "cancelled", "paid", "left", "expired"}
        assert "books" in lines[-1]
        assert lines[-1].endswith(" balanced")

    def test_without_keys(self, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """A history with codes of a machine, or gift cards, says which key is missing; the environment serves too."""
        for name in ("LOYALTYCORE_CODES_KEY", "LOYALTYCORE_CARDS_KEY"):
            monkeypatch.delenv(name, raising=False)
        path = tmp_path / "velo.jsonl"
        generate.main(["--out", str(path), "--members", "5", "--orders", "60"])
        codes, cards = keys(tmp_path)
        assert run("replay", PROGRAM, path, cards) == 2
        assert "campaign 'welcome' has codes that a machine makes" in capsys.readouterr().err
        assert run("replay", PROGRAM, path, codes) == 2
        assert "there must be card_numbers" in capsys.readouterr().err
        monkeypatch.setenv("LOYALTYCORE_CODES_KEY", (tmp_path / "codes.key").read_text())
        monkeypatch.setenv("LOYALTYCORE_CARDS_KEY", (tmp_path / "cards.key").read_text())
        assert run("replay", PROGRAM, path) == 0

    def test_json(self, history: Path, tmp_path: Path) -> None:
        """The JSON is the report, to the byte the same each time."""
        path = tmp_path / "out.json"
        assert run("replay", PROGRAM, history, "--json", path) == 0
        first = path.read_bytes()
        data = json.loads(first)
        assert data["lines"] == {"read": 2, "buckets": {"sale_member": 1, "join": 1}, "beside": {}}
        assert data["balanced"] is True
        assert run("replay", PROGRAM, history, "--json", path) == 0
        assert path.read_bytes() == first

    def test_new_store(self, history: Path, tmp_path: Path) -> None:
        """A new store is whole, opens again, and leaves nothing beside it."""
        store = tmp_path / "loyalty.db"
        assert run("replay", PROGRAM, history, "--store", url(store)) == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["history.jsonl", "loyalty.db"]
        assert members(store) == ["member/m-1"]
        with closing(sqlite3.connect(store)) as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def test_again_into_a_store(self, history: Path, tmp_path: Path) -> None:
        """Again into the same store: the same report, and nothing changed in it."""
        store, one, two = tmp_path / "loyalty.db", tmp_path / "1.json", tmp_path / "2.json"
        assert run("replay", PROGRAM, history, "--store", url(store), "--json", one) == 0
        before = dump(store)
        assert run("replay", PROGRAM, history, "--store", url(store), "--json", two) == 0
        assert (one.read_bytes(), before) == (two.read_bytes(), dump(store))

    def test_a_store_of_no_bytes(self, history: Path, tmp_path: Path) -> None:
        """An empty file that is there already becomes a store."""
        store = tmp_path / "loyalty.db"
        store.touch()
        assert run("replay", PROGRAM, history, "--store", url(store)) == 0
        assert members(store) == ["member/m-1"]

    def test_strict(self, tmp_path: Path, capsys: Capture) -> None:
        """With --strict what could not be mapped or booked ends with 1; the summary is printed all the same."""
        for bad in ("x\n", RETURN):
            path = tmp_path / "history.jsonl"
            path.write_text(JOIN + bad)
            assert run("replay", PROGRAM, path) == 0
            assert run("replay", PROGRAM, path, "--strict") == 1
            assert "DO NOT BALANCE" not in capsys.readouterr().out
        path.write_text(JOIN + ORDER)
        assert run("replay", PROGRAM, path, "--strict") == 0

    def test_books_that_do_not_balance(self, history: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        """Books that do not balance end with 1, and say so."""
        around(monkeypatch, lambda booked, _repository, _progress: attrs.evolve(booked(), balanced=False))
        assert run("replay", PROGRAM, history) == 1
        assert "DO NOT BALANCE" in capsys.readouterr().out

    def test_order_lines(self, tmp_path: Path) -> None:
        """CSV is read with a map."""
        path, out = tmp_path / "lines.csv", tmp_path / "out.json"
        heading = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
        path.write_text(f"{heading}\n536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n")
        columns = RETAIL / "columns.toml"
        assert run("replay", RETAIL / "program.toml", path, "--columns", columns, "--json", out) == 0
        assert json.loads(out.read_text())["lines"]["buckets"] == {"sale_member": 1}

    def test_forgotten_map(self, tmp_path: Path, capsys: Capture) -> None:
        """A CSV file without a map is all unreadable: nothing is kept, and a hint says why."""
        path, store = tmp_path / "lines.csv", tmp_path / "shop.db"
        path.write_text("InvoiceNo,StockCode\n1,2\n")
        assert run("replay", PROGRAM, path, "--store", f"sqlite:///{store}") == 2
        assert list(tmp_path.iterdir()) == [path]
        assert capsys.readouterr().err == "loyaltycore: no row was an event: a CSV file needs --columns\n"

    @pytest.mark.law(42)
    def test_hash_seed(self, tmp_path: Path) -> None:
        """The same bytes, whatever the seed of Python's hashes."""
        path = tmp_path / "velo.jsonl"
        generate.main(["--out", str(path), "--members", "10", "--orders", "40"])
        outs = []
        for seed in ("1", "2"):
            out, store = tmp_path / f"{seed}.json", tmp_path / f"{seed}.db"
            arguments = (PROGRAM, path, *keys(tmp_path), "--json", out, "--store", url(store))
            done = python("-m", "loyaltycore", "replay", *arguments, PYTHONHASHSEED=seed)
            assert done.returncode == 0, done.stderr
            outs.append((out.read_bytes(), done.stdout, dump(store)))
        assert outs[0] == outs[1]


def dump(store: Path) -> list[str]:
    """Give all a store holds."""
    with closing(sqlite3.connect(store)) as db:
        return list(db.iterdump())


def cut(_folder: Path) -> list[object]:
    """Give a gzip file cut off in the middle."""
    path = _folder / "cut.jsonl.gz"
    lines = "".join(JOIN.replace("m-1", f"m-{number * 7919 % 10007}") for number in range(10_000))
    data = gzip.compress(lines.encode())
    path.write_bytes(data[: len(data) // 2])
    return [PROGRAM, path]


def noise(folder: Path) -> list[object]:
    """Give a file of bytes."""
    path = folder / "noise.jsonl"
    path.write_bytes(JOIN.encode() + bytes(range(256)))
    return [PROGRAM, path]


def missing_column(folder: Path) -> list[object]:
    """Give a CSV file without one of the columns."""
    path = folder / "lines.csv"
    path.write_text("InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID\n")
    return [RETAIL / "program.toml", path, "--columns", RETAIL / "columns.toml"]


def other_currency(folder: Path) -> list[object]:
    """Give a map of another currency."""
    (folder / "lines.csv").write_text("")
    return [PROGRAM, folder / "lines.csv", "--columns", RETAIL / "columns.toml"]


def wrong_map(folder: Path) -> list[object]:
    """Give a map with two mistakes."""
    (folder / "lines.csv").write_text("")
    text = (RETAIL / "columns.toml").read_text(encoding="utf-8").replace("GBP", "GBX").replace("Europe/London", "London")
    (folder / "columns.toml").write_text(text, encoding="utf-8")
    return [RETAIL / "program.toml", folder / "lines.csv", "--columns", folder / "columns.toml"]


def no_map(folder: Path) -> list[object]:
    """Name a map that is not there."""
    (folder / "lines.csv").write_text("")
    return [PROGRAM, folder / "lines.csv", "--columns", folder / "none.toml"]


WRONG: Mapping[str, tuple[Callable[[Path], list[object]], str, int]] = {
    "cut": (cut, "cut.jsonl.gz: the gzip file is damaged or cut off", 1),
    "noise": (noise, "noise.jsonl: not UTF-8 text", 1),
    "missing column": (missing_column, "lines.csv: columns missing: UnitPrice; the file has: InvoiceNo, ", 1),
    "other currency": (other_currency, "the column map's currency GBP is not the program's EUR", 1),
    "wrong map": (wrong_map, "columns.toml: file.", 2),
    "no map": (no_map, "none.toml: cannot be read (No such file or directory)", 1),
    "no history": (lambda folder: [PROGRAM, folder / "none.jsonl"], "none.jsonl: no such file", 1),
    "a folder": (lambda folder: [PROGRAM, folder], ": is no file", 1),
}


class TestNothingHalfDone:
    """What goes wrong leaves nothing behind."""

    @pytest.mark.parametrize("name", WRONG)
    def test_wrong_files(self, tmp_path: Path, capsys: Capture, name: str) -> None:
        """A clear message, exit code 2, no store, no partial store, no JSON."""
        make, message, count = WRONG[name]
        arguments = make(tmp_path)
        before = sorted(tmp_path.iterdir())
        assert run("replay", *arguments, "--store", url(tmp_path / "s.db"), "--json", tmp_path / "out.json") == 2
        out, err = capsys.readouterr()
        assert (out, len(err.splitlines())) == ("", count)
        assert all(message in line for line in err.splitlines())
        assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.parametrize("make", [cut, noise])
    def test_a_store_that_was_there(self, tmp_path: Path, history: Path, make: Callable[[Path], list[object]]) -> None:
        """A history that breaks off changes nothing in a store that was there before."""
        store = tmp_path / "s.db"
        assert run("replay", PROGRAM, history, "--store", url(store)) == 0
        before = dump(store)
        assert run("replay", *make(tmp_path), "--store", url(store)) == 2
        assert dump(store) == before

    @pytest.mark.parametrize("text", ["x.db", "sqlite:///", "sqlite://x.db", "postgresql://x", "sqlite:///no/such/folder/x.db"])
    def test_wrong_store(self, history: Path, capsys: Capture, text: str) -> None:
        """A store is a file in a folder that is there."""
        assert run("replay", PROGRAM, history, "--store", text) == 2
        assert capsys.readouterr().err.startswith("loyaltycore: --store")

    def test_no_store(self, tmp_path: Path, history: Path, capsys: Capture) -> None:
        """A file that is no database, and one that another writes, are refused and left alone."""
        store = tmp_path / "notes.txt"
        store.write_text("dear diary, " * 100)
        assert run("replay", PROGRAM, history, "--store", url(store)) == 2
        assert capsys.readouterr().err == f"loyaltycore: {store}: file is not a database\n"
        assert store.read_text() == "dear diary, " * 100

    def test_never_over_what_is_read(self, tmp_path: Path, history: Path, capsys: Capture) -> None:
        """Neither the report nor the store is written over a file that is read, or over each other."""
        link = tmp_path / "link.jsonl"
        link.symlink_to(history)
        text = history.read_text()
        for arguments in (
            ["--json", history],
            ["--json", link],
            ["--store", url(history)],
            ["--json", PROGRAM],
            ["--json", tmp_path / "s.db", "--store", url(tmp_path / "s.db")],
        ):
            assert run("replay", PROGRAM, history, *arguments) == 2
            assert "is needed for something else here" in capsys.readouterr().err
        for arguments in (["--json", tmp_path], ["--store", url(tmp_path)]):
            assert run("replay", PROGRAM, history, *arguments) == 2
            assert "is a folder" in capsys.readouterr().err
        assert run("replay", PROGRAM, history, "--json", tmp_path / "no" / "out.json") == 2
        assert "--json: there is no folder" in capsys.readouterr().err
        assert history.read_text() == text

    def test_full_disk(self, tmp_path: Path, history: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        """Where the database undoes all by itself, as on a full disk, that is said, and nothing is left."""

        def fail(_booked: Booked, repository: SQLiteRepository, _progress: Progress) -> Report:
            repository._db().execute("ROLLBACK")
            msg = "database or disk is full"
            raise sqlite3.OperationalError(msg)

        around(monkeypatch, fail)
        assert run("replay", PROGRAM, history, "--store", url(tmp_path / "s.db")) == 2
        assert capsys.readouterr().err == "loyaltycore: database or disk is full\n"
        assert sorted(tmp_path.iterdir()) == [history]

    def test_unfinished_one_is_cleared(self, tmp_path: Path, history: Path) -> None:
        """What an earlier replay left unfinished goes, database or not."""
        store, partial = tmp_path / "s.db", tmp_path / "s.db.partial"
        for data in (b"", b"no database, " * 100):
            partial.write_bytes(data)
            assert run("replay", PROGRAM, history, "--store", url(store)) == 0
            assert not partial.exists()
            store.unlink()

    def test_another_replay_at_work(self, tmp_path: Path, history: Path, capsys: Capture) -> None:
        """Two replays into one new store: the second is refused, and the first is left alone."""
        partial = tmp_path / "s.db.partial"
        with closing(sqlite3.connect(partial, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            assert run("replay", PROGRAM, history, "--store", url(tmp_path / "s.db")) == 2
            assert "another replay is writing it" in capsys.readouterr().err
            assert partial.exists()


class TestStopping:
    """Ctrl-C."""

    @pytest.fixture(autouse=True)
    def _hears(self) -> Iterator[None]:
        """Hear Ctrl-C even where these tests run in the background of a shell, which hands it on as ignored."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    @pytest.fixture
    def history(self, history: Path) -> Path:
        """Let a third event follow."""
        history.write_text(history.read_text() + RETURN)
        return history

    def stopped(self, monkeypatch: pytest.MonkeyPatch, presses: int = 1) -> list[int]:
        """Press Ctrl-C when the third event is read, and the first is booked; keep what is told."""
        told: list[int] = []

        def pressing(booked: Booked, _repository: SQLiteRepository, progress: Progress) -> Report:
            def press(more: int) -> None:
                told.append(more)
                for _ in range(presses if len(told) > 2 else 0):
                    signal.raise_signal(signal.SIGINT)
                progress(more)

            return booked(press)

        around(monkeypatch, pressing)
        return told

    @pytest.mark.parametrize("presses", [1, 2])
    def test_new_store_opens_again(
        self, tmp_path: Path, history: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, presses: int
    ) -> None:
        """What was booked so far is kept under the other name and opens; the name itself is not there."""
        self.stopped(monkeypatch, presses)
        store, out = tmp_path / "s.db", tmp_path / "out.json"
        assert run("replay", PROGRAM, history, "--store", url(store), "--json", out) == 130
        assert capsys.readouterr().err.splitlines() == [
            f"loyaltycore: what was booked so far is kept in {store}.partial",
            "loyaltycore: stopped",
        ]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["history.jsonl", "s.db.partial"]
        assert members(tmp_path / "s.db.partial") == ["member/m-1"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        monkeypatch.undo()
        assert run("replay", PROGRAM, history, "--store", url(store), "--json", out) == 0

    def test_store_that_was_there(self, tmp_path: Path, history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A store that was there before stays as it was."""
        store, first = tmp_path / "s.db", tmp_path / "first.jsonl"
        first.write_text(JOIN.replace("m-1", "m-0"))
        assert run("replay", PROGRAM, first, "--store", url(store)) == 0
        before = dump(store)
        self.stopped(monkeypatch)
        assert run("replay", PROGRAM, history, "--store", url(store)) == 130
        assert dump(store) == before

    def test_while_it_is_summed_up(self, history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pressed after the last event it still stops before anything is printed."""

        def pressing(booked: Booked, _repository: SQLiteRepository, _progress: Progress) -> Report:
            report = booked()
            signal.raise_signal(signal.SIGINT)
            return report

        around(monkeypatch, pressing)
        assert run("replay", PROGRAM, history) == 130

    def test_in_another_thread(self, history: Path) -> None:
        """Only the main thread hears of signals; a replay runs in any."""
        codes: list[int] = []
        thread = threading.Thread(target=lambda: codes.append(run("replay", PROGRAM, history)))
        thread.start()
        thread.join()
        assert codes == [0]

    def test_ignored(self, history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who ignores Ctrl-C goes on ignoring it."""
        told = self.stopped(monkeypatch)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            assert run("replay", PROGRAM, history) == 0
        finally:
            signal.signal(signal.SIGINT, before)
        assert len(told) == 3

    @pytest.mark.slow
    def test_in_a_process_of_its_own(self, tmp_path: Path) -> None:
        """A real signal to a real process, in the middle of its work."""
        path, store = tmp_path / "velo.jsonl", tmp_path / "s.db"
        generate.main(["--out", str(path)])
        process = subprocess.Popen(
            [sys.executable, "-m", "loyaltycore", "replay", PROGRAM, path, *keys(tmp_path), "--store", url(store)],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        partial = tmp_path / "s.db.partial"
        for _ in range(3_000):
            if partial.exists():
                break
            time.sleep(0.01)
        time.sleep(3)  # on a busy machine it takes its time to book the first events
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert partial.exists()
        assert not store.exists()
        with closing(sqlite3.connect(partial)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        members(partial)


class TestProgress:
    """A bar while a person watches."""

    def test_only_on_a_terminal(self, history: Path, capsys: Capture) -> None:
        """Nothing is shown in a pipe or a file."""
        assert run("replay", PROGRAM, history) == 0
        assert capsys.readouterr().err == ""

    def test_with_rich(self, history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With rich a bar is drawn, and wiped."""
        terminal = watched(monkeypatch)
        assert run("replay", PROGRAM, history) == 0
        assert "replay" in terminal.getvalue()

    def test_without_rich(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without rich percentages rise to 100, each shown once."""
        path = tmp_path / "history.jsonl"
        path.write_text("".join(JOIN.replace("m-1", f"m-{number}") for number in range(500)))
        terminal = watched(monkeypatch)
        hide_rich(monkeypatch)
        assert run("replay", PROGRAM, path) == 0
        shown = terminal.getvalue().split("\r")[1:]
        assert shown == sorted(set(shown))
        assert shown[-1] == "100 %\n"

    def test_without_rich_and_cut_off(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A message begins on a line of its own."""
        terminal = watched(monkeypatch)
        hide_rich(monkeypatch)
        assert run("replay", *noise(tmp_path)) == 2
        assert "\nloyaltycore: " in terminal.getvalue()


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Let standard error be a terminal."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def hide_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rich not be installed."""
    monkeypatch.setitem(sys.modules, "rich.console", None)


class TestQuote:
    """``loyaltycore quote``."""

    def test_one_line(self, capsys: Capture) -> None:
        """A guest's basket, in one line."""
        assert run("quote", PROGRAM, BASKET, "--at", SUMMER) == 0
        assert capsys.readouterr().out == "97.30 EUR, 92 points\n"

    def test_json(self, capsys: Capture) -> None:
        """Everything a page shows, in minor units."""
        assert run("quote", PROGRAM, BASKET, "--code", "summer 10", "--code", "no", "--at", SUMMER, "--json", "--explain") == 0
        data = json.loads(capsys.readouterr().out)
        assert (data["total_minor"], data["offers"], data["points_to_earn"]) == (8806, {"SUMMER10": 924}, 83)
        assert data["codes"] == {"summer 10": None, "no": "coupon_invalid"}
        assert data["at"] == "2026-07-14T08:00:00Z"
        assert "Points to earn: 83" in data["explained"]

    def test_json_of_offers(self, tmp_path: Path, capsys: Capture) -> None:
        """What each offer takes off lines and shipping, and what comes free or later; all that a basket may say is read."""
        rules, basket = tmp_path / "program.toml", tmp_path / "basket.json"
        rules.write_text(
            'program = { name = "a", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }\n'
            'stacking = { mode = "all" }\n'
            '[[offers]]\nid = "card"\nwhen = { payments = ["card"] }\ngive = { shipping_percent_off = "50" }\n'
            '[[offers]]\nid = "own-brand"\ngive = { percent_off = "60", of = { brands = ["Velo"] } }\n'
            '[[offers]]\nid = "thanks"\ngive = [ { gift = "bottle", quantity = 2 }, { next_coupon = "welcome-back" } ]\n'
        )
        line = {"line_id": "1", "unit_price": "20.00", "regular_price": "25.00", "floor_price": "10.00", "brand": "Velo"}
        basket.write_text(json.dumps({"lines": [line], "shipping": "4.90", "payment": "card"}))
        assert run("quote", rules, basket, "--at", SUMMER, "--json") == 0
        data = json.loads(capsys.readouterr().out)
        assert data["lines"]["1"]["offers"] == {"own-brand": 1000}
        assert (data["shipping_minor"], data["shipping_discount_minor"]) == (245, 245)
        assert data["gifts"] == [{"product_id": "bottle", "quantity": 2}]
        assert data["coupons"] == ["welcome-back"]

    def test_member(self, capsys: Capture) -> None:
        """The example's member has a tier, points to burn, and an offer for members."""
        arguments = ("quote", PROGRAM, BASKET, "--member", VELO / "member.json", "--burn", "500", "--at", SUMMER, "--json")
        assert run(*arguments) == 0
        data = json.loads(capsys.readouterr().out)
        assert data["burn"] == {"asked": 500, "granted": 500, "discount_minor": 500}
        assert (data["tier"], data["offers"]) == ("silver", {"ten-from-fifty": 924})

    @pytest.mark.parametrize("language, word", [("en", "Points to earn"), ("fr", "Points à gagner")])
    def test_explained(self, capsys: Capture, language: str, word: str) -> None:
        """What happened, line by line, in two languages."""
        assert run("quote", PROGRAM, BASKET, "--explain", "--language", language, "--at", SUMMER) == 0
        assert word in capsys.readouterr().out

    def test_now(self, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without --at it is now."""
        monkeypatch.setattr(cli, "utc_now", lambda: datetime(2026, 7, 14, tzinfo=UTC))
        assert run("quote", PROGRAM, BASKET, "--json") == 0
        assert json.loads(capsys.readouterr().out)["at"] == "2026-07-14T00:00:00Z"

    @pytest.mark.parametrize(
        "text, message",
        [
            ("{", "not JSON of this library"),
            ("[]", r"must be an object, got []"),
            ("{}", "lines is missing"),
            ('{"lines": [], "currency": "GBP"}', "currency must be the program's, EUR, got 'GBP'"),
            ('{"lines": [], "currency": 1}', "currency must be text, got 1"),
            ('{"lines": [], "colour": "red", "burn": 1}', "unknown fields: burn, colour"),
            ('{"lines": [{"line_id": "1", "unit_price": 1.5}]}', "not JSON of this library"),
            ('{"lines": [{"line_id": "1", "unit_price": "1.5.0"}]}', "line 1: "),
        ],
    )
    def test_wrong_basket(self, tmp_path: Path, capsys: Capture, text: str, message: str) -> None:
        """A wrong basket is named, with what is wrong."""
        path = tmp_path / "basket.json"
        path.write_text(text)
        assert run("quote", PROGRAM, path) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith(f"loyaltycore: {path}: ")
        assert message in err

    def test_wrong_member(self, tmp_path: Path, capsys: Capture) -> None:
        """A file that is no member, and one that is not there, are named."""
        path = tmp_path / "member.json"
        assert run("quote", PROGRAM, BASKET, "--member", path) == 2
        path.write_text("{}")
        assert run("quote", PROGRAM, BASKET, "--member", path) == 2
        path.write_bytes(bytes(range(256)))
        assert run("quote", PROGRAM, BASKET, "--member", path) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 3
        assert all(line.startswith(f"loyaltycore: {path}: ") for line in lines)

    @pytest.mark.parametrize("arguments", [["--at", "today"], ["--at", "2026-07-14T10:00:00"], ["--burn", "-1"]])
    def test_wrong_options(self, capsys: Capture, arguments: list[str]) -> None:
        """A naive instant, or fewer points than none."""
        assert run("quote", PROGRAM, BASKET, *arguments) == 2
        assert capsys.readouterr().err.startswith("loyaltycore: ")

    def test_member_of_the_example(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The lines on the example's page make its member, to the byte."""
        _, _, rest = (VELO / "README.md").read_text(encoding="utf-8").partition("```python\n")
        folder = tmp_path / "examples" / "velo"
        folder.mkdir(parents=True)
        (folder / "program.toml").write_bytes(Path(PROGRAM).read_bytes())
        monkeypatch.chdir(tmp_path)
        exec(rest.partition("```")[0], {})
        assert (folder / "member.json").read_bytes() == (VELO / "member.json").read_bytes()


class TestMember:
    """``loyaltycore member``."""

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Keep a member who earned, held, burned and owes nothing; today is 20 July."""
        path = tmp_path / "shop é.db"
        now = [datetime(2026, 7, 1, 10, tzinfo=UTC)]
        with SQLiteRepository(path) as repository:
            shop = Loyalty(Program.load(PROGRAM), repository, clock=lambda: now[0])
            shop.join("m-1")
            shop.earn(1200, member_id="m-1", ref="import", expires_at=datetime(2026, 8, 1, tzinfo=UTC), actor="zoé")
            shop.earn(40, member_id="m-1", ref="gift", expires_at=None, available_at=now[0] + timedelta(days=60), actor="zoé")
            shop.burn(200, member_id="m-1", ref="1001")
            now[0] += timedelta(days=10)
            shop.hold(300, member_id="m-1", ref="1002", until=now[0] + timedelta(days=30))
            shop.hold(50, member_id="m-1", ref="1003", until=now[0] + timedelta(days=5))
            shop.hold(20, member_id="m-1", ref="1004", until=now[0] + timedelta(days=30))
            shop.void("1004", member_id="m-1")
            shop.earn(7, member_id="m-2", ref="a", expires_at=None, account="status", actor="zoé")
            shop.earn(3, member_id="m-2", ref="b", expires_at=None, actor="zoé")
        monkeypatch.setattr(_cli_member, "utc_now", lambda: datetime(2026, 7, 20, tzinfo=UTC))
        return path

    def test_where_the_member_stands(self, store: Path, capsys: Capture) -> None:
        """Balance, tier, open holds, what expires next, and every line with its why."""
        assert run("member", "m-1", "--store", url(store), "--program", PROGRAM) == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert out.splitlines() == [
            "Member m-1",
            "Tier: bronze",
            "  €300.00 more for silver",
            "Can be burned: 700",
            "Waiting: 40",
            "Set aside: 300",
            "Set aside for 1002 until 12:00 on 10 August 2026: 300",
            "Expires next, after 1 August 2026: 700",
            "",
            "Points, through 20 July 2026",
            "Balance before: 0",
            "1 July 2026   +1,200  1,200  earned for import (gift): 1,200; usable through 1 August 2026; by zoé",
            "1 July 2026        0  1,200  earned for gift (gift): 40; available from 30 August 2026; by zoé",
            "1 July 2026     −200  1,000  burned for 1001: 200",
            "11 July 2026    −300    700  set aside for 1002: 300; until 12:00 on 10 August 2026",
            "11 July 2026     −50    650  set aside for 1003: 50; until 12:00 on 16 July 2026",
            "11 July 2026     −20    630  set aside for 1004: 20; until 12:00 on 10 August 2026",
            "11 July 2026     +20    650  no longer set aside for 1004: 20",
            "16 July 2026     +50    700  no longer set aside for 1003, its time is over: 50",
            "Balance: 700",
        ]

    def test_without_a_program(self, store: Path, capsys: Capture) -> None:
        """No tier, and the days of UTC: the last of those points is 31 July there."""
        assert run("member", "m-1", "--store", url(store)) == 0
        out = capsys.readouterr().out
        assert "Tier" not in out
        assert "Expires next, after 31 July 2026: 700" in out

    def test_below_the_first_rung(self, store: Path, tmp_path: Path, capsys: Capture) -> None:
        """A tier that was not reached is a dash."""
        text = Path(PROGRAM).read_text(encoding="utf-8")
        assert 'from = "0"' in text
        path = tmp_path / "program.toml"
        path.write_text(text.replace('from = "0"', 'from = "1.00"'), encoding="utf-8")
        assert run("member", "m-1", "--store", url(store), "--program", path) == 0
        assert "Tier: –" in capsys.readouterr().out

    def test_in_french(self, store: Path, capsys: Capture) -> None:
        """Everything the library says."""
        assert run("member", "m-1", "--store", url(store), "--program", PROGRAM, "--language", "fr") == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[:4] == ["Membre m-1", "Niveau : bronze", "  encore 300,00 € pour silver", "Utilisables : 700"]
        assert lines[6] == "Réservés pour 1002 jusqu'au 10 août 2026 à 12:00 : 300"
        assert lines[-1] == "Solde : 700"

    def test_from_and_to(self, store: Path, capsys: Capture) -> None:
        """Both days are told; tomorrow is not, whatever was asked."""
        days = ["--from", "2026-07-11", "--to", "2026-07-11"]
        assert run("member", "m-1", "--store", url(store), "--program", PROGRAM, *days) == 0
        lines = capsys.readouterr().out.splitlines()
        lines = lines[lines.index("") + 1 :]
        assert lines[:2] == ["Points, 11 July 2026 to 11 July 2026", "Balance before: 1,000"]
        assert len(lines) == 7
        assert lines[-1] == "Balance: 650"
        assert run("member", "m-1", "--store", url(store), "--to", "2030-01-01") == 0
        out = capsys.readouterr().out
        assert "Points, through 20 July 2026" in out
        assert "expired" not in out

    def test_accounts(self, store: Path, capsys: Capture) -> None:
        """Of a member with several, each can be told; that there are others is said."""
        assert run("member", "m-2", "--store", url(store), "--account", "status") == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[:3] == ["Member m-2", "Accounts: points, status", "Can be burned: 7"]
        assert run("member", "m-2", "--store", url(store)) == 0
        assert "Can be burned: 3" in capsys.readouterr().out

    def test_the_main_account_may_be_empty(self, tmp_path: Path, capsys: Capture) -> None:
        """Everybody has it; where another was used, both are named, and the other can be asked for."""
        path = tmp_path / "shop.db"
        with SQLiteRepository(path) as repository:
            shop = Loyalty(Program.load(PROGRAM), repository)
            shop.join("m-1")
            shop.earn(7, member_id="m-2", ref="a", expires_at=None, account="status", actor="zoé")
        assert run("member", "m-1", "--store", url(path)) == 0
        assert capsys.readouterr().out.splitlines()[:2] == ["Member m-1", "Can be burned: 0"]
        assert run("member", "m-2", "--store", url(path)) == 0
        assert capsys.readouterr().out.splitlines()[:3] == ["Member m-2", "Accounts: points, status", "Can be burned: 0"]

    def test_what_is_owed(self, tmp_path: Path, capsys: Capture) -> None:
        """A debt is named, and that it is taken off what can be burned already."""
        path = tmp_path / "shop.db"
        with SQLiteRepository(path) as repository:
            shop = Loyalty(Program.load(PROGRAM), repository)
            shop.earn(30, member_id="m", ref="a", expires_at=None, actor="zoé")
            shop.transfer(30, member_id="m", to="n", ref="t")
            shop.burn(10, member_id="n", ref="b")
            shop.undo_transfer("t", member_id="m", taker="n")
        assert run("member", "n", "--store", url(path)) == 0
        assert capsys.readouterr().out.splitlines()[1:3] == ["Can be burned: 0", "Owed, already taken off: 10"]

    def test_a_clock_that_ran_ahead(self, store: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """The last fact is told, though the clock has not reached it."""
        monkeypatch.setattr(_cli_member, "utc_now", lambda: datetime(2026, 7, 1, tzinfo=UTC))
        assert run("member", "m-1", "--store", url(store)) == 0
        assert "no longer set aside for 1004" in capsys.readouterr().out

    def test_the_store_is_only_read(self, store: Path) -> None:
        """Not a byte of it changes."""
        before = store.read_bytes()
        assert run("member", "m-1", "--store", url(store)) == 0
        assert store.read_bytes() == before

    @pytest.mark.parametrize(
        "arguments,message",
        [
            (["m-9"], "there is no member 'm-9'"),
            ([""], "member_id must be text"),
            (["m-1", "--from", "today"], "--from must be a day such as 2026-07-01, got 'today'"),
            (["m-1", "--to", "2026-02-30"], "--to must be a day such as 2026-07-01, got '2026-02-30'"),
            (
                ["m-1", "--from", "2026-07-12", "--to", "2026-07-11"],
                "--from must not be after --to, nor after today, got 2026-07-12",
            ),
            (["m-1", "--from", "2026-07-21"], "--from must not be after --to, nor after today, got 2026-07-21"),
            (["m-1", "--from", "0001-01-01"], "--from must be a date of the years 2 to 9998"),
            (["m-1", "--to", "9999-12-31"], "--to must be a date of the years 2 to 9998"),
            (["m-1", "--to", "9998-12-31"], "day must be a date of the years 2 to 9998"),
            (["m-1", "--account", "a/b"], "account must be 1 to 64 letters"),
            (["m-1", "--account", "typo"], "--account must be one that 'm-1' has used (points), got 'typo'"),
            (["m-2", "--account", "typo"], "--account must be one that 'm-2' has used (points, status), got 'typo'"),
            (["m-1", "--program", "nowhere.toml"], "nowhere.toml: No such file or directory"),
        ],
    )
    def test_wrong_options(self, store: Path, capsys: Capture, arguments: list[str], message: str) -> None:
        """Each is one line, and never a traceback."""
        assert run("member", *arguments, "--store", url(store)) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith("loyaltycore: ")
        assert message in err

    def test_wrong_stores(self, tmp_path: Path, capsys: Capture) -> None:
        """No file, a folder, no database, a database of something else, another scheme: named, and nothing is made of them."""
        text, other, corrupt = tmp_path / "text.db", tmp_path / "other.db", tmp_path / "corrupt.db"
        text.write_text("no database, but long enough to be taken for one" * 100)
        with closing(sqlite3.connect(other)) as db:
            db.execute("CREATE TABLE customers (id)")
        with SQLiteRepository(corrupt) as repository:
            Loyalty(Program.load(PROGRAM), repository).join("m-1")
        with closing(sqlite3.connect(corrupt)) as db:
            db.execute("UPDATE loyalty_facts SET fact = '{'")
            db.commit()
        stores = [tmp_path / "none.db", tmp_path, text, other, corrupt]
        messages = ["no such file", "is no file", "file is not a database", "holds nothing of this library", "not JSON"]
        for path, message in zip(stores, messages, strict=True):
            assert run("member", "m-1", "--store", url(path)) == 2
            out, err = capsys.readouterr()
            assert (out, err.count("\n")) == ("", 1)
            assert err.startswith(f"loyaltycore: {path}: ")
            assert message in err
        assert not (tmp_path / "none.db").exists()
        with closing(sqlite3.connect(other)) as db:
            assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
        assert run("member", "m-1", "--store", "postgres://x") == 2
        assert "--store must be sqlite:///FILE" in capsys.readouterr().err


class TestOutput:
    """Where the output goes."""

    def test_terminal_without_the_euro(self, tmp_path: Path, history: Path) -> None:
        """A terminal that knows no currency signs gets the summary all the same."""
        path = tmp_path / "basket.json"
        path.write_text('{"lines": [{"line_id": "é", "unit_price": "1.00"}]}', encoding="utf-8")
        done = python("-m", "loyaltycore", "replay", PROGRAM, history, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stderr) == (0, "")
        assert "1 uses, \\u20ac6.00" in done.stdout
        done = python("-m", "loyaltycore", "quote", PROGRAM, path, "--json", PYTHONIOENCODING="ascii")
        assert list(json.loads(done.stdout)["lines"]) == ["é"]

    def test_reader_has_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A closed pipe is no error to print; what is still to be flushed goes nowhere."""
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "w") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            assert run("check", PROGRAM) == 141
            stream.write("more")

    def test_nobody_reads_it(self) -> None:
        """Where what reads the output has gone, nothing more is said."""
        process = subprocess.Popen(
            [sys.executable, "-m", "loyaltycore", "check", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        process.stderr.close()
        assert (process.wait(timeout=60), err) == (141, b"")

    def test_errors_without_a_file(self, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        """An error of the system that names no file is printed as it is."""

        def fail(_path: str) -> Program:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Program, "load", fail)
        assert run("check", PROGRAM) == 2
        assert capsys.readouterr().err == "loyaltycore: [Errno 28] No space left on device\n"

    def test_streams_of_any_kind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A caller may have put anything in the place of standard output."""
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stdout", stream)
        assert run("check", PROGRAM) == 0
        assert stream.getvalue().startswith("velo 3")


class Shop:
    """A small shop over a file, for what goes in and out."""

    def __init__(self, folder: Path) -> None:
        """Sell a helmet, and give points by hand."""
        self.path = folder / "loyalty.db"
        self.at = datetime(2026, 7, 14, 10, tzinfo=UTC)
        with SQLiteRepository(self.path) as repository:
            shop = Loyalty(Program.load(PROGRAM), repository, clock=lambda: self.at)
            shop.earn(600, member_id="m-é-1", ref="ticket-7", expires_at=None, reason="call of m-é-1", actor="eva")
            shop.place(shop.quote(Basket.of("EUR", {"helmet": "79.90"}), member_id="m-é-1", burn=500), order_id="1001")
            claim = Claim(counter=CounterId("offer/ten"), key=Key("order/1001"), amount=1, limit=5, at=self.at, until=None)
            repository.commit(Command.of(order_stream("1001"), Key("claim"), actor="shop"), [claim])

    def exported(self, capsys: Capture, store: str | None = None) -> str:
        """Export this store, or another."""
        capsys.readouterr()
        assert run("export", "--store", store or url(self.path)) == 0
        return capsys.readouterr().out


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Open a small shop."""
    return Shop(tmp_path)


@pytest.fixture(params=["sqlite:///{}", "sqlite+pysqlite:///{}"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a store that is not there yet: a file of ours, or a database through SQLAlchemy."""
    form: str = request.param
    return form.format(tmp_path / "new.db")


class TestExportAndImport:
    """``loyaltycore export`` and ``loyaltycore import``."""

    def test_there_and_back(self, shop: Shop, target: str, tmp_path: Path, capsys: Capture) -> None:
        """What was exported is imported once; what is exported again holds the same lines."""
        path = tmp_path / "export.jsonl"
        text = shop.exported(capsys)
        path.write_text(text, encoding="utf-8", newline="\n")
        assert text.count("\n") == 6
        assert run("import", path, "--store", target) == 0
        assert capsys.readouterr().out == "imported 3 commits with 5 facts, and 1 claims; 0 were there already\n"
        assert sorted(shop.exported(capsys, target).splitlines()) == sorted(text.splitlines())
        assert run("import", path, "--store", target) == 0
        assert capsys.readouterr().out == "imported 0 commits with 0 facts, and 0 claims; 4 were there already\n"
        assert run("member", "m-é-1", "--store", target) == 0
        told = capsys.readouterr().out
        assert run("member", "m-é-1", "--store", url(shop.path)) == 0
        assert capsys.readouterr().out == told

    def test_a_terminal_that_knows_no_accents(self, shop: Shop, tmp_path: Path) -> None:
        """An export is UTF-8 everywhere: it is read again."""
        done = subprocess.run(
            [sys.executable, "-m", "loyaltycore", "export", "--store", url(shop.path)],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
        assert "m-é-1".encode() in done.stdout
        path = tmp_path / "export.jsonl"
        path.write_bytes(done.stdout)
        assert run("import", path, "--store", url(tmp_path / "new.db")) == 0

    def test_into_a_stream_of_any_kind(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the output is no file, it is printed as it is."""
        out = io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        assert run("export", "--store", url(shop.path)) == 0
        assert "m-é-1" in out.getvalue()

    @pytest.mark.parametrize(
        "spoil, message",
        [
            (lambda lines: lines[:-1], "line 5: the export was cut off: its last line is missing"),
            (lambda lines: [lines[0], b"\xff", *lines[2:]], "'utf-8' codec can't decode"),
            (lambda lines: [*lines[:2], b"{", *lines[3:]], "line 3: not JSON of this library"),
        ],
    )
    def test_nothing_half_imported(
        self, shop: Shop, tmp_path: Path, capsys: Capture, spoil: Callable[[list[bytes]], list[bytes]], message: str
    ) -> None:
        """A file that is wrong somewhere leaves no store, and a store that was there as it was."""
        path, new, old = tmp_path / "export.jsonl", tmp_path / "new.db", tmp_path / "old.db"
        lines = shop.exported(capsys).encode().splitlines()
        path.write_bytes(b"\n".join(spoil(lines)))
        assert run("import", path, "--store", url(new)) == 2
        assert f"loyaltycore: {path}: {message}" in capsys.readouterr().err
        assert sorted(tmp_path.iterdir()) == sorted({path, *tmp_path.glob("loyalty.db*")})
        with SQLiteRepository(old) as repository:
            Loyalty(Program.load(PROGRAM), repository).join("m-9")
        before = dump(old)
        assert run("import", path, "--store", url(old)) == 2
        assert dump(old) == before

    def test_ctrl_c(self, shop: Shop, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """It stops between two lines."""
        path = tmp_path / "export.jsonl"
        path.write_text(shop.exported(capsys), encoding="utf-8")

        def pressed(repository: SQLiteRepository, lines: Iterator[str]) -> None:
            del repository
            assert next(lines)
            signal.raise_signal(signal.SIGINT)
            next(lines)

        monkeypatch.setattr(cli, "import_lines", pressed)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the background of a shell ignores it
        try:
            assert run("import", path, "--store", url(tmp_path / "new.db")) == 130
        finally:
            signal.signal(signal.SIGINT, before)
        assert capsys.readouterr().err.endswith("loyaltycore: stopped\n")
        assert not (tmp_path / "new.db").exists()

    def test_wrong_files(self, tmp_path: Path, capsys: Capture) -> None:
        """No file, a store that is the file, a folder that is not there."""
        path = tmp_path / "export.jsonl"
        path.touch()
        for file, store, message in (
            (tmp_path / "none", url(tmp_path / "new.db"), f"{tmp_path / 'none'}: no such file"),
            (tmp_path / "none", f"sqlite+pysqlite:///{tmp_path}/new.db", f"{tmp_path / 'none'}: no such file"),
            (path, url(path), "is needed for something else here"),
            (path, url(tmp_path / "no" / "new.db"), "--store: there is no folder"),
            (path, "postgresql://eva:secret@db/shop", f"--store must be {cli._URLS}, got 'postgresql://…@db/shop'"),
        ):
            assert run("import", file, "--store", store) == 2
            assert message in capsys.readouterr().err
        assert run("export", "--store", url(tmp_path / "none.db")) == 2
        assert "no such file" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == [path]


MADE_ELSEWHERE = "holds a store that was made through SQLAlchemy: "


class TestDatabases:
    """Stores behind SQLAlchemy."""

    def test_without_the_extra(self, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """What to install is said; the password is not."""
        monkeypatch.setitem(sys.modules, "sqlalchemy", None)
        assert run("export", "--store", "postgresql+psycopg://eva:s@cret@db/shop") == 2
        expected = "loyaltycore: --store: postgresql+psycopg://…@db/shop needs SQLAlchemy: install loyaltycore[sqlalchemy]\n"
        assert capsys.readouterr().err == expected

    @pytest.mark.parametrize(
        "store, message",
        [
            ("sqlite+pysqlite:///no/such/folder/x.db", "no/such/folder/x.db: no such file"),
            ("sqlite+pysqlite://x.db", "--store: sqlite+pysqlite://x.db: Invalid SQLite URL"),
            ("postgresql+psycopg://u:secret@127.0.0.1:1/x?connect_timeout=1", "--store: postgresql+psycopg://…@127.0.0.1:1/x"),
        ],
    )
    def test_that_cannot_be_reached(self, capsys: Capture, store: str, message: str) -> None:
        """One line, without the statement and without the password."""
        assert run("export", "--store", store) == 2
        err = capsys.readouterr().err
        assert message in err
        assert "secret" not in err
        assert err.count("\n") == 1

    @pytest.mark.parametrize(
        "store, message",
        [
            ("sqlite+aiosqlite:///x.db", "--store: aiosqlite is an asynchronous driver: write sqlite+pysqlite:///x.db"),
            ("postgresql+asyncpg://u:secret@h/x", "asyncpg is an asynchronous driver: write postgresql+psycopg://…@h/x"),
            ("postgresql+psycopg2://u:secret@h/x", "--store: psycopg2 is another driver: write postgresql+psycopg://…@h/x"),
            ("mysql+pymysql://u:secret@h/x", f"--store must be {cli._URLS}, got 'mysql+pymysql://…@h/x'"),
            ("sqlite+pysqlite://", f"--store must be {cli._URLS}, got 'sqlite+pysqlite://'"),
        ],
    )
    def test_other_drivers(self, capsys: Capture, store: str, message: str) -> None:
        """What to write instead is said, in one line and without the password; no driver need be installed for it."""
        for arguments in (["payouts"], ["export"], ["forget", "m-1"], ["openings", PROGRAM, PROGRAM]):
            assert run(*arguments, "--store", store) == 2
            out, err = capsys.readouterr()
            assert out == ""
            assert message in err.splitlines()[-1]
            assert "secret" not in err

    def test_the_other_kind_of_file(self, shop: Shop, tmp_path: Path, capsys: Capture) -> None:
        """A file of one kind opened as the other: what to write instead is said, and neither is changed."""
        exported, other = tmp_path / "export.jsonl", tmp_path / "other.db"
        exported.write_text(shop.exported(capsys), encoding="utf-8")
        assert run("import", exported, "--store", f"sqlite+pysqlite:///{other}") == 0
        assert run("member", "m-é-1", "--store", f"sqlite+pysqlite:///{other}") == 0
        before = shop.path.read_bytes(), other.read_bytes()
        capsys.readouterr()
        every: list[list[object]] = [["export"], ["payouts"], ["member", "m-é-1"], ["forget", "m-é-1"], ["import", exported]]
        for each in every:
            assert run(*each, "--store", url(other)) == 2
            assert capsys.readouterr() == ("", f"loyaltycore: {other}: {MADE_ELSEWHERE}write sqlite+pysqlite:///{other}\n")
            assert run(*each, "--store", f"sqlite+pysqlite:///{shop.path}") == 2
            own = "holds a store of this library's own"
            assert capsys.readouterr() == ("", f"loyaltycore: {shop.path}: {own}: write {url(shop.path)}\n")
        for arguments, instead in (
            (["check"], f"export it from sqlite+pysqlite:///{other}, import"),
            (["replay", PROGRAM, exported], "replay into sqlite:///OTHER, export that"),
        ):
            assert run(*arguments, "--store", url(other)) == 2
            assert f"{other}: {MADE_ELSEWHERE}{instead}" in capsys.readouterr().err
        assert (shop.path.read_bytes(), other.read_bytes()) == before

    def test_without_a_driver(self, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """The driver is an installation of its own."""
        monkeypatch.setitem(sys.modules, "psycopg", None)
        assert run("export", "--store", "postgresql+psycopg://db/shop") == 2
        assert "postgresql+psycopg://db/shop needs its driver (" in capsys.readouterr().err

    def test_postgresql(self, shop: Shop, tmp_path: Path, capsys: Capture, postgres: URL) -> None:
        """A whole store moves to PostgreSQL; there somebody is forgotten, and it moves back."""
        path, database = tmp_path / "export.jsonl", postgres.render_as_string(hide_password=False)
        text = shop.exported(capsys)
        path.write_text(text, encoding="utf-8")
        assert run("import", path, "--store", database) == 0
        assert sorted(shop.exported(capsys, database).splitlines()) == sorted(text.splitlines())
        assert run("forget", "m-é-1", "--store", database) == 0
        after = shop.exported(capsys, database)
        assert "m-é-1" not in after
        path.write_text(after, encoding="utf-8")
        assert run("import", path, "--store", url(tmp_path / "back.db")) == 0

    def test_without_tables(self, tmp_path: Path, capsys: Capture) -> None:
        """A database that holds nothing of this library, or is not there: both are said, and nothing is made."""
        path = tmp_path / "x.db"
        for arguments in (["export"], ["forget", "m-1"]):
            assert run(*arguments, "--store", f"sqlite+pysqlite:///{path}") == 2
            assert capsys.readouterr().err == f"loyaltycore: {path}: no such file\n"
            assert not path.exists()
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE customers (id)")
        assert run("forget", "m-1", "--store", f"sqlite+pysqlite:///{path}") == 2
        message = f"--store: sqlite+pysqlite:///{path}: holds nothing of this library"
        assert capsys.readouterr().err == f"loyaltycore: {message}\n"
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)


BALANCES = (
    "member_id;points;expires_on;tier_spend;tier_on\nm-é-1;1200;never;;\nm-é-1;30;2999-12-31;12,50;2026-07-01\nm-2;7;never;;\n"
)


class TestOpenings:
    """``loyaltycore openings``."""

    @pytest.fixture
    def balances(self, tmp_path: Path) -> Path:
        """Write the balances of two members."""
        path = tmp_path / "balances.csv"
        path.write_text(BALANCES, encoding="utf-8-sig")
        return path

    @pytest.fixture(autouse=True)
    def _now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cli, "utc_now", lambda: datetime(2026, 7, 14, tzinfo=UTC))

    def test_dry_run(self, balances: Path, tmp_path: Path, capsys: Capture) -> None:
        """It is checked and summed up, and nothing is made."""
        assert run("openings", PROGRAM, balances, "--dry-run", "--store", url(tmp_path / "new.db")) == 0
        assert capsys.readouterr().out == "2 members, 3 lots (1,237 points), 12.50 EUR for tiers; nothing was written\n"
        assert list(tmp_path.iterdir()) == [balances]
        balances.write_text("member_id,joined_on\nm-1,2026-07-01\n")
        assert run("openings", PROGRAM, balances, "--dry-run") == 0
        assert capsys.readouterr().out == "1 members, 0 lots (none), 0.00 EUR for tiers; nothing was written\n"

    def test_written_once(self, balances: Path, target: str, capsys: Capture) -> None:
        """Twice is once; another name is another import."""
        assert run("openings", PROGRAM, balances, "--store", target) == 0
        assert capsys.readouterr().out == "2 members, 4 facts; 0 members were there already\n"
        assert run("openings", PROGRAM, balances, "--store", target) == 0
        assert capsys.readouterr().out == "0 members, 0 facts; 2 members were there already\n"
        assert run("openings", PROGRAM, balances, "--store", target, "--ref", "second") == 0
        assert run("member", "m-2", "--store", target) == 0
        assert "Can be burned: 14" in capsys.readouterr().out

    def test_other_rows(self, balances: Path, target: str, capsys: Capture) -> None:
        """Members who came with other rows are named, and left as they are."""
        run("openings", PROGRAM, balances, "--store", target)
        balances.write_text(BALANCES.replace("m-2;7", "m-2;8"), encoding="utf-8")
        capsys.readouterr()
        assert run("openings", PROGRAM, balances, "--store", target) == 1
        out, err = capsys.readouterr()
        assert err == "loyaltycore: m-2: imported before with other rows, and left as it is\n"
        assert out == "0 members, 0 facts; 1 members were there already\n"

    def test_problems(self, balances: Path, tmp_path: Path, capsys: Capture) -> None:
        """All are told, with file, line and column, and nothing is made."""
        balances.write_text("member_id,points,account,expires_on\nm-1,x,,never\nm-1,3,point,never\nm-1,3,,2026-07-01\n")
        assert run("openings", PROGRAM, balances, "--store", url(tmp_path / "new.db")) == 2
        assert capsys.readouterr().err.splitlines() == [
            f"loyaltycore: {balances}: line {problem}"
            for problem in (
                "2, points: must be a whole number such as 120; a debt cannot be brought along, got 'x'",
                "3, account: must be one of the program's, points, got 'point'",
                "4, expires_on: must not have passed before the import, got 2026-07-01",
            )
        ]
        assert list(tmp_path.iterdir()) == [balances]

    def test_wrong_options(self, balances: Path, tmp_path: Path, capsys: Capture) -> None:
        """Neither a store nor a dry run, no such file, a store that is the file."""
        with pytest.raises(SystemExit) as ended:
            run("openings", PROGRAM, balances)
        assert ended.value.code == 2
        assert "--store or --dry-run must be given" in capsys.readouterr().err
        assert run("openings", PROGRAM, tmp_path / "none.csv", "--dry-run") == 2
        assert "none.csv: No such file" in capsys.readouterr().err
        assert run("openings", PROGRAM, balances, "--store", url(balances)) == 2
        assert "is needed for something else here" in capsys.readouterr().err


class TestForget:
    """``loyaltycore forget``."""

    def test_the_id_is_gone(self, shop: Shop, target: str, tmp_path: Path, capsys: Capture) -> None:
        """No line of an export holds it; as much is there as before; the answer does not say who it is now."""
        path = tmp_path / "export.jsonl"
        text = shop.exported(capsys)
        path.write_text(text, encoding="utf-8")
        run("import", path, "--store", target)
        capsys.readouterr()
        assert run("forget", "m-é-1", "--store", target) == 0
        assert capsys.readouterr().out == "forgotten; 2 streams were rewritten\n"
        after = shop.exported(capsys, target)
        assert "m-é-1" in text
        assert "m-é-1" not in after
        assert after.count("\n") == text.count("\n")
        assert run("forget", "m-é-1", "--store", target) == 2
        assert capsys.readouterr().err == "loyaltycore: there is no member 'm-é-1'\n"

    def test_no_store(self, tmp_path: Path, capsys: Capture) -> None:
        """A store that is not there is not made."""
        assert run("forget", "m-1", "--store", url(tmp_path / "none.db")) == 2
        assert "no such file" in capsys.readouterr().err
        assert not list(tmp_path.iterdir())


class TestCheckStore:
    """``loyaltycore check --store``."""

    def test_whole(self, shop: Shop, capsys: Capture) -> None:
        """Nothing is wrong; with a program, both are looked at."""
        assert run("check", "--store", url(shop.path)) == 0
        assert capsys.readouterr().out == f"{shop.path}: nothing is wrong\n"
        assert run("check", PROGRAM, "--store", url(shop.path)) == 0
        assert capsys.readouterr().out.count("\n") == 2

    def test_damaged(self, shop: Shop, capsys: Capture) -> None:
        """Each problem is a line, and it ends with 1."""
        with closing(sqlite3.connect(shop.path)) as db:
            db.execute("DELETE FROM loyalty_facts WHERE stream = 'order/1001'")
            db.commit()
        assert run("check", "--store", url(shop.path)) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"loyaltycore: {shop.path}: ")
        assert "order/1001" in err

    def test_only_files(self, capsys: Capture) -> None:
        """A database has tools of its own."""
        assert run("check", "--store", "postgresql+psycopg://db/shop") == 2
        assert "--store must be sqlite:///FILE" in capsys.readouterr().err
