"""The examples of README and docs, as a type checker sees them in the shop that copied them.

The fences of one page are joined into one module, with prompts and printed output taken away. A statement keeps its line number,
so that what mypy says names the line of the page.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from tools.project import ROOT

__all__ = ["CACHE", "FOLDER", "check", "code_of", "main", "pages"]

FOLDER = ROOT / "build" / "doc_types"
"""Where the modules are written."""

CACHE = ROOT / "build" / "doc_types_cache"
"""Apart from that of `make types`: the two run mypy with other settings, and would spoil each other's."""

SHELVES = ("guide", "fundamentals")
"""Pages whose code people copy. Pitfalls show wrong code on purpose."""

_FLAT = str.maketrans("/-", "__")
"""Of a page's path, to make a module's name of it."""

_FENCE = re.compile(r"^(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """List the pages, in order."""
    return [ROOT / "README.md", *sorted(page for shelf in SHELVES for page in (ROOT / "docs" / shelf).glob("*.md"))]


def code_of(text: str) -> str:
    """Take the code out of a page; each statement stands on the line it has in the page.

    Args:
        text: Of the page, in Markdown.
    """
    lines = [""] * len(text.splitlines())
    for fence in _FENCE.finditer(text):
        first = text.count("\n", 0, fence.start("code"))
        code = _statements(textwrap.dedent(fence["code"]).splitlines())
        lines[first : first + len(code)] = code
    return "\n".join(lines).rstrip() + "\n"


def _statements(lines: list[str]) -> list[str]:
    """Take prompts and printed output away, where there are prompts."""
    if not any(line.startswith(">>> ") for line in lines):
        return lines
    found, goes_on = [], False
    for line in lines:
        # Printed output may begin with three points too: they go on with a statement only right below one.
        goes_on = line.startswith(">>> ") or (goes_on and (line == "..." or line.startswith("... ")))
        found.append(line[4:] if goes_on else "")
    return found


def check(found: Sequence[Path], folder: Path) -> list[str]:
    """Check pages with ``mypy --strict`` and its plain settings, and give the complaints, each with its page and line.

    Args:
        found: The pages.
        folder: Where their modules are written; what it held is removed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pages_by_module = {folder / f"{_name(page).removesuffix('.md')}.py".translate(_FLAT): page for page in found}
    for module, page in pages_by_module.items():
        module.write_text(code_of(page.read_text(encoding="utf-8")), encoding="utf-8")
    # Plain settings, not the project's: the shop has its own. One by one: a page knows nothing of another.
    options = ["--strict", "--config-file=", "--no-error-summary", "--hide-error-context", "--no-color-output", "--no-pretty"]
    command = [sys.executable, "-m", "mypy", *options, f"--cache-dir={CACHE}", *map(str, pages_by_module)]
    env = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=env)
    said = done.stdout + done.stderr
    if done.returncode and not said:
        return [f"mypy ended with {done.returncode}"]
    for module, page in pages_by_module.items():
        said = said.replace(f"{module.name}:", f"{_name(page)}:")
    return said.splitlines() if done.returncode else []


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name


def main() -> int:
    """Check all pages; return 1 when one of them does not hold."""
    found = pages()
    complaints = check(found, FOLDER)
    print("\n".join(complaints) or f"{len(found)} pages: the examples type-check")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
