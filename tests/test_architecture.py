"""The rules of the house, checked on its own sources."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from loyaltycore.errors import Reason
from tools.project import ROOT

pytestmark = pytest.mark.house

PACKAGE = ROOT / "src" / "loyaltycore"
FUNCTION_LINES = 70
MODULE_LINES = 800
HEAVY = frozenset({"asyncio", "babel", "hypothesis", "rich", "segno", "sqlalchemy", "sqlite3"})

# Working copies that change while facts are folded or a history is read; none is handed to a user.
WORKERS = frozenset(
    {
        "loyaltycore._balancing.Balancing",
        "loyaltycore._columns._Invoice",
        "loyaltycore._history.Tally",
        "loyaltycore._ledger_fold.Fold",
        "loyaltycore.replay._Sums",
    }
)

# What may touch the world: the floors above `services`; `program`, which loads a file at start-up; and `_chance`, the one place
# that draws at random.
IMPURE = re.compile(
    r"loyaltycore\.(__main__|cli|_cli_cards|_cli_codes|_cli_member|testing|store|replay|_columns|_history|_notes|program|_chance)\b"
)

FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    """Name the module of a source file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [module_name(path) for path in FILES]
PUBLIC = [name for name in MODULES if not any(part.startswith("_") for part in name.split("."))]
# A package whose parts are the modules holds nothing of its own to test or to describe.
DOCUMENTED = [name for name in PUBLIC if name != "loyaltycore" and not any(m.startswith(f"{name}.") for m in PUBLIC)]


def attrs_classes() -> Iterator[type[attrs.AttrsInstance]]:
    """Give every attrs class of the package, where it is defined."""
    for name in MODULES:
        if name.endswith("__main__"):
            continue
        for member in vars(importlib.import_module(name)).values():
            if inspect.isclass(member) and member.__module__ == name and attrs.has(member):
                yield member


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Give every function of a file, methods and inner ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def contracts() -> list[dict[str, Any]]:
    """Read what import-linter is told."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


def behind_subject(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """Give the positional parameters behind the first, which is what a function is about."""
    named = [argument for argument in [*node.args.posonlyargs, *node.args.args] if argument.arg not in {"self", "cls"}]
    return named[1:]


def title(value: Any) -> str:  # noqa: ANN401  # pytest hands in whatever is a parameter
    """Name a parameter in a test id."""
    return value.relative_to(PACKAGE).as_posix() if isinstance(value, Path) else getattr(value, "__name__", str(value))


class TestClasses:
    @pytest.mark.parametrize("cls", list(attrs_classes()), ids=title)
    def test_values_are_frozen_slotted_and_final(self, cls: type[attrs.AttrsInstance]) -> None:
        """A value object cannot change and carries no dictionary; only what others are built on is inherited from."""
        assert "__dict__" not in dir(cls)
        if f"{cls.__module__}.{cls.__qualname__}" not in WORKERS:
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                cls.__new__(cls).anything = 1  # type: ignore[attr-defined]  # that it cannot be set is the point
        is_base = any(cls in other.__mro__[1:] for other in attrs_classes())
        assert is_base or getattr(cls, "__final__", False), f"{cls.__qualname__} lacks @final"


class TestModules:
    @pytest.mark.parametrize("path", FILES, ids=title)
    def test_modules_are_short(self, path: Path) -> None:
        """A module that grew too long splits into a private sibling."""
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES

    @pytest.mark.parametrize("path", FILES, ids=title)
    def test_functions_are_short(self, path: Path) -> None:
        """A function fits on a screen."""
        too_long = {
            f"{path.name}:{node.lineno} {node.name}"
            for node in functions(path)
            if node.end_lineno is not None and node.end_lineno - node.lineno >= FUNCTION_LINES
        }
        assert not too_long

    @pytest.mark.parametrize("path", FILES, ids=title)
    def test_no_boolean_flags_by_position(self, path: Path) -> None:
        """A call with a bare True behind its subject says nothing to its reader."""
        flags = {
            f"{path.name}:{node.lineno} {node.name}({argument.arg})"
            for node in functions(path)
            for argument in behind_subject(node)
            if not argument.arg.startswith("_")  # a name that the standard library prescribes
            and argument.annotation is not None
            and ast.unparse(argument.annotation).split(" | ")[0] == "bool"
        }
        assert not flags

    @pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
    def test_all_is_sorted_and_true(self, name: str) -> None:
        """`__all__` names what is there: constants, then classes, then functions, each by the alphabet."""
        module = importlib.import_module(name)
        names = list(module.__all__)
        kinds = [(not n.isupper(), not n[0].isupper(), n) for n in names]
        assert kinds == sorted(kinds)
        assert [n for n in names if not hasattr(module, n)] == []

    @pytest.mark.parametrize("name", DOCUMENTED)
    def test_public_module_has_tests(self, name: str) -> None:
        """`points` is tested by tests/test_points.py, `store.sqlite` by tests/test_store_sqlite.py or test_store.py."""
        words = name.split(".")[1:]
        files = {f"test_{'_'.join(words)}.py", f"test_{words[0]}.py"}
        assert any((ROOT / "tests" / file).is_file() for file in files), f"none of {sorted(files)} is there"

    @pytest.mark.parametrize("name", DOCUMENTED)
    def test_public_module_has_a_reference_page(self, name: str) -> None:
        """Every public module is described."""
        page = ROOT / "docs" / "reference" / f"{name.partition('.')[2]}.md"
        assert f"automodule:: {name}\n" in page.read_text(encoding="utf-8")


class TestReasons:
    def test_reasons_are_documented(self) -> None:
        """docs/reasons.md explains exactly the reasons there are."""
        page = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")
        explained = re.findall(r"^#+ `([a-z_]+)`", page, re.MULTILINE)
        assert sorted(explained) == sorted(reason.value for reason in Reason)


class TestImports:
    def test_import_is_light(self) -> None:
        """`import loyaltycore` loads no database, no event loop and no extra."""
        code = "import loyaltycore, sys; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
        assert "loyaltycore" in loaded
        assert not HEAVY & set(loaded)

    def test_every_pure_module_stands_in_the_contract(self) -> None:
        """A new module of a pure floor is not forgotten by import-linter."""
        pure = {name for name in MODULES if name != "loyaltycore" and not IMPURE.match(name)}
        listed = next(contract for contract in contracts() if contract["name"].startswith("The pure floors"))
        assert set(listed["source_modules"]) == pure

    def test_built_modules_have_lost_their_parentheses(self) -> None:
        """In the floors, parentheses mark what is not built: nothing that is."""
        waiting = set(re.findall(r"\((\w+)\)", " ".join(contracts()[0]["layers"])))
        assert not waiting & {name.split(".")[1] for name in MODULES if name != "loyaltycore"}
