"""The summary of a replay, laid out for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from loyaltycore.messages import money_text
from loyaltycore.quantities import Money
from loyaltycore.replay import Report

__all__ = ["summary"]

_WIDTH: Final = 8
"""Of a number in the table of tiers; a longer name makes its column wider."""


def summary(report: Report, currency: str) -> str:
    """Lay the report out for a person.

    Args:
        report: What a history came to.
        currency: Of its amounts.
    """
    rows: list[tuple[str, str]] = [("program", report.program)]
    rows += [
        ("members", f"{report.members:,}"),
        ("orders", f"{sum(report.orders.values()):,} ({report.orders['guest']:,} of guests)"),
    ]
    rows += [("", ""), ("points", "")]
    rows += [(f"  {name}", f"{count:,}") for name, count in report.points.items() if name != "live"]
    rows += [("", ""), *_tiers(report)] if report.quarters else []
    offers = {name: one for name, one in report.offers.items() if name not in report.campaigns}
    rows += [("", ""), ("offers", "")] if offers else []
    rows += [
        (f"  {name}", f"{one['uses']:,} uses, {money_text(Money(one['cost_minor'], currency))}") for name, one in offers.items()
    ]
    rows += [("", ""), ("campaigns", "")] if report.campaigns else []
    rows += [(f"  {name}", _told(one, currency)) for name, one in report.campaigns.items()]
    rows += [("", ""), ("gift cards", "")] if report.gift_cards else []
    rows += [(f"  {name}", text) for name, text in _of_cards(report.gift_cards, currency)]
    rows += [("", ""), ("rewards", "")] if report.rewards else []
    rows += [(f"  {name}", ", ".join(_of_reward(one, currency))) for name, one in report.rewards.items()]
    rows += [("", ""), ("referrals", ""), *_of_friends(report.referrals, currency)] if report.referrals else []
    rows += [("", ""), ("advocates", "")] if report.advocates else []
    rows += [(f"  {one.place}. {one.advocate_id}", _counted(one.friends, "friend")) for one in report.advocates]
    rows += [("", ""), ("rows", f"{report.read:,}")]
    rows += [(f"  {name}", f"{count:,}") for name, count in report.buckets.items()]
    rows += [("", ""), ("beside", "")] if report.beside else []
    rows += [(f"  {name}", f"{count:,}") for name, count in report.beside.items()]
    rows += [("", ""), ("books", "balanced" if report.balanced else "DO NOT BALANCE")]
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{value}".rstrip() for name, value in rows)


def _tiers(report: Report) -> Iterator[tuple[str, str]]:
    """Lay out how many members stood in each tier, quarter by quarter; a tier that nobody ever lacked is no column."""
    quarters = report.quarters
    names = [name for name in next(iter(quarters.values())) if name != "none" or any(one["none"] for one in quarters.values())]
    widths = {name: max(_WIDTH, len(name) + 2) for name in names}
    yield "tiers", "".join(f"{name:>{widths[name]}}" for name in names)
    for quarter, one in quarters.items():
        yield f"  {quarter}", "".join(f"{one[name]:>{widths[name]},}" for name in names)


def _told(one: Mapping[str, int], currency: str) -> str:
    """Say what a campaign gave out, brought and cost."""
    given = one["issued"] + one["granted"]
    out = [f"{one[name]:,} {name}" for name in ("issued", "granted") if one[name]]
    rate = f" ({100 * one['redeemed'] / given:.1f} %)" if given else ""
    brought, cost = (money_text(Money(one[name], currency)) for name in ("brought_minor", "cost_minor"))
    return ", ".join([*out, f"{one['redeemed']:,} redeemed{rate}", f"brought {brought}", f"cost {cost}"])


def _of_cards(cards: Mapping[str, int], currency: str) -> Iterator[tuple[str, str]]:
    """Say what was loaded on gift cards, and where it is; what there is none of, beside the usual, is not said."""
    for name, number in cards.items():
        word, is_money, _ = name.partition("_minor")
        if not is_money:
            yield word, f"{number:,}"
        elif number or word in _CARD_WORDS:
            yield word, money_text(Money(number, currency))


_CARD_WORDS: Final = frozenset({"loaded", "paid", "left", "expired"})


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _of_reward(one: Mapping[str, int], currency: str) -> Iterator[str]:
    """Say how often a reward was given, what members paid for it, and what it gave them."""
    yield f"{one['given']:,} given"
    if one["taken_back"]:
        yield f"{one['taken_back']:,} taken back"
    if one["price_points"]:
        yield f"for {one['price_points']:,} points"
    if one["points"]:
        yield f"{one['points']:,} points"
    if one["coupons_used"]:
        yield f"{_counted(one['coupons_used'], 'coupon')} used"
    if one["cost_minor"]:
        yield f"cost {money_text(Money(one['cost_minor'], currency))}"


def _of_friends(found: Mapping[str, int | str | None], currency: str) -> Iterator[tuple[str, str]]:
    """Say what became of friends; a part that cannot be worked out is a dash."""
    for name, value in found.items():
        word, is_money, _ = name.partition("_minor")
        if is_money and isinstance(value, int):
            yield f"  {_FRIEND_WORDS[word]}", money_text(Money(value, currency))
        elif isinstance(value, int):
            yield f"  {name}", f"{value:,}"
        elif name == "conversion" and value is not None:
            yield f"  {name}", f"{100 * Decimal(value):.1f} %"
        else:
            yield f"  {_FRIEND_WORDS.get(name, name)}", "–" if value is None else f"{Decimal(value):.2f}"


_FRIEND_WORDS: Final = {
    "cost": "cost",
    "ltv": "worth of a member",
    "roi": "ROI",
}
