"""Resampling: scale, mix-down, pitch, and that chunks change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fake_audio_encoder import FakeEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from viseme.audio import (
    Resampler,
    WindowStream,
    features,
    from_samples,
    mel_spectrogram,
    windows,
)
from viseme.errors import InputError


def tone(rate_hz: int, duration_s: float = 1.0, frequency_hz: float = 440.0) -> NDArray[Any]:
    time = np.arange(round(rate_hz * duration_s)) / rate_hz
    return 0.5 * np.sin(2 * np.pi * frequency_hz * time)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_signed_integers_fill_minus_one_to_one(dtype: str) -> None:
    info = np.iinfo(dtype)
    samples = from_samples(np.array([info.min, info.min // 2, 0, info.max], dtype), 16_000)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, [-1, -0.5, 0, 1], atol=2.0 ** (1 - info.bits))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_unsigned_integers_are_silent_in_the_middle(dtype: str) -> None:
    info = np.iinfo(dtype)
    samples = from_samples(np.array([0, info.max // 2 + 1, info.max], dtype), 16_000)
    np.testing.assert_allclose(samples, [-1, 0, 1], atol=2.0 ** (1 - info.bits))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", ">f4", ">f8"])
def test_floating_point_is_taken_as_it_is(dtype: str) -> None:
    sound = np.array([0, 1, -1, 0.5, 1.5])
    np.testing.assert_array_equal(from_samples(sound.astype(dtype), 16_000), sound)


def test_big_endian_integers() -> None:
    sound = np.array([0, 2**14, -(2**15)], dtype=">i2")
    np.testing.assert_array_equal(from_samples(sound, 16_000), [0, 0.5, -1])


def test_channels_are_averaged() -> None:
    stereo = np.array([[0.5, -0.5], [1.0, 0.0], [0.25, 0.25]])
    np.testing.assert_array_equal(from_samples(stereo, 16_000), [0, 0.5, 0.25])


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_stays_the_tone_it_was(rate_hz: int) -> None:
    samples = from_samples(tone(rate_hz), rate_hz)
    assert abs(len(samples) - 16_000) <= 1
    inner = slice(1_000, 15_000)  # the filter rings at the ends, where the tone begins and stops
    np.testing.assert_allclose(samples[inner], tone(16_000)[inner], atol=1e-3)


def test_what_16_khz_cannot_hold_is_filtered_out() -> None:
    samples = from_samples(tone(48_000, frequency_hz=12_000), 48_000)
    assert np.abs(samples[1_000:15_000]).max() < 1e-4


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_hardly_any_samples(count: int) -> None:
    assert abs(len(from_samples(np.zeros(count), 44_100)) - count * 16_000 / 44_100) < 1


@settings(max_examples=60)
@given(st.data())
def test_windows_of_chunks_equal_those_of_the_whole(data: st.DataObject) -> None:
    rate_hz = data.draw(st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]))
    channels = data.draw(st.integers(1, 3))
    count = data.draw(st.integers(0, 2 * rate_hz))
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=12)))
    rng = np.random.default_rng(count)
    sound = rng.integers(-8_000, 8_000, (count, channels), dtype=np.int16)

    samples = from_samples(sound, rate_hz)
    expected = windows(features(mel_spectrogram(samples), FakeEncoder()))

    resampler, stream = Resampler(rate_hz, channels), WindowStream(FakeEncoder())
    parts = [stream.push(resampler.push(chunk)) for chunk in np.split(sound, cuts)]
    parts += [stream.push(resampler.flush()), stream.flush()]
    streamed = np.concatenate(parts)
    assert streamed.shape == expected.shape
    np.testing.assert_allclose(streamed, expected, atol=1e-5)


def test_chunks_of_one_sample() -> None:
    sound = tone(44_100, 0.05)
    resampler = Resampler(44_100, 1)
    parts = [resampler.push(sound[i : i + 1]) for i in range(len(sound))]
    parts.append(resampler.flush())
    np.testing.assert_array_equal(np.concatenate(parts), from_samples(sound, 44_100))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, -3e38])
def test_refuses_what_is_not_a_number_and_says_when(value: float) -> None:
    sound = np.zeros((96_000, 2))
    sound[72_000, 1] = value
    with pytest.raises(
        InputError, match=r"not a finite number, or far too large, at 1\.500 s: repair"
    ):
        from_samples(sound, 48_000)


@pytest.mark.parametrize("rate_hz", [44_100.5, float("nan"), float("inf")])
def test_a_rate_that_is_no_whole_number_is_refused(rate_hz: float) -> None:
    with pytest.raises(InputError, match=f"rate of {rate_hz} Hz, which must be a whole number"):
        Resampler(rate_hz, 1)  # type: ignore[arg-type]


def test_the_time_counts_from_the_start_given() -> None:
    with pytest.raises(InputError, match=r"at 10\.500 s"):
        Resampler(8_000, 1, start_s=10.0).push(np.where(np.arange(8_000) < 4_000, 0, np.nan))


@pytest.mark.parametrize("rate_hz", [-1, 0, 999, 4_000_001])
def test_refuses_an_impossible_rate(rate_hz: int) -> None:
    with pytest.raises(InputError, match=f"rate of {rate_hz} Hz, which must be a whole number"):
        from_samples(np.zeros(10), rate_hz)


def test_refuses_channels_for_rows() -> None:
    with pytest.raises(InputError, match=r"48000 channels, .* give samples as \[n\] or"):
        from_samples(np.zeros((2, 48_000)), 48_000)


def test_refuses_other_shapes() -> None:
    with pytest.raises(InputError, match=r"\[2, 2, 2\] where \[n, 1\] was expected"):
        from_samples(np.zeros((2, 2, 2)), 16_000)


def test_refuses_another_number_of_channels() -> None:
    with pytest.raises(InputError, match=r"shape \[5, 1\] where \[n, 2\] was expected"):
        Resampler(16_000, 2).push(np.zeros((5, 1)))


@pytest.mark.parametrize("dtype", ["bool", "complex64", "object", "U3"])
def test_refuses_other_types(dtype: str) -> None:
    with pytest.raises(InputError, match="give integers or floating-point numbers"):
        from_samples(np.zeros(4).astype(dtype), 16_000)
