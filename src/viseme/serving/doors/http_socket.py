"""One WebSocket of the HTTP door.

Little is on its way, so that it is seen when a line is slow. What cannot be read as a message is
answered with an error like all else that is wrong.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Final

from uvicorn import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

from viseme.errors import InputError
from viseme.serving.doors.http_connection import HANG_UP
from viseme.serving.doors.http_json import encode_json
from viseme.serving.doors.live_words import error_words

__all__ = ["DRAINED", "ShallowSocket"]

DRAINED: Final = "viseme.drained"
"""Where in the scope of a socket the function is that waits until the line takes more."""

_UNSENT_BYTES: Final = 2**14
"""What the kernel may hold that it has not put on the line: enough for it never to be idle. Else
it takes megabytes, which are seconds of video on a slow line, and pings wait behind them."""
_LOWAT: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_KERNEL_BYTES: Final = 2**17
"""What it may hold in all where it does not know that limit; long lines are slower by it."""
_LINGER_S: Final = 3.0
"""How long one who sends what cannot be read is listened to after it has been told so: if the line
were cut while something is on its way, the answer would be lost with it."""
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

    def handle_parser_exception(self) -> None:
        """Say what is wrong with what has come, say goodbye, and pass over the rest of it."""
        if self.close_sent:
            return  # it has been said, and this is the rest
        close = self.conn.close_sent
        assert close is not None
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code})
        words = encode_json(error_words(InputError(self._complaint(close.code))))
        # Before the goodbye that waits there, after which nothing more may be said.
        last = Frame(Opcode.TEXT, words).serialize(mask=False)
        self.transport.write(b"".join((last, *self.conn.data_to_send())))
        self.close_sent = self.disconnected = True
        self.stop_keepalive()
        self.close_timer = self.loop.call_later(_LINGER_S, self.transport.close)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def _complaint(self, code: int) -> str:
        if code == CloseCode.MESSAGE_TOO_BIG:
            most = self.config.ws_max_size
            return f"A message has more than {most} bytes; send sound in shorter pieces."
        if code == CloseCode.INVALID_DATA:
            return "A text message is not UTF-8; send sound as binary messages."
        return "What has come cannot be read as a WebSocket's messages (RFC 6455)."

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
