"""``python manage.py sweep``: writes down which points have expired, once a night; no balance waits for it."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from shop.loyalty import loyalty


class Command(BaseCommand):
    """Goes through everybody for whom time has brought something."""

    help = "Write down which points have expired."

    def handle(self, *_: object, **__: object) -> None:
        """Do it, page by page; what fails is named, and holds up nobody else."""
        swept = loyalty.sweep()
        done, failed = swept.done, list(swept.failed)
        while swept.cursor is not None:
            swept = loyalty.sweep(after=swept.cursor)
            done, failed = done + swept.done, failed + list(swept.failed)
        self.stdout.write(f"{done} done")
        if failed:
            raise CommandError("\n".join(f"{one.stream}: {one.error}" for one in failed))
