"""A client of `/v1/live` that is not ours, as far as tests need one."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from support.played_network import PATIENCE_S
from viseme.serving.config import Address

RATE_HZ = 16_000
SOUND = {"rate_hz": RATE_HZ}
HELLO: dict[str, Any] = {"type": "hello", "version": 1, "sound": SOUND, "rest": False}
HEADER = struct.Struct("<BBHIQI")


class Picture(NamedTuple):
    kind: int
    flags: int
    reserved: int
    number: int
    start: int
    duration: int
    data: bytes

    @property
    def is_key(self) -> bool:
        return bool(self.flags & 1)

    @property
    def at_rest(self) -> bool:
        return bool(self.flags & 2)


class Socket:
    """A client of `/v1/live`."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.ready: dict[str, Any] = {}
        """What the server has said first, once it has."""

    def say(self, **words: Any) -> None:
        self.connection.send(json.dumps(words))

    def push(self, sound: np.ndarray[Any, Any]) -> None:
        self.connection.send(sound.tobytes())

    def next(self) -> Picture | dict[str, Any]:
        message = self.connection.recv(timeout=PATIENCE_S)
        if isinstance(message, str):
            return dict(json.loads(message))
        kind, flags, reserved, number, start, duration = HEADER.unpack_from(message)
        return Picture(kind, flags, reserved, number, start, duration, message[HEADER.size :])

    def until(self, kind: str) -> tuple[list[Picture], dict[str, Any]]:
        """Give all pictures up to a text message, and that."""
        pictures = []
        while isinstance(message := self.next(), Picture):
            pictures.append(message)
        assert message["type"] == kind, message
        return pictures, message

    def closing_code(self) -> int:
        """Wait for the server to close."""
        with pytest.raises(ConnectionClosed) as closed:
            self.connection.recv(timeout=PATIENCE_S)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code


class HasAddress(Protocol):
    """A server, or a line to one."""

    @property
    def address(self) -> Address: ...


@contextmanager
def line(service: HasAddress, **options: Any) -> Iterator[Socket]:
    """Open a socket, over TLS if there is the option `ssl`."""
    scheme = "wss" if "ssl" in options else "ws"
    where = f"{scheme}://{service.address.host}:{service.address.port}/v1/live"
    # It is the server's part to find out whether the line is dead.
    ours = {"proxy": None, "max_size": None, "ping_interval": None}
    with connect(where, **{**ours, **options}) as connection:
        yield Socket(connection)


@contextmanager
def talk(service: HasAddress, **changes: Any) -> Iterator[Socket]:
    """Say hello, and hear that the server is ready."""
    with line(service) as socket:
        socket.say(**{**HELLO, **changes})
        ready = socket.next()
        assert isinstance(ready, dict)
        assert ready["type"] == "ready", ready
        socket.ready = ready
        yield socket
