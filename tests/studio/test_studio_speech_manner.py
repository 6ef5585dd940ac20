"""Another manner moves phones in time and colour, and what the poses are made of moves along."""

import numpy as np
import pytest
from numpy.typing import NDArray

from viseme.audio import MEL_RATE_HZ
from viseme.audio.mel import SILENCE as SILENT
from viseme.audio.mel import mel_centres_hz
from viseme.studio.speech.clips import phones_at
from viseme.studio.speech.manner import SHORTEST, accented, another_manner, retimed
from viseme.studio.speech.phones import PHONES
from viseme.studio.speech.utterance import Phone

SAID = tuple(
    Phone(symbol, 0.5 * i, 0.5 * (i + 1)) for i, symbol in enumerate(("pau", "aa", "m", "iy", "s"))
)
Mel = NDArray[np.float32]


def numbered(phones: tuple[Phone, ...], frames: int = 200) -> Mel:
    """Return a spectrogram in which every frame has the number of its phone."""
    said = phones_at(phones, np.arange(frames) / MEL_RATE_HZ)
    return np.broadcast_to(said[:, None] / 20.0, (frames, 80)).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_phones_are_where_they_are_heard(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mel, phones = retimed(numbered(SAID), SAID, rng.uniform(0.6, 1.4, len(SAID)))
    frames = numbered(phones, len(mel))
    edges = np.asarray([p.start_s for p in phones[1:]] + [phones[-1].end_s]) * MEL_RATE_HZ
    inside = np.abs(np.arange(len(mel))[:, None] - edges).min(axis=1) > 1.5
    assert inside.sum() > 120
    np.testing.assert_allclose(mel[inside], frames[inside], atol=1e-6)


def test_each_phone_is_as_long_as_asked() -> None:
    factors = np.asarray([1.0, 1.3, 0.7, 1.1, 0.9])
    mel, phones = retimed(numbered(SAID), SAID, factors)
    np.testing.assert_allclose([p.end_s - p.start_s for p in phones], 0.5 * factors)
    assert phones[0].start_s == 0
    assert len(mel) == 200


def test_a_phone_that_began_before_the_clip_keeps_the_clips_beginning() -> None:
    early = (Phone("aa", -0.3, 0.2), Phone("m", 0.2, 1.0))
    mel, phones = retimed(numbered(early, 80), early, np.asarray([2.0, 1.0]))
    assert phones[0].start_s == pytest.approx(-0.6)
    assert phones[0].end_s == pytest.approx(0.4)
    np.testing.assert_array_equal(mel[0], numbered(early, 80)[0])


def test_no_more_is_lost_than_a_clip_can_spare() -> None:
    mel, phones = retimed(numbered(SAID), SAID, np.full(len(SAID), 0.1))
    assert len(mel) == pytest.approx(SHORTEST * 200, abs=1)
    assert phones[-1].end_s == pytest.approx(SHORTEST * 2.5)


def test_an_accent_colours_speech_phone_by_phone_and_leaves_silence() -> None:
    rng = np.random.default_rng(3)
    mel = rng.uniform(-1, 1, (200, 80)).astype(np.float32)
    mel[:40] = SILENT
    changed = accented(mel, SAID, rng)
    np.testing.assert_array_equal(changed[:40], mel[:40])
    assert np.abs(changed - mel)[45:].mean() > 0.05
    assert changed.min() >= SILENT
    assert changed.max() <= 4


def test_rounded_vowels_are_fronted_and_no_others() -> None:
    said = tuple(Phone(s, 0.5 * i, 0.5 * i + 0.5) for i, s in enumerate(("pau", "uw", "aa")))
    hz = mel_centres_hz()
    formants = [np.exp(-0.5 * ((hz - peak) / 90) ** 2) for peak in (400.0, 1000.0)]
    mel = np.tile(2 * sum(formants, np.zeros(80)) - 1, (120, 1)).astype(np.float32)
    mel[:40] = SILENT
    second_hz = []
    for seed in range(24):
        changed = accented(mel, said, np.random.default_rng(seed), strength=0.0)
        first, second = (hz[band] for band in _peaks(changed[60]))
        assert first == pytest.approx(400, abs=40)
        np.testing.assert_array_equal(changed[100], mel[100])
        second_hz.append(second)
    assert min(second_hz) > 900
    assert max(second_hz) > 1500


def _peaks(frame: NDArray[np.float32]) -> list[int]:
    middle = frame[1:-1]
    is_peak = (middle > frame[:-2]) & (middle >= frame[2:]) & (middle > 0)
    return [int(band) + 1 for band in np.flatnonzero(is_peak)]


def test_an_accent_is_a_habit_the_same_in_every_place() -> None:
    twice = tuple(Phone(s, 0.5 * i, 0.5 * i + 0.5) for i, s in enumerate(("aa", "m", "aa", "m")))
    # Above its floor everywhere, so that all of it is speech.
    mel = np.concatenate([np.full((1, 80), SILENT), np.full((159, 80), 0.5)]).astype(np.float32)
    mel[1:30] = -1.0
    colour = accented(mel, twice, np.random.default_rng(5)) - mel
    np.testing.assert_allclose(colour[55:65], colour[135:145], atol=1e-5)
    assert np.abs(colour[100] - colour[60]).max() > 0.05


def test_the_manner_is_drawn_from_the_generator_alone() -> None:
    mel = np.random.default_rng(0).uniform(-3, 2, (200, 80)).astype(np.float32)
    one, two, other = (another_manner(mel, SAID, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one[0], two[0])
    assert one[1] == two[1]
    assert one[0].shape != other[0].shape or not np.array_equal(one[0], other[0])
    assert all(phone.symbol in PHONES for phone in one[1])
