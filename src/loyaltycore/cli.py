"""The command line: check a program or a store, replay a history, price a basket, show a member; and what goes in and out.

Exit codes: 0 done; 1 the books did not balance, with ``--strict`` something could not be mapped, a store is damaged, or a member
was imported before with other opening balances; 2 bad usage or a file that cannot be read or written; 130 stopped by Ctrl-C; 141
nobody reads the output any more.
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
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final, Protocol, TextIO, TypeVar

from loyaltycore._checks import shown
from loyaltycore._cli_cards import ANY_PROGRAM, add_cards, add_keys, keys_of
from loyaltycore._cli_codes import add_codes
from loyaltycore._cli_member import add_member
from loyaltycore._cli_summary import summary
from loyaltycore._history import Fields, take_basket
from loyaltycore.archive import ArchiveError, export_lines, import_lines
from loyaltycore.basket import Basket
from loyaltycore.coupons import NotApplied
from loyaltycore.errors import CorruptStateError, LoyaltyError, UsageError
from loyaltycore.memberships import Membership
from loyaltycore.openings import OpeningsError, check_openings, import_openings, read_openings
from loyaltycore.program import Program, ProgramError, ProgramWarning, Quote
from loyaltycore.replay import Bucket, ColumnMap, replay
from loyaltycore.repositories import Enumerable, Exportable, Forgetting, Repository
from loyaltycore.rewards import reward_campaigns
from loyaltycore.services import Loyalty, utc_now
from loyaltycore.store.sqlite import SQLiteRepository
from loyaltycore.wire import Json, instant_text, parse_instant, read_json

__all__ = ["main"]

T = TypeVar("T")


class _Store(Repository, Enumerable, Exportable, Forgetting, Protocol):
    """What a store behind a URL can do."""


DONE, UNBALANCED, BAD_USAGE, STOPPED, UNHEARD = 0, 1, 2, 130, 141

_TICK: Final = timedelta(microseconds=1)

_FILE: Final = "sqlite:///FILE"
"""The form of ``--store`` that every command takes."""

_URLS: Final = f"{_FILE}; or, with the extra sqlalchemy, sqlite+pysqlite:///FILE or postgresql+psycopg://…"
"""The forms that most commands take."""

_DRIVERS: Final = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
"""What is taken of each database."""

_AWAITED: Final = frozenset({"aiosqlite", "asyncpg", "psycopg_async"})

_OPEN_IT: Final = "write sqlite+pysqlite:///{path}"
_COPY_IT: Final = "export it from sqlite+pysqlite:///{path}, import that into sqlite:///OTHER, and check that"
_BRING_IT: Final = "replay into sqlite:///OTHER, export that, and import it into sqlite+pysqlite:///{path}"
"""What to do instead, where SQLAlchemy made a file."""

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
        prog="loyaltycore",
        description="Loyalty programs: check one, replay a history through it, price a basket, keep its books.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="read a program, or a whole store, and say everything that is wrong with it")
    check.add_argument("program", metavar="PROGRAM", nargs="?", help="the program, a TOML file")
    check.add_argument("--store", metavar="URL", help=f"a store: {_FILE}, and no other; it is only read")
    check.set_defaults(run=_check, usage_error=check.error)

    again = commands.add_parser("replay", help="book a shop's history through a program and sum it up")
    again.add_argument("program", metavar="PROGRAM", help="the program, a TOML file")
    again.add_argument(
        "history", metavar="HISTORY", nargs="+", type=Path, help="events as JSON Lines, or order lines as CSV; plain or gzipped"
    )
    again.add_argument("--store", metavar="URL", help=f"where to keep it: {_FILE}, and no other; left out, nothing is")
    again.add_argument("--columns", metavar="MAP", type=Path, help="what the columns of CSV files mean, a TOML file")
    add_keys(again)
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

    add_member(commands, urls=_URLS, load=_load, readable=_readable)
    _add_in_and_out(commands)
    add_codes(commands)
    add_cards(commands, urls=_URLS, readable=_readable, writable=_writable)
    return parser


def _add_in_and_out(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that carry whole stores, balances and people in and out."""
    export = commands.add_parser("export", help="print all that a store holds, as JSON Lines")
    export.add_argument("--store", metavar="URL", required=True, help=f"what is exported: {_URLS}; it is only read")
    export.set_defaults(run=_export)

    back = commands.add_parser("import", help="keep what an export holds in a store, new or begun")
    back.add_argument("file", metavar="FILE", type=Path, help="what export printed")
    back.add_argument("--store", metavar="URL", required=True, help=f"where it goes: {_URLS}")
    back.set_defaults(run=_import)

    openings = commands.add_parser("openings", help="bring members' balances along from another system")
    openings.add_argument("program", metavar="PROGRAM", help="the program, a TOML file: its zone, currency and accounts")
    openings.add_argument("file", metavar="FILE", type=Path, help="the balances, a CSV file with headings")
    openings.add_argument("--store", metavar="URL", help=f"where they go: {_URLS}")
    openings.add_argument("--ref", metavar="NAME", default="opening", help="names the import; under one name it happens once")
    openings.add_argument("--dry-run", action="store_true", help="only check the file and sum it up")
    openings.set_defaults(run=_openings, usage_error=openings.error)

    forget = commands.add_parser("forget", help="take a member's id out of a store, and leave the books as they are")
    forget.add_argument("member_id", metavar="MEMBER", help="the shop's own id of the member")
    forget.add_argument("--store", metavar="URL", required=True, help=f"where the facts are: {_URLS}")
    forget.set_defaults(run=_forget)


def _complain(*lines: str) -> None:
    for line in lines:
        print(f"loyaltycore: {line}", file=sys.stderr)


def _load(path: str) -> Program:
    """Read a program, and print what is odd about it beside what a command prints."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ProgramWarning)
        program = Program.load(path)
    for warning in program.warnings:
        print(f"warning: {warning.text}", file=sys.stderr)
    return program


def _check(options: argparse.Namespace) -> int:
    if options.program is None and options.store is None:
        options.usage_error("a PROGRAM or --store must be given")
    if options.program is not None:
        program = _load(options.program)
        print(f"{program.name} {program.version}: {', '.join(_parts(program))}; digest {program.digest}")
    return DONE if options.store is None else _check_store(options.store)


def _parts(program: Program) -> Iterator[str]:
    """Count what a program has; the campaigns that it makes for its rewards are none of the shop's."""
    made = reward_campaigns(program.rewards, program.milestones, program.tiers, program.referrals)
    campaigns = len(program.campaigns) - len(made)
    yield f"{len(program.book.offers) - len(program.campaigns)} offers"
    if campaigns:
        yield f"{campaigns} campaigns"
    yield f"{len(program.actions)} actions"
    tiers = () if program.tiers is None else program.tiers.ladder.rungs
    for several, what in ((tiers, "tiers"), (program.rewards, "rewards"), (program.milestones, "milestones")):
        if several:
            yield f"{len(several)} {what}"
    if program.referrals is not None:
        yield "referrals"


def _check_store(url: str) -> int:
    path = _store_path(url)
    with _kept(path, instead=_COPY_IT) as repository:
        problems = repository.check()
    _complain(*(f"{path}: {problem}" for problem in problems))
    if not problems:
        print(f"{path}: nothing is wrong")
    return UNBALANCED if problems else DONE


def _replay(options: argparse.Namespace) -> int:
    program = _load(options.program)
    columns = None if options.columns is None else _columns(options.columns)
    store = None if options.store is None else _store_path(options.store)
    codes, card_numbers = keys_of(options, program)
    asides = (options.columns, options.codes_key_file, options.cards_key_file)
    used = [Path(options.program), *(path for path in asides if path is not None)]
    _check_files(options.history, {"--store": store, "--json": options.json}, used=used)
    with _store(store, instead=_BRING_IT) as repository, _progress(options.history) as advance, _stopping() as check:

        def progress(more: int) -> None:
            check()
            advance(more)

        report = replay(
            program,
            options.history,
            repository,
            columns=columns,
            codes=codes,
            card_numbers=card_numbers,
            progress=progress,
        )
        check()
        if columns is None and report.read and report.buckets.get(Bucket.UNREADABLE.value) == report.read:
            msg = "no row was an event: a CSV file needs --columns"
            raise UsageError(msg)
    if options.json is not None:
        text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n"
        options.json.write_text(text, encoding="utf-8", newline="\n")
    print(summary(report, program.currency))
    strict = options.strict and any(report.buckets.get(bucket.value) for bucket in _UNMAPPED)
    return UNBALANCED if strict or not report.balanced else DONE


def _columns(path: Path) -> ColumnMap:
    try:
        return ColumnMap.load(path)
    except ProgramError as error:
        raise UsageError("\n".join(f"{path}: {problem}" for problem in error.problems)) from error


def _check_files(read: Sequence[Path], written: Mapping[str, Path | None], *, used: Sequence[Path] = ()) -> None:
    """Refuse, before anything is done, what cannot be read, and to write over what is read."""
    for path in read:
        if not path.is_file():
            msg = f"{path}: {'is no file' if path.exists() else 'no such file'}"
            raise UsageError(msg)
    taken = [*used, *read]
    for name, target in written.items():
        if target is None:
            continue
        if not target.parent.is_dir():
            msg = f"{name}: there is no folder {target.parent}"
            raise UsageError(msg)
        if target.is_dir() or target.resolve() in [other.resolve() for other in taken]:
            msg = f"{name}: {target} {'is a folder' if target.is_dir() else 'is needed for something else here'}"
            raise UsageError(msg)
        taken.append(target)


@contextmanager
def _store(path: Path | None, *, instead: str = _OPEN_IT) -> Iterator[SQLiteRepository]:
    """Open the store, in one transaction: all of a replay is kept, or nothing.

    A new one is written under another name, and gets its own when it is whole. Stopped in the middle, a new one keeps under
    the other name what was booked so far; one that was there before stays as it was.
    """
    if path is None:
        with _transaction("") as db:  # a temporary database, gone at the end
            yield SQLiteRepository(connection=db)
    elif path.exists():
        with _transaction(os.fspath(path)) as db:
            if _tables(db) == {"loyalty_facts"}:
                msg = f"{path}: {_elsewhere(path, instead)}"
                raise UsageError(msg)
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


def _tables(db: sqlite3.Connection) -> set[str]:
    """Give what of ours is in a file: both tables in a store of our own, the facts alone where SQLAlchemy made it."""
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name IN ('loyalty_meta', 'loyalty_facts')")}


def _elsewhere(path: Path, instead: str) -> str:
    return f"holds a store that was made through SQLAlchemy: {instead.format(path=path)}"


def _store_path(url: str, *, forms: str = _FILE) -> Path:
    prefix = "sqlite:///"
    if not url.startswith(prefix) or url == prefix:
        msg = f"--store must be {forms}, got {_without_password(url)!r}"
        raise UsageError(msg)
    return Path(url.removeprefix(prefix))


def _is_database(url: str) -> bool:
    """Say whether SQLAlchemy is asked for: its URLs name a driver.

    Raises:
        UsageError: Another driver than those that are taken.
    """
    scheme, parted, rest = url.partition("://")
    database, plus, driver = scheme.partition("+")
    if not parted or not plus:
        return False
    taken, is_unnamed = _DRIVERS.get(database), database == "sqlite" and not rest.strip("/")
    if scheme == taken and not is_unnamed:
        return True
    if taken is None or is_unnamed:
        msg = f"--store must be {_URLS}, got {_without_password(url)!r}"
        raise UsageError(msg)
    what = "an asynchronous driver" if driver in _AWAITED else "another driver"
    msg = f"--store: {driver} is {what}: write {_without_password(f'{taken}://{rest}')}"
    raise UsageError(msg)


def _without_password(url: str) -> str:
    scheme, parted, rest = url.partition("://")
    return f"{scheme}{parted}…@{rest.rpartition('@')[2]}" if "@" in rest else url


@contextmanager
def _readable(url: str) -> Iterator[_Store]:
    """Open a store that is there, for reading."""
    with _database(url) if _is_database(url) else _kept(_store_path(url, forms=_URLS)) as repository:
        yield repository


@contextmanager
def _writable(url: str, *, reads: Sequence[Path]) -> Iterator[_Store]:
    """Open a store, or make it. A file is written all or nothing; what a database was told commit by commit, it keeps."""
    if _is_database(url):
        _check_files(reads, {})
        with _database(url, create=True) as repository:
            yield repository
    else:
        path = _store_path(url, forms=_URLS)
        _check_files(reads, {"--store": path})
        with _store(path) as file:
            yield file


@contextmanager
def _database(url: str, *, create: bool = False) -> Iterator[_Store]:
    """Open a database through SQLAlchemy."""
    try:
        from sqlalchemy import create_engine, inspect  # noqa: PLC0415 - an extra
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - an extra

        from loyaltycore.store.sqlalchemy import SQLAlchemyRepository  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        msg = f"--store: {_without_password(url)} needs SQLAlchemy: install loyaltycore[sqlalchemy]"
        raise UsageError(msg) from error
    try:
        engine = create_engine(url)
        try:
            repository = SQLAlchemyRepository(engine)
            is_file = engine.dialect.name == "sqlite"
            if is_file and not create:
                _check_files([Path(engine.url.database or "")], {})  # reading would make it
            has = inspect(engine).has_table
            if is_file and has("loyalty_meta"):
                msg = f"{engine.url.database}: holds a store of this library's own: write sqlite:///{engine.url.database}"
                raise UsageError(msg)
            if create:
                repository.create_tables()
            elif not has("loyalty_facts"):
                msg = f"--store: {_without_password(url)}: holds nothing of this library"
                raise UsageError(msg)
            yield repository
        finally:
            engine.dispose()
    except ImportError as error:
        msg = f"--store: {_without_password(url)} needs its driver ({error})"
        raise UsageError(msg) from error
    except SQLAlchemyError as error:
        # The first line says it; the others hold the statement, and its values.
        msg = f"--store: {_without_password(url)}: {str(error).splitlines()[0]}"
        raise UsageError(msg) from error


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


def _quote(options: argparse.Namespace) -> int:
    program = _load(options.program)
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


@contextmanager
def _kept(path: Path, *, instead: str = _OPEN_IT) -> Iterator[SQLiteRepository]:
    """Open a store that is there, for reading alone: nothing is made, and nothing is changed."""
    if not path.is_file():
        msg = f"{path}: {'is no file' if path.exists() else 'no such file'}"
        raise UsageError(msg)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
            found = _tables(db)
            if "loyalty_meta" not in found:
                msg = _elsewhere(path, instead) if found else "holds nothing of this library"
                raise UsageError(msg)
            yield SQLiteRepository(connection=db)
    except (sqlite3.Error, LoyaltyError) as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error


def _export(options: argparse.Namespace) -> int:
    with _readable(options.store) as repository, _utf8_output() as out:
        for line in export_lines(repository):
            print(line, file=out)
    return DONE


@contextmanager
def _utf8_output() -> Iterator[TextIO]:
    """Print in UTF-8, whatever the terminal knows: what is printed is read again."""
    if not isinstance(sys.stdout, io.TextIOWrapper):
        yield sys.stdout
        return
    out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="\n")
    try:
        yield out
    finally:
        out.detach()


def _import(options: argparse.Namespace) -> int:
    path: Path = options.file
    try:
        with _writable(options.store, reads=[path]) as repository, _stopping() as check, path.open("rb") as file:

            def lines() -> Iterator[str]:
                for line in file:
                    check()
                    yield line.decode()

            imported = import_lines(repository, lines())
    except (ArchiveError, UnicodeDecodeError) as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error
    kept = f"{imported.commits:,} commits with {imported.facts:,} facts, and {imported.claims:,} claims"
    print(f"imported {kept}; {imported.known:,} were there already")
    return DONE


def _openings(options: argparse.Namespace) -> int:
    if options.store is None and not options.dry_run:
        options.usage_error("--store or --dry-run must be given")
    program, path, at = _load(options.program), options.file, utc_now()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            openings = read_openings(file, currency=program.currency)
            if options.dry_run:
                totals = check_openings(program, openings, at=at)
                points = ", ".join(f"{units:,} {account}" for account, units in totals.points.items()) or "none"
                print(
                    f"{totals.members:,} members, {totals.lots:,} lots ({points}), {totals.spent} for tiers; nothing was written"
                )
                return DONE
            with _writable(options.store, reads=[path, Path(options.program)]) as repository:
                imported = import_openings(program, repository, openings, at=at, ref=options.ref)
    except OpeningsError as error:
        msg = "\n".join(f"{path}: {line}" for line in str(error).splitlines())
        raise UsageError(msg) from error
    _complain(*(f"{member_id}: imported before with other rows, and left as it is" for member_id in imported.differing))
    print(f"{imported.members:,} members, {imported.facts:,} facts; {imported.unchanged:,} members were there already")
    return UNBALANCED if imported.differing else DONE


def _forget(options: argparse.Namespace) -> int:
    with _readable(options.store):
        pass  # a store that is not there is not made
    with _writable(options.store, reads=[]) as repository:
        streams = Loyalty(Program.parse(ANY_PROGRAM), repository).forget(options.member_id)
    if not streams:
        msg = f"there is no member {options.member_id!r}"
        raise UsageError(msg)
    print(f"forgotten; {streams:,} streams were rewritten")  # without the alias: it would lead back to who asked
    return DONE


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
                "offers": dict(line.offers),
            }
            for line in quote.lines.values()
        },
        "offers": {offer.offer_id: offer.discount_minor for offer in quote.offers.applied},
        "shipping_discount_minor": quote.shipping_discount.minor_units,
        "gifts": [{"product_id": gift.product_id, "quantity": gift.quantity} for gift in quote.gifts],
        "coupons": list(quote.coupons),
        "refused": {offer_id: str(refusals[0]) for offer_id, refusals in quote.offers.refused.items()},
        # What the shopper may be told, and no more.
        "codes": {
            code: public.reason if isinstance(public, NotApplied) else None
            for code, public in ((code, answer.public) for code, answer in quote.codes.items())
        },
        "burn": {"asked": quote.burn.asked, "granted": quote.burn.granted, "discount_minor": quote.burn.discount_minor},
        "points_to_earn": quote.points_to_earn,
        "tier": quote.tier,
        "tier_after": quote.tier_after,
        "nudges": [nudge.text() for nudge in quote.nudges],
        "digest": quote.digest,
    }
