"""The project's own tools read and count rightly."""

from __future__ import annotations

import pytest

from benchmarks._harness import Benchmark, Pair, bench, measure
from benchmarks.run import row
from tools.laws import report
from tools.mutants import SIBLINGS, parse, patterns, summary
from tools.project import ROOT

pytestmark = pytest.mark.house

RESULTS = """
    loyaltycore.points.x_burn__mutmut_1: killed
    loyaltycore.points.x_burn__mutmut_2: survived
    loyaltycore.points.x_earn__mutmut_1: timeout
    loyaltycore.points.x_earn__mutmut_2: no tests
"""


class TestMutants:
    def test_every_status_is_read(self) -> None:
        """Each mutant has one status; other lines are none."""
        assert parse(f"Running\n{RESULTS}") == {
            "loyaltycore.points.x_burn__mutmut_1": "killed",
            "loyaltycore.points.x_burn__mutmut_2": "survived",
            "loyaltycore.points.x_earn__mutmut_1": "timeout",
            "loyaltycore.points.x_earn__mutmut_2": "no tests",
        }

    def test_private_siblings_belong_to_their_module(self) -> None:
        """The ledger is all of the files it is made of, each of which is there."""
        assert patterns("tiers") == ("loyaltycore.tiers.*",)
        assert patterns("ledger")[:2] == ("loyaltycore.ledger.*", "loyaltycore._lots.*")
        files = {f"{name}.py" for names in SIBLINGS.values() for name in names}
        assert files <= {path.name for path in (ROOT / "src" / "loyaltycore").iterdir()}

    def test_what_no_test_reaches_is_not_caught(self) -> None:
        """A mutant that hangs is caught; one that no test runs is left."""
        text = summary(parse(RESULTS))
        assert "left: loyaltycore.points.x_burn__mutmut_2 (survived)" in text
        assert "left: loyaltycore.points.x_earn__mutmut_2 (no tests)" in text
        assert text.endswith("score 2 / 4 = 50.0 %")


class TestLaws:
    def test_laws_are_sorted_by_number(self) -> None:
        """Law 2 stands before law 14, and what is missing is told apart."""
        lines, complaints = report({14: {"b", "a"}, 2: {"c"}}, [2, 7])
        assert lines == ["law 2: c", "law 14: a", "law 14: b"]
        assert complaints == ["law 7 has no test, and is listed as finished"]


class TestBench:
    def test_ratio_above_one_is_better(self) -> None:
        """A call that costs a third of the other has ratio 3, and its own cost as value."""
        now = 0.0

        def spend(seconds: float) -> None:
            nonlocal now
            now += seconds

        pair = Pair(lambda: spend(0.5), lambda: spend(1.5), items=5)
        benchmark = Benchmark(name="n", unit="ms", against="a", peers=(), prepare=lambda: pair)
        result = measure(benchmark, clock=lambda: now)
        assert (result.name, result.unit, result.against) == ("n", "ms", "a")
        assert (result.value, result.ratio) == pytest.approx((100, 3))
        assert row(result).split() == ["n", "100.000", "ms", "3.00", "×", "a"]

    def test_unknown_unit_is_refused(self) -> None:
        """A unit is one of time."""
        with pytest.raises(ValueError, match="unit must be one of s, ms, µs, ns, got 'h'"):
            bench("n", unit="h", against="a")
