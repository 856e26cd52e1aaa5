"""What the tests share: how Hypothesis searches, where the shared data is, and a throwaway PostgreSQL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import POSTGRES_ABSENT, Cluster, binaries, running
from tools.project import SHARED_ABSENT, shared_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL

# No deadline: two busy cores are slow without being wrong.
# Mutation testing runs tests from copies of their classes: that is no fault of a test.
SUPPRESSED = [HealthCheck.differing_executors]
settings.register_profile("dev", deadline=None, suppress_health_check=SUPPRESSED)
# The same examples on every run, and what to paste to see a failure again.
settings.register_profile(
    "ci", deadline=None, max_examples=100, derandomize=True, print_blob=True, suppress_health_check=SUPPRESSED
)
# Thousands of changed modules are tried: what fifteen examples do not see is a test too few.
settings.register_profile(
    "mutants", deadline=None, max_examples=15, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pass over what needs the shared data on a machine that has none; the summary counts it."""
    if shared_folder() is not None:
        return
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(pytest.mark.skip(reason=SHARED_ABSENT))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly how many tests were passed over for want of shared data or of PostgreSQL."""
    skipped = terminalreporter.stats.get("skipped", [])
    for absent in (SHARED_ABSENT, POSTGRES_ABSENT):
        count = sum(absent in str(report.longrepr) for report in skipped)
        if count:
            terminalreporter.write_line(f"WARNING: {absent}: {count} tests passed over", yellow=True, bold=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data; ask for it only in a test marked ``shared``."""
    folder = shared_folder()
    assert folder is not None, "a test that uses the shared data must be marked so: @pytest.mark.shared"
    return folder


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A PostgreSQL of our own, started once by each process of tests that asks for it."""
    programs = binaries()
    if programs is None:
        pytest.skip(POSTGRES_ABSENT)
    with running(programs) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres_database(postgres_cluster: Cluster) -> str:
    """The one database of a process of tests."""
    return postgres_cluster.database()


@pytest.fixture
def postgres(postgres_cluster: Cluster, postgres_database: str) -> URL:
    """An empty database, as SQLAlchemy asks for it."""
    postgres_cluster.empty(postgres_database)
    return postgres_cluster.url(postgres_database)
