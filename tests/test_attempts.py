"""Attempts: which texts count, for whom, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore._attempts import Attempts, attempt
from loyaltycore.errors import LimitReachedError, UsageError
from loyaltycore.facts import Claim, Command
from loyaltycore.store.memory import MemoryRepository

AT = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
EARLY, LATE = datetime(1971, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - Hypothesis adds the zone


DEFAULT = Attempts()


def tried(
    *texts: str,
    at: datetime = AT,
    attempts: Attempts = DEFAULT,
    client: Any = None,  # noqa: ANN401  # wrong values too
    member_id: str | None = None,
) -> tuple[Command, tuple[Claim, ...]]:
    """Try some texts."""
    return attempt(attempts, dict.fromkeys(texts, 1), client=client, member_id=member_id, at=at)


class TestAttempts:
    def test_defaults(self) -> None:
        """Twenty an hour for one device or one member, ten thousand for all together."""
        attempts = Attempts()
        assert (attempts.per_client, attempts.per_member, attempts.per_shop, attempts.span) == (20, 20, 10_000, HOUR)

    @pytest.mark.parametrize("name", ["per_client", "per_member", "per_shop"])
    @pytest.mark.parametrize("value", [0, -1, True, 1.0, "20"])
    def test_numbers_are_checked(self, name: str, value: Any) -> None:  # noqa: ANN401  # a wrong value on purpose
        """At least one, and a whole number; ``None`` is no limit."""
        with pytest.raises(UsageError, match=name):
            Attempts(**{name: value})
        assert getattr(Attempts(**{name: None}), name) is None  # type: ignore[arg-type]  # of three names

    @pytest.mark.parametrize("span", [timedelta(0), -HOUR, timedelta(days=31, microseconds=1), 3600, None])
    def test_span_is_checked(self, span: Any) -> None:  # noqa: ANN401  # a wrong value on purpose
        """Above nothing, at most 31 days."""
        with pytest.raises(UsageError, match="span"):
            Attempts(span=span)

    def test_longest_and_shortest_span(self) -> None:
        """Both bounds are inside."""
        for span in (timedelta(microseconds=1), timedelta(days=31)):
            assert Attempts(span=span).span == span


class TestAttempt:
    def test_three_counters(self) -> None:
        """For the device, the member and the shop, whose names lead back to nobody; each text holds its own place."""
        command, claims = tried("b", "a", client="10.0.0.1", member_id="m-1")
        assert [claim.counter.split("/")[1] for claim in claims] == ["client", "client", "member", "member", "shop", "shop"]
        assert [claim.key for claim in claims] == ["a", "b"] * 3
        assert {(claim.amount, claim.at, claim.until) for claim in claims} == {(1, AT, AT + HOUR / 2)}
        assert [claim.limit for claim in claims] == [20] * 4 + [10_000] * 2
        text = repr((command, claims))
        assert "10.0.0.1" not in text
        assert "m-1" not in text

    @pytest.mark.parametrize(
        "limits, who, scopes",
        [
            ({}, {}, ["shop"]),
            ({}, {"client": "c"}, ["client", "shop"]),
            ({}, {"member_id": "m"}, ["member", "shop"]),
            ({"per_shop": None}, {"client": "c", "member_id": "m"}, ["client", "member"]),
            ({"per_client": None, "per_member": None}, {"client": "c", "member_id": "m"}, ["shop"]),
            ({"per_client": None, "per_member": None, "per_shop": None}, {"client": "c", "member_id": "m"}, []),
        ],
    )
    def test_only_what_is_limited(self, limits: dict[str, Any], who: dict[str, Any], scopes: list[str]) -> None:
        """Who is not known has no counter of his own, and no limit none."""
        assert [claim.counter.split("/")[1] for claim in tried("a", attempts=Attempts(**limits), **who)[1]] == scopes

    def test_the_same_name_for_the_same(self) -> None:
        """The same texts by the same people in the same span are one command, in any order; anything else is another."""
        key = tried("a", "b", client="c")[0].key
        assert tried("b", "a", client="c", at=AT + HOUR / 2 - timedelta(microseconds=1))[0].key == key
        others = [
            tried("a", client="c"),
            tried("a", "b", client="d"),
            tried("a", "b"),
            tried("a", "b", member_id="c"),
            tried("a", "b", client="c", at=AT + HOUR / 2),
        ]
        assert len({key, *(command.key for command, _ in others)}) == 6

    def test_a_client_and_a_member_of_one_name(self) -> None:
        """They are two."""
        by_client, by_member = tried("a", client="x")[1], tried("a", member_id="x")[1]
        assert by_client[0].counter != by_member[0].counter

    @given(st.datetimes(EARLY, LATE, timezones=st.just(UTC)), st.integers(1, 31 * 86_400))
    def test_spans_follow_each_other(self, at: datetime, seconds: int) -> None:
        """An instant lies in one span, which ends after it and began at most as long before; the next begins where it ends."""
        attempts = Attempts(span=timedelta(seconds=seconds))
        (claim,) = tried("a", at=at, attempts=attempts)[1]
        assert claim.until is not None
        assert at < claim.until <= at + attempts.span
        (after,) = tried("a", at=claim.until, attempts=attempts)[1]
        assert (after.until, after.counter == claim.counter) == (claim.until + attempts.span, False)
        assert tried("a", at=claim.until - timedelta(microseconds=1), attempts=attempts)[1][0].counter == claim.counter

    @pytest.mark.parametrize("client", ["", 7, "x" * 1001])
    def test_a_client_is_text(self, client: Any) -> None:  # noqa: ANN401  # a wrong value on purpose
        """Up to a thousand characters; an empty one is as good as a name."""
        if client == "":
            assert tried("a", client=client)[1]
        else:
            with pytest.raises(UsageError, match="client"):
                tried("a", client=client)

    def test_a_naive_time_is_refused(self) -> None:
        """As everywhere."""
        with pytest.raises(UsageError):
            tried("a", at=datetime(2026, 7, 1))  # noqa: DTZ001 - naive on purpose

    @pytest.mark.law(32)
    @given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True), max_size=12), st.integers(1, 4))
    def test_as_many_different_ones_as_the_limit(self, tries: list[list[str]], limit: int) -> None:
        """Against a set of what was tried: a text again is free, a new one needs room, and all of a call is in or nothing."""
        store, attempts, known = MemoryRepository(), Attempts(per_client=limit, per_shop=None), set[str]()
        for texts in tries:
            command, claims = tried(*texts, client="c", attempts=attempts)
            may = len(known | set(texts)) <= limit
            if store.receipt(command.home, command.key) is not None:
                assert may
                continue
            if may:
                store.commit(command, claims)
                known |= set(texts)
            else:
                with pytest.raises(LimitReachedError):
                    store.commit(command, claims)
