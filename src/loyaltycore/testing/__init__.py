"""What a shop proves its own side with: the conformance kit for repositories; it needs no test framework.

Two modules beside it need Hypothesis, which the extra ``testing`` brings: ``loyaltycore.testing.strategies`` draws baskets,
members and histories, and ``loyaltycore.testing.machines`` has ``PointsMachine`` and ``RepositoryPointsMachine``, which let
anything happen to points, over a repository of yours too, and check the laws after each step.

>>> from loyaltycore.store.memory import MemoryRepository
>>> check_repository(MemoryRepository)
"""

from __future__ import annotations

from loyaltycore.testing.conformance import (
    ConformanceError,
    Projection,
    check_async_repository,
    check_points_repository,
    check_repository,
    check_transactions,
)

__all__ = [
    "ConformanceError",
    "Projection",
    "check_async_repository",
    "check_points_repository",
    "check_repository",
    "check_transactions",
]
