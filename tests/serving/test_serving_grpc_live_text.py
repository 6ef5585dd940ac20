"""Texts on `viseme.v1/Live`: what comes of them is what comes of the sound that they have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from support.grpc_client import details, open_door, refusal, until
from support.house import OpenHouse, open_house
from support.live_call import BREAK_IN, END, HELLO, PIXELS, RAW, Talk, pictures_of, sound
from support.played_network import PATIENCE_S
from support.probes import window_painter
from support.speech import assert_same_pictures, babble, whole
from support.spoken import Endless, Speak, as_float, as_speaker, babbler, sound_of
from support.tiny_avatar import make_avatar
from viseme.audio import Samples
from viseme.errors import VoiceError
from viseme.serving.doors.grpc_v1 import v1_handlers
from viseme.voices import Stop
from viseme.wire.messages import v1

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An avatar whose every picture shows what it heard."""
    return make_avatar(tmp_path_factory.mktemp("avatars") / "painter", generator=window_painter)


@contextmanager
def speaking(painter: Path, speak: Speak | None) -> Iterator[tuple[OpenHouse, grpc.Channel]]:
    """Serve an avatar whose texts are said by a function of a test's."""
    with open_house(painter, speaker=as_speaker(speak)) as house:
        house.cast.avatar("painter").frame(0)
        with open_door(house, services=[v1_handlers]) as door:
            yield house, door.main


def say(text: str, voice: str = "") -> v1.LiveRequest:
    return v1.LiveRequest(say=v1.Say(text=text, voice=voice))


def hello(way: v1.SoundBack) -> v1.LiveRequest:
    return v1.LiveRequest(hello=v1.LiveHello(raw=RAW, pictures=PIXELS, sound_back=way))


def told(talk: Talk, kind: str) -> list[v1.LiveResponse]:
    """Read up to a message of some kind."""
    answers = [talk.read()]
    while answers[-1].WhichOneof("message") != kind:
        answers.append(talk.read())
    return answers


def sounds_of(answers: list[v1.LiveResponse]) -> list[v1.LiveSound]:
    return [answer.sound for answer in answers if answer.HasField("sound")]


def samples_of(answers: list[v1.LiveResponse]) -> NDArray[np.int16]:
    return np.frombuffer(b"".join(each.data for each in sounds_of(answers)), "<i2")


def test_a_text_is_heard_and_seen_like_sound_that_was_sent(painter: Path) -> None:
    text = "Type a sentence."
    expected = sound_of(text)
    with speaking(painter, babbler) as (_, main):
        with Talk(main, HELLO, say(f"  {text}\n")) as talk:
            ready = talk.read().ready
            said = told(talk, "speech_ended")
        with Talk(main, HELLO, sound(expected), END) as talk:
            talk.read()
            pushed = told(talk, "speech_ended")
    assert ([*ready.voices], ready.text_characters) == (["deep", "high"], 40)
    assert (ready.sound_rate_hz, ready.sound_skip_samples) == (16_000, 0)
    assert said[0].saying == v1.Saying(start_sample=0, voice="deep")
    assert said[-1] == pushed[-1]
    assert np.array_equal(samples_of(said), expected)
    place = 0
    for number, each in enumerate(sounds_of(said)):
        count = len(each.data) // 2
        assert (each.index, each.start_sample, each.duration_samples) == (number, place, count)
        place += count
    shown, other = pictures_of(said), pictures_of(pushed)
    assert_same_pictures(shown, [picture.data for picture in other])
    assert [picture.start_sample for picture in shown] == [each.start_sample for each in other]
    # Nobody sees what he could not hear.
    heard = 0
    for answer in said:
        if answer.HasField("sound"):
            heard = answer.sound.start_sample + answer.sound.duration_samples
        elif answer.HasField("picture"):
            assert answer.picture.start_sample + answer.picture.duration_samples <= heard


def test_texts_and_sound_take_their_places_one_after_the_other(painter: Path) -> None:
    speech = babble(0.5)
    texts = ("one two", "three")
    with (
        speaking(painter, babbler) as (_, main),
        Talk(main, HELLO, sound(speech), say(texts[0], "high"), say(texts[1])) as talk,
    ):
        talk.read()
        first, second = told(talk, "speech_ended"), told(talk, "speech_ended")
        talk.say(sound(speech))
        talk.hang_up()  # is the end of the speech, too
        last = list(talk.answers)
        assert talk.answers.code() is grpc.StatusCode.OK
    begins = [answer.saying for answer in [*first, *second] if answer.HasField("saying")]
    place = len(speech)
    assert begins[0] == v1.Saying(start_sample=place, voice="high")
    place += len(sound_of(texts[0]))
    assert first[-1].speech_ended.next_sample == place
    assert begins[1] == v1.Saying(start_sample=place, voice="deep")
    assert np.array_equal(samples_of(second), sound_of(texts[1]))
    place += len(sound_of(texts[1]))
    assert second[-1].speech_ended.next_sample == place
    shown = [pictures_of(part) for part in (first, second, last)]
    assert shown[2][0].start_sample == place
    count = len(shown[0]) + len(shown[1])
    assert_same_pictures(shown[2], whole(painter, speech, start_frame=count))
    assert [picture.index for part in shown for picture in part] == [*range(count + len(shown[2]))]
    numbers = [each.index for each in sounds_of([*first, *second])]
    assert numbers == list(range(len(numbers)))


def test_a_client_that_ends_its_side_hears_its_texts_to_the_end(painter: Path) -> None:
    with speaking(painter, babbler) as (_, main), Talk(main, HELLO, say("Good bye.")) as talk:
        talk.hang_up()
        answers = list(talk.answers)
        assert talk.answers.code() is grpc.StatusCode.OK
    assert np.array_equal(samples_of(answers), sound_of("Good bye."))
    assert answers[-1].HasField("speech_ended")


def test_opus_packets_are_the_same_sound(painter: Path) -> None:
    hum = np.sin(2 * np.pi * np.cumsum(np.linspace(200, 600, 16_000)) / 16_000)
    loud = (0.3 * hum).astype(np.float32)
    with (
        speaking(painter, lambda text, voice, stop: [loud]) as (_, main),
        Talk(main, hello(v1.SOUND_BACK_OPUS), say("hum")) as talk,
    ):
        ready = talk.read().ready
        said = told(talk, "speech_ended")
    assert ready.sound_rate_hz == 48_000
    assert said[-1].speech_ended.next_sample == len(loud)
    packets = sounds_of(said)
    ends = [each.start_sample + each.duration_samples for each in packets]
    assert [each.start_sample for each in packets] == [0, *ends[:-1]]
    assert ends[-1] == len(loud)
    decoder: Any = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    frames = [frame for each in packets for frame in decoder.decode(av.Packet(each.data))]
    heard = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
    heard = heard[ready.sound_skip_samples :][::3][: len(loud)] / 32768
    assert np.corrcoef(heard[800:-800], loud[800 : len(heard) - 800])[0, 1] > 0.99


def test_who_wants_no_sound_gets_none(painter: Path) -> None:
    text = "only to be seen"
    with (
        speaking(painter, babbler) as (_, main),
        Talk(main, hello(v1.SOUND_BACK_NONE), say(text)) as talk,
    ):
        talk.read()
        said = told(talk, "speech_ended")
    assert sounds_of(said) == []
    assert_same_pictures(pictures_of(said), whole(painter, sound_of(text)))
    assert said[-1].speech_ended.next_sample == len(sound_of(text))


@pytest.mark.parametrize("then_waits", [False, True])
def test_a_text_can_be_broken_off(painter: Path, then_waits: bool) -> None:
    endless = Endless(then_waits)
    speech = babble(0.4)
    with (
        speaking(painter, endless) as (_, main),
        Talk(main, HELLO, say("one"), say("two")) as talk,
    ):
        talk.read()
        answers = told(talk, "sound")
        if then_waits:
            assert endless.waiting.wait(PATIENCE_S)
        talk.say(BREAK_IN, sound(speech), END)
        answers += told(talk, "interrupted")
        assert endless.stopped.wait(PATIENCE_S)
        after = told(talk, "speech_ended")
    # The second text is forgotten with the first, and neither has ended.
    kinds = [answer.WhichOneof("message") for answer in answers]
    assert kinds.count("saying") == 1
    assert set(kinds) <= {"saying", "sound", "picture", "interrupted"}
    place = answers[-1].interrupted.next_sample
    heard = sounds_of(answers)[-1]
    assert heard.start_sample + heard.duration_samples <= place
    assert sounds_of(after) == []
    shown = pictures_of(after)
    assert shown[0].start_sample == place
    start_frame = len(pictures_of(answers))
    assert_same_pictures(shown, whole(painter, speech, start_frame=start_frame))
    assert after[-1].speech_ended.next_sample == place + len(speech)


def test_sound_has_no_place_beside_a_text(painter: Path) -> None:
    endless = Endless(then_waits=True)
    with speaking(painter, endless) as (house, main):
        with Talk(main, HELLO, say("one")) as talk:
            assert endless.waiting.wait(PATIENCE_S)
            talk.say(sound(babble(0.1)))
            error = refusal(lambda: list(talk.answers))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert details(error) == (
            "Sound has come while a text is said, and has no place beside it; wait until it has "
            "ended, or interrupt it."
        )
        assert endless.stopped.wait(PATIENCE_S)
        until(lambda: not any(house.desk.admission.held))


def test_a_client_that_goes_stops_what_speaks(painter: Path) -> None:
    endless = Endless(then_waits=True)
    with speaking(painter, endless) as (house, main):
        with Talk(main, HELLO, say("one")):
            assert endless.waiting.wait(PATIENCE_S)
        assert endless.stopped.wait(PATIENCE_S)
        until(lambda: not any(house.desk.admission.held))


INVALID = "INVALID_ARGUMENT"
REFUSED = {
    "an unknown voice": (
        say("Hello", "hoarse"),
        "There is no voice 'hoarse' here; those of fake are deep, high.",
    ),
    "nothing": (say(" \0\n"), "There is nothing to say in the text; send words."),
    "an empty message": (
        v1.LiveRequest(say=v1.Say()),
        "There is nothing to say in the text; send words.",
    ),
    "too much": (
        say("x" * 41),
        "The text has 41 characters, and at most 40 are said at once; send it sentence by "
        "sentence.",
    ),
}


def test_what_cannot_be_said_is_refused_and_no_more(painter: Path) -> None:
    requests = [request for request, _ in REFUSED.values()]
    with speaking(painter, babbler) as (_, main), Talk(main, HELLO, *requests) as talk:
        talk.read()
        for case, (_, sentence) in REFUSED.items():
            assert talk.read().refused == v1.Refused(code=INVALID, text=sentence), case
        talk.say(say("But this."))
        assert np.array_equal(samples_of(told(talk, "speech_ended")), sound_of("But this."))


def test_an_answer_that_waits_behind_a_text_tells_where_that_ended(painter: Path) -> None:
    with (
        speaking(painter, babbler) as (_, main),
        Talk(main, HELLO, say("one two"), say(""), END) as talk,
    ):
        talk.hang_up()
        said, refused, ended = list(talk.answers)[-3:]
    place = len(sound_of("one two"))
    assert said.speech_ended.next_sample == place
    assert refused.refused.next_sample == place
    assert ended.speech_ended == said.speech_ended


def test_a_server_without_a_voice(painter: Path) -> None:
    speech = babble(0.4)
    with speaking(painter, None) as (_, main), Talk(main, HELLO, say("Hello")) as talk:
        ready = talk.read().ready
        assert ([*ready.voices], ready.text_characters) == ([], 0)
        assert talk.read().refused == v1.Refused(
            code="UNIMPLEMENTED",
            text="This server has nothing to speak with; send sound, or have espeak-ng or flite "
            "installed on it.",
        )
        talk.say(sound(speech), END)
        assert_same_pictures(pictures_of(told(talk, "speech_ended")), whole(painter, speech))


def test_a_synthesizer_that_fails_in_the_middle(painter: Path) -> None:
    def hoarse(text: str, voice: str, stop: Stop) -> Iterator[Samples]:
        yield as_float(sound_of(text))
        raise VoiceError("It is hoarse.")

    with speaking(painter, hoarse) as (_, main), Talk(main, HELLO, say("so far")) as talk:
        talk.read()
        said = told(talk, "refused")
    expected = sound_of("so far")
    sentence = "It is hoarse."
    assert said[-1].refused == v1.Refused(
        code="UNAVAILABLE", text=sentence, next_sample=len(expected)
    )
    assert np.array_equal(samples_of(said), expected)
    assert_same_pictures(pictures_of(said), whole(painter, expected))
