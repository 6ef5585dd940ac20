"""A video that is sent while it is made: playable from its beginning, in step, whole at its end."""

from __future__ import annotations

import io
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from viseme.errors import OutputError
from viseme.video import Sound, StreamKind, make_sound, stream_video

Image = NDArray[np.uint8]
FRAME_S = 1 / 25
SIZE = (320, 240)
KINDS = list(StreamKind)


def pictures(count: int) -> Generator[Image, None, None]:
    rng = np.random.default_rng(3)
    for i in range(count):
        image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        image[40:100, 2 * i % 200 : 2 * i % 200 + 60] = rng.integers(0, 200, (60, 60, 3))
        yield image


def tone(seconds: float, rate_hz: int = 44_100) -> Sound:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return make_sound([(0.4 * np.sin(2 * np.pi * 220 * time_s)[:, None], rate_hz)])


class Line:
    """What comes over a line: there is no going back."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._data.read(size)


@dataclass
class Decoded:
    pictures: int
    first_picture_s: float
    sound_s: float
    first_sound_s: float


def decoded(data: bytes) -> Decoded:
    """Decode as a player does that cannot go back, as far as there is something."""
    picture_times: list[float] = []
    sound_times: list[float] = []
    sound_s = 0.0
    with av.open(Line(data), "r") as container, suppress(av.FFmpegError):
        picture_times.extend(frame.time or 0.0 for frame in container.decode(video=0))
    with av.open(Line(data), "r") as container, suppress(av.FFmpegError):
        for sound in container.decode(audio=0):
            sound_s += sound.samples / sound.sample_rate
            sound_times.append(sound.time or 0.0)
    return Decoded(len(picture_times), min(picture_times), sound_s, min(sound_times))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("frames", "sound_s"), [(60, 2.4), (24, 1.03), (1, 0.5)])
def test_pictures_and_sound_begin_and_end_together(
    kind: StreamKind, frames: int, sound_s: float
) -> None:
    stream = stream_video(pictures(frames), tone(sound_s), kind, size=SIZE)
    pieces, count = [], 0
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            count = end.value
            break
    found = decoded(b"".join(pieces))
    assert all(pieces)
    assert found.pictures == count >= frames
    assert found.first_picture_s == 0
    assert abs(found.first_sound_s) < 0.01  # Opus in WebM begins 6.5 ms early
    assert abs(found.pictures * FRAME_S - found.sound_s) < FRAME_S
    assert found.pictures * FRAME_S >= sound_s


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_come_can_be_played_before_the_rest_is_made(kind: StreamKind) -> None:
    made = 0

    def counted() -> Iterator[Image]:
        nonlocal made
        for image in pictures(500):
            made += 1
            yield image

    stream = stream_video(counted(), tone(20), kind, size=SIZE)
    data = b""
    while made < 100:
        data += next(stream)
    # What has not come yet: half a second or one cluster, and what the encoder looks ahead.
    assert decoded(data).pictures > 30
    before = made
    assert made < 200
    stream.close()
    assert made == before


def test_a_film_may_be_silent() -> None:
    data = b"".join(stream_video(pictures(30), None, StreamKind.MP4, size=SIZE))
    with av.open(io.BytesIO(data), "r") as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert len(list(container.decode(video=0))) == 30


@pytest.mark.parametrize("kind", KINDS)
def test_closing_ends_the_pictures_and_the_encoders(kind: StreamKind) -> None:
    ended = []

    def watched() -> Generator[Image, None, None]:
        try:
            yield from pictures(10_000)
        finally:
            ended.append(True)

    before = set(threading.enumerate())
    stream = stream_video(watched(), tone(100), kind, size=SIZE)
    next(stream)
    stream.close()
    assert ended == [True]
    assert set(threading.enumerate()) <= before
    with pytest.raises(StopIteration):
        next(stream)


def test_an_error_of_the_pictures_comes_after_the_pieces_before_it() -> None:
    error = RuntimeError("boom")

    def failing() -> Iterator[Image]:
        yield from pictures(60)
        raise error

    stream = stream_video(failing(), tone(5), StreamKind.MP4, size=SIZE)
    pieces: list[bytes] = []
    with pytest.raises(RuntimeError) as caught:
        pieces.extend(stream)
    assert caught.value is error
    assert decoded(b"".join(pieces)).pictures > 0


def test_each_picture_is_timed() -> None:
    times: list[float] = []
    stream = stream_video(pictures(7), None, StreamKind.MP4, size=SIZE, on_encoded=times.append)
    assert list(stream)
    assert len(times) == 7
    assert all(seconds > 0 for seconds in times)


def test_no_pictures_are_no_video() -> None:
    with pytest.raises(OutputError) as caught:
        list(stream_video([], tone(1), StreamKind.MP4, size=SIZE))
    assert str(caught.value) == "There are no pictures to write to 'the stream'."


def test_a_picture_of_another_size_is_refused() -> None:
    stream = stream_video([np.zeros((4, 4, 3), np.uint8)], None, StreamKind.WEBM, size=SIZE)
    with pytest.raises(ValueError, match="a picture is 4x4, the video has 320x240"):
        list(stream)


def test_a_size_that_the_codec_refuses_is_one_sentence() -> None:
    image = np.zeros((2, 20_000, 3), np.uint8)
    with pytest.raises(OutputError, match="Cannot write 'the stream': "):
        list(stream_video([image], None, StreamKind.MP4, size=(20_000, 2)))
