"""Reading a program from TOML: every mistake at once, each with its key, what was found and what is allowed."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, TypedDict, TypeVar, cast, final

import attrs

from loyaltycore._checks import check_count, check_kind, check_whole, shown
from loyaltycore._frozen import FrozenMap
from loyaltycore._phrases import ALWAYS, AT_ONCE, NEVER, STEP, TERM, read_percent, read_period, read_step, read_term
from loyaltycore.benefits import Benefit, FreeShipping, PercentOff
from loyaltycore.conditions import AllOf, Condition, code_presented, first_order, is_member, spend_at_least
from loyaltycore.coupons import HumanCode
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_slug, labels
from loyaltycore.ladders import RUNGS_LIMIT
from loyaltycore.offers import Lane, Mode, Offer, OfferBook, Stacking
from loyaltycore.periods import Calendar, Term, Window
from loyaltycore.points import Basis, BurnRule, EarningRule, Overdraft
from loyaltycore.quantities import Money, Rate, exponent_of
from loyaltycore.tiers import Downgrade, Ladder, TierRule

__all__ = ["ORDER_RULE", "Problem", "ProgramError", "ProgramParts", "Table", "read_program"]

ORDER_RULE: Final = "order"
"""Names the lots of orders: ``<order>/order``."""

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


class ProgramParts(TypedDict):
    """What a program is made of: the fields of ``Program``."""

    name: str
    version: int
    currency: str
    calendar: Calendar
    starts_on: date
    returns: Term | None
    earning: EarningRule | None
    actions: FrozenMap[str, int]
    actions_expire: Term | None
    burning: BurnRule | None
    overdraft: Overdraft
    tiers: TierRule | None
    book: OfferBook


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


def read_program(text: str) -> ProgramParts:
    """Read TOML into the parts of a program.

    Raises:
        ProgramError: Everything that is wrong, all at once; or where the text is no TOML.
    """
    try:
        data = tomllib.loads(check_kind("text", text, str))
    except (ValueError, RecursionError) as error:
        # Besides what is no TOML: what is no text, numbers of too many digits, and nesting that is too deep to read.
        raise ProgramError(Problem("file", "", f"must be TOML: {error}")) from error
    problems: list[Problem] = []
    root = Table(data, "", problems)
    head = root.needed("program")
    parts = _head(head)
    # Where these two are wrong, amounts and dates are still read, so that all that is wrong with them is said too.
    currency = parts["currency"] if head.is_right("currency") else "EUR"
    calendar = parts["calendar"] if head.is_right("zone") else Calendar("UTC")
    _points(root.table("points"), head, parts, currency)
    parts["tiers"] = _tiers(root.table("tiers"), currency)
    book = _book(root.table("stacking"), root.tables("offers"), currency, calendar, problems)
    root.close()
    if problems:
        raise ProgramError(*problems)
    assert book is not None  # it is left out only with a problem
    parts["book"] = book
    return parts


def _head(table: Table) -> ProgramParts:
    parts = ProgramParts(
        name=table.text("name", lambda text: check_slug("name", text), "letters, digits and dashes"),
        version=table.count("version"),
        currency=table.text("currency", _currency, 'an ISO 4217 code such as "EUR"'),
        calendar=table.text("zone", Calendar, 'an IANA time zone such as "Europe/Paris"'),
        starts_on=table.take("starts_on", date, _same, "a date such as 2026-07-01"),
        returns=table.text("returns", _returns, f'"{ALWAYS}" or {TERM}', None),
        earning=None,
        actions=FrozenMap(),
        actions_expire=None,
        burning=None,
        overdraft=Overdraft.CARRY,
        tiers=None,
        book=OfferBook((), stacking=Stacking(Mode.ALL)),
    )
    if table.is_right("zone") and table.is_right("starts_on"):
        _begins(table, "starts_on", parts["starts_on"], parts["calendar"])
    table.close()
    return parts


def _points(table: Table | None, head: Table, parts: ProgramParts, currency: str) -> None:
    if table is None:
        return
    step = table.text("earn", lambda text: read_step(text, currency=currency), STEP)
    basis = table.choice("basis", Basis)
    earn_exclude_tags, burn_exclude_tags = table.tags("earn_exclude_tags"), table.tags("burn_exclude_tags")
    pending = table.text("pending", _pending, f'"{AT_ONCE}" or {TERM}', None)
    expires = table.text("expires", _expires, f'"{NEVER}" or {TERM}')
    worth = table.text("worth", lambda text: _worth(text, currency), 'an amount a point such as "0.01"', None)
    minimum = table.count("burn_minimum", 1)
    share = table.text("burn_share", read_percent, 'a percentage such as "50 %"', None)
    overdraft = table.choice("overdraft", Overdraft)
    actions = _actions(table.table("actions"))
    table.close()
    if "worth" not in table.values and {"burn_minimum", "burn_share", "burn_exclude_tags"} & table.values.keys():
        table.report("worth", None, "is missing; must be said where burn_minimum, burn_share or burn_exclude_tags are")
    if not table.sound:
        return
    points, per_minor = step
    parts["earning"] = EarningRule(
        rule_id=ORDER_RULE,
        points=points,
        per_minor=per_minor,
        basis=basis,
        exclude_tags=earn_exclude_tags,
        pending=pending,
        expires=expires,
    )
    # The return window is the time points wait, unless it is said.
    if "returns" not in head.values:
        parts["returns"] = pending
    parts["actions"], parts["actions_expire"], parts["overdraft"] = actions, expires, overdraft
    if worth is not None:
        try:
            parts["burning"] = BurnRule(worth_minor=worth, minimum=minimum, share=share, exclude_tags=burn_exclude_tags)
        except UsageError as error:
            table.report("burn_share", table.values.get("burn_share"), str(error).partition(", got")[0])


def _actions(table: Table | None) -> FrozenMap[str, int]:
    if table is None:
        return FrozenMap()
    actions = {}
    for name in table.values:
        actions[name] = table.count(name)
        try:
            check_slug("action", name)
            if name == ORDER_RULE:
                table.report(name, None, "is the name of what orders earn; an action needs another")
        except UsageError as error:
            table.report(name, None, str(error))
    return FrozenMap(actions)


def _tiers(table: Table | None, currency: str) -> TierRule | None:
    if table is None:
        return None
    table.choice("metric", Metric)
    window = table.text("window", read_period, '"N days|weeks|months|years", such as "12 months"')
    downgrade = table.choice("downgrade", Downgrade)
    rungs: dict[int, str] = {}
    for rung in table.tables("rung"):
        name = rung.text("id", lambda text: check_slug("id", text), "letters, digits and dashes")
        start = rung.text("from", lambda text: _threshold(text, currency), 'an amount such as "300.00"')
        rung.close()
        if rung.sound and start.minor_units in rungs:
            rung.report("from", rung.values["from"], f"must differ from that of {rungs[start.minor_units]!r}")
        elif rung.sound and name in rungs.values():
            rung.report("id", rung.values["id"], "must differ from that of every other rung")
        elif rung.sound:
            rungs[start.minor_units] = name
    if not rungs and table.sound:
        table.report("rung", None, "is missing; must be at least one [[tiers.rung]]")
    if len(rungs) > RUNGS_LIMIT:
        table.report("rung", len(rungs), f"must be at most {RUNGS_LIMIT} tables")
    table.close()
    return TierRule(Ladder.of(rungs), window=window, downgrade=downgrade) if table.sound else None


def _book(
    stacking: Table | None, tables: list[Table], currency: str, calendar: Calendar, problems: list[Problem]
) -> OfferBook | None:
    if stacking is None:
        policy = Stacking(Mode.ALL)
        if tables:
            problems.append(Problem("stacking.mode", "", "is missing; where there are offers, how they meet must be said"))
    else:
        mode, tags = stacking.choice("mode", Mode), stacking.tags("exclude_tags")
        stacking.close()
        policy = Stacking(mode, exclude_tags=tags) if stacking.sound else Stacking(Mode.ALL)
    offers = [offer for offer in (_offer(table, currency, calendar) for table in tables) if offer is not None]
    try:
        return OfferBook(offers, stacking=policy)
    except UsageError as error:
        problems.append(Problem("offers", "", str(error)))
        return None


def _offer(table: Table, currency: str, calendar: Calendar) -> Offer | None:
    offer_id = table.text("id", lambda text: check_slug("id", text), "letters, digits and dashes")
    when = _when(table.table("when"), currency)
    give = _give(table, table.table("give"))
    lane = table.choice("lane", Lane, Lane.SHIPPING if isinstance(give, FreeShipping) else Lane.BASKET)
    priority = table.take(
        "priority", int, lambda value: check_whole("priority", value, low=-1_000_000, high=1_000_000), "a whole number", 0
    )
    window = _window(table.table("window"), calendar)
    table.close()
    if not table.sound or give is None:
        return None
    return Offer(offer_id, when=when, give=give, lane=lane, priority=priority, window=window)


def _when(table: Table | None, currency: str) -> Condition:
    if table is None:
        return AllOf(())
    found: list[Condition] = []
    amount = table.text(
        "spend_at_least", lambda text: spend_at_least(Money.of(text, currency)), 'an amount such as "50.00"', None
    )
    code = table.text("code", lambda text: code_presented(HumanCode(text).text), 'a code such as "SUMMER10"', None)
    found += [part for part in (amount, code) if part is not None]
    found += [is_member()] if table.flag("member") else []
    found += [first_order()] if table.flag("first_order") else []
    table.close()
    return found[0] if len(found) == 1 else AllOf(tuple(found))


def _give(offer: Table, table: Table | None) -> Benefit | None:
    if table is None:
        offer.report("give", None, 'is missing; must be { percent_off = "10" } or { free_shipping = true }')
        return None
    exclude_tags = table.tags("exclude_tags")
    percent = table.text(
        "percent_off",
        lambda text: PercentOff(text.removesuffix("%").rstrip(), exclude_tags=exclude_tags or ()),
        'a percentage as text, such as "10"',
        None,
    )
    free = table.flag("free_shipping")
    table.close()
    if table.sound and (percent is None) == (not free):
        table.report("", None, "must give percent_off or free_shipping, one of the two")
    if free and exclude_tags:
        table.report("exclude_tags", sorted(exclude_tags), "goes with percent_off only")
    return percent if percent is not None else FreeShipping()


def _window(table: Table | None, calendar: Calendar) -> Window | None:
    if table is None:
        return None
    starts_on = table.take("from", date, _same, "a date such as 2026-07-01", None)
    ends_on = table.take("to", date, _same, "a date such as 2026-09-01, itself outside", None)
    table.close()
    starts_at, ends_at = _begins(table, "from", starts_on, calendar), _begins(table, "to", ends_on, calendar)
    if not table.sound:
        return None
    try:
        return Window(starts_at=starts_at, ends_at=ends_at)
    except UsageError:
        table.report("to", ends_on, f"must be after {starts_on}")
        return None


def _begins(table: Table, name: str, day: date | None, calendar: Calendar) -> datetime | None:
    if day is None:
        return None
    try:
        return calendar.first_instant(day)
    except UsageError:
        table.report(name, day, "must be a date that calendars reach")
        return None


def _threshold(text: str, currency: str) -> Money:
    amount = Money.of(text, currency)
    if amount.minor_units < 0:
        msg = "must be 0 or more"
        raise UsageError(msg)
    return amount


class Metric(StrEnum):
    """What tiers count in this version."""

    SPEND = "spend"


def _same(value: T) -> T:
    return value


def _currency(text: str) -> str:
    exponent_of(text)
    return text


def _pending(text: str) -> Term | None:
    return None if text == AT_ONCE else read_term(text)


def _returns(text: str) -> Term | None:
    return None if text == ALWAYS else read_term(text)


def _expires(text: str) -> Term | None:
    return None if text == NEVER else read_term(text)


def _worth(text: str, currency: str) -> Rate:
    rate = Rate.times(text)
    if rate.factor == 0:
        msg = "must be above 0"
        raise UsageError(msg)
    return Rate(rate.factor * 10 ** exponent_of(currency))
