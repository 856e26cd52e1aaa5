"""Compare the library with cases whose answers are known: ``python -m tools.cases points --domain points.earn``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from tests.cases import Case, Verdict, judge, load, registered
from tools.project import SHARED_ABSENT, shared_folder

__all__ = ["in_domain", "main"]


def in_domain(case: Case, suite: str, domain: str | None) -> bool:
    """Say whether a case belongs to a domain: ``points`` holds ``points.earn`` too.

    Args:
        case: The case; one without a domain belongs to that of its suite.
        suite: The suite it is from.
        domain: The domain asked for; ``None`` takes all.
    """
    return domain is None or f"{case.get('domain', suite)}.".startswith(f"{domain}.")


def main(arguments: list[str] | None = None) -> int:
    """Print each case with its verdict; return 1 when one differs, 2 when there is nothing to compare with."""
    parser = argparse.ArgumentParser(description="Compare with cases whose answers are known.")
    parser.add_argument("suite", help="points, promotions, vendors, liability")
    parser.add_argument("--domain", help="only the cases of this domain and what lies below it")
    asked = parser.parse_args(arguments)
    shared = shared_folder()
    if shared is None:
        print(f"{SHARED_ABSENT}: set SHARED to its folder", file=sys.stderr)
        return 2
    try:
        cases = load(shared, asked.suite)
    except FileNotFoundError as error:
        print(f"no such suite: {error.filename}", file=sys.stderr)
        return 2
    chosen = {name: case for name, case in cases.items() if in_domain(case, asked.suite, asked.domain)}
    expressions = registered(asked.suite)
    outcomes = [judge(name, case, expressions.get(name)) for name, case in chosen.items()]
    for outcome in outcomes:
        print(f"{outcome.case_id:<36}  {outcome.verdict:<15}  {outcome.reason}".rstrip())
    counts = Counter(outcome.verdict for outcome in outcomes)
    print(f"total {len(outcomes)}: " + ", ".join(f"{verdict} {counts[verdict]}" for verdict in Verdict))
    unknown = sorted(set(expressions) - set(cases))
    for name in unknown:
        print(f"{name}: an expression stands for it, but the suite has no such case", file=sys.stderr)
    return 1 if counts[Verdict.DIFFERS] or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
