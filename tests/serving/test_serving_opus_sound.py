"""Packets of Opus: as many samples as they say, the same sound, and errors in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.opus import DELAY_SAMPLES, RATE_HZ, packets
from viseme.errors import InputError
from viseme.serving.opus_sound import OpusSound, packet_samples

BROKEN = "A message is no packet of Opus; send one packet in each message, without a container."


def song(seconds: float = 1.0) -> NDArray[np.int16]:
    """Make a chord that swells: int16 [n], at 48 kHz."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    chord = sum(np.sin(2 * np.pi * pitch * t) for pitch in (220, 331, 550))
    return np.round(5_000 * chord * (0.2 + np.sin(2 * np.pi * 2 * t) ** 2)).astype(np.int16)


@pytest.mark.parametrize("frame_ms", [10, 20, 60])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_sound_is_the_one_that_was_encoded(channels: int, frame_ms: int) -> None:
    left = song()
    sound = left if channels == 1 else np.stack([left, left // 3], axis=1)
    reader = OpusSound(channels=channels).reader()
    made = packets(sound, frame_ms)
    heard = [reader(packet) for packet in made]
    assert {samples.shape for samples in heard} == {(frame_ms * 48, channels)}
    assert [packet_samples(packet) for packet in made] == [frame_ms * 48] * len(made)
    whole = np.concatenate(heard)[DELAY_SAMPLES:][: len(left)].astype(float)
    error = whole - sound.reshape(-1, channels)
    assert error.std() < 0.05 * left.std()


def test_a_packet_of_one_channel_can_be_decoded_to_two() -> None:
    reader = OpusSound(channels=2).reader()
    heard = np.concatenate([reader(packet) for packet in packets(song(0.2))])
    assert np.array_equal(heard[:, 0], heard[:, 1])
    assert np.abs(heard).max() > 1_000


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (b"", BROKEN),
        (b"\x03", BROKEN),  # of many frames, and it does not say how many
        (b"\x03\x00", BROKEN),  # of none
        (b"\xff\x3f" + bytes(200), BROKEN),  # of 63, which are more than 120 ms
        (b"\xff", BROKEN),
        (b"\x0b\x31", BROKEN),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", BROKEN),
        (bytes(8_193), "A packet of Opus has 8193 bytes, more than the 8192 that are taken; "),
    ],
)
def test_what_is_no_packet(packet: bytes, text: str) -> None:
    with pytest.raises(InputError) as caught:
        OpusSound().reader()(packet)
    assert str(caught.value).startswith(text)


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(data: bytes) -> None:
    try:
        samples = OpusSound().reader()(data)
    except InputError:
        return
    assert 0 < len(samples) <= 5_760
    assert len(samples) == packet_samples(data)


@pytest.mark.parametrize(
    ("rate_hz", "channels", "text"),
    [
        (16_000, 1, "The sound's rate is 16000 Hz, and packets of Opus are decoded at 48000; "),
        (48_000, 3, "The sound has 3 channels, and packets of Opus have 1 or 2; "),
    ],
)
def test_what_opus_is_not(rate_hz: int, channels: int, text: str) -> None:
    with pytest.raises(InputError) as caught:
        OpusSound(rate_hz, channels)
    assert str(caught.value).startswith(text)
