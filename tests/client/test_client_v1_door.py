"""Both clients at the real door of `viseme.v1`: what comes is what the pipeline makes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from client_callers import CALLERS, STREAMERS, Caller
from numpy.typing import NDArray

from support.grpc_client import OpenDoor, open_door
from support.house import open_house
from support.probes import window_painter
from support.speech import assert_same_pictures
from support.spoken import Endless, as_float, as_speaker
from support.tiny_avatar import FRAME_COUNT, SIZE, make_avatar
from viseme.audio import Samples
from viseme.client import (
    AsyncClient,
    AsyncLive,
    Client,
    ClientOptions,
    ClipHeader,
    ClipOptions,
    ClipPicture,
    ClipSummary,
    Interrupted,
    LiveEvent,
    LiveOptions,
    LivePicture,
    LiveSound,
    Pictures,
    RawSound,
    Refused,
    Saying,
    SpeechEnded,
)
from viseme.errors import AvatarError, InputError
from viseme.rendering import RenderOptions, render
from viseme.serving.doors.grpc_v1 import v1_handlers
from viseme.voices import Stop

RATE_HZ = 16_000
SPEECH: NDArray[np.int16] = (
    (3000 * np.random.default_rng(8).standard_normal(RATE_HZ // 2)).clip(-32768, 32767)
).astype(np.int16)
RAW = RawSound(RATE_HZ)


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_avatar(tmp_path_factory.mktemp("avatars") / "anna", generator=window_painter)


ENDLESS = "on and on"


def say(text: str, voice: str, stop: Stop) -> Iterator[Samples]:
    """Say the speech whatever the text is, but for one that has no end."""
    return iter([as_float(SPEECH)]) if text != ENDLESS else Endless(False)(text, voice, stop)


@pytest.fixture(scope="module")
def door(avatar: Path) -> Iterator[OpenDoor]:
    with (
        open_house(avatar, speaker=as_speaker(say)) as house,
        open_door(house, services=[v1_handlers]) as door,
    ):
        yield door


@pytest.fixture
def options(door: OpenDoor) -> ClientOptions:
    return ClientOptions(str(door.addresses["grpc"]))


@pytest.fixture(scope="module")
def expected(avatar: Path) -> list[bytes]:
    """The pictures that a render on this machine makes of the speech."""
    frames = render(SPEECH, avatar, RenderOptions(backend="onnxruntime", start_frame=3))
    return [frame.image.tobytes() for frame in frames]


@pytest.mark.parametrize("call", CALLERS)
def test_avatars(call: Caller, options: ClientOptions) -> None:
    (anna,) = call(options, "avatars")
    assert (anna.name, anna.size, anna.frame_rate_hz) == ("anna", SIZE, 25.0)
    assert anna.frame_count == FRAME_COUNT
    assert call(options, "avatar", "anna") == anna
    with pytest.raises(AvatarError, match=r"^There is no avatar 'dora' here; there are: anna\.$"):
        call(options, "avatar", "dora")


@pytest.mark.parametrize("stream", STREAMERS)
def test_a_clip_is_what_it_is_without_a_server(
    stream: Caller, options: ClientOptions, expected: list[bytes]
) -> None:
    wanted = ClipOptions(output=Pictures("bgr"), raw=RAW, start_frame=3)
    header, *pictures, summary = stream(options, "render", SPEECH.tobytes(), wanted)
    assert header == ClipHeader(SIZE, 25.0, "application/octet-stream", "anna")
    assert all(isinstance(picture, ClipPicture) for picture in pictures)
    assert [picture.data for picture in pictures] == expected
    assert [picture.index for picture in pictures] == list(range(len(expected)))
    assert isinstance(summary, ClipSummary)
    assert summary.pictures == len(expected)
    period = 2 * FRAME_COUNT - 2  # forward and backward
    assert summary.next_frame == (3 + len(expected)) % period


@pytest.mark.parametrize("call", CALLERS)
def test_a_file_that_plays(
    call: Caller, options: ClientOptions, expected: list[bytes], tmp_path: Path
) -> None:
    file = io.BytesIO()
    soundfile.write(file, SPEECH, RATE_HZ, format="WAV")
    summary = call(options, "render_file", file.getvalue(), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    assert pictures == summary.pictures
    assert pictures >= len(expected)


@pytest.mark.parametrize("stream", STREAMERS)
def test_what_is_no_sound(stream: Caller, options: ClientOptions) -> None:
    with pytest.raises(InputError):
        stream(options, "render", b"no sound at all" * 100)


def test_a_live_stream_is_what_a_clip_is(options: ClientOptions, expected: list[bytes]) -> None:
    wanted = LiveOptions(raw=RAW, pictures=Pictures("bgr"), start_frame=3)
    with Client(options) as client, client.live(wanted) as live:
        assert (live.ready.avatar, live.ready.size) == ("anna", SIZE)
        assert 0 < live.ready.lookahead_samples < RATE_HZ
        live.push(SPEECH.tobytes())
        live.end()
        live.finish()
        events = list(live.events())
    check_live(events, expected)


def test_a_live_stream_in_tasks(options: ClientOptions, expected: list[bytes]) -> None:
    async def speak(live: AsyncLive) -> None:
        for start in range(0, len(SPEECH), 640):
            await live.push(SPEECH[start : start + 640].tobytes())
        await live.end()
        await live.finish()

    async def run() -> list[LiveEvent]:
        wanted = LiveOptions(raw=RAW, pictures=Pictures("bgr"), start_frame=3)
        async with (
            AsyncClient(options) as client,
            client.live(wanted) as live,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(speak(live))
            return [event async for event in live.events()]

    check_live(asyncio.run(run()), expected)


def check_live(events: list[LiveEvent], expected: list[bytes]) -> None:
    pictures = [event for event in events if isinstance(event, LivePicture)]
    assert [picture.data for picture in pictures] == expected
    assert [picture.start_sample for picture in pictures] == [
        640 * index for index in range(len(pictures))
    ]
    (ended,) = [event for event in events if isinstance(event, SpeechEnded)]
    assert ended == SpeechEnded(len(SPEECH), len(pictures))


def test_an_interrupt_forgets_what_was_said(options: ClientOptions) -> None:
    wanted = LiveOptions(raw=RAW, pictures=Pictures("bgr"))
    with Client(options) as client, client.live(wanted) as live:
        live.push(SPEECH[:3200].tobytes())  # less than one picture needs
        live.interrupt()
        live.push(SPEECH.tobytes())
        live.end()
        live.finish()
        events = [event for event in live.events() if not isinstance(event, LivePicture)]
    names = [type(event).__name__ for event in events]
    assert names == ["Interrupted", "SpeechEnded"]
    assert events[0].next_sample == 3200  # type: ignore[union-attr]


TEXT_OPTIONS = LiveOptions(raw=RAW, pictures=Pictures("bgr"), start_frame=3)


def test_a_text_is_what_its_sound_is(options: ClientOptions, expected: list[bytes]) -> None:
    with Client(options) as client, client.live(TEXT_OPTIONS) as live:
        ready = live.ready
        live.say("Hello.")
        live.say("Hello.", "nobody")
        live.finish()
        events = list(live.events())
    assert (ready.voices, ready.text_characters) == (("deep", "high"), 40)
    assert (ready.sound_rate_hz, ready.sound_skip_samples) == (RATE_HZ, 0)
    check_text(events, expected)


def test_a_text_in_tasks(options: ClientOptions, expected: list[bytes]) -> None:
    async def run() -> list[LiveEvent]:
        async with AsyncClient(options) as client, client.live(TEXT_OPTIONS) as live:
            await live.say("Hello.")
            await live.say("Hello.", "nobody")
            await live.finish()
            return [event async for event in live.events()]

    check_text(asyncio.run(run()), expected)


def check_text(events: list[LiveEvent], expected: list[bytes]) -> None:
    assert events[0] == Saying(0, "deep")
    assert events[-1] == Refused(
        "INVALID_ARGUMENT",
        "There is no voice 'nobody' here; those of fake are deep, high.",
        len(SPEECH),
    )
    sounds = [event for event in events if isinstance(event, LiveSound)]
    assert b"".join(sound.data for sound in sounds) == SPEECH.tobytes()
    ends = [sound.start_sample + sound.duration_samples for sound in sounds]
    assert [sound.start_sample for sound in sounds] == [0, *ends[:-1]]
    pictures = [event for event in events if isinstance(event, LivePicture)]
    assert_same_pictures(pictures, expected)
    assert SpeechEnded(len(SPEECH), len(pictures)) in events


def test_a_text_is_broken_off(options: ClientOptions) -> None:
    with Client(options) as client, client.live(TEXT_OPTIONS) as live:
        live.say(ENDLESS)
        events = live.events()
        while not isinstance(next(events), LiveSound):
            pass
        live.interrupt()
        live.push(SPEECH.tobytes())
        live.end()
        live.finish()
        rest = [event for event in events if isinstance(event, Interrupted | SpeechEnded)]
    interrupted, ended = rest
    assert isinstance(interrupted, Interrupted)
    assert interrupted.next_sample > 0
    assert ended.next_sample == interrupted.next_sample + len(SPEECH)


def test_sound_has_no_place_beside_a_text(options: ClientOptions) -> None:
    with Client(options) as client, client.live(TEXT_OPTIONS) as live:
        live.say(ENDLESS)
        live.push(SPEECH.tobytes())
        with pytest.raises(InputError, match=r"^Sound has come while a text is said, and has no"):
            list(live.events())
