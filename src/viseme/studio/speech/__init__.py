"""Training speech with known phone times, and the mouth's movement that goes with it."""

from viseme.studio.speech.clips import Clip, phones_at, training_clip
from viseme.studio.speech.coarticulation import pose_track
from viseme.studio.speech.corpus import build_corpus
from viseme.studio.speech.flite import FLITE_HELD_OUT_VOICE
from viseme.studio.speech.held_out import held_out_corpus
from viseme.studio.speech.manner import SHORTEST, another_manner
from viseme.studio.speech.phones import BILABIALS, PHONES, SILENCE
from viseme.studio.speech.store import Corpus
from viseme.studio.speech.throat import another_throat
from viseme.studio.speech.utterance import Phone, Utterance

__all__ = [
    "BILABIALS",
    "FLITE_HELD_OUT_VOICE",
    "PHONES",
    "SHORTEST",
    "SILENCE",
    "Clip",
    "Corpus",
    "Phone",
    "Utterance",
    "another_manner",
    "another_throat",
    "build_corpus",
    "held_out_corpus",
    "phones_at",
    "pose_track",
    "training_clip",
]
