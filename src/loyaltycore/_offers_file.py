"""The tables ``[stacking]``, ``[[offers]]`` and ``[[campaigns]]`` of a program file.

How offers meet, when each applies, what it gives, and which of them only a code or a coupon opens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final, TypeAlias, TypeVar, cast, final

import attrs

from loyaltycore._campaign import CAMPAIGNS_LIMIT
from loyaltycore._checks import check_count, check_whole
from loyaltycore._code_space import space_id_of
from loyaltycore._phrases import EXPIRES, PENDING, TERM, read_expires, read_pending, read_term
from loyaltycore._tables import (
    Problem,
    Table,
    check_said,
    made,
    read_above_nothing,
    read_filter,
    read_price,
    read_schedule,
    read_window,
)
from loyaltycore.basket import Filter
from loyaltycore.benefits import (
    BENEFITS_LIMIT,
    AmountOff,
    Benefit,
    BonusPoints,
    BundlePrice,
    BuyGet,
    Fill,
    FixedPrice,
    FreeShipping,
    Gift,
    Level,
    NextCoupon,
    Part,
    Per,
    PercentOff,
    Pick,
    PointsTimes,
    QuantityLadder,
    Reward,
    Several,
    ShippingAmountOff,
    ShippingPercentOff,
    ShippingPrice,
    Single,
    SpendLadder,
    Spread,
    Units,
    cheapest_free,
    singles,
)
from loyaltycore.conditions import (
    DEPTH_LIMIT,
    Across,
    AllOf,
    AnyOf,
    Base,
    Condition,
    CouponHeld,
    InMarket,
    InTier,
    MemberTagged,
    Not,
    PaidBy,
    ViaChannel,
    code_presented,
    contains,
    coupon_held,
    during,
    first_order,
    is_member,
    leaves,
    nth_order,
    past_discount_at_least,
    points_at_least,
    products_at_least,
    quantity_at_least,
    spend_at_least,
)
from loyaltycore.coupons import HUMAN, CouponCampaign, HumanCode, Validity, fold_code
from loyaltycore.errors import UsageError
from loyaltycore.identity import check_id, check_slug
from loyaltycore.offers import (
    Combines,
    FreedBy,
    Lane,
    Limits,
    Mode,
    Offer,
    OfferBook,
    Returns,
    Span,
    Stacking,
    Times,
)
from loyaltycore.periods import Calendar, Expires, Pending, Recurrence, Window
from loyaltycore.quantities import Money, Over, Rate, Remainder, Rounding

__all__ = [
    "LADDERS",
    "SINGLES",
    "VALID",
    "Kind",
    "OfferTerms",
    "check_times",
    "coupons_of",
    "granted_of",
    "in_tier",
    "read_amount",
    "read_bonus",
    "read_count",
    "read_gives",
    "read_offers",
    "read_sale",
    "read_times",
    "read_valid_for",
    "read_when",
    "together",
]

T = TypeVar("T")

_AMOUNT: Final = 'an amount such as "50.00"'
_PERCENT: Final = 'a percentage as text, such as "10"'
_NAME: Final = "letters, digits and dashes"
_COUNT: Final = "a whole number of at least 1"
_COUNTING: Final = ("spend_at_least", "quantity_at_least", "products_at_least")
_RECURS: Final = 'a rule of RFC 5545 such as "FREQ=MONTHLY;BYDAY=1SU"'
_CODES: Final = f'"{HUMAN}", or a pattern such as "HI-####-####-####"'
_HOURS: Final = re.compile(r"([0-9]{1,4}) hours?")
VALID: Final = f'"N hours", such as "24 hours", or {TERM}'


@final
@attrs.frozen(kw_only=True)
class OfferTerms:
    """What offers take from the rest of the file.

    Attributes:
        name: Of the program: what the codes of its campaigns are for.
        currency: Of all amounts.
        calendar: Whose days count.
        tiers: The tiers there are; ``None`` where they could not be read.
        points: How points wait and end, as ``[points]`` says; ``None`` where there is no such table.
        taken: The names that rules and actions give to lots.
        carries: The rule that carries spend of the main account over; ``None`` where there is none.
        coupons: The campaigns that give coupons of one each; ``None`` where they could not be read.
        granted: Those of them without codes, whose coupons members are given; likewise.
    """

    name: str
    currency: str
    calendar: Calendar
    tiers: frozenset[str] | None
    points: tuple[Pending, Expires] | None
    taken: frozenset[str]
    carries: str | None
    coupons: frozenset[str] | None
    granted: frozenset[str] | None


def read_offers(root: Table, terms: OfferTerms, problems: list[Problem]) -> tuple[OfferBook, tuple[CouponCampaign, ...]]:
    """Read all offers and campaigns, and how they meet: the book holds the offers of the campaigns too.

    Where they make no book this is a problem, and the book is empty.
    """
    stacking, tables, campaign_tables = root.table("stacking"), root.tables("offers"), root.tables("campaigns")
    policy = None if stacking is None else _stacking(stacking, terms)
    if stacking is None and (tables or campaign_tables):
        problems.append(Problem("stacking.mode", "", "is missing; where there are offers, how they meet must be said"))
    offers = [offer for offer in (_offer(table, terms) for table in tables) if offer is not None]
    campaigns = list[CouponCampaign]()
    if len(campaign_tables) > CAMPAIGNS_LIMIT:
        root.report("campaigns", len(campaign_tables), f"must be at most {CAMPAIGNS_LIMIT} tables")
        campaign_tables = []
    for table in campaign_tables:
        campaign = _campaign(table, terms)
        if campaign is not None and _is_alone(table, campaign, [*offers, *(one.offer for one in campaigns)]):
            campaigns.append(campaign)
    try:
        book = OfferBook([*offers, *(one.offer for one in campaigns)], stacking=policy or Stacking(Mode.ALL))
    except UsageError as error:
        problems.append(Problem("offers", "", str(error)))
        book = OfferBook((), stacking=Stacking(Mode.ALL))
    return book, tuple(campaigns)


def coupons_of(data: object) -> frozenset[str] | None:
    """Name the campaigns that give coupons of one each, as they stand in a file; ``None`` where they are no tables with names.

    What a condition may ask for is known so before the campaigns are read, whatever else is wrong with them.
    """
    return _campaigns_of(data, lambda codes: codes != HUMAN)


def granted_of(data: object) -> frozenset[str] | None:
    """Name the campaigns without codes, likewise: what a reward may give a coupon of."""
    return _campaigns_of(data, lambda codes: codes is None)


def _campaigns_of(data: object, fits: Callable[[object], bool]) -> frozenset[str] | None:
    if not isinstance(data, list) or not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in data):
        return None
    return frozenset(one["id"] for one in data if fits(one.get("codes")))


def _stacking(table: Table, terms: OfferTerms) -> Stacking | None:
    mode, tags = table.choice("mode", Mode), table.tags("exclude_tags")
    lanes = table.table("at_most")
    at_most = {} if lanes is None else lanes.counts(*(lane.value for lane in Lane))
    if lanes is not None:
        lanes.close()
    said: dict[str, Any] = {**table.counts("offers_at_most"), **table.choices(returns=Returns)}
    limit = read_amount(table, "discount_limit", terms)
    share = table.text("discount_share", lambda text: Rate.percent(_percent(text)), _PERCENT, None)
    table.close()
    by_lane = {Lane(name): count for name, count in at_most.items()}
    return made(
        table,
        lambda: Stacking(mode, exclude_tags=tags, at_most=by_lane, discount_limit=limit, discount_share=share, **said),
    )


def _offer(table: Table, terms: OfferTerms) -> Offer | None:
    offer_id, said = _shared(table, terms)
    table.close()
    if said is None:
        return None
    _check_points(table, offer_id, said["give"], terms)
    _check_freed(table, said["limits"])
    return made(table, lambda: Offer(offer_id, **said))


def _shared(table: Table, terms: OfferTerms) -> tuple[str, dict[str, Any] | None]:
    """Read what offers and campaigns have in common: the name, and the fields; none where nothing is given."""
    name = table.text("id", lambda text: check_slug("id", text), _NAME)
    when = read_when(table.table("when"), terms)
    give = _give(table, terms)
    said: dict[str, Any] = {"when": when, "give": give, **table.choices(lane=Lane, base=Base)}
    said["priority"] = table.take(
        "priority", int, lambda value: check_whole("priority", value, low=-1_000_000, high=1_000_000), "a whole number", 0
    )
    said["window"] = read_sale(table.table("window"), terms)
    said["combines"] = _combines(table)
    said["group"] = table.text("group", lambda text: check_slug("group", text), _NAME, None)
    said["discount_limit"] = read_amount(table, "discount_limit", terms)
    said["limits"] = _limits(table.table("limits"), terms)
    return name, None if give is None else said


def _campaign(table: Table, terms: OfferTerms) -> CouponCampaign | None:
    campaign_id, said = _shared(table, terms)
    codes = table.text("codes", lambda text: _codes(text, terms), _CODES, None)
    valid_for = table.text("valid_for", read_valid_for, VALID, None)
    automatic = table.flag("automatic")
    table.close()
    is_human = codes == HUMAN
    for name in ("valid_for", "automatic") if is_human else ():
        if name in table.values:
            table.report(name, table.values[name], f'goes with coupons of one each, not with codes = "{HUMAN}"')
    if is_human and table.is_right("id"):
        table.text("id", lambda text: HumanCode(text).text, _NAME)
    if said is None:
        return None
    _check_points(table, campaign_id, said["give"], terms)
    if is_human:
        _check_freed(table, said["limits"])
    if any(isinstance(part, CouponHeld) for part in leaves(said["when"])):
        table.report("when", None, "must not ask for a coupon: the campaign's own opens it")
    return made(
        table,
        lambda: CouponCampaign(campaign_id, codes=codes, valid_for=valid_for, automatic=automatic, **said),
    )


def _codes(text: str, terms: OfferTerms) -> str:
    """Read what codes look like: the id of the campaign is the one code, or the space of a pattern that a machine fills."""
    return text if text == HUMAN else space_id_of(text, context=terms.name)


def read_valid_for(text: str) -> Validity:
    """Read how long a coupon can be redeemed: whole hours, or local days as points have them."""
    hours = _HOURS.fullmatch(text)
    if hours is not None:
        return timedelta(hours=int(hours[1]))
    try:
        return read_term(text)
    except UsageError as error:
        raise UsageError(str(error).replace(TERM, VALID)) from error


def _is_alone(table: Table, campaign: CouponCampaign, others: list[Offer]) -> bool:
    """Report a campaign that has the name, or the code, of an offer or of a campaign before it."""
    taken = {code: other.offer_id for other in others for code in other.codes}
    doubled = next((code for code in sorted(campaign.offer.codes) if code in taken), None)
    if any(other.offer_id == campaign.campaign_id for other in others):
        table.report("id", campaign.campaign_id, "must differ from that of every offer and of every other campaign")
    elif doubled is not None:
        is_own = campaign.is_human and doubled == fold_code(campaign.campaign_id)
        name = "id" if is_own else "when"
        table.report(name, table.values[name], f"must ask for another code than {taken[doubled]!r} does, however it is typed")
    return table.sound


def _check_freed(table: Table, limits: Limits) -> None:
    """Report what gives a use back where no use is counted."""
    if limits.are_open and table.sound and "freed_by" in table.values.get("limits", {}):
        table.report("limits.freed_by", limits.freed_by.value, "goes with total, per_member, budget or units")


def _check_points(table: Table, offer_id: str, give: Benefit, terms: OfferTerms) -> None:
    """Report points that would be taken for others', or that would multiply what cannot be."""
    if offer_id in terms.taken and any(isinstance(one, BonusPoints) for one in singles(give)):
        table.report("id", offer_id, "must differ from that of every rule and action, as the offer gives points too")
    check_times(table, "give", give, terms)


def check_times(table: Table, name: str, give: Benefit, terms: OfferTerms) -> None:
    """Report what would multiply points that cannot be."""
    if terms.carries is not None and any(isinstance(one, PointsTimes) for one in singles(give)):
        table.report(name, None, f"must not multiply points, as rule {terms.carries!r} carries spend over")


def read_sale(table: Table | None, terms: OfferTerms) -> Window | None:
    if table is None:
        return None
    window = read_window(table, terms.calendar)
    table.close()
    check_said(table)
    return window


def _combines(table: Table) -> Combines:
    exclusive, stop_after = table.flag("exclusive"), table.flag("stop_after")
    if exclusive and stop_after:
        table.report("stop_after", None, "goes without exclusive, which lets no other offer apply at all")
    if exclusive:
        return Combines.ALONE
    return Combines.LAST if stop_after else Combines.ANY


def _limits(table: Table | None, terms: OfferTerms) -> Limits:
    if table is None:
        return Limits()
    said: dict[str, Any] = {**table.counts("units"), **table.choices(over=Over, freed_by=FreedBy)}
    said |= {name: read_times(table, name) for name in ("total", "per_member")}
    budget = read_amount(table, "budget", terms)
    table.close()
    check_said(table)
    if "over" in table.values and not table.values.keys() & {"budget", "units"}:
        table.report("over", table.values["over"], "goes with budget or units")
    return made(table, lambda: Limits(budget=budget, **said)) or Limits()


def read_times(table: Table, name: str) -> Times:
    """Read how often: a number is for ever, a table says so many in which spans."""
    if not isinstance(table.values.get(name), dict):
        count = table.take(name, int, lambda value: check_count("it", value), "a whole number of at least 1, or a table", 0)
        return Times(lifetime=count or None)
    inner = table.needed(name)
    counts = inner.counts(*(span.value for span in Span))
    inner.close()
    check_said(inner)
    return made(inner, lambda: Times(**counts)) or Times()


# What must hold.


def read_when(table: Table | None, terms: OfferTerms, depth: int = 1) -> Condition:
    """Read what must hold: of several keys all of it."""
    if table is None:
        return AllOf(())
    if depth > DEPTH_LIMIT:
        # Refused before it is looked into: a file may nest deeper than a program can follow.
        table.report("", None, f"must stand at most {DEPTH_LIMIT} deep in other conditions")
        return AllOf(())
    found = [*_of_goods(table, terms), *_of_person(table, terms), *_of_sale(table, terms), *_composed(table, terms, depth)]
    table.close()
    if depth > 1:
        check_said(table)
    parts = [part for part in found if part is not None]
    return made(table, lambda: parts[0] if len(parts) == 1 else AllOf(parts)) or AllOf(())


def _of_goods(table: Table, terms: OfferTerms) -> list[Condition | None]:
    """Read what counts goods: one filter for all that is counted in the table."""
    of = read_filter(table.table("of"), terms.currency)
    base = table.choice("base", Base, Base.LIST) or Base.LIST
    across = table.choice("across", Across, Across.BASKET) or Across.BASKET
    holds = table.table("contains")
    for name, beside in (("of", _COUNTING), ("base", _COUNTING[:1]), ("across", _COUNTING[1:2])):
        if name in table.values and not table.values.keys() & set(beside):
            table.report(name, table.values[name], f"goes with {' or '.join(beside)}")
    return [
        table.text(
            "spend_at_least",
            lambda text: spend_at_least(read_above_nothing(text, terms.currency), of=of, base=base),
            _AMOUNT,
            None,
        ),
        read_count(table, "quantity_at_least", lambda units: quantity_at_least(units, of=of, across=across)),
        read_count(table, "products_at_least", lambda products: products_at_least(products, of=of)),
        None if holds is None else contains(read_filter(holds, terms.currency)),
    ]


def _of_person(table: Table, terms: OfferTerms) -> list[Condition | None]:
    return [
        table.text("code", lambda text: code_presented(HumanCode(text).text), 'a code such as "SUMMER10"', None),
        table.text("coupon", lambda text: _coupon_held(text, terms), 'the id of a campaign such as "welcome"', None),
        is_member() if table.flag("member") else None,
        first_order() if table.flag("first_order") else None,
        read_count(table, "order_number", nth_order),
        _some(table, "tiers", lambda tiers: in_tier(tiers, terms), "tiers", "gold"),
        _some(table, "member_tags", MemberTagged, "tags", "staff"),
        read_count(table, "points_at_least", points_at_least),
        table.text("past_discount_at_least", lambda text: past_discount_at_least(_percent(text)), _PERCENT, None),
    ]


def _of_sale(table: Table, terms: OfferTerms) -> list[Condition | None]:
    return [
        _some(table, "markets", InMarket, "markets", "FR"),
        _some(table, "channels", ViaChannel, "channels", "app"),
        _some(table, "payments", PaidBy, "ways to pay", "card"),
        _during(table.table("during"), terms),
    ]


def _composed(table: Table, terms: OfferTerms, depth: int) -> list[Condition | None]:
    turned = table.table("not")
    return [
        _several(table, "all", AllOf, terms, depth),
        _several(table, "any", AnyOf, terms, depth),
        None if turned is None else made(turned, lambda: Not(read_when(turned, terms, depth + 1))),
    ]


def _several(
    table: Table, name: str, kind: Callable[[list[Condition]], Condition], terms: OfferTerms, depth: int
) -> Condition | None:
    parts = [read_when(one, terms, depth + 1) for one in table.tables(name)]
    if not parts:
        if table.values.get(name) == []:
            table.report(name, None, "must be a list of at least one table")
        return None
    return made(table, lambda: kind(parts), key=name)


def _coupon_held(text: str, terms: OfferTerms) -> CouponHeld:
    condition = coupon_held(text)
    if terms.coupons is not None and text not in terms.coupons:
        msg = "goes with a table [[campaigns]] that gives coupons of one each"
        if terms.coupons:
            msg = f"must be of the campaigns that give coupons: {', '.join(sorted(terms.coupons))}"
        raise UsageError(msg)
    return condition


def in_tier(tiers: list[str], terms: OfferTerms) -> InTier:
    condition = InTier(tiers)
    if terms.tiers is not None and not condition.tiers <= terms.tiers:
        msg = f"must be of the tiers {', '.join(sorted(terms.tiers))}" if terms.tiers else "goes with a table [tiers]"
        raise UsageError(msg)
    return condition


def _during(table: Table | None, terms: OfferTerms) -> Condition | None:
    if table is None:
        return None
    window = read_window(table, terms.calendar)
    if not {"from", "to"} & table.values.keys():
        window = None
    schedule = read_schedule(table)
    first = table.values.get("from")
    if table.is_right("from"):
        recurs = table.text("recurs", lambda text: _recurrence(text, first), _RECURS, None)
    else:
        # Without the day it counts from, a rule cannot be judged.
        table.asked.append("recurs")
        recurs = None
    table.close()
    check_said(table)
    return made(table, lambda: during(window=window, schedule=schedule, recurrence=recurs))


def _recurrence(text: str, first: date | None) -> Recurrence:
    """Read a rule; in a file the first day inside is where it counts from."""
    try:
        return Recurrence(text, starts_on=first)
    except UsageError as error:
        raise UsageError(str(error).replace("starts_on", "from")) from error


# What it gives.


Kind: TypeAlias = Callable[[Table, OfferTerms], Callable[[], T]]
"""Reads what goes with the key that names a benefit, and gives how to make it where nothing is wrong."""

_Make: TypeAlias = Callable[[], Single]


def _give(offer: Table, terms: OfferTerms) -> Benefit | None:
    """Read one benefit, or a list of several."""
    parts = read_gives(offer, "give", terms, SINGLES)
    return None if parts is None else together(offer, "give", parts)


def read_gives(
    table: Table, name: str, terms: OfferTerms, kinds: Mapping[str, Kind[T]]
) -> list[T | SpendLadder | QuantityLadder] | None:
    """Read what stands under a key: a table that gives one thing, or a list of tables; ``None`` where something is wrong.

    Args:
        table: Where the key stands.
        name: The key.
        terms: What benefits take from the rest of the file.
        kinds: What may be given, by the key that names it; ladders may, alone.
    """
    if not isinstance(table.values.get(name), list):
        one = table.table(name)
        if one is None:
            table.report(name, None, 'is missing; must be a table such as { percent_off = "10" } or { free_shipping = true }')
            return None
        ladder = next((key for key in LADDERS if key in one.values), None)
        found = _single(one, terms, kinds, more=LADDERS) if ladder is None else LADDERS[ladder](one, terms)
        return None if found is None else [found]
    tables = table.tables(name)
    if not 0 < len(tables) <= BENEFITS_LIMIT:
        table.report(name, len(tables), f"must be a table, or a list of 1 to {BENEFITS_LIMIT} tables")
        return None
    several = [one for one in (_single(part, terms, kinds) for part in tables) if one is not None]
    return None if len(several) < len(tables) else [*several]


def together(table: Table, name: str, parts: Iterable[Benefit]) -> Benefit | None:
    """Make one benefit of those that stand under a key, at least one; ``None`` where they do not go together."""
    found = tuple(parts)
    # A ladder stands alone, as the file is read.
    return found[0] if len(found) == 1 else made(table, lambda: Several(cast("tuple[Single, ...]", found)), key=name)


def _single(table: Table, terms: OfferTerms, kinds: Mapping[str, Kind[T]], *, more: Iterable[str] = ()) -> T | None:
    """Read one benefit: the one key that names it, and what goes with that.

    Args:
        table: The table.
        terms: What it takes from the rest of the file.
        kinds: What reads it, by the key that names it.
        more: Keys that could stand there too, for the message.
    """
    named = [name for name in kinds if name in table.values]
    if "buy" in named and "percent_off" in named:
        named.remove("percent_off")  # off what one gets
    if len(named) != 1:
        if table.sound:
            table.report("", ", ".join(table.values) or None, f"must say one of {', '.join([*kinds, *more])}")
        return None
    make = kinds[named[0]](table, terms)
    table.close(beside=named[0])
    return made(table, make, key=named[0])


def _percent_off(table: Table, terms: OfferTerms) -> _Make:
    percent = table.text("percent_off", _percent, _PERCENT)
    of, units, tags = read_filter(table.table("of"), terms.currency), _units(table.table("units")), table.tags("exclude_tags")
    said: dict[str, Any] = table.choices(rounding=Rounding, rounded_per=Level, remainder=Remainder)
    return lambda: PercentOff(percent, of=of, units=units, exclude_tags=tags, **said)


def _amount_off(table: Table, terms: OfferTerms) -> _Make:
    amount = table.text("amount_off", lambda text: read_above_nothing(text, terms.currency), _AMOUNT)
    per = table.choice("per", Per)
    of, units, tags = read_filter(table.table("of"), terms.currency), _units(table.table("units")), table.tags("exclude_tags")
    said: dict[str, Any] = table.choices(spread=Spread, remainder=Remainder)
    return lambda: AmountOff(amount, per=per, of=of, units=units, exclude_tags=tags, **said)


def _fixed_price(table: Table, terms: OfferTerms) -> _Make:
    price = _price(table, "fixed_price", terms)
    of, units = _of(table, terms), _units(table.table("units"))
    return lambda: FixedPrice(price, of=of, units=units)


def _bundle_price(table: Table, terms: OfferTerms) -> _Make:
    price, tables = _price(table, "bundle_price", terms), table.tables("parts")
    if not tables and table.is_right("parts"):
        table.report("parts", None, "is missing; must be a list of tables such as [{ units = 3 }]")
    parts = [part for part in (_part(one, terms) for one in tables) if part is not None]
    said: dict[str, Any] = {**table.counts("times"), **table.choices(first=Pick)}
    return lambda: BundlePrice(price, parts=parts, **said)


def _part(table: Table, terms: OfferTerms) -> Part | None:
    units, of = table.count("units"), read_filter(table.table("of"), terms.currency)
    table.close()
    return made(table, lambda: Part(units, of))


def _buy_get(table: Table, terms: OfferTerms) -> _Make:
    buy, get = table.count("buy"), table.count("get")
    percent = table.text("percent_off", _percent, _PERCENT, "100")
    of, buy_of, get_of = _of(table, terms), table.table("buy_of"), table.table("get_of")
    if buy_of is not None and get_of is not None and "of" in table.values:
        table.report("of", table.values["of"], "goes with one of buy_of and get_of at most, as it means both")
    buys = of if buy_of is None else read_filter(buy_of, terms.currency)
    gets = of if get_of is None else read_filter(get_of, terms.currency)
    said: dict[str, Any] = {**table.counts("times"), **table.choices(reward=Reward, rounding=Rounding)}
    return lambda: BuyGet(buy=Part(buy, buys), get=Part(get, gets), percent=percent, **said)


def _cheapest_free(table: Table, terms: OfferTerms) -> _Make:
    table.flag("cheapest_free")
    of = _of(table, terms)
    return lambda: cheapest_free(of=of)


def _free_shipping(table: Table, terms: OfferTerms) -> _Make:  # noqa: ARG001 - as all of them
    table.flag("free_shipping")
    return FreeShipping


def _shipping_percent_off(table: Table, terms: OfferTerms) -> _Make:  # noqa: ARG001 - as all of them
    percent = table.text("shipping_percent_off", _percent, _PERCENT)
    said: dict[str, Any] = table.choices(rounding=Rounding)
    return lambda: ShippingPercentOff(percent, **said)


def _shipping_amount_off(table: Table, terms: OfferTerms) -> _Make:
    amount = table.text("shipping_amount_off", lambda text: read_above_nothing(text, terms.currency), _AMOUNT)
    return lambda: ShippingAmountOff(amount)


def _shipping_price(table: Table, terms: OfferTerms) -> _Make:
    price = _price(table, "shipping_price", terms)
    return lambda: ShippingPrice(price)


def _gift(table: Table, terms: OfferTerms) -> _Make:  # noqa: ARG001 - as all of them
    product = table.text("gift", lambda text: check_id("gift", text), 'the id of a product such as "bottle"')
    quantity = table.count("quantity", 1)
    said: dict[str, Any] = table.choices(fill=Fill)
    return lambda: Gift(product, quantity, **said)


def _bonus_points(table: Table, terms: OfferTerms) -> _Make:
    return read_bonus(table, "bonus_points", terms, pending=None if terms.points is None else terms.points[0])


def read_bonus(table: Table, name: str, terms: OfferTerms, *, pending: Pending) -> _Make:
    """Read points that are given: they end as ``[points]`` says, and wait as is said here, unless they say otherwise."""
    points = table.count(name)
    waits = table.text("pending", read_pending, PENDING, pending)
    expires = table.text("expires", read_expires, EXPIRES, *(() if terms.points is None else terms.points[1:]))
    return lambda: BonusPoints(points, pending=waits, expires=expires)


def _points_times(table: Table, terms: OfferTerms) -> _Make:
    times = table.text("points_times", lambda text: PointsTimes(Rate.times(text)).times, 'how many times, such as "2"')
    of = _of(table, terms)
    return lambda: PointsTimes(times, of=of)


def _next_coupon(table: Table, terms: OfferTerms) -> _Make:  # noqa: ARG001 - as all of them
    coupon_id = table.text("next_coupon", lambda text: check_slug("next_coupon", text), _NAME)
    return lambda: NextCoupon(coupon_id)


SINGLES: Final[dict[str, Kind[Single]]] = {
    "percent_off": _percent_off,
    "amount_off": _amount_off,
    "fixed_price": _fixed_price,
    "bundle_price": _bundle_price,
    "buy": _buy_get,
    "cheapest_free": _cheapest_free,
    "free_shipping": _free_shipping,
    "shipping_percent_off": _shipping_percent_off,
    "shipping_amount_off": _shipping_amount_off,
    "shipping_price": _shipping_price,
    "gift": _gift,
    "bonus_points": _bonus_points,
    "points_times": _points_times,
    "next_coupon": _next_coupon,
}
"""What an offer may give, by the key that names it."""


def _spend_ladder(table: Table, terms: OfferTerms) -> SpendLadder | None:
    rungs = _rungs(table, "spend_ladder", lambda rung: _price(rung, "from", terms), terms)
    of = _of(table, terms)
    table.close(beside="spend_ladder")
    return made(table, lambda: SpendLadder(rungs, of=of), key="spend_ladder")


def _quantity_ladder(table: Table, terms: OfferTerms) -> QuantityLadder | None:
    rungs = _rungs(table, "quantity_ladder", lambda rung: rung.count("from"), terms)
    of = _of(table, terms)
    table.close(beside="quantity_ladder")
    return made(table, lambda: QuantityLadder(rungs, of=of), key="quantity_ladder")


LADDERS: Final[dict[str, Callable[[Table, OfferTerms], SpendLadder | QuantityLadder | None]]] = {
    "spend_ladder": _spend_ladder,
    "quantity_ladder": _quantity_ladder,
}
"""What an offer may give alone, by the key that names it."""


def _rungs(table: Table, name: str, read: Callable[[Table], T], terms: OfferTerms) -> list[tuple[T, Single]]:
    rungs = list[tuple[T, Single]]()
    for rung in table.tables(name):
        start, give = read(rung), _single(rung.needed("give"), terms, SINGLES)
        rung.close()
        rungs += [] if give is None else [(start, give)]
    return rungs


# Small things.


def _of(table: Table, terms: OfferTerms) -> Filter:
    """Read which goods are meant, and what is left out of them."""
    of, tags = read_filter(table.table("of"), terms.currency), table.tags("exclude_tags")
    return attrs.evolve(of, exclude_tags=of.exclude_tags | tags) if tags else of


def _units(table: Table | None) -> Units:
    if table is None:
        return Units()
    said: dict[str, Any] = {**table.choices(first=Pick), **table.counts("at_most", "each_at_most", "sets_of", "every")}
    skip = table.take("skip", int, lambda value: check_whole("skip", value, low=0), "a whole number", 0)
    table.close()
    check_said(table)
    return made(table, lambda: Units(skip=skip, **said)) or Units()


def _percent(text: str) -> str:
    """Read a percentage with or without its sign; one below 0 is as much out of range as one above 100."""
    number = text.removesuffix("%").rstrip()
    if number.startswith("-"):
        Rate.percent(number.removeprefix("-"))  # what is no number is told so
        msg = "percent must be above 0 and at most 100"
        raise UsageError(msg)
    return PercentOff(number).percent


def _price(table: Table, name: str, terms: OfferTerms) -> Money:
    return table.text(name, lambda text: read_price(text, terms.currency), _AMOUNT)


def read_amount(table: Table, name: str, terms: OfferTerms) -> Money | None:
    return table.text(name, lambda text: read_above_nothing(text, terms.currency), _AMOUNT, None)


def read_count(table: Table, name: str, make: Callable[[int], T]) -> T | None:
    return table.take(name, int, lambda value: make(check_count("it", value)), _COUNT, None)


def _some(table: Table, name: str, make: Callable[[Any], T], what: str, example: str) -> T | None:
    return table.take(name, list, make, f'a list of {what} such as ["{example}"]', None)
