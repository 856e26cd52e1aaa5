"""The documentation holds: enough examples, all of them run, every shelf filled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.doc_examples import documents, examples_in
from tools.project import ROOT, settings

pytestmark = pytest.mark.house

FENCE = re.compile(r"^ *(?:```+|~~~+) *(?P<info>[^`\s][^`]*?) *$", re.MULTILINE)

# `python` runs; the others are no Python, or are read by Sphinx. `pycon` and `py` would look run and are not.
FENCES = frozenset({"python", "console", "json", "mermaid", "sql", "text", "toml", "{eval-rst}", "{toctree}"})

PAGES = [path for path in documents() if path.suffix == ".md"]


def name_of(path: Path) -> str:
    """Name a file as a reader of the tree would."""
    return path.relative_to(ROOT).as_posix()


class TestExamples:
    def test_examples_do_not_get_fewer(self) -> None:
        """A parser that quietly skips a fence shows here."""
        found = {name_of(path): examples_in(path) for path in documents()}
        assert sum(found.values()) >= settings()["examples_at_least"], found

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_every_python_fence_is_an_example(self, page: Path) -> None:
        """What is shown as Python is run."""
        fences = [match["info"] for match in FENCE.finditer(page.read_text(encoding="utf-8"))]
        assert examples_in(page) >= fences.count("python")

    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_fences_are_of_known_kinds(self, page: Path) -> None:
        """A fence that looks like Python and is not run would rot."""
        fences = {match["info"] for match in FENCE.finditer(page.read_text(encoding="utf-8"))}
        unknown = {info for info in fences if info not in FENCES and not info.startswith(("{", "python "))}
        assert not unknown
        assert not {info for info in fences if info.startswith(("{code", "{doctest", "{sourcecode", "python "))}


class TestShelves:
    @pytest.mark.parametrize("shelf", ["fundamentals", "guide", "reference", "pitfalls"])
    def test_shelf_holds_pages(self, shelf: str) -> None:
        """A shelf is more than its title page."""
        assert [path for path in (ROOT / "docs" / shelf).glob("*.md") if path.name != "index.md"]
