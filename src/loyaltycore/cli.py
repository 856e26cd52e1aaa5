"""The command line: check a program, replay a history, price a basket, show a member.

Exit codes: 0 done; 1 the books did not balance, or with ``--strict`` something could not be mapped; 2 bad usage or a file that
cannot be read or written; 130 stopped by Ctrl-C; 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeVar

from loyaltycore._checks import check_day, shown
from loyaltycore._history import Fields, take_basket
from loyaltycore._statement import statement, until_text
from loyaltycore._steps import until_now
from loyaltycore.basket import Basket
from loyaltycore.errors import CorruptStateError, LoyaltyError, UsageError
from loyaltycore.identity import member_stream
from loyaltycore.memberships import Membership
from loyaltycore.messages import Language, money_text, number_text, say
from loyaltycore.periods import Calendar, Window
from loyaltycore.points import POINTS
from loyaltycore.program import Program, ProgramError, Quote
from loyaltycore.quantities import Money
from loyaltycore.replay import Bucket, ColumnMap, Report, replay
from loyaltycore.services import utc_now
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.tiers import TierStatus
from loyaltycore.wire import Json, instant_text, parse_instant, read_json

__all__ = ["main"]

T = TypeVar("T")

DONE, UNBALANCED, BAD_USAGE, STOPPED, UNHEARD = 0, 1, 2, 130, 141

_TICK: Final = timedelta(microseconds=1)

_UNMAPPED: Final = (Bucket.UNREADABLE, Bucket.REFUSED, Bucket.RETURN_UNMATCHED, Bucket.RETURN_PARTLY_MATCHED)
"""What ``--strict`` does not let pass."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: As typed after the program's name; ``None`` takes them from the command line.

    Returns:
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no € is no reason to fail
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        code = run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # What Python flushes at its end goes nowhere, instead of failing once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNHEARD
    except KeyboardInterrupt:
        _complain("stopped")
        return STOPPED
    except ProgramError as error:
        _complain(*(f"{options.program}: {problem}" for problem in error.problems))
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}" if error.filename is not None else str(error))
    except (LoyaltyError, sqlite3.Error) as error:
        _complain(*str(error).splitlines())
    else:
        return code
    return BAD_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loyaltycore", description="Loyalty programs: check one, replay a history through it, price a basket, show a member."
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

    member = commands.add_parser("member", help="show a member's balance, and a statement of what happened")
    member.add_argument("member_id", metavar="ID", help="the shop's own id of the member")
    member.add_argument("--store", metavar="URL", required=True, help="where the facts are: sqlite:///FILE; it is only read")
    member.add_argument("--program", metavar="PROGRAM", help="the program, a TOML file: for the tier, and the zone of the days")
    member.add_argument("--account", metavar="NAME", default=POINTS, help="which of the member's accounts")
    member.add_argument("--from", metavar="DAY", dest="first_on", help="first day told; left out, from the beginning")
    member.add_argument("--to", metavar="DAY", dest="last_on", help="last day told, at most today; left out, up to now")
    member.add_argument("--language", choices=("en", "fr"), default="en")
    member.set_defaults(run=_member)
    return parser


def _complain(*lines: str) -> None:
    for line in lines:
        print(f"loyaltycore: {line}", file=sys.stderr)


def _check(options: argparse.Namespace) -> int:
    program = Program.load(options.program)
    parts = [f"{len(program.book.offers)} offers", f"{len(program.actions)} actions"]
    parts += [f"{len(program.tiers.ladder.rungs)} tiers"] if program.tiers is not None else []
    print(f"{program.name} {program.version}: {', '.join(parts)}; digest {program.digest}")
    return DONE


def _replay(options: argparse.Namespace) -> int:
    program = Program.load(options.program)
    columns = None if options.columns is None else _columns(options.columns)
    store = None if options.store is None else _store_path(options.store)
    _check_files(options, store)
    with _store(store) as repository, _progress(options.history) as advance, _stopping() as check:

        def progress(more: int) -> None:
            check()
            advance(more)

        report = replay(program, options.history, repository, columns=columns, progress=progress)
        check()
        if columns is None and report.read and report.buckets.get(Bucket.UNREADABLE.value) == report.read:
            msg = "no row was an event: a CSV file needs --columns"
            raise UsageError(msg)
    if options.json is not None:
        text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n"
        options.json.write_text(text, encoding="utf-8", newline="\n")
    print(_summary(report, program.currency))
    strict = options.strict and any(report.buckets.get(bucket.value) for bucket in _UNMAPPED)
    return UNBALANCED if strict or not report.balanced else DONE


def _columns(path: Path) -> ColumnMap:
    try:
        return ColumnMap.load(path)
    except ProgramError as error:
        raise UsageError("\n".join(f"{path}: {problem}" for problem in error.problems)) from error


def _check_files(options: argparse.Namespace, store: Path | None) -> None:
    """Refuse, before anything is done, what cannot be read, and to write over what is read."""
    for path in options.history:
        if not path.is_file():
            msg = f"{path}: {'is no file' if path.exists() else 'no such file'}"
            raise UsageError(msg)
    used = [Path(options.program), *options.history, *([] if options.columns is None else [options.columns])]
    for name, path in (("--store", store), ("--json", options.json)):
        if path is None:
            continue
        if not path.parent.is_dir():
            msg = f"{name}: there is no folder {path.parent}"
            raise UsageError(msg)
        if path.is_dir() or path.resolve() in [other.resolve() for other in used]:
            msg = f"{name}: {path} {'is a folder' if path.is_dir() else 'is needed for something else here'}"
            raise UsageError(msg)
        used.append(path)


@contextmanager
def _store(path: Path | None) -> Iterator[SQLiteRepository]:
    """Open the store, in one transaction: all of a replay is kept, or nothing.

    A new one is written under another name, and gets its own when it is whole. Stopped in the middle, a new one keeps under
    the other name what was booked so far; one that was there before stays as it was.
    """
    if path is None:
        with _transaction("") as db:  # a temporary database, gone at the end
            yield SQLiteRepository(connection=db)
    elif path.exists():
        with _transaction(os.fspath(path)) as db:
            yield SQLiteRepository(connection=db)
    else:
        yield from _new_store(path)


def _new_store(path: Path) -> Iterator[SQLiteRepository]:
    partial = path.with_name(f"{path.name}.partial")
    _clear(partial)
    try:
        with _transaction(os.fspath(partial), keep_stopped=True) as db:
            # It counts only when it is whole, so nothing need be safe on the disk in between.
            yield SQLiteRepository(connection=db)
    except KeyboardInterrupt:
        _complain(f"what was booked so far is kept in {partial}")
        raise
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    with closing(sqlite3.connect(partial)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def _clear(partial: Path) -> None:
    """Remove what an earlier replay left unfinished, unless it is still at work."""
    if not partial.exists():
        return
    try:
        with closing(sqlite3.connect(partial, timeout=0, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        msg = f"{partial}: another replay is writing it ({error})"
        raise UsageError(msg) from error
    except sqlite3.DatabaseError:
        pass  # no database
    partial.unlink()


@contextmanager
def _transaction(path: str, *, keep_stopped: bool = False) -> Iterator[sqlite3.Connection]:
    """Hold one transaction: kept at the end, and if so asked when stopped by Ctrl-C; undone by anything else."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        if keep_stopped:
            db.execute("PRAGMA synchronous = OFF")
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            msg = f"{path}: {error}"
            raise UsageError(msg) from error
        try:
            yield db
        except KeyboardInterrupt:
            db.execute("COMMIT" if keep_stopped else "ROLLBACK")
            raise
        except BaseException:
            if db.in_transaction:  # a full disk has undone it already
                db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def _store_path(url: str) -> Path:
    prefix = "sqlite:///"
    if not url.startswith(prefix) or url == prefix:
        msg = f"--store must be sqlite:///FILE, got {url!r}"
        raise UsageError(msg)
    return Path(url.removeprefix(prefix))


@contextmanager
def _stopping() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C wait for the end of a commit: it stops where what this gives is called; the second one stops at once."""
    pressed = False

    def press(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    # Only the main thread may say what a signal does; and whoever ignores this one, or handles it, goes on doing so.
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _progress(histories: Sequence[Path]) -> Iterator[Callable[[int], None]]:
    """Show a bar while a person watches: rich where it is installed, plain percentages elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    size = max(1, sum(path.stat().st_size for path in histories))
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
        from rich.progress import Progress  # noqa: PLC0415 - an extra
    except ImportError:
        with _percentages(size) as advance:
            yield advance
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=size)

        def advance_bar(more: int) -> None:
            if more:
                bar.advance(task, more)

        yield advance_bar


@contextmanager
def _percentages(size: int) -> Iterator[Callable[[int], None]]:
    done, shown = 0, -1

    def advance(more: int) -> None:
        nonlocal done, shown
        done += more
        if done * 100 // size != shown:
            shown = done * 100 // size
            print(f"\r{shown:3d} %", end="", file=sys.stderr, flush=True)

    try:
        yield advance
    finally:
        print(file=sys.stderr)


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
    basket = _read(options.basket, lambda data: _basket(data, program.currency))
    membership = None if options.member is None else _read(options.member, Membership.from_dict)
    at = utc_now() if options.at is None else parse_instant(options.at)
    quote = program.quote(basket, membership, codes=options.code, burn=options.burn, at=at)
    if options.json:
        explained = {"explained": quote.explain(options.language).splitlines()} if options.explain else {}
        print(json.dumps({**_quote_dict(quote), **explained}, indent=2))
    elif options.explain:
        print(quote.explain(options.language))
    else:
        print(f"{quote.total}, {quote.points_to_earn} points")
    return DONE


def _member(options: argparse.Namespace) -> int:
    program = None if options.program is None else Program.load(options.program)
    calendar = Calendar("UTC") if program is None else program.calendar
    first_on, last_on = _day("--from", options.first_on), _day("--to", options.last_on)
    stream = member_stream(options.member_id)
    with _kept(_store_path(options.store)) as repository:
        facts = repository.load([stream])[stream].facts
    if not facts:
        msg = f"{options.store}: there is no member {options.member_id!r}"
        raise UsageError(msg)
    ends_at = until_now(facts, now=utc_now())
    last_at = ends_at - _TICK
    membership = Membership.replay(options.member_id, facts).on(options.account)
    if options.account not in {POINTS, *membership.ledgers}:
        # Everybody has the main account; another one that is empty is a slip of the keyboard.
        there_are = ", ".join(sorted({POINTS, *membership.ledgers}))
        msg = f"--account must be one that {options.member_id!r} has used ({there_are}), got {shown(options.account)}"
        raise UsageError(msg)
    if last_on is not None:
        ends_at = min(ends_at, calendar.first_instant(last_on + timedelta(days=1)))
    starts_at = None if first_on is None else calendar.first_instant(first_on)
    if starts_at is not None and starts_at >= ends_at:
        msg = f"--from must not be after --to, nor after today, got {first_on}"
        raise UsageError(msg)
    told = statement(facts, window=Window(starts_at=starts_at, ends_at=ends_at), account=options.account)
    tier = None if program is None else program.tier(membership, at=last_at)
    print("\n".join(_head(membership, tier, calendar, options.language, at=last_at)))
    print()
    print(told.text(options.language, calendar=calendar))
    return DONE


def _head(
    membership: Membership, tier: TierStatus | None, calendar: Calendar, language: Language, *, at: datetime
) -> Iterator[str]:
    """Lay out where a member stands."""
    balance, ledger = membership.balance(at=at), membership.ledger
    yield say("member.title", language, member=membership.member_id)
    accounts = sorted({POINTS, *membership.ledgers})
    if len(accounts) > 1:
        yield say("member.accounts", language, accounts=", ".join(accounts))
    if tier is not None:
        yield say("member.tier", language, tier=tier.tier or "–")
    yield say("member.available", language, points=number_text(balance.available, language))
    for name in ("pending", "held", "debt"):
        points = getattr(balance, name)
        if points:
            yield say(f"member.{name}", language, points=number_text(points, language))
    for ref, hold in sorted(ledger.holds.items()):
        if hold.is_open and at < hold.until:
            until = until_text(hold.until, language, calendar=calendar)
            yield say("member.hold", language, ref=ref, until=until, points=number_text(hold.units, language))
    for expiring in ledger.expiring(after=at)[:1]:
        last_on = calendar.day_of(expiring.expires_at - _TICK).isoformat()
        yield say("member.expiring", language, last_on=last_on, points=number_text(expiring.units, language))


def _day(name: str, text: str | None) -> date | None:
    try:
        return None if text is None else check_day(name, date.fromisoformat(text))
    except UsageError:
        raise
    except ValueError as error:
        msg = f"{name} must be a day such as 2026-07-01, got {shown(text)}"
        raise UsageError(msg) from error


@contextmanager
def _kept(path: Path) -> Iterator[SQLiteRepository]:
    """Open a store that is there, for reading alone: nothing is made, and nothing is changed."""
    if not path.is_file():
        msg = f"{path}: {'is no file' if path.exists() else 'no such file'}"
        raise UsageError(msg)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'loyalty_meta'").fetchone() is None:
                msg = "holds nothing of this library"
                raise UsageError(msg)
            yield SQLiteRepository(connection=db)
    except (sqlite3.Error, LoyaltyError) as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error


def _read(path: Path, read: Callable[[Json], T]) -> T:
    """Read a value from a JSON file."""
    try:
        return read(read_json(path.read_bytes()))
    except (UsageError, CorruptStateError) as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error


def _basket(data: Json, currency: str) -> Basket:
    fields = Fields(data)
    named = fields.take("currency", str, currency)
    if named != currency:
        msg = f"currency must be the program's, {currency}, got {shown(named)}"
        raise UsageError(msg)
    basket = take_basket(fields, currency=currency)
    fields.end()
    return basket


def _quote_dict(quote: Quote) -> dict[str, Any]:
    return {
        "at": instant_text(quote.at),
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
