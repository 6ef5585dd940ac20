"""Both clients at the real gRPC door: the contract of existing clients, limits, tokens, the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from client_callers import CALLERS, Caller, call_sync

from support.grpc_client import OpenDoor, open_door, until
from support.house import TOKENS, OpenHouse, open_house, played_house, serving
from support.played_network import GONE, PATIENCE_S, PlayedNetwork, faces, numbers_of, windows
from support.tiny_avatar import make_avatar, picture
from viseme.client import Client, ClientOptions, ServerHealth
from viseme.errors import (
    AuthError,
    DeadlineError,
    InputError,
    OverloadedError,
    UnavailableError,
    VisemeError,
)

pytestmark = pytest.mark.parametrize("call", CALLERS)


@pytest.fixture(autouse=True)
def threads(call: Caller, request: pytest.FixtureRequest) -> None:
    """See that no thread is left; that of gRPC for asyncio ends when its last object is freed."""
    if call is call_sync:
        request.getfixturevalue("no_thread_is_left")


@pytest.fixture
def house(network: PlayedNetwork, tmp_path: Path) -> Iterator[OpenHouse]:
    with played_house(network, tmp_path, config=serving(limits={"requests": 2})) as house:
        yield house


@pytest.fixture
def door(house: OpenHouse) -> Iterator[OpenDoor]:
    with open_door(house) as door:
        yield door


def at(door: OpenDoor, **others: object) -> ClientOptions:
    return ClientOptions(str(door.addresses["grpc"]), **others)  # type: ignore[arg-type]


def test_faces(call: Caller, door: OpenDoor) -> None:
    result = call(at(door), "infer_batch", faces(1, 2, 3), windows(100)[0], start_frame=7)
    assert numbers_of(result.output) == [101, 102, 103]
    assert result.inference_time_ms > 0


def test_a_window_for_each_face(call: Caller, door: OpenDoor) -> None:
    result = call(at(door), "infer_batch", faces(1, 2), windows(100, 200))
    assert numbers_of(result.output) == [101, 202]


@pytest.mark.parametrize(
    ("count", "start", "sentence"),
    [
        (26, 0, "Invalid batch size: 26 (must be 1-25)"),
        (0, 0, "Invalid batch size: 0 (must be 1-25)"),
        (1, -1, "Invalid start frame index: -1 (must be 0 or more)"),
    ],
)
def test_what_the_server_will_not_take(
    call: Caller, door: OpenDoor, count: int, start: int, sentence: str
) -> None:
    visual = np.zeros((count, 6, 160, 160), np.float32)
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        call(at(door), "infer_batch", visual, windows(1)[0], start_frame=start)


def test_health(call: Caller, door: OpenDoor, tmp_path: Path) -> None:
    expected = ServerHealth(True, str(tmp_path / "played.onnx"), False)
    assert call(at(door), "health") == expected


def test_a_server_at_its_limit_says_when_to_come_again(
    call: Caller, house: OpenHouse, door: OpenDoor, network: PlayedNetwork
) -> None:
    with held(network, house, door), pytest.raises(OverloadedError) as caught:
        call(at(door, retries=0), "infer_batch", faces(9), windows(1)[0])
    assert caught.value.retry_after_s == 1.0
    assert str(caught.value) == ("The server is busy: 2 of 2 requests are taken; try again in 1 s.")
    assert 9 not in network.seen


def test_a_refused_client_comes_again_and_is_let_in(
    call: Caller, house: OpenHouse, door: OpenDoor, network: PlayedNetwork
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with held(network, house, door):
            coming = pool.submit(call, at(door, retries=9), "infer_batch", faces(9), windows(1)[0])
            refused = 'code="RESOURCE_EXHAUSTED"'
            until(lambda: refused in house.desk.metrics.text().decode())
        assert numbers_of(coming.result(PATIENCE_S).output) == [10]


def test_a_deadline_passes(call: Caller, door: OpenDoor, network: PlayedNetwork) -> None:
    network.hold()
    with pytest.raises(DeadlineError):
        call(at(door), "infer_batch", faces(1), windows(1)[0], timeout_s=0.5)
    network.let_go()


def test_a_network_that_fails(call: Caller, door: OpenDoor, network: PlayedNetwork) -> None:
    network.failures[1] = GONE
    with pytest.raises(VisemeError, match=re.escape(str(GONE))):
        call(at(door, retries=0), "infer_batch", faces(1), windows(1)[0])


def test_a_server_that_is_ending(call: Caller, door: OpenDoor, house: OpenHouse) -> None:
    house.desk.admission.drain()
    with pytest.raises(UnavailableError, match=r"^The server is stopping"):
        call(at(door, retries=1), "infer_batch", faces(1), windows(1)[0])
    assert call(at(door), "health").healthy is False


def test_tokens(call: Caller, network: PlayedNetwork, tmp_path: Path) -> None:
    with played_house(network, tmp_path, tokens=TOKENS) as house, open_door(house) as door:
        known = at(door, token=TOKENS["anna"])
        assert numbers_of(call(known, "infer_batch", faces(1), windows(1)[0]).output) == [2]
        for token in (None, "wrong"):
            with pytest.raises(AuthError, match=r"^The token is missing or wrong; send "):
                call(at(door, token=token), "infer_batch", faces(1), windows(1)[0])
        assert call(at(door), "health").healthy


def test_finished_pictures(call: Caller, tmp_path: Path) -> None:
    avatar = make_avatar(tmp_path / "anna")
    rng = np.random.default_rng(2)
    visual = rng.integers(0, 256, (2, 6, 320, 320)).astype(np.float32) / np.float32(255)
    window = np.zeros((32, 16, 16), np.float32)
    with open_house(avatar) as house, open_door(house) as door:
        result = call(at(door), "composite_batch", visual, window, start_frame=5)
    assert len(result.pictures) == 2
    for index, png in zip((5, 6), result.pictures, strict=True):
        image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == picture(index).shape
        np.testing.assert_array_equal(image[:2], picture(index)[:2])  # above every box
    assert result.total_time_ms >= result.composite_time_ms > 0
    assert result.inference_time_ms > 0


def test_a_bare_network_has_no_pictures(call: Caller, door: OpenDoor) -> None:
    expected = "This server has no avatar to composite into; start it with one."
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        call(at(door), "composite_batch", faces(1), windows(1)[0])


@contextmanager
def held(network: PlayedNetwork, house: OpenHouse, door: OpenDoor) -> Iterator[None]:
    """Fill the server: two requests are in it, one of them in the network, until this is left."""
    network.hold()
    with Client(at(door)) as client, ThreadPoolExecutor(2) as pool:
        try:
            for _ in range(2):
                pool.submit(client.infer_batch, faces(5), windows(1)[0])
            network.wait_until_begun()
            until(lambda: house.desk.admission.held.requests == 2)
            yield
        finally:
            network.let_go()
