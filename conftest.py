"""What every run of the tests shares: the examples in README, docs and docstrings are tests too."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tools.doc_examples import DOCSTRINGS, MARKDOWN
from tools.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_collect_file = (MARKDOWN + DOCSTRINGS).pytest()


@pytest.fixture(scope="module")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the examples of one document a fresh working folder with the bicycle shop's files."""
    folder = tmp_path_factory.mktemp("example")
    for pattern in ("*.toml", "*.json"):
        for source in sorted((ROOT / "examples" / "velo").glob(pattern)):
            shutil.copy(source, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder
