"""Tables of a TOML file, read key by key: every mistake is kept with its key, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, Final, TypeVar, cast, final

import attrs

from loyaltycore._checks import check_count, shown
from loyaltycore.basket import Filter, PriceState
from loyaltycore.errors import UsageError
from loyaltycore.identity import labels
from loyaltycore.periods import Calendar, Schedule, Weekday, Window
from loyaltycore.quantities import Money

__all__ = [
    "Problem",
    "ProgramError",
    "Table",
    "begins",
    "check_said",
    "made",
    "read_above_nothing",
    "read_exclusion",
    "read_filter",
    "read_price",
    "read_schedule",
    "read_window",
    "same",
]

_NONE_NAMED: Final = "must name at least one, or be left out"

FOUND_LIMIT: Final = 80
"""Characters of a text that a problem shows as it stands in the file."""

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


@final
@attrs.frozen
class Problem:
    """One mistake in a program file.

    Attributes:
        key: Where: ``points.earn``, ``offers[2].when.code``.
        found: What stands there, as written; empty when something is missing.
        allowed: What may stand there.
    """

    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        """Print in one line."""
        return f"{self.key}: {self.allowed}" + (f", got {self.found}" if self.found else "")


class ProgramError(UsageError):
    """A program cannot be executed; nothing of it is.

    Attributes:
        problems: Every mistake, in the order of the file's tables.
    """

    def __init__(self, *problems: Problem) -> None:
        """Keep the problems.

        Args:
            problems: At least one.
        """
        self.problems: tuple[Problem, ...] = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    def __reduce__(self) -> tuple[type[ProgramError], tuple[Problem, ...]]:
        """Pickle by content."""
        return (ProgramError, self.problems)


class Table:
    """One table of the file: hands out its values, and remembers what it was not asked for.

    A value that cannot be read is reported and answered with a stand-in; whoever builds something of it first asks ``sound``.
    """

    def __init__(self, data: object, path: str, problems: list[Problem], around: Table | None = None) -> None:
        self.path, self.problems, self.around = path, problems, around
        self.values: dict[str, Any] = dict(data) if isinstance(data, Mapping) else {}
        self.asked: list[str] = []
        self.wrong: set[str] = set()
        if not isinstance(data, Mapping):
            self.report("", data, "must be a table")

    @property
    def sound(self) -> bool:
        """Whether nothing was reported about this table, or a table within."""
        return not self.wrong

    def is_right(self, name: str) -> bool:
        """Whether nothing was reported about one key."""
        return name not in self.wrong

    def report(self, name: str, found: object, allowed: str) -> None:
        key = ".".join(part for part in (self.path, name) if part)
        self.problems.append(Problem(key, "" if found is None else _written(found), allowed))
        self.wrong.add(name)
        outer = self.around
        while outer is not None:
            # That something within is wrong is no key of its own.
            outer.wrong.add("")
            outer = outer.around

    def take(self, name: str, kind: type, read: Callable[[Any], T], allowed: str, *default: T) -> T:
        """Read one value of exactly one TOML type.

        Args:
            name: Its key.
            kind: What ``tomllib`` makes of it.
            read: Makes the value, or raises ``UsageError``.
            allowed: For the message.
            *default: What stands for a missing one; without it the key must be there.
        """
        self.asked.append(name)
        value = self.values.get(name)
        if value is None and default:
            return default[0]
        if value is None:
            self.report(name, None, f"is missing; must be {allowed}")
        elif type(value) is not kind:
            self.report(name, value, f"must be {allowed}")
        else:
            try:
                return read(value)
            except UsageError as error:
                # What was found is named by the problem itself.
                self.report(name, value, str(error).partition(", got")[0])
        return cast("T", None)

    def text(self, name: str, read: Callable[[str], T], allowed: str, *default: T) -> T:
        return self.take(name, str, read, allowed, *default)

    def choice(self, name: str, kind: type[E], *default: E) -> E:
        allowed = " or ".join(f'"{member.value}"' for member in kind)

        def read(value: str) -> E:
            if value not in [member.value for member in kind]:
                msg = f"must be {allowed} in this version"
                raise UsageError(msg)
            return kind(value)

        return self.take(name, str, read, allowed, *default)

    def flag(self, name: str) -> bool:
        def read(value: bool) -> bool:  # noqa: FBT001 - what the file holds
            if not value:
                msg = "must be true, or be left out"
                raise UsageError(msg)
            return value

        return self.take(name, bool, read, "true", False)  # noqa: FBT003 - the default of a missing key

    def count(self, name: str, *default: int) -> int:
        return self.take(name, int, lambda value: check_count("it", value), "a whole number of at least 1", *default)

    def counts(self, *names: str) -> dict[str, int]:
        """Read counts that may be left out: those that are said."""
        self.asked += names
        return {name: self.count(name) for name in names if name in self.values}

    def choices(self, **kinds: type[StrEnum]) -> dict[str, Any]:
        """Read choices that may be left out: those that are said."""
        self.asked += kinds
        return {name: self.choice(name, kind) for name, kind in kinds.items() if name in self.values}

    def tags(self, name: str) -> frozenset[str]:
        return self.take(name, list, labels, 'a list of tags such as ["gift-card"]', frozenset())

    def some(self, name: str) -> frozenset[str]:
        """Read labels that narrow something: a list of none would mean everything, and its author meant nothing."""

        def read(values: list[str]) -> frozenset[str]:
            found = labels(values)
            if not found:
                raise UsageError(_NONE_NAMED)
            return found

        return self.take(name, list, read, 'a list of tags such as ["gift-card"]', frozenset())

    def strings(self, name: str) -> list[str]:
        def read(values: list[object]) -> list[str]:
            found = [value for value in values if isinstance(value, str)]
            if len(found) != len(values):
                msg = "must be a list of texts"
                raise UsageError(msg)
            return found

        return self.take(name, list, read, "a list of texts", []) or []

    def needed(self, name: str) -> Table:
        """Give a table within; one that is not there is empty, so that each key it needs is reported."""
        return self.table(name) or Table({}, f"{self.path}.{name}".lstrip("."), self.problems, self)

    def table(self, name: str) -> Table | None:
        self.asked.append(name)
        found = self.values.get(name)
        return None if found is None else Table(found, f"{self.path}.{name}".lstrip("."), self.problems, self)

    def tables(self, name: str) -> list[Table]:
        self.asked.append(name)
        found, path = self.values.get(name, []), f"{self.path}.{name}".lstrip(".")
        if not isinstance(found, list):
            self.report(name, found, f"must be an array of tables: [[{path}]]")
            return []
        return [Table(data, f"{path}[{place}]", self.problems, self) for place, data in enumerate(found, 1)]

    def close(self, *, beside: str | None = None) -> None:
        """Report every key that nobody asked for.

        Args:
            beside: The key that decides which others may stand here, where one does.
        """
        known = ", ".join(sorted(set(self.asked) - {beside}))
        allowed = f"is not known to this version, which knows {known}"
        if beside is not None:
            allowed = f"does not go with {beside}, which " + (f"goes with {known}" if known else "stands alone")
        for name, value in self.values.items():
            if name not in self.asked:
                self.report(name, value, allowed)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= FOUND_LIMIT else shown(value)
    return shown(value) if isinstance(value, int) else str(value)


def made(table: Table, make: Callable[[], T], key: str = "") -> T | None:
    """Make a value of what was read; ``None`` where something is wrong with the table, or with the whole.

    What is wrong with the whole is told at the key that the message begins with, or else at the one that is given.
    """
    if not table.sound:
        return None
    try:
        return make()
    except UsageError as error:
        allowed = str(error).partition(", got")[0]
        first = allowed.partition(" ")[0]
        name = first if first in table.values else key
        table.report(name, table.values.get(name), allowed)
        return None


def check_said(table: Table) -> None:
    """Report a table in which nothing is said, where that would mean something else than its author thinks."""
    if not table.values and table.sound:
        table.report("", None, f"must say one of {', '.join(sorted(table.asked))}")


def read_above_nothing(text: str, currency: str) -> Money:
    """Read an amount above 0.

    Raises:
        UsageError: No amount, or nothing.
    """
    amount = Money.of(text, currency)
    if amount.minor_units < 1:
        msg = "must be above 0"
        raise UsageError(msg)
    return amount


def read_filter(table: Table | None, currency: str) -> Filter:
    """Read which goods are meant: all where nothing is said."""
    if table is None:
        return Filter()
    exclude_tags, exclude_products = table.some("exclude_tags"), table.some("exclude_products")
    of = read_exclusion(table, currency)
    return attrs.evolve(of, exclude_tags=exclude_tags, exclude_products=exclude_products) if table.sound else of


def read_exclusion(table: Table | None, currency: str) -> Filter:
    """Read which goods are not meant: the same without what a filter itself leaves out."""
    if table is None:
        return Filter()
    tags, products, categories = table.some("tags"), table.some("products"), table.some("categories")
    brands = table.some("brands")
    price = table.choice("price", PriceState, PriceState.ANY)
    low = table.text("price_from", lambda text: read_price(text, currency), _PRICE, None)
    high = table.text("price_to", lambda text: read_price(text, currency), _PRICE, None)
    table.close()
    check_said(table)
    return (
        made(
            table,
            lambda: Filter(
                tags=tags,
                products=products,
                categories=categories,
                brands=brands,
                price=price,
                price_from=low,
                price_to=high,
            ),
        )
        or Filter()
    )


_PRICE: Final = 'a price such as "15.00"'


def read_price(text: str, currency: str) -> Money:
    """Read an amount of 0 or more.

    Raises:
        UsageError: No amount, or one below 0.
    """
    price = Money.of(text, currency)
    if price.minor_units < 0:
        msg = "must be 0 or more"
        raise UsageError(msg)
    return price


def read_schedule(table: Table) -> Schedule | None:
    """Read the keys ``weekdays``, ``starts`` and ``ends``: every day where only times are said; ``None`` where nothing is."""
    names = [day.value for day in Weekday]
    days = table.strings("weekdays")
    starts = table.take("starts", time, same, "a time of day such as 16:00:00", time())
    ends = table.take("ends", time, same, "a time of day such as 18:00:00, itself outside", None)
    strange = [day for day in days if day not in names]
    if strange:
        table.report("weekdays", strange[0], f"must be of {', '.join(names)}")
    if "weekdays" in table.values and not days and table.is_right("weekdays"):
        table.report("weekdays", days, _NONE_NAMED)
    if not table.sound or not {"weekdays", "starts", "ends"} & table.values.keys():
        return None
    return made(table, lambda: Schedule(weekdays=[Weekday(day) for day in days or names], starts=starts, ends=ends))


def read_window(table: Table, calendar: Calendar) -> Window | None:
    """Read the keys ``from`` and ``to`` of a table: local days, the second outside; ``None`` where they make no window."""
    starts_on = table.take("from", date, same, "a date such as 2026-07-01", None)
    ends_on = table.take("to", date, same, "a date such as 2026-09-01, itself outside", None)
    starts_at, ends_at = begins(table, "from", starts_on, calendar), begins(table, "to", ends_on, calendar)
    if not (table.is_right("from") and table.is_right("to")):
        return None
    try:
        return Window(starts_at=starts_at, ends_at=ends_at)
    except UsageError:
        table.report("to", ends_on, f"must be after {starts_on}")
        return None


def begins(table: Table, name: str, day: date | None, calendar: Calendar) -> datetime | None:
    """Give the first instant of a day that stands under a key; ``None`` where none does, or none that calendars reach."""
    if day is None:
        return None
    try:
        return calendar.first_instant(day)
    except UsageError:
        table.report(name, day, "must be a date that calendars reach")
        return None


def same(value: T) -> T:
    """Take a value as it stands in the file."""
    return value
