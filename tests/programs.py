"""Random programs, and the bicycle shop's own, for the tests of quotes, orders and members."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache

from hypothesis import strategies as st

from loyaltycore import Basket, Line, Money, Program
from loyaltycore.quantities import exponent_of

__all__ = ["NOW", "START", "VELO", "baskets", "offer_tables", "programs", "velo"]

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
START = date(2026, 7, 1)

VELO = """
[program]
name = "velo"
version = 3
currency = "EUR"
zone = "Europe/Paris"
starts_on = 2026-07-01

[points]
earn = "1 per 1.00"
basis = "paid"
earn_exclude_tags = ["gift-card", "low-margin"]
burn_exclude_tags = ["gift-card"]
pending = "30 days"
expires = "12 months, end of month"
worth = "0.01"
burn_minimum = 500
burn_share = "50 %"
overdraft = "carry"

[points.actions]
review = 50
sign_up = 100

[tiers]
metric = "spend"
window = "12 months"
downgrade = "one step"
[[tiers.rung]]
id = "bronze"
from = "0"
[[tiers.rung]]
id = "silver"
from = "300.00"
[[tiers.rung]]
id = "gold"
from = "1000.00"

[stacking]
mode = "best"
exclude_tags = ["gift-card"]

[[offers]]
id = "ten-from-fifty"
when = { spend_at_least = "50.00", member = true }
give = { percent_off = "10" }

[[offers]]
id = "free-shipping"
when = { spend_at_least = "100.00" }
give = { free_shipping = true }
lane = "shipping"

[[offers]]
id = "summer"
when = { code = "SUMMER10" }
give = { percent_off = "10" }
window = { from = 2026-07-01, to = 2026-09-01 }
"""


def velo() -> Program:
    """Give the bicycle shop's program."""
    return Program.parse(VELO)


def _amount(minor: int, currency: str) -> str:
    return f"{Money(minor, currency).decimal:f}"


@cache
def offer_tables(currency: str, *, offers_limit: int = 4) -> st.SearchStrategy[str]:
    """Draw the offers of a program file."""

    def written(number: int, fields: tuple[int, str, str, str, str]) -> str:
        threshold, percent, lane, when, own = fields
        conditions = [f'spend_at_least = "{_amount(threshold, currency)}"'] if threshold else []
        conditions += {"member": ["member = true"], "code": [f'code = "CODE{"ABDEFGHK"[number]}"']}.get(when, [])
        give = "free_shipping = true" if percent == "ship" else f'percent_off = "{percent}"{own}'
        return (
            f'[[offers]]\nid = "offer-{number}"\nwhen = {{ {", ".join(conditions)} }}\n'
            f'give = {{ {give} }}\nlane = "{lane}"\npriority = {threshold % 3}\n'
        )

    offer = st.tuples(
        st.sampled_from((0, 1, 99, 5_000, 12_345)),
        st.sampled_from(("10", "2.5", "33.3", "60", "100", "ship")),
        st.sampled_from(("product", "basket", "shipping")),
        st.sampled_from(("", "", "member", "code")),
        st.sampled_from(("", ', exclude_tags = ["low-margin"]')),
    )
    return st.lists(offer, max_size=offers_limit).map(
        lambda found: "\n".join(written(number, fields) for number, fields in enumerate(found))
    )


@st.composite
def programs(draw: st.DrawFn, *, mode: str | None = None) -> Program:
    """Draw programs of all kinds that this version executes, in currencies of 0, 2 and 3 decimals."""
    currency = draw(st.sampled_from(("EUR", "JPY", "KWD")))
    unit = Decimal(1).scaleb(-exponent_of(currency))
    step, worth = draw(st.sampled_from((1, 7, 100, 1_000))), draw(st.sampled_from(("0.1", "1", "3", "0.333", "150")))
    earning, times = draw(_earning(currency, step)) if draw(st.booleans()) else ([], "")
    if earning:
        burns = draw(st.booleans())
        burning = [f"burn_minimum = {draw(st.sampled_from((1, 2, 300)))}"] if burns else []
        burning += [draw(st.sampled_from(('burn_share = "50 %"', 'burn_exclude_tags = ["low-margin", "gift-card"]', "")))] * burns
        if burns or any("%" in line for line in earning):
            burning.append(f'worth = "{Decimal(worth) * unit:f}"')
        earning = [
            f'[points]\nbasis = "{draw(st.sampled_from(("list", "discounted", "paid")))}"',
            f'pending = "{draw(st.sampled_from(("at once", "30 days", "400 days")))}"',
            f'expires = "{draw(st.sampled_from(("never", "20 days", "12 months, end of month")))}"',
            'earn_exclude_tags = ["gift-card", "low-margin"]\noverdraft = "carry"',
            *burning,
            *earning,
            f"[points.actions]\nreview = {draw(st.sampled_from(('50', '{ points = 50, per_month = 1 }')))}",
        ]
    lines = [
        f'[program]\nname = "drawn"\nversion = 1\ncurrency = "{currency}"\nzone = "Europe/Paris"\nstarts_on = {START}',
        f'[stacking]\nmode = "{mode or draw(st.sampled_from(("all", "priority", "best")))}"\nexclude_tags = ["gift-card"]',
        draw(offer_tables(currency)),
        '[tiers]\nmetric = "spend"\nwindow = "2 months"\ndowngrade = "one step"',
        *(
            f'[[tiers.rung]]\nid = "{name}"\nfrom = "{_amount(start, currency)}"\n{more}'
            for name, start, more in (("silver", 9_000, ""), ("gold", 40_000, times))
        ),
        *earning,
    ]
    return Program.parse("\n".join(lines))


@st.composite
def _earning(draw: st.DrawFn, currency: str, step: int) -> tuple[list[str], str]:
    """Draw the rules of a program, and what its best tier multiplies."""
    per = _amount(step, currency)
    steps = f'earn = "{draw(st.integers(1, 3))} per {per}"'
    if draw(st.integers(0, 4)) == 0:
        return [steps, "carry_over = true"], ""
    gives = st.sampled_from(('earn = "40 an order"', 'earn = "5 %"\nrounding = "half_up"'))
    more = st.sampled_from(
        ("", "", 'caps = { per_month = 90, over = "truncate" }', 'caps = { per_order = 30, balance = 200, over = "refuse" }')
    )
    rules = [draw(st.just(steps) | gives), draw(more)]
    if draw(st.integers(0, 2)) == 0:
        rules.append(f'combine = "{draw(st.sampled_from(("sum", "best", "first")))}"')
        least = f'at_least = "{_amount(3_000, currency)}"'
        rules += [
            '[[points.rules]]\nid = "second"',
            draw(gives),
            draw(st.sampled_from((least, "", 'only = { products = ["p"] }'))),
        ]
    times = 'earn_multiplier = "1.5"' if draw(st.booleans()) else ""
    if draw(st.booleans()):
        rules.append('[[points.multipliers]]\ntimes = "2"\nonly = { products = ["p", "q"] }')
    return rules, times


_LINES = st.lists(
    st.tuples(
        st.sampled_from("pqr"),
        st.sampled_from((0, 1, 33, 1_999, 5_000)) | st.integers(0, 20_000),
        st.integers(1, 4),
        st.sampled_from(((), (), ("gift-card",), ("low-margin",))),
    ),
    max_size=4,
)


@st.composite
def baskets(draw: st.DrawFn, program: Program, *, lines_limit: int = 4) -> Basket:
    """Draw baskets whose lines often fall into one group, and carry the tags that rules exclude."""
    found = draw(_LINES)
    shipping = draw(st.none() | st.integers(0, 900))
    return Basket(
        [
            Line(f"l{place}", Money(price, program.currency), quantity, product_id=product, tags=tags)
            for place, (product, price, quantity, tags) in enumerate(found[:lines_limit])
        ],
        shipping=None if shipping is None else Money(shipping, program.currency),
        currency=program.currency,
    )
