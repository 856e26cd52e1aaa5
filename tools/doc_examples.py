"""The examples of README, docs and docstrings, as tests.

In Markdown every ```` ```python ```` fence runs, with or without prompts; in docstrings every ``>>>`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

from tools.project import ROOT

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DOCSTRINGS", "MARKDOWN", "documents", "examples_in"]

# Both run in a folder of their own that holds the bicycle shop's files; conftest.py makes it.
MARKDOWN = Sybil(
    [PythonCodeBlockParser()],
    patterns=["*.md"],
    path=str(ROOT),
    fixtures=["example_folder"],
    name="markdown",
)
DOCSTRINGS = Sybil(
    [DocTestParser()],
    patterns=["src/loyaltycore/*.py", "src/loyaltycore/*/*.py"],
    path=str(ROOT),
    fixtures=["example_folder"],
    name="docstrings",
)


def documents() -> list[Path]:
    """List the files that are searched for examples, in order."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    modules = (ROOT / "src" / "loyaltycore").rglob("*.py")
    return sorted(path for path in [*pages, *modules] if path.is_file())


def examples_in(path: Path) -> int:
    """Count the examples that a run of the tests would collect from one file."""
    sybil = DOCSTRINGS if path.suffix == ".py" else MARKDOWN
    return len(list(sybil.parse(path).examples()))
