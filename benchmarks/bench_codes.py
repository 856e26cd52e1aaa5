"""What codes cost: to make by the thousand, to read one, and to stream by the million.

Twelve symbols of an alphabet of 32, beside voucher-code-generator, nanoid and sqids in processes of their own. What theirs do is
not the same: voucher-code-generator draws with a generator whose next numbers can be told from the last, and knows only within
one call that no code comes twice; nanoid draws well and leaves it to the shop to store every code and to look for doubles; sqids
spells numbers that anybody can count up. Ours proves itself when it is read, with nothing stored.

The floor is the hash calls alone, fed with bytes that are ready: no way of spelling codes from hashes can be quicker.
"""

from __future__ import annotations

import resource
import secrets
import sqlite3
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path

from benchmarks._harness import Elsewhere, Pair, bench
from benchmarks._peers import Peer, Process
from loyaltycore._alphabets import CROCKFORD
from loyaltycore._code_book import CodeBook, SpaceBlocks
from loyaltycore._code_space import CodeSpace, CodeVerdict, SecretKey
from loyaltycore.identity import fold_code

AT = datetime(2026, 7, 1, 10, tzinfo=UTC)
SYMBOLS = 12
COUNT = 10_000
LARGE = 1_000_000
FEW, MANY = 100_000, 10_000_000
GROWTH_LIMIT_KIB = 1_024
"""What the memory of a process may differ by, a hundred times as many codes later."""

STATUS = Path("/proc/self/status")

SPACE = CodeSpace(SecretKey("2026a", bytes(range(32))), pattern="#" * SYMBOLS, context="shop-1")

PEERS = Peer(
    name="codes",
    runs_on="node",
    packages=("voucher-code-generator@1.3.0", "nanoid@6.0.2", "sqids@0.3.0"),
    script=Path(__file__).parent / "peers" / "codes.mjs",
)


def batch() -> list[str]:
    """Make the codes of one batch."""
    return list(SPACE.codes(range(COUNT)))


@cache
def at_work(library: str) -> Process:
    """Start a process for each library: what is timed of one does not change the other."""
    process = PEERS.start()
    case = {"library": library, "alphabet": CROCKFORD, "length": SYMBOLS, "count": COUNT}
    assert process.prepare(case).total == COUNT
    return process


def beside(library: str) -> Pair:
    """Prepare a batch on both sides, which must make as many different codes."""
    assert len(set(batch())) == COUNT
    return Pair(batch, Elsewhere(at_work(library).seconds), items=COUNT)


for name, library, said in (
    ("codes.batch", "vouchers", "voucher-code-generator 1.3.0, which can be predicted"),
    ("codes.batch.nanoid", "nanoid", "nanoid 6.0.2, whose codes must be stored"),
    ("codes.batch.sqids", "sqids", "sqids 0.3.0, which keeps nothing secret"),
):
    bench(name, unit="µs", against=said, peers=(PEERS,))(partial(beside, library))


@bench("codes.batch.secrets", unit="µs", against="secrets.choice for each symbol")
def drawn() -> Pair:
    """Make a batch, beside drawing each symbol."""
    return Pair(batch, lambda: ["".join([secrets.choice(CROCKFORD) for _ in range(SYMBOLS)]) for _ in range(COUNT)], items=COUNT)


@bench("codes.batch.floor", unit="µs", against="the hash calls of the batch alone")
def floor() -> Pair:
    """Make a batch, beside the hash calls that it needs."""
    tag, mask = blake2b(key=bytes(32), person=b"tag"), blake2b(key=bytes(32), person=b"mask", digest_size=16)
    fours, tags = [number.to_bytes(8) for number in range(COUNT // 4)], [number.to_bytes(16) for number in range(COUNT)]

    def hashes() -> None:
        for copy, inputs in ((tag.copy, fours), (mask.copy, tags)):
            for data in inputs:
                state = copy()
                state.update(data)
                state.digest()

    return Pair(batch, hashes, items=COUNT)


@bench("codes.batch.avoid", unit="µs", against="the same without words to avoid")
def avoided() -> Pair:
    """Make a batch that avoids words."""
    words = ("shit", "fuck", "merde", "putain", "cul", "nazi", "hate", "porn", "anus", "tits")
    return Pair(lambda: deque(SPACE.codes(range(COUNT), avoid=words), maxlen=0), batch, items=COUNT)


def count_codes(start: int, stop: int) -> int:
    """Make the codes of a range, keep none and count them."""
    return sum(1 for _ in SPACE.codes(range(start, stop)))


@bench("codes.batch.two_processes", unit="µs", against="one process over both halves")
def two_processes() -> Pair:
    """Make a million codes in two processes over disjoint ranges."""
    pool = ProcessPoolExecutor(2)
    halves = ((0, LARGE // 2), (LARGE // 2, LARGE))

    def both() -> None:
        assert sum(pool.map(count_codes, *zip(*halves, strict=True))) == LARGE

    both()  # starts the processes
    assert set(SPACE.codes(range(*halves[0]))).isdisjoint(SPACE.codes(range(*halves[1])))
    return Pair(both, lambda: count_codes(0, LARGE), items=LARGE)


def peak_kib_here() -> int:
    """Give the most memory that this process held."""
    if STATUS.is_file():
        # What `getrusage` says is at least what the process held that started this one.
        return next(int(line.split()[1]) for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_kib(count: int) -> int:
    """Stream so many codes in a process of its own, and give the most memory it held."""
    done = subprocess.run([sys.executable, "-m", __name__, str(count)], check=True, capture_output=True, text=True)
    return int(done.stdout)


@bench("codes.stream", unit="µs", against="the same of ten million codes: as quick, in the same memory")
def stream() -> Pair:
    """Stream codes: memory must not grow with them."""
    few, many = peak_kib(FEW), peak_kib(MANY)
    print(f"codes.stream: {few:,} KiB for {FEW:,} codes, {many:,} KiB for {MANY:,}", file=sys.stderr)
    if many - few > GROWTH_LIMIT_KIB:
        msg = f"memory must not grow by more than {GROWTH_LIMIT_KIB} KiB, got {many - few}"
        raise AssertionError(msg)
    return Pair(lambda: count_codes(0, COUNT), lambda: count_codes(MANY - COUNT, MANY), items=COUNT)


def reading(text: str, verdict: CodeVerdict) -> Pair:
    """Read one code through a book with a block, beside folding it as ours does and looking for a stored one."""
    taken = SpaceBlocks.open(SPACE.space_id).take(
        COUNT,
        campaign_id="welcome",
        key_id=SPACE.key_id,
        check_value=SPACE.check_value,
        capacity=SPACE.capacity,
        ref="mail-july",
        at=AT,
    )
    book, blocks = CodeBook([SPACE]), {SPACE.space_id: taken.state}
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE codes (code TEXT PRIMARY KEY, serial INTEGER) WITHOUT ROWID")
    db.executemany("INSERT INTO codes VALUES (?, ?)", zip(batch(), range(COUNT), strict=True))
    assert book.read(text, at=AT, blocks=blocks).verdict is verdict

    def ours() -> object:
        return book.read(text, at=AT, blocks=blocks)

    return Pair(ours, lambda: db.execute("SELECT serial FROM codes WHERE code = ?", (fold_code(text),)).fetchone())


def forged() -> str:
    """Find a text that passes the check symbol and nothing else."""
    code = SPACE.code(7)
    found = (code[:10] + one + other for one in CROCKFORD for other in CROCKFORD)
    return next(text for text in found if SPACE.read(text).verdict is CodeVerdict.FORGED)


READ: Callable[..., Callable[[Callable[[], Pair]], Callable[[], Pair]]] = partial(
    bench, unit="µs", against="fold_code and a look-up in SQLite, in memory, of 10,000 codes"
)
READ("codes.read.genuine")(lambda: reading(SPACE.code(7), CodeVerdict.GENUINE))
READ("codes.read.forged")(lambda: reading(forged(), CodeVerdict.FORGED))


if __name__ == "__main__":
    count_codes(0, int(sys.argv[1]))
    print(peak_kib_here())
