"""`/v1/live` and clients that are not there any more, or send far more than anyone could want."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from support.house import open_house, serving
from support.http_service import Service, http_service
from support.live_socket import HELLO, talk
from support.played_network import PATIENCE_S
from support.probes import window_painter
from support.speech import babble
from support.tiny_avatar import make_avatar

pytest_plugins = ["support.house_fixtures"]
pytestmark = [pytest.mark.usefixtures("no_thread_is_left"), pytest.mark.waiting]

KERNELS_BYTES = 2**25
"""More than both kernels hold for a line, on any machine."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("avatars") / "painter"
    return [make_avatar(folder, generator=window_painter)]


@contextmanager
def deaf_client(service: Service, **changes: Any) -> Iterator[socket.socket]:
    """Say hello, and then read nothing: no picture, and no ping that would have to be answered."""
    with service.line() as line:
        protocol = ClientProtocol(parse_uri(f"ws://{service.address.host}/v1/live"))
        protocol.send_request(protocol.connect())
        line.sendall(b"".join(protocol.data_to_send()))
        while protocol.state is State.CONNECTING:
            protocol.receive_data(line.recv(1))
        held = service.house.desk.admission.held.streams
        line.sendall(message({**HELLO, **changes}))
        wait_for_streams(service, held + 1)
        yield line


def message(content: dict[str, Any] | bytes) -> bytes:
    """Write a message as a client does."""
    if isinstance(content, bytes):
        return Frame(Opcode.BINARY, content).serialize(mask=True)
    return Frame(Opcode.TEXT, json.dumps(content).encode()).serialize(mask=True)


def wait_for_streams(service: Service, count: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while service.house.desk.admission.held.streams != count:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_half_of_a_line_is_none(folders: list[Path]) -> None:
    """Only by the answers to pings is it known: pictures, too, are sent into nothing."""
    config = serving(limits={"stall_s": 20 * PATIENCE_S})
    with (
        open_house(*folders, config=config) as house,
        http_service(house) as service,
        deaf_client(service, rest=False),
        deaf_client(service, rest=True),
    ):
        wait_for_streams(service, 0)
        assert not any(house.desk.admission.held)


FLOODS = {
    "pings": message({"type": "ping"}),
    "stats": message({"type": "stats"}),
    "interrupts": message({"type": "interrupt"}),
    "the ends of nothing": message({"type": "end"}),
    "sound": message(bytes(32_000)),
    "single samples": message(bytes(2)),
}


def sent_until_it_waits(line: socket.socket, flood: bytes) -> int:
    """Give how many bytes were taken before nothing was for a second, or more than kernels hold."""
    many = memoryview(flood * (1 + 2**16 // len(flood)))
    line.settimeout(1.0)
    sent = 0
    with suppress(TimeoutError):
        while sent < KERNELS_BYTES:
            sent += line.send(many[sent % len(many) :])
    return sent


@pytest.mark.parametrize("case", FLOODS)
def test_a_flood_is_not_taken_in_and_others_are_served(service: Service, case: str) -> None:
    with deaf_client(service) as line:
        assert sent_until_it_waits(line, FLOODS[case]) < KERNELS_BYTES
        with talk(service) as other:
            other.push(babble(0.5))
            other.say(type="end")
            pictures, _ = other.until("ended")
        assert len(pictures) > 10
    wait_for_streams(service, 0)
