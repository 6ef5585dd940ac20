"""Text in, sound out: speech programs that are installed behind one small interface."""

from viseme.voices.fake_synthesizer import FakeSynthesizer
from viseme.voices.finding import BUILT_IN, PLUG_INS, find_speaker
from viseme.voices.settings import VoiceSettings
from viseme.voices.speaker import Speaker, Utterance
from viseme.voices.stop import Stop
from viseme.voices.synthesizer import Sound, Synthesizer

__all__ = [
    "BUILT_IN",
    "PLUG_INS",
    "FakeSynthesizer",
    "Sound",
    "Speaker",
    "Stop",
    "Synthesizer",
    "Utterance",
    "VoiceSettings",
    "find_speaker",
]
