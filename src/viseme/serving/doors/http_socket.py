"""One WebSocket of the HTTP door: little is on its way, so that it is seen when a line is slow."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Final

from uvicorn import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.protocol import State

from viseme.serving.doors.http_connection import HANG_UP

__all__ = ["DRAINED", "ShallowSocket"]

DRAINED: Final = "viseme.drained"
"""Where in the scope of a socket the function is that waits until the line takes more."""

_UNSENT_BYTES: Final = 2**14
"""What the kernel may hold that it has not put on the line: enough for it never to be idle. Else
it takes megabytes, which are seconds of video on a slow line, and pings wait behind them."""
_LOWAT: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_KERNEL_BYTES: Final = 2**17
"""What it may hold in all where it does not know that limit; long lines are slower by it."""
_NO_LINGERING: Final = struct.pack("ii", 1, 0)


class ShallowSocket(WebSocketsSansIOProtocol):
    """Holds no message back but the one that is being sent."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        app = self.app

        async def answering(scope: Any, receive: Any, send: Any) -> None:
            scope[DRAINED] = self.writable.wait
            scope[HANG_UP] = self._break_off
            await app(scope, receive, send)

        self.app = answering
        self._unsent_bytes = 0
        self._has_moved = False
        """Whether the line has taken all of a message, or brought anything, since the last look."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep what is on its way small from the beginning."""
        super().connection_made(transport)
        # That of TLS has another below it, of which nobody else is told.
        below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
        for one in filter(None, (transport, below)):
            # To TLS, 0 would be passed by nothing at all, and it would never go on.
            one.set_write_buffer_limits(high=1, low=0)
        line: socket.socket | None = transport.get_extra_info("socket")
        if line is None:
            return
        if _LOWAT is not None:
            line.setsockopt(socket.IPPROTO_TCP, _LOWAT, _UNSENT_BYTES)
        else:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)

    def data_received(self, data: bytes) -> None:
        """Note that someone is there."""
        self._has_moved = True
        super().data_received(data)

    def resume_writing(self) -> None:
        """Note that all that was written has gone."""
        self._has_moved = True
        super().resume_writing()

    def send_keepalive_ping(self) -> None:
        """Ask whether anyone is there, and note how much is before that on the line."""
        super().send_keepalive_ping()
        self._look()

    def keepalive_timeout(self) -> None:
        """Take a client for gone that has not answered; one that reads slowly is there.

        So may be one of whom nothing is read now, since it has sent more than there is room for.
        """
        before = self._unsent_bytes
        is_less = self.transport.get_write_buffer_size() < before
        if self._has_moved or is_less or self.read_paused:
            self._look()
            assert self.ping_timeout is not None
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        if self.transport.get_write_buffer_size():
            self._break_off()  # else it would wait until someone reads that it is closed

    def shutdown(self) -> None:
        """End the conversation, since the server ends.

        Of one whose client has said goodbye, but whose line still holds something, uvicorn would
        say goodbye once more. That is an error, with which the server would end before all else.
        """
        if self.conn.state in (State.CLOSING, State.CLOSED) and not self.close_sent:
            self._break_off()
        else:
            super().shutdown()

    def _break_off(self) -> None:
        """Leave nothing behind in the kernel either, which would offer it for minutes."""
        line: socket.socket | None = self.transport.get_extra_info("socket")
        if line is not None and line.fileno() >= 0:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        self.transport.abort()

    def _look(self) -> None:
        self._has_moved = False
        self._unsent_bytes = self.transport.get_write_buffer_size()
