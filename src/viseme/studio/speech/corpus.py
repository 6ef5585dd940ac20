"""The training speech: who speaks how much, how fast and how high, and what.

About sixty per cent of it comes from flite's three voices, which stem from people, the rest from
espeak-ng's formant voices, which bring timbres, speeds and accents. flite's voice slt and the
sentences of ``held_out.txt`` are kept for evaluation.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from viseme.engine.machine import available_cores
from viseme.studio.speech.espeak import ESPEAK_TRAINING_VOICES, EspeakManner, speak_with_espeak
from viseme.studio.speech.flite import FLITE_TRAINING_VOICES, speak_with_flite
from viseme.studio.speech.phones import SILENCE
from viseme.studio.speech.store import Corpus, open_corpus, write_corpus
from viseme.studio.speech.texts import shuffled_texts, training_sentences
from viseme.studio.speech.utterance import SAMPLE_RATE_HZ, Phone, Utterance, shifted

__all__ = ["build_corpus", "padded"]

RECIPE_VERSION = 3
"""To be raised when the same seed gives other speech, so that old caches are made anew."""

FLITE_SHARE = 0.6
PAUSE_BEFORE_S = (0.10, 0.60)
PAUSE_AFTER_S = (0.15, 0.60)

# From each flite voice's own pitch in Hz up to a woman's: all three are men, and the harmonics of a
# high voice lie so far apart that a network which never heard one takes them for formants.
FLITE_PITCH_HZ = {"awb": (95.0, 230.0), "kal16": (85.0, 210.0), "rms": (75.0, 220.0)}
FLITE_STRETCH = (0.70, 1.20)
ESPEAK_WORDS_PER_MINUTE = (125, 235)
ESPEAK_PITCH = (25, 75)
ESPEAK_PITCH_RANGE = (20, 75)


def build_corpus(
    folder: Path,
    *,
    seed: int = 1,
    minutes: float = 120.0,
    progress: Callable[[float], None] | None = None,
) -> Corpus:
    """Return at least `minutes` of training speech, from `folder` where it is there already.

    The same seed and length give the same speech. `progress` is called with the seconds spoken so
    far. Raises MissingExtraError where flite or espeak-ng is not installed and OutputError where
    the folder cannot be written.
    """
    recipe = _recipe(seed, minutes)
    corpus = open_corpus(folder, recipe)
    if corpus is not None:
        return corpus
    return write_corpus(folder, recipe, _utterances(seed, minutes * 60, progress))


def padded(utterance: Utterance, before_s: float, after_s: float) -> Utterance:
    """Put silence before and after an utterance."""
    before, after = round(before_s * SAMPLE_RATE_HZ), round(after_s * SAMPLE_RATE_HZ)
    samples = np.pad(utterance.samples, (before, after))
    start_s, end_s = before / SAMPLE_RATE_HZ, len(samples) / SAMPLE_RATE_HZ
    phones = (
        Phone(SILENCE, 0.0, start_s),
        *shifted(utterance.phones, start_s),
        Phone(SILENCE, start_s + utterance.duration_s, end_s),
    )
    filled = tuple(phone for phone in phones if phone.end_s > phone.start_s)
    return Utterance(samples, filled, utterance.voice, utterance.text)


def _recipe(seed: int, minutes: float) -> str:
    """Return a name for all that the speech depends on, the programs' versions left out."""
    told = repr((RECIPE_VERSION, seed, minutes, training_sentences()))
    return hashlib.sha256(told.encode()).hexdigest()


def _utterances(
    seed: int, seconds: float, progress: Callable[[float], None] | None
) -> Iterator[Utterance]:
    """Yield utterances until they last long enough, always from the voice that is behind most."""
    shares = _voice_shares()
    rngs = dict(zip(shares, np.random.default_rng(seed).spawn(len(shares)), strict=True))
    spoken_s = dict.fromkeys(shares, 0.0)
    total_s = 0.0
    cores = available_cores()
    with ThreadPoolExecutor(cores, thread_name_prefix="viseme-speech") as pool:
        voices = {
            voice: _spoken_ahead(pool, _requests(voice, rngs[voice]), round(4 * cores * share))
            for voice, share in shares.items()
        }
        try:
            while total_s < seconds:
                voice = min(shares, key=lambda name: spoken_s[name] / shares[name])
                utterance = next(voices[voice])
                spoken_s[voice] += utterance.duration_s
                total_s += utterance.duration_s
                yield utterance
                if progress is not None:
                    progress(total_s)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _spoken_ahead(
    pool: ThreadPoolExecutor, requests: Iterator[Callable[[], Utterance]], ahead: int
) -> Iterator[Utterance]:
    """Yield what one voice says, with its next utterances spoken in the meantime."""
    waiting: deque[Future[Utterance]] = deque()
    for request in requests:
        waiting.append(pool.submit(request))
        if len(waiting) > max(1, ahead):
            yield waiting.popleft().result()


def _voice_shares() -> dict[str, float]:
    """Return each voice's share of the time."""
    flite = FLITE_SHARE / len(FLITE_TRAINING_VOICES)
    espeak = (1 - FLITE_SHARE) / len(ESPEAK_TRAINING_VOICES)
    return {f"flite/{voice}": flite for voice in FLITE_TRAINING_VOICES} | {
        f"espeak/{voice}": espeak for voice in ESPEAK_TRAINING_VOICES
    }


def _requests(voice: str, rng: np.random.Generator) -> Iterator[Callable[[], Utterance]]:
    """Yield calls that each speak one text in a manner drawn at random, between two pauses."""
    program, _, name = voice.partition("/")
    for text in shuffled_texts(rng.spawn(1)[0]):
        speak = _flite_request if program == "flite" else _espeak_request
        pauses_s = float(rng.uniform(*PAUSE_BEFORE_S)), float(rng.uniform(*PAUSE_AFTER_S))
        yield partial(_speak, speak(text, name, rng), *pauses_s)


def _flite_request(text: str, name: str, rng: np.random.Generator) -> Callable[[], Utterance]:
    return partial(
        speak_with_flite,
        text,
        name,
        stretch=float(rng.uniform(*FLITE_STRETCH)),
        pitch_hz=float(rng.uniform(*FLITE_PITCH_HZ[name])),
    )


def _espeak_request(text: str, name: str, rng: np.random.Generator) -> Callable[[], Utterance]:
    manner = EspeakManner(
        words_per_minute=int(rng.integers(*ESPEAK_WORDS_PER_MINUTE)),
        pitch=int(rng.integers(*ESPEAK_PITCH)),
        pitch_range=int(rng.integers(*ESPEAK_PITCH_RANGE)),
    )
    return partial(speak_with_espeak, text, name, manner)


def _speak(speak: Callable[[], Utterance], before_s: float, after_s: float) -> Utterance:
    return padded(speak(), before_s, after_s)
