"""One connection of the HTTP door: uvicorn's waits for its client for ever, this one does not."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any, Final

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from viseme.serving.doors.http_json import encode_json

__all__ = ["HANG_UP", "Patience", "connection_class"]

HANG_UP: Final = "viseme.hang_up"
"""Where in the scope of a request the function is that breaks its connection off."""

_LOST: Final = "The request cannot be read as HTTP, or its headers are too long; send less of them."
_FULL: Final = "The server has {} connections, the most that it takes; try again in {} s."
_RETRY_S: Final = 2


@dataclass(frozen=True, slots=True)
class Patience:
    """How long clients are waited for, and how many."""

    stall_s: float
    """How long a client may take to send the head of a request, or leave an answer unread."""
    connections: int
    """How many there may be at once, of those that say nothing too."""


class _Connection(H11Protocol):
    """Breaks off where a request's head does not come, or its answer is not taken.

    While a request is answered its handler waits for the body, with patience of its own. What
    comes of a body after the answer, when it was refused, is passed over as long as a head would
    take: who is answered while still sending would lose the answer if the line were cut at once.
    """

    patience: Patience

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        self._is_socket = False
        app = self.app

        async def answering(scope: Any, receive: Any, send: Any) -> None:
            scope[HANG_UP] = self.transport.abort
            await app(scope, receive, send)

        self.app = answering

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.patience.connections:
            self._refuse(503, _FULL.format(self.patience.connections, _RETRY_S), retry=True)
        else:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_read_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # refused, and still talking
        super().data_received(data)
        if self._is_socket:
            return  # the line has another protocol now
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_head_timer()
        else:
            self._wait_for_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._is_socket = True
        self._stop_head_timer()
        self._stop_read_timer()
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._stop_read_timer()
        self._read_timer = self.loop.call_later(self.patience.stall_s, self._check_reading)

    def resume_writing(self) -> None:
        self._stop_read_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Say it as all other errors are said, unless an answer is already on its way."""
        if self.cycle is not None and self.cycle.response_started:
            self.transport.abort()
        else:
            self._refuse(400, _LOST)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _wait_for_head(self) -> None:
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.patience.stall_s, self.transport.abort)

    def _check_reading(self) -> None:
        """Break off if nothing was read in all the time; a slow reader is a reader."""
        unread = self.transport.get_write_buffer_size()
        if unread >= self._unread_bytes:
            self.transport.abort()
        else:
            self._unread_bytes = unread
            self._read_timer = self.loop.call_later(self.patience.stall_s, self._check_reading)

    def _refuse(self, status: int, sentence: str, *, retry: bool = False) -> None:
        """Answer without a request, and close."""
        body = encode_json({"error": sentence})
        lines = [
            f"HTTP/1.1 {status} {'Bad Request' if status == 400 else 'Service Unavailable'}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            "connection: close",
        ]
        if retry:
            lines.append(f"retry-after: {math.ceil(_RETRY_S)}")
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()


def connection_class(patience: Patience) -> type[_Connection]:
    """Make what `uvicorn.Config` takes as `http`."""

    class Connection(_Connection):
        pass

    Connection.patience = patience
    return Connection
