"""Each gate was seen to fail: one planted fault after another, and what catches it.

Every test copies the tree, looks that the gate does not yet complain of the fault, plants it, and looks again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import final

import attrs
import pytest

from tools.project import ROOT
from tools.wheel import build, install, verify_types

pytestmark = [pytest.mark.slow, pytest.mark.house]

BIN = Path(sys.executable).parent
FOLDERS = ("src", "tests", "tools", "docs", "examples", "benchmarks")
FILES = tuple(name for name in ("pyproject.toml", "conftest.py", "LICENSE", "README.md") if (ROOT / name).is_file())
CLOCK = "import datetime as dt\n\nPLANTED = dt.datetime.now(dt.UTC)\n"
LINT = (str(BIN / "ruff"), "check", "--no-cache", "--output-format", "concise", "src")
FLOORS = (str(BIN / "lint-imports"), "--no-cache", "--no-logo")
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


@final
@attrs.frozen
class Tree:
    """A copy of the project in which a fault can be planted."""

    root: Path

    def append(self, path: str, text: str) -> None:
        """Put text at the end of a file; make the file when there is none."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            out.write(text)

    def set(self, key: str, value: str) -> None:
        """Change one setting of pyproject.toml."""
        file = self.root / "pyproject.toml"
        text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", file.read_text(encoding="utf-8"))
        assert count == 1, f"{key} stands {count} times in pyproject.toml"
        file.write_text(text, encoding="utf-8")

    def run(self, command: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
        """Run a gate on this tree: its sources come before the installed ones."""
        # The installed library tells Hypothesis of its strategies; a small tree has no such module.
        own = {"PYTHONPATH": str(self.root / "src"), "COLUMNS": "400", "HYPOTHESIS_NO_PLUGINS": "1", **env}
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=self.root, env={**os.environ, **own})

    def complains(self, command: Sequence[str], of: str, **env: str) -> bool:
        """Say whether a gate fails and names the fault."""
        done = self.run(command, **env)
        return done.returncode != 0 and of in done.stdout + done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A copy of this tree, without what was built in it."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    return Tree(tmp_path)


@pytest.fixture
def seed(tmp_path: Path) -> Tree:
    """A tree with an empty package and no tests, for gates whose verdict on the whole would take long."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "conftest.py", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    tree = Tree(tmp_path)
    tree.append("src/loyaltycore/__init__.py", '"""A package with nothing in it."""\n')
    tree.append("src/loyaltycore/py.typed", "")
    tree.append("README.md", "# A package with nothing in it\n")
    tree.append("tests/test_nothing.py", '"""A test."""\n\n\ndef test_nothing() -> None:\n    """Nothing fails."""\n')
    return tree


def caught(tree: Tree, command: Sequence[str], path: str, fault: str, of: str) -> None:
    """Plant a fault and see that the gate names it, and did not before."""
    assert not tree.complains(command, of)
    tree.append(path, fault)
    done = tree.run(command)
    assert done.returncode != 0
    assert of in done.stdout + done.stderr


class TestLint:
    @pytest.mark.parametrize(
        "fault,of",
        [
            (CLOCK, "TID251 `datetime.datetime.now` is banned"),
            ("from datetime import date as d\n\nPLANTED = d.today()\n", "TID251 `datetime.date.today` is banned"),
            ("from time import monotonic as m\n\nPLANTED = m()\n", "TID251 `time` is banned"),
            ("import random\n", "TID251 `random` is banned"),
            ("from secrets import token_bytes\n", "TID251 `secrets` is banned"),
            ("import os\n\nPLANTED = os.environ\n", "TID251 `os` is banned"),
            ("def planted(path: str) -> object:\n    return open(path)\n", "PTH123"),
            ("from datetime import datetime as d\n\nPLANTED = d(2026, 7, 1)\n", "DTZ001"),
            ("def planted() -> None:\n    pass\n", "D103 Missing docstring in public function"),
            ("def planted(flag: bool) -> None:\n    '''Plant.'''\n", "FBT001"),
            ("__all__ = ['b', 'a']\n", "RUF022"),
        ],
        ids=["clock", "today", "time", "random", "secrets", "environ", "open", "naive", "docstring", "flag", "all"],
    )
    def test_lint_catches(self, tree: Tree, fault: str, of: str) -> None:
        """Ruff names a banned call under any alias, and what breaks the style, in a pure floor."""
        tree.append("src/loyaltycore/planted.py", f"\n{fault}")
        assert re.search(rf"planted\.py:\d+:\d+: {re.escape(of)}", tree.run(LINT).stdout)

    @pytest.mark.parametrize("module", ["points", "program"])
    def test_clock_is_caught_where_it_would_cost_most(self, tree: Tree, module: str) -> None:
        """No allowance of a module opens the clock to it."""
        banned = re.compile(rf"{module}\.py:\d+:\d+: TID251 `datetime\.datetime\.now` is banned")
        assert not banned.search(tree.run(LINT).stdout)
        tree.append(f"src/loyaltycore/{module}.py", f"\n{CLOCK}")
        assert banned.search(tree.run(LINT).stdout)

    def test_format_catches(self, tree: Tree) -> None:
        """Code in another layout than the house's is named."""
        check = (str(BIN / "ruff"), "format", "--no-cache", "--check", "src")
        caught(tree, check, "src/loyaltycore/planted.py", "PLANTED = { 'a':1 }\n", "planted.py")


class TestFloors:
    @pytest.mark.parametrize(
        "module,fault,of",
        [
            ("errors", "import loyaltycore.quantities\n", "errors is not allowed to import loyaltycore.quantities"),
            ("identity", "import loyaltycore.quantities\n", "identity is not allowed to import loyaltycore.quantities"),
            (
                "errors",
                "def planted() -> None:\n    from loyaltycore.wire import digest\n",
                "errors is not allowed to import loyaltycore.wire",
            ),
            (
                "errors",
                "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import loyaltycore.facts\n",
                "errors is not allowed to import loyaltycore.facts",
            ),
            ("_planted", '"""A sibling nobody placed."""\n', "_planted"),
        ],
        ids=["upward", "sibling", "in-function", "type-checking", "unplaced"],
    )
    def test_floors_catch(self, tree: Tree, module: str, fault: str, of: str) -> None:
        """A floor that imports a higher one, or its neighbour, or stands nowhere, is named."""
        caught(tree, FLOORS, f"src/loyaltycore/{module}.py", f"\n{fault}", of)

    @pytest.mark.parametrize("number", range(1, 8), ids=["pure", "program", "cli", "sqlalchemy", "locale", "testing", "qr"])
    def test_forbidden_imports_are_caught(self, tree: Tree, number: int) -> None:
        """Each name on the lists of the forbidden is caught: a misspelt one would pass without a word."""
        contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        rule = contract["tool"]["importlinter"]["contracts"][number]
        victim = rule["source_modules"][0]
        assert not tree.complains(FLOORS, f"{victim} is not allowed")
        path = f"src/{victim.replace('.', '/')}.py"
        tree.append(path, "".join(f"\nimport {name}" for name in rule["forbidden_modules"]))
        done = tree.run(FLOORS)
        assert done.returncode == 1
        flat = " ".join(done.stdout.split())
        missed = {n for n in rule["forbidden_modules"] if f"{victim} is not allowed to import {n}:" not in flat}
        assert not missed


class TestTypes:
    def test_mypy_catches(self, seed: Tree) -> None:
        """A wrong type, and a statement nothing reaches, are named."""
        mypy = (str(BIN / "mypy"), "--cache-dir", str(ROOT / ".mypy_cache"), "src")
        fault = "def planted(number: int) -> str:\n    if isinstance(number, int):\n        return number\n    return 'never'\n"
        caught(seed, mypy, "src/loyaltycore/planted.py", fault, "[return-value]")
        assert seed.complains(mypy, "[unreachable]")

    def test_verify_types_catches(self, seed: Tree) -> None:
        """A public function without types, seen in the installed wheel, is named."""
        seed.append("src/loyaltycore/planted.py", "def planted(number):\n    return number\n")
        python = install(build(seed.root, seed.root / "dist"), seed.root / "environment")
        done = verify_types(python)
        assert done.returncode == 1
        assert "loyaltycore.planted.planted" in done.stdout


class TestExamples:
    @pytest.mark.parametrize(
        "path,fault,of",
        [
            ("docs/planted.md", "# P\n\n```python\n>>> 1 + 1\n3\n```\n", "planted.md"),
            ("docs/planted.md", "# P\n\n```python\nassert 1 + 1 == 3\n```\n", "planted.md"),
            ("src/loyaltycore/planted.py", '"""Plant.\n\n>>> 1 + 1\n3\n"""\n', "planted.py"),
        ],
        ids=["prompt", "fence", "docstring"],
    )
    def test_wrong_example_is_caught(self, seed: Tree, path: str, fault: str, of: str) -> None:
        """An example with a wrong answer fails where it stands."""
        caught(seed, (*PYTEST, "src", "tests", *(["docs"] if path.startswith("docs") else [])), path, fault, of)

    @pytest.mark.parametrize("kind", ["pycon", "py", "{code-block} python"])
    def test_fence_that_would_not_run_is_caught(self, seed: Tree, kind: str) -> None:
        """A fence that only looks like an example is refused."""
        shutil.copy(ROOT / "tests" / "test_docs.py", seed.root / "tests")
        fault = f"# P\n\n```{kind}\n>>> 1 + 1\n3\n```\n"
        caught(seed, (*PYTEST, "tests", "-k", "fences"), "docs/planted.md", fault, "test_fences_are_of_known_kinds")

    def test_lost_examples_are_caught(self, seed: Tree) -> None:
        """Fewer examples than there were fail."""
        shutil.copy(ROOT / "tests" / "test_docs.py", seed.root / "tests")
        command = (*PYTEST, "tests", "-k", "fewer")
        seed.set("examples_at_least", "0")
        assert seed.run(command).returncode == 0
        seed.set("examples_at_least", "1")
        assert seed.complains(command, "test_examples_do_not_get_fewer")


class TestLaws:
    def test_finished_law_without_test_is_caught(self, seed: Tree) -> None:
        """A law listed as finished needs a test that carries it; the test is printed."""
        command = (sys.executable, "-m", "tools.laws")
        seed.set("laws_finished", "[47]")
        assert seed.complains(command, "law 47 has no test")
        test = "\nimport pytest\n\n\n@pytest.mark.law(47)\ndef test_guest() -> None:\n    assert True\n"
        seed.append("tests/test_guest.py", test)
        done = seed.run(command)
        assert done.returncode == 0
        assert done.stdout == "law 47: tests/test_guest.py::test_guest\n"

    def test_law_on_a_test_that_never_runs_is_caught(self, seed: Tree) -> None:
        """A skipped test carries nothing."""
        seed.set("laws_finished", "[47]")
        test = "import pytest\n\n\n@pytest.mark.law(47)\n@pytest.mark.skip\ndef test_guest() -> None:\n    assert True\n"
        seed.append("tests/test_guest.py", test)
        assert seed.complains((sys.executable, "-m", "tools.laws"), "law 47 has no test")

    @pytest.mark.parametrize("number", ["99", "'14'", "True"])
    def test_unknown_law_is_caught(self, seed: Tree, number: str) -> None:
        """A number that is no law's is refused."""
        test = f"import pytest\n\n\n@pytest.mark.law({number})\ndef test_guest() -> None:\n    assert True\n"
        seed.set("laws_finished", "[]")
        caught(seed, (sys.executable, "-m", "tools.laws"), "tests/test_guest.py", test, "law must be in [1, 48]")

    def test_misspelt_marker_is_caught(self, seed: Tree) -> None:
        """A marker nobody declared would carry no law."""
        test = "import pytest\n\n\n@pytest.mark.lwa(14)\ndef test_guest() -> None:\n    assert True\n"
        caught(seed, (*PYTEST, "tests"), "tests/test_guest.py", test, "'lwa' not found in `markers`")


class TestCases:
    def test_another_answer_is_caught(self, seed: Tree) -> None:
        """A case whose answer differs fails the comparison and is named."""
        shutil.copytree(ROOT / "tests" / "cases", seed.root / "tests" / "cases")
        (seed.root / "tests" / "cases" / "points.py").unlink(missing_ok=True)
        seed.append("tests/__init__.py", "")
        seed.append("shared/cases/points.json", json.dumps({"ledger": [{"id": "planted", "expect": 1}]}))
        command = (sys.executable, "-m", "tools.cases", "points")
        shared = str(seed.root / "shared")
        done = seed.run(command, LOYALTYCORE_SHARED=shared)
        assert done.returncode == 0
        assert "not expressible  no expression yet" in done.stdout
        seed.append("tests/cases/points.py", "def _no(case):\n    assert case['expect'] == 2\n\n\nCASES = {'planted': _no}\n")
        assert seed.complains(command, "differs", LOYALTYCORE_SHARED=shared)

    def test_absence_of_shared_data_is_said(self, tree: Tree) -> None:
        """Without the shared folder the tests that need it are counted aloud."""
        done = tree.run((*PYTEST, "tests/test_cases.py"), LOYALTYCORE_SHARED=str(tree.root / "nowhere"))
        assert done.returncode == 0
        assert re.search(r"WARNING: shared data absent: \d+ tests passed over", done.stdout)


class TestCoverage:
    def test_untaken_branch_is_caught(self, seed: Tree) -> None:
        """A branch that no test takes is named with its line."""
        seed.set("fail_under", "100")
        (seed.root / "build").mkdir()
        run = (*PYTEST, "tests", "--cov", "--cov-report=", "--cov-fail-under=0")
        report = (sys.executable, "-m", "coverage", "report")
        code = "def planted(number: int) -> int:\n    if number:\n        number += 1\n    return number\n"
        test = "from loyaltycore.planted import planted\n\n\ndef test_planted() -> None:\n    assert planted(1) == 2\n"
        seed.append("src/loyaltycore/planted.py", code)
        seed.append("tests/test_planted.py", test)
        assert seed.run(run).returncode == 0
        assert seed.complains(report, "2->4")
        seed.append("tests/test_planted.py", "    assert planted(0) == 0\n")
        assert seed.run(run).returncode == 0
        assert seed.run(report).returncode == 0


class TestDocs:
    def test_dead_link_is_caught(self, seed: Tree) -> None:
        """A link to a page that is not there stops the build."""
        (seed.root / "docs").mkdir()
        shutil.copy(ROOT / "docs" / "conf.py", seed.root / "docs")
        seed.append("docs/index.md", "# Title\n\nText.\n")
        command = (sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-b", "html", "docs", "build/html")
        assert seed.run(command).returncode == 0
        caught(seed, command, "docs/index.md", "\n[planted](nowhere.md)\n", "nowhere.md")

    def test_unknown_name_is_caught(self, seed: Tree) -> None:
        """A name in a docstring that leads nowhere stops the build."""
        (seed.root / "docs").mkdir()
        shutil.copy(ROOT / "docs" / "conf.py", seed.root / "docs")
        seed.append("docs/index.md", "# Title\n\n```{eval-rst}\n.. automodule:: loyaltycore.planted\n```\n")
        command = (sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-E", "-b", "html", "docs", "build/html")
        seed.append("src/loyaltycore/planted.py", '"""Plant a name."""\n')
        text = 'def planted() -> None:\n    """See :func:`loyaltycore.nowhere`."""\n'
        caught(seed, command, "src/loyaltycore/planted.py", text, "loyaltycore.nowhere")


class TestWheel:
    @pytest.mark.parametrize("lost", ["src/loyaltycore/py.typed", "LICENSE"])
    def test_lost_file_is_caught(self, tree: Tree, lost: str) -> None:
        """A wheel without py.typed tells no types to anyone."""
        command = (*PYTEST, "tests/test_wheel.py", "-k", "test_nothing_but_the_package")
        assert tree.run(command).returncode == 0
        (tree.root / lost).unlink()
        if lost == "LICENSE":
            tree.set("license-files", "[]")
        assert tree.complains(command, "test_nothing_but_the_package")

    def test_third_dependency_is_caught(self, tree: Tree) -> None:
        """The base asks for two packages; a third is named."""
        command = (*PYTEST, "tests/test_wheel.py", "-k", "test_base_asks_for_two_packages")
        tree.set("dependencies", '["attrs", "python-dateutil>=4", "planted"]')
        assert tree.complains(command, "planted")


class TestHouseRules:
    LOOSE = (
        '"""Plant what the house does not want."""\n\nimport attrs\n\n__all__ = ["Loose"]\n\n\n'
        "@attrs.define\nclass Loose:\n    x: int\n\n\n"
        "def flagged(value: int, flag: bool) -> int:\n    return value if flag else 0\n\n\n"
        "def long() -> None:\n" + "    print()\n" * 70
    )

    def test_house_rules_catch(self, tree: Tree) -> None:
        """A value that can change, a long function, a flag, a module without tests and page: each is named."""
        command = (*PYTEST, "tests/test_architecture.py", "-k", "planted or Loose")
        assert tree.run(command).returncode == pytest.ExitCode.NO_TESTS_COLLECTED
        tree.append("src/loyaltycore/planted.py", self.LOOSE)
        done = tree.run(command)
        rules = [
            "test_values_are_frozen_slotted_and_final[Loose]",
            "test_functions_are_short[planted.py]",
            "test_no_boolean_flags_by_position[planted.py]",
            "test_public_module_has_tests[loyaltycore.planted]",
            "test_public_module_has_a_reference_page[loyaltycore.planted]",
        ]
        assert [rule for rule in rules if rule not in done.stdout] == []

    @pytest.mark.parametrize(
        "path,fault,of",
        [
            ("src/loyaltycore/__init__.py", "import sqlite3\n", "test_import_is_light"),
            ("docs/reasons.md", "\n## `planted_reason`\n", "test_reasons_are_documented"),
            ("src/loyaltycore/_planted.py", "__all__ = []\n", "test_every_pure_module_stands_in_the_contract"),
            ("src/loyaltycore/planted.py", "#\n" * 801, "test_modules_are_short[planted.py]"),
        ],
        ids=["heavy", "reason", "contract", "long"],
    )
    def test_rule_of_the_whole_catches(self, tree: Tree, path: str, fault: str, of: str) -> None:
        """A heavy import, a reason that is none, a pure module without contract, a long module: each is named."""
        command = (*PYTEST, "tests/test_architecture.py", "-k", of.partition("[")[0])
        caught(tree, command, path, f"\n{fault}", of)
