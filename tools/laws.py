"""List the numbered laws with the tests that carry them.

A test carries a law by ``@pytest.mark.law(14)``; several numbers are allowed. The laws that are carried for good stand
in pyproject.toml, ``laws_finished``: one of them without a test is an error.
"""

from __future__ import annotations

import sys

import pytest

from tools.project import ROOT, settings

__all__ = ["LAST_LAW", "LawCollector", "main", "report"]

LAST_LAW = 48


class LawCollector:
    """Note, while pytest collects, which test carries which law.

    Attributes:
        carriers: The tests of each law, by number; a parametrised test counts once.
        problems: What is wrong, in the order found.
    """

    def __init__(self) -> None:
        self.carriers: dict[int, set[str]] = {}
        self.problems: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what could not be collected: its laws would be missing without a word."""
        if report.failed:
            self.problems.append(f"{report.nodeid} cannot be collected:\n{report.longreprtext}")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the marks."""
        for item in items:
            name = item.nodeid.partition("[")[0]
            for mark in item.iter_markers("law"):
                for number in mark.args:
                    self._note(number, name, item)

    def _note(self, number: object, name: str, item: pytest.Item) -> None:
        if type(number) is not int or not 1 <= number <= LAST_LAW:
            self.problems.append(f"{name}: law must be in [1, {LAST_LAW}], got {number!r}")
        elif item.get_closest_marker("skip") is None:  # a test that never runs carries nothing
            self.carriers.setdefault(number, set()).add(name)


def report(carriers: dict[int, set[str]], finished: list[int]) -> tuple[list[str], list[str]]:
    """Say which tests carry which law, and which finished law none carries.

    Returns:
        The lines to print, by law and test, and the complaints.
    """
    lines = [f"law {number}: {name}" for number in sorted(carriers) for name in sorted(carriers[number])]
    return lines, [f"law {number} has no test, and is listed as finished" for number in finished if number not in carriers]


def main() -> int:
    """Print the laws; return 1 when one is missing."""
    collector = LawCollector()
    pytest.main(["--collect-only", "-p", "no:terminal", f"--rootdir={ROOT}", "tests"], plugins=[collector])
    lines, complaints = report(collector.carriers, settings()["laws_finished"])
    print("\n".join(lines))
    for complaint in [*collector.problems, *complaints]:
        print(complaint, file=sys.stderr)
    return 1 if collector.problems or complaints else 0


if __name__ == "__main__":
    sys.exit(main())
