"""Sound in, windows out: a file or live chunks -> 16 kHz mono -> mel -> features -> windows."""

from viseme.audio.decode import SoundInfo, decode, length_s, probe, read
from viseme.audio.features import features
from viseme.audio.latency import Latency
from viseme.audio.lookahead import LOOKAHEAD_SAMPLES, lookahead_samples
from viseme.audio.mel import MelStream, mel_spectrogram
from viseme.audio.resample import Resampler, from_samples
from viseme.audio.units import (
    FEATURE_SIZE,
    FRAME_RATE_HZ,
    MEL_RATE_HZ,
    SAMPLE_RATE_HZ,
    Samples,
)
from viseme.audio.windows import WindowStream, windows

__all__ = [
    "FEATURE_SIZE",
    "FRAME_RATE_HZ",
    "LOOKAHEAD_SAMPLES",
    "MEL_RATE_HZ",
    "SAMPLE_RATE_HZ",
    "Latency",
    "MelStream",
    "Resampler",
    "Samples",
    "SoundInfo",
    "WindowStream",
    "decode",
    "features",
    "from_samples",
    "length_s",
    "lookahead_samples",
    "mel_spectrogram",
    "probe",
    "read",
    "windows",
]
