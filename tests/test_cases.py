"""Every case that has an expression gives the known answer, or says why it cannot be expressed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases import Differs, NotExpressible, Outcome, VendorInconsistent, Verdict, judge, load, registered, suites
from tools.cases import in_domain

SUITES = ["liability", "points", "promotions", "vendors"]


@pytest.mark.shared
class TestSuites:
    @pytest.mark.parametrize("suite", SUITES)
    def test_answers_are_known(self, suite: str, shared: Path) -> None:
        """Ours agrees with every case that has an expression."""
        cases = load(shared, suite)
        outcomes = [judge(name, cases[name], expression) for name, expression in registered(suite).items()]
        assert [outcome for outcome in outcomes if outcome.verdict is Verdict.DIFFERS] == []

    @pytest.mark.parametrize("suite", SUITES)
    def test_suite_has_cases(self, suite: str, shared: Path) -> None:
        """Each suite is read, and every case has an id."""
        assert load(shared, suite)

    @pytest.mark.parametrize("suite", ["points", "vendors"])
    def test_points_are_all_expressed(self, suite: str, shared: Path) -> None:
        """Every case about points is said with ours; one that contradicts itself says so."""
        cases = {name: case for name, case in load(shared, suite).items() if in_domain(case, suite, "points")}
        verdicts = {name: judge(name, case, registered(suite).get(name)).verdict for name, case in cases.items()}
        assert {name for name, verdict in verdicts.items() if verdict is Verdict.VENDOR_INCONSISTENT} == {
            name for name, case in cases.items() if case.get("confidence") == "vendor-inconsistent"
        }
        assert set(verdicts.values()) <= {Verdict.PASS, Verdict.VENDOR_INCONSISTENT}

    def test_dates_are_numbered(self, shared: Path) -> None:
        """Cases without an id are numbered within their list."""
        assert "dates-1" in load(shared, "points")

    def test_every_module_is_a_suite(self) -> None:
        """A module with a misspelt name would never be compared."""
        assert set(suites()) <= set(SUITES)


class TestJudge:
    def test_agreement_is_a_pass(self) -> None:
        """An expression that returns has passed."""
        assert judge("a", {}, lambda case: case) == Outcome("a", Verdict.PASS)

    def test_another_answer_differs(self) -> None:
        """An expression that raises Differs gives its text as the reason."""

        def expression(_: object) -> None:
            text = "10, not 9"
            raise Differs(text)

        assert judge("a", {}, expression) == Outcome("a", Verdict.DIFFERS, "10, not 9")

    def test_reason_without_expression(self) -> None:
        """What cannot be said says why."""
        assert judge("a", {}, NotExpressible("no FIFO")) == Outcome("a", Verdict.NOT_EXPRESSIBLE, "no FIFO")

    def test_vendor_that_contradicts_itself(self) -> None:
        """Where there are two answers, the reading that ours takes is named."""

        def expression(_: object) -> None:
            text = "ours counts both days"
            raise VendorInconsistent(text)

        assert judge("a", {}, expression) == Outcome("a", Verdict.VENDOR_INCONSISTENT, "ours counts both days")

    def test_unknown_case_is_not_expressible_yet(self) -> None:
        """A case that nobody wrote an expression for is no pass."""
        assert judge("a", {}, None).verdict is Verdict.NOT_EXPRESSIBLE


class TestDomain:
    @pytest.mark.parametrize(
        "domain,expected",
        [(None, True), ("points", True), ("points.earn", True), ("points.ea", False), ("tiers", False)],
    )
    def test_domain_holds_what_lies_below(self, domain: str | None, *, expected: bool) -> None:
        """A domain is a path: whole words only."""
        assert in_domain({"domain": "points.earn"}, "vendors", domain) is expected
