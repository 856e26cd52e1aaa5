"""The offers of other vendors as offers of ours; these need no shared data."""

from __future__ import annotations

import pytest

from loyaltycore.errors import Reason
from tests.vendors import deals

STATED: dict[str, object] = {
    "v-stack-gift-pct-amt": ([100, 39980, 8000], 48080, 151920),
    "v-calc-mode": ("30.00", "28.00"),
    "v-exclusive": ({"half"}, {Reason.OFFER_SUPERSEDED}),
    "v-split-amount": (["1.60", "3.60", "4.80", "0.00"], "165.00"),
    "v-new-price": (["0.00", "15.00", "30.00", "0.00"], "130.00"),
    "v-add-missing": ([2, 1, 0], [2, 2, 2]),
    "v-skip-repeat": [2, 5, 8],
    "shopify-two-order-pct": (["35.00", "52.50"], "87.50"),
    "ct-best-deal": (18199, ["product"], [Reason.OFFER_SUPERSEDED]),
    "v-qualify-10pct": (["for-all"], 1150, 10350),
    "v-campaign-units": [5, 4, 1],
}


class TestVendors:
    @pytest.mark.parametrize("case_id", sorted(STATED))
    def test_ours_gives_what_is_stated(self, case_id: str) -> None:
        """Each rule, said with our offers, gives the answer of its documentation."""
        assert deals.OURS[case_id]() == STATED[case_id]

    def test_every_rule_is_stated(self) -> None:
        """A rule without a stated answer would be compared with nothing."""
        assert set(deals.OURS) == set(STATED)
