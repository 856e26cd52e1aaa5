"""Tables of a TOML file, read key by key: every mistake is kept with its key, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar, cast, final

import attrs

from loyaltycore._checks import check_count, shown
from loyaltycore.errors import UsageError
from loyaltycore.identity import labels
from loyaltycore.periods import Calendar, Window

__all__ = ["Problem", "ProgramError", "Table", "begins", "read_window", "same"]

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

    def __init__(self, data: object, path: str, problems: list[Problem]) -> None:
        self.path, self.problems = path, problems
        self.values: dict[str, Any] = dict(data) if isinstance(data, Mapping) else {}
        self.asked: list[str] = []
        self.before = len(problems)
        if not isinstance(data, Mapping):
            self.report("", data, "must be a table")

    @property
    def sound(self) -> bool:
        """Whether nothing was reported since this table was opened."""
        return len(self.problems) == self.before

    def is_right(self, name: str) -> bool:
        """Whether nothing was reported about one key."""
        return all(problem.key != f"{self.path}.{name}" for problem in self.problems)

    def report(self, name: str, found: object, allowed: str) -> None:
        key = ".".join(part for part in (self.path, name) if part)
        self.problems.append(Problem(key, "" if found is None else _written(found), allowed))

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

    def tags(self, name: str) -> frozenset[str]:
        return self.take(name, list, labels, 'a list of tags such as ["gift-card"]', frozenset())

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
        return self.table(name) or Table({}, f"{self.path}.{name}".lstrip("."), self.problems)

    def table(self, name: str) -> Table | None:
        self.asked.append(name)
        found = self.values.get(name)
        return None if found is None else Table(found, f"{self.path}.{name}".lstrip("."), self.problems)

    def tables(self, name: str) -> list[Table]:
        self.asked.append(name)
        found, path = self.values.get(name, []), f"{self.path}.{name}".lstrip(".")
        if not isinstance(found, list):
            self.report(name, found, f"must be an array of tables: [[{path}]]")
            return []
        return [Table(data, f"{path}[{place}]", self.problems) for place, data in enumerate(found, 1)]

    def close(self) -> None:
        """Report every key that nobody asked for."""
        for name, value in self.values.items():
            if name not in self.asked:
                self.report(name, value, f"is not known to this version, which knows {', '.join(sorted(self.asked))}")


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= FOUND_LIMIT else shown(value)
    return shown(value) if isinstance(value, int) else str(value)


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
