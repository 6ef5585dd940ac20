"""Clients that say nothing, trickle, stop reading or talk nonsense: each ends, none in a hang."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.house import OpenHouse, open_house, serving
from support.http_service import Service, http_service
from support.played_network import PATIENCE_S
from support.probes import identity_generator
from support.sounds import noise, wave_file
from support.tiny_avatar import make_avatar
from viseme.serving.process import raise_file_limit

pytest_plugins = ["support.house_fixtures"]
pytestmark = pytest.mark.usefixtures("no_thread_is_left")

STALL_S = 0.4
"""Long for a machine to do nothing, short for a test to wait."""
HEAD = b"POST /v1/render HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\n"
JSON_HEAD = b"POST /batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenHouse]:
    folder = make_avatar(tmp_path_factory.mktemp("avatars") / "anna")
    with open_house(folder, config=serving(limits={"stall_s": STALL_S})) as house:
        for avatar in house.cast.avatars:
            avatar.frame(0)  # starts its thread, which lives as long as the avatar is open
        yield house


@pytest.fixture
def service(service: Service) -> Iterator[Service]:
    yield service
    assert service("GET", "/livez").status == 200


def rest(line: socket.socket) -> bytes:
    """Give what comes until the server closes the line, in whatever way."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := line.recv(65_536):
            data += piece
    return data


def body_of(answer: bytes) -> dict[str, object]:
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("said", [b"", b"G", b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"POST"])
def test_a_head_that_does_not_come_ends_the_connection(service: Service, said: bytes) -> None:
    with service.line() as line:
        line.sendall(said)
        assert rest(line) == b""


def test_many_that_say_nothing_keep_nobody_out(service: Service) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(service.line()) for _ in range(200)]
        assert service("GET", "/livez").status == 200
        assert [rest(line) for line in silent] == [b""] * 200


def test_too_many_connections_are_told_so(tmp_path: Path) -> None:
    raise_file_limit()  # both ends of them are in this process
    model = identity_generator(tmp_path / "model.onnx", size=160)
    with (
        open_house(model=model) as house,
        http_service(house) as service,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(500):
            stack.enter_context(service.line())
        answer = rest(stack.enter_context(service.line()))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 2" in answer
        assert body_of(answer) == {
            "error": "The server has 500 connections, the most that it takes; try again in 2 s."
        }


@pytest.mark.parametrize("head", [HEAD, JSON_HEAD])
@pytest.mark.parametrize("sent", [b"", b"RIFF"])
def test_a_body_that_does_not_come(
    service: Service, house: OpenHouse, head: bytes, sent: bytes
) -> None:
    with service.line() as line:
        line.sendall(head + b"Content-Length: 1000\r\nConnection: close\r\n\r\n" + sent)
        answer = rest(line)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert body_of(answer)["error"] == (
        f"Nothing of the body came for {STALL_S} s; send it again, without a pause."
    )
    assert house.desk.admission.wait_until_idle(PATIENCE_S)
    assert house.desk.admission.held == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("head", [HEAD, JSON_HEAD])
def test_a_body_that_trickles(service: Service, house: OpenHouse, head: bytes) -> None:
    with service.line() as line:
        line.sendall(head + b"Content-Length: 100000\r\nConnection: close\r\n\r\n")
        line.settimeout(STALL_S / 4)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while not answer:
                line.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    answer = line.recv(65_536)
            line.settimeout(PATIENCE_S)
            answer += rest(line)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert str(body_of(answer)["error"]).endswith(
        "bytes of the body came, which is too slow; send it over a faster line, or less of it."
    )
    assert house.desk.admission.wait_until_idle(PATIENCE_S)


def test_half_a_body_and_gone(service: Service, house: OpenHouse) -> None:
    for head in (HEAD, JSON_HEAD):
        with service.line() as line:
            line.sendall(head + b"Content-Length: 1000\r\n\r\nRIFF")
    assert house.desk.admission.wait_until_idle(PATIENCE_S)
    assert house.desk.admission.held == (0, 0, 0, 0, 0)


def test_a_clip_that_nobody_reads_is_dropped(service: Service, house: OpenHouse) -> None:
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        line.settimeout(PATIENCE_S)
        line.connect((service.address.host, service.address.port))
        sound = wave_file(noise(200.0))
        line.sendall(HEAD + f"Content-Length: {len(sound)}\r\n\r\n".encode() + sound)
        assert line.recv(100).startswith(b"HTTP/1.1 200 ")
        assert house.desk.admission.wait_until_idle(PATIENCE_S)
        assert house.desk.admission.held == (0, 0, 0, 0, 0)
        assert house.frames_run < 5_000


@pytest.mark.parametrize(
    "said",
    [
        b"garbage\r\n\r\n",
        b"\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 400_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 400_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        JSON_HEAD + b"Content-Length: many\r\n\r\n",
        JSON_HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\nno size\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_no_http(service: Service, said: bytes) -> None:
    with service.line() as line:
        with contextlib.suppress(ConnectionError):  # which it may be before all is said
            line.sendall(said)
        answer = rest(line)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert body_of(answer) == {
        "error": "The request cannot be read as HTTP, or its headers are too long; send less of "
        "them."
    }


def test_a_body_behind_a_refusal_is_passed_over(service: Service) -> None:
    with service.line() as line:
        line.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 404 ")
        line.sendall(bytes(1_000_000))
        line.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"HTTP/1.1 200 " in rest(line)


def test_a_body_behind_a_refusal_that_has_no_end(service: Service) -> None:
    with service.line() as line:
        line.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 404 ")
        with contextlib.suppress(ConnectionError):
            while True:
                line.sendall(b"a\r\n0123456789\r\n")


def test_a_client_that_waits_to_be_told_to_go_on(service: Service, tmp_path: Path) -> None:
    expecting = HEAD + b"Expect: 100-continue\r\nConnection: close\r\n"
    sound = wave_file(noise(0.2))
    with service.line() as line:
        line.sendall(expecting + f"Content-Length: {len(sound)}\r\n\r\n".encode())
        assert line.recv(65_536).startswith(b"HTTP/1.1 100 ")
        line.sendall(sound)
        assert rest(line).startswith(b"HTTP/1.1 200 ")
    with service.line() as line:  # who is refused need not send anything
        line.sendall(expecting + b"Content-Length: 999999999999\r\n\r\n")
        assert rest(line).startswith(b"HTTP/1.1 413 ")
