"""What quality is measured with: a voice and sentences that no network was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from viseme.errors import InputError
from viseme.studio.speech.corpus import padded
from viseme.studio.speech.flite import (
    FLITE_HELD_OUT_VOICE,
    FLITE_TRAINING_VOICES,
    speak_with_flite,
)
from viseme.studio.speech.noise import Noise, speechless
from viseme.studio.speech.store import Corpus, open_corpus, write_corpus
from viseme.studio.speech.texts import held_out_sentences
from viseme.studio.speech.utterance import Utterance

__all__ = ["held_out_corpus"]

RECIPE_VERSION = 2
SEED = 20_011
PAUSE_S = 0.4
SPEECHLESS_S = 4.0
NOISE_LEVELS_DB = (-70.0, -55.0, -45.0)


def held_out_corpus(folder: Path, voice: str = FLITE_HELD_OUT_VOICE) -> Corpus:
    """Return the evaluation's speech, from `folder` where it is there already.

    One of flite's voices speaks every sentence of ``held_out.txt`` once, at its own speed; then
    come ``silence`` and ``noise/KIND``, four seconds each, in which the mouth has to rest. A voice
    that was trained on tells the drawing's faults from those of the hearing.

    Raises:
        InputError: flite has no such voice.
        MissingExtraError, OutputError: as `build_corpus`.
    """
    voices = (FLITE_HELD_OUT_VOICE, *FLITE_TRAINING_VOICES)
    if voice not in voices:
        raise InputError(f"There is no voice '{voice}' to measure with: use {', '.join(voices)}.")
    told = repr((RECIPE_VERSION, voice, held_out_sentences()))
    recipe = hashlib.sha256(told.encode()).hexdigest()
    return open_corpus(folder, recipe) or write_corpus(folder, recipe, _utterances(voice))


def _utterances(voice: str) -> Iterator[Utterance]:
    for text in held_out_sentences():
        yield padded(speak_with_flite(text, voice), PAUSE_S, PAUSE_S)
    rng = np.random.default_rng(SEED)
    for level_db in NOISE_LEVELS_DB:
        yield speechless(SPEECHLESS_S, None, level_db, rng)
        for kind in Noise:
            yield speechless(SPEECHLESS_S, kind, level_db, rng)
