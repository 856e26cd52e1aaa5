"""Conditions: they only look, and say how far off they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyaltycore.conditions import (
    CONDITIONS_LIMIT,
    AllOf,
    Condition,
    Situation,
    code_presented,
    first_order,
    is_member,
    parts_of,
    spend_at_least,
    unmet,
)
from loyaltycore.errors import CurrencyMismatchError, Reason, UsageError
from loyaltycore.quantities import Money

AT = datetime(2026, 7, 1, tzinfo=UTC)
SEEN = Situation(currency="EUR", goods_minor=4500, is_member=True, order_count=0, codes=["SUMMER10"], at=AT)
SINGLES = (spend_at_least(Money.of("50", "EUR")), is_member(), code_presented("summer-1o"), first_order())


def reasons(condition: Condition, **changes: Any) -> list[Reason]:  # noqa: ANN401  # a field of any type
    """Name why a condition does not hold."""
    return [refusal.reason for refusal in unmet(condition, attrs.evolve(SEEN, **changes))]


class TestUnmet:
    @pytest.mark.parametrize("goods,missing", [(0, 5000), (4999, 1), (5000, None), (5001, None)])
    def test_spend(self, goods: int, missing: int | None) -> None:
        """At the threshold it holds; below it the distance is told, to the minor unit."""
        refusals = unmet(SINGLES[0], attrs.evolve(SEEN, goods_minor=goods))
        details = [{"needed_minor": 5000, "missing_minor": missing, "currency": "EUR"}] if missing else []
        assert [dict(refusal.details) for refusal in refusals] == details
        assert reasons(SINGLES[0], goods_minor=goods) == ([Reason.BASKET_BELOW_THRESHOLD] if missing else [])

    def test_spend_in_another_currency_is_a_usage_error(self) -> None:
        """Currencies never mix."""
        with pytest.raises(CurrencyMismatchError) as error:
            unmet(SINGLES[0], attrs.evolve(SEEN, currency="USD"))
        assert (error.value.left, error.value.right) == ("EUR", "USD")

    def test_member(self) -> None:
        """A member passes, a guest does not."""
        assert reasons(is_member()) == []
        assert reasons(is_member(), is_member=False) == [Reason.MEMBER_REQUIRED]

    def test_code(self) -> None:
        """A code is known by its folded form."""
        assert reasons(code_presented("summer-1o")) == []
        assert reasons(code_presented("SUMMER11")) == [Reason.CODE_MISSING]

    def test_first_order(self) -> None:
        """No order before this one."""
        assert reasons(first_order()) == []
        assert reasons(first_order(), order_count=1) == [Reason.ORDER_NOT_FIRST]
        assert unmet(first_order(), attrs.evolve(SEEN, order_count=3))[0].details == {"order_count": 3}

    def test_all_of_tells_everything(self) -> None:
        """All that is unmet, in the order of reasons; of nothing at all, nothing."""
        assert reasons(AllOf(reversed(SINGLES)), is_member=False, codes=(), order_count=1) == [
            Reason.MEMBER_REQUIRED,
            Reason.CODE_MISSING,
            Reason.ORDER_NOT_FIRST,
            Reason.BASKET_BELOW_THRESHOLD,
        ]
        assert reasons(AllOf(())) == []

    @given(st.lists(st.sampled_from(SINGLES), max_size=5), st.integers(0, 9000), st.booleans(), st.integers(0, 2))
    def test_conditions_only_look(self, parts: list[Condition], goods: int, member: bool, orders: int) -> None:  # noqa: FBT001
        """The same situation gives the same answer, and a combination holds exactly when each part does."""
        situation = attrs.evolve(SEEN, goods_minor=goods, is_member=member, order_count=orders)
        assert unmet(AllOf(parts), situation) == unmet(AllOf(parts), situation)
        assert (unmet(AllOf(parts), situation) == ()) == all(unmet(part, situation) == () for part in parts)


class TestCombining:
    def test_and_is_flat(self) -> None:
        """However they were put together, the parts stand in one list."""
        spend, member, code, first = SINGLES
        assert (spend & member) & (code & first) == AllOf(SINGLES)
        assert AllOf([AllOf([spend, AllOf([member])]), AllOf([]), code, first]) == AllOf(SINGLES)
        assert parts_of(spend) == (spend,)

    def test_only_conditions_combine(self) -> None:
        """Anything else is a bug that is found at once, not at the first basket."""
        with pytest.raises(UsageError, match="a condition must be"):
            is_member() & "SUMMER10"  # type: ignore[operator]
        with pytest.raises(UsageError, match="a condition must be"):
            AllOf(["SUMMER10"])

    def test_length_is_bounded(self) -> None:
        """At most twenty parts."""
        assert len(AllOf([is_member()] * CONDITIONS_LIMIT).parts) == CONDITIONS_LIMIT
        with pytest.raises(UsageError, match=f"at most {CONDITIONS_LIMIT} parts, got {CONDITIONS_LIMIT + 1}"):
            AllOf([is_member()] * (CONDITIONS_LIMIT + 1))


class TestValues:
    @pytest.mark.parametrize("amount", [Money.of("0", "EUR"), Money.of("-1", "EUR"), 50, "50"])
    def test_threshold_is_money_above_nothing(self, amount: object) -> None:
        """A threshold that everything meets is a mistake."""
        with pytest.raises(UsageError, match="spend_at_least must be Money above 0"):
            spend_at_least(amount)  # type: ignore[arg-type]
        assert spend_at_least(Money(1, "EUR")).amount == Money(1, "EUR")

    @pytest.mark.parametrize("code", ["", "?!", "x" * 65])
    def test_text_that_is_no_code(self, code: str) -> None:
        """Nothing but letters and digits makes a code."""
        with pytest.raises(UsageError, match="code"):
            code_presented(code)

    @pytest.mark.parametrize(
        "changes",
        [{"goods_minor": -1}, {"order_count": -1}, {"goods_minor": True}, {"at": AT.replace(tzinfo=None)}],
    )
    def test_situation_is_checked(self, changes: dict[str, Any]) -> None:
        """Numbers are whole and not negative, the time has a zone."""
        with pytest.raises(UsageError, match=f"^{next(iter(changes))} must be"):
            attrs.evolve(SEEN, **changes)
