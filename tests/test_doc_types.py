"""The examples of README and docs are read as code, line for line, and a wrong one is caught."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools.doc_types import check, code_of, pages
from tools.project import ROOT

pytestmark = pytest.mark.house

PAGE = """\
# Points

```python
from datetime import UTC, datetime

from loyaltycore import Money, PointsAccount

now = datetime(2026, 7, 1, 10, tzinfo=UTC)
```

Earn, and look:

```python
>>> account = PointsAccount.open("m-42").earn(120, ref="order-1", expires_at=None, at=now).state
>>> for lot in account.ledger.lots.values():
...     print(lot.remaining)
120
>>> price = Money.of("12.90", "EUR")
```

```console
$ loyaltycore check program.toml
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page whose examples are right."""
    path = tmp_path / "points.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


class TestCode:
    def test_statements_keep_their_lines(self) -> None:
        """Prose and output become empty lines, prompts go, and each statement stays where it was."""
        found = {number: line for number, line in enumerate(code_of(PAGE).splitlines(), 1) if line}
        assert found == {
            4: "from datetime import UTC, datetime",
            6: "from loyaltycore import Money, PointsAccount",
            8: "now = datetime(2026, 7, 1, 10, tzinfo=UTC)",
            14: 'account = PointsAccount.open("m-42").earn(120, ref="order-1", expires_at=None, at=now).state',
            15: "for lot in account.ledger.lots.values():",
            16: "    print(lot.remaining)",
            18: 'price = Money.of("12.90", "EUR")',
        }

    def test_output_that_looks_like_a_prompt_is_no_code(self) -> None:
        """Three points go on with a statement only right below it."""
        text = "```python\n>>> print(text)\nfirst\n... and so on\n>>> if text:\n...     print()\n...\n```\n"
        assert code_of(text) == "\nprint(text)\n\n\nif text:\n    print()\n"

    def test_a_fence_in_a_list_is_taken_out_of_it(self) -> None:
        """What is indented with its fence is code at the margin."""
        assert code_of("- so:\n\n  ```python\n  if now:\n      print()\n  ```\n") == "\n\n\nif now:\n    print()\n"

    @pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
    def test_every_fence_of_a_page_is_read(self, path: Path) -> None:
        """Of each example at least one statement is found, and all of them together are Python."""
        text = path.read_text(encoding="utf-8")
        lines = code_of(text).splitlines()
        ast.parse("\n".join(lines))
        fences = [number for number, line in enumerate(text.splitlines()) if line.strip() == "```python"]
        assert [number for number in fences if not any(lines[number + 1 : number + 3])] == []


@pytest.mark.slow
class TestCheck:
    def test_right_examples_pass(self, page: Path) -> None:
        """Nothing is said of a page that holds."""
        assert check([page], page.parent / "modules") == []

    @pytest.mark.parametrize(
        "right,wrong,line,of",
        [
            ('"12.90", "EUR"', '12.90, "EUR"', 18, 'Argument 1 to "of" of "Money" has incompatible type "float"'),
            ("expires_at=None, ", "", 14, 'Missing named argument "expires_at"'),
            ("lot.remaining", "lot.remains", 16, '"Lot" has no attribute "remains"'),
            ("import Money,", "import Mony,", 6, 'Module "loyaltycore" has no attribute "Mony"'),
        ],
        ids=["argument", "missing", "attribute", "import"],
    )
    def test_a_wrong_example_is_named_with_its_page_and_line(
        self, page: Path, right: str, wrong: str, line: int, of: str
    ) -> None:
        """A planted fault is found where a reader would look for it."""
        assert PAGE.count(right) == 1
        page.write_text(PAGE.replace(right, wrong), encoding="utf-8")
        complaints = check([page], page.parent / "modules")
        assert any(text.startswith(f"points.md:{line}: error: {of}") for text in complaints), complaints

    def test_a_shop_function_without_types_is_named(self, page: Path) -> None:
        """The examples are held to what a strict shop holds its own code to."""
        page.write_text(f"{PAGE}\n```python\ndef test_shop():\n    assert account\n```\n", encoding="utf-8")
        (complaint,) = [text for text in check([page], page.parent / "modules") if ": error: " in text]
        assert complaint.startswith("points.md:26: error: Function is missing a return type annotation")
