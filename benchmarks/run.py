"""Run the comparisons, print a table, write build/bench.json: ``python -m benchmarks.run [PART OF A NAME…]``.

A comparison lives in ``benchmarks/bench_<subject>.py`` and is registered by `benchmarks._harness.bench`. One that
needs libraries of others is left out, aloud, unless they are in build/peers: ``--peers`` installs them there.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys

import attrs

from benchmarks._harness import REGISTRY, Benchmark, Result, measure
from tools.project import ROOT

__all__ = ["chosen", "main", "ready", "row"]


def chosen(parts: list[str]) -> list[Benchmark]:
    """Give the registered comparisons whose name holds one of the parts; no part means all."""
    return [REGISTRY[name] for name in sorted(REGISTRY) if not parts or any(part in name for part in parts)]


def ready(benchmark: Benchmark, *, install: bool) -> bool:
    """Say whether the libraries a comparison needs are there, after installing them when told to."""
    lacks: list[str] = []
    for peer in benchmark.peers:
        if install:
            peer.install()
        if (lack := peer.lacks()) is not None:
            lacks.append(lack)
    if lacks:
        print(f"left out: {benchmark.name} (needs {', '.join(lacks)})", file=sys.stderr)
    return not lacks


def row(result: Result) -> str:
    """Write one result as a line of the table."""
    return f"{result.name:<44} {result.value:>12.3f} {result.unit:<3} {result.ratio:>9.2f} ×  {result.against}"


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for; return 2 when nothing goes by that name."""
    parser = argparse.ArgumentParser(description="Compare what the library costs with code that does without.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part of a comparison's name")
    parser.add_argument("--peers", action="store_true", help="install the libraries of others that some comparisons need")
    asked = parser.parse_args(arguments)
    for path in sorted((ROOT / "benchmarks").glob("bench_*.py")):
        importlib.import_module(f"benchmarks.{path.stem}")
    benchmarks = chosen(asked.names)
    if not benchmarks:
        print(f"no comparison is named like {', '.join(asked.names) or 'anything'}", file=sys.stderr)
        return 2
    measured = [benchmark for benchmark in benchmarks if ready(benchmark, install=asked.peers)]
    print(f"{'name':<44} {'value':>16} {'cheaper':>11}  against")
    results = []
    for benchmark in measured:
        results.append(measure(benchmark))
        print(row(results[-1]), flush=True)
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    text = json.dumps([attrs.asdict(result) for result in results], ensure_ascii=False, indent=1)
    target.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
