"""Avatars and clips of `viseme.v1` over gRPC: what is rendered is what a file would be."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import av
import cv2
import grpc
import numpy as np
import pytest

from support.grpc_client import details, generated, open_door, refusal, trailers, until
from support.house import OpenHouse, open_house, serving
from support.played_network import PATIENCE_S
from support.probes import identity_generator, window_painter
from support.sounds import wave_file
from support.speech import assert_same_pictures, babble, ping_pong, whole
from support.tiny_avatar import make_avatar
from viseme.serving.doors.grpc_v1 import v1_handlers
from viseme.wire.messages import v1
from viseme.wire.services import GET_AVATAR, LIST_AVATARS, RENDER

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

CLIP_S, MESSAGE_BYTES = 3.0, 2_000_000
PIXELS = v1.PictureOutput(format=v1.PICTURE_FORMAT_BGR)
RAW = v1.RawSound(rate_hz=16_000)
SPEECH = babble(0.8)
SPEECH_FILE = wave_file(SPEECH[:, None])


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An avatar whose every picture shows what it heard."""
    return make_avatar(tmp_path_factory.mktemp("avatars") / "painter", generator=window_painter)


@pytest.fixture(scope="module")
def house(painter: Path) -> Iterator[OpenHouse]:
    other = make_avatar(painter.parent / "anna", size=(401, 361))
    limits = {
        "clip_s": CLIP_S,
        "message_bytes": MESSAGE_BYTES,
        "request_bytes": 2**22,
        "clips": 1,
        "stall_s": 2.0,
    }
    with open_house(painter, other, config=serving(limits=limits)) as house:
        for avatar in house.cast.avatars:
            avatar.frame(0)
        yield house


@pytest.fixture
def main(house: OpenHouse) -> Iterator[grpc.Channel]:
    with open_door(house, services=[v1_handlers]) as door:
        yield door.main


class Rendering(Protocol):
    """A call of `Render`; of gRPC's own type there is no public name."""

    def __iter__(self) -> Iterator[v1.RenderResponse]: ...
    def __next__(self) -> v1.RenderResponse: ...
    def cancel(self) -> bool | None: ...


def render(
    to: grpc.Channel, requests: Iterable[v1.RenderRequest], timeout_s: float = PATIENCE_S
) -> Rendering:
    start = to.stream_stream(
        RENDER.path,
        request_serializer=RENDER.request.SerializeToString,
        response_deserializer=RENDER.response.FromString,
    )
    return start(iter(requests), timeout=timeout_s)


def asked(
    sound: bytes, start: v1.RenderStart | None = None, *, cuts: Iterable[int] = ()
) -> list[v1.RenderRequest]:
    """Make the messages of a clip, the sound cut at some places."""
    places = [0, *cuts, len(sound)]
    pieces = [sound[one:other] for one, other in itertools.pairwise(places)]
    messages = [v1.RenderRequest(sound=piece) for piece in pieces]
    messages[0].start.CopyFrom(start or v1.RenderStart())
    return messages


def kinds_of(answers: list[v1.RenderResponse]) -> list[str | None]:
    return [answer.WhichOneof("message") for answer in answers]


def pictures_of(answers: list[v1.RenderResponse]) -> list[v1.Picture]:
    return [answer.picture for answer in answers if answer.HasField("picture")]


def is_empty(house: OpenHouse) -> bool:
    return not any(house.desk.admission.held)


def test_all_avatars_are_described_in_order(main: grpc.Channel) -> None:
    answer = generated(main, LIST_AVATARS)(v1.ListAvatarsRequest(), timeout=PATIENCE_S)
    assert [avatar.name for avatar in answer.avatars] == ["painter", "anna"]
    assert answer.avatars[1] == v1.Avatar(
        name="anna", title="Tiny", width=401, height=361, frame_rate_hz=25.0, frame_count=7
    )
    get = generated(main, GET_AVATAR)
    assert get(v1.GetAvatarRequest(name="anna"), timeout=PATIENCE_S) == answer.avatars[1]


@pytest.mark.parametrize("name", ["", "nobody", "../anna", "/etc/passwd"])
def test_an_avatar_that_is_not_there(main: grpc.Channel, name: str) -> None:
    get = generated(main, GET_AVATAR)
    error = refusal(lambda: get(v1.GetAvatarRequest(name=name), timeout=PATIENCE_S))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert details(error) == f"There is no avatar {name!r} here; there are: painter, anna."


def test_a_bare_network_has_no_avatars(tmp_path: Path) -> None:
    model = identity_generator(tmp_path / "bare.onnx")
    with open_house(model=model) as house, open_door(house, services=[v1_handlers]) as door:
        listed = generated(door.main, LIST_AVATARS)(v1.ListAvatarsRequest(), timeout=PATIENCE_S)
        assert listed == v1.ListAvatarsResponse()
        error = refusal(lambda: list(render(door.main, asked(SPEECH_FILE))))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert details(error) == "This server has no avatar that could speak; start it with one."


@pytest.mark.parametrize(
    ("container", "media_type"),
    [
        (v1.CONTAINER_UNSPECIFIED, "video/mp4"),
        (v1.CONTAINER_MP4, "video/mp4"),
        (v1.CONTAINER_WEBM, "video/webm"),
    ],
)
def test_a_video_is_a_header_pieces_and_a_summary(
    main: grpc.Channel, container: v1.Container, media_type: str
) -> None:
    video = v1.VideoOutput(container=container)
    start = v1.RenderStart(avatar="anna", video=video) if container else v1.RenderStart()
    name, width, height = ("anna", 402, 362) if container else ("painter", 400, 360)
    answers = list(render(main, asked(SPEECH_FILE, start, cuts=(0, 3, 20, 9_000))))
    assert kinds_of(answers) == ["header", *["video"] * (len(answers) - 2), "summary"]
    assert answers[0].header == v1.RenderHeader(
        width=width, height=height, frame_rate_hz=25.0, media_type=media_type, avatar=name
    )
    assert max(len(answer.video) for answer in answers) <= 2**18
    file = io.BytesIO(b"".join(answer.video for answer in answers[1:-1]))
    with av.open(file, "r") as container_file:
        frames = list(container_file.decode(video=0))
    assert (frames[0].width, frames[0].height) == (width, height)
    summary = answers[-1].summary
    assert summary.pictures == len(frames) == 20
    assert summary.duration_s == 0.8
    assert list(summary.warnings) == []


@pytest.mark.parametrize("cuts", [(), (0, 0), (1, 2, 3, 45, 46, 1_001, 20_000)])
@pytest.mark.parametrize("raw", [None, RAW])
def test_pictures_are_those_of_the_sound_as_a_whole(
    main: grpc.Channel, painter: Path, raw: v1.RawSound | None, cuts: tuple[int, ...]
) -> None:
    start = v1.RenderStart(raw=raw, pictures=PIXELS, start_frame=5)
    sound = SPEECH.tobytes() if raw else SPEECH_FILE
    answers = list(render(main, asked(sound, start, cuts=cuts)))
    expected = whole(painter, SPEECH, start_frame=5)
    pictures = pictures_of(answers)
    count = len(expected)
    assert kinds_of(answers) == ["header", *["picture"] * count, "summary"]
    assert answers[0].header.media_type == "application/octet-stream"
    assert_same_pictures(pictures, expected)
    assert [picture.index for picture in pictures] == list(range(count))
    assert [picture.time_s for picture in pictures] == [number / 25 for number in range(count)]
    assert [picture.avatar_frame for picture in pictures] == ping_pong(5, count)
    assert answers[-1].summary == v1.RenderSummary(
        pictures=count, duration_s=count / 25, next_frame=(5 + count) % 12
    )


@pytest.mark.parametrize(
    ("pictures", "media_type"),
    [
        (v1.PictureOutput(), "image/jpeg"),
        (v1.PictureOutput(format=v1.PICTURE_FORMAT_JPEG, jpeg_quality=10), "image/jpeg"),
        (v1.PictureOutput(format=v1.PICTURE_FORMAT_PNG), "image/png"),
    ],
)
def test_pictures_may_be_files(
    main: grpc.Channel, pictures: v1.PictureOutput, media_type: str
) -> None:
    answers = list(render(main, asked(SPEECH_FILE, v1.RenderStart(pictures=pictures))))
    assert answers[0].header.media_type == media_type
    for picture in pictures_of(answers):
        image = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (360, 400, 3)


def test_clips_join_without_a_jump(main: grpc.Channel) -> None:
    shown: list[int] = []
    next_frame = 2**32 - 1
    for _ in range(3):
        start = v1.RenderStart(pictures=PIXELS, start_frame=next_frame)
        answers = list(render(main, asked(SPEECH_FILE, start)))
        shown += [picture.avatar_frame for picture in pictures_of(answers)]
        next_frame = answers[-1].summary.next_frame
    assert shown == ping_pong((2**32 - 1) % 12, len(shown))


def test_many_channels_at_any_rate(main: grpc.Channel, painter: Path) -> None:
    sound = np.repeat(babble(0.3, 8_000)[:, None], 16, axis=1)
    raw = v1.RawSound(rate_hz=8_000, channels=16, format=v1.SAMPLE_FORMAT_S16)
    start = v1.RenderStart(raw=raw, pictures=PIXELS)
    answers = list(render(main, asked(sound.tobytes(), start)))
    assert_same_pictures(pictures_of(answers), whole(painter, sound, 8_000))


def test_what_was_passed_over_is_told(main: grpc.Channel) -> None:
    start = v1.RenderStart(pictures=PIXELS)
    summary = list(render(main, asked(SPEECH_FILE[:16_044], start)))[-1].summary
    assert list(summary.warnings) == [
        "The sound is cut off: of its 0.80 s, the first 0.50 s are used."
    ]


TOO_LARGE = (
    "The sound is larger than 2000000 bytes, the most that is taken for one clip; send it in "
    "parts, or compressed."
)
START = (
    "A call of Render begins with `start`; send it in the first message, with or before the sound."
)
UNKNOWN_OUTPUT = v1.PictureOutput(format=7)  # type: ignore[arg-type]
REFUSED = {
    "nothing": ([], START),
    "no start": ([v1.RenderRequest(sound=SPEECH_FILE)], START),
    "two starts": (
        [*asked(SPEECH_FILE), *asked(SPEECH_FILE)],
        "A second `start` has come; start another call for it.",
    ),
    "no sound": (
        asked(b""),
        "The sound cannot be decoded, it is no sound or its header is damaged: give a WAV, FLAC, "
        "MP3, M4A, Ogg or WebM file, or a video with sound.",
    ),
    "no samples": (
        asked(b"", v1.RenderStart(raw=RAW)),
        "The sound has no sound that can be decoded: record or export it again.",
    ),
    "too long": (
        asked(wave_file(babble(3.1)[:, None])),
        "The sound is 3.1 s long, which is more than 3 s, the most that is rendered as one clip; "
        "send it in parts.",
    ),
    "too long, which is not stated": (
        asked(bytes(100_000), v1.RenderStart(raw=RAW, pictures=PIXELS)),
        "The sound is longer than 3 s, the most that is rendered as one clip; send it in parts.",
    ),
    "too large": (asked(bytes(2_500_000), v1.RenderStart(raw=RAW), cuts=(1_250_000,)), TOO_LARGE),
    "an unknown format": (
        asked(SPEECH_FILE, v1.RenderStart(pictures=UNKNOWN_OUTPUT)),
        "The picture format 7 is not known here, only 0 to 3; choose one of these.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused(house: OpenHouse, main: grpc.Channel, case: str) -> None:
    requests, text = REFUSED[case]
    error = refusal(lambda: list(render(main, requests)))
    assert (error.code(), details(error)) == (grpc.StatusCode.INVALID_ARGUMENT, text)
    until(lambda: is_empty(house))


def test_an_unknown_avatar_is_refused(main: grpc.Channel) -> None:
    error = refusal(lambda: list(render(main, asked(b"", v1.RenderStart(avatar="nobody")))))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert details(error) == "There is no avatar 'nobody' here; there are: painter, anna."


def test_clips_are_limited_and_a_client_that_goes_makes_room(
    house: OpenHouse, main: grpc.Channel
) -> None:
    long = asked(wave_file(babble(2.9)[:, None]), v1.RenderStart(pictures=PIXELS))
    first = render(main, long)
    assert next(first).HasField("header")
    error = refusal(lambda: list(render(main, long)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(error) == "The server is busy: 1 of 1 clips are taken; try again in 1 s."
    assert trailers(error)["retry-after"] == "1"
    first.cancel()
    until(lambda: is_empty(house))
    assert house.cast.generator("painter").scheduler.waiting == 0
    assert next(render(main, long)).HasField("header")


def test_a_client_that_goes_while_it_sends_leaves_nothing_behind(
    house: OpenHouse, main: grpc.Channel
) -> None:
    gone = threading.Event()

    def requests() -> Iterator[v1.RenderRequest]:
        yield asked(SPEECH_FILE[:10_000])[0]
        assert gone.wait(PATIENCE_S)

    call = render(main, requests())
    until(lambda: house.desk.admission.held.clips == 1)
    call.cancel()
    until(lambda: is_empty(house))
    gone.set()


def test_a_client_that_does_not_read_is_dropped(house: OpenHouse, main: grpc.Channel) -> None:
    before = house.frames_run
    call = render(main, asked(wave_file(babble(2.9)[:, None]), v1.RenderStart(pictures=PIXELS)))
    until(lambda: house.desk.admission.held.clips == 1)
    until(lambda: is_empty(house))
    assert house.frames_run - before < 70
    assert refusal(lambda: list(call)).code() is grpc.StatusCode.CANCELLED


def test_a_deadline_that_passes_ends_the_call(house: OpenHouse, main: grpc.Channel) -> None:
    def requests() -> Iterator[v1.RenderRequest]:
        yield asked(SPEECH_FILE[:10_000])[0]
        until(lambda: is_empty(house))

    error = refusal(lambda: list(render(main, requests(), timeout_s=0.5)))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: is_empty(house))


def test_a_server_that_ends_finishes_a_clip_and_begins_no_other(painter: Path) -> None:
    with open_house(painter) as house:
        house.cast.avatar("painter").frame(0)
        with open_door(house, services=[v1_handlers]) as door:
            call = render(door.main, asked(SPEECH_FILE))
            assert next(call).HasField("header")
            house.desk.admission.drain()
            assert list(call)[-1].HasField("summary")
            error = refusal(lambda: list(render(door.main, asked(SPEECH_FILE))))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert details(error) == "The server is stopping; send the request to another, or later."
