"""`POST /batch` over real sockets: exact answers, and a sentence for whatever is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support.house import OpenHouse, open_house, played_house, serving
from support.http_service import Answer, Service, check_refused, http_service
from support.played_network import (
    AUDIO,
    GONE,
    PATIENCE_S,
    PICTURE,
    VISUAL,
    PlayedNetwork,
    faces,
    windows,
)
from support.probes import painted_window, window_painter

pytest_plugins = ["support.house_fixtures"]
pytestmark = pytest.mark.usefixtures("no_thread_is_left")

JSON = {"Content-Type": "application/json"}
FACE, WINDOW = 6 * 160 * 160, 16 * 32 * 32  # of the smaller family: JSON is slow to write
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenHouse]:
    model = window_painter(tmp_path_factory.mktemp("model") / "painter.onnx", size=160)
    config = serving(limits={"message_bytes": 60_000_000})
    with open_house(model=model, config=config) as house:
        yield house


def batch(service: Service, visual: Floats, audio: Floats, size: int, **fields: Any) -> Answer:
    asked = {
        "visual_frames": visual.reshape(-1).tolist(),
        "audio_features": audio.reshape(-1).tolist(),
        "batch_size": size,
        "start_frame_idx": 0,
        **fields,
    }
    return service("POST", "/batch", json.dumps(asked).encode(), JSON)


def check_refused_batch(answer: Answer, status: int, sentence: str) -> None:
    check_refused(answer, status, sentence)
    told = answer.json
    assert (told["success"], told["output_frames"]) == (False, [])
    assert told["inference_time_ms"] == 0


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("shared", [True, False])
def test_each_frame_hears_its_window_exactly(service: Service, size: int, shared: bool) -> None:
    rng = np.random.default_rng(size)
    visual = np.zeros((size, *VISUAL), np.float32)
    audio = rng.random((1 if shared else size, *AUDIO), dtype=np.float32)
    answer = batch(service, visual, audio, size)
    assert answer.status == 200
    assert list(answer.json) == ["output_frames", "inference_time_ms", "success"]
    assert answer.json["success"] is True
    assert answer.json["inference_time_ms"] > 0
    output = np.array(answer.json["output_frames"], np.float32).reshape(size, *PICTURE)
    for index, picture in enumerate(output):
        expected = audio[0 if shared else index]
        np.testing.assert_array_equal(painted_window(picture, AUDIO), expected)


def test_many_at_once_get_their_own_answers(service: Service) -> None:
    def ask(number: int) -> None:
        audio = np.random.default_rng(number).random(AUDIO, dtype=np.float32)
        answer = batch(service, np.zeros(FACE, np.float32), audio, 1)
        output = np.array(answer.json["output_frames"], np.float32).reshape(PICTURE)
        np.testing.assert_array_equal(painted_window(output, AUDIO), audio)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(16)))


def test_a_body_in_chunks_is_read_too(service: Service) -> None:
    body = json.dumps({"batch_size": 26}).encode()
    answer = service("POST", "/batch", iter([body[:4], body[4:]]), JSON, chunked=True)
    check_refused_batch(answer, 400, "Invalid batch size: 26 (must be 1-25)")


ZEROS = np.zeros(FACE, np.float32)
SILENCE = np.zeros(WINDOW, np.float32)


@pytest.mark.parametrize(
    ("visual", "audio", "fields", "sentence"),
    [
        (ZEROS, SILENCE, {"batch_size": 0}, "Invalid batch size: 0 (must be 1-25)"),
        (ZEROS, SILENCE, {"batch_size": -1}, "Invalid batch size: -1 (must be 1-25)"),
        (ZEROS, SILENCE, {"batch_size": 26}, "Invalid batch size: 26 (must be 1-25)"),
        (
            ZEROS,
            SILENCE,
            {"batch_size": 2**31 - 1},
            "Invalid batch size: 2147483647 (must be 1-25)",
        ),
        (
            ZEROS[:12],
            SILENCE,
            {},
            "Invalid visual frames size: got 12, expected 153600",
        ),
        (
            np.zeros(FACE + 1, np.float32),
            SILENCE,
            {},
            "Invalid visual frames size: got 153601, expected 153600",
        ),
        (
            ZEROS,
            SILENCE[:-1],
            {},
            "Invalid audio features size: got 16383, expected 16384",
        ),
        (
            ZEROS,
            SILENCE,
            {"start_frame_idx": -5},
            "Invalid start frame index: -5 (must be 0 or more)",
        ),
        (ZEROS, SILENCE, {"batch_size": None}, "batch_size is not a whole number; send it as one."),
    ],
)
def test_what_does_not_fit_is_named(
    service: Service, visual: Floats, audio: Floats, fields: Mapping[str, Any], sentence: str
) -> None:
    check_refused_batch(batch(service, visual, audio, 1, **fields), 400, sentence)


@pytest.mark.parametrize("field", ["visual_frames", "audio_features"])
def test_numbers_that_are_none(service: Service, field: str) -> None:
    values = [0.0] * (FACE if field == "visual_frames" else WINDOW)
    values[7] = 1e300  # infinite as float32
    answer = batch(service, ZEROS, SILENCE, 1, **{field: values})
    assert answer.status == 400
    assert "finite" in answer.json["error"]
    values[7] = float("nan")
    answer = batch(service, ZEROS, SILENCE, 1, **{field: values})
    check_refused_batch(
        answer,
        400,
        "A long list has 'NaN' in it; send numbers alone, and for JSON neither NaN nor infinity "
        "is one.",
    )


@pytest.mark.parametrize(
    ("body", "start"),
    [
        (b"", "The body is not valid JSON: "),
        (b"{}", "Invalid batch size: 0 (must be 1-25)"),
        (b'{"batch_size": 1', "The body is not valid JSON: "),
        (b"\0\1\2", "The body is not valid JSON: "),
        (b"[" * 1_000_000, "The body has much besides flat lists of numbers; "),
        (b'{"x":' * 100_000, "The body has much besides flat lists of numbers; "),
    ],
)
def test_what_is_no_batch(service: Service, body: bytes, start: str) -> None:
    answer = service("POST", "/batch", body, JSON)
    check_refused_batch(answer, 400, answer.json["error"])
    assert answer.json["error"].startswith(start)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, "does not say what it is"),
        ({"Content-Type": "text/plain"}, "is 'text/plain'"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "is 'application/x-www-form-url"),
        ({"Content-Type": "json"}, "is 'json'"),
        ({"Content-Type": "x" * 500}, f"is '{'x' * 60}'"),
    ],
)
def test_a_body_of_another_type(service: Service, headers: Mapping[str, str], found: str) -> None:
    answer = service("POST", "/batch", b"{}", headers)
    check_refused_batch(answer, 415, answer.json["error"])
    assert answer.json["error"].startswith(f"The body {found}")
    assert answer.json["error"].endswith(
        "; send Content-Type application/json, and a body that is that."
    )


def test_json_may_say_its_characters(service: Service) -> None:
    answer = service("POST", "/batch", b"{}", {"Content-Type": "Application/JSON; charset=utf-8"})
    assert answer.status == 400


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(tmp_path: Path, chunked: bool) -> None:
    model = window_painter(tmp_path / "painter.onnx", size=160)
    config = serving(limits={"message_bytes": 100_000})
    with open_house(model=model, config=config) as house, http_service(house) as service:
        body = [b" " * 50_000] * 3
        answer = service(
            "POST",
            "/batch",
            iter(body) if chunked else b"".join(body),
            JSON,
            chunked=chunked,
        )
        check_refused_batch(
            answer,
            413,
            "The body is larger than 100000 bytes, the most that is taken; send less at once.",
        )
        assert house.desk.admission.held.request_bytes == 0


def test_a_length_that_is_too_large_is_refused_before_the_body(service: Service) -> None:
    head = b"POST /batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with service.line() as line:
        line.sendall(head + b"Content-Length: 60000001\r\n\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("limits", "start"),
    [
        ({"frames": 1}, "The request is for 2 frames at once, and 1 is the most that is let in; "),
        (
            {"request_bytes": 500_000, "message_bytes": 500_000},
            "The body is larger than 500000 bytes, the most that is taken; ",
        ),
    ],
)
def test_what_could_never_be_let_in(tmp_path: Path, limits: Mapping[str, int], start: str) -> None:
    model = window_painter(tmp_path / "painter.onnx", size=160)
    with (
        open_house(model=model, config=serving(limits=limits)) as house,
        http_service(house) as service,
    ):
        answer = batch(service, np.zeros((2, FACE), np.float32), SILENCE, 2)
        assert answer.json["error"].startswith(start)
        assert house.desk.admission.held == (0, 0, 0, 0, 0)


def test_frames_that_do_not_fit_now(service: Service, house: OpenHouse) -> None:
    with house.desk.admission.request(frames=512):
        answer = batch(service, ZEROS, SILENCE, 1)
    check_refused_batch(
        answer, 429, "The server is busy: 512 of 512 frames are taken; try again in 1 s."
    )
    assert answer.headers["retry-after"] == "1"
    assert batch(service, ZEROS, SILENCE, 1).status == 200


def test_an_error_of_the_network_is_this_requests_own(tmp_path: Path) -> None:
    network = PlayedNetwork()
    network.failures[7] = GONE
    with played_house(network, tmp_path) as house, http_service(house) as service:
        check_refused_batch(batch(service, faces(7), windows(0), 1), 503, str(GONE))
        assert batch(service, faces(8), windows(0), 1).status == 200


def test_an_error_that_nobody_foresaw_is_not_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = PlayedNetwork()
    network.failures[7] = RuntimeError("secret")
    with played_house(network, tmp_path) as house, http_service(house) as service:
        answer = batch(service, faces(7), windows(0), 1)
    number = answer.headers["x-request-id"]
    check_refused_batch(
        answer,
        500,
        f"The server failed in a way that was not foreseen; its log has request {number}.",
    )
    assert any(getattr(record, "request_id", "") == number for record in caplog.records)


def test_a_client_that_goes_away_costs_no_more_frames(tmp_path: Path) -> None:
    network = PlayedNetwork()
    with played_house(network, tmp_path) as house, http_service(house) as service:
        network.hold()
        asked = {
            "visual_frames": faces(1, 2, 3, 4).reshape(-1).tolist(),
            "audio_features": windows(0).reshape(-1).tolist(),
            "batch_size": 4,
        }
        connection = service.connect()
        connection.request("POST", "/batch", json.dumps(asked), JSON)
        network.wait_until_begun()
        connection.close()
        assert house.desk.admission.wait_until_idle(PATIENCE_S)
        network.let_go()
        assert batch(service, faces(9), windows(0), 1).status == 200
    assert network.seen == [1, 9]
