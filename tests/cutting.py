"""A socket between a client and PostgreSQL that can be cut at a word."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self, final

__all__ = ["Cutter"]

SOCKET = ".s.PGSQL.5432"


@final
class Cutter:
    """Passes bytes between clients and the server, until the word comes by at which it cuts, once.

    Attributes:
        folder: Where clients find the socket.
        cuts: How often it has cut.
    """

    def __init__(self, server: Path) -> None:
        """Take the folder of the server's socket."""
        self.folder = Path(tempfile.mkdtemp(prefix="cut-"))
        self.cuts = 0
        self._server = server
        self._word: bytes | None = None
        self._is_sent = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._open: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []

    def cut_at(self, word: bytes, *, is_sent: bool) -> None:
        """Cut at the next message that holds a word: after it was sent to the server, or before."""
        self._word, self._is_sent = word, is_sent

    def __enter__(self) -> Self:
        """Listen."""
        self._listener.bind(str(self.folder / SOCKET))
        self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        for one in self._open:
            _end(one)
        for thread in self._threads:
            thread.join(timeout=30)
        for one in self._open:
            one.close()
        shutil.rmtree(self.folder)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]  # each is a method below
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._server / SOCKET))
            self._open += [client, server]
            self._start(self._pass_on, client, server)
            self._start(self._pass_back, server, client)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while said := client.recv(65536):
                if self._word is not None and self._word in said:
                    self._cut(client, server, said)
                    return
                server.sendall(said)
        _end(client)
        _end(server)

    def _pass_back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while said := server.recv(65536):
                client.sendall(said)
        _end(client)
        _end(server)

    def _cut(self, client: socket.socket, server: socket.socket, said: bytes) -> None:
        self._word = None
        self.cuts += 1
        # The client first: no answer reaches it. What was sent is read by the server before it sees the end.
        _end(client)
        if self._is_sent:
            server.sendall(said)
        _end(server)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
