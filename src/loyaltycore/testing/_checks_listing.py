"""Checks of the optional protocols that list what is kept: ``Enumerable`` and ``Exportable``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

import attrs

from loyaltycore.errors import ConflictError
from loyaltycore.facts import Change, Command, Expect
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import Cursor, Enumerable, Exportable, KeptClaim, KeptCommit
from loyaltycore.testing._checks_loading import MANY
from loyaltycore.testing._model import Model
from loyaltycore.testing._port import AT, DUE, HOUR, Port, append_to, claim_of, life_of_order, marker

__all__ = ["ENUMERABLE_CHECKS", "EXPORTABLE_CHECKS", "claims_of", "commits_of", "streams_of"]

_PAGES: Final = 40
"""About so many pages show whether each goes on where the one before ended."""


class _Listed(Protocol):
    @property
    def cursor(self) -> Cursor: ...


L = TypeVar("L", bound=_Listed)
L_co = TypeVar("L_co", bound=_Listed, covariant=True)


# ---- streams ----


def _lists_streams(port: Port) -> None:
    names = ("b", "d", "a", "c")
    for name in names:
        port.keeps(port.command(name), append_to(port.stream(name), 0, marker(name)))
        port.keeps(port.command(f"{name} again"), append_to(port.stream(name), 1, marker(name)))
    port.keeps(port.command("read"), Expect(stream=port.stream("e"), version=0))
    order = port.stream("a", kind="order")
    port.keeps(port.command("order"), append_to(order, 0, *life_of_order(f"{port.mark}-a")))
    for kind, wanted in (("member", [port.stream(name) for name in "abcd"]), ("order", [order])):
        for limit in (1, 3, 1000):
            port.demand(f"the {kind} streams, by pages of {limit}", streams_of(port, kind, limit), wanted)


def streams_of(port: Port, kind: str, limit: int) -> list[StreamId]:
    """List the streams of this check, which follow its mark, page by page."""
    found, after = list[StreamId](), StreamId(f"{kind}/{port.mark}")
    while True:
        ours = [stream for stream in _page(port, kind, after, limit) if port.mark in stream]
        found += ours
        if len(ours) < limit or len(found) > MANY:
            return found
        after = ours[-1]


def _page(port: Port, kind: str, after: StreamId | None, limit: int) -> list[StreamId]:
    listing = port.repository
    assert isinstance(listing, Enumerable)  # else these checks do not run
    call = f"streams({kind!r}, after={after!r}, limit={limit})"
    page = list(port.asked(call, lambda: listing.streams(kind, after=after, limit=limit)))
    if len(page) > limit:
        port.fail(f"a listing of at most {limit} holds {len(page)}")
    return page


def _starts_a_listing(port: Port) -> None:
    names = ("ab", "B", "é", "a", "🛵", "\uffee")
    for name in names:
        port.keeps(port.command(name), append_to(port.stream(name), 0, marker(name)))
    port.demand("the order of the streams", streams_of(port, "member", 1000), sorted(map(port.stream, names)))
    page = _page(port, "member", None, MANY)
    port.demand("the order of the first page", page, sorted(page))
    port.demand("what else the first page holds", [s for s in page if not s.startswith("member/")], [])
    if len(page) < MANY:
        port.demand("those of this check in the first page", sum(port.mark in stream for stream in page), len(names))


# ---- exports ----


def commits_of(port: Port) -> list[KeptCommit]:
    """List the commits of this check, in pages of several sizes."""
    return [commit for commit in _listed(port, "commits", _export(port).commits) if port.mark in commit.command.home]


def claims_of(port: Port) -> list[KeptClaim]:
    """List the claims on counters of this check, in pages of several sizes."""
    return [claim for claim in _listed(port, "claims", _export(port).claims) if port.mark in claim.counter]


def _export(port: Port) -> Exportable:
    assert isinstance(port.repository, Exportable)  # else these checks do not run
    return port.repository


class _Page(Protocol[L_co]):
    def __call__(self, *, after: Cursor | None, limit: int) -> Sequence[L_co]: ...


def _listed(port: Port, name: str, page: _Page[L]) -> list[L]:
    """List everything twice, by large pages and by small ones, and demand the same."""
    whole = _walked(port, name, page, limit=1000)
    again = _walked(port, name, page, limit=1 + len(whole) // _PAGES)
    port.demand(f"what {name} lists by small pages", _told(again), _told(whole))
    return whole


def _told(found: Iterable[_Listed]) -> list[str]:
    """Put what was listed in an order of its own, without the cursors, which may differ between two listings."""
    return sorted(repr(one).replace(repr(one.cursor), "") for one in found)


def _walked(port: Port, name: str, page: _Page[L], *, limit: int) -> list[L]:
    found, cursors, after = list[L](), set[Cursor | None](), None
    while True:
        call = f"{name}(after={after!r}, limit={limit})"
        listed = list(port.asked(call, partial(page, after=after, limit=limit)))
        if len(listed) > limit:
            port.fail(f"a listing of at most {limit} holds {len(listed)}")
        if not listed:
            return found
        found += listed
        after = listed[-1].cursor
        if after in cursors:
            port.fail(f"{name} gives the cursor {after!r} twice: a page does not go on after the one before")
        cursors.add(after)


def _lists_commits(port: Port) -> None:
    a, b, order = port.stream("a"), port.stream("b"), port.stream("o", kind="order")
    model = Model()
    for command, *changes in _commits(port, a, b, order):
        port.keeps(command, *changes)
        model.keep(command, changes)
    port.refuses(ConflictError, port.command("refused", home=a), append_to(a, 0, marker("refused")))
    found = commits_of(port)
    times = Counter((commit.command.home, commit.command.key) for commit in found)
    port.demand("the commits listed, and how often", times, Counter(list(model.receipts)))
    for commit in found:
        _demand_commit(port, commit, model)
    _commits_again(port, found, model)
    port.keeps(port.command("done"), append_to(a, 3, marker("done")))


def _commits(port: Port, a: StreamId, b: StreamId, order: StreamId) -> list[tuple[Command, *tuple[Change, ...]]]:
    """Give commits of every form: of several streams, without facts, with a key used in two homes."""
    two = (append_to(a, 0, marker("1"), marker("2"), due_at=DUE + HOUR), append_to(b, 0, marker("3"), due_at=DUE + 2 * HOUR))
    return [
        (port.command("both", home=a, actor="Zoë 🛵"), *two),
        (port.command("claims", home=b), claim_of(port.counter("c"), port.key("holder"), 1, 5)),
        (port.command("reads", home=b), Expect(stream=a, version=2), append_to(b, 1, marker("4"))),
        (port.command("both", home=order), append_to(order, 0, *life_of_order(f"{port.mark}-o"))),
        (port.command("later", home=order), append_to(a, 2, attrs.evolve(marker("5"), at=AT - HOUR), due_at=DUE + 3 * HOUR)),
    ]


def _demand_commit(port: Port, commit: KeptCommit, model: Model) -> None:
    receipt = model.receipts[commit.command.home, commit.command.key]
    port.demand("a command listed", commit.command, receipt.command)
    appended = {append.stream: tuple(append.facts) for append in commit.appends}
    port.demand(f"what the commit of {commit.command.key!r} appended", appended, dict(receipt.facts))
    for append in commit.appends:
        is_last = append.expected_version + len(append.facts) == model.version(append.stream)
        due_at = model.due_at.get(append.stream) if is_last else None
        port.demand(f"what the append of {commit.command.key!r} to {append.stream!r} says is due", append.due_at, due_at)


def _commits_again(port: Port, found: Sequence[KeptCommit], model: Model) -> None:
    """Commit everything elsewhere, each when its versions are met, and demand the same streams and receipts."""
    again, waiting = Model(), list(found)
    while waiting:
        ready = [commit for commit in waiting if again.refusal(commit.command, commit.appends) is None]
        if not ready:
            port.fail(f"{len(waiting)} commits listed meet their versions never: {_versions(waiting)}")
        again.keep(ready[0].command, ready[0].appends)
        waiting.remove(ready[0])
    port.demand("the streams when all is committed again", again.facts, model.facts)
    port.demand("what is due when all is committed again", again.due_at, model.due_at)


def _versions(commits: Iterable[KeptCommit]) -> Mapping[str, list[tuple[StreamId, int]]]:
    return {commit.command.key: [(append.stream, append.expected_version) for append in commit.appends] for commit in commits}


def _lists_claims(port: Port) -> None:
    c, d, mine, other, until = port.counter("c"), port.counter("d"), port.key("mine"), port.key("other"), AT + HOUR
    port.keeps(port.command("1"), claim_of(c, mine, 3, None), claim_of(c, other, 2, 9, until=until), claim_of(d, mine, 7, None))
    port.keeps(port.command("2"), claim_of(c, mine, 5, 9), claim_of(d, other, 4, None))
    port.keeps(port.command("3"), claim_of(d, mine, 0, None))
    found = [(claim.counter, claim.key, claim.amount, claim.until) for claim in claims_of(port)]
    wanted: set[tuple[CounterId, Key, int, object]] = {(c, mine, 5, None), (c, other, 2, until), (d, other, 4, None)}
    port.demand("the claims listed", set(found), wanted)
    port.demand("the number of claims listed", len(found), len(wanted))


_Checks = Mapping[int, tuple[Callable[[Port], None], ...]]

ENUMERABLE_CHECKS: Final[_Checks] = {1: (_lists_streams,), 2: (_starts_a_listing,)}
EXPORTABLE_CHECKS: Final[_Checks] = {1: (_lists_commits,), 2: (_lists_claims,)}
