"""The log-mel against librosa, against the definition written out, and chunk against whole."""

from __future__ import annotations

import sys

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.uncompiled import UncompiledNumba
from viseme.audio import MelStream, mel_spectrogram
from viseme.audio.mel import SILENCE, mel_basis
from viseme.errors import InputError


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Librosa reads its own parts, and numba, as they are called for."""
    monkeypatch.setitem(sys.modules, "numba", UncompiledNumba("numba"))


def noise(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Noise in bursts, so that loud, quiet and silent frames all occur."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.choice([0.0, 1e-4, 0.01, 0.3], 1 + count // 1000), 1000)[:count]
    samples = (rng.standard_normal(count) * loudness).clip(-1, 1)
    return np.asarray(samples, dtype=np.float32)


def mel_of_librosa(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    emphasised = librosa.effects.preemphasis(samples.astype(np.float64), coef=0.97, zi=[0.0])
    stft = librosa.stft(
        emphasised, n_fft=800, hop_length=200, win_length=800, center=True, pad_mode="constant"
    )
    basis = librosa.filters.mel(sr=16_000, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    level = 20 * np.log10(np.maximum(1e-5, basis @ np.abs(stft))) - 20
    return np.asarray(np.clip(8 * (level + 100) / 100 - 4, -4, 4).T, dtype=np.float64)


@pytest.mark.parametrize("count", [16_000, 16_001, 16_199, 47_999])
def test_equals_librosa(count: int) -> None:
    samples = noise(count, seed=count)
    expected = mel_of_librosa(samples)
    assert expected.min() == -4
    assert expected.max() > 0
    mel = mel_spectrogram(samples)
    assert mel.dtype == np.float32
    np.testing.assert_allclose(mel, expected, atol=1e-4)


def test_basis_equals_librosa() -> None:
    expected = librosa.filters.mel(sr=16_000, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    np.testing.assert_allclose(mel_basis(), expected, atol=1e-8)


def test_equals_the_definition_written_out() -> None:
    samples = noise(2_100, seed=5)
    emphasised = samples.astype(np.float64)
    emphasised[1:] -= 0.97 * samples[:-1].astype(np.float64)
    padded = np.concatenate([np.zeros(400), emphasised, np.zeros(400)])
    time = np.arange(800)
    hann = 0.5 * (1 - np.cos(2 * np.pi * time / 800))
    fourier = np.exp(-2j * np.pi * np.outer(np.arange(401), time) / 800)
    basis = librosa.filters.mel(sr=16_000, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    for m, row in enumerate(mel_spectrogram(samples)):
        magnitude = np.abs(fourier @ (hann * padded[200 * m : 200 * m + 800]))
        level = 20 * np.log10(np.maximum(1e-5, basis.astype(np.float64) @ magnitude)) - 20
        expected = np.clip(8 * (level + 100) / 100 - 4, -4, 4)
        np.testing.assert_allclose(row, expected, atol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 199, 200, 399, 400, 401, 799, 800, 3_001])
def test_frame_count(count: int) -> None:
    mel = mel_spectrogram(noise(count))
    assert mel.shape == (1 + count // 200, 80)


def test_silence_is_the_lowest_value() -> None:
    mel = mel_spectrogram(np.zeros(1_000, dtype=np.float32))
    np.testing.assert_array_equal(mel, np.full((6, 80), SILENCE))


@given(st.data())
def test_chunks_equal_the_whole(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 6_000))
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=12)))
    samples = noise(count, seed=count)
    stream = MelStream()
    parts = [stream.push(chunk) for chunk in np.split(samples, cuts)]
    parts.append(stream.flush())
    np.testing.assert_array_equal(np.concatenate(parts), mel_spectrogram(samples))


def test_blocks_of_a_long_chunk_leave_no_seam() -> None:
    samples = noise(16_000 * 20, seed=7)  # more than the frames of one block
    np.testing.assert_allclose(mel_spectrogram(samples), mel_of_librosa(samples), atol=1e-4)


def test_a_frame_leaves_as_soon_as_its_samples_are_there() -> None:
    stream = MelStream()
    assert len(stream.push(np.zeros(399, dtype=np.float32))) == 0
    assert len(stream.push(np.zeros(1, dtype=np.float32))) == 1
    assert len(stream.push(np.zeros(200, dtype=np.float32))) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_a_number_and_says_when(value: float) -> None:
    stream = MelStream()
    stream.push(np.zeros(16_000, dtype=np.float32))
    chunk = np.zeros(16_000, dtype=np.float32)
    chunk[4_000] = value
    with pytest.raises(
        InputError, match=r"not a finite number, or far too large, at 1\.250 s: repair"
    ):
        stream.push(chunk)


def test_an_ended_stream_takes_no_more() -> None:
    stream = MelStream()
    stream.push(np.zeros(100, dtype=np.float32))
    assert len(stream.flush()) == 1
    assert len(stream.flush()) == 0
    with pytest.raises(RuntimeError, match="has ended"):
        stream.push(np.zeros(1, dtype=np.float32))


def test_refuses_stereo() -> None:
    with pytest.raises(ValueError, match=r"one row \[n\], got \[10, 2\]"):
        mel_spectrogram(np.zeros((10, 2), dtype=np.float32))
