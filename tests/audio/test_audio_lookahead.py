"""A frame's window has come when the sound up to its look-ahead has, and not before."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest
from fake_audio_encoder import FakeEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from viseme.audio import LOOKAHEAD_SAMPLES, Latency, Resampler, WindowStream, lookahead_samples
from viseme.errors import InputError

FRAMES = 12
ENCODER = FakeEncoder()
LARGE = 700
"""Samples, among chunks of any size: of single ones alone there would be tens of thousands."""
RATES_HZ = [1_000, 1_001, 4_000, 8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]


def test_it_is_452_and_a_half_milliseconds_at_16_khz() -> None:
    assert LOOKAHEAD_SAMPLES == lookahead_samples(16_000) == 7_240


@pytest.mark.parametrize("latency", Latency)
def test_at_16_khz_no_frame_needs_more_and_one_needs_all_of_it(latency: Latency) -> None:
    needs = []
    for frame in range(FRAMES):
        start = frame * 640 + lookahead_samples(16_000, latency)
        stream = WindowStream(ENCODER, after=latency.after)
        count = len(stream.push(np.zeros(start - 1, np.float32)))
        needs.append(count == frame)  # the last sample is needed
        count += len(stream.push(np.zeros(1, np.float32)))
        assert count >= frame + 1
    assert any(needs)


@pytest.mark.parametrize("latency", Latency)
@pytest.mark.parametrize("rate_hz", RATES_HZ)
@settings(max_examples=5)
@given(sizes=st.lists(st.integers(1, LARGE), min_size=1, max_size=5), whole=st.booleans())
def test_at_any_rate_and_however_it_is_cut_it_is_enough(
    rate_hz: int, latency: Latency, sizes: list[int], whole: bool
) -> None:
    for frame in (0, 4):
        total = round(frame * rate_hz / 25) + lookahead_samples(rate_hz, latency)
        resampler = Resampler(rate_hz, 1)
        stream = WindowStream(ENCODER, after=latency.after)
        count, sent = 0, 0
        taken = cycle([*sizes, LARGE])
        while sent < total:
            size = total if whole else next(taken) * max(1, rate_hz // 16_000)
            chunk = np.zeros(min(size, total - sent), np.float32)
            sent += len(chunk)
            count += len(stream.push(resampler.push(chunk)))
        assert count >= frame + 1, (frame, sent)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_it_is_not_much_more_than_what_is_needed(rate_hz: int) -> None:
    held_s = lookahead_samples(rate_hz) / rate_hz - LOOKAHEAD_SAMPLES / 16_000
    assert 0.02 < held_s < 0.12 * max(1.0, 8_500 / rate_hz)


@pytest.mark.parametrize("rate_hz", [0, 999, 4_000_001])
def test_rates_that_no_sound_has_are_refused(rate_hz: int) -> None:
    with pytest.raises(InputError, match=f"The sound has a sample rate of {rate_hz} Hz"):
        lookahead_samples(rate_hz)
