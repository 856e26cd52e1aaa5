"""Two years of a French bicycle shop: the made-up history that the demo replays.

Members join and buy, guests buy too, some goods come back, reviews are written, birthdays are kept; flyers carry codes, members
are given coupons, gift cards are sold and paid with; members bring friends, some with a trick, and take rewards for their points.
A little dirt is planted on purpose, as every real history has some; README.md beside this file lists it.

Invariants:
    1. The same arguments give the same bytes, under any hash seed and any Python from 3.11:
       ``random()`` is the one method of ``random.Random`` used, its stream is the same everywhere.
    2. Events are sorted by instant, then kind (join, codes, grant, tier_grant, order, card, return, action, reward, choose), then
       id.
    3. Every line but the planted dirt has one of the ten forms in README.md.
    4. No key and no gift card number stands in the history. The two keys beside it are for the demo alone: they follow from
       the seed, so that everybody knows them; a shop takes ``secrets.token_bytes(32)``.

The generator keeps a rough idea of a member's points, only to decide how much to ask to burn.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from bisect import bisect
from calendar import SUNDAY
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from loyaltycore.coupons import CodeSpace, SecretKey

__all__ = ["CATALOGUE", "Dice", "Shop", "demo_key", "main"]

T = TypeVar("T")

PARIS = ZoneInfo("Europe/Paris")
FIRST_DAY = date(2024, 9, 1)
LAST_DAY = date(2026, 8, 31)
DAYS = [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]
PROGRAM_STARTS_ON = date(2024, 10, 1)  # as in program.toml: earlier orders earn nothing
RETURN_WINDOW_DAYS = 30  # as in program.toml
BURN_MINIMUM = 500  # as in program.toml

# In the order they happen at one instant.
KINDS = ("join", "codes", "grant", "tier_grant", "order", "card", "return", "action", "reward", "choose")
# Of the other kinds it is the ref.
ID_KEYS = {"join": "member_id", "order": "order_id", "return": "return_id", "choose": "member_id"}
# Exact repetitions of each kind.
TWICE = {"join": 1, "order": 3, "return": 1, "action": 2, "grant": 1, "card": 1, "reward": 1}

#                  Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec: spring is the peak, December the second
MONTH_WEIGHTS = (5, 5, 8, 13, 14, 11, 8, 6, 9, 7, 7, 11)
WEEKDAY_WEIGHTS = (6, 8, 9, 8, 10, 16, 5)  # Monday first; the counter is closed on Sundays
HOURS = range(8, 22)
HOUR_WEIGHTS = (2, 4, 8, 10, 9, 5, 7, 9, 10, 10, 8, 6, 6, 4)
COUNTER_HOURS = range(10, 19)
MARKETS, MARKET_WEIGHTS = ("FR", "BE", "LU"), (92, 6, 2)

# The legal sales: four weeks in January and from the end of June (Code de commerce, art. D310-15-2).
SALES = (date(2025, 1, 8), date(2025, 6, 25), date(2026, 1, 7), date(2026, 6, 24))
# The codes on the posters; each belongs to one offer or campaign of program.toml and is good for these days only.
POSTERS = (
    ("NOEL10", date(2024, 12, 1), date(2024, 12, 31)),
    ("NOEL25", date(2025, 12, 1), date(2025, 12, 31)),
    ("SUMMER10", date(2026, 7, 1), date(2026, 8, 31)),
)
# Flyers at the Christmas market carry one code each, of the campaign "welcome"; members who join later are given one.
WELCOME = "welcome"
WELCOME_PATTERN = "HI-####-####-####"  # as in program.toml
WELCOME_DAYS = 30  # as in program.toml
WELCOME_TRIED_FROM = 4000  # cents; from 50.00 on it gives something, and not everybody reads that
FLYERS_ON = date(2024, 12, 14)
FLYER_COUNT = 300
WELCOME_FROM = date(2025, 1, 15)
SORRY = "sorry-10"
CARD_DAYS = 365  # a gift card pays for a year
# The rewards of the catalogue and their prices, as in program.toml.
REWARDS = {"free-shipping-once": 500, "ten-euros": 1000, "gift-card-10": 1000, "service": 1500}
PAID_OUT = "gift-card-10"  # the others are coupons
FRIENDS = "referral/friends"  # what the rewards for friends are called, as in program.toml
FRIEND_SPENDS, FRIEND_DAYS = 4000, 30  # a friend counts from a first order of 40.00 on, when it can no longer come back
COUPON_FROM_FRIEND = 3  # up to there friends bring points
CHOICE = "milestone/tenth-order"  # as in program.toml: the tenth order of a member
CHOICE_ORDERS, CHOICE_DAYS = 10, 30
OPTIONS = ("points", "ten-euros")
# Two members whom the shop lifts by hand: tier, until when, why.
LIFTED_ON = date(2025, 3, 3)
LIFTED = (("gold", date(2026, 1, 1), "writes for a magazine"), ("silver", None, "leads the cycling club"))
NOBODY = "m-9004"  # whose friend somebody claims to be

# What can be wrong with a line of the history.
FAULTS: tuple[Callable[[str], str], ...] = (
    lambda text: text[: len(text) * 2 // 3],  # cut off
    lambda text: text[:-1] + ',"remarque":"livrer le matin"}',  # a key nobody knows
    lambda text: re.sub(r"\+0[12]:00", "", text, count=1),  # an instant without its zone
    lambda text: re.sub(r'"unit_price":"([0-9.]+)"', r'"unit_price":\1', text, count=1),  # a price as a number
)


class Product(NamedTuple):
    """A thing on the shelf; ``most`` is how many of it one customer buys at once."""

    product_id: str
    categories: str
    price: str
    popularity: int
    most: int = 1
    season: str = ""  # sells three times as well then: winter, summer or holidays
    tag: str = ""

    @property
    def cents(self) -> int:
        """The regular price in cents."""
        return int(self.price.replace(".", ""))


CATALOGUE = (
    Product("velo-ville-lutece", "velos ville", "549.00", 2),
    Product("velo-hollandais-amelie", "velos ville", "629.00", 1),
    Product("velo-pliant-metro", "velos ville", "799.00", 1),
    Product("velo-gravel-ardeche", "velos route", "1290.00", 1),
    Product("velo-electrique-garonne", "velos electriques", "1890.00", 1, 1, "", "low-margin"),
    Product("velo-enfant-16-pouces", "velos enfants", "189.00", 2, 1, "holidays"),
    Product("velo-enfant-20-pouces", "velos enfants", "229.00", 2, 1, "holidays"),
    Product("draisienne-bois", "velos enfants", "79.00", 3, 1, "holidays"),
    Product("casque-ville", "casques", "79.90", 10),
    Product("casque-route", "casques route", "119.00", 4),
    Product("casque-enfant", "casques enfants", "34.90", 8, 2),
    Product("antivol-u", "antivols", "49.90", 9, 2),
    Product("antivol-pliant", "antivols", "84.90", 5),
    Product("antivol-chaine", "antivols", "39.90", 6),
    Product("eclairage-avant-usb", "eclairage", "32.90", 8, 1, "winter"),
    Product("eclairage-arriere-usb", "eclairage", "24.90", 8, 1, "winter"),
    Product("kit-eclairage-dynamo", "eclairage", "64.90", 3, 1, "winter"),
    Product("gilet-jaune", "eclairage textile", "9.90", 6, 3, "winter"),
    Product("sonnette-laiton", "accessoires", "12.50", 9, 2),
    Product("retroviseur", "accessoires", "14.90", 5, 2),
    Product("bequille-centrale", "accessoires", "27.90", 4),
    Product("garde-boue-paire", "accessoires", "29.90", 6, 1, "winter"),
    Product("porte-bagages", "transport", "44.90", 5),
    Product("panier-osier", "transport", "39.00", 6, 1, "summer"),
    Product("sacoche-simple", "transport", "54.90", 6, 2),
    Product("sacoches-double", "transport", "99.90", 4),
    Product("siege-enfant", "transport enfants", "109.00", 4),
    Product("remorque-enfant", "transport enfants", "289.00", 1, 1, "summer"),
    Product("support-telephone", "accessoires", "24.90", 6, 1, "summer"),
    Product("compteur-sans-fil", "electronique", "39.90", 5),
    Product("compteur-gps", "electronique", "249.00", 2, 1, "", "low-margin"),
    Product("home-trainer", "electronique", "379.00", 2, 1, "winter", "low-margin"),
    Product("batterie-400-wh", "electronique electriques", "449.00", 1, 1, "", "low-margin"),
    Product("chambre-a-air-700", "pneus", "6.50", 14, 4),
    Product("chambre-a-air-26", "pneus", "5.90", 9, 4),
    Product("pneu-ville-renforce", "pneus", "29.90", 9, 2),
    Product("pneu-route-25", "pneus route", "42.90", 6, 2),
    Product("pneu-hiver-clous", "pneus", "59.90", 2, 2, "winter"),
    Product("kit-rustines", "reparation", "4.50", 10, 3),
    Product("demonte-pneus", "reparation", "5.50", 7, 2),
    Product("pompe-a-pied", "reparation", "36.90", 6),
    Product("mini-pompe", "reparation", "22.90", 6),
    Product("multi-outils", "reparation", "27.50", 6, 1, "holidays"),
    Product("huile-chaine", "entretien", "8.90", 10, 2),
    Product("degraissant", "entretien", "11.90", 6, 2),
    Product("kit-nettoyage", "entretien", "34.90", 4, 1, "holidays"),
    Product("chaine-9-vitesses", "pieces", "23.90", 6),
    Product("cassette-9-vitesses", "pieces", "38.90", 4),
    Product("plaquettes-frein", "pieces", "13.90", 9, 4),
    Product("patins-frein", "pieces", "8.50", 7, 4),
    Product("pedales-plates", "pieces", "29.00", 4),
    Product("selle-gel", "pieces", "37.90", 5),
    Product("gants-hiver", "textile", "34.90", 6, 2, "winter"),
    Product("gants-ete", "textile", "22.90", 5, 2, "summer"),
    Product("veste-pluie", "textile", "89.00", 5, 1, "winter"),
    Product("cuissard", "textile route", "64.90", 4, 2, "summer"),
    Product("gourde-750", "accessoires", "8.90", 8, 3, "summer"),
    Product("carte-cadeau-25", "cartes-cadeaux", "25.00", 2, 3, "holidays", "gift-card"),
    Product("carte-cadeau-50", "cartes-cadeaux", "50.00", 2, 2, "holidays", "gift-card"),
    Product("carte-cadeau-100", "cartes-cadeaux", "100.00", 1, 1, "holidays", "gift-card"),
)
HEAVY = {"velos", "transport"}  # these ship for 6.90
SEASONS = {"winter": {10, 11, 12, 1, 2}, "summer": {5, 6, 7, 8}, "holidays": {12}}


class Dice:
    """Whole-number draws over ``random()``, the one method whose stream never changes."""

    def __init__(self, seed: int) -> None:
        """Start the stream of one seed."""
        self._random = random.Random(seed).random

    def between(self, low: int, high: int) -> int:
        """Draw a whole number, both ends inside."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, percent: int) -> bool:
        """Say yes in so many of a hundred cases."""
        return self.between(1, 100) <= percent

    def pick(self, items: Sequence[T]) -> T:
        """Draw one of the items, all equally likely."""
        return items[self.between(0, len(items) - 1)]

    def weighted(self, items: Sequence[T], weights: Sequence[int]) -> T:
        """Draw one of the items, each as likely as its weight says; weight 0 is never drawn."""
        running = list(accumulate(weights))
        return items[bisect(running, self.between(0, running[-1] - 1))]

    def instant(self, day: date) -> datetime:
        """Draw an instant of the day, in Paris, in waking hours: never in the night a clock changes."""
        hour = self.weighted(HOURS, HOUR_WEIGHTS)
        return datetime.combine(day, time(hour, self.between(0, 59), self.between(0, 59)), PARIS)


def demo_key(seed: int, purpose: str) -> str:
    """Give a key of the demo as 64 hexadecimal digits: everybody who knows the seed knows it.

    Args:
        seed: Of the history.
        purpose: ``"codes"`` or ``"cards"``.
    """
    return blake2b(f"the bicycle shop's demo key for {purpose}, seed {seed}".encode(), digest_size=32).hexdigest()


class Entry(NamedTuple):
    """One line of the history with what it is sorted by."""

    at: datetime
    kind: int
    key: str
    text: str


class Line(NamedTuple):
    """A product in an order, at the price of the day."""

    line_id: str
    product: Product
    quantity: int
    cents: int

    def form(self) -> dict[str, object]:
        """Write the line as the history knows it; the regular price is named when it was crossed out."""
        form: dict[str, object] = {
            "line_id": self.line_id,
            "product_id": self.product.product_id,
            "unit_price": euros(self.cents),
            "quantity": self.quantity,
            "categories": self.product.categories.split(),
            "tags": self.product.tag.split(),
        }
        if self.cents != self.product.cents:
            form["regular_price"] = self.product.price
        return form


@dataclass(slots=True)
class Member:
    """A customer with a card, and how that customer behaves."""

    member_id: str
    joined_at: datetime
    lapses_on: date
    rhythm: int
    birthday: tuple[int, int] | None
    market: str
    renown: int  # how many listen when the member speaks of the shop
    orders: int = 0
    bought_on: date | None = None  # for the first time
    counted: int = 0  # orders of more than gift cards, since the program began
    points: int = 0
    waiting: list[tuple[date, int]] = field(default_factory=list)
    advocate: Member | None = None
    friends: list[date] = field(default_factory=list)  # when each began to count
    friends_used: int = COUPON_FROM_FRIEND - 1
    rewards: list[tuple[date, str]] = field(default_factory=list)  # coupons to be used, and from when on

    def weight(self, at: datetime) -> int:
        """Say how likely the member is to be the next to buy; whoever has just joined buys soon."""
        if at < self.joined_at or at.date() >= self.lapses_on:
            return 0
        return self.rhythm if self.orders else 8


@dataclass(slots=True)
class Card:
    """A gift card that somebody has, and roughly what is left on it."""

    ref: str
    usable_at: datetime
    expires_at: datetime
    cents: int


@dataclass(slots=True)
class Shop:
    """The shop over two years: draws what happens and keeps it as entries."""

    dice: Dice
    luck: Dice  # of codes, coupons and gift cards
    talk: Dice  # of friends and rewards
    space: CodeSpace
    entries: list[Entry] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    sold: list[tuple[datetime, str, list[Line]]] = field(default_factory=list)
    flyers: list[str] = field(default_factory=list)  # not used yet
    used_flyers: list[str] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    return_count: int = 0
    review_count: int = 0
    card_count: int = 0
    sorry_count: int = 0
    reward_count: int = 0

    def note(self, event: Mapping[str, object], at: datetime) -> None:
        """Keep an event; what would happen after the last day has not happened yet."""
        if at.date() > LAST_DAY:
            return
        kind = str(event["kind"])
        text = json.dumps({"kind": kind, "at": at.isoformat(), **event}, separators=(",", ":"))
        self.entries.append(Entry(at.astimezone(UTC), KINDS.index(kind), str(event[ID_KEYS.get(kind, "ref")]), text))

    def print_flyers(self) -> None:
        """Have codes made for the flyers, before any is given one by one: they are the first serials of their space."""
        at = datetime.combine(FLYERS_ON, time(7), PARIS)
        self.note({"kind": "codes", "campaign": WELCOME, "count": FLYER_COUNT, "ref": "flyers-2024"}, at)
        self.flyers += self.space.codes(range(FLYER_COUNT))

    def enrol(self, member_count: int) -> None:
        """Let members join: nearly half in the first six weeks, the others over the two years."""
        days = [self.dice.pick(DAYS[:42] if self.dice.chance(45) else DAYS) for _ in range(member_count)]
        instants = sorted(self.dice.instant(day) for day in days)
        for number, at in enumerate(instants, start=1):
            member = self.new_member(f"m-{number:04}", at)
            self.note({"kind": "join", "member_id": member.member_id, **self.introduce(member)}, at)
            self.members.append(member)
            self.act("sign_up", member, f"sign-up-{member.member_id}", at)
            if at.date() >= WELCOME_FROM:
                self.grant(WELCOME, member, f"welcome-{member.member_id}", at)
            self.keep_birthdays(member)

    def new_member(self, member_id: str, at: datetime) -> Member:
        """Draw a member: loyal, occasional, or one who stays away after some months."""
        character = self.dice.weighted(("loyal", "occasional", "lapsing"), (20, 55, 25))
        stays = self.dice.between(60, 300) if character == "lapsing" else len(DAYS)
        born_on = date(1952, 1, 1) + timedelta(days=self.dice.between(0, 55 * 365))
        return Member(
            member_id=member_id,
            joined_at=at,
            lapses_on=at.date() + timedelta(days=stays),
            rhythm={"loyal": 9, "occasional": 2, "lapsing": 5}[character],
            birthday=(born_on.month, born_on.day) if self.dice.chance(85) else None,  # not everybody tells
            market=self.dice.weighted(MARKETS, MARKET_WEIGHTS),
            renown=self.talk.weighted((0, 1, 4, 40), (50, 35, 12, 3)),
        )

    def introduce(self, member: Member) -> dict[str, object]:
        """Say who brought a new member, and by which card the shop would know the person again.

        About four in ten are brought by a member; a few of those have been a member for long, and only took another address.
        """
        weights = [other.renown for other in self.members]
        known_by = card_hash(member.member_id)
        if member.joined_at.date() < PROGRAM_STARTS_ON or not any(weights) or not self.talk.chance(42):
            return {"identity_hashes": [known_by]}
        advocate = self.talk.weighted(self.members, weights)
        if self.talk.chance(5):
            return {"referred_by": advocate.member_id, "identity_hashes": [card_hash(advocate.member_id)]}
        member.advocate = advocate
        return {"referred_by": advocate.member_id, "identity_hashes": [known_by]}

    def lift(self) -> None:
        """Lift two members by hand, of those who joined early."""
        at = datetime.combine(LIFTED_ON, time(9), PARIS)
        early = [member for member in self.members if member.joined_at < at]
        for number, (member, (tier, until, reason)) in enumerate(zip(early, LIFTED, strict=False), start=1):
            ends = {} if until is None else {"until": datetime.combine(until, time(0), PARIS).isoformat()}
            lifted = {"tier": tier, "member_id": member.member_id, "ref": f"lift-{number}", "reason": reason, **ends}
            self.note({"kind": "tier_grant", **lifted}, at)

    def try_tricks(self) -> None:
        """Let a few try for a reward that is not theirs: with their own code, as a customer already, with nobody's code."""
        customers = [member for member in self.members if member.bought_on is not None and member.bought_on.year < LAST_DAY.year]
        if not customers[1:]:
            return
        for trick in ("own",) * 2 + ("customer",) * 3 + ("nobody",) * 2:
            member, other = self.talk.pick(customers), self.talk.pick(customers)
            while other is member:
                other = self.talk.pick(customers)
            advocate = {"own": member.member_id, "customer": other.member_id, "nobody": NOBODY}[trick]
            at = self.talk.instant(date(LAST_DAY.year, 1, 5) + timedelta(days=self.talk.between(0, 200)))
            self.note({"kind": "join", "member_id": member.member_id, "referred_by": advocate}, at)

    def keep_birthdays(self, member: Member) -> None:
        """Note one birthday a year once the member has joined, on the local day."""
        if member.birthday is None:
            return
        month, day = member.birthday
        for year in range(FIRST_DAY.year, LAST_DAY.year + 1):
            born_on_leap_day = (month, day) == (2, 29)
            birthday = date(year, 2, 28) if born_on_leap_day and year % 4 else date(year, month, day)
            at = datetime.combine(birthday, time(8), PARIS)
            if at > member.joined_at:
                self.act("birthday", member, f"birthday-{member.member_id}-{year}", at)

    def act(self, action: str, member: Member, ref: str, at: datetime) -> None:
        """Note a named action of a member."""
        self.note({"kind": "action", "action": action, "member_id": member.member_id, "ref": ref}, at)

    def grant(self, campaign: str, member: Member, ref: str, at: datetime) -> None:
        """Note that a member was given a coupon."""
        self.note({"kind": "grant", "campaign": campaign, "member_id": member.member_id, "ref": ref}, at)

    def trade(self, order_count: int) -> None:
        """Spread the orders over the days as the seasons ask, and let each be placed."""
        weights = [day_weight(day) for day in DAYS]
        days = [self.dice.weighted(DAYS, weights) for _ in range(order_count)]
        instants = sorted(self.dice.instant(day) for day in days)
        for order_id, at in enumerate(instants, start=1001):
            weights = [member.weight(at) for member in self.members]
            is_guest = self.dice.chance(12) or not any(weights)
            member = None if is_guest else self.dice.weighted(self.members, weights)
            self.place(str(order_id), member, at)

    def place(self, order_id: str, member: Member | None, at: datetime) -> None:
        """Note one order, at the counter or from the web, and what follows from it."""
        lines = self.fill_basket(at.date())
        goods = sum(line.cents * line.quantity for line in lines)
        order: dict[str, object] = {"kind": "order", "order_id": order_id}
        if member is not None:
            order["member_id"] = member.member_id
        order["lines"] = [line.form() for line in lines]
        if at.hour not in COUNTER_HOURS or is_closed(at.date()) or self.dice.chance(55):  # from the web
            if any(line.product.tag != "gift-card" for line in lines):  # gift cards travel by e-mail
                is_heavy = any(HEAVY.intersection(line.product.categories.split()) for line in lines)
                order["shipping"] = "6.90" if is_heavy else "4.90"
            order["market"] = member.market if member is not None else self.dice.weighted(MARKETS, MARKET_WEIGHTS)
        if codes := self.type_codes(at.date()) + self.type_flyer(member, at):
            order["codes"] = codes
        if member is not None:
            order.update(self.present_coupons(member, goods, at))
        if cards := self.present_cards(goods, at):
            order["gift_cards"] = cards
        if member is not None and (burn := self.ask_to_burn(member, goods, at.date())):
            order["burn"] = burn
        self.note(order, at)
        self.sold.append((at, order_id, lines))
        self.make_cards(order_id, lines, at)
        if member is not None:
            if not member.orders and member.advocate is not None and goods >= FRIEND_SPENDS:
                member.advocate.friends.append(at.date() + timedelta(days=FRIEND_DAYS + 1))
            self.remember(member, lines, at)
            self.say_sorry(member, at)
            self.take_reward(member, at)
            self.choose(member, at)
        self.bring_back(order_id, lines, at)

    def fill_basket(self, day: date) -> list[Line]:
        """Draw one to four products, mostly few, each once."""
        weights = [shelf_weight(product, day) for product in CATALOGUE]
        lines = []
        for number in range(1, self.dice.weighted((1, 2, 3, 4), (42, 33, 17, 8)) + 1):
            product = self.dice.weighted(CATALOGUE, weights)
            weights[CATALOGUE.index(product)] = 0
            quantity = self.dice.between(1, product.most) if self.dice.chance(40) else 1
            lines.append(Line(str(number), product, quantity, price_on(product, day)))
        return lines

    def type_codes(self, day: date) -> list[str]:
        """Draw what is typed into the code field: the right code, one typed badly, or one out of its days."""
        code = next((code for code, first, last in POSTERS if first <= day <= last), None)
        if code is None:
            return [self.dice.pick(POSTERS)[0]] if self.dice.chance(2) else []
        if not self.dice.chance(32):
            return []
        other = self.dice.pick([other for other, _, _ in POSTERS if other != code])
        spaced = f"{code[:-2]} {code[-2:]}".lower()
        forms = ([code], [f" {code.lower()} "], [spaced], [self.misspell(code)], [other], [code, other])
        return self.dice.weighted(forms, (64, 10, 4, 10, 9, 3))

    def type_flyer(self, member: Member | None, at: datetime) -> list[str]:
        """Draw whether the code of a flyer is typed: most for a first order; some badly, some a second time, some too late."""
        days = (at.date() - FLYERS_ON).days
        is_first = member is None or not member.orders
        if not 0 <= days <= WELCOME_DAYS + 10 or not self.luck.chance(60 if is_first else 4):
            return []
        how = self.luck.weighted(("new", "spaced", "misspelt", "used", "made up"), (70, 10, 8, 8, 4))
        if how == "made up":
            return ["HI-0000-1111-2222"]
        if how == "used" and self.used_flyers:
            return [self.luck.pick(self.used_flyers)]
        code = self.flyers.pop(self.luck.between(0, len(self.flyers) - 1))
        if how == "misspelt":
            return [code[:-1]]
        self.used_flyers.append(code)
        return [code.lower().replace("-", " ")] if how == "spaced" else [code]

    def present_coupons(self, member: Member, goods: int, at: datetime) -> dict[str, object]:
        """Draw which coupons a member chooses: the one for joining, or that of a reward."""
        coupons = [f"{WELCOME}/welcome-{member.member_id}"] if self.takes_welcome(member, goods, at) else []
        reward = self.present_reward(member, at.date())
        return {**({"coupons": coupons} if coupons else {}), **({"rewards": [reward]} if reward is not None else {})}

    def takes_welcome(self, member: Member, goods: int, at: datetime) -> bool:
        """Decide whether a member presents the coupon for joining: with the first order, where it is large enough or nearly."""
        is_new = member.joined_at.date() >= WELCOME_FROM and not member.orders
        is_soon = (at - member.joined_at).days < WELCOME_DAYS + 5
        return is_new and is_soon and goods >= WELCOME_TRIED_FROM and self.luck.chance(85)

    def present_cards(self, goods: int, at: datetime) -> list[str]:
        """Draw whether somebody pays with a gift card, or with two where one has little left; now and then one that is over."""
        ready = [card for card in self.cards if card.usable_at <= at and card.cents]
        if not ready or not self.luck.chance(9):
            return []
        if self.luck.chance(80):
            ready = [card for card in ready if at < card.expires_at]
        found = []
        for card in ready[: self.luck.weighted((1, 2), (85, 15))]:
            found.append(card.ref)
            paid = min(card.cents, goods)
            card.cents, goods = card.cents - paid, goods - paid
        return found

    def make_cards(self, order_id: str, lines: Sequence[Line], at: datetime) -> None:
        """Note a gift card for each unit that was sold; some are given on at once, some lie in a drawer, a few come back."""
        for line in lines:
            if line.product.tag != "gift-card":
                continue
            for _ in range(line.quantity):
                self.card_count += 1
                ref, ends_on = f"card-{self.card_count}", at.date() + timedelta(days=CARD_DAYS + 1)
                expires_at = datetime.combine(ends_on, time(0), PARIS)
                sold = {"amount": euros(line.cents), "expires_at": expires_at.isoformat(), "order_id": order_id}
                self.note({"kind": "card", "ref": ref, **sold, "line_id": line.line_id}, at)
                waits = self.luck.weighted((1, 20, 90, 2000), (30, 40, 20, 10))
                self.cards.append(Card(ref, at + timedelta(days=self.luck.between(1, waits)), expires_at, line.cents))
            if self.luck.chance(5):
                self.give_back(order_id, {"lines": {line.line_id: 1}}, at, self.luck.between(1, 14))

    def say_sorry(self, member: Member, at: datetime) -> None:
        """Give a coupon to a member for whom something went wrong: three orders in a hundred."""
        if self.luck.chance(3):
            self.sorry_count += 1
            later = self.luck.instant(at.date() + timedelta(days=self.luck.between(2, 12)))
            self.grant(SORRY, member, f"ticket-{self.sorry_count}", later)

    def take_reward(self, member: Member, at: datetime) -> None:
        """Let a member with points spend them on a reward, now and then on one that is too dear."""
        ready = [reward for reward, price in REWARDS.items() if price <= member.points]
        if not ready or not self.talk.chance(30):
            return
        reward = self.talk.pick(tuple(REWARDS) if self.talk.chance(10) else ready[-2:])
        if reward in ready:
            member.points -= REWARDS[reward]
        self.reward_count += 1
        later = self.talk.instant(at.date() + timedelta(days=self.talk.between(1, 20)))
        ref = f"reward-{self.reward_count}"
        self.note({"kind": "reward", "reward": reward, "member_id": member.member_id, "ref": ref}, later)
        if reward != PAID_OUT:
            member.rewards.append((later.date() + timedelta(days=1), f"reward/{ref}"))

    def present_reward(self, member: Member, day: date) -> str | None:
        """Draw whether a member uses the coupon of a reward: one that was taken, or for a friend."""
        friends = sum(counts_from <= day for counts_from in member.friends)
        ready = next((reward for reward in member.rewards if reward[0] <= day), None)
        if (ready is None and friends <= member.friends_used) or not self.talk.chance(70):
            return None
        if ready is not None:
            member.rewards.remove(ready)
            return ready[1]
        member.friends_used += 1
        return f"{FRIENDS}/{member.friends_used}"

    def choose(self, member: Member, at: datetime) -> None:
        """Let most members choose what they get for their tenth order; some think too long."""
        if member.counted == CHOICE_ORDERS and self.talk.chance(85):
            later = self.talk.instant(at.date() + timedelta(days=self.talk.between(1, CHOICE_DAYS + 4)))
            option = self.talk.pick(OPTIONS)
            if option == "ten-euros":
                member.rewards.append((later.date() + timedelta(days=1), CHOICE))
            self.note({"kind": "choose", "reward": CHOICE, "option": option, "member_id": member.member_id}, later)

    def misspell(self, code: str) -> str:
        """Leave out a letter, swap two, or strike one key twice."""
        at = self.dice.between(1, 2)
        return self.dice.pick((code[:at] + code[at + 1 :], code[1] + code[0] + code[2:], code[:at] + code[at - 1 :]))

    def ask_to_burn(self, member: Member, goods: int, day: date) -> int:
        """Decide how many points to ask for; now and then too many, or fewer than the minimum."""
        ripe = [points for earned_on, points in member.waiting if (day - earned_on).days > RETURN_WINDOW_DAYS]
        del member.waiting[: len(ripe)]
        member.points += sum(ripe)
        wish = self.dice.weighted(("nothing", "fitting", "too many", "too few"), (130, 62, 7, 1))
        if wish == "nothing" or not member.points:
            return 0
        if wish == "too few":
            return 100 * self.dice.between(1, BURN_MINIMUM // 100 - 1)
        # 100 points are worth 1.00, so a point a cent; half of the goods is what the program lets points pay
        fitting = min(member.points, goods // 2) // 100 * 100
        asked = member.points + 100 * self.dice.between(1, 10) if wish == "too many" else fitting
        if asked < BURN_MINIMUM:
            return 0
        member.points = max(0, member.points - asked)
        return asked

    def remember(self, member: Member, lines: Sequence[Line], at: datetime) -> None:
        """Guess the points of an order (1 per 1.00, some of it discounted), and perhaps write a review."""
        member.orders += 1
        member.bought_on = member.bought_on or at.date()
        earning = sum(line.cents * line.quantity for line in lines if not line.product.tag)
        if at.date() >= PROGRAM_STARTS_ON:
            member.counted += any(line.product.tag != "gift-card" for line in lines)
            member.waiting.append((at.date(), earning * 9 // 1000))
        if self.dice.chance(14):
            self.review_count += 1
            later = self.dice.instant(at.date() + timedelta(days=self.dice.between(5, 40)))
            self.act("review", member, f"review-{self.review_count}", later)

    def bring_back(self, order_id: str, lines: Sequence[Line], at: datetime) -> None:
        """Let seven orders in a hundred come back: some units, an amount, in parts, or too late."""
        units = [line.line_id for line in lines for _ in range(line.quantity) if line.product.tag != "gift-card"]
        if not units or not self.dice.chance(7):
            return
        how = self.dice.weighted(("units", "all", "amount", "parts", "late"), (50, 14, 9, 15, 12))
        if how == "amount":  # a gesture for a scratch: never more than was paid
            goods = sum(line.cents * line.quantity for line in lines)
            amount = euros(max(100, goods * self.dice.between(5, 25) // 100 // 50 * 50))
            self.give_back(order_id, {"amount": amount}, at, self.dice.between(1, RETURN_WINDOW_DAYS - 2))
        elif how == "parts" and len(units) > 1:
            for part, unit in enumerate(units[:3]):
                self.give_back(order_id, {"lines": {unit: 1}}, at, 9 * part + self.dice.between(1, 9))
        else:
            wait = self.dice.between(31, 75) if how == "late" else self.dice.between(1, RETURN_WINDOW_DAYS - 2)
            line_id = self.dice.pick(units)
            some = units if how == "all" else [line_id] * self.dice.between(1, units.count(line_id))
            self.give_back(order_id, {"lines": dict(Counter(some))}, at, wait)

    def give_back(self, order_id: str, what: dict[str, object], sold_at: datetime, days: int) -> None:
        """Note one return so many days after the order."""
        self.return_count += 1
        at = self.dice.instant(sold_at.date() + timedelta(days=days))
        self.note({"kind": "return", "return_id": f"r-{self.return_count}", "order_id": order_id, **what}, at)

    def plant_dirt(self) -> None:
        """Add what every real history holds: things that match nothing, twice the same, and broken lines."""
        twice = []
        for kind, count in TWICE.items():
            clean = [entry for entry in self.entries if entry.kind == KINDS.index(kind)]
            twice += [self.dice.pick(clean) for _ in range(count) if clean]
        for number in range(9001, 9004):
            unknown = {"kind": "return", "return_id": f"r-{number}", "order_id": f"9{number}", "lines": {"1": 1}}
            self.note(unknown, self.dice.instant(self.dice.pick(DAYS)))
        for number in range(9004, 9007):
            at, order_id, lines = self.dice.pick(self.sold)
            beyond = {lines[0].line_id: lines[0].quantity + self.dice.between(1, 3)}
            too_many = {"kind": "return", "return_id": f"r-{number}", "order_id": order_id, "lines": beyond}
            self.note(too_many, min(at + timedelta(days=4), datetime.combine(LAST_DAY, time(22), PARIS)))
        for number in range(9001, 9004):
            stranger = {"kind": "action", "action": "review", "member_id": f"m-{number}", "ref": f"review-{number}"}
            self.note(stranger, self.dice.instant(self.dice.pick(DAYS)))
        self.entries += twice
        self.break_lines()

    def break_lines(self) -> None:
        """Add a broken copy of one order for each fault."""
        orders = [entry for entry in self.entries if entry.kind == KINDS.index("order")]
        for number, fault in enumerate(FAULTS, start=99101):
            entry = self.dice.pick(orders)
            copy = entry.text.replace(f'"order_id":"{entry.key}"', f'"order_id":"{number}"')
            self.entries.append(Entry(entry.at, entry.kind, str(number), fault(copy)))


def card_hash(member_id: str) -> str:
    """Hash the payment card of a member, as a shop does with a key of its own."""
    return blake2b(f"the card of {member_id}".encode(), digest_size=8).hexdigest()


def euros(cents: int) -> str:
    """Write cents as euros: 7990 is 79.90."""
    return f"{cents // 100}.{cents % 100:02}"


def is_closed(day: date) -> bool:
    """Say whether the counter is closed: Sundays, Christmas, New Year and the first of May."""
    return day.weekday() == SUNDAY or (day.month, day.day) in {(12, 25), (1, 1), (5, 1)}


def day_weight(day: date) -> int:
    """Weigh a day by month, weekday and the rush before Christmas; the shop doubles its trade in two years."""
    rush = 2 if (12, 6) <= (day.month, day.day) <= (12, 23) else 1
    growth = len(DAYS) + (day - FIRST_DAY).days
    return MONTH_WEIGHTS[day.month - 1] * WEEKDAY_WEIGHTS[day.weekday()] * rush * growth


def shelf_weight(product: Product, day: date) -> int:
    """Weigh a product by popularity and season."""
    return product.popularity * (3 if day.month in SEASONS.get(product.season, ()) else 1)


def price_on(product: Product, day: date) -> int:
    """Give the price of the day in cents: a fifth off in the sales, down to ten cents, on what bears no tag."""
    is_sale = any((day - first).days in range(28) for first in SALES)
    return product.cents * 4 // 5 // 10 * 10 if is_sale and not product.tag else product.cents


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the history to a file and say how long it is."""
    parser = argparse.ArgumentParser(description="Write two years of a bicycle shop's history as JSON Lines.")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--seed", type=int, default=7, help="another seed, another history (default 7)")
    parser.add_argument("--members", type=int, default=400, help="members who join (default 400)")
    parser.add_argument("--orders", type=int, default=4000, help="orders placed (default 4000)")
    options = parser.parse_args(arguments)
    if options.members < 1 or options.orders < 1:
        parser.error("members and orders must be at least 1")
    key = SecretKey.from_hex("demo", demo_key(options.seed, "codes"))
    space = CodeSpace(key, pattern=WELCOME_PATTERN, context="velo")
    shop = Shop(Dice(options.seed), Dice(options.seed + 1), Dice(options.seed + 2), space)
    shop.print_flyers()
    shop.enrol(options.members)
    shop.lift()
    shop.trade(options.orders)
    shop.try_tricks()
    shop.plant_dirt()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for purpose in ("codes", "cards"):
        (options.out.parent / f"{purpose}.key").write_text(demo_key(options.seed, purpose) + "\n", encoding="ascii", newline="\n")
    options.out.write_bytes("".join(f"{entry.text}\n" for entry in sorted(shop.entries)).encode())
    sys.stdout.write(f"{options.out}: {len(shop.entries)} lines\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
