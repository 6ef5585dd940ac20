"""Windows that are given early hear the sound that they wait for, and nothing of what follows."""

from __future__ import annotations

import numpy as np
import pytest
from fake_audio_encoder import FakeEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from viseme.audio import Latency, WindowStream, lookahead_samples, mel_spectrogram
from viseme.audio.features import FeatureStream, patch_start
from viseme.audio.mel import SILENCE

LOW = Latency.LOW.after
Windows = NDArray[np.float32]


def noise(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.1, 0.1, count).astype(np.float32)


def early(samples: NDArray[np.float32], *cuts: int, after: int = LOW) -> Windows:
    """Give all windows of a sound that comes in pieces."""
    stream = WindowStream(FakeEncoder(), after=after)
    parts = [stream.push(piece) for piece in np.split(samples, sorted(cuts))]
    return np.concatenate([*parts, stream.flush()])


@settings(max_examples=40)
@given(
    count=st.integers(0, 30_000),
    cuts=st.lists(st.integers(0, 30_000), max_size=10),
    after=st.integers(-1, 6),
)
def test_they_are_the_same_however_the_sound_is_cut(
    count: int, cuts: list[int], after: int
) -> None:
    samples = noise(count, seed=count)
    pieces = early(samples, *(min(cut, count) for cut in cuts), after=after)
    np.testing.assert_allclose(pieces, early(samples, after=after), atol=1e-5)
    assert len(pieces) == len(early(samples, after=Latency.EXACT.after))


@settings(max_examples=40)
@given(frame=st.integers(0, 30), after=st.integers(-1, 6), seed=st.integers(0, 99))
def test_what_comes_after_the_look_ahead_changes_nothing(frame: int, after: int, seed: int) -> None:
    most = max(_needed(number, after) - 640 * number for number in range(5))
    known = noise(640 * frame + most, seed)
    goes_on = np.concatenate([known, noise(9_000, seed + 1)])
    stops = WindowStream(FakeEncoder(), after=after).push(known)
    np.testing.assert_allclose(stops[frame], early(goes_on, after=after)[frame], atol=1e-5)


def _needed(frame: int, after: int) -> int:
    return (patch_start(frame + after - 1) + 15) * 200 + 400


def test_what_is_known_is_as_in_an_exact_window() -> None:
    samples = noise(30_000)
    exact, low = early(samples, after=7), early(samples)
    known = 9 + LOW
    for frame in range(12, len(exact)):
        np.testing.assert_allclose(
            low[frame].reshape(16, 512)[:known],
            exact[frame].reshape(16, 512)[:known],
            atol=1e-5,
        )


@pytest.mark.parametrize(("after", "guesses"), [(-1, 3), (0, 3), (4, 3), (5, 2), (6, 1)])
def test_what_is_not_known_hears_the_last_mel_frame_go_on(after: int, guesses: int) -> None:
    samples = noise(30_000)
    mel = mel_spectrogram(samples)
    frame = 20
    last = frame + after - 1
    heard = mel[patch_start(last) : patch_start(last) + 16]
    goes_on = np.concatenate([heard, np.repeat(heard[-1:], 16, axis=0)])
    expected = [
        FakeEncoder()(np.ascontiguousarray(goes_on[None, None, start : start + 16].swapaxes(2, 3)))
        for start in (3, 6, 9)[:guesses]
    ]
    window = early(samples, after=after)[frame].reshape(16, 512)
    for place, row in enumerate(window[9 + after :]):
        wanted = expected[min(place, guesses - 1)][0]
        np.testing.assert_allclose(row, wanted, atol=1e-5)


def test_before_the_sound_there_is_silence() -> None:
    samples = noise(9_000)
    mel = np.concatenate([np.full((16, 80), SILENCE, np.float32), mel_spectrogram(samples)])
    first = early(samples)[0].reshape(16, 512)
    np.testing.assert_array_equal(first[:4], np.zeros((4, 512)))
    for place, feature in enumerate(range(-5, -1)):
        start = patch_start(feature) + 16
        patch = np.ascontiguousarray(mel[None, None, start : start + 16].swapaxes(2, 3))
        np.testing.assert_allclose(first[4 + place], FakeEncoder()(patch)[0], atol=1e-5)


def test_each_feature_is_encoded_once_with_its_guesses() -> None:
    samples = noise(48_000)
    exact, low = FakeEncoder(), FakeEncoder()
    for encoder, after in ((exact, 7), (low, LOW)):
        stream = WindowStream(encoder, after=after)
        for piece in np.array_split(samples, 75):
            stream.push(piece)
        stream.flush()
    lead, repeated_end = 5, 1
    features = sum(exact.calls)
    assert features <= len(early(samples, after=7))
    assert sum(low.calls) <= 4 * (features + lead + repeated_end)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.1, 0.2, 1.0, 4.8])
@pytest.mark.parametrize("after", [-1, 0, 3])
def test_a_sound_has_as_many_windows_as_ever(seconds: float, after: int) -> None:
    samples = noise(round(16_000 * seconds))
    assert len(early(samples, after=after)) == len(early(samples, after=7))


def test_an_ended_stream_gives_no_more() -> None:
    stream = WindowStream(FakeEncoder(), after=LOW)
    assert len(stream.flush()) == 4
    assert len(stream.flush()) == 0


def test_windows_cannot_be_changed() -> None:
    window = WindowStream(FakeEncoder(), after=LOW).push(noise(9_000))
    assert not window.flags.writeable


@pytest.mark.parametrize("after", [-2, 8])
def test_a_stream_waits_for_no_less_and_no_more(after: int) -> None:
    with pytest.raises(ValueError, match=f"^after is {after}; it must be -1 to 7$"):
        WindowStream(FakeEncoder(), after=after)


def test_a_feature_stream_gives_guesses_behind_each_feature() -> None:
    mel = mel_spectrogram(noise(9_000))
    plain = FeatureStream(FakeEncoder()).push(mel)
    guessing = FeatureStream(FakeEncoder(), guesses=2).push(mel)
    assert guessing.shape[1] == 3 * 512
    np.testing.assert_allclose(guessing[5:, :512], plain[1:], atol=1e-5)


def test_low_waits_132_and_a_half_milliseconds_at_16_khz() -> None:
    assert lookahead_samples(16_000, Latency.LOW) == 2_120
