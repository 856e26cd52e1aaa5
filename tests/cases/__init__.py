"""Cases with known answers, taken from others' tests and documentation, and how ours are compared with them.

A module of this package, named after a suite (``points``), holds ``CASES``: for each case id either a function that
takes the case, returns nothing when ours agrees and raises `Differs` (or fails an assertion) when not; or
`NotExpressible` with the reason. A case that no module names is not expressible yet. Where a vendor contradicts itself, the
expression compares with what can be compared and raises `VendorInconsistent` with the reading that ours takes.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, final

import attrs

__all__ = [
    "Case",
    "Differs",
    "Expression",
    "NotExpressible",
    "Outcome",
    "VendorInconsistent",
    "Verdict",
    "judge",
    "load",
    "registered",
    "suites",
]

Case = Mapping[str, Any]


@final
class Differs(AssertionError):  # noqa: N818  # reads as the verdict it gives
    """Ours gives another answer than the case."""


@final
class NotExpressible(Exception):  # noqa: N818  # reads as the verdict it gives
    """Ours cannot say what the case asks; the text says why."""


@final
class VendorInconsistent(Exception):  # noqa: N818  # reads as the verdict it gives
    """The case contradicts itself, and ours agrees with one reading of it; the text says with which, and why."""


Expression = Callable[[Case], object] | NotExpressible


class Verdict(StrEnum):
    """How one case ended."""

    PASS = "pass"
    DIFFERS = "differs"
    VENDOR_INCONSISTENT = "vendor-inconsistent"
    NOT_EXPRESSIBLE = "not expressible"


@final
@attrs.frozen
class Outcome:
    """The verdict on one case, with the reason when it is not a pass."""

    case_id: str
    verdict: Verdict
    reason: str = ""


def load(shared: Path, suite: str) -> dict[str, Case]:
    """Read the cases of a suite, by id; cases without an id are numbered within their list (``dates-1``).

    Raises:
        FileNotFoundError: There is no such suite.
    """
    found = json.loads((shared / "cases" / f"{suite}.json").read_text(encoding="utf-8"))
    lists = {suite: found} if isinstance(found, list) else {k: v for k, v in found.items() if isinstance(v, list)}
    return {
        case.get("id", f"{name}-{number}"): case
        for name, cases in lists.items()
        for number, case in enumerate(cases, start=1)
        if isinstance(case, dict)  # a list of words is a remark, not a case
    }


def suites() -> list[str]:
    """List the suites that have a module here."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def registered(suite: str) -> dict[str, Expression]:
    """Give the expressions of a suite, by case id; empty when it has no module here."""
    if suite not in suites():
        return {}
    found: dict[str, Expression] = importlib.import_module(f"{__name__}.{suite}").CASES
    return found


def judge(case_id: str, case: Case, expression: Expression | None) -> Outcome:
    """Compare ours with one case.

    Any other exception than the verdicts passes through: it is a bug, not an answer.
    """
    if expression is None:
        return Outcome(case_id, Verdict.NOT_EXPRESSIBLE, "no expression yet")
    try:
        if isinstance(expression, NotExpressible):
            raise expression
        expression(case)
    except NotExpressible as why:
        return Outcome(case_id, Verdict.NOT_EXPRESSIBLE, str(why))
    except VendorInconsistent as why:
        return Outcome(case_id, Verdict.VENDOR_INCONSISTENT, str(why))
    except AssertionError as why:
        return Outcome(case_id, Verdict.DIFFERS, str(why) or "an assertion of the expression fails")
    return Outcome(case_id, Verdict.PASS)
