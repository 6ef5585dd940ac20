"""An HTTP door over a house, and what it takes to talk to it over a real socket."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.house import OpenHouse
from support.played_network import PATIENCE_S
from viseme.serving.config import Address
from viseme.serving.doors.http_door import HttpDoor
from viseme.serving.tls import Tls


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    """By names in small letters."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


def check_refused(answer: Answer, status: int, sentence: str) -> None:
    """See that a request was refused in one sentence, with its id."""
    assert (answer.status, answer.json["error"]) == (status, sentence)
    assert answer.json["request_id"] == answer.headers["x-request-id"]


@dataclass(frozen=True)
class Service:
    """A door that is open."""

    house: OpenHouse
    door: HttpDoor
    address: Address

    def connect(self) -> http.client.HTTPConnection:
        """Give a connection, which opens itself and is the caller's to close."""
        return http.client.HTTPConnection(self.address.host, self.address.port, timeout=PATIENCE_S)

    def line(self) -> socket.socket:
        """Give a bare connection."""
        return socket.create_connection((self.address.host, self.address.port), PATIENCE_S)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        chunked: bool = False,
    ) -> Answer:
        """Ask, and wait for the whole answer."""
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=chunked)
            return answer_of(connection.getresponse())
        finally:
            connection.close()

    def say(self, data: bytes) -> bytes:
        """Send any bytes, and give what comes until the server closes the connection."""
        with self.line() as line:
            line.sendall(data)
            return b"".join(iter(lambda: line.recv(65_536), b""))


def answer_of(response: http.client.HTTPResponse) -> Answer:
    """Read an answer to its end."""
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


@contextmanager
def http_service(
    house: OpenHouse, *, tls: Tls | None = None, grace_s: float = 0.0
) -> Iterator[Service]:
    """Open the HTTP door of a house, on a free port of loopback."""
    door = HttpDoor(house.config, tls)
    address = door.bind()["http"]
    try:
        door.open(house)
        yield Service(house, door, address)
    finally:
        door.close(grace_s)
