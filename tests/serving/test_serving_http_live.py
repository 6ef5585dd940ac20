"""`/v1/live` over real sockets, with a WebSocket client that is not ours."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from support.house import TOKENS, open_house, serving
from support.http_service import Service, http_service
from support.live_socket import HELLO, RATE_HZ, SOUND, Picture, line, talk
from support.played_network import PATIENCE_S
from support.probes import window_painter
from support.speech import babble, whole
from support.tiny_avatar import SIZE, make_avatar
from viseme.audio import Latency, lookahead_samples
from viseme.serving.live import SOUND_AHEAD_S
from viseme.video.live_encoder import LiveCodec, codec_string

pytest_plugins = ["support.house_fixtures"]
pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("avatars") / "painter"
    return [make_avatar(folder, generator=window_painter)]


def test_what_is_said_first(service: Service) -> None:
    with line(service) as socket:
        socket.say(**HELLO)
        assert socket.next() == {
            "type": "ready",
            "version": 1,
            "avatar": "painter",
            "width": SIZE[0],
            "height": SIZE[1],
            "frame_rate_hz": 25,
            "lookahead_samples": lookahead_samples(RATE_HZ),
            "media_type": "video/h264",
            "codec": codec_string(LiveCodec.H264, *SIZE),
            "idle_timeout_s": 30.0,
            "voices": [],
            "text_characters": 0,
            "sound_rate_hz": RATE_HZ,
            "sound_skip_samples": 0,
        }


@pytest.mark.parametrize("sample_format", ["s16", "f32"])
def test_pictures_are_those_of_the_sound(
    service: Service, folders: list[Path], sample_format: str
) -> None:
    sound = babble(1.0)
    sent = sound if sample_format == "s16" else (sound / np.float32(2**15)).astype("<f4")
    wanted = {"sound": {**SOUND, "format": sample_format}, "codec": "jpeg", "start_frame": 4}
    with talk(service, **wanted) as socket:
        for piece in np.array_split(sent, 9):
            socket.push(piece)
        socket.say(type="end")
        pictures, ended = socket.until("ended")
    expected = whole(folders[0], sound, start_frame=4)
    assert ended == {"type": "ended", "next_sample": 16_000, "next_index": len(expected)}
    assert [(p.kind, p.flags, p.reserved) for p in pictures] == [(1, 1, 0)] * len(expected)
    assert [(p.number, p.start, p.duration) for p in pictures] == [
        (number, 640 * number, 640) for number in range(len(expected))
    ]
    for picture, pixels in zip(pictures, expected, strict=True):
        shown = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
        wanted_picture = np.frombuffer(pixels, np.uint8).reshape(SIZE[1], SIZE[0], 3)
        packed = cv2.imencode(".jpeg", wanted_picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        again = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        assert shown is not None
        assert again is not None
        assert np.abs(shown.astype(int) - again).mean() < 1


def test_pictures_come_sooner_where_that_is_wanted(service: Service, folders: list[Path]) -> None:
    sound = babble(1.0)
    with line(service) as socket:
        socket.say(**HELLO, codec="jpeg", latency="low")
        ready = socket.next()
        assert isinstance(ready, dict)
        lookahead = ready["lookahead_samples"]
        assert lookahead == lookahead_samples(RATE_HZ, Latency.LOW) < lookahead_samples(RATE_HZ) / 3
        sent = 0
        for number in range(4):  # no more sound is sent before the picture has come
            until = 640 * number + lookahead
            socket.push(sound[sent:until])
            sent = until
            picture = socket.next()
            assert isinstance(picture, Picture)
            assert picture.start == 640 * number
        socket.push(sound[sent:])
        socket.say(type="end")
        rest, _ = socket.until("ended")
    assert 4 + len(rest) == len(whole(folders[0], sound))


@pytest.mark.parametrize("codec", ["h264", "vp8", "vp9"])
def test_a_stream_can_be_decoded_and_begins_anew_after_an_interrupt(
    service: Service, codec: str
) -> None:
    sound = babble(0.6)
    with talk(service, codec=codec) as socket:
        socket.push(sound)
        first = socket.next()
        assert isinstance(first, Picture)
        socket.say(type="interrupt")
        before, interrupted = socket.until("interrupted")
        assert interrupted["next_sample"] == len(sound)
        # What was taken back of those that were numbered is missing.
        assert interrupted["next_index"] >= 1 + len(before)
        socket.push(sound)
        socket.say(type="end")
        after, _ = socket.until("ended")
    assert after[0].start == len(sound)
    assert [picture.is_key for picture in after] == [True] + [False] * (len(after) - 1)
    decoder: Any = av.CodecContext.create(codec, "r")
    packets = [av.Packet(picture.data) for picture in after]
    assert sum(len(decoder.decode(packet)) for packet in (*packets, None)) == len(after)


def test_the_avatar_lives_while_nobody_speaks(service: Service) -> None:
    sound = babble(0.6)
    with talk(service, codec="jpeg", rest=True) as socket:
        start_s = time.monotonic()
        resting = [socket.next() for _ in range(12)]
        # A machine that is busy may take longer, none may hurry.
        assert time.monotonic() - start_s > 0.4
        before = service.house.frames_run
        assert all(isinstance(p, Picture) and p.at_rest and p.start == 0 for p in resting)
        socket.push(sound)
        socket.say(type="end")
        pictures, _ = socket.until("ended")
        spoken = [picture for picture in pictures if not picture.at_rest]
        assert [picture.start for picture in spoken] == [640 * i for i in range(len(spoken))]
        assert service.house.frames_run - before == len(spoken)  # none is predicted at rest
        following = socket.next()
        assert isinstance(following, Picture)
        assert following.at_rest
        assert following.start == len(sound)
        everything = [*resting, *pictures, following]
        assert [p.number for p in everything if isinstance(p, Picture)] == list(
            range(len(everything))
        )


def test_an_interrupt_does_not_wait_for_sound_that_was_sent_far_ahead(service: Service) -> None:
    second = babble(1.0)
    with talk(service, codec="jpeg", rest=True) as socket:
        for _ in range(SOUND_AHEAD_S + 15):  # more than is taken before it is spoken
            for piece in np.split(second, 25):
                socket.push(piece)
        while isinstance(first := socket.next(), Picture) and first.at_rest:
            pass
        socket.say(type="ping")
        socket.say(type="interrupt")
        before, pong = socket.until("pong")
        assert pong["id"] == 0
        more, interrupted = socket.until("interrupted")
        assert interrupted["next_sample"] == (SOUND_AHEAD_S + 15) * len(second)
        # It would be spoken for a quarter of a minute before the last of it is taken.
        assert len(before) + len(more) < 5 * 25
        after = socket.next()
        assert isinstance(after, Picture)
        assert after.at_rest


def test_a_ping_tells_how_the_server_is(service: Service) -> None:
    with talk(service) as socket:
        socket.say(type="ping", id=41)
        pong = socket.next()
    assert isinstance(pong, dict)
    assert (pong["type"], pong["id"], pong["live_streams"]) == ("pong", 41, 1)
    assert pong["live_streams_free"] >= 0


BAD: dict[str, tuple[list[str | bytes], str, str]] = {
    "sound before the hello": (
        [b"\0\0"],
        "INVALID_ARGUMENT",
        "A live session begins with `hello`; send it before anything else.",
    ),
    "another word before it": (
        ['{"type": "end"}'],
        "INVALID_ARGUMENT",
        "A live session begins with `hello`; send it before anything else.",
    ),
    "no JSON": (["{"], "INVALID_ARGUMENT", "A text message cannot be understood"),
    "an unknown word": (
        ['{"type": "dance"}'],
        "INVALID_ARGUMENT",
        "A text message cannot be understood",
    ),
    "another version": (
        [json.dumps({**HELLO, "version": 2})],
        "INVALID_ARGUMENT",
        "The hello is of version 2; this server speaks 1.",
    ),
    "no rate": (
        [json.dumps({**HELLO, "sound": {}})],
        "INVALID_ARGUMENT",
        "A text message cannot be understood ('sound.rate_hz': field required)",
    ),
    "a rate that no sound has": (
        [json.dumps({**HELLO, "sound": {"rate_hz": 5}})],
        "INVALID_ARGUMENT",
        "The sound's rate is 5 Hz, which must be from 1000 to 4000000.",
    ),
    "a codec that nobody knows": (
        [json.dumps({**HELLO, "codec": "av3"})],
        "INVALID_ARGUMENT",
        "A text message cannot be understood ('codec'",
    ),
    "a latency that nobody knows": (
        [json.dumps({**HELLO, "latency": "none"})],
        "INVALID_ARGUMENT",
        "A text message cannot be understood ('latency': input should be 'exact' or 'low'); "
        "docs/live.md has what can be said.",
    ),
    "sound back in another way": (
        [json.dumps({**HELLO, "sound_back": "mp3"})],
        "INVALID_ARGUMENT",
        "A text message cannot be understood ('sound_back'",
    ),
    "nothing to say": (
        [json.dumps(HELLO), '{"type": "say"}'],
        "INVALID_ARGUMENT",
        "A text message cannot be understood ('text': field required)",
    ),
    "something unknown in the hello": (
        [json.dumps({**HELLO, "odd": 1})],
        "INVALID_ARGUMENT",
        "A text message cannot be understood ('odd'",
    ),
    "an avatar that is not there": (
        [json.dumps({**HELLO, "avatar": "nobody"})],
        "NOT_FOUND",
        "There is no avatar 'nobody'",
    ),
    "two hellos": (
        [json.dumps(HELLO), json.dumps(HELLO)],
        "INVALID_ARGUMENT",
        "A second `hello` has come; open another socket for it.",
    ),
    "half a sample": ([json.dumps(HELLO), b"\0\0\0"], "INVALID_ARGUMENT", "The sound"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_before_the_socket_is_closed(service: Service, case: str) -> None:
    messages, code, sentence = BAD[case]
    with line(service) as socket:
        for message in messages:
            socket.connection.send(message)
        error = socket.next()
        if isinstance(error, dict) and error["type"] == "ready":
            error = socket.next()
        assert isinstance(error, dict)
        assert (error["type"], error["code"]) == ("error", code)
        assert error["message"].startswith(sentence)
        assert socket.closing_code() == 1008
    check_empty(service)


def test_an_avatar_that_is_gone(tmp_path: Path) -> None:
    """It is said at once, not when more sound comes, or the end."""
    folder = make_avatar(tmp_path / "painter", generator=window_painter)
    with open_house(folder) as house, http_service(house) as service:
        shutil.rmtree(folder)
        with talk(service) as socket:
            socket.push(babble(0.6))
            error = socket.next()
            assert isinstance(error, dict)
            assert (error["type"], error["code"]) == ("error", "NOT_FOUND")
            assert error["message"].startswith("frames/000000.png cannot be read")
            assert socket.closing_code() == 1008
        check_empty(service)


def check_empty(service: Service) -> None:
    """See that nothing is held any more."""
    deadline_s = time.monotonic() + PATIENCE_S
    while any(service.house.desk.admission.held):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.mark.parametrize("size", [2**20 + 2, 100_000_000])
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_message_that_is_too_long(service: Service, size: int, is_whole: bool) -> None:
    message = bytes(size)
    pieces = (message[start : start + 2**18] for start in range(0, size, 2**18))
    with talk(service) as socket:
        with suppress(ConnectionClosed):  # while it is being sent
            socket.connection.send(message if is_whole else pieces)
        error = socket.next()
        assert error == {
            "type": "error",
            "code": "INVALID_ARGUMENT",
            "message": "A message has more than 1048576 bytes; send sound in shorter pieces.",
        }
        assert socket.closing_code() == 1009
    check_empty(service)


@pytest.mark.parametrize(
    ("sent", "is_masked", "sentence", "code"),
    [
        (Frame(Opcode.TEXT, b"\xff"), True, "A text message is not UTF-8", 1007),
        (Frame(Opcode.BINARY, b""), False, "What has come cannot be read", 1002),
    ],
)
def test_what_is_no_message(
    service: Service, sent: Frame, is_masked: bool, sentence: str, code: int
) -> None:
    with talk(service) as socket:
        socket.connection.socket.sendall(sent.serialize(mask=is_masked))
        error = socket.next()
        assert isinstance(error, dict)
        assert error["message"].startswith(sentence)
        assert socket.closing_code() == code
    check_empty(service)


def test_clients_that_vanish_free_everything(service: Service) -> None:
    with talk(service, rest=True) as socket:
        socket.push(babble(2.0))
        socket.connection.socket.close()
    check_empty(service)


def test_other_pages_may_not(service: Service) -> None:
    own = f"http://{service.address.host}:{service.address.port}"
    with line(service, origin=own) as socket:
        socket.say(**HELLO)
        assert isinstance(socket.next(), dict)
    with line(service, origin="https://evil.example") as socket:
        assert socket.next() == {
            "type": "error",
            "code": "PERMISSION_DENIED",
            "message": "Pages of https://evil.example may not talk to this server; "
            "its operator can name them in cors.origins.",
        }
        assert socket.closing_code() == 1008


def test_pages_that_are_named_may(folders: list[Path]) -> None:
    config = serving(cors={"origins": ["https://good.example"]})
    with (
        open_house(*folders, config=config) as house,
        http_service(house) as service,
        line(service, origin="https://good.example") as socket,
    ):
        socket.say(**HELLO)
        assert isinstance(socket.next(), dict)


def test_tokens_work_for_sockets_too(folders: list[Path]) -> None:
    with open_house(*folders, tokens=TOKENS) as house, http_service(house) as service:
        with talk(service, token=TOKENS["anna"]):
            assert house.desk.admission.held.streams == 1
        with line(service) as socket:
            socket.say(**{**HELLO, "token": "wrong"})
            error = socket.next()
            assert isinstance(error, dict)
            assert error["code"] == "UNAUTHENTICATED"
            assert socket.closing_code() == 1008


def test_a_server_that_is_full_says_so(folders: list[Path]) -> None:
    config = serving(limits={"streams": 1})
    with (
        open_house(*folders, config=config) as house,
        http_service(house) as service,
        talk(service),
        line(service) as second,
    ):
        second.say(**HELLO)
        error = second.next()
        assert isinstance(error, dict)
        assert error["code"] == "RESOURCE_EXHAUSTED"
        assert error["retry_after_s"] > 0
        assert second.closing_code() == 1013


def test_silence_is_not_waited_for_for_ever(folders: list[Path]) -> None:
    config = serving(limits={"stall_s": 1})
    with open_house(*folders, config=config) as house, http_service(house) as service:
        with line(service) as socket:
            error = socket.next()
            assert isinstance(error, dict)
            assert error["message"].startswith("No hello has come for 1 s")
        with talk(service) as socket:
            error = socket.next()
            assert isinstance(error, dict)
            assert (error["code"], socket.closing_code()) == ("DEADLINE_EXCEEDED", 1008)


def test_a_server_that_ends_says_so(folders: list[Path]) -> None:
    with open_house(*folders) as house, http_service(house) as service, talk(service) as socket:
        house.desk.admission.drain()
        closing, error = socket.next(), socket.next()
        assert isinstance(closing, dict)
        assert isinstance(error, dict)
        assert (closing["type"], error["code"]) == ("closing", "UNAVAILABLE")
        assert socket.closing_code() == 1013
