"""``python manage.py test loyalty``: shows that the repository keeps its contract, on the database of the settings."""

from __future__ import annotations

from django.db import connection, transaction
from django.test import TransactionTestCase

from loyalty.repository import DjangoRepository
from loyaltycore.repositories import Enumerable, Joining, Projecting
from loyaltycore.testing import check_repository, check_transactions

THREADS = 8
HISTORIES = 10


class ClosingRepository(DjangoRepository):
    """One whose thread gives its connection back: Django keeps one for each thread."""

    def close(self) -> None:
        """Give it back."""
        connection.close()


class RepositoryTest(TransactionTestCase):
    """Not a ``TestCase``: its transaction would be around everything, and other threads would see nothing."""

    def test_keeps_its_contract(self) -> None:
        """Every clause holds, also those of what it can do besides."""
        capabilities = [Enumerable, Joining, Projecting]
        check_repository(ClosingRepository, capabilities=capabilities, threads=THREADS, examples=HISTORIES)

    def test_joins_the_transaction_of_the_shop(self) -> None:
        """The shop's rollback leaves nothing of it."""
        check_transactions(ClosingRepository, transaction=lambda _: transaction.atomic())
