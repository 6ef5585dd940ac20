"""Packets of Opus hold a sound to the sample, whatever the pieces in which it comes."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from viseme.video.live_opus import OPUS_RATE_HZ, OPUS_SKIP_SAMPLES, OpusEncoder, OpusPacket


def encoded(sound: NDArray[np.int16], cuts: list[int]) -> list[OpusPacket]:
    encoder = OpusEncoder()
    pieces = np.split(sound, sorted(cuts))
    return [*(packet for piece in pieces for packet in encoder.push(piece)), *encoder.flush()]


def chirp(samples: int) -> NDArray[np.int16]:
    pitch_hz = np.linspace(150, 900, samples)
    return (9000 * np.sin(2 * np.pi * np.cumsum(pitch_hz) / OPUS_RATE_HZ)).astype(np.int16)


@settings(max_examples=30)
@given(samples=st.integers(0, 5_000), cuts=st.lists(st.integers(0, 5_000), max_size=4))
def test_packets_hold_all_of_a_sound_once(samples: int, cuts: list[int]) -> None:
    packets = encoded(chirp(samples), cuts)
    assert packets == encoded(chirp(samples), [])
    position = 0
    for packet in packets:
        assert packet.start == position
        position += packet.samples
    assert position == samples


@pytest.mark.parametrize("samples", [1, 959, 960, 961, 48_000])
def test_what_is_decoded_is_the_sound(samples: int) -> None:
    sound = chirp(samples)
    decoder: Any = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = OPUS_RATE_HZ, "mono"
    frames = [f for each in encoded(sound, []) for f in decoder.decode(av.Packet(each.data))]
    heard = np.concatenate([frame.to_ndarray().ravel() for frame in frames])[OPUS_SKIP_SAMPLES:]
    assert len(heard) >= samples
    if samples == OPUS_RATE_HZ:
        assert np.corrcoef(heard[:samples], sound)[0, 1] > 0.97
