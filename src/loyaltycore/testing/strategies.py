"""Hypothesis strategies for the library's values, for a shop's own property tests.

One function per type, named in the plural. Arguments bound the values, never how often each is drawn; everything shrinks to
the plainest failure: one line, one unit, EUR, UTC, small numbers.

>>> from hypothesis import given
>>> @given(baskets(products={"helmet": (), "gift-card-50": ("gift-card",)}))
... def test_subtotal_is_never_negative(basket):
...     assert basket.subtotal.minor_units >= 0
>>> test_subtotal_is_never_negative()
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Final, TypeAlias, TypeVar, overload
from zoneinfo import ZoneInfo

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from loyaltycore._currencies import EXPONENTS
from loyaltycore.basket import Basket, Line, Return
from loyaltycore.errors import UsageError
from loyaltycore.identity import ID_LENGTH_LIMIT
from loyaltycore.ladders import Ladder
from loyaltycore.members import Profile
from loyaltycore.periods import Calendar, Period, Term, Through, Window
from loyaltycore.quantities import Money, Rate
from loyaltycore.testing._histories import (
    facts,
    memberships,
    orders,
    points_accounts,
    points_histories,
    shop_histories,
)
from loyaltycore.testing._offers_drawn import (
    PRODUCTS,
    benefits,
    conditions,
    filters,
    offer_books,
    offers,
    stackings,
)
from loyaltycore.testing._rewards_drawn import payouts, referrals
from loyaltycore.testing._rights_drawn import coupons, gift_cards

__all__ = [
    "PRODUCTS",
    "baskets",
    "benefits",
    "calendars",
    "conditions",
    "coupons",
    "currencies",
    "facts",
    "filters",
    "gift_cards",
    "ids",
    "instants",
    "ladders",
    "lines",
    "memberships",
    "monies",
    "offer_books",
    "offers",
    "orders",
    "payouts",
    "periods",
    "points_accounts",
    "points_histories",
    "profiles",
    "rates",
    "referrals",
    "refs",
    "returns_of",
    "shop_histories",
    "stackings",
    "terms",
    "windows",
]

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""The instants drawn when a test does not say."""

_ZONES: Final = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "America/St_Johns",
    "America/Asuncion",
    "Asia/Beirut",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
)
"""From the plainest to those where midnight is skipped or doubled, the clocks move by half an hour, or a day is missing."""

_NIGHTS: Final = (
    ("Europe/Paris", datetime(2026, 3, 29, 1, tzinfo=UTC)),  # an hour is missing
    ("Europe/Paris", datetime(2026, 10, 25, 1, tzinfo=UTC)),  # an hour comes twice
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),  # midnight is missing
    ("America/Havana", datetime(2026, 11, 1, 5, tzinfo=UTC)),  # midnight comes twice
    ("America/St_Johns", datetime(2010, 11, 7, 2, 31, tzinfo=UTC)),  # a minute into Sunday it is Saturday again
    ("Asia/Beirut", datetime(2026, 3, 28, 22, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a whole day is missing
)
"""When clocks were changed: zone and first instant after."""

_AROUND: Final = timedelta(hours=3)

_TICK: Final = timedelta(microseconds=1)

T = TypeVar("T")


# ---- names ----


def refs() -> SearchStrategy[str]:
    """Draw the shop's own names for what happens: ``"ref-1"``, ``"ref-2"``.

    Few enough that a test meets the same one twice.

    Example:
        >>> from hypothesis import given
        >>> @given(refs())
        ... def test_refs_are_plain(ref):
        ...     assert ref.startswith("ref-")
        >>> test_refs_are_plain()
    """
    return st.integers(1, 99).map("ref-{}".format)


def ids(*, max_length: int = ID_LENGTH_LIMIT) -> SearchStrategy[str]:
    """Draw anything that may be an id: any Unicode text without control characters.

    Args:
        max_length: The most characters, 1 to 200.

    Example:
        >>> from hypothesis import given
        >>> from loyaltycore.identity import member_stream
        >>> @given(ids())
        ... def test_any_id_names_a_stream(member_id):
        ...     assert member_stream(member_id) == "member/" + member_id
        >>> test_any_id_names_a_stream()
    """
    return st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=max_length)


# ---- quantities ----


def currencies() -> SearchStrategy[str]:
    """Draw a currency with its code of ISO 4217; shrinks to EUR.

    Example:
        >>> from hypothesis import given
        >>> from loyaltycore.quantities import exponent_of
        >>> @given(currencies())
        ... def test_currencies_have_decimals(currency):
        ...     assert exponent_of(currency) in (0, 2, 3, 4)
        >>> test_currencies_have_decimals()
    """
    return st.sampled_from(["EUR", "JPY", "KWD", *sorted(EXPONENTS.keys() - {"EUR", "JPY", "KWD"})])


def monies(currency: str | None = None, *, min_minor: int = 0, max_minor: int = 10**9) -> SearchStrategy[Money]:
    """Draw amounts.

    Args:
        currency: Of all of them; ``None`` draws one each time.
        min_minor: The least, in minor units; below zero only if you say so.
        max_minor: The most, in minor units.

    Example:
        >>> from hypothesis import given
        >>> @given(monies("EUR", max_minor=1000))
        ... def test_prices_are_small(price):
        ...     assert Money.zero("EUR") <= price <= Money.of("10.00", "EUR")
        >>> test_prices_are_small()
    """
    return st.builds(Money, st.integers(min_minor, max_minor), currencies() if currency is None else st.just(currency))


def rates(*, max_percent: int = 100) -> SearchStrategy[Rate]:
    """Draw rates from 0: hundredths of a per cent, and fractions that no decimal number writes.

    Args:
        max_percent: The highest.

    Example:
        >>> from hypothesis import given
        >>> @given(rates(max_percent=50))
        ... def test_rates_are_at_most_one_half(rate):
        ...     assert 0 <= rate.factor <= Fraction(1, 2)
        >>> test_rates_are_at_most_one_half()
    """
    written = st.integers(0, max_percent * 100).map(lambda hundredths: Fraction(hundredths, 10_000))
    return st.builds(Rate, written | st.fractions(0, Fraction(max_percent, 100), max_denominator=1000))


# ---- time ----


def calendars() -> SearchStrategy[Calendar]:
    """Draw calendars of zones that differ in what their clocks do; shrinks to UTC.

    Example:
        >>> from hypothesis import given
        >>> @given(calendars(), instants())
        ... def test_a_day_has_begun(calendar, at):
        ...     assert calendar.first_instant(calendar.day_of(at)) <= at
        >>> test_a_day_has_begun()
    """
    return st.sampled_from([Calendar(zone) for zone in _ZONES])


def instants(*, earliest: datetime = EARLIEST, latest: datetime = LATEST) -> SearchStrategy[datetime]:
    """Draw timezone-aware instants in several zones: any, the first of a local day, and nights in which clocks change.

    Shrinks to the earliest, in UTC.

    Args:
        earliest: The first that may be drawn, timezone-aware.
        latest: The last that may be drawn, timezone-aware.

    Example:
        >>> from hypothesis import given
        >>> @given(instants(earliest=datetime(2026, 1, 1, tzinfo=UTC)))
        ... def test_instants_are_aware(at):
        ...     assert at.utcoffset() is not None and at >= datetime(2026, 1, 1, tzinfo=UTC)
        >>> test_instants_are_aware()
    """
    first, last = earliest.astimezone(UTC), latest.astimezone(UTC)
    seconds = int(_AROUND.total_seconds())
    return st.builds(
        _instant,
        st.just(first),
        st.sampled_from([*[_anywhere] * 4, *[_at_midnight] * 3, *(partial(_at_night, night) for night in _NIGHTS)]),
        st.sampled_from(_ZONES),
        st.integers(0, (last - first) // _TICK).map(lambda ticks: ticks * _TICK),
        st.integers(-seconds, seconds).map(lambda some: timedelta(seconds=some)),
    )


_Place: TypeAlias = Callable[[datetime, str, timedelta], tuple[datetime, str]]


def _instant(first: datetime, place: _Place, zone: str, since: timedelta, around: timedelta) -> datetime:
    """Move an instant to a special one before it; a search that shrinks can always take it back to where it was."""
    special, its_zone = place(first + since, zone, around)
    return (
        special.astimezone(ZoneInfo(its_zone))
        if first <= special <= first + since
        else (first + since).astimezone(ZoneInfo(zone))
    )


def _anywhere(at: datetime, zone: str, _around: timedelta) -> tuple[datetime, str]:
    return at, zone


def _at_midnight(at: datetime, zone: str, _around: timedelta) -> tuple[datetime, str]:
    calendar = Calendar(zone)
    return calendar.first_instant(calendar.day_of(at)), zone


def _at_night(night: tuple[str, datetime], _at: datetime, _zone: str, around: timedelta) -> tuple[datetime, str]:
    zone, changed = night
    return changed + around, zone


def periods(*, max_years: int = 10) -> SearchStrategy[Period]:
    """Draw lengths of calendar time, of one unit or of several.

    Args:
        max_years: About the longest.

    Example:
        >>> from hypothesis import given
        >>> @given(periods(max_years=1))
        ... def test_periods_are_short(period):
        ...     assert period.after(date(2026, 1, 1)) < date(2030, 1, 3)
        >>> test_periods_are_short()
    """
    most = {"days": 366 * max_years, "weeks": 52 * max_years, "months": 12 * max_years, "years": max_years}
    one_unit = [st.builds(Period, **{unit: st.integers(1, high)}) for unit, high in most.items()]
    several = st.fixed_dictionaries({unit: st.integers(0, high) for unit, high in most.items()})
    return st.one_of(*one_unit, several.filter(lambda units: any(units.values())).map(lambda units: Period(**units)))


def terms(*, max_years: int = 10) -> SearchStrategy[Term]:
    """Draw terms: a period, through the end of a day, month, quarter or year.

    Args:
        max_years: About the longest period.

    Example:
        >>> from hypothesis import given
        >>> @given(terms(), instants(), calendars())
        ... def test_a_term_ends_later(term, at, calendar):
        ...     assert term.end_after(at, calendar=calendar) > at
        >>> test_a_term_ends_later()
    """
    return st.builds(Term, periods(max_years=max_years), through_end_of=st.sampled_from(Through))


def windows(*, earliest: datetime = EARLIEST, latest: datetime = LATEST) -> SearchStrategy[Window]:
    """Draw windows, open at one side, both or neither.

    Args:
        earliest: No side lies before it, timezone-aware.
        latest: No side lies after it, timezone-aware; later than ``earliest``.

    Example:
        >>> from hypothesis import given
        >>> @given(windows())
        ... def test_a_start_is_inside(window):
        ...     assert window.starts_at is None or window.contains(window.starts_at)
        >>> test_a_start_is_inside()
    """
    sides = st.lists(instants(earliest=earliest, latest=latest), min_size=2, max_size=2, unique_by=lambda at: at.timestamp())
    closed = sides.map(lambda pair: sorted(pair, key=lambda at: at.timestamp()))
    return st.builds(
        lambda pair, starts, ends: Window(starts_at=pair[0] if starts else None, ends_at=pair[1] if ends else None),
        closed,
        st.booleans(),
        st.booleans(),
    )


# ---- ladders, members ----


@overload
def ladders(values: None = None, *, min_threshold: int = 0, max_threshold: int = 10**6) -> SearchStrategy[Ladder[str]]: ...
@overload
def ladders(values: SearchStrategy[T], *, min_threshold: int = 0, max_threshold: int = 10**6) -> SearchStrategy[Ladder[T]]: ...
def ladders(
    values: SearchStrategy[T] | None = None, *, min_threshold: int = 0, max_threshold: int = 10**6
) -> SearchStrategy[Ladder[T]] | SearchStrategy[Ladder[str]]:
    """Draw ladders of 1 to 8 rungs.

    Args:
        values: What stands on the rungs, never ``None``; without it names that differ, ``"rung-<threshold>"``.
        min_threshold: The least threshold.
        max_threshold: The highest threshold.

    Example:
        >>> from hypothesis import given
        >>> @given(ladders(st.integers()))
        ... def test_the_first_rung_is_reached(ladder):
        ...     assert ladder.at(ladder.rungs[0].threshold) == ladder.rungs[0].value
        >>> test_the_first_rung_is_reached()
    """
    thresholds = st.integers(min_threshold, max_threshold)
    if values is None:
        named = st.sets(thresholds, min_size=1, max_size=8)
        return named.map(lambda found: Ladder.of({threshold: f"rung-{threshold}" for threshold in found}))
    return st.dictionaries(thresholds, values, min_size=1, max_size=8).map(Ladder.of)


def profiles(
    *, markets: Collection[str] = ("FR", "DE"), tags: Collection[str] = ("club", "staff"), consents: Collection[str] = ("e-mail",)
) -> SearchStrategy[Profile]:
    """Draw what a shop may tell about a member.

    Args:
        markets: The markets to choose from, or none.
        tags: Any set of these.
        consents: Any set of these.

    Example:
        >>> from hypothesis import given
        >>> @given(profiles(markets=["FR"]))
        ... def test_only_one_market(profile):
        ...     assert profile.market in (None, "FR")
        >>> test_only_one_market()
    """
    return st.builds(
        Profile,
        market=st.none() | st.sampled_from(sorted(markets)) if markets else st.none(),
        birthday=st.none() | st.dates(date(1920, 1, 1), date(2020, 12, 31)) | st.just(date(2000, 2, 29)),
        tags=_subsets(tags),
        consents=_subsets(consents),
    )


def _subsets(words: Collection[str]) -> SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(sorted(words))) if words else st.just(frozenset())


# ---- baskets ----


def lines(
    currency: str = "EUR",
    *,
    products: Mapping[str, Collection[str]] = PRODUCTS,
    categories: Collection[str] = (),
    brands: Collection[str] = (),
    max_price_minor: int = 100_000,
    max_quantity: int = 10,
    max_reduction_minor: int = 0,
    max_floor_minor: int = 0,
) -> SearchStrategy[Line]:
    """Draw single lines; the line id is the product's.

    Args:
        currency: Of all prices.
        products: Tags by product id.
        categories: Any set of these.
        brands: One of these or none.
        max_price_minor: The highest price of one unit, in minor units; the lowest is 0.
        max_quantity: The most units of one line.
        max_reduction_minor: How far a price is below its crossed-out one at most, in minor units; of 0 none is crossed out.
        max_floor_minor: The highest floor price, in minor units; of 0 there is none.

    Example:
        >>> from hypothesis import given
        >>> @given(lines("JPY", categories=["helmets", "sale"], max_quantity=3))
        ... def test_lines_are_small(line):
        ...     assert line.quantity <= 3 and line.unit_price.currency == "JPY" and line.categories <= {"helmets", "sale"}
        >>> test_lines_are_small()
    """
    at_this_price = st.builds(
        lambda product_id, quantity, unit_price, **more: Line(
            product_id, unit_price, quantity, tags=products[product_id], **more
        ),
        st.sampled_from(list(products)),
        st.integers(1, max_quantity),
        monies(currency, max_minor=max_price_minor),
        categories=_subsets(categories),
        brand=_one_or_none(brands),
        floor_price=_amount_or_none(currency, max_floor_minor),
    )
    return st.builds(_reduced, at_this_price, _amount_or_none(currency, max_reduction_minor))


def _reduced(line: Line, reduction: Money | None) -> Line:
    """Cross out the price that a line had before."""
    return line if reduction is None else attrs.evolve(line, regular_price=line.unit_price + reduction)


def _one_or_none(words: Collection[str]) -> SearchStrategy[str | None]:
    return st.none() | st.sampled_from(sorted(words)) if words else st.none()


def _amount_or_none(currency: str, most: int) -> SearchStrategy[Money | None]:
    return st.none() | monies(currency, max_minor=most) if most else st.none()


def baskets(
    currency: str = "EUR",
    *,
    products: Mapping[str, Collection[str]] = PRODUCTS,
    categories: Collection[str] = (),
    brands: Collection[str] = (),
    markets: Collection[str] = (),
    channels: Collection[str] = (),
    payments: Collection[str] = (),
    min_lines: int = 0,
    max_lines: int = 8,
    max_price_minor: int = 100_000,
    max_quantity: int = 10,
    max_reduction_minor: int = 0,
    max_floor_minor: int = 0,
) -> SearchStrategy[Basket]:
    """Draw baskets, shipping known or not; the first line of a product has its id, further ones ``"<product>/2"``.

    What your offers speak of must be told, or no basket has it: goods have no category where none is named.

    Args:
        currency: Of all prices: that of your program.
        products: Tags by product id: what is on sale in your shop.
        categories: Each line is in any set of these.
        brands: Each line is of one of these or of none.
        markets: The sale is in one of these or in none.
        channels: It goes by one of these or by none.
        payments: It is paid in one of these ways, or that is not known.
        min_lines: The fewest lines; 0 draws empty baskets too.
        max_lines: The most lines.
        max_price_minor: The highest price of one unit, and of shipping, in minor units; the lowest is 0.
        max_quantity: The most units of one line.
        max_reduction_minor: How far a price is below its crossed-out one at most, in minor units; of 0 none is crossed out.
        max_floor_minor: The highest floor price, in minor units; of 0 there is none.

    Example:
        >>> from hypothesis import given
        >>> @given(baskets("JPY", min_lines=1, markets=["FR", "DE"]))
        ... def test_one_currency(basket):
        ...     assert basket.currency == "JPY" and basket.lines and basket.market in (None, "FR", "DE")
        >>> test_one_currency()
    """
    of_shop = lines(
        currency,
        products=products,
        categories=categories,
        brands=brands,
        max_price_minor=max_price_minor,
        max_quantity=max_quantity,
        max_reduction_minor=max_reduction_minor,
        max_floor_minor=max_floor_minor,
    )
    return st.builds(
        lambda found, shipping, market, channel, payment: Basket(
            _numbered(found), shipping=shipping, market=market, channel=channel, payment=payment, currency=currency
        ),
        st.lists(of_shop, min_size=min_lines, max_size=max_lines),
        st.none() | monies(currency, max_minor=max_price_minor),
        _one_or_none(markets),
        _one_or_none(channels),
        _one_or_none(payments),
    )


def _numbered(found: list[Line]) -> list[Line]:
    """Make the line ids of a basket unique."""
    times = dict[str, int]()
    numbered = list[Line]()
    for line in found:
        times[line.product_id] = nth = times.get(line.product_id, 0) + 1
        numbered.append(line if nth == 1 else attrs.evolve(line, line_id=f"{line.product_id}/{nth}"))
    return numbered


def returns_of(basket: Basket) -> SearchStrategy[Return]:
    """Draw what may come back of a basket: some units of some lines, or an amount up to its list price; and of shipping.

    Args:
        basket: With one line at least.

    Raises:
        UsageError: A basket without lines, of which nothing can come back.

    Example:
        >>> from hypothesis import given
        >>> basket = Basket([Line("bell", Money.of("12.50", "EUR"), 3)])
        >>> @given(returns_of(basket))
        ... def test_no_more_comes_back_than_was_sold(back):
        ...     assert back.lines.get("bell", 0) <= 3
        >>> test_no_more_comes_back_than_was_sold()
    """
    if not basket.lines:
        msg = "basket must have a line that can come back, got none"
        raise UsageError(msg)
    units = st.fixed_dictionaries({line.line_id: st.integers(0, line.quantity) for line in basket.lines})
    some = units.map(lambda found: {line_id: count for line_id, count in found.items() if count}).filter(bool)
    goods = some.map(lambda found: Return(lines=found))
    if basket.subtotal.minor_units > 0:
        goods |= _up_to(basket.subtotal).map(lambda amount: Return(amount=amount))
    if basket.shipping is None or basket.shipping.minor_units == 0:
        return goods
    shipping = _up_to(basket.shipping)
    with_shipping = st.builds(lambda back, money: attrs.evolve(back, shipping=money), goods, shipping)
    return goods | shipping.map(lambda money: Return(shipping=money)) | with_shipping


def _up_to(most: Money) -> SearchStrategy[Money]:
    return monies(most.currency, min_minor=1, max_minor=most.minor_units)


# ---- of higher floors ----
