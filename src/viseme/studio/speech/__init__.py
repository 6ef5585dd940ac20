"""Training speech with known phone times, and the mouth's movement that goes with it."""

from viseme.studio.speech.clips import Clip, training_clip
from viseme.studio.speech.coarticulation import pose_track
from viseme.studio.speech.corpus import build_corpus
from viseme.studio.speech.held_out import held_out_corpus
from viseme.studio.speech.phones import BILABIALS, SILENCE
from viseme.studio.speech.store import Corpus
from viseme.studio.speech.throat import another_throat
from viseme.studio.speech.utterance import Phone, Utterance

__all__ = [
    "BILABIALS",
    "SILENCE",
    "Clip",
    "Corpus",
    "Phone",
    "Utterance",
    "another_throat",
    "build_corpus",
    "held_out_corpus",
    "pose_track",
    "training_clip",
]
