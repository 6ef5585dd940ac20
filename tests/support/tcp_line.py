"""A line between a client and a server that can be cut, or made slow."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE_BYTES = 2048
_BUFFER_BYTES = 16_384
"""Of the system's own, so that a slow line is felt at both ends."""


class TcpLine:
    """Carries what comes to a port of its own to another one, and back; for any thread.

    Args:
        host: of the server.
        port: likewise.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._changed = threading.Condition()
        self._bytes_per_s: float | None = None
        self._open: set[socket.socket] = set()
        self._closed = False

    def throttle(self, bytes_per_s: float | None) -> None:
        """Let each connection carry so much at most of what the server sends; None: all."""
        with self._changed:
            self._bytes_per_s = bytes_per_s
            self._changed.notify_all()

    def cut(self) -> None:
        """End all connections there are, as if a cable were pulled; new ones are taken."""
        with self._changed:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        """Take connections until it is closed."""
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket()
            # Before it connects, for the window is agreed upon then.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            try:
                server.connect(self._server)
            except OSError:
                client.close()
                server.close()
                continue
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            with self._changed:
                self._open |= {client, server}
            for source, target, is_slow in ((client, server, False), (server, client, True)):
                threading.Thread(
                    target=self._carry, args=(source, target, is_slow), daemon=True
                ).start()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _carry(self, source: socket.socket, target: socket.socket, is_slow: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE_BYTES):
                target.sendall(piece)
                if is_slow:
                    self._wait(len(piece))
        with self._changed:
            for each in (source, target):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            self._open.discard(source)
        source.close()

    def _wait(self, sent: int) -> None:
        """Wait as long as that takes, or until it may go faster."""
        with self._changed:
            rate = self._bytes_per_s
            if rate is not None:
                self._changed.wait_for(
                    lambda: self._closed or self._bytes_per_s != rate, sent / rate
                )


@contextmanager
def tcp_line(host: str, port: int) -> Iterator[TcpLine]:
    """Have a line while something is done with it."""
    line = TcpLine(host, port)
    thread = threading.Thread(target=line.serve, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        line.close()
        thread.join()
