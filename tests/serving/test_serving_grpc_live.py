"""Live over gRPC: clients read what the session gives, and no stream outlives its call."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest

from support.grpc_client import channel, details, open_door, refusal, trailers, until
from support.house import OpenHouse, open_house, serving
from support.live_call import BREAK_IN, END, HELLO, PIXELS, RAW, Talk, pictures_of, sound
from support.played_network import GONE, PATIENCE_S
from support.probes import window_painter
from support.speech import assert_same_pictures, babble, ping_pong, whole
from support.tiny_avatar import SIZE, make_avatar
from viseme.audio import Latency, lookahead_samples
from viseme.engine import FakeBackend, Tensor
from viseme.serving.doors.grpc_v1 import v1_handlers
from viseme.serving.live import SOUND_AHEAD_S
from viseme.wire.messages import v1
from viseme.wire.services import LIVE

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An avatar whose every picture shows what it heard."""
    return make_avatar(tmp_path_factory.mktemp("avatars") / "painter", generator=window_painter)


@contextmanager
def served(painter: Path, **limits: float) -> Iterator[tuple[OpenHouse, grpc.Channel]]:
    """Serve with limits of one's own."""
    with open_house(painter, config=serving(limits=limits)) as house:
        house.cast.avatar("painter").frame(0)
        with open_door(house, services=[v1_handlers]) as door:
            yield house, door.main


@pytest.fixture(scope="module")
def house(painter: Path) -> Iterator[OpenHouse]:
    with open_house(painter) as house:
        house.cast.avatar("painter").frame(0)
        yield house


@pytest.fixture
def main(house: OpenHouse) -> Iterator[grpc.Channel]:
    with open_door(house, services=[v1_handlers]) as door:
        yield door.main


def in_bytes(to: grpc.Channel) -> grpc.StreamStreamMultiCallable[bytes, bytes]:
    """Give the call for messages that are bytes."""
    return to.stream_stream(LIVE.path)


def is_empty(house: OpenHouse) -> bool:
    return not any(house.desk.admission.held)


def test_a_stream_of_video(main: grpc.Channel, painter: Path) -> None:
    speech = babble(0.6)
    hello = v1.LiveHello(raw=RAW, video=v1.LiveVideo())
    with Talk(main, v1.LiveRequest(hello=hello)) as talk:
        ready = talk.read().ready
        assert (ready.media_type, ready.codec[:5]) == ("video/h264", "avc1.")
        talk.say(sound(speech))
        talk.hang_up()
        pictures = pictures_of(list(talk.answers))
    assert [picture.key_frame for picture in pictures] == [True] + [False] * (len(pictures) - 1)
    assert len(pictures) == len(whole(painter, speech))
    assert pictures[0].data.startswith(b"\0\0\0\1")


def test_pictures_fit_in_the_size_that_is_wanted(main: grpc.Channel) -> None:
    hello = v1.LiveHello(raw=RAW, size=v1.PictureSize(width=SIZE[0] // 2))
    with Talk(main, v1.LiveRequest(hello=hello)) as talk:
        ready = talk.read().ready
        assert (ready.width, ready.height) == (SIZE[0] // 2, SIZE[1] // 2)
        talk.say(sound(babble(0.6)))
        talk.hang_up()
        for picture in pictures_of(list(talk.answers)):
            shown = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
            assert shown is not None
            assert shown.shape[:2] == (ready.height, ready.width)


def test_the_avatar_lives_while_nobody_speaks(main: grpc.Channel) -> None:
    speech = babble(0.6)
    hello = v1.LiveHello(raw=RAW, video=v1.LiveVideo(), rest=True)
    with Talk(main, v1.LiveRequest(hello=hello)) as talk:
        talk.read()
        resting = [talk.read().picture for _ in range(12)]
        assert {(p.duration_samples, p.start_sample) for p in resting} == {(0, 0)}
        assert [p.key_frame for p in resting] == [True] + [False] * 11
        talk.say(v1.LiveRequest(key_frame=v1.KeyFrame()))
        following = [talk.read().picture for _ in range(30)]
        # By themselves they are 50 apart.
        assert sum(picture.key_frame for picture in following) == 1
        talk.say(sound(speech), END)
        told = [*until_ended(talk)]
        spoken = [p.start_sample for p in told if p.duration_samples]
        assert spoken == [640 * number for number in range(len(spoken))]
        assert len(spoken) >= 14
        resting = [talk.read().picture]
        assert {(p.duration_samples, p.start_sample) for p in resting} == {(0, len(speech))}
        talk.hang_up()
        assert not any(p.duration_samples for p in pictures_of(list(talk.answers)))


def test_an_interrupt_does_not_wait_for_sound_that_was_sent_far_ahead(main: grpc.Channel) -> None:
    second = babble(1.0)
    hello = v1.LiveHello(raw=RAW, rest=True)
    with Talk(main, v1.LiveRequest(hello=hello)) as talk:
        talk.read()
        for _ in range(SOUND_AHEAD_S + 15):  # more than is taken before it is spoken
            talk.say(*map(sound, np.split(second, 25)))
        while not talk.read().picture.duration_samples:
            pass
        talk.say(BREAK_IN)
        pictures = 0
        while (answer := talk.read()).WhichOneof("message") == "picture":
            pictures += 1
        assert answer.interrupted.next_sample == (SOUND_AHEAD_S + 15) * len(second)
        # It would be spoken for a quarter of a minute before the last of it is taken.
        assert pictures < 5 * 25


def until_ended(talk: Talk) -> Iterator[v1.LivePicture]:
    """Give the pictures until the speech has ended."""
    while (answer := talk.read()).WhichOneof("message") == "picture":
        yield answer.picture
    assert answer.WhichOneof("message") == "speech_ended"


def test_pictures_come_sooner_where_that_is_wanted(main: grpc.Channel, painter: Path) -> None:
    speech = babble(0.8)
    hello = v1.LiveHello(raw=RAW, pictures=PIXELS, latency=v1.LATENCY_LOW)
    with Talk(main, v1.LiveRequest(hello=hello)) as talk:
        lookahead = talk.read().ready.lookahead_samples
        assert lookahead == lookahead_samples(16_000, Latency.LOW)
        talk.say(sound(speech[:lookahead]))
        first = talk.read()  # it waits for no more
        talk.say(sound(speech[lookahead:]))
        talk.hang_up()
        pictures = pictures_of([first, *talk.answers])
    assert_same_pictures(pictures, whole(painter, speech, latency=Latency.LOW))


def test_a_conversation(house: OpenHouse, main: grpc.Channel, painter: Path) -> None:
    first, second, third = (babble(0.6, 22_050, seed) for seed in (1, 2, 3))
    raw = v1.RawSound(rate_hz=22_050, channels=1, format=v1.SAMPLE_FORMAT_S16)
    hello = v1.LiveHello(avatar="painter", raw=raw, pictures=PIXELS, start_frame=9)
    with Talk(main, v1.LiveRequest(hello=hello)) as talk:
        assert talk.read() == v1.LiveResponse(
            ready=v1.LiveReady(
                avatar="painter",
                width=400,
                height=360,
                frame_rate_hz=25.0,
                lookahead_samples=lookahead_samples(22_050),
                media_type="application/octet-stream",
                idle_timeout_s=30.0,
                sound_rate_hz=22_050,
            )
        )
        expected = whole(painter, first, 22_050, start_frame=9)
        talk.say(*map(sound, np.array_split(first, 30)), END)
        shown = pictures_of([talk.read() for _ in expected])
        assert_same_pictures(shown, expected)
        count = len(shown)
        assert talk.read().speech_ended == v1.SpeechEnded(next_sample=len(first), next_index=count)
        assert [p.start_sample for p in shown] == [882 * number for number in range(count)]
        assert {picture.duration_samples for picture in shown} == {882}

        talk.say(sound(second), BREAK_IN)
        heard = len(first) + len(second)
        while not (answer := talk.read()).HasField("interrupted"):
            shown.append(answer.picture)
        assert answer.interrupted == v1.Interrupted(next_sample=heard, next_index=len(shown))

        talk.say(sound(third))
        talk.hang_up()
        rest = pictures_of(list(talk.answers))
        assert_same_pictures(rest, whole(painter, third, 22_050, start_frame=9 + len(shown)))
        assert rest[0].start_sample == heard
        shown += rest
        assert [picture.index for picture in shown] == list(range(len(shown)))
        assert [picture.avatar_frame for picture in shown] == ping_pong(9, len(shown))
        assert talk.answers.code() is grpc.StatusCode.OK
    until(lambda: is_empty(house))


@pytest.mark.parametrize(
    ("pictures", "media_type", "signature"),
    [
        (v1.PictureOutput(), "image/jpeg", b"\xff\xd8\xff"),
        (
            v1.PictureOutput(format=v1.PICTURE_FORMAT_JPEG, jpeg_quality=5),
            "image/jpeg",
            b"\xff\xd8",
        ),
        (v1.PictureOutput(format=v1.PICTURE_FORMAT_PNG), "image/png", b"\x89PNG"),
    ],
)
def test_pictures_come_as_files(
    main: grpc.Channel, pictures: v1.PictureOutput, media_type: str, signature: bytes
) -> None:
    hello = v1.LiveRequest(hello=v1.LiveHello(raw=RAW, pictures=pictures))
    with Talk(main, hello, sound(babble(0.1))) as talk:
        talk.hang_up()
        ready, *rest = talk.answers
    assert ready.ready.media_type == media_type
    for picture in pictures_of(rest):
        assert picture.data.startswith(signature)
        image = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (360, 400, 3)


def test_who_asks_is_told_that_pictures_are_late(painter: Path) -> None:
    is_slow = False

    def network(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        if is_slow:
            time.sleep(0.06 * len(inputs["input"]))  # and a frame is due every 0.04 s
        return [inputs["input"][:, :3]]

    late_samples = 1_600
    asks = v1.LiveHello(raw=RAW, pictures=PIXELS, behind_samples=late_samples)
    speech = sound(babble(1.0))
    with (
        open_house(painter, backend=FakeBackend(network)) as house,
        open_door(house, services=[v1_handlers]) as door,
    ):
        is_slow = True
        with Talk(door.main, v1.LiveRequest(hello=asks), speech) as talk:
            talk.hang_up()
            told = list(talk.answers)
        with Talk(door.main, HELLO, speech) as talk:
            talk.hang_up()
            assert not any(answer.HasField("notice") for answer in talk.answers)
    at = [number for number, answer in enumerate(told) if answer.HasField("notice")]
    assert 1 <= len(at) < 5  # and not before each of the pictures that are late
    notice, picture = told[at[0]].notice, told[at[0] + 1].picture
    assert notice.kind == v1.NOTICE_KIND_BEHIND
    assert notice.late_samples >= late_samples
    assert notice.sample == picture.start_sample
    assert notice.text == (
        f"Pictures come {notice.late_samples / 16_000:.2f} s later than they are due, since the "
        "server has too much to do; play that much later, or start another call elsewhere."
    )
    shown = pictures_of(told)
    assert [picture.index for picture in shown] == list(range(len(shown)))


def test_a_call_without_a_sound(main: grpc.Channel) -> None:
    with Talk(main, HELLO, END, sound(babble(0))) as talk:
        talk.hang_up()
        kinds = [answer.WhichOneof("message") for answer in talk.answers]
        assert kinds == ["ready", "speech_ended"]


FIRST = "A call of Live begins with `hello`; send it before anything else."
UNKNOWN_FORMAT = v1.RawSound(rate_hz=8000, format=9)  # type: ignore[arg-type]
REFUSED = {
    "nothing": ([], "INVALID_ARGUMENT", FIRST),
    "sound first": ([sound(babble(0.1)), HELLO], "INVALID_ARGUMENT", FIRST),
    "an empty message first": ([v1.LiveRequest()], "INVALID_ARGUMENT", FIRST),
    "two hellos": (
        [HELLO, sound(babble(0.1)), HELLO],
        "INVALID_ARGUMENT",
        "A second `hello` has come; start another call for it.",
    ),
    "an empty message": (
        [HELLO, v1.LiveRequest()],
        "INVALID_ARGUMENT",
        "A message has neither sound nor anything else that is known here; send one of `sound`, "
        "`say`, `interrupt`, `end_of_speech` and `key_frame`.",
    ),
    "half a sample": (
        [HELLO, v1.LiveRequest(sound=bytes(33))],
        "INVALID_ARGUMENT",
        "The sound has 33 bytes, and 1 channel of S16 have 2 bytes a sample; send whole samples.",
    ),
    "nobody": (
        [v1.LiveRequest(hello=v1.LiveHello(avatar="nobody", raw=RAW))],
        "NOT_FOUND",
        "There is no avatar 'nobody' here; there are: painter.",
    ),
    "no raw": (
        [v1.LiveRequest(hello=v1.LiveHello())],
        "INVALID_ARGUMENT",
        "The hello has no `raw`; say there what the rate, the channels and the format of the sound "
        "are.",
    ),
    "no rate": (
        [v1.LiveRequest(hello=v1.LiveHello(raw=v1.RawSound()))],
        "INVALID_ARGUMENT",
        "The sound's rate is 0 Hz, which must be from 1000 to 4000000.",
    ),
    "an unknown format": (
        [v1.LiveRequest(hello=v1.LiveHello(raw=UNKNOWN_FORMAT))],
        "INVALID_ARGUMENT",
        "The sample format 9 is not known here, only 0 to 4; choose one of these.",
    ),
    "an unknown latency": (
        [v1.LiveRequest(hello=v1.LiveHello(raw=RAW, latency=9))],  # type: ignore[arg-type]
        "INVALID_ARGUMENT",
        "The latency 9 is not known here, only 0 to 2; choose one of these.",
    ),
    "an unknown way for the sound back": (
        [v1.LiveRequest(hello=v1.LiveHello(raw=RAW, sound_back=9))],  # type: ignore[arg-type]
        "INVALID_ARGUMENT",
        "The way for the sound back 9 is not known here, only 0 to 3; choose one of these.",
    ),
    "an unknown codec": (
        [v1.LiveRequest(hello=v1.LiveHello(raw=RAW, video=v1.LiveVideo(codec=9)))],  # type: ignore[arg-type]
        "INVALID_ARGUMENT",
        "The codec 9 is not known here, only 0 to 3; choose one of these.",
    ),
    "a size that no picture has": (
        [v1.LiveRequest(hello=v1.LiveHello(raw=RAW, size=v1.PictureSize(height=3)))],
        "INVALID_ARGUMENT",
        "The wanted size has a side of 3 pixels, which must be from 16 to 16384; leave `size` out "
        "for the avatar's own.",
    ),
    "a quality too good": (
        [v1.LiveRequest(hello=v1.LiveHello(raw=RAW, pictures=v1.PictureOutput(jpeg_quality=101)))],
        "INVALID_ARGUMENT",
        "The JPEG quality is 101, which must be from 1 to 100; leave it out for 90.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused(house: OpenHouse, main: grpc.Channel, case: str) -> None:
    messages, status, text = REFUSED[case]
    with Talk(main, *messages) as talk:
        if case == "nothing":
            talk.hang_up()
        error = refusal(lambda: list(talk.answers))
    assert (error.code().name, details(error)) == (status, text)
    until(lambda: is_empty(house))


def test_a_message_that_is_damaged_ends_the_call(house: OpenHouse, main: grpc.Channel) -> None:
    def messages() -> Iterator[bytes]:
        yield HELLO.SerializeToString()
        yield b"\xff\xff"

    error = refusal(lambda: list(in_bytes(main)(messages(), timeout=PATIENCE_S)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error) == (
        "The message is no viseme.v1.LiveRequest, or damaged; encode it by the server's proto."
    )
    until(lambda: is_empty(house))


@pytest.mark.parametrize("messages", [[], [HELLO], [HELLO, sound(babble(2.0))]])
def test_a_client_that_goes_leaves_nothing_behind(
    house: OpenHouse, main: grpc.Channel, messages: list[v1.LiveRequest]
) -> None:
    with Talk(main, *messages) as talk:
        for _ in messages:
            talk.read()
    until(lambda: is_empty(house))
    assert house.cast.generator("painter").scheduler.waiting == 0


def test_a_connection_that_breaks_leaves_nothing_behind(painter: Path) -> None:
    with open_house(painter) as house:
        house.cast.avatar("painter").frame(0)
        with open_door(house, services=[v1_handlers]) as door:
            other = channel(door.addresses["grpc"])
            talk = Talk(other, HELLO, sound(babble(2.0)))
            talk.read()
            talk.read()
            assert house.desk.admission.held.streams == 1
            other.close()
            until(lambda: is_empty(house))
            talk.hang_up()


def test_a_deadline_that_passes_ends_the_call(house: OpenHouse, main: grpc.Channel) -> None:
    with Talk(main, HELLO, timeout_s=0.5) as talk:
        talk.read()
        error = refusal(talk.read)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: is_empty(house))


def test_a_client_that_says_nothing_is_told_so(painter: Path) -> None:
    with served(painter, stall_s=0.5) as (house, main):
        with Talk(main) as talk:
            error = refusal(talk.read)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert details(error) == "No hello has come for 0.5 s; send it first."
        with Talk(main, HELLO, sound(babble(0.5))) as talk:
            error = refusal(lambda: list(talk.answers))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert details(error) == (
            "Nothing has come or gone for 0.5 s; send silence as sound too, or begin again when "
            "there is speech."
        )
        until(lambda: is_empty(house))


def test_a_client_that_does_not_read_is_slowed_and_then_dropped(painter: Path) -> None:
    asked = 0
    all_s = 4_000

    def messages() -> Iterator[bytes]:
        nonlocal asked
        yield HELLO.SerializeToString()
        second = sound(babble(1.0)).SerializeToString()
        for _ in range(all_s):
            asked += 1
            yield second

    with served(painter, stall_s=1.0) as (house, main):
        talk = in_bytes(main)(messages(), timeout=PATIENCE_S)
        until(lambda: house.desk.admission.held.streams == 1)
        until(lambda: is_empty(house))
        # What the connection holds is gRPC's to choose, and some megabytes.
        assert house.frames_run < 100
        assert asked < all_s
        assert refusal(lambda: list(talk)).code() in {
            grpc.StatusCode.CANCELLED,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        }


def test_a_network_that_fails_is_told_of_though_the_client_is_silent(painter: Path) -> None:
    is_broken = False

    def network(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        if is_broken:
            raise GONE
        return [inputs["input"][:, :3]]

    with (
        open_house(painter, backend=FakeBackend(network)) as house,
        open_door(house, services=[v1_handlers]) as door,
    ):
        house.cast.avatar("painter").frame(0)
        is_broken = True
        with Talk(door.main, HELLO, sound(babble(1.0))) as talk:
            talk.read()
            error = refusal(talk.read)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert details(error) == str(GONE)
        until(lambda: is_empty(house))


def test_streams_are_limited(painter: Path) -> None:
    with served(painter, streams=1) as (house, main), Talk(main, HELLO) as talk:
        talk.read()
        with Talk(main, HELLO) as other:
            error = refusal(other.read)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details(error) == (
            "The server is busy: 1 of 1 live streams are taken; try again in 1 s."
        )
        assert trailers(error)["retry-after"] == "1"
        talk.hang_up()
        assert list(talk.answers) == []
        until(lambda: is_empty(house))
        with Talk(main, HELLO) as again:
            assert again.read().HasField("ready")


def test_a_server_that_ends_tells_those_who_speak(painter: Path) -> None:
    with served(painter) as (house, main), Talk(main, HELLO) as talk:
        talk.read()
        house.desk.admission.drain()
        assert talk.read().notice == v1.LiveNotice(
            kind=v1.NOTICE_KIND_CLOSING,
            text="The server is stopping; start another call, on another server or later.",
        )
        error = refusal(talk.read)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert details(error) == "The server is stopping; send the request to another, or later."
        until(lambda: is_empty(house))


def test_a_server_that_ends_lets_a_speech_be_finished(painter: Path) -> None:
    speech = babble(1.0)
    with served(painter) as (house, main), Talk(main, HELLO, sound(speech[:12_000])) as talk:
        answers = [talk.read(), talk.read()]
        house.desk.admission.drain()
        talk.say(sound(speech[12_000:]))
        talk.hang_up()
        answers += talk.answers
        assert_same_pictures(pictures_of(answers), whole(painter, speech))
        assert sum(answer.HasField("notice") for answer in answers) == 1
        assert talk.answers.code() is grpc.StatusCode.OK
