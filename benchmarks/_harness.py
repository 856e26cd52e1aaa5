"""Measure ours and another way of doing the same, in turns, in one run.

A ratio survives a busy machine where seconds do not: both sides are timed in the same rounds, one after the other, and
each counts by its median.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import final

import attrs

from benchmarks._peers import Peer

__all__ = ["REGISTRY", "Benchmark", "Elsewhere", "Pair", "Result", "bench", "measure"]

ROUNDS = 11
"""Odd, so that the median is a round that happened; the sides change their order each round."""

ROUND_SECONDS = 0.02
"""A round lasts at least this long: the clock's own cost must not show."""

LOOPS_LIMIT = 1_000_000

SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


@final
@attrs.frozen
class Elsewhere:
    """What is done, and timed, in another process.

    Attributes:
        seconds: Does it so many times and gives the seconds that took.
    """

    seconds: Callable[[int], float]


@final
@attrs.frozen
class Pair:
    """Two ways to the same end.

    Attributes:
        ours: Does it once with the library.
        other: Does it once without.
        items: How many things one call does; the value is the time of one.
    """

    ours: Callable[[], object]
    other: Callable[[], object] | Elsewhere
    items: int = 1


@final
@attrs.frozen(kw_only=True)
class Benchmark:
    """A named comparison, prepared by its function only when it is asked for."""

    name: str
    unit: str
    against: str
    peers: tuple[Peer, ...]
    prepare: Callable[[], Pair]


@final
@attrs.frozen(kw_only=True)
class Result:
    """What was measured.

    Attributes:
        name: The comparison.
        value: What one costs with the library, in ``unit``.
        unit: s, ms, µs or ns.
        against: What the other way is.
        ratio: How many times cheaper ours is than the other; above 1 is better.
    """

    name: str
    value: float
    unit: str
    against: str
    ratio: float


REGISTRY: dict[str, Benchmark] = {}


def bench(
    name: str, *, unit: str, against: str, peers: tuple[Peer, ...] = ()
) -> Callable[[Callable[[], Pair]], Callable[[], Pair]]:
    """Register a comparison.

    Args:
        name: What is done, once, with its size: ``burn, 10,000 lots``.
        unit: The unit of its value: s, ms, µs or ns.
        against: What it is compared with.
        peers: The libraries of others that the other way needs; they are no part of development.
    """
    if unit not in SECONDS:
        msg = f"unit must be one of {', '.join(SECONDS)}, got {unit!r}"
        raise ValueError(msg)
    if name in REGISTRY:
        msg = f"name must be new, got {name!r} twice"
        raise ValueError(msg)

    def register(prepare: Callable[[], Pair]) -> Callable[[], Pair]:
        REGISTRY[name] = Benchmark(name=name, unit=unit, against=against, peers=peers, prepare=prepare)
        return prepare

    return register


def measure(benchmark: Benchmark, *, clock: Callable[[], float] = time.perf_counter) -> Result:
    """Time both sides in turns and compare their medians."""
    pair = benchmark.prepare()
    ours_loops, other_loops = (_loops(side, clock) for side in (pair.ours, pair.other))
    ours: list[float] = []
    other: list[float] = []
    for number in range(ROUNDS):
        turns = [(ours, pair.ours, ours_loops), (other, pair.other, other_loops)]
        for seconds, call, loops in turns if number % 2 else reversed(turns):
            seconds.append(_time(call, loops, clock) / loops / pair.items)
    cost = statistics.median(ours)
    return Result(
        name=benchmark.name,
        value=cost / SECONDS[benchmark.unit],
        unit=benchmark.unit,
        against=benchmark.against,
        ratio=statistics.median(other) / cost,
    )


def _loops(call: Callable[[], object] | Elsewhere, clock: Callable[[], float]) -> int:
    """Find how many calls fill a round; the first ones warm the caches."""
    loops = 1
    while (seconds := _time(call, loops, clock)) < ROUND_SECONDS and loops < LOOPS_LIMIT:
        loops *= 2 if seconds > ROUND_SECONDS / 10 else 10
    return loops


def _time(call: Callable[[], object] | Elsewhere, loops: int, clock: Callable[[], float]) -> float:
    """Time some calls without the garbage of the other side."""
    if isinstance(call, Elsewhere):
        return call.seconds(loops)
    gc.collect()
    gc.disable()
    try:
        start = clock()
        for _ in range(loops):
            call()
        return clock() - start
    finally:
        gc.enable()
