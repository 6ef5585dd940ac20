"""A live session: each picture hears what it would of the whole sound, and positions add up."""

from __future__ import annotations

import contextlib
import gc
import itertools
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.house import OpenHouse, open_house
from support.played_network import GONE
from support.probes import window_painter
from support.speech import assert_same_pictures, babble, ping_pong, whole
from support.tiny_avatar import SIZE, make_avatar
from viseme.audio import Latency, lookahead_samples
from viseme.engine import FakeBackend, Tensor
from viseme.errors import (
    AvatarError,
    BackendError,
    DeadlineError,
    InputError,
    OutputError,
    UnavailableError,
    VisemeError,
)
from viseme.rendering import RenderOptions
from viseme.serving import Lane
from viseme.serving.live import PICTURES_AHEAD_S, SOUND_AHEAD_S, LiveSession
from viseme.serving.live_events import Closing, Interrupted, LiveEvent, LivePicture, SpeechEnded
from viseme.serving.live_exchange import LiveExchange
from viseme.serving.live_options import LiveOptions
from viseme.serving.live_pictures import LiveVideo
from viseme.serving.pictures import PictureFormat, PictureOptions
from viseme.serving.raw_sound import RawSound, SampleFormat
from viseme.video.live_encoder import LiveCodec, codec_string

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

PIXELS = PictureOptions(PictureFormat.BGR)
PLENTY_S = 60.0
TYPES = dict(zip(SampleFormat, ("<u1", "<i2", "<i4", "<f4"), strict=True))
Step = Callable[[LiveSession], object]


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An avatar whose every picture shows what it heard."""
    return make_avatar(tmp_path_factory.mktemp("avatars") / "painter", generator=window_painter)


@pytest.fixture(scope="module")
def house(painter: Path) -> Iterator[OpenHouse]:
    with open_house(painter) as house:
        house.cast.avatar("painter").frame(
            0
        )  # starts its thread, which lives as long as it is open
        yield house


@contextmanager
def session(
    house: OpenHouse,
    *,
    stall_s: float = PLENTY_S,
    latency: Latency = Latency.EXACT,
    **options: object,
) -> Iterator[LiveSession]:
    wanted = {"sound": RawSound(16_000), "pictures": PIXELS, **options}
    given = LiveOptions(stall_s=stall_s, **wanted)  # type: ignore[arg-type]
    renderer = house.cast.renderer("painter", RenderOptions(latency=latency), lane=Lane.LIVE)
    with LiveSession(renderer, given, house.desk.metrics) as live:
        yield live


def told(live: LiveSession, *steps: Step) -> list[LiveEvent]:
    """Take everything while another thread hands in what a client says, which then hangs up."""

    def speak() -> None:
        for step in steps:
            step(live)
        live.hang_up()

    client = threading.Thread(target=speak)
    client.start()
    try:
        return list(iter(live.take, None))
    finally:
        live.abandon()
        client.join()


def says(sound: NDArray[np.generic], *cuts: int) -> Step:
    """Hand in a sound in pieces that end at the cuts."""

    def step(live: LiveSession) -> None:
        for piece in np.split(sound, sorted(cuts)):
            live.push(piece.tobytes())

    return step


def pictures_of(events: list[LiveEvent]) -> list[LivePicture]:
    return [event for event in events if isinstance(event, LivePicture)]


def test_pictures_are_told_before_the_first(house: OpenHouse) -> None:
    with session(house, stall_s=7.0, sound=RawSound(22_050)) as live:
        assert live.ready.size == SIZE
        assert live.ready.frame_rate_hz == 25
        assert live.ready.media_type == "application/octet-stream"
        assert live.ready.lookahead_samples == lookahead_samples(22_050)
        assert live.ready.idle_timeout_s == 7.0


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 12_000), max_size=40), start=st.integers(0, 30))
def test_a_picture_hears_the_window_of_the_whole_sound_however_it_is_cut(
    house: OpenHouse, painter: Path, cuts: list[int], start: int
) -> None:
    sound = babble(0.75)
    with session(house, start_frame=start) as live:
        events = told(live, says(sound, *cuts))
    pictures = pictures_of(events)
    assert events == pictures
    assert_same_pictures(pictures, whole(painter, sound, start_frame=start))
    assert [picture.avatar_frame for picture in pictures] == ping_pong(start, len(pictures))
    assert [picture.index for picture in pictures] == list(range(len(pictures)))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 12_000), max_size=40))
def test_a_picture_that_comes_sooner_hears_the_same_however_it_is_cut(
    house: OpenHouse, painter: Path, cuts: list[int]
) -> None:
    sound = babble(0.75)
    with session(house, latency=Latency.LOW) as live:
        pictures = pictures_of(told(live, says(sound, *cuts)))
    low = whole(painter, sound, latency=Latency.LOW)
    assert_same_pictures(pictures, low)
    exact = whole(painter, sound)
    assert len(low) == len(exact)
    assert low != exact


def test_the_avatar_rests_when_a_speech_that_came_at_once_has_been_seen(house: OpenHouse) -> None:
    seconds = 0.8
    with session(house, rests=True) as live:
        live.push(babble(seconds).tobytes())
        live.end_of_speech()
        began_s = at_rest_s = 0.0
        while not at_rest_s:
            event = live.take()
            if isinstance(event, LivePicture):
                is_of_speech = event.duration_samples > 0
                if is_of_speech and not began_s:
                    began_s = time.monotonic()
                at_rest_s = time.monotonic() if began_s and not is_of_speech else 0.0
    # The first one is given before it is taken.
    assert at_rest_s - began_s > seconds / 2


def test_no_picture_is_made_long_before_it_is_seen(house: OpenHouse) -> None:
    seconds = PICTURES_AHEAD_S + 1
    with session(house, rests=True) as live:
        live.push(babble(seconds).tobytes())
        live.end_of_speech()
        spoken: list[float] = []
        while not isinstance(event := live.take(), SpeechEnded):
            if isinstance(event, LivePicture) and event.duration_samples:
                spoken.append(time.monotonic())
    assert len(spoken) > 25 * seconds - 3
    # A second of them has to wait, but the first is given before it is taken.
    assert spoken[-1] - spoken[0] > 0.5


@pytest.mark.parametrize("codec", LiveCodec)
def test_a_stream_of_video_shows_the_same_and_begins_anew_after_an_interrupt(
    house: OpenHouse, painter: Path, codec: LiveCodec
) -> None:
    sound = babble(0.6)
    with session(house, pictures=LiveVideo(codec)) as live:
        assert live.ready.media_type == f"video/{codec.value}"
        assert live.ready.codec == codec_string(codec, *SIZE)
        events = told(live, says(sound), LiveSession.end_of_speech, says(sound))
    pictures = pictures_of(events)
    assert [picture.is_key for picture in pictures] == [True] + [False] * (len(pictures) - 1)
    decoder = av.CodecContext.create(codec.value, "r")
    packets = [av.Packet(picture.data) for picture in pictures]
    frames = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
    assert len(frames) == len(pictures) == 2 * len(whole(painter, sound))

    with session(house, pictures=LiveVideo(codec)) as live:
        live.push(sound.tobytes())
        first = live.take()
        assert isinstance(first, LivePicture)
        live.interrupt()
        live.push(sound.tobytes())
        live.hang_up()
        events = list(iter(live.take, None))
    after = pictures_of(
        events[events.index(next(e for e in events if isinstance(e, Interrupted))) :]
    )
    assert [picture.is_key for picture in after] == [True] + [False] * (len(after) - 1)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 1_001])
def test_positions_add_up_at_any_rate(house: OpenHouse, painter: Path, rate_hz: int) -> None:
    sound = babble(1.3, rate_hz)
    step = rate_hz // 50
    with session(house, sound=RawSound(rate_hz)) as live:
        pictures = pictures_of(told(live, says(sound, *range(step, len(sound), step))))
    assert_same_pictures(pictures, whole(painter, sound, rate_hz))
    assert pictures[0].start_sample == 0
    for number, (one, following) in enumerate(itertools.pairwise(pictures)):
        assert one.start_sample + one.duration_samples == following.start_sample
        assert abs(one.start_sample - number * rate_hz / 25) <= 0.5


@pytest.mark.parametrize("sample_format", SampleFormat)
def test_every_format_and_two_channels(
    house: OpenHouse, painter: Path, sample_format: SampleFormat
) -> None:
    mono = (babble(0.4) / 2**15 * 0.5).astype(np.float32)
    dtype = np.dtype(TYPES[sample_format])
    floating = np.stack([0.5 * mono, 1.5 * mono], axis=1)
    half = 2.0 ** (8 * dtype.itemsize - 1)
    middle = 128 if dtype.kind == "u" else 0
    sound = floating if dtype.kind == "f" else np.round(floating * half + middle)
    raw = RawSound(16_000, channels=2, format=sample_format)
    with session(house, sound=raw) as live:
        pictures = pictures_of(told(live, says(sound.astype(dtype), 100, 101, 2_000)))
    assert_same_pictures(pictures, whole(painter, sound.astype(dtype)))


def test_several_speeches_are_each_their_own_sound_and_one_movement(
    house: OpenHouse, painter: Path
) -> None:
    sounds = [babble(0.5, seed=1), babble(0.31, seed=2), babble(0.02, seed=3)]
    steps: list[Step] = []
    for sound in sounds:
        steps += [says(sound, 7, 900), LiveSession.end_of_speech]
    with session(house, start_frame=4) as live:
        events = told(live, *steps)
    position, shown = 0, 0
    for sound in sounds:
        expected = whole(painter, sound, start_frame=4 + shown)
        pictures = pictures_of(events[: len(expected)])
        assert_same_pictures(pictures, expected)
        assert pictures[0].start_sample == position
        position, shown = position + len(sound), shown + len(expected)
        assert [p.index for p in pictures] == list(range(shown - len(expected), shown))
        assert events[len(expected)] == SpeechEnded(position, shown)
        events = events[len(expected) + 1 :]
    assert events == []


def test_an_interrupt_takes_back_what_was_not_taken(house: OpenHouse, painter: Path) -> None:
    first, second = babble(3.0, seed=1), babble(0.5, seed=2)
    with session(house, start_frame=2) as live:
        live.push(first.tobytes())
        taken = [live.take() for _ in range(9)]
        live.interrupt()
        assert live.take() == Interrupted(len(first), 9)
        live.push(second.tobytes())
        live.hang_up()
        rest = pictures_of(list(iter(live.take, None)))
    assert_same_pictures(
        pictures_of([t for t in taken if t]), whole(painter, first, start_frame=2)[:9]
    )
    assert_same_pictures(rest, whole(painter, second, start_frame=11))
    assert rest[0].start_sample == len(first)
    assert [picture.index for picture in rest] == list(range(9, 9 + len(rest)))


def test_an_interrupt_takes_back_the_end_that_was_not_reached_and_answers_both(
    house: OpenHouse,
) -> None:
    first, second = babble(1.0), babble(0.2)
    with session(house) as live:
        live.push(first.tobytes())
        assert isinstance(live.take(), LivePicture)
        live.end_of_speech()
        live.push(second.tobytes())
        live.interrupt()
        live.interrupt()
        live.hang_up()
        assert list(iter(live.take, None)) == [
            SpeechEnded(len(first), 1),
            Interrupted(len(first) + len(second), 1),
            Interrupted(len(first) + len(second), 1),
        ]


def test_an_interrupt_that_is_expected_takes_back_what_is_still_to_be_handed_in(
    house: OpenHouse, painter: Path
) -> None:
    sound, short = babble(SOUND_AHEAD_S, seed=1), babble(0.5, seed=2)
    with session(house) as live:
        live.push(sound.tobytes())
        assert isinstance(live.take(), LivePicture)
        live.expect_interrupt()
        live.expect_interrupt()
        # It came before the interrupts: it has a place in time, and no picture. There is as much
        # of it as would have to wait for its pictures.
        for _ in range(2):
            live.push(sound.tobytes())
            live.end_of_speech()
        live.push(short.tobytes())
        live.interrupt()
        live.push(short.tobytes())
        live.interrupt()
        live.push(short.tobytes())
        live.hang_up()
        events: list[LiveEvent] = list(iter(live.take, None))
    answers = [event for event in events if not isinstance(event, LivePicture)]
    begin = 3 * len(sound) + 2 * len(short)
    assert answers == [
        SpeechEnded(2 * len(sound), 1),
        SpeechEnded(3 * len(sound), 1),
        Interrupted(begin - len(short), 1),
        Interrupted(begin, 1),
    ]
    pictures = pictures_of(events)
    assert pictures[0].start_sample == begin
    assert_same_pictures(pictures, whole(painter, short, start_frame=1))


@pytest.mark.parametrize("interrupt", [LiveExchange.expect_interrupt, LiveExchange.interrupt])
def test_a_picture_under_way_at_an_interrupt_waits_for_a_key_frame(
    interrupt: Callable[[LiveExchange], None],
) -> None:
    exchange = LiveExchange(most_samples=100, stall_s=10)

    def give(number: int, *, is_key: bool = False) -> None:
        exchange.give(LivePicture(0, number, 0, number, b"", is_key))

    give(0, is_key=True)
    give(1)
    assert [exchange.take() for _ in range(2)]
    give(2)
    interrupt(exchange)
    give(3)  # made of 2, which nobody will see
    give(4, is_key=True)
    give(5)
    pictures = [exchange.take() for _ in range(2)]
    assert pictures == [LivePicture(2, 4, 0, 4, b"", True), LivePicture(3, 5, 0, 5, b"", False)]


def test_several_messages_at_once_are_one_sound(house: OpenHouse, painter: Path) -> None:
    sound = babble(1.0)
    pieces = [piece.tobytes() for piece in np.split(sound, [1, 500, 9_000])]
    with session(house) as live:
        live.push(*pieces)
        live.hang_up()
        assert_same_pictures(pictures_of(list(iter(live.take, None))), whole(painter, sound))


def test_a_call_without_a_sound(house: OpenHouse) -> None:
    with session(house) as live:
        assert told(live) == []
    with session(house) as live:
        assert told(live, says(babble(0)), LiveSession.end_of_speech, LiveSession.interrupt) == [
            SpeechEnded(0, 0),
            Interrupted(0, 0),
        ]


@pytest.mark.parametrize("latency", Latency)
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_a_picture_comes_when_the_sound_up_to_its_look_ahead_has(
    house: OpenHouse, rate_hz: int, latency: Latency
) -> None:
    sound = babble(2.0, rate_hz)
    with session(house, sound=RawSound(rate_hz), latency=latency) as live:
        assert live.ready.lookahead_samples == lookahead_samples(rate_hz, latency)
        sent = 0
        for number in range(6):
            until = round(number * rate_hz / 25) + live.ready.lookahead_samples
            live.push(sound[sent:until].tobytes())
            sent = until
            picture = live.take()
            assert isinstance(picture, LivePicture)
            assert picture.index == number


def test_half_a_sample_ends_the_session(house: OpenHouse) -> None:
    with session(house, sound=RawSound(16_000, channels=2)) as live:
        assert live.push(bytes(8))
        assert not live.push(bytes(6))
        with pytest.raises(InputError) as caught:
            live.take()
    assert str(caught.value) == (
        "The sound has 6 bytes, and 2 channels of S16 have 4 bytes a sample; send whole samples."
    )


def test_samples_that_are_no_numbers_end_the_session(house: OpenHouse) -> None:
    sound = np.zeros(16_000, np.float32)
    with session(house, sound=RawSound(16_000, format=SampleFormat.F32)) as live:
        live.push(sound.tobytes())
        live.end_of_speech()
        sound[8_000] = np.nan
        live.push(sound.tobytes())
        with pytest.raises(InputError, match=r"not a finite number, or far too large, at 1\.500 s"):
            list(iter(live.take, None))
        assert not live.push(sound.tobytes())


@pytest.mark.parametrize(
    ("rate_hz", "channels", "text"),
    [(999, 1, "rate is 999 Hz"), (16_000, 256, "256 channels")],
)
def test_sound_that_there_is_not_is_refused(rate_hz: int, channels: int, text: str) -> None:
    with pytest.raises(InputError, match=text):
        RawSound(rate_hz, channels)


def test_pictures_that_nobody_takes_hold_the_sound_back_and_then_end_the_session(
    house: OpenHouse,
) -> None:
    second = babble(1.0).tobytes()
    with session(house, stall_s=0.5) as live:
        pushed = 0
        while live.push(second):
            pushed += 1
        # What may wait, two seconds of windows, and the blocks that are in somebody's hand.
        assert SOUND_AHEAD_S <= pushed <= SOUND_AHEAD_S + 8
        with pytest.raises(DeadlineError) as caught:
            live.take()
        assert str(caught.value) == "Nothing was read for 0.5 s; read pictures as they come."
        assert not live.end_of_speech()
        assert not live.interrupt()
        live.hang_up()


def test_answers_that_nobody_takes_are_bounded_too(house: OpenHouse) -> None:
    with session(house, stall_s=0.5) as live:
        asked = 0
        while live.end_of_speech():
            asked += 1
        assert asked <= 70
        with pytest.raises(DeadlineError, match="Nothing was read"):
            live.take()


def test_a_last_picture_that_nobody_takes_ends_the_session(house: OpenHouse) -> None:
    with session(house, stall_s=0.5) as live:
        live.push(babble(0.01).tobytes())
        live.hang_up()
        while live.push(b""):
            pass
        with pytest.raises(DeadlineError, match="Nothing was read"):
            live.take()


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_client_that_says_nothing_ends_the_session(house: OpenHouse, seconds: float) -> None:
    with session(house, stall_s=0.5) as live:
        live.push(babble(seconds).tobytes())
        with pytest.raises(DeadlineError) as caught:
            list(iter(live.take, None))
    assert str(caught.value) == (
        "Nothing has come or gone for 0.5 s; send silence as sound too, or begin again when there "
        "is speech."
    )


def test_an_error_is_told_to_a_client_that_says_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails is raised though sound is waited for: a frame, the network, an encoder."""
    is_broken = False

    def network(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        if is_broken:
            raise GONE
        return [inputs["input"][:, :3]]

    def encode(*_: object) -> bytes:
        raise OutputError("The encoder is gone.")

    def fails_with(
        house: OpenHouse, error: type[VisemeError], text: str, seconds: float = 1.0
    ) -> None:
        with session(house) as live:
            live.push(babble(seconds).tobytes())
            with pytest.raises(error, match=text):
                live.take()

    folder = make_avatar(tmp_path / "painter")
    with open_house(folder, backend=FakeBackend(network)) as house:
        with monkeypatch.context() as patch:
            patch.setattr("viseme.serving.live_pictures.encode_picture", encode)
            fails_with(house, OutputError, "The encoder is gone")
        is_broken = True
        fails_with(house, BackendError, "The device is gone")
    with open_house(folder) as house:
        shutil.rmtree(folder)
        for seconds in (0.01, 0.6, 2.0):
            fails_with(house, AvatarError, "frames/000000.png cannot be read", seconds)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 2.0])
def test_a_client_that_has_gone_ends_who_waits(house: OpenHouse, seconds: float) -> None:
    taken: list[LiveEvent] = []
    with session(house) as live:
        live.push(babble(seconds).tobytes())
        taker = threading.Thread(target=lambda: taken.extend(iter(live.take, None)))
        taker.start()
        live.abandon()
        taker.join()
        assert live.take() is None
        assert not live.push(b"")
    assert house.cast.generator("painter").scheduler.waiting == 0


def test_nothing_of_a_session_is_left_to_the_garbage_collector(house: OpenHouse) -> None:
    def failed() -> weakref.ref[LiveSession]:
        with session(house) as live:
            live.push(babble(1.0).tobytes())
            live.take()
            live.push(b"half a sample")
            with contextlib.suppress(InputError):
                live.take()
            return weakref.ref(live)

    gc.collect()
    gc.disable()
    try:
        assert failed()() is None
    finally:
        gc.enable()


STOPPING = "The server is stopping; send the request to another, or later."
CLOSING = "The server is stopping; start another call, on another server or later."


def test_a_server_that_ends_says_so_and_ends_an_idle_session(house: OpenHouse) -> None:
    with session(house) as live:
        live.drain()
        live.drain()
        assert live.take() == Closing(CLOSING, 0)
        with pytest.raises(UnavailableError) as caught:
            live.take()
    assert str(caught.value) == STOPPING


def test_a_server_that_ends_lets_the_speech_finish_and_begins_no_other(
    house: OpenHouse, painter: Path
) -> None:
    sound = babble(1.5)
    with session(house) as live:
        live.push(sound[:16_000].tobytes())
        events = [live.take()]
        live.drain()
        live.push(sound[16_000:].tobytes())
        live.end_of_speech()
        live.push(sound.tobytes())
        with pytest.raises(UnavailableError):
            events.extend(iter(live.take, None))
    known = [event for event in events if event is not None]
    assert_same_pictures(pictures_of(known), whole(painter, sound))
    assert [event for event in known if not isinstance(event, LivePicture)] == [
        Closing(CLOSING, 16_000),
        SpeechEnded(len(sound), len(known) - 2),
    ]
