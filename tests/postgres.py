"""A throwaway PostgreSQL of the system's package: a cluster in a temporary folder, reached by a Unix socket alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import final

import attrs
import psycopg
from sqlalchemy import URL

__all__ = ["POSTGRES_ABSENT", "Cluster", "binaries", "running"]

POSTGRES_ABSENT = "PostgreSQL absent"
"""Why a test that needs PostgreSQL is passed over; the summary counts it by this text."""

SECONDS = 60
"""How long a busy machine may take to start or stop it."""

UNPRIVILEGED = "nobody"
"""Who runs it where the tests are run by root, whom PostgreSQL does not serve."""

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "fsync": "on",
    "timezone": "Pacific/Kiritimati",  # far from UTC: an instant that leans on a session's zone shows itself
    "shared_buffers": "32MB",
    "deadlock_timeout": "200ms",
    "lock_timeout": "30s",  # a test whose transactions wait for each other fails, and does not hang
    "log_min_messages": "warning",
}


@final
@attrs.frozen
class Cluster:
    """A server that is running.

    Attributes:
        folder: Where its socket is.
        user: Its only role.
    """

    folder: Path
    user: str
    _numbers: Iterator[int] = attrs.field(factory=count, init=False)

    def database(self) -> str:
        """Make a new database, and give its name."""
        name = f"shop_{next(self._numbers)}"
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return name

    def empty(self, database: str) -> None:
        """Take everything out of a database: much quicker than making a new one."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            found = connection.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'"
            ).fetchall()
            for (schema,) in found:
                connection.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())
            connection.execute("CREATE SCHEMA public")

    def dsn(self, database: str) -> str:
        """Say where a database is, as psycopg asks for it."""
        return f"host={self.folder} dbname={database} user={self.user}"

    def url(self, database: str) -> URL:
        """Say where a database is, as SQLAlchemy asks for it."""
        return URL.create("postgresql+psycopg", username=self.user, database=database, query={"host": str(self.folder)})


def binaries() -> Path | None:
    """Find the folder of ``initdb`` and ``pg_ctl``: the newest of Debian's, or what is on the path; ``None`` where neither is."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    found = packaged[-1] if packaged else shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


@contextmanager
def running(programs: Path) -> Iterator[Cluster]:
    """Make a cluster, start it, and throw it away afterwards.

    Raises:
        RuntimeError: It could not be made or started; its log is in the message.
    """
    # The path of a socket is at most 107 bytes, less than a folder of pytest's may be long.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    try:
        if user is not None:
            owner = pwd.getpwnam(user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data, log = folder / "data", folder / "log"
        _run([programs / "initdb", "-D", data, "-U", "shop", "-A", "trust", "-E", "UTF8", "--no-sync"], folder, user)
        settings = "".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"{settings}unix_socket_directories = '{folder}'\n")
        control: Sequence[str | Path] = [programs / "pg_ctl", "-D", data, "-w", "-t", str(SECONDS)]
        _run([*control, "-l", log, "start"], folder, user)
        try:
            yield Cluster(folder, "shop")
        finally:
            _run([*control, "-m", "immediate", "stop"], folder, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str | Path], folder: Path, user: str | None) -> None:
    """Run one of PostgreSQL's programs, and tell what it said when it fails."""
    environment: Mapping[str, str] = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    # To a file: a server that was started keeps the pipe of its parent open.
    with (folder / "said").open("wb") as said:
        done = subprocess.run(
            [str(part) for part in command],
            check=False,
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
            timeout=2 * SECONDS,
        )
    if done.returncode:
        told = [path.read_text(encoding="utf-8", errors="replace") for path in (folder / "said", folder / "log") if path.exists()]
        msg = f"{Path(command[0]).name} failed with {done.returncode}:\n{''.join(told)}"
        raise RuntimeError(msg)
