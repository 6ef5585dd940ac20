"""Synthetic voices: what they say, and whether their phones are where the sound is."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from viseme.errors import MissingExtraError, VisemeError
from viseme.studio.speech.espeak import ESPEAK_TRAINING_VOICES, EspeakManner, speak_with_espeak
from viseme.studio.speech.flite import (
    FLITE_HELD_OUT_VOICE,
    FLITE_TRAINING_VOICES,
    speak_with_flite,
)
from viseme.studio.speech.phones import SILENCE, VOWELS
from viseme.studio.speech.utterance import SAMPLE_RATE_HZ, Utterance

TEXT = "Stop, see how the six pieces of the puppet show passed."

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"
)


def level_db(speech: Utterance, symbols: frozenset[str]) -> float:
    """Return the median level of the inner halves of the given phones, in dB of full scale."""
    levels = []
    for phone in speech.phones:
        quarter_s = (phone.end_s - phone.start_s) / 4
        first = int((phone.start_s + quarter_s) * SAMPLE_RATE_HZ)
        last = int((phone.end_s - quarter_s) * SAMPLE_RATE_HZ)
        if phone.symbol in symbols and last > first:
            levels.append(np.sqrt(np.square(speech.samples[first:last]).mean()))
    return float(20 * np.log10(np.median(levels) + 1e-6))


def high_share(speech: Utterance, symbols: frozenset[str]) -> float:
    """Return how much of the given phones' power lies above 3.5 kHz."""
    high = whole = 0.0
    for phone in speech.phones:
        if phone.symbol in symbols:
            part = speech.samples[
                int(phone.start_s * SAMPLE_RATE_HZ) : int(phone.end_s * SAMPLE_RATE_HZ)
            ]
            power = np.abs(np.fft.rfft(part)) ** 2
            high += float(power[int(len(power) * 3500 / 8000) :].sum())
            whole += float(power.sum())
    return high / whole


def check_times(speech: Utterance) -> None:
    """Check that phones fill the sound, and that it is loud, quiet and hissing where they say."""
    assert speech.samples.dtype == np.float32
    assert speech.phones[0].start_s == 0
    assert speech.phones[-1].end_s == pytest.approx(speech.duration_s, abs=1e-3)
    for before, after in zip(speech.phones, speech.phones[1:], strict=False):
        assert before.end_s == pytest.approx(after.start_s, abs=1e-9)
    assert all(phone.end_s > phone.start_s for phone in speech.phones)
    vowels_db = level_db(speech, VOWELS)
    assert vowels_db - level_db(speech, frozenset({SILENCE})) > 25
    assert vowels_db - level_db(speech, frozenset("p")) > 6
    assert high_share(speech, frozenset("s")) > 0.25
    assert high_share(speech, VOWELS) < 0.1


@needs_flite
@pytest.mark.parametrize("voice", [*FLITE_TRAINING_VOICES, FLITE_HELD_OUT_VOICE])
@pytest.mark.parametrize("stretch", [0.8, 1.3])
def test_flite_times(voice: str, stretch: float) -> None:
    check_times(speak_with_flite(TEXT, voice, stretch=stretch))


@needs_flite
def test_flite_is_slower_and_higher_on_request() -> None:
    plain = speak_with_flite(TEXT, "awb")
    slow = speak_with_flite(TEXT, "awb", stretch=1.4)
    high = speak_with_flite(TEXT, "awb", pitch_hz=220.0)
    assert slow.duration_s == pytest.approx(1.4 * plain.duration_s, rel=0.03)
    assert high.phones == plain.phones
    assert not np.array_equal(high.samples, plain.samples)


@needs_flite
def test_flite_repeats_itself() -> None:
    first, second = (speak_with_flite(TEXT, "rms") for _ in range(2))
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.phones == second.phones


def test_missing_flite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingExtraError, match="install Debian's package flite"):
        speak_with_flite(TEXT, "rms")


@needs_espeak
@pytest.mark.parametrize("voice", ESPEAK_TRAINING_VOICES)
def test_espeak_times(voice: str) -> None:
    check_times(speak_with_espeak(TEXT, voice))


@needs_espeak
def test_espeak_is_slower_on_request() -> None:
    slow, fast = (
        speak_with_espeak(TEXT, "en-us+m1", EspeakManner(words_per_minute=speed))
        for speed in (120, 200)
    )
    assert slow.duration_s > 1.3 * fast.duration_s


@needs_espeak
def test_espeak_closes_p_before_its_burst() -> None:
    speech = speak_with_espeak("A copy.", "en-us+m1", EspeakManner(words_per_minute=120))
    p = next(phone for phone in speech.phones if phone.symbol == "p")
    closure = speech.samples[
        int((p.start_s + 0.01) * SAMPLE_RATE_HZ) : int((p.start_s + 0.04) * SAMPLE_RATE_HZ)
    ]
    assert np.abs(closure).max() < 0.01


@needs_espeak
def test_espeak_from_several_threads_says_the_same() -> None:
    jobs = [("en-us+f1", 120), ("en+m2", 200), ("en-gb-scotland+m5", 160)] * 4

    def speak(job: tuple[str, int]) -> Utterance:
        voice, speed = job
        return speak_with_espeak(TEXT, voice, EspeakManner(words_per_minute=speed))

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(speak, jobs))
    for job, speech in zip(jobs, together, strict=True):
        alone = speak(job)
        np.testing.assert_array_equal(alone.samples, speech.samples)
        assert alone.phones == speech.phones


@needs_espeak
def test_unknown_voice_is_named() -> None:
    with pytest.raises(VisemeError, match="no voice 'xx-nowhere'"):
        speak_with_espeak(TEXT, "xx-nowhere")
