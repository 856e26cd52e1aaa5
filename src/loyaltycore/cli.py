"""The command line: check a program, replay a history, price a basket.

Exit codes: 0 done; 1 the books did not balance, or with ``--strict`` something could not be mapped; 2 bad usage or a file that
cannot be read; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from loyaltycore._history import take_basket
from loyaltycore.basket import Basket
from loyaltycore.errors import CorruptStateError, LoyaltyError, UsageError
from loyaltycore.memberships import Membership
from loyaltycore.messages import money_text
from loyaltycore.program import Program, ProgramError, Quote
from loyaltycore.quantities import Money
from loyaltycore.replay import Bucket, ColumnMap, Report, replay
from loyaltycore.services import utc_now
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.wire import parse_instant, read_json

__all__ = ["main"]

DONE, UNBALANCED, BAD_USAGE, STOPPED = 0, 1, 2, 130

_UNMAPPED: Final = (Bucket.UNREADABLE, Bucket.REFUSED, Bucket.RETURN_UNMATCHED, Bucket.RETURN_PARTLY_MATCHED)
"""What ``--strict`` does not let pass."""

_BATCH: Final = 2_000
"""Commits kept together while a new store is written."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: As typed after the program's name; ``None`` takes them from the command line.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except ProgramError as error:
        for problem in error.problems:
            _complain(f"{options.program}: {problem}")
    except KeyboardInterrupt:
        _complain("stopped")
        return STOPPED
    except (LoyaltyError, OSError, sqlite3.Error) as error:
        _complain(str(error))
    return BAD_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loyaltycore", description="Loyalty programs: check one, replay a history through it, price a basket."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="read a program and say everything that is wrong with it")
    check.add_argument("program", metavar="PROGRAM", help="the program, a TOML file")
    check.set_defaults(run=_check)

    again = commands.add_parser("replay", help="book a shop's history through a program and sum it up")
    again.add_argument("program", metavar="PROGRAM", help="the program, a TOML file")
    again.add_argument(
        "history", metavar="HISTORY", nargs="+", type=Path, help="events as JSON Lines, or order lines as CSV; plain or gzipped"
    )
    again.add_argument("--store", metavar="URL", help="where to keep it: sqlite:///FILE; left out, nothing is kept")
    again.add_argument("--columns", metavar="MAP", type=Path, help="what the columns of CSV files mean, a TOML file")
    again.add_argument("--json", metavar="FILE", type=Path, help="write the summary as JSON")
    again.add_argument("--strict", action="store_true", help="exit with 1 when a row could not be mapped or booked")
    again.set_defaults(run=_replay)

    quote = commands.add_parser("quote", help="price a basket")
    quote.add_argument("program", metavar="PROGRAM", help="the program, a TOML file")
    quote.add_argument("basket", metavar="BASKET", type=Path, help="the basket, a JSON file")
    quote.add_argument(
        "--member", metavar="FILE", type=Path, help="the member, as Membership.to_dict() writes it; left out, a guest"
    )
    quote.add_argument("--code", metavar="C", action="append", default=[], help="a code, as typed; may be repeated")
    quote.add_argument("--burn", metavar="N", type=int, default=0, help="points to burn")
    quote.add_argument("--at", metavar="INSTANT", help="such as 2026-07-01T10:00:00+02:00; left out, now")
    quote.add_argument("--json", action="store_true", help="print the quote as JSON")
    quote.add_argument("--explain", action="store_true", help="say what happened, line by line")
    quote.add_argument("--language", choices=("en", "fr"), default="en", help="of the explanation")
    quote.set_defaults(run=_quote)
    return parser


def _complain(text: str) -> None:
    print(f"loyaltycore: {text}", file=sys.stderr)


def _check(options: argparse.Namespace) -> int:
    program = Program.load(options.program)
    parts = [f"{len(program.book.offers)} offers", f"{len(program.actions)} actions"]
    parts += [f"{len(program.tiers.ladder.rungs)} tiers"] if program.tiers is not None else []
    print(f"{program.name} {program.version}: {', '.join(parts)}; digest {program.digest}")
    return DONE


def _replay(options: argparse.Namespace) -> int:
    program = Program.load(options.program)
    columns = None if options.columns is None else _columns(options)
    for path in options.history:
        if not path.is_file():
            msg = f"{path}: no such file"
            raise UsageError(msg)
    with _store(options.store) as repository, _progress(options.history) as progress:
        report = replay(program, options.history, repository, columns=columns, progress=progress)
    if options.json is not None:
        text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n"
        options.json.write_text(text, encoding="utf-8")
    print(_summary(report, program.currency))
    strict = options.strict and any(report.buckets.get(bucket.value) for bucket in _UNMAPPED)
    return UNBALANCED if strict or not report.balanced else DONE


def _columns(options: argparse.Namespace) -> ColumnMap:
    try:
        return ColumnMap.load(options.columns)
    except ProgramError as error:
        raise UsageError("\n".join(f"{options.columns}: {problem}" for problem in error.problems)) from error


@contextmanager
def _store(url: str | None) -> Iterator[SQLiteRepository]:
    """Open the store; a new one is written under another name, and gets its own when it is whole."""
    if url is None:
        with _bulk("") as repository:  # a temporary database, gone at the end
            yield repository
        return
    path = _store_path(url)
    if path.exists():
        with SQLiteRepository(path) as repository:
            yield repository
        return
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with _bulk(os.fspath(partial)) as repository:
            yield repository
    except KeyboardInterrupt:
        _complain(f"what was booked so far is kept in {partial}")
        raise
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)


def _store_path(url: str) -> Path:
    prefix = "sqlite:///"
    if not url.startswith(prefix) or url == prefix:
        msg = f"--store must be sqlite:///FILE, got {url!r}"
        raise UsageError(msg)
    path = Path(url.removeprefix(prefix))
    if not path.parent.is_dir():
        msg = f"--store: there is no folder {path.parent}"
        raise UsageError(msg)
    return path


@contextmanager
def _bulk(path: str) -> Iterator[SQLiteRepository]:
    """Write a new database in one transaction; it counts only when it is whole, so nothing is synced in between."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        try:
            yield SQLiteRepository(connection=db)
        finally:
            db.execute("COMMIT")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA journal_mode = WAL")
    finally:
        db.close()


@contextmanager
def _progress(histories: Sequence[Path]) -> Iterator[Callable[[int], None] | None]:
    """Show a bar while a person watches: rich where it is installed, plain percentages elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    size = sum(path.stat().st_size for path in histories)
    try:
        from rich.progress import Progress  # noqa: PLC0415 - an extra
    except ImportError:
        done = 0

        def plain(more: int) -> None:
            nonlocal done
            done += more
            print(f"\r{done * 100 // max(1, size):3d} %", end="", file=sys.stderr, flush=True)

        yield plain
        print(file=sys.stderr)
        return
    from rich.console import Console  # noqa: PLC0415 - an extra

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=size)
        yield lambda more: bar.advance(task, more)


def _summary(report: Report, currency: str) -> str:
    """Lay the report out for a person."""
    rows: list[tuple[str, str]] = [("program", report.program)]
    rows += [
        ("members", f"{report.members:,}"),
        ("orders", f"{sum(report.orders.values()):,} ({report.orders['guest']:,} of guests)"),
    ]
    rows += [("", ""), ("points", "")]
    rows += [(f"  {name}", f"{count:,}") for name, count in report.points.items() if name != "live"]
    rows += [("", ""), ("tiers", "")] if report.tiers else []
    rows += [(f"  {name}", f"{count:,} members") for name, count in report.tiers.items()]
    rows += [("", ""), ("offers", "")] if report.offers else []
    rows += [
        (f"  {name}", f"{one['uses']:,} uses, {money_text(Money(one['cost_minor'], currency))}")
        for name, one in report.offers.items()
    ]
    rows += [("", ""), ("rows", f"{report.read:,}")]
    rows += [(f"  {name}", f"{count:,}") for name, count in report.buckets.items()]
    rows += [("", ""), ("beside", "")] if report.beside else []
    rows += [(f"  {name}", f"{count:,}") for name, count in report.beside.items()]
    rows += [("", ""), ("books", "balanced" if report.balanced else "DO NOT BALANCE")]
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{value}".rstrip() for name, value in rows)


def _quote(options: argparse.Namespace) -> int:
    program = Program.load(options.program)
    basket = _read_basket(options.basket, program.currency)
    membership = None if options.member is None else Membership.from_dict(_read(options.member))
    at = utc_now() if options.at is None else parse_instant(options.at)
    quote = program.quote(basket, membership, codes=options.code, burn=options.burn, at=at)
    if options.json:
        print(json.dumps(_quote_dict(quote), indent=2, ensure_ascii=False))
    elif options.explain:
        print(quote.explain(options.language))
    else:
        print(f"{quote.total}, {quote.points_to_earn} points")
    return DONE


def _read(path: Path) -> Any:
    try:
        return read_json(path.read_bytes())
    except CorruptStateError as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error


def _read_basket(path: Path, currency: str) -> Basket:
    data = _read(path)
    try:
        if not isinstance(data, dict) or data.pop("currency", currency) != currency:
            msg = f"must be a mapping with lines, in {currency}"
            raise UsageError(msg)
        basket = take_basket(data, currency=currency)
        if data:
            msg = f"unknown fields: {', '.join(sorted(data))}"
            raise UsageError(msg)
    except (UsageError, KeyError, TypeError, ValueError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        msg = f"{path}: {missing}"
        raise UsageError(msg) from error
    return basket


def _quote_dict(quote: Quote) -> dict[str, Any]:
    return {
        "at": quote.at.isoformat(),
        "currency": quote.total.currency,
        "subtotal_minor": quote.subtotal.minor_units,
        "discount_minor": quote.discount.minor_units,
        "shipping_minor": None if quote.shipping is None else quote.shipping.minor_units,
        "total_minor": quote.total.minor_units,
        "to_pay_minor": quote.to_pay.minor_units,
        "lines": {
            line.line_id: {
                "list_minor": line.list_minor,
                "discount_minor": line.discount_minor,
                "burn_minor": line.burn_minor,
                "net_minor": line.net_minor,
                "points": line.points,
            }
            for line in quote.lines.values()
        },
        "offers": {offer.offer_id: offer.discount_minor for offer in quote.offers.applied},
        "refused": {offer_id: str(refusals[0]) for offer_id, refusals in quote.offers.refused.items()},
        "codes": {code: None if answer.refusal is None else answer.refusal.reason.public for code, answer in quote.codes.items()},
        "burn": {"asked": quote.burn.asked, "granted": quote.burn.granted, "discount_minor": quote.burn.discount_minor},
        "points_to_earn": quote.points_to_earn,
        "tier": quote.tier,
        "tier_after": quote.tier_after,
        "nudges": [nudge.text() for nudge in quote.nudges],
        "digest": quote.digest,
    }
