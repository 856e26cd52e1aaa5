"""A repository in Django's database: each commit is a savepoint in the transaction that the shop has open, or its own.

Locks are taken in one order: the receipt, the streams by id, the counters by id. READ COMMITTED is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.db import OperationalError, transaction
from django.db.models import Q, Sum

from loyalty import models
from loyaltycore.codec import decode_fact, encode_fact
from loyaltycore.errors import ConflictError, DuplicateError, LimitReachedError, OutcomeUnknownError
from loyaltycore.facts import Append, Change, Claim, Command, Expect, Fact
from loyaltycore.identity import CounterId, Key, StreamId
from loyaltycore.repositories import STREAMS_PAGE, Claimed, Cursor, Due, Receipt, StoredStream

__all__ = ["DjangoRepository"]


class DjangoRepository:
    """Keeps facts in the tables of ``loyalty.models``."""

    def load(self, streams: Sequence[StreamId], /) -> Mapping[StreamId, StoredStream]:
        """Give streams as they are kept."""
        facts: dict[StreamId, list[Fact]] = {stream: [] for stream in streams}
        rows = models.Fact.objects.filter(stream__in=list(facts)).order_by("stream", "version")
        for stream, fact in rows.values_list("stream", "fact"):
            facts[stream].append(decode_fact(fact))
        return {stream: StoredStream(len(found), tuple(found)) for stream, found in facts.items()}

    def receipt(self, home: StreamId, key: Key, /) -> Receipt | None:
        """Give what a command did."""
        kept = models.Receipt.objects.filter(home=home, key=key).first()
        if kept is None:
            return None
        facts = {}
        for stream, *versions in kept.appended:
            rows = models.Fact.objects.filter(stream=stream, version__range=versions).order_by("version")
            facts[StreamId(stream)] = tuple(decode_fact(fact) for fact in rows.values_list("fact", flat=True))
        command = Command(home=home, key=key, fingerprint=kept.fingerprint, actor=kept.actor)
        return Receipt(command=command, facts=facts)

    def commit(self, command: Command, changes: Sequence[Change], /) -> None:
        """Keep changes, all or nothing."""
        self.commit_then(command, changes, lambda _: None)

    def commit_then(self, command: Command, changes: Sequence[Change], then: Callable[[None], None], /) -> None:
        """Keep changes and what the shop does beside; ``then`` is given nothing, it writes through its own models."""
        with _told_as_loyalty_errors(), transaction.atomic():
            appends = [change for change in changes if isinstance(change, Append)]
            appended = [(one.stream, one.expected_version + 1, one.expected_version + len(one.facts)) for one in appends]
            kept = {"actor": command.actor, "fingerprint": dict(command.fingerprint), "appended": appended}
            if not models.Receipt.objects.get_or_create(home=command.home, key=command.key, defaults=kept)[1]:
                raise DuplicateError(command.key)
            _write_streams([change for change in changes if not isinstance(change, Claim)])
            _write_claims([change for change in changes if isinstance(change, Claim)])
            then(None)

    def claimed(self, counters: Sequence[CounterId], /, *, key: Key, at: datetime) -> Mapping[CounterId, Claimed]:
        """Give what is held of counters."""
        live = models.Claim.objects.filter(_live(at), counter__in=list(counters)).values("counter")
        held = live.annotate(total=Sum("amount"), mine=Sum("amount", filter=Q(key=key), default=0))
        found = {row["counter"]: Claimed(total=row["total"], mine=row["mine"]) for row in held}
        return {counter: found.get(counter, Claimed(total=0, mine=0)) for counter in counters}

    def due(self, *, before: datetime, after: Cursor | None, limit: int) -> Sequence[Due]:
        """List streams that time brings something for."""
        rows = models.Stream.objects.filter(due_at__lt=before).order_by("due_at", "stream")
        if after is not None:
            due_at, _, stream = after.partition(" ")
            rows = rows.filter(Q(due_at__gt=due_at) | Q(due_at=due_at, stream__gt=stream))
        found = rows.values_list("stream", "due_at")[:limit]
        return [Due(stream=StreamId(stream), due_at=at, cursor=Cursor(f"{at.isoformat()} {stream}")) for stream, at in found]

    def streams(self, kind: str, /, *, after: StreamId | None = None, limit: int = STREAMS_PAGE) -> Sequence[StreamId]:
        """List the streams of a kind in order of their ids."""
        # "0" is the character after the slash: everything of the kind sorts below it.
        rows = models.Stream.objects.filter(stream__gt=after or f"{kind}/", stream__lt=f"{kind}0", version__gt=0)
        return [StreamId(stream) for stream in rows.order_by("stream").values_list("stream", flat=True)[:limit]]

    def in_transaction(self) -> bool:
        """Say whether the shop has a transaction open."""
        return bool(transaction.get_connection().in_atomic_block)


def _write_streams(changes: list[Append | Expect]) -> None:
    # Of one stream the expectation comes first: it is of what was stored before.
    changes.sort(key=lambda change: (change.stream, isinstance(change, Append)))
    # A stream never written has no row to lock: it is given one, which stays at 0 until somebody appends.
    models.Stream.objects.bulk_create([models.Stream(stream=one.stream, version=0) for one in changes], ignore_conflicts=True)
    facts: list[models.Fact] = []
    for change in changes:
        row = models.Stream.objects.filter(stream=change.stream)
        if isinstance(change, Expect):
            found = len(row.filter(version=change.version).select_for_update())
        else:
            first, last = change.expected_version + 1, change.expected_version + len(change.facts)
            found = row.filter(version=change.expected_version).update(version=last, due_at=change.due_at)
            rows = enumerate(map(encode_fact, change.facts), first)
            facts += [models.Fact(stream=change.stream, version=version, fact=fact) for version, fact in rows]
        if found != 1:
            raise ConflictError(change.stream)
    models.Fact.objects.bulk_create(facts)


def _write_claims(claims: list[Claim]) -> None:
    counters = sorted({claim.counter for claim in claims})
    models.Counter.objects.bulk_create([models.Counter(counter=counter) for counter in counters], ignore_conflicts=True)
    list(models.Counter.objects.select_for_update().filter(counter__in=counters).order_by("counter"))
    raised = []
    for claim in claims:
        held = models.Claim.objects.filter(counter=claim.counter)
        before = held.filter(_live(claim.at), key=claim.key).aggregate(amount=Sum("amount", default=0))["amount"]
        held.filter(Q(key=claim.key) | Q(until__lte=claim.at)).delete()
        if claim.amount:
            held.create(counter=claim.counter, key=claim.key, amount=claim.amount, until=claim.until)
        raised += [claim] if claim.amount > before else []
    for claim in raised:  # all are written before any limit is looked at: those of one commit count together
        total = models.Claim.objects.filter(_live(claim.at), counter=claim.counter).aggregate(total=Sum("amount"))["total"]
        if claim.limit is not None and total > claim.limit:
            raise LimitReachedError(claim.counter)


def _live(at: datetime) -> Q:
    return Q(until__isnull=True) | Q(until__gt=at)


_TOLD_AS = {
    # Somebody else was faster: a serialization failure, a deadlock, a lock not had in time.
    **dict.fromkeys(("40001", "40P01", "55P03", "SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT"), ConflictError),
    # The connection is gone: ended by the server, or cut, for which the driver has no code.
    **dict.fromkeys(("57P01", "57P02", "57P03", "None"), OutcomeUnknownError),
}


@contextmanager
def _told_as_loyalty_errors() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        code = str(getattr(error.__cause__, "sqlite_errorname", None) or getattr(error.__cause__, "sqlstate", None))
        if code not in _TOLD_AS:
            raise
        raise _TOLD_AS[code](str(error)) from error
