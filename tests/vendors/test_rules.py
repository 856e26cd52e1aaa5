"""The rules of other vendors as programs and calls of ours; these need no shared data."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from loyaltycore import Program
from tests.vendors import rules

STATED: dict[str, object] = {
    "sq-earn-step-floor": 10,
    "sq-promo-multiplier-fraction": 7,
    "sq-latest-promo": ("2024-03-01", 1, 0),
    "sq-promo-schedule": (True, False, False),
    "v-first-match": ("number-2", (None, None, "number-2")),
    "v-round-nearest": {"10.30": 3, "9.70": 2, "10.00": 3, "9.99": 2, "0.10": 0},
    "v-formula-ceil": ["74.50", "75.00", "80.00"],
    "v-period-cap-partial": 20,
    "sq-expiry-p12m": (date(2021, 7, 31), date(2021, 8, 1)),
    "v-exp-31jan": date(2027, 2, 28),
    "v-exp-fixed-day": date(2026, 1, 1),
    "v-spend-order": {"31 March": 20, "30 June": 50},
    "ll-enable-grace": (date(2023, 3, 1), date(2023, 6, 2), None),
    "thrive-365": (date(2021, 1, 4), date(2021, 8, 10)),
    "flocafe-collapse": 60,
    "sq-refund-10": 1,
    "sq-refund-floor-zero": ((0, 0), (0, 80)),
    "zenoti-negative": (-100, [-40, 20]),
    "t-negative": (40, 0),
    "t-validity-suffix": dict(rules.DURATIONS),
    "sq-reward-hold": (15, 30, "hold_resolved"),
}


class TestVendors:
    @pytest.mark.parametrize("case_id", sorted(STATED))
    def test_ours_gives_what_is_stated(self, case_id: str) -> None:
        """Each rule, said with our policies, gives the answer of its documentation, or the reading of it that we take."""
        assert rules.OURS[case_id]() == STATED[case_id]

    def test_every_rule_is_stated(self) -> None:
        """A rule without a stated answer would be compared with nothing."""
        assert set(rules.OURS) == set(STATED)

    @pytest.mark.parametrize("name", rules.PROGRAMS)
    def test_rules_are_programs(self, name: str) -> None:
        """What is a program's is a program file, and reads as one."""
        rules_of = rules.program(name)
        assert rules_of.earning
        assert rules_of == Program.parse((rules.FOLDER / f"{name}.toml").read_text(encoding="utf-8"))

    def test_pending_on_action(self) -> None:
        """Points that await an action are there once it has happened, and not before."""
        assert rules.on_action() == (50, 60)

    def test_base_points_decide_over_the_promotion(self) -> None:
        """Between the two promotions the first applies alone, and before both the base."""
        february, january = datetime(2024, 2, 1, 18, tzinfo=UTC), datetime(2023, 12, 1, 18, tzinfo=UTC)
        assert rules.points("square-latest", "50.00", at=february) == 10
        assert rules.points("square-latest", "50.00", at=january) == 5
        assert rules.points("square-latest", "50.00") == 15
