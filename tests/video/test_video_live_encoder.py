"""A live stream: a picture out for each one in, and key frames where they are wanted."""

from __future__ import annotations

import av
import numpy as np
import pytest

from viseme.avatar.planes import Planes
from viseme.errors import OutputError
from viseme.video.live_encoder import (
    KEY_FRAME_EVERY_S,
    EncodedPicture,
    EncoderRate,
    LiveCodec,
    LiveEncoder,
    codec_string,
)

WIDTH, HEIGHT = 320, 240
GREYS = (40, 90, 140, 190, 220)


def flat(number: int) -> Planes:
    """Return a picture that is told by its grey."""
    return Planes.of(np.full((HEIGHT, WIDTH, 3), GREYS[number % len(GREYS)], np.uint8))


def stream(codec: LiveCodec, count: int, keys: tuple[int, ...] = ()) -> list[EncodedPicture]:
    encoder = LiveEncoder(codec, WIDTH, HEIGHT)
    return [encoder.encode(flat(number), key=number in keys) for number in range(count)]


def greys(codec: LiveCodec, pictures: list[EncodedPicture]) -> list[float]:
    decoder = av.CodecContext.create(codec.value, "r")
    packets = [av.Packet(picture.data) for picture in pictures]
    frames = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
    return [float(frame.to_ndarray(format="gray").mean()) for frame in frames]


@pytest.mark.parametrize("codec", LiveCodec)
def test_decoding_may_begin_at_any_key_frame(codec: LiveCodec) -> None:
    pictures = stream(codec, 12, keys=(7,))
    assert [number for number, picture in enumerate(pictures) if picture.is_key] == [0, 7]
    for first in (0, 7):
        expected = [GREYS[number % len(GREYS)] for number in range(first, 12)]
        assert greys(codec, pictures[first:]) == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("codec", LiveCodec)
def test_key_frames_come_by_themselves_too(codec: LiveCodec) -> None:
    every = 25 * KEY_FRAME_EVERY_S
    pictures = stream(codec, 2 * every + 1)
    keys = [number for number, picture in enumerate(pictures) if picture.is_key]
    assert max(np.diff(keys)) <= every


def test_the_codecs_name_is_that_of_the_stream() -> None:
    first = stream(LiveCodec.H264, 1)[0].data
    name = codec_string(LiveCodec.H264, WIDTH, HEIGHT)
    profile = bytes.fromhex(name.removeprefix("avc1."))
    assert len(profile) == 3
    assert b"\x00\x00\x01\x67" + profile in first
    assert codec_string(LiveCodec.VP8, WIDTH, HEIGHT) == "vp8"
    assert codec_string(LiveCodec.VP9, WIDTH, HEIGHT).startswith("vp09.")


def test_a_size_that_no_encoder_takes() -> None:
    with pytest.raises(OutputError, match="Cannot write 'the stream'"):
        LiveEncoder(LiveCodec.H264, 321, 240)


@pytest.mark.parametrize("codec", LiveCodec)
def test_a_rate_is_kept(codec: LiveCodec) -> None:
    rng = np.random.default_rng(5)
    # Blotches that change all the time: a picture that takes bits.
    small = rng.integers(0, 256, (75, HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    moving = [Planes.of(one.repeat(8, axis=0).repeat(8, axis=1)) for one in small]

    def bits_per_s(rate: EncoderRate) -> float:
        encoder = LiveEncoder(codec, WIDTH, HEIGHT, rate)
        return sum(8 * len(encoder.encode(picture).data) for picture in moving) / 3

    least = bits_per_s(EncoderRate(crf=15, bits_per_pixel=8.0))
    assert least < 1.3 * 8.0 * WIDTH * HEIGHT
    assert bits_per_s(EncoderRate(crf=15, bits_per_pixel=20.0)) > 1.15 * least
