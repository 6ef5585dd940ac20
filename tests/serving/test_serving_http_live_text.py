"""Texts on `/v1/live`: their sound and its pictures come as if the client had sent the sound."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from support.house import open_house
from support.http_service import Service, http_service
from support.live_socket import RATE_HZ, Picture, Socket, talk
from support.played_network import PATIENCE_S
from support.probes import window_painter
from support.speech import babble
from support.spoken import Endless, Speak, as_speaker, babbler, sound_of
from support.tiny_avatar import make_avatar
from viseme.audio import Samples
from viseme.errors import VoiceError
from viseme.voices import Speaker, Stop, find_speaker

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

SOUND = 2


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_avatar(tmp_path_factory.mktemp("avatars") / "painter", generator=window_painter)


@contextmanager
def speaking(avatar: Path, speaker: Speaker | Speak | None) -> Iterator[Service]:
    """Serve an avatar whose texts are said by a speaker, or a function of a test's."""
    with (
        open_house(avatar, speaker=as_speaker(speaker)) as house,
        http_service(house) as service,
    ):
        house.cast.avatar("painter").frame(0)
        yield service


class Told(list[Picture | dict[str, Any]]):
    """All that came up to a word."""

    @property
    def sounds(self) -> list[Picture]:
        return [each for each in self if isinstance(each, Picture) and each.kind == SOUND]

    @property
    def pictures(self) -> list[Picture]:
        return [each for each in self if isinstance(each, Picture) and each.kind != SOUND]

    @property
    def words(self) -> list[dict[str, Any]]:
        return [each for each in self if isinstance(each, dict)]

    @property
    def samples(self) -> NDArray[np.int16]:
        return np.frombuffer(b"".join(sound.data for sound in self.sounds), "<i2")


def told(socket: Socket, kind: str) -> Told:
    found = Told()
    while not found.words or found.words[-1]["type"] != kind:
        found.append(socket.next())
        assert not found.words or found.words[-1]["type"] not in {"error"} - {kind}
    return found


def pixels(picture: Picture) -> NDArray[np.int64]:
    image = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.int64)


def test_a_text_is_heard_and_seen(avatar: Path) -> None:
    text = "Type a sentence."
    expected = sound_of(text)
    with speaking(avatar, babbler) as service:
        with talk(service, codec="jpeg") as socket:
            assert socket.ready["voices"] == ["deep", "high"]
            assert socket.ready["text_characters"] == 40
            assert socket.ready["sound_rate_hz"] == RATE_HZ
            socket.say(type="say", text=f"  {text}\n")
            said = told(socket, "ended")
        with talk(service, codec="jpeg") as socket:
            socket.push(expected)
            socket.say(type="end")
            pushed = told(socket, "ended")
    assert said[0] == {"type": "saying", "start_sample": 0, "voice": "deep"}
    assert said.words[-1] == pushed.words[-1]
    assert np.array_equal(said.samples, expected)
    places = [(each.number, each.flags, each.start, each.duration) for each in said.sounds]
    starts = np.cumsum([0, *(len(each.data) // 2 for each in said.sounds)])
    assert places == [
        (number, 0, starts[number], len(each.data) // 2) for number, each in enumerate(said.sounds)
    ]
    # The same pictures as of the same sound of a client's.
    assert [picture[:6] for picture in said.pictures] == [each[:6] for each in pushed.pictures]
    for one, other in zip(said.pictures, pushed.pictures, strict=True):
        assert np.abs(pixels(one) - pixels(other)).mean() < 1
    # Nobody sees what he could not hear.
    heard = 0
    for each in said:
        if isinstance(each, Picture) and each.kind == SOUND:
            heard = each.start + each.duration
        elif isinstance(each, Picture):
            assert each.start + each.duration <= heard


def test_texts_wait_for_each_other_and_sound_may_follow(avatar: Path) -> None:
    with speaking(avatar, babbler) as service, talk(service, codec="jpeg") as socket:
        sound = babble(0.5)
        socket.push(sound)
        socket.say(type="say", text="one two", voice="high")  # ends what was being said
        socket.say(type="say", text="three")
        first, second = told(socket, "ended"), told(socket, "ended")
        socket.push(sound)
        socket.say(type="end")
        last = told(socket, "ended")
    place = len(sound)
    assert first.words[0] == {"type": "saying", "start_sample": place, "voice": "high"}
    assert [picture.start for picture in first.pictures if picture.start < place]
    assert min(picture.start for picture in first.pictures if picture.start >= place) == place
    place += len(sound_of("one two"))
    assert first.words[-1]["next_sample"] == place
    assert second.words[0] == {"type": "saying", "start_sample": place, "voice": "deep"}
    assert np.array_equal(second.samples, sound_of("three"))
    place += len(sound_of("three"))
    assert second.words[-1]["next_sample"] == place
    assert last.pictures[0].start == place
    assert last.words[-1]["next_sample"] == place + len(sound)
    numbers = [each.number for part in (first, second, last) for each in part.pictures]
    assert numbers == list(range(len(numbers)))
    numbers = [each.number for part in (first, second) for each in part.sounds]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_it_speaks_at_the_clients_rate(avatar: Path, rate_hz: int) -> None:
    text = "At another rate."
    with (
        speaking(avatar, babbler) as service,
        talk(service, sound={"rate_hz": rate_hz, "channels": 2}) as socket,
    ):
        assert socket.ready["sound_rate_hz"] == rate_hz
        socket.say(type="say", text=text)
        said = told(socket, "ended")
    samples = said.samples
    assert len(samples) == pytest.approx(rate_hz * len(text) / 10, abs=2)
    assert said.words[-1]["next_sample"] == len(samples)
    assert max(sound.duration for sound in said.sounds) <= rate_hz // 10


def test_opus_packets_are_the_same_sound(avatar: Path) -> None:
    hum = np.sin(2 * np.pi * np.cumsum(np.linspace(200, 600, RATE_HZ)) / RATE_HZ)
    loud = (0.3 * hum).astype(np.float32)
    with (
        speaking(avatar, lambda text, voice, stop: [loud]) as service,
        talk(service, sound_back="opus") as socket,
    ):
        skip = socket.ready["sound_skip_samples"]
        assert socket.ready["sound_rate_hz"] == 48_000
        socket.say(type="say", text="hum")
        said = told(socket, "ended")
        socket.say(type="say", text="again")
        again = told(socket, "ended")
    assert said.words[-1]["next_sample"] == len(loud)
    assert again.sounds[0].start == len(loud)
    assert again.sounds[0].number == len(said.sounds)
    ends = [sound.start + sound.duration for sound in said.sounds]
    assert [sound.start for sound in said.sounds] == [0, *ends[:-1]]
    assert ends[-1] == len(loud)
    for part in (said, again):
        decoder: Any = av.CodecContext.create("libopus", "r")
        decoder.sample_rate, decoder.layout = 48_000, "mono"
        frames = [frame for each in part.sounds for frame in decoder.decode(av.Packet(each.data))]
        heard = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
        heard = heard[skip:][::3][: len(loud)] / 32768
        assert np.corrcoef(heard[800:-800], loud[800 : len(heard) - 800])[0, 1] > 0.99


def test_who_wants_no_sound_gets_none(avatar: Path) -> None:
    with speaking(avatar, babbler) as service, talk(service, sound_back="none") as socket:
        socket.say(type="say", text="only to be seen")
        said = told(socket, "ended")
    assert said.sounds == []
    assert len(said.pictures) > 25
    assert said.words[-1]["next_sample"] == len(sound_of("only to be seen"))


@pytest.mark.parametrize("then_waits", [False, True])
def test_a_text_can_be_broken_off(avatar: Path, then_waits: bool) -> None:
    endless = Endless(then_waits)
    with speaking(avatar, endless) as service, talk(service) as socket:
        for text in ("one", "two"):
            socket.say(type="say", text=text)
        before = [socket.next() for _ in range(5)]
        if then_waits:
            assert endless.waiting.wait(PATIENCE_S)
        socket.say(type="interrupt")
        told_before = told(socket, "interrupted")
        assert endless.stopped.wait(PATIENCE_S)
        # The second text is forgotten with the first, and neither has ended.
        kinds = [each["type"] for each in (*before, *told_before) if isinstance(each, dict)]
        assert kinds == ["saying", "interrupted"]
        place = told_before.words[-1]["next_sample"]
        heard = sum(sound.duration for sound in Told([*before, *told_before]).sounds)
        assert heard <= place <= 60 * RATE_HZ
        sound = babble(0.4)
        socket.push(sound)
        socket.say(type="end")
        after = told(socket, "ended")
        assert after.sounds == []
        assert after.pictures[0].start == place
        assert after.words[-1]["next_sample"] == place + len(sound)


def test_sound_may_come_right_after_an_interrupt(avatar: Path) -> None:
    endless = Endless(then_waits=True)
    sound = babble(0.4)
    with speaking(avatar, endless) as service, talk(service) as socket:
        for _ in range(3):
            socket.say(type="say", text="one")
            saying, first = socket.next(), socket.next()
            assert isinstance(saying, dict)
            assert isinstance(first, Picture)
            socket.say(type="interrupt")
            socket.push(sound)
            socket.say(type="end")
            place = told(socket, "interrupted").words[-1]["next_sample"]
            after = told(socket, "ended")
            assert after.pictures[0].start == place
            assert after.words[-1]["next_sample"] == place + len(sound)


def test_what_is_said_is_not_far_ahead_of_what_can_be_heard(avatar: Path) -> None:
    endless = Endless(then_waits=False)
    with speaking(avatar, endless) as service, talk(service) as socket:
        begun_s = time.monotonic()
        socket.say(type="say", text="one")
        end = 0
        while end < 7 * RATE_HZ:
            each = socket.next()
            end = each.start + each.duration if isinstance(each, Picture) else 0
        # Seven seconds of pictures, of which six may have come at once.
        assert time.monotonic() - begun_s > 1
        socket.say(type="interrupt")
        told(socket, "interrupted")


@pytest.mark.parametrize("then_waits", [False, True])
def test_who_vanishes_stops_it(avatar: Path, then_waits: bool) -> None:
    endless = Endless(then_waits)
    with speaking(avatar, endless) as service:
        with talk(service) as socket:
            socket.say(type="say", text="one")
            saying, sound = socket.next(), socket.next()
            assert isinstance(saying, dict)
            assert isinstance(sound, Picture)
            socket.connection.socket.close()
        assert endless.stopped.wait(PATIENCE_S)
        deadline_s = time.monotonic() + PATIENCE_S
        while any(service.house.desk.admission.held):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)


def test_sound_has_no_place_beside_a_text(avatar: Path) -> None:
    endless = Endless(then_waits=True)
    with speaking(avatar, endless) as service, talk(service) as socket:
        socket.say(type="say", text="one")
        assert endless.waiting.wait(PATIENCE_S)
        socket.push(babble(0.1))
        error = told(socket, "error").words[-1]
        assert error["code"] == "INVALID_ARGUMENT"
        assert error["message"] == (
            "Sound has come while a text is said, and has no place beside it; wait until it has "
            "ended, or interrupt it."
        )
        assert socket.closing_code() == 1008
        assert endless.stopped.wait(PATIENCE_S)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            {"text": "Hello", "voice": "hoarse"},
            "INVALID_ARGUMENT",
            "There is no voice 'hoarse' here; those of fake are deep, high.",
        ),
        (
            {"text": " \0\n"},
            "INVALID_ARGUMENT",
            "There is nothing to say in the text; send words.",
        ),
        (
            {"text": "x" * 41},
            "INVALID_ARGUMENT",
            "The text has 41 characters, and at most 40 are said at once; send it sentence by "
            "sentence.",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_and_no_more(
    avatar: Path, words: dict[str, str], code: str, message: str
) -> None:
    with speaking(avatar, babbler) as service, talk(service) as socket:
        socket.say(type="say", **words)
        refused = socket.next()
        assert refused == {"type": "refused", "code": code, "message": message, "next_sample": 0}
        socket.say(type="say", text="But this.")
        assert len(told(socket, "ended").sounds) > 0


def test_a_server_without_a_voice(avatar: Path) -> None:
    with speaking(avatar, None) as service, talk(service) as socket:
        assert (socket.ready["voices"], socket.ready["text_characters"]) == ([], 0)
        socket.say(type="say", text="Hello")
        refused = socket.next()
        assert isinstance(refused, dict)
        assert (refused["type"], refused["code"]) == ("refused", "UNIMPLEMENTED")
        assert refused["message"].startswith("This server has nothing to speak with; send sound")


@pytest.mark.parametrize("fault", [VoiceError("It is hoarse."), RuntimeError("hoarse")])
def test_a_synthesizer_that_fails(avatar: Path, fault: Exception) -> None:
    def hoarse(text: str, voice: str, stop: Stop) -> Iterator[Samples]:
        if text == "never":
            raise fault
        yield from babbler("so far", voice, stop)
        if text == "not to the end":
            raise fault

    sentence = "It is hoarse." if isinstance(fault, VoiceError) else "fake has failed (hoarse)."
    refused = {"type": "refused", "code": "UNAVAILABLE", "message": sentence}
    with speaking(avatar, hoarse) as service, talk(service) as socket:
        socket.say(type="say", text="never")
        socket.say(type="say", text="not to the end")
        socket.say(type="say", text="well")
        never, half, well = (told(socket, kind) for kind in ("refused", "refused", "ended"))
    length = len(sound_of("so far"))
    assert never.words[-1] == {**refused, "next_sample": 0}
    assert half.words[-1] == {**refused, "next_sample": length}
    # What there was of it is heard and seen as if it had been all.
    assert np.array_equal(half.samples, well.samples)
    assert len(half.pictures) == len(well.pictures) > 10
    assert well.words[0]["start_sample"] == length


def test_too_many_texts(avatar: Path) -> None:
    endless = Endless(then_waits=True)
    with speaking(avatar, endless) as service, talk(service) as socket:
        for number in range(17):
            socket.say(type="say", text=f"Text {number}.")
        assert endless.waiting.wait(PATIENCE_S)
        socket.say(type="interrupt")
        assert [word["type"] for word in told(socket, "interrupted").words] == [
            "saying",
            "refused",
            "interrupted",
        ]


def test_a_server_that_ends_lets_a_text_finish(avatar: Path) -> None:
    begun, ending = threading.Event(), threading.Event()

    def slowly(text: str, voice: str, stop: Stop) -> Iterator[Samples]:
        begun.set()
        assert ending.wait(PATIENCE_S)
        yield from babbler(text, voice, stop)

    with speaking(avatar, slowly) as service, talk(service) as socket:
        socket.say(type="say", text="my last words")
        assert begun.wait(PATIENCE_S)
        service.house.desk.admission.drain()
        socket.say(type="say", text="and these")
        ending.set()
        said = told(socket, "ended")
        assert "closing" in [word["type"] for word in said.words]
        assert np.array_equal(said.samples, sound_of("my last words"))
        assert told(socket, "error").words[-1]["code"] == "UNAVAILABLE"
        assert socket.closing_code() == 1013


@pytest.mark.parametrize("name", ["espeak-ng", "flite"])
def test_real_voices(avatar: Path, name: str) -> None:
    try:
        speaker = find_speaker(name)
    except VoiceError as error:
        pytest.skip(str(error))
    with speaking(avatar, speaker) as service, talk(service) as socket:
        assert len(socket.ready["voices"]) > 1
        socket.say(type="say", text="Hello, who are you?")
        said = told(socket, "ended")
    assert RATE_HZ < len(said.samples) < 4 * RATE_HZ
    assert np.abs(said.samples).max() > 3000
    assert abs(len(said.pictures) - 25 * len(said.samples) / RATE_HZ) < 3
