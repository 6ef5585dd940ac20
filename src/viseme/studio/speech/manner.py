"""The same speech in another speaker's manner: each phone longer or shorter, louder or softer.

Speakers differ in more than throat and microphone. One holds a closure for 80 ms where another
takes 100, one hums an m as loudly as a vowel, one says an "ah" that is nearly another's "eh", one
forms the "oo" of "food" so far forward that it is nearly another's "ee", with lips as round. A
network that heard few voices takes such habits for the phones themselves, and misses lips that
close in a voice it does not know. Since the phones' times are known, each habit can be exchanged:
a clip draws one for every phone, and time and spectrum follow.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.audio import MEL_RATE_HZ
from viseme.audio.mel import SILENCE as SILENT
from viseme.audio.mel import mel_centres_hz
from viseme.studio.speech.clips import phones_at
from viseme.studio.speech.phones import NASALS, PHONES, ROUNDED, SILENCE
from viseme.studio.speech.throat import LOUDEST, warped
from viseme.studio.speech.utterance import Phone

__all__ = ["SHORTEST", "another_manner"]

Mel = NDArray[np.float32]

TEMPO_CHANCE, TEMPO = 0.8, (0.80, 1.20)
HABIT_DEVIATION, MOMENT_DEVIATION = 0.18, 0.12
"""Of the logarithm of a phone's length: how it differs in all its places, and in this one."""
SHORTEST = 0.75
"""The least that is left of a clip's length."""

ACCENT_CHANCE = 0.85
LEVEL_DEVIATION, NASAL_DEVIATION = 0.20, 0.45
"""In units of the log-mel, of which one is 12.5 dB; the nasals move together as well."""
CURVE_DEVIATION, CURVE_POINTS = 0.18, 6
FORMANT_DEVIATION = 0.045
FRONTING, FRONTING_DEVIATION = (-0.05, 0.40), 0.06
"""By what share the second formants of `ROUNDED` rise: of a speaker, and how single vowels differ.
Many speakers have the "oo" of "goose" at up to 1600 Hz, others at 1000."""
FRONTED_HZ, FRONTED = (500.0, 1600.0, 2800.0), (0.0, 1.0, 0.0)
"""How much each frequency takes part: the first formant and the third stay where they are."""
CHANGE_FRAMES = 1.5
"""How softly one phone's colour gives way to the next one's, in mel frames."""
FLOOR_PERCENTILE, FLOOR_HEIGHT = 10, 1.0
"""What is nearer to a band's floor than this is noise, which no speaker colours."""


def another_manner(
    mel: Mel, phones: Sequence[Phone], rng: np.random.Generator, strength: float = 1.0
) -> tuple[Mel, tuple[Phone, ...]]:
    """Return a log-mel spectrogram ``[M', 80]`` as another speaker would have said it.

    `strength` scales how far phones stray in level, timbre and formants, but for nasals and rounded
    vowels. The phones' times are those of the result, in seconds from its beginning.
    """
    phones = tuple(phones)
    if rng.random() < TEMPO_CHANCE:
        habits = np.exp(rng.normal(0, HABIT_DEVIATION, len(PHONES)))
        moments = np.exp(rng.normal(0, MOMENT_DEVIATION, len(phones)))
        lengths = habits[[PHONES.index(phone.symbol) for phone in phones]]
        mel, phones = retimed(mel, phones, lengths * moments * rng.uniform(*TEMPO))
    if rng.random() < ACCENT_CHANCE:
        mel = accented(mel, phones, rng, strength)
    return mel, phones


def retimed(
    mel: Mel, phones: tuple[Phone, ...], factors: NDArray[np.float64]
) -> tuple[Mel, tuple[Phone, ...]]:
    """Make each phone last ``factors[i]`` times as long; what is outside all phones stays as long.

    The whole keeps at least `SHORTEST` of its length.
    """
    old_s = np.unique([0.0, len(mel) / MEL_RATE_HZ, *(edge for p in phones for edge in p[1:])])
    middles_s = (old_s[1:] + old_s[:-1]) / 2
    lengths = np.ones(len(middles_s))
    for phone, factor in zip(phones, factors, strict=True):
        lengths[(middles_s > phone.start_s) & (middles_s < phone.end_s)] = factor
    new_s = np.concatenate([[0.0], np.cumsum(np.diff(old_s) * lengths)])
    new_s -= np.interp(0.0, old_s, new_s)
    whole = np.interp(len(mel) / MEL_RATE_HZ, old_s, new_s) * MEL_RATE_HZ / len(mel)
    new_s *= max(1.0, SHORTEST / whole)
    count = int(np.interp(len(mel) / MEL_RATE_HZ, old_s, new_s) * MEL_RATE_HZ)
    places = np.interp(np.arange(count) / MEL_RATE_HZ, new_s, old_s) * MEL_RATE_HZ
    edges = np.interp([p[1:] for p in phones], old_s, new_s).tolist()
    moved = tuple(Phone(p.symbol, *edge) for p, edge in zip(phones, edges, strict=True))
    return _rows(mel, places), moved


def accented(
    mel: Mel, phones: Sequence[Phone], rng: np.random.Generator, strength: float = 1.0
) -> Mel:
    """Give each phone another level, timbre and place of its formants; silence stays silence."""
    speech = np.asarray([symbol != SILENCE for symbol in PHONES])[:, None]
    nasal = np.asarray([symbol in NASALS for symbol in PHONES])[:, None]
    points = rng.normal(0, CURVE_DEVIATION, (len(PHONES), CURVE_POINTS))
    bands = np.linspace(0, CURVE_POINTS - 1, mel.shape[1])
    curves = np.stack([np.interp(bands, np.arange(CURVE_POINTS), row) for row in points])
    curves += rng.normal(0, LEVEL_DEVIATION, (len(PHONES), 1))
    curves = strength * curves + nasal * rng.normal(0, NASAL_DEVIATION)
    formants = strength * rng.normal(0, FORMANT_DEVIATION, (len(PHONES), 1))
    rounded = np.asarray([symbol in ROUNDED for symbol in PHONES])[:, None]
    fronting = rng.uniform(*FRONTING) + rng.normal(0, FRONTING_DEVIATION, (len(PHONES), 1))
    columns = [curves, formants, rounded * fronting]
    table = (np.concatenate(columns, axis=1) * speech).astype(np.float32)
    said = phones_at(phones, np.arange(len(mel)) / MEL_RATE_HZ)
    colour = cv2.GaussianBlur(
        table[said], (1, 0), sigmaX=0.01, sigmaY=CHANGE_FRAMES, borderType=cv2.BORDER_REPLICATE
    )
    second = np.interp(mel_centres_hz(), FRONTED_HZ, FRONTED).astype(np.float32)
    moved = warped(mel, (1 + colour[:, -2:-1]) * (1 - colour[:, -1:] * second))
    floor = np.percentile(moved, FLOOR_PERCENTILE, axis=0)
    above = np.clip((moved - floor) / FLOOR_HEIGHT, 0, 1)
    result = np.clip(moved + above * colour[:, :-2], SILENT, LOUDEST)
    silent = (mel <= SILENT).all(axis=1, keepdims=True)
    return np.where(silent, np.float32(SILENT), result).astype(np.float32)


def _rows(mel: Mel, places: NDArray[np.float64]) -> Mel:
    """Return the spectrogram's frames at fractional places."""
    below = np.clip(places.astype(np.intp), 0, len(mel) - 2)
    share = np.clip(places - below, 0, 1)[:, None]
    return np.asarray(mel[below] * (1 - share) + mel[below + 1] * share, np.float32)
