"""What a shop proves its own side with: the conformance kit for repositories; it needs no test framework.

>>> from loyaltycore.store.memory import MemoryRepository
>>> check_repository(MemoryRepository)
"""

from __future__ import annotations

from loyaltycore.testing.conformance import ConformanceError, check_points_repository, check_repository

__all__ = ["ConformanceError", "check_points_repository", "check_repository"]
