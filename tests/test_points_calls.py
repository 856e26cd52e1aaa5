"""Tests of the calls on points of a service: what they do is tested through the service."""

import inspect

from loyaltycore._points_calls import PointsCalls
from loyaltycore.services import AsyncLoyalty, Loyalty
from tests.test_async_services import methods


class TestCalls:
    def test_each_is_a_call_of_the_service(self) -> None:
        """``Loyalty`` has them as they are, ``AsyncLoyalty`` awaits one of the same name and the same parameters."""
        own = [name for name in vars(PointsCalls) if not name.startswith("_")]
        assert len(own) == 12
        for name in own:
            assert methods(Loyalty)[name] is getattr(PointsCalls, name)
            awaited = inspect.signature(methods(AsyncLoyalty)[name]).parameters
            assert list(awaited) == list(inspect.signature(getattr(PointsCalls, name)).parameters)
