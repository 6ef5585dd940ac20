"""The door's sockets: who reads slowly is there, and who reads nothing is not."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
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
def running(app: Any) -> Iterator[tuple[Address, Callable[[], None]]]:
    """Serve an app; gives its address, and what ends the server and waits for it."""
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

    def end() -> None:
        serving.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()

    try:
        yield Address("127.0.0.1", listener.getsockname()[1]), end
    finally:
        end()
        listener.close()


@contextmanager
def server(app: Any = talkative) -> Iterator[SlowLine]:
    """Serve an app over a line."""
    with running(app) as (address, _), slow_line(address) as line:
        yield line


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


def test_the_server_ends_while_someone_is_leaving() -> None:
    """What was sent before still waits for its reader, so the line is not closed yet."""
    has_left = threading.Event()

    async def left(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": bytes(BYTES)})
        assert (await receive())["type"] == "websocket.disconnect"
        has_left.set()

    with running(left) as (address, end), slow_line(address) as line:
        line.bytes_per_s = BYTES / PING_S
        where = f"ws://127.0.0.1:{line.address.port}/"
        with connect(where, proxy=None, ping_interval=None, close_timeout=0) as client:
            line.bytes_per_s = 0
            client.protocol.send_close(1000)
            client.socket.sendall(b"".join(client.protocol.data_to_send()))
            assert has_left.wait(PATIENCE_S)
            end()
