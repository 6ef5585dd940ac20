"""The door's sockets: who reads slowly is there, and who reads nothing is not."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support.played_network import PATIENCE_S
from support.slow_line import SlowLine, slow_line
from viseme.serving.config import Address
from viseme.serving.doors.http_socket import DRAINED, ShallowSocket

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

PING_S = 1.0
BYTES = 200_000


async def talkative(scope: Any, receive: Any, send: Any) -> None:
    """Send one large message to whoever comes, and say when it has gone; then wait."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "bytes": bytes(BYTES)})
    await scope[DRAINED]()
    await send({"type": "websocket.send", "text": "gone"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def busy(scope: Any, receive: Any, send: Any) -> None:
    """Read nothing for longer than pings are waited for, then say how much has come."""
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.sleep(4 * PING_S)
    heard = [await receive() for _ in range(3)]
    await send({"type": "websocket.send", "text": str(sum(len(m["bytes"]) for m in heard))})
    while (await receive())["type"] != "websocket.disconnect":
        pass


@contextmanager
def server(app: Any = talkative) -> Iterator[SlowLine]:
    """Serve that over a line."""
    config = uvicorn.Config(
        app,
        ws=ShallowSocket,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with slow_line(Address("127.0.0.1", listener.getsockname()[1])) as line:
            yield line
    finally:
        serving.should_exit = True
        thread.join(PATIENCE_S)
        listener.close()
    assert not thread.is_alive()


def test_a_slow_reader_is_not_taken_for_gone() -> None:
    with server() as line:
        line.bytes_per_s = BYTES / (4 * PING_S)
        where = f"ws://127.0.0.1:{line.address.port}/"
        with connect(where, proxy=None, ping_interval=None) as client:
            assert client.recv(timeout=PATIENCE_S) == bytes(BYTES)
            assert client.recv(timeout=PATIENCE_S) == "gone"


def test_who_reads_nothing_is() -> None:
    with server() as line:
        line.bytes_per_s = BYTES / PING_S
        where = f"ws://127.0.0.1:{line.address.port}/"
        with connect(where, proxy=None, ping_interval=None) as client:
            line.bytes_per_s = 0
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=PATIENCE_S)


def test_who_sends_more_than_is_read_is_not_taken_for_gone() -> None:
    with server(busy) as line:
        where = f"ws://127.0.0.1:{line.address.port}/"
        with connect(where, proxy=None, ping_interval=None) as client:
            for _ in range(3):  # the answers to pings are behind them
                client.send(bytes(BYTES))
            assert client.recv(timeout=PATIENCE_S) == str(3 * BYTES)
