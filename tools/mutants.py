"""Change one module in small ways and print which changes no test noticed: ``python -m tools.mutants points``.

The private siblings that a module is made of belong to it. What must notice a change are the tests named after
these files, not the thousands that happen to pass through: a run over the whole suite takes hours.
A report, never a gate: a surviving mutant may mean the same as the original. It always ends well.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tools.project import ROOT

__all__ = ["files", "main", "own_tests", "parse", "prepare", "summary"]

SIBLINGS = {
    "ledger": ("_lots", "_ledger_facts", "_open_lots", "_ledger_fold", "_balancing", "_holdings"),
    "points": ("_formula", "_earning", "_burning", "_purchase", "_statement"),
    "benefits": ("_apportion", "_goods"),
    "conditions": ("_condition_kinds", "_recurrence"),
    "coupons": ("_alphabets", "_spelling", "_code_space", "_code_blocks", "_code_book", "_coupon", "_campaign", "_redeeming"),
    "gift_cards": ("_card_numbers", "_card_facts", "_card_statement"),
    "tiers": ("_tier_grant", "_tier_windows", "_tier_values", "_tier_status"),
    "rewards": ("_payouts", "_giving", "_rewards_due", "_rewarding", "_reward_warnings", "_reward_steps"),
    "referrals": (
        "_referral",
        "_referral_codes",
        "_referral_program",
        "_referral_insight",
        "_referring",
        "_referral_steps",
    ),
    "memberships": ("_member_facts", "_tallied"),
    "offers": ("_offer_kinds", "_prices", "_offer_index", "_offer_search", "_nudges"),
    "program": (
        "_quote",
        "_of_members",
        "_on_orders",
        "_booking",
        "_decisions",
        "_placing",
        "_settling",
        "_program_file",
        "_points_file",
        "_tables",
        "_phrases",
    ),
    "services": (
        "_async_services",
        "_service",
        "_steps",
        "_attempts",
        "_coupon_steps",
        "_card_steps",
        "_snapshots",
        "_forgetting",
    ),
}
COPIED = ("src", "tests", "tools", "docs", "examples", "benchmarks", "conftest.py", "README.md", "pyproject.toml")
CAUGHT = frozenset({"killed", "timeout", "caught by type check"})
LINE = re.compile(r"^\s+(\S+): (.+)$")


def parse(results: str) -> dict[str, str]:
    """Read what ``mutmut results --all true`` prints: the status of each mutant, by name."""
    return {match[1]: match[2].strip() for match in map(LINE.match, results.splitlines()) if match}


def summary(statuses: dict[str, str]) -> str:
    """Say how many mutants met which end, who survived, and the share that was caught."""
    counts = Counter(statuses.values())
    caught = sum(counts[status] for status in CAUGHT)
    rows = [f"{status:<16} {count}" for status, count in sorted(counts.items())]
    left = [f"left: {name} ({status})" for name, status in sorted(statuses.items()) if status not in CAUGHT]
    share = f" = {100 * caught / len(statuses):.1f} %" if statuses else ""
    return "\n".join([*rows, *left, f"score {caught} / {len(statuses)}{share}"])


def files(module: str) -> tuple[str, ...]:
    """Name the files of a module and of its private siblings."""
    return tuple(f"src/loyaltycore/{name}.py" for name in (module, *SIBLINGS.get(module, ())))


def own_tests(module: str) -> tuple[str, ...]:
    """Name the files of tests that are named after a module or one of its private siblings."""
    named = {f"tests/test_{name.lstrip('_')}.py" for name in SIBLINGS.get(module, ())}
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob(f"test_{module}*.py")}
    return tuple(sorted(found | {name for name in named if (ROOT / name).is_file()}))


def prepare(module: str, place: Path) -> None:
    """Write a tree in which only the files of a module are changed, and only its own tests run."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    table = {
        "source_paths": ["src"],
        "only_mutate": files(module),
        "also_copy": [name for name in COPIED if name not in ("src", "tests", "pyproject.toml")],
        "pytest_add_cli_args": ["-m", "not slow and not house", "--hypothesis-profile=mutants"],
        "pytest_add_cli_args_test_selection": own_tests(module),
    }
    with (place / "pyproject.toml").open("a", encoding="utf-8") as file:
        # A list of strings is written alike in JSON and in TOML.
        file.write("\n[tool.mutmut]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items()))


def main(module: str) -> None:
    """Run the mutants of one module and print the summary."""
    mutmut = str(Path(sys.executable).parent / "mutmut")
    place = ROOT / "build" / "mutants" / module
    prepare(module, place)
    if subprocess.run([mutmut, "run"], cwd=place, check=False).returncode:
        print("mutmut could not run the tests, see above: what follows says nothing about them")
    results = subprocess.run([mutmut, "results", "--all", "true"], cwd=place, check=False, capture_output=True, text=True)
    statuses = parse(results.stdout)
    print(summary(statuses) if statuses else f"no mutant of {module} was tried\n{results.stderr}")
    print(f"see one: cd {place.relative_to(ROOT)} && {mutmut} show NAME")


if __name__ == "__main__":
    main(sys.argv[1])
