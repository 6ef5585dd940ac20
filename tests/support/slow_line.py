"""A line between a client and a server that carries only so many bytes a second towards the client,
and can be cut.

Little waits in it, as on a line that is slow itself: what it does not carry yet, the server has.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.played_network import PATIENCE_S
from viseme.serving.config import Address

_BUFFER_BYTES = 2**12
_PIECE_BYTES = 2**11
_LOOK_S = 0.05


class SlowLine:
    """Carries connections to an address; see `slow_line`."""

    def __init__(self, target: Address) -> None:
        self.bytes_per_s: float | None = None
        """How much is carried to clients; None for all, 0 for nothing. May change at any time."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept, name="slow-line")]
        self._lines: list[socket.socket] = []
        self._threads[0].start()

    def cut(self) -> None:
        """End all connections there are, as if a cable were pulled; new ones are taken."""
        for line in tuple(self._lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut all connections, and take no more."""
        self._over.set()
        for line in (self._listener, *self._lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket()
                self._lines += [client, server]
                # Before it connects, for the window is agreed upon then.
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
                try:
                    server.connect((self._target.host, self._target.port))
                except OSError:  # nobody is there, or not yet again
                    client.close()
                    continue
                for carry in (self._up, self._down):
                    thread = threading.Thread(target=carry, args=(client, server), name="slow-line")
                    self._threads.append(thread)
                    thread.start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(2**16):
                server.sendall(data)
        _hang_up(server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        cut = select.poll()
        cut.register(server, 0)  # of nothing but that the server has cut the line off
        due_s = 0.0
        with suppress(OSError):
            while not self._over.is_set():
                if self.bytes_per_s == 0:
                    if cut.poll(1000 * _LOOK_S):
                        break
                    continue
                data = server.recv(_PIECE_BYTES if self.bytes_per_s else _BUFFER_BYTES)
                if not data:
                    break
                if self.bytes_per_s:
                    # What a machine that is busy has missed is made good, but no more than that.
                    due_s = max(due_s, time.monotonic() - _LOOK_S) + len(data) / self.bytes_per_s
                    self._over.wait(max(0.0, due_s - time.monotonic()))
                client.sendall(data)
        _hang_up(client)


@contextmanager
def slow_line(target: Address) -> Iterator[SlowLine]:
    """Open a line to a server, on a free port of loopback; at first it is as fast as any."""
    line = SlowLine(target)
    try:
        yield line
    finally:
        line.close()


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_WR)
