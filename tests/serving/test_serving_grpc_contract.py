"""The contract of existing clients over real sockets, row by row, and that answers are exact."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.grpc_client import (
    OpenDoor,
    channel,
    details,
    generated,
    health,
    infer,
    open_door,
    raw,
    refusal,
)
from support.halves import run_in_halves
from support.house import OpenHouse, open_house, played_house, serving
from support.played_network import (
    GONE,
    PATIENCE_S,
    PICTURE,
    PlayedNetwork,
    faces,
    numbers_of,
    windows,
)
from support.probes import identity_generator, noisy_generator
from support.tiny_avatar import box, make_avatar, picture
from viseme.engine import FakeBackend, FeatureOptions, Inferencer, Tensor
from viseme.engine.split_backend import SplitBackend
from viseme.wire.messages import lipsync
from viseme.wire.services import HEALTH, HEALTH_COMPOSITE, INFER_BATCH, INFER_BATCH_COMPOSITE
from viseme.wire.tensors import (
    BatchAnswer,
    encode_batch_request,
    parse_batch_response,
)

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

FACE, WINDOW = 6 * 160 * 160, 16 * 32 * 32
CLIENTS = 12


@pytest.fixture
def house(network: PlayedNetwork, tmp_path: Path) -> Iterator[OpenHouse]:
    with played_house(network, tmp_path) as house:
        yield house


@pytest.fixture
def door(house: OpenHouse) -> Iterator[OpenDoor]:
    with open_door(house) as door:
        yield door


def send(door: OpenDoor, message: bytes) -> BatchAnswer:
    return parse_batch_response(raw(door.main, INFER_BATCH)(message, timeout=PATIENCE_S))


def painted(answer: BatchAnswer) -> list[int]:
    assert (answer.success, answer.error) == (True, "")
    return numbers_of(answer.output.reshape(-1, *PICTURE))


@pytest.mark.parametrize("batch", [1, 2, 25])
def test_one_window_counts_for_the_whole_batch(
    door: OpenDoor, house: OpenHouse, batch: int
) -> None:
    answer = infer(door.main, faces(*range(1, batch + 1)), windows(100)[0])
    assert painted(answer) == [100 + number for number in range(1, batch + 1)]
    assert answer.inference_time_ms > 0
    assert house.frames_run == batch


def test_as_an_extension_each_frame_has_a_window_of_its_own(door: OpenDoor) -> None:
    assert painted(infer(door.main, faces(1, 2, 3), windows(10, 20, 30))) == [11, 22, 33]


def test_the_generated_classes_work_as_in_existing_clients(door: OpenDoor) -> None:
    ask = generated(door.main, INFER_BATCH)
    request = lipsync.BatchRequest(batch_size=2, start_frame_idx=16)
    request.visual_frames.extend(faces(3, 4).ravel().tolist())
    request.audio_features.extend(windows(50)[0].ravel().tolist())
    answer = ask(request, timeout=PATIENCE_S)
    assert (answer.success, answer.error) == (True, "")
    assert numbers_of(np.array(answer.output_frames, np.float32).reshape(2, *PICTURE)) == [53, 54]
    assert answer.inference_time_ms > 0
    bad = ask(lipsync.BatchRequest(batch_size=26), timeout=PATIENCE_S)
    assert bad == lipsync.BatchResponse(error="Invalid batch size: 26 (must be 1-25)")


BAD_BATCH = "Invalid batch size: {} (must be 1-25)"
BAD_VISUAL = "Invalid visual frames size: got {}, expected {}"
BAD_AUDIO = "Invalid audio features size: got {}, expected {}"


@pytest.mark.parametrize(
    ("visual", "audio", "batch", "start", "sentence"),
    [
        *((FACE, WINDOW, size, 0, BAD_BATCH.format(size)) for size in (0, -1, 26, 2**31 - 1)),
        (0, 0, 0, 0, BAD_BATCH.format(0)),
        (0, WINDOW, 1, 0, BAD_VISUAL.format(0, FACE)),
        (12, WINDOW, 1, 0, BAD_VISUAL.format(12, FACE)),
        (FACE + 1, WINDOW, 1, 0, BAD_VISUAL.format(FACE + 1, FACE)),
        (FACE, WINDOW, 2, 0, BAD_VISUAL.format(FACE, 2 * FACE)),
        (FACE, 0, 1, 0, BAD_AUDIO.format(0, WINDOW)),
        (FACE, WINDOW - 1, 1, 0, BAD_AUDIO.format(WINDOW - 1, WINDOW)),
        (2 * FACE, 3 * WINDOW, 2, 0, BAD_AUDIO.format(3 * WINDOW, f"{WINDOW} or {2 * WINDOW}")),
        (FACE, WINDOW, 1, -1, "Invalid start frame index: -1 (must be 0 or more)"),
        (FACE, WINDOW, 1, -(2**31), "Invalid start frame index: -2147483648 (must be 0 or more)"),
    ],
)
def test_what_does_not_fit_is_named_and_no_error_of_grpc(
    door: OpenDoor,
    house: OpenHouse,
    visual: int,
    audio: int,
    batch: int,
    start: int,
    sentence: str,
) -> None:
    message = encode_batch_request(
        np.zeros(visual, np.float32), np.zeros(audio, np.float32), batch, start
    )
    answer = send(door, message)
    assert (answer.success, answer.error, answer.output.size) == (False, sentence, 0)
    assert house.runs == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["visual batch", "audio window"])
def test_numbers_that_are_none_are_named(
    door: OpenDoor, house: OpenHouse, where: str, value: float
) -> None:
    visual, audio = faces(1, 2), windows(1)[0]
    (visual if where == "visual batch" else audio)[..., 7] = value
    answer = infer(door.main, visual, audio)
    assert not answer.success
    assert answer.error == f"The {where} has values that are NaN or infinite; give finite numbers."
    assert house.runs == []


def test_a_huge_start_changes_nothing(door: OpenDoor) -> None:
    assert painted(infer(door.main, faces(1), windows(2)[0], start_frame_idx=2**31 - 1)) == [3]


GOOD = encode_batch_request(faces(7), windows(20)[0], 1, 0)


def unpacked(number: int, values: Tensor) -> bytes:
    fields = np.empty(values.size, [("tag", "u1"), ("value", "<f4")])
    fields["tag"], fields["value"] = number << 3 | 5, values.ravel()
    return fields.tobytes()


def in_pieces(visual: Tensor) -> bytes:
    return b"".join(
        encode_batch_request(piece, np.empty(0, np.float32), 0, 0)
        for piece in np.array_split(visual.ravel(), 5)
    )


@pytest.mark.parametrize(
    "message",
    [
        unpacked(1, faces(7)) + unpacked(2, windows(20)) + b"\x18\x01",
        in_pieces(faces(7)) + encode_batch_request(np.empty(0, np.float32), windows(20), 1, 0),
        b"\x18\x09" + GOOD + b"\x78\x05",  # an earlier batch size, and a field that is not known
    ],
    ids=["one by one", "in pieces", "in another order"],
)
def test_every_valid_encoding_is_read(door: OpenDoor, message: bytes) -> None:
    assert painted(send(door, message)) == [27]


@pytest.mark.parametrize(
    "message",
    [GOOD[: len(GOOD) // 2], b"\xff" * 40, b"GET / HTTP/1.1\r\n\r\n", b"\x0a\xff\xff\xff\xff\x0f"],
    ids=["half", "garbage", "text", "endless"],
)
@pytest.mark.parametrize("path", [INFER_BATCH.path, INFER_BATCH_COMPOSITE.path])
def test_a_damaged_message_is_an_error_of_grpc(
    door: OpenDoor, house: OpenHouse, path: str, message: bytes
) -> None:
    error = refusal(lambda: raw(door.main, path)(message, timeout=PATIENCE_S))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert details(error).startswith("The message is damaged")
    assert house.runs == []
    assert painted(send(door, GOOD)) == [27]


def test_whatever_comes_is_answered_and_costs_no_inference(
    door: OpenDoor, house: OpenHouse
) -> None:
    floats = st.lists(st.floats(width=32), max_size=6).map(lambda v: np.array(v, np.float32))
    numbers = st.integers(-(2**31), 2**31 - 1)
    requests = st.builds(encode_batch_request, floats, floats, numbers, numbers)

    @settings(max_examples=150)
    @given(st.one_of(st.binary(max_size=60), st.lists(requests, max_size=3).map(b"".join)))
    def send_anything(data: bytes) -> None:
        try:
            answer = send(door, data)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT  # noqa: PT017 - or none
            assert details(error)  # noqa: PT017
        else:
            assert (answer.success, answer.output.size) == (False, 0)
            assert answer.error.startswith("Invalid ")

    send_anything()
    assert house.runs == []
    assert painted(send(door, GOOD)) == [27]


def test_an_empty_message_is_one_without_fields(door: OpenDoor) -> None:
    assert send(door, b"").error == BAD_BATCH.format(0)


def test_a_message_over_the_limit_is_refused(network: PlayedNetwork, tmp_path: Path) -> None:
    config = serving(limits={"message_bytes": len(GOOD)})
    with played_house(network, tmp_path, config=config) as house, open_door(house) as door:
        assert painted(send(door, GOOD)) == [27]
        error = refusal(lambda: send(door, GOOD + b"\x78\x05"))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details(error).endswith(f"larger than max ({len(GOOD) + 2} vs. {len(GOOD)})")
        assert painted(send(door, GOOD)) == [27]
        assert house.frames_run == 2


def test_a_wrong_method_is_told(door: OpenDoor) -> None:
    for path in ("/lipsync.LipSync/Nothing", "/lipsync.Nobody/InferBatch", "/"):
        error = refusal(partial(raw(door.main, path), b"", timeout=PATIENCE_S))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_call_without_a_message_is_told(door: OpenDoor) -> None:
    ask: grpc.StreamUnaryMultiCallable[bytes, bytes] = door.main.stream_unary(INFER_BATCH.path)
    error = refusal(lambda: ask(iter(()), timeout=PATIENCE_S))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "The call came without a message; send one."


def test_a_network_that_fails_on_an_input_fails_for_that_one(
    door: OpenDoor, network: PlayedNetwork
) -> None:
    network.failures = {3: GONE, 4: ZeroDivisionError("who foresees this?")}
    known = refusal(lambda: infer(door.main, faces(1, 3), windows(0)[0]))
    assert (known.code(), known.details()) == (grpc.StatusCode.UNAVAILABLE, str(GONE))
    metadata = (("x-request-id", "number-17"),)
    unknown = refusal(lambda: infer(door.main, faces(4), windows(0)[0], metadata=metadata))
    assert (unknown.code(), unknown.details()) == (
        grpc.StatusCode.INTERNAL,
        "The server failed in a way that was not foreseen; its log has request number-17.",
    )
    assert painted(infer(door.main, faces(5), windows(0)[0])) == [5]


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_health_tells_the_truth(network: PlayedNetwork, tmp_path: Path, device: str) -> None:
    model = identity_generator(tmp_path / "faces.onnx", size=160)
    backend = FakeBackend(network, name="cuda", device=device)
    with open_house(model=model, backend=backend) as house, open_door(house) as door:
        expected = lipsync.HealthResponse(
            healthy=True, model_path=str(model), cuda_available=device == "gpu"
        )
        assert health(door.main, HEALTH) == expected
        assert health(door.main, HEALTH_COMPOSITE) == expected
        assert health(door.composite, HEALTH_COMPOSITE) == expected
        house.desk.admission.drain()
        assert not health(door.main, HEALTH).healthy


@pytest.mark.parametrize("in_halves", [False, True])
def test_everybody_gets_exactly_the_answers_of_his_own_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_halves: bool
) -> None:
    run_in_halves(monkeypatch, tmp_path / "cache", wanted=in_halves)
    model = noisy_generator(tmp_path / "noisy.onnx")
    rng = np.random.default_rng(6)
    sizes = [1 + 5 * client % 9 for client in range(CLIENTS)]
    inputs = [
        (
            rng.random((size, 6, 160, 160), np.float32),
            rng.standard_normal((size, 16, 32, 32)[client % 2 :], np.float32),
        )
        for client, size in enumerate(sizes)
    ]
    features = FeatureOptions(guests=True)
    with Inferencer(model, backend="onnxruntime", threads=1, features=features) as alone:
        assert isinstance(alone.backend, SplitBackend) == in_halves
        expected = [alone.infer_batch(*arrays) for arrays in inputs]
    together = threading.Barrier(CLIENTS, timeout=PATIENCE_S)

    def client(number: int, door: OpenDoor) -> None:
        with channel(door.addresses["grpc"]) as own:
            together.wait()
            for _ in range(3):
                answer = infer(own, *inputs[number])
                assert (answer.success, answer.error) == (True, "")
                np.testing.assert_array_equal(answer.output.reshape(-1, *PICTURE), expected[number])

    with (
        open_house(model=model) as house,
        open_door(house) as door,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        list(clients.map(partial(client, door=door), range(CLIENTS)))
        assert house.frames_run == 3 * sum(sizes)
    # The answers must differ for a mix-up among them to show.
    every = [face.tobytes() for batch in expected for face in batch]
    assert len(set(every)) == sum(sizes)


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one whose generator gives back the faces that it is given."""
    return make_avatar(tmp_path_factory.mktemp("avatars") / "tiny")


def composited(index: int, shade: float) -> NDArray[np.uint8]:
    """Paint an even face into frame `index` of the tiny avatar."""
    frame, face = picture(index), box(index)
    frame[face.y1 + 4 : face.y2 - 4, face.x1 + 4 : face.x2 - 4] = int(shade * 255)
    return frame


@pytest.mark.parametrize(
    ("start", "frames"),
    [(0, [0, 1, 2]), (5, [5, 6, 5]), (9, [3, 2, 1]), (2**31 - 1, [5, 4, 3])],  # of 7, to and fro
)
@pytest.mark.parametrize("port", ["grpc", "composite"])
def test_a_composite_is_the_avatars_frame_with_the_face_in_its_box(
    avatar: Path, port: str, start: int, frames: list[int]
) -> None:
    shades = [0.2, 0.4, 0.6]
    visual = np.stack([np.full((6, 320, 320), shade, np.float32) for shade in shades])
    message = encode_batch_request(visual, np.zeros((32, 16, 16), np.float32), 3, start)
    with open_house(avatar) as house, open_door(house) as door:
        to = door.main if port == "grpc" else door.composite
        data = raw(to, INFER_BATCH_COMPOSITE)(message, timeout=PATIENCE_S)
    answer = lipsync.CompositeBatchResponse.FromString(data)
    assert (answer.success, answer.error) == (True, "")
    assert answer.inference_time_ms > 0
    assert answer.composite_time_ms > 0
    assert answer.total_time_ms >= answer.inference_time_ms + answer.composite_time_ms
    for file, index, shade in zip(answer.composited_frames, frames, shades, strict=True):
        image = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(image, composited(index, shade))


def test_a_bad_composite_is_answered_as_the_contract_has_it(avatar: Path) -> None:
    with open_house(avatar) as house, open_door(house) as door:
        ask = generated(door.composite, INFER_BATCH_COMPOSITE)
        answer = ask(lipsync.CompositeBatchRequest(batch_size=26), timeout=PATIENCE_S)
        assert answer == lipsync.CompositeBatchResponse(error=BAD_BATCH.format(26))


def test_a_bare_network_has_nothing_to_composite_into(door: OpenDoor, house: OpenHouse) -> None:
    data = raw(door.composite, INFER_BATCH_COMPOSITE)(GOOD, timeout=PATIENCE_S)
    assert lipsync.CompositeBatchResponse.FromString(data) == lipsync.CompositeBatchResponse(
        error="This server has no avatar to composite into; start it with one."
    )
    assert house.runs == []


def test_the_address_of_composites_has_no_other_service(door: OpenDoor) -> None:
    error = refusal(lambda: raw(door.composite, INFER_BATCH)(GOOD, timeout=PATIENCE_S))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
