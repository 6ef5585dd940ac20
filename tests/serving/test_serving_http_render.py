"""`POST /v1/render` over real sockets: the video of a file, while it is made."""

from __future__ import annotations

import http.client
import io
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from support.house import TOKENS, open_house, serving
from support.http_service import Service, check_refused, http_service
from support.played_network import PATIENCE_S
from support.sounds import noise, wave_file
from support.tiny_avatar import make_avatar
from viseme.engine import FakeBackend
from viseme.errors import BackendError
from viseme.rendering import RenderOptions
from viseme.serving.clips import ClipSummary
from viseme.serving.doors.http_renders import RenderNotes
from viseme.video import render_file

pytest_plugins = ["support.house_fixtures"]
pytestmark = pytest.mark.usefixtures("no_thread_is_left")

WAV = {"Content-Type": "audio/wav"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    base = tmp_path_factory.mktemp("avatars")
    return [make_avatar(base / "anna"), make_avatar(base / "berta", size=(320, 336))]


def pictures(data: bytes | str) -> list[NDArray[np.uint8]]:
    with av.open(io.BytesIO(data) if isinstance(data, bytes) else data, "r") as container:
        return [
            np.asarray(frame.to_ndarray(format="gray"), np.uint8)
            for frame in container.decode(video=0)
        ]


def sound_of(data: bytes | str) -> NDArray[Any]:
    with av.open(io.BytesIO(data) if isinstance(data, bytes) else data, "r") as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


@pytest.mark.parametrize(("form", "kind"), [("mp4", "video/mp4"), ("webm", "video/webm")])
def test_a_clip_is_the_file_that_render_file_makes(
    service: Service, folders: list[Path], tmp_path: Path, form: str, kind: str
) -> None:
    speech = tmp_path / "speech.wav"
    speech.write_bytes(wave_file(noise(1.2, 48_000), 48_000))
    path = f"/v1/render?format={form}&avatar=berta&start_frame=3"
    answer = service("POST", path, speech.read_bytes(), WAV)
    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    assert len(answer.headers["x-request-id"]) == 32
    out = str(tmp_path / f"a.{form}")
    options = RenderOptions(backend="onnxruntime", start_frame=3)
    render_file(speech, folders[1], out, options)
    ours, theirs = pictures(answer.body), pictures(out)
    assert len(ours) == len(theirs) == 30
    for mine, other in zip(ours, theirs, strict=True):
        # x264 does not give the same bits each time for a picture that is all noise.
        assert np.abs(mine.astype(int) - other).mean() < 1
    heard, expected = sound_of(answer.body), sound_of(out)
    shared = min(heard.shape[1], expected.shape[1])
    assert abs(heard.shape[1] - expected.shape[1]) < 1_920
    np.testing.assert_array_equal(heard[:, :shared], expected[:, :shared])


def test_sound_may_come_in_chunks(service: Service) -> None:
    sound = wave_file(noise(0.4))
    pieces = (sound[start : start + 1_000] for start in range(0, len(sound), 1_000))
    answer = service("POST", "/v1/render", pieces, WAV, chunked=True)
    assert answer.status == 200
    assert len(pictures(answer.body)) == 10


def test_what_a_video_has_no_place_for_is_told_of_it(service: Service) -> None:
    whole = wave_file(noise(1.0))
    answer = service("POST", "/v1/render?start_frame=5", whole[: len(whole) // 2], WAV)
    assert answer.status == 200
    count = len(pictures(answer.body))
    told = service("GET", f"/v1/renders/{answer.headers['x-request-id']}").json
    assert told == {
        "state": "done",
        "avatar": "anna",
        "pictures": count,
        "duration_s": count / 25,
        # Of eleven frames: the video holds the last one to end with its sound.
        "next_frame": (5 + 11) % 12,
        "warnings": ["The sound is cut off: of its 1.00 s, the first 0.50 s are used."],
    }


def test_nobody_is_told_of_the_clips_of_others(folders: list[Path]) -> None:
    with open_house(folders[0], tokens=TOKENS) as house, http_service(house) as service:
        anna, berta = ({"Authorization": f"Bearer {token}"} for token in TOKENS.values())
        asked = {**WAV, **anna, "X-Request-Id": "clip-1"}
        assert service("POST", "/v1/render", wave_file(noise(0.2)), asked).status == 200
        assert service("GET", "/v1/renders/clip-1", headers=anna).json["state"] == "done"
        for path, headers in (("clip-1", berta), ("clip-2", anna)):
            check_refused(
                service("GET", f"/v1/renders/{path}", headers=headers),
                404,
                "No video of yours that has begun is known by that request's id; the last 1000 "
                "are.",
            )


def test_the_oldest_clips_are_forgotten() -> None:
    notes = RenderNotes(kept=2)
    for name in ("first", "second", "first", "third"):
        with notes.of(None, name, "anna") as note:
            note.done(ClipSummary(1, 0.04, 1, ()))
    assert notes.find(None, "second") is None
    for kept in ("first", "third"):
        assert notes.find(None, kept) is not None
        assert notes.find("berta", kept) is None


class HeldBackend:
    """Gives the reference back, and waits after so many frames until it may go on."""

    def __init__(self, free: int) -> None:
        self.free = threading.Semaphore(free)
        self.armed = False
        self.frames = 0
        self.failure: Exception | None = None

    def __call__(self, inputs: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        if self.armed:
            if not self.free.acquire(timeout=PATIENCE_S):
                raise AssertionError("nobody let it go on")
            self.frames += 1
            if self.failure:
                raise self.failure
        return [inputs["input"][:, :3]]


def start(service: Service, seconds: float, path: str = "/v1/render") -> http.client.HTTPConnection:
    connection = service.connect()
    connection.request("POST", path, wave_file(noise(seconds)), {**WAV, "X-Request-Id": "mine"})
    return connection


def check_failed(service: Service, error: str) -> None:
    """See what is told of the clip that `start` has begun."""
    told = service("GET", "/v1/renders/mine")
    assert told.json == {"state": "failed", "avatar": "anna", "error": error}


def test_the_first_bytes_come_before_the_last_frame_is_made(folders: list[Path]) -> None:
    network = HeldBackend(60)
    with open_house(folders[0], backend=FakeBackend(network)) as house:
        network.armed = True
        with http_service(house) as service:
            connection = start(service, 4.0)
            response = connection.getresponse()
            assert response.status == 200
            begun = response.read(10_000)
            assert begun[4:8] == b"ftyp"
            assert network.frames <= 60
            running = service("GET", "/v1/renders/mine")
            assert running.json == {"state": "running", "avatar": "anna"}
            network.free.release(1_000)
            assert len(pictures(begun + response.read())) == 100
            connection.close()


@pytest.mark.parametrize("form", ["mp4", "webm"])
def test_a_client_that_goes_away_ends_its_clip(folders: list[Path], form: str) -> None:
    network = HeldBackend(100)
    with open_house(folders[0], backend=FakeBackend(network)) as house:
        network.armed = True
        with http_service(house) as service:
            house.cast.avatar("anna").frame(0)  # starts its thread, which stays
            threads = threading.active_count()
            connection = start(service, 60.0, f"/v1/render?format={form}")
            response = connection.getresponse()
            assert response.read(1_000)
            assert house.desk.admission.held.clips == 1
            response.close()
            connection.close()
            while not house.desk.admission.wait_until_idle(0.1):
                network.free.release()  # what is at work cannot be broken off
            assert house.desk.admission.held == (0, 0, 0, 0, 0)
            assert network.frames < 300
            spare = [t for t in threading.enumerate() if not t.name.startswith("viseme-http_")]
            assert len(spare) <= threads
            check_failed(service, "The client hung up before the end of the video.")


def test_what_fails_on_the_way_is_broken_off(folders: list[Path]) -> None:
    network = HeldBackend(60)
    with open_house(folders[0], backend=FakeBackend(network)) as house:
        network.armed = True
        with http_service(house) as service:
            connection = start(service, 60.0)
            response = connection.getresponse()
            assert response.status == 200
            network.failure = BackendError("The device is gone; start again.")
            network.free.release(1_000)
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                response.read()
            connection.close()
            assert house.desk.admission.wait_until_idle(PATIENCE_S)
            check_failed(service, "The device is gone; start again.")
            network.failure = None
            assert service("POST", "/v1/render", wave_file(noise(0.2)), WAV).status == 200


def test_what_fails_at_the_beginning_is_told(folders: list[Path]) -> None:
    network = HeldBackend(1_000)
    with open_house(folders[0], backend=FakeBackend(network)) as house:
        network.armed = True
        network.failure = BackendError("The device is gone; start again.")
        with http_service(house) as service:
            answer = service("POST", "/v1/render", wave_file(noise(1.0)), WAV)
            check_refused(answer, 503, "The device is gone; start again.")


def test_a_server_that_ends_breaks_a_clip_off(folders: list[Path]) -> None:
    network = HeldBackend(60)
    with open_house(folders[0], backend=FakeBackend(network)) as house:
        network.armed = True
        with http_service(house) as service:
            connection = start(service, 60.0)
            response = connection.getresponse()
            closing = threading.Thread(target=service.door.close, args=[0])
            closing.start()
            network.free.release(100_000)
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                response.read()
            connection.close()
            closing.join(PATIENCE_S)
            assert not closing.is_alive()
        assert house.desk.admission.held == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("avatar=clara", 404, "There is no avatar 'clara' here; there are: anna, berta."),
        ("avatar=../anna", 404, "There is no avatar '../anna' here; there are: anna, berta."),
        ("format=avi", 400, "There is no format 'avi'; there are: mp4, webm."),
        ("format=", 400, "There is no format ''; there are: mp4, webm."),
        (
            "voice=1",
            400,
            "There is no parameter 'voice'; there are: avatar, format, start_frame.",
        ),
        (
            "start_frame=-1",
            400,
            "start_frame is '-1'; it must be a whole number from 0 to 4294967295.",
        ),
        (
            "start_frame=4294967296",
            400,
            "start_frame is '4294967296'; it must be a whole number from 0 to 4294967295.",
        ),
        (
            "start_frame=%D9%A3",
            400,
            "start_frame is '\u0663'; it must be a whole number from 0 to 4294967295.",
        ),
    ],
)
def test_what_is_asked_for_wrongly(
    service: Service, query: str, status: int, sentence: str
) -> None:
    check_refused(
        service("POST", f"/v1/render?{query}", wave_file(noise(0.2)), WAV), status, sentence
    )


@pytest.mark.parametrize(
    ("sound", "start"),
    [
        (b"", "The sound cannot be decoded, it is no sound or its header is damaged: "),
        (b"garbage" * 100, "The sound cannot be decoded, it is no sound or its header is "),
        (wave_file(noise(0.0)), "The sound has no sound that can be decoded: "),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "The sound cannot be decoded, "),
    ],
)
def test_what_is_no_sound(service: Service, sound: bytes, start: str) -> None:
    answer = service("POST", "/v1/render", sound, WAV)
    check_refused(answer, 400, answer.json["error"])
    assert answer.json["error"].startswith(start)


@pytest.mark.parametrize("kind", [None, "application/json", "text/plain", "image/png"])
def test_a_body_of_another_type(service: Service, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    found = f"is {kind!r}" if kind else "does not say what it is"
    check_refused(
        service("POST", "/v1/render", wave_file(noise(0.2)), headers),
        415,
        f"The body {found}; send Content-Type audio/* or video/* or application/ogg or "
        "application/octet-stream, and a body that is that.",
    )


def test_limits_of_clips(folders: list[Path]) -> None:
    limits = {"clips": 1, "clip_s": 2.0, "message_bytes": 100_000}
    with (
        open_house(folders[0], config=serving(limits=limits)) as house,
        http_service(house) as service,
    ):
        check_refused(
            service("POST", "/v1/render", wave_file(noise(2.5)), WAV),
            400,
            "The sound is 2.5 s long, which is more than 2 s, the most that is rendered as one "
            "clip; send it in parts.",
        )
        too_large = (b"x" * 10_000 for _ in range(11))
        check_refused(
            service("POST", "/v1/render", too_large, WAV, chunked=True),
            413,
            "The body is larger than 100000 bytes, the most that is taken; send less at once.",
        )
        with house.desk.admission.request(clips=1):
            answer = service("POST", "/v1/render", wave_file(noise(0.2)), WAV)
            check_refused(
                answer, 429, "The server is busy: 1 of 1 clips are taken; try again in 1 s."
            )
            assert answer.headers["retry-after"] == "1"
        assert service("POST", "/v1/render", wave_file(noise(0.2)), WAV).status == 200
