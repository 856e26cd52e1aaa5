"""Draw the two years of a member that docs/guide/tiers.md tells: as a table and as a picture, from the library's own answers.

``python -m tools.tier_calendar`` writes the picture anew and prints the table; a test holds both against the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from loyaltycore.periods import Calendar, Period
from loyaltycore.tiers import Downgrade, Ladder, Qualifying, TierGrant, TierRule, TierStatus
from tools.project import ROOT

__all__ = ["PAGE", "PICTURE", "RULE", "main", "picture", "status_on", "stays", "table"]

PAGE: Final = ROOT / "docs" / "guide" / "tiers.md"
PICTURE: Final = PAGE.with_suffix(".svg")

PARIS: Final = Calendar("Europe/Paris")
FIRST, LAST = date(2026, 1, 1), date(2027, 12, 31)
JOINED_ON: Final = date(2026, 1, 10)
DAY: Final = timedelta(days=1)

RULE: Final = TierRule(
    Ladder.of({0: "bronze", 30000: "silver", 100000: "gold"}),
    window=Period(months=12),
    downgrade=Downgrade.ONE_STEP,
    grace=Period(days=30),
)
BOUGHT: Final = (
    Qualifying(day=date(2026, 2, 14), units=32000),
    Qualifying(day=date(2026, 6, 20), units=70000),
    Qualifying(day=date(2027, 3, 5), units=15000),
)
GRANTED: Final = (
    TierGrant(
        ref="ticket-77",
        tier="gold",
        granted_at=datetime(2027, 10, 1, 8, tzinfo=UTC),
        until=PARIS.first_instant(date(2027, 12, 1)),
        reason="a parcel was lost",
        actor="ann",
    ),
)

# The story's own words for its days; what follows from them is worked out.
SAID: Final = {
    JOINED_ON: "joins",
    date(2026, 2, 14): "buys for 320.00",
    date(2026, 6, 20): "buys for 700.00",
    date(2027, 3, 5): "buys for 150.00",
    date(2027, 6, 21): "the year since gold was reached is over: grace",
    date(2027, 7, 21): "the grace is over: one step down",
    date(2027, 10, 1): "gets gold by hand, up to 1 December",
    date(2027, 12, 1): "the grant is over",
}


class Stay(NamedTuple):
    """Days on which a member stood at one place for one reason.

    Attributes:
        first: The first of them.
        last: The last of them.
        tier: Where.
        why: ``"earned"``, ``"grace"`` or ``"granted"``.
    """

    first: date
    last: date
    tier: str
    why: str


def status_on(day: date) -> TierStatus:
    """Ask where the member stood, with what was known on that day."""
    return RULE.status(BOUGHT, day=day, calendar=PARIS, joined_on=JOINED_ON, grants=GRANTED)


def stays() -> list[Stay]:
    """Put days together on which nothing changed, from joining on."""
    found = list[Stay]()
    day = JOINED_ON
    while day <= LAST:
        status = status_on(day)
        why = "granted" if status.granted else "grace" if status.graces else "earned"
        if found and (found[-1].tier, found[-1].why) == (status.tier, why):
            found[-1] = found[-1]._replace(last=day)
        else:
            found.append(Stay(day, day, status.tier or "", why))
        day += DAY
    return found


def _amount(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


def table() -> str:
    """Write the days of the story as a table."""
    lines = ["| day | what happened | tier | last 12 months | kept through | to keep it longer |", "|---|---|---|---|---|---|"]
    for day, said in SAID.items():
        status = status_on(day)
        kept = "–" if status.kept_until is None else str(PARIS.day_of(status.kept_until) - DAY)
        missing = "–" if status.to_keep is None else _amount(status.to_keep)
        lines.append(f"| {day} | {said} | {status.tier} | {_amount(status.metric)} | {kept} | {missing} |")
    return "\n".join(lines) + "\n"


# ---- the picture: a white card with dark text, so that it reads on any page ----

WIDTH, HEIGHT, LEFT, TOP, ROW = 760, 250, 70, 34, 48
_INK, _FAINT = "#1f2937", "#9ca3af"
_FONT: Final = 'font-family="sans-serif" font-size="12"'
_FILLS: Final = {
    "earned": 'fill="#2563eb"',
    "grace": 'fill="#bfdbfe" stroke="#2563eb" stroke-width="1.5"',
    "granted": 'fill="#ffffff" stroke="#b45309" stroke-width="2" stroke-dasharray="4 3"',
}


def _x(day: date) -> int:
    return LEFT + round((day - FIRST).days * (WIDTH - LEFT - 20) / ((LAST - FIRST).days + 1))


def _y(tier: str) -> int:
    return TOP + (len(RULE.tiers) - 1 - RULE.tiers.index(tier)) * ROW


def _grid() -> Iterator[str]:
    bottom = TOP + len(RULE.tiers) * ROW
    for tier in RULE.tiers:
        yield f'<text x="{LEFT - 10}" y="{_y(tier) + 28}" text-anchor="end" fill="{_INK}">{tier}</text>'
    for year in (FIRST.year, LAST.year):
        for month in (1, 4, 7, 10):
            x = _x(date(year, month, 1))
            yield f'<line x1="{x}" y1="{TOP - 6}" x2="{x}" y2="{bottom}" stroke="{_FAINT}" stroke-width="0.5"/>'
            yield f'<text x="{x + 3}" y="{TOP - 12}" fill="{_INK}">{date(year, month, 1):%b %Y}</text>'


def _legend() -> Iterator[str]:
    y = TOP + len(RULE.tiers) * ROW + 36
    for place, (why, fill) in enumerate(_FILLS.items()):
        x = LEFT + place * 110
        yield f'<rect x="{x}" y="{y}" width="22" height="12" {fill}/>'
        yield f'<text x="{x + 28}" y="{y + 10}" fill="{_INK}">{why}</text>'
    yield f'<circle cx="{LEFT + 341}" cy="{y + 6}" r="4" fill="#047857"/>'
    yield f'<text x="{LEFT + 350}" y="{y + 10}" fill="{_INK}">purchase</text>'


def picture() -> str:
    """Draw the tier of every day as SVG."""
    bottom = TOP + len(RULE.tiers) * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {_FONT}>',
        "<title>The tier of one member on every day of two years</title>",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6" fill="#ffffff" stroke="{_FAINT}"/>',
        *_grid(),
    ]
    for stay in stays():
        x, until = _x(stay.first), _x(stay.last + DAY)
        title = f"<title>{stay.tier}, {stay.why}: {stay.first} to {stay.last}</title>"
        parts.append(f'<rect x="{x}" y="{_y(stay.tier) + 10}" width="{until - x}" height="28" {_FILLS[stay.why]}>{title}</rect>')
    for event in BOUGHT:
        title = f"<title>{event.day}: {_amount(event.units)}</title>"
        parts.append(f'<circle cx="{_x(event.day)}" cy="{bottom + 12}" r="4" fill="#047857">{title}</circle>')
    return "\n".join([*parts, *_legend(), "</svg>"]) + "\n"


def main() -> None:
    """Write the picture and print the table."""
    PICTURE.write_text(picture(), encoding="utf-8")
    print(table(), end="")


if __name__ == "__main__":
    main()
