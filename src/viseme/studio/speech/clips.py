"""Training clips: a few seconds of augmented speech, and when it says what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viseme.studio.speech.augment import STRETCH, augment
from viseme.studio.speech.noise import Noise, speechless
from viseme.studio.speech.phones import PHONES, SILENCE
from viseme.studio.speech.store import Corpus
from viseme.studio.speech.utterance import SAMPLE_RATE_HZ, Phone, Samples, shifted

__all__ = ["Clip", "phones_at", "training_clip"]

SPEECHLESS_CHANCE = 0.06
SILENCE_AMONG_SPEECHLESS = 0.3
NOISE_LEVEL_DB = (-80.0, -35.0)
FRAME_RATE_HZ = 25


@dataclass(frozen=True, slots=True)
class Clip:
    """Sound, and what is said in it."""

    samples: Samples
    """float32 [n], 16 kHz."""
    phones: tuple[Phone, ...]
    """May begin before the clip and end after it."""


def training_clip(corpus: Corpus, rng: np.random.Generator, frame_count: int = 100) -> Clip:
    """Return a clip of `frame_count` frames, 640 samples each, from a random place.

    It may run from one utterance, and one voice, into the next; a few have no speech at all.
    """
    count = frame_count * SAMPLE_RATE_HZ // FRAME_RATE_HZ
    if rng.random() < SPEECHLESS_CHANCE:
        kind = None
        if rng.random() >= SILENCE_AMONG_SPEECHLESS:
            kind = Noise(rng.choice(list(Noise)))
        seconds = count / SAMPLE_RATE_HZ
        quiet = speechless(seconds, kind, float(rng.uniform(*NOISE_LEVEL_DB)), rng)
        return Clip(quiet.samples, quiet.phones)
    samples, phones = _excerpt(corpus, rng, int(count / STRETCH[0]) + 1)
    samples, phones = augment(samples, phones, rng)
    return Clip(np.ascontiguousarray(samples[:count]), phones)


def phones_at(phones: Sequence[Phone], times_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return which phone is spoken at each time, by its number in `PHONES`; int64 like the times.

    `phones` are in order; where there is none, there is silence.
    """
    numbers = np.asarray([PHONES.index(phone.symbol) for phone in phones], np.int64)
    begun = np.searchsorted([phone.start_s for phone in phones], times_s, side="right") - 1
    heard = (begun >= 0) & (times_s < np.asarray([phone.end_s for phone in phones])[begun])
    return np.where(heard, numbers[begun], PHONES.index(SILENCE))


def _excerpt(
    corpus: Corpus, rng: np.random.Generator, count: int
) -> tuple[Samples, tuple[Phone, ...]]:
    """Return `count` samples from a random place in a row of random utterances.

    Phones that lie outside are kept: they show at the clip's edges, where the mouth is already or
    still on their account.
    """
    pieces: list[Samples] = []
    phones: list[Phone] = []
    length, begin = 0, 0
    while length < begin + count:
        utterance = corpus[int(rng.integers(len(corpus)))]
        phones += shifted(utterance.phones, length / SAMPLE_RATE_HZ)
        pieces.append(utterance.samples)
        length += len(utterance.samples)
        if len(pieces) == 1:
            begin = int(rng.integers(len(utterance.samples)))
    moved = shifted(tuple(phones), -begin / SAMPLE_RATE_HZ)
    return np.concatenate(pieces)[begin : begin + count], moved
