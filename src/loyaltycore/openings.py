"""Opening balances: what members bring along when a shop moves from another system.

A row says what one member brings: a lot of points and until when they can be used, what was spent and counts for tiers, since
when somebody is a member. A member may have many rows. Everything is checked before anything is written, and a member is written
at once or not at all.

Invariants:
    1. A file that has a problem is not imported at all; all problems are told together, each with its line and column.
    2. Imported twice under one ``ref``, it is there once, also where the first import broke off.
    3. A member who was imported before with other rows is reported and left as it was.

>>> from datetime import UTC, datetime
>>> from loyaltycore.store.memory import MemoryRepository
>>> program = Program.parse('''
... program = { name = "velo", version = 1, currency = "EUR", zone = "Europe/Paris", starts_on = 2026-07-01 }
... points = { earn = "1 per 1.00", basis = "paid", expires = "12 months", overdraft = "carry" }
... ''')
>>> rows = ["member_id,points,expires_on", "m-42,120,2026-12-31", "m-42,30,never"]
>>> found = read_openings(rows, currency="EUR")
>>> import_openings(program, MemoryRepository(), found, at=datetime(2026, 7, 1, 8, tzinfo=UTC))
OpeningsImported(members=1, facts=2, unchanged=0, differing=())
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Final, TypeVar, final

import attrs

from loyaltycore._checks import check_day, check_instant, check_kind, check_whole, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore.errors import ConflictError, CurrencyMismatchError, DuplicateError, RefusedError, UsageError
from loyaltycore.facts import Command, Posting
from loyaltycore.identity import Key, check_id, check_slug, check_text, member_stream
from loyaltycore.memberships import Membership, OrderCounted
from loyaltycore.points import POINTS
from loyaltycore.program import Program
from loyaltycore.quantities import Money, exponent_of
from loyaltycore.repositories import Repository, StoredStream
from loyaltycore.wire import Json, instant_text, parse_instant

__all__ = [
    "COLUMNS",
    "PROBLEMS_LIMIT",
    "Opening",
    "OpeningProblem",
    "OpeningTotals",
    "OpeningsError",
    "OpeningsImported",
    "check_openings",
    "import_openings",
    "read_openings",
]

COLUMNS: Final = ("member_id", "points", "account", "earned_on", "expires_on", "expires_at", "tier_spend", "tier_on", "joined_on")
"""What a file may tell; only the first must be there."""

PROBLEMS_LIMIT: Final = 1_000
"""Problems that are told one by one; more are counted."""

_NEVER: Final = "never"
_PAGE: Final = 500
_RETRIES: Final = 5
_BOM: Final = "\ufeff"
_WHOLE: Final = re.compile("[0-9]{1,15}")
_LARGEST: Final = 10**15 - 1
"""Of the points, or the minor units, of one row: thousands of rows of one member still sum up to what can be kept."""

D = TypeVar("D")
T = TypeVar("T")


@final
@attrs.frozen
class OpeningProblem:
    """One thing that is wrong with a row.

    Attributes:
        line: Where the row begins, counted from 1; 0 for one that did not come from a file.
        column: Which column.
        problem: What must stand there, and what does.
    """

    line: int
    column: str
    problem: str

    def __str__(self) -> str:
        """Print in one line."""
        return f"line {self.line}, {self.column}: {self.problem}"


class OpeningsError(UsageError):
    """Opening balances cannot be imported; nothing of them was.

    Attributes:
        problems: What is wrong, by line; at most the first 1,000.
        more: How many problems there are besides.
    """

    def __init__(self, problems: Sequence[OpeningProblem], more: int = 0) -> None:
        """Keep the problems.

        Args:
            problems: At least one.
            more: How many there are besides.
        """
        self.problems: tuple[OpeningProblem, ...] = tuple(problems)
        self.more = more
        told = [str(problem) for problem in self.problems] + ([f"and {more} more"] if more else [])
        super().__init__("\n".join(told))

    def __reduce__(self) -> tuple[type[OpeningsError], tuple[tuple[OpeningProblem, ...], int]]:
        """Pickle by content."""
        return (OpeningsError, (self.problems, self.more))


@final
@attrs.frozen(kw_only=True)
class Opening:
    """What one row says.

    Attributes:
        member_id: Whose; the shop's own, opaque.
        points: How many, below 10^15; 0 brings no points.
        account: Which of the member's accounts.
        earned_on: Local day they were earned; ``None`` is the instant of the import.
        expires: The last local day on which they can be used, in the program's zone; or the first instant at which they no
            longer can; ``None`` is never. It has no default: forgetting it costs money.
        spent: What counts for tiers, below 10^15 minor units; ``None`` is nothing, an amount of 0 says that the member has
            bought before.
        spent_on: Local day on which it counts.
        joined_on: Local day since which somebody is a member; ``None`` is unknown.
        line: Where it stands, for messages; no part of what it says.
    """

    member_id: str
    points: int = 0
    account: str = POINTS
    earned_on: date | None = None
    expires: date | datetime | None
    spent: Money | None = None
    spent_on: date | None = None
    joined_on: date | None = None
    line: int = attrs.field(default=0, eq=False)

    def __attrs_post_init__(self) -> None:
        """Check what can be checked without the program."""
        check_id("member_id", self.member_id)
        check_slug("account", self.account)
        for name in ("earned_on", "spent_on", "joined_on"):
            if getattr(self, name) is not None:
                check_day(name, getattr(self, name))
        if isinstance(self.expires, datetime):
            object.__setattr__(self, "expires", check_instant("expires", self.expires))
        elif self.expires is not None:
            check_day("expires", self.expires)
        check_whole("points", self.points, low=0, high=_LARGEST)
        if self.spent is not None:
            check_whole("spent", check_kind("spent", self.spent, Money).minor_units, low=0, high=_LARGEST)
        if (self.spent is None) is not (self.spent_on is None):
            msg = f"spent and spent_on must be told together, got {self.spent} and {self.spent_on}"
            raise UsageError(msg)


@final
@attrs.frozen(kw_only=True)
class OpeningTotals:
    """What openings come to, before anything is written.

    Attributes:
        members: How many members bring something.
        lots: Lots of points.
        points: Points by account.
        spent: What counts for tiers.
        joined: Members whose day of joining is known.
    """

    members: int
    lots: int
    points: FrozenMap[str, int]
    spent: Money
    joined: int


@final
@attrs.frozen(kw_only=True)
class OpeningsImported:
    """What an import did.

    Attributes:
        members: Members that were written.
        facts: Facts that were.
        unchanged: Members that were imported before with the same rows, or of whom there was nothing to write.
        differing: Members that were imported before with other rows, sorted; they were left as they are.
    """

    members: int
    facts: int
    unchanged: int
    differing: tuple[str, ...]


def read_openings(file: Iterable[str], *, currency: str) -> Iterator[Opening]:
    """Read opening balances from a CSV file with a line of headings, comma or semicolon between the cells.

    Args:
        file: Its lines: a file opened with ``encoding="utf-8-sig", newline=""``, or any other.
        currency: Of ``tier_spend``: the program's. With semicolons the decimals may stand behind a comma.

    Returns:
        A row at a time, in their order.

    Raises:
        OpeningsError: All that is wrong with the file, when everything is read; headings that cannot be right, at once.
    """
    exponent_of(currency)
    problems = _Problems()
    for row in _rows(file, problems):
        opening = _opening(row, currency)
        if opening is not None:
            yield opening
    problems.end()


def check_openings(program: Program, openings: Iterable[Opening], *, at: datetime) -> OpeningTotals:
    """Check opening balances, write nothing, and say what they come to.

    Args:
        program: Its zone says when days begin and end, its rules which accounts there are.
        openings: What members bring along.
        at: The instant of the import, timezone-aware.

    Raises:
        OpeningsError: All that is wrong, all at once.
    """
    plans = _plans(program, openings, at=at)
    points: Counter[str] = Counter()
    for plan in plans:
        for lot in plan.lots:
            points[lot.account] += lot.points
    return OpeningTotals(
        members=sum(not plan.is_empty for plan in plans),
        lots=sum(len(plan.lots) for plan in plans),
        points=FrozenMap({account: points[account] for account in sorted(points)}),
        spent=Money(sum(sum(plan.spent.values()) for plan in plans), program.currency),
        joined=sum(plan.joined_on is not None for plan in plans),
    )


def import_openings(
    program: Program,
    repository: Repository,
    openings: Iterable[Opening],
    *,
    at: datetime,
    ref: str = "opening",
    reason: str = "opening balance",
    actor: str = "import",
) -> OpeningsImported:
    """Write opening balances, a commit for each member, once for each ``ref``.

    The lots of a member are named ``<ref>/lot-1``, ``<ref>/lot-2``, …, by account, end and day earned. What was spent on one day
    counts as one order ``<ref>/<n>``: it counts for tiers, and the next order is not the member's first.

    Args:
        program: Its zone says when days begin and end, its rules which accounts there are.
        repository: Where the members are kept; those that are there keep what they have.
        openings: What members bring along, in any order.
        at: The instant of the import, timezone-aware.
        ref: The shop's own name for the import; another name brings the same balances a second time.
        reason: What the statement says.
        actor: Who acts; with other words or another actor it is another import.

    Raises:
        OpeningsError: All that is wrong, all at once; nothing was written.
        ConflictError: Somebody else wrote to a member again and again; what was written before is kept.
    """
    named = _Named(ref=check_slug("ref", ref), reason=check_text("reason", reason), actor=check_id("actor", actor), at=at)
    work = _Work(program, repository, named)
    plans = _plans(program, openings, at=at)
    for start in range(0, len(plans), _PAGE):
        page = plans[start : start + _PAGE]
        loaded = repository.load([member_stream(plan.member_id) for plan in page])
        for plan in page:
            work.take(plan, loaded[member_stream(plan.member_id)])
    return OpeningsImported(
        members=work.counts["members"],
        facts=work.counts["facts"],
        unchanged=work.counts["unchanged"],
        differing=tuple(sorted(work.differing)),
    )


# ---- reading ----


@final
class _Problems:
    """Collects what is wrong."""

    def __init__(self) -> None:
        self.found: list[OpeningProblem] = []
        self.more = 0

    @property
    def count(self) -> int:
        return len(self.found) + self.more

    def add(self, line: int, column: str, problem: str) -> None:
        if len(self.found) < PROBLEMS_LIMIT:
            self.found.append(OpeningProblem(line, column, problem))
        else:
            self.more += 1

    def end(self) -> None:
        """Tell them, where there are any."""
        if self.found:
            raise OpeningsError(sorted(self.found, key=lambda problem: problem.line), self.more)


@final
@attrs.frozen
class _Row:
    """Hands out the cells of one row, and reports those that cannot be read."""

    line: int
    cells: Mapping[str, str]
    has_decimal_comma: bool
    problems: _Problems

    def is_filled(self, column: str) -> bool:
        return self.cells.get(column, "") != ""

    def report(self, column: str, allowed: str) -> None:
        self.problems.add(self.line, column, f"must be {allowed}, got {shown(self.cells.get(column, ''))}")

    def take(self, column: str, read: Callable[[str], T], allowed: str, default: D) -> T | D:
        """Read a cell; one that is empty, or cannot be read, gives the default."""
        if not self.is_filled(column):
            return default
        try:
            return read(self.cells[column])
        except ValueError:  # a UsageError is one too
            self.report(column, allowed)
            return default

    def day(self, column: str) -> date | None:
        return self.take(column, _day, "a day such as 2026-12-31", None)

    def money(self, column: str, currency: str) -> Money | None:
        def read(text: str) -> Money:
            money = Money.of(text.replace(",", ".") if self.has_decimal_comma else text, currency)
            check_whole(column, money.minor_units, low=0, high=_LARGEST)
            return money

        return self.take(column, read, f"an amount in {currency} of at least 0, such as {Money(1250, currency).decimal}", None)


def _rows(file: Iterable[str], problems: _Problems) -> Iterator[_Row]:
    """Give the rows under the headings; rows of empty cells are passed over."""
    lines, line = iter(file), 1
    try:
        first = check_kind("a line", next(lines, ""), str).removeprefix(_BOM)
        has_semicolons = ";" in first
        reader = csv.reader(chain([first], lines), delimiter=";" if has_semicolons else ",", strict=True)
        columns = [cell.strip() for cell in next(reader, [])]
        _check_columns(columns, problems)
        line = reader.line_num + 1
        for found in reader:
            cells = [cell.strip() for cell in found]
            if len(cells) != len(columns) and any(cells):
                problems.add(line, "(row)", f"must have {len(columns)} cells, got {len(cells)}")
            elif any(cells):
                yield _Row(line, dict(zip(columns, cells, strict=True)), has_semicolons, problems)
            line = reader.line_num + 1
    except (csv.Error, UnicodeDecodeError) as error:
        problems.add(line, "(row)", f"must be CSV in UTF-8: {error}")


def _check_columns(columns: Sequence[str], problems: _Problems) -> None:
    """Refuse headings that cannot be right, before any row is read."""
    known = ", ".join(COLUMNS)
    for column in columns:
        if column not in COLUMNS:
            problems.add(1, column or "(heading)", f"is not known to this version, which knows {known}")
    for column in sorted(set(columns)):
        if columns.count(column) > 1:
            problems.add(1, column, "must stand there once")
    needed = {"member_id": columns[:0], "tier_on": ["tier_spend"], "tier_spend": ["tier_on"]}
    for column, by in needed.items():
        if column not in columns and (not by or by[0] in columns):
            problems.add(1, column, "is missing")
    if "points" in columns and not {"expires_on", "expires_at"} & set(columns):
        problems.add(1, "expires_on", "is missing: until when can the points be used?")
    if not {"points", "tier_spend", "joined_on"} & set(columns):
        problems.add(1, "points", "is missing, and tier_spend and joined_on too: there is nothing to import")
    problems.end()


def _opening(row: _Row, currency: str) -> Opening | None:
    """Read a row; ``None`` where something is wrong with it."""
    before = row.problems.count
    if not row.is_filled("member_id"):
        row.report("member_id", "the shop's own id of the member")
    member_id = row.take("member_id", _id, "text of at most 200 characters without control characters", "")
    points = row.take("points", _count, "a whole number such as 120; a debt cannot be brought along", 0)
    account = row.take("account", _slug, "the name of an account", POINTS)
    earned_on, joined_on, spent_on = row.day("earned_on"), row.day("joined_on"), row.day("tier_on")
    expires, spent = _expires(row), row.money("tier_spend", currency)
    for column, other in (("tier_spend", "tier_on"), ("tier_on", "tier_spend")):
        if row.is_filled(other) and not row.is_filled(column):
            row.report(column, f"told together with {other}")
    if row.problems.count > before:
        return None
    return Opening(
        member_id=member_id,
        points=points,
        account=account,
        earned_on=earned_on,
        expires=expires,
        spent=spent,
        spent_on=spent_on,
        joined_on=joined_on,
        line=row.line,
    )


def _expires(row: _Row) -> date | datetime | None:
    """Read until when the points can be used, which a row with points must tell."""
    last_on = row.take("expires_on", _day_or_never, "the last day they can be used, such as 2026-12-31, or never", None)
    ends_at = row.take("expires_at", _instant_or_never, "an instant such as 2027-01-01T00:00:00+01:00, or never", None)
    filled = [column for column in ("expires_on", "expires_at") if row.is_filled(column)]
    if len(filled) > 1:
        row.report("expires_at", "empty where expires_on says it")
    if not filled and row.cells.get("points", "") not in {"", "0"}:
        row.report("expires_on", "the last day they can be used, such as 2026-12-31, or never")
    return last_on or ends_at or None


def _id(text: str) -> str:
    return check_id("member_id", text)


def _slug(text: str) -> str:
    return check_slug("account", text)


def _count(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _day(text: str) -> date:
    return check_day("it", date.fromisoformat(text))


def _day_or_never(text: str) -> date | None:
    return None if text == _NEVER else _day(text)


def _instant_or_never(text: str) -> datetime | None:
    return None if text == _NEVER else parse_instant(text)


# ---- planning ----


@final
@attrs.frozen(kw_only=True)
class _Lot:
    """Points of one member, with their window."""

    account: str
    points: int
    earned_at: datetime
    expires_at: datetime | None
    row: tuple[str, ...]
    """As the shop told it: what is compared when it is told again, and what the lots are sorted by."""


@final
@attrs.frozen(kw_only=True)
class _Plan:
    """What one member brings along, whatever the order of the rows."""

    member_id: str
    lots: tuple[_Lot, ...]
    spent: Mapping[date, int]
    joined_on: date | None

    @property
    def is_empty(self) -> bool:
        return not self.lots and not self.spent and self.joined_on is None

    @property
    def told(self) -> dict[str, Json]:
        """All of it, for the fingerprint."""
        return {
            "lots": [[*lot.row, lot.points] for lot in self.lots],
            "spent": [[day.isoformat(), minor] for day, minor in self.spent.items()],
            "joined_on": None if self.joined_on is None else self.joined_on.isoformat(),
        }


def _plans(program: Program, openings: Iterable[Opening], *, at: datetime) -> list[_Plan]:
    """Check everything, and put the rows of each member together."""
    check = _Check(program, check_instant("at", at))
    rows: dict[str, list[tuple[Opening, _Lot | None]]] = {}
    try:
        for opening in openings:
            lot = check.lot(check_kind("each of the openings", opening, Opening))
            rows.setdefault(opening.member_id, []).append((opening, lot))
    except OpeningsError as error:
        check.problems.found += error.problems
        check.problems.more += error.more
    plans = [_plan(member_id, several, check.problems) for member_id, several in rows.items()]
    check.problems.end()
    return plans


def _plan(member_id: str, rows: Sequence[tuple[Opening, _Lot | None]], problems: _Problems) -> _Plan:
    joined_on: date | None = None
    spent: Counter[date] = Counter()
    for opening, _ in rows:
        if opening.joined_on is not None:
            if joined_on not in {None, opening.joined_on}:
                problems.add(opening.line, "joined_on", f"must be the same in all rows of {member_id!r}, got {opening.joined_on}")
            joined_on = opening.joined_on
        if opening.spent is not None and opening.spent_on is not None:
            spent[opening.spent_on] += opening.spent.minor_units
    lots = [lot for _, lot in rows if lot is not None]
    return _Plan(
        member_id=member_id,
        lots=tuple(sorted(lots, key=lambda lot: (lot.row, lot.points))),
        spent={day: spent[day] for day in sorted(spent)},
        joined_on=joined_on,
    )


@final
class _Check:
    """Holds rows against the program and the instant of the import."""

    def __init__(self, program: Program, at: datetime) -> None:
        self.program = check_kind("program", program, Program)
        self.at = at
        self.calendar = program.calendar
        self.today = program.calendar.day_of(at)
        given = {rule.account for rule in program.earning} | {action.account for action in program.actions.values()}
        self.accounts = sorted({POINTS, *given})
        self.problems = _Problems()

    def lot(self, opening: Opening) -> _Lot | None:
        """Check a row, and give its points; ``None`` where it brings none, or something is wrong."""
        before = self.problems.count
        if opening.spent is not None and opening.spent.currency != self.program.currency:
            raise CurrencyMismatchError(self.program.currency, opening.spent.currency)
        self._check_days(opening)
        if opening.points and opening.account not in self.accounts:
            self._add(opening, "account", f"must be one of the program's, {', '.join(self.accounts)}, got {opening.account!r}")
        if not opening.points or self.problems.count > before:
            return None
        expires_at = self._end(opening)
        if expires_at is not None and expires_at <= self.at:
            column = "expires_at" if isinstance(opening.expires, datetime) else "expires_on"
            self._add(opening, column, f"must not have passed before the import, got {opening.expires}")
            return None
        return _Lot(
            account=opening.account,
            points=opening.points,
            earned_at=self.at if opening.earned_on is None else self.calendar.first_instant(opening.earned_on),
            expires_at=expires_at,
            row=(opening.account, _written(opening.expires), _written(opening.earned_on)),
        )

    def _check_days(self, opening: Opening) -> None:
        """Refuse days that have not come, and those that no calendar reaches."""
        past = {"earned_on": opening.earned_on, "tier_on": opening.spent_on, "joined_on": opening.joined_on}
        ends = {} if isinstance(opening.expires, datetime) else {"expires_on": opening.expires}
        for column, day in {**past, **ends}.items():
            if day is None:
                continue
            try:
                self.calendar.first_instant(day + timedelta(days=1)), self.calendar.first_instant(day)
            except UsageError:
                self._add(opening, column, f"must be a day that calendars reach, got {day}")
            if column in past and day > self.today:
                self._add(opening, column, f"must not be after the day of the import, {self.today}, got {day}")

    def _end(self, opening: Opening) -> datetime | None:
        """Give the first instant at which the points can no longer be used."""
        if opening.expires is None or isinstance(opening.expires, datetime):
            return opening.expires
        return self.calendar.first_instant(opening.expires + timedelta(days=1))

    def _add(self, opening: Opening, column: str, problem: str) -> None:
        self.problems.add(opening.line, column, problem)


def _written(when: date | datetime | None) -> str:
    if when is None:
        return ""
    return instant_text(when) if isinstance(when, datetime) else when.isoformat()


# ---- writing ----


@final
@attrs.frozen(kw_only=True)
class _Named:
    """How an import calls what it writes."""

    ref: str
    reason: str
    actor: str
    at: datetime


@final
class _Work:
    """Writes members one by one."""

    def __init__(self, program: Program, repository: Repository, named: _Named) -> None:
        self.calendar = program.calendar
        self.repository = repository
        self.named = named
        self.counts: Counter[str] = Counter()
        self.differing: list[str] = []

    def take(self, plan: _Plan, stored: StoredStream) -> None:
        """Write a member, unless that was done before."""
        home = member_stream(plan.member_id)
        command = Command.of(
            home, Key(f"opening:{self.named.ref}"), actor=self.named.actor, reason=self.named.reason, **plan.told
        )
        retries = _RETRIES
        while not (stored.version and self._was_done(command, plan)):
            try:
                self._write(command, plan, Membership.replay(plan.member_id, stored.facts))
            except (ConflictError, DuplicateError):
                if retries == 0:
                    raise
                retries -= 1
                stored = self.repository.load([home])[home]
            else:
                return

    def _write(self, command: Command, plan: _Plan, membership: Membership) -> None:
        try:
            posting = self._posting(plan, membership)
        except RefusedError:  # other points of the member have the name of a lot
            self.differing.append(plan.member_id)
            return
        if posting.facts:
            self.repository.commit(command, posting.changes)
        self.counts["facts"] += len(posting.facts)
        self.counts["members" if posting.facts else "unchanged"] += 1

    def _was_done(self, command: Command, plan: _Plan) -> bool:
        receipt = self.repository.receipt(command.home, command.key)
        if receipt is None:
            return False
        if command.differs_from(receipt.command):
            self.differing.append(plan.member_id)
        else:
            self.counts["unchanged"] += 1
        return True

    def _posting(self, plan: _Plan, membership: Membership) -> Posting[Membership]:
        """Decide what a member's rows come to."""
        named, begins = self.named, self.calendar.first_instant
        postings = [membership.posting(()) if plan.joined_on is None else membership.join(at=begins(plan.joined_on))]
        for number, (day, minor) in enumerate(plan.spent.items(), 1):
            counted = OrderCounted(order_id=f"{named.ref}/{number}", day=day, qualifying_minor=minor, at=begins(day))
            postings.append(postings[-1].state.posting([counted]))
        for number, lot in enumerate(plan.lots, 1):
            account = postings[-1].state.on(lot.account)
            postings.append(
                account.earn(
                    lot.points,
                    ref=named.ref,
                    rule=f"lot-{number}",
                    expires_at=lot.expires_at,
                    reason=named.reason,
                    actor=named.actor,
                    at=lot.earned_at,
                )
            )
        facts = [fact for posting in postings for fact in posting.facts]
        return attrs.evolve(postings[-1], facts=facts, version=membership.version)
