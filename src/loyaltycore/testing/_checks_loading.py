"""Checks of the port: what is loaded, clauses 1 and 2."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

import attrs

from loyaltycore.facts import Fact
from loyaltycore.memberships import Membership
from loyaltycore.testing._port import AT, HOUR, Port, append_to, life_of_member, life_of_order, lives_of_rights, marker

__all__ = ["CHECKS", "MANY", "SIMILAR", "TEXTS", "TOLD"]

MANY: Final = 1100
"""Ids in one call: more than some databases take in one statement."""

TEXTS: Final = (
    "é and e\u0301 stay apart",
    "🛵 👩\u200d👩\u200d👧 \U0010ffff \ue000 \ufeff",
    "\u202eright to left\u202c, אבג, ไทย, 日本語, ﷽",
    " spaces at both ends, \t tab, \r\n line ends \n",
    "quotes ' \" ` and \\ , %s %% {} ; -- /* ?1 :name $1 \u2028",
    "🛵" * 25_000,
    "x" * 100_000,
)
"""What somebody will type one day; the last two are 100 kB."""


def _answers_every_stream(port: Port) -> None:
    known = port.stream("known")
    port.keeps(port.command("first", home=known), append_to(known, 0, marker("first")))
    asked = [port.stream(str(number)) for number in range(MANY)]
    found = port.load(*asked[: MANY // 2], known, *asked[MANY // 2 :])
    port.demand("what streams never written hold", {(found[s].version, tuple(found[s].facts)) for s in asked}, {(0, ())})
    port.load()


def _tells_streams_apart(port: Port) -> None:
    streams = [port.stream(name) for name in SIMILAR]
    for stream in streams:
        port.keeps(port.command(stream, home=stream), append_to(stream, 0, marker(stream)))
    for stream in streams:
        port.holds(stream, marker(stream))


SIMILAR: Final = ("a", "A", "a ", " a", "á", unicodedata.normalize("NFD", "á"), "a%", "a_", "ａ", "aa", "🛵")
"""Ids that a database takes for one another when it is not told to compare them exactly."""


def _keeps_the_order(port: Port) -> None:
    stream, facts = port.stream("long"), [marker(f"{number}") for number in range(125)]
    port.keeps(port.command("all"), append_to(stream, 0, *facts[:120]))
    for version in range(120, 125):
        port.keeps(port.command(f"then {version}"), append_to(stream, version, facts[version]))
        port.holds(stream, *facts[: version + 1])


def _keeps_what_is_told_late(port: Port) -> None:
    bit_by_bit, at_once = port.stream("bits"), port.stream("once")
    facts = [attrs.evolve(marker(ref), at=AT + hours * HOUR) for ref, hours in TOLD]
    port.keeps(port.command("first"), append_to(bit_by_bit, 0, *facts[:4]))
    for version in range(4, len(facts)):
        port.keeps(port.command(f"then {version}"), append_to(bit_by_bit, version, facts[version]))
        port.holds(bit_by_bit, *facts[: version + 1])
    port.keeps(port.command("all"), append_to(at_once, 0, *facts))
    port.holds(at_once, *facts)


TOLD: Final = (("d", 2), ("b", 2), ("c", 0), ("a", 2), ("e", -720), ("f", -720), ("e", -720), ("b", 0), ("g", -720), ("a", 1))
"""Refs and hours of facts as they are told: dated back, several of one instant, one twice; in no order but their own."""


def _keeps_text(text: str) -> Callable[[Port], None]:
    def check(port: Port) -> None:
        member = Membership.open(f"{port.mark}-text")
        given = member.earn(1, ref="first", expires_at=None, at=AT)
        taken = given.state.adjust_down(1, ref="second", reason=text, actor="kit", at=AT)
        port.keeps(port.command("first"), *given.changes)
        port.keeps(port.command("second"), *taken.changes)
        port.holds(given.stream, *given.facts, *taken.facts)

    return check


def _keeps_every_kind(port: Port) -> None:
    member, version = Membership.open(f"{port.mark}-m"), 0
    facts = list[Fact]()
    for number, posting in enumerate(life_of_member(member)):
        port.keeps(port.command(str(number)), append_to(posting.stream, version, *posting.facts))
        facts += posting.facts
        version += len(posting.facts)
    port.holds(port.stream("m"), *facts)
    order = life_of_order(f"{port.mark}-o")
    port.keeps(port.command("order"), append_to(port.stream("o", kind="order"), 0, *order))
    port.holds(port.stream("o", kind="order"), *order)
    for kind, told in lives_of_rights(f"{port.mark}-r").items():
        port.keeps(port.command(kind), append_to(port.stream("r", kind=kind), 0, *told))
        port.holds(port.stream("r", kind=kind), *told)


def _keeps_accounts_apart(port: Port) -> None:
    stream = port.stream("two")
    facts = [attrs.evolve(marker(str(number % 4)), account="status" if number % 3 else "points") for number in range(12)]
    port.keeps(port.command("all"), append_to(stream, 0, *facts))
    port.holds(stream, *facts)


CHECKS: Final[dict[int, tuple[Callable[[Port], None], ...]]] = {
    1: (_answers_every_stream,),
    2: (
        _keeps_the_order,
        _keeps_what_is_told_late,
        _tells_streams_apart,
        _keeps_accounts_apart,
        _keeps_every_kind,
        *map(_keeps_text, TEXTS),
    ),
}
