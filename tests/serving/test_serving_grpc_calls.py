"""How calls of gRPC end: late, given up, refused, stalled, without a token, at the server's end."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.grpc_client import (
    SMALL_WINDOW,
    OpenDoor,
    channel,
    details,
    health,
    infer,
    open_door,
    raw,
    refusal,
    trailers,
    until,
)
from support.house import TOKENS, OpenHouse, played_house, serving
from support.played_network import (
    PATIENCE_S,
    PICTURE,
    PlayedNetwork,
    faces,
    numbers_of,
    windows,
)
from viseme.serving import Load
from viseme.serving.doors.grpc_calls import Arrival
from viseme.serving.logs import ACCESS_LOGGER
from viseme.wire.services import HEALTH, INFER_BATCH
from viseme.wire.tensors import encode_batch_request, parse_batch_response

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

NOTHING = Load()
STOPPING = "The server is stopping; send the request to another, or later."
WRONG_TOKEN = "The token is missing or wrong; send 'Authorization: Bearer …'."


@pytest.fixture
def house(network: PlayedNetwork, tmp_path: Path) -> Iterator[OpenHouse]:
    with played_house(network, tmp_path) as house:
        yield house


@pytest.fixture
def door(house: OpenHouse) -> Iterator[OpenDoor]:
    with open_door(house) as door:
        yield door


def message(*numbers: int) -> bytes:
    return encode_batch_request(faces(*numbers), windows(0)[0], len(numbers), 0)


def asked(door: OpenDoor, *numbers: int, **options: Any) -> Any:
    """Send a batch without waiting for its answer."""
    return raw(door.main, INFER_BATCH).future(message(*numbers), **options)


def answer(call: Any) -> list[int]:
    return numbers_of(parse_batch_response(call.result(PATIENCE_S)).output.reshape(-1, *PICTURE))


def refused(door: OpenDoor, *numbers: int, **options: Any) -> grpc.RpcError:
    call = asked(door, *numbers, **options)
    return refusal(partial(call.result, PATIENCE_S))


def has_frames(house: OpenHouse, caller: str, frames: int) -> bool:
    return house.desk.admission.held_by(caller).frames == frames


def has_counted(house: OpenHouse, line: str) -> bool:
    return line in house.desk.metrics.text().decode()


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {TOKENS[name]}"),)


def test_a_client_that_gives_up_costs_no_more_inference(
    door: OpenDoor, house: OpenHouse, network: PlayedNetwork
) -> None:
    network.hold()
    given_up = asked(door, 1, 2, 3)
    network.wait_until_begun()
    queued = asked(door, 4, 5)
    until(lambda: house.desk.admission.held.frames == 5)
    given_up.cancel()
    queued.cancel()
    until(lambda: house.desk.admission.held == NOTHING)
    network.let_go()
    assert answer(asked(door, 6)) == [6]
    assert network.seen == [1, 6]  # the one that was at work, and no other


def test_a_client_that_dies_costs_no_more_inference(
    door: OpenDoor, house: OpenHouse, network: PlayedNetwork
) -> None:
    network.hold()
    with channel(door.addresses["grpc"]) as dying:
        call = raw(dying, INFER_BATCH).future(message(1, 2, 3))
        network.wait_until_begun()
    assert call.code() == grpc.StatusCode.CANCELLED
    until(lambda: house.desk.admission.held == NOTHING)
    network.let_go()
    assert answer(asked(door, 6)) == [6]
    assert network.seen == [1, 6]


def test_a_deadline_that_has_passed_costs_no_more_inference(
    door: OpenDoor, house: OpenHouse, network: PlayedNetwork
) -> None:
    network.hold()
    patient = asked(door, 1)
    network.wait_until_begun()
    error = refused(door, 2, 3, timeout=0.3)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: house.desk.admission.held.requests == 1)
    network.let_go()
    assert answer(patient) == [1]
    assert answer(asked(door, 6, timeout=PATIENCE_S)) == [6]
    assert network.seen == [1, 6]


@pytest.mark.parametrize(
    ("limits", "most", "things"),
    [
        ({"requests": 2}, 2, "requests"),
        ({"frames": 50}, 50, "frames"),
        (
            {"request_bytes": 2 * len(message(*range(25))), "message_bytes": 2**24},
            2 * len(message(*range(25))),
            "bytes of requests",
        ),
    ],
)
def test_over_a_limit_a_call_is_refused_at_once(
    network: PlayedNetwork, tmp_path: Path, limits: dict[str, int], most: int, things: str
) -> None:
    network.hold()
    config = serving(limits=limits)
    with played_house(network, tmp_path, config=config) as house, open_door(house) as door:
        batches = [list(range(number, number + 25)) for number in (100, 200)]
        calls = [asked(door, *batch) for batch in batches]
        until(lambda: house.desk.admission.held.frames == 50)
        error = refused(door, 1)  # while both are held
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details(error) == (
            f"The server is busy: {most} of {most} {things} are taken; try again in 1 s."
        )
        assert trailers(error)["retry-after"] == "1"
        assert trailers(error)["grpc-retry-pushback-ms"] == "1000"
        assert health(door.main, HEALTH).healthy  # which takes no place
        network.let_go()
        assert [answer(call) for call in calls] == batches
        assert answer(asked(door, 1)) == [1]


def test_what_does_not_fit_is_refused_before_it_is_read(
    network: PlayedNetwork, tmp_path: Path
) -> None:
    network.hold()
    sent = threading.Event()

    def never() -> Iterator[bytes]:
        sent.wait()
        yield b""

    config = serving(limits={"requests": 1})
    with played_house(network, tmp_path, config=config) as house, open_door(house) as door:
        call = asked(door, 1)
        network.wait_until_begun()
        ask: grpc.StreamUnaryMultiCallable[bytes, bytes] = door.main.stream_unary(INFER_BATCH.path)
        error = refusal(lambda: ask(never(), timeout=PATIENCE_S))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        sent.set()
        network.let_go()
        assert answer(call) == [1]


def test_more_frames_than_ever_fit_are_a_bad_request(
    network: PlayedNetwork, tmp_path: Path
) -> None:
    config = serving(limits={"frames": 3})
    with played_house(network, tmp_path, config=config) as house, open_door(house) as door:
        refused = infer(door.main, faces(1, 2, 3, 4), windows(0)[0])
        assert (refused.success, refused.error) == (
            False,
            "The request is for 4 frames at once, and 3 is the most that is let in; ask for less "
            "at a time.",
        )
        assert house.runs == []


def test_a_client_that_sends_nothing_is_dropped(network: PlayedNetwork, tmp_path: Path) -> None:
    config = serving(limits={"stall_s": 0.05, "message_bytes": 2**20})
    silent = threading.Event()

    def nothing() -> Iterator[bytes]:
        silent.wait()
        yield b""

    with played_house(network, tmp_path, config=config) as house, open_door(house) as door:
        for path in (INFER_BATCH.path, HEALTH.path, "/grpc.health.v1.Health/Watch"):
            ask: grpc.StreamStreamMultiCallable[bytes, bytes] = door.main.stream_stream(path)
            error = refusal(partial(list, ask(nothing())))
            assert error.code() == grpc.StatusCode.CANCELLED
        until(lambda: house.desk.admission.held == NOTHING)
        assert answer(asked(door, 6)) == [6]
        silent.set()


@pytest.mark.parametrize("end", ["answered", "damaged", "given up at once", "given up", "late"])
def test_nothing_of_a_call_is_left_for_the_garbage_collector(
    door: OpenDoor, house: OpenHouse, network: PlayedNetwork, end: str
) -> None:
    def arrivals() -> int:
        # Not `isinstance`, which wakes whatever other libraries have lying about.
        return sum(type(thing) is Arrival for thing in gc.get_objects())

    def ask_and_end() -> None:
        if end == "answered":
            assert answer(asked(door, 1)) == [1]
        elif end == "damaged":
            refusal(partial(raw(door.main, INFER_BATCH), b"\xff"))
        elif end == "given up at once":
            asked(door, 1).cancel()
        else:  # behind one that is at work
            call = asked(door, 2, 3, timeout=0.05 if end == "late" else None)
            if end == "given up":
                until(lambda: house.desk.admission.held.frames == 3)
                call.cancel()
            assert call.code() is not grpc.StatusCode.OK
            until(lambda: house.desk.admission.held.requests == 1)

    if end in ("given up", "late"):
        network.hold()
        patient = asked(door, 1)
        network.wait_until_begun()
    gc.collect()
    before = arrivals() - (end in ("given up", "late"))
    gc.disable()  # what only the collector would find is held for too long
    try:
        for _ in range(10):
            ask_and_end()
        network.let_go()
        until(lambda: arrivals() == before)
    finally:
        gc.enable()
    if end in ("given up", "late"):
        assert answer(patient) == [1]


@contextmanager
def unread(door: OpenDoor, *numbers: int) -> Iterator[Any]:
    """Ask for a batch whose answer is not read until it is iterated over."""
    with channel(door.addresses["grpc"], *SMALL_WINDOW) as own:
        ask: grpc.UnaryStreamMultiCallable[bytes, bytes] = own.unary_stream(INFER_BATCH.path)
        yield ask(message(*numbers))


def test_a_client_that_does_not_read_is_dropped(network: PlayedNetwork, tmp_path: Path) -> None:
    config = serving(limits={"stall_s": 0.05})
    with (
        played_house(network, tmp_path, config=config) as house,
        open_door(house) as door,
        unread(door, 1, 2) as stalled,
    ):
        until(lambda: house.frames_run == 2)
        until(lambda: house.desk.admission.held == NOTHING)
        error = refusal(partial(list, stalled))
        assert error.code() == grpc.StatusCode.CANCELLED
        assert answer(asked(door, 6)) == [6]


def test_an_answer_that_is_not_read_stays_counted(network: PlayedNetwork, tmp_path: Path) -> None:
    config = serving(limits={"requests": 1})
    with (
        played_house(network, tmp_path, config=config) as house,
        open_door(house) as door,
        unread(door, 1, 2) as waiting,
    ):
        until(lambda: house.frames_run == 2)
        assert refused(door, 3).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(list(waiting)) == 1
        until(lambda: house.desk.admission.held == NOTHING)
        assert answer(asked(door, 4)) == [4]


def test_silent_connections_keep_nobody_out(door: OpenDoor) -> None:
    place = ("127.0.0.1", door.addresses["grpc"].port)
    with ExitStack() as stack:
        for number in range(200):
            silent = stack.enter_context(socket.create_connection(place, PATIENCE_S))
            if number % 2:
                silent.sendall(b"PRI * HTTP/2.0\r\n")  # and no further
        with channel(door.addresses["grpc"]) as late:
            assert infer(late, faces(1), windows(0)[0]).success


def test_without_the_token_only_health_is_told(network: PlayedNetwork, tmp_path: Path) -> None:
    with (
        played_house(network, tmp_path, tokens=TOKENS) as house,
        open_door(house) as door,
    ):
        wrong: list[tuple[tuple[str, str], ...]] = [
            (),
            (("authorization", "Bearer somebody-elses-token"),),
            (("authorization", TOKENS["anna"]),),
            (("authorization", "Bearer no"), *bearer("anna")),
        ]
        for metadata in wrong:
            error = refused(door, 1, metadata=metadata)
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED
            assert details(error) == WRONG_TOKEN
        assert network.runs == []
        assert health(door.main, HEALTH).healthy
        assert answer(asked(door, 1, metadata=bearer("anna"))) == [1]


def test_one_token_has_its_share_or_its_own_limits(network: PlayedNetwork, tmp_path: Path) -> None:
    network.hold()
    config = serving(
        limits={"requests": 6},
        auth={"token_variable": "TOKENS", "limits": {"berta": {"requests": 1}}},
    )
    with (
        played_house(network, tmp_path, config=config, tokens=TOKENS) as house,
        open_door(house) as door,
    ):
        calls = {}
        for name, most in (("anna", 3), ("berta", 1)):
            calls[name] = [asked(door, 1, metadata=bearer(name)) for _ in range(most)]
            until(partial(has_frames, house, name, most))
            error = refused(door, 1, metadata=bearer(name))
            assert details(error) == (
                f"'{name}' has its share of the server: {most} of {most} requests are taken; "
                "try again in 1 s."
            )
        network.let_go()
        assert [answer(call) for each in calls.values() for call in each] == [[1]] * 4


def test_the_request_has_the_id_that_its_client_gave_it(door: OpenDoor) -> None:
    call = asked(door, 1, metadata=(("x-request-id", "number-17"),))
    assert answer(call) == [1]
    assert dict(call.initial_metadata())["x-request-id"] == "number-17"
    other = asked(door, 1, metadata=(("x-request-id", "not an id"),))
    assert len(dict(other.initial_metadata())["x-request-id"]) == 32
    error = refusal(
        lambda: raw(door.main, INFER_BATCH)(b"\xff", metadata=(("x-request-id", "number-18"),))
    )
    assert trailers(error)["x-request-id"] == "number-18"


def test_every_call_is_counted_with_its_status(door: OpenDoor, house: OpenHouse) -> None:
    assert answer(asked(door, 1)) == [1]
    refusal(lambda: raw(door.main, INFER_BATCH)(b"\xff"))
    assert health(door.main, HEALTH).healthy
    counted = 'viseme_requests_total{{code="{}",door="grpc",method="lipsync.LipSync/{}"}} 1.0\n'
    for code, method in (
        ("OK", "InferBatch"),
        ("INVALID_ARGUMENT", "InferBatch"),
        ("OK", "Health"),
    ):
        until(partial(has_counted, house, counted.format(code, method)))


def test_the_log_has_what_the_status_does_not_tell(
    door: OpenDoor, house: OpenHouse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", ACCESS_LOGGER)
    data = encode_batch_request(faces(1, 2), windows(0)[0], 3, 0)
    assert not parse_batch_response(raw(door.main, INFER_BATCH)(data)).success
    assert answer(asked(door, 1, 2)) == [1, 2]
    until(lambda: len(caplog.records) == 2)
    refused_one, answered = (record.__dict__["fields"] for record in caplog.records)
    assert refused_one["method"] == answered["method"] == "lipsync.LipSync/InferBatch"
    assert refused_one["code"] == answered["code"] == "OK"
    assert refused_one["bytes"] == len(data)
    assert refused_one["refused"] == "Invalid visual frames size: got 307200, expected 460800"
    assert (answered["bytes"], answered["frames"]) == (len(message(1, 2)), 2)
    assert "refused" not in answered
    assert house.frames_run == 2


def test_a_draining_server_finishes_what_it_has_and_takes_no_more(
    door: OpenDoor, house: OpenHouse, network: PlayedNetwork
) -> None:
    network.hold()
    running = asked(door, 1, 2)
    network.wait_until_begun()
    door.door.drain()
    house.desk.admission.drain()
    error = refused(door, 3)
    assert (error.code(), details(error)) == (grpc.StatusCode.UNAVAILABLE, STOPPING)
    assert not health(door.main, HEALTH).healthy
    assert not house.desk.admission.wait_until_idle(0)
    closing = threading.Thread(target=door.door.close, args=(PATIENCE_S,))
    closing.start()
    network.let_go()
    assert answer(running) == [1, 2]
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert house.desk.admission.wait_until_idle(0)


def test_closing_without_grace_ends_what_runs(house: OpenHouse, network: PlayedNetwork) -> None:
    network.hold()
    with open_door(house) as door:
        running = asked(door, 1, 2)
        network.wait_until_begun()
        door.door.close(0.0)
        error = refusal(lambda: running.result(PATIENCE_S))
        assert error.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
        assert house.desk.admission.held == NOTHING
    network.let_go()
    until(lambda: house.frames_run == 1)
    assert network.seen == [1]
