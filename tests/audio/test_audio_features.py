"""Features and windows: the counts, the padding rule, and chunk against whole."""

from __future__ import annotations

import numpy as np
import pytest
from fake_audio_encoder import FakeEncoder
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from viseme.audio import WindowStream, features, mel_spectrogram, windows
from viseme.audio.features import FeatureStream, feature_count, patch_start
from viseme.errors import ModelError


def first_value(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Tell each patch by the value in its first mel frame."""
    return np.repeat(patches[:, 0, :1, 0], 512, axis=1)


def numbered_mel(count: int) -> NDArray[np.float32]:
    """A mel spectrogram whose frames say their own number."""
    return np.repeat(np.arange(count, dtype=np.float32)[:, None], 80, axis=1)


def reference_starts(mel_count: int) -> list[int]:
    """The definition, word for word: which mel frame each vector of the padded list starts at."""
    count = int((mel_count - 16) / 80 * 25) + 2
    starts = [int(3.2 * k) for k in range(count)]
    starts = [start if start + 16 <= mel_count else mel_count - 16 for start in starts]
    return [starts[0], *starts, starts[-1]]


def test_patch_start_is_the_reference() -> None:
    assert all(patch_start(k) == int(3.2 * k) for k in range(1_000_000))


def test_no_feature_that_fits_is_beyond_the_count() -> None:
    # The stream gives a feature as soon as its 16 frames are there: it must be one that counts.
    fitting = 0
    for mel_count in range(16, 300_000):
        while patch_start(fitting) + 16 <= mel_count:
            fitting += 1
        assert 0 <= feature_count(mel_count) - fitting <= 2


def test_the_count_follows_the_reference_in_its_rounding() -> None:
    assert feature_count(384) == 116  # 368 / 80 * 25 is 115, and a hair less in floating point


@pytest.mark.parametrize("mel_count", [16, 17, 19, 20, 31, 32, 80, 383, 384, 385, 672, 1_000])
def test_features_start_where_the_reference_says(mel_count: int) -> None:
    vectors = features(numbered_mel(mel_count), first_value)
    assert vectors.dtype == np.float32
    assert vectors.shape[1] == 512
    assert vectors[:, 0].tolist() == reference_starts(mel_count)


@pytest.mark.parametrize("mel_count", [0, 1, 15])
def test_under_16_mel_frames_go_on_in_silence(mel_count: int) -> None:
    mel = numbered_mel(mel_count)
    longer = np.concatenate([mel, np.full((16 - mel_count, 80), -4, dtype=np.float32)])
    encode = FakeEncoder()
    short = features(mel, encode)
    assert short.shape == (4, 512)
    np.testing.assert_array_equal(short, features(longer, encode))


def test_a_patch_is_mel_bins_by_mel_frames() -> None:
    mel = np.arange(16 * 80, dtype=np.float32).reshape(16, 80)
    seen: list[NDArray[np.float32]] = []

    def encode(patches: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(patches.copy())
        return np.zeros((len(patches), 512), dtype=np.float32)

    features(mel, encode)
    np.testing.assert_array_equal(seen[0], mel.T[None, None])


def test_the_encoder_is_called_in_batches() -> None:
    encode = FakeEncoder()
    vectors = features(numbered_mel(800), encode)
    assert max(encode.calls) == 32
    assert len(encode.calls) < len(vectors) / 20


def test_says_when_the_encoder_does_not_fit() -> None:
    def encode(patches: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros((len(patches), 256), dtype=np.float32)

    with pytest.raises(ModelError, match=r"gave \[2, 256\] for 2 patches where \[2, 512\]"):
        features(numbered_mel(20), encode)


@given(st.data())
def test_features_in_chunks_equal_the_whole(data: st.DataObject) -> None:
    mel_count = data.draw(st.integers(0, 500))
    cuts = sorted(data.draw(st.lists(st.integers(0, mel_count), max_size=12)))
    stream = FeatureStream(first_value)
    mel = numbered_mel(mel_count)
    parts = [stream.push(chunk) for chunk in np.split(mel, cuts)]
    parts.append(stream.flush())
    np.testing.assert_array_equal(np.concatenate(parts), features(mel, first_value))


def test_windows_are_the_eight_before_and_the_seven_after() -> None:
    vectors = np.random.default_rng(3).standard_normal((40, 512)).astype(np.float32)
    cut = windows(vectors)
    assert cut.shape == (40, 32, 16, 16)
    assert cut.dtype == np.float32
    for i, window in enumerate(cut):
        rows = window.reshape(16, 512)
        for row, k in zip(rows, range(i - 8, i + 8), strict=True):
            expected = vectors[k] if 0 <= k < 40 else np.zeros(512)
            np.testing.assert_array_equal(row, expected)


def test_windows_cost_no_more_memory_than_features() -> None:
    vectors = np.zeros((1_000, 512), dtype=np.float32)
    cut = windows(vectors)
    assert np.shares_memory(cut[0], cut[1])
    assert cut[0].flags.c_contiguous
    assert not cut.flags.writeable


def test_no_features_have_no_windows() -> None:
    assert windows(np.empty((0, 512), dtype=np.float32)).shape == (0, 32, 16, 16)


@pytest.mark.parametrize("shape", [(512,), (4, 256), (4, 80, 16)])
def test_windows_refuse_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"features must be \[T, 512\]"):
        windows(np.zeros(shape, dtype=np.float32))


def whole(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return windows(features(mel_spectrogram(samples), FakeEncoder()))


@given(st.data())
def test_the_stream_of_windows_equals_the_whole(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 30_000))
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=10)))
    samples = np.random.default_rng(count).uniform(-0.1, 0.1, count).astype(np.float32)
    stream = WindowStream(FakeEncoder())
    parts = [stream.push(chunk) for chunk in np.split(samples, cuts)]
    parts.append(stream.flush())
    streamed, expected = np.concatenate(parts), whole(samples)
    assert streamed.shape == expected.shape
    np.testing.assert_allclose(streamed, expected, atol=1e-5)


@pytest.mark.parametrize("duration_s", [0.0, 0.01, 0.1, 0.19, 1.0, 7.3])
def test_as_many_windows_as_the_definition_says(duration_s: float) -> None:
    samples = np.zeros(int(duration_s * 16_000), dtype=np.float32)
    mel_count = max(16, 1 + len(samples) // 200)
    assert len(whole(samples)) == int((mel_count - 16) / 80 * 25) + 4


def test_a_window_waits_for_at_most_465_ms_of_sound() -> None:
    stream = WindowStream(FakeEncoder())
    given_windows = 0
    for tick in range(1, 400):  # 10 ms each
        given_windows += len(stream.push(np.zeros(160, dtype=np.float32)))
        assert given_windows * 0.040 >= tick * 0.010 - 0.465 - 0.010


def test_an_ended_stream_gives_and_takes_no_more() -> None:
    stream = WindowStream(FakeEncoder())
    assert len(stream.flush()) == 4
    assert len(stream.flush()) == 0
    with pytest.raises(RuntimeError, match="has ended"):
        stream.push(np.zeros(1, dtype=np.float32))
